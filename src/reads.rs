//! Hashes of the files read: of the decoded bytes, computed while reading.
//!
//! A record states the inputs of a result. A file reopened for hashing may have changed, so the reader itself stores
//! size and hash for the record. A file that is read twice must be the same both times.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::digest;
use sha2::{Digest, Sha256};

thread_local! {
    /// Files that this thread has read and that are not yet recorded.
    static SEEN: RefCell<BTreeMap<PathBuf, Seen>> = const { RefCell::new(BTreeMap::new()) };
}

/// What was read of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Its size, bytes.
    pub(crate) bytes: u64,
    /// SHA-256 of its bytes, 64 lower-case hexadecimal digits.
    pub(crate) sha256: String,
    /// Whether it was another when it was read before.
    pub(crate) changed: bool,
}

/// Notes what was read of a file.
pub(crate) fn note(path: &Path, bytes: u64, sha256: String) {
    SEEN.with_borrow_mut(|seen| {
        let changed = seen.get(path).is_some_and(|before| before.changed || before.sha256 != sha256);
        seen.insert(path.to_owned(), Seen { bytes, sha256, changed });
    });
}

/// Notes a file that was read as a whole.
pub(crate) fn note_bytes(path: &Path, bytes: &[u8]) {
    note(path, bytes.len() as u64, digest::of_bytes(bytes));
}

/// Takes what was read of a file; `None` if it was not read.
pub(crate) fn take(path: &Path) -> Option<Seen> {
    SEEN.with_borrow_mut(|seen| seen.remove(path))
}

/// Forgets all: a request has ended before it recorded what it had read.
pub(crate) fn forget() {
    SEEN.with_borrow_mut(BTreeMap::clear);
}

/// A file that is hashed on the way, however little of it its reader wants.
pub(crate) struct Hashed {
    file: File,
    state: Rc<RefCell<(Sha256, u64)>>,
}

/// Ends the hash of a file that is being read.
pub(crate) struct Rest {
    path: PathBuf,
    file: File,
    state: Rc<RefCell<(Sha256, u64)>>,
}

impl Hashed {
    /// A file to be read from its beginning.
    ///
    /// Errors: no second handle.
    pub(crate) fn new(path: &Path, file: File) -> io::Result<(Self, Rest)> {
        let state = Rc::new(RefCell::new((Sha256::new(), 0)));
        // both read on at one place
        let rest = Rest { path: path.to_owned(), file: file.try_clone()?, state: Rc::clone(&state) };
        Ok((Self { file, state }, rest))
    }
}

fn read_into(file: &mut File, state: &RefCell<(Sha256, u64)>, buffer: &mut [u8]) -> io::Result<usize> {
    let count = file.read(buffer)?;
    let (hash, bytes) = &mut *state.borrow_mut();
    hash.update(&buffer[..count]);
    *bytes += count as u64;
    Ok(count)
}

impl Read for Hashed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        read_into(&mut self.file, &self.state, buffer)
    }
}

impl Rest {
    /// Reads the rest, and records the file.
    ///
    /// Errors: it cannot be read.
    pub(crate) fn note(&mut self) -> io::Result<()> {
        let mut buffer = vec![0; 1 << 18];
        loop {
            match read_into(&mut self.file, &self.state, &mut buffer) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let (hash, bytes) = &*self.state.borrow();
        note(&self.path, *bytes, digest::finished(hash.clone()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn law_the_hash_is_that_of_the_bytes_read() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("abc");
        std::fs::write(&path, "abc").expect("written");
        let (mut file, mut rest) = Hashed::new(&path, File::open(&path).expect("opened")).expect("two handles");
        let mut first = [0];
        file.read_exact(&mut first).expect("a byte");
        // another file of that name: what was read is what counts
        std::fs::rename(&path, folder.path().join("old")).expect("moved");
        std::fs::write(&path, "xyz!").expect("written");
        rest.note().expect("read");
        let seen = take(&path).expect("read");
        // FIPS 180-2, appendix B.1
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!((seen.bytes, seen.sha256.as_str(), seen.changed), (3, abc, false));
        assert!(take(&path).is_none(), "recorded once");
        // alarm: two readings of one name that differ
        note_bytes(&path, b"abc");
        note_bytes(&path, b"xyz!");
        assert!(take(&path).is_some_and(|seen| seen.changed && seen.bytes == 4));
        note_bytes(&path, b"abc");
        note_bytes(&path, b"abc");
        assert!(take(&path).is_some_and(|seen| !seen.changed && seen.sha256 == abc));
        note_bytes(&path, b"abc");
        forget();
        assert!(take(&path).is_none());
    }
}
