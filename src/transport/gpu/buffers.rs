//! Buffers on the device.

use super::loaded::{Loaded, STAMP_BYTES};
use super::{GpuEngine, layout};
use crate::kernel::single::context::Params;
use crate::transport::emission::Pass;
use crate::transport::{EngineError, SceneData};
use std::sync::Arc;

impl GpuEngine {
    /// A buffer of this many bytes, if the device allows it.
    pub(super) fn buffer(
        &self,
        label: &'static str,
        bytes: u64,
        usage: wgpu::BufferUsages,
    ) -> Result<wgpu::Buffer, EngineError> {
        let allowed = if usage.contains(wgpu::BufferUsages::STORAGE) {
            self.limits.max_storage_buffer_binding_size.min(self.limits.max_buffer_size)
        } else {
            self.limits.max_buffer_size
        };
        if bytes > allowed {
            return Err(EngineError::TooLarge {
                what: label,
                needed_mib: bytes as f64 / 1_048_576.0,
                allowed_mib: allowed as f64 / 1_048_576.0,
                device: self.info.name.clone(),
            });
        }
        Ok(self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size: bytes.max(16),
            usage,
            mapped_at_creation: false,
        }))
    }

    fn filled<T: bytemuck::Pod>(&self, label: &'static str, data: &[T]) -> Result<wgpu::Buffer, EngineError> {
        let bytes = bytemuck::cast_slice(data);
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
        let buffer = self.buffer(label, bytes.len() as u64, usage)?;
        if !bytes.is_empty() {
            self.queue.write_buffer(&buffer, 0, bytes);
        }
        Ok(buffer)
    }

    fn ledger_out(&self) -> Result<wgpu::Buffer, EngineError> {
        let bytes = 4 * layout::LEDGER_WORDS as u64 + STAMP_BYTES;
        self.buffer("lutra.ledger_out", bytes, wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST)
    }

    /// Brings a scene to the device.
    pub(super) fn hold(&mut self, scene: Arc<SceneData>) -> Result<(), EngineError> {
        use wgpu::BufferUsages as U;
        (self.loaded, self.flight) = (None, None);
        let thread_bytes = 4
            * u64::from(self.thread_count())
            * layout::thread_words(Pass::Electron).max(layout::thread_words(Pass::Photon)) as u64;
        let separate = self.kind == wgpu::DeviceType::DiscreteGpu;
        let loaded = Loaded {
            params: self.buffer("lutra.params", size_of::<Params>() as u64, U::UNIFORM | U::COPY_DST)?,
            voxels: self.filled("lutra.voxels", &scene.voxels)?,
            electron_table: self.filled("lutra.electron_table", &scene.electron_table)?,
            photon_table: self.filled("lutra.photon_table", &scene.photon_table)?,
            scatter_table: self.filled("lutra.scatter_table", &scene.scatter_table)?,
            electron_emission: self.filled("lutra.electron_emission", &scene.electron_emission.words)?,
            photon_emission: self.filled("lutra.photon_emission", &scene.photon_emission.words)?,
            source: self.buffer("lutra.source", 16, U::STORAGE | U::COPY_DST)?,
            tally: self.buffer("lutra.tally", 8 * scene.bins as u64, U::STORAGE | U::COPY_SRC | U::COPY_DST)?,
            tally_out: self.buffer("lutra.tally_out", window_bytes(scene.bins, separate), U::MAP_READ | U::COPY_DST)?,
            window_on_host: separate,
            ledger: self.buffer(
                "lutra.ledger",
                4 * layout::LEDGER_WORDS as u64,
                U::STORAGE | U::COPY_SRC | U::COPY_DST,
            )?,
            // the timestamps lie behind the ledger: one copy to the host brings both
            ledger_out: [self.ledger_out()?, self.ledger_out()?],
            threads: self.buffer("lutra.threads", thread_bytes, U::STORAGE | U::COPY_SRC | U::COPY_DST)?,
            scene,
        };
        self.check()?;
        self.spent.device_bytes = loaded.bytes();
        self.loaded = Some(loaded);
        Ok(())
    }
}

/// Size of the window through which a tally with this many bins is read back. A device with a memory of its own
/// (`separate`) writes it into the host's: the whole at once, up to 256 MiB, so that the next job can begin. Elsewhere it is an
/// eighth of the tally, at most 16 MiB: a copy of the whole would take as much memory as the tally itself.
fn window_bytes(bins: usize, separate: bool) -> u64 {
    if separate {
        return 8 * (bins as u64).clamp(2, 32 << 20);
    }
    let eighth = (bins as u64).div_ceil(8).min(2 << 20);
    // a small tally comes at once
    8 * eighth.max(1 << 13).min(bins.max(2) as u64)
}

#[cfg(test)]
mod tests {
    use super::window_bytes;

    /// No more than an eighth of a large tally, never nothing, whole bins.
    #[test]
    fn law_the_window_is_a_small_part_of_the_tally() {
        for bins in [1, 2, 3, 8192, 100_000, 1 << 24, 1 << 30] {
            let bytes = window_bytes(bins, false);
            assert!(bytes >= 16 && bytes.is_multiple_of(8));
            assert!(bytes <= (bins as u64).div_ceil(8) * 8 || bins <= 65_536, "{bins} bins: {bytes} B");
            assert!(bytes <= 16 << 20);
            let whole = window_bytes(bins, true);
            assert!(whole == 8 * bins.max(2) as u64 || whole == 256 << 20);
        }
    }
}
