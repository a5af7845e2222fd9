//! Free space on a disk.

use std::path::Path;

use super::IoError;
use crate::fault::{Setting, words};

/// Space that any output needs, bytes: a page, tables, a record.
const LEAST: u64 = 1 << 20;

/// Bytes that may be written below a folder; `None` if the system does not tell.
#[cfg(unix)]
pub(crate) fn free_bytes(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    // some file systems without a size report 0 for all
    (disk.f_blocks > 0).then(|| disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(not(unix))]
pub(crate) fn free_bytes(_folder: &Path) -> Option<u64> {
    None
}

/// Refuses `target` if the disk of `folder` has less space than `bytes`.
///
/// Errors: too little room.
pub(super) fn ask(target: &Path, folder: &Path, bytes: u64) -> Result<(), IoError> {
    judged(target, free_bytes(folder), bytes)
}

fn judged(target: &Path, free: Option<u64>, bytes: u64) -> Result<(), IoError> {
    let needed = bytes.max(LEAST);
    let mb = |bytes: u64| bytes as f64 / 1e6;
    match free {
        Some(free) if free < needed => Err(IoError::invalid(
            target,
            "room on the disk",
            format!("{:.1} MB", mb(free)),
            format!("at least {:.1} MB, which the output needs", mb(needed)),
            words!("Free some space, or choose another ", Setting::Output, "."),
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn io_a_disk_without_room_is_refused_with_what_is_needed() {
        let target = Path::new("out");
        assert!(judged(target, None, u64::MAX).is_ok() && judged(target, Some(LEAST), 0).is_ok());
        for (free, bytes) in [(0, 0), (LEAST - 1, 0), (5_000_000, 5_000_001)] {
            let error = judged(target, Some(free), bytes).expect_err("too little").to_string();
            assert!(error.starts_with("out: room on the disk: found ") && error.contains("at least "), "{error}");
        }
        #[cfg(unix)]
        {
            assert!(free_bytes(Path::new(".")).is_some_and(|free| free > 0), "the system tells");
            let error = ask(target, Path::new("."), u64::MAX).expect_err("no disk has that").to_string();
            assert!(error.contains("MB, which the output needs"), "{error}");
        }
    }
}
