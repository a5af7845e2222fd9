//! Text files and packed images made to do harm, met as a user meets them: the program refuses each by name, in little
//! time and in an address space of 200 MiB.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::io_nifti::Made;
use crate::needs;

/// Longest time that a refusal may take.
const LONGEST: Duration = Duration::from_secs(2);
/// Address space, KiB.
const MEMORY_KIB: u32 = 200 * 1024;

/// Runs the program on a file in little memory: its exit code and what it said.
fn limited(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, Duration) {
    let script = format!("ulimit -v {MEMORY_KIB}; exec \"$0\" \"$@\"");
    let start = Instant::now();
    let output = Command::new("sh")
        .current_dir(folder)
        .args(["-c", &script, env!("CARGO_BIN_EXE_lutra")])
        .args(arguments)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned(), start.elapsed())
}

fn packed(head: &[u8], zeros_mib: usize) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::best());
    out.write_all(head).unwrap();
    let block = vec![0u8; 1 << 20];
    (0..zeros_mib).for_each(|_| out.write_all(&block).unwrap());
    out.finish().unwrap()
}

/// A course with one field changed.
fn course(line: &str, other: &str) -> Vec<u8> {
    let plain = "schema = 1\nprotocol = \"iluminet\"\n[[cycles]]\ndate = 2026-03-02\nadministered_mbq = 7400\n\
                 doses_gy = { kidney_left = { dose_gy = 4.0 } }\n";
    assert!(plain.contains(line));
    plain.replace(line, other).into_bytes()
}

fn series(line: &str, other: &str) -> Vec<u8> {
    let plain = "schema = 1\nunit = \"bq_ml\"\ndecay_correction = \"none\"\nlabels = \"l.nii\"\n\
                 [[images]]\nfile = \"a.nii\"\ntime_h = 24\n[[images]]\nfile = \"b.nii\"\ntime_h = 96\n";
    assert!(plain.contains(line));
    plain.replace(line, other).into_bytes()
}

/// File name, its bytes, the command that meets it, and words of the refusal.
type Hostile = (&'static str, Vec<u8>, &'static str, &'static str);

fn hostile() -> Vec<Hostile> {
    let deep = |open: &str, count: usize| [b"a = ".to_vec(), open.repeat(count).into_bytes()].concat();
    let dotted = [vec!["a"; 200_000].join(".").into_bytes(), b" = 1".to_vec()].concat();
    let tables = [b"[".to_vec(), vec!["a"; 200_000].join(".").into_bytes(), b"]\n".to_vec()].concat();
    let json = [b"{\"name\": ".to_vec(), b"[".repeat(200_000)].concat();
    let beam = b"name = \"beam\"\nhalf_life_h = 1e999\n[[line]]\nclass = \"electron\"\n".to_vec();
    let wide = Made::new([32767, 32767, 1], 16, 32).header();
    // Half a gigabyte of zeros in half a megabyte: the values are all there, and no room for them is.
    let large = Made::new([32767, 4000, 1], 16, 32).header();
    let mut flat = Made::new([2, 2, 2], 16, 32);
    flat.pixdim = [1.0, 0.0, 0.0, 0.0];
    (flat.srow, flat.sform_code) = ([[0.0; 4]; 3], 0);
    vec![
        ("nested.toml", deep("[", 1_000_000), "course nested.toml --out o", "TOML"),
        ("inline.toml", deep("{a = ", 200_000), "course inline.toml --out o", "TOML"),
        ("dotted.toml", dotted, "course dotted.toml --out o", "TOML"),
        ("tables.toml", tables, "tia tables.toml --out o", "TOML"),
        ("long.toml", vec![b'#'; 5 << 20], "course long.toml --out o", "file size: found 5242880"),
        ("bytes.toml", vec![0xFF; 100], "course bytes.toml --out o", "UTF-8"),
        ("twice.toml", course("schema = 1", "schema = 1\nschema = 1"), "course twice.toml --out o", "a field twice"),
        ("unknown.toml", course("schema = 1", "schema = 1\nsecret = 1"), "course unknown.toml --out o", "secret"),
        ("nan.toml", course("7400", "nan"), "course nan.toml --out o", "administered_mbq: found NaN"),
        ("huge.toml", course("7400", "1e308"), "course huge.toml --out o", "administered_mbq"),
        ("day.toml", course("2026-03-02", "\"9999-99-99\""), "course day.toml --out o", "9999-99-99"),
        ("dose.toml", course("dose_gy = 4.0", "dose_gy = -inf"), "course dose.toml --out o", "dose_gy"),
        ("time.toml", series("time_h = 24", "time_h = inf"), "tia time.toml --out o", "above 0 h"),
        ("order.toml", series("time_h = 96", "time_h = 1"), "tia order.toml --out o", "images in order of time"),
        ("path.toml", series("a.nii", "../../../../../dev/null"), "tia path.toml --out o", "/dev/null"),
        ("beam.toml", beam, "kernel --voxel-mm 4 --nuclide beam.toml --out o.csv", "beam.toml"),
        ("nuclide.json", json, "kernel --voxel-mm 4 --nuclide nuclide.json --out o.csv", "nuclide.json"),
        ("nuclide.toml", vec![b'\n'; 5 << 20], "kernel --voxel-mm 4 --nuclide nuclide.toml --out o.csv", "file size"),
        ("wide.nii", wide.clone(), "inspect wide.nii", "file size"),
        ("wide.nii.gz", packed(&wide, 0), "inspect wide.nii.gz", "found"),
        ("zeros.nii.gz", packed(&large, 501), "inspect zeros.nii.gz", "image size: found"),
        ("cut.nii.gz", packed(&Made::new([64; 3], 16, 32).header(), 0)[..40].to_vec(), "inspect cut.nii.gz", "found"),
        ("flat.nii", [flat.header(), vec![0; 32]].concat(), "inspect flat.nii", "found"),
        ("two.nii", Made::new([2_147_483_647; 3], 16, 32).two().header(), "inspect two.nii", "dimensions"),
    ]
}

#[test]
fn io_hostile_text_and_packed_files_are_refused_fast_and_in_little_memory() {
    if !needs::linux("the limit of the address space is that of Linux") {
        return;
    }
    for (name, bytes, line, words) in hostile() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(name), &bytes).unwrap();
        let (code, said, took) = limited(folder.path(), &line.split(' ').collect::<Vec<_>>());
        assert_eq!(code, Some(2), "{name}: {said}");
        assert!(said.contains(words) && said.contains("hint: "), "{name}: {said}");
        assert!(said.len() < 2000, "{name}: a message of {} bytes", said.len());
        assert!(took < LONGEST, "{name}: {took:?}");
        assert!(!folder.path().join("o").exists() && !folder.path().join("o.csv").exists(), "{name}");
        println!("{name} ({} bytes, {took:?}): {}", bytes.len(), said.lines().next().unwrap_or_default());
    }
}
