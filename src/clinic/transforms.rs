//! Transforms that a person gives: read from a file of any kind and checked against both images.

use super::failure::{OrUserError, UserError};
use crate::course::input::check_transform;
use crate::fault::Explained;
use crate::grid::Volume;
use crate::io::dicom::{self, Origin, ReadDeformation, ReadMap};
use crate::io::displacement::{ReadField, is_field, read_field};
use crate::io::itk;
use crate::place::Place;
use crate::register::agreement::apart_mm;
use crate::register::metric::LEAST_OVERLAP;
use crate::register::{
    Affine, Agreement, Displacement, Jacobians, Kind, Likeness, RegisterError, Settings, TransformError, compare,
};
use crate::text::{self, parsed::of_json};
use serde::{Deserialize, Serialize};

/// A displacement field whose mean Jacobian is farther from 1 changes volumes as no patient does: its vectors are in another
/// unit, or it is for another pair.
const MOST_MEDIAN_CHANGE: f64 = 0.3;
/// Share of the fixed image's points that a displacement field must know.
const LEAST_KNOWN: f64 = 0.99;

/// One of two images that a transform lies between.
pub struct Image<'a> {
    /// Values: activity in any unit, or HU.
    pub values: &'a Volume<f32>,
    /// Where a DICOM image came from.
    pub origin: Option<&'a Origin>,
    /// Whether the values are CT numbers.
    pub is_ct: bool,
}

/// How two such images are compared.
pub fn settings(fixed: &Image<'_>, moving: &Image<'_>) -> Settings {
    let is_ct = [fixed.is_ct, moving.is_ct];
    Settings::new(Kind::Rigid, automatic(is_ct), is_ct)
}

/// A transform from the fixed to the moving image.
#[derive(Clone, Debug)]
pub enum Given {
    /// A matrix.
    Matrix(Affine),
    /// A displacement field, and how it stretches and squeezes.
    Field(Box<Displacement>, Jacobians),
}

/// A transform in a file of Lutra's.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TransformFile {
    /// Version of the form.
    pub schema: u32,
    /// `rigid` or `affine`.
    pub kind: crate::register::Kind,
    /// From a point of the fixed image to the point of the moving image where the same tissue lies, RAS mm.
    pub moving_from_fixed_ras_mm: [[f64; 4]; 4],
    /// The other way round.
    pub fixed_from_moving_ras_mm: [[f64; 4]; 4],
    /// The fixed frame.
    pub fixed: FrameName,
    /// The moving frame.
    pub moving: FrameName,
    /// How it was found and judged; empty in a file written by hand.
    #[serde(default)]
    pub figures: serde_json::Value,
}

/// Whose frame it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FrameName {
    /// The image.
    pub image: String,
    /// UID of its frame of reference (DICOM).
    #[serde(default)]
    pub frame_of_reference_uid: Option<String>,
}

/// The metric for two kinds of images (CT or not).
pub fn automatic(is_ct: [bool; 2]) -> Likeness {
    if is_ct == [false; 2] { Likeness::LogCorrelation } else { Likeness::MutualInformation }
}

/// What a file holds.
enum Read {
    /// A matrix, and whether the file calls it rigid.
    Matrix(Affine, bool),
    /// A displacement field.
    Field(Box<Displacement>),
}

/// Reads a transform from the fixed to the moving image and checks it against both. Activity takes a rigid matrix, or a
/// displacement field.
///
/// Errors: a file of another kind; frames of reference that do not match; a mirror or a fold; scale or shear in a matrix that
/// is called rigid or is for activity; the wrong direction.
pub fn given(path: &Place, fixed: &Image<'_>, moving: &Image<'_>) -> Result<Given, UserError> {
    match read(path, fixed.origin, moving.origin)? {
        Read::Matrix(map, called_rigid) => {
            if called_rigid || !moving.is_ct {
                map.require_rigid().map_err(|error| error.fault().inside(path))?;
            }
            check_transform(&path.display().to_string(), "transform", &map.rows).or_user_error()?;
            let inverse = map.inverse().ok_or_else(|| TransformError::Singular.fault().inside(path))?;
            let [there, back] = [map, inverse].map(|map| move |point| Some(map.apply(point)));
            let found =
                compare(fixed.values, moving.values, [&there, &back], &settings(fixed, moving)).or_user_error()?;
            // of a map that is its own inverse no direction can be wrong
            if !same(&map, &inverse) {
                right_way(path, found)?;
            }
            overlapping(path, found[0])?;
            Ok(Given::Matrix(map))
        }
        Read::Field(field) => {
            let jacobians = field.jacobians().map_err(|error| error.fault().inside(path))?;
            if (jacobians.median - 1.0).abs() > MOST_MEDIAN_CHANGE {
                return Err(UserError::invalid(
                    path,
                    "displacement (Jacobian)",
                    format!("a median of {:.3}", jacobians.median),
                    format!("1 within {MOST_MEDIAN_CHANGE}"),
                    "Check that the vectors are in mm and belong to this pair of images.",
                ));
            }
            let there = |point: [f64; 3]| field.apply(point);
            let back = |point: [f64; 3]| field.back(point);
            let known = |point: [f64; 3]| field.apply(point).map(|_| point);
            let found = compare(fixed.values, fixed.values, [&known], &settings(fixed, fixed)).or_user_error()?;
            if found[0].overlap < LEAST_KNOWN {
                return Err(UserError::invalid(
                    path,
                    "displacement grid",
                    format!(
                        "a field that holds {:.1} % of what is looked at of the fixed image",
                        100.0 * found[0].overlap
                    ),
                    format!("{:.0} % or more", 100.0 * LEAST_KNOWN),
                    "Check that the field lies in the frame of the fixed image, and export the whole of it.",
                ));
            }
            let found =
                compare(fixed.values, moving.values, [&there, &back], &settings(fixed, moving)).or_user_error()?;
            right_way(path, found)?;
            overlapping(path, found[0])?;
            Ok(Given::Field(field, jacobians))
        }
    }
}

/// The transform of a file, from the fixed to the moving frame, RAS mm.
fn read(path: &Place, fixed: Option<&Origin>, moving: Option<&Origin>) -> Result<Read, UserError> {
    let of = |matrix: [[f64; 4]; 4]| Affine::from_4x4(matrix).map_err(|error| error.fault().inside(path));
    if dicom::is_dicom(path) {
        return object(path, fixed, moving);
    }
    let name = path.display().to_string().to_lowercase();
    if name.ends_with(".h5") || name.ends_with(".hdf5") {
        return Err(UserError::invalid(
            path,
            "transform",
            "an ITK transform in HDF5 (.h5)",
            "a .tfm, or a displacement field as .mha",
            "Convert a matrix by SimpleITK: sitk.WriteTransform(sitk.ReadTransform(\"t.h5\"), \"t.tfm\"); a field by \
             sitk.WriteImage(sitk.TransformToDisplacementField(sitk.ReadTransform(\"t.h5\"), sitk.sitkVectorFloat64, \
             fixed.GetSize(), fixed.GetOrigin(), fixed.GetSpacing(), fixed.GetDirection()), \"t.mha\").",
        ));
    }
    if is_field(path) {
        let ReadField { grid, vectors, .. } = read_field(path).or_user_error()?;
        let field = Displacement::new(grid, vectors).map_err(|error| error.fault().inside(path))?;
        return Ok(Read::Field(Box::new(field)));
    }
    let content = text::read(path).map_err(|error| error.fault().inside(path))?;
    if itk::is_transform(&content) {
        let read = itk::read_transform(path).or_user_error()?;
        return Ok(Read::Matrix(of(read.moving_from_fixed)?, read.rigid));
    }
    let file: TransformFile = serde_json::from_str(&content).map_err(|error| {
        UserError::invalid(
            path,
            "transform",
            of_json(&error),
            "transform.json of lutra register, an ITK text file (.tfm, .txt), a registration object (REG) or a displacement \
             field (.mha, .nii)",
            "Give the transform as one of these.",
        )
    })?;
    for (side, named, own) in [("fixed", &file.fixed, fixed), ("moving", &file.moving, moving)] {
        let own = own.and_then(Origin::frame_of_reference);
        if let (Some(named), Some(own)) = (&named.frame_of_reference_uid, own)
            && *named != own
        {
            return Err(UserError::invalid(
                path,
                format!("{side}.frame_of_reference_uid"),
                "another frame of reference than the image's",
                "that of the image",
                "Give the transform between these two images, fixed and moving as it was made.",
            ));
        }
    }
    Ok(Read::Matrix(of(file.moving_from_fixed_ras_mm)?, file.kind == Kind::Rigid))
}

/// The transform of a registration object.
fn object(path: &Place, fixed: Option<&Origin>, moving: Option<&Origin>) -> Result<Read, UserError> {
    let of = |matrix: [[f64; 4]; 4]| Affine::from_4x4(matrix).map_err(|error| error.fault().inside(path));
    let (Some(fixed), Some(moving)) = (fixed, moving) else {
        return Err(UserError::invalid(
            path,
            "frames of reference",
            "a registration object (DICOM) between images without a frame of reference (NIfTI)",
            "DICOM images, or a transform.json or .tfm",
            "Give the DICOM images that the object names.",
        ));
    };
    match dicom::read_registration(path, fixed, moving).or_user_error()? {
        ReadMap::Matrix(read) => {
            let back = of(read.fixed_from_moving)?.inverse();
            let back = back.ok_or_else(|| TransformError::Singular.fault().inside(path))?;
            Ok(Read::Matrix(back, read.rigid))
        }
        ReadMap::Field(ReadDeformation { grid: None, before, after, .. }) => {
            Ok(Read::Matrix(of(after)?.after(&of(before)?), false))
        }
        ReadMap::Field(ReadDeformation { grid: Some(grid), vectors, before, after, .. }) => {
            let field = Displacement::new(grid, vectors).map_err(|error| error.fault().inside(path))?;
            Ok(Read::Field(Box::new(field.between(of(before)?, of(after)?))))
        }
    }
}

/// Refuses a transform whose inverse fits the images better: it was exported in the other direction.
fn right_way(path: &Place, [as_given, reversed]: [Agreement; 2]) -> Result<(), UserError> {
    if reversed.likeness <= as_given.likeness {
        return Ok(());
    }
    Err(UserError::invalid(
        path,
        "direction",
        format!(
            "the images agree worse under it ({:.4}, overlap {:.0} %) than under its inverse ({:.4}, overlap {:.0} %)",
            as_given.likeness,
            100.0 * as_given.overlap,
            reversed.likeness,
            100.0 * reversed.overlap
        ),
        "a transform that takes points of the fixed image to the moving image",
        "Export the transform the other way round, or exchange the images.",
    ))
}

/// Refuses a transform that leads past the moving image.
fn overlapping(path: &Place, found: Agreement) -> Result<(), UserError> {
    if found.overlap >= LEAST_OVERLAP {
        return Ok(());
    }
    Err(RegisterError::NoOverlap { share: found.overlap }.fault().inside(path))
}

/// Whether a map and its inverse do the same to 0.1 mm: then its direction does not matter.
fn same(map: &Affine, inverse: &Affine) -> bool {
    [[0.0; 3], [200.0, 0.0, 0.0], [0.0, 200.0, 0.0], [0.0, 0.0, 200.0]]
        .iter()
        .all(|&point| apart_mm(map, inverse, point) < 0.1)
}
