//! `lutra validate`: the reference problems, their table and verdicts, shown.

use super::printer;
use super::program;
use super::progress::Terminal;
use crate::clinic::failure::Failure;
use crate::clinic::request::ValidateRequest;
use crate::clinic::validation;
use crate::validate::page;
use std::path::PathBuf;

/// Runs `lutra validate`; a failed verdict ends the command with an error after everything is written.
pub(super) fn run(request: &ValidateRequest) -> Result<(), Failure> {
    let found = validation::run(request, patient_folder().as_deref(), &mut Terminal::default())?;
    printer::record_file(&found.place.join("validation.json"))?;
    printer::data(&page::lines(&found.comparisons, false));
    printer::results(&format!("{:.0} s; table and plots in validation.md", found.wall_seconds), &found.place);
    found.fault.map_or(Ok(()), |fault| Err(Failure::run(fault)))
}

/// Folder of the CT problem's volumes: below LUTRA_SHARED, else beside the source tree in whose `target/PROFILE` the program
/// lies; none where it is absent. The program does not know where it was built, so that it is the same wherever that was.
fn patient_folder() -> Option<PathBuf> {
    let beside = || Some(program()?.ancestors().nth(3)?.join("../shared"));
    let shared = std::env::var_os("LUTRA_SHARED").map(PathBuf::from).or_else(beside)?;
    let folder = shared.join("refs/ct-liver-g48");
    folder.join("density.nii.gz").exists().then_some(folder)
}
