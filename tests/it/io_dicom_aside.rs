//! A study as it lies on a disk: an index, reports, pictures and plans beside the images, in nobody's way.

use std::path::{Path, PathBuf};

use dicom_core::VR;
use dicom_dictionary_std::tags;
use dicom_object::meta::FileMetaTableBuilder;
use lutra::io::dicom::{self, ActivityOptions, Kind, contents, inspect, read_ct};
use lutra::io::open::{files_of, origin_of};
use lutra::io::open_ct;
use lutra::place::Place;

use crate::cli_dicom::{ENGINE, done, lutra, study};
use crate::io_dicom_made::{CT, PT, Set, image, put, put_items, put_u16, write};

const STORAGE: &str = "1.2.840.10008.5.1.4.1.1.";
/// What lies beside images: its class after [`STORAGE`], and what `lutra inspect` calls it.
const BESIDE: [(&str, &str); 18] = [
    ("88.11", "structured report (SR)"),
    ("88.33", "structured report (SR)"),
    ("88.67", "dose report (SR)"),
    ("88.68", "dose report (SR)"),
    ("88.59", "key object selection (KO)"),
    ("11.1", "presentation state (PR)"),
    ("66", "raw data"),
    ("66.1", "registration (REG)"),
    ("66.2", "fiducials"),
    ("67", "real world value mapping"),
    ("104.1", "document (PDF)"),
    ("7", "picture (Secondary Capture)"),
    ("7.4", "picture (Secondary Capture)"),
    ("481.5", "plan (RTPLAN)"),
    ("481.2", "dose (RTDOSE)"),
    ("9.1.1", "waveform"),
    ("77.1.4", "photograph or microscopy"),
    ("4", "MR image"),
];

/// An object of a class, of the study's patient or without one.
fn object(class: &str, patient: Option<&str>) -> Set {
    let mut set = Set::new_empty();
    put(&mut set, tags::SOP_CLASS_UID, VR::UI, &format!("{STORAGE}{class}"));
    put(&mut set, tags::SOP_INSTANCE_UID, VR::UI, &format!("1.2.3.80.{class}"));
    put(&mut set, tags::SERIES_INSTANCE_UID, VR::UI, &format!("1.2.3.81.{class}"));
    if let Some(patient) = patient {
        put(&mut set, tags::PATIENT_ID, VR::LO, patient);
    }
    set
}

/// Writes an index of two patients: its class stands in the meta information alone.
fn write_index(path: &Path, class: &str) {
    let mut set = Set::new_empty();
    put(&mut set, tags::FILE_SET_ID, VR::CS, "DISK");
    let record = |patient: &str| {
        let mut record = Set::new_empty();
        put(&mut record, tags::DIRECTORY_RECORD_TYPE, VR::CS, "PATIENT");
        put(&mut record, tags::PATIENT_ID, VR::LO, patient);
        record
    };
    put_items(&mut set, tags::DIRECTORY_RECORD_SEQUENCE, vec![record("SECRETID"), record("SECRETOTHER")]);
    let meta = FileMetaTableBuilder::new()
        .transfer_syntax("1.2.840.10008.1.2.1")
        .media_storage_sop_class_uid(class)
        .media_storage_sop_instance_uid("1.2.3.82");
    set.with_meta(meta).unwrap().write_to_file(path).unwrap();
}

const INDEX: &str = "1.2.840.10008.1.3.10";

/// What Lutra makes of a folder: its CT, and series of images and regions with their files.
fn made_of(folder: &Path) -> (Vec<f32>, Vec<(Kind, Vec<PathBuf>)>) {
    let usable = [Kind::Ct, Kind::Activity, Kind::StructureSet];
    let entries = contents(folder).unwrap().into_iter().filter(|entry| usable.contains(&entry.kind));
    let series =
        entries.map(|entry| (entry.kind, entry.origin.files().iter().map(Place::to_path_buf).collect())).collect();
    (open_ct(folder).unwrap().volume.data, series)
}

#[test]
fn io_dicom_what_is_no_image_stands_in_nobodys_way() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("study");
    study(&place);
    let alone = made_of(&place);
    assert_eq!(alone.1.len(), 5);
    for (class, words) in BESIDE {
        for patient in [Some("SECRETID"), None] {
            let file = place.join("beside.dcm");
            write(&file, &object(class, patient));
            assert_eq!(made_of(&place), alone, "{words}");
            let report = inspect(&place, &ActivityOptions::default()).unwrap();
            let found = report.series.iter().find(|series| series.files == [Place::from(&file)]).unwrap();
            assert!(found.title.starts_with(words), "{class}: {}", found.title);
            assert!(report.verdict[0].to_string().starts_with("CT: CT,"), "{:?}", report.verdict);
            assert_eq!(origin_of(&place).unwrap().unwrap().files().len(), 8, "the CT's own origin");
            std::fs::remove_file(file).unwrap();
        }
    }
}

#[test]
fn alarm_io_dicom_another_patient_beside_the_images_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    study(place);
    for (class, words) in BESIDE {
        let file = place.join("beside.dcm");
        write(&file, &object(class, Some("SECRETOTHER")));
        let error = contents(place).unwrap_err().to_string();
        assert!(error.contains("two patients") && error.contains("beside.dcm"), "{words}: {error}");
        assert!(!error.contains("SECRET"), "{error}");
        std::fs::remove_file(file).unwrap();
    }
    // Images and regions that state no patient beside those that do are in doubt.
    for class in [CT, PT, "1.2.840.10008.5.1.4.1.1.481.3"] {
        let mut set = image(class, "CT", [2, 2], &[0; 4]);
        set.remove_element(tags::PATIENT_ID);
        set.remove_element(tags::PATIENT_NAME);
        write(&place.join("nobody.dcm"), &set);
        let error = contents(place).unwrap_err().to_string();
        assert!(error.contains("and none in") && error.contains("nobody.dcm"), "{error}");
    }
}

#[test]
fn io_dicom_an_index_is_no_image_and_stands_for_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("study");
    study(&place);
    let alone = made_of(&place);
    for (name, class) in [("DICOMDIR", INDEX), ("dicomdir", INDEX), ("index.dcm", INDEX), ("DicomDir", "1.2.3")] {
        let file = place.join(name);
        write_index(&file, class);
        assert_eq!(made_of(&place), alone, "{name}");
        let report = inspect(&place, &ActivityOptions::default()).unwrap();
        assert!(report.aside.len() == 1 && report.aside[0].path == file, "{name}");
        assert!(report.to_string().contains("index of a disk (DICOMDIR)"), "{report}");
        assert_eq!(report.series.len(), 5, "series keep their numbers");
        if class == INDEX {
            assert!(dicom::is_dicom(&file));
            let (ct, series) = made_of(&file);
            assert_eq!((&ct, &series), (&alone.0, &alone.1), "{name}: an index stands for its folder");
            assert_eq!(files_of(&file).unwrap(), files_of(&place).unwrap());
        }
        std::fs::remove_file(file).unwrap();
    }
    // A damaged one is known by its class or its name; damaged reports by their class.
    write_index(&place.join("a"), INDEX);
    let bytes = std::fs::read(place.join("a")).unwrap();
    std::fs::write(place.join("a"), &bytes[..bytes.len() - 20]).unwrap();
    write(&place.join("b"), &object("88.11", Some("SECRETID")));
    let bytes = std::fs::read(place.join("b")).unwrap();
    std::fs::write(place.join("b"), &bytes[..bytes.len() - 5]).unwrap();
    assert_eq!(made_of(&place), alone);
    let text = inspect(&place, &ActivityOptions::default()).unwrap().to_string();
    assert!(text.contains("index of a disk (DICOMDIR), damaged") && text.contains("(SR), not readable: "), "{text}");
    // An index alone is nothing to compute on.
    let alone = folder.path().join("disk");
    std::fs::create_dir(&alone).unwrap();
    write_index(&alone.join("DICOMDIR"), INDEX);
    let error = contents(&alone).unwrap_err().to_string();
    assert!(error.contains("no DICOM file but index of a disk"), "{error}");
}

#[test]
fn alarm_io_dicom_a_damaged_image_is_not_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    study(place);
    let one = read_ct(place).unwrap().files[3].to_path_buf();
    let bytes = std::fs::read(&one).unwrap();
    std::fs::write(&one, &bytes[..bytes.len() / 2]).unwrap();
    let error = open_ct(place).unwrap_err().to_string();
    assert!(error.contains(&one.display().to_string()), "{error}");
    let report = inspect(place, &ActivityOptions::default()).unwrap();
    assert!(report.aside.iter().any(|aside| aside.path == one) && report.to_string().contains("refused"), "{report}");
}

#[test]
fn io_dicom_colours_and_scouts_beside_the_images_are_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    study(place);
    let alone = made_of(place);
    let series = |class: &str, change: &dyn Fn(&mut Set)| {
        let mut set = image(class, "OT", [2, 2], &[0; 4]);
        put(&mut set, tags::SERIES_INSTANCE_UID, VR::UI, "1.2.3.90");
        put(&mut set, tags::SOP_INSTANCE_UID, VR::UI, "1.2.3.91");
        change(&mut set);
        write(&place.join("picture"), &set);
        let report = inspect(place, &ActivityOptions::default()).unwrap();
        (made_of(place), report.series.last().unwrap().title.clone())
    };
    for class in [CT, PT] {
        let (found, title) = series(class, &|set| put_u16(set, tags::SAMPLES_PER_PIXEL, 3));
        assert_eq!(found, alone, "{class}");
        assert!(title.starts_with("colour picture of class"), "{title}");
    }
    let (found, title) = series(CT, &|set| put(set, tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\LOCALIZER"));
    assert!(found == alone && title.starts_with("localizer of class"), "{title}");
}

#[test]
fn cli_a_study_with_everything_beside_it_gives_what_it_gives_alone() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    study(&folder.join("study"));
    let line = [&["dose", "--ct", "study", "--activity", "study", "--labels", "study"][..], &ENGINE].concat();
    done(folder, &[&line[..], &["--out", "a"]].concat());
    write_index(&folder.join("study/DICOMDIR"), INDEX);
    for (n, (class, _)) in BESIDE.iter().enumerate() {
        let patient = if n % 2 == 0 { Some("SECRETID") } else { None };
        write(&folder.join("study").join(format!("beside{n}")), &object(class, patient));
    }
    done(folder, &[&line[..], &["--out", "b"]].concat());
    let disk = "study/DICOMDIR";
    let line = [&["dose", "--ct", disk, "--activity", disk, "--labels", disk][..], &ENGINE].concat();
    done(folder, &[&line[..], &["--out", "c"]].concat());
    let dose = |out: &str| std::fs::read(folder.join(out).join("dose_gy.nii.gz")).unwrap();
    assert!(dose("a") == dose("b") && dose("a") == dose("c"));
    let said = done(folder, &["inspect", "study"]);
    for words in BESIDE.iter().map(|(_, words)| *words).chain(["study/DICOMDIR: index of a disk (DICOMDIR)"]) {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_eq!(done(folder, &["inspect", disk]), said);
    let said = done(folder, &["course", disk, "--out", "d", "--engine", "cpu", "--histories", "20000"]);
    assert!(said.contains("images at 4, 24, 96 h"), "{said}");
    write(&folder.join("study/stranger"), &object("88.11", Some("SECRETOTHER")));
    let output = lutra(folder, &["inspect", "study"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && said.contains("two patients") && said.contains("stranger"), "{said}");
}
