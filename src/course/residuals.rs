//! The models of `super::time_activity` as sums of exponentials, and their residuals against points.
//!
//! All parameters are logarithms, so amplitudes and biological rates stay positive.

use std::cell::RefCell;

use levenberg_marquardt::LeastSquaresProblem;
use nalgebra::{DMatrix, DVector, Dyn, Owned};

use crate::bed::Exponential;

use super::integral::{ActivityPoint, ErrorModel, Model};

/// Fast uptake of the tri-exponential model with zero start, 1/h (open implementation rpt_dosi).
pub(super) const FIXED_UPTAKE_PER_H: f64 = 1.3;
/// Residual of a trial outside the models' domain: so large that the step is rejected and halved.
const REJECTED: f64 = 1e100;

/// One term: sign * Sum exp(amplitude parameters) * exp(-(lp + fixed + Sum exp(rate parameters)) t).
pub(super) struct Term {
    pub(super) sign: f64,
    pub(super) amplitudes: &'static [usize],
    pub(super) rates: &'static [usize],
    pub(super) fixed_per_h: f64,
}

const fn term(sign: f64, amplitudes: &'static [usize], rates: &'static [usize]) -> Term {
    Term { sign, amplitudes, rates, fixed_per_h: 0.0 }
}

/// The terms of a model and its parameters' names; the order of parameters is the order of names.
pub(super) fn layout(model: Model) -> (Vec<Term>, &'static [&'static str]) {
    match model {
        Model::MonoPhysical => (vec![term(1.0, &[0], &[])], &["a1_mbq"]),
        Model::Mono => (vec![term(1.0, &[0], &[1])], &["a1_mbq", "k1_per_h"]),
        Model::UptakePhysicalTail => {
            (vec![term(1.0, &[0], &[]), term(-1.0, &[0], &[1])], &["a1_mbq", "k_uptake_per_h"])
        }
        Model::UptakeClearance => {
            (vec![term(1.0, &[0], &[1]), term(-1.0, &[0], &[1, 2])], &["a1_mbq", "k1_per_h", "k_uptake_minus_k1_per_h"])
        }
        Model::TwoPhasePhysicalTail => {
            (vec![term(1.0, &[0], &[]), term(1.0, &[1], &[2])], &["a1_mbq", "a2_mbq", "k2_per_h"])
        }
        Model::TwoPhase => (
            vec![term(1.0, &[0], &[1]), term(1.0, &[2], &[1, 3])],
            &["a1_mbq", "k1_per_h", "a2_mbq", "k2_minus_k1_per_h"],
        ),
        Model::TriZeroStart => (
            vec![
                term(1.0, &[0], &[1]),
                term(1.0, &[2], &[1, 3]),
                Term { sign: -1.0, amplitudes: &[0, 2], rates: &[], fixed_per_h: FIXED_UPTAKE_PER_H },
            ],
            &["a1_mbq", "k1_per_h", "a2_mbq", "k2_minus_k1_per_h"],
        ),
    }
}

/// The residuals of a model against points, as a function of its free parameters.
pub(super) struct Problem<'a> {
    pub(super) points: &'a [ActivityPoint],
    pub(super) terms: &'a [Term],
    pub(super) error_model: ErrorModel,
    pub(super) physical_per_h: f64,
    /// Logarithms of all parameters; minus infinity for what is held at 0.
    pub(super) parameters: DVector<f64>,
    /// Which of them are free.
    pub(super) free: Vec<usize>,
    /// The least sum of squares evaluated so far, and its parameters: a rejected trial cannot replace it.
    pub(super) best: RefCell<Option<(f64, DVector<f64>)>>,
}

impl Problem<'_> {
    pub(super) fn amplitude(&self, term: &Term) -> f64 {
        term.sign * term.amplitudes.iter().map(|&p| self.parameters[p].exp()).sum::<f64>()
    }

    pub(super) fn rate_per_h(&self, term: &Term) -> f64 {
        self.physical_per_h + term.fixed_per_h + term.rates.iter().map(|&p| self.parameters[p].exp()).sum::<f64>()
    }

    /// Terms of the curve, those held at 0 left out.
    pub(super) fn exponentials(&self) -> Vec<Exponential> {
        self.terms
            .iter()
            .map(|t| Exponential { amplitude: self.amplitude(t), rate_per_h: self.rate_per_h(t) })
            .filter(|t| t.amplitude != 0.0)
            .collect()
    }

    /// The slowest term; `None` for a curve without terms.
    pub(super) fn slowest(&self) -> Option<&Term> {
        let present = self.terms.iter().filter(|t| self.amplitude(t) != 0.0);
        present.min_by(|a, b| self.rate_per_h(a).total_cmp(&self.rate_per_h(b)))
    }

    /// Value and gradient with respect to the parameters at `time_h`.
    pub(super) fn value_and_gradient(&self, time_h: f64) -> (f64, DVector<f64>) {
        let mut value = 0.0;
        let mut gradient = DVector::zeros(self.parameters.len());
        for term in self.terms {
            let decay = (-self.rate_per_h(term) * time_h).exp();
            let contribution = self.amplitude(term) * decay;
            value += contribution;
            for &p in term.amplitudes {
                gradient[p] += term.sign * self.parameters[p].exp() * decay;
            }
            for &p in term.rates {
                gradient[p] -= contribution * time_h * self.parameters[p].exp();
            }
        }
        (value, gradient)
    }

    /// Integral from 0 to infinity and its gradient.
    pub(super) fn integral_and_gradient(&self) -> (f64, DVector<f64>) {
        let mut integral = 0.0;
        let mut gradient = DVector::zeros(self.parameters.len());
        for term in self.terms {
            let rate = self.rate_per_h(term);
            let contribution = self.amplitude(term) / rate;
            integral += contribution;
            for &p in term.amplitudes {
                gradient[p] += term.sign * self.parameters[p].exp() / rate;
            }
            for &p in term.rates {
                gradient[p] -= contribution / rate * self.parameters[p].exp();
            }
        }
        (integral, gradient)
    }

    /// Weight of a point's residual: 1/sigma in the residual's own unit.
    pub(super) fn inverse_sigma(&self, point: &ActivityPoint) -> f64 {
        match self.error_model {
            ErrorModel::Relative => 1.0 / point.rel_sigma.unwrap_or(1.0),
            ErrorModel::Absolute => point.rel_sigma.map_or(1.0, |rel| 1.0 / (rel * point.activity_mbq)),
        }
    }
}

impl Problem<'_> {
    /// Weighted residuals; `None` outside the model's domain: a curve that is not positive, or a rate beyond the fixed
    /// uptake, which must be the fastest term.
    pub(super) fn weighted_residuals(&self) -> Option<DVector<f64>> {
        let outlived = |t: &Term| t.fixed_per_h > 0.0 || self.rate_per_h(t) < self.physical_per_h + FIXED_UPTAKE_PER_H;
        if self.terms.iter().any(|t| t.fixed_per_h > 0.0) && !self.terms.iter().all(outlived) {
            return None;
        }
        let mut residuals = DVector::zeros(self.points.len());
        for (row, point) in self.points.iter().enumerate() {
            let (value, _) = self.value_and_gradient(point.time_h);
            let weight = self.inverse_sigma(point);
            residuals[row] = match self.error_model {
                _ if value.is_nan() || value <= 0.0 => return None,
                ErrorModel::Relative => weight * (value / point.activity_mbq).ln(),
                ErrorModel::Absolute => weight * (value - point.activity_mbq),
            };
        }
        (residuals.norm_squared().is_finite()).then_some(residuals)
    }
}

impl LeastSquaresProblem<f64, Dyn, Dyn> for Problem<'_> {
    type ParameterStorage = Owned<f64, Dyn>;
    type ResidualStorage = Owned<f64, Dyn>;
    type JacobianStorage = Owned<f64, Dyn, Dyn>;

    fn set_params(&mut self, free: &DVector<f64>) {
        for (&p, &value) in self.free.iter().zip(free) {
            self.parameters[p] = value;
        }
    }

    fn params(&self) -> DVector<f64> {
        DVector::from_iterator(self.free.len(), self.free.iter().map(|&p| self.parameters[p]))
    }

    fn residuals(&self) -> Option<DVector<f64>> {
        let Some(residuals) = self.weighted_residuals() else {
            return Some(DVector::from_element(self.points.len(), REJECTED));
        };
        let misfit = residuals.norm_squared();
        let mut best = self.best.borrow_mut();
        if best.as_ref().is_none_or(|(least, _)| misfit < *least) {
            *best = Some((misfit, self.parameters.clone()));
        }
        Some(residuals)
    }

    fn jacobian(&self) -> Option<DMatrix<f64>> {
        let mut jacobian = DMatrix::zeros(self.points.len(), self.free.len());
        for (row, point) in self.points.iter().enumerate() {
            let (value, gradient) = self.value_and_gradient(point.time_h);
            let weight = self.inverse_sigma(point);
            let scale = match self.error_model {
                _ if value.is_nan() || value <= 0.0 => return None,
                ErrorModel::Relative => weight / value,
                ErrorModel::Absolute => weight,
            };
            for (column, &p) in self.free.iter().enumerate() {
                jacobian[(row, column)] = scale * gradient[p];
            }
        }
        jacobian.iter().all(|v| v.is_finite()).then_some(jacobian)
    }
}

/// Weighted least squares of ln A = ln A0 - lambda t, closed form: (A0, lambda, misfit).
///
/// For the many small fits of a voxel map. `inverse_variance` are the weights of ln A.
pub(super) fn log_linear(time_h: &[f64], ln_activity: &[f64], inverse_variance: &[f64]) -> Option<(f64, f64, f64)> {
    let (mut s, mut st, mut sy, mut stt, mut sty) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for ((&t, &y), &w) in time_h.iter().zip(ln_activity).zip(inverse_variance) {
        s += w;
        st += w * t;
        sy += w * y;
        stt += w * t * t;
        sty += w * t * y;
    }
    let determinant = s * stt - st * st;
    if determinant.is_nan() || determinant <= 0.0 {
        return None;
    }
    let slope = (s * sty - st * sy) / determinant;
    let level = (sy - slope * st) / s;
    let misfit = time_h
        .iter()
        .zip(ln_activity)
        .zip(inverse_variance)
        .map(|((&t, &y), &w)| w * (y - level - slope * t).powi(2))
        .sum();
    Some((level.exp(), -slope, misfit))
}
