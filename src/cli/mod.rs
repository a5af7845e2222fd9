//! The command line: arguments as given, arguments checked, and one file a subcommand.

/// Arguments as clap reads them, and arguments checked.
pub mod args;

/// What ends a command early, and its exit code.
pub mod failure;

/// The one place that writes to the terminal.
pub mod printer;

mod case;
mod demo;
mod devices;
mod dose;
mod output;
mod progress;
mod transport;
mod validate;

use crate::decay::Nuclide;
use clap::Parser;
use failure::Failure;
use std::collections::BTreeMap;
use std::ffi::OsString;

/// Runs the program on its arguments, the program's name first.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Result<(), Failure> {
    let raw = args::RawArgs::try_parse_from(arguments).map_err(Failure::Usage)?;
    match raw.command {
        args::RawCommand::Demo(raw) => demo::run(&raw.check()?),
        args::RawCommand::Dose(raw) => dose::run(&raw.check()?),
        args::RawCommand::Devices => devices::run(),
        args::RawCommand::Validate(raw) => validate::run(&raw.check()?),
    }
}

/// The data sets of a run by name, for its record.
fn data_sets(nuclide: &Nuclide, calibration: Option<&str>) -> BTreeMap<String, String> {
    let mut sets = BTreeMap::from([("nuclide".to_owned(), format!("{}: {}", nuclide.name, nuclide.source))]);
    sets.extend(calibration.map(|source| ("ct_calibration".to_owned(), source.to_owned())));
    sets
}
