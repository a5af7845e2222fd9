//! Activity at a few times after injection -> time-integrated activity (TIA), with its uncertainty.
//!
//! Sums of exponentials whose biological rates are not negative (so no term outlives physical
//! decay), or a trapezoid with a stated start and tail. The fit works on the logarithm of the
//! activity by default (relative errors); `ErrorModel::Absolute` is the alternative. The rule that chooses a model is
//! explicit: see `choose_by_aicc`. Equations: docs/methods/time_integration.md.

use super::fit;
pub use super::integral::*;

/// Fits `model` to `points` and integrates it.
///
/// `physical_half_life_h` bounds every term from above. Needs as many points as parameters; with exactly that many, a
/// flag says that the fit is untested. The relative uncertainty of the TIA follows from the covariance of the
/// parameters (delta method): (J^T W J)^-1 where the points carry uncertainties, that times chi2/dof where they do not.
///
/// ```
/// use lutra::course::time_activity::{ActivityPoint, ErrorModel, Model, integrate_model};
///
/// let points: Vec<ActivityPoint> = [24.0_f64, 72.0, 168.0]
///     .map(|time_h| ActivityPoint { time_h, activity_mbq: 160.0 * (-time_h / 50.0).exp2(), rel_sigma: Some(0.05) })
///     .to_vec();
/// let tia = integrate_model(&points, Model::Mono, ErrorModel::Relative, 159.53)?;
/// assert!((tia.effective_half_life_h - 50.0).abs() < 1e-3);
/// assert!((tia.tia_mbq_h - 160.0 * 50.0 / std::f64::consts::LN_2).abs() < 0.1);
/// assert!(tia.after_last_fraction > 0.09 && tia.after_last_fraction < 0.10, "decays after 168 h are extrapolated");
/// # Ok::<(), lutra::course::time_activity::TimeActivityError>(())
/// ```
pub fn integrate_model(
    points: &[ActivityPoint],
    model: Model,
    error_model: ErrorModel,
    physical_half_life_h: f64,
) -> Result<TimeIntegral, TimeActivityError> {
    check_points(points)?;
    if points.len() < model.parameters() {
        return Err(TimeActivityError::TooFewPoints {
            model: model.name(),
            found: points.len(),
            needed: model.parameters(),
        });
    }
    fit::fit_model(points, model, error_model, physical_half_life_h)
}

/// The model with the least AICc, and the weights of all.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelChoice {
    /// The chosen model's integral.
    pub best: TimeIntegral,
    /// Candidate, AICc, Akaike weight.
    pub candidates: Vec<(Model, f64, f64)>,
}

/// Fits all `candidates` and takes the least AICc. Refuses if AICc is undefined for any of them: comparing only the
/// defined ones would silently favour the simple model.
pub fn choose_by_aicc(
    points: &[ActivityPoint],
    candidates: &[Model],
    error_model: ErrorModel,
    physical_half_life_h: f64,
) -> Result<ModelChoice, TimeActivityError> {
    check_points(points)?;
    let sigma_known = points.first().is_some_and(|p| p.rel_sigma.is_some());
    let mut fitted = Vec::new();
    for &model in candidates {
        let needed = aicc_points_needed(model, sigma_known);
        if points.len() < needed {
            return Err(TimeActivityError::AiccUndefined {
                model: model.name(),
                found: points.len(),
                needed,
                sigma_known,
            });
        }
        let integral = integrate_model(points, model, error_model, physical_half_life_h)?;
        let criterion = aicc(model, points.len(), integral.chi2, sigma_known)?;
        fitted.push((model, criterion, integral));
    }
    let criteria: Vec<f64> = fitted.iter().map(|f| f.1).collect();
    let weights = akaike_weights(&criteria);
    let summary = fitted.iter().zip(&weights).map(|(f, &w)| (f.0, f.1, w)).collect();
    let best = fitted.into_iter().min_by(|a, b| a.1.total_cmp(&b.1)).ok_or(TimeActivityError::TooFewPoints {
        model: "aicc",
        found: 0,
        needed: 1,
    })?;
    Ok(ModelChoice { best: best.2, candidates: summary })
}
