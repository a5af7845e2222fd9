//! The most probable curves of one region over all cycles of a patient, and their covariance.
//!
//! Unknowns: the patient's kinetics b, and for each cycle ln A and its kinetics k. What is minimised is
//!
//!   (b - mu)^T Wp (b - mu) + Sum_c (k_c - b)^T Wc (k_c - b) + Sum_i [ln(a_i/a(t_i))/s_i]^2   [methods/kinetics.md eq. 3]
//!
//! with the weights W, the inverse covariances of the prior. The amplitudes are free; where the prior knows the uptake, ln of
//! amplitude over administered activity and volume is one more of the parameters. The covariance is the inverse of half
//! the second derivatives at the minimum (Laplace). What of the variance of ln TIA is the prior's: with C^-1 = P + D, the
//! weights of prior and data, g^T C g = g^T C P C g + g^T C D C g, and the share of the first term is the prior's.

use nalgebra::{DMatrix, DVector};
use statrs::distribution::{ChiSquared, ContinuousCDF};

use super::curve::{STEP, Shape, Term};
use super::prior::OrganPrior;
use crate::fault::Fault;

/// One scan of a region.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scan {
    /// Middle of the scan after injection, h.
    pub time_h: f64,
    /// Activity at that time, MBq.
    pub activity_mbq: f64,
    /// Relative standard uncertainty that the scans do not share; none to take the prior's scatter.
    pub rel_sigma: Option<f64>,
    /// Administered activity times the volume of the region, GBq mL, for a prior that knows the uptake; none leaves the
    /// amplitude free. The first scan of a cycle decides.
    pub gbq_ml: Option<f64>,
}

/// The posterior of the last cycle.
#[derive(Clone, Debug, PartialEq)]
pub struct Posterior {
    /// Shape of the curve.
    pub shape: Shape,
    /// ln of the amplitude, MBq.
    pub ln_amplitude: f64,
    /// Kinetic coordinates.
    pub kinetic: Vec<f64>,
    /// Their standard uncertainties.
    pub kinetic_sigma: Vec<f64>,
    /// Uptake, MBq/(mL GBq), and its relative standard uncertainty, where the prior knows it.
    pub uptake: Option<[f64; 2]>,
    /// Integral from the injection to infinity, MBq h.
    pub tia_mbq_h: f64,
    /// Its relative standard uncertainty.
    pub rel_sigma: f64,
    /// Share of that variance that is the prior's, 0 to 1.
    pub prior_share: f64,
    /// The least misfit of scans and prior together.
    pub misfit: f64,
    /// Its degrees of freedom: scans less free amplitudes.
    pub degrees_of_freedom: usize,
    /// Probability of a worse misfit if the patient is of this population; none without a degree of freedom.
    pub probability: Option<f64>,
    /// The parameter furthest from the prior, and how many of the prior's standard deviations that is.
    pub furthest: (&'static str, f64),
    /// All unknowns at the maximum: b, then ln A and k of each cycle.
    pub(super) all: DVector<f64>,
    /// Covariance of all unknowns.
    pub(super) covariance: DMatrix<f64>,
}

impl Posterior {
    /// The exponentials of the last cycle's curve.
    pub fn terms(&self) -> Vec<Term> {
        self.shape.terms(self.ln_amplitude, &self.kinetic)
    }
}

/// Scans of several cycles against one prior.
pub(super) struct Problem<'a> {
    prior: &'a OrganPrior,
    cycles: &'a [Vec<Scan>],
    patient_weight: DMatrix<f64>,
    /// Of the kinetics alone, and with the uptake.
    cycle_weights: [DMatrix<f64>; 2],
    /// Weights of the prior on all unknowns.
    prior_weight: DMatrix<f64>,
    /// Where the prior alone is at rest.
    centre: DVector<f64>,
}

/// A half gradient and half second derivatives without the curves' own curvature.
pub(super) struct Slope {
    pub(super) gradient: DVector<f64>,
    pub(super) normal: DMatrix<f64>,
}

/// Most steps of the search: scans of 0.01 % leave a bent ridge that short steps follow.
const MOST_STEPS: usize = 5000;

impl<'a> Problem<'a> {
    pub(super) fn new(prior: &'a OrganPrior, cycles: &'a [Vec<Scan>]) -> Result<Self, Fault> {
        check(cycles)?;
        let weight = |matrix: DMatrix<f64>| {
            matrix.try_inverse().ok_or_else(|| {
                let next = "Correct the prior file.";
                Fault::invalid(&prior.organ[..], "correlation", "a singular matrix", "a correlation matrix", next)
            })
        };
        let cycle_weights = [weight(prior.without_uptake().cycle_covariance())?, weight(prior.cycle_covariance())?];
        let patient_weight = weight(prior.patient_covariance())?;
        let (prior_weight, centre) = (DMatrix::zeros(0, 0), DVector::zeros(0));
        let mut problem = Self { patient_weight, cycle_weights, prior_weight, centre, prior, cycles };
        (problem.prior_weight, problem.centre) = (problem.weight_of_prior(), problem.rest());
        Ok(problem)
    }

    /// Number of the patient's own parameters.
    fn own(&self) -> usize {
        self.prior.mean.len()
    }

    fn kinetics(&self) -> usize {
        self.prior.shape.kinetics()
    }

    /// Number of unknowns.
    pub(super) fn len(&self) -> usize {
        self.own() + self.cycles.len() * (1 + self.kinetics())
    }

    /// Place of a cycle's ln A; its kinetics follow.
    pub(super) fn cycle_at(&self, cycle: usize) -> usize {
        self.own() + cycle * (1 + self.kinetics())
    }

    /// Unknowns of a cycle that are drawn about the patient's parameters, in their order, each with what is taken off first.
    fn drawn(&self, cycle: usize) -> Vec<(usize, f64)> {
        let at = self.cycle_at(cycle);
        let size = self.cycles[cycle][0].gbq_ml.filter(|_| self.prior.knows_uptake());
        (0..self.kinetics()).map(|p| (at + 1 + p, 0.0)).chain(size.map(|size| (at, size.ln()))).collect()
    }

    /// Weight of a cycle's parameters about the patient's.
    fn cycle_weight(&self, cycle: usize) -> &DMatrix<f64> {
        &self.cycle_weights[usize::from(self.drawn(cycle).len() > self.kinetics())]
    }

    /// Number of cycles whose amplitude nothing but the scans tells.
    fn free_amplitudes(&self) -> usize {
        (0..self.cycles.len()).filter(|&cycle| self.drawn(cycle).len() == self.kinetics()).count()
    }

    fn kinetic_of(&self, x: &DVector<f64>, cycle: usize) -> DVector<f64> {
        x.rows(self.cycle_at(cycle) + 1, self.kinetics()).into_owned()
    }

    fn sigma(&self, scan: &Scan) -> f64 {
        scan.rel_sigma.unwrap_or(self.prior.scan_rel_sigma)
    }

    /// Where the search begins: the prior's mean, amplitudes through the scans.
    fn start(&self) -> DVector<f64> {
        let mean = &self.prior.mean[..self.kinetics()];
        let mut x = self.centre.clone();
        for (cycle, scans) in self.cycles.iter().enumerate() {
            let at = self.cycle_at(cycle);
            let (mut sum, mut weights) = (0.0, 0.0);
            for scan in scans {
                let Some(unit) = self.prior.shape.ln_activity(0.0, mean, scan.time_h) else { continue };
                let weight = self.sigma(scan).powi(-2);
                sum += weight * (scan.activity_mbq.ln() - unit);
                weights += weight;
            }
            x[at] = sum / weights;
        }
        x
    }

    /// Where the prior alone is at rest.
    fn rest(&self) -> DVector<f64> {
        let mean = &self.prior.mean;
        let mut x = DVector::zeros(self.len());
        x.rows_mut(0, self.own()).copy_from_slice(mean);
        for cycle in 0..self.cycles.len() {
            for (p, (at, less)) in self.drawn(cycle).into_iter().enumerate() {
                x[at] = mean[p] + less;
            }
        }
        x
    }

    /// The misfit; none outside the domain of the curves.
    pub(super) fn misfit(&self, x: &DVector<f64>) -> Option<f64> {
        let b = x.rows(0, self.own()).into_owned();
        let from_mean = &b - DVector::from_column_slice(&self.prior.mean);
        let mut sum = (&self.patient_weight * &from_mean).dot(&from_mean);
        for (cycle, scans) in self.cycles.iter().enumerate() {
            let (k, ln_amplitude) = (self.kinetic_of(x, cycle), x[self.cycle_at(cycle)]);
            let drawn = self.drawn(cycle);
            let apart = drawn.iter().enumerate().map(|(p, (at, less))| x[*at] - less - b[p]);
            let apart = DVector::from_iterator(drawn.len(), apart);
            sum += (self.cycle_weight(cycle) * &apart).dot(&apart);
            for scan in scans {
                let curve = self.prior.shape.ln_activity(ln_amplitude, k.as_slice(), scan.time_h)?;
                sum += ((scan.activity_mbq.ln() - curve) / self.sigma(scan)).powi(2);
            }
        }
        sum.is_finite().then_some(sum)
    }

    /// Weights of the prior on all unknowns.
    pub(super) fn prior_weight(&self) -> &DMatrix<f64> {
        &self.prior_weight
    }

    fn weight_of_prior(&self) -> DMatrix<f64> {
        let mut weight = DMatrix::zeros(self.len(), self.len());
        weight.view_mut((0, 0), (self.own(), self.own())).copy_from(&self.patient_weight);
        for cycle in 0..self.cycles.len() {
            let (drawn, own) = (self.drawn(cycle), self.cycle_weight(cycle));
            for (p, (row, _)) in drawn.iter().enumerate() {
                for (q, (column, _)) in drawn.iter().enumerate() {
                    weight[(*row, *column)] += own[(p, q)];
                    weight[(p, q)] += own[(p, q)];
                    weight[(p, *column)] -= own[(p, q)];
                    weight[(*row, q)] -= own[(p, q)];
                }
            }
        }
        weight
    }

    pub(super) fn slope(&self, x: &DVector<f64>) -> Option<Slope> {
        let k = self.kinetics();
        let mut normal = self.prior_weight.clone();
        let mut gradient = &normal * (x - &self.centre);
        for (cycle, scans) in self.cycles.iter().enumerate() {
            let (kinetic, at) = (self.kinetic_of(x, cycle), self.cycle_at(cycle));
            for scan in scans {
                let of = |kinetic: &[f64]| self.prior.shape.ln_activity(x[at], kinetic, scan.time_h);
                let mut row = vec![1.0];
                row.extend(Shape::gradient(kinetic.as_slice(), of)?);
                let row = DVector::from_vec(row) / self.sigma(scan);
                let residual = (scan.activity_mbq.ln() - of(kinetic.as_slice())?) / self.sigma(scan);
                let mut rows = gradient.rows_mut(at, k + 1);
                rows -= &row * residual;
                let mut view = normal.view_mut((at, at), (k + 1, k + 1));
                view += &row * row.transpose();
            }
        }
        Some(Slope { gradient, normal })
    }

    /// The most probable unknowns, by damped Gauss-Newton steps (Levenberg, Q. Appl. Math. 2 (1944) 164).
    pub(super) fn solve(&self) -> Option<(DVector<f64>, f64)> {
        let mut x = self.start();
        let mut misfit = self.misfit(&x)?;
        let mut damping = 1e-3;
        for _ in 0..MOST_STEPS {
            let Slope { gradient, normal } = self.slope(&x)?;
            let mut damped = normal.clone();
            (0..self.len()).for_each(|n| damped[(n, n)] *= 1.0 + damping);
            let step = damped.cholesky()?.solve(&gradient);
            let small = step.amax() < 1e-10;
            let next = &x - &step;
            match self.misfit(&next) {
                Some(better) if better <= misfit => {
                    (x, misfit, damping) = (next, better, (damping * 0.2).max(1e-12));
                    if small {
                        return Some((x, misfit));
                    }
                }
                _ if small => return Some((x, misfit)),
                _ => damping = (damping * 10.0).max(1e-9),
            }
            if damping > 1e12 {
                return None;
            }
        }
        None
    }

    /// Half the second derivatives: differences of the gradient.
    fn curvature(&self, x: &DVector<f64>) -> Option<DMatrix<f64>> {
        let n = self.len();
        let mut matrix = DMatrix::zeros(n, n);
        for column in 0..n {
            let moved = |by: f64| {
                let mut at = x.clone();
                at[column] += by;
                self.slope(&at).map(|slope| slope.gradient)
            };
            matrix.set_column(column, &((moved(STEP)? - moved(-STEP)?) / (2.0 * STEP)));
        }
        Some((&matrix + matrix.transpose()) * 0.5)
    }

    /// Covariance at `x`.
    pub(super) fn covariance(&self, x: &DVector<f64>) -> Option<DMatrix<f64>> {
        self.curvature(x)?.cholesky().map(|c| c.inverse())
    }

    /// Gradient of ln TIA of the last cycle in all unknowns.
    fn integral_gradient(&self, x: &DVector<f64>) -> Option<DVector<f64>> {
        let last = self.cycles.len() - 1;
        let (at, kinetic) = (self.cycle_at(last), self.kinetic_of(x, last));
        let mut gradient = DVector::zeros(self.len());
        gradient[at] = 1.0;
        let own = Shape::gradient(kinetic.as_slice(), |k| self.prior.shape.ln_integral(x[at], k))?;
        gradient.rows_mut(at + 1, self.kinetics()).copy_from_slice(&own);
        Some(gradient)
    }
}

/// The posterior of the last of `cycles` (each with its scans in order of time, none empty) under `prior`.
///
/// Errors: no scan; a time or an activity that is not above 0; an uncertainty outside (0, 1); a search that does not end.
pub fn fit(prior: &OrganPrior, cycles: &[Vec<Scan>]) -> Result<Posterior, Fault> {
    let problem = Problem::new(prior, cycles)?;
    let none = || {
        let next = "Check times and activities, or take a model without a prior.";
        Fault::invalid(
            &prior.organ[..],
            "population fit",
            "no most probable curve",
            "scans of this kind of kinetics",
            next,
        )
    };
    let (x, misfit) = problem.solve().ok_or_else(none)?;
    let covariance = problem.covariance(&x).ok_or_else(none)?;
    let gradient = problem.integral_gradient(&x).ok_or_else(none)?;
    let moved = &covariance * &gradient;
    let variance = moved.dot(&gradient);
    let prior_variance = (problem.prior_weight() * &moved).dot(&moved);
    let last = cycles.len() - 1;
    let (at, kinetic) = (problem.cycle_at(last), problem.kinetic_of(&x, last));
    let scans: usize = cycles.iter().map(Vec::len).sum();
    let degrees_of_freedom = scans - problem.free_amplitudes();
    let probability = ChiSquared::new(degrees_of_freedom as f64).ok().map(|law| law.sf(misfit));
    let spread = prior.patient_covariance() + prior.cycle_covariance();
    let drawn = problem.drawn(last);
    let distance = |p: usize| (x[drawn[p].0] - drawn[p].1 - prior.mean[p]) / spread[(p, p)].sqrt();
    let far = (0..drawn.len()).max_by(|&a, &b| distance(a).abs().total_cmp(&distance(b).abs())).unwrap_or(0);
    let uptake = drawn.get(kinetic.len()).map(|(at, less)| [(x[*at] - less).exp(), covariance[(*at, *at)].sqrt()]);
    Ok(Posterior {
        shape: prior.shape,
        ln_amplitude: x[at],
        kinetic: kinetic.as_slice().to_vec(),
        kinetic_sigma: (0..kinetic.len()).map(|p| covariance[(at + 1 + p, at + 1 + p)].sqrt()).collect(),
        tia_mbq_h: prior.shape.ln_integral(x[at], kinetic.as_slice()).ok_or_else(none)?.exp(),
        rel_sigma: variance.sqrt(),
        prior_share: prior_variance / variance,
        misfit,
        degrees_of_freedom,
        probability: if degrees_of_freedom > 0 { probability } else { None },
        furthest: (prior.parameter_names()[far], distance(far)),
        uptake,
        all: x,
        covariance,
    })
}

/// Refuses what no curve can be laid through.
fn check(cycles: &[Vec<Scan>]) -> Result<(), Fault> {
    let next = "Check the region, its background and the times of the scans.";
    let wrong = |cycle: usize, field: &str, found: String, allowed: &str| {
        Err(Fault::invalid(format!("cycle {}", cycle + 1), field, found, allowed, next))
    };
    if cycles.is_empty() {
        return wrong(0, "scans", "none".to_owned(), "at least one");
    }
    for (cycle, scans) in cycles.iter().enumerate() {
        if scans.is_empty() {
            return wrong(cycle, "scans", "none".to_owned(), "at least one");
        }
        for scan in scans {
            if !(scan.time_h > 0.0 && scan.time_h.is_finite()) {
                return wrong(cycle, "time", format!("{} h", scan.time_h), "above 0 h");
            }
            if !(scan.activity_mbq > 0.0 && scan.activity_mbq.is_finite()) {
                return wrong(cycle, "activity", format!("{} MBq", scan.activity_mbq), "above 0 MBq");
            }
            if let Some(size) = scan.gbq_ml.filter(|size| !(*size > 0.0 && size.is_finite())) {
                let field = "administered activity times volume";
                return wrong(cycle, field, format!("{size} GBq mL"), "above 0 GBq mL");
            }
            if scan.rel_sigma.is_some_and(|sigma| !(sigma > 0.0 && sigma < 1.0)) {
                let found = scan.rel_sigma.unwrap_or_default().to_string();
                return wrong(cycle, "relative uncertainty", found, "above 0 and below 1");
            }
        }
    }
    Ok(())
}
