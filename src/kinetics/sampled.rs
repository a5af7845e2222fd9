//! The posterior by sampling: a check of its maximum and of the Laplace covariance.
//!
//! Draws of a multivariate t with five degrees of freedom, with the maximum's place and covariance, weighted by posterior
//! over proposal (importance sampling; Geweke, Econometrica 57 (1989) 1317). The effective share is (Sum w)^2/(n Sum w^2).

use nalgebra::DVector;

use super::posterior::{Posterior, Problem, Scan};
use super::prior::OrganPrior;
use crate::draws::Normals;
use crate::fault::Fault;

/// Degrees of freedom of the proposal: tails heavier than the posterior's.
const TAILS: usize = 5;

/// The integral's posterior as sampled.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampled {
    /// Mean of the integral, MBq h.
    pub mean_mbq_h: f64,
    /// Exponential of the mean of its logarithm, MBq h: the estimate of the least square error of the logarithm.
    pub log_mean_mbq_h: f64,
    /// Its relative standard deviation: that of its logarithm.
    pub rel_sigma: f64,
    /// Its 2.5, 16, 50, 84 and 97.5 % quantiles, MBq h.
    pub quantiles_mbq_h: [f64; 5],
    /// Share of the draws that count.
    pub effective_share: f64,
}

/// Samples the posterior of the last cycle with `draws` draws.
///
/// Errors: as [`super::fit`]; no draw inside the domain of the curves.
pub fn sample(
    prior: &OrganPrior,
    cycles: &[Vec<Scan>],
    at: &Posterior,
    draws: usize,
    seed: u64,
) -> Result<Sampled, Fault> {
    let problem = Problem::new(prior, cycles)?;
    let none = || {
        let next = "Check times and activities, or take a model without a prior.";
        Fault::invalid(&prior.organ[..], "population fit", "no draw of the posterior", "a proper posterior", next)
    };
    let root = at.covariance.clone().cholesky().ok_or_else(none)?.l();
    let (n, last) = (problem.len(), problem.cycle_at(cycles.len() - 1));
    let mut normals = Normals::new(seed);
    let mut drawn: Vec<(f64, f64)> = Vec::with_capacity(draws);
    for _ in 0..draws {
        let z = DVector::from_vec(normals.many(n));
        let scale: f64 = normals.many(TAILS).iter().map(|x| x * x).sum::<f64>() / TAILS as f64;
        let z = z / scale.sqrt();
        let x = &at.all + &root * &z;
        let kinetic = x.rows(last + 1, prior.shape.kinetics()).into_owned();
        let Some((misfit, ln_tia)) = problem.misfit(&x).zip(prior.shape.ln_integral(x[last], kinetic.as_slice()))
        else {
            continue;
        };
        let proposal = -0.5 * (TAILS + n) as f64 * (z.dot(&z) / TAILS as f64).ln_1p();
        drawn.push((ln_tia, -0.5 * (misfit - at.misfit) - proposal));
    }
    summary(drawn, draws).ok_or_else(none)
}

/// Moments and quantiles of draws (ln TIA, ln weight).
fn summary(mut drawn: Vec<(f64, f64)>, draws: usize) -> Option<Sampled> {
    let top = drawn.iter().map(|d| d.1).fold(f64::NEG_INFINITY, f64::max);
    drawn.iter_mut().for_each(|d| d.1 = (d.1 - top).exp());
    drawn.sort_by(|a, b| a.0.total_cmp(&b.0));
    let sum: f64 = drawn.iter().map(|d| d.1).sum();
    let squares: f64 = drawn.iter().map(|d| d.1 * d.1).sum();
    if sum.is_nan() || sum <= 0.0 {
        return None;
    }
    let mean = |f: &dyn Fn(f64) -> f64| drawn.iter().map(|d| d.1 * f(d.0)).sum::<f64>() / sum;
    let centre = mean(&|x| x);
    let quantile = |share: f64| {
        let mut held = 0.0;
        let found = drawn.iter().find(|d| {
            held += d.1;
            held >= share * sum
        });
        found.map_or(f64::NAN, |d| d.0.exp())
    };
    Some(Sampled {
        mean_mbq_h: mean(&f64::exp),
        log_mean_mbq_h: centre.exp(),
        rel_sigma: mean(&|x| (x - centre).powi(2)).sqrt(),
        quantiles_mbq_h: [0.025, 0.16, 0.5, 0.84, 0.975].map(quantile),
        effective_share: sum * sum / squares / draws as f64,
    })
}
