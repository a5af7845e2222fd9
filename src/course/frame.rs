//! A cycle's dose map in the frame of the course: world transform and trilinear interpolation.
//!
//! Dose is intensive, so values are interpolated and not redistributed; never use this for decays.

use crate::grid::{Volume, VoxelGrid};

/// World mm to world mm, rows x, y, z; last column the shift.
pub type Transform = [[f64; 4]; 3];

/// The identity transform.
pub const IDENTITY: Transform = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]];

/// Applies a transform to a point, mm.
pub fn apply(transform: &Transform, point_mm: [f64; 3]) -> [f64; 3] {
    std::array::from_fn(|row| {
        let r = &transform[row];
        r[0] * point_mm[0] + r[1] * point_mm[1] + r[2] * point_mm[2] + r[3]
    })
}

/// The inverse; `None` for a singular transform.
pub fn invert(transform: &Transform) -> Option<Transform> {
    let m = nalgebra::Matrix3::from_fn(|row, column| transform[row][column]);
    let inverse = m.try_inverse()?;
    let shift = inverse * nalgebra::Vector3::new(transform[0][3], transform[1][3], transform[2][3]);
    Some(std::array::from_fn(|row| [inverse[(row, 0)], inverse[(row, 1)], inverse[(row, 2)], -shift[row]]))
}

/// `volume` on the grid `target`, `to_target` leading from the volume's world to the target's; and the number
/// of target voxels whose centre lies outside the volume (they get 0). `None` for a singular transform.
pub fn resample(volume: &Volume<f32>, target: &VoxelGrid, to_target: &Transform) -> Option<(Volume<f32>, usize)> {
    let back = invert(to_target)?;
    if *to_target == IDENTITY && volume.grid.same_as(target) {
        return Some((volume.clone(), 0));
    }
    let mut outside = 0;
    let data = (0..target.len())
        .map(|index| {
            let voxel = target.voxel(index).map(|i| i as f64);
            let place = volume.grid.voxel_at_mm(apply(&back, target.world_mm(voxel)));
            trilinear(volume, place).unwrap_or_else(|| {
                outside += 1;
                0.0
            })
        })
        .collect();
    Some((Volume { grid: target.clone(), data }, outside))
}

/// The value at a fractional voxel position; `None` more than half a voxel outside.
fn trilinear(volume: &Volume<f32>, place: [f64; 3]) -> Option<f32> {
    let dims = volume.grid.dims;
    let mut low = [0_usize; 3];
    let mut high = [0_usize; 3];
    let mut share = [0.0; 3];
    for axis in 0..3 {
        let most = dims[axis] as f64 - 1.0;
        if !(-0.5..=most + 0.5).contains(&place[axis]) {
            return None;
        }
        let inside = place[axis].clamp(0.0, most);
        low[axis] = inside.floor() as usize;
        high[axis] = (low[axis] + 1).min(dims[axis] - 1);
        share[axis] = inside - inside.floor();
    }
    let mut value = 0.0;
    for corner in 0..8_usize {
        let mut weight = 1.0;
        let mut voxel = [0_usize; 3];
        for axis in 0..3 {
            let upper = corner >> axis & 1 == 1;
            weight *= if upper { share[axis] } else { 1.0 - share[axis] };
            voxel[axis] = if upper { high[axis] } else { low[axis] };
        }
        if weight > 0.0 {
            value += weight * f64::from(volume.at(voxel[0], voxel[1], voxel[2]));
        }
    }
    Some(value as f32)
}
