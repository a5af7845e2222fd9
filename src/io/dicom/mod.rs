//! DICOM: a study folder as it lies, to typed volumes; doses out.
//!
//! Every file is checked in its structure before it is parsed ([`layout`]); every geometry passes one
//! module ([`stack`]); every doubt is a note of the result or a refusal that names it. Identifiers of
//! the patient stay inside the objects: no message, note or record carries them.

mod ct;
mod layout;
mod nuclear;
mod object;
mod pixels;
mod regions;
mod rtstruct;
mod seg;
mod stack;
mod study;
mod time;

pub use ct::read_ct;
pub use nuclear::{ActivityImage, ActivityOptions, DecayCorrection, Timing, read_activity};
pub use regions::{RegionReport, Regions};
pub use rtstruct::read_rtstruct;
pub use seg::read_seg;
pub use study::{Kind, Origin};

use std::path::{Path, PathBuf};

use super::IoError;
use crate::grid::Volume;

/// An image that was opened, whatever its format.
#[derive(Clone, Debug)]
pub struct Opened<T> {
    /// Values on the file's own grid, in its own axis order.
    pub volume: Volume<T>,
    /// What a careful user should know.
    pub notes: Vec<String>,
    /// Kind of coordinates (NIfTI form code); 1, scanner, for DICOM.
    pub form_code: i16,
    /// Files that were read.
    pub files: Vec<PathBuf>,
    /// Where a DICOM image came from.
    pub origin: Option<Origin>,
}

/// Whether a path is for the DICOM reader: a folder, or a file that starts like DICOM.
pub fn is_dicom(path: impl AsRef<Path>) -> bool {
    let path = path.as_ref();
    path.is_dir() || layout::looks_like_dicom(path)
}

/// An empty vector with room for `len` values, or the error that says how much that would be.
fn reserve<T>(path: &Path, len: usize) -> Result<Vec<T>, IoError> {
    let mut data = Vec::new();
    data.try_reserve_exact(len)
        .map_err(|_| IoError::TooLarge { path: path.to_path_buf(), found: (len * size_of::<T>()) as u64 })?;
    Ok(data)
}
