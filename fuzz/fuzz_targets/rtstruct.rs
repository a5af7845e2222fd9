//! DICOM RT Structure Sets.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lutra::io::dicom::read_rtstruct;
use lutra_fuzz::{file, grid, met, of_dicom};

fuzz_target!(|bytes: &[u8]| {
    met("structures", bytes.len(), of_dicom(bytes), || read_rtstruct(file("a.dcm", bytes), &grid(), None));
});
