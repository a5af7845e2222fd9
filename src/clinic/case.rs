//! The case of a run and its results: between the inputs of a command and the files it writes.

use super::known::{ActivityKnown, OwnBudget};
use super::request::{DicomOut, DvhBands};
use crate::decay::Nuclide;
use crate::dose::regions::RegionEnergy;
use crate::grid::{Orientation, Volume};
use crate::io::dicom::Origin;
use crate::materials::tissues::Tissue;
use crate::note::Note;
use crate::report::EnergyBalance;
use crate::report::png::Background;
use crate::report::run_record::{Device, InputFile};
use crate::transport::batch_store::BatchStore;
use crate::transport::checkpoint::Keeper;
use crate::transport::spent::Spent;
use serde_json::Value;
use std::collections::BTreeMap;

/// All inputs of a run, on one grid in canonical order (axes towards right, front, head).
pub struct Case {
    /// Decays of each voxel over all time.
    pub decays: Volume<f64>,
    /// Mass density, g/cm3.
    pub density_g_cm3: Vec<f32>,
    /// Index into `tissues`.
    pub tissue: Vec<u8>,
    /// The tissues.
    pub tissues: Vec<Tissue>,
    /// CT, HU, where there is one.
    pub hu: Option<Vec<f32>>,
    /// Region labels, 0 for none.
    pub labels: Vec<u16>,
    /// Names of the labels.
    pub names: BTreeMap<u16, String>,
    /// Regions made of several labels.
    pub groups: Vec<(u16, String, Vec<u16>)>,
    /// Administered activity, MBq.
    pub administered_mbq: Option<f64>,
    /// Times of the activity images that were integrated, h after injection; none for a ready map of decays.
    pub image_times_h: Vec<f64>,
    /// What is known of the uncertainty of the activity.
    pub activity: ActivityKnown,
    /// Decays in the activity file, before anything fell outside the grid.
    pub decays_in_file: f64,
    /// The nuclide.
    pub nuclide: Nuclide,
    /// Order and direction of the axes in the files to write.
    pub orientation: Orientation,
    /// Kind of coordinates (NIfTI form code) of the files to write.
    pub form_code: i16,
    /// Origin of a DICOM CT, which a DICOM dose refers to.
    pub origin: Option<Origin>,
    /// DICOM outputs.
    pub dicom: Option<DicomOut>,
    /// Files read.
    pub inputs: Vec<InputFile>,
    /// Settings by name.
    pub settings: BTreeMap<String, Value>,
    /// Data sets by name.
    pub data_sets: BTreeMap<String, String>,
    /// What the reader should know.
    pub warnings: Vec<Note>,
}

impl Case {
    /// Background of the dose in pictures: the CT if there is one, else the density.
    pub fn background(&self) -> Background<'_> {
        match &self.hu {
            Some(hu) => Background::Hu(hu),
            None => Background::Density(&self.density_g_cm3),
        }
    }
}

/// One pass as computed.
pub struct ComputedPass {
    /// Number of histories.
    pub histories: u64,
    /// Number of batches.
    pub batches: u32,
    /// Particles per decay of the source in this pass.
    pub particles_per_decay: f64,
    /// Energy per voxel for all decays, keV.
    pub energy_kev: Vec<f64>,
    /// Variance of that estimate, keV^2.
    pub variance_kev2: Vec<f64>,
    /// Energy by label.
    pub by_label: BTreeMap<u16, RegionEnergy>,
    /// Energy by group.
    pub by_group: BTreeMap<u16, RegionEnergy>,
    /// Where the energy went.
    pub balance: EnergyBalance,
}

/// A run as computed.
pub struct Computed {
    /// Betas, conversion and Auger electrons.
    pub electron: ComputedPass,
    /// Gammas and X rays.
    pub photon: ComputedPass,
    /// What it ran on.
    pub device: Device,
    /// SHA-256 over the integer tallies.
    pub tally_sha256: String,
    /// CPU time of the transport, s.
    pub cpu_seconds: f64,
    /// Wall time of the transport, s.
    pub wall_seconds: f64,
    /// Where it went; empty for a merged run.
    pub spent: Spent,
    /// Settings of the transport by name, defaults spelled out.
    pub settings: BTreeMap<String, Value>,
    /// What the transport has to say.
    pub warnings: Vec<Note>,
    /// The batches themselves, where the run is a part of one.
    pub store: Option<BatchStore>,
    /// Checkpoints to remove once the results are saved.
    pub keeper: Option<Keeper>,
    /// Draws through the patient's own S matrix, where they were asked for.
    pub own: Option<OwnBudget>,
    /// What the bands of histograms hold.
    pub dvh_bands: DvhBands,
}

/// Where the embedded tables come from, as their generator wrote it.
const PROVENANCE: &str = include_str!("../../assets/PROVENANCE.md");

/// The data sets of a run by name, for its record: nuclide, CT calibration, and every embedded table with its source
/// and edition.
pub fn data_sets(nuclide: &Nuclide, calibration: Option<&str>) -> BTreeMap<String, String> {
    let mut sets = BTreeMap::from([("nuclide".to_owned(), format!("{}: {}", nuclide.name, nuclide.source))]);
    sets.extend(calibration.map(|source| ("ct_calibration".to_owned(), source.to_owned())));
    let mut table = String::new();
    for line in PROVENANCE.lines() {
        if let Some(name) = line.strip_prefix("## ") {
            table = name.trim().to_owned();
        } else if let Some(source) = line.strip_prefix("- Source: ") {
            sets.insert(table.clone(), source.to_owned());
        } else if let Some(edition) = line.strip_prefix("- Edition: ")
            && let Some(set) = sets.get_mut(&table)
        {
            set.push_str(&format!("; edition: {edition}"));
        }
    }
    sets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cli_record_names_every_embedded_table() {
        let nuclide = Nuclide::load("lu177").expect("built in");
        let sets = data_sets(&nuclide, Some("curve"));
        for name in ["nuclide", "ct_calibration", "photon/cross_sections.csv", "electron/elastic_transport.csv"] {
            assert!(sets.get(name).is_some_and(|text| !text.is_empty()), "{name} is missing: {:?}", sets.keys());
        }
        assert!(sets["photon/cross_sections.csv"].contains("; edition: EPDL2017"), "{sets:?}");
    }
}
