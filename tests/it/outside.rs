//! Programs from elsewhere that judge what Lutra writes. A test that lacks one prints SKIPPED and why.

use std::path::PathBuf;
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
    static FOUND: OnceLock<Option<String>> = OnceLock::new();
    FOUND.get_or_init(|| find_python().map_err(|why| println!("SKIPPED: {why}")).ok()).as_deref()
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
    let place = folder.display().to_string();
    let steps: [(&str, &[&str]); 2] = [
        ("python3", &["-m", "venv", "--clear", &place]),
        (
            &made,
            &["-m", "pip", "install", "--quiet", "--timeout", "20", "--retries", "1", "pydicom", "SimpleITK", "numpy"],
        ),
    ];
    for (program, arguments) in steps {
        match run(program, arguments) {
            Some((true, _)) => {}
            Some((false, text)) => return Err(format!("{program} {}: {text}", arguments[..2].join(" "))),
            None => return Err(format!("{program} is not there")),
        }
    }
    if has_readers(&made) { Ok(made) } else { Err(format!("{made} cannot import what it installed")) }
}

/// What `dciodvfy` says of an object; none where it is not installed.
pub fn dciodvfy(path: &std::path::Path) -> Option<String> {
    let found = run("dciodvfy", &["-new", &path.display().to_string()]);
    if found.is_none() {
        println!("SKIPPED: dciodvfy is not there (Debian: apt-get install dicom3tools)");
    }
    found.map(|(_, text)| text)
}

/// Asserts that the validator finds no error.
pub fn must_be_valid(path: &std::path::Path, kind: &str) {
    let Some(text) = dciodvfy(path) else { return };
    let errors: Vec<&str> = text.lines().filter(|line| line.contains("Error")).collect();
    assert!(text.contains(kind) && errors.is_empty(), "{}: {text}", path.display());
}
