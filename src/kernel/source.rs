//! Birth of a history: voxel, energy, place and direction.
//!
//! The number of histories of every source voxel is fixed in advance. Energy, place and direction follow an additive
//! sequence over the batch's histories (Kronecker sequence, Niederreiter 1992, section 3.1; one irrational step a
//! dimension) that starts at a random point (Cranley & Patterson 1976, SIAM J. Numer. Anal. 13:904): each history is
//! uniform, neighbours are stratified, and batches are independent.

use super::Real;
use super::context::Context;
use super::math::{real_from_u32, recip, root, sin_cos_turn};
use super::navigate::Particle;
use super::rng::unit_from_word;
use crate::kernel::NO_HOME;

/// Step of the additive sequence for the energy: 2^32 times the golden section (sqrt 5 - 1)/2.
pub const STEP_ENERGY: u32 = 2_654_435_769;
/// Step for x: 2^32 (sqrt 2 - 1).
pub const STEP_X: u32 = 1_779_033_704;
/// Step for y: 2^32 (sqrt 3 - 1).
pub const STEP_Y: u32 = 3_144_134_278;
/// Step for z: 2^32 (sqrt 7 - 2).
pub const STEP_Z: u32 = 2_773_480_762;
/// Step for the cosine of the polar angle: 2^32 (sqrt 11 - 3).
pub const STEP_POLAR: u32 = 1_359_893_120;
/// Step for the azimuth: 2^32 (sqrt 13 - 3).
pub const STEP_AZIMUTH: u32 = 2_600_822_924;

/// Energy and share of an emission.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Emission {
    /// Row of the emission table.
    pub row: u32,
    /// Energy, units of 2^-5 eV.
    pub energy: u32,
    /// Weight, 2^-16: the row's share of the particles over its share of the samples.
    pub weight: u32,
}

/// Row of the source table that holds history `h`: the last whose first history is not above `h`.
pub fn source_row(cx: &Context, h: u32) -> u32 {
    let mut low = 0u32;
    let mut high = cx.params.sources;
    while high - low > 1u32 {
        let middle = (low + high) >> 1;
        if cx.source_table[(3u32 * middle) as usize] > h {
            high = middle;
        } else {
            low = middle;
        }
    }
    low
}

/// Row of the emission table that holds the place `word` (2^-32) of the cumulative distribution.
pub fn emission_row(cx: &Context, word: u32) -> u32 {
    let mut low = 0u32;
    let mut high = cx.params.emissions - 1u32;
    while low < high {
        let middle = (low + high) >> 1;
        if cx.emission_table[(4u32 * middle) as usize] < word {
            low = middle + 1u32;
        } else {
            high = middle;
        }
    }
    low
}

/// Energy in units of 2^-5 eV at the place `word` inside the row it falls in.
pub fn emission_energy(cx: &Context, row: u32, word: u32) -> u32 {
    let width = cx.emission_table[(4u32 * row + 2u32) as usize];
    let lowest = cx.emission_table[(4u32 * row + 1u32) as usize];
    if width == 0u32 {
        return lowest;
    }
    let mut below = 0u32;
    if row > 0u32 {
        below = cx.emission_table[(4u32 * (row - 1u32)) as usize] + 1u32;
    }
    let top = cx.emission_table[(4u32 * row) as usize];
    let span = real_from_u32(top - below) + 1.0;
    let part = (real_from_u32(word - below) + 0.5) * recip(span);
    lowest + (part * real_from_u32(width)) as u32
}

/// Product of two weights in 2^-16, rounded to nearest.
pub fn weight_product(a: u32, b: u32) -> u32 {
    let low = ((a & 65535u32).wrapping_mul(b & 65535u32) + 32768u32) >> 16;
    let middle = (a >> 16).wrapping_mul(b & 65535u32).wrapping_add((a & 65535u32).wrapping_mul(b >> 16));
    ((a >> 16).wrapping_mul(b >> 16) << 16).wrapping_add(middle).wrapping_add(low)
}

/// What history `h` emits.
pub fn emission_of(cx: &Context, h: u32) -> Emission {
    let word = cx.params.shift_energy.wrapping_add(h.wrapping_mul(STEP_ENERGY));
    let row = emission_row(cx, word);
    let energy = emission_energy(cx, row, word);
    Emission { row: row, energy: energy, weight: cx.emission_table[(4u32 * row + 3u32) as usize] }
}

/// The particle of history `h`, which emits `emission`.
pub fn birth(cx: &Context, h: u32, emission: Emission) -> Particle {
    let row = 3u32 * source_row(cx, h);
    let voxel = cx.source_table[(row + 1u32) as usize];
    let weight = weight_product(cx.source_table[(row + 2u32) as usize], emission.weight);
    let mut fx: Real = 0.5;
    let mut fy: Real = 0.5;
    let mut fz: Real = 0.5;
    if cx.params.point_source == 0u32 {
        fx = unit_from_word(cx.params.shift_x.wrapping_add(h.wrapping_mul(STEP_X)));
        fy = unit_from_word(cx.params.shift_y.wrapping_add(h.wrapping_mul(STEP_Y)));
        fz = unit_from_word(cx.params.shift_z.wrapping_add(h.wrapping_mul(STEP_Z)));
    }
    let cos_theta = 2.0 * unit_from_word(cx.params.shift_polar.wrapping_add(h.wrapping_mul(STEP_POLAR))) - 1.0;
    let sin_theta = root(1.0 - cos_theta * cos_theta);
    let azimuth = sin_cos_turn(cx.params.shift_azimuth.wrapping_add(h.wrapping_mul(STEP_AZIMUTH)));
    let plane = cx.params.nx * cx.params.ny;
    let iz = voxel / plane;
    let in_plane = voxel - iz * plane;
    let iy = in_plane / cx.params.nx;
    let ix = in_plane - iy * cx.params.nx;
    Particle {
        ix: ix,
        iy: iy,
        iz: iz,
        alive: 1,
        x: fx * (cx.params.dx_mm as Real),
        y: fy * (cx.params.dy_mm as Real),
        z: fz * (cx.params.dz_mm as Real),
        energy: emission.energy,
        ux: sin_theta * azimuth.cos,
        uy: sin_theta * azimuth.sin,
        uz: cos_theta,
        weight: weight,
        flight: 0.0,
        steps: 0,
        home: NO_HOME,
    }
}
