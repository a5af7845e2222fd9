//! `lutra kernel`, `dpk`, `svalue` and `audit` as a user runs them.

use crate::patient::{lutra, number, patient, rows, stderr, stdout, write};
use lutra::io::nifti;
use lutra::svalues::MGY_PER_MBQ_S_PER_KEV_G;
use lutra::svalues::audit::AuditRow;
use std::fmt::Write as _;
use std::path::Path;

/// The number before `unit` after `words` in a text.
fn figure(text: &str, words: &str) -> f64 {
    let tail = text.split(words).nth(1).unwrap_or_else(|| panic!("{words}: {text}"));
    let field = tail.split_whitespace().next().expect("a number");
    field.parse().unwrap_or_else(|_| panic!("{words}: {field}"))
}

fn refused(folder: &Path, line: &[&str], words: &[&str]) {
    let output = lutra(folder, line);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    for word in words {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert!(said.contains("hint: "), "the next step: {said}");
    assert!(!folder.join("bad").exists() && !folder.join("bad.xyz").exists(), "nothing is left of a refused run");
}

#[test]
fn cli_kernels_close_and_are_written_for_other_tools() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    let make = |line: &[&str]| {
        let line: Vec<&str> = ["kernel", "--histories", "20000"].iter().chain(line).copied().collect();
        let output = lutra(folder, &line);
        assert!(output.status.success(), "{}", stderr(&output));
        // what lies inside and beyond makes up the nuclide's energy
        assert!(figure(&stdout(&output), "closes with Lu-177 to ").abs() < 0.1, "{}", stdout(&output));
        stdout(&output)
    };
    for name in ["k.csv", "k.txt", "Lu177-4.8-mm-mGyperMBqs-Soft.img", "k.nii.gz"] {
        make(&["--voxel-mm", "4.8", "--half", "4", "--out", name]);
        assert!(folder.join(name).is_file(), "{name}");
    }
    assert!(folder.join("k_sigma_rel.nii.gz").is_file());
    let cube = nifti::read(folder.join("k.nii.gz")).expect("the kernel");
    assert_eq!((cube.grid.dims, cube.grid.spacing_mm), ([9; 3], [4.8; 3]));
    let table = std::fs::read_to_string(folder.join("k.csv")).expect("the kernel");
    let source = table.lines().find(|line| line.starts_with("0,0,0,")).expect("the source voxel");
    let source: f64 = source.split(',').nth(3).expect("S").parse().expect("a number");
    assert!((f64::from(cube.at(4, 4, 4)) / source - 1.0).abs() < 1e-5, "one kernel in every layout");
    for fact in ["# unit: mGy/(MBq s)", "# kev_per_decay_beyond:", "# provenance: lutra", "sigma_rel"] {
        assert!(table.contains(fact), "{fact}");
    }
    // any voxel, any tissue, any density
    let said = make(&["--voxel-mm", "2,3,5", "--tissue", "bone", "--half", "3,2,1", "--out", "b.csv"]);
    assert!(said.contains("2 x 3 x 5 mm") && said.contains("1.92 g/cm3"), "{said}");
    let rows = std::fs::read_to_string(folder.join("b.csv")).expect("the kernel");
    assert_eq!(rows.lines().filter(|line| !line.starts_with('#')).count(), 1 + 4 * 3 * 2);
    refused(folder, &["kernel", "--voxel-mm", "4.8", "--out", "bad.xyz"], &["file ending: found bad.xyz", ".nii.gz"]);
    refused(folder, &["kernel", "--voxel-mm", "4.8", "--out", "k.csv"], &["k.csv", "--force"]);
    refused(folder, &["kernel", "--voxel-mm", "0", "--out", "bad.csv"], &["--voxel-mm"]);
    refused(folder, &["kernel", "--voxel-mm", "3", "--tissue", "chees", "--out", "bad.csv"], &["chees"]);
}

#[test]
fn cli_point_kernels_close() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    let output = lutra(folder, &["dpk", "--tissue", "water", "--histories", "20000", "--out", "d.csv"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(figure(&stdout(&output), "energy closes to ").abs() < 0.1, "{}", stdout(&output));
    let text = std::fs::read_to_string(folder.join("d.csv")).expect("the kernel");
    let plain: String = text.lines().filter(|line| !line.starts_with('#')).fold(String::new(), |mut all, line| {
        let _ = writeln!(all, "{line}");
        all
    });
    write(folder, "plain.csv", &plain);
    let table = rows(&folder.join("plain.csv"));
    let electrons: Vec<_> = table.iter().filter(|row| row["part"] == "electron").collect();
    let sum: f64 = electrons.iter().map(|row| number(row, "energy_keV_per_decay")).sum();
    let inside = number(electrons.last().expect("a shell"), "energy_inside_keV_per_decay");
    assert!((sum / inside - 1.0).abs() < 1e-4 && (inside / 148.2 - 1.0).abs() < 2e-3, "{sum} {inside}");
    // half of the energy lies within the radius that the program says
    let radius = figure(&stdout(&output), "electrons: half of the energy within ");
    let half = electrons.iter().find(|row| number(row, "r_outer_mm") > radius).expect("a shell");
    assert!((number(half, "energy_inside_keV_per_decay") / inside - 0.5).abs() < 0.02, "{half:?}");
}

/// The patient's decays: both kidneys, a little in the body.
fn decays(folder: &Path) {
    patient(folder);
    let labels = nifti::read_labels(folder.join("labels.nii")).expect("labels");
    nifti::write(folder.join("tia.nii"), &labels.map(|l| [1e7_f32, 1e9, 1.2e9][usize::from(l) - 1]), "tia")
        .expect("ok");
}

fn audit<'a>(further: &[&'a str]) -> Vec<&'a str> {
    let mut line = vec!["audit", "--ct", "ct.nii", "--activity", "tia.nii", "--activity-unit", "decays"];
    line.extend(["--labels", "labels.nii", "--label-names", "names.csv", "--engine", "cpu", "--histories", "100000"]);
    line.extend(further);
    line
}

fn audited(folder: &Path, further: &[&str]) -> (Vec<AuditRow>, String) {
    let output = lutra(folder, &audit(further));
    assert!(output.status.success(), "{}", stderr(&output));
    let record = std::fs::read_to_string(folder.join("out/audit.json")).expect("the record");
    let record: serde_json::Value = serde_json::from_str(&record).expect("JSON");
    let table = rows(&folder.join("out/audit.csv"));
    assert_eq!(record["rows"].as_array().map(Vec::len), Some(table.len()));
    let rows = table
        .iter()
        .map(|row| AuditRow {
            label: number(row, "label") as u16,
            region: row["region"].clone(),
            method: row["method"].clone(),
            transport_gy: number(row, "transport_gy"),
            dose_gy: number(row, "dose_gy"),
            ratio: number(row, "ratio"),
            ratio_se: number(row, "ratio_se"),
            verdict: lutra::svalues::compare::Agreement::Undecided,
            median_percent: None,
            p95_percent: None,
            noise_p95_percent: None,
            gamma_2mm_1percent: row["gamma_2mm_1percent"].parse().ok(),
            gamma_3mm_3percent: row["gamma_3mm_3percent"].parse().ok(),
            cause: row["cause"].clone(),
        })
        .collect();
    (rows, stdout(&output))
}

/// S values of a phantom, and the audit that reads them back: the patient is the phantom, so its kidneys come out right.
#[test]
fn cli_s_values_serve_the_audit_as_an_organ_table() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    decays(folder);
    let line = ["svalue", "--ct", "ct.nii", "--labels", "labels.nii", "--label-names", "names.csv"];
    let further = ["--source-label", "1,2,3", "--out", "s.csv", "--engine", "cpu", "--histories", "200000"];
    let output = lutra(folder, &[&line[..], &further[..]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let text = std::fs::read_to_string(folder.join("s.csv")).expect("the table");
    assert!(text.starts_with('#') && text.contains("S_mGy_per_MBq_s,sigma_rel"));
    write(folder, "plain.csv", text.split_once('\n').expect("lines").1);
    let table = rows(&folder.join("plain.csv"));
    assert_eq!(table.len(), 9);
    let of = |source: &str, target: &str| {
        table.iter().find(|row| row["source"] == source && row["target"] == target).expect("the pair")
    };
    // a kidney keeps nearly all of the electrons' 148 keV; the kidneys give each other alike
    let own = of("kidney_left", "kidney_left");
    let kev = number(own, "electron_mGy_per_MBq_s") * number(own, "target_mass_g") / MGY_PER_MBQ_S_PER_KEV_G;
    assert!((140.0..148.4).contains(&kev), "{kev}");
    let (there, back) = (of("kidney_left", "kidney_right"), of("kidney_right", "kidney_left"));
    let sigma = number(there, "sigma_rel").hypot(number(back, "sigma_rel"));
    let ratio = number(there, "S_mGy_per_MBq_s") / number(back, "S_mGy_per_MBq_s");
    assert!(sigma > 0.0 && (ratio - 1.0).abs() < 4.0 * sigma, "{ratio} +- {sigma}");
    let (found, said) = audited(folder, &["--s-table", "s.csv", "--out", "out"]);
    for kidney in ["kidney_left", "kidney_right"] {
        let row = found.iter().find(|r| r.region == kidney && r.method == "organ_split s").expect("the method");
        assert!((row.ratio - 1.0).abs() < 0.01 + 2.0 * row.ratio_se, "{kidney} {} {said}", row.ratio);
        let water = found.iter().find(|r| r.region == kidney && r.method == "vsv_density_scaled").expect("the method");
        assert!((water.ratio - 1.0).abs() < 0.02 + 2.0 * water.ratio_se, "{kidney} {}", water.ratio);
        assert!(water.gamma_3mm_3percent.is_some() && water.transport_gy > 0.0);
    }
    for file in ["difference_vsv_water_axial.png", "difference_vsv_water_percent.nii.gz", "dvh_2_kidney_right.png"] {
        assert!(folder.join("out").join(file).is_file(), "{file}");
    }
    refused(
        folder,
        &[&line[..], &["--source-label", "9", "--out", "bad"]].concat(),
        &["--source-label: found 9, which no voxel has; allowed: 1, 2, 3"],
    );
}

fn table(head: &str, values: &[f64]) -> String {
    let mut text = format!("{head}\ni\tj\tk\tS [mGy/(MBq s)]\n");
    for (place, value) in [(0, 0, 0), (0, 0, 1), (0, 1, 1), (1, 1, 1)].iter().zip(values) {
        let (i, j, k) = place;
        let _ = writeln!(text, "{i}\t{j}\t{k}\t{value}");
    }
    text
}

#[test]
fn cli_unfit_kernels_are_refused_unless_forced() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    decays(folder);
    let good = [0.169, 0.0023, 6e-5, 1.7e-5];
    write(folder, "size.txt", &table("Lu177 - 3mm - Soft", &good));
    write(folder, "nuclide.txt", &table("Y90 - 5mm - Soft", &good));
    write(folder, "unit.txt", &table("Lu177 - 5mm - Soft", &good).replace(" [mGy/(MBq s)]", ""));
    write(folder, "lopsided.txt", &(table("Lu177 - 5mm - Soft", &good) + "-1\t0\t0\t0.02\n1\t0\t0\t0.0023\n"));
    for (file, words) in [
        ("size.txt", ["size.txt: voxel size: found 3 x 3 x 3 mm", "5 x 5 x 5 mm"]),
        ("nuclide.txt", ["nuclide.txt: nuclide: found Y-90", "Lu-177"]),
        ("unit.txt", ["unit.txt: unit: found not stated", "mGy/(MBq s)"]),
        ("lopsided.txt", ["lopsided.txt: symmetry: found", "5 % at most"]),
        ("nowhere.txt", ["nowhere.txt: cannot read", "path"]),
    ] {
        refused(folder, &audit(&["--kernel", file, "--out", "bad"]), &words);
    }
    // forced, with the doubt said; and a sound kernel of Lutra's own beside it
    let own = ["kernel", "--voxel-mm", "5", "--half", "13", "--histories", "20000", "--out", "own.nii.gz"];
    assert!(lutra(folder, &own).status.success());
    let (found, said) = audited(folder, &["--kernel", "size.txt", "own.nii.gz", "--force-kernel", "--out", "out"]);
    let of = |part: &str| {
        found.iter().find(|r| r.region == "kidney_left" && r.method.contains(part)).unwrap_or_else(|| panic!("{said}"))
    };
    assert!(
        of("size.txt").cause.contains("wrong voxel size: 3 x 3 x 3 mm for 5 x 5 x 5 mm"),
        "{}",
        of("size.txt").cause
    );
    assert!(said.contains("own.nii.gz: electrons: ") && said.contains("closes to"), "{said}");
    assert!(!of("own.nii.gz").cause.contains("kernel: source voxel"), "{}", of("own.nii.gz").cause);
    let record = std::fs::read_to_string(folder.join("out/run.json")).expect("the record");
    assert!(
        record.contains("Used in spite of it (force kernel)"),
        "the record speaks of settings, whatever the front end"
    );
}
