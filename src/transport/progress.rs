//! Listener to the progress of a run, which may end it.

use crate::note::Note;
use crate::transport::halt::Halt;
use std::ops::ControlFlow;

/// Hears the progress of a run.
pub trait Progress {
    /// `fraction_done` 0 to 1; `sigma_rel`: 95th percentile over the target voxels, once known. `Break` ends the run
    /// before its next job, with a checkpoint if checkpoints are kept.
    fn update(&mut self, fraction_done: f64, sigma_rel: Option<f64>, message: &str) -> ControlFlow<()>;

    /// Something to be known at once; it is among the run's warnings too.
    fn note(&mut self, _note: &Note) {}

    /// By what a job can be ended in its middle; `None`: a run ends between jobs alone.
    fn halt(&self) -> Option<Halt> {
        None
    }
}

/// Hears nothing.
#[derive(Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn update(&mut self, _: f64, _: Option<f64>, _: &str) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}
