//! Arguments as clap reads them (`Raw..`), and the checked requests made of them. Code behind this file never sees an option
//! that is missing, out of range or in conflict with another.

use super::examples;
use super::failure::{OrUserError, UserError, user_error};
use crate::bounds;
use crate::clinic::kinetics::{LearnRequest, PlanRequest};
use crate::clinic::request::{
    ActivityChoice, AuditRequest, BenchRequest, BenchScene, BudgetDepth, CalibrateRequest, Checkpoint, CompareRequest,
    CourseRequest, DEFAULT_SEED, DemoRequest, DeviceChoice, DicomOut, DoseRequest, DvhBands, EngineChoice, GridChoice,
    ImageChoice, InitRequest, InspectRequest, KernelRequest, MarrowRequest, MediumRequest, MergeRequest, ParityRequest,
    ParityScene, Phantom, RegisterRequest, RunOptions, SceneInput, Stop, StudyChoice, SvalueRequest, TiaRequest,
    TraceChoice, ValidateRequest, VerifyRequest, in_range,
};
use crate::cores::MOST_THREADS;
use crate::course::protocol::{BUILT_IN, Protocol};
use crate::course::rules::{Fact, Facts};
use crate::course::time_activity::Model;
use crate::fault::Setting;
use crate::io::dicom::{self, ActivityOptions, DecayCorrection, DoseDepth, StatedMoment, TimeZone};
use crate::place::Place;
use crate::register::{Kind, Likeness};
use crate::source::{ActivityUnit, OutlineSharing};
use crate::svalues::kernel_file::Declared;
use crate::transport::batch_store::Shard;
use crate::transport::cpu::Carrier;
use crate::transport::emission::{Emissions, Pass};
use crate::transport::gpu::GpuOptions;
use crate::validate::Extent;
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Arguments of `lutra compare`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lutra compare lutra-demo/dose_gy.nii.gz other.nii.gz --labels lutra-demo/labels.nii.gz --out compared
  lutra compare ours.nii.gz RTDOSE.dcm --out compared

Orientation and grid are checked first: B is laid on A's grid by its header, then tested for a flip, for swapped
axes, for a move by whole voxels or part of one, and for a common factor. What is found is named on top of
report.html and on the terminal. compare.csv has the regions, compare.json everything.")]
pub struct RawCompare {
    /// The reference: a dose map in Gy, NIfTI or DICOM RT Dose
    #[arg(value_name = "A")]
    a: PathBuf,
    /// The map to compare with it, Gy
    #[arg(value_name = "B")]
    b: PathBuf,
    /// Label map, on any grid: voxels of A that a region covers in part count in part
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Names of the labels: CSV, TSV, JSON or ITK-SNAP text
    #[arg(long, value_name = "FILE")]
    label_names: Option<PathBuf>,
    /// Factor between the maps below which no scale is named, as a share
    #[arg(long, value_name = "SHARE", default_value_t = 0.005, value_parser = number::<f64>)]
    tolerance: f64,
    /// Folder for the results; it must be new or empty unless --force is given
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Whom the result is about.
    #[command(flatten)]
    pub about: RawAbout,
    /// Write into a folder that is not empty, replacing what Lutra wrote there before (lutra.sha256 names it);
    /// inputs and files of others are never touched
    #[arg(long)]
    force: bool,
}

impl RawCompare {
    /// Checks ranges and what needs what.
    pub fn check(self) -> Result<CompareRequest, UserError> {
        if !(self.tolerance > 0.0 && self.tolerance < 1.0) {
            return Err(user_error(
                format!("--tolerance: found {}; allowed: above 0 and below 1", self.tolerance),
                "Give a share: 0.005 is half a percent.",
            ));
        }
        if self.label_names.is_some() && self.labels.is_none() {
            return Err(user_error(
                "--label-names: found a file without --labels; allowed: both, or neither",
                "Add --labels with the label map that the names belong to.",
            ));
        }
        Ok(CompareRequest {
            a: self.a.into(),
            b: self.b.into(),
            labels: self.labels.map(Place::from),
            label_names: self.label_names.map(Place::from),
            tolerance_rel: self.tolerance,
            out: self.out,
            force: self.force,
        })
    }
}

/// Monte Carlo voxel dosimetry for 177Lu radiopharmaceutical therapy.
#[derive(Debug, Parser)]
#[command(
    name = "lutra",
    version,
    max_term_width = 110,
    arg_required_else_help = true,
    after_help = examples::TOP
)]
pub struct RawArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: RawCommand,
    /// What the terminal gets.
    #[command(flatten)]
    pub talk: RawTalk,
}

/// What the terminal gets, as given; every subcommand takes these.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct RawTalk {
    /// Say nothing on standard error but warnings and errors
    #[arg(long, short = 'q', global = true, help_heading = "Terminal")]
    pub quiet: bool,
    /// Print the result as JSON on standard output in place of tables
    #[arg(long, global = true, help_heading = "Terminal")]
    pub json: bool,
}

/// Whom a result is about, as given.
#[derive(Clone, Debug, Default, Args)]
pub struct RawAbout {
    /// Words of your choice about the patient, for pages, pictures and records; left out unless given
    #[arg(long, value_name = "TEXT", help_heading = "Report", value_parser = patient_label)]
    pub patient_label: Option<String>,
}

/// Longest label of a patient, letters.
const MOST_LABEL: usize = 100;

/// Reads the label of a patient: one line of text.
fn patient_label(text: &str) -> Result<String, String> {
    let plain = text.trim();
    let sound = !plain.is_empty() && plain.chars().count() <= MOST_LABEL && !plain.chars().any(char::is_control);
    sound.then(|| plain.to_owned()).ok_or_else(|| format!("allowed: one line of text, at most {MOST_LABEL} letters"))
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum RawCommand {
    /// Compute the dose in a made-up abdomen: no data and no GPU needed
    #[command(after_help = examples::DEMO)]
    Demo(RawDemo),
    /// Compute the absorbed dose from a CT and a map of time-integrated activity
    #[command(after_help = examples::DOSE)]
    Dose(Box<RawDose>),
    /// Add the shards of one run to the whole run, bit for bit
    #[command(after_help = examples::MERGE)]
    Merge(RawMerge),
    /// Integrate activity images over time: decays per voxel
    #[command(after_help = examples::TIA)]
    Tia(RawTia),
    /// Accumulate the cycles of a treatment; dose, BED, limits and what they say
    #[command(after_help = examples::COURSE)]
    Course(Box<RawCourse>),
    /// Say what is in a DICOM folder or an image file, what would be used of it, and every doubt
    #[command(after_help = examples::INSPECT)]
    Inspect(RawInspect),
    /// Run the S-value shortcuts beside the transport and say which is wrong, where, by how much and why
    #[command(after_help = examples::AUDIT)]
    Audit(Box<RawAudit>),
    /// Compare two dose maps: shifts, flips, scales, regions, histograms, gamma
    Compare(RawCompare),
    /// Find how the patient moved between two images: transform, quality, pictures
    #[command(after_help = examples::REGISTER)]
    Register(RawRegister),
    /// Calibrate a camera: counts to activity by a phantom, or recovery by inserts
    #[command(after_help = examples::CALIBRATE)]
    Calibrate(RawCalibrate),
    /// Compute a voxel S-value kernel of any voxel size, tissue and nuclide
    #[command(after_help = examples::KERNEL)]
    Kernel(RawKernel),
    /// Compute a radial point kernel
    #[command(after_help = examples::DPK)]
    Dpk(RawDpk),
    /// Compute S values between the regions of a labelled scene
    #[command(after_help = examples::SVALUE)]
    Svalue(Box<RawSvalue>),
    /// Compute the absorbed dose of red marrow from a finished dose: by spongiosa, by blood, or both
    #[command(after_help = examples::MARROW)]
    Marrow(RawMarrow),
    /// Kinetics of populations: list priors, learn from finished courses, plan times of scans
    Kinetics(RawKinetics),
    /// List the devices the transport can run on
    #[command(after_help = examples::DEVICES)]
    Devices,
    /// Run the same histories on every device and compare the results bit for bit
    #[command(after_help = examples::PARITY)]
    Parity(RawParity),
    /// Measure what a run costs and what accuracy its time buys
    #[command(after_help = examples::BENCH)]
    Bench(Box<RawBench>),
    /// Compare with reference calculations: a table with verdicts, plots, exit code 1 if any fails
    #[command(after_help = examples::VALIDATE)]
    Validate(RawValidate),
    /// Test this installation in a minute: physics, devices, files, fault inputs, memory and disk; exit code 1 if any fails
    #[command(after_help = examples::VERIFY)]
    Verify(RawVerify),
    /// Write a commented configuration from a folder of images
    Init(RawInit),
    /// Serve the page that runs Lutra in a browser, to this machine alone
    #[command(after_help = examples::SERVE)]
    Serve(RawServe),
    /// Print the completions of a shell
    #[command(after_help = examples::COMPLETIONS)]
    Completions(RawCompletions),
    /// Write the manual pages
    #[command(after_help = examples::MAN)]
    Man(RawMan),
}

/// Arguments of `lutra register`.
#[derive(Debug, Args)]
pub struct RawRegister {
    /// The image that stays: a CT or an activity image, NIfTI or DICOM
    #[arg(value_name = "FIXED")]
    fixed: PathBuf,
    /// The image of the same patient that is moved onto it
    #[arg(value_name = "MOVING")]
    moving: PathBuf,
    /// Regions in the fixed image (label map, SEG or RTSTRUCT): only they and 15 mm around them are looked at
    #[arg(long, value_name = "REGIONS")]
    mask: Option<PathBuf>,
    /// Names of the regions: CSV, TSV, JSON or ITK-SNAP text
    #[arg(long, value_name = "FILE", requires = "mask")]
    label_names: Option<PathBuf>,
    /// What the transform may do: rigid (turn and shift), affine (also scale and shear)
    #[arg(long, value_name = "KIND", default_value = "rigid", value_parser = ["rigid", "affine"])]
    kind: String,
    /// What the agreement is measured by: auto takes log-correlation for two activity images, else mutual-information
    #[arg(long, value_name = "METRIC", default_value = "auto",
        value_parser = ["auto", "mutual-information", "correlation", "log-correlation"])]
    metric: String,
    /// Write the registration object without what identifies the patient
    #[arg(long)]
    deidentify: bool,
    /// Folder for the results; it must be new or empty unless --force is given
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Write into a folder that is not empty, replacing what Lutra wrote there before (lutra.sha256 names it);
    /// inputs and files of others are never touched
    #[arg(long)]
    force: bool,
}

impl RawRegister {
    /// The request.
    pub fn check(self) -> RegisterRequest {
        let kind = if self.kind == "affine" { Kind::Affine } else { Kind::Rigid };
        let metric = match self.metric.as_str() {
            "mutual-information" => Some(Likeness::MutualInformation),
            "correlation" => Some(Likeness::Correlation),
            "log-correlation" => Some(Likeness::LogCorrelation),
            _ => None,
        };
        RegisterRequest {
            fixed: self.fixed.into(),
            moving: self.moving.into(),
            mask: self.mask.map(Place::from),
            label_names: self.label_names.map(Place::from),
            kind,
            metric,
            deidentify: self.deidentify,
            out: self.out,
            force: self.force,
        }
    }
}

/// Arguments of `lutra calibrate`.
#[derive(Debug, Args)]
pub struct RawCalibrate {
    /// Description of a phantom of known activity and of its scans: counts a second for a MBq
    #[arg(value_name = "PHANTOM.toml", required_unless_present = "recovery", conflicts_with = "recovery")]
    phantom: Option<PathBuf>,
    /// Description of a phantom with inserts: recovery by volume, and one FWHM where one explains it
    #[arg(long, value_name = "SPHERES.toml")]
    recovery: Option<PathBuf>,
    /// The calibration file
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Replace a calibration file that exists; inputs are never touched
    #[arg(long)]
    force: bool,
}

impl RawCalibrate {
    /// The request.
    pub fn check(self) -> Result<CalibrateRequest, UserError> {
        let (phantom, description) = match (self.phantom, self.recovery) {
            (Some(path), None) => (Phantom::Activity, path),
            (None, Some(path)) => (Phantom::Inserts, path),
            _ => {
                let next = "Give the description of one phantom.";
                return Err(user_error("PHANTOM.toml: found none, or --recovery too; allowed: one of the two", next));
            }
        };
        Ok(CalibrateRequest { phantom, description: description.into(), out: self.out, force: self.force })
    }
}

/// Arguments of `lutra marrow`.
#[derive(Debug, Args)]
pub struct RawMarrow {
    /// What is stated of red marrow: regions of spongiosa and its shares, or samples of blood, each with its source
    #[arg(value_name = "MARROW.toml")]
    file: PathBuf,
    /// Folder of a finished `lutra dose`; with `--budget full` the cross-dose is told by its sources
    #[arg(long, value_name = "FOLDER")]
    dose: PathBuf,
    /// Folder for the results; it must be new or empty unless --force is given
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Write into a folder that is not empty, replacing what Lutra wrote there before (lutra.sha256 names it);
    /// inputs and files of others are never touched
    #[arg(long)]
    force: bool,
}

impl RawMarrow {
    /// The request.
    pub fn check(self) -> MarrowRequest {
        MarrowRequest { file: self.file.into(), dose: self.dose.into(), out: self.out, force: self.force }
    }
}

/// Options of `kinetics`, as given.
#[derive(Debug, Args)]
pub struct RawKinetics {
    /// What is asked.
    #[command(subcommand)]
    pub what: RawKineticsWhat,
}

/// What `kinetics` is asked.
#[derive(Debug, Subcommand)]
pub enum RawKineticsWhat {
    /// List the priors that come with the program: organs, half-lives, spreads, source
    #[command(after_help = examples::KINETICS_LIST)]
    List,
    /// Estimate a prior from finished courses, by maximum likelihood
    #[command(after_help = examples::KINETICS_LEARN)]
    Learn(RawLearn),
    /// Say which times of scans leave the least uncertainty of the time-integrated activity
    #[command(after_help = examples::KINETICS_PLAN)]
    Plan(RawPlan),
}

/// Options of `kinetics learn`, as given.
#[derive(Debug, Args)]
pub struct RawLearn {
    /// One a patient: a result of `lutra course`, or a folder with one result of `lutra tia` a cycle
    #[arg(value_name = "FOLDER", required = true)]
    folders: Vec<PathBuf>,
    /// Prior to begin with, by name or file: its organs and shapes are learnt
    #[arg(long, value_name = "PRIOR", default_value = "dotatate-2017")]
    start: String,
    /// Name of what is learnt
    #[arg(long, value_name = "NAME", default_value = "own")]
    name: String,
    /// Where the prior file goes
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Replace a file that Lutra wrote there before
    #[arg(long)]
    force: bool,
}

/// Options of `kinetics plan`, as given.
#[derive(Debug, Args)]
pub struct RawPlan {
    /// Prior, by name or file
    #[arg(long, value_name = "PRIOR", default_value = "dotatate-2017")]
    prior: String,
    /// Organ, or a region's name
    #[arg(long, value_name = "NAME")]
    organ: String,
    /// Number of scans
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = number::<usize>)]
    scans: usize,
    /// Times that a scan may have, h after injection
    #[arg(long, value_name = "H,H,..", default_value = "4,24,48,72,96,120,168", value_delimiter = ',',
        value_parser = number::<f64>)]
    times: Vec<f64>,
    /// Patients drawn from the prior
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = number::<usize>)]
    patients: usize,
    /// Seed of the draws
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = number::<u64>)]
    seed: u64,
}

/// Most patients that a plan draws: more tell nothing and take minutes.
const MOST_PLANNED: usize = 100_000;
/// Most times of a plan: the choices grow as their powers.
const MOST_TIMES: usize = 16;

impl RawLearn {
    /// The request.
    pub fn check(self) -> LearnRequest {
        LearnRequest {
            folders: self.folders.into_iter().map(Place::from).collect(),
            start: self.start,
            name: self.name,
            out: self.out,
            force: self.force,
        }
    }
}

impl RawPlan {
    /// The checked request, or what is wrong with it.
    pub fn check(self) -> Result<PlanRequest, UserError> {
        in_range("--patients", self.patients as f64, 1.0, MOST_PLANNED as f64, "patients")?;
        in_range("--times", self.times.len() as f64, 1.0, MOST_TIMES as f64, "times")?;
        Ok(PlanRequest {
            prior: self.prior,
            organ: self.organ,
            times_h: self.times,
            scans: self.scans,
            patients: self.patients,
            seed: self.seed,
        })
    }
}

/// Options of `init`, as given.
#[derive(Debug, Args)]
pub struct RawInit {
    /// What is to be configured.
    #[command(subcommand)]
    pub what: RawInitWhat,
}

/// What `init` configures.
#[derive(Debug, Subcommand)]
pub enum RawInitWhat {
    /// Write the configuration of `lutra dose --config` for the CT, activity and labels of a folder
    #[command(after_help = examples::INIT_DOSE)]
    Dose(RawInitDose),
    /// Write COURSE.toml, and a SERIES.toml a cycle, for a folder with one folder of images a cycle
    #[command(after_help = examples::INIT_COURSE)]
    Course(RawInitCourse),
}

/// Options of `init dose`, as given.
#[derive(Debug, Args)]
pub struct RawInitDose {
    /// Folder of the images: NIfTI files, or DICOM in it or in its folders
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,
    /// Where to write the configuration [default: dose.toml in the current folder]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Replace a configuration that exists; images are never touched
    #[arg(long)]
    pub force: bool,
}

/// Options of `init course`, as given.
#[derive(Debug, Args)]
pub struct RawInitCourse {
    /// Folder with one folder a cycle, or with the images of one cycle
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,
    /// Protocol of the course, where it is known already: iluminet, reluth, .. (`lutra course --protocols` lists them); the draft
    /// then asks for the facts that its rules read
    #[arg(long, value_name = "NAME")]
    pub protocol: Option<String>,
    /// Folder to write COURSE.toml and the SERIES files into, made where it is missing [default: the current folder]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Replace configurations that exist; images are never touched
    #[arg(long)]
    pub force: bool,
}

/// Options of `serve`, as given.
#[derive(Debug, Args)]
pub struct RawServe {
    /// Folder of the built page; without it the one beside the program
    #[arg(value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
    /// Port of 127.0.0.1; 0 for any that is free
    #[arg(long, value_name = "PORT", default_value_t = 8177, value_parser = number::<u16>)]
    pub port: u16,
}

/// Options of `completions`, as given.
#[derive(Debug, Args)]
pub struct RawCompletions {
    /// The shell: bash, zsh, fish, powershell or elvish
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

/// Options of `man`, as given.
#[derive(Debug, Args)]
pub struct RawMan {
    /// Folder of the pages, one a subcommand
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Write into a folder that is not empty, replacing what Lutra wrote there before (lutra.sha256 names it);
    /// inputs and files of others are never touched
    #[arg(long)]
    pub force: bool,
}

/// Options of a run that may be interrupted, as given.
#[derive(Debug, Args)]
pub struct RawKeep {
    /// Seconds between two checkpoints in DIR.checkpoint beside the output folder; 0 for none
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0, value_parser = number::<f64>)]
    pub checkpoint: f64,
    /// Go on from the checkpoints of an interrupted run: its output folder, or the folder of its checkpoints
    #[arg(long, value_name = "DIR")]
    pub resume: Option<PathBuf>,
    /// Number of statistically independent batches [default: 20, or as many as there are shards]
    #[arg(long, value_name = "N", value_parser = number::<u32>)]
    pub batches: Option<u32>,
}

/// Options of `merge`, as given.
#[derive(Debug, Args)]
pub struct RawMerge {
    /// Output folders of the shards, in any order
    #[arg(value_name = "OUT", required = true)]
    pub outputs: Vec<PathBuf>,
    /// Output folder of the whole
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Merge what is there even if shards are missing: a true result of fewer histories
    #[arg(long)]
    pub allow_missing: bool,
    /// Write into an output folder that is not empty, replacing what Lutra wrote there before (lutra.sha256 names it);
    /// inputs and files of others are never touched
    #[arg(long)]
    pub force: bool,
}

/// Options of `audit`, as given.
#[derive(Debug, Args)]
#[command(mut_arg("budget", |arg| arg.hide(true)), mut_arg("dvh_bands", |arg| arg.hide(true)))]
pub struct RawAudit {
    /// Options of the transport and its inputs.
    #[command(flatten)]
    pub dose: RawDose,
    /// Largest deviation of a region's dose that still serves, as in 0.05 for 5 %
    #[arg(long, value_name = "SHARE", default_value_t = 0.05, help_heading = "Audit", value_parser = number::<f64>)]
    pub tolerance: f64,
    /// Voxel S-value kernels to audit too (NIfTI, CSV, text table, raw cube)
    #[arg(long, value_name = "FILE", num_args = 1.., help_heading = "Audit")]
    pub kernel: Vec<PathBuf>,
    /// Nuclide of these kernels, where their files do not say
    #[arg(long, value_name = "NAME", help_heading = "Audit")]
    pub kernel_nuclide: Option<String>,
    /// Voxel edges of these kernels, mm, where their files do not say: 4.8 or 2,2,3
    #[arg(long, value_name = "MM", help_heading = "Audit")]
    pub kernel_voxel_mm: Option<String>,
    /// Unit of these kernels, where their files do not say, as in "mGy/(MBq s)"
    #[arg(long, value_name = "UNIT", help_heading = "Audit")]
    pub kernel_unit: Option<String>,
    /// Density of these kernels' medium, g/cm3, where their files do not say
    #[arg(long, value_name = "G/CM3", help_heading = "Audit", value_parser = number::<f64>)]
    pub kernel_density: Option<f64>,
    /// Use kernels in spite of a fault (another voxel size or nuclide, no symmetry)
    #[arg(long, help_heading = "Audit")]
    pub force_kernel: bool,
    /// Tables of organ S values (CSV with source, target, S_mGy_per_MBq_s, target_mass_g)
    #[arg(long, value_name = "FILE", num_args = 1.., help_heading = "Audit")]
    pub s_table: Vec<PathBuf>,
    /// Reference phantom of the built-in organ S values: AM (adult male) or AF (adult female)
    #[arg(long, value_name = "AM|AF", default_value = "AM", help_heading = "Audit")]
    pub phantom: String,
}

/// Options of a kernel, as given.
#[derive(Debug, Args)]
pub struct RawMedium {
    /// Tissue: a built-in name (soft, bone, lung, water, ..) or a tissue table (its first tissue)
    #[arg(long, value_name = "NAME|FILE", default_value = "soft")]
    pub tissue: String,
    /// Density, g/cm3 [default: the tissue's own, 1.04 for soft]
    #[arg(long, value_name = "G/CM3", value_parser = number::<f64>)]
    pub density: Option<f64>,
    /// Built-in nuclide, or a nuclide file (TOML or JSON)
    #[arg(long, value_name = "NAME|FILE", default_value = "lu177")]
    pub nuclide: String,
    /// Number of electron histories; there are five photon histories for each
    #[arg(long, value_name = "N", default_value = "400000")]
    pub histories: String,
    /// Seed of the random numbers
    #[arg(long, value_name = "N", default_value_t = DEFAULT_SEED, value_parser = number::<u64>)]
    pub seed: u64,
    /// Threads [default: all cores]
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<usize>,
    /// Output file; its ending chooses the layout
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Replace a file that exists; inputs are never touched
    #[arg(long)]
    pub force: bool,
}

/// Options of `parity`, as given.
#[derive(Debug, Args)]
pub struct RawParity {
    /// What to run: demo, or a CT and a map of decays (NIfTI)
    #[arg(long, value_name = "demo|CT DECAYS", num_args = 1..=2, default_value = "demo")]
    pub scene: Vec<String>,
    /// Electron histories, and as many photon histories
    #[arg(long, value_name = "N", default_value = "200000")]
    pub histories: String,
    /// Devices to compare with the scalar CPU engine: all, or a list of cpu, cpu:THREADS, cpu:scalar, cpu:1:avx2 and
    /// gpu:N as in `lutra devices`; gpu:N may be followed by :workgroup=W, :threads=T and :steps=S to cut its work
    /// otherwise
    #[arg(long, value_name = "LIST", default_value = "all")]
    pub devices: String,
    /// Seed of the random numbers
    #[arg(long, value_name = "N", default_value_t = DEFAULT_SEED, value_parser = number::<u64>)]
    pub seed: u64,
    /// Follow one history step by step on every device instead: N, PASS:N or PASS:BATCH:N
    #[arg(long, value_name = "HISTORY")]
    pub trace: Option<String>,
    /// Where to write the comparison for machines
    #[arg(long, value_name = "FILE", default_value = "parity.json")]
    pub out: PathBuf,
    /// Replace a file that exists; inputs are never touched
    #[arg(long)]
    pub force: bool,
}

/// Options of `bench`, as given.
#[derive(Debug, Args)]
pub struct RawBench {
    /// A made scene in place of files: demo, which is also what is measured without files
    #[arg(long, value_name = "demo")]
    pub scene: Option<String>,
    /// CT in Hounsfield units (NIfTI, or a DICOM folder or file)
    #[arg(long, value_name = "PATH", help_heading = "Case")]
    pub ct: Option<PathBuf>,
    /// In place of --ct: mass density, g/cm3 (NIfTI)
    #[arg(long, value_name = "FILE", help_heading = "Case")]
    pub density: Option<PathBuf>,
    /// With --density: index of each voxel's tissue, counted from 0 (NIfTI)
    #[arg(long, value_name = "FILE", help_heading = "Case")]
    pub tissue: Option<PathBuf>,
    /// With --density: the tissues in order (CSV, or JSON with a list `tissues`)
    #[arg(long, value_name = "FILE", help_heading = "Case")]
    pub tissue_table: Option<PathBuf>,
    /// Time-integrated activity (NIfTI); or the PT or NM images of one injection (DICOM), to be integrated
    #[arg(long, value_name = "PATH", num_args = 1.., help_heading = "Case")]
    pub activity: Vec<PathBuf>,
    /// What a value of a NIfTI map means: decays, mbq_h (both per voxel) or bq_ml_h
    #[arg(long, value_name = "UNIT", help_heading = "Case")]
    pub activity_unit: Option<String>,
    /// Built-in nuclide, or a nuclide file (TOML or JSON) [default: lu177]
    #[arg(long, value_name = "NAME|FILE", help_heading = "Case")]
    pub nuclide: Option<String>,
    /// Emissions to follow: all, beta, electrons (conversion and Auger electrons) or photons
    #[arg(long, value_name = "CLASS", default_value = "all", help_heading = "Case")]
    pub emissions: String,
    /// Regions: whole numbers, 0 for none (NIfTI); or RTSTRUCT or SEG (DICOM)
    #[arg(long, value_name = "PATH", help_heading = "Case")]
    pub labels: Option<PathBuf>,
    /// Names of the labels (CSV, JSON or ITK-SNAP)
    #[arg(long, value_name = "FILE", help_heading = "Case")]
    pub label_names: Option<PathBuf>,
    /// Grid of the result: ct, activity, or an edge length in mm [default: ct]
    #[arg(long, value_name = "ct|activity|MM", help_heading = "Case")]
    pub grid: Option<String>,
    /// DICOM activity images.
    #[command(flatten)]
    pub images: RawImages,
    /// Run until 95 % of the target voxels have this relative standard error, as in 0.02 for 2 %
    #[arg(long, value_name = "S", value_parser = number::<f64>)]
    pub target_sigma: Option<f64>,
    /// The regions whose voxels are the target, as in 2,3,21 [default: voxels above 10 % of the highest dose]
    #[arg(long, value_name = "LABELS")]
    pub target_labels: Option<String>,
    /// Regions whose voxels are judged [default: --target-labels, else kidneys and tumours by their names, else voxels
    /// above 1 % of the highest dose]
    #[arg(long, value_name = "LABELS")]
    pub judge_labels: Option<String>,
    /// Judge only voxels above this share of the highest dose, as in 0.01 [default: 0.01 without regions, else 0]
    #[arg(long, value_name = "SHARE", value_parser = number::<f64>)]
    pub judge_above: Option<f64>,
    /// Measured runs; the one of median time is shown
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = number::<u32>)]
    pub repeat: u32,
    /// Electron histories of the run before the measured ones, which is not counted
    #[arg(long, value_name = "N", default_value = "200000")]
    pub warm_up: String,
    /// Measure a phantom of soft tissue with one source on growing grids, then with growing numbers of histories
    #[arg(long, help_heading = "Scaling")]
    pub scaling: bool,
    /// Grids: a number of voxels an axis, or three as in 512x512x400
    #[arg(
        long,
        value_name = "LIST",
        requires = "scaling",
        default_value = "64,128,256,512x512x400",
        help_heading = "Scaling"
    )]
    pub grids: String,
    /// Number of statistically independent batches [default: 20]
    #[arg(long, value_name = "N", value_parser = number::<u32>)]
    pub batches: Option<u32>,
    /// Output folder
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Options of the transport.
    #[command(flatten)]
    pub run: RawRun,
}

/// Options of `kernel`, as given.
#[derive(Debug, Args)]
pub struct RawKernel {
    /// Voxel edge, mm: 4.8, or three edges as in 2,2,3
    #[arg(long, value_name = "MM")]
    pub voxel_mm: String,
    /// Largest offset from the source voxel, voxels: 25, or three as in 20,20,10
    #[arg(long, value_name = "N", default_value = "25")]
    pub half: String,
    /// Medium, histories, output.
    #[command(flatten)]
    pub medium: RawMedium,
}

/// Options of `dpk`, as given.
#[derive(Debug, Args)]
pub struct RawDpk {
    /// Medium, histories, output.
    #[command(flatten)]
    pub medium: RawMedium,
}

/// Options of `svalue`, as given.
#[derive(Debug, Args)]
pub struct RawSvalue {
    /// CT in Hounsfield units (NIfTI, or a DICOM folder or file)
    #[arg(long, value_name = "PATH")]
    pub ct: Option<PathBuf>,
    /// In place of --ct: mass density, g/cm3 (NIfTI)
    #[arg(long, value_name = "FILE")]
    pub density: Option<PathBuf>,
    /// With --density: index of each voxel's tissue, counted from 0 (NIfTI)
    #[arg(long, value_name = "FILE")]
    pub tissue: Option<PathBuf>,
    /// With --density: the tissues in order (CSV, or JSON with a list `tissues`)
    #[arg(long, value_name = "FILE")]
    pub tissue_table: Option<PathBuf>,
    /// Regions: whole numbers, 0 for none (NIfTI); or RTSTRUCT or SEG (DICOM)
    #[arg(long, value_name = "PATH")]
    pub labels: PathBuf,
    /// Names of the labels (CSV, JSON or ITK-SNAP)
    #[arg(long, value_name = "FILE")]
    pub label_names: Option<PathBuf>,
    /// Source regions, as in 2 or 2,3,4
    #[arg(long, value_name = "LABELS")]
    pub source_label: String,
    /// Built-in nuclide, or a nuclide file (TOML or JSON)
    #[arg(long, value_name = "NAME|FILE", default_value = "lu177")]
    pub nuclide: String,
    /// Output file (CSV, in the layout of --s-table)
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Options of the transport.
    #[command(flatten)]
    pub run: RawRun,
}

/// Options of the transport, as given.
#[derive(Debug, Args)]
pub struct RawRun {
    /// Where to run: auto (a GPU if there is one), cpu, cpu:scalar, gpu, or gpu:N as listed by `lutra devices`
    #[arg(long, value_name = "ENGINE", default_value = "auto")]
    pub engine: String,
    /// Number of electron histories, as in 20000000 or 2e7; photon histories follow in a fixed proportion
    #[arg(long, value_name = "N")]
    pub histories: Option<String>,
    /// Seed of the random numbers: the same seed gives the same result on every machine
    #[arg(long, value_name = "N", default_value_t = DEFAULT_SEED, value_parser = number::<u64>)]
    pub seed: u64,
    /// Threads of the CPU engine [default: all cores]; the result does not depend on it
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<usize>,
    /// Write into an output folder that is not empty, replacing what Lutra wrote there before (lutra.sha256 names it);
    /// inputs and files of others are never touched
    #[arg(long)]
    pub force: bool,
}

/// Options of `inspect`, as given.
#[derive(Debug, Args)]
pub struct RawInspect {
    /// A DICOM folder or file, or a NIfTI file
    #[arg(value_name = "PATH")]
    pub path: PathBuf,
    /// Decay correction of activity images, whatever their files say: none, start or admin
    #[arg(long, value_name = "none|start|admin")]
    pub decay_correction: Option<String>,
    /// Half-life that the scanner corrected with, h, whatever the file says
    #[arg(long, value_name = "H", value_parser = number::<f64>)]
    pub half_life: Option<f64>,
    /// The injection by the scanner's clock, whatever the file says, as in 2026-03-02T10:00
    #[arg(long, value_name = "TIME")]
    pub injection_time: Option<String>,
    /// Zone of the scanner's clock, whatever the file says, as in +01:00
    #[arg(long, value_name = "OFFSET", allow_hyphen_values = true)]
    pub time_zone: Option<String>,
    /// Take values as Bq/mL where the file states no unit or one that is no activity concentration
    #[arg(long)]
    pub assume_bq_ml: bool,
}

/// What the user says about DICOM activity images, as given.
#[derive(Debug, Default, Args)]
pub struct RawImages {
    /// Effective half-life, h, in place of a fit: of every region, or of one as in kidney_left=48
    #[arg(long, value_name = "H|REGION=H", help_heading = "DICOM activity images", value_delimiter = ',')]
    pub effective_half_life: Vec<String>,
    /// Curve that is fitted to every region: mono, uptake-clearance, .. as `method` of a SERIES.toml [default: mono]
    #[arg(long, value_name = "MODEL", help_heading = "DICOM activity images")]
    pub fit: Option<String>,
    /// Decay correction of the images, whatever their files say: none, start or admin
    #[arg(long, value_name = "none|start|admin", help_heading = "DICOM activity images")]
    pub decay_correction: Option<String>,
    /// Half-life that the scanner corrected with, h, whatever the files say
    #[arg(long, value_name = "H", help_heading = "DICOM activity images", value_parser = number::<f64>)]
    pub half_life: Option<f64>,
    /// The one injection by the scanner's clock, whatever the files say, as in 2026-03-02T10:00
    #[arg(long, value_name = "TIME", help_heading = "DICOM activity images")]
    pub injection_time: Option<String>,
    /// Zone of the scanner's clock, whatever the files say, as in +01:00
    #[arg(long, value_name = "OFFSET", allow_hyphen_values = true, help_heading = "DICOM activity images")]
    pub time_zone: Option<String>,
    /// Take values as Bq/mL where the files state no unit or one that is no activity concentration
    #[arg(long, help_heading = "DICOM activity images")]
    pub assume_bq_ml: bool,
}

/// DICOM outputs, as given.
#[derive(Debug, Default, Args)]
pub struct RawDicomOut {
    /// Write the dose as RT Dose and the regions as SEG too, in the CT's study: with the patient's name
    #[arg(long, help_heading = "DICOM out")]
    pub dicom: bool,
    /// Strip name, identifier, birth date, dates and UIDs from DICOM outputs; sex, size and weight stay
    #[arg(long, requires = "dicom", help_heading = "DICOM out")]
    pub deidentify: bool,
    /// Write the pictures as Secondary Capture too, for systems that show no dose
    #[arg(long, requires = "dicom", help_heading = "DICOM out")]
    pub dicom_pictures: bool,
    /// Bits of a dose value: 16, which every system reads, or 32
    #[arg(long, value_name = "16|32", requires = "dicom", help_heading = "DICOM out", value_parser = number::<u32>)]
    pub dicom_bits: Option<u32>,
}

impl RawImages {
    fn any(&self) -> Option<&'static str> {
        [
            ("--effective-half-life", !self.effective_half_life.is_empty()),
            ("--fit", self.fit.is_some()),
            ("--decay-correction", self.decay_correction.is_some()),
            ("--half-life", self.half_life.is_some()),
            ("--injection-time", self.injection_time.is_some()),
            ("--time-zone", self.time_zone.is_some()),
            ("--assume-bq-ml", self.assume_bq_ml),
        ]
        .into_iter()
        .find_map(|(name, given)| given.then_some(name))
    }

    fn check(self, nuclide: Option<String>, administered_mbq: Option<f64>) -> Result<ImageChoice, UserError> {
        let (effective_half_life_h, half_lives_h) = half_lives(&self.effective_half_life)?;
        Ok(ImageChoice {
            half_lives_h,
            model: self.fit.as_deref().map(model).transpose()?,
            nuclide_stated: nuclide.is_some(),
            nuclide: nuclide.unwrap_or_else(default_nuclide).into(),
            options: stated_of_images(
                self.decay_correction.as_deref(),
                self.half_life,
                [self.injection_time.as_deref(), self.time_zone.as_deref()],
                self.assume_bq_ml,
            )?,
            effective_half_life_h,
            administered_mbq,
        })
    }
}

impl RawDicomOut {
    fn check(&self) -> Result<Option<DicomOut>, UserError> {
        let depth = match self.dicom_bits {
            None | Some(16) => DoseDepth::Bits16,
            Some(32) => DoseDepth::Bits32,
            Some(found) => {
                return Err(user_error(
                    format!("--dicom-bits: found {found}; allowed: 16 or 32"),
                    "Leave it out for 16, which every system reads.",
                ));
            }
        };
        let pictures = self.dicom_pictures;
        Ok(self.dicom.then_some(DicomOut { deidentify: self.deidentify, depth, pictures }))
    }
}

/// Options of `demo`, as given.
#[derive(Debug, Args)]
pub struct RawDemo {
    /// Output folder
    #[arg(long, value_name = "DIR", default_value = "lutra-demo")]
    pub out: PathBuf,
    /// Time to spend on the transport, s, in place of --histories
    #[arg(long, value_name = "S", value_parser = number::<f64>)]
    pub seconds: Option<f64>,
    /// Write a practice patient in place of a run: a CT, labels, and activity images of three cycles
    #[arg(long, conflicts_with_all = ["seconds", "histories", "resume", "batches"])]
    pub practice: bool,
    #[command(flatten)]
    /// Options of the transport.
    pub run: RawRun,
    /// Options of a run that may be interrupted.
    #[command(flatten)]
    pub keep: RawKeep,
}

/// Options of `validate`, as given.
#[derive(Debug, Args)]
pub struct RawValidate {
    /// Only the problems that tell most, in two or three minutes
    #[arg(long)]
    pub quick: bool,
    /// Where to run: auto (a GPU if there is one), cpu, cpu:scalar, gpu, or gpu:N as listed by `lutra devices`
    #[arg(long, value_name = "ENGINE", default_value = "auto")]
    pub engine: String,
    /// Seed of the random numbers
    #[arg(long, value_name = "N", default_value_t = DEFAULT_SEED, value_parser = number::<u64>)]
    pub seed: u64,
    /// Threads of the CPU engine [default: all cores]; the result does not depend on it
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<usize>,
    /// Output folder
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Write into an output folder that is not empty, replacing what Lutra wrote there before (lutra.sha256 names it);
    /// inputs and files of others are never touched
    #[arg(long)]
    pub force: bool,
}

/// Options of `verify`, as given.
#[derive(Debug, Args)]
pub struct RawVerify {
    /// Hold the result against an earlier verify.json, of this site or another: what changed, and what must not have
    #[arg(long, value_name = "FILE")]
    pub against: Option<PathBuf>,
    /// Where the reference problems run: auto (a GPU if there is one), cpu, cpu:scalar, gpu, or gpu:N as listed by
    /// `lutra devices`; the other devices are compared in any case
    #[arg(long, value_name = "ENGINE", default_value = "auto")]
    pub engine: String,
    /// Threads of the CPU engine [default: all cores]; the result does not depend on it
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<usize>,
    /// Output folder
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Write into an output folder that is not empty, replacing what Lutra wrote there before (lutra.sha256 names it);
    /// inputs and files of others are never touched
    #[arg(long)]
    pub force: bool,
}

/// Options of `dose`, as given.
#[derive(Debug, Args)]
pub struct RawDose {
    /// Take options from a TOML file: the names below with _ for -, paths beside the file; the command line comes first
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// CT in Hounsfield units (NIfTI, or a DICOM folder or file)
    #[arg(long, value_name = "PATH", help_heading = "Anatomy")]
    pub ct: Option<PathBuf>,
    /// In place of --ct: mass density, g/cm3 (NIfTI)
    #[arg(long, value_name = "FILE", help_heading = "Anatomy")]
    pub density: Option<PathBuf>,
    /// With --density: index of each voxel's tissue, counted from 0 (NIfTI)
    #[arg(long, value_name = "FILE", help_heading = "Anatomy")]
    pub tissue: Option<PathBuf>,
    /// With --density: the tissues in order (CSV, or JSON with a list `tissues`)
    #[arg(long, value_name = "FILE", help_heading = "Anatomy")]
    pub tissue_table: Option<PathBuf>,
    /// Time-integrated activity (NIfTI); or the PT or NM images of one injection (DICOM), to be integrated
    #[arg(long, value_name = "PATH", num_args = 1.., required = true, help_heading = "Activity")]
    pub activity: Vec<PathBuf>,
    /// What a value of a NIfTI map means: decays, mbq_h (both per voxel) or bq_ml_h
    #[arg(long, value_name = "UNIT", help_heading = "Activity")]
    pub activity_unit: Option<String>,
    /// Administered activity, MBq, for doses per activity; it bounds the decays that the map can hold
    #[arg(long, value_name = "MBQ", help_heading = "Activity", value_parser = number::<f64>)]
    pub administered_mbq: Option<f64>,
    /// Built-in nuclide, or a nuclide file (TOML or JSON) [default: lu177]
    #[arg(long, value_name = "NAME|FILE", help_heading = "Activity")]
    pub nuclide: Option<String>,
    /// Emissions to follow: all, beta, electrons (conversion and Auger electrons) or photons
    #[arg(long, value_name = "CLASS", default_value = "all", help_heading = "Activity")]
    pub emissions: String,
    /// Regions: whole numbers, 0 for none (NIfTI); or RTSTRUCT or SEG (DICOM)
    #[arg(long, value_name = "PATH", help_heading = "Regions")]
    pub labels: Option<PathBuf>,
    /// Names of the labels (CSV, JSON or ITK-SNAP)
    #[arg(long, value_name = "FILE", help_heading = "Regions")]
    pub label_names: Option<PathBuf>,
    /// Output folder
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Whom the result is about.
    #[command(flatten)]
    pub about: RawAbout,
    /// Grid of the result: ct, activity, or an edge length in mm [default: ct]
    #[arg(long, value_name = "ct|activity|MM")]
    pub grid: Option<String>,
    /// Divide image voxels that several outlines share by what these hold (on), or by volume alone (off) [default: on]
    #[arg(long, value_name = "on|off")]
    pub outline_sharing: Option<String>,
    /// Run until 95 % of the target voxels have this relative standard error, as in 0.02 for 2 %
    #[arg(long, value_name = "S", value_parser = number::<f64>)]
    pub target_sigma: Option<f64>,
    /// The regions whose voxels are the target, as in 2,3,21 [default: voxels above 10 % of the highest dose]
    #[arg(long, value_name = "LABELS")]
    pub target_labels: Option<String>,
    /// How far the uncertainty is followed: sources (each region's own, added up), or full (10,000 draws through the patient's own S
    /// matrix, with outlines moved by half a voxel: three more runs a region)
    #[arg(long, value_name = "sources|full", default_value = "sources")]
    pub budget: String,
    /// What the bands of the histograms hold: transport (its statistics), or total (everything known of each region's dose)
    #[arg(long, value_name = "transport|total", default_value = "transport")]
    pub dvh_bands: String,
    /// Run only the K-th of N parts of the histories; `lutra merge` adds the parts
    #[arg(long, value_name = "K/N")]
    pub shard: Option<String>,
    /// DICOM activity images.
    #[command(flatten)]
    pub images: RawImages,
    /// DICOM outputs.
    #[command(flatten)]
    pub dicom: RawDicomOut,
    /// Options of the transport.
    #[command(flatten)]
    pub run: RawRun,
    /// Options of a run that may be interrupted.
    #[command(flatten)]
    pub keep: RawKeep,
}

/// Options of `tia`, as given.
#[derive(Debug, Args)]
pub struct RawTia {
    /// The images, their times and units (TOML); or DICOM folders or files of one injection
    #[arg(value_name = "SERIES.toml|DICOM", required = true)]
    pub series: Vec<PathBuf>,
    /// With DICOM: regions (NIfTI, RTSTRUCT or SEG)
    #[arg(long, value_name = "PATH")]
    pub labels: Option<PathBuf>,
    /// With --labels: their names (CSV, JSON or ITK-SNAP)
    #[arg(long, value_name = "FILE", requires = "labels")]
    pub label_names: Option<PathBuf>,
    /// CT that the regions were drawn on, where they are DICOM; any CT tells air outside the outlines from tissue
    #[arg(long, value_name = "PATH")]
    pub ct: Option<PathBuf>,
    /// Built-in nuclide, or a nuclide file, for DICOM images [default: lu177]
    #[arg(long, value_name = "NAME|FILE")]
    pub nuclide: Option<String>,
    /// Administered activity, MBq, of DICOM images in place of what they state; it bounds what they can show
    #[arg(long, value_name = "MBQ", value_parser = number::<f64>)]
    pub administered_mbq: Option<f64>,
    /// Divide image voxels that several outlines share by what these hold (on), or measure by majority (off) [default:
    /// as the SERIES.toml states, else on]
    #[arg(long, value_name = "on|off")]
    pub outline_sharing: Option<String>,
    /// DICOM activity images.
    #[command(flatten)]
    pub images: RawImages,
    /// Output folder
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Write into an output folder that is not empty, replacing what Lutra wrote there before (lutra.sha256 names it);
    /// inputs and files of others are never touched
    #[arg(long)]
    pub force: bool,
}

/// Options of `course`, as given.
#[derive(Debug, Args)]
pub struct RawCourse {
    /// The cycles, the protocol and the facts (TOML); or a DICOM folder with CT, images and regions
    #[arg(value_name = "COURSE.toml|DICOM", required_unless_present_any = ["simulate", "protocols"], conflicts_with = "simulate")]
    pub course: Option<PathBuf>,
    /// Output folder
    #[arg(long, value_name = "DIR", required_unless_present_any = ["simulate", "protocols"])]
    pub out: Option<PathBuf>,
    /// Whom the result is about.
    #[command(flatten)]
    pub about: RawAbout,
    /// Where finished cycles are kept for the next run [default: DIR.cache beside the output folder]
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// List the built-in protocols, their windows and sources, and the built-in radiobiology
    #[arg(long)]
    pub protocols: bool,
    /// A fact about the patient that the protocol's rules read, as in gfr_ml_min=70 or diabetes=false
    #[arg(long, value_name = "NAME=VALUE", help_heading = "DICOM folder")]
    pub fact: Vec<String>,
    /// Treat a virtual cohort under three stopping policies instead of a patient
    #[arg(long, help_heading = "Virtual cohort")]
    pub simulate: bool,
    /// Protocol of a DICOM folder's course, or the one whose first window the cohort is treated to
    #[arg(long, value_name = "NAME", default_value = "iluminet")]
    pub protocol: String,
    /// Which CT to use, where a folder holds several
    #[arg(long, value_name = "PATH", help_heading = "DICOM folder")]
    pub ct: Option<PathBuf>,
    /// Which PT or NM images to use, where a folder holds others too
    #[arg(long, value_name = "PATH", num_args = 1.., help_heading = "DICOM folder")]
    pub activity: Vec<PathBuf>,
    /// Which regions to use (RTSTRUCT, SEG or NIfTI), where a folder holds several or none
    #[arg(long, value_name = "PATH", help_heading = "DICOM folder")]
    pub labels: Option<PathBuf>,
    /// Names of the labels in place of those of the regions (CSV, JSON or ITK-SNAP)
    #[arg(long, value_name = "FILE", help_heading = "DICOM folder")]
    pub label_names: Option<PathBuf>,
    /// Administered activity of each cycle, MBq, where the images do not state it
    #[arg(long, value_name = "MBQ", help_heading = "DICOM folder", value_parser = number::<f64>)]
    pub administered_mbq: Option<f64>,
    /// Built-in nuclide, or a nuclide file [default: lu177]
    #[arg(long, value_name = "NAME|FILE", help_heading = "DICOM folder")]
    pub nuclide: Option<String>,
    /// Divide image voxels that several outlines share by what these hold (on), or by majority and volume (off)
    /// [default: as COURSE.toml and SERIES.toml state, else on]
    #[arg(long, value_name = "on|off")]
    pub outline_sharing: Option<String>,
    /// DICOM activity images.
    #[command(flatten)]
    pub images: RawImages,
    /// DICOM outputs.
    #[command(flatten)]
    pub dicom: RawDicomOut,
    /// Number of patients
    #[arg(long, value_name = "N", default_value_t = 20_000, help_heading = "Virtual cohort", value_parser = number::<u32>)]
    pub patients: u32,
    /// Options of the transport.
    #[command(flatten)]
    pub run: RawRun,
}

impl RawInspect {
    /// The checked request, or what is wrong with it.
    pub fn check(self) -> Result<InspectRequest, UserError> {
        let options = stated_of_images(
            self.decay_correction.as_deref(),
            self.half_life,
            [self.injection_time.as_deref(), self.time_zone.as_deref()],
            self.assume_bq_ml,
        )?;
        Ok(InspectRequest { path: self.path.into(), options })
    }
}

/// What options state about DICOM activity images.
fn stated_of_images(
    correction: Option<&str>,
    half_life_h: Option<f64>,
    [injection_time, time_zone]: [Option<&str>; 2],
    assume_bq_ml: bool,
) -> Result<ActivityOptions, UserError> {
    Ok(ActivityOptions {
        decay_correction: correction.map(decay_correction).transpose()?,
        half_life_h: half_life_h.map(|h| in_range("--half-life", h, 1e-3, 1e9, "h")).transpose()?,
        injection: injection_time.map(stated_moment).transpose()?,
        time_zone: time_zone.map(stated_zone).transpose()?,
        assume_bq_ml,
        ..ActivityOptions::default()
    })
}

/// Half-lives as given: that of every region, h, and those of single ones. The nuclide's own bounds them where the images are
/// opened.
fn half_lives(given: &[String]) -> Result<(Option<f64>, BTreeMap<String, f64>), UserError> {
    let (mut all, mut own) = (None, BTreeMap::new());
    for text in given {
        let (region, number) = match text.rsplit_once('=') {
            Some((region, number)) => (Some(region.trim().to_owned()), number),
            None => (None, text.as_str()),
        };
        let refused = |found: &str, next: &str| {
            let allowed = "hours, as in 50, or a region and its hours, as in kidney_left=48, each once";
            Err(user_error(format!("--effective-half-life: found \"{found}\"; allowed: {allowed}"), next))
        };
        let Ok(hours) = number.trim().parse::<f64>() else {
            return refused(text, "Write the half-life as a number of hours.");
        };
        let hours = in_range("--effective-half-life", hours, 0.01, 1e5, "h")?;
        let twice = match region {
            Some(region) if region.is_empty() => return refused(text, "Name the region before the sign."),
            Some(region) => own.insert(region, hours).is_some(),
            None => all.replace(hours).is_some(),
        };
        if twice {
            return refused(text, "State each half-life once.");
        }
    }
    Ok((all, own))
}

/// The model that an option names.
fn model(given: &str) -> Result<Model, UserError> {
    Model::ALL.into_iter().find(|model| model.name() == given).ok_or_else(|| {
        let known: Vec<&str> = Model::ALL.into_iter().map(Model::name).collect();
        user_error(
            format!("--fit: found \"{given}\"; allowed: {}", known.join(", ")),
            "Other methods are stated in a SERIES.toml; docs/methods/time_integration.md says which fits what.",
        )
    })
}

/// Facts as given: `gfr_ml_min=70`, `diabetes=false`.
fn facts(given: &[String]) -> Result<Facts, UserError> {
    let mut facts = Facts::new();
    for text in given {
        let refused = |next: &str| {
            user_error(
                format!("--fact: found \"{text}\"; allowed: NAME=VALUE with a number, true or false, each name once"),
                next,
            )
        };
        let Some((name, value)) = text.split_once('=') else {
            return Err(refused("Write it as in --fact gfr_ml_min=70."));
        };
        let fact = match value.trim() {
            "true" => Fact::Flag(true),
            "false" => Fact::Flag(false),
            number => Fact::Number(number.parse().map_err(|_| refused("Write a number, true or false."))?),
        };
        if let Fact::Number(value) = fact {
            bounds::fact(&format!("--fact {name}"), name.trim(), value).or_user_error()?;
        }
        if facts.insert(name.trim().to_owned(), fact).is_some() {
            return Err(refused("State each fact once."));
        }
    }
    Ok(facts)
}

/// Paths as places on the disk.
fn places(paths: Vec<PathBuf>) -> Vec<Place> {
    paths.into_iter().map(Place::from).collect()
}

/// The nuclide of a run for which none is named.
fn default_nuclide() -> String {
    "lu177".to_owned()
}

/// The time zone that an option names.
fn stated_zone(given: &str) -> Result<TimeZone, UserError> {
    TimeZone::parse(given).ok_or_else(|| {
        user_error(
            format!("--time-zone: found \"{given}\"; allowed: an offset from UTC, as in +01:00 or -05:00"),
            "Write how far the scanner's clock was ahead of UTC on that day, summer time included.",
        )
    })
}

/// The moment that an option names.
fn stated_moment(given: &str) -> Result<StatedMoment, UserError> {
    StatedMoment::parse(given).ok_or_else(|| {
        user_error(
            format!("--injection-time: found \"{given}\"; allowed: a date and a time, as in 2026-03-02T10:00"),
            "Write it by the scanner's clock, or with its offset from UTC, as in 2026-03-02T10:00+01:00.",
        )
    })
}

/// The decay correction that an option names.
pub fn decay_correction(given: &str) -> Result<DecayCorrection, UserError> {
    match given {
        "none" => Ok(DecayCorrection::None),
        "start" => Ok(DecayCorrection::Start),
        "admin" => Ok(DecayCorrection::Administration),
        _ => Err(user_error(
            format!("--decay-correction: found \"{given}\"; allowed: none, start or admin"),
            "Look into the protocol of the reconstruction.",
        )),
    }
}

impl RawInit {
    /// The checked request, or what is wrong with it.
    pub fn check(self) -> Result<InitRequest, UserError> {
        let folder = match &self.what {
            RawInitWhat::Dose(raw) => &raw.folder,
            RawInitWhat::Course(raw) => &raw.folder,
        };
        if !folder.is_dir() {
            let found = if folder.exists() { "a file" } else { "nothing of this name" };
            return Err(user_error(
                format!("{}: FOLDER: found {found}; allowed: a folder of images", folder.display()),
                "Give the folder that holds the images of one patient.",
            ));
        }
        match self.what {
            RawInitWhat::Dose(RawInitDose { folder, out, force }) => {
                let out = out.unwrap_or_else(|| PathBuf::from("dose.toml"));
                Ok(InitRequest::Dose { folder: folder.into(), out, force })
            }
            RawInitWhat::Course(RawInitCourse { folder, protocol, out, force }) => {
                if let Some(name) = &protocol {
                    Protocol::built_in(name).or_user_error()?;
                }
                let out = out.unwrap_or_default();
                Ok(InitRequest::Course { folder: folder.into(), out, protocol, force })
            }
        }
    }
}

impl RawTia {
    /// The checked request, or what is wrong with it.
    pub fn check(self) -> Result<TiaRequest, UserError> {
        let of_file = self.series.iter().any(|path| !dicom::is_dicom(path));
        let own = self.images.any().or(self.labels.is_some().then_some("--labels"));
        let own = own.or(self.administered_mbq.is_some().then_some("--administered-mbq"));
        if let (true, Some(option)) = (of_file, own) {
            return Err(user_error(
                format!("{option}: found beside a SERIES.toml; allowed: with DICOM folders or files"),
                "A SERIES.toml states it itself.",
            ));
        }
        if of_file && self.series.len() > 1 {
            return Err(user_error(
                format!("SERIES.toml: found {} inputs; allowed: one SERIES.toml, or DICOM alone", self.series.len()),
                "Name the images in the SERIES.toml.",
            ));
        }
        Ok(TiaRequest {
            series: places(self.series),
            labels: self.labels.map(Place::from),
            label_names: self.label_names.map(Place::from),
            ct: self.ct.map(Place::from),
            images: self.images.check(self.nuclide, administered(self.administered_mbq)?)?,
            outline_sharing: sharing(self.outline_sharing.as_deref())?,
            out: self.out,
            force: self.force,
        })
    }
}

impl RawCourse {
    /// The checked request, or what is wrong with it.
    pub fn check(self) -> Result<CourseRequest, UserError> {
        if self.simulate {
            Protocol::built_in(&self.protocol).map_err(|_| {
                let known: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
                user_error(
                    format!("--protocol: found \"{}\"; allowed: {}", self.protocol, known.join(", ")),
                    "A cohort is treated to the first window of a built-in protocol.",
                )
            })?;
            if self.patients == 0 {
                return Err(user_error("--patients: found 0; allowed: 1 or more", "Leave it out for 20000."));
            }
            return Ok(CourseRequest::Cohort {
                protocol: self.protocol,
                patients: self.patients,
                seed: self.run.seed,
                out: self.out,
                force: self.run.force,
            });
        }
        let (Some(course), Some(out)) = (self.course, self.out) else {
            return Err(user_error(
                "COURSE.toml or --out: found none; allowed: both, or --simulate",
                "Write lutra course COURSE.toml --out DIR.",
            ));
        };
        let cache = self.cache.unwrap_or_else(|| {
            let mut name = out.clone().into_os_string();
            name.push(".cache");
            PathBuf::from(name)
        });
        let stop = histories(&self.run)?.map_or(Stop::Default, Stop::Histories);
        let run = run_options(&self.run, stop)?;
        let given = [
            ("--ct", self.ct.is_some()),
            ("--activity", !self.activity.is_empty()),
            ("--labels", self.labels.is_some()),
            ("--label-names", self.label_names.is_some()),
            ("--administered-mbq", self.administered_mbq.is_some()),
            ("--fact", !self.fact.is_empty()),
        ];
        let given = given.into_iter().find_map(|(name, given)| given.then_some(name)).or(self.images.any());
        let study = match (dicom::is_dicom(&course), given) {
            (false, Some(option)) => {
                return Err(user_error(
                    format!("{option}: found beside {}; allowed: with a DICOM folder", course.display()),
                    "A COURSE.toml states it itself; of an image, the SERIES.toml that its cycle names does.",
                ));
            }
            (false, None) => None,
            (true, _) => Some(Box::new(StudyChoice {
                ct: self.ct.map(Place::from),
                activity: places(self.activity),
                labels: self.labels.map(Place::from),
                label_names: self.label_names.map(Place::from),
                protocol: self.protocol,
                facts: facts(&self.fact)?,
                images: self.images.check(self.nuclide, administered(self.administered_mbq)?)?,
            })),
        };
        let dicom = self.dicom.check()?;
        let outline_sharing = sharing(self.outline_sharing.as_deref())?;
        let course = course.into();
        Ok(CourseRequest::Patient { course, out, cache, study, dicom, outline_sharing, force: self.run.force, run })
    }
}

impl RawMerge {
    /// The checked request.
    pub fn check(self) -> MergeRequest {
        MergeRequest { outputs: self.outputs, out: self.out, allow_missing: self.allow_missing, force: self.force }
    }
}

/// A number that an option takes: what it may be, in words, where a text is none.
trait Number: Sized {
    /// In words.
    const ALLOWED: &str;
    /// The number that a text is.
    fn read(text: &str) -> Option<Self>;
}

/// A whole number in digits or in power notation, as far as that is exact.
fn whole(text: &str) -> Option<u64> {
    const EXACT: f64 = 9e15;
    let power = || text.parse::<f64>().ok().filter(|n| n.fract() == 0.0 && (0.0..=EXACT).contains(n));
    text.parse().ok().or_else(|| power().map(|n| n as u64))
}

impl Number for f64 {
    const ALLOWED: &str = "a number, as in 0.5 or 1e6";
    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Number for u16 {
    const ALLOWED: &str = "a whole number from 0 to 65535";
    fn read(text: &str) -> Option<Self> {
        whole(text).and_then(|n| n.try_into().ok())
    }
}

impl Number for usize {
    const ALLOWED: &str = "a whole number from 0 on";
    fn read(text: &str) -> Option<Self> {
        whole(text).and_then(|n| n.try_into().ok())
    }
}

impl Number for u32 {
    const ALLOWED: &str = "a whole number from 0 to 4294967295";
    fn read(text: &str) -> Option<Self> {
        whole(text).and_then(|n| n.try_into().ok())
    }
}

impl Number for u64 {
    const ALLOWED: &str = "a whole number from 0 to 18446744073709551615";
    fn read(text: &str) -> Option<Self> {
        whole(text)
    }
}

/// Reads the number of an option.
fn number<T: Number>(text: &str) -> Result<T, String> {
    T::read(text).ok_or_else(|| format!("allowed: {}", T::ALLOWED))
}

/// Reads a number of threads.
fn threads(text: &str) -> Result<usize, String> {
    let allowed = || format!("allowed: a whole number from 1 to {MOST_THREADS}; without it all cores are used");
    text.parse().ok().filter(|n| (1..=MOST_THREADS).contains(n)).ok_or_else(allowed)
}

impl RawParity {
    /// The checked request, or what is wrong with it.
    pub fn check(self) -> Result<ParityRequest, UserError> {
        let scene = match &self.scene[..] {
            [one] if one == "demo" => ParityScene::Demo,
            [ct, decays] => ParityScene::Files(ct.into(), decays.into()),
            _ => {
                return Err(user_error(
                    format!("--scene: found \"{}\"; allowed: demo, or a CT and a map of decays", self.scene.join(" ")),
                    "Write it as in --scene ct.nii.gz decays.nii.gz.",
                ));
            }
        };
        let devices = match self.devices.as_str() {
            "all" => None,
            list => Some(list.split(',').map(device).collect::<Result<_, _>>()?),
        };
        Ok(ParityRequest {
            scene,
            devices,
            histories: whole_number("--histories", &self.histories)?,
            seed: self.seed,
            trace: self.trace.as_deref().map(trace).transpose()?,
            json: self.out,
            force: self.force,
        })
    }
}

fn device(text: &str) -> Result<DeviceChoice, UserError> {
    let text = text.trim();
    let parts: Vec<&str> = text.split(':').collect();
    let threads = |n: &str| threads(n).ok();
    match parts[..] {
        ["cpu"] => return Ok(DeviceChoice::Cpu(0, None)),
        ["cpu", n] if threads(n).is_some() => return Ok(DeviceChoice::Cpu(threads(n).unwrap_or(0), None)),
        ["cpu", way] if !way.starts_with(|c: char| c.is_ascii_digit()) => {
            return Ok(DeviceChoice::Cpu(0, Some(carrier("--devices", text, way)?)));
        }
        ["cpu", n, way] if threads(n).is_some() => {
            return Ok(DeviceChoice::Cpu(threads(n).unwrap_or(0), Some(carrier("--devices", text, way)?)));
        }
        ["gpu", ..] => {
            if let Some(choice) = adapter(text) {
                return Ok(choice);
            }
        }
        _ => {}
    }
    Err(user_error(
        format!(
            "--devices: found \"{text}\"; allowed: all, or a list of cpu, cpu:THREADS, cpu:scalar, gpu:N and \
             gpu:N:workgroup=W:threads=T:steps=S (any of the three; W 1 to 256; THREADS 1 to {MOST_THREADS})"
        ),
        "`lutra devices` lists the devices and their numbers, as in --devices cpu:1,gpu:0.",
    ))
}

/// How the CPU carries histories, by name.
fn carrier(option: &str, text: &str, name: &str) -> Result<Carrier, UserError> {
    let known = Carrier::available();
    known.iter().copied().find(|c| c.word() == name).ok_or_else(|| {
        let words: Vec<String> = known.iter().map(|c| format!("cpu:{}", c.word())).collect();
        user_error(
            format!("{option}: found \"{text}\"; allowed on this machine: cpu, {}", words.join(", ")),
            "Write cpu for the fastest way; all of them give the same result.",
        )
    })
}

/// `gpu:N`, `gpu:N:workgroup=32:threads=4096:steps=100`.
fn adapter(text: &str) -> Option<DeviceChoice> {
    let mut parts = text.strip_prefix("gpu:")?.split(':');
    let number = parts.next()?.parse().ok()?;
    let mut options = GpuOptions::default();
    for part in parts {
        let (name, value) = part.split_once('=')?;
        let value = value.parse().ok().filter(|v| *v > 0)?;
        match name {
            "workgroup" if value <= 256 => options.workgroup = value,
            "threads" => options.threads = value,
            "steps" => options.steps = value,
            _ => return None,
        }
    }
    Some(DeviceChoice::Gpu(number, options))
}

fn trace(text: &str) -> Result<TraceChoice, UserError> {
    let parts: Vec<&str> = text.split(':').collect();
    let (pass, batch, history) = match parts[..] {
        [history] => ("electron", "0", history),
        [pass, history] => (pass, "0", history),
        [pass, batch, history] => (pass, batch, history),
        _ => ("", "", ""),
    };
    let pass = [("electron", Pass::Electron), ("photon", Pass::Photon)].into_iter().find(|(name, _)| *name == pass);
    match (pass, batch.parse(), history.parse()) {
        (Some((_, pass)), Ok(batch), Ok(history)) => Ok(TraceChoice { pass, batch, history }),
        _ => Err(user_error(
            format!("--trace: found \"{text}\"; allowed: N, PASS:N or PASS:BATCH:N with PASS electron or photon"),
            "Write it as in --trace photon:0:1234.",
        )),
    }
}

impl RawKeep {
    /// Checkpoints of a run with this output folder.
    fn checkpoint(&self, out: &Path) -> Result<Option<Checkpoint>, UserError> {
        let every_s = in_range("--checkpoint", self.checkpoint, 0.0, 86_400.0, "seconds, 0 for none")?;
        let beside = |folder: &Path| {
            let mut name = folder.as_os_str().to_owned();
            name.push(".checkpoint");
            PathBuf::from(name)
        };
        let plain = |folder: &Path| folder.components().collect::<PathBuf>();
        let folder = match &self.resume {
            None => beside(&plain(out)),
            Some(folder) => Some(beside(&plain(folder))).filter(|f| f.is_dir()).unwrap_or_else(|| plain(folder)),
        };
        let resume = self.resume.is_some();
        Ok((every_s > 0.0 || resume).then_some(Checkpoint { folder, every_s, resume }))
    }

    fn batches(&self) -> Result<Option<u32>, UserError> {
        match self.batches {
            Some(n) if !(10..=4096).contains(&n) => Err(user_error(
                format!("--batches: found {n}; allowed: from 10 to 4096"),
                "20 to 64 batches give a standard error that is known to 16 to 9 %.",
            )),
            n => Ok(n),
        }
    }

    fn apply(&self, run: &mut RunOptions, out: &Path) -> Result<(), UserError> {
        run.batches = self.batches()?;
        run.checkpoint = self.checkpoint(out)?;
        Ok(())
    }
}

fn shard(text: &str, stop: &Stop) -> Result<Shard, UserError> {
    let parsed = text.split_once('/').and_then(|(k, n)| Some((k.parse::<u32>().ok()?, n.parse::<u32>().ok()?)));
    let Some((k, count)) = parsed.filter(|(k, n)| (1..=4096).contains(n) && (1..=*n).contains(k)) else {
        return Err(user_error(
            format!("--shard: found \"{text}\"; allowed: K/N with K from 1 to N and N from 1 to 4096"),
            "The shards of a run in three parts are 1/3, 2/3 and 3/3.",
        ));
    };
    match stop {
        Stop::Default | Stop::Histories(_) => Ok(Shard { index: k - 1, count }),
        _ => Err(contradiction(
            "--shard",
            "--target-sigma",
            "A shard is a part of a known number of histories: give --histories.",
        )),
    }
}

/// Three values from `a` or `a,b,c`.
fn triple<T: std::str::FromStr + Copy>(option: &str, text: &str, hint: &str) -> Result<[T; 3], UserError> {
    let parts: Vec<Option<T>> = text.split([',', 'x']).map(|part| part.trim().parse().ok()).collect();
    match parts[..] {
        [Some(a)] => Ok([a; 3]),
        [Some(a), Some(b), Some(c)] => Ok([a, b, c]),
        _ => Err(user_error(format!("{option}: found \"{text}\"; allowed: one number, or three with commas"), hint)),
    }
}

fn edges(option: &str, text: &str) -> Result<[f64; 3], UserError> {
    let edges = triple::<f64>(option, text, &format!("Write it as in {option} 4.8 or {option} 2,2,3."))?;
    for edge in edges {
        in_range(option, edge, 0.05, 100.0, "mm")?;
    }
    Ok(edges)
}

impl RawAudit {
    /// The checked request, or the first thing that is wrong with it.
    pub fn check(self) -> Result<AuditRequest, UserError> {
        let dose = self.dose.check()?;
        if dose.labels.is_none() {
            return Err(user_error(
                "--labels: found none; allowed: a label map",
                "An audit compares regions: give their label map with --labels.",
            ));
        }
        if dose.emissions != Emissions::All {
            return Err(contradiction("audit", "--emissions", "Shortcuts hold all emissions; leave --emissions out."));
        }
        // what an audit does not use must not stand in its record
        if dose.run.budget != BudgetDepth::default() {
            let next = "An audit holds mean doses against each other; `lutra dose` follows their uncertainty.";
            return Err(contradiction("audit", "--budget", next));
        }
        if dose.run.dvh_bands != DvhBands::default() {
            let next = "An audit draws the bands of the transport; `lutra dose` draws those of everything known.";
            return Err(contradiction("audit", "--dvh-bands", next));
        }
        if !["AM", "AF"].contains(&self.phantom.as_str()) {
            return Err(user_error(
                format!("--phantom: found \"{}\"; allowed: AM, AF", self.phantom),
                "AM is the adult male, AF the adult female phantom of ICRP 110.",
            ));
        }
        let declared = Declared {
            nuclide: self.kernel_nuclide,
            spacing_mm: self.kernel_voxel_mm.as_deref().map(|t| edges("--kernel-voxel-mm", t)).transpose()?,
            unit: self.kernel_unit,
            density_g_cm3: self
                .kernel_density
                .map(|d| in_range("--kernel-density", d, 0.001, 30.0, "g/cm3"))
                .transpose()?,
            force: self.force_kernel,
        };
        Ok(AuditRequest {
            tolerance_rel: in_range("--tolerance", self.tolerance, 1e-4, 1.0, "a share, 0.05 for 5 %")?,
            dose,
            kernels: places(self.kernel),
            declared,
            s_tables: places(self.s_table),
            phantom: self.phantom,
        })
    }
}

impl RawMedium {
    fn check(self) -> Result<MediumRequest, UserError> {
        let density_g_cm3 = self.density.map(|d| in_range("--density", d, 0.001, 30.0, "g/cm3")).transpose()?;
        let histories = whole_number("--histories", &self.histories)?;
        Ok(MediumRequest {
            density_g_cm3,
            histories,
            tissue: self.tissue.into(),
            nuclide: self.nuclide.into(),
            seed: self.seed,
            threads: self.threads,
            out: self.out,
            force: self.force,
        })
    }
}

impl RawKernel {
    /// The checked request, or what is wrong with it.
    pub fn check(self) -> Result<KernelRequest, UserError> {
        let half = triple::<usize>("--half", &self.half, "Write it as in --half 25.")?;
        for axis in half {
            in_range("--half", axis as f64, 0.0, 512.0, "voxels")?;
        }
        Ok(KernelRequest { spacing_mm: edges("--voxel-mm", &self.voxel_mm)?, half, medium: self.medium.check()? })
    }
}

impl RawDpk {
    /// The checked request, or what is wrong with it.
    pub fn check(self) -> Result<MediumRequest, UserError> {
        self.medium.check()
    }
}

impl RawSvalue {
    /// The checked request, or what is wrong with it.
    pub fn check(self) -> Result<SvalueRequest, UserError> {
        let sources = label_list("--source-label", &self.source_label)?;
        let dose = RawDose {
            config: None,
            ct: self.ct,
            density: self.density,
            tissue: self.tissue,
            tissue_table: self.tissue_table,
            activity: Vec::new(),
            activity_unit: None,
            administered_mbq: None,
            nuclide: Some(self.nuclide),
            emissions: "all".to_owned(),
            labels: Some(self.labels),
            label_names: self.label_names,
            out: self.out,
            about: RawAbout::default(),
            grid: None,
            outline_sharing: None,
            target_sigma: None,
            target_labels: None,
            budget: BudgetDepth::default().name().to_owned(),
            dvh_bands: DvhBands::default().name().to_owned(),
            shard: None,
            images: RawImages::default(),
            dicom: RawDicomOut::default(),
            run: self.run,
            keep: RawKeep { checkpoint: 0.0, resume: None, batches: None },
        };
        Ok(SvalueRequest { dose: dose.checked(ActivityChoice::None)?, sources })
    }
}

impl RawDemo {
    /// The checked request, or what is wrong with it.
    pub fn check(self) -> Result<DemoRequest, UserError> {
        if self.practice && self.run.force {
            return Err(contradiction(
                "--practice",
                "--force",
                "A practice patient is written into a new folder only: work done in an old one would be lost.",
            ));
        }
        let stop = match (histories(&self.run)?, self.seconds) {
            (Some(_), Some(_)) => return Err(contradiction("--histories", "--seconds", "Give one of the two.")),
            (Some(histories), None) => Stop::Histories(histories),
            (None, Some(seconds)) => Stop::Seconds(in_range("--seconds", seconds, 1.0, 86_400.0, "seconds")?),
            (None, None) => Stop::Default,
        };
        let mut run = run_options(&self.run, stop)?;
        self.keep.apply(&mut run, &self.out)?;
        Ok(DemoRequest { practice: self.practice, out: self.out, force: self.run.force, run })
    }
}

impl RawBench {
    /// The checked request, or what is wrong with it.
    pub fn check(self) -> Result<BenchRequest, UserError> {
        if !(1..=100).contains(&self.repeat) {
            return Err(user_error(
                format!("--repeat: found {}; allowed: from 1 to 100", self.repeat),
                "Three runs show how much their times scatter.",
            ));
        }
        let of_a_case = [
            ("--ct", self.ct.is_some()),
            ("--density", self.density.is_some()),
            ("--tissue", self.tissue.is_some()),
            ("--tissue-table", self.tissue_table.is_some()),
            ("--activity", !self.activity.is_empty()),
            ("--activity-unit", self.activity_unit.is_some()),
            ("--labels", self.labels.is_some()),
            ("--label-names", self.label_names.is_some()),
            ("--grid", self.grid.is_some()),
        ];
        let file = of_a_case.into_iter().find_map(|(name, given)| given.then_some(name)).or(self.images.any());
        if let Some(scene) = &self.scene {
            if scene != "demo" {
                return Err(user_error(
                    format!("--scene: found \"{scene}\"; allowed: demo"),
                    "Leave --scene out and name files as for lutra dose.",
                ));
            }
            if let Some(file) = file {
                return Err(contradiction("--scene demo", file, "Measure the demo or a case of your own."));
            }
        }
        let of_files = [
            ("--nuclide", self.nuclide.as_deref().is_some_and(|name| name != "lu177")),
            ("--emissions", self.emissions != "all"),
        ];
        let of_files = of_files.into_iter().find_map(|(name, given)| given.then_some(name));
        if let (None, Some(option)) = (file, of_files) {
            return Err(needs(option, "--ct", "The demo and the phantom are of 177Lu with all its emissions."));
        }
        let judge_labels = match &self.judge_labels {
            Some(text) => label_list("--judge-labels", text)?,
            None => Vec::new(),
        };
        let judge_above = self
            .judge_above
            .map(|share| in_range("--judge-above", share, 0.0, 0.99, "a share of the highest dose, 0.01 for 1 %"))
            .transpose()?;
        let warm_up = whole_number("--warm-up", &self.warm_up)?;
        let batches = RawKeep { checkpoint: 0.0, resume: None, batches: self.batches }.batches()?;
        let (out, force, repeat) = (self.out.clone(), self.run.force, self.repeat);
        let (what, run) = if self.scaling {
            let other = [
                ("--scene", self.scene.is_some()),
                ("--target-sigma", self.target_sigma.is_some()),
                ("--target-labels", self.target_labels.is_some()),
                ("--judge-labels", self.judge_labels.is_some()),
                ("--judge-above", self.judge_above.is_some()),
            ];
            let other = other.into_iter().find_map(|(name, given)| given.then_some(name)).or(file);
            if let Some(other) = other {
                return Err(contradiction("--scaling", other, "The phantom of --scaling is made; leave one out."));
            }
            let stop = histories(&self.run)?.map_or(Stop::Default, Stop::Histories);
            (BenchScene::Scaling(grids(&self.grids)?), run_options(&self.run, stop)?)
        } else if let Some(file) = file {
            if self.activity.is_empty() {
                return Err(needs(file, "--activity", "Say where the decays are."));
            }
            let dose = self.dose().check()?;
            let run = dose.run.clone();
            (BenchScene::Files(Box::new(dose)), run)
        } else {
            let labels = self.target_labels.as_deref().map(target_labels).transpose()?.unwrap_or_default();
            let stop = match (histories(&self.run)?, self.target_sigma) {
                (Some(_), Some(_)) => {
                    return Err(contradiction(
                        "--histories",
                        "--target-sigma",
                        "Give the length of the run or its aim.",
                    ));
                }
                (None, Some(sigma)) => {
                    let sigma_rel = sigma_range(sigma)?;
                    Stop::TargetSigma { sigma_rel, labels }
                }
                (_, None) if !labels.is_empty() => {
                    return Err(needs("--target-labels", "--target-sigma", "Say which uncertainty they must reach."));
                }
                (histories, None) => histories.map_or(Stop::Default, Stop::Histories),
            };
            (BenchScene::Demo, run_options(&self.run, stop)?)
        };
        Ok(BenchRequest {
            what,
            judge_labels,
            judge_above,
            repeat,
            warm_up,
            out,
            force,
            run: RunOptions { batches, ..run },
        })
    }

    /// The same case for `lutra dose`, without checkpoints.
    fn dose(self) -> RawDose {
        RawDose {
            config: None,
            ct: self.ct,
            density: self.density,
            tissue: self.tissue,
            tissue_table: self.tissue_table,
            activity: self.activity,
            activity_unit: self.activity_unit,
            administered_mbq: None,
            nuclide: self.nuclide,
            emissions: self.emissions,
            labels: self.labels,
            label_names: self.label_names,
            out: self.out,
            about: RawAbout::default(),
            grid: self.grid,
            outline_sharing: None,
            target_sigma: self.target_sigma,
            target_labels: self.target_labels,
            budget: BudgetDepth::default().name().to_owned(),
            dvh_bands: DvhBands::default().name().to_owned(),
            shard: None,
            images: self.images,
            dicom: RawDicomOut::default(),
            run: self.run,
            keep: RawKeep { checkpoint: 0.0, resume: None, batches: self.batches },
        }
    }
}

/// Numbers of voxels: `64,128,512x512x400`.
fn grids(text: &str) -> Result<Vec<[usize; 3]>, UserError> {
    text.split(',')
        .map(|part| {
            let axes: Option<Vec<usize>> = part.split('x').map(|n| n.trim().parse().ok()).collect();
            let dims = match axes.as_deref() {
                Some(&[n]) => Some([n; 3]),
                Some(&[x, y, z]) => Some([x, y, z]),
                _ => None,
            };
            dims.filter(|dims| dims.iter().all(|n| (24..=1024).contains(n))).ok_or_else(|| {
                user_error(
                    format!(
                        "--grids: found \"{part}\"; allowed: 24 to 1024 voxels an axis, or three as in 512x512x400"
                    ),
                    "Write them as in --grids 64,128,512x512x400.",
                )
            })
        })
        .collect()
}

/// A relative standard error to reach.
fn sigma_range(sigma: f64) -> Result<f64, UserError> {
    in_range("--target-sigma", sigma, 1e-6, 0.5, "a relative standard error, 0.01 for 1 %")
}

impl RawValidate {
    /// The checked request, or what is wrong with it.
    pub fn check(self) -> Result<ValidateRequest, UserError> {
        let raw =
            RawRun { engine: self.engine, histories: None, seed: self.seed, threads: self.threads, force: self.force };
        Ok(ValidateRequest {
            extent: if self.quick { Extent::Quick } else { Extent::Full },
            out: self.out,
            force: raw.force,
            run: run_options(&raw, Stop::Default)?,
        })
    }
}

impl RawVerify {
    /// The checked request, or what is wrong with it.
    pub fn check(self) -> Result<VerifyRequest, UserError> {
        let Self { against, engine, threads, out, force } = self;
        let raw = RawRun { engine, histories: None, seed: DEFAULT_SEED, threads, force };
        Ok(VerifyRequest { out, against: against.map(Place::from), force, run: run_options(&raw, Stop::Default)? })
    }
}

impl RawDose {
    /// The checked request, or the first thing that is wrong with it.
    pub fn check(mut self) -> Result<DoseRequest, UserError> {
        let activity = self.activity()?;
        self.checked(activity)
    }

    fn checked(self, activity: ActivityChoice) -> Result<DoseRequest, UserError> {
        let scene = self.scene()?;
        let stop = self.stop()?;
        if self.label_names.is_some() && self.labels.is_none() {
            return Err(needs("--label-names", "--labels", "Give the label map that the names belong to."));
        }
        let administered_mbq = administered(self.administered_mbq)?;
        let dicom = self.dicom.check()?;
        if dicom.is_some() && self.shard.is_some() {
            return Err(contradiction(
                "--shard",
                "--dicom",
                "A shard holds no dose yet: only a whole run writes DICOM.",
            ));
        }
        let shard = self.shard.as_deref().map(|text| shard(text, &stop)).transpose()?;
        let mut run = run_options(&self.run, stop)?;
        self.keep.apply(&mut run, &self.out)?;
        run.budget = self.budget.parse()?;
        run.dvh_bands = self.dvh_bands.parse()?;
        if shard.is_some() && run.dvh_bands == DvhBands::Total {
            let next = "A shard holds no dose yet: leave one out.";
            return Err(contradiction("--shard", "--dvh-bands total", next));
        }
        if shard.is_some() && run.budget == BudgetDepth::Full {
            return Err(contradiction("--shard", "--budget full", "A shard holds no dose yet: leave one out."));
        }
        run.shard = shard;
        Ok(DoseRequest {
            config: self.config.as_ref().map(Place::from),
            grid: self.grid_choice(&scene)?,
            outline_sharing: sharing(self.outline_sharing.as_deref())?.unwrap_or_default(),
            activity,
            dicom,
            emissions: emissions(&self.emissions)?,
            run,
            force: self.run.force,
            scene,
            administered_mbq,
            nuclide: self.nuclide.unwrap_or_else(default_nuclide).into(),
            labels: self.labels.map(Place::from),
            label_names: self.label_names.map(Place::from),
            out: self.out,
        })
    }

    /// A map with its unit, or DICOM images, which state their own.
    fn activity(&mut self) -> Result<ActivityChoice, UserError> {
        let paths = std::mem::take(&mut self.activity);
        let images = std::mem::take(&mut self.images);
        if paths.iter().all(dicom::is_dicom) {
            if let Some(unit) = &self.activity_unit {
                return Err(user_error(
                    format!("--activity-unit: found {unit} beside DICOM images; allowed: none"),
                    "DICOM images state their unit and are integrated over time; leave --activity-unit out.",
                ));
            }
            let choice = images.check(self.nuclide.clone(), administered(self.administered_mbq)?)?;
            return Ok(ActivityChoice::Images { paths: places(paths), choice: Box::new(choice) });
        }
        if let Some(option) = images.any() {
            return Err(user_error(
                format!("{option}: found beside a NIfTI map; allowed: with DICOM images"),
                "A map of time-integrated activity needs no half-life and no decay correction.",
            ));
        }
        match <[PathBuf; 1]>::try_from(paths) {
            Ok([file]) => Ok(ActivityChoice::Map { file: file.into(), unit: self.unit()? }),
            Err(paths) => Err(user_error(
                format!("--activity: found {} files; allowed: one NIfTI map, or DICOM images", paths.len()),
                "Integrate NIfTI images with lutra tia first.",
            )),
        }
    }

    fn scene(&self) -> Result<SceneInput, UserError> {
        let explicit =
            [("--density", &self.density), ("--tissue", &self.tissue), ("--tissue-table", &self.tissue_table)];
        let given = explicit.iter().find(|(_, path)| path.is_some()).map(|(name, _)| *name);
        match (&self.ct, given) {
            (Some(_), Some(name)) => Err(contradiction(
                "--ct",
                name,
                "Give either a CT, or --density, --tissue and --tissue-table together.",
            )),
            (Some(ct), None) => Ok(SceneInput::Ct(ct.into())),
            (None, None) => Err(user_error(
                "--ct: found none; allowed: a CT, or --density, --tissue and --tissue-table",
                "Say what the patient is made of, as in --ct ct.nii.gz.",
            )),
            (None, Some(name)) => match (&self.density, &self.tissue, &self.tissue_table) {
                (Some(density), Some(tissue), Some(tissue_table)) => Ok(SceneInput::Explicit {
                    density: density.into(),
                    tissue: tissue.into(),
                    tissue_table: tissue_table.into(),
                }),
                _ => {
                    let lacking = explicit.iter().find(|(_, path)| path.is_none()).map_or("", |(name, _)| *name);
                    Err(needs(name, lacking, "An explicit scene is --density, --tissue and --tissue-table together."))
                }
            },
        }
    }

    fn stop(&self) -> Result<Stop, UserError> {
        let histories = histories(&self.run)?;
        let labels = self.target_labels.as_deref().map(target_labels).transpose()?;
        if labels.is_some() && self.labels.is_none() {
            return Err(needs("--target-labels", "--labels", "Give the label map that holds these labels."));
        }
        if labels.is_some() && self.target_sigma.is_none() {
            return Err(needs(
                "--target-labels",
                "--target-sigma",
                "Say which uncertainty they must reach, as in --target-sigma 0.01.",
            ));
        }
        match (histories, self.target_sigma) {
            (Some(_), Some(_)) => {
                Err(contradiction("--histories", "--target-sigma", "Give the length of the run or its aim."))
            }
            (Some(histories), None) => Ok(Stop::Histories(histories)),
            (None, Some(sigma)) => {
                Ok(Stop::TargetSigma { sigma_rel: sigma_range(sigma)?, labels: labels.unwrap_or_default() })
            }
            (None, None) => Ok(Stop::Default),
        }
    }

    fn grid_choice(&self, scene: &SceneInput) -> Result<GridChoice, UserError> {
        let Some(text) = self.grid.as_deref() else { return Ok(GridChoice::Scene) };
        let choice = GridChoice::parse(text)?;
        if choice != GridChoice::Scene && matches!(scene, SceneInput::Explicit { .. }) {
            return Err(contradiction(
                "--density",
                &format!("--grid {text}"),
                "An explicit scene is computed on its own grid; leave --grid out.",
            ));
        }
        Ok(choice)
    }

    fn unit(&self) -> Result<ActivityUnit, UserError> {
        ActivityUnit::require(self.activity_unit.as_deref()).or_user_error()
    }
}

/// Whether decays stay with the outlines that share an image voxel, where it is stated.
fn sharing(given: Option<&str>) -> Result<Option<OutlineSharing>, UserError> {
    given.map(|text| text.parse::<OutlineSharing>()).transpose()
}

/// Administered activity, MBq.
fn administered(given: Option<f64>) -> Result<Option<f64>, UserError> {
    given.map(|mbq| bounds::administered_mbq(Setting::AdministeredMbq, mbq)).transpose().or_user_error()
}

fn run_options(raw: &RawRun, stop: Stop) -> Result<RunOptions, UserError> {
    let engine = engine(&raw.engine)?;
    if raw.threads.is_some() && matches!(engine, EngineChoice::Gpu(_)) {
        return Err(contradiction(
            "--threads",
            &format!("--engine {}", raw.engine),
            "--threads is for the CPU engine; leave one out.",
        ));
    }
    Ok(RunOptions { engine, stop, seed: raw.seed, threads: raw.threads, ..RunOptions::default() })
}

fn engine(text: &str) -> Result<EngineChoice, UserError> {
    let number = text.strip_prefix("gpu:").map(str::parse::<usize>);
    match (text, number) {
        ("auto", _) => Ok(EngineChoice::Auto),
        ("cpu", _) => Ok(EngineChoice::Cpu(None)),
        ("gpu", _) => Ok(EngineChoice::Gpu(None)),
        (_, Some(Ok(number))) => Ok(EngineChoice::Gpu(Some(number))),
        _ if text.starts_with("cpu:") => Ok(EngineChoice::Cpu(Some(carrier("--engine", text, &text[4..])?))),
        _ => Err(user_error(
            format!("--engine: found \"{text}\"; allowed: auto, cpu, cpu:scalar, gpu, or gpu:N with N from 0"),
            "`lutra devices` lists the devices and their numbers.",
        )),
    }
}

/// A whole number in plain or power notation.
fn histories(raw: &RawRun) -> Result<Option<u64>, UserError> {
    raw.histories.as_deref().map(|text| whole_number("--histories", text)).transpose()
}

fn whole_number(option: &str, text: &str) -> Result<u64, UserError> {
    let plain = text.replace('_', "");
    let value = plain.parse::<f64>().ok().filter(|n| n.fract() == 0.0 && (1.0..=1e15).contains(n));
    let whole = plain.parse::<u64>().ok().filter(|n| (1..=1_000_000_000_000_000).contains(n));
    whole.or(value.map(|n| n as u64)).ok_or_else(|| {
        user_error(
            format!("{option}: found \"{text}\"; allowed: a whole number from 1 to 1e15"),
            "Write it as 20000000 or 2e7.",
        )
    })
}

fn target_labels(text: &str) -> Result<Vec<u16>, UserError> {
    label_list("--target-labels", text)
}

/// Labels above 0, ascending, each once.
fn label_list(option: &str, text: &str) -> Result<Vec<u16>, UserError> {
    let mut labels = Vec::new();
    for part in text.split(',') {
        match part.trim().parse::<u16>() {
            Ok(label) if label > 0 => labels.push(label),
            _ => {
                return Err(user_error(
                    format!("{option}: found \"{part}\"; allowed: labels from 1 to 65535, separated by commas"),
                    format!("Write them as in {option} 2,3,21."),
                ));
            }
        }
    }
    labels.sort_unstable();
    labels.dedup();
    Ok(labels)
}

fn emissions(text: &str) -> Result<Emissions, UserError> {
    match text {
        "all" => Ok(Emissions::All),
        "beta" => Ok(Emissions::Beta),
        "electrons" => Ok(Emissions::Electrons),
        "photons" => Ok(Emissions::Photons),
        _ => Err(user_error(
            format!("--emissions: found \"{text}\"; allowed: all, beta, electrons, photons"),
            "Leave --emissions out to follow everything.",
        )),
    }
}

fn contradiction(first: &str, second: &str, hint: &str) -> UserError {
    user_error(format!("{first} and {second}: found both; allowed: one of them"), hint)
}

fn needs(given: &str, lacking: &str, hint: &str) -> UserError {
    user_error(format!("{given}: found without {lacking}; allowed: both together"), hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::options::said;
    use clap::CommandFactory;

    fn dose(extra: &str) -> Result<DoseRequest, UserError> {
        let line = format!("lutra dose --activity a.nii --activity-unit decays --out o {extra}");
        match RawArgs::try_parse_from(line.split_whitespace()).expect("clap reads it").command {
            RawCommand::Dose(raw) => raw.check(),
            _ => unreachable!("the line says dose"),
        }
    }

    fn refused(extra: &str) -> String {
        let error = dose(extra).expect_err(extra);
        assert!(error.next.is_some(), "{extra}: no hint");
        said(&error.message())
    }

    #[test]
    fn cli_flag_table_is_sound() {
        RawArgs::command().debug_assert();
    }

    #[test]
    fn cli_plain_request_is_taken_with_its_defaults() {
        let request = dose("--ct ct.nii").expect("sound");
        assert_eq!(request.scene, SceneInput::Ct("ct.nii".into()));
        assert_eq!(request.run.stop, Stop::Default);
        assert_eq!(request.run.engine, EngineChoice::Auto);
        assert_eq!(request.grid, GridChoice::Scene);
        assert_eq!(request.emissions, Emissions::All);
        assert_eq!(request.run.seed, DEFAULT_SEED);
    }

    #[test]
    fn cli_values_are_read() {
        let request = dose("--ct c --labels l --target-sigma 0.01 --target-labels 21,2,3,2 --engine gpu:1 --grid 2.5")
            .expect("sound");
        assert_eq!(request.run.stop, Stop::TargetSigma { sigma_rel: 0.01, labels: vec![2, 3, 21] });
        assert_eq!(request.run.engine, EngineChoice::Gpu(Some(1)));
        assert_eq!(request.grid, GridChoice::Millimetre(2.5));
        assert_eq!(dose("--ct c --histories 2e7").expect("sound").run.stop, Stop::Histories(20_000_000));
        assert_eq!(dose("--ct c --histories 3_000").expect("sound").run.stop, Stop::Histories(3000));
    }

    #[test]
    fn cli_contradictions_are_refused_by_name() {
        for (line, both) in [
            ("--ct c --density d", ["--ct", "--density"]),
            ("--ct c --tissue-table t", ["--ct", "--tissue-table"]),
            ("--density d --tissue t", ["--density", "--tissue-table"]),
            ("--ct c --histories 10 --target-sigma 0.1", ["--histories", "--target-sigma"]),
            ("--ct c --target-sigma 0.1 --target-labels 2", ["--target-labels", "--labels"]),
            ("--ct c --labels l --target-labels 2", ["--target-labels", "--target-sigma"]),
            ("--ct c --target-sigma 0.1 --shard 1/2", ["--shard", "--target-sigma"]),
            ("--ct c --label-names n", ["--label-names", "--labels"]),
            ("--ct c --threads 2 --engine gpu", ["--threads", "--engine gpu"]),
            ("--density d --tissue t --tissue-table j --grid 3", ["--density", "--grid 3"]),
        ] {
            let message = refused(line);
            assert!(both.iter().all(|name| message.contains(name)), "{line}: {message}");
        }
        assert!(refused("").starts_with("--ct: found none"));
    }

    #[test]
    fn cli_values_out_of_range_are_refused_with_what_is_allowed() {
        for (line, found) in [
            ("--ct c --engine tpu", "\"tpu\""),
            ("--ct c --engine gpu:x", "\"gpu:x\""),
            ("--ct c --histories 0", "\"0\""),
            ("--ct c --histories 1.5", "\"1.5\""),
            ("--ct c --target-sigma 2", "found 2"),
            ("--ct c --target-sigma nan", "NaN"),
            ("--ct c --administered-mbq 0", "found 0"),
            ("--ct c --grid 0", "found 0"),
            ("--ct c --grid coarse", "\"coarse\""),
            ("--ct c --emissions gamma", "\"gamma\""),
            ("--ct c --shard 0/3", "\"0/3\""),
            ("--ct c --shard 4/3", "\"4/3\""),
            ("--ct c --shard 3", "\"3\""),
            ("--ct c --batches 3", "found 3"),
            ("--ct c --checkpoint=-1", "found -1"),
            ("--ct c --labels l --target-sigma 0.1 --target-labels 2,x", "\"x\""),
            ("--ct c --labels l --target-sigma 0.1 --target-labels 0", "\"0\""),
        ] {
            let message = refused(line);
            assert!(message.contains(found) && message.contains("allowed:"), "{line}: {message}");
        }
    }

    #[test]
    fn cli_shards_checkpoints_and_traces_are_read() {
        let request = dose("--ct c --shard 3/16 --batches 32").expect("sound");
        assert_eq!(request.run.shard, Some(Shard { index: 2, count: 16 }));
        assert_eq!(request.run.batches, Some(32));
        let kept = request.run.checkpoint.expect("on by default");
        assert_eq!((kept.folder, kept.every_s, kept.resume), ("o.checkpoint".into(), 30.0, false));
        assert_eq!(dose("--ct c --checkpoint 0").expect("sound").run.checkpoint, None);
        let kept = dose("--ct c --resume elsewhere/").expect("sound").run.checkpoint.expect("resumed");
        assert_eq!((kept.folder, kept.resume), ("elsewhere".into(), true));
        let traced = TraceChoice { pass: Pass::Photon, batch: 1, history: 7 };
        assert_eq!(trace("photon:1:7").expect("sound"), traced);
        assert_eq!(trace("7").expect("sound"), TraceChoice { pass: Pass::Electron, batch: 0, history: 7 });
        assert!(trace("muon:7").is_err() && trace("x").is_err() && trace("photon:0:1:2").is_err());
        assert_eq!(device("cpu:3").expect("sound"), DeviceChoice::Cpu(3, None));
        assert_eq!(device("cpu:scalar").expect("sound"), DeviceChoice::Cpu(0, Some(Carrier::Scalar)));
        assert_eq!(device("cpu:2:scalar").expect("sound"), DeviceChoice::Cpu(2, Some(Carrier::Scalar)));
        assert!(device("cpu:0:scalar").is_err() && device("cpu:mmx").is_err() && device("gpu:x").is_err());
        assert_eq!(engine("cpu:scalar").expect("sound"), EngineChoice::Cpu(Some(Carrier::Scalar)));
        assert!(engine("cpu:mmx").is_err() && engine("cpu:1").is_err());
        assert!(device("cpu:0").is_err() && device("tpu").is_err());
    }

    #[test]
    fn cli_unit_must_be_named() {
        let line = "lutra dose --ct c --activity a --out o";
        let RawCommand::Dose(raw) = RawArgs::try_parse_from(line.split_whitespace()).expect("clap reads it").command
        else {
            unreachable!("the line says dose")
        };
        let error = raw.check().expect_err("no unit");
        assert!(said(&error.message()).starts_with("--activity-unit: found none"), "{error}");
    }

    fn command(line: &str) -> RawCommand {
        RawArgs::try_parse_from(line.split_whitespace()).expect("clap reads it").command
    }

    fn audit(extra: &str) -> Result<AuditRequest, UserError> {
        let line = format!("lutra audit --ct c --activity a --activity-unit decays --out o {extra}");
        match command(&line) {
            RawCommand::Audit(raw) => raw.check(),
            _ => unreachable!("the line says audit"),
        }
    }

    #[test]
    fn cli_audit_is_read_and_checked() {
        let request =
            audit("--labels l --kernel k1 k2 --kernel-voxel-mm 2,2,3 --force-kernel --s-table s --tolerance 0.03")
                .expect("sound");
        assert_eq!(request.kernels.len(), 2);
        assert_eq!((request.declared.spacing_mm, request.declared.force), (Some([2.0, 2.0, 3.0]), true));
        assert_eq!((request.tolerance_rel, request.phantom.as_str()), (0.03, "AM"));
        for (line, found) in [
            ("", "--labels: found none"),
            ("--labels l --emissions beta", "--emissions"),
            ("--labels l --tolerance 0", "found 0"),
            ("--labels l --phantom XY", "\"XY\""),
            ("--labels l --kernel k --kernel-voxel-mm 1,2", "\"1,2\""),
            ("--labels l --kernel k --kernel-density 0", "found 0"),
        ] {
            let message = audit(line).expect_err(line).to_string();
            assert!(message.contains(found), "{line}: {message}");
        }
    }

    #[test]
    fn cli_kernel_is_read_and_checked() {
        let kernel = |extra: &str| match command(&format!("lutra kernel --out /nowhere/k.csv {extra}")) {
            RawCommand::Kernel(raw) => raw.check(),
            _ => unreachable!("the line says kernel"),
        };
        let request =
            kernel("--voxel-mm 4.8 --tissue bone --density 1.85 --half 20,20,10 --histories 1e5").expect("sound");
        assert_eq!((request.spacing_mm, request.half), ([4.8; 3], [20, 20, 10]));
        assert_eq!((request.medium.histories, request.medium.density_g_cm3), (100_000, Some(1.85)));
        for (line, found) in
            [("--voxel-mm 0", "found 0"), ("--voxel-mm x", "\"x\""), ("--voxel-mm 3 --half 9999", "found 9999")]
        {
            let message = kernel(line).expect_err(line).to_string();
            assert!(message.contains(found) && message.contains("allowed:"), "{line}: {message}");
        }
    }
}
