//! Energy and mass to absorbed dose, per voxel and per region.
//!
//! Dose is energy over mass, to the medium in the medium. A voxel thinner than `AIR_LIMIT_G_CM3` (air) carries
//! energy but no dose: its few keV over a few micrograms would be the hottest and least meaningful number of the
//! map. The limit is an argument, so a caller who wants dose to air passes 0.

/// Dose-volume histograms and their quantiles.
pub mod dvh;

/// Standard errors of voxels from like neighbours.
pub mod pooling;

/// Mean dose, uncertainty and histogram points of labelled regions.
pub mod regions;

use crate::bounds::{self, BoundsError};
use crate::fault::{Explained, Fault, FaultKind, explained};
use crate::grid::VoxelGrid;
use crate::units::GY_PER_KEV_G;
use thiserror::Error;

pub use crate::neighbourhood::AIR_LIMIT_G_CM3;

/// What keeps energies from becoming doses.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DoseError {
    /// A volume has the wrong number of voxels.
    WrongLength {
        /// Which volume.
        what: &'static str,
        /// Its number of values.
        found: usize,
        /// The grid's number of voxels.
        wanted: usize,
    },
    /// A region with a label has energy but no voxel, or the other way round.
    MissingLabel {
        /// The label.
        label: u16,
    },
    /// A dose that no patient can have, or that no map can hold.
    Impossible(#[from] BoundsError),
}

explained!(DoseError);

impl Explained for DoseError {
    fn fault(&self) -> Fault {
        match self {
            Self::WrongLength { what, found, wanted } => {
                Fault::invalid("", *what, found.to_string(), wanted.to_string(), "")
                    .kind(FaultKind::Mismatch)
                    .form("{field} has {found} voxels, the grid has {allowed}")
            }
            Self::MissingLabel { label } => Fault::of(FaultKind::Program)
                .found(label.to_string())
                .form("label {found} has voxels but no tallied energy"),
            Self::Impossible(error) => error.fault(),
        }
    }
}

/// Energy that one pass deposits, for all decays of the source.
#[derive(Clone, Copy, Debug)]
pub struct PassEnergy<'a> {
    /// Deposited energy per voxel, keV.
    pub energy_kev: &'a [f64],
    /// Variance of that estimate per voxel, keV^2.
    pub variance_kev2: &'a [f64],
}

/// Absorbed dose on a grid with its statistical uncertainty.
#[derive(Clone, Debug)]
pub struct DoseMap {
    /// Where the values lie.
    pub grid: VoxelGrid,
    /// Absorbed dose of electrons and photons together, Gy.
    pub dose_gy: Vec<f32>,
    /// Relative standard error of `dose_gy`, positive where the dose is below 0 too. Where the dose is 0 there is nothing
    /// to be relative to and the value is 0; it then means that nothing was scored (or that the voxel is air), not that
    /// the dose is certain.
    pub sigma_rel: Vec<f32>,
    /// Part of `dose_gy` brought by betas, conversion and Auger electrons, Gy.
    pub dose_electron_gy: Vec<f32>,
    /// Part of `dose_gy` brought by gammas and X rays, Gy.
    pub dose_photon_gy: Vec<f32>,
}

impl DoseMap {
    /// Dose of each voxel from its energies: D = E / (density x voxel volume).
    ///
    /// `density_g_cm3` has one value a voxel; voxels below `air_limit_g_cm3` get dose 0. The two passes are
    /// independent, so their variances add. Errors when a slice does not fit the grid, and where a dose is not finite or
    /// above [`bounds::MOST_VOXEL_GY`].
    pub fn from_energy(
        grid: &VoxelGrid,
        density_g_cm3: &[f32],
        electron: PassEnergy<'_>,
        photon: PassEnergy<'_>,
        air_limit_g_cm3: f64,
    ) -> Result<Self, DoseError> {
        let count = grid.len();
        fits("density", density_g_cm3.len(), count)?;
        fits("electron energy", electron.energy_kev.len(), count)?;
        fits("electron variance", electron.variance_kev2.len(), count)?;
        fits("photon energy", photon.energy_kev.len(), count)?;
        fits("photon variance", photon.variance_kev2.len(), count)?;
        let voxel_cm3 = grid.voxel_cm3();
        let mut map = Self {
            grid: grid.clone(),
            dose_gy: vec![0.0; count],
            sigma_rel: vec![0.0; count],
            dose_electron_gy: vec![0.0; count],
            dose_photon_gy: vec![0.0; count],
        };
        for (n, &density) in density_g_cm3.iter().enumerate() {
            let density = f64::from(density);
            if density < air_limit_g_cm3 || density <= 0.0 {
                continue;
            }
            let gy_per_kev = GY_PER_KEV_G / (density * voxel_cm3);
            let energy_kev = electron.energy_kev[n] + photon.energy_kev[n];
            let variance_kev2 = electron.variance_kev2[n] + photon.variance_kev2[n];
            let gy = |energy_kev: f64| {
                bounds::voxel_dose("", energy_kev * gy_per_kev)
                    .map_err(|error| at_voxel("absorbed dose", grid, n, error))
            };
            map.dose_gy[n] = gy(energy_kev)?;
            map.dose_electron_gy[n] = gy(electron.energy_kev[n])?;
            map.dose_photon_gy[n] = gy(photon.energy_kev[n])?;
            if energy_kev != 0.0 {
                let sigma_rel = if variance_kev2 < 0.0 { 0.0 } else { variance_kev2.sqrt() } / energy_kev.abs();
                map.sigma_rel[n] = bounds::single("", sigma_rel)
                    .map_err(|error| at_voxel("relative standard error", grid, n, error))?;
            }
        }
        Ok(map)
    }
}

/// An error with the quantity and the voxel that it is about; words are made where one is wrong, not for every voxel.
fn at_voxel(quantity: &str, grid: &VoxelGrid, index: usize, error: BoundsError) -> BoundsError {
    let [i, j, k] = grid.voxel(index);
    BoundsError { what: format!("{quantity} in voxel ({i}, {j}, {k})").into(), ..error }
}

fn fits(what: &'static str, found: usize, wanted: usize) -> Result<(), DoseError> {
    if found == wanted { Ok(()) } else { Err(DoseError::WrongLength { what, found, wanted }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn law_dose_is_energy_over_mass() {
        // 1 cm3 voxels; 1 J in 1 kg is 1 Gy: 1 g and 1 mJ = 6.241509074e12 keV.
        let grid = VoxelGrid::axis_aligned([3, 1, 1], [10.0; 3], [0.0; 3]);
        let electron = PassEnergy { energy_kev: &[6.241_509_074e12, 3.0, 0.0], variance_kev2: &[0.0, 0.16, 0.0] };
        let photon = PassEnergy { energy_kev: &[6.241_509_074e12, 1.0, 0.0], variance_kev2: &[0.0, 0.09, 0.0] };
        let map = DoseMap::from_energy(&grid, &[1.0, 0.001, 1.0], electron, photon, AIR_LIMIT_G_CM3).expect("fits");
        assert!((map.dose_gy[0] - 2.0).abs() < 1e-6);
        assert!((map.dose_electron_gy[0] - 1.0).abs() < 1e-6);
        assert_eq!(map.dose_gy[1], 0.0, "air carries no dose");
        assert_eq!(map.sigma_rel[2], 0.0, "no dose, no relative error");
        let asked = DoseMap::from_energy(&grid, &[1.0, 0.001, 1.0], electron, photon, 0.0).expect("fits");
        assert!((f64::from(asked.dose_gy[1]) / (4.0 * GY_PER_KEV_G / 0.001) - 1.0).abs() < 1e-6);
        assert!((asked.sigma_rel[1] - 0.125).abs() < 1e-6, "sqrt(0.16 + 0.09) / 4");
    }

    /// No map holds what is not finite: energy or variance that overflow, and a dose that no patient has, are named.
    #[test]
    fn alarm_impossible_doses_are_refused() {
        let grid = VoxelGrid::axis_aligned([2, 1, 1], [10.0; 3], [0.0; 3]);
        let none = PassEnergy { energy_kev: &[0.0; 2], variance_kev2: &[0.0; 2] };
        let of = |energy_kev: f64, variance_kev2: f64| {
            let (energy, variance) = ([1e10, energy_kev], [1e18, variance_kev2]);
            let electron = PassEnergy { energy_kev: &energy, variance_kev2: &variance };
            let error = |result: Result<DoseMap, DoseError>| result.err().map(|error| error.to_string());
            let swapped = error(DoseMap::from_energy(&grid, &[1.0; 2], none, electron, 0.0));
            let found = error(DoseMap::from_energy(&grid, &[1.0; 2], electron, none, 0.0));
            assert_eq!(found, swapped, "either pass");
            found
        };
        assert_eq!(of(1e10, 1e18), None, "1.6 mGy");
        let most_kev = bounds::MOST_VOXEL_GY / GY_PER_KEV_G;
        assert_eq!(of(0.999 * most_kev, 1.0), None);
        for energy_kev in [1.001 * most_kev, -1.001 * most_kev, 1e52, 1e300, f64::INFINITY, f64::NAN] {
            let found = of(energy_kev, 1.0).unwrap_or_else(|| panic!("{energy_kev} keV pass"));
            assert!(found.starts_with("absorbed dose in voxel (1, 0, 0): found"), "{found}");
        }
        for variance in [f64::INFINITY, f64::NAN] {
            let found = of(1.0, variance).unwrap_or_else(|| "no error".to_owned());
            assert!(found.starts_with("relative standard error in voxel (1, 0, 0)"), "{variance}: {found}");
        }
    }

    #[test]
    fn law_wrong_length_is_named() {
        let grid = VoxelGrid::axis_aligned([2, 1, 1], [1.0; 3], [0.0; 3]);
        let pass = PassEnergy { energy_kev: &[0.0; 2], variance_kev2: &[0.0; 2] };
        let error = DoseMap::from_energy(&grid, &[1.0], pass, pass, 0.0).expect_err("one density for two voxels");
        assert_eq!(error.to_string(), "density has 1 voxels, the grid has 2");
    }
}
