//! Which times of scans serve best for a population: the uncertainty of the TIA that they leave, over its patients.
//!
//! For patients drawn from the prior, exact scans at the planned times are given to `fit` with the scatter of a scan; what it
//! states is the uncertainty that such a patient will be left with. The rank is by the root mean square over the patients.

use nalgebra::DVector;

use super::posterior::{Scan, fit};
use super::prior::OrganPrior;
use crate::draws::Normals;
use crate::fault::Fault;

/// A plan and what it leaves.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Planned {
    /// Times of the scans, h.
    pub times_h: Vec<f64>,
    /// Root mean square over the patients of the relative uncertainty of the TIA.
    pub rel_sigma: f64,
    /// The same of the worst tenth of them, its best.
    pub worst_tenth: f64,
}

/// All choices of `scans` from the `candidates_h`, best first, over `patients` drawn with `seed`.
///
/// Errors: no scan, more scans than candidates, a candidate that is not above 0 h.
pub fn plan(
    prior: &OrganPrior,
    candidates_h: &[f64],
    scans: usize,
    patients: usize,
    seed: u64,
) -> Result<Vec<Planned>, Fault> {
    let wrong = |field: &str, found: String, allowed: String| {
        Err(Fault::invalid("plan", field, found, allowed, "State times and number of scans."))
    };
    if scans == 0 || scans > candidates_h.len() {
        return wrong("scans", scans.to_string(), format!("1 to {}, the number of times", candidates_h.len()));
    }
    if patients == 0 {
        return wrong("patients", "0".to_owned(), "1 or more".to_owned());
    }
    if let Some(bad) = candidates_h.iter().find(|t| !(**t > 0.0 && t.is_finite())) {
        return wrong("times", format!("{bad} h"), "above 0 h".to_owned());
    }
    let drawn = patients_of(prior, patients, seed);
    let mut plans = Vec::new();
    for times_h in choices(candidates_h, scans) {
        let mut sigmas = Vec::with_capacity(drawn.len());
        for kinetic in &drawn {
            let scan = |&time_h: &f64| {
                let activity_mbq = prior.shape.ln_activity(0.0, kinetic, time_h)?.exp();
                // the amplitude is 1 MBq: the uptake decides the size
                let gbq_ml = kinetic.get(prior.shape.kinetics()).map(|ln_uptake| (-ln_uptake).exp());
                Some(Scan { time_h, activity_mbq, rel_sigma: Some(prior.scan_rel_sigma), gbq_ml })
            };
            // a patient drawn outside the domain of the curves has none
            let Some(cycle) = times_h.iter().map(scan).collect::<Option<Vec<_>>>() else { continue };
            sigmas.push(fit(prior, &[cycle])?.rel_sigma);
        }
        sigmas.sort_by(f64::total_cmp);
        let mean = sigmas.iter().map(|s| s * s).sum::<f64>() / sigmas.len() as f64;
        plans.push(Planned { times_h, rel_sigma: mean.sqrt(), worst_tenth: sigmas[sigmas.len() * 9 / 10] });
    }
    plans.sort_by(|a, b| a.rel_sigma.total_cmp(&b.rel_sigma));
    Ok(plans)
}

/// Coordinates of patients of the population (kinetics, then the uptake where it is known), one cycle each.
pub(super) fn patients_of(prior: &OrganPrior, patients: usize, seed: u64) -> Vec<Vec<f64>> {
    let mut normals = Normals::new(seed);
    let covariance = prior.patient_covariance() + prior.cycle_covariance();
    let root = covariance.cholesky().expect("a checked prior has a covariance").l();
    let mean = DVector::from_column_slice(&prior.mean);
    let mut one = || (&mean + &root * DVector::from_vec(normals.many(prior.mean.len()))).as_slice().to_vec();
    (0..patients).map(|_| one()).collect()
}

/// Every choice of `count` of the times, each in order.
fn choices(times_h: &[f64], count: usize) -> Vec<Vec<f64>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let mut sorted = times_h.to_vec();
    sorted.sort_by(f64::total_cmp);
    let mut all = Vec::new();
    for first in 0..=sorted.len() - count {
        for rest in choices(&sorted[first + 1..], count - 1) {
            all.push([vec![sorted[first]], rest].concat());
        }
    }
    all
}
