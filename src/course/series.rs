//! `SERIES.toml`: the images of one cycle, their times and units, and how to integrate them.
//!
//! Nothing is guessed: unit, decay correction and times are stated, here or by the image itself (DICOM), or the file is
//! refused. The fields are listed in docs/methods/time_integration.md.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::bounds::{self, Reading};
use crate::quantify::calibration::Scan;
use crate::quantify::isocontour::{Maximum, SHARES};
use crate::quantify::settings::Section;
use crate::source::OutlineSharing;
use crate::units::rounded;

use super::input::{InputError, TextOrDate, from_toml, hours_between, moment, positive, relative};
use super::registration::{RawRegistration, StatedRegistration};
use super::tia::{Method, RegionMethod};
use super::time_activity::{ErrorModel, JoinRule, Model, StartRule, TailRule};

const NEXT: &str = "See the example in docs/methods/time_integration.md.";
/// Methods by name.
const METHODS: &str = "mono-physical, mono, uptake-physical-tail, uptake-clearance, two-phase-physical-tail, two-phase, \
                       tri-zero-start, aicc, trapezoid, hybrid, hanscheid-2018, population-half-life, previous-half-life, \
                       population";

/// What a voxel of an activity image means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageUnit {
    /// Bq per mL.
    BqMl,
    /// kBq per mL.
    KbqMl,
    /// Bq in the voxel.
    BqVoxel,
    /// MBq in the voxel.
    MbqVoxel,
    /// Counts in the voxel, over the whole scan: a calibration makes them activity.
    Counts,
}

impl ImageUnit {
    /// Name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::BqMl => "bq_ml",
            Self::KbqMl => "kbq_ml",
            Self::BqVoxel => "bq_voxel",
            Self::MbqVoxel => "mbq_voxel",
            Self::Counts => "counts",
        }
    }

    /// MBq in a voxel of `voxel_ml` for a value of 1; none for counts, which need a calibration.
    pub fn mbq_per_value(self, voxel_ml: f64) -> Option<f64> {
        match self {
            Self::BqMl => Some(1e-6 * voxel_ml),
            Self::KbqMl => Some(1e-3 * voxel_ml),
            Self::BqVoxel => Some(1e-6),
            Self::MbqVoxel => Some(1.0),
            Self::Counts => None,
        }
    }

    /// In words.
    fn words(self) -> &'static str {
        match self {
            Self::BqMl => "Bq/mL",
            Self::KbqMl => "kBq/mL",
            Self::BqVoxel => "Bq in the voxel",
            Self::MbqVoxel => "MBq in the voxel",
            Self::Counts => "counts",
        }
    }

    /// Other meanings of numbers that are stated to be in this unit, in voxels of `voxel_ml`; none for counts, which a
    /// calibration makes activity.
    pub fn readings(self, voxel_ml: f64) -> Vec<Reading> {
        let others =
            [Self::BqMl, Self::KbqMl, Self::BqVoxel, Self::MbqVoxel].into_iter().filter(|other| *other != self);
        let reading = |other: Self| {
            let factor = other.mbq_per_value(voxel_ml)? / self.mbq_per_value(voxel_ml)?;
            Some(Reading::new(format!("as {} in place of {}", other.words(), self.words()), factor))
        };
        others.filter_map(reading).collect()
    }
}

/// The time to which the images are decay-corrected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecayCorrection {
    /// Activity at the middle of the scan.
    None,
    /// Activity at the start of the scan (needs scan durations).
    ToScanStart,
    /// Activity as it would have been at injection.
    ToInjection,
}

impl DecayCorrection {
    /// Name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ToScanStart => "to_scan_start",
            Self::ToInjection => "to_injection",
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawImage {
    file: String,
    #[serde(default)]
    time_h: Option<f64>,
    #[serde(default)]
    scan_start: Option<TextOrDate>,
    #[serde(default)]
    duration_min: Option<f64>,
    #[serde(default)]
    unit: Option<ImageUnit>,
    #[serde(default)]
    decay_correction: Option<DecayCorrection>,
    #[serde(default)]
    half_life_h: Option<f64>,
    #[serde(default)]
    relative_error: Option<f64>,
    #[serde(default)]
    registration: Option<RawRegistration>,
    #[serde(default)]
    wide_window_cps: Option<f64>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPlanar {
    time_h: f64,
    counts: BTreeMap<String, f64>,
    #[serde(default)]
    relative_error: Option<f64>,
}

/// `[fit]`: how curves are laid, in a series or for all series of a course.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawFit {
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    error_model: Option<ErrorModel>,
    #[serde(default)]
    candidates: Option<Vec<String>>,
    #[serde(default)]
    start: Option<StartRule>,
    #[serde(default)]
    join: Option<JoinRule>,
    #[serde(default)]
    tail: Option<String>,
    #[serde(default)]
    half_life_h: Option<f64>,
    #[serde(default)]
    half_life_rel_error: Option<f64>,
    #[serde(default)]
    half_life_from_cycle: Option<u32>,
    #[serde(default)]
    prior: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRegion {
    region: String,
    #[serde(flatten)]
    fit: RawFit,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSeries {
    schema: u32,
    #[serde(default)]
    nuclide: Option<String>,
    #[serde(default)]
    pharmaceutical: Option<String>,
    #[serde(default)]
    administered_mbq: Option<f64>,
    #[serde(default)]
    injection_time: Option<TextOrDate>,
    #[serde(default)]
    time_zone: Option<String>,
    unit: Option<ImageUnit>,
    decay_correction: Option<DecayCorrection>,
    labels: String,
    #[serde(default)]
    label_names: Option<String>,
    #[serde(default)]
    relative_error: Option<f64>,
    #[serde(default)]
    systematic_error: f64,
    #[serde(default)]
    voxelwise: bool,
    #[serde(default)]
    outline_sharing: Option<OutlineSharing>,
    #[serde(default)]
    corrected: Option<String>,
    #[serde(default)]
    partial_volume: Option<Section>,
    #[serde(default)]
    calibration: Option<Scan>,
    images: Vec<RawImage>,
    #[serde(default)]
    planar: Vec<RawPlanar>,
    #[serde(default)]
    fit: Option<RawFit>,
    #[serde(default)]
    regions: Vec<RawRegion>,
    #[serde(default)]
    chain: Option<String>,
    #[serde(default)]
    chain_regions: Vec<String>,
    #[serde(default)]
    chain_half_life_h: BTreeMap<String, f64>,
    #[serde(default)]
    volumes: Vec<RawVolume>,
}

/// A `[[volumes]]` entry.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawVolume {
    region: String,
    kind: String,
    #[serde(default)]
    share: Option<f64>,
    #[serde(default)]
    maximum: Option<VoiMaximum>,
    #[serde(default)]
    count: Option<usize>,
    #[serde(default)]
    volume_ml: Option<f64>,
}

/// What counts as the maximum of an isocontour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VoiMaximum {
    /// The greatest voxel.
    #[default]
    Voxel,
    /// The greatest mean of 1 mL about a voxel.
    Peak,
}

impl From<VoiMaximum> for Maximum {
    fn from(maximum: VoiMaximum) -> Self {
        match maximum {
            VoiMaximum::Voxel => Self::Voxel,
            VoiMaximum::Peak => Self::Peak,
        }
    }
}

/// How a volume of interest is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Voi {
    /// Voxels of at least this share of the maximum that hang together with the hottest of the outline.
    Isocontour {
        /// Share of the maximum.
        share: f64,
        /// What the maximum is.
        maximum: VoiMaximum,
    },
    /// Small spheres inside the outline.
    Spheres {
        /// How many.
        count: usize,
        /// Volume of each, mL.
        volume_ml: f64,
    },
}

/// A volume of interest that a series asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct VolumeOfInterest {
    /// The region.
    pub region: String,
    /// How it is drawn.
    pub volume: Voi,
    /// The chain it belongs to.
    pub chain: Option<String>,
    /// Half-life of an earlier cycle, h, where it is stated.
    pub previous_half_life_h: Option<f64>,
}

/// The published chains, and the share of the maximum that each contours.
const CHAINS: [(&str, f64); 1] = [("rudisile-2019", 0.30)];

/// The volumes of interest of a series, those of its chain first.
fn volumes(raw: &RawSeries, file: &str) -> Result<Vec<VolumeOfInterest>, InputError> {
    let refused = |field: String, found: String, allowed: &str, next: &str| {
        Err(InputError::new(file, field, found, allowed.to_owned(), next.to_owned()))
    };
    let mut all = Vec::new();
    let previous = |region: &str| raw.chain_half_life_h.get(region).copied();
    match (&raw.chain, raw.chain_regions.is_empty()) {
        (None, true) => {}
        (None, false) => return refused("chain".to_owned(), "none".to_owned(), "\"rudisile-2019\"", "Name the chain."),
        (Some(_), true) => {
            let next = "Name the regions that the chain measures, as the label names call them.";
            return refused("chain_regions".to_owned(), "none".to_owned(), "names of regions", next);
        }
        (Some(name), false) => {
            let Some((chain, share)) = CHAINS.iter().find(|(known, _)| known == name) else {
                let next = "See docs/methods/quantification.md.";
                return refused("chain".to_owned(), format!("\"{name}\""), "\"rudisile-2019\"", next);
            };
            all.extend(raw.chain_regions.iter().map(|region| VolumeOfInterest {
                region: region.clone(),
                volume: Voi::Isocontour { share: *share, maximum: VoiMaximum::Voxel },
                chain: Some((*chain).to_owned()),
                previous_half_life_h: previous(region),
            }));
        }
    }
    for (region, half_life_h) in &raw.chain_half_life_h {
        positive(file, &format!("chain_half_life_h.{region}"), *half_life_h, "h")?;
    }
    for (index, entry) in raw.volumes.iter().enumerate() {
        let field = |name: &str| format!("volumes[{index}] ({}): {name}", entry.region);
        let next = "See docs/methods/quantification.md.";
        let volume = match (entry.kind.as_str(), entry.share, entry.count, entry.volume_ml) {
            ("isocontour", Some(share), None, None) if (SHARES[0]..=SHARES[1]).contains(&share) => {
                Voi::Isocontour { share, maximum: entry.maximum.unwrap_or_default() }
            }
            ("spheres", None, Some(count), Some(volume_ml))
                if entry.maximum.is_none() && count > 0 && volume_ml > 0.0 && volume_ml.is_finite() =>
            {
                Voi::Spheres { count, volume_ml }
            }
            ("isocontour", share, ..) => {
                let found = share.map_or_else(|| "none, or fields of spheres".to_owned(), |share| share.to_string());
                return refused(field("share"), found, "0.1 to 0.9, and maximum \"voxel\" or \"peak\"", next);
            }
            ("spheres", ..) => {
                let found = "none, not above 0, or fields of an isocontour".to_owned();
                return refused(field("count, volume_ml"), found, "both above 0", next);
            }
            (other, ..) => {
                return refused(field("kind"), format!("\"{other}\""), "\"isocontour\" or \"spheres\"", next);
            }
        };
        let previous_half_life_h = previous(&entry.region);
        all.push(VolumeOfInterest { region: entry.region.clone(), volume, chain: None, previous_half_life_h });
    }
    Ok(all)
}

/// Largest difference between the time that a series and its image state, h.
const TIME_TOLERANCE_H: f64 = 0.05;

/// What a series says before its images are opened.
#[derive(Clone, Debug, PartialEq)]
pub struct Stated {
    /// Nuclide name or file.
    pub nuclide: String,
    /// Whether the series names it.
    pub nuclide_stated: bool,
    /// Zone of the scanner's clock, where it is stated.
    pub time_zone: Option<String>,
    /// The images.
    pub images: Vec<StatedImage>,
    /// Unit of the images, where it is stated.
    pub unit: Option<ImageUnit>,
    /// Decay correction of the images, where it is stated.
    pub decay_correction: Option<DecayCorrection>,
    /// The injection, where it is stated.
    pub injection_time: Option<String>,
}

/// What a series says about one image before it is opened.
#[derive(Clone, Debug, PartialEq)]
pub struct StatedImage {
    /// The file.
    pub file: String,
    /// Unit in its own entry.
    pub unit: Option<ImageUnit>,
    /// Decay correction in its own entry.
    pub decay_correction: Option<DecayCorrection>,
    /// Half-life used for the scanner's decay correction, h.
    pub half_life_h: Option<f64>,
    /// Middle of the scan, h after injection.
    pub time_h: Option<f64>,
}

/// What a course states for all its series, each of which may state its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct Common<'a> {
    /// How images are corrected for partial volume.
    pub partial_volume: Option<&'a Section>,
    /// How images in counts were acquired, and their calibration.
    pub calibration: Option<&'a Scan>,
    /// How curves are laid.
    pub fit: Option<&'a RawFit>,
    /// Nuclide name or file, where the course states it.
    pub nuclide: Option<&'a str>,
}

impl RawFit {
    /// The method of regions without their own; `file` and `place` name it in errors.
    ///
    /// Errors: an unknown method; a field that it needs or does not know.
    pub fn method(&self, file: &str, place: &str) -> Result<Method, InputError> {
        method(self.method.as_deref().unwrap_or("mono"), self, file, place)
    }

    /// Definition of the residuals.
    pub fn error_model(&self) -> ErrorModel {
        self.error_model.unwrap_or_default()
    }
}

/// One image of a checked series.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesImage {
    /// The file.
    pub file: String,
    /// Mid-scan time after injection, h.
    pub time_h: f64,
    /// Time after injection for which the values hold, h: mid-scan, scan start, or 0.
    pub reference_time_h: f64,
    /// Random relative uncertainty of a region's activity; `None` if unknown.
    pub rel_sigma: Option<f64>,
    /// How it is brought into the frame of the first image; `None` if it is not stated.
    pub registration: Option<StatedRegistration>,
    /// Names of the regions that are carried by their own motion.
    pub by_region: Vec<String>,
    /// Measured rate in the wide window, cps, for the dead time.
    pub wide_window_cps: Option<f64>,
}

/// Planar counts of one time, by region.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanarImage {
    /// Mid-scan time after injection, h.
    pub time_h: f64,
    /// Corrected counts by region.
    pub counts: BTreeMap<String, f64>,
    /// Random relative uncertainty.
    pub rel_sigma: Option<f64>,
}

/// A checked series.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Nuclide name or file.
    pub nuclide: String,
    /// Pharmaceutical, where it is stated: a prior of another one is told.
    pub pharmaceutical: Option<String>,
    /// Administered activity, MBq.
    pub administered_mbq: Option<f64>,
    /// Unit of all images.
    pub unit: ImageUnit,
    /// Decay correction of all images.
    pub decay_correction: DecayCorrection,
    /// Label map.
    pub labels: String,
    /// Names of the labels.
    pub label_names: Option<String>,
    /// Systematic relative uncertainty common to all images.
    pub systematic_rel_sigma: f64,
    /// Whether voxels are fitted one by one.
    pub voxelwise: bool,
    /// Whether decays stay with the outlines that share an image voxel, where it is stated.
    pub outline_sharing: Option<OutlineSharing>,
    /// How the images are corrected for partial volume, where the series states it itself.
    pub partial_volume: Option<Section>,
    /// What was corrected for partial volume before, in words.
    pub corrected: Option<String>,
    /// How images in counts were acquired, and their calibration, where the series states it itself.
    pub calibration: Option<Scan>,
    /// The images, in order of time.
    pub images: Vec<SeriesImage>,
    /// Planar images of a hybrid series, in order of time.
    pub planar: Vec<PlanarImage>,
    /// Residuals of the fits.
    pub error_model: ErrorModel,
    /// How a region without an entry of its own is integrated.
    pub default_method: Method,
    /// Whether the course states it, for all its series.
    pub fit_of_course: bool,
    /// Regions with an entry of their own.
    pub regions: Vec<RegionMethod>,
    /// Volumes of interest from the images.
    pub volumes: Vec<VolumeOfInterest>,
    /// Whether the times of its images are hours that a person wrote (`time_h`).
    pub times_typed: bool,
}

impl Series {
    /// What a series says before its images are opened; `file` names it in errors.
    pub fn stated(text: &str, file: &str) -> Result<Stated, InputError> {
        let raw: RawSeries = from_toml(text, file, NEXT)?;
        let injection_time = raw.injection_time.as_ref().map(TextOrDate::text);
        let injection = injection_time.as_deref().map(|text| moment(file, "injection_time", text)).transpose()?;
        let stated = |(index, image): (usize, &RawImage)| {
            let place = |field: &str| format!("images[{index}] ({}): {field}", image.file);
            let start = image.scan_start.as_ref().map(|t| moment(file, &place("scan_start"), &t.text())).transpose()?;
            // anything missing is reported with the times of all images
            let by_clock = injection.zip(start).zip(image.duration_min);
            let by_clock = by_clock.map(|((from, to), minutes)| hours_between(from, to) + minutes / 120.0);
            let half_life_h =
                image.half_life_h.map(|value| positive(file, &place("half_life_h"), value, "h")).transpose()?;
            Ok(StatedImage {
                file: image.file.clone(),
                unit: image.unit,
                decay_correction: image.decay_correction,
                half_life_h,
                time_h: image.time_h.or(by_clock),
            })
        };
        Ok(Stated {
            unit: raw.unit.or_else(|| raw.images.iter().find_map(|image| image.unit)),
            decay_correction: raw.decay_correction,
            images: raw.images.iter().enumerate().map(stated).collect::<Result<_, InputError>>()?,
            nuclide_stated: raw.nuclide.is_some(),
            nuclide: raw.nuclide.unwrap_or_else(|| "lu177".to_owned()),
            time_zone: raw.time_zone,
            injection_time,
        })
    }

    /// A series from TOML text; `file` names it in errors.
    pub fn parse(text: &str, file: &str) -> Result<Self, InputError> {
        Self::parse_with(text, file, &BTreeMap::new(), &Common::default())
    }

    /// As [`Series::parse`]; `own` lists, by file name, the self-describing images (DICOM): these are at mid-scan, in
    /// Bq/mL or, where the series states counts, in counts, and the value is their mid-scan time after injection, h, if
    /// they state it. `common` is what a course states for all its series.
    pub fn parse_with(
        text: &str,
        file: &str,
        own: &BTreeMap<String, Option<f64>>,
        common: &Common<'_>,
    ) -> Result<Self, InputError> {
        let mut raw: RawSeries = from_toml(text, file, NEXT)?;
        if raw.schema != 1 {
            return Err(InputError::new(file, "schema", raw.schema, "1", NEXT));
        }
        own_times(&mut raw, file, own)?;
        of_own_alone(&raw, file, own)?;
        let all_own = !raw.images.is_empty() && raw.images.iter().all(|image| own.contains_key(&image.file));
        if all_own {
            raw.unit.get_or_insert(ImageUnit::BqMl);
            raw.decay_correction.get_or_insert(DecayCorrection::None);
        }
        let unit = common_unit(&raw, file)?;
        if !matches!(unit, ImageUnit::BqMl | ImageUnit::Counts) && !own.is_empty() {
            return Err(InputError::new(
                file,
                "unit",
                format!("\"{}\"", unit.name()),
                "\"bq_ml\" or \"counts\", the units of DICOM images",
                "Leave it out, or convert the other images.",
            ));
        }
        counts_are_calibrated(unit, raw.calibration.is_some(), common.calibration.is_some(), file)?;
        let decay_correction = raw.decay_correction.ok_or_else(|| {
            InputError::new(
                file,
                "decay_correction",
                "none stated",
                "\"none\" (activity at mid-scan), \"to_scan_start\" or \"to_injection\"",
                "Look it up in the reconstruction's protocol; in DICOM it is the field Decay Correction.",
            )
        })?;
        let mut images = images(&raw, decay_correction, file)?;
        for image in images.iter_mut().filter(|image| own.contains_key(&image.file)) {
            image.reference_time_h = image.time_h;
        }
        if !(0.0..1.0).contains(&raw.systematic_error) {
            return Err(InputError::new(
                file,
                "systematic_error",
                raw.systematic_error,
                "at least 0 and below 1",
                NEXT,
            ));
        }
        if let Some(mbq) = raw.administered_mbq {
            bounds::administered_mbq("administered_mbq", mbq).map_err(|error| InputError::of_bounds(file, error))?;
        }
        let fit = raw.fit.clone().or_else(|| common.fit.cloned()).unwrap_or_default();
        if let (None, Some(_), false) = (&raw.fit, common.fit, raw.planar.is_empty()) {
            let next = "State in this series how its curves are laid, as in [fit] method = \"hybrid\".";
            return Err(InputError::new(
                file,
                "fit",
                "none, with [[planar]] entries in a course with [fit]",
                "[fit]",
                next,
            ));
        }
        let default_method = match (&fit.method, raw.planar.is_empty()) {
            (None, false) => method("hybrid", &fit, file, "fit")?,
            _ => fit.method(file, "fit")?,
        };
        let mut regions: Vec<RegionMethod> = Vec::new();
        for (index, region) in raw.regions.iter().enumerate() {
            let place = format!("regions[{index}] ({})", region.region);
            if regions.iter().any(|known| known.region == region.region) {
                return Err(InputError::new(file, place, "a second entry", "one entry a region", "Remove one."));
            }
            let Some(name) = &region.fit.method else {
                return Err(InputError::new(file, format!("{place}.method"), "none stated", METHODS, NEXT));
            };
            if region.fit.error_model.is_some() {
                let field = format!("{place}.error_model");
                return Err(InputError::new(file, field, "an entry", "an entry in [fit]", "It holds for all regions."));
            }
            regions
                .push(RegionMethod { region: region.region.clone(), method: method(name, &region.fit, file, &place)? });
        }
        if let Some(section) = raw.partial_volume.as_ref().or(common.partial_volume) {
            section.check(raw.corrected.as_deref()).map_err(|fault| InputError::of_fault(file, &fault))?;
        }
        let planar = planar(&raw, file)?;
        let volumes = volumes(&raw, file)?;
        let wants_planar = std::iter::once(&default_method)
            .chain(regions.iter().map(|r| &r.method))
            .any(|m| matches!(m, Method::Hybrid { .. }));
        if wants_planar && (planar.is_empty() || images.len() != 1) {
            return Err(InputError::new(
                file,
                "method = \"hybrid\"",
                format!("{} planar and {} SPECT images", planar.len(), images.len()),
                "[[planar]] entries and one SPECT image",
                NEXT,
            ));
        }
        Ok(Self {
            times_typed: raw.images.iter().any(|image| image.scan_start.is_none() && !own.contains_key(&image.file)),
            nuclide: raw.nuclide.or(common.nuclide.map(str::to_owned)).unwrap_or_else(|| "lu177".to_owned()),
            pharmaceutical: raw.pharmaceutical,
            administered_mbq: raw.administered_mbq,
            unit,
            decay_correction,
            labels: raw.labels,
            label_names: raw.label_names,
            systematic_rel_sigma: raw.systematic_error,
            voxelwise: raw.voxelwise,
            outline_sharing: raw.outline_sharing,
            partial_volume: raw.partial_volume,
            corrected: raw.corrected,
            calibration: raw.calibration,
            images,
            planar,
            error_model: fit.error_model(),
            fit_of_course: raw.fit.is_none() && common.fit.is_some(),
            default_method,
            regions,
            volumes,
        })
    }
}

/// Refuses, for an image without such metadata (NIfTI), fields that only override an image's own metadata.
fn of_own_alone(raw: &RawSeries, file: &str, own: &BTreeMap<String, Option<f64>>) -> Result<(), InputError> {
    for (index, image) in raw.images.iter().enumerate().filter(|(_, image)| !own.contains_key(&image.file)) {
        let given =
            [("decay_correction", image.decay_correction.is_some()), ("half_life_h", image.half_life_h.is_some())];
        if let Some((field, _)) = given.into_iter().find(|(_, given)| *given) {
            return Err(InputError::new(
                file,
                format!("images[{index}] ({}): {field}", image.file),
                "an entry beside a NIfTI image",
                "an entry beside a DICOM image, whose file it overrules",
                "State decay_correction once for all NIfTI images; their half-life is the nuclide's.",
            ));
        }
    }
    Ok(())
}

/// Fills in the times of images that state their own. Errors: no time stated at all.
fn own_times(raw: &mut RawSeries, file: &str, own: &BTreeMap<String, Option<f64>>) -> Result<(), InputError> {
    for (index, image) in raw.images.iter_mut().enumerate() {
        let Some(own_h) = own.get(&image.file) else { continue };
        let place = format!("images[{index}] ({}): time_h", image.file);
        match (image.time_h, own_h) {
            // the stated value decides; the image's reader notes it
            (Some(given), Some(own_h)) if (given - own_h).abs() > TIME_TOLERANCE_H => {}
            (None, None) if image.scan_start.is_none() => {
                return Err(InputError::new(
                    file,
                    place,
                    "none, and the image does not date its injection",
                    "time_h, or scan_start and duration_min",
                    NEXT,
                ));
            }
            _ => {
                if let (Some(own_h), None) = (own_h, &image.scan_start) {
                    image.time_h = Some(*own_h);
                }
            }
        }
    }
    Ok(())
}

/// The unit that all images share.
fn common_unit(raw: &RawSeries, file: &str) -> Result<ImageUnit, InputError> {
    const ALLOWED: &str = "\"bq_ml\", \"kbq_ml\", \"bq_voxel\", \"mbq_voxel\" or \"counts\"";
    let first = raw.unit.or_else(|| raw.images.iter().find_map(|image| image.unit)).ok_or_else(|| {
        InputError::new(file, "unit", "none stated", ALLOWED, "Look it up in the reconstruction's protocol.")
    })?;
    match raw.images.iter().position(|image| image.unit.is_some_and(|unit| unit != first)) {
        None => Ok(first),
        Some(index) => Err(InputError::new(
            file,
            format!("images[{index}] ({}): unit", raw.images[index].file),
            format!("\"{}\" beside \"{}\"", raw.images[index].unit.unwrap_or(first).name(), first.name()),
            "one unit for all images of a series",
            "Convert the images to one unit.",
        )),
    }
}

/// Times of all images, and their order.
fn images(raw: &RawSeries, correction: DecayCorrection, file: &str) -> Result<Vec<SeriesImage>, InputError> {
    if raw.images.is_empty() {
        return Err(InputError::new(file, "images", "none", "at least one [[images]] entry", NEXT));
    }
    let by_clock = raw.images.iter().filter(|image| image.scan_start.is_some()).count();
    if by_clock != 0 && by_clock != raw.images.len() {
        return Err(InputError::new(
            file,
            "images",
            format!("scan_start for {by_clock} and time_h for {} images", raw.images.len() - by_clock),
            "one kind of time for all images",
            "Give time_h for all, or scan_start and duration_min for all.",
        ));
    }
    let injection = raw.injection_time.as_ref().map(|t| moment(file, "injection_time", &t.text())).transpose()?;
    let mut images: Vec<SeriesImage> = Vec::new();
    for (index, image) in raw.images.iter().enumerate() {
        let place = |field: &str| format!("images[{index}] ({}): {field}", image.file);
        let half_scan_h = image
            .duration_min
            .map(|minutes| {
                let minutes = positive(file, &place("duration_min"), minutes, "min")?;
                let seconds = bounds::scan_s(&place("duration_min"), minutes * 60.0);
                seconds.map_err(|error| InputError::of_bounds(file, error)).map(|seconds| seconds / 7200.0)
            })
            .transpose()?;
        let time_h = match (&image.scan_start, image.time_h) {
            (Some(_), Some(_)) => {
                return Err(InputError::new(
                    file,
                    place("time"),
                    "time_h and scan_start",
                    "one of the two",
                    "Remove one.",
                ));
            }
            (None, None) => {
                return Err(InputError::new(
                    file,
                    place("time"),
                    "none",
                    "time_h, or scan_start and duration_min",
                    NEXT,
                ));
            }
            (None, Some(time_h)) => time_h,
            (Some(start), None) => {
                let injection = injection.ok_or_else(|| {
                    InputError::new(
                        file,
                        "injection_time",
                        "none stated",
                        "the moment of injection",
                        "scan_start needs it.",
                    )
                })?;
                let half = half_scan_h.ok_or_else(|| {
                    InputError::new(
                        file,
                        place("duration_min"),
                        "none stated",
                        "the scan's duration, min",
                        "The time used is mid-scan.",
                    )
                })?;
                hours_between(injection, moment(file, &place("scan_start"), &start.text())?) + half
            }
        };
        if !time_h.is_finite() || time_h <= 0.0 {
            return Err(InputError::new(
                file,
                place("time"),
                format!("{time_h:.4} h after injection"),
                "above 0 h",
                "Check injection_time, its offset from UTC, and the scan's date.",
            ));
        }
        if let Some(before) = images.last()
            && time_h <= before.time_h
        {
            return Err(InputError::new(
                file,
                place("time"),
                format!("{time_h:.4} h after {:.4} h ({})", before.time_h, before.file),
                "images in order of time",
                out_of_order(time_h, before.time_h),
            ));
        }
        let reference_time_h = match correction {
            DecayCorrection::None => time_h,
            DecayCorrection::ToInjection => 0.0,
            DecayCorrection::ToScanStart => {
                time_h
                    - half_scan_h.ok_or_else(|| {
                        InputError::new(
                            file,
                            place("duration_min"),
                            "none stated",
                            "the scan's duration, min",
                            "decay_correction = \"to_scan_start\" needs it.",
                        )
                    })?
            }
        };
        let rel_sigma = image.relative_error.or(raw.relative_error);
        let rel_sigma = rel_sigma.map(|value| relative(file, &place("relative_error"), value)).transpose()?;
        let registration = image.registration.as_ref().map(|r| r.check(file, &place("registration"))).transpose()?;
        let raw_regions = image.registration.as_ref().map(|r| r.regions(file, &place("registration"))).transpose()?;
        let by_region = raw_regions.unwrap_or_default();
        let wide_window_cps = image.wide_window_cps;
        if let Some(cps) = wide_window_cps {
            positive(file, &place("wide_window_cps"), cps, "cps")?;
        }
        let file = image.file.clone();
        images.push(SeriesImage {
            file,
            time_h,
            reference_time_h,
            rel_sigma,
            registration,
            by_region,
            wide_window_cps,
        });
    }
    Ok(images)
}

/// The next step for a time, h, that is not after the one before, h.
fn out_of_order(time_h: f64, before_h: f64) -> String {
    if time_h == before_h {
        return "Is one scan listed twice? One image of a scan is enough; otherwise correct the time.".to_owned();
    }
    let sort = "sort the [[images]] entries by time; check the dates if they are sorted.";
    match 24.0 * time_h {
        days_h if days_h > before_h => {
            format!("Is {} in days? ({} h.) Otherwise {sort}", rounded(time_h, 5), rounded(days_h, 5))
        }
        _ => format!("Are two images exchanged? Otherwise {sort}"),
    }
}

/// Refuses counts without a calibration, and a series' own calibration without counts; a course's holds for those of its
/// series that are in counts.
fn counts_are_calibrated(unit: ImageUnit, own: bool, common: bool, file: &str) -> Result<(), InputError> {
    const NEXT: &str = "See docs/methods/quantification.md.";
    match (unit == ImageUnit::Counts, own) {
        (true, false) if common => Ok(()),
        (true, false) => Err(InputError::new(file, "[calibration]", "none", "a calibration of images in counts", NEXT)),
        (false, true) => {
            let found = format!("an entry for images in {}", unit.name());
            Err(InputError::new(file, "[calibration]", found, "an entry for images in counts", NEXT))
        }
        _ => Ok(()),
    }
}

fn planar(raw: &RawSeries, file: &str) -> Result<Vec<PlanarImage>, InputError> {
    let mut planar: Vec<PlanarImage> = Vec::new();
    for (index, image) in raw.planar.iter().enumerate() {
        let field = format!("planar[{index}]");
        positive(file, &format!("{field}.time_h"), image.time_h, "h")?;
        if planar.last().is_some_and(|before| image.time_h <= before.time_h) {
            return Err(InputError::new(
                file,
                field,
                image.time_h,
                "images in order of time",
                "Sort the [[planar]] entries.",
            ));
        }
        for (region, counts) in &image.counts {
            positive(file, &format!("{field}.counts.{region}"), *counts, "counts")?;
        }
        let rel_sigma = image.relative_error.map(|value| relative(file, &field, value)).transpose()?;
        planar.push(PlanarImage { time_h: image.time_h, counts: image.counts.clone(), rel_sigma });
    }
    Ok(planar)
}

/// The model of this name.
fn model(name: &str, file: &str, field: &str) -> Result<Model, InputError> {
    Model::ALL.into_iter().find(|model| model.name() == name).ok_or_else(|| {
        let names: Vec<&str> = Model::ALL.iter().map(|model| model.name()).collect();
        InputError::new(file, field, format!("\"{name}\""), names.join(", "), NEXT)
    })
}

/// The method of this name with its fields.
fn method(name: &str, fields: &RawFit, file: &str, place: &str) -> Result<Method, InputError> {
    let half_life_h = |needed_by: &str| {
        let value = fields.half_life_h.ok_or_else(|| {
            InputError::new(
                file,
                format!("{place}.half_life_h"),
                "none stated",
                "an effective half-life, h",
                format!("method = \"{needed_by}\" needs it."),
            )
        })?;
        positive(file, &format!("{place}.half_life_h"), value, "h")
    };
    let spread = fields
        .half_life_rel_error
        .map(|value| relative(file, &format!("{place}.half_life_rel_error"), value))
        .transpose()?;
    if fields.prior.is_some() && name != "population" {
        let allowed = "no entry, or method = \"population\"";
        return Err(InputError::new(
            file,
            format!("{place}.prior"),
            format!("an entry with \"{name}\""),
            allowed,
            NEXT,
        ));
    }
    Ok(match name {
        "aicc" => {
            let names = fields.candidates.as_ref().ok_or_else(|| {
                InputError::new(
                    file,
                    format!("{place}.candidates"),
                    "none",
                    "a list of models",
                    "method = \"aicc\" needs it.",
                )
            })?;
            let models: Result<Vec<Model>, InputError> =
                names.iter().map(|name| model(name, file, &format!("{place}.candidates"))).collect();
            Method::Aicc(models?)
        }
        "trapezoid" => Method::Trapezoid {
            start: fields.start.unwrap_or_default(),
            join: fields.join.unwrap_or_default(),
            tail: match fields.tail.as_deref() {
                None | Some("effective") => TailRule::Effective,
                Some("physical") => TailRule::Physical,
                Some("half-life") => TailRule::HalfLifeH(half_life_h("trapezoid")?),
                Some(other) => {
                    return Err(InputError::new(
                        file,
                        format!("{place}.tail"),
                        format!("\"{other}\""),
                        "\"effective\", \"physical\" or \"half-life\"",
                        NEXT,
                    ));
                }
            },
        },
        "hanscheid-2018" => Method::Hanscheid2018 { half_life_for_g_h: half_life_h(name)? },
        "population-half-life" => Method::Population { half_life_h: half_life_h(name)?, half_life_rel_sigma: spread },
        "previous-half-life" => Method::PreviousCycle {
            half_life_h: fields.half_life_h.map(|_| half_life_h(name)).transpose()?,
            half_life_rel_sigma: spread,
            cycle: fields.half_life_from_cycle,
        },
        "population" => {
            let prior = fields.prior.clone().ok_or_else(|| {
                InputError::new(
                    file,
                    format!("{place}.prior"),
                    "none stated",
                    "the name of a built-in prior or a file",
                    "See docs/methods/kinetics.md; lutra kinetics list shows the built-in ones.",
                )
            })?;
            Method::Kinetics { prior, read: None }
        }
        "hybrid" => Method::Hybrid { model: Model::Mono },
        _ => match Model::ALL.into_iter().find(|model| model.name() == name) {
            Some(model) => Method::Model(model),
            None => {
                let field = format!("{place}.method");
                return Err(InputError::new(file, field, format!("\"{name}\""), METHODS, NEXT));
            }
        },
    })
}
