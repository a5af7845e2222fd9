//! The band of everything known of a dose.
//!
//! Errors that a whole region has in common (activity, mass, decay data, transport of its mean) move its curve along the dose:
//! with the ends of the mean dose's 95 % interval over that dose, f_low and f_high,
//!
//!   share_low(D) = share(D/f_low),   share_high(D) = share(D/f_high)         [methods/uncertainty.md eq. 8]
//!
//! The noise of single voxels is not in it.

use super::Dvh;
use super::band::Curve;

/// The band at the points of a curve.
#[derive(Clone, Debug, PartialEq)]
pub struct TotalBand {
    /// Ends of the 95 % interval of the mean dose over that dose.
    pub factors: [f64; 2],
    /// Lower edge.
    pub low: Vec<f64>,
    /// Upper edge.
    pub high: Vec<f64>,
}

/// The curve, continued as far as its band reaches, and the band.
pub fn with_total(dvh: &Dvh, curve: &Curve, [low, high]: [f64; 2]) -> (Curve, TotalBand) {
    let mut curve = curve.clone();
    let top = curve.dose_gy.last().copied().unwrap_or(0.0);
    // beyond its hottest piece a curve has nothing more; the transport's band keeps its last width
    let last = curve.high.last().copied().unwrap_or(0.0);
    let beyond: Vec<f64> = curve.dose_gy.iter().map(|dose| dose * high).filter(|dose| *dose > top).collect();
    curve.dose_gy.extend(&beyond);
    curve.share.resize(curve.dose_gy.len(), 0.0);
    curve.low.resize(curve.dose_gy.len(), 0.0);
    curve.high.resize(curve.dose_gy.len(), last);
    let moved = |factor: f64| -> Vec<f64> {
        curve.dose_gy.iter().map(|dose| dvh.volume_at_dose((dose / factor) as f32)).collect()
    };
    let band = TotalBand { factors: [low, high], low: moved(low), high: moved(high) };
    (curve, band)
}

impl TotalBand {
    /// The 95 % range of Dv, Gy: the point itself, moved.
    pub fn dose_range_gy(&self, value_gy: f64) -> [f64; 2] {
        self.factors.map(|factor| factor * value_gy)
    }
}

#[cfg(test)]
mod tests {
    use super::super::band::curve;
    use super::*;

    /// 1 to 100 Gy in equal steps.
    fn ramp() -> Dvh {
        Dvh::new((1..=100_u8).map(f32::from).collect())
    }

    /// The share above D of a curve moved by f is that of the curve above D/f, and Dv is f times what it was.
    #[test]
    fn law_a_common_error_moves_the_whole_curve() {
        let dvh = ramp();
        let factors = [(-0.2_f64).exp(), 0.2_f64.exp()];
        let (curve, band) = with_total(&dvh, &curve(&dvh), factors);
        for (n, dose) in curve.dose_gy.iter().enumerate() {
            for (edge, factor) in [(&band.low, factors[0]), (&band.high, factors[1])] {
                // a ramp from 1 to 100: what lies above D, moved
                let wanted = (1.0 - (dose / factor - 0.5) / 100.0).clamp(0.0, 1.0);
                assert!((edge[n] - wanted).abs() < 0.011, "{dose} Gy: {} {wanted}", edge[n]);
            }
            assert!(band.low[n] <= curve.share[n] + 1e-12 && curve.share[n] <= band.high[n] + 1e-12, "{dose} Gy");
        }
        assert!(curve.dose_gy.is_sorted() && *curve.dose_gy.last().expect("points") > 100.0 * factors[1]);
        assert!(band.high.last().is_some_and(|share| *share == 0.0), "the band ends on the chart");
        let [low, high] = band.dose_range_gy(50.0);
        assert!((low * high / 2500.0 - 1.0).abs() < 1e-12 && (high / 50.0 - factors[1]).abs() < 1e-12);
    }

    /// Doses drawn with the same error scatter as the band says: 95 % of the moved curves lie within it.
    #[test]
    fn law_the_band_holds_what_is_drawn() {
        let (dvh, u) = (ramp(), 0.1);
        let factors = [-1.0, 1.0].map(|sign: f64| (sign * 1.959_964 * u).exp());
        let (curve, band) = with_total(&dvh, &curve(&dvh), factors);
        let within = |width: f64| {
            let draws = 2000;
            let inside = (0..draws).filter(|n| {
                // quantiles of a normal law in place of draws
                let share = (f64::from(*n) + 0.5) / f64::from(draws);
                let z =
                    statrs::distribution::ContinuousCDF::inverse_cdf(&statrs::distribution::Normal::standard(), share);
                let factor = (z * width * u).exp();
                (0..curve.dose_gy.len()).all(|n| {
                    let moved = dvh.volume_at_dose((curve.dose_gy[n] / factor) as f32);
                    band.low[n] - 1e-9 <= moved && moved <= band.high[n] + 1e-9
                })
            });
            inside.count() as f64 / f64::from(draws)
        };
        assert!((within(1.0) - 0.95).abs() < 0.002, "{}", within(1.0));
        assert!(within(1.5) < 0.85, "alarm: an error half as large again leaves the band");
    }
}
