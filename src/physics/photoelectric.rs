//! Photoelectric absorption with local deposition, and the energy a photon transfers per path.
//!
//! The whole photon energy is deposited on the spot: the photoelectron starts there and the vacancy's
//! X rays and Auger electrons are not followed. The largest X ray left out in tissue is the K line of
//! calcium (3.7 keV, 0.16 per K vacancy; mean free path 0.03 mm in bone, 0.1 mm in soft tissue):
//! 0.5 keV per absorption in calcium, in cortical bone 2.1 % of the photoelectric energy at 20 keV
//! and 0.4 % at 113 keV, moved by less than a voxel. Iodine (contrast agent: 28.6-33 keV, 0.88 per K
//! vacancy) is not negligible: `k_fluorescence_share` gives the size, see docs/methods/photons.md.

use super::compton::mean_transfer_kev;
use super::photon_xs::{incoherent_cm2_g, pair_cm2_g, photoelectric_cm2_g};
use crate::materials::tissues::Tissue;
use crate::physics::elements::log_log;
use crate::units::{AVOGADRO_PER_MOL, ELECTRON_REST_KEV};

/// Energy given to matter by a photon of `e_kev` per path in g/cm2: the kerma coefficient of the
/// analogue model, keV cm2/g. The track-length estimator deposits path x density x this.
/// ```text
/// K(E) = tau E + sigma_inc <T> + kappa (E - 2 m_e c^2)      [methods/photons.md eq. 10]
/// ```
/// `e_kev` in 1 to 3000. Bremsstrahlung of the secondary electrons is left out (0.1 % at 300 keV).
pub fn energy_transfer_cm2_g_kev(tissue: &Tissue, e_kev: f64) -> f64 {
    energy_transfer_with(tissue, e_kev, mean_transfer_kev(tissue, e_kev))
}

/// The same where the mean energy that an incoherent collision leaves, keV, is known.
pub fn energy_transfer_with(tissue: &Tissue, e_kev: f64, mean_transfer_kev: f64) -> f64 {
    let pair_kev = (e_kev - 2.0 * ELECTRON_REST_KEV).max(0.0);
    photoelectric_cm2_g(tissue, e_kev) * e_kev
        + incoherent_cm2_g(tissue, e_kev) * mean_transfer_kev
        + pair_cm2_g(tissue, e_kev) * pair_kev
}

/// Share of the photoelectric energy that leaves the atom as K X rays and is deposited on the spot
/// all the same (0 to 1).
/// ```text
/// f = sum_i tau_i p_K,i omega_K,i E_K,i / (tau E), edges below E      [methods/photons.md eq. 11]
/// ```
/// `e_kev` in 1 to 3000. K shell only: L X rays are below 5 keV up to iodine.
pub fn k_fluorescence_share(tissue: &Tissue, e_kev: f64) -> f64 {
    let emitted: f64 = tissue
        .elements()
        .filter_map(|(element, moles_per_g)| {
            let k = element.k_fluorescence?;
            let open = element.shells.first().is_some_and(|shell| shell.binding_kev <= e_kev);
            let tau_b = log_log(&element.photon_energy_kev, &element.photoelectric_b, e_kev);
            open.then_some(moles_per_g * tau_b * k.photoelectric_share * k.yield_per_vacancy * k.mean_line_kev)
        })
        .sum();
    emitted * AVOGADRO_PER_MOL * 1e-24 / (photoelectric_cm2_g(tissue, e_kev) * e_kev)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::physics::photon_xs::nist;

    /// Largest relative deviation of `law` (energy absorption, cm2/g) from NIST's mu_en/rho.
    fn worst(law: impl Fn(&Tissue, f64) -> f64, from_kev: f64) -> (f64, String) {
        let mut worst = (0.0, String::new());
        for medium in nist::media() {
            for &(e_kev, _, mu_en_cm2_g) in medium.values.iter().filter(|v| v.0 >= from_kev && v.0 <= 500.0) {
                let deviation = law(&medium.tissue, e_kev) / mu_en_cm2_g - 1.0;
                println!("{} {e_kev} keV {:+.2} %", medium.tissue.name, 100.0 * deviation);
                if deviation.abs() > f64::abs(worst.0) {
                    worst = (deviation, format!("{} at {e_kev} keV: {:+.3} %", medium.tissue.name, 100.0 * deviation));
                }
            }
        }
        worst
    }

    /// Allowed deviation: two evaluations of photoelectric and incoherent cross sections, and bremsstrahlung (0.1 %).
    const ALLOWED: f64 = 0.005;

    /// The model's coefficient less the K X rays, as mu_en has it.
    fn without_fluorescence(tissue: &Tissue, e_kev: f64) -> f64 {
        energy_transfer_cm2_g_kev(tissue, e_kev) / e_kev
            - photoelectric_cm2_g(tissue, e_kev) * k_fluorescence_share(tissue, e_kev)
    }

    #[test]
    fn reference_energy_absorption_of_nist() {
        // mu_en excludes fluorescence and bremsstrahlung. With the K X rays taken off the model's local
        // deposit what remains is the difference of two evaluations and bremsstrahlung (0.1 %).
        let (deviation, place) = worst(without_fluorescence, 20.0);
        println!("worst {place}");
        assert!(deviation.abs() < ALLOWED, "{place}");
    }

    #[test]
    fn alarm_one_percent_rings() {
        // in the whole, in each of its parts where it leads, and the X rays left in
        let with = |photo: f64, transfer: f64, x_rays: f64| {
            let law = |t: &Tissue, e| {
                let tau = photoelectric_cm2_g(t, e);
                let rest = energy_transfer_cm2_g_kev(t, e) / e - tau;
                photo * tau + transfer * rest - x_rays * tau * k_fluorescence_share(t, e)
            };
            worst(law, 20.0).0.abs()
        };
        assert!(with(1.0, 1.0, 1.0) < ALLOWED, "the parts make the law");
        for (photo, transfer, x_rays) in [
            (1.01, 1.01, 1.0),
            (0.99, 0.99, 1.0),
            (1.01, 1.0, 1.0),
            (0.99, 1.0, 1.0),
            (1.0, 1.01, 1.0),
            (1.0, 1.0, 0.0),
        ] {
            let found = with(photo, transfer, x_rays);
            assert!(found > ALLOWED, "{photo} {transfer} {x_rays}: {found}");
        }
    }

    #[test]
    fn law_size_of_the_fluorescence_left_out() {
        let share = |name: &str, e_kev| k_fluorescence_share(&Tissue::built_in(name).unwrap(), e_kev);
        for (name, e_kev) in [("water", 20.0), ("soft-tissue", 20.0), ("bone", 20.0), ("bone", 60.0), ("bone", 113.0)] {
            println!("{name} {e_kev} keV: {:.3} %", 100.0 * share(name, e_kev));
        }
        assert!(share("water", 20.0) < 1e-3);
        assert!((0.01..0.03).contains(&share("bone", 20.0)));
        assert!(share("bone", 113.0) < 0.006);
        let contrast = Tissue::new("contrast", &[(1, 0.1108), (8, 0.8792), (53, 0.01)], 75.0, 1.0).unwrap();
        let iodine = k_fluorescence_share(&contrast, 60.0);
        println!("1 % iodine in water, 60 keV: {:.1} %", 100.0 * iodine);
        assert!((0.2..0.4).contains(&iodine));
        assert!(k_fluorescence_share(&contrast, 33.0) < 0.01);
    }
}
