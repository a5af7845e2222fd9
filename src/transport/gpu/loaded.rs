//! What the engine keeps on the device.

use crate::transport::SceneData;
use std::sync::Arc;

/// Timestamps before and after a dispatch, where the device writes such.
#[derive(Debug)]
pub(super) struct Stamps {
    pub(super) queries: wgpu::QuerySet,
    pub(super) resolved: wgpu::Buffer,
    /// Seconds of a tick.
    pub(super) tick_seconds: f64,
}

/// Bytes of the two timestamps of a dispatch.
pub(super) const STAMP_BYTES: u64 = 16;

/// Buffers of a loaded scene.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) scene: Arc<SceneData>,
    pub(super) params: wgpu::Buffer,
    pub(super) voxels: wgpu::Buffer,
    pub(super) electron_table: wgpu::Buffer,
    pub(super) photon_table: wgpu::Buffer,
    pub(super) scatter_table: wgpu::Buffer,
    pub(super) electron_emission: wgpu::Buffer,
    pub(super) photon_emission: wgpu::Buffer,
    pub(super) source: wgpu::Buffer,
    pub(super) tally: wgpu::Buffer,
    pub(super) tally_out: wgpu::Buffer,
    pub(super) ledger: wgpu::Buffer,
    pub(super) ledger_out: wgpu::Buffer,
    pub(super) threads: wgpu::Buffer,
}

impl Loaded {
    /// All buffers, bytes.
    pub(super) fn bytes(&self) -> u64 {
        [
            &self.params,
            &self.voxels,
            &self.electron_table,
            &self.photon_table,
            &self.scatter_table,
            &self.electron_emission,
            &self.photon_emission,
            &self.source,
            &self.tally,
            &self.tally_out,
            &self.ledger,
            &self.ledger_out,
            &self.threads,
        ]
        .iter()
        .map(|buffer| buffer.size())
        .sum()
    }
}
