//! `lutra tia` and `lutra course` as a user runs them.

use crate::patient::{again, lutra, number, patient, rows, series, stated, stderr, stdout, write};
use lutra::grid::Volume;
use lutra::io::nifti;
use std::fmt::Write as _;

#[test]
fn cli_tia_integrates_a_series() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    patient(folder);
    write(folder, "SERIES.toml", &series(&[4.0, 24.0, 96.0, 168.0]));
    let output = lutra(folder, &["tia", "SERIES.toml", "--out", "out"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let table = rows(&folder.join("out/regions.csv"));
    for (name, half_life_h) in [("kidney_right", 50.0), ("kidney_left", 60.0), ("body", 40.0)] {
        let row = table.iter().find(|row| row["name"] == name).expect("the region");
        assert!((number(row, "effective_half_life_h") / half_life_h - 1.0).abs() < 1e-4);
    }
    let map = nifti::read_as::<f64>(folder.join("out/decays.nii.gz")).expect("the map");
    let right = 8.0e5 * 0.125 * 50.0 / std::f64::consts::LN_2 * 3600.0;
    assert!((map.at(10, 4, 3) / right - 1.0).abs() < 1e-4, "{} {right}", map.at(10, 4, 3));
    // The same images decay-corrected to injection and declared so give another answer: nothing is guessed.
    write(folder, "S2.toml", &series(&[4.0, 24.0, 96.0, 168.0]).replace("\"none\"", "\"to_injection\""));
    let output = lutra(folder, &["tia", "S2.toml", "--out", "out2"]);
    assert!(output.status.success());
    let other = rows(&folder.join("out2/regions.csv"));
    let right = other.iter().find(|row| row["name"] == "kidney_right").expect("the region");
    // 1/50 + 1/159.5 per hour.
    assert!((number(right, "effective_half_life_h") - 38.07).abs() < 0.02);
    // Faults.
    for (text, words) in [
        (series(&[24.0, 4.0]), "images in order of time"),
        (series(&[4.0, 24.0]).replace("decay_correction = \"none\"\n", ""), "decay_correction"),
        (series(&[4.0, 24.0]).replace("\"bq_ml\"", "\"mbq_voxel\""), "1.2 times what is then left"),
        (series(&[4.0, 25.0]), "t25.nii"),
    ] {
        write(folder, "bad.toml", &text);
        let output = lutra(folder, &["tia", "bad.toml", "--out", "bad"]);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains(words), "{}", stderr(&output));
        assert!(!folder.join("bad").exists(), "nothing is left of a refused run");
    }
}

#[test]
fn cli_hybrid_series_takes_its_shape_from_planar_counts() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    patient(folder);
    let mut text = series(&[24.0]);
    for (time_h, counts) in [(24.0_f64, 70.0), (96.0, 25.0), (168.0, 11.0)] {
        let _ = write!(
            text,
            "[[planar]]\ntime_h = {time_h}\ncounts = {{ kidney_right = {counts} }}\nrelative_error = 0.05\n"
        );
    }
    write(folder, "SERIES.toml", &text);
    let output = lutra(folder, &["tia", "SERIES.toml", "--out", "out"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let table = rows(&folder.join("out/regions.csv"));
    let right = table.iter().find(|row| row["name"] == "kidney_right").expect("the region");
    assert!((number(right, "effective_half_life_h") - 53.94).abs() < 0.01, "{right:?}");
    let spect_mbq = 8.0e5 * (-24.0_f64 / 50.0).exp2() * 0.125e-6 * 48.0;
    assert!((number(right, "tia_mbq_h") / (6138.3 / 60.0 * spect_mbq) - 1.0).abs() < 1e-4);
    // The level's uncertainty is systematic; a region without planar counts is flagged.
    assert!((number(right, "systematic_rel_sigma") - 0.05).abs() < 1e-12);
    let left = table.iter().find(|row| row["name"] == "kidney_left").expect("the region");
    assert!(left["flags"].contains("no planar counts"), "{left:?}");
}

#[test]
fn cli_course_moves_ready_dose_maps_into_its_frame() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    patient(folder);
    let labels = nifti::read_labels(folder.join("labels.nii")).expect("labels");
    let dose = labels.map(|l| [0.1_f32, 4.5, 4.0][usize::from(l) - 1]);
    nifti::write(folder.join("d1.nii"), &dose, "dose").expect("written");
    // The second day's patient lies 15 mm further right.
    let mut grid = dose.grid.clone();
    grid.affine[0][3] += 15.0;
    let moved = Volume { grid: grid.clone(), data: dose.data.clone() };
    nifti::write(folder.join("d2.nii"), &moved, "dose").expect("written");
    nifti::write(folder.join("l2.nii"), &Volume { grid, data: labels.data.clone() }, "labels").expect("written");
    let text = "schema = 1\nprotocol = \"iluminet\"\nlabels = \"labels.nii\"\nlabel_names = \"names.csv\"\n\
                [effective_half_life_h]\nkidney_left = 52\nkidney_right = 52\n\
                [[cycles]]\ndate = 2024-01-15\nadministered_mbq = 7400\ndose = \"d1.nii\"\n\
                [[cycles]]\ndate = 2024-03-25\nadministered_mbq = 7400\ndose = \"d2.nii\"\nlabels = \"l2.nii\"\n\
                transform = [[1, 0, 0, -15], [0, 1, 0, 0], [0, 0, 1, 0]]\n";
    write(folder, "COURSE.toml", text);
    let output = lutra(folder, &["course", "COURSE.toml", "--out", "out"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let sum = nifti::read(folder.join("out/dose_sum_gy.nii.gz")).expect("the sum");
    let right = labels.data.iter().position(|l| *l == 2).expect("a voxel");
    assert!((sum.data[right] - 9.0).abs() < 1e-5, "{}", sum.data[right]);
    let bed = nifti::read(folder.join("out/bed_gy.nii.gz")).expect("the BED");
    assert!((bed.data[right] - 2.0 * 4.897_951).abs() < 1e-4);
    let total = rows(&folder.join("out/cumulative.csv"));
    let right = total.iter().find(|row| row["region"] == "kidney_right").expect("the region");
    assert!((number(right, "bed_gy") - 9.795_902).abs() < 1e-5);
    // With another transform the sum is another one: the comparison rings.
    write(folder, "COURSE.toml", &text.replace("0, -15]", "0, 0]"));
    assert!(lutra(folder, &["course", "COURSE.toml", "--out", "shifted"]).status.success());
    let shifted = nifti::read(folder.join("shifted/dose_sum_gy.nii.gz")).expect("the sum");
    assert!(sum.data.iter().zip(&shifted.data).any(|(a, b)| (a - b).abs() > 1.0));
    // Its own labels and no transform: the second cycle stays out of voxel sums, and that is said.
    let cut = text.find("transform").expect("the transform");
    write(folder, "COURSE.toml", &text[..cut]);
    let output = lutra(folder, &["course", "COURSE.toml", "--out", "apart"]);
    assert!(output.status.success() && !folder.join("apart/dose_sum_gy.nii.gz").exists());
    assert!(stdout(&output).contains("no transform to the course's frame"), "{}", stdout(&output));
    // A transform that mirrors is refused.
    write(folder, "COURSE.toml", &text.replace("[[1, 0, 0, -15]", "[[-1, 0, 0, -15]"));
    let output = lutra(folder, &["course", "COURSE.toml", "--out", "mirrored"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("mirrors the patient"), "{}", stderr(&output));
}

#[test]
fn cli_course_states_conflict_hold_and_completion() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    let run = |text: &str| {
        write(folder, "COURSE.toml", text);
        let output = lutra(folder, &["course", "COURSE.toml", "--out", "out", "--force"]);
        assert!(output.status.success(), "{}", stderr(&output));
        let record = std::fs::read_to_string(folder.join("out/verdict.json")).expect("the record");
        (stdout(&output), serde_json::from_str::<serde_json::Value>(&record).expect("JSON"))
    };
    let (text, record) = run(&stated(&[Some((4.5, 4.4)); 5]));
    assert_eq!(record["verdict"]["state"], "conflict", "{text}");
    assert_eq!(record["verdict"]["driver"], "kidney_left");
    assert_eq!(record["verdict"]["options"].as_array().map(Vec::len), Some(3));
    assert!(text.contains("CONFLICT") && text.contains("reduced-activity") && text.contains("Not a prescription"));
    assert!(text.contains("unknown  no history of diabetes"), "{text}");
    let (text, record) = run(&stated(&[Some((4.5, 4.4)), None, Some((4.5, 4.4))]));
    assert_eq!(record["verdict"]["state"], "hold", "{text}");
    assert_eq!(record["verdict"]["incomplete"], true);
    assert!(text.contains("cycle 2: no dose for kidney_left"), "{text}");
    let (text, record) = run(&stated(&[Some((5.0, 4.9)); 5]));
    assert_eq!(record["verdict"]["state"], "step_complete", "{text}");
    assert_eq!(record["verdict"]["eligibility"], "not_assessable");
    // A course without kidneys is refused by name.
    write(
        folder,
        "COURSE.toml",
        &stated(&[Some((4.5, 4.4))]).replace("kidney_left = {", "liver = {").replace("kidney_right = {", "spleen = {"),
    );
    let output = lutra(folder, &["course", "COURSE.toml", "--out", "out", "--force"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("kidney_left, kidney_right"), "{}", stderr(&output));
}

#[test]
fn cli_course_reuses_what_has_not_changed() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    patient(folder);
    write(folder, "SERIES.toml", &series(&[4.0, 24.0, 96.0, 168.0]));
    again(folder, "t24.nii", "u24.nii");
    let late = series(&[24.0]).replace("t24.nii", "u24.nii");
    write(folder, "LATE.toml", &late.replace("[[images]]", "[fit]\nmethod = \"previous-half-life\"\n[[images]]"));
    let course = |cycles: &[&str]| {
        let mut text = "schema = 1\nprotocol = \"iluminet\"\nct = \"ct.nii\"\nlabel_names = \"names.csv\"\n".to_owned();
        for (index, file) in cycles.iter().enumerate() {
            let _ = write!(
                text,
                "[[cycles]]\ndate = 2024-{:02}-15\nadministered_mbq = 7400\nseries = \"{file}\"\n",
                1 + 2 * index
            );
        }
        text
    };
    let run = |seed: &str| {
        let line = [
            "course",
            "COURSE.toml",
            "--out",
            "out",
            "--force",
            "--engine",
            "cpu",
            "--histories",
            "20000",
            "--seed",
            seed,
        ];
        let output = lutra(folder, &line);
        assert!(output.status.success(), "{}", stderr(&output));
        stderr(&output).matches("unchanged").count()
    };
    write(folder, "COURSE.toml", &course(&["SERIES.toml"]));
    assert_eq!(run("1"), 0);
    let before = std::fs::read(folder.join("out/bed_gy.nii.gz")).expect("a BED map");
    assert_eq!(run("1"), 1, "the same again: nothing is computed");
    assert_eq!(before, std::fs::read(folder.join("out/bed_gy.nii.gz")).expect("a BED map"));
    write(folder, "COURSE.toml", &course(&["SERIES.toml", "LATE.toml"]));
    assert_eq!(run("1"), 1, "the first cycle is reused, the second computed");
    let table = rows(&folder.join("out/cycles.csv"));
    let late = table.iter().find(|r| r["cycle"] == "2" && r["region"] == "kidney_right").expect("the second cycle");
    assert_eq!(late["method"], "previous-half-life");
    assert!((number(late, "effective_half_life_h") - 50.0).abs() < 0.01);
    let first = table.iter().find(|r| r["cycle"] == "1" && r["region"] == "kidney_right").expect("the first cycle");
    assert!((number(late, "dose_gy") / number(first, "dose_gy") - 1.0).abs() < 0.01);
    assert_eq!(run("2"), 0, "another seed is another result");
    // A changed image is never served stale.
    let image = nifti::read(folder.join("t24.nii")).expect("the image");
    nifti::write(folder.join("t24.nii"), &image.map(|v| 1.02 * v), "activity").expect("written");
    assert_eq!(run("1"), 0);
}

#[test]
fn cli_cohort_is_seeded() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let line = ["course", "--simulate", "--patients", "4000", "--seed", "5", "--out", "out", "--force"];
    let first = lutra(folder.path(), &line);
    assert!(first.status.success(), "{}", stderr(&first));
    assert_eq!(stdout(&first), stdout(&lutra(folder.path(), &line)));
    let record = std::fs::read_to_string(folder.path().join("out/cohort.json")).expect("the record");
    let record: serde_json::Value = serde_json::from_str(&record).expect("JSON");
    for outcome in record["outcomes"].as_array().expect("outcomes") {
        assert!((5.0..=6.0).contains(&outcome["median_cycles"].as_f64().expect("a number")));
    }
    assert!(!lutra(folder.path(), &["course", "--simulate", "--protocol", "netter-fixed4"]).status.success());
}
