//! The command line.

use pyo3::prelude::*;
use std::ffi::OsString;
use std::path::PathBuf;

/// Runs the command line on these arguments, the program's name first; its exit code. `library` is the file of this module:
/// what a cache of doses takes for the program.
#[pyfunction]
pub fn main(py: Python<'_>, arguments: Vec<OsString>, library: PathBuf) -> u8 {
    py.detach(|| match lutra::cli::run_in(library, arguments) {
        Ok(()) => 0,
        Err(failure) => {
            lutra::cli::printer::failure(&failure);
            failure.exit_code()
        }
    })
}
