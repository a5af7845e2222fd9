//! DICOM: reads a study folder as it is into typed volumes, and writes doses.
//!
//! The structure of every file is checked before it is parsed (`layout`). All geometry goes through one module
//! (`stack`). Every doubt becomes a note of the result or an error that names it. Patient identifiers stay inside the
//! objects: no message, note or record contains them.

mod aside;
mod beds;
mod broken;
mod capture;
mod characters;
mod clock;
mod counts;
mod ct;
mod deformable;
mod frames;
mod given;
mod injections;
mod inspect;
mod isotope;
mod kind;
mod layout;
mod legible;
mod matrix;
mod nuclear;
mod object;
mod outline;
mod pixels;
mod regions;
mod registration;
mod rtdose;
mod rtstruct;
mod seg;
mod seg_out;
mod stack;
mod stated;
mod study;
mod time;
mod uniform;
pub(crate) mod walk;

pub use aside::Aside;
pub(crate) use aside::indexed_folder;
pub use capture::{Capture, CaptureOptions, write_captures};
pub use ct::read_ct;
pub use deformable::ReadDeformation;
pub use injections::{CYCLES_APART_H, SAME_SCAN_H, TooClose, by_injection, same_injection};
pub use inspect::{Inspection, SeriesReport, inspect};
pub use isotope::{Isotope, RunNuclide};
pub use kind::Kind;
pub use matrix::{Matrix4, turned};
pub use nuclear::{ActivityImage, Scan, Timing, read_activity};
pub use regions::{RegionReport, Regions};
pub use registration::{ReadMap, ReadRegistration, RegistrationOptions, read_registration, write_registration};
pub(crate) use rtdose::open_rtdose;
pub use rtdose::{DoseDepth, DoseOptions, DoseType, read_rtdose, write_rtdose};
pub use rtstruct::read_rtstruct;
pub use seg::read_seg;
pub use seg_out::{SegOptions, write_seg};
pub use stated::{ActivityOptions, DecayCorrection, IfSilent, StatedMoment};
pub use study::{Entry, Origin, contents};
pub use time::{Moment, TimeZone};

use std::path::PathBuf;

use super::IoError;
use crate::grid::Volume;
use crate::note::Note;
use crate::place::Place;

/// An opened image of any format.
#[derive(Clone, Debug)]
pub struct Opened<T> {
    /// Values on the file's own grid, in its own axis order.
    pub volume: Volume<T>,
    /// What a careful user should know.
    pub notes: Vec<Note>,
    /// Kind of coordinates (NIfTI form code); 1, scanner, for DICOM.
    pub form_code: i16,
    /// Files that were read.
    pub files: Vec<Place>,
    /// Where a DICOM image came from.
    pub origin: Option<Origin>,
    /// The description in the header of a NIfTI file; empty for DICOM. To be understood, not shown: it may name the patient.
    pub description: String,
}

/// Whether a path is for the DICOM reader: a folder, one series of a folder (`FOLDER#3`), or a file that starts like
/// DICOM.
pub fn is_dicom(path: impl Into<Place>) -> bool {
    let path = &path.into();
    path.is_dir() || walk::selected(path).is_some() || path.is_file() && layout::looks_like_dicom(path)
}

/// The kind of regions in a folder or file, and their origin.
///
/// Errors: none, or both a structure set and a segmentation.
pub(crate) fn regions_in(path: &Place) -> Result<(Kind, Origin), IoError> {
    let study = study::Study::open(path)?;
    let both = [Kind::StructureSet, Kind::Segmentation].map(|kind| !study.of_kind(kind).is_empty());
    if both == [true, true] {
        return Err(IoError::invalid(
            path,
            "regions",
            "a structure set and a segmentation",
            "one of them",
            "Give the file that is meant.",
        ));
    }
    let kind = if both[1] { Kind::Segmentation } else { Kind::StructureSet };
    let series = study.only(path, kind)?;
    Ok((kind, Origin::new(path, &series.objects)))
}

/// An empty vector with room for `len` values, or an error that states the size.
fn reserve<T>(path: impl Into<PathBuf>, len: usize) -> Result<Vec<T>, IoError> {
    let mut data = Vec::new();
    data.try_reserve_exact(len)
        .map_err(|_| IoError::TooLarge { path: path.into(), found: (len * size_of::<T>()) as u64 })?;
    Ok(data)
}
