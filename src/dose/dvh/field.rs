//! The dose of a grid, within its voxels too: each voxel's own value and the slopes to its neighbours.

use crate::grid::VoxelGrid;

/// What a region's histogram is made of; slices have one value a voxel of the grid.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    /// The voxels.
    pub grid: &'a VoxelGrid,
    /// Dose, Gy.
    pub dose_gy: &'a [f32],
    /// Mass density, g/cm3; none weighs all voxels alike.
    pub density_g_cm3: Option<&'a [f32]>,
    /// Density below which a voxel carries no dose and stays out, g/cm3.
    pub least_density_g_cm3: f64,
}

/// A voxel of a region and the share of it that the region covers, above 0 to 1.
pub type Member = (usize, f32);

impl Field<'_> {
    /// Whether a voxel carries dose.
    pub(super) fn carries(&self, n: usize) -> bool {
        self.density_g_cm3.is_none_or(|density| f64::from(density[n]) >= self.least_density_g_cm3)
    }

    /// Mass of a voxel, in units of its volume.
    pub(super) fn mass(&self, n: usize) -> f32 {
        self.density_g_cm3.map_or(1.0, |density| density[n])
    }

    /// Neighbour of voxel `n` along `axis`, `step` -1 or 1; none beyond the grid.
    pub(super) fn neighbour(&self, n: usize, axis: usize, step: isize) -> Option<usize> {
        let [nx, ny, _] = self.grid.dims;
        let stride = [1, nx, nx * ny][axis];
        let place = n / stride % self.grid.dims[axis];
        let there = place.checked_add_signed(step)?;
        (there < self.grid.dims[axis]).then(|| if step > 0 { n + stride } else { n - stride })
    }

    /// Change of dose over one voxel along each axis, Gy.
    pub(super) fn slopes(&self, n: usize) -> [f32; 3] {
        let here = self.dose_gy[n];
        let mut slopes = std::array::from_fn(|axis| {
            let dose = |step: isize| {
                let there = self.neighbour(n, axis, step).filter(|&there| self.carries(there))?;
                Some(self.dose_gy[there])
            };
            match (dose(-1), dose(1)) {
                (Some(before), Some(after)) => limited(here - before, after - here),
                (Some(before), None) => here - before,
                (None, Some(after)) => after - here,
                (None, None) => 0.0,
            }
        });
        // no corner below 0 Gy; a voxel of noise alone, below 0 itself, stays level
        if here <= 0.0 {
            return [0.0; 3];
        }
        let reach: f32 = slopes.iter().map(|slope: &f32| 0.5 * slope.abs()).sum();
        if reach > here {
            slopes = slopes.map(|slope| slope * here / reach);
        }
        slopes
    }
}

/// The monotonised central slope of two differences.
fn limited(before: f32, after: f32) -> f32 {
    if before * after <= 0.0 {
        return 0.0;
    }
    let central = 0.5 * (before + after);
    central.signum() * central.abs().min(2.0 * before.abs()).min(2.0 * after.abs())
}
