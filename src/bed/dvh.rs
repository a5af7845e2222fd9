//! Cumulative dose-volume histograms of a dose or BED map.

use crate::fault::{Explained, Fault, FaultKind, explained};
use thiserror::Error;

/// Why a histogram cannot be made.
#[derive(Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum DvhError {
    /// No voxel, or no weight.
    Empty,
    /// A value or a weight that is no number, or a negative weight.
    NotANumber {
        /// Position among the region's voxels.
        index: usize,
        /// The value.
        value: f64,
        /// The weight.
        weight: f64,
    },
}

explained!(DvhError);

impl Explained for DvhError {
    fn fault(&self) -> Fault {
        match self {
            Self::Empty => Fault::of(FaultKind::Missing)
                .found("no voxel")
                .allowed("at least one voxel of positive weight")
                .then("check the label number")
                .form("a dose-volume histogram needs {allowed}"),
            Self::NotANumber { index, value, weight } => Fault::of(FaultKind::Invalid)
                .place(format!("voxel {index} of the region"))
                .found(format!("value {value}, weight {weight}"))
                .then("both must be finite, the weight not negative")
                .form("{place}: {found}"),
        }
    }
}

/// A cumulative histogram kept as sorted voxels: no bins, hence no bin width.
///
/// Weights are masses by default (a mass-weighted histogram); ones give the volume-weighted one.
/// Its sharpness is that of the map: a histogram of a SPECT-derived map is limited by the resolution
/// of the scanner, not by the voxel.
#[derive(Clone, Debug, PartialEq)]
pub struct DoseVolumeHistogram {
    /// Values, descending.
    value: Vec<f64>,
    /// Share of the weight at the middle of each sorted voxel, in (0, 1), ascending.
    share: Vec<f64>,
    /// Weight of each sorted voxel over the total.
    weight: Vec<f64>,
}

impl DoseVolumeHistogram {
    /// From (value, weight) of every voxel of the region, in any order.
    pub fn new(voxels: impl IntoIterator<Item = (f64, f64)>) -> Result<Self, DvhError> {
        let mut sorted: Vec<(f64, f64)> = Vec::new();
        for (index, (value, weight)) in voxels.into_iter().enumerate() {
            if !value.is_finite() || !weight.is_finite() || weight < 0.0 {
                return Err(DvhError::NotANumber { index, value, weight });
            }
            if weight > 0.0 {
                sorted.push((value, weight));
            }
        }
        if sorted.is_empty() {
            return Err(DvhError::Empty);
        }
        sorted.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.total_cmp(&b.1)));
        let total: f64 = sorted.iter().map(|v| v.1).sum();
        let mut below = 0.0;
        let share = sorted
            .iter()
            .map(|&(_, w)| {
                let middle = (below + 0.5 * w) / total;
                below += w;
                middle
            })
            .collect();
        Ok(Self {
            value: sorted.iter().map(|v| v.0).collect(),
            share,
            weight: sorted.iter().map(|v| v.1 / total).collect(),
        })
    }

    /// D_x: the value that at least `percent` % of the weight receives; linear between the middles
    /// of the sorted voxels, the end voxels beyond them. `percent` in [0, 100].
    pub fn value_at_percent(&self, percent: f64) -> f64 {
        let wanted = percent / 100.0;
        let above = self.share.partition_point(|&share| share <= wanted);
        if above == 0 {
            return self.value[0];
        }
        if above == self.share.len() {
            return self.value[above - 1];
        }
        let (x0, x1) = (self.share[above - 1], self.share[above]);
        let (y0, y1) = (self.value[above - 1], self.value[above]);
        y0 + (y1 - y0) * (wanted - x0) / (x1 - x0)
    }

    /// V_y: the share of the weight, %, whose value is at least `value`.
    pub fn percent_at_value(&self, value: f64) -> f64 {
        let voxels = self.value.partition_point(|&v| v >= value);
        100.0 * self.weight[..voxels].iter().sum::<f64>()
    }

    /// Weighted mean.
    pub fn mean(&self) -> f64 {
        self.value.iter().zip(&self.weight).map(|(v, w)| v * w).sum()
    }

    /// Weighted variance about the mean.
    pub fn variance(&self) -> f64 {
        let mean = self.mean();
        self.value.iter().zip(&self.weight).map(|(v, w)| w * (v - mean).powi(2)).sum()
    }

    /// Largest value.
    pub fn max(&self) -> f64 {
        self.value[0]
    }

    /// Smallest value.
    pub fn min(&self) -> f64 {
        self.value[self.value.len() - 1]
    }
}
