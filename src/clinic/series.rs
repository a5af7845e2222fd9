//! From a series of activity images to decays per voxel.

use super::by_region;
use super::displaced;
use super::failure::{OrUserError, UserError};
use super::files::{beside, in_file, named_nuclide, read_text};
use super::images::{self, Anatomy, Image, OpenedRegions, RegionMap, read};
use super::lying::{self, Lying};
use super::motion::{self, MotionRecord};
use super::notes::Listener;
use super::outlines::{Outlines, tell};
use super::partial_volume;
use super::priors;
use super::request::ImageChoice;
use super::shelf::Shelf;
use super::study::{self, Shots};
use super::volumes;
use crate::bounds;
use crate::course::hybrid::PlanarPoint;
use crate::course::series::{Common, DecayCorrection, ImageUnit, RawFit, Series, Stated, StatedImage};
use crate::course::tia::{ActivityImage, EarlierHalfLife, Method, RegionMethod, TiaInput, TiaMap, integrate_series};
use crate::course::time_activity::{ErrorModel, Model};
use crate::decay::Nuclide;
use crate::fault::{FaultKind, Setting, words};
use crate::grid::{Orientation, Volume, VoxelGrid};
use crate::io::dicom::{self, ActivityOptions, IfSilent, Moment, Origin, RunNuclide, StatedMoment, TimeZone};
use crate::note::Note;
use crate::place::Place;
use crate::quantify::calibration::{Acquired, Calibration, Scan};
use crate::quantify::recovery_file::RecoveryFile;
use crate::quantify::settings::{PartialVolume, Section};
use crate::report::run_record::InputFile;
use crate::source::concentrations::Concentrations;
use crate::source::{OutlineSharing, Shares};
use crate::units::rounded;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A series as integrated.
pub struct Integrated {
    /// What messages call it.
    pub name: Place,
    /// The map and its regions.
    pub map: TiaMap,
    /// Order of the axes in the user's files.
    pub orientation: Orientation,
    /// Kind of coordinates.
    pub form_code: i16,
    /// Files read.
    pub inputs: Vec<InputFile>,
    /// Regions: the file or folder.
    pub labels: Option<Place>,
    /// Names of the labels.
    pub label_names: Option<Place>,
    /// Nuclide name or file.
    pub nuclide: Place,
    /// Whether image voxels were divided among the outlines that share them.
    pub sharing: OutlineSharing,
    /// How the images were corrected for partial volume, where they were.
    pub partial_volume: Option<partial_volume::Record>,
    /// How the images were brought into one frame, those whose registration is stated.
    pub motions: Vec<MotionRecord>,
    /// Volumes of interest from the images.
    pub volumes: Vec<volumes::Measured>,
    /// Whether the times of its images are hours that a person wrote, not moments of a clock or of headers.
    pub times_typed: bool,
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
    name: Place,
    series: Series,
    images: Vec<ActivityImage>,
    /// Order of the axes in the user's files.
    pub orientation: Orientation,
    /// Kind of coordinates.
    pub form_code: i16,
    /// Files read.
    pub inputs: Vec<InputFile>,
    /// Regions that the series names.
    labels: Option<Place>,
    label_names: Option<Place>,
    /// Nuclide name or file.
    nuclide: Place,
    half_life_h: f64,
    /// Where a DICOM series came from.
    pub origin: Option<Origin>,
    /// When it was injected, where the images say it.
    pub injection: Option<Moment>,
    /// How the images are corrected for partial volume, where they are.
    correction: Option<PartialVolume>,
    /// How the images were corrected for partial volume, once they are.
    pub partial_volume: Option<partial_volume::Record>,
    /// How the images were brought into one frame, those whose registration is stated.
    pub motions: Vec<MotionRecord>,
    /// Images whose regions are still to be carried by their own motion.
    lying: Vec<Lying>,
    /// Volumes of interest, once they are measured.
    pub volumes: Vec<volumes::Measured>,
    /// Notes of the readers.
    pub warnings: Vec<Note>,
}

impl OpenSeries {
    /// What messages call it.
    pub fn name(&self) -> &Place {
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

    /// Nuclide name or file.
    pub fn nuclide(&self) -> &Place {
        &self.nuclide
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
    pub fn open(path: impl Into<Place>, choice: &ImageChoice, hear: &mut dyn Listener) -> Result<Self, UserError> {
        let path = path.into();
        Self::open_within(path.clone(), choice, &(Common::default(), &path), hear)
    }

    /// As [`OpenSeries::open`]; `common` is what a course states for all its series, and its file.
    pub fn open_within(
        path: impl Into<Place>,
        choice: &ImageChoice,
        common: &(Common<'_>, &Place),
        hear: &mut dyn Listener,
    ) -> Result<Self, UserError> {
        let path = &path.into();
        if !dicom::is_dicom(path) {
            return Self::of_file(path, common);
        }
        let fit = common.0.fit.filter(|_| choice.effective_half_life_h.is_none() && choice.model.is_none());
        let mut opened = Self::with_fit(std::slice::from_ref(path), choice, fit.map(|fit| (fit, common.1)), hear)?;
        let nuclide = Nuclide::load(&opened.nuclide).or_user_error()?;
        if fit.is_some() {
            let OpenSeries { series, inputs, warnings, .. } = &mut opened;
            priors::read_all(common.1, series, &nuclide.name, inputs, warnings)?;
        }
        let (stated, course) = (common.0.partial_volume, common.1);
        opened.correction =
            correction(stated.map(|section| (section, course)), None, (None, &nuclide), &mut opened.inputs)?;
        Ok(opened)
    }

    /// Opens DICOM images of one injection.
    pub fn of_images(paths: &[Place], choice: &ImageChoice, hear: &mut dyn Listener) -> Result<Self, UserError> {
        Self::with_fit(paths, choice, None, hear)
    }

    /// The same with what a course states of curves, and its file.
    fn with_fit(
        paths: &[Place],
        choice: &ImageChoice,
        fit: Option<(&RawFit, &Place)>,
        hear: &mut dyn Listener,
    ) -> Result<Self, UserError> {
        let nuclide = Nuclide::load(&choice.nuclide).or_user_error()?;
        let mut cycles = study::cycles(paths, &choice.reader(&nuclide), hear)?;
        match cycles.len() {
            1 => Self::of_shots_with(cycles.remove(0), choice, fit),
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
        Self::of_shots_with(shots, choice, None)
    }

    /// The same with what a course states of curves, and its file.
    fn of_shots_with(shots: Shots, choice: &ImageChoice, fit: Option<(&RawFit, &Place)>) -> Result<Self, UserError> {
        let half_life_h = Nuclide::load(&choice.nuclide).or_user_error()?.half_life_h;
        let administered_mbq = match choice.administered_mbq {
            Some(mbq) => Some(mbq),
            None => shots.administered_mbq()?,
        };
        for stated_h in choice.effective_half_life_h.iter().chain(choice.half_lives_h.values()) {
            bounds::effective_half_life_h(Setting::EffectiveHalfLife, *stated_h, half_life_h).or_user_error()?;
        }
        let of_region = |(region, half_life_h): (&String, &f64)| RegionMethod {
            region: region.clone(),
            method: Method::Population { half_life_h: *half_life_h, half_life_rel_sigma: None },
        };
        let region_methods = choice.half_lives_h.iter().map(of_region).collect();
        let of_course = fit.map(|(fit, place)| fit.method(&place.display().to_string(), "fit")).transpose();
        let of_course = of_course.or_user_error()?;
        let of_person = |half_life_h| Method::Population { half_life_h, half_life_rel_sigma: None };
        let default_method = match (choice.effective_half_life_h.map(of_person).or(of_course), shots.shots.len()) {
            (Some(method), _) => method,
            (None, 1) => {
                let shot = &shots.shots[0];
                return Err(UserError::invalid(
                    &shot.image.input.path,
                    "time points",
                    format!("one, at {} h", rounded(shot.time_h, 4)),
                    words!("two or more, or ", Setting::EffectiveHalfLife, " of all regions"),
                    "One image says nothing of the kinetics: give the other time points, or an effective half-life of all \
                     regions; single regions may have their own beside it.",
                ));
            }
            (None, _) => Method::Model(choice.model.unwrap_or(Model::Mono)),
        };
        let mut series =
            stated_nowhere(&choice.nuclide.display().to_string(), administered_mbq, ImageUnit::BqMl, default_method);
        series.regions = region_methods;
        series.fit_of_course = fit.is_some();
        series.error_model = fit.map_or(series.error_model, |(fit, _)| fit.error_model());
        let origin = study::origin(&shots).cloned();
        let injection = shots.shots.iter().find_map(|shot| shot.scan.timing.injection);
        let Shots { shots, warnings } = shots;
        let mut images = Vec::new();
        let mut inputs = Vec::new();
        let mut frame = None;
        for shot in shots {
            images::must_agree(origin.as_ref(), shot.image.origin.as_ref())?;
            let voxel_ml = shot.image.volume.grid.voxel_cm3();
            let scale = ImageUnit::BqMl.mbq_per_value(voxel_ml).expect("Bq/mL needs no calibration");
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
        let name = Place::from(images.first().map_or("", |image| &image.name));
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
            injection,
            correction: None,
            partial_volume: None,
            motions: Vec::new(),
            lying: Vec::new(),
            volumes: Vec::new(),
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
            series: stated_nowhere(&nuclide.name, Some(administered_mbq), ImageUnit::MbqVoxel, default_method),
            orientation,
            form_code: 1,
            inputs: inputs.collect(),
            images,
            labels: None,
            label_names: None,
            nuclide: nuclide.name.as_str().into(),
            half_life_h: nuclide.half_life_h,
            origin: None,
            injection: None,
            correction: None,
            partial_volume: None,
            motions: Vec::new(),
            lying: Vec::new(),
            volumes: Vec::new(),
            warnings: Vec::new(),
        })
    }

    /// Opens what a SERIES.toml names.
    fn of_file(path: &Place, (common, course): &(Common<'_>, &Place)) -> Result<Self, UserError> {
        let (text, name) = (read_text(path)?, path.display().to_string());
        let mut stated = Series::stated(&text, &name).or_user_error()?;
        let nuclide_name = match common.nuclide.filter(|_| !stated.nuclide_stated) {
            Some(of_course) => named_nuclide(course, of_course),
            None => named_nuclide(path, &stated.nuclide),
        };
        // what the course states holds for a series that states nothing
        stated.nuclide_stated |= common.nuclide.is_some();
        let nuclide = Nuclide::load(&nuclide_name).or_user_error()?;
        let mut inputs = vec![read("series", path)?];
        let mut warnings = Vec::new();
        let mut opened: BTreeMap<String, Image<f64>> = BTreeMap::new();
        let mut own: BTreeMap<String, Option<f64>> = BTreeMap::new();
        let mut injections: Vec<(String, Moment)> = Vec::new();
        let mut beside_times: Option<Moment> = None;
        let mut acquired: BTreeMap<String, Acquired> = BTreeMap::new();
        for image in stated.images.iter().filter(|image| dicom::is_dicom(beside(path, &image.file))) {
            let options = stated_options(&name, &stated, image, &nuclide)?;
            let (read, scan) = images::activity("image", &beside(path, &image.file), &options, &mut warnings)?;
            opened.insert(image.file.clone(), read);
            let injection = scan.as_ref().and_then(|scan| scan.timing.injection);
            match image.time_h {
                None => injections.extend(injection.map(|moment| (image.file.clone(), moment))),
                // a time that the user states need not fit the headers of the other images; it hides no injection
                Some(_) => beside_times = beside_times.or(injection),
            }
            let by_file = scan.as_ref().map(|scan| (scan.views, scan.seconds_per_view)).unwrap_or_default();
            acquired.insert(image.file.clone(), by_file);
            own.insert(image.file.clone(), scan.and_then(|scan| scan.timing.hours_after_injection));
        }
        let mut series = Series::parse_with(&text, &name, &own, common).or_user_error()?;
        let own_scan = series.calibration.as_ref().map(|scan| (scan, path));
        let scan = own_scan.or(common.calibration.map(|scan| (scan, *course)));
        let scan = scan.filter(|_| series.unit == ImageUnit::Counts);
        let own_section = series.partial_volume.as_ref().map(|section| (section, path));
        let section = own_section.or(common.partial_volume.map(|section| (section, *course)));
        let made = (scan.map(|(scan, _)| scan), &nuclide);
        let correction = correction(section, series.corrected.as_deref(), made, &mut inputs)?;
        let calibrated = match scan.map(|(scan, place)| (scan.clone(), place)) {
            None => None,
            Some((scan, place)) => {
                let file = beside(place, &scan.file);
                let shown = file.display().to_string();
                let calibration = Calibration::parse(&read_text(&file)?, &shown).or_user_error()?;
                calibration.must_fit(&scan, &nuclide.name, &shown).or_user_error()?;
                inputs.push(read("calibration", &file)?);
                // one factor for all images
                series.systematic_rel_sigma = series.systematic_rel_sigma.hypot(calibration.relative_error);
                Some((calibration, scan))
            }
        };
        read_priors((path, course), &mut series, &nuclide.name, &mut inputs, &mut warnings)?;
        let injection = study::one_of_one(&name, &injections)?.or(beside_times);
        let mut images: Vec<ActivityImage> = Vec::new();
        let (mut motions, mut lying) = (Vec::new(), Vec::new());
        let mut frame = None;
        let mut origin: Option<Origin> = None;
        for image in &series.images {
            let file = beside(path, &image.file);
            let read = match opened.remove(&image.file) {
                Some(read) => read,
                None => {
                    let read = images::activity("image", &file, &ActivityOptions::default(), &mut warnings)?.0;
                    let doubts = read.described.against(image.time_h, series.unit, series.decay_correction);
                    warnings.extend(doubts.into_iter().map(|doubt| doubt.at(&file)));
                    read
                }
            };
            twice(path, &image.file, &images, &inputs, &read.input)?;
            motion::agree(image.registration.as_ref(), origin.as_ref(), read.origin.as_ref())?;
            let decay = (-(image.time_h - image.reference_time_h) / nuclide.half_life_h).exp2();
            let per_value = match (series.unit.mbq_per_value(read.volume.grid.voxel_cm3()), &calibrated) {
                (Some(per_value), _) => per_value,
                (None, Some((calibration, scan))) => {
                    let place = format!("images ({})", image.file);
                    let by_file = acquired.get(&image.file).copied().unwrap_or_default();
                    let per_count = scan
                        .acquired(by_file, &place)
                        .and_then(|scan| calibration.mbq_per_count(&scan, image.wide_window_cps, &place));
                    per_count.or_user_error().map_err(|e| in_file(path, &e))?
                }
                (None, None) => {
                    let next = "See docs/methods/quantification.md.";
                    return Err(UserError::invalid(path, "[calibration]", "none", "one for images in counts", next));
                }
            };
            let scale = per_value * decay;
            let seen = motion::Frame { file: path, first: images.first(), origin: origin.as_ref() };
            let activity_mbq = read.volume.map(|value| value * scale);
            let own = read.origin.as_ref();
            let stated = image.registration.as_ref();
            let (moves, by_itself) = (stated.is_some(), !image.by_region.is_empty());
            let as_it_lies = (by_itself || moves && correction.is_some()).then(|| activity_mbq.clone());
            let brought = motion::brought(stated, file.path(), activity_mbq, own, &seen, &mut inputs, &mut warnings)?;
            if by_itself && brought.map.is_none() {
                return Err(by_region::no_field(path, images.len()));
            }
            if let (Some(activity_mbq), Some(common)) = (as_it_lies, brought.map) {
                let (name, regions) = (file.to_path_buf(), image.by_region.clone());
                lying.extend(Lying::of(images.len(), name, activity_mbq, common, regions));
            }
            motions.extend(brought.record.map(|record| MotionRecord { time_h: Some(image.time_h), ..record }));
            images.push(ActivityImage {
                name: file.display().to_string(),
                time_h: image.time_h,
                activity_mbq: brought.activity_mbq,
                rel_sigma: image.rel_sigma,
            });
            frame.get_or_insert((read.orientation, read.form_code));
            inputs.push(read.input);
            origin = origin.or(read.origin);
        }
        let (orientation, form_code) =
            frame.ok_or_else(|| UserError::invalid("", "images", "none", "", "Give at least one."))?;
        Ok(Self {
            name: path.clone(),
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
            injection,
            correction,
            partial_volume: None,
            motions,
            lying,
            volumes: Vec::new(),
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
            // the edges of a corrected image are those of its outlines
            let judged = self.partial_volume.is_some();
            let doubts = outlines.doubts(&image.activity_mbq, &shares, &found, &regions.names, of, judged);
            tell(doubts, &mut self.warnings, hear);
            concentrations.push(found);
        }
        Ok(Divided { shares, concentrations, air: outlines.air })
    }

    /// Carries regions by their own motion, where the series asks for it.
    fn carried(&mut self, over: &Over<'_>) -> Result<(), UserError> {
        for lying in self.lying.iter_mut().filter(|lying| !lying.regions.is_empty()) {
            let name = lying.name.display().to_string();
            let Some(record) = self.motions.iter_mut().find(|record| record.image == name) else { continue };
            let first = &self.images[0].activity_mbq;
            let moved = by_region::bring(lying, &self.name, first, over.regions, record, &mut self.warnings)?;
            self.images[lying.index].activity_mbq = moved;
        }
        if let Some(regions) = over.regions {
            self.motions.iter_mut().for_each(|record| record.follow(regions));
        }
        Ok(())
    }

    /// Corrects the images for partial volume, where the series asks for it.
    fn corrected(&mut self, over: &Over<'_>, hear: &mut dyn Listener) -> Result<(), UserError> {
        let Some(settings) = &self.correction else { return Ok(()) };
        let grid = self.images[0].activity_mbq.grid.clone();
        let outlines = match (over.regions, over.ct_hu) {
            (Some(regions), Some(ct)) => Some(Outlines::in_ct(&regions.labels, ct)?),
            (Some(regions), None) => Some(Outlines::alone(regions.labels.clone())),
            (None, _) => None,
        };
        let on_image = match (over.regions, &outlines) {
            (Some(regions), Some(outlines)) => {
                partial_volume::OnImage::over(&self.name, regions, &outlines.labels, outlines.air, &grid)?
            }
            (regions, _) => partial_volume::OnImage::of(&self.name, regions, &grid)?,
        };
        let (mut doubted, mut edges) = (BTreeMap::new(), Vec::new());
        if let (Some(regions), Some(outlines)) = (over.regions, &outlines) {
            let judged = outlines.judged(&self.images, &regions.names)?;
            (doubted, edges) = (judged.doubted, judged.seen);
            tell(judged.notes, &mut self.warnings, hear);
        }
        let lying = std::mem::take(&mut self.lying);
        let labels = over.regions.map(|regions| &regions.labels);
        let mut record = lying::corrected(&on_image, labels, &lying, settings, &mut self.images, &doubted)
            .map_err(|e| in_file(&self.name, &e))?;
        record.images.iter_mut().zip(edges).for_each(|(image, edges)| image.edges = edges);
        record.told().for_each(|note| hear.note(note));
        self.warnings.extend(record.notes.iter().cloned());
        self.partial_volume = Some(record);
        Ok(())
    }

    /// The map of decays, with the images divided into these regions; `earlier` are half-lives of earlier cycles.
    pub fn integrate(
        &mut self,
        over: &Over<'_>,
        earlier: &BTreeMap<String, EarlierHalfLife>,
        hear: &mut dyn Listener,
    ) -> Result<TiaMap, UserError> {
        self.carried(over)?;
        if !self.series.volumes.is_empty() {
            let nuclide = Nuclide::load(&self.nuclide).or_user_error()?;
            let of = volumes::From {
                name: &self.name,
                images: &self.images,
                regions: over.regions,
                ct_hu: over.ct_hu,
                earlier,
                nuclide: &nuclide,
            };
            self.volumes = of.measured(&self.series.volumes)?;
        }
        let registered = self.motions.iter().any(|motion| motion.residual_mm.is_some() || !motion.regions.is_empty());
        // what an outline that lies off holds is that of the image as it is, not as its outlines have corrected it
        let as_measured = registered.then(|| self.images.clone());
        self.corrected(over, hear)?;
        let Divided { shares, concentrations, air } = self.divided(over, hear)?;
        let placed = match (&as_measured, over.regions) {
            (Some(images), Some(regions)) => {
                displaced::of_images(images, &self.motions, &shares, regions, &mut self.warnings)
            }
            _ => BTreeMap::new(),
        };
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
            corrected: &self.partial_volume.as_ref().map(partial_volume::Record::sigmas).unwrap_or_default(),
            placed: &placed,
            voxelwise: series.voxelwise,
            administered_mbq: series.administered_mbq,
            readings: &series.unit.readings(self.images[0].activity_mbq.grid.voxel_cm3()),
        })
        .or_user_error()
        .map_err(|e| in_file(&self.name, &e))
    }
}

/// Refuses an image that an earlier entry of the series has already: one scan is one point in time.
fn twice(
    path: &Place,
    file: &str,
    before: &[ActivityImage],
    inputs: &[InputFile],
    read: &InputFile,
) -> Result<(), UserError> {
    let same = |input: &&InputFile| input.role == read.role && input.sha256 == read.sha256;
    let Some(first) = inputs.iter().find(same) else { return Ok(()) };
    let next = "Is one scan listed twice? Remove the entry, or give it the image of its own time.";
    let place = format!("images[{}] ({file})", before.len());
    let found = format!("the bytes of {} again (same SHA-256)", first.path);
    Err(UserError::invalid(path, place, found, "an image of its own", next).kind(FaultKind::Mismatch))
}

/// Reads the priors of a series from beside the file that names each: the course's, for the method of all its series, or its own.
fn read_priors(
    (path, course): (&Place, &Place),
    series: &mut Series,
    nuclide: &str,
    inputs: &mut Vec<InputFile>,
    warnings: &mut Vec<Note>,
) -> Result<(), UserError> {
    if !series.fit_of_course {
        return priors::read_all(path, series, nuclide, inputs, warnings);
    }
    let own = std::mem::take(&mut series.regions);
    priors::read_all(course, series, nuclide, inputs, warnings)?;
    series.regions = own;
    let of_course = std::mem::replace(&mut series.default_method, Method::Model(Model::Mono));
    priors::read_all(path, series, nuclide, inputs, warnings)?;
    series.default_method = of_course;
    Ok(())
}

/// The correction of a section, which a file states, with the recovery calibration that it names; `made` is how counts were
/// acquired, where the images are counts, and the nuclide.
///
/// Errors: a file that cannot be read, or is that of other images; those of [`PartialVolume::of`].
fn correction(
    stated: Option<(&Section, &Place)>,
    corrected: Option<&str>,
    (scan, nuclide): (Option<&Scan>, &Nuclide),
    inputs: &mut Vec<InputFile>,
) -> Result<Option<PartialVolume>, UserError> {
    let Some((section, place)) = stated else { return Ok(None) };
    let phantom = match section.recovery_file() {
        None => None,
        Some(name) => {
            let file = beside(place, name);
            let shown = file.display().to_string();
            let calibration = RecoveryFile::parse(&read_text(&file)?, &shown).or_user_error()?;
            let made = section.made_with(scan).or_user_error().map_err(|e| in_file(place, &e))?;
            calibration.must_fit(&made, &nuclide.name, &shown).or_user_error()?;
            inputs.push(read("recovery", &file)?);
            Some(calibration.phantom(&shown).or_user_error()?)
        }
    };
    PartialVolume::of(section, corrected, phantom.as_ref()).or_user_error().map_err(|e| in_file(place, &e))
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
        counts: image.unit.or(stated.unit) == Some(ImageUnit::Counts),
        injection: stated.injection_time.as_ref().filter(|_| image.time_h.is_none()).map(injection).transpose()?,
        hours_after_injection: image.time_h,
        if_silent: IfSilent {
            decay_correction: of_series,
            half_life_h: Some(nuclide.half_life_h),
            bq_ml: stated.unit == Some(ImageUnit::BqMl),
        },
    })
}

/// The series of images that no SERIES.toml names: not corrected for decay, one method for every region.
fn stated_nowhere(nuclide: &str, administered_mbq: Option<f64>, unit: ImageUnit, default_method: Method) -> Series {
    Series {
        nuclide: nuclide.to_owned(),
        pharmaceutical: None,
        administered_mbq,
        unit,
        decay_correction: DecayCorrection::None,
        labels: String::new(),
        label_names: None,
        systematic_rel_sigma: 0.0,
        voxelwise: false,
        outline_sharing: None,
        partial_volume: None,
        corrected: None,
        calibration: None,
        images: Vec::new(),
        planar: Vec::new(),
        error_model: ErrorModel::default(),
        default_method,
        fit_of_course: false,
        regions: Vec::new(),
        volumes: Vec::new(),
        times_typed: false,
    }
}

/// Source of the regions of a series.
#[derive(Clone, Copy)]
pub struct SeriesRegions<'a> {
    /// Regions, in place of those that the series names.
    pub labels: Option<&'a Place>,
    /// Their names.
    pub label_names: Option<&'a Place>,
    /// CT that DICOM regions are mapped to and that the images must match; without one, the images' own grid.
    pub ct: Option<&'a Place>,
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
        Some(labels) => (Some(labels.clone()), from.label_names.cloned()),
        None => (opened.labels.clone(), opened.label_names.clone().or(from.label_names.cloned())),
    };
    let regions: Option<Arc<OpenedRegions>> = match (&labels, from.ct) {
        (None, _) => None,
        (Some(labels), Some(ct)) => Some(shelf.regions(labels, label_names.as_ref(), ct)?),
        (Some(labels), None) => Some(match shelf.given_regions(labels) {
            Some(given) => given,
            None => {
                let anatomy = Anatomy { grid: opened.grid(), origin: opened.origin.as_ref() };
                Arc::new(images::open_regions(labels, label_names.as_ref(), &anatomy)?)
            }
        }),
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
    let (name, times_typed) = (opened.name.clone(), opened.series.times_typed);
    let OpenSeries {
        orientation, form_code, mut inputs, nuclide, partial_volume, motions, volumes, mut warnings, ..
    } = opened;
    for regions in regions.iter() {
        inputs.extend(regions.map.inputs.iter().cloned());
        warnings.extend(regions.warnings.iter().cloned());
    }
    Ok(Integrated {
        name,
        times_typed,
        map,
        orientation,
        form_code,
        inputs,
        labels,
        label_names,
        nuclide,
        sharing,
        partial_volume,
        motions,
        volumes,
        warnings,
    })
}

/// As [`integrate`], of a series on its own: there is no course in which a named person answers for its doubts.
///
/// Errors: as [`integrate`]; times that are in days, where a person wrote them as hours.
pub fn integrate_alone(
    opened: OpenSeries,
    from: SeriesRegions<'_>,
    shelf: &mut Shelf,
    hear: &mut dyn Listener,
) -> Result<Integrated, UserError> {
    let done = integrate(opened, &BTreeMap::new(), from, shelf, hear)?;
    let days = done.map.warnings.iter().find(|note| note.code == "times-in-days").filter(|_| done.times_typed);
    match days {
        None => Ok(done),
        Some(note) => Err(UserError::invalid(
            &done.name,
            "images: time_h",
            note.text.clone(),
            "hours after injection",
            "Write the times in hours. If they are in hours, state them by the clock: injection_time, and scan_start and \
             duration_min of each image, in place of time_h.",
        )),
    }
}
