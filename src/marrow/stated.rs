//! A number that no image of the patient tells and no program should assume: stated, with its uncertainty and its source.

use serde::{Deserialize, Serialize};

use crate::fault::Fault;

const NEXT: &str = "State it as { value = .., rel_sigma = .., source = \"..\" }: docs/methods/marrow.md.";

/// A stated number, all fields needed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stated {
    /// The number.
    pub value: f64,
    /// Its relative standard uncertainty (k = 1), 0 to 1.
    pub rel_sigma: f64,
    /// Where it is from.
    pub source: String,
}

impl Stated {
    /// Refuses a number outside `range` (both ends allowed, or neither where `open`), an uncertainty that none is, and an empty
    /// source; `place` and `field` name it.
    ///
    /// Errors: those.
    pub fn check(&self, place: &str, field: &str, [low, high]: [f64; 2]) -> Result<(), Fault> {
        let wrong = |part: &str, found: String, allowed: String| {
            Err(Fault::invalid(place, format!("{field} {part}"), found, allowed, NEXT))
        };
        if !(self.value > low && self.value <= high) {
            return wrong("value", self.value.to_string(), format!("above {low} and at most {high}"));
        }
        if !(0.0..=1.0).contains(&self.rel_sigma) {
            return wrong("rel_sigma", self.rel_sigma.to_string(), "0 to 1".to_owned());
        }
        if self.source.trim().is_empty() {
            return wrong("source", "an empty text".to_owned(), "where the number is from".to_owned());
        }
        Ok(())
    }

    /// Its standard uncertainty.
    pub fn sigma(&self) -> f64 {
        self.value * self.rel_sigma
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stated(value: f64, rel_sigma: f64, source: &str) -> Stated {
        Stated { value, rel_sigma, source: source.to_owned() }
    }

    /// What is no share, no uncertainty or has no source is refused by field, value and range.
    #[test]
    fn law_a_stated_number_has_range_uncertainty_and_source() {
        let place = "MARROW.toml: image";
        stated(0.7, 0.1, "x").check(place, "cellularity", [0.0, 1.0]).expect("sound");
        for (bad, words) in [
            (stated(1.2, 0.1, "x"), &["cellularity value", "1.2", "at most 1"][..]),
            (stated(0.0, 0.1, "x"), &["cellularity value", "found 0", "above 0"]),
            (stated(f64::NAN, 0.1, "x"), &["cellularity value", "NaN"]),
            (stated(0.7, -0.1, "x"), &["cellularity rel_sigma", "-0.1", "0 to 1"]),
            (stated(0.7, 1.1, "x"), &["cellularity rel_sigma", "1.1"]),
            (stated(0.7, 0.1, " "), &["cellularity source", "empty"]),
        ] {
            let said = bad.check(place, "cellularity", [0.0, 1.0]).expect_err("refused").sentence().to_string();
            assert!(words.iter().all(|word| said.contains(word)) && said.contains(place), "{said}");
        }
    }
}
