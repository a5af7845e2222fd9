// The life of an electron: condensed steps with a random hinge, knock-ons above a threshold, range rejection.
//
// One call of `electron_step` makes one condensed step. Path lengths are areal densities (g/cm2), so that a
// step goes on unchanged through voxels of the same tissue and any density; where the tissue changes, the step
// ends and a new one begins, which the random hinge makes right on average to first order (PENELOPE manual, section 4.4); loss
// and deflection of the part that was made are right to second order.
// See docs/methods/transport.md.
// Twin: src/kernel/electron.rs, from which `cargo xtask shaders` writes this file.

// No electron makes more steps than this.
const ELECTRON_STEP_LIMIT: u32 = 100000u;

// A straight flight ended where it was meant to.
const FLIGHT_DONE: u32 = 0u;

// A straight flight ended at a face behind which the tissue is another.
const FLIGHT_TISSUE: u32 = 1u;

// As before, and the step's deflection comes there.
const FLIGHT_TURNS: u32 = 2u;

// A straight flight left the grid.
const FLIGHT_OUT: u32 = 3u;

// The electron does not fly any more.
const FLIGHT_RESTS: u32 = 4u;

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
    (*p) = pop_waiting(stack);
  }
}

// Leaves `units` of energy at the particle's place.
fn leave_here(rng: ptr<function, Rng>, p: Particle, units: u32) {
  let bin = tally_bin(rng, p, 0.0f);
  sink_deposit(bin, p.home, units, p.weight);
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

// By which share a piece of a step is shorter along its flight than its path: the winding within the step. `begin` is the share
// of the step before the piece, `part` the piece's own; `turns` the step's transport mean free paths.
fn winding(turns: f32, begin: f32, part: f32) -> f32 {
  let middle = nc(begin + nc(0.5f * part));
  return nc(nc(nc(turns * turns) * 0.5f) * nc(nc(middle * nc(1.0f - middle)) - nc(nc(part * part) * 0.083333336f)));
}

// What the flights of a step have in common.
struct Stride {
  // Share of the step in a millimetre at 1 g/cm3.
  per_g_mm: f32,
  // Energy lost over the whole step, keV.
  lost_kev: f32,
  // By which share its stopping power is below that of the middle at the start, and above it at the end.
  slope: f32,
  // Its transport mean free paths.
  turns: f32,
}

// Flies straight from one share of a step to another. Returns how the flight ended.
fn fly(rng: ptr<function, Rng>, p: ptr<function, Particle>, begin: f32, end: f32, stride: Stride) -> u32 {
  var result_: u32;
  var made = begin;
  let word = voxels[voxel_index((*p))];
  let tissue = voxel_tissue(word);
  var density = voxel_density(word);
  loop {
    let energy_kev = kev_from_units((*p).energy);
    var part = nc(end - made);
    var way = nc(nc(part * nc(1.0f - winding(stride.turns, made, part))) * recip(nc(density * stride.per_g_mm)));
    var axis = 0u;
    let x = nc((*p).x + nc((*p).ux * way));
    let y = nc((*p).y + nc((*p).uy * way));
    let z = nc((*p).z + nc((*p).uz * way));
    let inside = ((((((x >= 0.0f) && (x <= params.dx_mm)) && (y >= 0.0f)) && (y <= params.dy_mm)) && (z >= 0.0f)) && (z <= params.dz_mm));
    if !(inside) {
      let exit = exit_along((*p), inverse((*p).ux), inverse((*p).uy), inverse((*p).uz));
      axis = exit.axis;
      way = fmin(exit.distance, way);
      part = nc(way * nc(density * stride.per_g_mm));
      part = nc(part * nc(1.0f + winding(stride.turns, made, part)));
    }
    let slope = nc(stride.slope * nc(nc(nc(2.0f * made) + part) - 1.0f));
    var after = units_from_kev(nc(energy_kev - nc(nc(stride.lost_kev * part) * nc(1.0f + slope))));
    if (after > (*p).energy) {
      after = (*p).energy;
    }
    let bin = tally_bin(rng, (*p), way);
    sink_deposit(bin, (*p).home, ((*p).energy - after), (*p).weight);
    (*p).energy = after;
    if inside {
      (*p).x = x;
      (*p).y = y;
      (*p).z = z;
      result_ = FLIGHT_DONE;
      break;
    }
    made = fmin(nc(made + part), end);
    advance(p, way);
    if !(cross(p, axis)) {
      result_ = FLIGHT_OUT;
      break;
    }
    let next = voxels[voxel_index((*p))];
    density = voxel_density(next);
    if ((voxel_tissue(next) != tissue) || (density <= 0.0f)) {
      let lacks = (random(rng) < nc(made * nc(0.5f * stride.turns)));
      if (lacks && (end < 1.0f)) {
        result_ = FLIGHT_TURNS;
        break;
      }
      result_ = FLIGHT_TISSUE;
      break;
    }
  }
  return result_;
}

// Straight through vacuum into the next voxel. Returns how the flight ended.
fn fly_vacuum(p: ptr<function, Particle>) -> u32 {
  var result_: u32;
  let exit = exit_along((*p), inverse((*p).ux), inverse((*p).uy), inverse((*p).uz));
  advance(p, exit.distance);
  if cross(p, exit.axis) {
    result_ = FLIGHT_TISSUE;
  } else {
    result_ = FLIGHT_OUT;
  }
  return result_;
}

// Whether an electron of this energy cannot leave its voxel, or not go far.
fn is_stuck(p: Particle, row: u32, bin: Bin, density: f32) -> bool {
  let range = electron_value(row, bin, COLUMN_RANGE);
  let free = select(0.0f, face_distance(p), (params.radial_bins == 0u));
  return (nc(range * 10.0f) <= fmax(nc(density * free), params.cut_mm_g_cm3));
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
    var stays = is_stuck((*p), row, energy_bin(lost_kev), density);
    if (!(stays) && ((*stack).count >= STACK_SIZE)) {
      sink_flag(FLAG_STACK_FULL);
      stays = true;
    }
    if stays {
      leave_here(rng, (*p), lost);
    } else {
      push_waiting(stack, (*p));
      let cos_second = collision_cos(energy_kev, lost_kev);
      let opposite = SinCos((-around.sin), (-around.cos));
      turn(&second, cos_second, root(nc(1.0f - nc(cos_second * cos_second))), opposite);
      (*p) = second;
    }
  }
}

// A condensed step in matter of the density given, in the tissue whose first row is `row`. Returns how its flight ended.
fn step_in_matter(rng: ptr<function, Rng>, p: ptr<function, Particle>, stack: ptr<function, Stack>, row: u32) -> u32 {
  let energy_kev = kev_from_units((*p).energy);
  let bin = energy_bin(energy_kev);
  var step = electron_value(row, bin, COLUMN_STEP);
  let most = electron_value(row, bin, COLUMN_KNOCK_ON_MOST);
  let u = random(rng);
  let knocks = (u < one_minus_exp(nc(most * step)));
  if knocks {
    step = fmin(step, nc((-ln(nc(1.0f - u))) * recip(most)));
  }
  let first_loss = nc(electron_value(row, bin, COLUMN_STOPPING) * step);
  let middle = energy_bin(fmax(nc(energy_kev - nc(0.5f * first_loss)), 1.0f));
  let mean_loss = nc(electron_value(row, middle, COLUMN_STOPPING) * step);
  let variance = nc(electron_value(row, middle, COLUMN_VARIANCE) * step);
  let lost = fmin(soft_loss(rng, mean_loss, variance), energy_kev);
  let k = nc(step * electron_value(row, middle, COLUMN_TRANSPORT));
  let slope = nc(nc(mean_loss - first_loss) * recip(mean_loss));
  let stride = Stride(nc(0.1f * recip(step)), lost, slope, k);
  let v = random(rng);
  let growth = nc(step * electron_value(row, bin, COLUMN_GROWTH));
  let hinge = nc(v + nc(nc(0.5f * growth) * nc(v * nc(1.0f - v))));
  var ended = FLIGHT_DONE;
  for (var half = 0u; half < 2u; half += 1u) {
    if ((ended == FLIGHT_DONE) || (ended == FLIGHT_TURNS)) {
      if (half == 1u) {
        scatter(rng, p, row, middle, nc(0.1f * recip(stride.per_g_mm)));
      }
      if (ended == FLIGHT_DONE) {
        let begin = select(0.0f, hinge, (half == 1u));
        let end = select(hinge, 1.0f, (half == 1u));
        ended = fly(rng, p, begin, end, stride);
      }
    }
  }
  if (knocks && (ended == FLIGHT_DONE)) {
    let rate = electron_value(row, energy_bin(kev_from_units((*p).energy)), COLUMN_KNOCK_ON);
    if (nc(random(rng) * most) < rate) {
      let here = voxel_density(voxels[voxel_index((*p))]);
      knock_on(rng, p, stack, row, here);
    }
  }
  return ended;
}

// Whether an electron in matter ends here: its energy is below the cut, or it is stuck.
fn ends_here(p: Particle, row: u32, density: f32) -> bool {
  var result_: bool;
  let energy_kev = kev_from_units(p.energy);
  if (energy_kev < params.electron_cut_kev) {
    result_ = true;
  } else {
    result_ = is_stuck(p, row, energy_bin(energy_kev), density);
  }
  return result_;
}

// One condensed step through matter, a flight through vacuum, or neither. Returns how it ended.
fn step_on(rng: ptr<function, Rng>, p: ptr<function, Particle>, stack: ptr<function, Stack>) -> u32 {
  var result_: u32;
  if is_lost((*p)) {
    sink_flag(FLAG_LOST);
    result_ = FLIGHT_OUT;
  } else {
    if ((*p).steps > ELECTRON_STEP_LIMIT) {
      sink_flag(FLAG_STEP_LIMIT);
      result_ = FLIGHT_RESTS;
    } else {
      let word = voxels[voxel_index((*p))];
      let density = voxel_density(word);
      if (density <= 0.0f) {
        result_ = fly_vacuum(p);
      } else {
        let row = (voxel_tissue(word) * ENERGY_NODES);
        if ends_here((*p), row, density) {
          result_ = FLIGHT_RESTS;
        } else {
          result_ = step_in_matter(rng, p, stack, row);
        }
      }
    }
  }
  return result_;
}

// One condensed step of the electron, or its end.
fn electron_step(rng: ptr<function, Rng>, p: ptr<function, Particle>, stack: ptr<function, Stack>) {
  (*p).steps = ((*p).steps + 1u);
  let ended = step_on(rng, p, stack);
  if (ended == FLIGHT_RESTS) {
    leave_here(rng, (*p), (*p).energy);
  }
  if (ended == FLIGHT_OUT) {
    sink_escaped((*p).home, (*p).energy, (*p).weight);
  }
  if (ended >= FLIGHT_OUT) {
    finish(p, stack);
  }
}

