//! Concentration in blood at a few times to its integral, by the fits of regions: MBq/mL in place of MBq.

use serde::{Deserialize, Serialize};

use crate::course::time_activity::{ActivityPoint, ErrorModel, FitFlag, Model, TimeIntegral, integrate_model};
use crate::fault::{Explained, Fault};

const NEXT: &str = "See docs/methods/marrow.md.";

/// A blood sample.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BloodPoint {
    /// Hours after injection, above 0.
    pub time_h: f64,
    /// Activity concentration at that time (not decay-corrected), MBq/mL of whole blood, above 0.
    pub mbq_per_ml: f64,
    /// Random relative standard uncertainty, above 0 and below 1; of all samples or of none.
    #[serde(default)]
    pub relative_error: Option<f64>,
}

/// The integral of a blood curve.
#[derive(Clone, Debug, PartialEq)]
pub struct BloodCurve {
    /// Time integral of the concentration, MBq h/mL.
    pub mbq_h_per_ml: f64,
    /// Its relative standard uncertainty by the fit; none where the samples cannot tell it.
    pub rel_sigma: Option<f64>,
    /// Effective half-life of the last phase, h.
    pub effective_half_life_h: f64,
    /// Share of the integral after the last sample.
    pub after_last_fraction: f64,
    /// What the reader must know of the fit.
    pub flags: Vec<FitFlag>,
}

/// The curve of a model through samples in order; `place` names them.
///
/// Errors: a time, concentration or uncertainty that none is; fewer samples than parameters; a fit that ends at no curve.
pub fn blood_curve(
    points: &[BloodPoint],
    model: Model,
    physical_half_life_h: f64,
    place: &str,
) -> Result<BloodCurve, Fault> {
    for (index, point) in points.iter().enumerate() {
        let wrong = |field: &str, found: String, allowed: &str| {
            Err(Fault::invalid(place, format!("points[{index}] {field}"), found, allowed, NEXT))
        };
        if !(point.time_h > 0.0 && point.time_h.is_finite()) {
            return wrong("time_h", format!("{} h", point.time_h), "above 0 h");
        }
        if !(point.mbq_per_ml > 0.0 && point.mbq_per_ml.is_finite()) {
            return wrong("mbq_per_ml", format!("{} MBq/mL", point.mbq_per_ml), "above 0 MBq/mL");
        }
        if point.relative_error.is_some_and(|u| !(u > 0.0 && u < 1.0)) {
            let found = point.relative_error.unwrap_or_default().to_string();
            return wrong("relative_error", found, "above 0 and below 1");
        }
    }
    let as_activity = |point: &BloodPoint| ActivityPoint {
        time_h: point.time_h,
        activity_mbq: point.mbq_per_ml,
        rel_sigma: point.relative_error,
    };
    let points: Vec<ActivityPoint> = points.iter().map(as_activity).collect();
    let fitted = integrate_model(&points, model, ErrorModel::Relative, physical_half_life_h);
    let TimeIntegral { tia_mbq_h, rel_sigma, effective_half_life_h, after_last_fraction, flags, .. } =
        fitted.map_err(|error| error.fault().inside(place))?;
    Ok(BloodCurve { mbq_h_per_ml: tia_mbq_h, rel_sigma, effective_half_life_h, after_last_fraction, flags })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::LN_2;

    fn points(error: Option<f64>) -> Vec<BloodPoint> {
        let at = |time_h: f64| 0.4 * (-time_h * LN_2 / 1.5).exp() + 0.02 * (-time_h * LN_2 / 40.0).exp();
        let of = |time_h: f64| BloodPoint { time_h, mbq_per_ml: at(time_h), relative_error: error };
        [0.25, 1.0, 3.0, 6.0, 24.0, 72.0].map(of).to_vec()
    }

    /// The integral of two phases is the sum of amplitude times half-life over ln 2.
    #[test]
    fn law_the_integral_of_two_phases_is_closed() {
        let curve = blood_curve(&points(Some(0.03)), Model::TwoPhase, 159.53, "blood").expect("a curve");
        let wanted = (0.4 * 1.5 + 0.02 * 40.0) / LN_2;
        assert!((curve.mbq_h_per_ml / wanted - 1.0).abs() < 1e-4, "{} {wanted}", curve.mbq_h_per_ml);
        assert!((curve.effective_half_life_h / 40.0 - 1.0).abs() < 1e-3);
        assert!(curve.rel_sigma.is_some_and(|u| u > 0.005 && u < 0.1), "{:?}", curve.rel_sigma);
        // alarm: one phase alone misses most of it
        let wrong = blood_curve(&points(Some(0.03)), Model::Mono, 159.53, "blood");
        assert!(wrong.map_or(true, |curve| (curve.mbq_h_per_ml / wanted - 1.0).abs() > 0.05));
    }

    /// Samples that are none are named, by number and field.
    #[test]
    fn law_wrong_samples_are_refused_by_name() {
        for (change, words) in [
            ((0, -1.0, 0.1, Some(0.03)), ["points[0] time_h", "-1 h"]),
            ((2, 3.0, 0.0, Some(0.03)), ["points[2] mbq_per_ml", "0 MBq/mL"]),
            ((2, 3.0, f64::NAN, Some(0.03)), ["points[2] mbq_per_ml", "NaN"]),
            ((1, 1.0, 0.1, Some(1.5)), ["points[1] relative_error", "1.5"]),
            ((1, 1.0, 0.1, None), ["blood", "uncertainty"]),
            ((3, 2.0, 0.1, Some(0.03)), ["blood", "increase"]),
        ] {
            let (index, time_h, mbq_per_ml, relative_error) = change;
            let mut all = points(Some(0.03));
            all[index] = BloodPoint { time_h, mbq_per_ml, relative_error };
            let error = blood_curve(&all, Model::TwoPhase, 159.53, "M.toml: blood").expect_err("refused");
            let said = error.sentence().to_string();
            assert!(words.iter().all(|word| said.contains(word)), "{said}");
        }
        let few = blood_curve(&points(None)[..3], Model::TwoPhase, 159.53, "M.toml: blood").expect_err("too few");
        assert!(few.sentence().to_string().contains("at least 4"), "{few}");
    }
}
