//! PT and NM images to activity concentration at the time of the scan.
//!
//! A pixel value is converted in three steps, each stated by the file or refused:
//!
//! 1. stored value to Bq/mL: by the real world value mapping where there is one (it starts from the
//!    stored value), else by rescale slope and intercept with `Units` BQML;
//! 2. the moment that the value refers to: `DecayCorrection` NONE is the frame's own mean, START the
//!    start of the acquisition, ADMIN the injection;
//! 3. that moment to the middle of the scan, with the half-life of the file:
//!    A(scan) = A(reference) 2^(-(t_scan - t_reference) / T).
//!
//! Missing or contradictory information is refused unless the user states it; the user's value then decides, with a
//! note.

use dicom_dictionary_std::tags;
use jiff::civil::DateTime;

use super::beds::{self, Bed};
use super::clock::Clock;
use super::counts;
use super::ct::one_frame_of_reference;
use super::kind::{ENHANCED_PT, Kind, NM, PT};
use super::legible::note_once;
use super::object::{DataSet, Object, PixelSource, items, number, numbers, text};
use super::stack::{Lone, Plane, Stack, file_name, functional_group, stack, stated_spacing_mm};
use super::stated::{
    ActivityOptions, DecayCorrection, say_correction, say_counts, say_half_life, say_injection, say_time, say_unit,
    say_zone,
};
use super::study::{Origin, Series, Study};
use super::time::{Moment, later, seconds};
use super::{Opened, given, isotope, legible, reserve};
use crate::bounds;
use crate::fault::{Setting, Words, words};
use crate::grid::Volume;
use crate::io::IoError;
use crate::note::Note;
use crate::place::Place;

/// Longest time from injection to scan, half-lives; beyond this a date is wrong.
const MAX_HALF_LIVES: f64 = 30.0;
/// Largest change of the activity by a doubtful reference time that is only noted.
const DOUBT_REL: f64 = 0.01;
/// Difference between stated and computed decay factor above which a note is given.
const NOTE_REL: f64 = 1e-3;
/// Difference between the file's half-life and the nuclide's above which a note is given.
const HALF_LIFE_NOTE_REL: f64 = 0.01;
/// Difference above which the half-life is another nuclide's: tables of one nuclide differ by at most 2 %.
const HALF_LIFE_OTHER_REL: f64 = 0.05;
/// A time from the user and one from the file count as equal within this difference, h.
const SAME_TIME_H: f64 = 0.05;

/// When an image was taken. Relative times only, since dates identify the patient.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timing {
    /// From the injection to the middle of the scan, h, where both are dated.
    pub hours_after_injection: Option<f64>,
    /// Length of the scan, s; 0 where the file does not state it.
    pub duration_s: f64,
    /// Time of injection, if dated or stated, for comparison with that of another image.
    pub injection: Option<Moment>,
    /// Time of injection dated by the file, whatever was stated.
    pub dated_injection: Option<Moment>,
}

/// An activity image and what its file says about it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ActivityImage {
    /// Activity concentration at the middle of the scan, Bq/mL; counts of the scan where they are asked for.
    pub image: Opened<f64>,
    /// What the file says about it.
    pub scan: Scan,
}

/// What the file of an activity image says about the scan.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Scan {
    /// When it was taken.
    pub timing: Timing,
    /// Correction that the file carried, undone here.
    pub decay_correction: DecayCorrection,
    /// Factors by which values were brought to the middle of the scan: lowest and highest over the slices.
    pub decay_factors: [f64; 2],
    /// Where the scale comes from: `rescale` or `real world value mapping`.
    pub calibration: &'static str,
    /// Half-life stated by the user, else by the file, h.
    pub half_life_h: Option<f64>,
    /// Administered activity that the file states, MBq.
    pub administered_mbq: Option<f64>,
    /// Why a stated administered activity is not used: field, value and readings.
    pub administered_doubt: Option<String>,
    /// Nuclides that the file states, as `177Lu`.
    pub nuclide: Option<String>,
    /// Views of a SPECT acquisition, where the file states them.
    pub views: Option<u32>,
    /// Time of a view, s, where the file states it.
    pub seconds_per_view: Option<f64>,
}

/// One plane of the image.
struct Slice {
    object: usize,
    frame: usize,
    slope: f64,
    intercept: f64,
    /// Start of its acquisition.
    start: Option<DateTime>,
    duration_s: f64,
    /// FrameReferenceTime, s.
    reference_s: Option<f64>,
    /// Decay factor stated for it.
    stated_factor: Option<f64>,
}

/// Reads the one activity image of a folder or file: PT series, NM reconstruction, enhanced PT.
///
/// Errors: none or several; projections or gated data; counts or SUV in place of an activity
/// concentration; a decay correction that is not stated or cannot be undone; geometry as for CT.
pub fn read_activity(path: impl Into<Place>, options: &ActivityOptions) -> Result<ActivityImage, IoError> {
    let path = &path.into();
    let study = Study::open(path)?;
    let series = study.only(path, Kind::Activity)?;
    let beside = study.whole(path, series)?;
    let mut read = activity(path, series, options)?;
    read.image.notes.extend(beside);
    Ok(read)
}

/// Activity of a series.
pub(crate) fn activity(path: &Place, series: &Series, options: &ActivityOptions) -> Result<ActivityImage, IoError> {
    let objects = &series.objects;
    let first = &objects[0];
    one_frame_of_reference(path, objects)?;
    same_in_all(path, objects, options)?;
    let mut notes = Vec::new();
    for object in objects {
        legible::numbers(object, &told(options), &mut notes)?;
        if let Some(run) = options.nuclide {
            isotope::check(object, run, &mut notes)?;
        }
    }
    if first.text(tags::FRAME_OF_REFERENCE_UID).is_none() {
        notes.push(Note::warning(
            "no-frame-of-reference",
            "FrameOfReferenceUID is absent: only its coordinates say that the image lies on the CT",
        ));
    }
    let (planes, stack, mut slices) = match first.class().as_str() {
        PT => pt_slices(path, objects, options, &mut notes)?,
        NM => nm_slices(path, objects, options, &mut notes)?,
        _ => enhanced_slices(path, objects, options, &mut notes)?,
    };
    let calibration = calibration_name(first);
    notes.extend(stack.notes.iter().cloned());
    take_own_moments(first, &mut slices, &mut notes)?;
    let times = Times::of(first, &slices, options, &mut notes)?;
    let factors: Vec<f64> = slices
        .iter()
        .enumerate()
        .map(|(n, slice)| times.factor(first, slice, &planes[n].name))
        .collect::<Result<_, _>>()?;
    let mut data = Vec::new();
    let mut open: Option<(usize, PixelSource)> = None;
    for &n in &stack.order {
        let slice = &slices[n];
        let object = &objects[slice.object];
        let source = match open.take() {
            Some((held, source)) if held == slice.object => source,
            _ => object.pixels()?,
        };
        let values = source.frame(&object.path, slice.frame)?;
        if data.is_empty() {
            data = reserve(path, stack.grid.len())?;
        }
        let wide = source.format.bits_stored == 32 && !source.format.signed;
        data.extend(values.into_iter().map(|stored| {
            let stored = if wide { f64::from(stored as u32) } else { f64::from(stored) };
            (stored * slice.slope + slice.intercept) * factors[n]
        }));
        open = Some((slice.object, source));
    }
    let negative = data.iter().filter(|v| **v < 0.0).count();
    if negative > 0 {
        let unit = if options.counts { "counts" } else { "Bq/mL" };
        notes.push(Note::warning("negative-activity", format!("{negative} pixels below 0 {unit}")));
    }
    let (administered_mbq, administered_doubt) = given::administered_mbq(first, &mut notes);
    let extremes = |values: &[f64]| values.iter().fold([f64::INFINITY, 0.0f64], |[a, b], &v| [a.min(v), b.max(v)]);
    let volume = Volume::new(stack.grid, data).map_err(|source| IoError::Grid { path: path.to_path_buf(), source })?;
    Ok(ActivityImage {
        image: Opened {
            volume,
            notes,
            form_code: 1,
            files: objects.iter().map(|object| object.path.clone()).collect(),
            origin: Some(Origin::new(path, objects)),
            description: String::new(),
        },
        scan: Scan {
            timing: times.timing,
            decay_correction: times.correction,
            decay_factors: extremes(&factors),
            calibration,
            half_life_h: options.half_life_h.or(stated_half_life_s(first).map(|s| s / 3600.0)),
            administered_mbq,
            administered_doubt,
            nuclide: isotope::stated(first),
            views: rotation(first, tags::NUMBER_OF_FRAMES_IN_ROTATION)
                .filter(|views| views.fract() == 0.0 && *views > 0.0 && *views <= f64::from(u32::MAX))
                .map(|views| views as u32),
            seconds_per_view: rotation(first, tags::ACTUAL_FRAME_DURATION).filter(|ms| *ms > 0.0).map(|ms| ms * 1e-3),
        },
    })
}

/// A number of the rotation of a SPECT acquisition.
fn rotation(object: &Object, tag: dicom_core::Tag) -> Option<f64> {
    object.items(tags::ROTATION_INFORMATION_SEQUENCE).first().and_then(|set| number(set, tag))
}

/// Moves the start of each slice to the start of its own frame, where only FrameReferenceTime tells beds apart.
fn take_own_moments(object: &Object, slices: &mut [Slice], notes: &mut Vec<Note>) -> Result<(), IoError> {
    let bed = |slice: &Slice| Bed { start: slice.start, duration_s: slice.duration_s, reference_s: slice.reference_s };
    let beds: Vec<Bed> = slices.iter().map(bed).collect();
    for (slice, offset_s) in slices.iter_mut().zip(beds::offsets_s(object, &beds, notes)?) {
        slice.start = slice.start.map(|start| later(start, offset_s));
    }
    Ok(())
}

/// Header numbers that the user can state, whether they are stated, and how to state them.
fn told(options: &ActivityOptions) -> [(dicom_core::Tag, bool, Words); 7] {
    [
        (tags::RADIONUCLIDE_HALF_LIFE, options.half_life_h.is_some(), say_half_life()),
        (tags::DECAY_FACTOR, options.decay_correction.is_some(), say_correction()),
        (tags::ACTUAL_FRAME_DURATION, false, say_time()),
        (tags::RESCALE_SLOPE, false, say_unit()),
        (tags::RESCALE_INTERCEPT, false, say_unit()),
        (tags::REAL_WORLD_VALUE_SLOPE, false, say_unit()),
        (tags::REAL_WORLD_VALUE_INTERCEPT, false, say_unit()),
    ]
}

/// Refuses a series whose objects disagree about unit, correction, half-life or injection, unless the user states it.
fn same_in_all(path: &Place, objects: &[Object], options: &ActivityOptions) -> Result<(), IoError> {
    const OTHER: &str = "Give the folder of one series.";
    let first = &objects[0];
    for (tag, stated, next) in [
        (tags::SOP_CLASS_UID, false, OTHER.into()),
        (tags::UNITS, options.assume_bq_ml, say_unit()),
        (tags::DECAY_CORRECTION, options.decay_correction.is_some(), say_correction()),
        (tags::TIMEZONE_OFFSET_FROM_UTC, options.time_zone.is_some(), say_zone()),
        (tags::IMAGE_TYPE, false, OTHER.into()),
    ] {
        let other = objects.iter().find(|object| object.text(tag) != first.text(tag));
        if let (Some(other), false) = (other, stated) {
            let show = |object: &Object| object.text(tag).unwrap_or("none".to_owned());
            return Err(IoError::invalid(
                path,
                super::object::tag_name(tag),
                format!(
                    "{} in {} and {} in {}",
                    show(first),
                    file_name(&first.path),
                    show(other),
                    file_name(&other.path)
                ),
                "one value in a series",
                next,
            ));
        }
    }
    let times = [tags::RADIOPHARMACEUTICAL_START_DATE_TIME, tags::RADIOPHARMACEUTICAL_START_TIME];
    let timed = options.injection.is_some() || options.hours_after_injection.is_some();
    for (tag, what, stated, next) in [
        (times[0], "injections", timed, say_injection()),
        (times[1], "injections", timed, say_injection()),
        (tags::RADIONUCLIDE_HALF_LIFE, "half-lives", options.half_life_h.is_some(), say_half_life()),
    ] {
        let value = |object: &Object| object.radiopharmaceutical().and_then(|set| text(set, tag));
        let other = objects.iter().find(|object| value(object) != value(first));
        if let (Some(other), false) = (other, stated) {
            return Err(IoError::invalid(
                path,
                super::object::tag_name(tag),
                format!("other {what} in {} and {}", file_name(&first.path), file_name(&other.path)),
                "one in a series",
                next,
            ));
        }
    }
    Ok(())
}

type Slices = (Vec<Plane>, Stack, Vec<Slice>);

fn pt_slices(
    path: &Place,
    objects: &[Object],
    options: &ActivityOptions,
    notes: &mut Vec<Note>,
) -> Result<Slices, IoError> {
    let first = &objects[0];
    let kind = first.numbers_text(tags::SERIES_TYPE);
    if kind.iter().any(|part| ["GATED", "DYNAMIC"].contains(&part.as_str())) {
        return Err(first.refused(
            "SeriesType (0054,1000)",
            kind.join("\\"),
            "STATIC or WHOLE BODY",
            "Give one static reconstruction; sum the frames first.",
        ));
    }
    objects.iter().try_for_each(|object| counts::one_frame(object, "PT"))?;
    let planes = objects.iter().map(Plane::of_image).collect::<Result<Vec<_>, _>>()?;
    let stack = stack(path, &planes, Lone::of(first))?;
    notes.extend(counts::slices(first, objects.len())?);
    let mut slices = Vec::new();
    for (n, object) in objects.iter().enumerate() {
        let (slope, intercept) = scale(object, &[&object.header], options, notes)?;
        slices.push(Slice {
            object: n,
            frame: 0,
            slope,
            intercept,
            start: Clock::of(object, options, notes)?.start(notes)?,
            duration_s: frame_duration_s(object),
            reference_s: beds::reference_s(object, &[&object.header])?,
            stated_factor: decay_factor(&object.header),
        });
    }
    Ok((planes, stack, slices))
}

fn nm_slices(
    path: &Place,
    objects: &[Object],
    options: &ActivityOptions,
    notes: &mut Vec<Note>,
) -> Result<Slices, IoError> {
    let [object] = objects else {
        return Err(IoError::invalid(
            path,
            "series",
            format!("{} NM objects", objects.len()),
            "one reconstruction",
            "Give the file of the reconstruction that is meant.",
        ));
    };
    let kind = object.numbers_text(tags::IMAGE_TYPE);
    if kind.get(2).map(String::as_str) != Some("RECON TOMO") {
        return Err(object.refused(
            "ImageType (0008,0008)",
            kind.join("\\"),
            "RECON TOMO (a reconstruction, not gated)",
            "Give the reconstructed SPECT, not projections or planar images.",
        ));
    }
    let frames = object.frames();
    for (tag, name) in [
        (tags::NUMBER_OF_SLICES, "NumberOfSlices (0054,0081)"),
        (tags::NUMBER_OF_ENERGY_WINDOWS, "NumberOfEnergyWindows (0054,0011)"),
    ] {
        let wanted = if tag == tags::NUMBER_OF_SLICES { frames as f64 } else { 1.0 };
        if let Some(found) = object.number(tag).filter(|found| *found != wanted) {
            return Err(object.refused(
                name,
                found.to_string(),
                format!("{wanted}"),
                "Give the reconstruction of one energy window and one time.",
            ));
        }
    }
    // The header alone can promise 2^31 frames: believe it only if the file holds them.
    let source = object.pixels()?;
    source.frame(&object.path, 0)?;
    let detector = object.items(tags::DETECTOR_INFORMATION_SEQUENCE).first();
    let sets: Vec<&DataSet> = detector.into_iter().chain([&object.header]).collect();
    let base = Plane::of_sets(object, &sets, file_name(&object.path))?;
    let step_mm = match object.number(tags::SPACING_BETWEEN_SLICES).filter(|mm| *mm != 0.0 && mm.is_finite()) {
        // NM reconstruction module: the sign gives the direction of stacking along the normal.
        Some(mm) => mm,
        None => {
            notes.push(Note::warning(
                "slice-spacing-assumed",
                "SpacingBetweenSlices is absent: slices stacked along the normal by their thickness",
            ));
            stated_spacing_mm(object)
        }
    };
    let vector = numbers(&object.header, tags::SLICE_VECTOR);
    if !vector.is_empty() && (vector.len() != frames || vector.iter().any(|v| !(1.0..=frames as f64).contains(v))) {
        return Err(object.refused(
            "SliceVector (0054,0080)",
            format!("{} values for {frames} frames", vector.len()),
            "one slice number a frame, counted from 1",
            "Export the reconstruction again.",
        ));
    }
    let (slope, intercept) = scale(object, &[&object.header], options, notes)?;
    let start = Clock::of(object, options, notes)?.start(notes)?;
    let duration_s = nm_duration_s(object, notes);
    let stated_factor = decay_factor(&object.header);
    let normal = base.normal();
    let mut planes = Vec::with_capacity(frames);
    let mut slices = Vec::with_capacity(frames);
    for frame in 0..frames {
        let place = vector.get(frame).map_or(frame as f64, |n| n - 1.0) * step_mm;
        planes.push(Plane {
            position_mm: [0, 1, 2].map(|axis| base.position_mm[axis] + place * normal[axis]),
            name: format!("{} frame {}", base.name, frame + 1),
            ..base.clone()
        });
        slices.push(Slice { object: 0, frame, slope, intercept, start, duration_s, reference_s: None, stated_factor });
    }
    let stack = stack(path, &planes, Lone::of(object))?;
    Ok((planes, stack, slices))
}

fn enhanced_slices(
    path: &Place,
    objects: &[Object],
    options: &ActivityOptions,
    notes: &mut Vec<Note>,
) -> Result<Slices, IoError> {
    let mut planes = Vec::new();
    let mut slices = Vec::new();
    for (n, object) in objects.iter().enumerate() {
        let clock = Clock::of(object, options, notes)?;
        planes.extend(Plane::of_functional_groups(object)?);
        for (frame, groups) in object.frame_groups().enumerate() {
            let groups = &groups?;
            let group = |tag| functional_group(object, groups, tag);
            let mapped = items(groups, tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE);
            let shared = object.items(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE).first();
            let mut sets: Vec<&DataSet> = Vec::new();
            if !mapped.is_empty() {
                sets.push(groups);
            }
            sets.extend(group(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE));
            sets.extend(shared);
            sets.push(&object.header);
            let (slope, intercept) = scale(object, &sets, options, notes)?;
            let content = group(tags::FRAME_CONTENT_SEQUENCE);
            let start = clock.start_of_frame(content, notes)?;
            let duration_s = content
                .and_then(|set| number(set, tags::FRAME_ACQUISITION_DURATION))
                .map_or_else(|| frame_duration_s(object), |ms| ms * 1e-3);
            let converted = group(tags::UNASSIGNED_PER_FRAME_CONVERTED_ATTRIBUTES_SEQUENCE);
            let timed: Vec<&DataSet> = converted.into_iter().chain([&object.header]).collect();
            let reference_s = beds::reference_s(object, &timed)?;
            // A legacy converted image keeps the attributes of its slices in the last of these.
            let stated_factor =
                [tags::PET_FRAME_CORRECTION_FACTORS_SEQUENCE, tags::UNASSIGNED_PER_FRAME_CONVERTED_ATTRIBUTES_SEQUENCE]
                    .into_iter()
                    .find_map(|tag| group(tag).and_then(decay_factor))
                    .or_else(|| decay_factor(&object.header));
            slices.push(Slice { object: n, frame, slope, intercept, start, duration_s, reference_s, stated_factor });
        }
    }
    let stack = stack(path, &planes, Lone::of(&objects[0]))?;
    Ok((planes, stack, slices))
}

fn stated_half_life_s(object: &Object) -> Option<f64> {
    object.radiopharmaceutical().and_then(|set| number(set, tags::RADIONUCLIDE_HALF_LIFE)).filter(|s| *s > 0.0)
}

/// Half-life for undoing a correction, s: the user's, the file's, or the default if the file has none.
///
/// Errors: a half-life of the file that is none, or another nuclide's than the run's, and that nobody states.
fn half_life_s(object: &Object, options: &ActivityOptions, notes: &mut Vec<Note>) -> Result<Option<f64>, IoError> {
    let refused = |found: String, allowed: String| {
        Err(object.refused("RadionuclideHalfLife (0018,1075)", found, allowed, say_half_life()))
    };
    let stated = object.radiopharmaceutical().and_then(|set| number(set, tags::RADIONUCLIDE_HALF_LIFE));
    if let (Some(s), None) = (stated.filter(|s| *s <= 0.0), options.half_life_h) {
        return refused(format!("{s} s"), "above 0".to_owned());
    }
    let own_h = stated_half_life_s(object).map(|s| s / 3600.0);
    let used_h = match (options.half_life_h, own_h) {
        (Some(given), Some(own)) => {
            notes.push(Note::warning(
                "half-life-stated",
                if given == own {
                    format!("half-life {given:.4} h as stated and in the file")
                } else {
                    format!("half-life: the file says {own:.4} h, the user states {given:.4} h: {given:.4} h is used")
                },
            ));
            given
        }
        (Some(given), None) => {
            notes.push(Note::warning("half-life-stated", format!("half-life {given:.4} h as stated")));
            given
        }
        (None, Some(own)) => {
            if let Some(nuclide) = options.if_silent.half_life_h {
                let apart = (own / nuclide - 1.0).abs();
                if apart > HALF_LIFE_OTHER_REL {
                    let allowed = format!("{nuclide:.4} h, of the nuclide of this run, to 5 %");
                    let of = isotope::stated(object).map_or(String::new(), |own| format!(": the images are of {own}"));
                    let next = words!(
                        "Is the nuclide of the run that of the images (",
                        Setting::Nuclide,
                        ")? If it is: ",
                        say_half_life()
                    );
                    let field = "RadionuclideHalfLife (0018,1075)";
                    return Err(object.refused(field, format!("{own:.4} h{of}"), allowed, next));
                }
                if apart > HALF_LIFE_NOTE_REL {
                    notes.push(Note::warning(
                        "half-life-of-file",
                        format!("half-life {own:.4} h in the file, {nuclide:.4} h of the nuclide"),
                    ));
                }
            }
            own
        }
        (None, None) => return Ok(options.if_silent.half_life_h.map(|h| h * 3600.0)),
    };
    Ok(Some(used_h * 3600.0))
}

/// Decay factor that a header or a frame's group states.
fn decay_factor(set: &DataSet) -> Option<f64> {
    number(set, tags::DECAY_FACTOR)
}

/// Size of a unit in Bq/mL, if it is an activity concentration.
fn bq_ml(unit: &str) -> Option<f64> {
    let plain: String = unit.to_lowercase().chars().filter(|c| !matches!(c, ' ' | '[' | ']')).collect();
    match plain.as_str() {
        "bq/ml" | "bqml" | "bq/cm3" | "bq/cc" => Some(1.0),
        "kbq/ml" | "kbqml" | "kbq/cm3" | "kbq/cc" => Some(1e3),
        "mbq/ml" => Some(1e6),
        _ => None,
    }
}

/// Slope and intercept from stored value to counts.
///
/// Errors: another unit than counts; a scale that is none.
fn scale_to_counts(object: &Object, sets: &[&DataSet], notes: &mut Vec<Note>) -> Result<(f64, f64), IoError> {
    let find = |tag| sets.iter().find_map(|set| number(set, tag));
    let unit = object.text(tags::UNITS).or_else(|| sets.iter().find_map(|set| text(set, tags::RESCALE_TYPE)));
    match unit.as_deref() {
        Some("CNTS") => {}
        None | Some("US") => {
            note_once(notes, Note::warning("unit-assumed", "the file states no unit; values taken as counts as told"))
        }
        Some(other) => return Err(object.refused("Units (0054,1001)", other, "CNTS (counts)", say_counts())),
    }
    let (slope, intercept) = (find(tags::RESCALE_SLOPE), find(tags::RESCALE_INTERCEPT).unwrap_or(0.0));
    let slope = slope.unwrap_or(1.0);
    if slope.is_finite() && slope > 0.0 && intercept.is_finite() {
        return Ok((slope, intercept));
    }
    let found = format!("{slope}, {intercept}");
    let allowed = "finite, the slope above 0";
    Err(object.refused("RescaleSlope, RescaleIntercept", found, allowed, "Export the image again."))
}

/// Slope and intercept from stored value to Bq/mL, or to counts where they are asked for.
fn scale(
    object: &Object,
    sets: &[&DataSet],
    options: &ActivityOptions,
    notes: &mut Vec<Note>,
) -> Result<(f64, f64), IoError> {
    if options.counts {
        return scale_to_counts(object, sets, notes);
    }
    let checked = |slope: f64, intercept: f64, field: &str| {
        if slope.is_finite() && slope > 0.0 && intercept.is_finite() {
            return Ok((slope, intercept));
        }
        Err(object.refused(
            field,
            format!("{slope}, {intercept}"),
            "finite, the slope above 0",
            "Export the image again.",
        ))
    };
    if let Some(mapped) = mapping(object, sets, options, notes)? {
        return checked(mapped.0, mapped.1, "RealWorldValueSlope, RealWorldValueIntercept");
    }
    let find = |tag| sets.iter().find_map(|set| number(set, tag));
    let slope = find(tags::RESCALE_SLOPE);
    let intercept = find(tags::RESCALE_INTERCEPT).unwrap_or(0.0);
    let unit = object.text(tags::UNITS).or_else(|| sets.iter().find_map(|set| text(set, tags::RESCALE_TYPE)));
    let silent = matches!(unit.as_deref(), None | Some("US"));
    match unit.as_deref().map(|unit| (unit, bq_ml(unit))) {
        Some((_, Some(factor))) => match slope {
            Some(slope) => checked(slope * factor, intercept * factor, "RescaleSlope, RescaleIntercept"),
            None if options.assume_bq_ml => {
                note_once(
                    notes,
                    Note::warning(
                        "scale-assumed",
                        "RescaleSlope is absent: stored values taken in their unit as stated",
                    ),
                );
                checked(factor, intercept * factor, "RescaleSlope, RescaleIntercept")
            }
            None => Err(object.refused("RescaleSlope (0028,1053)", "none", "the scale to Bq/mL", say_unit())),
        },
        found if options.assume_bq_ml || (silent && options.if_silent.bq_ml) => {
            note_once(
                notes,
                Note::warning(
                    "unit-assumed",
                    match found {
                        Some((unit, _)) if !silent => {
                            format!("Units: the file says {unit}, the user states Bq/mL: values are taken as Bq/mL")
                        }
                        _ => "the file states no unit; values taken as Bq/mL as stated".to_owned(),
                    },
                ),
            );
            checked(slope.unwrap_or(1.0), intercept, "RescaleSlope, RescaleIntercept")
        }
        found => {
            let found = match found.map(|(unit, _)| unit) {
                None => "none",
                Some("CNTS" | "PROPCNTS" | "PROPCPS" | "CPS") => "counts",
                Some("GML" | "CM2ML") => "standardised uptake (SUV)",
                Some(other) => other,
            };
            Err(object.refused("Units (0054,1001)", found, "BQML (Bq/mL)", say_unit()))
        }
    }
}

/// Slope and intercept of the real world value mapping to Bq/mL, where there is one.
fn mapping(
    object: &Object,
    sets: &[&DataSet],
    options: &ActivityOptions,
    notes: &mut Vec<Note>,
) -> Result<Option<(f64, f64)>, IoError> {
    let maps = sets.iter().map(|set| items(set, tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE)).find(|maps| !maps.is_empty());
    let Some(maps) = maps else { return Ok(None) };
    let field = "RealWorldValueMappingSequence (0040,9096)";
    let mut found: Vec<(f64, f64)> = Vec::new();
    let mut other: Vec<(f64, f64)> = Vec::new();
    let mut units = Vec::new();
    for map in maps {
        let unit =
            items(map, tags::MEASUREMENT_UNITS_CODE_SEQUENCE).first().and_then(|code| text(code, tags::CODE_VALUE));
        let slope = number(map, tags::REAL_WORLD_VALUE_SLOPE);
        let intercept = number(map, tags::REAL_WORLD_VALUE_INTERCEPT).unwrap_or(0.0);
        let Some(factor) = unit.as_deref().and_then(bq_ml) else {
            other.extend(slope.map(|slope| (slope, intercept)));
            units.push(unit.unwrap_or("none".to_owned()));
            continue;
        };
        let Some(slope) = slope else {
            return Err(object.refused(
                field,
                "a table of values",
                "a slope and an intercept",
                "Export a linear scale.",
            ));
        };
        found.push((slope * factor, intercept * factor));
    }
    found.dedup();
    other.dedup();
    match (found.as_slice(), other.as_slice()) {
        ([one], _) => Ok(Some(*one)),
        ([], _) if object.text(tags::UNITS).as_deref().and_then(bq_ml).is_some() => Ok(None),
        ([], [one]) if options.assume_bq_ml => {
            let units = units.join(", ");
            note_once(
                notes,
                Note::warning(
                    "unit-assumed",
                    format!(
                        "Units: the file says {units}, the user states Bq/mL: values are taken as Bq/mL by its scale"
                    ),
                ),
            );
            Ok(Some(*one))
        }
        ([], []) | ([], [_]) => Err(object.refused(field, format!("units {}", units.join(", ")), "Bq/ml", say_unit())),
        (scales, others) => Err(object.refused(
            field,
            if scales.is_empty() {
                format!("{} different scales in units {}", others.len(), units.join(", "))
            } else {
                format!("{} different scales to Bq/mL", scales.len())
            },
            "one",
            "Export the image with one scale over all stored values, or as NIfTI with unit, correction and time in a \
             SERIES.toml.",
        )),
    }
}

fn calibration_name(object: &Object) -> &'static str {
    let shared = object.items(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE).first();
    let mapped = [Some(&object.header), shared]
        .into_iter()
        .flatten()
        .any(|set| !items(set, tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE).is_empty());
    if mapped { "real world value mapping" } else { "rescale" }
}

/// Length of a frame, s; 0 where it is not stated.
fn frame_duration_s(object: &Object) -> f64 {
    object.number(tags::ACTUAL_FRAME_DURATION).map_or(0.0, |ms| ms * 1e-3)
}

/// Length of a SPECT acquisition, s.
fn nm_duration_s(object: &Object, notes: &mut Vec<Note>) -> f64 {
    let own = frame_duration_s(object);
    if own != 0.0 {
        return own;
    }
    let views = rotation(object, tags::NUMBER_OF_FRAMES_IN_ROTATION);
    let ms = rotation(object, tags::ACTUAL_FRAME_DURATION);
    match (views, ms) {
        (Some(views), Some(ms)) if views * ms != 0.0 => {
            notes.push(Note::warning(
                "scan-length-from-rotation",
                format!("length of the scan from the rotation: {views} views of {} s", ms * 1e-3),
            ));
            views * ms * 1e-3
        }
        _ => 0.0,
    }
}

/// Times of a series and the correction to undo.
struct Times {
    correction: DecayCorrection,
    timing: Timing,
    half_life_s: Option<f64>,
    /// Time to which the values were corrected, for START and ADMIN.
    reference: Option<DateTime>,
    /// Whether START is the start of each slice's own frame.
    own_starts: bool,
    /// Middle of the scan.
    scan: Option<DateTime>,
    /// Factor to mid-scan, if that time is stated and not all slices are dated.
    undated_factor: Option<f64>,
}

impl Times {
    fn of(
        object: &Object,
        slices: &[Slice],
        options: &ActivityOptions,
        notes: &mut Vec<Note>,
    ) -> Result<Self, IoError> {
        let correction = correction(object, options, notes)?;
        let clock = Clock::of(object, options, notes)?;
        let dated = clock.injection(notes)?;
        let half_life_s = half_life_s(object, options, notes)?;
        for slice in slices {
            bounds::scan_s("ActualFrameDuration (0018,1242)", slice.duration_s)
                .map_err(|error| object.refused(error.what, error.found, error.allowed, error.next))?;
        }
        let start = slices.iter().filter_map(|slice| slice.start).min();
        let end = slices.iter().filter_map(|slice| slice.start.map(|start| later(start, slice.duration_s))).max();
        let scan = start.zip(end).map(|(start, end)| later(start, 0.5 * seconds(start, end)));
        let longest_s = slices.iter().map(|slice| slice.duration_s).fold(0.0, f64::max);
        let duration_s = start.zip(end).map_or(longest_s, |(start, end)| seconds(start, end));
        if duration_s == 0.0 {
            notes.push(Note::warning(
                "scan-length-unknown",
                "the length of the scan is not stated: its start is taken as its middle",
            ));
        }
        let (injection, hours_after_injection) = since_injection(&clock, dated, scan, options, notes)?;
        if let Some(hours) = hours_after_injection {
            let longest = half_life_s.map_or(f64::INFINITY, |s| MAX_HALF_LIVES * s / 3600.0);
            if !(0.0..=longest).contains(&hours) {
                return Err(object.refused(
                    "time from injection to scan",
                    format!("{hours:.3} h"),
                    "0 to 30 half-lives",
                    if hours > longest { words!(say_injection(), " ", say_half_life()) } else { say_injection() },
                ));
            }
        }
        let reference = match correction {
            DecayCorrection::None => None,
            DecayCorrection::Start => start,
            DecayCorrection::Administration => injection,
        };
        // If not all slices are dated, a stated time applies to the whole scan.
        let undated = options.hours_after_injection.filter(|_| slices.iter().any(|slice| slice.start.is_none()));
        let undated_factor = undated.and_then(|hours| match correction {
            DecayCorrection::None => Some(1.0),
            DecayCorrection::Start => half_life_s.map(|s| (-0.5 * duration_s / s).exp2()),
            DecayCorrection::Administration => half_life_s.map(|s| (-hours * 3600.0 / s).exp2()),
        });
        let mut times = Self {
            correction,
            own_starts: false,
            timing: Timing {
                hours_after_injection,
                duration_s,
                injection: injection.map(|moment| Moment::new(moment, clock.zone())),
                dated_injection: dated.map(|moment| Moment::new(moment, clock.zone())),
            },
            half_life_s,
            reference,
            scan,
            undated_factor,
        };
        times.tell_starts_apart(slices, notes);
        times.check(object, slices, options, notes)?;
        Ok(times)
    }

    /// Takes START as the start of each slice's own frame where its decay factors say so and not the start of the series.
    fn tell_starts_apart(&mut self, slices: &[Slice], notes: &mut Vec<Note>) {
        let several = slices.iter().any(|slice| slice.start != slices[0].start);
        let told = slices.iter().all(|slice| slice.stated_factor.is_some());
        if self.correction != DecayCorrection::Start || !several || !told || self.worst_off(slices) <= NOTE_REL {
            return;
        }
        self.own_starts = true;
        if self.worst_off(slices) <= NOTE_REL {
            notes.push(Note::warning(
                "decay-factor-own-frame",
                "DecayFactor: each bed was corrected to the start of its own frame; undone so",
            ));
        } else {
            self.own_starts = false;
        }
    }

    /// Time to which the values of a slice were corrected, for START and ADMIN.
    fn reference(&self, slice: &Slice) -> Option<DateTime> {
        if self.own_starts { slice.start } else { self.reference }
    }

    /// Largest relative difference between stated decay factors and those computed from the times.
    fn worst_off(&self, slices: &[Slice]) -> f64 {
        slices.iter().filter_map(|slice| self.factor_off(slice)).fold(0.0, f64::max)
    }

    /// Refuses a correction that cannot be undone, and, unless the user states it, one that the decay factors
    /// contradict.
    fn check(
        &self,
        object: &Object,
        slices: &[Slice],
        options: &ActivityOptions,
        notes: &mut Vec<Note>,
    ) -> Result<(), IoError> {
        let corrected = self.correction != DecayCorrection::None;
        let dated = self.undated_factor.is_some();
        let lacking = [
            (corrected && self.half_life_s.is_none(), "the half-life", say_half_life()),
            (corrected && !dated && self.scan.is_none(), "the time of acquisition", say_time()),
            (
                corrected && !dated && self.reference.is_none(),
                "the moment that values were corrected to",
                say_injection(),
            ),
        ];
        if let Some((_, what, next)) = lacking.into_iter().find(|(lacks, ..)| *lacks) {
            return Err(object.refused(
                "DecayCorrection (0054,1102)",
                format!("{} without {what}", self.correction.name()),
                "dates and times of injection and acquisition, and RadionuclideHalfLife",
                next,
            ));
        }
        let worst = self.worst_off(slices);
        if worst <= NOTE_REL {
            return Ok(());
        }
        let name = self.correction.name();
        // Some scanners always state 1: if every frame has it, it says nothing.
        if corrected && slices.iter().all(|slice| slice.stated_factor == Some(1.0)) {
            let text = format!(
                "DecayFactor is 1 on every frame beside DecayCorrection {name}: a placeholder, read as {name}; the factor \
                 comes from the times and the half-life"
            );
            notes.push(Note::warning("decay-factor-placeholder", text));
            return Ok(());
        }
        let from = if corrected { "the times and the half-life" } else { "1, as DecayCorrection NONE asks for" };
        if worst <= DOUBT_REL {
            notes.push(Note::warning(
                "decay-factor-differs",
                format!("DecayFactor differs by {:.3} % from {from}", 100.0 * worst),
            ));
            return Ok(());
        }
        if options.decay_correction.is_some() {
            let text = format!(
                "DecayFactor is {:.2} % from {from}: the header contradicts the correction {name} that the user states, \
                 which is used",
                100.0 * worst
            );
            notes.push(Note::warning("decay-factor-contradicts", text));
            return Ok(());
        }
        let what = if corrected { "the factor that the times and the half-life give" } else { from };
        Err(object.refused(
            "DecayFactor (0054,1321)",
            format!("{:.2} % from {what}", 100.0 * worst),
            "at most 1 %",
            words!("The header contradicts itself. ", say_correction()),
        ))
    }

    /// Relative difference between a slice's stated decay factor and that from its times; `None` if either is missing.
    fn factor_off(&self, slice: &Slice) -> Option<f64> {
        let stated = slice.stated_factor?;
        let ours = match self.correction {
            DecayCorrection::None => 1.0,
            _ => ((seconds(self.reference(slice)?, slice.start?) + 0.5 * slice.duration_s) / self.half_life_s?).exp2(),
        };
        Some((ours / stated - 1.0).abs())
    }

    /// Factor that brings the values of one slice to the middle of the scan.
    fn factor(&self, object: &Object, slice: &Slice, name: &str) -> Result<f64, IoError> {
        if let Some(factor) = self.undated_factor {
            return Ok(factor);
        }
        let (Some(half_life_s), Some(scan)) = (self.half_life_s, self.scan) else { return Ok(1.0) };
        let reference = match self.correction {
            DecayCorrection::None => slice.start.map(|start| later(start, 0.5 * slice.duration_s)),
            _ => self.reference(slice),
        };
        let Some(reference) = reference else {
            return Err(object.refused(
                "AcquisitionDate, AcquisitionTime",
                format!("none in {name}"),
                "the time of every slice, or of none",
                say_time(),
            ));
        };
        Ok((-seconds(reference, scan) / half_life_s).exp2())
    }
}

/// Time of injection and hours from it to mid-scan: as stated, else as dated by the file.
///
/// Errors: a stated time whose zone cannot be compared with the scan's.
fn since_injection(
    clock: &Clock<'_>,
    dated: Option<DateTime>,
    scan: Option<DateTime>,
    options: &ActivityOptions,
    notes: &mut Vec<Note>,
) -> Result<(Option<DateTime>, Option<f64>), IoError> {
    let mut injection = dated;
    if let Some(stated) = options.injection {
        let stated = clock.stated(stated, notes)?;
        match dated.map(|dated| seconds(dated, stated) / 3600.0) {
            None | Some(0.0) => notes.push(Note::warning("injection-stated", "injection as stated")),
            Some(apart_h) => notes.push(Note::warning(
                "injection-stated",
                format!(
                    "injection: the user states it {:.4} h {} than the file: the stated one is used",
                    apart_h.abs(),
                    if apart_h > 0.0 { "later" } else { "earlier" }
                ),
            )),
        }
        injection = Some(stated);
    }
    let own_h = injection.zip(scan).map(|(from, to)| seconds(from, to) / 3600.0);
    let Some(given) = options.hours_after_injection else { return Ok((injection, own_h)) };
    match own_h {
        Some(own_h) if (own_h - given).abs() <= SAME_TIME_H => return Ok((injection, Some(own_h))),
        Some(own_h) => notes.push(Note::warning(
            "time-after-injection-stated",
            format!(
                "time after injection: the file says {own_h:.4} h, the user states {given:.4} h: {given:.4} h is used"
            ),
        )),
        None => notes
            .push(Note::warning("time-after-injection-stated", format!("time after injection {given:.4} h as stated"))),
    }
    Ok((scan.map(|scan| later(scan, -given * 3600.0)).or(injection), Some(given)))
}

/// The correction that the user states for an image, or that it states itself.
fn correction(object: &Object, options: &ActivityOptions, notes: &mut Vec<Note>) -> Result<DecayCorrection, IoError> {
    let field = "DecayCorrection (0054,1102)";
    let corrected = object.numbers_text(tags::CORRECTED_IMAGE).iter().any(|part| part == "DECY");
    let flag = object.text(tags::DECAY_CORRECTED);
    let says_corrected = corrected || flag.as_deref() == Some("YES");
    let own = object.text(tags::DECAY_CORRECTION);
    if let Some(given) = options.decay_correction {
        let name = given.name();
        notes.push(Note::warning(
            "decay-correction-stated",
            match &own {
                Some(own) if own != name => {
                    format!("DecayCorrection: the file says {own}, the user states {name}: {name} is used")
                }
                _ if says_corrected && given == DecayCorrection::None => {
                    "DecayCorrection: the file says that it is decay corrected, the user states NONE: NONE is used"
                        .to_owned()
                }
                _ => format!("decay correction {name} as stated"),
            },
        ));
        return Ok(given);
    }
    let doubt = |found: &str, allowed: &str| Err(object.refused(field, found, allowed, say_correction()));
    if let Some(own) = own {
        return match DecayCorrection::of(&own) {
            None => doubt(&own, "NONE, START or ADMIN"),
            Some(DecayCorrection::None) if corrected => doubt("NONE, and CorrectedImage lists DECY", "one of the two"),
            Some(correction) => Ok(correction),
        };
    }
    if says_corrected {
        return doubt("none, though the image is decay corrected", "NONE, START or ADMIN");
    }
    if let Some(given) = options.if_silent.decay_correction {
        notes.push(Note::warning("decay-correction-stated", format!("decay correction {} as stated", given.name())));
        return Ok(given);
    }
    if object.class() == NM || object.class() == ENHANCED_PT {
        return Ok(DecayCorrection::None);
    }
    doubt("none", "NONE, START or ADMIN")
}

impl Object {
    /// Parts of a multi-valued text.
    pub(crate) fn numbers_text(&self, tag: dicom_core::Tag) -> Vec<String> {
        let text = self.text(tag).unwrap_or_default();
        text.split('\\').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
    }
}
