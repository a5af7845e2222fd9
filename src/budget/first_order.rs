//! The same to first order: variances of relative changes, added with their correlations.
//!
//!   u^2(ln D_r) = Sum_z [Sum_s f_rs a_s(z) + b_r(z)]^2 u^2(z) + Sum_s (f_rs u(S_rs))^2,  f_rs = S_rs TIA_s/D_r
//!                                                                        [methods/uncertainty.md eq. 5]
//!
//! over everything z with an error of its own; a and b are the sensitivities of TIA and S. Counts and recovery, TIA and mass
//! that share an outline share a z, so their covariance is kept. Of a course, the same with doses or BED as weights.

use std::collections::BTreeMap;

use super::draws::all_parts;
use super::part::{Kind, Part, Source};
use super::patient::Patient;
use crate::fault::Fault;

/// Relative uncertainty of one region's dose, and the share of each source in its variance.
#[derive(Clone, Debug, PartialEq)]
pub struct Shares {
    /// Relative standard uncertainty.
    pub rel_sigma: f64,
    /// Variance by source.
    pub variance: BTreeMap<Source, f64>,
}

impl Shares {
    fn of(variance: BTreeMap<Source, f64>) -> Self {
        Self { rel_sigma: variance.values().sum::<f64>().sqrt(), variance }
    }

    /// Of the parts of one region by themselves: what each does to a dose that its own decays give alone.
    pub fn of_parts(parts: &[Part]) -> Self {
        let mut variance: BTreeMap<Source, f64> = BTreeMap::new();
        for part in parts.iter().filter(|part| part.source != Source::Radiobiology) {
            let moved = (part.on_activity + part.on_response) * part.log_sd();
            *variance.entry(part.source).or_default() += moved * moved;
        }
        Self::of(variance)
    }

    /// Relative uncertainty that is left with a source times `factor`.
    pub fn with(&self, source: Source, factor: f64) -> f64 {
        let own = self.variance.get(&source).copied().unwrap_or(0.0);
        (self.variance.values().sum::<f64>() - own * (1.0 - factor * factor)).max(0.0).sqrt()
    }
}

/// Relative uncertainty of the dose of each cycle (by cycle, region) and of the course's BED (by region).
///
/// Errors: as of [`super::draws::draw`].
pub fn first_order(patient: &Patient<'_>) -> Result<(Vec<Vec<Shares>>, Vec<Shares>), Fault> {
    patient.check()?;
    let (cycles, regions) = (patient.cycles.len(), patient.cycles[0].regions.len());
    let dose: Vec<Vec<f64>> =
        patient.cycles.iter().map(|cycle| (0..regions).map(|r| cycle.dose_gy(r)).collect()).collect();
    let mut of_cycles = vec![Vec::new(); cycles];
    let mut of_course = Vec::new();
    for r in 0..regions {
        let quadratic = |c: usize| patient.cycles[c].regions[r].g * dose[c][r] / patient.alpha_beta_gy[r];
        let slope = |c: usize| dose[c][r] * (1.0 + 2.0 * quadratic(c));
        let bed: f64 = (0..cycles).map(|c| dose[c][r] * (1.0 + quadratic(c))).sum();
        for (c, own) in of_cycles.iter_mut().enumerate() {
            let weights: Vec<f64> = (0..cycles).map(|n| f64::from(u8::from(n == c))).collect();
            own.push(Shares::of(variance(patient, &dose, r, &weights, &vec![0.0; cycles])));
        }
        let weights: Vec<f64> = (0..cycles).map(|c| slope(c) / bed).collect();
        let biology: Vec<f64> = (0..cycles).map(|c| -dose[c][r] * quadratic(c) / bed).collect();
        of_course.push(Shares::of(variance(patient, &dose, r, &weights, &biology)));
    }
    Ok((of_cycles, of_course))
}

/// Variance by source of Sum_c weight_c d ln D_c of region `r`; `biology` are the sensitivities to alpha/beta.
fn variance(
    patient: &Patient<'_>,
    dose: &[Vec<f64>],
    r: usize,
    weights: &[f64],
    biology: &[f64],
) -> BTreeMap<Source, f64> {
    // sensitivities by what has an error of its own
    let mut common: BTreeMap<(Source, Kind, Option<usize>, Option<usize>), f64> = BTreeMap::new();
    let mut by_source: BTreeMap<Source, f64> = BTreeMap::new();
    for (c, s, part) in all_parts(patient) {
        let cycle = &patient.cycles[c];
        let region = &cycle.regions[s];
        let fed = cycle.response.gy_per_mbq_h[r][s] * region.tia_mbq_h / dose[c][r];
        if region.laid_again(part) {
            let levers: f64 = region.levers().iter().map(|lever| lever * lever).sum();
            let moved = weights[c] * fed * part.on_activity * part.log_sd();
            *by_source.entry(part.source).or_default() += levers * moved * moved;
            continue;
        }
        let of_cycle = matches!(part.kind, Kind::Scan | Kind::Cycle).then_some(c);
        let own = (part.source, part.kind, of_cycle, (!part.all_regions).then_some(s));
        let moved = if part.source == Source::Radiobiology {
            if s == r { biology[c] } else { 0.0 }
        } else {
            weights[c] * (fed * part.on_activity + if s == r { part.on_response } else { 0.0 })
        };
        *common.entry(own).or_default() += moved * part.log_sd();
    }
    for ((source, ..), moved) in common {
        *by_source.entry(source).or_default() += moved * moved;
    }
    for (c, cycle) in patient.cycles.iter().enumerate() {
        let rows = cycle.response.gy_per_mbq_h[r].iter().zip(&cycle.response.rel_sigma[r]).zip(&cycle.regions);
        let statistics: f64 =
            rows.map(|((s, sigma), region)| (s * region.tia_mbq_h / dose[c][r] * sigma).powi(2)).sum();
        *by_source.entry(Source::Transport).or_default() += weights[c] * weights[c] * statistics;
    }
    by_source
}
