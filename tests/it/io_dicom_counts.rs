//! Counts of a header held against what is there, steps between slices, moments of beds, files that are broken.

use std::path::Path;

use dicom_core::value::PrimitiveValue;
use dicom_core::{DataElement, VR};
use dicom_dictionary_std::tags;
use lutra::io::dicom::{ActivityImage, ActivityOptions, contents, inspect, read_activity, read_ct};

use crate::cli_dicom::{ENGINE, done, refused, study};
use crate::io_dicom_made::{CT, Set, image, nm, pt, pt_folder, put, put_ds, put_items, put_u16, write};
use crate::io_dicom_stated::enhanced;

/// A CT slice with its first pixel here.
fn slice(at: [f64; 3]) -> Set {
    let mut set = image(CT, "CT", [2, 2], &[1024, 1034, 1044, 24]);
    put(&mut set, tags::SOP_INSTANCE_UID, VR::UI, &format!("1.2.3.{}", at[2]));
    put_ds(&mut set, tags::IMAGE_POSITION_PATIENT, &at);
    put_ds(&mut set, tags::IMAGE_ORIENTATION_PATIENT, &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    put_ds(&mut set, tags::PIXEL_SPACING, &[1.0, 1.0]);
    set
}

/// Slices at these places, y shifted by `tilt` of z.
fn ct_at(places: &[f64], tilt: f64) -> tempfile::TempDir {
    pt_folder(&places.iter().map(|&z| slice([0.0, tilt * z, z])).collect::<Vec<_>>())
}

const START: (&str, &str) = ("20260303", "003000");

fn pts(change: &dyn Fn(usize, &mut Set)) -> tempfile::TempDir {
    let mut slices = [0.0, 5.0].map(|z| pt(z, START, "START", "BQML"));
    slices.iter_mut().enumerate().for_each(|(n, set)| change(n, set));
    pt_folder(&slices)
}

fn activity(folder: &tempfile::TempDir) -> Result<ActivityImage, String> {
    read_activity(folder.path(), &ActivityOptions::default()).map_err(|error| error.to_string())
}

fn ct_refusal(folder: &tempfile::TempDir) -> String {
    read_ct(folder.path()).unwrap_err().to_string()
}

#[test]
fn io_dicom_several_frames_in_an_object_of_one_are_refused() {
    for frames in ["2", "70", "0", "x"] {
        let folder = pts(&|_, set| put(set, tags::NUMBER_OF_FRAMES, VR::IS, frames));
        let error = activity(&folder).unwrap_err();
        // what is no number is refused as such
        let pt = if frames == "x" { "found \"x\", which is no number" } else { "allowed: 1 in a PT" };
        assert!(error.contains("NumberOfFrames (0028,0008): found ") && error.contains(pt), "{error}");
        let mut set = slice([0.0; 3]);
        put_ds(&mut set, tags::SLICE_THICKNESS, &[3.0]);
        put(&mut set, tags::NUMBER_OF_FRAMES, VR::IS, frames);
        let error = ct_refusal(&pt_folder(&[set]));
        let ct = if frames == "x" { "found \"x\", which is no number" } else { "allowed: 1 in a CT" };
        assert!(error.contains("NumberOfFrames (0028,0008): found ") && error.contains(ct), "{error}");
    }
    activity(&pts(&|_, set| put(set, tags::NUMBER_OF_FRAMES, VR::IS, "1"))).unwrap();
}

#[test]
fn io_dicom_pixels_that_the_header_does_not_count_are_refused() {
    let pixels = |set: &mut Set, count: u16, value: u16| {
        let pixels: Vec<u16> = (0..count).map(|n| if n < 4 { 1024 } else { value }).collect();
        set.put(DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(pixels.into())));
    };
    let made = |count: u16, value: u16| {
        pt_folder(&[0.0, 3.0].map(|z| {
            let mut set = slice([0.0, 0.0, z]);
            pixels(&mut set, count, value);
            set
        }))
    };
    let volume = read_ct(made(4, 0).path()).unwrap().volume;
    // a word of padding is none of the image
    assert_eq!(read_ct(made(5, 0).path()).unwrap().volume, volume);
    for count in [4 + 5, 2 * 4 + 2, 70 * 4] {
        let error = ct_refusal(&made(count, 1024));
        assert!(error.contains("bytes more than 1 frames of 2 rows and 2 columns"), "{count}: {error}");
    }
    assert!(ct_refusal(&made(3, 0)).contains("pixel data"));
    // NM states its frames: one less than there are is no reconstruction of part of the patient
    let mut set = nm();
    put(&mut set, tags::NUMBER_OF_FRAMES, VR::IS, "1");
    let error = activity(&pt_folder(&[set])).unwrap_err();
    assert!(error.contains("bytes more than 1 frames"), "{error}");
}

#[test]
fn io_dicom_a_number_of_slices_that_differs_is_told_or_refused() {
    let stated = |count: u16| activity(&pts(&|_, set| put_u16(set, tags::NUMBER_OF_SLICES, count)));
    assert!(stated(2).unwrap().image.notes.iter().all(|note| !note.contains("NumberOfSlices")));
    let notes = stated(1).unwrap().image.notes;
    assert!(notes.iter().any(|note| note.contains("states 1 slices, the series has 2")), "{notes:?}");
    assert!(stated(3).unwrap_err().contains("3 stated and 2 files"));
}

#[test]
fn io_dicom_a_variable_step_and_a_tilt_are_called_what_they_are() {
    let head = [0.0, 4.0, 8.0, 12.0, 19.0, 26.0, 33.0];
    let error = ct_refusal(&ct_at(&head, 0.0));
    assert!(error.contains("a variable step between slices: 3 of 4.000 mm; 3 of 7.000 mm;"), "{error}");
    assert!(!error.contains("missing") && !error.contains("tilt"), "{error}");
    let error = ct_refusal(&ct_at(&head, 0.25));
    assert!(error.contains("3 of 7.000 mm, and a gantry tilt of 14.04 degrees"), "{error}");
    // twice the step in a row is a step as well; most of the series may have the longer one
    let error = ct_refusal(&ct_at(&[0.0, 4.0, 8.0, 12.0, 16.0, 24.0, 32.0, 40.0], 0.0));
    assert!(error.contains("4 of 4.000 mm; 3 of 8.000 mm"), "{error}");
    let error = ct_refusal(&ct_at(&[0.0, 4.0, 8.0, 15.0, 22.0, 29.0, 36.0], 0.0));
    assert!(error.contains("2 of 4.000 mm; 4 of 7.000 mm"), "{error}");
    // one gap of two steps is a slice that is missing
    let error = ct_refusal(&ct_at(&[0.0, 4.0, 8.0, 16.0, 20.0, 24.0], 0.25));
    assert!(error.contains("missing slices in a series of 4.000 mm steps: 1 between 8.000"), "{error}");
    assert!(error.contains("and a gantry tilt of 14.04 degrees"), "{error}");
    let error = ct_refusal(&ct_at(&[0.0, 4.0, 8.0], 0.25));
    assert!(error.contains("found a gantry tilt of 14.04 degrees"), "{error}");
}

#[test]
fn io_dicom_a_lone_slice_is_as_thick_as_its_thickness() {
    let lone = |lengths: &[(dicom_core::Tag, f64)]| {
        let mut set = slice([0.0; 3]);
        lengths.iter().for_each(|(tag, mm)| put_ds(&mut set, *tag, &[*mm]));
        let folder = pt_folder(&[set]);
        read_ct(folder.path()).map(|ct| (ct.volume.grid.spacing_mm[2], ct.notes)).map_err(|e| e.to_string())
    };
    let both = [(tags::SLICE_THICKNESS, 3.0), (tags::SPACING_BETWEEN_SLICES, 5.0)];
    let (mm, notes) = lone(&both).unwrap();
    assert!(mm == 3.0 && notes[0].contains("its thickness is taken from SliceThickness, 3 mm"), "{mm} {notes:?}");
    let (mm, notes) = lone(&both[1..]).unwrap();
    assert!(mm == 5.0 && notes[0].contains("from SpacingBetweenSlices, 5 mm"), "{mm} {notes:?}");
    assert!(lone(&[]).unwrap_err().contains("one slice without a thickness"));
}

/// Factors from decay corrected values to the middle of the scan, of both beds.
fn factors(image: &ActivityImage) -> [f64; 2] {
    let data = &image.image.volume.data;
    [data[0] / 1000.0, data[4] / 1000.0]
}

fn close(found: [f64; 2], halvings: [f64; 2]) -> bool {
    found.iter().zip(halvings).all(|(found, halvings)| (found / (-halvings).exp2() - 1.0).abs() < 1e-9)
}

/// Two beds of an hour, one after the other, in one acquisition of 00:30; half-life 2 h, injection 23:30.
fn beds(correction: &str, references_ms: [&str; 2], factors: Option<[f64; 2]>) -> Result<ActivityImage, String> {
    activity(&pts(&|n, set| {
        put(set, tags::DECAY_CORRECTION, VR::CS, correction);
        if !references_ms[n].is_empty() {
            put(set, tags::FRAME_REFERENCE_TIME, VR::DS, references_ms[n]);
        }
        if let Some(halvings) = factors {
            put(set, tags::DECAY_FACTOR, VR::DS, &format!("{:.8}", halvings[n].exp2()));
        }
    }))
}

#[test]
fn io_dicom_beds_of_one_acquisition_are_told_apart_by_their_reference_time() {
    // counted to the middle of the frames, or to their start
    for references_ms in [["1800000", "5400000"], ["0", "3600000"], ["9000000", "12600000"]] {
        // the scan lasts from 00:30 to 02:30, its middle is 2 h after the injection
        for (correction, halvings) in [("NONE", [0.25, -0.25]), ("START", [0.5, 0.5]), ("ADMIN", [1.0, 1.0])] {
            let read = beds(correction, references_ms, None).unwrap();
            assert_eq!(read.scan.timing.hours_after_injection, Some(2.0), "{correction} {references_ms:?}");
            assert_eq!(read.scan.timing.duration_s, 7200.0);
            assert!(close(factors(&read), halvings), "{correction} {references_ms:?}: {:?}", factors(&read));
            let told = read.image.notes.iter().any(|note| note.contains("60.0 min apart"));
            assert!(told, "{:?}", read.image.notes);
        }
    }
    // the scanner's own factors agree
    let read = beds("START", ["1800000", "5400000"], Some([0.25, 0.75])).unwrap();
    assert!(close(factors(&read), [0.5, 0.5]) && read.image.notes.iter().all(|note| !note.contains("DecayFactor")));
    // beds that were each corrected to the start of their own frame
    let read = beds("START", ["1800000", "5400000"], Some([0.25, 0.25])).unwrap();
    assert!(close(factors(&read), [0.5, 0.0]), "{:?}", factors(&read));
    assert!(read.image.notes.iter().any(|note| note.contains("the start of its own frame")), "{:?}", read.image.notes);
}

#[test]
fn io_dicom_beds_with_times_of_their_own_are_undone_by_themselves() {
    let made = |halvings: [f64; 2]| {
        activity(&pts(&|n, set| {
            put(set, tags::ACQUISITION_TIME, VR::TM, ["003000", "013000"][n]);
            put(set, tags::FRAME_REFERENCE_TIME, VR::DS, ["1800000", "5400000"][n]);
            put(set, tags::DECAY_FACTOR, VR::DS, &format!("{:.8}", halvings[n].exp2()));
        }))
    };
    assert!(close(factors(&made([0.25, 0.75]).unwrap()), [0.5, 0.5]));
    assert!(close(factors(&made([0.25, 0.25]).unwrap()), [0.5, 0.0]));
    assert!(made([0.25, 0.5]).unwrap_err().contains("DecayFactor (0054,1321)"));
}

#[test]
fn io_dicom_frames_of_a_multi_frame_image_have_their_own_moments() {
    for (correction, halvings) in [("NONE", [0.25, -0.25]), ("START", [0.5, 0.5]), ("ADMIN", [1.0, 1.0])] {
        let mut set = enhanced(correction, [None, None]);
        let mut frames = set.element(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE).unwrap().items().unwrap().to_vec();
        for (frame, start) in frames.iter_mut().zip(["20260303003000", "20260303013000"]) {
            let mut content = Set::new_empty();
            put(&mut content, tags::FRAME_ACQUISITION_DATE_TIME, VR::DT, start);
            put_items(frame, tags::FRAME_CONTENT_SEQUENCE, vec![content]);
        }
        put_items(&mut set, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, frames);
        let read = activity(&pt_folder(&[set])).unwrap();
        assert_eq!(read.scan.timing.hours_after_injection, Some(2.0), "{correction}");
        assert!(close(factors(&read), halvings), "{correction}: {:?}", factors(&read));
    }
}

#[test]
fn alarm_io_dicom_reference_times_that_say_nothing_change_nothing() {
    let plain = beds("START", ["", ""], None).unwrap();
    assert_eq!(plain.scan.timing.hours_after_injection, Some(1.5));
    for same in [["1800000", "1800000"], ["0", "0"], ["0", "900"]] {
        let read = beds("START", same, None).unwrap();
        assert_eq!((read.image.volume, read.scan), (plain.image.volume.clone(), plain.scan.clone()), "{same:?}");
    }
    for (references_ms, words) in [
        (["1800000", "x"], "FrameReferenceTime (0054,1300): found \"x\", which is no number"),
        (["0", "90000000"], "FrameReferenceTime (0054,1300): found beds 25.00 h apart"),
    ] {
        let error = beds("START", references_ms, None).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
    let slices = [0.0, 5.0, 10.0].map(|z| {
        let mut set = pt(z, START, "START", "BQML");
        if z < 10.0 {
            put(&mut set, tags::FRAME_REFERENCE_TIME, VR::DS, &format!("{}", 1e6 * z));
        }
        set
    });
    let error = activity(&pt_folder(&slices)).unwrap_err();
    assert!(error.contains("found 2 values for 3 slices of one AcquisitionTime"), "{error}");
    // factors of one bed beside times of two
    let error = beds("START", ["1800000", "5400000"], Some([0.25, 0.5])).unwrap_err();
    assert!(error.contains("DecayFactor (0054,1321)"), "{error}");
}

/// Ways in which a file of a folder is broken, and the words for it.
const FAULTS: [(&str, &str); 5] = [
    ("empty", "an empty file"),
    ("head", "cut to 100 bytes"),
    ("half", "not readable"),
    ("pixels", "not readable"),
    ("zeros", "zeros where DICOM should start"),
];

fn break_file(path: &Path, fault: &str) {
    let bytes = std::fs::read(path).unwrap();
    let left = match fault {
        "empty" => Vec::new(),
        "head" => bytes[..100].to_vec(),
        "half" => bytes[..bytes.len() / 2].to_vec(),
        "pixels" => bytes[..bytes.len() - 3].to_vec(),
        _ => vec![0; bytes.len()],
    };
    std::fs::write(path, left).unwrap();
}

#[test]
fn io_dicom_a_series_beside_a_broken_slice_is_refused_by_name() {
    for (fault, words) in FAULTS {
        for broken in [0, 1, 3] {
            let name = format!("{broken}.dcm");
            let folder = ct_at(&[0.0, 3.0, 6.0, 9.0], 0.0);
            break_file(&folder.path().join(&name), fault);
            for path in [folder.path().to_path_buf(), folder.path().join("2.dcm")] {
                let error = read_ct(path).unwrap_err().to_string();
                assert!(error.contains(&name) && error.contains(words), "{fault} {broken}: {error}");
                assert!(error.contains("beside 3 slices") && error.contains("take it out of the folder"), "{error}");
            }
            let report = inspect(folder.path(), &ActivityOptions::default()).unwrap();
            let said = report.to_string();
            assert!(report.aside.iter().any(|aside| aside.path.ends_with(&name)) && said.contains(words), "{said}");
            assert!(said.contains("refused: ") && !said.contains("SECRET"), "{said}");
            let folder = pt_folder(&[0.0, 5.0, 10.0, 15.0].map(|z| pt(z, START, "START", "BQML")));
            break_file(&folder.path().join(&name), fault);
            let error = activity(&folder).unwrap_err();
            assert!(error.contains(&name) && error.contains(words), "{fault} {broken}: {error}");
        }
    }
}

#[test]
fn io_dicom_a_broken_file_that_is_not_needed_is_named_and_stops_nothing() {
    let folder = ct_at(&[0.0, 3.0, 6.0], 0.0);
    let alone = read_ct(folder.path()).unwrap();
    for (name, text, said) in [("notes.txt", "", "an empty file"), ("notes.md", "seen", ""), (".keep", "", "")] {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let read = read_ct(folder.path()).unwrap();
        assert_eq!(read.volume, alone.volume);
        let told = read.notes.iter().any(|note| note.contains(name) && note.contains("an empty file"));
        assert_eq!(told, !said.is_empty(), "{name}: {:?}", read.notes);
        std::fs::remove_file(path).unwrap();
    }
    // A damaged image of another kind: the CT is read, the image is not.
    for n in 0..2 {
        write(&folder.path().join(format!("pt{n}.dcm")), &{
            let mut set = pt(5.0 * f64::from(n), START, "START", "BQML");
            put(&mut set, tags::SERIES_INSTANCE_UID, VR::UI, "1.2.3.40");
            put(&mut set, tags::SOP_CLASS_UID, VR::UI, crate::io_dicom_made::PT);
            set
        });
    }
    let whole = activity(&folder).unwrap();
    write_with_class(&folder.path().join("pt2.dcm"), &pt(10.0, START, "START", "BQML"));
    break_file(&folder.path().join("pt2.dcm"), "half");
    let read = read_ct(folder.path()).unwrap();
    assert_eq!(read.volume, alone.volume);
    assert!(read.notes.iter().any(|note| note.contains("pt2.dcm")), "{:?}", read.notes);
    assert!(activity(&folder).unwrap_err().contains("pt2.dcm"));
    assert_eq!(contents(folder.path()).unwrap().len(), 2);
    // A series that says how many slices it has, and has them, lacks none.
    for n in 0..2 {
        let mut set = pt(5.0 * f64::from(n), START, "START", "BQML");
        put(&mut set, tags::SERIES_INSTANCE_UID, VR::UI, "1.2.3.40");
        put_u16(&mut set, tags::NUMBER_OF_SLICES, 2);
        write(&folder.path().join(format!("pt{n}.dcm")), &set);
    }
    let read = activity(&folder).unwrap();
    assert_eq!(read.image.volume, whole.image.volume);
    assert!(read.image.notes.iter().any(|note| note.contains("pt2.dcm")), "{:?}", read.image.notes);
}

/// Writes an object whose meta information states its class.
fn write_with_class(path: &Path, set: &Set) {
    let meta = dicom_object::meta::FileMetaTableBuilder::new()
        .transfer_syntax("1.2.840.10008.1.2.1")
        .media_storage_sop_class_uid(crate::io_dicom_made::PT)
        .media_storage_sop_instance_uid("1.2.3.82");
    set.clone().with_meta(meta).unwrap().write_to_file(path).unwrap();
}

#[test]
fn cli_a_broken_file_is_named_by_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    study(&folder.join("study"));
    let dose =
        [&["dose", "--ct", "study", "--activity", "study", "--labels", "study", "--out", "a"][..], &ENGINE].concat();
    let tia = ["tia", "study", "--ct", "study", "--labels", "study", "--out", "b"];
    let course = ["course", "study", "--out", "c", "--engine", "cpu", "--histories", "20000"];
    std::fs::write(folder.join("study/notes.txt"), "").unwrap();
    for line in [&dose[..], &tia, &course, &["inspect", "study"]] {
        let said = done(folder, line);
        assert!(said.contains("notes.txt: an empty file"), "{line:?}: {said}");
    }
    std::fs::remove_file(folder.join("study/notes.txt")).unwrap();
    for out in ["a", "b", "c"] {
        std::fs::remove_dir_all(folder.join(out)).unwrap();
    }
    // The class in the data set alone does not tell what a file was that is cut: any series may have had it.
    let last = read_ct(folder.join("study")).unwrap().files[7].clone();
    break_file(last.path(), "half");
    for line in [&dose[..], &tia, &course] {
        let said = refused(folder, line);
        assert!(said.contains(&last.file_name().unwrap().to_string_lossy().into_owned()), "{line:?}: {said}");
    }
}
