//! An allocator that counts what each thread holds, so that a test can say how much memory a call took.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Counts per thread and hands on to the system.
pub struct Counting;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

fn count(change: isize, asked: usize) {
    // A thread that is ending has no counters any more: what it does then is not counted.
    let _ending = LIVE.try_with(|live| {
        live.set(live.get() + change);
        let _ending = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
        let _ending = LARGEST.try_with(|largest| largest.set(largest.get().max(asked)));
    });
}

// SAFETY: every call goes to the system's allocator as it came; counting touches no memory of the caller.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize, layout.size());
        // SAFETY: the caller's promises are the system's conditions.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize, layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize), 0);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize, size);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// What a call asked for on its own thread, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Most held at once beyond what was held before.
    pub peak: usize,
    /// Largest single request.
    pub largest: usize,
}

/// Calls `work` and says how much memory it took.
pub fn measured<T>(work: impl FnOnce() -> T) -> (T, Memory) {
    let before = LIVE.get();
    PEAK.set(before);
    LARGEST.set(0);
    let result = work();
    (result, Memory { peak: (PEAK.get() - before).max(0) as usize, largest: LARGEST.get() })
}

#[test]
fn alarm_counted_memory_is_what_was_asked_for() {
    let (kept, memory) = measured(|| {
        drop(vec![1u8; 1 << 20]);
        vec![1u8; 1 << 16]
    });
    assert_eq!(memory, Memory { peak: 1 << 20, largest: 1 << 20 });
    drop(kept);
    let mut grown: Vec<u8> = Vec::new();
    let ((), memory) = measured(|| (0..100_000).for_each(|n| grown.push(n as u8)));
    assert!(memory.largest >= 100_000 && memory.peak >= 100_000, "{memory:?}");
}
