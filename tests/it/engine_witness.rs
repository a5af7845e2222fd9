//! A device that counts otherwise is found by its witness, and nothing that it counted is kept.

use crate::small::{self, Fault, Faulty};
use lutra::clinic::demo::phantom;
use lutra::clinic::failure::Failure;
use lutra::clinic::notes::Unheard;
use lutra::clinic::request::{EngineChoice, RunOptions, Stop};
use lutra::clinic::transport::compute;
use lutra::tally::BatchTally;
use lutra::transport::allocation::Expectation;
use lutra::transport::cpu::{Carrier, CpuEngine};
use lutra::transport::emission::{Emissions, Pass};
use lutra::transport::gpu::AdapterSummary;
use lutra::transport::machine::{Devices, Machine};
use lutra::transport::run::{RunError, job, prepare};
use lutra::transport::spent::EngineSpent;
use lutra::transport::witness::{PART, Witnessed};
use lutra::transport::{DeviceInfo, Engine, EngineError, Job, SceneData};
use std::sync::{Arc, Mutex};

/// First history, end and number of a job, and of the one that is expected next.
type Asked = ([u32; 3], Option<[u32; 3]>);

/// What an engine was asked, in order.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<Asked>>>);

/// The CPU engine that keeps what it is asked, and what it is told of the next job.
struct Listening {
    inner: CpuEngine,
    heard: Heard,
}

fn place(job: &Job) -> [u32; 3] {
    [job.params.first, job.params.histories, job.params.batch]
}

impl Engine for Listening {
    fn device(&self) -> DeviceInfo {
        self.inner.device()
    }
    fn load(&mut self, scene: Arc<SceneData>) -> Result<(), EngineError> {
        self.inner.load(scene)
    }
    fn run(&mut self, job: &Job) -> Result<BatchTally, EngineError> {
        self.run_before(job, None)
    }
    fn run_before(&mut self, job: &Job, next: Option<&Job>) -> Result<BatchTally, EngineError> {
        self.heard.0.lock().expect("whole").push((place(job), next.map(place)));
        self.inner.run(job)
    }
    fn spent(&self) -> EngineSpent {
        self.inner.spent()
    }
}

/// A run with a witness of parts of any length has the tally of one without.
#[test]
fn engine_a_witness_changes_no_integer() {
    let scene = small::scene();
    let plan = small::plan(&scene, 6000, 8);
    let known = small::run(&scene, &plan);
    for part in [1, 50, PART] {
        let heard = Heard::default();
        let engine = Listening { inner: CpuEngine::new(2), heard: heard.clone() };
        let mut engine = Witnessed::new(engine, CpuEngine::new(1), part);
        let store = small::run_on(&scene, &plan, &mut engine).expect("a sound engine").store;
        assert_eq!(store.tally_hash(), known.tally_hash(), "parts of {part}");
        let asked = heard.0.lock().expect("whole");
        let parts = asked.iter().filter(|([first, ..], _)| *first > 0).count();
        assert_eq!(parts > 0, part < PART, "{parts} jobs in two parts, of {}", asked.len());
    }
}

/// What an engine with a witness is told to expect is what it is asked for next: a whole job, or a part that is compared.
#[test]
fn engine_a_witness_tells_what_comes_next() {
    let scene = small::scene();
    let data = prepare(&scene, &small::nuclide(), &small::plan(&scene, 1, 4)).expect("a sound scene");
    let expectation = Expectation::new(&small::decays(&scene), 400.0);
    let passes = [Pass::Electron, Pass::Photon];
    let jobs: Vec<Job> = (0..20).map(|n| job(&data, passes[n % 2], &expectation, n as u32 / 2, 4)).collect();
    let heard = Heard::default();
    let engine = Listening { inner: CpuEngine::new(1), heard: heard.clone() };
    let mut engine = Witnessed::new(engine, CpuEngine::new(1), 50);
    engine.load(Arc::new(data)).expect("loaded");
    for (n, one) in jobs.iter().enumerate() {
        engine.run_before(one, jobs.get(n + 1)).expect("a sound engine");
    }
    let asked = heard.0.lock().expect("whole");
    // the first and fourth job of each pass in two parts
    assert_eq!(asked.len(), jobs.len() + 4);
    for pair in asked.windows(2) {
        assert_eq!(pair[0].1, Some(pair[1].0), "{asked:?}");
    }
}

/// One unit too much in one bin, a history or an energy lost: the first job that is compared finds it.
#[test]
fn alarm_a_witness_finds_a_device_that_counts_otherwise() {
    let scene = small::scene();
    let plan = small::plan(&scene, 6000, 8);
    let of = |sound, fault| {
        let mut engine = Witnessed::new(Faulty::after(sound, fault), CpuEngine::new(1), PART);
        small::run_on(&scene, &plan, &mut engine).map(|outcome| outcome.store.tally_hash())
    };
    for (fault, words) in [
        (Fault::OneUnit, "1 bins of the tally differ"),
        (Fault::LostHistory, "histories, the processor"),
        (Fault::LostEnergy, "its energy account"),
    ] {
        match of(0, fault) {
            Err(RunError::Engine(EngineError::Unfit { device, found })) => {
                assert!(device == "faulty" && found.contains(words) && found.contains("electron batch 0"), "{found}");
            }
            other => panic!("{fault:?}: {other:?}"),
        }
    }
    // the second job of a pass is not compared: this is what a witness does not see
    let unseen = of(2, Fault::OneUnit).expect("a fault of one job that is not compared");
    assert_ne!(unseen, small::run(&scene, &plan).tally_hash());
}

/// A page whose card passes the probe and counts otherwise.
#[derive(Debug)]
struct Page;

impl Machine for Page {
    fn adapters(&self) -> Vec<AdapterSummary> {
        let info = Faulty::after(0, Fault::OneUnit).device();
        vec![AdapterSummary {
            number: 0,
            info,
            kind: "integrated",
            max_binding_bytes: 1 << 27,
            max_buffer_bytes: 1 << 28,
            max_workgroup: 256,
            max_storage_buffers: 8,
        }]
    }
    fn gpu(&self, _number: Option<usize>) -> Result<Box<dyn Engine>, EngineError> {
        Ok(Box::new(Witnessed::new(Faulty::after(0, Fault::OneUnit), CpuEngine::new(1), PART)))
    }
    fn cpu(&self, _threads: usize, way: Option<Carrier>) -> Box<dyn Engine> {
        Box::new(CpuEngine::with(2, way.unwrap_or_else(Carrier::fastest)))
    }
}

/// Asked for by name such a card is refused; `auto` drops all that it counted, and says so.
#[test]
fn alarm_a_lent_card_that_counts_otherwise_leaves_nothing() {
    let run = |engine| {
        let devices = Devices::Lent(Arc::new(Page));
        let options = RunOptions { engine, devices, stop: Stop::Histories(2000), ..RunOptions::default() };
        let mut case = phantom(options.settings()).expect("the demo");
        compute(&mut case, &options, Emissions::All, &mut Unheard)
    };
    let refused = run(EngineChoice::Gpu(None));
    let Err(Failure::User(fault)) = refused else { panic!("a card that counts otherwise was used") };
    assert!(fault.to_string().contains("1 bins of the tally differ"), "{fault}");
    let known = run(EngineChoice::Cpu(None)).expect("the processor");
    let made = run(EngineChoice::Auto).expect("the processor takes over");
    assert_eq!((made.device.engine.as_str(), made.tally_sha256), ("cpu", known.tally_sha256));
    let said = made.warnings.iter().map(ToString::to_string).collect::<String>();
    assert!(said.contains("from its beginning") && said.contains("does not compute as the kernel needs it"), "{said}");
}
