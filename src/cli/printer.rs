//! The one place that writes to the terminal: data on standard output, talk on standard error. A reader that has
//! gone away (a closed pipe) is no fault. Colour carries no meaning here: there is none.

use super::failure::Failure;
use std::io::{self, Write};

/// Writes data to standard output as it stands.
pub fn data(text: &str) {
    let mut stdout = io::stdout().lock();
    let _reader_gone = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// Writes one line to standard error.
pub fn note(text: &str) {
    let _reader_gone = writeln!(io::stderr().lock(), "{text}");
}

/// Writes one line to standard error that the user should not overlook.
pub fn warning(text: &str) {
    note(&format!("warning: {text}"));
}

/// Says what ended the command: the message, a blank line, the hint.
pub fn failure(failure: &Failure) {
    match failure {
        Failure::Usage(error) => {
            let _reader_gone = error.print();
        }
        Failure::User(error) => {
            note(&format!("error: {}", error.message()));
            if let Some(hint) = error.hint() {
                note(&format!("\nhint: {hint}"));
            }
        }
        Failure::Run(error) => note(&format!("error: {error:#}")),
    }
}
