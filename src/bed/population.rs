//! One number for a distribution of doses: EUBED, EUD, gEUD and the gain of heterogeneity.

use super::{BedError, positive};

/// Checks weights against values and returns the sum of weights.
fn weight_sum(values: &[f64], weights: &[f64]) -> Result<f64, BedError> {
    if values.len() != weights.len() || values.is_empty() {
        return Err(BedError::Length { what: "weights", found: weights.len(), expected: values.len().max(1) });
    }
    positive("sum of weights", weights.iter().sum())
}

/// Equivalent uniform BED, Gy: -(1/alpha) ln( Sum w exp(-alpha BED) / Sum w ).
///                                                                     [methods/bed.md eq. 15]
/// `weights` are masses (or ones); the largest exponent is taken out, so no BED underflows.
pub fn eubed_gy(bed_gy: &[f64], weights: &[f64], alpha_per_gy: f64) -> Result<f64, BedError> {
    positive("alpha_per_gy", alpha_per_gy)?;
    let total = weight_sum(bed_gy, weights)?;
    let least = bed_gy.iter().copied().fold(f64::INFINITY, f64::min);
    let survivors: f64 = bed_gy.iter().zip(weights).map(|(bed, w)| w * (-alpha_per_gy * (bed - least)).exp()).sum();
    Ok(least - (survivors / total).ln() / alpha_per_gy)
}

/// The uniform dose, Gy, that has the EUBED `eubed_gy` with the factor `g`: solves
/// D + G D^2/(alpha/beta) = EUBED.
pub fn eud_gy(eubed_gy: f64, g: f64, radiobiology: &super::Radiobiology) -> f64 {
    radiobiology.dose_for_bed_gy(eubed_gy, g)
}

/// Generalised EUD, Gy: (Sum w D^a / Sum w)^(1/a); a < 0 for tumours, a > 0 for organs, a != 0.
///                                                                     [methods/bed.md eq. 16]
/// With a < 0 a voxel without dose makes it zero. A negative dose (statistics of a transport) has no power: an error.
pub fn generalised_eud_gy(dose_gy: &[f64], weights: &[f64], a: f64) -> Result<f64, BedError> {
    if !a.is_finite() || a == 0.0 {
        return Err(BedError::OutOfRange { name: "a (gEUD exponent)", value: a, allowed: "finite and not 0" });
    }
    let total = weight_sum(dose_gy, weights)?;
    for &dose in dose_gy {
        super::not_negative("dose_gy", dose)?;
    }
    let scale = dose_gy.iter().copied().fold(0.0, f64::max);
    if scale == 0.0 {
        return Ok(0.0);
    }
    let mean: f64 = dose_gy.iter().zip(weights).map(|(d, w)| w * (d / scale).powf(a)).sum::<f64>() / total;
    Ok(scale * mean.powf(1.0 / a))
}

/// How much the mean BED exceeds the BED of the mean dose, Gy: G Var(D)/(alpha/beta).
///                                                                     [methods/bed.md eq. 17]
/// Exact where all voxels share the kinetics. Noise of the map inflates it by the same law.
pub fn heterogeneity_gain_gy(dose_variance_gy2: f64, g: f64, alpha_beta_gy: f64) -> f64 {
    g * dose_variance_gy2 / alpha_beta_gy
}
