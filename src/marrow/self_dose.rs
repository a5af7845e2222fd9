//! What the electrons of decays in red marrow give to it.
//!
//!   D = A E phi/m                                              [methods/marrow.md eq. 2]
//!   D = (integral of c dt) r E phi/rho                         [eq. 3]
//!
//! E energy of the electrons of a decay, phi the share of it that red marrow absorbs. Of blood the mass falls out: the marrow's
//! activity is its concentration times its volume, and its dose that over its mass.

use super::spongiosa::RED_MARROW_G_CM3;
use crate::units::{DECAYS_PER_MBQ_H, GY_PER_KEV_G};

/// Dose, Gy, of a time-integrated activity, MBq h, in a mass, g: eq. 2.
pub fn self_dose_gy(tia_mbq_h: f64, electron_kev_per_decay: f64, absorbed_fraction: f64, mass_g: f64) -> f64 {
    tia_mbq_h * DECAYS_PER_MBQ_H * electron_kev_per_decay * GY_PER_KEV_G * absorbed_fraction / mass_g
}

/// Dose, Gy, of red marrow that has `ratio` times the concentration of blood, of which the time integral is given, MBq h/mL:
/// eq. 3.
pub fn blood_self_dose_gy(
    blood_mbq_h_per_ml: f64,
    ratio: f64,
    electron_kev_per_decay: f64,
    absorbed_fraction: f64,
) -> f64 {
    self_dose_gy(blood_mbq_h_per_ml * ratio, electron_kev_per_decay, absorbed_fraction, RED_MARROW_G_CM3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Nuclide;

    /// 147.9 keV of electrons a decay are 0.0853 g Gy/(MBq h): 177Lu.
    #[test]
    fn law_the_dose_is_energy_over_mass() {
        let kev = Nuclide::load("lu177").expect("built in").electron_energy_kev_per_decay();
        assert!((self_dose_gy(1.0, kev, 1.0, 1.0) / 0.0853 - 1.0).abs() < 0.01, "{kev}");
        assert!((self_dose_gy(30.0, 147.9, 0.5, 60.0) - 0.25 * 0.085_304_6).abs() < 1e-6);
        // alarm: keV a second in place of an hour
        assert!((self_dose_gy(1.0 / 3600.0, kev, 1.0, 1.0) / 0.0853 - 1.0).abs() > 0.9);
    }

    /// The mass falls out of the dose by blood: any volume of marrow with that concentration has it.
    #[test]
    fn law_blood_needs_no_mass() {
        let (integral, ratio) = (0.9, 1.1);
        for volume_ml in [1.0, 1100.0] {
            let (tia, mass) = (integral * ratio * volume_ml, RED_MARROW_G_CM3 * volume_ml);
            let by_mass = self_dose_gy(tia, 147.9, 0.8, mass);
            assert!((blood_self_dose_gy(integral, ratio, 147.9, 0.8) / by_mass - 1.0).abs() < 1e-12);
        }
        // alarm: a volume taken for a mass
        let wrong = self_dose_gy(integral * ratio, 147.9, 0.8, 1.0);
        assert!((blood_self_dose_gy(integral, ratio, 147.9, 0.8) / wrong - 1.0).abs() > 0.02);
    }
}
