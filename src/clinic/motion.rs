//! Images of a series and cycles of a course brought into the common frame.

use super::before_after::{Shown, before_and_after};
use super::failure::{OrUserError, UserError};
use super::files::beside;
use super::images::{self, RegionMap, recorded};
use super::transforms::{Given, Image, given, settings};
use crate::course::registration::StatedRegistration;
use crate::course::tia::ActivityImage;
use crate::grid::{Volume, VoxelGrid};
use crate::io::dicom::Origin;
use crate::note::Note;
use crate::place::Place;
use crate::register::agreement::{length, middles};
use crate::register::{Affine, Jacobians, Registration, TransformError, register, verdict};
use crate::report::png::Drawn;
use crate::report::run_record::InputFile;
use crate::source::bent::deal_out_along;
use crate::source::moved::{Moved, deal_out};
use serde::Serialize;
use std::path::Path;

/// Share of an image's activity that may fall out of the field of view without a warning.
pub const LOST_SHARE: f64 = 0.01;

/// The frame that images are brought into, and what is told of it.
pub struct Frame<'a> {
    /// The file that states the registrations.
    pub file: &'a Place,
    /// The first image; `None` before it.
    pub first: Option<&'a ActivityImage>,
    /// Where it came from.
    pub origin: Option<&'a Origin>,
}

/// How an image was brought into the common frame: data for a record and for a budget of uncertainty.
#[derive(Clone, Debug, Default, Serialize)]
pub struct MotionRecord {
    /// The image.
    pub image: String,
    /// When it was taken, h after injection; none for a CT.
    pub time_h: Option<f64>,
    /// `rigid`, `given` or `none`.
    pub method: &'static str,
    /// From the fixed to the moving frame, RAS mm; none for a displacement field.
    pub moving_from_fixed_ras_mm: Option<[[f64; 4]; 4]>,
    /// Shift of the middle of what was looked at, mm; of the middle of the image for a given transform.
    pub shift_mm: Option<f64>,
    /// Rotation, degrees.
    pub rotation_deg: Option<f64>,
    /// How well the images agree as they lie, higher is better; of a computed registration.
    pub likeness_before: Option<f64>,
    /// How well they agree as registered, on the same points.
    pub likeness_after: Option<f64>,
    /// Share of what is looked at that both images show.
    pub overlap: Option<f64>,
    /// Distance between the transforms of two halves of the data, mm.
    pub halves_apart_mm: Option<f64>,
    /// Distance between points and where the way there and back leads, mm.
    pub inverse_apart_mm: Option<f64>,
    /// What remains uncertain of a displacement, mm (root mean square length); none where a person states the motion.
    pub residual_mm: Option<f64>,
    /// How a displacement field stretches and squeezes.
    pub jacobians: Option<Jacobians>,
    /// Share of the activity that falls out of the first image's field of view.
    pub lost_share: f64,
    /// Regions that were carried by their own motion.
    pub regions: Vec<RegionRecord>,
    /// Regions that followed the common motion, where it is a matrix.
    pub followed: Vec<FollowedRecord>,
    /// The image over the first one, before and after; none where it was not moved.
    #[serde(skip)]
    pub pictures: Vec<Drawn>,
}

impl MotionRecord {
    /// What remains uncertain of a region's displacement, mm: by its own motion, else by the common one.
    pub fn residual_of(&self, region: &str) -> Option<f64> {
        let own = self.regions.iter().find(|own| own.region == region).map(|own| own.residual_mm);
        own.or(self.residual_mm)
    }

    /// Records the motion of what does not move by itself, where it is another than that of everything.
    pub fn rest_alone(&mut self, rest: &Affine, first: &Volume<f64>) {
        if self.moving_from_fixed_ras_mm.is_none_or(|known| known == rest.to_4x4()) {
            return;
        }
        let middle_mm = first.grid.world_mm(first.grid.dims.map(|n| 0.5 * (n as f64 - 1.0)));
        self.moving_from_fixed_ras_mm = Some(rest.to_4x4());
        self.shift_mm = Some(length(rest.displacement_mm(middle_mm)));
        self.rotation_deg = Some(rest.rotation_deg());
    }

    /// Records how far the common motion takes the regions that have none of their own.
    pub fn follow(&mut self, regions: &RegionMap) {
        let Some(map) = self.moving_from_fixed_ras_mm.and_then(|matrix| Affine::from_4x4(matrix).ok()) else { return };
        let named = middles(&regions.labels).into_iter().map(|(label, middle_mm)| {
            let region = regions.names.get(&label).cloned().unwrap_or_else(|| format!("label_{label}"));
            FollowedRecord { region, displacement_mm: map.displacement_mm(middle_mm) }
        });
        self.followed = named.filter(|one| self.regions.iter().all(|own| own.region != one.region)).collect();
    }
}

/// How far the common motion takes a region.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FollowedRecord {
    /// Its name.
    pub region: String,
    /// Displacement of its middle, mm.
    pub displacement_mm: [f64; 3],
}

/// The own motion of a region.
#[derive(Clone, Debug, Serialize)]
pub struct RegionRecord {
    /// Its name.
    pub region: String,
    /// From the fixed to the moving frame, RAS mm.
    pub moving_from_fixed_ras_mm: [[f64; 4]; 4],
    /// Displacement of its middle, mm.
    pub displacement_mm: [f64; 3],
    /// Distance from where the common motion takes its middle, mm.
    pub from_common_mm: f64,
    /// Distance between the transforms of two halves of the data at its middle, mm.
    pub halves_apart_mm: f64,
    /// What remains uncertain of its displacement, mm (root mean square length).
    pub residual_mm: f64,
}

/// An image in the common frame.
pub struct Brought {
    /// Its activity on the first image's grid, MBq.
    pub activity_mbq: Volume<f64>,
    /// How it came there; `None` for an image whose registration is not stated.
    pub record: Option<MotionRecord>,
    /// The matrix, where there is one.
    pub map: Option<Affine>,
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
) -> Result<Brought, UserError> {
    let image = name.display().to_string();
    let Some(stated) = stated else { return Ok(Brought { activity_mbq, record: None, map: Some(Affine::IDENTITY) }) };
    if *stated == StatedRegistration::None {
        let record = MotionRecord { image, method: "none", ..MotionRecord::default() };
        return Ok(Brought { activity_mbq, record: Some(record), map: Some(Affine::IDENTITY) });
    }
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
    let pair = [&fixed, &moving].map(|volume| Shown { volume, is_ct: false });
    let fixed = Image { values: &fixed, origin: frame.origin, is_ct: false };
    let moving = Image { values: &moving, origin: own, is_ct: false };
    let (map, record) = settled(stated, name, frame.file, &fixed, &moving, inputs, notes)?;
    let pictures = pictures(pair, &map);
    let dealt = match &map {
        Given::Matrix(map) => moved(&activity_mbq, map, &first.grid),
        Given::Field(field, _) => {
            deal_out_along(&activity_mbq, &first.grid, |point| field.apply(point)).or_user_error()
        }
    };
    let dealt = dealt.map_err(|error| error.inside(name))?;
    let record = MotionRecord { image, lost_share: told_loss(&dealt, name, notes), pictures, ..record };
    let map = match map {
        Given::Matrix(map) => Some(map),
        Given::Field(..) => None,
    };
    Ok(Brought { activity_mbq: dealt.volume, record: Some(record), map })
}

/// The image over the first one before and after it is moved, through the brightest voxel of the first.
fn pictures(pair: [Shown<'_>; 2], map: &Given) -> Vec<Drawn> {
    let fixed = pair[0].volume;
    let brightest = (0..fixed.data.len()).max_by(|&a, &b| fixed.data[a].total_cmp(&fixed.data[b])).unwrap_or(0);
    let place = |point: [f64; 3]| match map {
        Given::Matrix(map) => Some(map.apply(point)),
        Given::Field(field, _) => field.apply(point),
    };
    before_and_after(pair, fixed.grid.voxel(brightest), &place, &[])
}

/// The transform from the fixed to the moving image that is stated or computed, and its record.
pub fn settled(
    stated: &StatedRegistration,
    name: &Path,
    file: &Place,
    fixed: &Image<'_>,
    moving: &Image<'_>,
    inputs: &mut Vec<InputFile>,
    notes: &mut Vec<Note>,
) -> Result<(Given, MotionRecord), UserError> {
    match stated {
        StatedRegistration::None => {
            Ok((Given::Matrix(Affine::IDENTITY), MotionRecord { method: "none", ..MotionRecord::default() }))
        }
        StatedRegistration::Rigid => {
            let found = computed(fixed, moving).map_err(|error| error.inside(name))?;
            notes.push(told(&found).at(name));
            let record = MotionRecord {
                method: "rigid",
                moving_from_fixed_ras_mm: Some(found.moving_from_fixed.to_4x4()),
                shift_mm: Some(found.shift_mm),
                rotation_deg: Some(found.rotation_deg),
                likeness_before: Some(found.likeness_before),
                likeness_after: Some(found.likeness_after),
                overlap: Some(found.overlap),
                halves_apart_mm: Some(found.halves_apart_mm),
                inverse_apart_mm: Some(found.inverse_apart_mm),
                residual_mm: Some(found.residual_mm),
                ..MotionRecord::default()
            };
            Ok((Given::Matrix(found.moving_from_fixed), record))
        }
        StatedRegistration::Given(transform) => {
            let path = beside(file, transform);
            let map = given(&path, fixed, moving)?;
            inputs.push(recorded("transform", &path, &files(&path)?)?);
            let record = displacement(&map, fixed.values);
            notes.push(Note::info("registration-given", words(&record)).at(name));
            Ok((map, record))
        }
    }
}

/// A rigid registration that nothing speaks against.
fn computed(fixed: &Image<'_>, moving: &Image<'_>) -> Result<Registration, UserError> {
    let found = register(fixed.values, moving.values, None, &settings(fixed, moving)).or_user_error()?;
    verdict::check(&found).or_user_error()?;
    Ok(found)
}

fn told(found: &Registration) -> Note {
    let unmoved = if verdict::unmoved(found) { "; the images agree as well as they lie" } else { "" };
    Note::info(
        "registered",
        format!(
            "moved by {:.1} mm and {:.1} degrees (rigid registration; halves of the data {:.1} mm apart; {:.1} mm remain \
             uncertain{unmoved})",
            found.shift_mm, found.rotation_deg, found.halves_apart_mm, found.residual_mm
        ),
    )
}

/// The record of a transform that a person gives: what it does in the middle of the fixed image.
fn displacement(map: &Given, fixed: &Volume<f32>) -> MotionRecord {
    let middle = fixed.grid.world_mm(fixed.grid.dims.map(|n| 0.5 * (n as f64 - 1.0)));
    let record = MotionRecord { method: "given", ..MotionRecord::default() };
    match map {
        Given::Matrix(map) => MotionRecord {
            moving_from_fixed_ras_mm: Some(map.to_4x4()),
            shift_mm: Some(length(map.displacement_mm(middle))),
            rotation_deg: Some(map.rotation_deg()),
            ..record
        },
        Given::Field(field, jacobians) => {
            MotionRecord { shift_mm: field.displacement_mm(middle).map(length), jacobians: Some(*jacobians), ..record }
        }
    }
}

fn words(record: &MotionRecord) -> String {
    let shift = record.shift_mm.unwrap_or(f64::NAN);
    match record.jacobians {
        None => format!(
            "moved by {shift:.1} mm in the middle of the image and {:.1} degrees (transform given)",
            record.rotation_deg.unwrap_or(f64::NAN)
        ),
        Some(Jacobians { least, p01, median, p99, most }) => format!(
            "moved by {shift:.1} mm in the middle of the image (displacement field given; its Jacobian: median {median:.2}, \
             98 % between {p01:.2} and {p99:.2}, from {least:.2} to {most:.2})"
        ),
    }
}

/// A grid of the moving image carried to the fixed frame by a rigid motion.
///
/// Errors: a motion that is not rigid.
pub fn carried(grid: &VoxelGrid, moving_from_fixed: &Affine) -> Result<VoxelGrid, UserError> {
    moving_from_fixed.require_rigid().or_user_error()?;
    let back = moving_from_fixed.inverse().ok_or(TransformError::Singular).or_user_error()?;
    let affine = back.after(&Affine { rows: grid.affine }).rows;
    VoxelGrid::from_affine(grid.dims, affine).or_user_error()
}

/// Activity carried to the fixed frame and dealt out to its voxels: the sum inside the field of view is kept.
fn moved(activity_mbq: &Volume<f64>, moving_from_fixed: &Affine, target: &VoxelGrid) -> Result<Moved, UserError> {
    let grid = carried(&activity_mbq.grid, moving_from_fixed)?;
    Ok(deal_out(&Volume { grid, data: activity_mbq.data.clone() }, target))
}

/// The share of the activity that lies outside once moved, with a warning where it is more than a little.
pub fn told_loss(dealt: &Moved, name: &Path, notes: &mut Vec<Note>) -> f64 {
    let share = if dealt.source == 0.0 { 0.0 } else { dealt.lost / dealt.source };
    if share.abs() > LOST_SHARE {
        let text =
            format!("{:.1} % of the activity lies outside the first image's field of view once moved", 100.0 * share);
        notes.push(Note::warning("activity-moved-outside", text).at(name));
    }
    share
}

/// Files of a transform.
fn files(path: &Place) -> Result<Vec<Place>, UserError> {
    if path.is_dir() { crate::io::open::files_of(path).or_user_error() } else { Ok(vec![path.clone()]) }
}
