//! Programs from elsewhere that judge what Lutra writes. A test that lacks one is skipped (`needs`).

use crate::needs::{self, Need};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Runs a program if it is there: whether it succeeded, and what it said.
pub fn run(program: &str, arguments: &[&str]) -> Option<(bool, String)> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
}

/// A Python that has pydicom, SimpleITK and numpy: `LUTRA_PYTHON`, else one with a virtual environment of its own that
/// is made here once and kept in the target folder.
pub fn python() -> Option<&'static str> {
    static FOUND: OnceLock<Result<String, String>> = OnceLock::new();
    let found = FOUND.get_or_init(find_python).as_deref();
    found.map_err(|why| needs::skip(Need::Readers, why)).ok()
}

fn has_readers(python: &str) -> bool {
    run(python, &["-c", "import pydicom, SimpleITK, numpy"]).is_some_and(|(success, _)| success)
}

fn find_python() -> Result<String, String> {
    if let Ok(own) = std::env::var("LUTRA_PYTHON") {
        return if has_readers(&own) { Ok(own) } else { Err(format!("{own} has no pydicom, SimpleITK and numpy")) };
    }
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("dicom-readers");
    let made = folder.join("bin/python").display().to_string();
    if has_readers(&made) {
        return Ok(made);
    }
    make_environment(&folder, &["pydicom", "SimpleITK", "numpy"])?;
    if has_readers(&made) { Ok(made) } else { Err(format!("{made} cannot import what it installed")) }
}

/// A Python that has SimpleITK, itk-elastix and numpy: `LUTRA_REGISTRARS`, else one with a virtual environment of its own that is
/// made here once and kept in the target folder.
pub fn registrars() -> Option<&'static str> {
    static FOUND: OnceLock<Result<String, String>> = OnceLock::new();
    let found = FOUND.get_or_init(find_registrars).as_deref();
    found.map_err(|why| needs::skip(Need::Readers, why)).ok()
}

fn find_registrars() -> Result<String, String> {
    // the class comes with itk-elastix and not with ITK
    let script = "import SimpleITK, numpy, itk; itk.ParameterObject";
    let has = |python: &str| run(python, &["-c", script]).is_some_and(|(success, _)| success);
    if let Ok(own) = std::env::var("LUTRA_REGISTRARS") {
        return if has(&own) { Ok(own) } else { Err(format!("{own} has no SimpleITK, itk-elastix and numpy")) };
    }
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("registrars");
    let made = folder.join("bin/python").display().to_string();
    if !has(&made) {
        make_environment(&folder, &["SimpleITK", "itk-elastix", "numpy"])?;
    }
    if has(&made) { Ok(made) } else { Err(format!("{made} cannot import what it installed")) }
}

/// A Python that has numpyro: `LUTRA_SAMPLER`, else one with a virtual environment of its own that is made here once and
/// kept in the target folder.
pub fn sampler() -> Option<&'static str> {
    static FOUND: OnceLock<Result<String, String>> = OnceLock::new();
    let found = FOUND.get_or_init(find_sampler).as_deref();
    found.map_err(|why| needs::skip(Need::Sampler, why)).ok()
}

fn find_sampler() -> Result<String, String> {
    let has = |python: &str| run(python, &["-c", "import numpyro"]).is_some_and(|(success, _)| success);
    if let Ok(own) = std::env::var("LUTRA_SAMPLER") {
        return if has(&own) { Ok(own) } else { Err(format!("{own} has no numpyro")) };
    }
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("sampler");
    let made = folder.join("bin/python").display().to_string();
    if !has(&made) {
        make_environment(&folder, &["numpyro"])?;
    }
    if has(&made) { Ok(made) } else { Err(format!("{made} cannot import what it installed")) }
}

/// Makes a virtual environment of Python with some packages in it.
fn make_environment(folder: &Path, packages: &[&str]) -> Result<(), String> {
    let place = folder.display().to_string();
    let python = folder.join("bin/python").display().to_string();
    let install = ["-m", "pip", "install", "--quiet", "--timeout", "30", "--retries", "4"];
    let steps: [(&str, Vec<&str>); 2] =
        [("python3", vec!["-m", "venv", "--clear", &place]), (&python, [&install[..], packages].concat())];
    for (program, arguments) in steps {
        match run(program, &arguments) {
            Some((true, _)) => {}
            Some((false, text)) => return Err(format!("{program} {}: {text}", arguments[..2].join(" "))),
            None => return Err(format!("{program} is not there")),
        }
    }
    Ok(())
}

/// Snakemake: `LUTRA_SNAKEMAKE`, else one of the versions in `tests/snakemake.txt` in a virtual environment of its own
/// that is made here once and kept in the target folder.
pub fn snakemake() -> Option<&'static str> {
    static FOUND: OnceLock<Result<String, String>> = OnceLock::new();
    let found = FOUND.get_or_init(find_snakemake).as_deref();
    found.map_err(|why| needs::skip(Need::Workflows, why)).ok()
}

fn find_snakemake() -> Result<String, String> {
    let works = |program: &str| run(program, &["--version"]).is_some_and(|(success, _)| success);
    if let Ok(own) = std::env::var("LUTRA_SNAKEMAKE") {
        return if works(&own) { Ok(own) } else { Err(format!("{own} --version fails")) };
    }
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("snakemake");
    let made = folder.join("bin/snakemake").display().to_string();
    if !works(&made) {
        let list = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snakemake.txt");
        make_environment(&folder, &["--requirement", list])?;
    }
    if works(&made) { Ok(made) } else { Err(format!("{made} does not start")) }
}

/// What `dciodvfy` says of an object; none where it is not installed.
pub fn dciodvfy(path: &Path) -> Option<String> {
    let found = run("dciodvfy", &["-new", &path.display().to_string()]);
    if found.is_none() {
        needs::skip(Need::Validator, "dciodvfy is not there (Debian: apt-get install dicom3tools)");
    }
    found.map(|(_, text)| text)
}

/// Asserts that the validator finds no error.
pub fn must_be_valid(path: &Path, kind: &str) {
    let Some(text) = dciodvfy(path) else { return };
    let errors: Vec<&str> = text.lines().filter(|line| line.contains("Error")).collect();
    assert!(text.contains(kind) && errors.is_empty(), "{}: {text}", path.display());
}
