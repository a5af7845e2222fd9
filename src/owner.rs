//! Ownership of a folder or file in use: a small file beside it names the process and machine that hold it, and since
//! when.
//!
//! The file is locked while its process lives; the system releases the locks of a dead process. Machines that share a
//! file system need not share its locks (NFS), so the file is also rewritten every few seconds: a holder on another
//! machine counts as dead if its file has not changed for a minute by the clock of that file system. No time read here
//! affects a result.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::cores;

/// How the names of unfinished output begin.
pub const PARTIAL: &str = ".lutra-partial-";
/// Time between two signs of life.
const BEAT: Duration = Duration::from_secs(5);
/// Silence after which a holder on another machine counts as dead.
pub const SILENCE: Duration = Duration::from_secs(60);
/// Time between two looks at a holder on another machine.
const LOOK: Duration = Duration::from_millis(250);
/// Most bytes of such a file that are looked at.
const MOST_BYTES: u64 = 1 << 20;

/// Who holds something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Name of the machine, for people.
    pub host: String,
    /// What tells machines apart: two that share their locks have one.
    pub machine: String,
    /// Number of the process.
    pub process: u32,
    /// When it began to hold it, UTC.
    pub started: String,
    /// What it holds: the name of a folder; empty where the place says it.
    #[serde(default)]
    pub what: String,
}

impl Owner {
    /// This process, from now on.
    pub fn this(what: &str) -> Self {
        let (host, machine) = this_machine();
        let started = now();
        Self { host, machine, process: std::process::id(), started, what: what.to_owned() }
    }

    /// Of a file that does not tell: its lock alone does.
    fn unknown() -> Self {
        let (host, machine) = this_machine();
        Self { host, machine, process: 0, started: String::new(), what: String::new() }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.process {
            0 => write!(f, "another process"),
            n => write!(f, "process {n} on {}, begun {}", self.host, self.started),
        }
    }
}

/// This moment, UTC, to the second.
fn now() -> String {
    let now = jiff::Timestamp::now();
    now.round(jiff::Unit::Second).unwrap_or(now).to_string()
}

/// Name of this machine, and what tells it from others: the kernel's own number where it has one, as containers of one
/// kernel share its locks and machines of one name do not.
fn this_machine() -> (String, String) {
    let line = |path: &str| std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    let named = || ["HOSTNAME", "COMPUTERNAME"].iter().find_map(|name| std::env::var(name).ok());
    let host = line("/proc/sys/kernel/hostname").or_else(named).unwrap_or_else(|| "this machine".to_owned());
    let machine = line("/proc/sys/kernel/random/boot_id").unwrap_or_else(|| host.clone());
    (host, machine)
}

/// A file that says that this process holds something, for as long as this value lives.
#[derive(Debug)]
pub struct Held {
    path: PathBuf,
    file: File,
    /// Ends the signs of life when it goes.
    stop: Option<Sender<()>>,
    /// Gives them.
    beating: Option<JoinHandle<()>>,
}

impl Held {
    /// Makes the file, which must not be there; its text is `content`, JSON with the fields of an [`Owner`].
    ///
    /// Errors: it exists ([`io::ErrorKind::AlreadyExists`]); it cannot be written.
    pub fn new(path: &Path, content: &str) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        Self::hold(path, file, content)
    }

    /// Makes the file of the owner `owner`.
    ///
    /// Errors: those of [`Held::new`].
    pub fn by(path: &Path, owner: &Owner) -> io::Result<Self> {
        Self::new(path, &serde_json::to_string(owner)?)
    }

    fn hold(path: &Path, mut file: File, content: &str) -> io::Result<Self> {
        // a file system without locks leaves the signs of life
        let _ = file.try_lock();
        file.set_len(0)?;
        file.write_all(content.as_bytes())?;
        file.sync_all()?;
        let (stop, ended) = channel();
        let (mut beating, content) = (file.try_clone()?, content.to_owned());
        let beat = move || {
            while ended.recv_timeout(BEAT) == Err(RecvTimeoutError::Timeout) {
                // written, not dated: the time is the file system's own
                let _ = beating.rewind().and_then(|()| beating.write_all(content.as_bytes()));
            }
        };
        // without a thread for it the lock alone holds
        let beating = cores::apart(beat).ok().flatten();
        Ok(Self { path: path.to_owned(), file, stop: Some(stop), beating })
    }

    /// Gives the file another name.
    ///
    /// Errors: the rename fails.
    pub fn rename(&mut self, to: &Path) -> io::Result<()> {
        std::fs::rename(&self.path, to)?;
        to.clone_into(&mut self.path);
        Ok(())
    }

    /// Removes the file's name; the lock stays until this value goes. Where an open file cannot be removed it goes at once.
    pub fn unnamed(self) -> Option<Self> {
        if cfg!(unix) {
            let _ = std::fs::remove_file(&self.path);
            return Some(self);
        }
        self.release();
        None
    }

    /// Lets go: the file is removed.
    pub fn release(self) {
        let path = self.path.clone();
        // where an open file cannot be removed it is closed first
        if cfg!(unix) {
            let _ = std::fs::remove_file(&path);
            drop(self);
        } else {
            drop(self);
            let _ = std::fs::remove_file(&path);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(beating) = self.beating.take() {
            let _ = beating.join();
        }
        // a copy of the file that lives on elsewhere would keep the lock
        let _ = self.file.unlock();
    }
}

/// What a look at a file tells.
enum Look {
    /// Nobody holds it.
    Nobody,
    /// Its lock is held, or this file system knows no locks and it was heard of lately.
    Somebody(Owner),
    /// Its holder is on another machine and was heard of lately, by the file's time.
    Elsewhere(Owner, SystemTime),
}

fn look(path: &Path) -> Look {
    File::open(path).map_or(Look::Nobody, |file| look_at(file, path))
}

/// A look at the open file that lies, or lay, at `path`.
fn look_at(mut file: File, path: &Path) -> Look {
    let mut text = String::new();
    let read = (&mut file).take(MOST_BYTES).read_to_string(&mut text);
    let owner = read.ok().and_then(|_| serde_json::from_str(&text).ok()).unwrap_or_else(Owner::unknown);
    let locks = match file.try_lock() {
        Err(TryLockError::WouldBlock) => return Look::Somebody(owner),
        Ok(()) => {
            let _ = file.unlock();
            true
        }
        Err(TryLockError::Error(_)) => false,
    };
    let here = owner.machine == this_machine().1;
    if here && locks {
        return Look::Nobody;
    }
    let Ok(heard) = file.metadata().and_then(|found| found.modified()) else { return Look::Nobody };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let now = clock_of(folder);
    // a time to come is no silence
    let silent = now.duration_since(heard).is_ok_and(|silence| silence >= SILENCE);
    match (silent, here) {
        (true, _) => Look::Nobody,
        (false, true) => Look::Somebody(owner),
        (false, false) => Look::Elsewhere(owner, heard),
    }
}

/// The time by the file system that holds a folder; by this machine where nothing can be written there.
fn clock_of(folder: &Path) -> SystemTime {
    let probe = || -> io::Result<SystemTime> {
        let mut probe = tempfile::Builder::new().prefix(PARTIAL).tempfile_in(folder)?;
        probe.write_all(b".")?;
        probe.as_file().metadata()?.modified()
    };
    probe().unwrap_or_else(|_| SystemTime::now())
}

/// Who holds the file, if anybody does. A holder on another machine is waited for until it gives a sign of life or has been
/// silent for [`SILENCE`].
pub fn holder(path: &Path) -> Option<Owner> {
    let mut first = None;
    loop {
        match look(path) {
            Look::Nobody => return None,
            Look::Somebody(owner) => return Some(owner),
            Look::Elsewhere(owner, heard) => {
                if *first.get_or_insert(heard) != heard {
                    return Some(owner);
                }
            }
        }
        std::thread::sleep(LOOK);
    }
}

/// Who seems to hold the file, without a wait: a holder on another machine that was heard of within [`SILENCE`] counts.
pub fn seen(path: &Path) -> Option<Owner> {
    match look(path) {
        Look::Nobody => None,
        Look::Somebody(owner) | Look::Elsewhere(owner, _) => Some(owner),
    }
}

/// Whether the file is there and its holder is dead. A file that is gone tells nothing: its holder may just have removed it.
pub fn left_behind(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| matches!(look_at(file, path), Look::Nobody))
}

/// Holds the file `path` for this process: makes it, or takes it over from a dead one.
///
/// Errors: another process holds it, which is named; those of the system.
pub fn claim(path: &Path, owner: &Owner) -> Result<io::Result<Held>, Owner> {
    loop {
        match Held::by(path, owner) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => return Ok(other),
        }
        if let Some(living) = holder(path) {
            return Err(living);
        }
        // moved aside and not removed: of two that take it over one finds nothing to move, and looks again
        let aside = path.with_extension(format!("{}.old", std::process::id()));
        match std::fs::rename(path, &aside).and_then(|()| std::fs::remove_file(&aside)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Ok(Err(error)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file as a process on another machine leaves it, last heard of so long ago.
    pub(crate) fn foreign(path: &Path, silent: Duration) -> Owner {
        let owner = Owner { host: "node7".into(), machine: "another".into(), process: 7, ..Owner::this("") };
        std::fs::write(path, serde_json::to_string(&owner).expect("JSON")).expect("written");
        let file = OpenOptions::new().write(true).open(path).expect("opened");
        file.set_modified(SystemTime::now() - silent).expect("dated");
        owner
    }

    #[test]
    fn io_a_living_process_holds_and_a_dead_one_does_not() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("owner");
        assert!(holder(&path).is_none(), "nothing is there");
        let held = claim(&path, &Owner::this("out")).expect("free").expect("written");
        let refused = claim(&path, &Owner::this("out")).expect_err("held");
        assert_eq!((refused.process, refused.what.as_str()), (std::process::id(), "out"));
        assert!(refused.to_string().contains("process ") && refused.to_string().contains(" begun 2"), "{refused}");
        // a killed process: its file stays, its lock does not
        drop(held);
        assert!(path.exists() && holder(&path).is_none());
        let held = claim(&path, &Owner::this("")).expect("free").expect("written");
        held.release();
        assert_eq!(std::fs::read_dir(folder.path()).expect("folder").count(), 0, "nothing is left");
        // a file that does not tell, as of an earlier version
        std::fs::write(&path, "").expect("written");
        assert!(holder(&path).is_none() && seen(&path).is_none());
    }

    /// The lock of another machine is not seen; its signs of life are.
    #[test]
    fn io_a_process_on_another_machine_holds_while_it_is_heard_of() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("owner");
        let owner = foreign(&path, Duration::from_secs(1));
        assert_eq!(seen(&path), Some(owner.clone()), "without a wait it counts as living");
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(600));
                foreign(&path, Duration::ZERO);
            });
            let refused = claim(&path, &Owner::this("")).expect_err("a sign of life");
            assert_eq!((refused.host.as_str(), refused.process), ("node7", 7));
        });
        // alarm: silence is told from life, also while it is waited for
        foreign(&path, SILENCE - Duration::from_millis(700));
        assert!(claim(&path, &Owner::this("")).expect("silent by now").is_ok());
        foreign(&path, SILENCE + Duration::from_secs(1));
        assert!(seen(&path).is_none());
    }

    #[test]
    fn io_signs_of_life_are_given() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("owner");
        let _held = Held::by(&path, &Owner::this("")).expect("written");
        let dated = || std::fs::metadata(&path).and_then(|found| found.modified()).expect("dated");
        let first = dated();
        std::thread::sleep(BEAT + Duration::from_millis(500));
        assert!(dated() > first, "a sign of life every {BEAT:?}");
        assert_eq!(
            std::fs::metadata(&path).expect("there").len(),
            serde_json::to_string(&Owner::this("")).expect("JSON").len() as u64
        );
    }
}
