//! CpuEngine: the kernel on threads. The yardstick of every other engine.

use crate::kernel::single::context::{Context, FLAG_TALLY_OVERFLOW};
use crate::kernel::single::electron::{Stack, electron_birth, electron_step};
use crate::kernel::single::photon::{photon_birth, photon_step};
use crate::kernel::single::rng::rng_for;
use crate::kernel::{NO_HOME, Sink};
use crate::tally::{BatchTally, Ledger};
use crate::transport::emission::Pass;
use crate::transport::{DeviceInfo, Engine, EngineError, Job, SceneData};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

/// Histories a thread takes at a time.
const BLOCK: u32 = 1024;

/// The CPU engine.
#[derive(Debug)]
pub struct CpuEngine {
    threads: usize,
    scene: Option<Arc<SceneData>>,
    tally: Vec<AtomicI64>,
}

impl CpuEngine {
    /// An engine on `threads` threads; 0 takes as many as the machine offers.
    pub fn new(threads: usize) -> Self {
        let threads = match threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            n => n,
        };
        Self { threads, scene: None, tally: Vec::new() }
    }
}

struct SharedSink<'a> {
    tally: &'a [AtomicI64],
    ledger: Ledger,
    flags: u32,
}

fn worth(units: u32, weight: u32) -> u64 {
    u64::from(units) * u64::from(weight)
}

impl SharedSink<'_> {
    fn tally(&mut self, index: u32, value: i64) {
        let before = self.tally[index as usize].fetch_add(value, Ordering::Relaxed);
        if before.checked_add(value).is_none() {
            self.flags |= FLAG_TALLY_OVERFLOW;
        }
    }
}

impl Sink for SharedSink<'_> {
    fn emitted(&mut self, units: u32, weight: u32) {
        self.ledger.emitted += u128::from(worth(units, weight));
    }
    fn deposit(&mut self, index: u32, home: u32, units: u32, weight: u32) {
        if units != 0 {
            let value = worth(units, weight);
            self.ledger.deposited += u128::from(value);
            if index != home {
                self.tally(index, value.cast_signed());
                if home != NO_HOME {
                    self.tally(home, -value.cast_signed());
                }
            }
        }
    }
    fn estimate(&mut self, index: u32, units: u32, weight: u32) {
        if units != 0 {
            let value = worth(units, weight);
            self.tally(index, value.cast_signed());
            self.ledger.estimated += u128::from(value);
        }
    }
    fn absorbed(&mut self, units: u32, weight: u32) {
        self.ledger.deposited += u128::from(worth(units, weight));
    }
    fn escaped(&mut self, home: u32, units: u32, weight: u32) {
        let value = worth(units, weight);
        self.ledger.escaped += u128::from(value);
        if home != NO_HOME && units != 0 {
            self.tally(home, -value.cast_signed());
        }
    }
    fn radiated(&mut self, units: u32, weight: u32) {
        self.ledger.radiated += u128::from(worth(units, weight));
    }
    fn flag(&mut self, bits: u32) {
        self.flags |= bits;
    }
}

/// Follows history `h` of the electron pass to its end.
///
/// `stack` is empty before and after.
pub fn electron_history<S: Sink>(cx: &Context, h: u32, stack: &mut Stack, out: &mut S) {
    let mut particle = electron_birth(cx, h, out);
    let mut rng = rng_for(h, cx.params.batch, cx.params.seed_low, cx.params.seed_high);
    while particle.alive == 1 {
        electron_step(cx, &mut rng, &mut particle, stack, out);
    }
}

/// Follows history `h` of the photon pass to its end.
pub fn photon_history<S: Sink>(cx: &Context, h: u32, out: &mut S) {
    let mut particle = photon_birth(cx, h, out);
    let mut rng = rng_for(h, cx.params.batch, cx.params.seed_low, cx.params.seed_high);
    while particle.alive == 1 {
        photon_step(cx, &mut rng, &mut particle, out);
    }
}

impl Engine for CpuEngine {
    fn device(&self) -> DeviceInfo {
        DeviceInfo {
            engine: "cpu".into(),
            name: format!("{} threads", self.threads),
            backend: "cpu".into(),
            driver: format!("lutra {} ({})", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH),
        }
    }

    fn load(&mut self, scene: Arc<SceneData>) -> Result<(), EngineError> {
        self.tally = (0..scene.bins).map(|_| AtomicI64::new(0)).collect();
        self.scene = Some(scene);
        Ok(())
    }

    fn run(&mut self, job: &Job) -> Result<BatchTally, EngineError> {
        let scene = self.scene.as_ref().expect("a scene is loaded before a job is run");
        for entry in &self.tally {
            entry.store(0, Ordering::Relaxed);
        }
        let cx = job.context(scene);
        let next = AtomicU32::new(cx.params.first);
        let tally = &self.tally[..];
        let work = || {
            let mut sink = SharedSink { tally, ledger: Ledger::default(), flags: 0 };
            let mut stack = Stack::default();
            let mut finished = 0u64;
            loop {
                let first = next.fetch_add(BLOCK, Ordering::Relaxed);
                if first >= cx.params.histories {
                    return (sink.ledger, sink.flags, finished);
                }
                let last = first.saturating_add(BLOCK).min(cx.params.histories);
                for h in first..last {
                    match job.pass {
                        Pass::Electron => electron_history(&cx, h, &mut stack, &mut sink),
                        Pass::Photon => photon_history(&cx, h, &mut sink),
                    }
                }
                finished += u64::from(last - first);
            }
        };
        let parts: Vec<(Ledger, u32, u64)> = std::thread::scope(|scope| {
            let handles: Vec<_> = (0..self.threads).map(|_| scope.spawn(work)).collect();
            handles.into_iter().map(|h| h.join().expect("a transport thread does not panic")).collect()
        });
        let mut batch = BatchTally {
            energy: self.tally.iter().map(|e| e.load(Ordering::Relaxed)).collect(),
            ..BatchTally::default()
        };
        for (ledger, flags, finished) in parts {
            batch.ledger.add(&ledger);
            batch.flags |= flags;
            batch.histories += finished;
        }
        Ok(batch)
    }
}
