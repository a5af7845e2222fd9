//! Tests of the library through its public face.

#[macro_use]
mod engine_contract;

mod cli_course;
mod cli_dose;
mod engine_cpu;
mod io_nifti;
mod io_output;
mod io_source;
mod law_math;
mod lock_barrier;
mod lock_directions;
mod lock_shaders;
