//! Hard knock-ons: electron-electron scattering of Moller, its integrals and its kinematics.
//!
//! Target electrons are free and at rest; the slower of the two after the collision is the knock-on,
//! so its energy W ends at half the primary's. Binding is neglected: the
//! cut must lie well above the K shells of the tissue's main elements (oxygen 0.54 keV). Equations:
//! docs/methods/electrons.md section 3. Reference: Moller, Ann. Phys. 406 (1932) 531; ICRU Report 37 (1984) section 2.

use crate::elementary::{ln, ln_1p, powi, square};
use crate::materials::tissues::Tissue;
use crate::physics::density_effect::{beta_squared, electrons_per_g};
use crate::units::{CLASSICAL_ELECTRON_RADIUS_CM, ELECTRON_REST_KEV};

/// 2 pi r_e^2 m c^2, cm2 keV: the scale of every collision with an electron.
pub const COLLISION_CM2_KEV: f64 =
    2.0 * std::f64::consts::PI * CLASSICAL_ELECTRON_RADIUS_CM * CLASSICAL_ELECTRON_RADIUS_CM * ELECTRON_REST_KEV;

/// Moller's exchange parameter (tau / (tau + 1))^2 with tau = T / m c^2, dimensionless.
fn exchange(e_kev: f64) -> f64 {
    let total = e_kev + ELECTRON_REST_KEV;
    square(e_kev / total)
}

/// Differential cross section per target electron in the knock-on energy, cm2/keV (eq. 3.1).
///
/// `e_kev` > 0 kinetic energy of the primary, `w_kev` in (0, e/2]; 0 outside.
pub fn dcs_cm2_kev(e_kev: f64, w_kev: f64) -> f64 {
    if w_kev <= 0.0 || w_kev > 0.5 * e_kev {
        return 0.0;
    }
    let a = exchange(e_kev);
    let ratio = w_kev / (e_kev - w_kev);
    let shape = 1.0 + ratio * ratio - (1.0 - a) * ratio + a * square(w_kev / e_kev);
    COLLISION_CM2_KEV / beta_squared(e_kev) * shape / (w_kev * w_kev)
}

/// Integrals of W^n times the Moller cross section between two knock-on energies (eqs. 3.2 to 3.4).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moments {
    /// n = 0: cross section per electron, cm2.
    pub cross_section_cm2: f64,
    /// n = 1: energy loss, cm2 keV.
    pub stopping_cm2_kev: f64,
    /// n = 2: energy loss squared, cm2 keV^2.
    pub straggling_cm2_kev2: f64,
}

/// Moments per target electron over W in [`low_kev`, `high_kev`], closed forms.
///
/// `low_kev` > 0; `high_kev` is taken as e/2 at most; all zero where the interval is empty.
pub fn moments(e_kev: f64, low_kev: f64, high_kev: f64) -> Moments {
    let high_kev = high_kev.min(0.5 * e_kev);
    if low_kev >= high_kev {
        return Moments { cross_section_cm2: 0.0, stopping_cm2_kev: 0.0, straggling_cm2_kev2: 0.0 };
    }
    let a = exchange(e_kev);
    let scale = COLLISION_CM2_KEV / beta_squared(e_kev);
    let (x0, x1) = (low_kev / e_kev, high_kev / e_kev);
    // In x = W / T; constants of integration chosen so that every term vanishes with x where it can.
    let zeroth = |x: f64| -1.0 / x + 1.0 / (1.0 - x) - (1.0 - a) * (ln(x) - ln_1p(-x)) + a * x;
    let first = |x: f64| ln(x) + x / (1.0 - x) + (2.0 - a) * ln_1p(-x) + 0.5 * a * x * x;
    let second = |x: f64| (3.0 - a) * (x + ln_1p(-x)) + x / (1.0 - x) + a * powi(x, 3) / 3.0;
    Moments {
        cross_section_cm2: scale * (zeroth(x1) - zeroth(x0)) / e_kev,
        stopping_cm2_kev: scale * (first(x1) - first(x0)),
        straggling_cm2_kev2: scale * e_kev * (second(x1) - second(x0)),
    }
}

/// Cross section for knock-ons above `cut_kev` > 0, cm2/g; 0 where e <= 2 cut (eq. 3.2).
///
/// Panics if the tissue names an element without data.
pub fn hard_cross_section_cm2_g(tissue: &Tissue, e_kev: f64, cut_kev: f64) -> f64 {
    electrons_per_g(tissue) * moments(e_kev, cut_kev, f64::INFINITY).cross_section_cm2
}

/// Mean energy given to knock-ons above `cut_kev` > 0 per areal density, keV cm2/g (eq. 3.3).
///
/// With the restricted collision stopping power it makes the unrestricted one.
/// Panics if the tissue names an element without data.
pub fn hard_stopping_kev_cm2_g(tissue: &Tissue, e_kev: f64, cut_kev: f64) -> f64 {
    electrons_per_g(tissue) * moments(e_kev, cut_kev, f64::INFINITY).stopping_cm2_kev
}

/// Cosine of the primary's deflection after losing `w_kev` in [0, e] to a free electron (eq. 3.5).
pub fn primary_cos(e_kev: f64, w_kev: f64) -> f64 {
    let rest = 2.0 * ELECTRON_REST_KEV;
    ((e_kev - w_kev) * (e_kev + rest) / (e_kev * (e_kev - w_kev + rest))).sqrt()
}

/// Cosine between the knock-on of energy `w_kev` in (0, e] and the primary's direction (eq. 3.6).
pub fn knock_on_cos(e_kev: f64, w_kev: f64) -> f64 {
    let rest = 2.0 * ELECTRON_REST_KEV;
    (w_kev * (e_kev + rest) / (e_kev * (w_kev + rest))).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::physics::soft_inelastic::integrate_log;
    use crate::physics::stopping_power::samples::water;

    #[test]
    fn law_moments_agree_with_numerical_integration() {
        for e_kev in [1.0, 10.0, 100.0, 1000.0, 3300.0] {
            for low in [1e-4, 1e-2, 0.2, 0.45] {
                for high in [0.02, 0.3, 0.5] {
                    if low >= high {
                        continue;
                    }
                    let closed = moments(e_kev, low * e_kev, high * e_kev);
                    for (n, value) in
                        [(0, closed.cross_section_cm2), (1, closed.stopping_cm2_kev), (2, closed.straggling_cm2_kev2)]
                    {
                        let number = integrate_log(low * e_kev, high * e_kev, 12, |w_kev| {
                            dcs_cm2_kev(e_kev, w_kev) * w_kev.powi(n)
                        });
                        assert!((value / number - 1.0).abs() < 1e-9, "{e_kev} {low} {high} {n}");
                    }
                }
            }
        }
    }

    #[test]
    fn alarm_moments_ring_for_a_missing_exchange_term() {
        let closed = moments(300.0, 10.0, 150.0).stopping_cm2_kev;
        let rutherford = integrate_log(10.0, 150.0, 12, |w_kev| COLLISION_CM2_KEV / beta_squared(300.0) / w_kev);
        assert!((closed / rutherford - 1.0).abs() > 1e-3);
    }

    #[test]
    fn law_kinematics_conserve_momentum() {
        let momentum = |t: f64| (t * (t + 2.0 * ELECTRON_REST_KEV)).sqrt();
        for e_kev in [2.0, 50.0, 500.0, 3000.0] {
            for share in [1e-3, 0.1, 0.3, 0.5] {
                let w_kev = share * e_kev;
                let (c1, c2) = (primary_cos(e_kev, w_kev), knock_on_cos(e_kev, w_kev));
                let along = momentum(e_kev - w_kev) * c1 + momentum(w_kev) * c2;
                let across =
                    momentum(e_kev - w_kev) * (1.0 - c1 * c1).sqrt() - momentum(w_kev) * (1.0 - c2 * c2).sqrt();
                assert!((along / momentum(e_kev) - 1.0).abs() < 1e-12);
                assert!((across / momentum(e_kev)).abs() < 1e-9);
            }
            let equal = 0.5 * e_kev;
            assert!((primary_cos(e_kev, equal) - knock_on_cos(e_kev, equal)).abs() < 1e-12);
        }
    }

    #[test]
    fn law_no_hard_collision_below_twice_the_cut() {
        assert_eq!(hard_cross_section_cm2_g(&water(), 20.0, 10.0), 0.0);
        assert!(hard_cross_section_cm2_g(&water(), 20.1, 10.0) > 0.0);
        // Rutherford limit: sigma -> N 2 pi r_e^2 m / (beta^2 cut).
        let found = hard_cross_section_cm2_g(&water(), 1e5, 1.0);
        let limit = electrons_per_g(&water()) * COLLISION_CM2_KEV / beta_squared(1e5);
        assert!((found / limit - 1.0).abs() < 1e-3, "{}", found / limit);
    }
}
