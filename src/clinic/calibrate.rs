//! Scans of a phantom of known activity to a calibration file: counts a second for a MBq.

use super::failure::{Failure, OrUserError, UserError};
use super::files::{beside, named_nuclide, read_text};
use super::guard;
use super::images::{self, Image};
use super::kept;
use super::request::CalibrateRequest;
use crate::course::input::{hours_between, moment};
use crate::decay::Nuclide;
use crate::io::atomic::OutputFiles;
use crate::io::dicom::ActivityOptions;
use crate::note::Note;
use crate::place::Place;
use crate::quantify::calibration::{self, Acquired, Calibration, PhantomScan, Scan, from_toml};
use crate::quantify::dead_time;
use crate::report::run_record::InputFile;
use crate::source::Shares;
use serde::{Deserialize, Serialize};

/// PHANTOM.toml.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Phantom {
    schema: u32,
    nuclide: String,
    window: String,
    camera: String,
    collimator: String,
    reconstruction: String,
    phantom: String,
    date: String,
    who: String,
    activity_mbq: f64,
    activity_relative_error: f64,
    #[serde(default)]
    reference_time: Option<String>,
    #[serde(default)]
    labels: Option<String>,
    #[serde(default)]
    label: Option<u16>,
    #[serde(default)]
    views: Option<u32>,
    #[serde(default)]
    seconds_per_view: Option<f64>,
    #[serde(default)]
    dead_time_s: Option<f64>,
    #[serde(default)]
    valid_to_cps: Option<f64>,
    scans: Vec<StatedScan>,
}

/// One of its `[[scans]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StatedScan {
    file: String,
    #[serde(default)]
    hours: Option<f64>,
    #[serde(default)]
    scan_start: Option<String>,
    #[serde(default)]
    background_counts: Option<f64>,
    #[serde(default)]
    background_file: Option<String>,
    #[serde(default)]
    wide_window_cps: Option<f64>,
}

/// What one scan gave.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScanFigures {
    /// The image.
    pub file: String,
    /// From the reference time to the middle of the scan, h.
    pub hours: f64,
    /// Activity then, MBq.
    pub activity_mbq: f64,
    /// Counts in the outline or the whole field.
    pub counts: f64,
    /// Those of the background.
    pub background_counts: f64,
    /// Live time: views times time a view, over the dead-time factor, s.
    pub live_s: f64,
    /// Counts a second for a MBq.
    pub cps_per_mbq: f64,
}

/// A calibration with what it rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibrated {
    /// The calibration.
    pub calibration: Calibration,
    /// Its scans.
    pub scans: Vec<ScanFigures>,
    /// Files read.
    pub inputs: Vec<InputFile>,
    /// Notes of the readers.
    pub warnings: Vec<Note>,
}

/// Opens an image in counts, with what its header states of the acquisition.
fn counts(path: &Place, warnings: &mut Vec<Note>) -> Result<(Image<f64>, Acquired), UserError> {
    // the activity is the phantom's, so that the header's injection and decay correction play no part
    let options = ActivityOptions {
        counts: true,
        decay_correction: Some(crate::io::dicom::DecayCorrection::None),
        ..ActivityOptions::default()
    };
    let (image, scan) = images::activity("scan", path, &options, warnings)?;
    Ok((image, scan.map(|scan| (scan.views, scan.seconds_per_view)).unwrap_or_default()))
}

/// Sum of an image over the phantom's outline, or over the whole field.
fn within(image: &Image<f64>, outline: Option<&Outline>, place: &Place) -> Result<f64, UserError> {
    let data = &image.volume.data;
    let Some(Outline { labels, label, file }) = outline else {
        return Ok(crate::source::sum(data.iter().copied()));
    };
    let shares = Shares::of(labels, &image.volume.grid).or_user_error().map_err(|e| e.inside(place))?;
    let Some(region) = shares.labels().iter().position(|own| own == label) else {
        let known: Vec<String> = shares.labels().iter().filter(|own| **own != 0).map(u16::to_string).collect();
        let next = "Name a label of the outline that the images reach.";
        let found = format!("{label}, which no image voxel has");
        return Err(UserError::invalid(file, "label", found, known.join(", "), next));
    };
    Ok(crate::source::sum(shares.fractions(region).iter().zip(data).map(|(share, counts)| share * counts)))
}

/// The outline of the phantom.
struct Outline {
    labels: crate::grid::Volume<u16>,
    label: u16,
    file: Place,
}

impl Phantom {
    /// Reads the description; unfilled and unknown fields are refused.
    fn read(path: &Place) -> Result<Self, UserError> {
        let (text, name) = (read_text(path)?, path.display().to_string());
        crate::course::input::filled_in(&text, &name).or_user_error()?;
        let read: Self = from_toml(&text, &name).or_user_error()?;
        let refused = |field: &str, found: String, allowed: &str, next: &str| {
            Err(UserError::invalid(name.as_str(), field, found, allowed.to_owned(), next.to_owned()))
        };
        let relative = |value: f64| value > 0.0 && value < 1.0;
        if read.schema != 1 {
            return refused("schema", read.schema.to_string(), "1", "Correct it.");
        }
        if !relative(read.activity_relative_error) {
            let next = "Give the standard uncertainty of the phantom's activity: that of the activity meter.";
            let found = read.activity_relative_error.to_string();
            return refused("activity_relative_error", found, "above 0 and below 1", next);
        }
        if read.labels.is_some() != read.label.is_some() {
            let next = "Give both for an outline, neither for the whole field.";
            return refused("labels, label", "one of the two".to_owned(), "both or neither", next);
        }
        let positive = |value: Option<f64>| value.is_none_or(|v| v > 0.0 && v.is_finite());
        if !(positive(read.dead_time_s) && positive(read.valid_to_cps)) {
            let found = format!("{:?} s, {:?} cps", read.dead_time_s, read.valid_to_cps);
            return refused("dead_time_s, valid_to_cps", found, "above 0", "Correct them, or leave them out.");
        }
        Ok(read)
    }

    fn outline(&self, path: &Place, inputs: &mut Vec<InputFile>) -> Result<Option<Outline>, UserError> {
        let Some((name, label)) = self.labels.as_ref().zip(self.label) else { return Ok(None) };
        let file = beside(path, name);
        let labels = crate::io::nifti::read_labels(&file).or_user_error()?;
        inputs.push(images::read("labels", &file)?);
        Ok(Some(Outline { labels: labels.to_canonical().0, label, file }))
    }

    /// Hours from the reference time to the middle of a scan of this length, s.
    fn hours(&self, scan: &StatedScan, seconds: f64, (file, place): (&str, &str)) -> Result<f64, UserError> {
        match (scan.hours, &scan.scan_start) {
            (Some(hours), None) if hours.is_finite() => Ok(hours),
            (None, Some(start)) => {
                let Some(reference) = &self.reference_time else {
                    let next = "scan_start needs the moment for which activity_mbq holds.";
                    return Err(UserError::invalid(file, "reference_time", "none", "date, time and offset", next));
                };
                let reference = moment(file, "reference_time", reference).or_user_error()?;
                let start = moment(file, &format!("{place}: scan_start"), start).or_user_error()?;
                Ok(hours_between(reference, start) + seconds / 7200.0)
            }
            _ => {
                let next =
                    "Give hours (from reference time to the middle of the scan), or reference_time and scan_start.";
                Err(UserError::invalid(file, format!("{place}: hours"), "none, or both", "hours or scan_start", next))
            }
        }
    }
}

/// What a description and its files bring, as they are read.
struct Reading<'a> {
    path: &'a Place,
    /// The description's name in errors.
    name: String,
    stated: &'a Phantom,
    half_life_h: f64,
    outline: Option<Outline>,
    inputs: Vec<InputFile>,
    warnings: Vec<Note>,
}

impl Reading<'_> {
    /// One scan, with its figures; `place` names it.
    fn scan(&mut self, scan: &StatedScan, place: &str) -> Result<(PhantomScan, ScanFigures), UserError> {
        let (stated, name) = (self.stated, self.name.clone());
        let in_file = |error: UserError| error.inside(name.as_str());
        let file = beside(self.path, &scan.file);
        let (image, acquired) = counts(&file, &mut self.warnings)?;
        let seconds = stated.scan().acquired(acquired, place).and_then(|scan| scan.seconds(place));
        let seconds = seconds.or_user_error().map_err(in_file)?;
        let hours = stated.hours(scan, seconds, (&name, place))?;
        let dead = dead_time::of_scan(stated.dead_time_s, stated.valid_to_cps, scan.wide_window_cps, place);
        let live_s = seconds / dead.or_user_error().map_err(in_file)?;
        let seen = within(&image, self.outline.as_ref(), &file)?;
        self.inputs.push(image.input);
        let background_counts = self.background(scan, place)?;
        let one =
            PhantomScan { activity_mbq: stated.activity_mbq, hours, counts: seen, background_counts, seconds: live_s };
        let activity_mbq = one.activity_mbq * (-hours / self.half_life_h).exp2();
        let figures = ScanFigures {
            file: scan.file.clone(),
            hours,
            activity_mbq,
            counts: seen,
            background_counts,
            live_s,
            cps_per_mbq: (seen - background_counts) / live_s / activity_mbq,
        };
        Ok((one, figures))
    }

    /// Counts of the background in the same space and time.
    fn background(&mut self, scan: &StatedScan, place: &str) -> Result<f64, UserError> {
        match (scan.background_counts, &scan.background_file) {
            (Some(_), Some(_)) => {
                let field = format!("{place}: background_counts");
                let found = "an entry beside background_file";
                Err(UserError::invalid(self.name.as_str(), field, found, "one of the two", "Leave one out."))
            }
            (stated, None) => Ok(stated.unwrap_or(0.0)),
            (None, Some(empty)) => {
                let file = beside(self.path, empty);
                let (empty, _) = counts(&file, &mut self.warnings)?;
                let sum = within(&empty, self.outline.as_ref(), &file)?;
                self.inputs.push(empty.input);
                Ok(sum)
            }
        }
    }
}

/// The calibration of a phantom's scans.
///
/// Errors: a description or an image that cannot be used, by field; no time of the scan; counts that are none.
pub fn calibrate(path: &Place) -> Result<Calibrated, UserError> {
    let stated = Phantom::read(path)?;
    let name = path.display().to_string();
    let nuclide = Nuclide::load(named_nuclide(path, &stated.nuclide)).or_user_error()?;
    let mut inputs = vec![images::read("phantom", path)?];
    let outline = stated.outline(path, &mut inputs)?;
    let (half_life_h, warnings) = (nuclide.half_life_h, Vec::new());
    let mut reading = Reading { path, name: name.clone(), stated: &stated, half_life_h, outline, inputs, warnings };
    let (mut scans, mut figures) = (Vec::new(), Vec::new());
    for (index, scan) in stated.scans.iter().enumerate() {
        let (one, found) = reading.scan(scan, &format!("scans[{index}] ({})", scan.file))?;
        scans.push(one);
        figures.push(found);
    }
    let Reading { inputs, warnings, .. } = reading;
    let (factor, relative) = calibration::factor(&scans, half_life_h, stated.activity_relative_error)
        .or_user_error()
        .map_err(|error| error.inside(name.as_str()))?;
    let calibration = stated.kept(nuclide.name, factor, relative);
    // what is written must be what is read
    Calibration::parse(&kept::toml(&calibration)?, &name).or_user_error()?;
    Ok(Calibrated { calibration, scans: figures, inputs, warnings })
}

impl Phantom {
    /// How the scans were acquired, where one statement holds for all.
    fn scan(&self) -> Scan {
        Scan {
            file: String::new(),
            camera: self.camera.clone(),
            collimator: self.collimator.clone(),
            reconstruction: self.reconstruction.clone(),
            views: self.views,
            seconds_per_view: self.seconds_per_view,
        }
    }

    fn kept(self, nuclide: String, factor_cps_per_mbq: f64, relative_error: f64) -> Calibration {
        Calibration {
            schema: 1,
            factor_cps_per_mbq,
            relative_error,
            nuclide,
            window: self.window,
            camera: self.camera,
            collimator: self.collimator,
            reconstruction: self.reconstruction,
            phantom: self.phantom,
            date: self.date,
            who: self.who,
            dead_time_s: self.dead_time_s,
            valid_to_cps: self.valid_to_cps,
        }
    }
}

/// Runs the request and writes its file.
///
/// Errors: those of [`calibrate`]; a file that exists, unless the request allows it.
pub fn run(request: &CalibrateRequest) -> Result<Calibrated, Failure> {
    let claimed = OutputFiles::claim(&[&request.out], request.force, &guard::of_calibrate(request)).or_user_error()?;
    let done = calibrate(&request.description)?;
    let text = kept::with_sources(&kept::toml(&done.calibration)?, &done.inputs);
    claimed.write(&request.out, |file| file.write_all(text.as_bytes())).or_user_error()?;
    Ok(done)
}
