//! External-beam equivalents of a BED.

/// Dose in 2 Gy fractions that has the BED `bed_gy`, Gy: BED / (1 + 2/(alpha/beta)).
///                                                                     [methods/bed.md eq. 14]
pub fn eqd2_gy(bed_gy: f64, alpha_beta_gy: f64) -> f64 {
    bed_gy / (1.0 + 2.0 / alpha_beta_gy)
}

/// BED, Gy, of a dose declared as EQD2.
pub fn bed_from_eqd2_gy(eqd2_gy: f64, alpha_beta_gy: f64) -> f64 {
    eqd2_gy * (1.0 + 2.0 / alpha_beta_gy)
}

/// BED, Gy, of acute fractions: Sum d (1 + d/(alpha/beta)), full repair between them.
pub fn fractionated_bed_gy(fractions_gy: &[f64], alpha_beta_gy: f64) -> f64 {
    fractions_gy.iter().map(|d| d * (1.0 + d / alpha_beta_gy)).sum()
}
