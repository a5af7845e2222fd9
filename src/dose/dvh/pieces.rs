//! Voxels of a region to pieces of dose and mass.
//!
//! Inside a voxel the dose is D + g . x, x from the voxel's centre: the voxel's mean stays what it is, a linear field is
//! reproduced exactly, and no voxel overshoots a neighbour along an axis (monotonised central slopes, van Leer,
//! J. Comput. Phys. 23 (1977) 276). Of a voxel that the region covers in part, the part on its side of the region's edge
//! counts (`edge`). A region with a grid of its own is cut on that (`own_grid`).

use super::Dvh;
use super::edge::Edge;
pub use super::field::{Field, Member};

/// Pieces that a region is cut into at least: one of more voxels is not cut.
const LEAST_PIECES: f64 = 100_000.0;
/// Parts of a voxel along an axis at most.
const MOST_PARTS: f64 = 10.0;

/// The histogram of a region. `share` gives the covered share of any voxel (of neighbours too), 0 to 1.
pub fn region_dvh(field: &Field<'_>, members: &[Member], share: &dyn Fn(usize) -> f32) -> Dvh {
    let parts = parts_per_axis(members.len());
    let edge = Edge::of(field, members, share, parts);
    let mut pieces = Vec::with_capacity(members.len() * parts * parts * parts);
    for &(n, covered) in members {
        if !field.carries(n) || covered <= 0.0 {
            continue;
        }
        cut(field, n, covered, edge.within(n), parts, &mut pieces);
    }
    Dvh::weighted(pieces)
}

/// The histograms of the dose of a region and of a quantity that `grows` with the dose inside each voxel (BED): the pieces
/// are those of the dose, so that the quantity's own field, which may end at the region's edge, has no say. `grows` gives
/// the quantity, Gy, of a voxel's piece with this dose, Gy.
pub fn region_dvhs(
    field: &Field<'_>,
    members: &[Member],
    share: &dyn Fn(usize) -> f32,
    grows: &dyn Fn(usize, f32) -> f32,
) -> [Dvh; 2] {
    let parts = parts_per_axis(members.len());
    let edge = Edge::of(field, members, share, parts);
    let mut pieces = Vec::with_capacity(members.len() * parts * parts * parts);
    let mut grown = Vec::with_capacity(pieces.capacity());
    for &(n, covered) in members {
        if !field.carries(n) || covered <= 0.0 {
            continue;
        }
        let from = pieces.len();
        cut(field, n, covered, edge.within(n), parts, &mut pieces);
        grown.extend(pieces[from..].iter().map(|&(dose, mass)| (grows(n, dose), mass)));
    }
    let dose = Dvh::weighted(pieces);
    let other = dose.of_same_pieces(grown);
    [dose, other]
}

/// The histogram of a region of whole voxels.
pub fn whole_dvh(field: &Field<'_>, voxels: &[u32]) -> Dvh {
    let parts = parts_per_axis(voxels.len());
    let mut pieces = Vec::with_capacity(voxels.len() * parts * parts * parts);
    for n in voxels.iter().map(|&n| n as usize).filter(|&n| field.carries(n)) {
        cut(field, n, 1.0, None, parts, &mut pieces);
    }
    Dvh::weighted(pieces)
}

/// Parts along an axis for a region with this many voxels.
pub(super) fn parts_per_axis(voxels: usize) -> usize {
    (LEAST_PIECES / voxels.max(1) as f64).cbrt().ceil().clamp(1.0, MOST_PARTS) as usize
}

/// Places of a voxel's parts from its centre, in voxels, x fastest. Along each axis they are all different and even, so that a
/// field along an axis makes no steps.
fn places(parts: usize) -> impl Iterator<Item = [f32; 3]> {
    let along = move |own: usize, one: usize, other: usize| {
        (own as f32 + ((one * parts + other) as f32 + 0.5) / (parts * parts) as f32) / parts as f32 - 0.5
    };
    (0..parts * parts * parts).map(move |part| {
        let [i, j, k] = [part % parts, part / parts % parts, part / (parts * parts)];
        [along(i, j, k), along(j, k, i), along(k, i, j)]
    })
}

/// The dose at a place in a voxel, Gy.
pub(super) fn dose_at(dose_gy: f32, slopes: [f32; 3], at: [f32; 3]) -> f32 {
    dose_gy + (slopes[0] * at[0] + slopes[1] * at[1] + slopes[2] * at[2])
}

/// Cuts one voxel: `within` is how much of each part the region holds; without it all hold the voxel's share.
fn cut(field: &Field<'_>, n: usize, covered: f32, within: Option<&[f32]>, parts: usize, pieces: &mut Vec<(f32, f32)>) {
    let (dose_gy, slopes) = (field.dose_gy[n], field.slopes(n));
    let of_part = field.mass(n) / (parts * parts * parts) as f32;
    pieces.extend(places(parts).enumerate().filter_map(|(part, at)| {
        let held = within.map_or(covered, |within| within[part]);
        (held > 0.0).then(|| (dose_at(dose_gy, slopes, at), held * of_part))
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::VoxelGrid;

    #[test]
    fn law_cutting_keeps_the_mean_of_each_voxel() {
        let grid = VoxelGrid::axis_aligned([4, 3, 3], [2.0, 3.0, 4.0], [0.0; 3]);
        let dose: Vec<f32> = (0..grid.len()).map(|n| ((n * 7919) % 23) as f32 * 0.1).collect();
        let field = Field { grid: &grid, dose_gy: &dose, density_g_cm3: None, least_density_g_cm3: 0.0 };
        let members: Vec<Member> = (0..grid.len()).map(|n| (n, 1.0)).collect();
        let dvh = region_dvh(&field, &members, &|_| 1.0);
        let mean = dose.iter().map(|&d| f64::from(d)).sum::<f64>() / dose.len() as f64;
        assert!((dvh.mean_gy() - mean).abs() < 1e-6, "{} for {mean}", dvh.mean_gy());
        assert!(dvh.min_gy().expect("pieces") >= 0.0, "no piece below 0 Gy");
    }

    #[test]
    fn law_a_linear_field_is_cut_exactly() {
        let grid = VoxelGrid::axis_aligned([6, 6, 6], [5.0; 3], [0.0; 3]);
        let dose: Vec<f32> = (0..grid.len()).map(|n| grid.voxel(n)[0] as f32 + 1.0).collect();
        let field = Field { grid: &grid, dose_gy: &dose, density_g_cm3: None, least_density_g_cm3: 0.0 };
        let members: Vec<Member> = (0..grid.len()).map(|n| (n, 1.0)).collect();
        let dvh = region_dvh(&field, &members, &|_| 1.0);
        // uniform from 0.5 to 6.5
        for percent in [2.0, 25.0, 50.0, 90.0, 98.0] {
            let wanted = 6.5 - 6.0 * percent / 100.0;
            let found = f64::from(dvh.dose_at_volume_gy(percent).expect("pieces"));
            assert!((found - wanted).abs() < 0.03, "D{percent}: {found} for {wanted}");
        }
    }

    #[test]
    fn law_a_covered_part_lies_towards_the_region() {
        // the region covers x > 0.75 of the middle voxel: its part is the hot quarter of a dose that rises along x
        let grid = VoxelGrid::axis_aligned([3, 1, 1], [4.0; 3], [0.0; 3]);
        let dose = [1.0, 2.0, 3.0];
        let field = Field { grid: &grid, dose_gy: &dose, density_g_cm3: None, least_density_g_cm3: 0.0 };
        let share = [0.0, 0.25, 1.0];
        let dvh = region_dvh(&field, &[(1, 0.25)], &|n| share[n]);
        assert!((dvh.mean_gy() - 2.375).abs() < 0.02, "{}", dvh.mean_gy());
        // without a gradient of the share the voxel counts as it is
        let dvh = region_dvh(&field, &[(1, 0.25)], &|_| 0.25);
        assert!((dvh.mean_gy() - 2.0).abs() < 1e-6);
    }

    #[test]
    fn law_air_takes_no_part() {
        let grid = VoxelGrid::axis_aligned([3, 1, 1], [4.0; 3], [0.0; 3]);
        let dose = [5.0, 0.0, 5.0];
        let density = [1.0, 0.001, 1.0];
        let field = Field { grid: &grid, dose_gy: &dose, density_g_cm3: Some(&density), least_density_g_cm3: 0.02 };
        let dvh = region_dvh(&field, &[(0, 1.0), (1, 1.0), (2, 1.0)], &|_| 1.0);
        assert_eq!(dvh.min_gy(), Some(5.0), "neither a voxel of its own nor a slope of its neighbours");
    }

    /// Doses of two cycles, 0 outside of the region's label as the BED of a course is, and the region's histograms of dose
    /// and of BED; `apart` makes the BED's from its own field.
    fn of_two_cycles(apart: bool) -> [Dvh; 2] {
        let grid = VoxelGrid::axis_aligned([7, 6, 5], [4.0, 5.0, 3.0], [0.0; 3]);
        let cycle = |a: usize, b: usize| -> Vec<f64> {
            (0..grid.len()).map(|n| 1.0 + ((n * a + b) % 97) as f64 * 0.08).collect()
        };
        let (first, second) = (cycle(7919, 3), cycle(104_729, 11));
        let (g, alpha_beta) = ([0.05, 0.6], 2.6);
        let density: Vec<f32> = (0..grid.len()).map(|n| 0.26 + ((n * 31) % 17) as f32 * 0.07).collect();
        let dose: Vec<f32> = first.iter().zip(&second).map(|(a, b)| (a + b) as f32).collect();
        let square: Vec<f64> = first.iter().zip(&second).map(|(a, b)| g[0] * a * a + g[1] * b * b).collect();
        let inside = |n: usize| (1..6).contains(&grid.voxel(n)[0]);
        let members: Vec<Member> = (0..grid.len()).filter(|&n| inside(n)).map(|n| (n, 1.0)).collect();
        let share = |n: usize| f32::from(u8::from(inside(n)));
        let field = |dose_gy| Field {
            grid: &grid,
            dose_gy,
            density_g_cm3: Some(density.as_slice()),
            least_density_g_cm3: 0.02,
        };
        let grows = |n: usize, piece: f32| {
            let part = f64::from(piece) / f64::from(dose[n]);
            (f64::from(piece) + square[n] / alpha_beta * part * part) as f32
        };
        let both = region_dvhs(&field(&dose), &members, &share, &grows);
        if !apart {
            return both;
        }
        let bed: Vec<f32> = (0..grid.len()).map(|n| if inside(n) { grows(n, dose[n]) } else { 0.0 }).collect();
        let [dose_dvh, _] = both;
        [dose_dvh, region_dvh(&field(&bed), &members, &share)]
    }

    /// Ranks at which the second histogram lies below the first.
    fn below([dose, bed]: &[Dvh; 2]) -> usize {
        let at = |dvh: &Dvh, rank: u32| dvh.dose_at_volume_gy(f64::from(rank) / 10.0).expect("pieces");
        (0..=1000).filter(|&rank| at(bed, rank) < at(dose, rank)).count()
    }

    #[test]
    fn law_bed_is_never_below_dose_at_equal_ranks() {
        let both = of_two_cycles(false);
        assert_eq!(below(&both), 0);
        assert!(both[1].mean_gy() > both[0].mean_gy());
        // the shares above any value follow
        for step in 0..200 {
            let gy = step as f32 * 0.1;
            assert!(both[1].volume_at_dose(gy) >= both[0].volume_at_dose(gy), "{gy} Gy");
        }
        // without repair of anything BED is dose
        let [dose, _] = &both;
        let same = dose.of_same_pieces(vec![(1.0, 1.0), (3.0, 2.0)]);
        assert_eq!((same.max_gy(), same.min_gy()), (Some(3.0), Some(1.0)));
    }

    #[test]
    fn alarm_a_histogram_of_the_bed_field_falls_below_dose() {
        assert!(below(&of_two_cycles(true)) > 0, "the zeros outside pull the coldest BED down");
    }
}
