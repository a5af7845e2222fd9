//! Planes in space to one grid: the only module of the DICOM reader that handles geometry.
//!
//! DICOM states positions in LPS millimetres; `VoxelGrid` has RAS. Index i runs along a row of
//! pixels, j down a column, k from plane to plane along the normal (row direction x column direction).
//! The patient's position in the scanner (HFS, HFP, FFS, FFP) does not matter: the plane's position and direction are
//! already in the patient's frame.

use dicom_dictionary_std::tags;

use super::object::{DataSet, Object, items, number, vector};
use crate::grid::VoxelGrid;
use crate::io::IoError;
use crate::note::Note;
use crate::place::Place;

/// Largest change of a direction cosine inside one series.
const DIRECTION_TOLERANCE: f64 = 1e-4;
/// Largest deviation of a plane from even spacing, in steps between planes.
const UNEVEN_TOLERANCE: f64 = 0.05;
/// Largest in-plane shift per mm from plane to plane; beyond this the gantry was tilted.
const TILT_TOLERANCE: f64 = 1e-3;
/// Number of long gaps in a row that count as a different step.
const RUN: usize = 3;
/// Next step where the gantry was tilted.
const SAY_TILT: &str =
    "Resample the series without tilt (for example with dcm2niix or gantry-tilt correction of the viewer).";
/// Planes closer than this lie at the same place, mm.
const SAME_PLACE_MM: f64 = 1e-3;

/// One plane of pixels in space.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plane {
    /// Centre of the first pixel, LPS mm.
    pub(crate) position_mm: [f64; 3],
    /// Unit vector along a row (towards higher columns), LPS.
    pub(crate) along_row: [f64; 3],
    /// Unit vector down a column (towards higher rows), LPS.
    pub(crate) down_column: [f64; 3],
    /// Distance between neighbours along a row, mm.
    pub(crate) column_spacing_mm: f64,
    /// Distance between neighbours down a column, mm.
    pub(crate) row_spacing_mm: f64,
    /// Pixels along a row.
    pub(crate) columns: usize,
    /// Pixels down a column.
    pub(crate) rows: usize,
    /// The plane's name for messages.
    pub(crate) name: String,
}

/// Planes in order on one grid.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stack {
    /// The grid: i along rows, j down columns, k from plane to plane.
    pub(crate) grid: VoxelGrid,
    /// Which plane lies at each k.
    pub(crate) order: Vec<usize>,
    /// What a careful user should know.
    pub(crate) notes: Vec<Note>,
}

impl Plane {
    /// Unit vector across the plane, LPS.
    pub(crate) fn normal(&self) -> [f64; 3] {
        cross(self.along_row, self.down_column)
    }

    /// A plane from the header of a single-frame image.
    pub(crate) fn of_image(object: &Object) -> Result<Self, IoError> {
        Self::of_sets(object, &[&object.header], file_name(&object.path))
    }

    /// A plane from the data sets that may hold its attributes, the most specific first.
    pub(crate) fn of_sets(object: &Object, sets: &[&DataSet], name: String) -> Result<Self, IoError> {
        fn find<const N: usize>(sets: &[&DataSet], tag: dicom_core::Tag) -> Option<[f64; N]> {
            sets.iter().find_map(|set| vector(set, tag))
        }
        let missing = |what: &str, allowed: &str| {
            object.refused(what, "none that can be read", allowed, "Export the image with its place in the patient.")
        };
        let position_mm = find::<3>(sets, tags::IMAGE_POSITION_PATIENT)
            .ok_or_else(|| missing("ImagePositionPatient (0020,0032)", "three finite numbers, mm"))?;
        let directions = find::<6>(sets, tags::IMAGE_ORIENTATION_PATIENT)
            .ok_or_else(|| missing("ImageOrientationPatient (0020,0037)", "six direction cosines"))?;
        let [row_spacing_mm, column_spacing_mm] = find::<2>(sets, tags::PIXEL_SPACING)
            .ok_or_else(|| missing("PixelSpacing (0028,0030)", "two lengths above 0, mm"))?;
        let [a, b, c, d, e, f] = directions;
        let (along_row, down_column) = ([a, b, c], [d, e, f]);
        let unit = |v: [f64; 3]| (dot(v, v).sqrt() - 1.0).abs() < 1e-3;
        if !unit(along_row) || !unit(down_column) || dot(along_row, down_column).abs() > 1e-3 {
            return Err(object.refused(
                "ImageOrientationPatient (0020,0037)",
                format!("{directions:?}"),
                "two unit vectors at right angles",
                "Export the image again.",
            ));
        }
        for spacing in [row_spacing_mm, column_spacing_mm] {
            if !(1e-3..=1e3).contains(&spacing) {
                return Err(object.refused(
                    "PixelSpacing (0028,0030)",
                    format!("{spacing} mm"),
                    "0.001 to 1000 mm",
                    "Export the image with its true pixel size.",
                ));
            }
        }
        if position_mm.iter().any(|v| v.abs() > 1e6) {
            return Err(object.refused(
                "ImagePositionPatient (0020,0032)",
                format!("{position_mm:?} mm"),
                "less than a kilometre",
                "Export the image again.",
            ));
        }
        let format = object.pixel_format()?;
        Ok(Self {
            position_mm,
            along_row: normalised(along_row),
            down_column: normalised(down_column),
            column_spacing_mm,
            row_spacing_mm,
            columns: format.columns,
            rows: format.rows,
            name,
        })
    }

    /// Planes of an enhanced multi-frame object, one a frame, from its functional groups.
    pub(crate) fn of_functional_groups(object: &Object) -> Result<Vec<Self>, IoError> {
        let format = object.pixel_format()?;
        if object.frame_count() != format.frames {
            return Err(object.refused(
                "PerFrameFunctionalGroupsSequence (5200,9230)",
                format!("{} items", object.frame_count()),
                format!("{}, one a frame", format.frames),
                "Export the image again.",
            ));
        }
        let name = file_name(&object.path);
        object
            .frame_groups()
            .enumerate()
            .map(|(n, frame)| {
                let frame = &frame?;
                let mut sets = Vec::new();
                for group in
                    [tags::PLANE_POSITION_SEQUENCE, tags::PLANE_ORIENTATION_SEQUENCE, tags::PIXEL_MEASURES_SEQUENCE]
                {
                    sets.extend(functional_group(object, frame, group));
                }
                Self::of_sets(object, &sets, format!("{name} frame {}", n + 1))
            })
            .collect()
    }
}

/// The item of a functional group for one frame: its own, else the shared one.
pub(crate) fn functional_group<'a>(
    object: &'a Object,
    frame: &'a DataSet,
    group: dicom_core::Tag,
) -> Option<&'a DataSet> {
    let shared = object.items(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE).first();
    items(frame, group).first().or_else(|| shared.and_then(|shared| items(shared, group).first()))
}

/// Distance between planes as an object states it, mm; 0 where it states none.
pub(crate) fn stated_spacing_mm(object: &Object) -> f64 {
    stated_mm(object, [tags::SPACING_BETWEEN_SLICES, tags::SLICE_THICKNESS])
}

/// The first of these lengths that an object states, mm; 0 where it states none.
fn stated_mm<const N: usize>(object: &Object, wanted: [dicom_core::Tag; N]) -> f64 {
    let shared = object.items(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE).first();
    let measures = shared.and_then(|shared| items(shared, tags::PIXEL_MEASURES_SEQUENCE).first());
    let sets = [Some(&object.header), measures];
    wanted
        .into_iter()
        .find_map(|tag| sets.iter().flatten().find_map(|set| number(set, tag)))
        .filter(|mm| mm.is_finite())
        .map_or(0.0, f64::abs)
}

/// Thickness of a single plane.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lone {
    mm: f64,
    /// Where that comes from.
    by: &'static str,
}

impl Lone {
    /// A thickness; `by` names its source.
    pub(crate) fn by(by: &'static str, mm: f64) -> Self {
        Self { mm, by }
    }

    /// As stated by an object: SliceThickness is that of a slice; SpacingBetweenSlices is the distance to a neighbour
    /// and used only without a thickness.
    pub(crate) fn of(object: &Object) -> Self {
        let by = [(tags::SLICE_THICKNESS, "SliceThickness"), (tags::SPACING_BETWEEN_SLICES, "SpacingBetweenSlices")];
        by.into_iter()
            .map(|(tag, by)| Self { mm: stated_mm(object, [tag]), by })
            .find(|lone| lone.mm > 0.0)
            .unwrap_or(Self { mm: 0.0, by: "nothing" })
    }
}

/// Whether two planes have the same directions, pixel size and number of pixels; if not, what differs.
pub(crate) fn difference(a: &Plane, b: &Plane) -> Option<String> {
    let turned = (0..3).any(|n| {
        (a.along_row[n] - b.along_row[n]).abs() > DIRECTION_TOLERANCE
            || (a.down_column[n] - b.down_column[n]).abs() > DIRECTION_TOLERANCE
    });
    if turned {
        return Some(format!(
            "directions {:?}, {:?} and {:?}, {:?}",
            a.along_row, a.down_column, b.along_row, b.down_column
        ));
    }
    let other = |x: f64, y: f64| (x - y).abs() > 1e-4 * x;
    if other(a.row_spacing_mm, b.row_spacing_mm) || other(a.column_spacing_mm, b.column_spacing_mm) {
        let [ar, ac, br, bc] = [a.row_spacing_mm, a.column_spacing_mm, b.row_spacing_mm, b.column_spacing_mm];
        return Some(format!("pixels of {ar} x {ac} mm and {br} x {bc} mm"));
    }
    if (a.rows, a.columns) != (b.rows, b.columns) {
        return Some(format!("{} x {} and {} x {} pixels", a.columns, a.rows, b.columns, b.rows));
    }
    None
}

/// Puts planes in order along their normal and onto one grid.
///
/// `path` names the series in errors; `lone` is the thickness of a single plane.
/// Errors: planes that differ in direction or pixel size, two planes at one place, planes missing, a variable step,
/// planes at uneven distances, a tilted gantry.
pub(crate) fn stack(path: &Place, planes: &[Plane], lone: Lone) -> Result<Stack, IoError> {
    let refused = |field: &str, found: String, allowed: &str, next: &str| {
        Err(IoError::invalid(path, field, found, allowed, next))
    };
    let Some(first) = planes.first() else {
        return refused("slices", "none".into(), "at least one", "Give the folder of the series.");
    };
    for plane in planes {
        if let Some(difference) = difference(first, plane) {
            return refused(
                "slice geometry",
                format!("{difference} in {} and {}", first.name, plane.name),
                "one direction and one pixel size in a series",
                "Give the folder of one series, without localizers and reformats.",
            );
        }
    }
    let normal = first.normal();
    let depth = |n: usize| dot(planes[n].position_mm, normal);
    let mut order: Vec<usize> = (0..planes.len()).collect();
    order.sort_by(|&a, &b| depth(a).total_cmp(&depth(b)).then_with(|| planes[a].name.cmp(&planes[b].name)));
    let mut notes = Vec::new();
    let step = if planes.len() == 1 {
        let Lone { mm, by } = lone;
        if !(mm > 0.0 && mm.is_finite()) {
            let found = "one slice without a thickness".to_owned();
            return refused("slices", found, "several slices, or one with SliceThickness", "Give the whole series.");
        }
        notes.push(Note::warning("one-slice", format!("one slice only; its thickness is taken from {by}, {mm} mm")));
        normal.map(|v| v * mm)
    } else {
        even_step(path, planes, &order, normal)?
    };
    let base = &planes[order[0]];
    let columns = [
        base.along_row.map(|v| v * base.column_spacing_mm),
        base.down_column.map(|v| v * base.row_spacing_mm),
        step,
        base.position_mm,
    ];
    // LPS to RAS: x and y change sign, once and here (the sum makes 0 of -0).
    let sign = [-1.0, -1.0, 1.0];
    let affine = [0, 1, 2].map(|row| [0, 1, 2, 3].map(|column| sign[row] * columns[column][row] + 0.0));
    let grid = VoxelGrid::from_affine([base.columns, base.rows, planes.len()], affine)
        .map_err(|source| IoError::Grid { path: path.to_path_buf(), source })?;
    Ok(Stack { grid, order, notes })
}

/// The step from plane to plane, LPS mm, of planes that lie evenly.
fn even_step(path: &Place, planes: &[Plane], order: &[usize], normal: [f64; 3]) -> Result<[f64; 3], IoError> {
    let depth = |n: usize| dot(planes[n].position_mm, normal);
    let gaps: Vec<f64> = order.windows(2).map(|pair| depth(pair[1]) - depth(pair[0])).collect();
    let double: Vec<String> = order
        .windows(2)
        .zip(&gaps)
        .filter(|(_, gap)| **gap < SAME_PLACE_MM)
        .map(|(pair, _)| format!("{} and {} at {:.3} mm", planes[pair[0]].name, planes[pair[1]].name, depth(pair[0])))
        .collect();
    if !double.is_empty() {
        return Err(IoError::invalid(
            path,
            "slice positions",
            format!("duplicate slices ({}): {}", double.len(), shortened(&double)),
            "one slice at each position",
            "Remove one of each pair: two reconstructions or two phases may share the folder.",
        ));
    }
    even_gaps(path, planes, order, &gaps, normal)?;
    let (first, last) = (&planes[order[0]], &planes[order[order.len() - 1]]);
    let steps = (order.len() - 1) as f64;
    let step = [0, 1, 2].map(|n| (last.position_mm[n] - first.position_mm[n]) / steps);
    let forward = dot(step, normal);
    if let Some(degrees) = tilt_degrees(step, normal) {
        return Err(IoError::invalid(
            path,
            "slice positions",
            format!("a gantry tilt of {degrees:.2} degrees (slices shifted inside their plane)"),
            "slices stacked at right angles",
            SAY_TILT,
        ));
    }
    for (k, &n) in order.iter().enumerate() {
        let ideal = [0, 1, 2].map(|axis| first.position_mm[axis] + step[axis] * k as f64);
        let off = [0, 1, 2].map(|axis| planes[n].position_mm[axis] - ideal[axis]);
        let off_mm = dot(off, off).sqrt();
        if off_mm > UNEVEN_TOLERANCE * forward {
            return Err(IoError::invalid(
                path,
                "slice positions",
                format!("{} lies {off_mm:.3} mm from its place in even steps of {forward:.3} mm", planes[n].name),
                "even steps, within 5 %",
                "Give one series of even slice distance, or resample it.",
            ));
        }
    }
    Ok(step)
}

/// Angle between the step from plane to plane and the normal, if the gantry was tilted.
fn tilt_degrees(way: [f64; 3], normal: [f64; 3]) -> Option<f64> {
    let forward = dot(way, normal);
    let sideways = [0, 1, 2].map(|n| way[n] - forward * normal[n]);
    let shift = dot(sideways, sideways).sqrt() / forward;
    (shift > TILT_TOLERANCE).then(|| shift.atan().to_degrees())
}

/// Refuses gaps well beyond the usual one: missing slices or a varying step, together with a tilt if there is one.
fn even_gaps(path: &Place, planes: &[Plane], order: &[usize], gaps: &[f64], normal: [f64; 3]) -> Result<(), IoError> {
    let mut sorted = gaps.to_vec();
    sorted.sort_by(f64::total_cmp);
    let typical = sorted[(sorted.len() - 1) / 2];
    // The usual step may be the longer of two.
    let least = sorted[0];
    let long: Vec<usize> = (0..gaps.len()).filter(|&n| gaps[n] > 1.5 * typical).collect();
    let (first, last) = (&planes[order[0]], &planes[order[order.len() - 1]]);
    let way = [0, 1, 2].map(|n| last.position_mm[n] - first.position_mm[n]);
    let tilt = tilt_degrees(way, normal).map_or(String::new(), |d| format!(", and a gantry tilt of {d:.2} degrees"));
    let varies = varies(gaps, typical);
    if varies || (typical > 1.5 * least) {
        return Err(IoError::invalid(
            path,
            "slice positions",
            format!("a variable step between slices: {}{tilt}", steps(gaps)),
            "one step in a series",
            format!("Resample the series to one step. {}", if tilt.is_empty() { "" } else { SAY_TILT })
                .trim()
                .to_owned(),
        ));
    }
    if long.is_empty() {
        return Ok(());
    }
    let depth = |n: usize| dot(planes[n].position_mm, normal);
    let missing: Vec<String> = long
        .iter()
        .map(|&n| {
            let [a, b] = [order[n], order[n + 1]];
            let count = (gaps[n] / typical).round() - 1.0;
            format!(
                "{count} between {:.3} and {:.3} mm ({} and {})",
                depth(a),
                depth(b),
                planes[a].name,
                planes[b].name
            )
        })
        .collect();
    Err(IoError::invalid(
        path,
        "slice positions",
        format!("missing slices in a series of {typical:.3} mm steps: {}{tilt}", shortened(&missing)),
        "every slice of the series",
        "Export the whole series again; no slice is made up.",
    ))
}

/// Whether long gaps are a different step rather than missing slices: not a whole number of usual steps, or several in
/// a row.
fn varies(gaps: &[f64], typical: f64) -> bool {
    let long = |gap: f64| gap > 1.5 * typical;
    let odd = |gap: f64| (gap / typical - (gap / typical).round()).abs() > UNEVEN_TOLERANCE;
    gaps.iter().any(|&gap| long(gap) && odd(gap))
        || gaps
            .windows(RUN)
            .any(|run| run.iter().all(|&gap| long(gap) && (gap / run[0] - 1.0).abs() < UNEVEN_TOLERANCE))
}

/// The steps of a series, mm, with how often each comes.
fn steps(gaps: &[f64]) -> String {
    let mut counts: Vec<(f64, usize)> = Vec::new();
    for &gap in gaps {
        match counts.iter_mut().find(|(known, _)| (gap / *known - 1.0).abs() < UNEVEN_TOLERANCE) {
            Some((_, count)) => *count += 1,
            None => counts.push((gap, 1)),
        }
    }
    counts.sort_by(|a, b| a.0.total_cmp(&b.0));
    let list: Vec<String> = counts.iter().map(|(gap, count)| format!("{count} of {gap:.3} mm")).collect();
    shortened(&list)
}

/// The first few of a list, for a message.
fn shortened(list: &[String]) -> String {
    let shown = list.iter().take(4).cloned().collect::<Vec<_>>().join("; ");
    if list.len() > 4 { format!("{shown}; and {} more", list.len() - 4) } else { shown }
}

/// The name of a file with that of the folder it lies in.
pub(crate) fn file_name(path: &Place) -> String {
    let name = |part: Option<&std::ffi::OsStr>| part.map(|name| name.to_string_lossy().into_owned());
    match (name(path.path().parent().and_then(std::path::Path::file_name)), name(path.file_name())) {
        (Some(folder), Some(file)) => format!("{folder}/{file}"),
        (None, Some(file)) => file,
        _ => path.display().to_string(),
    }
}

pub(crate) fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub(crate) fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

fn normalised(v: [f64; 3]) -> [f64; 3] {
    let length = dot(v, v).sqrt();
    v.map(|x| x / length)
}
