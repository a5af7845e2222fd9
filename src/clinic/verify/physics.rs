//! The quick reference problems as checks.

use super::record::{Check, CheckVerdict, Figure, Group};
use crate::validate::{Comparison, Judged, Row, RowVerdict};
use std::collections::BTreeMap;

/// The rows of the problems, as checks; groups of one name are numbered.
pub(super) fn checks(comparisons: &[Comparison]) -> Vec<Check> {
    let rows = comparisons.iter().flat_map(|comparison| &comparison.rows);
    let mut checks: Vec<Check> = rows.filter(|row| row.verdict != RowVerdict::Skipped).map(check).collect();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for check in &mut checks {
        let times = seen.entry(check.name.clone()).or_default();
        *times += 1;
        if *times > 1 {
            check.name = format!("{} ({times})", check.name);
        }
    }
    checks
}

/// What a row found and what it is asked, in percent.
fn words(row: &Row) -> (String, String) {
    let round = |share: f64| (1e8 * share).round() / 1e6;
    let base = match row.judged {
        Judged::Relative => "%",
        Judged::OfTotal(_) => "% of the total",
        Judged::AtLeast => {
            let [found, least] = [row.lutra.value, row.reference.value].map(|share| format!("{} %", round(share)));
            return (found, format!("at least {least}"));
        }
    };
    let found = format!("{:+.2} ± {:.2} {base}", 100.0 * row.difference, 100.0 * row.sigma);
    (found, format!("within {} {base} and two standard errors", round(row.allowed)))
}

/// One row. Rows that stand for the worst of a group name the member behind a colon; the check is the group's, so that it
/// has one name whichever member is the worst.
fn check(row: &Row) -> Check {
    let (quantity, member) = row.quantity.split_once(", worst: at ").unwrap_or((&row.quantity, ""));
    let (quantity, member) = quantity.split_once(": ").map_or((quantity, member), |(group, member)| (group, member));
    let figure = Figure {
        value: row.lutra.value,
        sigma: row.lutra.sigma,
        reference: row.reference.value,
        difference: row.difference,
        allowed: row.allowed,
        unit: row.unit.to_owned(),
    };
    let at = if member.is_empty() { String::new() } else { format!(" ({member})") };
    let (found, expected) = words(row);
    let found = format!("{found}{at}");
    let verdict = match row.verdict {
        RowVerdict::Pass => CheckVerdict::Pass,
        RowVerdict::Open => CheckVerdict::Open,
        RowVerdict::Fail | RowVerdict::Skipped => CheckVerdict::Fail,
    };
    Check {
        verdict,
        figure: Some(figure),
        ..Check::new(Group::Physics, format!("{}: {quantity}", row.problem), true, found, expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate::Comparison;

    /// A row of 10 mm that may be 1 % off.
    fn rows(found: f64) -> Vec<Comparison> {
        let value = |value| crate::validate::Value::new(value, 0.001);
        let row = Row::judge(
            "R1 beta",
            "worst shell: shell 1 to 2 mm",
            "mm",
            value(found),
            value(10.0),
            Judged::Relative,
            0.01,
        );
        vec![Comparison { rows: vec![row, Row::skipped("R6", "no volumes")], ..Comparison::default() }]
    }

    #[test]
    fn io_a_row_is_a_check_named_by_its_group() {
        let checks = checks(&rows(10.05));
        assert_eq!(checks.len(), 1, "what is skipped is no check");
        assert_eq!((checks[0].name.as_str(), checks[0].verdict), ("R1 beta: worst shell", CheckVerdict::Pass));
        assert_eq!(checks[0].found, "+0.50 ± 0.01 % (shell 1 to 2 mm)");
        assert_eq!(checks[0].expected, "within 1 % and two standard errors");
        assert_eq!(checks[0].figure.as_ref().map(|f| (f.value, f.unit.as_str())), Some((10.05, "mm")));
    }

    /// A share that must be reached is asked as one, not as a difference.
    #[test]
    fn io_a_share_is_asked_as_one() {
        let value = |value| crate::validate::Value::new(value, 0.0);
        let row = |found| Row::judge("R4", "voxels that agree", "", value(found), value(0.95), Judged::AtLeast, 0.0);
        assert_eq!(words(&row(0.97)), ("97 %".to_owned(), "at least 95 %".to_owned()));
        assert!(check(&row(0.94)).fails(), "alarm: a share that is not reached");
    }

    #[test]
    fn io_groups_of_one_name_are_numbered() {
        let names: Vec<String> =
            checks(&[rows(10.0), rows(10.0)].concat()).into_iter().map(|check| check.name).collect();
        assert_eq!(names, ["R1 beta: worst shell", "R1 beta: worst shell (2)"]);
    }

    #[test]
    fn alarm_a_wrong_figure_rings() {
        assert!(checks(&rows(10.2))[0].fails());
    }
}
