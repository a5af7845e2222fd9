//! The regions' shares of the voxels of an image in which the regions lie elsewhere than where they were drawn: each moved by
//! its own motion, the rest together.
//!
//! With f_r the share of a region that has moved by itself, F their sum, and h what the same regions would fill had they moved with the rest:
//! the place that they take beyond that, F - h, is taken from what else lies there, in the shares in which it lies there,
//!
//! ```text
//! g'_l = g_l (1 - F) / (1 - h)   where F > h,     g'_l = g_l   elsewhere;                                     (1)
//! ```
//!
//! where they leave a place, h > F, it belongs to their bed: the region (or what lies outside all outlines) that most of their border
//! touches where they were drawn. Regions that come to overlap divide what they
//! share. Without a motion of their own the shares are those of `Shares`. (1) is exact but for voxels of the image that hold three parties,
//! whose places within the voxel it does not know: what a region displaces of another is right within a seventh.

use super::regrid::RegridError;
use super::shares::Shares;
use crate::grid::{Volume, VoxelGrid};
use std::collections::BTreeMap;

/// Shares of moved regions.
#[derive(Clone, Debug)]
pub struct MovedShares {
    rest: Shares,
    /// f of each region that has moved by itself.
    own: BTreeMap<u16, Vec<f64>>,
    /// 1 - F over 1 - h where F > h, else 1, by voxel.
    left: Vec<f64>,
    /// Shares of the places that regions have left, by the label of their bed.
    gone: BTreeMap<u16, Vec<f64>>,
}

impl MovedShares {
    /// The shares of the voxels of `image` in the regions of `labels`, whose grid the motions have taken into the image's frame:
    /// `rest` that of all but the regions in `own`.
    ///
    /// Errors: a grid of the rest that does not overlap the image.
    pub fn of(
        labels: &Volume<u16>,
        image: &VoxelGrid,
        rest: &VoxelGrid,
        own: &[(u16, VoxelGrid)],
    ) -> Result<Self, RegridError> {
        let rest = Shares::of(&Volume { grid: rest.clone(), data: labels.data.clone() }, image)?;
        let mut moved = BTreeMap::new();
        let (mut taken, mut before) = (vec![0.0; image.len()], vec![0.0; image.len()]);
        let mut drawn = Vec::new();
        for (label, grid) in own {
            let shares = alone(labels, *label, grid, image);
            taken.iter_mut().zip(&shares).for_each(|(sum, share)| *sum += share);
            let number = rest.labels().iter().position(|known| known == label);
            let here = number.map_or_else(|| vec![0.0; image.len()], |number| rest.fractions(number));
            before.iter_mut().zip(&here).for_each(|(sum, share)| *sum += share);
            drawn.push((bed(labels, *label, own), here));
            moved.insert(*label, shares);
        }
        for shares in moved.values_mut() {
            shares.iter_mut().zip(&taken).filter(|(_, all)| **all > 1.0).for_each(|(share, all)| *share /= all);
        }
        taken.iter_mut().for_each(|all| *all = all.min(1.0));
        let mut gone: BTreeMap<u16, Vec<f64>> = BTreeMap::new();
        for (bed, here) in drawn {
            let left = gone.entry(bed).or_insert_with(|| vec![0.0; image.len()]);
            for (v, share) in here.into_iter().enumerate().filter(|(v, _)| before[*v] > taken[*v]) {
                left[v] += share * (1.0 - taken[v] / before[v]);
            }
        }
        let left = |(&taken, before): (&f64, f64)| if taken > before { (1.0 - taken) / (1.0 - before) } else { 1.0 };
        Ok(Self { rest, own: moved, left: taken.iter().zip(before).map(left).collect(), gone })
    }

    /// The share of the region with this label in every voxel.
    pub fn fractions(&self, label: u16) -> Vec<f64> {
        if let Some(own) = self.own.get(&label) {
            return own.clone();
        }
        let number = self.rest.labels().iter().position(|known| *known == label);
        let mut shares = number.map_or_else(|| vec![0.0; self.left.len()], |number| self.rest.fractions(number));
        shares.iter_mut().zip(&self.left).for_each(|(share, left)| *share *= left);
        if let Some(gone) = self.gone.get(&label) {
            shares.iter_mut().zip(gone).for_each(|(share, gone)| *share += gone);
        }
        shares
    }
}

/// The label that most faces of a region's border touch, of those that do not move by themselves; of equals the lowest.
fn bed(labels: &Volume<u16>, label: u16, own: &[(u16, VoxelGrid)]) -> u16 {
    let dims = labels.grid.dims;
    let pitch = [1, dims[0], dims[0] * dims[1]];
    let mut faces: BTreeMap<u16, usize> = BTreeMap::new();
    for n in labels.data.iter().enumerate().filter(|(_, of)| **of == label).map(|(n, _)| n) {
        let at = labels.grid.voxel(n);
        for axis in 0..3 {
            let below = (at[axis] > 0).then(|| n - pitch[axis]);
            let above = (at[axis] + 1 < dims[axis]).then(|| n + pitch[axis]);
            for other in [below, above].into_iter().flatten().map(|m| labels.data[m]) {
                if other != label && own.iter().all(|(moves, _)| *moves != other) {
                    *faces.entry(other).or_default() += 1;
                }
            }
        }
    }
    let most = faces.values().copied().max();
    faces.into_iter().find(|(_, count)| Some(*count) == most).map_or(0, |(other, _)| other)
}

/// The share of one label alone, its voxels on this grid; 0 everywhere where the image does not reach it.
fn alone(labels: &Volume<u16>, label: u16, grid: &VoxelGrid, image: &VoxelGrid) -> Vec<f64> {
    let dims = labels.grid.dims;
    let (mut low, mut high) = (dims, [0; 3]);
    for at in labels.data.iter().enumerate().filter(|(_, of)| **of == label).map(|(n, _)| labels.grid.voxel(n)) {
        (0..3).for_each(|axis| (low[axis], high[axis]) = (low[axis].min(at[axis]), high[axis].max(at[axis] + 1)));
    }
    let none = || vec![0.0; image.len()];
    if high == [0; 3] {
        return none();
    }
    // the box around the region alone is brought to the image
    let size = [0, 1, 2].map(|axis| high[axis] - low[axis]);
    let mut affine = grid.affine;
    let corner = grid.world_mm(low.map(|at| at as f64));
    (0..3).for_each(|axis| affine[axis][3] = corner[axis]);
    let Ok(part) = VoxelGrid::from_affine(size, affine) else { return none() };
    let data = (0..part.len()).map(|n| {
        let [x, y, z] = part.voxel(n);
        u16::from(labels.data[labels.grid.index(low[0] + x, low[1] + y, low[2] + z)] == label)
    });
    let part = Volume { data: data.collect(), grid: part };
    let Ok(shares) = Shares::of(&part, image) else { return none() };
    shares.labels().iter().position(|of| *of == 1).map_or_else(none, |number| shares.fractions(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINE_MM: f64 = 2.0;

    fn fine() -> VoxelGrid {
        VoxelGrid::axis_aligned([30, 30, 40], [FINE_MM; 3], [0.0; 3])
    }

    fn image() -> VoxelGrid {
        VoxelGrid::axis_aligned([12, 12, 16], [5.0; 3], [1.5; 3])
    }

    /// A block (2) on a slab (3), nothing above.
    fn labels() -> Volume<u16> {
        let grid = fine();
        let label = |n: usize| match grid.voxel(n) {
            [8..=17, 8..=17, 14..=25] => 2,
            [_, _, 0..=13] => 3,
            _ => 0,
        };
        Volume { data: (0..grid.len()).map(label).collect(), grid: grid.clone() }
    }

    fn shifted(by_mm: [f64; 3]) -> VoxelGrid {
        let mut grid = fine();
        (0..3).for_each(|axis| grid.affine[axis][3] += by_mm[axis]);
        grid
    }

    fn volume_mm3(shares: &[f64]) -> f64 {
        125.0 * shares.iter().sum::<f64>()
    }

    #[test]
    fn law_without_a_motion_of_their_own_shares_are_those_of_the_outlines() {
        for by_mm in [[0.0; 3], [1.3, -0.7, 2.1]] {
            let grid = shifted(by_mm);
            let moved = MovedShares::of(&labels(), &image(), &grid, &[(2, grid.clone())]).expect("grids overlap");
            let all = Shares::of(&Volume { grid, ..labels() }, &image()).expect("grids overlap");
            for (number, &label) in all.labels().iter().enumerate() {
                let (a, b) = (all.fractions(number), moved.fractions(label));
                assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-12), "{label}");
            }
        }
    }

    #[test]
    fn law_a_region_that_moves_keeps_its_volume_and_takes_the_place_of_others() {
        let block_mm3 = 10.0 * 10.0 * 12.0 * FINE_MM.powi(3);
        let slab_mm3 = 30.0 * 30.0 * 14.0 * FINE_MM.powi(3);
        for up_mm in [-12.0, -4.7, 6.0, 9.3] {
            let own = [(2, shifted([0.0, 0.0, up_mm]))];
            let moved = MovedShares::of(&labels(), &image(), &fine(), &own).expect("grids overlap");
            let [block, slab] = [2, 3].map(|label| moved.fractions(label));
            assert!((volume_mm3(&block) / block_mm3 - 1.0).abs() < 1e-9, "{up_mm}");
            // upwards it leaves a gap, which is its bed's, most of its border, and not the slab's; downwards it displaces so much of the slab
            let displaced_mm3 = 20.0 * 20.0 * (-up_mm).max(0.0);
            let off_mm3 = volume_mm3(&slab) + displaced_mm3 - slab_mm3;
            assert!(off_mm3.abs() <= 0.15 * displaced_mm3 + 1e-6 * slab_mm3, "{up_mm}: {off_mm3} of {displaced_mm3}");
            let around = moved.fractions(0);
            assert!((0..block.len()).all(|v| block[v] + slab[v] + around[v] < 1.0 + 1e-9));
            let whole = (0..block.len()).filter(|&v| (block[v] + slab[v] + around[v] - 1.0).abs() < 1e-9).count();
            assert_eq!(whole, block.len(), "{up_mm}: every voxel is full");
        }
    }

    #[test]
    fn law_regions_that_come_to_overlap_divide_what_they_share() {
        let mut two = labels();
        two.data.iter_mut().for_each(|label| *label = if *label == 3 { 4 } else { *label });
        let down = shifted([0.0, 0.0, -10.0]);
        let moved = MovedShares::of(&two, &image(), &fine(), &[(2, down), (4, fine())]).expect("grids overlap");
        let [block, slab] = [2, 4].map(|label| moved.fractions(label));
        assert!(block.iter().zip(&slab).all(|(a, b)| a + b < 1.0 + 1e-9));
        assert!(block.iter().zip(&slab).any(|(a, b)| (a - 0.5).abs() < 1e-9 && (b - 0.5).abs() < 1e-9));
    }
}
