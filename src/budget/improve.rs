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

/// What a further scan gives.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ScanGain {
    /// When the scan would be, h after injection.
    pub scan_at_h: f64,
    /// Relative uncertainty now.
    pub now: f64,
    /// Relative uncertainty with the scan.
    pub with_scan: f64,
}

impl ScanGain {
    /// Of a scan that leaves this share of the uncertainty of the curve (fit and extrapolation).
    pub fn of(shares: &Shares, scan_at_h: f64, left: f64) -> Self {
        let curve = [Source::Fit, Source::Extrapolation].map(|source| shares.variance.get(&source).copied());
        let curve: f64 = curve.into_iter().flatten().sum();
        let variance: f64 = shares.variance.values().sum();
        Self { scan_at_h, now: shares.rel_sigma, with_scan: (variance - curve * (1.0 - left * left)).sqrt() }
    }

    /// Whether the scan is worth a word: the uncertainty falls by more than a fiftieth of itself.
    pub fn matters(&self) -> bool {
        self.with_scan < (1.0 - NOTHING) * self.now
    }

    /// What the scan would bring, as a sentence on this region.
    pub fn sentence(&self, region: &str) -> String {
        let digits = digits(self.now, self.with_scan);
        let [now, then] = [self.now, self.with_scan].map(|u| format!("{:.*}", digits, 100.0 * u));
        format!("a further scan at {} h would bring {region} from {now} to {then} %", self.scan_at_h)
    }
}

/// The scan that leaves least; none where none matters.
pub fn best_scan(gains: &[ScanGain]) -> Option<&ScanGain> {
    let best = gains.iter().min_by(|a, b| a.with_scan.total_cmp(&b.with_scan))?;
    best.matters().then_some(best)
}

/// Digits behind the point that tell two percentages apart.
fn digits(now: f64, then: f64) -> usize {
    let (now, gain) = (100.0 * now, 100.0 * (now - then));
    if now >= 9.95 && gain >= 0.95 { 0 } else { 1 }
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
        digits(self.now, self.halved)
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

    /// A scan that halves the curve's uncertainty leaves what halving its sources leaves; 15 % of which 13 are the curve's
    /// become 9.9.
    #[test]
    fn law_a_scan_acts_on_the_curve_alone() {
        let part = |source, rel_sigma| Part::of_activity(source, Kind::Cycle, Origin::Stated, rel_sigma);
        let parts = [part(Source::Calibration, 0.0748), part(Source::Fit, 0.12), part(Source::Extrapolation, 0.05)];
        let shares = Shares::of_parts(&parts);
        let gain = ScanGain::of(&shares, 168.0, 0.5);
        assert!((gain.now - 0.15).abs() < 1e-4 && (gain.with_scan - 0.0748_f64.hypot(0.065)).abs() < 1e-9, "{gain:?}");
        assert_eq!(gain.sentence("kidney_left"), "a further scan at 168 h would bring kidney_left from 15 to 10 %");
        let gains = [ScanGain::of(&shares, 24.0, 0.9), gain, ScanGain::of(&shares, 96.0, 0.7)];
        assert_eq!(best_scan(&gains).map(|g| g.scan_at_h), Some(168.0));
        assert_eq!(best_scan(&[ScanGain::of(&shares, 24.0, 0.999)]), None);
        // alarm: of a curve that is sure nothing is gained
        let sure = Shares::of_parts(&parts[..1]);
        assert!(!ScanGain::of(&sure, 168.0, 0.5).matters());
    }

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
