//! The program as a user runs it: what it writes, what it says, what it refuses.

use crate::needs::{self, Need};
use lutra::grid::{Volume, VoxelGrid};
use lutra::io::nifti;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn lutra(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lutra")).args(arguments).output().expect("the program starts")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A small asymmetric patient: water with a bone slab and an air corner, a hot block off the centre.
struct Patient {
    folder: tempfile::TempDir,
    grid: VoxelGrid,
}

impl Patient {
    fn new() -> Self {
        let grid = VoxelGrid::axis_aligned([13, 11, 9], [4.0, 3.0, 5.0], [-20.0, 10.0, 30.0]);
        let patient = Self { folder: tempfile::tempdir().expect("temporary folder"), grid };
        patient.write("ct.nii.gz", Self::hu);
        patient.write("decays.nii", Self::decays);
        patient.write("labels.nii.gz", |v| f32::from(Self::label(v)));
        patient
    }

    fn hu([i, j, k]: [usize; 3]) -> f32 {
        match (i, j, k) {
            (0 | 12, _, _) | (_, 0 | 10, _) => -1000.0,
            (_, 8, _) => 700.0,
            _ => 30.0 + (i % 3) as f32 + (k % 2) as f32,
        }
    }

    fn label([i, j, k]: [usize; 3]) -> u8 {
        match (i, j, k) {
            (2..=4, 3..=5, 1..=3) => 3,
            (7..=10, 2..=6, 4..=7) => 21,
            (1..=11, 1..=9, _) => 1,
            _ => 0,
        }
    }

    fn decays(voxel: [usize; 3]) -> f32 {
        match Self::label(voxel) {
            3 => 4.0e10,
            21 => 1.0e10,
            1 => 1.0e8,
            _ => 0.0,
        }
    }

    /// Writes a volume whose value at each voxel is given, and returns its path.
    fn write(&self, name: &str, value: impl Fn([usize; 3]) -> f32) -> String {
        let data = (0..self.grid.len()).map(|n| value(self.grid.voxel(n))).collect();
        let volume = Volume { grid: self.grid.clone(), data };
        nifti::write(self.path(name), &volume, "test").expect("written");
        self.path(name)
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn out(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `lutra dose` on this patient; `changes` replace options of the same name or add some, "" removes one.
    fn dose(&self, out: &str, changes: &[(&str, &str)]) -> Output {
        let mut options: Vec<(String, String)> = [
            ("--ct", self.path("ct.nii.gz")),
            ("--activity", self.path("decays.nii")),
            ("--activity-unit", "decays".to_owned()),
            ("--labels", self.path("labels.nii.gz")),
            ("--engine", "cpu".to_owned()),
            ("--histories", "4000".to_owned()),
            ("--out", self.path(out)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec();
        for (name, value) in changes {
            options.retain(|(known, _)| known != name);
            if !value.is_empty() {
                options.push(((*name).to_owned(), (*value).to_owned()));
            }
        }
        let mut arguments = vec!["dose".to_owned()];
        for (name, value) in options {
            arguments.push(name);
            if value != "set" {
                arguments.push(value);
            }
        }
        lutra(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

fn succeeded(output: &Output) {
    assert!(output.status.success(), "exit {:?}\n{}", output.status.code(), stderr(output));
}

/// Exit code 2, one error line that holds every one of `parts`, a hint, nothing on standard output.
fn refused(output: &Output, parts: &[&str]) {
    let text = stderr(output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(stdout(output).is_empty(), "data on standard output: {}", stdout(output));
    // The graphics loader has lines of its own.
    let text: String = text.split_inclusive('\n').filter(|line| !line.contains("XDG_RUNTIME_DIR")).collect();
    assert_eq!(text.matches("error: ").count(), 1, "{text}");
    assert_eq!(text.matches("\n\nhint: ").count(), 1, "{text}");
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}

fn record(out: &Path) -> serde_json::Value {
    let text = std::fs::read_to_string(out.join("run.json")).expect("run.json");
    serde_json::from_str(&text).expect("JSON")
}

fn names(out: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(out)
        .expect("folder")
        .map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn cli_help_and_version_go_to_standard_output() {
    let help = lutra(&["--help"]);
    succeeded(&help);
    for command in ["demo", "dose", "devices"] {
        assert!(stdout(&help).contains(command), "{}", stdout(&help));
    }
    assert_eq!(stdout(&lutra(&["--version"])).trim(), format!("lutra {}", env!("CARGO_PKG_VERSION")));
    assert_eq!(lutra(&["dose", "--no-such-option"]).status.code(), Some(2));
}

#[test]
fn cli_devices_lists_the_cpu() {
    let output = lutra(&["devices"]);
    succeeded(&output);
    assert!(stdout(&output).contains("cpu"), "{}", stdout(&output));
}

#[test]
fn cli_dose_writes_everything_it_promises() {
    let patient = Patient::new();
    let names_csv = patient.path("names.csv");
    std::fs::write(&names_csv, "value,name\n3,tumour\n21,kidney\n").expect("written");
    let output = patient.dose("out", &[("--label-names", &names_csv), ("--administered-mbq", "7400")]);
    succeeded(&output);
    let out = patient.out("out");
    assert_eq!(
        names(&out),
        [
            "dose_axial.png",
            "dose_coronal.png",
            "dose_electron_gy.nii.gz",
            "dose_gy.nii.gz",
            "dose_photon_gy.nii.gz",
            "dose_sagittal.png",
            "dvh.csv",
            "dvh.json",
            "lutra.sha256",
            "organs.csv",
            "report.html",
            "run.json",
            "sigma_rel.nii.gz",
        ]
    );
    let table = stdout(&output);
    for word in ["tumour", "kidney", "label_1", "Gy/GBq", "[exact]"] {
        assert!(table.contains(word), "{word} is not in {table}");
    }
    assert!(!table.contains("OFF BY"), "{table}");
    let record = record(&out);
    assert_eq!(record["inputs"].as_array().map(Vec::len), Some(4));
    assert_eq!(record["seed"], 177);
    assert_eq!(record["settings"]["activity_unit"], "decays");
    assert_eq!(record["energy_balance"].as_array().map(Vec::len), Some(2));
    assert_eq!(record["regions"].as_array().map(Vec::len), Some(3));
    assert_eq!(record["tally_sha256"].as_str().map(str::len), Some(64));

    // what the record says of the guideline's items stands where it says
    let items = record["tg268"].as_array().expect("items");
    let fields = items.iter().flat_map(|item| item["fields"].as_array().expect("fields"));
    let absent: Vec<&str> = fields
        .map(|field| field.as_str().expect("a pointer"))
        .filter(|field| record.pointer(field).is_none_or(serde_json::Value::is_null))
        .collect();
    assert!(absent.is_empty(), "fields that are not there: {absent:?}");
    assert_eq!(items.len(), 16);

    // The map and the table tell one story: electrons and photons add up, and the mean over the region's mass is
    // the table's mean (uniform density in label 3 up to the HU steps of 1, below 0.2 %).
    let read = |name: &str| nifti::read(out.join(name)).expect(name);
    let (dose, electron, photon) =
        (read("dose_gy.nii.gz"), read("dose_electron_gy.nii.gz"), read("dose_photon_gy.nii.gz"));
    let mut region = (0.0, 0);
    for n in 0..dose.data.len() {
        let sum = electron.data[n] + photon.data[n];
        assert!((dose.data[n] - sum).abs() <= 1e-5 * sum.abs(), "voxel {n}");
        if Patient::label(patient.grid.voxel(n)) == 3 {
            region = (region.0 + f64::from(dose.data[n]), region.1 + 1);
        }
    }
    let row = &record["regions"][1];
    assert_eq!(row["label"], 3);
    let mean = row["dose_gy"].as_f64().expect("number");
    assert!(
        (region.0 / f64::from(region.1) / mean - 1.0).abs() < 2e-3,
        "{} against {mean}",
        region.0 / f64::from(region.1)
    );
}

#[test]
fn cli_dose_is_the_same_for_any_number_of_threads_and_twice() {
    let patient = Patient::new();
    let hash = |out: &str, threads: &str, seed: &str| {
        succeeded(&patient.dose(out, &[("--threads", threads), ("--seed", seed)]));
        record(&patient.out(out))["tally_sha256"].as_str().expect("hash").to_owned()
    };
    let one = hash("one", "1", "5");
    assert_eq!(one, hash("three", "3", "5"));
    assert_ne!(one, hash("other", "1", "6"), "another seed, another tally");
}

#[test]
fn engine_gpu_gives_the_tally_of_the_cpu() {
    let patient = Patient::new();
    if lutra::transport::gpu::list_adapters().iter().all(|adapter| !adapter.usable()) {
        needs::skip(Need::Gpu, "no adapter that the kernel can run on");
        return;
    }
    let hash = |engine: &str| {
        succeeded(&patient.dose(engine, &[("--engine", engine)]));
        record(&patient.out(engine))["tally_sha256"].as_str().expect("hash").to_owned()
    };
    assert_eq!(hash("cpu"), hash("gpu"));
}

#[test]
fn cli_a_gpu_that_is_not_there_is_refused() {
    let patient = Patient::new();
    refused(&patient.dose("out", &[("--engine", "gpu:99")]), &["gpu:99", "lutra devices"]);
    assert!(!patient.out("out").exists());
}

/// The eight ways to run through the volume that are tested: order of the axes and directions.
const TURNS: [([usize; 3], [bool; 3]); 8] = [
    ([0, 1, 2], [false, false, false]),
    ([0, 1, 2], [true, true, false]),
    ([1, 0, 2], [false, false, false]),
    ([2, 1, 0], [true, false, false]),
    ([1, 2, 0], [false, true, true]),
    ([2, 0, 1], [true, true, true]),
    ([0, 2, 1], [false, false, true]),
    ([2, 1, 0], [false, true, false]),
];

/// The same volume stored with index axis `axes[n]` of the original as its axis n, reversed where told.
fn turned(volume: &Volume<f32>, axes: [usize; 3], reversed: [bool; 3]) -> Volume<f32> {
    let from = &volume.grid;
    let mut grid = from.clone();
    for n in 0..3 {
        grid.dims[n] = from.dims[axes[n]];
        grid.spacing_mm[n] = from.spacing_mm[axes[n]];
        for row in 0..3 {
            let step = from.affine[row][axes[n]];
            grid.affine[row][n] = if reversed[n] { -step } else { step };
            if reversed[n] {
                grid.affine[row][3] += step * (from.dims[axes[n]] as f64 - 1.0);
            }
        }
    }
    let value = |index: usize| {
        let here = grid.voxel(index);
        let mut there = [0; 3];
        for n in 0..3 {
            there[axes[n]] = if reversed[n] { grid.dims[n] - 1 - here[n] } else { here[n] };
        }
        volume.at(there[0], there[1], there[2])
    };
    let data = (0..grid.len()).map(value).collect();
    Volume { grid, data }
}

/// Largest difference of the doses at the same places in the world.
fn largest_difference(a: &Volume<f32>, b: &Volume<f32>) -> f32 {
    let difference = |n: usize| {
        let place = a.grid.world_mm(a.grid.voxel(n).map(|v| v as f64));
        (a.data[n] - b.at_world_mm(place).expect("the same extent")).abs()
    };
    (0..a.data.len()).map(difference).fold(0.0, f32::max)
}

/// The dose of the patient's files stored along other axes; `fault` has the turned activity first.
fn turned_dose(
    patient: &Patient,
    name: &str,
    (axes, reversed): ([usize; 3], [bool; 3]),
    fault: impl Fn(&mut Volume<f32>),
) -> Volume<f32> {
    let mut options = Vec::new();
    for (option, file) in [("--ct", "ct.nii.gz"), ("--activity", "decays.nii"), ("--labels", "labels.nii.gz")] {
        let mut volume = turned(&nifti::read(patient.path(file)).expect("written above"), axes, reversed);
        if option == "--activity" {
            fault(&mut volume);
        }
        let path = patient.path(&format!("{name}-{file}"));
        nifti::write(&path, &volume, "turned").expect("written");
        options.push((option, path));
    }
    let options: Vec<(&str, &str)> = options.iter().map(|(option, path)| (*option, path.as_str())).collect();
    succeeded(&patient.dose(name, &options));
    nifti::read(patient.out(name).join("dose_gy.nii.gz")).expect("the dose")
}

#[test]
fn cli_dose_does_not_depend_on_the_axis_order_of_the_files() {
    let patient = Patient::new();
    let straight = turned_dose(&patient, "straight", TURNS[0], |_| {});
    for (n, turn) in TURNS.into_iter().enumerate().skip(1) {
        let other = turned_dose(&patient, &format!("turn{n}"), turn, |_| {});
        assert_eq!(other.grid.dims, turn.0.map(|axis| straight.grid.dims[axis]), "written in the CT's own order");
        assert_eq!(largest_difference(&straight, &other), 0.0, "turn {n}");
    }
}

/// The same runs with a file whose voxels run against its header, or one voxel further on.
#[test]
fn alarm_a_flipped_axis_or_a_shift_is_seen() {
    let patient = Patient::new();
    let straight = turned_dose(&patient, "straight", TURNS[0], |_| {});
    let flipped = |volume: &mut Volume<f32>| {
        let grid = volume.grid.clone();
        *volume = turned(volume, [0, 1, 2], [true, false, false]);
        volume.grid = grid;
    };
    let shifted = |volume: &mut Volume<f32>| volume.data.rotate_left(1);
    for (n, turn) in TURNS.into_iter().enumerate().take(3) {
        let other = turned_dose(&patient, &format!("flip{n}"), turn, flipped);
        assert!(largest_difference(&straight, &other) > 0.0, "a flip in turn {n}");
        let other = turned_dose(&patient, &format!("shift{n}"), turn, shifted);
        assert!(largest_difference(&straight, &other) > 0.0, "a shift in turn {n}");
    }
}

#[test]
fn cli_explicit_scene_takes_the_place_of_a_ct() {
    let patient = Patient::new();
    let density = patient.write("density.nii.gz", |v| if Patient::hu(v) < -900.0 { 0.001 } else { 1.05 });
    let index = patient.write("tissue.nii.gz", |v| if Patient::hu(v) < -900.0 { 0.0 } else { 1.0 });
    let table = patient.path("tissues.csv");
    let head = "name,density_g_cm3,mean_excitation_ev,composition\n";
    let rows = "air,0.0012,85.7,N 0.77; O 0.23\nwater,1,75,H 0.111894; O 0.888106\n";
    std::fs::write(&table, format!("{head}{rows}")).expect("written");
    let scene = [("--ct", ""), ("--density", &density), ("--tissue", &index), ("--tissue-table", &table)];
    succeeded(&patient.dose("out", &scene));
    assert_eq!(record(&patient.out("out"))["inputs"].as_array().map(Vec::len), Some(5));

    std::fs::write(&table, format!("{head}air,0.0012,85.7,N 0.77; O 0.23\n")).expect("written");
    refused(&patient.dose("short", &scene), &["tissue.nii.gz", "found 1", "allowed: 0 to 0"]);
    let heavy = patient.write("heavy.nii.gz", |_| 1050.0);
    let scene = [("--ct", ""), ("--density", &heavy), ("--tissue", &index), ("--tissue-table", &table)];
    refused(&patient.dose("heavy", &scene), &["heavy.nii.gz", "1050", "g/cm3"]);
}

#[test]
fn cli_coarser_grids_keep_the_decays() {
    let patient = Patient::new();
    for grid in ["activity", "6"] {
        let output = patient.dose(&format!("out{grid}"), &[("--grid", grid)]);
        succeeded(&output);
        let scene = &record(&patient.out(&format!("out{grid}")))["scene"];
        let (file, kept) = (scene["decays_in_file"].as_f64(), scene["decays_on_grid"].as_f64());
        let (file, kept) = (file.expect("number"), kept.expect("number"));
        assert!((kept / file - 1.0).abs() < 1e-6, "{grid}: {kept} of {file}");
        assert!(stderr(&output).contains("decays: "), "{}", stderr(&output));
    }
}

#[test]
fn cli_target_sigma_is_reached() {
    let patient = Patient::new();
    succeeded(&patient.dose("out", &[("--histories", ""), ("--target-sigma", "0.2"), ("--target-labels", "3")]));
    let out = patient.out("out");
    let sigma = nifti::read(out.join("sigma_rel.nii.gz")).expect("sigma");
    let mut found: Vec<f32> =
        (0..sigma.data.len()).filter(|&n| Patient::label(patient.grid.voxel(n)) == 3).map(|n| sigma.data[n]).collect();
    found.sort_by(f32::total_cmp);
    let at_95 = found[((found.len() - 1) as f64 * 0.95).round() as usize];
    assert!(at_95 <= 0.2, "{at_95}");
}

#[test]
fn cli_output_folder_is_taken_whole_or_not_at_all() {
    let patient = Patient::new();
    let out = patient.out("out");
    std::fs::create_dir(&out).expect("folder");
    std::fs::write(out.join("mine.txt"), "keep").expect("written");
    refused(&patient.dose("out", &[]), &["out", "--force"]);
    assert_eq!(names(&out), ["mine.txt"]);
    succeeded(&patient.dose("out", &[("--force", "set")]));
    assert!(names(&out).contains(&"mine.txt".to_owned()) && names(&out).contains(&"dose_gy.nii.gz".to_owned()));
    std::fs::write(patient.out("file"), "").expect("written");
    refused(&patient.dose("file", &[]), &["file"]);
}

#[test]
fn cli_bad_input_is_refused_by_name_and_leaves_nothing() {
    let patient = Patient::new();
    let nan = patient.write("nan.nii", |v| if v == [3, 2, 1] { f32::NAN } else { 1.0 });
    let negative = patient.write("negative.nii", |v| if v == [3, 2, 1] { -5.0 } else { 1.0 });
    let empty = patient.write("empty.nii", |_| 0.0);
    let offset = patient.write("offset.nii", |v| Patient::hu(v) + 1024.0);
    let text = patient.path("text.nii");
    std::fs::write(&text, "not an image").expect("written");
    let cut = patient.path("cut.nii");
    let whole = std::fs::read(patient.path("decays.nii")).expect("read");
    std::fs::write(&cut, &whole[..whole.len() / 2]).expect("written");
    let write_elsewhere = |name: &str, origin: f64| {
        let grid = VoxelGrid::axis_aligned([4, 4, 4], [4.0; 3], [origin; 3]);
        nifti::write(patient.path(name), &Volume::filled(grid, 1.0_f32), "elsewhere").expect("written");
        patient.path(name)
    };
    let away = write_elsewhere("away.nii", 5000.0);
    let other = write_elsewhere("other.nii", 0.0);
    let half = patient.write("half.nii", |_| 1.5);
    type Case<'c> = (&'c str, &'c [(&'c str, &'c str)], &'c [&'c str]);
    let cases: [Case; 16] = [
        ("missing", &[("--ct", "/no/such/ct.nii")], &["/no/such/ct.nii", "cannot read"]),
        ("cut", &[("--activity", &cut)], &["cut.nii", "found"]),
        ("text", &[("--activity", &text)], &["text.nii"]),
        ("nan", &[("--activity", &nan)], &["nan.nii", "NaN", "(3, 2, 1)", "allowed"]),
        ("negative", &[("--activity", &negative)], &["negative.nii", "-5", "allowed"]),
        ("unit", &[("--activity-unit", "")], &["--activity-unit", "found none", "bq_ml_h"]),
        ("kbq", &[("--activity-unit", "kbq")], &["--activity-unit", "kbq", "mbq_h"]),
        ("empty", &[("--activity", &empty)], &["empty.nii", "allowed"]),
        ("away", &[("--activity", &away)], &["no voxel inside"]),
        ("hu0", &[("--ct", &empty)], &["empty.nii", "Hounsfield"]),
        ("hu1024", &[("--ct", &offset)], &["offset.nii", "1024"]),
        ("labels", &[("--labels", &other)], &["other.nii", "grid", "allowed"]),
        ("half", &[("--labels", &half)], &["half.nii", "1.5", "allowed"]),
        ("none", &[("--labels", &empty)], &["empty.nii", "0 in every voxel"]),
        (
            "target",
            &[("--histories", ""), ("--target-sigma", "0.1"), ("--target-labels", "3,77")],
            &["--target-labels", "77", "1, 3, 21"],
        ),
        ("nuclide", &[("--nuclide", "xx99")], &["xx99", "lu177"]),
    ];
    for (out, changes, parts) in cases {
        refused(&patient.dose(out, changes), parts);
        assert!(!patient.out(out).exists(), "{out}: output was left behind");
    }
    let left: Vec<String> = names(patient.folder.path()).into_iter().filter(|name| name.starts_with('.')).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// A real CT with known truth: local deposition gives 4.99 Gy to the right kidney and 4.96 Gy to the left; photons
/// add a few percent and some electrons leave through the surface.
#[test]
fn reference_kidneys_of_the_liver_case() {
    let Some(case) = needs::shared("cases/liver-ct/g30") else { return };
    let folder = tempfile::tempdir().expect("temporary folder");
    let out = folder.path().join("out").display().to_string();
    let path = |name: &str| case.join(name).display().to_string();
    let output = lutra(&[
        "dose",
        "--ct",
        &path("ct.nii.gz"),
        "--activity",
        &path("tia_true.nii.gz"),
        "--activity-unit",
        "decays",
        "--labels",
        &path("labels.nii.gz"),
        "--engine",
        "cpu",
        "--histories",
        "1e6",
        "--out",
        &out,
    ]);
    succeeded(&output);
    let record = record(Path::new(&out));
    for label in [2, 3] {
        let rows = record["regions"].as_array().expect("rows");
        let row = rows.iter().find(|row| row["label"] == label).expect("a kidney");
        let (dose, error) = (row["dose_gy"].as_f64().expect("Gy"), row["dose_se_gy"].as_f64().expect("Gy"));
        assert!(error < 0.05, "standard error {error} Gy");
        assert!((4.95..5.25).contains(&dose), "label {label}: {dose} +- {error} Gy");
    }
}
