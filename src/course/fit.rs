//! Least squares for the models of `super::time_activity`: Levenberg-Marquardt (MINPACK's
//! algorithm, crate `levenberg-marquardt`) from several starts, covariance and flags.
//!
//! All parameters are logarithms, so amplitudes and biological rates stay positive; a rate that runs
//! to zero is held at its bound, leaves the covariance and is flagged.

use levenberg_marquardt::{LeastSquaresProblem, LevenbergMarquardt};
use nalgebra::{DMatrix, DVector, Dyn, Owned};
use statrs::distribution::{ChiSquared, ContinuousCDF};

use crate::bed::Exponential;

use super::time_activity::{
    ActivityPoint, CORRELATION_FLAG, ErrorModel, FitFlag, Model, PARAMETER_CV_FLAG, POOR_FIT_PROBABILITY, Parameter,
    TimeActivityError, TimeIntegral, exponential_kinetics,
};

/// A biological rate below this share of the physical one counts as zero.
const RATE_AT_BOUND: f64 = 1e-5;
/// A phase that has fallen by this many e-foldings before the first scan leaves nothing to measure.
const UNSEEN_EXPONENT: f64 = 12.0;
/// Fast uptake of the tri-exponential model with zero start, 1/h (open implementation rpt_dosi).
const FIXED_UPTAKE_PER_H: f64 = 1.3;
/// Starts for the rate of a fast component, 1/h.
const FAST_STARTS_PER_H: [f64; 4] = [0.03, 0.1, 0.35, 1.2];

/// One term: sign * Sum exp(amplitude parameters) * exp(-(lp + fixed + Sum exp(rate parameters)) t).
struct Term {
    sign: f64,
    amplitudes: &'static [usize],
    rates: &'static [usize],
    fixed_per_h: f64,
}

const fn term(sign: f64, amplitudes: &'static [usize], rates: &'static [usize]) -> Term {
    Term { sign, amplitudes, rates, fixed_per_h: 0.0 }
}

/// The terms of a model and its parameters' names; the order of parameters is the order of names.
fn layout(model: Model) -> (Vec<Term>, &'static [&'static str]) {
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

/// Whether parameter `index` of `model` is a rate.
fn is_rate(names: &[&str], index: usize) -> bool {
    names[index].ends_with("_per_h")
}

/// The residuals of a model against points.
struct Problem<'a> {
    points: &'a [ActivityPoint],
    terms: &'a [Term],
    error_model: ErrorModel,
    physical_per_h: f64,
    parameters: DVector<f64>,
}

impl Problem<'_> {
    fn amplitude(&self, term: &Term) -> f64 {
        term.sign * term.amplitudes.iter().map(|&p| self.parameters[p].exp()).sum::<f64>()
    }

    fn rate_per_h(&self, term: &Term) -> f64 {
        self.physical_per_h + term.fixed_per_h + term.rates.iter().map(|&p| self.parameters[p].exp()).sum::<f64>()
    }

    fn exponentials(&self) -> Vec<Exponential> {
        self.terms
            .iter()
            .map(|t| Exponential { amplitude: self.amplitude(t), rate_per_h: self.rate_per_h(t) })
            .collect()
    }

    /// Value and gradient with respect to the parameters at `time_h`.
    fn value_and_gradient(&self, time_h: f64) -> (f64, DVector<f64>) {
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
    fn inverse_sigma(&self, point: &ActivityPoint) -> f64 {
        match self.error_model {
            ErrorModel::Relative => 1.0 / point.rel_sigma.unwrap_or(1.0),
            ErrorModel::Absolute => point.rel_sigma.map_or(1.0, |rel| 1.0 / (rel * point.activity_mbq)),
        }
    }
}

impl LeastSquaresProblem<f64, Dyn, Dyn> for Problem<'_> {
    type ParameterStorage = Owned<f64, Dyn>;
    type ResidualStorage = Owned<f64, Dyn>;
    type JacobianStorage = Owned<f64, Dyn, Dyn>;

    fn set_params(&mut self, parameters: &DVector<f64>) {
        self.parameters.copy_from(parameters);
    }

    fn params(&self) -> DVector<f64> {
        self.parameters.clone()
    }

    fn residuals(&self) -> Option<DVector<f64>> {
        let mut residuals = DVector::zeros(self.points.len());
        for (row, point) in self.points.iter().enumerate() {
            let (value, _) = self.value_and_gradient(point.time_h);
            let weight = self.inverse_sigma(point);
            residuals[row] = match self.error_model {
                ErrorModel::Relative if value > 0.0 => weight * (value / point.activity_mbq).ln(),
                ErrorModel::Relative => return None,
                ErrorModel::Absolute => weight * (value - point.activity_mbq),
            };
        }
        residuals.iter().all(|r| r.is_finite()).then_some(residuals)
    }

    fn jacobian(&self) -> Option<DMatrix<f64>> {
        let mut jacobian = DMatrix::zeros(self.points.len(), self.parameters.len());
        for (row, point) in self.points.iter().enumerate() {
            let (value, gradient) = self.value_and_gradient(point.time_h);
            let weight = self.inverse_sigma(point);
            let scale = match self.error_model {
                ErrorModel::Relative if value > 0.0 => weight / value,
                ErrorModel::Relative => return None,
                ErrorModel::Absolute => weight,
            };
            for column in 0..gradient.len() {
                jacobian[(row, column)] = scale * gradient[column];
            }
        }
        jacobian.iter().all(|v| v.is_finite()).then_some(jacobian)
    }
}

/// Starts of the parameters: terminal exponential from the last points, several fast rates.
fn starts(points: &[ActivityPoint], model: Model, physical_per_h: f64) -> Vec<DVector<f64>> {
    let last = points[points.len() - 1];
    let before = points[points.len().saturating_sub(2)];
    let slope = if points.len() > 1 {
        (before.activity_mbq / last.activity_mbq).ln() / (last.time_h - before.time_h)
    } else {
        physical_per_h
    };
    let slow = (slope - physical_per_h).max(0.02 * physical_per_h);
    let level = last.activity_mbq.ln() + (physical_per_h + slow) * last.time_h;
    let physical_level = last.activity_mbq.ln() + physical_per_h * last.time_h;
    let first = points[0];
    let over = |fast: f64| {
        let rest = first.activity_mbq - (level - (physical_per_h + slow) * first.time_h).exp();
        (rest.max(0.05 * first.activity_mbq)).ln() + (physical_per_h + fast).min(2.0 / first.time_h) * first.time_h
    };
    let each = |make: &dyn Fn(f64) -> Vec<f64>| FAST_STARTS_PER_H.iter().map(|&k| DVector::from_vec(make(k))).collect();
    match model {
        Model::MonoPhysical => vec![DVector::from_vec(vec![physical_level])],
        Model::Mono => vec![DVector::from_vec(vec![level, slow.ln()])],
        Model::UptakePhysicalTail => each(&|k| vec![physical_level, k.ln()]),
        Model::UptakeClearance => each(&|k| vec![level, slow.ln(), k.ln()]),
        Model::TwoPhasePhysicalTail => each(&|k| vec![physical_level, over(k), k.ln()]),
        Model::TwoPhase | Model::TriZeroStart => each(&|k| vec![level, slow.ln(), over(k), k.ln()]),
    }
}

/// The best fit over all starts, integrated and judged. `points` have been checked.
pub(super) fn fit_model(
    points: &[ActivityPoint],
    model: Model,
    error_model: ErrorModel,
    physical_half_life_h: f64,
) -> Result<TimeIntegral, TimeActivityError> {
    let physical_per_h = std::f64::consts::LN_2 / physical_half_life_h;
    let (terms, names) = layout(model);
    let mut best: Option<(f64, DVector<f64>)> = None;
    for start in starts(points, model, physical_per_h) {
        let problem = Problem { points, terms: &terms, error_model, physical_per_h, parameters: start };
        let (fitted, report) = LevenbergMarquardt::new()
            .with_ftol(1e-14)
            .with_xtol(1e-14)
            .with_gtol(1e-14)
            .with_patience(200)
            .minimize(problem);
        let misfit = 2.0 * report.objective_function;
        let usable = misfit.is_finite()
            && fitted.parameters.iter().all(|p| p.is_finite())
            && !report.termination.was_usage_issue();
        if usable && best.as_ref().is_none_or(|(least, _)| misfit < *least) {
            best = Some((misfit, fitted.parameters));
        }
    }
    let (misfit, parameters) = best.ok_or(TimeActivityError::NotConverged { model: model.name() })?;
    let problem = Problem { points, terms: &terms, error_model, physical_per_h, parameters };
    judge(&problem, model, names, misfit)
}

/// Turns the best parameters into an integral with uncertainty and flags.
fn judge(problem: &Problem<'_>, model: Model, names: &[&str], misfit: f64) -> Result<TimeIntegral, TimeActivityError> {
    let points = problem.points;
    let (tia, gradient) = problem.integral_and_gradient();
    let degrees_of_freedom = points.len() - model.parameters();
    let sigma_known = points[0].rel_sigma.is_some();
    let mut flags = Vec::new();

    let first_h = points[0].time_h;
    let at_zero = |p: usize| is_rate(names, p) && problem.parameters[p].exp() < RATE_AT_BOUND * problem.physical_per_h;
    let unseen = |p: usize| is_rate(names, p) && problem.parameters[p].exp() * first_h > UNSEEN_EXPONENT;
    if (0..names.len()).any(at_zero) {
        flags.push(FitFlag::AtPhysicalDecay);
    }
    for p in (0..names.len()).filter(|&p| unseen(p)) {
        flags.push(FitFlag::RateNotResolved { parameter: names[p].to_owned() });
    }
    let active: Vec<usize> = (0..names.len()).filter(|&p| !at_zero(p) && !unseen(p)).collect();
    // stated errors that do not explain the residuals are too small: they are scaled to do so, as unknown ones are
    let poor = match ChiSquared::new(degrees_of_freedom as f64) {
        Ok(law) if sigma_known => Some(law.sf(misfit)).filter(|probability| *probability < POOR_FIT_PROBABILITY),
        _ => None,
    };
    let covariance = covariance(problem, &active, misfit, degrees_of_freedom, sigma_known && poor.is_none());
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

    let exponentials = problem.exponentials();
    let after: f64 = exponentials.iter().map(|e| e.integral_from(points[points.len() - 1].time_h)).sum();
    let from_first: f64 = exponentials.iter().map(|e| e.integral_from(points[0].time_h)).sum();
    let slowest = exponentials.iter().map(|e| e.rate_per_h).fold(f64::INFINITY, f64::min);
    // the slow rate is lp + k1 where the model has a k1, else lp, which is known
    let half_life_rel_sigma = match names.iter().position(|name| *name == "k1_per_h") {
        None => Some(0.0),
        Some(p) => parameter_sigma[p].map(|sigma| sigma * problem.parameters[p].exp() / slowest),
    };
    let mut result = TimeIntegral {
        method: model.name().to_owned(),
        kinetics: exponential_kinetics(exponentials)?,
        tia_mbq_h: tia,
        rel_sigma,
        systematic_rel_sigma: 0.0,
        effective_half_life_h: std::f64::consts::LN_2 / slowest,
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

/// Covariance of the active parameters; none where it is singular or nothing tells the errors. Where `sigma_known` is
/// false the scatter about the curve stands for them.
fn covariance(
    problem: &Problem<'_>,
    active: &[usize],
    misfit: f64,
    degrees_of_freedom: usize,
    sigma_known: bool,
) -> Option<DMatrix<f64>> {
    if !sigma_known && degrees_of_freedom == 0 {
        return None;
    }
    let jacobian = problem.jacobian()?.select_columns(active);
    let inverse = (jacobian.transpose() * &jacobian).try_inverse()?;
    let scale = if sigma_known { 1.0 } else { misfit / degrees_of_freedom as f64 };
    let covariance = inverse * scale;
    (0..active.len()).all(|p| covariance[(p, p)].is_finite() && covariance[(p, p)] >= 0.0).then_some(covariance)
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
