//! `[partial_volume]` of a series: how its images are corrected, and what that rests on.

use super::correct::{Correction, Method};
use super::psf::Psf;
use super::recovery::Recovery;
use super::regions::Regions;
use super::width::{self, Width};
use crate::fault::Fault;
use serde::{Deserialize, Serialize};

/// Turns of iterative Yang where none are stated: published use is 5 to 10.
const YANG_TURNS: usize = 10;
/// Steps of Richardson-Lucy where none are stated: more sharpen noise (convention of this program).
const LUCY_STEPS: usize = 10;
/// Most turns or steps.
const MOST_TURNS: usize = 200;
/// Relative uncertainty of a stated FWHM where none is stated with it (assumption).
const STATED_REL_SIGMA: f64 = 0.05;
/// Place of a uniform error of half a voxel, as a share of the outlines' voxel edge: 1/sqrt 12.
const UNIFORM: f64 = 0.288_675_134_594_812_9;

/// The section as it is written.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    method: String,
    #[serde(default)]
    fwhm_mm: Option<ByAxis>,
    #[serde(default)]
    fwhm_relative_error: Option<f64>,
    #[serde(default)]
    outline_error_mm: Option<f64>,
    #[serde(default)]
    iterations: Option<usize>,
    #[serde(default)]
    recovery: Option<Vec<Insert>>,
}

/// One width, or one by axis.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum ByAxis {
    One(f64),
    Three([f64; 3]),
}

/// An entry of a recovery table.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Insert {
    volume_ml: f64,
    recovery: f64,
}

/// A checked section.
#[derive(Clone, Debug, PartialEq)]
pub struct PartialVolume {
    /// The method.
    pub method: Method,
    /// The point spread function where it is stated; else it is estimated from the images.
    pub psf: Option<Psf>,
    /// Relative standard uncertainty of a stated width.
    pub psf_rel_sigma: f64,
    /// Standard uncertainty of the outlines' place, mm, where it is stated; else that of half a voxel.
    pub outline_sigma_mm: Option<f64>,
}

/// Where the width came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WidthFrom {
    /// The series states it.
    Stated,
    /// The images' own borders.
    Images,
}

impl PartialVolume {
    /// A checked section; nothing for `method = "none"`. `corrected` is what the series says was corrected already.
    ///
    /// Errors: an unknown method, a field out of range or without use, a second correction.
    pub fn of(section: &Section, corrected: Option<&str>) -> Result<Option<Self>, Fault> {
        const PLACE: &str = "[partial_volume]";
        let refused = |field: &str, found: String, allowed: &str, next: &str| {
            Err(Fault::invalid(PLACE, field, found, allowed.to_owned(), next.to_owned()))
        };
        let turns = |default: usize| section.iterations.unwrap_or(default);
        let method = match section.method.as_str() {
            "none" => return Ok(None),
            "likelihood" => Method::Likelihood,
            "gtm" => Method::Gtm,
            "rbv" => Method::Rbv,
            "iterative-yang" => Method::IterativeYang(turns(YANG_TURNS)),
            "richardson-lucy" => Method::RichardsonLucy(turns(LUCY_STEPS)),
            "recovery" => {
                let inserts = section.recovery.iter().flatten().map(|insert| (insert.volume_ml, insert.recovery));
                Method::Recovery(Recovery::table(PLACE, inserts.collect())?)
            }
            other => {
                let allowed = "\"none\", \"likelihood\", \"gtm\", \"rbv\", \"iterative-yang\", \"richardson-lucy\" or \
                               \"recovery\"";
                return refused("method", format!("\"{other}\""), allowed, "See docs/methods/quantification.md.");
            }
        };
        if let Some(what) = corrected {
            let next = "Correct once: take method = \"none\", or the images as they were before their correction.";
            return refused(
                "method",
                format!("\"{}\" for images that are corrected ({what})", section.method),
                "\"none\"",
                next,
            );
        }
        let takes_turns = matches!(method, Method::IterativeYang(_) | Method::RichardsonLucy(_));
        if let Some(turns) = section.iterations
            && !(takes_turns && (1..=MOST_TURNS).contains(&turns))
        {
            let allowed = "1 to 200, for iterative-yang and richardson-lucy";
            return refused("iterations", turns.to_string(), allowed, "Correct it, or leave it out.");
        }
        if section.recovery.is_some() && !matches!(method, Method::Recovery(_)) {
            return refused("recovery", "a table".to_owned(), "a table with method = \"recovery\"", "Leave it out.");
        }
        let psf = section.fwhm_mm.map(|by_axis| match by_axis {
            ByAxis::One(mm) => Psf::isotropic(PLACE, mm),
            ByAxis::Three(mm) => Psf::new(PLACE, mm),
        });
        let psf = psf.transpose()?;
        if psf.is_none() && matches!(method, Method::RichardsonLucy(_)) {
            let next = "Without outlines no image says its own width.";
            return refused("fwhm_mm", "none".to_owned(), "the width of a point in the image, mm", next);
        }
        if let Some(rel) = section.fwhm_relative_error
            && !(psf.is_some() && rel > 0.0 && rel < 1.0)
        {
            let allowed = "above 0 and below 1, beside fwhm_mm";
            return refused("fwhm_relative_error", rel.to_string(), allowed, "Write 5 % as 0.05.");
        }
        if let Some(mm) = section.outline_error_mm
            && !(mm > 0.0 && mm <= 20.0)
        {
            let next = "Give the standard uncertainty of the outlines' place.";
            return refused("outline_error_mm", format!("{mm} mm"), "above 0 and at most 20 mm", next);
        }
        Ok(Some(Self {
            method,
            psf,
            psf_rel_sigma: section.fwhm_relative_error.unwrap_or(STATED_REL_SIGMA),
            outline_sigma_mm: section.outline_error_mm,
        }))
    }

    /// The correction of a series' images; a width that is not stated is the mean of those that each image has, weighted
    /// by their uncertainties. `outline_edge_mm` is the edge of the outlines' voxels.
    ///
    /// Errors: borders in none of the images.
    pub fn correction(
        &self,
        regions: &Regions,
        images: &[&[f64]],
        outline_edge_mm: f64,
    ) -> Result<(Correction, WidthFrom), Fault> {
        let (psf, psf_rel_sigma, from) = match self.psf {
            Some(psf) => (psf, self.psf_rel_sigma, WidthFrom::Stated),
            None => {
                let widths: Result<Vec<Width>, Fault> =
                    images.iter().map(|image| width::estimate(regions, image)).collect();
                let Width { fwhm_mm, sigma_mm } = mean(&widths?);
                (Psf::isotropic("[partial_volume]", fwhm_mm)?, sigma_mm / fwhm_mm, WidthFrom::Images)
            }
        };
        let outline_sigma_mm = self.outline_sigma_mm.unwrap_or(UNIFORM * outline_edge_mm);
        Ok((Correction { method: self.method.clone(), psf, psf_rel_sigma, outline_sigma_mm }, from))
    }
}

/// Mean weighted by uncertainty. Its own uncertainty is what the weights say or what the scatter says, whichever is more.
fn mean(widths: &[Width]) -> Width {
    let weight = |w: &Width| w.sigma_mm.powi(-2);
    let total: f64 = widths.iter().map(weight).sum();
    let fwhm_mm = widths.iter().map(|w| weight(w) * w.fwhm_mm).sum::<f64>() / total;
    let scatter: f64 = widths.iter().map(|w| weight(w) * (w.fwhm_mm - fwhm_mm).powi(2)).sum::<f64>() / total;
    let of_scatter = (scatter / (widths.len().max(2) - 1) as f64).sqrt();
    Width { fwhm_mm, sigma_mm: total.sqrt().recip().max(of_scatter) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(method: &str) -> Section {
        let (fwhm_mm, fwhm_relative_error, outline_error_mm) = (Some(ByAxis::One(9.0)), None, None);
        Section {
            method: method.to_owned(),
            fwhm_mm,
            fwhm_relative_error,
            outline_error_mm,
            iterations: None,
            recovery: None,
        }
    }

    #[test]
    fn alarm_a_section_that_cannot_be_used_is_refused_by_field() {
        let insert = Insert { volume_ml: 5.0, recovery: 1.3 };
        let yang = section("iterative-yang");
        for (section, corrected, field) in [
            (section("gmt"), None, "method: found \"gmt\""),
            (section("gtm"), Some("recovery coefficients"), "images that are corrected (recovery coefficients)"),
            (Section { iterations: Some(0), ..yang.clone() }, None, "iterations: found 0"),
            (Section { iterations: Some(5), ..section("gtm") }, None, "iterations: found 5"),
            (Section { fwhm_mm: Some(ByAxis::One(0.0)), ..yang.clone() }, None, "fwhm_mm: found 0 mm"),
            (Section { fwhm_mm: Some(ByAxis::Three([9.0, 51.0, 9.0])), ..yang.clone() }, None, "fwhm_mm: found 51 mm"),
            (Section { fwhm_mm: None, ..section("richardson-lucy") }, None, "fwhm_mm: found none"),
            (Section { fwhm_mm: None, fwhm_relative_error: Some(0.1), ..yang.clone() }, None, "fwhm_relative_error"),
            (Section { outline_error_mm: Some(-1.0), ..yang.clone() }, None, "outline_error_mm: found -1 mm"),
            (Section { recovery: Some(vec![insert]), ..section("recovery") }, None, "recovery: found 1.3"),
            (Section { recovery: Some(vec![]), ..section("recovery") }, None, "recovery: found none"),
            (Section { recovery: Some(vec![insert]), ..yang.clone() }, None, "recovery: found a table"),
        ] {
            let error = PartialVolume::of(&section, corrected).expect_err("refused").to_string();
            assert!(error.contains("[partial_volume]") && error.contains(field), "{error}");
        }
        assert_eq!(PartialVolume::of(&section("none"), Some("recovery coefficients")), Ok(None));
        assert!(PartialVolume::of(&yang, None).expect("usable").is_some());
    }
}
