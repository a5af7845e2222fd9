//! The kernel's elementary functions against f64, and its random words against another implementation.

// copies of kernel functions, in which faults are planted, carry the digits of their source
#![allow(clippy::approx_constant, clippy::excessive_precision)]

use lutra::kernel::single::math;
use lutra::kernel::single::rng::{Rng, rng_for, rng_next, unit_from_word};
use rand_xoshiro::rand_core::{Rng as _, SeedableRng};
use rand_xoshiro::{Xoshiro128PlusPlus, Xoshiro256PlusPlus};

/// Inputs per function.
const INPUTS: usize = 1_000_000;

/// Normal numbers from `low` to `high` (positive), even in their bits: every octave has its share.
fn positive(low: f32, high: f32) -> impl Iterator<Item = f32> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
    let (first, span) = (low.to_bits(), u64::from(high.to_bits() - low.to_bits()) + 1);
    (0..INPUTS).map(move |i| match i {
        0 => low,
        1 => high,
        _ => f32::from_bits(first + (((random.next_u64() >> 32) * span) >> 32) as u32),
    })
}

/// Distance of `got` from the true value in units of the true value's last place.
fn ulp_error(got: f32, exact: f64) -> f64 {
    let near = exact as f32;
    let ulp = f64::from(f32::from_bits(near.abs().to_bits() + 1)) - f64::from(near.abs());
    (f64::from(got) - exact).abs() / ulp
}

fn worst(inputs: impl Iterator<Item = f32>, got: impl Fn(f32) -> f32, exact: impl Fn(f64) -> f64) -> (f64, f32) {
    inputs.map(|x| (ulp_error(got(x), exact(f64::from(x))), x)).fold((0.0, 0.0), |a, b| if b.0 > a.0 { b } else { a })
}

#[test]
fn law_elementary_functions_have_the_accuracy_they_state() {
    let check = |name: &str, (error, at): (f64, f32), most: f64| {
        println!("{name}: {error:.2} units in the last place at {at:e}");
        assert!(error <= most, "{name}({at:e}) is {error} units in the last place off, {most} stated");
    };
    check("recip", worst(positive(1e-37, 1e37), math::recip, |x| 1.0 / x), 2.0);
    check("rsqrt", worst(positive(1e-37, 1e37), math::rsqrt, |x| 1.0 / x.sqrt()), 3.0);
    check("root", worst(positive(1e-30, 1e37), math::root, f64::sqrt), 4.0);
    check("ln", worst(positive(1e-37, 1e37), math::ln, f64::ln), 1.0);
    check("ln below 1", worst(positive(0.5, 1.0), math::ln, f64::ln), 1.0);
    check("exp_of", worst(positive(1e-9, 80.0), math::exp_of, f64::exp), 2.0);
    check("exp_of of negatives", worst(positive(1e-9, 80.0), |x| math::exp_of(-x), |x| (-x).exp()), 2.0);
    check("one_minus_exp", worst(positive(1e-9, 60.0), math::one_minus_exp, |x| -(-x).exp_m1()), 5.0);
}

#[test]
fn law_sines_and_cosines_of_whole_turns() {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(2);
    let mut largest: f64 = 0.0;
    for i in 0..INPUTS {
        let turn = if i < 4096 { (i as u32) << 20 } else { random.next_u32() };
        let angle = f64::from(turn) * (std::f64::consts::TAU / 4_294_967_296.0);
        let s = math::sin_cos_turn(turn);
        largest = largest.max((f64::from(s.sin) - angle.sin()).abs()).max((f64::from(s.cos) - angle.cos()).abs());
    }
    println!("largest error {largest:.2e}");
    // the turn is cut to 25 bits: 1.9e-7 rad at most, and the polynomials add their rounding
    assert!(largest < 3.5e-7, "{largest:e}");
}

#[test]
fn law_whole_numbers_become_floats_correctly_rounded() {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(3);
    for i in 0..INPUTS {
        let n = match i {
            0 => u32::MAX,
            1..64 => (1u32 << 24).wrapping_add(i as u32).wrapping_sub(32),
            _ => random.next_u32() >> (i % 32),
        };
        assert_eq!(math::real_from_u32(n).to_bits(), (n as f32).to_bits(), "{n}");
    }
}

#[test]
fn law_energies_survive_the_way_to_units_and_back() {
    for units in (0..32_000_000u32).step_by(37) {
        let back = math::units_from_kev(math::kev_from_units(units));
        // exact while f32 holds the number of units; above, one part in 2^23
        assert!(back.abs_diff(units) <= 1 + (units >> 22), "{units} became {back}");
    }
    assert_eq!(math::units_from_kev(-1.0), 0);
    assert_eq!(math::units_from_kev(1.0), 32_000);
}

#[test]
fn law_random_words_are_those_of_xoshiro128_plus_plus() {
    for history in 0..1000 {
        let mut ours = rng_for(history, 3, 0x1234_5678, 0x9ABC_DEF0);
        let mut seed = [0u8; 16];
        for (place, word) in seed.chunks_exact_mut(4).zip([ours.a, ours.b, ours.c, ours.d]) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        let mut theirs = Xoshiro128PlusPlus::from_seed(seed);
        for draw in 0..100 {
            assert_eq!(rng_next(&mut ours), theirs.next_u32(), "history {history}, draw {draw}");
        }
    }
}

#[test]
fn law_streams_are_alive_and_apart() {
    let first = |history, batch, low, high| {
        let mut s: Rng = rng_for(history, batch, low, high);
        rng_next(&mut s)
    };
    let mut words: Vec<u32> = (0..10_000).map(|h| first(h, 0, 1, 0)).collect();
    words.extend((1..100).map(|b| first(0, b, 1, 0)));
    words.extend((2..100).map(|s| first(0, 0, s, 0)));
    words.extend((1..100).map(|s| first(0, 0, 1, s)));
    let drawn = words.len();
    words.sort_unstable();
    words.dedup();
    // about 1e4^2 / 2^33 = 0.01 chance meetings
    assert!(drawn - words.len() <= 1, "{} streams begin with the same word", drawn - words.len());
    assert!(unit_from_word(0) > 0.0 && unit_from_word(u32::MAX) < 1.0);
}

/// Coefficients of `math::exp_of`, in its order.
const EXP: [f32; 6] = [
    1.987_569_150_0e-4,
    1.398_199_950_7e-3,
    8.333_451_907_3e-3,
    4.166_579_589_4e-2,
    1.666_666_545_9e-1,
    5.000_000_120_1e-1,
];

/// Coefficients of `math::ln`, in its order.
const LN: [f32; 9] = [
    7.037_683_629_2e-2,
    -1.151_461_031_0e-1,
    1.167_699_874_0e-1,
    -1.242_014_084_6e-1,
    1.424_932_278_7e-1,
    -1.666_805_766_5e-1,
    2.000_071_476_5e-1,
    -2.499_999_399_3e-1,
    3.333_333_117_4e-1,
];

/// `math::exp_of` with coefficients that a fault can be planted in.
fn exp_with(x: f32, coefficients: &[f32; 6]) -> f32 {
    let n = ((x * 1.442_695_04 + 128.5) as u32) as i32 - 128;
    let r = (x - n as f32 * 0.693_359_375) + n as f32 * 2.121_944_40e-4;
    let y = coefficients[1..].iter().fold(coefficients[0], |y, c| y * r + c);
    ((y * r) * r + r + 1.0) * f32::from_bits(((n + 127) as u32) << 23)
}

/// `math::ln` with coefficients that a fault can be planted in.
fn ln_with(x: f32, coefficients: &[f32; 9]) -> f32 {
    let mut e = (x.to_bits() >> 23) as i32 - 126;
    let half = f32::from_bits((x.to_bits() & 0x007f_ffff) | 0x3f00_0000);
    let m = if half < 0.707_106_78 {
        e -= 1;
        (half + half) - 1.0
    } else {
        half - 1.0
    };
    let z = m * m;
    let y = (coefficients[1..].iter().fold(coefficients[0], |y, c| y * m + c) * m) * z;
    (m + (y - e as f32 * 2.121_944_40e-4 - 0.5 * z)) + e as f32 * 0.693_359_375
}

/// Each coefficient in turn off by as much as moves the result by some units in the last place where its power is largest; the
/// functions with their own coefficients are the kernel's.
#[test]
fn alarm_a_coefficient_with_a_wrong_digit_is_seen() {
    let same = |a: f32, b: f32| a.to_bits() == b.to_bits();
    assert!(positive(1e-9, 80.0).all(|x| same(exp_with(x, &EXP), math::exp_of(x))));
    assert!(positive(1e-37, 1e37).all(|x| same(ln_with(x, &LN), math::ln(x))));
    // arguments end at half of ln 2 and at sqrt 2 - 1; coefficient n stands before the power 7 - n and 11 - n
    let fault = |largest: f32, power: usize| 4.0 * f32::EPSILON / largest.powi(power as i32);
    let mut missed = Vec::new();
    for n in 0..EXP.len() {
        let mut planted = EXP;
        planted[n] += fault(0.5 * std::f32::consts::LN_2, 7 - n);
        if worst(positive(1e-9, 80.0), |x| exp_with(x, &planted), f64::exp).0 <= 2.0 {
            missed.push(format!("exp {n}: {:e} for {:e}", planted[n], EXP[n]));
        }
    }
    for n in 0..LN.len() {
        let mut planted = LN;
        planted[n] += fault(std::f32::consts::SQRT_2 - 1.0, 11 - n);
        if worst(positive(1e-37, 1e37), |x| ln_with(x, &planted), f64::ln).0 <= 1.0 {
            missed.push(format!("ln {n}: {:e} for {:e}", planted[n], LN[n]));
        }
    }
    assert!(missed.is_empty(), "{missed:?}");
}
