//! A population's kinetics from finished courses, by maximum likelihood.
//!
//! Expectation and maximisation (Dempster, Laird and Rubin, J. R. Stat. Soc. B 39 (1977) 1) with the posterior of each
//! patient taken as normal at its maximum (Laplace; Lindstrom and Bates, Biometrics 46 (1990) 673): mu is the mean of the
//! patients' b, the spreads are the mean squares of b - mu and of k - b, each with the posterior's own variance added.

use nalgebra::DMatrix;

use super::posterior::{Problem, Scan};
use super::prior::OrganPrior;
use crate::fault::Fault;

/// Fewest patients of which a spread is estimated (assumption: a spread from five has an error of a third of itself).
pub const FEWEST_PATIENTS: usize = 5;
const MOST_ROUNDS: usize = 1000;
/// A round changes no mean and no spread by more at the end.
const CONVERGED: f64 = 1e-5;
/// Least spread that the search can reach: below it curves are one.
const LEAST_SD: f64 = 1e-3;

/// What was learnt.
#[derive(Clone, Debug, PartialEq)]
pub struct Learnt {
    /// The population.
    pub prior: OrganPrior,
    /// Patients it is of.
    pub patients: usize,
    /// Whether the spread among cycles was estimated; else it is the start's, since too few patients have two cycles.
    pub cycles_told: bool,
    /// Whether the search came to rest.
    pub converged: bool,
}

/// The likeliest kinetics of `patients` (cycles of scans each), sought from `start`, whose shape, names, correlation
/// and scatter of a scan stay.
///
/// Errors: fewer patients than [`FEWEST_PATIENTS`]; a patient whose scans have no most probable curve, by its place.
pub fn learn(start: &OrganPrior, patients: &[Vec<Vec<Scan>>]) -> Result<Learnt, Fault> {
    let next = "Give more finished courses, or take a published prior.";
    if patients.len() < FEWEST_PATIENTS {
        let (found, allowed) = (format!("{} patients", patients.len()), format!("{FEWEST_PATIENTS} or more"));
        return Err(Fault::invalid(&start.organ[..], "courses", found, allowed, next));
    }
    let cycles_told = patients.iter().filter(|cycles| cycles.len() > 1).count() >= FEWEST_PATIENTS;
    // records of finished courses tell no volumes: the size of an uptake is not learnt
    let mut prior = start.without_uptake();
    let mut converged = false;
    for _ in 0..MOST_ROUNDS {
        let new = round(&prior, patients, cycles_told)?;
        let change = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        let moved = change(&new.mean, &prior.mean)
            .max(change(&new.patient_sd, &prior.patient_sd))
            .max(change(&new.cycle_sd, &prior.cycle_sd));
        prior = new;
        if moved < CONVERGED {
            converged = true;
            break;
        }
    }
    Ok(Learnt { prior, patients: patients.len(), cycles_told, converged })
}

/// One round of expectation and maximisation.
fn round(prior: &OrganPrior, patients: &[Vec<Vec<Scan>>], cycles_told: bool) -> Result<OrganPrior, Fault> {
    let k = prior.shape.kinetics();
    let (mut mean, mut of_patient) = (vec![0.0; k], Vec::new());
    let (mut apart, mut cycles) = (vec![0.0; k], 0.0);
    for (index, scans) in patients.iter().enumerate() {
        let (x, covariance) =
            expectation(prior, scans).map_err(|fault| fault.inside(format!("course {}", index + 1)))?;
        for p in 0..k {
            mean[p] += x[p] / patients.len() as f64;
        }
        of_patient.push((0..k).map(|p| (x[p], covariance[(p, p)])).collect::<Vec<_>>());
        for cycle in 0..scans.len() {
            let at = k + cycle * (1 + k) + 1;
            for p in 0..k {
                let q = at + p;
                let own = covariance[(q, q)] + covariance[(p, p)] - 2.0 * covariance[(p, q)];
                apart[p] += (x[q] - x[p]).powi(2) + own;
            }
            cycles += 1.0;
        }
    }
    let patient_sd = (0..k).map(|p| {
        let sum: f64 = of_patient.iter().map(|b| (b[p].0 - mean[p]).powi(2) + b[p].1).sum();
        (sum / patients.len() as f64).sqrt().max(LEAST_SD)
    });
    let cycle_sd = match cycles_told {
        true => apart.iter().map(|sum| (sum / cycles).sqrt().max(LEAST_SD)).collect(),
        false => prior.cycle_sd.clone(),
    };
    Ok(OrganPrior { patient_sd: patient_sd.collect(), mean, cycle_sd, ..prior.clone() })
}

/// A patient's unknowns and their covariance.
fn expectation(prior: &OrganPrior, scans: &[Vec<Scan>]) -> Result<(Vec<f64>, DMatrix<f64>), Fault> {
    let problem = Problem::new(prior, scans)?;
    let found = problem.solve().and_then(|(x, _)| problem.covariance(&x).map(|covariance| (x, covariance)));
    let (x, covariance) = found.ok_or_else(|| {
        let next = "Leave the course out and say so.";
        Fault::invalid(&prior.organ[..], "population fit", "no most probable curve", "scans of such kinetics", next)
    })?;
    Ok((x.as_slice().to_vec(), covariance))
}
