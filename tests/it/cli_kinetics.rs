//! `lutra kinetics`, and series integrated with a population behind them, as a user runs them.

use crate::patient::{lutra, number, patient, rows, series, stderr, stdout, write};
use std::path::Path;

/// A series with a population for the kidneys.
fn with_prior(images: &[f64], prior: &str) -> String {
    let text = series(images);
    let (head, images) = text.split_once("[[images]]").expect("images");
    let fit = format!("[fit]\nmethod = \"mono\"\n[[images]]{images}");
    let kidney =
        |name: &str| format!("[[regions]]\nregion = \"{name}\"\nmethod = \"population\"\nprior = \"{prior}\"\n");
    format!("{head}{fit}{}{}", kidney("kidney_left"), kidney("kidney_right"))
}

fn done(folder: &Path, arguments: &[&str]) -> String {
    let output = lutra(folder, arguments);
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output)
}

#[test]
fn cli_a_series_with_a_population_behind_it() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    patient(folder);
    write(folder, "SERIES.toml", &with_prior(&[24.0, 96.0, 168.0], "dotatate-2017"));
    done(folder, &["tia", "SERIES.toml", "--out", "out"]);
    let table = rows(&folder.join("out/regions.csv"));
    for (name, half_life_h) in [("kidney_right", 50.0), ("kidney_left", 60.0)] {
        let row = table.iter().find(|row| row["name"] == name).expect("the region");
        assert_eq!(row["method"], "population");
        assert!((number(row, "effective_half_life_h") / half_life_h - 1.0).abs() < 0.05, "{row:?}");
        assert!(row["flags"].contains("of the variance is the prior's (dotatate-2017, kidney)"), "{row:?}");
    }
    let record = std::fs::read_to_string(folder.join("out/tia.json")).expect("the record");
    let record: serde_json::Value = serde_json::from_str(&record).expect("JSON");
    let budget = &record["budget"]["kidney_left"];
    let sources: Vec<&str> =
        budget["parts"].as_array().expect("parts").iter().filter_map(|part| part["source"].as_str()).collect();
    assert_eq!(sources, ["fit", "extrapolation"]);
    assert!(budget["not_known"].as_array().is_some_and(|all| all.iter().any(|s| s == "calibration")), "{budget}");
    let total = budget["rel_sigma"].as_f64().expect("a number");
    let row = table.iter().find(|row| row["name"] == "kidney_left").expect("the region");
    assert!((total / number(row, "rel_sigma") - 1.0).abs() < 1e-6, "{total} {row:?}");
}

#[test]
fn cli_wrong_priors_are_refused_by_name() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    patient(folder);
    let images = [24.0, 96.0];
    write(folder, "bad.toml", "schema = 1\n");
    for (text, words) in [
        (with_prior(&images, "nobody"), &["prior", "\"nobody\"", "dotatate-2017"][..]),
        (with_prior(&images, "bad.toml"), &["bad.toml", "TOML"]),
        (with_prior(&images, "dotatate-2017").replace("prior = ", "half_life_h = 50 # "), &["prior", "none stated"]),
        (with_prior(&images, "dotatate-2017").replace("\"population\"", "\"mono\""), &["prior", "population"]),
    ] {
        write(folder, "SERIES.toml", &text);
        let output = lutra(folder, &["tia", "SERIES.toml", "--out", "out"]);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(words.iter().all(|word| stderr(&output).contains(word)), "{words:?}: {}", stderr(&output));
        assert!(!folder.join("out").exists());
    }
    // a correlation matrix that is none, and half-lives beyond physical decay
    let own = "schema = 1\nname = \"a\"\nsource = \"b\"\npharmaceutical = [\"c\"]\nnuclide = \"lu177\"\n[[organs]]\n\
               organ = \"kidney\"\nnames = [\"kidney\"]\nshape = \"uptake\"\nscan_rel_sigma = 0.05\n\
               correlation = [[1.0, 0.2], [0.2, 1.0]]\n\
               parameters.half_life_h = { median = 50.0, patient_log_sd = 0.2, cycle_log_sd = 0.1 }\n\
               parameters.uptake_half_life_h = { median = 2.0, patient_log_sd = 0.3, cycle_log_sd = 0.1 }\n";
    for (from, to, field) in [
        ("[1.0, 0.2], [0.2, 1.0]", "[1.0, 1.0], [1.0, 1.0]", "correlation"),
        ("median = 50.0", "median = 150.0", "physical decay, 159.5"),
        ("patient_log_sd = 0.2", "patient_log_sd = -0.2", "patient_log_sd"),
    ] {
        write(folder, "own.toml", &own.replace(from, to));
        write(folder, "SERIES.toml", &with_prior(&images, "own.toml"));
        let output = lutra(folder, &["tia", "SERIES.toml", "--out", "out"]);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains("own.toml") && stderr(&output).contains(field), "{}", stderr(&output));
    }
    // another nuclide is told
    let other = format!("nuclide = \"tb161\"\n{}", with_prior(&images, "dotatate-2017"));
    write(folder, "SERIES.toml", &other);
    let output = lutra(folder, &["tia", "SERIES.toml", "--out", "tb"]);
    assert!(output.status.success() && stderr(&output).contains("Tb-161"), "{}", stderr(&output));
    // another pharmaceutical is told
    let other = format!("pharmaceutical = \"177Lu-PSMA-617\"\n{}", with_prior(&images, "dotatate-2017"));
    write(folder, "SERIES.toml", &other);
    let output = lutra(folder, &["tia", "SERIES.toml", "--out", "out"]);
    assert!(output.status.success() && stderr(&output).contains("177Lu-PSMA-617"), "{}", stderr(&output));
}

#[test]
fn cli_kinetics_are_listed_learnt_and_planned_with() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    assert!(done(folder, &["kinetics", "list"]).contains("dotatate-kidney-2024"));
    let plans =
        done(folder, &["kinetics", "plan", "--organ", "kidney_left", "--times", "24,72,168", "--patients", "20"]);
    let best = plans.lines().nth(2).expect("a plan");
    assert!(best.starts_with("72 "), "{plans}");
    let output = lutra(folder, &["kinetics", "plan", "--organ", "pancreas"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("pancreas") && stderr(&output).contains("kidney, liver"), "{}", stderr(&output));

    patient(folder);
    write(folder, "SERIES.toml", &series(&[24.0, 96.0, 168.0]));
    for name in ["p1", "p2"] {
        std::fs::create_dir(folder.join(name)).expect("a folder");
        for cycle in ["c1", "c2"] {
            done(folder, &["tia", "SERIES.toml", "--out", &format!("{name}/{cycle}")]);
        }
    }
    let few = lutra(folder, &["kinetics", "learn", "p1", "--out", "own.toml"]);
    assert_eq!(few.status.code(), Some(2), "{}", stderr(&few));
    assert!(stderr(&few).contains("2 patients") && !folder.join("own.toml").exists(), "{}", stderr(&few));
    // the same two twice, and once more: six kidneys
    done(folder, &["kinetics", "learn", "p1", "p2", "p1", "--out", "own.toml"]);
    let own = std::fs::read_to_string(folder.join("own.toml")).expect("the prior");
    let own: toml::Value = toml::from_str(&own).expect("TOML");
    let median = own["organs"][0]["parameters"]["half_life_h"]["median"].as_float().expect("a number");
    assert!((median / (50.0_f64 * 60.0).sqrt() - 1.0).abs() < 0.01, "{median}");
    write(folder, "SERIES.toml", &with_prior(&[24.0, 96.0], "own.toml"));
    done(folder, &["tia", "SERIES.toml", "--out", "out"]);
}

/// One scan with the size of the uptake: it is used where the administered activity is stated, and its absence is told.
#[test]
fn cli_one_scan_with_the_size_of_the_uptake() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    patient(folder);
    let text = with_prior(&[96.0], "dotatate-kidney-uptake").replace("method = \"mono\"", "method = \"mono-physical\"");
    write(folder, "SERIES.toml", &text);
    let said = |name: &str| {
        let output = lutra(folder, &["tia", "SERIES.toml", "--out", name]);
        assert!(output.status.success(), "{}", stderr(&output));
        stderr(&output)
    };
    let with = said("with");
    assert!(!with.contains("size of the uptake") && !with.contains("effective half-lives of one nuclide"), "{with}");
    let record = std::fs::read_to_string(folder.join("with/tia.json")).expect("the record");
    let record: serde_json::Value = serde_json::from_str(&record).expect("JSON");
    let parameters = record["parameters"]["kidney_right"].as_array().expect("parameters");
    let uptake = parameters.iter().find(|p| p["name"] == "uptake_mbq_per_ml_gbq").expect("the uptake");
    // 0.8 MBq/mL of 7.4 GBq at the injection, between the prior's and that of a slower kidney
    assert!(uptake["value"].as_f64().is_some_and(|value| (0.073..0.125).contains(&value)), "{uptake}");
    write(folder, "SERIES.toml", &text.replace("administered_mbq = 7400\n", ""));
    assert!(said("without").contains("size of the uptake"));
    let rel_sigma = |name: &str| {
        let table = rows(&folder.join(name).join("regions.csv"));
        number(table.iter().find(|row| row["name"] == "kidney_right").expect("the region"), "rel_sigma")
    };
    assert!(rel_sigma("with") < rel_sigma("without"));
}
