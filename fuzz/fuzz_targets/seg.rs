//! DICOM Segmentations.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lutra::io::dicom::read_seg;
use lutra_fuzz::{file, grid, met, of_dicom};

fuzz_target!(|bytes: &[u8]| {
    met("segments", bytes.len(), of_dicom(bytes), || read_seg(file("a.dcm", bytes), &grid(), None));
});
