//! 8 lanes of AVX2.

use core::arch::x86_64::*;

/// Lanes.
pub const N: usize = 8;
type F = __m256;
type U = __m256i;
type I = __m256i;
/// All bits of a lane set, or none.
type M = __m256i;

/// N numbers of 64 bits: those of the even lanes and those of the odd lanes.
#[derive(Clone, Copy)]
pub struct W {
    even: __m256i,
    odd: __m256i,
}

macro_rules! instructions {
    ($features:meta; $(fn $name:ident $(<const $K:ident: $kt:ty>)? ($($a:ident: $t:ty),*) -> $r:ty $body:block)*) => {
        $(#[inline] #[$features] fn $name $(<const $K: $kt>)? ($($a: $t),*) -> $r $body)*
    };
}

instructions! {
    target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt");
    fn f_splat(x: f32) -> F { _mm256_set1_ps(x) }
    fn u_splat(x: u32) -> U { _mm256_set1_epi32(x.cast_signed()) }
    fn i_splat(x: i32) -> I { _mm256_set1_epi32(x) }
    fn m_splat(x: bool) -> M { _mm256_set1_epi32(-i32::from(x)) }
    fn f_add(a: F, b: F) -> F { _mm256_add_ps(a, b) }
    fn f_sub(a: F, b: F) -> F { _mm256_sub_ps(a, b) }
    fn f_mul(a: F, b: F) -> F { _mm256_mul_ps(a, b) }
    fn f_neg(a: F) -> F { _mm256_xor_ps(a, _mm256_set1_ps(-0.0)) }
    fn f_min(a: F, b: F) -> F { _mm256_min_ps(a, b) }
    fn f_max(a: F, b: F) -> F { _mm256_max_ps(a, b) }
    fn f_lt(a: F, b: F) -> M { _mm256_castps_si256(_mm256_cmp_ps::<_CMP_LT_OQ>(a, b)) }
    fn f_le(a: F, b: F) -> M { _mm256_castps_si256(_mm256_cmp_ps::<_CMP_LE_OQ>(a, b)) }
    fn f_gt(a: F, b: F) -> M { _mm256_castps_si256(_mm256_cmp_ps::<_CMP_GT_OQ>(a, b)) }
    fn f_ge(a: F, b: F) -> M { _mm256_castps_si256(_mm256_cmp_ps::<_CMP_GE_OQ>(a, b)) }
    fn f_select(on: M, a: F, b: F) -> F { _mm256_blendv_ps(b, a, _mm256_castsi256_ps(on)) }
    fn u_select(on: M, a: U, b: U) -> U { _mm256_blendv_epi8(b, a, on) }
    fn i_select(on: M, a: I, b: I) -> I { _mm256_blendv_epi8(b, a, on) }
    fn m_select(on: M, a: M, b: M) -> M { _mm256_blendv_epi8(b, a, on) }
    fn f_bits(a: F) -> U { _mm256_castps_si256(a) }
    fn f_from_bits(a: U) -> F { _mm256_castsi256_ps(a) }
    fn u_add(a: U, b: U) -> U { _mm256_add_epi32(a, b) }
    fn u_sub(a: U, b: U) -> U { _mm256_sub_epi32(a, b) }
    fn u_mul(a: U, b: U) -> U { _mm256_mullo_epi32(a, b) }
    fn u_and(a: U, b: U) -> U { _mm256_and_si256(a, b) }
    fn u_or(a: U, b: U) -> U { _mm256_or_si256(a, b) }
    fn u_xor(a: U, b: U) -> U { _mm256_xor_si256(a, b) }
    fn u_shl<const K: i32>(a: U) -> U { _mm256_slli_epi32::<K>(a) }
    fn u_shr<const K: i32>(a: U) -> U { _mm256_srli_epi32::<K>(a) }
    fn i_shr<const K: i32>(a: I) -> I { _mm256_srai_epi32::<K>(a) }
    fn u_rotl<const K: i32>(a: U) -> U { _mm256_or_si256(_mm256_sllv_epi32(a, _mm256_set1_epi32(K)), _mm256_srlv_epi32(a, _mm256_set1_epi32(32 - K))) }
    fn i_add(a: I, b: I) -> I { _mm256_add_epi32(a, b) }
    fn i_sub(a: I, b: I) -> I { _mm256_sub_epi32(a, b) }
    fn u_eq(a: U, b: U) -> M { _mm256_cmpeq_epi32(a, b) }
    fn u_ne(a: U, b: U) -> M { m_not(_mm256_cmpeq_epi32(a, b)) }
    fn u_le(a: U, b: U) -> M { _mm256_cmpeq_epi32(_mm256_min_epu32(a, b), a) }
    fn u_ge(a: U, b: U) -> M { _mm256_cmpeq_epi32(_mm256_max_epu32(a, b), a) }
    fn u_lt(a: U, b: U) -> M { m_not(u_ge(a, b)) }
    fn u_gt(a: U, b: U) -> M { m_not(u_le(a, b)) }
    // both halves are exact, their sum is rounded once
    fn f_of_u(a: U) -> F {
        let high = _mm256_cvtepi32_ps(_mm256_srli_epi32::<16>(a));
        let low = _mm256_cvtepi32_ps(_mm256_and_si256(a, _mm256_set1_epi32(0xFFFF)));
        _mm256_add_ps(_mm256_mul_ps(high, _mm256_set1_ps(65536.0)), low)
    }
    fn f_of_i(a: I) -> F { _mm256_cvtepi32_ps(a) }
    // as the cast of a scalar: none below 0 or for no number, the largest beyond the largest
    fn u_of_f(a: F) -> U {
        let half = _mm256_set1_ps(2_147_483_648.0);
        let large = f_ge(a, half);
        let rest = _mm256_sub_ps(a, _mm256_and_ps(half, _mm256_castsi256_ps(large)));
        let whole = _mm256_xor_si256(_mm256_cvttps_epi32(rest), _mm256_slli_epi32::<31>(large));
        let whole = _mm256_or_si256(whole, f_ge(a, _mm256_set1_ps(4_294_967_296.0)));
        _mm256_and_si256(whole, f_ge(a, _mm256_setzero_ps()))
    }
    fn u_of_i(a: I) -> U { a }
    fn i_of_u(a: U) -> I { a }
    fn m_and(a: M, b: M) -> M { _mm256_and_si256(a, b) }
    fn m_or(a: M, b: M) -> M { _mm256_or_si256(a, b) }
    fn m_andnot(a: M, b: M) -> M { _mm256_andnot_si256(b, a) }
    fn m_not(a: M) -> M { _mm256_xor_si256(a, _mm256_set1_epi32(-1)) }
    fn m_any(a: M) -> bool { _mm256_movemask_ps(_mm256_castsi256_ps(a)) != 0 }
    fn m_bits(a: M) -> u32 { _mm256_movemask_ps(_mm256_castsi256_ps(a)).cast_unsigned() }
    fn m_first(n: u32) -> M { _mm256_cmpgt_epi32(u_splat(n), u_iota()) }
    fn u_iota() -> U { _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0) }
    fn u_permute(a: U, from: U) -> U { _mm256_permutevar8x32_epi32(a, from) }
    fn f_permute(a: F, from: U) -> F { _mm256_permutevar8x32_ps(a, from) }
    // the set lanes, in order, get lane 0, 1, ... of `a`
    fn u_expand(on: M, a: U) -> U {
        // a byte a lane, then the rank of each set lane
        let bytes = _pdep_u64(u64::from(m_bits(on)), 0x0101_0101_0101_0101);
        let ranks = _pdep_u64(0x0706_0504_0302_0100, bytes * 0xFF);
        _mm256_permutevar8x32_epi32(a, _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(ranks.cast_signed())))
    }
    fn w_zero() -> W { W { even: _mm256_setzero_si256(), odd: _mm256_setzero_si256() } }
    fn w_mul(a: U, b: U) -> W { W { even: _mm256_mul_epu32(a, b), odd: _mm256_mul_epu32(_mm256_srli_epi64::<32>(a), _mm256_srli_epi64::<32>(b)) } }
    fn w_add(a: W, b: W) -> W { W { even: _mm256_add_epi64(a.even, b.even), odd: _mm256_add_epi64(a.odd, b.odd) } }
    fn w_low(a: W) -> W { let low = _mm256_set1_epi64x(0xFFFF_FFFF); W { even: _mm256_and_si256(a.even, low), odd: _mm256_and_si256(a.odd, low) } }
    fn w_high(a: W) -> W { W { even: _mm256_srli_epi64::<32>(a.even), odd: _mm256_srli_epi64::<32>(a.odd) } }
    fn w_clear(on: M, a: W) -> W { W { even: _mm256_andnot_si256(_mm256_shuffle_epi32::<0b10_10_00_00>(on), a.even), odd: _mm256_andnot_si256(_mm256_shuffle_epi32::<0b11_11_01_01>(on), a.odd) } }
    fn gather_f(on: M, list: &[f32], index: U) -> F {
        let sound = u_lt(index, u_splat(list.len() as u32));
        assert!(!m_any(m_andnot(on, sound)), "a lane reads behind the end of its table");
        // SAFETY: the lanes of the mask were just found to lie inside the list, which is shorter than 2^31; the others
        // are not read
        unsafe { _mm256_mask_i32gather_ps::<4>(_mm256_setzero_ps(), list.as_ptr(), index, _mm256_castsi256_ps(on)) }
    }
    fn gather_u(on: M, list: &[u32], index: U) -> U {
        let sound = u_lt(index, u_splat(list.len() as u32));
        assert!(!m_any(m_andnot(on, sound)), "a lane reads behind the end of its table");
        // SAFETY: as above
        unsafe { _mm256_mask_i32gather_epi32::<4>(_mm256_setzero_si256(), list.as_ptr().cast(), index, on) }
    }
    fn w_store(a: W) -> [u64; N] {
        // SAFETY: both are 32 bytes without padding
        let (even, odd): ([u64; 4], [u64; 4]) =
            unsafe { (core::mem::transmute::<__m256i, [u64; 4]>(a.even), core::mem::transmute::<__m256i, [u64; 4]>(a.odd)) };
        core::array::from_fn(|i| if i & 1 == 0 { even[i / 2] } else { odd[i / 2] })
    }
}

super::carry::lanes_carry! {
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
}
super::kernel::lanes_kernel! {
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
}
