//! One independent stream of random words per history: xoshiro128++ (Blackman & Vigna 2021, ACM Trans. Math.
//! Softw. 47:36) whose 128-bit state is pcg4d (Jarzynski & Olano 2020, JCGT 9(3):21) applied twice to the
//! history's number and the seed. One application fails the avalanche test, two pass.

use super::Real;

/// State of xoshiro128++.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Rng {
    /// First word.
    pub a: u32,
    /// Second word.
    pub b: u32,
    /// Third word.
    pub c: u32,
    /// Fourth word.
    pub d: u32,
}

/// The hash pcg4d of four words.
pub fn pcg4d(v: Rng) -> Rng {
    let mut a = v.a.wrapping_mul(1664525u32).wrapping_add(1013904223u32);
    let mut b = v.b.wrapping_mul(1664525u32).wrapping_add(1013904223u32);
    let mut c = v.c.wrapping_mul(1664525u32).wrapping_add(1013904223u32);
    let mut d = v.d.wrapping_mul(1664525u32).wrapping_add(1013904223u32);
    a = a.wrapping_add(b.wrapping_mul(d));
    b = b.wrapping_add(c.wrapping_mul(a));
    c = c.wrapping_add(a.wrapping_mul(b));
    d = d.wrapping_add(b.wrapping_mul(c));
    a = a ^ (a >> 16);
    b = b ^ (b >> 16);
    c = c ^ (c >> 16);
    d = d ^ (d >> 16);
    a = a.wrapping_add(b.wrapping_mul(d));
    b = b.wrapping_add(c.wrapping_mul(a));
    c = c.wrapping_add(a.wrapping_mul(b));
    d = d.wrapping_add(b.wrapping_mul(c));
    Rng { a: a, b: b, c: c, d: d }
}

/// Four well-mixed words from a key of four words.
pub fn hash_key(a: u32, b: u32, c: u32, d: u32) -> Rng {
    let first = pcg4d(Rng { a: a, b: b, c: c, d: d });
    pcg4d(first)
}

/// The stream of one history of one batch under one seed.
pub fn rng_for(history: u32, batch: u32, seed_low: u32, seed_high: u32) -> Rng {
    let mut s = hash_key(history, batch, seed_low, seed_high);
    if (s.a | s.b | s.c | s.d) == 0u32 {
        s.a = 0x9E37_79B9u32;
    }
    s
}

/// The next word.
pub fn rng_next(s: &mut Rng) -> u32 {
    let r = s.a.wrapping_add(s.d).rotate_left(7).wrapping_add(s.a);
    let t = s.b << 9;
    s.c = s.c ^ s.a;
    s.d = s.d ^ s.b;
    s.b = s.b ^ s.c;
    s.a = s.a ^ s.d;
    s.c = s.c ^ t;
    s.d = s.d.rotate_left(11);
    r
}

/// Uniform number in (0, 1): (k + 1/2) 2^-23 with k the word's upper 23 bits, exact in f32.
pub fn unit_from_word(word: u32) -> Real {
    ((word >> 9) as Real) * 1.192_092_895_507_812_5e-7 + 5.960_464_477_539_062_5e-8
}

/// The next uniform number in (0, 1).
pub fn random(s: &mut Rng) -> Real {
    unit_from_word(rng_next(s))
}
