//! The engine in a worker that a run borrows: it takes a scene and jobs from there and leaves tallies.

use crate::parcel::{self, Account, Adapter, Failed};
use js_sys::{Array, BigInt64Array, Function};
use lutra::tally::BatchTally;
use lutra::transport::cpu::{Carrier as Way, CpuEngine};
use lutra::transport::gpu::{GpuEngine, GpuOptions, find_adapters};
use lutra::transport::spent::EngineSpent;
use lutra::transport::{AsyncEngine, DeviceInfo, Engine, EngineError};
use serde::Serialize;
use std::sync::Arc;
use wasm_bindgen::prelude::*;

/// What is answered, or why nothing can be.
fn told<T: Serialize>(made: Result<T, EngineError>) -> String {
    let told = made.map_err(Failed::from);
    serde_json::to_string(&told).expect("numbers and words have a text")
}

/// The way of this name.
///
/// Errors: a name of none.
fn way_named(word: &str) -> Result<Way, EngineError> {
    Way::named(word).map_err(|allowed| EngineError::Device {
        device: "worker".into(),
        message: format!("way of carrying histories: found {word:?}; allowed: {}", allowed.join(", ")),
    })
}

fn not_open() -> EngineError {
    EngineError::Device { device: "worker".into(), message: "it was asked before it was opened".into() }
}

/// A device of this worker.
#[wasm_bindgen]
#[derive(Default)]
pub struct Carrier {
    card: Option<GpuEngine>,
    hand: Option<CpuEngine>,
    bins: Vec<i64>,
}

#[wasm_bindgen]
impl Carrier {
    /// None is open yet.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// The adapters that this browser shows.
    pub async fn adapters(&self) -> String {
        let found = find_adapters().await.into_iter().map(|adapter| Adapter {
            info: adapter.info,
            kind: adapter.kind.to_owned(),
            most_bytes: [adapter.max_binding_bytes, adapter.max_buffer_bytes],
            most: [adapter.max_workgroup, adapter.max_storage_buffers],
        });
        told(Ok(found.collect::<Vec<_>>()))
    }

    /// Opens and probes an adapter, once: what it is, and what it spent so far.
    pub async fn open_card(&mut self, number: Option<u32>) -> String {
        let opened = async {
            let card = match self.card.take() {
                Some(card) => card,
                None => GpuEngine::open(number.map(|number| number as usize), GpuOptions::default()).await?,
            };
            let card = self.card.insert(card);
            Ok::<(DeviceInfo, EngineSpent), EngineError>((AsyncEngine::device(card), AsyncEngine::spent(card)))
        };
        told(opened.await)
    }

    /// Takes a scene; on the processor with the way in which histories are carried. A way that this engine has not is refused.
    pub async fn load(&mut self, parts: Array, way: Option<String>) -> String {
        let scene = || Arc::new(parcel::scene(&parts));
        let loaded = async {
            let Some(way) = way else {
                let card = self.card.as_mut().ok_or_else(not_open)?;
                card.load_async(scene()).await?;
                return Ok::<EngineSpent, EngineError>(AsyncEngine::spent(card));
            };
            let hand = self.hand.insert(CpuEngine::with(1, way_named(&way)?));
            hand.load(scene())?;
            Ok(Engine::spent(hand))
        };
        told(loaded.await)
    }

    /// Runs a job on the card; the one that is expected next follows it in `jobs`. A card that fails is opened anew the next time.
    pub async fn run(&mut self, jobs: Array) -> String {
        let [job, next] = [0, 1].map(|n| Some(jobs.get(n)).filter(JsValue::is_object));
        let [job, next] = [job, next].map(|parts| parts.map(|parts| parcel::job(&parts.unchecked_into())));
        let ran = async {
            let (mut card, job) = self.card.take().zip(job).ok_or_else(not_open)?;
            let tally = card.run_before_async(&job, next.as_ref()).await?;
            let spent = AsyncEngine::spent(&card);
            self.card = Some(card);
            Ok(self.kept(tally, spent))
        };
        told(ran.await)
    }

    /// Carries parts of a job on the processor, each from the history that `next` names; none is left where it names a later one.
    pub fn carry(&mut self, job: Array, part: u32, next: Function) -> String {
        let job = parcel::job(&job);
        let mut carried = || {
            let hand = self.hand.as_mut().ok_or_else(not_open)?;
            let mut whole = BatchTally::default();
            loop {
                let first = next.call0(&JsValue::NULL).ok().and_then(|first| first.as_f64()).unwrap_or(f64::MAX);
                if first >= f64::from(job.params.histories) {
                    break;
                }
                let first = first as u32;
                let made = hand.run(&job.part(first, first.saturating_add(part).min(job.params.histories)))?;
                if whole.add(made).is_err() {
                    whole.flags |= lutra::kernel::single::context::FLAG_TALLY_OVERFLOW;
                }
            }
            let spent = Engine::spent(hand);
            Ok(self.kept(whole, spent))
        };
        told(carried())
    }

    /// Hands the bins of the last job out.
    pub fn hand_out(&mut self, into: &BigInt64Array) {
        let bins = std::mem::take(&mut self.bins);
        if bins.is_empty() {
            into.fill(0, 0, into.length());
        } else {
            into.copy_from(&bins);
        }
    }
}

impl Carrier {
    /// Keeps the bins until they are asked for.
    fn kept(&mut self, tally: BatchTally, spent: EngineSpent) -> Account {
        let BatchTally { energy, ledger, histories, flags } = tally;
        self.bins = energy;
        Account { ledger, histories, flags, spent }
    }
}
