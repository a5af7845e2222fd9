//! Recovery curves and widths fitted to the inserts of a phantom.
//!
//! R(v) = 1/(1 + (b1/v)^b2) with parameters ln b1 and ln b2; or the one FWHM with which a Gaussian-blurred sphere has the
//! recoveries measured (`sphere.rs`, eq. 2). Least squares by Levenberg-Marquardt; the covariance is (J^T J)^-1 where the
//! uncertainties are stated.

use super::recovery::{self, Recovery};
use super::{psf::LARGEST_FWHM_MM, sphere};
use crate::fault::Fault;
use levenberg_marquardt::{LeastSquaresProblem, LevenbergMarquardt};
use nalgebra::storage::Owned;
use nalgebra::{DMatrix, DVector, Dyn};

/// An insert of a phantom.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Insert {
    /// Volume, mL.
    pub volume_ml: f64,
    /// Recovery measured.
    pub recovery: f64,
    /// Its standard uncertainty.
    pub sigma: f64,
}

/// A function of the volume and of parameters, all logarithms.
struct Fit<'a, F: Fn(&[f64], f64) -> f64> {
    inserts: &'a [Insert],
    parameters: Vec<f64>,
    curve: F,
}

impl<F: Fn(&[f64], f64) -> f64> Fit<'_, F> {
    fn at(&self, parameters: &[f64]) -> DVector<f64> {
        let residual = |i: &Insert| ((self.curve)(parameters, i.volume_ml) - i.recovery) / i.sigma;
        DVector::from_iterator(self.inserts.len(), self.inserts.iter().map(residual))
    }
}

impl<F: Fn(&[f64], f64) -> f64> LeastSquaresProblem<f64, Dyn, Dyn> for Fit<'_, F> {
    type ParameterStorage = Owned<f64, Dyn>;
    type ResidualStorage = Owned<f64, Dyn>;
    type JacobianStorage = Owned<f64, Dyn, Dyn>;

    fn set_params(&mut self, x: &DVector<f64>) {
        self.parameters = x.as_slice().to_vec();
    }

    fn params(&self) -> DVector<f64> {
        DVector::from_vec(self.parameters.clone())
    }

    fn residuals(&self) -> Option<DVector<f64>> {
        Some(self.at(&self.parameters)).filter(|r| r.iter().all(|v| v.is_finite()))
    }

    fn jacobian(&self) -> Option<DMatrix<f64>> {
        // central differences of smooth functions of logarithms
        const STEP: f64 = 1e-5;
        let columns: Vec<DVector<f64>> = (0..self.parameters.len())
            .map(|p| {
                let moved = |by: f64| {
                    let mut parameters = self.parameters.clone();
                    parameters[p] += by;
                    self.at(&parameters)
                };
                (moved(STEP) - moved(-STEP)) / (2.0 * STEP)
            })
            .collect();
        Some(DMatrix::from_columns(&columns))
    }
}

/// Best parameters, their covariance and chi-square.
type Found = (Vec<f64>, DMatrix<f64>, f64);

fn fit(inserts: &[Insert], start: Vec<f64>, curve: impl Fn(&[f64], f64) -> f64) -> Result<Found, Fault> {
    const PLACE: &str = "recovery";
    for insert in inserts {
        recovery::check(PLACE, insert.recovery)?;
        let positive = |value: f64| value > 0.0 && value.is_finite();
        if !(positive(insert.volume_ml) && positive(insert.sigma)) {
            let found = format!("{} mL with a standard uncertainty of {}", insert.volume_ml, insert.sigma);
            return Err(Fault::invalid(PLACE, "insert", found, "both above 0", "Correct the entry."));
        }
    }
    if inserts.len() < start.len() {
        let allowed = format!("{} or more", start.len());
        return Err(Fault::invalid(PLACE, "inserts", inserts.len().to_string(), allowed, "Measure more inserts."));
    }
    let (found, report) = LevenbergMarquardt::new().minimize(Fit { inserts, parameters: start, curve });
    let jacobian = found.jacobian().filter(|_| report.termination.was_successful());
    let covariance = jacobian.and_then(|j| (j.transpose() * j).try_inverse());
    let next = "Check volumes and recoveries, or take the table itself.";
    let covariance = covariance
        .ok_or_else(|| Fault::invalid(PLACE, "fit", "no best curve", "recoveries that rise with volume", next))?;
    Ok((found.parameters.clone(), covariance, 2.0 * report.objective_function))
}

/// The logistic curve through the inserts, and its chi-square.
///
/// Errors: fewer than two inserts; a recovery outside 0.05 to 1.2; no best curve.
pub fn logistic(inserts: &[Insert]) -> Result<(Recovery, f64), Fault> {
    let curve = |p: &[f64], v: f64| 1.0 / (1.0 + (p[0].exp() / v).powf(p[1].exp()));
    let (best, v, chi2) = fit(inserts, vec![0.0, 0.0], curve)?;
    // from (ln b1, ln b2) to (ln b1, b2)
    let b2 = best[1].exp();
    let covariance = [[v[(0, 0)], b2 * v[(0, 1)]], [b2 * v[(1, 0)], b2 * b2 * v[(1, 1)]]];
    Ok((Recovery::Logistic { b1_ml: best[0].exp(), b2, covariance }, chi2))
}

/// The FWHM, mm, that explains the recoveries of spheres, its standard uncertainty, and chi-square.
///
/// Errors: as [`logistic`]; a width beyond any image's.
pub fn width(inserts: &[Insert]) -> Result<(f64, f64, f64), Fault> {
    let curve = |p: &[f64], v: f64| sphere::recovery_of_volume(v, p[0].exp());
    let (best, v, chi2) = fit(inserts, vec![10f64.ln()], curve)?;
    let fwhm_mm = best[0].exp();
    if fwhm_mm > LARGEST_FWHM_MM {
        let allowed = format!("at most {LARGEST_FWHM_MM} mm");
        return Err(Fault::invalid("recovery", "fwhm_mm", format!("{fwhm_mm:.1} mm"), allowed, "Take the curve."));
    }
    Ok((fwhm_mm, fwhm_mm * v[(0, 0)].sqrt(), chi2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_xoshiro::Xoshiro256PlusPlus;
    use statrs::distribution::{ContinuousCDF, Normal};

    const VOLUMES_ML: [f64; 8] = [0.5, 1.1, 2.6, 5.6, 11.5, 26.5, 47.0, 113.0];

    /// Mean and standard deviation of 500 pulls.
    fn pulls(sigma: f64, truth: impl Fn(f64) -> f64, pull: impl Fn(&[Insert]) -> f64) -> (f64, f64) {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(7);
        let normal = Normal::new(0.0, 1.0).expect("a normal");
        let all: Vec<f64> = (0..500)
            .map(|_| {
                let noise = |random: &mut Xoshiro256PlusPlus| normal.inverse_cdf(random.random::<f64>());
                let inserts = VOLUMES_ML.map(|volume_ml| Insert {
                    volume_ml,
                    recovery: truth(volume_ml) + sigma * noise(&mut random),
                    sigma,
                });
                pull(&inserts)
            })
            .collect();
        let mean = all.iter().sum::<f64>() / 500.0;
        (mean, (all.iter().map(|p| (p - mean).powi(2)).sum::<f64>() / 499.0).sqrt())
    }

    #[test]
    fn law_pulls_of_the_fits_are_0_and_1() {
        let curve = |v: f64| 1.0 / (1.0 + (1.8_f64 / v).powf(0.9));
        // R at a volume between the inserts, with its u^2 = g^T V g
        let logistic = |inserts: &[Insert]| {
            let fitted = logistic(inserts).expect("a curve").0;
            (fitted.of(3.7) - curve(3.7)) / fitted.sigma(3.7)
        };
        let width = |inserts: &[Insert]| {
            let (fwhm_mm, sigma, _) = width(inserts).expect("a width");
            (fwhm_mm - 11.0) / sigma
        };
        let found = [pulls(0.01, curve, logistic), pulls(0.01, |v| sphere::recovery_of_volume(v, 11.0), width)];
        for (mean, spread) in found {
            assert!(mean.abs() < 0.1 && (spread - 1.0).abs() < 0.1, "{mean} {spread}");
        }
    }

    #[test]
    fn alarm_inserts_that_no_curve_has_are_refused() {
        let insert = |volume_ml: f64, recovery: f64| Insert { volume_ml, recovery, sigma: 0.01 };
        for bad in
            [vec![insert(1.0, 0.5)], vec![insert(1.0, 0.5), insert(2.0, 1.3)], vec![insert(1.0, 0.5), insert(0.0, 0.5)]]
        {
            assert!(logistic(&bad).expect_err("refused").to_string().starts_with("recovery: "));
        }
    }
}
