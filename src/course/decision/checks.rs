//! Checks of the input, deviations from the protocol, and missing items.

use super::implausible::implausible;
use super::{ADDITIVE_INTERVAL_D, DecisionError, DecisionInput, StructureSum};
use crate::bed::BedError;
use crate::course::protocol::Protocol;
use crate::course::rules::{Fact, Facts, Override};
use crate::note::Note;

/// Whether the measured activity is as intended: |A_measured/A_prescribed - 1| <= tolerance.
pub fn activity_as_intended(administered_gbq: f64, prescribed_gbq: f64, tolerance_rel: f64) -> bool {
    (administered_gbq / prescribed_gbq - 1.0).abs() <= tolerance_rel + 1e-12
}

/// Warning for an interval outside the protocol, d.
pub fn interval_warning(protocol: &Protocol, cycle: usize, interval_d: i64) -> Option<Note> {
    let plan = &protocol.interval;
    let (least, most) = (i64::from(plan.min_d), i64::from(plan.max_d));
    (interval_d < least || interval_d > most).then(|| {
        let text = format!(
            "cycle {cycle} came {interval_d} d after the one before; protocol `{}` allows {least} to {most} d",
            protocol.id
        );
        Note::warning("interval-outside-protocol", text)
    })
}

/// Checks what the course file chooses from its protocol: the step and the overrides. Needs no dose, so mistakes are
/// reported before any dose is computed.
pub fn check_choices(protocol: &Protocol, step: usize, overrides: &[Override]) -> Result<(), DecisionError> {
    let steps = protocol.steps.len();
    if !(1..=steps).contains(&step) {
        return Err(DecisionError::Step { step, protocol: protocol.id.clone(), steps });
    }
    for entry in overrides {
        let known = super::gates::overridable(protocol);
        let (field, found, allowed) = if !known.contains(&entry.rule) {
            let allowed = format!("a rule of protocol {} or a reason to hold: {}", protocol.id, known.join(", "));
            ("rule", format!("\"{}\"", entry.rule), allowed)
        } else if entry.reason.trim().is_empty() {
            ("reason", "nothing".to_owned(), "the reason in words".to_owned())
        } else if entry.by.trim().is_empty() {
            ("by", "nothing".to_owned(), "who decided".to_owned())
        } else {
            continue;
        };
        return Err(DecisionError::Override { rule: entry.rule.clone(), field, found, allowed });
    }
    Ok(())
}

/// Refuses a fact that neither this protocol nor a built-in one knows, and one of another kind: a misspelt fact must not
/// count as unknown.
pub fn check_facts(protocol: &Protocol, facts: &Facts) -> Result<(), DecisionError> {
    let known = protocol.known_facts();
    for (name, fact) in facts {
        let refused = |found: String, allowed: String, next: String| {
            Err(DecisionError::Fact { name: name.clone(), found, allowed, next })
        };
        let Some(number) = known.get(name) else {
            let names: Vec<&str> = known.keys().map(String::as_str).collect();
            let near = names.iter().map(|other| (strsim::osa_distance(other, name), other)).min();
            let starts = names.iter().filter(|other| other.starts_with(&format!("{name}_"))).min_by_key(|o| o.len());
            let near = starts.or(near.filter(|(distance, other)| *distance <= 1 + other.len() / 4).map(|(_, o)| o));
            let next = near.map_or_else(
                || "A protocol file with a rule on it makes it known.".to_owned(),
                |other| format!("Did you mean {other}?"),
            );
            return refused("an unknown fact".to_owned(), names.join(", "), next);
        };
        match (number, fact) {
            (true, Fact::Flag(flag)) => {
                return refused(flag.to_string(), "a number".to_owned(), "Its name says the unit.".to_owned());
            }
            (false, Fact::Number(value)) => {
                let next = "Write true where it applies to the patient.".to_owned();
                return refused(value.to_string(), "true or false".to_owned(), next);
            }
            _ => {}
        }
    }
    Ok(())
}

/// Consistency of the input.
pub(super) fn check(input: &DecisionInput<'_>) -> Result<(), DecisionError> {
    check_choices(input.protocol, input.step, input.overrides)?;
    check_facts(input.protocol, input.facts)?;
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
    if !(input.reduction_factor > 0.0 && input.reduction_factor <= 1.0) {
        return Err(DecisionError::Value(BedError::OutOfRange {
            name: "reduction_factor",
            value: input.reduction_factor,
            allowed: "above 0 and at most 1",
        }));
    }
    Ok(())
}

/// Deviations that do not stop anything.
pub(super) fn protocol_warnings(input: &DecisionInput<'_>) -> Vec<Note> {
    let protocol = input.protocol;
    let mut warnings = Vec::new();
    let organ = &protocol.organ;
    let judged = |name: &String| input.structures.iter().any(|s| s.structure == *name);
    for entry in input.ledger.iter().filter(|entry| entry.structure != organ.name && !judged(&entry.structure)) {
        warnings.push(Note::warning(
            "prior-treatment-elsewhere",
            format!(
                "prior treatment `{}` is for {}, which does not steer this course: it is in no sum here",
                entry.what, entry.structure
            ),
        ));
    }
    warnings.extend(implausible(input));
    for (index, cycle) in input.cycles.iter().enumerate() {
        let number = index + 1;
        if let Some(interval_d) = cycle.interval_d {
            warnings.extend(interval_warning(protocol, number, interval_d));
            if interval_d < ADDITIVE_INTERVAL_D {
                warnings.push(Note::warning(
                    "interval-short",
                    format!(
                        "cycle {number} came {interval_d} d after the one before: below {ADDITIVE_INTERVAL_D} d the \
                     cross term of repair between cycles is not assured to be negligible"
                    ),
                ));
            }
        }
        if let Some(prescribed) = cycle.prescribed_gbq
            && !activity_as_intended(cycle.administered_gbq, prescribed, protocol.activity.tolerance_rel)
        {
            warnings.push(
                Note::warning(
                    "activity-not-as-prescribed",
                    format!(
                        "{} GBq given, {prescribed} GBq prescribed: {:+.1} %, tolerance {:.0} %",
                        cycle.administered_gbq,
                        100.0 * (cycle.administered_gbq / prescribed - 1.0),
                        100.0 * protocol.activity.tolerance_rel
                    ),
                )
                .at(format!("cycle {number}")),
            );
        }
    }
    if input.cycles.len() > protocol.max_cycles as usize {
        warnings.push(Note::warning(
            "too-many-cycles",
            format!(
                "{} cycles given, protocol `{}` has at most {}",
                input.cycles.len(),
                protocol.id,
                protocol.max_cycles
            ),
        ));
    }
    warnings
}

/// Missing items, and which of them prevent a decision.
pub(super) fn missing_items(
    input: &DecisionInput<'_>,
    driver: &StructureSum,
    dose_unknown: bool,
) -> (Vec<String>, Vec<String>) {
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
