//! Inserts of a phantom to a recovery calibration: a curve or a table by volume, and one width where one explains it.

use super::failure::{Failure, OrUserError, UserError};
use super::files::{beside, named_nuclide, read_text};
use super::guard;
use super::images;
use super::kept;
use super::request::CalibrateRequest;
use crate::course::series::ImageUnit;
use crate::decay::Nuclide;
use crate::grid::Volume;
use crate::io::atomic::OutputFiles;
use crate::io::dicom::{ActivityOptions, DecayCorrection};
use crate::note::Note;
use crate::place::Place;
use crate::quantify::calibration::from_toml;
use crate::quantify::psf::FWHM_PER_SIGMA;
use crate::quantify::recovery::Recovery;
use crate::quantify::recovery_file::{Form, KeptInsert, RecoveryFile, Shape, measured};
use crate::quantify::recovery_fit::{Insert, logistic, width};
use crate::report::run_record::InputFile;
use crate::source::Shares;
use serde::Deserialize;
use statrs::distribution::{ChiSquared, ContinuousCDF};

/// Probability of a worse chi-square below which one width does not explain the inserts.
const EXPLAINS: f64 = 0.05;

/// SPHERES.toml.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stated {
    schema: u32,
    shape: Shape,
    #[serde(default)]
    curve: Option<Form>,
    nuclide: String,
    window: String,
    camera: String,
    collimator: String,
    reconstruction: String,
    phantom: String,
    date: String,
    who: String,
    #[serde(default)]
    background_bq_ml: f64,
    #[serde(default)]
    image: Option<String>,
    #[serde(default)]
    unit: Option<ImageUnit>,
    #[serde(default)]
    labels: Option<String>,
    #[serde(default)]
    voxel_mm: Option<f64>,
    inserts: Vec<StatedInsert>,
}

/// One of its `[[inserts]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StatedInsert {
    volume_ml: f64,
    #[serde(default)]
    true_bq_ml: Option<f64>,
    #[serde(default)]
    measured_bq_ml: Option<f64>,
    #[serde(default)]
    label: Option<u16>,
    #[serde(default)]
    recovery: Option<f64>,
    relative_error: f64,
}

/// A recovery calibration with what it rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct RecoveryCalibrated {
    /// The calibration.
    pub file: RecoveryFile,
    /// Its curve at each insert's volume.
    pub fitted: Vec<f64>,
    /// Files read.
    pub inputs: Vec<InputFile>,
    /// What the reader should know.
    pub warnings: Vec<Note>,
}

/// The image of the phantom with its outlines.
struct Seen {
    shares: Shares,
    bq_ml: Volume<f64>,
}

impl Seen {
    fn open(
        stated: &Stated,
        path: &Place,
        inputs: &mut Vec<InputFile>,
        notes: &mut Vec<Note>,
    ) -> Result<Option<Self>, UserError> {
        let (image, labels) = match (&stated.image, &stated.labels) {
            (None, None) => return Ok(None),
            (Some(image), Some(labels)) => (beside(path, image), beside(path, labels)),
            _ => {
                let next = "Give both to measure the inserts here, neither where measured_bq_ml or recovery is stated.";
                return Err(UserError::invalid(path, "image, labels", "one of the two", "both or neither", next));
            }
        };
        let options = ActivityOptions {
            decay_correction: Some(DecayCorrection::None),
            assume_bq_ml: stated.unit == Some(ImageUnit::BqMl),
            ..ActivityOptions::default()
        };
        let (image, scan) = images::activity("image", &image, &options, notes)?;
        let unit = stated.unit.or(scan.map(|_| ImageUnit::BqMl)).unwrap_or(ImageUnit::Counts);
        let voxel_ml = image.volume.grid.voxel_cm3();
        let Some(mbq) = unit.mbq_per_value(voxel_ml) else {
            let next = "State the image's unit; counts become activity by `lutra calibrate` first.";
            let allowed = "\"bq_ml\", \"kbq_ml\", \"bq_voxel\" or \"mbq_voxel\"";
            return Err(UserError::invalid(path, "unit", "none, or counts", allowed, next));
        };
        let drawn = crate::io::nifti::read_labels(&labels).or_user_error()?;
        inputs.push(images::read("labels", &labels)?);
        inputs.push(image.input);
        let shares = Shares::of(&drawn.to_canonical().0, &image.volume.grid).or_user_error()?;
        let bq_ml = image.volume.map(|value| value * mbq * 1e6 / voxel_ml);
        Ok(Some(Self { shares, bq_ml }))
    }

    /// Mean concentration of a label, Bq/mL.
    fn mean(&self, label: u16) -> Option<f64> {
        let region = self.shares.labels().iter().position(|own| *own == label)?;
        let share = self.shares.fractions(region);
        let sum: f64 = share.iter().zip(&self.bq_ml.data).map(|(share, value)| share * value).sum();
        Some(sum / share.iter().sum::<f64>())
    }
}

impl StatedInsert {
    /// The insert with its recovery; `place` names it.
    fn insert(&self, seen: Option<&Seen>, background: f64, place: &str) -> Result<Insert, UserError> {
        let refused = |field: &str, found: String, allowed: &str, next: &str| {
            UserError::invalid(place, field, found, allowed.to_owned(), next.to_owned())
        };
        if !(self.relative_error > 0.0 && self.relative_error < 1.0) {
            let next = "Give the standard uncertainty of the recovery over the recovery.";
            return Err(refused("relative_error", self.relative_error.to_string(), "above 0 and below 1", next));
        }
        let ways = [self.recovery.is_some(), self.measured_bq_ml.is_some(), self.label.is_some()];
        if ways.iter().filter(|way| **way).count() != 1 || self.recovery.is_some() == self.true_bq_ml.is_some() {
            let allowed = "recovery alone, or true_bq_ml with measured_bq_ml or with label";
            let next = "State each insert in one way.";
            return Err(refused("recovery", "none, or several ways".to_owned(), allowed, next));
        }
        let value = match (self.recovery, self.measured_bq_ml, self.label) {
            (Some(recovery), _, _) => {
                crate::quantify::recovery::check(place, recovery).or_user_error()?;
                recovery
            }
            (None, Some(mean), _) => {
                measured(place, mean, self.true_bq_ml.unwrap_or(f64::NAN), background).or_user_error()?
            }
            (None, None, label) => {
                let label = label.unwrap_or(0);
                let mean = seen.and_then(|seen| seen.mean(label)).ok_or_else(|| {
                    let next = "Give image and labels, and a label that the image reaches.";
                    refused("label", format!("{label}, which no image voxel has"), "a label of the outlines", next)
                })?;
                measured(place, mean, self.true_bq_ml.unwrap_or(f64::NAN), background).or_user_error()?
            }
        };
        Ok(Insert { volume_ml: self.volume_ml, recovery: value, sigma: self.relative_error * value })
    }
}

/// A recovery calibration of a phantom's inserts.
///
/// Errors: a description or an image that cannot be used, by field; recoveries that no curve fits.
pub fn calibrate_recovery(path: &Place) -> Result<RecoveryCalibrated, UserError> {
    let (text, name) = (read_text(path)?, path.display().to_string());
    crate::course::input::filled_in(&text, &name).or_user_error()?;
    let stated: Stated = from_toml(&text, &name).or_user_error()?;
    if stated.schema != 1 {
        return Err(UserError::invalid(path, "schema", stated.schema.to_string(), "1", "Correct it."));
    }
    let in_file = |error: UserError| error.inside(name.as_str());
    let nuclide = Nuclide::load(named_nuclide(path, &stated.nuclide)).or_user_error()?.name;
    let mut inputs = vec![images::read("inserts", path)?];
    let mut warnings = Vec::new();
    let seen = Seen::open(&stated, path, &mut inputs, &mut warnings)?;
    let inserts = stated.inserts.iter().enumerate().map(|(n, insert)| {
        let place = format!("inserts[{n}] ({} mL)", insert.volume_ml);
        insert.insert(seen.as_ref(), stated.background_bq_ml, &place).map_err(in_file)
    });
    let inserts = inserts.collect::<Result<Vec<Insert>, UserError>>()?;
    let form = stated.curve.unwrap_or(Form::Logistic);
    let table = inserts.iter().map(|insert| (insert.volume_ml, insert.recovery, insert.sigma)).collect();
    let table = Recovery::table(&name, table).or_user_error()?;
    let (curve, curve_chi2) = match form {
        Form::Table => (table, None),
        Form::Logistic => {
            let (curve, chi2) = logistic(&inserts).or_user_error().map_err(in_file)?;
            (curve, Some(chi2))
        }
    };
    let voxel_mm = seen.as_ref().map(|seen| seen.bq_ml.grid.voxel_cm3().cbrt() * 10.0).or(stated.voxel_mm);
    let one = one_width(stated.shape, &inserts, voxel_mm, &mut warnings);
    let (b1_ml, b2, covariance) = match &curve {
        Recovery::Logistic { b1_ml, b2, covariance } => (Some(*b1_ml), Some(*b2), Some(*covariance)),
        Recovery::Table(_) => (None, None, None),
    };
    let fitted = inserts.iter().map(|insert| curve.of(insert.volume_ml)).collect();
    let file = RecoveryFile {
        schema: 1,
        shape: stated.shape,
        curve: form,
        b1_ml,
        b2,
        covariance,
        curve_chi2,
        fwhm_mm: one.map(|(mm, _, _)| mm),
        fwhm_sigma_mm: one.map(|(_, sigma, _)| sigma),
        fwhm_chi2: one.map(|(_, _, chi2)| chi2),
        nuclide,
        window: stated.window,
        camera: stated.camera,
        collimator: stated.collimator,
        reconstruction: stated.reconstruction,
        phantom: stated.phantom,
        date: stated.date,
        who: stated.who,
        inserts: inserts
            .iter()
            .map(|insert| KeptInsert { volume_ml: insert.volume_ml, recovery: insert.recovery, sigma: insert.sigma })
            .collect(),
    };
    // what is written must be what is read
    RecoveryFile::parse(&kept::toml(&file)?, &name).or_user_error()?;
    Ok(RecoveryCalibrated { file, fitted, inputs, warnings })
}

/// The one width that explains spheres, its standard uncertainty and chi-square, without what the voxels of image and outline
/// blur; `None` where none explains them, which is told.
fn one_width(
    shape: Shape,
    inserts: &[Insert],
    voxel_mm: Option<f64>,
    warnings: &mut Vec<Note>,
) -> Option<(f64, f64, f64)> {
    if shape != Shape::Spheres {
        return None;
    }
    let mut none = |why: String| {
        let text = format!("no one FWHM is stated: {why}; recovery by volume holds");
        warnings.push(Note::warning("recovery-no-one-width", text));
        None
    };
    let (fwhm_mm, sigma_mm, chi2) = match width(inserts) {
        Ok(found) => found,
        Err(fault) => return none(fault.to_string()),
    };
    let free = inserts.len().saturating_sub(1);
    if free == 0 {
        return none("one insert tests nothing".to_owned());
    }
    let probability = ChiSquared::new(free as f64).map_or(0.0, |law| law.sf(chi2));
    if probability < EXPLAINS {
        return none(format!("the best, {fwhm_mm:.2} mm, has chi2 {chi2:.1} at {free} degrees of freedom"));
    }
    // outline and image are both means over voxels: together a box's d^2/6
    let voxels = voxel_mm.map_or(0.0, |d| FWHM_PER_SIGMA * d / 6f64.sqrt());
    let square = fwhm_mm * fwhm_mm - voxels * voxels;
    if square <= 0.0 {
        return none(format!("its {fwhm_mm:.2} mm are less than what voxels blur, {voxels:.2} mm"));
    }
    let own = square.sqrt();
    Some((own, sigma_mm * fwhm_mm / own, chi2))
}

/// Runs the request and writes its file.
///
/// Errors: those of [`calibrate_recovery`]; a file that exists, unless the request allows it.
pub fn run(request: &CalibrateRequest) -> Result<RecoveryCalibrated, Failure> {
    let claimed = OutputFiles::claim(&[&request.out], request.force, &guard::of_calibrate(request)).or_user_error()?;
    let done = calibrate_recovery(&request.description)?;
    let text = kept::with_sources(&kept::toml(&done.file)?, &done.inputs);
    claimed.write(&request.out, |file| file.write_all(text.as_bytes())).or_user_error()?;
    Ok(done)
}
