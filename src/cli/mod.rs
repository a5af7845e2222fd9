//! The command line: arguments as given, arguments checked, and one file a subcommand.

/// Arguments as clap reads them, and arguments checked.
pub mod args;

/// What ends a command early, and its exit code.
pub mod failure;

/// The one place that writes to the terminal.
pub mod printer;

mod audit;
mod bench;
mod bench_record;
mod bench_words;
mod case;
mod compare;
mod completions;
mod config;
mod course;
mod course_source;
mod demo;
mod devices;
mod dose;
mod dpk;
mod examples;
mod guard;
mod init;
mod input;
mod inspect;
mod kept;
mod kernel;
mod man;
mod merge;
mod output;
mod page;
mod page_audit;
mod page_course;
mod parity;
mod practice;
mod progress;
mod shard;
mod study;
mod survey;
mod svalue;
mod tia;
mod transport;
mod validate;

use crate::decay::Nuclide;
use clap::Parser;
use failure::Failure;
use std::collections::BTreeMap;
use std::ffi::OsString;

/// Runs the program on its arguments, the program's name first.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Result<(), Failure> {
    let arguments = config::expand(arguments.into_iter().collect())?;
    let raw = args::RawArgs::try_parse_from(arguments).map_err(Failure::Usage)?;
    printer::configure(raw.talk.quiet, raw.talk.json);
    match raw.command {
        args::RawCommand::Demo(raw) => demo::run(&raw.check()?),
        args::RawCommand::Dose(raw) => dose::run(&raw.check()?),
        args::RawCommand::Merge(raw) => merge::run(&raw.check()),
        args::RawCommand::Parity(raw) => parity::run(&raw.check()?),
        args::RawCommand::Bench(raw) => bench::run(&raw.check()?),
        args::RawCommand::Tia(raw) => tia::run(&raw.check()?),
        args::RawCommand::Course(raw) => course::run(&raw.check()?),
        args::RawCommand::Inspect(raw) => inspect::run(&raw.check()?),
        args::RawCommand::Audit(raw) => audit::run(&raw.check()?),
        args::RawCommand::Compare(raw) => compare::run(&raw.check()?),
        args::RawCommand::Kernel(raw) => kernel::run(&raw.check()?),
        args::RawCommand::Dpk(raw) => dpk::run(&raw.check()?),
        args::RawCommand::Svalue(raw) => svalue::run(&raw.check()?),
        args::RawCommand::Devices => devices::run(),
        args::RawCommand::Validate(raw) => validate::run(&raw.check()?),
        args::RawCommand::Init(raw) => init::run(&raw.check()?),
        args::RawCommand::Completions(raw) => {
            completions::run(raw.shell);
            Ok(())
        }
        args::RawCommand::Man(raw) => man::run(&raw),
    }
}

/// Where the embedded tables come from, as their generator wrote it.
const PROVENANCE: &str = include_str!("../../assets/PROVENANCE.md");

/// The data sets of a run by name, for its record: nuclide, CT calibration, and every embedded table with its source
/// and edition.
fn data_sets(nuclide: &Nuclide, calibration: Option<&str>) -> BTreeMap<String, String> {
    let mut sets = BTreeMap::from([("nuclide".to_owned(), format!("{}: {}", nuclide.name, nuclide.source))]);
    sets.extend(calibration.map(|source| ("ct_calibration".to_owned(), source.to_owned())));
    let mut table = String::new();
    for line in PROVENANCE.lines() {
        if let Some(name) = line.strip_prefix("## ") {
            table = name.trim().to_owned();
        } else if let Some(source) = line.strip_prefix("- Source: ") {
            sets.insert(table.clone(), source.to_owned());
        } else if let Some(edition) = line.strip_prefix("- Edition: ")
            && let Some(set) = sets.get_mut(&table)
        {
            set.push_str(&format!("; edition: {edition}"));
        }
    }
    sets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cli_record_names_every_embedded_table() {
        let nuclide = Nuclide::load("lu177").expect("built in");
        let sets = data_sets(&nuclide, Some("curve"));
        for name in ["nuclide", "ct_calibration", "photon/cross_sections.csv", "electron/elastic_transport.csv"] {
            assert!(sets.get(name).is_some_and(|text| !text.is_empty()), "{name} is missing: {:?}", sets.keys());
        }
        assert!(sets["photon/cross_sections.csv"].contains("; edition: EPDL2017"), "{sets:?}");
    }
}
