// Soft energy loss of a step: a simple distribution with the exact mean and variance.
//
// Collisions below the knock-on threshold are many and small; over several steps only the first two moments
// of their sum count (central limit). Shapes as in the PENELOPE manual, section 4.2: bell-shaped when the mean
// is well above the spread, uniform in between, a uniform tail with some losses of zero for very short steps.
// Twin: src/kernel/straggling.rs, from which `cargo xtask shaders` writes this file.

// Sum of four independent uniform numbers made from two words, scaled to mean 0 and variance 1; bounded by
// 2 sqrt 3.
fn bell(word_a: u32, word_b: u32) -> f32 {
  let sum = ((((word_a & 65535u) + (word_a >> 16u)) + (word_b & 65535u)) + (word_b >> 16u));
  return nc(nc(nc(nc(f32(sum) + 2.0f) * 1.5258789e-5f) - 2.0f) * 1.7320508f);
}

// Energy loss in keV with the mean (keV) and variance (keV2) given, never negative.
fn soft_loss(rng: ptr<function, Rng>, mean: f32, variance: f32) -> f32 {
  var result_: f32;
  let square = nc(mean * mean);
  if (square > nc(12.0f * variance)) {
    let a = rng_next(rng);
    let b = rng_next(rng);
    result_ = nc(mean + nc(root(variance) * bell(a, b)));
  } else {
    let u = random(rng);
    if (square > nc(3.0f * variance)) {
      result_ = nc(mean + nc(root(nc(3.0f * variance)) * nc(nc(2.0f * u) - 1.0f)));
    } else {
      let both = nc(variance + square);
      let q = nc(nc(1.3333334f * square) * recip(both));
      if (u > q) {
        result_ = 0.0f;
      } else {
        let top = nc(nc(1.5f * both) * recip(mean));
        result_ = nc(nc(u * top) * recip(q));
      }
    }
  }
  return result_;
}

