//! How well two images agree under a transform, and the derivatives of that.
//!
//! Lower is better. Sums run over fixed blocks of points, in the order of the blocks.

mod correlation;
mod mutual_information;

use super::field::Field;
use super::sample::Samples;
use super::transform::{About, Slopes};
use crate::cores;

pub(super) use correlation::Correlation;
pub(super) use mutual_information::MutualInformation;

/// Points a block: one thread's piece, and the order of the sums.
const BLOCK: usize = 2048;
/// Smallest share of the points that must fall into the moving image.
pub const LEAST_OVERLAP: f64 = 0.25;

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

/// The value of a metric and its derivatives by the transform's matrix and shift.
#[derive(Clone, Debug)]
pub(super) struct Score {
    pub(super) cost: f64,
    pub(super) slopes: Slopes,
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

/// Share of the points that fall into the moving image.
pub(super) fn overlap(samples: &Samples, moving: &Field, map: &About) -> f64 {
    let places = moving.places(map);
    let inside = samples.points.iter().filter(|p| moving.look(at(&places, p)).is_some()).count();
    inside as f64 / samples.points.len() as f64
}

/// Where a point falls, in voxels of the moving image.
#[inline]
fn at(places: &Slopes, [x, y, z]: &[f64; 3]) -> [f64; 3] {
    places.map(|[a, b, c, d]| a * x + b * y + c * z + d)
}

/// What `work` makes of each block of `count` points, in their order.
fn blocks<R: Send>(count: usize, threads: usize, work: impl Fn(std::ops::Range<usize>) -> R + Sync) -> Vec<R> {
    let starts = (0..count).step_by(BLOCK);
    cores::of_each_on(threads, starts, |from| work(from..(from + BLOCK).min(count)))
}

/// Adds a derivative by place to the slopes of a point: by the matrix with the point, by the shift with 1.
#[inline]
fn add_slopes(to: &mut Slopes, factor: f64, by_place: [f64; 3], [x, y, z]: &[f64; 3]) {
    for (row, slope) in to.iter_mut().zip(by_place) {
        let s = factor * slope;
        row[0] += s * x;
        row[1] += s * y;
        row[2] += s * z;
        row[3] += s;
    }
}

fn add(to: &mut Slopes, other: &Slopes) {
    to.iter_mut().flatten().zip(other.iter().flatten()).for_each(|(a, b)| *a += b);
}
