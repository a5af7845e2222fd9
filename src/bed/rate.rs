//! Dose-rate curves and their Lea-Catcheside factors: sums of exponentials and sampled curves.

use super::{BedError, not_negative, positive};
use crate::quadrature::{simpson, trapezoid};

/// One term r exp(-lambda t) of a curve. The amplitude may be negative (uptake).
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Exponential {
    /// Value at t = 0, in the curve's unit (Gy/h, MBq), any sign.
    pub amplitude: f64,
    /// Decay rate, 1/h, positive.
    pub rate_per_h: f64,
}

impl Exponential {
    /// Value at `time_h`.
    pub fn value(&self, time_h: f64) -> f64 {
        self.amplitude * (-self.rate_per_h * time_h).exp()
    }

    /// Integral from `from_h` to infinity, unit of the amplitude times h.
    pub fn integral_from(&self, from_h: f64) -> f64 {
        self.value(from_h) / self.rate_per_h
    }
}

/// A curve that is a sum of exponentials of any sign, on t >= 0.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct DoseRateCurve {
    terms: Vec<Exponential>,
}

impl DoseRateCurve {
    /// `terms`: at least one; rates finite and positive, amplitudes finite, integral positive.
    pub fn new(terms: Vec<Exponential>) -> Result<Self, BedError> {
        if terms.is_empty() {
            return Err(BedError::Length { what: "terms of a dose-rate curve", found: 0, expected: 1 });
        }
        for term in &terms {
            positive("rate_per_h", term.rate_per_h)?;
            if !term.amplitude.is_finite() {
                return Err(BedError::OutOfRange { name: "amplitude", value: term.amplitude, allowed: "finite" });
            }
        }
        let curve = Self { terms };
        positive("integral of the curve", curve.integral())?;
        Ok(curve)
    }

    /// One exponential with the half-life `half_life_h` and the integral `integral`.
    pub fn mono(integral: f64, half_life_h: f64) -> Result<Self, BedError> {
        let rate_per_h = std::f64::consts::LN_2 / positive("half_life_h", half_life_h)?;
        Self::new(vec![Exponential { amplitude: integral * rate_per_h, rate_per_h }])
    }

    /// The terms.
    pub fn terms(&self) -> &[Exponential] {
        &self.terms
    }

    /// Value at `time_h`.
    pub fn value(&self, time_h: f64) -> f64 {
        self.terms.iter().map(|term| term.value(time_h)).sum()
    }

    /// Integral from 0 to infinity: the dose for a rate in Gy/h.
    pub fn integral(&self) -> f64 {
        self.integral_from(0.0)
    }

    /// Integral from `from_h` to infinity.
    pub fn integral_from(&self, from_h: f64) -> f64 {
        self.terms.iter().map(|term| term.integral_from(from_h)).sum()
    }

    /// Lea-Catcheside factor for the repair half-life `repair_half_life_h`:
    ///   G D^2 = 2 Sum_i Sum_j r_i r_j / ((l_i + l_j)(mu + l_j))        [methods/bed.md eq. 11]
    ///
    /// Independent of the scale of the curve: an activity curve gives the G of its dose rate.
    pub fn lea_catcheside_g(&self, repair_half_life_h: f64) -> f64 {
        let mu = std::f64::consts::LN_2 / repair_half_life_h;
        let mut double_sum = 0.0;
        for i in &self.terms {
            for j in &self.terms {
                double_sum += i.amplitude * j.amplitude / ((i.rate_per_h + j.rate_per_h) * (mu + j.rate_per_h));
            }
        }
        let dose = self.integral();
        2.0 * double_sum / (dose * dose)
    }
}

/// A dose rate (or activity) known at points in time, linear between them, zero before the first,
/// with a mono-exponential tail after the last.
#[derive(Clone, Debug, PartialEq)]
pub struct SampledRate {
    time_h: Vec<f64>,
    rate: Vec<f64>,
    tail_rate_per_h: Option<f64>,
}

impl SampledRate {
    /// `time_h` strictly increasing, at least two points; `rate` not negative, same length;
    /// `tail_rate_per_h` positive, or none where nothing follows the last point.
    pub fn new(time_h: Vec<f64>, rate: Vec<f64>, tail_rate_per_h: Option<f64>) -> Result<Self, BedError> {
        if time_h.len() < 2 {
            return Err(BedError::Length { what: "times of a sampled curve", found: time_h.len(), expected: 2 });
        }
        if rate.len() != time_h.len() {
            return Err(BedError::Length {
                what: "rates of a sampled curve",
                found: rate.len(),
                expected: time_h.len(),
            });
        }
        for (index, pair) in time_h.windows(2).enumerate() {
            if pair[1].partial_cmp(&pair[0]) != Some(std::cmp::Ordering::Greater) {
                return Err(BedError::TimesNotIncreasing { index: index + 1, time_h: pair[1], before_h: pair[0] });
            }
        }
        for &value in &rate {
            not_negative("rate of a sampled curve", value)?;
        }
        if let Some(tail) = tail_rate_per_h {
            positive("tail_rate_per_h", tail)?;
        }
        Ok(Self { time_h, rate, tail_rate_per_h })
    }

    /// Integral of the curve and of its tail: the dose for a rate in Gy/h.
    pub fn integral(&self) -> f64 {
        let pieces = self.time_h.windows(2).zip(self.rate.windows(2));
        let points: f64 = pieces.map(|(t, r)| trapezoid(t[1] - t[0], r[0], r[1])).sum();
        points + self.tail_integral()
    }

    /// Integral of the tail alone.
    pub fn tail_integral(&self) -> f64 {
        let last = self.rate[self.rate.len() - 1];
        self.tail_rate_per_h.map_or(0.0, |tail| last / tail)
    }

    /// Lea-Catcheside factor for the repair half-life `repair_half_life_h`.
    ///
    /// The repair state Q follows the exact recursion over each linear piece and meets R by
    /// Simpson's rule with the exact midpoint; pieces longer than a twentieth of the repair time are
    /// cut, which holds the rule's error below 1e-8; the tail is closed.
    /// [methods/bed.md eq. 12-13]
    pub fn lea_catcheside_g(&self, repair_half_life_h: f64) -> f64 {
        let mu = std::f64::consts::LN_2 / repair_half_life_h;
        let longest_h = 0.05 / mu;
        let mut state = 0.0;
        let mut integral_rq = 0.0;
        for (t, r) in self.time_h.windows(2).zip(self.rate.windows(2)) {
            let pieces = ((t[1] - t[0]) / longest_h).ceil().max(1.0);
            let step_h = (t[1] - t[0]) / pieces;
            let slope = (r[1] - r[0]) / (t[1] - t[0]);
            let mut rate = r[0];
            let mut left = pieces;
            while left > 0.5 {
                let middle = advance_state(state, rate, slope, mu, 0.5 * step_h);
                let end = advance_state(state, rate, slope, mu, step_h);
                let (rate_middle, rate_end) = (rate + 0.5 * slope * step_h, rate + slope * step_h);
                integral_rq += simpson(step_h, rate * state, rate_middle * middle, rate_end * end);
                state = end;
                rate = rate_end;
                left -= 1.0;
            }
        }
        if let Some(tail) = self.tail_rate_per_h {
            let last = self.rate[self.rate.len() - 1];
            integral_rq += last * state / (mu + tail) + last * last / (2.0 * tail * (mu + tail));
        }
        let dose = self.integral();
        if dose > 0.0 { 2.0 * integral_rq / (dose * dose) } else { 0.0 }
    }
}

/// The repair state after `step_h` of a rate that starts at `rate` and grows by `slope` per h:
///   Q e^-x + R (1 - e^-x)/mu + b (h/mu - (1 - e^-x)/mu^2),  x = mu h    [methods/bed.md eq. 12]
fn advance_state(state: f64, rate: f64, slope: f64, mu: f64, step_h: f64) -> f64 {
    let grown = -(-mu * step_h).exp_m1();
    state * (1.0 - grown) + rate * grown / mu + slope * (step_h / mu - grown / (mu * mu))
}
