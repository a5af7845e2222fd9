//! What to improve next: sources by what halving each would give.

use serde::Serialize;

use super::first_order::Shares;
use super::part::Source;

/// What halving a source gives.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Gain {
    /// The source.
    pub source: Source,
    /// Relative uncertainty now.
    pub now: f64,
    /// Relative uncertainty with the source halved.
    pub halved: f64,
}

/// Share of the present uncertainty below which a gain is none.
const NOTHING: f64 = 0.02;

impl Gain {
    /// Whether halving the source is worth a word: the uncertainty falls by more than a fiftieth of itself.
    pub fn matters(&self) -> bool {
        self.halved < (1.0 - NOTHING) * self.now
    }

    /// What halves the source, in words.
    pub fn wish(&self) -> &'static str {
        match self.source {
            Source::Calibration => "a calibration twice as sure",
            Source::PartialVolume => "a resolution of the image known twice as well",
            Source::Outline => "an outline placed twice as surely",
            Source::Counts => "four times the counts",
            Source::Fit => "a curve twice as sure (more scans, or surer ones)",
            Source::Extrapolation => "a tail twice as sure (a later scan)",
            Source::Registration => "a registration twice as close",
            Source::Mass => "a density known twice as well",
            Source::Decay => "decay data twice as sure",
            Source::Transport => "four times the histories",
            Source::Radiobiology => "radiobiology known twice as well",
        }
    }

    /// Digits behind the point that tell the two values apart.
    fn digits(&self) -> usize {
        let (now, gain) = (100.0 * self.now, 100.0 * (self.now - self.halved));
        if now >= 9.95 && gain >= 0.95 { 0 } else { 1 }
    }

    /// What would be left, %.
    pub fn left(&self) -> String {
        format!("{:.*} %", self.digits(), 100.0 * self.halved)
    }

    /// What halving the source would bring, as a sentence on this region.
    pub fn sentence(&self, region: &str) -> String {
        let wish = self.wish();
        if self.matters() {
            format!("{wish} would bring {region} from {:.*} to {}", self.digits(), 100.0 * self.now, self.left())
        } else {
            format!("{wish} would bring {region} nothing")
        }
    }
}

/// Sources by their gain, the greatest first.
pub fn improve(shares: &Shares) -> Vec<Gain> {
    let of = |&source: &Source| Gain { source, now: shares.rel_sigma, halved: shares.with(source, 0.5) };
    let mut gains: Vec<Gain> =
        shares.variance.iter().filter(|(_, v)| **v > 0.0).map(|(source, _)| of(source)).collect();
    gains.sort_by(|a, b| a.halved.total_cmp(&b.halved));
    gains
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::{Kind, Origin, Part};

    /// Halving the largest source gives the most, and the sentence says the figures; what does nothing is said to.
    #[test]
    fn law_the_largest_source_comes_first() {
        let part = |source, rel_sigma| Part::of_activity(source, Kind::Patient, Origin::Stated, rel_sigma);
        let parts = [part(Source::Calibration, 0.05), part(Source::Fit, 0.12), part(Source::Transport, 1e-4)];
        let gains = improve(&Shares::of_parts(&parts));
        assert_eq!(
            gains.iter().map(|g| g.source).collect::<Vec<_>>(),
            [Source::Fit, Source::Calibration, Source::Transport]
        );
        assert!((gains[0].now - 0.13).abs() < 1e-6 && (gains[0].halved - 0.05_f64.hypot(0.06)).abs() < 1e-6);
        let fit = "a curve twice as sure (more scans, or surer ones) would bring kidney from 13 to 8 %";
        assert_eq!(gains[0].sentence("kidney"), fit);
        assert_eq!(gains[2].sentence("kidney"), "four times the histories would bring kidney nothing");
        assert!(gains[1].matters() && !gains[2].matters());
    }
}
