//! Elementary functions in f64 with the same bits on every machine and in every build: the one door to them for whatever a
//! tally depends on.
//!
//! The standard library hands `exp`, `ln`, `powf` and their like to the platform's C library, which differs between
//! systems, and to the compiler, which may work out a call with constants by other rules than the machine that runs it; the
//! order of the products in `powi` is the compiler's. Those here are written in Rust out of single operations that IEEE 754
//! rounds correctly (`libm`, a port of musl's). `sqrt` and the four rules of arithmetic are exact everywhere and need no door.
//! Which layers pass through it: docs/architecture.md; `tests/it/lock_elementary.rs` reads their sources.

/// e to the power `x`.
pub fn exp(x: f64) -> f64 {
    libm::exp(x)
}

/// Natural logarithm; NaN below 0.
pub fn ln(x: f64) -> f64 {
    libm::log(x)
}

/// Natural logarithm of 1 + `x`, without cancellation near 0; NaN below -1.
pub fn ln_1p(x: f64) -> f64 {
    libm::log1p(x)
}

/// Logarithm to the base 2; NaN below 0.
pub fn log2(x: f64) -> f64 {
    libm::log2(x)
}

/// `x` to the power `y`.
pub fn pow(x: f64, y: f64) -> f64 {
    libm::pow(x, y)
}

/// `x` times itself.
pub fn square(x: f64) -> f64 {
    x * x
}

/// `x` to a whole power, by squaring from the lowest bit of the power up.
pub fn powi(x: f64, n: i32) -> f64 {
    let mut left = n.unsigned_abs();
    let mut factor = x;
    let mut product = 1.0;
    while left > 0 {
        if left & 1 == 1 {
            product *= factor;
        }
        left >>= 1;
        if left > 0 {
            factor *= factor;
        }
    }
    if n < 0 { 1.0 / product } else { product }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Arguments over the range of use and beyond, the same on every machine.
    fn arguments() -> impl Iterator<Item = f64> {
        let mut state = 177_u64;
        (0..4_000).map(move |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 11) as f64 / 9_007_199_254_740_992.0 - 0.5) * 60.0
        })
    }

    /// Values of every function, one after another.
    fn values() -> Vec<f64> {
        arguments()
            .flat_map(|x| {
                let (positive, small) = (x.abs() + 1e-9, x / 64.0);
                [exp(x), ln(positive), ln_1p(small), log2(positive), pow(positive, small), powi(x, 7)]
            })
            .collect()
    }

    /// Within two units in the last place of the platform's.
    #[test]
    fn law_the_functions_are_the_elementary_ones() {
        let near = |found: f64, platform: f64| (found - platform).abs() <= 2.0 * f64::EPSILON * platform.abs();
        for x in arguments() {
            let (positive, small) = (x.abs() + 1e-9, x / 64.0);
            assert!(near(exp(x), x.exp()), "{x}");
            assert!(near(ln(positive), positive.ln()) && near(ln_1p(small), small.ln_1p()), "{x}");
            assert!(near(log2(positive), positive.log2()) && near(pow(positive, small), positive.powf(small)), "{x}");
            assert_eq!(square(x), x * x);
            for n in [-3, -1, 0, 1, 2, 3, 5, 8] {
                assert!((powi(x, n) / x.powi(n) - 1.0).abs() < 1e-15, "{x} {n}");
            }
        }
        assert_eq!((powi(2.0, -7), powi(3.0, 0), powi(0.0, 3)), (0.0078125, 1.0, 0.0));
    }

    /// One hash in every build and on every machine.
    #[test]
    fn lock_the_functions_keep_their_bits() {
        let hash = |values: &[f64]| crate::digest::of_bytes(bytemuck::cast_slice(values));
        let found = values();
        assert_eq!(hash(&found), "50622c8a45858adf5810075047ccdd6c7cceeccca21b558d76a5818d003f67ec");
        // alarm: the last bit of one value
        let mut other = found.clone();
        other[100] = f64::from_bits(other[100].to_bits() ^ 1);
        assert_ne!(hash(&other), hash(&found));
    }
}
