//! Series: files refused by name, and the known case of a liver CT.

#![allow(clippy::print_stdout, reason = "tests tell what they measured or why they were skipped")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::input::{check_transform, day, days_between, hours_between, moment};
use super::series::{DecayCorrection, ImageUnit, Series};
use super::tia::*;
use super::time_activity::{ErrorModel, FitFlag, Model};
use crate::grid::{Volume, VoxelGrid};
use crate::io::nifti;
use crate::source::Shares;

const GOOD: &str = r#"
schema = 1
unit = "bq_ml"
decay_correction = "none"
labels = "labels.nii.gz"
relative_error = 0.05
[[images]]
file = "a.nii.gz"
time_h = 4.1
[[images]]
file = "b.nii.gz"
time_h = 24.3
[[images]]
file = "c.nii.gz"
time_h = 71.6
"#;

#[test]
fn io_series_is_read() {
    let series = Series::parse(GOOD, "SERIES.toml").unwrap();
    assert_eq!(series.unit, ImageUnit::BqMl);
    assert_eq!(series.decay_correction, DecayCorrection::None);
    assert_eq!(series.images.len(), 3);
    assert_eq!(series.images[1].reference_time_h, 24.3);
    assert_eq!(series.default_method, Method::Model(Model::Mono));
}

#[test]
fn io_series_faults_are_named() {
    let refused = |find: &str, replace: &str| {
        assert!(GOOD.contains(find), "{find}");
        Series::parse(&GOOD.replacen(find, replace, 1), "SERIES.toml").unwrap_err().to_string()
    };
    for (find, replace, words) in [
        ("decay_correction = \"none\"\n", "", "decay_correction: found none stated"),
        ("unit = \"bq_ml\"\n", "", "unit: found none stated"),
        ("time_h = 71.6", "time_h = 20.0", "images in order of time"),
        ("time_h = 71.6", "time_h = 71.6\nunit = \"mbq_voxel\"", "\"mbq_voxel\" beside \"bq_ml\""),
        ("time_h = 71.6", "scan_start = \"2024-03-31T10:00:00+02:00\"", "one kind of time"),
        ("time_h = 71.6", "time_hours = 71.6", "time_hours"),
        ("relative_error = 0.05", "relative_error = 5", "above 0 and below 1"),
        ("schema = 1", "schema = 7", "schema"),
        ("\"bq_ml\"", "\"counts\"", "[calibration]: found none"),
        (
            "relative_error",
            "calibration = { file = \"c\", camera = \"a\", collimator = \"b\", reconstruction = \"d\" }\nrelative_error",
            "images in bq_ml",
        ),
        (
            "relative_error",
            "partial_volume = { method = \"gtm\", fwhm_mm = 60 }\nrelative_error",
            "fwhm_mm: found 60 mm",
        ),
        (
            "relative_error",
            "corrected = \"RC\"\npartial_volume = { method = \"gtm\" }\nrelative_error",
            "corrected (RC)",
        ),
        ("relative_error", "[fit]\nmethod = \"biexp\"\n[ignored]\nrelative_error", ""),
    ] {
        let error = refused(find, replace);
        assert!(error.starts_with("SERIES.toml: ") && error.contains(words), "{error}");
        assert!(error.contains("; allowed: "), "{error}");
    }
    let fit = format!("{GOOD}\n[fit]\nmethod = \"biexp\"\n");
    let error = Series::parse(&fit, "S").unwrap_err().to_string();
    assert!(error.contains("uptake-clearance, two-phase-physical-tail, two-phase"), "{error}");
    let fit = format!("{GOOD}\n[fit]\nmethod = \"population-half-life\"\n");
    assert!(Series::parse(&fit, "S").unwrap_err().to_string().contains("half_life_h"));
}

/// An uncertainty below 0, above 100 %, of nothing or no number, wherever a series may state one.
#[test]
fn io_uncertainties_that_are_none_are_refused_by_name() {
    let fit = |field: &str| {
        format!("{GOOD}\n[fit]\nmethod = \"population-half-life\"\nhalf_life_h = 50\nhalf_life_rel_error = {field}\n")
    };
    let planar = |value: &str| {
        format!("{GOOD}\n[[planar]]\ntime_h = 24.0\ncounts = {{ kidney = 100.0 }}\nrelative_error = {value}\n")
    };
    for value in ["-0.05", "1.5", "nan", "inf"] {
        let of = |find: &str, text: String| (GOOD.replacen(find, &text, 1), "relative_error");
        let texts = [
            of("relative_error = 0.05", format!("relative_error = {value}")),
            of("time_h = 24.3", format!("time_h = 24.3\nrelative_error = {value}")),
            (GOOD.replacen("schema = 1", &format!("schema = 1\nsystematic_error = {value}"), 1), "systematic_error"),
            (fit(value), "half_life_rel_error"),
            (planar(value), "planar"),
        ];
        for (text, field) in texts {
            let error = Series::parse(&text, "SERIES.toml").unwrap_err().to_string();
            assert!(error.contains(field) && error.contains("below 1"), "{value} {field}: {error}");
        }
    }
}

#[test]
fn io_clock_times_cross_midnight_and_summer_time() {
    // Central Europe 2024-03-31: clocks go from 02:00+01:00 to 03:00+02:00.
    let clock = |offset: &str| {
        format!(
            r#"
schema = 1
unit = "bq_ml"
decay_correction = "to_scan_start"
labels = "l.nii"
injection_time = "2024-03-30T23:30:00+01:00"
[[images]]
file = "a"
scan_start = "2024-03-31T03:30:00{offset}"
duration_min = 60
[[images]]
file = "b"
scan_start = 2024-03-31T23:30:00+02:00
duration_min = 60
"#
        )
    };
    let series = Series::parse(&clock("+02:00"), "S").unwrap();
    // 23:30 to 03:30 on the clock are three hours, not four; plus half the scan.
    assert!((series.images[0].time_h - 3.5).abs() < 1e-12, "{}", series.images[0].time_h);
    assert!((series.images[0].reference_time_h - 3.0).abs() < 1e-12);
    assert!((series.images[1].time_h - 23.5).abs() < 1e-12);
    let error = Series::parse(&clock(""), "S").unwrap_err().to_string();
    assert!(error.contains("offset from UTC"), "{error}");
    // A night in October that has two 02:30.
    let first = moment("f", "t", "2024-10-27T02:30:00+02:00").unwrap();
    let second = moment("f", "t", "2024-10-27T02:30:00+01:00").unwrap();
    assert!((hours_between(first, second) - 1.0).abs() < 1e-12);
    let (a, b) = (day("f", "d", "2024-01-10").unwrap(), day("f", "d", "2024-04-03").unwrap());
    assert_eq!(days_between(a, b), 84);
    assert_eq!(days_between(day("f", "d", "2023-12-31").unwrap(), a), 10);
    assert!(day("f", "d", "10.1.2024").is_err());
}

#[test]
fn io_transforms_that_mirror_are_refused() {
    let mut matrix = [[1.0, 0.0, 0.0, 5.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]];
    check_transform("f", "t", &matrix).unwrap();
    matrix[0][0] = -1.0;
    assert!(check_transform("f", "t", &matrix).unwrap_err().to_string().contains("mirrors the patient"));
    // Two flips are a rotation.
    matrix[1][1] = -1.0;
    check_transform("f", "t", &matrix).unwrap();
    matrix[2][2] = 10.0;
    assert!(check_transform("f", "t", &matrix).is_err());
}

fn image(name: &str, time_h: f64, values: &[f64]) -> ActivityImage {
    let grid = VoxelGrid::axis_aligned([values.len(), 1, 1], [1.0; 3], [0.0; 3]);
    ActivityImage {
        name: name.to_owned(),
        time_h,
        activity_mbq: Volume { grid, data: values.to_vec() },
        rel_sigma: Some(0.05),
    }
}

struct Setup {
    images: Vec<ActivityImage>,
    labels: Vec<u16>,
    names: BTreeMap<u16, String>,
    method: Method,
    methods: Vec<RegionMethod>,
    earlier: BTreeMap<String, EarlierHalfLife>,
    half_life_h: f64,
    voxelwise: bool,
    administered_mbq: Option<f64>,
}

impl Setup {
    fn new(images: Vec<ActivityImage>, labels: Vec<u16>) -> Self {
        Self {
            images,
            labels,
            names: BTreeMap::from([(1, "kidney_left".to_owned()), (2, "tumour".to_owned())]),
            method: Method::Model(Model::Mono),
            methods: Vec::new(),
            earlier: BTreeMap::new(),
            half_life_h: 159.53,
            voxelwise: false,
            administered_mbq: None,
        }
    }

    fn run(&self) -> Result<TiaMap, TiaError> {
        integrate_series(&TiaInput {
            images: &self.images,
            shares: &Shares::whole(&self.labels),
            concentrations: &[],
            air: None,
            names: &self.names,
            physical_half_life_h: self.half_life_h,
            default_method: &self.method,
            region_methods: &self.methods,
            planar: &BTreeMap::new(),
            earlier: &self.earlier,
            error_model: ErrorModel::Relative,
            systematic_rel_sigma: 0.1,
            corrected: &BTreeMap::new(),
            placed: &BTreeMap::new(),
            voxelwise: self.voxelwise,
            administered_mbq: self.administered_mbq,
            readings: &[],
        })
    }
}

fn decaying(half_lives_h: &[f64], start_mbq: &[f64]) -> Vec<ActivityImage> {
    [4.0, 24.0, 72.0, 168.0]
        .iter()
        .enumerate()
        .map(|(k, &t)| {
            let values: Vec<f64> = half_lives_h.iter().zip(start_mbq).map(|(h, a)| a * (-t / h).exp2()).collect();
            image(&format!("image {k}"), t, &values)
        })
        .collect()
}

#[test]
fn law_map_adds_up_to_its_regions() {
    let mut setup = Setup::new(decaying(&[50.0, 50.0, 80.0, 60.0], &[3.0, 1.0, 2.0, 0.5]), vec![1, 1, 2, 0]);
    let ln2 = std::f64::consts::LN_2;
    for voxelwise in [false, true] {
        setup.voxelwise = voxelwise;
        let map = setup.run().unwrap();
        for (voxel, expected) in [3.0 * 50.0, 50.0, 2.0 * 80.0, 0.5 * 60.0].iter().enumerate() {
            let mbq_h = map.decays.data[voxel] / crate::units::DECAYS_PER_MBQ_H;
            assert!((mbq_h / (expected / ln2) - 1.0).abs() < 1e-6, "voxel {voxel}: {mbq_h}");
        }
        for region in &map.regions {
            let own = region.integral.as_ref().unwrap().decays();
            assert!((region.map_decays / own - 1.0).abs() < 1e-6);
        }
    }
}

#[test]
fn io_units_that_cannot_be_are_refused() {
    let mut images = decaying(&[50.0, 50.0], &[30.0, 10.0]);
    for value in &mut images[2].activity_mbq.data {
        *value *= 1e6;
    }
    let error = Setup::new(images.clone(), vec![1, 1]).run().unwrap_err();
    assert!(matches!(error, TiaError::UnitsDiffer { .. }), "{error}");
    let mut setup = Setup::new(decaying(&[50.0, 50.0], &[3e6, 1e6]), vec![1, 1]);
    setup.administered_mbq = Some(7400.0);
    assert!(matches!(setup.run(), Err(TiaError::Impossible(_))));
    let mut nan = decaying(&[50.0], &[30.0]);
    nan[1].activity_mbq.data[0] = f64::NAN;
    assert!(matches!(Setup::new(nan, vec![1]).run(), Err(TiaError::NotANumber { .. })));
    let mut setup = Setup::new(decaying(&[50.0], &[30.0]), vec![1]);
    setup.methods = vec![RegionMethod { region: "kidney_lfet".to_owned(), method: Method::Model(Model::Mono) }];
    assert!(matches!(setup.run(), Err(TiaError::UnknownRegion { .. })));
}

#[test]
fn law_refused_fit_loses_nothing() {
    let mut images = decaying(&[50.0, 80.0], &[30.0, 10.0]);
    images[3].activity_mbq.data[0] = 40.0;
    let map = Setup::new(images, vec![1, 2]).run().unwrap();
    let first = map.regions[0].integral.as_ref().unwrap();
    let reason = first.flags.iter().find_map(|f| match f {
        FitFlag::FellBack { reason } => Some(reason.clone()),
        _ => None,
    });
    assert!(reason.unwrap().contains("are the scan times swapped?"));
    assert!(map.warnings.iter().any(|w| w.contains("kidney_left")));
    assert!(first.tia_mbq_h > 40.0 * 159.53 / std::f64::consts::LN_2);
    assert_eq!(map.regions[1].integral.as_ref().unwrap().method, "mono");
}

/// What no measurement could mend is refused at once: too few images for a model, or for a choice between models.
#[test]
fn io_methods_that_the_images_cannot_serve_are_refused() {
    let mut setup = Setup::new(decaying(&[50.0, 80.0], &[30.0, 10.0]), vec![1, 2]);
    setup.methods =
        vec![RegionMethod { region: "tumour".to_owned(), method: Method::Aicc(vec![Model::Mono, Model::TwoPhase]) }];
    let error = setup.run().unwrap_err();
    assert!(matches!(error, TiaError::Images { .. }), "{error}");
    assert!(error.to_string().starts_with("region tumour: ") && error.to_string().contains("AICc"), "{error}");
    setup.methods = vec![RegionMethod { region: "tumour".to_owned(), method: Method::Model(Model::TwoPhase) }];
    setup.run().expect("four points for four parameters");
    setup.images.truncate(3);
    assert!(matches!(setup.run(), Err(TiaError::Images { .. })));
}

#[test]
fn law_previous_half_life_comes_from_the_course() {
    let mut setup = Setup::new(vec![image("one", 72.0, &[20.0])], vec![1]);
    setup.method = Method::PreviousCycle { half_life_h: None, half_life_rel_sigma: None, cycle: None };
    assert!(matches!(setup.run(), Err(TiaError::Missing { .. })));
    setup.earlier.insert(
        "kidney_left".to_owned(),
        EarlierHalfLife { half_life_h: 52.0, rel_sigma: Some(0.05), cycle: 1, scans: vec![] },
    );
    let map = setup.run().unwrap();
    assert!((map.regions[0].integral.as_ref().unwrap().tia_mbq_h - 3917.6).abs() < 0.05);
}

// ---- the known case ---------------------------------------------------------------------------

fn case(name: &str) -> Option<PathBuf> {
    crate::needs::shared(&format!("cases/{name}/case.json"))?.parent().map(std::path::Path::to_path_buf)
}

const TIMES: [(&str, f64); 4] = [("t004", 4.1), ("t024", 24.3), ("t072", 71.6), ("t168", 167.8)];

fn load(folder: &std::path::Path, kind: &str, times: &[(&str, f64)]) -> Vec<ActivityImage> {
    times
        .iter()
        .map(|(tag, time_h)| {
            let volume = nifti::read_as::<f64>(folder.join(format!("mono/{kind}_{tag}.nii.gz"))).unwrap();
            let scale = ImageUnit::BqMl.mbq_per_value(volume.grid.voxel_cm3()).expect("Bq/mL needs no calibration");
            ActivityImage {
                name: (*tag).to_owned(),
                time_h: *time_h,
                activity_mbq: volume.map(|v| v * scale),
                rel_sigma: Some(0.02),
            }
        })
        .collect()
}

/// Labels of voxels whose 26 neighbours carry the same label: free of partial volume.
fn core(labels: &Volume<u16>) -> Vec<u16> {
    let [nx, ny, nz] = labels.grid.dims;
    let mut kept = vec![0; labels.data.len()];
    for k in 1..nz - 1 {
        for j in 1..ny - 1 {
            for i in 1..nx - 1 {
                let own = labels.at(i, j, k);
                let same = (0..27).all(|n| labels.at(i + n % 3 - 1, j + n / 3 % 3 - 1, k + n / 9 - 1) == own);
                if same {
                    kept[labels.grid.index(i, j, k)] = own;
                }
            }
        }
    }
    kept
}

fn truth_half_life_h(case: &serde_json::Value, label: u16) -> f64 {
    case["truth"]["mono"][label.to_string()]["components"][0]["T_eff_h"].as_f64().unwrap()
}

#[test]
fn reference_series_recovers_half_life_and_integral() {
    let Some(folder) = case("liver-ct-series") else { return };
    let case: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("case.json")).unwrap()).unwrap();
    let labels = nifti::read_labels(folder.join("labels.nii.gz")).unwrap();
    let truth = nifti::read_as::<f64>(folder.join("tia_true.nii.gz")).unwrap();
    let mut setup = Setup::new(load(&folder, "ideal", &TIMES), core(&labels));
    setup.half_life_h = 159.4632;
    setup.administered_mbq = Some(7400.0);
    let mut seen = 0;
    for voxelwise in [false, true] {
        setup.voxelwise = voxelwise;
        let map = setup.run().unwrap();
        for region in map.regions.iter().filter(|r| r.label > 0 && r.voxels > 0) {
            let integral = region.integral.as_ref().unwrap();
            let half_life = truth_half_life_h(&case, region.label);
            let true_decays: f64 =
                (0..truth.data.len()).filter(|&v| setup.labels[v] == region.label).map(|v| truth.data[v]).sum();
            let off = integral.effective_half_life_h / half_life - 1.0;
            assert!(off.abs() < 1e-3, "label {}: half-life off by {off:e}", region.label);
            let off = region.map_decays / true_decays - 1.0;
            assert!(off.abs() < 1e-3, "label {}: integral off by {off:e}", region.label);
            seen += 1;
        }
    }
    println!("{seen} region fits, half-life and integral within 0.1 %");
    assert!(seen >= 2 * 10, "only {seen} regions have a core");
}

#[test]
fn alarm_series_rings_on_a_time_off_by_an_hour() {
    let Some(folder) = case("liver-ct-series") else { return };
    let labels = nifti::read_labels(folder.join("labels.nii.gz")).unwrap();
    let mut setup = Setup::new(load(&folder, "ideal", &TIMES), core(&labels));
    setup.half_life_h = 159.4632;
    setup.images[1].time_h += 1.0;
    let map = setup.run().unwrap();
    let kidney = map.regions.iter().find(|r| r.label == 2).unwrap().integral.as_ref().unwrap();
    assert!((kidney.effective_half_life_h / 50.0 - 1.0).abs() > 1e-3);
}

#[test]
fn reference_series_noise_stays_within_the_stated_uncertainty() {
    let Some(folder) = case("liver-ct-series") else { return };
    let labels = nifti::read_labels(folder.join("labels.nii.gz")).unwrap();
    let clean = Setup::new(load(&folder, "blur6", &TIMES), labels.data.clone()).run().unwrap();
    let noisy_images = load(&folder, "noisy", &TIMES);
    let mut pulls = Vec::new();
    for region in clean.regions.iter().filter(|r| r.label > 0) {
        // 2000 counts per MBq: the counting error of this region's sum at each time.
        let mut setup = Setup::new(noisy_images.clone(), labels.data.clone());
        for (image, point) in setup.images.iter_mut().zip(&region.points) {
            image.rel_sigma = Some((2000.0 * point.activity_mbq).sqrt().recip());
        }
        let noisy = setup.run().unwrap();
        let own = noisy.regions.iter().find(|r| r.label == region.label).unwrap().integral.clone().unwrap();
        // The same weights for the expectation, so that curves that are no single exponential agree.
        setup.images.iter_mut().zip(load(&folder, "blur6", &TIMES)).for_each(|(a, b)| a.activity_mbq = b.activity_mbq);
        let expected = setup.run().unwrap();
        let expected = expected.regions.iter().find(|r| r.label == region.label).unwrap().integral.clone().unwrap();
        if expected.method != "mono" || own.method != "mono" {
            continue;
        }
        let pull = (own.tia_mbq_h / expected.tia_mbq_h).ln() / own.rel_sigma.unwrap();
        println!(
            "label {:2}: {:+.3} % of {:.3} %",
            region.label,
            100.0 * (own.tia_mbq_h / expected.tia_mbq_h - 1.0),
            100.0 * own.rel_sigma.unwrap()
        );
        pulls.push(pull);
    }
    let worst = pulls.iter().fold(0.0_f64, |w, p| w.max(p.abs()));
    let width = (pulls.iter().map(|p| p * p).sum::<f64>() / pulls.len() as f64).sqrt();
    println!("{} regions: rms pull {width:.2}, largest {worst:.2}", pulls.len());
    assert!(pulls.len() >= 14);
    // 16 pulls of unit width: an rms above 1.4 or one beyond 3.5 has a chance of 1 %
    assert!(worst < 3.5 && (0.4..1.4).contains(&width), "rms pull {width}, largest {worst}");
}

#[test]
fn reference_series_single_time_point_table() {
    let Some(folder) = case("liver-ct-series") else { return };
    let case: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("case.json")).unwrap()).unwrap();
    use super::single_time_point::{fixed_half_life_mbq_h, hanscheid_2018_mbq_h};
    let mut compared = 0;
    for model in ["mono", "biexp"] {
        for (tag, time_h) in &TIMES[1..] {
            let table = case["single_time_point"][model][*tag].as_object().unwrap();
            for (_, region) in case["truth"][model].as_object().unwrap() {
                let name = region["name"].as_str().unwrap();
                let activity = region["activity_MBq_at"][*tag].as_f64().unwrap();
                let true_mbq_h = region["decays"].as_f64().unwrap() / crate::units::DECAYS_PER_MBQ_H;
                let row = &table[name];
                let hanscheid = hanscheid_2018_mbq_h(activity, *time_h) / true_mbq_h;
                let wanted = row["haenscheid_TIA_over_true"].as_f64().unwrap();
                assert!((hanscheid / wanted - 1.0).abs() < 1e-6, "{model} {tag} {name}: {hanscheid} {wanted}");
                // The known half-life is that of the organ table: the one of the mono-exponential truth.
                let label = u16::try_from(region["label"].as_u64().unwrap()).unwrap();
                let half_life = truth_half_life_h(&case, label);
                let known = fixed_half_life_mbq_h(activity, *time_h, half_life) / true_mbq_h;
                let wanted = row["known_Teff_TIA_over_true"].as_f64().unwrap();
                assert!((known / wanted - 1.0).abs() < 1e-6, "{model} {tag} {name}: {known} {wanted}");
                compared += 2;
            }
        }
    }
    assert_eq!(compared, 2 * 2 * 3 * 16);
}
