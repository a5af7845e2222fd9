//! The one place that writes to the terminal: data to standard output, messages to standard error. A closed pipe is not an
//! error. Any other error of standard output is kept until the command has finished and then ends it (`delivered`), so the files
//! on the disk do not depend on who reads the output.
//!
//! `--quiet` leaves warnings and errors only; `--json` turns the data into one JSON document. Colour carries no meaning: it marks
//! the first word of errors, warnings and hints, only on a terminal and only if NO_COLOR, CLICOLOR and TERM allow it.

use super::failure::Failure;
use super::options::said;
use crate::clinic::failure::{self, AtPath};
use crate::text::{plain, plain_lines};
use anstyle::{AnsiColor, Style};
use serde::Serialize;
use std::io::{self, Write};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

static QUIET: AtomicBool = AtomicBool::new(false);
static JSON: AtomicBool = AtomicBool::new(false);
/// What the system said when standard output first failed.
static LOST: OnceLock<String> = OnceLock::new();

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();

/// Sets what is said for the rest of the process.
pub(super) fn configure(quiet: bool, json: bool) {
    QUIET.store(quiet, Ordering::Relaxed);
    JSON.store(json, Ordering::Relaxed);
}

/// Whether only warnings and errors are said.
pub(super) fn is_quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// Whether the data are one JSON document.
pub(super) fn is_json() -> bool {
    JSON.load(Ordering::Relaxed)
}

/// Writes to standard output as it stands.
pub(super) fn raw(text: &[u8]) {
    let mut stdout = io::stdout().lock();
    keep_fault(stdout.write_all(text).and_then(|()| stdout.flush()));
}

/// Keeps the first fault of standard output.
fn keep_fault(written: io::Result<()>) {
    if let Err(error) = written
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        let _first_stays = LOST.set(error.to_string());
    }
}

/// Writes help or the version to standard output.
pub(super) fn help(text: &clap::Error) {
    keep_fault(text.print().and_then(|()| io::stdout().lock().flush()));
}

/// Whether standard output took all that was written to it. To be asked once, at the end.
///
/// Errors: it did not (a full disk).
pub(super) fn delivered() -> Result<(), failure::Failure> {
    LOST.get().map_or(Ok(()), |error| Err(lost(error)))
}

fn lost(error: &str) -> failure::Failure {
    failure::Failure::run(format!(
        "standard output: cannot write: {error}. What was printed is not whole; files that the command wrote are. \
         Choose a place that has room."
    ))
}

/// Writes data for people to standard output; nothing with `--json`. Names in them act on no terminal.
pub fn data(text: &str) {
    if !is_json() {
        raw(plain_lines(text).as_bytes());
    }
}

/// A path as data for machines show it; letters that are not Unicode become replacement characters.
pub(super) fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// Writes data for machines to standard output; nothing without `--json`. To be called once a command.
pub(super) fn record(value: &impl Serialize) -> Result<(), failure::Failure> {
    if is_json() {
        raw(plain_lines(&(serde_json::to_string_pretty(value)? + "\n")).as_bytes());
    }
    Ok(())
}

/// As [`record`], with the content of a JSON file that the command has written.
pub(super) fn record_file(path: &Path) -> Result<(), failure::Failure> {
    if is_json() {
        let text = std::fs::read_to_string(path).at(path)?;
        raw(plain_lines(&text).as_bytes());
        if !text.ends_with('\n') {
            raw(b"\n");
        }
    }
    Ok(())
}

/// Writes one line to standard error; nothing with `--quiet`.
pub fn note(text: &str) {
    if !is_quiet() {
        say(None, text);
    }
}

/// The last line of a command that wrote something: where it is, after what there is to say about it.
pub(super) fn results(about: &str, place: &Path) {
    let lead = if about.is_empty() { String::new() } else { format!("{about}; ") };
    note(&format!("{lead}results in {}", place.display()));
}

/// Writes one line to standard error that the user should not overlook.
pub fn warning(text: &str) {
    say(Some(("warning:", WARNING)), text);
}

/// Says what ended the command: the message, a blank line, the hint.
pub fn failure(failure: &Failure) {
    match failure {
        Failure::Usage(error) => {
            let _reader_gone = error.print();
        }
        Failure::Request(failure::Failure::User(error)) => {
            say(Some(("error:", ERROR)), &said(&error.message()));
            if let Some(next) = &error.next {
                say(None, "");
                say(Some(("hint:", HINT)), &said(next));
            }
        }
        Failure::Request(failure::Failure::Run(error)) => say(Some(("error:", ERROR)), &said(error.message())),
    }
}

/// One line on standard error, whatever names it tells, its first word marked where the terminal shows marks.
fn say(mark: Option<(&str, Style)>, text: &str) {
    let text = plain(text);
    let mut stderr = anstream::stderr().lock();
    let _reader_gone = match mark {
        Some((word, style)) => writeln!(stderr, "{style}{word}{style:#} {text}"),
        None => writeln!(stderr, "{text}"),
    };
}
