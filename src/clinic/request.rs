//! Typed requests, checked by whoever makes them.

use super::failure::UserError;
use crate::course::rules::Facts;
use crate::course::time_activity::Model;
use crate::decay::Nuclide;
use crate::fault::{FaultKind, Setting, Words, words};
use crate::io::dicom::{ActivityOptions, DecayCorrection, DoseDepth, IfSilent, RunNuclide};
use crate::place::Place;
use crate::source::{ActivityUnit, OutlineSharing};
use crate::svalues::kernel_file::Declared;
use crate::transport::batch_store::Shard;
use crate::transport::cpu::Carrier;
use crate::transport::emission::{Emissions, Pass};
use crate::transport::gpu::GpuOptions;
use crate::transport::machine::Devices;
#[cfg(feature = "validate")]
use crate::validate::Extent;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;

/// A comparison of two dose maps, checked.
#[derive(Clone, Debug)]
pub struct CompareRequest {
    /// The reference.
    pub a: Place,
    /// The other.
    pub b: Place,
    /// Label map.
    pub labels: Option<Place>,
    /// Names of the labels.
    pub label_names: Option<Place>,
    /// Relative difference below which no scale factor is reported.
    pub tolerance_rel: f64,
    /// Folder of the results.
    pub out: PathBuf,
    /// Whether to write into a folder with results.
    pub force: bool,
}

/// A registration of two images, checked.
#[derive(Clone, Debug)]
pub struct RegisterRequest {
    /// The image that stays.
    pub fixed: Place,
    /// The image that is moved.
    pub moving: Place,
    /// Regions in the fixed image whose surroundings alone are looked at.
    pub mask: Option<Place>,
    /// Names of the regions.
    pub label_names: Option<Place>,
    /// Rigid or affine.
    pub kind: crate::register::Kind,
    /// What the agreement is measured by; chosen by the kinds of the images where not stated.
    pub metric: Option<crate::register::Likeness>,
    /// Whether the registration object is written without what identifies the patient.
    pub deidentify: bool,
    /// Folder of the results.
    pub out: PathBuf,
    /// Whether to write into a folder with results.
    pub force: bool,
}

/// DICOM outputs, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DicomOut {
    /// Whether all patient identification is removed.
    pub deidentify: bool,
    /// Size of a dose value.
    pub depth: DoseDepth,
    /// Whether pictures are written too.
    pub pictures: bool,
}

/// How DICOM activity images are read and integrated, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageChoice {
    /// Nuclide name or file.
    pub nuclide: Place,
    /// Whether the user states the nuclide, which then overrides the files.
    pub nuclide_stated: bool,
    /// What the user states about them.
    pub options: ActivityOptions,
    /// Effective half-life of all regions, h.
    pub effective_half_life_h: Option<f64>,
    /// Effective half-lives of single regions, h.
    pub half_lives_h: BTreeMap<String, f64>,
    /// Curve fitted to every region without a stated half-life; one exponential if none is named.
    pub model: Option<Model>,
    /// Administered activity where the files do not state it, MBq.
    pub administered_mbq: Option<f64>,
}

impl ImageChoice {
    /// What the user states about the images, for the run record; the injection without its date, which identifies the
    /// patient.
    pub fn settings(&self) -> Value {
        let options = &self.options;
        json!({
            "assume_bq_ml": options.assume_bq_ml,
            "decay_correction": options.decay_correction.map(DecayCorrection::name),
            "effective_half_life_h": self.effective_half_life_h,
            "effective_half_lives_h": self.half_lives_h,
            "fit": self.model.map(Model::name),
            "half_life_h": options.half_life_h,
            "injection_time_stated": options.injection.is_some(),
            "nuclide_stated": self.nuclide_stated,
            "time_zone": options.time_zone.map(|zone| zone.to_string()),
        })
    }

    /// Options of the reader: the nuclide, and its half-life where the file states none.
    pub fn reader(&self, nuclide: &Nuclide) -> ActivityOptions {
        let if_silent = IfSilent { half_life_h: Some(nuclide.half_life_h), ..self.options.if_silent };
        let nuclide = Some(RunNuclide::new(&nuclide.name, self.nuclide_stated));
        ActivityOptions { if_silent, nuclide, ..self.options }
    }
}

/// `tia`, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct TiaRequest {
    /// The series: a SERIES.toml, or DICOM images; at least one.
    pub series: Vec<Place>,
    /// Regions of DICOM images.
    pub labels: Option<Place>,
    /// Their names.
    pub label_names: Option<Place>,
    /// CT that DICOM regions are put on.
    pub ct: Option<Place>,
    /// How DICOM images are read.
    pub images: ImageChoice,
    /// Whether image voxels are divided among the outlines that share them; `None` for what the series states.
    pub outline_sharing: Option<OutlineSharing>,
    /// Output folder.
    pub out: PathBuf,
    /// Whether it may hold something already.
    pub force: bool,
}

/// Selection from a DICOM folder.
#[derive(Clone, Debug, PartialEq)]
pub struct StudyChoice {
    /// CT.
    pub ct: Option<Place>,
    /// Activity images; all of the folder where empty.
    pub activity: Vec<Place>,
    /// Regions.
    pub labels: Option<Place>,
    /// Names of the labels.
    pub label_names: Option<Place>,
    /// Protocol.
    pub protocol: String,
    /// Facts about the patient.
    pub facts: Facts,
    /// How the images are read.
    pub images: ImageChoice,
}

/// `course`, checked.
#[derive(Clone, Debug, PartialEq)]
pub enum CourseRequest {
    /// A patient's course.
    Patient {
        /// The course.
        course: Place,
        /// Output folder.
        out: PathBuf,
        /// Where finished cycles are kept.
        cache: PathBuf,
        /// Selection from a DICOM folder; `None` for a COURSE.toml.
        study: Option<Box<StudyChoice>>,
        /// DICOM outputs.
        dicom: Option<DicomOut>,
        /// Whether image voxels are divided among the outlines that share them; `None` for what the course or its
        /// series state.
        outline_sharing: Option<OutlineSharing>,
        /// Whether the output folder may hold something already.
        force: bool,
        /// Options of the transport.
        run: RunOptions,
    },
    /// A virtual cohort.
    Cohort {
        /// Protocol.
        protocol: String,
        /// Patients.
        patients: u32,
        /// Seed.
        seed: u64,
        /// Output folder, if a file is wanted.
        out: Option<PathBuf>,
        /// Whether it may hold something already.
        force: bool,
    },
}

/// `inspect`, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct InspectRequest {
    /// What to look at.
    pub path: Place,
    /// What the user states about activity images.
    pub options: ActivityOptions,
}

/// Which phantom is calibrated with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phantom {
    /// One of known activity: counts a second for a MBq.
    Activity,
    /// One with inserts: recovery by volume.
    Inserts,
}

/// `calibrate`, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct CalibrateRequest {
    /// Which phantom.
    pub phantom: Phantom,
    /// Its description.
    pub description: Place,
    /// The calibration file.
    pub out: PathBuf,
    /// Whether it may exist.
    pub force: bool,
}

/// `init`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InitRequest {
    /// `init dose`.
    Dose {
        /// Folder of the images.
        folder: Place,
        /// The configuration.
        out: PathBuf,
        /// Whether it may exist.
        force: bool,
    },
    /// `init course`.
    Course {
        /// Folder of the cycles.
        folder: Place,
        /// Folder of the drafts; empty for the working folder.
        out: PathBuf,
        /// Protocol, where it is known.
        protocol: Option<String>,
        /// Whether configurations may exist.
        force: bool,
    },
}

/// Where the transport runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineChoice {
    /// The first real GPU, else the CPU.
    Auto,
    /// CPU threads; how they run histories, `None` for the machine's fastest way.
    Cpu(Option<Carrier>),
    /// The adapter with this number in the list of devices; without a number the first usable one.
    Gpu(Option<usize>),
}

/// When the transport ends.
#[derive(Clone, Debug, PartialEq)]
pub enum Stop {
    /// After the default number of histories.
    Default,
    /// After this many electron histories; photon histories in fixed proportion.
    Histories(u64),
    /// When 95 % of the target voxels have reached this relative standard error.
    TargetSigma {
        /// Relative standard error, above 0 and below 1.
        sigma_rel: f64,
        /// Regions whose voxels are the target, ascending, each once; empty: the voxels above 10 % of the highest
        /// dose.
        labels: Vec<u16>,
    },
    /// After about this many seconds of transport.
    Seconds(f64),
}

/// Options of the transport, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct RunOptions {
    /// Where it runs.
    pub engine: EngineChoice,
    /// When it ends.
    pub stop: Stop,
    /// Seed.
    pub seed: u64,
    /// Threads of the CPU engine; none for all cores.
    pub threads: Option<usize>,
    /// Batches; none for the default.
    pub batches: Option<u32>,
    /// Which part of the batches; none for all.
    pub shard: Option<Shard>,
    /// Checkpoints; none without.
    pub checkpoint: Option<Checkpoint>,
    /// How far the chain of uncertainty is followed.
    pub budget: BudgetDepth,
    /// What the bands of histograms hold.
    pub dvh_bands: DvhBands,
    /// Whose devices it uses.
    pub devices: Devices,
}

/// What the bands of histograms hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DvhBands {
    /// The statistics of the transport.
    #[default]
    Transport,
    /// Everything known of the dose.
    Total,
}

impl DvhBands {
    /// Name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Transport => "transport",
            Self::Total => "total",
        }
    }
}

impl FromStr for DvhBands {
    type Err = UserError;

    fn from_str(text: &str) -> Result<Self, UserError> {
        match text {
            "transport" => Ok(Self::Transport),
            "total" => Ok(Self::Total),
            _ => {
                let next = "Write total for bands of everything known of a dose.";
                let found = format!("\"{text}\"");
                Err(UserError::invalid(Setting::DvhBands, "", found, "transport or total", next)
                    .kind(FaultKind::Unknown))
            }
        }
    }
}

/// How far the chain of uncertainty of a dose is followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BudgetDepth {
    /// Each region's own sources, added to first order.
    #[default]
    Sources,
    /// Draws through the patient's own S matrix, with outlines moved by half a voxel: three more runs a region.
    Full,
}

impl BudgetDepth {
    /// Name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sources => "sources",
            Self::Full => "full",
        }
    }
}

impl FromStr for BudgetDepth {
    type Err = UserError;

    fn from_str(text: &str) -> Result<Self, UserError> {
        match text {
            "sources" => Ok(Self::Sources),
            "full" => Ok(Self::Full),
            _ => {
                let next = "Write full for draws through the patient's own S matrix.";
                Err(UserError::invalid(Setting::Budget, "", format!("\"{text}\""), "sources or full", next)
                    .kind(FaultKind::Unknown))
            }
        }
    }
}

/// Checkpoints, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// Where they are kept.
    pub folder: PathBuf,
    /// Seconds between two; 0 for none.
    pub every_s: f64,
    /// Whether to resume from existing ones.
    pub resume: bool,
}

/// `merge`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergeRequest {
    /// Output folders of the shards.
    pub outputs: Vec<PathBuf>,
    /// Output folder.
    pub out: PathBuf,
    /// Whether shards may be missing.
    pub allow_missing: bool,
    /// Whether the output folder may hold something already.
    pub force: bool,
}

/// `marrow`, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct MarrowRequest {
    /// What is stated of red marrow: MARROW.toml.
    pub file: Place,
    /// Folder of a finished `dose`.
    pub dose: Place,
    /// Output folder.
    pub out: PathBuf,
    /// Whether the output folder may hold something already.
    pub force: bool,
}

/// What `parity` runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParityScene {
    /// The demo's abdomen.
    Demo,
    /// A CT and a map of decays.
    Files(Place, Place),
}

/// A device to compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The CPU with this many threads, 0 for all cores; how they run histories, `None` for the fastest way.
    Cpu(usize, Option<Carrier>),
    /// The adapter with this number, and how the work is divided.
    Gpu(usize, GpuOptions),
}

/// A history to trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceChoice {
    /// Pass.
    pub pass: Pass,
    /// Batch.
    pub batch: u32,
    /// History.
    pub history: u32,
}

/// `parity`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParityRequest {
    /// What to run.
    pub scene: ParityScene,
    /// Histories of each pass.
    pub histories: u64,
    /// Devices to compare with the CPU; none for all.
    pub devices: Option<Vec<DeviceChoice>>,
    /// Seed.
    pub seed: u64,
    /// The history to trace instead.
    pub trace: Option<TraceChoice>,
    /// Path of the machine-readable comparison.
    pub json: PathBuf,
    /// Whether that file may exist.
    pub force: bool,
}

/// `demo`, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct DemoRequest {
    /// Whether to write the practice patient in place of a run.
    pub practice: bool,
    /// Output folder.
    pub out: PathBuf,
    /// Whether it may hold something already.
    pub force: bool,
    /// Options of the transport.
    pub run: RunOptions,
}

/// `validate`, checked.
#[cfg(feature = "validate")]
#[derive(Clone, Debug, PartialEq)]
pub struct ValidateRequest {
    /// How much is run.
    pub extent: Extent,
    /// Output folder.
    pub out: PathBuf,
    /// Whether it may hold something already.
    pub force: bool,
    /// Engine, seed and threads; the problems know their histories.
    pub run: RunOptions,
}

/// `verify`, checked.
#[cfg(feature = "validate")]
#[derive(Clone, Debug, PartialEq)]
pub struct VerifyRequest {
    /// Output folder.
    pub out: PathBuf,
    /// The record of an earlier verification that this one is held against.
    pub against: Option<Place>,
    /// Whether the folder may hold something already.
    pub force: bool,
    /// Engine and threads of the reference problems; the seed is that of all sites.
    pub run: RunOptions,
}

/// What `bench` measures.
#[derive(Clone, Debug, PartialEq)]
pub enum BenchScene {
    /// The demo's abdomen.
    Demo,
    /// Files, as `dose` takes them.
    Files(Box<DoseRequest>),
    /// A phantom on grids of these numbers of voxels.
    Scaling(Vec<[usize; 3]>),
}

/// `bench`, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct BenchRequest {
    /// What is measured.
    pub what: BenchScene,
    /// Labels whose voxels are evaluated; empty: chosen from the case.
    pub judge_labels: Vec<u16>,
    /// Share of the highest dose above which voxels are evaluated; `None` for a default that depends on the labels.
    pub judge_above: Option<f64>,
    /// Measured runs, at least 1.
    pub repeat: u32,
    /// Electron histories of the warm-up.
    pub warm_up: u64,
    /// Output folder.
    pub out: PathBuf,
    /// Whether it may hold something already.
    pub force: bool,
    /// Options of the transport.
    pub run: RunOptions,
}

/// Where matter comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SceneInput {
    /// A CT in HU.
    Ct(Place),
    /// Density and tissue index with a tissue table.
    Explicit {
        /// Mass density, g/cm3.
        density: Place,
        /// Index of the tissue.
        tissue: Place,
        /// The tissues.
        tissue_table: Place,
    },
}

/// Grid of the result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum GridChoice {
    /// That of the CT, or of the explicit scene.
    Scene,
    /// That of the activity map.
    Activity,
    /// Cubes of this edge length, mm, covering the CT.
    Millimetre(f64),
}

/// Where the decays come from.
#[derive(Clone, Debug, PartialEq)]
pub enum ActivityChoice {
    /// A map of time-integrated activity and the meaning of its values.
    Map {
        /// NIfTI file.
        file: Place,
        /// What its values mean.
        unit: ActivityUnit,
    },
    /// DICOM images of one injection, to be integrated.
    Images {
        /// Folders and files.
        paths: Vec<Place>,
        /// How they are read.
        choice: Box<ImageChoice>,
    },
    /// Decays in memory, handed over beside the request.
    Decays,
    /// None: a scene still without decays.
    None,
}

/// `dose`, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct DoseRequest {
    /// File that options were taken from.
    pub config: Option<Place>,
    /// Where matter comes from.
    pub scene: SceneInput,
    /// Where the decays come from.
    pub activity: ActivityChoice,
    /// Administered activity, MBq, positive.
    pub administered_mbq: Option<f64>,
    /// Name of a nuclide or place of its file.
    pub nuclide: Place,
    /// Emissions to transport.
    pub emissions: Emissions,
    /// Label map.
    pub labels: Option<Place>,
    /// Names of the labels.
    pub label_names: Option<Place>,
    /// Output folder.
    pub out: PathBuf,
    /// DICOM outputs.
    pub dicom: Option<DicomOut>,
    /// Whether it may hold something already.
    pub force: bool,
    /// Grid of the result.
    pub grid: GridChoice,
    /// Whether decays stay with the outlines that share an image voxel.
    pub outline_sharing: OutlineSharing,
    /// Options of the transport.
    pub run: RunOptions,
}

/// `audit`, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditRequest {
    /// The transport and its inputs, with labels.
    pub dose: DoseRequest,
    /// Largest acceptable deviation, share.
    pub tolerance_rel: f64,
    /// Kernels to audit.
    pub kernels: Vec<Place>,
    /// What the user states about them.
    pub declared: Declared,
    /// Tables of organ S values.
    pub s_tables: Vec<Place>,
    /// Phantom of the built-in table.
    pub phantom: String,
}

/// Inputs of a kernel, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct MediumRequest {
    /// Name of a built-in tissue or place of a tissue table.
    pub tissue: Place,
    /// Density, g/cm3; none for the tissue's own.
    pub density_g_cm3: Option<f64>,
    /// Name of a nuclide or place of its file.
    pub nuclide: Place,
    /// Electron histories.
    pub histories: u64,
    /// Seed.
    pub seed: u64,
    /// Threads; none for all cores.
    pub threads: Option<usize>,
    /// Output file.
    pub out: PathBuf,
    /// Whether it may exist.
    pub force: bool,
}

/// `kernel`, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct KernelRequest {
    /// Voxel edges, mm.
    pub spacing_mm: [f64; 3],
    /// Largest offsets, voxels.
    pub half: [usize; 3],
    /// Medium, histories, output.
    pub medium: MediumRequest,
}

/// `svalue`, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct SvalueRequest {
    /// The scene and its labels, as `dose` takes them; the activity is the label map.
    pub dose: DoseRequest,
    /// Source labels, ascending, each once.
    pub sources: Vec<u16>,
}

impl RunOptions {
    /// The settings by name, for the run record.
    pub fn settings(&self) -> BTreeMap<String, Value> {
        let engine = match self.engine {
            EngineChoice::Auto => "auto".to_owned(),
            EngineChoice::Cpu(None) => "cpu".to_owned(),
            EngineChoice::Cpu(Some(carrier)) => format!("cpu:{}", carrier.word()),
            EngineChoice::Gpu(None) => "gpu".to_owned(),
            EngineChoice::Gpu(Some(number)) => format!("gpu:{number}"),
        };
        let stop = match &self.stop {
            Stop::Default => json!("default"),
            Stop::Histories(count) => json!({ "histories": count }),
            Stop::Seconds(seconds) => json!({ "seconds": seconds }),
            Stop::TargetSigma { sigma_rel, labels } => {
                json!({ "target_sigma_rel": sigma_rel, "target_labels": labels })
            }
        };
        let mut settings = BTreeMap::from([
            ("engine".to_owned(), json!(engine)),
            ("stop".to_owned(), stop),
            ("threads".to_owned(), json!(self.threads)),
        ]);
        if self.budget == BudgetDepth::Full {
            settings.insert("budget".to_owned(), json!("full"));
        }
        if self.dvh_bands == DvhBands::Total {
            settings.insert("dvh_bands".to_owned(), json!("total"));
        }
        settings.extend(self.shard.map(|s| ("shard".to_owned(), json!(format!("{}/{}", s.index + 1, s.count)))));
        settings
    }
}

impl DoseRequest {
    /// The settings by name, for the run record.
    pub fn settings(&self) -> BTreeMap<String, Value> {
        let emissions = match self.emissions {
            Emissions::All => "all",
            Emissions::Beta => "beta",
            Emissions::Electrons => "electrons",
            Emissions::Photons => "photons",
        };
        let mut settings = self.run.settings();
        settings.extend([
            (
                "activity_unit".to_owned(),
                match &self.activity {
                    ActivityChoice::Map { unit, .. } => json!(unit.name()),
                    ActivityChoice::Images { .. } => json!("Bq/mL images, integrated over time"),
                    ActivityChoice::Decays => json!(ActivityUnit::Decays.name()),
                    ActivityChoice::None => Value::Null,
                },
            ),
            ("administered_mbq".to_owned(), json!(self.administered_mbq)),
            ("emissions".to_owned(), json!(emissions)),
            ("grid".to_owned(), self.grid.setting()),
            ("outline_sharing".to_owned(), json!(self.outline_sharing.name())),
            ("nuclide".to_owned(), json!(self.nuclide.display().to_string())),
        ]);
        if let ActivityChoice::Images { choice, .. } = &self.activity {
            settings.insert("stated_of_images".to_owned(), choice.settings());
        }
        settings
    }
}

/// Smallest and largest voxel edge of a grid of the result, mm.
pub const GRID_RANGE_MM: [f64; 2] = [0.1, 50.0];

impl GridChoice {
    /// As in the run record.
    pub fn setting(self) -> Value {
        match self {
            Self::Scene => json!("ct"),
            Self::Activity => json!("activity"),
            Self::Millimetre(edge_mm) => json!(edge_mm),
        }
    }

    /// A grid by its name or edge length.
    pub fn parse(text: &str) -> Result<Self, UserError> {
        Ok(match text {
            "ct" => Self::Scene,
            "activity" => Self::Activity,
            _ => {
                let edge_mm = text.parse::<f64>().map_err(|_| {
                    let grid = Setting::Grid;
                    UserError::invalid(
                        grid,
                        "",
                        format!("\"{text}\""),
                        "ct, activity, or an edge length in mm",
                        words!("Use ", grid, " ct, ", grid, " activity, or a number as in ", grid, " 3."),
                    )
                })?;
                Self::Millimetre(in_range(Setting::Grid, edge_mm, GRID_RANGE_MM[0], GRID_RANGE_MM[1], "mm")?)
            }
        })
    }
}

/// A value of an option within a range, or the error.
pub fn in_range(setting: impl Into<Words>, value: f64, low: f64, high: f64, what: &str) -> Result<f64, UserError> {
    if (low..=high).contains(&value) {
        return Ok(value);
    }
    let setting = setting.into();
    let next = words!("Give ", &setting, " in that range.");
    Err(UserError::invalid(setting, "", value.to_string(), format!("from {low} to {high} ({what})"), next))
}

impl DoseRequest {
    /// A CT and a map of decays with everything else left at its default; no output folder.
    pub fn of_decays(ct: impl Into<Place>, decays: impl Into<Place>) -> Self {
        Self {
            config: None,
            scene: SceneInput::Ct(ct.into()),
            activity: ActivityChoice::Map { file: decays.into(), unit: ActivityUnit::Decays },
            administered_mbq: None,
            nuclide: "lu177".into(),
            emissions: Emissions::All,
            labels: None,
            label_names: None,
            out: PathBuf::new(),
            dicom: None,
            force: false,
            grid: GridChoice::Scene,
            outline_sharing: OutlineSharing::default(),
            run: RunOptions::default(),
        }
    }
}

/// Seed where none is given.
pub const DEFAULT_SEED: u64 = 177;

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            engine: EngineChoice::Auto,
            stop: Stop::Default,
            seed: DEFAULT_SEED,
            threads: None,
            batches: None,
            shard: None,
            checkpoint: None,
            budget: BudgetDepth::default(),
            dvh_bands: DvhBands::default(),
            devices: Devices::Own,
        }
    }
}
