//! What nature and a patient do not allow is refused by name, whichever command meets it and wherever it is stated.

use crate::patient::{lutra, patient, series, stated, stderr, stdout, write};
use lutra::io::nifti;
use std::path::Path;

/// A run that must be refused: exit code 2, one error with every word, a next step, nothing left.
fn refused(folder: &Path, line: &str, words: &[&str]) {
    let arguments: Vec<&str> = line.split(' ').chain(["--out", "bad"]).collect();
    let output = lutra(folder, &arguments);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{line}: {said}");
    assert!(stdout(&output).is_empty(), "{line}: {}", stdout(&output));
    assert_eq!(said.matches("error: ").count(), 1, "{line}: {said}");
    assert!(said.contains("hint: "), "{line}: the next step: {said}");
    for word in words {
        assert!(said.contains(word), "{line}: {word}: {said}");
    }
    assert!(!folder.join("bad").exists(), "{line}: something is left");
}

/// A run that must succeed; what it said.
fn done(folder: &Path, line: &str, out: &str) -> String {
    let arguments: Vec<&str> = line.split(' ').chain(["--out", out]).collect();
    let output = lutra(folder, &arguments);
    assert!(output.status.success(), "{line}: {}", stderr(&output));
    stderr(&output) + &stdout(&output)
}

const CASE: &str = "--ct ct.nii --labels labels.nii --label-names names.csv --engine cpu --histories 4000";

/// The patient, and maps of decays: 1.1e14, 1.7 % of what 7.4 GBq of 177Lu can bring.
fn decays(folder: &Path) {
    patient(folder);
    let labels = nifti::read_labels(folder.join("labels.nii")).expect("labels");
    let map = |factor: f64| labels.map(|l| factor * [1e9, 1e12, 1.2e12][usize::from(l) - 1]);
    for (name, factor) in [("tia.nii", 1.0), ("mbq_h.nii", 1.0 / 3.6e9), ("mbq_s.nii", 1e-6), ("huge.nii", 1e38)] {
        nifti::write(folder.join(name), &map(factor), "tia").expect("written");
    }
}

#[test]
fn cli_impossible_activities_of_maps_are_refused_in_every_command() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    decays(folder);
    for command in ["dose", "audit"] {
        for (activity, given, words) in [
            (
                "tia.nii --activity-unit mbq_h",
                "--administered-mbq 7400",
                &["tia.nii: total decays", "found 3.8", "the 7400 MBq given", "would fit as decays (1.7"][..],
            ),
            ("mbq_s.nii --activity-unit mbq_h", "--administered-mbq 7400", &["as MBq s in the voxel (1.7"]),
            (
                "tia.nii --activity-unit decays",
                "--administered-mbq 7.4",
                &["the 7.4 MBq given", "in GBq, not MBq (1.7"],
            ),
            ("tia.nii --activity-unit bq_ml_h", "--administered-mbq 100", &["would fit"]),
            (
                "tia.nii --activity-unit mbq_h",
                "",
                &["100000 MBq, more than any patient was given", "as decays", "--administered-mbq"],
            ),
            ("huge.nii --activity-unit decays", "", &["huge.nii: total decays: found 1.0", "No other unit"]),
            ("huge.nii --activity-unit decays", "--administered-mbq 1e6", &["huge.nii: total decays"]),
            (
                "tia.nii --activity-unit decays",
                "--administered-mbq 0",
                &["--administered-mbq: found 0; allowed: above 0"],
            ),
            ("tia.nii --activity-unit decays", "--administered-mbq nan", &["--administered-mbq: found NaN"]),
            ("tia.nii --activity-unit decays", "--administered-mbq 7.4e9", &["looks like Bq"]),
        ] {
            let line = format!("{command} {CASE} --activity {activity} {given}");
            refused(folder, line.trim_end(), words);
        }
    }
    write(
        folder,
        "dose.toml",
        "ct = \"ct.nii\"\nactivity = \"tia.nii\"\nactivity_unit = \"mbq_h\"\nadministered_mbq = 7400\n",
    );
    refused(folder, "dose --config dose.toml --engine cpu --histories 4000", &["would fit as decays"]);
    // in its own unit, and without an activity given, the map is a patient's
    for (unit, activity) in [("decays", "tia.nii"), ("mbq_h", "mbq_h.nii")] {
        for given in ["", " --administered-mbq 7400"] {
            let line = format!("dose {CASE} --activity {activity} --activity-unit {unit}{given}");
            done(folder, &line, &format!("{unit}{}", given.len()));
        }
    }
}

/// Nature's limit follows the nuclide: what 177Lu can bring, 90Y with its 64 h cannot.
#[test]
fn cli_the_limit_follows_the_half_life() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    decays(folder);
    let line = format!("dose {CASE} --activity tia.nii --activity-unit decays --administered-mbq 150");
    done(folder, &line, "lu");
    refused(folder, &format!("{line} --nuclide y90"), &["tia.nii: total decays", "half-life of 64"]);
}

#[test]
fn cli_impossible_series_are_refused() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    patient(folder);
    let good = series(&[4.0, 24.0, 96.0, 168.0]);
    let minutes = ["4", "24", "96", "168"].iter().fold(good.clone(), |text, hours| {
        let own: f64 = hours.parse().expect("hours");
        text.replace(&format!("time_h = {hours}\n"), &format!("time_h = {}\n", 60.0 * own))
    });
    let population = |half_life: &str| {
        good.replacen(
            "[[images]]",
            &format!("[fit]\nmethod = \"population-half-life\"\nhalf_life_h = {half_life}\n[[images]]"),
            1,
        )
    };
    let own =
        "[[regions]]\nregion = \"kidney_left\"\nmethod = \"trapezoid\"\ntail = \"half-life\"\nhalf_life_h = 170\n";
    for (text, words) in [
        (
            good.replace("bq_ml", "mbq_voxel"),
            &["t4.nii: total activity", "MBq at 4 h", "as Bq/mL in place of MBq in the voxel"][..],
        ),
        (good.replace("mbq = 7400", "mbq = 5"), &["total activity", "GBq, not MBq"]),
        (good.replace("mbq = 7400", "mbq = 0"), &["administered_mbq: found 0; allowed: above 0"]),
        (good.replace("mbq = 7400", "mbq = 7.4e9"), &["administered_mbq", "looks like Bq"]),
        (
            good.replace("administered_mbq = 7400\n", "").replace("bq_ml", "mbq_voxel"),
            &["more than any patient was given"],
        ),
        (minutes.replace("mbq = 7400", "mbq = 10"), &["total activity", "with times in minutes"]),
        (good.replacen("time_h = 4\n", "time_h = 4\nduration_min = 16620\n", 1), &["duration_min", "found 277 h"]),
        (population("200"), &["half_life_h", "found 200 h", "physical half-life, 159.5"]),
        (population("0"), &["half_life_h"]),
        (good.clone() + own, &["region kidney_left: half_life_h", "found 170 h"]),
    ] {
        write(folder, "bad.toml", &text);
        refused(folder, "tia bad.toml", words);
    }
    // a half-life that looks like days: refused where the images show another, told where one image cannot
    write(folder, "bad.toml", &population("2.1"));
    let words =
        ["effective half-life", "found 2.1 h", "a fall with", "between 96 and 168 h", "Days for hours?", "50.4 h"];
    refused(folder, "tia bad.toml", &words);
    let one = population("2.1").split("[[images]]").take(2).collect::<Vec<_>>().join("[[images]]");
    write(folder, "SERIES.toml", &one);
    assert!(done(folder, "tia SERIES.toml", "days").contains("write 50.4 h"));
    // 1, 4 and 7 days written as hours
    let mut days = good.replace("[[images]]\nfile = \"t4.nii\"\ntime_h = 4\n", "");
    for (hours, day) in [("24", "1"), ("96", "4"), ("168", "7")] {
        days = days.replace(&format!("time_h = {hours}\n"), &format!("time_h = {day}\n"));
    }
    write(folder, "SERIES.toml", &days);
    refused(folder, "tia SERIES.toml", &["images: time_h", "if their times are in days, write 24 to 168 h"]);
    write(folder, "SERIES.toml", &good);
    let said = done(folder, "tia SERIES.toml", "good");
    assert!(!said.contains("in days"), "{said}");
}

#[test]
fn cli_impossible_courses_are_refused() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    decays(folder);
    let good = stated(&[Some((4.5, 4.4))]);
    let labels = nifti::read_labels(folder.join("labels.nii")).expect("labels");
    for (name, gy) in [("much.nii", 1e8_f32), ("energy.nii", 5e4), ("sound.nii", 4.5)] {
        let dose = labels.map(|l| if l == 1 { 0.1 } else { gy });
        nifti::write(folder.join(name), &dose, "dose").expect("written");
    }
    let with = |content: &str| {
        format!(
            "schema = 1\nprotocol = \"iluminet\"\nct = \"ct.nii\"\nlabels = \"labels.nii\"\nlabel_names = \"names.csv\"\n\
             [effective_half_life_h]\nkidney_left = 52\nkidney_right = 52\n\
             [[cycles]]\ndate = 2024-01-15\nadministered_mbq = 7400\n{content}\n"
        )
    };
    write(folder, "SERIES.toml", &series(&[4.0, 24.0, 96.0, 168.0]).replace("bq_ml", "mbq_voxel"));
    write(
        folder,
        "SILENT.toml",
        &series(&[4.0, 24.0]).replace("administered_mbq = 7400\n", "").replace("bq_ml", "mbq_voxel"),
    );
    for (text, words) in [
        (with("tia = \"tia.nii\"\ntia_unit = \"mbq_h\""), &["tia.nii: total decays", "would fit as decays"][..]),
        (with("series = \"SERIES.toml\""), &["t4.nii: total activity", "in place of MBq in the voxel"]),
        (with("series = \"SILENT.toml\""), &["t4.nii: total activity", "the 7400 MBq given"]),
        (with("dose = \"much.nii\""), &["much.nii: dose in voxel (2, 3, 2)", "found 1.000e8 Gy"]),
        (with("dose = \"energy.nii\"").replace("7400", "100"), &["energy.nii: region kidney", "Gy/GBq"]),
        (
            good.replace("dose_gy = 4.5", "dose_gy = 4500"),
            &["cycles[1].doses_gy.kidney_left", "4500 Gy in 150 g", "mGy"],
        ),
        (
            good.replace("dose_gy = 4.5, mass_g = 150", "dose_gy = 9e4"),
            &["cycles[1].doses_gy.kidney_left.dose_gy", "Gy/GBq"],
        ),
        (
            good.replace("dose_gy = 4.5", "dose_gy = 1e200"),
            &["cycles[1].doses_gy.kidney_left.dose_gy: found 1.000e200 Gy"],
        ),
        (good.replace("kidney_left = 52", "kidney_left = 200"), &["effective_half_life_h.kidney_left", "physical"]),
        (good.replace("kidney_left = 52", "kidney_left = 0"), &["effective_half_life_h.kidney_left", "above 0 h"]),
        (good.replace("mbq = 7400", "mbq = 7.4e9"), &["cycles[1].administered_mbq", "100 to 100000 MBq"]),
        (good.replace("age_years = 70", "age_years = -70"), &["patient.facts.age_years: found -70; allowed: 0 to 120"]),
        (good.replace("age_years = 70", "age_years = 700"), &["patient.facts.age_years: found 700"]),
        (good.replace("\ngfr_ml_min = 51", "\ngfr_ml_min = -51"), &["patient.facts.gfr_ml_min: found -51"]),
        (good.replace("\ngfr_ml_min = 51", "\ngfr_ml_min = nan"), &["patient.facts.gfr_ml_min: found NaN"]),
    ] {
        write(folder, "bad.toml", &text);
        refused(folder, "course bad.toml --engine cpu --histories 4000", words);
    }
    for amount in ["dose = { dose_gy = 1e200, sum_g_dose2_gy2 = 4 }", "dose = { dose_gy = 2, sum_g_dose2_gy2 = 1e200 }"]
    {
        let entry = format!("[[ledger]]\nwhat = \"PRRT\"\nstructure = \"kidney_left\"\namount = {{ {amount} }}\n");
        write(folder, "bad.toml", &(good.clone() + &entry));
        refused(folder, "course bad.toml", &["ledger", "at most 1e"]);
    }
    // a kept dose is held to what is stated now
    let course = |mbq: &str| with("tia = \"tia.nii\"\ntia_unit = \"decays\"").replace("7400", mbq);
    let line = "--engine cpu --histories 4000 --cache kept";
    write(folder, "COURSE.toml", &course("7400"));
    done(folder, &format!("course COURSE.toml {line}"), "kept_out");
    write(folder, "bad.toml", &course("100"));
    refused(folder, &format!("course bad.toml {line}"), &["tia.nii: total decays", "the 100 MBq given"]);
    write(folder, "COURSE.toml", &with("dose = \"sound.nii\""));
    done(folder, "course COURSE.toml", "sound");
    write(folder, "COURSE.toml", &good.replace("kidney_left = 52", "kidney_left = 2.1"));
    let said = done(folder, "course COURSE.toml", "days");
    assert!(
        said.contains("effective_half_life_h.kidney_left (cycle 1): 2.1 h is short") && said.contains("write 50.4 h")
    );
}

/// A kernel that puts more energy into its voxels than a decay emits is none of this nuclide.
#[test]
fn cli_kernels_of_too_much_energy_are_refused() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    decays(folder);
    let kernel = |scale: f64| {
        let mut text = "# nuclide: Lu-177\n# medium: water\n# density_g_cm3: 1\n# voxel_mm: 5\n# unit: mGy/(MBq s)\n\
                        i,j,k,S_mGy_per_MBq_s\n"
            .to_owned();
        for n in 0..8 {
            let at = [n % 2, n / 2 % 2, n / 4];
            let value = scale * if n == 0 { 0.15 } else { 1e-4 };
            text.push_str(&format!("{},{},{},{value:e}\n", at[0], at[1], at[2]));
        }
        text
    };
    let line = format!("audit {CASE} --activity tia.nii --activity-unit decays --kernel k.csv");
    write(folder, "k.csv", &kernel(1000.0));
    refused(folder, &line, &["k.csv: energy per decay: found", "keV", "what a decay emits", "unit"]);
    write(folder, "k.csv", &kernel(1.0));
    done(folder, &line, "sound");
}
