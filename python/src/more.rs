//! The other questions: each a request of the clinic, its record handed out as JSON and its maps as arrays.

use crate::ask::{self, Names, OfImages, Run, Source};
use crate::dose::{AsDicom, invocation, json};
use crate::fault::{self, argument, said};
use crate::volume::Given;
use crate::worker::work;
use lutra::Nuclide;
use lutra::bed::RADIOBIOLOGY_SETS;
use lutra::clinic::asked::{engine, histories, labels};
use lutra::clinic::audit::{FILE_NAMES as AUDIT_FILES, audit_case_into};
use lutra::clinic::compare::{FILE_NAMES as COMPARE_FILES, Lent, compare_lent};
use lutra::clinic::course::cohort::cohort as virtual_patients;
use lutra::clinic::failure::{Failure, OrUserError, UserError};
use lutra::clinic::init::{self as drafts, Next};
use lutra::clinic::invocation::Invocation;
use lutra::clinic::kernel::{self as radial, KernelResult, failure as kernel_failure, voxel_kernel};
use lutra::clinic::point_kernel as table;
use lutra::clinic::practice;
use lutra::clinic::request::{
    AuditRequest, BenchRequest, BenchScene, CompareRequest, DeviceChoice, EngineChoice, InitRequest, KernelRequest,
    MediumRequest, ParityRequest, ParityScene, RunOptions, SvalueRequest, TraceChoice, ValidateRequest, in_range,
};
use lutra::clinic::svalue::svalues_of;
use lutra::clinic::{bench as costs, guard, inspection, parity as devices_held, survey, validation};
use lutra::course::protocol::{BUILT_IN, Protocol};
use lutra::dose::dvh::Dvh;
use lutra::dose::dvh::own_grid::{is_finer, own_grid_dvh};
use lutra::dose::dvh::pieces::{Field, Member, region_dvh, whole_dvh};
use lutra::fault::{FaultKind, Setting};
use lutra::io::atomic::{AtomicOutputDir, OutputFiles};
use lutra::io::dicom;
use lutra::io::inputs::Inputs;
use lutra::place::Place;
use lutra::svalues::gamma::{Criterion, Doses, gamma_map, pass_rate};
use lutra::svalues::kernel_file;
use lutra::svalues::kernel_file::Declared;
use lutra::svalues::point_kernel::Shells;
use lutra::transport::Engine;
use lutra::transport::cpu::CpuEngine;
use lutra::transport::emission::Pass;
use lutra::transport::gpu::{GpuOptions, automatic, list_adapters};
use lutra::validate::Extent;
use numpy::{PyArray1, PyArrayMethods};
use pyo3::prelude::*;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

type NoteParts = (String, &'static str, Option<String>, String);

/// Values on a grid, x fastest, as an array indexed (i, j, k).
pub fn array<'py, T: numpy::Element>(py: Python<'py>, dims: [usize; 3], values: Vec<T>) -> PyResult<Bound<'py, PyAny>> {
    let [nx, ny, nz] = dims;
    let turned = PyArray1::from_vec(py, values).reshape([nz, ny, nx])?;
    turned.into_any().getattr("T")
}

/// The result of `work`, or the exception of what is wrong with a request.
fn checked<T>(py: Python<'_>, made: Result<T, UserError>) -> PyResult<T> {
    made.map_err(|fault| fault::of_fault(py, &fault))
}

/// Names as stated, and the file of names.
pub fn names(names: Option<Names>) -> (BTreeMap<u16, String>, Option<PathBuf>) {
    match names {
        None => (BTreeMap::new(), None),
        Some(Names::Stated(names)) => (names, None),
        Some(Names::File(file)) => (BTreeMap::new(), Some(file)),
    }
}

/// What is asked of kernels.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Medium {
    tissue: String,
    density_g_cm3: Option<f64>,
    nuclide: String,
    histories: f64,
    seed: u64,
    threads: Option<usize>,
}

impl Medium {
    fn request(self) -> Result<MediumRequest, UserError> {
        let Self { tissue, density_g_cm3, nuclide, histories: count, seed, threads } = self;
        let density_g_cm3 = density_g_cm3.map(|d| in_range(Setting::Density, d, 0.001, 30.0, "g/cm3")).transpose()?;
        let (histories, out, force) = (histories(count)?, PathBuf::new(), false);
        let (tissue, nuclide) = (tissue.into(), nuclide.into());
        Ok(MediumRequest { tissue, density_g_cm3, nuclide, histories, seed, threads, out, force })
    }
}

/// A voxel kernel in memory.
#[pyclass(frozen, module = "lutra._lutra")]
pub struct Kernel {
    made: Arc<KernelResult>,
    /// As it was asked for.
    tissue: String,
    half_life_h: f64,
    inputs: Inputs,
    heard: Vec<NoteParts>,
}

#[pymethods]
impl Kernel {
    /// What it is, as JSON.
    fn record_json(&self) -> PyResult<String> {
        let kernel = &self.made.kernel;
        json(&serde_json::json!({
            "nuclide": kernel.nuclide, "medium": kernel.medium, "density_g_cm3": self.made.density_g_cm3,
            "tissue": self.tissue, "half_life_h": self.half_life_h,
            "voxel_mm": kernel.spacing_mm, "half": kernel.half, "beyond_kev": kernel.beyond_kev,
            "radiated_kev": kernel.radiated_kev, "expected_kev": self.made.expected_kev,
            "closure_rel": kernel.closure_rel(self.made.expected_kev), "provenance": kernel.provenance,
        }))
    }

    /// By offset (0 to `half`) the S values, mGy/(MBq s), and the energies with their error, keV.
    fn maps<'py>(&self, py: Python<'py>) -> PyResult<BTreeMap<&'static str, Bound<'py, PyAny>>> {
        let (kernel, dims) = (&self.made.kernel, self.made.kernel.half.map(|half| half + 1));
        let s: Vec<f64> = (0..kernel.len()).map(|place| kernel.s_mgy_per_mbq_s(kernel.offset(place))).collect();
        Ok(BTreeMap::from([
            ("s_mgy_per_mbq_s", array(py, dims, s)?),
            ("electron_kev", array(py, dims, kernel.electron_kev.clone())?),
            ("photon_kev", array(py, dims, kernel.photon_kev.clone())?),
            ("error_kev", array(py, dims, kernel.error_kev.clone())?),
        ]))
    }

    /// Everything that was said.
    fn notes(&self) -> Vec<NoteParts> {
        self.heard.clone()
    }

    /// Writes what `lutra kernel` writes, in the layout of the file's ending; the files.
    #[pyo3(signature = (path, *, force))]
    fn save(&self, py: Python<'_>, path: PathBuf, force: bool) -> PyResult<Vec<PathBuf>> {
        let (made, inputs) = (Arc::clone(&self.made), self.inputs.clone());
        let (files, _) = work(py, None, move |_| {
            kernel_file::check_ending(&path).map_err(kernel_failure)?;
            let files = kernel_file::files(&path);
            let claimed = OutputFiles::claim(&files, force, &inputs).or_user_error()?;
            claimed.check().or_user_error()?;
            kernel_file::write(&made.kernel, &path).map_err(kernel_failure)?;
            Ok(files)
        })?;
        Ok(files)
    }
}

/// A voxel kernel in an endless medium.
#[pyfunction]
pub fn kernel(
    py: Python<'_>,
    spacing_mm: [f64; 3],
    half: [usize; 3],
    medium: Medium,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<Kernel> {
    let asked = || {
        for edge in spacing_mm {
            in_range(Setting::KernelVoxel, edge, 0.05, 100.0, "mm")?;
        }
        for axis in half {
            in_range("half", axis as f64, 0.0, 512.0, "voxels")?;
        }
        Ok(KernelRequest { spacing_mm, half, medium: medium.request()? })
    };
    let request = checked(py, asked())?;
    let inputs = guard::of_kernel(&request);
    let (tissue, nuclide) =
        (request.medium.tissue.display().to_string().to_lowercase(), request.medium.nuclide.clone());
    let (made, heard) = work(py, progress, move |hear| voxel_kernel(&request, hear))?;
    let half_life_h = checked(py, Nuclide::load(&nuclide).or_user_error())?.half_life_h;
    Ok(Kernel { made: Arc::new(made), tissue, half_life_h, inputs, heard: fault::notes(&heard) })
}

/// A radial point kernel as CSV, with its figures as JSON: median and 90 % radii, mm, energy and closure.
#[pyfunction]
pub fn point_kernel(
    py: Python<'_>,
    medium: Medium,
    path: Option<PathBuf>,
    force: bool,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<(String, String, Vec<NoteParts>)> {
    let request = checked(py, medium.request())?;
    let ((record, text), heard) = work(py, progress, move |hear| {
        let inputs = guard::of_medium(&request);
        let claimed =
            path.as_ref().map(|path| OutputFiles::claim(&[path], force, &inputs)).transpose().or_user_error()?;
        let (point, density, _) = radial::point_kernel(&request, hear)?;
        let text = table::csv(&point, density);
        if let (Some(claimed), Some(path)) = (claimed, &path) {
            claimed.write(path, |to| to.write_all(text.as_bytes())).or_user_error()?;
        }
        let radii = |shells: &Shells| [0.5, 0.9].map(|share| table::radius_mm(shells, density, share));
        let record = serde_json::json!({
            "nuclide": point.nuclide, "tissue": point.tissue, "density_g_cm3": density,
            "energy_kev_per_decay": point.nuclide_electron_kev + point.nuclide_photon_kev,
            "closure_rel": point.closure_rel(),
            "electron_radius_50_90_mm": point.electron.as_ref().map(radii),
            "photon_radius_50_90_mm": point.photon.as_ref().map(radii),
        });
        Ok((record, text))
    })?;
    Ok((json(&record)?, text, fault::notes(&heard)))
}

/// Drafts a configuration from a folder of images: what was written, what is to be filled in, what is not used, as JSON.
#[pyfunction]
pub fn init(
    py: Python<'_>,
    folder: PathBuf,
    what: &str,
    out: Option<PathBuf>,
    protocol: Option<String>,
    force: bool,
) -> PyResult<String> {
    let request = match what {
        "dose" => {
            InitRequest::Dose { out: out.unwrap_or_else(|| PathBuf::from("dose.toml")), folder: folder.into(), force }
        }
        "course" => InitRequest::Course { folder: folder.into(), out: out.unwrap_or_default(), protocol, force },
        _ => {
            let next = "A dose is one cycle, a course several.";
            let fault = UserError::invalid("what", "", format!("\"{what}\""), "dose, course", next);
            return checked(py, Err(fault.kind(FaultKind::Unknown)));
        }
    };
    let (done, _) = work(py, None, move |_| drafts::init(&request))?;
    let next = match &done.next {
        Next::Dose(config) => ("dose", config),
        Next::Course(file) => ("course", file),
    };
    json(&serde_json::json!({
        "written": done.drafts.iter().map(|draft| &draft.path).collect::<Vec<_>>(),
        "to_fill_in": done.to_fill_in.iter().map(|(file, line, field)| serde_json::json!({
            "file": file, "line": line, "field": field,
        })).collect::<Vec<_>>(),
        "not_used": done.left.iter().map(said).collect::<Vec<_>>(),
        "next": {"function": next.0, "file": next.1},
    }))
}

/// A virtual cohort under several stopping policies, as JSON.
#[pyfunction]
pub fn cohort(py: Python<'_>, protocol: String, patients: u32, seed: u64) -> PyResult<String> {
    let ((cohort, outcomes), _) = work(py, None, move |_| virtual_patients(&protocol, patients, seed))?;
    json(&serde_json::json!({
        "patients": cohort.patients, "seed": seed, "mean_dose_gy": cohort.mean_dose_gy,
        "sigma_dose_gy": cohort.sigma_dose_gy, "within_patient_cv": cohort.within_patient_cv, "policies": outcomes,
    }))
}

/// The built-in protocols and sets of radiobiology, as JSON.
#[pyfunction]
pub fn protocols(py: Python<'_>) -> PyResult<String> {
    let read = BUILT_IN.iter().map(|(name, _)| Ok((*name, Protocol::built_in(name).or_user_error()?)));
    let read: BTreeMap<_, _> = checked(py, read.collect())?;
    let sets: Vec<_> = RADIOBIOLOGY_SETS
        .iter()
        .map(|set| {
            serde_json::json!({
                "name": set.name, "alpha_beta_gy": set.alpha_beta_gy, "repair_half_life_h": set.repair_half_life_h,
                "source": set.source,
            })
        })
        .collect();
    json(&serde_json::json!({"protocols": read, "radiobiology": sets}))
}

/// Writes the practice patient: three cycles as the files that a clinic has; the folder.
#[pyfunction]
pub fn practice_patient(py: Python<'_>, folder: PathBuf) -> PyResult<PathBuf> {
    let (place, _) = work(py, None, move |_| {
        let folder = AtomicOutputDir::create(&folder, false, &Inputs::none()).or_user_error()?.without_record();
        practice::write(&folder)?;
        Ok(folder.commit().or_user_error()?)
    })?;
    Ok(place)
}

/// S values of source regions to every region: rows as JSON.
#[pyfunction]
pub fn svalue(
    py: Python<'_>,
    asked: ask::Dose<'_>,
    sources: Vec<u16>,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<(String, Vec<NoteParts>)> {
    let sources = checked(py, labels(Setting::SourceLabel, sources))?;
    let (dose, handed) = asked.request(py)?;
    let (made, heard) = work(py, progress, move |hear| {
        let case = handed.anatomy(dose.clone(), hear)?;
        svalues_of(&SvalueRequest { dose, sources }, case, hear)
    })?;
    Ok((json(&made.rows)?, fault::notes(heard.iter().chain(&made.warnings))))
}

/// What is asked of an audit beside its dose.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Audit {
    folder: PathBuf,
    force: bool,
    tolerance_rel: f64,
    kernels: Vec<PathBuf>,
    kernel_nuclide: Option<String>,
    kernel_voxel_mm: Option<[f64; 3]>,
    kernel_unit: Option<String>,
    kernel_density_g_cm3: Option<f64>,
    force_kernel: bool,
    s_tables: Vec<PathBuf>,
    phantom: String,
    dicom: Option<AsDicom>,
}

/// Transport and every shortcut beside it: the folder, and what was said.
#[pyfunction]
pub fn audit(
    py: Python<'_>,
    asked: ask::Dose<'_>,
    more: Audit,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<(PathBuf, Vec<NoteParts>)> {
    let (patient_label, (mut dose, handed)) = (asked.patient_label(), asked.request(py)?);
    (dose.out, dose.force) = (more.folder.clone(), more.force);
    dose.dicom = checked(py, more.dicom.map(AsDicom::out).transpose())?;
    let declared = || {
        if dose.labels.is_none() && handed.labels.is_none() {
            let next = "An audit compares regions: give their label map.";
            return Err(UserError::invalid(Setting::Labels, "", "none", "a label map", next));
        }
        if !["AM", "AF"].contains(&more.phantom.as_str()) {
            let next = "AM is the adult male, AF the adult female phantom of ICRP 110.";
            return Err(UserError::invalid("phantom", "", format!("\"{}\"", more.phantom), "AM, AF", next));
        }
        for edge in more.kernel_voxel_mm.into_iter().flatten() {
            in_range(Setting::KernelVoxel, edge, 0.05, 100.0, "mm")?;
        }
        let density = |d: f64| in_range("kernel_density_g_cm3", d, 0.001, 30.0, "g/cm3");
        let share = "a share, 0.05 for 5 %";
        Ok((
            in_range("tolerance_rel", more.tolerance_rel, 1e-4, 1.0, share)?,
            Declared {
                nuclide: more.kernel_nuclide.clone(),
                spacing_mm: more.kernel_voxel_mm,
                unit: more.kernel_unit.clone(),
                density_g_cm3: more.kernel_density_g_cm3.map(density).transpose()?,
                force: more.force_kernel,
            },
        ))
    };
    let (tolerance_rel, declared) = checked(py, declared())?;
    let places = |paths: Vec<PathBuf>| paths.into_iter().map(Place::from).collect();
    let (kernels, s_tables, phantom) = (places(more.kernels), places(more.s_tables), more.phantom);
    let request = AuditRequest { dose, tolerance_rel, kernels, declared, s_tables, phantom };
    let invocation = invocation("lutra.audit", patient_label);
    let (place, heard) = work(py, progress, move |hear| {
        let names = [&guard::dose_names(request.dose.dicom)[..], &AUDIT_FILES].concat();
        let (out, force) = (&request.dose.out, request.dose.force);
        let folder = guard::folder_of_run(out, force, &request.dose.run, &guard::of_audit(&request), &names)?;
        let case = handed.case(request.dose.clone(), hear)?;
        let silent = |_: &lutra::svalues::audit::Audit, _: f64| String::new();
        let done = audit_case_into(&request, case, folder, &invocation, &silent, hear)?;
        let place = done.written.place.clone();
        lutra::clinic::transport::end(done.computed);
        Ok(place)
    })?;
    Ok((place, fault::notes(&heard)))
}

fn lent(py: Python<'_>, source: Source<'_>, role: &'static str) -> PyResult<(PathBuf, Option<lutra::Volume<f32>>)> {
    match source {
        Source::Path(path) => Ok((path, None)),
        Source::Image(image) => Ok((PathBuf::from(format!("{role} in memory")), Some(image.single(py, role)?))),
        Source::Paths(_) => {
            let next = "Give one map.";
            checked(py, Err(UserError::invalid(role, "", "several files", "one", next)))
        }
    }
}

/// Two dose maps held against each other: the record, the words, gamma (3 mm, 3 %) on A's grid with its affine, the folder.
#[pyfunction]
#[allow(clippy::too_many_arguments, reason = "one argument each of Python's")]
#[allow(clippy::type_complexity, reason = "taken apart at once by the Python side")]
pub fn compare<'py>(
    py: Python<'py>,
    a: Source<'py>,
    b: Source<'py>,
    regions: Option<Source<'py>>,
    label_names: Option<Names>,
    tolerance_rel: f64,
    folder: Option<PathBuf>,
    force: bool,
    patient_label: Option<String>,
) -> PyResult<(String, String, Bound<'py, PyAny>, [[f64; 4]; 3], Option<PathBuf>)> {
    checked(py, in_range("tolerance_rel", tolerance_rel, 0.0, 0.5, "a share, 0.01 for 1 %"))?;
    let ((a, a_lent), (b, b_lent)) = (lent(py, a, "A")?, lent(py, b, "B")?);
    let (stated, label_names) = names(label_names);
    let (labels, lent_labels) = match regions {
        None => (None, None),
        Some(Source::Image(image)) => (Some(PathBuf::from("labels in memory")), Some(image.labels(py, "labels")?)),
        Some(other) => (Some(lent(py, other, "labels")?.0), None),
    };
    let out = folder.clone().unwrap_or_default();
    let (labels, label_names) = (labels.map(Place::from), label_names.map(Place::from));
    let request = CompareRequest { a: a.into(), b: b.into(), labels, label_names, tolerance_rel, out, force };
    let given = Lent { a: a_lent, b: b_lent, labels: lent_labels, names: stated };
    let invocation = invocation("lutra.compare", patient_label);
    let ((record, words, gamma, place), _) = work(py, None, move |_| {
        let claimed = folder
            .as_ref()
            .map(|folder| guard::folder(folder, force, &guard::of_compare(&request), &COMPARE_FILES))
            .transpose()?;
        let done = compare_lent(&request, given)?;
        let mut place = None;
        if let Some(folder) = claimed {
            done.save(&request, &folder, &invocation)?;
            place = Some(folder.commit().or_user_error()?);
        }
        Ok((done.record(&request), done.words(), done.gamma()?, place))
    })?;
    let affine = gamma.grid.affine;
    Ok((json(&record)?, words, array(py, gamma.grid.dims, gamma.data)?, affine, place))
}

/// Gamma of each reference voxel, and the share that passes.
#[pyfunction]
pub fn gamma<'py>(
    py: Python<'py>,
    reference: Given<'py>,
    evaluated: Given<'py>,
    distance_mm: f64,
    dose_rel: f64,
) -> PyResult<(Bound<'py, PyAny>, Option<f64>)> {
    let asked = || {
        in_range("distance_mm", distance_mm, 0.1, 50.0, "mm")?;
        in_range("dose_rel", dose_rel, 1e-4, 1.0, "a share, 0.03 for 3 %")
    };
    checked(py, asked())?;
    let (reference, evaluated) = (reference.single(py, "reference")?, evaluated.single(py, "evaluated")?);
    for (role, map) in [("reference", &reference), ("evaluated", &evaluated)] {
        if !map.data.iter().all(|gy| gy.is_finite()) {
            let next = "Set these voxels to a true value.";
            return checked(py, Err(UserError::invalid(role, "values", "NaN or infinite", "finite Gy", next)));
        }
    }
    let ((gamma, rate, dims), _) = work(py, None, move |_| {
        let criterion = Criterion { distance_mm, dose_rel };
        let of = |map: &'_ lutra::Volume<f32>| Dvh::new(map.data.clone());
        let top = of(&reference).max_gy().unwrap_or(0.0);
        let warm: Vec<f32> = reference.data.iter().copied().filter(|&gy| gy >= 0.1 * top && gy > 0.0).collect();
        let hot = Dvh::new(warm).dose_at_volume_gy(2.0).map_or(0.0, f64::from);
        let members: Vec<u32> = (0..reference.data.len() as u32).collect();
        let (a, b) = (
            Doses { grid: &reference.grid, gy: &reference.data },
            Doses { grid: &evaluated.grid, gy: &evaluated.data },
        );
        Ok((gamma_map(a, b, hot, criterion), pass_rate(a, b, &members, criterion), reference.grid.dims))
    })?;
    Ok((array(py, dims, gamma)?, rate))
}

/// Devices as JSON.
#[pyfunction]
pub fn devices(py: Python<'_>) -> PyResult<String> {
    let (cpu, adapters) = py.detach(|| (CpuEngine::new(0).device(), list_adapters()));
    json(&lutra::clinic::devices::record(&cpu, &adapters, automatic(&adapters)))
}

/// What is in a file or folder, as JSON.
#[pyfunction]
pub fn inspect(py: Python<'_>, path: PathBuf, images: OfImages) -> PyResult<String> {
    let options = checked(py, images.options())?;
    let (found, _) = work(py, None, move |_| {
        if dicom::is_dicom(&path) {
            let inspected = dicom::inspect(&path, &options);
            if inspected.as_ref().is_err_and(survey::no_dicom) {
                let found = survey::survey_with_cycles(&path)?;
                if !(found.images.is_empty() && found.left.is_empty()) {
                    return Ok(inspection::of_folder(&found, said));
                }
            }
            return Ok(serde_json::to_value(inspected.or_user_error()?.shown(argument))?);
        }
        let place = Place::from(&path);
        Ok(inspection::of_nifti(&place)?.record(&place))
    })?;
    json(&found)
}

/// The reference problems: their folder, the fault found, what was said.
#[pyfunction]
#[pyo3(signature = (folder, *, quick, force, engine_name, seed, threads, patient, progress))]
#[allow(clippy::too_many_arguments, reason = "one argument each of Python's")]
pub fn validate(
    py: Python<'_>,
    folder: PathBuf,
    quick: bool,
    force: bool,
    engine_name: &str,
    seed: u64,
    threads: Option<usize>,
    patient: Option<PathBuf>,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<(PathBuf, Option<String>, Vec<NoteParts>)> {
    let run = RunOptions { engine: checked(py, engine(engine_name))?, seed, threads, ..RunOptions::default() };
    let extent = if quick { Extent::Quick } else { Extent::Full };
    let request = ValidateRequest { extent, out: folder, force, run };
    let (found, heard) = work(py, progress, move |hear| validation::run(&request, patient.as_deref(), hear))?;
    Ok((found.place, found.fault, fault::notes(&heard)))
}

/// What is held against each other.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Parity {
    scene: Option<(PathBuf, PathBuf)>,
    histories: f64,
    devices: Option<Vec<String>>,
    seed: u64,
    trace: Option<(String, u32, u32)>,
    path: PathBuf,
    force: bool,
}

/// A device by its name.
fn device(name: &str) -> Result<DeviceChoice, UserError> {
    match engine(name)? {
        EngineChoice::Cpu(way) => Ok(DeviceChoice::Cpu(0, way)),
        EngineChoice::Gpu(Some(number)) => Ok(DeviceChoice::Gpu(number, GpuOptions::default())),
        EngineChoice::Auto | EngineChoice::Gpu(None) => {
            let next = "lutra.devices() lists the devices and their numbers.";
            Err(UserError::invalid("devices", "", format!("\"{name}\""), "cpu, cpu:WAY or gpu:N", next))
        }
    }
}

/// A history by its pass, batch and number.
fn traced((pass, batch, history): (String, u32, u32)) -> Result<TraceChoice, UserError> {
    let pass = match pass.as_str() {
        "electron" => Pass::Electron,
        "photon" => Pass::Photon,
        _ => {
            let next = "Write it as in (\"photon\", 0, 1234).";
            return Err(UserError::invalid(Setting::Trace, "", format!("\"{pass}\""), "electron, photon", next));
        }
    };
    Ok(TraceChoice { pass, batch, history })
}

impl Parity {
    fn request(self) -> Result<ParityRequest, UserError> {
        Ok(ParityRequest {
            scene: self.scene.map_or(ParityScene::Demo, |(ct, decays)| ParityScene::Files(ct.into(), decays.into())),
            histories: histories(self.histories)?,
            devices: self.devices.map(|names| names.iter().map(|name| device(name)).collect()).transpose()?,
            seed: self.seed,
            trace: self.trace.map(traced).transpose()?,
            json: self.path,
            force: self.force,
        })
    }
}

/// Devices held against each other: the record, the fault found.
#[pyfunction]
pub fn parity(
    py: Python<'_>,
    asked: Parity,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<(String, Option<String>)> {
    let request = checked(py, asked.request())?;
    let (found, _) = work(py, progress, move |hear| devices_held::run(&request, hear))?;
    Ok((json(&found.record)?, found.fault))
}

/// What is measured, beside its dose.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Measured {
    run: Run,
    repeat: u32,
    warm_up: f64,
    judge_labels: Option<Vec<u16>>,
    judge_above: Option<f64>,
    grids: Vec<[usize; 3]>,
    folder: PathBuf,
    force: bool,
}

impl Measured {
    fn request(self, what: BenchScene) -> Result<BenchRequest, UserError> {
        if let Some(dims) = self.grids.iter().find(|dims| !dims.iter().all(|n| (24..=1024).contains(n))) {
            let next = "Write them as in [(64, 64, 64), (512, 512, 400)].";
            return Err(UserError::invalid("grids", "", format!("{dims:?}"), "24 to 1024 voxels an axis", next));
        }
        let share = |share: f64| in_range("judge_above", share, 0.0, 0.99, "a share of the highest dose, 0.01 for 1 %");
        Ok(BenchRequest {
            what: if self.grids.is_empty() { what } else { BenchScene::Scaling(self.grids) },
            judge_labels: self.judge_labels.map_or(Ok(Vec::new()), |chosen| labels(Setting::JudgeLabels, chosen))?,
            judge_above: self.judge_above.map(share).transpose()?,
            repeat: in_range("repeat", f64::from(self.repeat), 1.0, 100.0, "runs")? as u32,
            warm_up: histories(self.warm_up)?,
            out: self.folder,
            force: self.force,
            run: self.run.options()?,
        })
    }
}

/// What a run of files, of the demo or of phantoms costs: the record, its folder.
#[pyfunction]
pub fn bench(
    py: Python<'_>,
    asked: Option<ask::Dose<'_>>,
    measured: Measured,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<(String, PathBuf)> {
    let what = match asked {
        None => BenchScene::Demo,
        Some(asked) => {
            let (dose, handed) = asked.request(py)?;
            if handed.ct_hu.is_some() || handed.activity.is_some() || handed.labels.is_some() {
                let next = "A measurement reads its files: give paths.";
                let fault = UserError::invalid(Setting::Ct, "", "an image in memory", "a path", next);
                return checked(py, Err(fault.kind(FaultKind::Invalid)));
            }
            BenchScene::Files(Box::new(dose))
        }
    };
    let request = checked(py, measured.request(what))?;
    let invocation = Invocation::now(vec!["lutra.bench".to_owned()]);
    let (found, _) = work(py, progress, move |hear| costs::run(&request, &invocation, hear))?;
    Ok((json(&found.bench)?, found.place))
}

/// What a region is: voxels of a label, or the covered share of every voxel.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Region<'py> {
    dose_gy: Given<'py>,
    labels: Option<Given<'py>>,
    label: u16,
    share: Option<Given<'py>>,
    density_g_cm3: Option<Given<'py>>,
    within_voxels: bool,
}

/// The maps of a region.
struct Maps {
    dose: lutra::Volume<f32>,
    density: Option<Vec<f32>>,
    members: Vec<Member>,
    share: Option<Vec<f32>>,
    /// The region's own grid, where it is finer than the dose's.
    own: Option<lutra::VoxelGrid>,
}

impl Region<'_> {
    /// The maps; the region on the grid of the dose or on a finer one of its own.
    fn maps(&self, py: Python<'_>) -> PyResult<Maps> {
        let dose = self.dose_gy.single(py, "dose_gy")?;
        let density = self.density_g_cm3.as_ref().map(|given| given.single(py, "density_g_cm3")).transpose()?;
        if density.as_ref().is_some_and(|density| !density.grid.same_as(&dose.grid)) {
            return Err(another_grid(py, "density_g_cm3"));
        }
        let share = self.share.as_ref().map(|given| given.single(py, "share")).transpose()?;
        for (role, low, high, values) in [
            ("dose_gy", f32::MIN, f32::MAX, Some(&dose.data)),
            ("density_g_cm3", 0.0, f32::MAX, density.as_ref().map(|density| &density.data)),
            ("share", 0.0, 1.0, share.as_ref().map(|share| &share.data)),
        ] {
            if let Some(value) = values.into_iter().flatten().find(|value| !(low..=high).contains(*value)) {
                let allowed = if high == 1.0 { "from 0 to 1" } else { "finite numbers, densities not negative" };
                let next = "Correct these voxels.";
                return checked(py, Err(UserError::invalid(role, "values", value.to_string(), allowed, next)));
            }
        }
        let (role, region) = match (share, &self.labels) {
            (Some(share), _) => ("share", Some(share)),
            (None, Some(labels)) => {
                let labels = labels.labels(py, "labels")?;
                ("labels", Some(labels.map(|label| f32::from(u8::from(label == self.label)))))
            }
            (None, None) => ("labels", None),
        };
        let covered = region.iter().flat_map(|region| (0..).zip(region.data.iter().copied()));
        let members = covered.filter(|member| member.1 > 0.0).collect();
        let own = region.as_ref().map(|region| region.grid.clone()).filter(|grid| !grid.same_as(&dose.grid));
        if own.as_ref().is_some_and(|own| !is_finer(own, &dose.grid)) {
            return Err(another_grid(py, role));
        }
        let share = region.map(|region| region.data).filter(|_| role == "share" && own.is_none());
        Ok(Maps { dose, density: density.map(|density| density.data), members, share, own })
    }
}

fn another_grid(py: Python<'_>, role: &'static str) -> PyErr {
    let (allowed, next) = match role {
        "density_g_cm3" => ("the same", "Resample it to the dose."),
        _ => ("the same, or voxels of at most half its edges", "Resample it to the dose."),
    };
    let fault = UserError::invalid(role, "grid", "another than that of the dose", allowed, next);
    fault::of_fault(py, &fault.kind(FaultKind::Mismatch))
}

impl Maps {
    /// The histogram: cut within voxels, or with a level dose in each.
    fn histogram(&self, within_voxels: bool) -> Result<Dvh, UserError> {
        let density_g_cm3 = self.density.as_deref();
        let least_density_g_cm3 = if density_g_cm3.is_some() { lutra::dose::AIR_LIMIT_G_CM3 } else { 0.0 };
        let field = Field { grid: &self.dose.grid, dose_gy: &self.dose.data, density_g_cm3, least_density_g_cm3 };
        if let Some(own) = &self.own {
            let found = own_grid_dvh(&field, own, &self.members, within_voxels);
            return if found.outside == 0 { Ok(found.dvh) } else { Err(reaches_out(found.outside)) };
        }
        if !within_voxels {
            let mass = |n: usize| density_g_cm3.map_or(1.0, |density| density[n]);
            let pieces = self.members.iter().map(|&(n, part)| (self.dose.data[n], part * mass(n)));
            return Ok(Dvh::weighted(pieces.collect()));
        }
        Ok(match &self.share {
            Some(share) => region_dvh(&field, &self.members, &|n| share[n]),
            None => {
                let voxels: Vec<u32> = self.members.iter().map(|&(n, _)| n as u32).collect();
                whole_dvh(&field, &voxels)
            }
        })
    }
}

fn reaches_out(voxels: usize) -> UserError {
    let found = format!("{voxels} voxels of the region outside of it");
    let next = "Give a map that reaches further.";
    UserError::invalid("dose_gy", "grid", found, "one that holds the region", next).kind(FaultKind::Mismatch)
}

/// The histogram of a region: cumulative, as columns of dose and share, and its quantiles by 0.1 %.
#[pyfunction]
pub fn dvh(py: Python<'_>, region: Region<'_>) -> PyResult<BTreeMap<&'static str, Py<PyAny>>> {
    let (maps, within_voxels) = (region.maps(py)?, region.within_voxels);
    let (dvh, _) = work(py, None, move |_| {
        let dvh = maps.histogram(within_voxels)?;
        if dvh.is_empty() {
            let next = "Give the region's voxels.";
            return Err(Failure::User(UserError::invalid(
                Setting::Labels,
                "",
                "no voxel with mass",
                "one or more",
                next,
            )));
        }
        Ok(dvh)
    })?;
    let top = dvh.max_gy().unwrap_or(0.0);
    let steps: Vec<f32> = (0..=1000).map(|n| top * n as f32 / 1000.0).collect();
    let share: Vec<f64> = steps.iter().map(|&gy| dvh.volume_at_dose(gy)).collect();
    let point = |percent: f64| dvh.dose_at_volume_gy(percent).map(f64::from);
    let quantiles: Vec<f64> = (0..=1000).filter_map(|n| point(0.1 * f64::from(n))).collect();
    Ok(BTreeMap::from([
        ("dose_gy", PyArray1::from_vec(py, steps.into_iter().map(f64::from).collect()).into_any().unbind()),
        ("share", PyArray1::from_vec(py, share).into_any().unbind()),
        ("quantile_gy", PyArray1::from_vec(py, quantiles).into_any().unbind()),
        ("mean_gy", dvh.mean_gy().into_pyobject(py)?.into_any().unbind()),
        ("d98_gy", point(98.0).into_pyobject(py)?.into_any().unbind()),
        ("d50_gy", point(50.0).into_pyobject(py)?.into_any().unbind()),
        ("d2_gy", point(2.0).into_pyobject(py)?.into_any().unbind()),
    ]))
}
