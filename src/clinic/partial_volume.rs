//! The images of a series corrected for partial volume, by its own outlines.

use super::failure::{OrUserError, UserError};
use super::images::RegionMap;
use crate::course::tia::{ActivityImage, RegionSigma};
use crate::fault::Words;
use crate::grid::{Volume, VoxelGrid};
use crate::note::Note;
use crate::quantify::correct::RegionCorrection;
use crate::quantify::regions::Regions;
use crate::quantify::settings::{PartialVolume, WidthFrom};
use crate::source::Shares;
use crate::source::misfit::Misfit;
use crate::source::moved_shares::MovedShares;
use serde::Serialize;
use std::collections::BTreeMap;

/// Outlines as fractions of a series' image voxels.
pub struct OnImage {
    regions: Regions,
    /// Edge of the outlines' voxels, mm.
    outline_edge_mm: f64,
}

/// What was done to the images, for the record.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Record {
    /// The method.
    pub method: &'static str,
    /// FWHM by axis of the image, mm.
    pub fwhm_mm: [f64; 3],
    /// Its relative standard uncertainty.
    pub fwhm_rel_sigma: f64,
    /// Where it came from.
    pub fwhm_from: WidthFrom,
    /// Standard uncertainty of the outlines' place, mm.
    pub outline_sigma_mm: f64,
    /// What is kept of the image's texture inside outlines: `image`, `uniform`, or what a Gaussian of this full width leaves.
    pub texture: String,
    /// Whether the method keeps the sum of an image.
    pub keeps_sum: bool,
    /// The images in order of time.
    pub images: Vec<ImageRecord>,
    /// What the reader should know, each once.
    #[serde(skip)]
    pub notes: Vec<Note>,
}

/// One image before and after.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ImageRecord {
    /// Name.
    pub image: String,
    /// Mid-scan time, h.
    pub time_h: f64,
    /// Sum before, MBq.
    pub before_mbq: f64,
    /// Sum after, MBq.
    pub after_mbq: f64,
    /// The outlined regions.
    pub regions: Vec<RegionCorrection>,
    /// Where the image as measured has the edges of the outlines; empty for outlines on its own grid.
    pub edges: Vec<Misfit>,
}

impl OnImage {
    /// The regions of a series on the grid of its images; `name` is the series.
    ///
    /// Errors: no regions, or one that no image voxel has a part of.
    pub fn of(name: impl Into<Words>, regions: Option<&RegionMap>, grid: &VoxelGrid) -> Result<Self, UserError> {
        let Some(map) = regions else {
            let next = "Give labels: a correction by regions needs their outlines.";
            return Err(UserError::invalid(name, "[partial_volume]: regions", "none", "outlines of the regions", next));
        };
        Self::over(name, map, &map.labels, None, grid)
    }

    /// The same with air apart: `labels` are the regions' with the label `air` where air lies outside all outlines.
    ///
    /// Errors: as [`OnImage::of`].
    pub(super) fn over(
        name: impl Into<Words>,
        map: &RegionMap,
        labels: &Volume<u16>,
        air: Option<u16>,
        grid: &VoxelGrid,
    ) -> Result<Self, UserError> {
        let shares = Shares::of(labels, grid).or_user_error()?;
        let mut drawn: Vec<u16> = map.labels.data.clone();
        drawn.sort_unstable();
        drawn.dedup();
        if let Some(lost) = drawn.iter().find(|&&label| label != 0 && !shares.labels().contains(&label)) {
            let region = map.names.get(lost).cloned().unwrap_or_else(|| format!("label_{lost}"));
            return Err(UserError::invalid(
                name,
                format!("region {region}: voxels"),
                "none in the images",
                "an outline that the images reach",
                "Correct the outline, or leave the region out of the label map.",
            ));
        }
        let outline_edge_mm = map.labels.grid.spacing_mm.iter().product::<f64>().cbrt();
        Self::of_shares(&shares, grid, &map.names, air, outline_edge_mm)
    }

    /// The same of shares that are known; `air` is the label of air outside all outlines, where it has one.
    ///
    /// Errors: no region.
    pub fn of_shares(
        shares: &Shares,
        grid: &VoxelGrid,
        names: &BTreeMap<u16, String>,
        air: Option<u16>,
        outline_edge_mm: f64,
    ) -> Result<Self, UserError> {
        Ok(Self { regions: Regions::of(shares, grid, names, air).or_user_error()?, outline_edge_mm })
    }

    /// The regions of an image that lies elsewhere than where they were drawn; `shares` are those of its voxels, `labels` the outlined ones.
    ///
    /// Errors: a region that the image does not reach.
    pub(super) fn moved(&self, shares: &MovedShares, grid: &VoxelGrid) -> Result<Self, UserError> {
        let outlined: Vec<(u16, String)> =
            self.regions.outlined().map(|(_, region)| (region.label, region.name.clone())).collect();
        let fractions = outlined.into_iter().map(|(label, name)| (label, name, shares.fractions(label)));
        let regions = Regions::from_fractions(grid, fractions).or_user_error()?;
        Ok(Self { regions, outline_edge_mm: self.outline_edge_mm })
    }

    /// The regions.
    pub(super) fn regions(&self) -> &Regions {
        &self.regions
    }
}

/// What each region of a correction's list has of an image, MBq, in the order of the region's voxels.
pub type Parts = Vec<Vec<f64>>;

/// Corrects the images in place, each by its own regions; `doubted` are labels that are left as measured, with the reason. Gives
/// what was done and, by image, what each region has of it.
///
/// Errors: images whose width cannot be found; an image that shows nothing.
pub fn correct(
    on: &[&OnImage],
    settings: &PartialVolume,
    images: &mut [ActivityImage],
    doubted: &BTreeMap<u16, String>,
) -> Result<(Record, Vec<Parts>), UserError> {
    let all: Vec<(&Regions, &[f64])> =
        on.iter().zip(images.iter()).map(|(on, image)| (&on.regions, &image.activity_mbq.data[..])).collect();
    let edge_mm = on.first().map_or(0.0, |on| on.outline_edge_mm);
    let (correction, fwhm_from) = settings.correction(&all, edge_mm).or_user_error()?;
    let mut record = Record {
        method: correction.method.name(),
        fwhm_mm: correction.psf.fwhm_mm(),
        fwhm_rel_sigma: correction.psf_rel_sigma,
        fwhm_from,
        outline_sigma_mm: correction.outline_sigma_mm,
        texture: correction.texture.name(),
        keeps_sum: correction.method.keeps_sum(),
        images: Vec::new(),
        notes: Vec::new(),
    };
    let mut parts = Vec::new();
    for (on, image) in on.iter().zip(images) {
        let done = correction
            .apply(&on.regions, &image.activity_mbq.data, doubted)
            .map_err(|fault| fault.inside(image.name.as_str()));
        let done = done.or_user_error()?;
        image.activity_mbq.data = done.image;
        parts.push(done.parts);
        record.notes.extend(done.notes.into_iter().map(|note| note.at(&image.name)));
        record.images.push(ImageRecord {
            image: image.name.clone(),
            time_h: image.time_h,
            before_mbq: done.before_mbq,
            after_mbq: done.after_mbq,
            regions: done.regions,
            edges: Vec::new(),
        });
    }
    Ok((record, parts))
}

impl Record {
    /// What the correction leaves uncertain of each outlined region, by label: what all images share, as the mean over the
    /// images weighted by activity, and what each image's counts add.
    pub fn sigmas(&self) -> BTreeMap<u16, RegionSigma> {
        let mut all: BTreeMap<u16, RegionSigma> = BTreeMap::new();
        let mut weights: BTreeMap<u16, f64> = BTreeMap::new();
        for region in self.images.iter().flat_map(|image| &image.regions) {
            let of = all.entry(region.label).or_default();
            let weight = region.after_mbq.max(0.0);
            of.common_rel += weight * region.common_rel_sigma();
            of.by_image_rel.push(region.counts_rel_sigma);
            *weights.entry(region.label).or_default() += weight;
        }
        for (label, of) in &mut all {
            let weight = weights[label];
            // a region without activity has no relative uncertainty
            of.common_rel = if weight > 0.0 { of.common_rel / weight } else { 0.0 };
        }
        all
    }

    /// What was done, by region: activity before and after in the first image.
    pub fn told(&self) -> impl Iterator<Item = Note> {
        let [x, y, z] = self.fwhm_mm;
        let from = match self.fwhm_from {
            WidthFrom::Stated => "stated",
            WidthFrom::Images => "from the images",
            WidthFrom::Phantom => "from the phantom's inserts",
        };
        let width = format!("{x:.2} x {y:.2} x {z:.2} mm +- {:.1} % ({from})", 100.0 * self.fwhm_rel_sigma);
        let done = Note::info("partial-volume", format!("corrected by {}, FWHM {width}", self.method));
        let first = self.images.first().into_iter().flat_map(|image| &image.regions);
        let regions = first.map(|region| {
            let sigma = region.common_rel_sigma().hypot(region.counts_rel_sigma);
            let text = format!(
                "{:.3} MBq before, {:.3} MBq after partial-volume correction ({:+.1} %, standard uncertainty {:.1} %)",
                region.before_mbq,
                region.after_mbq,
                100.0 * (region.after_mbq / region.before_mbq - 1.0),
                100.0 * sigma
            );
            Note::info("partial-volume", text).at(format!("region {}", region.name))
        });
        std::iter::once(done).chain(regions).collect::<Vec<_>>().into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::Volume;
    use crate::quantify::psf::Psf;
    use crate::quantify::settings::Section;

    /// A ball drawn on voxels of 2 mm, seen on voxels of 5 mm through 9 mm.
    fn scene() -> (RegionMap, Volume<f64>) {
        let fine = VoxelGrid::axis_aligned([50, 50, 50], [2.0; 3], [1.0; 3]);
        let ball = |n: usize| {
            let d = fine.world_mm(fine.voxel(n).map(|v| v as f64)).map(|x| x - 50.3);
            u16::from(d.iter().map(|x| x * x).sum::<f64>() < 15.0 * 15.0)
        };
        let labels = Volume { data: (0..fine.len()).map(ball).collect(), grid: fine };
        let grid = VoxelGrid::axis_aligned([20, 20, 20], [5.0; 3], [2.5; 3]);
        let shares = Shares::of(&labels, &grid).expect("grids overlap");
        let ball = shares.labels().iter().position(|&label| label == 1).expect("the ball");
        let sharp: Vec<f64> = shares.fractions(ball).iter().map(|share| 0.1 + 0.9 * share).collect();
        let data = Psf::isotropic("", 9.0).expect("a width").blur(&grid, &sharp);
        let names = BTreeMap::from([(1, "ball".to_owned())]);
        (RegionMap { labels, names, inputs: Vec::new() }, Volume { grid, data })
    }

    fn settings(section: &str) -> PartialVolume {
        let section: Section = toml::from_str(section).expect("a section");
        PartialVolume::of(&section, None, None).expect("usable").expect("a method")
    }

    #[test]
    fn law_a_series_gets_its_activity_back() {
        let (map, image) = scene();
        let on_image = OnImage::of("SERIES.toml", Some(&map), &image.grid).expect("regions");
        let truth = map.labels.data.iter().filter(|&&label| label == 1).count() as f64 * 8.0 / 125.0;
        for section in
            ["method = \"likelihood\"", "method = \"rbv\"\nfwhm_mm = [9, 9, 9]", "method = \"iterative-yang\""]
        {
            let mut images: Vec<ActivityImage> = [24.0, 72.0]
                .map(|time_h| ActivityImage {
                    name: format!("{time_h} h"),
                    time_h,
                    activity_mbq: image.map(|v| v * (-time_h / 60.0_f64).exp2()),
                    rel_sigma: None,
                })
                .to_vec();
            let on = [&on_image; 2];
            let (record, _) = correct(&on, &settings(section), &mut images, &BTreeMap::new()).expect("corrected");
            for (image, done) in images.iter().zip(&record.images) {
                let decayed = (-image.time_h / 60.0).exp2();
                let ball = &done.regions[0];
                assert!((ball.after_mbq / (truth * decayed) - 1.0).abs() < 0.01, "{section}: {ball:?}");
                assert!(ball.before_mbq < 0.85 * truth * decayed);
                assert!((image.activity_mbq.data.iter().sum::<f64>() / done.after_mbq - 1.0).abs() < 1e-9);
            }
            assert!((record.fwhm_mm[0] / 9.0 - 1.0).abs() < 0.02, "{section}: {:?}", record.fwhm_mm);
            assert_eq!(record.told().count(), 2);
        }
    }

    #[test]
    fn alarm_a_series_without_outlines_in_its_images_is_refused() {
        let (mut map, image) = scene();
        let of = |map: Option<&RegionMap>| OnImage::of("SERIES.toml", map, &image.grid);
        assert!(of(None).err().expect("refused").to_string().contains("[partial_volume]: regions: found none"));
        // one voxel of another label, outside the images
        map.labels.grid = VoxelGrid::axis_aligned([50, 50, 50], [2.0; 3], [21.0; 3]);
        map.labels.data[49 + 50 * (49 + 50 * 49)] = 2;
        let error = of(Some(&map)).err().expect("refused").to_string();
        assert!(error.contains("region label_2: voxels: found none in the images"), "{error}");
    }
}
