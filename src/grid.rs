//! Voxel grids and volumes.
//!
//! Index order is x fastest: voxel (i, j, k) lies at `i + nx * (j + ny * k)`. World coordinates are
//! RAS millimetres as NIfTI defines them (+x right, +y anterior, +z superior), reached from voxel
//! indices (voxel centres at integers) through the affine.
//!
//! Files come in any axis order and direction. `Volume::to_canonical` permutes and flips the axes
//! to the order closest to RAS+ without touching a value, and `Orientation::restore` goes back, so
//! that everything between the two sees one order only.

use crate::fault::{Explained, Fault, FaultKind, explained};
use std::borrow::Cow;
use thiserror::Error;

/// Largest cosine between two index axes of a grid that still counts as orthogonal.
pub const ORTHOGONALITY_TOLERANCE: f64 = 1e-3;

/// What can be wrong with a grid or with values laid on one.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum GridError {
    /// An axis without voxels, or more voxels than memory can address.
    Dims {
        /// Voxels along the three axes.
        found: [usize; 3],
        /// Largest number of voxels.
        limit: usize,
    },
    /// A voxel edge that is not a positive finite length.
    Spacing {
        /// Index axis, 0 to 2.
        axis: usize,
        /// The edge found, mm.
        found: f64,
    },
    /// An affine with a value that is not a number, or infinite.
    NonFinite {
        /// Row of the affine, 0 to 2.
        row: usize,
        /// Column of the affine, 0 to 3.
        column: usize,
        /// The value found.
        found: f64,
    },
    /// Index axes that are not at right angles.
    NotOrthogonal {
        /// The two index axes.
        axes: [usize; 2],
        /// Cosine of the angle between them.
        cosine: f64,
    },
    /// A number of values that does not fill the grid.
    Length {
        /// Values given.
        found: usize,
        /// Voxels of the grid.
        expected: usize,
    },
    /// An array of another shape.
    Shape {
        /// Shape found.
        found: [usize; 3],
        /// Voxels of the grid.
        expected: [usize; 3],
    },
    /// A volume given back to an orientation that belongs to another grid.
    OtherGrid {
        /// Voxels along the axes of the volume given.
        found: [usize; 3],
        /// Voxels along the axes expected.
        expected: [usize; 3],
    },
}

explained!(GridError);

impl Explained for GridError {
    fn fault(&self) -> Fault {
        let refused =
            |field: &str, found: String, allowed: String, next: &str| Fault::invalid("", field, found, allowed, next);
        match self {
            Self::Dims { found, limit } => refused(
                "grid dimensions",
                format!("{found:?} voxels"),
                format!("at least 1 voxel an axis and at most {limit} in all"),
                "Check the image's size along each axis.",
            ),
            Self::Spacing { axis, found } => refused(
                "voxel size",
                format!("{found} mm along axis {axis}"),
                "a finite length above 0".into(),
                "Write the image again with its true voxel size.",
            ),
            Self::NonFinite { row, column, found } => refused(
                "affine",
                format!("{found} in row {row}, column {column}"),
                "finite numbers (mm)".into(),
                "Write the image again with its true position in space.",
            ),
            Self::NotOrthogonal { axes, cosine } => refused(
                "affine",
                format!("index axes {axes:?} meet at a cosine of {cosine:.5}"),
                "at most 0.001 (right angles)".into(),
                "The grid is sheared or singular: resample the image onto an orthogonal grid first.",
            )
            .form("{field}: {found}; allowed: {allowed}"),
            Self::Length { found, expected } => {
                refused("volume", format!("{found} values"), format!("{expected}, one a voxel of the grid"), "")
                    .kind(FaultKind::Mismatch)
            }
            Self::Shape { found, expected } => {
                let allowed = format!("{expected:?}, one value a voxel along the axes of the grid");
                refused("array", format!("a shape of {found:?}"), allowed, "").kind(FaultKind::Mismatch)
            }
            Self::OtherGrid { found, expected } => {
                let allowed = format!("{expected:?}, the grid that the orientation was taken from");
                refused("volume", format!("{found:?} voxels"), allowed, "").kind(FaultKind::Mismatch)
            }
        }
    }
}

/// A regular grid of voxels in space.
#[derive(Clone, Debug, PartialEq)]
pub struct VoxelGrid {
    /// Number of voxels along the three index axes.
    pub dims: [usize; 3],
    /// Edge lengths of a voxel along the three index axes, mm, positive.
    pub spacing_mm: [f64; 3],
    /// Voxel index (centre at integers) to world RAS mm; rows x, y, z; last column the origin.
    pub affine: [[f64; 4]; 3],
}

/// Most voxels a grid may have: every byte count of a volume of f64 stays addressable.
const MAX_VOXELS: usize = isize::MAX as usize / 16;

impl VoxelGrid {
    /// An axis-aligned grid whose first voxel's centre is `origin_mm`.
    pub fn axis_aligned(dims: [usize; 3], spacing_mm: [f64; 3], origin_mm: [f64; 3]) -> Self {
        let mut affine = [[0.0; 4]; 3];
        for axis in 0..3 {
            affine[axis][axis] = spacing_mm[axis];
            affine[axis][3] = origin_mm[axis];
        }
        Self { dims, spacing_mm, affine }
    }

    /// A grid from its affine (voxel index to world RAS mm); voxel edges are the lengths of its columns.
    ///
    /// Errors: an axis without voxels, a value that is not finite, an edge of length 0, axes that are
    /// not at right angles within a cosine of 0.001 (which holds every singular affine).
    pub fn from_affine(dims: [usize; 3], affine: [[f64; 4]; 3]) -> Result<Self, GridError> {
        let voxels = dims.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
        if !voxels.is_some_and(|n| n > 0 && n <= MAX_VOXELS) {
            return Err(GridError::Dims { found: dims, limit: MAX_VOXELS });
        }
        for (row, values) in affine.iter().enumerate() {
            if let Some(column) = values.iter().position(|v| !v.is_finite()) {
                return Err(GridError::NonFinite { row, column, found: values[column] });
            }
        }
        let columns = [0, 1, 2].map(|axis| column(&affine, axis));
        let spacing_mm = columns.map(|c| dot(c, c).sqrt());
        for (axis, &edge_mm) in spacing_mm.iter().enumerate() {
            if !(edge_mm.is_finite() && edge_mm > 0.0) {
                return Err(GridError::Spacing { axis, found: edge_mm });
            }
        }
        for axes in [[0, 1], [0, 2], [1, 2]] {
            let [a, b] = axes;
            let cosine = dot(columns[a], columns[b]) / (spacing_mm[a] * spacing_mm[b]);
            if cosine.is_nan() || cosine.abs() > ORTHOGONALITY_TOLERANCE {
                return Err(GridError::NotOrthogonal { axes, cosine });
            }
        }
        Ok(Self { dims, spacing_mm, affine })
    }

    /// Number of voxels.
    pub fn len(&self) -> usize {
        self.dims.iter().product()
    }

    /// Whether the grid has no voxel.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Position of voxel (i, j, k) in the data of a volume.
    pub fn index(&self, i: usize, j: usize, k: usize) -> usize {
        i + self.dims[0] * (j + self.dims[1] * k)
    }

    /// Voxel (i, j, k) at a position in the data of a volume: the inverse of [`VoxelGrid::index`].
    pub fn voxel(&self, index: usize) -> [usize; 3] {
        let [nx, ny, _] = self.dims;
        [index % nx, (index / nx) % ny, index / (nx * ny)]
    }

    /// Volume of one voxel, cm3.
    pub fn voxel_cm3(&self) -> f64 {
        self.spacing_mm.iter().product::<f64>() * 1e-3
    }

    /// World position, RAS mm, of a point in voxel coordinates (voxel centres at integers).
    pub fn world_mm(&self, voxel: [f64; 3]) -> [f64; 3] {
        self.affine.map(|[a, b, c, origin]| a * voxel[0] + b * voxel[1] + c * voxel[2] + origin)
    }

    /// Voxel coordinates (voxel centres at integers) of a world position, RAS mm: the inverse of
    /// [`VoxelGrid::world_mm`].
    pub fn voxel_at_mm(&self, world_mm: [f64; 3]) -> [f64; 3] {
        let offset = [0, 1, 2].map(|row| world_mm[row] - self.affine[row][3]);
        let inverse = self.inverse();
        inverse.map(|row| dot(row, offset))
    }

    /// Whether a place in voxel coordinates lies in some voxel, its faces included.
    pub fn holds(&self, voxel: [f64; 3]) -> bool {
        // a face that rounding moves is still a face
        const ROUNDING: f64 = 1e-6;
        (0..3).all(|axis| (-0.5 - ROUNDING..=self.dims[axis] as f64 - 0.5 + ROUNDING).contains(&voxel[axis]))
    }

    /// Inverse of the affine's 3x3 part, by cofactors.
    fn inverse(&self) -> [[f64; 3]; 3] {
        let [a, b, c] = [0, 1, 2].map(|axis| column(&self.affine, axis));
        let determinant = dot(a, cross(b, c));
        [cross(b, c), cross(c, a), cross(a, b)].map(|row| row.map(|v| v / determinant))
    }

    /// World positions, RAS mm, of the centres of the eight corner voxels.
    fn corners_mm(&self) -> [[f64; 3]; 8] {
        std::array::from_fn(|corner| {
            self.world_mm(std::array::from_fn(
                |axis| {
                    if corner >> axis & 1 == 1 { self.dims[axis] as f64 - 1.0 } else { 0.0 }
                },
            ))
        })
    }

    /// Largest distance, mm, between the corner voxels of this grid and the same corner voxels of
    /// another with the same dimensions; `None` where the dimensions differ.
    pub fn corner_distance_mm(&self, other: &VoxelGrid) -> Option<f64> {
        (self.dims == other.dims).then(|| {
            let pairs = self.corners_mm().into_iter().zip(other.corners_mm());
            pairs.map(|(a, b)| distance(a, b)).fold(0.0, f64::max)
        })
    }

    /// Whether another grid has the same voxels in the same order: equal dimensions, and no voxel
    /// displaced by more than 0.01 of the shortest edge.
    pub fn same_as(&self, other: &VoxelGrid) -> bool {
        let shortest_mm = self.spacing_mm.iter().copied().fold(f64::INFINITY, f64::min);
        self.corner_distance_mm(other).is_some_and(|d| d <= 0.01 * shortest_mm)
    }

    /// The cubic grid of edge `edge_mm` that covers this grid's extent: same directions, same centre,
    /// outer faces at most one edge outside.
    pub fn isotropic_cover(&self, edge_mm: f64) -> Result<VoxelGrid, GridError> {
        if !(edge_mm.is_finite() && edge_mm > 0.0) {
            return Err(GridError::Spacing { axis: 0, found: edge_mm });
        }
        let dims = [0, 1, 2].map(|axis| {
            // A hair less than the quotient, so that 30 mm at 3 mm gives 10 voxels and not 11.
            let edges = self.dims[axis] as f64 * self.spacing_mm[axis] / edge_mm;
            (edges - 1e-6).ceil().max(1.0) as usize
        });
        let centre_mm = self.world_mm(self.dims.map(|n| 0.5 * (n as f64 - 1.0)));
        let mut affine = [[0.0; 4]; 3];
        for row in 0..3 {
            affine[row][3] = centre_mm[row];
            for axis in 0..3 {
                affine[row][axis] = self.affine[row][axis] / self.spacing_mm[axis] * edge_mm;
                affine[row][3] -= affine[row][axis] * 0.5 * (dims[axis] as f64 - 1.0);
            }
        }
        Self::from_affine(dims, affine)
    }

    /// The orientation of this grid: how its axes map to the order closest to RAS+.
    pub fn orientation(&self) -> Orientation {
        const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
        let cosine = |world: usize, axis: usize| self.affine[world][axis] / self.spacing_mm[axis];
        let alignment = |order: &[usize; 3]| -> f64 { (0..3).map(|world| cosine(world, order[world]).abs()).sum() };
        let mut axes = ORDERS[0];
        for order in &ORDERS[1..] {
            // A clear gain only: a grid at 45 degrees stays as it is whatever the last bit says.
            if alignment(order) > alignment(&axes) + 1e-9 {
                axes = *order;
            }
        }
        let flipped = [0, 1, 2].map(|world| cosine(world, axes[world]) < 0.0);
        Orientation { axes, flipped, grid: self.clone() }
    }

    /// One line that names the grid to a user: voxels, edges, the first voxel's place and the axes'
    /// letters (for example `RAS`).
    pub fn describe(&self) -> String {
        let [nx, ny, nz] = self.dims;
        let [sx, sy, sz] = self.spacing_mm;
        let [ox, oy, oz] = [0, 1, 2].map(|row| self.affine[row][3]);
        format!(
            "{nx} x {ny} x {nz} voxels of {sx:.4} x {sy:.4} x {sz:.4} mm, first voxel at ({ox:.3}, {oy:.3}, {oz:.3}) mm, axes {}",
            self.orientation().letters()
        )
    }
}

/// How the axes of a grid map to the order closest to RAS+, and the way back.
#[derive(Clone, Debug, PartialEq)]
pub struct Orientation {
    /// Index axis of the grid that runs along world x, y, z.
    axes: [usize; 3],
    /// Whether that axis runs against world x, y, z.
    flipped: [bool; 3],
    /// The grid as it came.
    grid: VoxelGrid,
}

impl Orientation {
    /// Whether the grid already runs in the order closest to RAS+.
    pub fn is_canonical(&self) -> bool {
        self.axes == [0, 1, 2] && self.flipped == [false; 3]
    }

    /// The grid as it came.
    pub fn grid(&self) -> &VoxelGrid {
        &self.grid
    }

    /// The direction in which each index axis of the grid runs, for example `RAS` or `LPS`.
    pub fn letters(&self) -> String {
        const LETTERS: [[char; 2]; 3] = [['R', 'L'], ['A', 'P'], ['S', 'I']];
        (0..3)
            .map(|axis| {
                let world = self.axes.iter().position(|&a| a == axis).unwrap_or(axis);
                LETTERS[world][usize::from(self.flipped[world])]
            })
            .collect()
    }

    /// The grid with its axes permuted and flipped to the order closest to RAS+; every voxel keeps
    /// its place in the world.
    pub fn canonical_grid(&self) -> VoxelGrid {
        let mut affine = self.grid.affine;
        for world in 0..3 {
            let axis = self.axes[world];
            for (row, values) in affine.iter_mut().enumerate() {
                let step = self.grid.affine[row][axis];
                values[world] = if self.flipped[world] { -step } else { step };
                if self.flipped[world] {
                    values[3] += step * (self.grid.dims[axis] as f64 - 1.0);
                }
            }
        }
        VoxelGrid {
            dims: self.axes.map(|axis| self.grid.dims[axis]),
            spacing_mm: self.axes.map(|axis| self.grid.spacing_mm[axis]),
            affine,
        }
    }

    /// A volume on the canonical grid, put back in the order of the grid as it came: values exactly,
    /// and the affine to the last bit.
    ///
    /// Errors: the volume's dimensions are not those of the canonical grid.
    pub fn restore<T: Copy>(&self, volume: Volume<T>) -> Result<Volume<T>, GridError> {
        let data = match self.restored(volume.grid.dims, &volume.data)? {
            Cow::Owned(data) => data,
            Cow::Borrowed(_) => volume.data,
        };
        Ok(Volume { grid: self.grid.clone(), data })
    }

    /// As [`Orientation::restore`], of values on a grid of dimensions `dims`; they are copied only where their order
    /// changes.
    pub fn restored<'a, T: Copy>(&self, dims: [usize; 3], values: &'a [T]) -> Result<Cow<'a, [T]>, GridError> {
        let expected = self.axes.map(|axis| self.grid.dims[axis]);
        if dims != expected {
            return Err(GridError::OtherGrid { found: dims, expected });
        }
        if self.is_canonical() {
            return Ok(Cow::Borrowed(values));
        }
        let (start, strides) = self.walk(expected, true);
        Ok(Cow::Owned(gather(values, self.grid.dims, start, strides)))
    }

    /// Start and steps, in elements, of a walk through the one order that meets the voxels in the
    /// other: backwards = through canonical data (of dimensions `canonical`) in the grid's own order.
    fn walk(&self, canonical: [usize; 3], backwards: bool) -> (isize, [isize; 3]) {
        let dims = if backwards { canonical } else { self.grid.dims };
        let pitch = [1, dims[0] as isize, (dims[0] * dims[1]) as isize];
        let mut start = 0;
        let mut strides = [0; 3];
        for world in 0..3 {
            let (from, to) = if backwards { (world, self.axes[world]) } else { (self.axes[world], world) };
            strides[to] = pitch[from];
            if self.flipped[world] {
                strides[to] = -pitch[from];
                start += pitch[from] * (dims[from] as isize - 1);
            }
        }
        (start, strides)
    }
}

/// Values of `data` met on a walk over `dims` (x fastest) with the given start and steps.
fn gather<T: Copy>(data: &[T], dims: [usize; 3], start: isize, strides: [isize; 3]) -> Vec<T> {
    let mut out = Vec::with_capacity(data.len());
    for k in 0..dims[2] as isize {
        for j in 0..dims[1] as isize {
            let row = start + j * strides[1] + k * strides[2];
            out.extend((0..dims[0] as isize).map(|i| data[(row + i * strides[0]) as usize]));
        }
    }
    out
}

/// Values on a grid, x fastest.
#[derive(Clone, Debug, PartialEq)]
pub struct Volume<T> {
    /// Where the values lie.
    pub grid: VoxelGrid,
    /// One value a voxel, `grid.len()` of them.
    pub data: Vec<T>,
}

impl<T: Copy> Volume<T> {
    /// A volume from its grid and values. Errors: not one value a voxel.
    pub fn new(grid: VoxelGrid, data: Vec<T>) -> Result<Self, GridError> {
        if data.len() != grid.len() {
            return Err(GridError::Length { found: data.len(), expected: grid.len() });
        }
        Ok(Self { grid, data })
    }

    /// A volume with the same value everywhere.
    pub fn filled(grid: VoxelGrid, value: T) -> Self {
        let data = vec![value; grid.len()];
        Self { grid, data }
    }

    /// The value of voxel (i, j, k).
    pub fn at(&self, i: usize, j: usize, k: usize) -> T {
        self.data[self.grid.index(i, j, k)]
    }

    /// The value of the voxel that holds a world position, RAS mm; `None` outside the grid.
    pub fn at_world_mm(&self, world_mm: [f64; 3]) -> Option<T> {
        let voxel = self.grid.voxel_at_mm(world_mm).map(f64::round);
        let inside = (0..3).all(|a| voxel[a] >= 0.0 && voxel[a] < self.grid.dims[a] as f64);
        inside.then(|| self.at(voxel[0] as usize, voxel[1] as usize, voxel[2] as usize))
    }

    /// A volume on the same grid, value by value.
    pub fn map<U>(&self, f: impl FnMut(T) -> U) -> Volume<U> {
        Volume { grid: self.grid.clone(), data: self.data.iter().copied().map(f).collect() }
    }

    /// The volume with its axes permuted and flipped to the order closest to RAS+, and the way back.
    /// Nothing is interpolated: every voxel keeps its value and its place in the world.
    pub fn to_canonical(self) -> (Volume<T>, Orientation) {
        let orientation = self.grid.orientation();
        if orientation.is_canonical() {
            return (self, orientation);
        }
        let grid = orientation.canonical_grid();
        let (start, strides) = orientation.walk(grid.dims, false);
        let data = gather(&self.data, grid.dims, start, strides);
        (Volume { grid, data }, orientation)
    }
}

/// Column of an affine.
fn column(affine: &[[f64; 4]; 3], axis: usize) -> [f64; 3] {
    [affine[0][axis], affine[1][axis], affine[2][axis]]
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

fn distance(a: [f64; 3], b: [f64; 3]) -> f64 {
    let d = [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
    dot(d, d).sqrt()
}
