//! What every engine keeps: one body of checks, run for the CPU here and for the GPU in `tests/gpu`.

#![allow(dead_code, reason = "each test binary uses its part")]

use lutra::decay::{EmissionClass, Nuclide};
use lutra::grid::VoxelGrid;
use lutra::kernel::single::context::{FLAG_REJECTION, FLAG_TALLY_OVERFLOW, Params};
use lutra::kernel::single::electron::electron_birth;
use lutra::kernel::{NO_HOME, Sink};
use lutra::materials::tissues::Tissue;
use lutra::tally::BatchTally;
use lutra::transport::allocation::Expectation;
use lutra::transport::emission::Pass;
use lutra::transport::halt::Halt;
use lutra::transport::run::{RunError, RunPlan, Silent, Simulation, Stop, audit, job, prepare, simulate};
use lutra::transport::{DeviceInfo, Engine, EngineError, Job, Scene, SceneData, Scoring};
use std::sync::Arc;

/// A plan of few histories: 4 batches.
pub fn plan(histories: u64) -> RunPlan {
    RunPlan { stop: Stop::Histories(histories), batches: 4, photon_share: 0.5, ..RunPlan::default() }
}

/// Four tissues and vacuum in a grid of unequal edges, with decays of very different size.
pub fn mixed() -> (Scene, Vec<f64>) {
    let grid = VoxelGrid::axis_aligned([9, 7, 6], [2.0, 1.5, 3.0], [0.0; 3]);
    let tissues = ["water", "bone-cortical-icrp", "lung-icrp", "adipose-tissue-icrp"]
        .map(|name| Tissue::built_in(name).expect("built in"))
        .to_vec();
    let n = grid.len();
    let tissue: Vec<u8> = (0..n).map(|i| ((i / 5 + i / 31) % tissues.len()) as u8).collect();
    let density: Vec<f32> =
        tissue
            .iter()
            .enumerate()
            .map(|(i, t)| {
                if i % 23 == 0 { 0.0 } else { [1.0, 1.85, 0.26, 0.95][usize::from(*t)] * (1.0 + 0.01 * (i % 7) as f32) }
            })
            .collect();
    let decays = (0..n).map(|i| if i % 4 == 0 { 1.0 + (i % 11) as f64 } else { 0.01 * (i % 3) as f64 }).collect();
    (Scene::new(grid, density, tissue, tissues).expect("a sound scene"), decays)
}

/// A uniform scene of water (or vacuum) with all decays in one voxel.
pub fn single(dims: [usize; 3], edge_mm: f64, density_g_cm3: f32, voxel: usize) -> (Scene, Vec<f64>) {
    let grid = VoxelGrid::axis_aligned(dims, [edge_mm; 3], [0.0; 3]);
    let mut decays = vec![0.0; grid.len()];
    decays[voxel] = 1.0;
    (Scene::uniform(grid, Tissue::built_in("water").expect("built in"), density_g_cm3).expect("a sound scene"), decays)
}

/// The evaluated 177Lu.
pub fn lutetium() -> Nuclide {
    Nuclide::load("lu177").expect("built in")
}

/// Runs a plan and expects it to succeed.
pub fn run(engine: &mut dyn Engine, scene: &Scene, decays: &[f64], plan: &RunPlan) -> Simulation {
    simulate(scene, decays, &lutetium(), plan, engine, &mut Silent).unwrap_or_else(|e| panic!("{e}"))
}

/// Runs one batch of one pass and returns its integers.
pub fn batch(
    engine: &mut dyn Engine,
    scene: &Scene,
    decays: &[f64],
    plan: &RunPlan,
    pass: Pass,
    histories: f64,
) -> (BatchTally, u64) {
    let data = Arc::new(prepare(scene, &lutetium(), plan).expect("tables"));
    engine.load(Arc::clone(&data)).unwrap_or_else(|e| panic!("{e}"));
    let job = job(&data, pass, &Expectation::new(decays, histories), 0, plan.seed);
    (engine.run(&job).unwrap_or_else(|e| panic!("{e}")), u64::from(job.params.histories))
}

/// The sum of a tally.
fn total(energy: &[i64]) -> i128 {
    energy.iter().map(|&x| i128::from(x)).sum()
}

/// An account as a signed number.
fn signed(account: u128) -> i128 {
    i128::try_from(account).expect("an account is far below 2^127")
}

/// Hears nothing: births are looked at for what they return.
struct Deaf;

impl Sink for Deaf {
    fn emitted(&mut self, _: u32, _: u32) {}
    fn deposit(&mut self, _: u32, _: u32, _: u32, _: u32) {}
    fn estimate(&mut self, _: u32, _: u32, _: u32) {}
    fn absorbed(&mut self, _: u32, _: u32) {}
    fn escaped(&mut self, _: u32, _: u32, _: u32) {}
    fn radiated(&mut self, _: u32, _: u32) {}
    fn flag(&mut self, _: u32) {}
}

/// The tally of electrons holds what its ledger holds, to the last entry: what was deposited, less what counts as
/// left at home because its electron has one. Both kinds of electron take part.
pub fn what_is_moved_is_accounted_for(engine: &mut dyn Engine) {
    let (scene, decays) = mixed();
    let data = Arc::new(prepare(&scene, &lutetium(), &plan(1)).expect("tables"));
    engine.load(Arc::clone(&data)).unwrap_or_else(|e| panic!("{e}"));
    let job = job(&data, Pass::Electron, &Expectation::new(&decays, 4_000.0), 0, 1);
    let tally = engine.run(&job).unwrap_or_else(|e| panic!("{e}"));
    let cx = job.context(&data);
    let (mut at_home, mut homeless) = (0i128, 0i128);
    for h in 0..job.params.histories {
        let p = electron_birth(&cx, h, &mut Deaf);
        let energy = i128::from(p.energy) * i128::from(p.weight);
        *(if p.home == NO_HOME { &mut homeless } else { &mut at_home }) += energy;
    }
    let l = &tally.ledger;
    assert!(at_home > 0 && homeless > 0, "electrons with and without a home");
    assert_eq!(at_home + homeless + signed(l.radiated), signed(l.emitted));
    assert_eq!(total(&tally.energy) + at_home, signed(l.deposited), "energy is moved, not made");
    assert!(tally.energy.iter().any(|&x| x < 0), "more leaves some voxel than comes");
}

/// Emitted = deposited + escaped + radiated, exactly; the tally holds what the ledger says it holds.
pub fn energy_balances(engine: &mut dyn Engine) {
    let (scene, decays) = mixed();
    for analogue_photons in [false, true] {
        let s = run(engine, &scene, &decays, &RunPlan { analogue_photons, ..plan(8_000) });
        for pass in [&s.electron, &s.photon] {
            let l = &pass.ledger;
            assert!(pass.histories > 1000, "{:?} pass ran {} histories", pass.pass, pass.histories);
            assert!(l.emitted > 0 && l.deposited > 0 && l.escaped > 0);
            assert_eq!(l.emitted, l.deposited + l.escaped + l.radiated, "{:?} pass: {l:?}", pass.pass);
        }
        let photon = if analogue_photons { s.photon.ledger.deposited } else { s.photon.ledger.estimated };
        let cut = total(&s.photon.moments.sum) - signed(photon);
        // the track-length tally holds the estimate and what fell below the cut-off, which is also in the ledger
        let most = if analogue_photons { 0 } else { signed(s.photon.ledger.deposited) / 100 };
        assert!((0..=most).contains(&cut), "the photons' tally exceeds its account by {cut}");
    }
}

/// The seed decides everything.
pub fn seeds_decide(engine: &mut dyn Engine) {
    let (scene, decays) = mixed();
    let hash =
        |engine: &mut dyn Engine, seed| run(engine, &scene, &decays, &RunPlan { seed, ..plan(2_000) }).tally_hash;
    let first = hash(engine, 1);
    assert_eq!(hash(engine, 1), first, "one seed, one result");
    assert_ne!(hash(engine, 2), first, "another seed, another result");
    assert_ne!(hash(engine, 1 + (1 << 32)), first, "the seed's upper half counts");
}

/// No decays, no run; neither with decays that are none.
pub fn bad_sources_are_refused(engine: &mut dyn Engine) {
    let (scene, decays) = mixed();
    let mut refuse = |decays: &[f64]| {
        simulate(&scene, decays, &lutetium(), &plan(100), &mut *engine, &mut Silent).expect_err("refused")
    };
    assert!(matches!(refuse(&vec![0.0; decays.len()]), RunError::Empty));
    assert!(matches!(refuse(&decays[1..]), RunError::Length { .. }));
    for bad in [f64::NAN, f64::INFINITY, -1.0] {
        let mut wrong = decays.clone();
        wrong[17] = bad;
        assert!(matches!(refuse(&wrong), RunError::Decays { index: 17, .. }));
    }
}

/// A source in the grid's corners: energy leaves, nothing is lost.
pub fn border_voxels_leak(engine: &mut dyn Engine) {
    for voxel in [0, 26] {
        let (scene, decays) = single([3, 3, 3], 1.0, 1.0, voxel);
        let s = run(engine, &scene, &decays, &plan(3_000));
        let l = &s.electron.ledger;
        assert!(l.escaped > l.emitted / 100, "electrons leave a corner of 1 mm");
        let energy_kev: Vec<f64> = (0..27).map(|bin| s.electron.energy_kev(bin)).collect();
        let top = energy_kev.iter().copied().fold(0.0, f64::max);
        assert!(top > 0.0 && energy_kev[voxel] >= top, "most energy stays at home: {energy_kev:?}");
        // the far corner sees no electron: 177Lu reaches less than 2 mm
        assert!(energy_kev[26 - voxel] < top / 1000.0);
        assert!(energy_kev.iter().all(|&e| e >= 0.0), "no voxel gives more than it had: {energy_kev:?}");
        // all electrons are at home in the corner: what the tally lacks has left the grid
        assert_eq!(total(&s.electron.moments.sum), -signed(l.escaped));
    }
}

/// One voxel is a grid, too.
pub fn one_voxel_is_enough(engine: &mut dyn Engine) {
    let (scene, decays) = single([1, 1, 1], 50.0, 1.0, 0);
    let s = run(engine, &scene, &decays, &plan(2_000));
    let l = &s.electron.ledger;
    // of a cube of 50 mm only a surface layer of 0.3 mm leaks: about 1 %
    assert!(l.deposited > l.emitted / 100 * 97, "{l:?}");
    let kev_per_decay = s.electron.energy_kev(0);
    assert!((kev_per_decay / 148.4 - 1.0).abs() < 0.03, "{kev_per_decay} keV per decay");
}

/// In vacuum everything escapes.
pub fn vacuum_keeps_nothing(engine: &mut dyn Engine) {
    let (scene, decays) = single([4, 4, 4], 2.0, 0.0, 21);
    let s = run(engine, &scene, &decays, &plan(2_000));
    for pass in [&s.electron, &s.photon] {
        let l = &pass.ledger;
        assert_eq!(l.escaped + l.radiated, l.emitted, "{:?} pass", pass.pass);
        // the yield of bremsstrahlung is that of the tissue that the voxel is given
        assert!(l.radiated < l.emitted / 500, "{:?} pass: {l:?}", pass.pass);
        assert!(pass.moments.sum.iter().all(|&x| x == 0));
    }
}

/// Shell scoring keeps the account as well.
pub fn shells_balance(engine: &mut dyn Engine) {
    let (scene, _) = single([1, 1, 1], 3000.0, 1.0, 0);
    let scoring = Scoring::Shells { bins: 40, width_mm: 0.05 };
    let s = run(engine, &scene, &[1.0], &RunPlan { scoring, ..plan(2_000) });
    assert_eq!(total(&s.electron.moments.sum), signed(s.electron.ledger.deposited), "no electron has a home");
    assert_eq!(s.electron.ledger.escaped, 0, "nothing crosses 1.5 m of water");
    let sum = &s.electron.moments.sum;
    assert!(sum[0] > 0 && sum[39] < sum[0]);
}

/// Sound runs raise nothing.
pub fn sound_runs_raise_no_flag(engine: &mut dyn Engine) {
    let (scene, decays) = mixed();
    for pass in [Pass::Electron, Pass::Photon] {
        let (tally, histories) = batch(engine, &scene, &decays, &plan(1), pass, 2_000.0);
        assert_eq!(audit(&tally, histories), 0, "{pass:?} pass");
        assert_eq!(tally.histories, histories);
    }
}

/// A tally that passes 63 bits says so: upwards where energy is deposited, downwards where it leaves a home.
pub fn tally_overflow_is_flagged(engine: &mut dyn Engine) {
    for (edge_mm, home, sign) in [(500.0, false, 1), (0.5, true, -1)] {
        let (scene, _) = single([1, 1, 1], edge_mm, 1.0, 0);
        let nuclide = Nuclide::monoenergetic(EmissionClass::Electron, 3000.0);
        let mut data = prepare(&scene, &nuclide, &plan(1)).expect("tables");
        if !home {
            data.params.home_density_g_cm3 = f32::MAX;
        }
        let data = Arc::new(data);
        engine.load(Arc::clone(&data)).unwrap_or_else(|e| panic!("{e}"));
        // 9.6e7 units of energy at the largest weight: 23 histories fill 63 bits
        let run = |engine: &mut dyn Engine, histories| {
            let params = Params { histories, sources: 1, emissions: data.electron_emission.rows(), ..data.params };
            let job = Job { pass: Pass::Electron, params, source_table: vec![0, 0, u32::MAX, histories, 0, 0] };
            engine.run(&job).unwrap_or_else(|e| panic!("{e}"))
        };
        let full = run(engine, 100);
        assert_eq!(full.flags & FLAG_TALLY_OVERFLOW, FLAG_TALLY_OVERFLOW, "{edge_mm} mm");
        assert!(full.ledger.balances(), "the ledger has 96 bits and more: {:?}", full.ledger);
        assert!(full.ledger.emitted > u128::from(u64::MAX), "the ledger counts on beyond 64 bits");
        let fits = run(engine, 10);
        assert_eq!(fits.flags, 0, "a tally that fits raises nothing");
        assert!(total(&fits.energy).signum() == sign && total(&fits.energy).abs() > i128::from(i64::MAX) / 4);
    }
}

/// A rejection that never accepts says so and ends.
pub fn endless_rejection_is_flagged(engine: &mut dyn Engine) {
    let (scene, decays) = single([1, 1, 1], 500.0, 1.0, 0);
    let nuclide = Nuclide::monoenergetic(EmissionClass::Photon, 200.0);
    let mut data = prepare(&scene, &nuclide, &plan(1)).expect("tables");
    data.scatter_table.fill(0.0);
    let data = Arc::new(data);
    engine.load(Arc::clone(&data)).unwrap_or_else(|e| panic!("{e}"));
    let job = job(&data, Pass::Photon, &Expectation::new(&decays, 20.0), 0, 1);
    let tally = engine.run(&job).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(tally.flags & FLAG_REJECTION, FLAG_REJECTION);
}

/// Makes one test of every check; `$engine` runs a check on its engine, or skips it.
#[macro_export]
macro_rules! engine_contract_tests {
    ($engine:path: $($check:ident),* $(,)?) => {
        $(#[test] fn $check() { $engine($crate::engine_contract::$check); })*
    };
}

/// Why two batches of one job differ; `None` when they are the same. The engines must be two.
pub fn difference(a: (&DeviceInfo, &BatchTally), b: (&DeviceInfo, &BatchTally)) -> Option<String> {
    let ((da, a), (db, b)) = (a, b);
    if da == db {
        return Some(format!("{} is compared with itself", da.name));
    }
    if a.energy.len() != b.energy.len() {
        return Some(format!("{} bins against {}", a.energy.len(), b.energy.len()));
    }
    if let Some(bin) = a.energy.iter().zip(&b.energy).position(|(x, y)| x != y) {
        let count = a.energy.iter().zip(&b.energy).filter(|(x, y)| x != y).count();
        return Some(format!("{count} bins differ, the first is {bin}: {} against {}", a.energy[bin], b.energy[bin]));
    }
    if a.ledger != b.ledger {
        return Some(format!("ledgers: {:?} against {:?}", a.ledger, b.ledger));
    }
    if (a.histories, a.flags) != (b.histories, b.flags) {
        return Some(format!("histories and flags: {:?} against {:?}", (a.histories, a.flags), (b.histories, b.flags)));
    }
    if a.energy.iter().all(|&x| x == 0) {
        return Some("both tallies are empty".into());
    }
    None
}

/// An engine that spoils what another one returns: planted faults.
pub struct Spoiled<'e> {
    /// The engine underneath.
    pub inner: &'e mut dyn Engine,
    /// The fault.
    pub fault: fn(&mut BatchTally),
}

impl Engine for Spoiled<'_> {
    fn device(&self) -> DeviceInfo {
        self.inner.device()
    }
    fn load(&mut self, scene: Arc<SceneData>) -> Result<(), EngineError> {
        self.inner.load(scene)
    }
    fn spent(&self) -> lutra::transport::spent::EngineSpent {
        self.inner.spent()
    }
    fn run(&mut self, job: &Job) -> Result<BatchTally, EngineError> {
        let mut tally = self.inner.run(job)?;
        (self.fault)(&mut tally);
        Ok(tally)
    }
}

/// A job that is halted gives no tally, and leaves nothing in the one that follows.
pub fn a_halted_job_counts_for_nothing(engine: &mut dyn Engine) {
    let (scene, decays) = mixed();
    let data = Arc::new(prepare(&scene, &lutetium(), &plan(1)).expect("tables"));
    engine.load(Arc::clone(&data)).unwrap_or_else(|e| panic!("{e}"));
    let of = |histories| job(&data, Pass::Electron, &Expectation::new(&decays, histories), 0, 1);
    let (long, short) = (of(3e6), of(3_000.0));
    let whole = engine.run(&short).unwrap_or_else(|e| panic!("{e}"));
    let halt = Halt::default();
    halt.ask();
    engine.heed(halt);
    let halted = engine.run(&long);
    engine.heed(Halt::default());
    assert!(matches!(halted, Err(EngineError::Halted)), "{:?}", halted.map(|tally| tally.histories));
    assert_eq!(engine.run(&short).unwrap_or_else(|e| panic!("{e}")), whole);
}

/// A run on an engine that loses something ends in an error that names it.
pub fn a_spoiled_batch_ends_the_run(engine: &mut dyn Engine) {
    let (scene, decays) = mixed();
    type Fault = fn(&mut BatchTally);
    let faults: [(&str, Fault); 3] = [
        ("histories finished differ", |t| t.histories -= 1),
        ("energy emitted differs", |t| t.ledger.deposited -= 1),
        ("lost particle", |t| t.flags |= lutra::kernel::single::context::FLAG_LOST),
    ];
    for (message, fault) in faults {
        let mut spoiled = Spoiled { inner: &mut *engine, fault };
        let error = simulate(&scene, &decays, &lutetium(), &plan(400), &mut spoiled, &mut Silent).expect_err("noticed");
        assert!(matches!(error, RunError::Flags { .. }) && error.to_string().contains(message), "{error}");
    }
}
