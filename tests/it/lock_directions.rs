//! Who may use whom: the modules' floors, and no circle between the files of a module, tested by reading every path in
//! the source. What `#[cfg(test)]` takes in does not count, wherever it stands.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Modules and what each may name through `crate::`. Order of the flow; nothing names a module further down but
/// through its own line.
const ALLOWED: &[(&str, &[&str])] = &[
    ("units", &[]),
    ("digest", &[]),
    ("fault", &[]),
    ("note", &["fault"]),
    ("bounds", &["fault", "note", "units"]),
    ("place", &["fault"]),
    ("reads", &["digest", "place"]),
    ("text", &["fault", "place", "reads"]),
    ("grid", &["fault", "units"]),
    ("volume", &["grid"]),
    ("elementary", &[]),
    ("quadrature", &["elementary"]),
    ("clock", &[]),
    ("cores", &[]),
    ("owner", &["cores"]),
    ("neighbourhood", &["cores", "grid"]),
    ("ct", &["fault", "grid", "note", "units"]),
    ("decay", &["fault", "place", "text", "units"]),
    ("materials", &["ct", "fault", "grid", "note", "place", "text", "units"]),
    ("register", &["cores", "fault", "grid"]),
    ("source", &["bounds", "cores", "decay", "elementary", "fault", "grid", "note", "units"]),
    ("quantify", &["cores", "fault", "grid", "note", "source", "text", "units"]),
    // the packed tables have the kernel's layout
    ("physics", &["cores", "elementary", "fault", "kernel", "materials", "quadrature", "units"]),
    ("kernel", &[]),
    ("tally", &["cores", "units"]),
    (
        "transport",
        &[
            "clock",
            "cores",
            "decay",
            "digest",
            "elementary",
            "fault",
            "grid",
            "kernel",
            "materials",
            "neighbourhood",
            "note",
            "owner",
            "physics",
            "tally",
            "text",
            "units",
        ],
    ),
    ("dose", &["bounds", "cores", "fault", "grid", "materials", "neighbourhood", "note", "tally", "text", "units"]),
    ("bed", &["fault", "quadrature"]),
    ("draws", &[]),
    ("kinetics", &["draws", "fault", "note", "text"]),
    ("budget", &["draws", "fault"]),
    (
        "course",
        &[
            "bed",
            "bounds",
            "budget",
            "dose",
            "draws",
            "fault",
            "grid",
            "kinetics",
            "note",
            "quadrature",
            "quantify",
            "source",
            "text",
            "units",
        ],
    ),
    ("marrow", &["budget", "course", "fault", "units"]),
    ("report", &["digest", "dose", "grid", "note", "units"]),
    ("io", &["bounds", "cores", "digest", "fault", "grid", "note", "owner", "place", "reads", "text", "units"]),
    // kernel files and reference volumes are what these two are about
    (
        "svalues",
        &[
            "bounds",
            "cores",
            "decay",
            "dose",
            "fault",
            "grid",
            "io",
            "kernel",
            "materials",
            "note",
            "physics",
            "place",
            "quadrature",
            "tally",
            "text",
            "transport",
            "units",
        ],
    ),
    (
        "validate",
        &[
            "clock",
            "decay",
            "fault",
            "grid",
            "io",
            "kernel",
            "materials",
            "physics",
            "quadrature",
            "report",
            "source",
            "svalues",
            "tally",
            "transport",
            "units",
        ],
    ),
    ("demo", &["ct", "decay", "grid", "materials", "units"]),
    // what a person can ask: above all that computes, below every front end
    (
        "clinic",
        &[
            "bed",
            "bounds",
            "budget",
            "clock",
            "cores",
            "course",
            "ct",
            "decay",
            "demo",
            "digest",
            "dose",
            "draws",
            "fault",
            "grid",
            "io",
            "kinetics",
            "marrow",
            "materials",
            "note",
            "place",
            "quantify",
            "reads",
            "register",
            "report",
            "source",
            "svalues",
            "tally",
            "text",
            "transport",
            "units",
            "validate",
            "volume",
        ],
    ),
];

/// Modules at the edge: they may name anything, and nobody names them.
const EDGES: &[&str] = &["cli", "main", "lib"];

/// Crates and their home; `|` stands between several.
const HOMES: &[(&str, &str)] = &[
    ("wgpu", "transport/gpu/"),
    ("clap", "cli/"),
    ("indicatif", "cli/"),
    ("flate2", "io/|transport/batch_store.rs|validate/assets.rs|report/page/viewer.rs"),
    ("maud", "report/"),
    ("image", "report/"),
    ("same_file", "io/"),
    // the one place that waits for a device
    ("pollster", "transport/gpu/native.rs"),
];

/// Doors: what a target may lack (threads, a clock, a disk for temporary files), and the only places that use it; `|` stands
/// between several.
const DOORS: &[(&[&str], &str)] = &[
    // `owner` shows signs of life from a thread of its own
    (&["std", "thread"], "cores.rs|owner.rs|cli/"),
    (&["std", "time", "Instant"], "clock.rs|cli/"),
    (&["std", "time", "SystemTime"], "clock.rs|owner.rs|io/"),
    (&["tempfile"], "io/|owner.rs"),
    // reading is `place.rs`; the others write, or read what Lutra wrote
    (
        &["std", "fs"],
        "place.rs|io/target.rs|io/atomic.rs|io/exchange.rs|io/inputs.rs|io/outputs.rs|owner.rs|transport/checkpoint.rs|report/run_record.rs|\
         clinic/audit.rs|clinic/bench/|clinic/compare.rs|clinic/course/cache.rs|clinic/course/save.rs|clinic/demo.rs|\
         clinic/files.rs|clinic/output.rs|clinic/pages/|clinic/practice.rs|clinic/room.rs|clinic/shard.rs|\
         clinic/validation.rs|clinic/verify/|cli/",
    ),
];

/// Circles between files of a module that are known, by module and files. All of them go away; no new ones.
const CIRCLES: &[&str] = &[];

fn sources(folder: &Path, out: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("the source folder is readable").map(|e| e.expect("entry").path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") && !is_test(&path) {
            out.push(path);
        }
    }
}

/// Whether a source holds nothing but tests: `tests.rs` and `tests_*.rs`, which `#[cfg(test)]` takes in.
fn is_test(path: &Path) -> bool {
    path.file_stem().and_then(|s| s.to_str()).is_some_and(|s| s == "tests" || s.starts_with("tests_"))
}

/// Whether an attribute takes its item in for tests alone.
fn is_cfg_test(attribute: &TokenTree) -> bool {
    let TokenTree::Group(group) = attribute else { return false };
    let inner: Vec<TokenTree> = group.stream().into_iter().collect();
    match &inner[..] {
        [TokenTree::Ident(cfg), TokenTree::Group(condition)] if cfg == "cfg" => {
            let words: Vec<String> = idents(condition.stream());
            words.iter().any(|w| w == "test") && !words.iter().any(|w| w == "not" || w == "any")
        }
        _ => false,
    }
}

fn idents(tokens: TokenStream) -> Vec<String> {
    let of = |tree| match tree {
        TokenTree::Ident(ident) => vec![ident.to_string()],
        TokenTree::Group(group) => idents(group.stream()),
        TokenTree::Punct(_) | TokenTree::Literal(_) => Vec::new(),
    };
    tokens.into_iter().flat_map(of).collect()
}

fn is_punct(tree: Option<&TokenTree>, sign: char) -> bool {
    matches!(tree, Some(TokenTree::Punct(punct)) if punct.as_char() == sign)
}

fn is_brace(tree: &TokenTree) -> bool {
    matches!(tree, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
}

/// Place behind the item, statement or field that begins at `from`, its attributes included.
fn behind(trees: &[TokenTree], mut from: usize) -> usize {
    while is_punct(trees.get(from), '#') {
        from += 2;
    }
    let mut name = from;
    if matches!(trees.get(name), Some(TokenTree::Ident(ident)) if ident == "pub") {
        name += 1;
        name += usize::from(matches!(trees.get(name), Some(TokenTree::Group(_))));
    }
    let field = matches!(trees.get(name), Some(TokenTree::Ident(_)))
        && is_punct(trees.get(name + 1), ':')
        && !is_punct(trees.get(name + 2), ':');
    let last = |tree: &TokenTree| {
        if field { is_punct(Some(tree), ',') } else { is_punct(Some(tree), ';') || is_brace(tree) }
    };
    trees[from..].iter().position(last).map_or(trees.len(), |n| from + n + 1)
}

/// The tokens without what is for tests alone, groups opened.
pub(crate) fn without_tests(tokens: TokenStream) -> Vec<TokenTree> {
    let trees: Vec<TokenTree> = tokens.into_iter().collect();
    let (mut kept, mut at) = (Vec::new(), 0);
    while at < trees.len() {
        if is_punct(trees.get(at), '#') && trees.get(at + 1).is_some_and(is_cfg_test) {
            at = behind(&trees, at);
        } else {
            kept.push(match &trees[at] {
                TokenTree::Group(group) => {
                    let inner = without_tests(group.stream()).into_iter().collect();
                    TokenTree::Group(proc_macro2::Group::new(group.delimiter(), inner))
                }
                other => other.clone(),
            });
            at += 1;
        }
    }
    kept
}

/// A path as it is written, its groups multiplied out; `{` follows a `crate` that opens a group.
type Used = Vec<String>;

/// Every path in the tokens: of `use`, of types, of expressions, in macros.
fn paths(trees: &[TokenTree], before: &[String], out: &mut Vec<Used>) {
    let mut at = 0;
    while at < trees.len() {
        match &trees[at] {
            TokenTree::Ident(ident) => {
                let mut path = before.to_vec();
                path.push(ident.to_string());
                at += 1;
                let mut group = None;
                while is_punct(trees.get(at), ':') && is_punct(trees.get(at + 1), ':') {
                    match trees.get(at + 2) {
                        Some(TokenTree::Ident(next)) => path.push(next.to_string()),
                        Some(tree @ TokenTree::Group(inner)) if is_brace(tree) => group = Some(inner.stream()),
                        _ => break,
                    }
                    at += 3;
                }
                match group {
                    Some(inner) => {
                        if path == ["crate"] {
                            out.push(vec!["crate".to_owned(), "{".to_owned()]);
                        }
                        paths(&inner.into_iter().collect::<Vec<_>>(), &path, out);
                    }
                    None => out.push(path),
                }
            }
            TokenTree::Group(group) => {
                paths(&group.stream().into_iter().collect::<Vec<_>>(), &[], out);
                at += 1;
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => at += 1,
        }
    }
}

/// The paths that a source uses outside its tests.
fn used(text: &str) -> Vec<Used> {
    let tokens: TokenStream = text.parse().expect("a source is made of tokens");
    let mut out = Vec::new();
    paths(&without_tests(tokens), &[], &mut out);
    out
}

/// Breaches of the rules in the source `text` at `path` (relative to src).
fn breaches(path: &str, text: &str, modules: &BTreeSet<&str>) -> Vec<String> {
    let module = path.split(['/', '.']).next().unwrap_or_default();
    let mut found = BTreeSet::new();
    let used = used(text);
    for (n, path_used) in used.iter().enumerate() {
        let (first, second) = (path_used[0].as_str(), path_used.get(1).map(String::as_str));
        if let ("crate", Some(second)) = (first, second) {
            let allowed = second == module
                || EDGES.contains(&module)
                || ALLOWED.iter().any(|(m, may)| *m == module && may.contains(&second));
            if modules.contains(second) && !allowed {
                found.insert(format!("{path}: {module} may not use {second}"));
            }
            if second == "{" {
                found.insert(format!("{path}: `crate::{{` hides what is used"));
            }
        }
        let door =
            DOORS.iter().find(|(door, _)| door.iter().zip(path_used).filter(|(a, b)| *a == b).count() == door.len());
        if let Some((door, homes)) = door.filter(|(_, homes)| !homes.split('|').any(|home| path.starts_with(home))) {
            found.insert(format!("{path}: {} belongs to {homes}", door.join("::")));
        }
        let brought_in = second.is_some() || n > 0 && used[n - 1] == ["use"];
        for (name, home) in HOMES.iter().filter(|(name, _)| *name == first && brought_in) {
            if !home.split('|').any(|h| path.starts_with(h)) {
                found.insert(format!("{path}: {name} belongs to {home}"));
            }
        }
    }
    found.into_iter().collect()
}

/// The files of one module: path of the module that each is, without the top one, and what it uses.
type Files = BTreeMap<Vec<String>, Vec<Used>>;

/// The place of a file in the tree of modules: `transport/gpu/mod.rs` is transport, gpu.
fn place(relative: &str) -> Vec<String> {
    let plain = relative.trim_end_matches(".rs").trim_end_matches("/mod");
    plain.split('/').map(str::to_owned).collect()
}

/// The path from the root of the crate of what a file uses; nothing where it is outside the crate.
fn absolute(from: &[String], used: &Used, files: &Files) -> Option<Vec<String>> {
    let ups = used.iter().take_while(|s| *s == "super").count();
    match used[0].as_str() {
        "crate" => Some(used[1..].to_vec()),
        "self" => Some([from, &used[1..]].concat()),
        "super" => Some([from.get(..from.len().checked_sub(ups)?)?, &used[ups..]].concat()),
        first => {
            let child = [from, &[first.to_owned()]].concat();
            files.contains_key(&child).then(|| [from, &used[..]].concat())
        }
    }
}

/// The file that a path leads to: the innermost one on its way, or the one that this one takes the name from.
fn target(path: &[String], files: &Files, depth: u32) -> Option<Vec<String>> {
    let file = (1..=path.len()).rev().map(|n| path[..n].to_vec()).find(|p| files.contains_key(p))?;
    let passed_on = path.get(file.len()).filter(|_| depth > 0).and_then(|name| {
        let takes = |used: &&Used| used.len() > 1 && used.last() == Some(name);
        let of = |used: &Used| target(&absolute(&file, used, files)?, files, depth - 1);
        files[&file].iter().filter(takes).filter_map(of).find(|to| *to != file)
    });
    Some(passed_on.unwrap_or(file))
}

/// Who uses whom in one module. What a file takes from a module that it is part of does not count.
fn arrows(files: &Files) -> BTreeMap<&[String], BTreeSet<Vec<String>>> {
    let of = |from: &[String], uses: &[Used]| {
        let to = uses.iter().filter_map(|used| target(&absolute(from, used, files)?, files, 3));
        to.filter(|to| !from.starts_with(to)).collect()
    };
    files.iter().map(|(from, uses)| (&from[..], of(from, uses))).collect()
}

/// All that can be reached from `from`.
fn reached<T: Ord + Clone>(from: &T, next: &dyn Fn(&T) -> Vec<T>) -> BTreeSet<T> {
    let (mut seen, mut open) = (BTreeSet::new(), next(from));
    while let Some(here) = open.pop() {
        if seen.insert(here.clone()) {
            open.extend(next(&here));
        }
    }
    seen
}

/// The circles of arrows: sets of nodes that reach each other.
fn circles<T: Ord + Clone>(nodes: &[T], next: &dyn Fn(&T) -> Vec<T>) -> BTreeSet<BTreeSet<T>> {
    let all: BTreeMap<&T, BTreeSet<T>> = nodes.iter().map(|n| (n, reached(n, next))).collect();
    let circle = |n: &T| {
        let mutual = all[n].iter().filter(|m| all.get(m).is_some_and(|back| back.contains(n)));
        mutual.cloned().collect::<BTreeSet<T>>()
    };
    nodes.iter().map(circle).filter(|circle| !circle.is_empty()).collect()
}

/// The circles between the files of a module, in words.
fn circles_of(files: &Files) -> Vec<String> {
    let arrows = arrows(files);
    let nodes: Vec<Vec<String>> = files.keys().cloned().collect();
    let next = |from: &Vec<String>| arrows.get(&from[..]).into_iter().flatten().cloned().collect();
    let words = |circle: &BTreeSet<Vec<String>>| {
        let name = |p: &Vec<String>| if p.len() == 1 { "mod".to_owned() } else { p[1..].join("/") };
        let module = &circle.first().expect("no circle is empty")[0];
        format!("{module}: {}", circle.iter().map(name).collect::<Vec<_>>().join(", "))
    };
    circles(&nodes, &next).iter().map(words).collect()
}

fn modules() -> BTreeSet<&'static str> {
    ALLOWED.iter().map(|(m, _)| *m).chain(EDGES.iter().copied()).collect()
}

/// Path relative to src, and text, of every source that is not all tests.
pub(crate) fn source_texts() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 40, "the walk finds the sources");
    let read = |path: &PathBuf| {
        let relative = path.strip_prefix(&root).expect("below src").to_string_lossy().replace('\\', "/");
        (relative, std::fs::read_to_string(path).expect("a source is readable"))
    };
    files.iter().map(read).collect()
}

/// The files of `texts` by top module.
fn by_module(texts: &[(String, String)]) -> BTreeMap<String, Files> {
    let mut modules: BTreeMap<String, Files> = BTreeMap::new();
    for (relative, text) in texts {
        let place = place(relative);
        modules.entry(place[0].clone()).or_default().insert(place, used(text));
    }
    modules
}

#[test]
fn lock_modules_use_only_what_stands_below_them() {
    let modules = modules();
    let mut found = Vec::new();
    for (relative, text) in source_texts() {
        let module = relative.split(['/', '.']).next().unwrap_or_default().to_string();
        if !modules.contains(module.as_str()) {
            found.push(format!("{relative}: module {module} has no line in the table of this test"));
        }
        found.extend(breaches(&relative, &text, &modules));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The modules that go in a circle where each uses all that a table allows it.
fn module_circles(table: &[(&'static str, &[&'static str])]) -> BTreeSet<BTreeSet<&'static str>> {
    let nodes: Vec<&str> = table.iter().map(|(m, _)| *m).collect();
    let next = |from: &&'static str| {
        table.iter().filter(|(m, _)| m == from).flat_map(|(_, may)| may.iter().copied()).collect::<Vec<_>>()
    };
    circles(&nodes, &next)
}

#[test]
fn lock_no_modules_go_in_a_circle() {
    assert_eq!(module_circles(ALLOWED), BTreeSet::new());
}

/// Materials that used physics again would be seen, however long the way back.
#[test]
fn alarm_a_circle_of_modules_is_seen() {
    for (module, other) in [("materials", "physics"), ("units", "dose")] {
        let mut table = ALLOWED.to_vec();
        let line = table.iter_mut().find(|(m, _)| *m == module).expect("a line");
        let more: Vec<&'static str> = line.1.iter().copied().chain([other]).collect();
        line.1 = more.leak();
        let found = module_circles(&table);
        assert!(found.iter().any(|circle| circle.contains(module) && circle.contains(other)), "{found:?}");
    }
}

#[test]
fn lock_no_files_of_a_module_go_in_a_circle() {
    let found: Vec<String> = by_module(&source_texts()).values().flat_map(circles_of).collect();
    let new: Vec<&String> = found.iter().filter(|circle| !CIRCLES.contains(&circle.as_str())).collect();
    assert!(new.is_empty(), "files that use each other: {new:?}");
}

#[test]
fn alarm_a_circle_of_files_is_seen() {
    let circles = |texts: &[(&str, &str)]| {
        let texts: Vec<(String, String)> =
            texts.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        by_module(&texts).values().flat_map(circles_of).collect::<Vec<_>>()
    };
    let mod_rs = ("m/mod.rs", "mod a; mod b; pub use b::B; pub struct M;");
    for (a, b) in [
        ("use super::b::B;", "use super::a::A;"),
        ("use crate::m::b::B;", "fn f() -> crate::m::a::A { todo!() }"),
        ("use crate::m::{M, b::{B, C}};", "fn f() { assert!(super::a::yes()); }"),
        // through what the parent passes on
        ("use crate::m::B;", "use super::a;"),
        ("#[cfg(test)]\nmod tests { use super::*; }\nuse super::b;", "use super::a::A;"),
    ] {
        assert_eq!(circles(&[mod_rs, ("m/a.rs", a), ("m/b.rs", b)]), ["m: a, b"], "{a} {b}");
    }
    // a longer way round, and through a folder
    let long = [("m/a.rs", "use super::c::d::D;"), ("m/b.rs", "use super::a::A;"), ("m/c/mod.rs", "pub mod d;")];
    let d = ("m/c/d.rs", "use crate::m::b::B;");
    assert_eq!(circles(&[mod_rs, long[0], long[1], long[2], d]), ["m: a, b, c/d"]);
    // tests, and what a file takes from the module that it is part of, are none
    for (a, b) in [
        ("use super::M;", "use super::a::A;"),
        ("use super::b::B;", "#[cfg(test)]\nuse super::a::A;"),
        ("use super::b::B;", "#[cfg(test)]\nmod tests { fn f() { crate::m::a::A } }"),
    ] {
        assert_eq!(circles(&[mod_rs, ("m/a.rs", a), ("m/b.rs", b)]), [""; 0], "{a} {b}");
    }
}

#[test]
fn alarm_a_forbidden_use_is_seen() {
    let modules = modules();
    for (path, text, message) in [
        ("physics/moller.rs", "use crate::transport::Scene;", "physics may not use transport"),
        ("physics/moller.rs", "let x = crate::grid::Volume::new();", "physics may not use grid"),
        ("dose/mod.rs", "use crate::transport::Engine;", "dose may not use transport"),
        ("transport/run.rs", "use crate::dose::DoseMap;", "transport may not use dose"),
        ("kernel/math.rs", "use crate::units::KEV;", "kernel may not use units"),
        ("bed/mod.rs", "use crate::course::Course;", "bed may not use course"),
        ("course/mod.rs", "use crate::io::nifti;", "course may not use io"),
        ("transport/cpu.rs", "use crate::cli::args;", "transport may not use cli"),
        ("transport/cpu.rs", "let d: wgpu::Device;", "wgpu belongs to transport/gpu/"),
        ("dose/mod.rs", "use clap::Parser;", "clap belongs to cli/"),
        ("clinic/dose.rs", "use crate::cli::printer;", "clinic may not use cli"),
        ("clinic/dose.rs", "use clap::Parser;", "clap belongs to cli/"),
        ("dose/mod.rs", "use std::time::{Duration, Instant};", "std::time::Instant belongs to clock.rs|cli/"),
        ("source/x.rs", "fn f() { std::thread::scope(|s| g(s)); }", "std::thread belongs to cores.rs|owner.rs|cli/"),
        ("clinic/x.rs", "fn f() { tempfile::tempdir(); }", "tempfile belongs to io/|owner.rs"),
        ("course/mod.rs", "use crate::clinic::case::Case;", "course may not use clinic"),
        ("dose/mod.rs", "use crate::{grid, cli};", "hides what is used"),
        ("materials/tissues.rs", "use crate::physics::elements;", "materials may not use physics"),
        ("transport/gpu/mod.rs", "fn f() { pollster::block_on(g()) }", "pollster belongs to transport/gpu/native.rs"),
        // behind tests, and in macros
        ("dose/mod.rs", "#[cfg(test)]\nfn t() {}\nuse crate::transport::Engine;", "dose may not use transport"),
        ("dose/mod.rs", "#[cfg(test)]\nmod tests {}\nuse crate::transport::Engine;", "dose may not use transport"),
        ("dose/mod.rs", "struct D { #[cfg(test)] a: u8, b: crate::cli::X }", "dose may not use cli"),
        ("dose/mod.rs", "fn f() { #[cfg(test)] g(|| { 1 }); crate::cli::x() }", "dose may not use cli"),
        ("dose/mod.rs", "fn f() { println!(\"{}\", crate::cli::x()) }", "dose may not use cli"),
    ] {
        let found = breaches(path, text, &modules);
        assert!(found.iter().any(|f| f.contains(message)), "{text} in {path}: {found:?}");
    }
    assert!(
        breaches("transport/gpu/mod.rs", "use wgpu::Device; use crate::tally::Ledger; // crate::cli", &modules)
            .is_empty()
    );
    let tests = "#[cfg(test)]\nmod tests { use crate::cli::x; }\n#[cfg(all(test, unix))]\nuse crate::cli::y;";
    assert!(breaches("dose/mod.rs", tests, &modules).is_empty());
}
