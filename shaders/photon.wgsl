// The life of a photon: exact flight through the voxels, energy tallied along the track, collisions analogue.
//
// The default tally is the track-length estimator: every voxel crossed receives the energy that the photon would
// leave there on average (its energy-transfer coefficient times the areal density crossed). Collisions decide the
// photon's fate and fill the ledger; the analogue estimator tallies them instead.
// Twin: src/kernel/photon.rs, from which `cargo xtask shaders` writes this file.

// No photon makes more steps than this.
const PHOTON_STEP_LIMIT: u32 = 1000000u;

// Voxels crossed in one step at most.
const PHOTON_VOXELS_A_STEP: u32 = 16u;

// The photon of history `h`. Bremsstrahlung is as strong as the tissue of its birth makes it: its weight follows, and is
// 0 in vacuum.
fn photon_birth(h: u32) -> Particle {
  let emission = emission_of(h);
  var p = birth(h, emission);
  if (emission.row >= params.bremsstrahlung_row) {
    let word = voxels[voxel_index(p)];
    let row = (voxel_tissue(word) * ENERGY_NODES);
    var strength = photon_value(row, energy_bin(kev_from_units(p.energy)), COLUMN_BREMSSTRAHLUNG);
    if (voxel_density(word) <= 0.0f) {
      strength = 0.0f;
    }
    p.weight = u32(nc(nc(strength * real_from_u32(p.weight)) + 0.5f));
  }
  sink_emitted(p.energy, p.weight);
  return p;
}

// Energy left by a collision: to the ledger, and to the tally when it is analogue.
fn leave(rng: ptr<function, Rng>, p: Particle, units: u32) {
  if (params.analogue == 1u) {
    let bin = tally_bin(rng, p, 0.0f);
    sink_deposit(bin, p.home, units, p.weight);
  } else {
    sink_absorbed(units, p.weight);
  }
}

// The photon collides where it is.
fn collide(rng: ptr<function, Rng>, p: ptr<function, Particle>, tissue: u32) {
  let energy_kev = kev_from_units((*p).energy);
  let row = (tissue * ENERGY_NODES);
  let bin = energy_bin(energy_kev);
  let total = photon_value(row, bin, COLUMN_TOTAL);
  let elastic = photon_value(row, bin, COLUMN_COHERENT);
  let inelastic = photon_value(row, bin, COLUMN_INCOHERENT);
  let pick = nc(random(rng) * total);
  let scatter_row = (tissue * MOMENTUM_NODES);
  if (pick < elastic) {
    let cos_theta = rayleigh(rng, scatter_row, energy_kev);
    let sin_theta = root(fmax(nc(1.0f - nc(cos_theta * cos_theta)), 0.0f));
    turn(p, cos_theta, sin_theta, sin_cos_turn(rng_next(rng)));
  } else {
    if (pick < nc(elastic + inelastic)) {
      let s = compton(rng, scatter_row, energy_kev);
      var after = u32(nc(s.ratio * real_from_u32((*p).energy)));
      if (after > (*p).energy) {
        after = (*p).energy;
      }
      leave(rng, (*p), ((*p).energy - after));
      (*p).energy = after;
      let sin_theta = root(fmax(nc(1.0f - nc(s.cos_theta * s.cos_theta)), 0.0f));
      turn(p, s.cos_theta, sin_theta, sin_cos_turn(rng_next(rng)));
    } else {
      leave(rng, (*p), (*p).energy);
      (*p).energy = 0u;
      (*p).alive = 0u;
    }
  }
}

// Flies on to the next collision, through some voxels at most, or out.
fn photon_step(rng: ptr<function, Rng>, p: ptr<function, Particle>) {
  (*p).steps = ((*p).steps + 1u);
  if is_lost((*p)) {
    sink_flag(FLAG_LOST);
    sink_escaped((*p).home, (*p).energy, (*p).weight);
    (*p).alive = 0u;
  } else {
    let energy_kev = kev_from_units((*p).energy);
    if ((energy_kev < params.photon_cut_kev) || ((*p).steps > PHOTON_STEP_LIMIT)) {
      if ((*p).steps > PHOTON_STEP_LIMIT) {
        sink_flag(FLAG_STEP_LIMIT);
      }
      let here = tally_bin(rng, (*p), 0.0f);
      sink_deposit(here, (*p).home, (*p).energy, (*p).weight);
      (*p).alive = 0u;
    } else {
      if ((*p).flight <= 0.0f) {
        (*p).flight = (-ln(random(rng)));
      }
      let bin = energy_bin(energy_kev);
      let vx = inverse((*p).ux);
      let vy = inverse((*p).uy);
      let vz = inverse((*p).uz);
      for (var count_ = 0u; count_ < PHOTON_VOXELS_A_STEP; count_ += 1u) {
        let index = voxel_index((*p));
        let word = voxels[index];
        let tissue = voxel_tissue(word);
        let row = (tissue * ENERGY_NODES);
        let areal_per_mm = nc(voxel_density(word) * 0.1f);
        let mu_per_mm = nc(areal_per_mm * photon_value(row, bin, COLUMN_TOTAL));
        let exit = exit_along((*p), vx, vy, vz);
        let depth = nc(mu_per_mm * exit.distance);
        let ends = ((*p).flight < depth);
        var way = exit.distance;
        if ends {
          way = nc((*p).flight * recip(mu_per_mm));
        }
        if (params.analogue == 0u) {
          let given = nc(photon_value(row, bin, COLUMN_KERMA) * nc(areal_per_mm * way));
          let place = tally_bin(rng, (*p), way);
          sink_estimate(place, units_from_kev(given), (*p).weight);
        }
        advance(p, way);
        if ends {
          (*p).flight = 0.0f;
          collide(rng, p, tissue);
          break;
        }
        (*p).flight = fmax(nc((*p).flight - depth), 1e-9f);
        if !(cross(p, exit.axis)) {
          sink_escaped((*p).home, (*p).energy, (*p).weight);
          (*p).alive = 0u;
          break;
        }
      }
    }
  }
}

