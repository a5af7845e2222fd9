//! Final location of unfinished output: an error about a temporary file names the path that the user gave.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Temporary folders in use, and the final location of their files.
static STAGED: Mutex<BTreeMap<PathBuf, PathBuf>> = Mutex::new(BTreeMap::new());

/// Notes a temporary folder.
pub(super) fn begin(staging: &Path, target: &Path) {
    if let Ok(mut staged) = STAGED.lock() {
        staged.insert(staging.to_owned(), target.to_owned());
    }
}

/// Forgets a temporary folder.
pub(super) fn end(staging: &Path) {
    if let Ok(mut staged) = STAGED.lock() {
        staged.remove(staging);
    }
}

/// Final path of a file being written; for any other file, its own path.
pub(crate) fn place_of(path: &Path) -> PathBuf {
    let staged = STAGED.lock().ok();
    let found = staged.as_ref().and_then(|staged| {
        staged.iter().find_map(|(staging, target)| Some(target.join(path.strip_prefix(staging).ok()?)))
    });
    found.unwrap_or_else(|| path.to_owned())
}
