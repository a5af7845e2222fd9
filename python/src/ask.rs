//! Arguments of Python as typed requests, checked.

use crate::fault;
use crate::volume::Given;
use lutra::clinic::asked::{self, administered, effective_half_life, emissions};
use lutra::clinic::failure::{OrUserError, UserError};
use lutra::clinic::handed::HandedOver;
use lutra::clinic::request::{
    ActivityChoice, Checkpoint, DoseRequest, EngineChoice, GridChoice, ImageChoice, RunOptions, SceneInput, Stop,
    in_range,
};
use lutra::course::time_activity::Model;
use lutra::fault::{FaultKind, Setting, Words};
use lutra::io::dicom::{self, ActivityOptions};
use lutra::place::Place;
use lutra::source::{ActivityUnit, OutlineSharing};
use lutra::transport::batch_store::Shard;
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
    dvh_bands: String,
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

impl Run {
    /// Whether what an interrupted run left may be replaced.
    pub fn force(&self) -> bool {
        self.force
    }

    /// The options of the transport. Histories stand in place of an accuracy.
    pub fn options(&self) -> Result<RunOptions, UserError> {
        let plain = asked::Run {
            engine: Some(self.engine.clone()),
            histories: self.histories,
            target_sigma: self.target_sigma.filter(|_| self.histories.is_none()),
            target_labels: self.target_labels.clone(),
            seed: Some(self.seed),
            batches: self.batches,
        };
        let plain = plain.options()?;
        if let Some(threads) = self.threads {
            in_range(Setting::Threads, threads as f64, 1.0, 4096.0, "threads")?;
            if matches!(plain.engine, EngineChoice::Gpu(_)) {
                return Err(both(Setting::Threads, "beside a GPU", "Threads are for the CPU engine; leave one out."));
            }
        }
        let every_s = in_range(Setting::Checkpoint, self.checkpoint_every_s, 0.0, 86_400.0, "seconds, 0 for none")?;
        let checkpoint = self.checkpoint.clone().map(|folder| Checkpoint { folder, every_s, resume: self.resume });
        if self.resume && checkpoint.is_none() {
            let next = "Name the folder of the interrupted run.";
            return Err(refused(Setting::Resume, "without checkpoint", "a folder", next));
        }
        let shard = self.shard.map(|(number, count)| part(number, count, &plain.stop)).transpose()?;
        let (budget, dvh_bands) = (self.budget.parse()?, self.dvh_bands.parse()?);
        Ok(RunOptions { threads: self.threads, shard, checkpoint, budget, dvh_bands, ..plain })
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
    fn stated(&self) -> asked::Images {
        asked::Images {
            effective_half_life_h: None,
            decay_correction: self.decay_correction.clone(),
            half_life_h: self.half_life_h,
            injection_time: self.injection_time.clone(),
            time_zone: self.time_zone.clone(),
            assume_bq_ml: self.assume_bq_ml,
        }
    }

    /// What is stated first.
    pub fn any(&self) -> Option<Setting> {
        let integrated = self.effective_half_life_h.is_some() || self.fit.is_some();
        integrated.then_some(Setting::EffectiveHalfLife).or_else(|| self.stated().any())
    }

    /// What is stated, for the reader.
    pub fn options(&self) -> Result<ActivityOptions, UserError> {
        self.stated().options()
    }

    /// How the images are read and integrated.
    pub fn choice(&self, nuclide: Option<String>, administered_mbq: Option<f64>) -> Result<ImageChoice, UserError> {
        let (all, own) = match &self.effective_half_life_h {
            None => (None, BTreeMap::new()),
            Some(HalfLives::All(h)) => (Some(effective_half_life(*h)?), BTreeMap::new()),
            Some(HalfLives::Own(own)) => {
                let own = own.iter().map(|(region, &h)| Ok((region.clone(), effective_half_life(h)?)));
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
