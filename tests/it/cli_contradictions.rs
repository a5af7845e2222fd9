//! What two statements, or a statement and a header, say against each other: an injection counted twice, a time, a unit or a
//! nuclide that is not that of the images, doses that no population has.

use crate::patient::{lutra, patient, series, stated, stderr, stdout, write};
use lutra::io::nifti;
use std::path::Path;

/// The head of a course with the block of water.
const HEAD: &str = "schema = 1\nprotocol = \"iluminet\"\nct = \"ct.nii\"\n";

/// A cycle in this month with this dosimetry.
fn cycle(month: u32, dosimetry: &str) -> String {
    format!("[[cycles]]\ndate = 2024-{month:02}-15\nadministered_mbq = 7400\n{dosimetry}\n")
}

/// Runs a course.
fn course(folder: &Path, text: &str, out: &str) -> (Option<i32>, String, String) {
    write(folder, "COURSE.toml", text);
    let line = ["course", "COURSE.toml", "--out", out, "--engine", "cpu", "--histories", "4000"];
    let output = lutra(folder, &line);
    (output.status.code(), stdout(&output), stderr(&output))
}

/// The images again under other names, each with a value that differs from the first in one voxel.
fn second_images(folder: &Path) {
    for hour in [24, 96] {
        let mut image = nifti::read(folder.join(format!("t{hour}.nii"))).expect("an image");
        image.data[0] *= 1.01;
        nifti::write(folder.join(format!("u{hour}.nii")), &image, "activity").expect("written");
    }
    write(folder, "SECOND.toml", &series(&[24.0, 96.0]).replace("\"t", "\"u"));
}

#[test]
fn alarm_one_image_or_map_in_two_cycles_is_refused_by_name() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let at = folder.path();
    patient(at);
    second_images(at);
    write(at, "SERIES.toml", &series(&[24.0, 96.0]));
    write(at, "MIXED.toml", &series(&[24.0, 96.0]).replace("t96.nii", "u96.nii"));
    std::fs::copy(at.join("t24.nii"), at.join("copy.nii")).expect("copied");
    write(at, "COPIED.toml", &series(&[24.0, 96.0]).replace("t24.nii", "copy.nii").replace("t96", "u96"));
    let map = nifti::read(at.join("t24.nii")).expect("an image").map(|value| value * 50.0);
    nifti::write(at.join("tia.nii"), &map, "Bq h/mL").expect("written");
    let tia = "tia = \"tia.nii\"\ntia_unit = \"bq_ml_h\"\nlabels = \"labels.nii\"";
    for (one, other, field, words) in [
        ("series = \"SERIES.toml\"", "series = \"SERIES.toml\"", "cycles[2].series", "the image of cycle 1 again"),
        ("series = \"SERIES.toml\"", "series = \"MIXED.toml\"", "cycles[2].series", "the image of cycle 1 again"),
        ("series = \"SERIES.toml\"", "series = \"COPIED.toml\"", "cycles[2].series", "copy.nii, the image of cycle 1"),
        (tia, tia, "cycles[2].tia", "the map of decays of cycle 1 again"),
        ("dose = \"tia.nii\"", "dose = \"tia.nii\"", "cycles[2].dose", "the dose map of cycle 1 again"),
    ] {
        let text = format!("{HEAD}{}{}", cycle(1, one), cycle(3, other));
        let (code, _, said) = course(at, &text, "bad");
        assert_eq!(code, Some(2), "{said}");
        for part in [field, words, "same SHA-256", "is one cycle listed twice?"] {
            assert!(said.to_lowercase().contains(&part.to_lowercase()), "{part}: {said}");
        }
        assert!(!at.join("bad").exists());
    }
    let text = format!("{HEAD}{}{}", cycle(1, "series = \"SERIES.toml\""), cycle(3, "series = \"SECOND.toml\""));
    let (code, _, said) = course(at, &text, "good");
    assert_eq!(code, Some(0), "{said}");
    // one scan listed twice in one series
    write(at, "TWICE.toml", &series(&[24.0, 96.0]).replace("t96.nii", "copy.nii"));
    let output = lutra(at, &["tia", "TWICE.toml", "--out", "t"]);
    assert_eq!(output.status.code(), Some(2), "{}", stdout(&output));
    assert!(stderr(&output).contains("images[1] (copy.nii): found the bytes of t24.nii again"), "{}", stderr(&output));
}

#[test]
fn alarm_a_time_or_unit_against_its_header_holds_the_course_and_is_told_alone() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let at = folder.path();
    patient(at);
    for (hour, header) in [(24, "Bq/mL, 24 h"), (96, "Bq/mL, 96 h"), (168, "Bq/mL, 168 h")] {
        let image = nifti::read(at.join(format!("t{hour}.nii"))).expect("an image");
        nifti::write(at.join(format!("t{hour}.nii")), &image, header).expect("written");
    }
    let sound = series(&[24.0, 96.0, 168.0]);
    let run = |text: &str, out: &str| {
        write(at, "SERIES.toml", text);
        course(at, &format!("{HEAD}{}", cycle(1, "series = \"SERIES.toml\"")), out)
    };
    let (code, said, _) = run(&sound, "sound");
    assert!(code == Some(0) && !said.contains("its header says") && !said.starts_with("HOLD"), "{said}");
    for (from, to, out, words) in [
        ("time_h = 168", "time_h = 120", "time", "its header says 168 h, and a time of 120 h is stated"),
        ("unit = \"bq_ml\"", "unit = \"bq_voxel\"", "unit", "its header says Bq/mL, and the unit bq_voxel is stated"),
    ] {
        let (_, said, told) = run(&sound.replace(from, to), out);
        assert!(said.starts_with("HOLD: ") && said.contains(words), "{said}{told}");
        let output = lutra(at, &["tia", "SERIES.toml", "--out", &format!("{out}-alone")]);
        assert!(output.status.success() && stderr(&output).contains(words), "{}", stderr(&output));
    }
    // one scan, its time in days: nothing but the header tells
    let one = format!("{}[fit]\nmethod = \"population-half-life\"\nhalf_life_h = 50\n", series(&[96.0]));
    let (_, said, told) = run(&one.replace("time_h = 96", "time_h = 4"), "days");
    assert!(said.starts_with("HOLD: ") && said.contains("in days? write time_h = 96"), "{said}{told}");
    let cleared = "[[overrides]]\nrule = \"header\"\nreason = \"the header is that of a copy\"\nby = \"Dr A\"\n";
    let text = format!("{HEAD}{}{cleared}", cycle(1, "series = \"SERIES.toml\""));
    let (_, said, _) = course(at, &text, "cleared");
    assert!(!said.starts_with("HOLD") && said.contains("header overridden by Dr A"), "{said}");
}

#[test]
fn alarm_times_in_days_are_refused_where_no_course_answers_for_them() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let at = folder.path();
    patient(at);
    let mut text = series(&[24.0, 96.0, 168.0]);
    for days in [1, 4, 7] {
        text = text.replace(&format!("time_h = {}\n", 24 * days), &format!("time_h = {days}\n"));
    }
    write(at, "SERIES.toml", &text);
    let output = lutra(at, &["tia", "SERIES.toml", "--out", "days"]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    for words in ["SERIES.toml: images: time_h", "write 24 to 168 h", "state them by the clock"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!at.join("days").exists());
    // the same hours by the clock cannot be days, and stand
    let clock = text
        .replace("unit =", "injection_time = 2024-01-15T08:00:00Z\nunit =")
        .replace("time_h = 1\n", "scan_start = 2024-01-15T08:55:00Z\nduration_min = 10\n")
        .replace("time_h = 4\n", "scan_start = 2024-01-15T11:55:00Z\nduration_min = 10\n")
        .replace("time_h = 7\n", "scan_start = 2024-01-15T14:55:00Z\nduration_min = 10\n");
    write(at, "SERIES.toml", &clock);
    let output = lutra(at, &["tia", "SERIES.toml", "--out", "hours"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("if their times are in days"), "{}", stderr(&output));
}

#[test]
fn alarm_an_image_of_a_moment_is_no_map_of_decays() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let at = folder.path();
    patient(at);
    let image = nifti::read(at.join("t24.nii")).expect("an image");
    let dose = |header: &str, unit: &str, out: &str| {
        nifti::write(at.join("map.nii"), &image, header).expect("written");
        let line = ["dose", "--ct", "ct.nii", "--activity", "map.nii", "--activity-unit", unit, "--administered-mbq"];
        let rest = ["7400", "--labels", "labels.nii", "--label-names", "names.csv", "--out", out];
        let run = ["--engine", "cpu", "--histories", "4000"];
        let output = lutra(at, &[&line[..], &rest, &run].concat());
        (output.status.code(), stderr(&output))
    };
    for (header, unit, words) in [
        ("Bq/mL, 72 h", "bq_ml_h", "map.nii: header: found \"Bq/mL, 72 h\", activity at a moment"),
        ("decays per voxel", "bq_ml_h", "map.nii: header: found \"decays per voxel\""),
    ] {
        let (code, said) = dose(header, unit, "bad");
        assert!(code == Some(2) && said.contains(words) && said.contains("lutra tia"), "{said}");
    }
    // without a header the dose per activity tells, far below as far above
    let (code, said) = dose("", "bq_ml_h", "low");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("kidney_left has") && said.contains("times the population's 0.54 Gy/GBq"), "{said}");
    let (code, said) = dose("TIA in Bq h/mL", "bq_ml_h", "named");
    assert!(code == Some(0) && said.contains("kidney_right has"), "{said}");
}

#[test]
fn alarm_a_course_of_two_nuclides_or_of_another_than_its_protocol_is_held() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let at = folder.path();
    patient(at);
    second_images(at);
    write(at, "SERIES.toml", &series(&[24.0, 96.0]));
    let two = |head: &str| {
        let cycles = [cycle(1, "series = \"SERIES.toml\""), cycle(3, "series = \"SECOND.toml\"")];
        format!("{HEAD}{head}{}", cycles.concat())
    };
    let held = |text: &str, out: &str| {
        let (code, said, told) = course(at, text, out);
        assert_eq!(code, Some(0), "{told}");
        said
    };
    assert!(!held(&two(""), "sound").starts_with("HOLD"));
    assert!(!held(&two("nuclide = \"lu177\"\n"), "named").starts_with("HOLD"));
    let said = held(&two("nuclide = \"i131\"\n"), "i131");
    assert!(said.starts_with("HOLD: the course is of 131I, protocol `iluminet`"), "{said}");
    let second = std::fs::read_to_string(at.join("SECOND.toml")).expect("the series");
    write(at, "SECOND.toml", &second.replace("unit =", "nuclide = \"i131\"\nunit ="));
    for (head, stated) in [("", "which states none"), ("nuclide = \"lu177\"\n", "as COURSE.toml states")] {
        let said = held(&two(head), if head.is_empty() { "a" } else { "b" });
        assert!(said.starts_with("HOLD: cycle 2: its series is of 131I, the course of 177Lu"), "{said}");
        assert!(said.contains(stated), "{said}");
    }
    // a ready map says no nuclide: the protocol and the dose do
    let map = nifti::read(at.join("t24.nii")).expect("an image").map(|value| value * 50.0);
    nifti::write(at.join("tia.nii"), &map, "").expect("written");
    let tia = "tia = \"tia.nii\"\ntia_unit = \"bq_ml_h\"\nlabels = \"labels.nii\"\n\
               effective_half_life_h = { kidney_left = 50, kidney_right = 50 }";
    let text = format!("{HEAD}label_names = \"names.csv\"\nnuclide = \"y90\"\n{}", cycle(1, tia));
    let said = held(&text, "y90");
    assert!(said.starts_with("HOLD: the course is of 90Y"), "{said}");
}

#[test]
fn alarm_doses_far_from_the_population_hold_the_course() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let at = folder.path();
    let run = |dose: f64, more: &str, out: &str| {
        let (code, said, told) = course(at, &format!("{}{more}", stated(&[Some((dose, 4.0))])), out);
        assert_eq!(code, Some(0), "{told}");
        said
    };
    assert!(!run(4.0, "", "sound").starts_with("HOLD"));
    for (dose, out) in [(26.0, "high"), (0.5, "low")] {
        let said = run(dose, "", out);
        assert!(said.starts_with("HOLD: cycle 1: kidney_left has "), "{said}");
        assert!(said.contains("times the population's 0.54 Gy/GBq: check units, nuclide"), "{said}");
    }
    let cleared = "[[overrides]]\nrule = \"dose\"\nreason = \"one kidney, measured twice\"\nby = \"Dr A\"\n";
    let said = run(26.0, cleared, "cleared");
    assert!(!said.starts_with("HOLD") && said.contains("dose overridden by Dr A"), "{said}");
}

#[test]
fn alarm_exchanged_kidneys_hold_the_course() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let at = folder.path();
    patient(at);
    write(at, "SERIES.toml", &series(&[24.0, 96.0]));
    let text = format!("{HEAD}{}", cycle(1, "series = \"SERIES.toml\""));
    let (_, said, told) = course(at, &text, "sound");
    assert!(!said.contains("patient's right"), "{said}{told}");
    let names = std::fs::read_to_string(at.join("names.csv")).expect("names");
    let names = names.replace("left", "?").replace("right", "left").replace('?', "right");
    write(at, "names.csv", &names);
    let (_, said, told) = course(at, &text, "exchanged");
    assert!(
        said.starts_with("HOLD: cycle 1: labels.nii: kidney_left lies 35 mm to the patient's right"),
        "{said}{told}"
    );
    let cleared = "[[overrides]]\nrule = \"sides\"\nreason = \"crossed ectopia\"\nby = \"Dr A\"\n";
    let (_, said, _) = course(at, &format!("{text}{cleared}"), "cleared");
    assert!(!said.starts_with("HOLD") && said.contains("sides overridden by Dr A"), "{said}");
    let output = lutra(at, &["tia", "SERIES.toml", "--out", "t"]);
    assert!(stderr(&output).contains("are the names exchanged"), "{}", stderr(&output));
}

#[test]
fn alarm_what_is_not_right_stands_in_the_headline() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let at = folder.path();
    let two = stated(&[Some((4.0, 4.1)), Some((4.0, 4.1))]);
    let (_, said, _) = course(at, &two, "sound");
    assert!(!said.contains("Not as the protocol has it"), "{said}");
    let (_, said, _) = course(at, &two.replace("2024-03-15", "2024-01-23"), "close");
    let headline = said.lines().next().unwrap_or_default();
    assert!(headline.contains("Not as the protocol has it: cycle 2 came 8 d after the one before."), "{headline}");
    let (_, said, _) = course(at, &two.replace("gfr_ml_min = 51", "gfr_ml_min = 95"), "rise");
    assert!(said.contains("rose from 85 to 95, by 11.8 %"), "{said}");
}

#[test]
fn alarm_slips_of_a_course_or_series_are_asked_for_by_name() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let at = folder.path();
    let two = stated(&[Some((4.0, 4.1)), Some((4.0, 4.1))]);
    for (from, to, words) in [
        ("date = 2024-03-15", "date = 2024-01-15", "Is one cycle listed twice?"),
        ("date = 2024-03-15", "date = 2023-03-15", "check the year"),
        ("date = 2024-03-15", "date = 15.03.2024", "Write the date as 2024-03-15."),
        ("administered_mbq = 7400", "administered_mbq = 7400,5", "Write 7400.5, with a decimal point."),
        ("administered_mbq = 7400", "administered_mbq = \"7400\"", "Write 7400, without quotes."),
    ] {
        let (code, _, said) = course(at, &two.replacen(from, to, 1), "bad");
        assert!(code == Some(2) && said.contains(words), "{to}: {said}");
    }
    patient(at);
    let sound = series(&[4.0, 24.0, 96.0]);
    let told = |text: &str| {
        write(at, "SERIES.toml", text);
        let output = lutra(at, &["tia", "SERIES.toml", "--out", "t", "--force"]);
        (output.status.code(), stderr(&output))
    };
    for (from, to, words) in [
        ("time_h = 24\n", "time_h = 1.0125\n", "Is 1.0125 in days? (24.3 h.)"),
        ("time_h = 96\n", "time_h = 24\n", "Is one scan listed twice?"),
        ("administered_mbq = 7400", "administered_mbq = 5", "with the activity given in GBq, not MBq"),
    ] {
        let (code, said) = told(&sound.replace(from, to));
        assert!(code == Some(2) && said.contains(words) && !said.contains("in place of kBq/mL"), "{to}: {said}");
    }
    // a wrong day of the injection: the time is among the causes
    let (_, said) = told(
        &sound.replace("time_h = 96\n", "time_h = 700\n").replace("administered_mbq = 7400", "administered_mbq = 20"),
    );
    assert!(said.contains("Check the day of the injection"), "{said}");
    // what is true of many regions is said once
    let exchanged = sound.replace("t4.nii", "t?.nii").replace("t96.nii", "t4.nii").replace("t?.nii", "t96.nii");
    let (code, said) = told(&exchanged);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(said.matches("are the scan times swapped?").count(), 1, "{said}");
    assert!(said.contains("as in body: the activity rises") && said.contains("check the times"), "{said}");
}
