//! `lutra svalue`: S values from source regions to every region of a labelled scene.

use super::args::SvalueRequest;
use super::dose::anatomy;
use super::failure::{Failure, OrUserError, UserError};
use super::{guard, printer, transport};
use crate::io::atomic::OutputFiles;
use crate::svalues::MGY_PER_MBQ_S_PER_KEV_G;
use crate::transport::emission::Emissions;
use std::collections::BTreeMap;

/// Runs `lutra svalue`.
pub(super) fn run(request: &SvalueRequest) -> Result<(), Failure> {
    let (out, force) = (&request.dose.out, request.dose.force);
    let claimed = OutputFiles::claim(&[out], force, &guard::of_svalue(request)).or_user_error()?;
    let mut case = anatomy(&request.dose)?;
    let voxel_cm3 = case.decays.grid.voxel_cm3();
    let mut masses: BTreeMap<u16, (usize, f64)> = BTreeMap::new();
    for (&label, &density) in case.labels.iter().zip(&case.density_g_cm3) {
        let entry = masses.entry(label).or_default();
        entry.0 += 1;
        entry.1 += f64::from(density) * voxel_cm3;
    }
    let name = |label: u16| case.names.get(&label).cloned().unwrap_or_else(|| format!("label_{label}"));
    let names: BTreeMap<u16, String> = masses.keys().map(|&label| (label, name(label))).collect();
    let mut csv = format!(
        "# lutra S values, source uniform by volume; seed {}\nnuclide,source,target,S_mGy_per_MBq_s,sigma_rel,electron_mGy_per_MBq_s,photon_mGy_per_MBq_s,target_mass_g\n",
        request.dose.run.seed
    );
    let mut rows = Vec::new();
    let width = names.values().map(|name| name.chars().count()).max().unwrap_or(0).max("source".len());
    let mut table =
        format!("{:<width$} {:<width$} {:>14} {:>8} {:>12}\n", "source", "target", "mGy/(MBq s)", "+- %", "mass g");
    for &source in &request.sources {
        let voxels = masses.get(&source).map_or(0, |(count, _)| *count);
        if voxels == 0 {
            let known: Vec<String> = masses.keys().filter(|l| **l > 0).map(u16::to_string).collect();
            return Err(UserError::new(
                format!("--source-label: found {source}, which no voxel has; allowed: {}", known.join(", ")),
                "Name a label of the label map.",
            )
            .into());
        }
        let share = 1.0 / voxels as f64;
        case.decays.data = case.labels.iter().map(|&label| if label == source { share } else { 0.0 }).collect();
        let computed = transport::compute(&mut case, &request.dose.run, Emissions::All)?;
        for (&target, &(_, mass_g)) in masses.iter().filter(|(label, _)| **label > 0) {
            let part = |pass: &super::case::ComputedPass| pass.by_label.get(&target).copied().unwrap_or_default();
            let (electron, photon) = (part(&computed.electron), part(&computed.photon));
            let energy = electron.energy_kev + photon.energy_kev;
            let error = (electron.variance_kev2 + photon.variance_kev2).max(0.0).sqrt();
            let s = |kev: f64| kev * MGY_PER_MBQ_S_PER_KEV_G / mass_g;
            let sigma = if energy > 0.0 { error / energy } else { 0.0 };
            csv.push_str(&format!(
                "{},\"{}\",\"{}\",{:.6e},{sigma:.2e},{:.6e},{:.6e},{mass_g:.4}\n",
                case.nuclide.name,
                names[&source],
                names[&target],
                s(energy),
                s(electron.energy_kev),
                s(photon.energy_kev)
            ));
            rows.push(serde_json::json!({
                "nuclide": case.nuclide.name,
                "source": names[&source],
                "target": names[&target],
                "s_mgy_per_mbq_s": s(energy),
                "sigma_rel": sigma,
                "electron_mgy_per_mbq_s": s(electron.energy_kev),
                "photon_mgy_per_mbq_s": s(photon.energy_kev),
                "target_mass_g": mass_g,
            }));
            table.push_str(&format!(
                "{:<width$} {:<width$} {:>14.5e} {:>8.2} {:>12.3}\n",
                names[&source],
                names[&target],
                s(energy),
                100.0 * sigma,
                mass_g
            ));
        }
    }
    claimed.write(out, |to| to.write_all(csv.as_bytes())).or_user_error()?;
    printer::record(&serde_json::json!({ "seed": request.dose.run.seed, "s_values": rows }))?;
    printer::data(&table);
    for warning in &case.warnings {
        printer::warning(warning);
    }
    printer::results("", &request.dose.out);
    Ok(())
}
