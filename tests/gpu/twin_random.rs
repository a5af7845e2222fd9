//! Random words and what is made of them.

use crate::bench::{Twin, hold, put_rng, rng_of};
use crate::twin;
use lutra::kernel::single::rng::*;

/// Cases of `rng.rs`.
pub fn cases() -> Vec<Twin> {
    vec![
        twin!("pcg4d", Electron, 4 -> 4, "twin_put_rng(o, pcg4d(twin_rng(a)));",
            |_, a, o, _| put_rng(&pcg4d(rng_of(a)), o),
            |g| vec![g.word(), g.word(), g.word(), g.word()]),
        twin!("hash_key", Electron, 4 -> 4, "twin_put_rng(o, hash_key(twin_in[a], twin_in[a + 1u], twin_in[a + 2u], twin_in[a + 3u]));",
            |_, a, o, _| put_rng(&hash_key(a[0], a[1], a[2], a[3]), o),
            |g| vec![g.word(), g.word(), g.word(), g.word()]),
        twin!("rng_for", Electron, 4 -> 4, "twin_put_rng(o, rng_for(twin_in[a], twin_in[a + 1u], twin_in[a + 2u], twin_in[a + 3u]));",
            |_, a, o, _| put_rng(&rng_for(a[0], a[1], a[2], a[3]), o),
            |g| vec![g.i as u32, g.below(200), g.word(), g.word()]),
        twin!("rng_next", Electron, 4 -> 20,
            "var s = twin_rng(a);
             for (var k = 0u; k < 16u; k += 1u) {
               twin_out[o + k] = rng_next(&s);
             }
             twin_put_rng(o + 16u, s);",
            |_, a, o, _| {
                let mut s = rng_of(a);
                for w in &mut o[..16] {
                    *w = rng_next(&mut s);
                }
                put_rng(&s, &mut o[16..]);
            },
            |g| vec![g.word(), g.word(), g.word(), g.word()]),
        twin!("unit_from_word", Electron, 1 -> 1, "twin_put(o, unit_from_word(twin_in[a]));",
            |_, a, o, _| o[0] = unit_from_word(a[0]).to_bits(),
            |g| vec![g.word()]),
        twin!("random", Electron, 4 -> 6,
            "var s = twin_rng(a);
             twin_put(o, random(&s));
             twin_put(o + 1u, random(&s));
             twin_put_rng(o + 2u, s);",
            |_, a, o, _| {
                let mut s = rng_of(a);
                o[0] = random(&mut s).to_bits();
                o[1] = random(&mut s).to_bits();
                put_rng(&s, &mut o[2..]);
            },
            |g| g.rng().to_vec()),
    ]
}

#[test]
fn twin_random_words() {
    hold(&cases());
}
