//! What ends a request early: an error the user can correct, or a failure of the run.

use crate::io::staged::place_of;
use std::fmt;
use std::path::Path;

use crate::fault::{Explained, Words, words};

/// An error the user can correct: kind, file or setting, field, value found, value allowed, and the next step.
pub use crate::fault::Fault as UserError;

/// A failure of the run itself: device lost, energy not balanced, disk full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFault {
    message: Words,
}

impl RunFault {
    /// A failure with this message.
    pub fn new(message: impl Into<Words>) -> Self {
        Self { message: message.into() }
    }

    /// An error in the words of its fault, with any causes not yet mentioned.
    pub fn of(error: &impl Explained) -> Self {
        with_causes(error.fault().sentence(), error)
    }

    /// An error in its own words, with any causes not yet mentioned.
    pub fn of_error(error: &dyn std::error::Error) -> Self {
        with_causes(error.to_string().into(), error)
    }

    /// The message.
    pub fn message(&self) -> &Words {
        &self.message
    }
}

/// A message followed by the causes of its error, each once.
fn with_causes(mut message: Words, error: &dyn std::error::Error) -> RunFault {
    let mut said = message.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_said = inner.to_string();
        if !said.contains(&inner_said) {
            message = words!(message, ": ", &inner_said);
            said.push_str(&inner_said);
        }
        cause = inner.source();
    }
    RunFault { message }
}

impl fmt::Display for RunFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.message.fmt(f)
    }
}

impl std::error::Error for RunFault {}

/// Why a request ended early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// An error the user can correct.
    User(UserError),
    /// A failure of the run.
    Run(RunFault),
}

impl Failure {
    /// A failure of the run with this message.
    pub fn run(message: impl Into<Words>) -> Self {
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

/// Errors of writing and summing, which no input causes.
macro_rules! of_the_run {
    ($($error:ty: $of:path),+ $(,)?) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::Run($of(&error))
            }
        })+
    };
}

of_the_run!(
    serde_json::Error: RunFault::of_error,
    crate::report::png::PngError: RunFault::of_error,
    crate::io::IoError: RunFault::of,
    crate::grid::GridError: RunFault::of,
    crate::transport::EngineError: RunFault::of,
);

impl From<crate::bounds::BoundsError> for Failure {
    fn from(error: crate::bounds::BoundsError) -> Self {
        Self::User(error.fault())
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

/// Adds the file to an error of the run.
pub trait AtPath<T> {
    /// The value, or the error prefixed with the path.
    fn at(self, path: &Path) -> Result<T, Failure>;
}

impl<T, E: std::error::Error> AtPath<T> for Result<T, E> {
    fn at(self, path: &Path) -> Result<T, Failure> {
        self.map_err(|error| Failure::run(words!(&place_of(path), ": ", RunFault::of_error(&error).message)))
    }
}

/// Marks the library's input errors as correctable by the user.
pub trait OrUserError<T> {
    /// The value, or the error as a [`UserError`].
    fn or_user_error(self) -> Result<T, UserError>;
}

impl<T, E: Explained> OrUserError<T> for Result<T, E> {
    fn or_user_error(self) -> Result<T, UserError> {
        self.map_err(|error| error.fault())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bounds;
    use crate::course::time_activity::TimeActivityError;
    use crate::decay::Nuclide;
    use crate::fault::{Fault, FaultKind, Setting};
    use crate::grid::GridError;
    use crate::io::IoError;
    use crate::source::{ActivityError, ActivityUnit};
    use crate::transport::EngineError;
    use crate::transport::checkpoint::CheckpointError;
    use std::path::PathBuf;

    /// Kind, file, place, field, found, allowed and next of a fault, `-` for what it has not.
    fn parts(fault: &Fault) -> [String; 7] {
        let text = |words: &Option<Words>| words.as_ref().map_or("-".to_owned(), Words::to_string);
        let (kind, found) = (format!("{:?}", fault.kind), text(&fault.found));
        let (file, place, field) = (text(&fault.file), text(&fault.place), text(&fault.field));
        [kind, file, place, field, found, text(&fault.allowed), text(&fault.next)]
    }

    fn of<T>(result: Result<T, impl Explained>) -> Fault {
        result.or_user_error().err().expect("a fault")
    }

    #[test]
    fn clinic_faults_of_files_are_data() {
        let path = PathBuf::from("out");
        let exists = of::<()>(Err(IoError::OutputExists { path: path.clone(), found: "2 entries".into() }));
        let next = "Choose another output, or give force to replace what Lutra wrote there.";
        assert_eq!(
            parts(&exists),
            ["Occupied", "-", "out", "output folder", "2 entries", "a new or empty folder", next]
        );
        assert!(
            exists
                .next
                .as_ref()
                .is_some_and(|next| next.shown(|s| format!("{s:?}")).contains("another Output, or give Force"))
        );
        let source = std::io::Error::other("a. b; c: d");
        let unwritable = of::<()>(Err(IoError::Write { path: path.clone(), source }));
        assert_eq!(unwritable.to_string(), "out: cannot write: a. b; c: d");
        assert_eq!(unwritable.kind, FaultKind::Unwritable);
        let source = GridError::Spacing { axis: 2, found: 0.0 };
        let grid = of::<()>(Err(IoError::Grid { path, source }));
        let next = "Write the image again with its true voxel size.";
        let allowed = "a finite length above 0";
        assert_eq!(parts(&grid), ["Invalid", "out", "-", "voxel size", "0 mm along axis 2", allowed, next]);
        assert_eq!(grid.to_string(), format!("out: voxel size: found 0 mm along axis 2; allowed: {allowed}"));
    }

    #[test]
    fn clinic_faults_of_settings_are_data() {
        let unit = of::<()>(Err(ActivityError::NoUnit));
        let next = "Say what a value of the activity map means: nothing is assumed.";
        assert_eq!(parts(&unit), ["Missing", "-", "activity unit", "-", "none", ActivityUnit::CHOICES, next]);
        assert_eq!(unit.place, Some(Setting::ActivityUnit.into()));
        let engine = of::<()>(Err(EngineError::Device { device: "X".into(), message: "lost".into() }));
        let next = "run again with engine cpu, and report the driver";
        assert_eq!(parts(&engine), ["Device", "-", "X", "-", "lost", "-", next]);
        assert_eq!(engine.sentence().to_string(), format!("X: lost: {next}"));
        let absent = of::<()>(Err(CheckpointError::Absent { path: PathBuf::from("k") }));
        let next = "Run without resume to start from the beginning.";
        let allowed = "the folder of an interrupted run";
        assert_eq!(parts(&absent), ["Missing", "-", "k", "-", "no checkpoint", allowed, next]);
    }

    #[test]
    fn clinic_faults_of_values_are_data() {
        let bounds = of(bounds::administered_mbq(Setting::AdministeredMbq, 7.4e9));
        assert_eq!(
            parts(&bounds)[..5],
            ["Invalid", "-", "administered activity", "-", "7400000000"].map(str::to_owned)
        );
        let model = of::<()>(Err(TimeActivityError::TooFewPoints { model: "bi", needed: 4, found: 3 }));
        let next = "choose a model with fewer parameters or a single-time-point method";
        assert_eq!(parts(&model), ["Invalid", "-", "`bi`", "-", "3", "at least 4 time points", next]);
        assert_eq!(model.sentence().to_string(), format!("model `bi` needs at least 4 time points, found 3; {next}"));
        let nuclide = of(Nuclide::load("xx999"));
        assert_eq!(nuclide.kind, FaultKind::Unknown);
        assert!(nuclide.to_string().starts_with("nuclide: found \"xx999\", which is neither built in"), "{nuclide}");
        assert_eq!(nuclide.next, Some("Check the name or the path.".into()));
    }

    /// What of a text looks like the end of a message is part of it all the same.
    #[test]
    fn clinic_texts_are_not_taken_apart() {
        let path = PathBuf::from("a.b; c. d: e/allowed: f.nii");
        let found = "1. 2; 3: 4";
        let fault =
            of::<()>(Err(IoError::invalid(&path, "values", found, "none. At all; ever", "Do: this. Or; that.")));
        assert_eq!(fault.place, Some(path.as_path().into()));
        assert_eq!(fault.found, Some(found.into()));
        assert_eq!(fault.next, Some("Do: this. Or; that.".into()));
    }

    #[test]
    fn clinic_causes_are_said_once() {
        let source = std::io::Error::other("disk full");
        let fault = RunFault::of(&IoError::Write { path: PathBuf::from("o"), source });
        assert_eq!(fault.to_string().matches("disk full").count(), 1, "{fault}");
    }
}
