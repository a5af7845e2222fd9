//! From one grid to another: decays are kept, labels keep their majority, CT numbers their mean.
//!
//! Everything rests on the volume that a voxel of one grid shares with the voxels of another, which is
//! exact for parallel and for oblique grids: see `source/overlap.rs`.

use thiserror::Error;

use super::overlap::{Map, SMALLEST_SHARE, each_overlap};
use super::{DecayMap, sum};
use crate::fault::{Explained, Fault, FaultKind, explained};
use crate::grid::{Volume, VoxelGrid};

/// Largest relative difference between the decays of the source and those kept and lost.
const CONSERVED_REL: f64 = 1e-6;

/// What can go wrong between two grids.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum RegridError {
    /// No decay falls inside the target grid.
    WhollyOutside {
        /// Decays of the source.
        decays: f64,
        /// The source's grid in words.
        source_grid: String,
        /// The target's grid in words.
        target_grid: String,
    },
    /// The grids do not overlap where they must.
    NoOverlap {
        /// What lies outside.
        what: &'static str,
        /// The source's grid in words.
        source_grid: String,
        /// The target's grid in words.
        target_grid: String,
    },
    /// Decays went missing: a fault of the program, not of the input.
    NotConserved {
        /// Decays of the source.
        source_decays: f64,
        /// Decays on the target grid.
        kept: f64,
        /// Decays outside.
        lost: f64,
    },
}

explained!(RegridError);

impl Explained for RegridError {
    fn fault(&self) -> Fault {
        match self {
            Self::WhollyOutside { decays, source_grid, target_grid } => Fault::invalid(
                "activity",
                "position",
                format!(
                    "all {decays:.6e} decays outside the CT (activity grid: {source_grid}; CT grid: {target_grid})"
                ),
                "activity inside the CT",
                "Check that both images belong to the same patient and frame, and register them first.",
            )
            .kind(FaultKind::Mismatch),
            Self::NoOverlap { what, source_grid, target_grid } => Fault::invalid(
                *what,
                "position",
                format!("no voxel inside the target grid (its grid: {source_grid}; target grid: {target_grid})"),
                "images that overlap",
                "Check that both images belong to the same patient and frame.",
            )
            .kind(FaultKind::Mismatch),
            Self::NotConserved { source_decays, kept, lost } => Fault::invalid(
                "activity",
                "sum of decays",
                format!("{kept:.9e} inside and {lost:.9e} outside the target grid"),
                format!("{source_decays:.9e} together within 1e-6"),
                "Please report this with the two grids.",
            )
            .kind(FaultKind::Program),
        }
    }
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
/// Decays are taken as uniform within a source voxel. Errors: no decay inside the target grid.
pub fn redistribute(decays: &DecayMap, target: &VoxelGrid) -> Result<Regridded, RegridError> {
    let source = decays.total_decays();
    let from = decays.grid();
    if from.same_as(target) {
        let data = decays.decays().data.clone();
        let volume = DecayMap::from_checked(Volume { grid: target.clone(), data });
        return Ok(Regridded { volume, source, kept: source, lost: 0.0 });
    }
    let values = &decays.decays().data;
    let mut out = Volume::filled(target.clone(), 0.0);
    let mut outside = Vec::new();
    each_overlap(
        from,
        target,
        |index| values[index] > 0.0,
        |index, overlaps| {
            let mut inside = 0.0;
            for &(voxel, share) in overlaps {
                out.data[voxel] += values[index] * share;
                inside += share;
            }
            outside.extend(beyond(values[index], inside));
        },
    );
    settle(decays, out, outside)
}

/// What of a voxel's decays lies outside the target, for the share of the voxel inside it; none where that is rounding.
pub(super) fn beyond(decays: f64, inside: f64) -> Option<f64> {
    (1.0 - inside > SMALLEST_SHARE).then_some(decays * (1.0 - inside))
}

/// What became of the decays; `outside` lists those outside the target.
///
/// Errors: no decay inside the target grid.
pub(super) fn settle(decays: &DecayMap, out: Volume<f64>, outside: Vec<f64>) -> Result<Regridded, RegridError> {
    let source = decays.total_decays();
    let lost = sum(outside);
    let kept = sum(out.data.iter().copied());
    if kept <= 0.0 {
        return Err(RegridError::WhollyOutside {
            decays: source,
            source_grid: decays.grid().describe(),
            target_grid: out.grid.describe(),
        });
    }
    let difference = (kept + lost - source).abs();
    if difference.is_nan() || difference > CONSERVED_REL * source {
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
        each_overlap(
            target,
            from,
            |_| true,
            |index, overlaps| {
                shares.clear();
                let mut covered = 0.0;
                for &(source, weight) in overlaps {
                    covered += weight;
                    add(&mut shares, labels.data[source], weight);
                }
                reached |= covered > 0.0;
                add(&mut shares, 0, (1.0 - covered).max(0.0));
                let centre = to_source.apply(target.voxel(index).map(|v| v as f64));
                data.push(majority(&shares, nearest(labels, centre)));
            },
        );
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
pub fn average_to(values: &Volume<f32>, target: &VoxelGrid, fill: f32) -> Result<Averaged, RegridError> {
    let from = &values.grid;
    if from.same_as(target) {
        let volume = Volume { grid: target.clone(), data: values.data.clone() };
        return Ok(Averaged { volume, uncovered: 0 });
    }
    let mut data = Vec::with_capacity(target.len());
    let mut uncovered = 0;
    each_overlap(
        target,
        from,
        |_| true,
        |_, overlaps| {
            let weight: f64 = overlaps.iter().map(|(_, w)| w).sum();
            // Below this the overlap is a rounding of touching faces.
            if weight < 1e-9 {
                uncovered += 1;
                data.push(fill);
            } else {
                let total: f64 = overlaps.iter().map(|&(n, w)| w * f64::from(values.data[n])).sum();
                data.push((total / weight) as f32);
            }
        },
    );
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
