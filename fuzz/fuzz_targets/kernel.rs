//! Tables of others: voxel kernels, S values of organs, tissues.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lutra::materials::tissues::read_tissues;
use lutra::svalues::kernel_file::read;
use lutra::svalues::organ::OrganTable;
use lutra_fuzz::{TEXT_BYTES, file, met};

fuzz_target!(|bytes: &[u8]| {
    for name in ["a.csv", "a.txt", "a.nii"] {
        met("kernel", bytes.len(), TEXT_BYTES, || read(file(name, bytes)));
    }
    met("S values", bytes.len(), TEXT_BYTES, || OrganTable::read(file("a.csv", bytes)));
    met("tissues", bytes.len(), TEXT_BYTES, || read_tissues(file("a.csv", bytes)));
});
