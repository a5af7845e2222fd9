//! Normalised correlation of the values at the points that fall into the moving image.
//!
//! rho = S_fm / sqrt(S_ff S_mm) with S_ab the sum of the products of deviations from the mean over those points, each
//! times the point's weight. By a
//! moving value m_i: d rho / d m_i = ((f_i - f) - (S_fm / S_mm) (m_i - m)) / sqrt(S_ff S_mm). The cost is -rho.

use super::common::{LEAST_OVERLAP, Score, add, add_slopes, at, blocks};
use crate::register::field::Field;
use crate::register::sample::Samples;
use crate::register::transform::{About, Slopes};

/// Points and a moving image.
pub(in crate::register) struct Correlation<'a> {
    samples: &'a Samples,
    moving: &'a Field,
    /// Values about which sums are taken, so that no large numbers cancel: a fixed and a moving one.
    about: [f64; 2],
}

/// Sums over the points inside, each times its weight: of 1, f, m, f f, m m, f m, and of the slopes of m times 1, f, m.
#[derive(Clone, Default)]
struct Sums {
    plain: [f64; 6],
    slopes: [Slopes; 3],
}

impl<'a> Correlation<'a> {
    pub(super) fn new(samples: &'a Samples, moving: &'a Field) -> Option<Self> {
        let f = samples.values.iter().sum::<f64>() / samples.values.len() as f64;
        let m = moving.data.iter().map(|&v| f64::from(v)).sum::<f64>() / moving.data.len() as f64;
        Some(Self { samples, moving, about: [f, m] })
    }

    fn sums(&self, place: impl Fn(usize) -> Option<[f64; 3]> + Sync, threads: usize) -> Sums {
        let Samples { points, values, weights, .. } = self.samples;
        let parts = blocks(points.len(), threads, |range| {
            let mut sums = Sums::default();
            for n in range {
                let point = &points[n];
                let Some((value, slope)) = place(n).and_then(|place| self.moving.look(place)) else { continue };
                let (f, m) = (values[n] - self.about[0], value - self.about[1]);
                for (sum, term) in sums.plain.iter_mut().zip([1.0, f, m, f * f, m * m, f * m]) {
                    *sum += weights[n] * term;
                }
                for (slopes, factor) in sums.slopes.iter_mut().zip([1.0, f, m]) {
                    add_slopes(slopes, weights[n] * factor, slope, point);
                }
            }
            sums
        });
        let mut all = Sums::default();
        for part in &parts {
            all.plain.iter_mut().zip(part.plain).for_each(|(a, b)| *a += b);
            all.slopes.iter_mut().zip(&part.slopes).for_each(|(a, b)| add(a, b));
        }
        all
    }

    pub(super) fn score(&self, map: &About, threads: usize) -> Option<Score> {
        let places = self.moving.places(map);
        self.score_at(|n| Some(at(&places, &self.samples.points[n])), threads)
    }

    /// Cost with each point's place in voxels of the moving image; the slopes are those by a matrix and a shift.
    pub(super) fn score_at(&self, place: impl Fn(usize) -> Option<[f64; 3]> + Sync, threads: usize) -> Option<Score> {
        let Sums { plain: [n, f, m, ff, mm, fm], slopes } = self.sums(place, threads);
        if n < LEAST_OVERLAP * self.samples.weights.iter().sum::<f64>() {
            return None;
        }
        let (s_ff, s_mm, s_fm) = (ff - f * f / n, mm - m * m / n, fm - f * m / n);
        let norm = (s_ff * s_mm).sqrt();
        if norm.is_nan() || norm <= 0.0 {
            return None;
        }
        let ratio = s_fm / s_mm;
        let by_place: Slopes = std::array::from_fn(|r| {
            std::array::from_fn(|c| {
                let [one, with_f, with_m] = [0, 1, 2].map(|k| slopes[k][r][c]);
                -((with_f - f / n * one) - ratio * (with_m - m / n * one)) / norm
            })
        });
        Some(Score { cost: -s_fm / norm, slopes: self.moving.to_world(&by_place) })
    }
}
