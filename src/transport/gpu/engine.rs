//! The engine: a device, its pipelines and what is loaded.

use super::flight::Flight;
use super::loaded::{Loaded, QUEUED, STAMP_BYTES, Stamps};
use super::{GpuOptions, adapters};
use crate::tally::{BatchTally, EmptyBins};
use crate::transport::halt::Halt;
use crate::transport::spent::{EngineSpent, KernelClock};
use crate::transport::{AsyncEngine, DeviceInfo, EngineError, Job, SceneData};
use std::sync::{Arc, Mutex};

/// Steps of a thread in an engine's first dispatch.
const FIRST_STEPS: u32 = 32;

/// The GPU engine.
#[derive(Debug)]
pub struct GpuEngine {
    pub(super) info: DeviceInfo,
    pub(super) software: bool,
    pub(super) kind: wgpu::DeviceType,
    pub(super) options: GpuOptions,
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) limits: wgpu::Limits,
    pub(super) failure: Arc<Mutex<Option<String>>>,
    pub(super) pipelines: [Option<(wgpu::BindGroupLayout, wgpu::ComputePipeline)>; 2],
    pub(super) steps: [u32; 2],
    pub(super) loaded: Option<Loaded>,
    /// The job whose first dispatches were queued before it was asked for.
    pub(super) flight: Option<Flight>,
    /// The submission that is waited for.
    pub(super) awaited: Arc<Mutex<Option<wgpu::SubmissionIndex>>>,
    /// Bins on the host for the next job.
    pub(super) spare: EmptyBins,
    pub(super) stamps: Option<Stamps>,
    pub(super) spent: EngineSpent,
    /// What ends a job between two of its dispatches.
    pub(super) halt: Halt,
}

impl GpuEngine {
    /// The engine on adapter `number` (as [`find_adapters`](super::find_adapters) counts); `None` takes the first usable one of any kind.
    ///
    /// Errors: no such adapter; a device that fails; one that does not compute as the kernel needs it
    /// ([`EngineError::Unfit`], found by [the probe](super::probe)).
    pub async fn open(number: Option<usize>, options: GpuOptions) -> Result<Self, EngineError> {
        let engine = Self::unproven(number, options).await?;
        engine.proven().await?;
        Ok(engine)
    }

    /// The engine on a device that nobody has probed.
    ///
    /// Errors: no such adapter; a device that fails.
    pub async fn unproven(number: Option<usize>, options: GpuOptions) -> Result<Self, EngineError> {
        let adapter = adapters::choose(number).await?;
        let raw = adapter.get_info();
        let info = adapters::device_info(&raw);
        let limits = adapter.limits();
        let stamped = adapter.features() & wgpu::Features::TIMESTAMP_QUERY;
        let (device, queue) = adapter
            .request_device(&wgpu::DeviceDescriptor {
                label: Some("lutra"),
                required_features: stamped,
                required_limits: limits.clone(),
                ..Default::default()
            })
            .await
            .map_err(|e| EngineError::Device { device: info.name.clone(), message: e.to_string() })?;
        let failure = heard(&device);
        let stamps = (!stamped.is_empty()).then(|| Stamps::of(&device, &queue));
        let kernel_clock = if stamps.is_some() { KernelClock::DeviceTimestamps } else { KernelClock::Wall };
        let kind = adapters::kind(&raw);
        let software = kind == wgpu::DeviceType::Cpu;
        // the steps of a dispatch grow from few: the first must not take long on any device
        let first = match options.steps {
            0 => FIRST_STEPS,
            steps => steps,
        };
        Ok(Self {
            info,
            software,
            kind,
            options,
            failure,
            device,
            queue,
            limits,
            pipelines: [None, None],
            steps: [first; 2],
            loaded: None,
            flight: None,
            awaited: Arc::default(),
            spare: EmptyBins::default(),
            stamps,
            spent: EngineSpent { kernel_clock, ..EngineSpent::default() },
            halt: Halt::default(),
        })
    }

    /// What is on the device.
    pub(super) fn held(&self) -> &Loaded {
        self.loaded.as_ref().expect("a scene is loaded before a job is run")
    }

    pub(super) fn check(&self) -> Result<(), EngineError> {
        match self.failure.lock().expect("no thread panics while it holds the note").take() {
            Some(message) => Err(EngineError::Device { device: self.info.name.clone(), message }),
            None => Ok(()),
        }
    }

    pub(super) fn thread_count(&self) -> u32 {
        match self.options.threads {
            0 => match self.kind {
                wgpu::DeviceType::Cpu => 1024,
                // a tenth of a discrete chip's lanes
                wgpu::DeviceType::IntegratedGpu => 32_768,
                _ => 131_072,
            },
            n => n,
        }
    }
}

impl Stamps {
    fn of(device: &wgpu::Device, queue: &wgpu::Queue) -> Self {
        Self {
            queries: [(); QUEUED].map(|()| {
                device.create_query_set(&wgpu::QuerySetDescriptor {
                    label: Some("lutra.stamps"),
                    ty: wgpu::QueryType::Timestamp,
                    count: 2,
                })
            }),
            resolved: [(); QUEUED].map(|()| {
                device.create_buffer(&wgpu::BufferDescriptor {
                    label: Some("lutra.stamps"),
                    size: STAMP_BYTES,
                    usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
                    mapped_at_creation: false,
                })
            }),
            tick_seconds: f64::from(queue.get_timestamp_period()) * 1e-9,
        }
    }
}

/// Where the first failure of a device is recorded.
fn heard(device: &wgpu::Device) -> Arc<Mutex<Option<String>>> {
    let failure = Arc::new(Mutex::new(None));
    let note = Arc::clone(&failure);
    device.on_uncaptured_error(Arc::new(move |e: wgpu::Error| {
        note.lock().expect("no thread panics while it holds the note").get_or_insert(e.to_string());
    }));
    let note = Arc::clone(&failure);
    device.set_device_lost_callback(move |reason, message| {
        if reason != wgpu::DeviceLostReason::Destroyed {
            note.lock()
                .expect("no thread panics while it holds the note")
                .get_or_insert(format!("device lost: {message}"));
        }
    });
    failure
}

impl AsyncEngine for GpuEngine {
    fn device(&self) -> DeviceInfo {
        self.info.clone()
    }

    async fn load_async(&mut self, scene: Arc<SceneData>) -> Result<(), EngineError> {
        self.hold(scene)
    }

    async fn run_async(&mut self, job: &Job) -> Result<BatchTally, EngineError> {
        self.run_job(job, None).await
    }

    async fn run_before_async(&mut self, job: &Job, next: Option<&Job>) -> Result<BatchTally, EngineError> {
        self.run_job(job, next).await
    }

    fn reuse(&mut self, bins: EmptyBins) {
        self.spare = bins;
    }

    fn spent(&self) -> EngineSpent {
        self.spent
    }
}
