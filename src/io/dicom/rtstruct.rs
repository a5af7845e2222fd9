//! Contours to voxels.
//!
//! A voxel belongs to a region when its centre lies inside by the even-odd rule over all contours of
//! one plane together: holes, islands, and contours joined to their holes by a keyhole all come out
//! right. A voxel between two planes takes the nearer one, up to half the distance between planes
//! beyond the last; where planes are wider apart than 1.5 times their usual distance nothing is filled.

use std::path::Path;

use dicom_dictionary_std::tags;

use super::object::{Object, items, number, text};
use super::regions::{Paint, Regions, labels_of, paint};
use super::stack::{cross, dot};
use super::study::{Kind, Study};
use crate::grid::{Volume, VoxelGrid};
use crate::io::IoError;

/// Contours whose planes are closer than this lie in one plane, mm.
const SAME_PLANE_MM: f64 = 0.05;
/// Planes wider apart than this, in usual distances, have a gap between them.
const GAP: f64 = 1.5;
/// Cosine to the normal below which an index axis of the grid runs inside the planes of contours.
const INSIDE_PLANE: f64 = 1e-6;
/// Points of one structure set at most.
const MAX_POINTS: usize = 100_000_000;

/// One region as drawn.
struct Roi {
    number: f64,
    name: String,
    /// Whether it is the outline of the body.
    external: bool,
    /// Unit vector across its planes, RAS.
    normal: [f64; 3],
    /// Two unit vectors in its planes, RAS.
    axes: [[f64; 3]; 2],
    /// Planes from low to high.
    planes: Vec<ContourPlane>,
    /// Usual distance between planes, mm; 0 for a single plane.
    usual_mm: f64,
}

/// All contours of one region in one plane.
struct ContourPlane {
    depth_mm: f64,
    /// Closed polygons in the plane's two axes, mm.
    polygons: Vec<Vec<[f64; 2]>>,
    /// Lowest and highest second coordinate.
    heights_mm: [f64; 2],
}

/// Reads the one structure set of a folder or file onto a grid.
///
/// `reference` is the grid that the regions shall have (in any axis order); `frame` the frame of reference of
/// that grid where it is known. Errors: no structure set or several, contours in another frame of
/// reference, broken contours, no region.
pub fn read_rtstruct(path: impl AsRef<Path>, reference: &VoxelGrid, frame: Option<&str>) -> Result<Regions, IoError> {
    let path = path.as_ref();
    let study = Study::open(path)?;
    let series = study.only(path, Kind::StructureSet)?;
    if series.objects.len() > 1 {
        return Err(IoError::invalid(
            path,
            "structure sets",
            series.objects.len().to_string(),
            "one",
            "Give the file of the structure set that is meant.",
        ));
    }
    regions(&series.objects[0], reference, frame)
}

/// Regions of a structure set on a grid.
pub(crate) fn regions(object: &Object, reference: &VoxelGrid, frame: Option<&str>) -> Result<Regions, IoError> {
    let mut notes = Vec::new();
    let rois = rois(object, frame, &mut notes)?;
    if rois.is_empty() {
        return Err(object.refused(
            "ROIContourSequence (3006,0039)",
            "no closed contour",
            "at least one region of closed planar contours",
            "Give the structure set that holds the regions.",
        ));
    }
    let numbers: Vec<f64> = rois.iter().map(|roi| roi.number).collect();
    let names: Vec<String> = rois.iter().map(|roi| roi.name.clone()).collect();
    let labels = labels_of(&numbers, &names, &mut notes);
    let paints: Vec<Paint> = rois
        .iter()
        .zip(labels)
        .map(|(roi, (label, name))| Paint {
            label,
            name,
            own_cm3: roi.volume_cm3(reference),
            outside_cm3: 0.0,
            below: roi.external,
        })
        .collect();
    let empty = Volume::filled(reference.clone(), 0u16);
    Ok(paint(empty, &paints, notes, |n| rois[n].voxels(reference)))
}

/// The regions of a structure set with their planes.
fn rois(object: &Object, frame: Option<&str>, notes: &mut Vec<String>) -> Result<Vec<Roi>, IoError> {
    let stated: Vec<(f64, String, Option<String>)> = object
        .items(tags::STRUCTURE_SET_ROI_SEQUENCE)
        .iter()
        .filter_map(|item| {
            let name = text(item, tags::ROI_NAME).unwrap_or_default();
            Some((number(item, tags::ROI_NUMBER)?, name, text(item, tags::REFERENCED_FRAME_OF_REFERENCE_UID)))
        })
        .collect();
    let external: Vec<f64> = object
        .items(tags::RTROI_OBSERVATIONS_SEQUENCE)
        .iter()
        .filter(|item| text(item, tags::RTROI_INTERPRETED_TYPE).as_deref() == Some("EXTERNAL"))
        .filter_map(|item| number(item, tags::REFERENCED_ROI_NUMBER))
        .collect();
    let mut found = Vec::new();
    let mut points = 0usize;
    for item in object.items(tags::ROI_CONTOUR_SEQUENCE) {
        let number_of = number(item, tags::REFERENCED_ROI_NUMBER);
        let Some((number, name, own_frame)) = stated.iter().find(|(n, _, _)| Some(*n) == number_of) else {
            return Err(object.refused(
                "ReferencedROINumber (3006,0084)",
                number_of.map_or("none".to_owned(), |n| n.to_string()),
                "a number of StructureSetROISequence",
                "Export the structure set again.",
            ));
        };
        if let (Some(own), Some(wanted)) = (own_frame.as_deref(), frame)
            && own != wanted
        {
            return Err(object.refused(
                "ReferencedFrameOfReferenceUID (3006,0024)",
                format!("region {name} in another frame of reference than the image"),
                "the frame of reference of the CT",
                "Give the structure set that was drawn on this CT, or register it first.",
            ));
        }
        let contours = closed_contours(object, item, name, &mut points, notes)?;
        if let Some(roi) = Roi::new(*number, name.clone(), external.contains(number), contours, notes) {
            found.push(roi);
        }
    }
    Ok(found)
}

/// Closed planar contours of a region, RAS mm.
fn closed_contours(
    object: &Object,
    item: &super::object::DataSet,
    name: &str,
    points: &mut usize,
    notes: &mut Vec<String>,
) -> Result<Vec<Vec<[f64; 3]>>, IoError> {
    let mut contours = Vec::new();
    let mut degenerate = 0usize;
    let mut other = 0usize;
    for contour in items(item, tags::CONTOUR_SEQUENCE) {
        let kind = text(contour, tags::CONTOUR_GEOMETRIC_TYPE).unwrap_or_default();
        let values = contour
            .get(tags::CONTOUR_DATA)
            .map(|element| element.to_multi_float64())
            .transpose()
            .map_err(|_| broken(object, name, "values that are no numbers"))?
            .unwrap_or_default();
        if values.len() % 3 != 0 {
            return Err(broken(object, name, &format!("{} coordinates", values.len())));
        }
        if values.iter().any(|v| !v.is_finite() || v.abs() > 1e6) {
            return Err(broken(object, name, "a coordinate that is not finite or beyond a kilometre"));
        }
        let stated = number(contour, tags::NUMBER_OF_CONTOUR_POINTS);
        if stated.is_some_and(|n| n * 3.0 != values.len() as f64) {
            let found = format!("{} points where {} are stated", values.len() / 3, stated.unwrap_or(0.0));
            return Err(broken(object, name, &found));
        }
        *points += values.len() / 3;
        if *points > MAX_POINTS {
            return Err(broken(object, name, &format!("more than {MAX_POINTS} points")));
        }
        if !["CLOSED_PLANAR", "CLOSEDPLANAR_XOR"].contains(&kind.as_str()) {
            other += 1;
        } else if values.len() < 9 {
            degenerate += 1;
        } else {
            // LPS to RAS.
            contours.push(values.as_chunks::<3>().0.iter().map(|[x, y, z]| [-x, -y, *z]).collect());
        }
    }
    if degenerate > 0 {
        notes.push(format!("region {name}: {degenerate} contours of one or two points enclose nothing"));
    }
    if other > 0 {
        notes.push(format!("region {name}: {other} points or open lines left out"));
    }
    Ok(contours)
}

fn broken(object: &Object, name: &str, found: &str) -> IoError {
    object.refused(
        "ContourData (3006,0050)",
        format!("region {name}: {found}"),
        "finite x, y, z of every point, mm",
        "Export the structure set again.",
    )
}

/// Twice the area vector of a polygon (its length is twice the area, its direction the normal).
fn area_vector(polygon: &[[f64; 3]]) -> [f64; 3] {
    let base = polygon[0];
    let arm = |p: [f64; 3]| [p[0] - base[0], p[1] - base[1], p[2] - base[2]];
    polygon.windows(2).fold([0.0; 3], |sum, pair| {
        let c = cross(arm(pair[0]), arm(pair[1]));
        [sum[0] + c[0], sum[1] + c[1], sum[2] + c[2]]
    })
}

impl Roi {
    /// Sorts contours into planes. None where nothing is enclosed.
    fn new(
        number: f64,
        name: String,
        external: bool,
        contours: Vec<Vec<[f64; 3]>>,
        notes: &mut Vec<String>,
    ) -> Option<Self> {
        let largest = contours.iter().map(|c| area_vector(c)).max_by(|a, b| dot(*a, *a).total_cmp(&dot(*b, *b)))?;
        let length = dot(largest, largest).sqrt();
        if length < 1e-6 {
            notes.push(format!("region {name}: its contours enclose nothing"));
            return None;
        }
        let (normal, axes) = frame_of(largest.map(|v| v / length));
        let mut flat: Vec<(f64, Vec<[f64; 2]>)> = Vec::new();
        let mut bent = 0usize;
        for contour in contours {
            let depths = contour.iter().map(|p| dot(*p, normal));
            let (low, high) = depths.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), d| (a.min(d), b.max(d)));
            bent += usize::from(high - low > 0.5);
            let polygon = contour.iter().map(|p| [dot(*p, axes[0]), dot(*p, axes[1])]).collect();
            flat.push((0.5 * (low + high), polygon));
        }
        if bent > 0 {
            notes.push(format!("region {name}: {bent} contours leave their plane by more than 0.5 mm"));
        }
        flat.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut planes: Vec<ContourPlane> = Vec::new();
        for (depth_mm, polygon) in flat {
            match planes.last_mut() {
                Some(plane) if depth_mm - plane.depth_mm <= SAME_PLANE_MM => plane.add(polygon),
                _ => planes.push(ContourPlane::new(depth_mm, vec![polygon])),
            }
        }
        let mut steps: Vec<f64> = planes.windows(2).map(|pair| pair[1].depth_mm - pair[0].depth_mm).collect();
        steps.sort_by(f64::total_cmp);
        let usual_mm = steps.get(steps.len().saturating_sub(1) / 2).copied().unwrap_or(0.0);
        let gaps = steps.iter().filter(|step| **step > GAP * usual_mm).count();
        if gaps > 0 {
            notes.push(format!("region {name}: {gaps} gaps between planes of contours, left empty"));
        }
        Some(Self { number, name, external, normal, axes, planes, usual_mm })
    }

    /// Thickness of the slab of a plane: to half way to its neighbours, at most half the usual distance
    /// across a gap. `grid` gives the thickness of a lone plane.
    fn slab_mm(&self, n: usize, grid: &VoxelGrid) -> [f64; 2] {
        let usual_mm = if self.usual_mm > 0.0 { self.usual_mm } else { self.lone_mm(grid) };
        let half = |step: Option<f64>| match step {
            Some(step) if step <= GAP * usual_mm => 0.5 * step,
            _ => 0.5 * usual_mm,
        };
        let depth = |n: usize| self.planes.get(n).map(|plane| plane.depth_mm);
        let here = self.planes[n].depth_mm;
        let below = n.checked_sub(1).and_then(depth).map(|d| here - d);
        [half(below), half(depth(n + 1).map(|d| d - here))]
    }

    /// Distance between planes of the grid along the contours' normal, mm.
    fn lone_mm(&self, grid: &VoxelGrid) -> f64 {
        let along = |axis: usize| [0, 1, 2].map(|row| grid.affine[row][axis]);
        (0..3).map(|axis| dot(along(axis), self.normal).abs()).fold(0.0, f64::max)
    }

    /// Volume by the contours: area inside by the even-odd rule times the slab of each plane, cm3.
    fn volume_cm3(&self, grid: &VoxelGrid) -> f64 {
        let slab = |n: usize| self.slab_mm(n, grid).iter().sum::<f64>();
        let planes = self.planes.iter().enumerate();
        planes.map(|(n, plane)| plane.area_mm2() * slab(n)).sum::<f64>() * 1e-3
    }

    /// The plane that a depth belongs to.
    fn plane_at(&self, depth_mm: f64, grid: &VoxelGrid) -> Option<usize> {
        let above = self.planes.partition_point(|plane| plane.depth_mm < depth_mm);
        let nearest = match (above.checked_sub(1), self.planes.get(above)) {
            (None, None) => return None,
            (None, Some(_)) => above,
            (Some(below), None) => below,
            (Some(below), Some(next)) => {
                if depth_mm - self.planes[below].depth_mm <= next.depth_mm - depth_mm {
                    below
                } else {
                    above
                }
            }
        };
        let off = depth_mm - self.planes[nearest].depth_mm;
        let [below, over] = self.slab_mm(nearest, grid);
        // A hair of slack: contours written with few digits must not lose the slice they lie on.
        let slack = 1e-3 * (below + over);
        (-below - slack <= off && off <= over + slack).then_some(nearest)
    }

    /// Voxels whose centres lie inside.
    fn voxels(&self, grid: &VoxelGrid) -> Vec<usize> {
        let column = |axis: usize| [0, 1, 2].map(|row| grid.affine[row][axis]);
        // Rows of voxels along an axis that stays in the planes are filled from crossing to crossing.
        let inside = |axis: &usize| dot(column(*axis), self.normal).abs() < INSIDE_PLANE * grid.spacing_mm[*axis];
        let Some(fast) = (0..3).find(inside) else { return self.voxels_one_by_one(grid) };
        let direction = column(fast).map(|v| v / grid.spacing_mm[fast]);
        let across = cross(self.normal, direction);
        let turned: Vec<ContourPlane> =
            self.planes.iter().map(|plane| plane.turned(self.axes, direction, across)).collect();
        let [b, c] = [0, 1, 2].into_iter().filter(|&axis| axis != fast).collect::<Vec<_>>()[..] else {
            return Vec::new();
        };
        let mut found = Vec::new();
        let mut crossings = Vec::new();
        for kc in 0..grid.dims[c] {
            for kb in 0..grid.dims[b] {
                let mut voxel = [0usize; 3];
                (voxel[b], voxel[c]) = (kb, kc);
                let start = grid.world_mm(voxel.map(|v| v as f64));
                let Some(plane) = self.plane_at(dot(start, self.normal), grid) else { continue };
                turned[plane].crossings(dot(start, across), &mut crossings);
                let from = dot(start, direction);
                for pair in crossings.chunks_exact(2) {
                    // From the first centre at or after one crossing to the last before the next.
                    let first = ((pair[0] - from) / grid.spacing_mm[fast]).ceil().max(0.0);
                    let end = ((pair[1] - from) / grid.spacing_mm[fast]).ceil().min(grid.dims[fast] as f64).max(0.0);
                    for k in first as usize..end as usize {
                        voxel[fast] = k;
                        found.push(grid.index(voxel[0], voxel[1], voxel[2]));
                    }
                }
            }
        }
        found
    }

    /// The same for a grid that lies obliquely to the planes.
    fn voxels_one_by_one(&self, grid: &VoxelGrid) -> Vec<usize> {
        let mut crossings = Vec::new();
        (0..grid.len())
            .filter(|&index| {
                let point = grid.world_mm(grid.voxel(index).map(|v| v as f64));
                let Some(plane) = self.plane_at(dot(point, self.normal), grid) else { return false };
                self.planes[plane].crossings(dot(point, self.axes[1]), &mut crossings);
                let u = dot(point, self.axes[0]);
                crossings.iter().filter(|&&x| x <= u).count() % 2 == 1
            })
            .collect()
    }
}

/// Unit normal with its largest part positive, and two unit vectors across it.
fn frame_of(normal: [f64; 3]) -> ([f64; 3], [[f64; 3]; 2]) {
    let largest = (0..3).max_by(|&a, &b| normal[a].abs().total_cmp(&normal[b].abs())).unwrap_or(2);
    let mut normal = if normal[largest] < 0.0 { normal.map(|v| -v) } else { normal };
    // Contours of an axial plane carry rounding of their digits; a plane this close to an axis lies on it.
    if normal[largest] > 1.0 - 1e-6 {
        normal = [0.0; 3];
        normal[largest] = 1.0;
    }
    let mut helper = [0.0; 3];
    helper[(largest + 1) % 3] = 1.0;
    let along = dot(helper, normal);
    let raw = [0, 1, 2].map(|n| helper[n] - along * normal[n]);
    let length = dot(raw, raw).sqrt();
    let first = raw.map(|v| v / length);
    (normal, [first, cross(normal, first)])
}

impl ContourPlane {
    fn new(depth_mm: f64, polygons: Vec<Vec<[f64; 2]>>) -> Self {
        let mut plane = Self { depth_mm, polygons: Vec::new(), heights_mm: [f64::INFINITY, f64::NEG_INFINITY] };
        polygons.into_iter().for_each(|polygon| plane.add(polygon));
        plane
    }

    fn add(&mut self, polygon: Vec<[f64; 2]>) {
        for point in &polygon {
            self.heights_mm = [self.heights_mm[0].min(point[1]), self.heights_mm[1].max(point[1])];
        }
        self.polygons.push(polygon);
    }

    /// Area inside by the even-odd rule, mm2: exact between the heights of all corners.
    fn area_mm2(&self) -> f64 {
        if let [only] = self.polygons.as_slice() {
            let closed = only.iter().zip(only.iter().cycle().skip(1));
            return 0.5 * closed.map(|(a, b)| a[0] * b[1] - a[1] * b[0]).sum::<f64>().abs();
        }
        let mut heights: Vec<f64> = self.polygons.iter().flatten().map(|p| p[1]).collect();
        heights.sort_by(f64::total_cmp);
        heights.dedup();
        let mut crossings = Vec::new();
        heights
            .windows(2)
            .map(|pair| {
                // Between two corner heights every crossing moves on a line: the middle gives the mean width.
                self.crossings(0.5 * (pair[0] + pair[1]), &mut crossings);
                let width: f64 = crossings.chunks_exact(2).map(|ends| ends[1] - ends[0]).sum();
                width * (pair[1] - pair[0])
            })
            .sum()
    }

    /// Where the line of height `v` crosses the contours, sorted. An edge holds its lower end and not its
    /// upper one, so that a corner counts once.
    fn crossings(&self, v: f64, out: &mut Vec<f64>) {
        out.clear();
        if !(self.heights_mm[0]..=self.heights_mm[1]).contains(&v) {
            return;
        }
        for polygon in &self.polygons {
            let Some(mut last) = polygon.last().copied() else { continue };
            for &point in polygon {
                if (last[1] <= v) != (point[1] <= v) {
                    let t = (v - last[1]) / (point[1] - last[1]);
                    out.push(last[0] + t * (point[0] - last[0]));
                }
                last = point;
            }
        }
        out.sort_by(f64::total_cmp);
    }

    /// The same contours in other axes of the plane.
    fn turned(&self, axes: [[f64; 3]; 2], along: [f64; 3], across: [f64; 3]) -> Self {
        let parts = [along, across].map(|to| [dot(axes[0], to), dot(axes[1], to)]);
        let turn = |p: &[f64; 2]| parts.map(|part| p[0] * part[0] + p[1] * part[1]);
        let polygons = self.polygons.iter().map(|polygon| polygon.iter().map(turn).collect()).collect();
        Self::new(self.depth_mm, polygons)
    }
}
