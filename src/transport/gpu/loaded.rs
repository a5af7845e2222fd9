//! What the engine keeps on the device.

use crate::transport::SceneData;
use std::sync::Arc;

/// Dispatches that are queued at once: one runs while the account of the other is read.
pub(super) const QUEUED: usize = 2;

/// Timestamps before and after each queued dispatch, where the device writes such.
#[derive(Debug)]
pub(super) struct Stamps {
    pub(super) queries: [wgpu::QuerySet; QUEUED],
    pub(super) resolved: [wgpu::Buffer; QUEUED],
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
    /// Whether that lies in the host's memory.
    pub(super) window_on_host: bool,
    pub(super) ledger: wgpu::Buffer,
    pub(super) ledger_out: [wgpu::Buffer; QUEUED],
    pub(super) threads: wgpu::Buffer,
}

impl Loaded {
    /// Whether one window takes the whole tally.
    pub(super) fn tally_comes_whole(&self) -> bool {
        self.tally_out.size() >= 8 * self.scene.bins as u64
    }

    /// All buffers in the device's memory, bytes.
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
            &self.ledger,
            &self.ledger_out[0],
            &self.ledger_out[1],
            &self.threads,
        ]
        .iter()
        .map(|buffer| buffer.size())
        .sum::<u64>()
            + if self.window_on_host { 0 } else { self.tally_out.size() }
    }
}
