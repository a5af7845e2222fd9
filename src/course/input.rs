//! What the files of a series and of a course share: one kind of error, times, dates, transforms.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

/// A field of a file that cannot be used: what was found, what is allowed, what to do.
#[derive(Clone, Debug, Error, PartialEq)]
#[error("{file}: {field}: found {found}; allowed: {allowed}. {next}")]
pub struct InputError {
    /// The file.
    pub file: String,
    /// The field.
    pub field: String,
    /// The value found.
    pub found: String,
    /// The values allowed.
    pub allowed: String,
    /// The next step.
    pub next: String,
}

impl InputError {
    /// A field that cannot be used.
    pub fn new(
        file: &str,
        field: impl Into<String>,
        found: impl ToString,
        allowed: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self {
            file: file.to_owned(),
            field: field.into(),
            found: found.to_string(),
            allowed: allowed.into(),
            next: next.into(),
        }
    }
}

/// A date or a moment, written as text or as TOML's own kind.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum TextOrDate {
    /// As text.
    Text(String),
    /// As TOML's own kind.
    Toml(toml::value::Datetime),
}

impl TextOrDate {
    /// The text of either.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Toml(date) => date.to_string(),
        }
    }
}

/// A value from TOML text; unknown, missing and mistyped fields are refused with their place.
pub(super) fn from_toml<T: DeserializeOwned>(text: &str, file: &str, next: &str) -> Result<T, InputError> {
    toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(String::new(), |span| {
            let before = text.get(..span.start).unwrap_or_default();
            format!("line {}: ", before.matches('\n').count() + 1)
        });
        InputError::new(
            file,
            format!("{line}TOML"),
            error.message().replace('\n', " "),
            "the fields that the manual lists, each once",
            next,
        )
    })
}

/// A moment from RFC 3339 text. The offset from UTC is required: without it a night at the end of daylight
/// saving has two readings an hour apart.
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

/// Hours from `injection` to `later`: absolute time, so midnight and changes of the clock do not count.
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

/// Checks a transform from world mm to world mm: finite, invertible, right-handed, near in scale to a patient's.
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
