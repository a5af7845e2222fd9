// Births in the skin of the home: near the faces, and flying outwards.
//
// An electron that stays in its home adds nothing to the tally (see `Sink`), and one born deep in it rarely leaves. So
// a part `WHOLE` of the births is uniform over the voxel and isotropic, as all decays are; the others lie behind one of
// the six faces, at a depth whose density falls linearly to 0 at `REACH` ranges (or is cut at the middle of the voxel),
// and fly with a density 1 + tilt mu, mu the cosine to the face's outward normal. The weight is the density of decays over
// that of births, at most 1/`WHOLE`: defensive importance sampling (Hesterberg 1995, Technometrics 37:185). Any choice of
// the numbers is exact; they decide the variance alone. See docs/methods/transport.md, section 1.
// Twin: src/kernel/skin.rs, from which `cargo xtask shaders` writes this file.

// Part of the births that is uniform over the voxel.
const WHOLE: f32 = 0.1f;

// Depth at which births end, in ranges.
const REACH: f32 = 0.8f;

// Births behind the two faces across an axis; lengths are shares of the voxel's edge.
struct Skin {
  // One over the depth at which the density of births would be 0.
  fade: f32,
  // Depth at which they end: that depth, or the middle of the voxel.
  depth: f32,
  // Integral of the falling line from 1 at the face down to there.
  mass: f32,
  // Tilt of the directions: 1, less where electrons cross the whole voxel anyway.
  tilt: f32,
}

// The skin of electrons of range `reach_mm` behind faces `edge_mm` apart.
fn skin_of(reach_mm: f32, edge_mm: f32) -> Skin {
  let fade = nc(recip(fmax(nc(REACH * reach_mm), 1e-6f)) * edge_mm);
  let depth = fmin(recip(fade), 0.5f);
  let tilt = fmin(nc(depth * fade), 1.0f);
  return Skin(fade, depth, nc(depth * nc(1.0f - nc(0.5f * tilt))), tilt);
}

// Depth of a birth behind its face for the number `part` in (0, 1).
fn skin_depth(skin: Skin, part: f32) -> f32 {
  let reached = nc(2.0f * nc(part * skin.mass));
  return fmin(nc(reached * recip(nc(1.0f + root(fmax(nc(1.0f - nc(reached * skin.fade)), 0.0f))))), skin.depth);
}

// Cosine of a birth's direction to the outward normal of its face for the number `part` in (0, 1).
fn skin_cosine(skin: Skin, part: f32) -> f32 {
  let c = nc(nc(1.0f - nc(0.5f * skin.tilt)) - nc(2.0f * part));
  return fmin(fmax(nc(nc((-2.0f) * c) * recip(nc(1.0f + root(fmax(nc(1.0f - nc(nc(2.0f * skin.tilt) * c)), 0.0f))))), (-1.0f)), 1.0f);
}

// Density of births behind the two faces across an axis, relative to that of decays: at `place` with the direction's
// component `along` the axis.
fn skin_density(skin: Skin, place: f32, along: f32) -> f32 {
  let beyond = (place > 0.5f);
  let inwards = select(place, nc(1.0f - place), beyond);
  let out = select((-along), along, beyond);
  let fall = fmax(nc(1.0f - nc(inwards * skin.fade)), 0.0f);
  return nc(nc(0.5f * recip(skin.mass)) * nc(fall * nc(1.0f + nc(skin.tilt * out))));
}

// Moves the newly born electron of history `h`, of range `reach_mm`, into the skin of its voxel, or leaves it anywhere in
// it, and gives it the weight that makes up for it.
fn skin_birth(h: u32, p: ptr<function, Particle>, reach_mm: f32) {
  let dx_mm = params.dx_mm;
  let dy_mm = params.dy_mm;
  let dz_mm = params.dz_mm;
  let skin_x = skin_of(reach_mm, dx_mm);
  let skin_y = skin_of(reach_mm, dy_mm);
  let skin_z = skin_of(reach_mm, dz_mm);
  let word = (params.shift_x + (h * STEP_X));
  let choice = unit_from_word(word);
  let one = unit_from_word((params.shift_y + (h * STEP_Y)));
  let other = unit_from_word((params.shift_z + (h * STEP_Z)));
  var fx = fmin(nc(choice * recip(WHOLE)), 1.0f);
  var fy = one;
  var fz = other;
  if (choice > WHOLE) {
    let six = nc(nc(choice - WHOLE) * nc(6.0f * recip(nc(1.0f - WHOLE))));
    let face = u32(fmin(six, 5.0f));
    let axis = (face >> 1u);
    let beyond = ((face & 1u) == 1u);
    var skin = skin_x;
    if (axis == 1u) {
      skin = skin_y;
    }
    if (axis == 2u) {
      skin = skin_z;
    }
    let inwards = skin_depth(skin, fmin(nc(six - real_from_u32(face)), 1.0f));
    let place = select(inwards, nc(1.0f - inwards), beyond);
    let out = skin_cosine(skin, unit_from_word((params.shift_polar + (h * STEP_POLAR))));
    let along = select((-out), out, beyond);
    let across = root(fmax(nc(1.0f - nc(along * along)), 0.0f));
    let azimuth = sin_cos_turn((params.shift_azimuth + (h * STEP_AZIMUTH)));
    let a = nc(across * azimuth.cos);
    let b = nc(across * azimuth.sin);
    fx = one;
    fy = other;
    fz = place;
    (*p).ux = a;
    (*p).uy = b;
    (*p).uz = along;
    if (axis == 0u) {
      fx = place;
      fy = one;
      fz = other;
      (*p).ux = along;
      (*p).uy = a;
      (*p).uz = b;
    }
    if (axis == 1u) {
      fx = other;
      fy = place;
      fz = one;
      (*p).ux = b;
      (*p).uy = along;
      (*p).uz = a;
    }
  }
  (*p).x = nc(fx * dx_mm);
  (*p).y = nc(fy * dy_mm);
  (*p).z = nc(fz * dz_mm);
  let skin = nc(nc(skin_density(skin_x, fx, (*p).ux) + skin_density(skin_y, fy, (*p).uy)) + skin_density(skin_z, fz, (*p).uz));
  let density = nc(WHOLE + nc(nc(1.0f - WHOLE) * nc(skin * 0.33333334f)));
  let dither = nc(nc(real_from_u32((word & 511u)) + 0.5f) * 0.001953125f);
  (*p).weight = u32(nc(nc(real_from_u32((*p).weight) * recip(density)) + dither));
}

