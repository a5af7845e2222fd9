//! Fits of noisy series: sound or refused, never an optimiser's rejected trial.

#![allow(clippy::print_stdout, reason = "tests tell what they measured")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::f64::consts::LN_2;

use levenberg_marquardt::{LeastSquaresProblem, LevenbergMarquardt};
use nalgebra::{DMatrix, DVector, Dyn, Owned};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use statrs::distribution::{ContinuousCDF, Normal};

use super::fit::refuse_unsound;
use super::residuals::{Problem, layout, log_linear};
use super::tia::{ActivityImage, Method, RegionIntegral, TiaError, TiaInput, TiaMap, integrate_series};
use super::time_activity::*;
use crate::bed::Exponential;
use crate::grid::{Volume, VoxelGrid};
use crate::source::Shares;

const PHYSICAL_H: f64 = 159.53;

/// The three images of a region with 10 % noise whose fit once ended at a half-life of 1e-7 h.
const ONCE_ZERO: [(f64, f64); 3] = [(24.3, 33.76), (71.6, 14.57), (167.8, 11.87)];

fn series(points: &[(f64, f64)], rel_sigma: Option<f64>) -> Vec<ActivityPoint> {
    points.iter().map(|&(time_h, activity_mbq)| ActivityPoint { time_h, activity_mbq, rel_sigma }).collect()
}

/// Images of one voxel a region: region `r` holds `points[r]`.
fn images(points: &[Vec<ActivityPoint>]) -> Vec<ActivityImage> {
    let grid = VoxelGrid::axis_aligned([points.len(), 1, 1], [1.0; 3], [0.0; 3]);
    (0..points[0].len())
        .map(|n| ActivityImage {
            name: format!("image {n}"),
            time_h: points[0][n].time_h,
            activity_mbq: Volume { grid: grid.clone(), data: points.iter().map(|p| p[n].activity_mbq).collect() },
            rel_sigma: points[0][n].rel_sigma,
        })
        .collect()
}

fn integrated(
    images: &[ActivityImage],
    labels: &[u16],
    method: &Method,
    error_model: ErrorModel,
    voxelwise: bool,
) -> Result<TiaMap, TiaError> {
    integrate_series(&TiaInput {
        images,
        shares: &Shares::whole(labels),
        concentrations: &[],
        air: None,
        names: &BTreeMap::new(),
        physical_half_life_h: PHYSICAL_H,
        default_method: method,
        region_methods: &[],
        planar: &BTreeMap::new(),
        earlier: &BTreeMap::new(),
        error_model,
        systematic_rel_sigma: 0.0,
        corrected: &BTreeMap::new(),
        placed: &BTreeMap::new(),
        voxelwise,
        administered_mbq: None,
        readings: &[],
    })
}

fn by_region(map: &TiaMap, label: u16) -> &RegionIntegral {
    map.regions.iter().find(|r| r.label == label).unwrap()
}

struct Noise(Xoshiro256PlusPlus, Normal);

impl Noise {
    fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed), Normal::standard())
    }

    fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.0.random::<f64>()
    }

    /// A factor 1 + sigma z, drawn again until it is positive: noise as counting makes it.
    fn factor(&mut self, sigma: f64) -> f64 {
        loop {
            let factor = 1.0 + sigma * self.1.inverse_cdf(self.0.random::<f64>());
            if factor > 0.01 {
                return factor;
            }
        }
    }
}

/// Regions of half-life 100 h imaged at 24, 72 and 168 h.
fn noisy_regions(noise: f64, count: usize) -> Vec<Vec<ActivityPoint>> {
    let mut random = Noise::new(41);
    let mut one = || -> Vec<ActivityPoint> {
        let clean = [24.0, 72.0, 168.0].map(|t: f64| (t, 50.0 * (-t / 100.0).exp2() * random.factor(noise)));
        series(&clean, Some(noise))
    };
    (0..count).map(|_| one()).collect()
}

const TRUTH_MBQ_H: f64 = 50.0 * 100.0 / LN_2;

/// A problem whose trials end the run when they leave the domain.
struct Unguarded<'a>(Problem<'a>);

impl LeastSquaresProblem<f64, Dyn, Dyn> for Unguarded<'_> {
    type ParameterStorage = Owned<f64, Dyn>;
    type ResidualStorage = Owned<f64, Dyn>;
    type JacobianStorage = Owned<f64, Dyn, Dyn>;

    fn set_params(&mut self, free: &DVector<f64>) {
        self.0.set_params(free);
    }

    fn params(&self) -> DVector<f64> {
        self.0.params()
    }

    fn residuals(&self) -> Option<DVector<f64>> {
        self.0.weighted_residuals()
    }

    fn jacobian(&self) -> Option<DMatrix<f64>> {
        self.0.jacobian()
    }
}

/// Integral of `mono` as it was: one start through the last two points, any end of the run, the last trial's parameters.
fn last_trial_mbq_h(points: &[ActivityPoint]) -> f64 {
    let lp = LN_2 / PHYSICAL_H;
    let [.., before, last] = points else { panic!("two points") };
    let slope = (before.activity_mbq / last.activity_mbq).ln() / (last.time_h - before.time_h);
    let slow = (slope - lp).max(0.02 * lp);
    let level = last.activity_mbq.ln() + (lp + slow) * last.time_h;
    let (terms, _) = layout(Model::Mono);
    let problem = Problem {
        points,
        terms: &terms,
        error_model: ErrorModel::Relative,
        physical_per_h: lp,
        parameters: DVector::from_vec(vec![level, slow.ln()]),
        free: vec![0, 1],
        best: RefCell::new(None),
    };
    let lm = LevenbergMarquardt::new().with_ftol(1e-14).with_xtol(1e-14).with_gtol(1e-14).with_patience(200);
    let (run, _) = lm.minimize(Unguarded(problem));
    run.0.parameters[0].exp() / (lp + run.0.parameters[1].exp())
}

/// Regions below half of the truth, of those that have a falling tail.
fn below_half(regions: &[Vec<ActivityPoint>], integral: impl Fn(&[ActivityPoint]) -> f64) -> usize {
    let falling = regions.iter().filter(|points| check_points(points).is_ok());
    falling.filter(|points| integral(points) < 0.5 * TRUTH_MBQ_H).count()
}

#[test]
fn law_the_region_that_once_ended_at_nothing_is_the_line_through_its_logarithms() {
    let points = series(&ONCE_ZERO, None);
    let fit = integrate_model(&points, Model::Mono, ErrorModel::Relative, PHYSICAL_H).unwrap();
    let ln: Vec<f64> = points.iter().map(|p| p.activity_mbq.ln()).collect();
    let times: Vec<f64> = points.iter().map(|p| p.time_h).collect();
    let (start_mbq, rate_per_h, _) = log_linear(&times, &ln, &[1.0; 3]).unwrap();
    assert!((LN_2 / rate_per_h - 106.0).abs() < 1.0, "{}", LN_2 / rate_per_h);
    assert!((fit.effective_half_life_h * rate_per_h / LN_2 - 1.0).abs() < 1e-6);
    assert!((fit.tia_mbq_h / (start_mbq / rate_per_h) - 1.0).abs() < 1e-6);
    assert!(!fit.flags.contains(&FitFlag::AtPhysicalDecay));
    // alarm: the trial that was kept gives nothing
    assert!(last_trial_mbq_h(&points) < 1e-3 * fit.tia_mbq_h);
}

/// `mono` with relative errors is a line through logarithms: the closed form, wherever it lies within the limits.
#[test]
fn law_mono_is_the_weighted_line_through_logarithms() {
    let mut random = Noise::new(42);
    let mut inside = 0;
    for _ in 0..2000 {
        let half_life_h = random.uniform(3.0, PHYSICAL_H);
        let mut time_h = 0.0;
        let points: Vec<ActivityPoint> = (0..2 + random.uniform(0.0, 5.0) as usize)
            .map(|_| {
                time_h += random.uniform(2.0, 60.0);
                let sigma = random.uniform(0.02, 0.3);
                let activity_mbq = 80.0 * (-time_h / half_life_h).exp2() * random.factor(sigma);
                ActivityPoint { time_h, activity_mbq, rel_sigma: Some(sigma) }
            })
            .collect();
        let column = |f: &dyn Fn(&ActivityPoint) -> f64| points.iter().map(f).collect::<Vec<f64>>();
        let (times, ln) = (column(&|p| p.time_h), column(&|p| p.activity_mbq.ln()));
        let weights = column(&|p| p.rel_sigma.unwrap().powi(-2));
        let (start_mbq, rate_per_h, misfit) = log_linear(&times, &ln, &weights).unwrap();
        let interior = rate_per_h > LN_2 / PHYSICAL_H * 1.001 && rate_per_h < LN_2 / 1.1;
        let Ok(fit) = integrate_model(&points, Model::Mono, ErrorModel::Relative, PHYSICAL_H) else { continue };
        if !interior {
            continue;
        }
        inside += 1;
        let expected = start_mbq / rate_per_h;
        assert!((fit.tia_mbq_h / expected - 1.0).abs() < 1e-6, "{} {expected} {points:?}", fit.tia_mbq_h);
        assert!((fit.effective_half_life_h * rate_per_h / LN_2 - 1.0).abs() < 1e-6);
        assert!((fit.chi2 - misfit).abs() < 1e-6 * (1.0 + misfit), "{} {misfit}", fit.chi2);
        // ln TIA = ln A0 - ln lambda: the variance by the normal equations
        if fit.degrees_of_freedom > 0 && !fit.flags.iter().any(|f| matches!(f, FitFlag::PoorFit { .. })) {
            let s: f64 = weights.iter().sum();
            let mean_t = weights.iter().zip(&times).map(|(w, t)| w * t).sum::<f64>() / s;
            let spread: f64 = weights.iter().zip(&times).map(|(w, t)| w * (t - mean_t).powi(2)).sum();
            let sigma = (1.0 / s + (mean_t - 1.0 / rate_per_h).powi(2) / spread).sqrt();
            assert!((fit.rel_sigma.unwrap() / sigma - 1.0).abs() < 1e-4, "{:?} {sigma}", fit.rel_sigma);
        }
    }
    println!("{inside} of 2000 series inside the limits");
    assert!(inside > 1000);
}

#[test]
fn alarm_the_closed_form_rings_on_forgotten_weights() {
    let mut points = series(&ONCE_ZERO, Some(0.1));
    points[0].rel_sigma = Some(0.02);
    let fit = integrate_model(&points, Model::Mono, ErrorModel::Relative, PHYSICAL_H).unwrap();
    let ln: Vec<f64> = points.iter().map(|p| p.activity_mbq.ln()).collect();
    let times: Vec<f64> = points.iter().map(|p| p.time_h).collect();
    let (start_mbq, rate_per_h, _) = log_linear(&times, &ln, &[1.0; 3]).unwrap();
    assert!((fit.tia_mbq_h / (start_mbq / rate_per_h) - 1.0).abs() > 1e-3);
}

/// 1000 regions at 10 % and at 20 % noise: none ends below half of the truth, by any model that three images serve.
#[test]
fn law_no_noisy_region_ends_below_half_of_the_truth() {
    for noise in [0.1, 0.2] {
        let regions = noisy_regions(noise, 1000);
        let labels: Vec<u16> = (1..=1000).collect();
        for model in [Model::Mono, Model::MonoPhysical] {
            let map =
                integrated(&images(&regions), &labels, &Method::Model(model), ErrorModel::Relative, false).unwrap();
            let ratio = |r: &RegionIntegral| r.map_decays / crate::units::DECAYS_PER_MBQ_H / TRUTH_MBQ_H;
            let mut ratios: Vec<f64> = map.regions.iter().map(ratio).collect();
            ratios.sort_by(f64::total_cmp);
            println!(
                "{} at {noise}: least {:.3}, median {:.3}, largest {:.3} of the truth",
                model.name(),
                ratios[0],
                ratios[500],
                ratios[999]
            );
            assert_eq!(ratios.iter().filter(|r| **r < 0.5).count(), 0, "{} at {noise}", model.name());
            let fell_back = map.regions.iter().filter(|r| r.integral.as_ref().is_some_and(TimeIntegral::fell_back));
            let told = fell_back.filter(|r| {
                map.warnings.iter().any(|w| w.contains(&format!("{},", r.name)) || w.contains(&format!("{}:", r.name)))
            });
            let fell_back = map.regions.iter().filter(|r| r.integral.as_ref().is_some_and(TimeIntegral::fell_back));
            assert_eq!(told.count(), fell_back.count(), "every refused fit is told");
        }
    }
}

/// The old end of the search, planted: regions lose their decays, more of them the more noise.
#[test]
fn alarm_statistics_ring_on_the_parameters_of_a_rejected_trial() {
    let lost = [0.1, 0.2].map(|noise| below_half(&noisy_regions(noise, 1000), last_trial_mbq_h));
    println!("{lost:?} of 1000 regions below half of the truth");
    assert!(lost[0] >= 10 && lost[1] >= 50, "{lost:?}");
    let now = |points: &[ActivityPoint]| {
        integrate_model(points, Model::Mono, ErrorModel::Relative, PHYSICAL_H)
            .map_or(f64::INFINITY, |fit| fit.tia_mbq_h)
    };
    assert_eq!([0.1, 0.2].map(|noise| below_half(&noisy_regions(noise, 1000), now)), [0, 0]);
}

/// A random series: 1 to 6 points at 0.5 to 400 h, half-lives 1 h to physical, noise 0 to 50 %, uptake or a fast phase in
/// some.
fn random_series(random: &mut Noise) -> Vec<ActivityPoint> {
    let count = 1 + random.uniform(0.0, 6.0) as usize;
    let mut times: Vec<f64> = (0..count).map(|_| 0.5 * 800.0_f64.powf(random.uniform(0.0, 1.0))).collect();
    times.sort_by(f64::total_cmp);
    times.dedup_by(|a, b| *a - *b < 0.05);
    let half_life_h = PHYSICAL_H.powf(random.uniform(0.0, 1.0));
    let fast_h = half_life_h * random.uniform(0.02, 0.5);
    let share = [0.0, -1.0, 0.5][random.uniform(0.0, 3.0) as usize];
    let (noise, stated) = (random.uniform(0.0, 0.5), random.uniform(0.0, 1.0) < 0.5);
    times
        .iter()
        .map(|&time_h| {
            let clean = (-time_h / half_life_h).exp2() + share * (-time_h / fast_h).exp2();
            let activity_mbq = 100.0 * clean * random.factor(noise);
            ActivityPoint { time_h, activity_mbq, rel_sigma: stated.then_some(noise.max(0.01)) }
        })
        .filter(|p| p.activity_mbq > 1e-200)
        .collect()
}

/// Integral of the lower of both points over each gap: no curve that keeps to the points holds less.
fn lower_sum(points: &[ActivityPoint]) -> f64 {
    points.windows(2).map(|p| p[0].activity_mbq.min(p[1].activity_mbq) * (p[1].time_h - p[0].time_h)).sum()
}

/// What a fit must hold, argued from the shape of the models. With R the largest ln(point / curve):
/// - from 0 to the last scan every model holds exp(-R) of the lower sum, for no model has a dip between two scans;
/// - between the scans it holds half of the lower sum, whatever R;
/// - `mono` is the straight line of the logarithms, the trapezoid's join lies through the points, so that
///   TIA >= exp(-R) [trapezoid with a straight start and physical tail - A_n (1/lp - 1/l)]: the bracket's second part is
///   what the physical tail holds beyond the fit's own.
fn sound(points: &[ActivityPoint], model: Model, fit: &TimeIntegral) {
    let context = || format!("{} {points:?} {fit:?}", model.name());
    let lp = LN_2 / PHYSICAL_H;
    assert!(fit.tia_mbq_h.is_finite() && fit.tia_mbq_h > 0.0, "{}", context());
    let half_life_h = fit.effective_half_life_h;
    assert!((SHORTEST_HALF_LIFE_H..=PHYSICAL_H * (1.0 + 1e-9)).contains(&half_life_h), "{}", context());
    let Kinetics::Exponentials(curve) = &fit.kinetics else { panic!("a sum of exponentials") };
    let shortfall = points.iter().map(|p| (p.activity_mbq / curve.value(p.time_h)).ln()).fold(0.0, f64::max);
    let (first, last) = (points[0], points[points.len() - 1]);
    let scanned = curve.integral_from(first.time_h) - curve.integral_from(last.time_h);
    let upto = curve.integral() - curve.integral_from(last.time_h);
    let lower = lower_sum(points);
    assert!(upto >= (-shortfall).exp() * lower * (1.0 - 1e-9), "{}", context());
    assert!(scanned >= 0.5 * lower * (1.0 - 1e-9), "{}", context());
    if matches!(model, Model::Mono | Model::MonoPhysical) {
        let trapezoid =
            integrate_trapezoid(points, StartRule::Zero, JoinRule::LinearUpLogDown, TailRule::Physical, PHYSICAL_H);
        // where the points rise the straight join is above the logarithmic one
        let falling = points.windows(2).all(|p| p[1].activity_mbq < p[0].activity_mbq);
        if falling {
            let beyond = last.activity_mbq * (1.0 / lp - half_life_h / LN_2);
            let least = (-shortfall).exp() * (trapezoid.unwrap().tia_mbq_h - beyond);
            assert!(fit.tia_mbq_h >= least * (1.0 - 1e-9), "{} < {least}: {}", fit.tia_mbq_h, context());
        }
    }
}

#[test]
fn law_no_model_loses_what_the_points_hold() {
    let mut random = Noise::new(43);
    let (mut fitted, mut refused) = (0, BTreeMap::<String, usize>::new());
    for _ in 0..300 {
        let points = random_series(&mut random);
        if points.is_empty() {
            continue;
        }
        for model in Model::ALL.into_iter().filter(|m| m.parameters() <= points.len()) {
            for error_model in [ErrorModel::Relative, ErrorModel::Absolute] {
                match integrate_model(&points, model, error_model, PHYSICAL_H) {
                    Ok(fit) => {
                        sound(&points, model, &fit);
                        fitted += 1;
                    }
                    Err(error) => {
                        let kind = format!("{error:?}").split(' ').next().unwrap_or_default().to_owned();
                        let kind = if kind == "MissesThePoints" { format!("{kind} {}", model.name()) } else { kind };
                        *refused.entry(kind).or_default() += 1;
                    }
                }
            }
        }
    }
    println!("{fitted} fits sound, refused: {refused:?}");
    assert!(fitted > 1000);
    let lost = refused.get("NotConverged").copied().unwrap_or(0);
    assert!(lost * 100 < fitted, "{lost} of {fitted} did not converge");
}

/// Through the map: a region of positive points has decays or the run is refused, and a refused fit holds the trapezoid
/// with the physical tail.
#[test]
fn law_no_region_of_positive_points_comes_without_decays() {
    let mut random = Noise::new(44);
    for series in 0..120 {
        let points = random_series(&mut random);
        if points.is_empty() {
            continue;
        }
        for model in Model::ALL.into_iter().filter(|m| m.parameters() <= points.len()) {
            let voxelwise = series % 2 == 0;
            let map = integrated(
                &images(std::slice::from_ref(&points)),
                &[1],
                &Method::Model(model),
                ErrorModel::Relative,
                voxelwise,
            );
            let Ok(map) = map else { continue };
            let region = by_region(&map, 1);
            assert!(region.map_decays.is_finite() && region.map_decays > 0.0, "{} {points:?}", model.name());
            let integral = region.integral.as_ref().unwrap();
            if integral.fell_back() {
                assert!(map.warnings.iter().any(|w| w.place == Some("region label_1".into())), "{:?}", map.warnings);
                let rate = LN_2 / PHYSICAL_H;
                let last = points[points.len() - 1].activity_mbq;
                assert!(integral.tia_mbq_h >= (lower_sum(&points) + last / rate) * (1.0 - 1e-9));
            }
        }
    }
}

#[test]
fn alarm_soundness_rings_on_a_curve_of_a_rejected_trial() {
    let points = series(&ONCE_ZERO, None);
    let curve = |half_life_h: f64| {
        vec![Exponential { amplitude: 33.76 * (24.3 / half_life_h.max(20.0)).exp2(), rate_per_h: LN_2 / half_life_h }]
    };
    let refused = |half_life_h: f64| refuse_unsound(&points, &curve(half_life_h), Model::Mono, PHYSICAL_H);
    assert!(refused(106.0).is_ok());
    assert!(matches!(refused(1e-7), Err(TimeActivityError::HalfLifeTooShort { .. })));
    assert!(matches!(refused(2.0), Err(TimeActivityError::MissesThePoints { .. })));
    assert!(matches!(refused(f64::NAN), Err(TimeActivityError::HalfLifeTooShort { .. })));
    let mut lost = curve(106.0);
    lost[0].amplitude *= 0.2;
    let error = refuse_unsound(&points, &lost, Model::Mono, PHYSICAL_H).unwrap_err().to_string();
    assert!(error.contains("allowed: 50 % or more"), "{error}");
}

#[test]
fn law_a_fit_that_ends_at_a_limit_says_so() {
    let fit = |model, points: &[(f64, f64)]| {
        integrate_model(&series(points, Some(0.05)), model, ErrorModel::Relative, PHYSICAL_H)
    };
    let flat = [(24.0, 10.0), (72.0, 9.9), (168.0, 9.8)];
    let at = fit(Model::Mono, &flat).unwrap();
    assert!(at.flags.contains(&FitFlag::AtPhysicalDecay));
    assert!((at.effective_half_life_h / PHYSICAL_H - 1.0).abs() < 1e-12, "at the limit, not near it");
    assert_eq!(at.half_life_rel_sigma, None);
    // faster than a half-life of 1 h
    let error = fit(Model::Mono, &[(1.0, 10.0), (2.0, 1.0), (3.0, 0.1)]).unwrap_err();
    assert!(matches!(error, TimeActivityError::HalfLifeTooShort { .. }), "{error}");
    assert!(fit(Model::Mono, &[(1.0, 10.0), (2.5, 4.0), (4.0, 1.6)]).is_ok());
    // the limit follows nuclides that do not live ten hours
    let short = series(&[(0.2, 8.0), (0.5, 5.0), (1.0, 2.3)], Some(0.05));
    assert!(integrate_model(&short, Model::Mono, ErrorModel::Relative, 1.13).is_ok());
    // one exponential has no second phase, a curve above physical decay no slow one
    let single = [4.0, 24.0, 72.0, 168.0].map(|t: f64| (t, 50.0 * (-t / 50.0).exp2()));
    let two = fit(Model::TwoPhase, &single).unwrap();
    assert!(two.flags.iter().any(|f| matches!(f, FitFlag::PhaseAbsent { parameter } if parameter == "a2_mbq")));
    assert!((two.tia_mbq_h / (50.0 * 50.0 / LN_2) - 1.0).abs() < 1e-6);
    let tail = fit(Model::TwoPhasePhysicalTail, &single).unwrap();
    assert!(tail.flags.iter().any(|f| matches!(f, FitFlag::PhaseAbsent { parameter } if parameter == "a1_mbq")));
    assert!((tail.effective_half_life_h / 50.0 - 1.0).abs() < 1e-6, "{}", tail.effective_half_life_h);
    assert!(tail.half_life_rel_sigma.unwrap() > 0.0);
    // decay-corrected the points rise faster than time: no uptake is slow enough
    let rising = [(4.0, 1.0), (24.0, 10.0), (72.0, 60.0), (80.0, 59.9)];
    let slow = fit(Model::UptakePhysicalTail, &rising).unwrap();
    assert!(slow.flags.iter().any(|f| matches!(f, FitFlag::RateAtLimit { .. })), "{:?}", slow.flags);
}

/// Two images a short while apart: noise makes a steep line, whose integral lies before the first image.
#[test]
fn law_what_no_image_saw_is_told() {
    let steep = series(&[(100.0, 0.01), (104.0, 0.005)], Some(0.3));
    let regions = [steep];
    let method = Method::Model(Model::Mono);
    let map = integrated(&images(&regions), &[1], &method, ErrorModel::Relative, false).unwrap();
    assert!(
        map.warnings.iter().any(|w| w.contains("label_1") && w.contains("before the first scan")),
        "{:?}",
        map.warnings
    );
    // without a label too: the only region there is
    let map = integrated(&images(&regions), &[0], &method, ErrorModel::Relative, false).unwrap();
    assert!(map.warnings.iter().any(|w| w.contains("unlabelled")), "{:?}", map.warnings);
    let calm = [series(&[(24.0, 10.0), (72.0, 6.0), (168.0, 2.0)], Some(0.1))];
    let map = integrated(&images(&calm), &[1], &method, ErrorModel::Relative, false).unwrap();
    assert_eq!(map.warnings, []);
}

/// A region at a limit, one that no image shows, one that only some do: each is told, none loses decays unseen.
#[test]
fn law_every_region_without_a_sound_fit_is_told() {
    let at =
        |activities: [f64; 3]| series(&[(24.0, activities[0]), (72.0, activities[1]), (168.0, activities[2])], None);
    let regions = [at([10.0, 9.9, 9.8]), at([0.0, 0.0, 0.0]), at([5.0, -1.0, -1.0]), at([10.0, 6.0, 2.0])];
    let method = Method::Model(Model::Mono);
    let map = integrated(&images(&regions), &[1, 2, 3, 4], &method, ErrorModel::Relative, false).unwrap();
    let told = |words: &str, region: &str| map.warnings.iter().any(|w| w.contains(words) && w.contains(region));
    assert!(told("physical decay", "label_1") && told("no decays there", "label_2"), "{:?}", map.warnings);
    assert!(told("non-positive activity refused", "label_3"), "{:?}", map.warnings);
    assert!(!map.warnings.iter().any(|w| w.contains("label_4")), "{:?}", map.warnings);
    // the image nearest to T/ln 2 shows nothing of the third: the one that does carries its decays
    let third = by_region(&map, 3);
    assert!((third.map_decays / third.integral.as_ref().unwrap().decays() - 1.0).abs() < 1e-12);
    // air around the labels is no region without a fit; noise below 0 there is
    let air =
        integrated(&images(&[regions[1].clone(), regions[3].clone()]), &[0, 4], &method, ErrorModel::Relative, false);
    assert_eq!(air.unwrap().warnings, []);
}

/// A voxel whose noise makes a half-life far below the first image's time takes the region's curve.
#[test]
fn law_a_steep_voxel_takes_the_regions_curve() {
    let line = |a: f64, half_life_h: f64| {
        series(&[24.0, 72.0, 168.0].map(|t| (t, a * (-(t - 24.0) / half_life_h).exp2())), None)
    };
    let regions = [line(10.0, 60.0), line(1.0, 4.0)];
    let method = Method::Model(Model::Mono);
    let map = integrated(&images(&regions), &[1, 1], &method, ErrorModel::Relative, true).unwrap();
    assert_eq!(by_region(&map, 1).fitted_voxels, 1);
    // alarm: its own line would hold 2^(24/4) times what was seen of it
    let own = 64.0 * 4.0 / LN_2 * crate::units::DECAYS_PER_MBQ_H;
    assert!(map.decays.data[1] < 0.6 * own, "{} {own}", map.decays.data[1]);
}

#[test]
fn io_stated_half_lives_beyond_physical_decay_are_refused() {
    let one = [series(&[(96.0, 10.0)], None)];
    let method = |half_life_h| Method::Population { half_life_h, half_life_rel_sigma: None };
    let run = |half_life_h| integrated(&images(&one), &[1], &method(half_life_h), ErrorModel::Relative, false);
    assert!(run(PHYSICAL_H).is_ok());
    let error = run(200.0).unwrap_err().to_string();
    assert!(error.contains("region label_1: half_life_h: found 200 h; allowed: above 0 and at most"), "{error}");
}
