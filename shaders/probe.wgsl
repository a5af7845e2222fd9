// Whether a device computes as the kernel needs it: the pass that is run before a device is trusted. Written by hand.
// The host, src/transport/gpu/probe/, makes the cases and knows every answer.

@group(0) @binding(10) var<storage, read> probe_in: array<u32>;
@group(0) @binding(11) var<storage, read_write> probe_out: array<u32>;

// Words of a case.
const PROBE_IN: u32 = 8u;
// Words of its answers.
const PROBE_OUT: u32 = 25u;
// Tally entries that all invocations share.
const PROBE_BINS: u32 = 7u;

fn probe_f(i: u32) -> f32 {
  return bitcast<f32>(probe_in[i]);
}

fn probe_put(o: u32, x: f32) {
  probe_out[o] = bitcast<u32>(x);
}

// Single operations, and pairs that a compiler might join or reorder.
fn probe_arithmetic(i: u32, o: u32) {
  let a = probe_f(i);
  let b = probe_f(i + 1u);
  let c = probe_f(i + 2u);
  probe_put(o, nc(a + b));
  probe_put(o + 1u, nc(a - b));
  probe_put(o + 2u, nc(a * b));
  probe_put(o + 3u, nc(nc(a * b) + c));
  probe_put(o + 4u, nc(nc(a + b) - a));
  probe_out[o + 5u] = select(0u, 1u, nc(b + 1.0) < 3.0);
  probe_put(o + 6u, nc(a));
}

// The smallest normal numbers, and what becomes of half of one.
fn probe_small(i: u32, o: u32) {
  let small = probe_f(i + 3u);
  probe_put(o, nc(small + small));
  probe_put(o + 1u, nc(small * 1.5));
  probe_put(o + 2u, nc(nc(small + small) - small));
  probe_put(o + 3u, nc(small * 0.5));
}

// Conversions between whole numbers and floats.
fn probe_conversions(i: u32, o: u32) {
  let word = probe_in[i + 4u];
  probe_put(o, f32(word & 0xffffffu));
  probe_put(o + 1u, f32(i32(word) >> 8u));
  probe_put(o + 2u, real_from_u32(word));
  probe_out[o + 3u] = u32(probe_f(i + 5u));
}

// Functions of the kernel, made of the operations above.
fn probe_functions(i: u32, o: u32) {
  let positive = probe_f(i + 6u);
  let turn = sin_cos_turn(probe_in[i + 4u]);
  probe_put(o, recip(positive));
  probe_put(o + 1u, rsqrt(positive));
  probe_put(o + 2u, ln(positive));
  probe_put(o + 3u, exp_of(probe_f(i + 7u)));
  probe_put(o + 4u, turn.sin);
  probe_put(o + 5u, turn.cos);
  var stream = rng_for(i, probe_in[i + 4u], 7u, 11u);
  probe_out[o + 6u] = rng_next(&stream);
  probe_out[o + 7u] = rng_next(&stream);
}

// A loop of a length that differs from thread to thread, one of them four times the most steps that the engine asks a dispatch
// for, with another in it that ends early.
fn probe_loop(word: u32, first: bool, o: u32) {
  let turns = select(word & 1023u, 16384u, first);
  var x = word;
  var inner = 0u;
  for (var n = 0u; n < turns; n += 1u) {
    x = x * 1664525u + 1013904223u;
    for (var bit = 31u; bit > 27u; bit -= 1u) {
      if ((x >> bit) & 1u) == 0u {
        break;
      }
      inner += 1u;
    }
  }
  probe_out[o] = x;
  probe_out[o + 1u] = inner;
}

// Entries, accounts and flags that many invocations write at once.
fn probe_atomics(word: u32, thread: u32) {
  let v = wide_product(word, word >> 16u);
  // neighbours write to one entry
  let bin = (thread >> 4u) % PROBE_BINS;
  if (word & 1u) == 0u {
    tally_add(bin, v);
  } else {
    tally_add(bin, negative(v));
  }
  book_add(BOOK_EMITTED, v);
  book_add(BOOK_ESTIMATED, wide_product(word, 0xffffffffu));
  flags |= 1u << (thread % 16u);
  settle(1u);
}

@compute @workgroup_size(64)
fn probe(@builtin(global_invocation_id) id: vec3<u32>) {
  let i = PROBE_IN * id.x;
  let o = PROBE_OUT * id.x;
  if i < arrayLength(&probe_in) {
    probe_arithmetic(i, o);
    probe_small(i, o + 7u);
    probe_conversions(i, o + 11u);
    probe_functions(i, o + 15u);
    probe_loop(probe_in[i + 4u], id.x == 0u, o + 23u);
    probe_atomics(probe_in[i + 4u], id.x);
  }
}
