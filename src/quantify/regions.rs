//! The regions of a correction as fractions of image voxels: outlines, the background near them, and the rest.

use crate::fault::{Fault, FaultKind};
use crate::grid::VoxelGrid;
use crate::source::Shares;
use std::collections::BTreeMap;

/// What lies outside all outlines is taken as two regions, parted at this distance from the outlines, mm: the
/// background that spills into them should be their surroundings' and not that of the air far away. Two FWHM of a
/// usual image (convention of this program).
pub const BACKGROUND_REACH_MM: f64 = 20.0;
/// Shares of a voxel that are together above 1 by more than this overlap.
const OVERLAP: f64 = 1e-6;

/// One region: its image voxels, ascending, and the share of each that it fills.
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    /// Label; 0 outside all outlines.
    pub label: u16,
    /// Name.
    pub name: String,
    /// Image voxels, ascending.
    pub voxels: Vec<u32>,
    /// Share of each, above 0 and at most 1.
    pub shares: Vec<f32>,
}

impl Region {
    fn of(label: u16, name: &str, fractions: &[f64]) -> Self {
        let (mut voxels, mut shares) = (Vec::new(), Vec::new());
        for (voxel, &share) in fractions.iter().enumerate().filter(|(_, share)| **share > 0.0) {
            voxels.push(voxel as u32);
            shares.push(share as f32);
        }
        Self { label, name: name.to_owned(), voxels, shares }
    }

    /// Volume in image voxels.
    pub fn volume(&self) -> f64 {
        self.shares.iter().map(|&s| f64::from(s)).sum()
    }

    /// The voxels with their shares.
    pub fn each(&self) -> impl Iterator<Item = (usize, f64)> {
        self.voxels.iter().zip(&self.shares).map(|(&voxel, &share)| (voxel as usize, f64::from(share)))
    }

    /// The voxels from `from` to before `to`.
    pub(super) fn between(&self, from: usize, to: usize) -> impl Iterator<Item = (usize, f64)> {
        let place = |voxel: usize| self.voxels.partition_point(|&v| (v as usize) < voxel);
        let range = place(from)..place(to);
        let pairs = self.voxels[range.clone()].iter().zip(&self.shares[range]);
        pairs.map(|(&voxel, &share)| (voxel as usize, f64::from(share)))
    }

    /// Mean of an image over the region, weighted with the shares.
    pub fn mean(&self, image: &[f64]) -> f64 {
        self.each().map(|(voxel, share)| share * image[voxel]).sum::<f64>() / self.volume()
    }
}

/// Regions that fill the image: outlined ones first, what lies outside all outlines last.
#[derive(Clone, Debug, PartialEq)]
pub struct Regions {
    /// The image's grid.
    pub grid: VoxelGrid,
    /// The regions. Together they fill every voxel.
    pub list: Vec<Region>,
}

impl Regions {
    /// The regions of `shares` on the grid of the image; names by label. `air` is the label of air outside all outlines,
    /// where it has one: it is no outlined region.
    ///
    /// Errors: no outlined region, or a named one without any part of an image voxel.
    pub fn of(
        shares: &Shares,
        grid: &VoxelGrid,
        names: &BTreeMap<u16, String>,
        air: Option<u16>,
    ) -> Result<Self, Fault> {
        let named = |label: u16| names.get(&label).cloned().unwrap_or_else(|| format!("label_{label}"));
        let outlined = |label: u16| label != 0 && Some(label) != air;
        let labels = shares.labels().iter().enumerate().filter(|(_, label)| outlined(**label));
        let regions = labels.map(|(number, &label)| (label, named(label), shares.fractions(number)));
        Self::from_fractions(grid, regions)
    }

    /// Regions as label, name and share of every image voxel.
    ///
    /// Errors: no region; a share outside 0 to 1; a region without voxels; regions that overlap.
    pub fn from_fractions(
        grid: &VoxelGrid,
        regions: impl IntoIterator<Item = (u16, String, Vec<f64>)>,
    ) -> Result<Self, Fault> {
        let mut outside = vec![1.0; grid.len()];
        let mut list: Vec<Region> = Vec::new();
        for (label, name, fractions) in regions {
            let place = format!("region {name}");
            if fractions.len() != grid.len() || fractions.iter().any(|s| !(0.0..=1.0 + OVERLAP).contains(s)) {
                let found = format!("{} shares, or one outside 0 to 1", fractions.len());
                return Err(Fault::invalid(place, "shares", found, format!("{} from 0 to 1", grid.len()), ""));
            }
            outside.iter_mut().zip(&fractions).for_each(|(rest, share)| *rest -= share);
            if let Some(voxel) = outside.iter().position(|rest| *rest < -OVERLAP) {
                return Err(overlapping(&list, &name, voxel));
            }
            let region = Region::of(label, &name, &fractions);
            if region.voxels.is_empty() {
                return Err(Fault::invalid(
                    place,
                    "voxels",
                    "none in the image",
                    "an outline that the image reaches",
                    "Correct the outline, or leave the region out of the label map.",
                ));
            }
            list.push(region);
        }
        if list.is_empty() {
            return Err(Fault::invalid(
                "[partial_volume]",
                "regions",
                "none",
                "at least one outlined region in the image",
                "Give labels: a correction by regions needs their outlines.",
            )
            .kind(FaultKind::Missing));
        }
        let near = near(grid, &outside);
        let of = |inside: bool| -> Vec<f64> {
            // what rounding leaves of a filled voxel is nothing
            let share = |(&rest, &near): (&f64, &bool)| if near == inside && rest > 1e-9 { rest } else { 0.0 };
            outside.iter().zip(&near).map(share).collect()
        };
        let unlabelled = [("unlabelled", true), ("unlabelled, far", false)];
        list.extend(unlabelled.map(|(name, inside)| Region::of(0, name, &of(inside))));
        list.retain(|region| !region.voxels.is_empty());
        Ok(Self { grid: grid.clone(), list })
    }

    /// The outlined regions.
    pub fn outlined(&self) -> impl Iterator<Item = (usize, &Region)> {
        self.list.iter().enumerate().filter(|(_, region)| region.label != 0)
    }

    /// Volume of a region, mL.
    pub fn volume_ml(&self, region: &Region) -> f64 {
        region.volume() * self.grid.voxel_cm3()
    }
}

/// The error for the voxel in which a region meets another.
fn overlapping(list: &[Region], name: &str, voxel: usize) -> Fault {
    let other = list.iter().find(|r| r.voxels.binary_search(&(voxel as u32)).is_ok());
    let other = other.map_or("another", |region| &region.name);
    Fault::invalid(
        format!("region {name}"),
        "shares",
        format!("an overlap with region {other}"),
        "regions that share no space",
        "Decide to which region the common part belongs.",
    )
    .kind(FaultKind::Mismatch)
}

/// Whether a voxel is within [`BACKGROUND_REACH_MM`], along each axis, of one that an outline takes a part of.
fn near(grid: &VoxelGrid, outside: &[f64]) -> Vec<bool> {
    let mut near: Vec<bool> = outside.iter().map(|rest| *rest < 1.0 - 1e-9).collect();
    let mut step = 1;
    for axis in 0..3 {
        let (len, reach) = (grid.dims[axis], (BACKGROUND_REACH_MM / grid.spacing_mm[axis]).round() as usize);
        let before = near.clone();
        for (voxel, near) in near.iter_mut().enumerate() {
            let at = voxel / step % len;
            let first = voxel - step * at.min(reach);
            let count = at.min(reach) + 1 + reach.min(len - 1 - at);
            *near = (0..count).any(|n| before[first + n * step]);
        }
        step *= len;
    }
    near
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn law_regions_fill_the_image() {
        let grid = VoxelGrid::axis_aligned([20, 20, 20], [5.0; 3], [0.0; 3]);
        let mut half = vec![0.0; grid.len()];
        (half[grid.index(10, 10, 10)], half[grid.index(11, 10, 10)]) = (1.0, 0.25);
        let regions = Regions::from_fractions(&grid, [(7, "a".to_owned(), half)]).expect("regions");
        assert_eq!(regions.list.iter().map(|r| r.label).collect::<Vec<_>>(), [7, 0, 0]);
        let mut sum = vec![0.0; grid.len()];
        regions.list.iter().flat_map(Region::each).for_each(|(voxel, share)| sum[voxel] += share);
        assert!(sum.iter().all(|s| (s - 1.0).abs() < 1e-6));
        // 20 mm are 4 voxels on each side of the two
        assert_eq!(regions.list[1].volume() + 1.25, 10.0 * 9.0 * 9.0);
    }

    #[test]
    fn alarm_regions_that_overlap_or_are_empty_are_refused() {
        let grid = VoxelGrid::axis_aligned([4, 4, 4], [5.0; 3], [0.0; 3]);
        let region = |name: &str, share: f64| (1, name.to_owned(), vec![share; 64]);
        let refused = |regions: Vec<_>| Regions::from_fractions(&grid, regions).expect_err("refused").to_string();
        assert!(
            refused(vec![region("a", 0.6), region("b", 0.5)])
                .contains("region b: shares: found an overlap with region a")
        );
        assert!(refused(vec![region("a", 0.0)]).contains("region a: voxels: found none in the image"));
        assert!(refused(vec![]).contains("[partial_volume]: regions: found none"));
    }
}
