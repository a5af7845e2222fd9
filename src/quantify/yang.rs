//! Iterative Yang: the image times s/(s * H), with s the present means; the means are those of the corrected image.
//!
//! A region's part of a voxel that it shares is that of s: m_i p_i/s. Its mean in the corrected image is then
//! m_i Sum p_i g/(s * H) / Sum p_i.
//!
//! Source: K. Erlandsson et al., Phys. Med. Biol. 57 (2012) R119.

use super::model::{Model, Over};

/// Concentrations of the regions after so many turns, from their measured means on.
pub fn means(model: &Model<'_>, image: &[f64], turns: usize) -> Vec<f64> {
    let mut means = model.measured(image);
    for _ in 0..turns {
        let ratios = model.ratios(image, &means, Over::Outline);
        means.iter_mut().zip(ratios).for_each(|(mean, ratio)| *mean *= ratio);
    }
    means
}
