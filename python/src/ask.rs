//! Arguments of Python as typed requests, checked.

use crate::fault;
use crate::volume::Given;
use lutra::bounds;
use lutra::clinic::failure::{OrUserError, UserError};
use lutra::clinic::handed::HandedOver;
use lutra::clinic::request::{
    ActivityChoice, Checkpoint, DoseRequest, EngineChoice, GridChoice, ImageChoice, RunOptions, SceneInput, Stop,
    in_range,
};
use lutra::course::time_activity::Model;
use lutra::fault::{FaultKind, Setting, Words};
use lutra::io::dicom::{self, ActivityOptions, DecayCorrection, StatedMoment, TimeZone};
use lutra::place::Place;
use lutra::source::{ActivityUnit, OutlineSharing};
use lutra::transport::batch_store::Shard;
use lutra::transport::cpu::Carrier;
use lutra::transport::emission::Emissions;
use pyo3::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// An image, or where it lies.
#[derive(FromPyObject)]
pub enum Source<'py> {
    /// A file or a folder.
    Path(PathBuf),
    /// Files of one series.
    Paths(Vec<PathBuf>),
    /// In memory.
    Image(Given<'py>),
}

/// Where and how long the transport runs.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Run {
    engine: String,
    histories: Option<f64>,
    target_sigma: Option<f64>,
    target_labels: Option<Vec<u16>>,
    seed: u64,
    threads: Option<usize>,
    batches: Option<u32>,
    shard: Option<(u32, u32)>,
    checkpoint: Option<PathBuf>,
    checkpoint_every_s: f64,
    resume: bool,
    force: bool,
    budget: String,
}

/// An effective half-life, h: of all regions, or of single ones by name.
#[derive(FromPyObject)]
pub enum HalfLives {
    /// Of all.
    All(f64),
    /// By region.
    Own(BTreeMap<String, f64>),
}

/// What a person states about DICOM images of activity.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct OfImages {
    effective_half_life_h: Option<HalfLives>,
    fit: Option<String>,
    decay_correction: Option<String>,
    half_life_h: Option<f64>,
    injection_time: Option<String>,
    time_zone: Option<String>,
    assume_bq_ml: bool,
}

/// A dose.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Dose<'py> {
    ct: Option<Source<'py>>,
    density: Option<PathBuf>,
    tissue: Option<PathBuf>,
    tissue_table: Option<PathBuf>,
    activity: Option<Source<'py>>,
    activity_unit: Option<String>,
    labels: Option<Source<'py>>,
    label_names: Option<Names>,
    administered_mbq: Option<f64>,
    nuclide: Option<String>,
    emissions: String,
    grid: Option<Grid>,
    outline_sharing: Option<String>,
    patient_label: Option<String>,
    run: Run,
    images: OfImages,
}

/// Names of labels: a table, or a file of them.
#[derive(FromPyObject)]
pub enum Names {
    /// By label.
    Stated(BTreeMap<u16, String>),
    /// A file.
    File(PathBuf),
}

/// A grid by name, or the edge of its voxels, mm.
#[derive(FromPyObject)]
pub enum Grid {
    /// Edge, mm.
    Edge(f64),
    /// `ct` or `activity`.
    Name(String),
}

fn refused(setting: Setting, found: impl Into<Words>, allowed: impl Into<Words>, next: impl Into<Words>) -> UserError {
    UserError::invalid(setting, "", found, allowed, next)
}

/// Two arguments that exclude each other.
pub fn both(one: Setting, found: &str, next: &str) -> UserError {
    refused(one, found, "one of them", next).kind(FaultKind::Mismatch)
}

fn carrier(name: &str) -> Result<EngineChoice, UserError> {
    let known = Carrier::available();
    known.iter().find(|carrier| carrier.word() == name).map(|&carrier| EngineChoice::Cpu(Some(carrier))).ok_or_else(
        || {
            let words: Vec<String> = known.iter().map(|carrier| format!("cpu:{}", carrier.word())).collect();
            let allowed = format!("on this machine cpu, {}", words.join(", "));
            refused(Setting::Engine, format!("\"cpu:{name}\""), allowed, "Write cpu for the fastest way.")
        },
    )
}

/// An engine by its name.
pub fn engine(text: &str) -> Result<EngineChoice, UserError> {
    match text {
        "auto" => Ok(EngineChoice::Auto),
        "cpu" => Ok(EngineChoice::Cpu(None)),
        "gpu" => Ok(EngineChoice::Gpu(None)),
        _ => {
            if let Some(name) = text.strip_prefix("cpu:") {
                return carrier(name);
            }
            let number = text.strip_prefix("gpu:").and_then(|number| number.parse().ok());
            number.map(|number| EngineChoice::Gpu(Some(number))).ok_or_else(|| {
                let next = "lutra.devices() lists the devices and their numbers.";
                refused(Setting::Engine, format!("\"{text}\""), "auto, cpu, gpu, or gpu:N with N from 0", next)
                    .kind(FaultKind::Unknown)
            })
        }
    }
}

/// A whole number of histories.
pub fn histories(count: f64) -> Result<u64, UserError> {
    if count.fract() == 0.0 && (1.0..=1e15).contains(&count) {
        return Ok(count as u64);
    }
    Err(refused(Setting::Histories, count.to_string(), "a whole number from 1 to 1e15", "Give one, as in 2e7."))
}

/// Labels above 0, ascending, each once.
pub fn labels(setting: Setting, mut labels: Vec<u16>) -> Result<Vec<u16>, UserError> {
    if labels.is_empty() || labels.contains(&0) {
        return Err(refused(setting, format!("{labels:?}"), "labels from 1 to 65535", "Name labels of the label map."));
    }
    labels.sort_unstable();
    labels.dedup();
    Ok(labels)
}

impl Run {
    fn stop(&self) -> Result<Stop, UserError> {
        if let Some(count) = self.histories {
            if self.target_labels.is_some() {
                let next = "Give the length of the run or its aim.";
                return Err(both(Setting::Histories, "beside target_labels", next));
            }
            return Ok(Stop::Histories(histories(count)?));
        }
        let Some(sigma) = self.target_sigma else { return Ok(Stop::Default) };
        let what = "a relative standard error, 0.01 for 1 %";
        let sigma_rel = in_range(Setting::TargetSigma, sigma, 1e-6, 0.5, what)?;
        let labels = self.target_labels.clone().map(|chosen| labels(Setting::TargetLabels, chosen)).transpose()?;
        Ok(Stop::TargetSigma { sigma_rel, labels: labels.unwrap_or_default() })
    }

    /// The options of the transport.
    pub fn options(&self) -> Result<RunOptions, UserError> {
        let engine = engine(&self.engine)?;
        if let Some(threads) = self.threads {
            in_range(Setting::Threads, threads as f64, 1.0, 4096.0, "threads")?;
            if matches!(engine, EngineChoice::Gpu(_)) {
                return Err(both(Setting::Threads, "beside a GPU", "Threads are for the CPU engine; leave one out."));
            }
        }
        if let Some(batches) = self.batches {
            in_range("batches", f64::from(batches), 10.0, 4096.0, "batches")?;
        }
        let every_s = in_range(Setting::Checkpoint, self.checkpoint_every_s, 0.0, 86_400.0, "seconds, 0 for none")?;
        let checkpoint = self.checkpoint.clone().map(|folder| Checkpoint { folder, every_s, resume: self.resume });
        if self.resume && checkpoint.is_none() {
            let next = "Name the folder of the interrupted run.";
            return Err(refused(Setting::Resume, "without checkpoint", "a folder", next));
        }
        let (stop, seed, threads, batches) = (self.stop()?, self.seed, self.threads, self.batches);
        let shard = self.shard.map(|(number, count)| part(number, count, &stop)).transpose()?;
        Ok(RunOptions { engine, stop, seed, threads, batches, shard, checkpoint, budget: self.budget.parse()? })
    }
}

/// Shard `number` (from 1) of `count`.
fn part(number: u32, count: u32, stop: &Stop) -> Result<Shard, UserError> {
    if !((1..=4096).contains(&count) && (1..=count).contains(&number)) {
        let found = format!("({number}, {count})");
        let allowed = "(K, N) with K from 1 to N and N from 1 to 4096";
        return Err(refused(
            Setting::Shard,
            found,
            allowed,
            "The shards of a run in three parts are (1, 3), (2, 3), (3, 3).",
        ));
    }
    match stop {
        Stop::Default | Stop::Histories(_) => Ok(Shard { index: number - 1, count }),
        _ => {
            let next = "A shard is a part of a known number of histories: give histories.";
            Err(both(Setting::Shard, "beside target_sigma", next))
        }
    }
}

/// A curve by its name, for regions without a stated half-life.
pub fn model(name: &str) -> Result<Model, UserError> {
    Model::ALL.iter().copied().find(|known| known.name() == name).ok_or_else(|| {
        let names: Vec<&str> = Model::ALL.iter().map(|known| known.name()).collect();
        UserError::invalid("model", "", format!("\"{name}\""), names.join(", "), "Name the curve.")
            .kind(FaultKind::Unknown)
    })
}

/// Whether image voxels are divided among the outlines that share them.
pub fn sharing(text: Option<&str>) -> Result<Option<OutlineSharing>, UserError> {
    text.map(|text| text.parse::<OutlineSharing>().or_user_error()).transpose()
}

impl OfImages {
    /// What is stated first.
    pub fn any(&self) -> Option<Setting> {
        [
            (Setting::EffectiveHalfLife, self.effective_half_life_h.is_some()),
            (Setting::EffectiveHalfLife, self.fit.is_some()),
            (Setting::DecayCorrection, self.decay_correction.is_some()),
            (Setting::HalfLife, self.half_life_h.is_some()),
            (Setting::InjectionTime, self.injection_time.is_some()),
            (Setting::TimeZone, self.time_zone.is_some()),
            (Setting::AssumeBqMl, self.assume_bq_ml),
        ]
        .into_iter()
        .find_map(|(setting, given)| given.then_some(setting))
    }

    /// What is stated, for the reader.
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

    /// How the images are read and integrated.
    pub fn choice(&self, nuclide: Option<String>, administered_mbq: Option<f64>) -> Result<ImageChoice, UserError> {
        let hours = |h: f64| in_range(Setting::EffectiveHalfLife, h, 0.01, 1e5, "h");
        let (all, own) = match &self.effective_half_life_h {
            None => (None, BTreeMap::new()),
            Some(HalfLives::All(h)) => (Some(hours(*h)?), BTreeMap::new()),
            Some(HalfLives::Own(own)) => {
                let own = own.iter().map(|(region, &h)| Ok((region.clone(), hours(h)?)));
                (None, own.collect::<Result<_, UserError>>()?)
            }
        };
        Ok(ImageChoice {
            nuclide_stated: nuclide.is_some(),
            nuclide: nuclide.unwrap_or_else(|| "lu177".to_owned()).into(),
            options: self.options()?,
            effective_half_life_h: all,
            half_lives_h: own,
            model: self.fit.as_deref().map(model).transpose()?,
            administered_mbq,
        })
    }
}

/// Administered activity, MBq.
pub fn administered(given: Option<f64>) -> Result<Option<f64>, UserError> {
    given.map(|mbq| bounds::administered_mbq(Setting::AdministeredMbq, mbq)).transpose().or_user_error()
}

fn emissions(text: &str) -> Result<Emissions, UserError> {
    match text {
        "all" => Ok(Emissions::All),
        "beta" => Ok(Emissions::Beta),
        "electrons" => Ok(Emissions::Electrons),
        "photons" => Ok(Emissions::Photons),
        _ => Err(UserError::invalid(
            "emissions",
            "",
            format!("\"{text}\""),
            "all, beta, electrons, photons",
            "Leave it out to follow everything.",
        )),
    }
}

impl Grid {
    fn choice(&self) -> Result<GridChoice, UserError> {
        match self {
            Self::Edge(edge_mm) => GridChoice::parse(&edge_mm.to_string()),
            Self::Name(name) => GridChoice::parse(name),
        }
    }
}

impl Dose<'_> {
    /// Whom it is about, in the user's words.
    pub fn patient_label(&self) -> Option<String> {
        self.patient_label.clone()
    }

    /// The request, and what of it lies in memory.
    pub fn request(self, py: Python<'_>) -> PyResult<(DoseRequest, HandedOver)> {
        let mut handed = HandedOver::default();
        if let Some(Source::Image(image)) = &self.ct {
            handed.ct_hu = Some(image.single(py, "ct")?);
        }
        if let Some(Source::Image(image)) = &self.activity {
            let unit = ActivityUnit::require(self.activity_unit.as_deref()).or_user_error();
            let unit = unit.map_err(|fault| fault::of_fault(py, &fault))?;
            handed.activity = Some((image.double(py, "activity")?, unit));
        }
        if let Some(Source::Image(image)) = &self.labels {
            handed.labels = Some(image.labels(py, "labels")?);
        }
        if let Some(Names::Stated(names)) = &self.label_names {
            handed.names = names.clone();
        }
        self.typed(handed).map_err(|fault| fault::of_fault(py, &fault))
    }

    fn typed(self, handed: HandedOver) -> Result<(DoseRequest, HandedOver), UserError> {
        let scene = self.scene()?;
        let administered_mbq = administered(self.administered_mbq)?;
        if self.label_names.is_some() && self.labels.is_none() {
            let next = "Give the label map that the names belong to.";
            return Err(refused(Setting::Labels, "none", "a label map beside label_names", next));
        }
        let run = self.run.options()?;
        if matches!(&run.stop, Stop::TargetSigma { labels, .. } if !labels.is_empty()) && self.labels.is_none() {
            let next = "Give the label map that holds these labels.";
            return Err(refused(Setting::Labels, "none", "a label map beside target_labels", next));
        }
        let force = self.run.force;
        let grid = self.grid.as_ref().map_or(Ok(GridChoice::Scene), Grid::choice)?;
        if grid != GridChoice::Scene && matches!(scene, SceneInput::Explicit { .. }) {
            let next = "An explicit scene is computed on its own grid; leave it out.";
            return Err(both(Setting::Grid, "beside density", next));
        }
        let activity = self.activity(administered_mbq)?;
        let labels = match self.labels {
            None | Some(Source::Image(_)) => None,
            Some(Source::Path(path)) => Some(path),
            Some(Source::Paths(_)) => {
                return Err(refused(Setting::Labels, "several files", "one", "Give one label map."));
            }
        };
        let label_names = match self.label_names {
            Some(Names::File(file)) => Some(file),
            _ => None,
        };
        let request = DoseRequest {
            config: None,
            scene,
            activity,
            administered_mbq,
            nuclide: self.nuclide.unwrap_or_else(|| "lu177".to_owned()).into(),
            emissions: emissions(&self.emissions)?,
            labels: labels.map(Place::from),
            label_names: label_names.map(Place::from),
            out: PathBuf::new(),
            dicom: None,
            force,
            grid,
            outline_sharing: sharing(self.outline_sharing.as_deref())?.unwrap_or_default(),
            run,
        };
        Ok((request, handed))
    }

    fn scene(&self) -> Result<SceneInput, UserError> {
        match (&self.ct, &self.density, &self.tissue, &self.tissue_table) {
            (Some(Source::Path(ct)), None, None, None) => Ok(SceneInput::Ct(ct.into())),
            (Some(Source::Image(_)), None, None, None) => Ok(SceneInput::Ct("ct in memory".into())),
            (None, Some(density), Some(tissue), Some(tissue_table)) => Ok(SceneInput::Explicit {
                density: density.into(),
                tissue: tissue.into(),
                tissue_table: tissue_table.into(),
            }),
            (Some(Source::Paths(_)), ..) => {
                Err(refused(Setting::Ct, "several files", "one file or folder", "Give the folder of the series."))
            }
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

    fn activity(&self, administered_mbq: Option<f64>) -> Result<ActivityChoice, UserError> {
        let paths: &[PathBuf] = match &self.activity {
            None => return Ok(ActivityChoice::None),
            Some(Source::Image(_)) => {
                return match self.images.any() {
                    None => Ok(ActivityChoice::Decays),
                    Some(setting) => Err(beside_a_map(setting)),
                };
            }
            Some(Source::Path(path)) => std::slice::from_ref(path),
            Some(Source::Paths(paths)) => paths,
        };
        if !paths.is_empty() && paths.iter().all(|path: &PathBuf| dicom::is_dicom(path.as_path() as &Path)) {
            if self.activity_unit.is_some() {
                let next = "DICOM images state their unit and are integrated over time; leave it out.";
                return Err(both(Setting::ActivityUnit, "beside DICOM images", next));
            }
            let choice = self.images.choice(self.nuclide.clone(), administered_mbq)?;
            return Ok(ActivityChoice::Images {
                paths: paths.iter().map(Place::from).collect(),
                choice: Box::new(choice),
            });
        }
        if let Some(setting) = self.images.any() {
            return Err(beside_a_map(setting));
        }
        match paths {
            [file] => {
                let unit = ActivityUnit::require(self.activity_unit.as_deref()).or_user_error()?;
                Ok(ActivityChoice::Map { file: file.into(), unit })
            }
            several => {
                let found = format!("{} files", several.len());
                let next = "Integrate NIfTI images with lutra.tia first.";
                Err(refused(Setting::Activity, found, "one map, or DICOM images", next))
            }
        }
    }
}

fn beside_a_map(setting: Setting) -> UserError {
    let next = "A map of time-integrated activity needs no half-life and no decay correction.";
    both(setting, "beside a map", next)
}
