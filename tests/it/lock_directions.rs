//! Who may use whom: the modules' floors, tested by reading `use crate::` and paths in the source.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Modules and what each may name through `crate::`. Order of the flow; nothing names a module further down but
/// through its own line.
const ALLOWED: &[(&str, &[&str])] = &[
    ("units", &[]),
    ("bounds", &["units"]),
    ("text", &[]),
    ("grid", &["units"]),
    ("cores", &[]),
    ("neighbourhood", &["grid"]),
    ("ct", &["grid", "units"]),
    ("decay", &["text", "units"]),
    ("materials", &["ct", "grid", "text", "units", "physics"]),
    ("source", &["bounds", "decay", "grid", "units"]),
    // the packed tables have the kernel's layout
    ("physics", &["kernel", "materials", "units"]),
    ("kernel", &[]),
    ("tally", &["cores", "units"]),
    ("transport", &["cores", "decay", "grid", "kernel", "materials", "neighbourhood", "physics", "tally", "units"]),
    ("dose", &["bounds", "cores", "grid", "materials", "neighbourhood", "tally", "units"]),
    ("bed", &[]),
    ("course", &["bed", "bounds", "grid", "source", "text", "units"]),
    ("report", &["dose", "grid", "units"]),
    ("io", &["bounds", "grid", "text", "units"]),
    // kernel files and reference volumes are what these two are about
    (
        "svalues",
        &[
            "bounds",
            "decay",
            "dose",
            "grid",
            "io",
            "kernel",
            "materials",
            "physics",
            "tally",
            "transport",
            "text",
            "units",
        ],
    ),
    (
        "validate",
        &["decay", "grid", "io", "kernel", "materials", "physics", "source", "svalues", "tally", "transport", "units"],
    ),
    ("demo", &["ct", "decay", "grid", "materials", "units"]),
];

/// Modules at the edge: they may name anything, and nobody names them.
const EDGES: &[&str] = &["cli", "main", "lib"];

/// Crates and their home; `|` stands between several.
const HOMES: &[(&str, &str)] = &[
    ("wgpu", "transport/gpu/"),
    ("clap", "cli/"),
    ("anyhow", "cli/"),
    ("indicatif", "cli/"),
    ("flate2", "io/|transport/batch_store.rs|validate/assets.rs|report/page/viewer.rs"),
    ("maud", "report/"),
    ("image", "report/"),
    ("same_file", "io/"),
];

fn sources(folder: &Path, out: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("the source folder is readable").map(|e| e.expect("entry").path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") && !is_test(&path) {
            out.push(path);
        }
    }
}

/// Whether a source holds nothing but tests: `tests.rs` and `tests_*.rs`, which `#[cfg(test)]` takes in.
fn is_test(path: &Path) -> bool {
    path.file_stem().and_then(|s| s.to_str()).is_some_and(|s| s == "tests" || s.starts_with("tests_"))
}

/// The lines of a source without comments and without its tests.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().take_while(|l| *l != "#[cfg(test)]").map(|l| l.split("//").next().unwrap_or_default())
}

/// Words that follow `prefix` in a line.
fn words_after<'t>(line: &'t str, prefix: &'t str) -> impl Iterator<Item = &'t str> {
    line.match_indices(prefix).filter_map(move |(at, _)| {
        let whole = at == 0 || !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
        let rest = &line[at + prefix.len()..];
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        (whole && end > 0).then(|| &rest[..end])
    })
}

/// Breaches of the rules in the source `text` at `path` (relative to src).
fn breaches(path: &str, text: &str, modules: &BTreeSet<&str>) -> Vec<String> {
    let module = path.split(['/', '.']).next().unwrap_or_default();
    let mut found = Vec::new();
    for line in code(text) {
        for used in words_after(line, "crate::") {
            let known = modules.contains(used);
            let allowed = used == module
                || EDGES.contains(&module)
                || ALLOWED.iter().any(|(m, may)| *m == module && may.contains(&used));
            if known && !allowed {
                found.push(format!("{path}: {module} may not use {used}"));
            }
        }
        if line.contains("crate::{") {
            found.push(format!("{path}: `crate::{{` hides what is used"));
        }
        for (name, home) in HOMES {
            let named = words_after(line, &format!("{name}::")).next().is_some()
                || line.trim_start().starts_with(&format!("use {name}"))
                    && !line.trim_start()[4 + name.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_');
            if named && !home.split('|').any(|h| path.starts_with(h)) {
                found.push(format!("{path}: {name} belongs to {home}"));
            }
        }
    }
    found
}

fn modules() -> BTreeSet<&'static str> {
    ALLOWED.iter().map(|(m, _)| *m).chain(EDGES.iter().copied()).collect()
}

#[test]
fn lock_modules_use_only_what_stands_below_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 40, "the walk finds the sources");
    let modules = modules();
    let mut found = Vec::new();
    for path in &files {
        let relative = path.strip_prefix(&root).expect("below src").to_string_lossy().replace('\\', "/");
        let module = relative.split(['/', '.']).next().unwrap_or_default().to_string();
        if !modules.contains(module.as_str()) {
            found.push(format!("{relative}: module {module} has no line in the table of this test"));
        }
        let text = std::fs::read_to_string(path).expect("a source is readable");
        found.extend(breaches(&relative, &text, &modules));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn alarm_a_forbidden_use_is_seen() {
    let modules = modules();
    for (path, text, message) in [
        ("physics/moller.rs", "use crate::transport::Scene;", "physics may not use transport"),
        ("physics/moller.rs", "let x = crate::grid::Volume::new();", "physics may not use grid"),
        ("dose/mod.rs", "use crate::transport::Engine;", "dose may not use transport"),
        ("transport/run.rs", "use crate::dose::DoseMap;", "transport may not use dose"),
        ("kernel/math.rs", "use crate::units::KEV;", "kernel may not use units"),
        ("bed/mod.rs", "use crate::course::Course;", "bed may not use course"),
        ("course/mod.rs", "use crate::io::nifti;", "course may not use io"),
        ("transport/cpu.rs", "use crate::cli::args;", "transport may not use cli"),
        ("transport/cpu.rs", "let d: wgpu::Device;", "wgpu belongs to transport/gpu/"),
        ("dose/mod.rs", "use clap::Parser;", "clap belongs to cli/"),
        ("dose/mod.rs", "use anyhow;", "anyhow belongs to cli/"),
        ("dose/mod.rs", "use crate::{grid, cli};", "hides what is used"),
    ] {
        let found = breaches(path, text, &modules);
        assert!(found.iter().any(|f| f.contains(message)), "{text} in {path}: {found:?}");
    }
    assert!(
        breaches("transport/gpu/mod.rs", "use wgpu::Device; use crate::tally::Ledger; // crate::cli", &modules)
            .is_empty()
    );
}
