//! An activity image near a region as a sum of layers: what the region gives, and what each of its neighbours gives.
//!
//! A camera spreads each region over its neighbours, and neighbours do not move with the region: a kidney beside a liver is
//! drawn to where the liver lies. With b_j the part of a voxel that region j covers, blurred by the image's width, and c_j its
//! mean concentration (non-negative least squares over all regions near by), region j gives of the voxel's value a
//!
//!   a_j = a c_j b_j / Sum_i c_i b_i
//!
//! which sum to a. Tissue without an outline is a region too. The width is the one of some with which the regions agree best
//! with the image: a scanner, a reconstruction and breathing have their own.

use super::factors::factors;
use super::field::Field;
use super::pyramid;
use crate::cores;
use crate::grid::{Volume, VoxelGrid};
use std::collections::BTreeMap;

/// How far beyond what is looked at neighbours are asked for, mm: a region moves by up to 20 mm beside them, and a camera
/// spreads over as much.
const REACH_MM: f64 = 40.0;
/// Widths that are tried, mm (FWHM of a Gaussian): from the sharpest reconstruction to breathing.
const WIDTHS_MM: [f64; 7] = [6.0, 8.0, 10.0, 12.0, 14.0, 17.0, 20.0];
const SIGMA_OF_FWHM: f64 = 1.0 / 2.354_820_045_030_949_4;
/// Looks a voxel along each axis for what covers it.
const LOOKS: usize = 3;

/// The label at a place of the image, mm.
pub(super) type Outlines<'a> = &'a (dyn Fn([f64; 3]) -> u16 + Sync);

/// The layers of an image.
pub(super) struct Layers {
    /// What the region gives.
    pub(super) own: Field,
    /// Its share of the image, 0 to 1.
    pub(super) share: Field,
    /// How much of each place it takes up, 0 to 1, blurred: what gives way to it.
    pub(super) occupied: Field,
    /// What each of its neighbours gives; the tissue that it lies in fills its place.
    pub(super) others: Vec<Field>,
    /// The label of that tissue.
    pub(super) bed: u16,
}

impl Layers {
    /// The layers around a region; `None` where it gives nothing, or nothing lies beside it.
    pub(super) fn of(image: &Field, outlines: Outlines<'_>, own: u16, extent_mm: [[f64; 3]; 2]) -> Option<Self> {
        let near = cut_out(image, extent_mm, REACH_MM)?;
        let covered = covered(&near.grid, outlines);
        let labels: Vec<u16> = covered.keys().copied().collect();
        let me = labels.iter().position(|label| *label == own)?;
        let values: Vec<f64> = near.data.iter().map(|&v| f64::from(v)).collect();
        let weights = weights(&values);
        let mut best: Option<(Vec<Vec<f64>>, Vec<f64>, f64)> = None;
        for width_mm in WIDTHS_MM {
            let blurred: Vec<Vec<f64>> = covered
                .values()
                .map(|part| blurred(&near.grid, part, width_mm * SIGMA_OF_FWHM))
                .collect::<Option<_>>()?;
            let (found, misfit) = factors(&blurred, &values, &weights);
            if best.as_ref().is_none_or(|(_, _, least)| misfit < *least) {
                best = Some((blurred, found, misfit));
            }
        }
        let (blurred, concentration, _) = best?;
        let touch = |n: usize| blurred[n].iter().zip(&blurred[me]).map(|(a, b)| a * b).sum::<f64>();
        // of equals the first
        let bed =
            (0..labels.len()).filter(|&n| n != me).max_by(|&a, &b| touch(a).total_cmp(&touch(b)).then(b.cmp(&a)))?;
        if concentration[me] <= 0.0 {
            return None;
        }
        let given = |n: usize, v: usize| concentration[n] * blurred[n][v];
        let share = |n: usize, v: usize| {
            let all: f64 = (0..labels.len()).map(|n| given(n, v)).sum();
            if all > 0.0 { given(n, v) / all } else { 0.0 }
        };
        let field = |value: &dyn Fn(usize) -> f64| {
            let data = (0..values.len()).map(|v| value(v) as f32).collect();
            Field::new(Volume { grid: near.grid.clone(), data })
        };
        let other = |n: usize| {
            let fills = if n == bed { concentration[n] } else { 0.0 };
            field(&|v| values[v] * share(n, v) + fills * blurred[me][v])
        };
        Some(Self {
            own: field(&|v| values[v] * share(me, v)),
            share: field(&|v| share(me, v)),
            occupied: field(&|v| blurred[me][v]),
            others: (0..labels.len()).filter(|&n| n != me && concentration[n] > 0.0).map(other).collect(),
            bed: labels[bed],
        })
    }
}

/// Weights of least squares over an image: what reconstruction makes of counts is uncertain in proportion to the value
/// (maximum likelihood by expectation: Barrett, Wilson, Tsui, Phys. Med. Biol. 39 (1994) 833), and nowhere exact.
pub(super) fn weights(values: &[f64]) -> Vec<f64> {
    let mean = values.iter().map(|v| v.max(0.0)).sum::<f64>() / values.len() as f64;
    values.iter().map(|v| 1.0 / (v.max(0.0) + mean).powi(2)).collect()
}

/// The voxels of a field within a box and some distance around it; `None` where there are fewer than two along an axis.
pub(super) fn cut_out(field: &Field, [low, high]: [[f64; 3]; 2], around_mm: f64) -> Option<Field> {
    let mut ends = [[f64::INFINITY; 3], [f64::NEG_INFINITY; 3]];
    for corner in 0..8 {
        let at =
            std::array::from_fn(
                |axis| {
                    if corner >> axis & 1 == 1 { high[axis] + around_mm } else { low[axis] - around_mm }
                },
            );
        let place = field.place(at);
        for axis in 0..3 {
            ends[0][axis] = ends[0][axis].min(place[axis].floor());
            ends[1][axis] = ends[1][axis].max(place[axis].ceil());
        }
    }
    let (mut first, mut dims) = ([0; 3], [0; 3]);
    for axis in 0..3 {
        // the image ends where it ends
        let last = ends[1][axis].min(field.grid.dims[axis] as f64 - 1.0);
        let from = ends[0][axis].max(0.0);
        if last < from + 1.0 {
            return None;
        }
        (first[axis], dims[axis]) = (from as usize, (last - from) as usize + 1);
    }
    let origin = field.grid.world_mm(first.map(|n| n as f64));
    let mut affine = field.grid.affine;
    (0..3).for_each(|axis| affine[axis][3] = origin[axis]);
    let grid = VoxelGrid::from_affine(dims, affine).ok()?;
    let value = |n: usize| {
        let [i, j, k] = grid.voxel(n);
        field.data[field.grid.index(first[0] + i, first[1] + j, first[2] + k)]
    };
    let data = (0..grid.len()).map(value).collect();
    Some(Field::new(Volume { grid, data }))
}

/// The part of each voxel that each label covers.
fn covered(grid: &VoxelGrid, outlines: Outlines<'_>) -> BTreeMap<u16, Vec<f32>> {
    let step = |n: usize| (n as f64 + 0.5) / LOOKS as f64 - 0.5;
    let all = LOOKS.pow(3);
    let planes = cores::of_each(0..grid.dims[2], |k| {
        let count = grid.dims[0] * grid.dims[1];
        let mut seen: Vec<(usize, u16)> = Vec::with_capacity(count * all);
        for index in count * k..count * (k + 1) {
            let at = grid.voxel(index).map(|n| n as f64);
            for n in 0..all {
                let by = [step(n % LOOKS), step(n / LOOKS % LOOKS), step(n / LOOKS / LOOKS)];
                let place = std::array::from_fn(|axis| at[axis] + by[axis]);
                seen.push((index, outlines(grid.world_mm(place))));
            }
        }
        seen
    });
    let mut parts: BTreeMap<u16, Vec<f32>> = BTreeMap::new();
    for (index, label) in planes.into_iter().flatten() {
        parts.entry(label).or_insert_with(|| vec![0.0; grid.len()])[index] += 1.0 / all as f32;
    }
    parts
}

/// Values smoothed by a Gaussian on their own grid.
fn blurred(grid: &VoxelGrid, values: &[f32], sigma_mm: f64) -> Option<Vec<f64>> {
    let volume = Volume { grid: grid.clone(), data: values.to_vec() };
    let smooth = pyramid::level(&volume, 0.0, sigma_mm, |v| v).ok()?;
    Some(smooth.data.iter().map(|&v| f64::from(v)).collect())
}
