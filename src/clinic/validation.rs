//! Runs, evaluates and writes the reference problems.

use super::failure::{AtPath, Failure, OrUserError, RunFault};
use super::notes::{Heard, Listener};
use super::request::{RunOptions, ValidateRequest};
use super::{guard, transport};
use crate::clock::Moment;
use crate::io::atomic::AtomicOutputDir;
use crate::io::inputs::Inputs;
use crate::transport::DeviceInfo;
use crate::transport::run::Progress;
use crate::validate::{self, Comparison, Extent, Row, RowVerdict, ValidationError, Workbench, page};
use std::cell::RefCell;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// A listener to consecutive runs: when the fraction done drops, a new run has begun.
struct Runs<'a, 'b> {
    hear: &'a RefCell<&'b mut dyn Listener>,
    fraction: f64,
}

impl Progress for Runs<'_, '_> {
    fn update(&mut self, fraction_done: f64, sigma_rel: Option<f64>, message: &str) -> ControlFlow<()> {
        let mut hear = self.hear.borrow_mut();
        if fraction_done < self.fraction {
            hear.progress_ended();
        }
        self.fraction = fraction_done;
        Heard(&mut **hear).update(fraction_done, sigma_rel, message)
    }
}

/// Names of the files written.
const FILE_NAMES: [&str; 3] = ["validation.json", "validation.md", "validation-*.svg"];

/// Results of the problems.
#[derive(Clone, Debug)]
pub struct Validation {
    /// Every problem with its rows.
    pub comparisons: Vec<Comparison>,
    /// Folder of the table and the plots.
    pub place: PathBuf,
    /// Wall time, s.
    pub wall_seconds: f64,
    /// The fault found; `None` if every row is within its limit.
    pub fault: Option<String>,
}

/// Runs the problems and writes table, plots and verdicts. `patient` is the folder of the CT problem's volumes; without
/// it that problem is skipped with a note.
///
/// Errors: files that cannot be written; a run that fails. A failed verdict is not an error here but reported in
/// [`Validation::fault`].
pub fn run(request: &ValidateRequest, patient: Option<&Path>, hear: &mut dyn Listener) -> Result<Validation, Failure> {
    let began = Moment::now();
    let folder = guard::folder(&request.out, request.force, &inputs(patient), &FILE_NAMES)?;
    let (comparisons, device) = comparisons(&request.run, request.extent, patient, hear)?;
    let all = || comparisons.iter().flat_map(|c| &c.rows);
    let failed = all().filter(|row: &&Row| row.verdict == RowVerdict::Fail).count();
    let wall_seconds = began.seconds();
    write(
        &page::Record {
            version: env!("CARGO_PKG_VERSION"),
            extent: request.extent,
            seed: request.run.seed,
            device: &device,
            wall_seconds,
            passes: failed == 0,
            comparisons: &comparisons,
        },
        &folder,
    )?;
    let place = folder.commit().or_user_error()?;
    let fault = (failed > 0)
        .then(|| format!("{failed} of {} rows differ from their reference by more than is allowed", all().count()));
    Ok(Validation { comparisons, place, wall_seconds, fault })
}

/// Runs the problems: their rows, and the device that ran them.
///
/// Errors: no engine; a run that fails.
pub(super) fn comparisons(
    run: &RunOptions,
    extent: Extent,
    patient: Option<&Path>,
    hear: &mut dyn Listener,
) -> Result<(Vec<Comparison>, DeviceInfo), Failure> {
    let began = Moment::now();
    let mut engine = transport::engine(run, hear)?;
    let device = engine.device();
    let shared = RefCell::new(hear);
    let mut runs = Runs { hear: &shared, fraction: 0.0 };
    let mut tell =
        |name: &str| shared.borrow_mut().info("validation-step", format!("{:6.0} s  {name}", began.seconds()));
    let outcome = {
        let mut bench = Workbench::new(engine.as_mut(), &mut runs, run.seed);
        validate::run(&mut bench, extent, patient, &mut tell)
    };
    shared.borrow_mut().progress_ended();
    Ok((outcome.map_err(failure)?, device))
}

fn write(record: &page::Record, folder: &AtomicOutputDir) -> Result<(), Failure> {
    let put = |name: &str, text: &str| folder.file(name).write(text).at(&folder.file(name));
    let json = serde_json::to_string_pretty(record).at(&folder.file("validation.json"))?;
    put("validation.json", &json)?;
    put("validation.md", &page::markdown(record, "validation-"))?;
    for plot in record.comparisons.iter().flat_map(|c: &Comparison| &c.plots) {
        put(&format!("validation-{}.svg", plot.name), &page::svg(plot))?;
    }
    Ok(())
}

/// Every file of the CT problem's folder.
fn inputs(patient: Option<&Path>) -> Inputs {
    let entries = patient.and_then(|folder| std::fs::read_dir(folder).ok()).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect()
}

fn failure(error: ValidationError) -> Failure {
    match error {
        ValidationError::Run(error) => transport::failure(error),
        other => Failure::Run(RunFault::of(&other)),
    }
}
