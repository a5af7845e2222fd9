//! Descent of a metric: L-BFGS with the line search of Moré and Thuente, from `argmin`.
//!
//! Sources: Liu, Nocedal, Math. Program. 45 (1989) 503; Moré, Thuente, ACM Trans. Math. Softw. 20 (1994) 286.

use super::metric::Metric;
use super::transform::{Affine, Numbers};
use argmin::core::{CostFunction, Error, Executor, Gradient};
use argmin::solver::linesearch::MoreThuenteLineSearch;
use argmin::solver::quasinewton::LBFGS;
use nalgebra::DVector;
use std::cell::RefCell;

/// Steps that L-BFGS remembers; 12 numbers need no more.
const MEMORY: usize = 8;
/// Most steps of one descent.
const MOST_STEPS: u64 = 60;
/// Length of the first step, mm.
const FIRST_STEP_MM: f64 = 2.0;
/// Share of the first gradient at which the descent ends.
const GRADIENT_SHARE: f64 = 1e-3;

/// The way down.
pub(super) struct Descent {
    /// Where it ended.
    pub(super) map: Affine,
    /// Cost there.
    pub(super) cost: f64,
    /// Cost at each look.
    pub(super) curve: Vec<f64>,
}

/// The metric as a function of numbers. Cost and gradient are asked for apart and found together.
struct Slope<'a> {
    metric: &'a Metric<'a>,
    numbers: Numbers,
    threads: usize,
    /// Factor that makes the first step [`FIRST_STEP_MM`] long.
    scale: f64,
    seen: &'a RefCell<Seen>,
}

#[derive(Default)]
struct Seen {
    last: Option<(Vec<f64>, f64, Vec<f64>)>,
    best: Option<(Vec<f64>, f64)>,
    curve: Vec<f64>,
}

impl Slope<'_> {
    fn look(&self, p: &DVector<f64>) -> Result<(f64, Vec<f64>), Error> {
        let mut seen = self.seen.borrow_mut();
        if let Some((at, cost, gradient)) = &seen.last
            && at == p.as_slice()
        {
            return Ok((*cost, gradient.clone()));
        }
        let p = p.as_slice();
        let score = self.metric.score(&self.numbers.map(p), self.threads);
        let score = score.ok_or_else(|| Error::msg("too few points fall into the moving image"))?;
        let gradient = self.numbers.chain(p, &score.slopes);
        seen.curve.push(score.cost);
        if seen.best.as_ref().is_none_or(|(_, best)| score.cost < *best) {
            seen.best = Some((p.to_vec(), score.cost));
        }
        seen.last = Some((p.to_vec(), score.cost, gradient.clone()));
        Ok((score.cost, gradient))
    }
}

impl CostFunction for Slope<'_> {
    type Param = DVector<f64>;
    type Output = f64;
    fn cost(&self, p: &Self::Param) -> Result<f64, Error> {
        Ok(self.look(p)?.0 * self.scale)
    }
}

impl Gradient for Slope<'_> {
    type Param = DVector<f64>;
    type Gradient = DVector<f64>;
    fn gradient(&self, p: &Self::Param) -> Result<DVector<f64>, Error> {
        Ok(DVector::from_vec(self.look(p)?.1) * self.scale)
    }
}

/// Descends from a map; `None` where the start itself has too little overlap.
pub(super) fn descend(metric: &Metric<'_>, numbers: Numbers, from: &Affine, threads: usize) -> Option<Descent> {
    let seen = RefCell::new(Seen::default());
    let mut problem = Slope { metric, numbers, threads, scale: 1.0, seen: &seen };
    let start = DVector::from_vec(numbers.of(from));
    let (_, gradient) = problem.look(&start).ok()?;
    let length = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
    if length > 0.0 {
        problem.scale = FIRST_STEP_MM / length;
        let solver = LBFGS::new(MoreThuenteLineSearch::new(), MEMORY)
            .with_tolerance_grad(FIRST_STEP_MM * GRADIENT_SHARE)
            .and_then(|solver| solver.with_tolerance_cost(1e-9))
            .ok()?;
        // a line search that finds no lower point ends the descent with an error: the best point seen is then its end
        let _ended = Executor::new(problem, solver)
            .configure(|state| state.param(start).max_iters(MOST_STEPS))
            .timer(false)
            .run();
    }
    let Seen { best, curve, .. } = seen.into_inner();
    let (p, cost) = best?;
    Some(Descent { map: numbers.map(&p).affine(), cost, curve })
}
