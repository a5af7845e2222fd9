//! Memory and disk: whether a patient of the usual size has room on this machine.

use super::record::{Check, Group};
use crate::clinic::room;
use crate::io::atomic::AtomicOutputDir;
use crate::io::space;

/// Voxels of a usual patient: CT of an abdomen on 2 mm, 50 cm across and 40 cm long.
const USUAL_VOXELS: usize = 250 * 250 * 200;

/// Whether memory and the disk of the output hold a usual patient.
pub(super) fn checks(folder: &AtomicOutputDir) -> Vec<Check> {
    let memory = (room::run_bytes(USUAL_VOXELS), room::available_bytes());
    let disk = (room::map_bytes(USUAL_VOXELS), space::free_bytes(folder.path()));
    vec![
        check("memory for a patient of 250 x 250 x 200 voxels", memory),
        check("disk for the maps of that patient", disk),
    ]
}

/// Whether there is as much as is needed, bytes; where the system does not tell, the run asks again by itself.
fn check(name: &str, (needed, there): (u64, Option<u64>)) -> Check {
    let gb = |bytes: u64| bytes as f64 / 1e9;
    let found =
        there.map_or_else(|| "the system does not tell".to_owned(), |bytes| format!("{:.1} GB free", gb(bytes)));
    let good = there.is_none_or(|there| there >= needed);
    Check::new(Group::Room, name, good, found, format!("at least {:.2} GB", gb(needed))).of_this_machine()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alarm_too_little_room_rings() {
        assert!(!check("memory", (1000, Some(1000))).fails() && !check("memory", (1000, None)).fails());
        let little = check("memory", (2_000_000_000, Some(1_900_000_000)));
        assert!(little.fails() && little.here);
        assert_eq!((little.found.as_str(), little.expected.as_str()), ("1.9 GB free", "at least 2.00 GB"));
    }
}
