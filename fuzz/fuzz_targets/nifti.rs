//! NIfTI images, plain and packed, as CT, activity, labels and dose.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lutra::io::dicom::{ActivityOptions, DecayCorrection};
use lutra::io::{open_activity, open_ct, open_dose, open_labels};
use lutra_fuzz::{IMAGE_BYTES, file, grid, met};

fuzz_target!(|bytes: &[u8]| {
    let packed = bytes.starts_with(&[0x1f, 0x8b]);
    let place = file(if packed { "a.nii.gz" } else { "a.nii" }, bytes);
    let options = ActivityOptions {
        decay_correction: Some(DecayCorrection::None),
        half_life_h: Some(159.5),
        assume_bq_ml: true,
        ..ActivityOptions::default()
    };
    met("CT", bytes.len(), IMAGE_BYTES, || open_ct(&place));
    met("activity", bytes.len(), IMAGE_BYTES, || open_activity(&place, &options));
    met("labels", bytes.len(), IMAGE_BYTES, || open_labels(&place, &grid(), None));
    met("dose", bytes.len(), IMAGE_BYTES, || open_dose(&place));
});
