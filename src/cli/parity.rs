//! `lutra parity`: compares devices bit for bit and shows the result.

use super::options::said;
use super::printer;
use super::progress::Terminal;
use crate::clinic::failure::Failure;
use crate::clinic::parity;
use crate::clinic::request::ParityRequest;

/// Runs `lutra parity`; a device that differs ends the command with an error after everything is written.
pub(super) fn run(request: &ParityRequest) -> Result<(), Failure> {
    let found = parity::run(request, &mut Terminal::default())?;
    printer::record(&found.record)?;
    printer::data(&said(&found.text));
    if request.trace.is_none() {
        printer::results("", &request.json);
    }
    found.fault.map_or(Ok(()), |fault| Err(Failure::run(fault)))
}
