//! Text files that describe a request; tables and records of a result.

use super::failure::{AtPath, Failure, UserError};
use crate::fault::{Explained, Words};
use crate::io::IoError;
use crate::io::target::Target;
use crate::place::Place;
use crate::text::{self, TextError};
use std::path::Path;

/// An error prefixed with its file.
pub fn in_file(path: impl Into<Words>, error: &UserError) -> UserError {
    error.clone().inside(path).or_then("Correct the file.")
}

/// Path of a file that another file names, relative to that file's folder.
pub fn beside(file: &Place, name: &str) -> Place {
    file.beside(name)
}

/// Largest text file that describes a run, bytes.
const MAX_TEXT_BYTES: u64 = 1 << 20;

/// Reads a text file.
pub fn read_text(path: &Place) -> Result<String, UserError> {
    let bytes = text::bytes(path, MAX_TEXT_BYTES).map_err(|error| match error {
        TextError::Unreadable(error) => IoError::read(path, error).fault(),
        error => error.fault().inside(path).then("Give the TOML file that describes the run, not an image."),
    })?;
    text::utf8(bytes)
        .map_err(|error| error.fault().inside(path).then("An image is named inside the file, it is not the file."))
}

/// A built-in nuclide's name, or the place of a file relative to the file that names it.
pub fn named_nuclide(file: &Place, name: &str) -> Place {
    let path = beside(file, name);
    if path.is_file() { path } else { file.at(name) }
}

/// Makes a folder for what a command writes, and those above it, where they are missing.
pub fn make_folder(path: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(path).at(path)
}

/// Writes rows as CSV.
pub fn write_rows<T: serde::Serialize>(path: &Target, rows: &[T]) -> Result<(), Failure> {
    let file = path.create().at(path)?;
    text::rows::write(rows, std::io::BufWriter::new(file)).at(path)
}

/// Writes a value as indented JSON.
pub fn write_json<T: serde::Serialize>(path: &Target, value: &T) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value)? + "\n";
    path.write(text).at(path)
}
