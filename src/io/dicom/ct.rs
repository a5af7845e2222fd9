//! CT series to Hounsfield units.

use dicom_dictionary_std::tags;

use super::aside::{self, Found};
use super::broken::{self, Broken};
use super::counts::one_frame;
use super::kind::{CT, Kind};
use super::layout::looks_like_dicom;
use super::object::{DataSet, Object, PixelSource, number};
use super::pixels::describe_syntax;
use super::stack::{Lone, Plane, functional_group, stack};
use super::study::{Origin, Series, Study, folder_of};
use super::{Opened, legible, reserve};
use crate::grid::Volume;
use crate::io::IoError;
use crate::note::Note;
use crate::place::Place;

/// HU given to pixels that the scanner marks as outside its field of view: air.
const PADDING_HU: f32 = -1000.0;

/// Reads the one CT series of a folder, or the series that a file belongs to.
///
/// Slices may come in any order; each is converted to HU by its own rescale. Errors: no CT or several; a missing,
/// duplicate or shifted slice, or one of another geometry; a unit other than HU; unreadable pixels.
pub fn read_ct(path: impl Into<Place>) -> Result<Opened<f32>, IoError> {
    let path = &folder_of(&path.into());
    let mut study = Study::open(path)?;
    let mut notes = Vec::new();
    if path.is_file()
        && study.series[0].kind == Kind::Ct
        && let Some((wider, broken)) = siblings(path, &study.series[0])?
    {
        if wider.objects.len() > 1 {
            notes.push(Note::warning(
                "slices-from-folder",
                format!("{} other slices of the same series read from its folder", wider.objects.len() - 1),
            ));
        }
        study.series = vec![wider];
        study.broken = broken;
    }
    drop_localizers(&mut study, &mut notes);
    let series = study.only(path, Kind::Ct)?;
    notes.extend(study.whole(path, series)?);
    volume(path, series, notes)
}

/// The whole series of a single-slice file, from its folder, and the unreadable files there.
fn siblings(path: &Place, series: &Series) -> Result<Option<(Series, Vec<Broken>)>, IoError> {
    let object = &series.objects[0];
    let uid = object.text(tags::SERIES_INSTANCE_UID);
    let (Some(uid), true) = (uid, object.class() == CT) else { return Ok(None) };
    let folder = &path.folder();
    let entries = folder.list().map_err(|e| IoError::read(folder, e))?;
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.place)).filter(|file| file.is_file()).collect();
    files.sort_by(|a, b| a.path().cmp(b.path()));
    let (files, others): (Vec<_>, Vec<_>) = files.into_iter().partition(looks_like_dicom);
    let mut objects = Vec::new();
    let mut damaged = Vec::new();
    for file in &files {
        match aside::read(file) {
            Found::Object(object)
                if object.class() == CT && object.text(tags::SERIES_INSTANCE_UID).as_ref() == Some(&uid) =>
            {
                objects.push(*object);
            }
            Found::Broken(file, _) => damaged.push(file),
            _ => {}
        }
    }
    damaged.extend(broken::among(&others, &files));
    Ok((objects.len() > 1 || !damaged.is_empty()).then_some((Series::of(Kind::Ct, objects), damaged)))
}

/// Leaves out scout images, which are no slices.
fn drop_localizers(study: &mut Study, notes: &mut Vec<Note>) {
    for series in study.series.iter_mut().filter(|series| series.kind == Kind::Ct) {
        let before = series.objects.len();
        series.objects.retain(|object| !object.is_localizer());
        if series.objects.len() < before {
            notes.push(Note::warning(
                "localizers-left-out",
                format!("{} localizer images left out", before - series.objects.len()),
            ));
        }
    }
    study.series.retain(|series| !series.objects.is_empty());
}

/// One plane of one object.
struct Slice {
    object: usize,
    frame: usize,
    slope: f64,
    intercept: f64,
}

/// HU of a series on its grid.
pub(crate) fn volume(path: &Place, series: &Series, mut notes: Vec<Note>) -> Result<Opened<f32>, IoError> {
    let objects = &series.objects;
    one_frame_of_reference(path, objects)?;
    let mut planes = Vec::new();
    let mut slices = Vec::new();
    for (n, object) in objects.iter().enumerate() {
        legible::numbers(object, &[], &mut notes)?;
        check_unit(object, &object.header)?;
        if object.class() == CT {
            one_frame(object, "CT")?;
            planes.push(Plane::of_image(object)?);
            let (slope, intercept) = rescale(object, &[&object.header])?;
            slices.push(Slice { object: n, frame: 0, slope, intercept });
            continue;
        }
        planes.extend(Plane::of_functional_groups(object)?);
        for (frame, groups) in object.frame_groups().enumerate() {
            let groups = groups?;
            let group = functional_group(object, &groups, tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE);
            if let Some(group) = group {
                check_unit(object, group)?;
            }
            let sets: Vec<&DataSet> = group.into_iter().chain([&object.header]).collect();
            let (slope, intercept) = rescale(object, &sets)?;
            slices.push(Slice { object: n, frame, slope, intercept });
        }
    }
    let stack = stack(path, &planes, Lone::of(&objects[0]))?;
    notes.extend(stack.notes);
    if objects.iter().any(|object| describe_syntax(&object.syntax).2) {
        notes.push(Note::warning("lossy-compression", "the CT is stored with lossy compression"));
    }
    let mut data = Vec::new();
    let mut padded = 0usize;
    let mut open: Option<(usize, PixelSource)> = None;
    for &n in &stack.order {
        let Slice { object, frame, slope, intercept } = slices[n];
        let source = match open.take() {
            Some((held, source)) if held == object => source,
            _ => objects[object].pixels()?,
        };
        let padding = padding(&objects[object], source.format.bits_stored, source.format.signed);
        let values = source.frame(&objects[object].path, frame)?;
        if data.is_empty() {
            // Reading the first frame has shown that the file holds what its header says.
            data = reserve(path, stack.grid.len())?;
        }
        for stored in values {
            if padding == Some(stored) {
                padded += 1;
                data.push(PADDING_HU);
            } else {
                data.push((f64::from(stored) * slope + intercept) as f32);
            }
        }
        open = Some((object, source));
    }
    if padded > 0 {
        notes.push(Note::warning(
            "outside-field-of-view",
            format!("{padded} pixels outside the scanner's field of view taken as air (-1000 HU)"),
        ));
    }
    let volume = Volume::new(stack.grid, data).map_err(|source| IoError::Grid { path: path.to_path_buf(), source })?;
    Ok(Opened {
        volume,
        notes,
        form_code: 1,
        files: objects.iter().map(|object| object.path.clone()).collect(),
        origin: Some(Origin::new(path, objects)),
        description: String::new(),
    })
}

/// The stored value that marks pixels without a measurement, where the header declares one.
fn padding(object: &Object, bits_stored: usize, signed: bool) -> Option<i32> {
    let value = object.number(tags::PIXEL_PADDING_VALUE)?;
    let unused = 32 - bits_stored as u32;
    let moved = ((value as i64) as i32) << unused;
    // Some writers ignore the sign of the pixels in this value, so bit patterns are compared.
    Some(if signed { moved >> unused } else { ((moved as u32) >> unused) as i32 })
}

/// Slope and intercept to HU from the first data set that has them.
fn rescale(object: &Object, sets: &[&DataSet]) -> Result<(f64, f64), IoError> {
    let find = |tag| sets.iter().find_map(|set| number(set, tag));
    match (find(tags::RESCALE_SLOPE), find(tags::RESCALE_INTERCEPT)) {
        (Some(slope), Some(intercept)) if slope.is_finite() && slope != 0.0 && intercept.is_finite() => {
            Ok((slope, intercept))
        }
        (slope, intercept) => {
            let show = |value: Option<f64>| value.map_or("none".to_owned(), |v| v.to_string());
            Err(object.refused(
                "RescaleSlope, RescaleIntercept",
                format!("{}, {}", show(slope), show(intercept)),
                "finite numbers, the slope not 0",
                "Export the CT with its rescale to Hounsfield units.",
            ))
        }
    }
}

/// Refuses pixels in a unit other than HU.
fn check_unit(object: &Object, set: &DataSet) -> Result<(), IoError> {
    match super::object::text(set, tags::RESCALE_TYPE) {
        Some(unit) if !["HU", "HU_MOD", "US"].contains(&unit.as_str()) => Err(object.refused(
            "RescaleType (0028,1054)",
            unit,
            "HU",
            "Give the series in Hounsfield units, not a spectral or material map.",
        )),
        _ => Ok(()),
    }
}

/// Refuses a series whose objects state different frames of reference.
pub(crate) fn one_frame_of_reference(path: &Place, objects: &[Object]) -> Result<(), IoError> {
    let frame = |object: &Object| object.text(tags::FRAME_OF_REFERENCE_UID);
    let first = frame(&objects[0]);
    match objects.iter().find(|object| frame(object) != first) {
        None => Ok(()),
        Some(other) => Err(IoError::invalid(
            path,
            "FrameOfReferenceUID (0020,0052)",
            format!("two frames of reference ({} and {})", objects[0].path.display(), other.path.display()),
            "one frame of reference in a series",
            "Give the folder of one series.",
        )),
    }
}
