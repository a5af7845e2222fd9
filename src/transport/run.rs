//! simulate: batches of both passes until the histories are spent or the uncertainty is reached.

use crate::cores;
use crate::decay::Nuclide;
use crate::kernel::single::context::Params;
use crate::kernel::single::navigate;
use crate::kernel::single::rng::hash_key;
use crate::materials::tissues::Tissue;
use crate::neighbourhood::{AIR_LIMIT_G_CM3, Alike, thin_g_cm3};
use crate::physics::tables::{PhysicsTables, TableError, TransportSettings};
use crate::physics::thick_target::ThickTarget;
use crate::tally::{BatchTally, ENTRY_KEV, EmptyBins, Ledger, Moments, Regions};
use crate::transport::allocation::{Expectation, Sources};
use crate::transport::batch_store::{BatchStore, Identity, InputHashes, Looks, PartialBatch, PassStore, Shard, hex};
use crate::transport::checkpoint::Keeper;
use crate::transport::emission::{self, EmissionTable, Emissions, Pass};
use crate::transport::importance;
use crate::transport::spent::{EngineSpent, Spent};
use crate::transport::stopping;
use crate::transport::{DeviceInfo, Engine, EngineError, Job, Scene, SceneData, Scoring};
use sha2::{Digest, Sha256};
use std::cell::OnceCell;
use std::sync::Arc;
use std::time::Instant;

/// Most histories of a batch of one pass: the kernel numbers them with 32 bits.
pub const MOST_HISTORIES_A_BATCH: f64 = 1e9;

/// When a run is over.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub enum Stop {
    /// After this many electron histories (and photon histories in the plan's proportion).
    Histories(u64),
    /// When 95 % of the target voxels have a relative standard error at most this, seen twice in a row, and the
    /// batches suffice. How many histories a batch has follows from a pilot, the same on every machine.
    TargetSigma(f64),
    /// After about this many seconds of transport.
    Seconds(f64),
}

/// What to run.
#[derive(Clone, Debug)]
pub struct RunPlan {
    /// Emissions that take part.
    pub emissions: Emissions,
    /// The only pass to run; `None`: both.
    pub only: Option<Pass>,
    /// When to stop.
    pub stop: Stop,
    /// Batches at least; 20 to 64, or as many as there are shards.
    pub batches: u32,
    /// Which part of the batches to run; `None`: all. Only for a number of histories.
    pub shard: Option<Shard>,
    /// Photon histories per electron history.
    pub photon_share: f64,
    /// Seed.
    pub seed: u64,
    /// Physics settings.
    pub settings: TransportSettings,
    /// Where energy is tallied.
    pub scoring: Scoring,
    /// Whether photons deposit at collisions instead of along their tracks.
    pub analogue_photons: bool,
    /// Voxels whose uncertainty counts for progress and stopping; `None`: all above 10 % of the largest energy
    /// density of the first batches.
    pub target: Option<Vec<bool>>,
    /// Label by voxel for region means; labels without voxels do no harm.
    pub labels: Option<Vec<u16>>,
}

impl Default for RunPlan {
    fn default() -> Self {
        Self {
            emissions: Emissions::All,
            only: None,
            stop: Stop::Histories(10_000_000),
            batches: 20,
            shard: None,
            photon_share: 0.05,
            seed: 1,
            settings: TransportSettings::default(),
            scoring: Scoring::Voxels,
            analogue_photons: false,
            target: None,
            labels: None,
        }
    }
}

/// Hears how a run goes.
pub trait Progress {
    /// `fraction_done` 0 to 1; `sigma_rel`: 95th percentile over the target voxels, once known.
    fn update(&mut self, fraction_done: f64, sigma_rel: Option<f64>, message: &str);
}

/// Hears nothing.
#[derive(Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn update(&mut self, _: f64, _: Option<f64>, _: &str) {}
}

/// Energy of a region over the batches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RegionEnergy {
    /// Label.
    pub label: u16,
    /// Energy, keV, for all decays of the run.
    pub energy_kev: f64,
    /// Variance of that, keV2.
    pub variance_kev2: f64,
}

/// What a pass gives.
#[derive(Clone, Debug)]
pub struct PassResult {
    /// Which pass.
    pub pass: Pass,
    /// Histories run.
    pub histories: u64,
    /// Histories of each batch.
    pub batch_histories: Vec<u64>,
    /// Decays of one history of weight 1 in one batch, that is, keV per tally entry over [`ENTRY_KEV`].
    pub decays_per_history: f64,
    /// Sum and squares over the batches, tally entries.
    pub moments: Moments,
    /// The account.
    pub ledger: Ledger,
    /// Energy by bin that needs no sampling, keV: electrons too faint to move, and what electrons leave at home
    /// before transport moves it; empty for photons.
    pub local_kev: Vec<f64>,
    /// keV of one tally entry of a batch mean.
    pub kev_per_entry: f64,
    /// Region sums by batch: label, then one sum a batch.
    pub regions: Vec<(u16, Vec<i128>)>,
    /// Energy of the regions that needs no sampling, keV, in the order of `regions`.
    pub region_local_kev: Vec<f64>,
    /// Wall time in the engine, s.
    pub seconds: f64,
}

impl PassResult {
    /// Particles that a decay of the source sends out in this pass; 0 where nothing was run.
    pub fn particles_per_decay(&self) -> f64 {
        if self.decays_per_history > 0.0 { self.kev_per_entry / (ENTRY_KEV * self.decays_per_history) } else { 0.0 }
    }

    /// Energy of a bin for all decays of the run, keV.
    pub fn energy_kev(&self, bin: usize) -> f64 {
        let local = self.local_kev.get(bin).copied().unwrap_or(0.0);
        if self.moments.batches == 0 { local } else { local + self.moments.mean(bin) * self.kev_per_entry }
    }

    /// Relative standard error of a bin; infinite where it holds no energy.
    pub fn sigma_rel(&self, bin: usize) -> f64 {
        let energy = self.energy_kev(bin);
        if energy > 0.0 { self.variance_kev2(bin).sqrt() / energy } else { f64::INFINITY }
    }

    /// Variance of that energy, keV2.
    pub fn variance_kev2(&self, bin: usize) -> f64 {
        self.moments.variance_of_mean(bin) * self.kev_per_entry * self.kev_per_entry
    }

    /// Energy of every bin for all decays of the run, keV, and its variance, keV2; takes the place of the sums.
    pub fn into_energy_and_variance(mut self) -> (Vec<f64>, Vec<f64>) {
        let bins = self.moments.sum.len().max(self.local_kev.len());
        let mut variance_kev2 = vec![0.0; bins];
        if self.moments.batches > 0 {
            let step = cores::piece(bins);
            let pieces = variance_kev2.chunks_mut(step).enumerate();
            cores::of_each(pieces, |(n, piece)| {
                (n * step..).zip(piece).for_each(|(bin, variance)| *variance = self.variance_kev2(bin));
            });
        }
        self.moments.squares = Vec::new();
        let mut energy_kev = std::mem::take(&mut self.local_kev);
        energy_kev.resize(bins, 0.0);
        if self.moments.batches > 0 {
            let step = cores::piece(bins);
            cores::of_each(energy_kev.chunks_mut(step).enumerate(), |(n, piece)| {
                for (bin, energy) in (n * step..).zip(piece) {
                    *energy += self.moments.mean(bin) * self.kev_per_entry;
                }
            });
        }
        (energy_kev, variance_kev2)
    }

    /// Energy of every labelled region, in ascending label.
    pub fn region_energy(&self) -> Vec<RegionEnergy> {
        self.regions
            .iter()
            .zip(&self.region_local_kev)
            .map(|((label, sums), local)| {
                let n = sums.len() as u64;
                let sum: i128 = sums.iter().sum();
                // squares of entries scaled down so that they fit; the scale is exact in f64
                let mean = if n == 0 { 0.0 } else { sum as f64 / n as f64 };
                let spread: f64 = sums.iter().map(|&x| (x as f64 - mean).powi(2)).sum();
                let variance = if n < 2 { 0.0 } else { spread / (n as f64 * (n as f64 - 1.0)) };
                RegionEnergy {
                    label: *label,
                    energy_kev: local + mean * self.kev_per_entry,
                    variance_kev2: variance * self.kev_per_entry * self.kev_per_entry,
                }
            })
            .collect()
    }
}

/// What a run gives.
#[derive(Clone, Debug)]
pub struct Simulation {
    /// Betas and electrons.
    pub electron: PassResult,
    /// Gammas and X rays.
    pub photon: PassResult,
    /// Who ran it.
    pub device: DeviceInfo,
    /// SHA-256 of both passes' sums and sums of squares: the same on every device.
    pub tally_hash: String,
    /// Decays of the source.
    pub decays: f64,
    /// 95th percentile of the relative standard error over the target voxels; `None` without target voxels.
    pub sigma_rel_95: Option<f64>,
    /// Median of the same.
    pub sigma_rel_50: Option<f64>,
    /// Wall time from call to return, s.
    pub wall_seconds: f64,
    /// Wall time before the first history, s.
    pub setup_seconds: f64,
    /// Where the wall time went; a run put together from shards has none.
    pub spent: Spent,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The tables.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Decays by voxel that do not fit the scene.
    #[error("activity: {found} voxels, the scene has {expected}: resample it to the CT's grid")]
    Length {
        /// Voxels found.
        found: usize,
        /// Voxels of the scene.
        expected: usize,
    },
    /// No decay at all.
    #[error("activity: no voxel has any decay: check the file and --activity-unit")]
    Empty,
    /// A number of decays that is none.
    #[error("activity: voxel {index} has {found} decays, finite values from 0 up are allowed: mask or correct it")]
    Decays {
        /// Position in the volume.
        index: usize,
        /// Value found.
        found: f64,
    },
    /// The kernel reported something that must not happen.
    #[error(
        "batch {batch} of the {pass:?} pass raised {flags}: the result is not to be trusted; please report scene and seed {seed}"
    )]
    Flags {
        /// Batch number.
        batch: u32,
        /// Pass.
        pass: Pass,
        /// What was raised.
        flags: String,
        /// Seed.
        seed: u64,
    },
    /// The state to go on from belongs to another run.
    #[error(
        "checkpoint: {what}: found {found}; allowed: {expected}, as this command asks for. Repeat the command that was interrupted, or run without --resume."
    )]
    Resume {
        /// What differs.
        what: String,
        /// Value in the checkpoint.
        found: String,
        /// Value of this run.
        expected: String,
    },
    /// A tally passed 64 bits.
    #[error("tally bin {bin} passed 2^63 units: ask for fewer histories a run and merge runs")]
    Overflow {
        /// Bin.
        bin: usize,
    },
    /// Emissions that the kernel does not follow.
    #[error(
        "nuclide {nuclide}: {what} of {found_kev} keV; 1022 keV is the highest photon, 4000 keV the highest electron that is followed: leave the line out"
    )]
    Emission {
        /// Nuclide.
        nuclide: String,
        /// Kind.
        what: &'static str,
        /// Energy, keV.
        found_kev: f64,
    },
}

/// Names of the raised run flags.
pub fn flag_names(flags: u32) -> String {
    use crate::kernel::single::context as c;
    let names = [
        (c::FLAG_TALLY_OVERFLOW, "tally overflow"),
        (c::FLAG_STACK_FULL, "knock-on stack full"),
        (c::FLAG_STEP_LIMIT, "step limit"),
        (c::FLAG_LOST, "lost particle"),
        (c::FLAG_REJECTION, "endless rejection"),
        (FLAG_UNFINISHED, "histories finished differ from histories started"),
        (FLAG_UNBALANCED, "energy emitted differs from energy deposited, escaped and radiated"),
    ];
    let raised: Vec<&str> = names.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, n)| *n).collect();
    raised.join(", ")
}

/// Raised by the host: a history is missing.
pub const FLAG_UNFINISHED: u32 = 1 << 16;
/// Raised by the host: the account does not balance.
pub const FLAG_UNBALANCED: u32 = 1 << 17;

/// Checks a batch as every run does: all histories finished, account balanced. Returns the flags to raise.
pub fn audit(batch: &BatchTally, expected_histories: u64) -> u32 {
    let mut flags = batch.flags;
    if batch.histories != expected_histories {
        flags |= FLAG_UNFINISHED;
    }
    if !batch.ledger.balances() {
        flags |= FLAG_UNBALANCED;
    }
    flags
}

/// Voxels up to this edge take the steps of `TransportSettings::step_scattering`; larger ones longer steps, mm.
const FINE_VOXEL_MM: f64 = 0.5;

/// How much an electron's energy matters to voxel doses, relative. Efficiency alone; any positive function is exact.
///
/// What an electron can carry out is its energy times its weight, the share of the voxel that its skin takes (`skin.rs`); all
/// electrons of the skin cost about the same. The power 3/4 of that share was the best of 1/2, 3/4 and 1 in 4.8 mm
/// voxels, by little. Range by Katz & Penfold 1952 (Rev. Mod. Phys. 24:28), of which half is taken as the depth that matters.
fn crossing_importance(energy_kev: f64, edge_mm: f64) -> f64 {
    let shape = |energy_kev: f64| {
        let mev = energy_kev.max(1.0) * 1e-3;
        let range_mm = 4.12 * mev.powf(1.265 - 0.0954 * mev.ln());
        let crossing = (3.0 * range_mm / edge_mm).min(1.0);
        energy_kev * crossing.powf(0.75)
    };
    shape(energy_kev) + 0.05 * shape(150.0)
}

/// Energy of sampled electrons that is not radiated, keV per decay, in tissue `t`: as the kernel takes it, from its
/// own table.
fn home_energy(tables: &PhysicsTables, t: usize, emission: &EmissionTable) -> f64 {
    use crate::kernel::single::tables as layout;
    let row = t * layout::ENERGY_NODES as usize;
    emission
        .particles
        .iter()
        .map(|&(energy_kev, particles)| {
            let bin = layout::energy_bin(energy_kev as f32);
            let at = |node: usize| {
                f64::from(
                    tables.electron[(row + node) * layout::ELECTRON_COLUMNS as usize + layout::COLUMN_YIELD as usize],
                )
            };
            let node = bin.node as usize;
            let share = at(node) + (at(node + 1) - at(node)) * f64::from(bin.fraction);
            particles * energy_kev * (1.0 - share)
        })
        .sum()
}

/// The scene as engines take it.
pub fn prepare(scene: &Scene, nuclide: &Nuclide, plan: &RunPlan) -> Result<SceneData, RunError> {
    for (what, found_kev, most) in
        [("a photon", nuclide.max_photon_kev(), 1022.0), ("an electron", nuclide.max_electron_kev(), 4000.0)]
    {
        if found_kev > most {
            return Err(RunError::Emission { nuclide: nuclide.name.clone(), what, found_kev });
        }
    }
    let smallest = scene.grid.spacing_mm.iter().copied().fold(f64::INFINITY, f64::min);
    let mut settings = plan.settings;
    if plan.scoring == Scoring::Voxels {
        // coarse voxels bear longer steps: 3 mm voxels with 0.3 instead of 0.1 transport mean free paths differ by
        // 0.02 % in the self dose and 0.07 % in the face neighbour
        settings.step_scattering *= (smallest / FINE_VOXEL_MM).sqrt().clamp(1.0, 2.5);
    }
    let mut tables = PhysicsTables::build(&scene.tissues, &settings)?;
    let electrons = emission::electrons(nuclide, plan.emissions);
    let mut radiated = Vec::new();
    if !electrons.is_empty() && settings.bremsstrahlung_scale > 0.0 {
        let water = Tissue::built_in("water").expect("water is built in");
        let reference = ThickTarget::of(&water, &electrons)
            .map_err(|source| TableError::Stopping { tissue: water.name.clone(), source })?;
        tables.radiate(&scene.tissues, &electrons, &reference)?;
        radiated = reference.groups();
        radiated.iter_mut().for_each(|group| group.2 *= settings.bremsstrahlung_scale);
    }
    let (radial_bins, radial_per_mm, cut_mm, bins) = match plan.scoring {
        Scoring::Voxels => (0, 0.0, plan.settings.cut_share_of_voxel * smallest, scene.grid.len()),
        Scoring::Shells { bins, width_mm } => {
            (bins, 1.0 / width_mm, plan.settings.cut_share_of_voxel * width_mm, bins as usize)
        }
    };
    let params = Params {
        nx: scene.grid.dims[0] as u32,
        ny: scene.grid.dims[1] as u32,
        nz: scene.grid.dims[2] as u32,
        dx_mm: scene.grid.spacing_mm[0] as f32,
        dy_mm: scene.grid.spacing_mm[1] as f32,
        dz_mm: scene.grid.spacing_mm[2] as f32,
        cut_mm: cut_mm as f32,
        seed_low: plan.seed as u32,
        seed_high: (plan.seed >> 32) as u32,
        knock_on_kev: plan.settings.knock_on_kev as f32,
        radial_bins,
        radial_per_mm: radial_per_mm as f32,
        point_source: u32::from(radial_bins > 0),
        analogue: u32::from(plan.analogue_photons),
        electron_cut_kev: plan.settings.electron_cut_kev as f32,
        photon_cut_kev: plan.settings.photon_cut_kev as f32,
        home_density_g_cm3: match plan.scoring {
            // in thinner voxels most electrons leave, and counting them as left at home would add variance
            Scoring::Voxels => thin_g_cm3(&scene.grid),
            Scoring::Shells { .. } => f32::MAX,
        },
        ..Params::default()
    };
    let shells = matches!(plan.scoring, Scoring::Shells { .. });
    let wanted = |pass| plan.only.is_none_or(|only| only == pass);
    let mut electron_emission = EmissionTable::default();
    if wanted(Pass::Electron) {
        let importance = |energy_kev| if shells { 1.0 } else { crossing_importance(energy_kev, smallest) };
        let below_kev = plan.settings.electron_cut_kev;
        electron_emission = EmissionTable::of(nuclide, Pass::Electron, plan.emissions, below_kev, &[], importance);
    }
    let mut photon_emission = EmissionTable::default();
    if wanted(Pass::Photon) {
        photon_emission = EmissionTable::of(nuclide, Pass::Photon, plan.emissions, 0.0, &radiated, |_| 1.0);
    }
    let home_kev_per_decay = (0..scene.tissues.len()).map(|t| home_energy(&tables, t, &electron_emission)).collect();
    Ok(SceneData {
        params,
        home_kev_per_decay,
        voxels: scene.voxel_words(),
        electron_table: tables.electron,
        photon_table: tables.photon,
        scatter_table: tables.scatter,
        electron_emission,
        photon_emission,
        bins,
    })
}

/// The job of one batch.
pub fn job(scene: &SceneData, pass: Pass, expectation: &Expectation, batch: u32, seed: u64) -> Job {
    let stream = 2 * batch + u32::from(pass == Pass::Photon);
    let allocation = expectation.batch(stream, seed);
    let emission = match pass {
        Pass::Electron => &scene.electron_emission,
        Pass::Photon => &scene.photon_emission,
    };
    let seed_words = (seed as u32, (seed >> 32) as u32);
    let (a, b) = (
        hash_key(stream, 0x5368_6966, seed_words.0, seed_words.1),
        hash_key(stream, 0x7453_6571, seed_words.0, seed_words.1),
    );
    let params = Params {
        shift_energy: a.a,
        shift_x: a.b,
        shift_y: a.c,
        shift_z: a.d,
        shift_polar: b.a,
        shift_azimuth: b.b,
        batch: stream,
        histories: allocation.histories,
        sources: allocation.rows,
        emissions: emission.rows(),
        bremsstrahlung_row: emission.bremsstrahlung_row,
        ..scene.params
    };
    Job { pass, params, source_table: allocation.words }
}

/// Batches of the whole run: what the plan asks for, at least one a shard, and few enough histories in each for the
/// kernel's 32-bit numbers.
pub fn batch_count(plan: &RunPlan) -> u32 {
    let least = match plan.stop {
        Stop::Histories(n) => (n as f64 * plan.photon_share.max(1.0) / MOST_HISTORIES_A_BATCH).ceil() as u32,
        Stop::TargetSigma(_) | Stop::Seconds(_) => 1,
    };
    plan.batches.max(least).max(plan.shard.map_or(1, |s| s.count))
}

/// What surrounds a run.
pub struct Surroundings<'a> {
    /// Hears how it goes.
    pub progress: &'a mut dyn Progress,
    /// Makes the engine that goes on when the first one fails or is too small; `None`: a failure ends the run.
    pub fallback: Option<&'a mut dyn FnMut() -> Box<dyn Engine>>,
    /// Writes checkpoints; given back to be discarded when the results are safe.
    pub keeper: Option<&'a mut Keeper>,
    /// State to go on from.
    pub resume: Option<BatchStore>,
}

/// What a run leaves.
#[derive(Debug)]
pub struct Outcome {
    /// The batches.
    pub store: BatchStore,
    /// Who ran the last of them.
    pub device: DeviceInfo,
    /// 95th percentile of the relative standard error over the target voxels; `None` without target voxels.
    pub sigma_rel_95: Option<f64>,
    /// Median of the same.
    pub sigma_rel_50: Option<f64>,
    /// Wall time before the first history, s.
    pub setup_seconds: f64,
    /// Where the wall time went.
    pub spent: Spent,
    /// What the user should know.
    pub warnings: Vec<String>,
}

impl Outcome {
    /// The results.
    pub fn into_simulation(self) -> Simulation {
        Simulation {
            sigma_rel_95: self.sigma_rel_95,
            sigma_rel_50: self.sigma_rel_50,
            setup_seconds: self.setup_seconds,
            spent: self.spent,
            warnings: self.warnings,
            ..self.store.into_simulation(self.device)
        }
    }

    /// The results without any bin, and the batches: what a part of a run has to say before it is merged.
    pub fn into_account(mut self) -> (Simulation, BatchStore) {
        let account = self.store.without_bins();
        let store = std::mem::replace(&mut self.store, account);
        (Simulation { tally_hash: store.tally_hash(), ..self.into_simulation() }, store)
    }
}

/// The engine at work, and the one that takes over when it fails.
struct Hand<'a> {
    asked: &'a mut dyn Engine,
    other: Option<Box<dyn Engine>>,
    fallback: Option<&'a mut dyn FnMut() -> Box<dyn Engine>>,
    scene: Arc<SceneData>,
    warnings: Vec<String>,
}

impl Hand<'_> {
    fn engine(&mut self) -> &mut dyn Engine {
        match &mut self.other {
            Some(engine) => engine.as_mut(),
            None => self.asked,
        }
    }

    /// Takes the other engine, where there is one, because of `error`.
    fn change(&mut self, error: EngineError, done: &str) -> Result<(), EngineError> {
        let reason = match &error {
            EngineError::Device { device, message } => format!("{device} failed ({message})"),
            EngineError::TooLarge { what, needed_mib, allowed_mib, device } => {
                format!("{device} is too small: {what} needs {needed_mib:.0} MiB of {allowed_mib:.0} MiB")
            }
            _ => return Err(error),
        };
        let Some(make) = self.fallback.take() else { return Err(error) };
        let mut engine = make();
        engine.load(Arc::clone(&self.scene))?;
        self.warnings.push(format!("{reason}: {done} on {} with the same result", engine.device().name));
        self.other = Some(engine);
        Ok(())
    }

    /// What both engines spent.
    fn spent(&self) -> EngineSpent {
        match &self.other {
            Some(other) => self.asked.spent().and(&other.spent()),
            None => self.asked.spent(),
        }
    }

    fn load(&mut self) -> Result<(), EngineError> {
        let scene = Arc::clone(&self.scene);
        match self.engine().load(scene) {
            Ok(()) => Ok(()),
            Err(error) => self.change(error, "the run was done"),
        }
    }

    /// Gives the bins of a batch that is in the sums back to the engine.
    fn reuse(&mut self, bins: EmptyBins) {
        self.engine().reuse(bins);
    }

    /// Runs a job; a job that fails counts for nothing and is run again as a whole by the other engine.
    fn run(&mut self, job: &Job, batch: u32) -> Result<BatchTally, EngineError> {
        match self.engine().run(job) {
            Ok(tally) => Ok(tally),
            Err(error) => {
                self.change(error, &format!("the run went on from batch {batch}"))?;
                self.engine().run(job)
            }
        }
    }
}

/// Histories that are run at a time where checkpoints are kept: as many as take a fraction of the time between two.
struct Pace {
    aim_seconds: Option<f64>,
    per_second: [Option<f64>; 2],
}

impl Pace {
    fn new(keeper: Option<&Keeper>) -> Self {
        let aim = |k: &Keeper| (0.5 * k.every().as_secs_f64()).clamp(0.01, 10.0);
        Self { aim_seconds: keeper.map(aim), per_second: [None; 2] }
    }

    fn histories(&self, pass: Pass) -> u32 {
        match (self.aim_seconds, self.per_second[pass as usize]) {
            (None, _) => u32::MAX,
            (Some(aim), None) => (20_000.0 * aim).clamp(1_000.0, 50_000.0) as u32,
            (Some(aim), Some(speed)) => (aim * speed).clamp(1_000.0, 1e9) as u32,
        }
    }

    fn learn(&mut self, pass: Pass, histories: u32, seconds: f64) {
        self.per_second[pass as usize] = Some(f64::from(histories) / seconds.max(1e-6));
    }
}

/// Everything that a batch needs besides the store.
struct Work<'a, 'b> {
    plan: &'a RunPlan,
    /// Electrons, photons; none once the last batch is done.
    expectations: Vec<Arc<Expectation>>,
    /// Place of each label in the store's list.
    place: Vec<u32>,
    hand: Hand<'b>,
    pace: Pace,
    keeper: Option<&'b mut Keeper>,
    spent_before: f64,
    began: Instant,
    /// Time spent on allocation, in the engine, on sums.
    seconds: [[f64; 2]; 3],
    /// The job of the batch that comes next, made while the one before ran.
    ahead: Option<(Pass, u32, Job)>,
}

impl Work<'_, '_> {
    /// Writes a checkpoint when it is time to.
    fn save(&mut self, store: &mut BatchStore) {
        let Some(keeper) = &mut self.keeper else { return };
        if !keeper.due() {
            return;
        }
        store.wall_seconds = self.spent_before + self.began.elapsed().as_secs_f64();
        if let Err(error) = keeper.save(store) {
            self.hand.warnings.push(error.to_string());
            self.keeper = None;
        }
    }

    /// Puts the time in the passes into `spent`; `before` is what the engine had spent before the first of them.
    fn account(&self, spent: &mut Spent, before: &EngineSpent) {
        let engine = self.hand.spent().since(before);
        let named = |n: usize| engine.compile_seconds[n] + engine.kernel_seconds[n] + engine.read_back_seconds[n];
        let in_engine;
        [spent.allocation_seconds, in_engine, spent.sums_seconds] = self.seconds;
        spent.compile_seconds += engine.compile_seconds.iter().sum::<f64>();
        spent.kernel_seconds = engine.kernel_seconds;
        spent.read_back_seconds = engine.read_back_seconds;
        spent.dispatch_seconds = [0, 1].map(|n| in_engine[n] - named(n));
        spent.kernel_clock = engine.kernel_clock;
        spent.device_bytes = engine.device_bytes;
    }

    /// Runs batch `number` of a pass, or the rest of it, and adds it to the store. `next`: the batch after it.
    fn batch(
        &mut self,
        store: &mut BatchStore,
        (pass, number): (Pass, u32),
        next: Option<(Pass, u32)>,
        hear: &mut dyn FnMut(f64),
    ) -> Result<(), RunError> {
        let started = Instant::now();
        let slot = pass as usize;
        let (scene, expectations, seed) = (Arc::clone(&self.hand.scene), self.expectations.clone(), self.plan.seed);
        let make = |pass: Pass, number: u32| job(&scene, pass, &expectations[pass as usize], number, seed);
        let mut job = match self.ahead.take() {
            Some((of, at, job)) if (of, at) == (pass, number) => job,
            _ => make(pass, number),
        };
        self.seconds[0][slot] += started.elapsed().as_secs_f64();
        let total = job.params.histories;
        let mut done = match store.partial.take() {
            Some(partial) if partial.pass == pass && partial.number == number && partial.next <= total => partial,
            _ => PartialBatch { pass, number, next: 0, tally: BatchTally::default() },
        };
        while done.next < total {
            job.params.first = done.next;
            job.params.histories = done.next.saturating_add(self.pace.histories(pass)).min(total);
            let clock = Instant::now();
            let wanted = next.filter(|_| self.ahead.is_none());
            let part = std::thread::scope(|scope| {
                let make = &make;
                let maker = wanted.map(|(pass, number)| scope.spawn(move || (pass, number, make(pass, number))));
                let part = self.hand.run(&job, number);
                if let Some(maker) = maker {
                    self.ahead = Some(maker.join().expect("the thread that makes the next job does not panic"));
                }
                part
            })?;
            let flags = audit(&part, u64::from(job.histories()));
            if flags != 0 {
                return Err(RunError::Flags { batch: number, pass, flags: flag_names(flags), seed: self.plan.seed });
            }
            let took = clock.elapsed().as_secs_f64();
            self.seconds[1][slot] += took;
            self.pace.learn(pass, job.histories(), took);
            done.tally.add(part).map_err(|bin| RunError::Overflow { bin })?;
            done.next = job.params.histories;
            if done.next < total {
                hear(f64::from(done.next) / f64::from(total));
                store.partial = Some(done);
                self.save(store);
                done = store.partial.take().expect("the batch under way was just put there");
            }
        }
        let clock = Instant::now();
        let mut tally = done.tally;
        tally.energy.resize(self.hand.scene.bins, 0);
        let regions = Regions {
            labels: self.plan.labels.as_deref().unwrap_or_default(),
            place: &self.place,
            count: store.labels.len(),
        };
        let bins = store.passes[slot].add(number, tally, regions).map_err(|bin| RunError::Overflow { bin })?;
        self.hand.reuse(bins);
        self.seconds[2][slot] += clock.elapsed().as_secs_f64();
        store.passes[slot].seconds += started.elapsed().as_secs_f64();
        Ok(())
    }
}

/// Runs `plan` for `decays` (by voxel of the scene; in shell scoring by voxel 0) of `nuclide` on `engine`.
pub fn simulate(
    scene: &Scene,
    decays: &[f64],
    nuclide: &Nuclide,
    plan: &RunPlan,
    engine: &mut dyn Engine,
    progress: &mut dyn Progress,
) -> Result<Simulation, RunError> {
    let around = Surroundings { progress, fallback: None, keeper: None, resume: None };
    Ok(run_batches(scene, decays, nuclide, plan, engine, around)?.into_simulation())
}

/// Hashes of what a plan takes besides scene and tables.
struct PlanHashes {
    inputs: InputHashes,
    target: String,
}

impl PlanHashes {
    fn of(decays: &[f64], plan: &RunPlan) -> Self {
        let target = plan.target.as_ref().map_or("hottest voxels".to_owned(), |target| {
            let mut hasher = Sha256::new();
            target.chunks(4096).for_each(|c| hasher.update(c.iter().map(|&t| u8::from(t)).collect::<Vec<u8>>()));
            hex(hasher)
        });
        Self { inputs: InputHashes::of(decays, plan.labels.as_deref()), target }
    }

    fn identity(self, data: &SceneData, plan: &RunPlan) -> Identity {
        let stop = match plan.stop {
            Stop::Histories(n) => n.to_string(),
            Stop::TargetSigma(goal) => format!("to {goal}"),
            Stop::Seconds(seconds) => format!("for {seconds} s"),
        };
        Identity::of(
            data,
            &self.inputs,
            vec![
                ("seed".to_owned(), plan.seed.to_string()),
                ("histories".to_owned(), stop),
                ("target".to_owned(), self.target),
                ("photon histories per electron history".to_owned(), plan.photon_share.to_string()),
                ("batches".to_owned(), batch_count(plan).to_string()),
            ],
        )
    }
}

/// What makes a run this run: see [`Identity`].
pub fn identity(data: &SceneData, decays: &[f64], plan: &RunPlan) -> Identity {
    PlanHashes::of(decays, plan).identity(data, plan)
}

/// As [`simulate`], with all that can surround a run: another engine at hand, checkpoints, a state to go on from.
///
/// However often a run is interrupted, cut into shards or moved to another engine, its batches are the same integers.
pub fn run_batches<'a>(
    scene: &Scene,
    decays: &[f64],
    nuclide: &Nuclide,
    plan: &RunPlan,
    engine: &'a mut dyn Engine,
    around: Surroundings<'a>,
) -> Result<Outcome, RunError> {
    let started = Instant::now();
    let Surroundings { progress, fallback, keeper, resume } = around;
    let all_decays = check(scene, decays)?;
    // what needs no tables is made beside them
    let (data, hashes, sources) = std::thread::scope(|threads| {
        let hashes = threads.spawn(|| PlanHashes::of(decays, plan));
        let sources = threads.spawn(|| {
            let wishes = match plan.scoring {
                Scoring::Voxels => {
                    Some(importance::wishes(&scene.grid, &scene.density_g_cm3, decays, plan.target.as_deref()))
                }
                Scoring::Shells { .. } => None,
            };
            Arc::new(Sources::new(decays, wishes))
        });
        let data = prepare(scene, nuclide, plan);
        let joined = "neither hashing nor weighing panics";
        (data, hashes.join().expect(joined), sources.join().expect(joined))
    });
    let data = Arc::new(data?);
    let mut spent = Spent { tables_seconds: started.elapsed().as_secs_f64(), ..Spent::default() };
    let clock = Instant::now();
    let fresh = resume.is_none();
    let (identity, local_kev) = std::thread::scope(|threads| {
        let identity = threads.spawn(|| hashes.identity(&data, plan));
        // a state to go on from brings its own
        let local_kev = if fresh { local_energy(&data, decays, plan.scoring) } else { Vec::new() };
        (identity.join().expect("hashing does not panic"), local_kev)
    });
    spent.identity_seconds = clock.elapsed().as_secs_f64();
    if let Some(store) = &resume {
        accepts(store, &identity, plan)?;
    }
    let pace = Pace::new(keeper.as_deref());
    let mut hand = Hand { asked: engine, other: None, fallback, scene: Arc::clone(&data), warnings: Vec::new() };
    let before = hand.spent();
    let clock = Instant::now();
    hand.load()?;
    spent.load_seconds = clock.elapsed().as_secs_f64();
    let setup_seconds = started.elapsed().as_secs_f64();
    let source = Source { sources, local_kev: &local_kev };
    let batches = batch_count(plan);
    let clock = Instant::now();
    let per_batch = match (&resume, plan.stop) {
        (Some(store), _) => store.per_batch,
        (None, Stop::Histories(n)) => (n as f64 / f64::from(batches)).max(1.0),
        (None, Stop::TargetSigma(goal)) => {
            progress.update(0.0, None, "choosing the batches");
            stopping::pilot_for_sigma(&mut |job, batch| hand.run(job, batch), &data, scene, &source, plan, goal)?
        }
        (None, Stop::Seconds(seconds)) => {
            progress.update(0.0, None, "measuring the speed");
            stopping::pilot_for_seconds(&mut |job, batch| hand.run(job, batch), &data, &source, plan, seconds)?
        }
    };
    let after_pilot = hand.spent();
    spent.compile_seconds = after_pilot.since(&before).compile_seconds.iter().sum();
    spent.pilot_seconds = clock.elapsed().as_secs_f64() - spent.compile_seconds;
    let clock = Instant::now();
    let expectations = [(Pass::Electron, 1.0), (Pass::Photon, plan.photon_share)]
        .map(|(pass, share)| source.expect(pass, per_batch * share));
    drop(source);
    let mut store = match resume {
        Some(store) => store,
        None => {
            let regions = Labels::of(plan, &local_kev);
            empty_store(identity, &data, plan, &expectations, per_batch, all_decays, local_kev, regions)
        }
    };
    let active = [data.electron_emission.rows() > 0, data.photon_emission.rows() > 0];
    let mut place = vec![0u32; store.labels.last().map_or(0, |&l| usize::from(l) + 1)];
    for (n, &label) in store.labels.iter().enumerate() {
        place[usize::from(label)] = n as u32;
    }
    let numbers: Vec<u32> = match plan.shard {
        Some(shard) => (0..batches).filter(|&b| shard.holds(b)).collect(),
        None => (0..batches).collect(),
    };
    let spent_before = store.wall_seconds;
    let expectations = expectations.map(Arc::new).to_vec();
    let mut work = Work {
        plan,
        expectations,
        place,
        hand,
        pace,
        keeper,
        spent_before,
        began: started,
        seconds: [[0.0; 2]; 3],
        ahead: None,
    };
    if fresh {
        store.looks.next = stopping::first_look(batches);
        work.save(&mut store);
    }

    spent.source_seconds += clock.elapsed().as_secs_f64();

    let done_batches = |store: &BatchStore| {
        let lengths = store.passes.iter().zip(active).filter(|(_, a)| *a).map(|(p, _)| p.rows.len());
        lengths.min().unwrap_or(usize::MAX)
    };
    let mut sigma_95 = None;
    let alike = OnceCell::new();
    let pools = || match plan.scoring {
        Scoring::Voxels => {
            Some(alike.get_or_init(|| Alike::new(&scene.grid, &scene.density_g_cm3, decays, AIR_LIMIT_G_CM3)))
        }
        Scoring::Shells { .. } => None,
    };
    loop {
        let at = done_batches(&store);
        let open = matches!(plan.stop, Stop::TargetSigma(_));
        let finished = if open { store.looks.met >= stopping::LOOKS_IN_A_ROW } else { at >= numbers.len() };
        if finished {
            break;
        }
        let number = if open { at as u32 } else { numbers[at] };
        let share = |store: &BatchStore, within: f64, sigma: Option<f64>| {
            let (all, ready) = (numbers.len() as f64, done_batches(store) as f64 + within);
            match (plan.stop, sigma) {
                (Stop::TargetSigma(goal), Some(sigma)) => f64::powi(goal / sigma, 2).min(0.99).min(ready / all),
                _ => ready / all,
            }
        };
        let next_number = if open { Some(number + 1) } else { numbers.get(at + 1).copied() };
        for (pass, slot) in [(Pass::Electron, 0), (Pass::Photon, 1)] {
            let next = match pass {
                Pass::Electron if active[1] => Some((Pass::Photon, number)),
                Pass::Photon if active[0] => next_number.map(|number| (Pass::Electron, number)),
                Pass::Electron | Pass::Photon => next_number.map(|number| (pass, number)),
            };
            if active[slot] && store.passes[slot].rows.len() <= at {
                let before = share(&store, 0.0, sigma_95);
                let step = share(&store, 1.0, sigma_95) - before;
                // electrons take most of a batch
                let (from, width) = [(0.0, 0.8), (0.8, 0.2)][slot];
                let mut hear =
                    |part: f64| progress.update(before + step * (from + width * part), sigma_95, "transport");
                work.batch(&mut store, (pass, number), next, &mut hear)?;
                if pass == Pass::Electron && active[1] {
                    // behind the last pass of a batch the state is whole only after the look below
                    work.save(&mut store);
                }
            }
        }
        let at = done_batches(&store) as u32;
        let clock = Instant::now();
        if let Stop::TargetSigma(goal) = plan.stop {
            if at >= store.looks.next {
                sigma_95 = stopping::quantile(&mut stopping::target_sigmas(&store, plan, scene, pools()), 0.95);
                store.looks = stopping::look(store.looks, at, sigma_95, goal);
            }
        } else if at >= 4 && at.is_multiple_of(4) && plan.scoring == Scoring::Voxels {
            // looked at rarely, and each voxel by itself: it walks over the target voxels
            sigma_95 = stopping::quantile(&mut stopping::target_sigmas(&store, plan, scene, None), 0.95);
        }
        spent.looks_seconds += clock.elapsed().as_secs_f64();
        progress.update(share(&store, 0.0, sigma_95), sigma_95, "transport");
        work.save(&mut store);
    }
    let clock = Instant::now();
    // the list of sources makes room for the list of like voxels
    work.expectations.clear();
    let mut sorted = Vec::new();
    if plan.scoring == Scoring::Voxels {
        sorted = stopping::target_sigmas(&store, plan, scene, pools());
    }
    spent.looks_seconds += clock.elapsed().as_secs_f64();
    work.account(&mut spent, &after_pilot);
    store.partial = None;
    store.wall_seconds = spent_before + started.elapsed().as_secs_f64();
    let device = work.hand.engine().device();
    Ok(Outcome {
        device,
        sigma_rel_95: stopping::quantile(&mut sorted, 0.95),
        sigma_rel_50: stopping::quantile(&mut sorted, 0.5),
        setup_seconds,
        spent,
        warnings: work.hand.warnings,
        store,
    })
}

/// Where histories begin and what needs none.
pub(crate) struct Source<'a> {
    /// Where histories are wanted.
    pub(crate) sources: Arc<Sources>,
    /// Energy by bin that needs no sampling, keV.
    pub(crate) local_kev: &'a [f64],
}

impl Source<'_> {
    /// The expectation of about so many histories a batch of a pass.
    pub(crate) fn expect(&self, pass: Pass, histories: f64) -> Expectation {
        match pass {
            Pass::Electron => Expectation::of(&self.sources, histories.max(1.0)),
            Pass::Photon => Expectation::by_decays(&self.sources, histories.max(1.0)),
        }
    }
}

/// Energy by bin that needs no sampling, keV.
pub fn local_energy(data: &SceneData, decays: &[f64], scoring: Scoring) -> Vec<f64> {
    let faint = data.electron_emission.local_kev_per_decay;
    match scoring {
        Scoring::Voxels => decays
            .iter()
            .zip(&data.voxels)
            .map(|(&decays, &word)| {
                let at_home = navigate::voxel_density(word) >= data.params.home_density_g_cm3;
                let home = if at_home { data.home_kev_per_decay[navigate::voxel_tissue(word) as usize] } else { 0.0 };
                decays * (faint + home)
            })
            .collect(),
        Scoring::Shells { bins, .. } => {
            let mut local = vec![0.0; bins as usize];
            local[0] = decays.iter().sum::<f64>() * faint;
            local
        }
    }
}

/// Refuses decays that are none; their sum.
fn check(scene: &Scene, decays: &[f64]) -> Result<f64, RunError> {
    if decays.len() != scene.grid.len() {
        return Err(RunError::Length { found: decays.len(), expected: scene.grid.len() });
    }
    if let Some(index) = decays.iter().position(|d| !(d.is_finite() && *d >= 0.0)) {
        return Err(RunError::Decays { index, found: decays[index] });
    }
    let all = decays.iter().sum::<f64>();
    if all <= 0.0 { Err(RunError::Empty) } else { Ok(all) }
}

/// Refuses to go on from another run's state.
fn accepts(store: &BatchStore, identity: &Identity, plan: &RunPlan) -> Result<(), RunError> {
    let different =
        |what: &str, found: String, expected: String| Err(RunError::Resume { what: what.to_owned(), found, expected });
    if let Some((what, expected, found)) = identity.difference(&store.identity) {
        return different(what, found.to_owned(), expected.to_owned());
    }
    if store.shard != plan.shard {
        let name = |s: Option<Shard>| s.map_or("none".to_owned(), |s| format!("{}/{}", s.index + 1, s.count));
        return different("shard", name(store.shard), name(plan.shard));
    }
    Ok(())
}

/// The regions of a run.
#[derive(Default)]
struct Labels {
    /// Ascending.
    labels: Vec<u16>,
    /// Their energy that needs no sampling, keV.
    local_kev: Vec<f64>,
}

impl Labels {
    fn of(plan: &RunPlan, local_kev: &[f64]) -> Self {
        let by_bin = plan.labels.as_deref().unwrap_or_default();
        let mut sums = vec![0.0; 1 << 16];
        let mut present = vec![false; 1 << 16];
        by_bin.iter().for_each(|&label| present[usize::from(label)] = true);
        for (&label, local) in by_bin.iter().zip(local_kev) {
            sums[usize::from(label)] += local;
        }
        let labels: Vec<u16> = (0..=u16::MAX).filter(|&label| present[usize::from(label)]).collect();
        Self { local_kev: labels.iter().map(|&label| sums[usize::from(label)]).collect(), labels }
    }
}

#[allow(clippy::too_many_arguments, reason = "everything a run starts from, once")]
fn empty_store(
    identity: Identity,
    data: &SceneData,
    plan: &RunPlan,
    expectations: &[Expectation; 2],
    per_batch: f64,
    decays: f64,
    local_kev: Vec<f64>,
    regions: Labels,
) -> BatchStore {
    let pass = |pass: Pass, expectation: &Expectation| {
        let emission = match pass {
            Pass::Electron => &data.electron_emission,
            Pass::Photon => &data.photon_emission,
        };
        PassStore {
            pass,
            moments: Moments::new(data.bins),
            ledger: Ledger::default(),
            rows: Vec::new(),
            decays_per_history: expectation.decays_per_history,
            kev_per_entry: ENTRY_KEV * expectation.decays_per_history * emission.yield_per_decay,
            seconds: 0.0,
        }
    };
    let open = matches!(plan.stop, Stop::TargetSigma(_));
    BatchStore {
        identity,
        shard: plan.shard,
        planned: if open { 0 } else { batch_count(plan) },
        per_batch,
        decays,
        local_kev,
        region_local_kev: regions.local_kev,
        labels: regions.labels,
        passes: [pass(Pass::Electron, &expectations[0]), pass(Pass::Photon, &expectations[1])],
        partial: None,
        looks: Looks::default(),
        wall_seconds: 0.0,
    }
}
