// Elementary functions from + - * and bit patterns alone, the same bits on every device.
//
// Drivers disagree on log, exp, sin, cos, division, sqrt and fused multiply-add; they agree on single
// sums and products of normal numbers. Denormal numbers are avoided: arguments are bounded away from them.
// Twin: src/kernel/math.rs, from which `cargo xtask shaders` writes this file.

// Sine and cosine of one angle.
struct SinCos {
  // Sine.
  sin: f32,
  // Cosine.
  cos: f32,
}

// The smaller of two numbers.
fn fmin(a: f32, b: f32) -> f32 {
  var result_: f32;
  if (a < b) {
    result_ = a;
  } else {
    result_ = b;
  }
  return result_;
}

// The larger of two numbers.
fn fmax(a: f32, b: f32) -> f32 {
  var result_: f32;
  if (a > b) {
    result_ = a;
  } else {
    result_ = b;
  }
  return result_;
}

// Magnitude.
fn fabs(a: f32) -> f32 {
  var result_: f32;
  if (a < 0.0f) {
    result_ = (-a);
  } else {
    result_ = a;
  }
  return result_;
}

// 1/x for normal x > 0; within 2 units in the last place. Newton's iteration from a bit pattern.
fn recip(x: f32) -> f32 {
  var r = bitcast<f32>((2129859015u - bitcast<u32>(x)));
  r = nc(r * nc(2.0f - nc(x * r)));
  r = nc(r * nc(2.0f - nc(x * r)));
  r = nc(r * nc(2.0f - nc(x * r)));
  return r;
}

// 1/sqrt(x) for normal x > 0; within 3 units in the last place. Newton's iteration from a bit pattern.
fn rsqrt(x: f32) -> f32 {
  let h = nc(0.5f * x);
  var r = bitcast<f32>((1597463174u - (bitcast<u32>(x) >> 1u)));
  r = nc(r * nc(1.5f - nc(nc(h * r) * r)));
  r = nc(r * nc(1.5f - nc(nc(h * r) * r)));
  r = nc(r * nc(1.5f - nc(nc(h * r) * r)));
  return r;
}

// Square root of x >= 0; 0 below 1e-30.
fn root(x: f32) -> f32 {
  var result_: f32;
  if (x < 1e-30f) {
    result_ = 0.0f;
  } else {
    result_ = nc(x * rsqrt(x));
  }
  return result_;
}

// Natural logarithm of normal x > 0 (Cephes logf polynomial, Moshier 1984), within 1 unit in the last place.
fn ln(x: f32) -> f32 {
  let b = bitcast<u32>(x);
  var e = (i32((b >> 23u)) - 126i);
  var m = bitcast<f32>(((b & 8388607u) | 1056964608u));
  if (m < 0.70710677f) {
    e = (e - 1i);
    m = nc(nc(m + m) - 1.0f);
  } else {
    m = nc(m - 1.0f);
  }
  let z = nc(m * m);
  var y = 0.070376836f;
  y = nc(nc(y * m) - 0.1151461f);
  y = nc(nc(y * m) + 0.116769984f);
  y = nc(nc(y * m) - 0.12420141f);
  y = nc(nc(y * m) + 0.14249323f);
  y = nc(nc(y * m) - 0.16668057f);
  y = nc(nc(y * m) + 0.20000714f);
  y = nc(nc(y * m) - 0.24999994f);
  y = nc(nc(y * m) + 0.3333333f);
  y = nc(nc(y * m) * z);
  let fe = f32(e);
  y = nc(y - nc(fe * 0.00021219444f));
  y = nc(y - nc(0.5f * z));
  let r = nc(m + y);
  return nc(r + nc(fe * 0.6933594f));
}

// Exponential of -80 <= x <= 80 (Cephes expf polynomial, Moshier 1984); 0 below.
fn exp_of(x: f32) -> f32 {
  var result_: f32;
  if (x < (-80.0f)) {
    result_ = 0.0f;
  } else {
    let n = (i32((u32(nc(nc(x * 1.442695f) + 128.5f)))) - 128i);
    let fnn = f32(n);
    let r = nc(nc(x - nc(fnn * 0.6933594f)) + nc(fnn * 0.00021219444f));
    var y = 0.00019875691f;
    y = nc(nc(y * r) + 0.0013981999f);
    y = nc(nc(y * r) + 0.008333452f);
    y = nc(nc(y * r) + 0.041665796f);
    y = nc(nc(y * r) + 0.16666666f);
    y = nc(nc(y * r) + 0.5f);
    y = nc(nc(nc(y * r) * r) + r);
    y = nc(y + 1.0f);
    result_ = nc(y * bitcast<f32>(((u32((n + 127i))) << 23u)));
  }
  return result_;
}

// 1 - exp_of(-x) for x >= 0, without cancellation.
fn one_minus_exp(x: f32) -> f32 {
  var result_: f32;
  if (x > 0.5f) {
    result_ = nc(1.0f - exp_of((-x)));
  } else {
    var y = nc(1.0f - nc(x * 0.14285715f));
    y = nc(1.0f - nc(nc(x * 0.16666667f) * y));
    y = nc(1.0f - nc(nc(x * 0.2f) * y));
    y = nc(1.0f - nc(nc(x * 0.25f) * y));
    y = nc(1.0f - nc(nc(x * 0.33333334f) * y));
    y = nc(1.0f - nc(nc(x * 0.5f) * y));
    result_ = nc(x * y);
  }
  return result_;
}

// Sine and cosine of the angle `turn / 2^32` of a full turn (Cephes sinf and cosf polynomials, Moshier 1984).
fn sin_cos_turn(turn: u32) -> SinCos {
  let q = ((turn + 536870912u) >> 30u);
  let d = ((i32((turn - (q << 30u)))) >> 7u);
  let a = nc((f32(d)) * 1.872535e-7f);
  let z = nc(a * a);
  var s = (-0.00019515296f);
  s = nc(nc(s * z) + 0.008332161f);
  s = nc(nc(s * z) - 0.16666655f);
  s = nc(nc(nc(s * z) * a) + a);
  var c = 2.4433157e-5f;
  c = nc(nc(c * z) - 0.0013887316f);
  c = nc(nc(c * z) + 0.041666646f);
  c = nc(nc(c * z) * z);
  c = nc(c - nc(0.5f * z));
  c = nc(c + 1.0f);
  let odd = ((q & 1u) == 1u);
  let sine = select(s, c, odd);
  let cosine = select(c, (-s), odd);
  let half = ((q & 2u) == 2u);
  return SinCos(select(sine, (-sine), half), select(cosine, (-cosine), half));
}

// A whole number as a float, correctly rounded on every driver (a plain conversion is exact below 2^24 only).
fn real_from_u32(x: u32) -> f32 {
  return nc(nc((f32((x >> 12u))) * 4096.0f) + (f32((x & 4095u))));
}

// Energy units (2^-5 eV) of an energy in keV, rounded to nearest; negative energies count as none.
fn units_from_kev(energy_kev: f32) -> u32 {
  return u32(fmax(nc(nc(energy_kev * 32000.0f) + 0.5f), 0.0f));
}

// Energy in keV of a number of energy units (2^-5 eV).
fn kev_from_units(units: u32) -> f32 {
  return nc(real_from_u32(units) * 3.125e-5f);
}

