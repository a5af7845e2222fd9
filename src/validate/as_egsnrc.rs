//! The reference's own electron physics where it is known to differ from Lutra's: settings that show whether a difference is
//! one of data or one of transport.
//!
//! Two differences are known. EGSnrc scatters elastically by the screened Rutherford law of Moliere with Mott's correction,
//! Lutra by ELSEPA's partial waves. EGSnrc takes losses below its threshold (1 keV in the references) as continuous, Lutra lets
//! them straggle. Neither number here is fitted: the first is the ratio of the two transport cross sections at the energy of
//! emission, the second the share of the variance that EGSnrc samples. Sources: Moliere, Z. Naturforsch. 2a (1947) 133;
//! McKinley & Feshbach, Phys. Rev. 74 (1948) 1759; Kawrakow et al., NRCC Report PIRS-701 (2021), sections 2.4.

use crate::materials::tissues::Tissue;
use crate::physics::density_effect::{beta_squared, electrons_per_g};
use crate::physics::elastic::transport_cm2_g;
use crate::physics::moller::moments;
use crate::physics::straggling::soft_variance_kev2_cm2_g;
use crate::physics::tables::TransportSettings;
use crate::quadrature::log_pair;
use crate::units::{AVOGADRO_PER_MOL, CLASSICAL_ELECTRON_RADIUS_CM, ELECTRON_REST_KEV};

/// Fine-structure constant (CODATA 2018).
const FINE_STRUCTURE: f64 = 7.297_352_569_3e-3;
/// Below this energy, keV, the references take losses as continuous.
const THRESHOLD_KEV: f64 = 1.0;
/// Knock-ons above this energy, keV, are followed one by one here, as nearly as in the references.
const KNOCK_ON_KEV: f64 = 2.0;

/// First transport cross section of an atom of charge `z` by Moliere's screening and McKinley and Feshbach's form of Mott's
/// correction, cm2.
fn moliere_cm2(z: f64, e_kev: f64) -> f64 {
    let tau = e_kev / ELECTRON_REST_KEV;
    let momentum_sq = tau * (tau + 2.0);
    let beta_sq = beta_squared(e_kev);
    let beta = beta_sq.sqrt();
    let coulomb = FINE_STRUCTURE * z / beta;
    let angle = FINE_STRUCTURE * z.cbrt() / (0.885 * momentum_sq.sqrt());
    let screening = 0.25 * angle * angle * (1.13 + 3.76 * coulomb * coulomb);
    let (integral, _) = log_pair(1e-13, 1.0, 60, |mu| {
        let sine = mu.sqrt();
        let mott = 1.0 - beta_sq * mu + std::f64::consts::PI * FINE_STRUCTURE * z * beta * sine * (1.0 - sine);
        (2.0 * mu * mott / ((mu + screening) * (mu + screening)), 0.0)
    });
    let radius = CLASSICAL_ELECTRON_RADIUS_CM * z;
    std::f64::consts::PI * radius * radius / (momentum_sq * beta_sq) * integral
}

/// The elastic transport cross section of the reference over Lutra's, for electrons of `e_kev`.
pub fn elastic_ratio(tissue: &Tissue, e_kev: f64) -> f64 {
    let of_elements = tissue.elements();
    let sum: f64 = of_elements.map(|(element, moles)| moles * moliere_cm2(f64::from(element.z), e_kev)).sum();
    AVOGADRO_PER_MOL * sum / transport_cm2_g(tissue, e_kev).0
}

/// `settings` with the reference's elastic scattering and straggling for electrons that start with `e_kev`.
pub fn settings(settings: TransportSettings, tissue: &Tissue, e_kev: f64) -> TransportSettings {
    let sampled = electrons_per_g(tissue) * moments(e_kev, THRESHOLD_KEV, KNOCK_ON_KEV).straggling_cm2_kev2;
    let straggling = sampled / soft_variance_kev2_cm2_g(tissue, e_kev, KNOCK_ON_KEV);
    TransportSettings {
        knock_on_kev: KNOCK_ON_KEV,
        elastic_scale: settings.elastic_scale * elastic_ratio(tissue, e_kev),
        straggling_scale: settings.straggling_scale * straggling,
        ..settings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate::bench::water;

    /// The two laws agree to some percent, as two evaluations of one quantity do, and the share that EGSnrc samples is one.
    #[test]
    fn law_the_reference_scatters_nearly_alike() {
        let water = water().unwrap();
        for e_kev in [100.0, 200.0, 400.0] {
            let ratio = elastic_ratio(&water, e_kev);
            let changed = settings(TransportSettings::default(), &water, e_kev);
            println!("{e_kev} keV: elastic {ratio:.4}, straggling {:.3}", changed.straggling_scale);
            assert!((0.99..1.02).contains(&ratio), "{e_kev} keV: {ratio}");
            assert!((0.1..0.6).contains(&changed.straggling_scale), "{e_kev} keV: {changed:?}");
        }
    }
}
