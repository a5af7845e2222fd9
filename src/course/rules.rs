//! Rules on patient facts: each gives pass, fail or unknown, with the reason.
//!
//! Unknown never counts as pass. An override is recorded beside the answer it overrides.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::bounds::{self, BoundsError};

/// A fact about the patient.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a fact is a number, or true or false")]
pub enum Fact {
    /// Yes or no.
    Flag(bool),
    /// A number, unit in the fact's name.
    Number(f64),
}

/// Facts by name (`gfr_ml_min`, `age_years`, `diabetes`).
pub type Facts = BTreeMap<String, Fact>;

/// What a rule requires of a fact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Test {
    /// The number is above this.
    Above(f64),
    /// The number is this or above.
    AtLeast(f64),
    /// The number is below this.
    Below(f64),
    /// The number is this or below.
    AtMost(f64),
    /// The flag is false.
    IsFalse(bool),
    /// The flag is true.
    IsTrue(bool),
    /// The number has fallen from its baseline by at most this share of the baseline.
    FallAtMost {
        /// Name of the baseline fact.
        baseline: String,
        /// Largest share, in [0, 1].
        share: f64,
    },
}

/// One rule of a protocol.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Identifier, for overrides.
    pub id: String,
    /// What it is about, in a word or two: `GFR`, `toxicity`; the identifier where it is left out.
    #[serde(default)]
    pub name: String,
    /// The rule in words.
    pub text: String,
    /// The fact it reads.
    pub fact: String,
    /// What it requires.
    pub test: Test,
    /// Where it is from.
    pub source: String,
    /// Whether it must hold for every cycle, not only to enter a step: kidneys, blood, toxicity.
    #[serde(default)]
    pub safety: bool,
}

/// The answer of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Met.
    Pass,
    /// Not met.
    Fail,
    /// A fact is missing.
    Unknown,
}

/// A physician's decision against a rule's answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// The rule's identifier.
    pub rule: String,
    /// Why: not empty.
    pub reason: String,
    /// Who: not empty.
    pub by: String,
}

/// A rule's answer with its reason and, where there is one, the override.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RuleOutcome {
    /// The rule's identifier.
    pub rule: String,
    /// What it is about, in a word or two.
    pub name: String,
    /// The rule in words.
    pub text: String,
    /// The answer from the facts, regardless of overrides.
    pub answer: Answer,
    /// Why, with the numbers.
    pub reason: String,
    /// The override, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overridden: Option<Override>,
}

/// Whether a patient may enter a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Eligibility {
    /// All rules pass or are overridden.
    Eligible,
    /// At least one rule fails.
    NotEligible,
    /// No rule fails, at least one is unknown.
    NotAssessable,
}

impl Rule {
    /// Refuses a limit that is always or never met by values possible in a patient.
    pub fn limit_in_bounds(&self) -> Result<(), BoundsError> {
        let what = format!("rules.{}.test", self.id);
        match &self.test {
            Test::Above(limit) | Test::AtLeast(limit) | Test::Below(limit) | Test::AtMost(limit) => {
                bounds::fact(&what, &self.fact, *limit)
            }
            Test::FallAtMost { share, .. } => bounds::share(&what, *share),
            Test::IsFalse(_) | Test::IsTrue(_) => Ok(()),
        }
    }

    /// The facts that it reads, and whether each is a number.
    pub fn facts(&self) -> Vec<(String, bool)> {
        let own = (self.fact.clone(), !matches!(self.test, Test::IsFalse(_) | Test::IsTrue(_)));
        match &self.test {
            Test::FallAtMost { baseline, .. } => vec![own, (baseline.clone(), true)],
            _ => vec![own],
        }
    }

    /// The answer for `facts`.
    pub fn answer(&self, facts: &Facts) -> (Answer, String) {
        let Some(fact) = facts.get(&self.fact) else {
            return (Answer::Unknown, format!("`{}` is not stated", self.fact));
        };
        let number = |f: &dyn Fn(f64) -> (bool, String)| match fact {
            Fact::Number(value) if value.is_finite() => verdict(f(*value)),
            Fact::Number(value) => (Answer::Unknown, format!("`{}` = {value} is no number", self.fact)),
            Fact::Flag(_) => (Answer::Unknown, format!("`{}` is a flag, a number is needed", self.fact)),
        };
        let flag = |wanted: bool| match fact {
            Fact::Flag(value) => verdict((*value == wanted, format!("`{}` is {value}", self.fact))),
            Fact::Number(_) => (Answer::Unknown, format!("`{}` is a number, true or false is needed", self.fact)),
        };
        let name = &self.fact;
        match &self.test {
            Test::Above(limit) => number(&|v| (v > *limit, format!("{name} = {v}, must be above {limit}"))),
            Test::AtLeast(limit) => number(&|v| (v >= *limit, format!("{name} = {v}, must be at least {limit}"))),
            Test::Below(limit) => number(&|v| (v < *limit, format!("{name} = {v}, must be below {limit}"))),
            Test::AtMost(limit) => number(&|v| (v <= *limit, format!("{name} = {v}, must be at most {limit}"))),
            Test::IsFalse(_) => flag(false),
            Test::IsTrue(_) => flag(true),
            Test::FallAtMost { baseline, share } => match facts.get(baseline) {
                Some(Fact::Number(before)) if before.is_finite() && *before > 0.0 => number(&|v| {
                    let fall = (before - v) / before;
                    let change = if fall > 0.0 { "fell" } else { "rose" };
                    let words = format!(
                        "{name} {change} from {before} to {v}, by {:.1} %, may fall by {:.1} %",
                        100.0 * fall.abs(),
                        100.0 * share
                    );
                    // The limit itself passes: 85 -> 51 is 40 % despite rounding.
                    (fall <= share + 1e-9, words)
                }),
                _ => (Answer::Unknown, format!("`{baseline}` is not stated as a positive number")),
            },
        }
    }

    /// The answer with its override, if `overrides` hold one for this rule.
    pub fn outcome(&self, facts: &Facts, overrides: &[Override]) -> RuleOutcome {
        let (answer, reason) = self.answer(facts);
        RuleOutcome {
            rule: self.id.clone(),
            name: if self.name.is_empty() { self.id.clone() } else { self.name.clone() },
            text: self.text.clone(),
            answer,
            reason,
            overridden: overrides.iter().find(|o| o.rule == self.id).cloned(),
        }
    }
}

fn verdict((pass, reason): (bool, String)) -> (Answer, String) {
    (if pass { Answer::Pass } else { Answer::Fail }, reason)
}

/// Eligibility from the outcomes: an overridden rule counts as met, and stays visible.
pub fn eligibility(outcomes: &[RuleOutcome]) -> Eligibility {
    let open = || outcomes.iter().filter(|o| o.overridden.is_none());
    if open().any(|o| o.answer == Answer::Fail) {
        Eligibility::NotEligible
    } else if open().any(|o| o.answer == Answer::Unknown) {
        Eligibility::NotAssessable
    } else {
        Eligibility::Eligible
    }
}
