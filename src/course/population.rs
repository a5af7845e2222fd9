//! The curve of a region by a population's kinetics (`crate::kinetics`), as an integral with its flags.

use crate::bed::Exponential;
use crate::kinetics::{OrganPrior, Posterior, Scan, UPTAKE, fit, sample};

use super::integral::{
    ActivityPoint, FitFlag, POOR_FIT_PROBABILITY, Parameter, TimeActivityError, TimeIntegral, exponential_kinetics,
};

/// Draws that check the width of a posterior.
const DRAWS: usize = 4000;
/// Their seed: the same scans give the same figures.
const SEED: u64 = 1;
/// Share of the draws that must count for their mean and width to stand: 400 of them, whose mean is known to a twentieth of the
/// width.
const LEAST_SHARE: f64 = 0.1;
/// Difference of both widths above which that by sampling stands: the issue of a posterior that is not normal. A tenth of an
/// uncertainty matters to nobody (assumption).
const WIDTHS_APART: f64 = 0.10;

/// The integral of `points` under the prior of their organ; `name` is the prior's, `earlier` are the scans of earlier cycles,
/// `gbq_ml` is administered activity times the region's volume, where it is known.
///
/// Errors: what [`fit`] refuses.
pub(super) fn integrate_population(
    points: &[ActivityPoint],
    organ: &OrganPrior,
    name: &str,
    earlier: &[Vec<Scan>],
    gbq_ml: Option<f64>,
    physical_half_life_h: f64,
) -> Result<TimeIntegral, TimeActivityError> {
    let own = points.iter().map(|p| p.scan(gbq_ml));
    let mut cycles: Vec<Vec<Scan>> = earlier.iter().filter(|scans| !scans.is_empty()).cloned().collect();
    cycles.push(own.collect());
    let found = fit(organ, &cycles)?;
    let sampled = sample(organ, &cycles, &found, DRAWS, SEED)?;
    // the curve goes through the most probable parameters; its integral is the mean of what they may be
    let drawn = sampled.effective_share >= LEAST_SHARE;
    let scale = if drawn { sampled.log_mean_mbq_h / found.tia_mbq_h } else { 1.0 };
    let mut integral = of_posterior(points, &found, scale)?;
    integral.flags.push(FitFlag::Population {
        prior: name.to_owned(),
        organ: organ.organ.clone(),
        prior_share: found.prior_share,
    });
    if organ.knows_uptake() && gbq_ml.is_none() {
        integral.flags.push(FitFlag::UptakeNotUsed { prior: name.to_owned() });
    }
    if let Some(probability) = found.probability.filter(|p| *p < POOR_FIT_PROBABILITY) {
        integral.flags.push(FitFlag::PriorConflict {
            prior: name.to_owned(),
            parameter: found.furthest.0.to_owned(),
            deviations: found.furthest.1,
            probability,
        });
    }
    if !drawn {
        integral.flags.push(FitFlag::DrawsTooFew { share: sampled.effective_share });
    } else if (sampled.rel_sigma / found.rel_sigma - 1.0).abs() > WIDTHS_APART {
        integral.rel_sigma = Some(sampled.rel_sigma);
        integral.flags.push(FitFlag::WidthBySampling { curvature: found.rel_sigma, sampled: sampled.rel_sigma });
    }
    if integral.effective_half_life_h >= physical_half_life_h {
        integral.flags.push(FitFlag::AtPhysicalDecay);
    }
    Ok(integral)
}

/// Relative standard uncertainty of the integral of `points` by the posterior's curvature; the rest as [`integrate_population`].
/// None where no curve is found.
pub(super) fn posterior_width(
    points: &[ActivityPoint],
    organ: &OrganPrior,
    earlier: &[Vec<Scan>],
    gbq_ml: Option<f64>,
) -> Option<f64> {
    let mut cycles: Vec<Vec<Scan>> = earlier.iter().filter(|scans| !scans.is_empty()).cloned().collect();
    cycles.push(points.iter().map(|p| p.scan(gbq_ml)).collect());
    fit(organ, &cycles).ok().map(|found| found.rel_sigma)
}

/// A posterior as an integral, its curve times `scale`.
fn of_posterior(points: &[ActivityPoint], found: &Posterior, scale: f64) -> Result<TimeIntegral, TimeActivityError> {
    let terms: Vec<Exponential> = found
        .terms()
        .iter()
        .map(|term| Exponential { amplitude: scale * term.amplitude_mbq, rate_per_h: term.rate_per_h })
        .collect();
    let from =
        |time_h: f64| terms.iter().map(|term| term.integral_from(time_h)).sum::<f64>() / (scale * found.tia_mbq_h);
    let fractions = [1.0 - from(points[0].time_h), from(points[points.len() - 1].time_h)];
    let half_life_h = found.kinetic[0].exp();
    let mut integral = TimeIntegral::without_fit(
        "population",
        exponential_kinetics(terms.clone())?,
        scale * found.tia_mbq_h,
        half_life_h,
        fractions,
    );
    integral.set_rel_sigma(Some(found.rel_sigma));
    integral.half_life_rel_sigma = Some(found.kinetic_sigma[0]);
    integral.chi2 = found.misfit;
    integral.degrees_of_freedom = found.degrees_of_freedom;
    let names = found.shape.kinetic_names().iter().enumerate();
    integral.parameters = names
        .map(|(p, name)| Parameter {
            name: (*name).to_owned(),
            value: found.shape.value_of(p, found.kinetic[p]),
            rel_sigma: Some(found.kinetic_sigma[p]),
        })
        .collect();
    integral.parameters.extend(found.uptake.map(|[value, sigma]| Parameter {
        name: UPTAKE.to_owned(),
        value,
        rel_sigma: Some(sigma),
    }));
    Ok(integral)
}
