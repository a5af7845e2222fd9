//! A copy of the sources with every fault in it, and its build: faults that do not compile are taken out until it does.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::sites::{Site, of_file, with_faults};

/// Rounds of taking faults out: types first, then what borrows.
const ROUNDS: usize = 20;

/// One fault, with where it is.
#[derive(Clone, Debug)]
pub struct Mutant {
    /// Number, from 1.
    pub id: u32,
    /// Source file, from the project's folder.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Function that it lies in.
    pub function: String,
    /// What is otherwise.
    pub change: String,
}

/// The bytes of a site in the copy, and the numbers of its faults.
type Laid = (Range<usize>, Vec<u32>);

/// The sources' sites, and the copy that holds them.
pub struct Tree {
    /// Folder of the copy.
    pub folder: PathBuf,
    target: PathBuf,
    root: PathBuf,
    files: BTreeMap<String, (String, Vec<Site>)>,
    /// Faults that do not compile.
    pub unviable: BTreeSet<u32>,
}

/// Rust files under folders, in order.
fn sources(root: &Path, folders: &[&str], left_out: &[&str]) -> Result<Vec<String>> {
    let listed = Command::new("git").args(["ls-files", "--"]).args(folders).current_dir(root).output()?;
    let names = String::from_utf8(listed.stdout)?;
    let wanted = |name: &&str| name.ends_with(".rs") && !left_out.iter().any(|part| name.starts_with(part));
    Ok(names.lines().filter(wanted).map(str::to_owned).collect())
}

/// Writes a file if it is not there with these bytes, so that what has not changed is not compiled again.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    fs::create_dir_all(path.parent().context("a folder")?)?;
    fs::write(path, bytes).with_context(|| path.display().to_string())
}

impl Tree {
    /// Copies the project's files into `target/mutants` and finds the sites of those under `folders`.
    pub fn new(root: &Path, folders: &[&str], left_out: &[&str]) -> Result<Self> {
        let target = root.join("target/mutants");
        let folder = target.join("tree");
        let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root).output()?;
        let faulty: BTreeSet<String> = sources(root, folders, left_out)?.into_iter().collect();
        for name in String::from_utf8(listed.stdout)?.split('\0').filter(|name| !name.is_empty()) {
            if !faulty.contains(name) && name != "src/lib.rs" && root.join(name).is_file() {
                write(&folder.join(name), &fs::read(root.join(name))?)?;
            }
        }
        let mut files = BTreeMap::new();
        let mut next = 1;
        for name in faulty {
            let source = fs::read_to_string(root.join(&name))?;
            let sites = of_file(&source, next).with_context(|| name.clone())?;
            next += sites.iter().map(|site| site.faults.len() as u32).sum::<u32>();
            files.insert(name, (source, sites));
        }
        Ok(Self { folder, target, root: root.to_path_buf(), files, unviable: BTreeSet::new() })
    }

    /// Faults that compile, in the order of their numbers.
    pub fn mutants(&self) -> Vec<Mutant> {
        let mut all = Vec::new();
        for (file, (_, sites)) in &self.files {
            for site in sites {
                all.extend(site.faults.iter().filter(|fault| !self.unviable.contains(&fault.id)).map(|fault| Mutant {
                    id: fault.id,
                    file: file.clone(),
                    line: site.line,
                    function: site.function.clone(),
                    change: fault.change.clone(),
                }));
            }
        }
        all
    }

    /// Sites of a file without the faults that do not compile.
    fn viable(&self, sites: &[Site]) -> Vec<Site> {
        let keep = |site: &Site| {
            let mut site = site.clone();
            site.faults.retain(|fault| !self.unviable.contains(&fault.id));
            (!site.faults.is_empty()).then_some(site)
        };
        sites.iter().filter_map(keep).collect()
    }

    /// Writes the copy; gives the bytes of each site, by file.
    fn lay_out(&self) -> Result<BTreeMap<String, Vec<Laid>>> {
        let mut laid = BTreeMap::new();
        let mut last = 0;
        for (name, (source, sites)) in &self.files {
            let sites = self.viable(sites);
            let (text, ranges) = with_faults(source, &sites);
            write(&self.folder.join(name), text.as_bytes())?;
            let ids = sites.iter().map(|site| site.faults.iter().map(|fault| fault.id).collect());
            laid.insert(name.clone(), ranges.into_iter().zip(ids).collect());
            last = sites.iter().flat_map(|site| &site.faults).map(|fault| fault.id).max().unwrap_or(last);
        }
        let library = fs::read_to_string(self.root.join("src/lib.rs"))? + "\n#[doc(hidden)]\npub mod mutant;\n";
        write(&self.folder.join("src/lib.rs"), library.as_bytes())?;
        let asked = include_str!("asked.rs").replace("NUMBERS: usize = 1", &format!("NUMBERS: usize = {}", last + 1));
        write(&self.folder.join("src/mutant.rs"), asked.as_bytes())?;
        Ok(laid)
    }

    /// Cargo within the copy.
    fn cargo(&self, arguments: &[&str]) -> Command {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo
            .args(arguments)
            .args(["--package", "lutra", "--message-format", "json"])
            .args([
                "--config",
                "profile.dev.package.lutra.opt-level=1",
                "--config",
                "profile.dev.package.'*'.opt-level=2",
            ])
            .args(["--config", "profile.dev.debug=false", "--config", "profile.dev.overflow-checks=false"])
            .args(["--config", "profile.dev.debug-assertions=false", "--config", "profile.dev.incremental=false"])
            .env("CARGO_TARGET_DIR", self.target.join("build"))
            .env("RUSTFLAGS", "--cap-lints=allow")
            .current_dir(&self.folder);
        cargo
    }

    /// Takes faults out until the library compiles.
    pub fn compile(&mut self) -> Result<()> {
        for round in 1..=ROUNDS {
            let laid = self.lay_out()?;
            let said = self.cargo(&["check", "--lib"]).output()?;
            let errors = errors(&said.stdout)?;
            if errors.is_empty() {
                if !said.status.success() {
                    bail!("cargo check: {}", String::from_utf8_lossy(&said.stderr));
                }
                return Ok(());
            }
            let before = self.unviable.len();
            for (file, at, words) in &errors {
                let sites = laid.get(file).map(Vec::as_slice).unwrap_or_default();
                let within = sites.iter().filter(|(range, _)| range.contains(at)).min_by_key(|(range, _)| range.len());
                let Some((_, ids)) = within else { bail!("{file}, byte {at}, lies in no site: {words}") };
                self.unviable.extend(ids);
            }
            eprintln!("round {round}: {} errors, {} faults do not compile", errors.len(), self.unviable.len());
            if self.unviable.len() == before {
                bail!("no fault left to take out: {}", errors[0].2);
            }
        }
        bail!("does not compile after {ROUNDS} rounds")
    }

    /// Builds tests; gives the name and the program of each.
    pub fn build(&self, tests: &[String]) -> Result<Vec<(String, PathBuf)>> {
        let mut arguments = vec!["test", "--no-run"];
        for name in tests {
            match name.as_str() {
                "lib" => arguments.push("--lib"),
                name => arguments.extend(["--test", name]),
            }
        }
        let said = self.cargo(&arguments).stderr(std::process::Stdio::inherit()).output()?;
        if !said.status.success() {
            bail!("the tests do not compile: {:?}", errors(&said.stdout)?.first());
        }
        let mut found = Vec::new();
        for message in messages(&said.stdout)? {
            let is_test = message["profile"]["test"] == Value::Bool(true);
            if let (true, Some(program)) = (is_test, message["executable"].as_str()) {
                let kind = message["target"]["kind"][0].as_str().unwrap_or_default();
                let name = if kind == "lib" { "lib" } else { message["target"]["name"].as_str().unwrap_or_default() };
                if tests.iter().any(|wanted| wanted == name) {
                    found.push((name.to_owned(), PathBuf::from(program)));
                }
            }
        }
        found.sort();
        Ok(found)
    }
}

/// What Cargo said, a message a line.
fn messages(said: &[u8]) -> Result<Vec<Value>> {
    let lines = String::from_utf8_lossy(said);
    lines.lines().filter(|line| line.starts_with('{')).map(|line| Ok(serde_json::from_str(line)?)).collect()
}

/// Errors with the file and the byte where they lie.
fn errors(said: &[u8]) -> Result<Vec<(String, usize, String)>> {
    let mut found = Vec::new();
    for message in messages(said)? {
        let message = &message["message"];
        if message["level"] != "error" {
            continue;
        }
        let spans = message["spans"].as_array().map(Vec::as_slice).unwrap_or_default();
        let Some(span) = spans.iter().find(|span| span["is_primary"] == Value::Bool(true)) else { continue };
        let file = span["file_name"].as_str().unwrap_or_default().to_owned();
        let at = span["byte_start"].as_u64().unwrap_or_default() as usize;
        found.push((file, at, message["rendered"].as_str().unwrap_or_default().to_owned()));
    }
    Ok(found)
}
