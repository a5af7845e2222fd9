//! Four cycles on a liver CT, by one command each: from decays, and from one SPECT image a cycle.
//!
//! The nominal doses are the electrons' energy of an organ's decays over its nominal mass; here a label holds part of the
//! decays (partial volume; with images also their resolution), has the CT's mass and receives photons too. With these
//! three taken into account the BED agrees within 2 %.

use crate::needs;
use crate::patient::{lutra, number, rows, stderr, stdout, write};
use lutra::io::nifti;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The shared case, if it is there.
fn case() -> Option<PathBuf> {
    needs::shared("cases/liver-ct-4cycles/case.json")?.parent().map(Path::to_path_buf)
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).expect("a file of the case")).expect("JSON")
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().expect("a list")
}

fn text_of(value: &Value) -> &str {
    value.as_str().expect("text")
}

fn float(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

/// The known course.
struct Known {
    place: PathBuf,
    cycles: Vec<Value>,
    nominal_mass_g: BTreeMap<String, f64>,
    labels: Vec<u16>,
}

const KIDNEYS: [(u16, &str); 2] = [(2, "kidney_right"), (3, "kidney_left")];
const DATES: [&str; 4] = ["2024-01-10", "2024-03-06", "2024-05-01", "2024-07-03"];

impl Known {
    fn read(place: PathBuf) -> Self {
        let anatomy = json(&place.join("../liver-ct/case.json"));
        let nominal_mass_g = list(&anatomy["organs"])
            .iter()
            .filter_map(|organ| Some((text_of(&organ["name"]).to_owned(), organ["nominal_mass_g"].as_f64()?)))
            .collect();
        let labels = nifti::read_labels(place.join("labels.nii.gz")).expect("labels").data;
        let cycles = list(&json(&place.join("case.json"))["cycles"]).clone();
        Self { place, cycles, nominal_mass_g, labels }
    }

    fn organ(&self, cycle: usize, name: &str) -> &Value {
        list(&self.cycles[cycle]["organs"]).iter().find(|organ| organ["name"] == name).expect("the organ")
    }

    /// COURSE.toml with alpha/beta as in the case's nominal BED, 2.5 Gy; `content` is a cycle's own line.
    fn write_course(&self, folder: &Path, content: impl Fn(usize) -> String) {
        let place = self.place.display();
        let mut text = format!(
            "schema = 1\nprotocol_file = \"protocol.toml\"\nct = \"{place}/ct.nii.gz\"\nlabels = \"{place}/labels.nii.gz\"\n\
             label_names = \"{place}/case.json\"\n[effective_half_life_h]\n"
        );
        for organ in list(&self.cycles[0]["organs"]) {
            let _ = writeln!(text, "{} = {}", text_of(&organ["name"]), organ["T_eff_h"]);
        }
        text.push_str("[[radiobiology]]\nset = \"tumour-generic\"\nalpha_per_gy = 0.35\n");
        for (index, (cycle, date)) in self.cycles.iter().zip(DATES).enumerate() {
            let (given, content) = (&cycle["administered_MBq"], content(index));
            let _ = write!(text, "[[cycles]]\ndate = {date}\nadministered_mbq = {given}\n{content}\n");
        }
        write(folder, "COURSE.toml", &text);
        let protocol =
            include_str!("../../assets/protocols/iluminet.toml").replace("alpha_beta_gy = 2.6", "alpha_beta_gy = 2.5");
        write(folder, "protocol.toml", &protocol);
    }

    /// Nominal dose of a kidney in a cycle, Gy, for the decays that lie in its label and for its mass.
    fn expected_local_gy(&self, cycle: usize, name: &str, decays_inside: f64, mass_g: f64) -> f64 {
        let organ = self.organ(cycle, name);
        float(&organ["nominal_local_dose_Gy"]) * decays_inside / float(&organ["decays"]) * self.nominal_mass_g[name]
            / mass_g
    }

    /// Holds a finished course against the nominal table; `decays_inside` gives the decays in a label in a cycle.
    fn check(&self, out: &Path, decays_inside: impl Fn(usize, u16, &str) -> f64) {
        let table = rows(&out.join("cycles.csv"));
        let g = 2.8 / 52.8;
        for (label, name) in KIDNEYS {
            let (mut found_bed, mut expected_bed, mut planted_bed, mut before) = (0.0, 0.0, 0.0, 0.0);
            for cycle in 0..self.cycles.len() {
                let number_of_cycle = (cycle + 1).to_string();
                let row = table.iter().find(|row| row["region"] == name && row["cycle"] == number_of_cycle);
                let row = row.expect("the row");
                let dose = number(row, "dose_gy");
                let local =
                    self.expected_local_gy(cycle, name, decays_inside(cycle, label, name), number(row, "mass_g"));
                let expected = local + number(row, "dose_photon_gy");
                let off = 100.0 * (dose / expected - 1.0);
                println!("{name} cycle {number_of_cycle}: {dose:.4} Gy, expected {expected:.4} Gy ({off:+.2} %)");
                assert!(dose > before, "the kidney dose rises");
                before = dose;
                found_bed += number(row, "bed_gy");
                expected_bed += expected * (1.0 + g * expected / 2.5);
                let whole = float(&self.organ(cycle, name)["decays"]) / decays_inside(cycle, label, name);
                let planted = local * whole + number(row, "dose_photon_gy");
                planted_bed += planted * (1.0 + g * planted / 2.5);
            }
            let off = found_bed / expected_bed - 1.0;
            println!("{name}: BED {found_bed:.3} Gy, expected {expected_bed:.3} Gy ({:+.2} %)", 100.0 * off);
            assert!(off.abs() < 0.02);
            // alarm: with all of the organ's decays in its label the comparison rings
            assert!((found_bed / planted_bed - 1.0).abs() > 0.02, "{found_bed} {planted_bed}");
        }
        for tumour in ["tumour_1_liver_45mm", "tumour_2_liver_ellipsoid_36x30x24mm", "tumour_5_retroperitoneal_26mm"] {
            let doses: Vec<f64> =
                table.iter().filter(|row| row["region"] == tumour).map(|row| number(row, "dose_gy")).collect();
            assert!(doses.len() == 4 && doses[3] < doses[0], "the tumour dose falls: {doses:?}");
        }
        let voxels = nifti::read(out.join("dose_sum_gy.nii.gz")).expect("the voxel sum");
        let parts: Vec<_> =
            (1..=4).map(|n| nifti::read(out.join(format!("cycle_{n}_dose_gy.nii.gz"))).expect("a cycle")).collect();
        let worst = (0..voxels.data.len())
            .map(|v| (voxels.data[v] - parts.iter().map(|part| part.data[v]).sum::<f32>()).abs())
            .fold(0.0, f32::max);
        assert!(worst < 1e-3, "the cycles' maps add up: {worst}");
    }
}

fn run(folder: &Path) -> String {
    let line = ["course", "COURSE.toml", "--out", "out", "--engine", "cpu", "--histories", "400000"];
    let output = lutra(folder, &line);
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output)
}

#[test]
fn reference_four_cycles_end_to_end() {
    let Some(place) = case() else { return };
    let known = Known::read(place);
    let folder = tempfile::tempdir().expect("temporary folder");
    let tia = |cycle: usize| known.place.join(format!("cycle{}/tia_true.nii.gz", cycle + 1));
    known.write_course(folder.path(), |c| format!("tia = \"{}\"\ntia_unit = \"decays\"", tia(c).display()));
    let words = run(folder.path());
    known.check(&folder.path().join("out"), |cycle, label, _| {
        let decays = nifti::read_as::<f64>(tia(cycle)).expect("the map");
        known.labels.iter().zip(&decays.data).filter(|(l, _)| **l == label).map(|(_, d)| d).sum()
    });
    assert!(words.contains("CONTINUE"), "{words}");
}

/// One noisy SPECT image of 72 h a cycle and stated half-lives: images to verdict by one command.
#[test]
fn reference_four_cycles_from_images_to_verdict() {
    let Some(place) = case() else { return };
    let known = Known::read(place);
    let folder = tempfile::tempdir().expect("temporary folder");
    let image = |cycle: usize| known.place.join(format!("cycle{}/spect_072h_noisy.nii.gz", cycle + 1));
    let place = known.place.display();
    for (index, cycle) in known.cycles.iter().enumerate() {
        let mut text = format!(
            "schema = 1\nadministered_mbq = {}\nunit = \"bq_ml\"\ndecay_correction = \"none\"\n\
             labels = \"{place}/labels.nii.gz\"\nlabel_names = \"{place}/case.json\"\nrelative_error = 0.03\n\
             [fit]\nmethod = \"population-half-life\"\nhalf_life_h = 55\n\
             [[images]]\nfile = \"{}\"\ntime_h = 72\n",
            cycle["administered_MBq"],
            image(index).display()
        );
        for organ in list(&cycle["organs"]) {
            let _ = write!(
                text,
                "[[regions]]\nregion = \"{}\"\nmethod = \"population-half-life\"\nhalf_life_h = {}\nhalf_life_rel_error = 0.1\n",
                text_of(&organ["name"]),
                organ["T_eff_h"]
            );
        }
        write(folder.path(), &format!("SERIES{}.toml", index + 1), &text);
    }
    known.write_course(folder.path(), |cycle| format!("series = \"SERIES{}.toml\"", cycle + 1));
    let words = run(folder.path());
    known.check(&folder.path().join("out"), |cycle, label, name| {
        let spect = nifti::read_as::<f64>(image(cycle)).expect("the image");
        let ml = spect.grid.voxel_cm3();
        let bq: f64 = known.labels.iter().zip(&spect.data).filter(|(l, _)| **l == label).map(|(_, a)| a * ml).sum();
        // A(t) 2^(t/T) T/ln 2, in decays
        let half_life_h = float(&known.organ(cycle, name)["T_eff_h"]);
        bq * (72.0 / half_life_h).exp2() * half_life_h * 3600.0 / std::f64::consts::LN_2
    });
    assert!(words.contains("CONTINUE") && words.contains("Probability above the window"), "{words}");
    // 3 % of the image and 10 % of the half-life by the lever 1 - t ln 2/T
    let table = rows(&folder.path().join("out/cycles.csv"));
    let row = table.iter().find(|row| row["region"] == "kidney_left").expect("the row");
    let lever = 1.0 - 72.0 * std::f64::consts::LN_2 / 50.0;
    assert!((number(row, "curve_rel_sigma") - 0.03_f64.hypot(0.1 * lever)).abs() < 1e-6, "{row:?}");
    let record = json(&folder.path().join("out/verdict.json"));
    assert_eq!(record["verdict"]["structures"].as_array().map(Vec::len), Some(3));
    assert!(folder.path().join("out/dvh.csv").is_file() && folder.path().join("out/eqd2_gy.nii.gz").is_file());
}
