//! Where electron histories should start.
//!
//! An electron born in voxel j deposits a dose proportional to its weight over the mass there, where the local dose is
//! D. The mean relative variance is least (Lagrange) when the number of histories goes as decays / (mass x D) times the
//! scatter of one history. That makes histories uniform where the dose is smooth, whatever its level. The scatter comes
//! from energy that crosses voxel faces; it grows as the inverse square root of the mass behind them. This is the base,
//! for doses of at least 1 % of the maximum. It also makes standard errors trustworthy: a single history must not
//! dominate the dose of a voxel it reaches, since most runs would miss that history without showing it. The aim is what
//! the user looks at: target voxels, else doses of at least a tenth of the maximum.
//!
//! This affects efficiency alone: weights compensate (`allocation.rs`), so the expectation is exact for any wishes.
//! Photons travel far and are born in proportion to decays.

use crate::grid::VoxelGrid;
use crate::neighbourhood::{areal_g_cm2, box_sums, rough_dose};
use crate::transport::allocation::Wishes;

/// Share of the largest dose up to which the aim grows with it.
const AIM_SHARE: f32 = 0.1;
/// Share of the largest dose above which standard errors must be trustworthy.
const BASE_SHARE: f32 = 0.01;
/// Part of the histories for the base, without and with targets.
const BASE_PART: [f64; 2] = [0.25, 0.05];
/// Weight of a source in or next to a target voxel, relative to other sources at the largest doses.
const TARGET_FACTOR: f32 = 30.0;

/// Whether a voxel or one of its 26 neighbours is a target.
fn near(target: &[bool], dims: [usize; 3]) -> Vec<f32> {
    let mut sums: Vec<f32> = target.iter().map(|&t| f32::from(u8::from(t))).collect();
    box_sums(&mut sums, dims);
    sums
}

/// Histories wanted for `decays` in matter of `density_g_cm3` (both by voxel, with some decay), by voxel with decays.
pub fn wishes(grid: &VoxelGrid, density_g_cm3: &[f32], decays: &[f64], target: Option<&[bool]>) -> Wishes {
    let dose = rough_dose(grid, density_g_cm3, decays);
    let top = decays.iter().zip(&dose).filter(|(d, _)| **d > 0.0).fold(0.0f32, |top, (_, dose)| top.max(*dose));
    let mean = decays.iter().sum::<f64>() / decays.len() as f64;
    let near = target.map(|target| near(target, grid.dims));
    let areal_g_cm2 = areal_g_cm2(grid);
    let (mut aim, mut base) = (Vec::new(), Vec::new());
    for (v, &d) in decays.iter().enumerate().filter(|(_, d)| **d > 0.0) {
        let areal = areal_g_cm2(density_g_cm3[v]);
        let wish = (d / mean) as f32 / (areal * areal.sqrt() * dose[v]);
        let share = dose[v] / top;
        let hot = (share / AIM_SHARE).min(1.0);
        aim.push(wish * if near.as_ref().is_some_and(|near| near[v] > 0.0) { TARGET_FACTOR } else { hot * hot.sqrt() });
        base.push(wish * (share / BASE_SHARE).min(1.0));
    }
    Wishes { aim, base, base_part: BASE_PART[usize::from(target.is_some())] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::allocation::{Expectation, Sources};
    use std::sync::Arc;

    fn grid() -> VoxelGrid {
        VoxelGrid::axis_aligned([8, 8, 8], [3.0; 3], [0.0; 3])
    }

    /// A uniform source in uniform matter gets uniform histories, except at the edge of the grid, where the rough dose
    /// falls off.
    #[test]
    fn law_even_sources_are_wished_for_evenly() {
        let wishes = wishes(&grid(), &[1.0; 512], &[3.0; 512], None);
        let inner = |v: &usize| [v % 8, v / 8 % 8, v / 64].iter().all(|n| (1..7).contains(n));
        let first = wishes.base[73];
        assert!((0..512).filter(inner).all(|v| (wishes.base[v] / first - 1.0).abs() < 1e-5));
        assert!((0..512).filter(inner).all(|v| (wishes.aim[v] / wishes.base[v] - 1.0).abs() < 1e-5));
    }

    /// Where targets are named, sources in and next to them come first; the base ignores them.
    #[test]
    fn law_targets_come_first() {
        let mut target = vec![false; 512];
        target[219] = true;
        let with = wishes(&grid(), &[1.0; 512], &[3.0; 512], Some(&target));
        let without = wishes(&grid(), &[1.0; 512], &[3.0; 512], None);
        for (v, count) in [(219, 30.0), (219 + 73, 30.0), (219 + 2, 1.0)] {
            assert!((with.aim[v] / without.aim[v] / count - 1.0).abs() < 1e-5, "voxel {v}");
        }
        assert_eq!(with.base, without.base);
    }

    /// The heaviest history relative to the dose where it is born: weight / (mass x rough dose), in decays of an
    /// analogue history per voxel of uniform dose, over all sources whose neighbourhood has at least 1 % of the largest
    /// dose.
    fn heaviest(wishes: Wishes, density: &[f32], decays: &[f64], histories: f64) -> f64 {
        let dose = rough_dose(&grid(), density, decays);
        let top = dose.iter().copied().fold(0.0, f32::max);
        let mean = decays.iter().sum::<f64>() / 512.0;
        let sources = Arc::new(Sources::new(decays, Some(wishes)));
        let expectation = Expectation::of(&sources, histories);
        let mut heaviest = 0.0f64;
        for batch in 0..20 {
            let allocation = expectation.batch(batch, 1);
            for row in allocation.words.chunks(3).take(allocation.rows as usize) {
                let v = row[1] as usize;
                if dose[v] > 0.01 * top {
                    let stands_for = f64::from(row[2]) / 65_536.0 * expectation.decays_per_history / mean;
                    heaviest = heaviest.max(stands_for / f64::from(areal_g_cm2(&grid())(density[v]) * dose[v]));
                }
            }
        }
        heaviest
    }

    /// Soft tissue, a hot block, and lung with low uptake and a dose of a few percent.
    fn lung() -> (Vec<f32>, Vec<f64>) {
        let density = (0..512).map(|v| if v % 8 < 4 { 0.25 } else { 1.05 }).collect();
        let decays = (0..512).map(|v| if v % 8 < 4 { 0.0035 } else { 1.0 }).collect();
        (density, decays)
    }

    /// With a few histories per voxel, none carries more than a fraction of the local dose.
    #[test]
    fn law_no_history_is_heavy_where_the_dose_matters() {
        let (density, decays) = lung();
        let wishes = wishes(&grid(), &density, &decays, None);
        let heavy = heaviest(wishes, &density, &decays, 5000.0);
        assert!(heavy < 1.0, "{heavy}");
    }

    /// In proportion to decays alone, histories in the lung would be heavy or almost absent.
    #[test]
    fn alarm_sources_without_a_base_are_heavy() {
        let (density, decays) = lung();
        let mut wishes = wishes(&grid(), &density, &decays, None);
        wishes.base_part = 0.0;
        let heavy = heaviest(wishes, &density, &decays, 5000.0);
        assert!(heavy > 1.0, "{heavy}");
    }
}
