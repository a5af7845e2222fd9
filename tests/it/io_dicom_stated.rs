//! What a file of an activity image says of decay, unit and time, what it leaves in doubt, and what a person states.

use std::path::Path;

use dicom_core::value::PrimitiveValue;
use dicom_core::{DataElement, VR};
use dicom_dictionary_std::tags;
use lutra::io::dicom::{
    ActivityImage, ActivityOptions, DecayCorrection, IfSilent, StatedMoment, inspect, read_activity,
};

use crate::cli_dicom::{ENGINE, done, leaks, refused};
use crate::io_dicom_made::{Set, mapping, nm, pt, pt_folder, put, put_ds, put_items, write};

/// Injection at 23:30, scan from 00:30 the next day for an hour, half-life 2 h: 1.5 h to the middle of the scan.
const START: (&str, &str) = ("20260303", "003000");
/// Decay factors of that scan to its start and to the injection: a quarter and three quarters of a half-life.
const FACTORS: [(&str, f64); 2] = [("START", 0.25), ("ADMIN", 0.75)];

fn plain() -> ActivityOptions {
    ActivityOptions::default()
}

fn read(folder: &tempfile::TempDir, options: &ActivityOptions) -> Result<ActivityImage, String> {
    read_activity(folder.path(), options).map_err(|error| error.to_string())
}

/// Two slices, changed.
fn pair(correction: &str, change: &dyn Fn(usize, &mut Set)) -> tempfile::TempDir {
    let mut slices = [pt(0.0, START, correction, "BQML"), pt(5.0, START, correction, "BQML")];
    slices.iter_mut().enumerate().for_each(|(n, set)| change(n, set));
    pt_folder(&slices)
}

/// The first value of an image: 1000 Bq/mL as stored.
fn first(activity: &ActivityImage) -> f64 {
    activity.image.volume.data[0]
}

fn close(found: f64, wanted: f64) -> bool {
    (found / wanted - 1.0).abs() < 1e-9
}

fn noted(activity: &ActivityImage, words: &str) -> bool {
    activity.image.notes.iter().any(|note| note.contains(words))
}

#[test]
fn io_dicom_a_decay_factor_of_one_on_every_frame_says_nothing() {
    for (correction, halvings) in FACTORS {
        let twin = read(&pair(correction, &|_, _| {}), &plain()).unwrap();
        for factor in ["1", "1.0", "1.000000"] {
            let folder = pair(correction, &|_, set| put(set, tags::DECAY_FACTOR, VR::DS, factor));
            let activity = read(&folder, &plain()).unwrap();
            assert_eq!(activity.image.volume.data, twin.image.volume.data, "{correction}");
            assert!(close(first(&activity), 1000.0 * (-halvings).exp2()), "{correction}");
            assert!(noted(&activity, "a placeholder"), "{:?}", activity.image.notes);
            let report = inspect(folder.path(), &plain()).unwrap();
            assert!(report.to_string().contains("a placeholder"), "{report}");
        }
        // The true factor needs no note.
        let stated = format!("{:.6}", halvings.exp2());
        let folder = pair(correction, &|_, set| put(set, tags::DECAY_FACTOR, VR::DS, &stated));
        assert!(!noted(&read(&folder, &plain()).unwrap(), "DecayFactor"));
    }
}

#[test]
fn alarm_io_dicom_decay_factors_that_contradict_still_ring() {
    // 1 on some frames only, beside the true factor or beside none; a factor a little off 1; another correction's.
    let truth = format!("{:.6}", 0.75f64.exp2());
    let cases: [&dyn Fn(usize) -> Option<String>; 4] = [
        &|n| Some(if n == 0 { "1".to_owned() } else { truth.clone() }),
        &|n| (n == 0).then(|| "1".to_owned()),
        &|_| Some("1.001".to_owned()),
        &|_| Some(format!("{:.6}", 0.25f64.exp2())),
    ];
    for (n, factor) in cases.into_iter().enumerate() {
        let folder = pair("ADMIN", &|slice, set| {
            if let Some(factor) = factor(slice) {
                put(set, tags::DECAY_FACTOR, VR::DS, &factor);
            }
        });
        let error = read(&folder, &plain()).unwrap_err();
        assert!(
            error.contains("DecayFactor (0054,1321)") && error.contains("state it: decay correction none"),
            "{n}: {error}"
        );
        for (given, halvings) in [(DecayCorrection::Administration, 0.75f64), (DecayCorrection::None, 0.0)] {
            let told = read(&folder, &ActivityOptions { decay_correction: Some(given), ..plain() }).unwrap();
            assert!(close(first(&told), 1000.0 * (-halvings).exp2()), "{n}");
        }
    }
}

#[test]
fn io_dicom_a_decay_factor_beside_no_correction_is_refused() {
    let factor = |factor: &'static str| pair("NONE", &move |_, set| put(set, tags::DECAY_FACTOR, VR::DS, factor));
    let error = read(&factor("2"), &plain()).unwrap_err();
    assert!(error.contains("DecayFactor (0054,1321): found 50.00 % from 1") && error.contains("NONE"), "{error}");
    let told = ActivityOptions { decay_correction: Some(DecayCorrection::None), ..plain() };
    let activity = read(&factor("2"), &told).unwrap();
    assert!(first(&activity) == 1000.0 && noted(&activity, "that the user states"), "{:?}", activity.image.notes);
    let activity = read(&factor("1.005"), &plain()).unwrap();
    assert!(noted(&activity, "DecayFactor differs by"), "{:?}", activity.image.notes);
    let activity = read(&factor("1"), &plain()).unwrap();
    assert!(first(&activity) == 1000.0 && !noted(&activity, "DecayFactor"), "{:?}", activity.image.notes);
    // NM states no correction at all: a factor contradicts what silence means there.
    let folder = tempfile::tempdir().unwrap();
    let mut set = nm();
    put(&mut set, tags::DECAY_FACTOR, VR::DS, "2");
    write(&folder.path().join("nm.dcm"), &set);
    assert!(read(&folder, &plain()).unwrap_err().contains("DecayFactor"));
}

/// An item of a sequence with one item of another.
fn item(tag: dicom_core::Tag, inner: Set) -> Set {
    let mut outer = Set::new_empty();
    put_items(&mut outer, tag, vec![inner]);
    outer
}

/// An enhanced PT of two frames with these decay factors.
pub fn enhanced(correction: &str, factors: [Option<f64>; 2]) -> Set {
    let mut set = pt(0.0, START, correction, "BQML");
    put(&mut set, tags::SOP_CLASS_UID, VR::UI, "1.2.840.10008.5.1.4.1.1.130");
    put(&mut set, tags::NUMBER_OF_FRAMES, VR::IS, "2");
    let pixels: Vec<u16> = vec![100, 200, 300, 400, 100, 200, 300, 400];
    set.put(DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(pixels.into())));
    let mut orientation = Set::new_empty();
    put_ds(&mut orientation, tags::IMAGE_ORIENTATION_PATIENT, &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    let mut measures = Set::new_empty();
    put_ds(&mut measures, tags::PIXEL_SPACING, &[4.0, 4.0]);
    put_ds(&mut measures, tags::SLICE_THICKNESS, &[5.0]);
    let mut shared = item(tags::PLANE_ORIENTATION_SEQUENCE, orientation);
    put_items(&mut shared, tags::PIXEL_MEASURES_SEQUENCE, vec![measures]);
    put_items(&mut set, tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, vec![shared]);
    let frames = factors.iter().enumerate().map(|(n, factor)| {
        let mut position = Set::new_empty();
        put_ds(&mut position, tags::IMAGE_POSITION_PATIENT, &[0.0, 0.0, 5.0 * n as f64]);
        let mut groups = item(tags::PLANE_POSITION_SEQUENCE, position);
        if let Some(factor) = factor {
            let mut own = Set::new_empty();
            put_ds(&mut own, tags::DECAY_FACTOR, &[*factor]);
            put_items(&mut groups, tags::PET_FRAME_CORRECTION_FACTORS_SEQUENCE, vec![own]);
        }
        groups
    });
    put_items(&mut set, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, frames.collect());
    set
}

#[test]
fn io_dicom_decay_factors_of_a_multi_frame_image_count_as_those_of_slices() {
    let opened =
        |correction: &str, factors: [Option<f64>; 2]| read(&pt_folder(&[enhanced(correction, factors)]), &plain());
    for (correction, halvings) in FACTORS {
        let truth = halvings.exp2();
        let twin = opened(correction, [None, None]).unwrap();
        assert!(close(first(&twin), 1000.0 * (-halvings).exp2()), "{correction}");
        let activity = opened(correction, [Some(1.0); 2]).unwrap();
        assert_eq!(activity.image.volume.data, twin.image.volume.data);
        assert!(noted(&activity, "a placeholder"), "{:?}", activity.image.notes);
        assert!(!noted(&opened(correction, [Some(truth); 2]).unwrap(), "DecayFactor"));
        for factors in [[Some(1.0), Some(truth)], [Some(1.0), None], [Some(2.5); 2]] {
            assert!(opened(correction, factors).unwrap_err().contains("DecayFactor"), "{factors:?}");
        }
    }
    assert!(opened("NONE", [Some(2.0); 2]).unwrap_err().contains("DecayFactor"));
}

/// A radiopharmaceutical of this injection (DT) and half-life, as far as given.
fn drug(injection: Option<&str>, half_life_s: Option<&str>) -> Set {
    let mut drug = Set::new_empty();
    if let Some(injection) = injection {
        put(&mut drug, tags::RADIOPHARMACEUTICAL_START_DATE_TIME, VR::DT, injection);
    }
    if let Some(half_life_s) = half_life_s {
        put(&mut drug, tags::RADIONUCLIDE_HALF_LIFE, VR::DS, half_life_s);
    }
    drug
}

fn put_drug(set: &mut Set, injection: Option<&str>, half_life_s: Option<&str>) {
    put_items(set, tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE, vec![drug(injection, half_life_s)]);
}

const INJECTED: &str = "20260302233000";

/// One doubt: what it is called, a folder of it, what refuses it and names as the way out, what a person states, the first
/// value then, and the note of it.
type Doubt = (&'static str, tempfile::TempDir, [&'static str; 2], ActivityOptions, f64, &'static str);

fn doubts() -> Vec<Doubt> {
    let correction = |given| ActivityOptions { decay_correction: Some(given), ..plain() };
    let admin = correction(DecayCorrection::Administration);
    let bq_ml = ActivityOptions { assume_bq_ml: true, ..plain() };
    let half_life = ActivityOptions { half_life_h: Some(2.0), ..plain() };
    let injection = ActivityOptions { injection: StatedMoment::parse("2026-03-02T23:30"), ..plain() };
    let hours = ActivityOptions { hours_after_injection: Some(1.5), ..plain() };
    let at_injection = 1000.0 * (-0.75f64).exp2();
    let unit = |unit: &'static str| pair("NONE", &move |_, set| put(set, tags::UNITS, VR::CS, unit));
    let factor = format!("{:.6}", 0.25f64.exp2());
    vec![
        (
            "a factor of another correction",
            pair("ADMIN", &|_, set| put(set, tags::DECAY_FACTOR, VR::DS, &factor)),
            ["DecayFactor (0054,1321)", "state it: decay correction none"],
            correction(DecayCorrection::Start),
            1000.0 * (-0.25f64).exp2(),
            "the file says ADMIN, the user states START",
        ),
        (
            "an unknown correction",
            pair("MAYBE", &|_, _| {}),
            ["DecayCorrection (0054,1102): found MAYBE", "state it: decay correction none"],
            admin,
            at_injection,
            "the file says MAYBE, the user states ADMIN",
        ),
        (
            "no correction",
            pair("ADMIN", &|_, set| {
                set.remove_element(tags::DECAY_CORRECTION);
            }),
            ["DecayCorrection (0054,1102): found none", "state it: decay correction none"],
            admin,
            at_injection,
            "decay correction ADMIN as stated",
        ),
        (
            "corrected, not said to when",
            pair("ADMIN", &|_, set| {
                set.remove_element(tags::DECAY_CORRECTION);
                put(set, tags::CORRECTED_IMAGE, VR::CS, "ATTN\\DECY");
            }),
            ["though the image is decay corrected", "state it: decay correction none"],
            correction(DecayCorrection::None),
            1000.0,
            "decay corrected, the user states NONE",
        ),
        (
            "NONE and corrected",
            pair("NONE", &|_, set| put(set, tags::CORRECTED_IMAGE, VR::CS, "DECY")),
            ["NONE, and CorrectedImage lists DECY", "state it: decay correction none"],
            admin,
            at_injection,
            "the file says NONE, the user states ADMIN",
        ),
        (
            "two corrections in a series",
            pair("ADMIN", &|n, set| put(set, tags::DECAY_CORRECTION, VR::CS, ["ADMIN", "NONE"][n])),
            ["DecayCorrection (0054,1102)", "state it: decay correction none"],
            admin,
            at_injection,
            "decay correction ADMIN as stated",
        ),
        (
            "no half-life",
            pair("ADMIN", &|_, set| put_drug(set, Some(INJECTED), None)),
            ["ADMIN without the half-life", "half-life, or half_life_h"],
            half_life,
            at_injection,
            "half-life 2.0000 h as stated",
        ),
        (
            "two half-lives",
            pair("ADMIN", &|n, set| put_drug(set, Some(INJECTED), Some(["7200", "9000"][n]))),
            ["RadionuclideHalfLife (0018,1075): found other half-lives", "half-life, or half_life_h"],
            half_life,
            at_injection,
            "",
        ),
        (
            "a half-life that the times contradict",
            pair("ADMIN", &|_, set| {
                put_drug(set, Some(INJECTED), Some("120"));
            }),
            ["time from injection to scan: found 1.500 h", "half-life, or half_life_h"],
            half_life,
            at_injection,
            "the file says 0.0333 h, the user states 2.0000 h",
        ),
        (
            "counts",
            unit("CNTS"),
            ["Units (0054,1001): found counts", "assume Bq/mL, or unit"],
            bq_ml,
            1000.0,
            "says CNTS",
        ),
        ("SUV", unit("GML"), ["standardised uptake", "assume Bq/mL, or unit"], bq_ml, 1000.0, "the user states Bq/mL"),
        (
            "two units",
            pair("NONE", &|n, set| put(set, tags::UNITS, VR::CS, ["BQML", "CNTS"][n])),
            ["Units (0054,1001): found BQML in", "assume Bq/mL, or unit"],
            bq_ml,
            1000.0,
            "says CNTS",
        ),
        (
            "no scale",
            pair("NONE", &|_, set| {
                set.remove_element(tags::RESCALE_SLOPE);
            }),
            ["RescaleSlope (0028,1053): found none", "assume Bq/mL, or unit"],
            bq_ml,
            100.0,
            "RescaleSlope is absent",
        ),
        (
            "a mapping to counts",
            pair("NONE", &|_, set| {
                set.remove_element(tags::UNITS);
                put_items(set, tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE, vec![mapping("{counts}", 3.0)]);
            }),
            ["units {counts}", "assume Bq/mL, or unit"],
            bq_ml,
            300.0,
            "says {counts}, the user states Bq/mL",
        ),
        (
            "an injection that is no moment",
            pair("ADMIN", &|_, set| put_drug(set, Some("yesterday"), Some("7200"))),
            ["RadiopharmaceuticalStartDateTime (0018,1078)", "as in injection time 2026"],
            injection,
            at_injection,
            "cannot be read: the user states it",
        ),
        (
            "no date of injection",
            pair("ADMIN", &|_, set| put_drug(set, None, Some("7200"))),
            ["ADMIN without the moment", "time_h"],
            hours,
            at_injection,
            "time after injection 1.5000 h as stated",
        ),
        (
            "two injections",
            pair("ADMIN", &|n, set| put_drug(set, Some([INJECTED, "20260302230000"][n]), Some("7200"))),
            ["RadiopharmaceuticalStartDateTime (0018,1078): found other injections", "as in injection time 2026"],
            injection,
            at_injection,
            "",
        ),
        (
            "an injection after the scan",
            pair("ADMIN", &|_, set| put_drug(set, Some("20260304233000"), Some("7200"))),
            ["time from injection to scan: found -46.500", "as in injection time 2026"],
            injection,
            at_injection,
            "48.0000 h earlier than the file",
        ),
        (
            "an injection after the scan, the time stated",
            pair("ADMIN", &|_, set| put_drug(set, Some("20260304233000"), Some("7200"))),
            ["time from injection to scan: found -46.500", "time_h"],
            hours,
            at_injection,
            "the file says -46.5000 h, the user states 1.5000 h",
        ),
        (
            "no time of acquisition",
            pair("ADMIN", &|_, set| {
                set.remove_element(tags::ACQUISITION_TIME);
            }),
            ["ADMIN without the time of acquisition", "time_h"],
            hours,
            at_injection,
            "time after injection 1.5000 h as stated",
        ),
        (
            "one slice without a time",
            pair("NONE", &|n, set| {
                if n == 1 {
                    set.remove_element(tags::ACQUISITION_TIME);
                }
            }),
            ["AcquisitionDate, AcquisitionTime: found none in", "time_h"],
            hours,
            1000.0,
            "",
        ),
        (
            "the start of a scan without a time",
            pair("START", &|_, set| {
                set.remove_element(tags::ACQUISITION_TIME);
            }),
            ["START without the time of acquisition", "time_h"],
            hours,
            1000.0 * (-0.25f64).exp2(),
            "as stated",
        ),
    ]
}

#[test]
fn io_dicom_every_doubt_is_refused_with_a_way_out_that_decides_and_is_noted() {
    for (name, folder, words, stated, wanted, note) in doubts() {
        let error = read(&folder, &plain()).err().unwrap_or_else(|| panic!("{name}: was read"));
        assert!(words.iter().all(|word| error.contains(word)), "{name}: {error}");
        let activity = read(&folder, &stated).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(close(first(&activity), wanted), "{name}: {} for {wanted}", first(&activity));
        assert!(note.is_empty() || noted(&activity, note), "{name}: {:?}", activity.image.notes);
        assert!(!activity.image.notes.iter().any(|note| note.contains("2026")), "{name}: dates identify");
    }
}

#[test]
fn alarm_io_dicom_another_statement_gives_another_value() {
    for (name, folder, _, stated, wanted, _) in doubts() {
        let other = ActivityOptions {
            decay_correction: Some(if stated.decay_correction == Some(DecayCorrection::None) {
                DecayCorrection::Administration
            } else {
                DecayCorrection::None
            }),
            assume_bq_ml: true,
            hours_after_injection: Some(3.0),
            ..stated
        };
        let activity = read(&folder, &other).unwrap_or_else(|error| panic!("{name}: {error}"));
        let unmoved = stated.assume_bq_ml || close(wanted, 1000.0) && stated.decay_correction.is_none();
        assert_eq!(close(first(&activity), wanted), unmoved, "{name}: {}", first(&activity));
    }
}

#[test]
fn io_dicom_what_fills_a_silence_decides_over_nothing() {
    let if_silent = IfSilent { decay_correction: Some(DecayCorrection::None), half_life_h: Some(2.05), bq_ml: true };
    let options = ActivityOptions { if_silent, ..plain() };
    let activity = read(&pair("ADMIN", &|_, _| {}), &options).unwrap();
    assert!(close(first(&activity), 1000.0 * (-0.75f64).exp2()), "the file's correction and half-life stand");
    assert!(noted(&activity, "half-life 2.0000 h in the file, 2.0500 h of the nuclide"));
    type Edit<'a> = &'a dyn Fn(usize, &mut Set);
    let contradictions: [Edit<'_>; 3] = [
        &|_, set| put(set, tags::UNITS, VR::CS, "CNTS"),
        &|_, set| put(set, tags::DECAY_FACTOR, VR::DS, "2.5"),
        &|_, set| put(set, tags::CORRECTED_IMAGE, VR::CS, "DECY"),
    ];
    for change in contradictions {
        read(&pair("NONE", change), &options).unwrap_err();
    }
    let silent = pair("ADMIN", &|_, set| {
        set.remove_element(tags::DECAY_CORRECTION);
        set.remove_element(tags::UNITS);
    });
    assert_eq!(first(&read(&silent, &options).unwrap()), 1000.0);
    // A unit that is an activity concentration is brought to Bq/mL whatever is assumed.
    let kilo = pair("NONE", &|_, set| put(set, tags::UNITS, VR::CS, "KBQML"));
    let assumed = ActivityOptions { assume_bq_ml: true, ..plain() };
    assert_eq!(first(&read(&kilo, &assumed).unwrap()), 1e6);
}

#[test]
fn io_dicom_nothing_stated_excuses_another_patient_or_place() {
    let everything = ActivityOptions {
        decay_correction: Some(DecayCorrection::None),
        half_life_h: Some(2.0),
        assume_bq_ml: true,
        injection: StatedMoment::parse("2026-03-02T23:30"),
        hours_after_injection: Some(1.5),
        ..plain()
    };
    let error = read(&pair("NONE", &|n, set| put(set, tags::PATIENT_ID, VR::LO, ["A", "B"][n])), &everything);
    assert!(error.unwrap_err().contains("two patients"));
    let error =
        read(&pair("NONE", &|n, set| put(set, tags::FRAME_OF_REFERENCE_UID, VR::UI, ["1.1", "1.2"][n])), &everything);
    assert!(error.unwrap_err().contains("two frames of reference"));
    let error = read(&pair("NONE", &|_, set| put_ds(set, tags::IMAGE_POSITION_PATIENT, &[0.0; 3])), &everything);
    assert!(error.unwrap_err().contains("duplicate slices"));
}

/// The study of the DICOM commands with its second image changed.
fn study(folder: &Path, change: &dyn Fn(&mut Set)) {
    crate::cli_dicom::study(&folder.join("study"));
    std::fs::create_dir(folder.join("other")).unwrap();
    for (n, set) in crate::cli_dicom::pt(1, change).iter().enumerate() {
        write(&folder.join("other").join(format!("{n}.dcm")), set);
    }
}

#[test]
fn cli_a_statement_decides_and_is_recorded_by_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // Values that were corrected to the injection, beside factors of something else.
    study(folder, &|set| {
        put(set, tags::DECAY_CORRECTION, VR::CS, "START");
        put(set, tags::DECAY_FACTOR, VR::DS, "1.109933");
    });
    let own = ["--ct", "study", "--labels", "study"];
    let line = [&["dose", "--activity", "other", "--effective-half-life", "50"][..], &own, &ENGINE].concat();
    let said = refused(folder, &[&line[..], &["--out", "out"]].concat());
    assert!(said.contains("DecayFactor (0054,1321)") && said.contains("--decay-correction"), "{said}");
    assert!(!folder.join("out").exists());
    let stated = ["--decay-correction", "admin", "--injection-time", "2026-03-02T10:00", "--half-life", "159.4632"];
    let said = done(folder, &[&line[..], &stated, &["--out", "a"]].concat());
    let words = "the file says START, the user states ADMIN: ADMIN is used";
    assert!(said.contains(words), "{said}");
    let record: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("a/run.json")).unwrap()).unwrap();
    assert!(record["warnings"].to_string().contains(words), "{record}");
    assert_eq!(record["settings"]["stated_of_images"]["decay_correction"], "ADMIN");
    assert_eq!(record["settings"]["stated_of_images"]["half_life_h"], 159.4632);
    assert!(record["command"].to_string().contains("(not recorded)"));
    assert_eq!(leaks(&folder.join("a")), Vec::<String>::new());
    let tia = ["tia", "other", "--effective-half-life", "50", "--ct", "study", "--labels", "study"];
    done(folder, &[&tia[..], &stated, &["--out", "b"]].concat());
    let record = std::fs::read_to_string(folder.join("b/tia.json")).unwrap();
    assert!(record.contains(words), "{record}");
    let said = done(folder, &[&["inspect", "other"][..], &stated].concat());
    assert!(said.contains(&format!("doubt: DecayCorrection: {words}")), "{said}");
    let said = refused(folder, &["inspect", "other", "--injection-time", "yesterday"]);
    assert!(said.contains("--injection-time: found \"yesterday\""), "{said}");
    let course = ["course", "study", "--activity", "other", "--effective-half-life", "50", "--out", "c"];
    let said = done(folder, &[&course[..], &["--decay-correction", "admin"], &ENGINE].concat());
    assert!(said.contains(words), "{said}");
    // One stated injection is not that of two cycles.
    for (n, set) in crate::cli_dicom::pt(2, &|set| {
        put(set, tags::SERIES_INSTANCE_UID, VR::UI, "1.2.3.60");
        put(set, tags::ACQUISITION_DATE, VR::DA, "20260501");
        let mut drug = Set::new_empty();
        put(&mut drug, tags::RADIOPHARMACEUTICAL_START_DATE_TIME, VR::DT, "20260427100000");
        put(&mut drug, tags::RADIONUCLIDE_HALF_LIFE, VR::DS, "574067.52");
        put_items(set, tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE, vec![drug]);
    })
    .iter()
    .enumerate()
    {
        write(&folder.join("study").join(format!("later-{n}")), set);
    }
    let said = refused(folder, &["course", "study", "--injection-time", "2026-03-02T10:00", "--out", "d"]);
    assert!(said.contains("found one for the images of several injections"), "{said}");
}

#[test]
fn cli_the_entry_of_an_image_in_a_series_decides_and_is_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    study(folder, &|set| {
        put(set, tags::DECAY_CORRECTION, VR::CS, "START");
        put(set, tags::DECAY_FACTOR, VR::DS, "1.109933");
    });
    let integral = |entry: &str, of_series: &str, out: &str| {
        let text = format!(
            "schema = 1\nadministered_mbq = 7400\nlabels = \"study\"\n{of_series}\n[[images]]\nfile = \"other\"\n{entry}\n\
             [fit]\nmethod = \"population-half-life\"\nhalf_life_h = 50\n"
        );
        std::fs::write(folder.join("SERIES.toml"), text).unwrap();
        let output = crate::cli_dicom::lutra(folder, &["tia", "SERIES.toml", "--out", out]);
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let record: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(folder.join(out).join("tia.json")).unwrap()).unwrap();
        let total: f64 = record["regions"].as_array().unwrap().iter().map(|r| r["tia_mbq_h"].as_f64().unwrap()).sum();
        Ok((total, record["warnings"].to_string()))
    };
    let error = integral("", "", "z").unwrap_err();
    assert!(error.contains("DecayFactor") && error.contains("decay_correction in the image's entry"), "{error}");
    // What a series says of all its images fills silence only.
    integral("", "decay_correction = \"none\"\nunit = \"bq_ml\"", "z").unwrap_err();
    let (none, said) = integral("decay_correction = \"none\"", "", "a").unwrap();
    assert!(said.contains("the file says START, the user states NONE"), "{said}");
    let (admin, said) = integral("decay_correction = \"to_injection\"", "", "b").unwrap();
    assert!(said.contains("the file says START, the user states ADMIN"), "{said}");
    let undone = (-24.0f64 / 159.4632).exp2();
    assert!((admin / none / undone - 1.0).abs() < 1e-5, "{admin} and {none}");
    let (long, said) = integral("decay_correction = \"to_injection\"\nhalf_life_h = 300", "", "c").unwrap();
    assert!(said.contains("the user states 300.0000 h"), "{said}");
    assert!((long / none / (-24.0f64 / 300.0).exp2() - 1.0).abs() < 1e-5, "{long} and {none}");
    // The stated time moves both the step back and the integral: exponential from the injection, half-life 50 h.
    let (late, said) = integral("decay_correction = \"to_injection\"\ntime_h = 30", "", "d").unwrap();
    assert!(said.contains("the file says 24.0000 h, the user states 30.0000 h"), "{said}");
    let moved = (-6.0f64 / 159.4632).exp2() * (6.0f64 / 50.0).exp2();
    assert!((late / admin / moved - 1.0).abs() < 1e-5, "{late} and {admin}");
    let (dated, said) =
        integral("decay_correction = \"to_injection\"", "injection_time = \"2026-03-02T04:00:00+01:00\"", "e").unwrap();
    assert!(said.contains("6.0000 h earlier than the file") && (dated / late - 1.0).abs() < 1e-9, "{said}");
    assert!(!said.contains("2026"), "{said}");
}
