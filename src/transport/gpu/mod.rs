//! GpuEngine: the kernel as compute shaders on any adapter that wgpu reaches.
//!
//! A thread runs many histories in a flat loop and can stop after any step; a job is a number of short dispatches
//! until every history is finished. How the work is cut changes no bit of the result: histories have their own random
//! streams and tallies are integers.

/// Sizes that host and shader share.
pub mod layout;

/// Order of the shader modules.
pub mod shader;

mod trace;

use crate::tally::{BatchTally, EmptyBins, Ledger};
use crate::transport::emission::Pass;
use crate::transport::spent::{EngineSpent, KernelClock};
use crate::transport::{DeviceInfo, Engine, EngineError, Job, SceneData};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How the work is cut into threads and dispatches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GpuOptions {
    /// Threads of a dispatch; 0 chooses by the kind of device.
    pub threads: u32,
    /// Threads of a workgroup.
    pub workgroup: u32,
    /// Steps of a thread in one dispatch at most; 0 chooses by the kind of device and adapts to 100 to 250 ms.
    pub steps: u32,
}

impl Default for GpuOptions {
    fn default() -> Self {
        Self { threads: 0, workgroup: 64, steps: 0 }
    }
}

/// An adapter as `lutra devices` lists it.
#[derive(Clone, Debug)]
pub struct AdapterSummary {
    /// Number to ask for it by: `gpu:N`.
    pub number: usize,
    /// What it says of itself.
    pub info: DeviceInfo,
    /// Discrete, integrated, virtual, software or other.
    pub kind: &'static str,
    /// Largest storage buffer binding, bytes.
    pub max_binding_bytes: u64,
    /// Largest buffer, bytes.
    pub max_buffer_bytes: u64,
    /// Largest workgroup.
    pub max_workgroup: u32,
    /// Storage buffers a shader stage may bind.
    pub max_storage_buffers: u32,
}

impl AdapterSummary {
    /// Whether the kernel can run on it at all.
    pub fn usable(&self) -> bool {
        self.max_storage_buffers >= 8
    }
}

fn kind_name(kind: wgpu::DeviceType) -> &'static str {
    match kind {
        wgpu::DeviceType::DiscreteGpu => "discrete",
        wgpu::DeviceType::IntegratedGpu => "integrated",
        wgpu::DeviceType::VirtualGpu => "virtual",
        wgpu::DeviceType::Cpu => "software",
        wgpu::DeviceType::Other => "other",
    }
}

fn instance() -> wgpu::Instance {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
    descriptor.backends = wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12;
    wgpu::Instance::new(descriptor)
}

fn adapters() -> Vec<wgpu::Adapter> {
    let instance = instance();
    pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()))
}

fn device_info(info: &wgpu::AdapterInfo) -> DeviceInfo {
    DeviceInfo {
        engine: "gpu".into(),
        name: info.name.clone(),
        backend: info.backend.to_string(),
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_string(),
    }
}

/// All adapters of the machine, in the order of their numbers.
pub fn list_adapters() -> Vec<AdapterSummary> {
    adapters()
        .iter()
        .enumerate()
        .map(|(number, adapter)| {
            let (info, limits) = (adapter.get_info(), adapter.limits());
            AdapterSummary {
                number,
                info: device_info(&info),
                kind: kind_name(info.device_type),
                max_binding_bytes: limits.max_storage_buffer_binding_size,
                max_buffer_bytes: limits.max_buffer_size,
                max_workgroup: limits.max_compute_invocations_per_workgroup,
                max_storage_buffers: limits.max_storage_buffers_per_shader_stage,
            }
        })
        .collect()
}

/// The adapter that `auto` takes: the first discrete, else integrated, else virtual one; never a software adapter,
/// which is slower than the CPU engine on the same cores.
pub fn automatic(adapters: &[AdapterSummary]) -> Option<usize> {
    ["discrete", "integrated", "virtual"]
        .iter()
        .find_map(|kind| adapters.iter().find(|a| a.kind == *kind && a.usable()))
        .map(|a| a.number)
}

/// Buffers of a loaded scene.
#[derive(Debug)]
struct Loaded {
    scene: Arc<SceneData>,
    params: wgpu::Buffer,
    voxels: wgpu::Buffer,
    electron_table: wgpu::Buffer,
    photon_table: wgpu::Buffer,
    scatter_table: wgpu::Buffer,
    electron_emission: wgpu::Buffer,
    photon_emission: wgpu::Buffer,
    source: wgpu::Buffer,
    tally: wgpu::Buffer,
    tally_out: wgpu::Buffer,
    ledger: wgpu::Buffer,
    ledger_out: wgpu::Buffer,
    threads: wgpu::Buffer,
}

impl Loaded {
    /// All buffers, bytes.
    fn bytes(&self) -> u64 {
        [
            &self.params,
            &self.voxels,
            &self.electron_table,
            &self.photon_table,
            &self.scatter_table,
            &self.electron_emission,
            &self.photon_emission,
            &self.source,
            &self.tally,
            &self.tally_out,
            &self.ledger,
            &self.ledger_out,
            &self.threads,
        ]
        .iter()
        .map(|buffer| buffer.size())
        .sum()
    }
}

/// Timestamps before and after a dispatch, where the device writes such.
#[derive(Debug)]
struct Stamps {
    queries: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    /// Seconds of a tick.
    tick_seconds: f64,
}

/// Bytes of the two timestamps of a dispatch.
const STAMP_BYTES: u64 = 16;

/// The GPU engine.
#[derive(Debug)]
pub struct GpuEngine {
    info: DeviceInfo,
    software: bool,
    options: GpuOptions,
    device: wgpu::Device,
    queue: wgpu::Queue,
    limits: wgpu::Limits,
    failure: Arc<Mutex<Option<String>>>,
    pipelines: [Option<(wgpu::BindGroupLayout, wgpu::ComputePipeline)>; 2],
    steps: [u32; 2],
    loaded: Option<Loaded>,
    /// Bins on the host for the next job.
    spare: EmptyBins,
    stamps: Option<Stamps>,
    spent: EngineSpent,
}

impl GpuEngine {
    /// The engine on adapter `number` (as [`list_adapters`] counts); `None` takes the first usable one of any kind.
    pub fn new(number: Option<usize>, options: GpuOptions) -> Result<Self, EngineError> {
        let all = adapters();
        let count = all.len();
        let hint = "run `lutra devices` to see the adapters, or use --engine cpu".to_string();
        let adapter = match number {
            Some(n) => all.into_iter().nth(n).ok_or(EngineError::NoDevice {
                found: format!(
                    "--engine gpu:{n}: found {count} adapters, counted from 0; allowed: one of them, or cpu"
                ),
                hint,
            })?,
            None => {
                let summaries = list_adapters();
                let pick = automatic(&summaries)
                    .or_else(|| summaries.iter().find(|a| a.usable()).map(|a| a.number))
                    .ok_or(EngineError::NoDevice {
                        found: format!("no usable adapter among {count} found"),
                        hint: "install a Vulkan driver (Debian: mesa-vulkan-drivers), or use --engine cpu".into(),
                    })?;
                all.into_iter().nth(pick).expect("the adapter was just listed")
            }
        };
        let raw = adapter.get_info();
        let info = device_info(&raw);
        let limits = adapter.limits();
        let fail = |message: String| EngineError::Device { device: info.name.clone(), message };
        let stamped = adapter.features() & wgpu::Features::TIMESTAMP_QUERY;
        let (device, queue) = pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor {
            label: Some("lutra"),
            required_features: stamped,
            required_limits: limits.clone(),
            ..Default::default()
        }))
        .map_err(|e| fail(e.to_string()))?;
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
        let stamps = (!stamped.is_empty()).then(|| Stamps {
            queries: device.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("lutra.stamps"),
                ty: wgpu::QueryType::Timestamp,
                count: 2,
            }),
            resolved: device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("lutra.stamps"),
                size: STAMP_BYTES,
                usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
                mapped_at_creation: false,
            }),
            tick_seconds: f64::from(queue.get_timestamp_period()) * 1e-9,
        });
        let kernel_clock = if stamps.is_some() { KernelClock::DeviceTimestamps } else { KernelClock::Wall };
        let software = raw.device_type == wgpu::DeviceType::Cpu;
        let first = if options.steps > 0 {
            options.steps
        } else if software {
            256
        } else {
            512
        };
        Ok(Self {
            info,
            software,
            options,
            device,
            queue,
            limits,
            failure,
            pipelines: [None, None],
            steps: [first; 2],
            loaded: None,
            spare: EmptyBins::default(),
            stamps,
            spent: EngineSpent { kernel_clock, ..EngineSpent::default() },
        })
    }

    fn check(&self) -> Result<(), EngineError> {
        match self.failure.lock().expect("no thread panics while it holds the note").take() {
            Some(message) => Err(EngineError::Device { device: self.info.name.clone(), message }),
            None => Ok(()),
        }
    }

    fn thread_count(&self) -> u32 {
        match self.options.threads {
            0 if self.software => 1024,
            0 => 131_072,
            n => n,
        }
    }

    fn buffer(&self, label: &'static str, bytes: u64, usage: wgpu::BufferUsages) -> Result<wgpu::Buffer, EngineError> {
        let allowed = if usage.contains(wgpu::BufferUsages::STORAGE) {
            self.limits.max_storage_buffer_binding_size.min(self.limits.max_buffer_size)
        } else {
            self.limits.max_buffer_size
        };
        if bytes > allowed {
            return Err(EngineError::TooLarge {
                what: label,
                needed_mib: bytes as f64 / 1_048_576.0,
                allowed_mib: allowed as f64 / 1_048_576.0,
                device: self.info.name.clone(),
            });
        }
        Ok(self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size: bytes.max(16),
            usage,
            mapped_at_creation: false,
        }))
    }

    fn filled<T: bytemuck::Pod>(&self, label: &'static str, data: &[T]) -> Result<wgpu::Buffer, EngineError> {
        let bytes = bytemuck::cast_slice(data);
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
        let buffer = self.buffer(label, bytes.len() as u64, usage)?;
        if !bytes.is_empty() {
            self.queue.write_buffer(&buffer, 0, bytes);
        }
        Ok(buffer)
    }

    fn pipeline(&mut self, pass: Pass) -> Result<(), EngineError> {
        let slot = pass as usize;
        if self.pipelines[slot].is_some() {
            return Ok(());
        }
        let began = Instant::now();
        let module = self.device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(shader::entry_point(pass)),
            source: wgpu::ShaderSource::Wgsl(shader::pass_source(pass).into()),
        });
        let entries: Vec<wgpu::BindGroupLayoutEntry> = layout::bindings(pass)
            .iter()
            .map(|&binding| wgpu::BindGroupLayoutEntry {
                binding,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer {
                    ty: match binding {
                        0 => wgpu::BufferBindingType::Uniform,
                        7..=9 => wgpu::BufferBindingType::Storage { read_only: false },
                        _ => wgpu::BufferBindingType::Storage { read_only: true },
                    },
                    has_dynamic_offset: false,
                    min_binding_size: None,
                },
                count: None,
            })
            .collect();
        let group = self.device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some(shader::entry_point(pass)),
            entries: &entries,
        });
        let pipeline_layout = self.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(shader::entry_point(pass)),
            bind_group_layouts: &[Some(&group)],
            immediate_size: 0,
        });
        let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(shader::entry_point(pass)),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some(shader::entry_point(pass)),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &[("workgroup", f64::from(self.options.workgroup))],
                ..Default::default()
            },
            cache: None,
        });
        self.check()?;
        self.pipelines[slot] = Some((group, pipeline));
        self.spent.compile_seconds[slot] += began.elapsed().as_secs_f64();
        Ok(())
    }

    /// Brings a job's source to the device and binds what its pass reads and writes.
    fn bind(&mut self, job: &Job) -> Result<wgpu::BindGroup, EngineError> {
        self.pipeline(job.pass)?;
        let source_bytes = 4 * job.source_table.len() as u64;
        if self.loaded.as_ref().expect("a scene is loaded before a job is run").source.size() < source_bytes {
            let buffer =
                self.buffer("lutra.source", source_bytes, wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST)?;
            let loaded = self.loaded.as_mut().expect("a scene is loaded before a job is run");
            loaded.source = buffer;
            self.spent.device_bytes = loaded.bytes();
        }
        let l = self.loaded.as_ref().expect("a scene is loaded before a job is run");
        let (group_layout, _) = self.pipelines[job.pass as usize].as_ref().expect("the pipeline was just made");
        self.queue.write_buffer(&l.source, 0, bytemuck::cast_slice(&job.source_table));
        let emission = match job.pass {
            Pass::Electron => &l.electron_emission,
            Pass::Photon => &l.photon_emission,
        };
        let binding = |n: u32| match n {
            0 => &l.params,
            1 => &l.voxels,
            2 => &l.electron_table,
            3 => &l.photon_table,
            4 => &l.scatter_table,
            5 => emission,
            6 => &l.source,
            7 => &l.tally,
            8 => &l.ledger,
            _ => &l.threads,
        };
        let entries: Vec<wgpu::BindGroupEntry> = layout::bindings(job.pass)
            .iter()
            .map(|&n| wgpu::BindGroupEntry { binding: n, resource: binding(n).as_entire_binding() })
            .collect();
        Ok(self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(shader::entry_point(job.pass)),
            layout: group_layout,
            entries: &entries,
        }))
    }

    /// Waits for the queue and copies `words` out of a mappable buffer.
    fn read(&self, buffer: &wgpu::Buffer, words: usize) -> Result<Vec<u32>, EngineError> {
        self.mapped(buffer, 4 * words as u64, |bytes| bytemuck::cast_slice::<u8, u32>(bytes).to_vec())
    }

    /// Waits for the queue and shows the first `bytes` of a mappable buffer.
    fn mapped<R>(&self, buffer: &wgpu::Buffer, bytes: u64, take: impl FnOnce(&[u8]) -> R) -> Result<R, EngineError> {
        let fail = |message: String| EngineError::Device { device: self.info.name.clone(), message };
        let slice = buffer.slice(0..bytes);
        slice.map_async(wgpu::MapMode::Read, |_| {});
        self.device.poll(wgpu::PollType::wait_indefinitely()).map_err(|e| fail(e.to_string()))?;
        self.check()?;
        let taken = {
            let view = slice.get_mapped_range().map_err(|e| fail(e.to_string()))?;
            take(&view)
        };
        buffer.unmap();
        Ok(taken)
    }

    /// Copies the tally to the host, a window at a time.
    fn read_tally(&self, l: &Loaded, bins: &mut [i64]) -> Result<(), EngineError> {
        let window = (l.tally_out.size() / 8) as usize;
        for (n, part) in bins.chunks_mut(window).enumerate() {
            let (from, bytes) = (8 * (n * window) as u64, 8 * part.len() as u64);
            let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            encoder.copy_buffer_to_buffer(&l.tally, from, &l.tally_out, 0, bytes);
            self.queue.submit([encoder.finish()]);
            self.mapped(&l.tally_out, bytes, |bytes| {
                for (bin, bytes) in part.iter_mut().zip(bytes.as_chunks::<8>().0) {
                    *bin = i64::from_le_bytes(*bytes);
                }
            })?;
        }
        Ok(())
    }
}

/// Size of the window through which a tally of so many bins comes to the host: an eighth of it, 16 MiB at most. A copy
/// of the whole would take as much of the device as the tally itself; windows this large are as fast.
fn window_bytes(bins: usize) -> u64 {
    let eighth = (bins as u64).div_ceil(8).min(2 << 20);
    // a small tally comes at once
    8 * eighth.max(1 << 13).min(bins.max(2) as u64)
}

/// Ticks between two timestamps of two words each.
fn ticks(words: &[u32]) -> u64 {
    let stamp = |n: usize| u64::from(words[n]) | (u64::from(words[n + 1]) << 32);
    stamp(2).saturating_sub(stamp(0))
}

/// Value of an account of three words.
fn account(words: &[u32], place: usize) -> u128 {
    (0..3).map(|i| u128::from(words[3 * place + i]) << (32 * i)).sum()
}

impl Engine for GpuEngine {
    fn device(&self) -> DeviceInfo {
        self.info.clone()
    }

    fn load(&mut self, scene: Arc<SceneData>) -> Result<(), EngineError> {
        use wgpu::BufferUsages as U;
        self.loaded = None;
        let thread_bytes = 4
            * u64::from(self.thread_count())
            * layout::thread_words(Pass::Electron).max(layout::thread_words(Pass::Photon)) as u64;
        let loaded = Loaded {
            params: self.buffer(
                "lutra.params",
                size_of::<crate::kernel::single::context::Params>() as u64,
                U::UNIFORM | U::COPY_DST,
            )?,
            voxels: self.filled("lutra.voxels", &scene.voxels)?,
            electron_table: self.filled("lutra.electron_table", &scene.electron_table)?,
            photon_table: self.filled("lutra.photon_table", &scene.photon_table)?,
            scatter_table: self.filled("lutra.scatter_table", &scene.scatter_table)?,
            electron_emission: self.filled("lutra.electron_emission", &scene.electron_emission.words)?,
            photon_emission: self.filled("lutra.photon_emission", &scene.photon_emission.words)?,
            source: self.buffer("lutra.source", 16, U::STORAGE | U::COPY_DST)?,
            tally: self.buffer("lutra.tally", 8 * scene.bins as u64, U::STORAGE | U::COPY_SRC | U::COPY_DST)?,
            tally_out: self.buffer("lutra.tally_out", window_bytes(scene.bins), U::MAP_READ | U::COPY_DST)?,
            ledger: self.buffer(
                "lutra.ledger",
                4 * layout::LEDGER_WORDS as u64,
                U::STORAGE | U::COPY_SRC | U::COPY_DST,
            )?,
            // the timestamps lie behind the ledger: one copy to the host brings both
            ledger_out: self.buffer(
                "lutra.ledger_out",
                4 * layout::LEDGER_WORDS as u64 + STAMP_BYTES,
                U::MAP_READ | U::COPY_DST,
            )?,
            threads: self.buffer("lutra.threads", thread_bytes, U::STORAGE | U::COPY_SRC | U::COPY_DST)?,
            scene,
        };
        self.check()?;
        self.spent.device_bytes = loaded.bytes();
        self.loaded = Some(loaded);
        Ok(())
    }

    fn reuse(&mut self, bins: EmptyBins) {
        self.spare = bins;
    }

    fn spent(&self) -> EngineSpent {
        self.spent
    }

    fn run(&mut self, job: &Job) -> Result<BatchTally, EngineError> {
        let group = self.bind(job)?;
        let slot = job.pass as usize;
        let l = self.loaded.as_ref().expect("a scene is loaded before a job is run");
        let (_, pipeline) = self.pipelines[slot].as_ref().expect("the pipeline was just made");
        let wanted = job.histories();
        let mut kernel_seconds = 0.0;
        let threads = self.thread_count().min(wanted.max(1));
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.clear_buffer(&l.tally, 0, None);
        encoder.clear_buffer(&l.ledger, 0, None);
        encoder.clear_buffer(&l.threads, 0, None);
        self.queue.submit([encoder.finish()]);

        let mut steps = self.steps[slot];
        let most_steps = if self.software { 400 } else { 4096 };
        let mut idle_rounds = 0;
        let mut finished_before = 0;
        let ledger = loop {
            let params = crate::kernel::single::context::Params { threads, steps, ..job.params };
            self.queue.write_buffer(&l.params, 0, bytemuck::bytes_of(&params));
            let started = Instant::now();
            let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            {
                let timestamp_writes = self.stamps.as_ref().map(|stamps| wgpu::ComputePassTimestampWrites {
                    query_set: &stamps.queries,
                    beginning_of_pass_write_index: Some(0),
                    end_of_pass_write_index: Some(1),
                });
                let mut pass =
                    encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes });
                pass.set_pipeline(pipeline);
                pass.set_bind_group(0, &group, &[]);
                pass.dispatch_workgroups(threads.div_ceil(self.options.workgroup), 1, 1);
            }
            let ledger_bytes = 4 * layout::LEDGER_WORDS as u64;
            encoder.copy_buffer_to_buffer(&l.ledger, 0, &l.ledger_out, 0, ledger_bytes);
            if let Some(stamps) = &self.stamps {
                encoder.resolve_query_set(&stamps.queries, 0..2, &stamps.resolved, 0);
                encoder.copy_buffer_to_buffer(&stamps.resolved, 0, &l.ledger_out, ledger_bytes, STAMP_BYTES);
            }
            self.queue.submit([encoder.finish()]);
            let mut words = self.read(&l.ledger_out, layout::LEDGER_WORDS + STAMP_BYTES as usize / 4)?;
            kernel_seconds += match &self.stamps {
                Some(stamps) => ticks(&words[layout::LEDGER_WORDS..]) as f64 * stamps.tick_seconds,
                None => started.elapsed().as_secs_f64(),
            };
            words.truncate(layout::LEDGER_WORDS);
            let finished = words[layout::LEDGER_FINISHED];
            // a history is bounded by its step limit: rounds without any progress mean a dead device
            idle_rounds = if finished == finished_before { idle_rounds + 1 } else { 0 };
            finished_before = finished;
            if finished >= wanted || idle_rounds > 10_000 {
                break words;
            }
            if self.options.steps == 0 {
                let took = started.elapsed();
                if took < Duration::from_millis(60) {
                    steps = (2 * steps).min(most_steps);
                } else if took > Duration::from_millis(250) {
                    steps = (steps / 2).max(16);
                }
            }
        };
        let clock = Instant::now();
        let mut energy = std::mem::take(&mut self.spare).into_bins();
        let l = self.loaded.as_ref().expect("a scene is loaded before a job is run");
        energy.resize(l.scene.bins, 0);
        self.read_tally(l, &mut energy)?;
        let batch = BatchTally {
            energy,
            ledger: Ledger {
                emitted: account(&ledger, 0),
                deposited: account(&ledger, 1),
                escaped: account(&ledger, 2),
                radiated: account(&ledger, 3),
                estimated: account(&ledger, 4),
            },
            histories: u64::from(ledger[layout::LEDGER_FINISHED]),
            flags: ledger[layout::LEDGER_FLAGS],
        };
        self.steps[slot] = steps;
        self.spent.kernel_seconds[slot] += kernel_seconds;
        self.spent.read_back_seconds[slot] += clock.elapsed().as_secs_f64();
        Ok(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::window_bytes;

    /// No more than an eighth of a large tally, never nothing, whole bins.
    #[test]
    fn law_the_window_is_a_small_part_of_the_tally() {
        for bins in [1, 2, 3, 8192, 100_000, 1 << 24, 1 << 30] {
            let bytes = window_bytes(bins);
            assert!(bytes >= 16 && bytes.is_multiple_of(8));
            assert!(bytes <= (bins as u64).div_ceil(8) * 8 || bins <= 65_536, "{bins} bins: {bytes} B");
            assert!(bytes <= 16 << 20);
        }
    }
}
