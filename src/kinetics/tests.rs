//! Laws of the population model, and the alarms of its checks.

use super::learn::learn;
use super::plan::{patients_of, plan};
use super::prior::Spread;
use super::*;
use crate::draws::Normals;
use std::collections::BTreeMap;

const PHYSICAL_H: f64 = 159.53;

fn physical(nuclide: &str) -> Option<f64> {
    [("lu177", PHYSICAL_H), ("y90", 64.05)].iter().find(|n| n.0 == nuclide).map(|n| n.1)
}

fn built_in(name: &str) -> Prior {
    let text = BUILT_IN.iter().find(|b| b.0 == name).expect("a built-in prior").1;
    Prior::parse(text, name, physical).expect("a valid prior")
}

/// The kidney with the size of its uptake.
pub(super) fn kidney_uptake() -> OrganPrior {
    built_in("dotatate-kidney-uptake").organs.remove(0)
}

pub(super) fn kidney() -> OrganPrior {
    built_in("dotatate-2017").organ_of("kidney_left").expect("kidneys").clone()
}

/// A made-up organ of the given shape, with spreads of 15 to 30 % and a correlation.
pub(super) fn made(shape: Shape) -> OrganPrior {
    let of = |median: f64, patient_log_sd: f64| Spread { median, patient_log_sd, cycle_log_sd: 0.08 };
    let all = BTreeMap::from([
        ("half_life_h", of(60.0, 0.2)),
        ("uptake_half_life_h", of(3.0, 0.3)),
        ("fast_share", of(0.4, 0.3)),
        ("fast_half_life_h", of(8.0, 0.2)),
    ]);
    let lines: String = shape
        .kinetic_names()
        .iter()
        .map(|name| {
            let s = all[name];
            format!(
                "parameters.{name} = {{ median = {}, patient_log_sd = {}, cycle_log_sd = {} }}\n",
                s.median, s.patient_log_sd, s.cycle_log_sd
            )
        })
        .collect();
    let shape = serde_json::to_string(&shape).expect("a name");
    let text = format!(
        "schema = 1\nname = \"made\"\nsource = \"made up\"\npharmaceutical = [\"x\"]\nnuclide = \"lu177\"\n[[organs]]\n\
         organ = \"organ\"\nnames = [\"organ\"]\nshape = {shape}\nscan_rel_sigma = 0.05\n{lines}"
    );
    Prior::parse(&text, "made", physical).expect("valid").organs.remove(0)
}

const SHAPES: [Shape; 4] = [Shape::Mono, Shape::Uptake, Shape::TwoPhase, Shape::TwoPhaseUptake];

/// Scans of a curve with the given scatter; of a patient whose uptake is known, with what it is of.
pub(super) fn scans(
    shape: Shape,
    kinetic: &[f64],
    times_h: &[f64],
    rel_sigma: f64,
    normals: &mut Normals,
) -> Vec<Scan> {
    let of = |&time_h: &f64| Scan {
        time_h,
        activity_mbq: (shape.ln_activity(4.0, kinetic, time_h).expect("inside") + rel_sigma * normals.one()).exp(),
        rel_sigma: Some(rel_sigma.max(1e-4)),
        gbq_ml: kinetic.get(shape.kinetics()).map(|ln_uptake| (4.0 - ln_uptake).exp()),
    };
    times_h.iter().map(of).collect()
}

/// Terms, activity and integral of each shape agree with one another.
#[test]
fn law_integral_is_that_of_the_activity() {
    for shape in SHAPES {
        let mean = made(shape).mean;
        let step = 0.02;
        let sum: f64 = (0..200_000)
            .filter_map(|n| shape.ln_activity(1.5, &mean, (n as f64 + 0.5) * step))
            .map(|ln| ln.exp() * step)
            .sum();
        let whole = shape.ln_integral(1.5, &mean).expect("above 0").exp();
        assert!((sum / whole - 1.0).abs() < 1e-5, "{shape:?}: {sum} {whole}");
    }
}

/// Exact scans that tell every parameter give the curve back, whatever the prior.
#[test]
fn law_exact_scans_overrule_the_prior() {
    for shape in SHAPES {
        let prior = made(shape);
        let truth: Vec<f64> = prior.mean.iter().map(|m| m + 0.2).collect();
        let times: Vec<f64> = (1..=20).map(|n| 1.5 * 1.3_f64.powi(n)).collect();
        let exact = scans(shape, &truth, &times, 0.0, &mut Normals::new(1));
        let found = fit(&prior, &[exact]).expect("a fit");
        let tia = shape.ln_integral(4.0, &truth).expect("above 0").exp();
        assert!((found.tia_mbq_h / tia - 1.0).abs() < 3e-4, "{shape:?} {} {tia}", found.tia_mbq_h);
        assert!(found.prior_share < 0.02, "{shape:?} {}", found.prior_share);
    }
}

/// With one parameter and small errors the posterior is that of two measurements of ln T: prior and line through two scans.
#[test]
fn law_mono_is_the_weighted_mean_of_prior_and_scans() {
    let prior = kidney();
    let truth = [60.0_f64.ln()];
    let two = scans(Shape::Mono, &truth, &[24.0, 120.0], 0.0, &mut Normals::new(1));
    let two: Vec<Scan> = two.into_iter().map(|s| Scan { rel_sigma: Some(0.02), ..s }).collect();
    let found = fit(&prior, &[two]).expect("a fit");
    // ln a1 - ln a2 = (t2 - t1) ln 2 / T: u(ln T) = sqrt(2) 0.02 T / (96 h ln 2)
    let own = 2.0_f64.sqrt() * 0.02 * 60.0 / (96.0 * std::f64::consts::LN_2);
    let spread = 0.102_f64.hypot(0.10);
    let weight = own.powi(-2) / (own.powi(-2) + spread.powi(-2));
    let expected = weight * 60.0_f64.ln() + (1.0 - weight) * 50.0_f64.ln();
    assert!((found.kinetic[0] - expected).abs() < 2e-3, "{} {expected}", found.kinetic[0]);
    let sigma = (own.powi(-2) + spread.powi(-2)).sqrt().recip();
    assert!((found.kinetic_sigma[0] / sigma - 1.0).abs() < 0.03, "{} {sigma}", found.kinetic_sigma[0]);
}

/// Laplace against sampling: width within 5 %, middle within 1 %.
fn agrees(at: &Posterior, sampled: &Sampled) -> bool {
    (at.rel_sigma / sampled.rel_sigma - 1.0).abs() < 0.05
        && (at.tia_mbq_h / sampled.quantiles_mbq_h[2] - 1.0).abs() < 0.01
}

#[test]
fn law_laplace_agrees_with_sampling_from_one_to_five_scans() {
    let times = [24.0, 96.0, 4.0, 168.0, 48.0];
    for (shape, prior) in [(Shape::Mono, kidney()), (Shape::Uptake, made(Shape::Uptake))] {
        for count in 1..=5 {
            let mut own: Vec<f64> = times[..count].to_vec();
            own.sort_by(f64::total_cmp);
            let cycle = scans(shape, &prior.mean, &own, 0.05, &mut Normals::new(count as u64));
            let at = fit(&prior, std::slice::from_ref(&cycle)).expect("a fit");
            let sampled = sample(&prior, &[cycle], &at, 40_000, 5).expect("draws");
            assert!(sampled.effective_share > 0.4, "{shape:?} {count}: {}", sampled.effective_share);
            assert!(agrees(&at, &sampled), "{shape:?} {count}: {} {} {sampled:?}", at.tia_mbq_h, at.rel_sigma);
        }
    }
}

#[test]
fn alarm_a_covariance_that_is_off_is_seen_by_sampling() {
    let prior = kidney();
    let cycle = scans(Shape::Mono, &prior.mean, &[24.0], 0.05, &mut Normals::new(3));
    let mut at = fit(&prior, std::slice::from_ref(&cycle)).expect("a fit");
    let sampled = sample(&prior, &[cycle], &at, 40_000, 5).expect("draws");
    assert!(agrees(&at, &sampled));
    at.rel_sigma *= 1.1;
    assert!(!agrees(&at, &sampled));
}

/// Stated intervals hold the truth of patients drawn from the prior: k = 1 in 68 %, k = 2 in 95 % within four errors.
#[test]
fn law_posterior_covers_patients_of_the_population() {
    for (shape, times) in
        [(Shape::Mono, vec![24.0]), (Shape::Mono, vec![24.0, 96.0]), (Shape::TwoPhaseUptake, vec![24.0, 72.0])]
    {
        let prior = made(shape);
        let mut normals = Normals::new(77);
        let (mut one, mut two, mut all) = (0.0, 0.0, 0.0);
        for kinetic in patients_of(&prior, 1500, 9) {
            let cycle = scans(shape, &kinetic, &times, 0.05, &mut normals);
            let found = fit(&prior, &[cycle]).expect("a fit");
            let pull = (found.tia_mbq_h.ln() - shape.ln_integral(4.0, &kinetic).expect("above 0")) / found.rel_sigma;
            one += f64::from(u8::from(pull.abs() < 1.0));
            two += f64::from(u8::from(pull.abs() < 2.0));
            all += 1.0;
        }
        let error = |p: f64| 4.0 * (p * (1.0 - p) / all).sqrt();
        assert!((one / all - 0.683).abs() < error(0.683) + 0.01, "{shape:?} {times:?}: {}", one / all);
        assert!((two / all - 0.954).abs() < error(0.954) + 0.01, "{shape:?} {times:?}: {}", two / all);
    }
}

/// An earlier cycle with three scans takes the place of the population: what is left of one scan at 24 h is the spread
/// among cycles.
#[test]
fn law_earlier_cycles_are_data() {
    let prior = kidney();
    let truth = [65.0_f64.ln()];
    let mut exact = Normals::new(1);
    let sharp = |cycle: Vec<Scan>| cycle.into_iter().map(|s| Scan { rel_sigma: Some(0.01), ..s }).collect::<Vec<_>>();
    let whole = sharp(scans(Shape::Mono, &truth, &[24.0, 96.0, 168.0], 0.0, &mut exact));
    let one = sharp(scans(Shape::Mono, &truth, &[24.0], 0.0, &mut exact));
    let tia = Shape::Mono.ln_integral(4.0, &truth).expect("above 0").exp();
    let alone = fit(&prior, std::slice::from_ref(&one)).expect("a fit");
    let with = fit(&prior, &[whole.clone(), one.clone()]).expect("a fit");
    let twice = fit(&prior, &[whole.clone(), whole, one]).expect("a fit");
    let off = |p: &Posterior| (p.tia_mbq_h / tia - 1.0).abs();
    assert!(
        off(&with) < 0.6 * off(&alone) && off(&twice) < off(&with),
        "{} {} {}",
        off(&alone),
        off(&with),
        off(&twice)
    );
    assert!(twice.rel_sigma < with.rel_sigma && with.rel_sigma < alone.rel_sigma);
    // one scan of known size says nothing of the half-life: all of the rest is prior
    assert!(alone.prior_share > 0.95, "{}", alone.prior_share);
}

#[test]
fn law_conflict_with_the_prior_is_told() {
    let prior = kidney();
    let mut exact = Normals::new(1);
    let of = |half_life_h: f64, exact: &mut Normals| {
        let own = scans(Shape::Mono, &[half_life_h.ln()], &[24.0, 96.0, 168.0], 0.0, exact);
        own.into_iter().map(|s| Scan { rel_sigma: Some(0.05), ..s }).collect::<Vec<_>>()
    };
    let usual = fit(&prior, &[of(55.0, &mut exact)]).expect("a fit");
    let strange = fit(&prior, &[of(120.0, &mut exact)]).expect("a fit");
    assert!(usual.probability.expect("two degrees") > 0.5);
    assert!(strange.probability.expect("two degrees") < 0.01, "{:?}", strange.probability);
    assert_eq!(strange.furthest.0, "half_life_h");
    assert!(strange.furthest.1 > 3.0, "{:?}", strange.furthest);
    let one =
        fit(&prior, &[vec![Scan { time_h: 24.0, activity_mbq: 9.0, rel_sigma: None, gbq_ml: None }]]).expect("a fit");
    assert_eq!((one.probability, one.degrees_of_freedom), (None, 0));
}

/// The probability of the misfit is even over patients of the population.
#[test]
fn law_probability_of_the_misfit_is_even() {
    let prior = kidney();
    let mut normals = Normals::new(8);
    let mut low = 0;
    let patients = patients_of(&prior, 2000, 4);
    for kinetic in &patients {
        let cycle = scans(Shape::Mono, kinetic, &[24.0, 96.0, 168.0], 0.05, &mut normals);
        low += usize::from(fit(&prior, &[cycle]).expect("a fit").probability.expect("two") < 0.1);
    }
    let share = low as f64 / patients.len() as f64;
    assert!((share - 0.1).abs() < 4.0 * (0.09_f64 / 2000.0).sqrt(), "{share}");
}

/// Patients of `prior` with three cycles of three scans.
fn courses(prior: &OrganPrior, patients: usize, seed: u64) -> Vec<Vec<Vec<Scan>>> {
    let mut normals = Normals::new(seed);
    let k = prior.shape.kinetics();
    let drawn = |mean: &[f64], sd: &[f64], normals: &mut Normals| -> Vec<f64> {
        (0..k).map(|p| mean[p] + sd[p] * normals.one()).collect()
    };
    let of = |_| {
        let own = drawn(&prior.mean, &prior.patient_sd, &mut normals);
        let cycle = |_| {
            let kinetic = drawn(&own, &prior.cycle_sd, &mut normals);
            scans(prior.shape, &kinetic, &[4.0, 24.0, 96.0, 168.0], 0.03, &mut normals)
        };
        (0..3).map(cycle).collect()
    };
    (0..patients).map(of).collect()
}

/// The population of 100 simulated patients comes back within four standard errors, from a start that is far off.
#[test]
fn law_learning_finds_the_population() {
    for shape in [Shape::Mono, Shape::Uptake] {
        let truth = made(shape);
        let patients = courses(&truth, 100, 21);
        let mut start = truth.clone();
        start.mean.iter_mut().for_each(|m| *m += 0.3);
        start.patient_sd.iter_mut().for_each(|s| *s = 0.5);
        start.cycle_sd.iter_mut().for_each(|s| *s = 0.2);
        let learnt = learn(&start, &patients).expect("a population");
        assert!(learnt.converged && learnt.cycles_told);
        for p in 0..shape.kinetics() {
            let found = &learnt.prior;
            let total = truth.patient_sd[p].hypot(truth.cycle_sd[p] / 3.0_f64.sqrt());
            let mean_error = 4.0 * total / 100.0_f64.sqrt() + 0.005;
            assert!((found.mean[p] - truth.mean[p]).abs() < mean_error, "{shape:?} {p}: {:?}", found.mean);
            let error = |sd: f64, n: f64| 4.0 * sd / (2.0 * n).sqrt() + 0.01;
            let patient = (found.patient_sd[p] - truth.patient_sd[p]).abs();
            assert!(patient < error(total, 100.0), "{shape:?} {p}: {:?}", found.patient_sd);
            let cycle = (found.cycle_sd[p] - truth.cycle_sd[p]).abs();
            assert!(cycle < error(0.12, 200.0), "{shape:?} {p}: {:?}", found.cycle_sd);
        }
    }
}

#[test]
fn law_learning_refuses_too_few_patients_and_leaves_the_cycles_where_they_are_not_told() {
    let truth = made(Shape::Mono);
    let patients = courses(&truth, 6, 2);
    let error = learn(&truth, &patients[..4]).expect_err("four are too few").to_string();
    assert!(error.contains("4 patients") && error.contains("5 or more"), "{error}");
    let single: Vec<_> = patients.iter().map(|p| p[..1].to_vec()).collect();
    let learnt = learn(&truth, &single).expect("a population");
    assert!(!learnt.cycles_told);
    assert_eq!(learnt.prior.cycle_sd, truth.cycle_sd);
}

/// One scan serves best where the half-life matters least, near T/ln 2; two are never worse than one.
#[test]
fn law_best_single_scan_is_near_the_mean_life() {
    let prior = kidney();
    let times = [24.0, 48.0, 72.0, 96.0, 120.0, 168.0];
    let one = plan(&prior, &times, 1, 200, 3).expect("plans");
    assert_eq!(one[0].times_h, [72.0], "{one:?}");
    let two = plan(&prior, &times, 2, 200, 3).expect("plans");
    assert_eq!(two.len(), 15);
    assert!(two[0].rel_sigma < one[0].rel_sigma, "{two:?}");
    let error = plan(&prior, &times, 7, 10, 3).expect_err("more than there are").to_string();
    assert!(error.contains("1 to 6"), "{error}");
}

/// Standard deviation of ln T from the published 5 and 95 % quantiles of the error of a half-life at 24 h.
fn spread_of_errors(half_life_h: f64, errors: [f64; 2]) -> f64 {
    let ratio = |own: f64| half_life_h / own * (24.0 / half_life_h - 24.0 / own).exp2();
    let solve = |wanted: f64| {
        let (mut low, mut high) = (24.0_f64 * std::f64::consts::LN_2 + 1.0, 400.0_f64);
        for _ in 0..80 {
            let middle = 0.5 * (low + high);
            if ratio(middle) > wanted { low = middle } else { high = middle }
        }
        0.5 * (low + high)
    };
    (solve(1.0 + errors[0]) / solve(1.0 + errors[1])).ln() / (2.0 * 1.644_854)
}

#[test]
fn law_built_in_spreads_follow_from_the_published_errors() {
    let prior = built_in("dotatate-2017");
    for (organ, errors) in
        [("kidney", [-0.15, 0.16]), ("liver", [-0.25, 0.20]), ("spleen", [-0.25, 0.20]), ("tumour", [-0.25, 0.20])]
    {
        let own = prior.organ_of(organ).expect("an organ");
        let total = own.patient_sd[0].hypot(own.cycle_sd[0]);
        let derived = spread_of_errors(own.mean[0].exp(), errors);
        assert!((total / derived - 1.0).abs() < 0.03, "{organ}: {total} {derived}");
    }
    let kidney = built_in("dotatate-kidney-2024").organs.remove(0);
    let variance = (13.0_f64 / 56.0).powi(2).ln_1p();
    assert!((kidney.mean[0] - (56.0_f64.ln() - 0.5 * variance)).abs() < 0.002);
    assert!((kidney.patient_sd[0].hypot(kidney.cycle_sd[0]) / variance.sqrt() - 1.0).abs() < 0.01);
}

/// The uptake's median and spread are those of the published doses per administered activity: (mean, standard deviation) of three
/// series, the median of a fourth.
#[test]
fn law_built_in_uptake_follows_from_published_doses() {
    let mean = |all: &[f64]| all.iter().sum::<f64>() / all.len() as f64;
    let series = [(0.38, 0.19), (0.43, 0.13), (0.54, 0.15)];
    let variances: Vec<f64> = series.iter().map(|(m, sd): &(f64, f64)| (sd / m).powi(2).ln_1p()).collect();
    let mut medians: Vec<f64> = series.iter().zip(&variances).map(|((m, _), v)| m.ln() - 0.5 * v).collect();
    medians.push(0.47_f64.ln());
    let middle = mean(&medians);
    let between = medians.iter().map(|m| (m - middle).powi(2)).sum::<f64>() / 3.0;
    let own = kidney_uptake();
    let variance = |p: usize| own.patient_sd[p].powi(2) + own.cycle_sd[p].powi(2);
    let dose = mean(&variances) + between;
    assert!(((variance(0) + variance(1)) / dose - 1.0).abs() < 0.01, "{dose}");
    // the mean energy of the electrons of a decay, 147.9 keV
    let gy_g_per_mbq_h = 147.9 * 1.602_176_634e-16 * 3.6e9 * 1e3;
    let uptake = middle.exp() * std::f64::consts::LN_2 * 1.05 / (gy_g_per_mbq_h * 50.0);
    assert!((own.median(1) / uptake - 1.0).abs() < 0.005, "{uptake}");
    assert_eq!((own.mean[0], own.patient_sd[0]), (kidney().mean[0], kidney().patient_sd[0]));
}

#[test]
fn law_regions_find_their_organ() {
    let prior = built_in("dotatate-2017");
    for (region, organ) in [
        ("kidney_left", "kidney"),
        ("Right Kidney", "kidney"),
        ("tumour_3", "tumour"),
        ("Spleen", "spleen"),
        ("LIVER", "liver"),
    ] {
        assert_eq!(prior.organ_of(region).map(|o| &o.organ[..]), Some(organ), "{region}");
    }
    // several organs claim it, or none
    for region in ["liver_met", "liver tumour", "bladder", ""] {
        assert_eq!(prior.organ_of(region), None, "{region}");
    }
}

#[test]
fn law_a_prior_file_is_written_as_it_is_read() {
    let prior = built_in("dotatate-2017");
    let again = Prior::parse(&prior.text(), "again", physical).expect("valid");
    for (a, b) in prior.organs.iter().zip(&again.organs) {
        assert!((a.mean[0] - b.mean[0]).abs() < 1e-12);
        assert_eq!((&a.patient_sd, &a.names, a.shape), (&b.patient_sd, &b.names, b.shape));
    }
    assert!(prior.notes("lu177", Some("177lu-dotatate")).is_empty());
    assert!(prior.notes("lu177", None).is_empty());
    assert!(prior.notes("Lu-177", None).is_empty(), "the name that the nuclide's own file has");
    let other = prior.notes("y90", Some("177Lu-PSMA-617"));
    assert_eq!(other.len(), 2);
    assert!(other[0].contains("y90") && other[1].contains("177Lu-PSMA-617"), "{other:?}");
}

/// Every kind of wrong prior is refused by field and value.
#[test]
fn io_wrong_priors_are_refused_by_name() {
    let good = "schema = 1\nname = \"a\"\nsource = \"b\"\npharmaceutical = [\"c\"]\nnuclide = \"lu177\"\n[[organs]]\n\
                organ = \"kidney\"\nnames = [\"kidney\"]\nshape = \"uptake\"\nscan_rel_sigma = 0.05\n\
                correlation = [[1.0, 0.2], [0.2, 1.0]]\n\
                parameters.half_life_h = { median = 50.0, patient_log_sd = 0.2, cycle_log_sd = 0.1 }\n\
                parameters.uptake_half_life_h = { median = 2.0, patient_log_sd = 0.3, cycle_log_sd = 0.1 }\n";
    Prior::parse(good, "p.toml", physical).expect("the good one");
    for (from, to, field, found) in [
        ("schema = 1", "schema = 2", "schema", "2"),
        ("\"lu177\"", "\"xx1\"", "nuclide", "xx1"),
        ("source = \"b\"", "source = \" \"", "source", "none"),
        ("median = 50.0", "median = 170.0", "half_life_h.median", "170"),
        ("median = 50.0", "median = 140.0", "half_life_h.97.5 % quantile", "217"),
        ("median = 50.0", "median = -1.0", "half_life_h.median", "-1"),
        ("patient_log_sd = 0.2", "patient_log_sd = -0.2", "patient_log_sd", "-0.2"),
        ("patient_log_sd = 0.2", "patient_log_sd = 3.0", "patient_log_sd", "3"),
        ("scan_rel_sigma = 0.05", "scan_rel_sigma = 1.5", "scan_rel_sigma", "1.5"),
        ("[0.2, 1.0]", "[0.3, 1.0]", "correlation", "0.3 and 0.2"),
        ("[1.0, 0.2], [0.2, 1.0]", "[1.0, 1.2], [1.2, 1.0]", "correlation", "1.2"),
        ("[1.0, 0.2], [0.2, 1.0]", "[0.9, 0.2], [0.2, 1.0]", "correlation", "0.9"),
        ("[1.0, 0.2], [0.2, 1.0]", "[1.0, 0.2]", "correlation", "1 rows"),
        ("\"uptake\"", "\"mono\"", "uptake_half_life_h", "an entry"),
        ("\"uptake\"", "\"two-phase-uptake\"", "fast_share", "none"),
        ("names = [\"kidney\"]", "names = []", "names", "[]"),
        ("[1.0, 0.2], [0.2, 1.0]", "[1.0, nan], [nan, 1.0]", "correlation", "NaN"),
        ("parameters.uptake_half_life_h", "parameters.uptake_mbq_per_ml_gbq", "uptake_half_life_h", "none"),
    ] {
        let text = good.replace(from, to);
        assert_ne!(text, good, "{from}");
        let error = Prior::parse(&text, "p.toml", physical).expect_err(to).sentence().to_string();
        assert!(error.contains("p.toml") && error.contains(field) && error.contains(found), "{to}: {error}");
    }
}

#[test]
fn io_scans_that_no_curve_passes_are_refused_by_name() {
    let prior = kidney();
    let good = Scan { time_h: 24.0, activity_mbq: 10.0, rel_sigma: None, gbq_ml: None };
    for (scan, field) in [
        (Scan { time_h: 0.0, ..good }, "time"),
        (Scan { activity_mbq: -1.0, ..good }, "activity"),
        (Scan { rel_sigma: Some(1.2), ..good }, "relative uncertainty"),
        (Scan { rel_sigma: Some(-0.1), ..good }, "relative uncertainty"),
        (Scan { rel_sigma: Some(f64::NAN), ..good }, "relative uncertainty"),
        (Scan { gbq_ml: Some(0.0), ..good }, "administered activity times volume"),
    ] {
        let error = fit(&prior, &[vec![good], vec![scan]]).expect_err(field).to_string();
        assert!(error.contains("cycle 2") && error.contains(field), "{error}");
    }
    assert!(fit(&prior, &[vec![good], vec![]]).is_err());
}

/// The uptake of a prior file: in range, in the correlation matrix, written as it is read.
#[test]
fn io_an_uptake_is_checked_and_written() {
    let good = kidney_uptake_text("0.07", "0.3");
    let prior = Prior::parse(&good, "p.toml", physical).expect("valid");
    assert_eq!(prior.organs[0].correlation[(0, 1)], 0.3);
    let again = Prior::parse(&prior.text(), "p.toml", physical).expect("valid");
    assert!((again.organs[0].median(1) / 0.07 - 1.0).abs() < 1e-12);
    assert_eq!(prior.organs[0].without_uptake().mean.len(), 1);
    for (text, field) in [
        (kidney_uptake_text("0.0", "0.3"), "uptake_mbq_per_ml_gbq.median"),
        (kidney_uptake_text("2000.0", "0.3"), "uptake_mbq_per_ml_gbq.median"),
        (kidney_uptake_text("0.07", "1.0"), "correlation"),
    ] {
        let error = Prior::parse(&text, "p.toml", physical).expect_err(field).sentence().to_string();
        assert!(error.contains(field), "{error}");
    }
}

/// A kidney of this uptake and this correlation with the half-life.
fn kidney_uptake_text(median: &str, correlation: &str) -> String {
    format!(
        "schema = 1\nname = \"a\"\nsource = \"b\"\npharmaceutical = [\"c\"]\nnuclide = \"lu177\"\n[[organs]]\n\
         organ = \"kidney\"\nnames = [\"kidney\"]\nshape = \"mono\"\nscan_rel_sigma = 0.05\n\
         correlation = [[1.0, {correlation}], [{correlation}, 1.0]]\n\
         parameters.half_life_h = {{ median = 50.0, patient_log_sd = 0.102, cycle_log_sd = 0.1 }}\n\
         parameters.uptake_mbq_per_ml_gbq = {{ median = {median}, patient_log_sd = 0.363, cycle_log_sd = 0.1 }}\n"
    )
}

/// Share of patients whose TIA by one scan is more than 10 % off, and the root mean square of ln(TIA/truth): population, Hanscheid 2018
/// (2t/ln 2), Madsen (the population's half-life). Patients are drawn from `truth` and fitted with `prior`.
fn single_scan(prior: &OrganPrior, truth: &OrganPrior, time_h: f64, scatter: f64, patients: usize) -> [(f64, f64); 3] {
    let mut normals = Normals::new(31);
    let mut errors: [Vec<f64>; 3] = Default::default();
    let mean_h = prior.mean[0].exp();
    for kinetic in patients_of(truth, patients, 17) {
        let scan = scans(Shape::Mono, &kinetic, &[time_h], scatter, &mut normals);
        let truth = Shape::Mono.ln_integral(4.0, &kinetic).expect("above 0");
        let at = fit(prior, std::slice::from_ref(&scan)).expect("a fit");
        let found = sample(prior, std::slice::from_ref(&scan), &at, 250, 1).expect("draws");
        let activity = scan[0].activity_mbq;
        let hanscheid = activity * 2.0 * time_h / std::f64::consts::LN_2;
        let madsen = activity * (time_h / mean_h).exp2() * mean_h / std::f64::consts::LN_2;
        for (n, tia) in [found.log_mean_mbq_h, hanscheid, madsen].into_iter().enumerate() {
            errors[n].push(tia / truth.exp() - 1.0);
        }
    }
    errors.map(|all| {
        let beyond = all.iter().filter(|e| e.abs() > 0.10).count() as f64 / all.len() as f64;
        (beyond, (all.iter().map(|e| e.ln_1p().powi(2)).sum::<f64>() / all.len() as f64).sqrt())
    })
}

/// One scan of the kidney at 72 or 96 h with the uptake known, exact or with 2 % scatter: at least 94 % of the patients within
/// 10 %, and nearer to the truth than either rule by root mean square; at 96 h by their number too.
fn within_a_tenth(of: &[(f64, f64); 3], time_h: f64) -> bool {
    let [population, hanscheid, madsen] = of;
    population.0 <= 0.06
        && population.1 < hanscheid.1.min(madsen.1)
        && (time_h < 96.0 || population.0 < hanscheid.0.min(madsen.0))
}

#[test]
fn law_one_scan_of_the_kidney_is_within_a_tenth_at_72_and_96_h() {
    let own = kidney_uptake();
    for (scatter, time_h) in [(0.0, 72.0), (0.0, 96.0), (0.02, 72.0), (0.02, 96.0)] {
        let of = single_scan(&own, &own, time_h, scatter, 2000);
        println!("{scatter} {time_h} h: population, Hanscheid, Madsen {of:?}");
        assert!(within_a_tenth(&of, time_h), "{scatter} {time_h} h: {of:?}");
    }
}

/// Without the uptake every rule is one factor at 96 h, and none is better than Hanscheid's: the test sees that.
#[test]
fn alarm_half_lives_alone_are_no_better_than_one_factor() {
    let of = single_scan(&kidney(), &kidney_uptake(), 96.0, 0.02, 2000);
    println!("{of:?}");
    assert!(!within_a_tenth(&of, 96.0), "{of:?}");
}

/// At every time and scatter neither rule is nearer by root mean square, with the uptake or without.
#[test]
fn law_no_rule_of_one_scan_is_nearer_than_the_population() {
    for prior in [kidney(), kidney_uptake()] {
        for scatter in [0.0, 0.05] {
            for time_h in [24.0, 72.0, 96.0, 168.0] {
                let of = single_scan(&prior, &kidney_uptake(), time_h, scatter, 400);
                let [population, hanscheid, madsen] = of;
                assert!(population.1 <= 1.02 * hanscheid.1.min(madsen.1), "{scatter} {time_h} h: {of:?}");
            }
        }
    }
}
