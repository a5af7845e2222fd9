//! Finds the least misfit: Levenberg-Marquardt (MINPACK's algorithm, crate `levenberg-marquardt`) within limits.
//!
//! Rates and amplitudes have limits, and the least misfit may lie at one. Each model is therefore fitted with every
//! subset of its parameters held at their limits, from the fewest free parameters to all, each from several starts and
//! from the solutions with fewer free parameters. A run counts only if it converged. The best point evaluated is kept,
//! never a rejected trial. A solution beyond a limit is discarded in favour of the one held at it. Limits:
//! docs/methods/time_integration.md.

use levenberg_marquardt::{LevenbergMarquardt, TerminationReason};
use nalgebra::{DVector, Matrix2, Vector2};

use super::integral::{ErrorModel, Model, shortest_half_life_h};
use super::residuals::{FIXED_UPTAKE_PER_H, Problem, log_linear};

/// A biological rate below this share of the physical one counts as zero.
const RATE_AT_BOUND: f64 = 1e-5;
/// Slowest uptake as a share of the physical rate: below it the curve is t exp(-l t) to 1 % whatever the rate.
const SLOWEST_UPTAKE: f64 = 0.01;
/// A phase that has fallen by this many e-foldings before the first scan leaves nothing to measure.
const UNSEEN_EXPONENT: f64 = 12.0;
/// E-foldings before the first scan at which an uptake counts as immediate.
const AT_ONCE_EXPONENT: f64 = 1e4;
/// Largest difference phase of the tri-exponential model as a share of its fixed uptake, which must be faster.
const FASTEST_OF_TRI: f64 = 0.9;
/// Starts for the rate of a fast component, 1/h.
const FAST_STARTS_PER_H: [f64; 4] = [0.03, 0.1, 0.35, 1.2];
/// Starts for the rate of a slow component, in physical rates.
const SLOW_STARTS: [f64; 3] = [0.1, 1.0, 5.0];
/// A solution with more free parameters must be better than one with fewer by this share of the misfit.
const BETTER: f64 = 1e-9;
/// Residuals of this size, relative to the points, are rounding.
const ROUNDING: f64 = 1e-12;
/// Restarts from the best point after the iteration limit.
const RETRIES: usize = 3;
/// Largest cosine between residuals and a column of the Jacobian at a solution: 1e-8 of the misfit is left to gain.
const STATIONARY: f64 = 1e-4;

/// Why a parameter is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    /// No biological rate: physical decay.
    PhysicalDecay,
    /// The shortest accepted half-life.
    ShortestHalfLife,
    /// Over before the first scan: an uptake at once, a fast phase at 12 e-foldings.
    NotResolved,
    /// The slowest uptake.
    SlowestUptake,
    /// A phase without amplitude.
    Absent,
    /// The rate of an absent phase.
    Unused,
}

/// Role of a parameter, which sets its limits.
#[derive(Clone, Copy, PartialEq)]
enum Role {
    /// An amplitude that is never 0.
    Level,
    /// An amplitude that may be 0.
    Phase,
    /// The terminal biological rate.
    Slow,
    /// Uptake rate.
    Uptake,
    /// Rate of a fast phase whose amplitude is this parameter.
    Fast(usize),
}

fn roles(model: Model) -> &'static [Role] {
    use Role::{Fast, Level, Phase, Slow, Uptake};
    match model {
        Model::MonoPhysical => &[Level],
        Model::Mono => &[Level, Slow],
        Model::UptakePhysicalTail => &[Level, Uptake],
        Model::UptakeClearance => &[Level, Slow, Uptake],
        Model::TwoPhasePhysicalTail => &[Phase, Phase, Fast(1)],
        Model::TwoPhase | Model::TriZeroStart => &[Level, Slow, Phase, Fast(2)],
    }
}

/// The least misfit.
#[derive(Clone, Debug)]
pub(super) struct Best {
    /// Weighted sum of squares.
    pub(super) misfit: f64,
    /// Logarithms of the parameters.
    pub(super) parameters: DVector<f64>,
    /// Those that are free.
    pub(super) free: Vec<usize>,
    /// Those held, and why.
    pub(super) held: Vec<(usize, Bound)>,
}

/// The limits of a model's rates, 1/h.
struct Limits {
    physical_per_h: f64,
    fastest_slow: f64,
    fastest_fast: f64,
    fastest_seen: f64,
    at_once: f64,
}

impl Limits {
    fn new(model: Model, problem: &Problem<'_>) -> Self {
        let (first_h, physical_per_h) = (problem.points[0].time_h, problem.physical_per_h);
        let shortest_h = shortest_half_life_h(std::f64::consts::LN_2 / physical_per_h);
        let fastest_seen = UNSEEN_EXPONENT / first_h;
        let fastest_fast = match model {
            Model::TriZeroStart => fastest_seen.min(FASTEST_OF_TRI * FIXED_UPTAKE_PER_H),
            _ => fastest_seen,
        };
        Self {
            physical_per_h,
            fastest_slow: std::f64::consts::LN_2 / shortest_h - physical_per_h,
            fastest_fast,
            fastest_seen,
            at_once: AT_ONCE_EXPONENT / first_h,
        }
    }

    /// Open interval of a free rate, 1/h; none for amplitudes, which have no limit but 0.
    fn of(&self, role: Role) -> Option<[f64; 2]> {
        match role {
            Role::Level | Role::Phase => None,
            Role::Slow => Some([RATE_AT_BOUND * self.physical_per_h, self.fastest_slow]),
            Role::Uptake => Some([SLOWEST_UPTAKE * self.physical_per_h, self.fastest_seen]),
            Role::Fast(_) => Some([RATE_AT_BOUND * self.physical_per_h, self.fastest_fast]),
        }
    }

    /// Where a parameter may be held, as value and reason.
    fn bounds(&self, role: Role) -> Vec<(f64, Bound)> {
        match role {
            Role::Level => Vec::new(),
            Role::Phase => vec![(0.0, Bound::Absent)],
            Role::Slow => vec![(0.0, Bound::PhysicalDecay), (self.fastest_slow, Bound::ShortestHalfLife)],
            Role::Uptake => {
                vec![(self.at_once, Bound::NotResolved), (SLOWEST_UPTAKE * self.physical_per_h, Bound::SlowestUptake)]
            }
            Role::Fast(_) => vec![(self.fastest_fast, Bound::NotResolved)],
        }
    }

    /// A start for a rate that a solution holds at its limit: inside, near it.
    fn inside(&self, bound: Bound) -> f64 {
        match bound {
            Bound::PhysicalDecay => 0.02 * self.physical_per_h,
            Bound::ShortestHalfLife => 0.5 * self.fastest_slow,
            Bound::SlowestUptake => 3.0 * SLOWEST_UPTAKE * self.physical_per_h,
            Bound::NotResolved | Bound::Absent | Bound::Unused => 0.5 * self.fastest_fast,
        }
    }
}

/// Parameters held at a value, and why; in order of parameters.
type Held = Vec<(usize, f64, Bound)>;

/// Every set of held parameters that makes sense, the largest first.
fn held_sets(roles: &[Role], limits: &Limits) -> Vec<Held> {
    let mut sets: Vec<Held> = vec![Vec::new()];
    for (p, &role) in roles.iter().enumerate() {
        let bounds = limits.bounds(role);
        sets = sets
            .into_iter()
            .flat_map(|set| {
                let with = |value, bound| set.iter().copied().chain([(p, value, bound)]).collect::<Held>();
                let absent = |amplitude| set.iter().any(|&(q, _, bound)| q == amplitude && bound == Bound::Absent);
                match role {
                    // the rate of an absent phase is undetermined
                    Role::Fast(amplitude) if absent(amplitude) => vec![with(limits.fastest_fast, Bound::Unused)],
                    _ => bounds.iter().map(|&(value, bound)| with(value, bound)).chain([set.clone()]).collect(),
                }
            })
            .collect();
    }
    let amplitude = |p: usize| matches!(roles[p], Role::Level | Role::Phase);
    let amplitudes = (0..roles.len()).filter(|&p| amplitude(p)).count();
    sets.retain(|set| set.iter().filter(|(_, _, bound)| *bound == Bound::Absent).count() < amplitudes);
    sets.sort_by_key(|set| std::cmp::Reverse(set.len()));
    sets
}

/// The least misfit of `model`; `None` if no run from any start ended with success.
pub(super) fn search<'a>(model: Model, problem: &dyn Fn(DVector<f64>, Vec<usize>) -> Problem<'a>) -> Option<Best> {
    let roles = roles(model);
    let bare = problem(DVector::zeros(roles.len()), Vec::new());
    let limits = Limits::new(model, &bare);
    let mut solved: Vec<Best> = Vec::new();
    for set in held_sets(roles, &limits) {
        let free: Vec<usize> = (0..roles.len()).filter(|p| set.iter().all(|(q, _, _)| q != p)).collect();
        let mut best: Option<(f64, DVector<f64>)> = None;
        for start in starts(roles, &set, &limits, &bare, &solved, problem) {
            let Some((misfit, parameters)) = minimised(problem, start, &free) else { continue };
            let inside = free.iter().all(|&p| {
                let rate = parameters[p].exp();
                limits.of(roles[p]).is_none_or(|[low, high]| rate > low && rate < high)
            });
            if inside && best.as_ref().is_none_or(|(least, _)| misfit < *least) {
                best = Some((misfit, parameters));
            }
        }
        let held = set.iter().map(|&(p, _, bound)| (p, bound)).collect();
        solved.extend(best.map(|(misfit, parameters)| Best { misfit, parameters, free, held }));
    }
    let rounding = rounding(&bare);
    let better = |a: &Best, b: &Best| a.misfit < b.misfit * (1.0 - BETTER) - rounding;
    solved.into_iter().reduce(|best, next| if better(&next, &best) { next } else { best })
}

/// Misfit below which residuals are rounding.
fn rounding(problem: &Problem<'_>) -> f64 {
    let unit = |p: &super::integral::ActivityPoint| match problem.error_model {
        ErrorModel::Relative => problem.inverse_sigma(p),
        ErrorModel::Absolute => problem.inverse_sigma(p) * p.activity_mbq,
    };
    problem.points.iter().map(|p| (ROUNDING * unit(p)).powi(2)).sum()
}

/// Runs from one start: misfit and parameters of the best point evaluated; none if no run ended with success.
fn minimised<'a>(
    problem: &dyn Fn(DVector<f64>, Vec<usize>) -> Problem<'a>,
    start: DVector<f64>,
    free: &[usize],
) -> Option<(f64, DVector<f64>)> {
    let mut from = start;
    for _ in 0..RETRIES {
        let own = problem(from, free.to_vec());
        own.weighted_residuals()?;
        let (run, report) = LevenbergMarquardt::new()
            .with_ftol(1e-14)
            .with_xtol(1e-14)
            .with_gtol(1e-14)
            .with_patience(200)
            .minimize(own);
        let (misfit, parameters) = run.best.into_inner()?;
        let at_best = problem(parameters.clone(), free.to_vec());
        let done = report.termination.was_successful() || misfit < rounding(&at_best);
        if done && is_stationary(&at_best, misfit) {
            return Some((misfit, parameters));
        }
        if !done && report.termination != TerminationReason::LostPatience {
            return None;
        }
        from = parameters;
    }
    None
}

/// Whether no free parameter can reduce the misfit to first order; rounding is ignored.
fn is_stationary(problem: &Problem<'_>, misfit: f64) -> bool {
    use levenberg_marquardt::LeastSquaresProblem;
    if misfit < rounding(problem) {
        return true;
    }
    let (Some(residuals), Some(jacobian)) = (problem.weighted_residuals(), problem.jacobian()) else { return false };
    jacobian.column_iter().all(|column| {
        let scale = column.norm() * residuals.norm();
        scale == 0.0 || column.dot(&residuals).abs() <= STATIONARY * scale
    })
}

/// Starts of one set of held parameters: rates from the points and from a list, amplitudes solved for them; and the
/// solutions that hold more, with what is now free moved inside.
fn starts<'a>(
    roles: &[Role],
    set: &Held,
    limits: &Limits,
    bare: &Problem<'_>,
    solved: &[Best],
    problem: &dyn Fn(DVector<f64>, Vec<usize>) -> Problem<'a>,
) -> Vec<DVector<f64>> {
    let mut grid: Vec<DVector<f64>> = vec![DVector::zeros(roles.len())];
    for (p, &role) in roles.iter().enumerate() {
        let values = match (set.iter().find(|(q, _, _)| *q == p), role) {
            (Some(&(_, value, _)), _) => vec![value],
            (None, Role::Level | Role::Phase) => vec![1.0],
            (None, _) => rate_starts(role, limits, bare),
        };
        let with = |start: &DVector<f64>, value: f64| {
            let mut next = start.clone();
            next[p] = value.ln();
            next
        };
        grid = grid.iter().flat_map(|start| values.iter().map(|&v| with(start, v)).collect::<Vec<_>>()).collect();
    }
    let mut all: Vec<DVector<f64>> =
        grid.into_iter().filter_map(|start| with_amplitudes(roles, problem(start, Vec::new()))).collect();
    for other in solved {
        let holds = |p: usize| other.held.iter().find(|(q, _)| *q == p).map(|(_, bound)| *bound);
        if !set.iter().all(|&(p, _, bound)| holds(p) == Some(bound)) {
            continue;
        }
        let mut start = other.parameters.clone();
        for (p, bound) in other.held.iter().filter(|(p, _)| set.iter().all(|(q, _, _)| q != p)) {
            start[*p] = match roles[*p] {
                Role::Level | Role::Phase => 0.05_f64.ln() + largest_amplitude(roles, &other.parameters),
                Role::Uptake if *bound == Bound::NotResolved => (0.5 * limits.fastest_seen).ln(),
                _ => limits.inside(*bound).ln(),
            };
        }
        all.push(start);
    }
    all
}

fn largest_amplitude(roles: &[Role], parameters: &DVector<f64>) -> f64 {
    let amplitudes = (0..roles.len()).filter(|&p| matches!(roles[p], Role::Level | Role::Phase));
    amplitudes.map(|p| parameters[p]).fold(f64::NEG_INFINITY, f64::max)
}

/// Starts of a rate, 1/h, within its limits.
fn rate_starts(role: Role, limits: &Limits, problem: &Problem<'_>) -> Vec<f64> {
    let points = problem.points;
    let [low, high] = limits.of(role).unwrap_or([0.0, f64::INFINITY]);
    let mut all: Vec<f64> = match role {
        Role::Slow => {
            let times: Vec<f64> = points.iter().map(|p| p.time_h).collect();
            let ln: Vec<f64> = points.iter().map(|p| p.activity_mbq.ln()).collect();
            let weights: Vec<f64> = points.iter().map(|p| p.rel_sigma.map_or(1.0, |s| s.powi(-2))).collect();
            let line = log_linear(&times, &ln, &weights).map(|(_, rate_per_h, _)| rate_per_h - limits.physical_per_h);
            let last = points.windows(2).last().map(|p| {
                (p[0].activity_mbq / p[1].activity_mbq).ln() / (p[1].time_h - p[0].time_h) - limits.physical_per_h
            });
            line.into_iter().chain(last).chain(SLOW_STARTS.map(|k| k * limits.physical_per_h)).collect()
        }
        _ => {
            let middle_h = points[points.len() / 2].time_h;
            FAST_STARTS_PER_H.into_iter().chain([points[0].time_h.recip(), middle_h.recip()]).collect()
        }
    };
    all.retain(|rate| *rate > low && *rate < high);
    if all.is_empty() {
        all.push((low * high).sqrt());
    }
    all
}

/// The start with amplitudes solved for the given rates: one by the weighted mean of the logarithms, two by least
/// squares of relative residuals; `None` if the curve has no logarithm.
fn with_amplitudes(roles: &[Role], mut problem: Problem<'_>) -> Option<DVector<f64>> {
    let amplitudes: Vec<usize> = (0..roles.len())
        .filter(|&p| matches!(roles[p], Role::Level | Role::Phase) && problem.parameters[p] > f64::NEG_INFINITY)
        .collect();
    // shape of each amplitude: the curve where the others are 0
    let rates = problem.parameters.clone();
    let mut shapes: Vec<Vec<f64>> = Vec::new();
    for &own in &amplitudes {
        problem.parameters.copy_from(&rates);
        for &other in &amplitudes {
            problem.parameters[other] = if other == own { 0.0 } else { f64::NEG_INFINITY };
        }
        shapes.push(problem.points.iter().map(|p| problem.value_and_gradient(p.time_h).0).collect());
    }
    let weight = |p: &super::integral::ActivityPoint| p.rel_sigma.map_or(1.0, |s| s.powi(-2));
    let level = |shape: &[f64]| -> f64 {
        let mean = |f: &dyn Fn(f64, f64) -> f64| -> f64 {
            problem.points.iter().zip(shape).map(|(p, s)| weight(p) * f(p.activity_mbq, *s)).sum()
        };
        mean(&|a, s| (a / s).ln()) / mean(&|_, _| 1.0)
    };
    let mut start = rates;
    match (&amplitudes[..], &shapes[..]) {
        ([one], [shape]) => start[*one] = level(shape),
        ([one, two], [first, second]) => {
            let (mut normal, mut right) = (Matrix2::zeros(), Vector2::zeros());
            for ((p, &f), &s) in problem.points.iter().zip(first).zip(second) {
                let row = Vector2::new(f / p.activity_mbq, s / p.activity_mbq);
                normal += row * row.transpose() * weight(p);
                right += row * weight(p);
            }
            let solution = normal.try_inverse().map(|inverse| inverse * right).filter(|a| a[0] > 0.0 && a[1] > 0.0);
            let first_point = problem.points[0].activity_mbq;
            let solution =
                solution.map_or([level(first), (0.1 * first_point / second[0]).ln()], |a| [a[0].ln(), a[1].ln()]);
            (start[*one], start[*two]) = (solution[0], solution[1]);
        }
        _ => return None,
    }
    start.iter().all(|v| !v.is_nan() && *v < f64::INFINITY).then_some(start)
}
