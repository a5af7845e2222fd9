//! `lutra verify`: the installation test, its checks shown.

use super::printer;
use super::program_sha256;
use super::progress::{Terminal, invocation};
use crate::clinic::failure::Failure;
use crate::clinic::request::VerifyRequest;
use crate::clinic::verify::{self, Change, CheckVerdict, OPEN, RECORD_FILE, Record};

/// Runs `lutra verify`; a check that fails ends the command with an error after everything is written.
pub(super) fn run(request: &VerifyRequest) -> Result<(), Failure> {
    let done = verify::run(request, program_sha256(), &invocation(), &mut Terminal::default())?;
    printer::record_file(&done.place.join(RECORD_FILE))?;
    printer::data(&lines(&done.record));
    let about = format!("{:.0} s, fingerprint {}", done.record.wall_seconds, &done.record.fingerprint_sha256[..16]);
    printer::results(&about, &done.place);
    done.fault.map_or(Ok(()), |fault| Err(Failure::run(fault)))
}

/// Checks and changes as plain text.
fn lines(record: &Record) -> String {
    let mut text = String::new();
    for check in &record.checks {
        let name = format!("{}: {}", check.group.name(), check.name);
        let expected = if check.fails() { format!("; expected: {}", check.expected) } else { String::new() };
        text.push_str(&format!("{:<5} {name:<60} {}{expected}\n", check.verdict.word(), check.found));
    }
    if record.checks.iter().any(|check| check.verdict == CheckVerdict::Open) {
        text.push_str(OPEN);
    }
    for change in record.changes.iter().flatten() {
        text.push_str(&changed(change));
    }
    if record.changes.as_ref().is_some_and(Vec::is_empty) {
        text.push_str("nothing changed\n");
    }
    text
}

fn changed(change: &Change) -> String {
    let said = |value: &str| if value.is_empty() { "not there".to_owned() } else { value.to_owned() };
    let mark = if change.fault.is_some() { "FAIL " } else { "new  " };
    format!("{mark} changed: {}: {} -> {}\n", change.what, said(&change.before), said(&change.now))
}
