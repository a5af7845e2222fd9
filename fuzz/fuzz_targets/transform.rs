//! Transforms of ITK as text or HDF5, and displacement fields.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lutra::io::displacement::read_field;
use lutra::io::itk::read_transform;
use lutra_fuzz::{TEXT_BYTES, file, met};

fuzz_target!(|bytes: &[u8]| {
    let name = if bytes.starts_with(b"\x89HDF") { "a.h5" } else { "a.tfm" };
    met("transform", bytes.len(), TEXT_BYTES, || read_transform(file(name, bytes)));
    met("field", bytes.len(), TEXT_BYTES, || read_field(&file("a.nii", bytes)));
    met("field", bytes.len(), TEXT_BYTES, || read_field(&file("a.mha", bytes)));
});
