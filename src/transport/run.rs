//! simulate: batches of both passes until the histories are spent or the uncertainty is reached.

use crate::decay::Nuclide;
use crate::kernel::single::context::Params;
use crate::kernel::single::navigate;
use crate::kernel::single::rng::hash_key;
use crate::physics::tables::{PhysicsTables, TableError, TransportSettings};
use crate::tally::{BatchTally, ENTRY_KEV, Ledger, Moments};
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

/// Electrons have a home where a voxel is thicker than this, g/cm2: the range of a mean beta of 177Lu (134 keV, 0.028 g/cm2
/// in water). In thinner voxels most electrons leave, and counting them as left at home would add variance.
const HOME_AREAL_G_CM2: f64 = 0.03;

/// Voxels up to this edge take the steps of `TransportSettings::step_scattering`; larger ones longer steps, mm.
const FINE_VOXEL_MM: f64 = 0.5;

/// Histories by source voxel relative to its decays: what the user aims at comes first, else the hot voxels.
///
/// The relative error of a voxel goes with the number of histories born in and beside it. Below a tenth of the largest
/// activity, histories go with the power 3/2 of the activity, above it they are level; sources in and next to target
/// voxels count ten times. Weights make up for all of it, so the expectation is exact.
fn importance(decays: &[f64], dims: [usize; 3], target: Option<&[bool]>) -> Vec<f32> {
    let cap = 0.1 * decays.iter().copied().fold(0.0, f64::max);
    let mut weights: Vec<f32> = decays
        .iter()
        .map(|&d| {
            let share = (d / cap).max(1e-4);
            (if share < 1.0 { share.sqrt() } else { 1.0 / share }) as f32
        })
        .collect();
    if let Some(target) = target {
        let mut near = target.to_vec();
        let strides = [1, dims[0], dims[0] * dims[1]];
        for (axis, stride) in strides.into_iter().enumerate() {
            let before = near.clone();
            for (v, flag) in near.iter_mut().enumerate() {
                let place = v / stride % dims[axis];
                *flag |= (place > 0 && before[v - stride]) || (place + 1 < dims[axis] && before[v + stride]);
            }
        }
        for (weight, near) in weights.iter_mut().zip(near) {
            if near {
                *weight *= 10.0;
            }
        }
    }
    weights
}

/// How much an electron's energy matters to voxel doses, relative: the root of the mean square of what crosses a face
/// over the cost of following it. Efficiency alone; any positive function is exact.
///
/// Range by Katz & Penfold 1952 (Rev. Mod. Phys. 24:28); half of it is taken as the depth that matters; a crossing
/// electron costs about 15 times one that stays.
fn crossing_importance(energy_kev: f64, edge_mm: f64) -> f64 {
    let shape = |energy_kev: f64| {
        let mev = energy_kev.max(1.0) * 1e-3;
        let range_mm = 4.12 * mev.powf(1.265 - 0.0954 * mev.ln());
        let crossing = (3.0 * range_mm / edge_mm).min(1.0);
        energy_kev * (crossing / (1.0 + 15.0 * crossing)).sqrt()
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
    let tables = PhysicsTables::build(&scene.tissues, &settings)?;
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
            Scoring::Voxels => (HOME_AREAL_G_CM2 / (0.1 * smallest)) as f32,
            Scoring::Shells { .. } => f32::MAX,
        },
        ..Params::default()
    };
    let shells = matches!(plan.scoring, Scoring::Shells { .. });
    let electron_emission =
        EmissionTable::of(nuclide, Pass::Electron, plan.emissions, plan.settings.electron_cut_kev, |energy_kev| {
            if shells { 1.0 } else { crossing_importance(energy_kev, smallest) }
        });
    let home_kev_per_decay = (0..scene.tissues.len()).map(|t| home_energy(&tables, t, &electron_emission)).collect();
    Ok(SceneData {
        params,
        home_kev_per_decay,
        voxels: scene.voxel_words(),
        electron_table: tables.electron,
        photon_table: tables.photon,
        scatter_table: tables.scatter,
        electron_emission,
        photon_emission: EmissionTable::of(nuclide, Pass::Photon, plan.emissions, 0.0, |_| 1.0),
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
    regions: Vec<(u16, Vec<i128>)>,
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
            let mut sums = vec![0i128; self.regions.len()];
            let most = self.regions.last().map_or(0, |r| usize::from(r.0));
            let mut place = vec![usize::MAX; most + 1];
            for (i, (label, _)) in self.regions.iter().enumerate() {
                place[usize::from(*label)] = i;
            }
            for (&label, &x) in labels.iter().zip(&result.energy) {
                sums[place[usize::from(label)]] += i128::from(x);
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
    let weights = match plan.scoring {
        Scoring::Voxels => Some(importance(decays, scene.grid.dims, plan.target.as_deref())),
        Scoring::Shells { .. } => None,
    };
    let expect = |histories: f64| Expectation::new(decays, weights.as_deref(), histories);
    let state = |pass: Pass, share: f64| {
        let emission = match pass {
            Pass::Electron => &data.electron_emission,
            Pass::Photon => &data.photon_emission,
        };
        PassState {
            pass,
            expectation: expect((per_batch * share).max(1.0)),
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
            state.expectation = expect((per_batch * share * scale).clamp(1000.0, 1e9));
        }
    }

    let kev_per_entry = |state: &PassState| {
        let particles = match state.pass {
            Pass::Electron => data.electron_emission.yield_per_decay,
            Pass::Photon => data.photon_emission.yield_per_decay,
        };
        ENTRY_KEV * state.expectation.decays_per_history * particles
    };
    let local_kev = local_energy(&data, decays, plan.scoring);
    let local = |v: usize| local_kev[v];
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
            target = Some(hottest(&passes, k, scene, &local_kev));
        }
        // the quantile is looked at rarely: it walks over the target voxels
        if let Some(voxels) = &target
            && batch >= 4
            && (batch.is_multiple_of(4) || batch >= plan.batches)
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
    let result = |state: PassState, kev_per_entry: f64, local_kev: Vec<f64>| PassResult {
        pass: state.pass,
        histories: state.histories,
        batch_histories: state.batch_histories,
        decays_per_history: state.expectation.decays_per_history,
        moments: state.moments,
        ledger: state.ledger,
        region_local_kev: region_sums(&state.regions, plan.labels.as_deref(), &local_kev),
        local_kev,
        kev_per_entry,
        regions: state.regions,
        seconds: state.seconds,
    };
    Ok(Simulation {
        electron: result(electron, k[0], local_kev),
        photon: result(photon, k[1], Vec::new()),
        device: engine.device(),
        tally_hash: hash,
        decays: total,
        sigma_rel_95: quantile(&sorted, 0.95),
        sigma_rel_50: quantile(&sorted, 0.5),
        wall_seconds: started.elapsed().as_secs_f64(),
        setup_seconds,
    })
}

/// Energy by bin that needs no sampling, keV.
fn local_energy(data: &SceneData, decays: &[f64], scoring: Scoring) -> Vec<f64> {
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

/// Sums of a volume over the regions.
fn region_sums(regions: &[(u16, Vec<i128>)], labels: Option<&[u16]>, values: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0; regions.len()];
    if let Some(labels) = labels {
        for (&label, &value) in labels.iter().zip(values) {
            if let Ok(place) = regions.binary_search_by_key(&label, |r| r.0) {
                sums[place] += value;
            }
        }
    }
    sums
}

/// Voxels above 10 % of the largest energy density so far.
fn hottest(passes: &[PassState; 2], kev_per_entry: [f64; 2], scene: &Scene, local_kev: &[f64]) -> Vec<usize> {
    let dose = |v: usize| {
        let sampled: f64 = passes
            .iter()
            .zip(kev_per_entry)
            .map(|(s, k)| if s.moments.batches > 0 { s.moments.mean(v) * k } else { 0.0 })
            .sum();
        let density = f64::from(scene.density_g_cm3[v]);
        if density > 0.02 { (local_kev[v] + sampled) / density } else { 0.0 }
    };
    let all: Vec<f64> = (0..scene.grid.len()).map(dose).collect();
    let top = all.iter().copied().fold(0.0, f64::max);
    all.iter().enumerate().filter(|(_, d)| **d > 0.1 * top).map(|(v, _)| v).collect()
}
