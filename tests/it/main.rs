//! Tests of the library through its public face.

mod io_dicom_shared;
mod io_nifti;
mod io_output;
mod io_source;
