//! The engine's contract on the CPU, and the alarms of the comparison of engines.

use crate::engine_contract::{batch, difference, lutetium, mixed, plan, run};
use lutra::grid::VoxelGrid;
use lutra::kernel::Sink;
use lutra::kernel::single::context::FLAG_LOST;
use lutra::kernel::single::electron::electron_step;
use lutra::kernel::single::navigate::Particle;
use lutra::kernel::single::photon::photon_step;
use lutra::kernel::single::rng::rng_for;
use lutra::kernel::single::source::{birth, emission_of};
use lutra::kernel::single::waiting::Stack;
use lutra::physics::tables::TransportSettings;
use lutra::tally::BatchTally;
use lutra::transport::allocation::Expectation;
use lutra::transport::cpu::{Carrier, CpuEngine};
use lutra::transport::emission::Pass;
use lutra::transport::run::{FLAG_UNBALANCED, FLAG_UNFINISHED, RunPlan, audit, job, prepare};
use lutra::transport::{DeviceInfo, Engine, Scene};

fn on_cpu(check: fn(&mut dyn Engine)) {
    check(&mut CpuEngine::new(2));
}

crate::engine_contract_tests!(on_cpu: energy_balances, what_is_moved_is_accounted_for, seeds_decide, bad_sources_are_refused, border_voxels_leak,
    one_voxel_is_enough, vacuum_keeps_nothing, shells_balance, sound_runs_raise_no_flag, tally_overflow_is_flagged,
    endless_rejection_is_flagged, a_halted_job_counts_for_nothing, a_spoiled_batch_ends_the_run);

/// How many threads share the work changes no bit.
#[test]
fn agree_thread_counts() {
    let (scene, decays) = mixed();
    let hash = |threads| run(&mut CpuEngine::new(threads), &scene, &decays, &plan(20_000)).tally_hash;
    let one = hash(1);
    for threads in [2, 7] {
        assert_eq!(hash(threads), one, "{threads} threads");
    }
}

fn other() -> DeviceInfo {
    DeviceInfo { engine: "gpu".into(), name: "other".into(), backend: "test".into(), driver: "test".into() }
}

/// Both passes of a small job under a plan.
fn tallies(scene: &Scene, decays: &[f64], plan: &RunPlan) -> [(BatchTally, u64); 2] {
    [Pass::Electron, Pass::Photon].map(|pass| batch(&mut CpuEngine::new(1), scene, decays, plan, pass, 4_000.0))
}

/// Where the comparison finds a difference between the sound passes and the ones given.
fn rings(sound: &[(BatchTally, u64); 2], with: &[(BatchTally, u64); 2]) -> [bool; 2] {
    let cpu = CpuEngine::new(1).device();
    std::array::from_fn(|i| difference((&cpu, &sound[i].0), (&other(), &with[i].0)).is_some())
}

#[test]
fn alarm_the_comparison_of_engines_rings() {
    let (scene, decays) = mixed();
    let sound = tallies(&scene, &decays, &plan(1));
    let cpu = CpuEngine::new(1).device();
    assert_eq!(rings(&sound, &sound), [false; 2], "equal tallies pass");
    assert!(difference((&cpu, &sound[0].0), (&cpu, &sound[0].0)).is_some(), "an engine compared with itself");

    // one bit of one voxel, of the ledger, of the counts
    for pass in 0..2 {
        let faults: [fn(&mut BatchTally); 5] = [
            |t| t.energy[100] ^= 1,
            |t| t.ledger.escaped += 1,
            |t| t.histories -= 1,
            |t| t.flags |= 1,
            |t| t.energy.fill(0),
        ];
        for fault in faults {
            let mut spoiled = sound.clone();
            fault(&mut spoiled[pass].0);
            assert!(rings(&sound, &spoiled)[pass]);
        }
    }

    // 1 % in one cross section
    let settings = TransportSettings { elastic_scale: 1.01, ..TransportSettings::default() };
    assert_eq!(rings(&sound, &tallies(&scene, &decays, &RunPlan { settings, ..plan(1) })), [true, false]);
    let settings = TransportSettings { photon_scale: 1.01, ..TransportSettings::default() };
    assert_eq!(rings(&sound, &tallies(&scene, &decays, &RunPlan { settings, ..plan(1) })), [false, true]);

    // the decays one voxel further on
    let mut shifted = decays.clone();
    shifted.rotate_right(1);
    assert_eq!(rings(&sound, &tallies(&scene, &shifted, &plan(1))), [true; 2]);

    // x and y swapped in the scene's volumes and the result swapped back: another walk through other voxels
    let [nx, ny, nz] = scene.grid.dims;
    let from = |i: usize| {
        let (y, x, z) = (i % ny, (i / ny) % nx, i / (nx * ny));
        x + nx * (y + ny * z)
    };
    let order: Vec<usize> = (0..nx * ny * nz).map(from).collect();
    let [dx, dy, dz] = scene.grid.spacing_mm;
    let swapped = Scene::new(
        VoxelGrid::axis_aligned([ny, nx, nz], [dy, dx, dz], [0.0; 3]),
        order.iter().map(|&i| scene.density_g_cm3[i]).collect(),
        order.iter().map(|&i| scene.tissue[i]).collect(),
        scene.tissues.clone(),
    )
    .expect("a sound scene");
    let swapped_decays: Vec<f64> = order.iter().map(|&i| decays[i]).collect();
    let mut turned = tallies(&swapped, &swapped_decays, &plan(1));
    for (tally, _) in &mut turned {
        let mut back = vec![0; tally.energy.len()];
        for (place, &i) in order.iter().enumerate() {
            back[i] = tally.energy[place];
        }
        tally.energy = back;
    }
    assert_eq!(rings(&sound, &turned), [true; 2]);

    // voxel edges swapped alone
    let grid = VoxelGrid::axis_aligned(scene.grid.dims, [dy, dx, dz], [0.0; 3]);
    let wrong =
        Scene::new(grid, scene.density_g_cm3.clone(), scene.tissue.clone(), scene.tissues.clone()).expect("sound");
    assert_eq!(rings(&sound, &tallies(&wrong, &decays, &plan(1))), [true; 2]);
}

/// One changed number in one table changes the tally.
#[test]
fn alarm_one_table_entry_is_seen() {
    use lutra::kernel::single::tables::{COLUMN_STOPPING, ELECTRON_COLUMNS, energy_bin};
    use lutra::transport::allocation::Expectation;
    use lutra::transport::run::job;
    use std::sync::Arc;
    let (scene, decays) = mixed();
    let tally = |fault: bool| {
        let mut data = prepare(&scene, &lutetium(), &plan(1)).expect("tables");
        if fault {
            // water's stopping power at 100 keV, 1 % more
            let row = ELECTRON_COLUMNS * energy_bin(100.0).node;
            data.electron_table[(row + COLUMN_STOPPING) as usize] *= 1.01;
        }
        let data = Arc::new(data);
        let mut engine = CpuEngine::new(1);
        engine.load(Arc::clone(&data)).expect("loaded");
        engine.run(&job(&data, Pass::Electron, &Expectation::new(&decays, 4_000.0), 0, 1)).expect("run")
    };
    assert_ne!(tally(false), tally(true));
}

/// What every batch is held against sees missing histories and missing energy.
#[test]
fn alarm_the_audit_sees_losses() {
    let (scene, decays) = mixed();
    for (tally, histories) in tallies(&scene, &decays, &plan(1)) {
        assert_eq!(audit(&tally, histories), 0);
        assert_eq!(audit(&tally, histories + 1), FLAG_UNFINISHED);
        let mut short = tally.clone();
        short.ledger.deposited -= 1;
        assert_eq!(audit(&short, histories), FLAG_UNBALANCED);
        short = BatchTally { flags: 8, ..tally };
        assert_eq!(audit(&short, histories), 8);
    }
}

/// Counts the flags and what leaves the grid.
#[derive(Default)]
struct Watch {
    flags: u32,
    escaped: u64,
}

impl Sink for Watch {
    fn emitted(&mut self, _: u32, _: u32) {}
    fn deposit(&mut self, _: u32, _: u32, _: u32, _: u32) {}
    fn estimate(&mut self, _: u32, _: u32, _: u32) {}
    fn absorbed(&mut self, _: u32, _: u32) {}
    fn escaped(&mut self, _: u32, units: u32, _: u32) {
        self.escaped += u64::from(units);
    }
    fn radiated(&mut self, _: u32, _: u32) {}
    fn flag(&mut self, bits: u32) {
        self.flags |= bits;
    }
}

/// A particle with a place, voxel or direction that none can have raises its flag at its next step and ends there, its
/// energy accounted for; a sound one does not.
#[test]
fn alarm_a_lost_particle_is_flagged() {
    let (scene, decays) = mixed();
    let data = prepare(&scene, &lutetium(), &plan(1)).expect("the scene is sound");
    let faults: [fn(&mut Particle); 7] = [
        |_| {},
        |p| p.ux = f32::NAN,
        |p| p.uz += 0.5,
        |p| p.x = f32::NAN,
        |p| p.y = -0.001,
        |p| p.z = f32::INFINITY,
        |p| p.ix = u32::MAX,
    ];
    for pass in [Pass::Electron, Pass::Photon] {
        let expectation = Expectation::new(&decays, 100.0);
        let job = job(&data, pass, &expectation, 0, 1);
        let cx = job.context(&data);
        for (number, fault) in faults.iter().enumerate() {
            let mut watch = Watch::default();
            let mut particle = birth(&cx, 3, emission_of(&cx, 3));
            fault(&mut particle);
            let energy = particle.energy;
            let mut rng = rng_for(3, 0, 1, 0);
            match pass {
                Pass::Electron => electron_step(&cx, &mut rng, &mut particle, &mut Stack::default(), &mut watch),
                Pass::Photon => photon_step(&cx, &mut rng, &mut particle, &mut watch),
            }
            let lost = watch.flags & FLAG_LOST != 0;
            assert_eq!(lost, number > 0, "{pass:?}, fault {number}");
            assert!(!lost || (particle.alive == 0 && watch.escaped == u64::from(energy)), "{pass:?}, fault {number}");
        }
    }
}

/// A way of carrying histories has its name, and a name of none is refused with those that there are.
#[test]
fn alarm_a_way_that_there_is_not_is_no_other() {
    for way in Carrier::available() {
        assert_eq!(Carrier::named(way.word()), Ok(way));
    }
    let allowed = Carrier::named("sse9").expect_err("no machine has it");
    assert!(allowed.contains(&"scalar"), "{allowed:?}");
}
