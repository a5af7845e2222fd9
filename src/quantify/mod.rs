//! Activity that is true: from what a camera shows to what is there.
//!
//! `psf`, `sphere`: the blur, and its closed forms. `regions`, `model`: outlines as fractions of image voxels, and the
//! image that uniform regions would give. `gtm`, `yang`, `likelihood`, `lucy`: corrections. `width`: the FWHM that an
//! image has. `correct`: one image corrected, with before, after and uncertainty by region. This module knows neither
//! files nor engines.

pub mod correct;
pub mod gtm;
pub mod likelihood;
pub mod lucy;
pub mod model;
pub mod psf;
pub mod recovery;
pub mod regions;
pub mod settings;
pub mod sphere;
pub mod width;
pub mod yang;

#[cfg(test)]
mod tests;
