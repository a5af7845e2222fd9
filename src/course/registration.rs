//! `[registration]` of a time point (SERIES.toml) and of a cycle (COURSE.toml): how its image is brought into the common
//! frame.

use serde::Deserialize;

use super::input::InputError;

const NEXT: &str = "See docs/methods/registration.md.";

/// How an image is brought into the common frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RegistrationMethod {
    /// Rigid registration, computed.
    Rigid,
    /// A transform from a file.
    Given,
    /// The image lies in the frame already.
    None,
}

/// The table as it stands in the file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRegistration {
    method: RegistrationMethod,
    #[serde(default)]
    transform: Option<String>,
}

/// How an image is brought into the common frame, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatedRegistration {
    /// Rigid registration, computed.
    Rigid,
    /// A transform from this file.
    Given(String),
    /// It lies there already, as the person states.
    None,
}

impl RawRegistration {
    /// The checked table; `place` is its name in errors.
    ///
    /// Errors: a transform without its method, or the method without a transform.
    pub(super) fn check(&self, file: &str, place: &str) -> Result<StatedRegistration, InputError> {
        match (self.method, &self.transform) {
            (RegistrationMethod::Given, Some(transform)) => Ok(StatedRegistration::Given(transform.clone())),
            (RegistrationMethod::Given, None) => Err(InputError::new(
                file,
                format!("{place}.transform"),
                "none stated",
                "the transform's file: transform.json, .tfm or a registration object (REG)",
                NEXT,
            )),
            (_, Some(_)) => Err(InputError::new(
                file,
                format!("{place}.method"),
                "another method beside a transform",
                "\"given\" with a transform; \"rigid\" or \"none\" without",
                NEXT,
            )),
            (RegistrationMethod::Rigid, None) => Ok(StatedRegistration::Rigid),
            (RegistrationMethod::None, None) => Ok(StatedRegistration::None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn io_registration_tables_are_checked() {
        let parse = |text: &str| {
            let raw: RawRegistration = toml::from_str(text).map_err(|error| error.to_string())?;
            raw.check("F.toml", "images[1].registration").map_err(|error| error.to_string())
        };
        assert_eq!(parse("method = \"rigid\""), Ok(StatedRegistration::Rigid));
        assert_eq!(parse("method = \"none\""), Ok(StatedRegistration::None));
        let given = parse("method = \"given\"\ntransform = \"t.tfm\"");
        assert_eq!(given, Ok(StatedRegistration::Given("t.tfm".into())));
        for (text, part) in [
            ("method = \"given\"", "images[1].registration.transform: found none stated"),
            ("method = \"rigid\"\ntransform = \"t.tfm\"", "another method beside a transform"),
            ("method = \"affine\"", "unknown variant"),
            ("methud = \"rigid\"", "unknown field"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
