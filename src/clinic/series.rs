//! From a series of activity images to decays per voxel.

use super::failure::{OrUserError, UserError};
use super::files::{beside, in_file, named_nuclide, read_text};
use super::images::{self, Anatomy, Image, OpenedRegions, RegionMap, read};
use super::notes::Listener;
use super::outlines::{Outlines, tell};
use super::request::ImageChoice;
use super::shelf::Shelf;
use super::study::{self, Shots};
use crate::bounds;
use crate::course::hybrid::PlanarPoint;
use crate::course::series::{DecayCorrection, ImageUnit, Series, Stated, StatedImage};
use crate::course::tia::{ActivityImage, EarlierHalfLife, Method, TiaInput, TiaMap, integrate_series};
use crate::course::time_activity::{ErrorModel, Model};
use crate::decay::Nuclide;
use crate::fault::{Setting, words};
use crate::grid::{Orientation, Volume, VoxelGrid};
use crate::io::dicom::{self, ActivityOptions, IfSilent, Origin, RunNuclide, StatedMoment, TimeZone};
use crate::note::Note;
use crate::report::run_record::InputFile;
use crate::source::concentrations::Concentrations;
use crate::source::{OutlineSharing, Shares};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A series as integrated.
pub struct Integrated {
    /// The map and its regions.
    pub map: TiaMap,
    /// Order of the axes in the user's files.
    pub orientation: Orientation,
    /// Kind of coordinates.
    pub form_code: i16,
    /// Files read.
    pub inputs: Vec<InputFile>,
    /// Regions: the file or folder.
    pub labels: Option<PathBuf>,
    /// Names of the labels.
    pub label_names: Option<PathBuf>,
    /// Nuclide name or file.
    pub nuclide: String,
    /// Whether image voxels were divided among the outlines that share them.
    pub sharing: OutlineSharing,
    /// Notes of the readers.
    pub warnings: Vec<Note>,
}

/// What the images of a series are divided by.
pub struct Over<'a> {
    /// The regions; `None` for one region of everything.
    pub regions: Option<&'a RegionMap>,
    /// CT, HU, which tells air outside all outlines from tissue.
    pub ct_hu: Option<&'a Volume<f32>>,
    /// Whether image voxels are divided among the outlines that share them.
    pub sharing: OutlineSharing,
}

/// How the regions divide the images.
struct Divided {
    shares: Shares,
    concentrations: Vec<Concentrations>,
    /// Label of air outside all outlines.
    air: Option<u16>,
}

/// An opened series: its images as activity, and how to integrate them.
pub struct OpenSeries {
    /// What messages call it.
    name: PathBuf,
    series: Series,
    images: Vec<ActivityImage>,
    /// Order of the axes in the user's files.
    pub orientation: Orientation,
    /// Kind of coordinates.
    pub form_code: i16,
    /// Files read.
    pub inputs: Vec<InputFile>,
    /// Regions that the series names.
    labels: Option<PathBuf>,
    label_names: Option<PathBuf>,
    /// Nuclide name or file.
    nuclide: String,
    half_life_h: f64,
    /// Where a DICOM series came from.
    pub origin: Option<Origin>,
    /// Notes of the readers.
    pub warnings: Vec<Note>,
}

impl OpenSeries {
    /// What messages call it.
    pub fn name(&self) -> &Path {
        &self.name
    }

    /// Grid of the images, in canonical order.
    pub fn grid(&self) -> &VoxelGrid {
        &self.images[0].activity_mbq.grid
    }

    /// Administered activity that the series states, MBq.
    pub fn administered_mbq(&self) -> Option<f64> {
        self.series.administered_mbq
    }

    /// Sets the administered activity, MBq, if the series does not state it.
    pub fn given(mut self, administered_mbq: f64) -> Self {
        self.series.administered_mbq.get_or_insert(administered_mbq);
        self
    }

    /// Whether the series names its regions.
    pub fn names_regions(&self) -> bool {
        self.labels.is_some()
    }

    /// Mid-scan times, h.
    pub fn times_h(&self) -> Vec<f64> {
        self.images.iter().map(|image| image.time_h).collect()
    }

    /// Opens what a SERIES.toml names, or the DICOM images of a folder.
    pub fn open(path: &Path, choice: &ImageChoice, hear: &mut dyn Listener) -> Result<Self, UserError> {
        if dicom::is_dicom(path) { Self::of_images(&[path.to_path_buf()], choice, hear) } else { Self::of_file(path) }
    }

    /// Opens DICOM images of one injection.
    pub fn of_images(paths: &[PathBuf], choice: &ImageChoice, hear: &mut dyn Listener) -> Result<Self, UserError> {
        let nuclide = Nuclide::load(&choice.nuclide).or_user_error()?;
        let mut cycles = study::cycles(paths, &choice.reader(&nuclide), hear)?;
        match cycles.len() {
            1 => Self::of_shots(cycles.remove(0), choice),
            several => Err(UserError::invalid(
                paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", "),
                "injections",
                format!("{several} cycles"),
                "the images of one",
                "Give the images of one cycle; lutra course FOLDER takes all cycles.",
            )),
        }
    }

    /// The images of one injection as a series.
    pub fn of_shots(shots: Shots, choice: &ImageChoice) -> Result<Self, UserError> {
        let half_life_h = Nuclide::load(&choice.nuclide).or_user_error()?.half_life_h;
        let administered_mbq = match choice.administered_mbq {
            Some(mbq) => Some(mbq),
            None => shots.administered_mbq()?,
        };
        if let Some(stated_h) = choice.effective_half_life_h {
            bounds::effective_half_life_h(Setting::EffectiveHalfLife, stated_h, half_life_h).or_user_error()?;
        }
        let default_method = match (choice.effective_half_life_h, shots.shots.len()) {
            (Some(half_life_h), _) => Method::Population { half_life_h, half_life_rel_sigma: None },
            (None, 1) => {
                let shot = &shots.shots[0];
                return Err(UserError::invalid(
                    &shot.image.input.path,
                    "time points",
                    format!("one, at {:.4} h", shot.time_h),
                    words!("two or more, or ", Setting::EffectiveHalfLife),
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
            outline_sharing: None,
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
            images::must_agree(origin.as_ref(), shot.image.origin.as_ref())?;
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
            frame.ok_or_else(|| UserError::invalid("", "images", "none", "", "Give at least one."))?;
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

    /// A series of volumes in memory, each the activity at mid-scan, in order of time; `name` is its name in messages.
    ///
    /// Errors: no image; times that are not in order.
    pub fn of_volumes(
        name: &str,
        images: Vec<ActivityImage>,
        nuclide: &Nuclide,
        administered_mbq: f64,
        default_method: Method,
    ) -> Result<Self, UserError> {
        let refused = |found: String, allowed: &str| {
            UserError::invalid(name, "images", found, allowed, "Give the images of one cycle.")
        };
        if let Some(pair) = images.windows(2).find(|pair| pair[0].time_h >= pair[1].time_h) {
            let found = format!("{} h before {} h", pair[0].time_h, pair[1].time_h);
            return Err(refused(found, "times in order, each once"));
        }
        let Some(first) = images.first() else { return Err(refused("none".to_owned(), "one or more")) };
        let orientation = first.activity_mbq.grid.orientation();
        let inputs = images
            .iter()
            .map(|image| images::recorded_values("image", &image.name, &image.activity_mbq.data, f64::to_le_bytes));
        Ok(Self {
            name: name.into(),
            series: Series {
                nuclide: nuclide.name.clone(),
                administered_mbq: Some(administered_mbq),
                unit: ImageUnit::MbqVoxel,
                decay_correction: DecayCorrection::None,
                labels: String::new(),
                label_names: None,
                systematic_rel_sigma: 0.0,
                voxelwise: false,
                outline_sharing: None,
                images: Vec::new(),
                planar: Vec::new(),
                error_model: ErrorModel::default(),
                default_method,
                regions: Vec::new(),
            },
            orientation,
            form_code: 1,
            inputs: inputs.collect(),
            images,
            labels: None,
            label_names: None,
            nuclide: nuclide.name.clone(),
            half_life_h: nuclide.half_life_h,
            origin: None,
            warnings: Vec::new(),
        })
    }

    /// Opens what a SERIES.toml names.
    fn of_file(path: &Path) -> Result<Self, UserError> {
        let (text, name) = (read_text(path)?, path.display().to_string());
        let stated = Series::stated(&text, &name).or_user_error()?;
        let nuclide_name = named_nuclide(path, &stated.nuclide);
        let nuclide = Nuclide::load(&nuclide_name).or_user_error()?;
        let mut inputs = vec![read("series", path)?];
        let mut warnings = Vec::new();
        let mut opened: BTreeMap<String, Image<f64>> = BTreeMap::new();
        let mut own: BTreeMap<String, Option<f64>> = BTreeMap::new();
        for image in stated.images.iter().filter(|image| dicom::is_dicom(beside(path, &image.file))) {
            let options = stated_options(&name, &stated, image, &nuclide)?;
            let (read, scan) = images::activity("image", &beside(path, &image.file), &options, &mut warnings)?;
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
                None => images::activity("image", &file, &ActivityOptions::default(), &mut warnings)?.0,
            };
            images::must_agree(origin.as_ref(), read.origin.as_ref())?;
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
            frame.ok_or_else(|| UserError::invalid("", "images", "none", "", "Give at least one."))?;
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

    /// Whether image voxels are divided among the outlines that share them, as stated for the request or by the series.
    pub fn sharing(&self, stated: Option<OutlineSharing>) -> OutlineSharing {
        stated.or(self.series.outline_sharing).unwrap_or_default()
    }

    /// How the regions divide the images: their shares, and what they hold in each image.
    fn divided(&mut self, over: &Over<'_>, hear: &mut dyn Listener) -> Result<Divided, UserError> {
        let grid = self.grid().clone();
        let whole = |labels: &[u16]| Divided { shares: Shares::whole(labels), concentrations: vec![], air: None };
        let Some(regions) = over.regions else { return Ok(whole(&vec![0; grid.len()])) };
        if over.sharing == OutlineSharing::Off {
            return Ok(whole(&images::labels_on(regions, &grid, "the images", hear, &mut self.warnings)?));
        }
        let outlines = match over.ct_hu {
            Some(ct) => Outlines::in_ct(&regions.labels, ct)?,
            None => Outlines::alone(regions.labels.clone()),
        };
        let shares = Shares::of(&outlines.labels, &grid).or_user_error()?;
        let mut concentrations = Vec::new();
        for (n, image) in self.images.iter().enumerate() {
            let found = Concentrations::of(&image.activity_mbq.data, &shares);
            let of = (n == 0, Some(image.name.as_str()));
            let doubts = outlines.doubts(&image.activity_mbq, &shares, &found, &regions.names, of);
            tell(doubts, &mut self.warnings, hear);
            concentrations.push(found);
        }
        Ok(Divided { shares, concentrations, air: outlines.air })
    }

    /// The map of decays, with the images divided into these regions; `earlier` are half-lives of earlier cycles.
    pub fn integrate(
        &mut self,
        over: &Over<'_>,
        earlier: &BTreeMap<String, EarlierHalfLife>,
        hear: &mut dyn Listener,
    ) -> Result<TiaMap, UserError> {
        let Divided { shares, concentrations, air } = self.divided(over, hear)?;
        let names = over.regions.map(|regions| regions.names.clone()).unwrap_or_default();
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
            shares: &shares,
            concentrations: &concentrations,
            air,
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

/// What a series states about a DICOM image. The image's own entry overrides its file, and so does a correction of the
/// whole series other than `none` (every DICOM image is converted to `none`). Everything else is a default for what
/// files do not state.
fn stated_options(
    name: &str,
    stated: &Stated,
    image: &StatedImage,
    nuclide: &Nuclide,
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
            UserError::invalid(
                name,
                "injection_time",
                format!("\"{text}\""),
                "as in 2024-03-30T10:00:00+01:00",
                "Write date, time and offset from UTC.",
            )
        })
    };
    let zone = |text: &String| {
        TimeZone::parse(text).ok_or_else(|| {
            UserError::invalid(
                name,
                "time_zone",
                format!("\"{text}\""),
                "an offset from UTC, as in +01:00",
                "Write how far the scanner's clock was ahead of UTC on that day, summer time included.",
            )
        })
    };
    Ok(ActivityOptions {
        time_zone: stated.time_zone.as_ref().map(zone).transpose()?,
        nuclide: Some(RunNuclide::new(&nuclide.name, stated.nuclide_stated)),
        decay_correction: image.decay_correction.map(correction).or(moved),
        half_life_h: image.half_life_h,
        assume_bq_ml: image.unit == Some(ImageUnit::BqMl),
        injection: stated.injection_time.as_ref().filter(|_| image.time_h.is_none()).map(injection).transpose()?,
        hours_after_injection: image.time_h,
        if_silent: IfSilent {
            decay_correction: of_series,
            half_life_h: Some(nuclide.half_life_h),
            bq_ml: stated.unit == Some(ImageUnit::BqMl),
        },
    })
}

/// Source of the regions of a series.
#[derive(Clone, Copy)]
pub struct SeriesRegions<'a> {
    /// Regions, in place of those that the series names.
    pub labels: Option<&'a Path>,
    /// Their names.
    pub label_names: Option<&'a Path>,
    /// CT that DICOM regions are mapped to and that the images must match; without one, the images' own grid.
    pub ct: Option<&'a Path>,
    /// Whether image voxels are divided among the outlines that share them; `None` for what the series states.
    pub sharing: Option<OutlineSharing>,
    /// Whether their volumes are not reported.
    pub quiet: bool,
}

/// Integrates a series; `earlier` are half-lives of earlier cycles.
///
/// Errors: regions or a CT that cannot be read or are another patient's; a series that cannot be integrated.
pub fn integrate(
    mut opened: OpenSeries,
    earlier: &BTreeMap<String, EarlierHalfLife>,
    from: SeriesRegions<'_>,
    shelf: &mut Shelf,
    hear: &mut dyn Listener,
) -> Result<Integrated, UserError> {
    if let Some(ct) = from.ct {
        images::must_agree(shelf.ct(ct)?.image.origin.as_ref(), opened.origin.as_ref())?;
    }
    let (labels, label_names) = match from.labels {
        Some(labels) => (Some(labels.to_path_buf()), from.label_names.map(Path::to_path_buf)),
        None => (opened.labels.clone(), opened.label_names.clone().or(from.label_names.map(Path::to_path_buf))),
    };
    let regions: Option<Arc<OpenedRegions>> = match (&labels, from.ct) {
        (None, _) => None,
        (Some(labels), Some(ct)) => Some(shelf.regions(labels, label_names.as_deref(), ct)?),
        (Some(labels), None) => {
            let anatomy = Anatomy { grid: opened.grid(), origin: opened.origin.as_ref() };
            Some(Arc::new(images::open_regions(labels, label_names.as_deref(), &anatomy)?))
        }
    };
    if let Some(regions) = regions.as_ref().filter(|_| !from.quiet) {
        regions.told.iter().for_each(|note| hear.note(note.clone()));
    }
    let ct = from.ct.map(|ct| shelf.ct(ct)).transpose()?;
    let over = Over {
        regions: regions.as_ref().map(|regions| &regions.map),
        ct_hu: ct.as_ref().map(|ct| &ct.image.volume),
        sharing: opened.sharing(from.sharing),
    };
    let map = opened.integrate(&over, earlier, hear)?;
    let sharing = over.sharing;
    let OpenSeries { orientation, form_code, mut inputs, nuclide, mut warnings, .. } = opened;
    for regions in regions.iter() {
        inputs.extend(regions.map.inputs.iter().cloned());
        warnings.extend(regions.warnings.iter().cloned());
    }
    Ok(Integrated { map, orientation, form_code, inputs, labels, label_names, nuclide, sharing, warnings })
}
