//! Deflection of an electron over a step: soft collisions together, hard ones singly, all at the hinge.
//!
//! Hard elastic collisions (mu = (1 - cos)/2 above a cut-off) follow the Wentzel law and are drawn one by one;
//! their number is Poisson. All other deflections of the step, elastic and inelastic, are drawn at once from a
//! distribution with their exact first and second moments (Fernandez-Varea et al. 1993, NIM B 73:447; PENELOPE
//! manual, section 4.1). See docs/methods/transport.md.

use super::Real;
use super::context::{Context, FLAG_REJECTION};
use super::math::{SinCos, exp_of, fmin, one_minus_exp, recip, root, sin_cos_turn};
use super::navigate::Particle;
use super::rng::{Rng, random, rng_next};
use super::rotate::turn;
use super::rows::electron_value;
use super::tables::{Bin, COLUMN_HARD, COLUMN_MU_CUT, COLUMN_SCREENING, COLUMN_SOFT_1, COLUMN_SOFT_2};
use crate::kernel::Sink;

/// (1 - cos)/2 of the soft deflection over a path with `k1` and `k2` first and second transport mean free paths,
/// from one uniform number: uniform on [0, b] with probability a, else uniform on [b, 1].
pub fn soft_mu(k1: Real, k2: Real, u: Real) -> Real {
    let mean = 0.5 * one_minus_exp(k1);
    let b = (0.5 * one_minus_exp(k2) - mean) * recip(1.0 - 2.0 * mean);
    let a = (1.0 - 2.0 * mean) + b;
    if u < a {
        return (u * b) * recip(a);
    }
    b + ((u - a) * (1.0 - b)) * recip(1.0 - a)
}

/// (1 - cos)/2 of a hard elastic collision: the Wentzel law 1/(mu + A)^2 on [cut, 1], inverted.
pub fn hard_mu(screening: Real, mu_cut: Real, u: Real) -> Real {
    let low = mu_cut + screening;
    let high = 1.0 + screening;
    let v = (low * high) * recip(high - u * (1.0 - mu_cut));
    fmin(v - screening, 1.0)
}

/// Cosine of the angle composed of a polar angle and a further turn of given mu at a random azimuth.
pub fn compose(cos_a: Real, mu_b: Real, cos_azimuth: Real) -> Real {
    let sin_a = root(1.0 - cos_a * cos_a);
    let sin_b = 2.0 * root(mu_b * (1.0 - mu_b));
    (cos_a * (1.0 - 2.0 * mu_b)) + (sin_a * sin_b) * cos_azimuth
}

/// Deflects the particle as the whole step `areal` (g/cm2) does, with the cross sections at `bin`.
pub fn scatter<S: Sink>(cx: &Context, rng: &mut Rng, p: &mut Particle, row: u32, bin: Bin, areal: Real, out: &mut S) {
    let k1 = areal * electron_value(cx, row, bin, COLUMN_SOFT_1);
    let k2 = areal * electron_value(cx, row, bin, COLUMN_SOFT_2);
    let mu = soft_mu(k1, k2, random(rng));
    let mut cos_theta = 1.0 - 2.0 * mu;
    let mut sin_theta = 2.0 * root(mu * (1.0 - mu));
    let hard = areal * electron_value(cx, row, bin, COLUMN_HARD);
    // number of hard collisions: count uniform factors until their product falls below exp_of(-mean)
    let floor = exp_of(-hard);
    let mut product = random(rng);
    let mut count = 0u32;
    while product > floor {
        let screening = electron_value(cx, row, bin, COLUMN_SCREENING);
        let mu_cut = electron_value(cx, row, bin, COLUMN_MU_CUT);
        let mu_hard = hard_mu(screening, mu_cut, random(rng));
        let azimuth = sin_cos_turn(rng_next(rng));
        cos_theta = compose(cos_theta, mu_hard, azimuth.cos);
        sin_theta = root(1.0 - cos_theta * cos_theta);
        product = product * random(rng);
        count = count + 1u32;
        if count > 200u32 {
            out.flag(FLAG_REJECTION);
            product = 0.0;
        }
    }
    let around: SinCos = sin_cos_turn(rng_next(rng));
    turn(p, cos_theta, sin_theta, around);
}
