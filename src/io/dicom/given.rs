//! The administered activity stated in a header.
//!
//! `RadionuclideTotalDose` is in Bq in PET (PS3.3 C.8.9.2, C.8.22.4) and in MBq in nuclear medicine (C.8.4.10), and
//! some systems write the wrong one. An impossible activity is shown in both readings. Bq in an NM object is read as
//! such, with a note, since as MBq it would be a million times too large. A doubtful value is not used, and refused
//! where it is needed.

use dicom_dictionary_std::tags;

use super::kind::NM;
use super::object::{Object, number, text};
use crate::bounds::MOST_ADMINISTERED_MBQ;
use crate::note::Note;

const FIELD: &str = "RadionuclideTotalDose (0018,1074)";
/// Lowest activity that gives an image, MBq.
const LEAST_MBQ: f64 = 1.0;
const BQ_PER_MBQ: f64 = 1e6;

/// The activity given, MBq, and the doubt that stands in the way of one; neither where the file says nothing.
pub(super) fn administered_mbq(object: &Object, notes: &mut Vec<Note>) -> (Option<f64>, Option<String>) {
    let Some(set) = object.radiopharmaceutical() else { return (None, None) };
    let Some(value) = number(set, tags::RADIONUCLIDE_TOTAL_DOSE).filter(|value| value.is_finite()) else {
        let own = text(set, tags::RADIONUCLIDE_TOTAL_DOSE);
        return (None, own.map(|own| format!("{FIELD}: found \"{own}\", which is no number")));
    };
    if value == 0.0 {
        notes.push(Note::warning("administered-not-stated", "RadionuclideTotalDose is 0: taken as not stated"));
        return (None, None);
    }
    let in_mbq = object.class() == NM;
    let (own_mbq, other_mbq) = if in_mbq { (value, value / BQ_PER_MBQ) } else { (value / BQ_PER_MBQ, value) };
    let readings = if in_mbq {
        format!("{own_mbq} MBq in MBq, as NM states it, or {other_mbq} MBq in Bq, as PT states it")
    } else {
        format!("{own_mbq} MBq in Bq, as PT states it, or {other_mbq} MBq in MBq, as NM states it")
    };
    let likely = LEAST_MBQ..=MOST_ADMINISTERED_MBQ;
    if likely.contains(&own_mbq) || (!in_mbq && own_mbq >= LEAST_MBQ) {
        return (Some(own_mbq), None);
    }
    if in_mbq && likely.contains(&other_mbq) {
        notes.push(Note::warning(
            "administered-other-unit",
            format!("RadionuclideTotalDose {value} is {readings}: nobody was given the first, the second is taken"),
        ));
        return (Some(other_mbq), None);
    }
    let doubt = if value > 0.0 { format!("{value}: {readings}") } else { format!("{value}, no activity") };
    notes.push(Note::warning("administered-not-taken", format!("RadionuclideTotalDose is {doubt}: it is not taken")));
    (None, Some(format!("{FIELD}: found {doubt}")))
}
