//! simulate: batches of both passes until the histories are spent or the uncertainty is reached.

use crate::decay::Nuclide;
use crate::kernel::single::context::Params;
use crate::kernel::single::rng::hash_key;
use crate::physics::tables::{PhysicsTables, TableError, TransportSettings};
use crate::tally::{BatchTally, ENTRY_KEV, Ledger, Moments, variance_of_mean};
use crate::transport::allocation::Expectation;
use crate::transport::emission::{EmissionTable, Emissions, Pass};
use crate::transport::{DeviceInfo, Engine, EngineError, Job, Scene, SceneData, Scoring};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Instant;

/// When a run is over.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub enum Stop {
    /// After this many electron histories (and photon histories in the plan's proportion).
    Histories(u64),
    /// When 95 % of the target voxels have a relative standard error at most this, and the batches suffice.
    TargetSigma(f64),
    /// After about this many seconds of transport.
    Seconds(f64),
}

/// What to run.
#[derive(Clone, Debug)]
pub struct RunPlan {
    /// Emissions that take part.
    pub emissions: Emissions,
    /// When to stop.
    pub stop: Stop,
    /// Batches at least; 20 to 64.
    pub batches: u32,
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
            stop: Stop::Histories(10_000_000),
            batches: 20,
            photon_share: 0.25,
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
    /// Energy deposited at birth without sampling (electrons too faint to move), keV per decay.
    pub local_kev_per_decay: f64,
    /// keV of one tally entry of a batch mean.
    pub kev_per_entry: f64,
    /// Region sums by batch: label, then one sum a batch.
    pub regions: Vec<(u16, Vec<u128>)>,
    /// Wall time in the engine, s.
    pub seconds: f64,
}

impl PassResult {
    /// Energy of a bin for all decays of the run, keV.
    pub fn energy_kev(&self, bin: usize) -> f64 {
        if self.moments.batches == 0 { 0.0 } else { self.moments.mean(bin) * self.kev_per_entry }
    }

    /// Variance of that energy, keV2.
    pub fn variance_kev2(&self, bin: usize) -> f64 {
        self.moments.variance_of_mean(bin) * self.kev_per_entry * self.kev_per_entry
    }

    /// Energy of every labelled region, in ascending label.
    pub fn region_energy(&self) -> Vec<RegionEnergy> {
        self.regions
            .iter()
            .map(|(label, sums)| {
                let n = sums.len() as u64;
                let sum: u128 = sums.iter().sum();
                // squares of entries scaled down so that they fit; the scale is exact in f64
                let mean = if n == 0 { 0.0 } else { sum as f64 / n as f64 };
                let spread: f64 = sums.iter().map(|&x| (x as f64 - mean).powi(2)).sum();
                let variance = if n < 2 { 0.0 } else { spread / (n as f64 * (n as f64 - 1.0)) };
                RegionEnergy {
                    label: *label,
                    energy_kev: mean * self.kev_per_entry,
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
}

impl Simulation {
    /// Energy of a bin from both passes and from electrons too faint to move, keV; `decays` are those of the bin.
    pub fn electron_energy_kev(&self, bin: usize, decays: f64) -> f64 {
        self.electron.energy_kev(bin) + decays * self.electron.local_kev_per_decay
    }
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
    /// A tally passed 64 bits.
    #[error("tally bin {bin} passed 2^64 units: ask for fewer histories a run and merge runs")]
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

/// The scene as engines take it.
pub fn prepare(scene: &Scene, nuclide: &Nuclide, plan: &RunPlan) -> Result<SceneData, RunError> {
    for (what, found_kev, most) in
        [("a photon", nuclide.max_photon_kev(), 1022.0), ("an electron", nuclide.max_electron_kev(), 4000.0)]
    {
        if found_kev > most {
            return Err(RunError::Emission { nuclide: nuclide.name.clone(), what, found_kev });
        }
    }
    let tables = PhysicsTables::build(&scene.tissues, &plan.settings)?;
    let smallest = scene.grid.spacing_mm.iter().copied().fold(f64::INFINITY, f64::min);
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
        ..Params::default()
    };
    Ok(SceneData {
        params,
        voxels: scene.voxel_words(),
        electron_table: tables.electron,
        photon_table: tables.photon,
        scatter_table: tables.scatter,
        electron_emission: EmissionTable::of(nuclide, Pass::Electron, plan.emissions, plan.settings.electron_cut_kev),
        photon_emission: EmissionTable::of(nuclide, Pass::Photon, plan.emissions, plan.settings.electron_cut_kev),
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
        ..scene.params
    };
    Job { pass, params, source_table: allocation.words }
}

struct PassState {
    pass: Pass,
    expectation: Expectation,
    moments: Moments,
    ledger: Ledger,
    histories: u64,
    batch_histories: Vec<u64>,
    regions: Vec<(u16, Vec<u128>)>,
    seconds: f64,
    active: bool,
}

impl PassState {
    fn run_batch(
        &mut self,
        engine: &mut dyn Engine,
        scene: &SceneData,
        plan: &RunPlan,
        batch: u32,
    ) -> Result<(), RunError> {
        let started = Instant::now();
        let job = job(scene, self.pass, &self.expectation, batch, plan.seed);
        let result = engine.run(&job)?;
        let flags = audit(&result, u64::from(job.params.histories));
        if flags != 0 {
            return Err(RunError::Flags { batch, pass: self.pass, flags: flag_names(flags), seed: plan.seed });
        }
        self.moments.add_batch(&result.energy).map_err(|bin| RunError::Overflow { bin })?;
        self.ledger.add(&result.ledger);
        self.histories += result.histories;
        self.batch_histories.push(result.histories);
        if let Some(labels) = &plan.labels {
            let mut sums = vec![0u128; self.regions.len()];
            let most = self.regions.last().map_or(0, |r| usize::from(r.0));
            let mut place = vec![usize::MAX; most + 1];
            for (i, (label, _)) in self.regions.iter().enumerate() {
                place[usize::from(*label)] = i;
            }
            for (&label, &x) in labels.iter().zip(&result.energy) {
                sums[place[usize::from(label)]] += u128::from(x);
            }
            for (region, sum) in self.regions.iter_mut().zip(sums) {
                region.1.push(sum);
            }
        }
        self.seconds += started.elapsed().as_secs_f64();
        Ok(())
    }
}

/// Relative standard errors of both passes together over the voxels of `target`, sorted ascending.
fn sorted_sigma(
    passes: &[PassState; 2],
    kev_per_entry: [f64; 2],
    local: impl Fn(usize) -> f64,
    target: &[usize],
) -> Vec<f64> {
    let mut sigma: Vec<f64> = target
        .iter()
        .map(|&v| {
            let (mut energy, mut variance) = (local(v), 0.0);
            for (state, k) in passes.iter().zip(kev_per_entry) {
                if state.moments.batches > 0 {
                    energy += state.moments.mean(v) * k;
                    variance += state.moments.variance_of_mean(v) * k * k;
                }
            }
            if energy > 0.0 { variance.sqrt() / energy } else { f64::INFINITY }
        })
        .collect();
    sigma.sort_by(f64::total_cmp);
    sigma
}

fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    if sorted.is_empty() { None } else { Some(sorted[((sorted.len() - 1) as f64 * q).round() as usize]) }
}

/// SHA-256 over both passes' batches, sums and sums of squares, little-endian.
fn tally_hash(passes: &[PassState; 2]) -> String {
    let mut hasher = Sha256::new();
    for state in passes {
        hasher.update(state.moments.batches.to_le_bytes());
        for x in &state.moments.sum {
            hasher.update(x.to_le_bytes());
        }
        for x in &state.moments.squares {
            hasher.update(x.to_le_bytes());
        }
    }
    hasher.finalize().iter().map(|b| format!("{b:02x}")).collect()
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
    let started = Instant::now();
    if decays.len() != scene.grid.len() {
        return Err(RunError::Length { found: decays.len(), expected: scene.grid.len() });
    }
    if let Some(index) = decays.iter().position(|d| !(d.is_finite() && *d >= 0.0)) {
        return Err(RunError::Decays { index, found: decays[index] });
    }
    let total: f64 = decays.iter().sum();
    if total <= 0.0 {
        return Err(RunError::Empty);
    }
    let data = Arc::new(prepare(scene, nuclide, plan)?);
    engine.load(Arc::clone(&data))?;
    let setup_seconds = started.elapsed().as_secs_f64();

    let mut label_list: Vec<u16> = plan.labels.clone().unwrap_or_default();
    label_list.sort_unstable();
    label_list.dedup();

    // histories of a batch: fixed by the plan, or small at first when a goal is to be reached
    let per_batch = match plan.stop {
        Stop::Histories(n) => (n as f64 / f64::from(plan.batches)).max(1.0),
        Stop::TargetSigma(_) | Stop::Seconds(_) => 200_000.0,
    };
    let state = |pass: Pass, share: f64| {
        let emission = match pass {
            Pass::Electron => &data.electron_emission,
            Pass::Photon => &data.photon_emission,
        };
        PassState {
            pass,
            expectation: Expectation::new(decays, None, (per_batch * share).max(1.0)),
            moments: Moments::new(data.bins),
            ledger: Ledger::default(),
            histories: 0,
            batch_histories: Vec::new(),
            regions: label_list.iter().map(|&l| (l, Vec::new())).collect(),
            seconds: 0.0,
            active: emission.rows() > 0,
        }
    };
    let mut passes = [state(Pass::Electron, 1.0), state(Pass::Photon, plan.photon_share)];

    // pilot for goals: one small batch tells the speed; then batches of a size that gives at least `batches` of them
    if let Stop::Seconds(seconds) = plan.stop {
        progress.update(0.0, None, "measuring the speed");
        let pilot = Instant::now();
        for state in passes.iter_mut().filter(|s| s.active) {
            let job = job(&data, state.pass, &state.expectation, u32::MAX >> 2, plan.seed);
            engine.run(&job)?;
        }
        let scale = seconds / f64::from(plan.batches) / pilot.elapsed().as_secs_f64().max(1e-4);
        for (state, share) in passes.iter_mut().zip([1.0, plan.photon_share]) {
            state.expectation = Expectation::new(decays, None, (per_batch * share * scale).clamp(1000.0, 1e9));
        }
    }

    let kev_per_entry = |state: &PassState| {
        let particles = match state.pass {
            Pass::Electron => data.electron_emission.yield_per_decay,
            Pass::Photon => data.photon_emission.yield_per_decay,
        };
        ENTRY_KEV * state.expectation.decays_per_history * particles
    };
    let local = |v: usize| {
        if plan.scoring == Scoring::Voxels { decays[v] * data.electron_emission.local_kev_per_decay } else { 0.0 }
    };
    let mut target: Option<Vec<usize>> =
        plan.target.as_ref().map(|t| t.iter().enumerate().filter(|(_, t)| **t).map(|(v, _)| v).collect());
    let mut sigma_95 = None;
    let mut batch = 0u32;
    loop {
        for state in passes.iter_mut().filter(|s| s.active) {
            state.run_batch(engine, &data, plan, batch)?;
        }
        batch += 1;
        let k = [kev_per_entry(&passes[0]), kev_per_entry(&passes[1])];
        if batch == 4 && target.is_none() && plan.scoring == Scoring::Voxels {
            target = Some(hottest(&passes, k, scene));
        }
        // the quantile is looked at rarely: it walks over the target voxels
        if let Some(voxels) = &target
            && batch >= 4
            && (batch % 4 == 0 || batch >= plan.batches)
        {
            sigma_95 = quantile(&sorted_sigma(&passes, k, local, voxels), 0.95);
        }
        let (fraction, done) = match plan.stop {
            Stop::Histories(_) | Stop::Seconds(_) => {
                (f64::from(batch) / f64::from(plan.batches), batch >= plan.batches)
            }
            Stop::TargetSigma(goal) => match sigma_95 {
                Some(s) if batch >= plan.batches => (((goal / s).powi(2)).min(1.0), s <= goal),
                Some(s) => ((goal / s).powi(2).min(f64::from(batch) / f64::from(plan.batches)), false),
                None => (0.0, false),
            },
        };
        progress.update(fraction, sigma_95, "transport");
        if done {
            break;
        }
    }

    let k = [kev_per_entry(&passes[0]), kev_per_entry(&passes[1])];
    let sorted = target.as_ref().map(|t| sorted_sigma(&passes, k, local, t)).unwrap_or_default();
    let hash = tally_hash(&passes);
    let [electron, photon] = passes;
    let result = |state: PassState, kev_per_entry: f64, local_kev_per_decay: f64| PassResult {
        pass: state.pass,
        histories: state.histories,
        batch_histories: state.batch_histories,
        decays_per_history: state.expectation.decays_per_history,
        moments: state.moments,
        ledger: state.ledger,
        local_kev_per_decay,
        kev_per_entry,
        regions: state.regions,
        seconds: state.seconds,
    };
    Ok(Simulation {
        electron: result(electron, k[0], data.electron_emission.local_kev_per_decay),
        photon: result(photon, k[1], 0.0),
        device: engine.device(),
        tally_hash: hash,
        decays: total,
        sigma_rel_95: quantile(&sorted, 0.95),
        sigma_rel_50: quantile(&sorted, 0.5),
        wall_seconds: started.elapsed().as_secs_f64(),
        setup_seconds,
    })
}

/// Voxels above 10 % of the largest energy density so far.
fn hottest(passes: &[PassState; 2], kev_per_entry: [f64; 2], scene: &Scene) -> Vec<usize> {
    let dose = |v: usize| {
        let energy: f64 = passes
            .iter()
            .zip(kev_per_entry)
            .map(|(s, k)| if s.moments.batches > 0 { s.moments.mean(v) * k } else { 0.0 })
            .sum();
        let density = f64::from(scene.density_g_cm3[v]);
        if density > 0.02 { energy / density } else { 0.0 }
    };
    let all: Vec<f64> = (0..scene.grid.len()).map(dose).collect();
    let top = all.iter().copied().fold(0.0, f64::max);
    all.iter().enumerate().filter(|(_, d)| **d > 0.1 * top).map(|(v, _)| v).collect()
}

/// Variance of the mean of batch sums, for tests and reports.
pub fn variance_of_batches(sums: &[u128]) -> f64 {
    let sum: u128 = sums.iter().sum();
    let squares: u128 = sums.iter().map(|x| x * x).sum();
    variance_of_mean(sums.len() as u64, sum, squares)
}
