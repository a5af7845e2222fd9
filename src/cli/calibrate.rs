//! `lutra calibrate`: a phantom's scans or inserts to a calibration file.

use super::options::said;
use super::printer;
use crate::clinic::failure::Failure;
use crate::clinic::request::{CalibrateRequest, Phantom};
use crate::clinic::{calibrate, calibrate_recovery};
use crate::note::Note;
use crate::units::rounded;

/// Runs `lutra calibrate`.
pub(super) fn run(request: &CalibrateRequest) -> Result<(), Failure> {
    let warnings = match request.phantom {
        Phantom::Activity => activity(request)?,
        Phantom::Inserts => inserts(request)?,
    };
    for warning in &warnings {
        printer::warning(&said(&warning.sentence()));
    }
    printer::results("", &request.out);
    Ok(())
}

fn activity(request: &CalibrateRequest) -> Result<Vec<Note>, Failure> {
    let done = calibrate::run(request)?;
    printer::record(&serde_json::json!({
        "calibration": done.calibration, "scans": done.scans, "inputs": done.inputs, "notes": done.warnings,
    }))?;
    for scan in &done.scans {
        printer::data(&format!(
            "{}: {} MBq, {:.4e} net counts in {} s: {} cps/MBq\n",
            scan.file,
            rounded(scan.activity_mbq, 5),
            scan.counts - scan.background_counts,
            rounded(scan.live_s, 5),
            rounded(scan.cps_per_mbq, 5)
        ));
    }
    let found = &done.calibration;
    printer::data(&format!(
        "factor: {} cps/MBq, standard uncertainty {} %\n",
        rounded(found.factor_cps_per_mbq, 5),
        rounded(100.0 * found.relative_error, 2)
    ));
    Ok(done.warnings)
}

fn inserts(request: &CalibrateRequest) -> Result<Vec<Note>, Failure> {
    let done = calibrate_recovery::run(request)?;
    printer::record(&serde_json::json!({
        "recovery": done.file, "fitted": done.fitted, "inputs": done.inputs, "notes": done.warnings,
    }))?;
    for (insert, fitted) in done.file.inserts.iter().zip(&done.fitted) {
        printer::data(&format!(
            "{} mL: recovery {:.3} +- {:.3}, curve {fitted:.3}\n",
            rounded(insert.volume_ml, 4),
            insert.recovery,
            insert.sigma
        ));
    }
    if let Some((mm, sigma)) = done.file.fwhm_mm.zip(done.file.fwhm_sigma_mm) {
        printer::data(&format!("one FWHM explains them: {mm:.2} +- {sigma:.2} mm\n"));
    }
    Ok(done.warnings)
}
