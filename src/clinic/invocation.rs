//! When and how a front end was asked: what a record says of the moment, and nothing else depends on.

use crate::clock::Moment;
use jiff::Timestamp;

/// A request as a person or a program made it.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The words of the command, the program's name first; empty where there was no command line.
    pub command: Vec<String>,
    /// The moment it was made.
    pub moment: Timestamp,
    began: Moment,
}

impl Invocation {
    /// A request made now. A target without a clock (WebAssembly) is told the moment: [`Invocation::at`].
    #[cfg(not(target_family = "wasm"))]
    pub fn now(command: Vec<String>) -> Self {
        Self::at(Timestamp::now(), command)
    }

    /// A request made at a moment that the front end tells.
    pub fn at(moment: Timestamp, command: Vec<String>) -> Self {
        Self { command, moment, began: Moment::now() }
    }

    /// Wall time since then, s.
    pub fn seconds(&self) -> f64 {
        self.began.seconds()
    }
}
