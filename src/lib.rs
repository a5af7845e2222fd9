//! Lutra carries the betas, conversion electrons, gammas and X rays of 177Lu through a patient's CT
//! and returns the absorbed dose, with its uncertainty, as the same integers on every machine.
//!
//! The flow, top to bottom:
//!
//! CT (HU) -> density and tissue -> scene; activity -> decays -> source;
//! scene + source -> transport -> energy tally -> absorbed dose -> course -> BED -> report.
//!
//! A whole run, from matter and decays to Gy:
//!
//! ```
//! use lutra::dose::{AIR_LIMIT_G_CM3, PassEnergy};
//! use lutra::{CpuEngine, DoseMap, Nuclide, RunPlan, Scene, Silent, Source, Stop, Tissue, Volume, VoxelGrid, simulate};
//!
//! // 9 x 9 x 9 voxels of 3 mm of soft tissue, 1e12 decays in the one in the middle
//! let grid = VoxelGrid::axis_aligned([9, 9, 9], [3.0; 3], [0.0; 3]);
//! let middle = grid.index(4, 4, 4);
//! let mut decays = vec![0.0; grid.len()];
//! decays[middle] = 1e12;
//! let scene = Scene::uniform(grid.clone(), Tissue::built_in("soft-tissue")?, 1.04)?;
//! let source = Source::new(Volume { grid: grid.clone(), data: decays }, "example")?;
//!
//! let plan = RunPlan { stop: Stop::Histories(20_000), ..RunPlan::default() };
//! let mut engine = CpuEngine::new(1);
//! let run = simulate(&scene, &source.decays().data, &Nuclide::load("lu177")?, &plan, &mut engine, &mut Silent)?;
//! assert!(run.electron.ledger.balances() && run.photon.ledger.balances());
//!
//! let part = |pass: &lutra::PassResult| -> (Vec<f64>, Vec<f64>) {
//!     (0..grid.len()).map(|v| (pass.energy_kev(v), pass.variance_kev2(v))).unzip()
//! };
//! let (electron, photon) = (part(&run.electron), part(&run.photon));
//! let dose = DoseMap::from_energy(
//!     &grid,
//!     &scene.density_g_cm3,
//!     PassEnergy { energy_kev: &electron.0, variance_kev2: &electron.1 },
//!     PassEnergy { energy_kev: &photon.0, variance_kev2: &photon.1 },
//!     AIR_LIMIT_G_CM3,
//! )?;
//! // the self dose of a 3 mm voxel is 7.5e-10 Gy per decay
//! assert!((dose.dose_gy[middle] - 751.0).abs() < 15.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

/// Physical constants and unit conversions, each with its source.
pub mod units;

/// Errors as data, and the sentences that are made of them.
pub mod fault;

/// What there is to say of a computation and its result, as data.
pub mod note;

/// What nature and a patient allow, and the refusal of what they do not.
pub mod bounds;

/// External text files, limited in size and token count.
pub mod text;

/// Seeded draws of standard normal numbers.
pub mod draws;

/// Voxel grids and volumes: the one place that states index order and world frame.
pub mod grid;

/// Elementary functions with the same bits everywhere.
mod elementary;

/// Numerical integration.
mod quadrature;

/// Volumes as arrays.
pub mod volume;

/// Hashes as text.
pub mod digest;

/// What lies around a voxel.
pub mod neighbourhood;

/// Computed tomography: Hounsfield units on a grid.
pub mod ct;

/// Hounsfield units to mass density and elemental composition.
pub mod materials;

/// Nuclides: half-life and emissions per decay.
pub mod decay;

/// Where the tissue of one image lies in another.
pub mod register;

/// Activity to decays per voxel, on the grid of the scene.
pub mod source;

/// What a camera shows to what is there: calibration, recovery, partial volume.
pub mod quantify;

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

/// S-value shortcuts beside transport, and kernels for them.
pub mod svalues;

/// Kinetics with a memory: population, patient, cycle.
pub mod kinetics;

/// How sure a dose is, by source.
pub mod budget;

/// Images over time to decays; cycles to an accumulated dose, the limits and a verdict.
pub mod course;

/// Red marrow: self-dose by spongiosa or blood, cross-dose, and how sure it is.
pub mod marrow;

/// Biologically effective dose: the linear-quadratic model for a decaying dose rate.
pub mod bed;

/// Tables, pictures and the run record.
pub mod report;

/// Reference problems, their comparison and verdicts.
#[cfg(feature = "validate")]
pub mod validate;

/// Files in and out: bytes to typed volumes, no physics.
pub mod io;

/// The procedural abdomen that needs no data.
#[cfg(feature = "demo")]
pub mod demo;

/// Everything a person can ask, as functions: what every front end calls.
pub mod clinic;

/// The command line.
#[cfg(feature = "cli")]
pub mod cli;

/// The door to the clock.
mod clock;

/// Disjoint ranges of voxels on all cores, and the door to threads.
mod cores;

/// Where something is read from: the disk, or named buffers in memory.
pub mod place;

/// What was read.
mod reads;

/// Whose a folder or a file at work is.
pub mod owner;

// What tests need from outside, and how they say that it is missing.
#[cfg(test)]
#[path = "../tests/needs/mod.rs"]
mod needs;

pub use decay::Nuclide;
pub use dose::DoseMap;
pub use grid::{Volume, VoxelGrid};
pub use materials::tissues::Tissue;
pub use source::DecayMap as Source;
pub use transport::cpu::CpuEngine;
pub use transport::emission::Emissions;
#[cfg(feature = "gpu")]
pub use transport::gpu::GpuEngine;
pub use transport::run::{PassResult, Progress, RunPlan, Silent, Simulation, Stop, simulate};
pub use transport::{Engine, Scene, Scoring};

/// The README's example compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// The examples of the library guide run.
#[cfg(doctest)]
#[doc = include_str!("../docs/library.md")]
struct LibraryGuide;
