// Bindings, the barrier and the sink: what the generated kernel modules stand on. Written by hand.
//
// Every float result passes through nc() before it meets another float operation: the xor with a zero that the
// compiler cannot know keeps drivers from contracting (fused multiply-add) or reassociating.

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> voxels: array<u32>;
@group(0) @binding(3) var<storage, read> photon_table: array<f32>;
@group(0) @binding(4) var<storage, read> scatter_table: array<f32>;
@group(0) @binding(5) var<storage, read> emission_table: array<u32>;
@group(0) @binding(6) var<storage, read> source_table: array<u32>;
// Energy by bin: a signed 64-bit number in two words, low then high; unit 2^-5 eV x 2^-16.
@group(0) @binding(7) var<storage, read_write> tally: array<atomic<u32>>;
// Accounts: three words each (96 bits), low first, in the order of the BOOK_ constants; then flags, then the
// number of histories finished.
@group(0) @binding(8) var<storage, read_write> ledger: array<atomic<u32>>;

// Home of a particle that has none.
const NO_HOME: u32 = 0xffffffffu;

// Account: energy emitted.
const BOOK_EMITTED: u32 = 0u;
// Account: energy deposited.
const BOOK_DEPOSITED: u32 = 1u;
// Account: energy that left the grid.
const BOOK_ESCAPED: u32 = 2u;
// Account: energy radiated as bremsstrahlung.
const BOOK_RADIATED: u32 = 3u;
// Account: expected energy tallied along tracks.
const BOOK_ESTIMATED: u32 = 4u;
// Number of accounts.
const BOOKS: u32 = 5u;
// Word of the ledger that holds the flags.
const LEDGER_FLAGS: u32 = 15u;
// Word of the ledger that counts finished histories.
const LEDGER_FINISHED: u32 = 16u;

// The thread's own accounts, 64 bits each, low word first; brought to the ledger at the end of a dispatch.
var<private> book: array<u32, 10>;
var<private> flags: u32;

fn nc(x: f32) -> f32 {
  return bitcast<f32>(bitcast<u32>(x) ^ params.zero);
}

fn rotate_left(x: u32, n: u32) -> u32 {
  return (x << n) | (x >> (32u - n));
}

// Full product of two words: low, high.
fn wide_product(a: u32, b: u32) -> vec2<u32> {
  let a0 = a & 65535u;
  let a1 = a >> 16u;
  let b0 = b & 65535u;
  let b1 = b >> 16u;
  let low = a0 * b0;
  let middle = a1 * b0 + (low >> 16u);
  let other = a0 * b1 + (middle & 65535u);
  return vec2<u32>((other << 16u) | (low & 65535u), a1 * b1 + (middle >> 16u) + (other >> 16u));
}

fn book_add(account: u32, v: vec2<u32>) {
  let low = book[2u * account];
  let sum = low + v.x;
  book[2u * account] = sum;
  book[2u * account + 1u] += v.y + select(0u, 1u, sum < low);
}

// Adds a signed 64-bit number to a tally entry. A sum that passes 2^63 in magnitude raises a flag.
fn tally_add(index: u32, v: vec2<u32>) {
  let old = atomicAdd(&tally[2u * index], v.x);
  let high = v.y + select(0u, 1u, old > 0xffffffffu - v.x);
  if high != 0u {
    let before = atomicAdd(&tally[2u * index + 1u], high);
    let after = before + high;
    if ((before ^ after) & (high ^ after)) >= 0x80000000u {
      flags |= FLAG_TALLY_OVERFLOW;
    }
  }
}

// The negative of a 64-bit number.
fn negative(v: vec2<u32>) -> vec2<u32> {
  return vec2<u32>(~v.x + 1u, ~v.y + select(0u, 1u, v.x == 0u));
}

fn sink_emitted(units: u32, weight: u32) {
  book_add(BOOK_EMITTED, wide_product(units, weight));
}

fn sink_deposit(index: u32, home: u32, units: u32, weight: u32) {
  if units != 0u {
    let v = wide_product(units, weight);
    book_add(BOOK_DEPOSITED, v);
    if index != home {
      tally_add(index, v);
      if home != NO_HOME {
        tally_add(home, negative(v));
      }
    }
  }
}

fn sink_estimate(index: u32, units: u32, weight: u32) {
  if units != 0u {
    let v = wide_product(units, weight);
    tally_add(index, v);
    book_add(BOOK_ESTIMATED, v);
  }
}

fn sink_absorbed(units: u32, weight: u32) {
  book_add(BOOK_DEPOSITED, wide_product(units, weight));
}

fn sink_escaped(home: u32, units: u32, weight: u32) {
  let v = wide_product(units, weight);
  book_add(BOOK_ESCAPED, v);
  if home != NO_HOME && units != 0u {
    tally_add(home, negative(v));
  }
}

fn sink_radiated(units: u32, weight: u32) {
  book_add(BOOK_RADIATED, wide_product(units, weight));
}

fn sink_flag(bits: u32) {
  flags |= bits;
}

// Brings the thread's accounts to the ledger.
fn settle(finished: u32) {
  for (var account = 0u; account < BOOKS; account += 1u) {
    let low = book[2u * account];
    let high = book[2u * account + 1u];
    let old = atomicAdd(&ledger[3u * account], low);
    let carry = select(0u, 1u, old > 0xffffffffu - low);
    // high + carry fits: one dispatch's account of one thread stays far below 2^63
    let before = atomicAdd(&ledger[3u * account + 1u], high + carry);
    if before > 0xffffffffu - (high + carry) {
      atomicAdd(&ledger[3u * account + 2u], 1u);
    }
  }
  if flags != 0u {
    atomicOr(&ledger[LEDGER_FLAGS], flags);
  }
  atomicAdd(&ledger[LEDGER_FINISHED], finished);
}
