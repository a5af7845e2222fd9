//! SERIES.toml.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lutra::course::series::Series;

fuzz_target!(|bytes: &[u8]| lutra_fuzz::text("series", bytes, |text| Series::parse(text, "SERIES.toml")));
