//! What the place of the images leaves uncertain of an integral.
//!
//! The activity of image i has the relative uncertainty s_i by its place, each image's independent of the others'. To first
//! order u^2(ln TIA) = Sum_i (w_i s_i)^2 with w_i = d ln TIA / d ln A_i, here by laying the curve again through the points
//! with A_i times e^(+s_i) and e^(-s_i): half the difference of the logarithms is w_i s_i.

use super::time_activity::ActivityPoint;

/// Relative standard uncertainty of an integral whose points have these by their place, one a point.
///
/// `integral` lays the curve again; where it does not pass the moved points (`None`), the integral is taken to follow that
/// point as a whole.
pub(super) fn integral_rel_sigma(
    points: &[ActivityPoint],
    sigmas: &[f64],
    integral: impl Fn(&[ActivityPoint]) -> Option<f64>,
) -> f64 {
    let moved = |n: usize, by: f64| {
        let mut moved = points.to_vec();
        moved[n].activity_mbq *= by.exp();
        integral(&moved).filter(|tia| *tia > 0.0).map(f64::ln)
    };
    let of = |(n, &sigma): (usize, &f64)| {
        let pair = moved(n, sigma).zip(moved(n, -sigma));
        pair.map_or(sigma, |(up, down)| 0.5 * (up - down))
    };
    let own = sigmas.iter().enumerate().filter(|(_, sigma)| **sigma > 0.0);
    own.map(|one| of(one).powi(2)).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(activities: [f64; 2]) -> [ActivityPoint; 2] {
        let point = |time_h, activity_mbq| ActivityPoint { time_h, activity_mbq, rel_sigma: None };
        [point(24.0, activities[0]), point(96.0, activities[1])]
    }

    /// One exponential through two points, MBq h.
    fn mono(points: &[ActivityPoint]) -> Option<f64> {
        let (a, b) = (points[0].activity_mbq, points[1].activity_mbq);
        let rate_per_h = (a / b).ln() / (points[1].time_h - points[0].time_h);
        (rate_per_h > 0.0).then(|| a * (rate_per_h * points[0].time_h).exp() / rate_per_h)
    }

    /// Through two points: d ln TIA/d ln A_1 = 1 + t_1/T - 1/(l T), d ln TIA/d ln A_2 = -t_1/T + 1/(l T), T = t_2 - t_1.
    #[test]
    fn law_an_integral_follows_its_points_as_their_levers_say() {
        let points = points([100.0, 35.0]);
        let rate = (100.0_f64 / 35.0).ln() / 72.0;
        let second = 1.0 / (rate * 72.0) - 24.0 / 72.0;
        for (sigmas, expected) in [
            ([0.01, 0.0], 0.01 * (1.0 - second).abs()),
            ([0.0, 0.01], 0.01 * second.abs()),
            ([0.02, 0.01], (0.02 * (1.0 - second)).hypot(0.01 * second)),
            ([0.0, 0.0], 0.0),
        ] {
            let found = integral_rel_sigma(&points, &sigmas, mono);
            assert!((found - expected).abs() < 1e-3 * expected.max(1e-9), "{sigmas:?}: {found} {expected}");
        }
        // alarm: levers of 1 are told from the true ones
        let found = integral_rel_sigma(&points, &[0.02, 0.01], mono);
        assert!((found / 0.02_f64.hypot(0.01) - 1.0).abs() > 0.05);
    }

    /// A curve that does not pass the moved points counts in full.
    #[test]
    fn law_a_curve_that_fails_counts_in_full() {
        // the second point, moved up, lies above the first
        assert_eq!(integral_rel_sigma(&points([100.0, 95.0]), &[0.0, 0.2], mono), 0.2);
    }
}
