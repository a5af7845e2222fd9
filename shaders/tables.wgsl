// Look-up by float bits: the grid is linear inside each octave, so that index and fraction are exact
// integer operations on the number's own bits.
// Twin: src/kernel/tables.rs, from which `cargo xtask shaders` writes this file.

// Energy bins an octave; the grid begins at 1 keV = 2^0.
const ENERGY_BINS_PER_OCTAVE: u32 = 64u;

// Octaves of the energy grid: 1 keV to 4096 keV.
const ENERGY_OCTAVES: u32 = 12u;

// Nodes of the energy grid.
const ENERGY_NODES: u32 = 769u;

// Momentum-transfer bins an octave; the grid begins at 2^-7 per Angstrom.
const MOMENTUM_BINS_PER_OCTAVE: u32 = 16u;

// Nodes of the momentum-transfer grid: 2^-7 to 2^7 per Angstrom.
const MOMENTUM_NODES: u32 = 225u;

// Bits of 2^-7 as f32.
const MOMENTUM_FIRST_BITS: u32 = 1006632960u;

// Numbers in a row of the electron table: four by four what a step reads together, which a GPU loads at once (`rows.rs`).
const ELECTRON_COLUMNS: u32 = 16u;

// Column: range of an electron that meets no hard collision, g/cm2.
const COLUMN_RANGE: u32 = 0u;

// Column: longest step, g/cm2.
const COLUMN_STEP: u32 = 1u;

// Column: not below the cross section for knock-on electrons at any energy that a step may end with, cm2/g.
const COLUMN_KNOCK_ON_MOST: u32 = 2u;

// Column: growth of the scattering power per path as the electron slows, relative to the middle of a longest step, cm2/g.
const COLUMN_GROWTH: u32 = 3u;

// Column: soft stopping power (collisions below the knock-on threshold and radiation), keV cm2/g.
const COLUMN_STOPPING: u32 = 4u;

// Column: variance of the soft energy loss per path, keV2 cm2/g.
const COLUMN_VARIANCE: u32 = 5u;

// Column: first transport cross section of all deflections but hard knock-ons, cm2/g.
const COLUMN_TRANSPORT: u32 = 6u;

// Column: share of the energy given to bremsstrahlung until rest.
const COLUMN_YIELD: u32 = 7u;

// Column: cross section for hard elastic collisions, cm2/g.
const COLUMN_HARD: u32 = 8u;

// Column: first transport cross section of soft collisions, cm2/g.
const COLUMN_SOFT_1: u32 = 9u;

// Column: second transport cross section of soft collisions, cm2/g. Columns 14 and 15 are free.
const COLUMN_SOFT_2: u32 = 10u;

// Column: cross section for knock-on electrons above the threshold, cm2/g.
const COLUMN_KNOCK_ON: u32 = 11u;

// Column: screening parameter of the Wentzel law.
const COLUMN_SCREENING: u32 = 12u;

// Column: smallest (1 - cos)/2 of a hard elastic collision.
const COLUMN_MU_CUT: u32 = 13u;

// Numbers in a row of the photon table.
const PHOTON_COLUMNS: u32 = 5u;

// Column: total attenuation, cm2/g.
const COLUMN_TOTAL: u32 = 0u;

// Column: energy transferred to electrons per path, keV cm2/g.
const COLUMN_KERMA: u32 = 1u;

// Column: incoherent cross section, cm2/g.
const COLUMN_INCOHERENT: u32 = 2u;

// Column: coherent cross section, cm2/g.
const COLUMN_COHERENT: u32 = 3u;

// Column: bremsstrahlung photons of the nuclide's electrons in this tissue over those in water.
const COLUMN_BREMSSTRAHLUNG: u32 = 4u;

// Numbers in a row of the scattering table.
const SCATTER_COLUMNS: u32 = 2u;

// Column: incoherent scattering function, 1 at large momentum transfer.
const COLUMN_SCATTERING_FUNCTION: u32 = 0u;

// Column: integral of the squared form factor over the squared momentum transfer, 1 at the last node.
const COLUMN_FORM_FACTOR: u32 = 1u;

// A place in a table: lower node and fraction of the way to the next.
struct Bin {
  // Lower node.
  node: u32,
  // Fraction of the bin, 0 to 1.
  fraction: f32,
}

// Place of an energy (1 to 4096 keV; outside, the nearest end).
fn energy_bin(energy_kev: f32) -> Bin {
  var result_: Bin;
  let bits = bitcast<u32>((energy_kev));
  if (bits < 1065353216u) {
    result_ = Bin(0u, 0.0f);
  } else {
    if (bits > 1166016511u) {
      result_ = Bin(767u, 1.0f);
    } else {
      let rest = (bits - 1065353216u);
      result_ = Bin((rest >> 17u), nc((f32((rest & 131071u))) * 7.6293945e-6f));
    }
  }
  return result_;
}

// Place of a momentum transfer x = sin(theta/2)/lambda in 1/Angstrom (2^-7 to 2^7; outside, the nearest end).
fn momentum_bin(x_per_angstrom: f32) -> Bin {
  var result_: Bin;
  let bits = bitcast<u32>((x_per_angstrom));
  if (bits < 1006632960u) {
    result_ = Bin(0u, 0.0f);
  } else {
    if (bits > 1124073471u) {
      result_ = Bin(223u, 1.0f);
    } else {
      let rest = (bits - 1006632960u);
      result_ = Bin((rest >> 19u), nc((f32((rest & 524287u))) * 1.9073486e-6f));
    }
  }
  return result_;
}

// A column of the photon table, interpolated. `row` is the tissue's first row.
fn photon_value(row: u32, bin: Bin, column: u32) -> f32 {
  let i = (((row + bin.node) * PHOTON_COLUMNS) + column);
  let a = photon_table[i];
  let b = photon_table[(i + PHOTON_COLUMNS)];
  return nc(a + nc(nc(b - a) * bin.fraction));
}

// A column of the scattering table, interpolated. `row` is the tissue's first row.
fn scatter_value(row: u32, bin: Bin, column: u32) -> f32 {
  let i = (((row + bin.node) * SCATTER_COLUMNS) + column);
  let a = scatter_table[i];
  let b = scatter_table[(i + SCATTER_COLUMNS)];
  return nc(a + nc(nc(b - a) * bin.fraction));
}

