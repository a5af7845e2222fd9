//! The only access to the clock: times are reported and decide how work is divided, but never affect a result.

use std::time::Duration;

#[cfg(not(target_family = "wasm"))]
use std::time::Instant;
#[cfg(all(target_family = "wasm", feature = "gpu"))]
use web_time::Instant;

/// A moment from which time is counted.
#[cfg(any(not(target_family = "wasm"), feature = "gpu"))]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment(Instant);

#[cfg(any(not(target_family = "wasm"), feature = "gpu"))]
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

/// A moment from which time is counted. WebAssembly has no clock of its own: none passes.
#[cfg(all(target_family = "wasm", not(feature = "gpu")))]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment;

#[cfg(all(target_family = "wasm", not(feature = "gpu")))]
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
