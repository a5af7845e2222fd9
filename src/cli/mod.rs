//! The command line: arguments as given, arguments checked, and one file a subcommand.

/// Arguments as clap reads them, and arguments checked.
pub mod args;

/// What ends a command early, and its exit code.
pub mod failure;

/// The one place that writes to the terminal.
pub mod printer;

mod audit;
mod bench;
mod calibrate;
mod compare;
mod completions;
mod config;
mod course;
mod demo;
mod devices;
mod dose;
mod dpk;
mod examples;
mod init;
mod inspect;
mod kernel;
mod kinetics;
mod man;
mod marrow;
mod merge;
mod options;
mod parity;
mod progress;
mod register;
mod serve;
mod show;
mod svalue;
mod tia;
mod usage;
mod validate;
mod verify;

use crate::report::run_record::InputFile;
use clap::Parser;
use failure::Failure;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::OnceLock;

/// The file that the program is, where it is not that of the process.
static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// As [`run`], for a program that is a library of another process: `program` is its file, by which a cache of doses knows it.
pub fn run_in(program: PathBuf, arguments: impl IntoIterator<Item = OsString>) -> Result<(), Failure> {
    PROGRAM.get_or_init(|| program);
    run(arguments)
}

/// The file that the program is.
fn program() -> Option<PathBuf> {
    PROGRAM.get().cloned().or_else(|| std::env::current_exe().ok())
}

/// Hash of that file; none where it cannot be read.
fn program_sha256() -> Option<String> {
    InputFile::read("program", &program()?).ok().map(|file| file.sha256)
}

/// Runs the program on its arguments, the program's name first.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Result<(), Failure> {
    let arguments = config::expand(arguments.into_iter().collect())?;
    let raw = match args::RawArgs::try_parse_from(arguments) {
        Err(error) if !error.use_stderr() => {
            printer::help(&error);
            return Ok(printer::delivered()?);
        }
        other => other.map_err(|error| Failure::Usage(usage::advised(error)))?,
    };
    printer::configure(raw.talk.quiet, raw.talk.json);
    match raw.command {
        args::RawCommand::Demo(raw) => demo::run(&raw.check()?)?,
        args::RawCommand::Dose(raw) => {
            progress::about(raw.about.patient_label.clone());
            dose::run(&raw.check()?)?;
        }
        args::RawCommand::Merge(raw) => merge::run(&raw.check())?,
        args::RawCommand::Parity(raw) => parity::run(&raw.check()?)?,
        args::RawCommand::Bench(raw) => bench::run(&raw.check()?)?,
        args::RawCommand::Tia(raw) => tia::run(&raw.check()?)?,
        args::RawCommand::Course(raw) => {
            progress::about(raw.about.patient_label.clone());
            if raw.protocols { course::protocols()? } else { course::run(&raw.check()?)? }
        }
        args::RawCommand::Inspect(raw) => inspect::run(&raw.check()?)?,
        args::RawCommand::Audit(raw) => {
            progress::about(raw.dose.about.patient_label.clone());
            audit::run(&raw.check()?)?;
        }
        args::RawCommand::Compare(raw) => {
            progress::about(raw.about.patient_label.clone());
            compare::run(&raw.check()?)?;
        }
        args::RawCommand::Register(raw) => register::run(&raw.check())?,
        args::RawCommand::Calibrate(raw) => calibrate::run(&raw.check()?)?,
        args::RawCommand::Kernel(raw) => kernel::run(&raw.check()?)?,
        args::RawCommand::Dpk(raw) => dpk::run(&raw.check()?)?,
        args::RawCommand::Svalue(raw) => svalue::run(&raw.check()?)?,
        args::RawCommand::Marrow(raw) => marrow::run(&raw.check())?,
        args::RawCommand::Kinetics(raw) => kinetics::run(raw.what)?,
        args::RawCommand::Devices => devices::run()?,
        args::RawCommand::Serve(raw) => serve::run(&raw)?,
        args::RawCommand::Validate(raw) => validate::run(&raw.check()?)?,
        args::RawCommand::Verify(raw) => verify::run(&raw.check()?)?,
        args::RawCommand::Init(raw) => init::run(&raw.check()?)?,
        args::RawCommand::Completions(raw) => completions::run(raw.shell),
        args::RawCommand::Man(raw) => man::run(&raw)?,
    }
    Ok(printer::delivered()?)
}
