//! A uniform sphere seen through a Gaussian: the closed forms that everything else is held against.
//!
//! With radius a, standard deviation s and distance r from the middle, the blurred indicator of the sphere is
//!
//! ```text
//! c(r) = (erf(p) + erf(q))/2 - s/(r sqrt(2 pi)) (e^(-p^2) - e^(-q^2)),   p = (a-r)/(s sqrt 2), q = (a+r)/(s sqrt 2)   (1)
//! ```
//!
//! (integrate the Gaussian over the sphere in spherical coordinates about the point). Its mean over the sphere, the
//! recovery coefficient without background, is the mean over all pairs of points in the sphere. The share of pairs that
//! stay inside when shifted by t is 1 - 3t/(4a) + t^3/(16 a^3), the overlap of two equal spheres, so
//!
//! ```text
//! R = Int_0^2a G(t) 4 pi t^2 (1 - 3t/(4a) + t^3/(16 a^3)) dt
//!   = erf(u) - 3/(u sqrt pi) + 2/(u^3 sqrt pi) + e^(-u^2)/sqrt pi (1/u - 2/u^3),   u = a sqrt 2 / s                   (2)
//! ```
//!
//! With a background of concentration B the measured mean of a sphere of concentration A is R A + (1 - R) B.

use super::psf::FWHM_PER_SIGMA;
use statrs::function::erf::erf;
use std::f64::consts::{PI, SQRT_2};

/// Below this u the terms of (2) cancel and its power series stands in.
const SERIES_BELOW: f64 = 0.6;

/// Radius of the sphere of a volume, mm; volume in mL.
pub fn radius_mm(volume_ml: f64) -> f64 {
    (3e3 * volume_ml / (4.0 * PI)).cbrt()
}

/// The blurred indicator of a sphere of `radius_mm` at a distance from its middle, 0 to 1: eq. (1).
pub fn profile(radius_mm: f64, fwhm_mm: f64, distance_mm: f64) -> f64 {
    let s = fwhm_mm / FWHM_PER_SIGMA;
    let (p, q) = ((radius_mm - distance_mm) / (s * SQRT_2), (radius_mm + distance_mm) / (s * SQRT_2));
    // the difference of exponentials over r has a limit at the middle
    if distance_mm < 1e-6 * s {
        let u = radius_mm / (s * SQRT_2);
        return erf(u) - 2.0 * u / PI.sqrt() * (-u * u).exp();
    }
    0.5 * (erf(p) + erf(q)) - s / (distance_mm * (2.0 * PI).sqrt()) * ((-p * p).exp() - (-q * q).exp())
}

/// Mean of the blurred indicator over its own sphere, 0 to 1: eq. (2).
pub fn recovery(radius_mm: f64, fwhm_mm: f64) -> f64 {
    let u = radius_mm * SQRT_2 * FWHM_PER_SIGMA / fwhm_mm;
    let root = PI.sqrt();
    if u > SERIES_BELOW {
        return erf(u) - 3.0 / (u * root)
            + 2.0 / (u.powi(3) * root)
            + (-u * u).exp() / root * (1.0 / u - 2.0 / u.powi(3));
    }
    // e^(-q^2) of the integral in q = t/(s sqrt 2), term by term
    let mut sign_over_factorial = 1.0;
    let mut sum = 0.0;
    for k in 0..12 {
        let n = 2.0 * f64::from(k);
        let moment = 1.0 / (n + 3.0) - 1.5 / (n + 4.0) + 0.5 / (n + 6.0);
        sum += sign_over_factorial * u.powi(2 * k + 3) * moment;
        sign_over_factorial /= -f64::from(k + 1);
    }
    4.0 / root * sum
}

/// As [`recovery`], of a sphere of this volume, mL.
pub fn recovery_of_volume(volume_ml: f64, fwhm_mm: f64) -> f64 {
    recovery(radius_mm(volume_ml), fwhm_mm)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (2) is the mean of (1) over the sphere, by quadrature, for every size.
    #[test]
    fn law_the_recovery_is_the_mean_of_the_profile() {
        for (radius, fwhm) in [(1.0, 9.0), (3.0, 9.0), (9.0, 9.0), (20.0, 9.0), (40.0, 5.0), (2.0, 40.0)] {
            let steps = 20_000;
            let mean: f64 = (0..steps)
                .map(|n| radius * (n as f64 + 0.5) / steps as f64)
                .map(|r| profile(radius, fwhm, r) * 3.0 * r * r / radius.powi(3) * (radius / steps as f64))
                .sum();
            assert!((recovery(radius, fwhm) / mean - 1.0).abs() < 1e-5, "{radius} {fwhm}: {mean}");
        }
        // both branches meet
        let at = |u: f64| recovery(u, SQRT_2 * FWHM_PER_SIGMA);
        assert!((at(SERIES_BELOW - 1e-9) / at(SERIES_BELOW + 1e-9) - 1.0).abs() < 1e-6);
        // alarm: another width is seen
        assert!((recovery(9.0, 9.0) / recovery(9.0, 9.2) - 1.0).abs() > 0.01);
    }
}
