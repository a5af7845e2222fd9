//! Arguments as clap reads them (`Raw..`), and arguments checked: two types, so that nothing behind this file meets
//! an option that is missing, out of range or against another one.

use super::failure::UserError;
use crate::source::ActivityUnit;
use crate::transport::emission::Emissions;
use crate::validate::Extent;
use clap::{Args, Parser, Subcommand};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Seed where none is given.
pub const DEFAULT_SEED: u64 = 177;
/// Smallest and largest voxel edge for `--grid MM`, mm.
pub const GRID_RANGE_MM: [f64; 2] = [0.1, 50.0];

/// Monte Carlo voxel dosimetry for 177Lu radiopharmaceutical therapy.
#[derive(Debug, Parser)]
#[command(name = "lutra", version, max_term_width = 110, arg_required_else_help = true)]
pub struct RawArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: RawCommand,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum RawCommand {
    /// Compute the dose in a made-up abdomen: no data and no GPU needed
    Demo(RawDemo),
    /// Compute the absorbed dose from a CT and a map of time-integrated activity
    Dose(Box<RawDose>),
    /// List the devices the transport can run on
    Devices,
    /// Compare with reference calculations: a table with verdicts, plots, exit code 1 if any fails
    Validate(RawValidate),
}

/// Options of the transport, as given.
#[derive(Debug, Args)]
pub struct RawRun {
    /// Where to run: auto (a GPU if there is one), cpu, gpu, or gpu:N as listed by `lutra devices`
    #[arg(long, value_name = "ENGINE", default_value = "auto")]
    pub engine: String,
    /// Number of electron histories, as in 20000000 or 2e7; photon histories follow in a fixed proportion
    #[arg(long, value_name = "N")]
    pub histories: Option<String>,
    /// Seed of the random numbers: the same seed gives the same result on every machine
    #[arg(long, value_name = "N", default_value_t = DEFAULT_SEED)]
    pub seed: u64,
    /// Threads of the CPU engine [default: all cores]; the result does not depend on it
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Write into an output folder that is not empty, replacing files of the same names
    #[arg(long)]
    pub force: bool,
}

/// Options of `demo`, as given.
#[derive(Debug, Args)]
pub struct RawDemo {
    /// Output folder
    #[arg(long, value_name = "DIR", default_value = "lutra-demo")]
    pub out: PathBuf,
    /// Time to spend on the transport, s, in place of --histories
    #[arg(long, value_name = "S")]
    pub seconds: Option<f64>,
    #[command(flatten)]
    /// Options of the transport.
    pub run: RawRun,
}

/// Options of `validate`, as given.
#[derive(Debug, Args)]
pub struct RawValidate {
    /// Only the problems that tell most, in two or three minutes
    #[arg(long)]
    pub quick: bool,
    /// Where to run: auto (a GPU if there is one), cpu, gpu, or gpu:N as listed by `lutra devices`
    #[arg(long, value_name = "ENGINE", default_value = "auto")]
    pub engine: String,
    /// Seed of the random numbers
    #[arg(long, value_name = "N", default_value_t = DEFAULT_SEED)]
    pub seed: u64,
    /// Threads of the CPU engine [default: all cores]; the result does not depend on it
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Output folder
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Write into an output folder that is not empty, replacing files of the same names
    #[arg(long)]
    pub force: bool,
}

/// Options of `dose`, as given.
#[derive(Debug, Args)]
pub struct RawDose {
    /// CT in Hounsfield units (NIfTI)
    #[arg(long, value_name = "FILE", help_heading = "Anatomy")]
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
    /// Time-integrated activity (NIfTI)
    #[arg(long, value_name = "FILE", help_heading = "Activity")]
    pub activity: PathBuf,
    /// What a value of the activity map means: decays, mbq_h (both per voxel) or bq_ml_h
    #[arg(long, value_name = "UNIT", help_heading = "Activity")]
    pub activity_unit: Option<String>,
    /// Administered activity, MBq, for doses per activity
    #[arg(long, value_name = "MBQ", help_heading = "Activity")]
    pub administered_mbq: Option<f64>,
    /// Built-in nuclide, or a nuclide file (TOML or JSON)
    #[arg(long, value_name = "NAME|FILE", default_value = "lu177", help_heading = "Activity")]
    pub nuclide: String,
    /// Emissions to follow: all, beta, electrons (conversion and Auger electrons) or photons
    #[arg(long, value_name = "CLASS", default_value = "all", help_heading = "Activity")]
    pub emissions: String,
    /// Regions: whole numbers, 0 for none (NIfTI)
    #[arg(long, value_name = "FILE", help_heading = "Regions")]
    pub labels: Option<PathBuf>,
    /// Names of the labels (CSV, JSON or ITK-SNAP)
    #[arg(long, value_name = "FILE", help_heading = "Regions")]
    pub label_names: Option<PathBuf>,
    /// Output folder
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Grid of the result: ct, activity, or an edge length in mm [default: ct]
    #[arg(long, value_name = "ct|activity|MM")]
    pub grid: Option<String>,
    /// Run until 95 % of the target voxels have this relative standard error, as in 0.02 for 2 %
    #[arg(long, value_name = "S")]
    pub target_sigma: Option<f64>,
    /// The regions whose voxels are the target, as in 2,3,21 [default: voxels above 10 % of the highest dose]
    #[arg(long, value_name = "LABELS")]
    pub target_labels: Option<String>,
    /// Options of the transport.
    #[command(flatten)]
    pub run: RawRun,
}

/// Where the transport runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineChoice {
    /// The first real GPU, else the CPU.
    Auto,
    /// CPU threads.
    Cpu,
    /// The adapter of this number in the list of devices; without a number the first that is usable.
    Gpu(Option<usize>),
}

/// When the transport ends.
#[derive(Clone, Debug, PartialEq)]
pub enum Stop {
    /// After the default number of histories.
    Default,
    /// After so many electron histories; the photon histories follow in a fixed proportion.
    Histories(u64),
    /// When 95 % of the target voxels have this relative standard error.
    TargetSigma {
        /// Relative standard error, above 0 and below 1.
        sigma_rel: f64,
        /// Regions whose voxels are the target, ascending, each once; empty: the voxels above 10 % of the highest
        /// dose.
        labels: Vec<u16>,
    },
    /// After about so many seconds of transport.
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
}

/// `demo`, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct DemoRequest {
    /// Output folder.
    pub out: PathBuf,
    /// Whether it may hold something already.
    pub force: bool,
    /// Options of the transport.
    pub run: RunOptions,
}

/// `validate`, checked.
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

/// Where matter comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SceneInput {
    /// A CT in HU.
    Ct(PathBuf),
    /// Density and tissue index with a tissue table.
    Explicit {
        /// Mass density, g/cm3.
        density: PathBuf,
        /// Index of the tissue.
        tissue: PathBuf,
        /// The tissues.
        tissue_table: PathBuf,
    },
}

/// Grid of the result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum GridChoice {
    /// That of the CT, or of the explicit scene.
    Scene,
    /// That of the activity map.
    Activity,
    /// Cubes of this edge length, mm, over the CT.
    Millimetre(f64),
}

/// `dose`, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct DoseRequest {
    /// Where matter comes from.
    pub scene: SceneInput,
    /// Activity map.
    pub activity: PathBuf,
    /// What its values mean.
    pub activity_unit: ActivityUnit,
    /// Administered activity, MBq, positive.
    pub administered_mbq: Option<f64>,
    /// Name of a nuclide or path of its file.
    pub nuclide: String,
    /// Emissions to follow.
    pub emissions: Emissions,
    /// Label map.
    pub labels: Option<PathBuf>,
    /// Names of the labels.
    pub label_names: Option<PathBuf>,
    /// Output folder.
    pub out: PathBuf,
    /// Whether it may hold something already.
    pub force: bool,
    /// Grid of the result.
    pub grid: GridChoice,
    /// Options of the transport.
    pub run: RunOptions,
}

impl RawDemo {
    /// The checked request, or what is wrong with it.
    pub fn check(self) -> Result<DemoRequest, UserError> {
        let stop = match (histories(&self.run)?, self.seconds) {
            (Some(_), Some(_)) => return Err(contradiction("--histories", "--seconds", "Give one of the two.")),
            (Some(histories), None) => Stop::Histories(histories),
            (None, Some(seconds)) => Stop::Seconds(in_range("--seconds", seconds, 1.0, 86_400.0, "seconds")?),
            (None, None) => Stop::Default,
        };
        Ok(DemoRequest { out: self.out, force: self.run.force, run: run_options(&self.run, stop)? })
    }
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

impl RawDose {
    /// The checked request, or the first thing that is wrong with it.
    pub fn check(self) -> Result<DoseRequest, UserError> {
        let scene = self.scene()?;
        let stop = self.stop()?;
        if self.label_names.is_some() && self.labels.is_none() {
            return Err(needs("--label-names", "--labels", "Give the label map that the names belong to."));
        }
        let administered_mbq = self
            .administered_mbq
            .map(|mbq| in_range("--administered-mbq", mbq, f64::MIN_POSITIVE, 1e9, "MBq above 0"))
            .transpose()?;
        Ok(DoseRequest {
            grid: self.grid_choice(&scene)?,
            activity_unit: self.unit()?,
            emissions: emissions(&self.emissions)?,
            run: run_options(&self.run, stop)?,
            force: self.run.force,
            scene,
            administered_mbq,
            activity: self.activity,
            nuclide: self.nuclide,
            labels: self.labels,
            label_names: self.label_names,
            out: self.out,
        })
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
            (Some(ct), None) => Ok(SceneInput::Ct(ct.clone())),
            (None, None) => Err(UserError::new(
                "--ct: found none; allowed: a CT, or --density, --tissue and --tissue-table",
                "Say what the patient is made of, as in --ct ct.nii.gz.",
            )),
            (None, Some(name)) => match (&self.density, &self.tissue, &self.tissue_table) {
                (Some(density), Some(tissue), Some(tissue_table)) => Ok(SceneInput::Explicit {
                    density: density.clone(),
                    tissue: tissue.clone(),
                    tissue_table: tissue_table.clone(),
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
                let sigma_rel =
                    in_range("--target-sigma", sigma, 1e-6, 0.5, "a relative standard error, 0.01 for 1 %")?;
                Ok(Stop::TargetSigma { sigma_rel, labels: labels.unwrap_or_default() })
            }
            (None, None) => Ok(Stop::Default),
        }
    }

    fn grid_choice(&self, scene: &SceneInput) -> Result<GridChoice, UserError> {
        let Some(text) = self.grid.as_deref() else { return Ok(GridChoice::Scene) };
        let choice = match text {
            "ct" => GridChoice::Scene,
            "activity" => GridChoice::Activity,
            _ => {
                let edge_mm = text.parse::<f64>().map_err(|_| {
                    UserError::new(
                        format!("--grid: found \"{text}\"; allowed: ct, activity, or an edge length in mm"),
                        "Use --grid ct, --grid activity, or a number as in --grid 3.",
                    )
                })?;
                GridChoice::Millimetre(in_range("--grid", edge_mm, GRID_RANGE_MM[0], GRID_RANGE_MM[1], "mm")?)
            }
        };
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
        ActivityUnit::require(self.activity_unit.as_deref()).map_err(|error| UserError::from_library(&error))
    }
}

fn run_options(raw: &RawRun, stop: Stop) -> Result<RunOptions, UserError> {
    let engine = engine(&raw.engine)?;
    if raw.threads == Some(0) {
        return Err(UserError::new("--threads: found 0; allowed: 1 or more", "Leave --threads out to use all cores."));
    }
    if raw.threads.is_some() && matches!(engine, EngineChoice::Gpu(_)) {
        return Err(contradiction(
            "--threads",
            &format!("--engine {}", raw.engine),
            "--threads is for the CPU engine; leave one out.",
        ));
    }
    Ok(RunOptions { engine, stop, seed: raw.seed, threads: raw.threads })
}

fn engine(text: &str) -> Result<EngineChoice, UserError> {
    let number = text.strip_prefix("gpu:").map(str::parse::<usize>);
    match (text, number) {
        ("auto", _) => Ok(EngineChoice::Auto),
        ("cpu", _) => Ok(EngineChoice::Cpu),
        ("gpu", _) => Ok(EngineChoice::Gpu(None)),
        (_, Some(Ok(number))) => Ok(EngineChoice::Gpu(Some(number))),
        _ => Err(UserError::new(
            format!("--engine: found \"{text}\"; allowed: auto, cpu, gpu, or gpu:N with N from 0"),
            "`lutra devices` lists the devices and their numbers.",
        )),
    }
}

/// A whole number in plain or power notation.
fn histories(raw: &RawRun) -> Result<Option<u64>, UserError> {
    let Some(text) = raw.histories.as_deref() else { return Ok(None) };
    let plain = text.replace('_', "");
    let value = plain.parse::<f64>().ok().filter(|n| n.fract() == 0.0 && (1.0..=1e15).contains(n));
    let whole = plain.parse::<u64>().ok().filter(|n| (1..=1_000_000_000_000_000).contains(n));
    whole.or(value.map(|n| n as u64)).map(Some).ok_or_else(|| {
        UserError::new(
            format!("--histories: found \"{text}\"; allowed: a whole number from 1 to 1e15"),
            "Write it as 20000000 or 2e7.",
        )
    })
}

fn target_labels(text: &str) -> Result<Vec<u16>, UserError> {
    let mut labels = Vec::new();
    for part in text.split(',') {
        match part.trim().parse::<u16>() {
            Ok(label) if label > 0 => labels.push(label),
            _ => {
                return Err(UserError::new(
                    format!("--target-labels: found \"{part}\"; allowed: labels from 1 to 65535, separated by commas"),
                    "Write them as in --target-labels 2,3,21.",
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
        _ => Err(UserError::new(
            format!("--emissions: found \"{text}\"; allowed: all, beta, electrons, photons"),
            "Leave --emissions out to follow everything.",
        )),
    }
}

fn in_range(option: &str, value: f64, low: f64, high: f64, what: &str) -> Result<f64, UserError> {
    if (low..=high).contains(&value) {
        return Ok(value);
    }
    let least = if low == f64::MIN_POSITIVE { 0.0 } else { low };
    Err(UserError::new(
        format!("{option}: found {value}; allowed: from {least} to {high} ({what})"),
        format!("Give {option} in that range."),
    ))
}

fn contradiction(first: &str, second: &str, hint: &str) -> UserError {
    UserError::new(format!("{first} and {second}: found both; allowed: one of them"), hint)
}

fn needs(given: &str, lacking: &str, hint: &str) -> UserError {
    UserError::new(format!("{given}: found without {lacking}; allowed: both together"), hint)
}

impl RunOptions {
    /// The settings by name, for the run record.
    pub fn settings(&self) -> BTreeMap<String, Value> {
        let engine = match self.engine {
            EngineChoice::Auto => "auto".to_owned(),
            EngineChoice::Cpu => "cpu".to_owned(),
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
        BTreeMap::from([
            ("engine".to_owned(), json!(engine)),
            ("stop".to_owned(), stop),
            ("threads".to_owned(), json!(self.threads)),
        ])
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
        let grid = match self.grid {
            GridChoice::Scene => json!("ct"),
            GridChoice::Activity => json!("activity"),
            GridChoice::Millimetre(edge_mm) => json!(edge_mm),
        };
        let mut settings = self.run.settings();
        settings.extend([
            ("activity_unit".to_owned(), json!(self.activity_unit.name())),
            ("administered_mbq".to_owned(), json!(self.administered_mbq)),
            ("emissions".to_owned(), json!(emissions)),
            ("grid".to_owned(), grid),
            ("nuclide".to_owned(), json!(self.nuclide)),
        ]);
        settings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
        assert!(error.hint().is_some_and(|hint| !hint.is_empty()), "{extra}: no hint");
        error.to_string()
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
            ("--ct c --threads 0", "found 0"),
            ("--ct c --emissions gamma", "\"gamma\""),
            ("--ct c --labels l --target-sigma 0.1 --target-labels 2,x", "\"x\""),
            ("--ct c --labels l --target-sigma 0.1 --target-labels 0", "\"0\""),
        ] {
            let message = refused(line);
            assert!(message.contains(found) && message.contains("allowed:"), "{line}: {message}");
        }
    }

    #[test]
    fn cli_unit_must_be_named() {
        let line = "lutra dose --ct c --activity a --out o";
        let RawCommand::Dose(raw) = RawArgs::try_parse_from(line.split_whitespace()).expect("clap reads it").command
        else {
            unreachable!("the line says dose")
        };
        let error = raw.check().expect_err("no unit");
        assert!(error.to_string().starts_with("--activity-unit: found none"), "{error}");
    }
}
