//! What ends a command before its work is done, and the exit code that says so.

use crate::bounds::BoundsError;
use crate::dose::DoseError;
use std::fmt;

/// Exit code of a fault that the user can mend: input, options, output place.
pub const EXIT_USER: u8 = 2;
/// Exit code of a fault of the run itself: device lost, energy not balanced, disk full.
pub const EXIT_RUN: u8 = 1;

/// A fault that the user can mend: one message that names file or option, field, value found and value allowed,
/// and the next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserError {
    message: String,
    hint: Option<String>,
}

impl UserError {
    /// A fault with its next step.
    pub fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: Some(hint.into()) }
    }

    /// A fault that the library reports. Its messages read `place: found; allowed. Next step.`, or the same with the
    /// next step behind the last semicolon: that part becomes the hint.
    pub fn from_library(error: &dyn std::error::Error) -> Self {
        let text = chain(error);
        let after_allowed = text.find("allowed:").unwrap_or(0);
        let split = match text[after_allowed..].find(". ") {
            Some(place) if after_allowed > 0 => Some(after_allowed + place),
            _ => text.rfind(". ").or_else(|| text.rfind("; ")),
        };
        match split {
            Some(place) => Self::new(&text[..place], text[place + 2..].trim()),
            None => Self { message: text, hint: None },
        }
    }

    /// A fault whose message ends in `: next step`.
    pub fn from_library_colon(error: &dyn std::error::Error) -> Self {
        let text = chain(error);
        match text.rfind(": ") {
            Some(place) => Self::new(&text[..place], text[place + 2..].trim()),
            None => Self { message: text, hint: None },
        }
    }

    /// The message without the hint.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The next step, where there is one.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for UserError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for UserError {}

/// An error and its causes in one line; a cause that the error already quotes is not said twice.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}

/// What ended a command.
#[derive(Debug)]
pub enum Failure {
    /// The command line itself (or a call for help or version, which is no fault).
    Usage(clap::Error),
    /// A fault that the user can mend.
    User(UserError),
    /// A fault of the run.
    Run(anyhow::Error),
}

impl Failure {
    /// Exit code of the process: 0 for help and version, 2 for the user's faults, 1 for the run's.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(error) => u8::try_from(error.exit_code()).unwrap_or(EXIT_USER),
            Self::User(_) => EXIT_USER,
            Self::Run(_) => EXIT_RUN,
        }
    }
}

impl From<UserError> for Failure {
    fn from(error: UserError) -> Self {
        Self::User(error)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        if let Some(impossible) = error.chain().find_map(|cause| match cause.downcast_ref::<DoseError>() {
            Some(DoseError::Impossible(impossible)) => Some(impossible),
            _ => cause.downcast_ref::<BoundsError>(),
        }) {
            return Self::User(UserError::from_library(impossible));
        }
        match error.downcast::<UserError>() {
            Ok(user) => Self::User(user),
            Err(other) => Self::Run(other),
        }
    }
}

/// Marks the library's errors about input as the user's to mend.
pub trait OrUserError<T> {
    /// The value, or the error as a [`UserError`].
    fn or_user_error(self) -> Result<T, UserError>;
}

impl<T, E: std::error::Error> OrUserError<T> for Result<T, E> {
    fn or_user_error(self) -> Result<T, UserError> {
        self.map_err(|error| UserError::from_library(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Told(String);

    #[test]
    fn cli_next_step_becomes_the_hint() {
        let told = |text: &str| UserError::from_library(&Told(text.to_owned()));
        let error = told("a.nii: voxel values: found 1; allowed: 0 or more. Set it to 0. Or drop it.");
        assert_eq!(error.message(), "a.nii: voxel values: found 1; allowed: 0 or more");
        assert_eq!(error.hint(), Some("Set it to 0. Or drop it."));
        let error = told("a.b/c. d.nii: cannot read: no such file. Check the path.");
        assert_eq!(error.hint(), Some("Check the path."));
        assert_eq!(told("no name; give one").hint(), Some("give one"));
        assert_eq!(told("no advice").hint(), None);
        let error = UserError::from_library_colon(&Told("scene: 3 voxels for 4: give both on one grid".to_owned()));
        assert_eq!(error.hint(), Some("give both on one grid"));
    }

    #[test]
    fn cli_exit_codes_tell_whose_fault_it_is() {
        let user = UserError::new("a", "b");
        assert_eq!(Failure::from(user.clone()).exit_code(), 2);
        assert_eq!(Failure::from(anyhow::Error::new(user)).exit_code(), 2);
        assert_eq!(Failure::from(anyhow::anyhow!("device lost")).exit_code(), 1);
        let impossible = || crate::bounds::voxel_dose("dose", f64::INFINITY).expect_err("no dose");
        for error in [anyhow::Error::new(impossible()), anyhow::Error::new(DoseError::Impossible(impossible()))] {
            assert_eq!(Failure::from(error.context("region table")).exit_code(), 2);
        }
    }
}
