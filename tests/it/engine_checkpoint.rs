//! A run that is interrupted, damaged or left by its device ends in the single run's integers, or in a refusal.

use crate::small::{self, Fault, Faulty};
use lutra::tally::BatchTally;
use lutra::transport::batch_store::BatchStore;
use lutra::transport::checkpoint::{CheckpointError, Keeper, resume};
use lutra::transport::cpu::CpuEngine;
use lutra::transport::run::{Outcome, Progress, RunError, RunPlan, Silent, Stop, Surroundings, run_batches};
use lutra::transport::spent::EngineSpent;
use lutra::transport::{DeviceInfo, Engine, EngineError, Job, Scene, SceneData, stopping};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const HISTORIES: u64 = 30_000;

/// Runs with a checkpoint after every part of a batch.
fn kept(
    scene: &Scene,
    plan: &RunPlan,
    folder: &Path,
    from: Option<(BatchStore, u64)>,
    engine: &mut dyn Engine,
) -> Result<Outcome, RunError> {
    let (store, serial) = from.map_or((None, 0), |(store, serial)| (Some(store), serial));
    let mut keeper = Keeper::new(folder, Duration::ZERO).expect("a folder").after(serial);
    let around = Surroundings { progress: &mut Silent, fallback: None, keeper: Some(&mut keeper), resume: store };
    run_batches(scene, &small::decays(scene), &small::nuclide(), plan, engine, around)
}

fn newest(folder: &Path) -> (BatchStore, u64) {
    let found = resume(folder).expect("readable");
    (found.store.expect("a checkpoint"), found.serial)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("folder").map(|e| e.expect("entry").path()).collect();
    // what lies there besides says whose they are
    files.retain(|path| path.extension().is_some_and(|end| end != "json"));
    files.sort();
    files
}

#[test]
fn engine_interrupted_run_ends_in_the_same_integers() {
    let scene = small::scene();
    let folder = tempfile::tempdir().expect("temporary folder");
    let sigma = RunPlan { stop: Stop::TargetSigma(0.08), ..small::plan(&scene, 0, 9) };
    for plan in [small::plan(&scene, HISTORIES, 9), sigma] {
        let whole = small::run(&scene, &plan);
        for jobs in [7, 30] {
            let place = folder.path().join(format!("{:?}-{jobs}", plan.stop));
            let mut engine = Faulty::after(jobs, Fault::Lost);
            let mut from = None;
            // interrupted again and again, each time after as many parts of batches
            let mut interruptions = 0;
            let end = loop {
                match kept(&scene, &plan, &place, from.take(), &mut engine) {
                    Ok(outcome) => break outcome,
                    Err(RunError::Engine(EngineError::Device { .. })) => interruptions += 1,
                    Err(other) => panic!("{other}"),
                }
                let found = resume(&place).expect("readable");
                from = found.store.map(|store| (store, found.serial));
                engine = Faulty::after(if from.is_some() { jobs } else { 60 }, Fault::Lost);
            };
            assert!(interruptions > 0, "{jobs}: never interrupted");
            assert_eq!(end.store.tally_hash(), whole.tally_hash(), "after {jobs} jobs each");
            assert_eq!(end.store.passes[0].rows, whole.passes[0].rows);
            assert_eq!(end.store.passes[1].ledger, whole.passes[1].ledger);
        }
    }
}

#[test]
fn engine_damaged_checkpoint_gives_way_to_the_one_before() {
    let scene = small::scene();
    let plan = small::plan(&scene, HISTORIES, 9);
    let folder = tempfile::tempdir().expect("temporary folder");
    let lost = kept(&scene, &plan, folder.path(), None, &mut Faulty::after(17, Fault::Lost));
    assert!(matches!(lost, Err(RunError::Engine(_))));
    let (_, serial) = newest(folder.path());
    let paths = files(folder.path());
    assert_eq!(paths.len(), 2, "{paths:?}");
    let newer = &paths[if serial % 2 == 0 { 0 } else { 1 }];
    let mut bytes = std::fs::read(newer).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(newer, &bytes).expect("written");
    let found = resume(folder.path()).expect("the other is whole");
    assert_eq!(found.serial, serial - 1);
    assert_eq!(found.warnings.len(), 1, "{:?}", found.warnings);
    assert!(found.warnings[0].contains(&newer.display().to_string()), "{:?}", found.warnings);
    let from = found.store.map(|store| (store, found.serial));
    let end = kept(&scene, &plan, folder.path(), from, &mut CpuEngine::new(2)).expect("ends");
    assert_eq!(end.store.tally_hash(), small::run(&scene, &plan).tally_hash());

    for path in files(folder.path()) {
        std::fs::write(path, "nothing of use").expect("written");
    }
    assert!(matches!(resume(folder.path()), Err(CheckpointError::Damaged { .. })));
    assert!(matches!(resume(&folder.path().join("none")), Err(CheckpointError::Absent { .. })));
}

#[test]
fn engine_checkpoint_of_another_run_is_refused_by_name() {
    let scene = small::scene();
    let plan = small::plan(&scene, HISTORIES, 9);
    let folder = tempfile::tempdir().expect("temporary folder");
    assert!(kept(&scene, &plan, folder.path(), None, &mut Faulty::after(5, Fault::Lost)).is_err());
    let what =
        |plan: &RunPlan| match kept(&scene, plan, folder.path(), Some(newest(folder.path())), &mut CpuEngine::new(1)) {
            Err(RunError::Resume { what, .. }) => what,
            other => panic!("{other:?}"),
        };
    assert_eq!(what(&RunPlan { seed: 10, ..plan.clone() }), "seed");
    assert_eq!(what(&small::plan(&scene, HISTORIES + 1, 9)), "histories");
    assert_eq!(what(&small::shard(&plan, 0, 3)), "shard");
}

/// The device is lost after some jobs: the other engine goes on, one warning, nothing twice, nothing missing.
#[test]
fn engine_lost_device_is_followed_by_the_other_engine() {
    let scene = small::scene();
    let plan = small::plan(&scene, HISTORIES, 9);
    let whole = small::run(&scene, &plan);
    for jobs in [0, 1, 2, 13, 39] {
        for every in [None, Some(Duration::ZERO)] {
            let folder = tempfile::tempdir().expect("temporary folder");
            let mut keeper = every.map(|every| Keeper::new(folder.path(), every).expect("a folder"));
            let mut made = 0;
            let mut other = || -> Box<dyn Engine> {
                made += 1;
                Box::new(CpuEngine::new(2))
            };
            let around = Surroundings {
                progress: &mut Silent,
                fallback: Some(&mut other),
                keeper: keeper.as_mut(),
                resume: None,
            };
            let mut engine = Faulty::after(jobs, Fault::Lost);
            let decays = small::decays(&scene);
            let end = run_batches(&scene, &decays, &small::nuclide(), &plan, &mut engine, around).expect("ends");
            assert_eq!(end.store.tally_hash(), whole.tally_hash(), "after {jobs} jobs");
            assert_eq!(end.store.passes[0].ledger, whole.passes[0].ledger);
            assert_eq!(end.warnings.len(), 1, "{:?}", end.warnings);
            assert!(end.warnings[0].to_string().contains("faulty failed (device lost)"), "{:?}", end.warnings);
            assert_eq!(end.device.engine, "cpu");
            assert_eq!(made, 1);
        }
    }
    // without another engine the failure is the end
    let strict = small::run_on(&scene, &plan, &mut Faulty::after(13, Fault::Lost));
    assert!(matches!(strict, Err(RunError::Engine(EngineError::Device { .. }))));
}

/// Hears notes, and what a run had done by then.
#[derive(Default)]
struct Notes {
    done: f64,
    heard: Vec<(f64, String)>,
}

impl Progress for Notes {
    fn update(&mut self, fraction_done: f64, _: Option<f64>, _: &str) -> ControlFlow<()> {
        self.done = fraction_done;
        ControlFlow::Continue(())
    }
    fn note(&mut self, note: &lutra::note::Note) {
        self.heard.push((self.done, note.to_string()));
    }
}

/// The CPU engine; before some of its jobs something happens.
struct Meddled<'a> {
    inner: CpuEngine,
    jobs: usize,
    meddle: &'a (dyn Fn(usize) + Sync),
}

impl Engine for Meddled<'_> {
    fn device(&self) -> DeviceInfo {
        self.inner.device()
    }
    fn load(&mut self, scene: Arc<SceneData>) -> Result<(), EngineError> {
        self.inner.load(scene)
    }
    fn spent(&self) -> EngineSpent {
        self.inner.spent()
    }
    fn run(&mut self, job: &Job) -> Result<BatchTally, EngineError> {
        self.jobs += 1;
        (self.meddle)(self.jobs);
        self.inner.run(job)
    }
}

/// Runs with checkpoints in `folder` while `meddle` happens before each job; what was heard, and the end.
fn meddled(folder: &Path, meddle: &(dyn Fn(usize) + Sync)) -> (Vec<(f64, String)>, Outcome) {
    let scene = small::scene();
    let plan = small::plan(&scene, HISTORIES, 9);
    let mut keeper = Keeper::new(folder, Duration::ZERO).expect("a folder");
    let mut notes = Notes::default();
    let around = Surroundings { progress: &mut notes, fallback: None, keeper: Some(&mut keeper), resume: None };
    let mut engine = Meddled { inner: CpuEngine::new(2), jobs: 0, meddle };
    let end = run_batches(&scene, &small::decays(&scene), &small::nuclide(), &plan, &mut engine, around);
    (notes.heard, end.expect("a run does without checkpoints"))
}

/// What makes a folder of checkpoints unwritable, and the way back.
fn meddle(how: &str, folder: &Path, aside: &Path, broken: bool) {
    let renamed = |from: &Path, to: &Path| std::fs::rename(from, to).expect("renamed");
    match (how, broken) {
        ("removed", true) => renamed(folder, aside),
        ("a file in its place", true) => {
            renamed(folder, aside);
            std::fs::write(folder, "not a folder").expect("written");
        }
        ("a file in its place", false) => {
            std::fs::remove_file(folder).expect("removed");
            renamed(aside, folder);
        }
        ("removed", false) => renamed(aside, folder),
        // one of the two places is taken: renaming fails after everything was written
        (_, true) => {
            let place = folder.join("checkpoint-a.lutra");
            let _ = std::fs::remove_file(&place);
            std::fs::create_dir_all(place.join("taken")).expect("a folder");
        }
        (_, false) => std::fs::remove_dir_all(folder.join("checkpoint-a.lutra")).expect("removed"),
    }
}

/// Where a checkpoint cannot be written: said at once and once, the last one stays, and later ones are written again.
#[test]
fn engine_unwritable_checkpoint_is_told_and_tried_again() {
    let scene = small::scene();
    let whole = small::run(&scene, &small::plan(&scene, HISTORIES, 9));
    for how in ["removed", "a file in its place", "a place taken"] {
        let parent = tempfile::tempdir().expect("temporary folder");
        let (folder, aside) = (parent.path().join("kept"), parent.path().join("aside"));
        let serials = Mutex::new(Vec::new());
        let (heard, end) = meddled(&folder, &|job| match job {
            10 => meddle(how, &folder, &aside, true),
            20 => {
                let here = if aside.exists() { &aside } else { &folder };
                let left: Vec<PathBuf> =
                    files(here).into_iter().filter(|p| p.extension().is_some_and(|e| e == "partial")).collect();
                assert!(left.is_empty(), "{how}: nothing half-written stays: {left:?}");
                meddle(how, &folder, &aside, false);
                serials.lock().expect("no panic").push(newest(&folder).1);
            }
            _ => {}
        });
        assert_eq!(end.store.tally_hash(), whole.tally_hash(), "{how}");
        let [(first, failed), (later, again)] = &heard[..] else { panic!("{how}: {heard:?}") };
        assert!(failed.contains("cannot write the checkpoint") && failed.contains("the last one stays"), "{failed}");
        assert!(again.contains("written again"), "{again}");
        assert!(0.0 < *first && first < later && *later < 0.9, "{how}: said at once: {heard:?}");
        let warnings: Vec<String> = end.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(warnings, [failed.clone(), again.clone()]);
        let at_fault = serials.lock().expect("no panic")[0];
        assert!(at_fault >= 8, "{how}: the checkpoint {at_fault} from before the fault stays");
        let (store, serial) = newest(&folder);
        assert!(serial > at_fault, "{how}: {serial} after {at_fault}");
        let resumed =
            kept(&scene, &small::plan(&scene, HISTORIES, 9), &folder, Some((store, serial)), &mut CpuEngine::new(2));
        assert_eq!(resumed.expect("ends").store.tally_hash(), whole.tally_hash(), "{how}");
    }
}

/// Where a run fails while checkpoints cannot be written, the last good one is gone on from.
#[test]
fn engine_last_good_checkpoint_outlives_the_fault() {
    let scene = small::scene();
    let plan = small::plan(&scene, HISTORIES, 9);
    let folder = tempfile::tempdir().expect("temporary folder");
    let aside = folder.path().join("aside");
    let end = meddled(folder.path(), &|job| {
        if job == 15 {
            meddle("a place taken", folder.path(), &aside, true);
        }
    });
    let (store, serial) = newest(folder.path());
    assert!(serial % 2 == 1 && !store.batches().is_empty());
    std::fs::remove_dir_all(folder.path().join("checkpoint-a.lutra")).expect("removed");
    let resumed = kept(&scene, &plan, folder.path(), Some((store, serial)), &mut CpuEngine::new(2)).expect("ends");
    assert_eq!(resumed.store.tally_hash(), end.1.store.tally_hash());
}

/// The notes above are those of the fault: a folder that nobody meddles with is not spoken of.
#[test]
fn alarm_notes_come_from_the_fault_alone() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let (heard, end) = meddled(folder.path(), &|_| {});
    assert_eq!((heard.len(), end.warnings.len()), (0, 0), "{heard:?}");
}

/// An engine that loses a history or an energy ends the run at once, whatever could take over.
#[test]
fn alarm_a_lost_history_or_energy_ends_the_run() {
    let scene = small::scene();
    let plan = small::plan(&scene, HISTORIES, 9);
    for (fault, words) in
        [(Fault::LostHistory, "histories finished differ"), (Fault::LostEnergy, "energy emitted differs")]
    {
        match small::run_on(&scene, &plan, &mut Faulty::after(3, fault)) {
            Err(RunError::Flags { batch: 1, flags, .. }) => assert!(flags.contains(words), "{flags}"),
            other => panic!("{other:?}"),
        }
    }
}

/// The comparison of hashes above would see one unit that is counted twice.
#[test]
fn alarm_one_unit_counted_twice_is_seen() {
    let scene = small::scene();
    let plan = small::plan(&scene, HISTORIES, 9);
    let off = small::run_on(&scene, &plan, &mut Faulty::after(13, Fault::OneUnit)).expect("silent").store;
    assert_ne!(off.tally_hash(), small::run(&scene, &plan).tally_hash());
}

/// A run to an uncertainty ends at it, not before the least number of batches, and its batches suit the phantom.
#[test]
fn engine_run_to_an_uncertainty_ends_there() {
    let scene = small::scene();
    let hot: Vec<bool> = small::decays(&scene).iter().map(|&d| d > 1e9).collect();
    for goal in [0.05, 0.02] {
        let target = Some(hot.clone());
        let plan = RunPlan { stop: Stop::TargetSigma(goal), target, ..small::plan(&scene, 0, 3) };
        let end = small::run_on(&scene, &plan, &mut CpuEngine::new(2)).expect("ends");
        let batches = end.store.passes[0].rows.len();
        let sigma = end.sigma_rel_95.expect("target voxels");
        assert!(sigma <= goal, "{sigma} for {goal}");
        assert!(sigma > 0.4 * goal, "{sigma} for {goal} after {batches} batches: too long a run");
        assert!((20..=400).contains(&batches), "{batches} batches");
        let histories: u64 = end.store.passes[0].rows.iter().map(|r| r.histories).sum();
        assert!(histories < 1_000_000, "{histories} histories for {goal}");
    }
}

/// The standard error that a run says it has reached is that of its map: the 95th percentile over the target, pooled or not.
fn of_the_map(pooled: bool) -> (f64, f64) {
    let scene = small::scene();
    let decays = small::decays(&scene);
    let target: Vec<bool> = decays.iter().map(|&d| d > 1e9).collect();
    let plan = RunPlan { target: Some(target.clone()), ..small::plan(&scene, HISTORIES, 3) };
    let said = small::run_on(&scene, &plan, &mut CpuEngine::new(2)).expect("ends");
    let sigma = said.sigma_rel_95.expect("target voxels");
    let run = said.into_simulation();
    let map = small::map(&scene, &decays, &run, pooled);
    let mut sigmas: Vec<f64> =
        map.sigma_rel.iter().zip(target).filter(|(_, t)| *t).map(|(s, _)| f64::from(*s)).collect();
    (sigma, stopping::quantile(&mut sigmas, 0.95).expect("target voxels"))
}

#[test]
fn engine_says_the_standard_error_of_its_map() {
    let (said, map) = of_the_map(true);
    assert!((said / map - 1.0).abs() < 1e-5, "{said} for {map}");
}

#[test]
fn alarm_a_standard_error_that_is_not_the_maps_is_seen() {
    let (said, map) = of_the_map(false);
    assert!((said / map - 1.0).abs() > 1e-2, "{said} for {map}");
}
