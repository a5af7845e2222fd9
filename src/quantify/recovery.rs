//! Recovery coefficient of a region by its volume, from a phantom with inserts.
//!
//! A curve R(v) = 1/(1 + (b1/v)^b2), or a table straight in ln v. With a background of concentration B the measured mean is
//! R A + (1 - R) B.
//!
//! The logistic curve in ln v is a convention: 0 for small, 1 for large volumes, two parameters. `sphere.rs` says what a
//! Gaussian would give.

use crate::fault::Fault;

/// Recoveries that a calibration may have: below, nothing of the insert is seen; above, the image or the calibration
/// errs (edges overshoot by some 10 % where the reconstruction models the resolution).
pub const PLAUSIBLE: [f64; 2] = [0.05, 1.2];

/// Recovery by volume.
#[derive(Clone, Debug, PartialEq)]
pub enum Recovery {
    /// R = 1/(1 + (b1/v)^b2), v in mL.
    Logistic {
        /// Volume of half recovery, mL.
        b1_ml: f64,
        /// Steepness.
        b2: f64,
        /// Covariance of (ln b1, b2).
        covariance: [[f64; 2]; 2],
    },
    /// Volumes, mL, ascending, with recoveries and their standard uncertainties; straight in ln v between, the end values
    /// beyond.
    Table(Vec<(f64, f64, f64)>),
}

impl Recovery {
    /// A table of volume (mL), recovery and its standard uncertainty (0 where it is not known), put in order.
    ///
    /// Errors: no entry; a volume not above 0 or twice; a recovery outside 0.05 to 1.2; an uncertainty below 0.
    pub fn table(place: &str, mut entries: Vec<(f64, f64, f64)>) -> Result<Self, Fault> {
        entries.sort_by(|a, b| a.0.total_cmp(&b.0));
        for &(volume, recovery, sigma) in &entries {
            check(place, recovery)?;
            if !(sigma >= 0.0 && sigma.is_finite()) {
                return Err(Fault::invalid(place, "sigma", sigma.to_string(), "0 and above", "Correct it."));
            }
            if !(volume > 0.0 && volume.is_finite()) {
                return Err(Fault::invalid(place, "volume_ml", format!("{volume} mL"), "above 0 mL", "Correct it."));
            }
        }
        if let Some(twice) = entries.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            let found = format!("{} mL twice", twice[0].0);
            return Err(Fault::invalid(place, "volume_ml", found, "each volume once", "Give their mean."));
        }
        if entries.is_empty() {
            return Err(Fault::invalid(place, "recovery", "none", "volume and recovery of each insert", "Give them."));
        }
        Ok(Self::Table(entries))
    }

    /// R of a region of this volume, mL.
    pub fn of(&self, volume_ml: f64) -> f64 {
        match self {
            Self::Logistic { b1_ml, b2, .. } => 1.0 / (1.0 + (b1_ml / volume_ml).powf(*b2)),
            Self::Table(entries) => match weights(entries, volume_ml) {
                Some([(below, share), (above, rest)]) => share * entries[below].1 + rest * entries[above].1,
                None => f64::NAN,
            },
        }
    }

    /// Standard uncertainty of R: from the fit, u^2 = g^T V g; of a table from the two entries that it lies between, which
    /// are independent.
    pub fn sigma(&self, volume_ml: f64) -> f64 {
        let (b1_ml, b2, v) = match self {
            Self::Logistic { b1_ml, b2, covariance } => (b1_ml, b2, covariance),
            Self::Table(entries) => {
                return weights(entries, volume_ml).map_or(f64::NAN, |[(below, share), (above, rest)]| {
                    match below == above {
                        true => entries[below].2,
                        false => (share * entries[below].2).hypot(rest * entries[above].2),
                    }
                });
            }
        };
        let r = self.of(volume_ml);
        // x = (b1/v)^b2 = e^(b2 ln(b1/v)); dR = -R^2 dx
        let log = (b1_ml / volume_ml).ln();
        let slope = -r * r * (b2 * log).exp();
        let g = [slope * b2, slope * log];
        (g[0] * g[0] * v[0][0] + 2.0 * g[0] * g[1] * v[0][1] + g[1] * g[1] * v[1][1]).max(0.0).sqrt()
    }

    /// The true concentration of a region by its measured one and its background's: (measured - (1 - R) B)/R.
    pub fn corrected(&self, volume_ml: f64, measured: f64, background: f64) -> f64 {
        let r = self.of(volume_ml);
        (measured - (1.0 - r) * background) / r
    }
}

/// The entries that a volume lies between, each with its weight, straight in ln v; beyond the ends the end twice. None of
/// an empty table.
fn weights(entries: &[(f64, f64, f64)], volume_ml: f64) -> Option<[(usize, f64); 2]> {
    let above = entries.partition_point(|entry| entry.0 < volume_ml);
    let last = entries.len().checked_sub(1)?;
    if above == 0 || above > last {
        let end = above.min(last);
        return Some([(end, 0.5), (end, 0.5)]);
    }
    let (v0, v1) = (entries[above - 1].0, entries[above].0);
    let rest = (volume_ml / v0).ln() / (v1 / v0).ln();
    Some([(above - 1, 1.0 - rest), (above, rest)])
}

/// Refuses a recovery that no phantom has.
///
/// Errors: outside 0.05 to 1.2.
pub fn check(place: &str, recovery: f64) -> Result<(), Fault> {
    if (PLAUSIBLE[0]..=PLAUSIBLE[1]).contains(&recovery) {
        return Ok(());
    }
    Err(Fault::invalid(
        place,
        "recovery",
        format!("{recovery:.4}"),
        format!("{} to {}", PLAUSIBLE[0], PLAUSIBLE[1]),
        "Check the insert's activity, its outline, the calibration factor and decay.",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn law_a_background_changes_nothing_of_the_truth() {
        let curve = Recovery::Logistic { b1_ml: 1.5, b2: 0.8, covariance: [[0.01, 0.002], [0.002, 0.02]] };
        for volume in [0.5, 2.0, 30.0] {
            let (r, truth) = (curve.of(volume), 40.0);
            for background in [0.0, 4.0, 40.0] {
                let measured = r * truth + (1.0 - r) * background;
                assert!((curve.corrected(volume, measured, background) - truth).abs() < 1e-9);
            }
        }
        assert!((curve.of(1.5) - 0.5).abs() < 1e-12, "half recovery at b1");
        let table = Recovery::table("R", vec![(10.0, 0.8, 0.02), (1.0, 0.4, 0.04)]).expect("table");
        assert!((table.of(10f64.sqrt()) - 0.6).abs() < 1e-12 && table.of(0.1) == 0.4 && table.of(99.0) == 0.8);
        assert!((table.sigma(10f64.sqrt()) - 0.5 * 0.02_f64.hypot(0.04)).abs() < 1e-12);
        assert_eq!((table.sigma(0.1), table.sigma(99.0)), (0.04, 0.02));
    }

    /// u(R) is that of parameters moved by their covariance.
    #[test]
    fn law_the_uncertainty_is_that_of_the_parameters() {
        let at = |ln_b1: f64, b2: f64, v: [[f64; 2]; 2]| Recovery::Logistic { b1_ml: ln_b1.exp(), b2, covariance: v };
        for (volume, v) in [(0.7, [[0.04, 0.0], [0.0, 0.0]]), (6.0, [[0.0, 0.0], [0.0, 0.04]])] {
            let h = 1e-5;
            let (d1, d2) = (f64::from(v[0][0] > 0.0), f64::from(v[1][1] > 0.0));
            let r = |s: f64| at(0.3 + s * h * d1, 0.8 + s * h * d2, v).of(volume);
            let numeric = ((r(1.0) - r(-1.0)) / (2.0 * h)).abs() * 0.2;
            assert!((at(0.3, 0.8, v).sigma(volume) / numeric - 1.0).abs() < 1e-6);
        }
    }

    #[test]
    fn alarm_recoveries_of_no_phantom_are_refused() {
        for recovery in [0.049, 1.21, f64::NAN] {
            let error = Recovery::table("SPHERES.toml", vec![(1.0, recovery, 0.0)]).expect_err("refused").to_string();
            assert!(error.contains("SPHERES.toml: recovery: found") && error.contains("0.05 to 1.2"), "{error}");
        }
    }
}
