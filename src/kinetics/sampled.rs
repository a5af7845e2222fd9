//! The posterior by sampling: what stands beside its curvature as a check.
//!
//! Draws are weighted by posterior over proposal (importance sampling; Geweke, Econometrica 57 (1989) 1317). The effective share
//! is (Sum w)^2/(n Sum w^2). Exact scans leave a ridge that is narrow across and bent along: a draw along it is far off it. So
//! the unknowns are turned into directions of independent width (those of the curvature, measured in the prior's widths), and
//!
//!   q(wide, narrow) = t5(wide) t5(narrow | most probable narrow for these wide, and the curvature there)   [kinetics.md eq. 4]
//!
//! with t laws of five degrees of freedom. Any place taken for the most probable one leaves the result exact: it is in q.

use nalgebra::{DMatrix, DVector, SymmetricEigen};

use super::posterior::{Posterior, Problem, Scan, Slope};
use super::prior::OrganPrior;
use crate::draws::Normals;
use crate::fault::Fault;

/// Degrees of freedom of the proposal: tails heavier than the posterior's.
const TAILS: usize = 5;
/// A direction is narrow if the scans leave less of the prior's width: within a tenth of it a curve is nearly straight.
const NARROW: f64 = 0.1;
/// Width that counts as the prior's for the logarithm of a free amplitude; it only sorts the directions.
const FREE_LOG_SD: f64 = 1.0;
/// Most steps towards the most probable narrow unknowns, and the share of their width that ends them.
const MOST_STEPS: usize = 8;
const NEAR: f64 = 0.01;

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
    let proposal = Proposal::at(&problem, at).ok_or_else(none)?;
    let last = problem.cycle_at(cycles.len() - 1);
    let mut normals = Normals::new(seed);
    let mut drawn: Vec<(f64, f64)> = Vec::with_capacity(draws);
    for _ in 0..draws {
        let (x, ln_density) = proposal.draw(&problem, &mut normals);
        let kinetic = x.rows(last + 1, prior.shape.kinetics()).into_owned();
        let Some((misfit, ln_tia)) = problem.misfit(&x).zip(prior.shape.ln_integral(x[last], kinetic.as_slice()))
        else {
            continue;
        };
        drawn.push((ln_tia, -0.5 * (misfit - at.misfit) - ln_density));
    }
    summary(drawn, draws).ok_or_else(none)
}

/// Where draws come from: directions of the unknowns, a column each, and the wide ones' standard deviations.
struct Proposal {
    at: DVector<f64>,
    wide: DMatrix<f64>,
    wide_sd: DVector<f64>,
    narrow: DMatrix<f64>,
}

impl Proposal {
    /// The directions at a maximum; none where its covariance is none.
    fn at(problem: &Problem<'_>, at: &Posterior) -> Option<Self> {
        let mut scale = problem.prior_weight().clone();
        for n in 0..problem.len() {
            // what the prior leaves free
            if scale[(n, n)] == 0.0 {
                scale[(n, n)] = FREE_LOG_SD.powi(-2);
            }
        }
        let root = scale.cholesky()?.l();
        let widths = SymmetricEigen::new(root.transpose() * &at.covariance * &root);
        let turned = root.transpose().solve_upper_triangular(&widths.eigenvectors)?;
        let sd = widths.eigenvalues.map(f64::sqrt);
        if !sd.iter().all(|sd| *sd > 0.0) {
            return None;
        }
        let (wide, narrow): (Vec<usize>, Vec<usize>) = (0..problem.len()).partition(|&n| sd[n] > NARROW);
        Some(Self {
            at: at.all.clone(),
            wide: turned.select_columns(&wide),
            wide_sd: DVector::from_iterator(wide.len(), wide.iter().map(|&n| sd[n])),
            narrow: turned.select_columns(&narrow),
        })
    }

    /// A draw and the logarithm of its density, up to a constant.
    fn draw(&self, problem: &Problem<'_>, normals: &mut Normals) -> (DVector<f64>, f64) {
        let (z, ln_wide) = student(self.wide.ncols(), normals);
        let mut x = &self.at + &self.wide * z.component_mul(&self.wide_sd);
        let (z, ln_narrow) = student(self.narrow.ncols(), normals);
        let mut ln_density = ln_wide + ln_narrow;
        if self.narrow.ncols() > 0
            && let Some(root) = self.settle(problem, &mut x)
            && let Some(step) = root.transpose().solve_upper_triangular(&z)
        {
            ln_density += root.diagonal().iter().map(|d| d.ln()).sum::<f64>();
            x += &self.narrow * step;
        }
        // a wide draw outside the domain of the curves is lost wherever it goes
        (x, ln_density)
    }

    /// Moves `x` along the narrow directions towards the most probable place, and gives the root of the weight there; a step
    /// out of the domain of the curves is not made. None outside it.
    fn settle(&self, problem: &Problem<'_>, x: &mut DVector<f64>) -> Option<DMatrix<f64>> {
        let (mut root, mut step) = self.step(problem, x)?;
        for _ in 0..MOST_STEPS {
            if (root.transpose() * &step).amax() < NEAR {
                break;
            }
            let next = &*x - &self.narrow * &step;
            let Some(there) = self.step(problem, &next) else { break };
            (*x, (root, step)) = (next, there);
        }
        Some(root)
    }

    /// The root of the weight of the narrow unknowns at a place, and the step from there towards the most probable one.
    fn step(&self, problem: &Problem<'_>, x: &DVector<f64>) -> Option<(DMatrix<f64>, DVector<f64>)> {
        let Slope { gradient, normal } = problem.slope(x)?;
        let weight = (self.narrow.transpose() * normal * &self.narrow).cholesky()?;
        let step = weight.solve(&(self.narrow.transpose() * gradient));
        Some((weight.l(), step))
    }
}

/// A draw of the t law of `size` dimensions with unit scale, and the logarithm of its density up to a constant.
fn student(size: usize, normals: &mut Normals) -> (DVector<f64>, f64) {
    let z = DVector::from_vec(normals.many(size));
    let scale: f64 = normals.many(TAILS).iter().map(|x| x * x).sum::<f64>() / TAILS as f64;
    let z = z / scale.sqrt();
    let ln_density = -0.5 * (TAILS + size) as f64 * (z.dot(&z) / TAILS as f64).ln_1p();
    (z, ln_density)
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
