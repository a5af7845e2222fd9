//! Devices in other workers of the page: the graphics card, which none can wait for but who awaits it, and more threads of the
//! processor. A run here posts what they need and waits in its middle; each answers on its own.

use crate::parcel::{Account, Adapter, Failed, of_job, of_scene};
use js_sys::{Array, BigInt64Array, SharedArrayBuffer, Uint32Array};
use lutra::fault::{Explained, Words};
use lutra::kernel::single::context::FLAG_TALLY_OVERFLOW;
use lutra::tally::BatchTally;
use lutra::transport::cpu::{Carrier, CpuEngine};
use lutra::transport::gpu::{AdapterSummary, automatic};
use lutra::transport::machine::{Devices, Machine};
use lutra::transport::spent::EngineSpent;
use lutra::transport::witness::{PART as WITNESSED, Witnessed};
use lutra::transport::{DeviceInfo, Engine, EngineError, Job, SceneData};
use serde::de::DeserializeOwned;
use std::cell::RefCell;
use std::sync::Arc;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// The workers (`web/page/workers.js`): number 0 has the graphics card, the others carry histories on the processor.
    #[derive(Clone, Debug)]
    pub type Workers;

    /// How many carry histories.
    #[wasm_bindgen(method, getter)]
    fn hands(this: &Workers) -> u32;

    /// Asks worker `who`, and gives it room for an answer of this many bytes.
    #[wasm_bindgen(method)]
    fn post(this: &Workers, who: u32, ask: &str, parts: &Array, room_bytes: f64);

    /// Waits for its answer.
    #[wasm_bindgen(method)]
    fn answer(this: &Workers, who: u32) -> String;

    /// The bins beside its answer.
    #[wasm_bindgen(method)]
    fn bins(this: &Workers, who: u32, count: u32) -> BigInt64Array;
}

/// The worker with the graphics card.
const CARD: u32 = 0;
/// Parts of a job that a worker carries one after the other: the slowest is waited for.
const PARTS: u32 = 4;
/// Fewest histories of a part.
const LEAST: u32 = 256;

thread_local! {
    /// What the page lends; else why it lends nothing.
    static LENT: RefCell<Result<Workers, String>> = RefCell::new(Err("no GPU found".to_owned()));
    /// What runs took, in order.
    static TAKEN: RefCell<Vec<DeviceInfo>> = const { RefCell::new(Vec::new()) };
}

/// What runs took since this was asked before, in order.
pub fn taken() -> Vec<DeviceInfo> {
    TAKEN.take()
}

/// Notes what a run takes.
fn took(engine: Box<dyn Engine>) -> Box<dyn Engine> {
    TAKEN.with_borrow_mut(|taken| taken.push(engine.device()));
    engine
}

/// The page lends workers to all runs from now on.
#[wasm_bindgen]
pub fn lend(workers: Workers) {
    let _before = LENT.replace(Ok(workers));
}

/// The page can lend none, because of this.
#[wasm_bindgen]
pub fn alone(reason: String) {
    let _before = LENT.replace(Err(reason));
}

fn workers() -> Result<Workers, String> {
    LENT.with_borrow(Clone::clone)
}

/// The devices of the page.
pub fn devices() -> Devices {
    Devices::Lent(Arc::new(Page))
}

/// The answer of a worker that was asked.
fn answered<T: DeserializeOwned>(workers: &Workers, who: u32) -> Result<T, EngineError> {
    let text = workers.answer(who);
    let read = serde_json::from_str::<Result<T, Failed>>(&text);
    let failed = |message: String| EngineError::Device { device: format!("worker {who}"), message };
    read.map_err(|error| failed(format!("answers {text}: {error}")))?.map_err(Into::into)
}

/// Asks a worker and waits.
fn asked<T: DeserializeOwned>(who: u32, ask: &str, parts: &Array) -> Result<T, EngineError> {
    let hint = "use cpu".into();
    let workers = workers().map_err(|reason| EngineError::NoDevice { found: reason.into(), hint })?;
    workers.post(who, ask, parts, 0.0);
    answered(&workers, who)
}

/// The page as a machine.
#[derive(Debug)]
struct Page;

impl Machine for Page {
    fn adapters(&self) -> Vec<AdapterSummary> {
        let found: Vec<Adapter> = asked(CARD, "adapters", &Array::new()).unwrap_or_default();
        found.into_iter().enumerate().map(|(number, adapter)| summary(number, adapter)).collect()
    }

    fn lacking(&self) -> Words {
        match workers() {
            Ok(_) => {
                asked::<String>(CARD, "lacking", &Array::new()).map_or_else(|error| error.fault().message(), Into::into)
            }
            Err(reason) => reason.into(),
        }
    }

    fn gpu(&self, number: Option<usize>) -> Result<Box<dyn Engine>, EngineError> {
        let parts = number.map(|number| JsValue::from_f64(number as f64)).into_iter().collect();
        let (info, spent) = asked(CARD, "open_card", &parts)?;
        // no one has seen this card count: the processor carries a part of its jobs too
        let witness = CpuEngine::with(1, Carrier::fastest());
        Ok(took(Box::new(Witnessed::new(Card { info, bins: 0, spent }, witness, WITNESSED))))
    }

    fn cpu(&self, threads: usize, way: Option<Carrier>) -> Box<dyn Engine> {
        let way = way.unwrap_or_else(Carrier::fastest);
        let hands = workers().map_or(0, |workers| workers.hands());
        let hands = if threads == 0 { hands } else { hands.min(u32::try_from(threads).unwrap_or(u32::MAX)) };
        took(match hands {
            0 | 1 => Box::new(CpuEngine::with(1, way)),
            _ => Box::new(Hands { hands, way, bins: 0, spent: EngineSpent::default() }),
        })
    }
}

/// A worker's adapter in a list.
fn summary(number: usize, adapter: Adapter) -> AdapterSummary {
    let kinds = ["discrete", "integrated", "virtual", "software"];
    let [max_binding_bytes, max_buffer_bytes] = adapter.most_bytes;
    let [max_workgroup, max_storage_buffers] = adapter.most;
    AdapterSummary {
        number,
        info: adapter.info,
        kind: kinds.into_iter().find(|kind| *kind == adapter.kind).unwrap_or("other"),
        max_binding_bytes,
        max_buffer_bytes,
        max_workgroup,
        max_storage_buffers,
    }
}

/// Whether a run would take the graphics card by itself; a card is named all the same.
pub fn card() -> (Option<String>, bool) {
    let adapters = Page.adapters();
    (adapters.first().map(|adapter| adapter.info.name.clone()), automatic(&adapters).is_some())
}

/// The tally that a worker left.
fn tally(workers: &Workers, who: u32, bins: usize) -> Result<(BatchTally, EngineSpent), EngineError> {
    let Account { ledger, histories, flags, spent } = answered(workers, who)?;
    let energy = workers.bins(who, bins as u32).to_vec();
    Ok((BatchTally { energy, ledger, histories, flags }, spent))
}

/// Bytes of so many bins.
fn room(bins: usize) -> f64 {
    8.0 * bins as f64
}

fn lost(reason: String) -> EngineError {
    EngineError::Device { device: "page".into(), message: reason }
}

/// The graphics card.
#[derive(Debug)]
struct Card {
    info: DeviceInfo,
    bins: usize,
    spent: EngineSpent,
}

impl Engine for Card {
    fn device(&self) -> DeviceInfo {
        self.info.clone()
    }

    fn load(&mut self, scene: Arc<SceneData>) -> Result<(), EngineError> {
        self.bins = scene.bins;
        self.spent = asked(CARD, "load", &of_scene(&scene))?;
        Ok(())
    }

    fn run(&mut self, job: &Job) -> Result<BatchTally, EngineError> {
        self.run_before(job, None)
    }

    fn run_before(&mut self, job: &Job, next: Option<&Job>) -> Result<BatchTally, EngineError> {
        let workers = workers().map_err(lost)?;
        let parts: Array = [Some(job), next].into_iter().flatten().map(of_job).collect();
        workers.post(CARD, "run", &parts, room(self.bins));
        let (tally, spent) = tally(&workers, CARD, self.bins)?;
        self.spent = spent;
        Ok(tally)
    }

    fn spent(&self) -> EngineSpent {
        self.spent
    }
}

/// Workers that carry histories: each takes parts of a job until none is left; integers add up in any order.
#[derive(Debug)]
struct Hands {
    hands: u32,
    way: Carrier,
    bins: usize,
    spent: EngineSpent,
}

impl Hands {
    fn all(&self) -> std::ops::RangeInclusive<u32> {
        CARD + 1..=CARD + self.hands
    }

    /// The next history of a job, which all see, and how many a part has.
    fn parts(&self, job: &Job) -> [JsValue; 2] {
        let next = Uint32Array::new(&SharedArrayBuffer::new(4));
        next.set_index(0, job.params.first);
        let part = (job.histories() / (PARTS * self.hands)).max(LEAST);
        [next.into(), part.into()]
    }
}

impl Engine for Hands {
    fn device(&self) -> DeviceInfo {
        CpuEngine::with(self.hands as usize, self.way).device()
    }

    fn load(&mut self, scene: Arc<SceneData>) -> Result<(), EngineError> {
        let workers = workers().map_err(lost)?;
        self.bins = scene.bins;
        let parts = of_scene(&scene);
        parts.push(&self.way.word().into());
        self.all().for_each(|who| workers.post(who, "load", &parts, room(self.bins)));
        // every one is heard, also behind one that failed
        let spent: Vec<Result<EngineSpent, EngineError>> = self.all().map(|who| answered(&workers, who)).collect();
        let spent = spent.into_iter().collect::<Result<Vec<_>, _>>()?;
        self.spent = slowest(&spent);
        Ok(())
    }

    fn run(&mut self, job: &Job) -> Result<BatchTally, EngineError> {
        let workers = workers().map_err(lost)?;
        let mut parts = Array::of1(&of_job(job));
        parts.extend(self.parts(job));
        self.all().for_each(|who| workers.post(who, "carry", &parts, room(self.bins)));
        let made: Vec<_> = self.all().map(|who| tally(&workers, who, self.bins)).collect();
        let (mut whole, mut spent) = (BatchTally::default(), Vec::new());
        for part in made {
            let (part, own) = part?;
            if whole.add(part).is_err() {
                whole.flags |= FLAG_TALLY_OVERFLOW;
            }
            spent.push(own);
        }
        self.spent = slowest(&spent);
        Ok(whole)
    }

    fn spent(&self) -> EngineSpent {
        self.spent
    }
}

/// What several that work side by side spent: the time of the slowest, the memory of all.
fn slowest(spent: &[EngineSpent]) -> EngineSpent {
    let mut all = EngineSpent::default();
    for one in spent {
        for pass in 0..2 {
            all.kernel_seconds[pass] = all.kernel_seconds[pass].max(one.kernel_seconds[pass]);
            all.read_back_seconds[pass] = all.read_back_seconds[pass].max(one.read_back_seconds[pass]);
        }
        all.device_bytes += one.device_bytes;
    }
    all
}
