//! Stubs for a build that cannot wait for an adapter, without the feature `gpu` or for a browser: there is none.

use super::{AdapterSummary, GpuOptions};
use crate::transport::{Engine, EngineError};

/// No adapter.
pub fn list_adapters() -> Vec<AdapterSummary> {
    Vec::new()
}

/// Refuses every adapter.
///
/// Errors: always [`EngineError::NoDevice`].
pub fn open_blocking(_number: Option<usize>, _options: GpuOptions) -> Result<Box<dyn Engine>, EngineError> {
    Err(EngineError::NoDevice {
        found: "engine: found gpu; allowed: cpu, since this build of Lutra has no GPU engine".into(),
        hint: "use the CPU, or build Lutra with the feature `gpu`".into(),
    })
}
