//! One history on the GPU, step by step: one thread, one step a dispatch, its state and tallies read back after each.

use super::read_back::{flags_and_finished, ledger};
use super::{GpuEngine, layout};
use crate::kernel::single::context::Params;
use crate::transport::parity::Step;
use crate::transport::{EngineError, Job};

impl GpuEngine {
    /// Follows one history of a job, `most` steps at most. Slow: a dispatch and a read-back of the tally for each step.
    ///
    /// Panics when no scene is loaded.
    pub async fn follow_async(&mut self, job: &Job, history: u32, most: usize) -> Result<Vec<Step>, EngineError> {
        let job = job.part(history, history + 1);
        self.flight = None;
        let group = self.bind(&job)?;
        let l = self.held();
        let (_, pipeline) = self.pipelines[job.pass as usize].as_ref().expect("the pipeline was just made");
        let state_words = layout::RNG_WORDS + layout::PARTICLE_WORDS;
        let state = self.buffer(
            "lutra.state",
            4 * state_words as u64,
            wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
        )?;
        let params = Params { threads: 1, steps: 1, ..job.params };
        self.queue.write_buffer(&l.params, 0, bytemuck::bytes_of(&params));
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.clear_buffer(&l.threads, 0, None);
        self.queue.submit([encoder.finish()]);
        let mut steps: Vec<Step> = Vec::new();
        while steps.len() < most && steps.last().is_none_or(Step::alive) {
            let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            encoder.clear_buffer(&l.tally, 0, None);
            encoder.clear_buffer(&l.ledger, 0, None);
            {
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
                pass.set_pipeline(pipeline);
                pass.set_bind_group(0, &group, &[]);
                pass.dispatch_workgroups(1, 1, 1);
            }
            encoder.copy_buffer_to_buffer(&l.ledger, 0, &l.ledger_out[0], 0, 4 * layout::LEDGER_WORDS as u64);
            encoder.copy_buffer_to_buffer(&l.threads, 0, &state, 0, state.size());
            self.await_submission(self.queue.submit([encoder.finish()]));
            let ledger_words = self.read(&l.ledger_out[0], layout::LEDGER_WORDS).await?;
            let mut tally = vec![0; l.scene.bins];
            self.read_tally(l, &mut tally).await?;
            let words = self.read(&state, state_words).await?;
            let mut step = Step {
                bins: tally.into_iter().enumerate().filter(|(_, x)| *x != 0).collect(),
                flags: flags_and_finished(&ledger_words).0,
                ledger: ledger(&ledger_words),
                ..Step::default()
            };
            step.rng.copy_from_slice(&words[..layout::RNG_WORDS]);
            step.particle.copy_from_slice(&words[layout::RNG_WORDS..]);
            steps.push(step);
        }
        Ok(steps)
    }
}
