//! `cargo xtask dossier`, second half: parts of others. Writes `docs/dossier/lutra.cdx.json`, the bill of materials of the
//! program in CycloneDX 1.5 (<https://cyclonedx.org/docs/1.5/json/>), and `docs/dossier/third-party.md`, the list of crates with
//! why each direct one is there and trusted, from `cargo metadata`, `cargo tree`, `Cargo.lock` and `docs/dossier/third-party.toml`.
//!
//! Both are committed, and a test fails when they are stale, or when a direct dependency has no reason. They are about the
//! program for Linux with its default features; crates that run at build time alone are in scope `excluded`.

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

const BILL: &str = "docs/dossier/lutra.cdx.json";
const PAGE: &str = "docs/dossier/third-party.md";
const REASONS: &str = "docs/dossier/third-party.toml";
/// The platform whose crates are listed, whatever machine lists them.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";
/// The package whose program it is.
const PROGRAM: &str = "lutra";

/// Why a direct dependency is there.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reason {
    /// What it does here.
    does: String,
    /// Why it is trusted.
    trust: String,
}

type Reasons = BTreeMap<String, Reason>;

/// A crate of others.
#[derive(Clone, Debug)]
struct Part {
    name: String,
    version: String,
    licence: String,
    description: String,
    checksum: Option<String>,
    /// Whether it is in the program, and not at build time alone.
    linked: bool,
    /// What it needs, as references.
    needs: BTreeSet<String>,
}

impl Part {
    /// Name of it in the bill of materials.
    fn reference(&self) -> String {
        format!("pkg:cargo/{}@{}", self.name, self.version)
    }
}

/// All that is listed.
struct Parts {
    version: String,
    licence: String,
    /// The crates of the program, by reference.
    all: BTreeMap<String, Part>,
    /// What the program needs by itself.
    needs: BTreeSet<String>,
    /// Direct dependencies of every package of the workspace, tests and tools included: name, and for what.
    direct: BTreeMap<String, BTreeSet<&'static str>>,
}

/// Writes both files.
pub fn write(root: &Path) -> Result<()> {
    let parts = parts(root)?;
    let reasons = reasons(root)?;
    let faults = unexplained(&parts.direct, &reasons);
    if !faults.is_empty() {
        bail!("{}", faults.join("\n"));
    }
    fs::write(root.join(BILL), bill(&parts)?)?;
    fs::write(root.join(PAGE), page(&parts, &reasons))?;
    Ok(())
}

fn reasons(root: &Path) -> Result<Reasons> {
    toml::from_str(&fs::read_to_string(root.join(REASONS))?)
        .with_context(|| format!("{REASONS} is not as it should be"))
}

/// What `cargo metadata` says of the workspace on the platform.
fn metadata(root: &Path) -> Result<Value> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let said = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", PLATFORM])
        .current_dir(root)
        .output()
        .context("cargo cannot be started")?;
    if !said.status.success() {
        bail!("cargo metadata: {}", String::from_utf8_lossy(&said.stderr).trim());
    }
    Ok(serde_json::from_slice(&said.stdout)?)
}

/// Crates that Cargo takes for the program alone, as name and version. `cargo metadata` joins the features that all packages of
/// the workspace ask for, and so lists what only a tool or the page needs.
fn taken(root: &Path) -> Result<BTreeSet<(String, String)>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let said = Command::new(cargo)
        .args(["tree", "--package", PROGRAM, "--edges", "normal,build", "--target", PLATFORM])
        .args(["--prefix", "none", "--format", "{p}", "--locked"])
        .current_dir(root)
        .output()
        .context("cargo cannot be started")?;
    if !said.status.success() {
        bail!("cargo tree: {}", String::from_utf8_lossy(&said.stderr).trim());
    }
    let lines = String::from_utf8(said.stdout)?;
    let of = |line: &str| {
        let mut words = line.split_whitespace();
        Some((words.next()?.to_owned(), words.next()?.trim_start_matches('v').to_owned()))
    };
    Ok(lines.lines().filter_map(of).collect())
}

/// Checksums of `Cargo.lock`, by name and version.
fn checksums(root: &Path) -> Result<BTreeMap<(String, String), String>> {
    #[derive(Deserialize)]
    struct Lock {
        package: Vec<Locked>,
    }
    #[derive(Deserialize)]
    struct Locked {
        name: String,
        version: String,
        checksum: Option<String>,
    }
    let lock: Lock = toml::from_str(&fs::read_to_string(root.join("Cargo.lock"))?)?;
    Ok(lock.package.into_iter().filter_map(|p| Some(((p.name, p.version), p.checksum?))).collect())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Reads the workspace.
fn parts(root: &Path) -> Result<Parts> {
    let metadata = metadata(root)?;
    let checksums = checksums(root)?;
    let packages: BTreeMap<String, &Value> = list(&metadata["packages"]).iter().map(|p| (text(&p["id"]), p)).collect();
    let nodes: BTreeMap<String, &Value> =
        list(&metadata["resolve"]["nodes"]).iter().map(|n| (text(&n["id"]), n)).collect();
    let program = packages.iter().find(|(_, p)| p["name"] == PROGRAM).context("the program is no package")?;
    let taken = taken(root)?;
    let of_program = |kinds| -> BTreeSet<String> {
        let is_taken = |id: &String| {
            let package = packages.get(id);
            package.is_some_and(|package| taken.contains(&(text(&package["name"]), text(&package["version"]))))
        };
        reached(program.0, &nodes, &packages, kinds).into_iter().filter(is_taken).collect()
    };
    let (linked, built) = (of_program(&["normal"]), of_program(&["normal", "build"]));
    let of = |id: &String| -> Result<Part> {
        let package = packages.get(id).with_context(|| format!("{id} is no package"))?;
        let (name, version) = (text(&package["name"]), text(&package["version"]));
        let needs = edges(id, &nodes, &["normal", "build"]).filter(|id| built.contains(id));
        Ok(Part {
            licence: package["license"].as_str().unwrap_or_default().replace('/', " OR "),
            description: text(&package["description"]).split_whitespace().collect::<Vec<_>>().join(" "),
            checksum: checksums.get(&(name.clone(), version.clone())).cloned(),
            linked: linked.contains(id),
            needs: needs.filter_map(|id| packages.get(&id).map(|p| reference(p))).collect(),
            name,
            version,
        })
    };
    let mut all = BTreeMap::new();
    for id in built.iter().filter(|id| *id != program.0) {
        let part = of(id)?;
        if part.licence.is_empty() {
            bail!("{} {} states no licence", part.name, part.version);
        }
        all.insert(part.reference(), part);
    }
    Ok(Parts {
        version: text(&program.1["version"]),
        licence: text(&program.1["license"]),
        needs: of(program.0)?.needs,
        direct: direct(&metadata),
        all,
    })
}

fn reference(package: &Value) -> String {
    format!("pkg:cargo/{}@{}", text(&package["name"]), text(&package["version"]))
}

/// What a package needs, of these kinds.
fn edges<'a>(
    id: &str,
    nodes: &BTreeMap<String, &'a Value>,
    kinds: &'a [&'a str],
) -> impl Iterator<Item = String> + use<'a> {
    let deps = nodes.get(id).map_or(&[][..], |node| list(&node["deps"]));
    deps.iter()
        .filter(|dep| list(&dep["dep_kinds"]).iter().any(|k| kinds.contains(&k["kind"].as_str().unwrap_or("normal"))))
        .map(|dep| text(&dep["pkg"]))
}

/// All that a package needs over edges of these kinds, itself included. A procedural macro runs at build time: without
/// `build` among the kinds the way ends before it.
fn reached(
    from: &str,
    nodes: &BTreeMap<String, &Value>,
    packages: &BTreeMap<String, &Value>,
    kinds: &[&str],
) -> BTreeSet<String> {
    let at_build = kinds.contains(&"build");
    let is_macro = |id: &str| {
        let targets = packages.get(id).map_or(&[][..], |package| list(&package["targets"]));
        targets.iter().any(|target| list(&target["kind"]).iter().any(|kind| kind == "proc-macro"))
    };
    let mut found = BTreeSet::from([from.to_owned()]);
    let mut open = vec![from.to_owned()];
    while let Some(id) = open.pop() {
        for next in edges(&id, nodes, kinds).filter(|next| at_build || !is_macro(next)) {
            if found.insert(next.clone()) {
                open.push(next);
            }
        }
    }
    found
}

/// Direct dependencies of the packages of the workspace, and for what.
fn direct(metadata: &Value) -> BTreeMap<String, BTreeSet<&'static str>> {
    let members: BTreeSet<String> = list(&metadata["workspace_members"]).iter().map(text).collect();
    let own: BTreeSet<String> = list(&metadata["packages"])
        .iter()
        .filter(|p| members.contains(&text(&p["id"])))
        .map(|p| text(&p["name"]))
        .collect();
    let mut direct: BTreeMap<String, BTreeSet<&'static str>> = BTreeMap::new();
    for package in list(&metadata["packages"]).iter().filter(|p| members.contains(&text(&p["id"]))) {
        for dependency in list(&package["dependencies"]) {
            let name = text(&dependency["name"]);
            let what = match (package["name"].as_str(), dependency["kind"].as_str()) {
                (Some(PROGRAM), None) => "program",
                (Some("lutra-python"), None) => "Python",
                (_, Some("dev")) => "tests",
                _ => "tools",
            };
            if !own.contains(&name) {
                direct.entry(name).or_default().insert(what);
            }
        }
    }
    direct
}

/// Direct dependencies without a reason, and reasons without a dependency.
fn unexplained(direct: &BTreeMap<String, BTreeSet<&'static str>>, reasons: &Reasons) -> Vec<String> {
    let lacking = direct.keys().filter(|name| !reasons.contains_key(*name));
    let idle = reasons.keys().filter(|name| !direct.contains_key(*name));
    let empty = reasons.iter().filter(|(_, reason)| reason.does.trim().is_empty() || reason.trust.trim().is_empty());
    lacking
        .map(|name| format!("{REASONS}: {name} is a dependency and has no entry"))
        .chain(idle.map(|name| format!("{REASONS}: {name} is no direct dependency")))
        .chain(empty.map(|(name, _)| format!("{REASONS}: {name} has an empty reason")))
        .collect()
}

/// The bill of materials. It carries no time and no serial number, so that one state of the sources gives one file.
fn bill(parts: &Parts) -> Result<String> {
    let component = |part: &Part| {
        let hashes = part.checksum.iter().map(|sum| json!({"alg": "SHA-256", "content": sum}));
        json!({
            "type": "library",
            "bom-ref": part.reference(),
            "name": part.name,
            "version": part.version,
            "description": part.description,
            "scope": if part.linked { "required" } else { "excluded" },
            "hashes": hashes.collect::<Vec<_>>(),
            "licenses": [{"expression": part.licence}],
            "purl": part.reference(),
        })
    };
    let own = format!("pkg:cargo/{PROGRAM}@{}", parts.version);
    let mut dependencies = vec![json!({"ref": own, "dependsOn": parts.needs})];
    dependencies.extend(parts.all.values().map(|part| json!({"ref": part.reference(), "dependsOn": part.needs})));
    let bill = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": own,
                "name": PROGRAM,
                "version": parts.version,
                "licenses": [{"expression": parts.licence}],
                "purl": own,
            },
        },
        "components": parts.all.values().map(component).collect::<Vec<_>>(),
        "dependencies": dependencies,
    });
    Ok(serde_json::to_string_pretty(&bill)? + "\n")
}

/// The page.
fn page(parts: &Parts, reasons: &Reasons) -> String {
    let linked = parts.all.values().filter(|part| part.linked).count();
    let mut text = format!(
        "# Parts of others\n\n\
         Written by `cargo xtask dossier` from `cargo metadata` and `docs/dossier/third-party.toml`; do not edit by hand. The \
         machine-readable list is `docs/dossier/lutra.cdx.json` (CycloneDX 1.5, with the checksum of every crate).\n\n\
         {} crates make the program for {PLATFORM} with its default features; {linked} of them are in it, {} run at build time \
         alone. Licences, versions and sources are checked by `cargo deny` (`deny.toml`).\n\n## Direct dependencies\n\n\
         | crate | for | what it does here | why it is trusted |\n|---|---|---|---|\n",
        parts.all.len(),
        parts.all.len() - linked
    );
    for (name, for_what) in &parts.direct {
        let Some(reason) = reasons.get(name) else { continue };
        let for_what: Vec<&str> = for_what.iter().copied().collect();
        let _ = writeln!(text, "| `{name}` | {} | {} | {} |", for_what.join(", "), reason.does, reason.trust);
    }
    text.push_str(
        "\n## All crates of the program\n\n| crate | version | licence | in the program |\n|---|---|---|---|\n",
    );
    for part in parts.all.values() {
        let here = if part.linked { "yes" } else { "build time" };
        let _ = writeln!(text, "| `{}` | {} | {} | {here} |", part.name, part.version, part.licence);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subset::repository;

    #[test]
    fn lock_every_direct_dependency_has_its_reason() {
        let root = repository().unwrap();
        let parts = parts(&root).unwrap();
        assert!(parts.direct.len() > 40, "{} direct dependencies", parts.direct.len());
        let faults = unexplained(&parts.direct, &reasons(&root).unwrap());
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }

    #[test]
    fn alarm_a_dependency_without_reason_rings() {
        let reason = |does: &str| Reason { does: does.to_owned(), trust: "y".to_owned() };
        let direct = BTreeMap::from([("a".to_owned(), BTreeSet::from(["program"]))]);
        let rings = |reasons: Reasons| unexplained(&direct, &reasons).len();
        assert_eq!(rings(Reasons::from([("a".to_owned(), reason("x"))])), 0);
        assert_eq!(rings(Reasons::new()), 1);
        assert_eq!(rings(Reasons::from([("a".to_owned(), reason(" "))])), 1);
        assert_eq!(rings(Reasons::from([("a".to_owned(), reason("x")), ("b".to_owned(), reason("x"))])), 1);
    }

    #[test]
    fn lock_the_bill_of_materials_is_current() {
        let root = repository().unwrap();
        let parts = parts(&root).unwrap();
        let is = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
        assert!(is(BILL) == bill(&parts).unwrap(), "{BILL} is stale: run `cargo xtask dossier` and commit");
        assert!(
            is(PAGE) == page(&parts, &reasons(&root).unwrap()),
            "{PAGE} is stale: run `cargo xtask dossier` and commit"
        );
    }

    #[test]
    fn law_the_bill_names_each_part_once_with_licence_and_checksum() {
        let parts = parts(&repository().unwrap()).unwrap();
        for part in parts.all.values() {
            assert!(!part.licence.is_empty() && part.checksum.as_ref().is_some_and(|sum| sum.len() == 64), "{part:?}");
            assert!(part.needs.iter().all(|need| parts.all.contains_key(need)), "{part:?}");
        }
        let is_linked = |name: &str| parts.all.values().filter(|p| p.name == name).any(|p| p.linked);
        assert!(is_linked("nalgebra") && is_linked("wgpu") && !is_linked("serde_derive") && !is_linked("syn"));
        // what only tests and tools need is not in the program
        assert!(!parts.all.values().any(|part| part.name == "criterion" || part.name == "pyo3"));
    }
}
