//! A grid as stored in a record: every number by its bits, so that it is read back exactly.

use crate::grid::VoxelGrid;
use serde::{Deserialize, Serialize};

/// A grid by its bits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct GridBits {
    dims: [usize; 3],
    spacing: [u64; 3],
    affine: [[u64; 4]; 3],
}

impl GridBits {
    pub(super) fn of(grid: &VoxelGrid) -> Self {
        let bits = |row: [f64; 4]| row.map(f64::to_bits);
        Self { dims: grid.dims, spacing: grid.spacing_mm.map(f64::to_bits), affine: grid.affine.map(bits) }
    }

    pub(super) fn grid(&self) -> VoxelGrid {
        let real = |row: [u64; 4]| row.map(f64::from_bits);
        VoxelGrid { dims: self.dims, spacing_mm: self.spacing.map(f64::from_bits), affine: self.affine.map(real) }
    }
}
