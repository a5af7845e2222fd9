//! What became of the faults: a table by module, a list of those that no test found, and their reasons.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::hunt::End;
use super::tree::Mutant;

const PAGE: &str = "docs/dossier/mutants.md";
const LIST: &str = "docs/dossier/mutants.csv";
const REASONS: &str = "docs/dossier/mutants.toml";

/// How many there were.
pub struct Facts {
    /// Faults that the sources have room for.
    pub planted: usize,
    /// Those that compile.
    pub viable: usize,
    /// Tests that looked for them.
    pub tests: usize,
    /// Programs of tests.
    pub programs: Vec<String>,
}

/// Why a fault that no test finds is none, or is left.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reason {
    file: String,
    function: String,
    change: String,
    why: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reasons {
    #[serde(default)]
    survivor: Vec<Reason>,
}

impl Reasons {
    fn read(root: &Path) -> Result<Self> {
        match fs::read_to_string(root.join(REASONS)) {
            Ok(text) => toml::from_str(&text).context(REASONS),
            Err(_) => Ok(Self::default()),
        }
    }

    fn of(&self, mutant: &Mutant) -> Option<&str> {
        let fits = |r: &&Reason| r.file == mutant.file && r.function == mutant.function && r.change == mutant.change;
        self.survivor.iter().find(fits).map(|reason| &*reason.why)
    }
}

/// The module that a file belongs to: the folder below `src`.
fn module(file: &str) -> &str {
    let below = file.strip_prefix("src/").unwrap_or(file);
    below.split('/').next().unwrap_or(below).trim_end_matches(".rs")
}

/// Killed, hung, survived, unreached.
fn counted<'a>(found: impl Iterator<Item = &'a (Mutant, End)>) -> [usize; 4] {
    let mut counts = [0; 4];
    for (_, end) in found {
        counts[*end as usize] += 1;
    }
    counts
}

/// Share found, %, and its standard error as a draw from all.
fn share([killed, hung, survived, unreached]: [usize; 4]) -> (f64, f64) {
    let all = (killed + hung + survived + unreached) as f64;
    let p = (killed + hung) as f64 / all;
    (100.0 * p, 100.0 * (p * (1.0 - p) / all).sqrt())
}

/// A row a module.
pub fn table(found: &[(Mutant, End)]) -> String {
    let mut by_module: BTreeMap<&str, Vec<&(Mutant, End)>> = BTreeMap::new();
    for one in found {
        by_module.entry(module(&one.0.file)).or_default().push(one);
    }
    let mut text = "| module | faults tried | a test failed | hung | passed all | no test reaches | found, % |\n|---|---|---|---|---|---|---|\n".to_owned();
    let mut row = |name: &str, counts: [usize; 4]| {
        let ([killed, hung, survived, unreached], (percent, se)) = (counts, share(counts));
        let all: usize = counts.iter().sum();
        let _ = writeln!(
            text,
            "| {name} | {all} | {killed} | {hung} | {survived} | {unreached} | {percent:.1} ± {se:.1} |"
        );
    };
    for (name, all) in by_module {
        row(name, counted(all.into_iter()));
    }
    if !found.is_empty() {
        row("all", counted(found.iter()));
    }
    text
}

/// Faults that no test found.
pub fn list(path: &Path, found: &[(Mutant, End)]) -> Result<()> {
    let mut out = csv::Writer::from_path(path)?;
    out.write_record(["file", "line", "function", "change", "end"])?;
    for (mutant, end) in found.iter().filter(|(_, end)| matches!(end, End::Survived | End::Unreached)) {
        let end = if *end == End::Survived { "passed all" } else { "no test reaches it" };
        out.write_record([&mutant.file, &mutant.line.to_string(), &mutant.function, &mutant.change, end])?;
    }
    Ok(out.flush()?)
}

/// Writes the page of the dossier and the list.
pub fn write(root: &Path, found: &[(Mutant, End)], facts: &Facts) -> Result<()> {
    list(&root.join(LIST), found)?;
    let reasons = Reasons::read(root)?;
    let left: Vec<&Mutant> = found
        .iter()
        .filter(|(_, end)| matches!(end, End::Survived | End::Unreached))
        .map(|(mutant, _)| mutant)
        .collect();
    let explained: Vec<(&&Mutant, &str)> =
        left.iter().filter_map(|mutant| reasons.of(mutant).map(|why| (mutant, why))).collect();
    let mut page = format!(
        "# Faults planted into the sources\n\n`cargo xtask mutants` plants a fault at a time (another operator, a `!` or `-` left out, a \
         function that gives back a plain value at once: the faults of [cargo-mutants](https://mutants.rs)) and looks whether a test \
         fails. Of {} such faults {} compile; {} of these were tried, drawn evenly, against {} tests ({}).\n\n{}\n\
         A fault that hangs a test is seen by whoever runs it. `passed all` counts faults that changed nothing that the tests ask \
         about; `no test reaches` those in code that these tests do not run. They are listed in `docs/dossier/mutants.csv`. The errors are those of \
         the draw.\n",
        facts.planted,
        facts.viable,
        found.len(),
        facts.tests,
        facts.programs.join(", "),
        table(found)
    );
    if !explained.is_empty() {
        page += "\n## Faults that no test can find, or need find\n\n| where | fault | why |\n|---|---|---|\n";
        for (mutant, why) in explained {
            let _ = writeln!(page, "| `{}` {} | `{}` | {why} |", mutant.file, mutant.function, mutant.change);
        }
    }
    fs::write(root.join(PAGE), page)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_those_of_all_that_were_tried() {
        let mutant =
            |file: &str| Mutant { id: 1, file: file.into(), line: 1, function: "f".into(), change: "+ -> -".into() };
        let found = [
            (mutant("src/bed/mod.rs"), End::Killed),
            (mutant("src/bed/mod.rs"), End::Hung),
            (mutant("src/units.rs"), End::Survived),
            (mutant("src/units.rs"), End::Unreached),
        ];
        let text = table(&found);
        assert!(text.contains("| bed | 2 | 1 | 1 | 0 | 0 | 100.0 ± 0.0 |"), "{text}");
        assert!(text.contains("| units | 2 | 0 | 0 | 1 | 1 | 0.0 ± 0.0 |"), "{text}");
        assert!(text.contains("| all | 4 | 1 | 1 | 1 | 1 | 50.0 ± 25.0 |"), "{text}");
    }
}
