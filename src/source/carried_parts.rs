//! What regions hold in an image where it lies, brought to the grid of another frame with each region's own motion.
//!
//! A corrected image knows what each of its voxels holds of each region. Dealt out as one map, the edges that the correction
//! has made would be blurred by the voxels once more. Each region's part is dealt out by itself instead, a_v, and so is its
//! volume, s_v; their quotient is the texture, and the region's share f_v on the new grid, where it was drawn, says where it lies:
//!
//! ```text
//! a'_v = c f_v a_v / s_v,     c such that sum a' = sum a.                                                      (1)
//! ```
//!
//! A region that is uniform where it lies is uniform on the new grid, each region keeps what it holds inside the field of view, and so
//! does their sum.

use super::moved::deal_out;
use super::sum;
use crate::grid::{Volume, VoxelGrid};

/// What is carried of one region.
pub struct Part<'a> {
    /// The image's grid in the new frame, by the region's motion.
    pub carried: VoxelGrid,
    /// What each voxel holds of the region, with any sign.
    pub amounts: Vec<f64>,
    /// Its shares of the voxels where it lies.
    pub shares: &'a [f64],
    /// Its shares of the voxels of the new grid.
    pub drawn: &'a [f64],
}

/// Adds a region's part to the values on the new grid; gives what could not be placed, since it falls outside the field of view.
pub fn carry(part: Part<'_>, target: &VoxelGrid, values: &mut [f64]) -> f64 {
    let all = sum(part.amounts.iter().copied());
    let dealt = |data: Vec<f64>| deal_out(&Volume { grid: part.carried.clone(), data }, target).volume.data;
    let volume = dealt(part.shares.to_vec());
    let amounts = dealt(part.amounts);
    let kept = sum(amounts.iter().copied());
    let of = |v: usize| if volume[v] > 0.0 { part.drawn[v] * amounts[v] / volume[v] } else { 0.0 };
    let shaped: Vec<f64> = (0..amounts.len()).map(of).collect();
    let found = sum(shaped.iter().copied());
    // amounts that sum to nothing have no scale
    let scale = if found != 0.0 && kept / found > 0.0 { kept / found } else { 1.0 };
    values.iter_mut().zip(shaped).for_each(|(value, one)| *value += scale * one);
    all - scale * found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Shares;

    /// A block of 26 x 22 x 30 mm, its corner here.
    fn shares(grid: &VoxelGrid, corner_mm: [f64; 3]) -> Vec<f64> {
        let mut fine = VoxelGrid::axis_aligned([13, 11, 15], [2.0; 3], [0.0; 3]);
        (0..3).for_each(|axis| fine.affine[axis][3] = corner_mm[axis] + 1.0);
        let block = Volume { data: vec![1u16; fine.len()], grid: fine };
        let all = Shares::of(&block, grid).expect("grids overlap");
        all.fractions(all.labels().iter().position(|label| *label == 1).expect("the block"))
    }

    fn grid() -> VoxelGrid {
        VoxelGrid::axis_aligned([16, 16, 18], [4.8; 3], [2.4; 3])
    }

    fn back(by_mm: [f64; 3]) -> VoxelGrid {
        let mut grid = grid();
        (0..3).for_each(|axis| grid.affine[axis][3] -= by_mm[axis]);
        grid
    }

    #[test]
    fn law_a_uniform_region_stays_uniform_and_whole() {
        let (here, by_mm) = ([21.0, 24.0, 19.0], [3.1, -2.2, 14.7]);
        let there = std::array::from_fn(|axis| here[axis] + by_mm[axis]);
        let (drawn, lies) = (shares(&grid(), here), shares(&grid(), there));
        let mut values = vec![0.0; grid().len()];
        let amounts = lies.iter().map(|share| 7.0 * share).collect();
        let lost = carry(Part { carried: back(by_mm), amounts, shares: &lies, drawn: &drawn }, &grid(), &mut values);
        assert!(
            lost.abs() < 1e-9 && (values.iter().sum::<f64>() / (7.0 * lies.iter().sum::<f64>()) - 1.0).abs() < 1e-12
        );
        let off = values.iter().zip(&drawn).map(|(value, share)| (value - 7.0 * share).abs()).fold(0.0, f64::max);
        assert!(off < 1e-9, "{off}");
    }

    #[test]
    fn alarm_a_region_dealt_out_as_a_map_loses_its_edge() {
        let (here, by_mm) = ([21.0, 24.0, 19.0], [3.1, -2.2, 14.7]);
        let there = std::array::from_fn(|axis| here[axis] + by_mm[axis]);
        let (drawn, lies) = (shares(&grid(), here), shares(&grid(), there));
        let map = deal_out(&Volume { grid: back(by_mm), data: lies }, &grid()).volume.data;
        let outside: f64 = map.iter().zip(&drawn).filter(|(_, share)| **share == 0.0).map(|(value, _)| value).sum();
        assert!(outside / map.iter().sum::<f64>() > 0.05, "{outside}");
    }

    #[test]
    fn law_what_falls_outside_is_told() {
        let (here, by_mm) = ([21.0, 24.0, 60.0], [0.0, 0.0, -30.0]);
        let there = std::array::from_fn(|axis| here[axis] + by_mm[axis]);
        let (drawn, lies) = (shares(&grid(), here), shares(&grid(), there));
        let all: f64 = lies.iter().sum();
        let inside: f64 = drawn.iter().sum();
        let mut values = vec![0.0; grid().len()];
        let part = Part { carried: back(by_mm), amounts: lies.clone(), shares: &lies, drawn: &drawn };
        let lost = carry(part, &grid(), &mut values);
        // to a part of a voxel: those that the border cuts are dealt out by their volume
        assert!((lost - (all - inside)).abs() < 0.02 * all && lost > 0.1 * all, "{lost} of {all}");
        assert!((values.iter().sum::<f64>() + lost - all).abs() < 1e-9);
    }
}
