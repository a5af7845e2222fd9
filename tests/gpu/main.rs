//! Tests that need an adapter. Without one they are skipped (`needs`).

#[macro_use]
#[path = "../it/engine_contract.rs"]
mod engine_contract;

mod adapter;
mod agree;
mod bench;
mod engine_gpu;
mod fano;
#[path = "../it/fano_doses.rs"]
mod fano_doses;
#[path = "../needs/mod.rs"]
mod needs;
mod probe;
mod twin_electron;
mod twin_math;
mod twin_photon;
mod twin_random;
mod twin_register;
mod twin_source;
mod twin_tables;
mod twin_walk;
