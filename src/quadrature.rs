//! Numerical integration: every rule that Lutra uses, each once.
//!
//! Gauss-Legendre points of eight, three and two a panel (Abramowitz & Stegun, table 25.4), Simpson's rule, the trapezoid
//! and power laws between nodes. Tally hashes rest on the last bit of some of these sums, so the order of the operations is
//! part of each rule.

use crate::elementary::{exp, ln, pow};
/// Positive nodes and weights of the eight-point rule on [-1, 1] (Abramowitz & Stegun, table 25.4).
const EIGHT: [(f64, f64); 4] = [
    (0.183_434_642_495_649_8, 0.362_683_783_378_362),
    (0.525_532_409_916_329, 0.313_706_645_877_887_3),
    (0.796_666_477_413_626_7, 0.222_381_034_453_374_48),
    (0.960_289_856_497_536_3, 0.101_228_536_290_376_26),
];

/// Nodes of the two-point rule on [0, 1], both of weight 1/2: (1 -+ 1/sqrt 3)/2, to nine digits.
pub(crate) const TWO: [f64; 2] = [0.211_324_865, 0.788_675_135];

/// Nodes and weights of the three-point rule on both halves of the triangle 1 - |t| over [-1, 1]: the rule on [0, 1], its
/// weights multiplied by 1 - |t|.
pub(crate) const TRIANGLE_SIX: [(f64, f64); 6] = [
    (-0.887_298_334_620_741_7, 0.031_306_018_160_905_08),
    (-0.5, 0.222_222_222_222_222_2),
    (-0.112_701_665_379_258_3, 0.246_471_759_616_872_7),
    (0.112_701_665_379_258_3, 0.246_471_759_616_872_7),
    (0.5, 0.222_222_222_222_222_2),
    (0.887_298_334_620_741_7, 0.031_306_018_160_905_08),
];

/// Two points that have the weight, the mean and the variance (1/6) of the triangle 1 - |t| over [-1, 1].
pub(crate) const TRIANGLE_TWO: [(f64, f64); 2] = [(-0.408_248_290_463_863, 0.5), (0.408_248_290_463_863, 0.5)];

/// The eight places and weights of the panel of half width `half` around `middle`.
fn eight(middle: f64, half: f64) -> impl Iterator<Item = (f64, f64)> {
    EIGHT
        .into_iter()
        .flat_map(move |(node, weight)| [(middle - half * node, weight * half), (middle + half * node, weight * half)])
}

/// Integral of `f` from `from` to `to` by one eight-point panel: exact to degree 15.
pub(crate) fn panel(from: f64, to: f64, f: &dyn Fn(f64) -> f64) -> f64 {
    let (middle, half) = (0.5 * (from + to), 0.5 * (to - from));
    EIGHT.iter().map(|(node, weight)| weight * (f(middle - half * node) + f(middle + half * node))).sum::<f64>() * half
}

/// Integral of `f` from 0 to 1 on panels whose edges stand at powers of 10^(1/5) from 1e-4: for
/// integrands whose scale near zero is not known.
pub(crate) fn graded(f: &dyn Fn(f64) -> f64) -> f64 {
    let edge = |k: i32| pow(10.0, f64::from(k) / 5.0);
    panel(0.0, edge(-20), f) + (-20..0).map(|k| panel(edge(k), edge(k + 1), f)).sum::<f64>()
}

/// Places and weights of [`graded`], for several integrals over the same places.
pub(crate) fn graded_points() -> &'static [(f64, f64)] {
    static POINTS: std::sync::OnceLock<Vec<(f64, f64)>> = std::sync::OnceLock::new();
    POINTS.get_or_init(|| {
        let edge = |k: i32| if k < -20 { 0.0 } else { pow(10.0, f64::from(k) / 5.0) };
        (-21..0).flat_map(|k| eight(0.5 * (edge(k) + edge(k + 1)), 0.5 * (edge(k + 1) - edge(k)))).collect()
    })
}

/// Integrals of a pair of functions from `low` to `high` (0 < low < high) on `panels` equal eight-point panels in the
/// logarithm.
pub(crate) fn log_pair(low: f64, high: f64, panels: u32, f: impl Fn(f64) -> (f64, f64)) -> (f64, f64) {
    let half = 0.5 * ln(high / low) / f64::from(panels);
    let mut sum = (0.0, 0.0);
    for panel in 0..panels {
        let middle = ln(low) + half * (2.0 * f64::from(panel) + 1.0);
        for (log_x, weight) in eight(middle, half) {
            let x = exp(log_x);
            let value = f(x);
            sum.0 += weight * x * value.0;
            sum.1 += weight * x * value.1;
        }
    }
    sum
}

/// Integral of `f` from `from` to `to` by three points: exact to degree 5.
pub(crate) fn three_points(from: f64, to: f64, f: impl Fn(f64) -> f64) -> f64 {
    let (middle, half) = (0.5 * (from + to), 0.5 * (to - from));
    let off = half * 0.6f64.sqrt();
    half / 9.0 * (5.0 * f(middle - off) + 8.0 * f(middle) + 5.0 * f(middle + off))
}

/// Integral over a piece of length `width` from the values at its start, its middle and its end: Simpson's rule, exact to
/// degree 3.
pub(crate) fn simpson(width: f64, start: f64, middle: f64, end: f64) -> f64 {
    width / 6.0 * (start + 4.0 * middle + end)
}

/// Integral over a piece of length `width` from the values at its ends: the trapezoid, exact to degree 1.
pub(crate) fn trapezoid(width: f64, start: f64, end: f64) -> f64 {
    0.5 * (start + end) * width
}

/// Integral of `y` over `x` from 0 to every node: a power law between nodes, y proportional to x below the first.
/// `x` ascending; values positive; powers above -1.
pub(crate) fn power_laws_from_zero(x: &[f64], y: &[f64]) -> Vec<f64> {
    let power = |i: usize| ln(y[i + 1] / y[i]) / ln(x[i + 1] / x[i]);
    let mut sum = 0.5 * x[0] * y[0];
    let mut sums = vec![sum];
    for i in 0..x.len() - 1 {
        sum += (x[i + 1] * y[i + 1] - x[i] * y[i]) / (1.0 + power(i));
        sums.push(sum);
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn law_polynomials_and_steep_functions() {
        assert!((panel(1.0, 3.0, &|x| x.powi(15)) / ((3f64.powi(16) - 1.0) / 16.0) - 1.0).abs() < 1e-13);
        let steep = graded(&|x| 1.0 / (x + 1e-3));
        assert!((steep / (1001f64).ln() - 1.0).abs() < 1e-9, "{steep}");
        let pointwise: f64 = graded_points().iter().map(|(x, weight)| weight / (x + 1e-3)).sum();
        assert!((pointwise / steep - 1.0).abs() < 1e-12, "{pointwise}");
    }

    /// Each rule is exact to its degree, and (alarm) not beyond it.
    #[test]
    fn law_each_rule_is_exact_to_its_degree() {
        let whole = |n: i32| (2f64.powi(n + 1) - 1.0) / f64::from(n + 1);
        let apart = |found: f64, n: i32| (found / whole(n) - 1.0).abs();
        let three = |n: i32| apart(three_points(1.0, 2.0, |x| x.powi(n)), n);
        let simpson = |n: i32| apart(simpson(1.0, 1.0, 1.5f64.powi(n), 2f64.powi(n)), n);
        let trapezoid = |n: i32| apart(trapezoid(1.0, 1.0, 2f64.powi(n)), n);
        let two = |n: i32| apart(0.5 * TWO.map(|t| (1.0 + t).powi(n)).iter().sum::<f64>(), n);
        assert!(three(5) < 1e-14 && three(6) > 1e-6, "{} {}", three(5), three(6));
        assert!(simpson(3) < 1e-14 && simpson(4) > 1e-4);
        assert!(trapezoid(1) < 1e-14 && trapezoid(2) > 1e-2);
        assert!(two(3) < 1e-9 && two(4) > 1e-4, "nine digits of the nodes");
        let logarithmic = log_pair(1.0, 1e4, 4, |x| (1.0 / x, 1.0 / (x * x)));
        assert!((logarithmic.0 / 1e4f64.ln() - 1.0).abs() < 1e-14, "{logarithmic:?}");
        assert!((logarithmic.1 / (1.0 - 1e-4) - 1.0).abs() < 1e-9, "{logarithmic:?}");
    }

    /// The triangle's moments: 1, 0, 1/6, 0, 1/15; two points have the first four of them.
    #[test]
    fn law_triangle_rules_have_the_moments_of_the_triangle() {
        let moment = |rule: &[(f64, f64)], n: i32| rule.iter().map(|(t, weight)| weight * t.powi(n)).sum::<f64>();
        for (n, wanted) in [1.0, 0.0, 1.0 / 6.0, 0.0, 1.0 / 15.0].into_iter().enumerate() {
            assert!((moment(&TRIANGLE_SIX, n as i32) - wanted).abs() < 1e-15, "{n}");
            assert_eq!((moment(&TRIANGLE_TWO, n as i32) - wanted).abs() < 1e-14, n < 4, "{n}");
        }
    }

    #[test]
    fn law_power_laws_are_exact() {
        let x = [1.0, 2.0, 5.0, 9.0];
        // x below 1, x^1.7 above it
        let sums = power_laws_from_zero(&x, &x.map(|x: f64| x.powf(1.7)));
        for (x, found) in x.iter().zip(sums) {
            assert!((found / (0.5 + (x.powf(2.7) - 1.0) / 2.7) - 1.0).abs() < 1e-14, "{x} {found}");
        }
    }
}
