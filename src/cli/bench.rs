//! `lutra bench`: figures of a run, shown.

use super::options::said;
use super::printer;
use super::progress::{Terminal, invocation};
use crate::clinic::bench::{self, words};
use crate::clinic::failure::Failure;
use crate::clinic::request::BenchRequest;

/// Runs `lutra bench`.
pub(super) fn run(request: &BenchRequest) -> Result<(), Failure> {
    let measured = bench::run(request, &invocation(), &mut Terminal::default())?;
    let bench = &measured.bench;
    printer::record_file(&measured.place.join(bench::FILE))?;
    printer::data(&if bench.grids.is_empty() { words::table(bench) } else { words::scaling_table(bench) });
    for warning in &bench.warnings {
        printer::warning(&said(&warning.sentence()));
    }
    printer::results("", &measured.place);
    Ok(())
}
