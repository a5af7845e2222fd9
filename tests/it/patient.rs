//! A block of water with two kidneys, its files, and the program run on them.

use lutra::grid::{Volume, VoxelGrid};
use lutra::io::nifti;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output};

/// Runs the program in a folder.
pub fn lutra(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lutra")).current_dir(folder).args(arguments).output().expect("the program starts")
}

/// What it printed.
pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What it said.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Writes a text file.
pub fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).expect("temporary folder");
}

/// Rows of a CSV file as maps from head to cell.
pub fn rows(path: &Path) -> Vec<std::collections::BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(path).expect("a CSV file");
    reader.deserialize().map(|row| row.expect("a row")).collect()
}

/// A cell as a number.
pub fn number(row: &std::collections::BTreeMap<String, String>, head: &str) -> f64 {
    row[head].parse().unwrap_or_else(|_| panic!("{head}: {}", row[head]))
}

/// A block of water with two kidneys; activities of 50 and 60 h.
pub fn patient(folder: &Path) {
    let grid = VoxelGrid::axis_aligned([14, 10, 8], [5.0; 3], [-32.0, -20.0, 10.0]);
    let label = |n: usize| match grid.voxel(n) {
        [9..=11, 3..=6, 2..=5] => 2_u16,
        [2..=4, 3..=6, 2..=5] => 3,
        _ => 1,
    };
    let volume = |value: &dyn Fn(u16) -> f32| Volume {
        grid: grid.clone(),
        data: (0..grid.len()).map(|n| value(label(n))).collect::<Vec<f32>>(),
    };
    nifti::write(folder.join("labels.nii"), &volume(&|l| f32::from(l)), "labels").expect("written");
    nifti::write(folder.join("ct.nii"), &volume(&|l| if l == 1 { 0.0 } else { 30.0 }), "ct").expect("written");
    for time_h in [4.0_f32, 24.0, 96.0, 168.0] {
        let activity = volume(&|l| match l {
            2 => 8.0e5 * (-time_h / 50.0).exp2(),
            3 => 7.0e5 * (-time_h / 60.0).exp2(),
            _ => 2.0e3 * (-time_h / 40.0).exp2(),
        });
        nifti::write(folder.join(format!("t{time_h}.nii")), &activity, "activity").expect("written");
    }
    write(folder, "names.csv", "value,name\n1,body\n2,kidney_right\n3,kidney_left\n");
}

/// An image of another scan with the same values: another file by its hash.
pub fn again(folder: &Path, from: &str, to: &str) {
    let image = nifti::read(folder.join(from)).expect("an image");
    nifti::write(folder.join(to), &image, &format!("as {from}, {to}")).expect("written");
}

/// SERIES.toml of the images at these hours.
pub fn series(images: &[f64]) -> String {
    let mut text = "schema = 1\nadministered_mbq = 7400\nunit = \"bq_ml\"\ndecay_correction = \"none\"\n\
                    labels = \"labels.nii\"\nlabel_names = \"names.csv\"\nrelative_error = 0.05\n"
        .to_owned();
    for time_h in images {
        let _ = write!(text, "[[images]]\nfile = \"t{time_h}.nii\"\ntime_h = {time_h}\n");
    }
    text
}

/// COURSE.toml of doses stated for both kidneys, left and right, Gy; none for a cycle without dosimetry.
pub fn stated(doses: &[Option<(f64, f64)>]) -> String {
    let mut text =
        "schema = 1\nprotocol = \"iluminet\"\n[effective_half_life_h]\nkidney_left = 52\nkidney_right = 52\n\
                    [patient.facts]\nage_years = 70\ngfr_ml_min = 51\ngfr_baseline_ml_min = 85\n"
            .to_owned();
    for (index, dose) in doses.iter().enumerate() {
        let _ = write!(text, "[[cycles]]\ndate = 2024-{:02}-15\nadministered_mbq = 7400\n", 1 + 2 * index);
        let _ = match dose {
            Some((left, right)) => writeln!(
                text,
                "doses_gy = {{ kidney_left = {{ dose_gy = {left}, mass_g = 150 }}, kidney_right = {{ dose_gy = {right}, mass_g = 150 }} }}"
            ),
            None => writeln!(text, "missing = \"scanner down\""),
        };
    }
    text
}
