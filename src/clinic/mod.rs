//! The clinic: everything a person can ask, as functions of the library.
//!
//! Front ends (the command line, Python, a page, a test) make a typed request ([`request`](crate::clinic::request)), call, and show the typed
//! result. Nothing here prints, reads the command line, or keeps state between requests; what there is to say while a
//! request is worked on goes to a [`Listener`](crate::clinic::notes::Listener).

/// Transport once, and every shortcut beside it.
pub mod audit;

/// What a run costs, and what accuracy its time buys.
#[cfg(feature = "demo")]
pub mod bench;

/// What a run starts from and what it found.
pub mod case;

/// Two dose maps held against each other.
pub mod compare;

/// A treatment of several cycles.
pub mod course;

/// The procedural abdomen as a case.
#[cfg(feature = "demo")]
pub mod demo;

/// Tallies to dose, in memory.
pub mod dose;

/// What ends a request.
pub mod failure;

/// Text files that describe a request; tables and records of a result.
pub mod files;

/// Files to a case.
pub mod from_files;

mod grid_bits;

/// What each request reads, so that nothing it writes touches it.
pub mod guard;

/// Volumes in memory to a case.
pub mod from_memory;

mod matter;

/// Images and regions of any format.
pub mod images;

/// Configurations drafted from a folder.
pub mod init;

/// When and how a front end was asked.
pub mod invocation;

/// Voxel kernels and point kernels.
pub mod kernel;

/// Shards to the whole run.
pub mod merge;

/// What to report about a request.
pub mod notes;

/// The files of a dose.
pub mod output;

/// The pages of results.
pub mod pages;

/// Devices held against each other, bit by bit.
#[cfg(all(feature = "demo", feature = "gpu", not(target_family = "wasm")))]
pub mod parity;

/// A point kernel as a table.
pub mod point_kernel;

/// A patient to learn on.
#[cfg(feature = "demo")]
pub mod practice;

/// What can be asked.
pub mod request;

/// Memory and disk that a run needs.
pub mod room;

/// Images over time to decays.
pub mod series;

/// The files of an integrated series.
pub mod series_files;

/// A part of a run.
pub mod shard;

/// What a request has opened.
pub mod shelf;

/// What a DICOM folder holds, put together.
pub mod study;

/// What the images of a folder seem to be.
pub mod survey;

/// S values between regions.
pub mod svalue;

/// A case to its tallies.
pub mod transport;

/// The reference problems.
#[cfg(feature = "validate")]
pub mod validation;
