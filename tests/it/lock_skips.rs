//! No test ends early in silence: what is missing is said, listed, and a failure where it is required.

use crate::needs::{self, Need};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Words that tell of a test which looks by itself for what it needs, or says by itself that it skips.
const OWN_WAYS: &[&str] = &["SKIPPED", "REQUIRE_", "LUTRA_SHARED", "../shared"];
/// Where they may stand: the helper, this test and the program's own use of the reference data.
const HOMES: &[&str] = &[
    "tests/needs/mod.rs",
    "tests/it/lock_skips.rs",
    "src/cli/validate.rs",
    "src/validate/r6_patient.rs",
    // tells the program where its reference data are, and looks for none
    "tests/it/cli_force.rs",
];
/// What ends a test early, and the calls before it that say so.
const ENDS: &[&str] = &["return;", "else { return }", "return Vec::new()"];

fn sources(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// Lines of code that skip in their own way.
fn breaches(name: &str, text: &str) -> Vec<String> {
    if HOMES.contains(&name) {
        return Vec::new();
    }
    let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    let found = (1..).zip(code).filter(|(_, line)| OWN_WAYS.iter().any(|word| line.contains(word)));
    found.map(|(number, line)| format!("{name}:{number}: {}", line.trim())).collect()
}

/// Ends of test functions before their last line, and the line before each.
fn early_ends(text: &str) -> Vec<(usize, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    let mut n = 0;
    while n < lines.len() {
        if lines[n].trim() != "#[test]" {
            n += 1;
            continue;
        }
        let indent = lines[n].len() - lines[n].trim_start().len();
        let last = format!("{}}}", " ".repeat(indent));
        while n < lines.len() && lines[n] != last {
            let code: String = lines[n].split('"').step_by(2).collect();
            if ENDS.iter().any(|end| code.contains(end)) {
                let from = n.saturating_sub(8);
                found.push((n + 1, lines[from..=n].join("\n")));
            }
            n += 1;
        }
    }
    found
}

/// Functions through which a test learns that it lacks something; each of them ends in `needs::skip`.
const WAYS: &[&str] = &[
    "needs::",
    "shared(",
    "case(",
    "twin(",
    "python()",
    "published()",
    "liver_ct()",
    "outside::sampler()",
    "outside::snakemake()",
    "Cluster::start()",
    "adapter::engine(",
    "compiled(",
    "registrars(",
    "changed_pass(",
    "worst_yield_difference(",
    "worst_against_schneider(",
];

#[test]
fn lock_tests_skip_through_one_helper() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["src", "tests", "xtask/src", "xtask/tests"] {
        sources(&root.join(folder), &mut files);
    }
    assert!(files.len() > 100, "the walk finds the sources");
    let mut found = Vec::new();
    let mut ends = 0;
    for path in &files {
        let name = path.strip_prefix(root).expect("below the root").to_string_lossy().replace('\\', "/");
        let text = std::fs::read_to_string(path).expect("a source is readable");
        found.extend(breaches(&name, &text));
        if name == "tests/it/lock_skips.rs" {
            continue;
        }
        for (number, before) in early_ends(&text) {
            ends += 1;
            if !WAYS.iter().any(|way| before.contains(way)) {
                found.push(format!("{name}:{number}: ends early and names no need"));
            }
        }
    }
    assert!(ends > 30, "the walk finds the tests that end early: {ends}");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn alarm_a_skip_of_its_own_kind_is_seen() {
    for line in [
        r#"println!("SKIPPED: no file");"#,
        r#"let root = std::env::var_os("LUTRA_SHARED");"#,
        r#"let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared");"#,
        r#"if std::env::var_os("REQUIRE_GPU").is_none() {}"#,
    ] {
        assert_eq!(breaches("tests/it/planted.rs", line).len(), 1, "{line}");
    }
    let silent = "#[test]\nfn law_planted() {\n    let Ok(text) = read() else { return };\n    check(text);\n}\n";
    let ends = early_ends(silent);
    assert!(ends.len() == 1 && !WAYS.iter().any(|way| ends[0].1.contains(way)), "{ends:?}");
}

/// This test program again, for one test that needs the reference data, where there are none.
fn without_shared(require: &str, list: &Path) -> Output {
    Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "io_dicom_shared::io_dicom_ct_equals_its_twin"])
        .env("LUTRA_SHARED", list.with_extension("nowhere"))
        .env("REQUIRE_SHARED", require)
        .env("LUTRA_SKIPPED", list)
        .output()
        .expect("it starts")
}

#[test]
fn lock_a_skipped_test_is_said_and_listed_or_fails() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let list = folder.path().join("skipped");
    let output = without_shared("0", &list);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.contains("SKIPPED: SHARED: "), "{said}");
    let listed = std::fs::read_to_string(&list).expect("the list");
    assert!(listed.starts_with("SHARED: ") && listed.ends_with("io_dicom_ct_equals_its_twin\n"), "{listed}");

    std::fs::remove_file(&list).expect("removed");
    let output = without_shared("1", &list);
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(!output.status.success() && said.contains("REQUIRE_SHARED=1 and "), "{said}");
    assert!(!list.exists(), "a failure is no skip");
}

#[test]
fn alarm_every_part_can_be_required() {
    for need in [Need::Gpu, Need::Browser, Need::Validator, Need::Readers, Need::Workflows, Need::Shared, Need::Linux] {
        let error = needs::tell(need, "it is gone", "a test", true, None).expect_err("required");
        assert_eq!(error, format!("REQUIRE_{}=1 and it is gone", need.name()));
    }
    let nowhere = Path::new("/nowhere/at/all");
    assert!(
        needs::tell(Need::Gpu, "it is gone", "a test", false, Some(nowhere)).is_err(),
        "a list that cannot be kept"
    );
}
