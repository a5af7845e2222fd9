//! Contours to voxels.
//!
//! A voxel belongs to a region when its centre lies inside the contours of a plane ([`Outline`]) and in
//! the plane's slab: from half way to the plane below (included) to half way to the plane above (excluded), and up to
//! half the usual distance beyond the end planes. A gap wider than 1.5 times the usual distance, and than 1.5 planes of
//! the grid, is not filled.

use dicom_dictionary_std::tags;

use super::kind::Kind;
use super::legible;
use super::object::{DataSet, Object, items, number, text};
use super::outline::{Findings, Flat, ON_LINE_MM, Outline, RIM_MM, Trouble};
use super::regions::{Paint, Regions, labels_of, paint};
use super::stack::{cross, dot};
use super::study::Study;
use super::uniform::floats;
use crate::grid::{Volume, VoxelGrid};
use crate::io::IoError;
use crate::note::Note;
use crate::place::Place;

/// Contours whose planes are closer than this lie in one plane, mm.
const SAME_PLANE_MM: f64 = 0.05;
/// Planes farther apart than this, in usual distances, have a gap between them.
const GAP: f64 = 1.5;
/// Share of the grid's plane distance within which a slab end and a voxel centre count as equal in height.
const SLACK: f64 = 0.05;
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
    /// Volume by the contours, cm3.
    volume_cm3: f64,
}

/// A region's contours in one plane.
struct ContourPlane {
    /// Heights of the voxels that use this plane: the first end is included, the second is not.
    slab_mm: [f64; 2],
    inside: Outline,
}

/// A closed contour in space, RAS mm.
struct Contour {
    points: Vec<[f64; 3]>,
    xor: bool,
}

/// A region of StructureSetROISequence.
struct Stated {
    number: f64,
    name: String,
    frame: Option<String>,
}

/// Reads the one structure set of a folder or file onto a grid.
///
/// `reference` is the target grid (in any axis order); `frame` the frame of reference of
/// that grid where it is known. Errors: no structure set or several, contours in another frame of
/// reference, broken contours, no region.
pub fn read_rtstruct(path: impl Into<Place>, reference: &VoxelGrid, frame: Option<&str>) -> Result<Regions, IoError> {
    let path = &path.into();
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
    legible::numbers(object, &[], &mut notes)?;
    let rois = rois(object, reference, frame, &mut notes)?;
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
            own_cm3: roi.volume_cm3,
            outside_cm3: 0.0,
            below: roi.external,
        })
        .collect();
    let empty = Volume::filled(reference.clone(), 0u16);
    Ok(paint(empty, &paints, notes, |n| rois[n].voxels(reference)))
}

/// The regions of a structure set with their planes.
fn rois(object: &Object, grid: &VoxelGrid, frame: Option<&str>, notes: &mut Vec<Note>) -> Result<Vec<Roi>, IoError> {
    let stated: Vec<Stated> = object
        .items(tags::STRUCTURE_SET_ROI_SEQUENCE)
        .iter()
        .filter_map(|item| {
            let name = text(item, tags::ROI_NAME).unwrap_or_default();
            let frame = text(item, tags::REFERENCED_FRAME_OF_REFERENCE_UID);
            Some(Stated { number: number(item, tags::ROI_NUMBER)?, name, frame })
        })
        .collect();
    let external: Vec<f64> = object
        .items(tags::RTROI_OBSERVATIONS_SEQUENCE)
        .iter()
        .filter(|item| text(item, tags::RTROI_INTERPRETED_TYPE).as_deref() == Some("EXTERNAL"))
        .filter_map(|item| number(item, tags::REFERENCED_ROI_NUMBER))
        .collect();
    let mut drawn: Vec<(&Stated, Vec<Contour>)> = Vec::new();
    let mut points = 0usize;
    for item in object.items(tags::ROI_CONTOUR_SEQUENCE) {
        let roi = stated_of(object, item, &stated)?;
        if let (Some(own), Some(wanted)) = (roi.frame.as_deref(), frame)
            && own != wanted
        {
            return Err(object.refused(
                "ReferencedFrameOfReferenceUID (3006,0024)",
                format!("region {} in another frame of reference than the image", roi.name),
                "the frame of reference of the CT",
                "Give the structure set that was drawn on this CT, or register it first.",
            ));
        }
        let contours = closed_contours(object, item, &roi.name, &mut points, notes)?;
        match drawn.iter_mut().find(|(other, _)| other.number == roi.number) {
            Some((_, known)) => {
                notes.push(
                    Note::warning("contours-in-several-items", "its contours come in several items; taken together")
                        .at(format!("region {}", roi.name)),
                );
                known.extend(contours);
            }
            None => drawn.push((roi, contours)),
        }
    }
    let bare = |roi: &&Stated| !drawn.iter().any(|(other, list)| other.number == roi.number && !list.is_empty());
    let without: Vec<&str> = stated.iter().filter(bare).map(|roi| roi.name.as_str()).collect();
    if !without.is_empty() {
        notes.push(Note::warning(
            "region-without-contour",
            format!("regions without a closed contour, left out: {}", without.join(", ")),
        ));
    }
    let mut found = Vec::new();
    for (roi, contours) in drawn {
        found.extend(Roi::new(object, roi, external.contains(&roi.number), contours, grid, notes)?);
    }
    Ok(found)
}

/// The region that an item of ROIContourSequence belongs to.
fn stated_of<'a>(object: &Object, item: &DataSet, stated: &'a [Stated]) -> Result<&'a Stated, IoError> {
    let wanted = number(item, tags::REFERENCED_ROI_NUMBER);
    let mut same = stated.iter().filter(|roi| Some(roi.number) == wanted);
    let Some(first) = same.next() else {
        return Err(object.refused(
            "ReferencedROINumber (3006,0084)",
            wanted.map_or("none".to_owned(), |n| n.to_string()),
            "a number of StructureSetROISequence",
            "Export the structure set again.",
        ));
    };
    if let Some(other) = same.find(|roi| roi.name != first.name || roi.frame != first.frame) {
        return Err(object.refused(
            "ROINumber (3006,0022)",
            format!("{} for both {} and {}", first.number, first.name, other.name),
            "a number of its own for each region",
            "Export the structure set again: it does not say whose the contours are.",
        ));
    }
    Ok(first)
}

/// Closed planar contours of a region, RAS mm.
fn closed_contours(
    object: &Object,
    item: &DataSet,
    name: &str,
    points: &mut usize,
    notes: &mut Vec<Note>,
) -> Result<Vec<Contour>, IoError> {
    let mut contours = Vec::new();
    let mut degenerate = 0usize;
    let mut other = 0usize;
    for contour in items(item, tags::CONTOUR_SEQUENCE) {
        let kind = text(contour, tags::CONTOUR_GEOMETRIC_TYPE).unwrap_or_default();
        let values = contour
            .get(tags::CONTOUR_DATA)
            .map(|element| floats(element).ok_or_else(|| broken(object, name, "values that are no numbers")))
            .transpose()?
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
            let points = values.as_chunks::<3>().0.iter().map(|[x, y, z]| [-x, -y, *z]).collect();
            contours.push(Contour { points, xor: kind == "CLOSEDPLANAR_XOR" });
        }
    }
    if degenerate > 0 {
        notes.push(
            Note::warning("contours-degenerate", format!("{degenerate} contours of one or two points enclose nothing"))
                .at(format!("region {name}")),
        );
    }
    if other > 0 {
        notes.push(
            Note::warning("contours-open", format!("{other} points or open lines left out"))
                .at(format!("region {name}")),
        );
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

/// A vector across a polygon, as long as twice an area of it: of the enclosed area, or, for a figure of eight whose
/// halves cancel, of the widest triangle.
fn across(polygon: &[[f64; 3]]) -> [f64; 3] {
    let enclosed = area_vector(polygon);
    let base = polygon[0];
    let arm = |p: &[f64; 3]| [p[0] - base[0], p[1] - base[1], p[2] - base[2]];
    let longest = |list: &mut dyn Iterator<Item = [f64; 3]>| {
        list.max_by(|a, b| dot(*a, *a).total_cmp(&dot(*b, *b))).unwrap_or_default()
    };
    let far = longest(&mut polygon.iter().map(arm));
    let widest = longest(&mut polygon.iter().map(|p| cross(far, arm(p))));
    if dot(enclosed, enclosed) < 1e-2 * dot(widest, widest) { widest } else { enclosed }
}

impl Roi {
    /// Sorts contours into planes. `None` if nothing is enclosed.
    fn new(
        object: &Object,
        stated: &Stated,
        external: bool,
        contours: Vec<Contour>,
        grid: &VoxelGrid,
        notes: &mut Vec<Note>,
    ) -> Result<Option<Self>, IoError> {
        let name = stated.name.clone();
        let vectors = contours.iter().map(|contour| across(&contour.points));
        let Some(largest) = vectors.max_by(|a, b| dot(*a, *a).total_cmp(&dot(*b, *b))) else { return Ok(None) };
        let length = dot(largest, largest).sqrt();
        if length < 1e-6 {
            notes.push(
                Note::warning("contours-enclose-nothing", "its contours enclose nothing").at(format!("region {name}")),
            );
            return Ok(None);
        }
        let (normal, axes) = frame_of(largest.map(|v| v / length));
        let groups = in_planes(&name, contours, normal, axes, notes);
        let depths: Vec<f64> = groups.iter().map(|(depth_mm, _)| *depth_mm).collect();
        let slabs = Slabs::new(&name, &depths, lone_mm(normal, grid), notes);
        let mut planes = Vec::new();
        let mut found = Vec::new();
        let mut volume_cm3 = 0.0;
        for (n, (depth_mm, flat)) in groups.into_iter().enumerate() {
            let (inside, findings) =
                Outline::of(&flat).map_err(|trouble| troubled(object, &name, depth_mm, trouble))?;
            volume_cm3 += inside.area_mm2 * slabs.thickness_mm(n) * 1e-3;
            planes.push(ContourPlane { slab_mm: slabs.ends_mm(n), inside });
            found.push((depth_mm, findings));
        }
        tell(&name, &found, notes);
        Ok(Some(Self { number: stated.number, name, external, normal, axes, planes, volume_cm3 }))
    }

    /// The plane whose slab holds a height.
    fn plane_at(&self, depth_mm: f64) -> Option<usize> {
        let last = self.planes.partition_point(|plane| plane.slab_mm[0] <= depth_mm).checked_sub(1)?;
        (depth_mm < self.planes[last].slab_mm[1]).then_some(last)
    }

    /// Voxels whose centres lie inside.
    fn voxels(&self, grid: &VoxelGrid) -> Vec<usize> {
        let column = |axis: usize| [0, 1, 2].map(|row| grid.affine[row][axis]);
        // Rows of voxels along an axis in the planes are filled from crossing to crossing.
        let inside = |axis: &usize| dot(column(*axis), self.normal).abs() < INSIDE_PLANE * grid.spacing_mm[*axis];
        let Some(fast) = (0..3).find(inside) else { return self.voxels_one_by_one(grid) };
        let direction = column(fast).map(|v| v / grid.spacing_mm[fast]);
        let across = cross(self.normal, direction);
        let parts = [direction, across].map(|to| self.axes.map(|axis| dot(axis, to)));
        let turn = |p: [f64; 2]| parts.map(|part| p[0] * part[0] + p[1] * part[1]);
        let turned: Vec<Outline> = self.planes.iter().map(|plane| plane.inside.turned(turn)).collect();
        let [b, c] = [0, 1, 2].into_iter().filter(|&axis| axis != fast).collect::<Vec<_>>()[..] else {
            return Vec::new();
        };
        let mut found = Vec::new();
        let mut spans = Vec::new();
        for kc in 0..grid.dims[c] {
            for kb in 0..grid.dims[b] {
                let mut voxel = [0usize; 3];
                (voxel[b], voxel[c]) = (kb, kc);
                let start = grid.world_mm(voxel.map(|v| v as f64));
                let Some(plane) = self.plane_at(dot(start, self.normal)) else { continue };
                turned[plane].spans(dot(start, across), &mut spans);
                let from = dot(start, direction);
                for pair in spans.chunks_exact(2) {
                    // From the first centre at or after one end to the last before the other.
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
        let mut spans = Vec::new();
        (0..grid.len())
            .filter(|&index| {
                let point = grid.world_mm(grid.voxel(index).map(|v| v as f64));
                let Some(plane) = self.plane_at(dot(point, self.normal)) else { return false };
                self.planes[plane].inside.spans(dot(point, self.axes[1]), &mut spans);
                let u = dot(point, self.axes[0]);
                spans.chunks_exact(2).any(|ends| ends[0] <= u && u < ends[1])
            })
            .collect()
    }
}

/// Unit normal with its largest part positive, and two unit vectors across it.
fn frame_of(normal: [f64; 3]) -> ([f64; 3], [[f64; 3]; 2]) {
    let largest = (0..3).max_by(|&a, &b| normal[a].abs().total_cmp(&normal[b].abs())).unwrap_or(2);
    let mut normal = if normal[largest] < 0.0 { normal.map(|v| -v) } else { normal };
    // Contour coordinates are rounded; a plane this close to axial is axial.
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

/// Distance between planes of the grid along a normal, mm.
fn lone_mm(normal: [f64; 3], grid: &VoxelGrid) -> f64 {
    let along = |axis: usize| [0, 1, 2].map(|row| grid.affine[row][axis]);
    (0..3).map(|axis| dot(along(axis), normal).abs()).fold(0.0, f64::max)
}

/// Contours by planes, from low to high, in the planes' axes.
fn in_planes(
    name: &str,
    contours: Vec<Contour>,
    normal: [f64; 3],
    axes: [[f64; 3]; 2],
    notes: &mut Vec<Note>,
) -> Vec<(f64, Vec<Flat>)> {
    let mut flat: Vec<(f64, Flat)> = Vec::new();
    let mut bent = 0usize;
    for Contour { points, xor } in contours {
        let depths = points.iter().map(|p| dot(*p, normal));
        let (low, high) = depths.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), d| (a.min(d), b.max(d)));
        bent += usize::from(high - low > 0.5);
        let corners = points.iter().map(|p| axes.map(|axis| dot(*p, axis))).collect();
        flat.push((0.5 * (low + high), Flat { corners, xor }));
    }
    if bent > 0 {
        notes.push(
            Note::warning("contours-leave-plane", format!("{bent} contours leave their plane by more than 0.5 mm"))
                .at(format!("region {name}")),
        );
    }
    flat.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut groups: Vec<(f64, Vec<Flat>)> = Vec::new();
    for (depth_mm, contour) in flat {
        match groups.last_mut() {
            Some((first_mm, list)) if depth_mm - *first_mm <= SAME_PLANE_MM => list.push(contour),
            _ => groups.push((depth_mm, vec![contour])),
        }
    }
    groups
}

/// The heights that the planes of a region stand for.
struct Slabs<'a> {
    depths_mm: &'a [f64],
    /// Usual distance of planes, mm; of a lone plane that of the grid's.
    usual_mm: f64,
    /// Widest distance of planes without a gap, mm.
    widest_mm: f64,
    slack_mm: f64,
}

impl<'a> Slabs<'a> {
    fn new(name: &str, depths_mm: &'a [f64], lone_mm: f64, notes: &mut Vec<Note>) -> Self {
        let mut steps: Vec<f64> = depths_mm.windows(2).map(|pair| pair[1] - pair[0]).collect();
        steps.sort_by(f64::total_cmp);
        let usual_mm = steps.get(steps.len().saturating_sub(1) / 2).copied().unwrap_or(lone_mm);
        let widest_mm = GAP * usual_mm.max(lone_mm);
        let gaps = steps.iter().filter(|step| **step > widest_mm).count();
        if gaps > 0 {
            let widest = steps.last().copied().unwrap_or(0.0);
            let plural = if gaps == 1 { "" } else { "s" };
            let text = format!(
                "{gaps} gap{plural} between planes of contours (widest {widest:.2} mm, usual {usual_mm:.2} mm), left empty"
            );
            notes.push(Note::warning("contour-gaps", text).at(format!("region {name}")));
        }
        Self { depths_mm, usual_mm, widest_mm, slack_mm: SAME_PLANE_MM.min(SLACK * lone_mm) }
    }

    /// Step from a plane to the next, where no gap lies between.
    fn step_mm(&self, n: usize) -> Option<f64> {
        let step = self.depths_mm.get(n + 1)? - self.depths_mm[n];
        (step <= self.widest_mm).then_some(step)
    }

    fn thickness_mm(&self, n: usize) -> f64 {
        let below = n.checked_sub(1).and_then(|below| self.step_mm(below));
        0.5 * below.unwrap_or(self.usual_mm) + 0.5 * self.step_mm(n).unwrap_or(self.usual_mm)
    }

    /// Both ends of a slab. Contours written with few digits must not lose or duplicate the slice at an end. Both ends
    /// are therefore lowered by a small tolerance, and a centre within it counts as at the end. A plane stays in its
    /// own slab.
    fn ends_mm(&self, n: usize) -> [f64; 2] {
        let half_way =
            |n: usize, step: f64| 0.5 * (self.depths_mm[n] + self.depths_mm[n + 1]) - self.slack_mm.min(0.25 * step);
        let here = self.depths_mm[n];
        let reach = 0.5 * self.usual_mm;
        let slack = self.slack_mm.min(0.5 * reach);
        let below = n.checked_sub(1).and_then(|below| Some(half_way(below, self.step_mm(below)?)));
        let above = self.step_mm(n).map(|step| half_way(n, step));
        [below.unwrap_or(here - reach - slack), above.unwrap_or(here + reach - slack)]
    }
}

/// Says what is to doubt in the planes of a region.
fn tell(name: &str, found: &[(f64, Findings)], notes: &mut Vec<Note>) {
    let mut say = |value: fn(&Findings) -> f64, text: &dyn Fn(f64, String) -> Note| {
        let hit: Vec<&(f64, Findings)> = found.iter().filter(|(_, findings)| value(findings) > 0.0).collect();
        if hit.is_empty() {
            return;
        }
        let mut places: Vec<String> = hit.iter().take(4).map(|(depth_mm, _)| format!("{depth_mm:.2}")).collect();
        if hit.len() > 4 {
            places.push(format!("and {} more", hit.len() - 4));
        }
        let sum = hit.iter().map(|(_, findings)| value(findings)).sum();
        notes.push(text(sum, format!("planes at {} mm", places.join(", "))).at(format!("region {name}")));
    };
    say(|f| f.twice as f64, &|count, at| {
        Note::warning("contour-drawn-twice", format!("{count} contours drawn twice ({at}), counted once"))
    });
    say(|f| f.shared_mm2, &|area, at| {
        Note::warning(
            "contours-overlap",
            format!("contours partly overlap ({at}): {area:.1} mm2 lie in more than one, counted once"),
        )
    });
    say(|f| f.crossed_mm2, &|area, at| {
        Note::warning(
            "contour-crosses-itself",
            format!("a contour crosses itself ({at}): {area:.1} mm2 that it goes round twice are left out, as a hole"),
        )
    });
    say(|f| f.rims as f64, &|count, at| {
        Note::warning(
            "contour-thin-rim",
            format!(
                "{count} contours inside another leave a rim thinner than {RIM_MM} mm ({at}): taken as holes; only what \
             coincides within {ON_LINE_MM} mm counts as drawn twice"
            ),
        )
    });
    say(|f| f.cancelled as f64, &|count, at| {
        Note::warning(
            "contours-cancel",
            format!(
                "{count} contours of type CLOSEDPLANAR_XOR coincide with another ({at}) and cancel it, as the type says"
            ),
        )
    });
}

fn troubled(object: &Object, name: &str, depth_mm: f64, trouble: Trouble) -> IoError {
    match trouble {
        Trouble::Intricate => broken(object, name, &format!("too many crossings in the plane at {depth_mm:.2} mm")),
        Trouble::Mixed => object.refused(
            "ContourGeometricType (3006,0042)",
            format!(
                "region {name}: CLOSED_PLANAR and CLOSEDPLANAR_XOR contours that overlap in the plane at {depth_mm:.2} mm"
            ),
            "one type for the contours of a region",
            "Export the structure set with one type: the two mean different regions.",
        ),
    }
}
