//! The volume that a voxel of one grid shares with the voxels of another.
//!
//! Where the axes of the grids are parallel (in any order and direction) it is a product of three 1-D
//! overlaps; where they are oblique the voxel is cut at the other grid's planes and the volume of each
//! piece taken. Both are exact to rounding.

use crate::cores;
use crate::grid::VoxelGrid;

/// How far, in voxels of the other grid, the axes of two grids may drift apart over the whole grid and
/// still count as parallel.
const PARALLEL_DRIFT_VOXELS: f64 = 1e-3;
/// Smallest share of a voxel that counts; below it lies rounding.
pub(super) const SMALLEST_SHARE: f64 = 1e-12;
/// Voxels whose overlaps one thread works out before they are used in order.
const BLOCK: usize = 4096;

/// Voxel coordinates of one grid to those of another.
pub(super) struct Map {
    matrix: [[f64; 3]; 3],
    offset: [f64; 3],
}

impl Map {
    pub(super) fn between(from: &VoxelGrid, to: &VoxelGrid) -> Self {
        let offset = to.voxel_at_mm(from.world_mm([0.0; 3]));
        let ends: [[f64; 3]; 3] = std::array::from_fn(|axis| {
            let mut unit = [0.0; 3];
            unit[axis] = 1.0;
            to.voxel_at_mm(from.world_mm(unit))
        });
        let matrix = std::array::from_fn(|row| std::array::from_fn(|axis| ends[axis][row] - offset[row]));
        Self { matrix, offset }
    }

    pub(super) fn apply(&self, voxel: [f64; 3]) -> [f64; 3] {
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
        let along =
            (0..3).fold(0, |best, row| if matrix[row][axis].abs() > matrix[best][axis].abs() { row } else { best });
        let length = from.dims[axis] as f64;
        if (0..3).any(|row| row != along && matrix[row][axis].abs() * length > PARALLEL_DRIFT_VOXELS) {
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
    if first.is_nan() || last.is_nan() || first > last {
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
pub(super) fn each_overlap(
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
    let threads = cores::cores();
    let work = |start: usize| {
        let (mut scratch, mut list, mut ends) = (Scratch::default(), Vec::new(), Vec::new());
        for index in (start..from.len().min(start + BLOCK)).filter(|&n| wanted(n)) {
            overlaps.find(index, &mut scratch, &mut list);
            ends.push((index, list.len()));
        }
        (list, ends)
    };
    for start in (0..from.len()).step_by(BLOCK * threads) {
        let firsts = (start..from.len().min(start + BLOCK * threads)).step_by(BLOCK);
        for (list, ends) in cores::of_each(firsts, work) {
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
pub(super) struct Scratch {
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
            let at: Point = std::array::from_fn(|axis| if bits >> axis & 1 == 1 { 0.5 } else { -0.5 });
            matrix.map(|[a, b, c]| a * at[0] + b * at[1] + c * at[2])
        };
        const FACES: [[usize; 4]; 6] =
            [[0, 4, 6, 2], [1, 3, 7, 5], [0, 1, 5, 4], [2, 6, 7, 3], [0, 2, 3, 1], [4, 5, 7, 6]];
        let edges = FACES.iter().enumerate().flat_map(|(face, corners)| {
            (0..4).map(move |n| (face as u32, corner(corners[n]), corner(corners[(n + 1) % 4])))
        });
        Self { edges: edges.collect() }
    }

    /// A tetrahedron of these corners.
    fn tetrahedron(corners: &[Point; 4]) -> Self {
        const FACES: [[usize; 3]; 4] = [[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]];
        let edges = FACES
            .iter()
            .enumerate()
            .flat_map(|(face, ends)| (0..3).map(move |n| (face as u32, corners[ends[n]], corners[ends[(n + 1) % 3]])));
        Self { edges: edges.collect() }
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
            six += x * (a[1] * b[2] - a[2] * b[1]) + y * (a[2] * b[0] - a[0] * b[2]) + z * (a[0] * b[1] - a[1] * b[0]);
        }
        six.abs() / 6.0
    }

    /// Lowest and highest coordinate along an axis.
    fn extent(&self, axis: usize) -> (f64, f64) {
        let starts = self.edges.iter().map(|(_, a, _)| a[axis]);
        starts.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)))
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
        let end = start + solid.edges[start..].iter().take_while(|edge| edge.0 == face).count();
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

/// Calls `found` with every voxel of a grid that a tetrahedron overlaps, and the volume in it. Corners and volumes in voxels
/// of the grid.
pub(super) fn each_piece(
    corners: &[[f64; 3]; 4],
    dims: [usize; 3],
    scratch: &mut Scratch,
    found: &mut dyn FnMut([usize; 3], f64),
) {
    let centre: Point = std::array::from_fn(|axis| 0.25 * corners.iter().map(|corner| corner[axis]).sum::<f64>());
    let around = corners.map(|corner| std::array::from_fn(|axis| corner[axis] - centre[axis]));
    cut(&Solid::tetrahedron(&around), 2, centre, dims, [0; 3], scratch, found);
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
    let last = (high + centre[axis] + 0.5).floor().min(dims[axis] as f64 - 1.0);
    if first.is_nan() || last.is_nan() || first > last {
        return;
    }
    let [mut above, mut slab] = std::mem::take(&mut scratch.parts[axis]);
    for n in first as usize..=last as usize {
        let face = n as f64 - 0.5 - centre[axis];
        let mut part = solid;
        if low < face {
            clip(part, axis, face, -1.0, &mut above, &mut scratch.cap, &mut scratch.crossings);
            part = &above;
        }
        if high > face + 1.0 {
            clip(part, axis, face + 1.0, 1.0, &mut slab, &mut scratch.cap, &mut scratch.crossings);
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
