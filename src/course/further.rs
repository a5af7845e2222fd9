//! What one scan more would leave of the uncertainty of a region's integral.
//!
//! Scans without errors on the fitted curve, at the times of the scans that there are, have the width w; with one scan more, of the
//! same size of error, w'. Both are those of the region's own method: least squares by (J^T W J)^-1, a population by its
//! posterior. The scan would leave u' = u w'/w of the uncertainty u that the real scans have [methods/uncertainty.md section 6]:
//! a scatter that is larger than stated stays larger.

use serde::{Deserialize, Serialize};

use super::integral::{ActivityPoint, Kinetics, TimeIntegral};

/// Times that a further scan may have, h after injection: working days of a week. Before a day uptake and wash-out are not told
/// apart by the curves in use.
const CANDIDATES_H: [f64; 6] = [24.0, 48.0, 72.0, 96.0, 120.0, 168.0];
/// A scan this close to one that there is is that scan again, h.
const SAME_DAY_H: f64 = 12.0;
/// Physical half-lives after which a scan shows too little to have the error of the others.
const MOST_HALF_LIVES: f64 = 5.0;

/// A further scan.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FurtherScan {
    /// When, h after injection.
    pub time_h: f64,
    /// What it would leave of the relative standard uncertainty of the integral, as a share of the present one, above 0.
    pub left: f64,
}

/// What each candidate would leave, in order of time; none where the curve has no formula or its width is not known.
///
/// `width` is the relative standard uncertainty of the integral through such points by the region's method.
pub(super) fn further_scans(
    points: &[ActivityPoint],
    integral: &TimeIntegral,
    physical_half_life_h: f64,
    width: impl Fn(&[ActivityPoint]) -> Option<f64>,
) -> Vec<FurtherScan> {
    let Kinetics::Exponentials(curve) = &integral.kinetics else { return Vec::new() };
    let known = integral.rel_sigma.is_some() && !integral.fell_back();
    let Some(error) = error_of_a_scan(points, integral).filter(|_| known) else { return Vec::new() };
    let exact = |time_h: f64, rel_sigma| ActivityPoint { time_h, activity_mbq: curve.value(time_h), rel_sigma };
    let mut own: Vec<ActivityPoint> = points.iter().map(|p| exact(p.time_h, p.rel_sigma.or(error.0))).collect();
    let Some(now) = width(&own).filter(|w| *w > 0.0) else { return Vec::new() };
    let free = |time_h: &f64| {
        *time_h <= MOST_HALF_LIVES * physical_half_life_h
            && points.iter().all(|p| (p.time_h - time_h).abs() >= SAME_DAY_H)
    };
    let mut found = Vec::new();
    for time_h in CANDIDATES_H.into_iter().filter(free) {
        let place = own.partition_point(|p| p.time_h < time_h);
        own.insert(place, exact(time_h, error.0));
        found.extend(width(&own).map(|then| FurtherScan { time_h, left: then / now }));
        own.remove(place);
    }
    found
}

/// The error of a further scan; an inner none leaves it to the population, an outer one says that nothing tells it.
struct ScanError(Option<f64>);

fn error_of_a_scan(points: &[ActivityPoint], integral: &TimeIntegral) -> Option<ScanError> {
    let stated: Vec<f64> = points.iter().filter_map(|p| p.rel_sigma).collect();
    if !stated.is_empty() && stated.len() == points.len() {
        let mean = stated.iter().map(|s| s * s).sum::<f64>() / stated.len() as f64;
        return Some(ScanError(Some(mean.sqrt())));
    }
    if integral.method == "population" {
        return Some(ScanError(None));
    }
    // unknown errors: the scatter about the curve; its size falls out of the ratio
    (integral.degrees_of_freedom > 0).then_some(ScanError(Some(SCATTER)))
}

/// Any size of a scatter that is the same for all scans: widths are in proportion to it.
const SCATTER: f64 = 0.01;

#[cfg(test)]
mod tests {
    use super::super::integral::{ErrorModel, Model};
    use super::super::time_activity::integrate_model;
    use super::*;

    const T_P: f64 = 159.53;

    fn points(times: &[f64], error: Option<f64>, off: &[f64]) -> Vec<ActivityPoint> {
        let of = |(n, &time_h): (usize, &f64)| ActivityPoint {
            time_h,
            activity_mbq: 100.0 * off.get(n).unwrap_or(&1.0) * (-time_h / 50.0).exp2(),
            rel_sigma: error,
        };
        times.iter().enumerate().map(of).collect()
    }

    fn fit(points: &[ActivityPoint]) -> Option<TimeIntegral> {
        integrate_model(points, Model::Mono, ErrorModel::Relative, T_P).ok()
    }

    fn of(points: &[ActivityPoint]) -> Vec<FurtherScan> {
        let integral = fit(points).expect("a fit");
        further_scans(points, &integral, T_P, |points| fit(points)?.rel_sigma)
    }

    /// u(ln TIA) of ln a = ln A - l t by the normal equations: TIA = A/l, gradient (1, -1/l).
    fn closed(times: &[f64], error: f64) -> f64 {
        let rate = std::f64::consts::LN_2 / 50.0;
        let (n, s, ss) = times.iter().fold((0.0, 0.0, 0.0), |(n, s, ss), t| (n + 1.0, s + t, ss + t * t));
        let det = n * ss - s * s;
        // inverse of [[n, -s], [-s, ss]] is [[ss, s], [s, n]]/det
        let variance = (ss - 2.0 * s / rate + n / (rate * rate)) / det;
        error * variance.sqrt()
    }

    /// Two scans and a third at each candidate: the ratio of the closed forms.
    #[test]
    fn law_a_further_scan_leaves_what_the_normal_equations_say() {
        let times = [24.0, 72.0];
        let found = of(&points(&times, Some(0.05), &[]));
        assert_eq!(found.iter().map(|f| f.time_h).collect::<Vec<_>>(), [48.0, 96.0, 120.0, 168.0]);
        for scan in &found {
            let wanted = closed(&[24.0, 72.0, scan.time_h], 0.05) / closed(&times, 0.05);
            assert!((scan.left / wanted - 1.0).abs() < 1e-3, "{} h: {} {wanted}", scan.time_h, scan.left);
        }
        let best = found.iter().min_by(|a, b| a.left.total_cmp(&b.left)).expect("candidates");
        assert!(best.time_h == 120.0 && best.left < 0.6, "between the last scan and too little to weigh: {best:?}");
        // alarm: a scan that was not added, and one of half the error, are seen
        let later = closed(&[24.0, 72.0, 168.0], 0.05) / closed(&times, 0.05);
        assert!((later - 1.0).abs() > 0.1 && (best.left - 1.0).abs() > 0.1);
    }

    /// What is left does not hang on the size of the errors, stated or not; scatter stays in the present uncertainty.
    #[test]
    fn law_what_is_left_is_a_share() {
        let times = [24.0, 72.0, 120.0];
        let stated = of(&points(&times, Some(0.05), &[]));
        for other in [points(&times, Some(0.1), &[]), points(&times, None, &[1.02, 0.97, 1.02])] {
            let found = of(&other);
            assert_eq!(found.len(), stated.len());
            for (a, b) in found.iter().zip(&stated) {
                assert!((a.left / b.left - 1.0).abs() < 0.02, "{a:?} {b:?}");
            }
        }
    }

    /// Against brute force: curves refitted through scans drawn about the truth narrow as stated.
    #[test]
    fn law_draws_narrow_as_stated() {
        let mut normals = crate::draws::Normals::new(3);
        let mut sd = |times: &[f64]| {
            let logs: Vec<f64> = (0..1500)
                .filter_map(|_| {
                    let off: Vec<f64> = normals.many(times.len()).iter().map(|z| (0.03 * z).exp()).collect();
                    Some(fit(&points(times, Some(0.03), &off))?.tia_mbq_h.ln())
                })
                .collect();
            let mean = logs.iter().sum::<f64>() / logs.len() as f64;
            (logs.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / logs.len() as f64).sqrt()
        };
        let (now, then) = (sd(&[24.0, 72.0]), sd(&[24.0, 72.0, 168.0]));
        let stated = of(&points(&[24.0, 72.0], Some(0.03), &[])).iter().find(|f| f.time_h == 168.0).expect("one").left;
        assert!((then / now / stated - 1.0).abs() < 0.1, "{then} {now} {stated}");
        assert!((1.3 * stated / (then / now) - 1.0).abs() > 0.1, "alarm: a third more would be seen");
    }

    /// Nothing is said where nothing tells the error: two scans without stated errors.
    #[test]
    fn law_nothing_is_said_where_no_error_is_known() {
        assert_eq!(of(&points(&[24.0, 96.0], None, &[])), []);
        let scans = points(&[2.0, 5.0], Some(0.05), &[]);
        let short = further_scans(&scans, &fit(&scans).expect("a fit"), 2.0, |points| fit(points)?.rel_sigma);
        assert_eq!(short, [], "after five half-lives nothing is left to see");
    }
}
