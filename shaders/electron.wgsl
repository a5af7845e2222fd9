// The life of an electron: condensed steps with a random hinge, knock-ons above a threshold, range rejection.
//
// One call of `electron_step` makes one condensed step. Path lengths are areal densities (g/cm2), so that a
// step goes on unchanged through voxels of the same tissue and any density; where the tissue changes, the step
// ends and a new one begins, which the random hinge makes right on average (PENELOPE manual, section 4.4).
// See docs/methods/transport.md.
// Twin: src/kernel/electron.rs, from which `cargo xtask shaders` writes this file.

// Room for electrons that wait while their knock-on is followed: the lower energy goes first and is at most
// half, so that n generations need n places.
const STACK_SIZE: u32 = 10u;

// No electron makes more steps than this.
const ELECTRON_STEP_LIMIT: u32 = 100000u;

// A straight flight ended where it was meant to.
const FLIGHT_DONE: u32 = 0u;

// A straight flight ended at a face behind which the tissue is another.
const FLIGHT_TISSUE: u32 = 1u;

// A straight flight left the grid.
const FLIGHT_OUT: u32 = 2u;

// Electrons that wait.
struct Stack {
  // How many wait.
  count: u32,
  // The waiting electrons.
  waiting: array<Particle, STACK_SIZE>,
}

// Tally bin for energy left between the particle's place and `distance_mm` further on: its voxel, or the shell
// around the centre of the first voxel of a random point of the way.
fn tally_bin(rng: ptr<function, Rng>, p: Particle, distance_mm: f32) -> u32 {
  var result_: u32;
  if (params.radial_bins == 0u) {
    result_ = voxel_index(p);
  } else {
    let s = nc(distance_mm * random(rng));
    let x = nc(nc(p.x + nc(p.ux * s)) - nc(0.5f * (params.dx_mm)));
    let y = nc(nc(p.y + nc(p.uy * s)) - nc(0.5f * (params.dy_mm)));
    let z = nc(nc(p.z + nc(p.uz * s)) - nc(0.5f * (params.dz_mm)));
    let r = root(nc(nc(nc(x * x) + nc(y * y)) + nc(z * z)));
    let shell = u32(fmin(nc(r * (params.radial_per_mm)), 1000000000.0f));
    if (shell < params.radial_bins) {
      result_ = shell;
    } else {
      result_ = (params.radial_bins - 1u);
    }
  }
  return result_;
}

// The particle is done: the last that waits comes next.
fn finish(p: ptr<function, Particle>, stack: ptr<function, Stack>) {
  (*p).alive = 0u;
  if ((*stack).count > 0u) {
    (*stack).count = ((*stack).count - 1u);
    (*p) = (*stack).waiting[(*stack).count];
  }
}

// Leaves the particle's energy where it is.
fn rest(rng: ptr<function, Rng>, p: ptr<function, Particle>, stack: ptr<function, Stack>) {
  let bin = tally_bin(rng, (*p), 0.0f);
  sink_deposit(bin, (*p).home, (*p).energy, (*p).weight);
  finish(p, stack);
}

// The particle leaves the grid.
fn leave_grid(p: ptr<function, Particle>, stack: ptr<function, Stack>) {
  sink_escaped((*p).home, (*p).energy, (*p).weight);
  finish(p, stack);
}

// The electron of history `h`. What it will radiate until rest is taken off its weight at once (the yield of its
// energy in the tissue of its birth; nothing in vacuum): the photon pass emits it. Where the density allows, its voxel
// becomes its home and it is born in the skin.
fn electron_birth(h: u32) -> Particle {
  var p = birth(h, emission_of(h));
  let index = voxel_index(p);
  let word = voxels[index];
  let density = voxel_density(word);
  let row = (voxel_tissue(word) * ENERGY_NODES);
  let bin = energy_bin(kev_from_units(p.energy));
  if (density >= params.home_density_g_cm3) {
    p.home = index;
    let range = electron_value(row, bin, COLUMN_RANGE);
    skin_birth(h, &p, nc(nc(range * 10.0f) * recip(density)));
  }
  sink_emitted(p.energy, p.weight);
  var share = electron_value(row, bin, COLUMN_YIELD);
  if (density <= 0.0f) {
    share = 0.0f;
  }
  let radiated = u32(nc(nc(share * real_from_u32(p.weight)) + 0.5f));
  sink_radiated(p.energy, radiated);
  p.weight = (p.weight - radiated);
  return p;
}

// Flies straight over a path of `areal` g/cm2, losing `loss` keV per g/cm2 of path on the way; the path's length along
// the flight is shortened by the share `curl`, its winding within the step. Returns how the flight ended.
fn fly(rng: ptr<function, Rng>, p: ptr<function, Particle>, areal: f32, loss: f32, curl: f32) -> u32 {
  var result_: u32;
  var left = areal;
  let word = voxels[voxel_index((*p))];
  let tissue = voxel_tissue(word);
  var density = voxel_density(word);
  loop {
    let energy_kev = kev_from_units((*p).energy);
    let distance = nc(nc(left * nc(10.0f * nc(1.0f - curl))) * recip(density));
    let x = nc((*p).x + nc((*p).ux * distance));
    let y = nc((*p).y + nc((*p).uy * distance));
    let z = nc((*p).z + nc((*p).uz * distance));
    let inside = ((((((x >= 0.0f) && (x <= params.dx_mm)) && (y >= 0.0f)) && (y <= params.dy_mm)) && (z >= 0.0f)) && (z <= params.dz_mm));
    if inside {
      var after = units_from_kev(nc(energy_kev - nc(loss * left)));
      if (after > (*p).energy) {
        after = (*p).energy;
      }
      let bin = tally_bin(rng, (*p), distance);
      sink_deposit(bin, (*p).home, ((*p).energy - after), (*p).weight);
      (*p).energy = after;
      (*p).x = x;
      (*p).y = y;
      (*p).z = z;
      result_ = FLIGHT_DONE;
      break;
    }
    let exit = exit_along((*p), inverse((*p).ux), inverse((*p).uy), inverse((*p).uz));
    let way = fmin(exit.distance, distance);
    let part = nc(nc(way * density) * nc(0.1f * nc(1.0f + curl)));
    var after = units_from_kev(nc(energy_kev - nc(loss * part)));
    if (after > (*p).energy) {
      after = (*p).energy;
    }
    let bin = tally_bin(rng, (*p), way);
    sink_deposit(bin, (*p).home, ((*p).energy - after), (*p).weight);
    (*p).energy = after;
    left = fmax(nc(left - part), 0.0f);
    advance(p, way);
    if !(cross(p, exit.axis)) {
      result_ = FLIGHT_OUT;
      break;
    }
    let next = voxels[voxel_index((*p))];
    density = voxel_density(next);
    if ((voxel_tissue(next) != tissue) || (density <= 0.0f)) {
      result_ = FLIGHT_TISSUE;
      break;
    }
  }
  return result_;
}

// A knock-on collision at the particle's place: the fainter electron goes first, the other waits.
fn knock_on(rng: ptr<function, Rng>, p: ptr<function, Particle>, stack: ptr<function, Stack>, row: u32, density: f32) {
  let energy_kev = kev_from_units((*p).energy);
  if !(energy_kev <= nc(2.0f * (params.knock_on_kev))) {
    let lost_kev = knock_on_energy(rng, energy_kev);
    var lost = units_from_kev(lost_kev);
    if (lost > (*p).energy) {
      lost = (*p).energy;
    }
    let around = sin_cos_turn(rng_next(rng));
    var second = (*p);
    second.energy = lost;
    second.steps = 0u;
    (*p).energy = ((*p).energy - lost);
    let cos_first = collision_cos(energy_kev, nc(energy_kev - lost_kev));
    turn(p, cos_first, root(nc(1.0f - nc(cos_first * cos_first))), around);
    let bin = energy_bin(lost_kev);
    let range = electron_value(row, bin, COLUMN_RANGE);
    let free = select(0.0f, face_distance((*p)), (params.radial_bins == 0u));
    if (nc(range * 10.0f) <= nc(density * fmax(free, params.cut_mm))) {
      let place = tally_bin(rng, (*p), 0.0f);
      sink_deposit(place, (*p).home, lost, (*p).weight);
    } else {
      if ((*stack).count >= STACK_SIZE) {
        sink_flag(FLAG_STACK_FULL);
        let place = tally_bin(rng, (*p), 0.0f);
        sink_deposit(place, (*p).home, lost, (*p).weight);
      } else {
        (*stack).waiting[(*stack).count] = (*p);
        (*stack).count = ((*stack).count + 1u);
        let cos_second = collision_cos(energy_kev, lost_kev);
        let opposite = SinCos((-around.sin), (-around.cos));
        turn(&second, cos_second, root(nc(1.0f - nc(cos_second * cos_second))), opposite);
        (*p) = second;
      }
    }
  }
}

// One condensed step of the electron, or its end.
fn electron_step(rng: ptr<function, Rng>, p: ptr<function, Particle>, stack: ptr<function, Stack>) {
  (*p).steps = ((*p).steps + 1u);
  if is_lost((*p)) {
    sink_flag(FLAG_LOST);
    leave_grid(p, stack);
  } else {
    if ((*p).steps > ELECTRON_STEP_LIMIT) {
      sink_flag(FLAG_STEP_LIMIT);
      rest(rng, p, stack);
    } else {
      let word = voxels[voxel_index((*p))];
      let density = voxel_density(word);
      if (density <= 0.0f) {
        let exit = exit_along((*p), inverse((*p).ux), inverse((*p).uy), inverse((*p).uz));
        advance(p, exit.distance);
        if !(cross(p, exit.axis)) {
          leave_grid(p, stack);
        }
      } else {
        let row = (voxel_tissue(word) * ENERGY_NODES);
        let energy_kev = kev_from_units((*p).energy);
        if (energy_kev < params.electron_cut_kev) {
          rest(rng, p, stack);
        } else {
          let bin = energy_bin(energy_kev);
          let range = electron_value(row, bin, COLUMN_RANGE);
          let free = select(0.0f, face_distance((*p)), (params.radial_bins == 0u));
          if (nc(range * 10.0f) <= nc(density * fmax(free, params.cut_mm))) {
            rest(rng, p, stack);
          } else {
            var step = electron_value(row, bin, COLUMN_STEP);
            let sigma = electron_value(row, bin, COLUMN_KNOCK_ON);
            let u = random(rng);
            let knocks = (u < one_minus_exp(nc(sigma * step)));
            if knocks {
              step = fmin(step, nc((-ln(nc(1.0f - u))) * recip(sigma)));
            }
            let first_loss = nc(electron_value(row, bin, COLUMN_STOPPING) * step);
            let middle = energy_bin(fmax(nc(energy_kev - nc(0.5f * first_loss)), 1.0f));
            let mean_loss = nc(electron_value(row, middle, COLUMN_STOPPING) * step);
            let variance = nc(electron_value(row, middle, COLUMN_VARIANCE) * step);
            let lost = fmin(soft_loss(rng, mean_loss, variance), energy_kev);
            let loss = nc(lost * recip(step));
            let k = nc(step * electron_value(row, middle, COLUMN_TRANSPORT));
            let curl = nc(nc(k * k) * 0.083333336f);
            let v = random(rng);
            let growth = electron_value(row, bin, COLUMN_GROWTH);
            let hinge = nc(v + nc(nc(0.5f * growth) * nc(v * nc(1.0f - v))));
            let before = fly(rng, p, nc(step * hinge), loss, curl);
            if (before == FLIGHT_OUT) {
              leave_grid(p, stack);
            } else {
              if !(before == FLIGHT_TISSUE) {
                scatter(rng, p, row, middle, step);
                let after = fly(rng, p, nc(step * nc(1.0f - hinge)), loss, curl);
                if (after == FLIGHT_OUT) {
                  leave_grid(p, stack);
                } else {
                  if (knocks && (after == FLIGHT_DONE)) {
                    let here = voxel_density(voxels[voxel_index((*p))]);
                    knock_on(rng, p, stack, row, here);
                  }
                }
              }
            }
          }
        }
      }
    }
  }
}

