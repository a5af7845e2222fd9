//! Mutual information by the method of Mattes: a joint histogram with boxes for the fixed and cubic B-splines for the
//! moving values as Parzen windows.
//!
//! Source: Mattes, Haynor, Vesselle, Lewellen, Eubank, IEEE Trans. Med. Imaging 22 (2003) 120, equations 6 to 11. With p the
//! joint probability, p_m its sum over the fixed bins, u_i the place of moving value m_i among bins of width w:
//!
//! I = sum p log(p / (p_f p_m)),   dI / dm_i = 1 / (N w) sum_b B3'(u_i - b) log(p(f_i, b) / p_m(b)),
//!
//! since the derivatives of p, of p_m and of p_f sum to nothing (the windows' sum is 1 everywhere). The cost is -I.

use super::common::{LEAST_OVERLAP, Score, add, add_slopes, at, blocks};
use crate::register::field::{Field, Looked};
use crate::register::sample::Samples;
use crate::register::transform::{About, Slopes};

/// Bins over the range of values; a CT's window of 1200 HU gives 25 HU a bin.
const BINS: usize = 48;
/// Bins beyond the lowest and the highest moving value, for the windows' width.
const PADDING: usize = 2;
/// Bins of the moving values.
const MOVING_BINS: usize = BINS + 2 * PADDING;

/// Points and a moving image.
pub(in crate::register) struct MutualInformation<'a> {
    samples: &'a Samples,
    moving: &'a Field,
    /// Bin of each point's fixed value.
    bins: Vec<u16>,
    lowest: f64,
    width: f64,
}

/// What one block found: its histogram, and each point inside with value and slope.
struct Part {
    histogram: Vec<f64>,
    inside: Vec<(usize, Looked)>,
}

impl<'a> MutualInformation<'a> {
    pub(super) fn new(samples: &'a Samples, moving: &'a Field) -> Option<Self> {
        let range = samples.values.iter().fold([f64::INFINITY, f64::NEG_INFINITY], |[l, h], &v| [l.min(v), h.max(v)]);
        let [lowest, highest] = moving.range();
        if !(range[1] > range[0] && highest > lowest) {
            return None;
        }
        let fixed_width = (range[1] - range[0]) / BINS as f64;
        let bin = |&v: &f64| (((v - range[0]) / fixed_width) as usize).min(BINS - 1) as u16;
        // a hair wider, so that the highest value is below the last bin's end
        let width = (highest - lowest) * (1.0 + 1e-9) / BINS as f64;
        Some(Self { samples, moving, bins: samples.values.iter().map(bin).collect(), lowest, width })
    }

    /// First of the four bins that a moving value falls into, and its distance from the second, 0 to 1.
    fn place(&self, value: f64) -> (usize, f64) {
        let u = PADDING as f64 + (value - self.lowest) / self.width;
        let second = u.floor();
        (second as usize - 1, u - second)
    }

    fn parts(&self, place: impl Fn(usize) -> Option<[f64; 3]> + Sync, threads: usize) -> Vec<Part> {
        blocks(self.samples.points.len(), threads, |range| {
            let mut histogram = vec![0.0; BINS * MOVING_BINS];
            let mut inside = Vec::with_capacity(range.len());
            for n in range {
                let Some(looked) = place(n).and_then(|place| self.moving.look(place)) else { continue };
                let (first, share) = self.place(looked.0);
                let row = usize::from(self.bins[n]) * MOVING_BINS + first;
                for (bin, weight) in histogram[row..row + 4].iter_mut().zip(windows(share)) {
                    *bin += weight;
                }
                inside.push((n, looked));
            }
            Part { histogram, inside }
        })
    }

    pub(super) fn score(&self, map: &About, threads: usize) -> Option<Score> {
        let places = self.moving.places(map);
        self.score_at(|n| Some(at(&places, &self.samples.points[n])), threads)
    }

    /// Cost with each point's place in voxels of the moving image; the slopes are those by a matrix and a shift.
    pub(super) fn score_at(&self, place: impl Fn(usize) -> Option<[f64; 3]> + Sync, threads: usize) -> Option<Score> {
        let parts = self.parts(place, threads);
        let count: usize = parts.iter().map(|part| part.inside.len()).sum();
        if (count as f64) < LEAST_OVERLAP * self.samples.points.len() as f64 {
            return None;
        }
        let mut joint = vec![0.0; BINS * MOVING_BINS];
        for part in &parts {
            joint.iter_mut().zip(&part.histogram).for_each(|(a, b)| *a += b);
        }
        joint.iter_mut().for_each(|v| *v /= count as f64);
        let (information, logs) = information(&joint);
        let factor = -1.0 / (count as f64 * self.width);
        let work = |part: &Part| {
            let mut slopes = Slopes::default();
            for &(n, (value, slope)) in &part.inside {
                let (first, share) = self.place(value);
                let row = usize::from(self.bins[n]) * MOVING_BINS + first;
                let by_value: f64 = window_slopes(share).iter().zip(&logs[row..row + 4]).map(|(b, l)| b * l).sum();
                add_slopes(&mut slopes, factor * by_value, slope, &self.samples.points[n]);
            }
            slopes
        };
        let mut slopes = Slopes::default();
        for part in crate::cores::of_each_on(threads, &parts, work) {
            add(&mut slopes, &part);
        }
        Some(Score { cost: -information, slopes: self.moving.to_world(&slopes) })
    }
}

/// Mutual information, and log(p / p_m) of every bin (0 where p is 0, since no window reaches there).
fn information(joint: &[f64]) -> (f64, Vec<f64>) {
    let fixed: Vec<f64> = joint.chunks(MOVING_BINS).map(|row| row.iter().sum()).collect();
    let moving: Vec<f64> = (0..MOVING_BINS).map(|b| (0..BINS).map(|a| joint[a * MOVING_BINS + b]).sum()).collect();
    let mut total = 0.0;
    let mut logs = vec![0.0; joint.len()];
    for (index, &p) in joint.iter().enumerate().filter(|(_, p)| **p > 0.0) {
        let (a, b) = (index / MOVING_BINS, index % MOVING_BINS);
        logs[index] = (p / moving[b]).ln();
        total += p * (logs[index] - fixed[a].ln());
    }
    (total, logs)
}

/// Cubic B-spline in the four bins around a value that lies `t` behind the second.
fn windows(t: f64) -> [f64; 4] {
    let s = 1.0 - t;
    let near = |x: f64| (4.0 + x * x * (3.0 * x - 6.0)) / 6.0;
    [s * s * s / 6.0, near(t), near(s), t * t * t / 6.0]
}

/// Derivatives of [`windows`] by the value, in bins.
fn window_slopes(t: f64) -> [f64; 4] {
    let s = 1.0 - t;
    let near = |x: f64| x * (1.5 * x - 2.0);
    [-0.5 * s * s, near(t), -near(s), 0.5 * t * t]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The windows add up to 1 everywhere, and their slopes are their differences.
    #[test]
    fn law_parzen_windows_are_a_partition_of_one() {
        for n in 0..=20 {
            let t = f64::from(n) / 20.0;
            assert!((windows(t).iter().sum::<f64>() - 1.0).abs() < 1e-15);
            assert!(window_slopes(t).iter().sum::<f64>().abs() < 1e-15);
            let h = 1e-6;
            let (up, down) = (windows(t + h), windows(t - h));
            for (k, slope) in window_slopes(t).into_iter().enumerate() {
                assert!(((up[k] - down[k]) / (2.0 * h) - slope).abs() < 1e-9, "{t} {k}");
            }
        }
    }
}
