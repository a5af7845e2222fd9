//! Point kernels: energy by shell in every batch, so that any quantity made of them gets an honest standard error.

use super::verdict::Value;
use crate::transport::run::PassResult;

/// Energy by spherical shell around a point source.
#[derive(Clone, Debug, PartialEq)]
pub struct Kernel {
    /// Thickness of a shell, mm.
    pub width_mm: f64,
    /// Energy by shell, keV per decay; the last shell also holds what lies beyond.
    pub shells_kev: Vec<f64>,
    /// The same, batch by batch.
    batches: Vec<Vec<f64>>,
}

impl Kernel {
    /// The kernel of a pass scored in shells whose labels are their numbers.
    pub fn of(result: &PassResult, width_mm: f64) -> Self {
        let count = result.regions.first().map_or(0, |(_, sums)| sums.len());
        let batches: Vec<Vec<f64>> = (0..count)
            .map(|batch| {
                result
                    .regions
                    .iter()
                    .enumerate()
                    .map(|(shell, (_, sums))| {
                        sums[batch] as f64 * result.kev_per_entry + result.region_local_kev[shell]
                    })
                    .collect()
            })
            .collect();
        let shells = result.regions.len();
        let mean = |shell: usize| batches.iter().map(|b| b[shell]).sum::<f64>() / count.max(1) as f64;
        let shells_kev = (0..shells).map(mean).collect();
        Self { width_mm, shells_kev, batches }
    }

    /// The sum of two kernels on the same shells, batch by batch.
    ///
    /// Panics unless shells and batches are as many.
    pub fn plus(&self, other: &Self) -> Self {
        let sum = |a: &[f64], b: &[f64]| {
            assert_eq!(a.len(), b.len(), "kernels on the same shells");
            a.iter().zip(b).map(|(a, b)| a + b).collect::<Vec<f64>>()
        };
        assert_eq!(self.batches.len(), other.batches.len(), "kernels with as many batches");
        Self {
            width_mm: self.width_mm,
            shells_kev: sum(&self.shells_kev, &other.shells_kev),
            batches: self.batches.iter().zip(&other.batches).map(|(a, b)| sum(a, b)).collect(),
        }
    }

    /// A number made of the shells, with the standard error that its spread over the batches gives.
    pub fn value(&self, of: impl Fn(&[f64]) -> f64) -> Value {
        let n = self.batches.len() as f64;
        let found: Vec<f64> = self.batches.iter().map(|batch| of(batch)).collect();
        let mean = found.iter().sum::<f64>() / n;
        let spread: f64 = found.iter().map(|v| (v - mean).powi(2)).sum();
        Value::new(of(&self.shells_kev), (spread / (n * (n - 1.0))).sqrt())
    }

    /// Energy between two radii, keV per decay.
    pub fn between(&self, low_mm: f64, high_mm: f64) -> Value {
        let width = self.width_mm;
        self.value(|shells| inside(shells, width, high_mm) - inside(shells, width, low_mm))
    }

    /// Energy inside a radius, keV per decay.
    pub fn inside(&self, radius_mm: f64) -> Value {
        let width = self.width_mm;
        self.value(|shells| inside(shells, width, radius_mm))
    }

    /// The radius that holds `share` of all energy, mm.
    pub fn radius_of(&self, share: f64) -> Value {
        let edges = self.edges_mm();
        self.value(|shells| radius_of(&edges, shells, shells.iter().sum(), share))
    }

    /// The radius that holds one share of all energy over that of another.
    pub fn ratio_of_radii(&self, share: f64, over: f64) -> Value {
        let edges = self.edges_mm();
        self.value(|shells| {
            let total = shells.iter().sum();
            radius_of(&edges, shells, total, share) / radius_of(&edges, shells, total, over)
        })
    }

    fn edges_mm(&self) -> Vec<f64> {
        (0..=self.shells_kev.len()).map(|i| i as f64 * self.width_mm).collect()
    }
}

/// Energy inside a radius; inside a shell it grows in proportion to the way across it.
fn inside(shells: &[f64], width_mm: f64, radius_mm: f64) -> f64 {
    let place = radius_mm / width_mm;
    // edges are multiples of the width up to rounding
    let near = place.round();
    let place = if (place - near).abs() < 1e-6 { near } else { place };
    let whole = (place as usize).min(shells.len());
    let part = if whole < shells.len() { (place - whole as f64) * shells[whole] } else { 0.0 };
    shells[..whole].iter().sum::<f64>() + part
}

/// The radius that holds `share` of `total`, by straight lines between the edges of the shells.
pub fn radius_of(edges_mm: &[f64], shells: &[f64], total: f64, share: f64) -> f64 {
    let mut sum = 0.0;
    for (i, energy) in shells.iter().enumerate() {
        if sum + energy >= share * total {
            return edges_mm[i] + (share * total - sum) / energy * (edges_mm[i + 1] - edges_mm[i]);
        }
        sum += energy;
    }
    f64::NAN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn law_energy_inside_and_its_inverse_agree() {
        let shells = vec![4.0, 3.0, 2.0, 1.0];
        let kernel = Kernel { width_mm: 0.5, shells_kev: shells.clone(), batches: vec![shells.clone(), shells] };
        assert_eq!(kernel.inside(1.0).value, 7.0);
        assert_eq!(kernel.inside(1.25).value, 8.0);
        assert_eq!(kernel.inside(9.0).value, 10.0);
        assert_eq!(kernel.between(0.5, 1.5), Value::new(5.0, 0.0));
        assert!((kernel.radius_of(0.8).value - 1.25).abs() < 1e-12);
    }
}
