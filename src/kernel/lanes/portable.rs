//! Lanes in plain arrays, which the compiler turns into whatever vectors the machine has (SSE2, NEON).

/// Lanes.
pub const N: usize = 4;

/// Numbers of one kind, one a lane.
#[derive(Clone, Copy)]
#[repr(C, align(16))]
pub struct Row<T>([T; N]);
type F = Row<f32>;
type U = Row<u32>;
type I = Row<i32>;
/// All bits of a lane set, or none.
type M = Row<u32>;
type W = Row<u64>;

#[inline(always)]
fn each<A: Copy, T>(a: Row<A>, f: impl Fn(A) -> T) -> Row<T> {
    Row(core::array::from_fn(|i| f(a.0[i])))
}
#[inline(always)]
fn pair<A: Copy, B: Copy, T>(a: Row<A>, b: Row<B>, f: impl Fn(A, B) -> T) -> Row<T> {
    Row(core::array::from_fn(|i| f(a.0[i], b.0[i])))
}
#[inline(always)]
fn bits(x: bool) -> u32 {
    u32::from(x).wrapping_neg()
}
#[inline(always)]
fn choose(on: M, a: U, b: U) -> U {
    Row(core::array::from_fn(|i| (on.0[i] & a.0[i]) | (!on.0[i] & b.0[i])))
}

macro_rules! instructions {
    ($(fn $name:ident $(<const $K:ident: u32>)? ($($a:ident: $t:ty),*) -> $r:ty $body:block)*) => {
        $(#[inline(always)] fn $name $(<const $K: u32>)? ($($a: $t),*) -> $r $body)*
    };
}

instructions! {
    fn f_splat(x: f32) -> F { Row([x; N]) }
    fn u_splat(x: u32) -> U { Row([x; N]) }
    fn i_splat(x: i32) -> I { Row([x; N]) }
    fn m_splat(x: bool) -> M { Row([bits(x); N]) }
    fn f_add(a: F, b: F) -> F { pair(a, b, |a, b| a + b) }
    fn f_sub(a: F, b: F) -> F { pair(a, b, |a, b| a - b) }
    fn f_mul(a: F, b: F) -> F { pair(a, b, |a, b| a * b) }
    fn f_neg(a: F) -> F { each(a, |a| -a) }
    fn f_min(a: F, b: F) -> F { pair(a, b, |a, b| if a < b { a } else { b }) }
    fn f_max(a: F, b: F) -> F { pair(a, b, |a, b| if a > b { a } else { b }) }
    fn f_lt(a: F, b: F) -> M { pair(a, b, |a, b| bits(a < b)) }
    fn f_le(a: F, b: F) -> M { pair(a, b, |a, b| bits(a <= b)) }
    fn f_gt(a: F, b: F) -> M { pair(a, b, |a, b| bits(a > b)) }
    fn f_ge(a: F, b: F) -> M { pair(a, b, |a, b| bits(a >= b)) }
    fn f_select(on: M, a: F, b: F) -> F { f_from_bits(choose(on, f_bits(a), f_bits(b))) }
    fn u_select(on: M, a: U, b: U) -> U { choose(on, a, b) }
    fn i_select(on: M, a: I, b: I) -> I { i_of_u(choose(on, u_of_i(a), u_of_i(b))) }
    fn m_select(on: M, a: M, b: M) -> M { choose(on, a, b) }
    fn f_bits(a: F) -> U { each(a, f32::to_bits) }
    fn f_from_bits(a: U) -> F { each(a, f32::from_bits) }
    fn u_add(a: U, b: U) -> U { pair(a, b, u32::wrapping_add) }
    fn u_sub(a: U, b: U) -> U { pair(a, b, u32::wrapping_sub) }
    fn u_mul(a: U, b: U) -> U { pair(a, b, u32::wrapping_mul) }
    fn u_and(a: U, b: U) -> U { pair(a, b, |a, b| a & b) }
    fn u_or(a: U, b: U) -> U { pair(a, b, |a, b| a | b) }
    fn u_xor(a: U, b: U) -> U { pair(a, b, |a, b| a ^ b) }
    fn u_shl<const K: u32>(a: U) -> U { each(a, |a| a << K) }
    fn u_shr<const K: u32>(a: U) -> U { each(a, |a| a >> K) }
    fn i_shr<const K: u32>(a: I) -> I { each(a, |a| a >> K) }
    fn u_rotl<const K: u32>(a: U) -> U { each(a, |a| a.rotate_left(K)) }
    fn i_add(a: I, b: I) -> I { pair(a, b, i32::wrapping_add) }
    fn i_sub(a: I, b: I) -> I { pair(a, b, i32::wrapping_sub) }
    fn u_eq(a: U, b: U) -> M { pair(a, b, |a, b| bits(a == b)) }
    fn u_ne(a: U, b: U) -> M { pair(a, b, |a, b| bits(a != b)) }
    fn u_lt(a: U, b: U) -> M { pair(a, b, |a, b| bits(a < b)) }
    fn u_le(a: U, b: U) -> M { pair(a, b, |a, b| bits(a <= b)) }
    fn u_gt(a: U, b: U) -> M { pair(a, b, |a, b| bits(a > b)) }
    fn u_ge(a: U, b: U) -> M { pair(a, b, |a, b| bits(a >= b)) }
    fn f_of_u(a: U) -> F { each(a, |a| a as f32) }
    fn f_of_i(a: I) -> F { each(a, |a| a as f32) }
    fn u_of_f(a: F) -> U { each(a, |a| a as u32) }
    fn u_of_i(a: I) -> U { each(a, i32::cast_unsigned) }
    fn i_of_u(a: U) -> I { each(a, u32::cast_signed) }
    fn m_and(a: M, b: M) -> M { pair(a, b, |a, b| a & b) }
    fn m_or(a: M, b: M) -> M { pair(a, b, |a, b| a | b) }
    fn m_andnot(a: M, b: M) -> M { pair(a, b, |a, b| a & !b) }
    fn m_not(a: M) -> M { each(a, |a| !a) }
    fn m_any(a: M) -> bool { a.0.iter().fold(0, |x, y| x | y) != 0 }
    fn m_bits(a: M) -> u32 { (0..N).fold(0, |x, i| x | (a.0[i] & 1) << i) }
    fn m_first(n: u32) -> M { each(u_iota(), |i| bits(i < n)) }
    fn u_iota() -> U { Row(core::array::from_fn(|i| i as u32)) }
    fn u_permute(a: U, from: U) -> U { each(from, |i| a.0[i as usize % N]) }
    fn f_permute(a: F, from: U) -> F { each(from, |i| a.0[i as usize % N]) }
    // the set lanes, in order, get lane 0, 1, ... of `a`
    fn u_expand(on: M, a: U) -> U {
        let mut value = u_splat(0);
        for (rank, lane) in super::lanes_in_bits(m_bits(on)).enumerate() {
            value.0[lane] = a.0[rank];
        }
        value
    }
    fn w_zero() -> W { Row([0; N]) }
    fn w_mul(a: U, b: U) -> W { pair(a, b, |a, b| u64::from(a) * u64::from(b)) }
    fn w_add(a: W, b: W) -> W { pair(a, b, u64::wrapping_add) }
    fn w_low(a: W) -> W { each(a, |a| a & 0xFFFF_FFFF) }
    fn w_high(a: W) -> W { each(a, |a| a >> 32) }
    fn w_clear(on: M, a: W) -> W { pair(on, a, |on, a| if on == 0 { a } else { 0 }) }
    fn gather_f(on: M, list: &[f32], index: U) -> F { pair(on, index, |on, i| if on == 0 { 0.0 } else { list[i as usize] }) }
    fn gather_u(on: M, list: &[u32], index: U) -> U { pair(on, index, |on, i| if on == 0 { 0 } else { list[i as usize] }) }
    fn w_store(a: W) -> [u64; N] { a.0 }
}

super::carry::lanes_carry! {}
super::kernel::lanes_kernel! {}
