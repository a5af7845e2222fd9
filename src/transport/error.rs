//! Errors of a run, and the checks on every batch.

use crate::fault::{Explained, Fault, FaultKind, Setting, explained, words};
use crate::physics::tables::TableError;
use crate::tally::BatchTally;
use crate::transport::EngineError;
use crate::transport::emission::Pass;
use std::path::{Path, PathBuf};

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The tables.
    Table(#[from] TableError),
    /// The engine.
    Engine(#[from] EngineError),
    /// Decays by voxel that do not fit the scene.
    Length {
        /// Voxels found.
        found: usize,
        /// Voxels of the scene.
        expected: usize,
    },
    /// No decays at all.
    Empty,
    /// A number of decays that is invalid.
    Decays {
        /// Position in the volume.
        index: usize,
        /// Value found.
        found: f64,
    },
    /// The kernel reported an impossible event.
    Flags {
        /// Batch number.
        batch: u32,
        /// Pass.
        pass: Pass,
        /// Flags raised.
        flags: String,
        /// Seed.
        seed: u64,
    },
    /// The state to resume from belongs to another run.
    Resume {
        /// What differs.
        what: String,
        /// Value in the checkpoint.
        found: String,
        /// Value of this run.
        expected: String,
    },
    /// The progress listener or the caller ended the run.
    Cancelled {
        /// Batches done.
        batches: usize,
        /// Folder of the checkpoint to resume from.
        checkpoint: Option<PathBuf>,
    },
    /// A tally overflowed 64 bits.
    Overflow {
        /// Bin.
        bin: usize,
    },
    /// Emissions that the kernel does not follow.
    Emission {
        /// Nuclide.
        nuclide: String,
        /// Kind.
        what: &'static str,
        /// Energy, keV.
        found_kev: f64,
    },
}

explained!(RunError);

impl Explained for RunError {
    fn fault(&self) -> Fault {
        match self {
            Self::Table(error) => error.fault(),
            Self::Engine(error) => error.fault(),
            Self::Length { .. } | Self::Empty | Self::Decays { .. } | Self::Emission { .. } => self.input_fault(),
            Self::Flags { batch, pass, flags, seed } => Fault::of(FaultKind::Program)
                .place(format!("batch {batch} of the {pass:?} pass"))
                .found(flags)
                .then(format!("please report scene and seed {seed}"))
                .form("{place} raised {found}: the result is not to be trusted"),
            Self::Resume { what, found, expected } => Fault::invalid(
                "checkpoint",
                what,
                found,
                format!("{expected}, as this command asks for"),
                words!("Repeat the command that was interrupted, or run without ", Setting::Resume, "."),
            )
            .kind(FaultKind::Mismatch),
            Self::Cancelled { batches, checkpoint } => Fault::of(FaultKind::Program)
                .found(format!("{batches} whole batches"))
                .then(kept_words(checkpoint.as_deref()))
                .form("the run was ended after {found}")
                .semicolon(),
            Self::Overflow { bin } => Fault::of(FaultKind::TooLarge)
                .place(format!("tally bin {bin}"))
                .allowed("2^63 units")
                .then("ask for fewer histories a run and merge runs")
                .form("{place} passed {allowed}")
                .colon(),
        }
    }
}

impl RunError {
    /// The parts of what is wrong with decays and emissions.
    fn input_fault(&self) -> Fault {
        let told = |place: String, found: String, allowed: &str| {
            Fault::of(FaultKind::Invalid).place(place).found(found).allowed(allowed).colon()
        };
        match self {
            Self::Length { found, expected } => told("activity".into(), found.to_string(), &expected.to_string())
                .kind(FaultKind::Mismatch)
                .then("resample it to the CT's grid")
                .form("{place}: {found} voxels, the scene has {allowed}"),
            Self::Decays { index, found } => {
                told(format!("voxel {index}"), found.to_string(), "finite values from 0 up")
                    .then("mask or correct it")
                    .form("activity: {place} has {found} decays, {allowed} are allowed")
            }
            Self::Emission { nuclide, what, found_kev } => {
                let limits = "1022 keV is the highest photon, 4000 keV the highest electron that is followed";
                told(nuclide.clone(), format!("{found_kev} keV"), limits)
                    .field(*what)
                    .then("leave the line out")
                    .form("nuclide {place}: {field} of {found}; {allowed}")
            }
            _ => told("activity".into(), "no voxel has any decay".into(), "a voxel with decays")
                .then(words!("check the file and ", Setting::ActivityUnit))
                .form("{place}: {found}"),
        }
    }
}

/// Names of the raised run flags.
pub fn flag_names(flags: u32) -> String {
    use crate::kernel::single::context as c;
    let names = [
        (c::FLAG_TALLY_OVERFLOW, "tally overflow"),
        (c::FLAG_STACK_FULL, "knock-on stack full"),
        (c::FLAG_STEP_LIMIT, "step limit"),
        (c::FLAG_LOST, "lost particle"),
        (c::FLAG_REJECTION, "endless rejection"),
        (FLAG_UNFINISHED, "histories finished differ from histories started"),
        (FLAG_UNBALANCED, "energy emitted differs from energy deposited, escaped and radiated"),
    ];
    let raised: Vec<&str> = names.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, n)| *n).collect();
    raised.join(", ")
}

/// Raised by the host: a history is missing.
pub const FLAG_UNFINISHED: u32 = 1 << 16;
/// Raised by the host: the ledger does not balance.
pub const FLAG_UNBALANCED: u32 = 1 << 17;

/// Checks a batch: all histories finished, ledger balanced. Returns the flags to raise.
pub fn audit(batch: &BatchTally, expected_histories: u64) -> u32 {
    let mut flags = batch.flags;
    if batch.histories != expected_histories {
        flags |= FLAG_UNFINISHED;
    }
    if !batch.ledger.balances() {
        flags |= FLAG_UNBALANCED;
    }
    flags
}

/// Refuses a batch of a pass, or a part of one, with this many histories, if [`audit`] finds a fault.
pub(crate) fn checked(batch: &BatchTally, histories: u32, of: (Pass, u32), seed: u64) -> Result<(), RunError> {
    match audit(batch, u64::from(histories)) {
        0 => Ok(()),
        flags => Err(RunError::Flags { batch: of.1, pass: of.0, flags: flag_names(flags), seed }),
    }
}

fn kept_words(checkpoint: Option<&Path>) -> String {
    match checkpoint {
        Some(folder) => format!("{} holds the checkpoint to go on from", folder.display()),
        None => "no checkpoint was kept".to_owned(),
    }
}
