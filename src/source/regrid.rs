//! From one grid to another: decays are kept, labels keep their majority, CT numbers their mean.
//!
//! Where the axes of the two grids are parallel (in any order and direction) the overlap of voxels is
//! a product of three 1-D overlaps and exact. Where they are oblique, each source voxel is cut into
//! equal cells and each cell is laid down as a box of the same volume along the target's axes around
//! the cell's true centre; cells are at most [`CELL_PER_TARGET`] of a target voxel long. No decay is
//! lost by that; what it blurs is the border between neighbouring target voxels. Of a uniform
//! activity turned by any angle an inner target voxel receives its share within 1 %.

use thiserror::Error;

use super::{DecayMap, sum};
use crate::grid::{GridError, Volume, VoxelGrid};

/// How far, in target voxels, the axes of two grids may drift apart over the whole source grid and
/// still count as parallel.
const PARALLEL_DRIFT_VOXELS: f64 = 1e-3;
/// Longest edge of a cell of an oblique source voxel, in edges of the target voxel.
pub const CELL_PER_TARGET: f64 = 0.25;
/// Most cells along an edge of a source voxel.
const MAX_CELLS: usize = 64;
/// Largest relative difference between the decays of the source and those kept and lost.
const CONSERVED_REL: f64 = 1e-6;

/// What can go wrong between two grids.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum RegridError {
    /// No decay falls inside the target grid.
    #[error(
        "activity: position: found all {decays:.6e} decays outside the CT (activity grid: {source_grid}; \
         CT grid: {target_grid}); allowed: activity inside the CT. \
         Check that both images belong to the same patient and frame, and register them first."
    )]
    WhollyOutside {
        /// Decays of the source.
        decays: f64,
        /// The source's grid in words.
        source_grid: String,
        /// The target's grid in words.
        target_grid: String,
    },
    /// The grids do not overlap where they must.
    #[error(
        "{what}: position: found no voxel inside the target grid (its grid: {source_grid}; \
         target grid: {target_grid}); allowed: images that overlap. \
         Check that both images belong to the same patient and frame."
    )]
    NoOverlap {
        /// What lies outside.
        what: &'static str,
        /// The source's grid in words.
        source_grid: String,
        /// The target's grid in words.
        target_grid: String,
    },
    /// Decays went missing: a fault of the program, not of the input.
    #[error(
        "activity: sum of decays: found {kept:.9e} inside and {lost:.9e} outside the target grid; \
         allowed: {source_decays:.9e} together within 1e-6. Please report this with the two grids."
    )]
    NotConserved {
        /// Decays of the source.
        source_decays: f64,
        /// Decays on the target grid.
        kept: f64,
        /// Decays outside.
        lost: f64,
    },
    /// The target grid cannot be used.
    #[error(transparent)]
    Grid(#[from] GridError),
}

/// Decays on another grid, and what became of their sum.
#[derive(Clone, Debug, PartialEq)]
pub struct Regridded {
    /// Decays in every voxel of the target grid.
    pub volume: DecayMap,
    /// Decays of the source.
    pub source: f64,
    /// Decays on the target grid: the sum over `volume`.
    pub kept: f64,
    /// Decays outside the target grid.
    pub lost: f64,
}

impl Regridded {
    /// Share of the source's decays that lies outside the target grid, 0 to 1.
    pub fn lost_share(&self) -> f64 {
        self.lost / self.source
    }
}

/// Values averaged onto another grid.
#[derive(Clone, Debug, PartialEq)]
pub struct Averaged {
    /// The mean of the source over every voxel of the target grid.
    pub volume: Volume<f32>,
    /// Target voxels without any overlap, which got the fill value.
    pub uncovered: usize,
}

/// Volume of one label before and after it went to another grid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LabelVolume {
    /// The label's value.
    pub label: u16,
    /// Volume on the source grid, cm3.
    pub before_cm3: f64,
    /// Volume on the target grid, cm3.
    pub after_cm3: f64,
}

impl LabelVolume {
    /// Relative change of the volume.
    pub fn change_rel(&self) -> f64 {
        self.after_cm3 / self.before_cm3 - 1.0
    }
}

/// Labels on another grid, with the volume of each before and after.
#[derive(Clone, Debug, PartialEq)]
pub struct RegriddedLabels {
    /// The labels; 0 where the source does not reach.
    pub volume: Volume<u16>,
    /// Every label but 0 that the source holds, in the order of the values.
    pub changes: Vec<LabelVolume>,
}

/// Lays decays onto another grid by the overlap of voxels. Their sum is kept: `source` = `kept` +
/// `lost` within 1e-6, which is checked.
///
/// Decays are taken as uniform within a source voxel. Grids with parallel axes: exact. Oblique: see
/// the head of this module. Errors: no decay inside the target grid.
pub fn redistribute(decays: &DecayMap, target: &VoxelGrid) -> Result<Regridded, RegridError> {
    let source = decays.total_decays();
    let from = decays.grid();
    if from.same_as(target) {
        let data = decays.decays().data.clone();
        let volume = DecayMap::from_checked(Volume { grid: target.clone(), data });
        return Ok(Regridded { volume, source, kept: source, lost: 0.0 });
    }
    let mut out = Volume::filled(target.clone(), 0.0);
    let lost = match parallel(from, target) {
        Some(axes) => scatter_parallel(decays.decays(), &axes, &mut out),
        None => scatter_oblique(decays.decays(), &mut out),
    };
    let kept = sum(out.data.iter().copied());
    if kept <= 0.0 {
        return Err(RegridError::WhollyOutside {
            decays: source,
            source_grid: from.describe(),
            target_grid: target.describe(),
        });
    }
    // NaN must not pass for agreement.
    if !((kept + lost - source).abs() <= CONSERVED_REL * source) {
        return Err(RegridError::NotConserved { source_decays: source, kept, lost });
    }
    Ok(Regridded { volume: DecayMap::from_checked(out), source, kept, lost })
}

/// Lays labels onto another grid: each target voxel takes the label that fills most of it (outside
/// the source counts as 0). Of equal shares the one at the voxel's centre wins, else the lowest.
///
/// Errors: the grids do not overlap.
pub fn labels_to(labels: &Volume<u16>, target: &VoxelGrid) -> Result<RegriddedLabels, RegridError> {
    let from = &labels.grid;
    let volume = if from.same_as(target) {
        Volume { grid: target.clone(), data: labels.data.clone() }
    } else {
        let to_source = Map::between(target, from);
        let mut shares: Vec<(u16, f64)> = Vec::new();
        let mut reached = false;
        let mut data = Vec::with_capacity(target.len());
        gather(from, target, |voxel, overlaps| {
            shares.clear();
            let mut covered = 0.0;
            for &(index, weight) in overlaps {
                covered += weight;
                add(&mut shares, labels.data[index], weight);
            }
            reached |= covered > 0.0;
            add(&mut shares, 0, (1.0 - covered).max(0.0));
            let centre = to_source.apply(voxel.map(|v| v as f64));
            data.push(majority(&shares, nearest(labels, centre)));
        });
        if !reached {
            return Err(no_overlap("labels", from, target));
        }
        Volume { grid: target.clone(), data }
    };
    let changes = volume_changes(labels, &volume);
    Ok(RegriddedLabels { volume, changes })
}

/// Averages values (CT numbers) over the voxels of another grid, weighted by overlap. A target voxel
/// that the source covers in part gets the mean of that part; one that it does not reach gets `fill`.
///
/// Errors: the grids do not overlap.
pub fn average_to(
    values: &Volume<f32>,
    target: &VoxelGrid,
    fill: f32,
) -> Result<Averaged, RegridError> {
    let from = &values.grid;
    if from.same_as(target) {
        let volume = Volume { grid: target.clone(), data: values.data.clone() };
        return Ok(Averaged { volume, uncovered: 0 });
    }
    let mut data = Vec::with_capacity(target.len());
    let mut uncovered = 0;
    gather(from, target, |_, overlaps| {
        let weight: f64 = overlaps.iter().map(|(_, w)| w).sum();
        // Below this the overlap is a rounding of touching faces.
        if weight < 1e-9 {
            uncovered += 1;
            data.push(fill);
        } else {
            let total: f64 = overlaps.iter().map(|&(n, w)| w * f64::from(values.data[n])).sum();
            data.push((total / weight) as f32);
        }
    });
    if uncovered == target.len() {
        return Err(no_overlap("image", from, target));
    }
    Ok(Averaged { volume: Volume { grid: target.clone(), data }, uncovered })
}

fn no_overlap(what: &'static str, from: &VoxelGrid, target: &VoxelGrid) -> RegridError {
    let (source_grid, target_grid) = (from.describe(), target.describe());
    RegridError::NoOverlap { what, source_grid, target_grid }
}

/// Adds a weight to a label's share.
fn add(shares: &mut Vec<(u16, f64)>, label: u16, weight: f64) {
    match shares.iter_mut().find(|(known, _)| *known == label) {
        Some((_, share)) => *share += weight,
        None => shares.push((label, weight)),
    }
}

/// The label with the largest share; of equal ones that at the centre, else the lowest.
fn majority(shares: &[(u16, f64)], centre: u16) -> u16 {
    let most = shares.iter().map(|(_, share)| *share).fold(0.0, f64::max);
    let tied = |label: &u16| shares.iter().any(|(l, share)| l == label && *share > most - 1e-9);
    let lowest = shares.iter().map(|(label, _)| *label).filter(tied).min().unwrap_or(0);
    if tied(&centre) { centre } else { lowest }
}

/// The label of the voxel that holds a point in voxel coordinates; 0 outside.
fn nearest(labels: &Volume<u16>, voxel: [f64; 3]) -> u16 {
    let voxel = voxel.map(f64::round);
    let inside = (0..3).all(|a| voxel[a] >= 0.0 && voxel[a] < labels.grid.dims[a] as f64);
    if inside { labels.at(voxel[0] as usize, voxel[1] as usize, voxel[2] as usize) } else { 0 }
}

/// Volumes of all labels but 0 in the source, before and after.
fn volume_changes(before: &Volume<u16>, after: &Volume<u16>) -> Vec<LabelVolume> {
    let count = |volume: &Volume<u16>| {
        let mut voxels = vec![0u64; 1 << 16];
        volume.data.iter().for_each(|&label| voxels[usize::from(label)] += 1);
        voxels
    };
    let (old, new) = (count(before), count(after));
    (1..=u16::MAX)
        .filter(|&label| old[usize::from(label)] > 0)
        .map(|label| LabelVolume {
            label,
            before_cm3: old[usize::from(label)] as f64 * before.grid.voxel_cm3(),
            after_cm3: new[usize::from(label)] as f64 * after.grid.voxel_cm3(),
        })
        .collect()
}

/// Voxel coordinates of one grid to those of another.
struct Map {
    matrix: [[f64; 3]; 3],
    offset: [f64; 3],
}

impl Map {
    fn between(from: &VoxelGrid, to: &VoxelGrid) -> Self {
        let offset = to.voxel_at_mm(from.world_mm([0.0; 3]));
        let ends: [[f64; 3]; 3] = std::array::from_fn(|axis| {
            let mut unit = [0.0; 3];
            unit[axis] = 1.0;
            to.voxel_at_mm(from.world_mm(unit))
        });
        let matrix =
            std::array::from_fn(|row| std::array::from_fn(|axis| ends[axis][row] - offset[row]));
        Self { matrix, offset }
    }

    fn apply(&self, voxel: [f64; 3]) -> [f64; 3] {
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
        let along = (0..3)
            .fold(0, |best, row| if matrix[row][axis].abs() > matrix[best][axis].abs() { row } else { best });
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
    if !(first <= last) {
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

/// Adds decays to the target by the product of 1-D overlaps; returns those outside.
fn scatter_parallel(decays: &Volume<f64>, axes: &[Axis; 3], out: &mut Volume<f64>) -> f64 {
    let [nx, ny, nz] = decays.grid.dims;
    let pitch = [1, out.grid.dims[0], out.grid.dims[0] * out.grid.dims[1]];
    let [px, py, pz] = [0, 1, 2].map(|axis| pitch[axes[axis].target]);
    let inside = [0, 1, 2].map(|axis| {
        let shares = axes[axis].overlaps.iter();
        shares.map(|o| o.iter().map(|(_, w)| w).sum::<f64>()).collect::<Vec<_>>()
    });
    let mut lost = Vec::new();
    for k in 0..nz {
        for j in 0..ny {
            for i in 0..nx {
                let value = decays.at(i, j, k);
                if value == 0.0 {
                    continue;
                }
                let share = inside[0][i] * inside[1][j] * inside[2][k];
                if share < 1.0 {
                    lost.push(value * (1.0 - share));
                }
                for &(c, wz) in &axes[2].overlaps[k] {
                    for &(b, wy) in &axes[1].overlaps[j] {
                        let row = c * pz + b * py;
                        for &(a, wx) in &axes[0].overlaps[i] {
                            out.data[row + a * px] += value * (wx * wy * wz);
                        }
                    }
                }
            }
        }
    }
    sum(lost)
}

/// Edges, in target voxels along the target's axes, of the box of an oblique cell's volume whose
/// sides are in the proportion of the target's voxel; and the cells along each source axis.
fn cells(from: &VoxelGrid, to: &VoxelGrid) -> [usize; 3] {
    let edge_mm = to.spacing_mm.iter().copied().fold(f64::INFINITY, f64::min) * CELL_PER_TARGET;
    from.spacing_mm.map(|s| ((s / edge_mm).ceil() as usize).clamp(2, MAX_CELLS))
}

/// Centres of `n` equal cells of a voxel along one axis, in voxels from its centre.
fn cell_centre(cell: usize, n: usize) -> f64 {
    (cell as f64 + 0.5) / n as f64 - 0.5
}

/// Adds decays to the target cell by cell; returns those outside.
fn scatter_oblique(decays: &Volume<f64>, out: &mut Volume<f64>) -> f64 {
    let (from, to) = (&decays.grid, out.grid.clone());
    let n = cells(from, &to);
    let map = Map::between(from, &to);
    let origin = map.offset;
    let mut centres = Vec::with_capacity(n.iter().product());
    for c in 0..n[2] {
        for b in 0..n[1] {
            for a in 0..n[0] {
                let cell = [cell_centre(a, n[0]), cell_centre(b, n[1]), cell_centre(c, n[2])];
                let moved = map.apply(cell);
                centres.push([0, 1, 2].map(|axis| moved[axis] - origin[axis]));
            }
        }
    }
    let part = 1.0 / centres.len() as f64;
    let volume = from.voxel_cm3() / to.voxel_cm3() * part;
    let edge = [volume.cbrt().min(1.0); 3];
    let mut lost = Vec::new();
    for (index, &value) in decays.data.iter().enumerate() {
        if value == 0.0 {
            continue;
        }
        let middle = map.apply(from.voxel(index).map(|v| v as f64));
        let mut inside = 0.0;
        for centre in &centres {
            let at = [0, 1, 2].map(|axis| middle[axis] + centre[axis]);
            inside += lay_box(&mut out.data, &to, at, edge, value * part);
        }
        let outside = value * (1.0 - inside * part);
        if outside > value * 1e-12 {
            lost.push(outside);
        }
    }
    sum(lost)
}

/// Adds `value` to the at most eight voxels that a box of edges at most 1 overlaps; returns the share
/// inside the grid.
fn lay_box(data: &mut [f64], to: &VoxelGrid, at: [f64; 3], edge: [f64; 3], value: f64) -> f64 {
    let mut first = [0i64; 3];
    let mut shares = [[0.0; 2]; 3];
    for axis in 0..3 {
        let low = at[axis] - 0.5 * edge[axis];
        let voxel = (low + 0.5).floor();
        let upper = ((at[axis] + 0.5 * edge[axis] - (voxel + 0.5)) / edge[axis]).clamp(0.0, 1.0);
        first[axis] = voxel as i64;
        shares[axis] = [1.0 - upper, upper];
    }
    let mut inside = 0.0;
    for corner in 0..8usize {
        let bits = [corner & 1, corner >> 1 & 1, corner >> 2];
        let share = shares[0][bits[0]] * shares[1][bits[1]] * shares[2][bits[2]];
        let voxel = [0, 1, 2].map(|axis| first[axis] + bits[axis] as i64);
        if share > 0.0 && (0..3).all(|a| voxel[a] >= 0 && voxel[a] < to.dims[a] as i64) {
            data[to.index(voxel[0] as usize, voxel[1] as usize, voxel[2] as usize)] += value * share;
            inside += share;
        }
    }
    inside
}

/// Calls `take` for every target voxel, in order, with the source voxels that it overlaps and the
/// share of the target voxel in each (they add to 1 where the source covers it).
fn gather(
    from: &VoxelGrid,
    target: &VoxelGrid,
    mut take: impl FnMut([usize; 3], &[(usize, f64)]),
) {
    let [nx, ny, nz] = target.dims;
    let mut overlaps: Vec<(usize, f64)> = Vec::new();
    if let Some(axes) = parallel(target, from) {
        let pitch = [1, from.dims[0], from.dims[0] * from.dims[1]];
        let [px, py, pz] = [0, 1, 2].map(|axis| pitch[axes[axis].target]);
        for k in 0..nz {
            for j in 0..ny {
                for i in 0..nx {
                    overlaps.clear();
                    for &(c, wz) in &axes[2].overlaps[k] {
                        for &(b, wy) in &axes[1].overlaps[j] {
                            for &(a, wx) in &axes[0].overlaps[i] {
                                overlaps.push((a * px + b * py + c * pz, wx * wy * wz));
                            }
                        }
                    }
                    take([i, j, k], &overlaps);
                }
            }
        }
        return;
    }
    // Oblique: cells of the target voxel, each counted for the source voxel that holds its centre.
    let map = Map::between(target, from);
    let edge_mm = from.spacing_mm.iter().copied().fold(f64::INFINITY, f64::min) * 0.5;
    let n = target.spacing_mm.map(|s| ((s / edge_mm).ceil() as usize).clamp(3, 8));
    let part = 1.0 / n.iter().product::<usize>() as f64;
    for k in 0..nz {
        for j in 0..ny {
            for i in 0..nx {
                overlaps.clear();
                for c in 0..n[2] {
                    for b in 0..n[1] {
                        for a in 0..n[0] {
                            let point = map.apply([
                                i as f64 + cell_centre(a, n[0]),
                                j as f64 + cell_centre(b, n[1]),
                                k as f64 + cell_centre(c, n[2]),
                            ]);
                            let voxel = point.map(f64::round);
                            if (0..3).all(|d| voxel[d] >= 0.0 && voxel[d] < from.dims[d] as f64) {
                                let [x, y, z] = voxel.map(|v| v as usize);
                                overlaps.push((from.index(x, y, z), part));
                            }
                        }
                    }
                }
                take([i, j, k], &overlaps);
            }
        }
    }
}
