//! Standard errors of voxels, pooled over similar neighbours.
//!
//! A voxel's own standard error comes from some 20 batches and is itself known to 16 % only. It is worse where few
//! histories arrive: a low dose then comes with a low standard error, and a voxel that a rare history missed does not
//! show it. Neighbours with similar density, decays and surroundings have the same variance but independent samples, so
//! the mean of their variances is the better estimate. Similarity depends on the scene alone, never on the tallies, so
//! the choice adds no bias.

use crate::cores;
use crate::dose::DoseMap;
use crate::neighbourhood::Alike;

impl DoseMap {
    /// Replaces each voxel's relative standard error by the root of the mean squared standard error of the dose, Gy^2, over
    /// itself and its like neighbours, over its own dose. `density_g_cm3` and `decays` by voxel, as the dose was computed
    /// with; voxels below `air_limit_g_cm3` have no dose and take no part.
    pub fn pool_errors(&mut self, density_g_cm3: &[f32], decays: &[f64], air_limit_g_cm3: f64) {
        let alike = Alike::new(&self.grid, density_g_cm3, decays, air_limit_g_cm3);
        let se_gy: Vec<f32> = self.sigma_rel.iter().zip(&self.dose_gy).map(|(s, d)| s * d.abs()).collect();
        let variance_gy2 = |v: usize| f64::from(se_gy[v]) * f64::from(se_gy[v]);
        let (dose_gy, sigma_rel) = (&self.dose_gy, &mut self.sigma_rel);
        let step = cores::piece(dose_gy.len());
        cores::of_each(sigma_rel.chunks_mut(step).enumerate(), |(n, part)| {
            for (v, sigma) in (n * step..).zip(part) {
                if dose_gy[v] != 0.0 && alike.counts(v) {
                    *sigma = held(alike.pooled(v, &variance_gy2).sqrt() / f64::from(dose_gy[v].abs()));
                }
            }
        });
    }
}

/// A relative error as a map holds it. The dose of a voxel that histories have all but missed can be so small beside the error of its
/// neighbours that no single precision number says how often it goes into it: the largest one then says that it does not count.
fn held(relative: f64) -> f32 {
    relative.min(f64::from(f32::MAX)) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dose::{AIR_LIMIT_G_CM3, PassEnergy};
    use crate::grid::VoxelGrid;
    use crate::units::GY_PER_KEV_G;

    /// A row of voxels with these doses and standard errors, Gy, pooled.
    fn row(density: &[f32], decays: &[f64], dose: &[f64], se: &[f64]) -> Vec<f64> {
        let grid = VoxelGrid::axis_aligned([dose.len(), 1, 1], [10.0; 3], [0.0; 3]);
        let kev = |gy: &[f64]| -> Vec<f64> {
            gy.iter().zip(density).map(|(gy, &rho)| gy * f64::from(rho) / GY_PER_KEV_G).collect()
        };
        let energy = kev(dose);
        let variance: Vec<f64> = kev(se).iter().map(|se| se * se).collect();
        let zero = vec![0.0; dose.len()];
        let electron = PassEnergy { energy_kev: &energy, variance_kev2: &variance };
        let photon = PassEnergy { energy_kev: &zero, variance_kev2: &zero };
        let mut map = DoseMap::from_energy(&grid, density, electron, photon, AIR_LIMIT_G_CM3).expect("fits");
        map.pool_errors(density, decays, AIR_LIMIT_G_CM3);
        map.sigma_rel.iter().zip(&map.dose_gy).map(|(s, d)| f64::from(s * d.abs())).collect()
    }

    /// Like voxels share their mean variance; the sum of variances of a closed group of like voxels stays what it was.
    #[test]
    fn law_like_voxels_share_their_variance() {
        let got = row(&[1.0; 3], &[5.0; 3], &[2.0, -1.0, 3.0], &[0.3, 0.5, 0.1]);
        let expected = [(0.34f64 / 2.0).sqrt(), (0.35f64 / 3.0).sqrt(), (0.26f64 / 2.0).sqrt()];
        for (got, expected) in got.iter().zip(expected) {
            assert!((got / expected - 1.0).abs() < 1e-5, "{got} {expected}");
        }
    }

    /// Bone, another uptake and air are not alike.
    #[test]
    fn law_unlike_voxels_keep_their_own() {
        let se = [0.3, 0.5, 0.1];
        for (density, decays) in [([1.0, 1.8, 1.0], [5.0; 3]), ([1.0; 3], [5.0, 11.0, 5.0])] {
            let got = row(&density, &decays, &[2.0; 3], &se);
            assert!(got.iter().zip(se).all(|(got, own)| (got / own - 1.0).abs() < 1e-5), "{got:?}");
        }
        let got = row(&[1.0, 0.001, 1.0], &[5.0; 3], &[2.0; 3], &se);
        assert_eq!(got[1], 0.0, "air has no dose and no error");
        assert!((got[0] / 0.3 - 1.0).abs() < 1e-5, "nor does it lend one: {got:?}");
    }

    /// A voxel of gas that every history missed takes the error of the gas around, two voxels away too.
    #[test]
    fn law_missed_gas_learns_from_the_gas_around() {
        // 0.1 g/cm3 over 1 mm is less than electrons cross
        let grid = VoxelGrid::axis_aligned([4, 1, 1], [1.0; 3], [0.0; 3]);
        let mut map = DoseMap {
            grid,
            dose_gy: vec![1.0; 4],
            sigma_rel: vec![0.0, 0.0, 0.6, 0.0],
            dose_electron_gy: vec![1.0; 4],
            dose_photon_gy: vec![0.0; 4],
        };
        map.pool_errors(&[0.1; 4], &[1.0; 4], AIR_LIMIT_G_CM3);
        assert!((map.sigma_rel[0] - (0.36f32 / 3.0).sqrt()).abs() < 1e-5, "{:?}", map.sigma_rel);
        assert!((map.sigma_rel[1] - (0.36f32 / 4.0).sqrt()).abs() < 1e-5, "{:?}", map.sigma_rel);
    }

    /// A voxel with next to no dose among others with an error has one that a map can hold.
    #[test]
    fn law_errors_beside_next_to_no_dose_are_finite() {
        let grid = VoxelGrid::axis_aligned([3, 1, 1], [1.0; 3], [0.0; 3]);
        let mut map = DoseMap {
            grid,
            dose_gy: vec![1.0, 1e-42, 1.0],
            sigma_rel: vec![0.5, 0.1, 0.5],
            dose_electron_gy: vec![1.0, 1e-42, 1.0],
            dose_photon_gy: vec![0.0; 3],
        };
        map.pool_errors(&[1.0; 3], &[1.0; 3], AIR_LIMIT_G_CM3);
        assert_eq!(map.sigma_rel[1], f32::MAX);
        assert!(map.sigma_rel.iter().all(|sigma| sigma.is_finite() && *sigma > 0.1), "{:?}", map.sigma_rel);
    }

    /// The comparisons above see a map that is not pooled.
    #[test]
    fn alarm_errors_that_are_not_pooled_are_seen() {
        let se = [0.3, 0.5, 0.1];
        let got = row(&[1.0; 3], &[5.0; 3], &[2.0; 3], &se);
        assert!(got.iter().zip(se).all(|(got, own)| (got / own - 1.0).abs() > 0.1), "{got:?}");
    }
}
