//! Straggling of the continuous loss: the variance left by collisions below the cut.
//!
//! Close collisions follow Moller between a shell's resonance energy and the cut; distant ones lose
//! the resonance energy. Losses to bremsstrahlung do not straggle (their yield is below 1 % of the
//! loss under 3 MeV in tissue). Binding adds to the free-electron variance of water, between 50 and
//! 2000 keV, 25 to 41 % with a cut of 5 keV, 13 to 20 % with 10 keV and 7 to 10 % with 20 keV. Equations:
//! docs/methods/electrons.md section 6. Reference: Salvat, PENELOPE-2018, OECD/NEA (2019) section 3.2.

use crate::materials::tissues::Tissue;
use crate::physics::density_effect::{OscillatorModel, checked_model};
use crate::physics::soft_inelastic::soft_inelastic_of;

/// Variance of the energy loss per areal density from collisions with losses below `cut_kev`,
/// keV^2 cm2/g (eq. 6.1).
///
/// `e_kev` >= 1, `cut_kev` > 0 (infinity: all collisions). For many energies make one
/// `OscillatorModel` and call `soft_variance_of`. Panics where `OscillatorModel::of` errs.
pub fn soft_variance_kev2_cm2_g(tissue: &Tissue, e_kev: f64, cut_kev: f64) -> f64 {
    soft_variance_of(&checked_model(tissue), e_kev, cut_kev)
}

/// `soft_variance_kev2_cm2_g` on a model solved before, keV^2 cm2/g.
pub fn soft_variance_of(model: &OscillatorModel, e_kev: f64, cut_kev: f64) -> f64 {
    soft_inelastic_of(model, e_kev, cut_kev).straggling_kev2_cm2_g
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::physics::density_effect::electrons_per_g;
    use crate::physics::moller;
    use crate::physics::stopping_power::samples::water;

    #[test]
    fn law_variance_is_moller_with_a_small_binding_term() {
        for e_kev in [50.0, 100.0, 500.0, 2000.0] {
            for cut_kev in [5.0, 10.0, 20.0] {
                let free = electrons_per_g(&water()) * moller::moments(e_kev, 1e-6, cut_kev).straggling_cm2_kev2;
                let ratio = soft_variance_kev2_cm2_g(&water(), e_kev, cut_kev) / free;
                println!("{e_kev} keV, cut {cut_kev}: bound/free variance {ratio:.4}");
                assert!((1.0..1.45).contains(&ratio), "{e_kev} {cut_kev} {ratio}");
            }
        }
    }

    #[test]
    fn law_variance_grows_with_the_cut_up_to_the_whole() {
        let at = |cut_kev: f64| soft_variance_kev2_cm2_g(&water(), 200.0, cut_kev);
        assert!(at(1.0) < at(10.0) && at(10.0) < at(50.0) && at(50.0) < at(100.0));
        assert_eq!(at(100.0), at(f64::INFINITY));
        let hard = electrons_per_g(&water()) * moller::moments(200.0, 10.0, f64::INFINITY).straggling_cm2_kev2;
        assert!(((at(10.0) + hard) / at(f64::INFINITY) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn alarm_variance_sum_rings_for_a_shifted_cut() {
        let hard = electrons_per_g(&water()) * moller::moments(200.0, 10.2, f64::INFINITY).straggling_cm2_kev2;
        let whole = soft_variance_kev2_cm2_g(&water(), 200.0, f64::INFINITY);
        let sum = soft_variance_kev2_cm2_g(&water(), 200.0, 10.0) + hard;
        assert!((sum / whole - 1.0).abs() > 1e-3);
    }
}
