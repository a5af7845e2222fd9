//! Files made to do harm: each is refused by name, in little time and little memory.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use dicom_core::VR;
use dicom_dictionary_std::tags;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use lutra::io::dicom::{ActivityOptions, read_activity, read_ct};
use lutra::io::{open_activity, open_ct, open_labels};

use crate::io_dicom_made::{CT, NM, PT, Set, image, put, put_ds, put_u16, write};
use crate::io_nifti::Made;
use crate::needs;

/// Longest time that a refusal may take.
const LONGEST: Duration = Duration::from_secs(2);
/// Address space that the program may use, KiB: its own image and libraries included.
const MEMORY_KIB: u32 = 200 * 1024;

/// A CT slice at z, 2 x 2 pixels of 1 mm.
fn slice(z_mm: f64) -> Set {
    let mut set = image(CT, "CT", [2, 2], &[1024, 1034, 1044, 24]);
    put(&mut set, tags::SOP_INSTANCE_UID, VR::UI, &format!("1.2.3.{z_mm}"));
    put_ds(&mut set, tags::IMAGE_POSITION_PATIENT, &[0.0, 0.0, z_mm]);
    put_ds(&mut set, tags::IMAGE_ORIENTATION_PATIENT, &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    put_ds(&mut set, tags::PIXEL_SPACING, &[1.0, 1.0]);
    put_ds(&mut set, tags::SLICE_THICKNESS, &[3.0]);
    set
}

fn bytes_of(set: &Set) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.dcm");
    write(&file, set);
    std::fs::read(file).unwrap()
}

/// A series of three slices, changed, in a folder.
fn series(folder: &Path, change: impl Fn(usize, &mut Set)) {
    for n in 0..3 {
        let mut set = slice(3.0 * n as f64);
        change(n, &mut set);
        write(&folder.join(format!("{n}.dcm")), &set);
    }
}

/// Preamble, file meta of this transfer syntax, and a data set as it stands.
fn raw(syntax: &str, data: &[u8]) -> Vec<u8> {
    let mut padded = syntax.as_bytes().to_vec();
    if padded.len() % 2 == 1 {
        padded.push(0);
    }
    let mut out = vec![0u8; 128];
    out.extend(b"DICM\x02\x00\x10\x00UI");
    out.extend((padded.len() as u16).to_le_bytes());
    out.extend(&padded);
    out.extend(data);
    out
}

const EXPLICIT: &str = "1.2.840.10008.1.2.1";

/// A compressed object: the slice's header with another transfer syntax and these fragments.
fn encapsulated(syntax: &str, set: &Set, fragments: &[&[u8]]) -> Vec<u8> {
    let mut set = set.clone();
    set.remove_element(tags::PIXEL_DATA);
    let plain = bytes_of(&set);
    let length = u32::from_le_bytes(plain[140..144].try_into().unwrap()) as usize;
    let mut data = plain[144 + length..].to_vec();
    data.extend(b"\xE0\x7F\x10\x00OB\0\0\xFF\xFF\xFF\xFF\xFE\xFF\x00\xE0\0\0\0\0");
    for fragment in fragments {
        data.extend(b"\xFE\xFF\x00\xE0");
        data.extend((fragment.len() as u32).to_le_bytes());
        data.extend(*fragment);
    }
    data.extend(b"\xFE\xFF\xDD\xE0\0\0\0\0");
    raw(syntax, &data)
}

/// One hostile input: how it is called, how it is made in a folder, and the words of its refusal.
type Hostile = (&'static str, Box<dyn Fn(&Path)>, &'static str);

fn file(name: &'static str, bytes: Vec<u8>, words: &'static str) -> Hostile {
    (name, Box::new(move |folder: &Path| std::fs::write(folder.join("a.dcm"), &bytes).unwrap()), words)
}

fn folder(name: &'static str, words: &'static str, change: fn(usize, &mut Set)) -> Hostile {
    (name, Box::new(move |folder: &Path| series(folder, change)), words)
}

fn hostile_ct() -> Vec<Hostile> {
    let whole = bytes_of(&slice(0.0));
    let mut wide = slice(0.0);
    put_u16(&mut wide, tags::ROWS, 65535);
    put_u16(&mut wide, tags::COLUMNS, 65535);
    let mut deep = Vec::new();
    for _ in 0..100_000 {
        deep.extend(b"\x08\x00\x40\x11SQ\0\0\xFF\xFF\xFF\xFF\xFE\xFF\x00\xE0\xFF\xFF\xFF\xFF");
    }
    let mut bomb = DeflateEncoder::new(Vec::new(), Compression::best());
    let zeros = vec![0u8; 1 << 20];
    for _ in 0..400 {
        bomb.write_all(&zeros).unwrap();
    }
    let bomb = bomb.finish().unwrap();
    let jpeg_ls = b"\xFF\xD8\xFF\xF7\x00\x0B\x10\xFF\xFF\xFF\xFF\x01\x01\x11\x00\xFF\xDA";
    let j2k = [&b"\xFF\x4F\xFF\x51\x00\x2F\x00\x00"[..], &[0xFF; 36]].concat();
    let mut rle = vec![0u8; 64];
    rle[0] = 2;
    (rle[4], rle[8]) = (64, 66);
    rle.extend([3, 0, 3, 0]);
    vec![
        file("cut in the pixels", whole[..whole.len() - 3].to_vec(), "file size: found"),
        file("cut in the header", whole[..400].to_vec(), "file size: found"),
        file("lying length", raw(EXPLICIT, b"\x08\x00\x05\x00UN\0\0\xF0\xFF\xFF\xFFab"), "file size: found"),
        file(
            "whole numbers of 4 bytes in 10",
            raw("1.2.840.10008.1.2", b"\x08\0\0\0\x0A\0\0\0ISO_IR 192"),
            "a multiple of 4",
        ),
        file("open sequence", raw(EXPLICIT, b"\x08\x00\x40\x11SQ\0\0\xFF\xFF\xFF\xFF"), "file size: found"),
        file("deep nesting", raw(EXPLICIT, &deep), "nesting of sequences"),
        file("65535 x 65535 pixels", bytes_of(&wide), "pixel data"),
        file("deflate bomb", raw("1.2.840.10008.1.2.1.99", &bomb), "deflated data set"),
        file("no transfer syntax", [&[0u8; 128][..], b"DICM"].concat(), "TransferSyntaxUID"),
        file("unknown compression", encapsulated("1.2.840.10008.1.2.4.100", &slice(0.0), &[b"ab"]), "MPEG-2 video"),
        file("no fragments", encapsulated("1.2.840.10008.1.2.5", &slice(0.0), &[]), "pixel data"),
        file(
            "JPEG-LS of another size",
            encapsulated("1.2.840.10008.1.2.4.80", &slice(0.0), &[jpeg_ls]),
            "65535 x 65535",
        ),
        file("JPEG 2000 of 2^32 pixels", encapsulated("1.2.840.10008.1.2.4.90", &slice(0.0), &[&j2k]), "pixel data"),
        file("RLE cut short", encapsulated("1.2.840.10008.1.2.5", &slice(0.0), &[&rle]), "an RLE run cut short"),
        file("RLE bomb", encapsulated("1.2.840.10008.1.2.5", &wide, &[&rle]), "at most 64 pixels a byte"),
        folder("zero spacing", "PixelSpacing (0028,0030): found 0 mm", |_, set| {
            put_ds(set, tags::PIXEL_SPACING, &[0.0, 0.0]);
        }),
        folder("position that is no number", "ImagePositionPatient (0020,0032)", |_, set| {
            put(set, tags::IMAGE_POSITION_PATIENT, VR::DS, "nan\\inf\\1e999");
        }),
        folder("directions that are none", "ImageOrientationPatient (0020,0037)", |_, set| {
            put_ds(set, tags::IMAGE_ORIENTATION_PATIENT, &[0.0; 6]);
        }),
        folder("gantry tilt", "a gantry tilt of 18.43 degrees", |n, set| {
            put_ds(set, tags::IMAGE_POSITION_PATIENT, &[0.0, n as f64, 3.0 * n as f64]);
        }),
        folder("uneven slices", "in even steps", |n, set| {
            put_ds(set, tags::IMAGE_POSITION_PATIENT, &[0.0, 0.0, [0.0, 3.0, 7.0][n]]);
        }),
        folder("two patients", "two patients", |n, set| {
            put(set, tags::PATIENT_ID, VR::LO, if n == 2 { "OTHER" } else { "SECRETID" });
        }),
        folder("two frames of reference", "two frames of reference", |n, set| {
            put(set, tags::FRAME_OF_REFERENCE_UID, VR::UI, if n == 2 { "1.9" } else { "1.2.3.5" });
        }),
        folder("slices of two sizes", "slice geometry", |n, set| {
            put_ds(set, tags::PIXEL_SPACING, if n == 2 { &[1.0, 1.1] } else { &[1.0, 1.0] });
        }),
        folder("slope of zero", "RescaleSlope, RescaleIntercept: found 0", |_, set| {
            put(set, tags::RESCALE_SLOPE, VR::DS, "0");
        }),
        folder("two series", "2 series of CT", |n, set| {
            put(set, tags::SERIES_INSTANCE_UID, VR::UI, if n == 2 { "1.8" } else { "1.7" });
        }),
        folder("colour picture", "SamplesPerPixel", |_, set| put_u16(set, tags::SAMPLES_PER_PIXEL, 3)),
        folder("bits that do not fit", "BitsAllocated", |_, set| put_u16(set, tags::HIGH_BIT, 14)),
        ("no DICOM at all", Box::new(|folder| std::fs::write(folder.join("a.txt"), "a").unwrap()), "no DICOM file"),
    ]
}

#[test]
fn io_hostile_ct_is_refused_by_name_and_fast() {
    for (name, make, words) in hostile_ct() {
        let folder = tempfile::tempdir().unwrap();
        make(folder.path());
        let start = Instant::now();
        let error = read_ct(folder.path()).err().unwrap_or_else(|| panic!("{name} was read")).to_string();
        assert!(start.elapsed() < LONGEST, "{name}: {:?}", start.elapsed());
        assert!(error.contains(words), "{name}: {error}");
        assert!(!error.contains("SECRET"), "{name}: {error}");
        println!("{name}: {error}");
    }
}

#[test]
fn io_hostile_ct_stays_within_its_memory() {
    let program = env!("CARGO_BIN_EXE_lutra");
    let limited = |path: &Path| {
        let script = format!("ulimit -v {MEMORY_KIB}; exec \"$0\" inspect \"$1\"");
        Command::new("sh").arg("-c").arg(script).arg(program).arg(path).output().unwrap()
    };
    if !needs::linux("the limit of the address space is that of Linux") {
        return;
    }
    for (name, make, _) in hostile_ct() {
        let folder = tempfile::tempdir().unwrap();
        make(folder.path());
        let output = limited(folder.path());
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        let told = output.status.code() == Some(2) || text.contains("refused: ") || text.contains("candidates");
        assert!(told, "{name}: {:?} {text}", output.status);
    }
}

#[test]
fn io_hostile_activity_is_refused_by_name_and_fast() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nm.dcm");
    let mut frames = image(NM, "NM", [64, 64], &[0; 4096]);
    put(&mut frames, tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\RECON TOMO\\EMISSION");
    put(&mut frames, tags::NUMBER_OF_FRAMES, VR::IS, "2147483647");
    put_ds(&mut frames, tags::IMAGE_POSITION_PATIENT, &[0.0, 0.0, 0.0]);
    put_ds(&mut frames, tags::IMAGE_ORIENTATION_PATIENT, &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    put_ds(&mut frames, tags::PIXEL_SPACING, &[4.0, 4.0]);
    put_ds(&mut frames, tags::SPACING_BETWEEN_SLICES, &[4.0]);
    write(&path, &frames);
    let start = Instant::now();
    let error = read_activity(&path, &ActivityOptions::default()).unwrap_err().to_string();
    assert!(error.contains("pixel data") && start.elapsed() < LONGEST, "{error}");
}

#[test]
fn io_activity_of_another_patient_or_frame_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let ct = folder.path().join("ct");
    std::fs::create_dir(&ct).unwrap();
    series(&ct, |_, _| {});
    let ct = open_ct(&ct).unwrap();
    let other = |name: &str, change: &dyn Fn(&mut Set)| {
        let place = folder.path().join(name);
        std::fs::create_dir(&place).unwrap();
        for n in 0..2 {
            let mut set = slice(3.0 * f64::from(n));
            put(&mut set, tags::SOP_CLASS_UID, VR::UI, PT);
            put(&mut set, tags::UNITS, VR::CS, "BQML");
            put(&mut set, tags::DECAY_CORRECTION, VR::CS, "NONE");
            change(&mut set);
            write(&place.join(format!("{n}.dcm")), &set);
        }
        open_activity(&place, &ActivityOptions::default()).unwrap().image.origin.unwrap()
    };
    let ct = ct.origin.unwrap();
    ct.must_agree(&other("same", &|_| {})).unwrap();
    let error = ct.must_agree(&other("patient", &|set| put(set, tags::PATIENT_ID, VR::LO, "SECRETOTHER"))).unwrap_err();
    assert!(error.to_string().contains("another patient") && !error.to_string().contains("SECRET"), "{error}");
    let error =
        ct.must_agree(&other("frame", &|set| put(set, tags::FRAME_OF_REFERENCE_UID, VR::UI, "1.9"))).unwrap_err();
    assert!(error.to_string().contains("another frame of reference"), "{error}");
}

#[test]
fn io_hostile_structure_sets_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rs.dcm");
    let grid = lutra::grid::VoxelGrid::axis_aligned([4; 3], [1.0; 3], [0.0; 3]);
    let made = |data: &str, points: &str, number: &str| {
        use crate::io_dicom_made::put_items;
        let mut set = Set::new_empty();
        put(&mut set, tags::SOP_CLASS_UID, VR::UI, "1.2.840.10008.5.1.4.1.1.481.3");
        let mut roi = Set::new_empty();
        put(&mut roi, tags::ROI_NUMBER, VR::IS, "1");
        put(&mut roi, tags::ROI_NAME, VR::LO, "liver");
        put_items(&mut set, tags::STRUCTURE_SET_ROI_SEQUENCE, vec![roi]);
        let mut contour = Set::new_empty();
        put(&mut contour, tags::CONTOUR_GEOMETRIC_TYPE, VR::CS, "CLOSED_PLANAR");
        put(&mut contour, tags::NUMBER_OF_CONTOUR_POINTS, VR::IS, points);
        put(&mut contour, tags::CONTOUR_DATA, VR::DS, data);
        let mut drawn = Set::new_empty();
        put_items(&mut drawn, tags::CONTOUR_SEQUENCE, vec![contour]);
        put(&mut drawn, tags::REFERENCED_ROI_NUMBER, VR::IS, number);
        put_items(&mut set, tags::ROI_CONTOUR_SEQUENCE, vec![drawn]);
        write(&path, &set);
        open_labels(&path, &grid, None).unwrap_err().to_string()
    };
    let square = "0\\0\\1\\3\\0\\1\\3\\3\\1\\0\\3\\1";
    for (data, points, number, words) in [
        (square, "1000000000", "1", "4 points where 1000000000 are stated"),
        ("0\\0\\1\\3\\0", "1", "1", "5 coordinates"),
        ("0\\0\\1\\3\\0\\1\\3\\x\\1", "3", "1", "values that are no numbers"),
        ("0\\0\\1\\3\\0\\1\\3\\inf\\1", "3", "1", "a coordinate that is not finite"),
        (square, "4", "7", "ReferencedROINumber (3006,0084): found 7"),
        ("0\\0\\1\\3\\0\\1", "2", "1", "no closed contour"),
    ] {
        let error = made(data, points, number);
        assert!(error.contains(words), "{words}: {error}");
    }
}

#[test]
fn io_hostile_nifti_is_refused_by_name_and_fast() {
    let folder = tempfile::tempdir().unwrap();
    let refusal = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let start = Instant::now();
        let error = open_ct(&path).unwrap_err().to_string();
        assert!(start.elapsed() < LONGEST, "{name}: {:?}", start.elapsed());
        error
    };
    let gz = |bytes: &[u8], zeros: usize| {
        let mut out = GzEncoder::new(Vec::new(), Compression::best());
        out.write_all(bytes).unwrap();
        let block = vec![0u8; 1 << 20];
        (0..zeros).for_each(|_| out.write_all(&block).unwrap());
        out.finish().unwrap()
    };
    let error = refusal("wide.nii", &Made::new([32767; 3], 16, 32).header());
    assert!(error.contains("file size"), "{error}");
    let error = refusal("wide.nii.gz", &gz(&Made::new([32767; 3], 16, 32).header(), 0));
    assert!(error.contains("file size") || error.contains("image size"), "{error}");
    let error = refusal("two.nii", &Made::new([2_147_483_647; 3], 16, 32).two().header());
    assert!(error.contains("dimensions"), "{error}");
    let mut flat = Made::new([2, 2, 2], 16, 32);
    flat.pixdim = [1.0, 0.0, 0.0, 0.0];
    (flat.srow, flat.sform_code) = ([[0.0; 4]; 3], 0);
    assert!(!refusal("flat.nii", &[flat.header(), vec![0; 32]].concat()).is_empty());
    // 200 MB of zeros behind a small image: never unpacked as far as it is not asked for.
    let small = [Made::new([2, 2, 2], 16, 32).header(), vec![0; 32]].concat();
    let path = folder.path().join("bomb.nii.gz");
    std::fs::write(&path, gz(&small, 200)).unwrap();
    let start = Instant::now();
    let _either = open_ct(&path);
    assert!(start.elapsed() < LONGEST);
}
