//! Laws of the budget: draws against the first-order formula and against brute force, and the alarms.

use super::draws::{Summary, draw, probability_above};
use super::*;
use crate::draws::Normals;

const ALPHA_BETA_GY: f64 = 2.6;

/// ln TIA of a mono-exponential through scans by least squares of the logarithms, MBq h.
fn mono(times_h: &[f64], activity_mbq: &[f64]) -> Option<f64> {
    let n = times_h.len() as f64;
    let (mean_t, mean_a) = (times_h.iter().sum::<f64>() / n, activity_mbq.iter().map(|a| a.ln()).sum::<f64>() / n);
    let spread: f64 = times_h.iter().map(|t| (t - mean_t).powi(2)).sum();
    let slope: f64 =
        times_h.iter().zip(activity_mbq).map(|(t, a)| (t - mean_t) * (a.ln() - mean_a)).sum::<f64>() / spread;
    (slope < 0.0).then(|| (mean_a - slope * mean_t).exp() / -slope)
}

const TIMES_H: [f64; 3] = [24.0, 96.0, 168.0];

/// A region with every source; `scale` times the usual sizes.
fn region(name: &str, start_mbq: f64, half_life_h: f64, scale: f64) -> Region<'static> {
    let scans: Vec<f64> = TIMES_H.iter().map(|t| start_mbq * (-t / half_life_h).exp2()).collect();
    let tia = mono(&TIMES_H, &scans).expect("falls");
    let part = |source, kind, rel_sigma: f64| Part::of_activity(source, kind, Origin::Stated, rel_sigma * scale);
    let outline = Part {
        on_activity: 0.6,
        on_response: -1.0,
        ..Part::of_activity(Source::Outline, Kind::Cycle, Origin::Image, 0.06 * scale)
    };
    Region {
        name: name.to_owned(),
        tia_mbq_h: tia,
        scans: 3,
        reintegrate: Some(Box::new(move |factors| {
            let moved: Vec<f64> = scans.iter().zip(factors).map(|(a, f)| a * f).collect();
            mono(&TIMES_H, &moved)
        })),
        parts: vec![
            part(Source::Calibration, Kind::Clinic, 0.03),
            Part { all_regions: true, ..part(Source::PartialVolume, Kind::Patient, 0.04) },
            outline,
            part(Source::Counts, Kind::Scan, 0.03),
            Part::of_response(Source::Mass, Kind::Patient, Origin::Default, 0.01 * scale),
            Part::of_activity(Source::Radiobiology, Kind::Patient, Origin::Default, 0.2 * scale),
        ],
        g: 0.05,
    }
}

fn patient(cycles: usize, scale: f64) -> Patient<'static> {
    let cycle = |_| Cycle {
        regions: vec![
            region("kidney_left", 60.0, 50.0, scale),
            region("kidney_right", 55.0, 55.0, scale),
            region("liver", 300.0, 67.0, scale),
        ],
        response: Response {
            gy_per_mbq_h: vec![vec![8e-4, 3e-6, 2e-6], vec![3e-6, 9e-4, 4e-6], vec![2e-6, 3e-6, 6e-5]],
            rel_sigma: vec![vec![0.002, 0.02, 0.02]; 3],
        },
    };
    Patient { cycles: (0..cycles).map(cycle).collect(), alpha_beta_gy: vec![ALPHA_BETA_GY; 3] }
}

/// The greatest relative difference of the two ways, over cycles, regions and the course.
fn apart(first: &Patient<'_>, drawn_of: &Patient<'_>, draws: usize) -> f64 {
    let (of_cycles, of_course) = first_order(first).expect("a patient");
    let drawn = draw(drawn_of, draws, 3).expect("draws");
    let rel = |values: &[f64]| {
        let s = Summary::of(values);
        s.sd / s.mean
    };
    let mut worst: f64 = 0.0;
    for (c, cycle) in of_cycles.iter().enumerate() {
        for (r, shares) in cycle.iter().enumerate() {
            worst = worst.max((rel(&drawn.dose_gy[c][r]) / shares.rel_sigma - 1.0).abs());
        }
    }
    for (r, shares) in of_course.iter().enumerate() {
        worst = worst.max((rel(&drawn.course_bed_gy[r]) / shares.rel_sigma - 1.0).abs());
    }
    worst
}

#[test]
fn law_first_order_agrees_with_draws_where_uncertainties_are_small() {
    for cycles in [1, 4] {
        let patient = patient(cycles, 1.0);
        let (of_cycles, _) = first_order(&patient).expect("a patient");
        assert!(of_cycles.iter().flatten().all(|s| s.rel_sigma < 0.10 && s.rel_sigma > 0.05), "{of_cycles:?}");
        // 20 000 draws know a width to 0.5 %
        let worst = apart(&patient, &patient, 20_000);
        assert!(worst < 0.03, "{worst}");
    }
}

#[test]
fn alarm_lost_correlations_are_seen() {
    let whole = patient(4, 1.0);
    // a calibration that is drawn anew for each cycle; an outline whose counts and mass do not cancel; a forgotten source
    type Fault = fn(&mut Part);
    let faults: [Fault; 3] = [
        |part| {
            if part.source == Source::PartialVolume {
                part.kind = Kind::Cycle
            }
        },
        |part| {
            if part.source == Source::Outline {
                part.on_response = 1.0
            }
        },
        |part| {
            if part.source == Source::Calibration {
                part.rel_sigma = 0.0
            }
        },
    ];
    for fault in faults {
        let mut wrong = patient(4, 1.0);
        wrong.cycles.iter_mut().flat_map(|c| &mut c.regions).flat_map(|r| &mut r.parts).for_each(fault);
        let worst = apart(&wrong, &whole, 20_000);
        assert!(worst > 0.08, "{worst}");
    }
}

/// Of one source alone: common errors add up, independent ones fall with the root of the cycles.
#[test]
fn law_kinds_add_as_they_should() {
    let of = |kind: Kind, all: bool| {
        let mut patient = patient(4, 1.0);
        for region in patient.cycles.iter_mut().flat_map(|c| &mut c.regions) {
            let part = Part::of_activity(Source::Registration, kind, Origin::Stated, 0.05);
            region.parts = vec![Part { all_regions: all, ..part }];
            region.g = 0.0;
        }
        for cycle in &mut patient.cycles {
            cycle.response.rel_sigma = vec![vec![0.0; 3]; 3];
            cycle.response.gy_per_mbq_h =
                (0..3).map(|r| (0..3).map(|s| f64::from(u8::from(r == s))).collect()).collect();
        }
        let expected = first_order(&patient).expect("a patient").1[0].rel_sigma;
        let s = Summary::of(&draw(&patient, 20_000, 4).expect("draws").course_dose_gy[0]);
        assert!((s.sd / s.mean / expected - 1.0).abs() < 0.02, "{kind:?}");
        expected
    };
    for all in [false, true] {
        assert!((of(Kind::Clinic, all) - 0.05).abs() < 1e-9);
        assert!((of(Kind::Patient, all) - 0.05).abs() < 1e-9);
        assert!((of(Kind::Cycle, all) - 0.025).abs() < 1e-9);
    }
    // three scans of one cycle, then four cycles: the levers of the fit tell
    let levers: f64 = region("x", 60.0, 50.0, 1.0).levers().iter().map(|l| l * l).sum();
    assert!((of(Kind::Scan, false) - 0.025 * levers.sqrt()).abs() < 1e-6);
}

/// 1000 courses made by hand, each with its own errors, against the draws of one: the share above a limit is the same.
#[test]
fn law_probability_above_a_limit_is_that_of_simulated_courses() {
    let patient = patient(4, 1.6);
    let drawn = draw(&patient, 10_000, 8).expect("draws");
    let bed = |dose: f64, g: f64, ab: f64| dose + g * dose * dose / ab;
    let mut normals = Normals::new(99);
    let (mut totals, scale) = (Vec::new(), 1.6);
    for _ in 0..1000 {
        let mut z = |sigma: f64| (sigma * scale * normals.one()).exp();
        let (calibration, width, ab) = (z(0.03), z(0.04), ALPHA_BETA_GY * z(0.2));
        let mass = z(0.01);
        let mut total = 0.0;
        for cycle in &patient.cycles {
            let mut dose = 0.0;
            let mut own_outline = 1.0;
            for (s, (start, half_life)) in [(60.0, 50.0_f64), (55.0, 55.0), (300.0, 67.0)].into_iter().enumerate() {
                let scans: Vec<f64> = TIMES_H.iter().map(|t| start * (-t / half_life).exp2() * z(0.03)).collect();
                let outline = z(0.06);
                if s == 0 {
                    own_outline = outline;
                }
                let tia = mono(&TIMES_H, &scans).expect("falls") * calibration * width * outline.powf(0.6);
                dose += tia * cycle.response.gy_per_mbq_h[0][s];
            }
            total += bed(dose * mass / own_outline, 0.05, ab);
        }
        totals.push(total);
    }
    let (own, brute) = (Summary::of(&drawn.course_bed_gy[0]), Summary::of(&totals));
    assert!((own.mean / brute.mean - 1.0).abs() < 4.0 * brute.sd / brute.mean / 1000.0_f64.sqrt(), "{own:?} {brute:?}");
    for limit in [own.quantiles[1], own.mean, own.mean + own.sd, own.quantiles[4]] {
        let p = probability_above(&drawn.course_bed_gy[0], limit);
        let q = probability_above(&totals, limit);
        assert!((p - q).abs() < 4.0 * (p * (1.0 - p) / 1000.0).sqrt() + 1e-3, "{limit}: {p} {q}");
    }
    // skewed as log-normal errors are
    let [low, _, middle, _, high] = own.quantiles;
    assert!(high - middle > 1.1 * (middle - low), "{own:?}");
}

/// The same seed gives the same draws; another does not.
#[test]
fn law_draws_are_their_seed() {
    let patient = patient(2, 1.0);
    assert_eq!(draw(&patient, 50, 1), draw(&patient, 50, 1));
    assert_ne!(draw(&patient, 50, 1).expect("draws").dose_gy, draw(&patient, 50, 2).expect("draws").dose_gy);
}

#[test]
fn law_the_greatest_gain_is_first_and_transport_is_last() {
    let (of_cycles, _) = first_order(&patient(1, 1.0)).expect("a patient");
    let gains = improve(&of_cycles[0][0]);
    assert_eq!(gains.last().map(|g| g.source), Some(Source::Transport), "{gains:?}");
    assert_eq!(gains[0].source, Source::PartialVolume, "{gains:?}");
    for gain in &gains {
        assert!(gain.halved <= gain.now);
        let mut halved = patient(1, 1.0);
        let parts = halved.cycles[0].regions.iter_mut().flat_map(|r| &mut r.parts);
        parts.filter(|p| p.source == gain.source).for_each(|p| p.rel_sigma *= 0.5);
        if gain.source == Source::Transport {
            halved.cycles[0].response.rel_sigma.iter_mut().flatten().for_each(|s| *s *= 0.5);
        }
        let again = first_order(&halved).expect("a patient").0[0][0].rel_sigma;
        assert!((again - gain.halved).abs() < 1e-12, "{gain:?} {again}");
    }
}

#[test]
fn law_holes_are_the_sources_without_a_part() {
    let holes = missing(&patient(1, 1.0).cycles[0].regions[0].parts);
    assert_eq!(holes, [Source::Fit, Source::Extrapolation, Source::Registration, Source::Decay, Source::Transport]);
    assert_eq!(missing(&[]).len(), Source::ALL.len());
}

#[test]
fn io_what_cannot_be_drawn_is_refused_by_name() {
    type Change = fn(&mut Patient<'_>);
    let changes: [(Change, &str, &str); 8] = [
        (|p| p.cycles[1].regions[0].parts[0].rel_sigma = -0.1, "calibration", "-0.1"),
        (|p| p.cycles[1].regions[0].parts[2].rel_sigma = 1.2, "outline", "1.2"),
        (|p| p.cycles[1].regions[0].parts[2].rel_sigma = f64::NAN, "outline", "NaN"),
        (|p| p.cycles[1].response.gy_per_mbq_h[0][1] = -1.0, "S matrix", "-1"),
        (|p| p.cycles[1].response.rel_sigma.truncate(2), "S matrix", "3 rows"),
        (|p| p.cycles[1].regions[0].name = "other".to_owned(), "regions", "other"),
        (|p| p.cycles[1].regions[0].g = 1.5, "Lea-Catcheside", "1.5"),
        (|p| p.cycles[1].regions[0].tia_mbq_h = f64::INFINITY, "time-integrated", "inf"),
    ];
    for (change, field, found) in changes {
        let mut wrong = patient(2, 1.0);
        change(&mut wrong);
        for error in [draw(&wrong, 10, 1).map(|_| ()), first_order(&wrong).map(|_| ())] {
            let error = error.expect_err(field).to_string();
            assert!(error.contains("cycle 2") && error.contains(field) && error.contains(found), "{error}");
        }
    }
    let mut wrong = patient(1, 1.0);
    wrong.alpha_beta_gy[0] = 0.0;
    assert!(draw(&wrong, 10, 1).is_err());
    assert!(draw(&patient(1, 1.0), 0, 1).is_err());
    wrong.cycles.clear();
    assert!(first_order(&wrong).is_err());
}
