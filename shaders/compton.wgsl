// Incoherent scattering: Klein-Nishina times the incoherent scattering function.
//
// Mixture of 1/e and e for the ratio e of the energies (Butcher & Messel 1960, Nucl. Phys. 20:15), rejection by
// 1 - e sin^2/(1 + e^2) and by S(x). Doppler broadening is left out: it moves no dose above 10 keV by 0.1 %.
// Twin: src/kernel/compton.rs, from which `cargo xtask shaders` writes this file.

// 1/(h c) in 1/(keV Angstrom) (CODATA 2018).
const PER_KEV_ANGSTROM: f32 = 0.08065544f;

// Outcome of a scattering.
struct Scattered {
  // Energy of the photon over its energy before.
  ratio: f32,
  // Cosine of the scattering angle.
  cos_theta: f32,
}

// Samples incoherent scattering at `energy_kev`; `row` is the tissue's first row of the scattering table.
fn compton(rng: ptr<function, Rng>, row: u32, energy_kev: f32) -> Scattered {
  var result_: Scattered;
  let k = nc(energy_kev * recip(ELECTRON_REST));
  let k_inv = recip(k);
  let lowest = recip(nc(1.0f + nc(2.0f * k)));
  let alpha1 = (-ln(lowest));
  let alpha2 = nc(0.5f * nc(1.0f - nc(lowest * lowest)));
  let first = nc(alpha1 * recip(nc(alpha1 + alpha2)));
  var result = Scattered(1.0f, 1.0f);
  var left_ = false;
  for (var count_ = 0u; count_ < 1000u; count_ += 1u) {
    let choose = random(rng);
    let u = random(rng);
    var ratio = root(nc(nc(lowest * lowest) + nc(nc(1.0f - nc(lowest * lowest)) * u)));
    if (choose < first) {
      ratio = nc(lowest * exp_of(nc(alpha1 * u)));
    }
    ratio = fmin(fmax(ratio, lowest), 1.0f);
    let one_minus_cos = fmin(nc(nc(recip(ratio) - 1.0f) * k_inv), 2.0f);
    let t = fmax(one_minus_cos, 0.0f);
    let sin2 = nc(t * nc(2.0f - t));
    let weight = nc(1.0f - nc(nc(ratio * sin2) * recip(nc(1.0f + nc(ratio * ratio)))));
    let x = nc(nc(energy_kev * PER_KEV_ANGSTROM) * root(nc(0.5f * t)));
    let bound = scatter_value(row, momentum_bin(x), COLUMN_SCATTERING_FUNCTION);
    result = Scattered(ratio, nc(1.0f - t));
    if (random(rng) < nc(weight * bound)) {
      result_ = result;
      left_ = true;
      break;
    }
  }
  if !left_ {
    sink_flag(FLAG_REJECTION);
    result_ = result;
  }
  return result_;
}

