//! Files in and out: bytes to typed volumes and back. No physics.
//!
//! Every error names the file, the field, what was found, what is allowed and what to do next.

/// NIfTI-1 and NIfTI-2 images.
pub mod nifti;

/// Names of the values in a label map.
pub mod labels;

/// DICOM objects.
pub mod dicom;

/// The door for images and label maps of any format.
pub mod open;

/// Output that appears whole or not at all.
pub mod atomic;

/// The exchange of old and new files of a folder.
pub mod exchange;

/// The files that a run reads.
pub mod inputs;

/// Where unfinished output is going to be.
pub(crate) mod staged;

/// Room on a disk.
mod space;

/// What Lutra wrote into a folder.
pub mod outputs;

pub use open::{open_activity, open_ct, open_dose, open_labels};

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use thiserror::Error;

/// What can go wrong with a file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IoError {
    /// The file cannot be opened or read.
    #[error("{}: cannot read: {source}. {}", path.display(), advice(path, source))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file or folder cannot be written.
    #[error("{}: cannot write: {source}. Choose a place that you may write to and that has room.", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file ends before its content does.
    #[error(
        "{}: file size: found {found} bytes of {field}; allowed: {expected}. \
         The file is cut short or damaged: copy or export it again.",
        path.display()
    )]
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
    #[error("{}: {field}: found {found}; allowed: {allowed}. {next}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The field of the file.
        field: String,
        /// The value found.
        found: String,
        /// The values allowed.
        allowed: String,
        /// What the user can do.
        next: String,
    },
    /// The image's grid cannot be used.
    #[error("{}: {source}", path.display())]
    Grid {
        /// The file.
        path: PathBuf,
        /// What is wrong with the grid.
        source: crate::grid::GridError,
    },
    /// The image is larger than this machine's memory.
    #[error(
        "{}: image size: found {found} bytes in memory; allowed: what this machine can give. \
         Crop the image or resample it to larger voxels.",
        path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Bytes that the values take in memory.
        found: u64,
    },
    /// The output is there already.
    #[error(
        "{}: output folder: found {found}; allowed: a new or empty folder. \
         Choose another --out, or give --force to replace what Lutra wrote there.",
        path.display()
    )]
    OutputExists {
        /// The folder.
        path: PathBuf,
        /// What lies there.
        found: String,
    },
    /// The output file is there already.
    #[error(
        "{}: output file: found one; allowed: a new file. \
         Choose another --out, or give --force to replace it.",
        path.display()
    )]
    OutputFileExists {
        /// The file.
        path: PathBuf,
    },
    /// The output would touch a file that the run reads.
    #[error(
        "{}: {what}: found {}, an input of this run; allowed: a place without inputs, which nothing may replace. \
         Choose another --out.",
        path.display(),
        input.display()
    )]
    OutputIsInput {
        /// The output.
        path: PathBuf,
        /// What kind of output.
        what: &'static str,
        /// The input.
        input: PathBuf,
    },
    /// Inputs lie in a folder whose files do not belong together.
    #[error("{0}")]
    Mixed(String),
    /// The output would replace a file that is not Lutra's.
    #[error(
        "{}: output file: found one that Lutra did not write, or that was changed since ({} says what Lutra wrote); \
         allowed: none, or one that Lutra wrote. Choose another --out, or move it away.",
        path.display(),
        outputs::RECORD
    )]
    OutputForeign {
        /// The file.
        path: PathBuf,
    },
}

impl IoError {
    /// A field that cannot be used.
    pub(crate) fn invalid(
        path: &Path,
        field: impl Into<String>,
        found: impl Into<String>,
        allowed: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self::Invalid {
            path: path.to_path_buf(),
            field: field.into(),
            found: found.into(),
            allowed: allowed.into(),
            next: next.into(),
        }
    }

    /// A file that cannot be read.
    pub(crate) fn read(path: &Path, source: std::io::Error) -> Self {
        Self::Read { path: staged::place_of(path), source }
    }

    /// A file that cannot be written.
    pub(crate) fn write(path: &Path, source: std::io::Error) -> Self {
        Self::Write { path: staged::place_of(path), source }
    }
}

/// What to do about a file that cannot be read: where none has this name, the nearest name beside it.
fn advice(path: &Path, source: &std::io::Error) -> String {
    const PLAIN: &str = "Check the path and its permissions.";
    if source.kind() == std::io::ErrorKind::InvalidInput {
        return "Save what it gives as a file, and name that.".to_owned();
    }
    if source.kind() != std::io::ErrorKind::NotFound {
        return PLAIN.to_owned();
    }
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if !parent.is_dir() {
        return format!("There is no folder {} either: check the path.", parent.display());
    }
    let wanted = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut near: Vec<(usize, String)> = std::fs::read_dir(parent)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
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
pub fn sha256_hex(path: impl AsRef<Path>) -> Result<String, IoError> {
    let path = path.as_ref();
    let mut file = crate::text::regular(path).and_then(|_| File::open(path)).map_err(|e| IoError::read(path, e))?;
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
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
