//! Elementary functions: the same bits on the device as in Rust. And the alarms of the bench.

use crate::bench::{Outcome, Twin, bits, compare, f, hold, source};
use crate::twin;
use lutra::kernel::single::math::*;

/// Cases of `math.rs`.
pub fn cases() -> Vec<Twin> {
    vec![
        twin!("fmin", Electron, 2 -> 1, "twin_put(o, fmin(twin_f(a), twin_f(a + 1u)));",
            |_, a, o, _| o[0] = fmin(f(a, 0), f(a, 1)).to_bits(),
            |g| bits([g.signed(1e30), g.signed(1e30)])),
        twin!("fmax", Electron, 2 -> 1, "twin_put(o, fmax(twin_f(a), twin_f(a + 1u)));",
            |_, a, o, _| o[0] = fmax(f(a, 0), f(a, 1)).to_bits(),
            |g| bits([g.signed(1e30), g.signed(1e30)])),
        twin!("fabs", Electron, 1 -> 1, "twin_put(o, fabs(twin_f(a)));",
            |_, a, o, _| o[0] = fabs(f(a, 0)).to_bits(),
            |g| bits([g.signed(1e30)])),
        twin!("recip", Electron, 1 -> 1, "twin_put(o, recip(twin_f(a)));",
            |_, a, o, _| o[0] = recip(f(a, 0)).to_bits(),
            |g| bits([g.positive(1e-30, 1e30)])),
        twin!("rsqrt", Electron, 1 -> 1, "twin_put(o, rsqrt(twin_f(a)));",
            |_, a, o, _| o[0] = rsqrt(f(a, 0)).to_bits(),
            |g| bits([g.positive(1e-30, 1e30)])),
        twin!("root", Electron, 1 -> 1, "twin_put(o, root(twin_f(a)));",
            |_, a, o, _| o[0] = root(f(a, 0)).to_bits(),
            |g| bits([if g.below(64) == 0 { 0.0 } else { g.positive(1e-32, 1e30) }])),
        twin!("ln", Electron, 1 -> 1, "twin_put(o, ln(twin_f(a)));",
        |_, a, o, _| o[0] = ln(f(a, 0)).to_bits(),
        |g| bits([match g.below(4) {
            0 => g.positive(0.9, 1.1),
            1 => g.unit(),
            _ => g.positive(1e-30, 1e30),
        }])),
        twin!("exp_of", Electron, 1 -> 1, "twin_put(o, exp_of(twin_f(a)));",
        |_, a, o, _| o[0] = exp_of(f(a, 0)).to_bits(),
        |g| bits([match g.below(4) {
            0 => g.between(-81.0, 80.0),
            _ => g.signed(80.0),
        }])),
        twin!("one_minus_exp", Electron, 1 -> 1, "twin_put(o, one_minus_exp(twin_f(a)));",
            |_, a, o, _| o[0] = one_minus_exp(f(a, 0)).to_bits(),
            |g| bits([if g.below(2) == 0 { g.positive(1e-12, 60.0) } else { g.between(0.0, 2.0) }])),
        twin!("sin_cos_turn", Electron, 1 -> 2,
            "let x = sin_cos_turn(twin_in[a]);
             twin_put(o, x.sin);
             twin_put(o + 1u, x.cos);",
            |_, a, o, _| {
                let x = sin_cos_turn(a[0]);
                o.copy_from_slice(&[x.sin.to_bits(), x.cos.to_bits()]);
            },
            |g| vec![if g.i % 2 == 0 { (g.i as u32) << 15 } else { g.word() }]),
        twin!("real_from_u32", Electron, 1 -> 1, "twin_put(o, real_from_u32(twin_in[a]));",
            |_, a, o, _| o[0] = real_from_u32(a[0]).to_bits(),
            |g| vec![g.word()]),
        twin!("units_from_kev", Electron, 1 -> 1, "twin_out[o] = units_from_kev(twin_f(a));",
            |_, a, o, _| o[0] = units_from_kev(f(a, 0)),
            |g| bits([if g.below(8) == 0 { g.signed(1.0) } else { g.positive(1e-6, 100_000.0) }])),
        twin!("kev_from_units", Electron, 1 -> 1, "twin_put(o, kev_from_units(twin_in[a]));",
            |_, a, o, _| o[0] = kev_from_units(a[0]).to_bits(),
            |g| vec![g.word()]),
    ]
}

#[test]
fn twin_elementary_functions() {
    hold(&cases());
}

/// The case by name, and what a comparison with a spoiled text finds.
fn spoiled(name: &str, from: &str, to: &str) -> Option<Outcome> {
    let twin = cases().into_iter().find(|c| c.name == name).expect("a case of this family");
    let sound = source(&twin);
    let text = sound.replacen(from, to, 1);
    assert_ne!(text, sound, "the fault is planted");
    compare(&twin, &text)
}

#[test]
fn alarm_one_unit_in_the_last_place_of_one_input_rings() {
    // the one input 1.0e-30 exactly (the lower edge) is off by its last bit
    let edge = 1e-30f32.to_bits();
    let to = format!("twin_out[o] = bitcast<u32>(recip(twin_f(a))) + select(0u, 1u, twin_in[a] == {edge}u);");
    if let Some(found) = spoiled("recip", "twin_put(o, recip(twin_f(a)));", &to) {
        assert!((1..16).contains(&found.differing), "{found:?}");
    }
}

#[test]
fn alarm_a_wrong_constant_rings() {
    // a coefficient one or a few units in the last place off; an angle or a mask off by one
    for (name, from, to) in [
        ("ln", "0.3333333f", "0.33333334f"),
        ("exp_of", "0.041665796f", "0.0416658f"),
        ("sin_cos_turn", "(turn + 536870912u)", "(turn + 536870911u)"),
        ("real_from_u32", "(x & 4095u)", "(x & 4094u)"),
    ] {
        if let Some(found) = spoiled(name, from, to) {
            assert!(found.differing > 0, "{name} with {to}");
        }
    }
}

#[test]
fn alarm_a_device_that_writes_nothing_rings() {
    if let Some(found) = spoiled("ln", "twin_put(o, ln(twin_f(a)));", "") {
        assert!(found.differing > crate::bench::INPUTS * 9 / 10, "{found:?}");
    }
}

#[test]
fn alarm_a_lost_carry_or_sign_rings() {
    for (name, from, to) in [
        ("sink", "select(0u, 1u, sum < low)", "0u"),
        ("sink", "select(0u, 1u, old > 0xffffffffu - v.x)", "0u"),
        ("sink", "(other >> 16u)", "0u"),
        ("sink", "tally_add(home, negative(v));", ""),
        ("negative", "select(0u, 1u, v.x == 0u)", "1u"),
        ("tally_add", "(before ^ after) & (high ^ after)", "(before ^ after) & (high ^ before)"),
        ("tally_add", "flags |= FLAG_TALLY_OVERFLOW;", ""),
    ] {
        let twin = crate::twin_register::sink_cases().into_iter().find(|c| c.name == name).expect("a case");
        let sound = source(&twin);
        let text = sound.replacen(from, to, 1);
        assert_ne!(text, sound, "the fault is planted");
        if let Some(found) = compare(&twin, &text) {
            assert!(found.differing + found.tally_differing > 0, "{to} for {from}");
        }
    }
}
