//! `docs/notes.md` lists every code of a note that the source says, and no other.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What makes a note of a code; the code is the first argument, as it stands.
const MAKERS: [&str; 4] = ["Note::info(", "Note::warning(", ".info(", ".warning("];
/// The listener's own methods, which hand a code on.
const HANDS_ON: &str = "clinic/notes.rs";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the source") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if path.is_dir() {
            sources(&path, out);
        } else if name.ends_with(".rs") && !name.starts_with("tests") {
            out.push(path);
        }
    }
}

/// The code of a source: without comments and the tests at its end.
fn bare(source: &str) -> String {
    let end = source.find("\n#[cfg(test)]\nmod tests {").unwrap_or(source.len());
    source[..end].lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Codes that a source says. Errors: a note whose code does not stand where it is made.
fn said(source: &str) -> Result<BTreeSet<String>, String> {
    let source = bare(source);
    let mut codes = BTreeSet::new();
    for maker in MAKERS {
        for (at, _) in source.match_indices(maker) {
            let rest = source[at + maker.len()..].trim_start();
            match rest.strip_prefix('"').and_then(|rest| rest.split_once('"')) {
                Some((code, _)) => {
                    codes.insert(code.to_owned());
                }
                // a method of another kind, without any argument
                None if rest.starts_with(')') => {}
                None => return Err(format!("{maker}{}", rest.lines().next().unwrap_or_default())),
            }
        }
    }
    Ok(codes)
}

/// Codes that a document lists: the first cell of each row. Errors: one listed twice, one without a meaning.
fn listed(document: &str) -> Result<BTreeSet<String>, String> {
    let mut codes = BTreeSet::new();
    for row in document.lines().filter_map(|line| line.strip_prefix("| `")) {
        let (code, rest) = row.split_once('`').ok_or(row)?;
        let meaning = rest.trim_matches(['|', ' ']);
        if meaning.is_empty() || !codes.insert(code.to_owned()) {
            return Err(format!("{code}: listed twice or without a meaning"));
        }
    }
    Ok(codes)
}

/// What is said and not listed, listed and not said, or no code at all.
fn apart(said: &BTreeSet<String>, listed: &BTreeSet<String>) -> Vec<String> {
    let plain =
        |code: &str| code.split('-').all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase()));
    let odd = said.iter().filter(|code| !plain(code)).map(|code| format!("{code}: no code"));
    let unlisted = said.difference(listed).map(|code| format!("{code}: not listed"));
    let unsaid = listed.difference(said).map(|code| format!("{code}: said nowhere"));
    odd.chain(unlisted).chain(unsaid).collect()
}

#[test]
fn docs_every_code_of_a_note_is_listed_and_said() {
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    let mut codes = BTreeSet::new();
    for file in files.iter().filter(|file| !file.ends_with(HANDS_ON)) {
        let source = std::fs::read_to_string(file).expect("a source");
        codes.extend(said(&source).unwrap_or_else(|fault| panic!("{}: {fault}", file.display())));
    }
    assert!(codes.len() > 100, "{} codes: the search finds nothing", codes.len());
    let document = std::fs::read_to_string(root().join("docs/notes.md")).expect("the list");
    assert_eq!(apart(&codes, &listed(&document).expect("a list")), Vec::<String>::new());
}

#[test]
fn alarm_codes_that_are_not_listed_or_not_said_ring() {
    let source = "hear.info(\"few-batches\", text);\nlist.push(Note::warning(\n    \"no-air\",\n    \"x\"));\ndecoder.info().map(f);";
    let codes =
        said(&format!("{source}\n// Note::info(\"comment\", x)\n#[cfg(test)]\nmod tests {{ .info(\"test\") }}"));
    let codes = codes.expect("codes");
    let list = |codes: &[&str]| listed(&codes.iter().map(|code| format!("| `{code}` | x |\n")).collect::<String>());
    let whole = list(&["few-batches", "no-air"]).expect("a list");
    assert_eq!(apart(&codes, &whole), Vec::<String>::new());
    assert_eq!(apart(&codes, &list(&["no-air"]).expect("a list")), ["few-batches: not listed"]);
    let more = list(&["few-batches", "no-air", "metal"]).expect("a list");
    assert_eq!(apart(&codes, &more), ["metal: said nowhere"]);
    let odd = said("Note::info(\"No_air\", x)").expect("codes");
    assert_eq!(apart(&odd, &list(&["No_air"]).expect("a list")), ["No_air: no code"]);
    assert!(said("Note::warning(code, text)").is_err(), "a code that is not written where the note is made");
    assert!(list(&["metal", "metal"]).is_err() && listed("| `metal` | |\n").is_err());
}
