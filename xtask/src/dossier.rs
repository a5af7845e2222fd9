//! `cargo xtask dossier`: writes `docs/dossier/traceability.md` from `docs/dossier/requirements.toml` and the sources: hazard ->
//! requirement -> code -> test -> last result. With `--results LOG --of WORDS` it first takes the results of the named tests
//! from what `cargo test` printed into `docs/dossier/results.csv`; WORDS say of which run.
//!
//! Nothing is an orphan: a hazard without requirement, a requirement without hazard, code or test, a name that is none or
//! stands for two tests end the task, and a test of it. The page is committed, and a test fails when it is stale.

use crate::subset::repository;
use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

const FOLDER: &str = "docs/dossier";
const PAGE: &str = "docs/dossier/traceability.md";
const REQUIREMENTS: &str = "docs/dossier/requirements.toml";
const RESULTS: &str = "docs/dossier/results.csv";
/// Where tests stand.
const SOURCES: [&str; 4] = ["src", "tests", "xtask", "python/tests"];

/// How bad it is if nobody notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Severity {
    Serious,
    Critical,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Hazard {
    id: String,
    title: String,
    harm: String,
    severity: Severity,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Requirement {
    id: String,
    text: String,
    hazards: Vec<String>,
    code: Vec<String>,
    tests: Vec<String>,
}

/// The data file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Book {
    hazards: Vec<Hazard>,
    requirements: Vec<Requirement>,
}

/// Names of tests and the files that hold them.
type Tests = BTreeMap<String, Vec<String>>;

/// Results by test, and of which run.
#[derive(Clone, Debug, Default)]
struct Results {
    of: String,
    by_test: BTreeMap<String, String>,
}

/// Runs the task.
pub fn run(arguments: &[String]) -> Result<()> {
    let root = repository()?;
    let book = book(&fs::read_to_string(root.join(REQUIREMENTS))?)?;
    match arguments {
        [] => {}
        [results, log, of, words] if results == "--results" && of == "--of" => {
            let log = fs::read_to_string(log).with_context(|| format!("cannot read {log}"))?;
            fs::write(root.join(RESULTS), results_table(&book, &log, words)?)?;
        }
        _ => bail!("usage: cargo xtask dossier [--results LOG --of WORDS]"),
    }
    let tests = tests(&root)?;
    let faults = orphans(&book, &tests, &|path| root.join(path).is_file());
    if !faults.is_empty() {
        bail!("{}", faults.join("\n"));
    }
    fs::write(root.join(PAGE), page(&book, &tests, &results(&root)?))?;
    crate::parts::write(&root)?;
    println!("{FOLDER}: {} hazards, {} requirements", book.hazards.len(), book.requirements.len());
    Ok(())
}

fn book(text: &str) -> Result<Book> {
    toml::from_str(text).with_context(|| format!("{REQUIREMENTS} is not as it should be"))
}

fn results(root: &Path) -> Result<Results> {
    read_results(&fs::read_to_string(root.join(RESULTS)).unwrap_or_default())
}

/// Results from their table: a first line `# of WORDS`, a head, `test,result`.
fn read_results(text: &str) -> Result<Results> {
    let mut results = Results::default();
    for line in text.lines().filter(|line| *line != "test,result") {
        match (line.strip_prefix("# of "), line.split_once(',')) {
            (Some(of), _) => results.of = of.to_owned(),
            (None, Some((test, result))) => {
                results.by_test.insert(test.to_owned(), result.to_owned());
            }
            (None, None) => bail!("{RESULTS}: found {line:?}; allowed: test,result"),
        }
    }
    Ok(results)
}

/// The results of the named tests in what `cargo test` printed.
fn results_table(book: &Book, log: &str, of: &str) -> Result<String> {
    let named: BTreeSet<&str> = book.requirements.iter().flat_map(|r| &r.tests).map(String::as_str).collect();
    let mut found = BTreeMap::new();
    for line in log.lines() {
        let Some((path, result)) = line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... ")) else {
            continue;
        };
        let name = path.rsplit("::").next().unwrap_or(path);
        let result = match result.trim() {
            "ok" => "passed",
            "FAILED" => "FAILED",
            other if other.starts_with("ignored") => "not run",
            _ => continue,
        };
        if named.contains(name) {
            found.insert(name, result);
        }
    }
    if found.is_empty() {
        bail!("no result of a named test in the log: lines like `test a::b ... ok` are wanted");
    }
    let mut text = format!("# of {of}\ntest,result\n");
    found.iter().for_each(|(name, result)| text.push_str(&format!("{name},{result}\n")));
    Ok(text)
}

/// Every test of the sources, by name.
fn tests(root: &Path) -> Result<Tests> {
    let mut tests = Tests::new();
    let mut files = Vec::new();
    for folder in SOURCES {
        collect(&root.join(folder), &mut files)?;
    }
    for file in files {
        let text = fs::read_to_string(&file)?;
        let place = file.strip_prefix(root)?.to_string_lossy().replace('\\', "/");
        for name in names(&text, file.extension().is_some_and(|e| e == "py")) {
            tests.entry(name).or_default().push(place.clone());
        }
    }
    Ok(tests)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() && !path.ends_with("node_modules") {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|e| e == "rs" || e == "py") {
            files.push(path);
        }
    }
    files.sort();
    Ok(())
}

/// Names of the tests in a source: functions under `#[test]`, with other attributes between; in Python, `def test_...`. A
/// body that two engines share (`engine_contract!`) is a test where it is called.
fn names(text: &str, python: bool) -> Vec<String> {
    let name_of = |line: &str, word: &str| {
        let rest = line.trim_start().strip_prefix(word)?;
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        Some(rest[..end].to_owned())
    };
    if python {
        return text.lines().filter_map(|line| name_of(line, "def test_")).map(|name| format!("test_{name}")).collect();
    }
    let mut marked = false;
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        if line == "#[test]" {
            marked = true;
        } else if marked && !line.starts_with("#[") && !line.starts_with("//") {
            found.extend(name_of(line, "fn "));
            marked = false;
        }
    }
    found
}

/// What hangs loose: hazards without requirement, requirements without hazard, code or test, names that are none.
fn orphans(book: &Book, tests: &Tests, is_file: &dyn Fn(&str) -> bool) -> Vec<String> {
    let mut faults = twice("hazard", book.hazards.iter().map(|hazard| &hazard.id));
    faults.extend(twice("requirement", book.requirements.iter().map(|requirement| &requirement.id)));
    let met: BTreeSet<&String> = book.requirements.iter().flat_map(|requirement| &requirement.hazards).collect();
    let known: BTreeSet<&String> = book.hazards.iter().map(|hazard| &hazard.id).collect();
    let lone = book.hazards.iter().filter(|hazard| !met.contains(&hazard.id));
    faults.extend(lone.map(|hazard| format!("{}: no requirement meets this hazard", hazard.id)));
    for requirement in &book.requirements {
        let id = &requirement.id;
        for (what, list) in
            [("hazard", &requirement.hazards), ("code", &requirement.code), ("test", &requirement.tests)]
        {
            if list.is_empty() {
                faults.push(format!("{id}: no {what}"));
            }
        }
        let unknown = requirement.hazards.iter().filter(|hazard| !known.contains(hazard));
        faults.extend(unknown.map(|hazard| format!("{id}: {hazard} is no hazard")));
        let gone = requirement.code.iter().filter(|path| !is_file(path));
        faults.extend(gone.map(|path| format!("{id}: {path} is no file")));
        for test in &requirement.tests {
            match tests.get(test).map_or(0, Vec::len) {
                0 => faults.push(format!("{id}: {test} is no test")),
                1 => {}
                several => faults.push(format!("{id}: {test} is the name of {several} tests")),
            }
        }
    }
    faults
}

fn twice<'a>(what: &str, ids: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    ids.filter(|id| !seen.insert(*id)).map(|id| format!("{id}: this {what} stands twice")).collect()
}

/// The page.
fn page(book: &Book, tests: &Tests, results: &Results) -> String {
    let mut text = String::from(
        "# Hazards, requirements, tests\n\n\
         Written by `cargo xtask dossier` from `docs/dossier/requirements.toml` and the sources; do not edit by hand. \
         [What it is and how to read it](index.md).\n\n",
    );
    let named: BTreeSet<&String> = book.requirements.iter().flat_map(|requirement| &requirement.tests).collect();
    let count = |word: &str| named.iter().filter(|test| results.by_test.get(**test).is_some_and(|r| r == word)).count();
    let (passed, failed) = (count("passed"), count("FAILED"));
    let of = if results.of.is_empty() { "no run is recorded".to_owned() } else { results.of.clone() };
    let alarms = named.iter().filter(|test| test.starts_with("alarm_")).count();
    let _ = writeln!(
        text,
        "{} hazards, {} requirements, {} tests, {alarms} of them alarms (a planted fault must make them ring). Last results: \
         {passed} passed, {failed} failed, {} not in the record ({of}).\n\n## Hazards\n",
        book.hazards.len(),
        book.requirements.len(),
        named.len(),
        named.len() - passed - failed,
    );
    text.push_str("| hazard | what it is | harm | severity | met by |\n|---|---|---|---|---|\n");
    for hazard in &book.hazards {
        let met = book.requirements.iter().filter(|r| r.hazards.contains(&hazard.id)).map(|r| link(&r.id));
        let severity = match hazard.severity {
            Severity::Serious => "serious",
            Severity::Critical => "critical",
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {severity} | {} |",
            hazard.id,
            hazard.title,
            hazard.harm,
            met.collect::<Vec<_>>().join(", ")
        );
    }
    text.push_str("\n## Requirements\n");
    for requirement in &book.requirements {
        let code: Vec<String> = requirement.code.iter().map(|path| format!("`{path}`")).collect();
        let _ = write!(
            text,
            "\n### {}\n\n{}\n\nAgainst: {}. In: {}.\n\n| test | where | last result |\n|---|---|---|\n",
            requirement.id,
            requirement.text,
            requirement.hazards.join(", "),
            code.join(", ")
        );
        for test in &requirement.tests {
            let place = tests.get(test).and_then(|places| places.first()).map_or("", String::as_str);
            let result = results.by_test.get(test).map_or("not in the record", String::as_str);
            let _ = writeln!(text, "| `{test}` | `{place}` | {result} |");
        }
    }
    text
}

/// A link to a requirement on the page.
fn link(id: &str) -> String {
    format!("[{id}](#{})", id.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Book {
        book(
            "[[hazards]]\nid = \"H-1\"\ntitle = \"t\"\nharm = \"h\"\nseverity = \"critical\"\n\
             [[requirements]]\nid = \"R-1\"\ntext = \"x\"\nhazards = [\"H-1\"]\ncode = [\"a.rs\"]\ntests = [\"law_a\"]\n",
        )
        .unwrap()
    }

    fn known() -> Tests {
        Tests::from([("law_a".to_owned(), vec!["a.rs".to_owned()])])
    }

    fn loose(change: impl Fn(&mut Book)) -> Vec<String> {
        let mut book = small();
        change(&mut book);
        orphans(&book, &known(), &|path| path == "a.rs")
    }

    #[test]
    fn lock_the_dossier_has_no_orphan_and_its_page_is_current() {
        let root = repository().unwrap();
        let book = book(&fs::read_to_string(root.join(REQUIREMENTS)).unwrap()).unwrap();
        let tests = tests(&root).unwrap();
        assert!(tests.len() > 700, "{} tests: the search finds nothing", tests.len());
        let faults = orphans(&book, &tests, &|path| root.join(path).is_file());
        assert!(faults.is_empty(), "{}", faults.join("\n"));
        let results = results(&root).unwrap();
        let failed: Vec<_> = results.by_test.iter().filter(|(_, result)| *result == "FAILED").collect();
        assert!(failed.is_empty(), "{RESULTS} records failures: {failed:?}");
        let committed = fs::read_to_string(root.join(PAGE)).unwrap_or_default();
        assert!(committed == page(&book, &tests, &results), "{PAGE} is stale: run `cargo xtask dossier` and commit");
    }

    #[test]
    fn alarm_every_kind_of_orphan_rings() {
        assert_eq!(loose(|_| {}), [""; 0]);
        for (found, says) in [
            (loose(|b| b.requirements[0].tests.clear()), "R-1: no test"),
            (loose(|b| b.requirements[0].code.clear()), "R-1: no code"),
            (loose(|b| b.requirements[0].tests.push("law_planted".to_owned())), "R-1: law_planted is no test"),
            (loose(|b| b.requirements[0].code.push("gone.rs".to_owned())), "R-1: gone.rs is no file"),
            (loose(|b| b.requirements[0].hazards.push("H-9".to_owned())), "R-1: H-9 is no hazard"),
            (loose(|b| b.requirements.clear()), "H-1: no requirement meets this hazard"),
            (loose(|b| b.hazards.push(b.hazards[0].clone())), "H-1: this hazard stands twice"),
            (loose(|b| b.requirements.push(b.requirements[0].clone())), "R-1: this requirement stands twice"),
        ] {
            assert_eq!(found, [says]);
        }
        let two = Tests::from([("law_a".to_owned(), vec!["a.rs".to_owned(), "b.rs".to_owned()])]);
        assert_eq!(orphans(&small(), &two, &|_| true), ["R-1: law_a is the name of 2 tests"]);
        let bare = loose(|b| b.requirements[0].hazards.clear());
        assert_eq!(bare, ["H-1: no requirement meets this hazard", "R-1: no hazard"]);
    }

    #[test]
    fn law_tests_are_functions_that_are_marked() {
        let text = "#[test]\n#[cfg(unix)]\n/// doc\nfn law_a() {}\nfn law_helper() {}\n#[test]\nfn io_b(\n";
        assert_eq!(names(text, false), ["law_a", "io_b"]);
        assert_eq!(names("def test_x(a):\n    def helper(): pass\n", true), ["test_x"]);
    }

    #[test]
    fn law_results_come_from_a_log_and_a_failure_is_kept() {
        let log = "running 3 tests\ntest a::b::law_a ... FAILED\ntest other ... ok\ntest x ... bench\n";
        let table = results_table(&small(), log, "0.1.0, a Monday").unwrap();
        assert_eq!(table, "# of 0.1.0, a Monday\ntest,result\nlaw_a,FAILED\n");
        let results = read_results(&table).unwrap();
        let text = page(&small(), &known(), &results);
        assert!(text.contains("0 passed, 1 failed, 0 not in the record (0.1.0, a Monday)"), "{text}");
        assert!(text.contains("| `law_a` | `a.rs` | FAILED |") && text.contains("[R-1](#r-1)"), "{text}");
        assert!(results_table(&small(), "nothing", "x").is_err() && read_results("nonsense").is_err());
        let none = page(&small(), &known(), &Results::default());
        assert!(none.contains("1 not in the record (no run is recorded)"), "{none}");
    }
}
