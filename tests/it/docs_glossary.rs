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

/// The words in backquotes of a text, in their order.
fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Where a term stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Terminal,
    Report,
    File(String),
}

/// The words of each term and their places, as the last column of the glossary states them: "`words` on the terminal; `words` in
/// the report; `fields` in `files`".
fn stated(glossary: &str) -> Vec<(String, Place)> {
    let mut found = Vec::new();
    for row in glossary.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| term")) {
        let cell = row.trim_end_matches('|').rsplit('|').next().expect("a last column").trim();
        for part in cell.split("; ") {
            let (words, places) =
                match part.rsplit_once(" on the terminal").or_else(|| part.rsplit_once(" in the report")) {
                    Some((words, "")) if part.ends_with("terminal") => (words, vec![Place::Terminal]),
                    Some((words, "")) => (words, vec![Place::Report]),
                    _ => {
                        let (fields, files) = part.split_once(" in `").unwrap_or_else(|| panic!("{part}: where?"));
                        (fields, quoted(&format!("`{files}")).into_iter().map(Place::File).collect())
                    }
                };
            assert!(!quoted(words).is_empty(), "{part}: what?");
            for word in quoted(words) {
                found.extend(places.iter().map(|place| (word.clone(), place.clone())));
            }
        }
    }
    found
}

/// The text that a reader of a page sees.
fn seen(page: &str) -> String {
    let body = page.split("<body").nth(1).unwrap_or(page);
    let pieces = body.split('<').map(|piece| piece.split_once('>').map_or("", |(_, text)| text));
    pieces.collect::<Vec<_>>().join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a file has a column or a field of this name.
fn holds(name: &str, text: &str, field: &str) -> bool {
    match name.rsplit_once('.').map(|(_, end)| end) {
        Some("csv") => text.lines().next().is_some_and(|head| head.split(',').any(|column| column == field)),
        Some("json") => text.contains(&format!("\"{field}\":")),
        _ => text.contains(field),
    }
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
    write(
        at,
        "MARROW.toml",
        "schema = 1\n[image]\nregions = [\"kidney_left\"]\nactivity_in = \"red-marrow\"\n\
         trabecular_bone_fraction = { value = 0.2, rel_sigma = 0.1, source = \"a test\" }\n\
         cellularity = { value = 0.7, rel_sigma = 0.1, source = \"a test\" }\n\
         absorbed_fraction = { value = 0.8, rel_sigma = 0.1, source = \"a test\" }\n",
    );
    let mut said = String::new();
    for line in [
        "tia SERIES.toml --out tia",
        "course COURSE.toml --out course --engine cpu --histories 4000",
        "dose --ct ct.nii --labels labels.nii --label-names names.csv --activity tia/decays.nii.gz --activity-unit decays \
         --administered-mbq 7400 --engine cpu --histories 4000 --out dose",
        "marrow MARROW.toml --dose dose --out marrow",
    ] {
        let output = lutra(at, &line.split_whitespace().collect::<Vec<_>>());
        assert!(output.status.success(), "{line}: {}", stderr(&output));
        said += &(stdout(&output) + &stderr(&output));
    }
    let file = |name: &str| match name {
        "regions.csv" | "tia.json" => read(&at.join("tia").join(name)),
        "organs.csv" | "run.json" => read(&at.join("dose").join(name)),
        "marrow.csv" => read(&at.join("marrow").join(name)),
        _ => read(&at.join("course").join(name)),
    };
    let pages = ["course", "dose"].map(|run| seen(&read(&at.join(run).join("report.html")))).join(" ");
    let glossary = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/glossary.md"));
    let stated = stated(&glossary);
    let missing: Vec<String> = stated
        .iter()
        .filter(|(word, place)| match place {
            Place::Terminal => !said.contains(word.as_str()),
            Place::Report => !pages.contains(word.as_str()),
            Place::File(name) => !holds(name, &file(name), word),
        })
        .map(|(word, place)| format!("{word}: not in {place:?}"))
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
    // alarm: a term that a place does not have is found missing, whichever the place
    assert!(!said.contains("Residence time") && !pages.contains("Residence time"));
    assert!(!holds("cycles.csv", &file("cycles.csv"), "dose") && !holds("tia.json", &file("tia.json"), "activity"));
    // all four are held, and so is every file
    let count = |of: &dyn Fn(&Place) -> bool| stated.iter().filter(|(_, place)| of(place)).count();
    let files = |end: &str| count(&|place| matches!(place, Place::File(name) if name.ends_with(end)));
    assert!(count(&|place| *place == Place::Terminal) >= 15 && count(&|place| *place == Place::Report) >= 18);
    assert!(files(".csv") >= 25 && files(".json") >= 30, "{} {}", files(".csv"), files(".json"));
    let mut names: Vec<String> = stated
        .iter()
        .filter_map(|(_, place)| if let Place::File(name) = place { Some(name.clone()) } else { None })
        .collect();
    names.extend(["verdict.txt".to_owned()]);
    names.sort();
    names.dedup();
    for word in INSTEAD {
        assert!(!said.contains(word), "terminal: {word}");
        assert!(!pages.contains(word), "report: {word}");
        for name in &names {
            assert!(!file(name).contains(word), "{name}: {word}");
        }
    }
}
