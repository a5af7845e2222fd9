//! Checks of counts stated in a header against the actual content.

use dicom_core::Tag;
use dicom_dictionary_std::tags;

use super::object::{Object, tag_name};
use crate::io::IoError;
use crate::note::Note;

/// Refuses several frames in an object of a single-frame class: the header does not say where the others lie.
pub(super) fn one_frame(object: &Object, what: &str) -> Result<(), IoError> {
    let tag = tags::NUMBER_OF_FRAMES;
    let Some(found) = object.text(tag).filter(|text| text.trim().parse::<f64>() != Ok(1.0)) else { return Ok(()) };
    Err(object.refused(
        tag_name(tag),
        found,
        format!("1 in a {what} image of a single frame"),
        "Export one file a slice, or an enhanced multi-frame object that says where each frame lies.",
    ))
}

/// What there is to say of a stated number of slices that is below that of the files. Errors: above it, or no number.
pub(super) fn slices(object: &Object, files: usize) -> Result<Option<Note>, IoError> {
    let tag: Tag = tags::NUMBER_OF_SLICES;
    let Some(text) = object.text(tag) else { return Ok(None) };
    let name = tag_name(tag);
    let refused =
        |found: String, next: &str| Err(object.refused(name.clone(), found, "every slice of the series", next));
    match object.number(tag) {
        None => refused(format!("{text}, no number"), "Export the series again."),
        Some(stated) if stated > files as f64 => {
            refused(format!("{stated} stated and {files} files"), "Export the whole series again; no slice is made up.")
        }
        Some(stated) if stated < files as f64 => {
            let text = format!("{name} states {stated} slices, the series has {files}: all are used");
            Ok(Some(Note::warning("slices-beyond-stated", text)))
        }
        Some(_) => Ok(None),
    }
}
