//! 4 lanes of WebAssembly's 128 bits.

use core::arch::wasm32::*;

/// Lanes.
pub const N: usize = 4;
type F = v128;
type U = v128;
type I = v128;
/// All bits of a lane set, or none.
type M = v128;

/// N numbers of 64 bits: those of lanes 0 and 1, and those of lanes 2 and 3.
#[derive(Clone, Copy)]
pub struct W {
    low: v128,
    high: v128,
}

/// For each set of lanes where the bytes of each lane come from, so that the set lanes, in order, get lane 0, 1, ...; a byte
/// that comes from nowhere (16 and up) is 0.
const EXPANDED: [[u8; 16]; 16] = {
    let mut table = [[0xFF; 16]; 16];
    let mut set = 0;
    while set < 16 {
        let (mut lane, mut rank) = (0, 0);
        while lane < 4 {
            if set >> lane & 1 == 1 {
                let mut byte = 0;
                while byte < 4 {
                    table[set][4 * lane + byte] = (4 * rank + byte) as u8;
                    byte += 1;
                }
                rank += 1;
            }
            lane += 1;
        }
        set += 1;
    }
    table
};

macro_rules! instructions {
    ($(fn $name:ident $(<const $K:ident: u32>)? ($($a:ident: $t:ty),*) -> $r:ty $body:block)*) => {
        $(#[inline(always)] fn $name $(<const $K: u32>)? ($($a: $t),*) -> $r $body)*
    };
}

instructions! {
    fn f_splat(x: f32) -> F { f32x4_splat(x) }
    fn u_splat(x: u32) -> U { u32x4_splat(x) }
    fn i_splat(x: i32) -> I { i32x4_splat(x) }
    fn m_splat(x: bool) -> M { i32x4_splat(-i32::from(x)) }
    fn f_add(a: F, b: F) -> F { f32x4_add(a, b) }
    fn f_sub(a: F, b: F) -> F { f32x4_sub(a, b) }
    fn f_mul(a: F, b: F) -> F { f32x4_mul(a, b) }
    fn f_neg(a: F) -> F { f32x4_neg(a) }
    // pmin(x, y) is y < x ? y : x, pmax(x, y) is x < y ? y : x
    fn f_min(a: F, b: F) -> F { f32x4_pmin(b, a) }
    fn f_max(a: F, b: F) -> F { f32x4_pmax(b, a) }
    fn f_lt(a: F, b: F) -> M { f32x4_lt(a, b) }
    fn f_le(a: F, b: F) -> M { f32x4_le(a, b) }
    fn f_gt(a: F, b: F) -> M { f32x4_gt(a, b) }
    fn f_ge(a: F, b: F) -> M { f32x4_ge(a, b) }
    fn f_select(on: M, a: F, b: F) -> F { v128_bitselect(a, b, on) }
    fn u_select(on: M, a: U, b: U) -> U { v128_bitselect(a, b, on) }
    fn i_select(on: M, a: I, b: I) -> I { v128_bitselect(a, b, on) }
    fn m_select(on: M, a: M, b: M) -> M { v128_bitselect(a, b, on) }
    fn f_bits(a: F) -> U { a }
    fn f_from_bits(a: U) -> F { a }
    fn u_add(a: U, b: U) -> U { u32x4_add(a, b) }
    fn u_sub(a: U, b: U) -> U { u32x4_sub(a, b) }
    fn u_mul(a: U, b: U) -> U { u32x4_mul(a, b) }
    fn u_and(a: U, b: U) -> U { v128_and(a, b) }
    fn u_or(a: U, b: U) -> U { v128_or(a, b) }
    fn u_xor(a: U, b: U) -> U { v128_xor(a, b) }
    fn u_shl<const K: u32>(a: U) -> U { u32x4_shl(a, K) }
    fn u_shr<const K: u32>(a: U) -> U { u32x4_shr(a, K) }
    fn i_shr<const K: u32>(a: I) -> I { i32x4_shr(a, K) }
    // a shift counts modulo 32
    fn u_rotl<const K: u32>(a: U) -> U { v128_or(u32x4_shl(a, K), u32x4_shr(a, 32 - K)) }
    fn i_add(a: I, b: I) -> I { i32x4_add(a, b) }
    fn i_sub(a: I, b: I) -> I { i32x4_sub(a, b) }
    fn u_eq(a: U, b: U) -> M { u32x4_eq(a, b) }
    fn u_ne(a: U, b: U) -> M { u32x4_ne(a, b) }
    fn u_lt(a: U, b: U) -> M { u32x4_lt(a, b) }
    fn u_le(a: U, b: U) -> M { u32x4_le(a, b) }
    fn u_gt(a: U, b: U) -> M { u32x4_gt(a, b) }
    fn u_ge(a: U, b: U) -> M { u32x4_ge(a, b) }
    fn f_of_u(a: U) -> F { f32x4_convert_u32x4(a) }
    fn f_of_i(a: I) -> F { f32x4_convert_i32x4(a) }
    // as the cast of a scalar: none below 0 or for no number, the largest beyond the largest
    fn u_of_f(a: F) -> U { u32x4_trunc_sat_f32x4(a) }
    fn u_of_i(a: I) -> U { a }
    fn i_of_u(a: U) -> I { a }
    fn m_and(a: M, b: M) -> M { v128_and(a, b) }
    fn m_or(a: M, b: M) -> M { v128_or(a, b) }
    fn m_andnot(a: M, b: M) -> M { v128_andnot(a, b) }
    fn m_not(a: M) -> M { v128_not(a) }
    fn m_any(a: M) -> bool { v128_any_true(a) }
    fn m_bits(a: M) -> u32 { u32::from(i32x4_bitmask(a)) }
    fn m_first(n: u32) -> M { u32x4_lt(u_iota(), u32x4_splat(n)) }
    fn u_iota() -> U { u32x4(0, 1, 2, 3) }
    // four bytes a lane: 4 times its source, and the next three
    fn u_permute(a: U, from: U) -> U {
        let bytes = u32x4_mul(v128_and(from, u32x4_splat(3)), u32x4_splat(0x0404_0404));
        i8x16_swizzle(a, u32x4_add(bytes, u32x4_splat(0x0302_0100)))
    }
    fn f_permute(a: F, from: U) -> F { u_permute(a, from) }
    fn u_expand(on: M, a: U) -> U {
        // SAFETY: 16 bytes, and a load may lie anywhere
        let bytes = unsafe { v128_load(EXPANDED[m_bits(on) as usize].as_ptr().cast()) };
        i8x16_swizzle(a, bytes)
    }
    fn w_zero() -> W { W { low: u64x2_splat(0), high: u64x2_splat(0) } }
    fn w_mul(a: U, b: U) -> W { W { low: u64x2_extmul_low_u32x4(a, b), high: u64x2_extmul_high_u32x4(a, b) } }
    fn w_add(a: W, b: W) -> W { W { low: u64x2_add(a.low, b.low), high: u64x2_add(a.high, b.high) } }
    fn w_low(a: W) -> W { let low = u64x2_splat(0xFFFF_FFFF); W { low: v128_and(a.low, low), high: v128_and(a.high, low) } }
    fn w_high(a: W) -> W { W { low: u64x2_shr(a.low, 32), high: u64x2_shr(a.high, 32) } }
    fn w_clear(on: M, a: W) -> W { W { low: v128_andnot(a.low, i64x2_extend_low_i32x4(on)), high: v128_andnot(a.high, i64x2_extend_high_i32x4(on)) } }
    fn gather_f(on: M, list: &[f32], index: U) -> F {
        let at = |on: i32, i: u32| if on == 0 { 0.0 } else { list[i as usize] };
        f32x4(
            at(i32x4_extract_lane::<0>(on), u32x4_extract_lane::<0>(index)),
            at(i32x4_extract_lane::<1>(on), u32x4_extract_lane::<1>(index)),
            at(i32x4_extract_lane::<2>(on), u32x4_extract_lane::<2>(index)),
            at(i32x4_extract_lane::<3>(on), u32x4_extract_lane::<3>(index)),
        )
    }
    fn gather_u(on: M, list: &[u32], index: U) -> U {
        let at = |on: i32, i: u32| if on == 0 { 0 } else { list[i as usize] };
        u32x4(
            at(i32x4_extract_lane::<0>(on), u32x4_extract_lane::<0>(index)),
            at(i32x4_extract_lane::<1>(on), u32x4_extract_lane::<1>(index)),
            at(i32x4_extract_lane::<2>(on), u32x4_extract_lane::<2>(index)),
            at(i32x4_extract_lane::<3>(on), u32x4_extract_lane::<3>(index)),
        )
    }
    fn w_store(a: W) -> [u64; N] {
        [u64x2_extract_lane::<0>(a.low), u64x2_extract_lane::<1>(a.low), u64x2_extract_lane::<0>(a.high), u64x2_extract_lane::<1>(a.high)]
    }
}

super::carry::lanes_carry! {}
super::kernel::lanes_kernel! {}
