//! The gamma index of Low et al., Med. Phys. 25 (1998) 656: a reference voxel passes when some point of the evaluated
//! map, within the distance to agreement, is near enough in space and dose together,
//!   min over points of (distance / dta)^2 + (dose difference / dose criterion)^2 <= 1.     [methods/svalues.md, eq. 6]
//!
//! The evaluated map is interpolated linearly between voxel centres at steps of a quarter of the distance to agreement.
//! The dose criterion is a share of the region's hot end (the dose that 2 % of it exceeds), and voxels below a tenth of
//! that take no part. Statistical noise of the reference lowers the pass rate of a narrow criterion.

use crate::dose::dvh::Dvh;
use crate::grid::VoxelGrid;

/// A criterion.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Criterion {
    /// Distance to agreement, mm.
    pub distance_mm: f64,
    /// Dose criterion, share of the region's hot end (0.01 for 1 %).
    pub dose_rel: f64,
}

/// 2 mm / 1 %.
pub const NARROW: Criterion = Criterion { distance_mm: 2.0, dose_rel: 0.01 };
/// 3 mm / 3 %.
pub const WIDE: Criterion = Criterion { distance_mm: 3.0, dose_rel: 0.03 };
/// Largest gamma of a map: the search ends there.
pub const MOST_GAMMA: f32 = 2.0;
/// Share of the hot end below which voxels take no part.
const LEAST_SHARE: f64 = 0.1;

/// Share of the reference voxels in `region` (positions in the data) that pass, 0 to 1; none where no voxel takes part.
pub fn pass_rate(
    grid: &VoxelGrid,
    reference_gy: &[f32],
    evaluated_gy: &[f32],
    region: &[u32],
    criterion: Criterion,
) -> Option<f64> {
    let doses: Vec<f32> = region.iter().map(|&n| reference_gy[n as usize]).collect();
    let hot = f64::from(Dvh::new(doses).dose_at_volume_gy(2.0)?);
    if hot <= 0.0 {
        return None;
    }
    let offsets = offsets(grid, criterion.distance_mm);
    let tolerance = criterion.dose_rel * hot;
    let reach = grid.spacing_mm.map(|edge| (criterion.distance_mm / edge).ceil() as usize);
    let (mut taking_part, mut passing) = (0_usize, 0_usize);
    for &n in region {
        let reference = f64::from(reference_gy[n as usize]);
        if reference < LEAST_SHARE * hot {
            continue;
        }
        taking_part += 1;
        let voxel = grid.voxel(n as usize);
        // no point of the search can be nearer in dose than the hottest and coldest voxel around
        let [cold, warm] = extremes(grid, evaluated_gy, voxel, reach);
        if reference < cold - tolerance || reference > warm + tolerance {
            continue;
        }
        let passes = offsets.iter().any(|(share, offset)| {
            let difference = (interpolated(grid, evaluated_gy, voxel, *offset) - reference) / tolerance;
            share + difference * difference <= 1.0
        });
        passing += usize::from(passes);
    }
    (taking_part > 0).then(|| passing as f64 / taking_part as f64)
}

/// Gamma of every voxel whose reference dose is a tenth of `hot_gy` or more, searched to twice the distance to agreement
/// and so at most [`MOST_GAMMA`]; 0 in all others. The dose criterion is a share of `hot_gy`.
pub fn gamma_map(
    grid: &VoxelGrid,
    reference_gy: &[f32],
    evaluated_gy: &[f32],
    hot_gy: f64,
    criterion: Criterion,
) -> Vec<f32> {
    let wide = f64::from(MOST_GAMMA);
    let offsets: Vec<(f64, [f64; 3])> = offsets(grid, criterion.distance_mm)
        .into_iter()
        .chain(
            offsets(grid, wide * criterion.distance_mm)
                .into_iter()
                .map(|(share, offset)| (share * wide * wide, offset))
                .filter(|(share, _)| *share > 1.0),
        )
        .collect();
    let tolerance = criterion.dose_rel * hot_gy;
    (0..grid.len())
        .map(|n| {
            let reference = f64::from(reference_gy[n]);
            if hot_gy <= 0.0 || reference < LEAST_SHARE * hot_gy {
                return 0.0;
            }
            let voxel = grid.voxel(n);
            let mut least = wide * wide;
            for (share, offset) in &offsets {
                if *share >= least {
                    break;
                }
                let difference = (interpolated(grid, evaluated_gy, voxel, *offset) - reference) / tolerance;
                least = least.min(share + difference * difference);
            }
            least.sqrt() as f32
        })
        .collect()
}

/// Points of the search by growing distance: (distance / dta)^2 and the offset in voxels.
fn offsets(grid: &VoxelGrid, distance_mm: f64) -> Vec<(f64, [f64; 3])> {
    const STEPS: i32 = 4;
    let mut found = Vec::new();
    for z in -STEPS..=STEPS {
        for y in -STEPS..=STEPS {
            for x in -STEPS..=STEPS {
                let share = f64::from(x * x + y * y + z * z) / f64::from(STEPS * STEPS);
                if share <= 1.0 {
                    let step =
                        |n: i32, axis: usize| f64::from(n) / f64::from(STEPS) * distance_mm / grid.spacing_mm[axis];
                    found.push((share, [step(x, 0), step(y, 1), step(z, 2)]));
                }
            }
        }
    }
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    found
}

/// Lowest and highest dose of the voxels within `reach` of a voxel.
fn extremes(grid: &VoxelGrid, dose_gy: &[f32], voxel: [usize; 3], reach: [usize; 3]) -> [f64; 2] {
    let range = |a: usize| voxel[a].saturating_sub(reach[a])..=(voxel[a] + reach[a]).min(grid.dims[a] - 1);
    let mut found = [f32::INFINITY, f32::NEG_INFINITY];
    for k in range(2) {
        for j in range(1) {
            let row = grid.index(0, j, k);
            for &dose in &dose_gy[row + range(0).start()..=row + range(0).end()] {
                found = [found[0].min(dose), found[1].max(dose)];
            }
        }
    }
    found.map(f64::from)
}

/// Dose at an offset from a voxel's centre; beyond the grid that of its border.
fn interpolated(grid: &VoxelGrid, dose_gy: &[f32], voxel: [usize; 3], offset: [f64; 3]) -> f64 {
    let mut low = [0; 3];
    let mut share = [0.0; 3];
    for axis in 0..3 {
        let place = (voxel[axis] as f64 + offset[axis]).clamp(0.0, grid.dims[axis] as f64 - 1.0);
        low[axis] = place.floor() as usize;
        share[axis] = place - low[axis] as f64;
    }
    let mut sum = 0.0;
    for corner in 0..8 {
        let mut weight = 1.0;
        let mut at = low;
        for axis in 0..3 {
            if corner >> axis & 1 == 1 {
                weight *= share[axis];
                at[axis] = (low[axis] + 1).min(grid.dims[axis] - 1);
            } else {
                weight *= 1.0 - share[axis];
            }
        }
        if weight > 0.0 {
            sum += weight * f64::from(dose_gy[grid.index(at[0], at[1], at[2])]);
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Dose that falls along x by 10 % of the top a voxel of 3 mm, from 1.0 at x = 0.
    fn ramp(shift_mm: f64) -> (VoxelGrid, Vec<f32>) {
        let grid = VoxelGrid::axis_aligned([8, 5, 5], [3.0; 3], [0.0; 3]);
        let dose = (0..grid.len()).map(|n| (1.0 - 0.1 * (grid.voxel(n)[0] as f64 - shift_mm / 3.0)) as f32).collect();
        (grid, dose)
    }

    fn rate(shift_mm: f64, criterion: Criterion) -> f64 {
        let (grid, reference) = ramp(0.0);
        let (_, evaluated) = ramp(shift_mm);
        // voxels away from the border, where the ramp goes on to both sides
        let region: Vec<u32> =
            (0..grid.len() as u32).filter(|&n| (2..6).contains(&grid.voxel(n as usize)[0])).collect();
        pass_rate(&grid, &reference, &evaluated, &region, criterion).unwrap()
    }

    #[test]
    fn law_equal_maps_pass_and_shifts_within_reach_too() {
        assert_eq!(rate(0.0, NARROW), 1.0);
        // a shift of 1.5 mm is found at 1.5 mm, which is within 2 mm; a dose test alone would fail (5 % off)
        assert_eq!(rate(1.5, NARROW), 1.0);
        assert_eq!(rate(1.5, Criterion { distance_mm: 0.1, dose_rel: 0.01 }), 0.0);
        assert_eq!(rate(2.5, WIDE), 1.0);
    }

    #[test]
    fn alarm_a_shift_beyond_reach_fails() {
        assert_eq!(rate(4.0, NARROW), 0.0);
        assert_eq!(rate(6.0, WIDE), 0.0);
    }

    #[test]
    fn law_the_map_of_gamma_agrees_with_the_pass_rate() {
        let (grid, reference) = ramp(0.0);
        for (shift_mm, wanted) in [(0.0, 0.0), (1.5, 0.75), (3.0, 1.5)] {
            let (_, evaluated) = ramp(shift_mm);
            // 10 % of the top a voxel and 1 % allowed: space alone agrees
            let map = gamma_map(&grid, &reference, &evaluated, 1.0, NARROW);
            let found = map[grid.index(3, 2, 2)];
            assert!((f64::from(found) - wanted).abs() < 0.13, "{shift_mm} mm: {found}");
        }
        let (_, evaluated) = ramp(8.0);
        assert_eq!(gamma_map(&grid, &reference, &evaluated, 1.0, NARROW)[grid.index(3, 2, 2)], MOST_GAMMA);
    }

    #[test]
    fn law_an_empty_or_cold_region_has_no_rate() {
        let (grid, dose) = ramp(0.0);
        assert_eq!(pass_rate(&grid, &dose, &dose, &[], NARROW), None);
        assert_eq!(pass_rate(&grid, &vec![0.0; grid.len()], &dose, &[3, 4], NARROW), None);
    }
}
