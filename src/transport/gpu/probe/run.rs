//! The pass on a device.

use super::super::{GpuEngine, layout};
use super::cases::{ANSWER_WORDS, BINS, CASES, inputs};
use super::{Conformance, text};
use crate::kernel::single::context::Params;
use crate::transport::EngineError;
use wgpu::BufferUsages as U;

/// Invocations of a workgroup, as in the shader.
const WORKGROUP: usize = 64;

impl GpuEngine {
    /// Finds out whether the device computes as the kernel needs it, with the text of the pass ([`text`]).
    ///
    /// Errors: a device that fails.
    pub async fn probe(&self, text: &str) -> Result<Conformance, EngineError> {
        let parts = Parts::on(self)?;
        let module = self.device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("lutra.probe"),
            source: wgpu::ShaderSource::Wgsl(text.into()),
        });
        let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some("lutra.probe"),
            layout: None,
            module: &module,
            entry_point: Some("probe"),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        });
        self.check()?;
        self.await_submission(self.queue.submit([parts.commands(self, &pipeline)]));
        let found = self.read(&parts.read, (parts.read.size() / 4) as usize).await?;
        let (answers, together) = found.split_at(ANSWER_WORDS * CASES);
        Ok(Conformance::of(answers, together))
    }

    /// Refuses a device that does not compute as the kernel needs it.
    ///
    /// Errors: [`EngineError::Unfit`] with all that it does otherwise; a device that fails.
    pub(in crate::transport::gpu) async fn proven(&self) -> Result<(), EngineError> {
        let found = self.probe(&text()).await?;
        if found.is_sound() {
            return Ok(());
        }
        Err(EngineError::Unfit { device: self.info.name.clone(), found: found.words() })
    }
}

/// The buffers of the pass.
struct Parts {
    params: wgpu::Buffer,
    tally: wgpu::Buffer,
    ledger: wgpu::Buffer,
    cases: wgpu::Buffer,
    answers: wgpu::Buffer,
    /// Answers, tally and ledger for the host.
    read: wgpu::Buffer,
}

impl Parts {
    fn on(engine: &GpuEngine) -> Result<Self, EngineError> {
        let written = U::STORAGE | U::COPY_SRC | U::COPY_DST;
        let answer_bytes = 4 * (ANSWER_WORDS * CASES) as u64;
        let together_bytes = (8 * BINS + 4 * layout::LEDGER_WORDS) as u64;
        let parts = Self {
            params: engine.buffer("lutra.probe.params", size_of::<Params>() as u64, U::UNIFORM | U::COPY_DST)?,
            tally: engine.buffer("lutra.probe.tally", 8 * BINS as u64, written)?,
            ledger: engine.buffer("lutra.probe.ledger", 4 * layout::LEDGER_WORDS as u64, written)?,
            cases: engine.buffer("lutra.probe.cases", 4 * inputs().len() as u64, U::STORAGE | U::COPY_DST)?,
            answers: engine.buffer("lutra.probe.answers", answer_bytes, written)?,
            read: engine.buffer("lutra.probe.read", answer_bytes + together_bytes, U::MAP_READ | U::COPY_DST)?,
        };
        engine.queue.write_buffer(&parts.params, 0, bytemuck::bytes_of(&Params::default()));
        engine.queue.write_buffer(&parts.cases, 0, bytemuck::cast_slice(&inputs()));
        Ok(parts)
    }

    /// One dispatch over all cases, and the copies for the host.
    fn commands(&self, engine: &GpuEngine, pipeline: &wgpu::ComputePipeline) -> wgpu::CommandBuffer {
        let bound = [(0, &self.params), (7, &self.tally), (8, &self.ledger), (10, &self.cases), (11, &self.answers)];
        let entries =
            bound.map(|(binding, buffer)| wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() });
        let group = engine.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("lutra.probe"),
            layout: &pipeline.get_bind_group_layout(0),
            entries: &entries,
        });
        let mut encoder = engine.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            pass.set_pipeline(pipeline);
            pass.set_bind_group(0, &group, &[]);
            pass.dispatch_workgroups(CASES.div_ceil(WORKGROUP) as u32, 1, 1);
        }
        let mut at = 0;
        for buffer in [&self.answers, &self.tally, &self.ledger] {
            encoder.copy_buffer_to_buffer(buffer, 0, &self.read, at, buffer.size());
            at += buffer.size();
        }
        encoder.finish()
    }
}
