//! Computed tomography: does a volume hold Hounsfield units?
//!
//! The most frequent silent fault of a CT import is a rescale intercept that was not applied (values
//! offset by 1024) or applied to a volume of something else. Such volumes are refused here, before
//! a density is made of them.

use crate::fault::{Explained, Fault, FaultKind, explained};
use crate::grid::Volume;

/// A volume that is no CT in Hounsfield units.
#[derive(Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CtError {
    /// The number of values differs from the grid's voxels.
    Size {
        /// Values there are.
        found: usize,
        /// Voxels of the grid.
        expected: usize,
    },
    /// NaN or infinity.
    NotFinite {
        /// How many.
        count: usize,
    },
    /// One value everywhere.
    Constant {
        /// The value.
        value: f32,
    },
    /// Stored values, the intercept not applied.
    Offset {
        /// Lowest value.
        min_value: f32,
        /// Share of voxels where offset water would stand, percent.
        percent: f64,
    },
    /// The intercept applied twice.
    NoTissue {
        /// Highest value.
        max_value: f32,
    },
    /// Attenuation coefficients or densities.
    NotHu {
        /// Lowest value.
        min_value: f32,
        /// Highest value.
        max_value: f32,
    },
}

explained!(CtError);

impl Explained for CtError {
    fn fault(&self) -> Fault {
        const HU: &str = "air near -1000, water near 0";
        let told = |found: String, allowed: &str, form: &'static str| {
            let next = "Give a CT in Hounsfield units: air near -1000, water near 0.";
            Fault::invalid("", "CT numbers", found, allowed, next).form(form)
        };
        match self {
            Self::Size { found, expected } => told(
                format!("{found} values for {expected} voxels"),
                "one value a voxel",
                "{field}: the CT holds {found}; the file is damaged or was read wrongly",
            )
            .kind(FaultKind::Damaged),
            Self::NotFinite { count } => told(
                format!("{count} values that are not finite numbers"),
                "Hounsfield units only",
                "{field}: the CT holds {found}; allowed: {allowed}; replace them (air is -1000)",
            ),
            Self::Constant { value } => told(
                value.to_string(),
                "Hounsfield units of a patient or phantom",
                "{field}: every voxel of the CT is {found}; allowed: {allowed}; was the right series read?",
            ),
            Self::Offset { min_value, percent } => told(
                format!(
                    "no voxel is below {min_value}, and {percent:.0} % lie between 900 and 1200, where water stands when \
                     1024 was not subtracted"
                ),
                HU,
                "{field}: the CT looks like stored values, not Hounsfield units: {found}; allowed: {allowed}; \
                 apply the rescale slope and intercept (usually subtract 1024)",
            ),
            Self::NoTissue { max_value } => told(
                max_value.to_string(),
                HU,
                "{field}: the CT holds no tissue: its highest value is {found}; allowed: {allowed}; \
                 was the rescale intercept applied twice?",
            ),
            Self::NotHu { min_value, max_value } => told(
                format!("{min_value} to {max_value} only"),
                "Hounsfield units (air near -1000, water near 0)",
                "{field}: the CT's values run from {found}: they look like attenuation coefficients (1/cm) or densities; \
                 allowed: {allowed}",
            ),
        }
    }
}

/// Water of stored values lies in this range when 1024 (or 1000) was not subtracted.
const OFFSET_WATER: std::ops::RangeInclusive<f32> = 900.0..=1200.0;
/// Share of voxels in that range which makes a volume suspicious; the whole trunk of a patient
/// fills 30-70 % of a CT, true HU of 900-1200 (cortical bone) under 2 %.
const OFFSET_SHARE: f64 = 0.15;
/// Fat and lung lie below this HU: a CT of a patient has such voxels, stored values have none.
const LOWEST_STORED: f32 = -50.0;
/// A volume whose highest value is below this holds neither fat, water nor bone.
const NO_TISSUE_BELOW_HU: f32 = -300.0;
/// Attenuation coefficients (1/cm) and densities (g/cm3) stay inside 0 to this.
const COEFFICIENT_MOST: f32 = 5.0;

/// Refuses a volume that cannot be Hounsfield units: wrong size, not finite, constant, stored with
/// its offset, without tissue, or attenuation coefficients. `hu` in Hounsfield units.
pub fn check_hounsfield(hu: &Volume<f32>) -> Result<(), CtError> {
    if hu.data.len() != hu.grid.len() {
        return Err(CtError::Size { found: hu.data.len(), expected: hu.grid.len() });
    }
    let count = hu.data.iter().filter(|v| !v.is_finite()).count();
    if count > 0 {
        return Err(CtError::NotFinite { count });
    }
    let min_value = hu.data.iter().copied().fold(f32::INFINITY, f32::min);
    let max_value = hu.data.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if min_value >= max_value {
        return Err(CtError::Constant { value: min_value });
    }
    if max_value < NO_TISSUE_BELOW_HU {
        return Err(CtError::NoTissue { max_value });
    }
    if min_value >= 0.0 && max_value <= COEFFICIENT_MOST {
        return Err(CtError::NotHu { min_value, max_value });
    }
    let offset = hu.data.iter().filter(|v| OFFSET_WATER.contains(v)).count() as f64 / hu.data.len() as f64;
    if min_value > LOWEST_STORED && offset > OFFSET_SHARE {
        return Err(CtError::Offset { min_value, percent: 100.0 * offset });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::VoxelGrid;

    fn volume(value: impl Fn(usize) -> f32) -> Volume<f32> {
        let grid = VoxelGrid::axis_aligned([10, 10, 10], [2.0; 3], [0.0; 3]);
        Volume { data: (0..grid.len()).map(value).collect(), grid }
    }

    /// Half air, some fat, the rest near water, a little bone.
    fn patient(i: usize) -> f32 {
        match i % 20 {
            0..=9 => -1000.0 + (i % 7) as f32,
            10..=12 => -100.0,
            13..=18 => 40.0 + (i % 11) as f32,
            _ => 600.0,
        }
    }

    #[test]
    fn io_hounsfield_units_pass() {
        assert_eq!(check_hounsfield(&volume(patient)), Ok(()));
        assert_eq!(check_hounsfield(&volume(|i| 30.0 + (i % 40) as f32)), Ok(()), "cropped inside an organ");
        assert_eq!(check_hounsfield(&volume(|i| if i % 50 == 0 { 1100.0 } else { 200.0 })), Ok(()), "bone specimen");
    }

    #[test]
    fn alarm_what_is_not_hu_rings() {
        let offset = check_hounsfield(&volume(|i| patient(i) + 1024.0));
        assert!(matches!(offset, Err(CtError::Offset { .. })), "{offset:?}");
        assert_eq!(check_hounsfield(&volume(|_| 0.0)), Err(CtError::Constant { value: 0.0 }));
        let twice = check_hounsfield(&volume(|i| patient(i) - 1024.0));
        assert!(matches!(twice, Err(CtError::NoTissue { .. })), "{twice:?}");
        let coefficients = check_hounsfield(&volume(|i| 0.2 * (1.0 + patient(i) / 1000.0).max(0.0)));
        assert!(matches!(coefficients, Err(CtError::NotHu { .. })), "{coefficients:?}");
        assert_eq!(
            check_hounsfield(&volume(|i| if i == 3 { f32::NAN } else { 0.0 })),
            Err(CtError::NotFinite { count: 1 })
        );
        let mut short = volume(patient);
        short.data.pop();
        assert_eq!(check_hounsfield(&short), Err(CtError::Size { found: 999, expected: 1000 }));
    }
}
