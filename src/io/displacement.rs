//! Displacement fields in files: NIfTI and MetaImage, as ITK, elastix, ANTs, greedy and 3D Slicer write them.
//!
//! Each takes a point of the fixed image to the moving image: the field lies on a grid in the fixed frame, and its vectors
//! are added to the points, mm. In which axes the vectors stand is said by the kind of file alone:
//!
//! - MetaImage (`.mha`), written by ITK: LPS, as its positions (ITK Software Guide, book 1, 4.1.4).
//! - NIfTI with intent 1007 (vector), as ITK and ANTs write: positions are RAS by the format, the vectors are ITK's own, LPS
//!   (itkNiftiImageIO: vectors are not turned).
//! - NIfTI with intent 1006 (displacement vector): RAS, as the format defines (nifti1.h, NIFTI_INTENT_DISPVECT).
//!
//! Any other intent is refused by name: FSL's fields (2006 to 2009) are relative to scaled voxels of both images.

use super::{IoError, itk_meta, nifti};
use crate::grid::VoxelGrid;
use crate::place::Place;

/// NIfTI's intent of a displacement vector.
const DISPLACEMENT_VECTOR: i32 = 1006;
/// NIfTI's intent of any vector.
const VECTOR: i32 = 1007;

/// A field as read.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadField {
    /// Where the vectors lie, RAS mm.
    pub grid: VoxelGrid,
    /// One vector a voxel, x fastest, RAS mm.
    pub vectors: Vec<[f32; 3]>,
    /// How the file was read.
    pub convention: &'static str,
}

/// Whether a file is a displacement field by its name: MetaImage or NIfTI.
pub fn is_field(path: &Place) -> bool {
    let name = path.display().to_string().to_lowercase();
    [".mha", ".mhd", ".nii", ".nii.gz"].iter().any(|end| name.ends_with(end))
}

/// Reads a field.
///
/// Errors: a file that is damaged or holds no vectors of three numbers; an intent whose convention is not known; a grid
/// that is not one.
pub fn read_field(path: &Place) -> Result<ReadField, IoError> {
    let name = path.display().to_string().to_lowercase();
    if name.ends_with(".mha") || name.ends_with(".mhd") {
        let itk_meta::MetaField { grid, vectors } = itk_meta::read(path)?;
        return Ok(ReadField { grid, vectors: turned(vectors), convention: "MetaImage, vectors LPS mm" });
    }
    let (header, vectors) = nifti::read_vectors(path)?;
    let grid = header.grid;
    match header.intent {
        DISPLACEMENT_VECTOR => {
            Ok(ReadField { grid, vectors, convention: "NIfTI displacement vector (intent 1006), RAS mm" })
        }
        VECTOR => {
            Ok(ReadField { grid, vectors: turned(vectors), convention: "NIfTI vector of ITK (intent 1007), LPS mm" })
        }
        other => Err(IoError::invalid(
            path,
            "intent_code",
            match other {
                2006..=2009 => format!("{other}, a field of FSL"),
                other => other.to_string(),
            },
            "1006 (displacement vector, RAS) or 1007 (vector as ITK and ANTs write it, LPS)",
            "Convert it to a field in world coordinates; FSL's convertwarp and wb_command -convert-warpfield -to-itk do.",
        )),
    }
}

/// LPS to RAS.
fn turned(mut vectors: Vec<[f32; 3]>) -> Vec<[f32; 3]> {
    vectors.iter_mut().for_each(|v| *v = [-v[0], -v[1], v[2]]);
    vectors
}
