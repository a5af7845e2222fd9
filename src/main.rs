//! The program: an exit code and an error chain, nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    match lutra::cli::run(std::env::args_os()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            lutra::cli::printer::failure(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}
