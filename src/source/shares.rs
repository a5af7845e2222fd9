//! How much of each image voxel lies in each region: the regions' fractions, from outlines on a finer grid.
//!
//! A voxel of an image is larger than the voxels in which outlines are drawn, so that several regions share it. The
//! share of region r in image voxel v is the volume of v inside r over the volume of v, exact to rounding for parallel
//! and oblique grids (`source/overlap.rs`). Overlapping outlines are as their label map resolves them.

use super::overlap::{SMALLEST_SHARE, each_overlap};
use super::regrid::RegridError;
use crate::grid::{Volume, VoxelGrid};

/// A voxel of which a region fills all but this share belongs to it alone: 1e-9 is the rounding of shares that are
/// sums of thousands of products.
const WHOLE: f64 = 1.0 - 1e-9;
/// Stands in `owner` for a voxel that several regions share.
const SHARED: u32 = u32::MAX;

/// The regions' shares of every voxel of an image.
///
/// Regions are numbered 0 to `labels().len() - 1`, in the order of their labels. Only shared voxels hold a list, so
/// that an image whose voxels mostly belong to one region costs four bytes a voxel.
#[derive(Clone, Debug, PartialEq)]
pub struct Shares {
    labels: Vec<u16>,
    owner: Vec<u32>,
    mixed: Vec<Mixed>,
    parts: Vec<(u32, f64)>,
}

/// A shared voxel, and where its parts begin.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Mixed {
    voxel: usize,
    first: usize,
}

impl Shares {
    /// The shares of the voxels of `image` in the regions of a label map (0 outside all outlines) on another grid.
    ///
    /// What the labels' grid does not cover counts as label 0. Errors: the grids do not overlap.
    pub fn of(labels: &Volume<u16>, image: &VoxelGrid) -> Result<Self, RegridError> {
        Self::with(labels, image, Some(0))
    }

    /// As [`Shares::of`], but what the labels' grid does not cover belongs to no region: the shares of a voxel that
    /// reaches beyond it are less than 1 together, and a voxel outside has none.
    pub fn inside(labels: &Volume<u16>, image: &VoxelGrid) -> Result<Self, RegridError> {
        Self::with(labels, image, None)
    }

    /// The shares, where what lies beyond the labels' grid counts as `beyond`, or as no region.
    fn with(labels: &Volume<u16>, image: &VoxelGrid, beyond: Option<u16>) -> Result<Self, RegridError> {
        if labels.grid.same_as(image) {
            return Ok(Self::whole(&labels.data));
        }
        let (known, number) = numbered(labels.data.iter().copied().chain(beyond));
        let mut shares = Self { labels: known, owner: Vec::with_capacity(image.len()), mixed: vec![], parts: vec![] };
        let mut reached = false;
        let mut here: Vec<(u32, f64)> = Vec::new();
        each_overlap(
            image,
            &labels.grid,
            |_| true,
            |_, overlaps| {
                here.clear();
                let mut covered = 0.0;
                for &(n, share) in overlaps {
                    covered += share;
                    add(&mut here, number[usize::from(labels.data[n])], share);
                }
                reached |= covered > 0.0;
                if let Some(beyond) = beyond.filter(|_| 1.0 - covered > SMALLEST_SHARE) {
                    add(&mut here, number[usize::from(beyond)], 1.0 - covered);
                }
                shares.push(&mut here);
            },
        );
        if !reached {
            let (source_grid, target_grid) = (labels.grid.describe(), image.describe());
            return Err(RegridError::NoOverlap { what: "labels", source_grid, target_grid });
        }
        Ok(shares.without_absent())
    }

    /// The shares of voxels that belong to one region each: their labels.
    pub fn whole(labels: &[u16]) -> Self {
        let (known, number) = numbered(labels.iter().copied());
        let owner = labels.iter().map(|&label| number[usize::from(label)]).collect();
        Self { labels: known, owner, mixed: Vec::new(), parts: Vec::new() }
    }

    /// Adds the next voxel by its parts, in any order.
    fn push(&mut self, here: &mut [(u32, f64)]) {
        here.sort_unstable_by_key(|&(region, _)| region);
        match here.iter().find(|(_, share)| *share >= WHOLE) {
            Some(&(region, _)) => self.owner.push(region),
            None => {
                self.mixed.push(Mixed { voxel: self.owner.len(), first: self.parts.len() });
                self.owner.push(SHARED);
                self.parts.extend(here.iter().filter(|(_, share)| *share > SMALLEST_SHARE));
            }
        }
    }

    /// Without the labels of which no voxel has a part.
    fn without_absent(self) -> Self {
        let mut present = vec![false; self.labels.len()];
        self.owner.iter().filter(|&&region| region != SHARED).for_each(|&region| present[region as usize] = true);
        self.parts.iter().for_each(|&(region, _)| present[region as usize] = true);
        let kept: Vec<u32> = (0..self.labels.len() as u32).filter(|&region| present[region as usize]).collect();
        let mut number = vec![SHARED; self.labels.len() + 1];
        kept.iter().zip(0..).for_each(|(&region, new)| number[region as usize] = new);
        let renumbered = |region: u32| if region == SHARED { SHARED } else { number[region as usize] };
        Self {
            labels: kept.iter().map(|&region| self.labels[region as usize]).collect(),
            owner: self.owner.into_iter().map(renumbered).collect(),
            mixed: self.mixed,
            parts: self.parts.into_iter().map(|(region, share)| (renumbered(region), share)).collect(),
        }
    }

    /// The labels that have a part of some voxel, ascending: region number n is the label `labels()[n]`.
    pub fn labels(&self) -> &[u16] {
        &self.labels
    }

    /// Number of image voxels.
    pub fn len(&self) -> usize {
        self.owner.len()
    }

    /// Whether there is no voxel.
    pub fn is_empty(&self) -> bool {
        self.owner.is_empty()
    }

    /// The region that fills a voxel; `None` for a shared one.
    pub fn owner(&self, voxel: usize) -> Option<usize> {
        (self.owner[voxel] != SHARED).then(|| self.owner[voxel] as usize)
    }

    /// The shared voxels in order, each with its regions' numbers (ascending) and shares (above 0; 1 together where the outlines' grid covers the voxel).
    pub fn mixed(&self) -> impl Iterator<Item = (usize, &[(u32, f64)])> {
        let ends = self.mixed.iter().skip(1).map(|next| next.first).chain([self.parts.len()]);
        self.mixed.iter().zip(ends).map(|(at, end)| (at.voxel, &self.parts[at.first..end]))
    }

    /// The regions of a voxel with their shares, in the order of the regions.
    pub fn at(&self, voxel: usize) -> Parts<'_> {
        if let Some(region) = self.owner(voxel) {
            return Parts::Whole(region as u32);
        }
        let place = self.mixed.partition_point(|at| at.voxel < voxel);
        let end = self.mixed.get(place + 1).map_or(self.parts.len(), |next| next.first);
        Parts::Shared(&self.parts[self.mixed[place].first..end])
    }

    /// The share of one region (by number) in every voxel, 0 to 1.
    pub fn fractions(&self, region: usize) -> Vec<f64> {
        let mut out: Vec<f64> = self.owner.iter().map(|&owner| f64::from(owner as usize == region)).collect();
        for (voxel, parts) in self.mixed() {
            out[voxel] = parts.iter().filter(|(of, _)| *of as usize == region).map(|(_, share)| share).sum();
        }
        out
    }

    /// The volume of each region inside the image, in image voxels.
    pub fn volumes(&self) -> Vec<f64> {
        let mut volumes = self.whole_voxels().into_iter().map(|n| n as f64).collect::<Vec<f64>>();
        for (_, parts) in self.mixed() {
            parts.iter().for_each(|&(region, share)| volumes[region as usize] += share);
        }
        volumes
    }

    /// Plants wrong shares: in every shared voxel half of the first region's goes to the last.
    #[cfg(test)]
    pub(super) fn halve_first_shares(&mut self) {
        let firsts: Vec<(usize, usize)> =
            self.mixed.iter().map(|at| at.first).zip(self.mixed.iter().skip(1).map(|at| at.first)).collect();
        for (first, end) in firsts {
            let half = 0.5 * self.parts[first].1;
            self.parts[first].1 -= half;
            self.parts[end - 1].1 += half;
        }
    }

    /// How many voxels each region fills alone.
    pub fn whole_voxels(&self) -> Vec<usize> {
        let mut voxels = vec![0; self.labels.len()];
        self.owner.iter().filter(|&&owner| owner != SHARED).for_each(|&owner| voxels[owner as usize] += 1);
        voxels
    }
}

/// The regions of one voxel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Parts<'a> {
    /// One region, by number.
    Whole(u32),
    /// Several, by number and share.
    Shared(&'a [(u32, f64)]),
}

impl Parts<'_> {
    /// Calls `take` with every region (by number) and its share.
    pub fn each(self, mut take: impl FnMut(usize, f64)) {
        match self {
            Self::Whole(region) => take(region as usize, 1.0),
            Self::Shared(parts) => parts.iter().for_each(|&(region, share)| take(region as usize, share)),
        }
    }
}

/// The labels present, ascending, and for every label its place among them.
fn numbered(labels: impl Iterator<Item = u16>) -> (Vec<u16>, Vec<u32>) {
    let mut present = vec![false; 1 << 16];
    labels.for_each(|label| present[usize::from(label)] = true);
    let known: Vec<u16> = (0..=u16::MAX).filter(|&label| present[usize::from(label)]).collect();
    let mut number = vec![0u32; 1 << 16];
    known.iter().zip(0..).for_each(|(&label, place)| number[usize::from(label)] = place);
    (known, number)
}

/// Adds a share to a region.
fn add(shares: &mut Vec<(u32, f64)>, region: u32, share: f64) {
    match shares.iter_mut().find(|(known, _)| *known == region) {
        Some((_, sum)) => *sum += share,
        None => shares.push((region, share)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Labels on `fine` from a place in mm.
    fn drawn(fine: &VoxelGrid, label: impl Fn([f64; 3]) -> u16) -> Volume<u16> {
        let data = (0..fine.len()).map(|n| label(fine.world_mm(fine.voxel(n).map(|v| v as f64)))).collect();
        Volume { grid: fine.clone(), data }
    }

    #[test]
    fn law_shares_are_volumes() {
        // 6 x 6 x 6 voxels of 2 mm under 3 x 3 x 3 of 4.8 mm from the same corner: the image reaches farther
        let fine = VoxelGrid::axis_aligned([6; 3], [2.0; 3], [1.0; 3]);
        let image = VoxelGrid::axis_aligned([3; 3], [4.8; 3], [2.4; 3]);
        let labels = drawn(&fine, |[x, _, _]| if x < 6.0 { 7 } else { 3 });
        let shares = Shares::of(&labels, &image).unwrap();
        assert_eq!(shares.labels(), [0, 3, 7]);
        let at = |voxel| {
            let mut list = Vec::new();
            shares.at(voxel).each(|region, share| list.push((shares.labels()[region], share)));
            list
        };
        assert_eq!(at(0), [(7, 1.0)]);
        // 4.8 to 9.6 mm: label 7 to 6 mm
        let [(3, three), (7, seven)] = at(1)[..] else { panic!("{:?}", at(1)) };
        assert!((three - 0.75).abs() < 1e-12 && (seven - 0.25).abs() < 1e-12, "{three} {seven}");
        // 9.6 to 14.4 mm: covered to 12 mm
        let [(0, none), (3, three)] = at(2)[..] else { panic!("{:?}", at(2)) };
        assert!((none - 0.5).abs() < 1e-12 && (three - 0.5).abs() < 1e-12, "{none} {three}");
        let volumes = shares.volumes();
        let covered = 6.0 * 12.0 * 12.0 / 4.8f64.powi(3);
        assert!((volumes[1] - covered).abs() < 1e-9 && (volumes[2] - covered).abs() < 1e-9, "{volumes:?}");
        assert!((volumes.iter().sum::<f64>() - 27.0).abs() < 1e-9);
        for (region, volume) in volumes.iter().enumerate() {
            assert!((shares.fractions(region).iter().sum::<f64>() - volume).abs() < 1e-9);
        }
        assert!(shares.mixed().all(|(voxel, parts)| {
            shares.owner(voxel).is_none() && (parts.iter().map(|(_, share)| share).sum::<f64>() - 1.0).abs() < 1e-12
        }));
    }

    #[test]
    fn law_labels_on_the_image_are_not_shared() {
        let image = VoxelGrid::axis_aligned([4, 3, 2], [4.8; 3], [0.0; 3]);
        let labels = drawn(&image, |[x, _, _]| if x < 6.0 { 7 } else { 3 });
        let shares = Shares::of(&labels, &image).unwrap();
        assert_eq!((shares.labels(), shares.mixed().count(), shares.len()), (&[3, 7][..], 0, 24));
        assert_eq!(shares.whole_voxels(), [12, 12]);
        let half = VoxelGrid::axis_aligned([4, 3, 2], [4.8; 3], [-2.4, 0.0, 0.0]);
        let shares = Shares::inside(&labels, &half).unwrap();
        let mut first = 0.0;
        shares.at(0).each(|_, share| first += share);
        assert!((first - 0.5).abs() < 1e-12 && shares.labels() == [3, 7], "{first}");
        let away = VoxelGrid::axis_aligned([4; 3], [4.8; 3], [1e4; 3]);
        assert!(Shares::of(&labels, &away).is_err());
    }
}
