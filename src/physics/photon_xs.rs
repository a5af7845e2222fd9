//! Mass attenuation of tissues by process: mixture rule over EPDL2017 cross-sections.
//!
//! ```text
//! mu/rho = N_A sum_i (w_i / A_i) sigma_i(E)      [methods/photons.md eq. 1]
//! ```
//!
//! Valid from 1 to 3000 keV; outside, the value at the end of the table. Molecular binding is
//! neglected: it touches coherent scattering below 50 keV (angles) and incoherent scattering below
//! some 20 keV, where photoelectric absorption prevails.

use super::elements::{Element, element, log_log};
use crate::materials::tissues::Tissue;
use crate::units::AVOGADRO_PER_MOL;

/// cm2 per barn.
const CM2_PER_BARN: f64 = 1e-24;

impl Tissue {
    /// (Z, moles of atoms per gram = w / A) of each element.
    pub fn atoms(&self) -> impl Iterator<Item = (u8, f64)> + '_ {
        self.elements().map(|(element, moles_per_g)| (element.z, moles_per_g))
    }

    /// Moles of electrons per gram: sum of w Z / A, mol/g (0.5551 for water).
    pub fn z_over_a(&self) -> f64 {
        self.atoms().map(|(z, moles_per_g)| moles_per_g * f64::from(z)).sum()
    }

    /// Data and moles of atoms per gram of each element.
    pub(crate) fn elements(&self) -> impl Iterator<Item = (&'static Element, f64)> + '_ {
        self.mass_fractions.iter().map(|&(z, w)| {
            let element = element(z).expect("a tissue holds elements 1 to 92 only");
            (element, w / element.atomic_weight)
        })
    }
}

/// Mixture rule over one table of the elements, cm2/g.
fn mass_coefficient(tissue: &Tissue, e_kev: f64, table: impl Fn(&Element) -> &[f64]) -> f64 {
    let barn_mol_per_g: f64 = tissue
        .elements()
        .map(|(element, moles_per_g)| moles_per_g * log_log(&element.photon_energy_kev, table(element), e_kev))
        .sum();
    barn_mol_per_g * AVOGADRO_PER_MOL * CM2_PER_BARN
}

/// Coherent (Rayleigh) mass coefficient at `e_kev` (1 to 3000), cm2/g. EPDL2017.
pub fn coherent_cm2_g(tissue: &Tissue, e_kev: f64) -> f64 {
    mass_coefficient(tissue, e_kev, |e| &e.coherent_b)
}

/// Incoherent (bound Compton) mass coefficient at `e_kev` (1 to 3000), cm2/g. EPDL2017.
pub fn incoherent_cm2_g(tissue: &Tissue, e_kev: f64) -> f64 {
    mass_coefficient(tissue, e_kev, |e| &e.incoherent_b)
}

/// Photoelectric mass coefficient at `e_kev` (1 to 3000), cm2/g; exactly on an edge the value above
/// it. EPDL2017.
pub fn photoelectric_cm2_g(tissue: &Tissue, e_kev: f64) -> f64 {
    mass_coefficient(tissue, e_kev, |e| &e.photoelectric_b)
}

/// Pair and triplet mass coefficient at `e_kev` (1 to 3000), cm2/g; zero below 1022 keV. EPDL2017.
pub fn pair_cm2_g(tissue: &Tissue, e_kev: f64) -> f64 {
    mass_coefficient(tissue, e_kev, |e| &e.pair_b)
}

/// Total mass attenuation coefficient with coherent scattering at `e_kev` (1 to 3000), cm2/g.
pub fn total_cm2_g(tissue: &Tissue, e_kev: f64) -> f64 {
    coherent_cm2_g(tissue, e_kev)
        + incoherent_cm2_g(tissue, e_kev)
        + photoelectric_cm2_g(tissue, e_kev)
        + pair_cm2_g(tissue, e_kev)
}

/// Photoelectric edges of the tissue's elements from 1 keV up, keV, ascending: where a table of
/// [`photoelectric_cm2_g`] needs both sides.
pub fn edges_kev(tissue: &Tissue) -> Vec<f64> {
    let mut edges: Vec<f64> = tissue
        .elements()
        .flat_map(|(element, _)| element.shells.iter().map(|s| s.binding_kev))
        .filter(|&kev| kev >= 1.0)
        .collect();
    edges.sort_by(f64::total_cmp);
    edges.dedup();
    edges
}

/// Values of NIST XAAMDI (Hubbell & Seltzer, NISTIR 5632, NIST SRD 126) for the tests of the photon
/// laws: (energy_kev, mu/rho, mu_en/rho) in cm2/g.
#[cfg(test)]
pub(super) mod nist {
    use super::Tissue;

    /// A medium with its values.
    pub struct Medium {
        pub tissue: Tissue,
        pub values: &'static [(f64, f64, f64)],
    }

    /// Water, ICRU-44 soft tissue, ICRU-44 cortical bone: compositions as XAAMDI has them.
    pub fn media() -> [Medium; 3] {
        let new = |name, fractions: &[(u8, f64)], mean_excitation_ev, density_g_cm3| {
            Tissue::new(name, fractions, mean_excitation_ev, density_g_cm3).unwrap()
        };
        let soft = [
            (1, 0.102),
            (6, 0.143),
            (7, 0.034),
            (8, 0.708),
            (11, 0.002),
            (15, 0.003),
            (16, 0.003),
            (17, 0.002),
            (19, 0.003),
        ];
        let bone = [
            (1, 0.034),
            (6, 0.155),
            (7, 0.042),
            (8, 0.435),
            (11, 0.001),
            (12, 0.002),
            (15, 0.103),
            (16, 0.003),
            (20, 0.225),
        ];
        [
            Medium { tissue: new("water", &[(1, 0.111_898), (8, 0.888_102)], 75.0, 1.0), values: WATER },
            Medium { tissue: new("soft tissue", &soft, 74.7, 1.06), values: SOFT },
            Medium { tissue: new("cortical bone", &bone, 112.0, 1.92), values: BONE },
        ]
    }

    const WATER: &[(f64, f64, f64)] = &[
        (10.0, 5.329, 4.944),
        (15.0, 1.673, 1.374),
        (20.0, 0.8096, 0.5503),
        (30.0, 0.3756, 0.1557),
        (40.0, 0.2683, 0.069_47),
        (50.0, 0.2269, 0.042_23),
        (60.0, 0.2059, 0.0319),
        (80.0, 0.1837, 0.025_97),
        (100.0, 0.1707, 0.025_46),
        (150.0, 0.1505, 0.027_64),
        (200.0, 0.1370, 0.029_67),
        (300.0, 0.1186, 0.031_92),
        (500.0, 0.096_87, 0.032_99),
        (1000.0, 0.070_72, 0.031_03),
    ];
    const SOFT: &[(f64, f64, f64)] = &[
        (10.0, 5.379, 4.987),
        (15.0, 1.699, 1.402),
        (20.0, 0.8230, 0.5663),
        (30.0, 0.3790, 0.1616),
        (40.0, 0.2688, 0.072_16),
        (50.0, 0.2264, 0.0436),
        (60.0, 0.2048, 0.032_64),
        (80.0, 0.1823, 0.026_17),
        (100.0, 0.1693, 0.025_45),
        (150.0, 0.1492, 0.027_45),
        (200.0, 0.1358, 0.029_42),
        (300.0, 0.1175, 0.031_64),
        (500.0, 0.095_98, 0.032_69),
        (1000.0, 0.070_06, 0.030_74),
    ];
    const BONE: &[(f64, f64, f64)] = &[
        (10.0, 28.51, 26.8),
        (15.0, 9.032, 8.388),
        (20.0, 4.001, 3.601),
        (30.0, 1.331, 1.070),
        (40.0, 0.6655, 0.4507),
        (50.0, 0.4242, 0.2336),
        (60.0, 0.3148, 0.1400),
        (80.0, 0.2229, 0.068_96),
        (100.0, 0.1855, 0.045_85),
        (150.0, 0.1480, 0.031_83),
        (200.0, 0.1309, 0.030_03),
        (300.0, 0.1113, 0.030_32),
        (500.0, 0.090_22, 0.030_73),
        (1000.0, 0.065_66, 0.028_75),
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Largest relative deviation of `law` from NIST's mu/rho, with its place.
    fn worst(law: impl Fn(&Tissue, f64) -> f64) -> (f64, String) {
        let mut worst = (0.0, String::new());
        for medium in nist::media() {
            for &(e_kev, mu_cm2_g, _) in medium.values {
                let deviation = law(&medium.tissue, e_kev) / mu_cm2_g - 1.0;
                if deviation.abs() > f64::abs(worst.0) {
                    worst = (deviation, format!("{} at {e_kev} keV: {:+.3} %", medium.tissue.name, 100.0 * deviation));
                }
            }
        }
        worst
    }

    #[test]
    fn reference_total_attenuation_of_nist() {
        // Tolerance: the two evaluations (EPDL2017, XCOM 1990s) differ by up to 0.2 % here.
        let (deviation, place) = worst(total_cm2_g);
        println!("worst {place}");
        assert!(deviation.abs() < 0.003, "{place}");
    }

    #[test]
    fn alarm_one_percent_in_one_process_rings() {
        let (deviation, _) = worst(|t, e| total_cm2_g(t, e) + 0.01 * incoherent_cm2_g(t, e));
        assert!(deviation.abs() > 0.003);
        let (deviation, _) = worst(|t, e| total_cm2_g(t, e) - coherent_cm2_g(t, e));
        assert!(deviation.abs() > 0.003);
    }

    #[test]
    fn law_processes_add_up_and_edges_jump() {
        let bone = Tissue::built_in("bone").unwrap();
        assert_eq!(pair_cm2_g(&bone, 1000.0), 0.0);
        assert!(pair_cm2_g(&bone, 2000.0) > 0.0);
        let edges = edges_kev(&bone);
        let calcium = edges.iter().copied().fold(0.0, f64::max);
        assert!((calcium - 4.041).abs() < 1e-3, "{edges:?}");
        let jump = photoelectric_cm2_g(&bone, 1.0001 * calcium) / photoelectric_cm2_g(&bone, 0.9999 * calcium);
        assert!((2.0..6.0).contains(&jump), "{jump}");
    }
}
