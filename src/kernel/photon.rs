//! The life of a photon: exact flight through the voxels, energy tallied along the track, collisions analogue.
//!
//! The default tally is the track-length estimator: every voxel crossed receives the energy that the photon would
//! leave there on average (its energy-transfer coefficient times the areal density crossed). Collisions decide the
//! photon's fate and fill the ledger; the analogue estimator tallies them instead.

use super::Real;
use super::compton::compton;
use super::context::{Context, FLAG_LOST, FLAG_STEP_LIMIT};
use super::electron::tally_bin;
use super::math::{fmax, kev_from_units, ln, real_from_u32, recip, root, sin_cos_turn, units_from_kev};
use super::navigate::{
    Particle, advance, cross, exit_along, inverse, is_lost, voxel_density, voxel_index, voxel_tissue,
};
use super::rayleigh::rayleigh;
use super::rng::{Rng, random, rng_next};
use super::rotate::turn;
use super::source::{birth, emission_of};
use super::tables::{
    COLUMN_BREMSSTRAHLUNG, COLUMN_COHERENT, COLUMN_INCOHERENT, COLUMN_KERMA, COLUMN_TOTAL, ENERGY_NODES,
    MOMENTUM_NODES, energy_bin, photon_value,
};
use crate::kernel::Sink;

/// No photon makes more steps than this.
pub const PHOTON_STEP_LIMIT: u32 = 1_000_000;
/// Voxels crossed in one step at most.
pub const PHOTON_VOXELS_A_STEP: u32 = 16;

/// The photon of history `h`. Bremsstrahlung is as strong as the tissue of its birth makes it: its weight follows, and is
/// 0 in vacuum.
pub fn photon_birth<S: Sink>(cx: &Context, h: u32, out: &mut S) -> Particle {
    let emission = emission_of(cx, h);
    let mut p = birth(cx, h, emission);
    if emission.row >= cx.params.bremsstrahlung_row {
        let word = cx.voxels[voxel_index(cx, &p) as usize];
        let row = voxel_tissue(word) * ENERGY_NODES;
        let mut strength = photon_value(cx, row, energy_bin(kev_from_units(p.energy)), COLUMN_BREMSSTRAHLUNG);
        if voxel_density(word) <= 0.0 {
            strength = 0.0;
        }
        p.weight = (strength * real_from_u32(p.weight) + 0.5) as u32;
    }
    out.emitted(p.energy, p.weight);
    p
}

/// Energy left by a collision: to the ledger, and to the tally when it is analogue.
pub fn leave<S: Sink>(cx: &Context, rng: &mut Rng, p: &Particle, units: u32, out: &mut S) {
    if cx.params.analogue == 1u32 {
        let bin = tally_bin(cx, rng, p, 0.0);
        out.deposit(bin, p.home, units, p.weight);
    } else {
        out.absorbed(units, p.weight);
    }
}

/// The photon collides where it is.
pub fn collide<S: Sink>(cx: &Context, rng: &mut Rng, p: &mut Particle, tissue: u32, out: &mut S) {
    let energy_kev = kev_from_units(p.energy);
    let row = tissue * ENERGY_NODES;
    let bin = energy_bin(energy_kev);
    let total = photon_value(cx, row, bin, COLUMN_TOTAL);
    let elastic = photon_value(cx, row, bin, COLUMN_COHERENT);
    let inelastic = photon_value(cx, row, bin, COLUMN_INCOHERENT);
    let pick = random(rng) * total;
    let scatter_row = tissue * MOMENTUM_NODES;
    if pick < elastic {
        let cos_theta = rayleigh(cx, rng, scatter_row, energy_kev, out);
        let sin_theta = root(fmax(1.0 - cos_theta * cos_theta, 0.0));
        turn(p, cos_theta, sin_theta, sin_cos_turn(rng_next(rng)));
        return;
    }
    if pick < elastic + inelastic {
        let s = compton(cx, rng, scatter_row, energy_kev, out);
        let mut after = (s.ratio * real_from_u32(p.energy)) as u32;
        if after > p.energy {
            after = p.energy;
        }
        leave(cx, rng, p, p.energy - after, out);
        p.energy = after;
        let sin_theta = root(fmax(1.0 - s.cos_theta * s.cos_theta, 0.0));
        turn(p, s.cos_theta, sin_theta, sin_cos_turn(rng_next(rng)));
        return;
    }
    leave(cx, rng, p, p.energy, out);
    p.energy = 0;
    p.alive = 0;
}

/// Flies on to the next collision, through some voxels at most, or out.
pub fn photon_step<S: Sink>(cx: &Context, rng: &mut Rng, p: &mut Particle, out: &mut S) {
    p.steps = p.steps + 1u32;
    if is_lost(cx, p) {
        out.flag(FLAG_LOST);
        out.escaped(p.home, p.energy, p.weight);
        p.alive = 0;
        return;
    }
    let energy_kev = kev_from_units(p.energy);
    if energy_kev < cx.params.photon_cut_kev as Real || p.steps > PHOTON_STEP_LIMIT {
        if p.steps > PHOTON_STEP_LIMIT {
            out.flag(FLAG_STEP_LIMIT);
        }
        let here = tally_bin(cx, rng, p, 0.0);
        out.deposit(here, p.home, p.energy, p.weight);
        p.alive = 0;
        return;
    }
    if p.flight <= 0.0 {
        p.flight = -ln(random(rng));
    }
    let bin = energy_bin(energy_kev);
    let vx = inverse(p.ux);
    let vy = inverse(p.uy);
    let vz = inverse(p.uz);
    for _ in 0..PHOTON_VOXELS_A_STEP {
        let index = voxel_index(cx, p);
        let word = cx.voxels[index as usize];
        let tissue = voxel_tissue(word);
        let row = tissue * ENERGY_NODES;
        let areal_per_mm = voxel_density(word) * 0.1;
        let mu_per_mm = areal_per_mm * photon_value(cx, row, bin, COLUMN_TOTAL);
        let exit = exit_along(cx, p, vx, vy, vz);
        let depth = mu_per_mm * exit.distance;
        let ends = p.flight < depth;
        let mut way = exit.distance;
        if ends {
            way = p.flight * recip(mu_per_mm);
        }
        if cx.params.analogue == 0u32 {
            let given = photon_value(cx, row, bin, COLUMN_KERMA) * (areal_per_mm * way);
            let place = tally_bin(cx, rng, p, way);
            out.estimate(place, units_from_kev(given), p.weight);
        }
        advance(cx, p, way);
        if ends {
            p.flight = 0.0;
            collide(cx, rng, p, tissue, out);
            return;
        }
        p.flight = fmax(p.flight - depth, 1.0e-9);
        if !cross(cx, p, exit.axis) {
            out.escaped(p.home, p.energy, p.weight);
            p.alive = 0;
            return;
        }
    }
}
