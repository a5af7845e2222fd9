//! `lutra inspect` as a user runs it.

use std::path::Path;
use std::process::{Command, Output};

use dicom_core::VR;
use dicom_dictionary_std::tags;

use crate::io_dicom_made::{PT, image, put, put_ds, write};
use crate::needs;

fn lutra(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lutra")).args(arguments).output().expect("the program starts")
}

fn text(path: &Path) -> (Option<i32>, String, String) {
    let output = lutra(&["inspect", path.to_str().unwrap()]);
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (output.status.code(), out, err)
}

#[test]
fn cli_inspect_says_what_it_would_use_and_names_no_patient() {
    let folder = tempfile::tempdir().unwrap();
    for n in 0..2 {
        let mut set = image(PT, "PT", [2, 2], &[100; 4]);
        put(&mut set, tags::UNITS, VR::CS, "BQML");
        put(&mut set, tags::RESCALE_INTERCEPT, VR::DS, "0");
        put(&mut set, tags::DECAY_CORRECTION, VR::CS, "NONE");
        put(&mut set, tags::SERIES_NUMBER, VR::IS, "7");
        put_ds(&mut set, tags::IMAGE_POSITION_PATIENT, &[0.0, 0.0, 4.0 * f64::from(n)]);
        put_ds(&mut set, tags::IMAGE_ORIENTATION_PATIENT, &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
        put_ds(&mut set, tags::PIXEL_SPACING, &[5.0, 5.0]);
        write(&folder.path().join(format!("{n}.dcm")), &set);
    }
    std::fs::write(folder.path().join("notes.txt"), "x").unwrap();
    let (code, out, _) = text(folder.path());
    assert_eq!(code, Some(0));
    for words in [
        "activity image (PT or NM) series 7, 2 files in ",
        "time after injection not known",
        "unit Bq/mL by rescale",
        "decay correction NONE",
        "8.000e-5 MBq in the image",
        "doubt: the length of the scan is not stated",
        "1 files that are not DICOM",
        "--activity: activity image",
    ] {
        assert!(out.contains(words), "{words}:\n{out}");
    }
    assert!(!out.contains("SECRET") && !out.contains("1950") && !out.contains("2026"), "{out}");
    let (code, _, err) = text(&folder.path().join("notes.txt"));
    assert_eq!(code, Some(2));
    assert!(err.contains("notes.txt"), "{err}");
}

#[test]
fn cli_inspect_of_a_whole_study() {
    let Some(case) = needs::shared("cases/liver-ct-dicom") else { return };
    let (code, out, err) = text(&case);
    println!("{out}");
    assert_eq!(code, Some(0), "{err}");
    assert!(!out.contains("TEST^") && !out.contains("LIVERCT01"));
    for words in ["24.3 h after injection", "refused: ", "missing slices", "duplicate slices", "candidates"] {
        assert!(out.contains(words), "{words}");
    }
}
