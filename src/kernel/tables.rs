//! Look-up by float bits: the grid is linear inside each octave, so that index and fraction are exact
//! integer operations on the number's own bits.

use super::Real;
use super::context::Context;

/// Energy bins an octave; the grid begins at 1 keV = 2^0.
pub const ENERGY_BINS_PER_OCTAVE: u32 = 64;
/// Octaves of the energy grid: 1 keV to 4096 keV.
pub const ENERGY_OCTAVES: u32 = 12;
/// Nodes of the energy grid.
pub const ENERGY_NODES: u32 = 769;
/// Momentum-transfer bins an octave; the grid begins at 2^-7 per Angstrom.
pub const MOMENTUM_BINS_PER_OCTAVE: u32 = 16;
/// Nodes of the momentum-transfer grid: 2^-7 to 2^7 per Angstrom.
pub const MOMENTUM_NODES: u32 = 225;
/// Bits of 2^-7 as f32.
pub const MOMENTUM_FIRST_BITS: u32 = 1_006_632_960;

/// Numbers in a row of the electron table: four by four what a step reads together, which a GPU loads at once (`rows.rs`).
pub const ELECTRON_COLUMNS: u32 = 16;
/// Column: range of an electron that meets no hard collision, g/cm2.
pub const COLUMN_RANGE: u32 = 0;
/// Column: longest step, g/cm2.
pub const COLUMN_STEP: u32 = 1;
/// Column: not below the cross section for knock-on electrons at any energy that a step may end with, cm2/g.
pub const COLUMN_KNOCK_ON_MOST: u32 = 2;
/// Column: growth of the scattering power per path as the electron slows, relative to the middle of a longest step, cm2/g.
pub const COLUMN_GROWTH: u32 = 3;
/// Column: soft stopping power (collisions below the knock-on threshold and radiation), keV cm2/g.
pub const COLUMN_STOPPING: u32 = 4;
/// Column: variance of the soft energy loss per path, keV2 cm2/g.
pub const COLUMN_VARIANCE: u32 = 5;
/// Column: first transport cross section of all deflections but hard knock-ons, cm2/g.
pub const COLUMN_TRANSPORT: u32 = 6;
/// Column: share of the energy given to bremsstrahlung until rest.
pub const COLUMN_YIELD: u32 = 7;
/// Column: cross section for hard elastic collisions, cm2/g.
pub const COLUMN_HARD: u32 = 8;
/// Column: first transport cross section of soft collisions, cm2/g.
pub const COLUMN_SOFT_1: u32 = 9;
/// Column: second transport cross section of soft collisions, cm2/g. Columns 14 and 15 are free.
pub const COLUMN_SOFT_2: u32 = 10;
/// Column: cross section for knock-on electrons above the threshold, cm2/g.
pub const COLUMN_KNOCK_ON: u32 = 11;
/// Column: screening parameter of the Wentzel law.
pub const COLUMN_SCREENING: u32 = 12;
/// Column: smallest (1 - cos)/2 of a hard elastic collision.
pub const COLUMN_MU_CUT: u32 = 13;

/// Numbers in a row of the photon table.
pub const PHOTON_COLUMNS: u32 = 5;
/// Column: total attenuation, cm2/g.
pub const COLUMN_TOTAL: u32 = 0;
/// Column: energy transferred to electrons per path, keV cm2/g.
pub const COLUMN_KERMA: u32 = 1;
/// Column: incoherent cross section, cm2/g.
pub const COLUMN_INCOHERENT: u32 = 2;
/// Column: coherent cross section, cm2/g.
pub const COLUMN_COHERENT: u32 = 3;
/// Column: bremsstrahlung photons of the nuclide's electrons in this tissue over those in water.
pub const COLUMN_BREMSSTRAHLUNG: u32 = 4;

/// Numbers in a row of the scattering table.
pub const SCATTER_COLUMNS: u32 = 2;
/// Column: incoherent scattering function, 1 at large momentum transfer.
pub const COLUMN_SCATTERING_FUNCTION: u32 = 0;
/// Column: integral of the squared form factor over the squared momentum transfer, 1 at the last node.
pub const COLUMN_FORM_FACTOR: u32 = 1;

/// A place in a table: lower node and fraction of the way to the next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bin {
    /// Lower node.
    pub node: u32,
    /// Fraction of the bin, 0 to 1.
    pub fraction: Real,
}

/// Place of an energy (1 to 4096 keV; outside, the nearest end).
pub fn energy_bin(energy_kev: Real) -> Bin {
    let bits = (energy_kev as f32).to_bits();
    if bits < 0x3F80_0000u32 {
        return Bin { node: 0, fraction: 0.0 };
    }
    if bits > 0x457F_FFFFu32 {
        return Bin { node: 767, fraction: 1.0 };
    }
    let rest = bits - 0x3F80_0000u32;
    Bin { node: rest >> 17, fraction: ((rest & 0x1_FFFFu32) as Real) * 7.629_394_531_25e-6 }
}

/// Place of a momentum transfer x = sin(theta/2)/lambda in 1/Angstrom (2^-7 to 2^7; outside, the nearest end).
pub fn momentum_bin(x_per_angstrom: Real) -> Bin {
    let bits = (x_per_angstrom as f32).to_bits();
    if bits < 0x3C00_0000u32 {
        return Bin { node: 0, fraction: 0.0 };
    }
    if bits > 0x42FF_FFFFu32 {
        return Bin { node: 223, fraction: 1.0 };
    }
    let rest = bits - 0x3C00_0000u32;
    Bin { node: rest >> 19, fraction: ((rest & 0x7_FFFFu32) as Real) * 1.907_348_632_812_5e-6 }
}

/// A column of the photon table, interpolated. `row` is the tissue's first row.
pub fn photon_value(cx: &Context, row: u32, bin: Bin, column: u32) -> Real {
    let i = (row + bin.node) * PHOTON_COLUMNS + column;
    let a = cx.photon_table[i as usize] as Real;
    let b = cx.photon_table[(i + PHOTON_COLUMNS) as usize] as Real;
    a + (b - a) * bin.fraction
}

/// A column of the scattering table, interpolated. `row` is the tissue's first row.
pub fn scatter_value(cx: &Context, row: u32, bin: Bin, column: u32) -> Real {
    let i = (row + bin.node) * SCATTER_COLUMNS + column;
    let a = cx.scatter_table[i as usize] as Real;
    let b = cx.scatter_table[(i + SCATTER_COLUMNS) as usize] as Real;
    a + (b - a) * bin.fraction
}
