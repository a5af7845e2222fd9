//! Blocking entry points of the native program: only here does a thread wait for a device.

use super::probe::Conformance;
use super::{AdapterSummary, GpuEngine, GpuOptions, find_adapters};
use crate::tally::{BatchTally, EmptyBins};
use crate::transport::halt::Halt;
use crate::transport::parity::Step;
use crate::transport::spent::EngineSpent;
use crate::transport::{DeviceInfo, Engine, EngineError, Job, SceneData};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex};

/// Waits for `work`; while it waits for the device, the device is polled and the thread sleeps until the submission that is
/// `awaited` is done, not what is queued behind it.
fn wait<T>(device: &wgpu::Device, awaited: &Mutex<Option<wgpu::SubmissionIndex>>, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    pollster::block_on(poll_fn(|context| {
        let state = work.as_mut().poll(context);
        if state.is_pending() {
            // `work` sees the same errors: it polls the device itself before it checks
            let submission_index = awaited.lock().expect("no thread panics while it holds the note").clone();
            let _ = device.poll(wgpu::PollType::Wait { submission_index, timeout: None });
        }
        state
    }))
}

/// As [`find_adapters`], blocking.
pub fn list_adapters() -> Vec<AdapterSummary> {
    pollster::block_on(find_adapters())
}

/// As [`GpuEngine::open`], blocking, as an engine of any kind.
///
/// Errors: those of [`GpuEngine::open`].
pub fn open_blocking(number: Option<usize>, options: GpuOptions) -> Result<Box<dyn Engine>, EngineError> {
    Ok(Box::new(GpuEngine::new(number, options)?))
}

impl GpuEngine {
    /// As [`GpuEngine::open`], blocking.
    pub fn new(number: Option<usize>, options: GpuOptions) -> Result<Self, EngineError> {
        let engine = pollster::block_on(Self::unproven(number, options))?;
        wait(&engine.device, &engine.awaited, engine.proven())?;
        Ok(engine)
    }

    /// What the probe with this text finds on an adapter, blocking.
    ///
    /// Errors: no such adapter; a device that fails.
    pub fn probed(number: Option<usize>, text: &str) -> Result<Conformance, EngineError> {
        let engine = pollster::block_on(Self::unproven(number, GpuOptions::default()))?;
        wait(&engine.device, &engine.awaited, engine.probe(text))
    }

    /// As [`GpuEngine::follow_async`], blocking.
    ///
    /// Panics when no scene is loaded.
    pub fn follow(&mut self, job: &Job, history: u32, most: usize) -> Result<Vec<Step>, EngineError> {
        *self.awaited.lock().expect("no thread panics while it holds the note") = None;
        wait(&self.device.clone(), &Arc::clone(&self.awaited), self.follow_async(job, history, most))
    }
}

impl Engine for GpuEngine {
    fn device(&self) -> DeviceInfo {
        self.info.clone()
    }

    fn load(&mut self, scene: Arc<SceneData>) -> Result<(), EngineError> {
        self.hold(scene)
    }

    fn heed(&mut self, halt: Halt) {
        self.halt = halt;
    }

    fn run(&mut self, job: &Job) -> Result<BatchTally, EngineError> {
        self.run_before(job, None)
    }

    fn run_before(&mut self, job: &Job, next: Option<&Job>) -> Result<BatchTally, EngineError> {
        wait(&self.device.clone(), &Arc::clone(&self.awaited), self.run_job(job, next))
    }

    fn reuse(&mut self, bins: EmptyBins) {
        self.spare = bins;
    }

    fn spent(&self) -> EngineSpent {
        self.spent
    }
}
