//! Look-ups in the packed tables.

use crate::bench::{Twin, bits, f, hold};
use crate::twin;
use lutra::kernel::single::rows::electron_value;
use lutra::kernel::single::tables::*;

/// Cases of `tables.rs`.
pub fn cases() -> Vec<Twin> {
    vec![
        twin!("energy_bin", Electron, 1 -> 2,
            "let b = energy_bin(twin_f(a));
             twin_out[o] = b.node;
             twin_put(o + 1u, b.fraction);",
            |_, a, o, _| {
                let b = energy_bin(f(a, 0));
                o.copy_from_slice(&[b.node, b.fraction.to_bits()]);
            },
            |g| bits([g.positive(0.5, 5000.0)])),
        twin!("momentum_bin", Electron, 1 -> 2,
            "let b = momentum_bin(twin_f(a));
             twin_out[o] = b.node;
             twin_put(o + 1u, b.fraction);",
            |_, a, o, _| {
                let b = momentum_bin(f(a, 0));
                o.copy_from_slice(&[b.node, b.fraction.to_bits()]);
            },
            |g| bits([g.positive(1e-3, 300.0)])),
        twin!("electron_value", Electron, 3 -> 1, "twin_put(o, electron_value(twin_in[a], energy_bin(twin_f(a + 1u)), twin_in[a + 2u]));",
            |cx, a, o, _| o[0] = electron_value(cx, a[0], energy_bin(f(a, 1)), a[2]).to_bits(),
            |g| vec![g.row(ENERGY_NODES), g.positive(0.5, 5000.0).to_bits(), g.below(ELECTRON_COLUMNS)]),
        twin!("photon_value", Photon, 3 -> 1, "twin_put(o, photon_value(twin_in[a], energy_bin(twin_f(a + 1u)), twin_in[a + 2u]));",
            |cx, a, o, _| o[0] = photon_value(cx, a[0], energy_bin(f(a, 1)), a[2]).to_bits(),
            |g| vec![g.row(ENERGY_NODES), g.positive(0.5, 5000.0).to_bits(), g.below(PHOTON_COLUMNS)]),
        twin!("scatter_value", Photon, 3 -> 1, "twin_put(o, scatter_value(twin_in[a], momentum_bin(twin_f(a + 1u)), twin_in[a + 2u]));",
            |cx, a, o, _| o[0] = scatter_value(cx, a[0], momentum_bin(f(a, 1)), a[2]).to_bits(),
            |g| vec![g.row(MOMENTUM_NODES), g.positive(1e-3, 300.0).to_bits(), g.below(SCATTER_COLUMNS)]),
    ]
}

#[test]
fn twin_table_look_ups() {
    hold(&cases());
}
