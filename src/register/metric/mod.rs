//! How well two images agree under a transform, and the derivatives of that.
//!
//! Lower is better. Sums run over fixed blocks of points, in the order of the blocks.

mod common;
mod correlation;
mod mutual_information;

use super::field::Field;
use super::sample::Samples;
use super::transform::About;

pub use common::LEAST_OVERLAP;
pub(super) use common::Score;
pub(super) use correlation::Correlation;
pub(super) use mutual_information::MutualInformation;

/// What the agreement of two images is measured by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Likeness {
    /// Mattes mutual information: any relation of the values (contrast agent, CT to SPECT).
    MutualInformation,
    /// Normalised correlation: a linear relation of the values.
    Correlation,
    /// Normalised correlation of the values' logarithms: activity, whose scale differs from organ to organ over time.
    LogCorrelation,
}

impl Likeness {
    /// Name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::MutualInformation => "mutual-information",
            Self::Correlation => "correlation",
            Self::LogCorrelation => "log-correlation",
        }
    }
}

/// Points against a moving image.
pub(super) enum Metric<'a> {
    Mutual(MutualInformation<'a>),
    Correlation(Correlation<'a>),
}

impl<'a> Metric<'a> {
    pub(super) fn new(likeness: Likeness, samples: &'a Samples, moving: &'a Field) -> Option<Self> {
        match likeness {
            Likeness::MutualInformation => MutualInformation::new(samples, moving).map(Self::Mutual),
            // fields of logarithms have been made of logarithms already
            Likeness::Correlation | Likeness::LogCorrelation => {
                Correlation::new(samples, moving).map(Self::Correlation)
            }
        }
    }

    /// Cost and slopes on at most `threads` threads; `None` where too few points fall into the moving image or all its
    /// values there are one.
    pub(super) fn score(&self, map: &About, threads: usize) -> Option<Score> {
        match self {
            Self::Mutual(metric) => metric.score(map, threads),
            Self::Correlation(metric) => metric.score(map, threads),
        }
    }
}

/// Points against a moving image along any map: the likeness (higher is better; minus infinity where too few points fall
/// into the moving image), and the share of the points that do.
pub(super) fn along(
    metric: &Metric<'_>,
    samples: &Samples,
    moving: &Field,
    map: &(dyn Fn([f64; 3]) -> Option<[f64; 3]> + Sync),
    threads: usize,
) -> (f64, f64) {
    let centre = samples.centre_mm;
    let world = |n: usize| std::array::from_fn(|axis| samples.points[n][axis] + centre[axis]);
    let place = |n: usize| map(world(n)).map(|there| moving.place(there));
    let score = match metric {
        Metric::Mutual(metric) => metric.score_at(place, threads),
        Metric::Correlation(metric) => metric.score_at(place, threads),
    };
    let inside = (0..samples.points.len()).filter(|&n| place(n).is_some_and(|at| moving.look(at).is_some())).count();
    (score.map_or(f64::NEG_INFINITY, |score| -score.cost), inside as f64 / samples.points.len() as f64)
}

/// Share of the points that fall into the moving image.
pub(super) fn overlap(samples: &Samples, moving: &Field, map: &About) -> f64 {
    let places = moving.places(map);
    let inside = samples.points.iter().filter(|p| moving.look(common::at(&places, p)).is_some()).count();
    inside as f64 / samples.points.len() as f64
}
