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

/// Sources by their gain, the greatest first.
pub fn improve(shares: &Shares) -> Vec<Gain> {
    let of = |&source: &Source| Gain { source, now: shares.rel_sigma, halved: shares.with(source, 0.5) };
    let mut gains: Vec<Gain> =
        shares.variance.iter().filter(|(_, v)| **v > 0.0).map(|(source, _)| of(source)).collect();
    gains.sort_by(|a, b| a.halved.total_cmp(&b.halved));
    gains
}
