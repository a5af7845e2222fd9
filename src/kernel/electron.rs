//! The life of an electron: condensed steps with a random hinge, knock-ons above a threshold, range rejection.
//!
//! One call of `electron_step` makes one condensed step. Path lengths are areal densities (g/cm2), so that a
//! step goes on unchanged through voxels of the same tissue and any density; where the tissue changes, the step
//! ends and a new one begins, which the random hinge makes right on average to first order (PENELOPE manual, section 4.4); loss
//! and deflection of the part that was made are right to second order.
//! See docs/methods/transport.md.

use super::Real;
use super::context::{Context, FLAG_LOST, FLAG_STACK_FULL, FLAG_STEP_LIMIT};
use super::elastic::scatter;
use super::math::{
    SinCos, fmax, fmin, kev_from_units, ln, one_minus_exp, real_from_u32, recip, root, sin_cos_turn, units_from_kev,
};
use super::moller::{collision_cos, knock_on_energy};
use super::navigate::{
    Particle, advance, cross, exit_along, face_distance, inverse, is_lost, voxel_density, voxel_index, voxel_tissue,
};
use super::rng::{Rng, random, rng_next};
use super::rotate::turn;
use super::rows::electron_value;
use super::skin::skin_birth;
use super::source::{birth, emission_of};
use super::straggling::soft_loss;
use super::tables::{
    Bin, COLUMN_GROWTH, COLUMN_KNOCK_ON, COLUMN_KNOCK_ON_MOST, COLUMN_RANGE, COLUMN_STEP, COLUMN_STOPPING,
    COLUMN_TRANSPORT, COLUMN_VARIANCE, COLUMN_YIELD, ENERGY_NODES, energy_bin,
};
use super::waiting::{STACK_SIZE, Stack, pop_waiting, push_waiting};
use crate::kernel::Sink;

/// No electron makes more steps than this.
pub const ELECTRON_STEP_LIMIT: u32 = 100_000;
/// A straight flight ended where it was meant to.
pub const FLIGHT_DONE: u32 = 0;
/// A straight flight ended at a face behind which the tissue is another.
pub const FLIGHT_TISSUE: u32 = 1;
/// As before, and the step's deflection comes there.
pub const FLIGHT_TURNS: u32 = 2;
/// A straight flight left the grid.
pub const FLIGHT_OUT: u32 = 3;
/// The electron does not fly any more.
pub const FLIGHT_RESTS: u32 = 4;

/// Tally bin for energy left between the particle's place and `distance_mm` further on: its voxel, or the shell
/// around the centre of the first voxel of a random point of the way.
pub fn tally_bin(cx: &Context, rng: &mut Rng, p: &Particle, distance_mm: Real) -> u32 {
    if cx.params.radial_bins == 0u32 {
        return voxel_index(cx, p);
    }
    let s = distance_mm * random(rng);
    let x = (p.x + p.ux * s) - 0.5 * (cx.params.dx_mm as Real);
    let y = (p.y + p.uy * s) - 0.5 * (cx.params.dy_mm as Real);
    let z = (p.z + p.uz * s) - 0.5 * (cx.params.dz_mm as Real);
    let r = root((x * x + y * y) + z * z);
    let shell = fmin(r * (cx.params.radial_per_mm as Real), 1.0e9) as u32;
    if shell < cx.params.radial_bins { shell } else { cx.params.radial_bins - 1u32 }
}

/// The particle is done: the last that waits comes next.
pub fn finish(p: &mut Particle, stack: &mut Stack) {
    p.alive = 0;
    if stack.count > 0u32 {
        *p = pop_waiting(stack);
    }
}

/// Leaves `units` of energy at the particle's place.
pub fn leave_here<S: Sink>(cx: &Context, rng: &mut Rng, p: &Particle, units: u32, out: &mut S) {
    let bin = tally_bin(cx, rng, p, 0.0);
    out.deposit(bin, p.home, units, p.weight);
}

/// The electron of history `h`. What it will radiate until rest is taken off its weight at once (the yield of its
/// energy in the tissue of its birth; nothing in vacuum): the photon pass emits it. Where the density allows, its voxel
/// becomes its home and it is born in the skin.
pub fn electron_birth<S: Sink>(cx: &Context, h: u32, out: &mut S) -> Particle {
    let mut p = birth(cx, h, emission_of(cx, h));
    let index = voxel_index(cx, &p);
    let word = cx.voxels[index as usize];
    let density = voxel_density(word);
    let row = voxel_tissue(word) * ENERGY_NODES;
    let bin = energy_bin(kev_from_units(p.energy));
    if density >= cx.params.home_density_g_cm3 as Real {
        p.home = index;
        let range = electron_value(cx, row, bin, COLUMN_RANGE);
        skin_birth(cx, h, &mut p, range * 10.0 * recip(density));
    }
    out.emitted(p.energy, p.weight);
    let mut share = electron_value(cx, row, bin, COLUMN_YIELD);
    if density <= 0.0 {
        share = 0.0;
    }
    let radiated = (share * real_from_u32(p.weight) + 0.5) as u32;
    out.radiated(p.energy, radiated);
    p.weight = p.weight - radiated;
    p
}

/// By which share a piece of a step is shorter along its flight than its path: the winding within the step. `begin` is the share
/// of the step before the piece, `part` the piece's own; `turns` the step's transport mean free paths.
pub fn winding(turns: Real, begin: Real, part: Real) -> Real {
    let middle = begin + 0.5 * part;
    ((turns * turns) * 0.5) * (middle * (1.0 - middle) - (part * part) * 0.083_333_333)
}

/// What the flights of a step have in common.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stride {
    /// Share of the step in a millimetre at 1 g/cm3.
    pub per_g_mm: Real,
    /// Energy lost over the whole step, keV.
    pub lost_kev: Real,
    /// By which share its stopping power is below that of the middle at the start, and above it at the end.
    pub slope: Real,
    /// Its transport mean free paths.
    pub turns: Real,
}

/// Flies straight from one share of a step to another. Returns how the flight ended.
pub fn fly<S: Sink>(
    cx: &Context,
    rng: &mut Rng,
    p: &mut Particle,
    begin: Real,
    end: Real,
    stride: Stride,
    out: &mut S,
) -> u32 {
    let mut made = begin;
    let word = cx.voxels[voxel_index(cx, p) as usize];
    let tissue = voxel_tissue(word);
    let mut density = voxel_density(word);
    loop {
        let energy_kev = kev_from_units(p.energy);
        // to the end of the path, or to the face before it
        let mut part = end - made;
        let mut way = (part * (1.0 - winding(stride.turns, made, part))) * recip(density * stride.per_g_mm);
        let mut axis = 0u32;
        let x = p.x + p.ux * way;
        let y = p.y + p.uy * way;
        let z = p.z + p.uz * way;
        let inside = x >= 0.0
            && x <= cx.params.dx_mm as Real
            && y >= 0.0
            && y <= cx.params.dy_mm as Real
            && z >= 0.0
            && z <= cx.params.dz_mm as Real;
        if !inside {
            let exit = exit_along(cx, p, inverse(p.ux), inverse(p.uy), inverse(p.uz));
            axis = exit.axis;
            way = fmin(exit.distance, way);
            part = way * (density * stride.per_g_mm);
            part = part * (1.0 + winding(stride.turns, made, part));
        }
        let slope = stride.slope * ((2.0 * made + part) - 1.0);
        let mut after = units_from_kev(energy_kev - (stride.lost_kev * part) * (1.0 + slope));
        if after > p.energy {
            after = p.energy;
        }
        let bin = tally_bin(cx, rng, p, way);
        out.deposit(bin, p.home, p.energy - after, p.weight);
        p.energy = after;
        if inside {
            p.x = x;
            p.y = y;
            p.z = z;
            return FLIGHT_DONE;
        }
        made = fmin(made + part, end);
        advance(cx, p, way);
        if !cross(cx, p, axis) {
            return FLIGHT_OUT;
        }
        let next = cx.voxels[voxel_index(cx, p) as usize];
        density = voxel_density(next);
        if voxel_tissue(next) != tissue || density <= 0.0 {
            // a step cut short before its hinge lacks some deflection to second order: see docs/methods/transport.md
            let lacks = random(rng) < made * (0.5 * stride.turns);
            if lacks && end < 1.0 {
                return FLIGHT_TURNS;
            }
            return FLIGHT_TISSUE;
        }
    }
}

/// Straight through vacuum into the next voxel. Returns how the flight ended.
pub fn fly_vacuum(cx: &Context, p: &mut Particle) -> u32 {
    let exit = exit_along(cx, p, inverse(p.ux), inverse(p.uy), inverse(p.uz));
    advance(cx, p, exit.distance);
    if cross(cx, p, exit.axis) { FLIGHT_TISSUE } else { FLIGHT_OUT }
}

/// Whether an electron of this energy cannot leave its voxel, or not go far.
pub fn is_stuck(cx: &Context, p: &Particle, row: u32, bin: Bin, density: Real) -> bool {
    let range = electron_value(cx, row, bin, COLUMN_RANGE);
    let free = if cx.params.radial_bins == 0u32 { face_distance(cx, p) } else { 0.0 };
    range * 10.0 <= fmax(density * free, cx.params.cut_mm_g_cm3 as Real)
}

/// A knock-on collision at the particle's place: the fainter electron goes first, the other waits.
pub fn knock_on<S: Sink>(
    cx: &Context,
    rng: &mut Rng,
    p: &mut Particle,
    stack: &mut Stack,
    row: u32,
    density: Real,
    out: &mut S,
) {
    let energy_kev = kev_from_units(p.energy);
    if energy_kev <= 2.0 * (cx.params.knock_on_kev as Real) {
        return;
    }
    let lost_kev = knock_on_energy(cx, rng, energy_kev, out);
    let mut lost = units_from_kev(lost_kev);
    if lost > p.energy {
        lost = p.energy;
    }
    let around = sin_cos_turn(rng_next(rng));
    let mut second = *p;
    second.energy = lost;
    second.steps = 0;
    p.energy = p.energy - lost;
    let cos_first = collision_cos(energy_kev, energy_kev - lost_kev);
    turn(p, cos_first, root(1.0 - cos_first * cos_first), around);
    // a knock-on that cannot leave the voxel needs no flight
    let mut stays = is_stuck(cx, p, row, energy_bin(lost_kev), density);
    if !stays && stack.count >= STACK_SIZE {
        out.flag(FLAG_STACK_FULL);
        stays = true;
    }
    if stays {
        leave_here(cx, rng, p, lost, out);
        return;
    }
    push_waiting(stack, p);
    let cos_second = collision_cos(energy_kev, lost_kev);
    let opposite = SinCos { sin: -around.sin, cos: -around.cos };
    turn(&mut second, cos_second, root(1.0 - cos_second * cos_second), opposite);
    *p = second;
}

/// A condensed step in matter of the density given, in the tissue whose first row is `row`. Returns how its flight ended.
pub fn step_in_matter<S: Sink>(
    cx: &Context,
    rng: &mut Rng,
    p: &mut Particle,
    stack: &mut Stack,
    row: u32,
    out: &mut S,
) -> u32 {
    let energy_kev = kev_from_units(p.energy);
    let bin = energy_bin(energy_kev);

    // length of the step, and whether it ends where a knock-on may be: collisions come at a rate that no energy of the step
    // exceeds, and are real with the share of the rate at the energy reached (null collisions; PENELOPE manual, section 4.3)
    let mut step = electron_value(cx, row, bin, COLUMN_STEP);
    let most = electron_value(cx, row, bin, COLUMN_KNOCK_ON_MOST);
    let u = random(rng);
    let knocks = u < one_minus_exp(most * step);
    if knocks {
        step = fmin(step, -ln(1.0 - u) * recip(most));
    }

    // energy loss, with the stopping power of the middle of the step
    let first_loss = electron_value(cx, row, bin, COLUMN_STOPPING) * step;
    let middle = energy_bin(fmax(energy_kev - 0.5 * first_loss, 1.0));
    let mean_loss = electron_value(cx, row, middle, COLUMN_STOPPING) * step;
    let variance = electron_value(cx, row, middle, COLUMN_VARIANCE) * step;
    let lost = fmin(soft_loss(rng, mean_loss, variance), energy_kev);

    // winding: the mean advance over a path of k transport mean free paths is (1 - exp(-k))/k (Lewis 1950), the hinge's after
    // any share f of the step is longer; to second order the difference grows with half of k^2 times f (1 - f)
    let k = step * electron_value(cx, row, middle, COLUMN_TRANSPORT);
    let slope = (mean_loss - first_loss) * recip(mean_loss);
    let stride = Stride { per_g_mm: 0.1 * recip(step), lost_kev: lost, slope: slope, turns: k };

    // hinge: uniform over the step, with the growth of the scattering power along it
    let v = random(rng);
    let growth = step * electron_value(cx, row, bin, COLUMN_GROWTH);
    let hinge = v + (0.5 * growth) * (v * (1.0 - v));
    let mut ended = FLIGHT_DONE;
    for half in 0..2u32 {
        if ended == FLIGHT_DONE || ended == FLIGHT_TURNS {
            if half == 1u32 {
                // the step once more from its stride: a register less for chips
                scatter(cx, rng, p, row, middle, 0.1 * recip(stride.per_g_mm), out);
            }
            if ended == FLIGHT_DONE {
                // chosen here, since what is kept over the deflection is a register of chips
                let begin = if half == 1u32 { hinge } else { 0.0 };
                let end = if half == 1u32 { 1.0 } else { hinge };
                ended = fly(cx, rng, p, begin, end, stride, out);
            }
        }
    }
    if knocks && ended == FLIGHT_DONE {
        let rate = electron_value(cx, row, energy_bin(kev_from_units(p.energy)), COLUMN_KNOCK_ON);
        if random(rng) * most < rate {
            let here = voxel_density(cx.voxels[voxel_index(cx, p) as usize]);
            knock_on(cx, rng, p, stack, row, here, out);
        }
    }
    ended
}

/// Whether an electron in matter ends here: its energy is below the cut, or it is stuck.
pub fn ends_here(cx: &Context, p: &Particle, row: u32, density: Real) -> bool {
    let energy_kev = kev_from_units(p.energy);
    if energy_kev < cx.params.electron_cut_kev as Real {
        return true;
    }
    is_stuck(cx, p, row, energy_bin(energy_kev), density)
}

/// One condensed step through matter, a flight through vacuum, or neither. Returns how it ended.
pub fn step_on<S: Sink>(cx: &Context, rng: &mut Rng, p: &mut Particle, stack: &mut Stack, out: &mut S) -> u32 {
    if is_lost(cx, p) {
        out.flag(FLAG_LOST);
        return FLIGHT_OUT;
    }
    if p.steps > ELECTRON_STEP_LIMIT {
        out.flag(FLAG_STEP_LIMIT);
        return FLIGHT_RESTS;
    }
    let word = cx.voxels[voxel_index(cx, p) as usize];
    let density = voxel_density(word);
    if density <= 0.0 {
        return fly_vacuum(cx, p);
    }
    let row = voxel_tissue(word) * ENERGY_NODES;
    if ends_here(cx, p, row, density) {
        return FLIGHT_RESTS;
    }
    step_in_matter(cx, rng, p, stack, row, out)
}

/// One condensed step of the electron, or its end.
pub fn electron_step<S: Sink>(cx: &Context, rng: &mut Rng, p: &mut Particle, stack: &mut Stack, out: &mut S) {
    p.steps = p.steps + 1u32;
    let ended = step_on(cx, rng, p, stack, out);
    if ended == FLIGHT_RESTS {
        leave_here(cx, rng, p, p.energy, out);
    }
    if ended == FLIGHT_OUT {
        out.escaped(p.home, p.energy, p.weight);
    }
    if ended >= FLIGHT_OUT {
        finish(p, stack);
    }
}
