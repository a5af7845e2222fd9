//! `lutra tia`: from a series of activity images to decays per voxel.

use super::args::{ImageChoice, TiaRequest};
use super::failure::{Failure, OrUserError, UserError};
use super::input::{self, Anatomy, Image, RegionMap, hashed};
use super::study::{self, Shots};
use super::{guard, printer};
use crate::bounds;
use crate::course::hybrid::PlanarPoint;
use crate::course::series::{DecayCorrection, ImageUnit, Series, Stated, StatedImage};
use crate::course::tia::{ActivityImage, EarlierHalfLife, Method, RegionRow, TiaInput, TiaMap, integrate_series};
use crate::course::time_activity::{ErrorModel, Model};
use crate::decay::Nuclide;
use crate::grid::{Orientation, VoxelGrid};
use crate::io::IoError;
use crate::io::atomic::AtomicOutputDir;
use crate::io::dicom::{self, ActivityOptions, IfSilent, Origin, StatedMoment};
use crate::io::nifti::{self, WriteOptions};
use crate::report::run_record::{self, InputFile};
use anyhow::Context;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Names of the files written.
const FILE_NAMES: [&str; 4] = ["decays.nii.gz", "decays_sigma_rel.nii.gz", "regions.csv", "tia.json"];

/// A series as integrated.
pub(super) struct Integrated {
    /// The map and its regions.
    pub(super) map: TiaMap,
    /// Order of the axes in the user's files.
    pub(super) orientation: Orientation,
    /// Kind of coordinates.
    pub(super) form_code: i16,
    /// Files read.
    pub(super) inputs: Vec<InputFile>,
    /// Regions: the file or folder.
    pub(super) labels: Option<PathBuf>,
    /// Names of the labels.
    pub(super) label_names: Option<PathBuf>,
    /// Nuclide name or file.
    pub(super) nuclide: String,
    /// Notes of the readers.
    pub(super) warnings: Vec<String>,
}

/// A series as opened: its images as activity, and how they are to be integrated.
pub(super) struct OpenSeries {
    /// What messages call it.
    name: PathBuf,
    series: Series,
    images: Vec<ActivityImage>,
    /// Order of the axes in the user's files.
    pub(super) orientation: Orientation,
    /// Kind of coordinates.
    pub(super) form_code: i16,
    /// Files read.
    pub(super) inputs: Vec<InputFile>,
    /// Regions that the series names.
    labels: Option<PathBuf>,
    label_names: Option<PathBuf>,
    /// Nuclide name or file.
    nuclide: String,
    half_life_h: f64,
    /// Where a DICOM series came from.
    pub(super) origin: Option<Origin>,
    /// Notes of the readers.
    pub(super) warnings: Vec<String>,
}

impl OpenSeries {
    /// Grid of the images, in canonical order.
    pub(super) fn grid(&self) -> &VoxelGrid {
        &self.images[0].activity_mbq.grid
    }

    /// Administered activity that the series states, MBq.
    pub(super) fn administered_mbq(&self) -> Option<f64> {
        self.series.administered_mbq
    }

    /// With the activity given, MBq, where the series does not state it.
    pub(super) fn given(mut self, administered_mbq: f64) -> Self {
        self.series.administered_mbq.get_or_insert(administered_mbq);
        self
    }

    /// Whether the series names its regions.
    pub(super) fn names_regions(&self) -> bool {
        self.labels.is_some()
    }

    /// Mid-scan times, h.
    pub(super) fn times_h(&self) -> Vec<f64> {
        self.images.iter().map(|image| image.time_h).collect()
    }

    /// Opens what a SERIES.toml names, or the DICOM images of a folder.
    pub(super) fn open(path: &Path, choice: &ImageChoice) -> Result<Self, UserError> {
        if dicom::is_dicom(path) { Self::of_images(&[path.to_path_buf()], choice) } else { Self::of_file(path) }
    }

    /// Opens DICOM images of one injection.
    pub(super) fn of_images(paths: &[PathBuf], choice: &ImageChoice) -> Result<Self, UserError> {
        let half_life_h = Nuclide::load(&choice.nuclide).or_user_error()?.half_life_h;
        let mut cycles = study::cycles(paths, &choice.reader(half_life_h))?;
        match cycles.len() {
            1 => Self::of_shots(cycles.remove(0), choice),
            several => Err(UserError::new(
                format!(
                    "{}: injections: found {several} cycles; allowed: the images of one",
                    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
                ),
                "Give the images of one cycle; lutra course FOLDER takes all cycles.",
            )),
        }
    }

    /// The images of one injection as a series.
    pub(super) fn of_shots(shots: Shots, choice: &ImageChoice) -> Result<Self, UserError> {
        let half_life_h = Nuclide::load(&choice.nuclide).or_user_error()?.half_life_h;
        let administered_mbq = match choice.administered_mbq {
            Some(mbq) => Some(mbq),
            None => shots.administered_mbq()?,
        };
        if let Some(stated_h) = choice.effective_half_life_h {
            bounds::effective_half_life_h("--effective-half-life", stated_h, half_life_h).or_user_error()?;
        }
        let default_method = match (choice.effective_half_life_h, shots.shots.len()) {
            (Some(half_life_h), _) => Method::Population { half_life_h, half_life_rel_sigma: None },
            (None, 1) => {
                let shot = &shots.shots[0];
                return Err(UserError::new(
                    format!(
                        "{}: time points: found one, at {:.4} h; allowed: two or more, or --effective-half-life",
                        shot.image.input.path, shot.time_h
                    ),
                    "One image says nothing of the kinetics: give the other time points, or an effective half-life.",
                ));
            }
            (None, _) => Method::Model(Model::Mono),
        };
        let series = Series {
            nuclide: choice.nuclide.clone(),
            administered_mbq,
            unit: ImageUnit::BqMl,
            decay_correction: DecayCorrection::None,
            labels: String::new(),
            label_names: None,
            systematic_rel_sigma: 0.0,
            voxelwise: false,
            images: Vec::new(),
            planar: Vec::new(),
            error_model: ErrorModel::default(),
            default_method,
            regions: Vec::new(),
        };
        let origin = study::origin(&shots).cloned();
        let Shots { shots, warnings } = shots;
        let mut images = Vec::new();
        let mut inputs = Vec::new();
        let mut frame = None;
        for shot in shots {
            input::must_agree(origin.as_ref(), shot.image.origin.as_ref())?;
            let scale = ImageUnit::BqMl.mbq_per_value(shot.image.volume.grid.voxel_cm3());
            images.push(ActivityImage {
                name: shot.image.input.path.clone(),
                time_h: shot.time_h,
                activity_mbq: shot.image.volume.map(|value| value * scale),
                rel_sigma: None,
            });
            frame.get_or_insert((shot.image.orientation, shot.image.form_code));
            inputs.push(shot.image.input);
        }
        let (orientation, form_code) =
            frame.ok_or_else(|| UserError::new("images: found none", "Give at least one."))?;
        let (nuclide, labels, label_names) = (choice.nuclide.clone(), None, None);
        let name = images.first().map(|image| PathBuf::from(&image.name)).unwrap_or_default();
        Ok(Self {
            name,
            series,
            images,
            orientation,
            form_code,
            inputs,
            labels,
            label_names,
            nuclide,
            half_life_h,
            origin,
            warnings,
        })
    }

    /// Opens what a SERIES.toml names.
    fn of_file(path: &Path) -> Result<Self, UserError> {
        let (text, name) = (read_text(path)?, path.display().to_string());
        let stated = Series::stated(&text, &name).or_user_error()?;
        let nuclide_name = named_nuclide(path, &stated.nuclide);
        let nuclide = Nuclide::load(&nuclide_name).or_user_error()?;
        let mut inputs = vec![hashed("series", path)?];
        let mut warnings = Vec::new();
        let mut opened: BTreeMap<String, Image<f64>> = BTreeMap::new();
        let mut own: BTreeMap<String, Option<f64>> = BTreeMap::new();
        for image in stated.images.iter().filter(|image| dicom::is_dicom(beside(path, &image.file))) {
            let options = stated_options(&name, &stated, image, nuclide.half_life_h)?;
            let (read, scan) = input::activity("image", &beside(path, &image.file), &options, &mut warnings)?;
            opened.insert(image.file.clone(), read);
            own.insert(image.file.clone(), scan.and_then(|scan| scan.timing.hours_after_injection));
        }
        let series = Series::parse_with(&text, &name, &own).or_user_error()?;
        let mut images = Vec::new();
        let mut frame = None;
        let mut origin: Option<Origin> = None;
        for image in &series.images {
            let file = beside(path, &image.file);
            let read = match opened.remove(&image.file) {
                Some(read) => read,
                None => input::activity("image", &file, &ActivityOptions::default(), &mut warnings)?.0,
            };
            input::must_agree(origin.as_ref(), read.origin.as_ref())?;
            let decay = (-(image.time_h - image.reference_time_h) / nuclide.half_life_h).exp2();
            let scale = series.unit.mbq_per_value(read.volume.grid.voxel_cm3()) * decay;
            images.push(ActivityImage {
                name: file.display().to_string(),
                time_h: image.time_h,
                activity_mbq: read.volume.map(|value| value * scale),
                rel_sigma: image.rel_sigma,
            });
            frame.get_or_insert((read.orientation, read.form_code));
            inputs.push(read.input);
            origin = origin.or(read.origin);
        }
        let (orientation, form_code) =
            frame.ok_or_else(|| UserError::new("images: found none", "Give at least one."))?;
        Ok(Self {
            name: path.to_path_buf(),
            labels: Some(beside(path, &series.labels)),
            label_names: series.label_names.as_ref().map(|name| beside(path, name)),
            series,
            images,
            orientation,
            form_code,
            inputs,
            nuclide: nuclide_name,
            half_life_h: nuclide.half_life_h,
            origin,
            warnings,
        })
    }

    /// The map of decays, the images cut into these regions; `earlier` are half-lives of earlier cycles.
    pub(super) fn integrate(
        &mut self,
        regions: Option<&RegionMap>,
        earlier: &BTreeMap<String, EarlierHalfLife>,
    ) -> Result<TiaMap, UserError> {
        let grid = self.grid().clone();
        let (labels, names) = match regions {
            Some(regions) => {
                (input::labels_on(regions, &grid, "the images", &mut self.warnings)?, regions.names.clone())
            }
            None => (vec![0; grid.len()], BTreeMap::new()),
        };
        let series = &self.series;
        let mut planar: BTreeMap<String, Vec<PlanarPoint>> = BTreeMap::new();
        for image in &series.planar {
            for (region, &counts) in &image.counts {
                let point = PlanarPoint { time_h: image.time_h, counts, rel_sigma: image.rel_sigma };
                planar.entry(region.clone()).or_default().push(point);
            }
        }
        integrate_series(&TiaInput {
            images: &self.images,
            labels: &labels,
            names: &names,
            physical_half_life_h: self.half_life_h,
            default_method: &series.default_method,
            region_methods: &series.regions,
            planar: &planar,
            earlier,
            error_model: series.error_model,
            systematic_rel_sigma: series.systematic_rel_sigma,
            voxelwise: series.voxelwise,
            administered_mbq: series.administered_mbq,
        })
        .or_user_error()
        .map_err(|e| in_file(&self.name, &e))
    }
}

/// What a series states about a DICOM image. The image's own entry decides over its file, and so does a correction of
/// the whole series other than `none`, which is what every DICOM image is brought to; the rest fills the silence of files.
fn stated_options(
    name: &str,
    stated: &Stated,
    image: &StatedImage,
    half_life_h: f64,
) -> Result<ActivityOptions, UserError> {
    let correction = |correction| match correction {
        DecayCorrection::None => dicom::DecayCorrection::None,
        DecayCorrection::ToScanStart => dicom::DecayCorrection::Start,
        DecayCorrection::ToInjection => dicom::DecayCorrection::Administration,
    };
    let of_series = stated.decay_correction.map(correction);
    let moved = of_series.filter(|correction| *correction != dicom::DecayCorrection::None);
    let injection = |text: &String| {
        StatedMoment::parse(text).ok_or_else(|| {
            UserError::new(
                format!("{name}: injection_time: found \"{text}\"; allowed: as in 2024-03-30T10:00:00+01:00"),
                "Write date, time and offset from UTC.",
            )
        })
    };
    Ok(ActivityOptions {
        decay_correction: image.decay_correction.map(correction).or(moved),
        half_life_h: image.half_life_h,
        assume_bq_ml: image.unit == Some(ImageUnit::BqMl),
        injection: stated.injection_time.as_ref().filter(|_| image.time_h.is_none()).map(injection).transpose()?,
        hours_after_injection: image.time_h,
        if_silent: IfSilent {
            decay_correction: of_series,
            half_life_h: Some(half_life_h),
            bq_ml: stated.unit == Some(ImageUnit::BqMl),
        },
    })
}

/// Where the regions of a series come from.
#[derive(Clone, Copy)]
pub(super) struct SeriesRegions<'a> {
    /// Regions, in place of those that the series names.
    pub(super) labels: Option<&'a Path>,
    /// Their names.
    pub(super) label_names: Option<&'a Path>,
    /// CT that DICOM regions are put on and that the images must belong to; the images' own grid without one.
    pub(super) ct: Option<&'a Path>,
    /// Whether their volumes are not reported.
    pub(super) quiet: bool,
}

/// Opens and integrates a series; `earlier` are half-lives of earlier cycles.
pub(super) fn integrate(
    mut opened: OpenSeries,
    earlier: &BTreeMap<String, EarlierHalfLife>,
    from: SeriesRegions<'_>,
) -> Result<Integrated, UserError> {
    let ct = from.ct.map(|ct| input::ct(ct, &mut Vec::new())).transpose()?;
    if let Some(ct) = &ct {
        input::must_agree(ct.origin.as_ref(), opened.origin.as_ref())?;
    }
    let anatomy = match &ct {
        Some(ct) => Anatomy { grid: &ct.volume.grid, origin: ct.origin.as_ref() },
        None => Anatomy { grid: opened.grid(), origin: opened.origin.as_ref() },
    };
    let (labels, label_names) = match from.labels {
        Some(labels) => (Some(labels.to_path_buf()), from.label_names.map(Path::to_path_buf)),
        None => (opened.labels.clone(), opened.label_names.clone().or(from.label_names.map(Path::to_path_buf))),
    };
    let mut notes = Vec::new();
    let regions = labels
        .as_ref()
        .map(|labels| input::regions(labels, label_names.as_deref(), &anatomy, from.quiet, &mut notes))
        .transpose()?;
    let map = opened.integrate(regions.as_ref(), earlier)?;
    let OpenSeries { orientation, form_code, mut inputs, nuclide, mut warnings, .. } = opened;
    inputs.extend(regions.into_iter().flat_map(|regions| regions.inputs));
    warnings.extend(notes);
    Ok(Integrated { map, orientation, form_code, inputs, labels, label_names, nuclide, warnings })
}

/// Runs `lutra tia`.
pub(super) fn run(request: &TiaRequest) -> Result<(), Failure> {
    let folder = guard::folder(&request.out, request.force, &guard::of_tia(request), &FILE_NAMES)?;
    let opened = match request.series.as_slice() {
        [one] => OpenSeries::open(one, &request.images)?,
        several => OpenSeries::of_images(several, &request.images)?,
    };
    let from = SeriesRegions {
        labels: request.labels.as_deref(),
        label_names: request.label_names.as_deref(),
        ct: request.ct.as_deref(),
        quiet: false,
    };
    let done = integrate(opened, &BTreeMap::new(), from)?;
    write(&done, &folder)?;
    let place = folder.commit().or_user_error()?;
    printer::record_file(&place.join("tia.json"))?;
    printer::data(&table(&done.map));
    for warning in done.warnings.iter().chain(&done.map.warnings) {
        printer::warning(warning);
    }
    let total: f64 = done.map.decays.data.iter().sum();
    printer::results(&format!("{total:.6e} decays in the map"), &place);
    Ok(())
}

/// An error with the file that it is about before it.
pub(super) fn in_file(path: &Path, error: &UserError) -> UserError {
    UserError::new(format!("{}: {}", path.display(), error.message()), error.hint().unwrap_or("Correct the file."))
}

/// Path of a file that another file names, relative to that file's folder.
pub(super) fn beside(file: &Path, name: &str) -> PathBuf {
    file.parent().map_or_else(|| PathBuf::from(name), |folder| folder.join(name))
}

/// Most bytes of a text file that describes a run.
const MAX_TEXT_BYTES: u64 = 1 << 20;

/// Reads a text file.
pub(super) fn read_text(path: &Path) -> Result<String, UserError> {
    let refused = |error| UserError::from_library(&IoError::read(path, error));
    let size = std::fs::metadata(path).map_err(refused)?.len();
    if size > MAX_TEXT_BYTES {
        return Err(UserError::new(
            format!("{}: file size: found {size} bytes; allowed: at most {MAX_TEXT_BYTES}", path.display()),
            "Give the TOML file that describes the run, not an image.",
        ));
    }
    let bytes = std::fs::read(path).map_err(refused)?;
    String::from_utf8(bytes).map_err(|_| {
        UserError::new(
            format!("{}: text: found bytes that are not UTF-8; allowed: UTF-8 text", path.display()),
            "Save the file as UTF-8; an image is named inside it.",
        )
    })
}

/// A built-in nuclide's name, or the path of a file beside the file that names it.
pub(super) fn named_nuclide(file: &Path, name: &str) -> String {
    let path = beside(file, name);
    if path.is_file() { path.display().to_string() } else { name.to_owned() }
}

/// Writes the maps, the table and the record.
fn write(done: &Integrated, folder: &AtomicOutputDir) -> anyhow::Result<()> {
    let options = |text: &str| WriteOptions {
        description: format!("{text}; {}", run_record::program()),
        form_code: done.form_code,
    };
    let decays = done.orientation.restore(done.map.decays.clone())?;
    nifti::write_with(folder.file("decays.nii.gz"), &decays, &options("decays per voxel"))?;
    let sigma = done.orientation.restore(done.map.rel_sigma.clone())?;
    nifti::write_with(folder.file("decays_sigma_rel.nii.gz"), &sigma, &options("relative sigma of the decays"))?;
    let rows: Vec<RegionRow> = done.map.regions.iter().filter_map(|region| region.row()).collect();
    write_rows(&folder.file("regions.csv"), &rows)?;
    let points: BTreeMap<&str, _> = done.map.regions.iter().map(|r| (r.name.as_str(), &r.points)).collect();
    let parameters: BTreeMap<&str, _> =
        done.map.regions.iter().filter_map(|r| Some((r.name.as_str(), &r.integral.as_ref()?.parameters))).collect();
    let flags: BTreeMap<&str, _> =
        done.map.regions.iter().filter_map(|r| Some((r.name.as_str(), &r.integral.as_ref()?.flags))).collect();
    let record = serde_json::json!({
        "schema": 1,
        "program": run_record::program(),
        "inputs": done.inputs,
        "nuclide": done.nuclide,
        "regions": rows,
        "points": points,
        "parameters": parameters,
        "flags": flags,
        "warnings": done.warnings.iter().chain(&done.map.warnings).collect::<Vec<_>>(),
    });
    write_json(&folder.file("tia.json"), &record)
}

/// Writes rows as CSV.
pub(super) fn write_rows<T: serde::Serialize>(path: &Path, rows: &[T]) -> anyhow::Result<()> {
    let file = File::create(path).with_context(|| format!("{}", path.display()))?;
    let mut writer = csv::Writer::from_writer(file);
    for row in rows {
        writer.serialize(row).with_context(|| format!("{}", path.display()))?;
    }
    writer.flush().with_context(|| format!("{}", path.display()))
}

/// Writes a value as indented JSON.
pub(super) fn write_json<T: serde::Serialize>(path: &Path, value: &T) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(value)? + "\n";
    std::fs::write(path, text).with_context(|| format!("{}", path.display()))
}

/// The regions as text.
fn table(map: &TiaMap) -> String {
    let mut text = format!(
        "{:<34} {:>12} {:>9} {:>9} {:>8}  {}\n",
        "region", "TIA (MBq h)", "sigma (%)", "T_eff (h)", "extra (%)", "method; flags"
    );
    for row in map.regions.iter().filter_map(|region| region.row()) {
        let sigma = row.rel_sigma.map_or_else(|| "-".to_owned(), |s| format!("{:.2}", 100.0 * s));
        let flags = if row.flags.is_empty() { String::new() } else { format!("; {}", row.flags) };
        text.push_str(&format!(
            "{:<34} {:>12.2} {:>9} {:>9.2} {:>8.1}  {}{}\n",
            row.name,
            row.tia_mbq_h,
            sigma,
            row.effective_half_life_h,
            100.0 * row.extrapolated_fraction,
            row.method,
            flags
        ));
    }
    text
}
