//! Coherent scattering: Thomson times the squared form factor, sampled in the squared momentum transfer.

use super::Real;
use super::compton::PER_KEV_ANGSTROM;
use super::context::{Context, FLAG_REJECTION};
use super::math::{fmin, recip};
use super::rng::{Rng, random};
use super::tables::{
    COLUMN_FORM_FACTOR, MOMENTUM_FIRST_BITS, MOMENTUM_NODES, SCATTER_COLUMNS, momentum_bin, scatter_value,
};
use crate::kernel::Sink;

/// Integral of the squared form factor up to a node of the momentum-transfer grid.
pub fn form_factor_integral(cx: &Context, row: u32, node: u32) -> Real {
    cx.scatter_table[((row + node) * SCATTER_COLUMNS + COLUMN_FORM_FACTOR) as usize] as Real
}

/// Momentum transfer of a node, 1/Angstrom.
pub fn momentum_of_node(node: u32) -> Real {
    f32::from_bits(MOMENTUM_FIRST_BITS + (node << 19)) as Real
}

/// Cosine of the angle of coherent scattering at `energy_kev`; `row` is the tissue's first row of the table.
pub fn rayleigh<S: Sink>(cx: &Context, rng: &mut Rng, row: u32, energy_kev: Real, out: &mut S) -> Real {
    let x_max = energy_kev * PER_KEV_ANGSTROM;
    let top = scatter_value(cx, row, momentum_bin(x_max), COLUMN_FORM_FACTOR);
    let inv = recip(x_max * x_max);
    let mut cos_theta: Real = 1.0;
    for _ in 0..1000 {
        let c = random(rng) * top;
        let mut low = 0u32;
        let mut high = MOMENTUM_NODES - 1u32;
        while high - low > 1u32 {
            let middle = (low + high) >> 1;
            if form_factor_integral(cx, row, middle) > c {
                high = middle;
            } else {
                low = middle;
            }
        }
        let first = form_factor_integral(cx, row, 0u32);
        let a = form_factor_integral(cx, row, low);
        let b = form_factor_integral(cx, row, high);
        let xa = momentum_of_node(low);
        let xb = momentum_of_node(high);
        // linear in x^2 inside the bin; below the first node the form factor is constant
        let mut x2 = (xa * xa) * (c * recip(first));
        if c >= first {
            x2 = xa * xa + (xb * xb - xa * xa) * ((c - a) * recip(b - a));
        }
        cos_theta = 1.0 - 2.0 * fmin(x2 * inv, 1.0);
        if random(rng) * 2.0 < 1.0 + cos_theta * cos_theta {
            return cos_theta;
        }
    }
    out.flag(FLAG_REJECTION);
    cos_theta
}
