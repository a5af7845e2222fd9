//! Birth of a history.

use crate::bench::{INPUTS, Inputs, Twin, World, bits, f, hold, put_particle};
use crate::twin;
use lutra::kernel::single::context::Context;
use lutra::kernel::single::navigate::Particle;
use lutra::kernel::single::skin::*;
use lutra::kernel::single::source::*;

/// A history of the world's job.
pub fn history(world: World, i: usize) -> Vec<u32> {
    vec![(i as u64 * u64::from(world.context().params.histories) / INPUTS as u64) as u32]
}

/// A row of the emission table and a place in it: now and then its first or its last, else anywhere.
fn place(world: World, g: &mut Inputs) -> (u32, u32) {
    let cx = world.context();
    let row = g.below(cx.params.emissions);
    let top = cx.emission_table[4 * row as usize];
    let below = if row == 0 { 0 } else { cx.emission_table[4 * (row as usize - 1)] + 1 };
    let word = match g.below(8) {
        0 => below,
        1 => top,
        2.. if g.i.is_multiple_of(2) => (g.i as u32) << 15,
        _ => g.word(),
    };
    if g.below(2) == 0 || (below..=top).contains(&word) {
        return (emission_row(&cx, word), word);
    }
    (row, below + ((u64::from(word) * (u64::from(top - below) + 1)) >> 32) as u32)
}

/// The birth of `h` with an emission of its own.
fn birth_at(cx: &Context, h: u32) -> Particle {
    birth(cx, h, Emission { row: 0, energy: h.wrapping_mul(7), weight: 65536 + h })
}

/// Range, edge and a number in (0, 1).
fn skin_case(g: &mut Inputs) -> Vec<u32> {
    bits([g.positive(1e-5, 20.0), g.positive(0.1, 10.0), g.unit()])
}

fn put_skin(skin: Skin, o: &mut [u32]) {
    o[..4].copy_from_slice(&[skin.fade, skin.depth, skin.mass, skin.tilt].map(f32::to_bits));
}

/// Cases of `source.rs` and `skin.rs`.
pub fn cases() -> Vec<Twin> {
    const BIRTH: &str = "twin_put_particle(o, birth(twin_in[a], Emission(0u, twin_in[a] * 7u, 65536u + twin_in[a])));";
    vec![
        twin!("source_row", Electron, 1 -> 1, "twin_out[o] = source_row(twin_in[a]);",
            |cx, a, o, _| o[0] = source_row(cx, a[0]),
            |g| history(World::Electron, g.i)),
        twin!("emission_row", Electron, 1 -> 1, "twin_out[o] = emission_row(twin_in[a]);",
            |cx, a, o, _| o[0] = emission_row(cx, a[0]),
            |g| vec![place(World::Electron, g).1]),
        twin!("emission_energy", Electron, 2 -> 1, "twin_out[o] = emission_energy(twin_in[a], twin_in[a + 1u]);",
            |cx, a, o, _| o[0] = emission_energy(cx, a[0], a[1]),
        |g| {
            let (row, word) = place(World::Electron, g);
            vec![row, word]
        }),
        twin!("emission_row", Photon, 1 -> 1, "twin_out[o] = emission_row(twin_in[a]);",
            |cx, a, o, _| o[0] = emission_row(cx, a[0]),
            |g| vec![place(World::Photon, g).1]),
        twin!("emission_energy", Photon, 2 -> 1, "twin_out[o] = emission_energy(twin_in[a], twin_in[a + 1u]);",
            |cx, a, o, _| o[0] = emission_energy(cx, a[0], a[1]),
        |g| {
            let (row, word) = place(World::Photon, g);
            vec![row, word]
        }),
        twin!("emission_of", Photon, 1 -> 3,
        "let e = emission_of(twin_in[a]);
             twin_out[o] = e.row;
             twin_out[o + 1u] = e.energy;
             twin_out[o + 2u] = e.weight;",
        |cx, a, o, _| {
            let e = emission_of(cx, a[0]);
            o[..3].copy_from_slice(&[e.row, e.energy, e.weight]);
        },
            |g| history(World::Photon, g.i)),
        twin!("weight_product", Electron, 2 -> 1, "twin_out[o] = weight_product(twin_in[a], twin_in[a + 1u]);",
            |_, a, o, _| o[0] = weight_product(a[0], a[1]),
            |g| vec![g.word(), if g.below(4) == 0 { 1 << 16 } else { g.word() }]),
        twin!("birth", Electron, 1 -> 15, BIRTH,
            |cx, a, o, _| put_particle(&birth_at(cx, a[0]), o),
            |g| history(World::Electron, g.i)),
        twin!("skin_of", Electron, 2 -> 4,
            "let s = skin_of(twin_f(a), twin_f(a + 1u));
             twin_put(o, s.fade);
             twin_put(o + 1u, s.depth);
             twin_put(o + 2u, s.mass);
             twin_put(o + 3u, s.tilt);",
            |_, a, o, _| put_skin(skin_of(f(a, 0), f(a, 1)), o),
            |g| bits([g.positive(1e-5, 20.0), g.positive(0.1, 10.0)])),
        twin!("skin_depth", Electron, 3 -> 1,
            "twin_put(o, skin_depth(skin_of(twin_f(a), twin_f(a + 1u)), twin_f(a + 2u)));",
            |_, a, o, _| o[0] = skin_depth(skin_of(f(a, 0), f(a, 1)), f(a, 2)).to_bits(),
            skin_case),
        twin!("skin_cosine", Electron, 3 -> 1,
            "twin_put(o, skin_cosine(skin_of(twin_f(a), twin_f(a + 1u)), twin_f(a + 2u)));",
            |_, a, o, _| o[0] = skin_cosine(skin_of(f(a, 0), f(a, 1)), f(a, 2)).to_bits(),
            skin_case),
        twin!("skin_density", Electron, 4 -> 1,
        "twin_put(o, skin_density(skin_of(twin_f(a), twin_f(a + 1u)), twin_f(a + 2u), twin_f(a + 3u)));",
        |_, a, o, _| o[0] = skin_density(skin_of(f(a, 0), f(a, 1)), f(a, 2), f(a, 3)).to_bits(),
        |g| {
            let mut w = skin_case(g);
            w.extend(bits([g.between(-1.0, 1.0)]));
            w
        }),
        twin!("skin_birth", Electron, 2 -> 15,
        "var p = birth(twin_in[a], emission_of(twin_in[a]));
             skin_birth(twin_in[a], &p, twin_f(a + 1u));
             twin_put_particle(o, p);",
        |cx, a, o, _| {
            let mut p = birth(cx, a[0], emission_of(cx, a[0]));
            skin_birth(cx, a[0], &mut p, f(a, 1));
            put_particle(&p, o);
        },
        |g| {
            let mut w = history(World::Electron, g.i);
            w.extend(bits([g.positive(1e-5, 20.0)]));
            w
        }),
        twin!("birth", Photon, 1 -> 15, BIRTH,
            |cx, a, o, _| put_particle(&birth_at(cx, a[0]), o),
            |g| history(World::Photon, g.i)),
        twin!("birth", Shells, 1 -> 15, BIRTH,
            |cx, a, o, _| put_particle(&birth_at(cx, a[0]), o),
            |g| history(World::Shells, g.i)),
    ]
}

#[test]
fn twin_birth() {
    hold(&cases());
}
