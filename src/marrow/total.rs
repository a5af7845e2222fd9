//! Self-dose and cross-dose with everything that moves them.
//!
//!   u^2(D) = Sum_z [Sum_k dD_k/d ln z u(z)]^2                  [methods/marrow.md eq. 5]
//!
//! over everything z with an error of its own. Contributions of one error to several terms add before they are squared: a
//! calibration that is too high raises the dose by every source alike.

use serde::{Serialize, Serializer};
use std::collections::BTreeMap;

use crate::budget::{Part, Source, WITHIN_95};

/// What moves a dose of marrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// A source of the chain from counts to dose.
    Chain(Source),
    /// The trabecular bone's share of the spongiosa.
    TrabecularBone,
    /// The red share of the marrow.
    Cellularity,
    /// The share of the electrons' energy that red marrow absorbs.
    AbsorbedFraction,
    /// Concentration of marrow over that of blood.
    Ratio,
    /// The curve through the blood samples.
    BloodCurve,
    /// What the blood samples have in common: the counter.
    BloodCalibration,
}

impl Cause {
    /// The cause in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Chain(source) => source.words(),
            Self::TrabecularBone => "trabecular bone fraction",
            Self::Cellularity => "cellularity",
            Self::AbsorbedFraction => "absorbed fraction",
            Self::Ratio => "marrow-to-blood ratio",
            Self::BloodCurve => "blood curve",
            Self::BloodCalibration => "blood calibration",
        }
    }
}

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.words())
    }
}

/// By how much one error moves the dose.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Moved {
    /// What is uncertain.
    pub cause: Cause,
    /// The region that the error is of; empty where it is one for all.
    pub of: String,
    /// Change of the dose for one standard uncertainty, Gy, with its sign.
    pub gy: f64,
}

impl Moved {
    /// By one error of this size of a quantity that a term, Gy, is proportional to.
    pub fn by(cause: Cause, rel_sigma: f64, term_gy: f64) -> Self {
        Self { cause, of: String::new(), gy: rel_sigma * term_gy }
    }

    /// By a part of a region that acts on a term, Gy, by `lever`.
    pub fn by_part(part: &Part, region: &str, lever: f64, term_gy: f64) -> Self {
        let of = if part.all_regions { String::new() } else { region.to_owned() };
        Self { cause: Cause::Chain(part.source), of, gy: lever * part.log_sd() * term_gy }
    }
}

/// What one cause does.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CauseShare {
    /// The cause.
    pub cause: Cause,
    /// Relative standard uncertainty (k = 1) of the dose by it alone.
    pub rel_sigma: f64,
}

/// How sure a dose of marrow is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MarrowBudget {
    /// Relative standard uncertainty (k = 1) by everything known; none where a term's activity is not known at all.
    pub rel_sigma: Option<f64>,
    /// 95 % interval of the dose, Gy, errors being of the logarithm.
    pub interval95_gy: Option<[f64; 2]>,
    /// By cause, the largest first.
    pub by_cause: Vec<CauseShare>,
    /// What is not assessed, in words.
    pub not_assessed: Vec<String>,
}

impl MarrowBudget {
    /// Of a dose, Gy, what moves it, and its holes; `known` is false where nothing is known of the activity that gives it.
    pub fn of(dose_gy: f64, moved: &[Moved], not_assessed: Vec<String>, known: bool) -> Self {
        let mut sums: BTreeMap<(Cause, &str), f64> = BTreeMap::new();
        for one in moved {
            *sums.entry((one.cause, &one.of)).or_default() += one.gy;
        }
        let mut variance: BTreeMap<Cause, f64> = BTreeMap::new();
        for ((cause, _), gy) in sums {
            *variance.entry(cause).or_default() += (gy / dose_gy).powi(2);
        }
        let total = variance.values().sum::<f64>().sqrt();
        let rel_sigma = (known && dose_gy > 0.0).then_some(total);
        let share = |(&cause, variance): (&Cause, &f64)| CauseShare { cause, rel_sigma: variance.sqrt() };
        let mut by_cause: Vec<CauseShare> = variance.iter().filter(|(_, v)| **v > 0.0).map(share).collect();
        by_cause.sort_by(|a, b| b.rel_sigma.total_cmp(&a.rel_sigma));
        let interval95_gy = rel_sigma.map(|u| [-1.0, 1.0].map(|sign| dose_gy * (sign * WITHIN_95 * u).exp()));
        Self { rel_sigma, interval95_gy, by_cause, not_assessed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::{Kind, Origin};

    fn part(source: Source, rel_sigma: f64) -> Part {
        Part::of_activity(source, Kind::Cycle, Origin::Stated, rel_sigma)
    }

    /// What is common to two terms adds, what is each one's own adds in squares.
    #[test]
    fn law_common_errors_add_before_they_are_squared() {
        let (own, cross) = (0.3, 0.1);
        let (calibration, fit) = (part(Source::Calibration, 0.05), part(Source::Fit, 0.08));
        let moved = [
            Moved::by_part(&calibration, "L3", 1.0, own),
            Moved::by_part(&calibration, "liver", 1.0, cross),
            Moved::by_part(&fit, "L3", 1.0, own),
            Moved::by_part(&fit, "liver", 1.0, cross),
            Moved::by(Cause::Cellularity, 0.1, -own),
        ];
        let budget = MarrowBudget::of(own + cross, &moved, Vec::new(), true);
        let [f, g] = [own / (own + cross), cross / (own + cross)];
        let wanted = (0.05_f64.powi(2) + (0.08 * f).powi(2) + (0.08 * g).powi(2) + (0.1 * f).powi(2)).sqrt();
        let u = budget.rel_sigma.expect("known");
        assert!((u / wanted - 1.0).abs() < 1e-12, "{u} {wanted}");
        let [low, high] = budget.interval95_gy.expect("known");
        assert!((low * high / 0.16 - 1.0).abs() < 1e-12 && ((high / 0.4).ln() / u - 1.959_964).abs() < 1e-9);
        assert_eq!(budget.by_cause[0].cause, Cause::Cellularity);
        // alarm: a calibration drawn for each region is seen
        let drawn = [Part { all_regions: false, ..calibration }; 1];
        let apart: Vec<Moved> = [("L3", own), ("liver", cross)]
            .iter()
            .map(|(region, gy)| Moved::by_part(&drawn[0], region, 1.0, *gy))
            .chain(moved[2..].to_vec())
            .collect();
        let wrong = MarrowBudget::of(own + cross, &apart, Vec::new(), true).rel_sigma.expect("known");
        assert!((wrong / wanted - 1.0).abs() > 0.005, "{wrong}");
    }

    /// Against brute force: seeded draws of the same errors have its width, to the error of their number.
    #[test]
    fn law_the_budget_is_the_width_of_draws() {
        let (own, cross) = (0.3, 0.1);
        let mut normals = crate::draws::Normals::new(1);
        let draws = 20_000;
        let logs: Vec<f64> = (0..draws)
            .map(|_| {
                let mut z = |u: f64| (u * normals.one()).exp();
                let calibration = z(0.05);
                ((own * calibration * z(0.08) / z(0.1)) + cross * calibration * z(0.08)).ln()
            })
            .collect();
        let mean = logs.iter().sum::<f64>() / f64::from(draws);
        let sd = (logs.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / f64::from(draws)).sqrt();
        let moved = [
            Moved::by(Cause::Chain(Source::Calibration), 0.05, own + cross),
            Moved::by_part(&part(Source::Fit, 0.08), "L3", 1.0, own),
            Moved::by_part(&part(Source::Fit, 0.08), "liver", 1.0, cross),
            Moved::by(Cause::Cellularity, 0.1, -own),
        ];
        let u = MarrowBudget::of(own + cross, &moved, Vec::new(), true).rel_sigma.expect("known");
        assert!((sd / u - 1.0).abs() < 0.03, "{sd} {u}");
        assert!((sd / (0.9 * u) - 1.0).abs() > 0.03, "alarm: a tenth less would be seen");
    }

    /// Without anything known of the activity there is no total.
    #[test]
    fn law_nothing_known_is_no_total() {
        let moved = [Moved::by(Cause::Cellularity, 0.1, 0.2)];
        let budget = MarrowBudget::of(0.4, &moved, vec!["activity of L3".to_owned()], false);
        assert_eq!((budget.rel_sigma, budget.interval95_gy), (None, None));
        assert!((budget.by_cause[0].rel_sigma - 0.05).abs() < 1e-12);
    }
}
