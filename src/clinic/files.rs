//! Text files that describe a request, and tables and records that a result leaves.

use super::failure::{AtPath, Failure, UserError};
use crate::fault::{Explained, FaultKind};
use crate::io::IoError;
use std::fs::File;
use std::path::{Path, PathBuf};

/// An error with the file that it is about before it.
pub fn in_file(path: &Path, error: &UserError) -> UserError {
    error.clone().inside(path).or_then("Correct the file.")
}

/// Path of a file that another file names, relative to that file's folder.
pub fn beside(file: &Path, name: &str) -> PathBuf {
    file.parent().map_or_else(|| PathBuf::from(name), |folder| folder.join(name))
}

/// Most bytes of a text file that describes a run.
const MAX_TEXT_BYTES: u64 = 1 << 20;

/// Reads a text file.
pub fn read_text(path: &Path) -> Result<String, UserError> {
    let refused = |error| IoError::read(path, error).fault();
    let size = std::fs::metadata(path).map_err(refused)?.len();
    if size > MAX_TEXT_BYTES {
        return Err(UserError::invalid(
            path,
            "file size",
            format!("{size} bytes"),
            format!("at most {MAX_TEXT_BYTES}"),
            "Give the TOML file that describes the run, not an image.",
        )
        .kind(FaultKind::TooLarge));
    }
    let bytes = std::fs::read(path).map_err(refused)?;
    String::from_utf8(bytes).map_err(|_| {
        UserError::invalid(
            path,
            "text",
            "bytes that are not UTF-8",
            "UTF-8 text",
            "Save the file as UTF-8; an image is named inside it.",
        )
        .kind(FaultKind::Syntax)
    })
}

/// A built-in nuclide's name, or the path of a file beside the file that names it.
pub fn named_nuclide(file: &Path, name: &str) -> String {
    let path = beside(file, name);
    if path.is_file() { path.display().to_string() } else { name.to_owned() }
}

/// Writes rows as CSV.
pub fn write_rows<T: serde::Serialize>(path: &Path, rows: &[T]) -> Result<(), Failure> {
    let file = File::create(path).at(path)?;
    let mut writer = csv::Writer::from_writer(file);
    for row in rows {
        writer.serialize(row).at(path)?;
    }
    writer.flush().at(path)
}

/// Writes a value as indented JSON.
pub fn write_json<T: serde::Serialize>(path: &Path, value: &T) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value)? + "\n";
    std::fs::write(path, text).at(path)
}
