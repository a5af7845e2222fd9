//! A job as a number of short dispatches.

use super::loaded::STAMP_BYTES;
use super::read_back::{flags_and_finished, ledger, ticks};
use super::{GpuEngine, layout};
use crate::clock::Moment;
use crate::kernel::single::context::Params;
use crate::tally::BatchTally;
use crate::transport::emission::Pass;
use crate::transport::{EngineError, Job};
use std::time::Duration;

/// A history is bounded by its step limit, so this many rounds without progress mean a dead device.
const IDLE_ROUNDS: u32 = 10_000;

/// Result of the rounds of a job.
struct Rounds {
    /// The account in words.
    words: Vec<u32>,
    /// Steps of a thread in the last dispatch.
    steps: u32,
    kernel_seconds: f64,
}

impl GpuEngine {
    /// Runs a job to its end.
    pub(super) async fn run_job(&mut self, job: &Job) -> Result<BatchTally, EngineError> {
        let group = self.bind(job)?;
        let Rounds { words, steps, kernel_seconds } = self.rounds(job, &group).await?;
        let clock = Moment::now();
        let mut energy = std::mem::take(&mut self.spare).into_bins();
        let l = self.held();
        energy.resize(l.scene.bins, 0);
        self.read_tally(l, &mut energy).await?;
        let (flags, finished) = flags_and_finished(&words);
        let slot = job.pass as usize;
        self.steps[slot] = steps;
        self.spent.kernel_seconds[slot] += kernel_seconds;
        self.spent.read_back_seconds[slot] += clock.seconds();
        Ok(BatchTally { energy, ledger: ledger(&words), histories: u64::from(finished), flags })
    }

    /// Dispatches until all histories are finished.
    async fn rounds(&self, job: &Job, group: &wgpu::BindGroup) -> Result<Rounds, EngineError> {
        let (l, wanted) = (self.held(), job.histories());
        let threads = self.thread_count().min(wanted.max(1));
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        for buffer in [&l.tally, &l.ledger, &l.threads] {
            encoder.clear_buffer(buffer, 0, None);
        }
        self.queue.submit([encoder.finish()]);
        let (mut steps, mut kernel_seconds) = (self.steps[job.pass as usize], 0.0);
        let (mut idle_rounds, mut finished_before) = (0, 0);
        loop {
            let params = Params { threads, steps, ..job.params };
            self.queue.write_buffer(&l.params, 0, bytemuck::bytes_of(&params));
            let started = Moment::now();
            self.dispatch(job.pass, group, threads);
            let mut words = self.read(&l.ledger_out, layout::LEDGER_WORDS + STAMP_BYTES as usize / 4).await?;
            kernel_seconds += match &self.stamps {
                Some(stamps) => ticks(&words[layout::LEDGER_WORDS..]) as f64 * stamps.tick_seconds,
                None => started.seconds(),
            };
            words.truncate(layout::LEDGER_WORDS);
            let (_, finished) = flags_and_finished(&words);
            idle_rounds = if finished == finished_before { idle_rounds + 1 } else { 0 };
            finished_before = finished;
            if finished >= wanted || idle_rounds > IDLE_ROUNDS {
                return Ok(Rounds { words, steps, kernel_seconds });
            }
            steps = self.adapted(steps, started.elapsed());
        }
    }

    /// Submits one dispatch and copies the ledger and timestamps to a readable buffer.
    fn dispatch(&self, pass: Pass, group: &wgpu::BindGroup, threads: u32) {
        let l = self.held();
        let (_, pipeline) = self.pipelines[pass as usize].as_ref().expect("the pipeline is made before a job is bound");
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let timestamp_writes = self.stamps.as_ref().map(|stamps| wgpu::ComputePassTimestampWrites {
                query_set: &stamps.queries,
                beginning_of_pass_write_index: Some(0),
                end_of_pass_write_index: Some(1),
            });
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes });
            pass.set_pipeline(pipeline);
            pass.set_bind_group(0, group, &[]);
            pass.dispatch_workgroups(threads.div_ceil(self.options.workgroup), 1, 1);
        }
        let ledger_bytes = 4 * layout::LEDGER_WORDS as u64;
        encoder.copy_buffer_to_buffer(&l.ledger, 0, &l.ledger_out, 0, ledger_bytes);
        if let Some(stamps) = &self.stamps {
            encoder.resolve_query_set(&stamps.queries, 0..2, &stamps.resolved, 0);
            encoder.copy_buffer_to_buffer(&stamps.resolved, 0, &l.ledger_out, ledger_bytes, STAMP_BYTES);
        }
        self.queue.submit([encoder.finish()]);
    }

    /// Steps of the next dispatch, from the duration of the last.
    fn adapted(&self, steps: u32, took: Duration) -> u32 {
        let most_steps = if self.software { 400 } else { 4096 };
        if self.options.steps > 0 {
            steps
        } else if took < Duration::from_millis(60) {
            (2 * steps).min(most_steps)
        } else if took > Duration::from_millis(250) {
            (steps / 2).max(16)
        } else {
            steps
        }
    }
}
