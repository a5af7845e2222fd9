//! S-value shortcuts beside full transport: which one is wrong, where, by how much, and why.
//!
//! Every shortcut turns decays into energy per voxel (`EnergyMap`) and so into the same `DoseMap` as transport.
//! Kernels come from Lutra's own transport: a point kernel in an endless medium (`point_kernel`), folded into
//! voxels of any size (`voxel_kernel`). Chapter: docs/methods/svalues.md.

/// The shortcuts of one case beside its transport.
pub mod audit;

/// Why a shortcut deviates, in terms that add up to the deviation.
pub mod cause;

/// Doses of two maps, by region and by voxel.
pub mod compare;

/// A kernel laid over a map of decays, by fast Fourier transform.
pub mod convolution;

/// The gamma index.
pub mod gamma;

/// Kernels in files: NIfTI, CSV, text tables, raw cubes.
pub mod kernel_file;

/// Energy left where it is born.
pub mod local_deposition;

/// Shifts, flips and scales between two dose maps.
pub mod maps;

/// Organ S values scaled by mass.
pub mod organ;

/// Radial point kernels.
pub mod point_kernel;

/// The sphere model of lesions.
pub mod sphere;

/// Voxel S values.
pub mod voxel_kernel;

use crate::dose::{DoseError, DoseMap, PassEnergy};
use crate::fault::{Explained, Fault, Words, explained};
use crate::grid::VoxelGrid;
use crate::transport::SceneError;
use crate::transport::run::RunError;
use crate::units::JOULE_PER_KEV;

/// What keeps a shortcut from being computed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SvalueError {
    /// The transport that makes a kernel.
    Run(#[from] RunError),
    /// The scene of a kernel.
    Scene(#[from] SceneError),
    /// Volumes that do not fit each other.
    Dose(#[from] DoseError),
    /// A tissue that is not known.
    Material(#[from] crate::materials::MaterialError),
    /// A kernel that does not fit the map.
    Kernel {
        /// Which kernel.
        kernel: String,
        /// What about it.
        field: &'static str,
        /// Value found.
        found: String,
        /// Values allowed.
        allowed: String,
        /// What the user can do.
        next: Words,
    },
    /// A table of organ S values that cannot be used.
    Table {
        /// The file.
        file: String,
        /// Line or column.
        place: String,
        /// What was found.
        found: String,
        /// What is allowed.
        allowed: String,
        /// What the user can do.
        next: String,
    },
    /// A file that cannot be read.
    Io(#[from] crate::io::IoError),
}

explained!(SvalueError);

impl Explained for SvalueError {
    fn fault(&self) -> Fault {
        match self {
            Self::Run(error) => error.fault(),
            Self::Scene(error) => error.fault(),
            Self::Dose(error) => error.fault(),
            Self::Material(error) => error.fault(),
            Self::Io(error) => error.fault(),
            Self::Kernel { kernel, field, found, allowed, next } => {
                Fault::invalid(kernel, *field, found, allowed, next)
                    .form("kernel {place}: {field}: found {found}; allowed: {allowed}")
            }
            Self::Table { file, place, found, allowed, next } => {
                Fault::invalid(place, "", found, allowed, next).inside(file)
            }
        }
    }
}

/// S, mGy/(MBq s), of 1 keV per decay in 1 g: 1 Gy per decay is 1e9 mGy/(MBq s).
pub const MGY_PER_MBQ_S_PER_KEV_G: f64 = JOULE_PER_KEV * 1e3 * 1e9;

/// Energy that a shortcut puts into each voxel, for all decays, keV.
#[derive(Clone, Debug, PartialEq)]
pub struct EnergyMap {
    /// By betas, conversion and Auger electrons. Where a method knows no parts, all of it.
    pub electron_kev: Vec<f64>,
    /// By gammas and X rays.
    pub photon_kev: Vec<f64>,
}

impl EnergyMap {
    /// No energy in `voxels` voxels.
    pub fn none(voxels: usize) -> Self {
        Self { electron_kev: vec![0.0; voxels], photon_kev: vec![0.0; voxels] }
    }

    /// Energy of both parts in a voxel, keV.
    pub fn total_kev(&self, voxel: usize) -> f64 {
        self.electron_kev[voxel] + self.photon_kev[voxel]
    }

    /// The dose map: D = E / (density x voxel volume), voxels below `air_limit_g_cm3` without dose. The statistical
    /// uncertainty is 0: shortcuts have none of their own.
    pub fn dose(&self, grid: &VoxelGrid, density_g_cm3: &[f32], air_limit_g_cm3: f64) -> Result<DoseMap, SvalueError> {
        let none = vec![0.0; grid.len()];
        let part = |energy_kev| PassEnergy { energy_kev, variance_kev2: &none };
        let (electron, photon) = (part(&self.electron_kev), part(&self.photon_kev));
        Ok(DoseMap::from_energy(grid, density_g_cm3, electron, photon, air_limit_g_cm3)?)
    }
}
