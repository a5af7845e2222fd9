//! The probe on a device: a sound device passes; every shader that computes otherwise is named.

use crate::adapter;
use lutra::transport::gpu::GpuEngine;
use lutra::transport::gpu::probe::{Conformance, Demand, text};

/// What the probe finds with a text in which `from` stands no longer.
fn found(from: &str, to: &str) -> Option<Conformance> {
    let number = adapter::chosen()?.number;
    let sound = text();
    let spoiled = if from.is_empty() { sound } else { sound.replace(from, to) };
    assert!(from.is_empty() || spoiled != text(), "the fault is planted: {from}");
    Some(GpuEngine::probed(Some(number), &spoiled).unwrap_or_else(|error| panic!("{to}: {error}")))
}

#[test]
fn probe_trusts_the_device_of_the_tests() {
    if let Some(found) = found("", "") {
        println!("subnormal numbers: {:?}", found.subnormals);
        assert!(found.is_sound(), "{}", found.words());
    }
}

/// A product and a sum with one rounding, by Dekker's exact product (Numer. Math. 18, 1971, 224).
const JOINED: &str = "fn joined(a: f32, b: f32, c: f32) -> f32 {
  let p = nc(a * b);
  let ka = nc(4097.0 * a);
  let a1 = nc(ka - nc(ka - a));
  let a2 = nc(a - a1);
  let kb = nc(4097.0 * b);
  let b1 = nc(kb - nc(kb - b));
  let b2 = nc(b - b1);
  let rest = nc(nc(a2 * b2) - nc(nc(nc(p - nc(a1 * b1)) - nc(a2 * b1)) - nc(a1 * b2)));
  return nc(nc(p + c) + rest);
}
fn probe_put(";

/// What a device may do wrong, as a change of the text, and the demands that must be named; others may be, too, since the
/// kernel's functions stand on them.
const FAULTS: &[(&str, &str, &[Demand])] = &[
    // cut off instead of rounded, where the sum is not exact
    ("nc(a + b));", "bitcast<f32>(bitcast<u32>(nc(a + b)) & 0xfffffffeu));", &[Demand::Sums]),
    ("nc(a - b)", "bitcast<f32>(bitcast<u32>(nc(a - b)) & 0xfffffffeu)", &[Demand::Differences]),
    ("nc(a * b));", "bitcast<f32>(bitcast<u32>(nc(a * b)) & 0xfffffffeu));", &[Demand::Products]),
    ("nc(nc(a + b) - a)", "b", &[Demand::Reassociation]),
    ("nc(b + 1.0) < 3.0", "b < 2.0", &[Demand::Comparison]),
    // the barrier loses bits; takes the sign; takes what is small for nothing
    (
        "bitcast<u32>(x) ^ params.zero",
        "(bitcast<u32>(x) & 0xfffffff8u) ^ params.zero",
        &[Demand::Barrier, Demand::Sums, Demand::Functions],
    ),
    (
        "bitcast<u32>(x) ^ params.zero",
        "(bitcast<u32>(x) & 0x7fffffffu) ^ params.zero",
        &[Demand::Barrier, Demand::Differences],
    ),
    (
        "return bitcast<f32>(bitcast<u32>(x) ^ params.zero);",
        "return select(bitcast<f32>(bitcast<u32>(x) ^ params.zero), 0.0, (bitcast<u32>(x) & 0x7fffffffu) < 0x01000000u);",
        &[Demand::SmallestNormals],
    ),
    ("f32(word & 0xffffffu)", "f32(word & 0xfffffeu)", &[Demand::ToFloats]),
    ("f32(i32(word) >> 8u)", "f32((word >> 8u) & 0xffffffu)", &[Demand::ToFloats]),
    ("(f32((x >> 12u))) * 4096.0f", "(f32((x >> 13u))) * 8192.0f", &[Demand::ToFloats]),
    ("u32(probe_f(i + 5u))", "u32(probe_f(i + 5u) + 0.5)", &[Demand::ToWholes]),
    (
        "fn recip(x: f32) -> f32 {",
        "fn recip(x: f32) -> f32 {\n  return 1.0 / (x + x * 1.0e-6);\n}\nfn other(x: f32) -> f32 {",
        &[Demand::Functions],
    ),
    ("rng_for(i,", "rng_for(i + 1u,", &[Demand::RandomWords]),
    ("n < turns", "n < min(turns, 4095u)", &[Demand::Loops]),
    (
        "    for (var bit = 31u; bit > 27u; bit -= 1u) {",
        "    for (var bit = 31u; bit > 28u; bit -= 1u) {",
        &[Demand::Loops],
    ),
    // sums that are no longer whole: read, added and written in three steps; a lost carry; an account without its third word
    (
        "let old = atomicAdd(&tally[2u * index], v.x);",
        "let old = atomicLoad(&tally[2u * index]);\n  atomicStore(&tally[2u * index], old + v.x);",
        &[Demand::Atomics],
    ),
    ("let high = v.y + select(0u, 1u, old > 0xffffffffu - v.x);", "let high = v.y;", &[Demand::Atomics]),
    ("atomicAdd(&ledger[3u * account + 2u], 1u);", "", &[Demand::Atomics]),
    ("atomicOr(&ledger[LEDGER_FLAGS], flags);", "atomicStore(&ledger[LEDGER_FLAGS], flags);", &[Demand::Atomics]),
    // a dispatch that ends early
    ("if i < arrayLength(&probe_in) {", "if i < arrayLength(&probe_in) / 2u {", &Demand::ALL),
];

#[test]
fn alarm_every_wrong_device_is_named() {
    for (from, to, demands) in FAULTS {
        for (found, demand) in
            found(from, to).iter().flat_map(|found| demands.iter().map(move |demand| (found, demand)))
        {
            let named = found.breaches.iter().any(|breach| breach.demand == *demand);
            assert!(named, "{to}: {demand:?} is not among: {}", found.words());
        }
    }
}

#[test]
fn alarm_a_joined_product_and_sum_is_named() {
    if let Some(chosen) = adapter::chosen() {
        let spoiled = text().replacen("fn probe_put(", JOINED, 1).replace("nc(nc(a * b) + c)", "joined(a, b, c)");
        let found = GpuEngine::probed(Some(chosen.number), &spoiled).expect("the pass runs");
        let named: Vec<Demand> = found.breaches.iter().map(|breach| breach.demand).collect();
        assert_eq!(named, [Demand::Contraction], "{}", found.words());
    }
}

/// Only the operation that is wrong is named where no other stands on it.
#[test]
fn alarm_a_wrong_sum_is_named_alone() {
    if let Some(found) = found(FAULTS[0].0, FAULTS[0].1) {
        let named: Vec<Demand> = found.breaches.iter().map(|breach| breach.demand).collect();
        assert_eq!(named, [Demand::Sums], "{}", found.words());
    }
}
