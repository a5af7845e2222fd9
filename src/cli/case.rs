//! What a run computes and what it found: between the inputs of a subcommand and the files it writes.

use super::args::DicomOut;
use crate::decay::Nuclide;
use crate::dose::regions::RegionEnergy;
use crate::grid::{Orientation, Volume};
use crate::io::dicom::Origin;
use crate::materials::tissues::Tissue;
use crate::report::EnergyBalance;
use crate::report::run_record::{Device, InputFile};
use crate::transport::batch_store::BatchStore;
use crate::transport::checkpoint::Keeper;
use crate::transport::spent::Spent;
use serde_json::Value;
use std::collections::BTreeMap;

/// Everything a run starts from, on one grid in canonical order (axes towards right, front, head).
pub(super) struct Case {
    /// Decays of each voxel over all time.
    pub(super) decays: Volume<f64>,
    /// Mass density, g/cm3.
    pub(super) density_g_cm3: Vec<f32>,
    /// Index into `tissues`.
    pub(super) tissue: Vec<u8>,
    /// The tissues.
    pub(super) tissues: Vec<Tissue>,
    /// CT, HU, where there is one.
    pub(super) hu: Option<Vec<f32>>,
    /// Region labels, 0 for none.
    pub(super) labels: Vec<u16>,
    /// Names of the labels.
    pub(super) names: BTreeMap<u16, String>,
    /// Regions made of several labels.
    pub(super) groups: Vec<(u16, String, Vec<u16>)>,
    /// Administered activity, MBq.
    pub(super) administered_mbq: Option<f64>,
    /// Times of the activity images that were integrated, h after injection; none of a ready map of decays.
    pub(super) image_times_h: Vec<f64>,
    /// Decays in the activity file, before anything fell outside the grid.
    pub(super) decays_in_file: f64,
    /// The nuclide.
    pub(super) nuclide: Nuclide,
    /// Order and direction of the axes in the files to write.
    pub(super) orientation: Orientation,
    /// Kind of coordinates (NIfTI form code) of the files to write.
    pub(super) form_code: i16,
    /// Where a DICOM CT came from: what a dose in DICOM belongs to.
    pub(super) origin: Option<Origin>,
    /// DICOM outputs.
    pub(super) dicom: Option<DicomOut>,
    /// Files read.
    pub(super) inputs: Vec<InputFile>,
    /// Settings by name.
    pub(super) settings: BTreeMap<String, Value>,
    /// Data sets by name.
    pub(super) data_sets: BTreeMap<String, String>,
    /// What the reader should know.
    pub(super) warnings: Vec<String>,
}

/// One pass as computed.
pub(super) struct ComputedPass {
    /// Number of histories.
    pub(super) histories: u64,
    /// Number of batches.
    pub(super) batches: u32,
    /// Particles that a decay of the source sends out in this pass.
    pub(super) particles_per_decay: f64,
    /// Energy per voxel for all decays, keV.
    pub(super) energy_kev: Vec<f64>,
    /// Variance of that estimate, keV^2.
    pub(super) variance_kev2: Vec<f64>,
    /// Energy by label.
    pub(super) by_label: BTreeMap<u16, RegionEnergy>,
    /// Energy by group.
    pub(super) by_group: BTreeMap<u16, RegionEnergy>,
    /// Where the energy went.
    pub(super) balance: EnergyBalance,
}

/// A run as computed.
pub(super) struct Computed {
    /// Betas, conversion and Auger electrons.
    pub(super) electron: ComputedPass,
    /// Gammas and X rays.
    pub(super) photon: ComputedPass,
    /// What it ran on.
    pub(super) device: Device,
    /// SHA-256 over the integer tallies.
    pub(super) tally_sha256: String,
    /// CPU time of the transport, s.
    pub(super) cpu_seconds: f64,
    /// Wall time of the transport, s.
    pub(super) wall_seconds: f64,
    /// Where it went; none of a merged run.
    pub(super) spent: Spent,
    /// Settings of the transport by name, defaults spelled out.
    pub(super) settings: BTreeMap<String, Value>,
    /// What the transport has to say.
    pub(super) warnings: Vec<String>,
    /// The batches themselves, where the run is a part of one.
    pub(super) store: Option<BatchStore>,
    /// Checkpoints to take away once the results are in their place.
    pub(super) keeper: Option<Keeper>,
}
