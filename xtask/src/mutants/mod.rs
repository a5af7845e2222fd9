//! `cargo xtask mutants`: plants faults into the sources, one at a time, and sees which of them the tests find.
//!
//! The faults are those of cargo-mutants, which compiles anew for each: here that would be a minute a fault and weeks in all. One
//! build holds them all instead, each behind a question (`crate::mutant::on(17)`), and the environment says which one is
//! there ("mutant schemata": R. H. Untch, A. J. Offutt, M. J. Harrold, Mutation analysis using mutant schemata, ISSTA 1993). A first run of
//! every test lists the faults that it passes by; a fault is then shown to those tests alone, quick ones first.
//!
//! Options: `--tests lib,it` (programs of tests; `lib` where it is not given), `--only PREFIX` (files), `--sample N` (so many
//! faults, drawn evenly), `--most-seconds S` (tests of a fault beyond so much time are not run; 60), `--write` (the pages).

mod hunt;
mod page;
mod sites;
mod tree;

use anyhow::{Context, Result, bail};

use crate::subset::repository;
use hunt::End;
use tree::{Mutant, Tree};

/// What a number that a physicist reads hangs on.
const FOLDERS: [&str; 9] = [
    "src/transport",
    "src/kernel",
    "src/tally",
    "src/dose",
    "src/bed",
    "src/course",
    "src/io",
    "src/units.rs",
    "src/clinic",
];
/// Printed from other sources, or never part of a test of the library.
const LEFT_OUT: [&str; 3] = ["src/kernel/lanes/kernel.rs", "src/transport/gpu", "src/clinic/bench"];

struct Wanted {
    tests: Vec<String>,
    only: String,
    sample: usize,
    most_seconds: f64,
    write: bool,
}

fn wanted(arguments: &[String]) -> Result<Wanted> {
    let mut wanted =
        Wanted { tests: vec!["lib".into()], only: String::new(), sample: usize::MAX, most_seconds: 60.0, write: false };
    let mut rest = arguments.iter();
    while let Some(option) = rest.next() {
        let mut value = || rest.next().with_context(|| format!("{option} needs a value"));
        match option.as_str() {
            "--tests" => wanted.tests = value()?.split(',').map(str::to_owned).collect(),
            "--only" => wanted.only = value()?.clone(),
            "--sample" => wanted.sample = value()?.parse().context("--sample: a number of faults")?,
            "--most-seconds" => wanted.most_seconds = value()?.parse().context("--most-seconds: a number")?,
            "--write" => wanted.write = true,
            other => bail!("{other}: --tests, --only, --sample, --most-seconds or --write"),
        }
    }
    Ok(wanted)
}

/// An even draw: numbers in the order of their products with 2^32 over the golden ratio, modulo 2^32.
fn drawn(mut mutants: Vec<Mutant>, count: usize) -> Vec<Mutant> {
    mutants.sort_by_key(|mutant| mutant.id.wrapping_mul(2_654_435_769));
    mutants.truncate(count);
    mutants.sort_by_key(|mutant| mutant.id);
    mutants
}

/// Runs the task.
pub fn run(arguments: &[String]) -> Result<()> {
    let wanted = wanted(arguments)?;
    let root = repository()?;
    let mut tree = Tree::new(&root, &FOLDERS, &LEFT_OUT)?;
    let planted = tree.mutants().len();
    eprintln!("{planted} faults; which of them compile?");
    tree.compile()?;
    let viable = tree.mutants();
    eprintln!("{} of {planted} do; building {}", viable.len(), wanted.tests.join(" and "));
    let programs = tree.build(&wanted.tests)?;
    let (tests, failing) = hunt::record(&programs, &tree.folder, 20.0 * wanted.most_seconds)?;
    if tests.is_empty() {
        bail!("no test passes on the sources as they are");
    }
    eprintln!(
        "{} tests; {} fail or are slow without a fault and are left out: {}",
        tests.len(),
        failing.len(),
        failing.join(", ")
    );
    let chosen =
        drawn(viable.into_iter().filter(|mutant| mutant.file.starts_with(&wanted.only)).collect(), wanted.sample);
    let ends = hunt::hunt(&chosen, &tests, &programs, &tree.folder, wanted.most_seconds);
    let found: Vec<(Mutant, End)> = chosen.into_iter().zip(ends).collect();
    print!("{}", page::table(&found));
    page::list(&root.join("target/mutants/survivors.csv"), &found)?;
    if wanted.write {
        page::write(
            &root,
            &found,
            &page::Facts { planted, viable: tree.mutants().len(), tests: tests.len(), programs: wanted.tests },
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_spread_over_all() {
        let mutant = |id| Mutant { id, file: String::new(), line: 0, function: String::new(), change: String::new() };
        let ids: Vec<u32> = drawn((1..=1000).map(mutant).collect(), 100).iter().map(|mutant| mutant.id).collect();
        assert_eq!(ids.len(), 100);
        assert!(ids.windows(2).all(|pair| pair[1] - pair[0] <= 20), "{ids:?}");
    }
}
