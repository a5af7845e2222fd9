//! Notes on a request, during and after it.

use crate::fault::Words;
use std::ops::ControlFlow;

pub use crate::note::{Note, Severity};
pub use crate::transport::halt::Halt;

/// Listens to the progress of a request.
pub trait Listener {
    /// A note, as soon as it is known. Warnings about a result are in the result too.
    fn note(&mut self, note: Note);

    /// Progress of the transport: fraction done from 0 to 1, relative standard error reached if known, and what is
    /// being done. `Break` ends the run; with checkpoints it can be resumed.
    fn progress(&mut self, fraction_done: f64, sigma_rel: Option<f64>, what: &str) -> ControlFlow<()>;

    /// By what a run can be ended in the middle of a batch; `None`: only [`Listener::progress`] ends it.
    fn halt(&self) -> Option<Halt> {
        None
    }

    /// The transport is over.
    fn progress_ended(&mut self);
}

impl dyn Listener + '_ {
    /// Says what is being done.
    pub fn info(&mut self, code: &'static str, text: impl Into<Words>) {
        self.note(Note::info(code, text));
    }

    /// Says what must not be overlooked.
    pub fn warning(&mut self, code: &'static str, text: impl Into<Words>) {
        self.note(Note::warning(code, text));
    }
}

/// Hears nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unheard;

impl Listener for Unheard {
    fn note(&mut self, _: Note) {}

    fn progress(&mut self, _: f64, _: Option<f64>, _: &str) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn progress_ended(&mut self) {}
}

/// A listener as the transport's.
pub(crate) struct Heard<'a>(pub(crate) &'a mut dyn Listener);

impl crate::transport::run::Progress for Heard<'_> {
    fn update(&mut self, fraction_done: f64, sigma_rel: Option<f64>, message: &str) -> ControlFlow<()> {
        self.0.progress(fraction_done, sigma_rel, message)
    }

    fn note(&mut self, note: &Note) {
        self.0.note(note.clone());
    }

    fn halt(&self) -> Option<Halt> {
        self.0.halt()
    }
}
