//! The verdict on a course: what the protocol's limits and rules say, with numbers and uncertainty.
//!
//! Decision support. It lists options, reasons and what is missing; it never prescribes. The states
//! and their order: docs/methods/course.md, section "States".

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::bed::{BedAccumulator, BedError, DoseWindow, LimitQuantity, Radiobiology, Window};

use super::ledger::{LedgerError, PriorTreatment, prior_sum};
use super::predict::{DosePerActivity, Prediction, predictions};
use super::protocol::{ActivityRule, ConflictPolicy, Drive, Protocol};
use super::rules::{Answer, Eligibility, Facts, Override, RuleOutcome, eligibility};
use super::uncertainty::{CumulativeSigma, CycleUncertainty, cumulative_sigma, probability_above, probability_inside};

/// The line that stands on every verdict.
pub const INTENDED_USE: &str = "Decision support: options and numbers for the treating physician, who decides. \
Not a prescription; not a certified medical device.";

/// Shortest interval, d, for which cycles are added without a cross term.
pub const ADDITIVE_INTERVAL_D: i64 = 42;

/// Why no verdict can be given.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DecisionError {
    /// The course names a step the protocol does not have.
    #[error("step = {step}: protocol `{protocol}` has steps 1 to {steps}")]
    Step {
        /// Step asked for, from 1.
        step: usize,
        /// Protocol.
        protocol: String,
        /// Steps it has.
        steps: usize,
    },
    /// A structure's list of cycles differs in length from the course's.
    #[error(
        "structure `{structure}` has {found} cycles, the course {expected}; give an entry for every cycle, missing ones as missing"
    )]
    Cycles {
        /// Structure.
        structure: String,
        /// Entries found.
        found: usize,
        /// Cycles given.
        expected: usize,
    },
    /// No structure of the steering organ has a dose.
    #[error(
        "no structure of the steering organ ({names}) is among the course's regions; add its label, or set organ.structures in the protocol"
    )]
    NoOrgan {
        /// The names looked for.
        names: String,
    },
    /// An override without rule, reason or name.
    #[error("override of rule `{rule}`: {problem}")]
    Override {
        /// The rule.
        rule: String,
        /// What is wrong.
        problem: String,
    },
    /// A ledger entry.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A number outside its range.
    #[error(transparent)]
    Value(#[from] BedError),
}

/// Dose of one structure in one cycle.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OrganDose {
    /// Mean absorbed dose, Gy.
    pub dose_gy: f64,
    /// Lea-Catcheside factor.
    pub g: f64,
    /// Mass, g, where known (for the combined organ).
    pub mass_g: Option<f64>,
    /// Random relative uncertainty; the protocol's where none.
    pub random_rel_sigma: Option<f64>,
    /// Systematic relative uncertainty; the protocol's where none.
    pub systematic_rel_sigma: Option<f64>,
}

/// A structure of the steering organ through the course; a cycle without dosimetry is `None`.
#[derive(Clone, Debug, PartialEq)]
pub struct StructureHistory {
    /// Its name.
    pub structure: String,
    /// One entry a cycle.
    pub cycles: Vec<Option<OrganDose>>,
}

/// A cycle as given.
#[derive(Clone, Debug, PartialEq)]
pub struct GivenCycle {
    /// Measured activity, GBq.
    pub administered_gbq: f64,
    /// Prescribed activity, GBq, where stated.
    pub prescribed_gbq: Option<f64>,
    /// Days since the previous cycle; none for the first.
    pub interval_d: Option<i64>,
}

/// Everything a verdict rests on.
#[derive(Clone, Debug)]
pub struct DecisionInput<'a> {
    /// The protocol.
    pub protocol: &'a Protocol,
    /// The step the patient is in, from 1.
    pub step: usize,
    /// Cycles given, in order.
    pub cycles: &'a [GivenCycle],
    /// Structures of the steering organ.
    pub structures: &'a [StructureHistory],
    /// Treatments before.
    pub ledger: &'a [PriorTreatment],
    /// Facts about the patient.
    pub facts: &'a Facts,
    /// Overrides of rules.
    pub overrides: &'a [Override],
    /// Reasons to stop stated by the physician (progression, toxicity, refusal).
    pub stop_flags: &'a [String],
    /// Reduction of a solved activity for impaired kidneys or marrow, as a factor in (0, 1].
    pub reduction_factor: f64,
}

/// One way out of a conflict.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConflictOption {
    /// `stop-below`, `reduced-activity` or `accept-overshoot`.
    pub option: &'static str,
    /// Activity of the next cycle, GBq; 0 for stopping.
    pub activity_gbq: f64,
    /// Dose of the next cycle, Gy.
    pub next_dose_gy: f64,
    /// Cumulative value afterwards, Gy, in the window's quantity.
    pub cumulative_gy: f64,
    /// Where that lies.
    pub lies: Window,
    /// What to know.
    pub note: String,
}

/// What follows from limits and rules.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// Nothing may be decided until the reasons are cleared.
    Hold {
        /// Why.
        reasons: Vec<String>,
    },
    /// The physician stated a reason to stop.
    Stop {
        /// Why.
        reasons: Vec<String>,
    },
    /// The next cycle fits.
    Continue {
        /// Activity, GBq.
        activity_gbq: f64,
        /// Cumulative value afterwards, Gy, in the window's quantity; none where cycles are counted.
        predicted_cumulative_gy: Option<f64>,
        /// Where that lies.
        predicted_lies: Option<Window>,
    },
    /// The step is complete.
    StepComplete {
        /// Its name.
        step: String,
        /// Why.
        because: String,
        /// The following step and whether the patient may enter it; none after the last step.
        next_step: Option<String>,
        /// Eligibility for it.
        eligibility: Option<Eligibility>,
    },
    /// The next standard cycle would pass the upper edge although the step is not complete.
    Conflict {
        /// The three ways out.
        options: Vec<ConflictOption>,
        /// The option the protocol's policy names, if it names one.
        by_policy: Option<&'static str>,
    },
}

/// Cumulative numbers of one structure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StructureSum {
    /// Its name; the organ's for the combined one.
    pub structure: String,
    /// Doses per cycle, Gy; imputed ones included.
    pub dose_gy: Vec<f64>,
    /// BED per cycle, Gy.
    pub bed_gy: Vec<f64>,
    /// Which cycles were imputed, from 1.
    pub imputed_cycles: Vec<u32>,
    /// Sum of doses of this course, Gy.
    pub course_dose_gy: f64,
    /// Sum of G D^2 of this course, Gy^2.
    pub sum_g_dose2_gy2: f64,
    /// BED of this course, Gy.
    pub course_bed_gy: f64,
    /// BED of treatments before, Gy.
    pub prior_bed_gy: f64,
    /// Dose of treatments before, Gy; none where not stated.
    pub prior_dose_gy: Option<f64>,
    /// BED in all, Gy.
    pub total_bed_gy: f64,
    /// Dose in all, Gy; none where a prior treatment does not state it.
    pub total_dose_gy: Option<f64>,
    /// Standard uncertainty of the total, k = 1, in the step's quantity.
    pub sigma: CumulativeSigma,
}

/// Probability to pass the upper edge, and to lie inside.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Exceedance {
    /// Value it is about, Gy.
    pub value_gy: f64,
    /// Its standard uncertainty with the stated budget, k = 1, Gy.
    pub sigma_gy: f64,
    /// P(above) if errors are independent from cycle to cycle.
    pub above_independent: f64,
    /// P(above) if errors are common to all cycles.
    pub above_correlated: f64,
    /// P(above) with the stated budget.
    pub above_budget: f64,
    /// P(inside) if independent; none without a lower edge.
    pub inside_independent: Option<f64>,
    /// P(inside) if common; none without a lower edge.
    pub inside_correlated: Option<f64>,
}

/// A verdict with its numbers and its trace.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// The state.
    #[serde(flatten)]
    pub state: State,
    /// The protocol and its version.
    pub protocol: String,
    /// The step's name.
    pub step: String,
    /// The step's window, if it has one.
    pub window: Option<DoseWindow>,
    /// Where the cumulative value of the driver lies.
    pub lies: Option<Window>,
    /// The structure that drives the limit, and why.
    pub driver: String,
    /// Why it drives.
    pub driver_reason: String,
    /// All structures; the combined organ last where it could be formed.
    pub structures: Vec<StructureSum>,
    /// Whether a cycle had to be imputed: the sums are then not measured.
    pub incomplete: bool,
    /// Predictions of the next cycle, the default first.
    pub predictions: Vec<Prediction>,
    /// Now, against the window.
    pub exceedance_now: Option<Exceedance>,
    /// After the next standard cycle.
    pub exceedance_next: Option<Exceedance>,
    /// Entry rules of the following step (or of this one) with answers.
    pub rules: Vec<RuleOutcome>,
    /// Deviations from the protocol that do not stop anything.
    pub warnings: Vec<String>,
    /// What is missing.
    pub missing: Vec<String>,
    /// Overrides, as recorded.
    pub overrides: Vec<Override>,
    /// The protocol's open questions, and how it decides them.
    pub open_questions: Vec<String>,
    /// What this is for.
    pub intended_use: &'static str,
}

/// Whether the measured activity is as intended: |A_measured/A_prescribed - 1| <= tolerance.
pub fn activity_as_intended(administered_gbq: f64, prescribed_gbq: f64, tolerance_rel: f64) -> bool {
    (administered_gbq / prescribed_gbq - 1.0).abs() <= tolerance_rel + 1e-12
}

/// Warning for an interval outside the protocol, d.
pub fn interval_warning(protocol: &Protocol, cycle: usize, interval_d: i64) -> Option<String> {
    let plan = &protocol.interval;
    let (least, most) = (i64::from(plan.min_d), i64::from(plan.max_d));
    (interval_d < least || interval_d > most).then(|| {
        format!(
            "cycle {cycle} came {interval_d} d after the one before; protocol `{}` allows {least} to {most} d",
            protocol.id
        )
    })
}

/// The activity, GBq, and dose, Gy, that lead from `sum_gy` exactly to `target_gy` of BED:
///   D = [-1 + sqrt(1 + 4 g (T - B))] / (2 g), g = G/(alpha/beta); A = D/(Gy/GBq)
///                                                                     [methods/course.md eq. 3]
pub fn reduced_activity(
    radiobiology: &Radiobiology,
    g: f64,
    bed_so_far_gy: f64,
    target_bed_gy: f64,
    gy_per_gbq: f64,
) -> (f64, f64) {
    let dose_gy = radiobiology.dose_for_bed_gy((target_bed_gy - bed_so_far_gy).max(0.0), g);
    (dose_gy / gy_per_gbq, dose_gy)
}

/// The activity, GBq, that spreads what is left of an absorbed-dose target over the cycles left:
/// A = f (D_target - Sum D)/(n_left d), not capped.                      [methods/course.md eq. 4]
pub fn spread_activity_gbq(
    target_dose_gy: f64,
    dose_so_far_gy: f64,
    cycles_left: u32,
    gy_per_gbq: f64,
    reduction_factor: f64,
) -> f64 {
    reduction_factor * (target_dose_gy - dose_so_far_gy).max(0.0) / (f64::from(cycles_left) * gy_per_gbq)
}

/// The quantity that a step steers by.
fn step_quantity(window: Option<&DoseWindow>) -> LimitQuantity {
    window.map_or(LimitQuantity::Bed, |w| w.quantity)
}

/// One structure's sums, missing cycles imputed by the shrunken last value known at that time.
fn sum_structure(
    input: &DecisionInput<'_>,
    history: &StructureHistory,
    radiobiology: &Radiobiology,
    quantity: LimitQuantity,
) -> Result<StructureSum, DecisionError> {
    let plan = &input.protocol.uncertainty;
    let mut sum = BedAccumulator::default();
    let (mut dose_gy, mut bed_gy, mut imputed_cycles, mut budget) = (vec![], vec![], vec![], vec![]);
    for (index, (cycle, given)) in history.cycles.iter().zip(input.cycles).enumerate() {
        let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
        let (dose, g, random, systematic) = match cycle {
            Some(c) => (
                c.dose_gy,
                c.g,
                c.random_rel_sigma.unwrap_or(plan.random_rel),
                c.systematic_rel_sigma.unwrap_or(plan.systematic_rel),
            ),
            None => {
                imputed_cycles.push(number);
                let known = known_doses(input, history);
                let prediction = predictions(&known, &input.protocol.prior, number)[0];
                let g = typical_g(history, radiobiology);
                let random = prediction.rel_sigma.hypot(plan.random_rel);
                (prediction.gy_per_gbq * given.administered_gbq, g, random, plan.systematic_rel)
            }
        };
        sum.add_cycle(dose, g);
        let bed = radiobiology.bed_gy(dose, g);
        dose_gy.push(dose);
        bed_gy.push(bed);
        let (value_gy, sensitivity) = match quantity {
            LimitQuantity::Bed => (bed, radiobiology.bed_sensitivity(dose, g)),
            LimitQuantity::AbsorbedDose => (dose, 1.0),
        };
        budget.push(CycleUncertainty {
            value_gy,
            sensitivity,
            random_rel_sigma: random,
            systematic_rel_sigma: systematic,
        });
    }
    let prior = prior_sum(input.ledger, &history.structure, radiobiology.alpha_beta_gy())?;
    let course_bed_gy = sum.bed_gy(radiobiology.alpha_beta_gy());
    Ok(StructureSum {
        structure: history.structure.clone(),
        dose_gy,
        bed_gy,
        imputed_cycles,
        course_dose_gy: sum.sum_dose_gy,
        sum_g_dose2_gy2: sum.sum_g_dose2_gy2,
        course_bed_gy,
        prior_bed_gy: prior.bed_gy,
        prior_dose_gy: prior.dose_gy,
        total_bed_gy: course_bed_gy + prior.bed_gy,
        total_dose_gy: prior.dose_gy.map(|dose| dose + sum.sum_dose_gy),
        sigma: cumulative_sigma(&budget),
    })
}

/// Gy per GBq of the cycles that have a dose.
fn known_doses(input: &DecisionInput<'_>, history: &StructureHistory) -> Vec<DosePerActivity> {
    history
        .cycles
        .iter()
        .zip(input.cycles)
        .enumerate()
        .filter_map(|(index, (cycle, given))| {
            cycle.as_ref().map(|c| DosePerActivity {
                cycle: u32::try_from(index + 1).unwrap_or(u32::MAX),
                gy_per_gbq: c.dose_gy / given.administered_gbq,
                random_rel_sigma: c.random_rel_sigma.unwrap_or(input.protocol.uncertainty.random_rel),
            })
        })
        .collect()
}

/// The last known G, or that of a 50 h half-life (Hanscheid et al. 2017) where there is none.
fn typical_g(history: &StructureHistory, radiobiology: &Radiobiology) -> f64 {
    history
        .cycles
        .iter()
        .rev()
        .flatten()
        .next()
        .map_or_else(|| crate::bed::g_mono(radiobiology.repair_half_life_h(), 50.0), |c| c.g)
}

/// The organ as one: mass-weighted mean dose and G per cycle, where every structure has both.
fn combined(input: &DecisionInput<'_>) -> Option<StructureHistory> {
    if input.structures.len() < 2 {
        return None;
    }
    let cycles = (0..input.cycles.len())
        .map(|index| {
            let parts: Option<Vec<OrganDose>> = input.structures.iter().map(|s| s.cycles[index]).collect();
            let parts = parts?;
            let masses: Option<Vec<f64>> = parts.iter().map(|p| p.mass_g).collect();
            let masses = masses?;
            let total: f64 = masses.iter().sum();
            let mean =
                |f: &dyn Fn(&OrganDose) -> f64| parts.iter().zip(&masses).map(|(p, m)| f(p) * m).sum::<f64>() / total;
            let dose_gy = mean(&|p| p.dose_gy);
            let sigma = |f: &dyn Fn(&OrganDose) -> Option<f64>| {
                parts.iter().map(f).collect::<Option<Vec<f64>>>().map(|all| all.into_iter().fold(0.0, f64::max))
            };
            Some(OrganDose {
                dose_gy,
                g: mean(&|p| p.g * p.dose_gy) / dose_gy,
                mass_g: Some(total),
                random_rel_sigma: sigma(&|p| p.random_rel_sigma),
                systematic_rel_sigma: sigma(&|p| p.systematic_rel_sigma),
            })
        })
        .collect::<Vec<_>>();
    cycles
        .iter()
        .any(Option::is_some)
        .then(|| StructureHistory { structure: input.protocol.organ.name.clone(), cycles })
}

/// The verdict on the cycles given so far.
///
/// Errors: a step that the protocol does not have; histories of another length than the cycles; a structure, an
/// override or a ledger entry that cannot be used; a number outside its range.
///
/// ```
/// use lutra::course::decision::{DecisionInput, GivenCycle, OrganDose, State, StructureHistory, decide};
/// use lutra::course::protocol::Protocol;
///
/// let protocol = Protocol::built_in("iluminet")?;
/// let cycle = GivenCycle { administered_gbq: 7.4, prescribed_gbq: None, interval_d: None };
/// let dose = OrganDose { dose_gy: 4.0, g: 0.0511, mass_g: None, random_rel_sigma: None, systematic_rel_sigma: None };
/// let kidney = StructureHistory { structure: "kidney_left".to_owned(), cycles: vec![Some(dose), None] };
/// let verdict = decide(&DecisionInput {
///     protocol: &protocol,
///     step: 1,
///     cycles: &[cycle.clone(), cycle],
///     structures: &[kidney],
///     ledger: &[],
///     facts: &Default::default(),
///     overrides: &[],
///     stop_flags: &[],
///     reduction_factor: 1.0,
/// })?;
/// assert!(matches!(verdict.state, State::Hold { .. }), "a cycle without dosimetry is never zero");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn decide(input: &DecisionInput<'_>) -> Result<Verdict, DecisionError> {
    let protocol = input.protocol;
    let step_index = input.step.checked_sub(1).filter(|&s| s < protocol.steps.len()).ok_or_else(|| {
        DecisionError::Step { step: input.step, protocol: protocol.id.clone(), steps: protocol.steps.len() }
    })?;
    check(input)?;
    let step = &protocol.steps[step_index];
    let radiobiology = protocol.radiobiology()?;
    let quantity = step_quantity(step.window.as_ref());

    let mut histories: Vec<StructureHistory> = input.structures.to_vec();
    let whole = combined(input);
    histories.extend(whole.clone());
    let mut structures = Vec::new();
    for history in &histories {
        structures.push(sum_structure(input, history, &radiobiology, quantity)?);
    }
    let (driver, driver_reason) = pick_driver(input, &structures, whole.is_some(), quantity);
    let sum = &structures[driver];
    let history = &histories[driver];

    let known = known_doses(input, history);
    let next_number = u32::try_from(input.cycles.len() + 1).unwrap_or(u32::MAX);
    let all_predictions = predictions(&known, &protocol.prior, next_number);
    let prediction = all_predictions[0];
    let g = typical_g(history, &radiobiology);

    let value = |dose_gy: f64, bed_gy: f64| match quantity {
        LimitQuantity::Bed => bed_gy,
        LimitQuantity::AbsorbedDose => dose_gy,
    };
    let total = match quantity {
        LimitQuantity::Bed => Some(sum.total_bed_gy),
        LimitQuantity::AbsorbedDose => sum.total_dose_gy,
    };
    let next_dose_gy = prediction.gy_per_gbq * protocol.activity.standard_gbq;
    let next_value_gy = value(next_dose_gy, radiobiology.bed_gy(next_dose_gy, g));

    let mut warnings = protocol_warnings(input);
    let (missing, mut blocking) = missing_items(input, sum, total.is_none() && step.window.is_some());
    if step.window.is_none() {
        blocking.clear();
    }

    let judged_step = (step_index + 1).min(protocol.steps.len() - 1);
    let rules: Vec<RuleOutcome> =
        protocol.entry_rules(judged_step).into_iter().map(|rule| rule.outcome(input.facts, input.overrides)).collect();
    let next_step = (step_index + 1 < protocol.steps.len()).then(|| &protocol.steps[step_index + 1]);
    let complete = |because: String| State::StepComplete {
        step: step.name.clone(),
        because,
        next_step: next_step.map(|s| s.name.clone()),
        eligibility: next_step.map(|_| eligibility(&rules)),
    };

    let lies = step.window.as_ref().zip(total).map(|(w, total)| w.classify(total));
    let state = if !input.stop_flags.is_empty() {
        State::Stop { reasons: input.stop_flags.to_vec() }
    } else if !blocking.is_empty() {
        State::Hold { reasons: blocking }
    } else {
        next_state(&Situation {
            input,
            window: step.window.as_ref(),
            last_cycle: step.last_cycle,
            total_gy: total.unwrap_or(0.0),
            next_value_gy,
            gy_per_gbq: prediction.gy_per_gbq,
            g,
            radiobiology,
            complete: &complete,
        })
    };
    if let State::Continue { activity_gbq, .. } = &state
        && *activity_gbq < protocol.activity.min_gbq
    {
        warnings.push(format!(
            "the activity found, {activity_gbq:.3} GBq, lies below the protocol's least of {} GBq",
            protocol.activity.min_gbq
        ));
    }

    if judged_step == step_index {
        for outcome in rules.iter().filter(|r| r.answer == Answer::Fail && r.overridden.is_none()) {
            warnings.push(format!("entry rule `{}` of this step fails today: {}", outcome.rule, outcome.reason));
        }
    }

    let exceedance_now = step.window.as_ref().zip(total).map(|(w, total)| exceedance(w, total, &sum.sigma));
    let exceedance_next = step.window.as_ref().zip(total).map(|(w, total)| {
        let sensitivity = match quantity {
            LimitQuantity::Bed => radiobiology.bed_sensitivity(next_dose_gy, g),
            LimitQuantity::AbsorbedDose => 1.0,
        };
        let own = sensitivity * next_value_gy * prediction.rel_sigma;
        let common = sensitivity * next_value_gy * protocol.uncertainty.systematic_rel;
        let sigma = CumulativeSigma {
            budget_gy: (sum.sigma.budget_gy.powi(2) + own * own + common * common).sqrt(),
            independent_gy: (sum.sigma.independent_gy.powi(2) + own * own + common * common).sqrt(),
            correlated_gy: (sum.sigma.correlated_gy + common).hypot(own),
        };
        exceedance(w, total + next_value_gy, &sigma)
    });

    Ok(Verdict {
        state,
        protocol: format!("{} {}", protocol.id, protocol.version),
        step: step.name.clone(),
        window: step.window,
        lies,
        driver: sum.structure.clone(),
        driver_reason,
        incomplete: structures.iter().any(|s| !s.imputed_cycles.is_empty()),
        structures,
        predictions: all_predictions,
        exceedance_now,
        exceedance_next,
        rules,
        warnings,
        missing,
        overrides: input.overrides.to_vec(),
        open_questions: protocol.open_questions.clone(),
        intended_use: INTENDED_USE,
    })
}

/// Consistency of the input.
fn check(input: &DecisionInput<'_>) -> Result<(), DecisionError> {
    if input.structures.is_empty() {
        return Err(DecisionError::NoOrgan { names: input.protocol.organ.structures.join(", ") });
    }
    for history in input.structures {
        if history.cycles.len() != input.cycles.len() {
            return Err(DecisionError::Cycles {
                structure: history.structure.clone(),
                found: history.cycles.len(),
                expected: input.cycles.len(),
            });
        }
    }
    for entry in input.overrides {
        let problem = if !input.protocol.rules.iter().any(|rule| rule.id == entry.rule) {
            let known: Vec<&str> = input.protocol.rules.iter().map(|r| r.id.as_str()).collect();
            format!("no such rule; the protocol has: {}", known.join(", "))
        } else if entry.reason.trim().is_empty() {
            "the reason is empty; state it".to_owned()
        } else if entry.by.trim().is_empty() {
            "`by` is empty; state who decided".to_owned()
        } else {
            continue;
        };
        return Err(DecisionError::Override { rule: entry.rule.clone(), problem });
    }
    if !(input.reduction_factor > 0.0 && input.reduction_factor <= 1.0) {
        return Err(DecisionError::Value(BedError::OutOfRange {
            name: "reduction_factor",
            value: input.reduction_factor,
            allowed: "above 0 and at most 1",
        }));
    }
    Ok(())
}

/// Index of the structure that drives, and why.
fn pick_driver(
    input: &DecisionInput<'_>,
    structures: &[StructureSum],
    has_combined: bool,
    quantity: LimitQuantity,
) -> (usize, String) {
    let singles = if has_combined { structures.len() - 1 } else { structures.len() };
    if input.protocol.organ.drive == Drive::Combined && has_combined {
        return (singles, "the protocol steers by the mass-weighted mean of all structures".to_owned());
    }
    let value = |s: &StructureSum| match quantity {
        LimitQuantity::Bed => s.total_bed_gy,
        LimitQuantity::AbsorbedDose => s.total_dose_gy.unwrap_or(s.course_dose_gy),
    };
    let highest = (0..singles)
        .max_by(|&a, &b| value(&structures[a]).total_cmp(&value(&structures[b])).then(b.cmp(&a)))
        .unwrap_or(0);
    let reason = if singles == 1 {
        "the only structure of the organ".to_owned()
    } else {
        let others: Vec<String> = (0..singles)
            .filter(|&s| s != highest)
            .map(|s| format!("{} {:.2} Gy", structures[s].structure, value(&structures[s])))
            .collect();
        format!("the higher one, {:.2} Gy (others: {})", value(&structures[highest]), others.join(", "))
    };
    (highest, reason)
}

/// Deviations that do not stop anything.
fn protocol_warnings(input: &DecisionInput<'_>) -> Vec<String> {
    let protocol = input.protocol;
    let mut warnings = Vec::new();
    for (index, cycle) in input.cycles.iter().enumerate() {
        let number = index + 1;
        if let Some(interval_d) = cycle.interval_d {
            warnings.extend(interval_warning(protocol, number, interval_d));
            if interval_d < ADDITIVE_INTERVAL_D {
                warnings.push(format!(
                    "cycle {number} came {interval_d} d after the one before: below {ADDITIVE_INTERVAL_D} d the \
                     cross term of repair between cycles is not assured to be negligible"
                ));
            }
        }
        if let Some(prescribed) = cycle.prescribed_gbq
            && !activity_as_intended(cycle.administered_gbq, prescribed, protocol.activity.tolerance_rel)
        {
            warnings.push(format!(
                "cycle {number}: {} GBq given, {prescribed} GBq prescribed: {:+.1} %, tolerance {:.0} %",
                cycle.administered_gbq,
                100.0 * (cycle.administered_gbq / prescribed - 1.0),
                100.0 * protocol.activity.tolerance_rel
            ));
        }
    }
    if input.cycles.len() > protocol.max_cycles as usize {
        warnings.push(format!(
            "{} cycles given, protocol `{}` has at most {}",
            input.cycles.len(),
            protocol.id,
            protocol.max_cycles
        ));
    }
    warnings
}

/// What is missing, and which of it forbids a decision.
fn missing_items(input: &DecisionInput<'_>, driver: &StructureSum, dose_unknown: bool) -> (Vec<String>, Vec<String>) {
    let mut missing = Vec::new();
    let mut blocking = Vec::new();
    for history in input.structures {
        for (index, cycle) in history.cycles.iter().enumerate() {
            if cycle.is_none() {
                missing.push(format!("cycle {}: no dose for {}", index + 1, history.structure));
            }
        }
    }
    if !driver.imputed_cycles.is_empty() || !missing.is_empty() {
        blocking.push(format!(
            "dosimetry is missing ({}); the cumulative value holds predicted doses in its place and is incomplete",
            missing.join("; ")
        ));
    }
    if dose_unknown {
        let line = "a prior treatment states no absorbed dose, and the limit is an absorbed dose".to_owned();
        missing.push(line.clone());
        blocking.push(line);
    }
    (missing, blocking)
}

/// What the state machine looks at.
struct Situation<'a> {
    input: &'a DecisionInput<'a>,
    window: Option<&'a DoseWindow>,
    last_cycle: Option<u32>,
    total_gy: f64,
    next_value_gy: f64,
    gy_per_gbq: f64,
    g: f64,
    radiobiology: Radiobiology,
    complete: &'a dyn Fn(String) -> State,
}

/// Rules 2 to 4 of the state machine; stop and hold have been dealt with.
fn next_state(s: &Situation<'_>) -> State {
    let protocol = s.input.protocol;
    let given = s.input.cycles.len();
    if let Some(window) = s.window {
        let lies = window.classify(s.total_gy);
        if lies != Window::Below || (window.lower_gy.is_none() && s.total_gy >= window.upper_gy) {
            return (s.complete)(format!("{:.2} Gy lies {}", s.total_gy, lies.word()));
        }
    }
    if let Some(last) = s.last_cycle
        && given >= last as usize
    {
        return (s.complete)(format!("{given} of {last} cycles given"));
    }
    if given >= protocol.max_cycles as usize {
        return (s.complete)(format!("{given} cycles given, the protocol's most"));
    }
    let Some(window) = s.window else {
        return State::Continue {
            activity_gbq: protocol.activity.standard_gbq,
            predicted_cumulative_gy: None,
            predicted_lies: None,
        };
    };
    if let ActivityRule::SpreadTarget { cycles } = protocol.activity.rule {
        let left = cycles.saturating_sub(u32::try_from(given).unwrap_or(u32::MAX)).max(1);
        let activity_gbq =
            spread_activity_gbq(window.target_gy, s.total_gy, left, s.gy_per_gbq, s.input.reduction_factor)
                .min(protocol.activity.max_gbq);
        let after = s.total_gy + value_of_dose(s, activity_gbq * s.gy_per_gbq);
        return State::Continue {
            activity_gbq,
            predicted_cumulative_gy: Some(after),
            predicted_lies: Some(window.classify(after)),
        };
    }
    let after = s.total_gy + s.next_value_gy;
    if after <= window.upper_gy {
        return State::Continue {
            activity_gbq: protocol.activity.standard_gbq,
            predicted_cumulative_gy: Some(after),
            predicted_lies: Some(window.classify(after)),
        };
    }
    conflict(s, window, after)
}

/// The step's quantity of a dose.
fn value_of_dose(s: &Situation<'_>, dose_gy: f64) -> f64 {
    match step_quantity(s.window) {
        LimitQuantity::Bed => s.radiobiology.bed_gy(dose_gy, s.g),
        LimitQuantity::AbsorbedDose => dose_gy,
    }
}

/// The three ways out.
fn conflict(s: &Situation<'_>, window: &DoseWindow, after_gy: f64) -> State {
    let protocol = s.input.protocol;
    let (reduced_gbq, reduced_gy) = match window.quantity {
        LimitQuantity::Bed => reduced_activity(&s.radiobiology, s.g, s.total_gy, window.target_gy, s.gy_per_gbq),
        LimitQuantity::AbsorbedDose => {
            let dose = (window.target_gy - s.total_gy).max(0.0);
            (dose / s.gy_per_gbq, dose)
        }
    };
    let reduced_total = s.total_gy + value_of_dose(s, reduced_gy);
    let option = |option, activity_gbq, next_dose_gy, cumulative_gy, note: String| ConflictOption {
        option,
        activity_gbq,
        next_dose_gy,
        cumulative_gy,
        lies: window.classify(cumulative_gy),
        note,
    };
    let small = if reduced_gbq < protocol.activity.min_gbq {
        format!("; below the protocol's least activity of {} GBq", protocol.activity.min_gbq)
    } else {
        String::new()
    };
    State::Conflict {
        options: vec![
            option("stop-below", 0.0, 0.0, s.total_gy, "no further cycle in this step".to_owned()),
            option(
                "reduced-activity",
                reduced_gbq,
                reduced_gy,
                reduced_total,
                format!("reaches the target of {} Gy{small}", window.target_gy),
            ),
            option(
                "accept-overshoot",
                protocol.activity.standard_gbq,
                s.gy_per_gbq * protocol.activity.standard_gbq,
                after_gy,
                format!("passes the upper edge of {} Gy by {:.2} Gy", window.upper_gy, after_gy - window.upper_gy),
            ),
        ],
        by_policy: match protocol.conflict_policy {
            ConflictPolicy::Ask => None,
            ConflictPolicy::StopBelow => Some("stop-below"),
            ConflictPolicy::ReducedActivity => Some("reduced-activity"),
            ConflictPolicy::AcceptOvershoot => Some("accept-overshoot"),
        },
    }
}

/// Probabilities against a window.
fn exceedance(window: &DoseWindow, value_gy: f64, sigma: &CumulativeSigma) -> Exceedance {
    let above = |s: f64| probability_above(value_gy, s, window.upper_gy);
    let inside = |s: f64| window.lower_gy.map(|lower| probability_inside(value_gy, s, lower, window.upper_gy));
    Exceedance {
        value_gy,
        sigma_gy: sigma.budget_gy,
        above_independent: above(sigma.independent_gy),
        above_correlated: above(sigma.correlated_gy),
        above_budget: above(sigma.budget_gy),
        inside_independent: inside(sigma.independent_gy),
        inside_correlated: inside(sigma.correlated_gy),
    }
}
