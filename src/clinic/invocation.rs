//! When and how a request was made: recorded, and used for nothing else.

use crate::clock::Moment;
use jiff::Timestamp;

/// A request as made by a person or a program.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The command's arguments, program name first; empty without a command line.
    pub command: Vec<String>,
    /// Time of the request.
    pub moment: Timestamp,
    /// Whom the result is about, in the user's own words, for pages, pictures and records; none unless the user states it.
    pub patient_label: Option<String>,
    began: Moment,
}

impl Invocation {
    /// A request made now. Without a clock (WebAssembly) use [`Invocation::at`].
    #[cfg(not(target_family = "wasm"))]
    pub fn now(command: Vec<String>) -> Self {
        Self::at(Timestamp::now(), command)
    }

    /// A request made at a time given by the front end.
    pub fn at(moment: Timestamp, command: Vec<String>) -> Self {
        Self { command, moment, patient_label: None, began: Moment::now() }
    }

    /// Wall time since then, s.
    pub fn seconds(&self) -> f64 {
        self.began.seconds()
    }
}
