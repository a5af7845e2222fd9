//! Concentrations by maximum likelihood: those under which the image is the likeliest if its variance goes with its
//! mean, as a counted image's does.
//!
//! With b = s * H the likelihood of Poisson kind is largest where Sum (p_i * H) (g/b - 1) = 0 for every region; the
//! multiplicative steps m_i <- m_i Sum (p_i * H) g/b / Sum (p_i * H) lead there (expectation maximisation, with regions in
//! the place of pixels). The weight p_i * H reaches as far as the region's counts do. What leaves the outline is found
//! again outside, so the result depends less on the width of H than means over outlines do.
//!
//! Source: R. E. Carson, J. Comput. Assist. Tomogr. 10 (1986) 654; L. A. Shepp, Y. Vardi, IEEE Trans. Med. Imaging 1
//! (1982) 113.

use super::model::{Model, Over};

/// A step changes no mean by more than this share of itself at the end.
const CONVERGED: f64 = 1e-5;
/// Most steps.
const MOST_STEPS: usize = 300;

/// Concentrations of the regions, from `start` on.
pub fn means_from(model: &Model<'_>, image: &[f64], start: Vec<f64>) -> Vec<f64> {
    stepped(model, image, start, MOST_STEPS)
}

/// As [`means_from`], after so many steps at most.
pub(super) fn stepped(model: &Model<'_>, image: &[f64], start: Vec<f64>, most: usize) -> Vec<f64> {
    let mut means = start;
    for _ in 0..most {
        let ratios = model.ratios(image, &means, Over::Blurred);
        let change =
            ratios.iter().zip(&means).filter(|(_, m)| **m > 0.0).map(|(r, _)| (r - 1.0).abs()).fold(0.0, f64::max);
        // a negative sum of counts is a region without activity
        means.iter_mut().zip(ratios).for_each(|(mean, ratio)| *mean *= ratio.max(0.0));
        if change < CONVERGED {
            break;
        }
    }
    means
}

/// Concentrations of the regions.
pub fn means(model: &Model<'_>, image: &[f64]) -> Vec<f64> {
    means_from(model, image, start(model, image))
}

/// Measured means, above 0: what starts at 0 stays there.
pub(super) fn start(model: &Model<'_>, image: &[f64]) -> Vec<f64> {
    let measured = model.measured(image);
    let floor = measured.iter().copied().fold(0.0, f64::max) * 1e-6;
    measured.into_iter().map(|m| m.max(floor)).collect()
}
