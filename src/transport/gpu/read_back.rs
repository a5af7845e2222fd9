//! Asynchronous transfer from the device to the host.
//!
//! A native device makes progress only while it is polled, so each poll of the future polls the device and asks to be
//! woken at once (`native.rs` waits in between). A browser polls its devices itself.

use super::loaded::Loaded;
use super::{GpuEngine, layout};
use crate::tally::Ledger;
use crate::transport::EngineError;
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

/// A buffer being copied to the host.
#[derive(Default)]
struct Coming {
    came: Option<Result<(), wgpu::BufferAsyncError>>,
    waker: Option<Waker>,
}

/// Unmaps a buffer when dropped, even if its future is cancelled, so that the next job can map it.
struct Unmaps<'a>(&'a wgpu::Buffer);

impl Drop for Unmaps<'_> {
    fn drop(&mut self) {
        self.0.unmap();
    }
}

const WHOLE: &str = "no thread panics while it holds the note of a buffer";

impl GpuEngine {
    fn failed(&self, message: String) -> EngineError {
        EngineError::Device { device: self.info.name.clone(), message }
    }

    /// Copies `words` out of a mappable buffer once the queue is done.
    pub(super) async fn read(&self, buffer: &wgpu::Buffer, words: usize) -> Result<Vec<u32>, EngineError> {
        self.mapped(buffer, 4 * words as u64, |bytes| bytemuck::cast_slice::<u8, u32>(bytes).to_vec()).await
    }

    /// Shows the first `bytes` of a mappable buffer once the queue is done.
    async fn mapped<R>(
        &self,
        buffer: &wgpu::Buffer,
        bytes: u64,
        take: impl FnOnce(&[u8]) -> R,
    ) -> Result<R, EngineError> {
        let coming = Arc::new(Mutex::new(Coming::default()));
        let note = Arc::clone(&coming);
        buffer.slice(0..bytes).map_async(wgpu::MapMode::Read, move |came| {
            let mut coming = note.lock().expect(WHOLE);
            coming.came = Some(came);
            if let Some(waker) = coming.waker.take() {
                waker.wake();
            }
        });
        let mapping = Unmaps(buffer);
        // what was last named is what the mapping waits for
        if let Err(error) = poll_fn(|context| self.poll_mapped(&coming, context)).await {
            // a mapping that failed cannot be unmapped
            std::mem::forget(mapping);
            return Err(error);
        }
        let view = buffer.slice(0..bytes).get_mapped_range().map_err(|e| self.failed(e.to_string()))?;
        Ok(take(&view))
    }

    fn poll_mapped(&self, coming: &Mutex<Coming>, context: &mut Context<'_>) -> Poll<Result<(), EngineError>> {
        let native = cfg!(not(target_family = "wasm"));
        if native {
            self.device.poll(wgpu::PollType::Poll).map_err(|e| self.failed(e.to_string()))?;
        }
        self.check()?;
        let mut coming = coming.lock().expect(WHOLE);
        if let Some(came) = coming.came.take() {
            return Poll::Ready(came.map_err(|e| self.failed(e.to_string())));
        }
        coming.waker = Some(context.waker().clone());
        if native {
            context.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Names the submission that the next mapping waits for.
    pub(super) fn await_submission(&self, index: wgpu::SubmissionIndex) {
        *self.awaited.lock().expect(WHOLE) = Some(index);
    }

    /// Queues the copy of a window of the tally.
    pub(super) fn copy_window(&self, l: &Loaded, from: u64, bytes: u64) {
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(&l.tally, from, &l.tally_out, 0, bytes);
        self.await_submission(self.queue.submit([encoder.finish()]));
    }

    /// Shows the window that was copied.
    pub(super) async fn take_window(&self, l: &Loaded, part: &mut [i64]) -> Result<(), EngineError> {
        self.mapped(&l.tally_out, 8 * part.len() as u64, |bytes| {
            for (bin, bytes) in part.iter_mut().zip(bytes.as_chunks::<8>().0) {
                *bin = i64::from_le_bytes(*bytes);
            }
        })
        .await
    }

    /// Copies the tally to the host, a window at a time.
    pub(super) async fn read_tally(&self, l: &Loaded, bins: &mut [i64]) -> Result<(), EngineError> {
        let window = (l.tally_out.size() / 8) as usize;
        for (n, part) in bins.chunks_mut(window).enumerate() {
            self.copy_window(l, 8 * (n * window) as u64, 8 * part.len() as u64);
            self.take_window(l, part).await?;
        }
        Ok(())
    }
}

/// The account that the device keeps in words.
pub(super) fn ledger(words: &[u32]) -> Ledger {
    Ledger {
        emitted: account(words, 0),
        deposited: account(words, 1),
        escaped: account(words, 2),
        radiated: account(words, 3),
        estimated: account(words, 4),
    }
}

/// Flags raised, histories finished.
pub(super) fn flags_and_finished(words: &[u32]) -> (u32, u32) {
    (words[layout::LEDGER_FLAGS], words[layout::LEDGER_FINISHED])
}

/// Ticks between two timestamps of two words each.
pub(super) fn ticks(words: &[u32]) -> u64 {
    let stamp = |n: usize| u64::from(words[n]) | (u64::from(words[n + 1]) << 32);
    stamp(2).saturating_sub(stamp(0))
}

/// Value of an account of three words.
fn account(words: &[u32], place: usize) -> u128 {
    (0..3).map(|i| u128::from(words[3 * place + i]) << (32 * i)).sum()
}
