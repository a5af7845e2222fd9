//! Checkpoints and shards.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lutra::transport::batch_store::read_store;
use lutra_fuzz::{IMAGE_BYTES, met};

fuzz_target!(|bytes: &[u8]| met("checkpoint", bytes.len(), IMAGE_BYTES, || read_store(bytes)));
