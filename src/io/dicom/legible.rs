//! A value that is present but unreadable is never treated as absent.
//!
//! A number that affects geometry, scale, correction or activity is read or refused by name, in the header and in every
//! sequence item. The same rule applies to dates, times and zones where they are used (`time`), to codes where they are
//! read, and to the numbers of contours and segments where these are drawn.

use dicom_core::Tag;
use dicom_core::header::Header;
use dicom_core::value::{PrimitiveValue, Value};
use dicom_dictionary_std::tags;

use super::object::{DataSet, Object, tag_name};
use crate::fault::Words;
use crate::io::IoError;
use crate::note::Note;

/// Default next step for a field.
const CORRECT: &str = "Correct the header, or export the object again.";

/// Whether an element holds numbers that affect a dose.
fn steers(tag: Tag) -> bool {
    matches!(
        tag,
        // the pixels
        tags::ROWS
            | tags::COLUMNS
            | tags::NUMBER_OF_FRAMES
            | tags::SAMPLES_PER_PIXEL
            | tags::BITS_ALLOCATED
            | tags::BITS_STORED
            | tags::HIGH_BIT
            | tags::PIXEL_REPRESENTATION
            | tags::PIXEL_PADDING_VALUE
            // their place
            | tags::IMAGE_POSITION_PATIENT
            | tags::IMAGE_ORIENTATION_PATIENT
            | tags::PIXEL_SPACING
            | tags::SLICE_THICKNESS
            | tags::SPACING_BETWEEN_SLICES
            | tags::NUMBER_OF_SLICES
            | tags::SLICE_VECTOR
            | tags::GRID_FRAME_OFFSET_VECTOR
            // their scale
            | tags::RESCALE_SLOPE
            | tags::RESCALE_INTERCEPT
            | tags::REAL_WORLD_VALUE_SLOPE
            | tags::REAL_WORLD_VALUE_INTERCEPT
            | tags::DOSE_GRID_SCALING
            | tags::MAXIMUM_FRACTIONAL_VALUE
            // decay, time and activity
            | tags::DECAY_FACTOR
            | tags::RADIONUCLIDE_HALF_LIFE
            | tags::ACTUAL_FRAME_DURATION
            | tags::FRAME_ACQUISITION_DURATION
            | tags::FRAME_REFERENCE_TIME
            | tags::NUMBER_OF_FRAMES_IN_ROTATION
            | tags::NUMBER_OF_ENERGY_WINDOWS
            // regions
            | tags::ROI_NUMBER
            | tags::REFERENCED_ROI_NUMBER
            | tags::SEGMENT_NUMBER
            | tags::REFERENCED_SEGMENT_NUMBER
    )
}

/// Content of an element that is not a list of finite numbers; `None` if it is one, or empty.
fn illegible(value: &Value<DataSet>) -> Option<String> {
    let Value::Primitive(value) = value else { return Some("a sequence".to_owned()) };
    let text = value.to_str();
    if text.trim_matches(['\0', ' ', '\\']).is_empty() {
        return None;
    }
    match value.to_multi_float64() {
        Ok(numbers) if numbers.iter().all(|number| number.is_finite()) => None,
        _ if matches!(value, PrimitiveValue::Str(_) | PrimitiveValue::Strs(_)) => Some(format!("\"{}\"", text.trim())),
        _ => Some("a value of another kind".to_owned()),
    }
}

/// Fields the user can state, with the next step if the file's value is unreadable.
pub(super) type Told = [(Tag, bool, Words)];

/// Refuses an object with an unreadable number that affects a dose. Each entry of `told` is a field, whether the user
/// states it, and the next step if not; an unreadable value is only noted if the user states the field.
///
/// Errors: the first such field, by name.
pub(super) fn numbers(object: &Object, told: &Told, notes: &mut Vec<Note>) -> Result<(), IoError> {
    of_set(object, &object.header, told, notes)?;
    object.frame_groups().try_for_each(|groups| of_set(object, &groups?, told, notes))
}

fn of_set(object: &Object, set: &DataSet, told: &Told, notes: &mut Vec<Note>) -> Result<(), IoError> {
    for element in set {
        let tag = element.tag();
        if steers(tag) {
            let Some(found) = illegible(element.value()) else { continue };
            let (stated, next) = told
                .iter()
                .find(|(other, ..)| *other == tag)
                .map_or((false, CORRECT.into()), |(_, stated, next)| (*stated, next.clone()));
            if !stated {
                return Err(object.refused(tag_name(tag), format!("{found}, which is no number"), "numbers", next));
            }
            note_once(
                notes,
                Note::warning(
                    "value-stated",
                    format!("{}: the file's value cannot be read, the user states it", tag_name(tag)),
                ),
            );
        } else if let Some(items) = element.items() {
            items.iter().try_for_each(|item| of_set(object, item, told, notes))?;
        }
    }
    Ok(())
}

/// Adds a note that is not there yet.
pub(super) fn note_once(notes: &mut Vec<Note>, note: Note) {
    if !notes.contains(&note) {
        notes.push(note);
    }
}
