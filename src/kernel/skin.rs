//! Births in the skin of the home: near the faces, and flying outwards.
//!
//! An electron that stays in its home adds nothing to the tally (see `Sink`), and one born deep in it rarely leaves. So
//! a part `WHOLE` of the births is uniform over the voxel and isotropic, as all decays are; the others lie behind one of
//! the six faces, at a depth whose density falls linearly to 0 at `REACH` ranges (or is cut at the middle of the voxel),
//! and fly with a density 1 + tilt mu, mu the cosine to the face's outward normal. The weight is the density of decays over
//! that of births, at most 1/`WHOLE`: defensive importance sampling (Hesterberg 1995, Technometrics 37:185). Any choice of
//! the numbers is exact; they decide the variance alone. See docs/methods/transport.md, section 1.

use super::Real;
use super::context::Context;
use super::math::{fmax, fmin, real_from_u32, recip, root, sin_cos_turn};
use super::navigate::Particle;
use super::rng::unit_from_word;
use super::source::{STEP_AZIMUTH, STEP_POLAR, STEP_X, STEP_Y, STEP_Z};

/// Part of the births that is uniform over the voxel.
pub const WHOLE: Real = 0.1;
/// Depth at which births end, in ranges.
pub const REACH: Real = 0.8;

/// Births behind the two faces across an axis; lengths are shares of the voxel's edge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Skin {
    /// One over the depth at which the density of births would be 0.
    pub fade: Real,
    /// Depth at which they end: that depth, or the middle of the voxel.
    pub depth: Real,
    /// Integral of the falling line from 1 at the face down to there.
    pub mass: Real,
    /// Tilt of the directions: 1, less where electrons cross the whole voxel anyway.
    pub tilt: Real,
}

/// The skin of electrons of range `reach_mm` behind faces `edge_mm` apart.
pub fn skin_of(reach_mm: Real, edge_mm: Real) -> Skin {
    let fade = recip(fmax(REACH * reach_mm, 1.0e-6)) * edge_mm;
    let depth = fmin(recip(fade), 0.5);
    let tilt = fmin(depth * fade, 1.0);
    Skin { fade: fade, depth: depth, mass: depth * (1.0 - 0.5 * tilt), tilt: tilt }
}

/// Depth of a birth behind its face for the number `part` in (0, 1).
pub fn skin_depth(skin: Skin, part: Real) -> Real {
    let reached = 2.0 * (part * skin.mass);
    fmin(reached * recip(1.0 + root(fmax(1.0 - reached * skin.fade, 0.0))), skin.depth)
}

/// Cosine of a birth's direction to the outward normal of its face for the number `part` in (0, 1).
pub fn skin_cosine(skin: Skin, part: Real) -> Real {
    let c = (1.0 - 0.5 * skin.tilt) - 2.0 * part;
    fmin(fmax((-2.0 * c) * recip(1.0 + root(fmax(1.0 - (2.0 * skin.tilt) * c, 0.0))), -1.0), 1.0)
}

/// Density of births behind the two faces across an axis, relative to that of decays: at `place` with the direction's
/// component `along` the axis.
pub fn skin_density(skin: Skin, place: Real, along: Real) -> Real {
    let beyond = place > 0.5;
    let inwards = if beyond { 1.0 - place } else { place };
    let out = if beyond { along } else { -along };
    let fall = fmax(1.0 - inwards * skin.fade, 0.0);
    (0.5 * recip(skin.mass)) * (fall * (1.0 + skin.tilt * out))
}

/// Moves the newly born electron of history `h`, of range `reach_mm`, into the skin of its voxel, or leaves it anywhere in
/// it, and gives it the weight that makes up for it.
pub fn skin_birth(cx: &Context, h: u32, p: &mut Particle, reach_mm: Real) {
    let dx_mm = cx.params.dx_mm as Real;
    let dy_mm = cx.params.dy_mm as Real;
    let dz_mm = cx.params.dz_mm as Real;
    let skin_x = skin_of(reach_mm, dx_mm);
    let skin_y = skin_of(reach_mm, dy_mm);
    let skin_z = skin_of(reach_mm, dz_mm);
    let word = cx.params.shift_x.wrapping_add(h.wrapping_mul(STEP_X));
    let choice = unit_from_word(word);
    let one = unit_from_word(cx.params.shift_y.wrapping_add(h.wrapping_mul(STEP_Y)));
    let other = unit_from_word(cx.params.shift_z.wrapping_add(h.wrapping_mul(STEP_Z)));
    let mut fx = fmin(choice * recip(WHOLE), 1.0);
    let mut fy = one;
    let mut fz = other;
    if choice > WHOLE {
        // one of six faces, and the place behind it
        let six = (choice - WHOLE) * (6.0 * recip(1.0 - WHOLE));
        let face = fmin(six, 5.0) as u32;
        let axis = face >> 1;
        let beyond = (face & 1u32) == 1u32;
        let mut skin = skin_x;
        if axis == 1u32 {
            skin = skin_y;
        }
        if axis == 2u32 {
            skin = skin_z;
        }
        let inwards = skin_depth(skin, fmin(six - real_from_u32(face), 1.0));
        let place = if beyond { 1.0 - inwards } else { inwards };
        let out = skin_cosine(skin, unit_from_word(cx.params.shift_polar.wrapping_add(h.wrapping_mul(STEP_POLAR))));
        let along = if beyond { out } else { -out };
        let across = root(fmax(1.0 - along * along, 0.0));
        let azimuth = sin_cos_turn(cx.params.shift_azimuth.wrapping_add(h.wrapping_mul(STEP_AZIMUTH)));
        let a = across * azimuth.cos;
        let b = across * azimuth.sin;
        fx = one;
        fy = other;
        fz = place;
        p.ux = a;
        p.uy = b;
        p.uz = along;
        if axis == 0u32 {
            fx = place;
            fy = one;
            fz = other;
            p.ux = along;
            p.uy = a;
            p.uz = b;
        }
        if axis == 1u32 {
            fx = other;
            fy = place;
            fz = one;
            p.ux = b;
            p.uy = along;
            p.uz = a;
        }
    }
    p.x = fx * dx_mm;
    p.y = fy * dy_mm;
    p.z = fz * dz_mm;
    let skin = (skin_density(skin_x, fx, p.ux) + skin_density(skin_y, fy, p.uy)) + skin_density(skin_z, fz, p.uz);
    let density = WHOLE + (1.0 - WHOLE) * (skin * 0.333_333_333);
    // weights are whole numbers of 2^-16: rounded up or down by bits that nothing else uses
    let dither = (real_from_u32(word & 511u32) + 0.5) * 0.001_953_125;
    p.weight = (real_from_u32(p.weight) * recip(density) + dither) as u32;
}
