//! Output that appears whole or not at all.
//!
//! A file is written under a temporary name beside its place and renamed. A folder that does not
//! exist yet is written as a whole under a temporary sibling name and renamed. A folder that exists
//! (empty, or with `force`) may be a mount point that nobody can rename, so its files are written in
//! a temporary folder inside it and moved up one by one; a failed move puts back what was there.
//!
//! A process that is killed cannot clear up. What it leaves is locked no longer (the system lets go of a dead process's
//! locks), by which the next run that writes to the same place knows it and removes it.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::IoError;

/// How the names of unfinished output begin.
const PARTIAL: &str = ".lutra-partial-";
/// The file by whose lock a temporary folder is known to be in use.
const LOCK: &str = ".lutra-lock";
/// Age from which an unlocked temporary file counts as left behind, s: its writer locks it right after making it.
const LEFT_BEHIND_S: u64 = 60;

/// Removes what killed runs left in `folder`: temporary folders and files that nobody holds. What cannot be told or
/// removed stays; nothing depends on it.
fn sweep(folder: &Path) {
    if folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PARTIAL)) {
        return;
    }
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(PARTIAL)) {
        let path = entry.path();
        let Ok(kind) = entry.file_type() else { continue };
        let free = |file: &Path| File::open(file).is_ok_and(|file| file.try_lock().is_ok());
        if kind.is_dir() && free(&path.join(LOCK)) {
            let _ = fs::remove_dir_all(&path);
        } else if kind.is_file() {
            let age = entry.metadata().and_then(|m| m.modified()).ok().and_then(|at| at.elapsed().ok());
            if age.is_some_and(|age| age.as_secs() >= LEFT_BEHIND_S) && free(&path) {
                let _ = fs::remove_file(&path);
            }
        }
    }
}

/// Writes one file whole or not at all: `fill` writes its content, which is renamed into place after.
///
/// Errors: the folder cannot be written to, `fill` fails, the disk is full; then no file of that name
/// appears and one that was there stays as it was.
pub fn write_file(path: impl AsRef<Path>, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), IoError> {
    let path = path.as_ref();
    let failed = |e: io::Error| IoError::write(path, e);
    let folder = folder_of(path);
    sweep(folder);
    let mut builder = tempfile::Builder::new();
    builder.prefix(PARTIAL).suffix(".tmp");
    with_mode(&mut builder, 0o666);
    let temporary = builder.tempfile_in(folder).map_err(failed)?;
    // a file system without locks only means that nobody sweeps
    let _ = temporary.as_file().try_lock();
    let mut writer = BufWriter::with_capacity(1 << 20, temporary);
    fill(&mut writer).map_err(failed)?;
    let temporary = writer.into_inner().map_err(|e| failed(e.into_error()))?;
    temporary.persist(path).map_err(|e| failed(e.error))?;
    Ok(())
}

/// The folder that holds a path; the current one for a bare name.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Gives a temporary file or folder the permissions an ordinary one would get (the umask still cuts).
#[cfg(unix)]
fn with_mode(builder: &mut tempfile::Builder<'_, '_>, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    builder.permissions(fs::Permissions::from_mode(mode));
}

#[cfg(not(unix))]
fn with_mode(_builder: &mut tempfile::Builder<'_, '_>, _mode: u32) {}

/// An output folder that appears whole, by [`AtomicOutputDir::commit`], or not at all.
///
/// Dropped without a commit it leaves nothing behind and touches nothing that was there.
#[derive(Debug)]
pub struct AtomicOutputDir {
    /// Where the output will be.
    target: PathBuf,
    /// Where it is written meanwhile; removed when dropped.
    staging: tempfile::TempDir,
    /// Held for as long as the staging folder is in use; none where the file system knows no locks.
    lock: Option<File>,
    /// Whether the folder was there, so that entries move into it one by one.
    target_exists: bool,
    /// Names in an existing folder that a commit removes where this run does not write them.
    stale: Vec<String>,
    /// Folders above the target that were made for it, deepest last.
    made: Vec<PathBuf>,
    /// Whether the output is in place.
    committed: bool,
}

impl AtomicOutputDir {
    /// Prepares output to `target`; folders above it are made where missing.
    ///
    /// Errors: `target` is a file, it is a folder with entries and `force` is false, or no file can
    /// be written there. It is checked here, before any work is done.
    pub fn create(target: impl AsRef<Path>, force: bool) -> Result<Self, IoError> {
        let target = target.as_ref();
        let failed = |e: io::Error| IoError::write(target, e);
        let mut builder = tempfile::Builder::new();
        builder.prefix(PARTIAL);
        with_mode(&mut builder, 0o777);
        let target_exists = match fs::metadata(target) {
            Ok(found) if !found.is_dir() => {
                return Err(IoError::invalid(
                    target,
                    "output folder",
                    "a file",
                    "a new or empty folder",
                    "Choose another --out.",
                ));
            }
            Ok(_) => true,
            Err(e) if e.kind() == io::ErrorKind::NotFound => false,
            Err(e) => return Err(failed(e)),
        };
        let mut made = Vec::new();
        sweep(if target_exists { target } else { folder_of(target) });
        let staging = if target_exists {
            let entries = fs::read_dir(target).map_err(failed)?.count();
            if entries > 0 && !force {
                let found = if entries == 1 { "1 entry".into() } else { format!("{entries} entries") };
                return Err(IoError::OutputExists { path: target.to_path_buf(), found });
            }
            builder.tempdir_in(target).map_err(failed)?
        } else {
            if target.file_name().is_none() {
                return Err(IoError::invalid(
                    target,
                    "output folder",
                    "a path without a name",
                    "the name of a folder",
                    "Choose another --out.",
                ));
            }
            let parent = folder_of(target);
            made = missing_folders(parent);
            let staging = fs::create_dir_all(parent).and_then(|()| builder.tempdir_in(parent)).map_err(failed);
            if staging.is_err() {
                remove_folders(&made);
            }
            staging?
        };
        let stale = Vec::new();
        let target = target.to_path_buf();
        let lock = File::create(staging.path().join(LOCK)).ok().filter(|file| file.try_lock().is_ok());
        Ok(Self { target, staging, lock, target_exists, stale, made, committed: false })
    }

    /// Names of files that an earlier run may have left: with `force`, those of them that this run
    /// does not write are removed by the commit, so that no old result stands beside a new one.
    /// Every other file in the folder stays.
    pub fn replaces(mut self, names: &[&str]) -> Self {
        self.stale = names.iter().map(|name| name.to_string()).collect();
        self
    }

    /// The folder to write into until the commit.
    pub fn path(&self) -> &Path {
        self.staging.path()
    }

    /// Where to write the file of this name until the commit.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Names of the files written so far, in order.
    ///
    /// Errors: the folder cannot be read.
    pub fn names(&self) -> Result<Vec<String>, IoError> {
        let failed = |e: io::Error| IoError::read(self.path(), e);
        let mut names = Vec::new();
        for entry in fs::read_dir(self.path()).map_err(failed)? {
            names.push(entry.map_err(failed)?.file_name().to_string_lossy().into_owned());
        }
        names.retain(|name| name != LOCK);
        names.sort();
        Ok(names)
    }

    /// Where the output will be.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Puts the output in its place and returns that place.
    ///
    /// Errors: the move fails, or something appeared at the target meanwhile; then what was there
    /// before stays as it was.
    pub fn commit(mut self) -> Result<PathBuf, IoError> {
        // where an open file can be removed the lock outlives its name: nobody takes what is being moved for left behind
        if cfg!(not(unix)) {
            self.lock = None;
        }
        let _ = fs::remove_file(self.file(LOCK));
        if self.target_exists {
            self.move_entries().map_err(|e| IoError::write(&self.target, e))?;
        } else {
            if self.target.symlink_metadata().is_ok() {
                return Err(IoError::OutputExists {
                    path: self.target.clone(),
                    found: "an entry made meanwhile by another program".to_string(),
                });
            }
            fs::rename(self.staging.path(), &self.target).map_err(|e| IoError::write(&self.target, e))?;
        }
        self.committed = true;
        drop(self.lock.take());
        Ok(self.target.clone())
    }

    /// Moves every staged entry up into the target, older ones of the same names out of the way.
    fn move_entries(&self) -> io::Result<()> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.staging.path())? {
            names.push(entry?.file_name());
        }
        names.sort();
        let old = tempfile::Builder::new().prefix(".lutra-old-").tempdir_in(&self.target)?;
        let mut undo: Vec<(PathBuf, PathBuf)> = Vec::new();
        let mut step = |from: PathBuf, to: PathBuf| {
            fs::rename(&from, &to)?;
            undo.push((to, from));
            Ok::<(), io::Error>(())
        };
        let moved = (|| {
            let leaving = names.iter().cloned().chain(self.stale.iter().map(Into::into));
            for name in leaving {
                let present = self.target.join(&name);
                if present.symlink_metadata().is_ok() {
                    step(present, old.path().join(&name))?;
                }
            }
            for name in &names {
                step(self.staging.path().join(name), self.target.join(name))?;
            }
            Ok(())
        })();
        if moved.is_err() {
            let back = undo.into_iter().rev().filter(|(now, before)| fs::rename(now, before).is_err());
            if back.count() > 0 {
                // What could not go back stays under the folder's temporary name: never delete it.
                let _ = old.keep();
            }
        }
        moved
    }
}

impl Drop for AtomicOutputDir {
    fn drop(&mut self) {
        if !self.committed {
            // The staging folder must be gone before the folders above it can go.
            let _ = fs::remove_dir_all(self.staging.path());
            remove_folders(&self.made);
        }
    }
}

/// The folders on the way to `folder`, and it itself, that do not exist, outermost first.
fn missing_folders(folder: &Path) -> Vec<PathBuf> {
    let mut missing: Vec<PathBuf> =
        folder.ancestors().take_while(|p| !p.as_os_str().is_empty() && !p.exists()).map(Path::to_path_buf).collect();
    missing.reverse();
    missing
}

/// Removes folders that were made, innermost first, as long as they are empty.
fn remove_folders(made: &[PathBuf]) {
    for folder in made.iter().rev() {
        if fs::remove_dir(folder).is_err() {
            break;
        }
    }
}
