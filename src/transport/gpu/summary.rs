//! Summary of each adapter for lists, and the automatic choice.

use crate::transport::DeviceInfo;

/// An adapter as `lutra devices` lists it.
#[derive(Clone, Debug)]
pub struct AdapterSummary {
    /// Number to ask for it by: `gpu:N`.
    pub number: usize,
    /// What it says of itself.
    pub info: DeviceInfo,
    /// Discrete, integrated, virtual, software or other.
    pub kind: &'static str,
    /// Largest storage buffer binding, bytes.
    pub max_binding_bytes: u64,
    /// Largest buffer, bytes.
    pub max_buffer_bytes: u64,
    /// Largest workgroup.
    pub max_workgroup: u32,
    /// Storage buffers a shader stage may bind.
    pub max_storage_buffers: u32,
}

impl AdapterSummary {
    /// Whether the kernel can run on it at all.
    pub fn usable(&self) -> bool {
        self.max_storage_buffers >= 8
    }
}

/// The adapter that `auto` takes: the first discrete, else integrated, else virtual one; never a software adapter,
/// which is slower than the CPU engine on the same cores.
pub fn automatic(adapters: &[AdapterSummary]) -> Option<usize> {
    ["discrete", "integrated", "virtual"]
        .iter()
        .find_map(|kind| adapters.iter().find(|a| a.kind == *kind && a.usable()))
        .map(|a| a.number)
}
