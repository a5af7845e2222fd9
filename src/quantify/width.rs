//! The FWHM that an image has, by its own outlines: the one that leaves the least residual image - s * H at their borders.
//!
//! s are the concentrations by maximum likelihood for each width tried. The uncertainty follows from the curvature of the
//! sum of squares; neighbouring voxels err together, so a resolution element (a cube of one FWHM) counts once.

use super::likelihood;
use super::model::Model;
use super::psf::Psf;
use super::regions::Regions;
use crate::fault::Fault;

/// Widths between which the best is sought, mm; no SPECT or PET image of a patient is sharper or coarser (assumption).
const SOUGHT_MM: [f64; 2] = [3.0, 25.0];
/// Width at which the borders are looked for, mm (assumption; it only selects voxels).
const BORDER_MM: f64 = 8.0;
/// A border lies where the blurred outline is between this and one less it.
const BORDER_LOW: f64 = 0.05;
/// Steps towards the likeliest concentrations at each width tried; each begins where the one before ended.
const STEPS: usize = 20;
/// How near the best width is known numerically, mm.
const RESOLVED_MM: f64 = 0.05;

/// A width with its standard uncertainty.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Width {
    /// FWHM, mm.
    pub fwhm_mm: f64,
    /// Standard uncertainty, mm.
    pub sigma_mm: f64,
}

/// The width of an image.
///
/// Errors: borders that no width between 3 and 25 mm explains best.
pub fn estimate(regions: &Regions, image: &[f64]) -> Result<Width, Fault> {
    let border = Model::new(regions, &Psf::isotropic("", BORDER_MM)?).borders(BORDER_LOW);
    let judged = border.iter().filter(|b| **b).count();
    let mut means: Option<Vec<f64>> = None;
    let mut misfit = |mm: f64| -> Result<f64, Fault> {
        let model = Model::new(regions, &Psf::isotropic("", mm)?);
        let start = means.take().unwrap_or_else(|| likelihood::start(&model, image));
        let fitted = likelihood::stepped(&model, image, start, STEPS);
        let misfit = model.misfit(image, &fitted, &border);
        means = Some(fitted);
        Ok(misfit)
    };
    let fwhm_mm = golden(SOUGHT_MM, RESOLVED_MM, &mut misfit)?;
    let at_end = SOUGHT_MM.iter().any(|end| (fwhm_mm - end).abs() < 4.0 * RESOLVED_MM);
    if at_end {
        return Err(Fault::invalid(
            "[partial_volume]",
            "fwhm_mm",
            format!("no width from 3 to 25 mm explains the borders best (the search ended at {fwhm_mm:.1} mm)"),
            "outlines that lie on the image's borders",
            "Check that outlines and image lie on each other, or state fwhm_mm.",
        ));
    }
    // parabola through the best and its neighbours
    let step = 0.5_f64.max(0.05 * fwhm_mm);
    let [low, best, high] = [fwhm_mm - step, fwhm_mm, fwhm_mm + step].map(&mut misfit);
    let (low, best, high) = (low?, best?, high?);
    let curvature = (low - 2.0 * best + high) / (step * step);
    let cell = (fwhm_mm.powi(3) * 1e-3 / regions.grid.voxel_cm3()).max(1.0);
    let free = (judged as f64 / cell - regions.list.len() as f64 - 1.0).max(1.0);
    let sigma_mm = if curvature > 0.0 { (2.0 * best / free / curvature).sqrt() } else { step };
    Ok(Width { fwhm_mm, sigma_mm })
}

/// Place of the least value between two ends by golden section.
fn golden(
    [mut low, mut high]: [f64; 2],
    resolved: f64,
    value: &mut impl FnMut(f64) -> Result<f64, Fault>,
) -> Result<f64, Fault> {
    const SHARE: f64 = 0.618_033_988_749_894_8;
    let (mut left, mut right) = (high - SHARE * (high - low), low + SHARE * (high - low));
    let (mut at_left, mut at_right) = (value(left)?, value(right)?);
    while high - low > resolved {
        if at_left < at_right {
            (high, right, at_right) = (right, left, at_left);
            left = high - SHARE * (high - low);
            at_left = value(left)?;
        } else {
            (low, left, at_left) = (left, right, at_right);
            right = low + SHARE * (high - low);
            at_right = value(right)?;
        }
    }
    Ok(0.5 * (low + high))
}
