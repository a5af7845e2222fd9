//! `docs/glossary.md` names terms, columns and fields; the files and the terminal have them, and none of the words that they
//! stand in place of.

use crate::patient::{lutra, patient, series, stderr, stdout, write};
use std::path::Path;

/// Words that a term of the glossary stands in place of.
const INSTEAD: [&str; 8] = [
    "steering organ",
    "common to all",
    "Chance to",
    "rising tail",
    "untagged",
    "invalid digit",
    "choose a model with fewer parameters",
    "σ budget",
];

/// The words in backquotes of a cell, in their order.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// Fields and the files that hold them, as the last column of the glossary states them.
fn fields(glossary: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for row in glossary.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| term")) {
        let place = row.trim_end_matches('|').rsplit('|').next().expect("a last column");
        let mut field = None;
        for word in quoted(place) {
            let is_file = [".csv", ".json", ".txt", ".toml"].iter().any(|end| word.ends_with(end));
            match (is_file, field) {
                (false, _) => field = Some(word),
                (true, Some(field)) if !word.ends_with(".toml") => found.push((field.to_owned(), word.to_owned())),
                (true, _) => {}
            }
        }
        for word in quoted(place).into_iter().filter(|word| word.contains('(')) {
            found.push((word.to_owned(), "the terminal".to_owned()));
        }
    }
    found
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn law_files_and_terminal_use_the_terms_of_the_glossary() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let at = folder.path();
    patient(at);
    write(at, "SERIES.toml", &series(&[4.0, 24.0, 96.0, 168.0]));
    write(
        at,
        "COURSE.toml",
        "schema = 1\nprotocol = \"iluminet\"\nct = \"ct.nii\"\n[[cycles]]\ndate = 2024-01-15\nadministered_mbq = 7400\n\
         series = \"SERIES.toml\"\n",
    );
    let mut said = String::new();
    for line in [
        "tia SERIES.toml --out tia",
        "course COURSE.toml --out course --engine cpu --histories 4000",
        "dose --ct ct.nii --labels labels.nii --label-names names.csv --activity tia/decays.nii.gz --activity-unit decays \
         --administered-mbq 7400 --engine cpu --histories 4000 --out dose",
    ] {
        let output = lutra(at, &line.split_whitespace().collect::<Vec<_>>());
        assert!(output.status.success(), "{line}: {}", stderr(&output));
        said += &(stdout(&output) + &stderr(&output));
    }
    let file = |name: &str| match name {
        "the terminal" => said.clone(),
        "regions.csv" | "tia.json" => read(&at.join("tia").join(name)),
        "organs.csv" => read(&at.join("dose").join(name)),
        _ => read(&at.join("course").join(name)),
    };
    let glossary = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/glossary.md"));
    let fields = fields(&glossary);
    assert!(fields.len() > 25, "{fields:?}");
    for (field, name) in fields {
        assert!(file(&name).contains(&field), "{field} is not in {name}");
    }
    for term in ["Probability above the window", "standard uncertainty (k = 1)", "independent", "correlated"] {
        assert!(file("verdict.txt").contains(term), "{term}: {}", file("verdict.txt"));
    }
    let page = read(&at.join("course/report.html"));
    for term in ["dose-limiting organ", "Absorbed dose coefficient", "Probability of lying above the window", "T_eff"] {
        assert!(page.contains(term), "{term}");
    }
    for word in INSTEAD {
        for (place, text) in [("terminal", &said), ("report", &page), ("verdict.txt", &file("verdict.txt"))] {
            assert!(!text.contains(word), "{place}: {word}");
        }
    }
}
