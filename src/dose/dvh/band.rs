//! How far the noise of the transport may have moved a histogram.
//!
//! The batches give the standard error of each voxel and of the region. Noise changes a curve in two ways.
//! It broadens it: a histogram of noisy voxels is wider than the true one, to first order by as much as adding the noise once
//! more widens it again (the bootstrap's estimate of bias). The band reaches from the curve to the curve less one and a half
//! times that. It also shifts it: up and down by the independent noise of the voxels, whose share above a dose has the variance
//! p (1 - p) / n; along the dose by the noise that they have in common, the part of the region's standard error that independent
//! voxels do not explain.
//!
//! The band covers the statistics of the transport alone, not activity, registration or outlines.

use super::Dvh;
use statrs::function::erf::erfc;

/// Standard errors to each side: 95 %.
const COVERAGE_SIGMAS: f64 = 1.96;
/// Part of the noise's variance that is added to both curves whose difference is the broadening, so that few voxels make
/// curves and not staircases.
const SMOOTH_VARIANCE: f64 = 0.25;
/// How much of the estimated broadening the band holds: it is known to a half or so.
const BIAS_MARGIN: f64 = 1.5;
/// Pieces that stand for the region.
const SAMPLED_PIECES: usize = 2_000;
/// Points of a curve at equal steps of dose, and at equal steps of the share.
const POINTS: usize = 61;
const SHARES: usize = 101;

/// A histogram's curve with its band.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// Dose, Gy, ascending from 0.
    pub dose_gy: Vec<f64>,
    /// Share of the mass that receives that dose or more.
    pub share: Vec<f64>,
    /// Lower edge of the 95 % band; equal to `share` where no error is known.
    pub low: Vec<f64>,
    /// Upper edge.
    pub high: Vec<f64>,
}

/// Noise of a region.
#[derive(Clone, Debug, PartialEq)]
pub struct Noise {
    /// Doses of the voxels, Gy.
    pub dose_gy: Vec<f32>,
    /// Standard errors of these, Gy.
    pub se_gy: Vec<f32>,
    /// Masses of the voxels, any unit.
    pub mass: Vec<f32>,
    /// Standard error of the region's mean dose, Gy.
    pub mean_se_gy: f64,
}

impl Noise {
    /// Number of voxels of equal mass that would tell as much.
    fn effective_voxels(&self) -> f64 {
        let (sum, squares) = self.mass.iter().fold((0.0, 0.0), |(sum, squares), &mass| {
            (sum + f64::from(mass), squares + f64::from(mass) * f64::from(mass))
        });
        if squares > 0.0 { sum * sum / squares } else { 0.0 }
    }

    /// What of the mean's standard error independent voxels do not explain, Gy.
    fn common_gy(&self) -> f64 {
        let total: f64 = self.mass.iter().map(|&mass| f64::from(mass)).sum();
        if total <= 0.0 {
            return 0.0;
        }
        let independent: f64 =
            self.mass.iter().zip(&self.se_gy).map(|(&m, &s)| (f64::from(m) / total * f64::from(s)).powi(2)).sum();
        (self.mean_se_gy * self.mean_se_gy - independent).max(0.0).sqrt()
    }
}

/// The curve of a histogram from 0 (or its coldest piece, where noise is below 0) to a little above its hottest piece,
/// without a band. Points lie at equal steps of the dose and, between these, at equal steps of the share.
pub fn curve(dvh: &Dvh) -> Curve {
    let top = f64::from(dvh.max_gy().unwrap_or(0.0)) * 1.02;
    let bottom = f64::from(dvh.min_gy().unwrap_or(0.0)).min(0.0);
    let mut dose_gy: Vec<f64> = (0..POINTS).map(|n| bottom + (top - bottom) * n as f64 / (POINTS - 1) as f64).collect();
    dose_gy.push(0.0);
    let at = |n: usize| dvh.dose_at_volume_gy(100.0 * n as f64 / (SHARES - 1) as f64).map(f64::from);
    dose_gy.extend((0..SHARES).filter_map(at));
    dose_gy.sort_by(f64::total_cmp);
    dose_gy.dedup();
    let share: Vec<f64> = dose_gy.iter().map(|&dose| dvh.volume_at_dose(dose as f32)).collect();
    Curve { low: share.clone(), high: share.clone(), dose_gy, share }
}

/// The curve with its 95 % band.
pub fn banded(dvh: &Dvh, noise: &Noise) -> Curve {
    let mut curve = curve(dvh);
    let voxels = noise.effective_voxels();
    if voxels <= 0.0 || noise.se_gy.iter().all(|&se| se == 0.0) && noise.mean_se_gy == 0.0 {
        return curve;
    }
    // voxels that stand for all, at equal steps of the sorted list: dose, error, mass
    let dose = |n: u32| noise.dose_gy[n as usize];
    let mut sorted: Vec<u32> = (0..noise.dose_gy.len() as u32).filter(|&n| noise.mass[n as usize] > 0.0).collect();
    sorted.sort_unstable_by(|&a, &b| dose(a).total_cmp(&dose(b)).then(a.cmp(&b)));
    let step = sorted.len().div_ceil(SAMPLED_PIECES).max(1);
    let sample: Vec<[f64; 3]> = sorted
        .iter()
        .skip(step / 2)
        .step_by(step)
        .map(|&n| n as usize)
        .map(|n| [noise.dose_gy[n], noise.se_gy[n], noise.mass[n]].map(f64::from))
        .collect();
    let total: f64 = sample.iter().map(|voxel| voxel[2]).sum();
    let common_gy = noise.common_gy();
    let growth = growth(&sample);
    for point in 0..curve.dose_gy.len() {
        let dose = curve.dose_gy[point];
        let (mut blurred, mut once, mut spread) = (0.0, 0.0, 0.0);
        for &[voxel, se, mass] in &sample {
            if (voxel - dose).abs() > 9.0 * se {
                let above = f64::from(u8::from(voxel >= dose));
                (blurred, once) = (blurred + mass * above, once + mass * above);
                continue;
            }
            let p = probability_above(voxel, se, dose);
            once += mass * probability_above(voxel, se * SMOOTH_VARIANCE.sqrt(), dose);
            blurred += mass * probability_above(voxel, se * (1.0 + SMOOTH_VARIANCE).sqrt(), dose);
            spread += mass * p * (1.0 - p);
        }
        let bias = growth * (blurred - once) / total;
        let sigma = (spread / total / voxels).sqrt();
        // what is common to the voxels moves the curve along the dose
        let beside = |by_gy: f64| dvh.volume_at_dose((dose + by_gy) as f32);
        let (colder, hotter) = (beside(COVERAGE_SIGMAS * common_gy), beside(-COVERAGE_SIGMAS * common_gy));
        curve.low[point] = (colder - BIAS_MARGIN * bias.max(0.0) - COVERAGE_SIGMAS * sigma).max(0.0);
        curve.high[point] = (hotter - BIAS_MARGIN * bias.min(0.0) + COVERAGE_SIGMAS * sigma).min(1.0);
    }
    // a share never grows with the dose
    for point in 1..curve.low.len() {
        curve.high[point] = curve.high[point].min(curve.high[point - 1].max(curve.share[point]));
    }
    for point in (1..curve.low.len()).rev() {
        curve.low[point - 1] = curve.low[point - 1].max(curve.low[point].min(curve.share[point - 1]));
    }
    curve
}

/// How much stronger the noise has broadened the true doses than adding it again broadens the noisy ones. For normal
/// doses of variance t2 and noise s2 a share's change with the variance goes as its power -3/2; t2 is what the noise does
/// not explain of the spread seen.
fn growth(sample: &[[f64; 3]]) -> f64 {
    let total: f64 = sample.iter().map(|voxel| voxel[2]).sum();
    let mean = sample.iter().map(|v| v[0] * v[2]).sum::<f64>() / total;
    let seen = sample.iter().map(|v| (v[0] - mean).powi(2) * v[2]).sum::<f64>() / total;
    let noise = sample.iter().map(|v| v[1] * v[1] * v[2]).sum::<f64>() / total;
    let share = if seen > 0.0 { (noise / seen).min(1.0) } else { 1.0 };
    ((1.0 - 0.5 * share + (0.5 + SMOOTH_VARIANCE) * share) / (1.0 - 0.5 * share)).powf(1.5)
}

/// P(dose + noise >= limit).
fn probability_above(dose: f64, se: f64, limit: f64) -> f64 {
    if se > 0.0 {
        0.5 * erfc((limit - dose) / (se * std::f64::consts::SQRT_2))
    } else {
        f64::from(u8::from(dose >= limit))
    }
}

impl Curve {
    /// Dose at which an edge of the band, or the curve, falls to `percent` of the mass, Gy; the last dose where it never
    /// does.
    fn crossing(&self, share: &[f64], percent: f64) -> f64 {
        let wanted = percent / 100.0;
        let Some(next) = share.iter().position(|&s| s < wanted) else {
            return self.dose_gy.last().copied().unwrap_or(0.0);
        };
        if next == 0 {
            return 0.0;
        }
        let (from, to) = (share[next - 1], share[next]);
        let part = if from > to { (from - wanted) / (from - to) } else { 0.0 };
        self.dose_gy[next - 1] + part * (self.dose_gy[next] - self.dose_gy[next - 1])
    }

    /// The 95 % range of Dv, Gy.
    pub fn dose_range_gy(&self, percent: f64) -> [f64; 2] {
        [self.crossing(&self.low, percent), self.crossing(&self.high, percent)]
    }

    /// The same curve of a quantity that grows with the dose.
    pub fn mapped(&self, grows: impl Fn(f64) -> f64) -> Self {
        Self { dose_gy: self.dose_gy.iter().map(|&dose| grows(dose)).collect(), ..self.clone() }
    }
}
