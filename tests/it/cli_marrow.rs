//! `lutra marrow` on a finished dose, as a user runs it.

use crate::patient::{lutra, number, patient, rows, series, stderr, stdout, write};
use std::collections::BTreeMap;
use std::path::Path;

/// Red marrow's density, g/cm3.
const RHO: f64 = 1.03;

const IMAGE: &str = "schema = 1\n[image]\nregions = [\"L2\", \"L3\"]\nactivity_in = \"red-marrow\"\n\
    trabecular_bone_fraction = { value = 0.2, rel_sigma = 0.1, source = \"CT of this clinic\" }\n\
    cellularity = { value = 0.7, rel_sigma = 0.15, source = \"MR of this patient\" }\n\
    absorbed_fraction = { value = 0.8, rel_sigma = 0.05, source = \"stated in a test\" }\n";

const BLOOD: &str = "[blood]\nmodel = \"two-phase\"\nsystematic_error = 0.03\ncross_dose_of = [\"L2\"]\n\
    points = [\n{ time_h = 0.25, mbq_per_ml = 0.4, relative_error = 0.03 },\n\
    { time_h = 1.0, mbq_per_ml = 0.27, relative_error = 0.03 },\n{ time_h = 4.0, mbq_per_ml = 0.08, relative_error = 0.03 },\n\
    { time_h = 24.0, mbq_per_ml = 0.014, relative_error = 0.03 },\n{ time_h = 72.0, mbq_per_ml = 0.006, relative_error = 0.03 }]\n\
    marrow_to_blood_ratio = { value = 1.0, rel_sigma = 0.2, source = \"Forrer et al.\" }\n\
    absorbed_fraction = { value = 0.8, rel_sigma = 0.05, source = \"stated in a test\" }\n";

/// A dose whose two regions are called vertebrae, by a series that states 5 % of calibration and of each scan.
fn dose(folder: &Path, out: &str, more: &[&str]) {
    patient(folder);
    write(folder, "names.csv", "value,name\n1,body\n2,L2\n3,L3\n");
    let text = series(&[24.0, 96.0, 168.0]);
    write(
        folder,
        "SERIES.toml",
        &text.replace("relative_error = 0.05\n", "relative_error = 0.05\nsystematic_error = 0.05\n"),
    );
    let output = lutra(folder, &["tia", "SERIES.toml", "--out", "s", "--force"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let words = "dose --ct ct.nii --activity s/decays.nii.gz --activity-unit decays --labels labels.nii --label-names names.csv \
                 --engine cpu --histories 4000 --administered-mbq 7400 --out";
    let words: Vec<&str> = words.split_whitespace().chain([out]).chain(more.iter().copied()).collect();
    let output = lutra(folder, &words);
    assert!(output.status.success(), "{}", stderr(&output));
}

fn marrow(folder: &Path, text: &str, dose: &str, out: &str) -> std::process::Output {
    write(folder, "MARROW.toml", text);
    lutra(folder, &["marrow", "MARROW.toml", "--dose", dose, "--out", out])
}

fn json(folder: &Path, file: &str) -> serde_json::Value {
    serde_json::from_str(&std::fs::read_to_string(folder.join(file)).expect("the record")).expect("JSON")
}

fn own(folder: &Path, dose: &str, name: &str) -> BTreeMap<String, String> {
    rows(&folder.join(dose).join("organs.csv")).into_iter().find(|row| row["name"] == name).expect("the region")
}

#[test]
fn cli_red_marrow_is_what_its_parts_give() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    dose(folder, "d", &[]);
    let output = marrow(folder, &format!("{IMAGE}{BLOOD}"), "d", "m");
    assert!(output.status.success(), "{}", stderr(&output));
    let regions = ["L2", "L3"].map(|name| own(folder, "d", name));
    let sum = |head: &str| regions.iter().map(|row| number(row, head)).sum::<f64>();
    let volume = sum("volume_ml");
    let kev = lutra::Nuclide::load("lu177").expect("built in").electron_energy_kev_per_decay();
    let mass = RHO * volume * 0.8 * 0.7;
    let self_gy = sum("decays") * kev * 1.602_176_634e-13 * 0.8 / mass;
    let cross_gy: f64 =
        regions.iter().map(|row| number(row, "volume_ml") / volume * number(row, "dose_photon_gy")).sum();
    let table = rows(&folder.join("m/marrow.csv"));
    let [image, blood] = &table[..] else { panic!("{table:?}") };
    for (head, wanted) in [
        ("red_marrow_g", mass),
        ("self_dose_gy", self_gy),
        ("cross_dose_gy", cross_gy),
        ("dose_gy", self_gy + cross_gy),
        ("gy_per_gbq", (self_gy + cross_gy) / 7.4),
    ] {
        assert!((number(image, head) / wanted - 1.0).abs() < 1e-5, "{head}: {} {wanted}", image[head]);
    }
    // alarm: a spongiosa all of marrow is seen
    assert!((number(image, "self_dose_gy") / (self_gy * 0.8 * 0.7) - 1.0).abs() > 0.1);
    let record = json(folder, "m/marrow.json");
    let by_blood = &record["red_marrow"][1];
    let integral = by_blood["blood"]["mbq_h_per_ml"].as_f64().expect("a number");
    let wanted = integral * 3.6e9 * kev * 1.602_176_634e-13 * 0.8 / RHO;
    assert!((number(blood, "self_dose_gy") / wanted - 1.0).abs() < 1e-5, "{blood:?} {wanted}");
    assert!((number(blood, "cross_dose_gy") / number(&regions[0], "dose_photon_gy") - 1.0).abs() < 1e-5);
    let printed = stdout(&output);
    for words in
        ["red marrow by image: absorbed dose", "self-dose", "cross-dose", "stated: cellularity", "MR of this patient"]
    {
        assert!(printed.contains(words), "{words}: {printed}");
    }
    assert!(
        printed.contains("a dose with the full budget tells it"),
        "where the cross-dose comes from is not known: {printed}"
    );
    // 6 mL of water with a kidney's activity are no plausible marrow, and that is told
    assert!(stderr(&output).contains("0.02 to 0.1 Gy/GBq published"), "{}", stderr(&output));
}

#[test]
fn cli_red_marrow_states_how_sure_it_is() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    dose(folder, "d", &["--budget", "full"]);
    let output = marrow(folder, IMAGE, "d", "m");
    assert!(output.status.success(), "{}", stderr(&output));
    let record = json(folder, "m/marrow.json");
    let image = &record["red_marrow"][0];
    let of = |words: &str| {
        let all = image["by_cause"].as_array().expect("causes");
        let one = all.iter().find(|one| one["cause"] == words).unwrap_or_else(|| panic!("{words}: {image}"));
        one["rel_sigma"].as_f64().expect("a number")
    };
    let [self_gy, dose_gy] = ["self_dose_gy", "dose_gy"].map(|field| image[field].as_f64().expect("a number"));
    let share = self_gy / dose_gy;
    for (words, wanted) in [
        ("cellularity", 0.15 * share),
        ("trabecular bone fraction", 0.1 * 0.2 / 0.8 * share),
        ("absorbed fraction", 0.05 * share),
        ("decay data", 0.005),
    ] {
        assert!((of(words) / wanted - 1.0).abs() < 1e-6, "{words}: {} {wanted}", of(words));
    }
    // one calibration for self-dose and cross-dose, but for the rest of the body's, of which nothing outside is known
    assert!((of("calibration") / 0.05 - 1.0).abs() < 1e-3, "{}", of("calibration"));
    let total = image["rel_sigma"].as_f64().expect("known");
    let squares: f64 = image["by_cause"]
        .as_array()
        .expect("causes")
        .iter()
        .map(|one| one["rel_sigma"].as_f64().expect("a number").powi(2))
        .sum();
    assert!((total / squares.sqrt() - 1.0).abs() < 1e-9);
    let from = image["cross_dose_from"].as_array().expect("sources");
    assert_eq!(from.iter().map(|one| one["source"].as_str().expect("a name")).collect::<Vec<_>>(), ["body"]);
    // the fits of two vertebrae are drawn apart: less than one fit of both
    let fits = ["L2", "L3"].map(|name| {
        let parts = json(folder, "d/run.json")["budget"][name]["parts"].as_array().expect("parts").clone();
        parts.iter().find(|part| part["source"] == "fit").and_then(|part| part["rel_sigma"].as_f64()).expect("a fit")
    });
    assert!(of("curve fit") < 0.8 * fits[0].min(fits[1]), "{} {fits:?}", of("curve fit"));
}

#[test]
fn cli_the_whole_spongiosa_has_the_transports_own_dose() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    dose(folder, "d", &[]);
    let text = "schema = 1\n[image]\nregions = [\"L2\"]\nactivity_in = \"spongiosa\"\n";
    let output = marrow(folder, text, "d", "m");
    assert!(output.status.success(), "{}", stderr(&output));
    let table = rows(&folder.join("m/marrow.csv"));
    let wanted = number(&own(folder, "d", "L2"), "dose_gy");
    assert!((number(&table[0], "dose_gy") / wanted - 1.0).abs() < 1e-5, "{table:?} {wanted}");
}

#[test]
fn cli_what_is_no_marrow_is_refused_by_name() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    dose(folder, "d", &[]);
    let without = |text: &str, field: &str| {
        text.lines().filter(|line| !line.starts_with(field)).map(|line| format!("{line}\n")).collect::<String>()
    };
    for (text, words) in [
        (IMAGE.replace("\"L3\"", "\"L9\""), &["[image]", "regions", "\"L9\"", "L2"][..]),
        (IMAGE.replace("\"L3\"", "\"L2\""), &["regions", "\"L2\" twice"]),
        (IMAGE.replace("[\"L2\", \"L3\"]", "[]"), &["regions", "none"]),
        (without(IMAGE, "cellularity"), &["cellularity", "none", "no default"]),
        (without(IMAGE, "absorbed_fraction"), &["absorbed_fraction", "none", "no default"]),
        (IMAGE.replace("value = 0.7", "value = 1.7"), &["cellularity value", "1.7", "at most 1"]),
        (IMAGE.replace("value = 0.2", "value = 1.0"), &["trabecular_bone_fraction value", "below 1"]),
        (IMAGE.replace("rel_sigma = 0.15", "rel_sigma = -0.15"), &["cellularity rel_sigma", "-0.15", "0 to 1"]),
        (IMAGE.replace("MR of this patient", ""), &["cellularity source", "empty"]),
        (IMAGE.replace("red-marrow", "spongiosa"), &["absorbed_fraction", "spongiosa"]),
        (IMAGE.replace("red-marrow", "bone"), &["TOML", "bone"]),
        (IMAGE.replace("schema = 1", "schema = 2"), &["schema", "found 2"]),
        (IMAGE.replace("[image]", "administered_mbq = 3700\n[image]"), &["administered_mbq", "3700 MBq", "7400"]),
        ("schema = 1\n".to_owned(), &["[image], [blood]", "none"]),
        (
            format!("schema = 1\n{}", BLOOD.replace("mbq_per_ml = 0.08", "mbq_per_ml = -0.08")),
            &["points[2] mbq_per_ml", "-0.08"],
        ),
        (
            format!("schema = 1\n{}", BLOOD.replace("value = 1.0", "value = 0")),
            &["marrow_to_blood_ratio value", "found 0"],
        ),
        (
            format!("schema = 1\n{}", BLOOD.replace("systematic_error = 0.03", "systematic_error = 3")),
            &["systematic_error", "found 3"],
        ),
        (format!("schema = 1\n{}", BLOOD.replace("[\"L2\"]", "[\"hip\"]")), &["cross_dose_of", "\"hip\""]),
        (format!("schema = 1\n{}", without(BLOOD, "model")), &["model"]),
    ] {
        let output = marrow(folder, &text, "d", "bad");
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {said}");
        assert!(words.iter().chain(&["MARROW.toml", "hint: "]).all(|word| said.contains(word)), "{words:?}: {said}");
        assert!(!folder.join("bad").exists(), "{words:?}: something is left");
    }
    let output = marrow(folder, IMAGE, "s", "bad");
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("run.json") && stderr(&output).contains("lutra dose"), "{}", stderr(&output));
    // alarm: the same text without a fault passes
    assert!(marrow(folder, IMAGE, "d", "good").status.success());
}

/// A matrix that is not the run's own is not taken.
#[test]
fn cli_a_matrix_of_another_run_is_refused() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    dose(folder, "d", &["--budget", "full"]);
    let matrix = std::fs::read_to_string(folder.join("d/s_matrix.csv")).expect("the matrix");
    write(folder, "d/s_matrix.csv", &matrix.replace("body,", "body ,"));
    let output = marrow(folder, IMAGE, "d", "m");
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("s_matrix.csv") && stderr(&output).contains("SHA-256"), "{}", stderr(&output));
}
