//! A cycle as computed: its regions, its map, and how it was transported.

use crate::clinic::case;
use crate::clinic::dose_budgets::of_dose;
use crate::clinic::known::ActivityKnown;
use crate::clinic::motion::MotionRecord;
use crate::course::accumulate::RegionCycle;
use crate::course::tia::{EarlierHalfLife, RegionIntegral};
use crate::grid::Volume;
use crate::io::dicom::Origin;
use crate::note::Note;
use crate::report::EnergyBalance;
use crate::report::run_record::{InputFile, PassRecord};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A dose map with its anatomy, in canonical order.
pub struct Mapped {
    /// Dose, Gy.
    pub dose_gy: Volume<f32>,
    /// Relative standard error of the dose; `None` for an existing map.
    pub sigma_rel: Option<Volume<f32>>,
    /// Mass density, g/cm3; `None` for an existing map.
    pub density_g_cm3: Option<Vec<f32>>,
    /// Labels.
    pub labels: Vec<u16>,
    /// Names of the labels.
    pub names: BTreeMap<u16, String>,
    /// Kind of coordinates.
    pub form_code: i16,
    /// The image that defines the map's frame of reference.
    pub origin: Option<Origin>,
}

impl Mapped {
    /// Mean density of a region, g/cm3, where it is known.
    fn mean_density_g_cm3(&self, label: u16) -> Option<f64> {
        let own = self.labels.iter().zip(self.density_g_cm3.as_ref()?).filter(|(own, _)| **own == label);
        let (sum, count) = own.fold((0.0, 0_u32), |(sum, count), (_, density)| (sum + f64::from(*density), count + 1));
        (count > 0).then(|| sum / f64::from(count))
    }
}

/// A cycle as computed.
pub struct Computed {
    /// Its regions.
    pub regions: BTreeMap<String, RegionCycle>,
    /// Its dose map.
    pub map: Option<Mapped>,
    /// Half-lives measured in it, unlabelled voxels included.
    pub half_lives: BTreeMap<String, EarlierHalfLife>,
    /// Files read.
    pub inputs: Vec<InputFile>,
    /// Hash of the tallies.
    pub tally_sha256: Option<String>,
    /// What the reader should know.
    pub warnings: Vec<Note>,
    /// Whether it was taken from the cache.
    pub reused: bool,
    /// Time-activity curves of the regions, where the cycle is a series.
    pub curves: Vec<RegionIntegral>,
    /// How it was transported, where it was.
    pub run: Option<KeptRun>,
    /// How its images lie to their first, those whose registration is stated.
    pub motions: Vec<MotionRecord>,
    /// How its CT lies to the course's, where that is registered.
    pub motion: Option<MotionRecord>,
}

impl Computed {
    /// Puts what is known of the activity of regions into them, with what density and nuclide add.
    pub fn known(&mut self, activity: &ActivityKnown) {
        for (name, region) in &mut self.regions {
            let density = self.map.as_ref().zip(region.label).and_then(|(map, label)| map.mean_density_g_cm3(label));
            region.parts = of_dose(activity.of(name), density);
        }
    }

    /// A cycle that has no dose map.
    pub fn without_map(regions: BTreeMap<String, RegionCycle>) -> Self {
        Self {
            regions,
            map: None,
            half_lives: BTreeMap::new(),
            inputs: Vec::new(),
            tally_sha256: None,
            warnings: Vec::new(),
            reused: false,
            curves: Vec::new(),
            run: None,
            motions: Vec::new(),
            motion: None,
        }
    }
}

/// One pass of a finished cycle; energies in tally entries, as text since they may exceed 64 bits.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct KeptPass {
    pass: String,
    histories: u64,
    batches: u32,
    emitted: String,
    deposited: String,
    escaped: String,
    radiated: String,
    estimated: String,
}

/// How a finished cycle was transported, for the report.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeptRun {
    passes: Vec<KeptPass>,
    /// Seed.
    pub seed: u64,
    /// Settings by name.
    pub settings: BTreeMap<String, serde_json::Value>,
    /// Data sets by name.
    pub data_sets: BTreeMap<String, String>,
    /// Decays on the grid.
    pub decays: f64,
    /// Whether matter came from a CT.
    pub from_ct: bool,
    /// The device that transported it, where the entry tells.
    #[serde(default)]
    pub device: Option<String>,
    /// Time of its transport, s, where the entry tells.
    #[serde(default)]
    pub wall_seconds: Option<f64>,
}

impl KeptRun {
    /// How a case was transported.
    pub fn of(case: &case::Case, computed: &case::Computed, seed: u64) -> Self {
        let passes = [&computed.electron, &computed.photon].map(|pass| KeptPass {
            pass: pass.balance.pass.clone(),
            histories: pass.histories,
            batches: pass.batches,
            emitted: pass.balance.emitted.to_string(),
            deposited: pass.balance.deposited.to_string(),
            escaped: pass.balance.escaped.to_string(),
            radiated: pass.balance.radiated.to_string(),
            estimated: pass.balance.estimated.to_string(),
        });
        Self {
            passes: passes.to_vec(),
            seed,
            settings: case.settings.iter().chain(&computed.settings).map(|(n, v)| (n.clone(), v.clone())).collect(),
            data_sets: case.data_sets.clone(),
            decays: crate::source::sum(case.decays.data.iter().copied()),
            from_ct: case.hu.is_some(),
            device: Some(format!("{} ({})", computed.device.name, computed.device.engine)),
            wall_seconds: Some(computed.wall_seconds),
        }
    }

    /// Histories by pass.
    pub fn passes(&self) -> Vec<PassRecord> {
        let record = |p: &KeptPass| PassRecord { pass: p.pass.clone(), histories: p.histories, batches: p.batches };
        self.passes.iter().map(record).collect()
    }

    /// Energy balances; `None` if the entry is damaged.
    pub fn balances(&self) -> Option<Vec<EnergyBalance>> {
        self.passes
            .iter()
            .map(|p| {
                Some(EnergyBalance {
                    pass: p.pass.clone(),
                    emitted: p.emitted.parse().ok()?,
                    deposited: p.deposited.parse().ok()?,
                    escaped: p.escaped.parse().ok()?,
                    radiated: p.radiated.parse().ok()?,
                    estimated: p.estimated.parse().ok()?,
                })
            })
            .collect()
    }
}
