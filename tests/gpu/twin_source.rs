//! Birth of a history.

use crate::bench::{INPUTS, Twin, World, hold, put_particle};
use crate::twin;
use lutra::kernel::single::source::*;

/// A history of the world's job.
fn history(world: World, i: usize) -> Vec<u32> {
    vec![(i as u64 * u64::from(world.context().params.histories) / INPUTS as u64) as u32]
}

/// Cases of `source.rs`.
pub fn cases() -> Vec<Twin> {
    const BIRTH: &str = "twin_put_particle(o, birth(twin_in[a]));";
    vec![
        twin!("source_row", Electron, 1 -> 1, "twin_out[o] = source_row(twin_in[a]);",
            |cx, a, o, _| o[0] = source_row(cx, a[0]),
            |g| history(World::Electron, g.i)),
        twin!("emission_energy", Electron, 1 -> 1, "twin_out[o] = emission_energy(twin_in[a]);",
            |cx, a, o, _| o[0] = emission_energy(cx, a[0]),
            |g| vec![if g.i % 2 == 0 { (g.i as u32) << 15 } else { g.word() }]),
        twin!("emission_energy", Photon, 1 -> 1, "twin_out[o] = emission_energy(twin_in[a]);",
            |cx, a, o, _| o[0] = emission_energy(cx, a[0]),
            |g| vec![if g.i % 2 == 0 { (g.i as u32) << 15 } else { g.word() }]),
        twin!("birth", Electron, 1 -> 14, BIRTH,
            |cx, a, o, s| put_particle(&birth(cx, a[0], s), o),
            |g| history(World::Electron, g.i)),
        twin!("birth", Photon, 1 -> 14, BIRTH,
            |cx, a, o, s| put_particle(&birth(cx, a[0], s), o),
            |g| history(World::Photon, g.i)),
        twin!("birth", Shells, 1 -> 14, BIRTH,
            |cx, a, o, s| put_particle(&birth(cx, a[0], s), o),
            |g| history(World::Shells, g.i)),
    ]
}

#[test]
fn twin_birth() {
    hold(&cases());
}
