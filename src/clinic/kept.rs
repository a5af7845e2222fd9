//! Calibrations as text: TOML, with the files that it rests on as comments.

use super::failure::UserError;
use crate::fault::FaultKind;
use crate::report::run_record::{InputFile, program};
use serde::Serialize;

/// A calibration as TOML.
///
/// Errors: what TOML cannot hold, which is a fault of the program.
pub(super) fn toml(value: &impl Serialize) -> Result<String, UserError> {
    toml::to_string(value).map_err(|error| UserError::of(FaultKind::Program).found(error.to_string()))
}

/// The text below comments that say what wrote it and from which files.
pub(super) fn with_sources(text: &str, inputs: &[InputFile]) -> String {
    let line = |input: &InputFile| {
        let path: String = input.path.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        format!("# {} {path}, {} bytes, sha256 {}\n", input.role, input.bytes, input.sha256)
    };
    format!("# Written by {} from\n{}{text}", program(), inputs.iter().map(line).collect::<String>())
}
