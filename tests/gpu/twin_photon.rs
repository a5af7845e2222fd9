//! The photon's laws and its step.

use crate::bench::{Inputs, Twin, World, bits, f, hold, particle_of, put_particle, put_rng, rng_of};
use crate::twin;
use crate::twin_source::history;
use lutra::kernel::single::compton::compton;
use lutra::kernel::single::photon::*;
use lutra::kernel::single::rayleigh::*;
use lutra::kernel::single::tables::MOMENTUM_NODES;

/// Particle and stream: 19 words.
fn state(g: &mut Inputs) -> Vec<u32> {
    let mut w = g.particle(0.5, 1000.0);
    if g.below(64) == 0 {
        w[13] = PHOTON_STEP_LIMIT - 1 + g.below(3);
    }
    w.extend(g.rng());
    w
}

/// Row, energy, stream: 6 words.
fn collision(g: &mut Inputs) -> Vec<u32> {
    let mut w = vec![g.row(MOMENTUM_NODES), g.positive(1.0, 1000.0).to_bits()];
    w.extend(g.rng());
    w
}

/// A statement on particle `p` and stream `s`, between reading and writing them.
fn on_state(statement: &str) -> String {
    format!(
        "var p = twin_particle(a);
         var s = twin_rng(a + 15u);
         {statement}
         twin_put_particle(o, p);
         twin_put_rng(o + 15u, s);"
    )
}

macro_rules! with_state {
    ($a:ident, $o:ident, $p:ident, $s:ident, $call:expr) => {{
        let ($p, $s) = (&mut particle_of($a), &mut rng_of(&$a[15..]));
        $call;
        put_particle($p, $o);
        put_rng($s, &mut $o[15..]);
    }};
}

/// Cases of `photon.rs`, `compton.rs` and `rayleigh.rs`.
pub fn cases() -> Vec<Twin> {
    vec![
        twin!("compton", Photon, 6 -> 6,
            "var s = twin_rng(a + 2u);
             let r = compton(&s, twin_in[a], twin_f(a + 1u));
             twin_put(o, r.ratio);
             twin_put(o + 1u, r.cos_theta);
             twin_put_rng(o + 2u, s);",
            |cx, a, o, out| {
                let mut s = rng_of(&a[2..]);
                let r = compton(cx, &mut s, a[0], f(a, 1), out);
                o[..2].copy_from_slice(&bits([r.ratio, r.cos_theta]));
                put_rng(&s, &mut o[2..]);
            },
            collision),
        twin!("form_factor_integral", Photon, 2 -> 1, "twin_put(o, form_factor_integral(twin_in[a], twin_in[a + 1u]));",
            |cx, a, o, _| o[0] = form_factor_integral(cx, a[0], a[1]).to_bits(),
            |g| vec![g.row(MOMENTUM_NODES), g.below(MOMENTUM_NODES)]),
        twin!("momentum_of_node", Photon, 1 -> 1, "twin_put(o, momentum_of_node(twin_in[a]));",
            |_, a, o, _| o[0] = momentum_of_node(a[0]).to_bits(),
            |g| vec![g.below(MOMENTUM_NODES)]),
        twin!("rayleigh", Photon, 6 -> 5,
            "var s = twin_rng(a + 2u);
             twin_put(o, rayleigh(&s, twin_in[a], twin_f(a + 1u)));
             twin_put_rng(o + 1u, s);",
            |cx, a, o, out| {
                let mut s = rng_of(&a[2..]);
                o[0] = rayleigh(cx, &mut s, a[0], f(a, 1), out).to_bits();
                put_rng(&s, &mut o[1..]);
            },
            collision),
        twin!("leave", Analogue, 20 -> 19, on_state("leave(&s, p, twin_in[a + 19u]);"),
        |cx, a, o, out| with_state!(a, o, p, s, leave(cx, s, p, a[19], out)),
        |g| {
            let mut w = state(g);
            w.push(g.below(1 << 24));
            w
        }),
        twin!("leave", Photon, 20 -> 19, on_state("leave(&s, p, twin_in[a + 19u]);"),
        |cx, a, o, out| with_state!(a, o, p, s, leave(cx, s, p, a[19], out)),
        |g| {
            let mut w = state(g);
            w.push(g.below(1 << 24));
            w
        }),
        twin!("collide", Photon, 20 -> 19, on_state("collide(&s, &p, twin_in[a + 19u]);"),
        |cx, a, o, out| with_state!(a, o, p, s, collide(cx, s, p, a[19], out)),
        |g| {
            let mut w = g.particle(1.0, 1000.0);
            w.extend(g.rng());
            w.push(g.below(4));
            w
        }),
        twin!("photon_birth", Photon, 1 -> 15, "twin_put_particle(o, photon_birth(twin_in[a]));",
            |cx, a, o, out| put_particle(&photon_birth(cx, a[0], out), o),
            |g| history(World::Photon, g.i)),
        twin!("photon_step", Photon, 19 -> 19, on_state("photon_step(&s, &p);"),
            |cx, a, o, out| with_state!(a, o, p, s, photon_step(cx, s, p, out)),
            state),
        twin!("photon_step", Analogue, 19 -> 19, on_state("photon_step(&s, &p);"),
            |cx, a, o, out| with_state!(a, o, p, s, photon_step(cx, s, p, out)),
            state),
    ]
}

#[test]
fn twin_photon_laws_and_step() {
    hold(&cases());
}
