//! What holds a course, under which names its regions are found, and how its cycles are told apart.

use crate::io_dicom_made::{Set, put, put_items};
use crate::patient::{lutra, patient, series, stated, stderr, stdout, write};
use dicom_core::VR;
use dicom_dictionary_std::tags;
use lutra::io::nifti;
use std::path::Path;

/// The verdict's text of a course that runs.
fn verdict(folder: &Path, text: &str, out: &str) -> String {
    write(folder, "COURSE.toml", text);
    let output = lutra(folder, &["course", "COURSE.toml", "--out", out]);
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output)
}

/// What a course that must be refused says.
fn refused(folder: &Path, text: &str) -> String {
    write(folder, "COURSE.toml", text);
    let output = lutra(folder, &["course", "COURSE.toml", "--out", "bad"]);
    assert_eq!(output.status.code(), Some(2), "{}", stdout(&output));
    assert!(!folder.join("bad").exists());
    stderr(&output)
}

fn two_cycles() -> String {
    stated(&[Some((4.0, 4.1)), Some((4.0, 4.1))])
}

#[test]
fn alarm_a_failed_safety_fact_stands_on_top_of_terminal_and_page() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let at = folder.path();
    let sound = verdict(at, &two_cycles(), "sound");
    let line = "The BED of the kidneys permits another cycle of 7.4 GBq. Not assessed: toxicity.";
    assert!(sound.starts_with(line), "{sound}");
    let page = |out: &str| std::fs::read_to_string(at.join(out).join("report.html")).expect("the page");
    assert!(page("sound").contains("banner attention"), "what nobody assessed is no green tick");
    let known = two_cycles().replace("age_years", "worst_toxicity_grade = 1\nage_years");
    assert!(verdict(at, &known, "known").starts_with("The BED of the kidneys permits another cycle of 7.4 GBq.\n"));
    assert!(page("known").contains("banner good"));
    for (from, to, out) in
        [("gfr_ml_min = 51", "gfr_ml_min = 22", "gfr"), ("age_years", "worst_toxicity_grade = 4\nage_years", "grade")]
    {
        let held = verdict(at, &two_cycles().replacen(from, to, 1), out);
        assert!(held.starts_with("HOLD: "), "{held}");
        assert!(page(out).contains("banner stop") && page(out).contains("HOLD: "), "{out}");
    }
    for (from, to, words) in [
        ("age_years = 70", "gfr = 70", "Did you mean gfr_ml_min?"),
        ("age_years = 70", "age_years = \"old\"", "a fact is a number, or true or false"),
        ("age_years = 70", "age_years = 170", "0 to 120 (years)"),
        ("age_years = 70", "diabetes = 1", "true or false"),
    ] {
        let said = refused(at, &two_cycles().replace(from, to));
        assert!(said.contains(words), "{to}: {said}");
    }
}

/// Images in which the left kidney's activity falls only where `falls`; everything else falls.
fn kidney_images(folder: &Path, falls: bool) {
    let labels = nifti::read_labels(folder.join("labels.nii")).expect("labels");
    for (hour, left) in [(24.0_f64, 2e4), (96.0, 2.6e4), (168.0, 4e4)] {
        let left = if falls { 7e5 * (-hour / 60.0).exp2() } else { left };
        let image = labels.map(|label| match label {
            2 => 8e5 * (-hour / 50.0).exp2(),
            3 => left,
            _ => 1e4 * (-hour / 40.0).exp2(),
        });
        nifti::write(folder.join(format!("t{hour}.nii")), &image, "activity").expect("written");
    }
}

#[test]
fn alarm_a_refused_fit_of_a_kidney_holds_the_course() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let at = folder.path();
    patient(at);
    write(at, "SERIES.toml", &series(&[24.0, 96.0, 168.0]));
    let text = "schema = 1\nprotocol = \"iluminet\"\nct = \"ct.nii\"\n[[cycles]]\ndate = 2024-01-15\n\
                administered_mbq = 7400\nseries = \"SERIES.toml\"\n";
    write(at, "COURSE.toml", text);
    let course = |out: &str| {
        let line = ["course", "COURSE.toml", "--out", out, "--engine", "cpu", "--histories", "4000"];
        let output = lutra(at, &line);
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
    };
    kidney_images(at, true);
    assert!(course("sound").starts_with("The BED of the kidneys permits"));
    kidney_images(at, false);
    let held = course("rising");
    assert!(held.starts_with("HOLD: "), "{held}");
    assert!(held.contains("the fit of kidney_left is refused"), "{held}");
    // a named person clears it
    let text = format!("{text}[[overrides]]\nrule = \"fit\"\nreason = \"bladder over the kidney\"\nby = \"Dr A\"\n");
    write(at, "COURSE.toml", &text);
    let cleared = course("cleared");
    assert!(!cleared.starts_with("HOLD") && cleared.contains("fit overridden by Dr A: bladder"), "{cleared}");
}

#[test]
fn alarm_times_and_half_lives_that_look_like_days_hold_the_course() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let at = folder.path();
    let held = verdict(at, &two_cycles().replace("kidney_left = 52", "kidney_left = 2.1"), "days");
    assert!(held.starts_with("HOLD: ") && held.contains("2.1 h is short") && held.contains("write 50.4 h"), "{held}");
    // scans in the wrong order: the total activity rises
    patient(at);
    let swapped =
        series(&[24.0, 96.0]).replace("t24.nii", "t_.nii").replace("t96.nii", "t24.nii").replace("t_.nii", "t96.nii");
    write(at, "SERIES.toml", &swapped);
    let text = "schema = 1\nprotocol = \"iluminet\"\nct = \"ct.nii\"\n[[cycles]]\ndate = 2024-01-15\n\
                administered_mbq = 7400\nseries = \"SERIES.toml\"\n";
    write(at, "COURSE.toml", text);
    let line = ["course", "COURSE.toml", "--out", "swapped", "--engine", "cpu", "--histories", "4000"];
    let output = lutra(at, &line);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).starts_with("HOLD: "), "{}", stdout(&output));
}

#[test]
fn alarm_a_nuclide_that_is_not_that_of_the_images_holds_the_course() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let at = folder.path();
    crate::cli_dicom::study_of(&at.join("study"), &|set| {
        let mut drug = Set::new_empty();
        put(&mut drug, tags::RADIOPHARMACEUTICAL, VR::LO, "177Lu-DOTATATE");
        put(&mut drug, tags::RADIOPHARMACEUTICAL_START_DATE_TIME, VR::DT, "20260302100000");
        put(&mut drug, tags::RADIONUCLIDE_HALF_LIFE, VR::DS, "574067.52");
        put(&mut drug, tags::RADIONUCLIDE_TOTAL_DOSE, VR::DS, "7.4e9");
        put_items(set, tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE, vec![drug]);
    });
    let arguments = ["--engine", "cpu", "--histories", "4000"];
    let sound = lutra(at, &[&["course", "study", "--out", "sound"][..], &arguments].concat());
    assert!(stdout(&sound).starts_with("The BED of the kidneys permits"), "{}{}", stdout(&sound), stderr(&sound));
    // a person states both, the nuclide of the run and the half-life that the scanner used
    let stated = ["course", "study", "--nuclide", "i131", "--half-life", "159.4632", "--out", "other"];
    let other = lutra(at, &[&stated[..], &arguments].concat());
    assert!(stdout(&other).starts_with("HOLD: "), "{}{}", stdout(&other), stderr(&other));
    assert!(stdout(&other).contains("131I"), "{}", stdout(&other));
}

#[test]
fn alarm_a_kidney_that_is_missing_or_misnamed_holds_the_course() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let at = folder.path();
    let held = verdict(at, &two_cycles().replace("kidney_left", "kidny_left"), "a");
    assert!(held.starts_with("HOLD: no cycle has a region called kidney_left"), "{held}");
    assert!(held.contains("is kidny_left meant?"), "{held}");
    let one = "[[overrides]]\nrule = \"structure\"\nreason = \"nephrectomy 2010\"\nby = \"Dr A\"\n[[cycles]]";
    let decided = verdict(at, &two_cycles().replace("kidney_left", "kidny_left").replacen("[[cycles]]", one, 1), "b");
    assert!(
        !decided.contains("HOLD") && decided.contains("structure overridden by Dr A: nephrectomy 2010"),
        "{decided}"
    );
    // names that people use
    for (n, (left, right)) in
        [("Kidney_L", "Kidney_R"), ("LK", "RK"), ("kidney-left", "KIDNEY.RIGHT")].into_iter().enumerate()
    {
        let quoted = |name: &str| format!("\"{name}\"");
        let text = two_cycles().replace("kidney_left", &quoted(left)).replace("kidney_right", &quoted(right));
        let said = verdict(at, &text, &format!("names{n}"));
        assert!(said.starts_with("The BED of the kidneys permits"), "{said}");
        assert!(said.contains(&format!("the region {right} is taken as the protocol's kidney_right")), "{said}");
    }
}

#[test]
fn cli_a_draft_groups_time_points_by_injection_and_course_refuses_what_contradicts_it() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let at = folder.path();
    crate::cli_dicom::study(&at.join("study"));
    let told = stdout(&lutra(at, &["inspect", "study"]));
    assert!(told.contains("one cycle, three scans (4, 24, 96 h after injection)"), "{told}");
    let output = lutra(at, &["init", "course", "study", "--protocol", "iluminet", "--out", "study"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = std::fs::read_to_string(at.join("study/COURSE.toml")).expect("a draft");
    assert_eq!(text.matches("[[cycles]]").count(), 1, "{text}");
    assert!(text.contains("date = 2026-03-02\n") && text.contains("administered_mbq = 7400.0\n"), "{text}");
    assert!(!text.contains("= \"?\""), "{text}");
    let arguments = ["--engine", "cpu", "--histories", "4000"];
    let course = |text: &str, out: &str| {
        write(at, "study/COURSE.toml", text);
        lutra(at, &[&["course", "study/COURSE.toml", "--out", out][..], &arguments].concat())
    };
    let done = course(&text, "a");
    assert!(done.status.success(), "{}", stderr(&done));
    // the same injection as two cycles, and a date that the headers contradict
    let cycle = text.split("[[cycles]]").nth(1).expect("a cycle").replace("2026-03-02", "2026-05-02");
    for (text, words) in [
        (format!("{text}[[cycles]]{cycle}"), "the injection of cycle 1 again"),
        (text.replace("date = 2026-03-02", "date = 2026-03-05"), "3 d after the injection that the images date"),
    ] {
        let output = course(&text, "bad");
        assert_eq!(output.status.code(), Some(2), "{}", stdout(&output));
        assert!(stderr(&output).contains(words), "{}", stderr(&output));
    }
    // times that a person states, as older drafts have them, hide no injection of the headers
    let series = std::fs::read_to_string(at.join("study/SERIES.toml")).expect("a draft");
    let mut hours = [4, 24, 96].into_iter();
    let timed: Vec<String> = series
        .lines()
        .map(|line| match line.starts_with("file = ") {
            true => format!("{line}\ntime_h = {}", hours.next().expect("three images")),
            false => line.to_owned(),
        })
        .collect();
    write(at, "study/SERIES.toml", &timed.join("\n"));
    let output = course(&format!("{text}[[cycles]]{cycle}"), "bad");
    assert_eq!(output.status.code(), Some(2), "{}", stdout(&output));
    assert!(stderr(&output).contains("the injection of cycle 1 again"), "{}", stderr(&output));
    assert!(course(&text, "b").status.success(), "alarm: one cycle with stated times is no contradiction");
}

#[test]
fn cli_a_label_of_the_patient_stands_on_the_dicom_pictures_of_a_course() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let at = folder.path();
    crate::cli_dicom::study(&at.join("study"));
    let line = ["course", "study", "--engine", "cpu", "--histories", "4000", "--dicom", "--dicom-pictures", "--out"];
    for more in [&["a"][..], &["b"], &["c", "--patient-label", "Study 7, patient 12"]] {
        let output = lutra(at, &[&line[..], more].concat());
        assert!(output.status.success(), "{}", stderr(&output));
    }
    let read = |out: &str, name: &str| std::fs::read(at.join(out).join(name)).expect("an object");
    for plane in ["dose_sum_axial.dcm", "dose_sum_coronal.dcm", "dose_sum_sagittal.dcm"] {
        assert_eq!(read("a", plane), read("b", plane), "{plane}: without a label nothing differs");
        assert_ne!(read("a", plane), read("c", plane), "{plane}: the label is drawn");
    }
    assert_eq!(read("a", "dose_gy.dcm"), read("c", "dose_gy.dcm"), "the dose is no picture");
}

#[test]
fn cli_a_label_of_the_patient_stands_where_it_is_wanted_and_nowhere_else() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let at = folder.path();
    write(at, "COURSE.toml", &two_cycles());
    assert!(lutra(at, &["course", "COURSE.toml", "--out", "without"]).status.success());
    let output = lutra(at, &["course", "COURSE.toml", "--out", "with", "--patient-label", "Study 7, patient 12"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let read = |name: &str| std::fs::read_to_string(at.join(name)).expect("a file");
    for name in ["report.html", "verdict.json"] {
        assert!(read(&format!("with/{name}")).contains("Study 7, patient 12"), "{name}");
    }
    assert!(read("without/verdict.json").contains("\"patient_label\": null"));
    assert!(read("without/report.html").contains("holds no patient identifiers"));
    let output = lutra(at, &["course", "COURSE.toml", "--out", "bad", "--patient-label", " "]);
    assert_eq!(output.status.code(), Some(2));
    let listed = stdout(&lutra(at, &["course", "--protocols"]));
    assert!(
        listed.contains("iluminet") && listed.contains("25 to 29 Gy") && listed.contains("tumour-generic"),
        "{listed}"
    );
}
