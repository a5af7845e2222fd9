//! Why a run fails, and what every batch is checked for.

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
    #[error(transparent)]
    Table(#[from] TableError),
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Decays by voxel that do not fit the scene.
    #[error("activity: {found} voxels, the scene has {expected}: resample it to the CT's grid")]
    Length {
        /// Voxels found.
        found: usize,
        /// Voxels of the scene.
        expected: usize,
    },
    /// No decay at all.
    #[error("activity: no voxel has any decay: check the file and --activity-unit")]
    Empty,
    /// A number of decays that is none.
    #[error("activity: voxel {index} has {found} decays, finite values from 0 up are allowed: mask or correct it")]
    Decays {
        /// Position in the volume.
        index: usize,
        /// Value found.
        found: f64,
    },
    /// The kernel reported something that must not happen.
    #[error(
        "batch {batch} of the {pass:?} pass raised {flags}: the result is not to be trusted; please report scene and seed {seed}"
    )]
    Flags {
        /// Batch number.
        batch: u32,
        /// Pass.
        pass: Pass,
        /// What was raised.
        flags: String,
        /// Seed.
        seed: u64,
    },
    /// The state to go on from belongs to another run.
    #[error(
        "checkpoint: {what}: found {found}; allowed: {expected}, as this command asks for. Repeat the command that was interrupted, or run without --resume."
    )]
    Resume {
        /// What differs.
        what: String,
        /// Value in the checkpoint.
        found: String,
        /// Value of this run.
        expected: String,
    },
    /// Whoever hears the progress, or steps the run, ended it.
    #[error("the run was ended after {batches} whole batches; {}", kept_words(checkpoint.as_deref()))]
    Cancelled {
        /// Batches done.
        batches: usize,
        /// Folder of the checkpoint to go on from.
        checkpoint: Option<PathBuf>,
    },
    /// A tally passed 64 bits.
    #[error("tally bin {bin} passed 2^63 units: ask for fewer histories a run and merge runs")]
    Overflow {
        /// Bin.
        bin: usize,
    },
    /// Emissions that the kernel does not follow.
    #[error(
        "nuclide {nuclide}: {what} of {found_kev} keV; 1022 keV is the highest photon, 4000 keV the highest electron that is followed: leave the line out"
    )]
    Emission {
        /// Nuclide.
        nuclide: String,
        /// Kind.
        what: &'static str,
        /// Energy, keV.
        found_kev: f64,
    },
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
/// Raised by the host: the account does not balance.
pub const FLAG_UNBALANCED: u32 = 1 << 17;

/// Checks a batch as every run does: all histories finished, account balanced. Returns the flags to raise.
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

/// Refuses a batch of a pass, or a part of it, of so many histories that [`audit`] finds fault with.
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
