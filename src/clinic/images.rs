//! Images and regions of any format: in RAS+ order, with digest, doubts and origin.

use super::described::Described;
use super::failure::{OrUserError, UserError};
use super::notes::Listener;
use super::room;
use super::sides;
use crate::fault::{Setting, Words, words};
use crate::grid::{Orientation, Volume, VoxelGrid};
use crate::io::dicom::{ActivityOptions, Opened, Origin, Scan};
use crate::io::labels::LabelNames;
use crate::io::nifti::{self, Sample, WriteOptions};
use crate::io::open::{self, digest_of, digest_read, files_of, settled};
use crate::note::{Note, Severity};
use crate::place::Place;
use crate::report::run_record::InputFile;
use crate::source::regrid::labels_to;
use crate::units::rounded;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Change of a region's volume by resampling above which a record warns.
const WARN_VOLUME_REL: f64 = 0.05;

/// An image in canonical order (axes towards right, front, head).
pub struct Image<T> {
    /// The values.
    pub volume: Volume<T>,
    /// Order of the axes in the user's file.
    pub orientation: Orientation,
    /// Kind of coordinates (NIfTI form code).
    pub form_code: i16,
    /// The files, for the record.
    pub input: InputFile,
    /// Origin of a DICOM image.
    pub origin: Option<Origin>,
    /// What the header of a NIfTI file says of unit and time.
    pub described: Described,
}

/// The anatomy that regions are mapped to.
pub struct Anatomy<'a> {
    /// Its grid, in canonical order.
    pub grid: &'a VoxelGrid,
    /// Its origin, if from DICOM.
    pub origin: Option<&'a Origin>,
}

/// Regions in canonical order on their own grid; those of DICOM on the anatomy's.
pub struct RegionMap {
    /// One label per voxel.
    pub labels: Volume<u16>,
    /// Names of the labels.
    pub names: BTreeMap<u16, String>,
    /// Files read.
    pub inputs: Vec<InputFile>,
}

/// Regions as opened.
pub struct OpenedRegions {
    /// The regions.
    pub map: RegionMap,
    /// What became of volumes that the grid changes little.
    pub told: Vec<Note>,
    /// What a careful user should know.
    pub warnings: Vec<Note>,
}

impl OpenedRegions {
    /// Regions without notes.
    pub fn silent(map: RegionMap) -> Self {
        Self { map, told: Vec::new(), warnings: Vec::new() }
    }
}

/// The record of files that were read, under the user's path: of the decoded bytes.
pub fn recorded(role: &str, path: &Place, files: &[Place]) -> Result<InputFile, UserError> {
    let (bytes, sha256) = digest_read(files).or_user_error()?;
    Ok(InputFile { role: role.to_owned(), path: path.display().to_string(), bytes, sha256 })
}

/// The record of values that were never a file: `name` is their source, the digest that of their bytes.
pub fn recorded_values<T: Copy, const N: usize>(
    role: &str,
    name: &str,
    values: &[T],
    bytes: fn(T) -> [u8; N],
) -> InputFile {
    let mut digest = Sha256::new();
    values.iter().for_each(|&value| digest.update(bytes(value)));
    InputFile {
        role: role.to_owned(),
        path: name.to_owned(),
        bytes: (values.len() * N) as u64,
        sha256: crate::digest::finished(digest),
    }
}

/// The record of an input that was read under this path: of the decoded bytes.
pub fn read(role: &str, path: &Place) -> Result<InputFile, UserError> {
    recorded(role, path, &files_of(path).or_user_error()?)
}

/// The record of an input as it is on disk now.
pub fn hashed(role: &str, path: &Place) -> Result<InputFile, UserError> {
    let (bytes, sha256) = digest_of(&files_of(path).or_user_error()?).or_user_error()?;
    Ok(InputFile { role: role.to_owned(), path: path.display().to_string(), bytes, sha256 })
}

fn turned<T: Copy>(
    role: &str,
    path: &Place,
    opened: Opened<T>,
    warnings: &mut Vec<Note>,
) -> Result<Image<T>, UserError> {
    warnings.extend(opened.notes.iter().map(|note| note.clone().at(path)));
    let input = recorded(role, path, &opened.files)?;
    room::for_image(&input.path, opened.volume.data.len(), size_of::<T>())?;
    let (volume, orientation) = opened.volume.to_canonical();
    let grid = settled(path, volume.grid).or_user_error()?;
    let volume = Volume { grid, data: volume.data };
    let described = Described::of(&opened.description);
    Ok(Image { volume, orientation, form_code: opened.form_code, input, origin: opened.origin, described })
}

/// Opens a CT, HU; its notes become warnings.
pub fn ct(path: &Place, warnings: &mut Vec<Note>) -> Result<Image<f32>, UserError> {
    turned("ct", path, open::open_ct(path).or_user_error()?, warnings)
}

/// Opens an activity image, and what a DICOM file says about the scan.
pub fn activity(
    role: &str,
    path: &Place,
    options: &ActivityOptions,
    warnings: &mut Vec<Note>,
) -> Result<(Image<f64>, Option<Scan>), UserError> {
    let opened = open::open_activity(path, options).or_user_error()?;
    Ok((turned(role, path, opened.image, warnings)?, opened.scan))
}

/// Opens a dose map, Gy.
pub fn dose(path: &Place, warnings: &mut Vec<Note>) -> Result<Image<f64>, UserError> {
    turned("dose", path, open::open_dose(path).or_user_error()?, warnings)
}

/// The error for a label map without labels.
pub fn no_region(file: impl Into<Words>) -> UserError {
    let next = words!("Check that this is the label map, or leave ", Setting::Labels, " out.");
    UserError::invalid(file, "labels", "0 in every voxel", "at least one region", next)
}

/// Opens a NIfTI image of finite values.
pub fn nifti_image<T: Sample>(role: &str, path: &Place, warnings: &mut Vec<Note>) -> Result<Image<T>, UserError> {
    let image = nifti::read_finite::<T>(path).or_user_error()?;
    warnings.extend(image.header.notes.iter().map(|note| note.clone().at(path)));
    let form_code = WriteOptions::like(&image.header, "").form_code;
    let described = Described::of(&image.header.description);
    room::for_image(&path.display().to_string(), image.volume.data.len(), size_of::<T>())?;
    let (volume, orientation) = image.volume.to_canonical();
    let volume = Volume { grid: settled(path, volume.grid).or_user_error()?, data: volume.data };
    Ok(Image { volume, orientation, form_code, input: read(role, path)?, origin: None, described })
}

/// Opens regions: a NIfTI label map on its own grid; a structure set or segmentation on the anatomy's. Names come
/// from `names`, else from the DICOM object. Volume changes of DICOM regions by resampling are noted; large ones are
/// warned of.
///
/// Errors: those of the readers; regions of another patient or frame of reference.
pub fn open_regions(path: &Place, names: Option<&Place>, anatomy: &Anatomy<'_>) -> Result<OpenedRegions, UserError> {
    let opened = open::open_labels(path, anatomy.grid, anatomy.origin).or_user_error()?;
    let mut told = Vec::new();
    let mut warnings: Vec<Note> = opened.notes.iter().map(|note| note.clone().at(path)).collect();
    for report in &opened.reports {
        let text = format!(
            "{} mL as drawn, {} mL on the grid ({} %)",
            rounded(report.own_cm3, 4),
            rounded(report.grid_cm3, 4),
            signed_percent(report.change_rel())
        );
        let note = volume_change(report.label, &report.name, report.change_rel(), text);
        if note.severity == Severity::Warning { &mut warnings } else { &mut told }.push(note);
    }
    let mut inputs = vec![recorded("labels", path, &opened.files)?];
    let mut named: BTreeMap<u16, String> = opened.names.iter().map(|(label, name)| (label, name.to_owned())).collect();
    named.extend(read_names(names)?);
    if let Some(file) = names {
        inputs.push(read("label_names", file)?);
    }
    let (labels, _) = opened.labels.to_canonical();
    let labels = Volume { grid: settled(path, labels.grid).or_user_error()?, data: labels.data };
    warnings.extend(sides::exchanged(&labels, &named).into_iter().map(|doubt| doubt.at(path)));
    Ok(OpenedRegions { map: RegionMap { labels, names: named, inputs }, told, warnings })
}

/// What a grid does to the volume of a region: a warning where it is much.
fn volume_change(label: u16, name: &str, change_rel: f64, text: String) -> Note {
    let much = change_rel.abs() > WARN_VOLUME_REL;
    let severity = if much { Severity::Warning } else { Severity::Info };
    Note { severity, ..Note::warning("region-volume-changed", text) }.at(format!("region {label} {name}"))
}

/// As [`open_regions`]; what it tells is said, what it warns of goes to `warnings`.
pub fn regions(
    path: &Place,
    names: Option<&Place>,
    anatomy: &Anatomy<'_>,
    hear: &mut dyn Listener,
    warnings: &mut Vec<Note>,
) -> Result<RegionMap, UserError> {
    let opened = open_regions(path, names, anatomy)?;
    opened.told.into_iter().for_each(|note| hear.note(note));
    warnings.extend(opened.warnings);
    Ok(opened.map)
}

/// Names of labels; empty without a file.
pub fn read_names(path: Option<&Place>) -> Result<BTreeMap<u16, String>, UserError> {
    let Some(path) = path else { return Ok(BTreeMap::new()) };
    let names = LabelNames::read(path).or_user_error()?;
    Ok(names.iter().map(|(label, name)| (label, name.to_owned())).collect())
}

/// A relative change as percent with its sign and at most two decimals.
fn signed_percent(change_rel: f64) -> String {
    format!("{:+}", (1e4 * change_rel).round() / 100.0)
}

/// Labels on another grid; changes of region volumes are noted.
pub fn labels_on(
    regions: &RegionMap,
    target: &VoxelGrid,
    what: &str,
    hear: &mut dyn Listener,
    warnings: &mut Vec<Note>,
) -> Result<Vec<u16>, UserError> {
    let moved = labels_to(&regions.labels, target).or_user_error()?;
    if !regions.labels.grid.same_as(target) {
        for change in &moved.changes {
            let name = regions.names.get(&change.label).cloned().unwrap_or_else(|| format!("label_{}", change.label));
            let text = format!(
                "{} mL as drawn, {} mL on {what} ({} %)",
                rounded(change.before_cm3, 4),
                rounded(change.after_cm3, 4),
                signed_percent(change.change_rel())
            );
            let note = volume_change(change.label, &name, change.change_rel(), text);
            if note.severity == Severity::Warning { warnings.push(note) } else { hear.note(note) }
        }
    }
    Ok(moved.volume.data)
}

/// Refuses two images of different patients or frames of reference, if both state them.
pub fn must_agree(one: Option<&Origin>, other: Option<&Origin>) -> Result<(), UserError> {
    match (one, other) {
        (Some(one), Some(other)) => one.must_agree(other).or_user_error(),
        _ => Ok(()),
    }
}
