//! Least squares for the models of `super::time_activity`: the best fit, its integral, covariance, flags.
//!
//! All parameters are logarithms, so amplitudes and biological rates stay positive. Limits of rates and amplitudes, and
//! the search for the least misfit: `super::search`. A parameter held at a limit is left out of the covariance and
//! flagged.

use std::cell::RefCell;

use levenberg_marquardt::LeastSquaresProblem;
use nalgebra::{DMatrix, DVector};
use statrs::distribution::{ChiSquared, ContinuousCDF};

use crate::bed::Exponential;

use super::integral::{
    ActivityPoint, CORRELATION_FLAG, ErrorModel, FitFlag, LEAST_SHARE_OF_POINTS, Model, PARAMETER_CV_FLAG,
    POOR_FIT_PROBABILITY, Parameter, TimeActivityError, TimeIntegral, exponential_kinetics, shortest_half_life_h,
};
use super::residuals::{Problem, layout};
use super::search::{Best, Bound, search};

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

/// Refuses an implausible fit whatever the optimiser reports: a half-life below the shortest accepted, or a curve that
/// misses the activity measured between the first and the last scan.
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
            // the shortest half-life was refused above; the rate of an absent phase means nothing
            Bound::ShortestHalfLife | Bound::Unused => None,
        });
    }
    // stated errors that do not explain the residuals are too small: they are scaled up, as unknown ones are
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

/// Covariance of the free parameters; `None` if it is singular or nothing tells the errors. Where `sigma_known` is
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
