//! Tests of the library through its public face.

mod cli_dose;
mod io_dicom_made;
mod io_dicom_shared;
mod io_nifti;
mod io_output;
mod io_source;
