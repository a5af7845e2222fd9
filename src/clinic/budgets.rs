//! What is known of the uncertainty of each region of a series: parts with size, kind and origin, and what is not known.

use super::partial_volume::Record;
use crate::budget::{Gain, Kind, Origin, Part, Shares, Source, activity_rel_sigma, improve, missing};
use crate::course::tia::RegionIntegral;
use crate::course::time_activity::FitFlag;
use serde::Serialize;

/// Sources that a time-integrated activity has; the others are the dose's and the effect's.
const OF_ACTIVITY: [Source; 7] = [
    Source::Calibration,
    Source::PartialVolume,
    Source::Outline,
    Source::Counts,
    Source::Fit,
    Source::Extrapolation,
    Source::Registration,
];

/// The budget of a region's time-integrated activity, for the record.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Budget {
    /// What is known.
    pub parts: Vec<Part>,
    /// Relative standard uncertainty by these parts.
    pub rel_sigma: f64,
    /// Sources of which nothing is known here.
    pub not_known: Vec<Source>,
    /// What to improve next: relative uncertainty of the dose with each source halved, the best first.
    pub improve: Vec<Gain>,
}

impl Budget {
    /// Of parts.
    pub fn of(parts: Vec<Part>) -> Self {
        let not_known = missing(&parts).into_iter().filter(|source| OF_ACTIVITY.contains(source)).collect();
        Self { rel_sigma: activity_rel_sigma(&parts), not_known, improve: improve(&Shares::of_parts(&parts)), parts }
    }
}

/// The parts that a region's curve and the correction of its images tell. None where the fit was refused.
pub fn of_region(region: &RegionIntegral, partial_volume: Option<&Record>) -> Vec<Part> {
    let Some(integral) = region.integral.as_ref().filter(|integral| !integral.fell_back()) else { return Vec::new() };
    let mut parts = Vec::new();
    if integral.systematic_rel_sigma > 0.0 {
        let (source, kind) = (Source::Calibration, Kind::Clinic);
        parts.push(Part::of_activity(source, kind, Origin::Stated, integral.systematic_rel_sigma));
    }
    let stated = region.points.iter().all(|point| point.rel_sigma.is_some());
    let of_prior = integral.flags.iter().find_map(|flag| match flag {
        FitFlag::Population { prior_share, .. } => Some(*prior_share),
        _ => None,
    });
    if let Some(rel_sigma) = integral.rel_sigma {
        let origin = if stated { Origin::Stated } else { Origin::Image };
        let share = of_prior.unwrap_or(0.0);
        parts.push(Part::of_activity(Source::Fit, Kind::Cycle, origin, rel_sigma * (1.0 - share).max(0.0).sqrt()));
        if of_prior.is_some() {
            let sigma = rel_sigma * share.sqrt();
            parts.push(Part::of_activity(Source::Extrapolation, Kind::Cycle, Origin::Population, sigma));
        }
    }
    parts.extend(partial_volume.into_iter().flat_map(|record| of_correction(region, record, stated)));
    parts
}

/// Width, outline and counts of the correction: root mean squares over the images.
fn of_correction(region: &RegionIntegral, record: &Record, in_fit: bool) -> Vec<Part> {
    let own: Vec<_> =
        record.images.iter().flat_map(|image| &image.regions).filter(|one| one.label == region.label).collect();
    if own.is_empty() {
        return Vec::new();
    }
    let n = own.len() as f64;
    let mean = |of: &dyn Fn(usize) -> f64| ((0..own.len()).map(|k| of(k).powi(2)).sum::<f64>() / n).sqrt();
    let width = mean(&|k| own[k].fwhm_rel_sigma);
    let outline = mean(&|k| own[k].outline_rel_sigma);
    // width and outline are one for all images of the patient, and the width for all regions too; an outline that moves
    // while its activity stays changes the concentration, and with it the dose alone
    let mut parts = vec![
        Part { all_regions: true, ..Part::of_activity(Source::PartialVolume, Kind::Patient, Origin::Image, width) },
        Part::of_response(Source::Outline, Kind::Patient, Origin::Image, outline),
    ];
    if !in_fit {
        // noise is drawn for each image; the integral averages it
        let counts = mean(&|k| own[k].counts_rel_sigma) / n.sqrt();
        parts.push(Part::of_activity(Source::Counts, Kind::Cycle, Origin::Image, counts));
    }
    parts
}
