//! The kernel as compute shaders on any adapter that wgpu reaches.
//!
//! A thread runs many histories in a flat loop and can stop after any step; a job is a number of short dispatches
//! until every history is finished. How the work is cut changes no bit of the result: histories have their own random
//! streams and tallies are integers.
//!
//! The engine awaits its device and never blocks; `native.rs` blocks for the native program. Without the feature `gpu`
//! the shaders are printed all the same, and no machine has an adapter (`absent.rs`).

#[cfg(feature = "gpu")]
mod adapters;
#[cfg(feature = "gpu")]
mod buffers;
#[cfg(feature = "gpu")]
mod dispatch;
#[cfg(feature = "gpu")]
mod engine;
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

#[cfg(not(feature = "gpu"))]
mod absent;

/// Sizes that host and shader share.
pub mod layout;

/// Order of the shader modules.
pub mod shader;

mod summary;

#[cfg(not(feature = "gpu"))]
pub use absent::{list_adapters, open_blocking};
#[cfg(feature = "gpu")]
pub use adapters::find_adapters;
#[cfg(feature = "gpu")]
pub use engine::GpuEngine;
#[cfg(all(feature = "gpu", not(target_family = "wasm")))]
pub use native::{list_adapters, open_blocking};
pub use summary::{AdapterSummary, automatic};

/// How the work is cut into threads and dispatches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GpuOptions {
    /// Threads of a dispatch; 0 chooses by the kind of device.
    pub threads: u32,
    /// Threads of a workgroup.
    pub workgroup: u32,
    /// Steps of a thread in one dispatch at most; 0 chooses by the kind of device and adapts to 100 to 250 ms.
    pub steps: u32,
}

impl Default for GpuOptions {
    fn default() -> Self {
        Self { threads: 0, workgroup: 64, steps: 0 }
    }
}
