//! S values from source regions to every region of a labelled scene.

use super::case::{Case, ComputedPass};
use super::failure::{Failure, UserError};
use super::from_files::anatomy;
use super::notes::Listener;
use super::request::SvalueRequest;
use super::transport;
use crate::fault::Setting;
use crate::note::Note;
use crate::svalues::MGY_PER_MBQ_S_PER_KEV_G;
use crate::text;
use crate::transport::emission::Emissions;
use std::collections::BTreeMap;

/// One S value.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct SvalueRow {
    /// Nuclide.
    pub nuclide: String,
    /// Source region.
    pub source: String,
    /// Target region.
    pub target: String,
    /// mGy per MBq s of the source.
    pub s_mgy_per_mbq_s: f64,
    /// Its relative standard error; 0 without energy.
    pub sigma_rel: f64,
    /// The electrons' part.
    pub electron_mgy_per_mbq_s: f64,
    /// The photons' part.
    pub photon_mgy_per_mbq_s: f64,
    /// Mass of the target, g.
    pub target_mass_g: f64,
}

/// The S values of a request.
pub struct SvalueResult {
    /// By source and target.
    pub rows: Vec<SvalueRow>,
    /// Names of all regions.
    pub names: Vec<String>,
    /// What the reader should know.
    pub warnings: Vec<Note>,
}

/// Transports each source region's decays, spread uniformly over its volume.
pub fn svalues(request: &SvalueRequest, hear: &mut dyn Listener) -> Result<SvalueResult, Failure> {
    svalues_of(request, anatomy(&request.dose, hear)?, hear)
}

/// As [`svalues`], of a labelled case from any source; its decays are replaced.
pub fn svalues_of(request: &SvalueRequest, mut case: Case, hear: &mut dyn Listener) -> Result<SvalueResult, Failure> {
    let voxel_cm3 = case.decays.grid.voxel_cm3();
    let mut masses: BTreeMap<u16, (usize, f64)> = BTreeMap::new();
    for (&label, &density) in case.labels.iter().zip(&case.density_g_cm3) {
        let entry = masses.entry(label).or_default();
        entry.0 += 1;
        entry.1 += f64::from(density) * voxel_cm3;
    }
    let name = |label: u16| case.names.get(&label).cloned().unwrap_or_else(|| format!("label_{label}"));
    let names: BTreeMap<u16, String> = masses.keys().map(|&label| (label, name(label))).collect();
    let mut rows = Vec::new();
    for &source in &request.sources {
        let voxels = masses.get(&source).map_or(0, |(count, _)| *count);
        if voxels == 0 {
            let known: Vec<String> = masses.keys().filter(|l| **l > 0).map(u16::to_string).collect();
            return Err(UserError::invalid(
                Setting::SourceLabel,
                "",
                format!("{source}, which no voxel has"),
                known.join(", "),
                "Name a label of the label map.",
            )
            .into());
        }
        let share = 1.0 / voxels as f64;
        case.decays.data = case.labels.iter().map(|&label| if label == source { share } else { 0.0 }).collect();
        let computed = transport::compute(&mut case, &request.dose.run, Emissions::All, hear)?;
        for (&target, &(_, target_mass_g)) in masses.iter().filter(|(label, _)| **label > 0) {
            let part = |pass: &ComputedPass| pass.by_label.get(&target).copied().unwrap_or_default();
            let (electron, photon) = (part(&computed.electron), part(&computed.photon));
            let energy = electron.energy_kev + photon.energy_kev;
            let error = (electron.variance_kev2 + photon.variance_kev2).max(0.0).sqrt();
            let s = |kev: f64| kev * MGY_PER_MBQ_S_PER_KEV_G / target_mass_g;
            rows.push(SvalueRow {
                nuclide: case.nuclide.name.clone(),
                source: names[&source].clone(),
                target: names[&target].clone(),
                s_mgy_per_mbq_s: s(energy),
                sigma_rel: if energy > 0.0 { error / energy } else { 0.0 },
                electron_mgy_per_mbq_s: s(electron.energy_kev),
                photon_mgy_per_mbq_s: s(photon.energy_kev),
                target_mass_g,
            });
        }
    }
    Ok(SvalueResult { rows, names: names.into_values().collect(), warnings: case.warnings })
}

/// The S values as CSV, in the layout of organ tables.
pub fn csv(rows: &[SvalueRow], seed: u64) -> String {
    const HEADS: [&str; 8] = [
        "nuclide",
        "source",
        "target",
        "S_mGy_per_MBq_s",
        "sigma_rel",
        "electron_mGy_per_MBq_s",
        "photon_mGy_per_MBq_s",
        "target_mass_g",
    ];
    let cells = |row: &SvalueRow| {
        [
            row.nuclide.clone(),
            row.source.clone(),
            row.target.clone(),
            format!("{:.6e}", row.s_mgy_per_mbq_s),
            format!("{:.2e}", row.sigma_rel),
            format!("{:.6e}", row.electron_mgy_per_mbq_s),
            format!("{:.6e}", row.photon_mgy_per_mbq_s),
            plain(row.target_mass_g),
        ]
    };
    let table = text::rows::text(HEADS, rows.iter().map(cells));
    format!("# lutra S values, source uniform by volume; seed {seed}\n{table}")
}

/// A mass with four decimals, or with four digits if that is more precise.
fn plain(mass_g: f64) -> String {
    if mass_g < 0.1 { format!("{mass_g:.3e}") } else { format!("{mass_g:.4}") }
}
