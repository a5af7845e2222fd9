//! How sure a region's sums over a course are: the cycles' budgets, combined with what they have in common.
//!
//! What is drawn anew for each cycle falls with their number, what is common to the patient or the clinic adds up. To first order
//! by source, and by seeded draws for the interval, skewed as it is.           [methods/uncertainty.md sections 2 and 3]

use serde::Serialize;

use super::uncertainty::DRAWS;
use crate::budget::draws::{Drawn, draw};
use crate::budget::{
    Cycle, Gain, Part, Patient, Region, Response, Shares, Source, SourceShare, first_order, holes_of_dose, improve,
};

/// Seed of the draws: the same course gives the same figures.
const SEED: u64 = 1;

/// A region's dose in one cycle with what is known of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OneCycle<'a> {
    /// Mean absorbed dose, Gy.
    pub dose_gy: f64,
    /// Standard error of the transport, Gy.
    pub se_gy: f64,
    /// Lea-Catcheside factor; 0 without radiobiology.
    pub g: f64,
    /// Parts but for the transport's.
    pub parts: &'a [Part],
}

/// Uncertainty of a sum.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SumSigma {
    /// Relative standard uncertainty (k = 1), to first order.
    pub rel_sigma: f64,
    /// Relative standard deviation of the draws.
    pub drawn_rel_sigma: f64,
    /// 95 % interval by the draws, Gy.
    pub interval95_gy: [f64; 2],
}

/// How sure a region's sums over a course are.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TotalBudget {
    /// Sum of the doses.
    pub dose: SumSigma,
    /// BED of the mean doses; none without radiobiology.
    pub bed: Option<SumSigma>,
    /// By source, of the sum of doses.
    pub by_source: Vec<SourceShare>,
    /// Sources of which at least one cycle knows nothing.
    pub not_assessed: Vec<Source>,
    /// What halving each source in all cycles would leave, the best first.
    pub improve: Vec<Gain>,
}

/// The budget of the sums; none where a cycle's dose is 0 or nothing is known of it but the transport, or where an uncertainty
/// exceeds 100 %.
pub fn total(cycles: &[OneCycle<'_>], alpha_beta_gy: Option<f64>) -> Option<TotalBudget> {
    if cycles.is_empty() || cycles.iter().any(|cycle| cycle.parts.is_empty() || cycle.dose_gy <= 0.0) {
        return None;
    }
    let of_dose = first_order(&patient(cycles, None)).ok()?.1.into_iter().next()?;
    let biological = patient(cycles, alpha_beta_gy);
    let of_bed = alpha_beta_gy.and_then(|_| first_order(&biological).ok()?.1.into_iter().next());
    let Drawn { course_dose_gy, course_bed_gy, .. } = draw(&biological, DRAWS, SEED).ok()?;
    let mut not_assessed: Vec<Source> = cycles.iter().flat_map(|cycle| holes_of_dose(cycle.parts)).collect();
    not_assessed.retain(|source| *source != Source::Transport);
    not_assessed.sort_unstable();
    not_assessed.dedup();
    Some(TotalBudget {
        dose: sigma(&of_dose, &course_dose_gy[0]),
        bed: of_bed.map(|shares| sigma(&shares, &course_bed_gy[0])),
        by_source: SourceShare::of(&of_dose),
        not_assessed,
        improve: improve(&of_dose),
    })
}

/// The region alone, each cycle's dose as its own response.
fn patient(cycles: &[OneCycle<'_>], alpha_beta_gy: Option<f64>) -> Patient<'static> {
    let of = |cycle: &OneCycle<'_>| Cycle {
        regions: vec![Region {
            name: "region".to_owned(),
            tia_mbq_h: 1.0,
            scans: 0,
            reintegrate: None,
            parts: cycle.parts.to_vec(),
            g: if alpha_beta_gy.is_some() { cycle.g } else { 0.0 },
        }],
        response: Response {
            gy_per_mbq_h: vec![vec![cycle.dose_gy]],
            rel_sigma: vec![vec![cycle.se_gy / cycle.dose_gy]],
        },
    };
    // without G the quotient does not matter
    Patient { cycles: cycles.iter().map(of).collect(), alpha_beta_gy: vec![alpha_beta_gy.unwrap_or(1.0)] }
}

fn sigma(shares: &Shares, drawn_gy: &[f64]) -> SumSigma {
    let summary = crate::budget::draws::Summary::of(drawn_gy);
    SumSigma {
        rel_sigma: shares.rel_sigma,
        drawn_rel_sigma: summary.sd / summary.mean,
        interval95_gy: [summary.quantiles[0], summary.quantiles[4]],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::{Kind, Origin};

    fn parts(kind: Kind) -> Vec<Part> {
        vec![
            Part::of_activity(Source::Calibration, Kind::Clinic, Origin::Stated, 0.05),
            Part::of_activity(Source::Fit, kind, Origin::Stated, 0.08),
        ]
    }

    fn four(parts: &[Part]) -> Vec<OneCycle<'_>> {
        vec![OneCycle { dose_gy: 5.0, se_gy: 0.05, g: 0.05, parts }; 4]
    }

    /// Of four equal cycles the common part stands, the cycles' own falls to the half; first order and draws agree.
    #[test]
    fn law_cycles_are_combined_with_what_they_have_in_common() {
        let own = total(&four(&parts(Kind::Cycle)), Some(2.6)).expect("known");
        let wanted = (0.05_f64.powi(2) + 0.04_f64.powi(2) + 0.005_f64.powi(2)).sqrt();
        assert!((own.dose.rel_sigma - wanted).abs() < 1e-12, "{own:?}");
        assert!((own.dose.drawn_rel_sigma / wanted - 1.0).abs() < 0.05, "{own:?}");
        let [low, high] = own.dose.interval95_gy;
        assert!(((high / low).ln() / (2.0 * 1.96 * wanted) - 1.0).abs() < 0.05, "{own:?}");
        // BED moves more than the dose does
        let bed = own.bed.expect("with radiobiology");
        assert!(bed.rel_sigma > 1.03 * own.dose.rel_sigma && bed.rel_sigma < 1.2 * own.dose.rel_sigma, "{own:?}");
        // alarm: a fit taken for common is seen
        let common = total(&four(&parts(Kind::Patient)), None).expect("known");
        assert!(common.dose.rel_sigma > 1.3 * own.dose.rel_sigma && common.bed.is_none(), "{common:?}");
        assert_eq!(own.improve[0].source, Source::Calibration);
        assert_eq!(common.improve[0].source, Source::Fit);
        assert!(own.not_assessed.contains(&Source::Outline) && !own.not_assessed.contains(&Source::Transport));
    }

    /// One cycle of which nothing is known leaves no total.
    #[test]
    fn law_a_cycle_without_a_budget_leaves_no_total() {
        let parts = parts(Kind::Cycle);
        let mut cycles = four(&parts);
        cycles[2].parts = &[];
        assert_eq!(total(&cycles, Some(2.6)), None);
        assert_eq!(total(&[], None), None);
    }
}
