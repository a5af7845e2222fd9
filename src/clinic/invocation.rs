//! When and how a front end was asked: what a record says of the moment, and nothing else depends on.

use std::time::{Instant, SystemTime};

/// A request as a person or a program made it.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The words of the command, the program's name first; empty where there was no command line.
    pub command: Vec<String>,
    /// The moment it was made.
    pub moment: SystemTime,
    began: Instant,
}

impl Invocation {
    /// A request made now.
    pub fn now(command: Vec<String>) -> Self {
        Self { command, moment: SystemTime::now(), began: Instant::now() }
    }

    /// Wall time since then, s.
    pub fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }
}
