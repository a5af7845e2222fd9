//! The uncertainty of a cumulative value and the probability that it exceeds a limit.

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
