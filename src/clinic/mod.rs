//! The clinic: everything a user can request, as library functions.
//!
//! Front ends (the command line, Python, a page, a test) make a typed request ([`request`](crate::clinic::request)), call, and show the typed
//! result. Nothing here prints, reads the command line, or keeps state between requests; notes during a request go to a
//! [`Listener`](crate::clinic::notes::Listener).

/// Requests in words and numbers.
pub mod asked;

/// Transport compared with every shortcut.
pub mod audit;

/// What a run costs, and what accuracy its time buys.
#[cfg(all(feature = "demo", not(target_family = "wasm")))]
pub mod bench;

/// Scans of a phantom to a calibration file.
pub mod calibrate;

/// Inserts of a phantom to a recovery calibration.
pub mod calibrate_recovery;

/// Inputs and results of a run.
pub mod case;

/// Comparison of two dose maps.
pub mod compare;

/// Differences against the noise of both maps.
pub mod compare_noise;

/// A treatment of several cycles.
pub mod course;

/// What the description of a NIfTI header says.
pub mod described;

/// The procedural abdomen as a case.
#[cfg(feature = "demo")]
pub mod demo;

/// Devices as a record.
#[cfg(feature = "gpu")]
pub mod devices;

/// Tallies to dose, in memory.
pub mod dose;

/// Errors that end a request.
pub mod failure;

/// Two images before and after a registration, drawn.
pub mod before_after;

/// Regions that are carried by their own motion.
pub mod by_region;

/// What an outline that lies off by what a registration leaves uncertain does to a region's activity.
pub mod displaced;

/// Text files that describe a request; tables and records of a result.
pub mod files;

/// Files to a case.
pub mod from_files;

mod grid_bits;

/// The inputs of each request, so that no output touches them.
pub mod guard;

/// Volumes in memory to a case.
pub mod from_memory;

/// Red marrow from a finished dose.
pub mod marrow;

mod matter;

/// Inputs of which some lie in memory, to a case.
pub mod handed;

/// Images and regions of any format.
pub mod images;

/// Configurations drafted from a folder.
pub mod init;

/// Records of what is in a file or folder.
pub mod inspection;

/// When and how a request was made.
pub mod invocation;

/// Calibrations as text.
mod kept;

/// Voxel kernels and point kernels.
pub mod kernel;

/// Shards to the whole run.
pub mod merge;

/// Images and cycles brought into the common frame.
pub mod motion;

/// Notes on a request.
pub mod notes;

/// Outlines and the images that they share.
mod outlines;

/// The files of a dose.
pub mod output;

/// The pages of results.
pub mod pages;

/// Comparison of devices, bit by bit.
#[cfg(all(feature = "demo", feature = "gpu", not(target_family = "wasm")))]
pub mod parity;

/// A point kernel as a table.
pub mod point_kernel;

/// A practice patient.
#[cfg(feature = "demo")]
pub mod practice;

/// Priors of kinetics: built in, or from a file.
pub mod priors;

/// What a clinic learns of its kinetics, and when to scan.
pub mod kinetics;

/// The images of a series corrected for partial volume.
pub mod partial_volume;

/// The patient's own S matrix.
pub mod response;

/// What is known of the uncertainty of a series' regions.
pub mod budgets;

/// How sure the doses of a run are.
pub mod dose_budgets;

/// What is known of the uncertainty of a case, as data.
pub mod known;

/// Images that lie elsewhere than the first of their series.
pub(crate) mod lying;

/// A case to its tallies and the whole chain of its uncertainty.
pub mod full_budget;

/// Two images of one patient to the transform between them.
pub mod register;

/// Requests.
pub mod request;

/// Memory and disk that a run needs.
pub mod room;

/// Images over time to decays.
pub mod series;

/// The files of an integrated series.
pub mod series_files;

/// A part of a run.
pub mod shard;

/// Inputs opened by a request.
pub mod shelf;

/// Whether left and right regions lie on the sides that their names say.
mod sides;

/// Transforms that a person gives.
pub mod transforms;

/// A DICOM folder sorted into cycles.
pub mod study;

/// Classification of the images of a folder.
pub mod survey;

/// S values between regions.
pub mod svalue;

/// A case to its tallies.
pub mod transport;

/// Volumes of interest from the images.
pub mod volumes;

/// The reference problems.
#[cfg(feature = "validate")]
pub mod validation;

/// A site's installation test.
#[cfg(all(feature = "demo", feature = "gpu", feature = "validate", not(target_family = "wasm")))]
pub mod verify;
