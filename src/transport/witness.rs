//! An engine with a witness: another engine carries a part of its jobs too, and both must leave the same integers.
//!
//! A device that passes the probe (`transport::gpu`) may count otherwise all the same: in a larger scene, with all its threads, by
//! a fault of its driver. Of the first, fourth, sixteenth job of a pass and so on the first histories are compared, bin by
//! bin; they are a part of the job, so that the device runs no history twice.

use crate::kernel::single::context::FLAG_TALLY_OVERFLOW;
use crate::tally::{BatchTally, EmptyBins};
use crate::transport::halt::Halt;
use crate::transport::spent::EngineSpent;
use crate::transport::{DeviceInfo, Engine, EngineError, Job, SceneData};
use std::sync::Arc;

/// Histories of a job that the witness of a browser's card carries: as many as it has threads. One thread of a processor takes a tenth of a
/// second for them.
pub const PART: u32 = 32_768;

/// An engine whose jobs are compared in part with those of a witness. Itself an engine.
#[derive(Debug)]
pub struct Witnessed<E, W> {
    engine: E,
    witness: W,
    /// Histories of a job that are compared.
    part: u32,
    /// Jobs done, by pass.
    jobs: [u32; 2],
}

impl<E: Engine, W: Engine> Witnessed<E, W> {
    /// `engine`, and the `witness` of the first `part` histories of a job, at least 1 ([`PART`]).
    pub fn new(engine: E, witness: W, part: u32) -> Self {
        Self { engine, witness, part: part.max(1), jobs: [0; 2] }
    }

    /// Where the compared part of a pass's next job ends, behind `before` others; `None`: it is not compared.
    fn compared(&self, job: &Job, before: u32) -> Option<u32> {
        let number = self.jobs[job.pass as usize] + before + 1;
        let power_of_four = number.is_power_of_two() && number.trailing_zeros().is_multiple_of(2);
        power_of_four.then(|| job.params.first.saturating_add(self.part).min(job.params.histories))
    }

    /// What the engine will be asked for first of a job behind `before` others of its pass.
    fn opening(&self, job: &Job, before: u32) -> Option<Job> {
        self.compared(job, before).map(|end| job.part(job.params.first, end))
    }

    /// Runs the part up to `end`, on the witness too.
    ///
    /// Errors: [`EngineError::Unfit`] where both differ.
    fn compare(&mut self, job: &Job, end: u32, next: Option<&Job>) -> Result<BatchTally, EngineError> {
        let part = job.part(job.params.first, end);
        let counted = self.engine.run_before(&part, next)?;
        let known = self.witness.run(&part)?;
        match difference(&counted, &known) {
            None => Ok(counted),
            Some(what) => {
                let (pass, batch, first) = (format!("{:?}", job.pass).to_lowercase(), job.batch(), job.params.first);
                let found = format!("{what} (histories {first} to {} of {pass} batch {batch})", end.saturating_sub(1));
                Err(EngineError::Unfit { device: self.engine.device().name, found })
            }
        }
    }
}

/// In what a tally differs from the known one, in words; `None`: in nothing.
fn difference(counted: &BatchTally, known: &BatchTally) -> Option<String> {
    if counted == known {
        return None;
    }
    let bins = counted.energy.iter().zip(&known.energy).filter(|(counted, known)| counted != known).count();
    Some(match (counted.histories == known.histories, counted.energy.len() == known.energy.len(), bins) {
        (false, ..) => format!("it finishes {} histories, the processor {}", counted.histories, known.histories),
        (_, false, _) => format!("it leaves {} bins, the processor {}", counted.energy.len(), known.energy.len()),
        (.., 0) => "its energy account or its flags differ from the processor's".to_owned(),
        (.., bins) => format!("{bins} bins of the tally differ from the processor's"),
    })
}

impl<E: Engine, W: Engine> Engine for Witnessed<E, W> {
    fn device(&self) -> DeviceInfo {
        self.engine.device()
    }

    fn load(&mut self, scene: Arc<SceneData>) -> Result<(), EngineError> {
        self.jobs = [0; 2];
        self.witness.load(Arc::clone(&scene))?;
        self.engine.load(scene)
    }

    fn heed(&mut self, halt: Halt) {
        self.witness.heed(halt.clone());
        self.engine.heed(halt);
    }

    fn run(&mut self, job: &Job) -> Result<BatchTally, EngineError> {
        self.run_before(job, None)
    }

    fn run_before(&mut self, job: &Job, next: Option<&Job>) -> Result<BatchTally, EngineError> {
        let compared = self.compared(job, 0);
        // what the engine is told to expect is what it will be asked for
        let opening = next.and_then(|next| self.opening(next, u32::from(next.pass == job.pass)));
        let next = opening.as_ref().or(next);
        let tally = match compared {
            None => self.engine.run_before(job, next)?,
            Some(end) if end == job.params.histories => self.compare(job, end, next)?,
            Some(end) => {
                let rest = job.part(end, job.params.histories);
                let mut whole = self.compare(job, end, Some(&rest))?;
                if whole.add(self.engine.run_before(&rest, next)?).is_err() {
                    whole.flags |= FLAG_TALLY_OVERFLOW;
                }
                whole
            }
        };
        self.jobs[job.pass as usize] += 1;
        Ok(tally)
    }

    fn reuse(&mut self, bins: EmptyBins) {
        self.engine.reuse(bins);
    }

    /// What the engine spent; the witness works meanwhile.
    fn spent(&self) -> EngineSpent {
        self.engine.spent()
    }
}
