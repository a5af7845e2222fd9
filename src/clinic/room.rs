//! Memory and disk space of a run, checked before it begins: out of memory, a program dies without a message, and a
//! full disk loses the work of hours.

use super::failure::{OrUserError, UserError};
use crate::fault::{FaultKind, Setting, words};
use crate::io::atomic::AtomicOutputDir;

/// Memory of a run, bytes per voxel: 7.3 GB measured at 512 x 512 x 400 (docs/performance.md).
const RUN_BYTES_PER_VOXEL: u64 = 70;
/// Fixed memory of a run, bytes: program, tables, pictures.
const RUN_BYTES: u64 = 128 << 20;
/// Extra copies of an image's values in memory while it is reoriented and resampled.
const COPIES: u64 = 2;
/// Disk space of maps, tables and page, bytes per tissue voxel: four maps of four bytes, which compress to about half
/// because of noise.
const DISK_BYTES_PER_VOXEL: u64 = 8;

/// Checks the memory of a run on this many voxels; `name` is their source in messages.
///
/// Errors: this machine does not give it.
pub(super) fn for_run(name: &str, voxels: usize) -> Result<(), UserError> {
    ask(&format!("{name}: {voxels} voxels: memory"), run_bytes(voxels), available_bytes())
}

/// Memory of a run on this many voxels, bytes.
pub(super) fn run_bytes(voxels: usize) -> u64 {
    (voxels as u64).saturating_mul(RUN_BYTES_PER_VOXEL).saturating_add(RUN_BYTES)
}

/// Disk space of the maps of this many voxels of tissue, bytes.
pub(super) fn map_bytes(voxels: usize) -> u64 {
    (voxels as u64).saturating_mul(DISK_BYTES_PER_VOXEL)
}

/// Checks the memory to process an image with this many values of this many bytes.
///
/// Errors: this machine does not give it.
pub(super) fn for_image(name: &str, values: usize, bytes: usize) -> Result<(), UserError> {
    let needed = (values as u64).saturating_mul(bytes as u64).saturating_mul(COPIES);
    ask(&format!("{name}: {values} voxels: memory"), needed, available_bytes())
}

fn ask(what: &str, needed: u64, available: Option<u64>) -> Result<(), UserError> {
    // reserve and release at once: an address-space limit shows up here and not in the middle of a run
    let given = usize::try_from(needed).is_ok_and(|bytes| Vec::<u8>::new().try_reserve_exact(bytes).is_ok());
    let gb = |bytes: u64| bytes as f64 / 1e9;
    if given && available.is_none_or(|available| needed <= available) {
        return Ok(());
    }
    let found = available.filter(|available| *available < needed).map_or_else(
        || "less than this process may have".to_owned(),
        |available| format!("{:.2} GB free", gb(available)),
    );
    Err(UserError::invalid(
        what,
        "",
        found,
        format!("at least {:.2} GB, which the run needs", gb(needed)),
        words!("Give ", Setting::Grid, " with larger voxels, crop the images, or take a machine with more memory."),
    )
    .kind(FaultKind::TooLarge))
}

/// Available memory, swap included, bytes; `None` if `/proc` does not tell.
pub(super) fn available_bytes() -> Option<u64> {
    Some(memory_bytes("MemAvailable:")? + memory_bytes("SwapFree:").unwrap_or(0))
}

/// A figure of the machine's memory by its name in `/proc/meminfo`, bytes; `None` if `/proc` does not tell.
pub(super) fn memory_bytes(name: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(1024 * line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?)
}

/// Refuses a folder whose disk has no space for the maps of a scene with these densities.
///
/// Errors: less space than even well compressed maps need.
pub fn on_disk(folder: &AtomicOutputDir, density_g_cm3: &[f32]) -> Result<(), UserError> {
    let solid = |density: &&f32| f64::from(**density) >= crate::dose::AIR_LIMIT_G_CM3;
    let voxels = density_g_cm3.iter().filter(solid).count();
    folder.needs(map_bytes(voxels)).or_user_error()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn law_memory_that_is_not_there_is_refused_with_what_is_needed() {
        assert!(ask("a", 1 << 20, Some(1 << 30)).is_ok() && ask("a", 1 << 20, None).is_ok());
        let error = ask("ct.nii: 5 voxels: memory", 3_000_000_000, Some(1_000_000_000)).expect_err("too much");
        assert!(error.to_string().contains("found 1.00 GB free; allowed: at least 3.00 GB"), "{error}");
        assert!(ask("a", u64::MAX, None).expect_err("no address").to_string().contains("this process"));
        assert!(for_run("a", usize::MAX).is_err() && for_run("a", 1000).is_ok());
        assert!(for_image("a", usize::MAX, 8).is_err() && for_image("a", 1000, 8).is_ok());
    }
}
