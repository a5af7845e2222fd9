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
    #[serde(default)]
    by_region: Vec<String>,
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
                "the transform's file: transform.json, .tfm, a registration object (REG) or a displacement field (.mha, .nii)",
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

    /// Names of the regions that move by themselves.
    ///
    /// Errors: a name that is given twice.
    pub(super) fn regions(&self, file: &str, place: &str) -> Result<Vec<String>, InputError> {
        let twice = self.by_region.iter().enumerate().find(|(n, name)| self.by_region[..*n].contains(name));
        match twice {
            Some((_, name)) => Err(InputError::new(
                file,
                format!("{place}.by_region"),
                format!("\"{name}\" twice"),
                "each region once",
                NEXT,
            )),
            None => Ok(self.by_region.clone()),
        }
    }

    /// Refuses regions that move by themselves, where nothing asks for them.
    pub(super) fn whole(&self, file: &str, place: &str) -> Result<(), InputError> {
        if self.by_region.is_empty() {
            return Ok(());
        }
        Err(InputError::new(
            file,
            format!("{place}.by_region"),
            "regions",
            "none between cycles: each cycle has its own outlines",
            "State by_region at the images of the cycle's SERIES.toml.",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn io_regions_that_move_by_themselves_are_named() {
        let parse = |text: &str| -> RawRegistration { toml::from_str(text).expect("a table") };
        let two = parse("method = \"rigid\"\nby_region = [\"kidney_left\", \"kidney_right\"]");
        assert_eq!(two.regions("F.toml", "r").expect("names"), ["kidney_left", "kidney_right"]);
        let error = two.whole("F.toml", "cycles[1].registration").expect_err("a cycle").to_string();
        assert!(error.contains("cycles[1].registration.by_region"), "{error}");
        let twice = parse("method = \"none\"\nby_region = [\"a\", \"a\"]");
        let error = twice.regions("F.toml", "r").expect_err("twice").to_string();
        assert!(error.contains("\"a\" twice"), "{error}");
    }

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
