//! A region on a finer grid of its own than the dose's: an outline drawn on the CT, say, and the dose of a coarser scan.
//!
//! Its voxels are cut into parts. A part has the dose at its place, which follows the neighbours within the dose's voxel (`pieces`),
//! and the density of that voxel. Parts taken at their middles would make steps of a dose along an axis: each is taken at a place of
//! its own, spread evenly by the additive recurrence of the powers of the root of x^4 = x + 1 (Roberts 2018, after Kronecker). Nothing of the region's shape is lost to the dose's voxels: edges and tips are where they were
//! drawn.

use super::Dvh;
use super::field::{Field, Member};
use super::pieces::{dose_at, parts_per_axis};
use crate::grid::VoxelGrid;

/// Edges of a region's voxels, in voxels of the dose, up to which its own grid holds more than covered shares do.
const FINER: f64 = 0.5;
/// The root of x^4 = x + 1.
const ROOT: f64 = 1.220_744_084_605_759_6;
/// Rounding of a voxel's place, in voxels.
const ROUNDING: f64 = 1e-6;

/// Whether a region's grid is finer than the dose's: voxels of at most half the edges, in whatever direction.
pub fn is_finer(region: &VoxelGrid, dose: &VoxelGrid) -> bool {
    let steps = steps(region, dose);
    !region.same_as(dose) && (0..3).all(|row| steps.map(|step| step[row].abs()).iter().sum::<f64>() <= FINER + ROUNDING)
}

/// The edges of one grid's voxels in voxels of another.
fn steps(from: &VoxelGrid, to: &VoxelGrid) -> [[f64; 3]; 3] {
    let place = |voxel| to.voxel_at_mm(from.world_mm(voxel));
    let origin = place([0.0; 3]);
    std::array::from_fn(|axis| {
        let mut unit = [0.0; 3];
        unit[axis] = 1.0;
        let end = place(unit);
        std::array::from_fn(|row| end[row] - origin[row])
    })
}

/// A region cut on its own grid.
pub struct OnOwnGrid {
    /// The histogram of what lies in the dose's grid.
    pub dvh: Dvh,
    /// Voxels of the region that reach out of it.
    pub outside: usize,
}

/// The histogram of a region whose `members` are voxels of `grid`. With `sloped` the dose follows its neighbours within its voxels;
/// without, each of them is level.
pub fn own_grid_dvh(field: &Field<'_>, grid: &VoxelGrid, members: &[Member], sloped: bool) -> OnOwnGrid {
    let parts = parts_per_axis(members.len());
    let steps = steps(grid, field.grid);
    let in_voxel = parts * parts * parts;
    let (mut pieces, mut outside) = (Vec::with_capacity(members.len() * in_voxel), 0);
    for (member, &(n, share)) in members.iter().enumerate() {
        let centre = field.grid.voxel_at_mm(grid.world_mm(grid.voxel(n).map(|index| index as f64)));
        let mut out = false;
        for part in 0..in_voxel {
            let at = place_of(part, parts, member * in_voxel + part);
            let place: [f64; 3] =
                std::array::from_fn(|row| centre[row] + (0..3).map(|axis| at[axis] * steps[axis][row]).sum::<f64>());
            match piece(field, place, sloped) {
                Ok(Some((dose_gy, mass))) => pieces.push((dose_gy, share * mass / in_voxel as f32)),
                Ok(None) => {}
                Err(Outside) => out = true,
            }
        }
        outside += usize::from(out);
    }
    OnOwnGrid { dvh: Dvh::weighted(pieces), outside }
}

/// The place of a part in its voxel, from the voxel's centre, in voxels; `number` is its number among all.
fn place_of(part: usize, parts: usize, number: usize) -> [f64; 3] {
    let cell = [part % parts, part / parts % parts, part / (parts * parts)];
    let within = |axis: usize| (number as f64 * ROOT.powi(-1 - axis as i32)).fract();
    std::array::from_fn(|axis| (cell[axis] as f64 + within(axis)) / parts as f64 - 0.5)
}

struct Outside;

/// Dose, Gy, and mass by volume at a place, in voxels; none where nothing carries dose.
fn piece(field: &Field<'_>, place: [f64; 3], sloped: bool) -> Result<Option<(f32, f32)>, Outside> {
    let dims = field.grid.dims;
    let inside = |axis: usize| (-0.5 - ROUNDING..=dims[axis] as f64 - 0.5 + ROUNDING).contains(&place[axis]);
    if !(0..3).all(inside) {
        return Err(Outside);
    }
    let near: [usize; 3] = std::array::from_fn(|axis| (place[axis].round().max(0.0) as usize).min(dims[axis] - 1));
    let n = field.grid.index(near[0], near[1], near[2]);
    if !field.carries(n) {
        return Ok(None);
    }
    let at = std::array::from_fn(|axis| (place[axis] - near[axis] as f64) as f32);
    let slopes = if sloped { field.slopes(n) } else { [0.0; 3] };
    Ok(Some((dose_at(field.dose_gy[n], slopes, at), field.mass(n))))
}

#[cfg(test)]
mod tests {
    use super::super::pieces::region_dvh;
    use super::*;

    /// Edge of the dose's voxels, mm, their number along an axis, and how many of the region's are in one.
    const EDGE_MM: f64 = 3.0;
    const ACROSS: usize = 7;
    const FINE: usize = 24;

    fn grid(per_voxel: usize) -> VoxelGrid {
        let edge_mm = EDGE_MM / per_voxel as f64;
        let count = ACROSS * per_voxel;
        VoxelGrid::axis_aligned([count; 3], [edge_mm; 3], [-0.5 * (count - 1) as f64 * edge_mm; 3])
    }

    /// A cone of three voxels across and as high, its tip along z; its base lies in the middle of voxels.
    fn in_cone([x, y, z]: [f64; 3]) -> bool {
        let high_mm = 3.0 * EDGE_MM;
        let from_tip_mm = high_mm - z - 0.5 * high_mm + 0.25 * EDGE_MM;
        (0.0..high_mm).contains(&from_tip_mm) && x.hypot(y) < 0.5 * from_tip_mm
    }

    /// The same shares in every voxel of the dose as a cone's, piled up evenly along z within it.
    fn covered(fine: &VoxelGrid) -> Vec<f32> {
        let coarse = grid(1);
        let mut share = vec![0.0; coarse.len()];
        for n in (0..fine.len()).filter(|&n| in_cone(fine.world_mm(fine.voxel(n).map(|i| i as f64)))) {
            let [i, j, k] = fine.voxel(n).map(|index| index / FINE);
            share[coarse.index(i, j, k)] += 1.0 / (FINE * FINE * FINE) as f32;
        }
        share
    }

    /// D98, D50 and D2 of the cone in a dose that rises towards its tip from 8 to 12 Gy: the share nearer to the tip is t^3.
    fn truth_gy(percent: f64) -> f64 {
        12.0 - 4.0 * (percent / 100.0).cbrt()
    }

    fn dose() -> Vec<f32> {
        let coarse = grid(1);
        let z_mm = |n: usize| coarse.world_mm(coarse.voxel(n).map(|i| i as f64))[2];
        (0..coarse.len()).map(|n| (10.0 + 4.0 * (z_mm(n) - 0.25 * EDGE_MM) / (3.0 * EDGE_MM)) as f32).collect()
    }

    /// Largest relative error of D98, D50 and D2, and of the share at three doses.
    fn error(dvh: &Dvh) -> f64 {
        let dose = |percent| f64::from(dvh.dose_at_volume_gy(percent).expect("pieces")) / truth_gy(percent) - 1.0;
        let share = |gy: f32| dvh.volume_at_dose(gy) - (0.25 * (12.0 - f64::from(gy))).powi(3);
        let off = [98.0, 50.0, 2.0].map(dose).into_iter().chain([8.8, 10.0, 11.2].map(share));
        off.fold(0.0, |worst, off| worst.max(off.abs()))
    }

    fn field<'a>(grid: &'a VoxelGrid, dose_gy: &'a [f32]) -> Field<'a> {
        Field { grid, dose_gy, density_g_cm3: None, least_density_g_cm3: 0.0 }
    }

    #[test]
    fn law_a_cone_of_three_voxels_across_has_its_closed_form() {
        let (coarse, fine, dose) = (grid(1), grid(FINE), dose());
        let voxel = |n: &usize| in_cone(fine.world_mm(fine.voxel(*n).map(|i| i as f64)));
        let members: Vec<Member> = (0..fine.len()).filter(voxel).map(|n| (n, 1.0)).collect();
        let found = own_grid_dvh(&field(&coarse, &dose), &fine, &members, true);
        assert_eq!(found.outside, 0);
        assert!(error(&found.dvh) < 0.003, "{}", error(&found.dvh));
        // alarm: level voxels, and the covered shares of the dose's voxels, are off by more than that
        let level = own_grid_dvh(&field(&coarse, &dose), &fine, &members, false);
        assert!(error(&level.dvh) > 0.003, "{}", error(&level.dvh));
        let share = covered(&fine);
        let by_share: Vec<Member> =
            (0..).zip(&share).filter(|(_, one)| **one > 0.0).map(|(n, &one)| (n, one)).collect();
        let of_shares = region_dvh(&field(&coarse, &dose), &by_share, &|n| share[n]);
        assert!(error(&of_shares) > 0.003, "{}", error(&of_shares));
    }

    #[test]
    fn law_covered_shares_do_not_tell_a_cone() {
        // discs with the shares of the cone: the same to any rule that sees shares alone, yet another D2
        let (coarse, fine, dose) = (grid(1), grid(FINE), dose());
        let share = covered(&fine);
        let members: Vec<Member> = (0..fine.len())
            .map(|n| {
                let [i, j, k] = fine.voxel(n).map(|index| index / FINE);
                (n, share[coarse.index(i, j, k)])
            })
            .filter(|member| member.1 > 0.0)
            .collect();
        let discs = own_grid_dvh(&field(&coarse, &dose), &fine, &members, true).dvh;
        // no rule is within half their difference of both
        assert!(error(&discs) > 2.0 * 0.003, "{}", error(&discs));
    }

    #[test]
    fn law_what_is_outside_is_counted() {
        let (coarse, fine, dose) = (grid(1), grid(2), dose());
        let mut moved = fine.clone();
        moved.affine[0][3] += 3.0;
        let members: Vec<Member> = (0..fine.len()).map(|n| (n, 1.0)).collect();
        let of = |grid: &VoxelGrid| own_grid_dvh(&field(&coarse, &dose), grid, &members, true).outside;
        assert_eq!((of(&fine), of(&moved)), (0, 2 * 14 * 14));
        assert!(is_finer(&fine, &coarse) && is_finer(&moved, &coarse));
        assert!(!is_finer(&coarse, &coarse) && !is_finer(&coarse, &fine) && !is_finer(&grid(1), &coarse));
    }
}
