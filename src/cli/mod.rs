//! The command line: arguments as given, arguments checked, and one file a subcommand.

/// Arguments as clap reads them, and arguments checked.
pub mod args;

/// What ends a command early, and its exit code.
pub mod failure;

/// The one place that writes to the terminal.
pub mod printer;

mod progress;

use clap::Parser;
use failure::Failure;
use std::ffi::OsString;

/// Runs the program on its arguments, the program's name first.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Result<(), Failure> {
    let raw = args::RawArgs::try_parse_from(arguments).map_err(Failure::Usage)?;
    match raw.command {
        args::RawCommand::Demo(raw) => drop(raw.check()?),
        args::RawCommand::Dose(raw) => drop(raw.check()?),
        args::RawCommand::Devices => {}
    }
    Ok(())
}
