//! A job as a number of short dispatches, of which one is always queued behind the one that runs; and the next job queued
//! behind the last of them, before the tally is read.

use super::flight::{Flight, Queued};
use super::loaded::{QUEUED, STAMP_BYTES};
use super::read_back::{flags_and_finished, ledger, ticks};
use super::{GpuEngine, layout};
use crate::clock::Moment;
use crate::kernel::single::context::Params;
use crate::tally::BatchTally;
use crate::transport::{EngineError, Job};
use std::collections::VecDeque;

/// A history is bounded by its step limit, so this many rounds without progress mean a dead device.
const IDLE_ROUNDS: u32 = 10_000;
/// A dispatch shorter than this is followed by one of twice as many steps, s.
const SHORT_SECONDS: f64 = 0.035;
/// A dispatch longer than this is followed by a shorter one, s. Twice a short one is not longer, and 100 ms, at which people who
/// look at the screen complain, are far enough.
const LONG_SECONDS: f64 = 0.07;
/// How long a shorter one is meant to be, s.
const AIM_SECONDS: f64 = 0.05;

impl GpuEngine {
    /// Runs a job to its end; then begins the `next` one and reads the tally while that runs.
    pub(super) async fn run_job(&mut self, job: &Job, next: Option<&Job>) -> Result<BatchTally, EngineError> {
        let mut flight = match self.flight.take().filter(|flight| flight.is(job)) {
            Some(flight) => flight,
            None => self.begin(job, 0)?,
        };
        let words = self.rounds(&mut flight, job.histories()).await?;
        let clock = Moment::now();
        let mut energy = std::mem::take(&mut self.spare).into_bins();
        energy.resize(self.held().scene.bins, 0);
        if self.held().tally_comes_whole() {
            self.copy_window(self.held(), 0, 8 * energy.len() as u64);
            self.begin_next(next, &flight)?;
            self.take_window(self.held(), &mut energy).await?;
        } else {
            self.read_tally(self.held(), &mut energy).await?;
            self.begin_next(next, &flight)?;
        }
        let (flags, finished) = flags_and_finished(&words);
        self.spent.read_back_seconds[job.pass as usize] += clock.seconds();
        Ok(BatchTally { energy, ledger: ledger(&words), histories: u64::from(finished), flags })
    }

    fn begin_next(&mut self, next: Option<&Job>, flight: &Flight) -> Result<(), EngineError> {
        if let Some(next) = next {
            self.flight = Some(self.begin(next, flight.turn)?);
        }
        Ok(())
    }

    /// Clears what a job writes and queues its first dispatches. `turn`: where the first writes its account.
    fn begin(&mut self, job: &Job, turn: usize) -> Result<Flight, EngineError> {
        let group = self.bind(job)?;
        let l = self.held();
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        for buffer in [&l.tally, &l.ledger, &l.threads] {
            encoder.clear_buffer(buffer, 0, None);
        }
        self.queue.submit([encoder.finish()]);
        let threads = self.thread_count().min(job.histories().max(1));
        let (steps, queued, read) = (self.steps[job.pass as usize], VecDeque::new(), Moment::now());
        let mut flight = Flight { pass: job.pass, params: job.params, group, threads, steps, queued, turn, read };
        self.fill(&mut flight);
        Ok(flight)
    }

    /// Queues dispatches until one is always ahead.
    fn fill(&self, flight: &mut Flight) {
        while flight.queued.len() < QUEUED {
            let (turn, steps) = (flight.turn, flight.steps);
            let (submission, submitted) = (self.dispatch(flight, turn), Moment::now());
            flight.queued.push_back(Queued { turn, steps, submission, submitted });
            flight.turn = (turn + 1) % QUEUED;
        }
    }

    /// Dispatches until all histories are finished. Returns the account in words.
    ///
    /// Errors: a dead device; a word that ends the job, which is heeded after the dispatch that runs.
    async fn rounds(&mut self, flight: &mut Flight, wanted: u32) -> Result<Vec<u32>, EngineError> {
        let slot = flight.pass as usize;
        let (mut idle_rounds, mut finished_before) = (0, 0);
        loop {
            self.fill(flight);
            let oldest = flight.queued.pop_front().expect("the queue was filled");
            self.await_submission(oldest.submission);
            let words = layout::LEDGER_WORDS + STAMP_BYTES as usize / 4;
            let mut words = self.read(&self.held().ledger_out[oldest.turn], words).await?;
            let took = match &self.stamps {
                Some(stamps) => ticks(&words[layout::LEDGER_WORDS..]) as f64 * stamps.tick_seconds,
                // it began when it was queued, or when the one before it ended
                None => oldest.submitted.seconds().min(flight.read.seconds()),
            };
            flight.read = Moment::now();
            self.spent.kernel_seconds[slot] += took;
            words.truncate(layout::LEDGER_WORDS);
            let (_, finished) = flags_and_finished(&words);
            idle_rounds = if finished == finished_before { idle_rounds + 1 } else { 0 };
            finished_before = finished;
            if finished >= wanted || idle_rounds > IDLE_ROUNDS {
                return Ok(words);
            }
            // what is queued behind this dispatch ends by itself; the next job begins by clearing what it writes
            if self.halt.asked() {
                return Err(EngineError::Halted);
            }
            flight.steps = self.adapted(oldest.steps, took);
            // towards a job's end threads run out of histories, and more steps take no longer: the next job's first dispatch
            // is not measured by that
            let all_busy = wanted - finished > flight.threads;
            if all_busy || flight.steps < self.steps[slot] {
                self.steps[slot] = flight.steps;
            }
        }
    }

    /// Submits one dispatch and copies the ledger and timestamps to the buffer of its turn.
    fn dispatch(&self, flight: &Flight, turn: usize) -> wgpu::SubmissionIndex {
        let l = self.held();
        let params = Params { threads: flight.threads, steps: flight.steps, ..flight.params };
        self.queue.write_buffer(&l.params, 0, bytemuck::bytes_of(&params));
        let (_, pipeline) =
            self.pipelines[flight.pass as usize].as_ref().expect("the pipeline is made before a job is bound");
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let timestamp_writes = self.stamps.as_ref().map(|stamps| wgpu::ComputePassTimestampWrites {
                query_set: &stamps.queries[turn],
                beginning_of_pass_write_index: Some(0),
                end_of_pass_write_index: Some(1),
            });
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes });
            pass.set_pipeline(pipeline);
            pass.set_bind_group(0, &flight.group, &[]);
            pass.dispatch_workgroups(flight.threads.div_ceil(self.options.workgroup), 1, 1);
        }
        let ledger_bytes = 4 * layout::LEDGER_WORDS as u64;
        encoder.copy_buffer_to_buffer(&l.ledger, 0, &l.ledger_out[turn], 0, ledger_bytes);
        if let Some(stamps) = &self.stamps {
            encoder.resolve_query_set(&stamps.queries[turn], 0..2, &stamps.resolved[turn], 0);
            encoder.copy_buffer_to_buffer(&stamps.resolved[turn], 0, &l.ledger_out[turn], ledger_bytes, STAMP_BYTES);
        }
        self.queue.submit([encoder.finish()])
    }

    /// Steps of the next dispatch, from the duration of the last.
    fn adapted(&self, steps: u32, took: f64) -> u32 {
        if self.options.steps > 0 { steps } else { steps_after(steps, took, if self.software { 400 } else { 4096 }) }
    }
}

/// Steps of a dispatch after one of so many steps that took so long, s; `most`: no more than these.
fn steps_after(steps: u32, took: f64, most: u32) -> u32 {
    if took > LONG_SECONDS {
        ((f64::from(steps) * AIM_SECONDS / took) as u32).max(16)
    } else if took < SHORT_SECONDS {
        (2 * steps).min(most)
    } else {
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On a device of any speed whose time goes as the steps, no dispatch takes 100 ms once the first did not, and their
    /// length settles.
    #[test]
    fn law_no_dispatch_takes_100_ms() {
        for exponent in -7..-2 {
            let second_a_step = 2.9 * 10f64.powi(exponent);
            let mut steps = 32;
            for _ in 0..40 {
                steps = steps_after(steps, second_a_step * f64::from(steps), 4096);
                assert!(second_a_step * f64::from(steps) < 0.1 || steps == 16, "{steps} steps of {second_a_step} s");
            }
            let took = second_a_step * f64::from(steps);
            assert!(steps == 4096 || steps == 16 || (SHORT_SECONDS..=LONG_SECONDS).contains(&took), "{took} s");
        }
    }
}
