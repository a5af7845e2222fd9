//! Record of what Lutra wrote into a folder: `lutra.sha256`, one line per file, in the format of `sha256sum -c`.
//!
//! A later run with `--force` replaces and removes only files that this record lists and that still have the recorded
//! content. All other files belong to someone else.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path};

use super::{IoError, sha256_hex};
use crate::text;

/// Name of the record.
pub const RECORD: &str = "lutra.sha256";

/// Writes the record of `names` into the folder that holds them.
///
/// Errors: a file cannot be read; the folder cannot be written to.
pub(super) fn write(folder: &Path, names: &[String]) -> Result<(), IoError> {
    let mut text = String::new();
    for name in names.iter().filter(|name| folder.join(name).is_file() && *name != RECORD) {
        text.push_str(&format!("{}  {name}\n", sha256_hex(folder.join(name))?));
    }
    let path = folder.join(RECORD);
    fs::write(&path, text).map_err(|e| IoError::write(&path, e))
}

/// The files of a folder that Lutra wrote, by their record.
#[derive(Clone, Debug, Default)]
pub(super) struct Written {
    /// SHA-256 by name; `None` if there is no record that can be read.
    recorded: Option<BTreeMap<String, String>>,
}

impl Written {
    /// Reads the record in `folder`.
    pub(super) fn read(folder: &Path) -> Self {
        let path = folder.join(RECORD);
        let plain = path.symlink_metadata().is_ok_and(|found| found.is_file());
        Self { recorded: plain.then(|| text::read(&path).ok()).flatten().and_then(|text| parse(&text)) }
    }

    /// Names in the record, its own included.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let own = self.recorded.is_some().then_some(RECORD);
        self.recorded.iter().flat_map(BTreeMap::keys).map(String::as_str).chain(own)
    }

    /// Whether the file `name` of `folder` is as Lutra wrote it.
    pub(super) fn holds(&self, folder: &Path, name: &str) -> bool {
        let path = folder.join(name);
        let Some(recorded) = &self.recorded else { return false };
        let plain = path.symlink_metadata().is_ok_and(|found| found.is_file());
        let as_written = || recorded.get(name).is_some_and(|hash| sha256_hex(&path).is_ok_and(|found| found == *hash));
        plain && (name == RECORD || as_written())
    }
}

/// The record's lines; `None` if one of them is not of its form. Names must be of files in the folder itself.
fn parse(text: &str) -> Option<BTreeMap<String, String>> {
    text.lines()
        .map(|line| {
            let (hash, name) = line.split_once("  ")?;
            let hex = hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit());
            let mut parts = Path::new(name).components();
            let plain = matches!((parts.next(), parts.next()), (Some(Component::Normal(part)), None) if part == name);
            (hex && plain).then(|| (name.to_owned(), hash.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn io_the_record_knows_what_was_written() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let at = |name: &str| folder.path().join(name);
        for name in ["a.nii", "b.csv", "mine.txt"] {
            fs::write(at(name), name).expect("written");
        }
        write(folder.path(), &["a.nii".to_owned(), "b.csv".to_owned()]).expect("written");
        let written = Written::read(folder.path());
        assert_eq!(written.names().collect::<Vec<_>>(), ["a.nii", "b.csv", RECORD]);
        let held = |name: &str| written.holds(folder.path(), name);
        assert!(held("a.nii") && held("b.csv") && held(RECORD) && !held("mine.txt") && !held("none"));
        // alarm: one changed byte
        fs::write(at("b.csv"), "b.cs_").expect("written");
        assert!(!held("b.csv"));
        #[cfg(unix)]
        {
            fs::rename(at("a.nii"), at("moved.nii")).expect("moved");
            std::os::unix::fs::symlink("moved.nii", at("a.nii")).expect("linked");
            assert!(!held("a.nii"), "a link is nothing that Lutra wrote");
        }
    }

    #[test]
    fn io_a_record_that_names_other_places_is_none() {
        let hash = "ab".repeat(32);
        for name in ["../x", "/x", "a/b", "./a", ".", "..", "", "a/"] {
            assert!(parse(&format!("{hash}  a.nii\n{hash}  {name}\n")).is_none(), "{name:?}");
        }
        for line in ["no record", "abc  a.nii", "zz  a", ""] {
            assert!(parse(&format!("{line}\n")).is_none(), "{line:?}");
        }
        assert_eq!(parse(&format!("{hash}  a b.nii\n")).expect("a record").len(), 1);
        assert!(parse("").is_some_and(|empty| empty.is_empty()));
    }
}
