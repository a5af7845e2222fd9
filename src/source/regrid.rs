//! From one grid to another: decays are kept, labels keep their majority, CT numbers their mean.
//!
//! Everything rests on the volume that a voxel of one grid shares with the voxels of another. Where
//! the axes of the grids are parallel (in any order and direction) that is a product of three 1-D
//! overlaps; where they are oblique the voxel is cut at the other grid's planes and the volume of each
//! piece taken. Both are exact to rounding.

use thiserror::Error;

use super::{DecayMap, sum};
use crate::grid::{Volume, VoxelGrid};

/// How far, in target voxels, the axes of two grids may drift apart over the whole source grid and
/// still count as parallel.
const PARALLEL_DRIFT_VOXELS: f64 = 1e-3;
/// Smallest share of a voxel that counts; below it lies rounding.
const SMALLEST_SHARE: f64 = 1e-12;
/// Voxels whose overlaps one thread works out before they are used in order.
const BLOCK: usize = 4096;
/// Largest relative difference between the decays of the source and those kept and lost.
const CONSERVED_REL: f64 = 1e-6;

/// What can go wrong between two grids.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum RegridError {
    /// No decay falls inside the target grid.
    #[error(
        "activity: position: found all {decays:.6e} decays outside the CT (activity grid: {source_grid}; \
         CT grid: {target_grid}); allowed: activity inside the CT. \
         Check that both images belong to the same patient and frame, and register them first."
    )]
    WhollyOutside {
        /// Decays of the source.
        decays: f64,
        /// The source's grid in words.
        source_grid: String,
        /// The target's grid in words.
        target_grid: String,
    },
    /// The grids do not overlap where they must.
    #[error(
        "{what}: position: found no voxel inside the target grid (its grid: {source_grid}; \
         target grid: {target_grid}); allowed: images that overlap. \
         Check that both images belong to the same patient and frame."
    )]
    NoOverlap {
        /// What lies outside.
        what: &'static str,
        /// The source's grid in words.
        source_grid: String,
        /// The target's grid in words.
        target_grid: String,
    },
    /// Decays went missing: a fault of the program, not of the input.
    #[error(
        "activity: sum of decays: found {kept:.9e} inside and {lost:.9e} outside the target grid; \
         allowed: {source_decays:.9e} together within 1e-6. Please report this with the two grids."
    )]
    NotConserved {
        /// Decays of the source.
        source_decays: f64,
        /// Decays on the target grid.
        kept: f64,
        /// Decays outside.
        lost: f64,
    },
}

/// Decays on another grid, and what became of their sum.
#[derive(Clone, Debug, PartialEq)]
pub struct Regridded {
    /// Decays in every voxel of the target grid.
    pub volume: DecayMap,
    /// Decays of the source.
    pub source: f64,
    /// Decays on the target grid: the sum over `volume`.
    pub kept: f64,
    /// Decays outside the target grid.
    pub lost: f64,
}

impl Regridded {
    /// Share of the source's decays that lies outside the target grid, 0 to 1.
    pub fn lost_share(&self) -> f64 {
        self.lost / self.source
    }
}

/// Values averaged onto another grid.
#[derive(Clone, Debug, PartialEq)]
pub struct Averaged {
    /// The mean of the source over every voxel of the target grid.
    pub volume: Volume<f32>,
    /// Target voxels without any overlap, which got the fill value.
    pub uncovered: usize,
}

/// Volume of one label before and after it went to another grid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LabelVolume {
    /// The label's value.
    pub label: u16,
    /// Volume on the source grid, cm3.
    pub before_cm3: f64,
    /// Volume on the target grid, cm3.
    pub after_cm3: f64,
}

impl LabelVolume {
    /// Relative change of the volume.
    pub fn change_rel(&self) -> f64 {
        self.after_cm3 / self.before_cm3 - 1.0
    }
}

/// Labels on another grid, with the volume of each before and after.
#[derive(Clone, Debug, PartialEq)]
pub struct RegriddedLabels {
    /// The labels; 0 where the source does not reach.
    pub volume: Volume<u16>,
    /// Every label but 0 that the source holds, in the order of the values.
    pub changes: Vec<LabelVolume>,
}

/// Lays decays onto another grid by the overlap of voxels. Their sum is kept: `source` = `kept` +
/// `lost` within 1e-6, which is checked.
///
/// Decays are taken as uniform within a source voxel. Errors: no decay inside the target grid.
pub fn redistribute(decays: &DecayMap, target: &VoxelGrid) -> Result<Regridded, RegridError> {
    let source = decays.total_decays();
    let from = decays.grid();
    if from.same_as(target) {
        let data = decays.decays().data.clone();
        let volume = DecayMap::from_checked(Volume {
            grid: target.clone(),
            data,
        });
        return Ok(Regridded {
            volume,
            source,
            kept: source,
            lost: 0.0,
        });
    }
    let values = &decays.decays().data;
    let mut out = Volume::filled(target.clone(), 0.0);
    let mut outside = Vec::new();
    each_overlap(
        from,
        target,
        |index| values[index] > 0.0,
        |index, overlaps| {
            let mut inside = 0.0;
            for &(voxel, share) in overlaps {
                out.data[voxel] += values[index] * share;
                inside += share;
            }
            if 1.0 - inside > SMALLEST_SHARE {
                outside.push(values[index] * (1.0 - inside));
            }
        },
    );
    let lost = sum(outside);
    let kept = sum(out.data.iter().copied());
    if kept <= 0.0 {
        return Err(RegridError::WhollyOutside {
            decays: source,
            source_grid: from.describe(),
            target_grid: target.describe(),
        });
    }
    // NaN must not pass for agreement.
    if !((kept + lost - source).abs() <= CONSERVED_REL * source) {
        return Err(RegridError::NotConserved {
            source_decays: source,
            kept,
            lost,
        });
    }
    Ok(Regridded {
        volume: DecayMap::from_checked(out),
        source,
        kept,
        lost,
    })
}

/// Lays labels onto another grid: each target voxel takes the label that fills most of it (outside
/// the source counts as 0). Of equal shares the one at the voxel's centre wins, else the lowest.
///
/// Errors: the grids do not overlap.
pub fn labels_to(labels: &Volume<u16>, target: &VoxelGrid) -> Result<RegriddedLabels, RegridError> {
    let from = &labels.grid;
    let volume = if from.same_as(target) {
        Volume {
            grid: target.clone(),
            data: labels.data.clone(),
        }
    } else {
        let to_source = Map::between(target, from);
        let mut shares: Vec<(u16, f64)> = Vec::new();
        let mut reached = false;
        let mut data = Vec::with_capacity(target.len());
        each_overlap(
            target,
            from,
            |_| true,
            |index, overlaps| {
                shares.clear();
                let mut covered = 0.0;
                for &(source, weight) in overlaps {
                    covered += weight;
                    add(&mut shares, labels.data[source], weight);
                }
                reached |= covered > 0.0;
                add(&mut shares, 0, (1.0 - covered).max(0.0));
                let centre = to_source.apply(target.voxel(index).map(|v| v as f64));
                data.push(majority(&shares, nearest(labels, centre)));
            },
        );
        if !reached {
            return Err(no_overlap("labels", from, target));
        }
        Volume {
            grid: target.clone(),
            data,
        }
    };
    let changes = volume_changes(labels, &volume);
    Ok(RegriddedLabels { volume, changes })
}

/// Averages values (CT numbers) over the voxels of another grid, weighted by overlap. A target voxel
/// that the source covers in part gets the mean of that part; one that it does not reach gets `fill`.
///
/// Errors: the grids do not overlap.
pub fn average_to(
    values: &Volume<f32>,
    target: &VoxelGrid,
    fill: f32,
) -> Result<Averaged, RegridError> {
    let from = &values.grid;
    if from.same_as(target) {
        let volume = Volume {
            grid: target.clone(),
            data: values.data.clone(),
        };
        return Ok(Averaged {
            volume,
            uncovered: 0,
        });
    }
    let mut data = Vec::with_capacity(target.len());
    let mut uncovered = 0;
    each_overlap(
        target,
        from,
        |_| true,
        |_, overlaps| {
            let weight: f64 = overlaps.iter().map(|(_, w)| w).sum();
            // Below this the overlap is a rounding of touching faces.
            if weight < 1e-9 {
                uncovered += 1;
                data.push(fill);
            } else {
                let total: f64 = overlaps
                    .iter()
                    .map(|&(n, w)| w * f64::from(values.data[n]))
                    .sum();
                data.push((total / weight) as f32);
            }
        },
    );
    if uncovered == target.len() {
        return Err(no_overlap("image", from, target));
    }
    Ok(Averaged {
        volume: Volume {
            grid: target.clone(),
            data,
        },
        uncovered,
    })
}

fn no_overlap(what: &'static str, from: &VoxelGrid, target: &VoxelGrid) -> RegridError {
    let (source_grid, target_grid) = (from.describe(), target.describe());
    RegridError::NoOverlap {
        what,
        source_grid,
        target_grid,
    }
}

/// Adds a weight to a label's share.
fn add(shares: &mut Vec<(u16, f64)>, label: u16, weight: f64) {
    match shares.iter_mut().find(|(known, _)| *known == label) {
        Some((_, share)) => *share += weight,
        None => shares.push((label, weight)),
    }
}

/// The label with the largest share; of equal ones that at the centre, else the lowest.
fn majority(shares: &[(u16, f64)], centre: u16) -> u16 {
    let most = shares.iter().map(|(_, share)| *share).fold(0.0, f64::max);
    let tied = |label: &u16| {
        shares
            .iter()
            .any(|(l, share)| l == label && *share > most - 1e-9)
    };
    let lowest = shares
        .iter()
        .map(|(label, _)| *label)
        .filter(tied)
        .min()
        .unwrap_or(0);
    if tied(&centre) { centre } else { lowest }
}

/// The label of the voxel that holds a point in voxel coordinates; 0 outside.
fn nearest(labels: &Volume<u16>, voxel: [f64; 3]) -> u16 {
    let voxel = voxel.map(f64::round);
    let inside = (0..3).all(|a| voxel[a] >= 0.0 && voxel[a] < labels.grid.dims[a] as f64);
    if inside {
        labels.at(voxel[0] as usize, voxel[1] as usize, voxel[2] as usize)
    } else {
        0
    }
}

/// Volumes of all labels but 0 in the source, before and after.
fn volume_changes(before: &Volume<u16>, after: &Volume<u16>) -> Vec<LabelVolume> {
    let count = |volume: &Volume<u16>| {
        let mut voxels = vec![0u64; 1 << 16];
        volume
            .data
            .iter()
            .for_each(|&label| voxels[usize::from(label)] += 1);
        voxels
    };
    let (old, new) = (count(before), count(after));
    (1..=u16::MAX)
        .filter(|&label| old[usize::from(label)] > 0)
        .map(|label| LabelVolume {
            label,
            before_cm3: old[usize::from(label)] as f64 * before.grid.voxel_cm3(),
            after_cm3: new[usize::from(label)] as f64 * after.grid.voxel_cm3(),
        })
        .collect()
}

/// Voxel coordinates of one grid to those of another.
struct Map {
    matrix: [[f64; 3]; 3],
    offset: [f64; 3],
}

impl Map {
    fn between(from: &VoxelGrid, to: &VoxelGrid) -> Self {
        let offset = to.voxel_at_mm(from.world_mm([0.0; 3]));
        let ends: [[f64; 3]; 3] = std::array::from_fn(|axis| {
            let mut unit = [0.0; 3];
            unit[axis] = 1.0;
            to.voxel_at_mm(from.world_mm(unit))
        });
        let matrix =
            std::array::from_fn(|row| std::array::from_fn(|axis| ends[axis][row] - offset[row]));
        Self { matrix, offset }
    }

    fn apply(&self, voxel: [f64; 3]) -> [f64; 3] {
        std::array::from_fn(|row| {
            let [a, b, c] = self.matrix[row];
            a * voxel[0] + b * voxel[1] + c * voxel[2] + self.offset[row]
        })
    }
}

/// One axis of a source grid that runs along an axis of the target grid.
struct Axis {
    /// Axis of the target grid.
    target: usize,
    /// For every source voxel along the axis: the target voxels that it overlaps, with the share of
    /// its length in each.
    overlaps: Vec<Vec<(usize, f64)>>,
}

/// The three 1-D overlaps of two grids with parallel axes; `None` where they are oblique.
fn parallel(from: &VoxelGrid, to: &VoxelGrid) -> Option<[Axis; 3]> {
    let Map { matrix, offset } = Map::between(from, to);
    let mut targets = [0; 3];
    for axis in 0..3 {
        let along = (0..3).fold(0, |best, row| {
            if matrix[row][axis].abs() > matrix[best][axis].abs() {
                row
            } else {
                best
            }
        });
        let length = from.dims[axis] as f64;
        if (0..3)
            .any(|row| row != along && matrix[row][axis].abs() * length > PARALLEL_DRIFT_VOXELS)
        {
            return None;
        }
        targets[axis] = along;
    }
    let mut sorted = targets;
    sorted.sort_unstable();
    (sorted == [0, 1, 2]).then(|| {
        std::array::from_fn(|axis| {
            let target = targets[axis];
            let step = matrix[target][axis];
            // Half the drift of the other two axes, so that the grids meet in the middle.
            let drift: f64 = (0..3)
                .filter(|&other| other != axis)
                .map(|other| matrix[target][other] * 0.5 * (from.dims[other] as f64 - 1.0))
                .sum();
            let overlaps = (0..from.dims[axis])
                .map(|n| {
                    let centre = offset[target] + drift + step * n as f64;
                    overlaps_1d(centre, step.abs(), to.dims[target])
                })
                .collect();
            Axis { target, overlaps }
        })
    })
}

/// The voxels 0 to `len - 1` (each from n - 1/2 to n + 1/2) that an interval around `centre` of
/// length `length` overlaps, with the share of the interval in each.
fn overlaps_1d(centre: f64, length: f64, len: usize) -> Vec<(usize, f64)> {
    let (low, high) = (centre - 0.5 * length, centre + 0.5 * length);
    let first = (low + 0.5).floor().max(0.0);
    let last = (high + 0.5).floor().min(len as f64 - 1.0);
    if !(first <= last) {
        return Vec::new();
    }
    (first as usize..=last as usize)
        .filter_map(|n| {
            let face = n as f64 - 0.5;
            let share = (high.min(face + 1.0) - low.max(face)) / length;
            (share > 0.0).then_some((n, share.min(1.0)))
        })
        .collect()
}

/// How the voxels of one grid overlap those of another.
struct Overlaps<'a> {
    from: &'a VoxelGrid,
    to: &'a VoxelGrid,
    shape: Shape,
}

enum Shape {
    Parallel([Axis; 3]),
    /// Where a voxel's centre falls, and its faces around it, in voxels of the other grid.
    Oblique(Map, Solid),
}

impl<'a> Overlaps<'a> {
    fn new(from: &'a VoxelGrid, to: &'a VoxelGrid) -> Self {
        let shape = match parallel(from, to) {
            Some(axes) => Shape::Parallel(axes),
            None => {
                let map = Map::between(from, to);
                let solid = Solid::voxel(&map.matrix);
                Shape::Oblique(map, solid)
            }
        };
        Self { from, to, shape }
    }

    /// Appends the voxels of the other grid that a voxel overlaps, each with its share of the voxel.
    fn find(&self, index: usize, scratch: &mut Scratch, out: &mut Vec<(usize, f64)>) {
        let [i, j, k] = self.from.voxel(index);
        let pitch = [1, self.to.dims[0], self.to.dims[0] * self.to.dims[1]];
        match &self.shape {
            Shape::Parallel(axes) => {
                let [px, py, pz] = [0, 1, 2].map(|axis| pitch[axes[axis].target]);
                for &(c, wz) in &axes[2].overlaps[k] {
                    for &(b, wy) in &axes[1].overlaps[j] {
                        for &(a, wx) in &axes[0].overlaps[i] {
                            out.push((a * px + b * py + c * pz, wx * wy * wz));
                        }
                    }
                }
            }
            Shape::Oblique(map, solid) => {
                let centre = map.apply([i as f64, j as f64, k as f64]);
                let whole = solid.volume();
                let mut found = |voxel: [usize; 3], volume: f64| {
                    let share = volume / whole;
                    if share > SMALLEST_SHARE {
                        out.push((self.to.index(voxel[0], voxel[1], voxel[2]), share));
                    }
                };
                cut(solid, 2, centre, self.to.dims, [0; 3], scratch, &mut found);
            }
        }
    }
}

/// Calls `take`, in the order of the voxels, for every wanted voxel of `from` with the voxels of `to`
/// that it overlaps and the share of the voxel in each (1 together where `to` covers it).
fn each_overlap(
    from: &VoxelGrid,
    to: &VoxelGrid,
    wanted: impl Fn(usize) -> bool + Sync,
    mut take: impl FnMut(usize, &[(usize, f64)]),
) {
    let overlaps = Overlaps::new(from, to);
    if matches!(overlaps.shape, Shape::Parallel(_)) {
        let (mut scratch, mut list) = (Scratch::default(), Vec::new());
        for index in (0..from.len()).filter(|&n| wanted(n)) {
            list.clear();
            overlaps.find(index, &mut scratch, &mut list);
            take(index, &list);
        }
        return;
    }
    // Threads work the pieces out; they are used in one order, so the sums do not depend on threads.
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let work = |start: usize| {
        let (mut scratch, mut list, mut ends) = (Scratch::default(), Vec::new(), Vec::new());
        for index in (start..from.len().min(start + BLOCK)).filter(|&n| wanted(n)) {
            overlaps.find(index, &mut scratch, &mut list);
            ends.push((index, list.len()));
        }
        (list, ends)
    };
    for start in (0..from.len()).step_by(BLOCK * threads) {
        let blocks = std::thread::scope(|scope| {
            let running: Vec<_> = (start..from.len().min(start + BLOCK * threads))
                .step_by(BLOCK)
                .map(|first| scope.spawn(move || work(first)))
                .collect();
            let done = running.into_iter().map(|thread| thread.join());
            done.map(|result| result.expect("cutting voxels does not panic"))
                .collect::<Vec<_>>()
        });
        for (list, ends) in blocks {
            let mut begin = 0;
            for (index, end) in ends {
                take(index, &list[begin..end]);
                begin = end;
            }
        }
    }
}

/// A convex solid as the directed edges of its faces, face after face, seen from outside
/// counter-clockwise (all faces clockwise in a mirrored frame). Edges of a face need no order.
#[derive(Clone, Debug, Default)]
struct Solid {
    edges: Vec<(u32, Point, Point)>,
}

type Point = [f64; 3];

/// Solids that are made on the way, kept so that their memory is used again.
#[derive(Default)]
struct Scratch {
    /// For each axis: the solid above a plane, and the part of it below the next.
    parts: [[Solid; 2]; 3],
    /// Edges of the face that a cut opens.
    cap: Vec<(Point, Point)>,
    /// Points where one face's outline leaves the kept side, and where it comes back.
    crossings: [Vec<Point>; 2],
}

impl Solid {
    /// A voxel around the origin, carried into another frame by a matrix.
    fn voxel(matrix: &[[f64; 3]; 3]) -> Self {
        let corner = |bits: usize| -> Point {
            let at: Point =
                std::array::from_fn(|axis| if bits >> axis & 1 == 1 { 0.5 } else { -0.5 });
            matrix.map(|[a, b, c]| a * at[0] + b * at[1] + c * at[2])
        };
        const FACES: [[usize; 4]; 6] = [
            [0, 4, 6, 2],
            [1, 3, 7, 5],
            [0, 1, 5, 4],
            [2, 6, 7, 3],
            [0, 2, 3, 1],
            [4, 5, 7, 6],
        ];
        let edges = FACES.iter().enumerate().flat_map(|(face, corners)| {
            (0..4).map(move |n| {
                (
                    face as u32,
                    corner(corners[n]),
                    corner(corners[(n + 1) % 4]),
                )
            })
        });
        Self {
            edges: edges.collect(),
        }
    }

    /// Volume by the divergence theorem: a sixth of the sum over all edges of the determinant of one
    /// point of the face and the edge's two ends.
    fn volume(&self) -> f64 {
        let mut six = 0.0;
        let mut face = u32::MAX;
        let mut on_face = [0.0; 3];
        for &(of, a, b) in &self.edges {
            if of != face {
                (face, on_face) = (of, a);
            }
            let [x, y, z] = on_face;
            six += x * (a[1] * b[2] - a[2] * b[1])
                + y * (a[2] * b[0] - a[0] * b[2])
                + z * (a[0] * b[1] - a[1] * b[0]);
        }
        six.abs() / 6.0
    }

    /// Lowest and highest coordinate along an axis.
    fn extent(&self, axis: usize) -> (f64, f64) {
        let starts = self.edges.iter().map(|(_, a, _)| a[axis]);
        starts.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| {
            (l.min(v), h.max(v))
        })
    }
}

/// Puts into `out` the part of a solid below (`side` 1) or above (`side` -1) a plane across an axis.
///
/// Each face is cut edge by edge. Where its outline leaves the kept side and comes back, the way
/// between lies in the plane: it closes the face, and turned round it is an edge of the new face that
/// the cut opens.
fn clip(
    solid: &Solid,
    axis: usize,
    at: f64,
    side: f64,
    out: &mut Solid,
    cap: &mut Vec<(Point, Point)>,
    crossings: &mut [Vec<Point>; 2],
) {
    out.edges.clear();
    cap.clear();
    let [leaving, coming] = crossings;
    let mut start = 0;
    while start < solid.edges.len() {
        let face = solid.edges[start].0;
        let end = start
            + solid.edges[start..]
                .iter()
                .take_while(|edge| edge.0 == face)
                .count();
        leaving.clear();
        coming.clear();
        for &(_, a, b) in &solid.edges[start..end] {
            let (da, db) = (side * (a[axis] - at), side * (b[axis] - at));
            let crossing = || {
                let t = da / (da - db);
                let mut point: Point = std::array::from_fn(|n| a[n] + t * (b[n] - a[n]));
                point[axis] = at;
                point
            };
            match (da <= 0.0, db <= 0.0) {
                (true, true) => out.edges.push((face, a, b)),
                (true, false) => {
                    let point = crossing();
                    out.edges.push((face, a, point));
                    leaving.push(point);
                }
                (false, true) => {
                    let point = crossing();
                    out.edges.push((face, point, b));
                    coming.push(point);
                }
                (false, false) => {}
            }
        }
        for (&from, &to) in leaving.iter().zip(coming.iter()) {
            out.edges.push((face, from, to));
            cap.push((to, from));
        }
        start = end;
    }
    let face = solid.edges.last().map_or(0, |edge| edge.0 + 1);
    out.edges.extend(cap.iter().map(|&(a, b)| (face, a, b)));
}

/// Cuts a solid (around the origin; the origin lies at `centre` in voxels) into the voxels of a grid
/// and calls `found` with every voxel and the volume in it: slabs along `axis`, then the axes below.
fn cut(
    solid: &Solid,
    axis: usize,
    centre: Point,
    dims: [usize; 3],
    mut voxel: [usize; 3],
    scratch: &mut Scratch,
    found: &mut dyn FnMut([usize; 3], f64),
) {
    let (low, high) = solid.extent(axis);
    let first = (low + centre[axis] + 0.5).floor().max(0.0);
    let last = (high + centre[axis] + 0.5)
        .floor()
        .min(dims[axis] as f64 - 1.0);
    if !(first <= last) {
        return;
    }
    let [mut above, mut slab] = std::mem::take(&mut scratch.parts[axis]);
    for n in first as usize..=last as usize {
        let face = n as f64 - 0.5 - centre[axis];
        let mut part = solid;
        if low < face {
            clip(
                part,
                axis,
                face,
                -1.0,
                &mut above,
                &mut scratch.cap,
                &mut scratch.crossings,
            );
            part = &above;
        }
        if high > face + 1.0 {
            clip(
                part,
                axis,
                face + 1.0,
                1.0,
                &mut slab,
                &mut scratch.cap,
                &mut scratch.crossings,
            );
            part = &slab;
        }
        if part.edges.is_empty() {
            continue;
        }
        voxel[axis] = n;
        if axis == 0 {
            found(voxel, part.volume());
        } else {
            cut(part, axis - 1, centre, dims, voxel, scratch, found);
        }
    }
    scratch.parts[axis] = [above, slab];
}
