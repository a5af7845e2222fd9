//! The curves of the population model, in the coordinates in which their parameters are normal.
//!
//!   a(t) = A [(1 - w) e^(-ls t) + w e^(-lf t) - e^(-lu t)],  l = ln 2 / T     [methods/kinetics.md eq. 2]
//!
//! with the effective half-lives T of the slow and the fast wash-out and of the uptake. A shape has the terms that it
//! names. Coordinates: ln A (MBq), ln T (h), and ln(w/(1-w)).

use std::f64::consts::LN_2;

/// Which terms a curve has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// Wash-out alone.
    Mono,
    /// Uptake and one wash-out: 0 at the injection.
    Uptake,
    /// Fast and slow wash-out.
    TwoPhase,
    /// Uptake, fast and slow wash-out.
    TwoPhaseUptake,
}

/// One exponential of a curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Term {
    /// Amplitude, MBq, any sign.
    pub amplitude_mbq: f64,
    /// Decay rate, 1/h.
    pub rate_per_h: f64,
}

/// Step of numerical derivatives in logarithmic coordinates: central differences err by its square.
pub(super) const STEP: f64 = 1e-4;

impl Shape {
    /// Names of the parameters of the shape beside the amplitude.
    pub fn kinetic_names(self) -> &'static [&'static str] {
        match self {
            Self::Mono => &["half_life_h"],
            Self::Uptake => &["half_life_h", "uptake_half_life_h"],
            Self::TwoPhase => &["half_life_h", "fast_share", "fast_half_life_h"],
            Self::TwoPhaseUptake => &["half_life_h", "fast_share", "fast_half_life_h", "uptake_half_life_h"],
        }
    }

    /// Number of those parameters.
    pub fn kinetics(self) -> usize {
        self.kinetic_names().len()
    }

    /// The coordinate of a parameter's value.
    pub fn coordinate(self, parameter: usize, value: f64) -> f64 {
        if self.kinetic_names()[parameter] == "fast_share" { (value / (1.0 - value)).ln() } else { value.ln() }
    }

    /// The value of a parameter at a coordinate.
    pub fn value_of(self, parameter: usize, coordinate: f64) -> f64 {
        if self.kinetic_names()[parameter] == "fast_share" {
            1.0 / (1.0 + (-coordinate).exp())
        } else {
            coordinate.exp()
        }
    }

    /// The exponentials at ln A and the kinetic coordinates.
    pub fn terms(self, ln_amplitude: f64, kinetic: &[f64]) -> Vec<Term> {
        let amplitude = ln_amplitude.exp();
        let of = |share: f64, ln_half_life_h: f64| Term {
            amplitude_mbq: amplitude * share,
            rate_per_h: LN_2 / ln_half_life_h.exp(),
        };
        match self {
            Self::Mono => vec![of(1.0, kinetic[0])],
            Self::Uptake => vec![of(1.0, kinetic[0]), of(-1.0, kinetic[1])],
            Self::TwoPhase | Self::TwoPhaseUptake => {
                let fast = self.value_of(1, kinetic[1]);
                let mut terms = vec![of(1.0 - fast, kinetic[0]), of(fast, kinetic[2])];
                if self == Self::TwoPhaseUptake {
                    terms.push(of(-1.0, kinetic[3]));
                }
                terms
            }
        }
    }

    /// Logarithm of the activity, MBq, at `time_h`; none where the curve is not above 0.
    pub fn ln_activity(self, ln_amplitude: f64, kinetic: &[f64], time_h: f64) -> Option<f64> {
        let terms = self.terms(0.0, kinetic);
        let value: f64 = terms.iter().map(|t| t.amplitude_mbq * (-t.rate_per_h * time_h).exp()).sum();
        (value > 0.0).then(|| ln_amplitude + value.ln())
    }

    /// Logarithm of the integral to infinity, MBq h; none where it is not above 0.
    pub fn ln_integral(self, ln_amplitude: f64, kinetic: &[f64]) -> Option<f64> {
        let value: f64 = self.terms(0.0, kinetic).iter().map(|t| t.amplitude_mbq / t.rate_per_h).sum();
        (value > 0.0).then(|| ln_amplitude + value.ln())
    }

    /// The gradient of `of` in the kinetic coordinates by central differences.
    pub(super) fn gradient(kinetic: &[f64], of: impl Fn(&[f64]) -> Option<f64>) -> Option<Vec<f64>> {
        let mut at = kinetic.to_vec();
        let mut gradient = Vec::with_capacity(kinetic.len());
        for index in 0..kinetic.len() {
            at[index] = kinetic[index] + STEP;
            let above = of(&at)?;
            at[index] = kinetic[index] - STEP;
            let below = of(&at)?;
            at[index] = kinetic[index];
            gradient.push((above - below) / (2.0 * STEP));
        }
        Some(gradient)
    }
}
