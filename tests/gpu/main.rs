//! Tests that need an adapter. Without one they print SKIPPED and why; with `REQUIRE_GPU=1` they fail.

#[macro_use]
#[path = "../it/engine_contract.rs"]
mod engine_contract;

mod adapter;
mod agree;
mod bench;
mod engine_gpu;
mod twin_electron;
mod twin_math;
mod twin_photon;
mod twin_random;
mod twin_register;
mod twin_source;
mod twin_tables;
mod twin_walk;
