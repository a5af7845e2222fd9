//! The other questions: each a request of the clinic, its record handed out as JSON and its maps as arrays.

use crate::ask::{self, Names, OfImages, Run, Source, engine, histories, labels};
use crate::dose::json;
use crate::fault::{self, argument, said};
use crate::volume::Given;
use crate::worker::work;
use lutra::clinic::audit::{FILE_NAMES as AUDIT_FILES, audit_case_into};
use lutra::clinic::compare::{FILE_NAMES as COMPARE_FILES, Lent, compare_lent};
use lutra::clinic::failure::{Failure, OrUserError, UserError};
use lutra::clinic::invocation::Invocation;
use lutra::clinic::kernel::voxel_kernel;
use lutra::clinic::request::{
    AuditRequest, BenchRequest, BenchScene, CompareRequest, KernelRequest, MediumRequest, ParityRequest, ParityScene,
    RunOptions, Stop, SvalueRequest, ValidateRequest, in_range,
};
use lutra::clinic::svalue::svalues_of;
use lutra::clinic::{bench as measured, guard, inspection, parity as devices_held, survey, validation};
use lutra::dose::dvh::Dvh;
use lutra::fault::{FaultKind, Setting};
use lutra::io::dicom;
use lutra::place::Place;
use lutra::svalues::gamma::{Criterion, Doses, gamma_map, pass_rate};
use lutra::svalues::kernel_file::Declared;
use lutra::transport::Engine;
use lutra::transport::cpu::CpuEngine;
use lutra::transport::gpu::{automatic, list_adapters};
use lutra::validate::Extent;
use numpy::{PyArray1, PyArrayMethods, PyReadonlyArray1};
use pyo3::prelude::*;
use std::collections::BTreeMap;
use std::path::PathBuf;

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

fn names(names: Option<Names>) -> (BTreeMap<u16, String>, Option<PathBuf>) {
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

/// A voxel kernel: record, and by offset (0 to `half`) the S values, mGy/(MBq s), and the energies with their error, keV.
#[pyfunction]
#[allow(clippy::type_complexity, reason = "taken apart at once by the Python side")]
pub fn kernel<'py>(
    py: Python<'py>,
    spacing_mm: [f64; 3],
    half: [usize; 3],
    medium: Medium,
    progress: Option<&Bound<'py, PyAny>>,
) -> PyResult<(String, BTreeMap<&'static str, Bound<'py, PyAny>>, Vec<NoteParts>)> {
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
    let (made, heard) = work(py, progress, move |hear| voxel_kernel(&request, hear))?;
    let (kernel, dims) = (&made.kernel, made.kernel.half.map(|half| half + 1));
    let s: Vec<f64> = (0..kernel.len()).map(|place| kernel.s_mgy_per_mbq_s(kernel.offset(place))).collect();
    let record = serde_json::json!({
        "nuclide": kernel.nuclide, "medium": kernel.medium, "density_g_cm3": made.density_g_cm3,
        "voxel_mm": kernel.spacing_mm, "half": kernel.half, "beyond_kev": kernel.beyond_kev,
        "radiated_kev": kernel.radiated_kev, "expected_kev": made.expected_kev,
        "closure_rel": kernel.closure_rel(made.expected_kev), "provenance": kernel.provenance,
    });
    let maps = BTreeMap::from([
        ("s_mgy_per_mbq_s", array(py, dims, s)?),
        ("electron_kev", array(py, dims, kernel.electron_kev.clone())?),
        ("photon_kev", array(py, dims, kernel.photon_kev.clone())?),
        ("error_kev", array(py, dims, kernel.error_kev.clone())?),
    ]);
    Ok((json(&record)?, maps, fault::notes(&heard)))
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
}

/// Transport and every shortcut beside it: the folder, and what was said.
#[pyfunction]
pub fn audit(
    py: Python<'_>,
    asked: ask::Dose<'_>,
    more: Audit,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<(PathBuf, Vec<NoteParts>)> {
    let (mut dose, handed) = asked.request(py)?;
    (dose.out, dose.force) = (more.folder.clone(), more.force);
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
    let invocation = Invocation::now(vec!["lutra.audit".to_owned()]);
    let (place, heard) = work(py, progress, move |hear| {
        let names = [&guard::dose_names(None)[..], &AUDIT_FILES].concat();
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
    let invocation = Invocation::now(vec!["lutra.compare".to_owned()]);
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

/// Devices held against each other: the record, the fault found.
#[pyfunction]
pub fn parity(
    py: Python<'_>,
    scene: Option<(PathBuf, PathBuf)>,
    count: f64,
    seed: u64,
    path: PathBuf,
    force: bool,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<(String, Option<String>)> {
    let scene = scene.map_or(ParityScene::Demo, |(ct, decays)| ParityScene::Files(ct.into(), decays.into()));
    let histories = checked(py, histories(count))?;
    let request = ParityRequest { scene, histories, devices: None, seed, trace: None, json: path, force };
    let (found, _) = work(py, progress, move |hear| devices_held::run(&request, hear))?;
    Ok((json(&found.record)?, found.fault))
}

/// What a run of files or of the demo costs: the record, its folder.
#[pyfunction]
pub fn bench(
    py: Python<'_>,
    asked: Option<ask::Dose<'_>>,
    run: Run,
    repeat: u32,
    folder: PathBuf,
    force: bool,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<(String, PathBuf)> {
    let run = checked(py, run.options())?;
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
    if run.stop == Stop::Default && repeat == 0 {
        return checked(
            py,
            Err(UserError::invalid("repeat", "", "0", "1 or more", "Give how many runs are measured.")),
        );
    }
    let request = BenchRequest {
        what,
        judge_labels: Vec::new(),
        judge_above: None,
        repeat: repeat.max(1),
        warm_up: 100_000,
        out: folder,
        force,
        run,
    };
    let invocation = Invocation::now(vec!["lutra.bench".to_owned()]);
    let (found, _) = work(py, progress, move |hear| measured::run(&request, &invocation, hear))?;
    Ok((json(&found.bench)?, found.place))
}

/// The histogram of doses (Gy) with masses: cumulative, as columns of dose and share.
#[pyfunction]
pub fn dvh<'py>(
    py: Python<'py>,
    dose_gy: PyReadonlyArray1<'py, f32>,
    mass: PyReadonlyArray1<'py, f32>,
) -> PyResult<BTreeMap<&'static str, Py<PyAny>>> {
    let (dose_gy, mass) = (dose_gy.as_array(), mass.as_array());
    let pieces = dose_gy.iter().copied().zip(mass.iter().copied()).collect();
    let (dvh, _) = work(py, None, move |_| {
        let dvh = Dvh::weighted(pieces);
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
    Ok(BTreeMap::from([
        ("dose_gy", PyArray1::from_vec(py, steps.into_iter().map(f64::from).collect()).into_any().unbind()),
        ("share", PyArray1::from_vec(py, share).into_any().unbind()),
        ("mean_gy", dvh.mean_gy().into_pyobject(py)?.into_any().unbind()),
        ("d98_gy", point(98.0).into_pyobject(py)?.into_any().unbind()),
        ("d50_gy", point(50.0).into_pyobject(py)?.into_any().unbind()),
        ("d2_gy", point(2.0).into_pyobject(py)?.into_any().unbind()),
    ]))
}
