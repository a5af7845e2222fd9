//! Names of labels, in CSV, text and JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lutra::io::labels::LabelNames;
use lutra_fuzz::{TEXT_BYTES, file, met};

fuzz_target!(|bytes: &[u8]| {
    for name in ["a.csv", "a.json", "a.txt"] {
        met("names", bytes.len(), TEXT_BYTES, || LabelNames::read(file(name, bytes)));
    }
});
