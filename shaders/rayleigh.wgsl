// Coherent scattering: Thomson times the squared form factor, sampled in the squared momentum transfer.
// Twin: src/kernel/rayleigh.rs, from which `cargo xtask shaders` writes this file.

// Integral of the squared form factor up to a node of the momentum-transfer grid.
fn form_factor_integral(row: u32, node: u32) -> f32 {
  return scatter_table[(((row + node) * SCATTER_COLUMNS) + COLUMN_FORM_FACTOR)];
}

// Momentum transfer of a node, 1/Angstrom.
fn momentum_of_node(node: u32) -> f32 {
  return bitcast<f32>((MOMENTUM_FIRST_BITS + (node << 19u)));
}

// Cosine of the angle of coherent scattering at `energy_kev`; `row` is the tissue's first row of the table.
fn rayleigh(rng: ptr<function, Rng>, row: u32, energy_kev: f32) -> f32 {
  var result_: f32;
  let x_max = nc(energy_kev * PER_KEV_ANGSTROM);
  let top = scatter_value(row, momentum_bin(x_max), COLUMN_FORM_FACTOR);
  let inv = recip(nc(x_max * x_max));
  var cos_theta = 1.0f;
  var left_ = false;
  for (var count_ = 0u; count_ < 1000u; count_ += 1u) {
    let c = nc(random(rng) * top);
    var low = 0u;
    var high = (MOMENTUM_NODES - 1u);
    while ((high - low) > 1u) {
      let middle = ((low + high) >> 1u);
      if (form_factor_integral(row, middle) > c) {
        high = middle;
      } else {
        low = middle;
      }
    }
    let first = form_factor_integral(row, 0u);
    let a = form_factor_integral(row, low);
    let b = form_factor_integral(row, high);
    let xa = momentum_of_node(low);
    let xb = momentum_of_node(high);
    var x2 = nc(nc(xa * xa) * nc(c * recip(first)));
    if (c >= first) {
      x2 = nc(nc(xa * xa) + nc(nc(nc(xb * xb) - nc(xa * xa)) * nc(nc(c - a) * recip(nc(b - a)))));
    }
    cos_theta = nc(1.0f - nc(2.0f * fmin(nc(x2 * inv), 1.0f)));
    if (nc(random(rng) * 2.0f) < nc(1.0f + nc(cos_theta * cos_theta))) {
      result_ = cos_theta;
      left_ = true;
      break;
    }
  }
  if !left_ {
    sink_flag(FLAG_REJECTION);
    result_ = cos_theta;
  }
  return result_;
}

