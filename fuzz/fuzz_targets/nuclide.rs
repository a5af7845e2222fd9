//! Decay schemes, in TOML and in JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lutra::decay::Nuclide;
use lutra_fuzz::{TEXT_BYTES, file, met};

fuzz_target!(|bytes: &[u8]| {
    let name = if bytes.starts_with(b"{") { "a.json" } else { "a.toml" };
    met("nuclide", bytes.len(), TEXT_BYTES, || Nuclide::load(file(name, bytes)));
});
