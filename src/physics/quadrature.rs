//! Gauss-Legendre integration, eight points a panel.

/// Positive nodes and weights of the eight-point rule on [-1, 1] (Abramowitz & Stegun, table 25.4).
const NODES: [(f64, f64); 4] = [
    (0.183_434_642_495_649_8, 0.362_683_783_378_362),
    (0.525_532_409_916_329, 0.313_706_645_877_887_3),
    (0.796_666_477_413_626_7, 0.222_381_034_453_374_48),
    (0.960_289_856_497_536_3, 0.101_228_536_290_376_26),
];

/// Integral of `f` from `from` to `to` by one eight-point panel: exact to degree 15.
pub(super) fn panel(from: f64, to: f64, f: &dyn Fn(f64) -> f64) -> f64 {
    let (middle, half) = (0.5 * (from + to), 0.5 * (to - from));
    NODES.iter().map(|(node, weight)| weight * (f(middle - half * node) + f(middle + half * node))).sum::<f64>() * half
}

/// Integral of `f` from 0 to 1 on panels whose edges stand at powers of 10^(1/5) from 1e-4: for
/// integrands whose scale near zero is not known.
pub(super) fn graded(f: &dyn Fn(f64) -> f64) -> f64 {
    let edge = |k: i32| 10f64.powf(f64::from(k) / 5.0);
    panel(0.0, edge(-20), f) + (-20..0).map(|k| panel(edge(k), edge(k + 1), f)).sum::<f64>()
}

/// Places and weights of [`graded`], for several integrals over the same places.
pub(super) fn graded_points() -> &'static [(f64, f64)] {
    static POINTS: std::sync::OnceLock<Vec<(f64, f64)>> = std::sync::OnceLock::new();
    POINTS.get_or_init(|| {
        let edge = |k: i32| if k < -20 { 0.0 } else { 10f64.powf(f64::from(k) / 5.0) };
        let of_panel = |k: i32| {
            let (middle, half) = (0.5 * (edge(k) + edge(k + 1)), 0.5 * (edge(k + 1) - edge(k)));
            NODES.into_iter().flat_map(move |(node, weight)| {
                [(middle - half * node, weight * half), (middle + half * node, weight * half)]
            })
        };
        (-21..0).flat_map(of_panel).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn law_polynomials_and_steep_functions() {
        assert!((panel(1.0, 3.0, &|x| x.powi(15)) / ((3f64.powi(16) - 1.0) / 16.0) - 1.0).abs() < 1e-13);
        let steep = graded(&|x| 1.0 / (x + 1e-3));
        assert!((steep / (1001f64).ln() - 1.0).abs() < 1e-9, "{steep}");
        let pointwise: f64 = graded_points().iter().map(|(x, weight)| weight / (x + 1e-3)).sum();
        assert!((pointwise / steep - 1.0).abs() < 1e-12, "{pointwise}");
    }
}
