//! DICOM in and out as a user meets it: a study folder to a course, a dose that goes back into the study, and nothing
//! of the patient anywhere else.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use dicom_core::VR;
use dicom_dictionary_std::tags;
use lutra::grid::{Volume, VoxelGrid};
use lutra::io::dicom::{read_rtdose, read_seg};
use lutra::io::{nifti, open_dose};

use crate::io_dicom_made::{CT, PT, Set, image, put, put_ds, put_items, square, structure_set, write};
use crate::needs;
use crate::outside::{must_be_valid, python, run};

pub fn lutra(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lutra")).current_dir(folder).args(arguments).output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A run that must succeed; what it said.
pub fn done(folder: &Path, arguments: &[&str]) -> String {
    let output = lutra(folder, arguments);
    let said = text(&[output.stdout, output.stderr].concat());
    assert!(output.status.success(), "{arguments:?}: {said}");
    said
}

/// A run that must be refused by name, and leave nothing behind.
pub fn refused(folder: &Path, arguments: &[&str]) -> String {
    let output = lutra(folder, arguments);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
    assert!(!said.contains("SECRET"), "{said}");
    said
}

const DIMS: [usize; 3] = [14, 10, 8];
const EDGE_MM: f64 = 5.0;
/// Centre of the first voxel, RAS mm.
const FIRST_MM: [f64; 3] = [-32.0, -20.0, 10.0];
/// Times of the scans (their middles, h) and when they begin: scans of 30 min after an injection at 10:00 on 2 March.
const SCANS: [(f64, &str, &str); 3] =
    [(4.0, "20260302", "134500"), (24.0, "20260303", "094500"), (96.0, "20260306", "094500")];

fn grid() -> VoxelGrid {
    VoxelGrid::axis_aligned(DIMS, [EDGE_MM; 3], FIRST_MM)
}

fn label([i, j, k]: [usize; 3]) -> u16 {
    match [i, j, k] {
        [9..=11, 3..=6, 2..=5] => 2,
        [2..=4, 3..=6, 2..=5] => 3,
        _ => 1,
    }
}

fn hu(voxel: [usize; 3]) -> f64 {
    if label(voxel) == 1 { 0.0 } else { 30.0 }
}

/// Activity in steps of 10 Bq/mL.
fn bq_ml(voxel: [usize; 3], time_h: f64) -> f64 {
    let [level, half_life_h] = [[3.0e3, 40.0], [6.0e5, 50.0], [5.0e5, 60.0]][usize::from(label(voxel)) - 1];
    (level * (-time_h / half_life_h).exp2() / 10.0).round() * 10.0
}

/// Slices of an image of this grid, head first, rows towards the left and columns towards the back.
fn slices(class: &str, modality: &str, series: &str, stored: &dyn Fn([usize; 3]) -> f64) -> Vec<Set> {
    let [nx, ny, nz] = DIMS;
    (0..nz)
        .map(|k| {
            let pixels: Vec<u16> = (0..nx * ny).map(|n| stored([nx - 1 - n % nx, ny - 1 - n / nx, k]) as u16).collect();
            let mut set = image(class, modality, [nx, ny], &pixels);
            put(&mut set, tags::SERIES_INSTANCE_UID, VR::UI, series);
            put(&mut set, tags::SOP_INSTANCE_UID, VR::UI, &format!("{series}.{k}"));
            let corner = [
                -(FIRST_MM[0] + EDGE_MM * (nx - 1) as f64),
                -(FIRST_MM[1] + EDGE_MM * (ny - 1) as f64),
                FIRST_MM[2] + EDGE_MM * k as f64,
            ];
            put_ds(&mut set, tags::IMAGE_POSITION_PATIENT, &corner);
            put_ds(&mut set, tags::IMAGE_ORIENTATION_PATIENT, &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
            put_ds(&mut set, tags::PIXEL_SPACING, &[EDGE_MM; 2]);
            put_ds(&mut set, tags::SLICE_THICKNESS, &[EDGE_MM]);
            put(&mut set, tags::REFERRING_PHYSICIAN_NAME, VR::PN, "SECRET^DOCTOR");
            put(&mut set, tags::STUDY_TIME, VR::TM, "100000");
            set
        })
        .collect()
}

pub fn pt(n: usize, change: &dyn Fn(&mut Set)) -> Vec<Set> {
    let (time_h, day, clock) = SCANS[n];
    let mut all = slices(PT, "PT", &format!("1.2.3.40.{n}"), &|voxel| bq_ml(voxel, time_h) / 10.0);
    for set in &mut all {
        put(set, tags::RESCALE_SLOPE, VR::DS, "10");
        put(set, tags::RESCALE_INTERCEPT, VR::DS, "0");
        put(set, tags::UNITS, VR::CS, "BQML");
        put(set, tags::DECAY_CORRECTION, VR::CS, "NONE");
        put(set, tags::ACQUISITION_DATE, VR::DA, day);
        put(set, tags::ACQUISITION_TIME, VR::TM, clock);
        put(set, tags::ACTUAL_FRAME_DURATION, VR::IS, "1800000");
        let mut drug = Set::new_empty();
        put(&mut drug, tags::RADIOPHARMACEUTICAL_START_DATE_TIME, VR::DT, "20260302100000");
        put(&mut drug, tags::RADIONUCLIDE_HALF_LIFE, VR::DS, "574067.52");
        put(&mut drug, tags::RADIONUCLIDE_TOTAL_DOSE, VR::DS, "7.4e9");
        put_items(set, tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE, vec![drug]);
        change(set);
    }
    all
}

fn regions() -> Set {
    let [x, y] = [0, 1].map(|axis| -(FIRST_MM[axis] + 0.5 * EDGE_MM * (DIMS[axis] - 1) as f64));
    let kidney = |i: f64| {
        let at = [-(FIRST_MM[0] + EDGE_MM * i), -(FIRST_MM[1] + EDGE_MM * 4.5)];
        let plane = |k: i32| {
            let z = FIRST_MM[2] + EDGE_MM * f64::from(k);
            [[-7.5, -10.0], [7.5, -10.0], [7.5, 10.0], [-7.5, 10.0]].map(|[a, b]| [at[0] + a, at[1] + b, z]).to_vec()
        };
        (2..=5).map(plane).collect::<Vec<_>>()
    };
    let body = (0..8).map(|k| square(x, y, FIRST_MM[2] + EDGE_MM * f64::from(k), 60.0)).collect();
    let mut set = structure_set(&[
        ("body", "EXTERNAL", body),
        ("kidney_right", "ORGAN", kidney(10.0)),
        ("kidney_left", "ORGAN", kidney(3.0)),
    ]);
    put(&mut set, tags::PATIENT_NAME, VR::PN, "SECRET^NAME");
    set
}

/// A study as it lies: every object in one folder, names without meaning.
pub fn study(folder: &Path) {
    study_of(folder, &|_| {});
}

/// The same with PET objects that are changed.
pub fn study_of(folder: &Path, change: &dyn Fn(&mut Set)) {
    std::fs::create_dir_all(folder).unwrap();
    let mut ct = slices(CT, "CT", "1.2.3.4", &|voxel| hu(voxel) + 1024.0);
    ct.reverse();
    let all = ct.into_iter().chain((0..SCANS.len()).flat_map(|n| pt(n, change))).chain([regions()]);
    for (n, set) in all.enumerate() {
        write(&folder.join(format!("{:03}", (n * 37) % 101)), &set);
    }
}

/// The same patient as NIfTI files and a COURSE.toml.
pub fn twin(folder: &Path) {
    let volume = |value: &dyn Fn([usize; 3]) -> f64| {
        let grid = grid();
        let data: Vec<f32> = (0..grid.len()).map(|n| value(grid.voxel(n)) as f32).collect();
        Volume { grid, data }
    };
    nifti::write(folder.join("ct.nii"), &volume(&hu), "ct").unwrap();
    nifti::write(folder.join("labels.nii"), &volume(&|v| f64::from(label(v))), "labels").unwrap();
    std::fs::write(folder.join("names.csv"), "value,name\n1,body\n2,kidney_right\n3,kidney_left\n").unwrap();
    let mut series = "schema = 1\nadministered_mbq = 7400\nunit = \"bq_ml\"\ndecay_correction = \"none\"\n\
                      labels = \"labels.nii\"\nlabel_names = \"names.csv\"\n"
        .to_owned();
    for (time_h, _, _) in SCANS {
        nifti::write(folder.join(format!("t{time_h}.nii")), &volume(&|v| bq_ml(v, time_h)), "activity").unwrap();
        series.push_str(&format!("[[images]]\nfile = \"t{time_h}.nii\"\ntime_h = {time_h}\n"));
    }
    std::fs::write(folder.join("SERIES.toml"), series).unwrap();
    let course = "schema = 1\nprotocol = \"iluminet\"\nct = \"ct.nii\"\nlabel_names = \"names.csv\"\n\
                  [[cycles]]\ndate = 2026-03-02\nadministered_mbq = 7400\nseries = \"SERIES.toml\"\n";
    std::fs::write(folder.join("COURSE.toml"), course).unwrap();
}

/// Every file below a folder.
pub fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, out) } else { out.push(path) }
    }
}

/// Words of the patient in the bytes of files that are no DICOM objects, unpacked where they are packed.
pub fn leaks(folder: &Path) -> Vec<String> {
    let mut all = Vec::new();
    files(folder, &mut all);
    let mut found = Vec::new();
    for path in all.iter().filter(|path| path.extension().is_none_or(|e| e != "dcm")) {
        let mut bytes = std::fs::read(path).unwrap();
        if path.extension().is_some_and(|e| e == "gz") {
            let mut plain = Vec::new();
            std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&bytes[..]), &mut plain).unwrap();
            bytes = plain;
        }
        for word in ["SECRET", "19500101", "1950-01-01", "20260302", "2026-03-0", "1.2.3.4", "1.2.3.5"] {
            if bytes.windows(word.len()).any(|window| window == word.as_bytes()) {
                found.push(format!("{} holds {word}", path.display()));
            }
        }
    }
    found
}

fn holds(path: &Path, word: &str) -> bool {
    std::fs::read(path).unwrap().windows(word.len()).any(|window| window == word.as_bytes())
}

/// Largest difference of two maps, as a share of the highest value.
fn apart(a: &Path, b: &Path) -> f64 {
    let [a, b] = [a, b].map(|path| open_dose(path).unwrap().volume.to_canonical().0);
    assert!(a.grid.same_as(&b.grid), "{} and {}", a.grid.describe(), b.grid.describe());
    let highest = a.data.iter().copied().fold(0.0, f64::max);
    let most = a.data.iter().zip(&b.data).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    if highest > 0.0 { most / highest } else { most }
}

/// As [`apart`], of a dose in DICOM, which holds nothing below 0.
fn dicom_apart(dicom: &Path, map: &Path) -> f64 {
    let [dicom, map] = [dicom, map].map(|path| open_dose(path).unwrap().volume.to_canonical().0);
    assert!(dicom.grid.same_as(&map.grid));
    let highest = map.data.iter().copied().fold(0.0, f64::max);
    let most = dicom.data.iter().zip(&map.data).map(|(a, b)| (a - b.max(0.0)).abs()).fold(0.0, f64::max);
    if highest > 0.0 { most / highest } else { most }
}

/// Largest relative difference of the numbers of two tables, row by row by the region's name.
fn tables_apart(a: &Path, b: &Path) -> f64 {
    let read = |path: &Path| -> BTreeMap<String, BTreeMap<String, String>> {
        let rows = csv::Reader::from_path(path).unwrap().into_deserialize::<BTreeMap<String, String>>();
        rows.map(|row| row.unwrap()).map(|row| (row["region"].clone(), row)).collect()
    };
    let [a, b] = [read(a), read(b)];
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    let mut most = 0.0f64;
    let mut compared = 0;
    for (name, row) in &a {
        for (head, cell) in row.iter().filter(|(head, _)| *head != "label") {
            if let (Ok(x), Ok(y)) = (cell.parse::<f64>(), b[name][head].parse::<f64>()) {
                compared += 1;
                if x != y {
                    most = most.max((x - y).abs() / x.abs().max(y.abs()));
                }
            } else if head != "date" {
                assert_eq!(cell, &b[name][head], "{name} {head}");
            }
        }
    }
    assert!(compared > 0);
    most
}

pub const ENGINE: [&str; 4] = ["--engine", "cpu", "--histories", "20000"];

#[test]
fn cli_course_of_a_dicom_folder_equals_its_nifti_twin() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    study(&folder.join("study"));
    twin(folder);
    let said = done(folder, &[&["course", "study", "--out", "a", "--dicom"][..], &ENGINE].concat());
    assert!(said.contains("cycle 1, day 0: 7400 MBq, images at 4, 24, 96 h"), "{said}");
    done(folder, &[&["course", "COURSE.toml", "--out", "b"][..], &ENGINE].concat());
    for name in ["dose_sum_gy.nii.gz", "bed_gy.nii.gz", "g_dose2_sum_gy2.nii.gz"] {
        let off = apart(&folder.join("a").join(name), &folder.join("b").join(name));
        println!("{name}: within {off:.1e} of the highest value");
        assert!(off <= 1e-5, "{name}: {off}");
    }
    for name in ["cycles.csv", "cumulative.csv"] {
        let off = tables_apart(&folder.join("a").join(name), &folder.join("b").join(name));
        println!("{name}: within {off:.1e}");
        assert!(off <= 1e-5, "{name}: {off}");
    }
    // What goes back into the study carries the patient, nothing else does.
    let out = folder.join("a");
    for (name, kind, nifti) in
        [("dose_gy.dcm", "PHYSICAL", "dose_sum_gy.nii.gz"), ("bed_gy.dcm", "EFFECTIVE", "bed_gy.nii.gz")]
    {
        let file = out.join(name);
        assert!(["SECRET^NAME", "SECRETID", "1.2.3.5", kind].iter().all(|word| holds(&file, word)), "{name}");
        assert!(dicom_apart(&file, &out.join(nifti)) <= 0.51 / 65535.0, "{name}");
        must_be_valid(&file, "RTDose");
    }
    must_be_valid(&out.join("labels.dcm"), "Segmentation");
    assert_eq!(leaks(&folder.join("a")), Vec::<String>::new());
    assert_eq!(leaks(&folder.join("a.cache")), Vec::<String>::new());
    assert!(["SECRET", "1950", "2026"].iter().all(|word| !said.contains(word)), "{said}");
    // With another image in the place of one the tables part: the comparison rings.
    let late: Vec<Set> = pt(2, &|set| put(set, tags::RESCALE_SLOPE, VR::DS, "10.5"));
    for (n, set) in late.iter().enumerate() {
        write(&folder.join("study").join(format!("{:03}", ((n + 24) * 37) % 101)), set);
    }
    done(folder, &[&["course", "study", "--out", "c"][..], &ENGINE].concat());
    assert!(tables_apart(&out.join("cycles.csv"), &folder.join("c/cycles.csv")) > 1e-3);
}

#[test]
fn cli_dose_takes_dicom_everywhere_and_gives_it_back() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    study(&folder.join("study"));
    twin(folder);
    let line = ["dose", "--ct", "study", "--activity", "study", "--labels", "study", "--dicom", "--out"];
    done(folder, &[&line[..], &["a"], &ENGINE].concat());
    done(folder, &["tia", "SERIES.toml", "--out", "tia"]);
    let nifti = ["dose", "--ct", "ct.nii", "--activity", "tia/decays.nii.gz", "--activity-unit", "decays"];
    let regions = ["--labels", "labels.nii", "--label-names", "names.csv", "--administered-mbq", "7400", "--out", "b"];
    done(folder, &[&nifti[..], &regions, &ENGINE].concat());
    let off = apart(&folder.join("a/dose_gy.nii.gz"), &folder.join("b/dose_gy.nii.gz"));
    println!("dose from DICOM and from NIfTI: within {off:.1e} of the highest value");
    assert!(off <= 1e-5);
    // The same through lutra tia, folder and CT as they lie.
    done(folder, &["tia", "study", "--ct", "study", "--labels", "study", "--out", "tia2"]);
    assert!(apart(&folder.join("tia/decays.nii.gz"), &folder.join("tia2/decays.nii.gz")) <= 1e-6);
    assert_eq!(leaks(&folder.join("tia2")), Vec::<String>::new());
    assert_eq!(leaks(&folder.join("a")), Vec::<String>::new());
    // Regions out and back in.
    let labels = nifti::read_labels(folder.join("labels.nii")).unwrap();
    let back = read_seg(folder.join("a/labels.dcm"), &labels.grid, Some("1.2.3.5")).unwrap();
    assert_eq!(back.labels.data, labels.data);
    assert_eq!(back.names.name(3), "kidney_left");
    // Stripped: what identifies is gone, weight stays; 32 bits hold more.
    let line = [&line[..], &["d", "--deidentify", "--dicom-bits", "32"], &ENGINE].concat();
    done(folder, &line);
    for name in ["dose_gy.dcm", "labels.dcm"] {
        let file = folder.join("d").join(name);
        for word in ["SECRET", "1950", "20260302", "1.2.3."] {
            assert!(!holds(&file, word), "{name} holds {word}");
        }
        assert!(holds(&file, "75.5"), "{name} lost the weight");
    }
    assert!(dicom_apart(&folder.join("d/dose_gy.dcm"), &folder.join("d/dose_gy.nii.gz")) <= 1e-9);
    must_be_valid(&folder.join("d/labels.dcm"), "Segmentation");
    must_be_valid(&folder.join("a/labels.dcm"), "Segmentation");
    must_be_valid(&folder.join("a/dose_gy.dcm"), "RTDose");
    // One image says nothing of the kinetics; with a half-life it will do.
    let one = folder.join("one");
    std::fs::create_dir(&one).unwrap();
    for (n, set) in pt(1, &|_| {}).iter().enumerate() {
        write(&one.join(format!("{n}")), set);
    }
    let line = ["dose", "--ct", "study", "--activity", "one", "--out", "e"];
    let said = refused(folder, &line);
    assert!(said.contains("time points: found one, at 24 h") && said.contains("--effective-half-life"), "{said}");
    done(folder, &[&line[..], &["--effective-half-life", "50"], &ENGINE].concat());
}

#[test]
fn cli_course_of_a_folder_with_two_injections_has_two_cycles() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    study(&folder.join("study"));
    // Eight weeks later, half as much.
    for (n, day) in ["20260427", "20260428", "20260501"].into_iter().enumerate() {
        let later = pt(n, &|set| {
            put(set, tags::SERIES_INSTANCE_UID, VR::UI, &format!("1.2.3.50.{n}"));
            put(set, tags::ACQUISITION_DATE, VR::DA, day);
            put(set, tags::RESCALE_SLOPE, VR::DS, "5");
            let mut drug = Set::new_empty();
            put(&mut drug, tags::RADIOPHARMACEUTICAL_START_DATE_TIME, VR::DT, "20260427100000");
            put(&mut drug, tags::RADIONUCLIDE_HALF_LIFE, VR::DS, "574067.52");
            put(&mut drug, tags::RADIONUCLIDE_TOTAL_DOSE, VR::DS, "3.7e9");
            put_items(set, tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE, vec![drug]);
        });
        for (k, set) in later.iter().enumerate() {
            write(&folder.join("study").join(format!("later-{n}-{k}")), set);
        }
    }
    let said = done(folder, &[&["course", "study", "--out", "a", "--dicom"][..], &ENGINE].concat());
    assert!(said.contains("cycle 2, day 56: 3700 MBq, images at 4, 24, 96 h"), "{said}");
    let table = std::fs::read_to_string(folder.join("a/cycles.csv")).unwrap();
    assert!(table.contains("day 0") && table.contains("day 56") && !table.contains("2026"), "{table}");
    assert_eq!(leaks(&folder.join("a")), Vec::<String>::new());
    // Each cycle takes its own histories: the second dose is half of the first within their noise.
    let mut reader = csv::Reader::from_path(folder.join("a/cycles.csv")).unwrap();
    let rows: Vec<BTreeMap<String, String>> = reader.deserialize().map(|row| row.unwrap()).collect();
    let doses: Vec<f64> =
        rows.iter().filter(|row| row["region"] == "kidney_left").map(|row| row["dose_gy"].parse().unwrap()).collect();
    assert!(doses.len() == 2 && (doses[1] / doses[0] - 0.5).abs() < 0.01, "{doses:?}");
}

#[test]
fn cli_svalue_and_audit_take_dicom() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    study(&folder.join("study"));
    twin(folder);
    let line = ["svalue", "--ct", "study", "--labels", "study", "--source-label", "2", "--out", "s.csv"];
    done(folder, &[&line[..], &ENGINE].concat());
    let names = ["--label-names", "names.csv"];
    let line = ["svalue", "--ct", "ct.nii", "--labels", "labels.nii", "--source-label", "2", "--out", "t.csv"];
    done(folder, &[&line[..], &names, &ENGINE].concat());
    let [a, b] = ["s.csv", "t.csv"].map(|name| std::fs::read_to_string(folder.join(name)).unwrap());
    assert_eq!(a, b);
    let line = ["audit", "--ct", "study", "--activity", "study", "--labels", "study", "--out", "audit"];
    done(folder, &[&line[..], &ENGINE].concat());
    assert_eq!(leaks(&folder.join("audit")), Vec::<String>::new());
    assert!(!folder.join("audit.checkpoint").exists(), "nothing is left beside the output");
}

/// What a header states about length, activity and half-life is held to nature, in every command that reads it.
#[test]
fn cli_impossible_headers_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    study(&folder.join("study"));
    let place = |name: &str, change: &dyn Fn(&mut Set)| {
        let own = folder.join(name);
        std::fs::create_dir(&own).unwrap();
        for (n, set) in pt(1, change).iter().enumerate() {
            write(&own.join(format!("{n}")), set);
        }
    };
    let given = |bq: &'static str| {
        move |set: &mut Set| {
            let mut drug = Set::new_empty();
            put(&mut drug, tags::RADIOPHARMACEUTICAL_START_DATE_TIME, VR::DT, "20260302100000");
            put(&mut drug, tags::RADIONUCLIDE_HALF_LIFE, VR::DS, "574067.52");
            put(&mut drug, tags::RADIONUCLIDE_TOTAL_DOSE, VR::DS, bq);
            put_items(set, tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE, vec![drug]);
        }
    };
    place("long", &|set| put(set, tags::ACTUAL_FRAME_DURATION, VR::IS, "997200000"));
    place("little", &given("1.2e6"));
    place("much", &given("7.4e18"));
    place("bright", &|set| put(set, tags::RESCALE_SLOPE, VR::DS, "1e5"));
    place("sound", &|_| {});
    let bright = "bright --effective-half-life 50";
    for (images, words) in [
        ("long --effective-half-life 50", "ActualFrameDuration (0018,1242): found 277 h; allowed: 0 to 12 h"),
        ("little --effective-half-life 50", "the 1.2 MBq given"),
        ("much --effective-half-life 50", "RadionuclideTotalDose: found 7400000000000"),
        (bright, "total activity: found"),
        (
            "sound --effective-half-life 200",
            "--effective-half-life: found 200 h; allowed: above 0 and at most the physical",
        ),
        ("sound --effective-half-life 0", "--effective-half-life: found 0"),
    ] {
        for command in ["dose --ct study --activity", "tia"] {
            let line = format!("{command} {images} --out out");
            let said = refused(folder, &line.split(' ').collect::<Vec<_>>());
            assert!(said.contains(words), "{line}: {said}");
            assert!(!folder.join("out").exists(), "{line}: something is left");
        }
    }
    // what a person states decides over a header
    let line = "tia much --effective-half-life 50 --administered-mbq 7400 --out out";
    done(folder, &line.split(' ').collect::<Vec<_>>());
}

#[test]
fn cli_images_of_another_patient_frame_or_scan_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    study(&folder.join("study"));
    let place = |name: &str, sets: Vec<Set>| {
        let own = folder.join(name);
        std::fs::create_dir(&own).unwrap();
        for (n, set) in sets.iter().enumerate() {
            write(&own.join(format!("{n}")), set);
        }
    };
    place("patient", pt(1, &|set| put(set, tags::PATIENT_ID, VR::LO, "SECRETOTHER")));
    place("frame", pt(1, &|set| put(set, tags::FRAME_OF_REFERENCE_UID, VR::UI, "1.9")));
    place(
        "brighter",
        pt(1, &|set| {
            put(set, tags::SERIES_INSTANCE_UID, VR::UI, "1.2.3.77");
            put(set, tags::RESCALE_SLOPE, VR::DS, "11");
        }),
    );
    place(
        "soon",
        pt(0, &|set| {
            put(set, tags::SERIES_INSTANCE_UID, VR::UI, "1.2.3.78");
            let mut drug = Set::new_empty();
            put(&mut drug, tags::RADIOPHARMACEUTICAL_START_DATE_TIME, VR::DT, "20260302080000");
            put(&mut drug, tags::RADIONUCLIDE_HALF_LIFE, VR::DS, "574067.52");
            put_items(set, tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE, vec![drug]);
        }),
    );
    let mut stranger = regions();
    put(&mut stranger, tags::PATIENT_ID, VR::LO, "SECRETOTHER");
    write(&folder.join("stranger.dcm"), &stranger);
    for (line, words) in [
        ("dose --ct study --activity patient --effective-half-life 50", "another patient than in study"),
        ("dose --ct study --activity frame --effective-half-life 50", "another frame of reference than in study"),
        ("dose --ct study --activity study patient", "another patient than in"),
        ("dose --ct study --activity study --labels stranger.dcm", "another patient than in study"),
        ("dose --ct study --activity study brighter", "two images of the scan at 24 h that differ by 10.00 %"),
        ("dose --ct study --activity study soon", "injection: found 2 h away"),
        ("dose --ct study --activity study --activity-unit decays", "--activity-unit: found decays beside DICOM"),
        ("dose --ct study --activity study --shard 1/2 --dicom", "--shard and --dicom"),
        ("tia study patient", "another patient than in"),
        ("course study --activity patient --ct study --labels study", "another patient than in"),
        ("course study --labels stranger.dcm", "another patient than in"),
        ("course study#9", "series: found number 9; allowed: 1 to 5"),
        ("course patient", "CT for patient: found none; allowed: one"),
        ("course patient study#9", "unexpected argument"),
    ] {
        let arguments: Vec<&str> = line.split(' ').chain(["--out", "out"]).collect();
        let said = refused(folder, &arguments);
        assert!(said.contains(words), "{line}: {said}");
        assert!(!folder.join("out").exists(), "{line}: something is left");
    }
}

/// The case's folder, where there is one.
fn shared() -> Option<PathBuf> {
    let case = needs::shared("cases/liver-ct-dicom")?;
    Some(case.canonicalize().expect("it exists"))
}

#[test]
fn reference_course_of_the_shared_study_equals_its_nifti_twin() {
    let Some(case) = shared() else { return };
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let at = |name: &str| case.join(name).display().to_string();
    let engine = ["--engine", "cpu", "--histories", "100000"];
    // Two segmentations and two structure sets: which is meant must be said.
    let said = refused(folder, &["course", &at(""), "--out", "a"]);
    assert!(said.contains("regions for ") && said.contains("seg_binary.dcm, ") && said.contains("--labels"), "{said}");
    let segments = at("seg_binary.dcm");
    let said =
        done(folder, &[&["course", &at(""), "--labels", &segments, "--out", "a", "--dicom"][..], &engine].concat());
    for words in ["images at 4.1, 24.3, 71.6, 167.8 h", "are one scan at 24.3 h and say the same"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let described: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(case.join("case.json")).unwrap()).unwrap();
    let mut names = "value,name\n".to_owned();
    for (value, name) in described["labels"].as_object().unwrap().iter().filter(|(value, _)| *value != "0") {
        names.push_str(&format!("{value},{}\n", name.as_str().unwrap()));
    }
    std::fs::write(folder.join("names.csv"), names).unwrap();
    let mut series = format!(
        "schema = 1\nadministered_mbq = 7400\nunit = \"bq_ml\"\ndecay_correction = \"none\"\nlabels = \"{}\"\n\
         label_names = \"names.csv\"\n",
        at("nifti/labels.nii.gz")
    );
    for (name, time_h) in [("pt_t004", 4.1), ("pt_t024", 24.3), ("pt_t072", 71.6), ("pt_t168", 167.8)] {
        series
            .push_str(&format!("[[images]]\nfile = \"{}\"\ntime_h = {time_h}\n", at(&format!("nifti/{name}.nii.gz"))));
    }
    std::fs::write(folder.join("SERIES.toml"), series).unwrap();
    let course = format!(
        "schema = 1\nprotocol = \"iluminet\"\nct = \"{}\"\nlabel_names = \"names.csv\"\n\
         [[cycles]]\ndate = 2026-03-02\nadministered_mbq = 7400\nseries = \"SERIES.toml\"\n",
        at("nifti/ct.nii.gz")
    );
    std::fs::write(folder.join("COURSE.toml"), course).unwrap();
    done(folder, &[&["course", "COURSE.toml", "--out", "b"][..], &engine].concat());
    for name in ["dose_sum_gy.nii.gz", "bed_gy.nii.gz", "g_dose2_sum_gy2.nii.gz"] {
        let off = apart(&folder.join("a").join(name), &folder.join("b").join(name));
        println!("{name}: within {off:.1e} of the highest value");
        assert!(off <= 1e-5, "{name}: {off}");
    }
    for name in ["cycles.csv", "cumulative.csv"] {
        let off = tables_apart(&folder.join("a").join(name), &folder.join("b").join(name));
        println!("{name}: within {off:.1e}");
        assert!(off <= 1e-5, "{name}: {off}");
    }
    for name in ["dose_gy.dcm", "bed_gy.dcm"] {
        must_be_valid(&folder.join("a").join(name), "RTDose");
    }
    must_be_valid(&folder.join("a/labels.dcm"), "Segmentation");
    // The identifiers of this case are its own words.
    for path in ["a", "a.cache"] {
        let mut all = Vec::new();
        files(&folder.join(path), &mut all);
        for file in all.iter().filter(|file| file.extension().is_none_or(|e| e != "dcm")) {
            assert!(!holds(file, "TEST^") && !holds(file, "LIVERCT01"), "{}", file.display());
        }
    }
    assert!(!said.contains("TEST^") && !said.contains("LIVERCT01"), "{said}");
}

#[test]
fn reference_written_segments_read_the_same_elsewhere() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    study(&folder.join("study"));
    let line = ["dose", "--ct", "study", "--activity", "study", "--labels", "study", "--dicom", "--out", "a"];
    done(folder, &[&line[..], &ENGINE].concat());
    let script = r#"
import sys, json, pydicom
d = pydicom.dcmread(sys.argv[1])
a = d.pixel_array
count = {}
for n, group in enumerate(d.PerFrameFunctionalGroupsSequence):
    s = int(group.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
    count.setdefault(str(s), []).append([float(v) for v in group.PlanePositionSequence[0].ImagePositionPatient] + [int(a[n].sum())])
print(json.dumps(dict(names=[s.SegmentLabel for s in d.SegmentSequence], count=count)))
"#;
    let file = folder.join("a/labels.dcm").display().to_string();
    let (success, said) = run(python, &["-c", script, &file]).unwrap();
    assert!(success, "{said}");
    let found: serde_json::Value =
        serde_json::from_str(said.lines().find(|line| line.starts_with('{')).unwrap()).unwrap();
    assert_eq!(found["names"], serde_json::json!(["body", "kidney_right", "kidney_left"]));
    let right = found["count"]["2"].as_array().unwrap();
    assert_eq!(right.len(), 4, "planes 2 to 5");
    assert!(right.iter().all(|plane| plane[3] == 12), "3 x 4 voxels a plane");
    assert_eq!(right[0][2], FIRST_MM[2] + 2.0 * EDGE_MM);
    let dose = folder.join("a/dose_gy.dcm");
    assert!(read_rtdose(&dose).is_ok());
}

#[test]
fn reference_written_pictures_read_the_same_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    study(&folder.join("study"));
    let line = ["dose", "--ct", "study", "--activity", "study", "--labels", "study", "--dicom"];
    done(folder, &[&line[..], &["--dicom-pictures", "--out", "a"], &ENGINE].concat());
    done(folder, &[&line[..], &["--dicom-pictures", "--deidentify", "--out", "b"], &ENGINE].concat());
    done(folder, &[&["course", "study", "--dicom", "--dicom-pictures", "--out", "c"][..], &ENGINE].concat());
    let planes = ["axial", "coronal", "sagittal"];
    let mut all = Vec::new();
    for plane in planes {
        all.extend(["a", "b"].map(|out| folder.join(out).join(format!("dose_{plane}.dcm"))));
        all.push(folder.join("c").join(format!("dose_sum_{plane}.dcm")));
    }
    for file in &all {
        must_be_valid(file, "SCImage");
        let stripped = file.parent().unwrap().ends_with("b");
        for word in ["SECRET^NAME", "SECRETID", "1.2.3.5", "19500101"] {
            let patient = word.starts_with("SECRET") && !stripped;
            let birth = word == "19500101" && !stripped && holds(file, word);
            assert_eq!(holds(file, word), patient || birth, "{}: {word}", file.display());
        }
        assert!(!stripped || ["1.2.3.", "20260302"].iter().all(|word| !holds(file, word)), "{}", file.display());
    }
    // What a run states it wrote is what lies there.
    let record: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("a/run.json")).unwrap()).unwrap();
    let mut stated: Vec<&str> = record["outputs"].as_object().unwrap().keys().map(String::as_str).collect();
    stated.extend(["run.json", "lutra.sha256"]);
    stated.sort_unstable();
    let mut lying = Vec::new();
    files(&folder.join("a"), &mut lying);
    let mut lying: Vec<String> =
        lying.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
    lying.sort();
    assert_eq!(stated, lying);
    let Some(python) = python() else { return };
    let script = r#"
import sys, json, numpy, pydicom, SimpleITK
found, series = [], set()
for name in sys.argv[1:]:
    d = pydicom.dcmread(name + ".dcm")
    assert d.SOPClassUID.name == "Secondary Capture Image Storage", d.SOPClassUID.name
    series.add(str(d.SeriesInstanceUID))
    png = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(name + ".png"))
    itk = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(name + ".dcm"))
    found.append([bool(numpy.array_equal(d.pixel_array, png)), bool(numpy.array_equal(itk.reshape(png.shape), png)),
      str(d.PatientName), str(d.StudyInstanceUID), int(d.InstanceNumber), "FrameOfReferenceUID" in d, str(d.Modality)])
print(json.dumps(dict(found=found, series=len(series))))
"#;
    let stems: Vec<String> = planes.map(|plane| folder.join(format!("a/dose_{plane}")).display().to_string()).to_vec();
    let arguments: Vec<&str> = ["-c", script].into_iter().chain(stems.iter().map(String::as_str)).collect();
    let (success, said) = run(python, &arguments).unwrap();
    assert!(success, "{said}");
    let found: serde_json::Value =
        serde_json::from_str(said.lines().find(|line| line.starts_with('{')).unwrap()).unwrap();
    assert_eq!(found["series"], 1);
    for (n, one) in found["found"].as_array().unwrap().iter().enumerate() {
        let ct_study = one[3].clone();
        assert_eq!(*one, serde_json::json!([true, true, "SECRET^NAME", ct_study, n + 1, false, "OT"]), "{one}");
        println!("{}: pixels of PNG, pydicom and SimpleITK are equal", planes[n]);
    }
}
