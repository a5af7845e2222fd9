//! Incoherent scattering: Klein-Nishina x incoherent scattering function.
//!
//! ```text
//! dsigma/dOmega = KN(E, theta) S(x),  x = E sin(theta/2) / (hc)      [methods/photons.md eq. 3]
//! ```
//!
//! The scattered energy is that of a free electron at rest. Doppler broadening by the motion of the
//! bound electrons (one or two keV at 100 keV in tissue) is left out: it spreads the energy of the
//! scattered photon and hardly moves its mean. Binding energy is deposited with the electron. Data:
//! EPDL2017.

use super::elements::Element;
use crate::elementary::square;
use crate::materials::tissues::Tissue;
use crate::quadrature::{graded, graded_points};
use crate::units::{AVOGADRO_PER_MOL, CLASSICAL_ELECTRON_RADIUS_CM, ELECTRON_REST_KEV, HC_KEV_ANGSTROM};

/// Energy of the photon after Compton scatter on a free electron at rest, keV.
/// ```text
/// E' = E / (1 + (E / m_e c^2)(1 - cos theta))          [methods/photons.md eq. 2]
/// ```
/// `e_kev` > 0, `cos_theta` in [-1, 1].
pub fn scattered_kev(e_kev: f64, cos_theta: f64) -> f64 {
    e_kev / (1.0 + e_kev / ELECTRON_REST_KEV * (1.0 - cos_theta))
}

/// Klein-Nishina differential cross-section per electron, cm2/sr.
/// ```text
/// KN = r_e^2/2 (E'/E)^2 (E'/E + E/E' - sin^2 theta)    [methods/photons.md eq. 4]
/// ```
/// `e_kev` > 0, `cos_theta` in [-1, 1].
pub fn klein_nishina_cm2_sr(e_kev: f64, cos_theta: f64) -> f64 {
    let ratio = scattered_kev(e_kev, cos_theta) / e_kev;
    let sin2 = 1.0 - cos_theta * cos_theta;
    0.5 * square(CLASSICAL_ELECTRON_RADIUS_CM) * ratio * ratio * (ratio + 1.0 / ratio - sin2)
}

/// Incoherent scattering function of the tissue per electron: 0 at x = 0, 1 at large x.
/// ```text
/// S(x) = sum (w/A) S_i(x) / sum (w/A) Z_i              [methods/photons.md eq. 5]
/// ```
/// `x_per_angstrom` = E sin(theta/2) / hc >= 0, 1/Angstrom.
pub fn scattering_function(tissue: &Tissue, x_per_angstrom: f64) -> f64 {
    let weighted: f64 = tissue
        .elements()
        .map(|(element, moles_per_g)| moles_per_g * element.incoherent_function.lin_lin(x_per_angstrom))
        .sum();
    weighted / tissue.z_over_a()
}

/// Momentum transfer variable at `cos_theta`, 1/Angstrom: x = E sin(theta/2) / hc.
pub fn momentum_transfer_per_angstrom(e_kev: f64, cos_theta: f64) -> f64 {
    e_kev * (0.5 * (1.0 - cos_theta)).max(0.0).sqrt() / HC_KEV_ANGSTROM
}

/// Integral over all directions of KN x S, per electron, cm2. The variable is t = sin(theta/2):
/// d(solid angle) = 8 pi t dt.
fn integral(tissue: &Tissue, e_kev: f64) -> f64 {
    8.0 * std::f64::consts::PI
        * graded(&|t| {
            let cos_theta = 1.0 - 2.0 * t * t;
            let s = scattering_function(tissue, e_kev * t / HC_KEV_ANGSTROM);
            t * s * klein_nishina_cm2_sr(e_kev, cos_theta)
        })
}

/// Mass coefficient of Klein-Nishina x S, cm2/g: what the angular law integrates to. It agrees with
/// [`super::photon_xs::incoherent_cm2_g`] to 0.3 %. `e_kev` in 1 to 3000. Cost: 170 evaluations of S.
pub fn integrated_cm2_g(tissue: &Tissue, e_kev: f64) -> f64 {
    integral(tissue, e_kev) * tissue.z_over_a() * AVOGADRO_PER_MOL
}

/// Mean energy left behind by an incoherent collision, keV.
/// ```text
/// <T> = integral KN S (E - E') dOmega / integral KN S dOmega      [methods/photons.md eq. 6]
/// ```
/// `e_kev` in 1 to 3000. Cost: 170 evaluations of S an element.
pub fn mean_transfer_kev(tissue: &Tissue, e_kev: f64) -> f64 {
    mean_transfer_of(tissue, |element| element_moments(element, e_kev))
}

/// The same from the moments of the tissue's elements (see [`element_moments`]), for those who keep them.
pub fn mean_transfer_of(tissue: &Tissue, mut moments: impl FnMut(&'static Element) -> [f64; 2]) -> f64 {
    let mut sums = [0.0; 2];
    for (element, moles_per_g) in tissue.elements() {
        let [number, energy] = moments(element);
        sums[0] += moles_per_g * number;
        sums[1] += moles_per_g * energy;
    }
    sums[1] / sums[0]
}

/// Integrals over all directions of KN S_i and of KN S_i (E - E') for one element, cm2 and cm2 keV an atom.
/// `e_kev` in 1 to 3000.
pub fn element_moments(element: &Element, e_kev: f64) -> [f64; 2] {
    let mut sums = [0.0; 2];
    for &(t, weight) in graded_points() {
        let cos_theta = 1.0 - 2.0 * t * t;
        let s = element.incoherent_function.lin_lin(e_kev * t / HC_KEV_ANGSTROM);
        let share = weight * t * s * klein_nishina_cm2_sr(e_kev, cos_theta);
        sums[0] += share;
        sums[1] += share * (e_kev - scattered_kev(e_kev, cos_theta));
    }
    sums.map(|sum| 8.0 * std::f64::consts::PI * sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::physics::photon_xs::{incoherent_cm2_g, nist};

    /// Integrated Klein-Nishina cross-section per electron, cm2 (closed form, Klein & Nishina 1929).
    fn klein_nishina_cm2(e_kev: f64) -> f64 {
        let k = e_kev / ELECTRON_REST_KEV;
        let l = (1.0 + 2.0 * k).ln();
        let bracket = (1.0 + k) / (k * k) * (2.0 * (1.0 + k) / (1.0 + 2.0 * k) - l / k) + l / (2.0 * k)
            - (1.0 + 3.0 * k) / (1.0 + 2.0 * k).powi(2);
        2.0 * std::f64::consts::PI * CLASSICAL_ELECTRON_RADIUS_CM.powi(2) * bracket
    }

    #[test]
    fn law_differential_integrates_to_klein_nishina() {
        for e_kev in [1.0, 30.0, 208.4, 1000.0, 3000.0] {
            let numeric = 8.0 * std::f64::consts::PI * graded(&|t| t * klein_nishina_cm2_sr(e_kev, 1.0 - 2.0 * t * t));
            // The closed form cancels at low energy: 1e-6 holds from 1 keV.
            assert!((numeric / klein_nishina_cm2(e_kev) - 1.0).abs() < 1e-6, "{e_kev}");
        }
    }

    #[test]
    fn law_scattered_energy_limits() {
        assert_eq!(scattered_kev(208.4, 1.0), 208.4);
        assert!((scattered_kev(1e9, -1.0) - 0.5 * ELECTRON_REST_KEV).abs() < 1e-3);
        assert!((scattered_kev(ELECTRON_REST_KEV, 0.0) - 0.5 * ELECTRON_REST_KEV).abs() < 1e-9);
        assert!((momentum_transfer_per_angstrom(HC_KEV_ANGSTROM, -1.0) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn law_scattering_function_runs_from_zero_to_one() {
        for medium in nist::media() {
            assert_eq!(scattering_function(&medium.tissue, 0.0), 0.0);
            assert!((scattering_function(&medium.tissue, 1e4) - 1.0).abs() < 1e-4);
            let values: Vec<f64> = (1..200).map(|i| scattering_function(&medium.tissue, 0.05 * f64::from(i))).collect();
            assert!(values.windows(2).all(|v| v[1] >= v[0]), "{}", medium.tissue.name);
        }
    }

    /// Largest relative deviation of the integrated law from the evaluated cross-section.
    fn worst(law: impl Fn(&Tissue, f64) -> f64) -> (f64, String) {
        let mut worst = (0.0, String::new());
        for medium in nist::media() {
            for e_kev in [5.0, 10.0, 20.0, 50.0, 113.0, 208.4, 321.3, 662.0, 1500.0, 3000.0] {
                let deviation = law(&medium.tissue, e_kev) / incoherent_cm2_g(&medium.tissue, e_kev) - 1.0;
                if deviation.abs() > f64::abs(worst.0) {
                    worst = (deviation, format!("{} at {e_kev} keV: {:+.3} %", medium.tissue.name, 100.0 * deviation));
                }
            }
        }
        worst
    }

    #[test]
    fn reference_bound_law_integrates_to_epdl() {
        let (deviation, place) = worst(integrated_cm2_g);
        println!("worst {place}");
        assert!(deviation.abs() < 0.005, "{place}");
    }

    #[test]
    fn alarm_free_electrons_ring() {
        let free = |tissue: &Tissue, e_kev| klein_nishina_cm2(e_kev) * tissue.z_over_a() * AVOGADRO_PER_MOL;
        assert!(worst(free).0.abs() > 0.005);
    }

    #[test]
    fn law_mean_transfer_against_the_free_electron() {
        // Klein-Nishina mean fraction for free electrons at 100 keV: 0.138 (Attix 1986, appendix D.1: 13.8 keV).
        let water = Tissue::built_in("water").unwrap();
        let bound = mean_transfer_kev(&water, 100.0);
        assert!((13.8..14.1).contains(&bound), "{bound}: binding removes small angles and raises the mean a little");
        let at_1_mev = mean_transfer_kev(&water, 1000.0);
        assert!((at_1_mev - 440.0).abs() < 2.0, "{at_1_mev}");
        let energies: Vec<f64> = (0..60).map(|i| 10f64.powf(f64::from(i) / 18.0)).collect();
        assert!(energies.windows(2).all(|e| mean_transfer_kev(&water, e[1]) > mean_transfer_kev(&water, e[0])));
    }
}
