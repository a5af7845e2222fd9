// Birth of a history: voxel, energy, place and direction.
//
// The number of histories of every source voxel is fixed in advance. Energy, place and direction follow an additive
// sequence over the batch's histories (Kronecker sequence, Niederreiter 1992, section 3.1; one irrational step a
// dimension) that starts at a random point (Cranley & Patterson 1976, SIAM J. Numer. Anal. 13:904): each history is
// uniform, neighbours are stratified, and batches are independent.
// Twin: src/kernel/source.rs, from which `cargo xtask shaders` writes this file.

// Step of the additive sequence for the energy: 2^32 times the golden section (sqrt 5 - 1)/2.
const STEP_ENERGY: u32 = 2654435769u;

// Step for x: 2^32 (sqrt 2 - 1).
const STEP_X: u32 = 1779033704u;

// Step for y: 2^32 (sqrt 3 - 1).
const STEP_Y: u32 = 3144134278u;

// Step for z: 2^32 (sqrt 7 - 2).
const STEP_Z: u32 = 2773480762u;

// Step for the cosine of the polar angle: 2^32 (sqrt 11 - 3).
const STEP_POLAR: u32 = 1359893120u;

// Step for the azimuth: 2^32 (sqrt 13 - 3).
const STEP_AZIMUTH: u32 = 2600822924u;

// Energy and share of an emission.
struct Emission {
  // Row of the emission table.
  row: u32,
  // Energy, units of 2^-5 eV.
  energy: u32,
  // Weight, 2^-16: the row's share of the particles over its share of the samples.
  weight: u32,
}

// Row of the source table that holds history `h`: the last whose first history is not above `h`.
fn source_row(h: u32) -> u32 {
  var low = 0u;
  var high = params.sources;
  while ((high - low) > 1u) {
    let middle = ((low + high) >> 1u);
    if (source_table[(3u * middle)] > h) {
      high = middle;
    } else {
      low = middle;
    }
  }
  return low;
}

// Row of the emission table that holds the place `word` (2^-32) of the cumulative distribution.
fn emission_row(word: u32) -> u32 {
  var low = 0u;
  var high = (params.emissions - 1u);
  while (low < high) {
    let middle = ((low + high) >> 1u);
    if (emission_table[(4u * middle)] < word) {
      low = (middle + 1u);
    } else {
      high = middle;
    }
  }
  return low;
}

// Energy in units of 2^-5 eV at the place `word` inside the row it falls in.
fn emission_energy(row: u32, word: u32) -> u32 {
  var result_: u32;
  let width = emission_table[((4u * row) + 2u)];
  let lowest = emission_table[((4u * row) + 1u)];
  if (width == 0u) {
    result_ = lowest;
  } else {
    var below = 0u;
    if (row > 0u) {
      below = (emission_table[(4u * (row - 1u))] + 1u);
    }
    let top = emission_table[(4u * row)];
    let span = nc(real_from_u32((top - below)) + 1.0f);
    let part = nc(nc(real_from_u32((word - below)) + 0.5f) * recip(span));
    result_ = (lowest + u32(nc(part * real_from_u32(width))));
  }
  return result_;
}

// Product of two weights in 2^-16, rounded to nearest.
fn weight_product(a: u32, b: u32) -> u32 {
  let low = ((((a & 65535u) * (b & 65535u)) + 32768u) >> 16u);
  let middle = (((a >> 16u) * (b & 65535u)) + ((a & 65535u) * (b >> 16u)));
  return (((((a >> 16u) * (b >> 16u)) << 16u) + middle) + low);
}

// What history `h` emits.
fn emission_of(h: u32) -> Emission {
  let word = (params.shift_energy + (h * STEP_ENERGY));
  let row = emission_row(word);
  let energy = emission_energy(row, word);
  return Emission(row, energy, emission_table[((4u * row) + 3u)]);
}

// The particle of history `h`, which emits `emission`.
fn birth(h: u32, emission: Emission) -> Particle {
  let row = (3u * source_row(h));
  let voxel = source_table[(row + 1u)];
  let weight = weight_product(source_table[(row + 2u)], emission.weight);
  var fx = 0.5f;
  var fy = 0.5f;
  var fz = 0.5f;
  if (params.point_source == 0u) {
    fx = unit_from_word((params.shift_x + (h * STEP_X)));
    fy = unit_from_word((params.shift_y + (h * STEP_Y)));
    fz = unit_from_word((params.shift_z + (h * STEP_Z)));
  }
  let cos_theta = nc(nc(2.0f * unit_from_word((params.shift_polar + (h * STEP_POLAR)))) - 1.0f);
  let sin_theta = root(nc(1.0f - nc(cos_theta * cos_theta)));
  let azimuth = sin_cos_turn((params.shift_azimuth + (h * STEP_AZIMUTH)));
  let plane = (params.nx * params.ny);
  let iz = (voxel / plane);
  let in_plane = (voxel - (iz * plane));
  let iy = (in_plane / params.nx);
  let ix = (in_plane - (iy * params.nx));
  return Particle(ix, iy, iz, 1u, nc(fx * (params.dx_mm)), nc(fy * (params.dy_mm)), nc(fz * (params.dz_mm)), emission.energy, nc(sin_theta * azimuth.cos), nc(sin_theta * azimuth.sin), cos_theta, weight, 0.0f, 0u, NO_HOME);
}

