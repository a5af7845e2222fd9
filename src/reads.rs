//! Hashes of the files read: of the decoded bytes, computed while reading.
//!
//! A record states the inputs of a result. A file reopened for hashing may have changed, so the reader itself stores
//! size and hash for the record. A file that is read twice must be the same both times.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::rc::Rc;

use crate::digest;
use crate::place::{Place, PlaceKey, Reader};
use sha2::{Digest, Sha256};

thread_local! {
    /// Files that this thread has read and that are not yet recorded.
    static SEEN: RefCell<BTreeMap<PlaceKey, Seen>> = const { RefCell::new(BTreeMap::new()) };
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
pub(crate) fn note(place: &Place, bytes: u64, sha256: String) {
    SEEN.with_borrow_mut(|seen| {
        let key = place.key();
        let changed = seen.get(&key).is_some_and(|before| before.changed || before.sha256 != sha256);
        seen.insert(key, Seen { bytes, sha256, changed });
    });
}

/// Notes a file that was read as a whole.
pub(crate) fn note_bytes(place: &Place, bytes: &[u8]) {
    note(place, bytes.len() as u64, digest::of_bytes(bytes));
}

/// Takes what was read of a file; `None` if it was not read.
pub(crate) fn take(place: &Place) -> Option<Seen> {
    SEEN.with_borrow_mut(|seen| seen.remove(&place.key()))
}

/// Forgets all: a request has ended before it recorded what it had read.
pub(crate) fn forget() {
    SEEN.with_borrow_mut(BTreeMap::clear);
}

/// A file that is being read, and the hash of what was read of it.
struct Progress {
    file: Reader,
    hash: Sha256,
    bytes: u64,
}

impl Read for Progress {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.hash.update(&buffer[..count]);
        self.bytes += count as u64;
        Ok(count)
    }
}

/// A file that is hashed on the way, however little of it its reader wants.
pub(crate) struct Hashed(Rc<RefCell<Progress>>);

/// Ends the hash of a file that is being read.
pub(crate) struct Rest {
    place: Place,
    read: Rc<RefCell<Progress>>,
}

impl Hashed {
    /// A file to be read from its beginning. Both read on at one place.
    pub(crate) fn new(place: &Place, file: Reader) -> (Self, Rest) {
        let read = Rc::new(RefCell::new(Progress { file, hash: Sha256::new(), bytes: 0 }));
        (Self(Rc::clone(&read)), Rest { place: place.clone(), read })
    }
}

impl Read for Hashed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.borrow_mut().read(buffer)
    }
}

impl Rest {
    /// Reads the rest, and records the file.
    ///
    /// Errors: it cannot be read.
    pub(crate) fn note(&mut self) -> io::Result<()> {
        let read = &mut *self.read.borrow_mut();
        io::copy(read, &mut io::sink())?;
        note(&self.place, read.bytes, digest::finished(read.hash.clone()));
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
        let place = Place::from(&path);
        let (mut file, mut rest) = Hashed::new(&place, place.open().expect("opened"));
        let mut first = [0];
        file.read_exact(&mut first).expect("a byte");
        // another file of that name: what was read is what counts
        std::fs::rename(&path, folder.path().join("old")).expect("moved");
        std::fs::write(&path, "xyz!").expect("written");
        rest.note().expect("read");
        let seen = take(&place).expect("read");
        // FIPS 180-2, appendix B.1
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!((seen.bytes, seen.sha256.as_str(), seen.changed), (3, abc, false));
        assert!(take(&place).is_none(), "recorded once");
        // alarm: two readings of one name that differ
        note_bytes(&place, b"abc");
        note_bytes(&place, b"xyz!");
        assert!(take(&place).is_some_and(|seen| seen.changed && seen.bytes == 4));
        note_bytes(&place, b"abc");
        note_bytes(&place, b"abc");
        assert!(take(&place).is_some_and(|seen| !seen.changed && seen.sha256 == abc));
        note_bytes(&place, b"abc");
        forget();
        assert!(take(&place).is_none());
    }
}
