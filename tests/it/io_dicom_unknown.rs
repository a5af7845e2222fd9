//! What a writer did not know: the value representation UN, for sequences and for values, read as the standard has it;
//! and how much memory the reader of headers takes.

use std::path::Path;

use dicom_core::header::Header;
use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use dicom_transfer_syntax_registry::entries;
use lutra::grid::VoxelGrid;
use lutra::io::dicom::{ActivityOptions, read_activity, read_ct, read_rtstruct, read_seg};

use crate::counting::measured;
use crate::io_dicom_made::{CT, Set, image, pt, put, put_ds, put_items, put_u16, seg, square, structure_set, write};

const EXPLICIT: &str = "1.2.840.10008.1.2.1";
const BIG: &str = "1.2.840.10008.1.2.2";
const IMPLICIT: &str = "1.2.840.10008.1.2";

/// Two CT slices.
fn slices() -> [Set; 2] {
    [0.0, 3.0].map(|z| {
        let mut set = image(CT, "CT", [2, 2], &[1024, 1034, 1044, 24]);
        put(&mut set, tags::SOP_INSTANCE_UID, VR::UI, &format!("1.2.3.{z}"));
        put_ds(&mut set, tags::IMAGE_POSITION_PATIENT, &[0.0, 0.0, z]);
        put_ds(&mut set, tags::IMAGE_ORIENTATION_PATIENT, &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
        put_ds(&mut set, tags::PIXEL_SPACING, &[1.0, 1.0]);
        set
    })
}

/// Preamble, file meta of this transfer syntax, and a data set as it stands.
fn file(syntax: &str, data: &[u8]) -> Vec<u8> {
    let mut padded = syntax.as_bytes().to_vec();
    padded.resize(padded.len().next_multiple_of(2), 0);
    let mut out = vec![0u8; 128];
    out.extend(b"DICM\x02\x00\x10\x00UI");
    out.extend((padded.len() as u16).to_le_bytes());
    out.extend(&padded);
    out.extend(data);
    out
}

/// A data set as bytes of a transfer syntax.
fn bytes_of(set: &Set, syntax: &str) -> Vec<u8> {
    let syntax = match syntax {
        EXPLICIT => entries::EXPLICIT_VR_LITTLE_ENDIAN.erased(),
        BIG => entries::EXPLICIT_VR_BIG_ENDIAN.erased(),
        _ => entries::IMPLICIT_VR_LITTLE_ENDIAN.erased(),
    };
    let mut out = Vec::new();
    set.write_dataset_with_ts(&mut out, &syntax).unwrap();
    out
}

/// A data set in which some elements have the value representation UN and implicit little endian content.
fn unknown(set: &Set, syntax: &str, select: &dyn Fn(Tag) -> bool, open: bool) -> Vec<u8> {
    let mut out = Vec::new();
    for element in set.iter() {
        let alone = InMemDicomObject::from_element_iter([element.clone()]);
        let tag = element.tag();
        if !select(tag) || tag == tags::PIXEL_DATA || syntax == IMPLICIT {
            out.extend(bytes_of(&alone, syntax));
            continue;
        }
        let plain = bytes_of(&alone, IMPLICIT);
        let (mut value, undefined) = (plain[8..].to_vec(), plain[4..8] == [0xFF; 4]);
        if undefined && !open {
            // without the mark of the end, the length is that of the items
            value.truncate(value.len() - 8);
        }
        let length = if undefined && open { u32::MAX } else { value.len() as u32 };
        let halves = [tag.0, tag.1];
        let words = |n: u16| if syntax == BIG { n.to_be_bytes() } else { n.to_le_bytes() };
        out.extend(halves.into_iter().flat_map(words));
        out.extend(b"UN\0\0");
        out.extend(if syntax == BIG { length.to_be_bytes() } else { length.to_le_bytes() });
        out.extend(value);
    }
    out
}

/// Writes data sets as files of a folder.
fn folder_of(files: &[Vec<u8>]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (n, bytes) in files.iter().enumerate() {
        std::fs::write(folder.path().join(format!("{n}.dcm")), bytes).unwrap();
    }
    folder
}

fn item(content: &[u8]) -> Vec<u8> {
    [&b"\xFE\xFF\x00\xE0\xFF\xFF\xFF\xFF"[..], content, b"\xFE\xFF\x0D\xE0\0\0\0\0"].concat()
}

/// A sequence of undefined length and the value representation UN, in an explicit data set.
fn open_unknown(tag: [u8; 4], content: &[u8]) -> Vec<u8> {
    [&tag[..], b"UN\0\0\xFF\xFF\xFF\xFF", &item(content), b"\xFE\xFF\xDD\xE0\0\0\0\0"].concat()
}

const PRIVATE: [u8; 4] = [0x01, 0x20, 0x5F, 0x10];
const MODALITY_IMPLICIT: &[u8] = b"\x08\x00\x60\x00\x02\0\0\0CT";
const MODALITY_EXPLICIT: &[u8] = b"\x08\x00\x60\x00CS\x02\0CT";

/// Elements to stand before the pixels, each with a sequence that its writer did not know.
fn private_sequences() -> Vec<(&'static str, Vec<u8>)> {
    let nested =
        [&b"\x01\x20\x60\x10\xFF\xFF\xFF\xFF"[..], &item(MODALITY_IMPLICIT), b"\xFE\xFF\xDD\xE0\0\0\0\0"].concat();
    let in_known = |content: Vec<u8>| {
        // RequestAttributesSequence (0040,0275) of explicit items
        [&b"\x40\x00\x75\x02SQ\0\0\xFF\xFF\xFF\xFF"[..], &item(&content), b"\xFE\xFF\xDD\xE0\0\0\0\0"].concat()
    };
    vec![
        ("implicit", open_unknown(PRIVATE, MODALITY_IMPLICIT)),
        ("explicit against the standard", open_unknown(PRIVATE, MODALITY_EXPLICIT)),
        ("empty item", open_unknown(PRIVATE, b"")),
        ("nested", open_unknown(PRIVATE, &[MODALITY_IMPLICIT, &nested].concat())),
        ("in a known sequence", in_known(open_unknown(PRIVATE, MODALITY_IMPLICIT))),
        ("standard in a known sequence", in_known(open_unknown([0x40, 0, 0x08, 0], MODALITY_IMPLICIT))),
        ("twice", [open_unknown(PRIVATE, b""), open_unknown([0x03, 0x20, 0, 0x10], MODALITY_IMPLICIT)].concat()),
    ]
}

/// A slice with bytes before its pixels.
fn with_inserted(set: &Set, inserted: &[u8]) -> Vec<u8> {
    let data = bytes_of(set, EXPLICIT);
    let at = data.windows(6).rposition(|w| w == b"\xE0\x7F\x10\x00OW").unwrap();
    file(EXPLICIT, &[&data[..at], inserted, &data[at..]].concat())
}

#[test]
fn io_dicom_sequences_that_their_writer_did_not_know_are_read() {
    let twin = read_ct(folder_of(&slices().map(|set| file(EXPLICIT, &bytes_of(&set, EXPLICIT)))).path()).unwrap();
    for (name, inserted) in private_sequences() {
        let folder = folder_of(&slices().map(|set| with_inserted(&set, &inserted)));
        let read = read_ct(folder.path()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((read.volume, read.notes), (twin.volume.clone(), twin.notes.clone()), "{name}");
    }
}

#[test]
fn alarm_io_dicom_a_broken_unknown_sequence_is_named() {
    for cut in [8, 16, 20] {
        let inserted = open_unknown(PRIVATE, MODALITY_IMPLICIT);
        let broken = &inserted[..inserted.len() - cut];
        let [a, b] = slices();
        let folder = folder_of(&[with_inserted(&a, broken), file(EXPLICIT, &bytes_of(&b, EXPLICIT))]);
        let error = read_ct(folder.path()).unwrap_err().to_string();
        assert!(error.contains("0.dcm") && error.contains("not readable"), "{cut}: {error}");
    }
    // a standard sequence that holds no items, in one piece
    let [a, b] = slices();
    let garbage = b"\x40\x00\x75\x02UN\0\0\x08\0\0\0garbage!";
    let folder = folder_of(&[with_inserted(&a, garbage), file(EXPLICIT, &bytes_of(&b, EXPLICIT))]);
    let error = read_ct(folder.path()).unwrap_err().to_string();
    assert!(error.contains("0.dcm") && error.contains("not readable"), "{error}");
}

/// Everything that may be unknown, and parts of it.
fn selections() -> [(&'static str, &'static dyn Fn(Tag) -> bool); 4] {
    [
        ("all", &|_| true),
        ("the class", &|tag| tag == tags::SOP_CLASS_UID),
        ("numbers", &|tag| tag.0 == 0x0028),
        ("one in two", &|tag| tag.1 % 2 == 0),
    ]
}

#[test]
fn io_dicom_standard_attributes_of_unknown_kind_take_that_of_the_dictionary() {
    let options = ActivityOptions::default();
    let pts = || [0.0, 5.0].map(|z| pt(z, ("20260303", "003000"), "ADMIN", "BQML"));
    let plain = |sets: [Set; 2]| folder_of(&sets.map(|set| file(EXPLICIT, &bytes_of(&set, EXPLICIT))));
    let ct = read_ct(plain(slices()).path()).unwrap();
    let activity = read_activity(plain(pts()).path(), &options).unwrap();
    for syntax in [EXPLICIT, IMPLICIT, BIG] {
        for (name, select) in selections() {
            for open in [true, false] {
                let made =
                    |sets: [Set; 2]| folder_of(&sets.map(|set| file(syntax, &unknown(&set, syntax, select, open))));
                let name = format!("{name} in {syntax}, open {open}");
                let read = read_ct(made(slices()).path()).unwrap_or_else(|error| panic!("{name}: {error}"));
                assert_eq!(read.volume, ct.volume, "{name}");
                let read = read_activity(made(pts()).path(), &options).unwrap_or_else(|e| panic!("{name}: {e}"));
                assert_eq!(
                    (read.image.volume, read.scan),
                    (activity.image.volume.clone(), activity.scan.clone()),
                    "{name}"
                );
            }
        }
    }
}

#[test]
fn io_dicom_regions_of_unknown_kind_are_read() {
    let grid = VoxelGrid::axis_aligned([4; 3], [2.0; 3], [-6.0, -6.0, 0.0]);
    // more points than an explicit text of 64 KiB holds: such contours must have the value representation UN
    let round: Vec<[f64; 3]> = (0..6000)
        .map(|n| (f64::from(n) * std::f64::consts::TAU / 6000.0).sin_cos())
        .map(|(y, x)| [3.0 + 3.3 * x, 3.0 + 3.3 * y, 2.0])
        .collect();
    let set = structure_set(&[("liver", "ORGAN", vec![round]), ("spot", "ORGAN", vec![square(0.0, 0.0, 4.0, 1.0)])]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.dcm");
    std::fs::write(&path, file(IMPLICIT, &bytes_of(&set, IMPLICIT))).unwrap();
    let twin = read_rtstruct(&path, &grid, None).unwrap();
    assert!(twin.labels.data.iter().filter(|label| **label == 1).count() > 4);
    for open in [true, false] {
        std::fs::write(&path, file(EXPLICIT, &unknown(&set, EXPLICIT, &|_| true, open))).unwrap();
        assert_eq!(read_rtstruct(&path, &grid, None).unwrap().labels, twin.labels, "contours, open {open}");
    }
    let set = seg("BINARY", &[(1, 0.0, [1; 16]), (2, 2.0, [1; 16])]);
    write(&path, &set);
    let twin = read_seg(&path, &grid, None).unwrap();
    for open in [true, false] {
        std::fs::write(&path, file(EXPLICIT, &unknown(&set, EXPLICIT, &|_| true, open))).unwrap();
        assert_eq!(read_seg(&path, &grid, None).unwrap().labels, twin.labels, "segments, open {open}");
    }
}

/// Memory that a refused file may cost: four times its size and half a MiB.
fn bounded(path: &Path, words: &str, read: impl FnOnce() -> Result<(), String>) {
    let size = std::fs::metadata(path).unwrap().len() as usize;
    let (result, memory) = measured(read);
    let error = result.expect_err("a file made to do harm was read");
    assert!(error.contains(words), "{error}");
    assert!(memory.peak <= 4 * size + (512 << 10), "{memory:?} for a file of {size} bytes: {error}");
    println!("{:.2} times {size} bytes: {error}", memory.peak as f64 / size as f64);
}

#[test]
fn io_dicom_a_small_unknown_sequence_takes_little_memory() {
    // Read as explicit, the implicit lengths of these items promise gigabytes.
    let mut content = Vec::new();
    for n in 0..40u8 {
        content.extend([0x08, 0, n, 0x01, 2, 0, 0, 0]);
        content.extend(b"OB");
    }
    let [a, _] = slices();
    let folder = folder_of(&[with_inserted(&a, &open_unknown(PRIVATE, &content))]);
    let path = folder.path().join("0.dcm");
    let size = std::fs::metadata(&path).unwrap().len() as usize;
    let (read, memory) = measured(|| read_ct(&path));
    assert!(memory.peak <= 4 * size + (512 << 10), "{memory:?} for a file of {size} bytes: {read:?}");
}

#[test]
fn io_dicom_many_frames_take_no_more_than_four_times_the_file() {
    const FRAMES: usize = 12_000;
    let mut set = seg("BINARY", &[]);
    put(&mut set, tags::NUMBER_OF_FRAMES, VR::IS, &FRAMES.to_string());
    set.remove_element(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE);
    set.remove_element(tags::PIXEL_DATA);
    let groups = |z: f64| {
        let mut groups = Set::new_empty();
        let mut position = Set::new_empty();
        put_ds(&mut position, tags::IMAGE_POSITION_PATIENT, &[0.0, 0.0, z]);
        put_items(&mut groups, tags::PLANE_POSITION_SEQUENCE, vec![position]);
        let mut identity = Set::new_empty();
        put_u16(&mut identity, tags::REFERENCED_SEGMENT_NUMBER, 1);
        put_items(&mut groups, tags::SEGMENT_IDENTIFICATION_SEQUENCE, vec![identity]);
        let mut source = Set::new_empty();
        put(&mut source, tags::REFERENCED_SOP_CLASS_UID, VR::UI, CT);
        put(&mut source, tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, "1.2.3.4.5.6.7.8.9.10.11.12.13.14.15.16");
        let mut derived = Set::new_empty();
        put_items(&mut derived, tags::REFERENCED_IMAGE_SEQUENCE, vec![source]);
        put_items(&mut groups, tags::FRAME_CONTENT_SEQUENCE, vec![derived]);
        bytes_of(&groups, EXPLICIT)
    };
    // all at one place, which is refused after everything was read
    let one = item(&groups(0.0));
    let mut data = bytes_of(&set, EXPLICIT);
    data.extend(b"\x00\x52\x30\x92SQ\0\0\xFF\xFF\xFF\xFF");
    (0..FRAMES).for_each(|_| data.extend(&one));
    data.extend(b"\xFE\xFF\xDD\xE0\0\0\0\0\xE0\x7F\x10\x00OB\0\0");
    data.extend((2 * FRAMES as u32).to_le_bytes());
    data.resize(data.len() + 2 * FRAMES, 1);
    let folder = folder_of(&[file(EXPLICIT, &data)]);
    let path = folder.path().join("0.dcm");
    let grid = VoxelGrid::axis_aligned([4; 3], [2.0; 3], [-6.0, -6.0, 0.0]);
    bounded(&path, "at one place", || read_seg(&path, &grid, None).map(|_| ()).map_err(|e| e.to_string()));
}

#[test]
fn io_dicom_a_header_that_asks_for_more_memory_than_it_may_is_refused() {
    let [a, _] = slices();
    let items = item(b"\x08\x00\x60\x00CS\x02\0CT").repeat(100_000);
    let many = [&b"\x40\x00\x75\x02SQ\0\0\xFF\xFF\xFF\xFF"[..], &items, b"\xFE\xFF\xDD\xE0\0\0\0\0"].concat();
    let mut values = b"\x40\x00\x53\x02UC\0\0".to_vec();
    let texts = b"1\\".repeat(4 << 20);
    values.extend((texts.len() as u32).to_le_bytes());
    values.extend(texts);
    for bytes in [many, values] {
        let folder = folder_of(&[with_inserted(&a, &bytes)]);
        let path = folder.path().join("0.dcm");
        bounded(&path, "memory of the header", || read_ct(&path).map(|_| ()).map_err(|e| e.to_string()));
    }
    // Fewer are read.
    let few = item(b"\x08\x00\x60\x00CS\x02\0CT").repeat(1000);
    let few = [&b"\x40\x00\x75\x02SQ\0\0\xFF\xFF\xFF\xFF"[..], &few, b"\xFE\xFF\xDD\xE0\0\0\0\0"].concat();
    let [a, b] = slices();
    read_ct(folder_of(&[with_inserted(&a, &few), with_inserted(&b, &few)]).path()).unwrap();
}
