//! The particle's life in lanes: printed from `src/kernel/*.rs` by `cargo xtask lanes`. Do not edit.
//!
//! `on0`, `on1`, ... are masks: the lanes for which a piece of text counts. The registers (`F`, `U`, `I`, `M`), the
//! operations on them and the sink `Out` are those of the module that fills this text in.

macro_rules! lanes_kernel {
    ($(#[$features:meta])*) => {
        use crate::kernel::NO_HOME;
        use crate::kernel::single::context::Context;
        use crate::kernel::single::context::{FLAG_TALLY_OVERFLOW, FLAG_STACK_FULL, FLAG_STEP_LIMIT, FLAG_LOST, FLAG_REJECTION};
        use crate::kernel::single::tables::{ENERGY_BINS_PER_OCTAVE, ENERGY_OCTAVES, ENERGY_NODES, MOMENTUM_BINS_PER_OCTAVE, MOMENTUM_NODES, MOMENTUM_FIRST_BITS, ELECTRON_COLUMNS, COLUMN_RANGE, COLUMN_STEP, COLUMN_KNOCK_ON_MOST, COLUMN_GROWTH, COLUMN_STOPPING, COLUMN_VARIANCE, COLUMN_TRANSPORT, COLUMN_YIELD, COLUMN_HARD, COLUMN_SOFT_1, COLUMN_SOFT_2, COLUMN_KNOCK_ON, COLUMN_SCREENING, COLUMN_MU_CUT, PHOTON_COLUMNS, COLUMN_TOTAL, COLUMN_KERMA, COLUMN_INCOHERENT, COLUMN_COHERENT, COLUMN_BREMSSTRAHLUNG, SCATTER_COLUMNS, COLUMN_SCATTERING_FUNCTION, COLUMN_FORM_FACTOR};
        use crate::kernel::single::source::{STEP_ENERGY, STEP_X, STEP_Y, STEP_Z, STEP_POLAR, STEP_AZIMUTH};
        use crate::kernel::single::skin::{WHOLE, REACH};
        use crate::kernel::single::moller::{ELECTRON_REST};
        use crate::kernel::single::waiting::{STACK_SIZE};
        use crate::kernel::single::electron::{ELECTRON_STEP_LIMIT, FLIGHT_DONE, FLIGHT_TISSUE, FLIGHT_TURNS, FLIGHT_OUT, FLIGHT_RESTS};
        use crate::kernel::single::compton::{PER_KEV_ANGSTROM};
        use crate::kernel::single::photon::{PHOTON_STEP_LIMIT, PHOTON_VOXELS_A_STEP};

        /// Sine and cosine of one angle.
        #[derive(Clone, Copy)]
        #[repr(C)]
        pub struct SinCos {
            /// Sine.
            pub sin: F,
            /// Cosine.
            pub cos: F,
        }

        /// All lanes 0.
        #[inline]
        $(#[$features])*
        pub fn zero_SinCos() -> SinCos {
            SinCos {
                sin: f_splat(0.0),
                cos: f_splat(0.0),
            }
        }

        /// Lanes of `a` where the mask is set, else of `b`.
        #[inline]
        $(#[$features])*
        pub fn select_SinCos(on: M, a: SinCos, b: SinCos) -> SinCos {
            SinCos {
                sin: f_select(on, a.sin, b.sin),
                cos: f_select(on, a.cos, b.cos),
            }
        }

        /// State of xoshiro128++.
        #[derive(Clone, Copy)]
        #[repr(C)]
        pub struct Rng {
            /// First word.
            pub a: U,
            /// Second word.
            pub b: U,
            /// Third word.
            pub c: U,
            /// Fourth word.
            pub d: U,
        }

        /// All lanes 0.
        #[inline]
        $(#[$features])*
        pub fn zero_Rng() -> Rng {
            Rng {
                a: u_splat(0),
                b: u_splat(0),
                c: u_splat(0),
                d: u_splat(0),
            }
        }

        /// Lanes of `a` where the mask is set, else of `b`.
        #[inline]
        $(#[$features])*
        pub fn select_Rng(on: M, a: Rng, b: Rng) -> Rng {
            Rng {
                a: u_select(on, a.a, b.a),
                b: u_select(on, a.b, b.b),
                c: u_select(on, a.c, b.c),
                d: u_select(on, a.d, b.d),
            }
        }

        /// Where the mask is set, lane `from[i]` of `a` in lane i, else `b`.
        #[inline]
        $(#[$features])*
        pub fn deal_Rng(on: M, a: &Rng, from: U, b: Rng) -> Rng {
            Rng {
                a: u_select(on, u_permute(a.a, from), b.a),
                b: u_select(on, u_permute(a.b, from), b.b),
                c: u_select(on, u_permute(a.c, from), b.c),
                d: u_select(on, u_permute(a.d, from), b.d),
            }
        }

        /// A place in a table: lower node and fraction of the way to the next.
        #[derive(Clone, Copy)]
        #[repr(C)]
        pub struct Bin {
            /// Lower node.
            pub node: U,
            /// Fraction of the bin, 0 to 1.
            pub fraction: F,
        }

        /// All lanes 0.
        #[inline]
        $(#[$features])*
        pub fn zero_Bin() -> Bin {
            Bin {
                node: u_splat(0),
                fraction: f_splat(0.0),
            }
        }

        /// Lanes of `a` where the mask is set, else of `b`.
        #[inline]
        $(#[$features])*
        pub fn select_Bin(on: M, a: Bin, b: Bin) -> Bin {
            Bin {
                node: u_select(on, a.node, b.node),
                fraction: f_select(on, a.fraction, b.fraction),
            }
        }

        /// A particle in flight.
        #[derive(Clone, Copy)]
        #[repr(C)]
        pub struct Particle {
            /// Voxel along x.
            pub ix: U,
            /// Voxel along y.
            pub iy: U,
            /// Voxel along z.
            pub iz: U,
            /// 1 while it is followed.
            pub alive: U,
            /// Position inside the voxel, mm.
            pub x: F,
            /// Position inside the voxel, mm.
            pub y: F,
            /// Position inside the voxel, mm.
            pub z: F,
            /// Kinetic energy (photon: energy), units of 2^-5 eV.
            pub energy: U,
            /// Direction, unit vector.
            pub ux: F,
            /// Direction, unit vector.
            pub uy: F,
            /// Direction, unit vector.
            pub uz: F,
            /// Weight, 2^-16.
            pub weight: U,
            /// Mean free paths to the next collision (photons).
            pub flight: F,
            /// Steps made.
            pub steps: U,
            /// Tally bin that counts as having received all its energy; all bits set: none.
            pub home: U,
        }

        /// All lanes 0.
        #[inline]
        $(#[$features])*
        pub fn zero_Particle() -> Particle {
            Particle {
                ix: u_splat(0),
                iy: u_splat(0),
                iz: u_splat(0),
                alive: u_splat(0),
                x: f_splat(0.0),
                y: f_splat(0.0),
                z: f_splat(0.0),
                energy: u_splat(0),
                ux: f_splat(0.0),
                uy: f_splat(0.0),
                uz: f_splat(0.0),
                weight: u_splat(0),
                flight: f_splat(0.0),
                steps: u_splat(0),
                home: u_splat(0),
            }
        }

        /// Lanes of `a` where the mask is set, else of `b`.
        #[inline]
        $(#[$features])*
        pub fn select_Particle(on: M, a: Particle, b: Particle) -> Particle {
            Particle {
                ix: u_select(on, a.ix, b.ix),
                iy: u_select(on, a.iy, b.iy),
                iz: u_select(on, a.iz, b.iz),
                alive: u_select(on, a.alive, b.alive),
                x: f_select(on, a.x, b.x),
                y: f_select(on, a.y, b.y),
                z: f_select(on, a.z, b.z),
                energy: u_select(on, a.energy, b.energy),
                ux: f_select(on, a.ux, b.ux),
                uy: f_select(on, a.uy, b.uy),
                uz: f_select(on, a.uz, b.uz),
                weight: u_select(on, a.weight, b.weight),
                flight: f_select(on, a.flight, b.flight),
                steps: u_select(on, a.steps, b.steps),
                home: u_select(on, a.home, b.home),
            }
        }

        /// Where the mask is set, lane `from[i]` of `a` in lane i, else `b`.
        #[inline]
        $(#[$features])*
        pub fn deal_Particle(on: M, a: &Particle, from: U, b: Particle) -> Particle {
            Particle {
                ix: u_select(on, u_permute(a.ix, from), b.ix),
                iy: u_select(on, u_permute(a.iy, from), b.iy),
                iz: u_select(on, u_permute(a.iz, from), b.iz),
                alive: u_select(on, u_permute(a.alive, from), b.alive),
                x: f_select(on, f_permute(a.x, from), b.x),
                y: f_select(on, f_permute(a.y, from), b.y),
                z: f_select(on, f_permute(a.z, from), b.z),
                energy: u_select(on, u_permute(a.energy, from), b.energy),
                ux: f_select(on, f_permute(a.ux, from), b.ux),
                uy: f_select(on, f_permute(a.uy, from), b.uy),
                uz: f_select(on, f_permute(a.uz, from), b.uz),
                weight: u_select(on, u_permute(a.weight, from), b.weight),
                flight: f_select(on, f_permute(a.flight, from), b.flight),
                steps: u_select(on, u_permute(a.steps, from), b.steps),
                home: u_select(on, u_permute(a.home, from), b.home),
            }
        }

        /// Entry `index[i]` of lane i, for the lanes of the mask.
        #[inline(never)]
        $(#[$features])*
        pub fn get_Particle(on: M, list: &[Particle], index: U) -> Particle {
            let mut value = zero_Particle();
            for lane in lanes_in(on) {
                let entry = &list[u_lane(&index, lane) as usize];
                u_put_lane(&mut value.ix, lane, u_lane(&entry.ix, lane));
                u_put_lane(&mut value.iy, lane, u_lane(&entry.iy, lane));
                u_put_lane(&mut value.iz, lane, u_lane(&entry.iz, lane));
                u_put_lane(&mut value.alive, lane, u_lane(&entry.alive, lane));
                f_put_lane(&mut value.x, lane, f_lane(&entry.x, lane));
                f_put_lane(&mut value.y, lane, f_lane(&entry.y, lane));
                f_put_lane(&mut value.z, lane, f_lane(&entry.z, lane));
                u_put_lane(&mut value.energy, lane, u_lane(&entry.energy, lane));
                f_put_lane(&mut value.ux, lane, f_lane(&entry.ux, lane));
                f_put_lane(&mut value.uy, lane, f_lane(&entry.uy, lane));
                f_put_lane(&mut value.uz, lane, f_lane(&entry.uz, lane));
                u_put_lane(&mut value.weight, lane, u_lane(&entry.weight, lane));
                f_put_lane(&mut value.flight, lane, f_lane(&entry.flight, lane));
                u_put_lane(&mut value.steps, lane, u_lane(&entry.steps, lane));
                u_put_lane(&mut value.home, lane, u_lane(&entry.home, lane));
            }
            value
        }

        /// Puts lane i of `value` into entry `index[i]`, for the lanes of the mask.
        #[inline(never)]
        $(#[$features])*
        pub fn put_Particle(on: M, list: &mut [Particle], index: U, value: Particle) {
            for lane in lanes_in(on) {
                let entry = &mut list[u_lane(&index, lane) as usize];
                u_put_lane(&mut entry.ix, lane, u_lane(&value.ix, lane));
                u_put_lane(&mut entry.iy, lane, u_lane(&value.iy, lane));
                u_put_lane(&mut entry.iz, lane, u_lane(&value.iz, lane));
                u_put_lane(&mut entry.alive, lane, u_lane(&value.alive, lane));
                f_put_lane(&mut entry.x, lane, f_lane(&value.x, lane));
                f_put_lane(&mut entry.y, lane, f_lane(&value.y, lane));
                f_put_lane(&mut entry.z, lane, f_lane(&value.z, lane));
                u_put_lane(&mut entry.energy, lane, u_lane(&value.energy, lane));
                f_put_lane(&mut entry.ux, lane, f_lane(&value.ux, lane));
                f_put_lane(&mut entry.uy, lane, f_lane(&value.uy, lane));
                f_put_lane(&mut entry.uz, lane, f_lane(&value.uz, lane));
                u_put_lane(&mut entry.weight, lane, u_lane(&value.weight, lane));
                f_put_lane(&mut entry.flight, lane, f_lane(&value.flight, lane));
                u_put_lane(&mut entry.steps, lane, u_lane(&value.steps, lane));
                u_put_lane(&mut entry.home, lane, u_lane(&value.home, lane));
            }
        }

        /// The way out of a voxel along a direction.
        #[derive(Clone, Copy)]
        #[repr(C)]
        pub struct Exit {
            /// Distance to the face, mm.
            pub distance: F,
            /// Axis of the face: 0 x, 1 y, 2 z.
            pub axis: U,
        }

        /// All lanes 0.
        #[inline]
        $(#[$features])*
        pub fn zero_Exit() -> Exit {
            Exit {
                distance: f_splat(0.0),
                axis: u_splat(0),
            }
        }

        /// Lanes of `a` where the mask is set, else of `b`.
        #[inline]
        $(#[$features])*
        pub fn select_Exit(on: M, a: Exit, b: Exit) -> Exit {
            Exit {
                distance: f_select(on, a.distance, b.distance),
                axis: u_select(on, a.axis, b.axis),
            }
        }

        /// Energy and share of an emission.
        #[derive(Clone, Copy)]
        #[repr(C)]
        pub struct Emission {
            /// Row of the emission table.
            pub row: U,
            /// Energy, units of 2^-5 eV.
            pub energy: U,
            /// Weight, 2^-16: the row's share of the particles over its share of the samples.
            pub weight: U,
        }

        /// All lanes 0.
        #[inline]
        $(#[$features])*
        pub fn zero_Emission() -> Emission {
            Emission {
                row: u_splat(0),
                energy: u_splat(0),
                weight: u_splat(0),
            }
        }

        /// Lanes of `a` where the mask is set, else of `b`.
        #[inline]
        $(#[$features])*
        pub fn select_Emission(on: M, a: Emission, b: Emission) -> Emission {
            Emission {
                row: u_select(on, a.row, b.row),
                energy: u_select(on, a.energy, b.energy),
                weight: u_select(on, a.weight, b.weight),
            }
        }

        /// Births behind the two faces across an axis; lengths are shares of the voxel's edge.
        #[derive(Clone, Copy)]
        #[repr(C)]
        pub struct Skin {
            /// One over the depth at which the density of births would be 0.
            pub fade: F,
            /// Depth at which they end: that depth, or the middle of the voxel.
            pub depth: F,
            /// Integral of the falling line from 1 at the face down to there.
            pub mass: F,
            /// Tilt of the directions: 1, less where electrons cross the whole voxel anyway.
            pub tilt: F,
        }

        /// All lanes 0.
        #[inline]
        $(#[$features])*
        pub fn zero_Skin() -> Skin {
            Skin {
                fade: f_splat(0.0),
                depth: f_splat(0.0),
                mass: f_splat(0.0),
                tilt: f_splat(0.0),
            }
        }

        /// Lanes of `a` where the mask is set, else of `b`.
        #[inline]
        $(#[$features])*
        pub fn select_Skin(on: M, a: Skin, b: Skin) -> Skin {
            Skin {
                fade: f_select(on, a.fade, b.fade),
                depth: f_select(on, a.depth, b.depth),
                mass: f_select(on, a.mass, b.mass),
                tilt: f_select(on, a.tilt, b.tilt),
            }
        }

        /// Electrons that wait.
        #[derive(Clone, Copy)]
        #[repr(C)]
        pub struct Stack {
            /// How many wait.
            pub count: U,
            /// The waiting electrons.
            pub waiting: [Particle; STACK_SIZE as usize],
        }

        /// All lanes 0.
        #[inline]
        $(#[$features])*
        pub fn zero_Stack() -> Stack {
            Stack {
                count: u_splat(0),
                waiting: [zero_Particle(); STACK_SIZE as usize],
            }
        }

        /// What the flights of a step have in common.
        #[derive(Clone, Copy)]
        #[repr(C)]
        pub struct Stride {
            /// Share of the step in a millimetre at 1 g/cm3.
            pub per_g_mm: F,
            /// Energy lost over the whole step, keV.
            pub lost_kev: F,
            /// By which share its stopping power is below that of the middle at the start, and above it at the end.
            pub slope: F,
            /// Its transport mean free paths.
            pub turns: F,
        }

        /// All lanes 0.
        #[inline]
        $(#[$features])*
        pub fn zero_Stride() -> Stride {
            Stride {
                per_g_mm: f_splat(0.0),
                lost_kev: f_splat(0.0),
                slope: f_splat(0.0),
                turns: f_splat(0.0),
            }
        }

        /// Lanes of `a` where the mask is set, else of `b`.
        #[inline]
        $(#[$features])*
        pub fn select_Stride(on: M, a: Stride, b: Stride) -> Stride {
            Stride {
                per_g_mm: f_select(on, a.per_g_mm, b.per_g_mm),
                lost_kev: f_select(on, a.lost_kev, b.lost_kev),
                slope: f_select(on, a.slope, b.slope),
                turns: f_select(on, a.turns, b.turns),
            }
        }

        /// Outcome of a scattering.
        #[derive(Clone, Copy)]
        #[repr(C)]
        pub struct Scattered {
            /// Energy of the photon over its energy before.
            pub ratio: F,
            /// Cosine of the scattering angle.
            pub cos_theta: F,
        }

        /// All lanes 0.
        #[inline]
        $(#[$features])*
        pub fn zero_Scattered() -> Scattered {
            Scattered {
                ratio: f_splat(0.0),
                cos_theta: f_splat(0.0),
            }
        }

        /// Lanes of `a` where the mask is set, else of `b`.
        #[inline]
        $(#[$features])*
        pub fn select_Scattered(on: M, a: Scattered, b: Scattered) -> Scattered {
            Scattered {
                ratio: f_select(on, a.ratio, b.ratio),
                cos_theta: f_select(on, a.cos_theta, b.cos_theta),
            }
        }

        /// The smaller of two numbers.
        #[inline]
        $(#[$features])*
        pub fn fmin(a: F, b: F) -> F {
            f_min(a, b)
        }

        /// The larger of two numbers.
        #[inline]
        $(#[$features])*
        pub fn fmax(a: F, b: F) -> F {
            f_max(a, b)
        }

        /// Magnitude.
        #[inline]
        $(#[$features])*
        pub fn fabs(a: F) -> F {
            let mut on0 = m_splat(true);
            f_select(f_lt(a, f_splat(0.0f32)), f_neg(a), a)
        }

        /// 1/x for normal x > 0; within 2 units in the last place. Newton's iteration from a bit pattern.
        #[inline]
        $(#[$features])*
        pub fn recip(x: F) -> F {
            let mut on0 = m_splat(true);
            let mut r = f_from_bits(u_sub(u_splat(2129859015u32), f_bits(x)));
            r = f_mul(r, f_sub(f_splat(2.0f32), f_mul(x, r)));
            r = f_mul(r, f_sub(f_splat(2.0f32), f_mul(x, r)));
            r = f_mul(r, f_sub(f_splat(2.0f32), f_mul(x, r)));
            r
        }

        /// 1/sqrt(x) for normal x > 0; within 3 units in the last place. Newton's iteration from a bit pattern.
        #[inline]
        $(#[$features])*
        pub fn rsqrt(x: F) -> F {
            let mut on0 = m_splat(true);
            let h = f_mul(f_splat(0.5f32), x);
            let mut r = f_from_bits(u_sub(u_splat(1597463174u32), u_shr::<1>(f_bits(x))));
            r = f_mul(r, f_sub(f_splat(1.5f32), f_mul(f_mul(h, r), r)));
            r = f_mul(r, f_sub(f_splat(1.5f32), f_mul(f_mul(h, r), r)));
            r = f_mul(r, f_sub(f_splat(1.5f32), f_mul(f_mul(h, r), r)));
            r
        }

        /// Square root of x >= 0; 0 below 1e-30.
        #[inline]
        $(#[$features])*
        pub fn root(x: F) -> F {
            let mut on0 = m_splat(true);
            let mut ret = f_splat(0.0);
            'f: {
                let took1 = m_and(on0, f_lt(x, f_splat(1e-30f32)));
                let mut on1 = took1;
                {
                    ret = f_splat(0.0f32);
                }
                on0 = m_andnot(on0, took1);
                ret = f_select(on0, f_mul(x, rsqrt(x)), ret);
            }
            ret
        }

        /// Natural logarithm of normal x > 0 (Cephes logf polynomial, Moshier 1984), within 1 unit in the last place.
        #[inline]
        $(#[$features])*
        pub fn ln(x: F) -> F {
            let mut on0 = m_splat(true);
            let b = f_bits(x);
            let mut e = i_sub(i_of_u(u_shr::<23>(b)), i_splat(126i32));
            let mut m = f_from_bits(u_or(u_and(b, u_splat(8388607u32)), u_splat(1056964608u32)));
            let took1 = m_and(on0, f_lt(m, f_splat(0.70710677f32)));
            let mut on1 = took1;
            {
                e = i_select(on1, i_sub(e, i_splat(1i32)), e);
                m = f_select(on1, f_sub(f_add(m, m), f_splat(1.0f32)), m);
            }
            let mut on2 = m_andnot(on0, took1);
            {
                m = f_select(on2, f_sub(m, f_splat(1.0f32)), m);
            }
            let z = f_mul(m, m);
            let mut y = f_splat(0.070376836f32);
            y = f_sub(f_mul(y, m), f_splat(0.1151461f32));
            y = f_add(f_mul(y, m), f_splat(0.116769984f32));
            y = f_sub(f_mul(y, m), f_splat(0.12420141f32));
            y = f_add(f_mul(y, m), f_splat(0.14249323f32));
            y = f_sub(f_mul(y, m), f_splat(0.16668057f32));
            y = f_add(f_mul(y, m), f_splat(0.20000714f32));
            y = f_sub(f_mul(y, m), f_splat(0.24999994f32));
            y = f_add(f_mul(y, m), f_splat(0.3333333f32));
            y = f_mul(f_mul(y, m), z);
            let fe = f_of_i(e);
            y = f_sub(y, f_mul(fe, f_splat(0.00021219444f32)));
            y = f_sub(y, f_mul(f_splat(0.5f32), z));
            let r = f_add(m, y);
            f_add(r, f_mul(fe, f_splat(0.6933594f32)))
        }

        /// Exponential of -80 <= x <= 80 (Cephes expf polynomial, Moshier 1984); 0 below.
        #[inline]
        $(#[$features])*
        pub fn exp_of(x: F) -> F {
            let mut on0 = m_splat(true);
            let mut ret = f_splat(0.0);
            'f: {
                let took1 = m_and(on0, f_lt(x, f_splat((-80.0f32))));
                let mut on1 = took1;
                {
                    ret = f_splat(0.0f32);
                }
                on0 = m_andnot(on0, took1);
                let n = i_sub(i_of_u(u_of_f(f_add(f_mul(x, f_splat(1.442695f32)), f_splat(128.5f32)))), i_splat(128i32));
                let fnn = f_of_i(n);
                let r = f_add(f_sub(x, f_mul(fnn, f_splat(0.6933594f32))), f_mul(fnn, f_splat(0.00021219444f32)));
                let mut y = f_splat(0.00019875691f32);
                y = f_add(f_mul(y, r), f_splat(0.0013981999f32));
                y = f_add(f_mul(y, r), f_splat(0.008333452f32));
                y = f_add(f_mul(y, r), f_splat(0.041665796f32));
                y = f_add(f_mul(y, r), f_splat(0.16666666f32));
                y = f_add(f_mul(y, r), f_splat(0.5f32));
                y = f_add(f_mul(f_mul(y, r), r), r);
                y = f_add(y, f_splat(1.0f32));
                ret = f_select(on0, f_mul(y, f_from_bits(u_shl::<23>(u_of_i(i_add(n, i_splat(127i32)))))), ret);
            }
            ret
        }

        /// 1 - exp_of(-x) for x >= 0, without cancellation.
        #[inline]
        $(#[$features])*
        pub fn one_minus_exp(on0: M, x: F) -> F {
            let mut on0 = on0;
            let mut ret = f_splat(0.0);
            'f: {
                let took1 = m_and(on0, f_gt(x, f_splat(0.5f32)));
                let mut on1 = took1;
                if m_any(on1) {
                    ret = f_sub(f_splat(1.0f32), exp_of(f_neg(x)));
                }
                on0 = m_andnot(on0, took1);
                let mut y = f_sub(f_splat(1.0f32), f_mul(x, f_splat(0.14285715f32)));
                y = f_sub(f_splat(1.0f32), f_mul(f_mul(x, f_splat(0.16666667f32)), y));
                y = f_sub(f_splat(1.0f32), f_mul(f_mul(x, f_splat(0.2f32)), y));
                y = f_sub(f_splat(1.0f32), f_mul(f_mul(x, f_splat(0.25f32)), y));
                y = f_sub(f_splat(1.0f32), f_mul(f_mul(x, f_splat(0.33333334f32)), y));
                y = f_sub(f_splat(1.0f32), f_mul(f_mul(x, f_splat(0.5f32)), y));
                ret = f_select(on0, f_mul(x, y), ret);
            }
            ret
        }

        /// Sine and cosine of the angle `turn / 2^32` of a full turn (Cephes sinf and cosf polynomials, Moshier 1984).
        #[inline]
        $(#[$features])*
        pub fn sin_cos_turn(turn: U) -> SinCos {
            let mut on0 = m_splat(true);
            let q = u_shr::<30>(u_add(turn, u_splat(536870912u32)));
            let d = i_shr::<7>(i_of_u(u_sub(turn, u_shl::<30>(q))));
            let a = f_mul(f_of_i(d), f_splat(1.872535e-7f32));
            let z = f_mul(a, a);
            let mut s = f_splat((-0.00019515296f32));
            s = f_add(f_mul(s, z), f_splat(0.008332161f32));
            s = f_sub(f_mul(s, z), f_splat(0.16666655f32));
            s = f_add(f_mul(f_mul(s, z), a), a);
            let mut c = f_splat(2.4433157e-5f32);
            c = f_sub(f_mul(c, z), f_splat(0.0013887316f32));
            c = f_add(f_mul(c, z), f_splat(0.041666646f32));
            c = f_mul(f_mul(c, z), z);
            c = f_sub(c, f_mul(f_splat(0.5f32), z));
            c = f_add(c, f_splat(1.0f32));
            let odd = u_eq(u_and(q, u_splat(1u32)), u_splat(1u32));
            let sine = f_select(odd, c, s);
            let cosine = f_select(odd, f_neg(s), c);
            let half = u_eq(u_and(q, u_splat(2u32)), u_splat(2u32));
            SinCos { sin: f_select(half, f_neg(sine), sine), cos: f_select(half, f_neg(cosine), cosine) }
        }

        /// A whole number as a float, correctly rounded on every driver (a plain conversion is exact below 2^24 only).
        #[inline]
        $(#[$features])*
        pub fn real_from_u32(x: U) -> F {
            let mut on0 = m_splat(true);
            f_add(f_mul(f_of_u(u_shr::<12>(x)), f_splat(4096.0f32)), f_of_u(u_and(x, u_splat(4095u32))))
        }

        /// Energy units (2^-5 eV) of an energy in keV, rounded to nearest; negative energies count as none.
        #[inline]
        $(#[$features])*
        pub fn units_from_kev(energy_kev: F) -> U {
            let mut on0 = m_splat(true);
            u_of_f(fmax(f_add(f_mul(energy_kev, f_splat(32000.0f32)), f_splat(0.5f32)), f_splat(0.0f32)))
        }

        /// Energy in keV of a number of energy units (2^-5 eV).
        #[inline]
        $(#[$features])*
        pub fn kev_from_units(units: U) -> F {
            let mut on0 = m_splat(true);
            f_mul(real_from_u32(units), f_splat(3.125e-5f32))
        }

        /// The hash pcg4d of four words.
        #[inline]
        $(#[$features])*
        pub fn pcg4d(v: Rng) -> Rng {
            let mut on0 = m_splat(true);
            let mut a = u_add(u_mul(v.a, u_splat(1664525u32)), u_splat(1013904223u32));
            let mut b = u_add(u_mul(v.b, u_splat(1664525u32)), u_splat(1013904223u32));
            let mut c = u_add(u_mul(v.c, u_splat(1664525u32)), u_splat(1013904223u32));
            let mut d = u_add(u_mul(v.d, u_splat(1664525u32)), u_splat(1013904223u32));
            a = u_add(a, u_mul(b, d));
            b = u_add(b, u_mul(c, a));
            c = u_add(c, u_mul(a, b));
            d = u_add(d, u_mul(b, c));
            a = u_xor(a, u_shr::<16>(a));
            b = u_xor(b, u_shr::<16>(b));
            c = u_xor(c, u_shr::<16>(c));
            d = u_xor(d, u_shr::<16>(d));
            a = u_add(a, u_mul(b, d));
            b = u_add(b, u_mul(c, a));
            c = u_add(c, u_mul(a, b));
            d = u_add(d, u_mul(b, c));
            Rng { a: a, b: b, c: c, d: d }
        }

        /// Four well-mixed words from a key of four words.
        #[inline]
        $(#[$features])*
        pub fn hash_key(a: U, b: u32, c: u32, d: u32) -> Rng {
            let mut on0 = m_splat(true);
            let first = pcg4d(Rng { a: a, b: u_splat(b), c: u_splat(c), d: u_splat(d) });
            pcg4d(first)
        }

        /// The stream of one history of one batch under one seed.
        #[inline]
        $(#[$features])*
        pub fn rng_for(history: U, batch: u32, seed_low: u32, seed_high: u32) -> Rng {
            let mut on0 = m_splat(true);
            let mut s = hash_key(history, batch, seed_low, seed_high);
            let took1 = m_and(on0, u_eq(u_or(u_or(u_or(s.a, s.b), s.c), s.d), u_splat(0u32)));
            let mut on1 = took1;
            {
                s.a = u_select(on1, u_splat(2654435769u32), s.a);
            }
            s
        }

        /// The next word.
        #[inline]
        $(#[$features])*
        pub fn rng_next(on0: M, s: &mut Rng) -> U {
            let mut on0 = on0;
            let r = u_add(u_rotl::<7>(u_add(s.a, s.d)), s.a);
            let t = u_shl::<9>(s.b);
            s.c = u_select(on0, u_xor(s.c, s.a), s.c);
            s.d = u_select(on0, u_xor(s.d, s.b), s.d);
            s.b = u_select(on0, u_xor(s.b, s.c), s.b);
            s.a = u_select(on0, u_xor(s.a, s.d), s.a);
            s.c = u_select(on0, u_xor(s.c, t), s.c);
            s.d = u_select(on0, u_rotl::<11>(s.d), s.d);
            r
        }

        /// Uniform number in (0, 1): (k + 1/2) 2^-23 with k the word's upper 23 bits, exact in f32.
        #[inline]
        $(#[$features])*
        pub fn unit_from_word(word: U) -> F {
            let mut on0 = m_splat(true);
            f_add(f_mul(f_of_u(u_shr::<9>(word)), f_splat(1.1920929e-7f32)), f_splat(5.9604645e-8f32))
        }

        /// The next uniform number in (0, 1).
        #[inline]
        $(#[$features])*
        pub fn random(on0: M, s: &mut Rng) -> F {
            let mut on0 = on0;
            unit_from_word(rng_next(on0, s))
        }

        /// Place of an energy (1 to 4096 keV; outside, the nearest end).
        #[inline]
        $(#[$features])*
        pub fn energy_bin(energy_kev: F) -> Bin {
            let mut on0 = m_splat(true);
            let mut ret = zero_Bin();
            'f: {
                let bits = f_bits(energy_kev);
                let took1 = m_and(on0, u_lt(bits, u_splat(1065353216u32)));
                let mut on1 = took1;
                {
                    ret = Bin { node: u_splat(0u32), fraction: f_splat(0.0f32) };
                }
                on0 = m_andnot(on0, took1);
                let took2 = m_and(on0, u_gt(bits, u_splat(1166016511u32)));
                let mut on2 = took2;
                {
                    ret = select_Bin(on2, Bin { node: u_splat(767u32), fraction: f_splat(1.0f32) }, ret);
                }
                on0 = m_andnot(on0, took2);
                let rest = u_sub(bits, u_splat(1065353216u32));
                ret = select_Bin(on0, Bin { node: u_shr::<17>(rest), fraction: f_mul(f_of_u(u_and(rest, u_splat(131071u32))), f_splat(7.6293945e-6f32)) }, ret);
            }
            ret
        }

        /// Place of a momentum transfer x = sin(theta/2)/lambda in 1/Angstrom (2^-7 to 2^7; outside, the nearest end).
        #[inline]
        $(#[$features])*
        pub fn momentum_bin(x_per_angstrom: F) -> Bin {
            let mut on0 = m_splat(true);
            let mut ret = zero_Bin();
            'f: {
                let bits = f_bits(x_per_angstrom);
                let took1 = m_and(on0, u_lt(bits, u_splat(1006632960u32)));
                let mut on1 = took1;
                {
                    ret = Bin { node: u_splat(0u32), fraction: f_splat(0.0f32) };
                }
                on0 = m_andnot(on0, took1);
                let took2 = m_and(on0, u_gt(bits, u_splat(1124073471u32)));
                let mut on2 = took2;
                {
                    ret = select_Bin(on2, Bin { node: u_splat(223u32), fraction: f_splat(1.0f32) }, ret);
                }
                on0 = m_andnot(on0, took2);
                let rest = u_sub(bits, u_splat(1006632960u32));
                ret = select_Bin(on0, Bin { node: u_shr::<19>(rest), fraction: f_mul(f_of_u(u_and(rest, u_splat(524287u32))), f_splat(1.9073486e-6f32)) }, ret);
            }
            ret
        }

        /// A column of the photon table, interpolated. `row` is the tissue's first row.
        #[inline]
        $(#[$features])*
        pub fn photon_value(on0: M, cx: &Context<'_>, row: U, bin: Bin, column: u32) -> F {
            let mut on0 = on0;
            let i = u_add(u_mul(u_add(row, bin.node), u_splat(PHOTON_COLUMNS)), u_splat(column));
            let a = gather_f(on0, cx.photon_table, i);
            let b = gather_f(on0, cx.photon_table, u_add(i, u_splat(PHOTON_COLUMNS)));
            f_add(a, f_mul(f_sub(b, a), bin.fraction))
        }

        /// A column of the scattering table, interpolated. `row` is the tissue's first row.
        #[inline]
        $(#[$features])*
        pub fn scatter_value(on0: M, cx: &Context<'_>, row: U, bin: Bin, column: u32) -> F {
            let mut on0 = on0;
            let i = u_add(u_mul(u_add(row, bin.node), u_splat(SCATTER_COLUMNS)), u_splat(column));
            let a = gather_f(on0, cx.scatter_table, i);
            let b = gather_f(on0, cx.scatter_table, u_add(i, u_splat(SCATTER_COLUMNS)));
            f_add(a, f_mul(f_sub(b, a), bin.fraction))
        }

        /// A column of the electron table, interpolated. `row` is the tissue's first row.
        #[inline]
        $(#[$features])*
        pub fn electron_value(on0: M, cx: &Context<'_>, row: U, bin: Bin, column: u32) -> F {
            let mut on0 = on0;
            let i = u_add(u_mul(u_add(row, bin.node), u_splat(ELECTRON_COLUMNS)), u_splat(column));
            let a = gather_f(on0, cx.electron_table, i);
            let b = gather_f(on0, cx.electron_table, u_add(i, u_splat(ELECTRON_COLUMNS)));
            f_add(a, f_mul(f_sub(b, a), bin.fraction))
        }

        /// Position of the particle's voxel in the volumes.
        #[inline]
        $(#[$features])*
        pub fn voxel_index(cx: &Context<'_>, p: &Particle) -> U {
            let mut on0 = m_splat(true);
            u_add(p.ix, u_mul(u_splat(cx.params.nx), u_add(p.iy, u_mul(u_splat(cx.params.ny), p.iz))))
        }

        /// Density of a voxel's word, g/cm3.
        #[inline]
        $(#[$features])*
        pub fn voxel_density(word: U) -> F {
            let mut on0 = m_splat(true);
            f_from_bits(u_and(word, u_splat(4294967040u32)))
        }

        /// Tissue of a voxel's word.
        #[inline]
        $(#[$features])*
        pub fn voxel_tissue(word: U) -> U {
            let mut on0 = m_splat(true);
            u_and(word, u_splat(255u32))
        }

        /// Whether x lies between 0 (of either sign) and `top` (not negative), decided on the bits: drivers may take it that no
        /// number is NaN and decide a comparison of floats either way, but they cannot mistake its bits.
        #[inline]
        $(#[$features])*
        pub fn is_within(x: F, top: f32) -> M {
            let mut on0 = m_splat(true);
            let bits = f_bits(x);
            m_or(u_le(bits, u_splat(top.to_bits())), u_eq(bits, u_splat(2147483648u32)))
        }

        /// Whether a particle is where or as no particle can be: outside the grid or its voxel, or with a direction whose length
        /// is not 1 within 1 %.
        #[inline]
        $(#[$features])*
        pub fn is_lost(cx: &Context<'_>, p: &Particle) -> M {
            let mut on0 = m_splat(true);
            let length2 = f_add(f_add(f_mul(p.ux, p.ux), f_mul(p.uy, p.uy)), f_mul(p.uz, p.uz));
            let straight = is_within(f_sub(length2, f_splat(0.98f32)), 0.04f32);
            let here = m_and(m_and(is_within(p.x, cx.params.dx_mm), is_within(p.y, cx.params.dy_mm)), is_within(p.z, cx.params.dz_mm));
            let inside = m_and(m_and(u_lt(p.ix, u_splat(cx.params.nx)), u_lt(p.iy, u_splat(cx.params.ny))), u_lt(p.iz, u_splat(cx.params.nz)));
            m_not(m_and(m_and(straight, here), inside))
        }

        /// Distance to the nearest face of the voxel in any direction, mm.
        #[inline]
        $(#[$features])*
        pub fn face_distance(cx: &Context<'_>, p: &Particle) -> F {
            let mut on0 = m_splat(true);
            let x = fmin(p.x, f_sub(f_splat(cx.params.dx_mm), p.x));
            let y = fmin(p.y, f_sub(f_splat(cx.params.dy_mm), p.y));
            let z = fmin(p.z, f_sub(f_splat(cx.params.dz_mm), p.z));
            fmin(x, fmin(y, z))
        }

        /// 1/|u|, bounded for directions along a face.
        #[inline]
        $(#[$features])*
        pub fn inverse(u: F) -> F {
            let mut on0 = m_splat(true);
            recip(fmax(fabs(u), f_splat(1e-10f32)))
        }

        /// The face a particle reaches first, with the inverses of its direction's magnitudes at hand.
        #[inline]
        $(#[$features])*
        pub fn exit_along(cx: &Context<'_>, p: &Particle, vx: F, vy: F, vz: F) -> Exit {
            let mut on0 = m_splat(true);
            let tx = f_select(f_gt(p.ux, f_splat(0.0f32)), f_mul(f_sub(f_splat(cx.params.dx_mm), p.x), vx), f_mul(p.x, vx));
            let ty = f_select(f_gt(p.uy, f_splat(0.0f32)), f_mul(f_sub(f_splat(cx.params.dy_mm), p.y), vy), f_mul(p.y, vy));
            let tz = f_select(f_gt(p.uz, f_splat(0.0f32)), f_mul(f_sub(f_splat(cx.params.dz_mm), p.z), vz), f_mul(p.z, vz));
            let mut e = Exit { distance: tx, axis: u_splat(0u32) };
            let took1 = m_and(on0, f_lt(ty, e.distance));
            let mut on1 = took1;
            {
                e = select_Exit(on1, Exit { distance: ty, axis: u_splat(1u32) }, e);
            }
            let took2 = m_and(on0, f_lt(tz, e.distance));
            let mut on2 = took2;
            {
                e = select_Exit(on2, Exit { distance: tz, axis: u_splat(2u32) }, e);
            }
            e
        }

        /// Moves the particle straight on inside its voxel. Rounding may carry a coordinate past a face by a few units
        /// in the last place; it is brought back to the face.
        #[inline]
        $(#[$features])*
        pub fn advance(on0: M, cx: &Context<'_>, p: &mut Particle, distance_mm: F) {
            let mut on0 = on0;
            p.x = f_select(on0, fmin(fmax(f_add(p.x, f_mul(p.ux, distance_mm)), f_splat(0.0f32)), f_splat(cx.params.dx_mm)), p.x);
            p.y = f_select(on0, fmin(fmax(f_add(p.y, f_mul(p.uy, distance_mm)), f_splat(0.0f32)), f_splat(cx.params.dy_mm)), p.y);
            p.z = f_select(on0, fmin(fmax(f_add(p.z, f_mul(p.uz, distance_mm)), f_splat(0.0f32)), f_splat(cx.params.dz_mm)), p.z);
        }

        /// Steps through a face into the next voxel; false when that leaves the grid.
        #[inline]
        $(#[$features])*
        pub fn cross(on0: M, cx: &Context<'_>, p: &mut Particle, axis: U) -> M {
            let mut on0 = on0;
            let mut ret = m_splat(false);
            'f: {
                let took1 = m_and(on0, u_eq(axis, u_splat(0u32)));
                let mut on1 = took1;
                {
                    let took2 = m_and(on1, f_gt(p.ux, f_splat(0.0f32)));
                    let mut on2 = took2;
                    {
                        p.x = f_select(on2, f_splat(0.0f32), p.x);
                        p.ix = u_select(on2, u_add(p.ix, u_splat(1u32)), p.ix);
                        ret = u_lt(p.ix, u_splat(cx.params.nx));
                    }
                    on1 = m_andnot(on1, took2);
                    p.x = f_select(on1, f_splat(cx.params.dx_mm), p.x);
                    let took3 = m_and(on1, u_eq(p.ix, u_splat(0u32)));
                    let mut on3 = took3;
                    {
                        ret = m_select(on3, m_splat(false), ret);
                    }
                    on1 = m_andnot(on1, took3);
                    p.ix = u_select(on1, u_sub(p.ix, u_splat(1u32)), p.ix);
                    ret = m_select(on1, m_splat(true), ret);
                }
                on0 = m_andnot(on0, took1);
                let took4 = m_and(on0, u_eq(axis, u_splat(1u32)));
                let mut on4 = took4;
                {
                    let took5 = m_and(on4, f_gt(p.uy, f_splat(0.0f32)));
                    let mut on5 = took5;
                    {
                        p.y = f_select(on5, f_splat(0.0f32), p.y);
                        p.iy = u_select(on5, u_add(p.iy, u_splat(1u32)), p.iy);
                        ret = m_select(on5, u_lt(p.iy, u_splat(cx.params.ny)), ret);
                    }
                    on4 = m_andnot(on4, took5);
                    p.y = f_select(on4, f_splat(cx.params.dy_mm), p.y);
                    let took6 = m_and(on4, u_eq(p.iy, u_splat(0u32)));
                    let mut on6 = took6;
                    {
                        ret = m_select(on6, m_splat(false), ret);
                    }
                    on4 = m_andnot(on4, took6);
                    p.iy = u_select(on4, u_sub(p.iy, u_splat(1u32)), p.iy);
                    ret = m_select(on4, m_splat(true), ret);
                }
                on0 = m_andnot(on0, took4);
                let took7 = m_and(on0, f_gt(p.uz, f_splat(0.0f32)));
                let mut on7 = took7;
                {
                    p.z = f_select(on7, f_splat(0.0f32), p.z);
                    p.iz = u_select(on7, u_add(p.iz, u_splat(1u32)), p.iz);
                    ret = m_select(on7, u_lt(p.iz, u_splat(cx.params.nz)), ret);
                }
                on0 = m_andnot(on0, took7);
                p.z = f_select(on0, f_splat(cx.params.dz_mm), p.z);
                let took8 = m_and(on0, u_eq(p.iz, u_splat(0u32)));
                let mut on8 = took8;
                {
                    ret = m_select(on8, m_splat(false), ret);
                }
                on0 = m_andnot(on0, took8);
                p.iz = u_select(on0, u_sub(p.iz, u_splat(1u32)), p.iz);
                ret = m_select(on0, m_splat(true), ret);
            }
            ret
        }

        /// Turns the particle's direction by the polar angle (cosine, sine) at the azimuth given, and renormalises to
        /// first order, which keeps the length within 1e-6 over any number of turns.
        #[inline]
        $(#[$features])*
        pub fn turn(on0: M, p: &mut Particle, cos_theta: F, sin_theta: F, azimuth: SinCos) {
            let mut on0 = on0;
            let sx = f_mul(sin_theta, azimuth.cos);
            let sy = f_mul(sin_theta, azimuth.sin);
            let perp2 = f_sub(f_splat(1.0f32), f_mul(p.uz, p.uz));
            let mut nx = sx;
            let mut ny = sy;
            let mut nz = f_select(f_gt(p.uz, f_splat(0.0f32)), cos_theta, f_neg(cos_theta));
            let took1 = m_and(on0, f_gt(perp2, f_splat(0.0001f32)));
            let mut on1 = took1;
            if m_any(on1) {
                let perp = root(perp2);
                let inv = recip(perp);
                let a = f_mul(sx, inv);
                let b = f_mul(sy, inv);
                let az = f_mul(a, p.uz);
                nx = f_select(on1, f_add(f_mul(p.ux, cos_theta), f_sub(f_mul(az, p.ux), f_mul(b, p.uy))), nx);
                ny = f_select(on1, f_add(f_mul(p.uy, cos_theta), f_add(f_mul(az, p.uy), f_mul(b, p.ux))), ny);
                nz = f_select(on1, f_sub(f_mul(p.uz, cos_theta), f_mul(sx, perp)), nz);
            }
            let k = f_sub(f_splat(1.5f32), f_mul(f_splat(0.5f32), f_add(f_add(f_mul(nx, nx), f_mul(ny, ny)), f_mul(nz, nz))));
            p.ux = f_select(on0, f_mul(nx, k), p.ux);
            p.uy = f_select(on0, f_mul(ny, k), p.uy);
            p.uz = f_select(on0, f_mul(nz, k), p.uz);
        }

        /// Row of the source table that holds history `h`: the last whose first history is not above `h`.
        #[inline]
        $(#[$features])*
        pub fn source_row(on0: M, cx: &Context<'_>, h: U) -> U {
            source_rows(on0, cx, h)
        }

        /// Row of the emission table that holds the place `word` (2^-32) of the cumulative distribution.
        #[inline]
        $(#[$features])*
        pub fn emission_row(on0: M, cx: &Context<'_>, word: U) -> U {
            let mut on0 = on0;
            let mut low = u_splat(0u32);
            let mut high = u_splat((cx.params.emissions - 1u32));
            let mut on1 = on0;
            'l1: loop {
                on1 = m_and(on1, u_lt(low, high));
                if !m_any(on1) { break; }
                let middle = u_shr::<1>(u_add(low, high));
                let took2 = m_and(on1, u_lt(gather_u(on1, cx.emission_table, u_mul(u_splat(4u32), middle)), word));
                let mut on2 = took2;
                {
                    low = u_select(on2, u_add(middle, u_splat(1u32)), low);
                }
                let mut on3 = m_andnot(on1, took2);
                {
                    high = u_select(on3, middle, high);
                }
            }
            low
        }

        /// Energy in units of 2^-5 eV at the place `word` inside the row it falls in.
        #[inline]
        $(#[$features])*
        pub fn emission_energy(on0: M, cx: &Context<'_>, row: U, word: U) -> U {
            let mut on0 = on0;
            let mut ret = u_splat(0);
            'f: {
                let width = gather_u(on0, cx.emission_table, u_add(u_mul(u_splat(4u32), row), u_splat(2u32)));
                let lowest = gather_u(on0, cx.emission_table, u_add(u_mul(u_splat(4u32), row), u_splat(1u32)));
                let took1 = m_and(on0, u_eq(width, u_splat(0u32)));
                let mut on1 = took1;
                {
                    ret = lowest;
                }
                on0 = m_andnot(on0, took1);
                if !m_any(on0) { break 'f; }
                let mut below = u_splat(0u32);
                let took2 = m_and(on0, u_gt(row, u_splat(0u32)));
                let mut on2 = took2;
                if m_any(on2) {
                    below = u_select(on2, u_add(gather_u(on2, cx.emission_table, u_mul(u_splat(4u32), u_sub(row, u_splat(1u32)))), u_splat(1u32)), below);
                }
                let top = gather_u(on0, cx.emission_table, u_mul(u_splat(4u32), row));
                let span = f_add(real_from_u32(u_sub(top, below)), f_splat(1.0f32));
                let part = f_mul(f_add(real_from_u32(u_sub(word, below)), f_splat(0.5f32)), recip(span));
                ret = u_select(on0, u_add(lowest, u_of_f(f_mul(part, real_from_u32(width)))), ret);
            }
            ret
        }

        /// Product of two weights in 2^-16, rounded to nearest.
        #[inline]
        $(#[$features])*
        pub fn weight_product(a: U, b: U) -> U {
            let mut on0 = m_splat(true);
            let low = u_shr::<16>(u_add(u_mul(u_and(a, u_splat(65535u32)), u_and(b, u_splat(65535u32))), u_splat(32768u32)));
            let middle = u_add(u_mul(u_shr::<16>(a), u_and(b, u_splat(65535u32))), u_mul(u_and(a, u_splat(65535u32)), u_shr::<16>(b)));
            u_add(u_add(u_shl::<16>(u_mul(u_shr::<16>(a), u_shr::<16>(b))), middle), low)
        }

        /// What history `h` emits.
        #[inline]
        $(#[$features])*
        pub fn emission_of(on0: M, cx: &Context<'_>, h: U) -> Emission {
            let mut on0 = on0;
            let word = u_add(u_splat(cx.params.shift_energy), u_mul(h, u_splat(STEP_ENERGY)));
            let row = emission_row(on0, cx, word);
            let energy = emission_energy(on0, cx, row, word);
            Emission { row: row, energy: energy, weight: gather_u(on0, cx.emission_table, u_add(u_mul(u_splat(4u32), row), u_splat(3u32))) }
        }

        /// The particle of history `h`, which emits `emission`.
        #[inline]
        $(#[$features])*
        pub fn birth(on0: M, cx: &Context<'_>, h: U, emission: Emission) -> Particle {
            let mut on0 = on0;
            let row = u_mul(u_splat(3u32), source_row(on0, cx, h));
            let voxel = gather_u(on0, cx.source_table, u_add(row, u_splat(1u32)));
            let weight = weight_product(gather_u(on0, cx.source_table, u_add(row, u_splat(2u32))), emission.weight);
            let mut fx = f_splat(0.5f32);
            let mut fy = f_splat(0.5f32);
            let mut fz = f_splat(0.5f32);
            if (cx.params.point_source == 0u32) {
                fx = unit_from_word(u_add(u_splat(cx.params.shift_x), u_mul(h, u_splat(STEP_X))));
                fy = unit_from_word(u_add(u_splat(cx.params.shift_y), u_mul(h, u_splat(STEP_Y))));
                fz = unit_from_word(u_add(u_splat(cx.params.shift_z), u_mul(h, u_splat(STEP_Z))));
            }
            let cos_theta = f_sub(f_mul(f_splat(2.0f32), unit_from_word(u_add(u_splat(cx.params.shift_polar), u_mul(h, u_splat(STEP_POLAR))))), f_splat(1.0f32));
            let sin_theta = root(f_sub(f_splat(1.0f32), f_mul(cos_theta, cos_theta)));
            let azimuth = sin_cos_turn(u_add(u_splat(cx.params.shift_azimuth), u_mul(h, u_splat(STEP_AZIMUTH))));
            let plane = (cx.params.nx * cx.params.ny);
            let iz = u_div(voxel, u_splat(plane));
            let in_plane = u_sub(voxel, u_mul(iz, u_splat(plane)));
            let iy = u_div(in_plane, u_splat(cx.params.nx));
            let ix = u_sub(in_plane, u_mul(iy, u_splat(cx.params.nx)));
            Particle { ix: ix, iy: iy, iz: iz, alive: u_splat(1u32), x: f_mul(fx, f_splat(cx.params.dx_mm)), y: f_mul(fy, f_splat(cx.params.dy_mm)), z: f_mul(fz, f_splat(cx.params.dz_mm)), energy: emission.energy, ux: f_mul(sin_theta, azimuth.cos), uy: f_mul(sin_theta, azimuth.sin), uz: cos_theta, weight: weight, flight: f_splat(0.0f32), steps: u_splat(0u32), home: u_splat(NO_HOME) }
        }

        /// The skin of electrons of range `reach_mm` behind faces `edge_mm` apart.
        #[inline]
        $(#[$features])*
        pub fn skin_of(reach_mm: F, edge_mm: f32) -> Skin {
            let mut on0 = m_splat(true);
            let fade = f_mul(recip(fmax(f_mul(f_splat(REACH), reach_mm), f_splat(1e-6f32))), f_splat(edge_mm));
            let depth = fmin(recip(fade), f_splat(0.5f32));
            let tilt = fmin(f_mul(depth, fade), f_splat(1.0f32));
            Skin { fade: fade, depth: depth, mass: f_mul(depth, f_sub(f_splat(1.0f32), f_mul(f_splat(0.5f32), tilt))), tilt: tilt }
        }

        /// Depth of a birth behind its face for the number `part` in (0, 1).
        #[inline]
        $(#[$features])*
        pub fn skin_depth(skin: Skin, part: F) -> F {
            let mut on0 = m_splat(true);
            let reached = f_mul(f_splat(2.0f32), f_mul(part, skin.mass));
            fmin(f_mul(reached, recip(f_add(f_splat(1.0f32), root(fmax(f_sub(f_splat(1.0f32), f_mul(reached, skin.fade)), f_splat(0.0f32)))))), skin.depth)
        }

        /// Cosine of a birth's direction to the outward normal of its face for the number `part` in (0, 1).
        #[inline]
        $(#[$features])*
        pub fn skin_cosine(skin: Skin, part: F) -> F {
            let mut on0 = m_splat(true);
            let c = f_sub(f_sub(f_splat(1.0f32), f_mul(f_splat(0.5f32), skin.tilt)), f_mul(f_splat(2.0f32), part));
            fmin(fmax(f_mul(f_mul(f_splat((-2.0f32)), c), recip(f_add(f_splat(1.0f32), root(fmax(f_sub(f_splat(1.0f32), f_mul(f_mul(f_splat(2.0f32), skin.tilt), c)), f_splat(0.0f32)))))), f_splat((-1.0f32))), f_splat(1.0f32))
        }

        /// Density of births behind the two faces across an axis, relative to that of decays: at `place` with the direction's
        /// component `along` the axis.
        #[inline]
        $(#[$features])*
        pub fn skin_density(skin: Skin, place: F, along: F) -> F {
            let mut on0 = m_splat(true);
            let beyond = f_gt(place, f_splat(0.5f32));
            let inwards = f_select(beyond, f_sub(f_splat(1.0f32), place), place);
            let out = f_select(beyond, along, f_neg(along));
            let fall = fmax(f_sub(f_splat(1.0f32), f_mul(inwards, skin.fade)), f_splat(0.0f32));
            f_mul(f_mul(f_splat(0.5f32), recip(skin.mass)), f_mul(fall, f_add(f_splat(1.0f32), f_mul(skin.tilt, out))))
        }

        /// Moves the newly born electron of history `h`, of range `reach_mm`, into the skin of its voxel, or leaves it anywhere in
        /// it, and gives it the weight that makes up for it.
        #[inline]
        $(#[$features])*
        pub fn skin_birth(on0: M, cx: &Context<'_>, h: U, p: &mut Particle, reach_mm: F) {
            let mut on0 = on0;
            let dx_mm = cx.params.dx_mm;
            let dy_mm = cx.params.dy_mm;
            let dz_mm = cx.params.dz_mm;
            let skin_x = skin_of(reach_mm, dx_mm);
            let skin_y = skin_of(reach_mm, dy_mm);
            let skin_z = skin_of(reach_mm, dz_mm);
            let word = u_add(u_splat(cx.params.shift_x), u_mul(h, u_splat(STEP_X)));
            let choice = unit_from_word(word);
            let one = unit_from_word(u_add(u_splat(cx.params.shift_y), u_mul(h, u_splat(STEP_Y))));
            let other = unit_from_word(u_add(u_splat(cx.params.shift_z), u_mul(h, u_splat(STEP_Z))));
            let mut fx = fmin(f_mul(choice, recip(f_splat(WHOLE))), f_splat(1.0f32));
            let mut fy = one;
            let mut fz = other;
            let took1 = m_and(on0, f_gt(choice, f_splat(WHOLE)));
            let mut on1 = took1;
            if m_any(on1) {
                let six = f_mul(f_sub(choice, f_splat(WHOLE)), f_mul(f_splat(6.0f32), recip(f_splat((1.0f32 - WHOLE)))));
                let face = u_of_f(fmin(six, f_splat(5.0f32)));
                let axis = u_shr::<1>(face);
                let beyond = u_eq(u_and(face, u_splat(1u32)), u_splat(1u32));
                let mut skin = skin_x;
                let took2 = m_and(on1, u_eq(axis, u_splat(1u32)));
                let mut on2 = took2;
                {
                    skin = select_Skin(on2, skin_y, skin);
                }
                let took3 = m_and(on1, u_eq(axis, u_splat(2u32)));
                let mut on3 = took3;
                {
                    skin = select_Skin(on3, skin_z, skin);
                }
                let inwards = skin_depth(skin, fmin(f_sub(six, real_from_u32(face)), f_splat(1.0f32)));
                let place = f_select(beyond, f_sub(f_splat(1.0f32), inwards), inwards);
                let out = skin_cosine(skin, unit_from_word(u_add(u_splat(cx.params.shift_polar), u_mul(h, u_splat(STEP_POLAR)))));
                let along = f_select(beyond, out, f_neg(out));
                let across = root(fmax(f_sub(f_splat(1.0f32), f_mul(along, along)), f_splat(0.0f32)));
                let azimuth = sin_cos_turn(u_add(u_splat(cx.params.shift_azimuth), u_mul(h, u_splat(STEP_AZIMUTH))));
                let a = f_mul(across, azimuth.cos);
                let b = f_mul(across, azimuth.sin);
                fx = f_select(on1, one, fx);
                fy = f_select(on1, other, fy);
                fz = f_select(on1, place, fz);
                p.ux = f_select(on1, a, p.ux);
                p.uy = f_select(on1, b, p.uy);
                p.uz = f_select(on1, along, p.uz);
                let took4 = m_and(on1, u_eq(axis, u_splat(0u32)));
                let mut on4 = took4;
                {
                    fx = f_select(on4, place, fx);
                    fy = f_select(on4, one, fy);
                    fz = f_select(on4, other, fz);
                    p.ux = f_select(on4, along, p.ux);
                    p.uy = f_select(on4, a, p.uy);
                    p.uz = f_select(on4, b, p.uz);
                }
                let took5 = m_and(on1, u_eq(axis, u_splat(1u32)));
                let mut on5 = took5;
                {
                    fx = f_select(on5, other, fx);
                    fy = f_select(on5, place, fy);
                    fz = f_select(on5, one, fz);
                    p.ux = f_select(on5, b, p.ux);
                    p.uy = f_select(on5, along, p.uy);
                    p.uz = f_select(on5, a, p.uz);
                }
            }
            p.x = f_select(on0, f_mul(fx, f_splat(dx_mm)), p.x);
            p.y = f_select(on0, f_mul(fy, f_splat(dy_mm)), p.y);
            p.z = f_select(on0, f_mul(fz, f_splat(dz_mm)), p.z);
            let skin = f_add(f_add(skin_density(skin_x, fx, p.ux), skin_density(skin_y, fy, p.uy)), skin_density(skin_z, fz, p.uz));
            let density = f_add(f_splat(WHOLE), f_mul(f_splat((1.0f32 - WHOLE)), f_mul(skin, f_splat(0.33333334f32))));
            let dither = f_mul(f_add(real_from_u32(u_and(word, u_splat(511u32))), f_splat(0.5f32)), f_splat(0.001953125f32));
            p.weight = u_select(on0, u_of_f(f_add(f_mul(real_from_u32(p.weight), recip(density)), dither)), p.weight);
        }

        /// (1 - cos)/2 of the soft deflection over a path with `k1` and `k2` first and second transport mean free paths,
        /// from one uniform number: uniform on [0, b] with probability a, else uniform on [b, 1].
        #[inline]
        $(#[$features])*
        pub fn soft_mu(on0: M, k1: F, k2: F, u: F) -> F {
            let mut on0 = on0;
            let mut ret = f_splat(0.0);
            'f: {
                let mean = f_mul(f_splat(0.5f32), one_minus_exp(on0, k1));
                let b = f_mul(f_sub(f_mul(f_splat(0.5f32), one_minus_exp(on0, k2)), mean), recip(f_sub(f_splat(1.0f32), f_mul(f_splat(2.0f32), mean))));
                let a = f_add(f_sub(f_splat(1.0f32), f_mul(f_splat(2.0f32), mean)), b);
                let took1 = m_and(on0, f_lt(u, a));
                let mut on1 = took1;
                {
                    ret = f_mul(f_mul(u, b), recip(a));
                }
                on0 = m_andnot(on0, took1);
                ret = f_select(on0, f_add(b, f_mul(f_mul(f_sub(u, a), f_sub(f_splat(1.0f32), b)), recip(f_sub(f_splat(1.0f32), a)))), ret);
            }
            ret
        }

        /// (1 - cos)/2 of a hard elastic collision: the Wentzel law 1/(mu + A)^2 on [cut, 1], inverted.
        #[inline]
        $(#[$features])*
        pub fn hard_mu(screening: F, mu_cut: F, u: F) -> F {
            let mut on0 = m_splat(true);
            let low = f_add(mu_cut, screening);
            let high = f_add(f_splat(1.0f32), screening);
            let v = f_mul(f_mul(low, high), recip(f_sub(high, f_mul(u, f_sub(f_splat(1.0f32), mu_cut)))));
            fmin(f_sub(v, screening), f_splat(1.0f32))
        }

        /// Cosine of the angle composed of a polar angle and a further turn of given mu at a random azimuth.
        #[inline]
        $(#[$features])*
        pub fn compose(cos_a: F, mu_b: F, cos_azimuth: F) -> F {
            let mut on0 = m_splat(true);
            let sin_a = root(f_sub(f_splat(1.0f32), f_mul(cos_a, cos_a)));
            let sin_b = f_mul(f_splat(2.0f32), root(f_mul(mu_b, f_sub(f_splat(1.0f32), mu_b))));
            f_add(f_mul(cos_a, f_sub(f_splat(1.0f32), f_mul(f_splat(2.0f32), mu_b))), f_mul(f_mul(sin_a, sin_b), cos_azimuth))
        }

        /// Deflects the particle as the whole step `areal` (g/cm2) does, with the cross sections at `bin`.
        #[inline]
        $(#[$features])*
        pub fn scatter(on0: M, cx: &Context<'_>, rng: &mut Rng, p: &mut Particle, row: U, bin: Bin, areal: F, out: &mut Out) {
            let mut on0 = on0;
            let k1 = f_mul(areal, electron_value(on0, cx, row, bin, COLUMN_SOFT_1));
            let k2 = f_mul(areal, electron_value(on0, cx, row, bin, COLUMN_SOFT_2));
            let mu = soft_mu(on0, k1, k2, random(on0, rng));
            let mut cos_theta = f_sub(f_splat(1.0f32), f_mul(f_splat(2.0f32), mu));
            let mut sin_theta = f_mul(f_splat(2.0f32), root(f_mul(mu, f_sub(f_splat(1.0f32), mu))));
            let hard = f_mul(areal, electron_value(on0, cx, row, bin, COLUMN_HARD));
            let floor = exp_of(f_neg(hard));
            let mut product = random(on0, rng);
            let mut count = u_splat(0u32);
            let mut on1 = on0;
            'l1: loop {
                on1 = m_and(on1, f_gt(product, floor));
                if !m_any(on1) { break; }
                let screening = electron_value(on1, cx, row, bin, COLUMN_SCREENING);
                let mu_cut = electron_value(on1, cx, row, bin, COLUMN_MU_CUT);
                let mu_hard = hard_mu(screening, mu_cut, random(on1, rng));
                let azimuth = sin_cos_turn(rng_next(on1, rng));
                cos_theta = f_select(on1, compose(cos_theta, mu_hard, azimuth.cos), cos_theta);
                sin_theta = f_select(on1, root(f_sub(f_splat(1.0f32), f_mul(cos_theta, cos_theta))), sin_theta);
                product = f_select(on1, f_mul(product, random(on1, rng)), product);
                count = u_select(on1, u_add(count, u_splat(1u32)), count);
                let took2 = m_and(on1, u_gt(count, u_splat(200u32)));
                let mut on2 = took2;
                if m_any(on2) {
                    out.flag(on2, FLAG_REJECTION);
                    product = f_select(on2, f_splat(0.0f32), product);
                }
            }
            let around = sin_cos_turn(rng_next(on0, rng));
            turn(on0, p, cos_theta, sin_theta, around);
        }

        /// Sum of four independent uniform numbers made from two words, scaled to mean 0 and variance 1; bounded by
        /// 2 sqrt 3.
        #[inline]
        $(#[$features])*
        pub fn bell(word_a: U, word_b: U) -> F {
            let mut on0 = m_splat(true);
            let sum = u_add(u_add(u_add(u_and(word_a, u_splat(65535u32)), u_shr::<16>(word_a)), u_and(word_b, u_splat(65535u32))), u_shr::<16>(word_b));
            f_mul(f_sub(f_mul(f_add(f_of_u(sum), f_splat(2.0f32)), f_splat(1.5258789e-5f32)), f_splat(2.0f32)), f_splat(1.7320508f32))
        }

        /// Energy loss in keV with the mean (keV) and variance (keV2) given, never negative.
        #[inline]
        $(#[$features])*
        pub fn soft_loss(on0: M, rng: &mut Rng, mean: F, variance: F) -> F {
            let mut on0 = on0;
            let mut ret = f_splat(0.0);
            'f: {
                let square = f_mul(mean, mean);
                let took1 = m_and(on0, f_gt(square, f_mul(f_splat(12.0f32), variance)));
                let mut on1 = took1;
                if m_any(on1) {
                    let a = rng_next(on1, rng);
                    let b = rng_next(on1, rng);
                    ret = f_add(mean, f_mul(root(variance), bell(a, b)));
                }
                on0 = m_andnot(on0, took1);
                if !m_any(on0) { break 'f; }
                let u = random(on0, rng);
                let took2 = m_and(on0, f_gt(square, f_mul(f_splat(3.0f32), variance)));
                let mut on2 = took2;
                if m_any(on2) {
                    ret = f_select(on2, f_add(mean, f_mul(root(f_mul(f_splat(3.0f32), variance)), f_sub(f_mul(f_splat(2.0f32), u), f_splat(1.0f32)))), ret);
                }
                on0 = m_andnot(on0, took2);
                let both = f_add(variance, square);
                let q = f_mul(f_mul(f_splat(1.3333334f32), square), recip(both));
                let took3 = m_and(on0, f_gt(u, q));
                let mut on3 = took3;
                {
                    ret = f_select(on3, f_splat(0.0f32), ret);
                }
                on0 = m_andnot(on0, took3);
                let top = f_mul(f_mul(f_splat(1.5f32), both), recip(mean));
                ret = f_select(on0, f_mul(f_mul(u, top), recip(q)), ret);
            }
            ret
        }

        /// Moller's law over 1/e^2 at the share e of the energy transferred: 1 + (e/(1-e))^2 + a e^2 - b e/(1-e).
        #[inline]
        $(#[$features])*
        pub fn moller_shape(share: F, a: F, b: F) -> F {
            let mut on0 = m_splat(true);
            let ratio = f_mul(share, recip(f_sub(f_splat(1.0f32), share)));
            f_sub(f_add(f_add(f_splat(1.0f32), f_mul(ratio, ratio)), f_mul(f_mul(a, share), share)), f_mul(b, ratio))
        }

        /// Energy of the knock-on electron, keV, between the threshold and half the energy.
        #[inline]
        $(#[$features])*
        pub fn knock_on_energy(on0: M, cx: &Context<'_>, rng: &mut Rng, energy_kev: F, out: &mut Out) -> F {
            let mut on0 = on0;
            let mut live = on0;
            let mut ret = f_splat(0.0);
            'f: {
                let gamma_inv = f_mul(f_splat(ELECTRON_REST), recip(f_add(energy_kev, f_splat(ELECTRON_REST))));
                let a = f_mul(f_sub(f_splat(1.0f32), gamma_inv), f_sub(f_splat(1.0f32), gamma_inv));
                let b = f_mul(f_sub(f_splat(2.0f32), gamma_inv), gamma_inv);
                let lowest = f_mul(f_splat(cx.params.knock_on_kev), recip(energy_kev));
                let bound = fmax(f_splat(1.0f32), moller_shape(f_splat(0.5f32), a, b));
                let mut share = lowest;
                let mut on1 = on0;
                'l1: for _ in 0u32..200u32 {
                    if !m_any(on1) { break; }
                    share = f_select(on1, f_mul(lowest, recip(f_sub(f_splat(1.0f32), f_mul(random(on1, rng), f_sub(f_splat(1.0f32), f_mul(f_splat(2.0f32), lowest)))))), share);
                    let took2 = m_and(on1, f_le(f_mul(random(on1, rng), bound), moller_shape(share, a, b)));
                    let mut on2 = took2;
                    {
                        ret = f_select(on2, f_mul(fmin(share, f_splat(0.5f32)), energy_kev), ret);
                        live = m_andnot(live, on2);
                    }
                    on1 = m_andnot(on1, took2);
                }
                on0 = m_and(on0, live);
                out.flag(on0, FLAG_REJECTION);
                ret = f_select(on0, f_mul(fmin(share, f_splat(0.5f32)), energy_kev), ret);
                live = m_andnot(live, on0);
            }
            ret
        }

        /// Cosine of the angle of an electron that keeps `kept_kev` of `energy_kev` in a collision with one at rest.
        #[inline]
        $(#[$features])*
        pub fn collision_cos(energy_kev: F, kept_kev: F) -> F {
            let mut on0 = m_splat(true);
            let num = f_mul(kept_kev, f_add(energy_kev, f_splat((2.0f32 * ELECTRON_REST))));
            let den = f_mul(energy_kev, f_add(kept_kev, f_splat((2.0f32 * ELECTRON_REST))));
            fmin(root(f_mul(num, recip(den))), f_splat(1.0f32))
        }

        /// Lets an electron wait; there must be room.
        #[inline]
        $(#[$features])*
        pub fn push_waiting(on0: M, stack: &mut Stack, p: &Particle) {
            let mut on0 = on0;
            put_Particle(on0, &mut stack.waiting, stack.count, *p);
            stack.count = u_select(on0, u_add(stack.count, u_splat(1u32)), stack.count);
        }

        /// Takes the last that waits; there must be one.
        #[inline]
        $(#[$features])*
        pub fn pop_waiting(on0: M, stack: &mut Stack) -> Particle {
            let mut on0 = on0;
            stack.count = u_select(on0, u_sub(stack.count, u_splat(1u32)), stack.count);
            get_Particle(on0, &stack.waiting, stack.count)
        }

        /// Tally bin for energy left between the particle's place and `distance_mm` further on: its voxel, or the shell
        /// around the centre of the first voxel of a random point of the way.
        #[inline]
        $(#[$features])*
        pub fn tally_bin(on0: M, cx: &Context<'_>, rng: &mut Rng, p: &Particle, distance_mm: F) -> U {
            let mut on0 = on0;
            let mut ret = u_splat(0);
            'f: {
                if (cx.params.radial_bins == 0u32) {
                    ret = voxel_index(cx, p);
                    on0 = m_splat(false);
                }
                if !m_any(on0) { break 'f; }
                let s = f_mul(distance_mm, random(on0, rng));
                let x = f_sub(f_add(p.x, f_mul(p.ux, s)), f_splat((0.5f32 * cx.params.dx_mm)));
                let y = f_sub(f_add(p.y, f_mul(p.uy, s)), f_splat((0.5f32 * cx.params.dy_mm)));
                let z = f_sub(f_add(p.z, f_mul(p.uz, s)), f_splat((0.5f32 * cx.params.dz_mm)));
                let r = root(f_add(f_add(f_mul(x, x), f_mul(y, y)), f_mul(z, z)));
                let shell = u_of_f(fmin(f_mul(r, f_splat(cx.params.radial_per_mm)), f_splat(1000000000.0f32)));
                ret = u_select(on0, u_select(u_lt(shell, u_splat(cx.params.radial_bins)), shell, u_splat((cx.params.radial_bins - 1u32))), ret);
            }
            ret
        }

        /// The particle is done: the last that waits comes next.
        #[inline]
        $(#[$features])*
        pub fn finish(on0: M, p: &mut Particle, stack: &mut Stack) {
            let mut on0 = on0;
            p.alive = u_select(on0, u_splat(0u32), p.alive);
            let took1 = m_and(on0, u_gt(stack.count, u_splat(0u32)));
            let mut on1 = took1;
            if m_any(on1) {
                *p = select_Particle(on1, pop_waiting(on1, stack), *p);
            }
        }

        /// Leaves `units` of energy at the particle's place.
        #[inline]
        $(#[$features])*
        pub fn leave_here(on0: M, cx: &Context<'_>, rng: &mut Rng, p: &Particle, units: U, out: &mut Out) {
            let mut on0 = on0;
            let bin = tally_bin(on0, cx, rng, p, f_splat(0.0f32));
            out.deposit(on0, bin, p.home, units, p.weight);
        }

        /// The electron of history `h`. What it will radiate until rest is taken off its weight at once (the yield of its
        /// energy in the tissue of its birth; nothing in vacuum): the photon pass emits it. Where the density allows, its voxel
        /// becomes its home and it is born in the skin.
        #[inline]
        $(#[$features])*
        pub fn electron_birth(on0: M, cx: &Context<'_>, h: U, out: &mut Out) -> Particle {
            let mut on0 = on0;
            let mut p = birth(on0, cx, h, emission_of(on0, cx, h));
            let index = voxel_index(cx, &p);
            let word = gather_u(on0, cx.voxels, index);
            let density = voxel_density(word);
            let row = u_mul(voxel_tissue(word), u_splat(ENERGY_NODES));
            let bin = energy_bin(kev_from_units(p.energy));
            let took1 = m_and(on0, f_ge(density, f_splat(cx.params.home_density_g_cm3)));
            let mut on1 = took1;
            if m_any(on1) {
                p.home = u_select(on1, index, p.home);
                let range = electron_value(on1, cx, row, bin, COLUMN_RANGE);
                skin_birth(on1, cx, h, &mut p, f_mul(f_mul(range, f_splat(10.0f32)), recip(density)));
            }
            out.emitted(on0, p.energy, p.weight);
            let mut share = electron_value(on0, cx, row, bin, COLUMN_YIELD);
            let took2 = m_and(on0, f_le(density, f_splat(0.0f32)));
            let mut on2 = took2;
            {
                share = f_select(on2, f_splat(0.0f32), share);
            }
            let radiated = u_of_f(f_add(f_mul(share, real_from_u32(p.weight)), f_splat(0.5f32)));
            out.radiated(on0, p.energy, radiated);
            p.weight = u_sub(p.weight, radiated);
            p
        }

        /// By which share a piece of a step is shorter along its flight than its path: the winding within the step. `begin` is the share
        /// of the step before the piece, `part` the piece's own; `turns` the step's transport mean free paths.
        #[inline]
        $(#[$features])*
        pub fn winding(turns: F, begin: F, part: F) -> F {
            let mut on0 = m_splat(true);
            let middle = f_add(begin, f_mul(f_splat(0.5f32), part));
            f_mul(f_mul(f_mul(turns, turns), f_splat(0.5f32)), f_sub(f_mul(middle, f_sub(f_splat(1.0f32), middle)), f_mul(f_mul(part, part), f_splat(0.083333336f32))))
        }

        /// Flies straight from one share of a step to another. Returns how the flight ended.
        #[inline]
        $(#[$features])*
        pub fn fly(on0: M, cx: &Context<'_>, rng: &mut Rng, p: &mut Particle, begin: F, end: F, stride: Stride, out: &mut Out) -> U {
            let mut on0 = on0;
            let mut live = on0;
            let mut ret = u_splat(0);
            'f: {
                let mut made = begin;
                let word = gather_u(on0, cx.voxels, voxel_index(cx, p));
                let tissue = voxel_tissue(word);
                let mut density = voxel_density(word);
                let mut on1 = on0;
                'l1: loop {
                    if !m_any(on1) { break; }
                    let energy_kev = kev_from_units(p.energy);
                    let mut part = f_sub(end, made);
                    let mut way = f_mul(f_mul(part, f_sub(f_splat(1.0f32), winding(stride.turns, made, part))), recip(f_mul(density, stride.per_g_mm)));
                    let mut axis = u_splat(0u32);
                    let x = f_add(p.x, f_mul(p.ux, way));
                    let y = f_add(p.y, f_mul(p.uy, way));
                    let z = f_add(p.z, f_mul(p.uz, way));
                    let inside = m_and(m_and(m_and(m_and(m_and(f_ge(x, f_splat(0.0f32)), f_le(x, f_splat(cx.params.dx_mm))), f_ge(y, f_splat(0.0f32))), f_le(y, f_splat(cx.params.dy_mm))), f_ge(z, f_splat(0.0f32))), f_le(z, f_splat(cx.params.dz_mm)));
                    let took2 = m_and(on1, m_not(inside));
                    let mut on2 = took2;
                    if m_any(on2) {
                        let exit = exit_along(cx, p, inverse(p.ux), inverse(p.uy), inverse(p.uz));
                        axis = u_select(on2, exit.axis, axis);
                        way = f_select(on2, fmin(exit.distance, way), way);
                        part = f_select(on2, f_mul(way, f_mul(density, stride.per_g_mm)), part);
                        part = f_select(on2, f_mul(part, f_add(f_splat(1.0f32), winding(stride.turns, made, part))), part);
                    }
                    let slope = f_mul(stride.slope, f_sub(f_add(f_mul(f_splat(2.0f32), made), part), f_splat(1.0f32)));
                    let mut after = units_from_kev(f_sub(energy_kev, f_mul(f_mul(stride.lost_kev, part), f_add(f_splat(1.0f32), slope))));
                    let took3 = m_and(on1, u_gt(after, p.energy));
                    let mut on3 = took3;
                    {
                        after = u_select(on3, p.energy, after);
                    }
                    let bin = tally_bin(on1, cx, rng, p, way);
                    out.deposit(on1, bin, p.home, u_sub(p.energy, after), p.weight);
                    p.energy = u_select(on1, after, p.energy);
                    let took4 = m_and(on1, inside);
                    let mut on4 = took4;
                    {
                        p.x = f_select(on4, x, p.x);
                        p.y = f_select(on4, y, p.y);
                        p.z = f_select(on4, z, p.z);
                        ret = u_select(on4, u_splat(FLIGHT_DONE), ret);
                        live = m_andnot(live, on4);
                    }
                    on1 = m_andnot(on1, took4);
                    if !m_any(on1) { break 'l1; }
                    made = f_select(on1, fmin(f_add(made, part), end), made);
                    advance(on1, cx, p, way);
                    let took5 = m_and(on1, m_not(cross(on1, cx, p, axis)));
                    let mut on5 = took5;
                    {
                        ret = u_select(on5, u_splat(FLIGHT_OUT), ret);
                        live = m_andnot(live, on5);
                    }
                    on1 = m_andnot(on1, took5);
                    if !m_any(on1) { break 'l1; }
                    let next = gather_u(on1, cx.voxels, voxel_index(cx, p));
                    density = f_select(on1, voxel_density(next), density);
                    let took6 = m_and(on1, m_or(u_ne(voxel_tissue(next), tissue), f_le(density, f_splat(0.0f32))));
                    let mut on6 = took6;
                    if m_any(on6) {
                        let lacks = f_lt(random(on6, rng), f_mul(made, f_mul(f_splat(0.5f32), stride.turns)));
                        let took7 = m_and(on6, m_and(lacks, f_lt(end, f_splat(1.0f32))));
                        let mut on7 = took7;
                        {
                            ret = u_select(on7, u_splat(FLIGHT_TURNS), ret);
                            live = m_andnot(live, on7);
                        }
                        on6 = m_andnot(on6, took7);
                        ret = u_select(on6, u_splat(FLIGHT_TISSUE), ret);
                        live = m_andnot(live, on6);
                    }
                    on1 = m_andnot(on1, took6);
                }
            }
            ret
        }

        /// Straight through vacuum into the next voxel. Returns how the flight ended.
        #[inline]
        $(#[$features])*
        pub fn fly_vacuum(on0: M, cx: &Context<'_>, p: &mut Particle) -> U {
            let mut on0 = on0;
            let exit = exit_along(cx, p, inverse(p.ux), inverse(p.uy), inverse(p.uz));
            advance(on0, cx, p, exit.distance);
            u_select(cross(on0, cx, p, exit.axis), u_splat(FLIGHT_TISSUE), u_splat(FLIGHT_OUT))
        }

        /// Whether an electron of this energy cannot leave its voxel, or not go far.
        #[inline]
        $(#[$features])*
        pub fn is_stuck(on0: M, cx: &Context<'_>, p: &Particle, row: U, bin: Bin, density: F) -> M {
            let mut on0 = on0;
            let range = electron_value(on0, cx, row, bin, COLUMN_RANGE);
            let free = (if (cx.params.radial_bins == 0u32) { face_distance(cx, p) } else { f_splat(0.0f32) });
            f_le(f_mul(range, f_splat(10.0f32)), fmax(f_mul(density, free), f_splat(cx.params.cut_mm_g_cm3)))
        }

        /// A knock-on collision at the particle's place: the fainter electron goes first, the other waits.
        #[inline]
        $(#[$features])*
        pub fn knock_on(on0: M, cx: &Context<'_>, rng: &mut Rng, p: &mut Particle, stack: &mut Stack, row: U, density: F, out: &mut Out) {
            let mut on0 = on0;
            'f: {
                let energy_kev = kev_from_units(p.energy);
                let took1 = m_and(on0, f_le(energy_kev, f_splat((2.0f32 * cx.params.knock_on_kev))));
                let mut on1 = took1;
                {
                }
                on0 = m_andnot(on0, took1);
                if !m_any(on0) { break 'f; }
                let lost_kev = knock_on_energy(on0, cx, rng, energy_kev, out);
                let mut lost = units_from_kev(lost_kev);
                let took2 = m_and(on0, u_gt(lost, p.energy));
                let mut on2 = took2;
                {
                    lost = u_select(on2, p.energy, lost);
                }
                let around = sin_cos_turn(rng_next(on0, rng));
                let mut second = *p;
                second.energy = lost;
                second.steps = u_splat(0u32);
                p.energy = u_select(on0, u_sub(p.energy, lost), p.energy);
                let cos_first = collision_cos(energy_kev, f_sub(energy_kev, lost_kev));
                turn(on0, p, cos_first, root(f_sub(f_splat(1.0f32), f_mul(cos_first, cos_first))), around);
                let mut stays = is_stuck(on0, cx, p, row, energy_bin(lost_kev), density);
                let took3 = m_and(on0, m_and(m_not(stays), u_ge(stack.count, u_splat(STACK_SIZE))));
                let mut on3 = took3;
                if m_any(on3) {
                    out.flag(on3, FLAG_STACK_FULL);
                    stays = m_select(on3, m_splat(true), stays);
                }
                let took4 = m_and(on0, stays);
                let mut on4 = took4;
                if m_any(on4) {
                    leave_here(on4, cx, rng, p, lost, out);
                }
                on0 = m_andnot(on0, took4);
                if !m_any(on0) { break 'f; }
                push_waiting(on0, stack, p);
                let cos_second = collision_cos(energy_kev, lost_kev);
                let opposite = SinCos { sin: f_neg(around.sin), cos: f_neg(around.cos) };
                turn(on0, &mut second, cos_second, root(f_sub(f_splat(1.0f32), f_mul(cos_second, cos_second))), opposite);
                *p = select_Particle(on0, second, *p);
            }
        }

        /// A condensed step in matter of the density given, in the tissue whose first row is `row`. Returns how its flight ended.
        #[inline]
        $(#[$features])*
        pub fn step_in_matter(on0: M, cx: &Context<'_>, rng: &mut Rng, p: &mut Particle, stack: &mut Stack, row: U, out: &mut Out) -> U {
            let mut on0 = on0;
            let energy_kev = kev_from_units(p.energy);
            let bin = energy_bin(energy_kev);
            let mut step = electron_value(on0, cx, row, bin, COLUMN_STEP);
            let most = electron_value(on0, cx, row, bin, COLUMN_KNOCK_ON_MOST);
            let u = random(on0, rng);
            let knocks = f_lt(u, one_minus_exp(on0, f_mul(most, step)));
            let took1 = m_and(on0, knocks);
            let mut on1 = took1;
            if m_any(on1) {
                step = f_select(on1, fmin(step, f_mul(f_neg(ln(f_sub(f_splat(1.0f32), u))), recip(most))), step);
            }
            let first_loss = f_mul(electron_value(on0, cx, row, bin, COLUMN_STOPPING), step);
            let middle = energy_bin(fmax(f_sub(energy_kev, f_mul(f_splat(0.5f32), first_loss)), f_splat(1.0f32)));
            let mean_loss = f_mul(electron_value(on0, cx, row, middle, COLUMN_STOPPING), step);
            let variance = f_mul(electron_value(on0, cx, row, middle, COLUMN_VARIANCE), step);
            let lost = fmin(soft_loss(on0, rng, mean_loss, variance), energy_kev);
            let k = f_mul(step, electron_value(on0, cx, row, middle, COLUMN_TRANSPORT));
            let slope = f_mul(f_sub(mean_loss, first_loss), recip(mean_loss));
            let stride = Stride { per_g_mm: f_mul(f_splat(0.1f32), recip(step)), lost_kev: lost, slope: slope, turns: k };
            let v = random(on0, rng);
            let growth = f_mul(step, electron_value(on0, cx, row, bin, COLUMN_GROWTH));
            let hinge = f_add(v, f_mul(f_mul(f_splat(0.5f32), growth), f_mul(v, f_sub(f_splat(1.0f32), v))));
            let mut ended = u_splat(FLIGHT_DONE);
            let mut on2 = on0;
            'l2: for half in 0u32..2u32 {
                if !m_any(on2) { break; }
                let took3 = m_and(on2, m_or(u_eq(ended, u_splat(FLIGHT_DONE)), u_eq(ended, u_splat(FLIGHT_TURNS))));
                let mut on3 = took3;
                if m_any(on3) {
                    if (half == 1u32) {
                        scatter(on3, cx, rng, p, row, middle, f_mul(f_splat(0.1f32), recip(stride.per_g_mm)), out);
                    }
                    let took4 = m_and(on3, u_eq(ended, u_splat(FLIGHT_DONE)));
                    let mut on4 = took4;
                    if m_any(on4) {
                        let begin = (if (half == 1u32) { hinge } else { f_splat(0.0f32) });
                        let end = (if (half == 1u32) { f_splat(1.0f32) } else { hinge });
                        ended = u_select(on4, fly(on4, cx, rng, p, begin, end, stride, out), ended);
                    }
                }
            }
            let took5 = m_and(on0, m_and(knocks, u_eq(ended, u_splat(FLIGHT_DONE))));
            let mut on5 = took5;
            if m_any(on5) {
                let rate = electron_value(on5, cx, row, energy_bin(kev_from_units(p.energy)), COLUMN_KNOCK_ON);
                let took6 = m_and(on5, f_lt(f_mul(random(on5, rng), most), rate));
                let mut on6 = took6;
                if m_any(on6) {
                    let here = voxel_density(gather_u(on6, cx.voxels, voxel_index(cx, p)));
                    knock_on(on6, cx, rng, p, stack, row, here, out);
                }
            }
            ended
        }

        /// Whether an electron in matter ends here: its energy is below the cut, or it is stuck.
        #[inline]
        $(#[$features])*
        pub fn ends_here(on0: M, cx: &Context<'_>, p: &Particle, row: U, density: F) -> M {
            let mut on0 = on0;
            let mut ret = m_splat(false);
            'f: {
                let energy_kev = kev_from_units(p.energy);
                let took1 = m_and(on0, f_lt(energy_kev, f_splat(cx.params.electron_cut_kev)));
                let mut on1 = took1;
                {
                    ret = m_splat(true);
                }
                on0 = m_andnot(on0, took1);
                if !m_any(on0) { break 'f; }
                ret = m_select(on0, is_stuck(on0, cx, p, row, energy_bin(energy_kev), density), ret);
            }
            ret
        }

        /// One condensed step through matter, a flight through vacuum, or neither. Returns how it ended.
        #[inline]
        $(#[$features])*
        pub fn step_on(on0: M, cx: &Context<'_>, rng: &mut Rng, p: &mut Particle, stack: &mut Stack, out: &mut Out) -> U {
            let mut on0 = on0;
            let mut ret = u_splat(0);
            'f: {
                let took1 = m_and(on0, is_lost(cx, p));
                let mut on1 = took1;
                if m_any(on1) {
                    out.flag(on1, FLAG_LOST);
                    ret = u_splat(FLIGHT_OUT);
                }
                on0 = m_andnot(on0, took1);
                if !m_any(on0) { break 'f; }
                let took2 = m_and(on0, u_gt(p.steps, u_splat(ELECTRON_STEP_LIMIT)));
                let mut on2 = took2;
                if m_any(on2) {
                    out.flag(on2, FLAG_STEP_LIMIT);
                    ret = u_select(on2, u_splat(FLIGHT_RESTS), ret);
                }
                on0 = m_andnot(on0, took2);
                if !m_any(on0) { break 'f; }
                let word = gather_u(on0, cx.voxels, voxel_index(cx, p));
                let density = voxel_density(word);
                let took3 = m_and(on0, f_le(density, f_splat(0.0f32)));
                let mut on3 = took3;
                if m_any(on3) {
                    ret = u_select(on3, fly_vacuum(on3, cx, p), ret);
                }
                on0 = m_andnot(on0, took3);
                if !m_any(on0) { break 'f; }
                let row = u_mul(voxel_tissue(word), u_splat(ENERGY_NODES));
                let took4 = m_and(on0, ends_here(on0, cx, p, row, density));
                let mut on4 = took4;
                {
                    ret = u_select(on4, u_splat(FLIGHT_RESTS), ret);
                }
                on0 = m_andnot(on0, took4);
                if !m_any(on0) { break 'f; }
                ret = u_select(on0, step_in_matter(on0, cx, rng, p, stack, row, out), ret);
            }
            ret
        }

        /// One condensed step of the electron, or its end.
        #[inline]
        $(#[$features])*
        pub fn electron_step(on0: M, cx: &Context<'_>, rng: &mut Rng, p: &mut Particle, stack: &mut Stack, out: &mut Out) {
            let mut on0 = on0;
            p.steps = u_select(on0, u_add(p.steps, u_splat(1u32)), p.steps);
            let ended = step_on(on0, cx, rng, p, stack, out);
            let took1 = m_and(on0, u_eq(ended, u_splat(FLIGHT_RESTS)));
            let mut on1 = took1;
            if m_any(on1) {
                leave_here(on1, cx, rng, p, p.energy, out);
            }
            let took2 = m_and(on0, u_eq(ended, u_splat(FLIGHT_OUT)));
            let mut on2 = took2;
            if m_any(on2) {
                out.escaped(on2, p.home, p.energy, p.weight);
            }
            let took3 = m_and(on0, u_ge(ended, u_splat(FLIGHT_OUT)));
            let mut on3 = took3;
            if m_any(on3) {
                finish(on3, p, stack);
            }
        }

        /// Samples incoherent scattering at `energy_kev`; `row` is the tissue's first row of the scattering table.
        #[inline]
        $(#[$features])*
        pub fn compton(on0: M, cx: &Context<'_>, rng: &mut Rng, row: U, energy_kev: F, out: &mut Out) -> Scattered {
            let mut on0 = on0;
            let mut live = on0;
            let mut ret = zero_Scattered();
            'f: {
                let k = f_mul(energy_kev, recip(f_splat(ELECTRON_REST)));
                let k_inv = recip(k);
                let lowest = recip(f_add(f_splat(1.0f32), f_mul(f_splat(2.0f32), k)));
                let alpha1 = f_neg(ln(lowest));
                let alpha2 = f_mul(f_splat(0.5f32), f_sub(f_splat(1.0f32), f_mul(lowest, lowest)));
                let first = f_mul(alpha1, recip(f_add(alpha1, alpha2)));
                let mut result = Scattered { ratio: f_splat(1.0f32), cos_theta: f_splat(1.0f32) };
                let mut on1 = on0;
                'l1: for _ in 0u32..1000u32 {
                    if !m_any(on1) { break; }
                    let choose = random(on1, rng);
                    let u = random(on1, rng);
                    let mut ratio = root(f_add(f_mul(lowest, lowest), f_mul(f_sub(f_splat(1.0f32), f_mul(lowest, lowest)), u)));
                    let took2 = m_and(on1, f_lt(choose, first));
                    let mut on2 = took2;
                    if m_any(on2) {
                        ratio = f_select(on2, f_mul(lowest, exp_of(f_mul(alpha1, u))), ratio);
                    }
                    ratio = fmin(fmax(ratio, lowest), f_splat(1.0f32));
                    let one_minus_cos = fmin(f_mul(f_sub(recip(ratio), f_splat(1.0f32)), k_inv), f_splat(2.0f32));
                    let t = fmax(one_minus_cos, f_splat(0.0f32));
                    let sin2 = f_mul(t, f_sub(f_splat(2.0f32), t));
                    let weight = f_sub(f_splat(1.0f32), f_mul(f_mul(ratio, sin2), recip(f_add(f_splat(1.0f32), f_mul(ratio, ratio)))));
                    let x = f_mul(f_mul(energy_kev, f_splat(PER_KEV_ANGSTROM)), root(f_mul(f_splat(0.5f32), t)));
                    let bound = scatter_value(on1, cx, row, momentum_bin(x), COLUMN_SCATTERING_FUNCTION);
                    result = select_Scattered(on1, Scattered { ratio: ratio, cos_theta: f_sub(f_splat(1.0f32), t) }, result);
                    let took3 = m_and(on1, f_lt(random(on1, rng), f_mul(weight, bound)));
                    let mut on3 = took3;
                    {
                        ret = select_Scattered(on3, result, ret);
                        live = m_andnot(live, on3);
                    }
                    on1 = m_andnot(on1, took3);
                }
                on0 = m_and(on0, live);
                out.flag(on0, FLAG_REJECTION);
                ret = select_Scattered(on0, result, ret);
                live = m_andnot(live, on0);
            }
            ret
        }

        /// Integral of the squared form factor up to a node of the momentum-transfer grid.
        #[inline]
        $(#[$features])*
        pub fn form_factor_integral(on0: M, cx: &Context<'_>, row: U, node: U) -> F {
            let mut on0 = on0;
            gather_f(on0, cx.scatter_table, u_add(u_mul(u_add(row, node), u_splat(SCATTER_COLUMNS)), u_splat(COLUMN_FORM_FACTOR)))
        }

        /// Momentum transfer of a node, 1/Angstrom.
        #[inline]
        $(#[$features])*
        pub fn momentum_of_node(node: U) -> F {
            let mut on0 = m_splat(true);
            f_from_bits(u_add(u_splat(MOMENTUM_FIRST_BITS), u_shl::<19>(node)))
        }

        /// Cosine of the angle of coherent scattering at `energy_kev`; `row` is the tissue's first row of the table.
        #[inline]
        $(#[$features])*
        pub fn rayleigh(on0: M, cx: &Context<'_>, rng: &mut Rng, row: U, energy_kev: F, out: &mut Out) -> F {
            let mut on0 = on0;
            let mut live = on0;
            let mut ret = f_splat(0.0);
            'f: {
                let x_max = f_mul(energy_kev, f_splat(PER_KEV_ANGSTROM));
                let top = scatter_value(on0, cx, row, momentum_bin(x_max), COLUMN_FORM_FACTOR);
                let inv = recip(f_mul(x_max, x_max));
                let mut cos_theta = f_splat(1.0f32);
                let mut on1 = on0;
                'l1: for _ in 0u32..1000u32 {
                    if !m_any(on1) { break; }
                    let c = f_mul(random(on1, rng), top);
                    let mut low = u_splat(0u32);
                    let mut high = u_splat((MOMENTUM_NODES - 1u32));
                    let mut on2 = on1;
                    'l2: loop {
                        on2 = m_and(on2, u_gt(u_sub(high, low), u_splat(1u32)));
                        if !m_any(on2) { break; }
                        let middle = u_shr::<1>(u_add(low, high));
                        let took3 = m_and(on2, f_gt(form_factor_integral(on2, cx, row, middle), c));
                        let mut on3 = took3;
                        {
                            high = u_select(on3, middle, high);
                        }
                        let mut on4 = m_andnot(on2, took3);
                        {
                            low = u_select(on4, middle, low);
                        }
                    }
                    let first = form_factor_integral(on1, cx, row, u_splat(0u32));
                    let a = form_factor_integral(on1, cx, row, low);
                    let b = form_factor_integral(on1, cx, row, high);
                    let xa = momentum_of_node(low);
                    let xb = momentum_of_node(high);
                    let mut x2 = f_mul(f_mul(xa, xa), f_mul(c, recip(first)));
                    let took5 = m_and(on1, f_ge(c, first));
                    let mut on5 = took5;
                    if m_any(on5) {
                        x2 = f_select(on5, f_add(f_mul(xa, xa), f_mul(f_sub(f_mul(xb, xb), f_mul(xa, xa)), f_mul(f_sub(c, a), recip(f_sub(b, a))))), x2);
                    }
                    cos_theta = f_select(on1, f_sub(f_splat(1.0f32), f_mul(f_splat(2.0f32), fmin(f_mul(x2, inv), f_splat(1.0f32)))), cos_theta);
                    let took6 = m_and(on1, f_lt(f_mul(random(on1, rng), f_splat(2.0f32)), f_add(f_splat(1.0f32), f_mul(cos_theta, cos_theta))));
                    let mut on6 = took6;
                    {
                        ret = f_select(on6, cos_theta, ret);
                        live = m_andnot(live, on6);
                    }
                    on1 = m_andnot(on1, took6);
                }
                on0 = m_and(on0, live);
                out.flag(on0, FLAG_REJECTION);
                ret = f_select(on0, cos_theta, ret);
                live = m_andnot(live, on0);
            }
            ret
        }

        /// The photon of history `h`. Bremsstrahlung is as strong as the tissue of its birth makes it: its weight follows, and is
        /// 0 in vacuum.
        #[inline]
        $(#[$features])*
        pub fn photon_birth(on0: M, cx: &Context<'_>, h: U, out: &mut Out) -> Particle {
            let mut on0 = on0;
            let emission = emission_of(on0, cx, h);
            let mut p = birth(on0, cx, h, emission);
            let took1 = m_and(on0, u_ge(emission.row, u_splat(cx.params.bremsstrahlung_row)));
            let mut on1 = took1;
            if m_any(on1) {
                let word = gather_u(on1, cx.voxels, voxel_index(cx, &p));
                let row = u_mul(voxel_tissue(word), u_splat(ENERGY_NODES));
                let mut strength = photon_value(on1, cx, row, energy_bin(kev_from_units(p.energy)), COLUMN_BREMSSTRAHLUNG);
                let took2 = m_and(on1, f_le(voxel_density(word), f_splat(0.0f32)));
                let mut on2 = took2;
                {
                    strength = f_select(on2, f_splat(0.0f32), strength);
                }
                p.weight = u_select(on1, u_of_f(f_add(f_mul(strength, real_from_u32(p.weight)), f_splat(0.5f32))), p.weight);
            }
            out.emitted(on0, p.energy, p.weight);
            p
        }

        /// Energy left by a collision: to the ledger, and to the tally when it is analogue.
        #[inline]
        $(#[$features])*
        pub fn leave(on0: M, cx: &Context<'_>, rng: &mut Rng, p: &Particle, units: U, out: &mut Out) {
            let mut on0 = on0;
            if (cx.params.analogue == 1u32) {
                let bin = tally_bin(on0, cx, rng, p, f_splat(0.0f32));
                out.deposit(on0, bin, p.home, units, p.weight);
            } else {
                out.absorbed(on0, units, p.weight);
            }
        }

        /// The photon collides where it is.
        #[inline]
        $(#[$features])*
        pub fn collide(on0: M, cx: &Context<'_>, rng: &mut Rng, p: &mut Particle, tissue: U, out: &mut Out) {
            let mut on0 = on0;
            'f: {
                let energy_kev = kev_from_units(p.energy);
                let row = u_mul(tissue, u_splat(ENERGY_NODES));
                let bin = energy_bin(energy_kev);
                let total = photon_value(on0, cx, row, bin, COLUMN_TOTAL);
                let elastic = photon_value(on0, cx, row, bin, COLUMN_COHERENT);
                let inelastic = photon_value(on0, cx, row, bin, COLUMN_INCOHERENT);
                let pick = f_mul(random(on0, rng), total);
                let scatter_row = u_mul(tissue, u_splat(MOMENTUM_NODES));
                let took1 = m_and(on0, f_lt(pick, elastic));
                let mut on1 = took1;
                if m_any(on1) {
                    let cos_theta = rayleigh(on1, cx, rng, scatter_row, energy_kev, out);
                    let sin_theta = root(fmax(f_sub(f_splat(1.0f32), f_mul(cos_theta, cos_theta)), f_splat(0.0f32)));
                    turn(on1, p, cos_theta, sin_theta, sin_cos_turn(rng_next(on1, rng)));
                }
                on0 = m_andnot(on0, took1);
                if !m_any(on0) { break 'f; }
                let took2 = m_and(on0, f_lt(pick, f_add(elastic, inelastic)));
                let mut on2 = took2;
                if m_any(on2) {
                    let s = compton(on2, cx, rng, scatter_row, energy_kev, out);
                    let mut after = u_of_f(f_mul(s.ratio, real_from_u32(p.energy)));
                    let took3 = m_and(on2, u_gt(after, p.energy));
                    let mut on3 = took3;
                    {
                        after = u_select(on3, p.energy, after);
                    }
                    leave(on2, cx, rng, p, u_sub(p.energy, after), out);
                    p.energy = u_select(on2, after, p.energy);
                    let sin_theta = root(fmax(f_sub(f_splat(1.0f32), f_mul(s.cos_theta, s.cos_theta)), f_splat(0.0f32)));
                    turn(on2, p, s.cos_theta, sin_theta, sin_cos_turn(rng_next(on2, rng)));
                }
                on0 = m_andnot(on0, took2);
                if !m_any(on0) { break 'f; }
                leave(on0, cx, rng, p, p.energy, out);
                p.energy = u_select(on0, u_splat(0u32), p.energy);
                p.alive = u_select(on0, u_splat(0u32), p.alive);
            }
        }

        /// Flies on to the next collision, through some voxels at most, or out.
        #[inline]
        $(#[$features])*
        pub fn photon_step(on0: M, cx: &Context<'_>, rng: &mut Rng, p: &mut Particle, out: &mut Out) {
            let mut on0 = on0;
            let mut live = on0;
            'f: {
                p.steps = u_select(on0, u_add(p.steps, u_splat(1u32)), p.steps);
                let took1 = m_and(on0, is_lost(cx, p));
                let mut on1 = took1;
                if m_any(on1) {
                    out.flag(on1, FLAG_LOST);
                    out.escaped(on1, p.home, p.energy, p.weight);
                    p.alive = u_select(on1, u_splat(0u32), p.alive);
                    live = m_andnot(live, on1);
                }
                on0 = m_andnot(on0, took1);
                if !m_any(on0) { break 'f; }
                let energy_kev = kev_from_units(p.energy);
                let took2 = m_and(on0, m_or(f_lt(energy_kev, f_splat(cx.params.photon_cut_kev)), u_gt(p.steps, u_splat(PHOTON_STEP_LIMIT))));
                let mut on2 = took2;
                if m_any(on2) {
                    let took3 = m_and(on2, u_gt(p.steps, u_splat(PHOTON_STEP_LIMIT)));
                    let mut on3 = took3;
                    if m_any(on3) {
                        out.flag(on3, FLAG_STEP_LIMIT);
                    }
                    let here = tally_bin(on2, cx, rng, p, f_splat(0.0f32));
                    out.deposit(on2, here, p.home, p.energy, p.weight);
                    p.alive = u_select(on2, u_splat(0u32), p.alive);
                    live = m_andnot(live, on2);
                }
                on0 = m_andnot(on0, took2);
                if !m_any(on0) { break 'f; }
                let took4 = m_and(on0, f_le(p.flight, f_splat(0.0f32)));
                let mut on4 = took4;
                if m_any(on4) {
                    p.flight = f_select(on4, f_neg(ln(random(on4, rng))), p.flight);
                }
                let bin = energy_bin(energy_kev);
                let vx = inverse(p.ux);
                let vy = inverse(p.uy);
                let vz = inverse(p.uz);
                let mut on5 = on0;
                let mut exit7 = m_splat(false);
                let mut tissue_7 = u_splat(0);
                let mut exit8 = m_splat(false);
                'l5: for _ in 0u32..PHOTON_VOXELS_A_STEP {
                    if !m_any(on5) { break; }
                    let index = voxel_index(cx, p);
                    let word = gather_u(on5, cx.voxels, index);
                    let tissue = voxel_tissue(word);
                    let row = u_mul(tissue, u_splat(ENERGY_NODES));
                    let areal_per_mm = f_mul(voxel_density(word), f_splat(0.1f32));
                    let mu_per_mm = f_mul(areal_per_mm, photon_value(on5, cx, row, bin, COLUMN_TOTAL));
                    let exit = exit_along(cx, p, vx, vy, vz);
                    let depth = f_mul(mu_per_mm, exit.distance);
                    let ends = f_lt(p.flight, depth);
                    let mut way = exit.distance;
                    let took6 = m_and(on5, ends);
                    let mut on6 = took6;
                    {
                        way = f_select(on6, f_mul(p.flight, recip(mu_per_mm)), way);
                    }
                    if (cx.params.analogue == 0u32) {
                        let given = f_mul(photon_value(on5, cx, row, bin, COLUMN_KERMA), f_mul(areal_per_mm, way));
                        let place = tally_bin(on5, cx, rng, p, way);
                        out.estimate(on5, place, units_from_kev(given), p.weight);
                    }
                    advance(on5, cx, p, way);
                    let took7 = m_and(on5, ends);
                    exit7 = m_or(exit7, took7);
                    tissue_7 = u_select(took7, tissue, tissue_7);
                    on5 = m_andnot(on5, took7);
                    if !m_any(on5) { break 'l5; }
                    p.flight = f_select(on5, fmax(f_sub(p.flight, depth), f_splat(1e-9f32)), p.flight);
                    let took8 = m_and(on5, m_not(cross(on5, cx, p, exit.axis)));
                    exit8 = m_or(exit8, took8);
                    on5 = m_andnot(on5, took8);
                }
                let mut on9 = exit7;
                if m_any(on9) {
                    p.flight = f_select(on9, f_splat(0.0f32), p.flight);
                    collide(on9, cx, rng, p, tissue_7, out);
                    live = m_andnot(live, on9);
                }
                let mut on10 = exit8;
                if m_any(on10) {
                    out.escaped(on10, p.home, p.energy, p.weight);
                    p.alive = u_select(on10, u_splat(0u32), p.alive);
                    live = m_andnot(live, on10);
                }
                on0 = m_and(on0, live);
            }
        }

    };
}
pub(super) use lanes_kernel;
