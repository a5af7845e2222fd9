//! What is known of the uncertainty of each region of a series: parts with size, kind and origin, and what is not known.

use super::partial_volume::Record;
use crate::budget::{Gain, Kind, Origin, Part, ScanGain, Shares, Source, activity_rel_sigma, improve, missing};
use crate::course::further::FurtherScan;
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
    /// What to improve next: relative uncertainty of the dose with each source halved or with a further scan, the best first.
    pub improve: Vec<Improvement>,
    /// What one scan more would leave of the uncertainty of the curve alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub further_scans: Vec<FurtherScan>,
}

/// What would leave less.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Improvement {
    /// A source halved.
    Halved(Gain),
    /// A further scan.
    Scan(ScanGain),
}

impl Improvement {
    /// Relative uncertainty that it leaves.
    fn leaves(&self) -> f64 {
        match self {
            Self::Halved(gain) => gain.halved,
            Self::Scan(gain) => gain.with_scan,
        }
    }
}

impl Budget {
    /// Of parts, and of what further scans would leave of the curve.
    pub fn of(parts: Vec<Part>, further: &[FurtherScan]) -> Self {
        let not_known = missing(&parts).into_iter().filter(|source| OF_ACTIVITY.contains(source)).collect();
        let scans = scan_gains(&parts, further).into_iter().map(Improvement::Scan);
        let halved = improve(&Shares::of_parts(&parts)).into_iter().map(Improvement::Halved);
        let mut all: Vec<Improvement> = halved.chain(scans).collect();
        all.sort_by(|a, b| a.leaves().total_cmp(&b.leaves()));
        let further_scans = if parts.is_empty() { Vec::new() } else { further.to_vec() };
        Self { rel_sigma: activity_rel_sigma(&parts), not_known, improve: all, further_scans, parts }
    }
}

/// What further scans would leave of a region's dose by the parts of its activity.
pub fn scan_gains(parts: &[Part], further: &[FurtherScan]) -> Vec<ScanGain> {
    let shares = Shares::of_parts(parts);
    let known = further.iter().filter(|_| !parts.is_empty());
    known.map(|scan| ScanGain::of(&shares, scan.time_h, scan.left)).collect()
}

/// The parts that a region's curve and the correction of its images tell. None where the fit was refused.
pub fn of_region(region: &RegionIntegral, partial_volume: Option<&Record>) -> Vec<Part> {
    let Some(integral) = region.integral.as_ref().filter(|integral| !integral.fell_back()) else { return Vec::new() };
    let mut parts = Vec::new();
    if region.calibration_rel_sigma > 0.0 {
        let (source, kind) = (Source::Calibration, Kind::Clinic);
        parts.push(Part::of_activity(source, kind, Origin::Stated, region.calibration_rel_sigma));
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
    parts
        .extend(region.place_rel_sigma.map(|u| Part::of_activity(Source::Registration, Kind::Cycle, Origin::Image, u)));
    parts.extend(
        partial_volume.into_iter().flat_map(|record| of_correction(region, record, integral.rel_sigma.is_some())),
    );
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
    // a correction that was held back leaves its whole size uncertain
    let width = mean(&|k| own[k].fwhm_rel_sigma.hypot(own[k].withheld_rel));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clinic::partial_volume::ImageRecord;
    use crate::course::time_activity::{ActivityPoint, ErrorModel, Model, integrate_model};
    use crate::quantify::correct::RegionCorrection;
    use crate::quantify::settings::WidthFrom;

    fn region(rel_sigma: Option<f64>) -> RegionIntegral {
        let point = |time_h: f64, off: f64| ActivityPoint {
            time_h,
            activity_mbq: 100.0 * off * (-time_h / 50.0).exp2(),
            rel_sigma,
        };
        let points = vec![point(24.0, 1.01), point(96.0, 0.98), point(168.0, 1.01)];
        let mut integral = integrate_model(&points, Model::Mono, ErrorModel::Relative, 159.53).expect("a fit");
        // the series states 5 %, and its correction leaves something that is a part of its own
        integral.systematic_rel_sigma = 0.05_f64.hypot(0.05);
        RegionIntegral {
            label: 2,
            name: "kidney_left".to_owned(),
            voxels: 1,
            volume_ml: 1.0,
            points,
            integral: Some(integral),
            calibration_rel_sigma: 0.05,
            place_rel_sigma: None,
            further: vec![FurtherScan { time_h: 120.0, left: 0.5 }],
            reference_image: 0,
            fitted_voxels: 0,
            map_decays: 1.0,
        }
    }

    fn corrected() -> Record {
        let of = |fwhm_rel_sigma: f64| RegionCorrection {
            label: 2,
            name: "kidney_left".to_owned(),
            volume_ml: 150.0,
            own_recovery: 0.8,
            before_mbq: 80.0,
            after_mbq: 100.0,
            fwhm_rel_sigma,
            outline_rel_sigma: 0.03,
            counts_rel_sigma: 0.02,
            held_back: None,
            withheld_rel: 0.0,
        };
        let image = |sigma: f64| ImageRecord {
            image: "a".to_owned(),
            time_h: 24.0,
            before_mbq: 80.0,
            after_mbq: 100.0,
            regions: vec![of(sigma)],
            edges: Vec::new(),
        };
        Record {
            method: "likelihood",
            fwhm_mm: [9.0; 3],
            fwhm_rel_sigma: 0.1,
            fwhm_from: WidthFrom::Stated,
            outline_sigma_mm: 1.0,
            texture: "image".to_owned(),
            keeps_sum: true,
            images: vec![image(0.03), image(0.05)],
            notes: Vec::new(),
        }
    }

    fn sizes(parts: &[Part]) -> Vec<(Source, Kind, Origin, f64)> {
        parts.iter().map(|p| (p.source, p.kind, p.origin, (1e4 * p.rel_sigma).round() / 1e4)).collect()
    }

    /// Everything that curve and correction tell is in the budget once, with its kind and origin; the rest is named.
    #[test]
    fn law_a_budget_holds_what_curve_and_correction_tell() {
        let region = region(Some(0.03));
        let fit = (1e4 * region.integral.as_ref().and_then(|i| i.rel_sigma).expect("known")).round() / 1e4;
        let parts = of_region(&region, Some(&corrected()));
        assert_eq!(
            sizes(&parts),
            [
                (Source::Calibration, Kind::Clinic, Origin::Stated, 0.05),
                (Source::Fit, Kind::Cycle, Origin::Stated, fit),
                (Source::PartialVolume, Kind::Patient, Origin::Image, 0.0412),
                (Source::Outline, Kind::Patient, Origin::Image, 0.03),
            ]
        );
        let budget = Budget::of(parts, &region.further);
        assert_eq!(budget.not_known, [Source::Extrapolation, Source::Registration]);
        // the outline moves the dose, not the activity
        assert!((budget.rel_sigma - 0.05_f64.hypot(fit).hypot(0.04123)).abs() < 1e-4, "{budget:?}");
        let first = |improve: &[Improvement]| match improve.first() {
            Some(Improvement::Halved(gain)) => Some(gain.source),
            _ => None,
        };
        assert_eq!(first(&budget.improve), Some(Source::Calibration));
        // the scan that halves the curve leaves what halving the fit leaves
        let halved = budget.improve.iter().find_map(|one| match one {
            Improvement::Halved(gain) if gain.source == Source::Fit => Some(gain.halved),
            _ => None,
        });
        let scan = budget.improve.iter().find_map(|one| match one {
            Improvement::Scan(gain) => Some((gain.scan_at_h, gain.with_scan)),
            Improvement::Halved(_) => None,
        });
        assert!(scan.zip(halved).is_some_and(|((at, with), halved)| at == 120.0 && (with - halved).abs() < 1e-12));
    }

    /// What registration leaves uncertain is a part of the cycle, and no hole then.
    #[test]
    fn law_the_place_of_the_images_is_a_part() {
        let mut own = region(Some(0.03));
        own.place_rel_sigma = Some(0.02);
        let part = of_region(&own, None).into_iter().find(|part| part.source == Source::Registration);
        let part = part.expect("a part");
        assert_eq!((part.rel_sigma, part.kind, part.on_activity, part.on_response), (0.02, Kind::Cycle, 1.0, 0.0));
        assert!(!Budget::of(of_region(&own, None), &[]).not_known.contains(&Source::Registration));
        // alarm: without it the source is a hole
        own.place_rel_sigma = None;
        assert!(Budget::of(of_region(&own, None), &[]).not_known.contains(&Source::Registration));
    }

    /// Noise is in the fit, by the scans' stated errors or by their scatter; where the fit has no uncertainty it is a part
    /// of its own.
    #[test]
    fn law_noise_counts_once() {
        let mut own = region(None);
        let of = |region: &RegionIntegral, source: Source| {
            let parts = of_region(region, Some(&corrected()));
            parts.into_iter().find(|part| part.source == source)
        };
        assert_eq!(of(&own, Source::Fit).map(|part| part.origin), Some(Origin::Image));
        assert_eq!(of(&own, Source::Counts), None);
        own.integral.as_mut().expect("a fit").rel_sigma = None;
        assert_eq!(of(&own, Source::Fit), None);
        let counts = of(&own, Source::Counts).expect("a part").rel_sigma;
        assert!((counts - 0.02 / 2.0_f64.sqrt()).abs() < 1e-12, "{counts}");
        // nothing is known of a refused fit
        let mut refused = region(None);
        let integral = refused.integral.as_mut().expect("a fit");
        integral.flags.push(FitFlag::FellBack { reason: "no".to_owned() });
        assert!(of_region(&refused, Some(&corrected())).is_empty());
    }
}
