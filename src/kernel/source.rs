//! Birth of a history: voxel, energy, place and direction.
//!
//! The number of histories of every source voxel is fixed in advance; inside a voxel, energy, place and
//! direction follow a randomly shifted additive sequence (Kronecker sequence with Cranley-Patterson shifts, one
//! set of shifts a voxel and batch): each history is uniform, all together are stratified, and batches are
//! independent.

use super::Real;
use super::context::Context;
use super::math::{real_from_u32, recip, root, sin_cos_turn};
use super::navigate::Particle;
use super::rng::{hash_key, unit_from_word};
use crate::kernel::Sink;

/// Step of the additive sequence for the energy: 2^32 times the golden section (sqrt 5 - 1)/2.
pub const STEP_ENERGY: u32 = 2_654_435_769;
/// Step for x: 2^32 (sqrt 2 - 1).
pub const STEP_X: u32 = 1_779_033_704;
/// Step for y: 2^32 (sqrt 3 - 1).
pub const STEP_Y: u32 = 3_144_134_277;
/// Step for z: 2^32 (sqrt 7 - 2).
pub const STEP_Z: u32 = 2_773_480_762;
/// Step for the cosine of the polar angle: 2^32 (sqrt 11 - 3).
pub const STEP_POLAR: u32 = 1_359_893_119;
/// Step for the azimuth: 2^32 (sqrt 13 - 3).
pub const STEP_AZIMUTH: u32 = 2_600_822_924;
/// Keeps the shifts' keys apart from the histories' own streams.
pub const SHIFT_KEY: u32 = 0x5851_F42D;

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

/// Energy in units of 2^-5 eV at the place `word` (2^-32) of the emission table's cumulative distribution.
pub fn emission_energy(cx: &Context, word: u32) -> u32 {
    let mut low = 0u32;
    let mut high = cx.params.emissions - 1u32;
    while low < high {
        let middle = (low + high) >> 1;
        if cx.emission_table[(3u32 * middle) as usize] < word {
            low = middle + 1u32;
        } else {
            high = middle;
        }
    }
    let width = cx.emission_table[(3u32 * low + 2u32) as usize];
    let lowest = cx.emission_table[(3u32 * low + 1u32) as usize];
    if width == 0u32 {
        return lowest;
    }
    let mut below = 0u32;
    if low > 0u32 {
        below = cx.emission_table[(3u32 * (low - 1u32)) as usize] + 1u32;
    }
    let top = cx.emission_table[(3u32 * low) as usize];
    let span = real_from_u32(top - below) + 1.0;
    let part = (real_from_u32(word - below) + 0.5) * recip(span);
    lowest + (part * real_from_u32(width)) as u32
}

/// The particle of history `h`.
pub fn birth<S: Sink>(cx: &Context, h: u32, out: &mut S) -> Particle {
    let row = 3u32 * source_row(cx, h);
    let k = h - cx.source_table[row as usize];
    let voxel = cx.source_table[(row + 1u32) as usize];
    let weight = cx.source_table[(row + 2u32) as usize];
    let s1 = hash_key(voxel, cx.params.batch, cx.params.seed_low, cx.params.seed_high ^ SHIFT_KEY);
    let s2 = hash_key(voxel, cx.params.batch, cx.params.seed_low ^ SHIFT_KEY, cx.params.seed_high);
    let energy = emission_energy(cx, s1.a.wrapping_add(k.wrapping_mul(STEP_ENERGY)));
    let mut fx: Real = 0.5;
    let mut fy: Real = 0.5;
    let mut fz: Real = 0.5;
    if cx.params.point_source == 0u32 {
        fx = unit_from_word(s1.b.wrapping_add(k.wrapping_mul(STEP_X)));
        fy = unit_from_word(s1.c.wrapping_add(k.wrapping_mul(STEP_Y)));
        fz = unit_from_word(s1.d.wrapping_add(k.wrapping_mul(STEP_Z)));
    }
    let cos_theta = 2.0 * unit_from_word(s2.a.wrapping_add(k.wrapping_mul(STEP_POLAR))) - 1.0;
    let sin_theta = root(1.0 - cos_theta * cos_theta);
    let azimuth = sin_cos_turn(s2.b.wrapping_add(k.wrapping_mul(STEP_AZIMUTH)));
    let plane = cx.params.nx * cx.params.ny;
    let iz = voxel / plane;
    let in_plane = voxel - iz * plane;
    let iy = in_plane / cx.params.nx;
    let ix = in_plane - iy * cx.params.nx;
    out.emitted(energy, weight);
    Particle {
        ix: ix,
        iy: iy,
        iz: iz,
        alive: 1,
        x: fx * (cx.params.dx_mm as Real),
        y: fy * (cx.params.dy_mm as Real),
        z: fz * (cx.params.dz_mm as Real),
        energy: energy,
        ux: sin_theta * azimuth.cos,
        uy: sin_theta * azimuth.sin,
        uz: cos_theta,
        weight: weight,
        flight: 0.0,
        steps: 0,
    }
}
