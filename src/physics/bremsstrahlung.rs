//! Bremsstrahlung: the radiative stopping power of atoms and tissues, and the yield of a spectrum.
//!
//! EEDL 2017 gives, per atom, the cross section for photons above 0.1 eV and their mean energy; the
//! product is the radiative stopping cross section. Its size in soft tissue: 0.10 % of the beta energy of 177Lu and
//! 0.43 % of that of 90Y in water. The photons: thick_target.rs. Within 1.5 % of ESTAR from 12 keV to 3 MeV.
//! Equations: docs/methods/electrons.md section 1. Data: EPICS2017 (Cullen, IAEA-NDS-224, 2018).

use crate::elementary::{exp, ln, square};
use crate::materials::tissues::Tissue;
use crate::physics::density_effect::known_element;
use crate::physics::elements::element;
use crate::units::AVOGADRO_PER_MOL;

/// cm2 per barn (exact).
const CM2_PER_BARN: f64 = 1e-24;

/// Radiative stopping cross section of one element on its own energies.
#[derive(Debug, Clone, PartialEq)]
struct Column {
    /// Natural logarithms of the energies in keV.
    log_e: Vec<f64>,
    /// Natural logarithms of the stopping cross section, keV cm2 per atom divided by Z^2.
    log_reduced: Vec<f64>,
}

/// Radiative stopping power of one tissue, made ready for many energies.
#[derive(Debug, Clone, PartialEq)]
pub struct RadiativeTable {
    /// Per element: Z^2 times atoms per gram, 1/g, and its column.
    parts: Vec<(f64, Column)>,
}

impl RadiativeTable {
    /// Gathers the elements of `tissue`. Panics if one has no data (see `OscillatorModel::of`).
    pub fn of(tissue: &Tissue) -> Self {
        let parts = tissue
            .mass_fractions
            .iter()
            .map(|&(z, fraction)| {
                let weight = known_element(tissue, z).atomic_weight;
                let charge = f64::from(z);
                (fraction * AVOGADRO_PER_MOL / weight * charge * charge, column(z))
            })
            .collect();
        Self { parts }
    }

    /// Elements of the tissue in its own order: the mass radiative stopping power that each contributes at `e_kev`,
    /// keV cm2/g.
    pub fn parts_kev_cm2_g(&self, e_kev: f64) -> impl Iterator<Item = f64> + '_ {
        let log_e = ln(e_kev);
        self.parts.iter().map(move |(weight, column)| weight * exp(column.at(log_e)))
    }

    /// Mass radiative stopping power, keV cm2/g, at `e_kev` in 1 keV to 4 MeV (eq. 1.4).
    ///
    /// Log-log interpolation of the data (1 to 3000 keV), continued with the last slope.
    pub fn kev_cm2_g(&self, e_kev: f64) -> f64 {
        self.parts_kev_cm2_g(e_kev).sum()
    }
}

impl Column {
    fn at(&self, log_e: f64) -> f64 {
        let i = self.log_e.partition_point(|&node| node <= log_e).clamp(1, self.log_e.len() - 1) - 1;
        let t = (log_e - self.log_e[i]) / (self.log_e[i + 1] - self.log_e[i]);
        self.log_reduced[i] + t * (self.log_reduced[i + 1] - self.log_reduced[i])
    }
}

/// The element's own column, if the data have one.
fn own_column(z: u8) -> Option<Column> {
    let data = element(z)?.bremsstrahlung.as_ref()?;
    let charge_sq = square(f64::from(z));
    let log_reduced = data
        .sigma_b
        .iter()
        .zip(&data.mean_k_kev)
        .map(|(sigma_b, mean_k_kev)| ln(sigma_b * CM2_PER_BARN * mean_k_kev / charge_sq))
        .collect();
    Some(Column { log_e: data.t_kev.iter().map(|&t| ln(t)).collect(), log_reduced })
}

/// The element's column, or one between its neighbours with data: the logarithm of the stopping
/// cross section over Z^2 is linear in ln Z (constant beyond the last neighbour).
fn column(z: u8) -> Column {
    if let Some(own) = own_column(z) {
        return own;
    }
    let lower = (1..z).rev().find_map(|near| own_column(near).map(|found| (near, found)));
    let upper = (z + 1..=100).find_map(|near| own_column(near).map(|found| (near, found)));
    match (lower, upper) {
        (Some((z0, low)), Some((z1, high))) => {
            let log_z = |z: u8| ln(f64::from(z));
            let t = (log_z(z) - log_z(z0)) / (log_z(z1) - log_z(z0));
            let log_reduced = low
                .log_e
                .iter()
                .zip(&low.log_reduced)
                .map(|(&log_e, &value)| value + t * (high.at(log_e) - value))
                .collect();
            Column { log_e: low.log_e, log_reduced }
        }
        (Some((_, only)), None) | (None, Some((_, only))) => only,
        (None, None) => panic!("the element data hold no bremsstrahlung at all"),
    }
}

/// Radiative stopping cross section of one atom, keV cm2, at `e_kev` in 1 keV to 4 MeV; Z 1 to 100.
///
/// Elements without data are interpolated between neighbours (leave-one-out at Z = 7: within 1 %).
pub fn radiative_kev_cm2_per_atom(z: u8, e_kev: f64) -> f64 {
    square(f64::from(z)) * exp(column(z).at(ln(e_kev)))
}

/// Share of a spectrum's energy that is radiated while its electrons slow to rest.
///
/// `spectrum`: pairs of energy in keV and number (any scale); `energy_kev`, `radiation_yield`:
/// columns of a `StoppingTable` of at least two points. Linear between nodes; below the first node
/// the yield falls in proportion to the energy. 0 for an empty spectrum.
pub fn mean_yield(spectrum: &[(f64, f64)], energy_kev: &[f64], radiation_yield: &[f64]) -> f64 {
    let at = |e_kev: f64| -> f64 {
        if e_kev <= energy_kev[0] {
            return radiation_yield[0] * e_kev / energy_kev[0];
        }
        let i = energy_kev.partition_point(|&node| node <= e_kev).min(energy_kev.len() - 1) - 1;
        let t = (e_kev - energy_kev[i]) / (energy_kev[i + 1] - energy_kev[i]);
        radiation_yield[i] + t * (radiation_yield[i + 1] - radiation_yield[i])
    };
    let energy: f64 = spectrum.iter().map(|(e_kev, number)| e_kev * number).sum();
    if energy == 0.0 {
        return 0.0;
    }
    spectrum.iter().map(|&(e_kev, number)| e_kev * number * at(e_kev)).sum::<f64>() / energy
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::physics::stopping_power::samples::water;
    use crate::physics::stopping_power::{log_grid, radiation_yield};

    /// Radiation yields of water, ESTAR (NIST SRD 124): energy in keV, share of it radiated. Below the first the yield
    /// goes as its energy to the power of 0.8, as between the first two.
    const ESTAR_YIELD: [(f64, f64); 9] = [
        (12.5, 1.133e-4),
        (20.0, 1.663e-4),
        (50.0, 3.435e-4),
        (100.0, 5.842e-4),
        (200.0, 9.826e-4),
        (500.0, 1.976e-3),
        (1000.0, 3.579e-3),
        (2000.0, 7.085e-3),
        (3000.0, 1.092e-2),
    ];
    /// Yields differ from ESTAR's by 1.1 % at most; nine energies leave 1 % between them by log-log interpolation.
    const YIELD_ALLOWED: f64 = 0.02;

    /// Electrons of a nuclide's betas: energy in keV and number.
    fn betas(nuclide: &str) -> Vec<(f64, f64)> {
        let nuclide = crate::decay::Nuclide::load(nuclide).unwrap();
        nuclide.beta.iter().map(|b| (0.5 * (b.e_lo_kev + b.e_hi_kev), b.probability_per_decay)).collect()
    }

    /// Share of a spectrum's energy that ESTAR says is radiated in water.
    fn estar_share(spectrum: &[(f64, f64)]) -> f64 {
        let table = &ESTAR_YIELD;
        let at = |e_kev: f64| {
            let i = table.partition_point(|node| node.0 <= e_kev).clamp(1, table.len() - 1) - 1;
            let ((e0, y0), (e1, y1)) = (table[i], table[i + 1]);
            y0 * (y1 / y0).powf((e_kev / e0).ln() / (e1 / e0).ln())
        };
        let energy: f64 = spectrum.iter().map(|(e_kev, number)| e_kev * number).sum();
        spectrum.iter().map(|&(e_kev, number)| e_kev * number * at(e_kev)).sum::<f64>() / energy
    }

    /// Worst relative difference from ESTAR of the shares that the betas of 177Lu and 90Y radiate in a tissue that should
    /// be water; energies times `energy_scale`.
    fn worst_against_estar(tissue: &Tissue, energy_scale: f64) -> f64 {
        let grid = log_grid(1.0, 4000.0, 400);
        let yields = radiation_yield(tissue, &grid).unwrap();
        let off = |name: &str| {
            let spectrum = betas(name);
            let scaled: Vec<(f64, f64)> = spectrum.iter().map(|&(e_kev, n)| (energy_scale * e_kev, n)).collect();
            let (found, estar) = (mean_yield(&scaled, &grid, &yields), estar_share(&spectrum));
            println!("{name}: share radiated {found:.4e}, by ESTAR {estar:.4e}");
            (found / estar - 1.0).abs()
        };
        f64::max(off("lu177"), off("y90"))
    }

    #[test]
    fn reference_yields_of_lutetium_and_yttrium_betas_are_those_of_estar() {
        let worst = worst_against_estar(&water(), 1.0);
        assert!(worst < YIELD_ALLOWED, "{worst}");
    }

    /// As the methods state them: 0.10 % and 0.43 %.
    #[test]
    fn law_yields_of_lutetium_and_yttrium_betas_are_as_stated() {
        let grid = log_grid(1.0, 4000.0, 400);
        let yields = radiation_yield(&water(), &grid).unwrap();
        for (name, stated) in [("lu177", 1.0e-3), ("y90", 4.3e-3)] {
            let found = mean_yield(&betas(name), &grid, &yields);
            assert!((found - stated).abs() <= 0.5e-4, "{name}: {found}");
        }
    }

    #[test]
    fn alarm_yields_ring_for_another_charge_or_spectrum() {
        let mut fluorine = water();
        fluorine.mass_fractions.iter_mut().filter(|(z, _)| *z == 8).for_each(|part| part.0 = 9);
        assert!(worst_against_estar(&fluorine, 1.0) > YIELD_ALLOWED);
        assert!(worst_against_estar(&water(), 1.05) > YIELD_ALLOWED);
        assert!(worst_against_estar(&water(), 0.95) > YIELD_ALLOWED);
    }

    /// Energies and numbers of a shared beta spectrum (all branches), where there is one.
    fn shared_spectrum(nuclide: &str) -> Option<Vec<(f64, f64)>> {
        let file = crate::needs::shared(&format!("data/decay/{nuclide}_beta_spectrum.csv"))?;
        let text = std::fs::read_to_string(file).expect("the file is readable");
        let pair = |line: &str| {
            let mut cells = line.split(',').map(|cell| cell.parse::<f64>());
            Some((cells.next()?.ok()?, cells.next()?.ok()?))
        };
        Some(text.lines().filter_map(pair).collect())
    }

    /// Worst relative difference of the radiated shares from ESTAR's; None without spectra.
    fn worst_yield_difference(energy_scale: f64) -> Option<f64> {
        let grid = log_grid(1.0, 4000.0, 400);
        let yields = radiation_yield(&water(), &grid).unwrap();
        let mut worst = 0.0_f64;
        for nuclide in ["Lu177", "Y90"] {
            let mut spectrum = shared_spectrum(nuclide)?;
            let expected = estar_share(&spectrum);
            for point in &mut spectrum {
                point.0 *= energy_scale;
            }
            let found = mean_yield(&spectrum, &grid, &yields);
            println!("{nuclide}: share of the beta energy radiated {found:.3e}");
            worst = worst.max((found / expected - 1.0).abs());
        }
        Some(worst)
    }

    #[test]
    fn reference_yields_of_evaluated_beta_spectra() {
        let Some(worst) = worst_yield_difference(1.0) else {
            return;
        };
        assert!(worst < YIELD_ALLOWED, "{worst}");
    }

    #[test]
    fn alarm_yields_ring_for_a_stretched_spectrum() {
        let Some(worst) = worst_yield_difference(1.05) else {
            return;
        };
        assert!(worst > YIELD_ALLOWED, "{worst}");
    }

    #[test]
    fn law_missing_elements_lie_between_their_neighbours() {
        // Leave-one-out on Z = 7: the value between 6 and 8 against the data's own.
        for e_kev in [5.0, 100.0, 2000.0] {
            let reduced = |z: u8| radiative_kev_cm2_per_atom(z, e_kev) / f64::from(z).powi(2);
            let t = (7.0_f64 / 6.0).ln() / (8.0_f64 / 6.0).ln();
            let between = reduced(6).powf(1.0 - t) * reduced(8).powf(t);
            assert!((between / reduced(7) - 1.0).abs() < 0.01, "{e_kev} {}", between / reduced(7));
            assert!(reduced(22) > 0.9 * reduced(26) && reduced(22) < 1.1 * reduced(20));
        }
    }
}
