//! Volumes of interest from the image itself: isocontours at a share of the maximum, and small spheres in parenchyma.
//!
//! They say where activity is, never how much tissue there is: the mass is that of the CT's outline.

use crate::fault::Fault;
use crate::grid::{Volume, VoxelGrid};

/// Shares of the maximum that are accepted; published use is 0.3 to 0.5.
pub const SHARES: [f64; 2] = [0.1, 0.9];
/// Volume over which a maximum is averaged against noise, mL.
const PEAK_ML: f64 = 1.0;

/// What counts as the maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maximum {
    /// The greatest voxel.
    Voxel,
    /// The greatest mean of 1 mL about a voxel.
    Peak,
}

/// A contour: its voxels, ascending, and what it rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct Isocontour {
    /// Voxels.
    pub voxels: Vec<usize>,
    /// The maximum, in the image's unit.
    pub maximum: f64,
}

/// The voxels with at least `share` of the maximum that hang together with `seed` by faces, inside `bound` where there is
/// one. The maximum is sought where the contour may lie: among the voxels that hang together with the seed at that share of
/// the seed's own value.
///
/// Errors: a share outside 0.1 to 0.9; a seed outside the image or the bound, or without activity.
pub fn isocontour(
    image: &Volume<f64>,
    seed: usize,
    share: f64,
    maximum: Maximum,
    bound: Option<&[bool]>,
) -> Result<Isocontour, Fault> {
    let refused = |field: &str, found: String, allowed: String| {
        Err(Fault::invalid("isocontour", field, found, allowed, "Correct it."))
    };
    if !(SHARES[0]..=SHARES[1]).contains(&share) {
        return refused("share", share.to_string(), format!("{} to {}", SHARES[0], SHARES[1]));
    }
    let inside = |voxel: usize| bound.is_none_or(|bound| bound[voxel]);
    if seed >= image.data.len() || !inside(seed) {
        return refused("seed", format!("voxel {seed}"), "a voxel of the image, inside the bound".to_owned());
    }
    if image.data[seed].is_nan() || image.data[seed] <= 0.0 {
        return refused("seed", format!("{} there", image.data[seed]), "activity above 0".to_owned());
    }
    let near = connected(image, seed, share * image.data[seed], inside);
    let ball = ball(&image.grid);
    let value = |voxel: usize| match maximum {
        Maximum::Voxel => image.data[voxel],
        Maximum::Peak => mean_over(image, voxel, &ball),
    };
    let maximum = near.iter().map(|&voxel| value(voxel)).fold(f64::NEG_INFINITY, f64::max);
    if image.data[seed] < share * maximum {
        let allowed = format!("at least {share} of the maximum, {maximum:.4e}");
        return refused("seed", format!("{:.4e} there", image.data[seed]), allowed);
    }
    Ok(Isocontour { voxels: connected(image, seed, share * maximum, inside), maximum })
}

/// The voxels of at least `least` that hang together with the seed by faces, ascending.
fn connected(image: &Volume<f64>, seed: usize, least: f64, inside: impl Fn(usize) -> bool) -> Vec<usize> {
    let dims = image.grid.dims;
    let mut seen = vec![false; image.data.len()];
    let (mut open, mut found) = (vec![seed], Vec::new());
    seen[seed] = true;
    while let Some(voxel) = open.pop() {
        found.push(voxel);
        let at = image.grid.voxel(voxel);
        let mut step = 1;
        for axis in 0..3 {
            let below = (at[axis] > 0).then(|| voxel - step);
            let above = (at[axis] + 1 < dims[axis]).then(|| voxel + step);
            for next in below.into_iter().chain(above) {
                if !seen[next] && image.data[next] >= least && inside(next) {
                    seen[next] = true;
                    open.push(next);
                }
            }
            step *= dims[axis];
        }
    }
    found.sort_unstable();
    found
}

/// Steps to the voxels whose centres lie in a ball of a volume, mL, about a voxel.
fn steps(grid: &VoxelGrid, volume_ml: f64) -> Vec<[isize; 3]> {
    let radius_mm = super::sphere::radius_mm(volume_ml);
    let reach = grid.spacing_mm.map(|mm| (radius_mm / mm).floor() as isize);
    let mut steps = Vec::new();
    for k in -reach[2]..=reach[2] {
        for j in -reach[1]..=reach[1] {
            for i in -reach[0]..=reach[0] {
                let step = [i, j, k];
                let mm2: f64 = (0..3).map(|axis| (step[axis] as f64 * grid.spacing_mm[axis]).powi(2)).sum();
                if mm2 <= radius_mm * radius_mm {
                    steps.push(step);
                }
            }
        }
    }
    steps
}

fn ball(grid: &VoxelGrid) -> Vec<[isize; 3]> {
    steps(grid, PEAK_ML)
}

/// The voxels that steps from a voxel reach; those beyond the image are left out.
fn reached(grid: &VoxelGrid, voxel: usize, steps: &[[isize; 3]]) -> impl Iterator<Item = usize> {
    let at = grid.voxel(voxel);
    steps.iter().filter_map(move |step| {
        let to: [Option<usize>; 3] =
            std::array::from_fn(|axis| at[axis].checked_add_signed(step[axis]).filter(|&n| n < grid.dims[axis]));
        Some(grid.index(to[0]?, to[1]?, to[2]?))
    })
}

fn mean_over(image: &Volume<f64>, voxel: usize, steps: &[[isize; 3]]) -> f64 {
    let (sum, count) = reached(&image.grid, voxel, steps).fold((0.0, 0), |(s, n), v| (s + image.data[v], n + 1));
    sum / f64::from(count)
}

/// Small spheres in a region: `count` of `volume_ml` each, every one whole inside the region and clear of the others, at the
/// places of the greatest mean, one after another. Voxels of each, ascending.
///
/// Errors: a volume that is not above 0; a region that does not hold so many.
pub fn small_spheres(
    image: &Volume<f64>,
    region: &[bool],
    count: usize,
    volume_ml: f64,
) -> Result<Vec<Vec<usize>>, Fault> {
    let refused = |field: &str, found: String, allowed: &str, next: &str| {
        Err(Fault::invalid("small spheres", field, found, allowed.to_owned(), next.to_owned()))
    };
    if !(volume_ml > 0.0 && volume_ml.is_finite()) {
        return refused("volume_ml", format!("{volume_ml} mL"), "above 0 mL", "Correct it.");
    }
    let steps = steps(&image.grid, volume_ml);
    let whole = |voxel: usize, free: &[bool]| {
        let mut count = 0;
        reached(&image.grid, voxel, &steps).all(|v| {
            count += 1;
            free[v]
        }) && count == steps.len()
    };
    let mut free = region.to_vec();
    let mut found: Vec<Vec<usize>> = Vec::new();
    while found.len() < count {
        let places = (0..free.len()).filter(|&voxel| free[voxel] && whole(voxel, &free));
        let best = places.map(|voxel| (voxel, mean_over(image, voxel, &steps))).max_by(|a, b| a.1.total_cmp(&b.1));
        let Some((centre, _)) = best else {
            let fit = format!("{} of {count} spheres fit", found.len());
            return refused("count", fit, "as many as the region holds", "Take fewer or smaller ones.");
        };
        let mut sphere: Vec<usize> = reached(&image.grid, centre, &steps).collect();
        sphere.sort_unstable();
        sphere.iter().for_each(|&voxel| free[voxel] = false);
        found.push(sphere);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two Gaussian hills of height 10 and 8 on 3 mm voxels, 40 mm apart.
    fn hills() -> Volume<f64> {
        let grid = VoxelGrid::axis_aligned([34, 21, 21], [3.0; 3], [0.0; 3]);
        let hill = |at: [f64; 3], centre: [f64; 3], height: f64| {
            let d2: f64 = (0..3).map(|x| (at[x] - centre[x]).powi(2)).sum();
            height * (-0.5 * d2 / 64.0).exp()
        };
        let value = |n: usize| {
            let at = grid.world_mm(grid.voxel(n).map(|v| v as f64));
            hill(at, [30.0, 30.0, 30.0], 10.0) + hill(at, [70.0, 30.0, 30.0], 8.0)
        };
        Volume { data: (0..grid.len()).map(value).collect(), grid }
    }

    /// At the share f of a Gaussian's maximum lies the sphere of radius s sqrt(-2 ln f).
    #[test]
    fn law_an_isocontour_of_a_hill_is_a_sphere() {
        let image = hills();
        for share in [0.3, 0.4, 0.5] {
            let found =
                isocontour(&image, image.grid.index(10, 9, 10), share, Maximum::Voxel, None).expect("a contour");
            let radius = 8.0 * (-2.0 * f64::ln(share)).sqrt();
            let sphere = 4.0 / 3.0 * std::f64::consts::PI * radius.powi(3) / 27.0;
            // voxels are whole: a tenth of a voxel at the surface
            let whole = 3.0 * 0.3 / radius;
            assert!((found.voxels.len() as f64 / sphere - 1.0).abs() < whole, "{share}: {}", found.voxels.len());
            assert!((found.maximum - 10.0).abs() < 0.02, "the other hill has no part in it");
            assert!(found.voxels.is_sorted());
        }
        let at = image.grid.index(23, 10, 10);
        let peak = isocontour(&image, at, 0.4, Maximum::Peak, None).expect("a contour");
        assert!(peak.maximum < 8.0 && peak.maximum > 6.5, "{}", peak.maximum);
        // a bound cuts it
        let half: Vec<bool> = (0..image.data.len()).map(|n| image.grid.voxel(n)[0] >= 23).collect();
        let cut = isocontour(&image, at, 0.4, Maximum::Voxel, Some(&half)).expect("a contour");
        assert!(cut.voxels.iter().all(|&n| half[n]) && 2 * cut.voxels.len() < 3 * peak.voxels.len());
        assert!(isocontour(&image, 0, 0.4, Maximum::Voxel, Some(&half)).is_err());
        for share in [0.05, 0.95, f64::NAN] {
            assert!(isocontour(&image, at, share, Maximum::Voxel, None).is_err());
        }
    }

    #[test]
    fn law_small_spheres_lie_apart_inside_the_region() {
        let image = hills();
        let inside = |n: usize| image.grid.voxel(n).iter().all(|&at| (2..19).contains(&at));
        let region: Vec<bool> = (0..image.data.len()).map(inside).collect();
        let spheres = small_spheres(&image, &region, 5, 2.0).expect("five spheres");
        let mut all: Vec<usize> = spheres.concat();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert!(all.len() == count && all.iter().all(|&n| region[n]), "apart and inside");
        assert!(spheres.iter().all(|s| (s.len() as f64 * 27e-3 - 2.0).abs() < 0.2));
        let means: Vec<f64> =
            spheres.iter().map(|s| s.iter().map(|&n| image.data[n]).sum::<f64>() / s.len() as f64).collect();
        assert!(means.windows(2).all(|w| w[0] >= w[1]), "the hottest first: {means:?}");
        let error = small_spheres(&image, &region, 50, 2.0).expect_err("too many").to_string();
        assert!(error.contains("of 50 spheres fit"), "{error}");
    }
}
