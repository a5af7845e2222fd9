//! What is in a NIfTI file or a folder of them, as a record. DICOM says its own ([`crate::io::dicom::inspect`]).

use super::described::Described;
use super::failure::{OrUserError, UserError};
use super::survey::Survey;
use crate::fault::Words;
use crate::grid::VoxelGrid;
use crate::io::nifti;
use crate::note::{Note, sentences};
use crate::place::Place;
use serde_json::{Value, json};

/// A NIfTI image as found.
pub struct Nifti {
    /// Type of the values in the file.
    pub stored_as: String,
    /// Where its voxels lie.
    pub grid: VoxelGrid,
    /// Lowest finite value.
    pub lowest: f64,
    /// Highest finite value.
    pub highest: f64,
    /// The description of its header.
    pub described: Described,
    /// What a careful user should know.
    pub doubts: Vec<Note>,
}

/// Looks at a NIfTI image.
///
/// Errors: a file that cannot be read as one.
pub fn of_nifti(path: &Place) -> Result<Nifti, UserError> {
    let image = nifti::read_image::<f64>(path).or_user_error()?;
    let header = &image.header;
    let finite = image.volume.data.iter().copied().filter(|v| v.is_finite());
    let (lowest, highest) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
    let mut doubts = Vec::new();
    if image.nonfinite > 0 {
        doubts.push(Note::warning("not-finite", format!("{} values NaN or infinite", image.nonfinite)));
    }
    doubts.extend(header.notes.iter().cloned());
    let (stored_as, grid) = (format!("{:?}", header.scalar), header.grid.clone());
    let described = Described::of(&header.description);
    Ok(Nifti { stored_as, grid, lowest, highest, described, doubts })
}

impl Nifti {
    /// The record; `path` is the image's.
    pub fn record(&self, path: &Place) -> Value {
        json!({
            "path": path.display().to_string(),
            "format": "NIfTI",
            "stored_as": self.stored_as,
            "dims": self.grid.dims,
            "spacing_mm": self.grid.spacing_mm,
            "affine": self.grid.affine,
            "lowest": self.lowest,
            "highest": self.highest,
            "described": self.described.words(),
            "doubts": sentences(&self.doubts),
            "notes": self.doubts,
        })
    }
}

/// The record of a folder; `said` names the settings of a sentence as the front end does.
pub fn of_folder(found: &Survey, said: impl Fn(&Words) -> String) -> Value {
    json!({
        "images": found.images.iter().map(|image| json!({
            "path": image.path.display().to_string(), "role": image.role.name(), "why": image.why,
            "doubts": sentences(&image.doubts), "notes": image.doubts,
        })).collect::<Vec<_>>(),
        "label_names": found.names.iter().map(|names| names.path.display().to_string()).collect::<Vec<_>>(),
        "not_used": found.left.iter().map(said).collect::<Vec<_>>(),
    })
}
