//! The exit code that says what ended a command.

use crate::clinic::failure;
pub(super) use crate::clinic::failure::{OrUserError, UserError};
use crate::fault::{FaultKind, Words};

/// Exit code of a fault that the user can mend: input, options, output place.
pub const EXIT_USER: u8 = 2;
/// Exit code of a fault of the run itself: device lost, energy not balanced, disk full.
pub const EXIT_RUN: u8 = 1;

/// What ended a command.
#[derive(Debug)]
pub enum Failure {
    /// The command line itself (or a call for help or version, which is no fault).
    Usage(clap::Error),
    /// What was asked for could not be done.
    Request(failure::Failure),
}

impl Failure {
    /// Exit code of the process: 0 for help and version, 2 for the user's faults, 1 for the run's.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(error) => u8::try_from(error.exit_code()).unwrap_or(EXIT_USER),
            Self::Request(failure::Failure::User(_)) => EXIT_USER,
            Self::Request(failure::Failure::Run(_)) => EXIT_RUN,
        }
    }
}

impl From<UserError> for Failure {
    fn from(error: UserError) -> Self {
        Self::Request(error.into())
    }
}

impl From<failure::Failure> for Failure {
    fn from(failure: failure::Failure) -> Self {
        Self::Request(failure)
    }
}

/// A fault of the command line in its own words, with its next step.
pub(super) fn user_error(message: impl Into<Words>, next: impl Into<Words>) -> UserError {
    UserError::of(FaultKind::Invalid).found(message).then(next).form("{found}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cli_exit_codes_tell_whose_fault_it_is() {
        assert_eq!(Failure::from(user_error("a", "b")).exit_code(), 2);
        assert_eq!(Failure::from(failure::Failure::run("device lost")).exit_code(), 1);
    }
}
