//! Computed tomography: checks that a volume holds Hounsfield units.
//!
//! The most frequent silent fault of a CT import is a rescale intercept that was not applied (values
//! offset by 1024) or applied to a volume of something else. Others are negative values wrapped by an unsigned type,
//! and an inverted image. Such volumes are refused here, before they are converted to density.

/// Contrast agent in what should be unenhanced tissue.
pub mod contrast;

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
    /// Values that no scanner stores.
    OutOfRange {
        /// Lowest value.
        min_value: f32,
        /// Highest value.
        max_value: f32,
        /// How many lie outside.
        count: usize,
        /// What may have happened.
        cause: &'static str,
    },
    /// More that is dense than there is air and lung.
    TooDense {
        /// CT number of dense bone.
        above_hu: f32,
        /// Share of voxels above it, percent.
        dense_percent: f64,
        /// Share of voxels of air and lung, percent.
        air_percent: f64,
    },
    /// A picture, not a CT.
    Picture,
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
            Self::OutOfRange { min_value, max_value, count, cause } => told(
                format!(
                    "{min_value} to {max_value}, and {count} of them lie outside {LOWEST_HU} to {HIGHEST_HU}, the range of \
                     a scanner's 16 bits"
                ),
                &format!("Hounsfield units (air near -1000, water near 0); {cause}"),
                "{field}: the CT's values run from {found}; allowed: {allowed}",
            ),
            Self::TooDense { above_hu, dense_percent, air_percent } => told(
                format!(
                    "{dense_percent:.0} % of the CT's voxels lie above {above_hu} HU and {air_percent:.1} % below {LUNG_HU}"
                ),
                "Hounsfield units (air near -1000, water near 0, dense bone a few percent)",
                "{field}: {found}; allowed: {allowed}; were the values inverted, or negative ones saved as unsigned numbers?",
            ),
            Self::Picture => told(
                "0 to 255 as those of an 8-bit picture".to_owned(),
                "Hounsfield units (air near -1000, water near 0)",
                "{field}: the CT's values run from {found}; allowed: {allowed}; give the CT itself, not a picture of it",
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
/// The least and the most that a scanner stores: 16 bits with sign. 12 bits end at 3071 HU, extended scales near 30 700;
/// padding beyond the field of view lies at -1024 to -32 768.
const LOWEST_HU: f32 = -32_768.0;
const HIGHEST_HU: f32 = 32_767.0;
/// Air, lung and padding in an unsigned number of 16 bits lie between this and 65 535.
const WRAPPED_HU: f32 = 60_000.0;
/// Air, lung and padding, in HU.
const LUNG_HU: f32 = -300.0;
/// Share of voxels above a CT number from which on a volume cannot be a CT if it holds less air and lung than that. In the
/// skull, the densest part, cortical bone (900 HU and more) fills a tenth of a head and all bone above 500 HU a fifth; metal
/// and Teflon rods fill some percent of a field.
const DENSE: [(f32, f64); 2] = [(900.0, 0.15), (500.0, 0.3)];
/// Number of voxels above which histogram shares are meaningful: a cube of 5 cm at 5 mm.
const LEAST_VOXELS: usize = 1000;
/// Attenuation coefficients (1/cm) and densities (g/cm3) stay inside 0 to this.
const COEFFICIENT_MOST: f32 = 5.0;

/// Refuses a volume that cannot be Hounsfield units: wrong size, not finite, constant, stored with
/// its offset, without tissue, attenuation coefficients, beyond what a scanner stores, more dense than air, or a picture of
/// 8 bits. `hu` in Hounsfield units.
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
    in_range(hu, min_value, max_value)?;
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
    if (min_value, max_value) == (0.0, 255.0) {
        return Err(CtError::Picture);
    }
    let share = |inside: &dyn Fn(f32) -> bool| {
        hu.data.iter().filter(|value| inside(**value)).count() as f64 / hu.data.len() as f64
    };
    let air = share(&|value| value < LUNG_HU);
    for (above_hu, most) in DENSE {
        let dense = share(&|value| value > above_hu);
        if hu.data.len() >= LEAST_VOXELS && dense > most && dense > air {
            return Err(CtError::TooDense { above_hu, dense_percent: 100.0 * dense, air_percent: 100.0 * air });
        }
    }
    Ok(())
}

/// Refuses values that no scanner stores.
fn in_range(hu: &Volume<f32>, min_value: f32, max_value: f32) -> Result<(), CtError> {
    let outside = |value: &&f32| !(LOWEST_HU..=HIGHEST_HU).contains(*value);
    let count = hu.data.iter().filter(outside).count();
    if count == 0 {
        return Ok(());
    }
    let wrapped = |value: &f32| (WRAPPED_HU..=f32::from(u16::MAX)).contains(value);
    let cause = if hu.data.iter().filter(outside).all(wrapped) {
        "negative values were saved as unsigned 16-bit numbers (65536 too high): save the CT as signed ones"
    } else {
        "check the rescale slope and intercept, and that this is the CT"
    };
    Err(CtError::OutOfRange { min_value, max_value, count, cause })
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

    /// Unusual CTs: metal, padding, phantoms, a skull, extended scales.
    #[test]
    fn io_unusual_cts_pass() {
        let with = |n: usize, value: f32| move |i: usize| if i.is_multiple_of(n) { value } else { patient(i) };
        for padding in [-1024.0, -2000.0, -2048.0, -3024.0, -8192.0, -10_000.0, -32_768.0] {
            assert_eq!(check_hounsfield(&volume(with(3, padding))), Ok(()), "{padding}");
        }
        for metal in [3071.0, 14_000.0, 30_710.0, 32_767.0] {
            assert_eq!(check_hounsfield(&volume(with(20, metal))), Ok(()), "{metal}");
        }
        // a head that fills its field: a seventh is skull, little air
        let head = |i: usize| match i % 100 {
            0..=13 => 1300.0,
            14..=17 => -1000.0,
            _ => 35.0 + (i % 9) as f32,
        };
        assert_eq!(check_hounsfield(&volume(head)), Ok(()));
        // a block of Teflon in air; water with an aluminium rod
        assert_eq!(check_hounsfield(&volume(|i| if i % 3 == 0 { 990.0 } else { -1000.0 + (i % 5) as f32 })), Ok(()));
        assert_eq!(check_hounsfield(&volume(|i| if i % 12 == 0 { 2600.0 } else { (i % 7) as f32 - 3.0 })), Ok(()));
        // a picture's range, but not its ends
        assert_eq!(check_hounsfield(&volume(|i| (i % 255) as f32)), Ok(()));
    }

    #[test]
    fn alarm_impossible_histograms_ring() {
        let told = |value: &dyn Fn(usize) -> f32| check_hounsfield(&volume(value)).expect_err("refused").to_string();
        // saved as uint16: every negative HU 65536 higher
        let wrapped = told(&|i| if patient(i) < 0.0 { patient(i) + 65_536.0 } else { patient(i) });
        assert!(wrapped.contains("65436") && wrapped.contains("unsigned 16-bit"), "{wrapped}");
        // a crop inside the body has only some fat below 0
        let fat = told(&|i| if i % 50 == 0 { 65_436.0 } else { 40.0 + (i % 9) as f32 });
        assert!(fat.contains("20 of them lie outside -32768 to 32767") && fat.contains("unsigned"), "{fat}");
        // the same in 12 bits
        let twelve = told(&|i| if patient(i) < 0.0 { patient(i) + 4096.0 } else { patient(i) });
        assert!(twelve.contains("65 % of the CT's voxels lie above 900 HU"), "{twelve}");
        // inverted: about 0, and about the middle of its range
        for inverted in [told(&|i| -patient(i)), told(&|i| -400.0 - patient(i))] {
            assert!(inverted.contains("were the values inverted"), "{inverted}");
        }
        for value in [1e30, -1e30, 40_000.0] {
            let found = told(&|i| if i == 7 { value } else { patient(i) });
            assert!(found.contains("1 of them lie outside") && found.contains("rescale slope"), "{value}: {found}");
        }
        assert_eq!(check_hounsfield(&volume(|i| (i % 256) as f32)), Err(CtError::Picture));
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
