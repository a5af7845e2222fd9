//! Incoherent scattering: Klein-Nishina times the incoherent scattering function.
//!
//! Mixture of 1/e and e for the ratio e of the energies (Butcher & Messel 1960, Nucl. Phys. 20:15), rejection by
//! 1 - e sin^2/(1 + e^2) and by S(x). Doppler broadening is left out: it moves no dose above 10 keV by 0.1 %.

use super::Real;
use super::context::{Context, FLAG_REJECTION};
use super::math::{exp_of, fmax, fmin, ln, recip, root};
use super::moller::ELECTRON_REST;
use super::rng::{Rng, random};
use super::tables::{COLUMN_SCATTERING_FUNCTION, momentum_bin, scatter_value};
use crate::kernel::Sink;

/// 1/(h c) in 1/(keV Angstrom) (CODATA 2018).
pub const PER_KEV_ANGSTROM: Real = 0.080_655_439;

/// Outcome of a scattering.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scattered {
    /// Energy of the photon over its energy before.
    pub ratio: Real,
    /// Cosine of the scattering angle.
    pub cos_theta: Real,
}

/// Samples incoherent scattering at `energy_kev`; `row` is the tissue's first row of the scattering table.
pub fn compton<S: Sink>(cx: &Context, rng: &mut Rng, row: u32, energy_kev: Real, out: &mut S) -> Scattered {
    let k = energy_kev * recip(ELECTRON_REST);
    let k_inv = recip(k);
    let lowest = recip(1.0 + 2.0 * k);
    let alpha1 = -ln(lowest);
    let alpha2 = 0.5 * (1.0 - lowest * lowest);
    let first = alpha1 * recip(alpha1 + alpha2);
    let mut result = Scattered { ratio: 1.0, cos_theta: 1.0 };
    for _ in 0..1000 {
        let choose = random(rng);
        let u = random(rng);
        let mut ratio = root(lowest * lowest + (1.0 - lowest * lowest) * u);
        if choose < first {
            ratio = lowest * exp_of(alpha1 * u);
        }
        ratio = fmin(fmax(ratio, lowest), 1.0);
        // 1 - cos = (1/e - 1)/k
        let one_minus_cos = fmin((recip(ratio) - 1.0) * k_inv, 2.0);
        let t = fmax(one_minus_cos, 0.0);
        let sin2 = t * (2.0 - t);
        let weight = 1.0 - (ratio * sin2) * recip(1.0 + ratio * ratio);
        let x = (energy_kev * PER_KEV_ANGSTROM) * root(0.5 * t);
        let bound = scatter_value(cx, row, momentum_bin(x), COLUMN_SCATTERING_FUNCTION);
        result = Scattered { ratio: ratio, cos_theta: 1.0 - t };
        if random(rng) < weight * bound {
            return result;
        }
    }
    out.flag(FLAG_REJECTION);
    result
}
