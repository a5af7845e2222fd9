//! Two engines over one job: where they part is found to the history and the voxel.

use crate::small;
use lutra::tally::BatchTally;
use lutra::transport::allocation::Expectation;
use lutra::transport::cpu::CpuEngine;
use lutra::transport::emission::Pass;
use lutra::transport::parity::{first_difference, follow};
use lutra::transport::run::{job, prepare};
use lutra::transport::{DeviceInfo, Engine, EngineError, Job, SceneData};
use std::sync::Arc;

/// The CPU engine, with one unit too much in one bin whenever a job holds one history.
struct Wrong {
    inner: CpuEngine,
    history: u32,
    bin: usize,
}

impl Engine for Wrong {
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
        if (job.params.first..job.params.histories).contains(&self.history) {
            tally.energy[self.bin] += 1;
        }
        Ok(tally)
    }
}

fn jobs() -> (Arc<SceneData>, [Job; 2]) {
    let scene = small::scene();
    let data = prepare(&scene, &small::nuclide(), &small::plan(&scene, 1, 4)).expect("a sound scene");
    let expectation = Expectation::new(&small::decays(&scene), 4000.0);
    let jobs = [Pass::Electron, Pass::Photon].map(|pass| job(&data, pass, &expectation, 3, 4));
    (Arc::new(data), jobs)
}

#[test]
fn engine_parts_of_a_batch_add_up_to_it() {
    let (data, jobs) = jobs();
    let mut engine = CpuEngine::new(2);
    engine.load(Arc::clone(&data)).expect("loaded");
    for job in &jobs {
        let whole = engine.run(job).expect("run");
        let n = job.params.histories;
        let mut sum = BatchTally::default();
        for (first, end) in [(0, 1), (1, 1025), (1025, n - 7), (n - 7, n)] {
            sum.add(engine.run(&job.part(first, end)).expect("run")).expect("no overflow");
        }
        assert_eq!(sum, whole);
        assert_eq!(whole.histories, u64::from(n));
    }
}

#[test]
fn alarm_a_wrong_history_is_found() {
    let (data, jobs) = jobs();
    let mut sound = CpuEngine::new(2);
    sound.load(Arc::clone(&data)).expect("loaded");
    for job in &jobs {
        let known = sound.run(job).expect("run");
        let n = job.params.histories;
        let mut twin = CpuEngine::new(1);
        twin.load(Arc::clone(&data)).expect("loaded");
        let same = twin.run(job).expect("run");
        assert_eq!(first_difference(&mut sound, &mut twin, job, [&known, &same]).expect("run"), None);
        for history in [0, 1, n / 3, n - 1] {
            let mut wrong = Wrong { inner: CpuEngine::new(1), history, bin: 17 };
            wrong.load(Arc::clone(&data)).expect("loaded");
            let found = wrong.run(job).expect("run");
            let difference =
                first_difference(&mut sound, &mut wrong, job, [&known, &found]).expect("run").expect("differs");
            assert_eq!((difference.history, difference.bin), (Some(history), Some(17)));
            assert_eq!(difference.second, difference.first + 1);
            assert!(!difference.account);
        }
        // an engine that does not repeat itself
        let mut off = known.clone();
        off.energy[5] += 1;
        let difference = first_difference(&mut sound, &mut twin, job, [&known, &off]).expect("run").expect("differs");
        assert_eq!((difference.history, difference.bin), (None, Some(5)));
    }
}

/// The steps of a history add up to what the engine gives for that history alone.
#[test]
fn engine_followed_history_is_the_history() {
    let (data, jobs) = jobs();
    let mut engine = CpuEngine::new(1);
    engine.load(Arc::clone(&data)).expect("loaded");
    for job in &jobs {
        for history in [0, 5, 77, job.params.histories - 1] {
            let alone = engine.run(&job.part(history, history + 1)).expect("run");
            let steps = follow(&data, job, history, 100_000);
            let mut energy = vec![0i64; data.bins];
            let mut ledger = lutra::tally::Ledger::default();
            for (step, _) in &steps {
                step.bins.iter().for_each(|(bin, x)| energy[*bin] += x);
                ledger.add(&step.ledger);
            }
            assert_eq!((energy, ledger), (alone.energy, alone.ledger));
            assert!(!steps.last().expect("a step").0.alive());
        }
    }
}
