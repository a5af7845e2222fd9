//! Prediction of the next cycle: Gy per GBq from the cycles so far.

use serde::{Deserialize, Serialize};

/// Dose per activity of one cycle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DosePerActivity {
    /// Cycle number, from 1.
    pub cycle: u32,
    /// Gy per GBq administered.
    pub gy_per_gbq: f64,
    /// Random relative uncertainty of the estimate.
    pub random_rel_sigma: f64,
}

/// Prior knowledge before the first cycle: a population's mean and spread.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prior {
    /// Mean, Gy/GBq.
    pub gy_per_gbq: f64,
    /// Standard deviation among patients, Gy/GBq.
    pub sigma_gy_per_gbq: f64,
    /// Relative standard deviation from cycle to cycle within one patient.
    pub within_patient_cv: f64,
}

/// How a prediction was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Predictor {
    /// The last cycle's value.
    Last,
    /// The mean of all cycles.
    Mean,
    /// The mean weighted by inverse variance.
    WeightedMean,
    /// The Theil-Sen line, at the next cycle; from three cycles on.
    Trend,
    /// The last value shrunk towards the population by Bayes' rule: the default.
    ShrunkenLast,
    /// The population alone: before the first cycle.
    Population,
}

impl Predictor {
    /// Name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Last => "last",
            Self::Mean => "mean",
            Self::WeightedMean => "weighted mean",
            Self::Trend => "trend",
            Self::ShrunkenLast => "shrunken last",
            Self::Population => "population",
        }
    }
}

/// A predicted dose per activity.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Prediction {
    /// How.
    pub predictor: Predictor,
    /// Gy per GBq.
    pub gy_per_gbq: f64,
    /// Standard error of the next cycle's value about it, relative.
    pub rel_sigma: f64,
}

/// Predictions for cycle `next_cycle` by every predictor that applies, the default one first.
///
/// `history` in order of cycles. The error of each is that of the next cycle's true value: the
/// uncertainty of the estimate and the scatter from cycle to cycle, added in squares.
pub fn predictions(history: &[DosePerActivity], prior: &Prior, next_cycle: u32) -> Vec<Prediction> {
    let scatter = prior.within_patient_cv;
    let Some(last) = history.last() else {
        let rel = (prior.sigma_gy_per_gbq / prior.gy_per_gbq).hypot(scatter);
        return vec![Prediction { predictor: Predictor::Population, gy_per_gbq: prior.gy_per_gbq, rel_sigma: rel }];
    };
    let single = |h: &DosePerActivity| h.gy_per_gbq * scatter.hypot(h.random_rel_sigma);
    let mut all = vec![shrunken_last(last, prior)];
    let mut push = |predictor, gy_per_gbq: f64, sigma: f64| {
        all.push(Prediction { predictor, gy_per_gbq, rel_sigma: (sigma / gy_per_gbq).hypot(scatter) });
    };
    push(Predictor::Last, last.gy_per_gbq, single(last));
    let n = history.len() as f64;
    let mean = history.iter().map(|h| h.gy_per_gbq).sum::<f64>() / n;
    push(Predictor::Mean, mean, history.iter().map(|h| single(h).powi(2)).sum::<f64>().sqrt() / n);
    let weights: Vec<f64> = history.iter().map(|h| single(h).powi(-2)).collect();
    let total: f64 = weights.iter().sum();
    if total.is_finite() && total > 0.0 {
        let weighted = history.iter().zip(&weights).map(|(h, w)| h.gy_per_gbq * w).sum::<f64>() / total;
        push(Predictor::WeightedMean, weighted, total.sqrt().recip());
    }
    if let Some((value, sigma)) = trend(history, next_cycle)
        && value > 0.0
    {
        push(Predictor::Trend, value, sigma);
    }
    all
}

/// The last value and the population weighted by inverse variance.       [methods/course.md eq. 5]
fn shrunken_last(last: &DosePerActivity, prior: &Prior) -> Prediction {
    let own = (last.gy_per_gbq * prior.within_patient_cv.hypot(last.random_rel_sigma)).powi(2);
    let population = prior.sigma_gy_per_gbq.powi(2);
    let share = if own + population > 0.0 { population / (own + population) } else { 1.0 };
    let value = share * last.gy_per_gbq + (1.0 - share) * prior.gy_per_gbq;
    let posterior = (share * own).sqrt();
    Prediction {
        predictor: Predictor::ShrunkenLast,
        gy_per_gbq: value,
        rel_sigma: (posterior / value).hypot(prior.within_patient_cv),
    }
}

/// Theil-Sen line at `next_cycle`: median slope of all pairs, median intercept; and the scatter
/// (1.4826 MAD of the residuals). `None` below three cycles.
fn trend(history: &[DosePerActivity], next_cycle: u32) -> Option<(f64, f64)> {
    if history.len() < 3 {
        return None;
    }
    let mut slopes = Vec::new();
    for (i, a) in history.iter().enumerate() {
        for b in &history[i + 1..] {
            if b.cycle != a.cycle {
                slopes.push((b.gy_per_gbq - a.gy_per_gbq) / (f64::from(b.cycle) - f64::from(a.cycle)));
            }
        }
    }
    let slope = median(&mut slopes)?;
    let mut intercepts: Vec<f64> = history.iter().map(|h| h.gy_per_gbq - slope * f64::from(h.cycle)).collect();
    let intercept = median(&mut intercepts)?;
    let mut residuals: Vec<f64> = intercepts.iter().map(|i| (i - intercept).abs()).collect();
    Some((intercept + slope * f64::from(next_cycle), 1.4826 * median(&mut residuals)?))
}

/// The median; sorts its argument. None if empty.
pub(super) fn median(values: &mut [f64]) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    Some(if values.len() % 2 == 1 { values[middle] } else { 0.5 * (values[middle - 1] + values[middle]) })
}
