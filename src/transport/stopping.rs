//! The uncertainty of a run, and when to stop.
//!
//! The goal is a quantile: 95 % of the target voxels must reach it. The largest error of a million voxels fluctuates
//! from check to check; a quantile does not. Checks are made at growing numbers of batches, never below the minimum,
//! and the goal counts as reached after two successful checks in a row: one lucky check ends nothing. The decision
//! depends on the tallies alone, so every machine stops at the same batch.

use crate::cores;
use crate::neighbourhood::{AIR_LIMIT_G_CM3, Alike};
use crate::transport::batch_store::{BatchStore, Looks, PassStore};
use crate::transport::plan::RunPlan;
use crate::transport::{Scene, Scoring};
use std::ops::Range;

/// Checks in a row that must meet the goal.
pub const LOOKS_IN_A_ROW: u32 = 2;
/// Share of the largest energy density above which a voxel is a target if none are named.
pub(crate) const HOT_SHARE: f64 = 0.1;

/// When the first check is due: such that the second falls on the minimum number of batches.
pub fn first_look(batches: u32) -> u32 {
    (1..).find(|&at| next_look(at) >= batches).unwrap_or(batches)
}

/// Batches at which the check after the one at `batches` is due.
fn next_look(batches: u32) -> u32 {
    batches + (batches / 10).max(1)
}

/// Result of a check at `batches` batches: whether `sigma_rel` met `goal`, and when the next is due.
pub fn look(before: Looks, batches: u32, sigma_rel: Option<f64>, goal: f64) -> Looks {
    let met = sigma_rel.is_some_and(|sigma| sigma <= goal);
    Looks { next: next_look(batches), met: if met { before.met + 1 } else { 0 } }
}

/// The `q`-quantile (0 to 1) of the values; `None` without values. Reorders them.
pub fn quantile(values: &mut [f64], q: f64) -> Option<f64> {
    let place = (values.len().checked_sub(1)? as f64 * q).round() as usize;
    Some(*values.select_nth_unstable_by(place, f64::total_cmp).1)
}

/// Energy of a voxel for all decays, keV; both passes and what is deposited at birth.
fn energy_kev(store: &BatchStore, v: usize) -> f64 {
    let mut energy = store.local_kev[v];
    for pass in store.passes.iter().filter(|p| p.moments.batches > 0) {
        energy += pass.moments.mean(v) * pass.kev_per_entry;
    }
    energy
}

/// Variance of that energy, keV^2.
fn variance_kev2(store: &BatchStore, v: usize) -> f64 {
    let of = |p: &PassStore| p.moments.variance_of_mean(v) * p.kev_per_entry * p.kev_per_entry;
    store.passes.iter().filter(|p| p.moments.batches > 0).map(of).sum()
}

/// Relative standard error of that energy, pooled over similar voxels as in the map if these are given; infinite where
/// there is no energy.
fn sigma_rel(store: &BatchStore, v: usize, scene: &Scene, alike: Option<&Alike<'_>>) -> f64 {
    let energy = energy_kev(store, v);
    let variance = match alike {
        Some(alike) if alike.counts(v) => {
            let density = |v: usize| f64::from(scene.density_g_cm3[v]);
            let of_dose = |w: usize| variance_kev2(store, w) / (density(w) * density(w));
            alike.pooled(v, &of_dose) * density(v) * density(v)
        }
        _ => variance_kev2(store, v),
    };
    if energy > 0.0 { variance.sqrt() / energy } else { f64::INFINITY }
}

/// Voxels per block whose highest dose is kept, so that a block without a hot voxel is skipped.
const BLOCK: usize = 1024;

/// Relative standard errors of the target voxels, in order: those of the plan, else all above 10 % of the
/// largest energy density so far.
pub fn target_sigmas(store: &BatchStore, plan: &RunPlan, scene: &Scene, alike: Option<&Alike<'_>>) -> Vec<f64> {
    let sigma_rel = |v: usize| sigma_rel(store, v, scene, alike);
    let ranges = cores::ranges(store.passes[0].moments.sum.len());
    if let Some(target) = &plan.target {
        let aimed = |v: &usize| target.get(*v).copied().unwrap_or(false);
        let parts = cores::of_each(ranges, |range| range.filter(aimed).map(sigma_rel).collect::<Vec<f64>>());
        return parts.concat();
    }
    let dose = |v: usize| match plan.scoring {
        Scoring::Shells { .. } => energy_kev(store, v),
        Scoring::Voxels => {
            let density = f64::from(scene.density_g_cm3[v]);
            if density >= AIR_LIMIT_G_CM3 { energy_kev(store, v) / density } else { 0.0 }
        }
    };
    let blocks = |range: Range<usize>| {
        let end = range.end;
        range.step_by(BLOCK).map(move |from| from..(from + BLOCK).min(end))
    };
    let tops: Vec<Vec<f64>> = cores::of_each(ranges.iter().cloned(), |range| {
        blocks(range).map(|block| block.map(dose).fold(0.0, f64::max)).collect()
    });
    let limit = HOT_SHARE * tops.iter().flatten().copied().fold(0.0, f64::max);
    let parts = cores::of_each(ranges.into_iter().zip(tops), |(range, tops)| {
        let hot = blocks(range).zip(tops).filter(|(_, top)| *top > limit).flat_map(|(block, _)| block);
        hot.filter(|&v| dose(v) > limit).map(sigma_rel).collect::<Vec<f64>>()
    });
    parts.concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::VoxelGrid;
    use crate::materials::tissues::Tissue;
    use crate::tally::{Moments, Regions};
    use crate::transport::batch_store::Identity;
    use crate::transport::emission::Pass;

    /// Checks fall on 19, 20, 22, 24 .. batches if 20 is the minimum; two in a row end the run.
    #[test]
    fn law_two_looks_in_a_row_end_a_run() {
        assert_eq!(first_look(20), 19);
        assert!((1..500).all(|n| next_look(first_look(n)) >= n), "never before the least number");
        let met = |sigmas: &[f64]| {
            let mut looks = Looks { next: first_look(20), met: 0 };
            for &sigma in sigmas {
                let at = looks.next;
                looks = look(looks, at, Some(sigma), 0.02);
                if looks.met >= LOOKS_IN_A_ROW {
                    return Some(at);
                }
            }
            None
        };
        assert_eq!(met(&[0.019, 0.018]), Some(20));
        assert_eq!(met(&[0.03, 0.019, 0.019]), Some(22));
        assert_eq!(met(&[0.03, 0.025, 0.024]), None);
    }

    /// A rule that ends on the first look that meets the aim would end here.
    #[test]
    fn alarm_a_lucky_look_ends_nothing() {
        let lucky = look(Looks { next: 18, met: 0 }, 18, Some(0.001), 0.02);
        assert!(lucky.met < LOOKS_IN_A_ROW);
        let after = look(lucky, lucky.next, Some(0.021), 0.02);
        assert_eq!(after.met, 0);
        assert_eq!(look(after, after.next, None, 0.02).met, 0, "no target voxel is no success");
    }

    /// A run of two batches over voxels of which every 5000th is hot, and its standard errors one voxel after another.
    fn two_batches(hot: i64) -> (BatchStore, Scene, Vec<f64>) {
        let grid = VoxelGrid::axis_aligned([64, 64, 50], [3.0; 3], [0.0; 3]);
        let scene = Scene::uniform(grid, Tissue::built_in("water").unwrap(), 1.0).unwrap();
        let bins = scene.grid.len();
        let pass = |pass: Pass| {
            let mut moments = Moments::new(bins);
            for b in 0..2 {
                let energy = |v: i64| (if v % 5000 == 77 { hot } else { 1_000 + v % 13 }) + 10 * b;
                moments.absorb((0..bins as i64).map(energy).collect(), Regions::default()).unwrap();
            }
            let (ledger, rows) = Default::default();
            PassStore { pass, moments, ledger, rows, decays_per_history: 1.0, kev_per_entry: 0.5, seconds: 0.0 }
        };
        let store = BatchStore {
            identity: Identity { fields: Vec::new() },
            shard: None,
            planned: 2,
            per_batch: 1.0,
            decays: 1.0,
            local_kev: vec![3.0; bins],
            labels: Vec::new(),
            region_local_kev: Vec::new(),
            passes: [pass(Pass::Electron), pass(Pass::Photon)],
            partial: None,
            looks: Looks::default(),
            wall_seconds: 0.0,
        };
        let top = (0..bins).map(|v| energy_kev(&store, v)).fold(0.0, f64::max);
        let counts = (0..bins).filter(|&v| energy_kev(&store, v) > HOT_SHARE * top);
        let sigmas = counts.map(|v| sigma_rel(&store, v, &scene, None)).collect();
        (store, scene, sigmas)
    }

    /// Blocks that are passed over and pieces of other cores change nothing, in sparse and in even doses.
    #[test]
    fn law_hot_voxels_are_those_found_one_by_one() {
        for (hot, count) in [(1_000_000, 41), (1_500, 204_800)] {
            let (store, scene, expected) = two_batches(hot);
            assert_eq!(expected.len(), count);
            assert_eq!(target_sigmas(&store, &RunPlan::default(), &scene, None), expected);
            let target = Some((0..204_800).map(|v| v % 5000 == 77).collect());
            let named = target_sigmas(&store, &RunPlan { target, ..RunPlan::default() }, &scene, None);
            assert_eq!(named.len(), 41);
        }
    }

    /// The comparison above sees one hot voxel too few.
    #[test]
    fn alarm_a_hot_voxel_left_out_is_seen() {
        let (mut store, scene, expected) = two_batches(1_000_000);
        store.passes[0].moments.sum[77] = 0;
        store.passes[1].moments.sum[77] = 0;
        assert_ne!(target_sigmas(&store, &RunPlan::default(), &scene, None), expected);
    }

    #[test]
    fn law_quantile_of_known_values() {
        let mut values: Vec<f64> = (0..101).rev().map(f64::from).collect();
        assert_eq!(quantile(&mut values, 0.95), Some(95.0));
        assert_eq!(quantile(&mut values, 0.5), Some(50.0));
        assert_eq!(quantile(&mut [], 0.5), None);
    }
}
