//! Scene: matter on a grid, engine-neutral, checked at construction.

use crate::fault::{Explained, Fault, FaultKind, explained};
use crate::grid::VoxelGrid;
use crate::materials::tissues::Tissue;

/// Matter on a grid: mass density and tissue of every voxel. Outside the grid is vacuum.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The voxels.
    pub grid: VoxelGrid,
    /// Mass density by voxel, g/cm3, not negative.
    pub density_g_cm3: Vec<f32>,
    /// Index into `tissues` by voxel.
    pub tissue: Vec<u8>,
    /// The tissues named by `tissue`.
    pub tissues: Vec<Tissue>,
}

/// Why a scene cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SceneError {
    /// A volume has another number of voxels than the grid.
    Length {
        /// Which volume.
        field: &'static str,
        /// Its voxels.
        found: usize,
        /// The grid's voxels.
        expected: usize,
    },
    /// An impossible density.
    Density {
        /// Position in the volume.
        index: usize,
        /// Value found, g/cm3.
        found: f32,
    },
    /// A tissue index without a tissue.
    Tissue {
        /// Position in the volume.
        index: usize,
        /// Index found.
        found: u8,
        /// Number of tissues.
        count: usize,
    },
    /// A grid the kernel cannot hold.
    Grid {
        /// Voxels by axis.
        dims: [usize; 3],
        /// Edges, mm.
        spacing_mm: [f64; 3],
    },
}

explained!(SceneError);

impl Explained for SceneError {
    fn fault(&self) -> Fault {
        let told = |field: &str, found: String, allowed: String, next: &str| {
            Fault::invalid("scene", field, found, allowed, next).colon()
        };
        match self {
            Self::Length { field, found, expected } => {
                told(field, found.to_string(), expected.to_string(), "give both on one grid")
                    .kind(FaultKind::Mismatch)
                    .form("{place}: {field} has {found} voxels, the grid {allowed}")
            }
            Self::Density { index, found } => told(
                &format!("density of voxel {index}"),
                format!("{found} g/cm3"),
                "0 to 30".into(),
                "check the density volume's unit",
            )
            .form("{place}: {field} is {found}, {allowed} allowed"),
            Self::Tissue { index, found, count } => told(
                &format!("tissue index of voxel {index}"),
                found.to_string(),
                format!("{count} tissues"),
                "give the table that belongs to the volume",
            )
            .form("{place}: {field} is {found}, the table has {allowed}"),
            Self::Grid { dims, spacing_mm } => told(
                "grid",
                format!("{dims:?} voxels of {spacing_mm:?} mm"),
                "1 to 65535 voxels of 0.001 to 10000 mm, fewer than 2^31 in all".into(),
                "crop or resample it",
            )
            .form("{place}: {field} of {found}; each axis needs {allowed}"),
        }
    }
}

impl Scene {
    /// Refuses a grid that no scene can have.
    pub fn holds(grid: &VoxelGrid) -> Result<(), SceneError> {
        let sane = grid.dims.iter().all(|&n| (1..=65_535).contains(&n))
            && grid.spacing_mm.iter().all(|&s| (0.001..=10_000.0).contains(&s))
            && grid.len() < (1 << 31);
        if sane { Ok(()) } else { Err(SceneError::Grid { dims: grid.dims, spacing_mm: grid.spacing_mm }) }
    }

    /// A checked scene.
    pub fn new(
        grid: VoxelGrid,
        density_g_cm3: Vec<f32>,
        tissue: Vec<u8>,
        tissues: Vec<Tissue>,
    ) -> Result<Self, SceneError> {
        Self::holds(&grid)?;
        let expected = grid.len();
        for (field, found) in [("density", density_g_cm3.len()), ("tissue", tissue.len())] {
            if found != expected {
                return Err(SceneError::Length { field, found, expected });
            }
        }
        if let Some(index) = density_g_cm3.iter().position(|d| !(0.0..=30.0).contains(d)) {
            return Err(SceneError::Density { index, found: density_g_cm3[index] });
        }
        if let Some(index) = tissue.iter().position(|&t| usize::from(t) >= tissues.len()) {
            return Err(SceneError::Tissue { index, found: tissue[index], count: tissues.len() });
        }
        Ok(Self { grid, density_g_cm3, tissue, tissues })
    }

    /// A scene of one tissue at one density.
    pub fn uniform(grid: VoxelGrid, tissue: Tissue, density_g_cm3: f32) -> Result<Self, SceneError> {
        let n = grid.len();
        Self::new(grid, vec![density_g_cm3; n], vec![0; n], vec![tissue])
    }

    /// One word a voxel, as the kernel reads it: the density's f32 bits rounded to a multiple of 2^8, the tissue in
    /// the low 8 bits. The density is kept to 1.5e-5 (relative).
    pub fn voxel_words(&self) -> Vec<u32> {
        self.density_g_cm3
            .iter()
            .zip(&self.tissue)
            .map(|(&density, &tissue)| {
                // the smallest densities become vacuum: denormal numbers differ between devices
                let bits = if density < 1e-9 { 0 } else { density.to_bits() + 0x80 };
                (bits & 0xFFFF_FF00) | u32::from(tissue)
            })
            .collect()
    }
}
