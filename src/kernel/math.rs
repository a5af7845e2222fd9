//! Elementary functions from + - * and bit patterns alone, the same bits on every device.
//!
//! Drivers disagree on log, exp, sin, cos, division, sqrt and fused multiply-add; they agree on single
//! sums and products of normal numbers. Denormal numbers are avoided: arguments are bounded away from them.

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
    if a < b { a } else { b }
}

/// The larger of two numbers.
pub fn fmax(a: Real, b: Real) -> Real {
    if a > b { a } else { b }
}

/// Magnitude.
pub fn fabs(a: Real) -> Real {
    if a < 0.0 { -a } else { a }
}

/// 1/x for normal x > 0; within 2 units in the last place. Newton's iteration from a bit pattern.
pub fn recip(x: Real) -> Real {
    let mut r = Real::from_bits(0x7EF3_11C7u32.wrapping_sub(x.to_bits()));
    r = r * (2.0 - x * r);
    r = r * (2.0 - x * r);
    r = r * (2.0 - x * r);
    r
}

/// 1/sqrt(x) for normal x > 0; within 3 units in the last place. Newton's iteration from a bit pattern.
pub fn rsqrt(x: Real) -> Real {
    let h = 0.5 * x;
    let mut r = Real::from_bits(0x5F37_5A86u32.wrapping_sub(x.to_bits() >> 1));
    r = r * (1.5 - (h * r) * r);
    r = r * (1.5 - (h * r) * r);
    r = r * (1.5 - (h * r) * r);
    r
}

/// Square root of x >= 0; 0 below 1e-30.
pub fn root(x: Real) -> Real {
    if x < 1.0e-30 {
        return 0.0;
    }
    x * rsqrt(x)
}

/// Natural logarithm of normal x > 0 (Cephes logf polynomial, Moshier 1984), within 1 unit in the last place.
pub fn ln(x: Real) -> Real {
    let b = x.to_bits();
    let mut e = (b >> 23) as i32 - 126;
    let mut m = Real::from_bits((b & 0x007f_ffffu32) | 0x3f00_0000u32);
    if m < 0.707_106_78 {
        e = e - 1;
        m = (m + m) - 1.0;
    } else {
        m = m - 1.0;
    }
    let z = m * m;
    let mut y: Real = 7.037_683_629_2e-2;
    y = y * m - 1.151_461_031_0e-1;
    y = y * m + 1.167_699_874_0e-1;
    y = y * m - 1.242_014_084_6e-1;
    y = y * m + 1.424_932_278_7e-1;
    y = y * m - 1.666_805_766_5e-1;
    y = y * m + 2.000_071_476_5e-1;
    y = y * m - 2.499_999_399_3e-1;
    y = y * m + 3.333_333_117_4e-1;
    y = (y * m) * z;
    let fe = e as Real;
    y = y - fe * 2.121_944_40e-4;
    y = y - 0.5 * z;
    let r = m + y;
    r + fe * 0.693_359_375
}

/// Exponential of -80 <= x <= 80 (Cephes expf polynomial, Moshier 1984); 0 below.
pub fn exp_of(x: Real) -> Real {
    if x < -80.0 {
        return 0.0;
    }
    // n = floor(x / ln 2 + 1/2), built from a positive number so that the conversion truncates downwards
    let n = ((x * 1.442_695_04 + 128.5) as u32) as i32 - 128;
    let fnn = n as Real;
    let r = (x - fnn * 0.693_359_375) + fnn * 2.121_944_40e-4;
    let mut y: Real = 1.987_569_150_0e-4;
    y = y * r + 1.398_199_950_7e-3;
    y = y * r + 8.333_451_907_3e-3;
    y = y * r + 4.166_579_589_4e-2;
    y = y * r + 1.666_666_545_9e-1;
    y = y * r + 5.000_000_120_1e-1;
    y = (y * r) * r + r;
    y = y + 1.0;
    y * Real::from_bits(((n + 127) as u32) << 23)
}

/// 1 - exp_of(-x) for x >= 0, without cancellation.
pub fn one_minus_exp(x: Real) -> Real {
    if x > 0.5 {
        return 1.0 - exp_of(-x);
    }
    let mut y = 1.0 - x * 0.142_857_143;
    y = 1.0 - (x * 0.166_666_667) * y;
    y = 1.0 - (x * 0.2) * y;
    y = 1.0 - (x * 0.25) * y;
    y = 1.0 - (x * 0.333_333_333) * y;
    y = 1.0 - (x * 0.5) * y;
    x * y
}

/// Sine and cosine of the angle `turn / 2^32` of a full turn (Cephes sinf and cosf polynomials, Moshier 1984).
pub fn sin_cos_turn(turn: u32) -> SinCos {
    let q = turn.wrapping_add(0x2000_0000u32) >> 30;
    let d = (turn.wrapping_sub(q << 30) as i32) >> 7;
    // pi/2 / 2^23
    let a = (d as Real) * 1.872_535_1e-7;
    let z = a * a;
    let mut s: Real = -1.951_529_589_1e-4;
    s = s * z + 8.332_160_873_6e-3;
    s = s * z - 1.666_665_461_1e-1;
    s = (s * z) * a + a;
    let mut c: Real = 2.443_315_711_8e-5;
    c = c * z - 1.388_731_625_5e-3;
    c = c * z + 4.166_664_568_3e-2;
    c = (c * z) * z;
    c = c - 0.5 * z;
    c = c + 1.0;
    let odd = (q & 1u32) == 1u32;
    let sine = if odd { c } else { s };
    let cosine = if odd { -s } else { c };
    let half = (q & 2u32) == 2u32;
    SinCos { sin: if half { -sine } else { sine }, cos: if half { -cosine } else { cosine } }
}

/// A whole number as a float, correctly rounded on every driver (a plain conversion is exact below 2^24 only).
pub fn real_from_u32(x: u32) -> Real {
    ((x >> 12) as Real) * 4096.0 + ((x & 4095u32) as Real)
}

/// Energy units (2^-5 eV) of an energy in keV, rounded to nearest; negative energies count as none.
pub fn units_from_kev(energy_kev: Real) -> u32 {
    fmax(energy_kev * 32000.0 + 0.5, 0.0) as u32
}

/// Energy in keV of a number of energy units (2^-5 eV).
pub fn kev_from_units(units: u32) -> Real {
    real_from_u32(units) * 3.125e-5
}
