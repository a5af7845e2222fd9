//! The documents are true: every link leads somewhere, every command parses, and those marked to be run do run.
//!
//! A block that begins with ```` ```sh run ```` is run in a temporary folder, in the order of [`RUN_ORDER`]. All others
//! that show `lutra` are parsed by the program's own parser; `...` stands for the options that are not the point.

use crate::needs;
use crate::small_cli::{fault, joined};
use clap::CommandFactory;
use lutra::cli::args::RawArgs;
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// Documents whose runnable blocks follow each other in one folder, as a newcomer follows them.
const RUN_ORDER: [&str; 4] = ["README.md", "docs/quickstart.md", "docs/tutorial.md", "docs/extending.md"];
/// Longest time that the newcomer's path may take here, s: it hangs if it takes longer.
const LONGEST_S: u64 = 900;
/// Options of other programs that the documents show.
const FOREIGN: [&str; 45] = [
    "--at-once",
    "--cases",
    "--courses",
    "--key",
    "--of",
    "--profile",
    "--program",
    "--remap-path-prefix",
    "--results",
    "--checked",
    "--code",
    "--manifest-path",
    "--show",
    "--text",
    "--lib",
    "--no-default-features",
    "--ignored",
    "--nocapture",
    "--release",
    "--path",
    "--locked",
    "--all-targets",
    "--test",
    "--array",
    "--requeue",
    "--dependency",
    "--cores",
    "--config",
    "--shards",
    "--histories",
    "--ct",
    "--activity",
    "--example",
    "--bench",
    "--no-run",
    "--tool",
    "--bin",
    "--features",
    "--no-deps",
    "--check",
    "--workspace",
    "--open",
    "--from",
    "--refs",
    "--data",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every document: the ones at the root and the book, paths relative to the root.
fn documents() -> Vec<String> {
    fn collect(folder: &Path, out: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("docs is readable") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                collect(&path, out);
            } else if path.extension().is_some_and(|e| e == "md") {
                out.push(path);
            }
        }
    }
    let mut paths = Vec::new();
    collect(&root().join("docs"), &mut paths);
    paths.extend(["README.md", "CHANGELOG.md", "CONTRIBUTING.md"].map(|name| root().join(name)));
    let mut names: Vec<String> = paths
        .iter()
        .map(|path| path.strip_prefix(root()).expect("below the root").to_string_lossy().replace('\\', "/"))
        .collect();
    names.sort();
    assert!(names.len() > 20, "the walk finds the documents: {names:?}");
    names
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A code block: its info string and its text.
struct Block {
    info: String,
    text: String,
}

/// What a document holds.
#[derive(Default)]
struct Document {
    links: Vec<String>,
    anchors: BTreeSet<String>,
    blocks: Vec<Block>,
    inline: Vec<String>,
}

/// A heading's anchor, as mdBook and code hosts make it: lower case, blanks to dashes, other marks left out.
fn anchor(heading: &str) -> String {
    heading
        .trim()
        .to_lowercase()
        .chars()
        .filter_map(|c| match c {
            ' ' | '-' => Some('-'),
            c if c.is_alphanumeric() || c == '_' => Some(c),
            _ => None,
        })
        .collect()
}

fn parse(text: &str) -> Document {
    let mut document = Document::default();
    let mut heading: Option<String> = None;
    let mut block: Option<Block> = None;
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for event in Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES) {
        match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                document.links.push(dest_url.to_string());
            }
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => {
                let plain = anchor(&heading.take().unwrap_or_default());
                let count = seen.entry(plain.clone()).or_default();
                document.anchors.insert(if *count == 0 { plain } else { format!("{plain}-{count}") });
                *count += 1;
            }
            Event::Start(Tag::CodeBlock(kind)) => {
                let info = match kind {
                    CodeBlockKind::Fenced(info) => info.to_string(),
                    CodeBlockKind::Indented => String::new(),
                };
                block = Some(Block { info, text: String::new() });
            }
            Event::End(TagEnd::CodeBlock) => document.blocks.extend(block.take()),
            Event::Text(words) => {
                if let Some(block) = &mut block {
                    block.text.push_str(&words);
                } else if let Some(heading) = &mut heading {
                    heading.push_str(&words);
                }
            }
            Event::Code(words) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&words);
                }
                document.inline.push(words.to_string());
            }
            _ => {}
        }
    }
    document
}

/// Links of `text`, a document at `name`, that lead nowhere.
fn broken_links(name: &str, text: &str) -> Vec<String> {
    let document = parse(text);
    let folder = root().join(name).parent().expect("a folder").to_path_buf();
    let mut broken = Vec::new();
    for link in &document.links {
        if link.contains("://") || link.starts_with("mailto:") {
            continue;
        }
        let (file, fragment) = link.split_once('#').map_or((link.as_str(), None), |(file, f)| (file, Some(f)));
        let target = folder.join(file);
        if !file.is_empty() && !target.exists() {
            broken.push(format!("{name}: {link}: no such file"));
            continue;
        }
        let Some(fragment) = fragment else { continue };
        let anchors = if file.is_empty() {
            document.anchors.clone()
        } else if target.extension().is_some_and(|e| e == "md") {
            parse(&std::fs::read_to_string(&target).expect("readable")).anchors
        } else {
            continue;
        };
        if !anchors.contains(fragment) {
            broken.push(format!("{name}: {link}: no such heading"));
        }
    }
    broken
}

/// Command lines of a block of shell text that call `lutra`, without prompts, comments, redirections and pipes.
fn command_lines(text: &str) -> Vec<String> {
    joined(text)
        .into_iter()
        .filter_map(|line| {
            let line = line.trim().trim_start_matches("$ ");
            let line = line.split(" #").next().unwrap_or_default();
            let line = line.split([';', '|', '>']).next().unwrap_or_default().split("&&").next().unwrap_or_default();
            let line = line
                .trim()
                .strip_prefix("cargo run --release -- ")
                .map_or(line.trim().to_owned(), |rest| format!("lutra {rest}"));
            line.starts_with("lutra ").then_some(line)
        })
        .collect()
}

/// A command line with its `...` filled in.
fn filled(line: &str) -> String {
    line.replace(" ... ", " --ct c --activity a --activity-unit decays ")
        .replace(" ...", " --ct c --activity a --activity-unit decays --out o")
}

/// Every long option of the program, with the two dashes, and every subcommand's path, as in `init dose`.
fn vocabulary() -> (Vec<String>, Vec<String>) {
    fn walk(command: &clap::Command, path: &str, options: &mut Vec<String>, names: &mut Vec<String>) {
        let longs = command.get_arguments().filter_map(|arg| arg.get_long());
        options.extend(longs.map(|long| format!("--{long}")));
        for below in command.get_subcommands() {
            let path = format!("{path} {}", below.get_name()).trim().to_owned();
            walk(below, &path, options, names);
            names.push(path);
        }
    }
    let mut command = RawArgs::command();
    command.build();
    let (mut options, mut names) = (Vec::new(), Vec::new());
    walk(&command, "", &mut options, &mut names);
    options.sort();
    options.dedup();
    (options, names)
}

/// Commands and options in a document that the program does not know.
fn unknown_words(name: &str, text: &str) -> Vec<String> {
    let document = parse(text);
    let (options, commands) = vocabulary();
    let mut found = Vec::new();
    for block in document.blocks.iter().filter(|b| !b.info.starts_with("rust") && !b.info.starts_with("toml")) {
        for line in command_lines(&block.text) {
            if let Some(fault) = fault(&filled(&line)) {
                found.push(format!("{name}: {line}: {fault}"));
            }
        }
    }
    for code in &document.inline {
        let words: Vec<&str> = code.split_whitespace().collect();
        if words.first() == Some(&"lutra") && words.len() > 1 && words[1].starts_with(|c: char| c.is_ascii_lowercase())
        {
            // `lutra init dose|course` shows two
            let known = words[1].split('|').all(|word| commands.iter().any(|command| command == word));
            if !known && words[1] != "help" {
                found.push(format!("{name}: `{code}`: no such subcommand"));
            }
        }
        for word in words {
            let option =
                word.split('=').next().unwrap_or_default().trim_matches(|c: char| !c.is_alphanumeric() && c != '-');
            let is_option =
                option.strip_prefix("--").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()));
            if is_option && !options.iter().any(|known| known == option) && !FOREIGN.contains(&option) {
                found.push(format!("{name}: `{code}`: no such option"));
            }
        }
    }
    found
}

#[test]
fn docs_every_link_leads_somewhere() {
    let broken: Vec<String> = documents().iter().flat_map(|name| broken_links(name, &read(name))).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn docs_every_command_and_option_is_known() {
    let wrong: Vec<String> = documents().iter().flat_map(|name| unknown_words(name, &read(name))).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn docs_every_subcommand_is_in_the_readme() {
    let readme = read("README.md");
    let (_, commands) = vocabulary();
    for command in commands.iter().filter(|command| !command.contains("help") && !command.contains(' ')) {
        assert!(readme.contains(&format!("`{command}`")), "README.md does not name `{command}`");
    }
}

#[test]
fn docs_the_book_lists_every_chapter_once() {
    let summary = parse(&read("docs/SUMMARY.md"));
    let listed: BTreeSet<String> = summary.links.iter().map(|link| format!("docs/{link}")).collect();
    assert_eq!(listed.len(), summary.links.len(), "a chapter comes twice");
    let there: BTreeSet<String> =
        documents().into_iter().filter(|name| name.starts_with("docs/") && name != "docs/SUMMARY.md").collect();
    let missing: Vec<&String> = there.difference(&listed).collect();
    assert!(missing.is_empty(), "docs/SUMMARY.md does not list {missing:?}");
}

/// The blocks to run of all documents, in order.
fn run_blocks() -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    for name in RUN_ORDER {
        let document = parse(&read(name));
        let chosen = document.blocks.into_iter().filter(|block| block.info.split_whitespace().eq(["sh", "run"]));
        blocks.extend(chosen.map(|block| (name.to_owned(), block.text)));
    }
    blocks
}

/// Runs shell text in a folder with this build of the program first on the path.
fn run(folder: &Path, text: &str) -> Result<String, String> {
    let program = Path::new(env!("CARGO_BIN_EXE_lutra"));
    let mut path = program.parent().expect("a folder").as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    let output = Command::new("sh").args(["-eu", "-c", text]).current_dir(folder).env("PATH", path).output();
    let output = output.expect("sh starts");
    let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat();
    if output.status.success() { Ok(said) } else { Err(said) }
}

#[test]
fn docs_a_newcomers_path_runs_as_written() {
    if cfg!(windows) && !needs::linux("the blocks are for a POSIX shell") {
        return;
    }
    let blocks = run_blocks();
    for name in RUN_ORDER {
        assert!(blocks.iter().any(|(from, _)| from == name), "{name} has no block to run");
    }
    let folder = tempfile::tempdir().expect("temporary folder");
    let began = Instant::now();
    for (name, text) in &blocks {
        let block = Instant::now();
        match run(folder.path(), text) {
            Ok(said) => println!("{name}, {:.1} s\n{text}{said}", block.elapsed().as_secs_f64()),
            Err(said) => panic!("{name}:\n{text}\n{said}"),
        }
    }
    println!("{} blocks in {:.1} s", blocks.len(), began.elapsed().as_secs_f64());
    assert!(began.elapsed().as_secs() < LONGEST_S, "the path takes {:.0} s", began.elapsed().as_secs_f64());
    for made in
        ["lutra-demo/run.json", "patient-dose/dose_gy.nii.gz", "patient-course/verdict.txt", "mine-course/verdict.txt"]
    {
        assert!(folder.path().join(made).is_file(), "the path does not end with {made}");
    }
}

#[test]
fn alarm_a_broken_link_is_found() {
    let text = "# Here\n\n[a](docs/validation.md) [b](docs/nowhere.md) [c](#here) [d](#there) [e](https://example.org/x) \
                [f](docs/validation.md#no-such-heading) ![g](docs/none.png)\n";
    let broken = broken_links("README.md", text);
    let hit = |part: &str| broken.iter().any(|line| line.contains(part));
    assert_eq!(broken.len(), 4, "{broken:?}");
    assert!(hit("docs/nowhere.md: no such file") && hit("#there: no such heading"), "{broken:?}");
    assert!(hit("no-such-heading") && hit("docs/none.png"), "{broken:?}");
    assert_eq!(anchor("BED: what `G` is, and 2 Gy"), "bed-what-g-is-and-2-gy");
}

#[test]
fn alarm_a_misspelt_command_is_found() {
    for text in [
        "```sh\nlutra dose --ct c --activty a --out o\n```\n",
        "```sh run\n$ lutra demmo\n```\n",
        "```sh\nlutra dose --ct c --activity a \\\n    --activity-unit decays --outt o   # comment\n```\n",
        "    lutra dose ... --shard 5/3 --out o\n",
        "Use `lutra dosis` here.\n",
        "Use `--target-sgma` here.\n",
        "```sh\nlutra course --simulate --pateints 3 > x\n```\n",
    ] {
        assert_eq!(unknown_words("README.md", text).len(), 1, "{text}: {:?}", unknown_words("README.md", text));
    }
    let fine = "```sh\ncargo run --release -- demo && ls\nlutra dose ... --shard 1/3 --out o\n```\n`lutra init dose|course`, `--out`";
    assert!(unknown_words("README.md", fine).is_empty(), "{:?}", unknown_words("README.md", fine));
}

#[test]
fn alarm_a_command_that_fails_is_found() {
    let folder = tempfile::tempdir().expect("temporary folder");
    assert!(run(folder.path(), "lutra inspect nowhere.nii\n").is_err());
    assert!(run(folder.path(), "lutra inspect nowhere.nii\ntrue\n").is_err(), "a fault in the middle ends the block");
    assert!(run(folder.path(), "lutra devices\n").is_ok());
}
