//! 16 lanes of AVX-512.

use core::arch::x86_64::*;

/// Lanes.
pub const N: usize = 16;
type F = __m512;
type U = __m512i;
type I = __m512i;
type M = __mmask16;

/// N numbers of 64 bits: those of the even lanes and those of the odd lanes.
#[derive(Clone, Copy)]
pub struct W {
    even: __m512i,
    odd: __m512i,
}

macro_rules! instructions {
    ($features:meta; $(fn $name:ident $(<const $K:ident: u32>)? ($($a:ident: $t:ty),*) -> $r:ty $body:block)*) => {
        $(#[inline] #[$features] fn $name $(<const $K: u32>)? ($($a: $t),*) -> $r $body)*
    };
}

instructions! {
    target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,bmi1,bmi2,lzcnt,popcnt");
    fn f_splat(x: f32) -> F { _mm512_set1_ps(x) }
    fn u_splat(x: u32) -> U { _mm512_set1_epi32(x.cast_signed()) }
    fn i_splat(x: i32) -> I { _mm512_set1_epi32(x) }
    fn m_splat(x: bool) -> M { if x { 0xFFFF } else { 0 } }
    fn f_add(a: F, b: F) -> F { _mm512_add_ps(a, b) }
    fn f_sub(a: F, b: F) -> F { _mm512_sub_ps(a, b) }
    fn f_mul(a: F, b: F) -> F { _mm512_mul_ps(a, b) }
    fn f_neg(a: F) -> F { _mm512_xor_ps(a, _mm512_set1_ps(-0.0)) }
    fn f_min(a: F, b: F) -> F { _mm512_min_ps(a, b) }
    fn f_max(a: F, b: F) -> F { _mm512_max_ps(a, b) }
    fn f_lt(a: F, b: F) -> M { _mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b) }
    fn f_le(a: F, b: F) -> M { _mm512_cmp_ps_mask::<_CMP_LE_OQ>(a, b) }
    fn f_gt(a: F, b: F) -> M { _mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b) }
    fn f_ge(a: F, b: F) -> M { _mm512_cmp_ps_mask::<_CMP_GE_OQ>(a, b) }
    fn f_select(on: M, a: F, b: F) -> F { _mm512_mask_blend_ps(on, b, a) }
    fn u_select(on: M, a: U, b: U) -> U { _mm512_mask_blend_epi32(on, b, a) }
    fn i_select(on: M, a: I, b: I) -> I { _mm512_mask_blend_epi32(on, b, a) }
    fn m_select(on: M, a: M, b: M) -> M { (on & a) | (!on & b) }
    fn f_bits(a: F) -> U { _mm512_castps_si512(a) }
    fn f_from_bits(a: U) -> F { _mm512_castsi512_ps(a) }
    fn u_add(a: U, b: U) -> U { _mm512_add_epi32(a, b) }
    fn u_sub(a: U, b: U) -> U { _mm512_sub_epi32(a, b) }
    fn u_mul(a: U, b: U) -> U { _mm512_mullo_epi32(a, b) }
    fn u_and(a: U, b: U) -> U { _mm512_and_si512(a, b) }
    fn u_or(a: U, b: U) -> U { _mm512_or_si512(a, b) }
    fn u_xor(a: U, b: U) -> U { _mm512_xor_si512(a, b) }
    fn u_shl<const K: u32>(a: U) -> U { _mm512_slli_epi32::<K>(a) }
    fn u_shr<const K: u32>(a: U) -> U { _mm512_srli_epi32::<K>(a) }
    fn i_shr<const K: u32>(a: I) -> I { _mm512_srai_epi32::<K>(a) }
    fn u_rotl<const K: u32>(a: U) -> U { _mm512_rolv_epi32(a, _mm512_set1_epi32(K.cast_signed())) }
    fn i_add(a: I, b: I) -> I { _mm512_add_epi32(a, b) }
    fn i_sub(a: I, b: I) -> I { _mm512_sub_epi32(a, b) }
    fn u_eq(a: U, b: U) -> M { _mm512_cmpeq_epu32_mask(a, b) }
    fn u_lt(a: U, b: U) -> M { _mm512_cmplt_epu32_mask(a, b) }
    fn u_le(a: U, b: U) -> M { _mm512_cmple_epu32_mask(a, b) }
    fn u_gt(a: U, b: U) -> M { _mm512_cmpgt_epu32_mask(a, b) }
    fn u_ge(a: U, b: U) -> M { _mm512_cmpge_epu32_mask(a, b) }
    fn u_ne(a: U, b: U) -> M { _mm512_cmpneq_epu32_mask(a, b) }
    fn f_of_u(a: U) -> F { _mm512_cvtepu32_ps(a) }
    fn f_of_i(a: I) -> F { _mm512_cvtepi32_ps(a) }
    // as the cast of a scalar: none below 0 or for no number, the largest beyond the largest
    fn u_of_f(a: F) -> U { _mm512_maskz_cvttps_epu32(_mm512_cmp_ps_mask::<_CMP_GE_OQ>(a, _mm512_setzero_ps()), a) }
    fn u_of_i(a: I) -> U { a }
    fn i_of_u(a: U) -> I { a }
    fn m_and(a: M, b: M) -> M { a & b }
    fn m_or(a: M, b: M) -> M { a | b }
    fn m_andnot(a: M, b: M) -> M { a & !b }
    fn m_not(a: M) -> M { !a }
    fn m_any(a: M) -> bool { a != 0 }
    fn m_bits(a: M) -> u32 { u32::from(a) }
    fn m_first(n: u32) -> M { _bzhi_u32(0xFFFF, n) as M }
    fn u_iota() -> U { _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0) }
    fn u_permute(a: U, from: U) -> U { _mm512_permutexvar_epi32(from, a) }
    fn f_permute(a: F, from: U) -> F { _mm512_permutexvar_ps(from, a) }
    // lane i of the set lanes, in order, gets lane 0, 1, ... of `a`
    fn u_expand(on: M, a: U) -> U { _mm512_maskz_expand_epi32(on, a) }
    fn w_zero() -> W { W { even: _mm512_setzero_si512(), odd: _mm512_setzero_si512() } }
    fn w_mul(a: U, b: U) -> W { W { even: _mm512_mul_epu32(a, b), odd: _mm512_mul_epu32(_mm512_srli_epi64::<32>(a), _mm512_srli_epi64::<32>(b)) } }
    fn w_add(a: W, b: W) -> W { W { even: _mm512_add_epi64(a.even, b.even), odd: _mm512_add_epi64(a.odd, b.odd) } }
    fn w_low(a: W) -> W { let low = _mm512_set1_epi64(0xFFFF_FFFF); W { even: _mm512_and_si512(a.even, low), odd: _mm512_and_si512(a.odd, low) } }
    fn w_high(a: W) -> W { W { even: _mm512_srli_epi64::<32>(a.even), odd: _mm512_srli_epi64::<32>(a.odd) } }
    fn w_clear(on: M, a: W) -> W { let (e, o) = (on & 0x5555, on & 0xAAAA); W { even: _mm512_maskz_mov_epi32(!(e | e << 1), a.even), odd: _mm512_maskz_mov_epi32(!(o | o >> 1), a.odd) } }
    fn gather_f(on: M, list: &[f32], index: U) -> F {
        let sound = _mm512_cmplt_epu32_mask(index, _mm512_set1_epi32(list.len() as i32));
        assert!(on & !sound == 0, "a lane reads behind the end of its table");
        // SAFETY: the lanes of the mask were just found to lie inside the list, which is shorter than 2^31; the others
        // are not read
        unsafe { _mm512_mask_i32gather_ps::<4>(_mm512_setzero_ps(), on, index, list.as_ptr()) }
    }
    fn gather_u(on: M, list: &[u32], index: U) -> U {
        let sound = _mm512_cmplt_epu32_mask(index, _mm512_set1_epi32(list.len() as i32));
        assert!(on & !sound == 0, "a lane reads behind the end of its table");
        // SAFETY: as above
        unsafe { _mm512_mask_i32gather_epi32::<4>(_mm512_setzero_si512(), on, index, list.as_ptr().cast()) }
    }
    fn w_store(a: W) -> [u64; N] {
        // SAFETY: both are 64 bytes without padding
        let (even, odd): ([u64; 8], [u64; 8]) =
            unsafe { (core::mem::transmute::<__m512i, [u64; 8]>(a.even), core::mem::transmute::<__m512i, [u64; 8]>(a.odd)) };
        core::array::from_fn(|i| if i & 1 == 0 { even[i / 2] } else { odd[i / 2] })
    }
}

super::carry::lanes_carry! {
    #[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,bmi1,bmi2,lzcnt,popcnt")]
}
super::kernel::lanes_kernel! {
    #[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,bmi1,bmi2,lzcnt,popcnt")]
}
