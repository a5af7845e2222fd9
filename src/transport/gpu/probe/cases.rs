//! The cases of the probe and their answers, by the kernel in Rust.

use super::super::layout::{LEDGER_FINISHED, LEDGER_FLAGS, LEDGER_WORDS};
use crate::kernel::single::math::{exp_of, ln, real_from_u32, recip, rsqrt, sin_cos_turn};
use crate::kernel::single::rng::{hash_key, rng_for, rng_next};

/// Cases, one an invocation.
pub const CASES: usize = 4096;
/// Words of a case.
pub const CASE_WORDS: usize = 8;
/// Words of its answers.
pub const ANSWER_WORDS: usize = 25;
/// Tally entries that all invocations share.
pub const BINS: usize = 7;
/// Turns of the longest loop: four times the most steps that the engine asks a dispatch for. Mesa's llvmpipe ends any loop
/// after 65 535 turns, which no loop of the kernel reaches.
const LONGEST: u32 = 1 << 14;

/// A float of random sign and fraction, with an exponent from `low` to `high`, both within -126 to 127.
fn float(word: u32, low: i32, high: i32) -> f32 {
    let exponent = low + (word >> 8).rem_euclid((high - low + 1).unsigned_abs()).cast_signed();
    let fraction = word.wrapping_mul(0x9E37_79B9) & 0x007F_FFFF;
    let sign = word << 31;
    f32::from_bits(sign | ((exponent + 127).cast_unsigned() << 23) | fraction)
}

/// Two numbers whose sum, difference or product lies in the middle between two floats, or close to it.
fn pair(n: usize, words: [u32; 4]) -> [f32; 2] {
    let [one, two, three, _] = words;
    let a = float(one, -40, 40);
    match n % 4 {
        // any two: mostly far apart
        0 => [a, float(two, -40, 40)],
        // close together: long carries and cancellation
        1 => [a, f32::from_bits(a.to_bits() ^ (two & 0x80FF_FFFF))],
        // half a unit in the last place of the other, exactly or nearly: ties
        2 => {
            let unit = f32::from_bits((a.abs().to_bits() & 0x7F80_0000) - (24 << 23));
            let near = f32::from_bits(unit.to_bits() + (two & 1));
            [a, if three & 1 == 0 { near } else { -near }]
        }
        // with 1 it lies in the middle between 3 and the float below, and is rounded to 3
        3 if n % 64 == 3 => [a, f32::from_bits(0x3FFF_FFFF)],
        // short fractions: products that end in the middle
        _ => {
            let short = |word: u32| f32::from_bits(float(word, -3, 3).to_bits() & !0x0FFF | (0x0800 * (word & 1)));
            [short(one), short(two)]
        }
    }
}

/// What a case asks, in words.
fn case(n: usize) -> [u32; CASE_WORDS] {
    let key = n as u32;
    let words = hash_key(key, 1, 2, 3);
    let more = hash_key(key, 4, 5, 6);
    let [a, b] = pair(n, [words.a, words.b, words.c, words.d]);
    // every other time what a joined product and sum would show: all that the product's rounding left
    let c = if n.is_multiple_of(2) { -(a * b) } else { float(words.c, -40, 40) };
    let small = float(words.d, -126, -126);
    let whole = float(more.a & !1, -2, 31);
    let positive = float(more.b & !1, -90, 90);
    let exponent = f32::from_bits(0x3F80_0000 | (more.c >> 9)) * 161.0 - 242.0;
    [
        a.to_bits(),
        b.to_bits(),
        c.to_bits(),
        small.to_bits(),
        more.d,
        whole.to_bits(),
        positive.to_bits(),
        exponent.to_bits(),
    ]
}

/// All cases, one behind the other.
pub fn inputs() -> Vec<u32> {
    (0..CASES).flat_map(case).collect()
}

/// The last word and the number of inner turns of a loop.
fn looped(word: u32, turns: u32) -> [u32; 2] {
    let (mut x, mut inner) = (word, 0);
    for _ in 0..turns {
        x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        inner += x.leading_ones().min(4);
    }
    [x, inner]
}

/// The right answers of a case.
fn answer(n: usize) -> [u32; ANSWER_WORDS] {
    let words = case(n);
    let f = |place: usize| f32::from_bits(words[place]);
    let [a, b, c, small, whole, positive, exponent] = [f(0), f(1), f(2), f(3), f(5), f(6), f(7)];
    let word = words[4];
    let product = a * b;
    let sum = a + b;
    let turn = sin_cos_turn(word);
    let mut stream = rng_for((CASE_WORDS * n) as u32, word, 7, 11);
    let random = [rng_next(&mut stream), rng_next(&mut stream)];
    let [last, inner] = looped(word, if n == 0 { LONGEST } else { word & 1023 });
    let bits = f32::to_bits;
    [
        bits(sum),
        bits(a - b),
        bits(product),
        bits(product + c),
        bits(sum - a),
        u32::from(b + 1.0 < 3.0),
        bits(a),
        bits(small + small),
        bits(small * 1.5),
        bits((small + small) - small),
        bits(small * 0.5),
        bits((word & 0x00FF_FFFF) as f32),
        bits((word.cast_signed() >> 8) as f32),
        bits(real_from_u32(word)),
        whole as u32,
        bits(recip(positive)),
        bits(rsqrt(positive)),
        bits(ln(positive)),
        bits(exp_of(exponent)),
        bits(turn.sin),
        bits(turn.cos),
        random[0],
        random[1],
        last,
        inner,
    ]
}

/// The right answers of all cases.
pub(super) fn answers() -> Vec<u32> {
    (0..CASES).flat_map(answer).collect()
}

/// What all cases leave together: the tally's entries, low word first, then the ledger.
pub(super) fn together() -> Vec<u32> {
    let (mut tally, mut emitted, mut estimated) = ([0_i64; BINS], 0_u128, 0_u128);
    let mut flags = 0;
    for n in 0..CASES {
        let word = case(n)[4];
        let product = u64::from(word) * u64::from(word >> 16);
        let signed = if word & 1 == 0 { product.cast_signed() } else { -product.cast_signed() };
        tally[(n >> 4) % BINS] += signed;
        emitted += u128::from(product);
        estimated += u128::from(word) * u128::from(u32::MAX);
        flags |= 1 << (n % 16);
    }
    let mut ledger = [0; LEDGER_WORDS];
    for (account, value) in [(0, emitted), (4, estimated)] {
        (0..3).for_each(|place| ledger[3 * account + place] = (value >> (32 * place)) as u32);
    }
    (ledger[LEDGER_FLAGS], ledger[LEDGER_FINISHED]) = (flags, CASES as u32);
    tally.iter().flat_map(|entry| [*entry as u32, (*entry >> 32) as u32]).chain(ledger).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cases ask what they are meant to: ties, joined operations that would show, orders that would.
    #[test]
    fn law_cases_tell_right_from_wrong() {
        let (mut ties, mut joined, mut reordered, mut compared, mut conversions) = (0, 0, 0, 0, 0);
        for n in 0..CASES {
            let words = case(n);
            let f = |place: usize| f32::from_bits(words[place]);
            let exact = f64::from(f(0)) + f64::from(f(1));
            let up = f32::from_bits((exact as f32).to_bits().wrapping_add(1));
            let down = f32::from_bits((exact as f32).to_bits().wrapping_sub(1));
            let half = |other: f32| (f64::from(other) + f64::from(exact as f32)) / 2.0 == exact;
            ties += usize::from(half(up) || half(down));
            joined += usize::from(f(0).mul_add(f(1), f(2)) != f(0) * f(1) + f(2));
            reordered += usize::from((f(0) + f(1)) - f(0) != f(1));
            compared += usize::from((f(1) + 1.0 < 3.0) != (f(1) < 2.0));
            conversions += usize::from(f(5) as u32 != (f(5) + 0.5) as u32);
            let normal = |x: f32| x == 0.0 || x.is_normal();
            assert!([f(0) + f(1), f(0) - f(1), f(0) * f(1), f(3) + f(3), f(3) * 1.5].into_iter().all(normal), "{n}");
            assert!((-81.0..=80.0).contains(&f(7)) && (0.0..4_294_967_296.0).contains(&f(5)) && f(6) > 0.0, "{n}");
        }
        let enough = [ties, joined, reordered, conversions].into_iter().all(|count| count > CASES / 16);
        assert!(enough && compared > 0, "{ties} {joined} {reordered} {compared} {conversions}");
    }
}
