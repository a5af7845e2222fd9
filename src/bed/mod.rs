//! Biologically effective dose (BED) of a dose rate that changes with time.
//!
//! The linear-quadratic model with mono-exponential repair of sublethal damage. A dose rate R(t)
//! that gives the dose D has
//!
//!   BED = D (1 + G D / (alpha/beta))                                  [methods/bed.md eq. 1]
//!   G = (2 / D^2) Int R(t) Q(t) dt,  dQ/dt = R - mu Q,  mu = ln 2 / T_rep     [eq. 2]
//!
//! G, the Lea-Catcheside factor, lies in [0, 1]: 1 for a dose given at once, 0 for a dose given
//! infinitely slowly. Two accumulators, Sum D and Sum G D^2, carry a whole course: BED for any
//! alpha/beta follows from them (`BedAccumulator`). Incomplete repair that lasts from one cycle to
//! the next and the recovery of an organ between courses are not modelled; the cross term between
//! cycles is computed by `cross_cycle_g_dose2_gy2` and is below 1e-3 Gy for cycles 8 weeks apart.

use crate::fault::{Explained, Fault, FaultKind, explained};
use std::f64::consts::LN_2;

use thiserror::Error;

mod dvh;
mod eqd2;
mod limits;
mod population;
mod rate;

pub use dvh::{DoseVolumeHistogram, DvhError};
pub use eqd2::{bed_from_eqd2_gy, eqd2_gy, fractionated_bed_gy};
pub use limits::{DoseWindow, LimitQuantity, NamedRadiobiology, RADIOBIOLOGY_SETS, RENAL_LIMITS, RenalLimit, Window};
pub use population::{eubed_gy, eud_gy, generalised_eud_gy, heterogeneity_gain_gy};
pub use rate::{DoseRateCurve, Exponential, SampledRate};

/// What can be wrong with the arguments of a BED calculation.
#[derive(Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum BedError {
    /// A number lies outside its range.
    OutOfRange {
        /// Name of the quantity, with its unit.
        name: &'static str,
        /// The value found.
        value: f64,
        /// The values allowed.
        allowed: &'static str,
    },
    /// A sampled curve whose times do not increase.
    TimesNotIncreasing {
        /// Index of the offending point.
        index: usize,
        /// Its time, h.
        time_h: f64,
        /// The time before it, h.
        before_h: f64,
    },
    /// Lists that must have the same length do not.
    Length {
        /// What the list holds.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The length needed.
        expected: usize,
    },
}

explained!(BedError);

impl Explained for BedError {
    fn fault(&self) -> Fault {
        match self {
            Self::OutOfRange { name, value, allowed } => {
                Fault::invalid("", *name, value.to_string(), *allowed, "check the value and its unit")
                    .form("{field} = {found}: must be {allowed}")
            }
            Self::TimesNotIncreasing { index, time_h, before_h } => Fault::invalid(
                format!("time point {index}"),
                "time",
                format!("{time_h} h does not come after the one before it at {before_h} h"),
                "times that increase",
                "sort the points",
            )
            .form("{place} at {found}"),
            Self::Length { what, found, expected } => {
                Fault::invalid("", *what, format!("{found} values"), expected.to_string(), "")
                    .kind(FaultKind::Mismatch)
                    .form("{field}: {found} where {allowed} are needed")
            }
        }
    }
}

/// Checks that `value` is finite and positive.
fn positive(name: &'static str, value: f64) -> Result<f64, BedError> {
    if value.is_finite() && value > 0.0 {
        Ok(value)
    } else {
        Err(BedError::OutOfRange { name, value, allowed: "finite and above 0" })
    }
}

/// Checks that `value` is finite and not negative.
fn not_negative(name: &'static str, value: f64) -> Result<f64, BedError> {
    if value.is_finite() && value >= 0.0 {
        Ok(value)
    } else {
        Err(BedError::OutOfRange { name, value, allowed: "finite and not below 0" })
    }
}

/// The radiobiology of one tissue: alpha/beta and the half-life of repair.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Radiobiology {
    alpha_beta_gy: f64,
    repair_half_life_h: f64,
}

impl Radiobiology {
    /// The renal parameters of the ILUMINET trial: alpha/beta 2.6 Gy, repair half-life 2.8 h
    /// (Sundlov et al., Eur J Nucl Med Mol Imaging 2022;49:3830).
    pub const KIDNEY_ILUMINET: Self = Self { alpha_beta_gy: 2.6, repair_half_life_h: 2.8 };

    /// `alpha_beta_gy` (Gy) and `repair_half_life_h` (h), both finite and positive.
    pub fn new(alpha_beta_gy: f64, repair_half_life_h: f64) -> Result<Self, BedError> {
        Ok(Self {
            alpha_beta_gy: positive("alpha_beta_gy", alpha_beta_gy)?,
            repair_half_life_h: positive("repair_half_life_h", repair_half_life_h)?,
        })
    }

    /// alpha/beta, Gy.
    pub fn alpha_beta_gy(&self) -> f64 {
        self.alpha_beta_gy
    }

    /// Half-life of repair of sublethal damage, h.
    pub fn repair_half_life_h(&self) -> f64 {
        self.repair_half_life_h
    }

    /// Repair rate mu = ln 2 / T_rep, 1/h.
    pub fn repair_rate_per_h(&self) -> f64 {
        LN_2 / self.repair_half_life_h
    }

    /// BED, Gy, of `dose_gy` given with the Lea-Catcheside factor `g`:
    ///   BED = D (1 + G D / (alpha/beta))                              [methods/bed.md eq. 1]
    ///
    /// ```
    /// use lutra::bed::{DoseRateCurve, Radiobiology};
    ///
    /// let kidney = Radiobiology::KIDNEY_ILUMINET;
    /// let g = DoseRateCurve::mono(4.5, 52.0)?.lea_catcheside_g(kidney.repair_half_life_h());
    /// assert!((kidney.bed_gy(4.5, g) - 4.897_95).abs() < 1e-4);
    /// assert!((kidney.bed_gy(4.5, 1.0) - 12.288).abs() < 1e-3, "as if it were given at once");
    /// # Ok::<(), lutra::bed::BedError>(())
    /// ```
    pub fn bed_gy(&self, dose_gy: f64, g: f64) -> f64 {
        debug_assert!(is_factor(g), "G = {g}");
        dose_gy * (1.0 + g * dose_gy / self.alpha_beta_gy)
    }

    /// The dose, Gy, that gives `bed_gy` with the factor `g`: the positive root of eq. 1,
    ///   D = 2 BED / (1 + sqrt(1 + 4 (G/(alpha/beta)) BED)),           [methods/bed.md eq. 7]
    /// written so that G = 0 needs no special case. `bed_gy` at or above 0.
    pub fn dose_for_bed_gy(&self, bed_gy: f64, g: f64) -> f64 {
        2.0 * bed_gy / (1.0 + (1.0 + 4.0 * g / self.alpha_beta_gy * bed_gy).sqrt())
    }

    /// Relative change of BED per relative change of dose, d ln BED / d ln D, in [1, 2]:
    ///   (1 + 2 G D/(alpha/beta)) / (1 + G D/(alpha/beta))             [methods/bed.md eq. 8]
    pub fn bed_sensitivity(&self, dose_gy: f64, g: f64) -> f64 {
        let quadratic = g * dose_gy / self.alpha_beta_gy;
        (1.0 + 2.0 * quadratic) / (1.0 + quadratic)
    }
}

/// Whether a number can be a Lea-Catcheside factor: not below 0, at most 1 and a rounding.
pub fn is_factor(g: f64) -> bool {
    (0.0..=1.0 + 1e-9).contains(&g)
}

/// G of a mono-exponential dose rate: T_rep / (T_rep + T_eff).        [methods/bed.md eq. 3]
///
/// Both half-lives in h, positive. 2.8 h and 52 h give 0.0510949.
pub fn g_mono(repair_half_life_h: f64, effective_half_life_h: f64) -> f64 {
    repair_half_life_h / (repair_half_life_h + effective_half_life_h)
}

/// G of uptake and clearance, R ~ exp(-lambda_c t) - exp(-lambda_u t):  [methods/bed.md eq. 4]
///   T_r (T_u T_r + T_c T_r + T_c T_u) / ((T_c + T_u)(T_c + T_r)(T_u + T_r))
///
/// Half-lives in h, not negative; symmetric in clearance and uptake and free of poles: an uptake
/// half-life of 0 gives [`g_mono`], equal half-lives give the limit.
pub fn g_uptake_clearance(repair_half_life_h: f64, clearance_half_life_h: f64, uptake_half_life_h: f64) -> f64 {
    let (r, c, u) = (repair_half_life_h, clearance_half_life_h, uptake_half_life_h);
    r * (u * r + c * r + c * u) / ((c + u) * (c + r) * (u + r))
}

/// G of a constant dose rate over `duration_h`: 2 (z - 1 + exp(-z)) / z^2, z = mu T.
///                                                                     [methods/bed.md eq. 5]
/// Below z = 1e-4 the series 1 - z/3 + z^2/12 stands in (its next term is below 1e-14).
pub fn g_constant_rate(repair_half_life_h: f64, duration_h: f64) -> f64 {
    let z = LN_2 / repair_half_life_h * duration_h;
    if z < 1e-4 { 1.0 - z / 3.0 + z * z / 12.0 } else { 2.0 * (z + (-z).exp_m1()) / (z * z) }
}

/// What an earlier cycle still adds to G D^2 of a later one, Gy^2: the exact superposition of two
/// mono-exponential cycles `gap_h` apart.                             [methods/bed.md eq. 9]
///
/// The state of repair and of dose rate left by the first cycle meet the second cycle's rate, and
/// the first cycle's remaining rate meets the second cycle's state. Divide by alpha/beta for Gy of
/// BED. `dose_gy` and `effective_half_life_h` are those of the first and of the second cycle.
pub fn cross_cycle_g_dose2_gy2(
    repair_half_life_h: f64,
    dose_gy: [f64; 2],
    effective_half_life_h: [f64; 2],
    gap_h: f64,
) -> f64 {
    let mu = LN_2 / repair_half_life_h;
    let lambda = effective_half_life_h.map(|half_life_h| LN_2 / half_life_h);
    let rate = [dose_gy[0] * lambda[0], dose_gy[1] * lambda[1]];
    // At the start of the second cycle: the first one's rate and its repair state.
    let left_rate = rate[0] * (-lambda[0] * gap_h).exp();
    let left_state = if ((mu - lambda[0]) * gap_h).abs() < 1e-9 {
        rate[0] * gap_h * (-mu * gap_h).exp()
    } else {
        rate[0] * ((-lambda[0] * gap_h).exp() - (-mu * gap_h).exp()) / (mu - lambda[0])
    };
    // 2 Int (R1 Q2 + R2 Q1) over the second cycle; a cross product of exponentials a and b has
    // Int R_a Q_b + R_b Q_a = r_a r_b [1/(mu+l_a) + 1/(mu+l_b)] / (l_a+l_b); the state left over
    // decays with mu beside the second rate.
    let pair = left_rate * rate[1] * (1.0 / (mu + lambda[0]) + 1.0 / (mu + lambda[1])) / (lambda[0] + lambda[1]);
    2.0 * (pair + left_state * rate[1] / (mu + lambda[1]))
}

/// Repopulation term to subtract from a tumour's BED, Gy: (ln 2 / alpha) (T - T_k) / T_pot, zero
/// before the kick-off time. Never applied unless asked for.          [methods/bed.md eq. 10]
pub fn repopulation_gy(
    alpha_per_gy: f64,
    overall_time_d: f64,
    kick_off_time_d: f64,
    potential_doubling_time_d: f64,
) -> Result<f64, BedError> {
    positive("alpha_per_gy", alpha_per_gy)?;
    positive("potential_doubling_time_d", potential_doubling_time_d)?;
    Ok(LN_2 / alpha_per_gy * (overall_time_d - kick_off_time_d).max(0.0) / potential_doubling_time_d)
}

/// The two sums that carry a course: Sum D (Gy) and Sum G D^2 (Gy^2).
///
/// BED for any alpha/beta is Sum D + Sum G D^2 / (alpha/beta); only a new repair half-life needs the
/// cycles again.                                                      [methods/bed.md eq. 6]
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct BedAccumulator {
    /// Sum of the absorbed doses, Gy.
    pub sum_dose_gy: f64,
    /// Sum of G D^2, Gy^2.
    pub sum_g_dose2_gy2: f64,
}

impl BedAccumulator {
    /// One cycle: `dose_gy` given with the factor `g`.
    pub fn from_dose(dose_gy: f64, g: f64) -> Self {
        Self { sum_dose_gy: dose_gy, sum_g_dose2_gy2: g * dose_gy * dose_gy }
    }

    /// Adds one cycle.
    pub fn add_cycle(&mut self, dose_gy: f64, g: f64) {
        self.add(&Self::from_dose(dose_gy, g));
    }

    /// Adds another course (a prior treatment, say).
    pub fn add(&mut self, other: &Self) {
        self.sum_dose_gy += other.sum_dose_gy;
        self.sum_g_dose2_gy2 += other.sum_g_dose2_gy2;
    }

    /// BED, Gy, for `alpha_beta_gy`.
    pub fn bed_gy(&self, alpha_beta_gy: f64) -> f64 {
        self.sum_dose_gy + self.sum_g_dose2_gy2 / alpha_beta_gy
    }
}

/// The two sums for every voxel of a grid.
#[derive(Clone, Debug, PartialEq)]
pub struct BedMapAccumulator {
    /// Sum of the absorbed doses, Gy, one value a voxel, x fastest.
    pub sum_dose_gy: Vec<f64>,
    /// Sum of G D^2, Gy^2, one value a voxel.
    pub sum_g_dose2_gy2: Vec<f64>,
}

impl BedMapAccumulator {
    /// Nothing given yet, for `voxels` voxels.
    pub fn new(voxels: usize) -> Self {
        Self { sum_dose_gy: vec![0.0; voxels], sum_g_dose2_gy2: vec![0.0; voxels] }
    }

    /// Adds one cycle: a dose (Gy) and a factor for every voxel.
    pub fn add_cycle(&mut self, dose_gy: &[f32], g: &[f32]) -> Result<(), BedError> {
        let expected = self.sum_dose_gy.len();
        for (what, found) in [("dose map", dose_gy.len()), ("G map", g.len())] {
            if found != expected {
                return Err(BedError::Length { what, found, expected });
            }
        }
        for (voxel, (&dose, &g)) in dose_gy.iter().zip(g).enumerate() {
            let dose = f64::from(dose);
            self.sum_dose_gy[voxel] += dose;
            self.sum_g_dose2_gy2[voxel] += f64::from(g) * dose * dose;
        }
        Ok(())
    }

    /// BED of every voxel, Gy, for one alpha/beta a voxel (see [`Self::bed_uniform_gy`] for one in all).
    pub fn bed_gy(&self, alpha_beta_gy: impl Fn(usize) -> f64) -> Vec<f64> {
        self.sum_dose_gy
            .iter()
            .zip(&self.sum_g_dose2_gy2)
            .enumerate()
            .map(|(voxel, (dose, quadratic))| dose + quadratic / alpha_beta_gy(voxel))
            .collect()
    }

    /// BED of every voxel, Gy, for one alpha/beta in all.
    pub fn bed_uniform_gy(&self, alpha_beta_gy: f64) -> Vec<f64> {
        self.bed_gy(|_| alpha_beta_gy)
    }
}

#[cfg(test)]
mod tests;
