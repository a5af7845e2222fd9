//! Knock-on electrons above the threshold: Moller scattering (Moller 1932, Ann. Phys. 406:531; ICRU 37 eq. 2.9).

use super::Real;
use super::context::{Context, FLAG_REJECTION};
use super::math::{fmax, fmin, recip, root};
use super::rng::{Rng, random};
use crate::kernel::Sink;

/// Electron rest energy, keV (CODATA 2018).
pub const ELECTRON_REST: Real = 510.998_95;

/// Moller's law over 1/e^2 at the share e of the energy transferred: 1 + (e/(1-e))^2 + a e^2 - b e/(1-e).
pub fn moller_shape(share: Real, a: Real, b: Real) -> Real {
    let ratio = share * recip(1.0 - share);
    ((1.0 + ratio * ratio) + (a * share) * share) - b * ratio
}

/// Energy of the knock-on electron, keV, between the threshold and half the energy.
pub fn knock_on_energy<S: Sink>(cx: &Context, rng: &mut Rng, energy_kev: Real, out: &mut S) -> Real {
    let gamma_inv = ELECTRON_REST * recip(energy_kev + ELECTRON_REST);
    // a = ((gamma - 1)/gamma)^2, b = (2 gamma - 1)/gamma^2
    let a = (1.0 - gamma_inv) * (1.0 - gamma_inv);
    let b = (2.0 - gamma_inv) * gamma_inv;
    let lowest = (cx.params.knock_on_kev as Real) * recip(energy_kev);
    let bound = fmax(1.0, moller_shape(0.5, a, b));
    let mut share: Real = lowest;
    for _ in 0..200 {
        share = lowest * recip(1.0 - random(rng) * (1.0 - 2.0 * lowest));
        if random(rng) * bound <= moller_shape(share, a, b) {
            return fmin(share, 0.5) * energy_kev;
        }
    }
    out.flag(FLAG_REJECTION);
    fmin(share, 0.5) * energy_kev
}

/// Cosine of the angle of an electron that keeps `kept_kev` of `energy_kev` in a collision with one at rest.
pub fn collision_cos(energy_kev: Real, kept_kev: Real) -> Real {
    let num = kept_kev * (energy_kev + 2.0 * ELECTRON_REST);
    let den = energy_kev * (kept_kev + 2.0 * ELECTRON_REST);
    fmin(root(num * recip(den)), 1.0)
}
