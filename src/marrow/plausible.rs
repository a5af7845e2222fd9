//! Published doses of red marrow by [177Lu]Lu-DOTATATE, to hold a result against.
//!
//! J Nucl Med 2023;64:1456 (PMC10478826), table 3: 16 patients without one of many bone metastases. By images of vertebrae and
//! hip bones 0.025 to 0.157 Gy/GBq, median of vertebrae 0.056 +- 0.023 without metastases of bone; by blood 0.009 to 0.029.
//! The ranges here are what most of them lie in.

use crate::units::rounded;

/// By image, Gy/GBq.
pub const IMAGE_GY_PER_GBQ: [f64; 2] = [0.02, 0.1];
/// By blood, Gy/GBq.
pub const BLOOD_GY_PER_GBQ: [f64; 2] = [0.01, 0.03];

/// What to say of a dose per administered activity that lies outside a published range; nothing within.
pub fn implausible(gy_per_gbq: f64, [low, high]: [f64; 2]) -> Option<String> {
    let side = match gy_per_gbq {
        d if d < low => "below",
        d if d > high => "above",
        d if d.is_nan() => "not in",
        _ => return None,
    };
    let found = rounded(gy_per_gbq, 3);
    Some(format!(
        "{found} Gy/GBq, {side} the {low} to {high} Gy/GBq published for 177Lu-DOTATATE (PMC10478826, table 3)"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What lies outside is told with its figure and the range, what lies inside is not.
    #[test]
    fn law_what_was_never_published_is_told() {
        assert_eq!(implausible(0.056, IMAGE_GY_PER_GBQ), None);
        assert_eq!(implausible(0.016, BLOOD_GY_PER_GBQ), None);
        let told = implausible(0.56, IMAGE_GY_PER_GBQ).expect("ten times the median");
        assert!(told.contains("0.56 Gy/GBq, above the 0.02 to 0.1"), "{told}");
        assert!(implausible(0.001, BLOOD_GY_PER_GBQ).is_some_and(|told| told.contains("below")));
        assert!(implausible(f64::NAN, BLOOD_GY_PER_GBQ).is_some());
    }
}
