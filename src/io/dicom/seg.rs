//! Segmentation objects to labels: binary, fractional and label map.
//!
//! Such objects omit empty frames, so their planes may have gaps. Each frame is sampled at the voxel centres of the
//! reference grid: if the two grids share a lattice nothing is interpolated.

use std::collections::BTreeMap;

use dicom_dictionary_std::tags;

use super::kind::Kind;
use super::legible;
use super::object::{Object, PixelSource, number, text};
use super::regions::{Paint, Regions, labels_of, paint};
use super::stack::{Lone, Plane, difference, dot, functional_group, stack, stated_spacing_mm};
use super::study::Study;
use crate::grid::{Volume, VoxelGrid};
use crate::io::IoError;
use crate::note::Note;
use crate::place::Place;

/// Fraction at which a fractional pixel belongs to the segment.
const HALF: f64 = 0.5;

/// What the frames hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    Binary,
    Fractional,
    LabelMap,
}

/// A segment by name.
struct Segment {
    number: f64,
    name: String,
}

/// Reads the one segmentation of a folder or file onto a grid. Arguments and errors as
/// [`read_rtstruct`](super::read_rtstruct).
pub fn read_seg(path: impl Into<Place>, reference: &VoxelGrid, frame: Option<&str>) -> Result<Regions, IoError> {
    let path = &path.into();
    let study = Study::open(path)?;
    let series = study.only(path, Kind::Segmentation)?;
    if series.objects.len() > 1 {
        return Err(IoError::invalid(
            path,
            "segmentations",
            series.objects.len().to_string(),
            "one",
            "Give the file of the segmentation that is meant.",
        ));
    }
    regions(&series.objects[0], reference, frame)
}

/// Regions of a segmentation on a grid.
pub(crate) fn regions(object: &Object, reference: &VoxelGrid, frame: Option<&str>) -> Result<Regions, IoError> {
    let mut notes = Vec::new();
    legible::numbers(object, &[], &mut notes)?;
    let own_frame = object.text(tags::FRAME_OF_REFERENCE_UID);
    if let (Some(own), Some(wanted)) = (own_frame.as_deref(), frame)
        && own != wanted
    {
        return Err(object.refused(
            "FrameOfReferenceUID (0020,0052)",
            "another frame of reference than the image's",
            "the frame of reference of the CT",
            "Give the segmentation of this CT, or register it first.",
        ));
    }
    let kind = object.text(tags::SEGMENTATION_TYPE).unwrap_or_default();
    let content = match kind.as_str() {
        "BINARY" => Content::Binary,
        "FRACTIONAL" => Content::Fractional,
        "LABELMAP" => Content::LabelMap,
        _ => {
            return Err(object.refused(
                "SegmentationType (0062,0001)",
                kind,
                "BINARY, FRACTIONAL or LABELMAP",
                "Export the segmentation again.",
            ));
        }
    };
    let segments: Vec<Segment> = object
        .items(tags::SEGMENT_SEQUENCE)
        .iter()
        .filter_map(|item| {
            let number = number(item, tags::SEGMENT_NUMBER)?;
            let name = text(item, tags::SEGMENT_LABEL).unwrap_or_default();
            (number != 0.0).then_some(Segment { number, name })
        })
        .collect();
    if segments.is_empty() {
        return Err(object.refused(
            "SegmentSequence (0062,0002)",
            "no segment",
            "at least one",
            "Give the segmentation that holds the regions.",
        ));
    }
    numbers_are_distinct(object, &segments)?;
    // A header can claim 2^31 frames: trust it only if the file holds them.
    let source = object.pixels()?;
    source.frame(&object.path, 0)?;
    let planes = Plane::of_functional_groups(object)?;
    let lattice = Lattice::of(object, &planes)?;
    let frames = by_segment(object, &planes, &lattice, content, &segments)?;
    let threshold = threshold(object, content, &mut notes)?;
    let lookup = Lookup { lattice: &lattice, reference };
    let names: Vec<String> = segments.iter().map(|segment| segment.name.clone()).collect();
    let numbers: Vec<f64> = segments.iter().map(|segment| segment.number).collect();
    let labels = labels_of(&numbers, &names, &mut notes);
    let maps: Vec<Hits> = match content {
        Content::LabelMap => label_map_hits(object, &source, &frames, &lookup, &segments)?,
        _ => {
            let mut maps = Vec::new();
            for list in &frames {
                maps.push(segment_hits(object, &source, list, &lookup, threshold)?);
            }
            maps
        }
    };
    let cell_cm3 = lattice.stack.voxel_cm3();
    let paints: Vec<Paint> = labels
        .into_iter()
        .zip(&maps)
        .map(|((label, name), hits)| Paint {
            label,
            name,
            own_cm3: hits.own as f64 * cell_cm3,
            outside_cm3: hits.outside as f64 * cell_cm3,
            below: false,
        })
        .collect();
    let mut maps: Vec<Option<Vec<usize>>> = maps.into_iter().map(|hits| Some(hits.voxels)).collect();
    let empty = Volume::filled(reference.clone(), 0u16);
    Ok(paint(empty, &paints, notes, |n| maps[n].take().unwrap_or_default()))
}

/// If two segments share a number, their frames cannot be assigned.
fn numbers_are_distinct(object: &Object, segments: &[Segment]) -> Result<(), IoError> {
    let mut seen: BTreeMap<u64, &Segment> = BTreeMap::new();
    for segment in segments {
        if let Some(other) = seen.insert(segment.number.to_bits(), segment) {
            return Err(object.refused(
                "SegmentNumber (0062,0004)",
                format!("{} for both {} and {}", segment.number, other.name, segment.name),
                "a number of its own for each segment",
                "Export the segmentation again.",
            ));
        }
    }
    Ok(())
}

/// The regular lattice that all frames lie on.
struct Lattice {
    /// Grid from the lowest to the highest plane, RAS.
    stack: VoxelGrid,
    /// Position of each frame along k.
    place: Vec<usize>,
}

impl Lattice {
    fn of(object: &Object, planes: &[Plane]) -> Result<Self, IoError> {
        let first = &planes[0];
        for plane in planes {
            if let Some(difference) = difference(first, plane) {
                return Err(object.refused(
                    "frames",
                    format!("{difference} in {} and {}", first.name, plane.name),
                    "one direction and one pixel size",
                    "Export the segmentation on the grid of the CT.",
                ));
            }
        }
        let normal = first.normal();
        let depths: Vec<f64> = planes.iter().map(|plane| dot(plane.position_mm, normal)).collect();
        let low = depths.iter().copied().fold(f64::INFINITY, f64::min);
        let lowest = &planes[depths.iter().position(|d| *d == low).unwrap_or(0)];
        let mut sorted = depths.clone();
        sorted.sort_by(f64::total_cmp);
        let least = sorted.windows(2).map(|p| p[1] - p[0]).filter(|d| *d > 1e-3).fold(f64::INFINITY, f64::min);
        let stated = stated_spacing_mm(object);
        let step = if stated > 0.0 { stated } else { least };
        if !(step.is_finite() && step > 1e-3) {
            return Err(object.refused(
                "SpacingBetweenSlices (0018,0088)",
                "none",
                "the distance between slices, mm",
                "Export the segmentation on the grid of the CT.",
            ));
        }
        let mut place = Vec::with_capacity(planes.len());
        for (plane, depth) in planes.iter().zip(&depths) {
            let steps = (depth - low) / step;
            let ideal = [0, 1, 2].map(|n| lowest.position_mm[n] + normal[n] * steps.round() * step);
            let off = [0, 1, 2].map(|n| plane.position_mm[n] - ideal[n]);
            if dot(off, off).sqrt() > 0.05 * step || steps > 65535.0 {
                return Err(object.refused(
                    "frames",
                    format!("{} off the even steps of {step:.3} mm", plane.name),
                    "frames stacked at right angles in even steps",
                    "Export the segmentation on the grid of the CT.",
                ));
            }
            place.push(steps.round() as usize);
        }
        // One grid through the first and the last place; the planes between are on it by the check above.
        let count = place.iter().copied().max().unwrap_or(0) + 1;
        let base = Plane { position_mm: lowest.position_mm, ..first.clone() };
        let mut grid = stack(&object.path, std::slice::from_ref(&base), Lone::by("step", step))?.grid;
        grid.dims[2] = count;
        let stack = VoxelGrid::from_affine(grid.dims, grid.affine)
            .map_err(|source| IoError::Grid { path: object.path.to_path_buf(), source })?;
        Ok(Self { stack, place })
    }
}

/// Frames of each segment as (frame, place); for a label map one list of all frames.
fn by_segment(
    object: &Object,
    planes: &[Plane],
    lattice: &Lattice,
    content: Content,
    segments: &[Segment],
) -> Result<Vec<Vec<(usize, usize)>>, IoError> {
    if content == Content::LabelMap {
        let all: Vec<(usize, usize)> = (0..planes.len()).map(|n| (n, lattice.place[n])).collect();
        no_place_twice(object, &all, "label map")?;
        return Ok(vec![all]);
    }
    let mut lists = vec![Vec::new(); segments.len()];
    for (n, groups) in object.frame_groups().enumerate() {
        let groups = groups?;
        let group = functional_group(object, &groups, tags::SEGMENT_IDENTIFICATION_SEQUENCE);
        let wanted = group.and_then(|set| number(set, tags::REFERENCED_SEGMENT_NUMBER));
        let Some(segment) = segments.iter().position(|segment| Some(segment.number) == wanted) else {
            return Err(object.refused(
                "ReferencedSegmentNumber (0062,000B)",
                format!("{} in frame {}", wanted.map_or("none".to_owned(), |w| w.to_string()), n + 1),
                "a number of SegmentSequence",
                "Export the segmentation again.",
            ));
        };
        lists[segment].push((n, lattice.place[n]));
    }
    for (list, segment) in lists.iter().zip(segments) {
        no_place_twice(object, list, &segment.name)?;
    }
    Ok(lists)
}

fn no_place_twice(object: &Object, list: &[(usize, usize)], name: &str) -> Result<(), IoError> {
    let mut seen = BTreeMap::new();
    for &(frame, place) in list {
        if let Some(other) = seen.insert(place, frame) {
            return Err(object.refused(
                "frames",
                format!("{name}: frames {} and {} at one place", other + 1, frame + 1),
                "one frame at each place",
                "Export the segmentation again.",
            ));
        }
    }
    Ok(())
}

/// Lowest stored value that belongs to a segment.
fn threshold(object: &Object, content: Content, notes: &mut Vec<Note>) -> Result<i32, IoError> {
    if content != Content::Fractional {
        return Ok(1);
    }
    let most = object.number(tags::MAXIMUM_FRACTIONAL_VALUE).unwrap_or(255.0);
    if !(1.0..=65535.0).contains(&most) {
        return Err(object.refused(
            "MaximumFractionalValue (0062,000E)",
            most.to_string(),
            "1 to 65535",
            "Export the segmentation again.",
        ));
    }
    let kind = object.text(tags::SEGMENTATION_FRACTIONAL_TYPE).unwrap_or("fraction".to_owned()).to_lowercase();
    notes.push(Note::warning(
        "fractional-segments",
        format!("fractional segments: pixels with a {kind} of one half or more belong to the region"),
    ));
    Ok((HALF * most).ceil() as i32)
}

/// Voxels of the reference that a segment covers.
struct Hits {
    voxels: Vec<usize>,
    /// Pixels of the segment.
    own: usize,
    /// Of these, how many lie outside the reference grid.
    outside: usize,
}

/// Lookup from voxels of the reference to pixels of the segmentation.
struct Lookup<'a> {
    lattice: &'a Lattice,
    reference: &'a VoxelGrid,
}

impl Lookup<'_> {
    /// Calls `f` with each reference voxel whose centre lies in a pixel of one of the places: voxel, place, pixel.
    fn each(&self, mut f: impl FnMut(usize, usize, usize)) {
        let own = &self.lattice.stack;
        let origin = own.voxel_at_mm(self.reference.world_mm([0.0; 3]));
        let step = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]].map(|unit| {
            let moved = own.voxel_at_mm(self.reference.world_mm(unit));
            [0, 1, 2].map(|n| moved[n] - origin[n])
        });
        let [nx, ny, nz] = self.reference.dims;
        for k in 0..nz {
            for j in 0..ny {
                for i in 0..nx {
                    let at = [0, 1, 2].map(|n| {
                        (origin[n] + step[0][n] * i as f64 + step[1][n] * j as f64 + step[2][n] * k as f64).round()
                    });
                    if (0..3).all(|n| at[n] >= 0.0 && at[n] < own.dims[n] as f64) {
                        let pixel = at[0] as usize + own.dims[0] * at[1] as usize;
                        f(self.reference.index(i, j, k), at[2] as usize, pixel);
                    }
                }
            }
        }
    }

    /// Pixels of a frame at a place whose centres lie outside the reference grid.
    fn outside(&self, place: usize, pixels: impl Iterator<Item = usize>) -> usize {
        let own = &self.lattice.stack;
        pixels
            .filter(|&pixel| {
                let at = [(pixel % own.dims[0]) as f64, (pixel / own.dims[0]) as f64, place as f64];
                let voxel = self.reference.voxel_at_mm(own.world_mm(at));
                !(0..3).all(|n| voxel[n] >= -0.5 && voxel[n] < self.reference.dims[n] as f64 - 0.5)
            })
            .count()
    }
}

/// Voxels of one segment.
fn segment_hits(
    object: &Object,
    source: &PixelSource,
    list: &[(usize, usize)],
    lookup: &Lookup<'_>,
    threshold: i32,
) -> Result<Hits, IoError> {
    let mut hits = Hits { voxels: Vec::new(), own: 0, outside: 0 };
    let mut planes: BTreeMap<usize, Vec<bool>> = BTreeMap::new();
    for &(frame, place) in list {
        let inside: Vec<bool> = source.frame(&object.path, frame)?.into_iter().map(|v| v >= threshold).collect();
        hits.own += inside.iter().filter(|v| **v).count();
        let pixels = inside.iter().enumerate().filter(|(_, v)| **v).map(|(pixel, _)| pixel);
        hits.outside += lookup.outside(place, pixels);
        planes.insert(place, inside);
    }
    let by_place: Vec<Option<&Vec<bool>>> = (0..lookup.lattice.stack.dims[2]).map(|place| planes.get(&place)).collect();
    lookup.each(|voxel, place, pixel| {
        if by_place[place].is_some_and(|plane| plane[pixel]) {
            hits.voxels.push(voxel);
        }
    });
    Ok(hits)
}

/// Voxels of all segments of a label map.
fn label_map_hits(
    object: &Object,
    source: &PixelSource,
    frames: &[Vec<(usize, usize)>],
    lookup: &Lookup<'_>,
    segments: &[Segment],
) -> Result<Vec<Hits>, IoError> {
    let index: BTreeMap<i64, usize> = segments.iter().enumerate().map(|(n, s)| (s.number as i64, n)).collect();
    let padding = object.number(tags::PIXEL_PADDING_VALUE).unwrap_or(0.0) as i64;
    let mut maps: Vec<Hits> = segments.iter().map(|_| Hits { voxels: Vec::new(), own: 0, outside: 0 }).collect();
    let mut planes: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
    for &(frame, place) in frames.iter().flatten() {
        let values = source.frame(&object.path, frame)?;
        let mut plane = Vec::with_capacity(values.len());
        for value in values {
            let value = i64::from(value);
            let segment = match index.get(&value) {
                Some(&segment) => segment as u32,
                None if value == 0 || value == padding => u32::MAX,
                None => {
                    return Err(object.refused(
                        "pixel data",
                        format!("value {value} in frame {}", frame + 1),
                        "numbers of SegmentSequence, and 0",
                        "Export the segmentation again.",
                    ));
                }
            };
            plane.push(segment);
        }
        for (segment, hits) in maps.iter_mut().enumerate() {
            let of = |v: &&u32| **v == segment as u32;
            let own = plane.iter().filter(of).count();
            if own > 0 {
                hits.own += own;
                let pixels = plane.iter().enumerate().filter(|(_, v)| **v == segment as u32).map(|(pixel, _)| pixel);
                hits.outside += lookup.outside(place, pixels);
            }
        }
        planes.insert(place, plane);
    }
    let by_place: Vec<Option<&Vec<u32>>> = (0..lookup.lattice.stack.dims[2]).map(|place| planes.get(&place)).collect();
    lookup.each(|voxel, place, pixel| {
        if let Some(&segment) = by_place[place].map(|plane| &plane[pixel])
            && let Some(hits) = maps.get_mut(segment as usize)
        {
            hits.voxels.push(voxel);
        }
    });
    Ok(maps)
}
