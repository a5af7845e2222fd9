//! Engines that transport particles through a scene.
//!
//! A run is cut into batches; a batch of one pass is a `Job`: a list of source voxels with their histories. Every
//! engine turns the same job into the same integers. Transport works in keV and grams, not Gy.

/// Histories per voxel and batch.
pub mod allocation;

/// Batches stored, added, resumed.
pub mod batch_store;

/// Which batch comes next.
mod batches;

/// The state of a run on disk.
pub mod checkpoint;

/// The kernel on threads.
pub mod cpu;

/// Sessions with engines.
mod drive;

/// Nuclide to sampling table.
pub mod emission;

/// Why a run fails.
pub mod error;

/// The kernel on any adapter that wgpu reaches.
pub mod gpu;

/// A word from outside that ends a job in its middle.
pub mod halt;

/// The current engine and its fallback.
pub mod hand;

/// The identity of a run.
pub mod identity;

/// Where histories should start.
pub mod importance;

/// What a run may be carried out on.
pub mod machine;

/// One job on two engines: where they differ.
pub mod parity;

/// The size of batches.
mod pilot;

/// What to run.
pub mod plan;

/// Input of the engines.
pub mod prepare;

/// Progress listeners.
pub mod progress;

/// Results of a run.
pub mod result;

/// Batches from first to last.
pub mod run;

/// Matter on a grid.
pub mod scene;

/// A run step by step.
pub mod session;

/// Where the time goes.
pub mod spent;

/// Uncertainty reached, and when to stop.
pub mod stopping;

/// A part of the jobs on two engines.
pub mod witness;

pub use scene::{Scene, SceneError};

use crate::fault::{Explained, Fault, FaultKind, Setting, Words, explained, words};
use crate::kernel::single::context::{Context, Params};
use crate::tally::{BatchTally, EmptyBins};
use emission::{EmissionTable, Pass};
use spent::EngineSpent;
use std::sync::Arc;

/// Where the energy is tallied.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scoring {
    /// By voxel.
    Voxels,
    /// In spherical shells around the centre of voxel 0, in which all histories start: point kernels.
    Shells {
        /// Number of shells; the last includes everything beyond.
        bins: u32,
        /// Thickness of a shell, mm.
        width_mm: f64,
    },
}

/// Everything that stays the same from batch to batch.
#[derive(Clone, Debug)]
pub struct SceneData {
    /// Parameters with the fields of batch and pass left at zero.
    pub params: Params,
    /// One word a voxel.
    pub voxels: Vec<u32>,
    /// Electron table.
    pub electron_table: Vec<f32>,
    /// Photon table.
    pub photon_table: Vec<f32>,
    /// Scattering table.
    pub scatter_table: Vec<f32>,
    /// Emissions of the electron pass.
    pub electron_emission: EmissionTable,
    /// Emissions of the photon pass.
    pub photon_emission: EmissionTable,
    /// Tally bins.
    pub bins: usize,
    /// Electron energy credited to the home voxel before transport moves any of it, keV per decay, by tissue.
    pub home_kev_per_decay: Vec<f64>,
}

impl SceneData {
    /// Passes with emissions.
    pub fn passes(&self) -> Vec<Pass> {
        let mut passes = vec![Pass::Electron, Pass::Photon];
        passes.retain(|pass| self.emission(*pass).rows() > 0);
        passes
    }

    /// Emissions of a pass.
    pub fn emission(&self, pass: Pass) -> &EmissionTable {
        match pass {
            Pass::Electron => &self.electron_emission,
            Pass::Photon => &self.photon_emission,
        }
    }

    /// Memory of voxels and tables, bytes.
    pub fn bytes(&self) -> u64 {
        let words = self.voxels.len()
            + self.electron_table.len()
            + self.photon_table.len()
            + self.scatter_table.len()
            + self.electron_emission.words.len()
            + self.photon_emission.words.len();
        4 * words as u64
    }
}

/// One batch of one pass.
#[derive(Clone, Debug)]
pub struct Job {
    /// Which pass.
    pub pass: Pass,
    /// Parameters of the batch.
    pub params: Params,
    /// Source table.
    pub source_table: Vec<u32>,
}

impl Job {
    /// Number of its batch.
    pub fn batch(&self) -> u32 {
        self.params.batch / 2
    }

    /// Histories that the job runs.
    pub fn histories(&self) -> u32 {
        self.params.histories - self.params.first
    }

    /// The same batch, restricted to histories `first` to `end` - 1. The parts of a batch add up to the
    /// batch, bit for bit.
    ///
    /// Panics unless `first <= end <=` the batch's histories.
    pub fn part(&self, first: u32, end: u32) -> Job {
        assert!(first <= end && end <= self.params.histories, "a part lies inside its batch");
        Job { params: Params { first, histories: end, ..self.params }, ..self.clone() }
    }

    /// What the kernel reads for this job.
    pub fn context<'a>(&'a self, scene: &'a SceneData) -> Context<'a> {
        Context {
            params: self.params,
            voxels: &scene.voxels,
            electron_table: &scene.electron_table,
            photon_table: &scene.photon_table,
            scatter_table: &scene.scatter_table,
            emission_table: &scene.emission(self.pass).words,
            source_table: &self.source_table,
        }
    }
}

/// What a device says of itself.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct DeviceInfo {
    /// `cpu` or `gpu`.
    pub engine: String,
    /// Name of the device.
    pub name: String,
    /// Vulkan, Metal, Dx12 or cpu.
    pub backend: String,
    /// Driver and its version.
    pub driver: String,
}

/// Why an engine cannot continue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// No adapter of the kind asked for.
    NoDevice {
        /// What was found.
        found: Words,
        /// What to do.
        hint: Words,
    },
    /// The scene does not fit the device.
    TooLarge {
        /// Which buffer.
        what: &'static str,
        /// Its size, MiB.
        needed_mib: f64,
        /// Allowed size, MiB.
        allowed_mib: f64,
        /// The device.
        device: String,
    },
    /// Fewer threads available than requested.
    Threads {
        /// Threads asked for.
        wanted: usize,
        /// Threads available, at least 1.
        most: usize,
        /// What limits them.
        why: String,
    },
    /// The device or its driver failed.
    Device {
        /// The device.
        device: String,
        /// What it said.
        message: String,
    },
    /// The device does not compute as the kernel needs it: its numbers would be others.
    Unfit {
        /// The device.
        device: String,
        /// What it does otherwise.
        found: String,
    },
    /// A [`Halt`](halt::Halt) ended the job.
    Halted,
}

explained!(EngineError);

impl Explained for EngineError {
    fn fault(&self) -> Fault {
        match self {
            Self::NoDevice { found, hint } => {
                Fault::of(FaultKind::Device).found(found).then(hint).form("{found}").colon()
            }
            Self::TooLarge { what, needed_mib, allowed_mib, device } => Fault::of(FaultKind::TooLarge)
                .place(device)
                .field(*what)
                .found(format!("{needed_mib:.0} MiB"))
                .allowed(format!("{allowed_mib:.0} MiB"))
                .then(words!("use ", Setting::Engine, " cpu, crop the CT, or ", Setting::Grid, " with larger voxels"))
                .form("{field} needs {found} in one buffer, {place} allows {allowed}")
                .colon(),
            Self::Halted => Fault::of(FaultKind::Program).found("a job ended in its middle").form("{found}"),
            Self::Device { device, message } => Fault::of(FaultKind::Device)
                .place(device)
                .found(message)
                .then(words!("run again with ", Setting::Engine, " cpu, and report the driver"))
                .form("{place}: {found}")
                .colon(),
            Self::Unfit { device, found } => Fault::of(FaultKind::Device)
                .place(device)
                .found(found)
                .then(words!("use ", Setting::Engine, " cpu, and report the driver"))
                .form("{place} does not compute as the kernel needs it: {found}")
                .colon(),
            Self::Threads { wanted, most, why } => Fault::of(FaultKind::TooLarge)
                .place(Setting::Threads)
                .found(wanted.to_string())
                .allowed(format!("1 to {most} ({why})"))
                .then(words!("give ", Setting::Threads, format!(" {most}, or raise that limit")))
                .colon(),
        }
    }
}

impl EngineError {
    /// Only `most` of the requested threads are available.
    pub(crate) fn threads(wanted: usize, most: usize, why: String) -> Self {
        Self::Threads { wanted, most: most.max(1), why }
    }
}

/// A device that turns jobs into integers. It can be moved to another thread.
pub trait Engine: Send {
    /// What the device says of itself.
    fn device(&self) -> DeviceInfo;
    /// Takes the scene; must precede [`Engine::run`].
    fn load(&mut self, scene: Arc<SceneData>) -> Result<(), EngineError>;
    /// Takes what may end a job in its middle: [`Engine::run`] then fails with [`EngineError::Halted`] and keeps nothing of
    /// it. An engine whose jobs are short need not listen.
    fn heed(&mut self, _halt: halt::Halt) {}
    /// Runs a job to its end.
    fn run(&mut self, job: &Job) -> Result<BatchTally, EngineError>;
    /// As [`Engine::run`], and says which job is expected `next`. An engine that works on a device of its own may begin it
    /// before it reads this one's tally, so that the device does not wait for the host; if another job follows, or none,
    /// what was begun counts for nothing.
    fn run_before(&mut self, job: &Job, _next: Option<&Job>) -> Result<BatchTally, EngineError> {
        self.run(job)
    }
    /// Takes back the bins of an earlier batch for the next one, so that nothing is copied or cleared. An engine that has
    /// no use for them drops them.
    fn reuse(&mut self, _bins: EmptyBins) {}
    /// What it spent since it was made, and what it holds.
    fn spent(&self) -> EngineSpent;
}

/// As [`Engine`], for callers that must not block, such as a browser.
pub trait AsyncEngine {
    /// What the device says of itself.
    fn device(&self) -> DeviceInfo;
    /// Takes the scene; must precede [`AsyncEngine::run_async`].
    fn load_async(&mut self, scene: Arc<SceneData>) -> impl Future<Output = Result<(), EngineError>>;
    /// Runs a job to its end.
    fn run_async(&mut self, job: &Job) -> impl Future<Output = Result<BatchTally, EngineError>>;
    /// As [`Engine::run_before`].
    fn run_before_async(
        &mut self,
        job: &Job,
        _next: Option<&Job>,
    ) -> impl Future<Output = Result<BatchTally, EngineError>> {
        self.run_async(job)
    }
    /// Takes back the bins of an earlier batch, as [`Engine::reuse`] does.
    fn reuse(&mut self, _bins: EmptyBins) {}
    /// What it spent since it was made, and what it holds.
    fn spent(&self) -> EngineSpent;
}
