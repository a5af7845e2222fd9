//! What the fuzzers share: named bytes in memory, and the bound on what a refused file may cost.
//!
//! A reader that panics, takes longer than the fuzzer's limit, or refuses a file after asking for more memory than is stated
//! in `tests/it/io_mutations.rs` ends the run with the file that did it.

#[path = "../tests/it/counting.rs"]
mod counting;

use lutra::grid::VoxelGrid;
use lutra::place::{Buffers, Place};

#[global_allocator]
static COUNTING: counting::Counting = counting::Counting;

/// Memory that a refused file may cost, in sizes of the file.
const MOST_SIZES: usize = 4;
/// Memory beyond that, bytes: images.
pub const IMAGE_BYTES: usize = 512 << 10;
/// The same for a file that names JPEG 2000, whose decoder takes a stream buffer of 1 MiB before it reads the first byte.
pub const JPEG_2000_BYTES: usize = IMAGE_BYTES + (1 << 20) + (64 << 10);
/// The same for text: what a parser builds of `lutra::text::MAX_TOKENS` tokens.
pub const TEXT_BYTES: usize = 10 << 20;

/// A file of this name and these bytes, which no disk holds.
pub fn file(name: &str, bytes: &[u8]) -> Place {
    Buffers::new([(name.to_owned(), bytes.to_vec())]).expect("one file").place(name)
}

/// The grid on which contours and segments are drawn.
pub fn grid() -> VoxelGrid {
    VoxelGrid::axis_aligned([4; 3], [2.0; 3], [0.0; 3])
}

/// Calls a reader of `size` bytes.
///
/// # Panics
/// If it refuses the file after holding more than four times its size and `fixed_bytes`.
pub fn met<T, E>(reader: &str, size: usize, fixed_bytes: usize, read: impl FnOnce() -> Result<T, E>) {
    let (refused, memory) = counting::measured(|| read().is_err());
    let most = MOST_SIZES * size + fixed_bytes;
    assert!(!refused || memory.peak <= most, "{reader}: {memory:?} for a refused file of {size} bytes");
}

/// A parser of text, by the name of a file and its words; bytes that are no UTF-8 are refused before any parser is called.
pub fn text<T, E>(reader: &str, bytes: &[u8], parse: impl FnOnce(&str) -> Result<T, E>) {
    if let Ok(text) = str::from_utf8(bytes) {
        met(reader, bytes.len(), TEXT_BYTES, || parse(text));
    }
}

/// The bound of a DICOM object.
pub fn of_dicom(bytes: &[u8]) -> usize {
    let uids = ["1.2.840.10008.1.2.4.9", "1.2.840.10008.1.2.4.20"];
    let named = uids.iter().any(|uid| bytes.windows(uid.len()).any(|part| part == uid.as_bytes()));
    if named { JPEG_2000_BYTES } else { IMAGE_BYTES }
}
