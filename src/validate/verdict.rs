//! Rows and their verdicts.

use serde::Serialize;

/// A value with its standard error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Value {
    /// The value.
    pub value: f64,
    /// Its standard error, in the same unit; 0 where none is given.
    pub sigma: f64,
}

impl Value {
    /// A value with its standard error.
    pub fn new(value: f64, sigma: f64) -> Self {
        Self { value, sigma }
    }

    /// Sum of two independent values.
    pub fn plus(self, other: Self) -> Self {
        Self::new(self.value + other.value, self.sigma.hypot(other.sigma))
    }
}

/// How a difference is measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Judged {
    /// Over the reference value.
    Relative,
    /// Over a total: a curve that runs from 0 to that total.
    OfTotal(f64),
    /// A share that must not fall below the reference value; the statistics are inside the share.
    AtLeast,
}

/// Passed or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RowVerdict {
    /// Within the allowed difference and two combined standard errors.
    Pass,
    /// Beyond that.
    Fail,
    /// Beyond that and known to be: see [`Row::open`].
    Open,
    /// Not run; the note says why.
    Skipped,
}

/// One compared quantity.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Problem, as in `R1 beta`.
    pub problem: String,
    /// Quantity with its place, as in `shell energy at 0.55 mm`.
    pub quantity: String,
    /// Unit of `lutra` and `reference`.
    pub unit: &'static str,
    /// Lutra's value and standard error.
    pub lutra: Value,
    /// The reference value and its standard error.
    pub reference: Value,
    /// How the difference is measured.
    pub judged: Judged,
    /// Difference: over the reference, or over the total.
    pub difference: f64,
    /// Combined standard error, measured alike.
    pub sigma: f64,
    /// Allowed difference beyond two combined standard errors.
    pub allowed: f64,
    /// Difference up to which a row beyond its allowed one is open and does not fail; `None` if no such is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known: Option<f64>,
    /// Whether it passes.
    pub verdict: RowVerdict,
}

impl Row {
    /// Judges a quantity. `allowed` is a fraction of the reference or of the total.
    pub fn judge(
        problem: &str,
        quantity: impl Into<String>,
        unit: &'static str,
        lutra: Value,
        reference: Value,
        judged: Judged,
        allowed: f64,
    ) -> Self {
        let (scale, spread) = match judged {
            Judged::Relative => (reference.value, lutra.sigma.hypot(reference.sigma)),
            Judged::OfTotal(total) => (total, lutra.sigma.hypot(reference.sigma)),
            Judged::AtLeast => (1.0, 0.0),
        };
        let difference = (lutra.value - reference.value) / scale;
        let sigma = (spread / scale).abs();
        let mut row = Self {
            problem: problem.to_owned(),
            quantity: quantity.into(),
            unit,
            lutra,
            reference,
            judged,
            difference,
            sigma,
            allowed,
            known: None,
            verdict: RowVerdict::Fail,
        };
        // a NaN fails
        if row.excess() <= 0.0 {
            row.verdict = RowVerdict::Pass;
        }
        row
    }

    /// The row where Lutra is known not to meet what rows of its kind ask: it stays in the table as open while its
    /// difference is within `known` and two combined standard errors, and fails beyond. One that passes, passes.
    pub fn open(mut self, known: f64) -> Self {
        self.known = Some(known);
        if self.verdict == RowVerdict::Fail && self.excess() + self.allowed <= known {
            self.verdict = RowVerdict::Open;
        }
        self
    }

    /// A problem that was not run.
    pub fn skipped(problem: &str, why: impl Into<String>) -> Self {
        let nothing = Value::new(0.0, 0.0);
        let mut row = Self::judge(problem, why, "", nothing, nothing, Judged::AtLeast, 0.0);
        row.verdict = RowVerdict::Skipped;
        row
    }

    /// How far beyond the allowed difference and two combined standard errors; negative inside.
    pub fn excess(&self) -> f64 {
        match self.judged {
            Judged::AtLeast => -self.difference,
            _ => self.difference.abs() - 2.0 * self.sigma - self.allowed,
        }
    }

    /// The row of a group that stands for it: the one nearest to failing, measured in its allowed difference.
    pub fn worst(rows: &[Self]) -> Option<Self> {
        rows.iter().max_by(|a, b| (a.excess() / a.allowed).total_cmp(&(b.excess() / b.allowed))).cloned()
    }
}

/// A point of a plot.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PlotPoint {
    /// Place on the horizontal axis.
    pub x: f64,
    /// Lutra.
    pub lutra: Value,
    /// Reference.
    pub reference: Value,
    /// Difference as the verdict measures it.
    pub difference: f64,
    /// Combined standard error, measured alike.
    pub sigma: f64,
    /// Allowed difference.
    pub allowed: f64,
}

impl PlotPoint {
    /// The point of a row.
    pub fn of(x: f64, row: &Row) -> Self {
        Self {
            x,
            lutra: row.lutra,
            reference: row.reference,
            difference: row.difference,
            sigma: row.sigma,
            allowed: row.allowed,
        }
    }
}

/// A comparison drawn: both curves above, their difference below.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plot {
    /// Name of the file, without its ending.
    pub name: String,
    /// Title.
    pub title: String,
    /// Horizontal axis.
    pub x_label: &'static str,
    /// Vertical axis of the upper part.
    pub y_label: &'static str,
    /// Whether the upper part is logarithmic.
    pub log_y: bool,
    /// The points, ascending in x.
    pub points: Vec<PlotPoint>,
}

/// A problem compared.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Comparison {
    /// Rows of the table.
    pub rows: Vec<Row>,
    /// Further rows, for the file: single shells, voxels and classes that stand behind a row of the table.
    pub details: Vec<Row>,
    /// Plots: their numbers are those of the rows.
    #[serde(skip)]
    pub plots: Vec<Plot>,
    /// Time it took, s.
    pub seconds: f64,
}

impl Comparison {
    /// Whether no row of the table fails.
    pub fn passes(&self) -> bool {
        self.rows.iter().all(|row| row.verdict != RowVerdict::Fail)
    }

    /// Adds the worst of `group` to the table under `quantity`, its members to the details.
    pub(super) fn add_worst(&mut self, quantity: &str, group: Vec<Row>) {
        if let Some(mut worst) = Row::worst(&group) {
            worst.quantity = format!("{quantity}: {}", worst.quantity);
            self.rows.push(worst);
        }
        self.details.extend(group);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(lutra: f64, sigma: f64, allowed: f64) -> RowVerdict {
        let (l, r) = (Value::new(lutra, sigma), Value::new(10.0, 0.0));
        Row::judge("p", "q", "u", l, r, Judged::Relative, allowed).verdict
    }

    #[test]
    fn law_a_row_passes_within_the_allowed_difference_and_two_sigma() {
        assert_eq!(judge(10.1, 0.0, 0.011), RowVerdict::Pass);
        assert_eq!(judge(9.9, 0.0, 0.011), RowVerdict::Pass);
        assert_eq!(judge(10.3, 0.1, 0.011), RowVerdict::Pass);
        let share = |found| {
            Row::judge("p", "q", "", Value::new(found, 0.0), Value::new(0.95, 0.0), Judged::AtLeast, 0.0).verdict
        };
        assert_eq!((share(0.96), share(1.0)), (RowVerdict::Pass, RowVerdict::Pass));
    }

    #[test]
    fn law_a_known_difference_is_open_and_neither_passes_nor_fails() {
        let open = |lutra: f64, sigma: f64| {
            let (l, r) = (Value::new(lutra, sigma), Value::new(10.0, 0.0));
            Row::judge("p", "q", "u", l, r, Judged::Relative, 0.01).open(0.02).verdict
        };
        assert_eq!(
            (open(10.05, 0.0), open(9.85, 0.0), open(10.18, 0.0)),
            (RowVerdict::Pass, RowVerdict::Open, RowVerdict::Open)
        );
        let comparison = |verdict: f64| {
            let (l, r) = (Value::new(verdict, 0.0), Value::new(10.0, 0.0));
            let row = Row::judge("p", "q", "u", l, r, Judged::Relative, 0.01).open(0.02);
            Comparison { rows: vec![row], ..Comparison::default() }
        };
        assert!(comparison(10.15).passes() && !comparison(10.21).passes());
    }

    #[test]
    fn alarm_an_open_row_fails_beyond_what_is_known() {
        let row = |lutra: f64| {
            let (l, r) = (Value::new(lutra, 0.0), Value::new(10.0, 0.0));
            Row::judge("p", "q", "u", l, r, Judged::Relative, 0.01).open(0.02)
        };
        assert_eq!((row(10.21).verdict, row(9.79).verdict), (RowVerdict::Fail, RowVerdict::Fail));
        assert_eq!(row(f64::NAN).verdict, RowVerdict::Fail);
        // a group is told by the row that fails, not by one that is open
        assert_eq!(Row::worst(&[row(10.15), row(10.25), row(10.0)]).map(|row| row.verdict), Some(RowVerdict::Fail));
    }

    #[test]
    fn alarm_a_row_fails_beyond_that() {
        assert_eq!(judge(10.12, 0.0, 0.011), RowVerdict::Fail);
        assert_eq!(judge(9.6, 0.1, 0.011), RowVerdict::Fail);
        assert_eq!(judge(f64::NAN, 0.1, 0.011), RowVerdict::Fail);
        let share = Row::judge("p", "q", "", Value::new(0.94, 0.0), Value::new(0.95, 0.0), Judged::AtLeast, 0.0);
        assert_eq!(share.verdict, RowVerdict::Fail);
    }
}
