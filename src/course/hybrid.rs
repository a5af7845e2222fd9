//! Planar images for the shape of the curve, one SPECT for its level (the ILUMINET scheme).
//!
//!   A(t_j) = P(t_j) A_SPECT(t_s) / P(t_s)                    [methods/time_integration.md eq. 11]
//!
//! P are conjugate-view counts corrected for attenuation, scatter and overlap, in one fixed region.
//! The uncertainty of the SPECT activity is common to all points: it shifts the level, not the shape, and is kept
//! separate as a systematic part.

use crate::fault::{Explained, Fault, FaultKind, explained};
use thiserror::Error;

use super::time_activity::ActivityPoint;

/// Why planar counts cannot be scaled.
#[derive(Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum HybridError {
    /// No planar image near the SPECT.
    NoPlanarAtSpect {
        /// Time of the SPECT, h.
        spect_h: f64,
        /// Times of the planar images, h.
        planar_h: Vec<f64>,
        /// Largest distance accepted, h.
        tolerance_h: f64,
    },
    /// A count that is not positive.
    Counts {
        /// Time of the image, h.
        time_h: f64,
        /// Counts found.
        counts: f64,
    },
}

explained!(HybridError);

impl Explained for HybridError {
    fn fault(&self) -> Fault {
        match self {
            Self::NoPlanarAtSpect { spect_h, planar_h, tolerance_h } => Fault::of(FaultKind::Missing)
                .place(format!("SPECT at {spect_h} h"))
                .found(format!(
                    "no planar image lies within {tolerance_h} h of the SPECT at {spect_h} h (planar times, h: {planar_h:?})"
                ))
                .then("give the planar image acquired with the SPECT")
                .form("{found}"),
            Self::Counts { time_h, counts } => Fault::invalid(
                format!("{time_h} h"),
                "planar counts",
                counts.to_string(),
                "above 0",
                "check the background region",
            )
            .form("{field} at {place} are {found}; they must be {allowed}"),
        }
    }
}

/// Corrected planar counts of one region at one time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlanarPoint {
    /// Mid-scan time after injection, h.
    pub time_h: f64,
    /// Corrected geometric-mean counts or an activity in any unit, positive.
    pub counts: f64,
    /// Random relative uncertainty of the planar value.
    pub rel_sigma: Option<f64>,
}

/// The activity from the SPECT.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SpectLevel {
    /// Mid-scan time after injection, h.
    pub time_h: f64,
    /// Activity of the region, MBq.
    pub activity_mbq: f64,
    /// Relative uncertainty of that activity, common to all points.
    pub rel_sigma: f64,
}

/// Points scaled to the SPECT's level, and what they have in common.
#[derive(Clone, Debug, PartialEq)]
pub struct HybridCurve {
    /// Scaled points with the planar uncertainty alone.
    pub points: Vec<ActivityPoint>,
    /// Relative uncertainty of the level: add it to the integral, not to the points.
    pub level_rel_sigma: f64,
}

/// Scales `planar` to `spect`; the planar image within `tolerance_h` of the SPECT sets the level.
pub fn scale_planar(planar: &[PlanarPoint], spect: SpectLevel, tolerance_h: f64) -> Result<HybridCurve, HybridError> {
    for point in planar {
        if !point.counts.is_finite() || point.counts <= 0.0 {
            return Err(HybridError::Counts { time_h: point.time_h, counts: point.counts });
        }
    }
    let distance = |p: &PlanarPoint| (p.time_h - spect.time_h).abs();
    let reference = planar
        .iter()
        .filter(|p| distance(p) <= tolerance_h)
        .min_by(|a, b| distance(a).total_cmp(&distance(b)))
        .ok_or_else(|| HybridError::NoPlanarAtSpect {
            spect_h: spect.time_h,
            planar_h: planar.iter().map(|p| p.time_h).collect(),
            tolerance_h,
        })?;
    let scale = spect.activity_mbq / reference.counts;
    Ok(HybridCurve {
        points: planar
            .iter()
            .map(|p| ActivityPoint { time_h: p.time_h, activity_mbq: p.counts * scale, rel_sigma: p.rel_sigma })
            .collect(),
        level_rel_sigma: spect.rel_sigma,
    })
}
