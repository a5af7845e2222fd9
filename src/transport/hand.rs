//! The current engine, and the fallback that takes over when it fails.

use crate::note::Note;
use crate::tally::{BatchTally, EmptyBins};
use crate::transport::halt::Halt;
use crate::transport::spent::EngineSpent;
use crate::transport::{DeviceInfo, Engine, EngineError, Job, SceneData};
use std::sync::Arc;

/// Makes the fallback engine.
pub type Fallback<'a> = dyn FnMut() -> Box<dyn Engine> + Send + 'a;

/// The current engine with a fallback that takes over when it fails. Itself an engine.
pub(crate) struct Hand<'a> {
    asked: &'a mut dyn Engine,
    other: Option<Box<dyn Engine>>,
    fallback: Option<&'a mut Fallback<'a>>,
    scene: Option<Arc<SceneData>>,
    halt: Halt,
    /// What the user should know.
    pub(crate) warnings: Vec<Note>,
}

impl<'a> Hand<'a> {
    /// `asked` is the engine; `fallback` makes the other one. Without it a failure ends the run.
    pub(crate) fn new(asked: &'a mut dyn Engine, fallback: Option<&'a mut Fallback<'a>>) -> Self {
        Self { asked, other: None, fallback, scene: None, halt: Halt::default(), warnings: Vec::new() }
    }

    fn engine(&mut self) -> &mut dyn Engine {
        match &mut self.other {
            Some(engine) => engine.as_mut(),
            None => self.asked,
        }
    }

    /// Switches to the fallback, if there is one, because of `error`.
    fn change(&mut self, error: EngineError, done: &str) -> Result<(), EngineError> {
        let reason = match &error {
            EngineError::Device { device, message } => format!("{device} failed ({message})"),
            EngineError::TooLarge { what, needed_mib, allowed_mib, device } => {
                format!("{device} is too small: {what} needs {needed_mib:.0} MiB of {allowed_mib:.0} MiB")
            }
            // a device is probed when it is opened, before a run
            EngineError::NoDevice { .. }
            | EngineError::Threads { .. }
            | EngineError::Unfit { .. }
            | EngineError::Halted => return Err(error),
        };
        let (Some(make), Some(scene)) = (self.fallback.take(), &self.scene) else { return Err(error) };
        let mut engine = make();
        engine.heed(self.halt.clone());
        engine.load(Arc::clone(scene))?;
        self.warnings.push(Note::warning(
            "engine-changed",
            format!("{reason}: {done} on {} with the same result", engine.device().name),
        ));
        self.other = Some(engine);
        Ok(())
    }
}

impl Engine for Hand<'_> {
    fn device(&self) -> DeviceInfo {
        self.other.as_ref().map_or_else(|| self.asked.device(), |other| other.device())
    }

    fn load(&mut self, scene: Arc<SceneData>) -> Result<(), EngineError> {
        self.scene = Some(Arc::clone(&scene));
        self.engine().load(scene).or_else(|error| self.change(error, "the run was done"))
    }

    fn heed(&mut self, halt: Halt) {
        self.halt = halt.clone();
        self.engine().heed(halt);
    }

    /// A failed job counts for nothing; the fallback runs it again from the start.
    fn run(&mut self, job: &Job) -> Result<BatchTally, EngineError> {
        self.run_before(job, None)
    }

    /// A failed job counts for nothing; the fallback runs it again from the start.
    fn run_before(&mut self, job: &Job, next: Option<&Job>) -> Result<BatchTally, EngineError> {
        self.engine().run_before(job, next).or_else(|error| {
            self.change(error, &format!("the run went on from batch {}", job.batch()))?;
            self.engine().run(job)
        })
    }

    fn reuse(&mut self, bins: EmptyBins) {
        self.engine().reuse(bins);
    }

    /// What both engines spent.
    fn spent(&self) -> EngineSpent {
        match &self.other {
            Some(other) => self.asked.spent().and(&other.spent()),
            None => self.asked.spent(),
        }
    }
}
