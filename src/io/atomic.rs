//! Atomic output: a file or folder appears complete or not at all.
//!
//! A file is written under a temporary name in the same folder and renamed. A new folder is written under a temporary
//! sibling name and renamed. An existing folder (empty, or with `force`) may be a mount point, which cannot be renamed.
//! Its files are therefore written to a temporary folder inside it and moved up one by one, with a journal
//! ([`exchange`](crate::io::exchange)): a failed move is rolled back, and the next run completes the moves of a run
//! that was killed.
//!
//! Every output is checked against the run's inputs ([`Inputs`](crate::io::inputs::Inputs)), none of which is ever
//! replaced, moved or removed. `force` removes only files that Lutra's own record of the folder lists (`outputs`).
//!
//! A temporary folder names its owner ([`owner`](crate::owner)): a second run to the same place is refused while the
//! first is running. A killed process cannot clean up, but its lock is gone. The next run to the same place recognises
//! the leftovers by that and removes them.

use crate::fault::{Setting, words};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::IoError;
use super::exchange::{Exchange, settle};
use super::inputs::{Inputs, folder_of};
use super::outputs::{self, RECORD, Written};
use super::target::{Kept, Target};
use super::{space, staged};
use crate::owner::{Held, Owner, PARTIAL, holder, left_behind, seen};

/// The lock file that marks a temporary folder as in use.
const LOCK: &str = ".lutra-lock";
/// Age, s, above which an unlocked temporary file counts as abandoned: a writer locks its file right after creating it.
const LEFT_BEHIND_S: u64 = 60;

/// Removes leftovers of killed runs from `folder`: temporary folders and files that are neither in use nor inputs.
/// Anything doubtful or not removable stays; nothing depends on it.
fn sweep(folder: &Path, inputs: &Inputs) {
    if folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PARTIAL)) {
        return;
    }
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(PARTIAL)) {
        let path = entry.path();
        let Ok(kind) = entry.file_type() else { continue };
        if inputs.any_below(&path) {
            continue;
        }
        let free = |file: &Path| File::open(file).is_ok_and(|file| file.try_lock().is_ok());
        let lock = path.join(LOCK);
        if kind.is_dir() && left_behind(&lock) {
            let _ = fs::remove_dir_all(&path);
        } else if kind.is_file() {
            let age = entry.metadata().and_then(|m| m.modified()).ok().and_then(|at| at.elapsed().ok());
            if age.is_some_and(|age| age.as_secs() >= LEFT_BEHIND_S) && free(&path) {
                let _ = fs::remove_file(&path);
            }
        }
    }
}

/// Writes one file atomically: `fill` writes the content, and the file is then renamed into place.
///
/// A file of that name is replaced: a command claims it first ([`OutputFiles`]).
///
/// Errors: the folder cannot be written to, `fill` fails, the disk is full; then no file of that name
/// appears and one that was there stays as it was.
pub fn write_file(
    target: impl Into<Target>,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), IoError> {
    let target = target.into();
    let path = target.path();
    let failed = |e: io::Error| IoError::write(path, e);
    if target.in_memory() {
        let mut content = Vec::new();
        return fill(&mut content).and_then(|()| target.write(content)).map_err(failed);
    }
    let folder = folder_of(path);
    let mut builder = tempfile::Builder::new();
    builder.prefix(PARTIAL).suffix(".tmp");
    with_mode(&mut builder, 0o666);
    let temporary = builder.tempfile_in(folder).map_err(failed)?;
    // on a file system without locks nothing is swept
    let _ = temporary.as_file().try_lock();
    let mut writer = BufWriter::with_capacity(1 << 20, temporary);
    fill(&mut writer).map_err(failed)?;
    let temporary = writer.into_inner().map_err(|e| failed(e.into_error()))?;
    temporary.persist(path).map_err(|e| failed(e.error))?;
    Ok(())
}

/// Single files that a command will write, none of them an input.
#[derive(Clone, Debug)]
pub struct OutputFiles {
    paths: Vec<PathBuf>,
    force: bool,
    inputs: Inputs,
}

impl OutputFiles {
    /// Claims `paths` before any work is done.
    ///
    /// Errors: a path is an input of the run; it exists and `force` is false; it is not a file.
    pub fn claim<P: AsRef<Path>>(paths: &[P], force: bool, inputs: &Inputs) -> Result<Self, IoError> {
        let paths = paths.iter().map(|path| path.as_ref().to_path_buf()).collect();
        let claimed = Self { paths, force, inputs: inputs.clone() };
        inputs.whole()?;
        claimed.check()?;
        claimed.paths.iter().for_each(|path| sweep(folder_of(path), inputs));
        claimed.paths.iter().try_for_each(|path| space::ask(path, folder_of(path), 0))?;
        Ok(claimed)
    }

    /// Checks again before the files are written.
    ///
    /// Errors: those of [`OutputFiles::claim`].
    pub fn check(&self) -> Result<(), IoError> {
        self.paths.iter().try_for_each(|path| self.check_one(path))
    }

    fn check_one(&self, path: &Path) -> Result<(), IoError> {
        if path.symlink_metadata().is_err() {
            return Ok(());
        }
        self.inputs.spare(path)?;
        if path.metadata().is_ok_and(|found| !found.is_file()) {
            let found = if path.is_dir() { "a folder" } else { "a device" };
            return Err(IoError::invalid(
                path,
                "output file",
                found,
                "a new file",
                words!("Choose another ", Setting::Output, "."),
            ));
        }
        if self.force { Ok(()) } else { Err(IoError::OutputFileExists { path: path.to_path_buf() }) }
    }

    /// Writes a claimed file atomically, as [`write_file`].
    ///
    /// Errors: those of [`OutputFiles::claim`] and [`write_file`].
    pub fn write(&self, path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), IoError> {
        self.check_one(path)?;
        write_file(path, fill)
    }
}

/// Locks a temporary folder that this process has created, for the output folder `what`.
///
/// The lock is taken before the name appears, so a sweep never finds the folder unlocked.
fn hold(staging: &Path, what: &str) -> io::Result<Held> {
    let mut held = Held::by(&staging.join(format!("{LOCK}-new")), &Owner::this(what))?;
    held.rename(&staging.join(LOCK))?;
    Ok(held)
}

/// Lock entry of a temporary folder inside the output folder.
const HERE: &str = ".";

/// Name that identifies the temporary folder of an output folder that does not exist yet.
fn name_of(target: &Path) -> String {
    target.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Refuses an output folder that another running process is writing; `own` is this run's temporary folder.
fn alone(target: &Path, own: &Path) -> Result<(), IoError> {
    for (folder, what) in [(folder_of(target), name_of(target)), (target, HERE.to_owned())] {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let lock = path.join(LOCK);
            let temporary = entry.file_name().to_string_lossy().starts_with(PARTIAL);
            if !temporary || path.file_name() == own.file_name() || seen(&lock).is_none_or(|owner| owner.what != what) {
                continue;
            }
            if let Some(owner) = holder(&lock) {
                return Err(IoError::invalid(
                    target,
                    "output folder",
                    format!("one that another run is writing ({owner})"),
                    "one run at a time",
                    words!("Wait until it has ended, or choose another ", Setting::Output, "."),
                ));
            }
        }
    }
    Ok(())
}

/// Gives a temporary file or folder ordinary permissions (the umask still applies).
#[cfg(unix)]
fn with_mode(builder: &mut tempfile::Builder<'_, '_>, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    builder.permissions(fs::Permissions::from_mode(mode));
}

#[cfg(not(unix))]
fn with_mode(_builder: &mut tempfile::Builder<'_, '_>, _mode: u32) {}

/// Where a folder is written before it appears.
#[derive(Debug)]
enum Staging {
    Disk(tempfile::TempDir),
    Memory(Kept),
}

/// An output folder that appears complete, by [`AtomicOutputDir::commit`], or not at all.
///
/// If it is dropped without a commit, nothing remains and existing files are untouched.
#[derive(Debug)]
pub struct AtomicOutputDir {
    /// Where the output will be.
    target: PathBuf,
    /// Where it is written meanwhile; what is on the disk is removed when dropped.
    staging: Staging,
    /// Names the owner of the staging folder while it is in use; `None` if that cannot be written.
    lock: Option<Held>,
    /// Whether the folder existed, so that entries are moved into it one by one.
    target_exists: bool,
    /// Files that the run reads.
    inputs: Inputs,
    /// Names that are Lutra's in this folder without a record.
    own: Vec<String>,
    /// Whether the output gets a record.
    recorded: bool,
    /// Folders above the target that were made for it, deepest last.
    made: Vec<PathBuf>,
    /// Whether the output has been moved into place.
    committed: bool,
}

impl AtomicOutputDir {
    /// Prepares output to `target` for a run that reads `inputs`; missing parent folders are created.
    ///
    /// Errors: `target` is a file, an input lies in it, it is a folder with entries and `force` is false, or no file
    /// can be written there. It is checked here, before any work is done.
    pub fn create(target: impl AsRef<Path>, force: bool, inputs: &Inputs) -> Result<Self, IoError> {
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
                    words!("Choose another ", Setting::Output, "."),
                ));
            }
            Ok(_) => true,
            Err(e) if e.kind() == io::ErrorKind::NotFound && target.symlink_metadata().is_ok() => {
                return Err(IoError::invalid(
                    target,
                    "output folder",
                    "a link that leads nowhere",
                    "a new or empty folder",
                    words!("Make the folder that it leads to, or choose another ", Setting::Output, "."),
                ));
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => false,
            Err(e) => return Err(failed(e)),
        };
        if target_exists {
            inputs.spare_folder(target)?;
            settle(target)?;
        }
        inputs.whole()?;
        let mut made = Vec::new();
        sweep(if target_exists { target } else { folder_of(target) }, inputs);
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
                    words!("Choose another ", Setting::Output, "."),
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
        let target = target.to_path_buf();
        let staging = Staging::Disk(staging);
        let lock =
            hold(path_of(&staging, &target), &if target_exists { HERE.to_owned() } else { name_of(&target) }).ok();
        let (inputs, own, recorded) = (inputs.clone(), Vec::new(), true);
        let folder = Self { target, staging, lock, target_exists, inputs, own, recorded, made, committed: false };
        staged::begin(folder.path(), &folder.target);
        alone(&folder.target, folder.path())?;
        folder.needs(0)?;
        Ok(folder)
    }

    /// A folder in memory for a front end without a file system, and the files that are written there. `target` is its name
    /// in messages and records.
    pub fn in_memory(target: impl Into<PathBuf>) -> (Self, Kept) {
        let kept = Kept::default();
        let folder = Self {
            target: target.into(),
            staging: Staging::Memory(kept.clone()),
            lock: None,
            target_exists: false,
            inputs: Inputs::none(),
            own: Vec::new(),
            recorded: false,
            made: Vec::new(),
            committed: true,
        };
        (folder, kept)
    }

    /// A file written so far, as it is in memory; `None` for one on the disk.
    pub fn kept(&self, name: &str) -> Option<Vec<u8>> {
        match &self.staging {
            Staging::Disk(_) => None,
            Staging::Memory(kept) => kept.files().get(name).cloned(),
        }
    }

    /// Declares the names of the files that this run may write; `*` matches any characters.
    ///
    /// Errors: the folder holds a file of that name which Lutra's record does not list, or lists with other content.
    pub fn expecting<N: AsRef<str>>(self, names: &[N]) -> Result<Self, IoError> {
        self.expect(names)?;
        Ok(self)
    }

    /// As [`AtomicOutputDir::expecting`].
    pub fn expect<N: AsRef<str>>(&self, names: &[N]) -> Result<(), IoError> {
        if !self.target_exists {
            return Ok(());
        }
        let written = Written::read(&self.target);
        let own = self.recorded.then_some(RECORD);
        for name in names.iter().map(AsRef::as_ref).chain(own) {
            match name.split_once('*') {
                None => self.replaceable(&written, name)?,
                Some((begin, end)) => {
                    for entry in fs::read_dir(&self.target).map_err(|e| IoError::write(&self.target, e))?.flatten() {
                        let found = entry.file_name().to_string_lossy().into_owned();
                        if found.strip_prefix(begin).is_some_and(|rest| rest.ends_with(end)) {
                            self.replaceable(&written, &found)?;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Treats files of these names as Lutra's without a record, since the folder's name identifies them. Writes no
    /// record.
    pub fn owning<N: AsRef<str>>(mut self, names: &[N]) -> Self {
        self.own = names.iter().map(|name| name.as_ref().to_owned()).collect();
        self.without_record()
    }

    /// Writes no record: the files are for people to edit, and no later run replaces them.
    pub fn without_record(mut self) -> Self {
        self.recorded = false;
        self
    }

    /// Whether Lutra wrote the file of this name that lies in the target.
    fn is_ours(&self, written: &Written, name: &str) -> bool {
        let plain = || self.target.join(name).symlink_metadata().is_ok_and(|found| found.is_file());
        written.holds(&self.target, name) || self.own.iter().any(|own| own == name) && plain()
    }

    /// Refuses to replace a file that is an input or not Lutra's.
    fn replaceable(&self, written: &Written, name: &str) -> Result<(), IoError> {
        let path = self.target.join(name);
        if path.symlink_metadata().is_err() {
            return Ok(());
        }
        self.inputs.spare(&path)?;
        if self.is_ours(written, name) { Ok(()) } else { Err(IoError::OutputForeign { path }) }
    }

    /// The folder to write into until the commit; in memory, its name.
    pub fn path(&self) -> &Path {
        path_of(&self.staging, &self.target)
    }

    /// Where to write the file of this name until the commit.
    pub fn file(&self, name: &str) -> Target {
        let path = self.path().join(name);
        match &self.staging {
            Staging::Disk(_) => path.into(),
            Staging::Memory(kept) => kept.target(path, name),
        }
    }

    /// Makes a folder below, whose files are called `name/file`.
    ///
    /// Errors: a disk that cannot be written.
    pub fn make_folder(&self, name: &str) -> Result<(), IoError> {
        match &self.staging {
            Staging::Disk(_) => fs::create_dir(self.path().join(name)).map_err(|e| IoError::write(&self.target, e)),
            Staging::Memory(_) => Ok(()),
        }
    }

    /// Names of the files written so far, in order.
    ///
    /// Errors: the folder cannot be read.
    pub fn names(&self) -> Result<Vec<String>, IoError> {
        let failed = |e: io::Error| IoError::read(self.path(), e);
        if let Staging::Memory(kept) = &self.staging {
            return Ok(kept.files().keys().cloned().collect());
        }
        let mut names = Vec::new();
        for entry in fs::read_dir(self.path()).map_err(failed)? {
            names.push(entry.map_err(failed)?.file_name().to_string_lossy().into_owned());
        }
        names.retain(|name| !name.starts_with(LOCK));
        names.sort();
        Ok(names)
    }

    /// Refuses the folder if its disk has no room for this many bytes.
    ///
    /// Errors: too little room.
    pub fn needs(&self, bytes: u64) -> Result<(), IoError> {
        match &self.staging {
            Staging::Disk(_) => space::ask(&self.target, self.path(), bytes),
            Staging::Memory(_) => Ok(()),
        }
    }

    /// Where the output will be.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Moves the output into place and returns its path.
    ///
    /// In an existing folder, files listed in Lutra's record are removed if they are unchanged and this run does not
    /// write them, so that no old result stands beside a new one. All other files stay.
    ///
    /// Errors: the move fails, something has appeared at the target in the meantime, or a file there is not Lutra's to
    /// replace. The previous content then stays unchanged.
    pub fn commit(mut self) -> Result<PathBuf, IoError> {
        if matches!(self.staging, Staging::Memory(_)) {
            return Ok(self.target.clone());
        }
        // the lock outlives its name: a sweep that has just opened the file must not find it free while the folder moves,
        // and one that finds no file spares the folder
        let held = self.lock.take().and_then(Held::unnamed);
        let mut names = self.names()?;
        if self.recorded && !names.is_empty() {
            outputs::write(self.path(), &names)?;
            names.push(RECORD.to_owned());
        }
        if self.target_exists {
            let leaving = self.leaving(&names)?;
            self.move_entries(&names, &leaving).map_err(|e| IoError::write(&self.target, e))?;
        } else {
            if self.target.symlink_metadata().is_ok() {
                return Err(IoError::OutputExists {
                    path: self.target.clone(),
                    found: "an entry made meanwhile by another program".to_string(),
                });
            }
            fs::rename(self.path(), &self.target).map_err(|e| IoError::write(&self.target, e))?;
        }
        self.committed = true;
        drop(held);
        Ok(self.target.clone())
    }

    /// Names in the target to remove when `names` arrive: those of this run, and those Lutra wrote before.
    fn leaving(&self, names: &[String]) -> Result<Vec<String>, IoError> {
        let written = Written::read(&self.target);
        names.iter().try_for_each(|name| self.replaceable(&written, name))?;
        let stale = written.names().filter(|name| !names.iter().any(|new| new == name));
        let stale =
            stale.filter(|name| self.is_ours(&written, name) && self.inputs.at(&self.target.join(name)).is_none());
        Ok(names.iter().cloned().chain(stale.map(str::to_owned)).collect())
    }

    /// Moves every staged entry up into the target, and those to be removed out of the way.
    fn move_entries(&self, names: &[String], leaving: &[String]) -> io::Result<()> {
        let exchange = Exchange::begin(&self.target, self.path(), leaving, names, self.recorded)?;
        exchange.carry_out(&mut |from, to| fs::rename(from, to))
    }
}

impl Drop for AtomicOutputDir {
    fn drop(&mut self) {
        staged::end(self.path());
        if !self.committed {
            // The staging folder must be removed before its parents.
            let _ = fs::remove_dir_all(self.path());
            remove_folders(&self.made);
        }
    }
}

/// Where a folder is written meanwhile.
fn path_of<'a>(staging: &'a Staging, target: &'a Path) -> &'a Path {
    match staging {
        Staging::Disk(folder) => folder.path(),
        Staging::Memory(_) => target,
    }
}

/// The folders on the way to `folder`, and it itself, that do not exist, outermost first.
fn missing_folders(folder: &Path) -> Vec<PathBuf> {
    let mut missing: Vec<PathBuf> =
        folder.ancestors().take_while(|p| !p.as_os_str().is_empty() && !p.exists()).map(Path::to_path_buf).collect();
    missing.reverse();
    missing
}

/// Removes created folders, innermost first, as long as they are empty.
fn remove_folders(made: &[PathBuf]) {
    for folder in made.iter().rev() {
        if fs::remove_dir(folder).is_err() {
            break;
        }
    }
}
