//! Whether two dose maps differ by more than their noise. Both standard errors are used where `sigma_rel.nii.gz` lies beside
//! each map, as a run writes it.

use super::failure::{OrUserError, UserError};
use crate::grid::{Volume, VoxelGrid};
use crate::io::nifti;
use crate::place::Place;

/// The file beside a dose map that holds its relative standard error.
const SIGMA_FILE: &str = "sigma_rel.nii.gz";
/// Voxels below this share of the highest dose take no part, as for gamma.
const LEAST_SHARE: f64 = 0.1;
/// Share of normal differences within two standard errors.
pub const WITHIN_TWO: f64 = 0.9545;
/// Spread of the differences in standard errors above which noise does not explain them. Errors of 20 batches are known to
/// 16 % each; a voxel's neighbours share their noise.
const MOST_SPREAD: f64 = 1.3;

/// The differences in units of their standard errors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// Root mean square of (B - A) over the root of the sum of both squared errors: 1 for noise alone.
    pub spread: f64,
    /// Share of the voxels within two standard errors.
    pub within_two: f64,
    /// Median relative standard error of a difference.
    pub median_rel: f64,
    /// Voxels that took part.
    pub voxels: usize,
}

impl Noise {
    /// Whether noise explains the differences.
    pub fn explains(&self) -> bool {
        self.spread <= MOST_SPREAD
    }

    /// In words.
    pub fn words(&self) -> String {
        format!(
            "differences are {:.2} times their standard errors (root mean square; 1 for noise alone), {:.1} % of the voxels lie \
             within two (noise alone: {:.1} %)",
            self.spread,
            100.0 * self.within_two,
            100.0 * WITHIN_TWO
        )
    }
}

/// The errors beside a map; none where there is no such file or it is on another grid.
fn sigma_beside(map: &Place, grid: &VoxelGrid) -> Result<Option<Vec<f32>>, UserError> {
    let path = map.beside(SIGMA_FILE);
    if !path.is_file() || path == *map {
        return Ok(None);
    }
    let (sigma, _) = nifti::read(&path).or_user_error()?.to_canonical();
    Ok(sigma.grid.same_as(grid).then_some(sigma.data))
}

/// The differences of two maps on one grid against their errors; none where one of the errors is not known.
///
/// Errors: a file of errors that cannot be read.
pub fn noise(paths: [&Place; 2], a: &Volume<f32>, b: &Volume<f32>) -> Result<Option<Noise>, UserError> {
    if !a.grid.same_as(&b.grid) {
        return Ok(None);
    }
    let [sa, sb] = [sigma_beside(paths[0], &a.grid)?, sigma_beside(paths[1], &b.grid)?];
    Ok(sa.zip(sb).and_then(|(sa, sb)| of(&a.data, &b.data, &sa, &sb)))
}

/// The same of values and relative errors.
fn of(a: &[f32], b: &[f32], sigma_a: &[f32], sigma_b: &[f32]) -> Option<Noise> {
    let top = a.iter().copied().fold(0.0_f32, f32::max);
    let least = LEAST_SHARE * f64::from(top);
    let (mut squares, mut within, mut relative) = (0.0, 0_usize, Vec::new());
    for n in 0..a.len() {
        let [a, b, sa, sb] = [a[n], b[n], sigma_a[n], sigma_b[n]].map(f64::from);
        let error = (a * sa).hypot(b * sb);
        if a <= least || error <= 0.0 || !error.is_finite() {
            continue;
        }
        let z = (b - a) / error;
        squares += z * z;
        within += usize::from(z.abs() <= 2.0);
        relative.push(error / a);
    }
    let voxels = relative.len();
    relative.sort_by(f64::total_cmp);
    (voxels > 0).then(|| Noise {
        spread: (squares / voxels as f64).sqrt(),
        within_two: within as f64 / voxels as f64,
        median_rel: relative[voxels / 2],
        voxels,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use statrs::distribution::{ContinuousCDF, Normal};

    /// Two runs of one dose with these relative errors, and another dose by `factor`.
    fn runs(rel: [f64; 2], factor: f64) -> Noise {
        let normal = Normal::standard();
        let mut rng = rand_xoshiro::Xoshiro256PlusPlus::seed_from_u64(7);
        let mut draw = |dose: f64, rel: f64| {
            (0..20_000)
                .map(|_| (dose * (1.0 + rel * normal.inverse_cdf(rng.random::<f64>()))) as f32)
                .collect::<Vec<_>>()
        };
        let (a, b) = (draw(10.0, rel[0]), draw(10.0 * factor, rel[1]));
        let sigma = |rel: f64| vec![rel as f32; 20_000];
        of(&a, &b, &sigma(rel[0]), &sigma(rel[1])).expect("voxels with dose")
    }

    #[test]
    fn law_two_runs_of_one_dose_differ_by_their_noise() {
        let same = runs([0.03, 0.05], 1.0);
        assert!((same.spread - 1.0).abs() < 0.03 && (same.within_two - WITHIN_TWO).abs() < 0.01, "{same:?}");
        assert!(same.explains());
    }

    #[test]
    fn alarm_another_dose_is_not_explained_by_noise() {
        let other = runs([0.03, 0.05], 1.15);
        assert!(!other.explains() && other.spread > 2.0, "{other:?}");
    }
}
