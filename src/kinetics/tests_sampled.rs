//! The posterior by sampling against quadrature, from scans far more exact than the prior to scans far less.

use super::tests::{kidney, kidney_uptake, made, scans};
use super::*;
use crate::draws::Normals;
use nalgebra::{DMatrix, DVector};

/// Standard deviations of the scans: 0.1 to 30 %.
const SIGMAS: [f64; 6] = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3];
/// Points of a quadrature along a parameter, and how many widths they reach to either side.
const POINTS: usize = 201;
const REACH: f64 = 6.0;

/// The posterior of one cycle with amplitude and patient integrated in closed form: what is left is the kinetics.
struct Exact<'a> {
    prior: &'a OrganPrior,
    scans: &'a [Scan],
    /// Covariance of a cycle's parameters about the population's means.
    spread: DMatrix<f64>,
}

impl Exact<'_> {
    /// ln of the density at some kinetics, and mean and variance of ln A there. Kinetics k and ln A - ln size = u are normal
    /// about the means; ln A given k is normal by prior (flat without an uptake) and scans. Outside the domain of the curves
    /// the density is 0.
    fn at(&self, kinetic: &[f64]) -> (f64, f64, f64) {
        let k = kinetic.len();
        let apart = DVector::from_iterator(k, (0..k).map(|p| kinetic[p] - self.prior.mean[p]));
        let own = self.spread.view((0, 0), (k, k)).into_owned();
        let weighted = own.clone().cholesky().expect("a covariance").solve(&apart);
        let mut density = -0.5 * weighted.dot(&apart);
        let (mut weight, mut sum, mut squares) = (0.0, 0.0, 0.0);
        let mut add = |value: f64, variance: f64| {
            weight += 1.0 / variance;
            sum += value / variance;
            squares += value * value / variance;
        };
        if self.prior.knows_uptake() {
            let beside = self.spread.view((k, 0), (1, k)).transpose();
            let along = own.cholesky().expect("a covariance").solve(&beside);
            let mean = self.prior.mean[k] + along.dot(&apart) + self.scans[0].gbq_ml.expect("a size").ln();
            add(mean, self.spread[(k, k)] - along.dot(&beside));
        }
        for scan in self.scans {
            let Some(unit) = self.prior.shape.ln_activity(0.0, kinetic, scan.time_h) else {
                return (f64::NEG_INFINITY, 0.0, 0.0);
            };
            add(scan.activity_mbq.ln() - unit, scan.rel_sigma.expect("stated").powi(2));
        }
        density -= 0.5 * (squares - sum * sum / weight);
        (density, sum / weight, 1.0 / weight)
    }

    /// Most probable value and width of the first parameter at given others, by halving and by differences.
    fn first(&self, others: &[f64]) -> (f64, f64) {
        let at = |x: f64| self.at(&[&[x], others].concat()).0;
        let sd = self.spread[(0, 0)].sqrt();
        let (mut low, mut high) = (self.prior.mean[0] - 8.0 * sd, self.prior.mean[0] + 8.0 * sd);
        for _ in 0..120 {
            let third = (high - low) / 3.0;
            if at(low + third) < at(high - third) { low += third } else { high -= third }
        }
        let (best, step) = (0.5 * (low + high), 1e-4 * sd);
        let curvature = (2.0 * at(best) - at(best + step) - at(best - step)) / (step * step);
        (best, curvature.recip().sqrt().min(sd))
    }

    /// Mean and standard deviation of ln TIA.
    fn moments(&self) -> [f64; 2] {
        let k = self.prior.shape.kinetics();
        let line = |middle: f64, width: f64| {
            let step = 2.0 * REACH * width / (POINTS - 1) as f64;
            (0..POINTS).map(move |n| (middle - REACH * width + n as f64 * step, step))
        };
        let others: Vec<Vec<f64>> = match k {
            1 => vec![vec![]],
            _ => line(self.prior.mean[1], self.spread[(1, 1)].sqrt()).map(|(x, _)| vec![x]).collect(),
        };
        let mut terms = Vec::new();
        for rest in &others {
            let (middle, width) = self.first(rest);
            for (x, step) in line(middle, width) {
                let kinetic = [&[x], &rest[..]].concat();
                let (density, ln_amplitude, variance) = self.at(&kinetic);
                let ln_tia = self.prior.shape.ln_integral(ln_amplitude, &kinetic).filter(|_| density.is_finite());
                terms.extend(ln_tia.map(|ln_tia| (density + step.ln(), ln_tia, variance)));
            }
        }
        let top = terms.iter().map(|t| t.0).fold(f64::NEG_INFINITY, f64::max);
        let mean = |of: &dyn Fn(&(f64, f64, f64)) -> f64| {
            let weights: f64 = terms.iter().map(|t| (t.0 - top).exp()).sum();
            terms.iter().map(|t| (t.0 - top).exp() * of(t)).sum::<f64>() / weights
        };
        let centre = mean(&|t| t.1);
        [centre, mean(&|t| (t.1 - centre).powi(2) + t.2).sqrt()]
    }
}

/// One cycle of scans at these times by quadrature and by sampling; the quadrature's prior is wider by `wider`.
fn both(prior: &OrganPrior, times_h: &[f64], sigma: f64, wider: f64) -> ([f64; 2], Sampled) {
    // not where the prior is: half a spread off in every parameter
    let spread = prior.patient_covariance() + prior.cycle_covariance();
    let kinetic: Vec<f64> = (0..prior.mean.len()).map(|p| prior.mean[p] + 0.5 * spread[(p, p)].sqrt()).collect();
    let exact = scans(prior.shape, &kinetic, times_h, 0.0, &mut Normals::new(1));
    let cycle: Vec<Scan> = exact.into_iter().map(|scan| Scan { rel_sigma: Some(sigma), ..scan }).collect();
    let quadrature = Exact { prior, scans: &cycle, spread: spread * wider * wider }.moments();
    let at = fit(prior, std::slice::from_ref(&cycle)).expect("a fit");
    let sampled = sample(prior, std::slice::from_ref(&cycle), &at, 10_000, 7).expect("draws");
    (quadrature, sampled)
}

/// Mean of ln TIA within a twentieth of its width, width within 5 %, a fifth of the draws counting: 10 000 of them leave less than
/// half of that by chance.
fn agree((quadrature, sampled): &([f64; 2], Sampled)) -> bool {
    let [mean, sd] = quadrature;
    (sampled.log_mean_mbq_h.ln() - mean).abs() < 0.05 * sd
        && (sampled.rel_sigma / sd - 1.0).abs() < 0.05
        && sampled.effective_share > 0.2
}

#[test]
fn law_draws_have_the_moments_of_quadrature_whatever_the_scans_are_worth() {
    let cases: [(OrganPrior, &[f64]); 5] = [
        (kidney(), &[24.0]),
        (kidney(), &[96.0]),
        (kidney(), &[24.0, 120.0]),
        (kidney_uptake(), &[96.0]),
        (made(Shape::Uptake), &[4.0, 72.0]),
    ];
    for (prior, times_h) in cases {
        for sigma in SIGMAS {
            let found = both(&prior, times_h, sigma, 1.0);
            println!("{:?} {times_h:?} {sigma}: {:?} {:?}", prior.shape, found.0, found.1);
            assert!(agree(&found), "{:?} {times_h:?} {sigma}: {found:?}", prior.shape);
        }
    }
}

/// A prior that is a tenth wider is seen where the prior matters, at every worth of the scan.
#[test]
fn alarm_quadrature_sees_a_wider_prior() {
    for sigma in SIGMAS.into_iter().filter(|sigma| *sigma <= 0.03) {
        assert!(agree(&both(&kidney(), &[24.0], sigma, 1.0)));
        assert!(!agree(&both(&kidney(), &[24.0], sigma, 1.1)), "{sigma}");
    }
}
