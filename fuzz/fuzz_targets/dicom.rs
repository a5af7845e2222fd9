//! DICOM objects as CT, activity, labels, dose, and as `inspect` sees them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lutra::io::dicom::{ActivityOptions, DecayCorrection, inspect};
use lutra::io::{open_activity, open_ct, open_dose, open_labels};
use lutra_fuzz::{file, grid, met, of_dicom};

fuzz_target!(|bytes: &[u8]| {
    let (place, size, most) = (file("a.dcm", bytes), bytes.len(), of_dicom(bytes));
    let options = ActivityOptions {
        decay_correction: Some(DecayCorrection::None),
        half_life_h: Some(159.5),
        assume_bq_ml: true,
        ..ActivityOptions::default()
    };
    met("CT", size, most, || open_ct(&place));
    met("activity", size, most, || open_activity(&place, &options));
    met("labels", size, most, || open_labels(&place, &grid(), None));
    met("dose", size, most, || open_dose(&place));
    met("inspection", size, most, || inspect(&place, &options));
});
