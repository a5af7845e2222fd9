//! Units of activity maps, and the map of decays.
//!
//! A time-integrated activity map states decays per voxel, MBq h per voxel, or Bq h per mL. Nothing
//! is guessed: the unit must be named, since a wrong one changes the dose by orders of magnitude.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::sum;
use crate::bounds::{BoundsError, Given, Reading};
use crate::fault::{Explained, Fault, FaultKind, Setting, explained};
use crate::grid::{Volume, VoxelGrid};
use crate::units::DECAYS_PER_MBQ_H;

/// Seconds in an hour.
const S_PER_H: f64 = 3600.0;

/// What can be wrong with an activity map.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum ActivityError {
    /// The unit is not given.
    NoUnit,
    /// Unknown unit.
    UnknownUnit {
        /// What was given.
        found: String,
    },
    /// Values that are NaN or infinite.
    NonFinite {
        /// The map's file.
        name: String,
        /// Number of such voxels.
        count: usize,
        /// First such voxel (i, j, k).
        first: [usize; 3],
    },
    /// Values below zero.
    Negative {
        /// The map's file.
        name: String,
        /// Number of such voxels.
        count: usize,
        /// The lowest value, in the map's unit.
        lowest: f64,
        /// First such voxel (i, j, k).
        first: [usize; 3],
    },
    /// No activity anywhere.
    Empty {
        /// The map's file.
        name: String,
        /// Number of voxels.
        voxels: usize,
    },
    /// More decays than f64 can add.
    TooMany {
        /// The map's file.
        name: String,
        /// The sum found.
        total: f64,
    },
}

explained!(ActivityError);

impl Explained for ActivityError {
    fn fault(&self) -> Fault {
        let unit =
            |found: String, next: &str| Fault::invalid(Setting::ActivityUnit, "", found, ActivityUnit::CHOICES, next);
        match self {
            Self::NoUnit => unit("none".into(), "Say what a value of the activity map means: nothing is assumed."),
            Self::UnknownUnit { found } => {
                unit(format!("\"{found}\""), "Name the unit that the map was made in, or convert the map.")
                    .kind(FaultKind::Unknown)
            }
            Self::NonFinite { name, count, first } => Fault::invalid(
                name,
                "voxel values",
                format!("{count} NaN or infinite values, the first in voxel {first:?}"),
                "finite numbers, 0 or more",
                "Set these voxels to a true value before the run.",
            ),
            Self::Negative { name, count, lowest, first } => Fault::invalid(
                name,
                "voxel values",
                format!("{count} negative values, the lowest {lowest} in the map's unit, the first in voxel {first:?}"),
                "0 or more",
                "Set them to 0 if they are noise or ringing of the reconstruction.",
            ),
            Self::Empty { name, voxels } => Fault::invalid(
                name,
                "total activity",
                format!("0 in all {voxels} voxels"),
                "at least one voxel above 0",
                "Check that this is the activity map.",
            ),
            Self::TooMany { name, total } => Fault::invalid(
                name,
                "total activity",
                format!("more decays than can be counted ({total})"),
                "a finite number",
                "Check the map's unit.",
            ),
        }
    }
}

/// What a value of an activity map means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActivityUnit {
    /// Decays in the voxel (Bq s).
    Decays,
    /// MBq h in the voxel.
    MbqH,
    /// Bq h per mL of the voxel.
    BqMlH,
}

impl ActivityUnit {
    /// The names that a user may give, with their meaning.
    pub const CHOICES: &str = "decays (decays in the voxel), mbq_h (MBq h in the voxel), bq_ml_h (Bq h per mL)";

    /// The unit as it is written on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Decays => "decays",
            Self::MbqH => "mbq_h",
            Self::BqMlH => "bq_ml_h",
        }
    }

    /// The unit of an option that may be absent. Errors: absent, or none of those known.
    pub fn require(given: Option<&str>) -> Result<Self, ActivityError> {
        given.ok_or(ActivityError::NoUnit)?.parse()
    }

    /// Decays in a voxel of `voxel_cm3` for a value of 1.
    pub fn decays_per_value(self, voxel_cm3: f64) -> f64 {
        match self {
            Self::Decays => 1.0,
            Self::MbqH => DECAYS_PER_MBQ_H,
            Self::BqMlH => S_PER_H * voxel_cm3,
        }
    }
}

impl FromStr for ActivityUnit {
    type Err = ActivityError;

    fn from_str(text: &str) -> Result<Self, ActivityError> {
        [Self::Decays, Self::MbqH, Self::BqMlH]
            .into_iter()
            .find(|unit| unit.name() == text)
            .ok_or_else(|| ActivityError::UnknownUnit { found: text.to_string() })
    }
}

impl fmt::Display for ActivityUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A time-integrated activity map in its own unit: every value finite, none negative, not all 0.
#[derive(Clone, Debug, PartialEq)]
pub struct ActivityMap {
    volume: Volume<f64>,
    unit: ActivityUnit,
}

impl ActivityMap {
    /// A map from values in `unit`; `name` is the file that errors speak of.
    ///
    /// Errors: a value that is NaN, infinite or negative (number, worst, first voxel); all values 0;
    /// a sum beyond f64.
    pub fn new(volume: Volume<f64>, unit: ActivityUnit, name: &str) -> Result<Self, ActivityError> {
        check(&volume, name)?;
        Ok(Self { volume, unit })
    }

    /// The unit of the values.
    pub fn unit(&self) -> ActivityUnit {
        self.unit
    }

    /// The values in [`ActivityMap::unit`].
    pub fn values(&self) -> &Volume<f64> {
        &self.volume
    }

    /// Refuses more decays than the administered activity can bring; `name` is the file named in the error, and the
    /// unit that would fit is named in it.
    pub fn check(&self, name: &str, given: &Given) -> Result<(), BoundsError> {
        let voxel_cm3 = self.volume.grid.voxel_cm3();
        let own = self.unit.decays_per_value(voxel_cm3);
        let others = [ActivityUnit::Decays, ActivityUnit::MbqH, ActivityUnit::BqMlH];
        let mut readings: Vec<Reading> = others
            .into_iter()
            .filter(|unit| *unit != self.unit)
            .map(|unit| Reading::new(format!("as {unit}"), unit.decays_per_value(voxel_cm3) / own))
            .collect();
        match self.unit {
            ActivityUnit::Decays => {}
            ActivityUnit::MbqH => readings.push(Reading::new("as MBq s in the voxel", 1.0 / S_PER_H)),
            ActivityUnit::BqMlH => readings.push(Reading::new("as Bq s per mL", 1.0 / S_PER_H)),
        }
        given.check_decays(name, sum(self.volume.data.iter().copied()) * own, &readings)
    }

    /// The decays in every voxel.
    pub fn to_decays(&self) -> DecayMap {
        let factor = self.unit.decays_per_value(self.volume.grid.voxel_cm3());
        DecayMap { volume: self.volume.map(|value| value * factor) }
    }
}

/// Decays per voxel: every value finite, none negative, not all 0.
#[derive(Clone, Debug, PartialEq)]
pub struct DecayMap {
    volume: Volume<f64>,
}

impl DecayMap {
    /// A map from decays per voxel; `name` is what errors speak of. Errors: as [`ActivityMap::new`].
    pub fn new(volume: Volume<f64>, name: &str) -> Result<Self, ActivityError> {
        check(&volume, name)?;
        Ok(Self { volume })
    }

    /// A map whose values are known to be finite, none negative, not all 0.
    pub(super) fn from_checked(volume: Volume<f64>) -> Self {
        Self { volume }
    }

    /// Refuses more decays than the administered activity can bring; `name` is the name in the error.
    pub fn check(&self, name: &str, given: &Given) -> Result<(), BoundsError> {
        given.check_decays(name, self.total_decays(), &[])
    }

    /// Decays in every voxel.
    pub fn decays(&self) -> &Volume<f64> {
        &self.volume
    }

    /// The grid of the map.
    pub fn grid(&self) -> &VoxelGrid {
        &self.volume.grid
    }

    /// Decays in all voxels.
    pub fn total_decays(&self) -> f64 {
        sum(self.volume.data.iter().copied())
    }

    /// The volume of decays, given away.
    pub fn into_volume(self) -> Volume<f64> {
        self.volume
    }
}

/// Refuses values that no activity can have.
fn check(volume: &Volume<f64>, name: &str) -> Result<(), ActivityError> {
    let name = || name.to_string();
    let voxel = |index: Option<usize>| volume.grid.voxel(index.unwrap_or(0));
    let data = &volume.data;
    let count = data.iter().filter(|v| !v.is_finite()).count();
    if count > 0 {
        let first = voxel(data.iter().position(|v| !v.is_finite()));
        return Err(ActivityError::NonFinite { name: name(), count, first });
    }
    let count = data.iter().filter(|v| **v < 0.0).count();
    if count > 0 {
        let first = voxel(data.iter().position(|v| *v < 0.0));
        let lowest = data.iter().copied().fold(0.0, f64::min);
        return Err(ActivityError::Negative { name: name(), count, lowest, first });
    }
    if data.iter().all(|v| *v == 0.0) {
        return Err(ActivityError::Empty { name: name(), voxels: data.len() });
    }
    let total = sum(data.iter().copied());
    // The largest factor of a unit must still leave a finite number of decays.
    if !(total * DECAYS_PER_MBQ_H).is_finite() {
        return Err(ActivityError::TooMany { name: name(), total });
    }
    Ok(())
}
