//! What the tests of the program and of its documents share: command lines as words, and whether clap takes them.

use clap::{Command, CommandFactory, Parser};
use lutra::cli::args::{RawArgs, RawCommand};

/// The program's options, those of `dose` and `audit` not required: a configuration may give them.
fn lenient() -> Command {
    let mut command = RawArgs::command();
    for name in ["dose", "audit"] {
        command = command.mut_subcommand(name, |below| below.mut_args(|arg| arg.required(false)));
    }
    command
}

/// What is wrong with a command line that begins with `lutra`; none where the program takes it.
pub fn fault(line: &str) -> Option<String> {
    let Some(words) = shlex::split(line) else { return Some("quotes that do not close".to_owned()) };
    if words.iter().any(|word| word == "--config" || word.starts_with("--config=")) {
        return lenient().try_get_matches_from(&words).err().map(|error| error.to_string());
    }
    let raw = match RawArgs::try_parse_from(&words) {
        Ok(raw) => raw,
        // calls for help and version are no fault
        Err(error) => return (error.exit_code() != 0).then(|| error.to_string()),
    };
    let told = |error: lutra::clinic::failure::UserError| error.to_string();
    match raw.command {
        RawCommand::Demo(raw) => raw.check().err().map(told),
        RawCommand::Dose(raw) => raw.check().err().map(told),
        RawCommand::Audit(raw) => raw.check().err().map(told),
        RawCommand::Course(raw) => raw.check().err().map(told),
        RawCommand::Inspect(raw) => raw.check().err().map(told),
        RawCommand::Kernel(raw) => raw.check().err().map(told),
        RawCommand::Dpk(raw) => raw.check().err().map(told),
        RawCommand::Svalue(raw) => raw.check().err().map(told),
        RawCommand::Parity(raw) => raw.check().err().map(told),
        RawCommand::Bench(raw) => raw.check().err().map(told),
        RawCommand::Validate(raw) => raw.check().err().map(told),
        RawCommand::Verify(raw) => raw.check().err().map(told),
        _ => None,
    }
}

/// Lines of a text with those that end in a backslash joined to the next.
pub fn joined(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut open = false;
    for line in text.lines() {
        let (kept, more) = match line.trim_end().strip_suffix('\\') {
            Some(kept) => (kept, true),
            None => (line, false),
        };
        match lines.last_mut().filter(|_| open) {
            Some(last) => last.push_str(&format!(" {}", kept.trim())),
            None => lines.push(kept.to_owned()),
        }
        open = more;
    }
    lines
}
