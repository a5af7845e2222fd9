//! Runs a session on an engine: one job or one batch, blocking or async. The loop itself is in `session`.

use crate::clock::Moment;
use crate::transport::error::RunError;
use crate::transport::session::Session;
use crate::transport::{AsyncEngine, Engine};

impl Session<'_> {
    /// Gives the scene to an engine.
    pub fn load(&mut self, engine: &mut dyn Engine) -> Result<(), RunError> {
        let (before, clock) = (engine.spent(), Moment::now());
        engine.load(self.scene())?;
        self.loaded(before, clock.seconds());
        Ok(())
    }

    /// Runs one job on an engine that has the scene. Returns false if the run was over already.
    pub fn step(&mut self, engine: &mut dyn Engine) -> Result<bool, RunError> {
        let Some(mut task) = self.task()? else { return Ok(false) };
        let tally = task.run_before(|job, next| engine.run_before(job, next))?;
        if let Some(bins) = self.take(task, tally, engine.spent())? {
            engine.reuse(bins);
        }
        Ok(true)
    }

    /// Runs jobs until one more batch is complete; before the first, the pilot. Returns false if the run is over.
    pub fn next_batch(&mut self, engine: &mut dyn Engine) -> Result<bool, RunError> {
        let before = self.batches_done();
        while self.step(engine)? {
            if self.batches_done() > before {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// As [`Session::load`].
    pub async fn load_async(&mut self, engine: &mut impl AsyncEngine) -> Result<(), RunError> {
        let (before, clock) = (engine.spent(), Moment::now());
        engine.load_async(self.scene()).await?;
        self.loaded(before, clock.seconds());
        Ok(())
    }

    /// As [`Session::step`].
    pub async fn step_async(&mut self, engine: &mut impl AsyncEngine) -> Result<bool, RunError> {
        let Some(task) = self.task()? else { return Ok(false) };
        let tally = engine.run_async(task.job()).await?;
        if let Some(bins) = self.take(task, tally, engine.spent())? {
            engine.reuse(bins);
        }
        Ok(true)
    }

    /// As [`Session::next_batch`].
    pub async fn next_batch_async(&mut self, engine: &mut impl AsyncEngine) -> Result<bool, RunError> {
        let before = self.batches_done();
        while self.step_async(engine).await? {
            if self.batches_done() > before {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
