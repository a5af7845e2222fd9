//! Where something is read from: a file or a folder on the disk, or named buffers in memory.
//!
//! A front end without a file system (a browser with dropped files, an interpreter with an open buffer) hands over
//! [`Buffers`](crate::place::Buffers): a small read-only file system of named bytes. A [`Place`](crate::place::Place) is a path together with where that path is
//! looked up. Readers ask a place and never the disk, so files and buffers pass the same checks. The buffers travel
//! inside the place: there is no registry, and two threads with different buffers of one name do not meet.
//!
//! This is the door to reading: `std::fs` stands here, and in the modules that write.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::ops::Deref;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Weak};

use crate::fault::{Explained, Fault, FaultKind, Words, explained};

/// Bytes with one or several owners; a clone copies nothing.
#[derive(Clone)]
pub struct Bytes(Arc<dyn AsRef<[u8]> + Send + Sync>);

impl Bytes {
    /// Bytes that another owner keeps: a vector, a memory map, a buffer of an interpreter. Nothing is copied.
    pub fn of(owner: impl AsRef<[u8]> + Send + Sync + 'static) -> Self {
        Self(Arc::new(owner))
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        (*self.0).as_ref()
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self::of(bytes)
    }
}

impl From<Arc<[u8]>> for Bytes {
    fn from(bytes: Arc<[u8]>) -> Self {
        Self::of(bytes)
    }
}

impl From<&'static [u8]> for Bytes {
    fn from(bytes: &'static [u8]) -> Self {
        Self::of(bytes)
    }
}

impl fmt::Debug for Bytes {
    /// The size alone: bytes of an image name the patient.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}

/// Why buffers are not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuffersError {
    /// A name that is no relative path below the set.
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        found: &'static str,
    },
    /// Two buffers of one name.
    Twice {
        /// The name.
        name: String,
    },
    /// A buffer whose name is that of a folder.
    FileAndFolder {
        /// The name.
        name: String,
    },
}

explained!(BuffersError);

impl Explained for BuffersError {
    fn fault(&self) -> Fault {
        let plain = |name: &str| name.escape_debug().to_string();
        match self {
            Self::Name { name, found } => Fault::invalid(
                plain(name),
                "name of a buffer",
                *found,
                "a relative path below the buffers, its parts between /",
                "Name it as the dropped folder does, for example CT/1.dcm.",
            ),
            Self::Twice { name } => Fault::invalid(
                plain(name),
                "name of a buffer",
                "two of this name",
                "one",
                "Give each a name of its own, with its folder before it.",
            )
            .kind(FaultKind::Mismatch),
            Self::FileAndFolder { name } => Fault::invalid(
                plain(name),
                "name of a buffer",
                "a file and a folder of this name",
                "one of them",
                "Rename the buffer.",
            )
            .kind(FaultKind::Mismatch),
        }
    }
}

/// A set of named bytes, read as a folder is. A clone copies nothing.
///
/// Names are relative paths such as `CT/1.dcm`; folders need no entry of their own.
#[derive(Clone)]
pub struct Buffers {
    files: Arc<BTreeMap<String, Bytes>>,
}

impl fmt::Debug for Buffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.files.iter()).finish()
    }
}

/// The parts of a buffer's name, `.` left out. Errors: what is wrong with the name.
fn parts(name: &str) -> Result<Vec<&str>, &'static str> {
    let drive = name.as_bytes().get(1) == Some(&b':') && name.as_bytes()[0].is_ascii_alphabetic();
    if name.starts_with('/') || drive {
        return Err("an absolute path");
    }
    if name.contains('\\') {
        return Err("a backslash");
    }
    if name.chars().any(char::is_control) {
        return Err("a control character");
    }
    let parts: Vec<&str> = name.split('/').filter(|part| *part != ".").collect();
    if parts.contains(&"..") {
        return Err("..");
    }
    if parts.is_empty() || parts.contains(&"") {
        return Err("an empty part");
    }
    Ok(parts)
}

impl Buffers {
    /// Named buffers. `./a` is `a`.
    ///
    /// Errors: an empty or absolute name, one with `..`, a backslash or a control character; two of one name; a name
    /// that is both a file's and a folder's.
    pub fn new<N: Into<String>, B: Into<Bytes>>(files: impl IntoIterator<Item = (N, B)>) -> Result<Self, BuffersError> {
        let mut all: BTreeMap<String, Bytes> = BTreeMap::new();
        for (name, bytes) in files {
            let name = name.into();
            let key = match parts(&name) {
                Ok(parts) => parts.join("/"),
                Err(found) => return Err(BuffersError::Name { name, found }),
            };
            if all.insert(key, bytes.into()).is_some() {
                return Err(BuffersError::Twice { name });
            }
        }
        let files = Self { files: Arc::new(all) };
        match files.files.keys().find(|name| files.below(name).next().is_some()) {
            Some(name) => Err(BuffersError::FileAndFolder { name: name.clone() }),
            None => Ok(files),
        }
    }

    /// The place of a buffer, of a folder of buffers, or of one series of it (`CT#2`). It need not be there: what reads
    /// it says so.
    pub fn place(&self, path: impl Into<PathBuf>) -> Place {
        Place { path: path.into(), within: Some(self.clone()) }
    }

    /// The folder of all buffers, `.` in messages.
    pub fn folder(&self) -> Place {
        self.place(".")
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// Files of a folder and of the folders in it: names relative to it, and bytes.
    fn below<'a>(&'a self, folder: &str) -> impl Iterator<Item = (&'a str, &'a Bytes)> + use<'a> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let from = self.files.range(prefix.clone()..);
        from.map_while(move |(name, bytes)| Some((name.strip_prefix(&prefix)?, bytes)))
    }

    /// What lies at a path. `..` is resolved by name; it may not lead out.
    fn at(&self, path: &Path) -> Option<Held<'_>> {
        let mut parts: Vec<&str> = Vec::new();
        for part in path.components() {
            match part {
                Component::Normal(part) => parts.push(part.to_str()?),
                Component::CurDir => {}
                Component::ParentDir => {
                    parts.pop()?;
                }
                Component::RootDir | Component::Prefix(_) => return None,
            }
        }
        let key = parts.join("/");
        match self.files.get(&key) {
            Some(bytes) => Some(Held::File(bytes)),
            None => (key.is_empty() || self.below(&key).next().is_some()).then_some(Held::Folder(key)),
        }
    }

    /// Names of what lies directly in a folder, and whether each is a folder.
    fn children(&self, folder: &str) -> BTreeMap<String, bool> {
        let mut names = BTreeMap::new();
        for (name, _) in self.below(folder) {
            let (name, inner) = name.split_once('/').map_or((name, false), |(name, _)| (name, true));
            names.insert(name.to_owned(), inner);
        }
        names
    }
}

/// What lies at a path among buffers.
enum Held<'a> {
    File(&'a Bytes),
    Folder(String),
}

/// Where something is read from: a path on the disk, or among [`Buffers`].
///
/// Made from a path it means the disk: `Place::from("ct.nii.gz")`; from buffers it is made by [`Buffers::place`]. A
/// place holds a path and a reference, never the bytes of a file.
#[derive(Clone)]
pub struct Place {
    path: PathBuf,
    /// Where the path is looked up; `None` for the disk.
    within: Option<Buffers>,
}

/// An entry of a folder.
pub(crate) struct Listed {
    /// Its name.
    pub(crate) name: OsString,
    /// Where it is.
    pub(crate) place: Place,
    /// Whether it is a folder itself, not a link to one.
    pub(crate) is_folder: bool,
}

/// The entries of a folder, in no particular order.
pub(crate) type Listing = Box<dyn Iterator<Item = io::Result<Listed>>>;

fn not_found() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "no such file or folder among the buffers")
}

/// Asks what is the same of a path on the disk and among buffers: its words.
impl Place {
    /// The path. It says nothing of where it is looked up: to read, ask the place.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path, for messages.
    pub fn display(&self) -> std::path::Display<'_> {
        self.path.display()
    }

    /// The path, owned.
    pub fn to_path_buf(&self) -> PathBuf {
        self.path.clone()
    }

    /// The last part of the path.
    pub fn file_name(&self) -> Option<&OsStr> {
        self.path.file_name()
    }

    /// The ending of the name.
    pub fn extension(&self) -> Option<&OsStr> {
        self.path.extension()
    }

    /// Whether the name of the place begins with a folder's.
    pub fn starts_with(&self, folder: &Place) -> bool {
        self.same_set(folder) && self.path.starts_with(&folder.path)
    }

    /// Another path, looked up where this one is.
    pub fn at(&self, path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), within: self.within.clone() }
    }

    /// A path below this folder.
    pub fn join(&self, name: impl AsRef<Path>) -> Self {
        self.at(self.path.join(name))
    }

    /// The folder before the last part of the path, as [`Path::parent`] has it; empty for a bare name.
    pub fn parent(&self) -> Option<Self> {
        self.path.parent().map(|parent| self.at(parent))
    }

    /// The folder that holds this; `.` for a bare name.
    pub fn folder(&self) -> Self {
        match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => self.at(parent),
            _ => self.at("."),
        }
    }

    /// A path that this file states, relative to its folder.
    pub fn beside(&self, name: impl AsRef<Path>) -> Self {
        self.path.parent().map_or_else(|| self.at(name.as_ref()), |folder| self.at(folder.join(name.as_ref())))
    }

    /// Whether two places are looked up in the same set: both on the disk, or both among the same buffers.
    pub fn same_set(&self, other: &Place) -> bool {
        self.set() == other.set()
    }

    /// Whether it lies among buffers, not on the disk.
    pub fn in_memory(&self) -> bool {
        self.within.is_some()
    }

    /// Address of the buffers; 0 for the disk.
    fn set(&self) -> usize {
        self.within.as_ref().map_or(0, |set| Arc::as_ptr(&set.files) as usize)
    }

    /// What tells this place from every other, without keeping the buffers.
    pub(crate) fn key(&self) -> PlaceKey {
        PlaceKey { path: self.path.clone(), within: self.within.as_ref().map(|set| Arc::downgrade(&set.files)) }
    }
}

/// Asks what lies there.
impl Place {
    /// Whether a regular file lies here, as [`Path::is_file`].
    pub fn is_file(&self) -> bool {
        match &self.within {
            None => self.path.is_file(),
            Some(set) => matches!(set.at(&self.path), Some(Held::File(_))),
        }
    }

    /// Whether a folder lies here, as [`Path::is_dir`].
    pub fn is_dir(&self) -> bool {
        match &self.within {
            None => self.path.is_dir(),
            Some(set) => matches!(set.at(&self.path), Some(Held::Folder(_))),
        }
    }

    /// Whether anything lies here, as [`Path::exists`].
    pub fn exists(&self) -> bool {
        match &self.within {
            None => self.path.exists(),
            Some(set) => set.at(&self.path).is_some(),
        }
    }

    /// Size of the regular file that lies here, bytes. A pipe, a device or a folder is refused before it is opened: it
    /// may never end, and what it gave cannot be read again to be hashed. Standard input that a shell takes from a file
    /// is one.
    ///
    /// Errors: not a regular file ([`io::ErrorKind::InvalidInput`]); none of this name.
    pub fn regular(&self) -> io::Result<u64> {
        let kind = match &self.within {
            None => {
                let found = std::fs::metadata(&self.path)?;
                if found.is_file() {
                    return Ok(found.len());
                }
                if found.is_dir() { "a folder" } else { "a pipe or a device" }
            }
            Some(set) => match set.at(&self.path).ok_or_else(not_found)? {
                Held::File(bytes) => return Ok(bytes.len() as u64),
                Held::Folder(_) => "a folder",
            },
        };
        Err(io::Error::new(io::ErrorKind::InvalidInput, format!("found {kind}; allowed: a regular file")))
    }

    /// Opens the file that lies here.
    ///
    /// Errors: none of this name; those of the system.
    pub fn open(&self) -> io::Result<Reader> {
        match &self.within {
            None => Ok(Reader(Source::Disk(File::open(&self.path)?))),
            Some(_) => Ok(Reader(Source::Buffer(Cursor::new(self.bytes()?)))),
        }
    }

    /// All bytes of the file that lies here; those of a buffer are not copied.
    ///
    /// Errors: those of [`Place::regular`]; those of the system.
    pub fn bytes(&self) -> io::Result<Bytes> {
        self.regular()?;
        match &self.within {
            None => Ok(std::fs::read(&self.path)?.into()),
            Some(set) => match set.at(&self.path) {
                Some(Held::File(bytes)) => Ok(bytes.clone()),
                _ => Err(not_found()),
            },
        }
    }

    /// The entries of the folder that lies here.
    ///
    /// Errors: no folder; those of the system, each entry for itself.
    pub(crate) fn list(&self) -> io::Result<Listing> {
        let Some(set) = &self.within else {
            let of = |entry: io::Result<std::fs::DirEntry>| {
                let entry = entry?;
                let is_folder = entry.file_type()?.is_dir();
                Ok(Listed { name: entry.file_name(), place: entry.path().into(), is_folder })
            };
            return Ok(Box::new(std::fs::read_dir(&self.path)?.map(of)));
        };
        let folder = match set.at(&self.path).ok_or_else(not_found)? {
            Held::Folder(folder) => folder,
            Held::File(_) => return Err(io::Error::new(io::ErrorKind::NotADirectory, "a file, not a folder")),
        };
        let here = self.clone();
        let of = move |(name, is_folder): (String, bool)| {
            Ok(Listed { place: here.join(&name), name: name.into(), is_folder })
        };
        Ok(Box::new(set.children(&folder).into_iter().map(of)))
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = if self.in_memory() { " (in memory)" } else { "" };
        write!(f, "{:?}{set}", self.path)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(f)
    }
}

impl PartialEq for Place {
    /// One path, looked up in the same set.
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path && self.same_set(other)
    }
}

impl Eq for Place {}

impl<T: ?Sized + AsRef<OsStr>> From<&T> for Place {
    fn from(path: &T) -> Self {
        Self { path: path.into(), within: None }
    }
}

impl From<PathBuf> for Place {
    fn from(path: PathBuf) -> Self {
        Self { path, within: None }
    }
}

impl From<String> for Place {
    fn from(path: String) -> Self {
        Self { path: path.into(), within: None }
    }
}

impl From<&Place> for Place {
    fn from(place: &Place) -> Self {
        place.clone()
    }
}

impl From<&Place> for PathBuf {
    fn from(place: &Place) -> Self {
        place.path.clone()
    }
}

impl From<&Place> for Words {
    fn from(place: &Place) -> Self {
        place.path.as_path().into()
    }
}

/// What tells a place from every other. It keeps no buffer in memory; its address is not given away while it lives.
pub(crate) struct PlaceKey {
    path: PathBuf,
    within: Option<Weak<BTreeMap<String, Bytes>>>,
}

impl PlaceKey {
    fn parts(&self) -> (&Path, usize) {
        (&self.path, self.within.as_ref().map_or(0, |set| Weak::as_ptr(set) as usize))
    }
}

impl PartialEq for PlaceKey {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for PlaceKey {}

impl PartialOrd for PlaceKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PlaceKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parts().cmp(&other.parts())
    }
}

/// An open file or buffer.
pub struct Reader(Source);

enum Source {
    Disk(File),
    Buffer(Cursor<Bytes>),
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Source::Disk(file) => file.read(buffer),
            Source::Buffer(bytes) => bytes.read(buffer),
        }
    }
}

impl Seek for Reader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match &mut self.0 {
            Source::Disk(file) => file.seek(to),
            Source::Buffer(bytes) => bytes.seek(to),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: [(&str, &str); 5] = [
        ("ct.nii", "image"),
        ("./COURSE.toml", "text"),
        ("CT/1.dcm", "one"),
        ("CT/2.dcm", ""),
        ("CT/old/3.dcm", "three"),
    ];

    fn in_memory() -> Buffers {
        Buffers::new(FILES.map(|(name, text)| (name, text.as_bytes().to_vec()))).expect("good names")
    }

    fn told(place: &Place) -> Vec<(String, bool, String)> {
        let mut all = Vec::new();
        for entry in place.list().expect("a folder") {
            let entry = entry.expect("an entry");
            let mut text = String::new();
            if !entry.is_folder {
                entry.place.open().expect("opened").read_to_string(&mut text).expect("read");
                assert_eq!(entry.place.regular().expect("a file"), text.len() as u64);
                assert_eq!(&*entry.place.bytes().expect("bytes"), text.as_bytes());
            } else {
                all.extend(told(&entry.place));
            }
            let path = entry.place.path().strip_prefix(place.path()).expect("below");
            assert_eq!(path.as_os_str(), entry.name);
            all.push((entry.name.to_string_lossy().into_owned(), entry.is_folder, text));
        }
        all.sort();
        all
    }

    #[test]
    fn law_buffers_are_read_as_a_folder_is() {
        let folder = tempfile::tempdir().expect("temporary folder");
        for (name, text) in FILES {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            std::fs::write(path, text).expect("written");
        }
        let (disk, memory) = (Place::from(folder.path()), in_memory().folder());
        assert_eq!(told(&disk), told(&memory));
        for name in ["ct.nii", "CT", "CT/1.dcm", "CT/../ct.nii", "./CT/./old/", "CT/old/3.dcm", "none", "CT/3.dcm", ""]
        {
            let [a, b] = [&disk, &memory].map(|folder| folder.join(name));
            assert_eq!((a.is_file(), a.is_dir(), a.exists()), (b.is_file(), b.is_dir(), b.exists()), "{name}");
            let kind = |place: &Place| place.regular().map_err(|error| error.kind());
            assert_eq!(kind(&a), kind(&b), "{name}");
            assert_eq!(a.list().is_ok(), b.list().is_ok(), "{name}");
        }
        assert_eq!(memory.join("COURSE.toml").beside("CT/1.dcm"), memory.at("./CT/1.dcm"));
        assert_eq!(memory.at("COURSE.toml").beside("CT/1.dcm"), memory.at("CT/1.dcm"));
        assert_eq!(memory.at("ct.nii").folder(), memory.at("."));
        // alarm: the same words on the disk are another place
        assert_ne!(memory.at("ct.nii"), Place::from("ct.nii"));
        assert!(memory.at("ct.nii").key() != Place::from("ct.nii").key());
        assert_ne!(memory.at("ct.nii"), in_memory().place("ct.nii"));
    }

    #[test]
    fn io_buffers_are_not_copied() {
        let bytes = vec![7_u8; 1 << 16];
        let address = bytes.as_ptr();
        let buffers = Buffers::new([("a", bytes)]).expect("a name");
        assert_eq!(buffers.clone().place("./a").bytes().expect("there").as_ptr(), address);
    }

    #[test]
    fn io_what_lies_outside_the_buffers_is_not_there() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let file = folder.path().join("secret");
        std::fs::write(&file, "of the disk").expect("written");
        assert!(Place::from(&file).is_file());
        let buffers = in_memory();
        for path in [file.as_path(), Path::new("../secret"), Path::new("CT/../../ct.nii"), Path::new("/ct.nii")] {
            let place = buffers.place(path);
            assert!(!place.exists() && place.open().is_err() && place.list().is_err(), "{place}");
            assert_eq!(place.bytes().expect_err("nothing").kind(), io::ErrorKind::NotFound);
        }
    }

    #[test]
    fn alarm_hostile_names_are_refused_by_name() {
        for (name, found) in [
            ("../a.dcm", ".."),
            ("CT/../../a", ".."),
            ("/etc/a", "absolute"),
            ("C:/a", "absolute"),
            ("CT\\a", "backslash"),
            ("", "empty"),
            (".", "empty"),
            ("CT//a", "empty"),
            ("CT/", "empty"),
            ("a\0", "control"),
            ("a\n", "control"),
        ] {
            let error = Buffers::new([(name, Vec::new())]).expect_err(name).to_string();
            assert!(error.starts_with(&name.escape_debug().to_string()) && error.contains(found), "{error}");
        }
        let none = Vec::new;
        let twice = Buffers::new([("a", none()), ("b", none()), ("./a", none())]).expect_err("two").to_string();
        assert!(twice.contains("a: ") && twice.contains("two of this name"), "{twice}");
        let both = Buffers::new([("a/b", none()), ("a.c", none()), ("a", none())]).expect_err("both").to_string();
        assert!(both.contains("a: ") && both.contains("a file and a folder"), "{both}");
        assert!(Buffers::new([("a/b", none()), ("ab", none()), ("a.b", none())]).is_ok());
    }
}
