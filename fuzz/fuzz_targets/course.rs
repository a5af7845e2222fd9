//! COURSE.toml.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lutra::course::file::Course;

fuzz_target!(|bytes: &[u8]| lutra_fuzz::text("course", bytes, |text| Course::parse(text, "COURSE.toml")));
