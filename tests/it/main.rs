//! Tests of the library through its public face.

mod cli_dose;
mod io_nifti;
mod io_output;
mod io_source;
mod reference_validation;
