//! Stated uncertainty against truth over virtual patients in whom everything is drawn: calibration, noise, a width of the image's
//! resolution that is misjudged, outlines that are shifted and grown, motion between scans, and kinetics of another
//! population than the prior's.

use lutra::budget::{Cycle, Kind, Origin, Part, Patient, Region, Response, Source, chain, first_order};
use lutra::draws::Normals;
use lutra::kinetics::{BUILT_IN, Prior, Scan, fit};
use lutra::quantify::sphere::{profile, radius_mm, recovery_of_volume};

const TIMES_H: [f64; 3] = [24.0, 96.0, 168.0];
const FWHM_MM: f64 = 9.0;
/// Sizes (k = 1) of what is drawn: calibration, width of the resolution, noise of a scan, outline all over, outline shifted,
/// motion of a scan.
const CALIBRATION: f64 = 0.05;
const WIDTH: f64 = 0.10;
const NOISE: f64 = 0.03;
const GROWN_MM: f64 = 0.7;
const SHIFTED_MM: f64 = 1.0;
const MOVED_MM: f64 = 1.0;

/// Blurred activity of a sphere of `radius` in an outline of another radius at a distance, over the sphere's own.
fn counts(radius: f64, outline: f64, distance: f64) -> f64 {
    let steps = 200;
    let far = outline + distance;
    let width = far / steps as f64;
    let share = |r: f64| {
        if distance < 1e-9 {
            return if r < outline { 1.0 } else { 0.0 };
        }
        // of the sphere of radius r about the true middle, what lies in the outline
        let cosine = (r * r + distance * distance - outline * outline) / (2.0 * r * distance);
        0.5 * (1.0 - cosine.clamp(-1.0, 1.0))
    };
    let at = |n: i32| (f64::from(n) + 0.5) * width;
    (0..steps).map(at).map(|r| share(r) * profile(radius, FWHM_MM, r) * 3.0 * r * r * width / radius.powi(3)).sum()
}

/// d ln R / d ln v at a volume, and d ln R / d ln FWHM.
fn slopes(volume_ml: f64, fwhm_mm: f64) -> (f64, f64) {
    let step: f64 = 1e-3;
    let of = |v: f64, w: f64| recovery_of_volume(volume_ml * v.exp(), fwhm_mm * w.exp()).ln();
    ((of(step, 0.0) - of(-step, 0.0)) / (2.0 * step), (of(0.0, step) - of(0.0, -step)) / (2.0 * step))
}

/// What is stated of a region: ln of its dose over the true one, and the uncertainty.
struct Stated {
    off: f64,
    sigma: f64,
}

/// One region of a patient of whom calibration and width are known to be off by these factors.
fn region(
    prior: &Prior,
    name: &str,
    volume_ml: f64,
    half_life_h: f64,
    (calibration, width): (f64, f64),
    normals: &mut Normals,
) -> Stated {
    let (radius, organ) = (radius_mm(volume_ml), prior.organ_of(name).expect("an organ"));
    let outline = radius + GROWN_MM * normals.one();
    let shift = [SHIFTED_MM * normals.one(), SHIFTED_MM * normals.one(), SHIFTED_MM * normals.one()];
    let own_ml = volume_ml * (outline / radius).powi(3);
    let stated_fwhm = FWHM_MM * width;
    let recovery = recovery_of_volume(own_ml, stated_fwhm);
    let mut scan = |time_h: f64| {
        let moved: f64 = shift.iter().map(|s| (s + MOVED_MM * normals.one()).powi(2)).sum::<f64>().sqrt();
        let seen = counts(radius, outline, moved) * (NOISE * normals.one()).exp();
        let activity_mbq = 100.0 * (-time_h / half_life_h).exp2() * seen * calibration / recovery;
        Scan { time_h, activity_mbq, rel_sigma: Some(NOISE), gbq_ml: None }
    };
    let scans = TIMES_H.map(&mut scan).to_vec();
    let found = fit(organ, &[scans]).expect("a fit");
    let truth = 100.0 * half_life_h / std::f64::consts::LN_2;
    let off = (found.tia_mbq_h / own_ml / (truth / volume_ml)).ln();
    // what is stated knows the outline drawn and the width assumed, not the true ones
    let (by_volume, by_width) = slopes(own_ml, stated_fwhm);
    let outline_part = Part {
        on_activity: chain::activity_by_volume(own_ml, stated_fwhm, recovery, by_volume),
        on_response: -1.0,
        ..Part::of_activity(
            Source::Outline,
            Kind::Patient,
            Origin::Stated,
            chain::volume_rel_sigma_of_outline(own_ml, GROWN_MM),
        )
    };
    let width_part = Part {
        on_activity: by_width,
        ..Part::of_activity(Source::PartialVolume, Kind::Patient, Origin::Stated, WIDTH)
    };
    // motion and shift lose counts at the edge: their mean loss is taken as its own uncertainty
    let lost = counts(radius_mm(own_ml), radius_mm(own_ml), SHIFTED_MM.hypot(MOVED_MM) * 3.0_f64.sqrt());
    let registration = 1.0 - lost / counts(radius_mm(own_ml), radius_mm(own_ml), 0.0);
    let parts = vec![
        Part::of_activity(Source::Calibration, Kind::Clinic, Origin::Stated, CALIBRATION),
        width_part,
        outline_part,
        Part::of_activity(Source::Registration, Kind::Patient, Origin::Stated, registration),
        Part::of_activity(Source::Fit, Kind::Cycle, Origin::Stated, found.rel_sigma),
    ];
    let one = Region { name: name.to_owned(), tia_mbq_h: found.tia_mbq_h, scans: 3, reintegrate: None, parts, g: 0.0 };
    let response = Response { gy_per_mbq_h: vec![vec![1.0 / own_ml]], rel_sigma: vec![vec![0.002]] };
    let patient = Patient { cycles: vec![Cycle { regions: vec![one], response }], alpha_beta_gy: vec![2.6] };
    Stated { off, sigma: first_order(&patient).expect("a patient").0[0][0].rel_sigma }
}

/// Kidneys and tumours of virtual patients.
fn cohort(patients: usize) -> [Vec<Stated>; 2] {
    let (name, text) = BUILT_IN[0];
    let prior = Prior::parse(text, name, |_| Some(159.53)).expect("built in");
    let mut normals = Normals::new(2024);
    let (mut kidneys, mut tumours) = (Vec::new(), Vec::new());
    for _ in 0..patients {
        let common = ((CALIBRATION * normals.one()).exp(), (WIDTH * normals.one()).exp());
        // another population than the prior's: longer and wider
        let patient = 0.2 * normals.one();
        for side in ["kidney_left", "kidney_right"] {
            let (volume_ml, half_life_h) =
                (150.0 * (0.2 * normals.one()).exp(), (54.5_f64.ln() + patient + 0.1 * normals.one()).exp());
            kidneys.push(region(&prior, side, volume_ml, half_life_h, common, &mut normals));
        }
        for n in 1..=3 {
            // 2 to 60 mL
            let volume_ml = 2.0 + 58.0 * (0.5 + 0.25 * normals.one()).clamp(0.0, 1.0).powi(3);
            let half_life_h = (85.0_f64.ln() + 0.22 * normals.one()).exp().min(150.0);
            tumours.push(region(&prior, &format!("tumour_{n}"), volume_ml, half_life_h, common, &mut normals));
        }
    }
    [kidneys, tumours]
}

/// Shares within k = 1 and k = 2, and the mean stated width over the actual spread.
fn coverage(all: &[Stated]) -> [f64; 3] {
    let n = all.len() as f64;
    let within = |k: f64| all.iter().filter(|s| s.off.abs() < k * s.sigma).count() as f64 / n;
    let spread = (all.iter().map(|s| s.off * s.off).sum::<f64>() / n).sqrt();
    let stated = (all.iter().map(|s| s.sigma * s.sigma).sum::<f64>() / n).sqrt();
    [within(1.0), within(2.0), stated / spread]
}

#[test]
fn law_stated_intervals_hold_the_truth_of_virtual_patients() {
    for (what, all) in ["kidneys", "tumours"].iter().zip(cohort(300)) {
        let [one, two, width] = coverage(&all);
        println!("{what}: {} regions, k = 1 {one:.3}, k = 2 {two:.3}, stated over actual {width:.3}", all.len());
        assert!((one - 0.68).abs() <= 0.04, "{what}: {one}");
        assert!((two - 0.95).abs() <= 0.03, "{what}: {two}");
        assert!(width < 1.3, "{what}: {width}");
    }
}

/// Without the calibration, or with the transport's statistics alone, the intervals miss the truth.
#[test]
fn alarm_a_forgotten_source_is_seen() {
    let [kidneys, _] = cohort(300);
    let without = |sigma: &dyn Fn(f64) -> f64| -> Vec<Stated> {
        kidneys.iter().map(|s| Stated { off: s.off, sigma: sigma(s.sigma) }).collect()
    };
    let [one, ..] = coverage(&without(&|sigma| (sigma * sigma - CALIBRATION * CALIBRATION).max(0.0).sqrt()));
    assert!((one - 0.68).abs() > 0.04, "{one}");
    let [_, two, _] = coverage(&without(&|_| 0.002));
    assert!(two < 0.2, "{two}");
}
