//! Images over time to decays, and the cycles of a treatment to a verdict.

use crate::ask::{self, Names, OfImages, Run, Source, sharing};
use crate::dose::{AsDicom, invocation, json};
use crate::fault::{self, argument};
use crate::volume::{Given, lent};
use crate::worker::work;
use lutra::bounds;
use lutra::clinic::asked::administered;
use lutra::clinic::course::cache::Cache;
use lutra::clinic::course::from_memory::{CourseVolumes, CycleVolumes, TimedImage};
use lutra::clinic::course::save::{FILE_NAMES, names};
use lutra::clinic::course::source::CourseSource;
use lutra::clinic::course::{CourseResult, treated};
use lutra::clinic::failure::{Failure, OrUserError, UserError};
use lutra::clinic::handed::regions_in_memory;
use lutra::clinic::invocation::Invocation;
use lutra::clinic::request::{CourseRequest, GridChoice, RunOptions, StudyChoice, TiaRequest};
use lutra::clinic::series::{Integrated, OpenSeries, SeriesRegions, integrate_alone};
use lutra::clinic::shelf::Shelf;
use lutra::clinic::{guard, series_files};
use lutra::course::rules::{Fact, Facts};
use lutra::course::tia::{ActivityImage, Method};
use lutra::course::words::verdict_words_with;
use lutra::fault::{FaultKind, Setting};
use lutra::io::dicom;
use lutra::io::inputs::Inputs;
use lutra::source::OutlineSharing;
use lutra::{Nuclide, Volume};
use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

type NoteParts = (String, &'static str, Option<String>, String);
type Affine = [[f64; 4]; 3];

fn checked<T>(py: Python<'_>, made: Result<T, UserError>) -> PyResult<T> {
    made.map_err(|fault| fault::of_fault(py, &fault))
}

/// A curve by its name.
fn method(model: &str, effective_half_life_h: Option<f64>) -> Result<Method, UserError> {
    if let Some(half_life_h) = effective_half_life_h {
        return Ok(Method::Population { half_life_h, half_life_rel_sigma: None });
    }
    ask::model(model).map(Method::Model)
}

/// Images of one cycle in memory, or where a series lies.
#[derive(FromPyObject)]
pub enum Series<'py> {
    /// A SERIES.toml, or DICOM images.
    Paths(Vec<PathBuf>),
    /// Mid-scan time, h after injection, and activity then, Bq/mL.
    Images(Vec<(f64, Given<'py>)>),
}

/// What is asked of a series.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Tia<'py> {
    series: Series<'py>,
    labels: Option<Source<'py>>,
    label_names: Option<Names>,
    ct: Option<PathBuf>,
    model: String,
    nuclide: Option<String>,
    administered_mbq: Option<f64>,
    outline_sharing: Option<String>,
    images: OfImages,
}

/// An integrated series in memory.
#[pyclass(frozen, module = "lutra._lutra")]
pub struct Decays {
    done: Arc<Integrated>,
    inputs: Inputs,
    heard: Vec<NoteParts>,
}

/// Images of one injection, as the clinic takes them, and the order of their axes.
fn in_memory(images: Vec<(f64, Volume<f64>)>, asked: &TiaRequest, method: Method) -> Result<OpenSeries, UserError> {
    let nuclide = Nuclide::load(&asked.images.nuclide).or_user_error()?;
    let administered_mbq = asked.images.administered_mbq.ok_or_else(|| {
        let next = "State the activity that was given: it bounds the decays.";
        UserError::invalid(Setting::AdministeredMbq, "", "none", "the activity given, MBq", next)
    })?;
    let orientation = images.first().map(|(_, image)| image.grid.orientation());
    let opened = images.into_iter().map(|(time_h, image)| {
        let scale = 1e-6 * image.grid.voxel_cm3();
        let activity_mbq = image.to_canonical().0.map(|value| value * scale);
        ActivityImage { name: format!("image at {time_h} h"), time_h, activity_mbq, rel_sigma: None }
    });
    let mut series = OpenSeries::of_volumes("images in memory", opened.collect(), &nuclide, administered_mbq, method)?;
    if let Some(orientation) = orientation {
        series.orientation = orientation;
    }
    Ok(series)
}

/// Integrates a series of images.
#[pyfunction]
pub fn tia(py: Python<'_>, asked: Tia<'_>, progress: Option<&Bound<'_, PyAny>>) -> PyResult<Decays> {
    let mbq = checked(py, administered(asked.administered_mbq))?;
    let images = checked(py, asked.images.choice(asked.nuclide.clone(), mbq))?;
    let method = checked(py, method(&asked.model, images.effective_half_life_h))?;
    let (stated, label_names) = match asked.label_names {
        Some(Names::File(file)) => (BTreeMap::new(), Some(file)),
        Some(Names::Stated(names)) => (names, None),
        None => (BTreeMap::new(), None),
    };
    let outline_sharing = checked(py, sharing(asked.outline_sharing.as_deref()))?;
    let mut shelf = Shelf::default();
    let labels = match asked.labels {
        None => None,
        Some(Source::Path(path)) => Some(path.into()),
        Some(Source::Image(image)) => {
            let volume = image.labels(py, "labels")?;
            Some(checked(py, regions_in_memory(volume, stated, &mut shelf))?)
        }
        Some(Source::Paths(_)) => {
            let next = "Give one label map.";
            return checked(py, Err(UserError::invalid(Setting::Labels, "", "several files", "one", next)));
        }
    };
    let (series, volumes) = match asked.series {
        Series::Paths(paths) => (paths.into_iter().map(Into::into).collect(), Vec::new()),
        Series::Images(given) => {
            let read = |(time_h, image): (f64, Given<'_>)| Ok((time_h, image.double(py, "images")?));
            (Vec::new(), given.into_iter().map(read).collect::<PyResult<Vec<_>>>()?)
        }
    };
    let (out, force) = (PathBuf::new(), false);
    let (label_names, ct) = (label_names.map(Into::into), asked.ct.map(Into::into));
    let request = TiaRequest { series, labels, label_names, ct, images, outline_sharing, out, force };
    let inputs = guard::of_tia(&request);
    let (done, heard) = work(py, progress, move |hear| {
        let opened = match request.series.as_slice() {
            [] => in_memory(volumes, &request, method)?,
            [one] => OpenSeries::open(one, &request.images, hear)?,
            several => OpenSeries::of_images(several, &request.images, hear)?,
        };
        let from = SeriesRegions {
            labels: request.labels.as_ref(),
            label_names: request.label_names.as_ref(),
            ct: request.ct.as_ref(),
            sharing: request.outline_sharing,
            quiet: false,
        };
        Ok(integrate_alone(opened, from, &mut shelf, hear)?)
    })?;
    let heard = fault::notes(heard.iter().chain(&done.warnings).chain(&done.map.warnings));
    Ok(Decays { done: Arc::new(done), inputs, heard })
}

#[pymethods]
impl Decays {
    /// A map by name, indexed (i, j, k) along axes towards right, front, head; read-only, no copy.
    fn map<'py>(slf: Bound<'py, Self>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        let map = &slf.get().done.map;
        match name {
            "decays" => lent(&slf, &map.decays.grid, &map.decays.data),
            "rel_sigma" => lent(&slf, &map.rel_sigma.grid, &map.rel_sigma.data),
            _ => Err(PyKeyError::new_err(name.to_owned())),
        }
    }

    /// Where each index axis of the user's images runs, as in `LPS`, and their affine (rows x, y, z) to RAS mm.
    fn geometry(&self) -> (String, Affine) {
        let orientation = &self.done.orientation;
        (orientation.letters(), orientation.grid().affine)
    }

    /// The regions as JSON.
    fn regions_json(&self) -> PyResult<String> {
        json(&self.done.map.regions.iter().filter_map(|region| region.row()).collect::<Vec<_>>())
    }

    /// Everything that was said.
    fn notes(&self) -> Vec<NoteParts> {
        self.heard.clone()
    }

    /// Writes what `lutra tia` writes.
    #[pyo3(signature = (folder, *, force))]
    fn save(&self, py: Python<'_>, folder: PathBuf, force: bool) -> PyResult<PathBuf> {
        let (done, inputs) = (Arc::clone(&self.done), self.inputs.clone());
        let (place, _) = work(py, None, move |_| {
            let folder = guard::folder(&folder, force, &inputs, &series_files::FILE_NAMES)?;
            series_files::write(&done, &folder)?;
            Ok(folder.commit().or_user_error()?)
        })?;
        Ok(place)
    }
}

/// One cycle in memory: day, administered activity (MBq), images (h, Bq/mL).
type Cycle<'py> = (i64, f64, Vec<(f64, Given<'py>)>);

/// A course in memory.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Volumes<'py> {
    ct: Given<'py>,
    labels: Given<'py>,
    label_names: BTreeMap<u16, String>,
    protocol: String,
    model: String,
    nuclide: String,
    facts: BTreeMap<String, Stated>,
    outline_sharing: Option<String>,
    cycles: Vec<Cycle<'py>>,
}

/// A course as a file or a folder of DICOM.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Place {
    path: PathBuf,
    protocol: Option<String>,
    ct: Option<PathBuf>,
    activity: Vec<PathBuf>,
    labels: Option<PathBuf>,
    label_names: Option<PathBuf>,
    facts: BTreeMap<String, Stated>,
    nuclide: Option<String>,
    administered_mbq: Option<f64>,
    outline_sharing: Option<String>,
    images: OfImages,
}

/// A fact about the patient.
#[derive(FromPyObject)]
pub enum Stated {
    /// Yes or no.
    Flag(bool),
    /// A number, its unit in its name.
    Number(f64),
}

/// Facts, each within what nature allows.
fn facts(stated: BTreeMap<String, Stated>) -> Result<Facts, UserError> {
    let fact = |(name, fact): (String, Stated)| {
        let fact = match fact {
            Stated::Flag(flag) => Fact::Flag(flag),
            Stated::Number(number) => {
                bounds::fact(&format!("facts: {name}"), &name, number).or_user_error()?;
                Fact::Number(number)
            }
        };
        Ok((name, fact))
    };
    stated.into_iter().map(fact).collect()
}

/// Where a course comes from.
#[derive(FromPyObject)]
pub enum From<'py> {
    /// A file or folder.
    Place(Place),
    /// In memory.
    Volumes(Volumes<'py>),
}

/// A course with its results in memory.
#[pyclass(frozen, module = "lutra._lutra")]
pub struct Course {
    result: Arc<CourseResult>,
    invocation: Invocation,
    inputs: Inputs,
    heard: Vec<NoteParts>,
}

impl Volumes<'_> {
    /// What is stated beside the volumes.
    fn said(&mut self) -> Result<(Option<OutlineSharing>, Facts), UserError> {
        Ok((sharing(self.outline_sharing.as_deref())?, facts(std::mem::take(&mut self.facts))?))
    }

    fn taken(self, py: Python<'_>) -> PyResult<CourseVolumes> {
        let cycle = |(day, administered_mbq, images): Cycle<'_>| {
            let image = |(time_h, image): (f64, Given<'_>)| {
                Ok(TimedImage { time_h, activity_bq_ml: image.double(py, "images")?, rel_sigma: None })
            };
            let images = images.into_iter().map(image).collect::<PyResult<Vec<_>>>()?;
            Ok(CycleVolumes { day, administered_mbq, images })
        };
        Ok(CourseVolumes {
            ct_hu: self.ct.single(py, "ct")?,
            labels: self.labels.labels(py, "labels")?,
            names: self.label_names,
            nuclide: checked(py, Nuclide::load(&self.nuclide).or_user_error())?,
            protocol: self.protocol,
            method: checked(py, method(&self.model, None))?,
            grid: GridChoice::Scene,
            cycles: self.cycles.into_iter().map(cycle).collect::<PyResult<_>>()?,
        })
    }
}

impl Place {
    /// A COURSE.toml states all of this itself: nothing that is given is overlooked.
    fn stated_beside_a_file(&self) -> Result<(), UserError> {
        let given = [
            ("protocol", self.protocol.is_some()),
            ("ct", self.ct.is_some()),
            ("activity", !self.activity.is_empty()),
            ("labels", self.labels.is_some()),
            ("label_names", self.label_names.is_some()),
            ("facts", !self.facts.is_empty()),
            ("nuclide", self.nuclide.is_some()),
            ("administered_mbq", self.administered_mbq.is_some()),
        ];
        let given = given.into_iter().find_map(|(name, given)| given.then_some(name));
        match given.or_else(|| self.images.any().map(argument)) {
            None => Ok(()),
            Some(name) => {
                let next = "State it in the COURSE.toml, and leave the argument out.";
                let fault = UserError::invalid(name, "", "beside a COURSE.toml", "one of them", next);
                Err(fault.kind(FaultKind::Mismatch))
            }
        }
    }
}

/// What a course in files asks, with the cache's folder.
fn request(place: Place, cache: PathBuf, run: &RunOptions) -> Result<CourseRequest, UserError> {
    let outline_sharing = sharing(place.outline_sharing.as_deref())?;
    let study = match dicom::is_dicom(&place.path) {
        false => {
            place.stated_beside_a_file()?;
            None
        }
        true => Some(Box::new(StudyChoice {
            ct: place.ct.map(Into::into),
            activity: place.activity.into_iter().map(Into::into).collect(),
            labels: place.labels.map(Into::into),
            label_names: place.label_names.map(Into::into),
            protocol: place.protocol.unwrap_or_else(|| "iluminet".to_owned()),
            facts: facts(place.facts)?,
            images: place.images.choice(place.nuclide, administered(place.administered_mbq)?)?,
        })),
    };
    let (out, dicom, force, run) = (PathBuf::new(), None, false, run.clone());
    let course = place.path.into();
    Ok(CourseRequest::Patient { course, out, cache, study, dicom, outline_sharing, force, run })
}

/// From the cycles of a treatment to a verdict.
#[pyfunction]
pub fn course(
    py: Python<'_>,
    from: From<'_>,
    run: Run,
    cache: Option<PathBuf>,
    library: PathBuf,
    patient_label: Option<String>,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<Course> {
    let run = checked(py, run.options())?;
    let invocation = invocation("lutra.course", patient_label);
    let kept = cache.clone();
    let (asked, volumes) = match from {
        From::Place(place) => (Some(checked(py, request(place, cache.clone().unwrap_or_default(), &run))?), None),
        From::Volumes(mut volumes) => {
            let said = checked(py, volumes.said())?;
            (None, Some((volumes.taken(py)?, said)))
        }
    };
    let inputs = asked.as_ref().map_or_else(Inputs::none, guard::of_course);
    let of_cache = inputs.clone();
    let (result, heard) = work(py, progress, move |hear| {
        let cache = kept.map(|folder| cache_in(folder, &library, of_cache)).transpose()?;
        let (mut source, sharing) = match (asked, volumes) {
            (Some(CourseRequest::Patient { course, study, outline_sharing, .. }), _) => match study {
                Some(choice) => (CourseSource::of_study(&course, &choice, hear)?, outline_sharing),
                None => (CourseSource::of_file(&course)?, outline_sharing),
            },
            (_, Some((volumes, (sharing, facts)))) => {
                let mut source = volumes.into_source()?;
                source.course.facts = facts;
                (source, sharing)
            }
            _ => return Err(Failure::run("a course from nowhere")),
        };
        source.course.outline_sharing = sharing.or(source.course.outline_sharing);
        treated(source, cache.as_ref(), &run, hear)
    })?;
    Ok(Course { result: Arc::new(result), invocation, inputs, heard: fault::notes(&heard) })
}

/// A cache that knows this build of the library.
fn cache_in(folder: PathBuf, library: &Path, inputs: Inputs) -> Result<Cache, UserError> {
    let program = lutra::report::run_record::InputFile::read("program", library).map_err(|error| {
        UserError::of(FaultKind::Unreadable).place(library).found(error.to_string()).then("Install lutra again.")
    })?;
    Ok(Cache { folder, program_sha256: program.sha256, inputs })
}

#[pymethods]
impl Course {
    /// The verdict as JSON.
    fn verdict_json(&self) -> PyResult<String> {
        json(&self.result.verdict)
    }

    /// The verdict in words.
    fn words(&self) -> String {
        verdict_words_with(&self.result.verdict, argument)
    }

    /// Regions over the course, and by cycle, as JSON.
    fn tables_json(&self) -> PyResult<(String, String)> {
        let accumulated = &self.result.accumulated;
        Ok((json(&accumulated.totals)?, json(&accumulated.cycles)?))
    }

    /// A map by name with its affine, where all cycles lie in one frame; read-only, no copy.
    fn map<'py>(slf: Bound<'py, Self>, name: &str) -> PyResult<Option<(Bound<'py, PyAny>, Affine)>> {
        let result = &slf.get().result;
        let (Some(voxels), Some(frame)) = (&result.accumulated.voxels, &result.frame) else {
            return Ok(None);
        };
        let grid = &frame.grid;
        let made = match name {
            "dose_sum_gy" => lent(&slf, grid, &voxels.sums.sum_dose_gy)?,
            "bed_gy" => lent(&slf, grid, &voxels.bed_gy)?,
            "eqd2_gy" => lent(&slf, grid, &voxels.eqd2_gy)?,
            "labels" => lent(&slf, grid, &frame.labels)?,
            _ => return Err(PyKeyError::new_err(name.to_owned())),
        };
        Ok(Some((made, frame.grid.affine)))
    }

    /// Everything that was said.
    fn notes(&self) -> Vec<NoteParts> {
        let mut all = self.heard.clone();
        for note in fault::notes(&self.result.verdict.warnings) {
            if !all.contains(&note) {
                all.push(note);
            }
        }
        all
    }

    /// Writes what `lutra course` writes.
    #[pyo3(signature = (folder, *, force, dicom))]
    fn save(&self, py: Python<'_>, folder: PathBuf, force: bool, dicom: Option<AsDicom>) -> PyResult<PathBuf> {
        let (result, inputs, invocation) = (Arc::clone(&self.result), self.inputs.clone(), self.invocation.clone());
        let (place, _) = work(py, None, move |hear| {
            let dicom = dicom.map(AsDicom::out).transpose()?;
            let folder = guard::folder(&folder, force, &inputs, &FILE_NAMES)?;
            folder.expect(&names(result.course.cycles.len(), dicom)).or_user_error()?;
            result.save(&folder, &invocation, dicom, hear)?;
            Ok(folder.commit().or_user_error()?)
        })?;
        Ok(place)
    }
}
