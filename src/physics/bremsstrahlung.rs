//! Bremsstrahlung: the radiative stopping power of atoms and tissues, and the yield of a spectrum.
//!
//! EEDL 2017 gives, per atom, the cross section for photons above 0.1 eV and their mean energy; the
//! product is the radiative stopping cross section. Its size in soft tissue: 0.10 % of the beta energy of 177Lu and
//! 0.43 % of that of 90Y in water. The photons: thick_target.rs. Within 1.5 % of ESTAR from 12 keV to 3 MeV.
//! Equations: docs/methods/electrons.md section 1. Data: EPICS2017 (Cullen, IAEA-NDS-224, 2018).

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
        let log_e = e_kev.ln();
        self.parts.iter().map(move |(weight, column)| weight * column.at(log_e).exp())
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
    let charge_sq = f64::from(z).powi(2);
    let log_reduced = data
        .sigma_b
        .iter()
        .zip(&data.mean_k_kev)
        .map(|(sigma_b, mean_k_kev)| (sigma_b * CM2_PER_BARN * mean_k_kev / charge_sq).ln())
        .collect();
    Some(Column { log_e: data.t_kev.iter().map(|t| t.ln()).collect(), log_reduced })
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
            let log_z = |z: u8| f64::from(z).ln();
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
    f64::from(z).powi(2) * column(z).at(e_kev.ln()).exp()
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

    /// Allowed shape of a beta branch without Coulomb factor: close enough for a yield to 10 %.
    fn beta_shape(end_kev: f64) -> Vec<(f64, f64)> {
        (1..400)
            .map(|i| {
                let t = end_kev * f64::from(i) / 400.0;
                let rest = crate::units::ELECTRON_REST_KEV;
                let p = (t * (t + 2.0 * rest)).sqrt();
                (t, p * (t + rest) * (end_kev - t).powi(2))
            })
            .collect()
    }

    #[test]
    fn law_yields_of_lutetium_and_yttrium_betas_are_as_stated() {
        let grid = log_grid(1.0, 4000.0, 400);
        let yields = radiation_yield(&water(), &grid).unwrap();
        let lutetium = mean_yield(&beta_shape(497.0), &grid, &yields);
        let yttrium = mean_yield(&beta_shape(2279.0), &grid, &yields);
        println!("yield: 497 keV branch {lutetium:.3e}, 2279 keV branch {yttrium:.3e}");
        assert!((5e-4..1.2e-3).contains(&lutetium), "{lutetium}");
        assert!((3.5e-3..6e-3).contains(&yttrium), "{yttrium}");
    }

    /// Energies and numbers of a shared beta spectrum (all branches), or None with SKIPPED printed.
    fn shared_spectrum(nuclide: &str) -> Option<Vec<(f64, f64)>> {
        let root = std::env::var("LUTRA_SHARED")
            .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../shared").to_string());
        let file = format!("{root}/data/decay/{nuclide}_beta_spectrum.csv");
        let Ok(text) = std::fs::read_to_string(&file) else {
            println!("SKIPPED: {file} is not there");
            return None;
        };
        let pair = |line: &str| {
            let mut cells = line.split(',').map(|cell| cell.parse::<f64>());
            Some((cells.next()?.ok()?, cells.next()?.ok()?))
        };
        Some(text.lines().filter_map(pair).collect())
    }

    /// Worst relative difference of the radiated shares from those stated; None without spectra.
    fn worst_yield_difference(energy_scale: f64) -> Option<f64> {
        let grid = log_grid(1.0, 4000.0, 400);
        let yields = radiation_yield(&water(), &grid).unwrap();
        let mut worst = 0.0_f64;
        for (nuclide, expected) in [("Lu177", 9.93e-4), ("Y90", 4.34e-3)] {
            let mut spectrum = shared_spectrum(nuclide)?;
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
        assert!(worst < 0.01, "{worst}");
    }

    #[test]
    fn alarm_yields_ring_for_a_stretched_spectrum() {
        let Some(worst) = worst_yield_difference(1.03) else {
            return;
        };
        assert!(worst > 0.01, "{worst}");
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
