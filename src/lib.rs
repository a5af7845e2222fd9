//! Lutra carries the betas, conversion electrons, gammas and X rays of 177Lu through a patient's CT
//! and returns the absorbed dose, with its uncertainty, as the same integers on every machine.
//!
//! The flow, top to bottom:
//!
//! CT (HU) -> density and tissue -> scene; activity -> decays -> source;
//! scene + source -> transport -> energy tally -> absorbed dose -> course -> BED -> report.

#![deny(clippy::print_stdout, clippy::print_stderr)]

/// Physical constants and unit conversions, each with its source.
pub mod units;

/// Voxel grids and volumes: the one place that states index order and world frame.
pub mod grid;

/// Computed tomography: Hounsfield units on a grid.
pub mod ct;

/// Hounsfield units to mass density and elemental composition.
pub mod materials;

/// Nuclides: half-life and emissions per decay.
pub mod decay;

/// Activity to decays per voxel, on the grid of the scene.
pub mod source;

/// The laws of interaction in f64, from evaluated data to one packed table.
pub mod physics;

/// The particle's life, written once: this Rust is also the source of the WGSL shaders.
pub mod kernel;

/// Engines that run the kernel: CPU threads or any GPU that wgpu reaches.
pub mod transport;

/// Integer energy tallies, their batches and their statistics.
pub mod tally;

/// Energy and mass to absorbed dose, per voxel and per region.
pub mod dose;

/// Tables, pictures and the run record.
pub mod report;

/// Reference problems, their comparison and verdicts.
pub mod validate;

/// Files in and out: bytes to typed volumes, no physics.
pub mod io;

/// The procedural abdomen that needs no data.
pub mod demo;

/// The command line.
pub mod cli;
