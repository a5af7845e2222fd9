//! A dose: the request in, its result as data and files.

use crate::ask;
use crate::fault::{self, argument};
use crate::volume::lent;
use crate::worker::work;
use lutra::clinic::case::Case;
use lutra::clinic::demo as abdomen;
use lutra::clinic::dose::DoseResult;
use lutra::clinic::failure::{Failure, OrUserError, UserError};
use lutra::clinic::invocation::Invocation;
use lutra::clinic::notes::Listener;
use lutra::clinic::request::{DicomOut, DoseRequest, RunOptions, Stop, in_range};
use lutra::clinic::{guard, output, pages, room};
use lutra::io::atomic::OutputFiles;
use lutra::io::dicom::DoseDepth;
use lutra::io::inputs::Inputs;
use lutra::io::open::origin_of;
use lutra::transport::checkpoint::{self, Keeper};
use lutra::transport::emission::Emissions;
use numpy::PyArray1;
use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Instant;

type NoteParts = (String, &'static str, Option<String>, String);

/// A dose and what belongs to it.
pub struct Kept {
    result: DoseResult,
    invocation: Invocation,
    seed: u64,
    inputs: Inputs,
    /// How long the work took, s.
    seconds: f64,
    /// Checkpoints, to be removed once the result is saved.
    keeper: Mutex<Option<Keeper>>,
}

/// A dose in memory. Arrays are views of it.
#[pyclass(frozen, module = "lutra._lutra")]
pub struct Dose {
    kept: Arc<Kept>,
    heard: Vec<NoteParts>,
}

/// Transports a case. The request is emptied: images that were made for this call end once they are read.
#[pyfunction]
pub fn dose(py: Python<'_>, asked: &Bound<'_, PyDict>, progress: Option<&Bound<'_, PyAny>>) -> PyResult<Dose> {
    let given: ask::Dose<'_> = asked.extract()?;
    asked.clear();
    let (patient_label, (request, handed)) = (given.patient_label(), given.request(py)?);
    let (run, emissions) = (request.run.clone(), request.emissions);
    let making = move |hear: &mut dyn Listener| -> Result<(Case, Inputs), Failure> {
        let inputs = guard::of_dose(&request);
        checkpoints_free(&request, &inputs)?;
        Ok((handed.case(request, hear)?, inputs))
    };
    transported(py, invocation("lutra.dose", patient_label), run, emissions, progress, making)
}

/// Transports the procedural abdomen, for so many seconds where they are given.
#[pyfunction]
pub fn demo(
    py: Python<'_>,
    run: ask::Run,
    seconds: Option<f64>,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<Dose> {
    let forced = run.force();
    let made = || -> Result<RunOptions, UserError> {
        let mut run = run.options()?;
        if let Some(seconds) = seconds {
            run.stop = Stop::Seconds(in_range("seconds", seconds, 1.0, 86_400.0, "seconds")?);
        }
        Ok(run)
    };
    let run = made().map_err(|error| fault::of_fault(py, &error))?;
    let settings = run.settings();
    let place = run.checkpoint.clone().map(|place| (place.folder, place.resume || forced));
    let making = move |_: &mut dyn Listener| -> Result<(Case, Inputs), Failure> {
        if let Some((folder, known)) = &place {
            checkpoint::free(folder, *known).or_user_error()?;
        }
        Ok((abdomen::phantom(settings)?, Inputs::none()))
    };
    transported(py, invocation("lutra.demo", None), run, Emissions::All, progress, making)
}

/// The dose of a case, made and transported beside the interpreter.
fn transported(
    py: Python<'_>,
    invocation: Invocation,
    run: RunOptions,
    emissions: Emissions,
    progress: Option<&Bound<'_, PyAny>>,
    case: impl FnOnce(&mut dyn Listener) -> Result<(Case, Inputs), Failure> + Send + 'static,
) -> PyResult<Dose> {
    let (kept, heard) = work(py, progress, move |hear| {
        let begun = Instant::now();
        let (case, inputs) = case(hear)?;
        let mut result = DoseResult::of(case, &run, emissions, hear)?;
        let keeper = Mutex::new(result.computed.keeper.take());
        let seconds = begun.elapsed().as_secs_f64();
        Ok(Kept { result, invocation, seed: run.seed, inputs, seconds, keeper })
    })?;
    Ok(Dose::of(kept, fault::notes(&heard)))
}

/// A call of this function, made now.
pub fn invocation(function: &str, patient_label: Option<String>) -> Invocation {
    let mut made = Invocation::now(vec![function.to_owned()]);
    made.patient_label = patient_label;
    made
}

/// Refuses a folder of checkpoints that is not this run's, or whose files are inputs.
pub fn checkpoints_free(request: &DoseRequest, inputs: &Inputs) -> Result<(), Failure> {
    let Some(place) = &request.run.checkpoint else { return Ok(()) };
    for file in checkpoint::files(&place.folder) {
        inputs.spare(&file).or_user_error()?;
    }
    Ok(checkpoint::free(&place.folder, place.resume || request.force).or_user_error()?)
}

/// What is asked of DICOM files.
#[derive(Clone, Copy, FromPyObject)]
#[pyo3(from_item_all)]
pub struct AsDicom {
    deidentify: bool,
    bits: u32,
    pictures: bool,
}

impl AsDicom {
    /// Checked.
    pub fn out(self) -> Result<DicomOut, UserError> {
        let Self { deidentify, bits, pictures } = self;
        let depth = match bits {
            16 => DoseDepth::Bits16,
            32 => DoseDepth::Bits32,
            _ => {
                let next = "16 is read by every system, 32 is finer.";
                return Err(UserError::invalid("dicom_bits", "", bits.to_string(), "16 or 32", next));
            }
        };
        Ok(DicomOut { deidentify, depth, pictures })
    }
}

impl Kept {
    /// A dose that is not this process's own transport: of merged shards.
    pub fn merged(result: DoseResult, invocation: Invocation, seed: u64, inputs: Inputs, seconds: f64) -> Self {
        Self { result, invocation, seed, inputs, seconds, keeper: Mutex::new(None) }
    }

    fn keeper(&self) -> Option<Keeper> {
        self.keeper.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take()
    }
}

impl Dose {
    /// Handed out.
    pub fn of(kept: Kept, heard: Vec<NoteParts>) -> Self {
        Self { kept: Arc::new(kept), heard }
    }
}

#[pymethods]
impl Dose {
    /// A map by name, indexed (i, j, k) along axes towards right, front, head; read-only, no copy.
    fn map<'py>(slf: Bound<'py, Self>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        let DoseResult { case, dose, .. } = &slf.get().kept.result;
        let grid = &case.decays.grid;
        match name {
            "dose_gy" => lent(&slf, grid, &dose.dose_gy),
            "sigma_rel" => lent(&slf, grid, &dose.sigma_rel),
            "dose_electron_gy" => lent(&slf, grid, &dose.dose_electron_gy),
            "dose_photon_gy" => lent(&slf, grid, &dose.dose_photon_gy),
            "density_g_cm3" => lent(&slf, grid, &case.density_g_cm3),
            "decays" => lent(&slf, grid, &case.decays.data),
            "labels" => lent(&slf, grid, &case.labels),
            _ => Err(PyKeyError::new_err(name.to_owned())),
        }
    }

    /// Where each index axis of the user's images runs, as in `LPS`, and their affine (rows x, y, z) to RAS mm.
    fn geometry(&self) -> (String, [[f64; 4]; 3]) {
        let orientation = &self.kept.result.case.orientation;
        (orientation.letters(), orientation.grid().affine)
    }

    /// SHA-256 over the integer tallies.
    #[getter]
    fn tally_hash(&self) -> &str {
        &self.kept.result.computed.tally_sha256
    }

    /// How long the work beside the interpreter took, s: what a call takes beyond it is the binding's.
    #[getter]
    fn seconds(&self) -> f64 {
        self.kept.seconds
    }

    /// The regions, then the groups of regions, as JSON.
    fn regions_json(&self) -> PyResult<String> {
        let tables = &self.kept.result.tables;
        json(&tables.rows.iter().chain(&tables.group_rows).collect::<Vec<_>>())
    }

    /// The energy balances of both passes as JSON.
    fn balance_json(&self) -> PyResult<String> {
        json(&lutra::clinic::dose::balances(&self.kept.result.computed))
    }

    /// The record of the run as JSON; without the hashes of files, since none is written.
    fn record_json(&self) -> PyResult<String> {
        let Kept { result, invocation, seed, .. } = &*self.kept;
        let rows: Vec<_> = result.tables.rows.iter().chain(&result.tables.group_rows).cloned().collect();
        json(&output::record(&result.case, &result.computed, &rows, invocation, *seed, BTreeMap::new()))
    }

    /// Everything that was said: while the run went on, then of its result.
    fn notes(&self) -> Vec<NoteParts> {
        let mut all = self.heard.clone();
        for note in fault::notes(self.kept.result.warnings()) {
            if !all.contains(&note) {
                all.push(note);
            }
        }
        all
    }

    /// Dose (Gy) and share of the mass that gets it or more, with the edges of the 95 % band.
    fn dvh<'py>(&self, py: Python<'py>, region: &str) -> PyResult<Bound<'py, PyTuple>> {
        let histograms = &self.kept.result.tables.histograms;
        let found = histograms.iter().find(|one| one.name == region || one.label.to_string() == region);
        let Some(histogram) = found else {
            let known: Vec<&str> = histograms.iter().map(|one| one.name.as_str()).collect();
            return Err(PyKeyError::new_err(format!("no region {region:?}; there are {}", known.join(", "))));
        };
        let curve = &histogram.curve;
        let columns = [&curve.dose_gy, &curve.share, &curve.low, &curve.high];
        PyTuple::new(py, columns.map(|column| PyArray1::from_slice(py, column)))
    }

    /// Writes what `lutra dose` writes; the folder.
    #[pyo3(signature = (folder, *, force, dicom))]
    fn save(&self, py: Python<'_>, folder: PathBuf, force: bool, dicom: Option<AsDicom>) -> PyResult<PathBuf> {
        let kept = Arc::clone(&self.kept);
        let (place, _) = work(py, None, move |hear| {
            let Kept { result, invocation, seed, inputs, .. } = &*kept;
            let dicom = dicom.map(AsDicom::out).transpose()?;
            let names = guard::dose_names(dicom);
            let folder = guard::folder(&folder, force, inputs, &names)?;
            room::on_disk(&folder, &result.case.density_g_cm3)?;
            let place = output::write_result(result, dicom, folder, invocation, *seed, &mut unless_halted, hear)?;
            if let Some(keeper) = kept.keeper() {
                keeper.discard();
            }
            Ok(place)
        })?;
        Ok(place)
    }

    /// The result will not be saved: removes its checkpoints, or leaves them to be resumed and gives their folder back.
    fn give_up(&self, discard: bool) {
        match self.kept.keeper() {
            Some(keeper) if discard => keeper.discard(),
            Some(keeper) => keeper.end(),
            None => {}
        }
    }

    /// Whether checkpoints wait for the result to be saved.
    fn unsaved(&self) -> bool {
        self.kept.keeper.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).is_some()
    }

    /// The page `report.html` as text.
    fn report_html(&self, py: Python<'_>) -> PyResult<String> {
        let kept = Arc::clone(&self.kept);
        Ok(work(py, None, move |_| Ok(pages::dose::html(&kept.result, &kept.invocation, kept.seed)))?.0)
    }

    /// Writes the page `report.html` to a file.
    #[pyo3(signature = (path, *, force))]
    fn report(&self, py: Python<'_>, path: PathBuf, force: bool) -> PyResult<PathBuf> {
        let kept = Arc::clone(&self.kept);
        let (place, _) = work(py, None, move |_| {
            let claimed = OutputFiles::claim(&[&path], force, &kept.inputs).or_user_error()?;
            let text = pages::dose::html(&kept.result, &kept.invocation, kept.seed);
            claimed.write(&path, |to| to.write_all(text.as_bytes())).or_user_error()?;
            Ok(path)
        })?;
        Ok(place)
    }

    /// Writes the dose as RT Dose into the study of `reference`, a file or folder of its CT; the notes.
    #[pyo3(signature = (path, *, reference, force, dicom))]
    fn save_rtdose(
        &self,
        py: Python<'_>,
        path: PathBuf,
        reference: Option<PathBuf>,
        force: bool,
        dicom: AsDicom,
    ) -> PyResult<Vec<NoteParts>> {
        let kept = Arc::clone(&self.kept);
        let ((), heard) = work(py, None, move |hear| {
            let claimed = OutputFiles::claim(&[&path], force, &kept.inputs).or_user_error()?;
            let own = kept.result.case.origin.clone();
            let origin = match &reference {
                None => own,
                Some(reference) => Some(origin_of(reference).or_user_error()?.ok_or_else(|| {
                    let next = "Give the folder of the CT as the scanner exported it.";
                    lutra::fault::Fault::invalid(reference, "reference", "no single CT or dose of DICOM", "one", next)
                })?),
            };
            claimed.check().or_user_error()?;
            let out = dicom.out()?;
            let DoseResult { case, dose, .. } = &kept.result;
            output::write_rtdose(case, dose, &path, origin.as_ref(), out, hear)
        })?;
        Ok(fault::notes(&heard))
    }
}

/// Nothing further; ends the writing of a call that was interrupted, so that nothing appears behind its back.
fn unless_halted(
    _: &lutra::DoseMap,
    _: &[lutra::dose::regions::RegionDose],
    _: &lutra::io::atomic::AtomicOutputDir,
    hear: &mut dyn Listener,
) -> Result<pages::Further, Failure> {
    match hear.halt() {
        Some(halt) if halt.asked() => Err(Failure::run("the call was interrupted")),
        _ => Ok(pages::Further::default()),
    }
}

/// A record as JSON.
pub fn json(value: &impl serde::Serialize) -> PyResult<String> {
    serde_json::to_string(value).map_err(|error| pyo3::exceptions::PyRuntimeError::new_err(error.to_string()))
}

/// The argument that sets what a message calls so: for tests.
#[pyfunction]
pub fn arguments() -> BTreeMap<&'static str, &'static str> {
    lutra::fault::Setting::ALL.iter().map(|&setting| (setting.name(), argument(setting))).collect()
}
