//! Sphere self dose from a point kernel.
//!
//! The energy in each shell of the kernel counts with the chance that a point at distance r, in a random direction from a
//! random point of a sphere of radius R, lies in the sphere, averaged over the shell:
//!   g(r) = 1 - 3 r / (4 R) + r^3 / (16 R^3),  r <= 2 R,
//! which is exact for isotropic point kernels in one endless medium (W. J. Kellerer, Radiat. Res. 47 (1971) 359,
//! chords of convex bodies).

use super::kernel::Kernel;
use super::verdict::Value;

/// Energy absorbed in a sphere of `radius_mm` filled evenly with the kernel's source, keV per decay.
pub fn absorbed_kev(kernel: &Kernel, radius_mm: f64) -> Value {
    let width = kernel.width_mm;
    // the last shell holds what lies beyond the others
    let count = kernel.shells_kev.len() - 1;
    let weights: Vec<f64> =
        (0..count).map(|i| mean_overlap(i as f64 * width, (i + 1) as f64 * width, radius_mm)).collect();
    kernel.value(|shells| shells[..count].iter().zip(&weights).map(|(e, w)| e * w).sum())
}

/// Mean of g over a shell.
fn mean_overlap(low_mm: f64, high_mm: f64, radius_mm: f64) -> f64 {
    let end = 2.0 * radius_mm;
    if low_mm >= end {
        return 0.0;
    }
    let x = |r: f64| r.min(end) / radius_mm;
    let integral = |x: f64| x - 3.0 * x * x / 8.0 + x.powi(4) / 64.0;
    (integral(x(high_mm)) - integral(x(low_mm))) * radius_mm / (high_mm - low_mm)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The mean over all distances, weighted with the density of distances from a point, is the volume: a kernel
    /// even in space is absorbed as r^2 g(r) integrated, 4 pi R^3 / 3.
    #[test]
    fn law_overlap_integrates_to_the_volume() {
        let radius = 3.0;
        let n = 6000;
        let width = 2.0 * radius / f64::from(n);
        let sum: f64 = (0..n)
            .map(|i| {
                let (low, high) = (f64::from(i) * width, f64::from(i + 1) * width);
                4.0 / 3.0 * std::f64::consts::PI * (high.powi(3) - low.powi(3)) * mean_overlap(low, high, radius)
            })
            .sum();
        let volume = 4.0 / 3.0 * std::f64::consts::PI * radius.powi(3);
        assert!((sum / volume - 1.0).abs() < 1e-6, "{sum} {volume}");
        assert_eq!(mean_overlap(6.0, 7.0, radius), 0.0);
    }
}
