//! What ends a request before its work is done: a fault that the user can mend, or a fault of the run.

use crate::io::staged::place_of;
use std::fmt;
use std::path::Path;

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

/// A fault of the run itself: device lost, energy not balanced, disk full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFault {
    message: String,
}

impl RunFault {
    /// A fault in its own words.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }

    /// An error with all its causes.
    pub fn of(error: &dyn std::error::Error) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(inner) = cause {
            message = format!("{message}: {inner}");
            cause = inner.source();
        }
        Self { message }
    }
}

impl fmt::Display for RunFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for RunFault {}

/// What ended a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A fault that the user can mend.
    User(UserError),
    /// A fault of the run.
    Run(RunFault),
}

impl Failure {
    /// A fault of the run in its own words.
    pub fn run(message: impl Into<String>) -> Self {
        Self::Run(RunFault::new(message))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(error) => error.fmt(f),
            Self::Run(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Failure {}

impl From<UserError> for Failure {
    fn from(error: UserError) -> Self {
        Self::User(error)
    }
}

/// Errors of writing and of sums, which no input can be blamed for.
macro_rules! of_the_run {
    ($($error:ty),+ $(,)?) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::Run(RunFault::of(&error))
            }
        })+
    };
}

of_the_run!(
    serde_json::Error,
    crate::io::IoError,
    crate::grid::GridError,
    crate::report::png::PngError,
    crate::transport::EngineError,
);

impl From<crate::bounds::BoundsError> for Failure {
    fn from(error: crate::bounds::BoundsError) -> Self {
        Self::User(UserError::from_library(&error))
    }
}

impl From<crate::dose::DoseError> for Failure {
    fn from(error: crate::dose::DoseError) -> Self {
        match error {
            crate::dose::DoseError::Impossible(impossible) => impossible.into(),
            other => Self::Run(RunFault::of(&other)),
        }
    }
}

/// Names the file that an error of the run is about.
pub trait AtPath<T> {
    /// The value, or the error with the path before it.
    fn at(self, path: &Path) -> Result<T, Failure>;
}

impl<T, E: std::error::Error> AtPath<T> for Result<T, E> {
    fn at(self, path: &Path) -> Result<T, Failure> {
        self.map_err(|error| Failure::run(format!("{}: {}", place_of(path).display(), RunFault::of(&error))))
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
}
