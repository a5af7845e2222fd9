//! Soft energy loss of a step: a simple distribution with the exact mean and variance.
//!
//! Collisions below the knock-on threshold are many and small; over several steps only the first two moments
//! of their sum count (central limit). Shapes as in the PENELOPE manual, section 4.2: bell-shaped when the mean
//! is well above the spread, uniform in between, a uniform tail with some losses of zero for very short steps.

use super::Real;
use super::math::{recip, root};
use super::rng::{Rng, random, rng_next};

/// Sum of four independent uniform numbers made from two words, scaled to mean 0 and variance 1; bounded by
/// 2 sqrt 3.
pub fn bell(word_a: u32, word_b: u32) -> Real {
    let sum = (word_a & 65535u32) + (word_a >> 16) + (word_b & 65535u32) + (word_b >> 16);
    // (sum + 2) / 65536 has mean 2 and variance 1/3
    ((sum as Real + 2.0) * 1.525_878_906_25e-5 - 2.0) * 1.732_050_808
}

/// Energy loss in keV with the mean (keV) and variance (keV2) given, never negative.
pub fn soft_loss(rng: &mut Rng, mean: Real, variance: Real) -> Real {
    let square = mean * mean;
    if square > 12.0 * variance {
        let a = rng_next(rng);
        let b = rng_next(rng);
        return mean + root(variance) * bell(a, b);
    }
    let u = random(rng);
    if square > 3.0 * variance {
        return mean + root(3.0 * variance) * (2.0 * u - 1.0);
    }
    // a loss with probability q, then uniform on [0, top]
    let both = variance + square;
    let q = (1.333_333_333 * square) * recip(both);
    if u > q {
        return 0.0;
    }
    let top = (1.5 * both) * recip(mean);
    (u * top) * recip(q)
}
