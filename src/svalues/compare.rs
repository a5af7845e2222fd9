//! A shortcut against transport: ratio of region means with its uncertainty, their agreement, and statistics of voxels.

use super::gamma::{Doses, NARROW, WIDE, pass_rate};
use crate::dose::DoseMap;
use serde::Serialize;

/// Whether a shortcut agrees with transport in a region, at the tolerance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Agreement {
    /// Within the tolerance, by more than two standard errors or exactly known.
    Within,
    /// Outside the tolerance, by more than two standard errors.
    Outside,
    /// The transport's uncertainty does not tell.
    Undecided,
}

impl Agreement {
    /// The agreement of a deviation (ratio - 1) with a standard error, at a tolerance.
    pub fn of(deviation_rel: f64, error_rel: f64, tolerance_rel: f64) -> Self {
        if deviation_rel.abs() + 2.0 * error_rel <= tolerance_rel {
            Self::Within
        } else if deviation_rel.abs() - 2.0 * error_rel > tolerance_rel {
            Self::Outside
        } else {
            Self::Undecided
        }
    }

    /// As it stands in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Within => "within",
            Self::Outside => "OUTSIDE",
            Self::Undecided => "undecided",
        }
    }
}

/// Statistics of the voxels of a region.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct VoxelStatistics {
    /// Median of the difference to transport, % of the transport's voxel dose.
    pub median_percent: f64,
    /// 95th percentile of its magnitude, %.
    pub p95_percent: f64,
    /// What statistical noise of the transport alone would give for that, %: 1.96 times its root mean square.
    pub noise_p95_percent: f64,
    /// Share of voxels that pass the gamma criterion 2 mm / 1 %, 0 to 1.
    pub gamma_2mm_1percent: Option<f64>,
    /// Share of voxels that pass the gamma criterion 3 mm / 3 %, 0 to 1.
    pub gamma_3mm_3percent: Option<f64>,
}

/// Compares the voxels of `region` (positions in the data) that carry dose.
pub fn voxel_statistics(transport: &DoseMap, shortcut: &DoseMap, region: &[u32]) -> VoxelStatistics {
    let dosed: Vec<usize> = region.iter().map(|&n| n as usize).filter(|&n| transport.dose_gy[n] > 0.0).collect();
    if dosed.is_empty() {
        return VoxelStatistics::default();
    }
    let mut differences: Vec<f64> = dosed
        .iter()
        .map(|&n| 100.0 * (f64::from(shortcut.dose_gy[n]) / f64::from(transport.dose_gy[n]) - 1.0))
        .collect();
    let noise: f64 = dosed.iter().map(|&n| f64::from(transport.sigma_rel[n]).powi(2)).sum();
    let median_percent = quantile(&mut differences, 0.5);
    let mut magnitudes: Vec<f64> = differences.iter().map(|d| d.abs()).collect();
    let on = |gy| Doses { grid: &transport.grid, gy };
    let gamma = |criterion| pass_rate(on(&transport.dose_gy), on(&shortcut.dose_gy), region, criterion);
    VoxelStatistics {
        median_percent,
        p95_percent: quantile(&mut magnitudes, 0.95),
        noise_p95_percent: 196.0 * (noise / dosed.len() as f64).sqrt(),
        gamma_2mm_1percent: gamma(NARROW),
        gamma_3mm_3percent: gamma(WIDE),
    }
}

/// The value below which a share `q` lies; `values` must not be empty and are reordered.
fn quantile(values: &mut [f64], q: f64) -> f64 {
    let rank = ((values.len() - 1) as f64 * q).round() as usize;
    *values.select_nth_unstable_by(rank, f64::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn law_agreement_knows_the_uncertainty() {
        assert_eq!(Agreement::of(0.02, 0.005, 0.05), Agreement::Within);
        assert_eq!(Agreement::of(-0.08, 0.005, 0.05), Agreement::Outside);
        assert_eq!(Agreement::of(0.049, 0.005, 0.05), Agreement::Undecided);
        assert_eq!(Agreement::of(-0.055, 0.005, 0.05), Agreement::Undecided);
    }

    #[test]
    fn law_quantiles_of_a_ladder() {
        let mut values: Vec<f64> = (0..=100).rev().map(f64::from).collect();
        assert_eq!(quantile(&mut values, 0.5), 50.0);
        assert_eq!(quantile(&mut values, 0.95), 95.0);
    }
}
