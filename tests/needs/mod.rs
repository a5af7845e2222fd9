//! What tests need from outside the checkout: the only way for a test to end early.
//!
//! A test that lacks a part says SKIPPED and why on stderr, past the harness, and adds a line to the file that
//! `LUTRA_SKIPPED` names, from which `./test` makes its closing list. `REQUIRE_<PART>=1` makes the lack a failure.

// each test program uses its own part of this file
#![allow(dead_code)]

use std::io::Write;
use std::path::{Path, PathBuf};

/// A part that a machine may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// An adapter that the kernel can run on.
    Gpu,
    /// RADV, whose compiler shows what real graphics chips run.
    Chips,
    /// Chromium with node and the packages of tests/browser.
    Browser,
    /// dciodvfy, the validator of DICOM objects.
    Validator,
    /// A Python with pydicom, SimpleITK and numpy.
    Readers,
    /// A Python with numpyro, a sampler of posteriors.
    Sampler,
    /// Slurm, Snakemake.
    Workflows,
    /// The reference data beside the checkout: `LUTRA_SHARED`, else `../shared`.
    Shared,
    /// A Linux machine, with a POSIX shell and a limit of the address space.
    Linux,
}

impl Need {
    /// The name as in `REQUIRE_<PART>`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gpu => "GPU",
            Self::Chips => "CHIPS",
            Self::Browser => "BROWSER",
            Self::Validator => "VALIDATOR",
            Self::Readers => "READERS",
            Self::Sampler => "SAMPLER",
            Self::Workflows => "WORKFLOWS",
            Self::Shared => "SHARED",
            Self::Linux => "LINUX",
        }
    }
}

/// Says that this test, or a part of it, does not run. Panics where the part is required.
pub fn skip(need: Need, why: &str) {
    let required = std::env::var(format!("REQUIRE_{}", need.name())).as_deref() == Ok("1");
    let list = std::env::var_os("LUTRA_SKIPPED").filter(|list| !list.is_empty()).map(PathBuf::from);
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    if let Err(text) = tell(need, why, &test, required, list.as_deref()) {
        panic!("{text}");
    }
}

/// Tells of a lack; the error is what a required part fails with.
pub fn tell(need: Need, why: &str, test: &str, required: bool, list: Option<&Path>) -> Result<(), String> {
    if required {
        return Err(format!("REQUIRE_{}=1 and {why}", need.name()));
    }
    let line = format!("{}: {}: {test}\n", need.name(), why.trim().replace('\n', " "));
    if let Some(list) = list {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(list);
        // one write a line: tests append at the same time
        let written = file.and_then(|mut file| file.write_all(line.as_bytes()));
        written.map_err(|e| format!("LUTRA_SKIPPED: {}: {e}", list.display()))?;
    }
    // not eprint: the harness swallows it where the test passes
    std::io::stderr().write_all(format!("SKIPPED: {line}").as_bytes()).map_err(|e| format!("stderr: {e}"))
}

/// A path below the folder of reference data; without it the test is skipped.
pub fn shared(below: &str) -> Option<PathBuf> {
    let root = std::env::var_os("LUTRA_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let path = root.join(below);
    if path.exists() {
        return Some(path);
    }
    skip(Need::Shared, &format!("{} is not there", path.display()));
    None
}

/// Whether this is Linux; elsewhere the test is skipped.
pub fn linux(why: &str) -> bool {
    if !cfg!(target_os = "linux") {
        skip(Need::Linux, why);
    }
    cfg!(target_os = "linux")
}
