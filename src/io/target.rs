//! Where a file is written: a path on the disk, or a name among files kept in memory.
//!
//! As a [`Place`](crate::place::Place) is to what is read, a target is to what is written: a front end without a file system
//! gets the same files as the command line, as named bytes (`AtomicOutputDir::in_memory`).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

/// Files kept in memory, by name (`/` between the parts of one in a folder below); a clone keeps the same ones.
#[derive(Clone, Debug, Default)]
pub struct Kept(Arc<Mutex<BTreeMap<String, Vec<u8>>>>);

impl Kept {
    /// Hands the files out; none are kept.
    pub fn take(&self) -> BTreeMap<String, Vec<u8>> {
        std::mem::take(&mut *self.files())
    }

    /// The files.
    pub(super) fn files(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.0.lock().expect("no thread panics while it writes to memory")
    }

    /// A file among them; `path` is its path for messages.
    pub(super) fn target(&self, path: PathBuf, name: &str) -> Target {
        Target { path, memory: Some((self.clone(), name.to_owned())) }
    }
}

/// Where a file is written. Made from a path it means the disk; one in memory is made by
/// [`AtomicOutputDir::file`](super::atomic::AtomicOutputDir::file).
#[derive(Clone, Debug)]
pub struct Target {
    path: PathBuf,
    /// The files in memory, and its name there; `None` for the disk.
    memory: Option<(Kept, String)>,
}

impl Target {
    /// The path, for messages and for the disk.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is kept in memory.
    pub fn in_memory(&self) -> bool {
        self.memory.is_some()
    }

    /// Begins the file; what was there of this name is gone.
    ///
    /// Errors: those of the system.
    pub fn create(&self) -> io::Result<Box<dyn Write>> {
        match &self.memory {
            None => Ok(Box::new(File::create(&self.path)?)),
            Some((kept, name)) => {
                kept.files().insert(name.clone(), Vec::new());
                Ok(Box::new(Growing { kept: kept.clone(), name: name.clone() }))
            }
        }
    }

    /// Writes the whole file.
    ///
    /// Errors: those of the system.
    pub fn write(&self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.create()?.write_all(bytes.as_ref())
    }
}

/// As for a path: what asks for one gets the path, for messages.
impl Deref for Target {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.path
    }
}

macro_rules! from_path {
    ($($path:ty),+) => {
        $(impl From<$path> for Target {
            fn from(path: $path) -> Self {
                Self { path: path.into(), memory: None }
            }
        })+
    };
}

from_path!(PathBuf, &Path, &PathBuf, &str, String, &String);

impl From<&Target> for Target {
    fn from(target: &Target) -> Self {
        target.clone()
    }
}

/// A file in memory that grows.
struct Growing {
    kept: Kept,
    name: String,
}

impl Write for Growing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut files = self.kept.files();
        let file = files.entry(self.name.clone()).or_default();
        file.try_reserve(bytes.len()).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
        file.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
