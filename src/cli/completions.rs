//! `lutra completions`: what a shell needs to complete options.

use super::args::RawArgs;
use super::printer;
use clap::CommandFactory;
use clap_complete::{Shell, generate};

/// Prints the completions: data on standard output.
pub(super) fn run(shell: Shell) {
    let mut script = Vec::new();
    generate(shell, &mut RawArgs::command(), "lutra", &mut script);
    printer::raw(&script);
}
