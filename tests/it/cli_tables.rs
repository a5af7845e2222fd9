//! What the program says in tables and of regions: names come back from every CSV, regions of air have no dose, contrast agent
//! and impossible CTs are named.

use crate::small;
use lutra::grid::Volume;
use lutra::io::nifti;
use std::path::Path;
use std::process::{Command, Output};

fn lutra(folder: &Path, line: &str) -> Output {
    let words = shlex::split(line).expect("quotes close");
    Command::new(env!("CARGO_BIN_EXE_lutra")).current_dir(folder).args(words).output().expect("the program starts")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Changes the values of a volume in a file.
fn change(folder: &Path, name: &str, new: impl Fn([usize; 3], f32) -> f32) {
    let volume: Volume<f32> = nifti::read(folder.join(name)).expect("written before");
    let grid = volume.grid.clone();
    let data = (0..grid.len()).map(|n| new(grid.voxel(n), volume.data[n])).collect();
    nifti::write(folder.join(name), &Volume { grid, data }, "test").expect("written");
}

/// The text of a cell, by the rule of docs/formats.md.
fn read_back(cell: &str) -> &str {
    let formula = |text: &str| text.trim_start_matches('\'').starts_with(['=', '+', '-', '@', '\t', '\r']);
    cell.strip_prefix('\'').filter(|rest| formula(rest)).unwrap_or(cell)
}

const NAMES: [&str; 7] = ["=HYPERLINK(1)", "kidney, \"left\"", "+x", "-y", "@SUM(A1)", "'=z", "air"];
const RUN: &str = "--activity-unit decays --engine cpu --threads 1 --histories 2e4";

/// A patient whose regions have names that tables stumble over; label 7 lies in air.
fn patient(folder: &Path) {
    small::write_files(folder, "ct.nii", ("decays.nii", [1e6, 1e9]), "labels.nii");
    change(folder, "labels.nii", |[i, ..], label| if i == 0 { 7.0 } else { label.min(6.0) });
    let names: serde_json::Map<String, serde_json::Value> =
        NAMES.iter().zip(1..).map(|(name, label)| (label.to_string(), (*name).into())).collect();
    std::fs::write(folder.join("names.json"), serde_json::to_string(&names).expect("JSON")).expect("written");
}

/// Names in the column `head` of a CSV, each once, as they were before it was written.
fn names(path: &Path, head: &str) -> Vec<String> {
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_path(path).expect("written");
    let column = reader.headers().expect("heads").iter().position(|name| name == head).expect("the column");
    let mut names: Vec<String> =
        reader.records().map(|row| read_back(&row.expect("a row")[column]).to_owned()).collect();
    names.dedup();
    names
}

#[test]
fn cli_names_come_back_from_every_table_and_air_has_no_dose() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    patient(folder);
    let inputs = "--ct ct.nii --labels labels.nii --label-names names.json";
    let output = lutra(folder, &format!("dose {inputs} --activity decays.nii {RUN} --out out"));
    let words = said(&output);
    assert!(output.status.success(), "{words}");
    for (file, head) in [("out/organs.csv", "name"), ("out/dvh.csv", "region")] {
        let found = names(&folder.join(file), head);
        assert!(NAMES[..6].iter().all(|name| found.iter().any(|known| known == name)), "{file}: {found:?}");
        let text = std::fs::read_to_string(folder.join(file)).expect("written");
        let formula = |cell: &str| cell.starts_with(['=', '+', '-', '@']) && cell.parse::<f64>().is_err();
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
        let records: Vec<csv::StringRecord> = reader.records().map(|row| row.expect("a row")).collect();
        assert!(!records.iter().flat_map(|row| row.iter()).any(formula), "{file}");
    }
    assert!(words.contains("region air: all of its 90 voxels are air"), "{words}");
    let mut organs = csv::Reader::from_path(folder.join("out/organs.csv")).expect("written");
    let heads = organs.headers().expect("heads").clone();
    let of = |row: &csv::StringRecord, head: &str| -> f64 {
        row[heads.iter().position(|name| name == head).expect("a column")].parse().expect("a number")
    };
    for row in organs.records().map(|row| row.expect("a row")) {
        let points = ["min_gy", "d98_gy", "d90_gy", "d50_gy", "d2_gy", "max_gy"].map(|head| of(&row, head));
        assert!(points.is_sorted(), "{row:?}");
        assert_eq!(of(&row, "dose_gy") == 0.0, &row[1] == "air", "{row:?}");
    }
    let line = format!("svalue {inputs} --source-label 2 --engine cpu --threads 1 --histories 2e4 --out s.csv");
    let output = lutra(folder, &line);
    assert!(output.status.success(), "{}", said(&output));
    assert!(names(&folder.join("s.csv"), "target").contains(&NAMES[1].to_owned()));
}

#[test]
fn alarm_cts_that_are_none_and_contrast_agent_are_named() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    let line = format!(
        "dose --ct ct.nii --labels labels.nii --label-names n.csv --activity decays.nii {RUN} --out out --force"
    );
    std::fs::write(folder.join("n.csv"), "1,kidney_left\n2,tumour\n").expect("written");
    let with = |new: &dyn Fn(f32) -> f32| {
        small::write_files(folder, "ct.nii", ("decays.nii", [1e6, 1e9]), "labels.nii");
        change(folder, "labels.nii", |_, label| if label == 1.0 { 1.0 } else { 2.0 });
        change(folder, "ct.nii", |_, hu| new(hu));
        lutra(folder, &line)
    };
    let plain = with(&|hu| hu);
    assert!(plain.status.success() && !said(&plain).contains("contrast agent"), "{}", said(&plain));
    let enhanced = with(&|hu| if hu == 40.0 { 205.0 } else { hu });
    assert!(enhanced.status.success(), "{}", said(&enhanced));
    assert!(said(&enhanced).contains("region kidney_left: half of it lies above 205 HU"), "{}", said(&enhanced));
    assert!(!said(&enhanced).contains("region tumour: half"), "{}", said(&enhanced));
    type New = fn(f32) -> f32;
    let cases: [(New, &str); 3] = [
        (|hu| if hu < 0.0 { hu + 65_536.0 } else { hu }, "unsigned 16-bit"),
        (|hu| if hu < 0.0 { 1e30 } else { hu }, "rescale slope"),
        (|hu| if hu == 40.0 { 960.0 } else { -hu }, "above 900 HU"),
    ];
    for (new, wanted) in cases {
        let output = with(&new);
        assert_eq!(output.status.code(), Some(2), "{wanted}: {}", said(&output));
        assert!(said(&output).contains("ct.nii") && said(&output).contains(wanted), "{}", said(&output));
    }
}

#[test]
fn cli_refusals_name_file_line_and_bound() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    patient(folder);
    std::fs::write(folder.join("latin.toml"), b"half_life_h = 1\nname = \"Pr\xe4parat\"\n").expect("written");
    std::fs::write(folder.join("twice.json"), "{\"name\": \"x\",\n \"half_life_h\": 1,\n \"half_life_h\": 2}")
        .expect("written");
    std::fs::write(folder.join("names2.json"), "{\"1\": \"a\",\n \"1\": \"b\"}").expect("written");
    let mut huge: Volume<f32> = nifti::read(folder.join("ct.nii")).expect("written");
    for axis in 0..3 {
        huge.grid.spacing_mm[axis] = 1e6;
        huge.grid.affine[axis][axis] = 1e6;
    }
    nifti::write(folder.join("huge.nii"), &huge, "test").expect("written");
    let dose = format!("dose --ct ct.nii --activity decays.nii {RUN} --out out");
    for (line, words) in [
        (format!("{dose} --administered-mbq 0"), &["--administered-mbq", "found 0", "above 0"][..]),
        (format!("{dose} --nuclide latin.toml"), &["latin.toml", "line 2", "not UTF-8"]),
        (format!("{dose} --nuclide twice.json"), &["twice.json", "\"half_life_h\" stands twice", "line 3"]),
        (format!("{dose} --labels labels.nii --label-names names2.json"), &["names2.json", "\"1\" stands twice"]),
        (dose.replace("ct.nii", "huge.nii"), &["huge.nii"]),
    ] {
        let output = lutra(folder, &line);
        assert_eq!(output.status.code(), Some(2), "{line}: {}", said(&output));
        assert!(words.iter().all(|word| said(&output).contains(word)), "{line}: {}", said(&output));
        assert!(!folder.join("out").exists(), "{line}");
    }
}

/// A gold seed and iodine in water: transport ends, its balance is exact, and the gold stops what passes it.
#[test]
fn engine_heavy_elements_are_transported() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    small::write_files(folder, "ct.nii", ("decays.nii", [1e6, 1e9]), "labels.nii");
    for name in ["density.nii", "tissue.nii"] {
        std::fs::copy(folder.join("ct.nii"), folder.join(name)).expect("copied");
    }
    let seed = |voxel: [usize; 3]| voxel == [5, 4, 5];
    change(folder, "density.nii", |voxel, _| if seed(voxel) { 19.3 } else { 1.02 });
    change(folder, "tissue.nii", |voxel, _| f32::from(u8::from(seed(voxel))));
    change(folder, "labels.nii", |voxel, _| if seed(voxel) { 2.0 } else { 1.0 });
    let tissues = "name,density_g_cm3,mean_excitation_ev,composition\n\
                   iodine-water,1.02,78,H 0.109; O 0.871; I 0.02\ngold,19.3,790,Au 1\n";
    std::fs::write(folder.join("tissues.csv"), tissues).expect("written");
    let scene = "--density density.nii --tissue tissue.nii --tissue-table tissues.csv";
    let output = lutra(folder, &format!("dose {scene} --labels labels.nii --activity decays.nii {RUN} --out out"));
    let words = said(&output);
    assert!(output.status.success(), "{words}");
    assert_eq!(words.matches("[exact]").count(), 2, "{words}");
    let mut organs = csv::Reader::from_path(folder.join("out/organs.csv")).expect("written");
    let doses: Vec<f64> = organs.records().map(|row| row.expect("a row")[6].parse().expect("a dose")).collect();
    assert!(doses.iter().all(|gy| *gy > 0.0), "{words}");
}
