//! Density effect: Sternheimer's oscillator model of the medium, solved exactly for each tissue.
//!
//! Every subshell of every element is one oscillator; its strength is its share of the tissue's
//! electrons, its frequency the binding energy times one adjustment factor that makes the set
//! reproduce the tissue's mean excitation energy. The same oscillators serve the soft inelastic
//! deflection and the straggling (`soft_inelastic`). All electrons are treated as bound
//! (insulators); conductors are outside the scope. Equations: docs/methods/electrons.md section 2.
//! Reference: Sternheimer, Phys. Rev. 88 (1952) 851; Sternheimer, Seltzer & Berger, Phys. Rev. B 26
//! (1982) 6067. Binding energies: EADL 2017.

use crate::elementary::{exp, ln, ln_1p, square};
use crate::fault::{Explained, Fault, FaultKind, explained};
use crate::materials::tissues::Tissue;
use crate::physics::elements::{Element, element};
use crate::units::{AVOGADRO_PER_MOL, CLASSICAL_ELECTRON_RADIUS_CM, ELECTRON_REST_KEV, FINE_STRUCTURE};

/// Why no oscillator model can be made of a tissue.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OscillatorError {
    /// An element of the tissue has no data.
    UnknownElement {
        /// Name of the tissue.
        tissue: String,
        /// Atomic number without data.
        z: u8,
    },
    /// The mean excitation energy cannot be met by any adjustment factor.
    MeanExcitation {
        /// Name of the tissue.
        tissue: String,
        /// Value given, eV.
        found_ev: f64,
        /// Limit of vanishing binding, eV.
        lowest_ev: f64,
        /// Limit of the largest adjustment factor tried, eV.
        highest_ev: f64,
    },
    /// The density is not a positive number.
    Density {
        /// Name of the tissue.
        tissue: String,
        /// Value given, g/cm3.
        found_g_cm3: f64,
    },
}

explained!(OscillatorError);

impl Explained for OscillatorError {
    fn fault(&self) -> Fault {
        match self {
            Self::UnknownElement { tissue, z } => Fault::of(FaultKind::Unknown)
                .place(tissue)
                .field("mass_fractions")
                .found(format!("Z = {z}"))
                .then("give the fraction to a carried element of similar Z")
                .form("tissue \"{place}\": {field} names {found}, for which no electron data are carried"),
            Self::MeanExcitation { tissue, found_ev, lowest_ev, highest_ev } => Fault::invalid(
                tissue,
                "mean_excitation_ev",
                found_ev.to_string(),
                format!("values above {lowest_ev:.3} and below {highest_ev:.0} eV"),
                "correct the value",
            )
            .form("tissue \"{place}\": {field} is {found}, allowed for this composition and density are {allowed}"),
            Self::Density { tissue, found_g_cm3 } => {
                Fault::invalid(tissue, "density_g_cm3", found_g_cm3.to_string(), "positive numbers", "")
                    .form("tissue \"{place}\": {field} is {found}, allowed are {allowed}")
            }
        }
    }
}

/// One subshell of the tissue, seen as an oscillator.
#[derive(Debug, Clone, PartialEq)]
pub struct Oscillator {
    /// Share of the tissue's electrons, 0..1; all shares sum to 1.
    pub strength: f64,
    /// Binding energy of the free atom's subshell, keV.
    pub binding_kev: f64,
    /// Resonance energy W of eq. 2.2, keV: scaled binding with the plasma (Lorentz-Lorenz) shift.
    pub resonance_kev: f64,
    /// (scaled binding energy / plasma energy)^2, dimensionless.
    reduced_binding_sq: f64,
    /// (resonance energy / plasma energy)^2, dimensionless.
    reduced_resonance_sq: f64,
}

/// The oscillators of a tissue at one density, adjusted to its mean excitation energy.
#[derive(Debug, Clone, PartialEq)]
pub struct OscillatorModel {
    oscillators: Vec<Oscillator>,
    plasma_kev: f64,
    adjustment: f64,
    mean_excitation_kev: f64,
    electrons_per_g: f64,
}

/// Largest and smallest adjustment factor tried; tissues have 2.0 to 2.5.
const ADJUSTMENT_RANGE: [f64; 2] = [1e-4, 1e3];

impl OscillatorModel {
    /// The oscillators of `tissue` at its own density (eqs. 2.1 to 2.3).
    ///
    /// Errors: an element without data, a density that is not positive, or a mean excitation energy
    /// out of reach of the model. Cost: about 20 microseconds.
    pub fn of(tissue: &Tissue) -> Result<Self, OscillatorError> {
        Self::at_density(tissue, tissue.density_g_cm3)
    }

    /// The same at another density, g/cm3, positive.
    pub fn at_density(tissue: &Tissue, density_g_cm3: f64) -> Result<Self, OscillatorError> {
        if !(density_g_cm3 > 0.0 && density_g_cm3.is_finite()) {
            return Err(OscillatorError::Density { tissue: tissue.name.clone(), found_g_cm3: density_g_cm3 });
        }
        let mut shells = Vec::new(); // (electrons per g, binding energy keV)
        for &(z, fraction) in &tissue.mass_fractions {
            let atom = element(z).ok_or_else(|| OscillatorError::UnknownElement { tissue: tissue.name.clone(), z })?;
            if fraction <= 0.0 {
                continue;
            }
            let atoms_per_g = fraction * AVOGADRO_PER_MOL / atom.atomic_weight;
            // Occupations of the evaluated library are rounded; Z fixes their sum.
            let occupied: f64 = atom.shells.iter().map(|shell| shell.electrons).sum();
            let scale = atoms_per_g * f64::from(z) / occupied;
            for shell in &atom.shells {
                shells.push((scale * shell.electrons, shell.binding_kev));
            }
        }
        let electrons_per_g: f64 = shells.iter().map(|shell| shell.0).sum();
        let plasma_kev = plasma_energy_kev(electrons_per_g * density_g_cm3);
        let mean_excitation_kev = tissue.mean_excitation_ev * 1e-3;
        let log_mean = |adjustment: f64| -> f64 {
            shells
                .iter()
                .map(|&(per_g, binding_kev)| {
                    let strength = per_g / electrons_per_g;
                    let resonance_sq = resonance_kev_sq(adjustment * binding_kev, strength, plasma_kev);
                    0.5 * strength * ln(resonance_sq)
                })
                .sum()
        };
        let target = ln(mean_excitation_kev);
        let [mut low, mut high] = ADJUSTMENT_RANGE.map(ln);
        if !(log_mean(exp(low)) < target && target < log_mean(exp(high))) {
            return Err(OscillatorError::MeanExcitation {
                tissue: tissue.name.clone(),
                found_ev: tissue.mean_excitation_ev,
                lowest_ev: exp(log_mean(exp(low))) * 1e3,
                highest_ev: exp(log_mean(exp(high))) * 1e3,
            });
        }
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            if log_mean(exp(middle)) < target { low = middle } else { high = middle }
        }
        let adjustment = exp(0.5 * (low + high));
        let oscillators = shells
            .iter()
            .map(|&(per_g, binding_kev)| {
                let strength = per_g / electrons_per_g;
                let resonance_kev = resonance_kev_sq(adjustment * binding_kev, strength, plasma_kev).sqrt();
                Oscillator {
                    strength,
                    binding_kev,
                    resonance_kev,
                    reduced_binding_sq: square(adjustment * binding_kev / plasma_kev),
                    reduced_resonance_sq: square(resonance_kev / plasma_kev),
                }
            })
            .collect();
        Ok(Self { oscillators, plasma_kev, adjustment, mean_excitation_kev, electrons_per_g })
    }

    /// Density-effect correction delta at kinetic energy `e_kev` > 0, dimensionless, >= 0 (eqs. 2.4, 2.5).
    ///
    /// Exactly 0 below the threshold of eq. 2.6 (no conduction electrons).
    pub fn delta(&self, e_kev: f64) -> f64 {
        let beta_sq = beta_squared(e_kev);
        let wanted = 1.0 / beta_sq - 1.0;
        let (mut excess, mut slope) = self.dispersion(0.0);
        if wanted >= excess {
            return 0.0;
        }
        // Convex and falling: Newton from the left climbs without overshoot.
        let mut level_sq = 0.0;
        for _ in 0..200 {
            let step = (excess - wanted) / slope;
            level_sq += step;
            if step <= 1e-14 * level_sq {
                break;
            }
            (excess, slope) = self.dispersion(level_sq);
        }
        let sum: f64 =
            self.oscillators.iter().map(|shell| shell.strength * ln_1p(level_sq / shell.reduced_resonance_sq)).sum();
        sum - level_sq * (1.0 - beta_sq)
    }

    /// Sum of f / (nu^2 + l^2) and minus its derivative in l^2 (eq. 2.5).
    fn dispersion(&self, level_sq: f64) -> (f64, f64) {
        self.oscillators.iter().fold((0.0, 0.0), |(value, slope), shell| {
            let inverse = 1.0 / (shell.reduced_binding_sq + level_sq);
            (value + shell.strength * inverse, slope + shell.strength * inverse * inverse)
        })
    }

    /// The oscillators, in the order of the tissue's elements and their shells.
    pub fn oscillators(&self) -> &[Oscillator] {
        &self.oscillators
    }

    /// Plasma energy of the tissue's electrons, keV (eq. 2.3; water 0.02147).
    pub fn plasma_kev(&self) -> f64 {
        self.plasma_kev
    }

    /// Sternheimer's adjustment factor, dimensionless (about 2.2 in water).
    pub fn adjustment(&self) -> f64 {
        self.adjustment
    }

    /// Mean excitation energy the set reproduces, keV.
    pub fn mean_excitation_kev(&self) -> f64 {
        self.mean_excitation_kev
    }

    /// Electrons per gram of tissue, 1/g (water 3.343e23).
    pub fn electrons_per_g(&self) -> f64 {
        self.electrons_per_g
    }
}

/// Electrons per gram of tissue, 1/g: N_A sum of w Z / A.
///
/// Panics if the tissue names an element without data; `OscillatorModel::of` reports that as an error.
pub fn electrons_per_g(tissue: &Tissue) -> f64 {
    tissue
        .mass_fractions
        .iter()
        .map(|&(z, fraction)| fraction * AVOGADRO_PER_MOL * f64::from(z) / known_element(tissue, z).atomic_weight)
        .sum()
}

/// The data of an element that a checked tissue names.
///
/// Panics if there are none: `OscillatorModel::of` and `StoppingTable::build` report that as an error.
pub(crate) fn known_element(tissue: &Tissue, z: u8) -> &'static Element {
    let Some(found) = element(z) else {
        panic!("tissue {:?} names Z = {z}, which has no data: check it first", tissue.name)
    };
    found
}

/// The oscillators of a tissue that has been checked before.
///
/// Panics where `OscillatorModel::of` returns an error.
pub(crate) fn checked_model(tissue: &Tissue) -> OscillatorModel {
    match OscillatorModel::of(tissue) {
        Ok(model) => model,
        Err(error) => panic!("unchecked tissue: {error}"),
    }
}

/// (v/c)^2 of an electron of kinetic energy `e_kev` > 0.
pub fn beta_squared(e_kev: f64) -> f64 {
    let total = e_kev + ELECTRON_REST_KEV;
    e_kev * (e_kev + 2.0 * ELECTRON_REST_KEV) / (total * total)
}

/// Plasma energy in keV for an electron density per cm3 (eq. 2.3): hbar c sqrt(4 pi n r_e).
fn plasma_energy_kev(electrons_per_cm3: f64) -> f64 {
    // hbar c = r_e m c^2 / alpha
    CLASSICAL_ELECTRON_RADIUS_CM * ELECTRON_REST_KEV / FINE_STRUCTURE
        * (4.0 * std::f64::consts::PI * electrons_per_cm3 * CLASSICAL_ELECTRON_RADIUS_CM).sqrt()
}

/// Square of the resonance energy, keV^2 (eq. 2.2).
fn resonance_kev_sq(scaled_binding_kev: f64, strength: f64, plasma_kev: f64) -> f64 {
    square(scaled_binding_kev) + 2.0 / 3.0 * strength * square(plasma_kev)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::physics::stopping_power::samples::{air, pmma, water};

    /// ESTAR (NIST SRD 124): tissue, energy keV, delta (fit of Sternheimer, Berger & Seltzer).
    fn estar_delta() -> Vec<(Tissue, f64, f64)> {
        vec![
            (water(), 500.0, 0.0),
            (water(), 600.0, 0.02938),
            (water(), 1000.0, 0.2428),
            (water(), 2000.0, 0.8218),
            (water(), 3000.0, 1.288),
            (pmma(), 500.0, 0.04112),
            (pmma(), 1000.0, 0.3679),
            (pmma(), 2000.0, 0.9689),
            (pmma(), 3000.0, 1.425),
            (air(), 3000.0, 0.0),
        ]
    }

    /// 0.05 % of the stopping power, to which ESTAR prints it. What is found is 0.0052.
    const DELTA_ALLOWED: f64 = 0.01;

    fn worst_delta_difference(i_scale: f64) -> f64 {
        estar_delta()
            .into_iter()
            .map(|(mut tissue, e_kev, reference)| {
                tissue.mean_excitation_ev *= i_scale;
                (checked_model(&tissue).delta(e_kev) - reference).abs()
            })
            .fold(0.0, f64::max)
    }

    #[test]
    fn reference_delta_matches_estar() {
        let worst = worst_delta_difference(1.0);
        assert!(worst < DELTA_ALLOWED, "worst difference {worst}");
    }

    #[test]
    fn alarm_delta_rings_for_a_wrong_mean_excitation_energy() {
        assert!(worst_delta_difference(1.01) > DELTA_ALLOWED);
        assert!(worst_delta_difference(0.99) > DELTA_ALLOWED);
    }

    #[test]
    fn reference_delta_matches_the_exact_model_calculated_apart() {
        // Independent solution (Brent's method) of the same model for water with I = 78 eV.
        let mut tissue = water();
        tissue.mean_excitation_ev = 78.0;
        tissue.mass_fractions = vec![(1, 0.111887), (8, 0.888113)];
        let model = checked_model(&tissue);
        for (e_kev, delta) in [(550.0, 0.0), (600.0, 0.014191), (1000.0, 0.212636), (2000.0, 0.776240)] {
            assert!((model.delta(e_kev) - delta).abs() < 1e-4, "{e_kev} {}", model.delta(e_kev));
        }
    }

    #[test]
    fn law_model_reproduces_mean_excitation_strength_and_fermi_limit() {
        let model = checked_model(&water());
        let strength: f64 = model.oscillators().iter().map(|shell| shell.strength).sum();
        assert!((strength - 1.0).abs() < 1e-12);
        let log_mean: f64 = model.oscillators().iter().map(|shell| shell.strength * shell.resonance_kev.ln()).sum();
        assert!((log_mean.exp() / 0.075 - 1.0).abs() < 1e-12);
        // High-energy limit: delta -> 2 ln(hbar omega_p beta gamma / I) - 1.
        let e_kev = 1e9;
        let gamma_beta = (1.0 / (1.0 - beta_squared(e_kev)) - 1.0).sqrt();
        let limit = 2.0 * (model.plasma_kev() * gamma_beta / 0.075).ln() - 1.0;
        assert!((model.delta(e_kev) - limit).abs() < 1e-4);
        assert!((model.plasma_kev() - 0.021469).abs() < 1e-5);
    }

    #[test]
    fn io_impossible_tissues_are_refused_with_reasons() {
        let mut tissue = water();
        tissue.mean_excitation_ev = 2.0;
        let text = OscillatorModel::of(&tissue).unwrap_err().to_string();
        assert!(text.contains("mean_excitation_ev is 2"), "{text}");
        let mut tissue = water();
        tissue.mass_fractions.push((120, 0.1));
        let text = OscillatorModel::of(&tissue).unwrap_err().to_string();
        assert!(text.contains("Z = 120"), "{text}");
        let mut tissue = water();
        tissue.density_g_cm3 = 0.0;
        assert!(OscillatorModel::of(&tissue).is_err());
    }
}
