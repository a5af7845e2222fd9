//! Arrays of Python as volumes, and values of results as arrays without a copy.

use crate::fault;
use lutra::clinic::failure::{OrUserError, UserError};
use lutra::fault::{Explained, FaultKind};
use lutra::{Volume, VoxelGrid};
use numpy::{Element, PyArray, PyArray3, PyReadonlyArray3, PyUntypedArrayMethods};
use pyo3::PyClass;
use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;

/// An image as the Python side hands it over: the array indexed (i, j, k), and the affine from the index to RAS mm.
#[derive(FromPyObject)]
pub struct Given<'py> {
    #[pyo3(attribute("array"))]
    array: Bound<'py, PyAny>,
    #[pyo3(attribute("_rows"))]
    affine: [[f64; 4]; 3],
}

/// Values of any kind of number, x fastest, as the kind that is needed.
macro_rules! values {
    ($array:expr, $one:expr, $($kind:ty),+) => {{
        let array = $array;
        $(if let Ok(array) = array.extract::<PyReadonlyArray3<'_, $kind>>() {
            return Ok(turned(&array, $one));
        })+
    }};
}

/// Values of an array, x fastest, with one allocation; the GIL is free meanwhile.
fn turned<A: Element + Copy + Sync, T: Send>(array: &PyReadonlyArray3<'_, A>, one: impl Fn(A) -> T + Send) -> Vec<T> {
    let view = array.as_array();
    array.py().detach(move || {
        // seen from its last axis: x runs fastest
        let values = view.reversed_axes();
        let mut all = Vec::with_capacity(values.len());
        all.extend(values.iter().map(|&value| one(value)));
        all
    })
}

fn not_numbers(role: &str, array: &Bound<'_, PyAny>) -> UserError {
    let kind = array.getattr("dtype").map_or_else(|_| "no array".to_owned(), |dtype| dtype.to_string());
    UserError::invalid(role, "values", format!("dtype {kind}"), "numbers", "Convert the array to float or integer.")
}

#[allow(clippy::unnecessary_cast, reason = "one line for every type of number")]
fn f64_values(role: &str, array: &Bound<'_, PyAny>) -> Result<Vec<f64>, UserError> {
    values!(array, |v| v as f64, f64, f32, i16, u16, i32, u32, i64, u64, i8, u8);
    Err(not_numbers(role, array))
}

#[allow(clippy::unnecessary_cast, reason = "one line for every type of number")]
fn f32_values(role: &str, array: &Bound<'_, PyAny>) -> Result<Vec<f32>, UserError> {
    values!(array, |v| v as f32, i16, f32, f64, u16, i32, u32, i64, u64, i8, u8);
    Err(not_numbers(role, array))
}

/// Labels, or the first value that is none.
fn label_values(role: &str, array: &Bound<'_, PyAny>, dims: [usize; 3]) -> Result<Vec<u16>, UserError> {
    if let Ok(array) = array.extract::<PyReadonlyArray3<'_, u16>>() {
        return Ok(turned(&array, |label| label));
    }
    if let Ok(array) = array.extract::<PyReadonlyArray3<'_, u8>>() {
        return Ok(turned(&array, u16::from));
    }
    let values = f64_values(role, array)?;
    let label = |(n, &value): (usize, &f64)| {
        if value.fract() == 0.0 && (0.0..=65_535.0).contains(&value) {
            return Ok(value as u16);
        }
        let (i, j, k) = (n % dims[0], n / dims[0] % dims[1], n / dims[0] / dims[1]);
        let found = format!("{value} in voxel ({i}, {j}, {k})");
        Err(UserError::invalid(role, "labels", found, "whole numbers from 0 to 65535", "Give the label map."))
    };
    values.iter().enumerate().map(label).collect()
}

/// Values that `owner` holds as a read-only array indexed (i, j, k), without a copy.
///
/// Raises: `KeyError` where there is not one value a voxel.
pub fn lent<'py, P: PyClass, T: Element>(
    owner: &Bound<'py, P>,
    grid: &VoxelGrid,
    values: &[T],
) -> PyResult<Bound<'py, PyAny>> {
    let view =
        lutra::volume::view(grid, values).ok_or_else(|| PyKeyError::new_err("a map without one value a voxel"))?;
    // SAFETY: the object that owns the values is the array's base and is frozen: they live as long as the array and do not
    // change
    let array: Bound<'py, PyArray3<T>> = unsafe { PyArray::borrow_from_array(&view, owner.clone().into_any()) };
    array.getattr("flags")?.setattr("writeable", false)?;
    Ok(array.into_any())
}

impl Given<'_> {
    fn grid(&self, role: &str) -> Result<VoxelGrid, UserError> {
        let shape: Vec<usize> =
            self.array.cast::<numpy::PyUntypedArray>().map(|a| a.shape().to_vec()).unwrap_or_default();
        let Ok(dims) = <[usize; 3]>::try_from(shape.as_slice()) else {
            let found = format!("{} axes", shape.len());
            let next = "Give one volume, indexed (x, y, z).";
            return Err(UserError::invalid(role, "array", found, "3 axes", next).kind(FaultKind::Mismatch));
        };
        VoxelGrid::from_affine(dims, self.affine).map_err(|error| error.fault().inside(role))
    }

    fn with<T: Copy>(
        &self,
        py: Python<'_>,
        role: &str,
        values: impl FnOnce(&Bound<'_, PyAny>, [usize; 3]) -> Result<Vec<T>, UserError>,
    ) -> PyResult<Volume<T>> {
        let made = self.grid(role).and_then(|grid| {
            let data = values(&self.array, grid.dims)?;
            Volume::new(grid, data).or_user_error()
        });
        made.map_err(|fault| fault::of_fault(py, &fault))
    }

    /// The volume in single precision: CT numbers, doses.
    pub fn single(&self, py: Python<'_>, role: &str) -> PyResult<Volume<f32>> {
        self.with(py, role, |array, _| f32_values(role, array))
    }

    /// The volume in double precision: activities.
    pub fn double(&self, py: Python<'_>, role: &str) -> PyResult<Volume<f64>> {
        self.with(py, role, |array, _| f64_values(role, array))
    }

    /// The volume as labels.
    pub fn labels(&self, py: Python<'_>, role: &str) -> PyResult<Volume<u16>> {
        self.with(py, role, |array, dims| label_values(role, array, dims))
    }
}
