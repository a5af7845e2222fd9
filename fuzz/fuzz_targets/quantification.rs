//! Calibrations, recovery curves, and a population's kinetics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lutra::kinetics::Prior;
use lutra::quantify::calibration::Calibration;
use lutra::quantify::recovery_file::RecoveryFile;
use lutra_fuzz::text;

fuzz_target!(|bytes: &[u8]| {
    text("calibration", bytes, |text| Calibration::parse(text, "calibration.toml"));
    text("recovery", bytes, |text| RecoveryFile::parse(text, "recovery.toml"));
    text("prior", bytes, |text| Prior::parse(text, "prior.toml", |name| (name == "lu177").then_some(159.5)));
});
