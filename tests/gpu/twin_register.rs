//! The sink's integers, and the list that shows that no function of the kernel is left out.

use crate::bench::{Twin, hold, source};
use crate::twin;
use lutra::kernel::{NO_HOME, Sink};
use lutra::transport::gpu::shader;
use std::collections::BTreeSet;
use std::path::Path;

/// The signed number of two words, low and high.
fn number(low: u32, high: u32) -> i64 {
    (u64::from(high) << 32 | u64::from(low)).cast_signed()
}

/// The two words of a signed number, low and high.
fn halves(x: i64) -> [u32; 2] {
    [x as u32, (x >> 32) as u32]
}

/// Entries of every kind, several a thread, large and small: products of 64 bits and their carries.
pub fn sink_cases() -> Vec<Twin> {
    vec![
        twin!("sink", Electron, 4 -> 2,
        "let w = wide_product(twin_in[a + 1u], twin_in[a + 2u]);
             twin_out[o] = w.x;
             twin_out[o + 1u] = w.y;
             for (var k = 0u; k < 3u; k += 1u) {
               sink_emitted(twin_in[a + 1u], twin_in[a + 2u]);
               sink_deposit(twin_in[a], twin_in[a + 3u], twin_in[a + 1u], twin_in[a + 2u] >> 10u);
               sink_escaped(twin_in[a + 3u], twin_in[a + 2u] >> 10u, twin_in[a + 1u]);
               sink_escaped(NO_HOME, twin_in[a + 2u], twin_in[a + 1u]);
               sink_radiated(twin_in[a + 1u] >> k, twin_in[a + 2u]);
               sink_estimate(twin_in[a], twin_in[a + 1u] >> 16u, twin_in[a + 2u]);
               sink_absorbed(twin_in[a + 1u], 65536u);
             }",
        |_, a, o, s| {
            let w = u64::from(a[1]) * u64::from(a[2]);
            o.copy_from_slice(&[w as u32, (w >> 32) as u32]);
            for k in 0..3 {
                s.emitted(a[1], a[2]);
                s.deposit(a[0], a[3], a[1], a[2] >> 10);
                s.escaped(a[3], a[2] >> 10, a[1]);
                s.escaped(NO_HOME, a[2], a[1]);
                s.radiated(a[1] >> k, a[2]);
                s.estimate(a[0], a[1] >> 16, a[2]);
                s.absorbed(a[1], 65536);
            }
        },
        // 378 bins take 347 inputs each: within 2^63 together, of either sign, with many carries
        |g| {
            let index = g.below(g.params.nx * g.params.ny * g.params.nz);
            vec![index, g.word(), g.word() >> 2, g.home(index)]
        }),
        twin!("negative", Electron, 2 -> 2,
            "let v = negative(vec2<u32>(twin_in[a], twin_in[a + 1u]));
             twin_out[o] = v.x;
             twin_out[o + 1u] = v.y;",
            |_, a, o, _| o.copy_from_slice(&halves(number(a[0], a[1]).wrapping_neg())),
            |g| vec![if g.below(16) == 0 { 0 } else { g.word() }, g.word()]),
        // no product of energy and weight passes 2^62; several of one sign pass 2^63
        twin!("tally_add", Own, 9 -> 1,
        "for (var k = 0u; k < 4u; k += 1u) {
               let before = flags;
               tally_add(twin_in[a], vec2<u32>(twin_in[a + 1u + 2u * k], twin_in[a + 2u + 2u * k]));
               twin_out[o] += select(0u, 1u << k, flags != before);
             }",
        |_, a, o, s| {
            for k in 0..4 {
                let before = s.flags();
                s.entry(a[0], number(a[1 + 2 * k], a[2 + 2 * k]));
                o[0] += u32::from(s.flags() != before) << k;
            }
        },
        |g| {
            let mut w = vec![g.i as u32];
            let side = g.below(4);
            for _ in 0..4 {
                let size = match g.below(8) {
                    0 => 1 << 62,
                    1 => (1 << 62) - 1,
                    _ => number(g.word(), g.word() >> 2),
                };
                // all positive, all negative, or of either sign
                w.extend(halves(if side == 0 || (side > 1 && g.below(2) == 0) { size } else { -size }));
            }
            w
        }),
        twin!("flag", Electron, 1 -> 1,
            "sink_flag(1u << (twin_in[a] & 7u));
             sink_flag(twin_in[a] & 3u);
             twin_out[o] = rotate_left(twin_in[a], 1u + (twin_in[a] & 15u));",
            |_, a, o, s| {
                s.flag(1 << (a[0] & 7));
                s.flag(a[0] & 3);
                o[0] = a[0].rotate_left(1 + (a[0] & 15));
            },
            |g| vec![g.word()]),
    ]
}

#[test]
fn twin_sink() {
    hold(&sink_cases());
}

fn all() -> Vec<Twin> {
    [
        crate::twin_math::cases(),
        crate::twin_random::cases(),
        crate::twin_tables::cases(),
        crate::twin_walk::cases(),
        crate::twin_source::cases(),
        crate::twin_electron::cases(),
        crate::twin_photon::cases(),
        sink_cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Functions of `src/kernel` that no case is named after.
fn without_a_case(cases: &BTreeSet<&str>) -> Vec<String> {
    let mut missing = Vec::new();
    for (module, _) in shader::MODULES {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/kernel/{module}.rs"));
        let Ok(text) = std::fs::read_to_string(path) else { continue };
        let names = text.lines().filter_map(|l| l.strip_prefix("pub fn ")).filter_map(|l| l.split(['(', '<']).next());
        missing.extend(names.filter(|n| !cases.contains(n)).map(|n| format!("{n} of {module}.rs")));
    }
    missing
}

#[test]
fn lock_every_kernel_function_is_on_the_bench() {
    let all = all();
    let mut names: BTreeSet<&str> = all.iter().map(|c| c.name).collect();
    let missing = without_a_case(&names);
    assert!(missing.is_empty(), "no twin case for {missing:?}");
    assert!(names.len() > 50, "the kernel has its functions");
    // a case named after a function calls it
    for case in &all {
        assert!(
            case.name == "sink" || case.name == "flag" || case.wgsl.contains(&format!("{}(", case.name)),
            "{}",
            case.name
        );
        if let Err(e) = naga::front::wgsl::parse_str(&source(case)) {
            panic!("{}: {}", case.name, e.emit_to_string(&source(case)));
        }
    }
    // and the list rings
    names.remove("soft_mu");
    assert_eq!(without_a_case(&names), ["soft_mu of elastic.rs"]);
}
