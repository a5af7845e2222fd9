//! Volumes as arrays of the ecosystem (`ndarray`): views without copies, indexed (i, j, k) along the axes of the grid.
//!
//! The one order of values is x fastest: an array is of the shape of [`VoxelGrid::dims`](crate::grid::VoxelGrid::dims) with strides
//! (1, nx, nx ny), Fortran's order. An array in that order comes in and goes out without a copy; any other is copied once.

use crate::grid::{GridError, Volume, VoxelGrid};
use ndarray::{Array3, ArrayView3, ArrayViewMut3, ShapeBuilder};

/// Shape of a grid's arrays, in the order of its values.
fn shape(grid: &VoxelGrid) -> ndarray::Shape<ndarray::Ix3> {
    let [nx, ny, nz] = grid.dims;
    (nx, ny, nz).f()
}

/// Values on a grid, x fastest, as an array. None where there is not one value a voxel.
pub fn view<'a, T>(grid: &VoxelGrid, values: &'a [T]) -> Option<ArrayView3<'a, T>> {
    ArrayView3::from_shape(shape(grid), values).ok().filter(|_| values.len() == grid.len())
}

impl<T: Copy> Volume<T> {
    /// The values as an array of the shape of the grid, indexed (i, j, k); no copy.
    ///
    /// Panics where `data` no longer has one value a voxel.
    pub fn view(&self) -> ArrayView3<'_, T> {
        view(&self.grid, &self.data).expect("a volume has one value a voxel")
    }

    /// As [`Volume::view`], to be written to.
    pub fn view_mut(&mut self) -> ArrayViewMut3<'_, T> {
        ArrayViewMut3::from_shape(shape(&self.grid), &mut self.data).expect("a volume has one value a voxel")
    }

    /// A volume from an array indexed (i, j, k) along the axes of the grid. An array in Fortran's order is taken as it is,
    /// any other is copied.
    ///
    /// Errors: an array of another shape than the grid's.
    pub fn from_array(grid: VoxelGrid, values: Array3<T>) -> Result<Self, GridError> {
        let found: [usize; 3] = values.dim().into();
        if found != grid.dims {
            return Err(GridError::Shape { found, expected: grid.dims });
        }
        // seen from its last axis, an array in Fortran's order is one in the standard order
        let turned = values.reversed_axes();
        let standard = turned.is_standard_layout();
        let (data, offset) =
            if standard { turned.into_raw_vec_and_offset() } else { (turned.iter().copied().collect(), None) };
        let data = match offset {
            Some(from) if from > 0 || data.len() != grid.len() => data[from..from + grid.len()].to_vec(),
            _ => data,
        };
        Self::new(grid, data)
    }

    /// The values as an array of the shape of the grid, in Fortran's order; no copy.
    ///
    /// Panics where `data` no longer has one value a voxel.
    pub fn into_array(self) -> Array3<T> {
        Array3::from_shape_vec(shape(&self.grid), self.data).expect("a volume has one value a voxel")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Axis, s};

    fn volume() -> Volume<u16> {
        let grid = VoxelGrid::axis_aligned([3, 4, 5], [1.0; 3], [0.0; 3]);
        let data = (0..grid.len() as u16).collect();
        Volume { grid, data }
    }

    #[test]
    fn law_a_view_has_the_order_of_the_grid_and_no_copy() {
        let mut volume = volume();
        assert_eq!(volume.view().dim(), (3, 4, 5));
        assert_eq!(volume.view().strides(), [1, 3, 12]);
        for ((i, j, k), &value) in volume.view().indexed_iter() {
            assert_eq!(value, volume.at(i, j, k));
        }
        assert!(std::ptr::eq(volume.view().as_ptr(), volume.data.as_ptr()));
        // alarm: the middle slice of another axis is other values
        assert_ne!(volume.view().index_axis(Axis(2), 2).sum(), volume.view().index_axis(Axis(1), 2).sum());
        volume.view_mut()[[1, 2, 3]] = 999;
        assert_eq!(volume.at(1, 2, 3), 999);
        assert!(view(&volume.grid, &volume.data[1..]).is_none());
    }

    #[test]
    fn law_arrays_of_any_order_become_the_same_volume() {
        let volume = volume();
        let before = volume.data.as_ptr();
        let fortran = volume.clone().into_array();
        let standard = volume.view().as_standard_layout().into_owned();
        assert_ne!(fortran.strides(), standard.strides());
        // a part of a larger array, and one that runs backwards
        let mut large = Array3::from_elem((5, 6, 7), 0_u16);
        large.slice_mut(s![1..4, 1..5, 1..6]).assign(&volume.view());
        let part = large.slice_move(s![1..4, 1..5, 1..6]);
        let mut backwards = volume.view().slice(s![..;-1, .., ..]).to_owned();
        backwards.invert_axis(Axis(0));
        for array in [fortran, standard, part, backwards] {
            assert_eq!(Volume::from_array(volume.grid.clone(), array).expect("the grid's shape"), volume);
        }
        let array = volume.into_array();
        assert!(std::ptr::eq(array.as_ptr(), before), "no copy on the way out");
        let grid = VoxelGrid::axis_aligned([3, 4, 5], [1.0; 3], [0.0; 3]);
        let again = Volume::from_array(grid.clone(), array).expect("the grid's shape");
        assert!(std::ptr::eq(again.data.as_ptr(), before), "no copy on the way in");
        // alarm: another shape of as many values
        let other = Array3::from_elem((5, 4, 3), 0_u16);
        assert!(matches!(Volume::from_array(grid, other), Err(GridError::Shape { .. })));
    }
}
