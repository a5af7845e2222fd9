//! Walking through voxels and turning.

use crate::bench::{Twin, bits, f, hold, particle_of, put_particle, put_rng, rng_of};
use crate::twin;
use lutra::kernel::single::electron::tally_bin;
use lutra::kernel::single::math::sin_cos_turn;
use lutra::kernel::single::navigate::*;
use lutra::kernel::single::rotate::turn;

/// Cases of `navigate.rs`, `rotate.rs` and the tally's bin.
pub fn cases() -> Vec<Twin> {
    vec![
        twin!("voxel_index", Electron, 15 -> 1, "twin_out[o] = voxel_index(twin_particle(a));",
            |cx, a, o, _| o[0] = voxel_index(cx, &particle_of(a)),
            |g| g.particle(1.0, 500.0)),
        twin!("voxel_density", Electron, 1 -> 1, "twin_put(o, voxel_density(twin_in[a]));",
            |_, a, o, _| o[0] = voxel_density(a[0]).to_bits(),
            |g| vec![g.positive(1e-9, 30.0).to_bits()]),
        twin!("voxel_tissue", Electron, 1 -> 1, "twin_out[o] = voxel_tissue(twin_in[a]);",
            |_, a, o, _| o[0] = voxel_tissue(a[0]),
            |g| vec![g.word()]),
        twin!("is_within", Electron, 2 -> 1, "twin_out[o] = u32(is_within(twin_f(a), twin_f(a + 1u)));",
        |_, a, o, _| o[0] = u32::from(is_within(f(a, 0), f(a, 1))),
        |g| match g.below(8) {
            0 => vec![g.below(2) << 31, g.positive(1e-9, 30.0).to_bits()],
            1 => vec![0x7F80_0000 | g.word(), g.positive(1e-9, 30.0).to_bits()],
            _ => bits([g.signed(3.0), g.positive(1e-9, 3.0)]),
        }),
        // three in four particles have one word spoiled: a place, a direction, a voxel
        twin!("is_lost", Electron, 15 -> 1, "twin_out[o] = u32(is_lost(twin_particle(a)));",
        |cx, a, o, _| o[0] = u32::from(is_lost(cx, &particle_of(a))),
        |g| {
            let mut p = g.particle(1.0, 500.0);
            let place = [4, 5, 6, 8, 9, 10, 0, 1, 2][g.below(9) as usize];
            match g.below(4) {
                0 => p[place] = 0x7FC0_0000,
                1 => p[place] ^= 1 << 31,
                2 => p[place] = g.signed(2.0).to_bits(),
                _ => {}
            }
            p
        }),
        twin!("face_distance", Electron, 15 -> 1, "twin_put(o, face_distance(twin_particle(a)));",
            |cx, a, o, _| o[0] = face_distance(cx, &particle_of(a)).to_bits(),
            |g| g.particle(1.0, 500.0)),
        twin!("inverse", Electron, 1 -> 1, "twin_put(o, inverse(twin_f(a)));",
            |_, a, o, _| o[0] = inverse(f(a, 0)).to_bits(),
            |g| bits([if g.below(64) == 0 { 0.0 } else { g.signed(1.0) }])),
        twin!("exit_along", Electron, 15 -> 2,
            "let p = twin_particle(a);
             let e = exit_along(p, inverse(p.ux), inverse(p.uy), inverse(p.uz));
             twin_put(o, e.distance);
             twin_out[o + 1u] = e.axis;",
            |cx, a, o, _| {
                let p = particle_of(a);
                let e = exit_along(cx, &p, inverse(p.ux), inverse(p.uy), inverse(p.uz));
                o.copy_from_slice(&[e.distance.to_bits(), e.axis]);
            },
            |g| g.particle(1.0, 500.0)),
        twin!("advance", Electron, 16 -> 15,
        "var p = twin_particle(a);
             advance(&p, twin_f(a + 15u));
             twin_put_particle(o, p);",
        |cx, a, o, _| {
            let mut p = particle_of(a);
            advance(cx, &mut p, f(a, 15));
            put_particle(&p, o);
        },
        |g| {
            let mut w = g.particle(1.0, 500.0);
            w.push(g.between(0.0, 4.0).to_bits());
            w
        }),
        twin!("cross", Electron, 16 -> 16,
        "var p = twin_particle(a);
             twin_out[o + 15u] = select(0u, 1u, cross(&p, twin_in[a + 15u]));
             twin_put_particle(o, p);",
        |cx, a, o, _| {
            let mut p = particle_of(a);
            o[15] = u32::from(cross(cx, &mut p, a[15]));
            put_particle(&p, o);
        },
        |g| {
            let mut w = g.particle(1.0, 500.0);
            w.push(g.below(3));
            w
        }),
        twin!("turn", Electron, 17 -> 15,
        "var p = twin_particle(a);
             let c = twin_f(a + 15u);
             turn(&p, c, root(nc(1.0f - nc(c * c))), sin_cos_turn(twin_in[a + 16u]));
             twin_put_particle(o, p);",
        |_, a, o, _| {
            let mut p = particle_of(a);
            let c = f(a, 15);
            turn(&mut p, c, lutra::kernel::single::math::root(1.0 - c * c), sin_cos_turn(a[16]));
            put_particle(&p, o);
        },
        |g| {
            let mut w = g.particle(1.0, 500.0);
            w.extend([g.between(-1.0, 1.0).to_bits(), g.word()]);
            w
        }),
        twin!("tally_bin", Electron, 20 -> 5,
        "var s = twin_rng(a + 16u);
             twin_out[o] = tally_bin(&s, twin_particle(a), twin_f(a + 15u));
             twin_put_rng(o + 1u, s);",
        |cx, a, o, _| {
            let mut s = rng_of(&a[16..]);
            o[0] = tally_bin(cx, &mut s, &particle_of(a), f(a, 15));
            put_rng(&s, &mut o[1..]);
        },
        |g| {
            let mut w = g.particle(1.0, 500.0);
            w.push(g.between(0.0, 4.0).to_bits());
            w.extend(g.rng());
            w
        }),
        twin!("tally_bin", Shells, 20 -> 5,
        "var s = twin_rng(a + 16u);
             twin_out[o] = tally_bin(&s, twin_particle(a), twin_f(a + 15u));
             twin_put_rng(o + 1u, s);",
        |cx, a, o, _| {
            let mut s = rng_of(&a[16..]);
            o[0] = tally_bin(cx, &mut s, &particle_of(a), f(a, 15));
            put_rng(&s, &mut o[1..]);
        },
        |g| {
            let mut w = g.particle(1.0, 500.0);
            w[4..7].copy_from_slice(&bits([g.between(3.0, 7.0), g.between(3.0, 7.0), g.between(3.0, 7.0)]));
            w.push(g.between(0.0, 0.5).to_bits());
            w.extend(g.rng());
            w
        }),
    ]
}

#[test]
fn twin_walk_and_turn() {
    hold(&cases());
}
