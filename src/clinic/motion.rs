//! Images of a series and cycles of a course brought into the common frame.

use super::failure::{OrUserError, UserError};
use super::files::beside;
use super::images::{self, recorded};
use super::register::TransformFile;
use crate::course::input::check_transform;
use crate::course::registration::StatedRegistration;
use crate::course::tia::ActivityImage;
use crate::fault::Explained;
use crate::grid::{Volume, VoxelGrid};
use crate::io::dicom::{self, Origin};
use crate::io::itk;
use crate::note::Note;
use crate::place::Place;
use crate::register::{Affine, Registration, Settings, compare, register, verdict};
use crate::report::run_record::InputFile;
use crate::source::moved::deal_out;
use crate::text::{self, parsed::of_json};
use std::path::Path;

/// Share of an image's activity that may fall out of the field of view without a warning.
const LOST_SHARE: f64 = 0.01;

/// One of two images that a transform lies between.
pub struct Image<'a> {
    /// Values: activity in any unit, or HU.
    pub values: &'a Volume<f32>,
    /// Where a DICOM image came from.
    pub origin: Option<&'a Origin>,
    /// Whether the values are CT numbers.
    pub is_ct: bool,
}

/// The frame that images are brought into, and what is told of it.
pub struct Frame<'a> {
    /// The file that states the registrations.
    pub file: &'a Place,
    /// The first image; `None` before it.
    pub first: Option<&'a ActivityImage>,
    /// Where it came from.
    pub origin: Option<&'a Origin>,
}

/// Refuses an image in another frame of reference unless its registration is stated; another patient in any case.
pub fn agree(
    stated: Option<&StatedRegistration>,
    first: Option<&Origin>,
    own: Option<&Origin>,
) -> Result<(), UserError> {
    match (stated, first, own) {
        (None, ..) => images::must_agree(first, own),
        (Some(_), Some(first), Some(own)) => first.must_agree_on_patient(own).or_user_error(),
        _ => Ok(()),
    }
}

/// The activity of a time point, MBq, brought onto the grid of the first: as its registration states.
///
/// Errors: a registration of the first image itself; a transform that cannot be read or looks wrong; a refused
/// registration.
pub fn brought(
    stated: Option<&StatedRegistration>,
    name: &Path,
    activity_mbq: Volume<f64>,
    own: Option<&Origin>,
    frame: &Frame<'_>,
    inputs: &mut Vec<InputFile>,
    notes: &mut Vec<Note>,
) -> Result<Volume<f64>, UserError> {
    let Some(stated) = stated.filter(|stated| **stated != StatedRegistration::None) else { return Ok(activity_mbq) };
    let Some(first) = frame.first.map(|image| &image.activity_mbq) else {
        return Err(UserError::invalid(
            frame.file,
            "images[0]: registration",
            "a method for the first image",
            "none for the image that the others are brought to",
            "Name the image that the regions were drawn on first, without a registration.",
        ));
    };
    let [fixed, moving] = [first, &activity_mbq].map(|volume| volume.map(|mbq| mbq as f32));
    let fixed = Image { values: &fixed, origin: frame.origin, is_ct: false };
    let moving = Image { values: &moving, origin: own, is_ct: false };
    let map = settled(stated, name, frame.file, &fixed, &moving, inputs, notes)?;
    moved(name, activity_mbq, &map, &first.grid, notes)
}

/// The transform from the fixed to the moving image that is stated or computed.
pub fn settled(
    stated: &StatedRegistration,
    name: &Path,
    file: &Place,
    fixed: &Image<'_>,
    moving: &Image<'_>,
    inputs: &mut Vec<InputFile>,
    notes: &mut Vec<Note>,
) -> Result<Affine, UserError> {
    match stated {
        StatedRegistration::None => Ok(Affine::IDENTITY),
        StatedRegistration::Rigid => {
            let found = computed(fixed, moving).map_err(|error| error.inside(name))?;
            notes.push(told(&found).at(name));
            Ok(found.moving_from_fixed)
        }
        StatedRegistration::Given(transform) => {
            let path = beside(file, transform);
            let map = given(&path, fixed, moving)?;
            inputs.push(recorded("transform", &path, &files(&path)?)?);
            notes.push(Note::info("registration-given", displacement(&map, fixed.values)).at(name));
            Ok(map)
        }
    }
}

/// A rigid registration that nothing speaks against.
fn computed(fixed: &Image<'_>, moving: &Image<'_>) -> Result<Registration, UserError> {
    let found = register(fixed.values, moving.values, None, &settings(fixed, moving)).or_user_error()?;
    verdict::check(&found).or_user_error()?;
    Ok(found)
}

fn settings(fixed: &Image<'_>, moving: &Image<'_>) -> Settings {
    let is_ct = [fixed.is_ct, moving.is_ct];
    Settings::new(crate::register::Kind::Rigid, super::register::automatic(is_ct), is_ct)
}

fn told(found: &Registration) -> Note {
    Note::info(
        "registered",
        format!(
            "moved by {:.1} mm and {:.1} degrees (rigid registration; halves of the data {:.1} mm apart)",
            found.shift_mm, found.rotation_deg, found.halves_apart_mm
        ),
    )
}

fn displacement(map: &Affine, fixed: &Volume<f32>) -> String {
    let middle = fixed.grid.world_mm(fixed.grid.dims.map(|n| 0.5 * (n as f64 - 1.0)));
    let [x, y, z] = map.displacement_mm(middle);
    format!(
        "moved by {:.1} mm in the middle of the image and {:.1} degrees (transform given)",
        (x * x + y * y + z * z).sqrt(),
        map.rotation_deg()
    )
}

/// Activity carried to the fixed frame and dealt out to its voxels: the sum inside the field of view is kept.
fn moved(
    name: &Path,
    activity_mbq: Volume<f64>,
    moving_from_fixed: &Affine,
    target: &VoxelGrid,
    notes: &mut Vec<Note>,
) -> Result<Volume<f64>, UserError> {
    let wrong = |error: UserError| error.inside(name);
    moving_from_fixed.require_rigid().or_user_error().map_err(wrong)?;
    let back = moving_from_fixed.inverse().ok_or(crate::register::TransformError::Singular).or_user_error()?;
    let affine = back.after(&Affine { rows: activity_mbq.grid.affine }).rows;
    let grid = VoxelGrid::from_affine(activity_mbq.grid.dims, affine).or_user_error().map_err(wrong)?;
    let dealt = deal_out(&Volume { grid, data: activity_mbq.data }, target);
    if dealt.lost.abs() > LOST_SHARE * dealt.source.abs() {
        let text = format!(
            "{:.1} % of the activity lies outside the first image's field of view once moved",
            100.0 * dealt.lost / dealt.source
        );
        notes.push(Note::warning("activity-moved-outside", text).at(name));
    }
    Ok(dealt.volume)
}

/// Files of a transform.
fn files(path: &Place) -> Result<Vec<Place>, UserError> {
    if path.is_dir() { crate::io::open::files_of(path).or_user_error() } else { Ok(vec![path.clone()]) }
}

/// Reads a transform from the fixed to the moving image and checks it against both. Activity takes a rigid one alone.
///
/// Errors: a file of another kind; frames of reference that do not match; a mirror; scale or shear in a transform that is
/// called rigid or is for activity; the wrong direction.
pub fn given(path: &Place, fixed: &Image<'_>, moving: &Image<'_>) -> Result<Affine, UserError> {
    let (map, called_rigid) = read(path, fixed.origin, moving.origin)?;
    if called_rigid || !moving.is_ct {
        map.require_rigid().map_err(|error| error.fault().inside(path))?;
    }
    check_transform(&path.display().to_string(), "transform", &map.rows).or_user_error()?;
    right_way(path, &map, fixed, moving)?;
    Ok(map)
}

/// The transform of a file, from the fixed to the moving frame, RAS mm, and whether the file calls it rigid.
fn read(path: &Place, fixed: Option<&Origin>, moving: Option<&Origin>) -> Result<(Affine, bool), UserError> {
    let of = |matrix: [[f64; 4]; 4]| Affine::from_4x4(matrix).map_err(|error| error.fault().inside(path));
    if dicom::is_dicom(path) {
        let (Some(fixed), Some(moving)) = (fixed, moving) else {
            return Err(UserError::invalid(
                path,
                "frames of reference",
                "a registration object (DICOM) between images without a frame of reference (NIfTI)",
                "DICOM images, or a transform.json or .tfm",
                "Give the DICOM images that the object names.",
            ));
        };
        let read = dicom::read_registration(path, fixed, moving).or_user_error()?;
        let back = of(read.fixed_from_moving)?.inverse();
        let back = back.ok_or_else(|| crate::register::TransformError::Singular.fault().inside(path))?;
        return Ok((back, read.rigid));
    }
    let content = text::read(path).map_err(|error| error.fault().inside(path))?;
    if itk::is_transform(&content) {
        let read = itk::read_transform(path).or_user_error()?;
        return Ok((of(read.moving_from_fixed)?, read.rigid));
    }
    let file: TransformFile = serde_json::from_str(&content).map_err(|error| {
        UserError::invalid(
            path,
            "transform",
            of_json(&error),
            "transform.json of lutra register, an ITK text file (.tfm, .txt) or a registration object (REG)",
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
    Ok((of(file.moving_from_fixed_ras_mm)?, file.kind == crate::register::Kind::Rigid))
}

/// Refuses a transform whose inverse fits the images better: it was exported in the other direction.
fn right_way(path: &Place, map: &Affine, fixed: &Image<'_>, moving: &Image<'_>) -> Result<(), UserError> {
    let Some(inverse) = map.inverse() else { return Ok(()) };
    let settings = settings(fixed, moving);
    let [as_given, reversed] = compare(fixed.values, moving.values, [map, &inverse], &settings).or_user_error()?;
    if reversed.likeness > as_given.likeness && !same(map, &inverse) {
        return Err(UserError::invalid(
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
        ));
    }
    Ok(())
}

/// Whether a map and its inverse do the same to 0.1 mm: then its direction does not matter.
fn same(map: &Affine, inverse: &Affine) -> bool {
    [[0.0; 3], [200.0, 0.0, 0.0], [0.0, 200.0, 0.0], [0.0, 0.0, 200.0]]
        .iter()
        .all(|&point| crate::register::agreement::apart_mm(map, inverse, point) < 0.1)
}
