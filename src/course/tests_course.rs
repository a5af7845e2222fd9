//! Course files, frames and sums.

use std::collections::BTreeMap;

use super::accumulate::*;
use super::file::*;
use super::frame::*;
use crate::bed::{Radiobiology, g_mono};
use crate::grid::{Volume, VoxelGrid};

const GOOD: &str = r#"
schema = 1
protocol = "iluminet"
ct = "ct.nii.gz"
labels = "labels.nii.gz"
[effective_half_life_h]
kidney_left = 50.0
[patient]
id = "P-001"
[patient.facts]
age_years = 66
diabetes = false
[[ledger]]
what = "PRRT 2019"
structure = "kidney_left"
amount = { bed = { bed_gy = 12.0, alpha_beta_gy = 2.6 } }
[[radiobiology]]
region = "tumour"
set = "tumour-generic"
[[cycles]]
date = 2024-01-10
administered_mbq = 7400
tia = "c1.nii.gz"
tia_unit = "decays"
[[cycles]]
date = "2024-04-03"
administered_mbq = 7300
missing = "scanner down"
transform = [[1, 0, 0, 2], [0, 1, 0, 0], [0, 0, 1, 0]]
"#;

#[test]
fn io_course_is_read() {
    let course = Course::parse(GOOD, "COURSE.toml").unwrap();
    assert_eq!(course.cycles.len(), 2);
    assert_eq!(course.cycles[1].interval_d, Some(84));
    assert_eq!(course.cycles[1].content, CycleContent::Missing("scanner down".to_owned()));
    assert_eq!(course.cycles[1].effective_half_life_h["kidney_left"], 50.0);
    assert_eq!(course.protocol, ProtocolChoice::BuiltIn("iluminet".to_owned()));
    assert_eq!(course.facts.len(), 2);
    course.check_nuclide(159.5, 147.0, "COURSE.toml").unwrap();
    let error = course.check_nuclide(49.0, 147.0, "COURSE.toml").unwrap_err().to_string();
    assert!(error.contains("effective_half_life_h.kidney_left") && error.contains("49.00 h"), "{error}");
    assert!(course.radiobiology_of("tumour").is_some());
    assert!(course.radiobiology_of("liver").is_none(), "no hidden radiobiology");
}

#[test]
fn io_course_faults_are_named() {
    for (find, replace, words) in [
        ("2024-04-03", "2024-01-03", "cycles in order of time"),
        ("missing = \"scanner down\"", "", "never counted as zero"),
        ("missing = \"scanner down\"", "missing = \"x\"\ndose = \"d.nii\"", "dose and missing"),
        ("tia_unit = \"decays\"", "", "tia_unit"),
        ("administered_mbq = 7300", "administered_mbq = 7.3", "Write 7.4 GBq as 7400"),
        ("[[1, 0, 0, 2]", "[[-1, 0, 0, 2]", "mirrors the patient"),
        ("protocol = \"iluminet\"", "", "protocol or protocol_file"),
        ("set = \"tumour-generic\"", "set = \"tumor\"", "kidney-iluminet"),
        ("bed_gy = 12.0", "bed_gy = -12.0", "ledger"),
        ("date = 2024-01-10", "date = \"10.1.2024\"", "a day as in"),
        ("schema = 1", "schema = 1\ncycle = 3", "cycle"),
    ] {
        assert!(GOOD.contains(find), "{find}");
        let error = Course::parse(&GOOD.replacen(find, replace, 1), "COURSE.toml").unwrap_err().to_string();
        assert!(error.starts_with("COURSE.toml: ") && error.contains(words), "{find}: {error}");
    }
}

/// An uncertainty below 0, above 100 %, of nothing or no number, wherever a course may state one.
#[test]
fn io_uncertainties_that_are_none_are_refused_by_name() {
    for field in ["random_error", "systematic_error"] {
        for value in ["-0.05", "0.0", "1.5", "nan"] {
            let text =
                GOOD.replacen("administered_mbq = 7300", &format!("administered_mbq = 7300\n{field} = {value}"), 1);
            let error = Course::parse(&text, "COURSE.toml").unwrap_err().to_string();
            assert!(error.contains(&format!("cycles[2].{field}")) && error.contains("below 1"), "{value}: {error}");
        }
    }
}

fn ramp(dims: [usize; 3], origin_mm: [f64; 3]) -> Volume<f32> {
    let grid = VoxelGrid::axis_aligned(dims, [2.0, 3.0, 4.0], origin_mm);
    let data = (0..grid.len())
        .map(|n| {
            let [x, y, z] = grid.world_mm(grid.voxel(n).map(|i| i as f64));
            (1000.0 + 2.0 * x - y + 0.5 * z) as f32
        })
        .collect();
    Volume { grid, data }
}

#[test]
fn law_resampling_keeps_a_linear_field() {
    let volume = ramp([12, 10, 8], [0.0; 3]);
    let turn = 0.1_f64;
    let transform = [[turn.cos(), -turn.sin(), 0.0, 1.5], [turn.sin(), turn.cos(), 0.0, -0.7], [0.0, 0.0, 1.0, 0.4]];
    let target = VoxelGrid::axis_aligned([6, 5, 4], [2.0; 3], [7.0, 9.0, 8.0]);
    let (moved, outside) = resample(&volume, &target, &transform).unwrap();
    assert_eq!(outside, 0);
    let back = invert(&transform).unwrap();
    for n in 0..target.len() {
        let [x, y, z] = apply(&back, target.world_mm(target.voxel(n).map(|i| i as f64)));
        assert!((f64::from(moved.data[n]) - (1000.0 + 2.0 * x - y + 0.5 * z)).abs() < 1e-3);
    }
    let far = VoxelGrid::axis_aligned([2, 2, 2], [2.0; 3], [500.0; 3]);
    assert_eq!(resample(&volume, &far, &IDENTITY).unwrap().1, 8);
    assert_eq!(resample(&volume, &volume.grid, &IDENTITY).unwrap().0, volume);
}

#[test]
fn alarm_resampling_rings_on_the_inverse_taken_for_the_transform() {
    let volume = ramp([12, 10, 8], [0.0; 3]);
    let shift = [[1.0, 0.0, 0.0, 2.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]];
    let target = VoxelGrid::axis_aligned([3, 3, 3], [2.0; 3], [8.0; 3]);
    let right = resample(&volume, &target, &shift).unwrap().0;
    let wrong = resample(&volume, &target, &invert(&shift).unwrap()).unwrap().0;
    assert!((right.data[0] - wrong.data[0]).abs() > 5.0);
}

fn region(dose_gy: f64, half_life_h: Option<f64>) -> RegionCycle {
    RegionCycle {
        label: Some(1),
        mass_g: Some(150.0),
        effective_half_life_h: half_life_h,
        ..RegionCycle::of_dose(dose_gy, "stated")
    }
}

#[test]
fn law_sums_of_a_course() {
    let tissue = Radiobiology::KIDNEY_ILUMINET;
    let parameters = |name: &str| {
        (name == "kidney_left").then_some(RegionParameters {
            radiobiology: tissue,
            alpha_per_gy: Some(0.035),
            geud_a: Some(1.0),
        })
    };
    // Two voxels, 3 and 6 Gy a cycle, the mean 4.5 Gy: five cycles.
    let cycles: Vec<CycleDose> = (0..5)
        .map(|_| CycleDose {
            date: "2024-01-01".to_owned(),
            administered_gbq: 7.4,
            regions: BTreeMap::from([
                ("kidney_left".to_owned(), region(4.5, Some(52.0))),
                ("liver".to_owned(), region(1.0, None)),
            ]),
            dose_gy: Some(vec![3.0, 6.0, 1.0]),
        })
        .collect();
    let names = BTreeMap::from([(1, "kidney_left".to_owned()), (2, "liver".to_owned())]);
    let frame = CourseFrame { labels: &[1, 1, 2], names: &names, density_g_cm3: None };
    let done = accumulate(&cycles, Some(frame), &parameters).unwrap();
    let kidney = done.totals.iter().find(|t| t.region == "kidney_left").unwrap();
    assert!((kidney.dose_gy - 22.5).abs() < 1e-12);
    assert!((kidney.bed_gy.unwrap() - 24.49).abs() < 5e-3);
    assert!((kidney.voxel_mean_bed_gy.unwrap() - 5.0 * 4.942_167).abs() < 1e-4);
    assert!((kidney.geud_gy.unwrap() - 22.5).abs() < 1e-6);
    assert!((kidney.gy_per_gbq - 4.5 / 7.4).abs() < 1e-12);
    // the EUD is the uniform dose, in five equal cycles, whose BED is the EUBED
    let g = g_mono(2.8, 52.0);
    let (eud, eubed) = (kidney.eud_gy.unwrap(), kidney.eubed_gy.unwrap());
    assert!((5.0 * tissue.bed_gy(eud / 5.0, g) - eubed).abs() < 1e-9, "{eud} {eubed}");
    let bed = 5.0 * tissue.bed_gy(6.0, g);
    let liver = done.totals.iter().find(|t| t.region == "liver").unwrap();
    assert_eq!(liver.bed_gy, None);
    assert!((liver.dose_gy - 5.0).abs() < 1e-12);
    let voxels = done.voxels.unwrap();
    assert!((f64::from(voxels.bed_gy[1]) - 5.0 * tissue.bed_gy(6.0, g_mono(2.8, 52.0))).abs() < 1e-4);
    assert_eq!(voxels.bed_gy[2], 0.0);
    assert!((f64::from(voxels.eqd2_gy[1]) - bed / (1.0 + 2.0 / 2.6)).abs() < 1e-4 && voxels.eqd2_gy[2] == 0.0);
    // voxels that scatter below zero have no gEUD, and that is said; their sums stand
    let mut noisy = cycles.clone();
    noisy[0].dose_gy = Some(vec![-20.0, 29.0, 1.0]);
    let done_noisy = accumulate(&noisy, Some(frame), &parameters).unwrap();
    let kidney = done_noisy.totals.iter().find(|t| t.region == "kidney_left").unwrap();
    assert_eq!((kidney.geud_gy, kidney.dose_gy), (None, 22.5));
    assert!(
        done_noisy.warnings.iter().any(|w| w.to_string().contains("1 of its 2 voxels")),
        "{:?}",
        done_noisy.warnings
    );
    // A missing cycle is counted as missing, and the maps say so.
    let mut gap = cycles.clone();
    gap[2].regions.clear();
    gap[2].dose_gy = None;
    let done = accumulate(&gap, Some(frame), &parameters).unwrap();
    assert_eq!(done.totals[0].cycles_missing, 1);
    assert!(done.warnings.iter().any(|w| w.to_string().contains("cycle 3")));
    // A kidney without a half-life is refused by name.
    let mut none = cycles;
    none[1].regions.insert("kidney_left".to_owned(), region(4.5, None));
    let error = accumulate(&none, None, &parameters).unwrap_err();
    assert!(matches!(error, AccumulateError::HalfLife { cycle: 2, .. }));
}
