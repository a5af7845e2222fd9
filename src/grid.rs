//! Voxel grids and volumes.
//!
//! Index order is x fastest: voxel (i, j, k) lies at `i + nx * (j + ny * k)`. World coordinates are
//! RAS millimetres as NIfTI defines them (+x right, +y anterior, +z superior), reached from voxel
//! indices (voxel centres at integers) through the affine.

/// A regular grid of voxels in space.
#[derive(Clone, Debug, PartialEq)]
pub struct VoxelGrid {
    /// Number of voxels along the three index axes.
    pub dims: [usize; 3],
    /// Edge lengths of a voxel along the three index axes, mm, positive.
    pub spacing_mm: [f64; 3],
    /// Voxel index (centre at integers) to world RAS mm; rows x, y, z; last column the origin.
    pub affine: [[f64; 4]; 3],
}

impl VoxelGrid {
    /// An axis-aligned grid whose first voxel's centre is `origin_mm`.
    pub fn axis_aligned(dims: [usize; 3], spacing_mm: [f64; 3], origin_mm: [f64; 3]) -> Self {
        let mut affine = [[0.0; 4]; 3];
        for axis in 0..3 {
            affine[axis][axis] = spacing_mm[axis];
            affine[axis][3] = origin_mm[axis];
        }
        Self {
            dims,
            spacing_mm,
            affine,
        }
    }

    /// Number of voxels.
    pub fn len(&self) -> usize {
        self.dims.iter().product()
    }

    /// Whether the grid has no voxel.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Position of voxel (i, j, k) in the data of a volume.
    pub fn index(&self, i: usize, j: usize, k: usize) -> usize {
        i + self.dims[0] * (j + self.dims[1] * k)
    }

    /// Volume of one voxel, cm3.
    pub fn voxel_cm3(&self) -> f64 {
        self.spacing_mm.iter().product::<f64>() * 1e-3
    }
}

/// Values on a grid, x fastest.
#[derive(Clone, Debug, PartialEq)]
pub struct Volume<T> {
    /// Where the values lie.
    pub grid: VoxelGrid,
    /// One value a voxel, `grid.len()` of them.
    pub data: Vec<T>,
}
