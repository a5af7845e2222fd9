//! `lutra validate`: the reference problems, their table, plots and verdicts.

use super::failure::OrUserError;
use super::printer;
use super::progress::{Bar, Terminal};
use crate::clinic::failure::{AtPath, Failure, RunFault};
use crate::clinic::request::ValidateRequest;
use crate::clinic::{guard, transport};
use crate::io::atomic::AtomicOutputDir;
use crate::io::inputs::Inputs;
use crate::transport::run::Progress;
use crate::validate::{self, Bench, Comparison, Row, ValidationError, Verdict, page};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// A bar a run: the suite makes many.
#[derive(Default)]
struct Bars {
    bar: Option<Bar>,
    fraction: f64,
}

impl Bars {
    fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish();
        }
    }
}

impl Progress for Bars {
    fn update(&mut self, fraction_done: f64, sigma_rel: Option<f64>, message: &str) -> ControlFlow<()> {
        if fraction_done < self.fraction {
            self.finish();
        }
        self.fraction = fraction_done;
        self.bar.get_or_insert_with(Bar::new).update(fraction_done, sigma_rel, message)
    }
}

/// Names of the files written.
const FILE_NAMES: [&str; 3] = ["validation.json", "validation.md", "validation-*.svg"];

/// Runs the problems; a failed verdict ends the command with an error after everything is written.
pub(super) fn run(request: &ValidateRequest) -> Result<(), Failure> {
    let began = Instant::now();
    let patient = patient_folder();
    let folder = guard::folder(&request.out, request.force, &inputs(patient.as_deref()), &FILE_NAMES)?;
    let mut engine = transport::engine(&request.run, &mut Terminal::default())?;
    let device = engine.device();
    let mut bars = Bars::default();
    let mut tell = |name: &str| printer::note(&format!("{:6.0} s  {name}", began.elapsed().as_secs_f64()));
    let outcome = {
        let mut bench = Bench::new(engine.as_mut(), &mut bars, request.run.seed);
        validate::run(&mut bench, request.extent, patient.as_deref(), &mut tell)
    };
    bars.finish();
    let comparisons = outcome.map_err(failure)?;
    let failed: Vec<&Row> =
        comparisons.iter().flat_map(|c| &c.rows).filter(|row| row.verdict == Verdict::Fail).collect();
    let record = page::Record {
        version: env!("CARGO_PKG_VERSION"),
        extent: request.extent,
        seed: request.run.seed,
        device: &device,
        wall_seconds: began.elapsed().as_secs_f64(),
        passes: failed.is_empty(),
        comparisons: &comparisons,
    };
    write(&record, &folder)?;
    let place = folder.commit().or_user_error()?;
    printer::record_file(&place.join("validation.json"))?;
    printer::data(&page::lines(&comparisons, false));
    printer::results(&format!("{:.0} s; table and plots in validation.md", record.wall_seconds), &place);
    if failed.is_empty() {
        return Ok(());
    }
    let rows = comparisons.iter().map(|c| c.rows.len()).sum::<usize>();
    Err(Failure::run(format!("{} of {rows} rows differ from their reference by more than is allowed", failed.len())))
}

fn write(record: &page::Record, folder: &AtomicOutputDir) -> Result<(), Failure> {
    let put = |name: &str, text: &str| std::fs::write(folder.file(name), text).at(&folder.file(name));
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

/// Folder of the CT problem's volumes: below LUTRA_SHARED, else beside the source tree; none where it is absent.
fn patient_folder() -> Option<PathBuf> {
    let shared = std::env::var_os("LUTRA_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let folder = shared.join("refs/ct-liver-g48");
    folder.join("density.nii.gz").exists().then_some(folder)
}

fn failure(error: ValidationError) -> Failure {
    match error {
        ValidationError::Run(error) => transport::failure(error),
        other => Failure::Run(RunFault::of(&other)),
    }
}
