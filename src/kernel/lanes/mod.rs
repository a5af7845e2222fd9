//! The kernel for several histories at once, in the lanes of SIMD registers.
//!
//! `kernel.rs` is printed from the kernel's source (`cargo xtask lanes`) and knows registers by their names alone; each
//! module here is one instruction set: its registers, the operations on them, and the printed text filled in. A lane's
//! numbers are bit for bit those of the scalar kernel: the same operations in the same order, none contracted. What
//! histories leave is collected in integers (`carry.rs`), so that their order does not matter.
//!
//! A history that ends leaves its lane to the next one at once: lanes idle only where histories part within a step.

use crate::kernel::single::context::Context;

mod carry;
#[rustfmt::skip]
mod kernel;

#[cfg(target_arch = "x86_64")]
#[allow(
    unused,
    non_snake_case,
    clippy::all,
    reason = "printed text, filled in: it reads like its source and not like what a person would write"
)]
mod avx2;
#[cfg(target_arch = "x86_64")]
#[allow(
    unused,
    non_snake_case,
    clippy::all,
    reason = "printed text, filled in: it reads like its source and not like what a person would write"
)]
mod avx512;
#[allow(
    unused,
    non_snake_case,
    clippy::all,
    reason = "printed text, filled in: it reads like its source and not like what a person would write"
)]
mod portable;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
#[allow(
    unused,
    non_snake_case,
    clippy::all,
    reason = "printed text, filled in: it reads like its source and not like what a person would write"
)]
#[rustfmt::skip]
mod simd128;

#[cfg(test)]
pub(crate) mod tests;

/// An instruction set that the lanes can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// Whatever vectors the compiler finds for plain arrays: SSE2, NEON.
    Portable,
    /// 256 bits of x86.
    Avx2,
    /// 512 bits of x86.
    Avx512,
    /// 128 bits of WebAssembly.
    Simd128,
}

impl Set {
    /// The sets that this machine has, the widest first.
    pub fn available() -> Vec<Set> {
        let mut sets = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            let common = is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("bmi1")
                && is_x86_feature_detected!("bmi2")
                && is_x86_feature_detected!("lzcnt")
                && is_x86_feature_detected!("popcnt");
            let wide = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512cd")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl");
            if common && wide {
                sets.push(Set::Avx512);
            }
            if common {
                sets.push(Set::Avx2);
            }
        }
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        sets.push(Set::Simd128);
        sets.push(Set::Portable);
        sets
    }

    /// Histories at once.
    pub fn lanes(self) -> usize {
        match self {
            Set::Portable => portable::N,
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => avx2::N,
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => avx512::N,
            #[cfg(not(target_arch = "x86_64"))]
            Set::Avx2 | Set::Avx512 => 0,
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Set::Simd128 => simd128::N,
            #[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
            Set::Simd128 => 0,
        }
    }

    /// Name as users read it.
    pub fn name(self) -> &'static str {
        match self {
            Set::Portable => "plain",
            Set::Avx2 => "AVX2",
            Set::Avx512 => "AVX-512",
            Set::Simd128 => "SIMD128",
        }
    }
}

/// Something that a history left in the tally.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Tally bin.
    pub bin: u32,
    /// Tally entries, negative where energy left.
    pub entries: i64,
}

/// Where the histories come from and where their entries go.
pub trait Feed {
    /// The next histories: the first, and the one behind the last; `None` when there are no more.
    fn take(&mut self) -> Option<(u32, u32)>;
    /// Takes some entries.
    fn pour(&mut self, entries: &[Entry]);
}

/// What histories left beside the tally.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Energy of all particles born, tally entries.
    pub emitted: u128,
    /// Energy left in matter, tally entries.
    pub deposited: u128,
    /// Energy that left the grid, tally entries.
    pub escaped: u128,
    /// Energy radiated, tally entries.
    pub radiated: u128,
    /// Energy estimated along photon tracks, tally entries.
    pub estimated: u128,
    /// Run flags.
    pub flags: u32,
    /// Histories finished.
    pub histories: u64,
}

/// Carries histories of the electron pass, or of the photon pass, from birth to end.
///
/// Panics when the machine lacks the set, and when a table has 2^31 entries or more.
pub fn carry(set: Set, photons: bool, cx: &Context<'_>, feed: &mut dyn Feed) -> Account {
    let lengths = [
        cx.voxels.len(),
        cx.electron_table.len(),
        cx.photon_table.len(),
        cx.scatter_table.len(),
        cx.emission_table.len(),
        cx.source_table.len(),
    ];
    assert!(lengths.iter().all(|&n| n < 1 << 31), "lanes count table entries with 31 bits");
    assert!(Set::available().contains(&set), "this machine has no {}", set.name());
    match set {
        Set::Portable => portable::carry(photons, cx, feed),
        // SAFETY: the machine has the set, which was just asked
        #[cfg(target_arch = "x86_64")]
        Set::Avx2 => unsafe { avx2::carry(photons, cx, feed) },
        // SAFETY: as above
        #[cfg(target_arch = "x86_64")]
        Set::Avx512 => unsafe { avx512::carry(photons, cx, feed) },
        #[cfg(not(target_arch = "x86_64"))]
        Set::Avx2 | Set::Avx512 => unreachable!("not a set of this machine"),
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        Set::Simd128 => simd128::carry(photons, cx, feed),
        #[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
        Set::Simd128 => unreachable!("not a set of this machine"),
    }
}

/// The numbers of the bits that are set, ascending.
#[inline(always)]
fn lanes_in_bits(bits: u32) -> impl Iterator<Item = usize> {
    let mut left = bits;
    std::iter::from_fn(move || {
        let lane = left.trailing_zeros() as usize;
        (left != 0).then(|| {
            left &= left - 1;
            lane
        })
    })
}
