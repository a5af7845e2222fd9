//! Local deposition: every decay leaves its electrons' energy, and on request the photons' share that its own voxel
//! absorbs, where it happens.

use super::EnergyMap;
use super::voxel_kernel::VoxelKernel;
use crate::decay::Nuclide;

/// Energy of betas, conversion and Auger electrons on the spot.
pub fn electrons(decays: &[f64], nuclide: &Nuclide) -> EnergyMap {
    let kev = nuclide.electron_energy_kev_per_decay();
    EnergyMap { electron_kev: decays.iter().map(|d| d * kev).collect(), photon_kev: vec![0.0; decays.len()] }
}

/// The same, with the energy that the source voxel of `kernel` absorbs from photons.
pub fn electrons_and_photons(decays: &[f64], nuclide: &Nuclide, kernel: &VoxelKernel) -> EnergyMap {
    let photon_kev = kernel.photon_kev.first().copied().unwrap_or(0.0);
    EnergyMap { photon_kev: decays.iter().map(|d| d * photon_kev).collect(), ..electrons(decays, nuclide) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{DECAYS_PER_MBQ_H, GY_PER_KEV_G};

    /// 1 MBq h in 1 g gives 0.0856 Gy with the evaluated data (0.0853 with ICRP 107): 85.6 mGy g/(MBq h).
    #[test]
    fn law_local_deposition_constant_of_lu177() {
        let nuclide = Nuclide::load("lu177").unwrap();
        let map = electrons(&[DECAYS_PER_MBQ_H, 0.0], &nuclide);
        let gy = map.electron_kev[0] * GY_PER_KEV_G;
        assert!((gy - 0.0856).abs() < 2e-4, "{gy}");
        assert_eq!(map.total_kev(1), 0.0);
    }
}
