// Deflection of an electron over a step: soft collisions together, hard ones singly, all at the hinge.
//
// Hard elastic collisions (mu = (1 - cos)/2 above a cut-off) follow the Wentzel law and are drawn one by one;
// their number is Poisson. All other deflections of the step, elastic and inelastic, are drawn at once from a
// distribution with their exact first and second moments (Fernandez-Varea et al. 1993, NIM B 73:447; PENELOPE
// manual, section 4.1). See docs/methods/transport.md.
// Twin: src/kernel/elastic.rs, from which `cargo xtask shaders` writes this file.

// (1 - cos)/2 of the soft deflection over a path with `k1` and `k2` first and second transport mean free paths,
// from one uniform number: uniform on [0, b] with probability a, else uniform on [b, 1].
fn soft_mu(k1: f32, k2: f32, u: f32) -> f32 {
  var result_: f32;
  let mean = nc(0.5f * one_minus_exp(k1));
  let b = nc(nc(nc(0.5f * one_minus_exp(k2)) - mean) * recip(nc(1.0f - nc(2.0f * mean))));
  let a = nc(nc(1.0f - nc(2.0f * mean)) + b);
  if (u < a) {
    result_ = nc(nc(u * b) * recip(a));
  } else {
    result_ = nc(b + nc(nc(nc(u - a) * nc(1.0f - b)) * recip(nc(1.0f - a))));
  }
  return result_;
}

// (1 - cos)/2 of a hard elastic collision: the Wentzel law 1/(mu + A)^2 on [cut, 1], inverted.
fn hard_mu(screening: f32, mu_cut: f32, u: f32) -> f32 {
  let low = nc(mu_cut + screening);
  let high = nc(1.0f + screening);
  let v = nc(nc(low * high) * recip(nc(high - nc(u * nc(1.0f - mu_cut)))));
  return fmin(nc(v - screening), 1.0f);
}

// Cosine of the angle composed of a polar angle and a further turn of given mu at a random azimuth.
fn compose(cos_a: f32, mu_b: f32, cos_azimuth: f32) -> f32 {
  let sin_a = root(nc(1.0f - nc(cos_a * cos_a)));
  let sin_b = nc(2.0f * root(nc(mu_b * nc(1.0f - mu_b))));
  return nc(nc(cos_a * nc(1.0f - nc(2.0f * mu_b))) + nc(nc(sin_a * sin_b) * cos_azimuth));
}

// Deflects the particle as the whole step `areal` (g/cm2) does, with the cross sections at `bin`.
fn scatter(rng: ptr<function, Rng>, p: ptr<function, Particle>, row: u32, bin: Bin, areal: f32) {
  let k1 = nc(areal * electron_value(row, bin, COLUMN_SOFT_1));
  let k2 = nc(areal * electron_value(row, bin, COLUMN_SOFT_2));
  let mu = soft_mu(k1, k2, random(rng));
  var cos_theta = nc(1.0f - nc(2.0f * mu));
  var sin_theta = nc(2.0f * root(nc(mu * nc(1.0f - mu))));
  let hard = nc(areal * electron_value(row, bin, COLUMN_HARD));
  let floor = exp_of((-hard));
  var product = random(rng);
  var count = 0u;
  while (product > floor) {
    let screening = electron_value(row, bin, COLUMN_SCREENING);
    let mu_cut = electron_value(row, bin, COLUMN_MU_CUT);
    let mu_hard = hard_mu(screening, mu_cut, random(rng));
    let azimuth = sin_cos_turn(rng_next(rng));
    cos_theta = compose(cos_theta, mu_hard, azimuth.cos);
    sin_theta = root(nc(1.0f - nc(cos_theta * cos_theta)));
    product = nc(product * random(rng));
    count = (count + 1u);
    if (count > 200u) {
      sink_flag(FLAG_REJECTION);
      product = 0.0f;
    }
  }
  let around = sin_cos_turn(rng_next(rng));
  turn(p, cos_theta, sin_theta, around);
}

