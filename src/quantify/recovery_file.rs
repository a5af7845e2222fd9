//! A recovery calibration as it is kept: what was measured, the curve through it, and the one width that explains it where
//! one does.

use super::calibration::{NEXT, Vouched};
use super::recovery::{self, Recovery};
use super::settings::{MadeWith, PhantomRecovery};
use crate::fault::{Fault, FaultKind};
use serde::{Deserialize, Serialize};

/// Shape of the inserts. A width follows from spheres alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// Spheres.
    Spheres,
    /// Organs, as in printed kidneys.
    Organs,
}

/// Form of the curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// R = 1/(1 + (b1/v)^b2).
    Logistic,
    /// The inserts themselves, straight in ln v.
    Table,
}

/// One insert as measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptInsert {
    /// Volume, mL.
    pub volume_ml: f64,
    /// Recovery.
    pub recovery: f64,
    /// Its standard uncertainty.
    pub sigma: f64,
}

/// The file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecoveryFile {
    /// 1.
    pub schema: u32,
    /// Shape of the inserts.
    pub shape: Shape,
    /// Form of the curve.
    pub curve: Form,
    /// Volume of half recovery, mL, of a logistic curve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub b1_ml: Option<f64>,
    /// Its steepness.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub b2: Option<f64>,
    /// Covariance of (ln b1, b2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub covariance: Option<[[f64; 2]; 2]>,
    /// Chi-square of the curve through the inserts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub curve_chi2: Option<f64>,
    /// The one FWHM that explains the inserts, mm, where one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fwhm_mm: Option<f64>,
    /// Its standard uncertainty, mm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fwhm_sigma_mm: Option<f64>,
    /// Chi-square of that width.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fwhm_chi2: Option<f64>,
    /// Nuclide.
    pub nuclide: String,
    /// Energy window, in words.
    pub window: String,
    /// Camera.
    pub camera: String,
    /// Collimator.
    pub collimator: String,
    /// Reconstruction.
    pub reconstruction: String,
    /// Phantom.
    pub phantom: String,
    /// Day of the measurement, as in 2024-03-31.
    pub date: String,
    /// Who measured it.
    pub who: String,
    /// The inserts.
    pub inserts: Vec<KeptInsert>,
}

impl RecoveryFile {
    /// A recovery calibration from TOML text; `file` names it in errors.
    ///
    /// Errors: a field that is missing, unknown, empty or out of range.
    pub fn parse(text: &str, file: &str) -> Result<Self, Fault> {
        let read: Self = super::calibration::from_toml(text, file)?;
        read.vouched().check(file)?;
        let invalid =
            |field: &str, found: String, allowed: &str| Err(Fault::invalid(file, field, found, allowed, NEXT));
        if read.schema != 1 {
            return invalid("schema", read.schema.to_string(), "1");
        }
        let width = [read.fwhm_mm, read.fwhm_sigma_mm];
        if width.iter().flatten().any(|mm| !(*mm > 0.0 && mm.is_finite())) || width[0].is_some() != width[1].is_some() {
            let found = format!("{:?} and {:?} mm", read.fwhm_mm, read.fwhm_sigma_mm);
            return invalid("fwhm_mm, fwhm_sigma_mm", found, "both above 0, or neither");
        }
        if read.curve == Form::Logistic {
            let positive = |value: Option<f64>| value.is_some_and(|v| v > 0.0 && v.is_finite());
            if !(positive(read.b1_ml) && positive(read.b2) && read.covariance.is_some()) {
                return invalid(
                    "b1_ml, b2, covariance",
                    "none, or not above 0".to_owned(),
                    "those of the logistic curve",
                );
            }
        }
        read.recovery(file)?;
        Ok(read)
    }

    /// What a person vouches for.
    pub(super) fn vouched(&self) -> Vouched<'_> {
        Vouched {
            nuclide: &self.nuclide,
            window: &self.window,
            camera: &self.camera,
            collimator: &self.collimator,
            reconstruction: &self.reconstruction,
            phantom: &self.phantom,
            date: &self.date,
            who: &self.who,
        }
    }

    /// Refuses images of another camera, collimator, reconstruction or nuclide; `file` names the calibration.
    ///
    /// Errors: the first that differs.
    pub fn must_fit(&self, made: &MadeWith, nuclide: &str, file: &str) -> Result<(), Fault> {
        let of_images = [nuclide, &made.camera, &made.collimator, &made.reconstruction];
        self.vouched().must_fit(of_images, file)
    }

    fn recovery(&self, file: &str) -> Result<Recovery, Fault> {
        let entries = self.inserts.iter().map(|insert| (insert.volume_ml, insert.recovery, insert.sigma)).collect();
        let table = Recovery::table(file, entries)?;
        match (self.curve, self.b1_ml, self.b2, self.covariance) {
            (Form::Logistic, Some(b1_ml), Some(b2), Some(covariance)) => {
                Ok(Recovery::Logistic { b1_ml, b2, covariance })
            }
            _ => Ok(table),
        }
    }

    /// What it says for a correction; `file` names it in errors.
    ///
    /// Errors: a recovery outside 0.05 to 1.2.
    pub fn phantom(&self, file: &str) -> Result<PhantomRecovery, Fault> {
        Ok(PhantomRecovery { recovery: self.recovery(file)?, fwhm: self.fwhm_mm.zip(self.fwhm_sigma_mm) })
    }
}

/// Recoveries from what was measured and what is known: R = (measured - B)/(true - B), B the background.
///
/// Errors: a true concentration that is not above the background; a recovery outside 0.05 to 1.2.
pub fn measured(place: &str, measured: f64, truth: f64, background: f64) -> Result<f64, Fault> {
    if !(truth > background && background >= 0.0 && truth.is_finite() && measured.is_finite()) {
        let found = format!("{truth} Bq/mL over {background} Bq/mL, {measured} Bq/mL measured");
        let next = "Correct the concentrations of insert and background, both at the time of the scan.";
        return Err(Fault::invalid(place, "true_bq_ml", found, "above the background, which is 0 or above", next)
            .kind(FaultKind::Mismatch));
    }
    let r = (measured - background) / (truth - background);
    recovery::check(place, r)?;
    Ok(r)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "schema = 1\nshape = \"spheres\"\ncurve = \"logistic\"\nb1_ml = 1.5\nb2 = 0.8\n\
        covariance = [[0.01, 0.0], [0.0, 0.01]]\nfwhm_mm = 9.0\nfwhm_sigma_mm = 0.2\nnuclide = \"lu177\"\n\
        window = \"208 keV\"\ncamera = \"A\"\ncollimator = \"MEGP\"\nreconstruction = \"OSEM\"\nphantom = \"NEMA\"\n\
        date = \"2024-03-31\"\nwho = \"M. Person\"\n\
        [[inserts]]\nvolume_ml = 1.5\nrecovery = 0.5\nsigma = 0.02\n";

    #[test]
    fn law_a_file_holds_the_curve_and_the_width() {
        let read = RecoveryFile::parse(GOOD, "R.toml").expect("a file");
        let phantom = read.phantom("R.toml").expect("a phantom");
        assert!((phantom.recovery.of(1.5) - 0.5).abs() < 1e-12 && phantom.fwhm == Some((9.0, 0.2)));
        let text = toml::to_string(&read).expect("TOML");
        assert_eq!(RecoveryFile::parse(&text, "R.toml"), Ok(read));
        let table = RecoveryFile::parse(&GOOD.replace("logistic", "table"), "R.toml").expect("a file");
        assert!((table.phantom("R.toml").expect("a table").recovery.of(7.0) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn alarm_files_that_say_too_little_or_too_much_are_refused() {
        for (from, to, field) in [
            ("2024-03-31", "?", "date"),
            ("recovery = 0.5", "recovery = 1.3", "recovery"),
            ("recovery = 0.5", "recovery = 0.04", "recovery"),
            ("b2 = 0.8\n", "", "b1_ml, b2"),
            ("fwhm_sigma_mm = 0.2\n", "", "fwhm_mm"),
            ("schema = 1", "schema = 2", "schema"),
            ("who =", "whom =", "TOML"),
        ] {
            let error = RecoveryFile::parse(&GOOD.replace(from, to), "R.toml").expect_err("refused").to_string();
            assert!(error.starts_with("R.toml: ") && error.contains(field), "{error}");
        }
        let read = RecoveryFile::parse(GOOD, "R.toml").expect("a file");
        let made = |camera: &str| MadeWith {
            camera: camera.to_owned(),
            collimator: "megp".to_owned(),
            reconstruction: "OSEM".to_owned(),
        };
        assert!(read.must_fit(&made("A"), "lu177", "R.toml").is_ok());
        assert!(read.must_fit(&made("B"), "lu177", "R.toml").expect_err("refused").to_string().contains("camera"));
        assert!(read.must_fit(&made("A"), "y90", "R.toml").expect_err("refused").to_string().contains("nuclide"));
        assert_eq!(measured("R", 6.0, 11.0, 1.0), Ok(0.5));
        for (seen, truth, background) in [(6.0, 1.0, 1.0), (6.0, 11.0, -1.0), (13.5, 11.0, 1.0), (1.2, 11.0, 1.0)] {
            assert!(measured("R", seen, truth, background).is_err());
        }
    }
}
