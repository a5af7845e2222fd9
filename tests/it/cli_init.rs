//! `lutra init`: what it finds, what it leaves to a person, and that the next command refuses until that is done.

use crate::needs;
use lutra::grid::{Volume, VoxelGrid};
use lutra::io::nifti;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn lutra(folder: &Path, arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_lutra");
    Command::new(program).args(arguments).current_dir(folder).output().expect("the program starts")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn text(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn replace(folder: &Path, name: &str, pairs: &[(&str, &str)]) {
    let mut content = text(folder, name);
    for (from, to) in pairs {
        assert!(content.contains(from), "{name}: {from:?} is not in\n{content}");
        content = content.replacen(from, to, 1);
    }
    std::fs::write(folder.join(name), content).expect("written");
}

/// A small patient: a block of water in air with a hot cube; names as a clinic gives them.
fn patient() -> (tempfile::TempDir, VoxelGrid) {
    let folder = tempfile::tempdir().expect("temporary folder");
    let grid = VoxelGrid::axis_aligned([9, 8, 7], [4.0, 4.0, 5.0], [0.0; 3]);
    (folder, grid)
}

fn write(path: PathBuf, grid: &VoxelGrid, value: impl Fn([usize; 3]) -> f32) {
    let data = (0..grid.len()).map(|n| value(grid.voxel(n))).collect();
    nifti::write(path, &Volume { grid: grid.clone(), data }, "test").expect("written");
}

fn hu([i, _, _]: [usize; 3]) -> f32 {
    if i == 0 { -1000.0 } else { 30.0 + (i % 3) as f32 }
}

fn hot([i, j, k]: [usize; 3]) -> bool {
    (2..5).contains(&i) && (2..5).contains(&j) && (2..5).contains(&k)
}

fn label(voxel: [usize; 3]) -> f32 {
    if hot(voxel) { 2.0 } else { f32::from(voxel[0] > 0) }
}

fn concentration(voxel: [usize; 3]) -> f32 {
    if hot(voxel) { 1.234e6 } else { 1.5e3 + voxel[1] as f32 * 0.5 }
}

#[test]
fn cli_init_dose_guesses_aloud_and_leaves_the_unit_to_a_person() {
    let (folder, grid) = patient();
    let at = folder.path();
    write(at.join("ct.nii.gz"), &grid, hu);
    write(at.join("TIA_kidney-study.nii.gz"), &grid, concentration);
    write(at.join("organs_seg.nii.gz"), &grid, label);
    std::fs::write(at.join("names.csv"), "value,name\n1,body\n2,kidney_left\n").expect("written");
    let output = lutra(at, &["init", "dose", "."]);
    assert!(output.status.success(), "{}", stderr(&output));
    let config = text(at, "dose.toml");
    for line in [
        "ct = \"ct.nii.gz\"",
        "activity = \"TIA_kidney-study.nii.gz\"",
        "labels = \"organs_seg.nii.gz\"",
        "label_names = \"names.csv\"",
        "activity_unit = \"?\"",
        "administered_mbq = \"?\"",
    ] {
        assert!(config.lines().any(|l| l == line), "{line} is not in\n{config}");
    }
    assert!(config.contains("\"ct\" in its name; values -1000 to 32; 9 x 8 x 7 voxels of 4 x 4 x 5 mm"), "{config}");
    assert!(stdout(&output).contains("to be filled in by a person, 2 fields"), "{}", stdout(&output));
    let again = lutra(at, &["init", "dose", "."]);
    assert_eq!(again.status.code(), Some(2));
    assert!(stderr(&again).contains("dose.toml: output file: found one"), "{}", stderr(&again));

    let run = |name: &str| {
        lutra(at, &["dose", "--config", "dose.toml", "--engine", "cpu", "--histories", "4000", "--out", name])
    };
    let refused = run("out");
    let told = stderr(&refused);
    assert_eq!(refused.status.code(), Some(2), "{told}");
    assert!(told.contains("activity_unit: found \"?\"") && told.contains("administered_mbq (line "), "{told}");
    assert!(!at.join("out").exists());
    replace(at, "dose.toml", &[("activity_unit = \"?\"", "activity_unit = \"bq_ml_h\"")]);
    assert!(stderr(&run("out")).contains("administered_mbq: found \"?\""));
    replace(at, "dose.toml", &[("administered_mbq = \"?\"", "administered_mbq = 7400")]);
    let done = run("out");
    assert!(done.status.success(), "{}", stderr(&done));
    let record: serde_json::Value = serde_json::from_str(&text(&at.join("out"), "run.json")).expect("JSON");
    let roles: Vec<&str> = record["inputs"].as_array().unwrap().iter().filter_map(|i| i["role"].as_str()).collect();
    assert!(roles.contains(&"config"), "{roles:?}");
    assert_eq!(record["settings"]["administered_mbq"], 7400.0);
}

#[test]
fn cli_init_dose_says_what_it_cannot_choose() {
    let (folder, grid) = patient();
    let at = folder.path();
    write(at.join("a.nii.gz"), &grid, hu);
    write(at.join("b_ct.nii.gz"), &grid, hu);
    write(at.join("spect_024h.nii.gz"), &grid, concentration);
    write(at.join("seg_ct.nii.gz"), &grid, hu);
    assert!(lutra(at, &["init", "dose", ".", "--out", "d.toml"]).status.success());
    let config = text(at, "d.toml");
    assert!(config.contains("ct = \"?\"") && config.contains("which of these 2 is the CT"), "{config}");
    assert!(config.contains("activity = \"?\"") && config.contains("activity at a moment"), "{config}");
    assert!(config.contains("DOUBT: its name says labels, its values say a CT"), "{config}");
    let output = lutra(at, &["dose", "--config", "d.toml", "--out", "o"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("ct: found \"?\""), "{}", stderr(&output));
}

#[test]
fn cli_init_course_leads_from_a_practice_patient_to_a_verdict() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let at = folder.path();
    assert!(lutra(at, &["demo", "--practice", "--out", "practice"]).status.success());
    let output = lutra(at, &["init", "course", "practice"]);
    assert!(output.status.success(), "{}", stderr(&output));
    // the folder of the images is not written into
    let below: Vec<_> =
        ["COURSE.toml", "SERIES.toml", "cycle1/SERIES.toml"].iter().map(|n| at.join("practice").join(n)).collect();
    assert!(below.iter().all(|path| !path.exists()), "{below:?}");
    let course = text(at, "COURSE.toml");
    for line in [
        "protocol = \"?\"",
        "ct = \"practice/ct.nii.gz\"",
        "labels = \"practice/labels.nii.gz\"",
        "label_names = \"practice/label_names.csv\"",
        "series = \"SERIES-1.toml\"",
        "series = \"SERIES-3.toml\"",
    ] {
        assert!(course.lines().any(|l| l == line), "{line} is not in\n{course}");
    }
    assert!(!course.contains("DOUBT"), "{course}");
    assert!(stderr(&output).contains("tia.nii.gz: it lies beside the folders of the cycles"), "{}", stderr(&output));
    let run = || lutra(at, &["course", "COURSE.toml", "--histories", "2e4", "--engine", "cpu", "--out", "out"]);
    for (file, pairs, next) in [
        ("COURSE.toml", &[("protocol = \"?\"", "protocol = \"iluminet\"")][..], "protocol"),
        (
            "COURSE.toml",
            &[
                ("date = \"?\"", "date = 2025-01-14"),
                ("administered_mbq = \"?\"", "administered_mbq = 7400"),
                ("date = \"?\"", "date = 2025-03-25"),
                ("administered_mbq = \"?\"", "administered_mbq = 7400"),
                ("date = \"?\"", "date = 2025-06-03"),
                ("administered_mbq = \"?\"", "administered_mbq = 7400"),
            ],
            "cycles.date",
        ),
    ] {
        let told = stderr(&run());
        assert!(told.contains(&format!("{next}: found \"?\"")), "{next}: {told}");
        replace(at, file, pairs);
    }
    // what is left in all three series is named at once
    let told = stderr(&run());
    for cycle in 2..=3 {
        assert!(told.contains(&format!("in SERIES-{cycle}.toml: unit (line ")), "{told}");
    }
    for cycle in 1..=3 {
        let told = stderr(&run());
        assert!(told.contains(&format!("SERIES-{cycle}.toml: line ")) && told.contains("unit: found \"?\""), "{told}");
        let blank = "time_h = \"?\"";
        replace(
            at,
            &format!("SERIES-{cycle}.toml"),
            &[
                ("unit = \"?\"", "unit = \"bq_ml\""),
                ("decay_correction = \"?\"", "decay_correction = \"none\""),
                (blank, "time_h = 24"),
                (blank, "time_h = 72"),
                (blank, "time_h = 168"),
            ],
        );
    }
    assert!(!at.join("out").exists(), "a refused course leaves nothing");
    let done = run();
    assert!(done.status.success(), "{}", stderr(&done));
    assert!(stdout(&done).contains("CONTINUE"), "{}", stdout(&done));
    // what was put in is found again: 50 h, and kidneys that take up 3 % more each cycle
    let mut rows = csv::Reader::from_path(at.join("out/cycles.csv")).expect("cycles.csv");
    let headers = rows.headers().expect("headers").clone();
    let column = |name: &str| headers.iter().position(|h| h == name).unwrap_or_else(|| panic!("{name} in {headers:?}"));
    let (region, half_life, dose) = (column("region"), column("effective_half_life_h"), column("dose_gy"));
    let kidney: Vec<(f64, f64)> = rows
        .records()
        .map(|row| row.expect("a row"))
        .filter(|row| &row[region] == "kidney_left")
        .map(|row| (row[half_life].parse().expect("h"), row[dose].parse().expect("Gy")))
        .collect();
    assert_eq!(kidney.len(), 3);
    assert!(kidney.iter().all(|(half_life_h, _)| (half_life_h - 50.0).abs() < 0.01), "{kidney:?}");
    assert!((kidney[2].1 / kidney[0].1 / 1.03_f64.powi(2) - 1.0).abs() < 0.01, "{kidney:?}");
}

#[test]
fn cli_init_takes_what_nifti_headers_say() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let at = folder.path();
    crate::patient::patient(at);
    let image = nifti::read(at.join("t24.nii")).expect("read");
    std::fs::create_dir(at.join("cycle1")).expect("made");
    let write = |name: &str, description: &str| nifti::write(at.join(name), &image, description).expect("written");
    for name in ["t4.nii", "t24.nii", "t96.nii", "t168.nii"] {
        std::fs::remove_file(at.join(name)).expect("removed");
    }
    write("cycle1/spect_024h.nii", "Bq/mL at 24.3 h, DecayCorrection NONE");
    write("cycle1/spect_072h.nii", "Bq/mL at 71.6 h, DecayCorrection NONE");
    write("cycle1/spect_168h.nii", "Bq/mL at 16.8 h, DecayCorrection NONE");
    write("cycle1/tia.nii", "decays per voxel");
    let output = lutra(at, &["init", "course", "."]);
    assert!(output.status.success(), "{}", stderr(&output));
    let series = text(at, "SERIES.toml");
    for line in ["unit = \"bq_ml\"", "decay_correction = \"none\"", "time_h = 24.3", "time_h = 71.6"] {
        assert!(series.lines().any(|own| own == line), "{line}: {series}");
    }
    // alarm: a header and a name that contradict each other are for a person
    assert!(series.contains("The header says 16.8, the name suggests 168."), "{series}");
    assert!(series.contains("# Not used, since it is integrated over time already: cycle1/tia.nii."), "{series}");
    // a map says its unit too
    std::fs::create_dir(at.join("ready")).expect("made");
    std::fs::rename(at.join("cycle1/tia.nii"), at.join("ready/tia.nii")).expect("moved");
    let output = lutra(at, &["init", "dose", "ready"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let dose = text(at, "dose.toml");
    assert!(dose.lines().any(|line| line == "activity_unit = \"decays\""), "{dose}");
    // alarm: another unit in one image is for a person
    write("cycle1/spect_072h.nii", "kBq/mL at 71.6 h, DecayCorrection NONE");
    let output = lutra(at, &["init", "course", ".", "--force"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(text(at, "SERIES-1.toml").lines().any(|line| line == "unit = \"?\""));
}

#[test]
fn cli_init_reads_a_dicom_study() {
    let Some(case) = needs::shared("cases/liver-ct-dicom") else { return };
    let folder = tempfile::tempdir().expect("temporary folder");
    let at = folder.path();
    // the case also holds NIfTI twins: which of the two is meant is for a person to say
    let output = lutra(at, &["init", "dose", case.to_str().unwrap(), "--out", "d.toml"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let config = text(at, "d.toml");
    assert!(config.contains("h after injection (middle of the scan)"), "{config}");
    assert!(config.contains("activity = \"?\""), "{config}");
    assert!(!config.contains("TEST^") && !config.contains("LIVERCT01"), "no patient is named");
    // the study alone runs as it is
    std::fs::create_dir(at.join("study")).expect("made");
    for name in ["ct", "pt_t004", "pt_t024", "pt_t072", "pt_t168", "seg_binary.dcm"] {
        let source = case.join(name);
        let place = at.join("study").join(name);
        if source.is_dir() {
            std::fs::create_dir(&place).expect("made");
            for entry in std::fs::read_dir(source).expect("the case") {
                let entry = entry.expect("entry");
                std::fs::copy(entry.path(), place.join(entry.file_name())).expect("copied");
            }
        } else {
            std::fs::copy(source, place).expect("copied");
        }
    }
    let output = lutra(at, &["init", "dose", "study", "--out", "e.toml"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let config = text(at, "e.toml");
    let lines = ["ct = \"study/ct\"", "labels = \"study/seg_binary.dcm\""];
    assert!(lines.iter().all(|line| config.lines().any(|l| l == *line)), "{config}");
    let activity = "activity = [\"study/pt_t004\", \"study/pt_t024\", \"study/pt_t072\", \"study/pt_t168\"]";
    assert!(config.lines().any(|line| line == activity), "{config}");
    assert!(!config.contains("= \"?\"") && !config.contains("activity_unit"), "{config}");
    let done = lutra(at, &["dose", "--config", "e.toml", "--engine", "cpu", "--histories", "20000", "--out", "o"]);
    assert!(done.status.success(), "{}", stderr(&done));
}

#[test]
fn alarm_a_nifti_image_beside_a_dicom_study_splits_no_injection() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let at = folder.path();
    crate::cli_dicom::study(&at.join("study"));
    let drafted = |out: &str| {
        let output = lutra(at, &["init", "course", "study", "--out", out]);
        assert!(output.status.success(), "{}", stderr(&output));
        (text(at, &format!("{out}/COURSE.toml")), stderr(&output))
    };
    let (alone, _) = drafted("plan");
    assert_eq!(alone.matches("[[cycles]]").count(), 1, "{alone}");
    for line in ["date = 2026-03-02", "administered_mbq = 7400.0", "series = \"SERIES.toml\""] {
        assert!(alone.lines().any(|own| own == line), "{line}: {alone}");
    }
    crate::patient::patient(at);
    std::fs::create_dir(at.join("study/export")).expect("made");
    std::fs::copy(at.join("t24.nii"), at.join("study/export/spect_024h.nii")).expect("copied");
    let (beside, told) = drafted("again");
    let plain = |text: &str| text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
    assert_eq!(plain(&beside), plain(&alone), "the image that dates no injection is no cycle");
    assert!(told.contains("spect_024h.nii: it dates no injection"), "{told}");
    // what is drafted runs, but for the protocol that no file names
    replace(at, "again/COURSE.toml", &[("protocol = \"?\"", "protocol = \"iluminet\"")]);
    let line = ["course", "again/COURSE.toml", "--engine", "cpu", "--histories", "4000", "--out", "o"];
    let done = lutra(at, &line);
    assert!(done.status.success(), "{}", stderr(&done));
    let wrote = std::fs::read_dir(at.join("study")).expect("the study").filter_map(Result::ok);
    assert!(wrote.map(|entry| entry.file_name()).all(|name| !name.to_string_lossy().ends_with(".toml")));
}

#[test]
fn alarm_a_misspelt_kidney_does_not_drop_out_unseen() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let at = folder.path();
    let course = |name: &str| {
        format!(
            "schema = 1\nprotocol = \"iluminet\"\neffective_half_life_h = {{ {name} = 50, kidney_right = 50 }}\n[[cycles]]\n\
             date = 2025-01-14\nadministered_mbq = 7400\n\
             doses_gy = {{ {name} = {{ dose_gy = 4.4 }}, kidney_right = {{ dose_gy = 4.1 }} }}\n"
        )
    };
    let warned = |name: &str, out: &str| {
        std::fs::write(at.join("COURSE.toml"), course(name)).expect("written");
        let output = lutra(at, &["course", "COURSE.toml", "--out", out]);
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
    };
    let told = warned("kidny_left", "a");
    assert!(told.contains("no cycle has a region called kidney_left"), "{told}");
    assert!(told.contains("is kidny_left meant?"), "{told}");
    assert!(!warned("kidney_left", "b").contains("no cycle has a region"), "nothing to warn of");
}

#[test]
fn cli_init_dose_of_a_dicom_study_runs_as_it_is() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let at = folder.path();
    crate::cli_dicom::study(&at.join("study"));
    let output = lutra(at, &["init", "dose", "study", "--out", "plans/dose.toml"]);
    assert!(output.status.code() == Some(2) || output.status.success(), "{}", stderr(&output));
    std::fs::create_dir_all(at.join("plans")).expect("made");
    let output = lutra(at, &["init", "dose", "study", "--out", "plans/dose.toml", "--force"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let config = text(at, "plans/dose.toml");
    println!("{config}");
    assert!(!config.contains("= \"?\""), "{config}");
    assert!(config.contains("activity = [\"../study#"), "{config}");
    let arguments = ["--engine", "cpu", "--histories", "4000"];
    let drafted = ["dose", "--config", "plans/dose.toml", "--out", "a", "--target-sigma", "0.5"];
    let done = lutra(at, &drafted);
    assert!(done.status.success(), "{}", stderr(&done));
    assert!(stderr(&done).contains("activity images at 4, 24, 96 h"), "{}", stderr(&done));
    let drafted = ["dose", "--config", "plans/dose.toml", "--out", "b"];
    let done = lutra(at, &[&drafted[..], &arguments].concat());
    assert!(done.status.success(), "{}", stderr(&done));
    // the same as the words on the command line
    let words = ["dose", "--ct", "study", "--activity", "study", "--labels", "study", "--out", "c"];
    assert!(lutra(at, &[&words[..], &arguments].concat()).status.success());
    let hash = |out: &str| {
        let record: serde_json::Value = serde_json::from_str(&text(&at.join(out), "run.json")).expect("JSON");
        record["outputs"]["dose_gy.nii.gz"].clone()
    };
    assert_eq!(hash("b"), hash("c"));
    let page = text(&at.join("b"), "report.html");
    assert!(page.contains("images at 4, 24, 96 h after injection"), "times of the images are stated");
    // one image needs a half-life, which no header states: the draft asks for it
    std::fs::create_dir(at.join("one")).expect("made");
    for entry in std::fs::read_dir(at.join("study")).expect("study") {
        let path = entry.expect("entry").path();
        let bytes = std::fs::read(&path).expect("read");
        let later =
            ["1.2.3.40.0", "1.2.3.40.2"].iter().any(|uid| bytes.windows(uid.len()).any(|w| w == uid.as_bytes()));
        if !later {
            std::fs::write(at.join("one").join(path.file_name().expect("a name")), bytes).expect("written");
        }
    }
    assert!(lutra(at, &["init", "dose", "one", "--out", "one.toml"]).status.success());
    let config = text(at, "one.toml");
    assert!(config.contains("effective_half_life = \"?\""), "{config}");
    replace(at, "one.toml", &[("effective_half_life = \"?\"", "effective_half_life = 50")]);
    let done = lutra(at, &[&["dose", "--config", "one.toml", "--out", "d"][..], &arguments].concat());
    assert!(done.status.success(), "{}", stderr(&done));
}
