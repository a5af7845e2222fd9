//! The only access to the clock: times are reported and decide how work is divided, but never affect a result.

use std::time::Duration;

#[cfg(not(target_family = "wasm"))]
use std::time::Instant;

/// A moment from which time is counted.
#[cfg(not(target_family = "wasm"))]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment(Instant);

#[cfg(not(target_family = "wasm"))]
impl Moment {
    /// This moment.
    pub(crate) fn now() -> Self {
        Self(Instant::now())
    }

    /// Time since then.
    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// A moment from which time is counted. A browser's module has no clock of its own: none passes.
#[cfg(target_family = "wasm")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment;

#[cfg(target_family = "wasm")]
impl Moment {
    /// This moment.
    pub(crate) fn now() -> Self {
        Self
    }

    /// No time.
    pub(crate) fn elapsed(self) -> Duration {
        Duration::ZERO
    }
}

impl Moment {
    /// Time since then, s.
    pub(crate) fn seconds(self) -> f64 {
        self.elapsed().as_secs_f64()
    }
}
