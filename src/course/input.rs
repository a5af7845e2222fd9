//! Common parts of series and course files: errors, times, dates, transforms.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use toml::de::{DeTable, DeValue};

use crate::bounds::BoundsError;
use crate::fault::{Explained, Fault, Words, explained, words};
use crate::text::missing;
use crate::text::slips::slip;

/// A field of a file that cannot be used: what was found, what is allowed, what to do.
#[derive(Clone, Debug, Error, PartialEq)]
pub struct InputError {
    /// The file.
    pub file: String,
    /// The field.
    pub field: Words,
    /// The value found.
    pub found: Words,
    /// The values allowed.
    pub allowed: Words,
    /// The next step.
    pub next: Words,
}

explained!(InputError);

impl Explained for InputError {
    fn fault(&self) -> Fault {
        Fault::invalid(&self.file, &self.field, &self.found, &self.allowed, &self.next)
    }
}

impl InputError {
    /// A field that cannot be used.
    pub fn new(
        file: &str,
        field: impl Into<Words>,
        found: impl ToString,
        allowed: impl Into<Words>,
        next: impl Into<Words>,
    ) -> Self {
        Self {
            file: file.to_owned(),
            field: field.into(),
            found: found.to_string().into(),
            allowed: allowed.into(),
            next: next.into(),
        }
    }
}

impl InputError {
    /// A field of a file that another module refused.
    pub(super) fn of_fault(file: &str, fault: &Fault) -> Self {
        let part = |words: &Option<Words>| words.clone().unwrap_or_default();
        let field = words!(part(&fault.place), ": ", part(&fault.field));
        Self {
            file: file.to_owned(),
            field,
            found: part(&fault.found),
            allowed: part(&fault.allowed),
            next: part(&fault.next),
        }
    }

    /// A field of a file that is outside the bounds of nature or of a patient.
    pub(super) fn of_bounds(file: &str, error: BoundsError) -> Self {
        let BoundsError { what, quantity, found, allowed, next } = error;
        let field = if quantity.is_empty() { what } else { words!(what, ": ", quantity) };
        Self { file: file.to_owned(), field, found, allowed, next }
    }
}

/// A date or a moment, written as text or as TOML's own kind.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "a date as in 2024-03-31 belongs here")]
pub(super) enum TextOrDate {
    /// As text.
    Text(String),
    /// As TOML's own kind.
    Toml(toml::value::Datetime),
}

impl TextOrDate {
    /// Either as text.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Toml(date) => date.to_string(),
        }
    }
}

/// The placeholder that `lutra init` writes for a field the user must fill in.
pub const BLANK: &str = "?";

/// Fields of TOML text that still hold [`BLANK`], in the order of the text: line, counted from 1, and dotted name. Of
/// text that is no TOML there are none.
pub fn blanks(text: &str) -> Vec<(usize, String)> {
    fn walk(value: &DeValue<'_>, at: std::ops::Range<usize>, name: &str, found: &mut Vec<(usize, String)>) {
        match value {
            DeValue::String(value) if value == BLANK => found.push((at.start, name.to_owned())),
            DeValue::Array(values) => values.iter().for_each(|v| walk(v.get_ref(), v.span(), name, found)),
            DeValue::Table(values) => {
                for (key, value) in values {
                    let inner =
                        if name.is_empty() { key.get_ref().to_string() } else { format!("{name}.{}", key.get_ref()) };
                    walk(value.get_ref(), value.span(), &inner, found);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    if let Ok(table) = DeTable::parse(text) {
        for (key, value) in table.get_ref() {
            walk(value.get_ref(), value.span(), key.get_ref(), &mut found);
        }
    }
    found.sort();
    found.into_iter().map(|(at, name)| (1 + text[..at].matches('\n').count(), name)).collect()
}

/// Refuses TOML text with unfilled fields: the first by line and name, the others by name.
///
/// Errors: a field holds [`BLANK`].
pub fn filled_in(text: &str, file: &str) -> Result<(), InputError> {
    let blanks = blanks(text);
    let Some((line, field)) = blanks.first() else { return Ok(()) };
    let rest: Vec<String> = blanks[1..].iter().map(|(line, field)| format!("{field} (line {line})")).collect();
    let also =
        if rest.is_empty() { String::new() } else { format!(" Still to be filled in besides: {}.", rest.join(", ")) };
    Err(InputError::new(
        file,
        format!("line {line}: {field}"),
        "\"?\", which is still to be filled in",
        "a value that a person vouches for",
        format!("The comment above the line says what belongs there.{also}"),
    ))
}

/// Refuses text with too many tokens for the parser.
///
/// Errors: more than [`crate::text::MAX_TOKENS`] tokens.
pub fn sparse(text: &str, file: &str) -> Result<(), InputError> {
    let tokens = crate::text::tokens(text);
    if tokens <= crate::text::MAX_TOKENS {
        return Ok(());
    }
    Err(InputError::new(
        file,
        "text",
        format!("{tokens} tokens (brackets, commas, signs, words, lines)"),
        format!("at most {}", crate::text::MAX_TOKENS),
        "Give the TOML file that describes the run.",
    ))
}

/// A value from TOML text; unknown, missing and mistyped fields are refused with their place.
pub(super) fn from_toml<T: DeserializeOwned>(text: &str, file: &str, next: &str) -> Result<T, InputError> {
    sparse(text, file)?;
    filled_in(text, file)?;
    toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(String::new(), |span| {
            let before = text.get(..span.start).unwrap_or_default();
            format!("line {}: ", before.matches('\n').count() + 1)
        });
        let words = missing::words::<T>(text, &error);
        let at = error.span().map_or(0, |span| span.start);
        let slip = line_at(text, at).and_then(|line| slip(line, words.contains("where a number belongs")));
        let (allowed, next) = match &slip {
            Some(slip) => (slip.allowed, slip.next.as_str()),
            None => ("the fields that the manual lists, each once", next),
        };
        InputError::new(file, format!("{line}TOML"), words, allowed, next)
    })
}

/// The line of a text that holds the byte at this place.
pub fn line_at(text: &str, at: usize) -> Option<&str> {
    let before = text.get(..at)?.rfind('\n').map_or(0, |end| end + 1);
    text[before..].lines().next()
}

/// A moment from RFC 3339 text. The offset from UTC is required: without it, times in the night when daylight saving
/// ends are ambiguous by an hour.
pub fn moment(file: &str, field: &str, text: &str) -> Result<Timestamp, InputError> {
    text.parse::<Timestamp>().map_err(|_| {
        InputError::new(
            file,
            field,
            format!("\"{text}\""),
            "a date, a time and an offset from UTC, as in 2024-03-31T10:15:00+02:00",
            "Add the offset that the scanner's clock had on that day (summer time included).",
        )
    })
}

/// Hours from `injection` to `later`, in absolute time: midnight and daylight-saving changes do not matter.
pub fn hours_between(injection: Timestamp, later: Timestamp) -> f64 {
    later.duration_since(injection).as_secs_f64() / 3600.0
}

/// A day from ISO 8601 text.
pub fn day(file: &str, field: &str, text: &str) -> Result<Date, InputError> {
    text.parse::<Date>().map_err(|_| {
        InputError::new(file, field, format!("\"{text}\""), "a day as in 2024-03-31", "Write year, month and day.")
    })
}

/// Days from one day to another.
pub fn days_between(from: Date, to: Date) -> i64 {
    i64::from((to - from).get_days())
}

/// A positive finite number.
pub(super) fn positive(file: &str, field: &str, value: f64, unit: &str) -> Result<f64, InputError> {
    if value.is_finite() && value > 0.0 {
        Ok(value)
    } else {
        Err(InputError::new(file, field, value, format!("above 0 {unit}"), "Correct the value or its unit."))
    }
}

/// A relative uncertainty in (0, 1).
pub(super) fn relative(file: &str, field: &str, value: f64) -> Result<f64, InputError> {
    if value > 0.0 && value < 1.0 {
        Ok(value)
    } else {
        Err(InputError::new(file, field, value, "above 0 and below 1", "Write 5 % as 0.05; leave it out if unknown."))
    }
}

/// Checks a transform from world mm to world mm: finite, invertible, right-handed, with a plausible scale.
pub fn check_transform(file: &str, field: &str, matrix: &[[f64; 4]; 3]) -> Result<(), InputError> {
    if matrix.iter().flatten().any(|value| !value.is_finite()) {
        return Err(InputError::new(file, field, "a value that is no number", "finite numbers", "Export it again."));
    }
    let m = matrix;
    let determinant = m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1])
        - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0])
        + m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0]);
    if determinant < 0.0 {
        return Err(InputError::new(
            file,
            field,
            format!("determinant {determinant:.4}: it mirrors the patient (left becomes right)"),
            "a transform that keeps handedness (determinant above 0)",
            "Export it in RAS world coordinates; files in LPS need both signs of x and y turned on both sides.",
        ));
    }
    if !(0.5..=2.0).contains(&determinant) {
        return Err(InputError::new(
            file,
            field,
            format!("determinant {determinant:.4}: it changes volumes by that factor"),
            "0.5 to 2",
            "Give a rigid or affine transform between world coordinates in mm, not between voxel indices.",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn io_blanks_are_named_with_their_lines() {
        let text = "a = \"?\"\n# b = \"?\"\n[t]\nc = [1, \"?\"]\nd = \"what?\"\n[[x]]\ny = 1\n[[x]]\ny = \"?\"\n";
        let expected = [(1, "a"), (4, "t.c"), (9, "x.y")].map(|(line, name)| (line, name.to_owned()));
        assert_eq!(blanks(text), expected);
        let error = filled_in(text, "F.toml").expect_err("blanks").to_string();
        assert!(error.starts_with("F.toml: line 1: a: found \"?\"") && error.contains("x.y (line 9)"), "{error}");
        assert_eq!(filled_in("a = 1\n", "F.toml"), Ok(()));
        assert!(blanks("no toml [").is_empty());
    }
}
