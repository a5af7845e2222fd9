//! Reading and writing files: bytes to typed volumes and back. No physics.
//!
//! Every error names the file, the field, what was found, what is allowed and what to do next.

/// NIfTI-1 and NIfTI-2 images.
pub mod nifti;

/// Names of the values in a label map.
pub mod labels;

/// DICOM objects.
pub mod dicom;

/// Transforms in ITK's text files.
pub mod itk;

/// Displacement fields.
pub mod displacement;

/// MetaImage.
mod itk_meta;

/// Opens images and label maps of any format.
pub mod open;

/// Atomic output.
pub mod atomic;

/// Where a file is written.
pub mod target;

/// The exchange of old and new files of a folder.
pub mod exchange;

/// The files that a run reads.
pub mod inputs;

/// Final location of unfinished output.
pub(crate) mod staged;

/// Room on a disk.
pub(crate) mod space;

/// What Lutra wrote into a folder.
pub mod outputs;

use crate::fault::{Explained, Fault, FaultKind, Setting, Words, explained, words};
use crate::place::Place;
use crate::text::parsed::of_system;
pub use open::{open_activity, open_ct, open_dose, open_labels};

use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use thiserror::Error;

/// What can go wrong with a file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IoError {
    /// The file cannot be opened or read.
    Read {
        /// The file.
        path: Place,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file or folder cannot be written.
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file ends before its content does.
    Truncated {
        /// The file.
        path: PathBuf,
        /// Which part is missing.
        field: &'static str,
        /// Bytes there (for a compressed file: the most that it can hold).
        found: u64,
        /// Bytes needed.
        expected: u64,
    },
    /// A field with a value that cannot be used.
    Invalid {
        /// The file.
        path: PathBuf,
        /// The field of the file.
        field: Words,
        /// The value found.
        found: Words,
        /// The values allowed.
        allowed: Words,
        /// What the user can do.
        next: Words,
    },
    /// A folder without DICOM files.
    NoDicom {
        /// The folder.
        path: PathBuf,
        /// What lies there instead.
        found: Words,
    },
    /// The image's grid cannot be used.
    Grid {
        /// The file.
        path: PathBuf,
        /// What is wrong with the grid.
        source: crate::grid::GridError,
    },
    /// The image is larger than this machine's memory.
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Bytes that the values take in memory.
        found: u64,
    },
    /// The output already exists.
    OutputExists {
        /// The folder.
        path: PathBuf,
        /// What lies there.
        found: String,
    },
    /// The output file already exists.
    OutputFileExists {
        /// The file.
        path: PathBuf,
    },
    /// The output would touch a file that the run reads.
    OutputIsInput {
        /// The output.
        path: PathBuf,
        /// What kind of output.
        what: &'static str,
        /// The input.
        input: PathBuf,
    },
    /// Inputs lie in a folder whose files do not belong together.
    Mixed(String),
    /// The output would replace a file that is not Lutra's.
    OutputForeign {
        /// The file.
        path: PathBuf,
    },
}

explained!(IoError);

impl Explained for IoError {
    fn fault(&self) -> Fault {
        match self {
            Self::Read { path, source } => Fault::of(FaultKind::Unreadable)
                .place(path)
                .found(of_system(source))
                .then(advice(path, source))
                .form("{place}: cannot read: {found}"),
            Self::Write { path, source } => Fault::of(FaultKind::Unwritable)
                .place(path)
                .found(of_system(source))
                .then("Choose a place that you may write to and that has room.")
                .form("{place}: cannot write: {found}"),
            Self::Truncated { path, field, found, expected } => Fault::invalid(
                path,
                "file size",
                format!("{found} bytes of {field}"),
                expected.to_string(),
                "The file is cut short or damaged: copy or export it again.",
            )
            .kind(FaultKind::Damaged),
            Self::Invalid { path, field, found, allowed, next } => Fault::invalid(path, field, found, allowed, next),
            Self::NoDicom { path, found } => {
                let next = "Give the folder of the exported series.";
                Fault::invalid(path, "folder", found, "DICOM files (PS3.10)", next).kind(FaultKind::Missing)
            }
            Self::Grid { path, source } => source.fault().inside(path),
            Self::TooLarge { path, found } => Fault::invalid(
                path,
                "image size",
                format!("{found} bytes in memory"),
                "what this machine can give",
                "Crop the image or resample it to larger voxels.",
            )
            .kind(FaultKind::TooLarge),
            Self::Mixed(found) => Fault::of(FaultKind::Mismatch).found(found).form("{found}"),
            Self::OutputExists { .. }
            | Self::OutputFileExists { .. }
            | Self::OutputIsInput { .. }
            | Self::OutputForeign { .. } => self.place_fault(),
        }
    }
}

impl IoError {
    /// The parts of what is wrong with a place of output.
    fn place_fault(&self) -> Fault {
        let other = |more: Words| words!("Choose another ", Setting::Output, more);
        let fault = match self {
            Self::OutputExists { path, found } => {
                let next = words!(", or give ", Setting::Force, " to replace what Lutra wrote there.");
                Fault::invalid(path, "output folder", found, "a new or empty folder", other(next))
            }
            Self::OutputFileExists { path } => {
                let next = words!(", or give ", Setting::Force, " to replace it.");
                Fault::invalid(path, "output file", "one", "a new file", other(next))
            }
            Self::OutputIsInput { path, what, input } => {
                let found = format!("{}, an input of this run", input.display());
                let allowed = "a place without inputs, which nothing may replace";
                Fault::invalid(path, *what, found, allowed, other(".".into()))
            }
            Self::OutputForeign { path } => Fault::invalid(
                path,
                "output file",
                format!(
                    "one that Lutra did not write, or that was changed since ({} says what Lutra wrote)",
                    outputs::RECORD
                ),
                "none, or one that Lutra wrote",
                other(", or move it away.".into()),
            ),
            _ => Fault::of(FaultKind::Occupied),
        };
        fault.kind(FaultKind::Occupied)
    }
}

impl IoError {
    /// A field that cannot be used.
    pub(crate) fn invalid(
        path: impl Into<PathBuf>,
        field: impl Into<Words>,
        found: impl Into<Words>,
        allowed: impl Into<Words>,
        next: impl Into<Words>,
    ) -> Self {
        Self::Invalid {
            path: path.into(),
            field: field.into(),
            found: found.into(),
            allowed: allowed.into(),
            next: next.into(),
        }
    }

    /// A file that cannot be read.
    pub(crate) fn read(path: impl Into<Place>, source: std::io::Error) -> Self {
        let path = path.into();
        let path = if path.in_memory() { path } else { staged::place_of(path.path()).into() };
        Self::Read { path, source }
    }

    /// A file that cannot be written.
    pub(crate) fn write(path: &Path, source: std::io::Error) -> Self {
        Self::Write { path: staged::place_of(path), source }
    }
}

/// Advice on an unreadable file; if it does not exist, the most similar name beside it.
fn advice(path: &Place, source: &std::io::Error) -> String {
    const PLAIN: &str = "Check the path and its permissions.";
    if source.kind() == std::io::ErrorKind::InvalidInput {
        return "Save what it gives as a file, and name that.".to_owned();
    }
    if source.kind() != std::io::ErrorKind::NotFound {
        return PLAIN.to_owned();
    }
    let parent = path.folder();
    if !parent.is_dir() {
        return format!("There is no folder {} either: check the path.", parent.display());
    }
    let wanted = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut near: Vec<(usize, String)> = parent
        .list()
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.name.to_string_lossy().into_owned())
        .map(|name| (strsim::osa_distance(&name.to_lowercase(), &wanted.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= 1 + name.len().min(wanted.len()) / 4)
        .collect();
    near.sort();
    match near.first() {
        Some((_, name)) => format!("Did you mean {}?", parent.join(name).display()),
        None => PLAIN.to_owned(),
    }
}

/// SHA-256 of a file's bytes as they lie on disk, 64 lower-case hexadecimal digits.
///
/// Errors: the file cannot be read.
pub fn sha256_hex(path: impl Into<Place>) -> Result<String, IoError> {
    let path = &path.into();
    let mut file = path.regular().and_then(|_| path.open()).map_err(|e| IoError::read(path, e))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0u8; 1 << 20];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => hasher.update(&buffer[..n]),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(IoError::read(path, e)),
        }
    }
    Ok(crate::digest::finished(hasher))
}
