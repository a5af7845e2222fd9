//! Tests of the library through its public face.

mod io_nifti;
mod io_output;
mod io_source;
