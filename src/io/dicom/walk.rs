//! The DICOM files of a folder.

use std::path::{Path, PathBuf};

use super::layout::looks_like_dicom;
use crate::io::IoError;

/// Most files of a folder that are examined.
const MAX_FILES: usize = 200_000;
/// Deepest folder.
const MAX_FOLDERS: usize = 12;

/// Folder and number of a path like `FOLDER#3`; none for a path that exists as it stands.
pub(crate) fn selected(path: &Path) -> Option<(PathBuf, usize)> {
    if path.exists() {
        return None;
    }
    let (folder, number) = path.to_str()?.rsplit_once('#')?;
    let folder = PathBuf::from(folder);
    Some((folder.clone(), number.parse().ok()?)).filter(|_| folder.is_dir())
}

/// Every DICOM file of a folder and the folders in it, or of the folder in `FOLDER#3`; empty if it is not a folder.
pub(crate) fn files_below(path: &Path) -> Vec<PathBuf> {
    let folder = selected(path).map_or_else(|| path.to_path_buf(), |(folder, _)| folder);
    let mut files = Vec::new();
    // the reader reports what cannot be read
    let _ = collect(&folder, 0, &mut files, &mut Vec::new());
    files
}

/// Files of a folder in the order of their names: those that start like DICOM, and others.
pub(crate) fn collect(
    folder: &Path,
    depth: usize,
    files: &mut Vec<PathBuf>,
    others: &mut Vec<PathBuf>,
) -> Result<(), IoError> {
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|e| IoError::read(folder, e))? {
        let entry = entry.map_err(|e| IoError::read(folder, e))?;
        entries.push((entry.file_name(), entry.path(), entry.file_type().map_err(|e| IoError::read(folder, e))?));
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
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    for (_, path, kind) in entries {
        if kind.is_dir() {
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
