//! Exchanges the old and new files of a folder that cannot be renamed as a whole: completely or not at all.
//!
//! A journal lists the moves and is on disk before the first file moves. If the run is killed, the journal remains, and
//! the next process that reads or writes the folder completes the exchange (`settle`). The new files are complete by
//! then, so the exchange always goes forward.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::IoError;
use super::outputs::Written;
use crate::owner::{self, Held, Owner, PARTIAL};

/// Name of the journal.
pub(super) const JOURNAL: &str = ".lutra-exchange";
/// Prefix of the folder for outgoing files.
const OLD: &str = ".lutra-old-";

/// What is moved.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Journal {
    /// Process that moves it.
    #[serde(flatten)]
    owner: Owner,
    /// Folder of the new files, in the folder itself.
    staging: String,
    /// Folder of the outgoing files, in the folder itself.
    old: String,
    /// Outgoing names.
    leaving: Vec<String>,
    /// Incoming names.
    names: Vec<String>,
    /// Whether a record lists Lutra's files in this folder.
    recorded: bool,
}

/// Moves a file; tests make it fail.
type Rename<'a> = &'a mut dyn FnMut(&Path, &Path) -> io::Result<()>;

impl Journal {
    /// The remaining moves in `folder`, in order, each with source and destination.
    fn moves(&self, folder: &Path) -> Vec<(PathBuf, PathBuf)> {
        let [staging, old] = [&self.staging, &self.old].map(|name| folder.join(name));
        let coming: BTreeSet<&String> = self.names.iter().collect();
        // a name that has arrived stays
        let come = |name: &String| coming.contains(name) && !is_there(&staging.join(name));
        let out = self.leaving.iter().filter(|name| is_there(&folder.join(name)) && !come(name));
        let out: Vec<_> = out.map(|name| (folder.join(name), old.join(name))).collect();
        let inward = self.names.iter().filter(|name| is_there(&staging.join(name)));
        out.into_iter().chain(inward.map(|name| (staging.join(name), folder.join(name)))).collect()
    }

    /// Every name is that of a file in the folder itself.
    fn is_sound(&self) -> bool {
        let plain = |name: &String| {
            let mut parts = Path::new(name).components();
            matches!((parts.next(), parts.next()), (Some(Component::Normal(part)), None) if part == name.as_str())
        };
        let named = self.staging.starts_with(PARTIAL) && self.old.starts_with(OLD);
        named && [&self.staging, &self.old].into_iter().chain(&self.leaving).chain(&self.names).all(plain)
    }

    /// Removes both folders; the journal last.
    fn clear(&self, folder: &Path) {
        for name in [&self.old, &self.staging] {
            let _ = fs::remove_dir_all(folder.join(name));
        }
    }
}

fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// An exchange whose journal is written.
pub(super) struct Exchange {
    folder: PathBuf,
    journal: Journal,
    held: Held,
}

impl Exchange {
    /// Writes the journal of an exchange in `folder`: `names` come from its subfolder `staging`; `leaving` are removed.
    ///
    /// Errors: those of the disk; another exchange is in progress.
    pub(super) fn begin(
        folder: &Path,
        staging: &Path,
        leaving: &[String],
        names: &[String],
        recorded: bool,
    ) -> io::Result<Self> {
        let name_of =
            |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let old = tempfile::Builder::new().prefix(OLD).tempdir_in(folder)?;
        let journal = Journal {
            owner: Owner::this(""),
            staging: name_of(staging),
            old: name_of(old.path()),
            leaving: leaving.to_vec(),
            names: names.to_vec(),
            recorded,
        };
        let held = Held::new(&folder.join(JOURNAL), &serde_json::to_string(&journal)?)?;
        let _stays_until_the_end = old.keep();
        Ok(Self { folder: folder.to_owned(), journal, held })
    }

    /// Moves everything; if a move fails, all moves are rolled back.
    ///
    /// Errors: a move fails. If the rollback fails too, the journal stays.
    pub(super) fn carry_out(self, rename: Rename<'_>) -> io::Result<()> {
        let mut done: Vec<(PathBuf, PathBuf)> = Vec::new();
        for (from, to) in self.journal.moves(&self.folder) {
            if let Err(error) = rename(&from, &to) {
                let back = done.iter().rev().filter(|(from, to)| rename(to, from).is_err());
                if back.count() == 0 {
                    let _ = fs::remove_dir_all(self.folder.join(&self.journal.old));
                    self.held.release();
                }
                return Err(error);
            }
            done.push((from, to));
        }
        self.journal.clear(&self.folder);
        self.held.release();
        Ok(())
    }
}

/// Completes an exchange that a killed run left in `folder`. Call it before anything in the folder is read or written.
///
/// Errors: another process is doing so; a file is not the one in the journal; those of the disk.
pub fn settle(folder: &Path) -> Result<(), IoError> {
    let path = folder.join(JOURNAL);
    if !is_there(&path) {
        return Ok(());
    }
    let refused = |found: String, next: &str| {
        Err(IoError::invalid(folder, "folder", found, "a folder whose files belong together", next))
    };
    if let Some(owner) = owner::holder(&path) {
        return refused(format!("files being exchanged by {owner}"), "Wait until that run has ended.");
    }
    let text = fs::read(&path).map_err(|e| IoError::read(&path, e))?;
    let Ok(journal) = serde_json::from_slice::<Journal>(&text) else {
        // cut short: no file has been moved
        return fs::remove_file(&path).map_err(|e| IoError::write(&path, e));
    };
    let next = format!("Look through {JOURNAL} there: what it names was being moved when a run was killed.");
    if !journal.is_sound() {
        return refused(format!("{JOURNAL}, which names other places"), &next);
    }
    let lost = journal
        .names
        .iter()
        .find(|name| !is_there(&folder.join(&journal.staging).join(name)) && !is_there(&folder.join(name)));
    if let Some(name) = lost {
        return refused(format!("an exchange that was cut short, without the new {name}"), &next);
    }
    let record = if is_there(&folder.join(&journal.old).join(super::outputs::RECORD)) {
        folder.join(&journal.old)
    } else {
        folder.to_owned()
    };
    let written = Written::read(&record);
    for (from, to) in journal.moves(folder) {
        let name = from.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let leaves = from.parent() == Some(folder);
        let ours = !leaves || !journal.recorded || name == super::outputs::RECORD || written.holds(folder, &name);
        if !ours || is_there(&to) {
            return Err(IoError::OutputForeign { path: folder.join(name) });
        }
        fs::rename(&from, &to).map_err(|e| IoError::write(&to, e))?;
    }
    journal.clear(folder);
    fs::remove_file(&path).map_err(|e| IoError::write(&path, e))
}

#[cfg(test)]
mod tests {
    use super::super::atomic::AtomicOutputDir;
    use super::super::inputs::Inputs;
    use super::super::outputs::{self, RECORD};
    use super::*;
    use std::collections::BTreeMap;

    const OLD_FILES: [&str; 4] = ["dose.nii", "organs.csv", "run.json", "stale.png"];
    const NEW_FILES: [&str; 4] = ["dose.nii", "organs.csv", "run.json", "added.png"];

    fn contents(folder: &Path) -> BTreeMap<String, String> {
        let entries = fs::read_dir(folder).expect("folder").map(|entry| entry.expect("entry"));
        entries
            .map(|entry| {
                let name = entry.file_name().to_string_lossy().into_owned();
                (name, fs::read_to_string(entry.path()).unwrap_or_else(|_| "a folder".into()))
            })
            .collect()
    }

    fn write(to: &Path, names: &[&str], text: &str) {
        names.iter().for_each(|name| fs::write(to.join(name), format!("{text} {name}")).expect("written"));
        outputs::write(to, &names.map_owned()).expect("recorded");
    }

    trait Owned {
        fn map_owned(&self) -> Vec<String>;
    }
    impl Owned for &[&str] {
        fn map_owned(&self) -> Vec<String> {
            self.iter().map(|name| (*name).to_owned()).collect()
        }
    }

    /// An output folder with old files and one of a person's, and an exchange that is killed after `moves` renames, or
    /// before its journal is whole. How many renames there would be.
    fn killed(folder: &Path, moves: Option<usize>) -> usize {
        fs::create_dir(folder).expect("made");
        write(folder, &OLD_FILES, "old");
        fs::write(folder.join("mine.txt"), "mine").expect("written");
        let staging = folder.join(format!("{PARTIAL}new"));
        fs::create_dir(&staging).expect("made");
        write(&staging, &NEW_FILES, "new");
        let names = [NEW_FILES.as_slice().map_owned(), vec![RECORD.to_owned()]].concat();
        let leaving = [names.clone(), vec!["stale.png".to_owned()]].concat();
        let exchange = Exchange::begin(folder, &staging, &leaving, &names, true).expect("begun");
        let all = exchange.journal.moves(folder);
        match moves {
            Some(moves) => all.iter().take(moves).for_each(|(from, to)| fs::rename(from, to).expect("moved")),
            None => fs::write(folder.join(JOURNAL), "{\"host\"").expect("cut"),
        }
        // the exchange goes without an end, as its process does
        drop(exchange.held);
        // names that come twice in `moves` are found when their time comes
        all.len()
    }

    fn whole(text: &str, names: &[&str], folder: &Path) {
        let found = contents(folder);
        let wanted: BTreeSet<&str> = names.iter().copied().chain([RECORD, "mine.txt"]).collect();
        assert_eq!(found.keys().map(String::as_str).collect::<BTreeSet<_>>(), wanted);
        for name in names {
            assert_eq!(found[*name], format!("{text} {name}"));
        }
        let written = Written::read(folder);
        assert!(names.iter().all(|name| written.holds(folder, name)), "the record is of these files");
    }

    #[test]
    fn io_a_killed_exchange_is_ended_by_the_next_run() {
        let home = tempfile::tempdir().expect("temporary folder");
        let count = killed(&home.path().join("count"), Some(0));
        assert_eq!(count, 10, "five leave, five come");
        for moves in 0..=count {
            for by in ["create", "inputs"] {
                let folder = home.path().join(format!("{by}{moves}"));
                killed(&folder, Some(moves));
                // alarm: what a killed run leaves is neither the old set nor the new one
                assert!(is_there(&folder.join(JOURNAL)) && contents(&folder).values().any(|text| text == "a folder"));
                if by == "create" {
                    drop(AtomicOutputDir::create(&folder, true, &Inputs::none()).expect("settled"));
                } else {
                    let inputs = Inputs::from_iter([folder.join("run.json")]);
                    assert!(inputs.paths().count() == 1 && inputs.whole().is_ok(), "after {moves} moves");
                }
                whole("new", &NEW_FILES, &folder);
            }
        }
        // nothing was moved before the journal was whole
        let folder = home.path().join("cut");
        killed(&folder, None);
        settle(&folder).expect("settled");
        assert_eq!(fs::read_to_string(folder.join("dose.nii")).expect("there"), "old dose.nii");
        assert!(!is_there(&folder.join(JOURNAL)));
    }

    /// What a person changed after the kill is not taken away; what is gone is said; other places are not touched.
    #[test]
    fn alarm_an_exchange_that_cannot_be_ended_is_said() {
        let home = tempfile::tempdir().expect("temporary folder");
        let at = |name: &str| home.path().join(name);
        killed(&at("edited"), Some(1));
        fs::write(at("edited/organs.csv"), "corrected").expect("written");
        killed(&at("added"), Some(5));
        fs::write(at("added/organs.csv"), "mine").expect("written");
        for folder in ["edited", "added"] {
            let error = settle(&at(folder)).expect_err(folder).to_string();
            assert!(error.contains("organs.csv: output file"), "{error}");
            assert!(AtomicOutputDir::create(at(folder), true, &Inputs::none()).is_err());
            assert!(Inputs::from_iter([at(folder).join("dose.nii")]).whole().is_err(), "{folder} is not read either");
        }
        assert_eq!(fs::read_to_string(at("edited/organs.csv")).expect("there"), "corrected");
        killed(&at("lost"), Some(2));
        fs::remove_dir_all(at("lost").join(format!("{PARTIAL}new"))).expect("removed");
        let error = settle(&at("lost")).expect_err("lost").to_string();
        assert!(error.contains("without the new dose.nii"), "{error}");
        killed(&at("other"), Some(0));
        let journal = at("other").join(JOURNAL);
        let text = fs::read_to_string(&journal).expect("there").replace("\"stale.png\"", "\"../mine\"");
        fs::write(&journal, text).expect("written");
        assert!(settle(&at("other")).expect_err("other").to_string().contains("names other places"));
    }

    /// A living exchange is not meddled with; a failed one is undone.
    #[test]
    fn io_a_failed_exchange_is_undone() {
        let home = tempfile::tempdir().expect("temporary folder");
        for fails_at in 0..10 {
            let folder = home.path().join(fails_at.to_string());
            fs::create_dir(&folder).expect("made");
            write(&folder, &OLD_FILES, "old");
            fs::write(folder.join("mine.txt"), "mine").expect("written");
            let staging = folder.join(format!("{PARTIAL}new"));
            fs::create_dir(&staging).expect("made");
            write(&staging, &NEW_FILES, "new");
            let names = [NEW_FILES.as_slice().map_owned(), vec![RECORD.to_owned()]].concat();
            let leaving = [names.clone(), vec!["stale.png".to_owned()]].concat();
            let exchange = Exchange::begin(&folder, &staging, &leaving, &names, true).expect("begun");
            assert!(settle(&folder).expect_err("at work").to_string().contains("being exchanged by process"));
            let mut count = 0;
            let failed = exchange.carry_out(&mut |from, to| {
                count += 1;
                if count == fails_at + 1 { Err(io::Error::other("planted")) } else { fs::rename(from, to) }
            });
            assert!(failed.is_err());
            fs::remove_dir_all(&staging).expect("removed");
            whole("old", &OLD_FILES, &folder);
        }
    }
}
