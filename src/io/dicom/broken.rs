//! Unreadable files of a folder. Each is named, and a series that one of them may belong to is refused, since its last
//! slice may be missing.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;

use dicom_dictionary_std::tags;

use super::kind::{CT, Kind, PT};
use super::object::Object;
use crate::io::IoError;
use crate::note::Note;
use crate::place::Place;

/// Bytes before the data set: a preamble and the letters DICM.
const HEAD_BYTES: u64 = 132;

/// A file that cannot be read.
#[derive(Clone, Debug)]
pub(crate) struct Broken {
    /// The file.
    pub(crate) path: Place,
    /// What is wrong with it.
    pub(crate) what: String,
    /// What it was, if its header says.
    kind: Option<Kind>,
    /// Whether it looks like one of the objects beside it.
    meant: bool,
}

impl Broken {
    /// A file that starts like DICOM and was refused.
    pub(super) fn damaged(path: &Place, class: Option<&str>, error: &IoError) -> Self {
        let what = format!("not readable: {error}");
        Self { path: path.clone(), what, kind: class.map(Kind::of), meant: true }
    }

    /// One line for a note.
    pub(super) fn line(&self) -> String {
        self.note().to_string()
    }

    /// The same as data.
    pub(super) fn note(&self) -> Note {
        Note::warning("file-left-out", format!("{}; left out", self.what)).at(&self.path)
    }

    /// Whether it could have been an object of this kind.
    pub(super) fn may_be(&self, kind: Kind) -> bool {
        self.kind.map_or(self.meant, |own| own == kind)
    }
}

/// Non-DICOM files that were probably meant to be DICOM: empty or unreadable files, and files named like an object in
/// the same folder.
pub(super) fn among(others: &[Place], objects: &[Place]) -> Vec<Broken> {
    let folders: BTreeSet<&Path> = objects.iter().filter_map(|path| path.path().parent()).collect();
    let names: BTreeSet<(&Path, String)> = objects.iter().flat_map(|path| shapes(path)).collect();
    let mut found = Vec::new();
    for path in others.iter().filter(|path| path.path().parent().is_some_and(|folder| folders.contains(folder))) {
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let meant = !hidden && shapes(path).iter().any(|shape| names.contains(shape));
        let (what, grave) = fault(path);
        if meant || (grave && !hidden) {
            found.push(Broken { path: path.clone(), what, kind: None, meant });
        }
    }
    found
}

/// Pattern of a file's name: its folder with the name stripped of digits, and with its extension if that is letters.
fn shapes(path: &Place) -> Vec<(&Path, String)> {
    let (Some(folder), Some(name)) = (path.path().parent(), path.file_name()) else { return Vec::new() };
    let name = name.to_string_lossy().to_lowercase();
    let mut plain: String = name.chars().map(|c| if c.is_ascii_digit() { '#' } else { c }).collect();
    while plain.contains("##") {
        plain = plain.replace("##", "#");
    }
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_owned());
    let ending = ending.filter(|ending| !ending.is_empty() && ending.chars().all(char::is_alphabetic));
    let mut shapes = vec![(folder, plain)];
    shapes.extend(ending.map(|ending| (folder, format!("*.{ending}"))));
    shapes
}

/// What is wrong with a file that does not start like DICOM, and whether that is wrong for any file.
fn fault(path: &Place) -> (String, bool) {
    let mut head = Vec::new();
    let read = path.open().and_then(|file| file.take(HEAD_BYTES).read_to_end(&mut head));
    match read {
        Err(error) => (format!("cannot be read: {error}"), true),
        Ok(0) => ("an empty file".to_owned(), true),
        Ok(bytes) if (bytes as u64) < HEAD_BYTES => (format!("cut to {bytes} bytes"), false),
        Ok(_) if head.iter().all(|byte| *byte == 0) => ("zeros where DICOM should start".to_owned(), false),
        Ok(_) => ("does not start like DICOM".to_owned(), false),
    }
}

/// Refuses a series beside a file that may be one of its slices.
///
/// A series with as many slices as its header states is complete.
pub(super) fn must_be_whole(path: &Place, kind: Kind, objects: &[Object], near: &[&Broken]) -> Result<(), IoError> {
    let one_by_one = [CT, PT].contains(&objects[0].class().as_str());
    let stated = [tags::NUMBER_OF_SLICES, tags::IMAGES_IN_ACQUISITION].map(|tag| objects[0].number(tag));
    let whole = stated.contains(&Some(objects.len() as f64));
    match near.iter().find(|file| file.may_be(kind)) {
        Some(file) if one_by_one && !whole => Err(IoError::invalid(
            path,
            "slices",
            format!("{} beside {} slices: {}", file.path.display(), objects.len(), file.what),
            "every slice of the series",
            "Export the series again; if the file is no slice of it, take it out of the folder.",
        )),
        _ => Ok(()),
    }
}
