//! No image and no map counts in two cycles: what the cycles of a course name must be different by content. Headers tell two
//! injections apart (`injections`); files without such headers are told apart by their hash.

use crate::clinic::failure::UserError;
use crate::clinic::files::beside;
use crate::clinic::images::hashed;
use crate::clinic::series::OpenSeries;
use crate::course::file::{Course, CycleContent};
use crate::fault::FaultKind;
use crate::place::Place;
use crate::report::run_record::InputFile;
use std::path::Path;

/// What a cycle's dosimetry is read from: the field that names it, what it is in words, and its files.
fn sources(base: &Place, content: &CycleContent, opened: Option<&OpenSeries>) -> (&'static str, Vec<Source>) {
    let of_map = |file: &String, what| {
        // a file that cannot be read is refused by its own reader
        let input = hashed("map", &beside(base, file)).ok();
        input.map(|input| Source { what, input }).into_iter().collect()
    };
    match content {
        CycleContent::Series(_) => {
            let images = opened.into_iter().flat_map(|opened| &opened.inputs).filter(|input| input.role == "image");
            ("series", images.map(|input| Source { what: "image", input: input.clone() }).collect())
        }
        CycleContent::Tia { file, .. } => ("tia", of_map(file, "map of decays")),
        CycleContent::Dose(file) => ("dose", of_map(file, "dose map")),
        CycleContent::Stated(_) | CycleContent::Missing(_) => ("", Vec::new()),
    }
}

/// A file that a cycle's dosimetry is read from.
struct Source {
    what: &'static str,
    input: InputFile,
}

/// Refuses a course two cycles of which are computed from the same image, map of decays or dose map; `base` is the file that
/// paths are beside.
pub fn check(path: &Path, base: &Place, course: &Course, series: &[Option<OpenSeries>]) -> Result<(), UserError> {
    let mut before: Vec<(usize, Source)> = Vec::new();
    for (index, (cycle, opened)) in course.cycles.iter().zip(series).enumerate() {
        let number = index + 1;
        let (field, own) = sources(base, &cycle.content, opened.as_ref());
        for source in &own {
            let again = before.iter().find(|(_, known)| known.input.sha256 == source.input.sha256);
            let Some((first, known)) = again else { continue };
            let found = format!("{}, the {} of cycle {first} again (same SHA-256)", source.input.path, known.what);
            return Err(UserError::invalid(
                path,
                format!("cycles[{number}].{field}"),
                found,
                "images of its own injection",
                "Is one cycle listed twice? An injection counts once: remove the entry, or give the cycle its own images.",
            )
            .kind(FaultKind::Mismatch));
        }
        before.extend(own.into_iter().map(|source| (number, source)));
    }
    Ok(())
}
