// Knock-on electrons above the threshold: Moller scattering (Moller 1932, Ann. Phys. 406:531; ICRU 37 eq. 2.9).
// Twin: src/kernel/moller.rs, from which `cargo xtask shaders` writes this file.

// Electron rest energy, keV (CODATA 2018).
const ELECTRON_REST: f32 = 510.99896f;

// Moller's law over 1/e^2 at the share e of the energy transferred: 1 + (e/(1-e))^2 + a e^2 - b e/(1-e).
fn moller_shape(share: f32, a: f32, b: f32) -> f32 {
  let ratio = nc(share * recip(nc(1.0f - share)));
  return nc(nc(nc(1.0f + nc(ratio * ratio)) + nc(nc(a * share) * share)) - nc(b * ratio));
}

// Energy of the knock-on electron, keV, between the threshold and half the energy.
fn knock_on_energy(rng: ptr<function, Rng>, energy_kev: f32) -> f32 {
  var result_: f32;
  let gamma_inv = nc(ELECTRON_REST * recip(nc(energy_kev + ELECTRON_REST)));
  let a = nc(nc(1.0f - gamma_inv) * nc(1.0f - gamma_inv));
  let b = nc(nc(2.0f - gamma_inv) * gamma_inv);
  let lowest = nc((params.knock_on_kev) * recip(energy_kev));
  let bound = fmax(1.0f, moller_shape(0.5f, a, b));
  var share = lowest;
  var left_ = false;
  for (var count_ = 0u; count_ < 200u; count_ += 1u) {
    share = nc(lowest * recip(nc(1.0f - nc(random(rng) * nc(1.0f - nc(2.0f * lowest))))));
    if (nc(random(rng) * bound) <= moller_shape(share, a, b)) {
      result_ = nc(fmin(share, 0.5f) * energy_kev);
      left_ = true;
      break;
    }
  }
  if !left_ {
    sink_flag(FLAG_REJECTION);
    result_ = nc(fmin(share, 0.5f) * energy_kev);
  }
  return result_;
}

// Cosine of the angle of an electron that keeps `kept_kev` of `energy_kev` in a collision with one at rest.
fn collision_cos(energy_kev: f32, kept_kev: f32) -> f32 {
  let num = nc(kept_kev * nc(energy_kev + nc(2.0f * ELECTRON_REST)));
  let den = nc(energy_kev * nc(kept_kev + nc(2.0f * ELECTRON_REST)));
  return fmin(root(nc(num * recip(den))), 1.0f);
}

