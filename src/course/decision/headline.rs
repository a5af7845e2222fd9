//! The verdict in one line: what the doses permit, and what nobody has assessed.

use super::State;
use crate::bed::LimitQuantity;
use crate::course::protocol::Protocol;
use crate::course::rules::{Answer, Eligibility, RuleOutcome};
use crate::note::Note;

/// What a protocol without rules of safety leaves to the physician.
const WITHOUT_RULES: &str = "GFR, blood count and toxicity (the protocol has no rule on them)";

/// Names of the rules without an answer, each once; what no rule of the protocol asks for is named too.
pub(super) fn not_assessed(protocol: &Protocol, rules: &[&RuleOutcome]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for rule in rules.iter().filter(|rule| rule.answer == Answer::Unknown && rule.overridden.is_none()) {
        if !names.contains(&rule.name) {
            names.push(rule.name.clone());
        }
    }
    if !protocol.rules.iter().any(|rule| rule.safety) {
        names.push(WITHOUT_RULES.to_owned());
    }
    names
}

/// Deviations from the protocol that a verdict must not stand beside unsaid.
const DEVIATIONS: [&str; 3] = ["interval-short", "activity-not-as-prescribed", "too-many-cycles"];

/// The line with the first deviation from the protocol in it; a course that is held or stopped says its own reasons.
pub(super) fn with_deviations(headline: String, state: &State, warnings: &[Note]) -> String {
    if matches!(state, State::Hold { .. } | State::Stop { .. }) {
        return headline;
    }
    let mut deviations = warnings.iter().filter(|note| DEVIATIONS.contains(&note.code.as_ref()));
    let Some(first) = deviations.next() else { return headline };
    let others = match deviations.count() {
        0 => String::new(),
        1 => " (and one more)".to_owned(),
        more => format!(" (and {more} more among the warnings)"),
    };
    let text = first.to_string();
    let short = text.split_once(": below").map_or(text.as_str(), |(short, _)| short);
    format!("{headline} Not as the protocol has it: {short}{others}.")
}

/// The line.
pub(super) fn headline(state: &State, organ: &str, quantity: Option<LimitQuantity>, not_assessed: &[String]) -> String {
    let of_organ = match quantity {
        Some(LimitQuantity::Bed) => format!("The BED of the {organ}"),
        Some(LimitQuantity::AbsorbedDose) => format!("The absorbed dose of the {organ}"),
        None => "The number of cycles".to_owned(),
    };
    let first = match state {
        State::Hold { reasons } => {
            let others = match reasons.len() {
                0 | 1 => String::new(),
                2 => " (and one more reason)".to_owned(),
                more => format!(" (and {} more reasons)", more - 1),
            };
            return format!("HOLD: {}{others}.", reasons.first().map_or("not assessable", String::as_str));
        }
        State::Stop { reasons } => return format!("STOP, as the physician states: {}.", reasons.join("; ")),
        State::Continue { activity_gbq, .. } => {
            format!("{of_organ} permits another cycle of {} GBq.", crate::units::rounded(*activity_gbq, 3))
        }
        State::StepComplete { step, next_step, eligibility, .. } => {
            let next = match (next_step, eligibility) {
                (Some(next), Some(Eligibility::Eligible)) => format!(" The patient may enter {next}."),
                (Some(next), Some(Eligibility::NotEligible)) => {
                    format!(" The patient may not enter {next}: a rule fails.")
                }
                (Some(next), _) => format!(" Whether the patient may enter {next} is not known."),
                _ => " The protocol has no further step.".to_owned(),
            };
            format!("{of_organ} completes {step}.{next}")
        }
        State::Conflict { .. } => {
            format!(
                "{of_organ} lies below the window, and a further standard cycle would pass it: a physician decides."
            )
        }
    };
    match not_assessed {
        [] => first,
        names => format!("{first} Not assessed: {}.", names.join(", ")),
    }
}
