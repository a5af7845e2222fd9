//! Lanes against the scalar kernel: every function, bit for bit.

use super::Set;
use crate::kernel::single::{compton, elastic, math, moller, navigate, rng, source, straggling, tables};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};

thread_local! {
    /// The lane whose random stream is spoiled at every step, on this thread.
    static FAULT: std::cell::Cell<Option<usize>> = const { std::cell::Cell::new(None) };
}

/// Plants the fault of this thread, if there is one: `flip` spoils a lane.
pub(super) fn tamper(lanes: usize, flip: impl FnOnce(usize)) {
    if let Some(lane) = FAULT.get() {
        flip(lane % lanes);
    }
}

/// Spoils a lane of all jobs in lanes on this thread from now on, or none.
pub(crate) fn spoil(lane: Option<usize>) {
    FAULT.set(lane);
}

/// What a function takes.
#[derive(Clone, Copy)]
enum Takes {
    /// Any bits.
    Words,
    /// Positive numbers between two powers of ten, of either sign if so said.
    Reals(f32, f32, bool),
    /// Numbers from 0 to 1.
    Shares,
}

const FUNCTIONS: &[(&str, Takes)] = &[
    ("fmin", Takes::Words),
    ("fmax", Takes::Words),
    ("fabs", Takes::Words),
    ("recip", Takes::Words),
    ("recip", Takes::Reals(1e-37, 1e37, false)),
    ("rsqrt", Takes::Words),
    ("rsqrt", Takes::Reals(1e-37, 1e37, false)),
    ("root", Takes::Words),
    ("root", Takes::Reals(1e-31, 1e37, false)),
    ("ln", Takes::Words),
    ("ln", Takes::Shares),
    ("exp_of", Takes::Reals(1e-9, 81.0, true)),
    ("one_minus_exp", Takes::Reals(1e-9, 81.0, false)),
    ("sine", Takes::Words),
    ("cosine", Takes::Words),
    ("real_from_u32", Takes::Words),
    ("units_from_kev", Takes::Words),
    ("units_from_kev", Takes::Reals(1e-4, 4e3, true)),
    ("kev_from_units", Takes::Words),
    ("unit_from_word", Takes::Words),
    ("energy_node", Takes::Words),
    ("energy_node", Takes::Reals(0.5, 8e3, false)),
    ("energy_fraction", Takes::Reals(0.5, 8e3, false)),
    ("momentum_node", Takes::Words),
    ("momentum_node", Takes::Reals(1e-4, 1e3, false)),
    ("momentum_fraction", Takes::Reals(1e-4, 1e3, false)),
    ("bell", Takes::Words),
    ("weight_product", Takes::Words),
    ("inverse", Takes::Reals(1e-12, 1.0, true)),
    ("soft_mu", Takes::Shares),
    ("hard_mu", Takes::Shares),
    ("compose", Takes::Shares),
    ("moller_shape", Takes::Shares),
    ("collision_cos", Takes::Reals(1.0, 4e3, false)),
    ("as u32", Takes::Words),
    ("as u32", Takes::Reals(1e-3, 1e10, true)),
    ("as f32", Takes::Words),
    ("i32 as f32", Takes::Words),
    ("a < b", Takes::Words),
    ("a <= b", Takes::Words),
    ("float a < b", Takes::Words),
    ("float a >= b", Takes::Words),
    ("product, low", Takes::Words),
    ("product, high", Takes::Words),
    ("quotient", Takes::Words),
    ("hash", Takes::Words),
];

fn scalar(name: &str, [ua, ub, uc]: [u32; 3]) -> u32 {
    let f = f32::from_bits;
    let (a, b, c) = (f(ua), f(ub), f(uc));
    match name {
        "fmin" => math::fmin(a, b).to_bits(),
        "fmax" => math::fmax(a, b).to_bits(),
        "fabs" => math::fabs(a).to_bits(),
        "recip" => math::recip(a).to_bits(),
        "rsqrt" => math::rsqrt(a).to_bits(),
        "root" => math::root(a).to_bits(),
        "ln" => math::ln(a).to_bits(),
        "exp_of" => math::exp_of(a).to_bits(),
        "one_minus_exp" => math::one_minus_exp(a).to_bits(),
        "sine" => math::sin_cos_turn(ua).sin.to_bits(),
        "cosine" => math::sin_cos_turn(ua).cos.to_bits(),
        "real_from_u32" => math::real_from_u32(ua).to_bits(),
        "units_from_kev" => math::units_from_kev(a),
        "kev_from_units" => math::kev_from_units(ua).to_bits(),
        "unit_from_word" => rng::unit_from_word(ua).to_bits(),
        "energy_node" => tables::energy_bin(a).node,
        "energy_fraction" => tables::energy_bin(a).fraction.to_bits(),
        "momentum_node" => tables::momentum_bin(a).node,
        "momentum_fraction" => tables::momentum_bin(a).fraction.to_bits(),
        "bell" => straggling::bell(ua, ub).to_bits(),
        "weight_product" => source::weight_product(ua, ub),
        "inverse" => navigate::inverse(a).to_bits(),
        "soft_mu" => elastic::soft_mu(a, b, c).to_bits(),
        "hard_mu" => elastic::hard_mu(a, b, c).to_bits(),
        "compose" => elastic::compose(a, b, c).to_bits(),
        "moller_shape" => moller::moller_shape(a, b, c).to_bits(),
        "collision_cos" => moller::collision_cos(a, b).to_bits(),
        "as u32" => a as u32,
        "as f32" => (ua as f32).to_bits(),
        "i32 as f32" => (ua.cast_signed() as f32).to_bits(),
        "a < b" => u32::from(ua < ub),
        "a <= b" => u32::from(ua <= ub),
        "float a < b" => u32::from(a < b),
        "float a >= b" => u32::from(a >= b),
        "product, low" => (u64::from(ua) * u64::from(ub)) as u32,
        "product, high" => ((u64::from(ua) * u64::from(ub)) >> 32) as u32,
        "quotient" => ua.checked_div(ub).unwrap_or(0),
        "hash" => rng::pcg4d(rng::Rng { a: ua, b: ub, c: uc, d: ua }).a,
        _ => unreachable!("{name} at {:?}", compton::PER_KEV_ANGSTROM),
    }
}

fn lanes(set: Set, name: &str, arguments: &[[u32; 3]]) -> Vec<u32> {
    match set {
        Set::Portable => super::portable::apply(name, arguments),
        // SAFETY: the tests ask for the sets that the machine has
        #[cfg(target_arch = "x86_64")]
        Set::Avx2 => unsafe { super::avx2::apply(name, arguments) },
        // SAFETY: as above
        #[cfg(target_arch = "x86_64")]
        Set::Avx512 => unsafe { super::avx512::apply(name, arguments) },
        #[cfg(not(target_arch = "x86_64"))]
        Set::Avx2 | Set::Avx512 => unreachable!("not a set of this machine"),
        Set::Simd128 => unreachable!("not a set of this machine"),
    }
}

/// Dense inputs (evenly spaced bits over the whole domain, its ends, and special numbers) and as many random ones.
fn inputs(takes: Takes, count: u32) -> Vec<[u32; 3]> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(7);
    let mut one = |at: Option<u32>| -> u32 {
        let word = match at {
            Some(i) => (u64::from(i) * (1 << 32) / u64::from(count)) as u32,
            None => random.next_u32(),
        };
        match takes {
            Takes::Words => word,
            Takes::Shares => rng::unit_from_word(word).to_bits(),
            Takes::Reals(low, high, signed) => {
                let (low, high) = (low.to_bits(), high.to_bits());
                let place = if signed { word << 1 } else { word };
                let bits = low + ((u64::from(high - low) * u64::from(place)) >> 32) as u32;
                bits | if signed { word & 0x8000_0000 } else { 0 }
            }
        }
    };
    let mut all: Vec<[u32; 3]> = (0..count).map(|i| [one(Some(i)), one(None), one(None)]).collect();
    all.extend((0..count).map(|_| [one(None), one(None), one(None)]));
    if let Takes::Words = takes {
        let special =
            [0.0, -0.0, 1.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, 1e-40, 4_294_967_296.0];
        let special: Vec<u32> = special.iter().map(|x: &f32| x.to_bits()).chain([u32::MAX, 1, 1 << 31]).collect();
        for &a in &special {
            all.extend(special.iter().map(|&b| [a, b, a]));
        }
    }
    all
}

/// No number has no payload that counts: the hardware may pass on either operand's.
fn same(name: &str, a: u32, b: u32) -> bool {
    let real = !matches!(name, "units_from_kev" | "energy_node" | "momentum_node" | "weight_product" | "hash");
    a == b || (real && f32::from_bits(a).is_nan() && f32::from_bits(b).is_nan())
}

#[test]
fn twin_functions_in_lanes() {
    for set in Set::available() {
        for &(name, takes) in FUNCTIONS {
            let arguments = inputs(takes, 200_000);
            let found = lanes(set, name, &arguments);
            assert_eq!(found.len(), arguments.len());
            let mut different = arguments.iter().zip(&found).filter(|(a, x)| !same(name, scalar(name, **a), **x));
            if let Some((a, x)) = different.next() {
                let more = different.count();
                panic!("{set:?}: {name} of {a:08x?} is {:08x}, not {x:08x}; {more} more differ", scalar(name, *a));
            }
        }
        println!("{}: {} functions, 400 000 inputs each, no bit differs", set.name(), FUNCTIONS.len());
    }
}

#[test]
fn alarm_one_bit_of_one_lane_is_seen() {
    let arguments = inputs(Takes::Shares, 1000);
    let mut found = lanes(Set::Portable, "ln", &arguments);
    assert!(arguments.iter().zip(&found).all(|(a, x)| same("ln", scalar("ln", *a), *x)));
    found[777] ^= 1;
    assert!(!arguments.iter().zip(&found).all(|(a, x)| same("ln", scalar("ln", *a), *x)));
}
