//! What an outline does to counts, recovery and mass, to first order.
//!
//! In the form of the EANM guidance (Gear et al., Eur J Nucl Med Mol Imaging 2018;45:2456), each derived and held against a
//! blurred sphere in the tests. With the volume v of the outline, the equal sphere's radius r and diameter d, the image's
//! standard deviation s = FWHM/(2 sqrt(2 ln 2)) and the recovery R(v):
//!
//!   u^2(d) = a^2/6 + p FWHM^2/(4 ln 2)                        [methods/uncertainty.md eq. 1]
//!   u(v)/v = 3 u(d)/d                                         [eq. 2]
//!   phi    = erf(2r/(s sqrt 2)) - 2s/(r sqrt(2 pi)) (1 - e^(-2 r^2/s^2))   [eq. 3]
//!   d ln C/d ln v = phi/(2R),   d ln A/d ln v = phi/(2R) - (v/R) dR/dv     [eq. 4]
//!
//! a is the voxel's edge: an edge of the outline lies anywhere in a voxel, a variance of a^2/12, and there are two. p is the
//! share of the blurred edge's variance that the observer cannot tell. phi is twice the blurred profile at the edge.

use statrs::function::erf::erf;
use std::f64::consts::{LN_2, PI, SQRT_2};

/// Radius of the sphere of a volume, mm; volume in mL.
fn radius_mm(volume_ml: f64) -> f64 {
    (3e3 * volume_ml / (4.0 * PI)).cbrt()
}

/// Relative standard uncertainty of a volume, from its voxel and the image's width: eqs. 1 and 2.
///
/// `unplaced` is the share of the blurred edge's variance that an observer cannot tell, 0 to 1.
pub fn volume_rel_sigma(volume_ml: f64, voxel_mm: f64, fwhm_mm: f64, unplaced: f64) -> f64 {
    let variance = voxel_mm * voxel_mm / 6.0 + unplaced * fwhm_mm * fwhm_mm / (4.0 * LN_2);
    3.0 * variance.sqrt() / (2.0 * radius_mm(volume_ml))
}

/// Relative standard uncertainty of a volume whose outline lies off by `outline_sigma_mm` all over: dv/v = 3 dr/r.
pub fn volume_rel_sigma_of_outline(volume_ml: f64, outline_sigma_mm: f64) -> f64 {
    3.0 * outline_sigma_mm / radius_mm(volume_ml)
}

/// What the blurred edge adds to the counts for a small change of the outline: eq. 3, 0 to 1.
pub fn phi(volume_ml: f64, fwhm_mm: f64) -> f64 {
    let (r, s) = (radius_mm(volume_ml), fwhm_mm / (2.0 * (2.0 * LN_2).sqrt()));
    erf(SQRT_2 * r / s) - 2.0 * s / (r * (2.0 * PI).sqrt()) * (1.0 - (-2.0 * r * r / (s * s)).exp())
}

/// d ln A / d ln v of an activity that is corrected by the recovery R(v): eq. 4. `log_slope` is d ln R / d ln v.
pub fn activity_by_volume(volume_ml: f64, fwhm_mm: f64, recovery: f64, log_slope: f64) -> f64 {
    phi(volume_ml, fwhm_mm) / (2.0 * recovery) - log_slope
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The blurred indicator of a sphere at a distance from its middle, by quadrature over the Gaussian.
    fn profile(radius: f64, s: f64, distance: f64) -> f64 {
        let steps = 4000;
        let width = 16.0 * s / steps as f64;
        let share = |along: f64| {
            let half2 = radius * radius - along * along;
            // what of the plane across lies in the sphere's disc: a Gaussian in two dimensions
            if half2 > 0.0 { 1.0 - (-half2 / (2.0 * s * s)).exp() } else { 0.0 }
        };
        (0..steps)
            .map(|n| distance - 8.0 * s + (n as f64 + 0.5) * width)
            .map(|x| share(x) * (-(x - distance).powi(2) / (2.0 * s * s)).exp() / (s * (2.0 * PI).sqrt()) * width)
            .sum()
    }

    /// Counts in a concentric outline of another radius, over the true sphere's.
    fn counts(radius: f64, s: f64, outline: f64) -> f64 {
        let steps = 400;
        let width = outline / steps as f64;
        let at = |n: i32| (f64::from(n) + 0.5) * width;
        (0..steps).map(at).map(|r| profile(radius, s, r) * 3.0 * r * r * width / radius.powi(3)).sum()
    }

    #[test]
    fn law_phi_is_what_the_blurred_edge_adds() {
        for (volume_ml, fwhm_mm) in [(2.0, 9.0), (20.0, 9.0), (150.0, 12.0)] {
            let (radius, s) = (radius_mm(volume_ml), fwhm_mm / (2.0 * (2.0 * LN_2).sqrt()));
            assert!((phi(volume_ml, fwhm_mm) / (2.0 * profile(radius, s, radius)) - 1.0).abs() < 1e-3);
            let recovery = counts(radius, s, radius);
            let step = 1e-3;
            let moved = |by: f64| counts(radius, s, radius * (1.0 + by / 3.0)).ln();
            let slope = (moved(step) - moved(-step)) / (2.0 * step);
            let formula = phi(volume_ml, fwhm_mm) / (2.0 * recovery);
            assert!((slope / formula - 1.0).abs() < 0.01, "{volume_ml} {fwhm_mm}: {slope} {formula}");
        }
    }

    /// Counts over the recovery of the outline's own volume: both move, and partly cancel.
    #[test]
    fn law_recovery_and_counts_share_the_outline() {
        let (volume_ml, fwhm_mm) = (10.0, 9.0);
        let (radius, s) = (radius_mm(volume_ml), fwhm_mm / (2.0 * (2.0 * LN_2).sqrt()));
        let own = |r: f64| counts(r, s, r);
        let step = 2e-3;
        let activity = |by: f64| {
            let outline = radius * (1.0 + by / 3.0);
            (counts(radius, s, outline) / own(outline)).ln()
        };
        let slope = (activity(step) - activity(-step)) / (2.0 * step);
        let at = |by: f64| own(radius * (1.0 + by / 3.0)).ln();
        let log_slope = (at(step) - at(-step)) / (2.0 * step);
        let formula = activity_by_volume(volume_ml, fwhm_mm, own(radius), log_slope);
        assert!((slope - formula).abs() < 0.01, "{slope} {formula}");
        assert!(formula < 0.9 * phi(volume_ml, fwhm_mm) / (2.0 * own(radius)));
        // alarm: a slope of the other sign is seen
        assert!((slope - activity_by_volume(volume_ml, fwhm_mm, own(radius), -log_slope)).abs() > 0.05);
    }

    /// Edges drawn within their voxels scatter the diameter by a/sqrt(6).
    #[test]
    fn law_voxels_scatter_the_diameter() {
        let (n, a) = (400, 4.0);
        let at = |k: i32| (f64::from(k) + 0.5) / f64::from(n) - 0.5;
        let pairs = (0..n).flat_map(|i| (0..n).map(move |j| (i, j)));
        let variance = pairs.map(|(i, j)| (a * (at(i) + at(j))).powi(2)).sum::<f64>() / f64::from(n * n);
        let d = 2.0 * radius_mm(33.5);
        assert!((volume_rel_sigma(33.5, a, 10.0, 0.0) / (3.0 * variance.sqrt() / d) - 1.0).abs() < 1e-4);
        assert!(volume_rel_sigma(33.5, a, 10.0, 0.5) > volume_rel_sigma(33.5, a, 10.0, 0.1));
        let of_outline = volume_rel_sigma_of_outline(33.5, 1.0);
        assert!((of_outline - ((0.5 * d + 1e-3).powi(3) / (0.5 * d).powi(3)).ln() / 1e-3).abs() < 1e-3);
    }
}
