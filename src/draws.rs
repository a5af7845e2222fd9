//! Seeded draws of standard normal numbers: the one door to chance for all that samples uncertainty.
//!
//! The generator is xoshiro256++ (Blackman and Vigna, ACM Trans. Math. Softw. 47 (2021) 36), the transform that of Box and
//! Muller (Ann. Math. Stat. 29 (1958) 610). The same seed gives the same numbers on every machine.

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// A stream of standard normal numbers.
#[derive(Clone, Debug)]
pub struct Normals {
    rng: Xoshiro256PlusPlus,
    kept: Option<f64>,
}

impl Normals {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        Self { rng: Xoshiro256PlusPlus::seed_from_u64(seed), kept: None }
    }

    /// The next number: mean 0, standard deviation 1.
    pub fn one(&mut self) -> f64 {
        if let Some(kept) = self.kept.take() {
            return kept;
        }
        // 1 - u lies in (0, 1]: its logarithm is finite
        let (u, v): (f64, f64) = (self.rng.random(), self.rng.random());
        let (radius, angle) = ((-2.0 * (1.0 - u).ln()).sqrt(), std::f64::consts::TAU * v);
        self.kept = Some(radius * angle.sin());
        radius * angle.cos()
    }

    /// The next `count` numbers.
    pub fn many(&mut self, count: usize) -> Vec<f64> {
        (0..count).map(|_| self.one()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean 0 and variance 1 within four standard errors, and 95.4 % within 2.
    #[test]
    fn law_normals_are_standard() {
        let all = Normals::new(11).many(100_000);
        let n = all.len() as f64;
        let mean = all.iter().sum::<f64>() / n;
        let variance = all.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        let inside = all.iter().filter(|x| x.abs() < 2.0).count() as f64 / n;
        assert!(mean.abs() < 4.0 / n.sqrt(), "{mean}");
        assert!((variance - 1.0).abs() < 4.0 * (2.0 / n).sqrt(), "{variance}");
        assert!((inside - 0.9545).abs() < 4.0 * (0.9545 * 0.0455 / n).sqrt(), "{inside}");
        assert_eq!(Normals::new(11).many(5), all[..5]);
        assert_ne!(Normals::new(12).many(5), all[..5]);
    }
}
