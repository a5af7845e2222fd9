//! Errors as data: what kind of fault, where, what was found, what is allowed, what to do next. Sentences are built
//! from these parts and never parsed again. A setting appears in them by its type; the front end supplies the name of
//! the option.

use std::fmt;
use std::ops::Deref;

use serde::Serialize;

mod setting;
mod words;

pub use setting::Setting;
pub(crate) use words::words;
pub use words::{Part, Words};

/// What kind of fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FaultKind {
    /// A value that cannot be used.
    Invalid,
    /// Something that is needed and not there.
    Missing,
    /// A name that means nothing here.
    Unknown,
    /// Parts that do not belong together: other grids, other patients, two statements that exclude each other.
    Mismatch,
    /// A file or folder that cannot be read.
    Unreadable,
    /// A file or folder that cannot be written.
    Unwritable,
    /// A text that is not in the form that it should have.
    Syntax,
    /// A file that is cut short or spoilt.
    Damaged,
    /// More than this machine, this device or this program can take.
    TooLarge,
    /// A place for output that is taken.
    Occupied,
    /// A device that is not there or failed.
    Device,
    /// What no input can be blamed for: to be reported.
    Program,
}

/// The parts of a [`Fault`], which hands them out: `fault.found`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Parts {
    /// What kind of fault it is.
    pub kind: FaultKind,
    /// The file or folder, or what else holds the place.
    pub file: Option<Words>,
    /// The file, folder, object, region or setting.
    pub place: Option<Words>,
    /// The field or quantity.
    pub field: Option<Words>,
    /// What was found.
    pub found: Option<Words>,
    /// What is allowed.
    pub allowed: Option<Words>,
    /// What to do next.
    pub next: Option<Words>,
    /// Where the message is not `file: place: field: found ...; allowed: ...`: its form, with the parts in braces.
    #[serde(skip)]
    form: Option<&'static str>,
    /// What stands between message and next step.
    #[serde(skip)]
    joint: Option<&'static str>,
}

/// A fault, part by part. `Display` says the message, [`sentence`](Self::sentence) message and next step.
///
/// ```
/// use lutra::fault::{Fault, FaultKind, Setting};
///
/// let fault = Fault::invalid("a.nii", "voxel size", "0 mm", "above 0", "Write the image again.");
/// assert_eq!(fault.kind, FaultKind::Invalid);
/// assert_eq!(fault.to_string(), "a.nii: voxel size: found 0 mm; allowed: above 0");
/// assert_eq!(fault.next, Some("Write the image again.".into()));
/// let fault = Fault::invalid(Setting::Grid, "", "thick", "ct or activity", "Use one of them.");
/// assert_eq!(fault.message().shown(|setting| format!("<{setting:?}>")), "<Grid>: found thick; allowed: ct or activity");
/// ```
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Fault(Box<Parts>);

impl Fault {
    /// A fault of which nothing but its kind is known yet.
    pub fn of(kind: FaultKind) -> Self {
        let (file, place, field, found, allowed, next) = (None, None, None, None, None, None);
        Self(Box::new(Parts { kind, file, place, field, found, allowed, next, form: None, joint: None }))
    }

    /// A value that cannot be used, or (found: `none`) one that is lacking. An empty part is no part.
    pub fn invalid(
        place: impl Into<Words>,
        field: impl Into<Words>,
        found: impl Into<Words>,
        allowed: impl Into<Words>,
        next: impl Into<Words>,
    ) -> Self {
        let found = found.into();
        let kind = if found == "none".into() { FaultKind::Missing } else { FaultKind::Invalid };
        Self::of(kind).place(place).field(field).found(found).allowed(allowed).then(next)
    }

    /// The same of another kind.
    pub fn kind(mut self, kind: FaultKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// The same with this place: a file, a folder, an object, a region, a setting.
    pub fn place(mut self, place: impl Into<Words>) -> Self {
        self.0.place = place.into().given();
        self
    }

    /// The same with this field.
    pub fn field(mut self, field: impl Into<Words>) -> Self {
        self.0.field = field.into().given();
        self
    }

    /// The same with what was found.
    pub fn found(mut self, found: impl Into<Words>) -> Self {
        self.0.found = found.into().given();
        self
    }

    /// The same with what is allowed.
    pub fn allowed(mut self, allowed: impl Into<Words>) -> Self {
        self.0.allowed = allowed.into().given();
        self
    }

    /// The same with this next step.
    pub fn then(mut self, next: impl Into<Words>) -> Self {
        self.0.next = next.into().given();
        self
    }

    /// The same with a next step if there is none.
    pub fn or_then(self, next: impl Into<Words>) -> Self {
        if self.0.next.is_some() { self } else { self.then(next) }
    }

    /// The same in a file, or in what else holds it: that stands before it.
    pub fn inside(mut self, file: impl Into<Words>) -> Self {
        let file = file.into();
        // a place that names the file already needs no second name
        let named = |place: &Words| {
            let (place, file) = (place.to_string(), file.to_string());
            place == file || place.strip_prefix(&file).is_some_and(|rest| rest.starts_with(": "))
        };
        if self.0.file.is_none() && self.0.place.as_ref().is_some_and(named) {
            return self;
        }
        self.0.file = Some(match self.0.file.take() {
            Some(inner) => words!(file, ": ", inner),
            None => file,
        });
        self
    }

    /// The same with other faults named after the next step, so that all can be mended at once.
    pub fn besides(self, others: &[Fault]) -> Self {
        if others.is_empty() {
            return self;
        }
        let mut next = self.0.next.clone().unwrap_or_default();
        for other in others {
            let joint = if next.is_empty() { "" } else { " " };
            next = words!(next, joint, "Besides: ", other.message(), ".");
        }
        self.then(next)
    }

    /// The same with a message of this form: `{place}`, `{field}`, `{found}` and `{allowed}` stand for the parts. What
    /// holds it stands before it all the same.
    pub(crate) fn form(mut self, form: &'static str) -> Self {
        self.0.form = Some(form);
        self
    }

    /// The same with the next step behind a colon.
    pub(crate) fn colon(mut self) -> Self {
        self.0.joint = Some(": ");
        self
    }

    /// The same with the next step behind a semicolon, whatever its first letter.
    pub(crate) fn semicolon(mut self) -> Self {
        self.0.joint = Some("; ");
        self
    }

    /// The message: all but the next step.
    pub fn message(&self) -> Words {
        let form = match self.form {
            Some(form) => form.to_owned(),
            None => self.plain_form(),
        };
        let mut message = Words::default();
        if let Some(file) = &self.file {
            message = words!(file, ": ");
        }
        let mut rest = form.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').unwrap_or((after, ""));
            message = words!(message, before, self.part(name));
            rest = after;
        }
        words!(message, rest)
    }

    /// Message and next step.
    pub fn sentence(&self) -> Words {
        let Some(next) = &self.next else { return self.message() };
        let lower = next.to_string().starts_with(|first: char| first.is_lowercase());
        words!(self.message(), self.joint.unwrap_or(if lower { "; " } else { ". " }), next)
    }

    /// The default form of a message: the parts present.
    fn plain_form(&self) -> String {
        let there = [
            ("{place}", self.place.is_some()),
            ("{field}", self.field.is_some()),
            ("found {found}", self.found.is_some()),
        ];
        let parts: Vec<&str> = there.iter().filter(|(_, there)| *there).map(|(form, _)| *form).collect();
        parts.join(": ") + if self.allowed.is_some() { "; allowed: {allowed}" } else { "" }
    }

    /// The part with this name in a form; an unknown name is shown literally.
    fn part(&self, name: &str) -> Words {
        let part = match name {
            "place" => &self.place,
            "field" => &self.field,
            "found" => &self.found,
            "allowed" => &self.allowed,
            _ => &None,
        };
        debug_assert!(part.is_some(), "{{{name}}} in {:?}", self.form);
        part.clone().unwrap_or_default()
    }
}

impl Deref for Fault {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.message().fmt(f)
    }
}

impl std::error::Error for Fault {}

impl Explained for Fault {
    fn fault(&self) -> Fault {
        self.clone()
    }
}

/// An error that says what is wrong part by part.
pub trait Explained: std::error::Error {
    /// The parts.
    fn fault(&self) -> Fault;
}

/// Makes the sentence of a fault an error's `Display`.
macro_rules! explained {
    ($($error:ty),+ $(,)?) => {
        $(impl std::fmt::Display for $error {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(&$crate::fault::Explained::fault(self).sentence(), f)
            }
        })+
    };
}

pub(crate) use explained;

#[cfg(test)]
mod tests;
