//! The verdict on a course: what the protocol's limits and rules say, with numbers and uncertainty.
//!
//! Decision support: lists options, reasons and missing information; it never prescribes. States and their order:
//! docs/methods/course.md, section "States".

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::bed::{BedError, DoseWindow, LimitQuantity, Window};
use crate::fault::{Explained, Fault, FaultKind, explained};
use crate::note::{Note, in_record};

use super::ledger::{LedgerError, PriorTreatment};
use super::predict::{Prediction, predictions};
use super::protocol::Protocol;
use super::rules::{Answer, Eligibility, Facts, Override, RuleOutcome, eligibility};
use super::uncertainty::{
    CumulativeSigma, CycleUncertainty, DrawnSum, drawn_sum, drawn_sums_gy, probability_above, probability_inside,
};

mod checks;
mod gates;
mod headline;
mod implausible;
mod state;
mod sums;

pub use checks::{activity_as_intended, check_choices, check_facts, interval_warning};
pub use gates::{Gate, GateKind};
pub use implausible::implausible_dose;
pub use state::{reduced_activity, spread_activity_gbq};

/// The statement on every verdict.
pub const INTENDED_USE: &str = "Decision support: options and numbers for the treating physician, who decides. \
Not a prescription; not a certified medical device.";

/// Shortest interval, d, for which cycles are added without a cross term.
pub const ADDITIVE_INTERVAL_D: i64 = 42;

/// Why no verdict is possible.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DecisionError {
    /// The course names a step the protocol does not have.
    Step {
        /// Step asked for, from 1.
        step: usize,
        /// Protocol.
        protocol: String,
        /// Steps it has.
        steps: usize,
    },
    /// A structure's list of cycles differs in length from the course's.
    Cycles {
        /// Structure.
        structure: String,
        /// Entries found.
        found: usize,
        /// Cycles given.
        expected: usize,
    },
    /// No structure of the dose-limiting organ has a dose.
    NoOrgan {
        /// The names looked for.
        names: String,
    },
    /// An override that lacks a rule, a reason or a name.
    Override {
        /// The rule.
        rule: String,
        /// The field of the entry.
        field: &'static str,
        /// What it holds.
        found: String,
        /// What it may hold.
        allowed: String,
    },
    /// A fact that no protocol knows, or of another kind.
    Fact {
        /// Its name.
        name: String,
        /// What was found.
        found: String,
        /// What is allowed.
        allowed: String,
        /// The next step.
        next: String,
    },
    /// A ledger entry.
    Ledger(#[from] LedgerError),
    /// A number outside its range.
    Value(#[from] BedError),
}

explained!(DecisionError);

impl Explained for DecisionError {
    fn fault(&self) -> Fault {
        match self {
            Self::Step { step, protocol, steps } => Fault::invalid(
                "",
                "step",
                step.to_string(),
                format!("1 to {steps} (protocol {protocol})"),
                "Give the step the patient is in.",
            ),
            Self::Cycles { structure, found, expected } => Fault::invalid(
                structure,
                "cycles",
                found.to_string(),
                expected.to_string(),
                "give an entry for every cycle, missing ones as missing",
            )
            .kind(FaultKind::Mismatch)
            .form("structure `{place}` has {found} {field}, the course {allowed}"),
            Self::NoOrgan { names } => Fault::invalid(
                "",
                "regions",
                "none of the steering organ",
                names,
                "Add its label to the label map and its name to label_names, or set organ.structures in a protocol file.",
            )
            .kind(FaultKind::Missing),
            Self::Override { rule, field, found, allowed } => Fault::invalid(
                format!("overrides ({rule})"),
                *field,
                found,
                allowed,
                "Correct the [[overrides]] entry.",
            ),
            Self::Fact { name, found, allowed, next } => {
                Fault::invalid("", format!("patient.facts.{name}"), found, allowed, next)
            }
            Self::Ledger(error) => error.fault(),
            Self::Value(error) => error.fault(),
        }
    }
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
    /// Random relative uncertainty; the protocol's if `None`.
    pub random_rel_sigma: Option<f64>,
    /// Systematic relative uncertainty; the protocol's if `None`.
    pub systematic_rel_sigma: Option<f64>,
}

/// A structure of the dose-limiting organ through the course; a cycle without dosimetry is `None`.
#[derive(Clone, Debug, PartialEq)]
pub struct StructureHistory {
    /// Its name.
    pub structure: String,
    /// One entry per cycle.
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

/// All inputs of a verdict.
#[derive(Clone, Debug)]
pub struct DecisionInput<'a> {
    /// The protocol.
    pub protocol: &'a Protocol,
    /// The step the patient is in, from 1.
    pub step: usize,
    /// Cycles given, in order.
    pub cycles: &'a [GivenCycle],
    /// Structures of the dose-limiting organ.
    pub structures: &'a [StructureHistory],
    /// Prior treatments.
    pub ledger: &'a [PriorTreatment],
    /// Facts about the patient.
    pub facts: &'a Facts,
    /// Reasons found before why the doses cannot be judged: refused fits, another nuclide, times.
    pub gates: &'a [Gate],
    /// Overrides of rules.
    pub overrides: &'a [Override],
    /// Reasons to stop stated by the physician (progression, toxicity, refusal).
    pub stop_flags: &'a [String],
    /// Reduction of a solved activity for impaired kidneys or marrow, as a factor in (0, 1].
    pub reduction_factor: f64,
    /// Draws for probabilities that are skewed as errors are; 0 for none.
    pub draws: usize,
}

/// One option in a conflict.
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

/// State that follows from limits and rules.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// No decision until the reasons are resolved.
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
        /// Cumulative value afterwards, Gy, in the window's quantity; `None` if cycles are counted.
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
        /// The three options.
        options: Vec<ConflictOption>,
        /// The option the protocol's policy names, if it names one.
        by_policy: Option<&'static str>,
    },
}

impl State {
    /// Its word, as the methods chapter and every front end write it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Hold { .. } => "HOLD",
            Self::Stop { .. } => "STOP",
            Self::Continue { .. } => "CONTINUE",
            Self::StepComplete { .. } => "STEP COMPLETE",
            Self::Conflict { .. } => "CONFLICT",
        }
    }
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
    /// BED of prior treatments, Gy.
    pub prior_bed_gy: f64,
    /// Dose of prior treatments, Gy; `None` if not stated.
    pub prior_dose_gy: Option<f64>,
    /// BED in all, Gy.
    pub total_bed_gy: f64,
    /// Dose in all, Gy; `None` if a prior treatment does not state it.
    pub total_dose_gy: Option<f64>,
    /// Standard uncertainty of the total, k = 1, in the step's quantity.
    pub sigma: CumulativeSigma,
    /// The cycles' parts of it.
    #[serde(skip)]
    pub parts: Vec<CycleUncertainty>,
}

/// Probabilities of exceeding the upper edge and of lying inside.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Exceedance {
    /// The value, Gy.
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
    /// P(inside) with the stated budget; none without a lower edge.
    pub inside_budget: Option<f64>,
}

/// A verdict with its numbers and its trace.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// The state.
    #[serde(flatten)]
    pub state: State,
    /// The verdict in one line.
    pub headline: String,
    /// What nobody has assessed: rules without a fact.
    pub not_assessed: Vec<String>,
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
    /// Now, by draws; none where none were asked for.
    pub drawn_now: Option<DrawnSum>,
    /// After the next standard cycle, by draws.
    pub drawn_next: Option<DrawnSum>,
    /// Entry rules of the following step (or of this one) with answers.
    pub rules: Vec<RuleOutcome>,
    /// Deviations from the protocol that do not stop anything: sentences as `warnings`, data as `notes`.
    #[serde(flatten, serialize_with = "in_record")]
    pub warnings: Vec<Note>,
    /// What is missing.
    pub missing: Vec<String>,
    /// Overrides, as recorded.
    pub overrides: Vec<Override>,
    /// The protocol's open questions, and how it resolves them.
    pub open_questions: Vec<String>,
    /// What this is for.
    pub intended_use: &'static str,
}

/// The verdict on the cycles given so far.
///
/// Errors: a step that the protocol does not have; histories whose length differs from the number of cycles; an
/// unusable structure, override or ledger entry; a number outside its range.
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
///     gates: &[],
///     overrides: &[],
///     stop_flags: &[],
///     reduction_factor: 1.0,
///     draws: 0,
/// })?;
/// assert!(matches!(verdict.state, State::Hold { .. }), "a cycle without dosimetry is never zero");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn decide(input: &DecisionInput<'_>) -> Result<Verdict, DecisionError> {
    let protocol = input.protocol;
    checks::check(input)?;
    let step_index = input.step - 1;
    let step = &protocol.steps[step_index];
    let radiobiology = protocol.radiobiology()?;
    let quantity = state::step_quantity(step.window.as_ref());

    let mut histories: Vec<StructureHistory> = input.structures.to_vec();
    let whole = sums::combined(input);
    let singles = histories.len();
    histories.extend(whole.clone());
    let mut structures = Vec::new();
    for (index, history) in histories.iter().enumerate() {
        let prior = sums::prior(input, history, index >= singles, &radiobiology)?;
        structures.push(sums::sum_structure(input, history, prior, &radiobiology, quantity));
    }
    let (driver, driver_reason) = sums::pick_driver(input, &structures, whole.is_some(), quantity);
    let sum = &structures[driver];
    let history = &histories[driver];

    let known = sums::known_doses(input, history);
    let next_number = u32::try_from(input.cycles.len() + 1).unwrap_or(u32::MAX);
    let all_predictions = predictions(&known, &protocol.prior, next_number);
    let prediction = all_predictions[0];
    let g = sums::typical_g(history, &radiobiology);

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

    let mut warnings = checks::protocol_warnings(input);
    let (missing, mut blocking) = checks::missing_items(input, sum, total.is_none() && step.window.is_some());
    if step.window.is_none() {
        blocking.clear();
    }
    let safety = gates::safety_outcomes(input);
    let mut held = gates::reasons(input, &safety, step.window.is_some());
    held.append(&mut blocking);

    let judged_step = (step_index + 1).min(protocol.steps.len() - 1);
    let mut rules: Vec<RuleOutcome> =
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
    } else if !held.is_empty() {
        State::Hold { reasons: held }
    } else {
        state::next_state(&state::Situation {
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
        warnings.push(Note::warning(
            "activity-below-least",
            format!(
                "the activity found, {} GBq, lies below the protocol's least of {} GBq",
                crate::units::rounded(*activity_gbq, 3),
                protocol.activity.min_gbq
            ),
        ));
    }

    if judged_step == step_index {
        for outcome in rules.iter().filter(|r| r.answer == Answer::Fail && r.overridden.is_none()) {
            warnings.push(Note::warning(
                "entry-rule-fails",
                format!("entry rule `{}` of this step fails today: {}", outcome.rule, outcome.reason),
            ));
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

    // the same by draws: errors that cycles have in common reach the next one too
    let fixed_gy = match quantity {
        LimitQuantity::Bed => Some(sum.prior_bed_gy),
        LimitQuantity::AbsorbedDose => sum.prior_dose_gy,
    };
    let by_draws = |parts: &[CycleUncertainty]| -> Option<DrawnSum> {
        let (window, fixed_gy) = step.window.as_ref().zip(fixed_gy).filter(|_| input.draws > 0)?;
        Some(drawn_sum(&drawn_sums_gy(parts, fixed_gy, input.draws), window.lower_gy, window.upper_gy))
    };
    let drawn_now = by_draws(&sum.parts);
    let next_part = CycleUncertainty {
        value_gy: next_value_gy,
        sensitivity: match quantity {
            LimitQuantity::Bed => radiobiology.bed_sensitivity(next_dose_gy, g),
            LimitQuantity::AbsorbedDose => 1.0,
        },
        random_rel_sigma: prediction.rel_sigma,
        systematic_rel_sigma: protocol.uncertainty.systematic_rel,
    };
    let drawn_next = by_draws(&[&sum.parts[..], &[next_part]].concat());

    // a further cycle waits for the rules of safety; the rules of entry concern it where the step is entered
    let about: Vec<&RuleOutcome> = match &state {
        State::StepComplete { .. } => safety.iter().chain(&rules).collect(),
        _ => safety.iter().collect(),
    };
    let not_assessed = headline::not_assessed(protocol, &about);
    let quantity = step.window.map(|window| window.quantity);
    let headline = headline::headline(&state, &protocol.organ.name, quantity, &not_assessed);
    let headline = headline::with_deviations(headline, &state, &warnings);
    rules
        .extend(safety.into_iter().filter(|own| !rules.iter().any(|known| known.rule == own.rule)).collect::<Vec<_>>());
    Ok(Verdict {
        state,
        headline,
        not_assessed,
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
        drawn_now,
        drawn_next,
        rules,
        warnings,
        missing,
        overrides: input.overrides.to_vec(),
        open_questions: protocol.open_questions.clone(),
        intended_use: INTENDED_USE,
    })
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
        inside_budget: inside(sigma.budget_gy),
    }
}
