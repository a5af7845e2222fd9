//! One image corrected for partial volume, with before, after and uncertainty of each region.
//!
//! Inside a region the image keeps its texture: voxel v becomes g(v) Sum p_r f_r(v), with f_r = m_r k_r/(s * H). `rbv` and
//! `iterative-yang` are as published (k_r = 1: the mean of the corrected image is what the image gives). For `likelihood`
//! k_r makes the mean of the region m_r exactly; `gtm` and `recovery` scale each region of the image by one factor.

use super::model::{Model, Over};
use super::psf::Psf;
use super::recovery::Recovery;
use super::regions::{Region, Regions};
use super::texture::Texture;
use super::{gtm, likelihood, lucy, sphere, yang};
use crate::fault::{Fault, FaultKind};
use crate::note::Note;
use serde::Serialize;
use std::collections::BTreeMap;

/// An outline whose uncertainty makes the corrected concentration uncertain by more than this share is not corrected by:
/// at three standard uncertainties nothing would be known (convention of this program).
const MOST_OUTLINE_REL: f64 = 1.0 / 3.0;
/// Excess of unlabelled voxels over the model, as a share of the neighbouring region's concentration, that is told.
const HOT_NEIGHBOUR: f64 = 0.25;
/// A region that recovers more than this by itself has little to take from a neighbour.
const RECOVERS: f64 = 0.9;
/// Voxels count as a region's surroundings where its blurred indicator is between these.
const SURROUNDINGS: [f64; 2] = [0.02, 0.3];

/// How an image is corrected.
#[derive(Clone, Debug, PartialEq)]
pub enum Method {
    /// Region means by maximum likelihood, the image's texture inside.
    Likelihood,
    /// One factor a region, from a recovery calibration.
    Recovery(Recovery),
    /// Region means by the geometric transfer matrix.
    Gtm,
    /// Region-based voxel-wise correction: GTM means, texture inside.
    Rbv,
    /// Iterative Yang with so many turns.
    IterativeYang(usize),
    /// Deconvolution without outlines, so many steps.
    RichardsonLucy(usize),
}

impl Method {
    /// Name in files.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Likelihood => "likelihood",
            Self::Recovery(_) => "recovery",
            Self::Gtm => "gtm",
            Self::Rbv => "rbv",
            Self::IterativeYang(_) => "iterative-yang",
            Self::RichardsonLucy(_) => "richardson-lucy",
        }
    }

    /// Whether it keeps the sum of the image.
    pub fn keeps_sum(&self) -> bool {
        matches!(self, Self::RichardsonLucy(_))
    }
}

/// What a correction rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct Correction {
    /// The method.
    pub method: Method,
    /// The image's point spread function.
    pub psf: Psf,
    /// Relative standard uncertainty of its width.
    pub psf_rel_sigma: f64,
    /// Standard uncertainty of the outlines' place, mm.
    pub outline_sigma_mm: f64,
    /// What is kept of the image's texture inside outlined regions.
    pub texture: Texture,
}

/// A region before and after.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RegionCorrection {
    /// Label.
    pub label: u16,
    /// Name.
    pub name: String,
    /// Volume, mL.
    pub volume_ml: f64,
    /// Mean of its blurred outline over itself: what it would recover without neighbours.
    pub own_recovery: f64,
    /// Activity in the outline before, MBq.
    pub before_mbq: f64,
    /// After, MBq.
    pub after_mbq: f64,
    /// Relative standard uncertainty of the correction by the width of the point spread function, or by the recovery.
    pub fwhm_rel_sigma: f64,
    /// The same by the place of the outline.
    pub outline_rel_sigma: f64,
    /// The same by the counts of the image.
    pub counts_rel_sigma: f64,
    /// Why the region is as measured, where it is.
    pub held_back: Option<String>,
    /// By what share the region would have changed where it is held back; else 0.
    pub withheld_rel: f64,
}

impl RegionCorrection {
    /// Relative standard uncertainty that all images of a series share: width, outline, and what was held back.
    pub fn common_rel_sigma(&self) -> f64 {
        self.fwhm_rel_sigma.hypot(self.outline_rel_sigma).hypot(self.withheld_rel)
    }
}

/// A corrected image.
#[derive(Clone, Debug, PartialEq)]
pub struct Corrected {
    /// The image, MBq in each voxel.
    pub image: Vec<f64>,
    /// Sum before, MBq.
    pub before_mbq: f64,
    /// Sum after, MBq.
    pub after_mbq: f64,
    /// What each region of the correction's list has of it, MBq, in the order of its voxels.
    pub parts: Vec<Vec<f64>>,
    /// The outlined regions.
    pub regions: Vec<RegionCorrection>,
    /// What the reader should know.
    pub notes: Vec<Note>,
}

impl Correction {
    /// Corrects an image, MBq in each voxel. `doubted` are labels that are left as measured, with the reason.
    ///
    /// Errors: an image of another size than the regions' grid; without activity; regions that it cannot tell apart.
    pub fn apply(&self, regions: &Regions, image: &[f64], doubted: &BTreeMap<u16, String>) -> Result<Corrected, Fault> {
        if image.len() != regions.grid.len() {
            let found = format!("{} voxels", image.len());
            let allowed = format!("{}, those of the regions' grid", regions.grid.len());
            return Err(Fault::invalid("image", "voxels", found, allowed, "").kind(FaultKind::Mismatch));
        }
        let before_mbq = crate::source::sum(image.iter().copied());
        if !(before_mbq > 0.0 && before_mbq.is_finite()) {
            let next = "Leave an image that shows nothing out of the series.";
            return Err(Fault::invalid("image", "sum", format!("{before_mbq} MBq"), "above 0 MBq", next));
        }
        let model = Model::new(regions, &self.psf);
        let means = self.means(&model, image)?;
        let mut report = self.report(&model, image, &means, doubted)?;
        let kept = Kept::of(regions, image, &report);
        for ((r, _), row) in regions.outlined().zip(&mut report).filter(|(_, row)| row.withheld_rel > 0.0) {
            if let Some(uncorrected) = kept.mean(r) {
                row.withheld_rel = (means[r] / uncorrected - 1.0).abs();
            }
        }
        let out = self.image(&model, image, &means, kept, &report);
        for ((r, region), report) in regions.outlined().zip(&mut report) {
            report.after_mbq = region.each().map(|(v, share)| share * image[v] * out.factor(r, v)).sum();
        }
        let notes = notes(&self.psf, &model, image, &means, &report);
        let parts = out.parts(regions, image, self.texture);
        let mut image = vec![0.0; image.len()];
        for (region, part) in regions.list.iter().zip(&parts) {
            region.each().zip(part).for_each(|((v, _), value)| image[v] += value);
        }
        let after_mbq = crate::source::sum(image.iter().copied());
        Ok(Corrected { image, before_mbq, after_mbq, parts, regions: report, notes })
    }

    /// Concentrations of the regions, MBq a voxel.
    fn means(&self, model: &Model<'_>, image: &[f64]) -> Result<Vec<f64>, Fault> {
        Ok(match &self.method {
            Method::Likelihood => likelihood::means(model, image),
            Method::Gtm | Method::Rbv => gtm::means(model, image)?,
            Method::IterativeYang(turns) => yang::means(model, image, *turns),
            Method::RichardsonLucy(steps) => {
                let regions = model.regions();
                model.measured(&lucy::sharpened(&self.psf, &regions.grid, image, *steps))
            }
            Method::Recovery(recovery) => {
                let regions = model.regions();
                let of = |(r, mean): (usize, f64)| match regions.list[r].label {
                    0 => mean,
                    _ => recovery.corrected(regions.volume_ml(&regions.list[r]), mean, surroundings(model, image, r)),
                };
                model.measured(image).into_iter().enumerate().map(of).collect()
            }
        })
    }

    /// The outlined regions with their uncertainties, and which are held back; `after_mbq` is not known yet.
    fn report(
        &self,
        model: &Model<'_>,
        image: &[f64],
        means: &[f64],
        doubted: &BTreeMap<u16, String>,
    ) -> Result<Vec<RegionCorrection>, Fault> {
        let by_width = self.width_sigma(model, image, means)?;
        let residual: Vec<f64> = model.image(means).iter().zip(image).map(|(b, g)| g - b).collect();
        let cell = (self.psf.mean_mm().powi(3) * 1e-3 / model.regions().grid.voxel_cm3()).max(1.0);
        let of = |(r, region): (usize, &Region)| {
            let volume = region.volume();
            let mean = means[r];
            let own_recovery = model.own_recovery(r);
            // without the regions' outlines their edge has no part in it
            let by_edge = match self.method {
                Method::RichardsonLucy(_) => 0.0,
                _ => self.outline_sigma_mm * edge_per_mm(model.regions(), r, means),
            };
            let by_outline = by_edge.abs();
            let noise = (region.each().map(|(v, share)| share * residual[v].powi(2)).sum::<f64>() / volume).sqrt();
            let by_counts = noise * (cell / volume).sqrt() / own_recovery / mean.abs();
            let held_back = if !(mean > 0.0 && mean.is_finite()) {
                Some(format!("its corrected concentration would be {mean:.3e} MBq a voxel"))
            } else if by_edge > MOST_OUTLINE_REL {
                // colder than its surroundings it would keep what spills into it, and that is given back to them: counted twice
                let percent = 100.0 * by_outline;
                Some(format!("the outline's uncertainty alone makes the corrected value uncertain by {percent:.0} %"))
            } else {
                doubted.get(&region.label).cloned()
            };
            let measured = region.mean(image);
            let withheld_rel = match &held_back {
                Some(_) if measured != 0.0 && mean.is_finite() => (mean / measured - 1.0).abs(),
                _ => 0.0,
            };
            RegionCorrection {
                label: region.label,
                name: region.name.clone(),
                volume_ml: model.regions().volume_ml(region),
                own_recovery,
                before_mbq: measured * volume,
                after_mbq: 0.0,
                fwhm_rel_sigma: by_width[r],
                outline_rel_sigma: by_outline,
                counts_rel_sigma: by_counts,
                held_back,
                withheld_rel,
            }
        };
        Ok(model.regions().outlined().map(of).collect())
    }

    /// Relative change of the means for one standard uncertainty of the width, or of the recovery.
    fn width_sigma(&self, model: &Model<'_>, image: &[f64], means: &[f64]) -> Result<Vec<f64>, Fault> {
        if let Method::Recovery(recovery) = &self.method {
            // A = (measured - (1 - R) B)/R: dA/dR = (B - A)/R
            let regions = model.regions();
            let of = |(r, mean): (usize, &f64)| match regions.list[r].label {
                0 => 0.0,
                _ => {
                    let volume_ml = regions.volume_ml(&regions.list[r]);
                    let step = 1.0 - surroundings(model, image, r) / mean;
                    recovery.sigma(volume_ml) / recovery.of(volume_ml) * step.abs()
                }
            };
            return Ok(means.iter().enumerate().map(of).collect());
        }
        if self.psf_rel_sigma == 0.0 {
            return Ok(vec![0.0; means.len()]);
        }
        let wider = Self { psf: self.psf.scaled(1.0 + self.psf_rel_sigma), ..self.clone() };
        let again = match self.method {
            // near the solution already
            Method::Likelihood => {
                likelihood::means_from(&Model::new(model.regions(), &wider.psf), image, means.to_vec())
            }
            _ => wider.means(&Model::new(model.regions(), &wider.psf), image)?,
        };
        Ok(again.iter().zip(means).map(|(a, m)| (a / m - 1.0).abs()).collect())
    }

    /// The factors that make the corrected image.
    fn image(
        &self,
        model: &Model<'_>,
        image: &[f64],
        means: &[f64],
        kept: Kept,
        report: &[RegionCorrection],
    ) -> Factors {
        let regions = model.regions();
        let measured = model.measured(image);
        // where no outline can be trusted, what lies outside them is not cleared of what they would spill either
        let none = report.iter().all(|row| row.held_back.is_some());
        let held = |region: &Region| none || report.iter().any(|r| r.label == region.label && r.held_back.is_some());
        let free: Vec<bool> = regions.list.iter().map(|region| !held(region)).collect();
        match &self.method {
            Method::RichardsonLucy(steps) => {
                let sharp = lucy::sharpened(&self.psf, &regions.grid, image, *steps);
                let ratio = sharp.iter().zip(image).map(|(f, g)| if *g > 0.0 { f / g } else { 1.0 }).collect();
                Factors { by_region: vec![1.0; free.len()], by_voxel: Some(ratio), free: vec![true; free.len()], kept }
            }
            Method::Gtm | Method::Recovery(_) => {
                let factor = |(m, g): (&f64, &f64)| if *g != 0.0 { m / g } else { 1.0 };
                let by_region = means.iter().zip(&measured).map(factor).collect();
                // what is no outlined region is as it is
                let outlined = regions.list.iter().zip(free).map(|(region, free)| free && region.label != 0).collect();
                Factors { by_region, by_voxel: None, free: outlined, kept }
            }
            Method::Likelihood | Method::Rbv | Method::IterativeYang(_) => {
                let mut by_region = means.to_vec();
                if self.method == Method::Likelihood {
                    let ratios = model.ratios(image, means, Over::Outline);
                    by_region.iter_mut().zip(ratios).for_each(|(m, ratio)| *m /= if ratio > 0.0 { ratio } else { 1.0 });
                }
                // a region below 0 is held back; for the model of its neighbours it is what was found
                let by_voxel = model.image(means).into_iter().map(|b| if b > 0.0 { 1.0 / b } else { 0.0 }).collect();
                Factors { by_region, by_voxel: Some(by_voxel), free, kept }
            }
        }
    }
}

/// A voxel's part of region r is multiplied by by_region[r] x by_voxel[v] where the region is free, else it is as without a correction.
struct Factors {
    by_region: Vec<f64>,
    by_voxel: Option<Vec<f64>>,
    free: Vec<bool>,
    kept: Kept,
}

/// What regions that are held back keep: what they have without a correction, image voxels divided among the outlines that share them
/// (`source/concentrations.rs`, the same law). Without regions that are held back there is nothing to know.
#[derive(Default)]
struct Kept {
    /// Mean of each region.
    means: Vec<f64>,
    /// 1 over the means' image by voxel, 0 where there is none.
    by_voxel: Vec<f64>,
}

impl Kept {
    fn of(regions: &Regions, image: &[f64], report: &[RegionCorrection]) -> Self {
        if report.iter().all(|row| row.held_back.is_none()) {
            return Self::default();
        }
        let sharp = Model::sharp(regions);
        let means = likelihood::means(&sharp, image);
        let by_voxel = sharp.image(&means).into_iter().map(|b| if b > 0.0 { 1.0 / b } else { 0.0 }).collect();
        Self { means, by_voxel }
    }

    fn mean(&self, region: usize) -> Option<f64> {
        self.means.get(region).copied().filter(|mean| *mean > 0.0)
    }

    fn factor(&self, region: usize, voxel: usize) -> f64 {
        match self.mean(region) {
            Some(mean) if self.by_voxel[voxel] > 0.0 => mean * self.by_voxel[voxel],
            _ => 1.0,
        }
    }
}

impl Factors {
    fn factor(&self, region: usize, voxel: usize) -> f64 {
        if !self.free[region] {
            return self.kept.factor(region, voxel);
        }
        self.by_region[region] * self.by_voxel.as_ref().map_or(1.0, |f| f[voxel])
    }

    /// The corrected image by region, in the order of each region's voxels; a region that is corrected with what `texture` keeps
    /// inside its outline.
    fn parts(&self, regions: &Regions, image: &[f64], texture: Texture) -> Vec<Vec<f64>> {
        let of = |(r, region): (usize, &Region)| {
            let part: Vec<f64> = region.each().map(|(v, share)| share * image[v] * self.factor(r, v)).collect();
            if texture == Texture::Image || region.label == 0 || !self.free[r] {
                return part;
            }
            let (mut shares, mut whole) = (vec![0.0; image.len()], vec![0.0; image.len()]);
            region.each().zip(part).for_each(|((v, share), value)| (shares[v], whole[v]) = (share, value));
            let smooth = texture.of(&regions.grid, &shares, whole);
            region.each().map(|(v, _)| smooth[v]).collect()
        };
        regions.list.iter().enumerate().map(of).collect()
    }
}

/// Relative change of a region's concentration where its outline moves by 1 mm and its activity stays: surface over
/// volume, times the step of concentration to its surroundings over its own; below 0 for a region colder than they are.
fn edge_per_mm(regions: &Regions, r: usize, means: &[f64]) -> f64 {
    let (grid, region) = (&regions.grid, &regions.list[r]);
    let mut share = vec![0.0f32; grid.len()];
    region.each().for_each(|(v, s)| share[v] = s as f32);
    let mut gradient = BTreeMap::new();
    let mut step = 1;
    for axis in 0..3 {
        let per_mm = 0.5 / grid.spacing_mm[axis];
        let len = grid.dims[axis];
        for (v, s) in region.each() {
            let at = v / step % len;
            for (inside, to) in [(at > 0, v.wrapping_sub(step)), (at + 1 < len, v + step)] {
                if inside {
                    // a step between two voxels belongs half to each
                    let rise = (f64::from(share[to]) - s) * per_mm;
                    let both = [v, to].map(|place| (place, rise));
                    let once = share[to] == 0.0 || to > v;
                    both.into_iter().filter(|_| once).for_each(|(place, rise)| {
                        let sum: &mut [f64; 3] = gradient.entry(place).or_default();
                        sum[axis] += if to > v { rise } else { -rise };
                    });
                }
            }
        }
        step *= len;
    }
    let surface: f64 = gradient.values().map(|g| g.iter().map(|x| x * x).sum::<f64>().sqrt()).sum();
    let mut around = (0.0, 0.0);
    for (other, region) in regions.list.iter().enumerate().filter(|(other, _)| *other != r) {
        for (v, s) in region.each() {
            if let Some(g) = gradient.get(&v) {
                let weight = s * g.iter().map(|x| x * x).sum::<f64>().sqrt();
                around = (around.0 + weight * means[other], around.1 + weight);
            }
        }
    }
    let outside = if around.1 > 0.0 { around.0 / around.1 } else { 0.0 };
    surface / region.volume() * (1.0 - outside / means[r])
}

/// Mean of the image around a region, where its blurred indicator has nearly ended.
fn surroundings(model: &Model<'_>, image: &[f64], r: usize) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    model.each_blurred(r, |voxel, value| {
        if value > 0.001 && value < SURROUNDINGS[0] {
            (sum, count) = (sum + image[voxel], count + 1.0);
        }
    });
    if count > 0.0 { sum / count } else { 0.0 }
}

/// What a correction by regions cannot help, and what it left as measured.
fn notes(psf: &Psf, model: &Model<'_>, image: &[f64], means: &[f64], report: &[RegionCorrection]) -> Vec<Note> {
    let mut notes = Vec::new();
    let regions = model.regions();
    let smallest_ml = 4.0 / 3.0 * std::f64::consts::PI * (0.5 * psf.mean_mm()).powi(3) * 1e-3;
    let cell = (psf.mean_mm().powi(3) * 1e-3 / regions.grid.voxel_cm3()).max(1.0);
    let fitted = model.image(means);
    let mut unlabelled = vec![false; regions.grid.len()];
    let bare = regions.list.iter().filter(|region| region.label == 0).flat_map(Region::each);
    bare.filter(|(_, share)| *share > 0.9).for_each(|(v, _)| unlabelled[v] = true);
    for ((r, region), row) in regions.outlined().zip(report) {
        let place = format!("region {}", region.name);
        if let Some(reason) = &row.held_back {
            let text = format!("its partial-volume correction is held back: {reason}; it is as without it");
            notes.push(Note::warning("partial-volume-held-back", text).at(&place));
        }
        if row.volume_ml < smallest_ml {
            let text = format!(
                "{:.2} mL, less than a sphere of one FWHM ({smallest_ml:.2} mL): no correction restores its activity",
                row.volume_ml
            );
            notes.push(Note::warning("partial-volume-too-small", text).at(&place));
        }
        let mut hot = 0.0;
        model.each_blurred(r, |v, value| {
            let near = value > SURROUNDINGS[0] && value < SURROUNDINGS[1] && unlabelled[v];
            hot += f64::from(near && image[v] - fitted[v] > HOT_NEIGHBOUR * means[r].abs());
        });
        // more than half a resolution element
        if hot > 0.5 * cell && row.own_recovery < RECOVERS {
            let text = format!(
                "{hot:.0} voxels beside it, outside all outlines, show more activity than the outlines explain: outline \
                 what lies there, or its activity is taken for this region's"
            );
            notes.push(Note::warning("partial-volume-neighbour", text).at(&place));
        }
    }
    notes
}

/// Recovery of a sphere of this region's volume: what a report compares.
pub fn sphere_recovery(volume_ml: f64, psf: &Psf) -> f64 {
    sphere::recovery_of_volume(volume_ml, psf.mean_mm())
}
