//! How far two transforms lie apart, and what each region moves.

use super::transform::Affine;
use crate::grid::Volume;
use std::collections::BTreeMap;

/// What one region moves.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct RegionMotion {
    /// Its label.
    pub label: u16,
    /// Middle of its voxels in the fixed frame, RAS mm.
    pub centre_mm: [f64; 3],
    /// From the fixed to the moving frame, at the middle, along x, y, z, mm.
    pub displacement_mm: [f64; 3],
    /// Length of that, mm.
    pub length_mm: f64,
    /// Longest displacement of any of its voxels, mm.
    pub longest_mm: f64,
    /// Distance between the transforms of two halves of the data at the middle, mm.
    pub halves_apart_mm: f64,
    /// Distance between a point and where the way there and back leads, at the middle, mm.
    pub inverse_apart_mm: f64,
    /// What remains uncertain of the displacement, see [`residual_mm`].
    pub residual_mm: f64,
    /// The region's own motion, by itself; `None` where its surroundings do not settle it.
    pub own: Option<OwnMotion>,
}

/// The motion of one region, found from its surroundings alone: organs do not move together.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct OwnMotion {
    /// From the fixed to the moving frame, RAS mm.
    #[serde(serialize_with = "as_4x4")]
    pub moving_from_fixed: Affine,
    /// Displacement of the middle, mm.
    pub displacement_mm: [f64; 3],
    /// Distance from where the motion of the rest takes the middle, mm.
    pub from_common_mm: f64,
    /// Distance between the transforms of two halves of the data at the middle, mm.
    pub halves_apart_mm: f64,
    /// What remains uncertain of the displacement, see [`residual_mm`].
    pub residual_mm: f64,
}

/// What remains uncertain of a displacement, mm: its standard uncertainty as the root mean square length of the error, all
/// three axes together (divide by the root of 3 for one axis).
///
/// Each half of the data has twice the variance of the whole, s^2, and the two are independent: the square of their distance
/// d has the mean 4 s^2. The result lies midway between the way there and the way back, whose errors add to their distance r: where
/// they are independent, r^2 has the mean 4 times the variance of their mean. So s^2 = d^2 / 4 + r^2 / 4, each term as if it
/// stood alone. One pair of halves is a sample of three degrees of freedom: the figure
/// itself is uncertain by some 40 %. It tells of noise and of sampling, not of a region that changed its shape.
pub fn residual_mm(halves_apart_mm: f64, inverse_apart_mm: f64) -> f64 {
    0.5 * halves_apart_mm.hypot(inverse_apart_mm)
}

fn as_4x4<S: serde::Serializer>(map: &Affine, serializer: S) -> Result<S::Ok, S::Error> {
    serde::Serialize::serialize(&map.to_4x4(), serializer)
}

/// Length of a vector.
pub fn length(v: [f64; 3]) -> f64 {
    v.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// Distance between the images of a point under two maps, mm.
pub fn apart_mm(one: &Affine, other: &Affine, point_mm: [f64; 3]) -> f64 {
    let (a, b) = (one.apply(point_mm), other.apply(point_mm));
    length(std::array::from_fn(|n| a[n] - b[n]))
}

/// Root mean square distance between two maps over points, mm.
pub fn rms_apart_mm(one: &Affine, other: &Affine, points_mm: impl Iterator<Item = [f64; 3]>) -> f64 {
    let (sum, count) = points_mm.fold((0.0, 0.0), |(s, n), p| (s + apart_mm(one, other, p).powi(2), n + 1.0));
    (sum / f64::max(count, 1.0)).sqrt()
}

/// The maps that a region's motion is told of.
pub(super) struct Maps<'a> {
    pub(super) found: &'a Affine,
    pub(super) halves: &'a [Affine; 2],
    /// There and back.
    pub(super) round: &'a Affine,
}

/// Sum of a region's voxel positions, mm, their number, and the longest displacement of any, mm, by label.
fn sums(labels: &Volume<u16>, found: &Affine) -> BTreeMap<u16, ([f64; 3], f64, f64)> {
    let grid = &labels.grid;
    let mut sums: BTreeMap<u16, ([f64; 3], f64, f64)> = BTreeMap::new();
    for (index, &label) in labels.data.iter().enumerate().filter(|(_, l)| **l > 0) {
        let at = grid.world_mm(grid.voxel(index).map(|n| n as f64));
        let (sum, count, longest) = sums.entry(label).or_default();
        (0..3).for_each(|axis| sum[axis] += at[axis]);
        *count += 1.0;
        *longest = f64::max(*longest, length(found.displacement_mm(at)));
    }
    sums
}

/// Middle of the voxels of each label, mm.
pub fn middles(labels: &Volume<u16>) -> BTreeMap<u16, [f64; 3]> {
    let sums = sums(labels, &Affine::IDENTITY);
    sums.into_iter().map(|(label, (sum, count, _))| (label, sum.map(|s| s / count))).collect()
}

/// The motion of every region, by label.
pub(super) fn motions(labels: &Volume<u16>, maps: &Maps<'_>) -> Vec<RegionMotion> {
    let sums = sums(labels, maps.found);
    let told = |(label, (sum, count, longest_mm)): (u16, ([f64; 3], f64, f64))| {
        let centre_mm = sum.map(|s| s / count);
        let displacement_mm = maps.found.displacement_mm(centre_mm);
        let halves_apart_mm = apart_mm(&maps.halves[0], &maps.halves[1], centre_mm);
        let inverse_apart_mm = apart_mm(maps.round, &Affine::IDENTITY, centre_mm);
        RegionMotion {
            label,
            centre_mm,
            displacement_mm,
            length_mm: length(displacement_mm),
            longest_mm,
            halves_apart_mm,
            inverse_apart_mm,
            residual_mm: residual_mm(halves_apart_mm, inverse_apart_mm),
            own: None,
        }
    };
    sums.into_iter().map(told).collect()
}
