//! Checkpoints: the state of a run on disk, so that the run survives being killed at any moment.
//!
//! Two files alternate. Each is written under a temporary name, flushed to disk, renamed, and ends in a checksum. If
//! writing one fails, or one is damaged later, the other is intact. A checkpoint that cannot be written replaces
//! nothing and is retried when the next one is due.
//!
//! A third file names the owner of the folder. No other process may write the checkpoints of a running run. Those of an
//! interrupted run are resumed or discarded only when the user says so.

use crate::clock::Moment;
use crate::fault::{Explained, Fault, FaultKind, Setting, explained, words};
use crate::note::Note;
use crate::owner::{self, Held, Owner};
use crate::text::parsed::of_system;
use crate::transport::batch_store::{BatchStore, read_store, write_store};
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The two files.
const NAMES: [&str; 2] = ["checkpoint-a.lutra", "checkpoint-b.lutra"];
/// The file that names their owner.
const OWNER: &str = "owner.json";
/// A checkpoint is not written more often than this many times its own duration.
const LEAST_PAUSE: u32 = 20;

/// Why a checkpoint cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The folder cannot be made or written.
    Write {
        /// The place.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another running process writes there.
    Owned {
        /// The place.
        path: PathBuf,
        /// Who writes there.
        owner: Box<Owner>,
    },
    /// An interrupted run left checkpoints, and the user did not say what to do with them.
    Left {
        /// The place.
        path: PathBuf,
    },
    /// There is no such folder.
    Absent {
        /// The place.
        path: PathBuf,
    },
    /// Every checkpoint is damaged.
    Damaged {
        /// The place.
        path: PathBuf,
        /// What is wrong with each.
        what: String,
    },
}

explained!(CheckpointError);

impl Explained for CheckpointError {
    fn fault(&self) -> Fault {
        let anew = words!("Run without ", Setting::Resume, " to start from the beginning.");
        match self {
            Self::Write { path, source } => Fault::of(FaultKind::Unwritable)
                .place(path)
                .found(of_system(source))
                .then(words!("Free some space, or turn checkpoints off with ", Setting::Checkpoint, " 0."))
                .form("{place}: cannot write the checkpoint: {found}"),
            Self::Owned { path, owner } => {
                let next = words!("Wait until it has ended, or choose another ", Setting::Output, ".");
                let found = format!("those of a run at work ({owner})");
                Fault::invalid(path, "checkpoints", found, "one run at a time", next).kind(FaultKind::Occupied)
            }
            Self::Left { path } => {
                let next = words!(
                    "Give ",
                    Setting::Resume,
                    " ",
                    path,
                    " to go on from there, or ",
                    Setting::Force,
                    " to give them up and start anew."
                );
                let found = "those of an interrupted run";
                Fault::invalid(path, "checkpoints", found, "none, or a word on them", next).kind(FaultKind::Occupied)
            }
            Self::Absent { path } => {
                Fault::invalid(path, "", "no checkpoint", "the folder of an interrupted run", anew)
                    .kind(FaultKind::Missing)
            }
            Self::Damaged { path, what } => {
                Fault::invalid(path, "", format!("no whole checkpoint ({what})"), "at least one", anew)
                    .kind(FaultKind::Damaged)
            }
        }
    }
}

/// Every file that checkpoints in `folder` may write, replace or remove.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let names = NAMES.iter().map(|name| folder.join(name)).flat_map(|path| [path.with_extension("partial"), path]);
    names.chain([folder.join(OWNER)]).collect()
}

/// Refuses a checkpoint folder that this run must not write: that of a running process or, unless `spoken_of`, of an
/// interrupted run.
///
/// Errors: [`CheckpointError::Owned`], [`CheckpointError::Left`].
pub fn free(folder: &Path, spoken_of: bool) -> Result<(), CheckpointError> {
    if let Some(owner) = owner::holder(&folder.join(OWNER)) {
        return Err(CheckpointError::Owned { path: folder.to_owned(), owner: Box::new(owner) });
    }
    if !spoken_of && NAMES.iter().any(|name| folder.join(name).symlink_metadata().is_ok()) {
        return Err(CheckpointError::Left { path: folder.to_owned() });
    }
    Ok(())
}

/// Writes checkpoints at intervals.
#[derive(Debug)]
pub struct Keeper {
    folder: PathBuf,
    /// Names the folder's owner; `None` if that cannot be written.
    held: Option<Held>,
    every: Duration,
    last: Moment,
    cost: Duration,
    /// Of the last one written.
    serial: u64,
    /// Whether the last one that was due could not be written.
    failing: bool,
}

impl Keeper {
    /// Checkpoints in `folder`, created if missing, about every `every`; zero: at every opportunity. Checkpoints of an
    /// earlier run stay until they are overwritten.
    ///
    /// Errors: the folder cannot be created; another running process writes there.
    pub fn new(folder: &Path, every: Duration) -> Result<Self, CheckpointError> {
        fs::create_dir_all(folder).map_err(|source| CheckpointError::Write { path: folder.to_owned(), source })?;
        let held = match owner::claim(&folder.join(OWNER), &Owner::this("")) {
            Err(owner) => return Err(CheckpointError::Owned { path: folder.to_owned(), owner: Box::new(owner) }),
            // a disk that is full now may have room when a checkpoint is due
            Ok(held) => held.ok(),
        };
        let (folder, last) = (folder.to_owned(), Moment::now());
        Ok(Self { folder, held, every, last, cost: Duration::ZERO, serial: 0, failing: false })
    }

    /// Continues counting after a checkpoint that was read.
    pub fn after(mut self, serial: u64) -> Self {
        self.serial = serial;
        self
    }

    /// Time between two checkpoints.
    pub fn every(&self) -> Duration {
        self.every
    }

    /// The folder, if it holds a checkpoint of this run.
    pub fn holds(&self) -> Option<&Path> {
        (self.serial > 0).then_some(&self.folder)
    }

    /// Whether it is time to write one.
    pub fn due(&self) -> bool {
        self.every.is_zero() || self.last.elapsed() >= self.every.max(self.cost * LEAST_PAUSE)
    }

    /// Writes one when it is time to. What is to be known at once: that it could not be written, and, once, that one
    /// could again.
    pub fn tend(&mut self, store: &BatchStore) -> Option<Note> {
        if !self.due() {
            return None;
        }
        let failed_before = self.failing;
        match self.save(store) {
            Ok(()) => failed_before
                .then(|| Note::warning("checkpoint-again", "checkpoints are written again").at(self.folder.as_path())),
            Err(_) if failed_before => None,
            Err(error) => {
                let kept = if self.serial > 0 { "the last one stays, and " } else { "" };
                let goes_on = format!(" The run goes on: {kept}it is tried again when the next one is due.");
                Some(Note::warning("checkpoint-failed", words!(error.fault().sentence(), goes_on)))
            }
        }
    }

    /// Replaces the older of the two; if that fails both stay unchanged.
    pub fn save(&mut self, store: &BatchStore) -> Result<(), CheckpointError> {
        let began = Moment::now();
        let written = self.write(store, self.serial + 1);
        (self.last, self.cost, self.failing) = (Moment::now(), began.elapsed(), written.is_err());
        written?;
        self.serial += 1;
        if self.serial == 1 {
            // first checkpoint of a run: the other file, from an earlier run, is out of date
            let _ = fs::remove_file(self.folder.join(NAMES[0]));
        }
        Ok(())
    }

    fn write(&self, store: &BatchStore, serial: u64) -> Result<(), CheckpointError> {
        let path = self.folder.join(NAMES[(serial % 2) as usize]);
        let partial = path.with_extension("partial");
        let write = || {
            let mut writer = BufWriter::with_capacity(1 << 20, File::create(&partial)?);
            write_store(&mut writer, store, serial)?;
            writer.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
            fs::rename(&partial, &path)
        };
        write().map_err(|source| {
            // half a file would only use up scarce space
            let _ = fs::remove_file(&partial);
            CheckpointError::Write { path: path.clone(), source }
        })
    }

    /// Removes the checkpoints after the run. Other files stay, and so does a folder that holds any.
    pub fn discard(self) {
        for name in NAMES {
            let path = self.folder.join(name);
            // a file that cannot be removed does no harm
            let _ = fs::remove_file(path.with_extension("partial"));
            let _ = fs::remove_file(path);
        }
        self.end();
    }

    /// Releases the folder and removes it if empty. Call it when a run did not finish.
    pub fn end(self) {
        if let Some(held) = self.held {
            held.release();
        }
        let _ = fs::remove_dir(&self.folder);
    }
}

/// A checkpoint read.
#[derive(Debug)]
pub struct Resumed {
    /// The state; `None` when the run was interrupted before its first checkpoint.
    pub store: Option<BatchStore>,
    /// Its serial number.
    pub serial: u64,
    /// Damaged checkpoints that were passed over.
    pub warnings: Vec<Note>,
}

/// The newest intact checkpoint in `folder`.
pub fn resume(folder: &Path) -> Result<Resumed, CheckpointError> {
    if !folder.is_dir() {
        return Err(CheckpointError::Absent { path: folder.to_owned() });
    }
    let mut best: Option<(BatchStore, u64)> = None;
    let mut faults = Vec::new();
    for path in NAMES.map(|name| folder.join(name)) {
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other,
        };
        match file.and_then(|file| read_store(BufReader::with_capacity(1 << 20, file))) {
            Ok(found) => {
                if best.as_ref().is_none_or(|(_, serial)| found.1 > *serial) {
                    best = Some(found);
                }
            }
            Err(error) => faults.push(format!("{}: {}", path.display(), of_system(&error))),
        }
    }
    match best {
        Some((store, serial)) => {
            let warnings = faults
                .into_iter()
                .map(|fault| {
                    let text = format!("damaged checkpoint passed over, the run goes on from the other one: {fault}");
                    Note::warning("checkpoint-damaged", text)
                })
                .collect();
            Ok(Resumed { store: Some(store), serial, warnings })
        }
        None if faults.is_empty() => Ok(Resumed { store: None, serial: 0, warnings: Vec::new() }),
        None => Err(CheckpointError::Damaged { path: folder.to_owned(), what: faults.join("; ") }),
    }
}
