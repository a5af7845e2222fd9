//! Collision and radiative stopping powers of electrons, restricted stopping power, ranges and yield.
//!
//! Collision: Bethe's formula for electrons (Rohrlich & Carlson, Berger & Seltzer; ICRU Report 37)
//! with the exact Sternheimer density effect of `density_effect`. No shell correction, as in ESTAR
//! (which ends at 10 keV); between 1 and 10 keV the law lies 2 to 3 % below sums over free-atom shells,
//! an error confined to the last 2.5 um of a track in water. Radiative: `bremsstrahlung`. Equations:
//! docs/methods/electrons.md section 1.

use crate::elementary::{exp, ln, ln_1p};
use crate::fault::{Explained, Fault, explained};
use crate::materials::tissues::Tissue;
use crate::physics::bremsstrahlung::RadiativeTable;
use crate::physics::density_effect::{OscillatorError, OscillatorModel, beta_squared, checked_model};
use crate::physics::moller::{COLLISION_CM2_KEV, moments};
use crate::quadrature::power_laws_from_zero;
use crate::units::ELECTRON_REST_KEV;

/// Unrestricted mass collision stopping power, keV cm2/g (eq. 1.1).
///
/// `e_kev` in 1 keV to 10 MeV. Solves the tissue's oscillators on each call: for many energies make
/// one `OscillatorModel` and call `collision_of`. Panics where `OscillatorModel::of` errs.
pub fn collision_kev_cm2_g(tissue: &Tissue, e_kev: f64) -> f64 {
    restricted_collision_of(&checked_model(tissue), e_kev, f64::INFINITY)
}

/// Mass collision stopping power restricted to losses below `cut_kev` > 0, keV cm2/g (eq. 1.3).
///
/// Equals the unrestricted one where `cut_kev` >= e/2. The cut must lie well above the binding
/// energies (0.54 keV in oxygen, 4.0 keV in calcium). Panics where `OscillatorModel::of` errs.
pub fn restricted_collision_kev_cm2_g(tissue: &Tissue, e_kev: f64, cut_kev: f64) -> f64 {
    restricted_collision_of(&checked_model(tissue), e_kev, cut_kev)
}

/// `collision_kev_cm2_g` on a model solved before, keV cm2/g.
pub fn collision_of(model: &OscillatorModel, e_kev: f64) -> f64 {
    restricted_collision_of(model, e_kev, f64::INFINITY)
}

/// `restricted_collision_kev_cm2_g` on a model solved before, keV cm2/g.
pub fn restricted_collision_of(model: &OscillatorModel, e_kev: f64, cut_kev: f64) -> f64 {
    let tau = e_kev / ELECTRON_REST_KEV;
    let beta_sq = beta_squared(e_kev);
    let eta = (cut_kev / e_kev).min(0.5);
    let shape = -1.0 - beta_sq
        + ln(4.0 * eta * (1.0 - eta))
        + 1.0 / (1.0 - eta)
        + (1.0 - beta_sq) * (0.5 * tau * tau * eta * eta + (2.0 * tau + 1.0) * ln_1p(-eta));
    let number = 2.0 * ln(e_kev / model.mean_excitation_kev()) + ln_1p(0.5 * tau) + shape - model.delta(e_kev);
    model.electrons_per_g() * COLLISION_CM2_KEV / beta_sq * number
}

/// Mass radiative stopping power, keV cm2/g: Bragg sum over EEDL 2017 (eq. 1.4).
///
/// `e_kev` in 1 keV to 4 MeV (data to 3 MeV, continued with their last slope). Panics if the tissue
/// names an element without data.
pub fn radiative_kev_cm2_g(tissue: &Tissue, e_kev: f64) -> f64 {
    RadiativeTable::of(tissue).kev_cm2_g(e_kev)
}

/// Stopping powers, ranges and radiation yield of one tissue on an energy grid.
#[derive(Debug, Clone, PartialEq)]
pub struct StoppingTable {
    /// Kinetic energies, keV, ascending.
    pub energy_kev: Vec<f64>,
    /// Unrestricted collision stopping power, keV cm2/g.
    pub collision_kev_cm2_g: Vec<f64>,
    /// Radiative stopping power, keV cm2/g.
    pub radiative_kev_cm2_g: Vec<f64>,
    /// Collision stopping power restricted to losses below the cut, plus radiative, keV cm2/g.
    pub restricted_total_kev_cm2_g: Vec<f64>,
    /// Range in the continuous slowing down approximation (unrestricted collision + radiative), g/cm2.
    pub csda_range_g_cm2: Vec<f64>,
    /// Integral of dE / restricted total, g/cm2: the path to rest if no hard collision happens.
    pub restricted_range_g_cm2: Vec<f64>,
    /// Share of the initial energy radiated while slowing to rest, dimensionless.
    pub radiation_yield: Vec<f64>,
}

/// Why no stopping table can be made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StoppingError {
    /// The tissue cannot be modelled.
    Tissue(#[from] OscillatorError),
    /// The energy grid is unusable.
    Grid {
        /// Position in the grid.
        index: usize,
        /// Value found, keV (NaN for a missing point).
        found_kev: f64,
    },
    /// The cut is not a positive number.
    Cut {
        /// Value found, keV.
        found_kev: f64,
    },
}

explained!(StoppingError);

impl Explained for StoppingError {
    fn fault(&self) -> Fault {
        match self {
            Self::Tissue(error) => error.fault(),
            Self::Grid { index, found_kev } => Fault::invalid(
                "",
                "energy grid",
                format!("point {index} is {found_kev} keV"),
                "at least two ascending values from 0.5 to 10000 keV",
                "",
            )
            .form("{field}: {found}; allowed are {allowed}"),
            Self::Cut { found_kev } => Fault::invalid("", "cut_kev", found_kev.to_string(), "positive numbers", "")
                .form("{field} is {found}, allowed are {allowed}"),
        }
    }
}

impl StoppingTable {
    /// The table of `tissue` on `energy_kev` (ascending, two points at least) with knock-ons above
    /// `cut_kev` > 0 left out of the restricted columns.
    ///
    /// Between nodes a power law is integrated exactly (eq. 1.6); below the lowest energy the stopping
    /// power is continued as 1/E, so that the range there is E / (2 S) (eq. 1.7). Errors: unknown elements,
    /// impossible mean excitation energy, bad grid or cut. Cost: 0.3 ms for 768 points in water.
    pub fn build(tissue: &Tissue, energy_kev: &[f64], cut_kev: f64) -> Result<Self, StoppingError> {
        check_grid(energy_kev)?;
        if cut_kev.is_nan() || cut_kev <= 0.0 {
            return Err(StoppingError::Cut { found_kev: cut_kev });
        }
        let model = OscillatorModel::of(tissue)?;
        let radiative = RadiativeTable::of(tissue);
        let collision: Vec<f64> = energy_kev.iter().map(|&e| collision_of(&model, e)).collect();
        let radiated: Vec<f64> = energy_kev.iter().map(|&e| radiative.kev_cm2_g(e)).collect();
        let restricted: Vec<f64> = energy_kev
            .iter()
            .zip(&collision)
            .zip(&radiated)
            .map(|((&e, &whole), &radiated)| {
                let hard = moments(e, cut_kev, f64::INFINITY); // equals eq. 1.3 exactly
                whole - model.electrons_per_g() * hard.stopping_cm2_kev + radiated
            })
            .collect();
        let total: Vec<f64> = collision.iter().zip(&radiated).map(|(c, r)| c + r).collect();
        let csda = power_laws_from_zero(energy_kev, &inverse(&total));
        let restricted_range = power_laws_from_zero(energy_kev, &inverse(&restricted));
        let share: Vec<f64> = radiated.iter().zip(&total).map(|(r, t)| r / t).collect();
        let radiation_yield =
            power_laws_from_zero(energy_kev, &share).iter().zip(energy_kev).map(|(sum, e)| sum / e).collect();
        Ok(Self {
            energy_kev: energy_kev.to_vec(),
            collision_kev_cm2_g: collision,
            radiative_kev_cm2_g: radiated,
            restricted_total_kev_cm2_g: restricted,
            csda_range_g_cm2: csda,
            restricted_range_g_cm2: restricted_range,
            radiation_yield,
        })
    }
}

/// Range in the continuous slowing down approximation at each grid energy, g/cm2 (eq. 1.5).
///
/// `energy_kev` as for `StoppingTable::build`, whose errors it shares.
pub fn csda_range_g_cm2(tissue: &Tissue, energy_kev: &[f64]) -> Result<Vec<f64>, StoppingError> {
    Ok(StoppingTable::build(tissue, energy_kev, f64::INFINITY)?.csda_range_g_cm2)
}

/// Share of the initial energy radiated while slowing to rest, at each grid energy (eq. 1.8).
///
/// `energy_kev` as for `StoppingTable::build`, whose errors it shares.
pub fn radiation_yield(tissue: &Tissue, energy_kev: &[f64]) -> Result<Vec<f64>, StoppingError> {
    Ok(StoppingTable::build(tissue, energy_kev, f64::INFINITY)?.radiation_yield)
}

/// `points` energies in equal ratios from `low_kev` to `high_kev`, both included, keV.
///
/// 0 < low < high, at least two points.
pub fn log_grid(low_kev: f64, high_kev: f64, points: usize) -> Vec<f64> {
    let step = ln(high_kev / low_kev) / (points - 1) as f64;
    (0..points).map(|i| low_kev * exp(step * i as f64)).collect()
}

fn check_grid(energy_kev: &[f64]) -> Result<(), StoppingError> {
    if energy_kev.len() < 2 {
        return Err(StoppingError::Grid { index: energy_kev.len(), found_kev: f64::NAN });
    }
    let mut before = 0.0;
    for (index, &found_kev) in energy_kev.iter().enumerate() {
        if !(found_kev > before && (0.5..=1e4).contains(&found_kev)) {
            return Err(StoppingError::Grid { index, found_kev });
        }
        before = found_kev;
    }
    Ok(())
}

fn inverse(values: &[f64]) -> Vec<f64> {
    values.iter().map(|value| 1.0 / value).collect()
}

/// Reference media for tests: compositions and mean excitation energies of ESTAR.
#[cfg(test)]
pub(crate) mod samples {
    use crate::materials::tissues::Tissue;

    fn medium(name: &str, fractions: &[(u8, f64)], i_ev: f64, density_g_cm3: f64) -> Tissue {
        Tissue { name: name.to_string(), mass_fractions: fractions.to_vec(), mean_excitation_ev: i_ev, density_g_cm3 }
    }

    /// Liquid water as in ESTAR.
    pub fn water() -> Tissue {
        medium("water", &[(1, 0.111894), (8, 0.888106)], 75.0, 1.0)
    }

    /// Dry air as in ESTAR.
    pub fn air() -> Tissue {
        let parts = [(6, 0.000124), (7, 0.755268), (8, 0.231781), (18, 0.012827)];
        medium("air", &parts, 85.7, 0.00120479)
    }

    /// Polymethyl methacrylate as in ESTAR.
    pub fn pmma() -> Tissue {
        medium("pmma", &[(1, 0.080538), (6, 0.599848), (8, 0.319614)], 74.0, 1.19)
    }
}

#[cfg(test)]
mod tests {
    use super::samples::{air, pmma, water};
    use super::*;
    use crate::physics::moller;

    /// One line of ESTAR: keV, collision and radiative MeV cm2/g, CSDA range g/cm2, yield.
    type EstarLine = [f64; 5];

    /// NIST SRD 124 (ESTAR), four significant digits, as served in February 2026.
    const WATER: [EstarLine; 9] = [
        [12.5, 18.97, 0.003927, 0.0003728, 0.0001133],
        [20.0, 13.17, 0.003963, 0.0008566, 0.0001663],
        [50.0, 6.603, 0.004031, 0.00432, 0.0003435],
        [100.0, 4.115, 0.004228, 0.01431, 0.0005842],
        [200.0, 2.793, 0.004801, 0.04488, 0.0009826],
        [500.0, 2.034, 0.007257, 0.1766, 0.001976],
        [1000.0, 1.849, 0.0128, 0.4367, 0.003579],
        [2000.0, 1.824, 0.02678, 0.9785, 0.007085],
        [3000.0, 1.846, 0.04299, 1.514, 0.01092],
    ];
    /// The same for dry air.
    const AIR: [EstarLine; 9] = [
        [12.5, 16.63, 0.003921, 0.0004269, 0.0001299],
        [20.0, 11.57, 0.003954, 0.0009782, 0.0001898],
        [50.0, 5.818, 0.004025, 0.004913, 0.00039],
        [100.0, 3.633, 0.004222, 0.01623, 0.0006618],
        [200.0, 2.469, 0.004789, 0.05082, 0.001111],
        [500.0, 1.802, 0.007223, 0.1995, 0.002225],
        [1000.0, 1.661, 0.01271, 0.4912, 0.003997],
        [2000.0, 1.684, 0.02656, 1.085, 0.007748],
        [3000.0, 1.74, 0.0426, 1.658, 0.01173],
    ];
    /// The same for PMMA.
    const PMMA: [EstarLine; 9] = [
        [12.5, 18.48, 0.003349, 0.0003826, 9.993e-5],
        [20.0, 12.83, 0.003372, 0.0008793, 0.000146],
        [50.0, 6.429, 0.003438, 0.004436, 0.0003007],
        [100.0, 4.006, 0.003619, 0.0147, 0.0005125],
        [200.0, 2.719, 0.004126, 0.0461, 0.000865],
        [500.0, 1.975, 0.006278, 0.1815, 0.001751],
        [1000.0, 1.788, 0.01113, 0.4504, 0.003199],
        [2000.0, 1.762, 0.02338, 1.012, 0.006383],
        [3000.0, 1.784, 0.03761, 1.567, 0.009868],
    ];

    /// Allowed differences from ESTAR (collision, radiative, range, yield), as the methods state them. Four digits leave
    /// 0.05 %; radiative stopping powers and yields come from another evaluation.
    const ALLOWED: [f64; 4] = [5.5e-4, 0.0155, 5.5e-4, 0.0115];

    /// Worst relative differences from ESTAR: collision, radiative, range, yield.
    fn worst_against_estar(spoil: impl Fn(&mut Tissue)) -> [f64; 4] {
        let mut worst = [0.0_f64; 4];
        for (mut tissue, lines) in [(water(), WATER), (air(), AIR), (pmma(), PMMA)] {
            spoil(&mut tissue);
            let grid = log_grid(1.0, 4000.0, 768);
            let range = csda_range_g_cm2(&tissue, &grid).unwrap();
            let radiated = radiation_yield(&tissue, &grid).unwrap();
            for [e_kev, collision, radiative, csda, yielded] in lines {
                let at = |values: &[f64]| log_log(&grid, values, e_kev);
                let found = [
                    collision_kev_cm2_g(&tissue, e_kev) / (1e3 * collision),
                    radiative_kev_cm2_g(&tissue, e_kev) / (1e3 * radiative),
                    at(&range) / csda,
                    at(&radiated) / yielded,
                ];
                for (worst, ratio) in worst.iter_mut().zip(found) {
                    *worst = worst.max((ratio - 1.0).abs());
                }
            }
        }
        println!("worst relative difference from ESTAR [col, rad, range, yield]: {worst:?}");
        worst
    }

    fn log_log(x: &[f64], y: &[f64], at: f64) -> f64 {
        let i = x.partition_point(|&node| node <= at).clamp(1, x.len() - 1) - 1;
        let t = (at / x[i]).ln() / (x[i + 1] / x[i]).ln();
        y[i] * (y[i + 1] / y[i]).powf(t)
    }

    #[test]
    fn reference_water_air_pmma_agree_with_estar() {
        let [collision, radiative, range, yielded] = worst_against_estar(|_| {});
        for ((what, found), allowed) in
            [("collision", collision), ("radiative", radiative), ("range", range), ("yield", yielded)]
                .into_iter()
                .zip(ALLOWED)
        {
            assert!(found < allowed, "{what} {found}");
        }
    }

    #[test]
    fn alarm_estar_comparison_rings_for_wrong_mean_excitation_or_composition() {
        let [collision, ..] = worst_against_estar(|tissue| tissue.mean_excitation_ev *= 1.01);
        assert!(collision > ALLOWED[0], "1 % in I: {collision}");
        let [collision, _, range, _] = worst_against_estar(|tissue| {
            tissue.mass_fractions.iter_mut().for_each(|(_, fraction)| *fraction *= 1.01);
        });
        assert!(collision > ALLOWED[0] && range > ALLOWED[2], "1 % in Z/A: {collision} {range}");
        let [_, radiative, _, yielded] = worst_against_estar(|tissue| {
            tissue.mass_fractions.iter_mut().filter(|(z, _)| *z == 8).for_each(|part| part.0 = 9);
        });
        assert!(radiative > ALLOWED[1] && yielded > ALLOWED[3], "fluorine for oxygen: {radiative} {yielded}");
    }

    #[test]
    fn law_restricted_and_hard_make_unrestricted() {
        let model = checked_model(&water());
        for e_kev in [1.0, 5.0, 30.0, 133.0, 498.0, 2280.0] {
            for cut_kev in [1.0, 5.0, 10.0, 50.0, 1e4] {
                let soft = restricted_collision_kev_cm2_g(&water(), e_kev, cut_kev);
                let hard = moller::hard_stopping_kev_cm2_g(&water(), e_kev, cut_kev);
                let whole = collision_of(&model, e_kev);
                assert!(((soft + hard) / whole - 1.0).abs() < 1e-12, "{e_kev} {cut_kev}");
            }
        }
    }

    #[test]
    fn alarm_sum_rule_rings_for_a_shifted_cut() {
        let soft = restricted_collision_kev_cm2_g(&water(), 300.0, 10.0);
        let hard = moller::hard_stopping_kev_cm2_g(&water(), 300.0, 11.0);
        let whole = collision_kev_cm2_g(&water(), 300.0);
        assert!(((soft + hard) / whole - 1.0).abs() > 3e-3);
    }

    #[test]
    fn law_table_is_ordered_and_matches_the_laws() {
        let grid = log_grid(1.0, 4000.0, 768);
        let started = std::time::Instant::now();
        let table = StoppingTable::build(&water(), &grid, 10.0).unwrap();
        println!("StoppingTable::build, 768 points: {:?}", started.elapsed());
        for i in (0..grid.len()).step_by(37) {
            let wanted =
                restricted_collision_kev_cm2_g(&water(), grid[i], 10.0) + radiative_kev_cm2_g(&water(), grid[i]);
            assert!((table.restricted_total_kev_cm2_g[i] / wanted - 1.0).abs() < 1e-12);
            assert!(table.restricted_range_g_cm2[i] >= table.csda_range_g_cm2[i]);
        }
        assert!(table.csda_range_g_cm2.windows(2).all(|pair| pair[1] > pair[0]));
        assert!(table.radiation_yield.windows(2).all(|pair| pair[1] > pair[0]));
        // A grid eight times coarser gives the same range: the quadrature has converged.
        let coarse = csda_range_g_cm2(&water(), &log_grid(1.0, 4000.0, 97)).unwrap();
        assert!((coarse[96] / table.csda_range_g_cm2[767] - 1.0).abs() < 2e-4);
    }

    #[test]
    fn io_bad_grids_and_cuts_are_refused() {
        for grid in [vec![1.0], vec![10.0, 5.0], vec![0.0, 1.0], vec![1.0, f64::NAN]] {
            assert!(matches!(StoppingTable::build(&water(), &grid, 10.0), Err(StoppingError::Grid { .. })));
        }
        assert!(matches!(StoppingTable::build(&water(), &[1.0, 2.0], 0.0), Err(StoppingError::Cut { .. })));
    }

    /// Lines of a file of the shared reference data, where there is one.
    fn shared_lines(path: &str) -> Option<Vec<Vec<String>>> {
        let text = std::fs::read_to_string(crate::needs::shared(path)?).expect("the file is readable");
        let split = |line: &str| line.split(',').map(str::to_string).collect();
        Some(text.lines().filter(|line| !line.starts_with('#')).map(split).collect())
    }

    /// Worst relative differences from the shared tables of Schneider's tissues at 10 keV and above
    /// (collision, radiative, range), with every mean excitation energy multiplied by `i_scale`; None
    /// without the tables.
    fn worst_against_schneider(i_scale: f64) -> Option<[f64; 3]> {
        let files = (
            shared_lines("data/ct/schneider2000_materials.csv"),
            shared_lines("data/ct/schneider2000_I.csv"),
            shared_lines("data/electron/stopping_powers_schneider.csv"),
        );
        let (Some(materials), Some(excitations), Some(powers)) = files else {
            return None;
        };
        let number = |text: &str| text.parse::<f64>().unwrap();
        let charges = [1, 6, 7, 8, 11, 12, 15, 16, 17, 18, 19, 20, 22, 29, 30, 47, 50];
        let mut worst = [0.0_f64; 3];
        let mut compared = 0;
        for row in &materials[1..] {
            let Some(excitation) = excitations.iter().find(|line| line[0] == row[2]) else {
                continue;
            };
            let tissue = Tissue {
                name: row[2].clone(),
                mass_fractions: charges
                    .iter()
                    .zip(&row[4..])
                    .map(|(&z, percent)| (z, number(percent) / 100.0))
                    .filter(|part| part.1 > 0.0)
                    .collect(),
                mean_excitation_ev: i_scale * number(&excitation[1]),
                density_g_cm3: number(&excitation[3]),
            };
            let lines: Vec<_> = powers.iter().filter(|line| line[0] == row[2]).collect();
            if lines.is_empty() || tissue.mass_fractions.iter().any(|part| part.0 > 20) {
                continue;
            }
            let grid: Vec<f64> = lines.iter().map(|line| number(&line[1])).collect();
            let table = StoppingTable::build(&tissue, &grid, f64::INFINITY).unwrap();
            for (i, line) in lines.iter().enumerate().filter(|(i, _)| grid[*i] >= 10.0) {
                let ratios = [
                    table.collision_kev_cm2_g[i] / (1e3 * number(&line[2])),
                    table.radiative_kev_cm2_g[i] / (1e3 * number(&line[3])),
                    table.csda_range_g_cm2[i] / number(&line[4]),
                ];
                for (worst, ratio) in worst.iter_mut().zip(ratios) {
                    *worst = worst.max((ratio - 1.0).abs());
                }
                compared += 1;
            }
        }
        println!("{compared} lines; worst [col, rad, range]: {worst:?}");
        assert!(compared > 500);
        Some(worst)
    }

    #[test]
    fn reference_schneider_tissues_agree_with_shared_tables() {
        let Some(worst) = worst_against_schneider(1.0) else {
            return;
        };
        assert!(worst[0] < 5e-4 && worst[1] < 5e-3 && worst[2] < 2e-3, "{worst:?}");
    }

    #[test]
    fn alarm_schneider_comparison_rings_for_one_percent_in_mean_excitation() {
        let Some(worst) = worst_against_schneider(1.01) else {
            return;
        };
        assert!(worst[0] > 5e-4, "{worst:?}");
    }
}
