//! Matrices of registration objects: 4 x 4 numbers in LPS mm; Lutra's are RAS.

use dicom_dictionary_std::tags;

use super::object::{DataSet, Object, numbers, text};
use crate::io::IoError;

/// 4 x 4 numbers, row by row.
pub type Matrix4 = [[f64; 4]; 4];

/// The matrix that does nothing.
pub(super) const UNIT: Matrix4 =
    [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]];

/// The same map of the same points in the other convention, LPS for RAS and back.
pub fn turned(matrix: &Matrix4) -> Matrix4 {
    let sign = [-1.0, -1.0, 1.0, 1.0];
    // a negative zero is a zero
    std::array::from_fn(|r| std::array::from_fn(|c| matrix[r][c] * sign[r] * sign[c] + 0.0))
}

const MATRIX: &str = "FrameOfReferenceTransformationMatrix (3006,00C6)";

/// A matrix without a way back.
pub(super) fn singular(object: &Object) -> IoError {
    object.refused(MATRIX, "a matrix without an inverse", "a rotation and a shift", "Export the registration again.")
}

/// The matrix of an item and whether it is called rigid, LPS mm.
pub(super) fn matrix_in(object: &Object, one: &DataSet) -> Result<(Matrix4, bool), IoError> {
    let values = numbers(one, tags::FRAME_OF_REFERENCE_TRANSFORMATION_MATRIX);
    let refused = |found: String| {
        object.refused(MATRIX, found, "16 finite numbers, the last four 0 0 0 1", "Export the registration again.")
    };
    if values.len() != 16 || values.iter().any(|v| !v.is_finite()) {
        return Err(refused(format!("{} numbers", values.len())));
    }
    if values[12..15].iter().any(|v| v.abs() > 1e-9) || (values[15] - 1.0).abs() > 1e-9 {
        return Err(refused(format!("the last four {:?}", &values[12..])));
    }
    let rigid = text(one, tags::FRAME_OF_REFERENCE_TRANSFORMATION_MATRIX_TYPE).as_deref() == Some("RIGID");
    Ok((std::array::from_fn(|r| std::array::from_fn(|c| values[4 * r + c])), rigid))
}

/// A B.
pub(super) fn product(a: &Matrix4, b: &Matrix4) -> Matrix4 {
    std::array::from_fn(|r| std::array::from_fn(|c| (0..4).map(|n| a[r][n] * b[n][c]).sum()))
}

/// The way back; `None` where there is none.
pub(super) fn inverse(matrix: &Matrix4) -> Option<Matrix4> {
    if *matrix == UNIT {
        return Some(UNIT);
    }
    let m = nalgebra::Matrix4::from_fn(|r, c| matrix[r][c]).try_inverse()?;
    Some(std::array::from_fn(|r| std::array::from_fn(|c| m[(r, c)])))
}
