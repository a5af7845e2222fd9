//! Geometric transfer matrix: the regions' measured means m are W a, with W_ij the mean of region j's blurred indicator
//! over region i; a = W^-1 m.
//!
//! Source: O. G. Rousset, Y. Ma, A. C. Evans, J. Nucl. Med. 39 (1998) 904.

use super::model::Model;
use crate::fault::Fault;
use nalgebra::{DMatrix, DVector};

/// Concentrations of the regions, in the image's unit.
///
/// Errors: a matrix that cannot be inverted: two regions that the image cannot tell apart.
pub fn means(model: &Model<'_>, image: &[f64]) -> Result<Vec<f64>, Fault> {
    let n = model.regions().list.len();
    let transfer = DMatrix::from_row_slice(n, n, &model.transfer());
    let solved = transfer.lu().solve(&DVector::from_vec(model.measured(image)));
    solved.map(|a| a.as_slice().to_vec()).filter(|a| a.iter().all(|v| v.is_finite())).ok_or_else(|| {
        Fault::invalid(
            "[partial_volume]",
            "regions",
            "two that look the same at this resolution",
            "regions that the image can tell apart",
            "Join them, or take another method.",
        )
    })
}
