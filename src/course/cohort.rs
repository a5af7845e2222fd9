//! A virtual cohort: the outcome of a stopping policy in many patients.
//!
//! Each patient's mean dose per cycle is drawn from a normal distribution, each cycle scatters about it, and the policy
//! uses the last value as its prediction. This is a sanity check of policies, not a clinical prediction: the spread
//! within a patient is an assumption.

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal};

use crate::bed::{BedError, DoseWindow, Radiobiology, Window, g_mono};

/// When to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// Stop if the next cycle would exceed the upper edge.
    StopBeforeUpper,
    /// Continue until the lower edge is reached.
    UntilLower,
    /// Stop if the next cycle would lead away from the target.
    NearestTarget,
}

impl Policy {
    /// All policies.
    pub const ALL: [Self; 3] = [Self::StopBeforeUpper, Self::UntilLower, Self::NearestTarget];

    /// Name in files and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::StopBeforeUpper => "stop-before-upper",
            Self::UntilLower => "until-lower",
            Self::NearestTarget => "nearest-target",
        }
    }
}

/// The cohort's distribution.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cohort {
    /// Patients.
    pub patients: u32,
    /// Seed.
    pub seed: u64,
    /// Mean dose per cycle among patients, Gy.
    pub mean_dose_gy: f64,
    /// Its standard deviation among patients, Gy.
    pub sigma_dose_gy: f64,
    /// Relative scatter from cycle to cycle.
    pub within_patient_cv: f64,
    /// Effective half-life, h.
    pub effective_half_life_h: f64,
    /// Lowest mean dose per cycle of a patient, Gy; the normal distribution is truncated there.
    pub least_dose_gy: f64,
    /// Cycles at most.
    pub max_cycles: u32,
}

impl Default for Cohort {
    /// 20 000 patients with 4.0 +- 1.1 Gy per cycle (Rudisile et al. 2019), 8 % scatter (assumed),
    /// 52 h, cut at 0.5 Gy, 16 cycles at most.
    fn default() -> Self {
        Self {
            patients: 20_000,
            seed: 1,
            mean_dose_gy: 4.0,
            sigma_dose_gy: 1.1,
            within_patient_cv: 0.08,
            effective_half_life_h: 52.0,
            least_dose_gy: 0.5,
            max_cycles: 16,
        }
    }
}

/// Outcome of a cohort.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CohortOutcome {
    /// The policy.
    pub policy: Policy,
    /// Share of patients below the window.
    pub below: f64,
    /// Share inside.
    pub inside: f64,
    /// Share above.
    pub above: f64,
    /// Median number of cycles.
    pub median_cycles: f64,
    /// Mean cumulative BED, Gy.
    pub mean_bed_gy: f64,
}

impl Cohort {
    /// Checks ranges.
    pub fn validate(&self) -> Result<(), BedError> {
        for (name, value) in [
            ("mean_dose_gy", self.mean_dose_gy),
            ("sigma_dose_gy", self.sigma_dose_gy),
            ("effective_half_life_h", self.effective_half_life_h),
            ("least_dose_gy", self.least_dose_gy),
            ("patients", f64::from(self.patients)),
            ("max_cycles", f64::from(self.max_cycles)),
        ] {
            if !value.is_finite() || value <= 0.0 {
                return Err(BedError::OutOfRange { name, value, allowed: "finite and above 0" });
            }
        }
        if !(0.0..1.0).contains(&self.within_patient_cv) {
            return Err(BedError::OutOfRange {
                name: "within_patient_cv",
                value: self.within_patient_cv,
                allowed: "in [0, 1)",
            });
        }
        if self.least_dose_gy > self.mean_dose_gy + 4.0 * self.sigma_dose_gy {
            return Err(BedError::OutOfRange {
                name: "least_dose_gy",
                value: self.least_dose_gy,
                allowed: "at most four sigma above mean_dose_gy",
            });
        }
        Ok(())
    }

    /// Treats the cohort under `policy` against `window` (with a lower edge) of BED.
    ///
    /// Every policy treats the same patients: the random numbers depend on the seed alone.
    pub fn treat(
        &self,
        policy: Policy,
        window: &DoseWindow,
        radiobiology: &Radiobiology,
    ) -> Result<CohortOutcome, BedError> {
        self.validate()?;
        window.validate()?;
        let lower_gy = window.lower_gy.ok_or(BedError::OutOfRange {
            name: "lower_gy",
            value: f64::NAN,
            allowed: "stated: a cohort is sorted by a window with both edges",
        })?;
        let normal = Normal::standard();
        let g = g_mono(radiobiology.repair_half_life_h(), self.effective_half_life_h);
        let mut counts = [0_u32; 3];
        let mut cycles = Vec::with_capacity(self.patients as usize);
        let mut bed_sum_gy = 0.0;
        for patient in 0..self.patients {
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(
                self.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(u64::from(patient)),
            );
            let mut draw = || normal.inverse_cdf(rng.random::<f64>().clamp(1e-15, 1.0 - 1e-15));
            let mean_gy = loop {
                let mean = self.mean_dose_gy + self.sigma_dose_gy * draw();
                if mean > self.least_dose_gy {
                    break mean;
                }
            };
            let (mut total_gy, mut next_gy, mut given) = (0.0, 0.0, 0);
            while given < self.max_cycles {
                let after_gy: f64 = total_gy + next_gy;
                let stop = given > 0
                    && match policy {
                        Policy::StopBeforeUpper => after_gy > window.upper_gy,
                        Policy::UntilLower => total_gy >= lower_gy,
                        Policy::NearestTarget => {
                            (after_gy - window.target_gy).abs() > (total_gy - window.target_gy).abs()
                        }
                    };
                if stop {
                    break;
                }
                let dose_gy = (mean_gy * (1.0 + self.within_patient_cv * draw())).max(0.0);
                next_gy = radiobiology.bed_gy(dose_gy, g);
                total_gy += next_gy;
                given += 1;
            }
            counts[match window.classify(total_gy) {
                Window::Below => 0,
                Window::Inside => 1,
                Window::Above => 2,
            }] += 1;
            cycles.push(f64::from(given));
            bed_sum_gy += total_gy;
        }
        let share = |count: u32| f64::from(count) / f64::from(self.patients);
        Ok(CohortOutcome {
            policy,
            below: share(counts[0]),
            inside: share(counts[1]),
            above: share(counts[2]),
            median_cycles: super::predict::median(&mut cycles).unwrap_or(0.0),
            mean_bed_gy: bed_sum_gy / f64::from(self.patients),
        })
    }
}
