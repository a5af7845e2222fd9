//! MARROW.toml: what is stated of red marrow. Nothing in it has a default that would move a dose.

use serde::Deserialize;

use crate::bounds;
use crate::clinic::failure::{OrUserError, UserError};
use crate::clinic::files::read_text;
use crate::course::time_activity::Model;
use crate::marrow::{BloodPoint, Composition, Stated};
use crate::place::Place;
use crate::quantify::calibration::from_toml;

const NEXT: &str = "See docs/methods/marrow.md.";
/// Largest concentration of marrow over that of blood that is taken.
const MOST_RATIO: f64 = 20.0;

/// Where the activity of a spongiosa is taken to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActivityIn {
    /// All of it in the red marrow.
    RedMarrow,
    /// Spread over the whole spongiosa.
    Spongiosa,
}

/// `[image]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageSection {
    /// Regions of spongiosa, by the names of the run.
    pub regions: Vec<String>,
    /// Where their activity is.
    pub activity_in: ActivityIn,
    /// Share of the spongiosa's volume that is trabecular bone; needed for activity in the red marrow.
    #[serde(default)]
    pub trabecular_bone_fraction: Option<Stated>,
    /// Share of the marrow's volume that is red; likewise.
    #[serde(default)]
    pub cellularity: Option<Stated>,
    /// Share of the electrons' energy that red marrow absorbs; likewise.
    #[serde(default)]
    pub absorbed_fraction: Option<Stated>,
}

/// `[blood]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BloodSection {
    /// Samples, in order.
    pub points: Vec<BloodPoint>,
    /// Model of the curve.
    pub model: Model,
    /// Relative standard uncertainty common to all samples: the counter's calibration.
    #[serde(default)]
    pub systematic_error: Option<f64>,
    /// Concentration of red marrow over that of whole blood, both by volume.
    pub marrow_to_blood_ratio: Stated,
    /// Share of the electrons' energy that red marrow absorbs.
    pub absorbed_fraction: Stated,
    /// Regions of the run whose photon dose is the cross-dose; none for a self-dose alone.
    #[serde(default)]
    pub cross_dose_of: Vec<String>,
}

/// The file.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MarrowFile {
    schema: u32,
    /// Administered activity, MBq, where the run does not state it.
    #[serde(default)]
    pub administered_mbq: Option<f64>,
    /// By the image.
    #[serde(default)]
    pub image: Option<ImageSection>,
    /// By blood.
    #[serde(default)]
    pub blood: Option<BloodSection>,
}

impl MarrowFile {
    /// Reads and checks the file.
    ///
    /// Errors: no TOML; a field that is missing, unknown or out of range; a file that asks for nothing.
    pub(super) fn open(path: &Place) -> Result<Self, UserError> {
        let name = path.display().to_string();
        let file: Self = from_toml(&read_text(path)?, &name).map_err(|error| error.then(NEXT))?;
        let wrong =
            |field: &str, found: &str, allowed: &str| Err(UserError::invalid(path, field, found, allowed, NEXT));
        if file.schema != 1 {
            return wrong("schema", &file.schema.to_string(), "1");
        }
        if file.image.is_none() && file.blood.is_none() {
            return wrong("[image], [blood]", "none", "one of them, or both");
        }
        if let Some(mbq) = file.administered_mbq {
            bounds::administered_mbq("administered_mbq", mbq).or_user_error().map_err(|error| error.inside(path))?;
        }
        if let Some(image) = &file.image {
            image.check(&format!("{name}: [image]"))?;
        }
        if let Some(blood) = &file.blood {
            blood.check(&format!("{name}: [blood]"))?;
        }
        Ok(file)
    }
}

impl ImageSection {
    fn check(&self, place: &str) -> Result<(), UserError> {
        if self.regions.is_empty() {
            return Err(UserError::invalid(place, "regions", "none", "names of regions of the run", NEXT));
        }
        let shares = [
            ("trabecular_bone_fraction", &self.trabecular_bone_fraction),
            ("cellularity", &self.cellularity),
            ("absorbed_fraction", &self.absorbed_fraction),
        ];
        for (field, stated) in shares {
            match (self.activity_in, stated) {
                (_, Some(stated)) => stated.check(place, field, [0.0, 1.0]).or_user_error()?,
                (ActivityIn::RedMarrow, None) => {
                    let allowed = "{ value, rel_sigma, source }: it has no default";
                    return Err(UserError::invalid(place, field, "none", allowed, NEXT));
                }
                (ActivityIn::Spongiosa, None) => {}
            }
        }
        let all_bone = self.trabecular_bone_fraction.as_ref().is_some_and(|stated| stated.value >= 1.0);
        if all_bone {
            let field = "trabecular_bone_fraction value";
            return Err(UserError::invalid(place, field, "1", "below 1: some of it is marrow", NEXT));
        }
        if self.activity_in == ActivityIn::Spongiosa && self.absorbed_fraction.is_some() {
            let allowed = "no such field with activity_in = \"spongiosa\", whose electrons the transport follows";
            return Err(UserError::invalid(place, "absorbed_fraction", "a number", allowed, NEXT));
        }
        Ok(())
    }

    /// What the spongiosa is made of, where both shares are stated.
    pub(super) fn composition(&self) -> Option<Composition> {
        let (bone, cells) = self.trabecular_bone_fraction.clone().zip(self.cellularity.clone())?;
        Some(Composition { trabecular_bone: bone, cellularity: cells })
    }
}

impl BloodSection {
    fn check(&self, place: &str) -> Result<(), UserError> {
        self.marrow_to_blood_ratio.check(place, "marrow_to_blood_ratio", [0.0, MOST_RATIO]).or_user_error()?;
        self.absorbed_fraction.check(place, "absorbed_fraction", [0.0, 1.0]).or_user_error()?;
        match self.systematic_error {
            Some(u) if !(0.0..=1.0).contains(&u) => {
                Err(UserError::invalid(place, "systematic_error", u.to_string(), "0 to 1", NEXT))
            }
            _ => Ok(()),
        }
    }
}
