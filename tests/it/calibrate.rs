//! `lutra calibrate`: scans of a phantom to a factor, inserts to recovery; images in counts through both, NIfTI and DICOM;
//! and what is refused.

use crate::io_dicom_made::{NM, Set, image, put, put_ds, put_items, put_u16, write as write_dicom};
use crate::patient::{again, lutra, number, patient, rows, series, stderr, stdout, write};
use dicom_core::VR;
use dicom_dictionary_std::tags;
use lutra::grid::{Volume, VoxelGrid};
use lutra::io::nifti;
use std::path::Path;

/// Sensitivity of the made camera, cps/MBq.
const CPS_PER_MBQ: f64 = 9.0;
/// Views times time a view, s.
const SECONDS: f64 = 120.0 * 15.0;

const WHO: &str = "nuclide = \"lu177\"\nwindow = \"208 keV\"\ncamera = \"A\"\ncollimator = \"MEGP\"\n\
    reconstruction = \"OSEM 6x10\"\nphantom = \"cylinder\"\ndate = \"2024-03-31\"\nwho = \"M. Person\"\n";

fn phantom_text() -> String {
    format!(
        "schema = 1\n{WHO}activity_mbq = 600\nactivity_relative_error = 0.02\nviews = 120\nseconds_per_view = 15\n\
         labels = \"cylinder.nii\"\nlabel = 1\n[[scans]]\nfile = \"a.nii\"\nhours = 3\nbackground_counts = 48000\n\
         [[scans]]\nfile = \"b.nii\"\nhours = 99\nbackground_counts = 48000\n"
    )
}

/// Two scans of a cylinder of 600 MBq in a background, 96 h apart.
fn phantom(folder: &Path) {
    let grid = VoxelGrid::axis_aligned([12, 12, 10], [10.0; 3], [-55.0, -55.0, -45.0]);
    let inside = |n: usize| matches!(grid.voxel(n), [3..=8, 3..=8, 2..=7]);
    let count = (0..grid.len()).filter(|&n| inside(n)).count() as f64;
    let labels = Volume { grid: grid.clone(), data: (0..grid.len()).map(|n| f32::from(u8::from(inside(n)))).collect() };
    nifti::write(folder.join("cylinder.nii"), &labels, "outline").expect("written");
    for (name, hours) in [("a.nii", 3.0), ("b.nii", 99.0)] {
        let counts = CPS_PER_MBQ * SECONDS * 600.0 * (-hours / 159.53_f64).exp2() / count;
        let value = |n: usize| (48000.0 / count + if inside(n) { counts } else { 0.0 }) as f32;
        let scan = Volume { grid: grid.clone(), data: (0..grid.len()).map(value).collect() };
        nifti::write(folder.join(name), &scan, "counts").expect("written");
    }
    write(folder, "PHANTOM.toml", &phantom_text());
}

#[test]
fn cli_calibrate_gives_the_factor_and_images_in_counts_their_activity() {
    let folder = tempfile::tempdir().expect("folder");
    let folder = folder.path();
    phantom(folder);
    let output = lutra(folder, &["calibrate", "PHANTOM.toml", "--out", "calibration.toml"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("factor: 9"), "{}", stdout(&output));
    let text = std::fs::read_to_string(folder.join("calibration.toml")).expect("the file");
    let read: toml::Table = text.parse().expect("TOML");
    let factor = read["factor_cps_per_mbq"].as_float().expect("a number");
    assert!((factor / CPS_PER_MBQ - 1.0).abs() < 1e-4, "{factor}");
    assert!(read["relative_error"].as_float().is_some_and(|rel| rel > 0.02 && rel < 0.021), "{text}");
    assert!(text.contains("# scan a.nii, ") && text.contains("sha256"), "{text}");
    // the same patient in Bq/mL and in counts of this camera
    patient(folder);
    let times = [24.0, 96.0, 168.0];
    for time in times {
        let activity = nifti::read_finite::<f64>(folder.join(format!("t{time}.nii"))).expect("image").volume;
        let ml = activity.grid.voxel_cm3();
        let counts = activity.map(|bq_ml| (bq_ml * ml * 1e-6 * factor * SECONDS) as f32);
        nifti::write(folder.join(format!("c{time}.nii")), &counts, "counts").expect("written");
    }
    write(folder, "SERIES.toml", &series(&times));
    let calibrated = "[calibration]\nfile = \"calibration.toml\"\ncamera = \"A\"\ncollimator = \"MEGP\"\n\
        reconstruction = \"OSEM 6x10\"\nviews = 120\nseconds_per_view = 15\n";
    let in_counts = series(&times).replace("bq_ml", "counts").replace("file = \"t", "file = \"c") + calibrated;
    write(folder, "COUNTS.toml", &in_counts);
    for (file, out) in [("SERIES.toml", "out"), ("COUNTS.toml", "out-counts")] {
        let output = lutra(folder, &["tia", file, "--out", out]);
        assert!(output.status.success(), "{file}: {}", stderr(&output));
    }
    let [one, other] = ["out", "out-counts"].map(|out| rows(&folder.join(out).join("regions.csv")));
    for (a, b) in one.iter().zip(&other) {
        assert!((number(a, "tia_mbq_h") / number(b, "tia_mbq_h") - 1.0).abs() < 1e-6, "{a:?} {b:?}");
        assert!(number(b, "systematic_rel_sigma") > 0.02 && number(a, "systematic_rel_sigma") == 0.0);
    }
    // a calibration of something else
    for (from, to, field) in
        [("\"A\"", "\"B\"", "camera"), ("MEGP", "LEHR", "collimator"), ("6x10", "9x9", "reconstruction")]
    {
        write(folder, "COUNTS.toml", &in_counts.replace(from, to));
        let output = lutra(folder, &["tia", "COUNTS.toml", "--out", "no"]);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(&format!("calibration.toml: {field}: found")), "{}", stderr(&output));
    }
    write(folder, "COUNTS.toml", &in_counts.replace("seconds_per_view = 15\n", ""));
    let output = lutra(folder, &["tia", "COUNTS.toml", "--out", "no"]);
    assert!(stderr(&output).contains("seconds_per_view: found none"), "{}", stderr(&output));
}

#[test]
fn cli_calibrate_refuses_by_name_and_leaves_files_alone() {
    let folder = tempfile::tempdir().expect("folder");
    let folder = folder.path();
    phantom(folder);
    let refused = |from: &str, to: &str, part: &str| {
        let text = phantom_text();
        assert!(text.contains(from), "{from}");
        write(folder, "P.toml", &text.replace(from, to));
        let output = lutra(folder, &["calibrate", "P.toml", "--out", "c.toml"]);
        assert_eq!(output.status.code(), Some(2), "{part}: {}", stdout(&output));
        assert!(stderr(&output).contains(part), "{part}: {}", stderr(&output));
        assert!(!folder.join("c.toml").exists(), "nothing is written");
    };
    refused("date = \"2024-03-31\"\n", "", "date");
    refused("\"2024-03-31\"", "\"?\"", "date");
    refused("\"2024-03-31\"", "\"spring\"", "date: found \"spring\"");
    refused("seconds_per_view = 15\n", "", "seconds_per_view: found none");
    refused("activity_mbq = 600", "activity_mbq = -600", "scan: found -600 MBq");
    refused("activity_relative_error = 0.02", "activity_relative_error = 2", "activity_relative_error: found 2");
    refused("label = 1", "label = 7", "label: found 7, which no image voxel has");
    refused("label = 1\n", "", "labels, label");
    refused("hours = 99\n", "", "hours: found none");
    refused("background_counts = 48000", "background_counts = 1e12", "net counts");
    refused("schema = 1", "schema = 2", "schema: found 2");
    refused("activity_mbq = 600", "dead_time_s = 1e-6\nactivity_mbq = 600", "wide_window_cps: found none");
    refused("b.nii", "absent.nii", "absent.nii");
    // an input is never replaced, a file only when told
    let output = lutra(folder, &["calibrate", "PHANTOM.toml", "--out", "a.nii", "--force"]);
    assert_eq!(output.status.code(), Some(2), "{}", stdout(&output));
    write(folder, "kept.toml", "mine");
    let output = lutra(folder, &["calibrate", "PHANTOM.toml", "--out", "kept.toml"]);
    assert_eq!(
        (output.status.code(), std::fs::read_to_string(folder.join("kept.toml")).ok().as_deref()),
        (Some(2), Some("mine"))
    );
}

/// An NM reconstruction in counts, 6 x 5 x 4 voxels of 4.8 mm, 120 views of 15 s.
fn nm_counts(scale: u16, hour: usize) -> Set {
    let pixels: Vec<u16> = (0..120_u16).map(|n| scale * (20 + (n * 37) % 101)).collect();
    let mut set = image(NM, "NM", [6, 5], &pixels);
    put(&mut set, tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\RECON TOMO\\EMISSION");
    put(&mut set, tags::SERIES_INSTANCE_UID, VR::UI, &format!("1.2.3.4.{hour}"));
    put(&mut set, tags::SOP_INSTANCE_UID, VR::UI, &format!("1.2.3.1.{hour}"));
    put(&mut set, tags::NUMBER_OF_FRAMES, VR::IS, "4");
    put_ds(&mut set, tags::PIXEL_SPACING, &[4.8, 4.8]);
    put_ds(&mut set, tags::SPACING_BETWEEN_SLICES, &[4.8]);
    put(&mut set, tags::UNITS, VR::CS, "CNTS");
    put(&mut set, tags::RESCALE_INTERCEPT, VR::DS, "0");
    let mut detector = Set::new_empty();
    put_ds(&mut detector, tags::IMAGE_POSITION_PATIENT, &[0.0, 0.0, 100.0]);
    put_ds(&mut detector, tags::IMAGE_ORIENTATION_PATIENT, &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    put_items(&mut set, tags::DETECTOR_INFORMATION_SEQUENCE, vec![detector]);
    let mut rotation = Set::new_empty();
    put_u16(&mut rotation, tags::NUMBER_OF_FRAMES_IN_ROTATION, 120);
    put(&mut rotation, tags::ACTUAL_FRAME_DURATION, VR::IS, "15000");
    put_items(&mut set, tags::ROTATION_INFORMATION_SEQUENCE, vec![rotation]);
    set
}

/// NM in counts through a calibration is the same activity as its NIfTI twin, to the last digit.
#[test]
fn io_dicom_nm_in_counts_is_its_nifti_twin() {
    let folder = tempfile::tempdir().expect("folder");
    let folder = folder.path();
    phantom(folder);
    let output = lutra(folder, &["calibrate", "PHANTOM.toml", "--out", "calibration.toml"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let head = "schema = 1\nadministered_mbq = 7400\nunit = \"counts\"\ndecay_correction = \"none\"\nlabels = \"l.nii\"\n\
        [calibration]\nfile = \"calibration.toml\"\ncamera = \"A\"\ncollimator = \"MEGP\"\nreconstruction = \"OSEM 6x10\"\n";
    let (mut dicom, mut twin) = (head.to_owned(), head.to_owned() + "views = 120\nseconds_per_view = 15\n");
    for (hour, scale) in [(24, 9), (72, 5), (168, 2)] {
        let set = nm_counts(scale, hour);
        std::fs::create_dir(folder.join(format!("nm{hour}"))).expect("folder");
        write_dicom(&folder.join(format!("nm{hour}/nm.dcm")), &set);
        // pixels run left, back and up from the corner at LPS (0, 0, 100): RAS axes -x, -y, z
        let grid = VoxelGrid::axis_aligned([6, 5, 4], [4.8; 3], [-24.0, -19.2, 100.0]);
        let value = |n: usize| {
            let [i, j, k] = grid.voxel(n);
            let stored = (5 - i) + 6 * ((4 - j) + 5 * k);
            f32::from(scale * (20 + (stored as u16 * 37) % 101))
        };
        let counts = Volume { data: (0..grid.len()).map(value).collect::<Vec<f32>>(), grid: grid.clone() };
        nifti::write(folder.join(format!("c{hour}.nii")), &counts, "counts").expect("written");
        let label = |n: usize| f32::from(u8::from(grid.voxel(n)[0] > 2));
        let labels = Volume { data: (0..grid.len()).map(label).collect::<Vec<f32>>(), grid: grid.clone() };
        nifti::write(folder.join("l.nii"), &labels, "labels").expect("written");
        for (text, file) in [(&mut dicom, format!("nm{hour}")), (&mut twin, format!("c{hour}.nii"))] {
            *text += &format!("[[images]]\nfile = \"{file}\"\ntime_h = {hour}\n");
        }
    }
    write(folder, "DICOM.toml", &dicom);
    write(folder, "TWIN.toml", &twin);
    for (file, out) in [("DICOM.toml", "dicom"), ("TWIN.toml", "twin")] {
        let output = lutra(folder, &["tia", file, "--out", out]);
        assert!(output.status.success(), "{file}: {}", stderr(&output));
    }
    let [one, other] = ["dicom", "twin"].map(|out| rows(&folder.join(out).join("regions.csv")));
    assert_eq!(one, other);
    let map = |out: &str| nifti::read_finite::<f64>(folder.join(out).join("decays.nii.gz")).expect("a map").volume;
    let (one, other) = (map("dicom").to_canonical().0, map("twin").to_canonical().0);
    assert!(one.grid.same_as(&other.grid) && one.data == other.data);
    // 24 h: counts of the first voxel over 1800 s and 9 cps/MBq
    // what contradicts the header, and counts that are none
    write(folder, "DICOM.toml", &dicom.replace("[calibration]\n", "[calibration]\nviews = 60\n"));
    let output = lutra(folder, &["tia", "DICOM.toml", "--out", "no"]);
    assert!(stderr(&output).contains("views: found 60, and 120 in the image's header"), "{}", stderr(&output));
    let mut other = nm_counts(9, 24);
    put(&mut other, tags::UNITS, VR::CS, "BQML");
    write_dicom(&folder.join("nm24/nm.dcm"), &other);
    write(folder, "DICOM.toml", &dicom);
    let output = lutra(folder, &["tia", "DICOM.toml", "--out", "no"]);
    assert!(stderr(&output).contains("Units (0054,1001): found BQML"), "{}", stderr(&output));
}

fn spheres_text() -> String {
    let inserts = [0.5, 1.1, 2.6, 5.6, 11.5, 26.5, 47.0];
    let head = format!("schema = 1\nshape = \"spheres\"\n{WHO}");
    inserts.iter().fold(head, |text, ml| {
        let r = lutra::quantify::sphere::recovery_of_volume(*ml, 10.0);
        text + &format!("[[inserts]]\nvolume_ml = {ml}\nrecovery = {r:.5}\nrelative_error = 0.03\n")
    })
}

#[test]
fn cli_calibrate_recovery_gives_a_curve_and_one_width_that_corrects() {
    let folder = tempfile::tempdir().expect("folder");
    let folder = folder.path();
    write(folder, "SPHERES.toml", &spheres_text());
    let output = lutra(folder, &["calibrate", "--recovery", "SPHERES.toml", "--out", "recovery.toml"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("one FWHM explains them: 10.00"), "{}", stdout(&output));
    let text = std::fs::read_to_string(folder.join("recovery.toml")).expect("the file");
    assert!(text.contains("curve = \"logistic\"") && text.contains("covariance"), "{text}");
    // recoveries that no sphere of one width has
    write(folder, "MIXED.toml", &spheres_text().replace("[[inserts]]\nvolume_ml = 47", "[[inserts]]\nvolume_ml = 0.2"));
    let output = lutra(folder, &["calibrate", "--recovery", "MIXED.toml", "--out", "mixed.toml"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("no one FWHM is stated"), "{}", stderr(&output));
    // the file in a series: by recovery, and by its width
    patient(folder);
    for section in ["method = \"recovery\"", "method = \"gtm\""] {
        let stated = format!(
            "[partial_volume]\n{section}\nrecovery_file = \"recovery.toml\"\ncamera = \"A\"\ncollimator = \"MEGP\"\n\
             reconstruction = \"OSEM 6x10\"\n"
        );
        write(folder, "SERIES.toml", &(series(&[24.0, 96.0, 168.0]) + &stated));
        let output = lutra(folder, &["tia", "SERIES.toml", "--out", "out", "--force"]);
        assert!(output.status.success(), "{}", stderr(&output));
        let record = std::fs::read_to_string(folder.join("out/tia.json")).expect("tia.json");
        let record: serde_json::Value = serde_json::from_str(&record).expect("JSON");
        let kidney = &record["partial_volume"]["images"][0]["regions"][1];
        assert!(kidney["after_mbq"].as_f64() > kidney["before_mbq"].as_f64(), "{kidney}");
        assert!(kidney["fwhm_rel_sigma"].as_f64().is_some_and(|rel| rel > 0.0), "{kidney}");
        write(folder, "SERIES.toml", &(series(&[24.0, 96.0]) + &stated.replace("\"A\"", "\"B\"")));
        let output = lutra(folder, &["tia", "SERIES.toml", "--out", "no"]);
        assert!(
            stderr(&output).contains("recovery.toml: camera: found \"A\" for images of \"B\""),
            "{}",
            stderr(&output)
        );
    }
    for (from, to, part) in [
        ("recovery = 0.7", "recovery = 1.9", "recovery: found 1.9"),
        ("relative_error = 0.03", "relative_error = 3", "relative_error: found 3"),
        ("volume_ml = 0.5", "volume_ml = -0.5", "volume_ml"),
        ("date = \"2024-03-31\"\n", "", "date"),
        ("recovery = 0.7", "label = 0\ntrue_bq_ml = 0.7", "label: found 0"),
        ("recovery = 0.7", "measured_bq_ml = 0.7", "one way"),
    ] {
        let text = spheres_text();
        assert!(text.contains(from), "{from}");
        write(folder, "S.toml", &text.replacen(from, to, 1));
        let output = lutra(folder, &["calibrate", "--recovery", "S.toml", "--out", "s.toml"]);
        assert_eq!(output.status.code(), Some(2), "{part}: {}", stdout(&output));
        assert!(stderr(&output).contains(part), "{part}: {}", stderr(&output));
    }
}

/// A course states calibration and correction once; a cycle's series may state its own.
#[test]
fn cli_course_states_correction_and_calibration_for_its_series() {
    let folder = tempfile::tempdir().expect("folder");
    let folder = folder.path();
    patient(folder);
    let times = [24.0, 96.0, 168.0];
    write(folder, "ONE.toml", &series(&times));
    for (hour, name) in [24, 96, 168].iter().flat_map(|hour| [(hour, "u"), (hour, "v")]) {
        again(folder, &format!("t{hour}.nii"), &format!("{name}{hour}.nii"));
    }
    let second = series(&times).replace("\"t", "\"u");
    let third = series(&times).replace("\"t", "\"v");
    write(folder, "TWO.toml", &(second + "[partial_volume]\nmethod = \"none\"\n"));
    write(folder, "THREE.toml", &third.replacen("schema = 1\n", "schema = 1\ncorrected = \"recovery\"\n", 1));
    let course = |cycles: &[&str], section: &str| {
        let head = "schema = 1\nprotocol = \"iluminet\"\nct = \"ct.nii\"\nlabels = \"labels.nii\"\nlabel_names = \"names.csv\"\n";
        let head =
            format!("{head}[patient.facts]\nage_years = 70\ngfr_ml_min = 51\ngfr_baseline_ml_min = 85\n{section}");
        (0..).zip(cycles).fold(head, |text, (n, file)| {
            text + &format!("[[cycles]]\ndate = 2024-0{}-15\nadministered_mbq = 7400\nseries = \"{file}\"\n", 1 + 2 * n)
        })
    };
    let section = "[partial_volume]\nmethod = \"gtm\"\nfwhm_mm = 9\n";
    let run = |text: &str, out: &str| {
        write(folder, "COURSE.toml", text);
        lutra(folder, &["course", "COURSE.toml", "--out", out, "--histories", "2e4", "--engine", "cpu"])
    };
    let output = run(&course(&["ONE.toml", "TWO.toml"], section), "out");
    assert!(output.status.success(), "{}", stderr(&output));
    let told = stderr(&output);
    assert_eq!(told.matches("corrected by gtm, FWHM 9.00").count(), 1, "one of two cycles: {told}");
    let output = run(&course(&["ONE.toml", "THREE.toml"], section), "twice");
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("corrected (recovery)"), "{}", stderr(&output));
    let output = run(&course(&["ONE.toml"], "[partial_volume]\nmethod = \"gmt\"\n"), "no");
    assert!(stderr(&output).contains("COURSE.toml: [partial_volume]: method: found \"gmt\""), "{}", stderr(&output));
}

/// The chain's steps on uniform kidneys: 30 % of the maximum is the outline, and every later step follows by hand.
#[test]
fn cli_tia_states_every_step_of_a_chain() {
    let folder = tempfile::tempdir().expect("folder");
    let folder = folder.path();
    patient(folder);
    let asked = "chain = \"rudisile-2019\"\nchain_regions = [\"kidney_right\", \"kidney_left\"]\n";
    let with = |text: String, head: &str| text.replacen("schema = 1\n", &format!("schema = 1\n{head}"), 1);
    let spheres = "[[volumes]]\nregion = \"kidney_left\"\nkind = \"spheres\"\ncount = 2\nvolume_ml = 0.5\n";
    let measured = |text: &str, out: &str| -> serde_json::Value {
        write(folder, "SERIES.toml", text);
        let output = lutra(folder, &["tia", "SERIES.toml", "--ct", "ct.nii", "--out", out]);
        assert!(output.status.success(), "{}", stderr(&output));
        let record = std::fs::read_to_string(folder.join(out).join("tia.json")).expect("tia.json");
        serde_json::from_str::<serde_json::Value>(&record).expect("JSON")["volumes"].clone()
    };
    let number = |value: &serde_json::Value| value.as_f64().unwrap_or(f64::NAN);
    let three = measured(&(with(series(&[24.0, 96.0, 168.0]), asked) + spheres), "three");
    // 48 voxels of 125 mm3 each
    let outline_ml = 6.0;
    for (one, (start, half)) in
        [0, 1, 2].map(|n| &three[n]).into_iter().zip([(0.8, 50.0_f64), (0.7, 60.0), (0.7, 60.0)])
    {
        let sphere = one["volume"].get("spheres").is_some();
        assert!(sphere || (number(&one["images"][0]["volume_ml"]) - outline_ml).abs() < 1e-9, "{one}");
        let activity = start * (-24.0 / half).exp2() * outline_ml;
        assert!((number(&one["images"][0]["activity_mbq"]) / activity - 1.0).abs() < 1e-5, "{one}");
        let tia = start * outline_ml * half / std::f64::consts::LN_2;
        assert!((number(&one["tia_mbq_h"]) / tia - 1.0).abs() < 1e-4, "{one}");
        assert!((number(&one["effective_half_life_h"]) - half).abs() < 0.01);
        let dose = tia * 3.6 * number(&one["s_mgy_per_mbq_s"]);
        assert!((number(&one["dose_gy"]) / dose - 1.0).abs() < 1e-4);
        // electrons of 177Lu, 147 keV, hold nearly all of a kidney's own S value
        let local = 147.9 * 1.602e-4 / number(&one["mass_g"]);
        assert!((number(&one["s_mgy_per_mbq_s"]) / local - 1.0).abs() < 0.06, "{one}");
    }
    assert_eq!(three[0]["chain"], "rudisile-2019");
    // below three scans the half-life of an earlier cycle, stated or refused
    let stated = "chain_half_life_h = { kidney_right = 52, kidney_left = 52 }\n";
    let two = measured(&with(series(&[24.0, 96.0]), &format!("{asked}{stated}")), "two");
    let last = 0.8 * (-96.0 / 50.0_f64).exp2() * outline_ml;
    let tia = last * (96.0 / 52.0_f64).exp2() * 52.0 / std::f64::consts::LN_2;
    assert!((number(&two[0]["tia_mbq_h"]) / tia - 1.0).abs() < 1e-5, "{}", two[0]);
    for (text, part) in [
        (with(series(&[24.0, 96.0]), asked), "scans: found 2 scans and no earlier half-life"),
        (with(series(&[24.0, 96.0]), "chain = \"lmu\"\nchain_regions = [\"kidney_left\"]\n"), "chain: found \"lmu\""),
        (with(series(&[24.0, 96.0]), "chain = \"rudisile-2019\"\n"), "chain_regions: found none"),
        (with(series(&[24.0, 96.0, 168.0]), &asked.replace("kidney_left", "kidney")), "region: found \"kidney\""),
        (series(&[24.0]) + &spheres.replace("count = 2", "count = 0"), "count, volume_ml"),
        (series(&[24.0, 96.0]) + &spheres.replace("volume_ml = 0.5", "volume_ml = 5"), "of 2 spheres fit"),
        (series(&[24.0]) + &spheres.replace("spheres", "isocontour"), "share: found none"),
    ] {
        write(folder, "SERIES.toml", &text);
        let output = lutra(folder, &["tia", "SERIES.toml", "--ct", "ct.nii", "--out", "no"]);
        assert_eq!(output.status.code(), Some(2), "{part}: {}", stdout(&output));
        assert!(stderr(&output).contains(part), "{part}: {}", stderr(&output));
    }
    write(folder, "SERIES.toml", &with(series(&[24.0, 96.0, 168.0]), asked));
    let output = lutra(folder, &["tia", "SERIES.toml", "--out", "no"]);
    assert!(stderr(&output).contains("volumes: CT: found none"), "{}", stderr(&output));
}
