// One independent stream of random words per history: xoshiro128++ (Blackman & Vigna 2021, ACM Trans. Math.
// Softw. 47:36) whose 128-bit state is pcg4d (Jarzynski & Olano 2020, JCGT 9(3):21) applied twice to the
// history's number and the seed. One application fails the avalanche test, two pass.
// Twin: src/kernel/rng.rs, from which `cargo xtask shaders` writes this file.

// State of xoshiro128++.
struct Rng {
  // First word.
  a: u32,
  // Second word.
  b: u32,
  // Third word.
  c: u32,
  // Fourth word.
  d: u32,
}

// The hash pcg4d of four words.
fn pcg4d(v: Rng) -> Rng {
  var a = ((v.a * 1664525u) + 1013904223u);
  var b = ((v.b * 1664525u) + 1013904223u);
  var c = ((v.c * 1664525u) + 1013904223u);
  var d = ((v.d * 1664525u) + 1013904223u);
  a = (a + (b * d));
  b = (b + (c * a));
  c = (c + (a * b));
  d = (d + (b * c));
  a = (a ^ (a >> 16u));
  b = (b ^ (b >> 16u));
  c = (c ^ (c >> 16u));
  d = (d ^ (d >> 16u));
  a = (a + (b * d));
  b = (b + (c * a));
  c = (c + (a * b));
  d = (d + (b * c));
  return Rng(a, b, c, d);
}

// Four well-mixed words from a key of four words.
fn hash_key(a: u32, b: u32, c: u32, d: u32) -> Rng {
  let first = pcg4d(Rng(a, b, c, d));
  return pcg4d(first);
}

// The stream of one history of one batch under one seed.
fn rng_for(history: u32, batch: u32, seed_low: u32, seed_high: u32) -> Rng {
  var s = hash_key(history, batch, seed_low, seed_high);
  if ((((s.a | s.b) | s.c) | s.d) == 0u) {
    s.a = 2654435769u;
  }
  return s;
}

// The next word.
fn rng_next(s: ptr<function, Rng>) -> u32 {
  let r = (rotate_left(((*s).a + (*s).d), 7u) + (*s).a);
  let t = ((*s).b << 9u);
  (*s).c = ((*s).c ^ (*s).a);
  (*s).d = ((*s).d ^ (*s).b);
  (*s).b = ((*s).b ^ (*s).c);
  (*s).a = ((*s).a ^ (*s).d);
  (*s).c = ((*s).c ^ t);
  (*s).d = rotate_left((*s).d, 11u);
  return r;
}

// Uniform number in (0, 1): (k + 1/2) 2^-23 with k the word's upper 23 bits, exact in f32.
fn unit_from_word(word: u32) -> f32 {
  return nc(nc((f32((word >> 9u))) * 1.1920929e-7f) + 5.9604645e-8f);
}

// The next uniform number in (0, 1).
fn random(s: ptr<function, Rng>) -> f32 {
  return unit_from_word(rng_next(s));
}

