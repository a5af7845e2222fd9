//! One scan per cycle: Hanscheid's rule, a population half-life, the previous cycle's half-life.

use super::time_activity::{FitFlag, TimeActivityError, TimeIntegral, mono_kinetics};

/// Population effective half-lives of 177Lu-DOTATATE and -DOTATOC, h (Hanscheid et al.,
/// Nuklearmedizin 2017, 10.3413/Nukmed-0925-17-08, abstract): name and value.
pub const POPULATION_HALF_LIVES_H: [(&str, f64); 4] =
    [("kidney", 50.0), ("liver", 67.0), ("spleen", 67.0), ("tumour", 77.0)];

/// The rule that replaces the missing scans.
#[derive(Clone, Debug, PartialEq)]
pub enum SingleTimePoint {
    /// TIA = A(t) 2 t / ln 2 (Hanscheid et al. 2018): within +-10 % while t/T_eff is 0.764 to 2.437.
    /// The half-life is used for the repair factor only.
    Hanscheid2018 {
        /// Half-life assumed for the G factor, h.
        half_life_for_g_h: f64,
    },
    /// TIA = A(t) 2^(t/T) T / ln 2 with a population half-life (Hanscheid et al. 2017, Madsen).
    Population {
        /// The half-life, h.
        half_life_h: f64,
        /// Its relative spread among patients.
        half_life_rel_sigma: Option<f64>,
    },
    /// The same with the half-life of this patient's previous cycle (Garske, Rudisile).
    PreviousCycle {
        /// The half-life, h.
        half_life_h: f64,
        /// Its relative standard uncertainty.
        half_life_rel_sigma: Option<f64>,
        /// The cycle it is from.
        cycle: u32,
    },
}

/// TIA by Hanscheid 2018, MBq h: A(t) 2 t / ln 2.            [methods/time_integration.md eq. 9]
pub fn hanscheid_2018_mbq_h(activity_mbq: f64, time_h: f64) -> f64 {
    activity_mbq * 2.0 * time_h / std::f64::consts::LN_2
}

/// TIA with a stated half-life, MBq h: A(t) 2^(t/T) T / ln 2. [methods/time_integration.md eq. 10]
pub fn fixed_half_life_mbq_h(activity_mbq: f64, time_h: f64, half_life_h: f64) -> f64 {
    activity_mbq * (time_h / half_life_h).exp2() * half_life_h / std::f64::consts::LN_2
}

/// Estimate over truth of Hanscheid 2018 for a mono-exponential: 2 x 2^-x, x = t/T_eff.
pub fn hanscheid_2018_ratio(time_h: f64, effective_half_life_h: f64) -> f64 {
    let x = time_h / effective_half_life_h;
    2.0 * x * (-x).exp2()
}

/// Estimate over truth of a stated half-life: (T/T_eff) 2^(t/T - t/T_eff).
pub fn fixed_half_life_ratio(time_h: f64, stated_half_life_h: f64, effective_half_life_h: f64) -> f64 {
    stated_half_life_h / effective_half_life_h * (time_h / stated_half_life_h - time_h / effective_half_life_h).exp2()
}

impl SingleTimePoint {
    /// The integral from one activity, MBq at `time_h` (h, positive); `rel_sigma` is the random
    /// relative uncertainty of the activity. The half-life's own uncertainty enters through
    /// d ln TIA / d ln T = 1 - t ln 2 / T.
    pub fn integrate(
        &self,
        time_h: f64,
        activity_mbq: f64,
        rel_sigma: Option<f64>,
    ) -> Result<TimeIntegral, TimeActivityError> {
        let point = super::time_activity::ActivityPoint { time_h, activity_mbq, rel_sigma };
        super::time_activity::check_points(&[point])?;
        let (method, tia_mbq_h, half_life_h, half_life_sigma, source) = match self {
            Self::Hanscheid2018 { half_life_for_g_h } => (
                "hanscheid-2018",
                hanscheid_2018_mbq_h(activity_mbq, time_h),
                *half_life_for_g_h,
                Some(0.0),
                "assumed for the repair factor only".to_owned(),
            ),
            Self::Population { half_life_h, half_life_rel_sigma } => (
                "population-half-life",
                fixed_half_life_mbq_h(activity_mbq, time_h, *half_life_h),
                *half_life_h,
                *half_life_rel_sigma,
                "as stated".to_owned(),
            ),
            Self::PreviousCycle { half_life_h, half_life_rel_sigma, cycle } => (
                "previous-half-life",
                fixed_half_life_mbq_h(activity_mbq, time_h, *half_life_h),
                *half_life_h,
                *half_life_rel_sigma,
                format!("from cycle {cycle}"),
            ),
        };
        let kinetics = mono_kinetics(tia_mbq_h, half_life_h)?;
        let lever = 1.0 - time_h * std::f64::consts::LN_2 / half_life_h;
        let total_sigma = rel_sigma.zip(half_life_sigma).map(|(a, t)| (a * a + (lever * t).powi(2)).sqrt());
        let after = super::time_activity::mono_tail_fraction(time_h, half_life_h);
        let mut result = TimeIntegral::without_fit(method, kinetics, tia_mbq_h, half_life_h, [1.0 - after, after]);
        result.flags.push(FitFlag::AssumedHalfLife { half_life_h, source });
        result.set_rel_sigma(total_sigma);
        result.half_life_rel_sigma = half_life_sigma.filter(|_| !matches!(self, Self::Hanscheid2018 { .. }));
        Ok(result)
    }
}
