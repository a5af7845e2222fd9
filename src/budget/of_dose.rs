//! What a result says of a region's dose: every part with its size, their total, its 95 % interval, and the holes.
//!
//! A region's own parts act on its whole dose, as if its own decays gave it alone; where much comes from elsewhere the
//! patient's own S matrix serves (`draws`). Errors are of the logarithm, so the interval is
//!
//!   D e^(-1.96 u) to D e^(1.96 u)                              [methods/uncertainty.md eq. 6]
//!
//! A total is of what is known. Without any part of the activity there is none: the transport's statistics alone are no
//! uncertainty of a dose.

use serde::Serialize;

use super::first_order::Shares;
use super::improve::{Gain, ScanGain, improve};
use super::part::{Kind, NEEDED, Origin, Part, Source, missing};

/// Standard deviations that 95 % of a normal law lie within.
pub const WITHIN_95: f64 = 1.959_964;
/// Relative uncertainty of a soft tissue's density from CT [methods/materials.md section 4].
const SOFT_TISSUE: f64 = 0.01;
/// The same of bone.
const BONE: f64 = 0.05;
/// Mean density from which a region is bone, g/cm3: between muscle and spongiosa with its cortex (assumption).
const BONE_FROM_G_CM3: f64 = 1.15;
/// Relative uncertainty of the energy a decay emits as electrons (assumption: evaluations state some tenths of a per cent for
/// intensities and end points of the nuclides here).
const DECAY_DATA: f64 = 0.005;

/// Density from CT: mass, and with it the dose.
pub fn of_density(mean_g_cm3: f64) -> Part {
    let rel_sigma = if mean_g_cm3 < BONE_FROM_G_CM3 { SOFT_TISSUE } else { BONE };
    Part { on_response: -1.0, ..Part::of_response(Source::Mass, Kind::Patient, Origin::Default, rel_sigma) }
}

/// Energies and intensities of the nuclide.
pub fn of_decay_data() -> Part {
    Part::of_response(Source::Decay, Kind::Clinic, Origin::Default, DECAY_DATA)
}

/// Statistics of the transport.
pub fn of_transport(rel_sigma: f64) -> Part {
    Part::of_response(Source::Transport, Kind::Cycle, Origin::Run, rel_sigma)
}

/// What a source does to a dose or to a sum of doses.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SourceShare {
    /// The source.
    pub source: Source,
    /// Relative standard uncertainty by this source alone.
    pub rel_sigma: f64,
}

impl SourceShare {
    /// Of all sources.
    pub fn of(shares: &Shares) -> Vec<Self> {
        let one = |(&source, &variance): (&Source, &f64)| Self { source, rel_sigma: variance.sqrt() };
        shares.variance.iter().map(one).collect()
    }
}

/// A dose by draws through the patient's own S matrix.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct DrawnDose {
    /// Draws.
    pub draws: usize,
    /// Their relative standard deviation.
    pub rel_sigma: f64,
    /// To first order, through the same matrix.
    pub first_order_rel_sigma: f64,
    /// Their 2.5, 16, 50, 84 and 97.5 % quantiles, Gy.
    pub quantiles_gy: [f64; 5],
}

/// What is known of how sure a region's dose is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DoseBudget {
    /// What is known, the transport's statistics last.
    pub parts: Vec<Part>,
    /// Relative standard uncertainty (k = 1) by all of it; none where nothing is known but the transport.
    pub rel_sigma: Option<f64>,
    /// 95 % interval of the dose, Gy, by the same.
    pub interval95_gy: Option<[f64; 2]>,
    /// By source.
    pub by_source: Vec<SourceShare>,
    /// By draws through the patient's own S matrix, where they were asked for: then the total and its interval are theirs.
    pub drawn: Option<DrawnDose>,
    /// Relative standard error by the statistics of the transport alone.
    pub transport_rel_sigma: f64,
    /// Sources of which nothing is known: holes.
    pub not_assessed: Vec<Source>,
    /// What halving each source would leave, the best first.
    pub improve: Vec<Gain>,
    /// What a further scan would leave, by time; none where that is not known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub improve_by_scan: Vec<ScanGain>,
}

impl DoseBudget {
    /// Of a dose, Gy, with the transport's standard error, Gy, and the parts of its activity and mass.
    pub fn of(dose_gy: f64, se_gy: f64, own: &[Part]) -> Self {
        let transport_rel_sigma = if dose_gy == 0.0 { 0.0 } else { se_gy / dose_gy.abs() };
        let mut parts = own.to_vec();
        parts.push(of_transport(transport_rel_sigma));
        let shares = Shares::of_parts(&parts);
        let rel_sigma = (!own.is_empty() && dose_gy > 0.0).then_some(shares.rel_sigma);
        Self {
            rel_sigma,
            interval95_gy: rel_sigma.map(|u| [-1.0, 1.0].map(|sign| dose_gy * (sign * WITHIN_95 * u).exp())),
            by_source: SourceShare::of(&shares),
            drawn: None,
            transport_rel_sigma,
            not_assessed: holes(&parts),
            improve_by_scan: Vec::new(),
            improve: if rel_sigma.is_some() { improve(&shares) } else { Vec::new() },
            parts,
        }
    }

    /// The same with what further scans would leave of the curve: hours, and the share of its uncertainty.
    pub fn with_scans(mut self, scans: impl IntoIterator<Item = (f64, f64)>) -> Self {
        if let Some(rel_sigma) = self.rel_sigma {
            let variance = self.by_source.iter().map(|share| (share.source, share.rel_sigma.powi(2))).collect();
            let shares = Shares { rel_sigma, variance };
            self.improve_by_scan =
                scans.into_iter().map(|(time_h, left)| ScanGain::of(&shares, time_h, left)).collect();
        }
        self
    }

    /// The same by draws: their total and interval, and by source what the matrix makes of it.
    pub fn by_draws(self, drawn: DrawnDose, shares: &Shares) -> Self {
        let [low, .., high] = drawn.quantiles_gy;
        Self {
            rel_sigma: Some(drawn.rel_sigma),
            interval95_gy: Some([low, high]),
            by_source: SourceShare::of(shares),
            improve: improve(shares),
            drawn: Some(drawn),
            ..self
        }
    }

    /// Whether the total is a least one: a source that weighs is not known.
    pub fn at_least(&self) -> bool {
        at_least(&self.not_assessed)
    }

    /// The holes in words, empty where there are none.
    pub fn holes_in_words(&self) -> String {
        in_words(&self.not_assessed)
    }
}

/// Sources of a dose of which `parts` say nothing.
pub fn holes(parts: &[Part]) -> Vec<Source> {
    missing(parts).into_iter().filter(|source| *source != Source::Radiobiology).collect()
}

/// Whether a total without these sources is a least one.
pub fn at_least(not_assessed: &[Source]) -> bool {
    not_assessed.iter().any(|source| NEEDED.contains(source))
}

/// Sources in words.
pub fn in_words(sources: &[Source]) -> String {
    sources.iter().map(|source| source.words()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Vec<Part> {
        let part = |source, rel_sigma| Part::of_activity(source, Kind::Patient, Origin::Stated, rel_sigma);
        vec![part(Source::Calibration, 0.05), part(Source::Fit, 0.1), of_density(1.05), of_decay_data()]
    }

    /// The total is the root of the sum of squares, its interval the log-normal one; the transport stands apart.
    #[test]
    fn law_a_total_stands_beside_the_transport() {
        let budget = DoseBudget::of(4.6, 4.6e-3, &known());
        let u = (0.05_f64.powi(2) + 0.1_f64.powi(2) + 0.01_f64.powi(2) + 0.005_f64.powi(2) + 1e-6).sqrt();
        assert!((budget.rel_sigma.expect("known") - u).abs() < 1e-12);
        assert!((budget.transport_rel_sigma - 1e-3).abs() < 1e-12);
        let [low, high] = budget.interval95_gy.expect("known");
        assert!((low * high - 4.6 * 4.6).abs() < 1e-9 && ((high / 4.6).ln() - 1.959_964 * u).abs() < 1e-12);
        assert_eq!(budget.improve[0].source, Source::Fit);
    }

    /// Without a part of the activity there is no total; holes are named, and a total with one that weighs is a least one.
    #[test]
    fn law_statistics_alone_are_no_total() {
        let bare = DoseBudget::of(4.6, 4.6e-3, &[]);
        assert_eq!((bare.rel_sigma, bare.interval95_gy), (None, None));
        assert!(bare.at_least() && bare.not_assessed.len() == 9 && bare.improve.is_empty(), "{bare:?}");
        let budget = DoseBudget::of(4.6, 0.0, &known());
        let holes = [Source::PartialVolume, Source::Outline, Source::Extrapolation, Source::Registration];
        assert_eq!(budget.not_assessed, holes);
        assert_eq!(budget.holes_in_words(), "partial volume, outline, extrapolation, registration");
        let mut whole = known();
        whole.push(Part::of_activity(Source::PartialVolume, Kind::Patient, Origin::Image, 0.04));
        assert!(DoseBudget::of(4.6, 0.0, &whole).at_least());
        whole.push(Part::of_response(Source::Outline, Kind::Patient, Origin::Image, 0.03));
        assert!(!DoseBudget::of(4.6, 0.0, &whole).at_least());
    }

    /// Bone's density is less sure than a soft tissue's, and a denser region has less dose.
    #[test]
    fn law_density_moves_the_dose_the_other_way() {
        assert_eq!((of_density(1.05).rel_sigma, of_density(1.3).rel_sigma), (0.01, 0.05));
        assert_eq!(of_density(1.05).on_response, -1.0);
    }
}
