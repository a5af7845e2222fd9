//! Files beside the images of a study that are not images: named and set aside.

use std::path::PathBuf;

use dicom_dictionary_std::tags;

use super::broken::Broken;
use super::kind::Kind;
use super::layout::media_class;
use super::object::Object;
use crate::io::IoError;
use crate::place::Place;

/// Class of the index of a disk.
const DICOMDIR: &str = "1.2.840.10008.1.3.10";
/// Common prefix of the storage class UIDs of images, documents and plans.
const STORAGE: &str = "1.2.840.10008.5.1.4.1.1.";
/// Classes that Lutra does not use, by their UID after [`STORAGE`]; one that ends with a point covers all below it.
const NAMES: [(&str, &str); 40] = [
    ("88.59", "key object selection (KO)"),
    ("88.67", "dose report (SR)"),
    ("88.68", "dose report (SR)"),
    ("88.73", "dose report (SR)"),
    ("88.76", "dose report (SR)"),
    ("88.", "structured report (SR)"),
    ("11.", "presentation state (PR)"),
    ("66", "raw data"),
    ("66.1", "registration (REG)"),
    ("66.2", "fiducials"),
    ("66.3", "registration (REG)"),
    ("66.5", "surface segmentation"),
    ("67", "real world value mapping"),
    ("104.1", "document (PDF)"),
    ("104.2", "document (CDA)"),
    ("104.", "encapsulated model"),
    ("7", "picture (Secondary Capture)"),
    ("7.", "picture (Secondary Capture)"),
    ("481.1", "RT image"),
    ("481.4", "treatment record"),
    ("481.5", "plan (RTPLAN)"),
    ("481.6", "treatment record"),
    ("481.7", "treatment record"),
    ("481.8", "plan (RTPLAN)"),
    ("481.9", "treatment record"),
    ("481.", "radiotherapy object"),
    ("9.", "waveform"),
    ("4", "MR image"),
    ("4.2", "MR spectroscopy"),
    ("4.", "MR image"),
    ("6.1", "ultrasound"),
    ("6.2", "ultrasound"),
    ("3.1", "ultrasound"),
    ("77.", "photograph or microscopy"),
    ("78.", "eye measurement"),
    ("12.", "angiography or fluoroscopy"),
    ("13.", "X-ray volume"),
    ("1", "radiograph"),
    ("1.", "radiograph"),
    ("30", "parametric map"),
];

/// Description of a class that Lutra does not use.
pub(super) fn class_name(class: &str) -> String {
    if class == DICOMDIR {
        return "index of a disk (DICOMDIR)".to_owned();
    }
    let known = class.strip_prefix(STORAGE).and_then(|rest| {
        let exact = NAMES.iter().find(|(name, _)| *name == rest);
        exact.or_else(|| NAMES.iter().find(|(name, _)| name.ends_with('.') && rest.starts_with(name)))
    });
    match known {
        Some((_, words)) => (*words).to_owned(),
        None if class.is_empty() => "object without a class".to_owned(),
        None => format!("other object of class {class}"),
    }
}

/// A file that is not part of a series, or that Lutra cannot read and does not need.
#[derive(Clone, Debug, serde::Serialize)]
#[non_exhaustive]
pub struct Aside {
    /// The file.
    pub path: PathBuf,
    /// What it is.
    pub what: String,
}

/// A file of a folder.
pub(super) enum Found {
    /// An object of a series.
    Object(Box<Object>),
    /// Set aside.
    Aside(Aside),
    /// An image, a dose or regions that cannot be read, and why.
    Broken(Broken, IoError),
}

/// Reads a file of a folder. An index, or an unreadable file that is not an image, is set aside.
pub(super) fn read(path: &Place) -> Found {
    let aside = |what: String| Found::Aside(Aside { path: path.to_path_buf(), what });
    match Object::read(path) {
        Ok(object) if is_index_object(&object) => aside(class_name(DICOMDIR)),
        Ok(object) => Found::Object(Box::new(object)),
        Err(_) if is_index(path) || named_index(path) => aside(format!("{}, damaged", class_name(DICOMDIR))),
        Err(error) => match media_class(path) {
            Some(class) if Kind::of(&class) == Kind::Other => {
                aside(format!("{}, not readable: {error}", class_name(&class)))
            }
            class => Found::Broken(Broken::damaged(path, class.as_deref(), &error), error),
        },
    }
}

/// Whether an object is an index: by its class, or by records found only in an index.
fn is_index_object(object: &Object) -> bool {
    object.class() == DICOMDIR || object.header.get(tags::DIRECTORY_RECORD_SEQUENCE).is_some()
}

/// Whether a file says in its meta information that it is an index.
fn is_index(path: &Place) -> bool {
    media_class(path).as_deref() == Some(DICOMDIR)
}

fn named_index(path: &Place) -> bool {
    path.file_name().is_some_and(|name| name.eq_ignore_ascii_case("DICOMDIR"))
}

/// The folder that an index stands for; none for any other path.
pub(crate) fn indexed_folder(path: &Place) -> Option<Place> {
    if !path.is_file() || !is_index(path) {
        return None;
    }
    Some(path.folder())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn io_dicom_classes_without_a_use_have_names() {
        for (class, words) in [
            ("1.2.840.10008.1.3.10", "index of a disk (DICOMDIR)"),
            ("1.2.840.10008.5.1.4.1.1.88.11", "structured report (SR)"),
            ("1.2.840.10008.5.1.4.1.1.88.68", "dose report (SR)"),
            ("1.2.840.10008.5.1.4.1.1.88.59", "key object selection (KO)"),
            ("1.2.840.10008.5.1.4.1.1.11.1", "presentation state (PR)"),
            ("1.2.840.10008.5.1.4.1.1.66", "raw data"),
            ("1.2.840.10008.5.1.4.1.1.66.2", "fiducials"),
            ("1.2.840.10008.5.1.4.1.1.7.4", "picture (Secondary Capture)"),
            ("1.2.840.10008.5.1.4.1.1.77.1.4", "photograph or microscopy"),
            ("1.2.840.10008.5.1.4.1.1.9.1.1", "waveform"),
            ("1.2.840.10008.5.1.4.1.1.1.1", "radiograph"),
            ("1.2.3", "other object of class 1.2.3"),
            ("", "object without a class"),
        ] {
            assert_eq!(class_name(class), words, "{class}");
        }
    }
}
