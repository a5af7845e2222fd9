//! The laws of interaction in f64, from evaluated data: one law a file, mass units (cm2/g) at the
//! tissue level. This floor knows no grid, no engine and no file.

/// Evaluated data of the elements 1 to 92, parsed once.
pub mod elements;
