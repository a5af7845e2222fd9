//! Tests of the library through its public face.

mod cli_dose;
mod cli_shards;
mod engine_checkpoint;
mod engine_double;
mod engine_parity;
mod engine_shards;
mod io_nifti;
mod io_output;
mod io_source;
mod law_replicas;
mod small;
