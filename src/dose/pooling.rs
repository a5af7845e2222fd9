//! Standard errors of voxels, pooled over like neighbours.
//!
//! A voxel's own standard error comes from some 20 batches and is itself known to 16 % only. Worse where few histories
//! come: a low dose then goes with a low standard error, and a voxel that a rare history missed does not know it. Its
//! neighbours of like density, like decays and like surroundings have the same variance, and other luck: the mean of their
//! variances is the better estimate. Who is like whom follows from the scene alone, never from the tallies, so that the
//! choice adds no bias.

use crate::dose::DoseMap;
use crate::neighbourhood::{THIN_G_CM2, rough_dose};

/// Voxels are alike up to this ratio of their densities, decays and rough doses.
const ALIKE: f32 = 1.5;
/// Decays below this share of the largest are all alike.
const FAINT: f64 = 1e-4;
/// Gas and thin lung (below `THIN_G_CM2`), which electrons cross, are alike up to this ratio of their rough doses.
const THIN_ALIKE: f32 = 3.0;
/// Reach of pooling, voxels: of thin ones, of others.
const REACH: [usize; 2] = [2, 1];

/// What makes voxels alike.
struct Traits {
    density: Vec<f32>,
    decays: Vec<f32>,
    dose: Vec<f32>,
    thin_density: f32,
}

/// Whether two positive numbers differ by no more than a factor.
fn within(a: f32, b: f32, factor: f32) -> bool {
    a <= factor * b && b <= factor * a
}

impl Traits {
    fn is_thin(&self, v: usize) -> bool {
        self.density[v] < self.thin_density
    }

    fn alike(&self, v: usize, w: usize) -> bool {
        match (self.is_thin(v), self.is_thin(w)) {
            (true, true) => within(self.dose[v], self.dose[w], THIN_ALIKE),
            (false, false) => {
                within(self.density[v], self.density[w], ALIKE)
                    && within(self.decays[v], self.decays[w], ALIKE)
                    && within(self.dose[v], self.dose[w], ALIKE)
            }
            _ => false,
        }
    }
}

impl DoseMap {
    /// Replaces each voxel's relative standard error by the root of the mean squared standard error of the dose, Gy^2, over
    /// itself and its like neighbours, over its own dose. `density_g_cm3` and `decays` by voxel, as the dose was computed
    /// with; voxels below `air_limit_g_cm3` have no dose and take no part.
    pub fn pool_errors(&mut self, density_g_cm3: &[f32], decays: &[f64], air_limit_g_cm3: f64) {
        let dims = self.grid.dims;
        let most = decays.iter().copied().fold(0.0, f64::max);
        let faint = (most * FAINT).max(f64::MIN_POSITIVE);
        let edge_cm = 0.1 * self.grid.spacing_mm.iter().copied().fold(f64::INFINITY, f64::min);
        let mut dose = rough_dose(&self.grid, density_g_cm3, decays);
        let least = dose.iter().copied().fold(0.0, f32::max) * FAINT as f32;
        dose.iter_mut().for_each(|dose| *dose = dose.max(least).max(f32::MIN_POSITIVE));
        let traits = Traits {
            density: density_g_cm3.to_vec(),
            decays: decays.iter().map(|d| (d.max(faint) / faint) as f32).collect(),
            dose,
            thin_density: (THIN_G_CM2 / edge_cm) as f32,
        };
        let carries = |v: usize| f64::from(density_g_cm3[v]) >= air_limit_g_cm3 && density_g_cm3[v] > 0.0;
        let se_gy: Vec<f32> = self.sigma_rel.iter().zip(&self.dose_gy).map(|(s, d)| s * d.abs()).collect();
        let [nx, ny, nz] = dims;
        let plane = (nx * ny).max(1);
        let pooled = |v: usize| {
            let (x, y, z) = (v % nx, v / nx % ny, v / plane);
            let reach = REACH[usize::from(!traits.is_thin(v))];
            let range = |at: usize, count: usize| at.saturating_sub(reach)..(at + reach + 1).min(count);
            let (mut sum, mut count) = (0.0, 0u32);
            for k in range(z, nz) {
                for j in range(y, ny) {
                    for i in range(x, nx) {
                        let w = i + nx * (j + ny * k);
                        if traits.alike(v, w) && carries(w) {
                            sum += f64::from(se_gy[w]) * f64::from(se_gy[w]);
                            count += 1;
                        }
                    }
                }
            }
            (sum / f64::from(count)).sqrt()
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(nz.max(1));
        let share = nz.div_ceil(threads).max(1) * plane;
        let dose_gy = &self.dose_gy;
        let (pooled, carries) = (&pooled, &carries);
        std::thread::scope(|scope| {
            for (n, part) in self.sigma_rel.chunks_mut(share).enumerate() {
                scope.spawn(move || {
                    for (at, sigma) in part.iter_mut().enumerate() {
                        let v = n * share + at;
                        if dose_gy[v] != 0.0 && carries(v) {
                            *sigma = (pooled(v) / f64::from(dose_gy[v].abs())) as f32;
                        }
                    }
                });
            }
        });
    }
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

    /// The comparisons above see a map that is not pooled.
    #[test]
    fn alarm_errors_that_are_not_pooled_are_seen() {
        let se = [0.3, 0.5, 0.1];
        let got = row(&[1.0; 3], &[5.0; 3], &[2.0; 3], &se);
        assert!(got.iter().zip(se).all(|(got, own)| (got / own - 1.0).abs() > 0.1), "{got:?}");
    }
}
