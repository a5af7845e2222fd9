//! Least squares for the models of `super::time_activity`: residuals, gradients, covariance, flags.
//!
//! All parameters are logarithms, so amplitudes and biological rates stay positive. Where a rate or an amplitude may end
//! and how the least misfit is found: `super::search`. A parameter held at a limit leaves the covariance and is flagged.

use std::cell::RefCell;

use levenberg_marquardt::LeastSquaresProblem;
use nalgebra::{DMatrix, DVector, Dyn, Owned};
use statrs::distribution::{ChiSquared, ContinuousCDF};

use crate::bed::Exponential;

use super::search::{Best, Bound, search};
use super::time_activity::{
    ActivityPoint, CORRELATION_FLAG, ErrorModel, FitFlag, LEAST_SHARE_OF_POINTS, Model, PARAMETER_CV_FLAG,
    POOR_FIT_PROBABILITY, Parameter, TimeActivityError, TimeIntegral, exponential_kinetics, shortest_half_life_h,
};

/// Fast uptake of the tri-exponential model with zero start, 1/h (open implementation rpt_dosi).
pub(super) const FIXED_UPTAKE_PER_H: f64 = 1.3;
/// Residual of a trial outside the models' domain: so much larger than any other that the step is taken back and halved.
const REJECTED: f64 = 1e100;

/// One term: sign * Sum exp(amplitude parameters) * exp(-(lp + fixed + Sum exp(rate parameters)) t).
pub(super) struct Term {
    sign: f64,
    amplitudes: &'static [usize],
    rates: &'static [usize],
    fixed_per_h: f64,
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
    /// The least sum of squares evaluated so far and where it was: no rejected trial can stand in its place.
    pub(super) best: RefCell<Option<(f64, DVector<f64>)>>,
}

impl Problem<'_> {
    fn amplitude(&self, term: &Term) -> f64 {
        term.sign * term.amplitudes.iter().map(|&p| self.parameters[p].exp()).sum::<f64>()
    }

    fn rate_per_h(&self, term: &Term) -> f64 {
        self.physical_per_h + term.fixed_per_h + term.rates.iter().map(|&p| self.parameters[p].exp()).sum::<f64>()
    }

    /// Terms of the curve, those held at 0 left out.
    fn exponentials(&self) -> Vec<Exponential> {
        self.terms
            .iter()
            .map(|t| Exponential { amplitude: self.amplitude(t), rate_per_h: self.rate_per_h(t) })
            .filter(|t| t.amplitude != 0.0)
            .collect()
    }

    /// The term that outlives the others; none for a curve of no term.
    fn slowest(&self) -> Option<&Term> {
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
    fn integral_and_gradient(&self) -> (f64, DVector<f64>) {
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
    /// Weighted residuals; none outside the model's domain: a curve that is not positive, or a rate beyond the fixed
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

/// The best fit over all starts and limits, integrated and judged. `points` have been checked.
pub(super) fn fit_model(
    points: &[ActivityPoint],
    model: Model,
    error_model: ErrorModel,
    physical_half_life_h: f64,
) -> Result<TimeIntegral, TimeActivityError> {
    let physical_per_h = std::f64::consts::LN_2 / physical_half_life_h;
    let (terms, names) = layout(model);
    let problem = |parameters: DVector<f64>, free: Vec<usize>| Problem {
        points,
        terms: &terms,
        error_model,
        physical_per_h,
        parameters,
        free,
        best: RefCell::new(None),
    };
    let best = search(model, &problem).ok_or(TimeActivityError::NotConverged { model: model.name() })?;
    judge(&problem(best.parameters.clone(), best.free.clone()), model, names, &best)
}

/// What no fit may be: a half-life below the shortest that is taken for one, or a curve that does not hold what was
/// measured between the first and the last scan, whatever the optimiser says of itself.
pub(super) fn refuse_unsound(
    points: &[ActivityPoint],
    curve: &[Exponential],
    model: Model,
    physical_half_life_h: f64,
) -> Result<(), TimeActivityError> {
    let slowest_per_h = curve.iter().map(|e| e.rate_per_h).fold(f64::INFINITY, f64::min);
    let (half_life_h, shortest_h) =
        (std::f64::consts::LN_2 / slowest_per_h, shortest_half_life_h(physical_half_life_h));
    if half_life_h.is_nan() || half_life_h <= shortest_h * (1.0 + 1e-9) {
        return Err(TimeActivityError::HalfLifeTooShort { model: model.name(), shortest_h });
    }
    let between =
        |from_h: f64, to_h: f64| -> f64 { curve.iter().map(|e| e.integral_from(from_h) - e.integral_from(to_h)).sum() };
    let held = between(points[0].time_h, points[points.len() - 1].time_h);
    let least: f64 =
        points.windows(2).map(|p| p[0].activity_mbq.min(p[1].activity_mbq) * (p[1].time_h - p[0].time_h)).sum();
    if held.is_nan() || held < LEAST_SHARE_OF_POINTS * least {
        return Err(TimeActivityError::MissesThePoints { model: model.name(), share: held / least });
    }
    Ok(())
}

/// Turns the best parameters into an integral with uncertainty and flags.
fn judge(problem: &Problem<'_>, model: Model, names: &[&str], best: &Best) -> Result<TimeIntegral, TimeActivityError> {
    let (points, misfit, active) = (problem.points, best.misfit, &problem.free);
    let exponentials = problem.exponentials();
    refuse_unsound(points, &exponentials, model, std::f64::consts::LN_2 / problem.physical_per_h)?;
    let (tia, gradient) = problem.integral_and_gradient();
    let degrees_of_freedom = points.len() - model.parameters();
    let sigma_known = points[0].rel_sigma.is_some();
    let mut flags = Vec::new();

    for &(p, bound) in &best.held {
        let parameter = names[p].to_owned();
        flags.extend(match bound {
            Bound::PhysicalDecay => Some(FitFlag::AtPhysicalDecay),
            Bound::NotResolved => Some(FitFlag::RateNotResolved { parameter }),
            Bound::SlowestUptake => Some(FitFlag::RateAtLimit {
                parameter,
                half_life_h: std::f64::consts::LN_2 / problem.parameters[p].exp(),
            }),
            Bound::Absent => Some(FitFlag::PhaseAbsent { parameter }),
            // the shortest half-life has been refused, the rate of an absent phase says nothing
            Bound::ShortestHalfLife | Bound::Unused => None,
        });
    }
    // stated errors that do not explain the residuals are too small: they are scaled to do so, as unknown ones are
    let poor = match ChiSquared::new(degrees_of_freedom as f64) {
        Ok(law) if sigma_known => Some(law.sf(misfit)).filter(|probability| *probability < POOR_FIT_PROBABILITY),
        _ => None,
    };
    let covariance = covariance(problem, misfit, degrees_of_freedom, sigma_known && poor.is_none());
    if covariance.is_none() {
        flags.push(FitFlag::UncertaintyNotAssessable);
    }
    let mut rel_sigma = None;
    let mut parameter_sigma: Vec<Option<f64>> = vec![None; names.len()];
    if let Some(covariance) = &covariance {
        let g = DVector::from_iterator(active.len(), active.iter().map(|&p| gradient[p]));
        rel_sigma = Some((covariance * &g).dot(&g).max(0.0).sqrt() / tia);
        for (row, &p) in active.iter().enumerate() {
            let cv = covariance[(row, row)].sqrt();
            parameter_sigma[p] = Some(cv);
            if cv > PARAMETER_CV_FLAG {
                flags.push(FitFlag::UncertainParameter { parameter: names[p].to_owned(), cv });
            }
            for (column, &q) in active.iter().enumerate().take(row) {
                let correlation = covariance[(row, column)] / (cv * covariance[(column, column)].sqrt());
                if correlation.abs() >= CORRELATION_FLAG {
                    flags.push(FitFlag::CorrelatedParameters {
                        parameters: [names[q].to_owned(), names[p].to_owned()],
                        correlation,
                    });
                }
            }
        }
    }
    if degrees_of_freedom == 0 {
        flags.push(FitFlag::NothingToTestTheFit);
    } else if let Some(probability) = poor {
        flags.push(FitFlag::PoorFit { chi2: misfit, degrees_of_freedom, probability });
    }

    let after: f64 = exponentials.iter().map(|e| e.integral_from(points[points.len() - 1].time_h)).sum();
    let from_first: f64 = exponentials.iter().map(|e| e.integral_from(points[0].time_h)).sum();
    let slowest_per_h = exponentials.iter().map(|e| e.rate_per_h).fold(f64::INFINITY, f64::min);
    let half_life_rel_sigma = half_life_rel_sigma(problem, covariance.as_ref(), slowest_per_h);
    let mut result = TimeIntegral {
        method: model.name().to_owned(),
        kinetics: exponential_kinetics(exponentials)?,
        tia_mbq_h: tia,
        rel_sigma,
        systematic_rel_sigma: 0.0,
        effective_half_life_h: std::f64::consts::LN_2 / slowest_per_h,
        half_life_rel_sigma,
        before_first_fraction: 1.0 - from_first / tia,
        after_last_fraction: after / tia,
        chi2: misfit,
        degrees_of_freedom,
        parameters: names
            .iter()
            .enumerate()
            .map(|(p, name)| Parameter {
                name: (*name).to_owned(),
                value: problem.parameters[p].exp(),
                rel_sigma: parameter_sigma[p],
            })
            .collect(),
        flags,
    };
    result.flag_extrapolation();
    Ok(result)
}

/// Relative sigma of the rate of the slowest term: 0 where it is physical decay by the model, none where it is held at a
/// limit or not assessable.
fn half_life_rel_sigma(problem: &Problem<'_>, covariance: Option<&DMatrix<f64>>, slowest_per_h: f64) -> Option<f64> {
    let rates = problem.slowest()?.rates;
    if rates.is_empty() {
        return Some(0.0);
    }
    let gradient = |p: &usize| if rates.contains(p) { problem.parameters[*p].exp() / slowest_per_h } else { 0.0 };
    if !rates.iter().any(|p| problem.free.contains(p)) {
        return None;
    }
    let g = DVector::from_iterator(problem.free.len(), problem.free.iter().map(gradient));
    Some((covariance? * &g).dot(&g).max(0.0).sqrt())
}

/// Covariance of the free parameters; none where it is singular or nothing tells the errors. Where `sigma_known` is
/// false the scatter about the curve stands for them.
fn covariance(
    problem: &Problem<'_>,
    misfit: f64,
    degrees_of_freedom: usize,
    sigma_known: bool,
) -> Option<DMatrix<f64>> {
    if !sigma_known && degrees_of_freedom == 0 {
        return None;
    }
    let jacobian = problem.jacobian()?;
    let inverse = (jacobian.transpose() * &jacobian).try_inverse()?;
    let scale = if sigma_known { 1.0 } else { misfit / degrees_of_freedom as f64 };
    let covariance = inverse * scale;
    (0..problem.free.len()).all(|p| covariance[(p, p)].is_finite() && covariance[(p, p)] >= 0.0).then_some(covariance)
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
