//! The DICOM files of a folder.

use super::layout::looks_like_dicom;
use crate::io::IoError;
use crate::place::{Listed, Place};

/// Most files of a folder that are examined.
const MAX_FILES: usize = 200_000;
/// Deepest folder.
const MAX_FOLDERS: usize = 12;

/// Folder and number of a path like `FOLDER#3`; none for a path that exists as it stands.
pub(crate) fn selected(path: &Place) -> Option<(Place, usize)> {
    if path.exists() {
        return None;
    }
    let (folder, number) = path.path().to_str()?.rsplit_once('#')?;
    let folder = path.at(folder);
    Some((folder.clone(), number.parse().ok()?)).filter(|_| folder.is_dir())
}

/// Every DICOM file of a folder and the folders in it, or of the folder in `FOLDER#3`; empty if it is not a folder.
pub(crate) fn files_below(path: &Place) -> Vec<Place> {
    let folder = selected(path).map_or_else(|| path.clone(), |(folder, _)| folder);
    let mut files = Vec::new();
    // the reader reports what cannot be read
    let _ = collect(&folder, 0, &mut files, &mut Vec::new());
    files
}

/// Files of a folder in the order of their names: those that start like DICOM, and others.
pub(crate) fn collect(
    folder: &Place,
    depth: usize,
    files: &mut Vec<Place>,
    others: &mut Vec<Place>,
) -> Result<(), IoError> {
    let mut entries = Vec::new();
    for entry in folder.list().map_err(|e| IoError::read(folder, e))? {
        entries.push(entry.map_err(|e| IoError::read(folder, e))?);
        if entries.len() > MAX_FILES {
            return Err(IoError::invalid(
                folder,
                "folder",
                format!("more than {MAX_FILES} files"),
                "the files of one patient's study",
                "Give the folder of one series.",
            ));
        }
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    for Listed { place: path, is_folder, .. } in entries {
        if is_folder {
            // A link to a folder is not followed: it may lead back here.
            if depth < MAX_FOLDERS {
                collect(&path, depth + 1, files, others)?;
            }
        } else if path.is_file() && looks_like_dicom(&path) {
            files.push(path);
        } else {
            others.push(path);
        }
        if files.len().max(others.len()) > MAX_FILES {
            break;
        }
    }
    Ok(())
}
