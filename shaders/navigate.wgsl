// Where a particle is and how it goes straight through voxels.
//
// A position is a voxel and a local coordinate inside it, 0 to the voxel's edge in mm: full f32 precision
// anywhere in the grid. Outside the grid is vacuum.
// Twin: src/kernel/navigate.rs, from which `cargo xtask shaders` writes this file.

// A particle in flight.
struct Particle {
  // Voxel along x.
  ix: u32,
  // Voxel along y.
  iy: u32,
  // Voxel along z.
  iz: u32,
  // 1 while it is followed.
  alive: u32,
  // Position inside the voxel, mm.
  x: f32,
  // Position inside the voxel, mm.
  y: f32,
  // Position inside the voxel, mm.
  z: f32,
  // Kinetic energy (photon: energy), units of 2^-5 eV.
  energy: u32,
  // Direction, unit vector.
  ux: f32,
  // Direction, unit vector.
  uy: f32,
  // Direction, unit vector.
  uz: f32,
  // Weight, 2^-16.
  weight: u32,
  // Mean free paths to the next collision (photons).
  flight: f32,
  // Steps made.
  steps: u32,
  // Tally bin that counts as having received all its energy; all bits set: none.
  home: u32,
}

// The way out of a voxel along a direction.
struct Exit {
  // Distance to the face, mm.
  distance: f32,
  // Axis of the face: 0 x, 1 y, 2 z.
  axis: u32,
}

// Position of the particle's voxel in the volumes.
fn voxel_index(p: Particle) -> u32 {
  return (p.ix + (params.nx * (p.iy + (params.ny * p.iz))));
}

// Density of a voxel's word, g/cm3.
fn voxel_density(word: u32) -> f32 {
  return bitcast<f32>((word & 4294967040u));
}

// Tissue of a voxel's word.
fn voxel_tissue(word: u32) -> u32 {
  return (word & 255u);
}

// Whether x lies between 0 (of either sign) and `top` (not negative), decided on the bits: drivers may take it that no
// number is NaN and decide a comparison of floats either way, but they cannot mistake its bits.
fn is_within(x: f32, top: f32) -> bool {
  let bits = bitcast<u32>((x));
  return ((bits <= bitcast<u32>((top))) || (bits == 2147483648u));
}

// Whether a particle is where or as no particle can be: outside the grid or its voxel, or with a direction whose length
// is not 1 within 1 %.
fn is_lost(p: Particle) -> bool {
  let length2 = nc(nc(nc(p.ux * p.ux) + nc(p.uy * p.uy)) + nc(p.uz * p.uz));
  let straight = is_within(nc(length2 - 0.98f), 0.04f);
  let here = ((is_within(p.x, params.dx_mm) && is_within(p.y, params.dy_mm)) && is_within(p.z, params.dz_mm));
  let inside = (((p.ix < params.nx) && (p.iy < params.ny)) && (p.iz < params.nz));
  return !(((straight && here) && inside));
}

// Distance to the nearest face of the voxel in any direction, mm.
fn face_distance(p: Particle) -> f32 {
  let x = fmin(p.x, nc(params.dx_mm - p.x));
  let y = fmin(p.y, nc(params.dy_mm - p.y));
  let z = fmin(p.z, nc(params.dz_mm - p.z));
  return fmin(x, fmin(y, z));
}

// 1/|u|, bounded for directions along a face.
fn inverse(u: f32) -> f32 {
  return recip(fmax(fabs(u), 1e-10f));
}

// The face a particle reaches first, with the inverses of its direction's magnitudes at hand.
fn exit_along(p: Particle, vx: f32, vy: f32, vz: f32) -> Exit {
  let tx = select(nc(p.x * vx), nc(nc(params.dx_mm - p.x) * vx), (p.ux > 0.0f));
  let ty = select(nc(p.y * vy), nc(nc(params.dy_mm - p.y) * vy), (p.uy > 0.0f));
  let tz = select(nc(p.z * vz), nc(nc(params.dz_mm - p.z) * vz), (p.uz > 0.0f));
  var e = Exit(tx, 0u);
  if (ty < e.distance) {
    e = Exit(ty, 1u);
  }
  if (tz < e.distance) {
    e = Exit(tz, 2u);
  }
  return e;
}

// Moves the particle straight on inside its voxel. Rounding may carry a coordinate past a face by a few units
// in the last place; it is brought back to the face.
fn advance(p: ptr<function, Particle>, distance_mm: f32) {
  (*p).x = fmin(fmax(nc((*p).x + nc((*p).ux * distance_mm)), 0.0f), params.dx_mm);
  (*p).y = fmin(fmax(nc((*p).y + nc((*p).uy * distance_mm)), 0.0f), params.dy_mm);
  (*p).z = fmin(fmax(nc((*p).z + nc((*p).uz * distance_mm)), 0.0f), params.dz_mm);
}

// Steps through a face into the next voxel; false when that leaves the grid.
fn cross(p: ptr<function, Particle>, axis: u32) -> bool {
  var result_: bool;
  if (axis == 0u) {
    if ((*p).ux > 0.0f) {
      (*p).x = 0.0f;
      (*p).ix = ((*p).ix + 1u);
      result_ = ((*p).ix < params.nx);
    } else {
      (*p).x = params.dx_mm;
      if ((*p).ix == 0u) {
        result_ = false;
      } else {
        (*p).ix = ((*p).ix - 1u);
        result_ = true;
      }
    }
  } else {
    if (axis == 1u) {
      if ((*p).uy > 0.0f) {
        (*p).y = 0.0f;
        (*p).iy = ((*p).iy + 1u);
        result_ = ((*p).iy < params.ny);
      } else {
        (*p).y = params.dy_mm;
        if ((*p).iy == 0u) {
          result_ = false;
        } else {
          (*p).iy = ((*p).iy - 1u);
          result_ = true;
        }
      }
    } else {
      if ((*p).uz > 0.0f) {
        (*p).z = 0.0f;
        (*p).iz = ((*p).iz + 1u);
        result_ = ((*p).iz < params.nz);
      } else {
        (*p).z = params.dz_mm;
        if ((*p).iz == 0u) {
          result_ = false;
        } else {
          (*p).iz = ((*p).iz - 1u);
          result_ = true;
        }
      }
    }
  }
  return result_;
}

