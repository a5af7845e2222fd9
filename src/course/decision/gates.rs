//! Reasons to hold a course before any dose is judged: doses that cannot be trusted, facts that forbid a further cycle,
//! structures of the dose-limiting organ without a dose. A named person may override each, with a reason.

use super::DecisionInput;
use super::implausible::implausible;
use crate::course::protocol::Protocol;
use crate::course::rules::{Answer, Override, RuleOutcome};
use serde::{Deserialize, Serialize};

/// What a gate is about; its name is what an override calls it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateKind {
    /// A structure of the dose-limiting organ has no dose in any cycle.
    Structure,
    /// The fit of a structure of the dose-limiting organ was refused.
    Fit,
    /// The nuclide used is not that of the images.
    Nuclide,
    /// The times of the scans or a half-life contradict the curve.
    Times,
    /// A stated time, unit or correction contradicts the header of its image.
    Header,
    /// Left and right of a paired organ seem to be exchanged.
    Sides,
    /// A dose per activity far from the population's.
    Dose,
}

impl GateKind {
    /// All kinds.
    pub const ALL: [Self; 7] =
        [Self::Structure, Self::Fit, Self::Nuclide, Self::Times, Self::Header, Self::Sides, Self::Dose];

    /// The name by which `[[overrides]]` calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Structure => "structure",
            Self::Fit => "fit",
            Self::Nuclide => "nuclide",
            Self::Times => "times",
            Self::Header => "header",
            Self::Sides => "sides",
            Self::Dose => "dose",
        }
    }
}

/// A reason to hold that was found before the verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gate {
    /// What it is about.
    pub kind: GateKind,
    /// The reason in one sentence, without a full stop.
    pub reason: String,
}

impl Gate {
    /// A gate of this kind.
    pub fn new(kind: GateKind, reason: impl Into<String>) -> Self {
        Self { kind, reason: reason.into() }
    }
}

/// Names that an override of a course with this protocol may call.
pub(super) fn overridable(protocol: &Protocol) -> Vec<String> {
    let rules = protocol.rules.iter().map(|rule| rule.id.clone());
    rules.chain(GateKind::ALL.map(|kind| kind.name().to_owned())).collect()
}

/// Structures of the organ without a dose in any cycle, where the caller has not said so in its own words.
fn structures(input: &DecisionInput<'_>) -> Vec<Gate> {
    let organ = &input.protocol.organ;
    if input.gates.iter().any(|gate| gate.kind == GateKind::Structure) {
        return Vec::new();
    }
    let judged = |name: &String| input.structures.iter().any(|s| s.structure == *name);
    let reason = |name: &String| {
        format!(
            "no cycle has a region called {name}, and the {} are judged by {}: name it, state an alias in label_names, or \
             override `structure` if the patient has none",
            organ.name,
            organ.structures.join(" and ")
        )
    };
    organ
        .structures
        .iter()
        .filter(|name| !judged(name))
        .map(|name| Gate::new(GateKind::Structure, reason(name)))
        .collect()
}

/// Answers of the protocol's safety rules, which hold in every step.
pub(super) fn safety_outcomes(input: &DecisionInput<'_>) -> Vec<RuleOutcome> {
    let rules = input.protocol.rules.iter().filter(|rule| rule.safety);
    rules.map(|rule| rule.outcome(input.facts, input.overrides)).collect()
}

/// Every reason to hold that nobody overrides: of safety first, then of the doses where a window (`dosed`) judges them.
pub(super) fn reasons(input: &DecisionInput<'_>, safety: &[RuleOutcome], dosed: bool) -> Vec<String> {
    let failed = safety.iter().filter(|rule| rule.answer == Answer::Fail && rule.overridden.is_none());
    let mut reasons: Vec<String> = failed.map(|rule| format!("{}: {}", rule.text, rule.reason)).collect();
    if dosed {
        let open = |gate: &&Gate| !input.overrides.iter().any(|entry: &Override| entry.rule == gate.kind.name());
        let mut gates = structures(input);
        gates.extend(input.gates.iter().cloned());
        gates.extend(implausible(input).iter().map(|note| Gate::new(GateKind::Dose, note.to_string())));
        reasons.extend(gates.iter().filter(open).map(|gate| gate.reason.clone()));
    }
    reasons
}
