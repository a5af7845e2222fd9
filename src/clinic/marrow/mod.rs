//! Red marrow from a finished dose: by the image of its spongiosa, by a curve of blood, or both.
//!
//! `file` is MARROW.toml, `run_folder` what is read of the finished run, `cross` the dose from elsewhere, `self_terms` the two
//! self-doses, `result` what comes out. The laws are in `crate::marrow`.

mod cross;
mod file;
mod result;
mod run_folder;
mod self_terms;

pub use file::{ActivityIn, BloodSection, ImageSection, MarrowFile};
pub use result::{MarrowDose, MarrowResult};
pub use run_folder::inputs_of;

use super::failure::UserError;
use super::images::read;
use super::request::MarrowRequest;
use crate::note::Note;
use result::{of_blood, of_image};
use run_folder::RunFolder;

/// Names of the files written.
pub const FILE_NAMES: [&str; 2] = ["marrow.json", "marrow.csv"];

/// The doses of red marrow that a MARROW.toml asks for, from the run in its folder; nothing is written.
///
/// Errors: a file that is none or states a number outside its range; a folder without a finished `lutra dose`; a region that the
/// run does not have, has twice, or without decays or mass; a run of some emissions alone.
pub fn marrow(request: &MarrowRequest) -> Result<MarrowResult, UserError> {
    let mut inputs = vec![read("marrow", &request.file)?];
    let file = MarrowFile::open(&request.file)?;
    let run = RunFolder::open(&request.dose, &mut inputs)?;
    let administered_mbq = run.administered_mbq(&request.file, file.administered_mbq)?;
    let place = request.file.display().to_string();
    let image = file.image.as_ref().map(|section| of_image(section, &run, &place, administered_mbq)).transpose()?;
    let blood = file.blood.as_ref().map(|section| of_blood(section, &run, &place, administered_mbq)).transpose()?;
    let doses: Vec<MarrowDose> = [image, blood].into_iter().flatten().collect();
    let notes: Vec<Note> = doses.iter().flat_map(|dose| dose.notes(&run.nuclide.name)).collect();
    Ok(MarrowResult { nuclide: run.nuclide.name, administered_mbq, doses, notes, inputs })
}
