//! Activity that is true: from what a camera shows to what is there.
//!
//! `psf`, `sphere`: the blur, and its closed forms. `regions`, `model`: outlines as fractions of image voxels, and the
//! image that uniform regions would give. `gtm`, `yang`, `likelihood`, `lucy`: corrections. `width`: the FWHM that an
//! image has. `correct`: one image corrected, with before, after and uncertainty by region; `texture`: what is kept of the image inside them; `settings`: what a series says of
//! it. `calibration`, `dead_time`: counts to activity. `recovery`, `recovery_fit`, `recovery_file`: recovery by volume. `isocontour`: volumes of
//! interest from the image. This module knows neither files nor engines.

pub mod calibration;
pub mod correct;
pub mod dead_time;
pub mod gtm;
pub mod isocontour;
pub mod likelihood;
pub mod lucy;
pub mod model;
pub mod psf;
pub mod recovery;
pub mod recovery_file;
pub mod recovery_fit;
pub mod regions;
pub mod settings;
pub mod sphere;
pub mod texture;
pub mod width;
pub mod yang;

#[cfg(test)]
mod tests;
