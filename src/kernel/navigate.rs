//! Where a particle is and how it goes straight through voxels.
//!
//! A position is a voxel and a local coordinate inside it, 0 to the voxel's edge in mm: full f32 precision
//! anywhere in the grid. Outside the grid is vacuum.

use super::Real;
use super::context::Context;
use super::math::{fabs, fmax, fmin, recip};

/// A particle in flight.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Particle {
    /// Voxel along x.
    pub ix: u32,
    /// Voxel along y.
    pub iy: u32,
    /// Voxel along z.
    pub iz: u32,
    /// 1 while it is followed.
    pub alive: u32,
    /// Position inside the voxel, mm.
    pub x: Real,
    /// Position inside the voxel, mm.
    pub y: Real,
    /// Position inside the voxel, mm.
    pub z: Real,
    /// Kinetic energy (photon: energy), units of 2^-5 eV.
    pub energy: u32,
    /// Direction, unit vector.
    pub ux: Real,
    /// Direction, unit vector.
    pub uy: Real,
    /// Direction, unit vector.
    pub uz: Real,
    /// Weight, 2^-16.
    pub weight: u32,
    /// Mean free paths to the next collision (photons).
    pub flight: Real,
    /// Steps made.
    pub steps: u32,
    /// Tally bin that counts as having received all its energy; all bits set: none.
    pub home: u32,
}

/// The way out of a voxel along a direction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exit {
    /// Distance to the face, mm.
    pub distance: Real,
    /// Axis of the face: 0 x, 1 y, 2 z.
    pub axis: u32,
}

/// Position of the particle's voxel in the volumes.
pub fn voxel_index(cx: &Context, p: &Particle) -> u32 {
    p.ix + cx.params.nx * (p.iy + cx.params.ny * p.iz)
}

/// Density of a voxel's word, g/cm3.
pub fn voxel_density(word: u32) -> Real {
    f32::from_bits(word & 0xFFFF_FF00u32) as Real
}

/// Tissue of a voxel's word.
pub fn voxel_tissue(word: u32) -> u32 {
    word & 255u32
}

/// Whether x lies between 0 (of either sign) and `top` (not negative), decided on the bits: drivers may take it that no
/// number is NaN and decide a comparison of floats either way, but they cannot mistake its bits.
pub fn is_within(x: Real, top: Real) -> bool {
    let bits = (x as f32).to_bits();
    bits <= (top as f32).to_bits() || bits == 0x8000_0000u32
}

/// Whether a particle is where or as no particle can be: outside the grid or its voxel, or with a direction whose length
/// is not 1 within 1 %.
pub fn is_lost(cx: &Context, p: &Particle) -> bool {
    let length2 = (p.ux * p.ux + p.uy * p.uy) + p.uz * p.uz;
    let straight = is_within(length2 - 0.98, 0.04);
    let here = is_within(p.x, cx.params.dx_mm as Real)
        && is_within(p.y, cx.params.dy_mm as Real)
        && is_within(p.z, cx.params.dz_mm as Real);
    let inside = p.ix < cx.params.nx && p.iy < cx.params.ny && p.iz < cx.params.nz;
    !(straight && here && inside)
}

/// Distance to the nearest face of the voxel in any direction, mm.
pub fn face_distance(cx: &Context, p: &Particle) -> Real {
    let x = fmin(p.x, cx.params.dx_mm as Real - p.x);
    let y = fmin(p.y, cx.params.dy_mm as Real - p.y);
    let z = fmin(p.z, cx.params.dz_mm as Real - p.z);
    fmin(x, fmin(y, z))
}

/// 1/|u|, bounded for directions along a face.
pub fn inverse(u: Real) -> Real {
    recip(fmax(fabs(u), 1.0e-10))
}

/// The face a particle reaches first, with the inverses of its direction's magnitudes at hand.
pub fn exit_along(cx: &Context, p: &Particle, vx: Real, vy: Real, vz: Real) -> Exit {
    let tx = if p.ux > 0.0 { (cx.params.dx_mm as Real - p.x) * vx } else { p.x * vx };
    let ty = if p.uy > 0.0 { (cx.params.dy_mm as Real - p.y) * vy } else { p.y * vy };
    let tz = if p.uz > 0.0 { (cx.params.dz_mm as Real - p.z) * vz } else { p.z * vz };
    let mut e = Exit { distance: tx, axis: 0 };
    if ty < e.distance {
        e = Exit { distance: ty, axis: 1 };
    }
    if tz < e.distance {
        e = Exit { distance: tz, axis: 2 };
    }
    e
}

/// Moves the particle straight on inside its voxel. Rounding may carry a coordinate past a face by a few units
/// in the last place; it is brought back to the face.
pub fn advance(cx: &Context, p: &mut Particle, distance_mm: Real) {
    p.x = fmin(fmax(p.x + p.ux * distance_mm, 0.0), cx.params.dx_mm as Real);
    p.y = fmin(fmax(p.y + p.uy * distance_mm, 0.0), cx.params.dy_mm as Real);
    p.z = fmin(fmax(p.z + p.uz * distance_mm, 0.0), cx.params.dz_mm as Real);
}

/// Steps through a face into the next voxel; false when that leaves the grid.
pub fn cross(cx: &Context, p: &mut Particle, axis: u32) -> bool {
    if axis == 0u32 {
        if p.ux > 0.0 {
            p.x = 0.0;
            p.ix = p.ix + 1u32;
            return p.ix < cx.params.nx;
        }
        p.x = cx.params.dx_mm as Real;
        if p.ix == 0u32 {
            return false;
        }
        p.ix = p.ix - 1u32;
        return true;
    }
    if axis == 1u32 {
        if p.uy > 0.0 {
            p.y = 0.0;
            p.iy = p.iy + 1u32;
            return p.iy < cx.params.ny;
        }
        p.y = cx.params.dy_mm as Real;
        if p.iy == 0u32 {
            return false;
        }
        p.iy = p.iy - 1u32;
        return true;
    }
    if p.uz > 0.0 {
        p.z = 0.0;
        p.iz = p.iz + 1u32;
        return p.iz < cx.params.nz;
    }
    p.z = cx.params.dz_mm as Real;
    if p.iz == 0u32 {
        return false;
    }
    p.iz = p.iz - 1u32;
    true
}
