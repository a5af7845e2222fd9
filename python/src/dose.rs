//! A dose: the request in, its result as data and files.

use crate::ask;
use crate::fault::{self, argument};
use crate::worker::work;
use lutra::clinic::dose::DoseResult;
use lutra::clinic::failure::{Failure, OrUserError};
use lutra::clinic::invocation::Invocation;
use lutra::clinic::notes::Listener;
use lutra::clinic::request::DicomOut;
use lutra::clinic::{guard, output, pages, room};
use lutra::io::atomic::OutputFiles;
use lutra::io::dicom::DoseDepth;
use lutra::io::inputs::Inputs;
use lutra::io::open::origin_of;
use lutra::transport::checkpoint::{self, Keeper};
use numpy::{PyArray, PyArray1, PyArray3};
use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Instant;

type NoteParts = (String, &'static str, Option<String>, String);

/// A dose and what belongs to it.
struct Kept {
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

/// Transports a case.
#[pyfunction]
pub fn dose(py: Python<'_>, asked: ask::Dose<'_>, progress: Option<&Bound<'_, PyAny>>) -> PyResult<Dose> {
    let (request, handed) = asked.request(py)?;
    let invocation = Invocation::now(vec!["lutra.dose".to_owned()]);
    let (kept, heard) = work(py, progress, move |hear| {
        let begun = Instant::now();
        let inputs = guard::of_dose(&request);
        if let Some(place) = &request.run.checkpoint {
            for file in checkpoint::files(&place.folder) {
                inputs.spare(&file).or_user_error()?;
            }
            checkpoint::free(&place.folder, place.resume || request.force).or_user_error()?;
        }
        let run = request.run.clone();
        let emissions = request.emissions;
        let case = handed.case(request, hear)?;
        let mut result = DoseResult::of(case, &run, emissions, hear)?;
        let keeper = Mutex::new(result.computed.keeper.take());
        let seconds = begun.elapsed().as_secs_f64();
        Ok(Kept { result, invocation, seed: run.seed, inputs, seconds, keeper })
    })?;
    Ok(Dose { kept: Arc::new(kept), heard: fault::notes(&heard) })
}

/// What a request for DICOM says.
fn dicom_out(dicom: bool, deidentify: bool) -> Option<DicomOut> {
    dicom.then_some(DicomOut { deidentify, depth: DoseDepth::Bits32, pictures: false })
}

#[pymethods]
impl Dose {
    /// A map by name, indexed (i, j, k) along axes towards right, front, head; read-only, no copy.
    fn map<'py>(slf: Bound<'py, Self>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        fn lent<'py, T: numpy::Element>(owner: &Bound<'py, Dose>, values: &[T]) -> PyResult<Bound<'py, PyAny>> {
            let grid = &owner.get().kept.result.case.decays.grid;
            let view = lutra::volume::view(grid, values)
                .ok_or_else(|| PyKeyError::new_err("a map without one value a voxel"))?;
            // SAFETY: the object that owns the values is the array's base and is frozen: they live as long as the array and
            // do not change
            let array: Bound<'py, PyArray3<T>> = unsafe { PyArray::borrow_from_array(&view, owner.clone().into_any()) };
            array.getattr("flags")?.setattr("writeable", false)?;
            Ok(array.into_any())
        }
        let DoseResult { case, dose, .. } = &slf.get().kept.result;
        match name {
            "dose_gy" => lent(&slf, &dose.dose_gy),
            "sigma_rel" => lent(&slf, &dose.sigma_rel),
            "dose_electron_gy" => lent(&slf, &dose.dose_electron_gy),
            "dose_photon_gy" => lent(&slf, &dose.dose_photon_gy),
            "density_g_cm3" => lent(&slf, &case.density_g_cm3),
            "decays" => lent(&slf, &case.decays.data),
            "labels" => lent(&slf, &case.labels),
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
    #[pyo3(signature = (folder, *, force, dicom, deidentify))]
    fn save(&self, py: Python<'_>, folder: PathBuf, force: bool, dicom: bool, deidentify: bool) -> PyResult<PathBuf> {
        let kept = Arc::clone(&self.kept);
        let (place, _) = work(py, None, move |hear| {
            let Kept { result, invocation, seed, inputs, .. } = &*kept;
            let dicom = dicom_out(dicom, deidentify);
            let names = guard::dose_names(dicom);
            let folder = guard::folder(&folder, force, inputs, &names)?;
            room::on_disk(&folder, &result.case.density_g_cm3)?;
            let place = output::write_result(result, dicom, folder, invocation, *seed, &mut unless_halted, hear)?;
            if let Some(keeper) = kept.keeper.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take() {
                keeper.discard();
            }
            Ok(place)
        })?;
        Ok(place)
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
    #[pyo3(signature = (path, *, reference, force, deidentify))]
    fn save_rtdose(
        &self,
        py: Python<'_>,
        path: PathBuf,
        reference: Option<PathBuf>,
        force: bool,
        deidentify: bool,
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
            let out = DicomOut { deidentify, depth: DoseDepth::Bits32, pictures: false };
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
