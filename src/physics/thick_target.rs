//! Bremsstrahlung of a source whose electrons slow to rest where they are born.
//!
//! Electrons of 177Lu travel 2 mm at most and radiate 0.1 % of their energy, while the photons go centimetres: the
//! photons are emitted where the electron is born, in all directions alike. Their spectrum is that of the slowing-down
//! fluence (docs/methods/electrons.md, eq. 1.9): electrons born above T pass T once, on a path dT / S(T).
//! Shapes of the cross sections: EEDL 2017 (assets/electron/bremsstrahlung_shape.csv).

use crate::elementary::{ln, log2};
use crate::materials::tissues::Tissue;
use crate::physics::bremsstrahlung::RadiativeTable;
use crate::physics::elements::{SHAPE_NODES, element, lin_lin};
use crate::physics::stopping_power::{StoppingError, StoppingTable, log_grid};
use crate::quadrature::{three_points, trapezoid};

/// Nodes of the slowing-down integral per octave of the electron's energy.
const SLOWING_NODES_PER_OCTAVE: f64 = 12.0;
/// Least electron energy that radiates, keV: what is below radiates less than 1e-5 of its energy.
const LEAST_KEV: f64 = 1.0;

/// Energy spectrum of the photons that a spectrum of electrons radiates in one tissue.
#[derive(Clone, Debug, PartialEq)]
pub struct ThickTarget {
    /// Electron energies, keV, ascending.
    t_kev: Vec<f64>,
    /// By electron energy and element: energy radiated per interval of the electron's energy, keV per decay per keV.
    radiated: Vec<Vec<f64>>,
    /// By element: atomic number of the element whose shape is used.
    shape_z: Vec<u8>,
}

impl ThickTarget {
    /// Radiation in `tissue` of `electrons`: lowest energy, highest energy (keV; equal for a line) and number per decay
    /// of each group, uniform inside the group. Errors: a tissue that has no stopping power.
    pub fn of(tissue: &Tissue, electrons: &[(f64, f64, f64)]) -> Result<Self, StoppingError> {
        let most_kev = electrons.iter().map(|e| e.1).fold(2.0 * LEAST_KEV, f64::max);
        let nodes = (log2(most_kev / LEAST_KEV) * SLOWING_NODES_PER_OCTAVE).ceil() as usize + 1;
        let t_kev = log_grid(LEAST_KEV, most_kev, nodes);
        let stopping = StoppingTable::build(tissue, &t_kev, f64::INFINITY)?;
        let radiative = RadiativeTable::of(tissue);
        let radiated = t_kev
            .iter()
            .enumerate()
            .map(|(i, &t)| {
                let total = stopping.collision_kev_cm2_g[i] + stopping.radiative_kev_cm2_g[i];
                let passing = born_above(electrons, t);
                radiative.parts_kev_cm2_g(t).map(|part| passing * part / total).collect()
            })
            .collect();
        let shape_z = tissue.mass_fractions.iter().map(|&(z, _)| nearest_shape(z)).collect();
        Ok(Self { t_kev, radiated, shape_z })
    }

    /// Energy radiated in photons of `k_kev`, keV per decay per keV of photon energy (eq. 1.9).
    pub fn energy_at(&self, k_kev: f64) -> f64 {
        let values: Vec<f64> = self
            .t_kev
            .iter()
            .zip(&self.radiated)
            .map(|(&t, parts)| {
                if k_kev > t {
                    return 0.0;
                }
                parts.iter().zip(&self.shape_z).map(|(part, &z)| part * shape(z, t, k_kev / t) / t).sum()
            })
            .collect();
        // trapezia in ln T; the one that holds k begins at k
        let mut sum = 0.0;
        for i in 1..values.len() {
            let (low, high) = (self.t_kev[i - 1], self.t_kev[i]);
            if high <= k_kev {
                continue;
            }
            if low >= k_kev {
                sum += trapezoid(ln(high / low), values[i - 1] * low, values[i] * high);
            } else {
                sum += values[i] * high * ln(high / k_kev);
            }
        }
        sum
    }

    /// Energy radiated in photons from `low_kev` to `high_kev`, keV per decay.
    pub fn energy_between(&self, low_kev: f64, high_kev: f64) -> f64 {
        three_points(low_kev, high_kev, |k_kev| self.energy_at(k_kev))
    }

    /// The photons as groups of lowest energy, highest energy (keV) and number per decay, with the energy of each
    /// group: eight groups an octave from 1 keV, and one below.
    pub fn groups(&self) -> Vec<(f64, f64, f64)> {
        let most_kev = self.t_kev[self.t_kev.len() - 1];
        let count = (log2(most_kev) * 8.0).ceil().max(1.0) as usize;
        let mut edges = vec![0.0];
        edges.extend(log_grid(1.0, most_kev, count + 1));
        edges
            .windows(2)
            .map(|e| (e[0], e[1], self.energy_between(e[0], e[1]) / (0.5 * (e[0] + e[1]))))
            .filter(|group| group.2 > 0.0)
            .collect()
    }
}

/// Number of electrons per decay that are born above `t_kev`.
fn born_above(electrons: &[(f64, f64, f64)], t_kev: f64) -> f64 {
    electrons
        .iter()
        .map(|&(low, high, number)| {
            if low >= t_kev {
                number
            } else if high <= t_kev {
                0.0
            } else {
                number * (high - t_kev) / (high - low)
            }
        })
        .sum()
}

/// Energy spectrum of one element's bremsstrahlung, integral 1 over `x` = photon energy over electron energy, 0 to 1:
/// linear in x and in the logarithm of the electron's energy, level outside the data.
fn shape(z: u8, t_kev: f64, x: f64) -> f64 {
    let table =
        &element(z).and_then(|e| e.bremsstrahlung.as_ref()).expect("nearest_shape names elements with data").shape;
    let i = table.partition_point(|(node, _)| *node <= t_kev).clamp(1, table.len() - 1) - 1;
    let ((t0, low), (t1, high)) = (&table[i], &table[i + 1]);
    let share = (ln(t_kev / t0) / ln(t1 / t0)).clamp(0.0, 1.0);
    let (a, b) = (lin_lin(&SHAPE_NODES, low, x), lin_lin(&SHAPE_NODES, high, x));
    a + share * (b - a)
}

/// The element with a spectrum whose atomic number is nearest (the lower of two): the shape changes by 5 % from
/// nitrogen to calcium.
fn nearest_shape(z: u8) -> u8 {
    crate::physics::elements::elements()
        .iter()
        .filter(|e| e.bremsstrahlung.as_ref().is_some_and(|b| b.shape.len() > 1))
        .map(|e| e.z)
        .min_by_key(|found| found.abs_diff(z))
        .expect("the element data hold bremsstrahlung")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decay::Nuclide;
    use crate::physics::bremsstrahlung::mean_yield;

    fn electrons(nuclide: &Nuclide) -> Vec<(f64, f64, f64)> {
        let betas = nuclide.beta.iter().map(|b| (b.e_lo_kev, b.e_hi_kev, b.probability_per_decay));
        betas.chain(nuclide.electrons.iter().map(|l| (l.energy_kev, l.energy_kev, l.yield_per_decay))).collect()
    }

    /// As the methods state it: the groups and the yield integrate the same cross sections by other rules.
    const CLOSES_WITHIN: f64 = 1e-3;

    /// Energy of the groups of `radiating` electrons over the energy that the radiation yield takes off the electrons.
    fn closure(tissue: &Tissue, radiating: &[(f64, f64, f64)], electrons: &[(f64, f64, f64)]) -> f64 {
        let target = ThickTarget::of(tissue, radiating).unwrap();
        let photons: f64 = target.groups().iter().map(|(low, high, number)| 0.5 * (low + high) * number).sum();
        let grid = log_grid(1.0, 4000.0, 700);
        let yields = crate::physics::stopping_power::radiation_yield(tissue, &grid).unwrap();
        let spectrum: Vec<(f64, f64)> = electrons.iter().map(|e| (0.5 * (e.0 + e.1), e.2)).collect();
        let energy: f64 = spectrum.iter().map(|(e, n)| e * n).sum();
        photons / (energy * mean_yield(&spectrum, &grid, &yields))
    }

    /// What the photons carry is what the electrons lose to radiation.
    #[test]
    fn law_thick_target_closes_with_the_yield() {
        for name in ["lu177", "y90"] {
            let nuclide = Nuclide::load(name).unwrap();
            for tissue in ["water", "lung", "bone"] {
                let electrons = electrons(&nuclide);
                let ratio = closure(&Tissue::built_in(tissue).unwrap(), &electrons, &electrons);
                println!("{name} in {tissue}: {ratio:.5}");
                assert!((ratio - 1.0).abs() < CLOSES_WITHIN, "{name} in {tissue}: {ratio}");
            }
        }
        let radiated = |tissue: &str, k_kev: f64| {
            let nuclide = Nuclide::load("lu177").unwrap();
            ThickTarget::of(&Tissue::built_in(tissue).unwrap(), &electrons(&nuclide)).unwrap().energy_at(k_kev)
        };
        for k_kev in [5.0, 20.0, 100.0] {
            let [lung, bone] = ["lung", "bone"].map(|tissue| radiated(tissue, k_kev) / radiated("water", k_kev));
            println!("{k_kev} keV over water: lung {lung:.3}, bone {bone:.3}");
            // as the methods state them
            assert!((lung - 0.99).abs() <= 0.005, "{k_kev} keV: lung {lung}");
            assert!((1.625..1.795).contains(&bone), "{k_kev} keV: bone {bone}");
        }
        let line = [(300.0, 300.0, 1.0)];
        let line = closure(&Tissue::built_in("water").unwrap(), &line, &line);
        // trapezia over powers of T up to the second
        let trapezia = (2.0 * std::f64::consts::LN_2 / SLOWING_NODES_PER_OCTAVE).powi(2) / 12.0;
        assert!((line - 1.0).abs() < trapezia, "300 keV line: {line} +- {trapezia}");
    }

    #[test]
    fn alarm_thick_target_misses_conversion_electrons() {
        let nuclide = Nuclide::load("lu177").unwrap();
        let water = Tissue::built_in("water").unwrap();
        let all = electrons(&nuclide);
        let mut short = nuclide.clone();
        short.electrons.clear();
        type Faulty = (&'static str, Vec<(f64, f64, f64)>);
        let faults: [Faulty; 3] = [
            ("no conversion electrons", electrons(&short)),
            ("energies 0.2 % too high", all.iter().map(|&(low, high, n)| (1.002 * low, 1.002 * high, n)).collect()),
            ("0.2 % of the electrons missing", all.iter().map(|&(low, high, n)| (low, high, 0.998 * n)).collect()),
        ];
        for (what, faulty) in faults {
            let ratio = closure(&water, &faulty, &all);
            assert!((ratio - 1.0).abs() > CLOSES_WITHIN, "{what}: {ratio}");
        }
    }

    /// Mean photon energy per photon of the thick target's thin layers: the tabulated mean, by which the stopping power
    /// is made, must come out of the shape as well.
    #[test]
    fn law_shape_is_a_density() {
        for z in [1, 6, 7, 8, 20, 26] {
            for t_kev in [5.0, 50.0, 497.0, 2000.0] {
                let steps = 1000;
                let integral: f64 =
                    (0..steps).map(|i| shape(z, t_kev, (f64::from(i) + 0.5) / f64::from(steps))).sum::<f64>()
                        / f64::from(steps);
                assert!((integral - 1.0).abs() < 1e-3, "Z {z}, {t_kev} keV: {integral}");
            }
        }
    }

    /// The energy spectrum of a thick target falls steadily to nothing at the end point, faster than the straight line of
    /// Kramers 1923 (Phil. Mag. 46:836), whose thin layers radiate alike at all photon energies.
    #[test]
    fn law_spectrum_falls_to_the_end_point() {
        let target = ThickTarget::of(&Tissue::built_in("water").unwrap(), &[(100.0, 100.0, 1.0)]).unwrap();
        let total: f64 = target.groups().iter().map(|g| 0.5 * (g.0 + g.1) * g.2).sum();
        let relative = |x: f64| target.energy_at(100.0 * x) * 100.0 / total / (2.0 * (1.0 - x));
        let found: Vec<f64> = [0.02, 0.1, 0.3, 0.5, 0.7, 0.9].into_iter().map(relative).collect();
        println!("over Kramers: {found:.3?}");
        assert!(found.windows(2).all(|p| p[1] < p[0]), "{found:?}");
        assert!(found[0] < 2.0 && found[5] > 0.2 && target.energy_at(100.0) < 1e-3 * total / 100.0);
    }
}
