//! What surrounds the printed kernel: births, the filling of lanes, and the sink.

macro_rules! lanes_carry {
    ($(#[$features:meta])*) => {
        use super::{Account, Entry, Feed};

        /// Entries that are collected before they are poured.
        const FULL: usize = 1024;
        /// Entries of one step at most, beyond which the list grows.
        const ROOM: usize = 64 * N;
        /// Steps between two foldings of the sums: few enough that sums of 32-bit numbers keep within 64 bits.
        const FOLD: u32 = 1 << 16;

        // Lanes and memory: the registers are N numbers of 32 bits, in order.
        const _: () = assert!(size_of::<F>() == 4 * N && size_of::<U>() == 4 * N);

        #[inline]
        $(#[$features])*
        fn lanes_in(on: M) -> impl Iterator<Item = usize> {
            super::lanes_in_bits(m_bits(on))
        }

        #[inline]
        $(#[$features])*
        fn u_array(x: U) -> [u32; N] {
            // SAFETY: both are N numbers of 32 bits
            unsafe { core::mem::transmute::<U, [u32; N]>(x) }
        }

        #[inline]
        $(#[$features])*
        fn u_from_array(x: [u32; N]) -> U {
            // SAFETY: both are N numbers of 32 bits
            unsafe { core::mem::transmute::<[u32; N], U>(x) }
        }

        #[inline]
        $(#[$features])*
        fn u_lane(x: &U, lane: usize) -> u32 {
            u_array(*x)[lane]
        }

        #[inline]
        $(#[$features])*
        fn u_put_lane(x: &mut U, lane: usize, value: u32) {
            let mut lanes = u_array(*x);
            lanes[lane] = value;
            *x = u_from_array(lanes);
        }

        #[inline]
        $(#[$features])*
        fn f_lane(x: &F, lane: usize) -> f32 {
            // SAFETY: both are N numbers of 32 bits
            let lanes = unsafe { core::mem::transmute::<F, [f32; N]>(*x) };
            lanes[lane]
        }

        #[inline]
        $(#[$features])*
        fn f_put_lane(x: &mut F, lane: usize, value: f32) {
            // SAFETY: both are N numbers of 32 bits
            let mut lanes = unsafe { core::mem::transmute::<F, [f32; N]>(*x) };
            lanes[lane] = value;
            // SAFETY: as above
            *x = unsafe { core::mem::transmute::<[f32; N], F>(lanes) };
        }

        /// Quotients of whole numbers, lane by lane.
        #[inline]
        $(#[$features])*
        fn u_div(a: U, b: U) -> U {
            let (a, b) = (u_array(a), u_array(b));
            // lanes that are off may hold anything
            u_from_array(core::array::from_fn(|i| a[i].checked_div(b[i]).unwrap_or(0)))
        }

        /// Rows of the source table: the last whose first history is not above the lane's. Lanes are born in the order
        /// of their histories, so that each row is found from the one before.
        #[inline]
        $(#[$features])*
        fn source_rows(on: M, cx: &Context<'_>, h: U) -> U {
            let h = u_array(h);
            let mut rows = [0; N];
            let (mut row, mut before) = (0, None);
            for lane in lanes_in(on) {
                if before.is_none_or(|before| h[lane] < before) {
                    row = crate::kernel::single::source::source_row(cx, h[lane]);
                }
                while row + 1 < cx.params.sources && cx.source_table[(3 * (row + 1)) as usize] <= h[lane] {
                    row += 1;
                }
                before = Some(h[lane]);
                rows[lane] = row;
            }
            u_from_array(rows)
        }

        /// A sum of 64-bit numbers, kept as sums of their halves until it is folded.
        #[derive(Clone, Copy)]
        struct Sum {
            low: W,
            high: W,
            folded: u128,
        }

        impl Sum {
            #[inline]
            $(#[$features])*
            fn zero() -> Self {
                Self { low: w_zero(), high: w_zero(), folded: 0 }
            }
            #[inline]
            $(#[$features])*
            fn add(&mut self, x: W) {
                self.low = w_add(self.low, w_low(x));
                self.high = w_add(self.high, w_high(x));
            }
            $(#[$features])*
            fn fold(&mut self) -> u128 {
                let total = |x: [u64; N]| x.iter().map(|&x| u128::from(x)).sum::<u128>();
                self.folded += total(w_store(self.low)) + (total(w_store(self.high)) << 32);
                (self.low, self.high) = (w_zero(), w_zero());
                self.folded
            }
        }

        /// Where the lanes' energy goes: the twin of `Sink`.
        pub struct Out {
            emitted: Sum,
            deposited: Sum,
            escaped: Sum,
            radiated: Sum,
            estimated: Sum,
            flags: u32,
            /// Energy that the history of a lane took from its home so far, and that home.
            debt: W,
            home: U,
            indebted: M,
            entries: Vec<Entry>,
        }

        impl Out {
            $(#[$features])*
            fn new() -> Self {
                Self {
                    emitted: Sum::zero(),
                    deposited: Sum::zero(),
                    escaped: Sum::zero(),
                    radiated: Sum::zero(),
                    estimated: Sum::zero(),
                    flags: 0,
                    debt: w_zero(),
                    home: u_splat(0),
                    indebted: m_splat(false),
                    entries: Vec::with_capacity(FULL + ROOM),
                }
            }

            #[inline]
            $(#[$features])*
            fn worth(on: M, units: U, weight: U) -> W {
                w_mul(u_select(on, units, u_splat(0)), weight)
            }

            #[inline]
            $(#[$features])*
            fn push(&mut self, on: M, bin: U, worth: W) {
                let (bin, worth) = (u_array(bin), w_store(worth));
                for lane in lanes_in(on) {
                    self.entries.push(Entry { bin: bin[lane], entries: worth[lane].cast_signed() });
                }
            }

            /// What leaves its home: collected until the history ends.
            #[inline]
            $(#[$features])*
            fn leave(&mut self, on: M, home: U, units: U, weight: U) {
                let on = m_and(on, u_ne(home, u_splat(NO_HOME)));
                if m_any(on) {
                    let moved = m_and(m_and(on, self.indebted), u_ne(home, self.home));
                    if m_any(moved) {
                        self.settle(moved);
                    }
                    self.debt = w_add(self.debt, Self::worth(on, units, weight));
                    self.home = u_select(on, home, self.home);
                    self.indebted = m_or(self.indebted, on);
                }
            }

            /// Lanes whose history is over: the energy is taken from their homes.
            $(#[$features])*
            fn settle(&mut self, on: M) {
                let on = m_and(on, self.indebted);
                let (home, debt) = (u_array(self.home), w_store(self.debt));
                for lane in lanes_in(on) {
                    self.entries.push(Entry { bin: home[lane], entries: debt[lane].cast_signed().wrapping_neg() });
                }
                self.debt = w_clear(on, self.debt);
                self.indebted = m_andnot(self.indebted, on);
            }

            #[inline]
            $(#[$features])*
            fn emitted(&mut self, on: M, units: U, weight: U) {
                self.emitted.add(Self::worth(on, units, weight));
            }
            #[inline]
            $(#[$features])*
            fn deposit(&mut self, on: M, index: U, home: U, units: U, weight: U) {
                let worth = Self::worth(on, units, weight);
                self.deposited.add(worth);
                let moved = m_and(m_and(on, u_ne(units, u_splat(0))), u_ne(index, home));
                if m_any(moved) {
                    self.push(moved, index, worth);
                    self.leave(moved, home, units, weight);
                }
            }
            #[inline]
            $(#[$features])*
            fn estimate(&mut self, on: M, index: U, units: U, weight: U) {
                let on = m_and(on, u_ne(units, u_splat(0)));
                let worth = Self::worth(on, units, weight);
                self.estimated.add(worth);
                self.push(on, index, worth);
            }
            #[inline]
            $(#[$features])*
            fn absorbed(&mut self, on: M, units: U, weight: U) {
                self.deposited.add(Self::worth(on, units, weight));
            }
            #[inline]
            $(#[$features])*
            fn escaped(&mut self, on: M, home: U, units: U, weight: U) {
                self.escaped.add(Self::worth(on, units, weight));
                self.leave(m_and(on, u_ne(units, u_splat(0))), home, units, weight);
            }
            #[inline]
            $(#[$features])*
            fn radiated(&mut self, on: M, units: U, weight: U) {
                self.radiated.add(Self::worth(on, units, weight));
            }
            #[inline]
            $(#[$features])*
            fn flag(&mut self, on: M, bits: u32) {
                if m_any(on) {
                    self.flags |= bits;
                }
            }

            $(#[$features])*
            fn account(&mut self, histories: u64) -> Account {
                Account {
                    emitted: self.emitted.fold(),
                    deposited: self.deposited.fold(),
                    escaped: self.escaped.fold(),
                    radiated: self.radiated.fold(),
                    estimated: self.estimated.fold(),
                    flags: self.flags,
                    histories,
                }
            }
        }

        /// Particles born and not yet in a lane.
        struct Nursery {
            particles: Particle,
            rng: Rng,
            at: u32,
            end: u32,
            next: u32,
            last: u32,
            born: u64,
        }

        impl Nursery {
            /// The next up to N histories; false when there are no more.
            #[inline(never)]
            $(#[$features])*
            fn bear(&mut self, photons: bool, cx: &Context<'_>, feed: &mut dyn Feed, out: &mut Out) -> bool {
                while self.next >= self.last {
                    match feed.take() {
                        Some((first, end)) => (self.next, self.last) = (first, end),
                        None => return false,
                    }
                }
                let count = (self.last - self.next).min(N as u32);
                let (on, h) = (m_first(count), u_add(u_splat(self.next), u_iota()));
                self.particles = if photons { photon_birth(on, cx, h, out) } else { electron_birth(on, cx, h, out) };
                self.rng = rng_for(h, cx.params.batch, cx.params.seed_low, cx.params.seed_high);
                self.next += count;
                self.born += u64::from(count);
                (self.at, self.end) = (0, count);
                true
            }
        }

        /// Carries histories from birth to end: see `super::carry`.
        $(#[$features])*
        pub fn carry(photons: bool, cx: &Context<'_>, feed: &mut dyn Feed) -> Account {
            let mut out = Out::new();
            let mut p = zero_Particle();
            let mut rng = zero_Rng();
            let mut stack = zero_Stack();
            let mut nursery =
                Nursery { particles: p, rng, at: 0, end: 0, next: 0, last: 0, born: 0 };
            let mut steps = 0u32;
            loop {
                let mut free = u_ne(p.alive, u_splat(1));
                while m_any(free) {
                    if nursery.at == nursery.end && !nursery.bear(photons, cx, feed, &mut out) {
                        break;
                    }
                    // the first free lanes get the next that wait
                    let from = u_expand(free, u_add(u_splat(nursery.at), u_iota()));
                    let dealt = m_and(free, u_lt(from, u_splat(nursery.end)));
                    out.settle(dealt);
                    p = deal_Particle(dealt, &nursery.particles, from, p);
                    rng = deal_Rng(dealt, &nursery.rng, from, rng);
                    nursery.at += m_bits(dealt).count_ones();
                    free = m_andnot(free, dealt);
                }
                #[cfg(test)]
                super::tests::tamper(N, |lane| {
                    let flipped = u_lane(&rng.a, lane) ^ 1;
                    u_put_lane(&mut rng.a, lane, flipped);
                });
                let on = u_eq(p.alive, u_splat(1));
                if !m_any(on) {
                    break;
                }
                if photons {
                    photon_step(on, cx, &mut rng, &mut p, &mut out);
                } else {
                    electron_step(on, cx, &mut rng, &mut p, &mut stack, &mut out);
                }
                if out.entries.len() >= FULL {
                    feed.pour(&out.entries);
                    out.entries.clear();
                }
                steps += 1;
                if steps == FOLD {
                    let _ = out.account(0);
                    steps = 0;
                }
            }
            out.settle(m_splat(true));
            feed.pour(&out.entries);
            out.account(nursery.born)
        }

        /// The printed functions by name, on numbers given by their bits: a function of three arguments or fewer.
        #[cfg(test)]
        $(#[$features])*
        pub fn apply(name: &str, arguments: &[[u32; 3]]) -> Vec<u32> {
            let mut all = Vec::new();
            for chunk in arguments.chunks(N) {
                let column = |n: usize| u_from_array(core::array::from_fn(|i| chunk[i.min(chunk.len() - 1)][n]));
                let (ua, ub, uc) = (column(0), column(1), column(2));
                let (a, b, c) = (f_from_bits(ua), f_from_bits(ub), f_from_bits(uc));
                let on = m_splat(true);
                let found = match name {
                    "fmin" => f_bits(fmin(a, b)),
                    "fmax" => f_bits(fmax(a, b)),
                    "fabs" => f_bits(fabs(a)),
                    "recip" => f_bits(recip(a)),
                    "rsqrt" => f_bits(rsqrt(a)),
                    "root" => f_bits(root(a)),
                    "ln" => f_bits(ln(a)),
                    "exp_of" => f_bits(exp_of(a)),
                    "one_minus_exp" => f_bits(one_minus_exp(on, a)),
                    "sine" => f_bits(sin_cos_turn(ua).sin),
                    "cosine" => f_bits(sin_cos_turn(ua).cos),
                    "real_from_u32" => f_bits(real_from_u32(ua)),
                    "units_from_kev" => units_from_kev(a),
                    "kev_from_units" => f_bits(kev_from_units(ua)),
                    "unit_from_word" => f_bits(unit_from_word(ua)),
                    "energy_node" => energy_bin(a).node,
                    "energy_fraction" => f_bits(energy_bin(a).fraction),
                    "momentum_node" => momentum_bin(a).node,
                    "momentum_fraction" => f_bits(momentum_bin(a).fraction),
                    "bell" => f_bits(bell(ua, ub)),
                    "weight_product" => weight_product(ua, ub),
                    "inverse" => f_bits(inverse(a)),
                    "soft_mu" => f_bits(soft_mu(on, a, b, c)),
                    "hard_mu" => f_bits(hard_mu(a, b, c)),
                    "compose" => f_bits(compose(a, b, c)),
                    "moller_shape" => f_bits(moller_shape(a, b, c)),
                    "collision_cos" => f_bits(collision_cos(a, b)),
                    "as u32" => u_of_f(a),
                    "as f32" => f_bits(f_of_u(ua)),
                    "i32 as f32" => f_bits(f_of_i(i_of_u(ua))),
                    "a < b" => u_select(u_lt(ua, ub), u_splat(1), u_splat(0)),
                    "a <= b" => u_select(u_le(ua, ub), u_splat(1), u_splat(0)),
                    "float a < b" => u_select(f_lt(a, b), u_splat(1), u_splat(0)),
                    "float a >= b" => u_select(f_ge(a, b), u_splat(1), u_splat(0)),
                    "product, low" => u_from_array(w_store(w_low(w_mul(ua, ub))).map(|x| x as u32)),
                    "product, high" => u_from_array(w_store(w_high(w_mul(ua, ub))).map(|x| x as u32)),
                    "quotient" => u_div(ua, ub),
                    "hash" => pcg4d(Rng { a: ua, b: ub, c: uc, d: ua }).a,
                    _ => panic!("no function {name}"),
                };
                all.extend(&u_array(found)[..chunk.len()]);
            }
            all
        }
    };
}
pub(super) use lanes_carry;
