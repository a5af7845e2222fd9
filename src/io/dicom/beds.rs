//! Times of a series whose slices were scanned one bed position after another.
//!
//! PS3.3 C.8.9.4: FrameReferenceTime is the middle of a slice's frame, ms after the series' reference time. Some
//! scanners state one AcquisitionTime for all beds, and only this value distinguishes them; some measure it to the
//! start of the frame, so that the first bed has 0. Differences between slices with one AcquisitionTime are correct
//! either way, and the first of these slices began at that time.

use std::collections::BTreeMap;

use dicom_dictionary_std::tags;
use jiff::civil::DateTime;

use super::object::{DataSet, Object, number, text};
use super::stated::say_time;
use crate::io::IoError;
use crate::note::Note;

/// Reference times closer than this are equal, s.
const SAME_S: f64 = 1.0;
/// Longest time from the first bed to the last, s.
const LONGEST_S: f64 = 12.0 * 3600.0;
const FIELD: &str = "FrameReferenceTime (0054,1300)";

/// When a slice was scanned, as its header says.
pub(super) struct Bed {
    /// Start of the acquisition that it belongs to.
    pub(super) start: Option<DateTime>,
    /// Length of its frame, s.
    pub(super) duration_s: f64,
    /// FrameReferenceTime, s.
    pub(super) reference_s: Option<f64>,
}

/// FrameReferenceTime, s, of the first data set that has it. Errors: a value that is not a number.
pub(super) fn reference_s(object: &Object, sets: &[&DataSet]) -> Result<Option<f64>, IoError> {
    let Some(set) = sets.iter().find(|set| text(set, tags::FRAME_REFERENCE_TIME).is_some()) else { return Ok(None) };
    match number(set, tags::FRAME_REFERENCE_TIME).filter(|ms| ms.is_finite()) {
        Some(ms) => Ok(Some(ms * 1e-3)),
        None => Err(object.refused(FIELD, "no number", "milliseconds", say_time())),
    }
}

/// How long after the start of its acquisition each slice's own frame began, s.
///
/// Errors: reference times that differ and that some slices lack; beds further apart than 12 h.
pub(super) fn offsets_s(object: &Object, beds: &[Bed], notes: &mut Vec<Note>) -> Result<Vec<f64>, IoError> {
    let mut groups: BTreeMap<DateTime, Vec<usize>> = BTreeMap::new();
    for (n, bed) in beds.iter().enumerate() {
        if let Some(start) = bed.start {
            groups.entry(start).or_default().push(n);
        }
    }
    let mut offsets = vec![0.0; beds.len()];
    for members in groups.values() {
        let stated: Vec<f64> = members.iter().filter_map(|&n| beds[n].reference_s).collect();
        let [low, high] = extremes(&stated);
        if stated.is_empty() || high - low <= SAME_S {
            continue;
        }
        if stated.len() < members.len() {
            let found = format!("{} values for {} slices of one AcquisitionTime", stated.len(), members.len());
            return Err(object.refused(FIELD, found, "the time of every slice, or of none", say_time()));
        }
        let half = |n: usize| if low > 0.0 { 0.5 * beds[n].duration_s } else { 0.0 };
        let begins: Vec<f64> = members.iter().zip(&stated).map(|(&n, s)| s - half(n)).collect();
        let [first, last] = extremes(&begins);
        if last - first > LONGEST_S {
            let found = format!("beds {:.2} h apart", (last - first) / 3600.0);
            return Err(object.refused(FIELD, found, "at most 12 h from the first bed to the last", say_time()));
        }
        members.iter().zip(begins).for_each(|(&n, begin)| offsets[n] = begin - first);
        let text = format!(
            "slices of one AcquisitionTime have FrameReferenceTime up to {:.1} min apart: each was scanned at its own",
            (last - first) / 60.0
        );
        notes.push(Note::warning("bed-times-apart", text));
    }
    Ok(offsets)
}

fn extremes(values: &[f64]) -> [f64; 2] {
    values.iter().fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], &v| [low.min(v), high.max(v)])
}
