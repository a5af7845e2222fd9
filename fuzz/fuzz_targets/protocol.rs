//! Protocols of treatment.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lutra::course::protocol::Protocol;

fuzz_target!(|bytes: &[u8]| lutra_fuzz::text("protocol", bytes, |text| Protocol::parse(text, "protocol.toml")));
