//! Values on a grid, and their gradient, at any place: trilinear interpolation.

use super::transform::{About, Slopes};
use crate::grid::{Volume, VoxelGrid};

/// A borrowed volume to look up.
pub struct View<'a> {
    dims: [usize; 3],
    data: &'a [f32],
    to_voxel: [[f64; 4]; 3],
}

impl<'a> View<'a> {
    /// Values on a grid, x fastest.
    pub fn new(grid: &VoxelGrid, data: &'a [f32]) -> Self {
        Self { dims: grid.dims, data, to_voxel: to_voxel(grid) }
    }

    /// The value in a world position, mm, interpolated linearly; `None` outside the voxel centres.
    pub fn value(&self, [x, y, z]: [f64; 3]) -> Option<f64> {
        let place = self.to_voxel.map(|[a, b, c, d]| a * x + b * y + c * z + d);
        look(self.dims, self.data, place).map(|(value, _)| value)
    }
}

/// World mm to voxel coordinates.
fn to_voxel(grid: &VoxelGrid) -> [[f64; 4]; 3] {
    let origin = grid.voxel_at_mm([0.0; 3]);
    let unit = |axis: usize| {
        let mut at = [0.0; 3];
        at[axis] = 1.0;
        let there = grid.voxel_at_mm(at);
        [0, 1, 2].map(|row| there[row] - origin[row])
    };
    let columns = [unit(0), unit(1), unit(2)];
    std::array::from_fn(|r| [columns[0][r], columns[1][r], columns[2][r], origin[r]])
}

/// A volume to look up.
pub(super) struct Field {
    pub(super) grid: VoxelGrid,
    pub(super) data: Vec<f32>,
    /// World mm to voxel coordinates.
    to_voxel: [[f64; 4]; 3],
}

/// A value and its derivatives along the three voxel axes.
pub(super) type Looked = (f64, [f64; 3]);

impl Field {
    pub(super) fn new(volume: Volume<f32>) -> Self {
        let Volume { grid, data } = volume;
        let to_voxel = to_voxel(&grid);
        Self { grid, data, to_voxel }
    }

    /// Lowest and highest value.
    pub(super) fn range(&self) -> [f64; 2] {
        let range = self.data.iter().fold([f32::INFINITY, f32::NEG_INFINITY], |[l, h], &v| [l.min(v), h.max(v)]);
        range.map(f64::from)
    }

    /// Voxel coordinates of a point of the fixed frame, counted from the map's centre: a matrix and an offset.
    pub(super) fn places(&self, map: &About) -> Slopes {
        let v = &self.to_voxel;
        let home = [0, 1, 2].map(|n| map.centre_mm[n] + map.shift_mm[n]);
        std::array::from_fn(|r| {
            let column = |c: usize| (0..3).map(|n| v[r][n] * map.matrix[n][c]).sum::<f64>();
            let offset = (0..3).map(|n| v[r][n] * home[n]).sum::<f64>() + v[r][3];
            [column(0), column(1), column(2), offset]
        })
    }

    /// Derivatives by the world's axes, from those by the voxels' axes: V^T.
    pub(super) fn to_world(&self, by_voxel: &Slopes) -> Slopes {
        let v = &self.to_voxel;
        std::array::from_fn(|r| std::array::from_fn(|c| (0..3).map(|n| v[n][r] * by_voxel[n][c]).sum()))
    }

    /// The value in a place in voxel coordinates; `None` outside the voxel centres.
    #[inline]
    pub(super) fn look(&self, place: [f64; 3]) -> Option<Looked> {
        look(self.grid.dims, &self.data, place)
    }

    /// Voxel coordinates of a world position, mm.
    pub(super) fn place(&self, [x, y, z]: [f64; 3]) -> [f64; 3] {
        self.to_voxel.map(|[a, b, c, d]| a * x + b * y + c * z + d)
    }

    /// The value in a world position, mm.
    pub(super) fn value(&self, world_mm: [f64; 3]) -> Option<f64> {
        self.look(self.place(world_mm)).map(|(value, _)| value)
    }
}

/// The value in a place in voxel coordinates; `None` outside the voxel centres.
#[inline]
fn look(dims: [usize; 3], data: &[f32], place: [f64; 3]) -> Option<Looked> {
    let (mut low, mut share) = ([0_usize; 3], [0.0; 3]);
    for axis in 0..3 {
        let most = dims[axis] as f64 - 1.0;
        if !(place[axis] >= 0.0 && place[axis] <= most) || dims[axis] < 2 {
            return None;
        }
        low[axis] = (place[axis] as usize).min(dims[axis] - 2);
        share[axis] = place[axis] - low[axis] as f64;
    }
    let (step_y, step_z) = (dims[0], dims[0] * dims[1]);
    let first = low[0] + step_y * low[1] + step_z * low[2];
    let at = |offset: usize| f64::from(data[first + offset]);
    let [x, y, z] = share;
    // along x, then y, then z, with the slope beside the value
    let line = |offset: usize| {
        let (a, b) = (at(offset), at(offset + 1));
        (a + x * (b - a), b - a)
    };
    let plane = |offset: usize| {
        let ((a, ax), (b, bx)) = (line(offset), line(offset + step_y));
        (a + y * (b - a), ax + y * (bx - ax), b - a)
    };
    let ((a, ax, ay), (b, bx, by)) = (plane(0), plane(step_z));
    Some((a + z * (b - a), [ax + z * (bx - ax), ay + z * (by - ay), b - a]))
}
