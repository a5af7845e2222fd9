//! The kernel as compute shaders on any adapter that wgpu supports.
//!
//! A thread runs many histories in a flat loop and can stop after any step; a job is a series of short dispatches until
//! every history is finished. How the work is divided does not change a bit of the result: each history has its own
//! random stream and tallies are integers.
//!
//! The engine is async and never blocks; `native.rs` blocks for the native program. Without the feature `gpu` the
//! shaders are still printed, but no adapter is available (`absent.rs`), nor is one where no thread can wait for it, in a
//! browser: there a front end awaits the engine and lends it (`transport/machine.rs`).

#[cfg(feature = "gpu")]
mod adapters;
#[cfg(feature = "gpu")]
mod buffers;
#[cfg(feature = "gpu")]
mod dispatch;
#[cfg(feature = "gpu")]
mod engine;
#[cfg(feature = "gpu")]
mod flight;
#[cfg(feature = "gpu")]
mod loaded;
#[cfg(feature = "gpu")]
mod pipeline;
#[cfg(feature = "gpu")]
mod read_back;
#[cfg(feature = "gpu")]
mod trace;

#[cfg(all(feature = "gpu", not(target_family = "wasm")))]
mod native;

#[cfg(not(all(feature = "gpu", not(target_family = "wasm"))))]
mod absent;

/// Sizes that host and shader share.
pub mod layout;

/// Whether a device can be trusted.
pub mod probe;

/// Order of the shader modules.
pub mod shader;

mod summary;

#[cfg(not(all(feature = "gpu", not(target_family = "wasm"))))]
pub use absent::{list_adapters, open_blocking};
#[cfg(feature = "gpu")]
pub use adapters::find_adapters;
#[cfg(feature = "gpu")]
pub use engine::GpuEngine;
#[cfg(all(feature = "gpu", not(target_family = "wasm")))]
pub use native::{list_adapters, open_blocking};
pub use summary::{AdapterSummary, automatic};

/// How the work is divided into threads and dispatches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GpuOptions {
    /// Threads of a dispatch; 0 chooses by the kind of device.
    pub threads: u32,
    /// Threads of a workgroup.
    pub workgroup: u32,
    /// Steps of a thread in one dispatch at most; 0 chooses by the kind of device and adapts to 35 to 70 ms.
    pub steps: u32,
}

impl Default for GpuOptions {
    fn default() -> Self {
        Self { threads: 0, workgroup: 64, steps: 0 }
    }
}
