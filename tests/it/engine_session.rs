//! A run that is stepped, ended or awaited from outside gives the integers of one that blocks.

use crate::small::{self, Fault, Faulty};
use lutra::tally::{BatchTally, EmptyBins};
use lutra::transport::checkpoint::{Keeper, resume};
use lutra::transport::cpu::CpuEngine;
use lutra::transport::emission::{Emissions, Pass};
use lutra::transport::run::{Inputs, Progress, RunError, RunPlan, Session, Silent, Stop, Surroundings, run_batches};
use lutra::transport::spent::EngineSpent;
use lutra::transport::{AsyncEngine, DeviceInfo, Engine, EngineError, Job, SceneData};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

const HISTORIES: u64 = 30_000;

/// A run after a number of histories, and one that looks for an uncertainty.
fn plans() -> [RunPlan; 2] {
    let scene = small::scene();
    let sigma = RunPlan { stop: Stop::TargetSigma(0.08), ..small::plan(&scene, 0, 9) };
    [small::plan(&scene, HISTORIES, 9), sigma]
}

/// The run of a plan, owned.
fn session(plan: &RunPlan) -> Session<'static> {
    let scene = small::scene();
    let decays = small::decays(&scene);
    Session::new(Inputs::owned(scene, decays, plan.clone()), &small::nuclide(), None).expect("sound inputs")
}

fn hash(plan: &RunPlan) -> String {
    small::run(&small::scene(), plan).tally_hash()
}

/// Numbers that look random, the same every time.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

/// Steps a run batch by batch.
fn stepped(plan: &RunPlan, engine: &mut dyn Engine) -> String {
    let mut session = session(plan);
    session.load(engine).expect("fits");
    let (mut batches, mut fraction) = (0, 0.0);
    while session.next_batch(engine).expect("runs") {
        batches += 1;
        assert_eq!(session.batches_done(), batches);
        let standing = session.standing();
        // the uncertainty, once known, may say that less is done than the batches did
        assert!(standing.fraction_done > fraction || standing.sigma_rel.is_some(), "{standing:?}");
        fraction = standing.fraction_done;
    }
    assert!(!session.next_batch(engine).expect("stays over"));
    let outcome = session.finish(engine.device()).expect("over");
    assert_eq!(outcome.store.passes[0].rows.len(), batches);
    outcome.store.tally_hash()
}

#[test]
fn engine_stepped_run_gives_the_one_hash() {
    for plan in plans() {
        assert_eq!(stepped(&plan, &mut CpuEngine::new(2)), hash(&plan), "{:?}", plan.stop);
    }
}

/// The comparison sees one unit too much in one job.
#[test]
fn alarm_one_unit_too_much_in_a_step_is_seen() {
    let [plan, _] = plans();
    assert_ne!(stepped(&plan, &mut Faulty::after(13, Fault::OneUnit)), hash(&plan));
}

/// Who drives the run by hand may lose answers, give them twice or late, change engines, and run parts of any size.
#[test]
fn engine_lost_and_repeated_answers_count_for_nothing() {
    for plan in plans() {
        let mut session = session(&plan);
        session.cut_into(Duration::from_millis(10));
        let mut engines: [Box<dyn Engine>; 2] = [Box::new(CpuEngine::new(1)), Box::new(CpuEngine::new(2))];
        for engine in &mut engines {
            engine.load(session.scene()).expect("fits");
        }
        let (mut state, mut lost, mut late) = (plan.seed, 0, None);
        while let Some(mut task) = session.task().expect("goes on") {
            let engine = &mut engines[random(&mut state) as usize % 2];
            let tally = task.run(|job| engine.run(job)).expect("runs");
            if random(&mut state).is_multiple_of(5) {
                lost += 1;
                continue;
            }
            let again = session.task().expect("goes on").expect("is not over");
            assert_eq!((again.batch(), again.job().pass), (task.batch(), task.job().pass));
            let answers = [(task, tally.clone()), (again, tally)];
            for (task, tally) in answers.into_iter().chain(late.take()) {
                session.take(task, tally, engine.spent()).expect("sound");
            }
            if random(&mut state).is_multiple_of(3) {
                // another answer to what comes next, which comes after the next one
                late = session.task().expect("goes on").map(|mut task| {
                    let tally = task.run(|job| engine.run(job)).expect("runs");
                    (task, tally)
                });
            }
        }
        assert!(lost > 3, "{lost} answers lost");
        let outcome = session.finish(engines[0].device()).expect("over");
        assert_eq!(outcome.store.tally_hash(), hash(&plan), "{:?}", plan.stop);
    }
}

/// Ends a run after so many updates.
struct EndsAfter(u64);

impl Progress for EndsAfter {
    fn update(&mut self, _: f64, _: Option<f64>, _: &str) -> ControlFlow<()> {
        match self.0.checked_sub(1) {
            Some(left) => {
                self.0 = left;
                ControlFlow::Continue(())
            }
            None => ControlFlow::Break(()),
        }
    }
}

#[test]
fn engine_cancelled_and_resumed_run_gives_the_one_hash() {
    let scene = small::scene();
    let decays = small::decays(&scene);
    for plan in plans() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let mut random_state = 3;
        let (mut from, mut serial, mut cancelled) = (None, 0, 0);
        let end = loop {
            // checkpoints that are never due: the one that is left is that of the end
            let mut keeper = Keeper::new(folder.path(), Duration::from_secs(3600)).expect("a folder").after(serial);
            let mut progress = EndsAfter(random(&mut random_state) % 25);
            let around = Surroundings {
                progress: &mut progress,
                fallback: None,
                keeper: Some(&mut keeper),
                resume: from.take(),
            };
            let mut engine = CpuEngine::new(2);
            match run_batches(&scene, &decays, &small::nuclide(), &plan, &mut engine, around) {
                Ok(outcome) => break outcome.store,
                Err(error @ RunError::Cancelled { .. }) => {
                    cancelled += 1;
                    let found = resume(folder.path()).expect("readable");
                    let RunError::Cancelled { batches, checkpoint } = &error else { unreachable!() };
                    assert_eq!(checkpoint.is_some(), found.store.is_some());
                    let kept = found.store.as_ref().map_or(0, |store| store.batches().len());
                    assert!(*batches <= kept || kept == 0, "{batches} batches done, {kept} kept");
                    assert!(error.to_string().contains(if found.store.is_some() {
                        "to go on from"
                    } else {
                        "no check"
                    }));
                    (from, serial) = (found.store, found.serial);
                }
                Err(other) => panic!("{other}"),
            }
            assert!(cancelled < 500, "never comes to an end");
        };
        assert!(cancelled > 2, "cancelled {cancelled} times");
        assert_eq!(end.tally_hash(), hash(&plan), "{:?} after {cancelled} ends", plan.stop);
    }
}

/// A part that was done and is missing in what is kept would be seen.
#[test]
fn alarm_a_state_that_lacks_a_part_is_seen() {
    let [plan, _] = plans();
    let mut engine = CpuEngine::new(2);
    let mut first = session(&plan);
    first.load(&mut engine).expect("fits");
    for _ in 0..3 {
        first.next_batch(&mut engine).expect("runs");
    }
    let mut state = first.state().expect("batches are under way").clone();
    let ends = |state| {
        let scene = small::scene();
        let decays = small::decays(&scene);
        let mut again = Session::new(Inputs::owned(scene, decays, plan.clone()), &small::nuclide(), Some(state))?;
        let mut engine = CpuEngine::new(2);
        again.load(&mut engine)?;
        while again.step(&mut engine)? {}
        Ok::<_, RunError>(again.finish(engine.device())?.store.tally_hash())
    };
    assert_eq!(ends(state.clone()).expect("ends"), hash(&plan));
    let lost = state.passes[0].moments.sum.iter_mut().find(|x| **x > 0).expect("some energy");
    *lost -= 1;
    assert_ne!(ends(state).expect("ends"), hash(&plan));
}

/// Before it is over a run gives no results, and one without any emission is over at once.
#[test]
fn engine_unfinished_run_gives_no_results() {
    let [plan, sigma] = plans();
    let mut engine = CpuEngine::new(1);
    let mut begun = session(&plan);
    begun.load(&mut engine).expect("fits");
    assert!(begun.next_batch(&mut engine).expect("runs"));
    assert!(matches!(begun.finish(engine.device()), Err(RunError::Cancelled { batches: 1, checkpoint: None })));

    let none = RunPlan { emissions: Emissions::Photons, only: Some(Pass::Electron), ..sigma };
    let mut none = session(&none);
    none.load(&mut engine).expect("fits");
    assert!(!none.next_batch(&mut engine).expect("runs"));
    assert_eq!(none.finish(engine.device()).expect("over").store.batches(), [0; 0]);
}

/// Engine and run go to a thread of their own, as a window or a server keeps them.
#[test]
fn engine_runs_on_another_thread() {
    let [plan, _] = plans();
    let run = session(&plan);
    let engine: Box<dyn Engine> = Box::new(CpuEngine::new(1));
    let elsewhere = std::thread::spawn(move || {
        let (mut run, mut engine) = (run, engine);
        run.load(engine.as_mut()).expect("fits");
        while run.next_batch(engine.as_mut()).expect("runs") {}
        run.finish(engine.device()).expect("over").store.tally_hash()
    });
    assert_eq!(elsewhere.join().expect("no panic"), hash(&plan));
}

/// An engine that is awaited: its answer comes when it is asked a second time.
struct Awaited(CpuEngine, u32);

impl AsyncEngine for Awaited {
    fn device(&self) -> DeviceInfo {
        self.0.device()
    }
    async fn load_async(&mut self, scene: Arc<SceneData>) -> Result<(), EngineError> {
        self.0.load(scene)
    }
    async fn run_async(&mut self, job: &Job) -> Result<BatchTally, EngineError> {
        let mut asked = false;
        let pauses = &mut self.1;
        std::future::poll_fn(|context| {
            if asked {
                return Poll::Ready(());
            }
            asked = true;
            *pauses += 1;
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        self.0.run(job)
    }
    fn reuse(&mut self, bins: EmptyBins) {
        self.0.reuse(bins);
    }
    fn spent(&self) -> EngineSpent {
        self.0.spent()
    }
}

#[test]
fn engine_awaited_run_gives_the_one_hash() {
    for plan in plans() {
        let mut engine = Awaited(CpuEngine::new(2), 0);
        let mut run = session(&plan);
        let mut batches = 0;
        pollster::block_on(async {
            run.load_async(&mut engine).await.expect("fits");
            while run.next_batch_async(&mut engine).await.expect("runs") {
                batches += 1;
            }
        });
        let store = run.finish(engine.device()).expect("over").store;
        assert!(engine.1 >= 2 * batches, "{} pauses in {batches} batches of two passes", engine.1);
        assert_eq!(store.tally_hash(), hash(&plan), "{:?}", plan.stop);
    }
}

/// A run that is not wished for ends before its first job.
#[test]
fn engine_run_is_ended_before_its_first_job() {
    let [plan, _] = plans();
    let scene = small::scene();
    let around = Surroundings { progress: &mut EndsAfter(0), fallback: None, keeper: None, resume: None };
    let mut engine = Faulty::after(0, Fault::Lost);
    let ended = run_batches(&scene, &small::decays(&scene), &small::nuclide(), &plan, &mut engine, around);
    assert!(matches!(ended, Err(RunError::Cancelled { batches: 0, checkpoint: None })));
    let going = Surroundings { progress: &mut Silent, fallback: None, keeper: None, resume: None };
    let lost = run_batches(&scene, &small::decays(&scene), &small::nuclide(), &plan, &mut engine, going);
    assert!(matches!(lost, Err(RunError::Engine(EngineError::Device { .. }))));
}
