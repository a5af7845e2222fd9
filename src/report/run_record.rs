//! The run record `run.json`: enough to say what was computed, from what, by what and how well, and to do it again.

use super::EnergyBalance;
use crate::digest;
use crate::dose::regions::RegionDose;
use crate::note::{Note, in_record};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

/// Version of this record's layout; raised when a field changes meaning or goes.
pub const SCHEMA: u32 = 1;

/// One input file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InputFile {
    /// What it was used as: `ct`, `activity`, `labels` and so on.
    pub role: String,
    /// The path as the user gave it; for made inputs, where they were written.
    pub path: String,
    /// Size, bytes.
    pub bytes: u64,
    /// SHA-256 of the file as it lies on disk, lower-case hexadecimal.
    pub sha256: String,
}

impl InputFile {
    /// The file at `path` with these bytes.
    pub fn of(role: &str, path: &Path, bytes: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update(bytes);
        let path = path.display().to_string();
        Self { role: role.to_owned(), path, bytes: bytes.len() as u64, sha256: digest::finished(hash) }
    }

    /// Reads and hashes the file at `path`.
    pub fn read(role: &str, path: &Path) -> io::Result<Self> {
        let mut reader = BufReader::with_capacity(1 << 16, File::open(path)?);
        let mut hash = Sha256::new();
        let mut chunk = vec![0; 1 << 16];
        let mut bytes = 0;
        loop {
            let count = reader.read(&mut chunk)?;
            if count == 0 {
                break;
            }
            hash.update(&chunk[..count]);
            bytes += count as u64;
        }
        Ok(Self { role: role.to_owned(), path: path.display().to_string(), bytes, sha256: digest::finished(hash) })
    }
}

/// The machine that ran the transport.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Device {
    /// Engine: `cpu` or `gpu`.
    pub engine: String,
    /// Name of the device.
    pub name: String,
    /// Graphics interface, or `threads`.
    pub backend: String,
    /// Driver and its version; empty for the CPU.
    pub driver: String,
}

/// Histories of one pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PassRecord {
    /// Name of the pass: `electron` or `photon`.
    pub pass: String,
    /// Number of histories.
    pub histories: u64,
    /// Number of statistically independent batches.
    pub batches: u32,
}

/// Geometry and totals of the scene that was computed on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SceneRecord {
    /// Number of voxels along the index axes.
    pub dims: [usize; 3],
    /// Edge lengths of a voxel, mm.
    pub spacing_mm: [f64; 3],
    /// Voxel index to world RAS mm.
    pub affine: [[f64; 4]; 3],
    /// Sum of the decays in the activity file.
    pub decays_in_file: f64,
    /// Sum of the decays on the grid of the scene.
    pub decays_on_grid: f64,
    /// Mass of the scene, g.
    pub mass_g: f64,
}

/// What the run cost.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CostRecord {
    /// CPU time of the process, s; `None` if the system does not tell.
    pub cpu_seconds: Option<f64>,
    /// CPU time of the transport, s.
    pub transport_cpu_seconds: f64,
    /// Wall time of the transport, s.
    pub transport_wall_seconds: f64,
    /// Wall time from the start of the program to the writing of this record, s.
    pub wall_seconds: f64,
    /// Peak resident memory, bytes; `None` if the system does not tell.
    pub peak_memory_bytes: Option<u64>,
}

/// What a run has to say on items of the AAPM's reporting guideline for Monte Carlo studies (TG-268, RECORDS: Sechopoulos et
/// al., Med. Phys. 45 (2018) e1, Table I; docs/dossier/tg268.md).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GuidelineItem {
    /// Numbers of the items, 1 to 20.
    pub items: Vec<u8>,
    /// What they are about.
    pub name: &'static str,
    /// What this run says.
    pub says: String,
    /// Where the record holds it, as JSON pointers (RFC 6901) into itself; empty where it is no matter of a run.
    pub fields: Vec<&'static str>,
}

/// The whole record.
#[derive(Clone, Debug, Serialize)]
pub struct RunRecord {
    /// Layout version, [`SCHEMA`].
    pub schema: u32,
    /// Program and its version.
    pub program: String,
    /// Operating system and architecture of the program.
    pub platform: String,
    /// Command line as given.
    pub command: Vec<String>,
    /// Whom it is about, in the user's own words; left out unless stated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patient_label: Option<String>,
    /// When the run began, UTC, ISO 8601.
    pub started_utc: String,
    /// Input files.
    pub inputs: Vec<InputFile>,
    /// Every setting by name, defaults included.
    pub settings: BTreeMap<String, Value>,
    /// Data sets with their edition: nuclide, cross sections, stopping powers, tissues, CT curve.
    pub data_sets: BTreeMap<String, String>,
    /// Seed of the random numbers.
    pub seed: u64,
    /// Machine that ran the transport.
    pub device: Device,
    /// The grid and what lies on it.
    pub scene: SceneRecord,
    /// Histories of each pass.
    pub passes: Vec<PassRecord>,
    /// Where the energy went, in tally entries (2^-5 eV times 2^-16).
    pub energy_balance: Vec<EnergyBalance>,
    /// SHA-256 over the integer tallies: equal on every machine for equal inputs and settings.
    pub tally_sha256: String,
    /// Regions, as in `organs.csv`.
    pub regions: Vec<RegionDose>,
    /// How sure their doses are, by region: parts with size, kind and origin, total, 95 % interval, what is not assessed, and
    /// what to improve.
    pub budget: BTreeMap<String, Value>,
    /// Cost.
    pub cost: CostRecord,
    /// The twenty items of the AAPM's guideline.
    pub tg268: Vec<GuidelineItem>,
    /// What the reader should know before trusting the numbers: sentences as `warnings`, data as `notes`.
    #[serde(flatten, serialize_with = "in_record")]
    pub warnings: Vec<Note>,
    /// SHA-256 of each file written, by name; the record itself left out.
    pub outputs: BTreeMap<String, String>,
}

impl RunRecord {
    /// Writes the record as indented JSON with a line feed at the end.
    pub fn write<W: Write>(&self, mut to: W) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut to, self).map_err(io::Error::from)?;
        to.write_all(b"\n")
    }
}

/// Name and version of this program.
pub fn program() -> String {
    format!("lutra {}", env!("CARGO_PKG_VERSION"))
}

/// Operating system and architecture.
pub fn platform() -> String {
    format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH)
}

/// Peak resident memory of this process, bytes; `None` if `/proc` does not tell.
pub fn peak_memory_bytes() -> Option<u64> {
    peak_from_status(&std::fs::read_to_string("/proc/self/status").ok()?)
}

/// Lets [`peak_memory_bytes`] count from now on; whether that is possible here.
pub fn reset_peak_memory() -> bool {
    std::fs::write("/proc/self/clear_refs", "5").is_ok()
}

fn peak_from_status(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// CPU time of this process, user and system of all threads, s; `None` if `/proc` does not tell.
pub fn cpu_seconds() -> Option<f64> {
    cpu_from_stat(&std::fs::read_to_string("/proc/self/stat").ok()?)
}

/// Fields 14 and 15 of proc(5) `stat`, in ticks of 1/100 s (USER_HZ, fixed at 100 towards user space on Linux).
fn cpu_from_stat(stat: &str) -> Option<f64> {
    // The name in field 2 may hold spaces and brackets: count from its last bracket.
    let after_name = &stat[stat.rfind(')')? + 1..];
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / 100.0)
}

/// A moment as ISO 8601 in UTC to the second, as in `2026-11-22T08:01:16Z`.
pub fn utc(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn io_hash_is_sha256_of_the_file() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = directory.path().join("abc");
        std::fs::write(&path, "abc").expect("write");
        let file = InputFile::read("ct", &path).expect("read");
        // FIPS 180-4 example B.1.
        assert_eq!(file.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!((file.bytes, file.role.as_str()), (3, "ct"));
    }

    #[test]
    fn io_moments_read_as_utc() {
        let at = |seconds: i64| utc(Timestamp::from_second(seconds).expect("a moment of jiff's range"));
        assert_eq!(at(0), "1970-01-01T00:00:00Z");
        assert_eq!(at(951_827_696), "2000-02-29T12:34:56Z");
        assert_eq!(at(1_795_334_476), "2026-11-22T08:01:16Z");
        assert_eq!(at(4_107_542_399), "2100-02-28T23:59:59Z");
        assert_eq!(at(4_107_542_400), "2100-03-01T00:00:00Z");
    }

    #[test]
    fn io_proc_files_are_read() {
        assert_eq!(peak_from_status("Name:\tlutra\nVmHWM:\t    1024 kB\nVmRSS:\t 8 kB\n"), Some(1 << 20));
        assert_eq!(peak_from_status("Name:\tlutra\n"), None);
        let stat = "42 (a) b) R 1 1 1 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 1 0 5 0";
        assert_eq!(cpu_from_stat(stat), Some(3.0));
        assert_eq!(cpu_from_stat("nonsense"), None);
    }
}
