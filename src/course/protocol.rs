//! Treatment protocols as data: activity, intervals, limits, rules. A TOML file each.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::bed::{BedError, DoseWindow, Radiobiology};
use crate::fault::{Explained, Fault, FaultKind, explained};

use super::predict::Prior;
use super::rules::Rule;

/// Why a protocol cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// Not valid TOML, a field unknown, missing or of another type.
    Parse {
        /// The file or the built-in name.
        file: String,
        /// What is wrong and where.
        message: String,
    },
    /// A value outside its range.
    Value {
        /// The file or the built-in name.
        file: String,
        /// The field.
        field: String,
        /// Value found.
        found: String,
        /// Values allowed.
        allowed: String,
    },
    /// A name that is not a built-in protocol.
    Unknown {
        /// The name.
        name: String,
        /// The names known.
        known: String,
    },
}

explained!(ProtocolError);

impl Explained for ProtocolError {
    fn fault(&self) -> Fault {
        const FORM: &str = "protocol {place}: {field}: found {found}; allowed: {allowed}";
        match self {
            Self::Parse { file, message } => Fault::invalid(
                file,
                "TOML",
                message,
                "the fields of docs/methods/course.md, section 5",
                "Compare with a built-in protocol.",
            )
            .kind(FaultKind::Syntax)
            .form(FORM),
            Self::Value { file, field, found, allowed } => {
                Fault::invalid(file, field, found, allowed, "Correct the protocol file.").form(FORM)
            }
            Self::Unknown { name, known } => Fault::invalid(
                "",
                "protocol",
                format!("{name:?}, which is not built in"),
                known,
                "A protocol of one's own is a file: protocol_file = \"mine.toml\" in COURSE.toml.",
            )
            .kind(FaultKind::Unknown),
        }
    }
}

/// How the activity of the next cycle is determined.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ActivityRule {
    /// The standard activity every cycle.
    Fixed,
    /// The activity that spreads the remaining target dose over the remaining cycles.
    SpreadTarget {
        /// Cycles over which the target is reached.
        cycles: u32,
    },
}

/// Activity per cycle.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActivityPlan {
    /// Standard activity, GBq.
    pub standard_gbq: f64,
    /// Least activity, GBq: a solved activity below it is flagged.
    pub min_gbq: f64,
    /// Greatest activity, GBq: a solved activity is capped there.
    pub max_gbq: f64,
    /// Accepted relative difference of measured and prescribed activity.
    pub tolerance_rel: f64,
    /// How the next activity is determined.
    pub rule: ActivityRule,
}

/// Time between cycles, days.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntervalPlan {
    /// As planned, d.
    pub nominal_d: u32,
    /// Shortest, d: a shorter one is a warning.
    pub min_d: u32,
    /// Longest, d: a longer one is a warning.
    pub max_d: u32,
}

/// Which structure drives a paired organ's limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Drive {
    /// The structure with the higher cumulative value, each taken alone.
    Higher,
    /// The mass-weighted mean of all structures.
    Combined,
}

/// The dose-limiting organ, whose limit governs the course.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrganPlan {
    /// Its name in words.
    pub name: String,
    /// Structures that belong to it, by label name.
    pub structures: Vec<String>,
    /// Which of them drives.
    pub drive: Drive,
    /// alpha/beta, Gy.
    pub alpha_beta_gy: f64,
    /// Repair half-life, h.
    pub repair_half_life_h: f64,
    /// Where these are from.
    pub source: String,
}

/// What to do if the next standard cycle would exceed the upper edge before the lower is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConflictPolicy {
    /// List the options and recommend none.
    Ask,
    /// Stop below.
    StopBelow,
    /// A reduced activity that reaches the target.
    ReducedActivity,
    /// Give the standard activity and accept the overshoot.
    AcceptOvershoot,
}

/// One step of a course.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Name.
    pub name: String,
    /// The window that ends it; `None` if cycles are counted.
    #[serde(default)]
    pub window: Option<DoseWindow>,
    /// Cycles (of the whole course) after which the step ends; `None` if a window ends it.
    #[serde(default)]
    pub last_cycle: Option<u32>,
    /// Rules for entering the step, by identifier.
    #[serde(default)]
    pub entry_rules: Vec<String>,
}

/// Relative uncertainty of an organ dose where a cycle states none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UncertaintyPlan {
    /// Random part.
    pub random_rel: f64,
    /// Systematic part.
    pub systematic_rel: f64,
    /// Systematic part of a cycle with one image; as `systematic_rel` where it is left out.
    #[serde(default)]
    pub one_image_rel: Option<f64>,
    /// Where these are from.
    pub source: String,
}

/// A protocol.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Protocol {
    /// Layout of the file: 1.
    pub schema: u32,
    /// Identifier.
    pub id: String,
    /// Version of the data.
    pub version: String,
    /// Title.
    pub title: String,
    /// Where it is from.
    pub source: String,
    /// What the source leaves open and how this file resolves it.
    #[serde(default)]
    pub open_questions: Vec<String>,
    /// Version of the toxicity grading the protocol uses.
    pub toxicity_grading: String,
    /// Nuclide of the therapy and of the population behind its numbers; a course of another is held. None for a protocol of
    /// any nuclide.
    #[serde(default)]
    pub nuclide: Option<String>,
    /// Activity per cycle.
    pub activity: ActivityPlan,
    /// Time between cycles.
    pub interval: IntervalPlan,
    /// The dose-limiting organ.
    pub organ: OrganPlan,
    /// Cycles at most.
    pub max_cycles: u32,
    /// What to do in a conflict.
    pub conflict_policy: ConflictPolicy,
    /// Prior knowledge before the first cycle.
    pub prior: Prior,
    /// Uncertainty of an organ dose where none is stated.
    pub uncertainty: UncertaintyPlan,
    /// The steps, in order; at least one.
    pub steps: Vec<Step>,
    /// The rules.
    #[serde(default)]
    pub rules: Vec<Rule>,
}

/// The protocols built into the program: name and file.
pub const BUILT_IN: [(&str, &str); 6] = [
    ("iluminet", include_str!("../../assets/protocols/iluminet.toml")),
    ("uppsala-23gy", include_str!("../../assets/protocols/uppsala-23gy.toml")),
    ("p-prrt", include_str!("../../assets/protocols/p-prrt.toml")),
    ("netter-fixed4", include_str!("../../assets/protocols/netter-fixed4.toml")),
    ("reluth", include_str!("../../assets/protocols/reluth.toml")),
    ("custom", include_str!("../../assets/protocols/custom.toml")),
];

impl Protocol {
    /// A built-in protocol by name.
    pub fn built_in(name: &str) -> Result<Self, ProtocolError> {
        let (_, text) = BUILT_IN.iter().find(|(known, _)| *known == name).ok_or_else(|| {
            let known: Vec<&str> = BUILT_IN.iter().map(|(known, _)| *known).collect();
            ProtocolError::Unknown { name: name.to_owned(), known: known.join(", ") }
        })?;
        Self::parse(text, name)
    }

    /// A protocol from TOML text; `file` names it in errors.
    pub fn parse(text: &str, file: &str) -> Result<Self, ProtocolError> {
        let (tokens, limit) = (crate::text::tokens(text), crate::text::MAX_TOKENS);
        if tokens > limit {
            return Err(ProtocolError::Value {
                file: file.to_owned(),
                field: "text".to_owned(),
                found: format!("{tokens} tokens (brackets, commas, signs, words, lines)"),
                allowed: format!("at most {limit}"),
            });
        }
        let protocol: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(String::new(), |span| {
                format!("line {}: ", text.get(..span.start).unwrap_or_default().matches('\n').count() + 1)
            });
            ProtocolError::Parse {
                file: file.to_owned(),
                message: format!("{line}{}", crate::text::missing::words::<Self>(text, &error)),
            }
        })?;
        protocol.validate(file)?;
        Ok(protocol)
    }

    /// The radiobiology of the dose-limiting organ.
    pub fn radiobiology(&self) -> Result<Radiobiology, BedError> {
        Radiobiology::new(self.organ.alpha_beta_gy, self.organ.repair_half_life_h)
    }

    /// Facts that a rule of this protocol or of a built-in one reads, and whether each is a number.
    pub fn known_facts(&self) -> BTreeMap<String, bool> {
        let built_in = BUILT_IN.iter().filter_map(|(name, _)| Self::built_in(name).ok());
        built_in
            .flat_map(|protocol| protocol.rules)
            .chain(self.rules.iter().cloned())
            .flat_map(|rule| rule.facts())
            .collect()
    }

    /// Systematic uncertainty of a dose from so many images; of several where the number is not known.
    pub fn systematic_rel(&self, images: Option<usize>) -> f64 {
        let plan = &self.uncertainty;
        plan.one_image_rel.filter(|_| images == Some(1)).unwrap_or(plan.systematic_rel)
    }

    /// The rules for entering step `step` (index from 0).
    pub fn entry_rules(&self, step: usize) -> Vec<&Rule> {
        self.steps.get(step).map_or_else(Vec::new, |step| {
            step.entry_rules.iter().filter_map(|id| self.rules.iter().find(|rule| rule.id == *id)).collect()
        })
    }

    fn validate(&self, file: &str) -> Result<(), ProtocolError> {
        let wrong = |field: &str, found: &dyn ToString, allowed: &str| ProtocolError::Value {
            file: file.to_owned(),
            field: field.to_owned(),
            found: found.to_string(),
            allowed: allowed.to_owned(),
        };
        if self.schema != 1 {
            return Err(wrong("schema", &self.schema, "1"));
        }
        let a = &self.activity;
        let positive = [
            ("activity.standard_gbq", a.standard_gbq),
            ("activity.max_gbq", a.max_gbq),
            ("activity.tolerance_rel", a.tolerance_rel),
            ("organ.alpha_beta_gy", self.organ.alpha_beta_gy),
            ("organ.repair_half_life_h", self.organ.repair_half_life_h),
            ("prior.gy_per_gbq", self.prior.gy_per_gbq),
            ("prior.sigma_gy_per_gbq", self.prior.sigma_gy_per_gbq),
        ];
        for (field, value) in positive {
            if !value.is_finite() || value <= 0.0 {
                return Err(wrong(field, &value, "finite and above 0"));
            }
        }
        let shares = [
            ("uncertainty.random_rel", self.uncertainty.random_rel),
            ("uncertainty.systematic_rel", self.uncertainty.systematic_rel),
            ("uncertainty.one_image_rel", self.uncertainty.one_image_rel.unwrap_or(0.0)),
            ("prior.within_patient_cv", self.prior.within_patient_cv),
        ];
        for (field, value) in shares {
            if !(0.0..1.0).contains(&value) {
                return Err(wrong(field, &value, "at least 0 and below 1"));
            }
        }
        if !(0.0 <= a.min_gbq && a.min_gbq <= a.standard_gbq && a.standard_gbq <= a.max_gbq) {
            return Err(wrong("activity.min_gbq", &a.min_gbq, "min_gbq <= standard_gbq <= max_gbq, none negative"));
        }
        let i = &self.interval;
        if !(0 < i.min_d && i.min_d <= i.nominal_d && i.nominal_d <= i.max_d) {
            return Err(wrong("interval.nominal_d", &i.nominal_d, "min_d <= nominal_d <= max_d, in days"));
        }
        if self.organ.structures.is_empty() {
            return Err(wrong("organ.structures", &"[]", "at least one label name"));
        }
        if self.steps.is_empty() || self.max_cycles == 0 {
            return Err(wrong("steps", &self.steps.len(), "at least one step and max_cycles above 0"));
        }
        for (index, step) in self.steps.iter().enumerate() {
            let field = format!("steps[{index}] ({})", step.name);
            if step.window.is_none() && step.last_cycle.is_none() {
                return Err(wrong(&field, &"neither window nor last_cycle", "one of them: something must end a step"));
            }
            if let Some(window) = &step.window {
                window
                    .validate()
                    .map_err(|error| wrong(&format!("{field}.window"), &error, "lower <= target <= upper"))?;
            }
            for id in &step.entry_rules {
                if !self.rules.iter().any(|rule| rule.id == *id) {
                    return Err(wrong(&format!("{field}.entry_rules"), id, "the id of a [[rules]] entry"));
                }
            }
        }
        for rule in &self.rules {
            rule.limit_in_bounds()
                .map_err(|error| wrong(&error.what.to_string(), &error.found, &error.allowed.to_string()))?;
        }
        if let ActivityRule::SpreadTarget { cycles } = a.rule
            && (cycles == 0 || self.steps[0].window.is_none())
        {
            return Err(wrong(
                "activity.rule.spread_target.cycles",
                &cycles,
                "above 0, with a window in the first step",
            ));
        }
        Ok(())
    }
}
