//! The electron's laws and its step.

use crate::bench::{Inputs, Twin, World, bits, f, hold, particle_of, put_particle, put_rng, rng_of};
use crate::twin;
use crate::twin_source::history;
use lutra::kernel::single::elastic::*;
use lutra::kernel::single::electron::*;
use lutra::kernel::single::moller::*;
use lutra::kernel::single::rows::electron_value;
use lutra::kernel::single::straggling::*;
use lutra::kernel::single::tables::{COLUMN_STEP, ENERGY_NODES, energy_bin};
use lutra::kernel::single::waiting::{STACK_SIZE, Stack, pop_waiting, push_waiting};

/// A stack whose waiting electrons are all the particle at `w`.
fn stack_of(count: u32, w: &[u32]) -> Stack {
    Stack { count, waiting: [particle_of(w); STACK_SIZE as usize] }
}

/// The stack's twin in WGSL.
const STACK: &str = "var st: Stack;
st.count = twin_in[a + 19u];
st.thread = id.x;
for (var k = 0u; k < STACK_SIZE; k += 1u) {
  electron_threads[id.x].waiting[k] = twin_particle(a + 20u);
}
var p = twin_particle(a);
var s = twin_rng(a + 15u);
";

/// Writes particle, stream, count and the top of the stack.
const PUT: &str = "twin_put_particle(o, p);
twin_put_rng(o + 15u, s);
twin_out[o + 19u] = st.count;
twin_put_particle(o + 20u, electron_threads[id.x].waiting[max(st.count, 1u) - 1u]);
";

/// The same in Rust around a call.
macro_rules! with_stack {
    ($a:ident, $o:ident, $p:ident, $s:ident, $st:ident, $call:expr) => {{
        let $st = &mut stack_of($a[19], &$a[20..]);
        let $p = &mut particle_of($a);
        let $s = &mut rng_of(&$a[15..]);
        $call;
        put_particle($p, $o);
        put_rng($s, &mut $o[15..]);
        $o[19] = $st.count;
        put_particle(&$st.waiting[$st.count.max(1) as usize - 1], &mut $o[20..]);
    }};
}

/// Particle, stream, count, waiting particle: 35 words.
fn state(g: &mut Inputs, low_kev: f32, high_kev: f32) -> Vec<u32> {
    let mut w = g.particle(low_kev, high_kev);
    w.extend(g.rng());
    w.push(g.below(STACK_SIZE + 1));
    w.extend(g.particle(low_kev, high_kev));
    w
}

/// A state for a step, now and then near the step limit.
fn step_state(g: &mut Inputs) -> Vec<u32> {
    let mut w = state(g, 0.5, 700.0);
    if g.below(64) == 0 {
        w[13] = ELECTRON_STEP_LIMIT - 1 + g.below(3);
    }
    w
}

/// A statement on particle `p`, stream `s` and stack `st`, between reading and writing them.
fn on_state(statement: &str) -> String {
    format!("{STACK}{statement}\n{PUT}")
}

/// Cases of `electron.rs` and its laws.
pub fn cases() -> Vec<Twin> {
    vec![
        twin!("soft_mu", Electron, 3 -> 1, "twin_put(o, soft_mu(twin_f(a), twin_f(a + 1u), twin_f(a + 2u)));",
        |_, a, o, _| o[0] = soft_mu(f(a, 0), f(a, 1), f(a, 2)).to_bits(),
        |g| {
            let k1 = g.positive(1e-6, 2.0);
            bits([k1, k1 * g.between(1.5, 3.0), g.unit()])
        }),
        twin!("hard_mu", Electron, 3 -> 1, "twin_put(o, hard_mu(twin_f(a), twin_f(a + 1u), twin_f(a + 2u)));",
            |_, a, o, _| o[0] = hard_mu(f(a, 0), f(a, 1), f(a, 2)).to_bits(),
            |g| bits([g.positive(1e-7, 10.0), g.between(0.0, 1.0), g.unit()])),
        twin!("compose", Electron, 3 -> 1, "twin_put(o, compose(twin_f(a), twin_f(a + 1u), twin_f(a + 2u)));",
            |_, a, o, _| o[0] = compose(f(a, 0), f(a, 1), f(a, 2)).to_bits(),
            |g| bits([g.between(-1.0, 1.0), g.between(0.0, 1.0), g.between(-1.0, 1.0)])),
        twin!("scatter", Electron, 22 -> 19,
        "var p = twin_particle(a);
             var s = twin_rng(a + 15u);
             scatter(&s, &p, twin_in[a + 19u], energy_bin(twin_f(a + 20u)), twin_f(a + 21u));
             twin_put_particle(o, p);
             twin_put_rng(o + 15u, s);",
        |cx, a, o, out| {
            let (mut p, mut s) = (particle_of(a), rng_of(&a[15..]));
            scatter(cx, &mut s, &mut p, a[19], energy_bin(f(a, 20)), f(a, 21), out);
            put_particle(&p, o);
            put_rng(&s, &mut o[15..]);
        },
        |g| {
            let mut w = g.particle(1.0, 700.0);
            w.extend(g.rng());
            // a step is at most the table's longest
            let (row, energy_kev) = (g.row(ENERGY_NODES), g.positive(1.0, 700.0));
            let longest = electron_value(&World::Electron.context(), row, energy_bin(energy_kev), COLUMN_STEP);
            w.push(row);
            w.extend(bits([energy_kev, longest * g.between(0.001, 1.0)]));
            w
        }),
        twin!("bell", Electron, 2 -> 1, "twin_put(o, bell(twin_in[a], twin_in[a + 1u]));",
            |_, a, o, _| o[0] = bell(a[0], a[1]).to_bits(),
            |g| vec![g.word(), g.word()]),
        twin!("soft_loss", Electron, 6 -> 5,
        "var s = twin_rng(a + 2u);
             twin_put(o, soft_loss(&s, twin_f(a), twin_f(a + 1u)));
             twin_put_rng(o + 1u, s);",
        |_, a, o, _| {
            let mut s = rng_of(&a[2..]);
            o[0] = soft_loss(&mut s, f(a, 0), f(a, 1)).to_bits();
            put_rng(&s, &mut o[1..]);
        },
        |g| {
            let mean = g.positive(1e-4, 100.0);
            // the three shapes: squared mean over variance above 12, above 3, below
            let mut w = bits([mean, mean * mean * g.positive(0.01, 10.0)]);
            w.extend(g.rng());
            w
        }),
        twin!("moller_shape", Electron, 3 -> 1, "twin_put(o, moller_shape(twin_f(a), twin_f(a + 1u), twin_f(a + 2u)));",
            |_, a, o, _| o[0] = moller_shape(f(a, 0), f(a, 1), f(a, 2)).to_bits(),
            |g| bits([g.between(1e-4, 0.5), g.between(0.0, 1.0), g.between(0.0, 1.0)])),
        twin!("knock_on_energy", Electron, 5 -> 5,
        "var s = twin_rng(a + 1u);
             twin_put(o, knock_on_energy(&s, twin_f(a)));
             twin_put_rng(o + 1u, s);",
        |cx, a, o, out| {
            let mut s = rng_of(&a[1..]);
            o[0] = knock_on_energy(cx, &mut s, f(a, 0), out).to_bits();
            put_rng(&s, &mut o[1..]);
        },
        |g| {
            let mut w = bits([g.positive(20.1, 4000.0)]);
            w.extend(g.rng());
            w
        }),
        twin!("collision_cos", Electron, 2 -> 1, "twin_put(o, collision_cos(twin_f(a), twin_f(a + 1u)));",
        |_, a, o, _| o[0] = collision_cos(f(a, 0), f(a, 1)).to_bits(),
        |g| {
            let energy = g.positive(1.0, 4000.0);
            bits([energy, energy * g.between(0.001, 1.0)])
        }),
        twin!("push_waiting", Electron, 35 -> 35, on_state("if st.count < STACK_SIZE { push_waiting(&st, p); }"),
            |_, a, o, _| with_stack!(a, o, p, s, st, if st.count < STACK_SIZE { push_waiting(st, p) }),
            |g| state(g, 1.0, 700.0)),
        twin!("pop_waiting", Electron, 35 -> 35, on_state("if st.count > 0u { p = pop_waiting(&st); }"),
            |_, a, o, _| with_stack!(a, o, p, s, st, if st.count > 0 { *p = pop_waiting(st) }),
            |g| state(g, 1.0, 700.0)),
        twin!("finish", Electron, 35 -> 35, on_state("finish(&p, &st);"),
            |_, a, o, _| with_stack!(a, o, p, s, st, finish(p, st)),
            |g| state(g, 1.0, 700.0)),
        twin!("leave_here", Electron, 35 -> 35, on_state("leave_here(&s, p, p.energy);"),
            |cx, a, o, out| with_stack!(a, o, p, s, st, leave_here(cx, s, p, p.energy, out)),
            |g| state(g, 0.1, 700.0)),
        twin!("fly_vacuum", Electron, 35 -> 36, on_state("twin_out[o + 35u] = fly_vacuum(&p);"),
            |cx, a, o, _| with_stack!(a, o, p, s, st, o[35] = fly_vacuum(cx, p)),
            |g| state(g, 0.1, 700.0)),
        twin!("is_stuck", Electron, 17 -> 1,
            "let p = twin_particle(a);
             twin_out[o] = u32(is_stuck(p, twin_in[a + 15u], energy_bin(twin_f(a + 16u)), 1.0));",
        |cx, a, o, _| o[0] = u32::from(is_stuck(cx, &particle_of(a), a[15], energy_bin(f(a, 16)), 1.0)),
        |g| {
            let mut w = g.particle(1.0, 700.0);
            w.push(g.row(ENERGY_NODES));
            w.extend(bits([g.positive(1.0, 700.0)]));
            w
        }),
        twin!("electron_birth", Electron, 1 -> 15, "twin_put_particle(o, electron_birth(twin_in[a]));",
            |cx, a, o, out| put_particle(&electron_birth(cx, a[0], out), o),
            |g| history(World::Electron, g.i)),
        twin!("electron_birth", Shells, 1 -> 15, "twin_put_particle(o, electron_birth(twin_in[a]));",
            |cx, a, o, out| put_particle(&electron_birth(cx, a[0], out), o),
            |g| history(World::Shells, g.i)),
        twin!("winding", Electron, 3 -> 1, "twin_put(o, winding(twin_f(a), twin_f(a + 1u), twin_f(a + 2u)));",
            |_, a, o, _| o[0] = winding(f(a, 0), f(a, 1), f(a, 2)).to_bits(),
            |g| bits([g.between(0.0, 0.4), g.between(0.0, 1.0), g.between(0.0, 1.0)])),
        twin!("fly", Electron, 25 -> 20,
        "var p = twin_particle(a);
             var s = twin_rng(a + 15u);
             twin_out[o + 19u] = fly(&s, &p, twin_f(a + 19u), twin_f(a + 20u),
                 Stride(twin_f(a + 21u), twin_f(a + 22u), twin_f(a + 23u), twin_f(a + 24u)));
             twin_put_particle(o, p);
             twin_put_rng(o + 15u, s);",
        |cx, a, o, out| {
            let (mut p, mut s) = (particle_of(a), rng_of(&a[15..]));
            let stride = Stride { per_g_mm: f(a, 21), lost_kev: f(a, 22), slope: f(a, 23), turns: f(a, 24) };
            o[19] = fly(cx, &mut s, &mut p, f(a, 19), f(a, 20), stride, out);
            put_particle(&p, o);
            put_rng(&s, &mut o[15..]);
        },
        |g| {
            let mut w = g.particle(50.0, 700.0);
            // a flight begins in matter
            while (w[0] + g.params.nx * (w[1] + g.params.ny * w[2])) % 23 == 0 {
                w[0] = g.below(g.params.nx);
            }
            w.extend(g.rng());
            // a step's first part can be cut short before the hinge, its last ends at 1
            let end = if g.below(2) == 0 { 1.0 } else { g.between(0.5, 1.0) };
            w.extend(bits([g.between(0.0, 0.5), end]));
            w.extend(bits([g.positive(0.2, 1e4), g.between(0.0, 50.0), g.between(-0.05, 0.3), g.between(0.0, 0.35)]));
            w
        }),
        twin!("knock_on", Electron, 37 -> 35, on_state("knock_on(&s, &p, &st, twin_in[a + 35u], twin_f(a + 36u));"),
        |cx, a, o, out| with_stack!(a, o, p, s, st, knock_on(cx, s, p, st, a[35], f(a, 36), out)),
        |g| {
            let mut w = state(g, 10.0, 4000.0);
            w.push(g.row(ENERGY_NODES));
            w.push(g.between(0.2, 2.0).to_bits());
            w
        }),
        twin!("step_in_matter", Electron, 36 -> 36,
        on_state("twin_out[o + 35u] = step_in_matter(&s, &p, &st, twin_in[a + 35u]);"),
        |cx, a, o, out| with_stack!(a, o, p, s, st, o[35] = step_in_matter(cx, s, p, st, a[35], out)),
        |g| {
            let mut w = state(g, 10.0, 700.0);
            // a step begins in matter
            while (w[0] + g.params.nx * (w[1] + g.params.ny * w[2])).is_multiple_of(23) {
                w[0] = g.below(g.params.nx);
            }
            w.push(g.row(ENERGY_NODES));
            w
        }),
        twin!("ends_here", Electron, 16 -> 1,
            "let p = twin_particle(a);
             twin_out[o] = u32(ends_here(p, twin_in[a + 15u], 1.0));",
        |cx, a, o, _| o[0] = u32::from(ends_here(cx, &particle_of(a), a[15], 1.0)),
        |g| {
            let mut w = g.particle(1.0, 700.0);
            w.push(g.row(ENERGY_NODES));
            w
        }),
        twin!("step_on", Electron, 35 -> 36, on_state("twin_out[o + 35u] = step_on(&s, &p, &st);"),
            |cx, a, o, out| with_stack!(a, o, p, s, st, o[35] = step_on(cx, s, p, st, out)),
            step_state),
        twin!("electron_step", Electron, 35 -> 35, on_state("electron_step(&s, &p, &st);"),
            |cx, a, o, out| with_stack!(a, o, p, s, st, electron_step(cx, s, p, st, out)),
            step_state),
        twin!("electron_step", Shells, 35 -> 35, on_state("electron_step(&s, &p, &st);"),
            |cx, a, o, out| with_stack!(a, o, p, s, st, electron_step(cx, s, p, st, out)),
            step_state),
    ]
}

#[test]
fn twin_electron_laws_and_step() {
    hold(&cases());
}
