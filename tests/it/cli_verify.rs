//! The installation test, whole, as a site runs it; and what it refuses.

use lutra::clinic::verify::{CheckVerdict, Group, Record};
use std::path::Path;
use std::process::{Command, Output};

fn lutra(folder: &Path, words: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lutra"))
        .args(words.split(' '))
        .current_dir(folder)
        .output()
        .expect("the program starts")
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The quick physics alone takes half a minute of two cores: one run, and what follows is read from its record.
#[test]
fn cli_verify_passes_here_and_leaves_one_page_and_one_record() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let output = lutra(folder.path(), "verify --out site --engine cpu");
    assert!(output.status.success(), "{}", told(&output));
    let mut names: Vec<String> = std::fs::read_dir(folder.path().join("site"))
        .expect("written")
        .map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert_eq!(names, ["lutra.sha256", "parity.json", "verify.html", "verify.json"], "made inputs are gone");
    let text = std::fs::read_to_string(folder.path().join("site/verify.json")).expect("written");
    let record: Record = serde_json::from_str(&text).expect("a record");
    assert!(record.passes && record.changes.is_none() && record.faults().is_empty());
    assert!(record.program_sha256.as_ref().is_some_and(|sha256| sha256.len() == 64));
    for group in Group::ALL {
        assert!(record.checks.iter().any(|check| check.group == group), "{group:?} is not checked");
    }
    let mut names: Vec<_> = record.checks.iter().map(|check| (check.group, &check.name)).collect();
    let all = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), all, "a name stands once a group");
    // what the full validation has as open, or within its error of the limit; nothing else is
    let open = record.checks.iter().filter(|check| check.verdict == CheckVerdict::Open);
    for check in open {
        let known = ["R1 100 keV: R50", "R1 100 keV: R99", "R1 200 keV: R99"];
        assert!(known.iter().any(|row| check.name.starts_with(row)), "{} is open", check.name);
    }
    let page = std::fs::read_to_string(folder.path().join("site/verify.html")).expect("written");
    assert!(page.contains("This installation works as released"));
    let place = folder.path().to_string_lossy().into_owned();
    assert!(!text.contains(&place) && !page.contains(&place), "the place of the made inputs is nobody's business");
}

#[test]
fn cli_verify_refuses_by_name_and_leaves_nothing() {
    let folder = tempfile::tempdir().expect("temporary folder");
    std::fs::write(folder.path().join("run.json"), "{\"schema\": 1, \"seed\": 177}").expect("written");
    for (words, says) in [
        ("verify --out x --against gone.json", "gone.json"),
        ("verify --out x --against run.json", "verify.json"),
        ("verify --out x --engine abacus", "--engine"),
    ] {
        let output = lutra(folder.path(), words);
        assert_eq!(output.status.code(), Some(2), "{words}: {}", told(&output));
        assert!(told(&output).contains(says), "{words}: {}", told(&output));
        assert!(!folder.path().join("x").exists(), "{words} leaves something");
    }
}
