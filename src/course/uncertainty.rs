//! The uncertainty of a cumulative value and the probability that it exceeds a limit.

use crate::draws::Normals;
use serde::Serialize;
use statrs::distribution::{ContinuousCDF, Normal};

/// One cycle's contribution to the budget.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CycleUncertainty {
    /// The cycle's value (BED or dose), Gy.
    pub value_gy: f64,
    /// d ln value / d ln dose: [`crate::bed::Radiobiology::bed_sensitivity`] for BED, 1 for dose.
    pub sensitivity: f64,
    /// Random relative uncertainty of the dose (fit, noise, region).
    pub random_rel_sigma: f64,
    /// Systematic relative uncertainty of the dose (calibration, partial volume, mass, S value).
    pub systematic_rel_sigma: f64,
}

/// Standard uncertainty of a sum over cycles, k = 1, Gy, under three assumptions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CumulativeSigma {
    /// Random parts independent, systematic parts common: the stated budget.
    pub budget_gy: f64,
    /// Everything independent from cycle to cycle: the least.
    pub independent_gy: f64,
    /// Everything common to all cycles: the most.
    pub correlated_gy: f64,
}

/// Adds the cycles' uncertainties.                                      [methods/course.md eq. 6]
///   budget: Var = Sum (a b u_r)^2 + (Sum a b u_s)^2
pub fn cumulative_sigma(cycles: &[CycleUncertainty]) -> CumulativeSigma {
    let (mut random, mut independent, mut systematic, mut correlated) = (0.0, 0.0, 0.0, 0.0);
    for cycle in cycles {
        let scale = cycle.sensitivity * cycle.value_gy;
        let both = cycle.random_rel_sigma.hypot(cycle.systematic_rel_sigma);
        random += (scale * cycle.random_rel_sigma).powi(2);
        systematic += scale * cycle.systematic_rel_sigma;
        independent += (scale * both).powi(2);
        correlated += scale * both;
    }
    CumulativeSigma {
        budget_gy: (random + systematic * systematic).sqrt(),
        independent_gy: independent.sqrt(),
        correlated_gy: correlated,
    }
}

/// Number of draws of a sum.
pub const DRAWS: usize = 10_000;
/// Their seed: the same course gives the same figures.
const SEED: u64 = 1;

/// A cumulative value by draws of the same budget: log-normal errors, skewed as they are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct DrawnSum {
    /// 2.5, 16, 50, 84 and 97.5 % quantiles, Gy.
    pub quantiles_gy: [f64; 5],
    /// P(above the upper edge).
    pub above: f64,
    /// P(inside); none without a lower edge.
    pub inside: Option<f64>,
}

/// The sum of `cycles` and of `fixed_gy` (treatments before, taken as they are) in each draw, Gy:
///   Sum_k b_k exp(a_k (u_r,k z_k + u_s,k z)) + fixed                 [methods/course.md eq. 6a]
/// with one z for what the cycles have in common.
pub fn drawn_sums_gy(cycles: &[CycleUncertainty], fixed_gy: f64, draws: usize) -> Vec<f64> {
    let mut normals = Normals::new(SEED);
    let mut one = || {
        let common = normals.one();
        let of = |cycle: &CycleUncertainty| {
            let moved = cycle.random_rel_sigma * normals.one() + cycle.systematic_rel_sigma * common;
            cycle.value_gy * (cycle.sensitivity * moved).exp()
        };
        fixed_gy + cycles.iter().map(of).sum::<f64>()
    };
    (0..draws).map(|_| one()).collect()
}

/// Quantiles and probabilities of draws against the edges of a window, Gy.
pub fn drawn_sum(values_gy: &[f64], lower_gy: Option<f64>, upper_gy: f64) -> DrawnSum {
    let mut sorted = values_gy.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    let at = |share: f64| sorted[((share * n as f64) as usize).min(n - 1)];
    let share = |inside: &dyn Fn(f64) -> bool| sorted.iter().filter(|v| inside(**v)).count() as f64 / n as f64;
    DrawnSum {
        quantiles_gy: [0.025, 0.16, 0.5, 0.84, 0.975].map(at),
        above: share(&|v| v > upper_gy),
        inside: lower_gy.map(|lower_gy| share(&|v| (lower_gy..=upper_gy).contains(&v))),
    }
}

/// P(true value > `limit_gy`) for a normal error about `mean_gy`; a sigma of 0 gives 0 or 1.
pub fn probability_above(mean_gy: f64, sigma_gy: f64, limit_gy: f64) -> f64 {
    match Normal::new(mean_gy, sigma_gy) {
        Ok(law) if sigma_gy > 0.0 => law.sf(limit_gy),
        _ => f64::from(u8::from(mean_gy > limit_gy)),
    }
}

/// P(`lower_gy` <= true value <= `upper_gy`).
pub fn probability_inside(mean_gy: f64, sigma_gy: f64, lower_gy: f64, upper_gy: f64) -> f64 {
    probability_above(mean_gy, sigma_gy, lower_gy) - probability_above(mean_gy, sigma_gy, upper_gy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cycles(random: f64, systematic: f64) -> Vec<CycleUncertainty> {
        let one = CycleUncertainty {
            value_gy: 5.4,
            sensitivity: 1.08,
            random_rel_sigma: random,
            systematic_rel_sigma: systematic,
        };
        vec![one; 5]
    }

    fn moments(values: &[f64]) -> (f64, f64) {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        (mean, (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt())
    }

    /// Small errors: the draws' width is the budget's, whatever is common; alarm: another division is seen.
    #[test]
    fn law_draws_have_the_width_of_the_budget_where_errors_are_small() {
        for (random, systematic) in [(0.05, 0.0), (0.0, 0.05), (0.04, 0.03)] {
            let own = cycles(random, systematic);
            let (mean, sd) = moments(&drawn_sums_gy(&own, 2.0, DRAWS));
            assert!((mean / 29.0 - 1.0).abs() < 0.003, "{mean}");
            assert!((sd / cumulative_sigma(&own).budget_gy - 1.0).abs() < 0.03, "{sd}");
        }
        let (_, sd) = moments(&drawn_sums_gy(&cycles(0.04, 0.03), 0.0, DRAWS));
        assert!((sd / cumulative_sigma(&cycles(0.03, 0.04)).budget_gy - 1.0).abs() > 0.10);
    }

    /// Probabilities of 27 Gy against 29 Gy near the normal law's, 0.119 and 0.299 at 13 %, and skewed upwards.
    #[test]
    fn law_draws_give_the_probabilities_of_a_window_and_are_skewed() {
        for (random, systematic, normal) in [(0.13 / 1.08, 0.0, 0.119), (0.0, 0.13 / 1.08, 0.299)] {
            let values = drawn_sums_gy(&cycles(random, systematic), 0.0, DRAWS);
            let found = drawn_sum(&values, Some(25.0), 29.0);
            assert!((found.above - normal).abs() < 0.03, "{found:?}");
            let below = values.iter().filter(|v| **v < 25.0).count() as f64 / values.len() as f64;
            assert!((found.above + found.inside.expect("a lower edge") + below - 1.0).abs() < 1e-12);
            let [low, _, middle, _, high] = found.quantiles_gy;
            assert!(systematic == 0.0 || high - middle > 1.15 * (middle - low), "{found:?}");
        }
        assert_eq!(drawn_sum(&[1.0, 3.0], None, 2.0).inside, None);
        assert_eq!(drawn_sum(&drawn_sums_gy(&[], 30.0, 10), None, 29.0).above, 1.0);
    }
}
