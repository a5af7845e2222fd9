//! `[partial_volume]` of a series: how its images are corrected, and what that rests on.

use super::calibration::Scan;
use super::correct::{Correction, Method};
use super::psf::Psf;
use super::recovery::Recovery;
use super::regions::Regions;
use super::texture::Texture;
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
/// What errors call the section.
const PLACE: &str = "[partial_volume]";

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
    texture: Option<Kept>,
    #[serde(default)]
    recovery: Option<Vec<Insert>>,
    #[serde(default)]
    recovery_file: Option<String>,
    #[serde(default)]
    camera: Option<String>,
    #[serde(default)]
    collimator: Option<String>,
    #[serde(default)]
    reconstruction: Option<String>,
}

/// One width, or one by axis.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum ByAxis {
    One(f64),
    Three([f64; 3]),
}

/// What is kept of the texture: a word, or the full width of a Gaussian, mm.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum Kept {
    Fwhm(f64),
    Word(String),
}

impl Kept {
    /// Errors: another word, or a width out of range.
    fn texture(&self) -> Result<Texture, Fault> {
        match self {
            Self::Fwhm(mm) => Ok(Texture::Smooth(Psf::isotropic(PLACE, *mm).map_err(|fault| fault.field("texture"))?)),
            Self::Word(word) if word == "image" => Ok(Texture::Image),
            Self::Word(word) if word == "uniform" => Ok(Texture::Uniform),
            Self::Word(word) => {
                let allowed = "\"image\", \"uniform\" or a full width in mm, above 0 to 50";
                Err(Fault::invalid(
                    PLACE,
                    "texture",
                    format!("\"{word}\""),
                    allowed,
                    "See docs/methods/quantification.md.",
                ))
            }
        }
    }
}

/// An entry of a recovery table.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Insert {
    volume_ml: f64,
    recovery: f64,
    #[serde(default)]
    sigma: f64,
}

/// What a phantom says of recovery.
#[derive(Clone, Debug, PartialEq)]
pub struct PhantomRecovery {
    /// Recovery by volume.
    pub recovery: Recovery,
    /// The one width that explains it, where one does, and its standard uncertainty, mm.
    pub fwhm: Option<(f64, f64)>,
}

/// With what images were made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeWith {
    /// Camera.
    pub camera: String,
    /// Collimator.
    pub collimator: String,
    /// Reconstruction.
    pub reconstruction: String,
}

impl Section {
    /// The field that a recovery file states too, for a method.
    fn twice_with_file(&self, method: &Method) -> Option<&'static str> {
        match method {
            Method::Recovery(_) => self.recovery.as_ref().map(|_| "recovery"),
            _ => self.fwhm_mm.map(|_| "fwhm_mm"),
        }
    }
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
    /// Where that width is from.
    pub psf_from: WidthFrom,
    /// Standard uncertainty of the outlines' place, mm, where it is stated; else that of half a voxel.
    pub outline_sigma_mm: Option<f64>,
    /// What is kept of the image's texture inside outlined regions.
    pub texture: Texture,
}

/// Where the width came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WidthFrom {
    /// The series states it.
    Stated,
    /// The images' own borders.
    Images,
    /// The inserts of a phantom.
    Phantom,
}

impl Section {
    /// The recovery calibration that it names.
    pub fn recovery_file(&self) -> Option<&str> {
        self.recovery_file.as_deref()
    }

    /// With what the images were made: camera, collimator and reconstruction, stated here or by the `calibration` of the
    /// counts.
    ///
    /// Errors: one that nobody states.
    pub fn made_with(&self, calibration: Option<&Scan>) -> Result<MadeWith, Fault> {
        let stated = |field: &str, own: &Option<String>, counted: Option<&String>| {
            own.as_ref().or(counted).cloned().ok_or_else(|| {
                let next = "A recovery calibration holds for one camera, collimator and reconstruction: state them.";
                Fault::invalid(PLACE, field, "none", "that of the images, beside recovery_file", next)
            })
        };
        Ok(MadeWith {
            camera: stated("camera", &self.camera, calibration.map(|scan| &scan.camera))?,
            collimator: stated("collimator", &self.collimator, calibration.map(|scan| &scan.collimator))?,
            reconstruction: stated(
                "reconstruction",
                &self.reconstruction,
                calibration.map(|scan| &scan.reconstruction),
            )?,
        })
    }

    /// Refuses what no file can mend; `corrected` is what the series says was corrected already.
    ///
    /// Errors: as [`PartialVolume::of`].
    pub fn check(&self, corrected: Option<&str>) -> Result<(), Fault> {
        // of the file nothing is known yet: what it brings is taken as brought
        let brought = self
            .recovery_file
            .as_ref()
            .map(|_| PhantomRecovery { recovery: Recovery::Table(vec![(1.0, 1.0, 0.0)]), fwhm: Some((1.0, 0.1)) });
        PartialVolume::of(self, corrected, brought.as_ref()).map(|_| ())
    }
}

impl PartialVolume {
    /// A checked section; nothing for `method = "none"`. `corrected` is what the series says was corrected already,
    /// `phantom` what the file of `recovery_file` says.
    ///
    /// Errors: an unknown method, a field out of range or without use, a second correction; a phantom without one width
    /// where one is needed.
    pub fn of(
        section: &Section,
        corrected: Option<&str>,
        phantom: Option<&PhantomRecovery>,
    ) -> Result<Option<Self>, Fault> {
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
            "recovery" => Method::Recovery(match phantom {
                Some(phantom) => phantom.recovery.clone(),
                None => {
                    let inserts = section.recovery.iter().flatten();
                    Recovery::table(PLACE, inserts.map(|i| (i.volume_ml, i.recovery, i.sigma)).collect())?
                }
            }),
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
        if let Some(twice) = section.recovery_file.as_ref().and_then(|_| section.twice_with_file(&method)) {
            let next = "A recovery_file states it: leave one of the two out.";
            return refused(twice, "an entry beside recovery_file".to_owned(), "one of the two", next);
        }
        let named = section.camera.as_ref().or(section.collimator.as_ref()).or(section.reconstruction.as_ref());
        if let (Some(name), None) = (named, &section.recovery_file) {
            let next = "It says which recovery_file fits: leave it out.";
            return refused("camera, collimator, reconstruction", format!("\"{name}\""), "beside recovery_file", next);
        }
        let psf = section.fwhm_mm.map(|by_axis| match by_axis {
            ByAxis::One(mm) => Psf::isotropic(PLACE, mm),
            ByAxis::Three(mm) => Psf::new(PLACE, mm),
        });
        let mut psf = psf.transpose()?;
        let mut of_phantom = None;
        // the recovery of a region needs no width; its neighbours' does, and takes that of the phantom where there is one
        if let Some(phantom) = phantom.filter(|one| one.fwhm.is_some() || !matches!(method, Method::Recovery(_))) {
            let Some((fwhm_mm, sigma_mm)) = phantom.fwhm else {
                let found = "none: no one width explains its inserts".to_owned();
                let next =
                    "Take method = \"recovery\", or leave recovery_file out: the width is estimated from the images.";
                return refused("recovery_file: fwhm_mm", found, "one width", next);
            };
            psf = Some(Psf::isotropic(PLACE, fwhm_mm)?);
            of_phantom = Some(sigma_mm / fwhm_mm);
        }
        if psf.is_none() && matches!(method, Method::RichardsonLucy(_)) {
            let next = "Without outlines no image says its own width.";
            return refused("fwhm_mm", "none".to_owned(), "the width of a point in the image, mm", next);
        }
        if let Some(rel) = section.fwhm_relative_error
            && !(section.fwhm_mm.is_some() && rel > 0.0 && rel < 1.0)
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
        let texture = section.texture.as_ref().map_or(Ok(Texture::Image), Kept::texture)?;
        if texture != Texture::Image && matches!(method, Method::RichardsonLucy(_)) {
            let next = "Richardson-Lucy knows no outlines: leave texture out, or take another method.";
            return refused("texture", "an entry".to_owned(), "with a method that uses outlines", next);
        }
        Ok(Some(Self {
            method,
            texture,
            psf,
            psf_rel_sigma: of_phantom.or(section.fwhm_relative_error).unwrap_or(STATED_REL_SIGMA),
            psf_from: if of_phantom.is_some() { WidthFrom::Phantom } else { WidthFrom::Stated },
            outline_sigma_mm: section.outline_error_mm,
        }))
    }

    /// The correction of a series' images, each with the regions where it lies; a width that is not stated is the mean of those that
    /// each image has, weighted by their uncertainties. `outline_edge_mm` is the edge of the outlines' voxels.
    ///
    /// Errors: borders in none of the images.
    pub fn correction(
        &self,
        images: &[(&Regions, &[f64])],
        outline_edge_mm: f64,
    ) -> Result<(Correction, WidthFrom), Fault> {
        let (psf, psf_rel_sigma, from) = match self.psf {
            Some(psf) => (psf, self.psf_rel_sigma, self.psf_from),
            None => {
                let widths: Result<Vec<Width>, Fault> =
                    images.iter().map(|(regions, image)| width::estimate(regions, image)).collect();
                let Width { fwhm_mm, sigma_mm } = mean(&widths?);
                (Psf::isotropic("[partial_volume]", fwhm_mm)?, sigma_mm / fwhm_mm, WidthFrom::Images)
            }
        };
        let outline_sigma_mm = self.outline_sigma_mm.unwrap_or(UNIFORM * outline_edge_mm);
        Ok((
            Correction { method: self.method.clone(), psf, psf_rel_sigma, outline_sigma_mm, texture: self.texture },
            from,
        ))
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
            texture: None,
            recovery: None,
            recovery_file: None,
            camera: None,
            collimator: None,
            reconstruction: None,
        }
    }

    #[test]
    fn alarm_a_section_that_cannot_be_used_is_refused_by_field() {
        let insert = Insert { volume_ml: 5.0, recovery: 1.3, sigma: 0.0 };
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
            (Section { texture: Some(Kept::Fwhm(0.0)), ..yang.clone() }, None, "texture: found 0 mm"),
            (Section { texture: Some(Kept::Word("flat".to_owned())), ..yang.clone() }, None, "texture: found \"flat\""),
            (
                Section { texture: Some(Kept::Fwhm(20.0)), ..section("richardson-lucy") },
                None,
                "texture: found an entry",
            ),
            (Section { recovery: Some(vec![insert]), ..section("recovery") }, None, "recovery: found 1.3"),
            (Section { recovery: Some(vec![]), ..section("recovery") }, None, "recovery: found none"),
            (Section { recovery: Some(vec![insert]), ..yang.clone() }, None, "recovery: found a table"),
        ] {
            let error = PartialVolume::of(&section, corrected, None).expect_err("refused").to_string();
            assert!(error.contains("[partial_volume]") && error.contains(field), "{error}");
        }
        assert_eq!(PartialVolume::of(&section("none"), Some("recovery coefficients"), None), Ok(None));
        assert!(PartialVolume::of(&yang, None, None).expect("usable").is_some());
    }

    /// A phantom brings the width, or the recoveries; what it does not bring is not made up.
    #[test]
    fn law_a_phantom_brings_width_or_recoveries() {
        let table = Recovery::table("R", vec![(5.0, 0.6, 0.01)]).expect("a table");
        let phantom = |fwhm| PhantomRecovery { recovery: table.clone(), fwhm };
        let of_file = |method: &str| Section {
            fwhm_mm: None,
            recovery_file: Some("recovery.toml".to_owned()),
            camera: Some("A".to_owned()),
            ..section(method)
        };
        let with = |method: &str, fwhm| PartialVolume::of(&of_file(method), None, Some(&phantom(fwhm)));
        let found = with("likelihood", Some((9.0, 0.45))).expect("usable").expect("a method");
        assert_eq!((found.psf.map(|psf| psf.mean_mm().round()), found.psf_from), (Some(9.0), WidthFrom::Phantom));
        assert!((found.psf_rel_sigma - 0.05).abs() < 1e-12);
        let found = with("recovery", None).expect("usable").expect("a method");
        assert_eq!(found.method, Method::Recovery(table.clone()));
        let error = with("gtm", None).expect_err("refused").to_string();
        assert!(error.contains("recovery_file: fwhm_mm: found none"), "{error}");
        let twice = Section { fwhm_mm: Some(ByAxis::One(9.0)), ..of_file("gtm") };
        assert!(twice.check(None).expect_err("refused").to_string().contains("fwhm_mm: found an entry beside"));
        let lone = Section { camera: Some("A".to_owned()), ..section("gtm") };
        assert!(lone.check(None).expect_err("refused").to_string().contains("camera, collimator"));
        assert!(of_file("gtm").check(None).is_ok());
        let error = of_file("gtm").made_with(None).expect_err("refused").to_string();
        assert!(error.contains("collimator: found none"), "{error}");
    }
}
