//! Every reader meets mutated files for a while: no panic, no hang, and a file that is refused has cost no more memory
//! than four times its size and a fixed sum: 0.5 MiB for images, 10 MiB for text, whose parsers build a list of what they
//! read; no text of more than 40 000 tokens comes to them.
//!
//! `LUTRA_FUZZ_SECONDS` sets how long (3 s where it is not set; `./test` sets 60); `LUTRA_FUZZ_SEED` repeats a run. A
//! file that does harm is kept under the system's folder of temporary files and named in the failure; once mended it
//! belongs into `tests/crashes/`, whose files every run reads first.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use dicom_core::VR;
use dicom_dictionary_std::tags;
use lutra::decay::Nuclide;
use lutra::grid::{Volume, VoxelGrid};
use lutra::io::dicom::{ActivityOptions, DecayCorrection, DoseDepth, DoseOptions, DoseType, inspect, write_rtdose};
use lutra::io::labels::LabelNames;
use lutra::io::{nifti, open_activity, open_ct, open_dose, open_labels};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::counting::{Memory, measured};
use crate::io_dicom_made::{CT, NM, PT, image, put, put_ds, seg, square, structure_set, write};
use crate::io_nifti::Made;
use crate::needs;

/// Longest time one file of some kB may take.
const HANG: Duration = Duration::from_secs(5);
/// Memory that a refused file may cost, in sizes of the file.
const MOST_SIZES: usize = 4;
/// Memory beyond that, bytes: buffers, paths, the message, the tables of a decoder.
const FIXED_BYTES: usize = 512 << 10;
/// The same for text: what a parser builds of `lutra::text::MAX_TOKENS` tokens.
const FIXED_TEXT_BYTES: usize = 10 << 20;
/// Memory beyond that for a file that names a JPEG 2000 transfer syntax: the decoder (openjp2) takes a stream buffer of
/// 1 MiB before it reads the first byte, whatever the size of the image, and some kB of tables with it.
const JPEG_2000_BYTES: usize = (1 << 20) + (64 << 10);

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// A seed of the corpus: a file name, whose ending tells the reader, and its bytes.
fn corpus() -> Vec<(String, Vec<u8>)> {
    let folder = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    let image_bytes = |made: Made| [made.header(), vec![7; 200]].concat();
    files.push(("a.nii".to_owned(), image_bytes(Made::new([3, 3, 3], 16, 32))));
    files.push(("b.nii".to_owned(), image_bytes(Made::new([3, 3, 3], 4, 16).two())));
    let volume = lutra::grid::Volume::filled(VoxelGrid::axis_aligned([4; 3], [1.0; 3], [0.0; 3]), 3u8);
    let packed = folder.path().join("c.nii.gz");
    nifti::write(&packed, &volume, "seed").unwrap();
    files.push(("c.nii.gz".to_owned(), std::fs::read(&packed).unwrap()));
    for (name, class) in [("ct.dcm", CT), ("pt.dcm", PT), ("nm.dcm", NM)] {
        let mut set = image(class, "CT", [4, 4], &[1024; 16]);
        put(&mut set, tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\RECON TOMO\\EMISSION");
        put(&mut set, tags::UNITS, VR::CS, "BQML");
        put(&mut set, tags::DECAY_CORRECTION, VR::CS, "NONE");
        put_ds(&mut set, tags::IMAGE_POSITION_PATIENT, &[0.0, 0.0, 0.0]);
        put_ds(&mut set, tags::IMAGE_ORIENTATION_PATIENT, &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
        put_ds(&mut set, tags::PIXEL_SPACING, &[2.0, 2.0]);
        put_ds(&mut set, tags::SPACING_BETWEEN_SLICES, &[2.0]);
        let path = folder.path().join(name);
        write(&path, &set);
        files.push((name.to_owned(), std::fs::read(&path).unwrap()));
    }
    let contours = vec![square(-3.0, -3.0, 0.0, 2.0), square(-3.0, -3.0, 2.0, 2.0)];
    for (name, set) in [
        ("rs.dcm", structure_set(&[("liver", "ORGAN", contours)])),
        ("seg.dcm", seg("BINARY", &[(1, 0.0, [1; 16]), (2, 2.0, [1; 16])])),
        ("fractional.dcm", seg("FRACTIONAL", &[(1, 0.0, [100; 16]), (2, 2.0, [99; 16])])),
    ] {
        let path = folder.path().join(name);
        write(&path, &set);
        files.push((name.to_owned(), std::fs::read(&path).unwrap()));
    }
    let dose = Volume::filled(VoxelGrid::axis_aligned([4; 3], [2.0; 3], [0.0; 3]), 3.0);
    let path = folder.path().join("dose.dcm");
    let written = DoseOptions {
        dose_type: DoseType::Physical,
        depth: DoseDepth::Bits16,
        description: String::new(),
        comment: String::new(),
        deidentify: false,
        created: None,
    };
    write_rtdose(&path, &dose, None, &written).unwrap();
    files.push(("dose.dcm".to_owned(), std::fs::read(&path).unwrap()));
    let assets = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("assets/nuclides");
    let mut nuclides: Vec<PathBuf> = std::fs::read_dir(assets).unwrap().map(|e| e.unwrap().path()).collect();
    nuclides.sort();
    files.extend(nuclides.into_iter().map(|path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, std::fs::read(&path).unwrap())
    }));
    let monoenergetic = "name = \"beam\"\nhalf_life_h = 1.0\n[[line]]\nclass = \"electron\"\nenergy_kev = 100.0\nyield_per_decay = 1.0\n";
    files.push(("beam.toml".to_owned(), monoenergetic.as_bytes().to_vec()));
    let series = "schema = 1\nunit = \"bq_ml\"\ndecay_correction = \"none\"\nlabels = \"l.nii\"\n[[images]]\nfile = \"a.nii\"\ntime_h = 24\n";
    files.push(("series.toml".to_owned(), series.as_bytes().to_vec()));
    let course = "schema = 1\nprotocol = \"iluminet\"\n[patient]\n[[cycles]]\ndate = \"2026-03-02\"\nadministered_mbq = 7400.0\ntia = \"t.nii\"\ntia_unit = \"decays\"\n";
    files.push(("course.toml".to_owned(), course.as_bytes().to_vec()));
    files.push(("names.csv".to_owned(), b"value,name\n1,liver\n2,kidney left\n".to_vec()));
    files.push(("names.json".to_owned(), b"{\"labels\": {\"1\": \"liver\", \"2\": \"kidney\"}}".to_vec()));
    files.extend(shared());
    files
}

/// Small true objects, where there are any: compressed slices, contours and segments.
fn shared() -> Vec<(String, Vec<u8>)> {
    let Some(case) = needs::shared("cases/liver-ct-dicom") else { return Vec::new() };
    let first = |name: &str| {
        let place = case.join("ct_variants").join(name);
        let files = std::fs::read_dir(&place).unwrap_or_else(|e| panic!("{}: {e}", place.display()));
        files.flatten().map(|entry| entry.path()).min().unwrap_or_else(|| panic!("{} is empty", place.display()))
    };
    let variants = ["implicit_le", "deflated", "rle", "jpegls", "j2k_lossless", "jpeg_lossless_sv1"];
    variants.map(|name| (format!("{name}.dcm"), std::fs::read(first(name)).unwrap())).into()
}

/// A few changes: bytes, runs, lengths, cuts, doubled parts, interesting numbers.
fn mutate(bytes: &[u8], rng: &mut Xoshiro256PlusPlus) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for _ in 0..rng.random_range(1..6) {
        if out.is_empty() {
            break;
        }
        // Headers are where the harm is: half of all changes hit the first kilobyte.
        let reach = if rng.random_bool(0.5) { out.len().min(1024) } else { out.len() };
        let at = rng.random_range(0..reach);
        match rng.random_range(0..7) {
            0 => out[at] ^= 1 << rng.random_range(0..8),
            1 => out[at] = rng.random(),
            2 => {
                let values = [0u32, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, u32::MAX, u32::MAX - 1];
                let value = values[rng.random_range(0..values.len())].to_le_bytes();
                let width = [1, 2, 4][rng.random_range(0..3)];
                for (byte, new) in out[at..].iter_mut().zip(&value[..width]) {
                    *byte = *new;
                }
            }
            3 => out.truncate(at),
            4 => {
                let end = (at + rng.random_range(1..64)).min(out.len());
                let part = out[at..end].to_vec();
                out.splice(at..at, part);
            }
            5 => {
                let end = (at + rng.random_range(1..16)).min(out.len());
                out.drain(at..end);
            }
            _ => {
                let words: [&[u8]; 6] = [b"nan", b"-1", b"1e999", b"\xFF\xFF\xFF\xFF", b"\xFE\xFF\x00\xE0", b"[["];
                let word = words[rng.random_range(0..words.len())];
                for (byte, new) in out[at..].iter_mut().zip(word) {
                    *byte = *new;
                }
            }
        }
    }
    out
}

/// What one reader did: its name, whether it refused, and what that took.
type Deed = (&'static str, bool, Memory);

/// Calls one reader.
fn deed<T, E>(name: &'static str, read: impl FnOnce() -> Result<T, E>, deeds: &mut Vec<Deed>) {
    let (refused, memory) = measured(|| read().is_err());
    deeds.push((name, refused, memory));
}

/// Every reader that may meet such a file; what they say plays no part.
fn read(path: &Path) -> Vec<Deed> {
    let name = path.to_string_lossy().into_owned();
    let options = ActivityOptions {
        decay_correction: Some(DecayCorrection::None),
        half_life_h: Some(159.5),
        assume_bq_ml: true,
        ..ActivityOptions::default()
    };
    let mut deeds = Vec::new();
    if name.ends_with(".toml") || name.ends_with(".json") || name.ends_with(".csv") {
        deed("nuclide", || Nuclide::load(&name), &mut deeds);
        deed("label names", || LabelNames::read(path), &mut deeds);
        if let Ok(text) = std::fs::read_to_string(path) {
            deed("course", || lutra::course::file::Course::parse(&text, &name), &mut deeds);
            deed("series", || lutra::course::series::Series::parse(&text, &name), &mut deeds);
            deed("protocol", || lutra::course::protocol::Protocol::parse(&text, &name), &mut deeds);
        }
        return deeds;
    }
    let grid = VoxelGrid::axis_aligned([4; 3], [2.0; 3], [0.0; 3]);
    deed("CT", || open_ct(path), &mut deeds);
    deed("activity", || open_activity(path, &options), &mut deeds);
    deed("labels", || open_labels(path, &grid, None), &mut deeds);
    deed("dose", || open_dose(path), &mut deeds);
    if name.ends_with(".dcm") {
        deed("inspection", || inspect(path, &options), &mut deeds);
    }
    deeds
}

/// Whether a file names a transfer syntax that is decoded as JPEG 2000.
fn names_jpeg_2000(path: &Path) -> bool {
    let bytes = std::fs::read(path).unwrap();
    let uids = ["1.2.840.10008.1.2.4.9", "1.2.840.10008.1.2.4.20"];
    uids.iter().any(|uid| bytes.windows(uid.len()).any(|part| part == uid.as_bytes()))
}

/// What is wrong with the way a file was met; none if nothing.
fn harm(path: &Path) -> Option<String> {
    let size = std::fs::metadata(path).unwrap().len() as usize;
    let start = Instant::now();
    let deeds = catch_unwind(AssertUnwindSafe(|| read(path)));
    let took = start.elapsed();
    let Ok(deeds) = deeds else { return Some("panic".to_owned()) };
    if took > HANG {
        return Some(format!("{took:?}"));
    }
    let text = path.extension().is_some_and(|e| ["toml", "json", "csv"].iter().any(|text| e == *text));
    let fixed = match text {
        true => FIXED_TEXT_BYTES,
        false if names_jpeg_2000(path) => FIXED_BYTES + JPEG_2000_BYTES,
        false => FIXED_BYTES,
    };
    let most = MOST_SIZES * size + fixed;
    let costly = deeds.iter().find(|(_, refused, memory)| *refused && memory.peak > most);
    costly.map(|(reader, _, memory)| format!("{reader}: {memory:?} for a file of {size} bytes"))
}

/// Large true files, cut short or with a lying length: refused before they are unpacked or parsed.
#[test]
fn io_a_large_broken_file_costs_no_more_than_four_times_its_size() {
    let Some(case) = needs::shared("cases/liver-ct-dicom") else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut most = 0.0f64;
    for name in ["rtstruct_midedge.dcm", "rtstruct_rtutils.dcm", "seg_binary.dcm", "nm/nm_t024_ascending.dcm"] {
        let bytes = std::fs::read(case.join(name)).unwrap();
        for share in [0.1, 0.5, 0.9, 0.9999] {
            let path = folder.path().join("cut.dcm");
            let kept = &bytes[..(share * bytes.len() as f64) as usize];
            std::fs::write(&path, kept).unwrap();
            for (reader, refused, memory) in read(&path) {
                assert!(refused, "{name}: {reader} took a file cut at {share}");
                most = most.max(memory.peak as f64 / kept.len() as f64);
            }
        }
    }
    println!("at most {most:.2} times the size of a cut DICOM file");
    assert!(most <= MOST_SIZES as f64, "{most} times the size of the file");
}

/// Texts of the greatest length and of the greatest number of tokens that a command reads, dense with what a parser
/// makes much of: four times their size and a fixed sum at most.
#[test]
fn io_text_of_the_greatest_length_costs_a_known_amount() {
    let folder = tempfile::tempdir().unwrap();
    let max_bytes = lutra::text::MAX_BYTES as usize;
    let parts = [
        "[",
        "{a=",
        "a=1\n",
        "a.",
        "a.a=1\n",
        "\n",
        ",",
        "1,",
        "1 ",
        "#\n",
        "\"\"",
        "[[cycles]]\n",
        "[a]\n",
        "x",
        "'",
        "{},",
        "[],",
        "{\"a\":1},",
        "{a=1},",
        "\"a\",",
        "[1,[1]],",
        "1,a\n",
        "\\u0061",
    ];
    let frames = [
        ("a.toml", "", ""),
        ("b.toml", "a = [", "]"),
        ("c.toml", "name = \"x\"\nhalf_life_h = 1\nelectrons = [", "]"),
        ("d.json", "[", "]"),
        ("e.json", "{\"labels\": [", "0]}"),
        ("f.csv", "", ""),
    ];
    let (mut most, mut worst) = (0, String::new());
    for part in parts {
        for (name, head, tail) in frames {
            let longest = (max_bytes - head.len() - tail.len()) / part.len();
            let densest = lutra::text::MAX_TOKENS / lutra::text::tokens(&part.repeat(8)).div_ceil(8).max(1) - 64;
            for count in [longest, longest.min(densest)] {
                let path = folder.path().join(name);
                let text = head.to_owned() + &part.repeat(count) + tail;
                std::fs::write(&path, &text).unwrap();
                let tokens = lutra::text::tokens(&text);
                for (reader, refused, memory) in read(&path) {
                    assert!(refused || tokens <= lutra::text::MAX_TOKENS, "{part:?} {name}: {reader} took {tokens}");
                    let beyond = memory.peak.saturating_sub(MOST_SIZES * text.len());
                    if beyond > most {
                        (most, worst) = (beyond, format!("{part:?} {name}, {tokens} tokens, {reader}: {memory:?}"));
                    }
                }
            }
        }
    }
    println!("at most {:.2} MiB beyond four times the text: {worst}", most as f64 / f64::from(1 << 20));
    assert!(most <= FIXED_TEXT_BYTES, "{most} bytes: {worst}");
}

/// A text of too many tokens is refused by every reader, with the number found and the number allowed.
#[test]
fn alarm_dense_text_is_refused_by_its_count() {
    let folder = tempfile::tempdir().unwrap();
    let found = lutra::text::MAX_TOKENS + 6;
    for name in ["dense.toml", "dense.json", "dense.csv"] {
        let path = folder.path().join(name);
        let text = "a = [\n".to_owned() + &"1,".repeat(found - 3);
        std::fs::write(&path, &text).unwrap();
        let shown = path.display().to_string();
        for message in [
            Nuclide::load(&shown).expect_err("dense").to_string(),
            LabelNames::read(&path).expect_err("dense").to_string(),
            lutra::course::file::Course::parse(&text, &shown).expect_err("dense").to_string(),
            lutra::course::series::Series::parse(&text, &shown).expect_err("dense").to_string(),
            lutra::course::protocol::Protocol::parse(&text, &shown).expect_err("dense").to_string(),
        ] {
            let named = [shown.as_str(), &format!("found {found} tokens"), "at most 40000"];
            assert!(named.iter().all(|word| message.contains(word)), "{message}");
        }
    }
}

#[test]
fn io_files_that_did_harm_do_none() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/crashes");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    for file in files.iter().filter(|file| file.extension().is_none_or(|e| e != "md")) {
        assert_eq!(harm(file), None, "{}", file.display());
    }
}

#[test]
fn io_mutated_files_do_no_harm() {
    let seconds = number("LUTRA_FUZZ_SECONDS", 3);
    let seed = number("LUTRA_FUZZ_SEED", 177);
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let corpus = corpus();
    let folder = tempfile::tempdir().unwrap();
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut count = 0u64;
    while Instant::now() < end {
        let (name, bytes) = &corpus[count as usize % corpus.len()];
        let mutated = mutate(bytes, &mut rng);
        let path = folder.path().join(name);
        std::fs::write(&path, &mutated).unwrap();
        if let Some(harm) = harm(&path) {
            let kept = std::env::temp_dir().join(format!("lutra-crash-{seed}-{count}-{name}"));
            std::fs::write(&kept, &mutated).unwrap();
            panic!("file {count} of seed {seed} ({}): {harm}", kept.display());
        }
        std::fs::remove_file(&path).unwrap();
        count += 1;
    }
    println!("{count} mutated files of {} seeds in {seconds} s", corpus.len());
    assert!(count > 0);
}
