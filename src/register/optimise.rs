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
/// Length of the first step, voxel edges of the level.
const FIRST_STEP_EDGES: f64 = 0.4;
/// A descent ends when this many looks in a row are nearer to the best place than this many voxel edges: what is left is
/// far below what the data settle.
const NEAR_LOOKS: usize = 3;
const NEAR_EDGES: f64 = 0.004;

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
    /// Factor that makes the first step as long as it is to be.
    scale: f64,
    /// Distance from the best place that counts as near, mm.
    near_mm: f64,
    seen: &'a RefCell<Seen>,
}

#[derive(Default)]
struct Seen {
    last: Option<(Vec<f64>, f64, Vec<f64>)>,
    best: Option<(Vec<f64>, f64)>,
    curve: Vec<f64>,
    /// Looks in a row near the best place.
    near: usize,
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
        let best = seen.best.as_ref().map(|(at, _)| at.iter().zip(p).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt());
        seen.near = if best.is_some_and(|distance| distance < self.near_mm) { seen.near + 1 } else { 0 };
        if seen.best.as_ref().is_none_or(|(_, best)| score.cost < *best) {
            seen.best = Some((p.to_vec(), score.cost));
        }
        if seen.near >= NEAR_LOOKS {
            return Err(Error::msg("nothing is gained any more"));
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

/// Descends from a map on a level with voxels of `edge_mm`; `None` where the start itself has too little overlap.
pub(super) fn descend(
    metric: &Metric<'_>,
    numbers: Numbers,
    from: &Affine,
    edge_mm: f64,
    threads: usize,
) -> Option<Descent> {
    let seen = RefCell::new(Seen::default());
    let mut problem = Slope { metric, numbers, threads, scale: 1.0, near_mm: NEAR_EDGES * edge_mm, seen: &seen };
    let start = DVector::from_vec(numbers.of(from));
    let (_, gradient) = problem.look(&start).ok()?;
    let length = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
    if length > 0.0 {
        problem.scale = FIRST_STEP_EDGES * edge_mm / length;
        let solver = LBFGS::new(MoreThuenteLineSearch::new(), MEMORY)
            .with_tolerance_grad(0.0)
            .and_then(|solver| solver.with_tolerance_cost(0.0))
            .ok()?;
        // the descent ends with an error: nothing is gained any more, or no lower point is found along a line
        let _ended = Executor::new(problem, solver)
            .configure(|state| state.param(start).max_iters(MOST_STEPS))
            .timer(false)
            .run();
    }
    let Seen { best, curve, .. } = seen.into_inner();
    let (p, cost) = best?;
    Some(Descent { map: numbers.map(&p).affine(), cost, curve })
}
