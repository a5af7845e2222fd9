//! The elementary functions of `math.rs` in f64, from the standard library.

use super::Real;

/// Sine and cosine of one angle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SinCos {
    /// Sine.
    pub sin: Real,
    /// Cosine.
    pub cos: Real,
}

/// The smaller of two numbers.
pub fn fmin(a: Real, b: Real) -> Real {
    a.min(b)
}

/// The larger of two numbers.
pub fn fmax(a: Real, b: Real) -> Real {
    a.max(b)
}

/// Magnitude.
pub fn fabs(a: Real) -> Real {
    a.abs()
}

/// 1/x.
pub fn recip(x: Real) -> Real {
    1.0 / x
}

/// 1/sqrt(x).
pub fn rsqrt(x: Real) -> Real {
    1.0 / x.sqrt()
}

/// Square root.
pub fn root(x: Real) -> Real {
    x.sqrt()
}

/// Natural logarithm.
pub fn ln(x: Real) -> Real {
    x.ln()
}

/// Exponential.
pub fn exp_of(x: Real) -> Real {
    x.exp()
}

/// 1 - exp_of(-x).
pub fn one_minus_exp(x: Real) -> Real {
    -(-x).exp_m1()
}

/// Sine and cosine of the angle `turn / 2^32` of a full turn.
pub fn sin_cos_turn(turn: u32) -> SinCos {
    let (sin, cos) = (f64::from(turn) * (std::f64::consts::TAU / 4_294_967_296.0)).sin_cos();
    SinCos { sin, cos }
}

/// A whole number as a float.
pub fn real_from_u32(x: u32) -> Real {
    f64::from(x)
}

/// Energy units (2^-5 eV) of an energy in keV, rounded to nearest; negative energies count as none.
pub fn units_from_kev(energy_kev: Real) -> u32 {
    (energy_kev * 32_000.0 + 0.5).max(0.0) as u32
}

/// Energy in keV of a number of energy units (2^-5 eV).
pub fn kev_from_units(units: u32) -> Real {
    f64::from(units) / 32_000.0
}
