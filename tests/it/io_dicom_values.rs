//! Values of a header that steer a dose: read, or refused by name; never taken as absent, never compared with what cannot
//! be compared.

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use lutra::grid::Volume;
use lutra::io::dicom::{
    ActivityImage, ActivityOptions, DecayCorrection, DoseDepth, DoseOptions, DoseType, IfSilent, RunNuclide,
    SegOptions, StatedMoment, TimeZone, read_activity, read_ct, read_rtdose, read_rtstruct, read_seg, write_rtdose,
    write_seg,
};

use crate::cli_dicom::{ENGINE, done, lutra, refused};
use crate::io_dicom_made::{CT, Set, image, nm, pt, pt_folder, put, put_ds, put_items, square, structure_set, write};

/// Injection at 23:30, scan from 00:30 the next day for an hour, half-life 2 h.
const START: (&str, &str) = ("20260303", "003000");

fn plain() -> ActivityOptions {
    ActivityOptions::default()
}

fn read(folder: &tempfile::TempDir, options: &ActivityOptions) -> Result<ActivityImage, String> {
    read_activity(folder.path(), options).map_err(|error| error.to_string())
}

/// Two slices, changed alike.
fn pair(change: &dyn Fn(&mut Set)) -> tempfile::TempDir {
    let mut slices = [pt(0.0, START, "START", "BQML"), pt(5.0, START, "START", "BQML")];
    slices.iter_mut().for_each(change);
    pt_folder(&slices)
}

/// The radiopharmaceutical of those slices, changed.
fn drug(change: &dyn Fn(&mut Set)) -> Set {
    let mut drug = Set::new_empty();
    put(&mut drug, tags::RADIOPHARMACEUTICAL_START_DATE_TIME, VR::DT, "20260302233000");
    put(&mut drug, tags::RADIONUCLIDE_HALF_LIFE, VR::DS, "7200");
    put(&mut drug, tags::RADIONUCLIDE_TOTAL_DOSE, VR::DS, "7.4e9");
    change(&mut drug);
    drug
}

fn with_drug(change: &dyn Fn(&mut Set)) -> tempfile::TempDir {
    pair(&|set| put_items(set, tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE, vec![drug(change)]))
}

fn noted(activity: &ActivityImage, words: &str) -> bool {
    activity.image.notes.iter().any(|note| note.contains(words))
}

fn hours(activity: &ActivityImage) -> Option<f64> {
    activity.scan.timing.hours_after_injection
}

#[test]
fn io_dicom_what_is_there_and_cannot_be_read_is_refused_by_name() {
    let header: [(Tag, VR, &str, &str); 17] = [
        (tags::ACQUISITION_DATE, VR::DA, "2026-13-03", "AcquisitionDate (0008,0022)"),
        (tags::ACQUISITION_DATE, VR::DA, "March", "AcquisitionDate (0008,0022)"),
        (tags::ACQUISITION_TIME, VR::TM, "003000+0100", "with an offset from UTC"),
        (tags::ACQUISITION_TIME, VR::TM, "0:30 am", "AcquisitionTime (0008,0032)"),
        (tags::TIMEZONE_OFFSET_FROM_UTC, VR::SH, "CET", "TimezoneOffsetFromUTC (0008,0201)"),
        (tags::TIMEZONE_OFFSET_FROM_UTC, VR::SH, "+01:00", "time zone +01:00"),
        (tags::RESCALE_SLOPE, VR::DS, "1,5", "RescaleSlope (0028,1053)"),
        (tags::RESCALE_INTERCEPT, VR::DS, "O", "RescaleIntercept (0028,1052)"),
        (tags::RESCALE_INTERCEPT, VR::DS, "nan", "RescaleIntercept (0028,1052)"),
        (tags::DECAY_FACTOR, VR::DS, "one", "DecayFactor (0054,1321)"),
        (tags::DECAY_FACTOR, VR::DS, "0", "DecayFactor (0054,1321)"),
        (tags::ACTUAL_FRAME_DURATION, VR::IS, "1h", "ActualFrameDuration (0018,1242)"),
        (tags::ACTUAL_FRAME_DURATION, VR::IS, "-3600000", "ActualFrameDuration (0018,1242)"),
        (tags::ACTUAL_FRAME_DURATION, VR::IS, "997200000", "found 277 h; allowed: 0 to 12 h"),
        (tags::SLICE_THICKNESS, VR::DS, "5 mm", "SliceThickness (0018,0050)"),
        (tags::NUMBER_OF_SLICES, VR::LO, "two", "NumberOfSlices (0054,0081)"),
        (tags::DECAY_CORRECTION, VR::CS, "st\u{e4}rt", "DecayCorrection (0054,1102)"),
    ];
    for (tag, vr, value, words) in header {
        let error = read(&pair(&|set| put(set, tag, vr, value)), &plain()).unwrap_err();
        assert!(error.contains(words), "{value}: {error}");
        assert!(!error.contains("2026") && !error.contains("March"), "a date identifies: {error}");
    }
    let of_drug: [(Tag, VR, &str, &str); 5] = [
        (tags::RADIONUCLIDE_HALF_LIFE, VR::DS, "6.6 d", "RadionuclideHalfLife (0018,1075)"),
        (tags::RADIONUCLIDE_HALF_LIFE, VR::DS, "0", "RadionuclideHalfLife (0018,1075)"),
        (tags::RADIOPHARMACEUTICAL_START_DATE_TIME, VR::DT, "20260302", "RadiopharmaceuticalStartDateTime (0018,1078)"),
        (tags::RADIOPHARMACEUTICAL_START_DATE_TIME, VR::DT, "20260302233000+0160", "no date and time"),
        (tags::RADIOPHARMACEUTICAL_START_DATE_TIME, VR::DT, "2 March", "no date and time"),
    ];
    for (tag, vr, value, words) in of_drug {
        let error = read(&with_drug(&|drug| put(drug, tag, vr, value)), &plain()).unwrap_err();
        assert!(error.contains(words), "{value}: {error}");
    }
    // the same in a CT
    let ct = |change: &dyn Fn(&mut Set)| {
        let folder = tempfile::tempdir().unwrap();
        for n in 0..2 {
            let mut set = image(CT, "CT", [2, 2], &[1024; 4]);
            put(&mut set, tags::SOP_INSTANCE_UID, VR::UI, &format!("1.2.3.{n}"));
            put_ds(&mut set, tags::IMAGE_POSITION_PATIENT, &[0.0, 0.0, 3.0 * f64::from(n)]);
            put_ds(&mut set, tags::IMAGE_ORIENTATION_PATIENT, &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
            put_ds(&mut set, tags::PIXEL_SPACING, &[1.0, 1.0]);
            change(&mut set);
            write(&folder.path().join(format!("{n}")), &set);
        }
        read_ct(folder.path()).map_err(|error| error.to_string())
    };
    ct(&|_| {}).unwrap();
    for (tag, value, words) in [
        (tags::RESCALE_INTERCEPT, "-1O24", "found \"-1O24\", which is no number"),
        (tags::PIXEL_PADDING_VALUE, "none", "PixelPaddingValue (0028,0120)"),
        (tags::PIXEL_SPACING, "1\\x", "PixelSpacing (0028,0030)"),
    ] {
        let error = ct(&|set| put(set, tag, VR::DS, value)).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn alarm_io_dicom_what_can_be_read_is_not_refused() {
    let activity = read(&pair(&|_| {}), &plain()).unwrap();
    assert_eq!(hours(&activity), Some(1.5));
    // odd and legal: empty, padded, with a fraction, a date of old files
    for (tag, vr, value) in [
        (tags::ACQUISITION_DATE, VR::DA, "2026.03.03"),
        (tags::ACQUISITION_TIME, VR::TM, "00:30:00.000 "),
        (tags::DECAY_FACTOR, VR::DS, ""),
        (tags::RESCALE_INTERCEPT, VR::DS, " 0 "),
        (tags::SLICE_THICKNESS, VR::DS, ""),
        (tags::SERIES_TIME, VR::TM, "noon"),
        (tags::ACQUISITION_DATE_TIME, VR::DT, "2026"),
    ] {
        let own = read(&pair(&|set| put(set, tag, vr, value)), &plain()).unwrap_or_else(|e| panic!("{value}: {e}"));
        assert_eq!((hours(&own), &own.image.volume.data), (Some(1.5), &activity.image.volume.data), "{value}");
    }
}

#[test]
fn io_dicom_what_a_person_states_stands_for_what_cannot_be_read() {
    let late = |set: &mut Set| {
        put(set, tags::ACQUISITION_TIME, VR::TM, "003000+0100");
        put(set, tags::SERIES_DATE, VR::DA, "20260306");
        put(set, tags::SERIES_TIME, VR::TM, "180000");
    };
    let told = ActivityOptions { hours_after_injection: Some(1.5), ..plain() };
    let activity = read(&pair(&late), &told).unwrap();
    assert!(hours(&activity) == Some(1.5) && noted(&activity, "cannot be read"), "{:?}", activity.image.notes);
    assert!(!noted(&activity, "the series' date"), "the series' time is no substitute: {:?}", activity.image.notes);
    let half_life = with_drug(&|drug| put(drug, tags::RADIONUCLIDE_HALF_LIFE, VR::DS, "x"));
    let activity = read(&half_life, &ActivityOptions { half_life_h: Some(2.0), ..plain() }).unwrap();
    assert!(noted(&activity, "RadionuclideHalfLife (0018,1075): the file's value cannot be read"));
    let factor = pair(&|set| put(set, tags::DECAY_FACTOR, VR::DS, "x"));
    read(&factor, &ActivityOptions { decay_correction: Some(DecayCorrection::Start), ..plain() }).unwrap();
}

/// An injection, and what is changed in the scans beside it.
type Case<'a> = (&'a str, &'a dyn Fn(&mut Set));

/// The injection of this text, beside scans changed so.
fn zoned(injection: &str, change: &dyn Fn(&mut Set)) -> tempfile::TempDir {
    pair(&|set| {
        let own = drug(&|drug| put(drug, tags::RADIOPHARMACEUTICAL_START_DATE_TIME, VR::DT, injection));
        put_items(set, tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE, vec![own]);
        change(set);
    })
}

fn by_date_time(set: &mut Set, moment: &str) {
    set.remove_element(tags::ACQUISITION_DATE);
    set.remove_element(tags::ACQUISITION_TIME);
    put(set, tags::ACQUISITION_DATE_TIME, VR::DT, moment);
}

#[test]
fn io_dicom_moments_whose_zones_cannot_be_compared_are_refused() {
    let zone = |text: &str| TimeZone::parse(text);
    // a scan without a zone, an injection with one; and the other way round
    let cases: [Case<'_>; 3] = [
        ("20260302223000+0000", &|_| {}),
        ("20260302233000+0100", &|_| {}),
        ("20260302233000", &|set| by_date_time(set, "20260303003000+0100")),
    ];
    for (injection, change) in cases {
        let folder = zoned(injection, change);
        let error = read(&folder, &plain()).unwrap_err();
        assert!(error.contains("RadiopharmaceuticalStartDateTime (0018,1078)"), "{injection}: {error}");
        assert!(
            error.contains("time zone +01:00") && error.contains("time_zone") && !error.contains("2026"),
            "{error}"
        );
        let told = read(&folder, &ActivityOptions { time_zone: zone("+01:00"), ..plain() }).unwrap();
        assert_eq!(hours(&told), Some(1.5), "{injection}");
        assert!(noted(&told, "time zone +01:00 as stated"), "{:?}", told.image.notes);
        // the time itself may be stated too
        let told = read(&folder, &ActivityOptions { hours_after_injection: Some(1.5), ..plain() }).unwrap();
        assert!(noted(&told, "cannot be compared for its zone"), "{:?}", told.image.notes);
    }
    let other = read(&zoned("20260302223000+0000", &|_| {}), &ActivityOptions { time_zone: zone("Z"), ..plain() });
    assert_eq!(other.map(|activity| hours(&activity)), Ok(Some(2.5)), "another zone is another time");
}

#[test]
fn io_dicom_moments_of_known_zones_are_compared() {
    let offset = |set: &mut Set| put(set, tags::TIMEZONE_OFFSET_FROM_UTC, VR::SH, "+0100");
    let cases: [Case<'_>; 5] = [
        ("20260302223000+0000", &offset),
        ("20260302233000", &offset),
        ("20260302173000.00-0500", &|set| by_date_time(set, "20260303003000+0100")),
        ("20260302233000", &|set| by_date_time(set, "20260303003000")),
        ("20260302223000+0000", &|set| {
            offset(set);
            by_date_time(set, "20260303013000+0200");
        }),
    ];
    for (injection, change) in cases {
        assert_eq!(hours(&read(&zoned(injection, change), &plain()).unwrap()), Some(1.5), "{injection}");
    }
    // what a person states decides over the file's own zone
    let told = ActivityOptions { time_zone: TimeZone::parse("+02:00"), ..plain() };
    let activity = read(&zoned("20260302223000+0000", &offset), &told).unwrap();
    assert!(hours(&activity) == Some(0.5) && noted(&activity, "the file says +01:00, the user states +02:00"));
    // slices of two zones are no series
    let mut slices = [pt(0.0, START, "START", "BQML"), pt(5.0, START, "START", "BQML")];
    offset(&mut slices[1]);
    let error = read(&pt_folder(&slices), &plain()).unwrap_err();
    assert!(error.contains("TimezoneOffsetFromUTC (0008,0201)"), "{error}");
}

#[test]
fn io_dicom_a_stated_injection_in_utc_needs_the_scanners_zone() {
    let stated = |text: &str| ActivityOptions { injection: StatedMoment::parse(text), ..plain() };
    let silent = pair(&|_| {});
    let error = read(&silent, &stated("2026-03-02T22:30Z")).unwrap_err();
    assert!(error.contains("stated in UTC") && error.contains("time zone +01:00"), "{error}");
    let zone = ActivityOptions { time_zone: TimeZone::parse("+01:00"), ..stated("2026-03-02T22:30Z") };
    assert_eq!(hours(&read(&silent, &zone).unwrap()), Some(1.5));
    // an offset that is stated beside the scanner's clock is that clock's, with a note
    let own = read(&silent, &stated("2026-03-02T23:30+01:00")).unwrap();
    assert!(hours(&own) == Some(1.5) && noted(&own, "+01:00 of the stated injection"), "{:?}", own.image.notes);
    let known = pair(&|set| put(set, tags::TIMEZONE_OFFSET_FROM_UTC, VR::SH, "+0100"));
    assert_eq!(hours(&read(&known, &stated("2026-03-02T22:30Z")).unwrap()), Some(1.5));
}

/// A dose of three frames of 1, 2, 3 Gy at z = 100, with these directions and offsets.
fn dose(directions: [f64; 6], offsets: &[f64]) -> Result<Vec<f64>, String> {
    let frames = 3.min(offsets.len().max(1));
    let pixels: Vec<u16> = (1..=frames as u16).flat_map(|n| [1000 * n; 4]).collect();
    let mut set = image("1.2.840.10008.5.1.4.1.1.481.2", "RTDOSE", [2, 2], &pixels);
    for (tag, vr, text) in [
        (tags::DOSE_UNITS, VR::CS, "GY"),
        (tags::DOSE_TYPE, VR::CS, "PHYSICAL"),
        (tags::DOSE_GRID_SCALING, VR::DS, "0.001"),
        (tags::NUMBER_OF_FRAMES, VR::IS, &frames.to_string()),
    ] {
        put(&mut set, tag, vr, text);
    }
    put_ds(&mut set, tags::IMAGE_POSITION_PATIENT, &[0.0, 0.0, 100.0]);
    put_ds(&mut set, tags::IMAGE_ORIENTATION_PATIENT, &directions);
    put_ds(&mut set, tags::PIXEL_SPACING, &[3.0, 3.0]);
    put_ds(&mut set, tags::SLICE_THICKNESS, &[3.0]);
    if !offsets.is_empty() {
        put_ds(&mut set, tags::GRID_FRAME_OFFSET_VECTOR, offsets);
    }
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("dose"), &set);
    let dose = read_rtdose(folder.path()).map_err(|error| error.to_string())?;
    // the heights of the frames of 1, 2, 3 Gy
    let height = |gy: f64| {
        let n = dose.data.iter().position(|value| (value - gy).abs() < 1e-9).unwrap();
        dose.grid.world_mm(dose.grid.voxel(n).map(|v| v as f64))[2]
    };
    Ok((1..=frames).map(|gy| height(gy as f64)).collect())
}

#[test]
fn io_dicom_offsets_of_a_dose_in_every_orientation() {
    const HFS: [f64; 6] = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0];
    let turned: [([f64; 6], f64); 3] = [
        // feet first, prone, and prone feet first: the sign of the normal
        ([-1.0, 0.0, 0.0, 0.0, 1.0, 0.0], -1.0),
        ([-1.0, 0.0, 0.0, 0.0, -1.0, 0.0], 1.0),
        ([1.0, 0.0, 0.0, 0.0, -1.0, 0.0], -1.0),
    ];
    let [up, down] = [[0.0, 3.0, 6.0], [0.0, -3.0, -6.0]];
    let heights = |offsets: [f64; 3], sign: f64| offsets.map(|v| 100.0 + sign * v).to_vec();
    let close = |found: Result<Vec<f64>, String>, wanted: Vec<f64>| {
        let found = found.unwrap();
        assert!(found.iter().zip(&wanted).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}, not {wanted:?}");
    };
    for offsets in [up, down] {
        close(dose(HFS, &offsets), heights(offsets, 1.0));
        close(dose(HFS, &offsets.map(|v| v + 100.0)), heights(offsets, 1.0));
        for (directions, sign) in turned {
            close(dose(directions, &offsets), heights(offsets, sign));
            let error = dose(directions, &offsets.map(|v| v + 100.0)).unwrap_err();
            assert!(
                error.contains("GridFrameOffsetVector (3004,000C)") && error.contains("1\\0\\0\\0\\1\\0"),
                "{error}"
            );
        }
    }
    // planes that stand
    let error = dose([1.0, 0.0, 0.0, 0.0, 0.0, -1.0], &[100.0, 103.0, 106.0]).unwrap_err();
    assert!(error.contains("ImageOrientationPatient"), "{error}");
    for (offsets, words) in [
        (&[50.0, 53.0, 56.0][..], "values from 50 mm on beside a first frame at z = 100 mm"),
        (&[0.0, 3.0, 1.0], "rise and fall"),
        (&[0.0, 3.0, 3.0], "rise and fall, or repeat"),
    ] {
        let error = dose(HFS, offsets).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
    // one frame needs no offset
    assert_eq!(dose(HFS, &[]), Ok(vec![100.0]));
}

/// A structure set whose first region has these bytes as its name.
fn named(sets: &str, name: &[u8]) -> Set {
    let kept: String = name.iter().map(|byte| char::from(*byte)).collect();
    let planes = (0..4).map(|k| square(0.0, 0.0, 3.0 * f64::from(k), 4.0)).collect();
    let mut set = structure_set(&[(&kept, "ORGAN", planes)]);
    put(&mut set, tags::SPECIFIC_CHARACTER_SET, VR::CS, sets);
    set
}

/// A CT around that region, of a patient with such a name.
fn ct_of(folder: &std::path::Path, sets: &str, patient: &[u8]) {
    let kept: String = patient.iter().map(|byte| char::from(*byte)).collect();
    for k in 0..4 {
        let mut set = image(CT, "CT", [8, 8], &[1024; 64]);
        put(&mut set, tags::SPECIFIC_CHARACTER_SET, VR::CS, sets);
        put(&mut set, tags::PATIENT_NAME, VR::PN, &kept);
        put(&mut set, tags::SOP_INSTANCE_UID, VR::UI, &format!("1.2.3.{k}"));
        put_ds(&mut set, tags::IMAGE_POSITION_PATIENT, &[-10.5, -10.5, 3.0 * f64::from(k)]);
        put_ds(&mut set, tags::IMAGE_ORIENTATION_PATIENT, &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
        put_ds(&mut set, tags::PIXEL_SPACING, &[3.0, 3.0]);
        write(&folder.join(format!("{k}")), &set);
    }
}

#[test]
fn io_dicom_names_keep_their_letters_on_the_way_in_and_out() {
    for (sets, bytes, name) in [
        ("\\ISO 2022 IR 87", &b"\x1b$B4NB!\x1b(B"[..], "肝臓"),
        ("\\ISO 2022 IR 149", b"\x1b$)C\xb0\xa3", "간"),
        ("\\ISO 2022 IR 58", b"\x1b$)A\xb8\xce", "肝"),
        ("ISO_IR 148", b"b\xf6brek \xfe\xdd", "böbrek şİ"),
        ("ISO_IR 100", b"f\xe9mur", "fémur"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        ct_of(folder.path(), sets, bytes);
        let ct = read_ct(folder.path()).unwrap();
        let set = named(sets, bytes);
        let file = folder.path().join("regions");
        write(&file, &set);
        let regions = read_rtstruct(&file, &ct.volume.grid, None).unwrap();
        assert_eq!(regions.names.get(1), Some(name), "{sets}");
        let [seg, dose] = ["seg", "dose"].map(|name| folder.path().join(name));
        let names = regions.names.iter().map(|(label, name)| (label, name.to_owned())).collect();
        let options = SegOptions { description: String::new(), deidentify: false };
        write_seg(&seg, &regions.labels, &names, ct.origin.as_ref(), &options).unwrap();
        assert_eq!(read_seg(&seg, &ct.volume.grid, None).unwrap().names.get(1), Some(name), "{sets}");
        let options = DoseOptions {
            dose_type: DoseType::Physical,
            depth: DoseDepth::Bits16,
            description: String::new(),
            comment: String::new(),
            deidentify: false,
            created: None,
        };
        let gy: Volume<f64> = ct.volume.map(|_| 1.0);
        write_rtdose(&dose, &gy, ct.origin.as_ref(), &options).unwrap();
        for file in [seg, dose] {
            let bytes = std::fs::read(&file).unwrap();
            let holds = |word: &[u8]| bytes.windows(word.len()).any(|part| part == word);
            assert!(holds(b"ISO_IR 192") && holds(name.as_bytes()), "{sets}: {}", file.display());
        }
    }
}

#[test]
fn io_dicom_totals_in_the_unit_of_their_modality() {
    let of_pt = |value: &'static str| {
        read(&with_drug(&|drug| put(drug, tags::RADIONUCLIDE_TOTAL_DOSE, VR::DS, value)), &plain()).unwrap().scan
    };
    let of_nm = |value: &str| {
        let folder = tempfile::tempdir().unwrap();
        let mut set = nm();
        let own = drug(&|drug| put(drug, tags::RADIONUCLIDE_TOTAL_DOSE, VR::DS, value));
        put_items(&mut set, tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE, vec![own]);
        write(&folder.path().join("nm"), &set);
        let activity = read(&folder, &plain()).unwrap();
        (activity.scan, lutra::note::sentences(&activity.image.notes).join("; "))
    };
    assert_eq!(of_pt("7.4e9").administered_mbq, Some(7400.0));
    let doubtful = of_pt("7400");
    let doubt = doubtful.administered_doubt.unwrap();
    assert!(doubtful.administered_mbq.is_none() && doubt.contains("0.0074 MBq in Bq"), "{doubt}");
    assert!(doubt.contains("7400 MBq in MBq"), "both readings: {doubt}");
    let (scan, said) = of_nm("7400");
    assert_eq!((scan.administered_mbq, said.contains("RadionuclideTotalDose")), (Some(7400.0), false), "{said}");
    let (scan, said) = of_nm("7.4e9");
    assert!(scan.administered_mbq.is_some_and(|mbq| (mbq / 7400.0 - 1.0).abs() < 1e-12), "{said}");
    assert!(said.contains("7400000000 MBq in MBq") && said.contains("7400 MBq in Bq"), "{said}");
    for value in ["3e5", "0.0074", "-5"] {
        let (scan, _) = of_nm(value);
        assert!(scan.administered_mbq.is_none() && scan.administered_doubt.is_some(), "{value}");
    }
    let unreadable = of_pt("7.4 GBq").administered_doubt.unwrap();
    assert!(unreadable.contains("found \"7.4 GBq\", which is no number"), "{unreadable}");
    assert_eq!(of_pt("0").administered_doubt, None, "nothing is stated");
}

/// A radiopharmaceutical with this code, meaning and name.
fn of_nuclide(value: &str, meaning: &str, name: &str) -> tempfile::TempDir {
    with_drug(&|drug| {
        let mut code = Set::new_empty();
        for (tag, vr, text) in [(tags::CODE_VALUE, VR::SH, value), (tags::CODE_MEANING, VR::LO, meaning)] {
            if !text.is_empty() {
                put(&mut code, tag, vr, text);
            }
        }
        if !(value.is_empty() && meaning.is_empty()) {
            put_items(drug, tags::RADIONUCLIDE_CODE_SEQUENCE, vec![code]);
        }
        put(drug, tags::RADIOPHARMACEUTICAL, VR::LO, name);
    })
}

fn run_of(name: &str, stated: bool) -> ActivityOptions {
    ActivityOptions { nuclide: Some(RunNuclide::new(name, stated)), ..plain() }
}

#[test]
fn io_dicom_an_image_of_another_nuclide_is_refused_by_name() {
    for (value, meaning, name, found) in [
        ("C-111A1", "^18^Fluorine", "FDG", "found 18F"),
        ("77004003", "", "", "found 18F"),
        ("C-162A7", "", "", "found 90Y"),
        ("", "Yttrium-90", "", "found 90Y"),
        ("", "", "99mTc-MDP", "found 99mTc"),
        ("", "", "Fluorodeoxyglucose", "found 18F"),
        ("447553000", "^177^Lutetium", "131I-MIBG", "found 131I"),
        ("X-1", "unobtainium", "", "found \"unobtainium\", which is not known"),
    ] {
        let folder = of_nuclide(value, meaning, name);
        let error = read(&folder, &run_of("Lu-177", false)).unwrap_err();
        assert!(error.contains(found) && error.contains("allowed: 177Lu"), "{value} {meaning} {name}: {error}");
        assert!(error.contains("nuclide NAME|FILE"), "{error}");
        let told = read(&folder, &run_of("Lu-177", true)).unwrap();
        assert!(noted(&told, "the user states 177Lu: 177Lu is used"), "{:?}", told.image.notes);
        read(&folder, &plain()).expect("without a run there is nothing to contradict");
    }
    for (value, meaning, name) in
        [("447553000", "^177^Lutetium", "177Lu-DOTATATE"), ("", "", ""), ("", "", "PSMA-617"), ("", "Lutetium 177", "")]
    {
        let activity = read(&of_nuclide(value, meaning, name), &run_of("Lu-177", false)).unwrap();
        assert!(!noted(&activity, "177Lu is used"), "{:?}", activity.image.notes);
    }
    assert_eq!(
        read(&of_nuclide("14691008", "", ""), &run_of("Y-90", false)).unwrap().scan.nuclide.as_deref(),
        Some("90Y")
    );
}

#[test]
fn io_dicom_a_half_life_of_another_nuclide_is_refused() {
    let run = |half_life_h: f64| ActivityOptions {
        if_silent: IfSilent { half_life_h: Some(half_life_h), ..IfSilent::default() },
        ..plain()
    };
    let folder = pair(&|_| {});
    let error = read(&folder, &run(159.528)).unwrap_err();
    assert!(
        error.contains("RadionuclideHalfLife (0018,1075): found 2.0000 h")
            && error.contains("half-life, or half_life_h"),
        "{error}"
    );
    assert!(noted(&read(&folder, &run(2.04)).unwrap(), "2.0400 h of the nuclide"), "tables differ by so much");
    assert!(!noted(&read(&folder, &run(2.001)).unwrap(), "of the nuclide"));
    read(&folder, &ActivityOptions { half_life_h: Some(159.528), ..run(159.528) }).unwrap();
}

#[test]
fn io_dicom_names_of_energy_windows_and_a_missing_frame_are_noted() {
    let folder = pair(&|set| {
        set.remove_element(tags::FRAME_OF_REFERENCE_UID);
        let mut window = Set::new_empty();
        put(&mut window, tags::ENERGY_WINDOW_NAME, VR::SH, "Tc99m 140");
        put_items(set, tags::ENERGY_WINDOW_INFORMATION_SEQUENCE, vec![window]);
    });
    let activity = read(&folder, &run_of("Lu-177", false)).unwrap();
    assert!(noted(&activity, "an energy window is called Tc99m 140"), "{:?}", activity.image.notes);
    assert!(noted(&activity, "FrameOfReferenceUID is absent"), "{:?}", activity.image.notes);
    let activity = read(&pair(&|_| {}), &run_of("Lu-177", false)).unwrap();
    assert!(!noted(&activity, "FrameOfReferenceUID") && !noted(&activity, "energy window"));
}

#[test]
fn io_dicom_one_identifier_of_two_people_is_refused() {
    let beside = |name: &str, born: &str| {
        let mut slices = [pt(0.0, START, "START", "BQML"), pt(5.0, START, "START", "BQML")];
        put(&mut slices[1], tags::PATIENT_NAME, VR::PN, name);
        put(&mut slices[1], tags::PATIENT_BIRTH_DATE, VR::DA, born);
        read(&pt_folder(&slices), &plain())
    };
    let error = beside("OTHER^PERSON", "19610203").unwrap_err();
    assert!(error.contains("one PatientID with two names and two birth dates"), "{error}");
    assert!(!error.contains("SECRET") && !error.contains("OTHER") && !error.contains("1961"), "{error}");
    // a new family name, a slip in a date, another spelling
    for (name, born) in [("NEW^NAME", "19500102"), ("OTHER^PERSON", "19500101"), ("Name, Secret", "19500110")] {
        beside(name, born).unwrap_or_else(|error| panic!("{name} {born}: {error}"));
    }
}

/// Whether bytes hold a control character other than the ends of lines and tabs.
fn acts(bytes: &[u8]) -> bool {
    String::from_utf8_lossy(bytes).chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
}

#[test]
fn cli_no_control_byte_of_a_file_reaches_terminal_table_or_page() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let place = folder.join("study\u{1b}[31m\nwarning: forged");
    crate::cli_dicom::study(&place);
    let forged = "kidney\u{1b}[2J\nwarning: forged \u{9b}1m\u{7f}";
    for entry in std::fs::read_dir(&place).unwrap() {
        let path = entry.unwrap().path();
        let mut set = dicom_object::open_file(&path).unwrap().into_inner();
        put(&mut set, tags::SERIES_DESCRIPTION, VR::LO, forged);
        if set.get(tags::STRUCTURE_SET_ROI_SEQUENCE).is_some() {
            set.update_value(tags::STRUCTURE_SET_ROI_SEQUENCE, |value| {
                for (n, item) in value.items_mut().unwrap().iter_mut().enumerate() {
                    put(item, tags::ROI_NAME, VR::LO, &format!("{forged} {n}"));
                }
            });
        }
        write(&path, &set);
    }
    let study = place.to_str().unwrap();
    let runs = [
        vec!["inspect", study],
        vec!["inspect", study, "--json"],
        vec!["dose", "--ct", study, "--activity", study, "--labels", study, "--out", "out"],
        vec!["dose", "--ct", study, "--activity", "nowhere\u{1b}\n", "--out", "other"],
    ];
    let mut forgeable = 0;
    for arguments in runs {
        let engine = if arguments[0] == "inspect" { &[][..] } else { &ENGINE };
        let output = lutra(folder, &[&arguments[..], engine].concat());
        let good = !arguments.contains(&"other");
        assert_eq!(output.status.success(), good, "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        for said in [&output.stdout, &output.stderr] {
            assert!(!acts(said), "{arguments:?}: {}", String::from_utf8_lossy(said).escape_debug());
            let text = String::from_utf8_lossy(said);
            assert!(!text.lines().any(|line| line.starts_with("warning: forged")), "{arguments:?}: {text}");
            forgeable += text.matches("forged").count();
        }
    }
    assert!(forgeable > 3, "the names were never shown");
    let mut files = Vec::new();
    crate::cli_dicom::files(&folder.join("out"), &mut files);
    let texts: Vec<_> = files
        .iter()
        .filter(|file| ["csv", "html", "json"].iter().any(|e| file.extension().is_some_and(|x| x == *e)))
        .collect();
    assert!(texts.len() > 4, "{texts:?}");
    for file in texts {
        assert!(!acts(&std::fs::read(file).unwrap()), "{}", file.display());
    }
    assert!(acts(forged.as_bytes()), "the name holds none");
}

#[test]
fn cli_statements_of_zone_and_nuclide_decide_and_are_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let study = |name: &str, change: &dyn Fn(&mut Set)| {
        std::fs::create_dir(folder.join(name)).unwrap();
        for (n, set) in crate::cli_dicom::pt(1, change).iter().enumerate() {
            write(&folder.join(name).join(format!("{n}")), set);
        }
    };
    let drug = |injection: &'static str, name: &'static str| {
        move |set: &mut Set| {
            let mut drug = Set::new_empty();
            put(&mut drug, tags::RADIOPHARMACEUTICAL_START_DATE_TIME, VR::DT, injection);
            put(&mut drug, tags::RADIONUCLIDE_HALF_LIFE, VR::DS, "574067.52");
            put(&mut drug, tags::RADIONUCLIDE_TOTAL_DOSE, VR::DS, "7.4e9");
            put(&mut drug, tags::RADIOPHARMACEUTICAL, VR::LO, name);
            put_items(set, tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE, vec![drug]);
        }
    };
    study("utc", &drug("20260302090000+0000", "177Lu-DOTATATE"));
    study("fdg", &drug("20260302100000", "FDG"));
    let line = |images: &str, rest: &str| format!("tia {images} --effective-half-life 50 {rest}");
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let call = |line: String, good: bool| {
        let words = words(&line);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        if good { done(folder, &words) } else { refused(folder, &words) }
    };
    assert!(call(line("utc", "--out a"), false).contains("--time-zone"));
    let said = call(line("utc", "--time-zone +01:00 --out a"), true);
    assert!(said.contains("time zone +01:00 as stated"), "{said}");
    assert!(call(line("utc", "--time-zone noon --out b"), false).contains("--time-zone: found \"noon\""));
    call(line("utc", "--time-zone -05:00 --out c"), true);
    assert!(call(line("fdg", "--out d"), false).contains("Radiopharmaceutical (0018,0031): found 18F"));
    let said = call(line("fdg", "--nuclide lu177 --out d"), true);
    assert!(said.contains("the user states 177Lu"), "{said}");
    // an activity given that nobody can have been given, in both readings
    study("total", &|set| {
        drug("20260302100000", "177Lu")(set);
        set.update_value(tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE, |value| {
            put(&mut value.items_mut().unwrap()[0], tags::RADIONUCLIDE_TOTAL_DOSE, VR::DS, "7400");
        });
    });
    let said = call(line("total", "--out f"), false);
    assert!(said.contains("0.0074 MBq in Bq") && said.contains("7400 MBq in MBq"), "{said}");
    call(line("total", "--administered-mbq 7400 --out f"), true);
    // the same in a SERIES.toml
    let series = |head: &str, image: &str| {
        std::fs::write(
            folder.join("SERIES.toml"),
            format!(
                "schema = 1\nlabels = \"labels.nii\"\nadministered_mbq = 7400\n{head}\n[[images]]\nfile = \"{image}\"\n\
                 [fit]\nmethod = \"population\"\nhalf_life_h = 50\n"
            ),
        )
        .unwrap();
    };
    for (head, image, words) in [
        ("", "utc", "time_zone = \"+01:00\" in a SERIES.toml"),
        ("time_zone = \"noon\"", "utc", "time_zone: found \"noon\""),
        ("", "fdg", "nuclide in a SERIES.toml"),
    ] {
        series(head, image);
        let said = call("tia SERIES.toml --out e".to_owned(), false);
        assert!(said.contains(words), "{head}: {said}");
    }
}
