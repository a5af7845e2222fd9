//! What a person asks in words and numbers (a form, a script, JSON), checked and turned into a typed request.
//!
//! A field is the option of the command line with `_` for `-`, as in a configuration file; the same is refused. Paths are names
//! among the buffers that came with the request.

use super::failure::{OrUserError, UserError};
use super::request::{
    ActivityChoice, AuditRequest, DicomOut, DoseRequest, EngineChoice, GridChoice, ImageChoice, RunOptions, SceneInput,
    Stop, StudyChoice, TiaRequest, in_range,
};
use crate::bounds;
use crate::fault::{FaultKind, Setting, Words};
use crate::io::dicom::{self, ActivityOptions, DecayCorrection, DoseDepth, StatedMoment, TimeZone};
use crate::place::{Buffers, Place};
use crate::source::ActivityUnit;
use crate::svalues::kernel_file::Declared;
use crate::transport::cpu::Carrier;
use crate::transport::emission::Emissions;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A request from its text in JSON.
///
/// Errors: no JSON; a field that is unknown, stated twice or of another kind.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, UserError> {
    serde_json::from_str(text).map_err(|error| {
        let next = "A field is an option of the command line with _ for -.";
        UserError::invalid("request", "", error.to_string(), "its fields as text, numbers and lists", next)
    })
}

/// How the transport runs.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Run {
    /// `auto`, `cpu`, `cpu:WAY`, `gpu`, `gpu:N`.
    pub engine: Option<String>,
    /// Electron histories.
    pub histories: Option<f64>,
    /// Relative standard error aimed at.
    pub target_sigma: Option<f64>,
    /// Labels whose error is aimed at.
    pub target_labels: Option<Vec<u16>>,
    /// Seed.
    pub seed: Option<u64>,
    /// Batches, from 10 up.
    pub batches: Option<u32>,
}

/// What is stated of DICOM images of activity.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Images {
    /// Effective half-life for a single image, h.
    pub effective_half_life_h: Option<f64>,
    /// `none`, `start` or `admin`.
    pub decay_correction: Option<String>,
    /// Half-life that the scanner used, h.
    pub half_life_h: Option<f64>,
    /// When the activity was injected, as in `2026-03-02T10:00+01:00`.
    pub injection_time: Option<String>,
    /// How far the scanner's clock was ahead of UTC, as in `+01:00`.
    pub time_zone: Option<String>,
    /// Whether an image without a unit is read as Bq/mL.
    pub assume_bq_ml: bool,
}

/// A dose.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dose {
    /// CT.
    pub ct: Option<String>,
    /// Density, g/cm3, in place of a CT.
    pub density: Option<String>,
    /// Index of the tissue.
    pub tissue: Option<String>,
    /// The tissues.
    pub tissue_table: Option<String>,
    /// A map of time-integrated activity, or DICOM images.
    pub activity: Vec<String>,
    /// What a value of a map means.
    pub activity_unit: Option<String>,
    /// Label map, or regions in DICOM.
    pub labels: Option<String>,
    /// Names of the labels.
    pub label_names: Option<String>,
    /// Administered activity, MBq.
    pub administered_mbq: Option<f64>,
    /// Name of a nuclide, or a file of one.
    pub nuclide: Option<String>,
    /// `all`, `beta`, `electrons` or `photons`.
    pub emissions: Option<String>,
    /// `ct`, `activity`, or an edge length in mm.
    pub grid: Option<String>,
    /// `on` or `off`.
    pub outline_sharing: Option<String>,
    /// Whether DICOM is written, too.
    pub dicom: bool,
    /// Whether it is without the patient's identity.
    pub deidentify: bool,
    /// How the transport runs.
    pub run: Run,
    /// What is stated of DICOM images.
    pub images: Images,
}

/// An audit: its dose, and the shortcuts it is held against.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Audit {
    /// The dose, with labels.
    pub dose: Dose,
    /// Largest acceptable deviation, share.
    pub tolerance_rel: Option<f64>,
    /// Kernels.
    pub kernels: Vec<String>,
    /// Tables of organ S values.
    pub s_tables: Vec<String>,
    /// `AM` or `AF`.
    pub phantom: Option<String>,
}

/// Images over time.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tia {
    /// A SERIES.toml, or DICOM images.
    pub series: Vec<String>,
    /// Regions of DICOM images.
    pub labels: Option<String>,
    /// Their names.
    pub label_names: Option<String>,
    /// CT that DICOM regions are put on.
    pub ct: Option<String>,
    /// Nuclide.
    pub nuclide: Option<String>,
    /// Administered activity, MBq.
    pub administered_mbq: Option<f64>,
    /// What is stated of the images.
    pub images: Images,
}

/// A course.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Course {
    /// A COURSE.toml, or a folder of DICOM.
    pub course: String,
    /// CT, where a folder of DICOM has several.
    pub ct: Option<String>,
    /// Regions, where a folder of DICOM has several.
    pub labels: Option<String>,
    /// Names of the regions.
    pub label_names: Option<String>,
    /// Protocol for a folder of DICOM; built in.
    pub protocol: Option<String>,
    /// Nuclide of a folder of DICOM.
    pub nuclide: Option<String>,
    /// Administered activity of a folder of DICOM, MBq.
    pub administered_mbq: Option<f64>,
    /// What is stated of DICOM images.
    pub images: Images,
    /// How the transport runs.
    pub run: Run,
}

fn refused(setting: Setting, found: impl Into<Words>, allowed: impl Into<Words>, next: impl Into<Words>) -> UserError {
    UserError::invalid(setting, "", found, allowed, next)
}

/// Two fields that exclude each other.
fn both(one: Setting, found: &str, next: &str) -> UserError {
    refused(one, found, "one of them", next).kind(FaultKind::Mismatch)
}

/// An engine by its name: `auto`, `cpu`, `cpu:WAY`, `gpu`, `gpu:N`.
///
/// Errors: another name.
pub fn engine(text: &str) -> Result<EngineChoice, UserError> {
    let numbered = |text: &str| text.strip_prefix("gpu:").and_then(|number| number.parse().ok());
    let way = |text: &str| Carrier::named(text.strip_prefix("cpu:")?).ok();
    match text {
        "auto" => Ok(EngineChoice::Auto),
        "cpu" => Ok(EngineChoice::Cpu(None)),
        "gpu" => Ok(EngineChoice::Gpu(None)),
        _ => match (way(text), numbered(text)) {
            (Some(way), _) => Ok(EngineChoice::Cpu(Some(way))),
            (None, Some(number)) => Ok(EngineChoice::Gpu(Some(number))),
            (None, None) => {
                let ways: Vec<String> = Carrier::available().iter().map(|way| format!("cpu:{}", way.word())).collect();
                let allowed = format!("auto, cpu, {}, gpu, or gpu:N with N from 0", ways.join(", "));
                let next = "Write cpu for the fastest way of the CPU.";
                Err(refused(Setting::Engine, format!("\"{text}\""), allowed, next).kind(FaultKind::Unknown))
            }
        },
    }
}

/// A whole number of histories.
///
/// Errors: a part of one, none, or more than 1e15.
pub fn histories(count: f64) -> Result<u64, UserError> {
    if count.fract() != 0.0 || !(1.0..=1e15).contains(&count) {
        let allowed = "a whole number from 1 to 1e15";
        return Err(refused(Setting::Histories, count.to_string(), allowed, "Give one, as in 2e7."));
    }
    Ok(count as u64)
}

/// Labels, ascending, each once.
///
/// Errors: none, or label 0.
pub fn labels(setting: Setting, mut labels: Vec<u16>) -> Result<Vec<u16>, UserError> {
    if labels.is_empty() || labels.contains(&0) {
        return Err(refused(setting, format!("{labels:?}"), "labels from 1 to 65535", "Name labels of the label map."));
    }
    labels.sort_unstable();
    labels.dedup();
    Ok(labels)
}

impl Run {
    /// The options of the transport.
    ///
    /// Errors: a value out of its range; fields that exclude each other.
    pub fn options(&self) -> Result<RunOptions, UserError> {
        let plain = RunOptions::default();
        if let Some(batches) = self.batches {
            in_range("batches", f64::from(batches), 10.0, 4096.0, "batches")?;
        }
        Ok(RunOptions {
            engine: self.engine.as_deref().map_or(Ok(plain.engine), engine)?,
            stop: self.stop()?,
            seed: self.seed.unwrap_or(plain.seed),
            batches: self.batches,
            ..plain
        })
    }

    fn stop(&self) -> Result<Stop, UserError> {
        if let Some(count) = self.histories {
            if self.target_sigma.is_some() || self.target_labels.is_some() {
                let next = "Give the length of the run or its aim.";
                return Err(both(Setting::Histories, "beside target_sigma or target_labels", next));
            }
            return Ok(Stop::Histories(histories(count)?));
        }
        let Some(sigma) = self.target_sigma else {
            return match self.target_labels {
                None => Ok(Stop::Default),
                Some(_) => {
                    let next = "Say which uncertainty they must reach, as in 0.01.";
                    Err(refused(Setting::TargetSigma, "none", "a relative standard error beside target_labels", next))
                }
            };
        };
        let what = "a relative standard error, 0.01 for 1 %";
        let sigma_rel = in_range(Setting::TargetSigma, sigma, 1e-6, 0.5, what)?;
        let labels = self.target_labels.clone().map(|chosen| labels(Setting::TargetLabels, chosen)).transpose()?;
        Ok(Stop::TargetSigma { sigma_rel, labels: labels.unwrap_or_default() })
    }
}

impl Images {
    /// The first field that is stated.
    pub fn any(&self) -> Option<Setting> {
        [
            (Setting::EffectiveHalfLife, self.effective_half_life_h.is_some()),
            (Setting::DecayCorrection, self.decay_correction.is_some()),
            (Setting::HalfLife, self.half_life_h.is_some()),
            (Setting::InjectionTime, self.injection_time.is_some()),
            (Setting::TimeZone, self.time_zone.is_some()),
            (Setting::AssumeBqMl, self.assume_bq_ml),
        ]
        .into_iter()
        .find_map(|(setting, given)| given.then_some(setting))
    }

    /// What is stated, for the reader of images.
    ///
    /// Errors: a value out of its range, or one that is none.
    pub fn options(&self) -> Result<ActivityOptions, UserError> {
        let correction = |text: &String| match text.as_str() {
            "none" => Ok(DecayCorrection::None),
            "start" => Ok(DecayCorrection::Start),
            "admin" => Ok(DecayCorrection::Administration),
            _ => {
                let next = "Look into the protocol of the reconstruction.";
                Err(refused(Setting::DecayCorrection, format!("\"{text}\""), "none, start or admin", next))
            }
        };
        let moment = |text: &String| {
            StatedMoment::parse(text).ok_or_else(|| {
                let next = "Write it by the scanner's clock, or with its offset from UTC.";
                refused(Setting::InjectionTime, format!("\"{text}\""), "as in 2026-03-02T10:00+01:00", next)
            })
        };
        let zone = |text: &String| {
            TimeZone::parse(text).ok_or_else(|| {
                let next = "Write how far the scanner's clock was ahead of UTC on that day, summer time included.";
                refused(Setting::TimeZone, format!("\"{text}\""), "an offset from UTC, as in +01:00", next)
            })
        };
        Ok(ActivityOptions {
            decay_correction: self.decay_correction.as_ref().map(correction).transpose()?,
            half_life_h: self.half_life_h.map(|h| in_range(Setting::HalfLife, h, 1e-3, 1e9, "h")).transpose()?,
            injection: self.injection_time.as_ref().map(moment).transpose()?,
            time_zone: self.time_zone.as_ref().map(zone).transpose()?,
            assume_bq_ml: self.assume_bq_ml,
            ..ActivityOptions::default()
        })
    }

    fn choice(
        &self,
        nuclide: Option<&str>,
        administered_mbq: Option<f64>,
        files: &Buffers,
    ) -> Result<ImageChoice, UserError> {
        Ok(ImageChoice {
            nuclide_stated: nuclide.is_some(),
            nuclide: nuclide_at(nuclide, files),
            options: self.options()?,
            effective_half_life_h: self.effective_half_life_h.map(effective_half_life).transpose()?,
            half_lives_h: BTreeMap::new(),
            model: None,
            administered_mbq,
        })
    }
}

/// The nuclide by its name, or a file of one.
fn nuclide_at(name: Option<&str>, files: &Buffers) -> Place {
    files.place(name.unwrap_or("lu177"))
}

/// An effective half-life, h.
///
/// Errors: one that no image of an activity can show.
pub fn effective_half_life(hours: f64) -> Result<f64, UserError> {
    in_range(Setting::EffectiveHalfLife, hours, 0.01, 1e5, "h")
}

/// Administered activity, MBq.
///
/// Errors: one that no patient is given.
pub fn administered(given: Option<f64>) -> Result<Option<f64>, UserError> {
    given.map(|mbq| bounds::administered_mbq(Setting::AdministeredMbq, mbq)).transpose().or_user_error()
}

/// Which emissions are followed: `all`, `beta`, `electrons`, `photons`.
///
/// Errors: another name.
pub fn emissions(text: &str) -> Result<Emissions, UserError> {
    match text {
        "all" => Ok(Emissions::All),
        "beta" => Ok(Emissions::Beta),
        "electrons" => Ok(Emissions::Electrons),
        "photons" => Ok(Emissions::Photons),
        _ => {
            let next = "Leave it out to follow everything.";
            Err(UserError::invalid("emissions", "", format!("\"{text}\""), "all, beta, electrons, photons", next))
        }
    }
}

impl Dose {
    /// The request, its files among these.
    ///
    /// Errors: a value out of its range; fields that exclude each other or need another.
    pub fn request(&self, files: &Buffers) -> Result<DoseRequest, UserError> {
        let scene = self.scene(files)?;
        if self.label_names.is_some() && self.labels.is_none() {
            let next = "Give the label map that the names belong to.";
            return Err(refused(Setting::Labels, "none", "a label map beside label_names", next));
        }
        if self.run.target_labels.is_some() && self.labels.is_none() {
            let next = "Give the label map that holds these labels.";
            return Err(refused(Setting::Labels, "none", "a label map beside target_labels", next));
        }
        let grid = self.grid.as_deref().map_or(Ok(GridChoice::Scene), GridChoice::parse)?;
        if grid != GridChoice::Scene && matches!(scene, SceneInput::Explicit { .. }) {
            let next = "An explicit scene is computed on its own grid; leave it out.";
            return Err(both(Setting::Grid, "beside density", next));
        }
        if self.deidentify && !self.dicom {
            let next = "Only DICOM holds an identity; leave it out, or ask for DICOM.";
            return Err(both(Setting::Dicom, "none beside deidentify", next));
        }
        let administered_mbq = administered(self.administered_mbq)?;
        let out = DicomOut { deidentify: self.deidentify, depth: DoseDepth::Bits16, pictures: false };
        let place = |name: &Option<String>| name.as_ref().map(|name| files.place(name));
        Ok(DoseRequest {
            config: None,
            scene,
            activity: self.activity(administered_mbq, files)?,
            administered_mbq,
            nuclide: nuclide_at(self.nuclide.as_deref(), files),
            emissions: self.emissions.as_deref().map_or(Ok(Emissions::All), emissions)?,
            labels: place(&self.labels),
            label_names: place(&self.label_names),
            out: PathBuf::new(),
            dicom: self.dicom.then_some(out),
            force: false,
            grid,
            outline_sharing: self.outline_sharing.as_deref().unwrap_or("on").parse()?,
            run: self.run.options()?,
        })
    }

    fn scene(&self, files: &Buffers) -> Result<SceneInput, UserError> {
        match (&self.ct, &self.density, &self.tissue, &self.tissue_table) {
            (Some(ct), None, None, None) => Ok(SceneInput::Ct(files.place(ct))),
            (None, Some(density), Some(tissue), Some(tissue_table)) => Ok(SceneInput::Explicit {
                density: files.place(density),
                tissue: files.place(tissue),
                tissue_table: files.place(tissue_table),
            }),
            (Some(_), ..) => {
                let next = "Give either a CT, or density, tissue and tissue_table together.";
                Err(both(Setting::Ct, "beside density", next))
            }
            (None, ..) => {
                let allowed = "a CT, or density, tissue and tissue_table together";
                Err(refused(Setting::Ct, "none", allowed, "Say what the patient is made of."))
            }
        }
    }

    /// A map with its unit, or DICOM images, which state their own.
    fn activity(&self, administered_mbq: Option<f64>, files: &Buffers) -> Result<ActivityChoice, UserError> {
        let paths: Vec<Place> = self.activity.iter().map(|name| files.place(name)).collect();
        if paths.is_empty() {
            let next = "Name the map of time-integrated activity, or the images.";
            return Err(refused(Setting::Activity, "none", "a NIfTI map, or DICOM images", next));
        }
        if paths.iter().all(dicom::is_dicom) {
            if self.activity_unit.is_some() {
                let next = "DICOM images state their unit and are integrated over time; leave it out.";
                return Err(both(Setting::ActivityUnit, "beside DICOM images", next));
            }
            let choice = self.images.choice(self.nuclide.as_deref(), administered_mbq, files)?;
            return Ok(ActivityChoice::Images { paths, choice: Box::new(choice) });
        }
        if let Some(setting) = self.images.any() {
            let next = "A map of time-integrated activity needs no half-life and no decay correction.";
            return Err(both(setting, "beside a map", next));
        }
        match <[Place; 1]>::try_from(paths) {
            Ok([file]) => {
                let unit = ActivityUnit::require(self.activity_unit.as_deref()).or_user_error()?;
                Ok(ActivityChoice::Map { file, unit })
            }
            Err(several) => {
                let found = format!("{} files", several.len());
                let next = "Integrate NIfTI images over time first.";
                Err(refused(Setting::Activity, found, "one map, or DICOM images", next))
            }
        }
    }
}

impl Audit {
    /// The request, its files among these.
    ///
    /// Errors: as [`Dose::request`]; no labels; a tolerance or a phantom that is none.
    pub fn request(&self, files: &Buffers) -> Result<AuditRequest, UserError> {
        if self.dose.labels.is_none() {
            let next = "An audit compares regions: give their label map.";
            return Err(refused(Setting::Labels, "none", "a label map", next));
        }
        let phantom = self.phantom.clone().unwrap_or_else(|| "AM".to_owned());
        if !["AM", "AF"].contains(&phantom.as_str()) {
            let next = "AM is the adult male, AF the adult female phantom of ICRP 110.";
            return Err(UserError::invalid("phantom", "", format!("\"{phantom}\""), "AM, AF", next));
        }
        let tolerance = self.tolerance_rel.unwrap_or(0.05);
        let places = |names: &[String]| names.iter().map(|name| files.place(name)).collect();
        Ok(AuditRequest {
            dose: self.dose.request(files)?,
            tolerance_rel: in_range("tolerance_rel", tolerance, 1e-4, 1.0, "a share, 0.05 for 5 %")?,
            kernels: places(&self.kernels),
            declared: Declared::default(),
            s_tables: places(&self.s_tables),
            phantom,
        })
    }
}

impl Tia {
    /// The request, its files among these.
    ///
    /// Errors: no series; a value out of its range.
    pub fn request(&self, files: &Buffers) -> Result<TiaRequest, UserError> {
        if self.series.is_empty() {
            let next = "Name a SERIES.toml, or the DICOM images.";
            return Err(UserError::invalid("series", "", "none", "a SERIES.toml, or DICOM images", next));
        }
        let place = |name: &Option<String>| name.as_ref().map(|name| files.place(name));
        let administered_mbq = administered(self.administered_mbq)?;
        Ok(TiaRequest {
            series: self.series.iter().map(|name| files.place(name)).collect(),
            labels: place(&self.labels),
            label_names: place(&self.label_names),
            ct: place(&self.ct),
            images: self.images.choice(self.nuclide.as_deref(), administered_mbq, files)?,
            outline_sharing: None,
            out: PathBuf::new(),
            force: false,
        })
    }
}

impl Course {
    /// Where the course lies among these files, how its images are read where it is a folder of DICOM, and how its
    /// transport runs.
    ///
    /// Errors: a value out of its range.
    pub fn request(&self, files: &Buffers) -> Result<(Place, Option<StudyChoice>, RunOptions), UserError> {
        let course = files.place(&self.course);
        let run = self.run.options()?;
        if !dicom::is_dicom(&course) {
            return Ok((course, None, run));
        }
        let administered_mbq = administered(self.administered_mbq)?;
        let place = |name: &Option<String>| name.as_ref().map(|name| files.place(name));
        let choice = StudyChoice {
            ct: place(&self.ct),
            activity: Vec::new(),
            labels: place(&self.labels),
            label_names: place(&self.label_names),
            protocol: self.protocol.clone().unwrap_or_else(|| "iluminet".to_owned()),
            facts: BTreeMap::new(),
            images: self.images.choice(self.nuclide.as_deref(), administered_mbq, files)?,
        };
        Ok((course, Some(choice), run))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> Buffers {
        Buffers::new([("ct.nii", Vec::new()), ("a.nii", Vec::new())]).expect("sound names")
    }

    fn asked(text: &str) -> Result<DoseRequest, String> {
        let told = |error: UserError| error.sentence().to_string();
        read::<Dose>(text).map_err(told)?.request(&files()).map_err(told)
    }

    const PLAIN: &str = r#""ct": "ct.nii", "activity": ["a.nii"], "activity_unit": "decays""#;

    #[test]
    fn clinic_a_request_in_words_is_the_typed_one() {
        let text = format!(
            r#"{{{PLAIN}, "administered_mbq": 7400, "grid": "3", "dicom": true, "labels": "a.nii",
            "run": {{"engine": "cpu", "target_sigma": 0.02, "target_labels": [3, 2, 3], "seed": 5}}}}"#
        );
        let request = asked(&text).expect("sound");
        let files_there = |place: &Place| place.in_memory() && place.path().ends_with("a.nii");
        assert!(matches!(&request.scene, SceneInput::Ct(ct) if ct.in_memory()));
        assert!(
            matches!(&request.activity, ActivityChoice::Map { file, unit: ActivityUnit::Decays } if files_there(file))
        );
        assert_eq!((request.administered_mbq, request.run.seed), (Some(7400.0), 5));
        assert_eq!(request.grid, GridChoice::Millimetre(3.0));
        assert_eq!(request.run.engine, EngineChoice::Cpu(None));
        assert_eq!(request.run.stop, Stop::TargetSigma { sigma_rel: 0.02, labels: vec![2, 3] });
        assert_eq!(request.dicom.map(|out| out.deidentify), Some(false));
    }

    #[test]
    fn clinic_a_request_in_words_is_refused_by_field() {
        for (text, parts) in [
            ("{", &["request", "found EOF"][..]),
            (r#"{"activty": []}"#, &["unknown field `activty`", "allowed"]),
            (r#"{"ct": 3}"#, &["invalid type: integer `3`"]),
            (r#"{}"#, &["CT: found none"]),
            (r#"{"ct": "ct.nii", "density": "a.nii"}"#, &["CT: found beside density"]),
            (r#"{"ct": "ct.nii"}"#, &["activity: found none"]),
            (r#"{"ct": "ct.nii", "activity": ["a.nii"]}"#, &["activity unit: found none"]),
            (r#"{"ct": "ct.nii", "activity": ["a.nii", "ct.nii"], "activity_unit": "decays"}"#, &["found 2 files"]),
            (
                r#"{"ct": "ct.nii", "activity": ["a.nii"], "images": {"half_life_h": 3}}"#,
                &["half-life", "beside a map"],
            ),
        ] {
            let message = asked(text).expect_err(text);
            assert!(parts.iter().all(|part| message.contains(part)), "{text}: {message}");
        }
        for (more, parts) in [
            (r#""run": {"histories": 2.5}"#, &["histories: found 2.5"][..]),
            (r#""run": {"histories": 5, "target_sigma": 0.1}"#, &["histories: found beside"]),
            (r#""run": {"target_labels": [1]}, "labels": "a.nii""#, &["target sigma: found none"]),
            (r#""run": {"target_sigma": 0.1, "target_labels": [1]}"#, &["labels: found none"]),
            (r#""run": {"target_sigma": 2}"#, &["target sigma: found 2"]),
            (r#""run": {"engine": "cup"}"#, &["engine: found \"cup\""]),
            (r#""run": {"batches": 3}"#, &["batches: found 3"]),
            (r#""administered_mbq": -1"#, &["administered activity"]),
            (r#""grid": "thick""#, &["grid: found \"thick\""]),
            (r#""emissions": "alpha""#, &["emissions: found \"alpha\""]),
            (r#""label_names": "a.nii""#, &["labels: found none"]),
            (r#""outline_sharing": "no""#, &["outline sharing: found \"no\""]),
            (r#""deidentify": true"#, &["DICOM: found none beside deidentify"]),
        ] {
            let text = format!("{{{PLAIN}, {more}}}");
            let message = asked(&text).expect_err(&text);
            assert!(parts.iter().all(|part| message.contains(part)), "{text}: {message}");
        }
    }
}
