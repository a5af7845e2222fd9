//! `lutra bench` as a user runs it. What it measures differs from run to run: nothing here asserts a time.

use lutra::grid::{Volume, VoxelGrid};
use lutra::io::nifti;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

fn lutra(folder: &Path, words: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lutra"));
    command.current_dir(folder).args(words.split_whitespace()).output().expect("the program starts")
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A small case: a bright block in tissue, labels of a kidney and of the rest.
fn case(folder: &Path) {
    let grid = VoxelGrid::axis_aligned([10, 9, 8], [4.0; 3], [0.0; 3]);
    let write = |name: &str, value: &dyn Fn([usize; 3]) -> f32| {
        let data = (0..grid.len()).map(|n| value(grid.voxel(n))).collect();
        nifti::write(folder.join(name), &Volume { grid: grid.clone(), data }, "test").expect("written");
    };
    let bright = |[i, j, k]: [usize; 3]| (3..7).contains(&i) && (2..6).contains(&j) && (2..6).contains(&k);
    write("ct.nii.gz", &|[i, _, _]| if i == 0 { -1000.0 } else { 40.0 });
    write("decays.nii.gz", &|at| if bright(at) { 1e10 } else { 1e7 });
    write("labels.nii.gz", &|at| if bright(at) { 2.0 } else { 1.0 });
    std::fs::write(folder.join("names.csv"), "value,name\n1,rest\n2,kidney_left\n").expect("written");
}

const CASE: &str = "bench --ct ct.nii.gz --activity decays.nii.gz --activity-unit decays --labels labels.nii.gz \
                    --label-names names.csv --engine cpu --warm-up 2000 --histories 2e4";

fn record(folder: &Path, out: &str) -> Value {
    let text = std::fs::read_to_string(folder.join(out).join("bench.json")).expect("bench.json");
    serde_json::from_str(&text).expect("JSON")
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// All parts of a run, s: single numbers, and pairs by pass.
fn parts(run: &Value) -> f64 {
    let of = |part: &Value| part.as_array().map_or_else(|| number(part), |pair| pair.iter().map(number).sum());
    run["parts"].as_object().expect("parts").values().map(of).sum()
}

/// Relative difference of two numbers.
fn apart(a: f64, b: f64) -> f64 {
    (a - b).abs() / b.abs()
}

#[test]
fn cli_bench_measures_what_dose_computes() {
    let folder = tempfile::tempdir().expect("temporary folder");
    case(folder.path());
    let output = lutra(folder.path(), &format!("{CASE} --repeat 2 --threads 1 --out b"));
    assert!(output.status.success(), "{}", told(&output));
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    for word in ["electron", "photon", "kernel", "files", "median of 2 runs", "judged: 64 voxels of kidney_left"] {
        assert!(table.contains(word), "{word} is not in\n{table}");
    }
    let left: Vec<_> = std::fs::read_dir(folder.path().join("b")).expect("a folder").collect();
    assert_eq!(left.len(), 2, "nothing stays but bench.json and lutra.sha256: {left:?}");
    let bench = record(folder.path(), "b");
    assert_eq!((&bench["schema"], &bench["mode"]), (&1.into(), &"case".into()));
    assert_eq!(bench["device"]["engine"], "cpu");
    assert_eq!(bench["device"]["threads"], 1);
    assert!(number(&bench["device"]["lanes"]) >= 1.0 && bench["device"]["kernel_clock"] == "wall");
    assert_eq!((&bench["target"]["labels"][0], &bench["target"]["voxels"]), (&2.into(), &64.into()));
    assert_eq!(bench["inputs"].as_array().map(Vec::len), Some(4));
    let runs = bench["runs"].as_array().expect("runs");
    assert_eq!(runs.len(), 2);
    for run in runs {
        let seconds = number(&run["seconds"]);
        assert!((parts(run) - seconds).abs() < 1e-9 * seconds.max(1.0), "{}: {}", parts(run), seconds);
        assert!(number(&run["parts"]["rest_seconds"]) > -1e-9, "parts overlap: {}", run["parts"]);
        let mean = number(&run["precision"]["mean_sigma_rel_squared"]);
        assert!(apart(number(&run["efficiency_per_s"]), 1.0 / (mean * seconds)) < 1e-9);
        assert!(number(&run["first_history_seconds"]) < seconds);
        for pass in run["passes"].as_array().expect("passes") {
            assert!(number(&pass["histories"]) > 0.0 && number(&pass["histories_per_s"]) > 0.0, "{pass}");
            assert_eq!(pass["histories_per_s"], pass["histories_per_core_s"], "one thread");
            let decays = number(&pass["histories_per_s"]) / number(&pass["particles_per_decay"]);
            assert!(apart(number(&pass["decays_per_s"]), decays) < 1e-9);
            let mean = number(&pass["precision"]["mean_sigma_rel_squared"]);
            let efficiency = 1.0 / (mean * number(&pass["seconds"]));
            assert!(apart(number(&pass["efficiency_per_s"]), efficiency) < 1e-9, "{pass}");
        }
        let memory = &run["memory"];
        assert_eq!(memory["volumes_bytes"], 35 * 720);
        assert!(number(&memory["device_bytes_per_voxel"]) > 20.0, "voxel word, tally and its copy");
        assert_eq!(memory["host_peak_bytes"].is_null(), !cfg!(target_os = "linux"), "{memory}");
        assert_eq!(run["tally_sha256"], runs[0]["tally_sha256"]);
    }
    // the same histories as lutra dose runs them
    let dose = CASE.replace("bench", "dose").replace("--warm-up 2000", "");
    let output = lutra(folder.path(), &format!("{dose} --out d"));
    assert!(output.status.success(), "{}", told(&output));
    let text = std::fs::read_to_string(folder.path().join("d/run.json")).expect("run.json");
    let dose: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(dose["tally_sha256"], runs[0]["tally_sha256"]);
}

/// Four times the histories halve sigma: a record whose precision came from elsewhere would not move.
#[test]
fn cli_bench_sees_what_histories_buy() {
    let folder = tempfile::tempdir().expect("temporary folder");
    case(folder.path());
    let mean = |histories: &str, out: &str| {
        let line = CASE.replace("2e4", histories);
        let output = lutra(folder.path(), &format!("{line} --batches 64 --repeat 1 --judge-labels 2 --out {out}"));
        assert!(output.status.success(), "{}", told(&output));
        number(&record(folder.path(), out)["runs"][0]["precision"]["mean_sigma_rel_squared"])
    };
    let ratio = mean("2e4", "few") / mean("8e4", "many");
    assert!((3.0..5.5).contains(&ratio), "{ratio}");
}

#[test]
fn cli_bench_aims_at_labels_and_speaks_json() {
    let folder = tempfile::tempdir().expect("temporary folder");
    case(folder.path());
    let words = format!("{CASE} --repeat 1 --judge-labels 1,2 --judge-above 0.5 --json --quiet --out above");
    let output = lutra(folder.path(), &words);
    assert!(output.status.success(), "{}", told(&output));
    let target = &record(folder.path(), "above")["target"];
    assert_eq!((&target["above_share"], &target["labels"]), (&0.5.into(), &serde_json::json!([1, 2])));
    assert!((1.0..=64.0).contains(&number(&target["voxels"])), "only the bright block is that hot: {target}");
    let line = CASE.replace("--histories 2e4", "--target-sigma 0.1 --target-labels 1");
    let output = lutra(folder.path(), &format!("{line} --repeat 1 --json --quiet --out b"));
    assert!(output.status.success(), "{}", told(&output));
    let printed: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    assert_eq!(printed, record(folder.path(), "b"));
    assert_eq!(printed["target"]["labels"], serde_json::json!([1]), "what is aimed at is judged");
    assert!(number(&printed["runs"][0]["precision"]["p95_sigma_rel"]) <= 0.1);
    assert!(number(&printed["runs"][0]["parts"]["pilot_seconds"]) > 0.0);
}

#[test]
fn cli_bench_scales_a_phantom() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let line = "bench --scaling --grids 24,32x30x28 --histories 4000 --warm-up 1000 --engine cpu --out s";
    let output = lutra(folder.path(), line);
    assert!(output.status.success(), "{}", told(&output));
    let bench = record(folder.path(), "s");
    assert_eq!(bench["mode"], "scaling");
    let grids = bench["grids"].as_array().expect("grids");
    assert_eq!(grids.len(), 2, "{:?}", bench["warnings"]);
    assert_eq!(grids[1]["scene"]["dims"], serde_json::json!([32, 30, 28]));
    assert_eq!(grids[0]["scene"]["source_voxels"], grids[1]["scene"]["source_voxels"], "one source on every grid");
    let histories = |run: &Value| number(&run["passes"][0]["histories"]);
    assert!(apart(histories(&grids[0]["run"]), histories(&grids[1]["run"])) < 0.01);
    let more: Vec<f64> =
        bench["histories"].as_array().expect("histories").iter().map(|h| histories(&h["run"])).collect();
    assert_eq!(more.len(), 3);
    assert!(apart(more[2], 4.0 * more[0]) < 0.01, "{more:?}");
    for run in grids.iter().map(|g| &g["run"]) {
        assert!((parts(run) - number(&run["seconds"])).abs() < 1e-9);
    }
    assert!(String::from_utf8_lossy(&output.stdout).contains("32 x 30 x 28"));
}

#[test]
fn cli_bench_refuses_by_name_and_leaves_nothing() {
    let folder = tempfile::tempdir().expect("temporary folder");
    case(folder.path());
    let files = "--ct ct.nii.gz --activity decays.nii.gz --activity-unit decays --labels labels.nii.gz";
    for (words, parts) in [
        ("--scene abdomen".to_owned(), &["--scene: found \"abdomen\"", "allowed: demo"][..]),
        ("--scene demo --ct ct.nii.gz".to_owned(), &["--scene demo and --ct"]),
        ("--ct ct.nii.gz".to_owned(), &["--ct: found without --activity"]),
        (format!("--scaling {files}"), &["--scaling and --ct"]),
        ("--scaling --grids 8".to_owned(), &["--grids: found \"8\"", "allowed: 24 to 1024"]),
        ("--scaling --target-sigma 0.1".to_owned(), &["--scaling and --target-sigma"]),
        ("--repeat 0".to_owned(), &["--repeat: found 0"]),
        ("--warm-up none".to_owned(), &["--warm-up: found \"none\""]),
        ("--nuclide y90".to_owned(), &["--nuclide: found without --ct"]),
        ("--target-labels 2".to_owned(), &["--target-labels: found without --target-sigma"]),
        ("--engine cpu:mmx".to_owned(), &["--engine: found \"cpu:mmx\""]),
        (format!("{files} --judge-labels 9"), &["--judge-labels: found 9", "allowed: 1, 2"]),
        ("--judge-above 1".to_owned(), &["--judge-above: found 1;", "allowed: from 0 to 0.99"]),
        ("--scaling --judge-above 0.1".to_owned(), &["--scaling and --judge-above"]),
        ("--target-sigma 0.2 --target-labels 99".to_owned(), &["--target-labels: found 99"]),
        (files.replace("decays --labels", "lux --labels"), &["lux"]),
    ] {
        let warm_up = if words.contains("--warm-up") { "" } else { "--warm-up 1000" };
        let output = lutra(folder.path(), &format!("bench {words} {warm_up} --out b"));
        assert_eq!(output.status.code(), Some(2), "{words}: {}", told(&output));
        for part in parts {
            assert!(told(&output).contains(part), "{words}: {part:?} is not in {}", told(&output));
        }
        let left: Vec<String> = std::fs::read_dir(folder.path())
            .expect("a folder")
            .map(|e| e.expect("entry").file_name().to_string_lossy().into_owned())
            .filter(|name| name.starts_with('b') || name.starts_with('.'))
            .collect();
        assert!(left.is_empty(), "{words} leaves {left:?}");
    }
    std::fs::create_dir(folder.path().join("b")).expect("made");
    std::fs::write(folder.path().join("b/mine"), "x").expect("written");
    let output = lutra(folder.path(), "bench --out b");
    assert_eq!(output.status.code(), Some(2));
    assert!(told(&output).contains("--force"), "{}", told(&output));
}
