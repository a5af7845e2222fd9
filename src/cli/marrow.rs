//! `lutra marrow`: the absorbed dose of red marrow, from a finished dose.

use super::failure::OrUserError;
use super::options::said;
use super::printer;
use super::progress::invocation;
use crate::clinic::failure::Failure;
use crate::clinic::guard;
use crate::clinic::marrow::{FILE_NAMES, MarrowDose, marrow};
use crate::clinic::request::MarrowRequest;
use crate::units::rounded;
use std::fmt::Write as _;

/// Runs `lutra marrow`.
pub(super) fn run(request: &MarrowRequest) -> Result<(), Failure> {
    let invocation = invocation();
    let folder = guard::folder(&request.out, request.force, &guard::of_marrow(request), &FILE_NAMES)?;
    let done = marrow(request)?;
    done.save(&folder, &invocation)?;
    let place = folder.commit().or_user_error()?;
    printer::record_file(&place.join("marrow.json"))?;
    printer::data(&done.doses.iter().map(lines).collect::<String>());
    for note in &done.notes {
        printer::warning(&said(&note.sentence()));
    }
    printer::results("", &place);
    Ok(())
}

/// A dose for the terminal.
fn lines(dose: &MarrowDose) -> String {
    let per = dose.gy_per_gbq.map_or_else(String::new, |d| format!(", {} Gy/GBq", rounded(d, 3)));
    let mut text = format!("red marrow by {}: absorbed dose {} Gy{per}", dose.method, rounded(dose.dose_gy, 3));
    let cross = dose.cross_dose_gy.map_or_else(|| "none".to_owned(), |gy| format!("{} Gy", rounded(gy, 3)));
    let _infallible = writeln!(text, " (self-dose {} Gy, cross-dose {cross})", rounded(dose.self_dose_gy, 3));
    match dose.budget.rel_sigma.zip(dose.budget.interval95_gy) {
        Some((u, [low, high])) => {
            let least = if dose.at_least() { "≥ " } else { "" };
            let (total, low, high) = (rounded(100.0 * u, 2), rounded(low, 3), rounded(high, 3));
            let _infallible =
                writeln!(text, "  standard uncertainty (k = 1) {least}{total} %, 95 % {low} to {high} Gy");
        }
        None => text.push_str("  no total is known\n"),
    }
    let cause = |share: &crate::marrow::CauseShare| {
        format!("{} {} %", share.cause.words(), rounded(100.0 * share.rel_sigma, 2))
    };
    let causes: Vec<String> = dose.budget.by_cause.iter().map(cause).collect();
    let _infallible = writeln!(text, "  by source: {}", causes.join(", "));
    if dose.at_least() {
        let _infallible = writeln!(text, "  not assessed: {}", dose.budget.not_assessed.join("; "));
    }
    for (field, stated) in &dose.stated {
        let (value, u) = (rounded(stated.value, 3), rounded(100.0 * stated.rel_sigma, 2));
        let _infallible = writeln!(text, "  stated: {field} {value} ± {u} % ({})", stated.source);
    }
    text
}
