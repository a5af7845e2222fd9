//! Values of a map brought onto another grid by the overlap of voxels, their sum kept.
//!
//! A rigidly moved image is the same values on a turned and shifted grid; what each of its voxels holds is dealt out to the
//! voxels of the target that it overlaps. Nothing is interpolated, so the sum inside the field of view is kept, and what
//! falls outside is counted. Unlike decays, activity of a filtered back-projection may be negative.

use super::overlap::{SMALLEST_SHARE, each_overlap};
use super::sum;
use crate::grid::{Volume, VoxelGrid};

/// Values on another grid.
#[derive(Clone, Debug, PartialEq)]
pub struct Moved {
    /// The values on the target grid.
    pub volume: Volume<f64>,
    /// Sum of the source.
    pub source: f64,
    /// Sum on the target grid.
    pub kept: f64,
    /// Sum outside it.
    pub lost: f64,
}

/// Deals values out onto another grid. `source` = `kept` + `lost` to rounding.
pub fn deal_out(values: &Volume<f64>, target: &VoxelGrid) -> Moved {
    let mut volume = Volume::filled(target.clone(), 0.0);
    let mut outside = Vec::new();
    each_overlap(
        &values.grid,
        target,
        |index| values.data[index] != 0.0,
        |index, overlaps| {
            let value = values.data[index];
            let mut inside = 0.0;
            for &(voxel, share) in overlaps {
                volume.data[voxel] += value * share;
                inside += share;
            }
            if 1.0 - inside > SMALLEST_SHARE {
                outside.push(value * (1.0 - inside));
            }
        },
    );
    let source = sum(values.data.iter().copied());
    let (kept, lost) = (sum(volume.data.iter().copied()), sum(outside));
    Moved { volume, source, kept, lost }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A turned and shifted block keeps its sum where the target holds it, and says what it loses where not.
    #[test]
    fn law_the_sum_is_kept() {
        let target = VoxelGrid::axis_aligned([40, 40, 40], [4.8; 3], [-93.6; 3]);
        let (s, c) = 0.13f64.sin_cos();
        let turned = |shift: f64| {
            let affine =
                [[4.8 * c, -4.8 * s, 0.0, -40.0 + shift], [4.8 * s, 4.8 * c, 0.0, -35.0], [0.0, 0.0, 4.8, -33.0]];
            VoxelGrid::from_affine([16, 15, 14], affine).expect("a turned grid")
        };
        let data: Vec<f64> = (0..16 * 15 * 14).map(|n| f64::from(n % 17) - 2.0).collect();
        let inside = deal_out(&Volume { grid: turned(0.0), data: data.clone() }, &target);
        assert!((inside.kept / inside.source - 1.0).abs() < 1e-9 && inside.lost == 0.0, "{}", inside.kept);
        let half = deal_out(&Volume { grid: turned(100.0), data }, &target);
        assert!(half.lost > 0.0 && ((half.kept + half.lost) / half.source - 1.0).abs() < 1e-9);
    }
}
