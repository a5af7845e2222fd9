//! Help, examples, completions, manual pages, `--json`, `--quiet`, colours, progress: what a person meets first.

use crate::small_cli::{fault, joined};
use clap::CommandFactory;
use lutra::cli::args::RawArgs;
use std::path::Path;
use std::process::{Command, Output};

fn lutra(folder: &Path, arguments: &[&str]) -> Output {
    lutra_with(folder, arguments, &[])
}

fn lutra_with(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lutra"));
    command.args(arguments).current_dir(folder);
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "LUTRA_PROGRESS_SECONDS"] {
        command.env_remove(name);
    }
    command.envs(variables.iter().copied()).output().expect("the program starts")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Standard error without the lines of the graphics loader.
fn stderr(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    text.split_inclusive('\n').filter(|line| !line.contains("XDG_RUNTIME_DIR")).collect()
}

/// Every subcommand with its path and its examples.
fn examples() -> Vec<(String, Vec<String>)> {
    fn walk(command: &clap::Command, path: &str, found: &mut Vec<(String, Vec<String>)>) {
        let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let lines = joined(&text).into_iter().filter_map(|line| {
            let line = line.strip_prefix("  ")?;
            line.starts_with("lutra ").then(|| line.to_owned())
        });
        found.push((path.to_owned(), lines.collect()));
        for below in command.get_subcommands() {
            walk(below, format!("{path} {}", below.get_name()).trim(), found);
        }
    }
    let mut found = Vec::new();
    walk(&RawArgs::command(), "", &mut found);
    found
}

#[test]
fn cli_every_subcommand_has_examples_and_each_parses() {
    let all = examples();
    assert!(all.len() > 15, "the walk finds the subcommands");
    for (path, lines) in &all {
        // `init` and `kinetics` alone only group theirs
        assert!(!lines.is_empty() || path == "init" || path == "kinetics", "lutra {path}: no example");
        for line in lines {
            assert_eq!(fault(line), None, "{line}");
            assert!(path.is_empty() || line.starts_with(&format!("lutra {path}")), "lutra {path}: {line}");
        }
    }
}

#[test]
fn alarm_a_misspelt_example_is_found() {
    for line in [
        "lutra dose --ct c --activity a --activity-unit decays --outt o",
        "lutra dose --ct c --activity a --activity-unit decay --out o",
        "lutra dose --config f --target-sgma 0.1",
        "lutra does --ct c",
        "lutra kernel --voxel-mm four --out k.csv",
        "lutra demo --seconds 3 --histories 5",
        "lutra audit --ct c --activity a --activity-unit decays --out o",
        "lutra demo 'open",
    ] {
        assert!(fault(line).is_some(), "{line} passes");
    }
    assert_eq!(fault("lutra dose --help"), None, "a call for help is no fault");
}

#[test]
fn cli_examples_that_need_no_data_run() {
    const RUN: [&str; 11] = [
        "lutra demo --histories",
        "lutra demo --practice",
        "lutra devices",
        "lutra kernel --voxel-mm 2,2,3",
        "lutra dpk --tissue",
        "lutra parity --histories",
        "lutra parity --trace",
        "lutra course --simulate",
        "lutra completions",
        "lutra man",
        "lutra help",
    ];
    let folder = tempfile::tempdir().expect("temporary folder");
    let lines: Vec<String> = examples().into_iter().flat_map(|(_, lines)| lines).collect();
    for begin in RUN {
        let chosen: Vec<&String> = lines.iter().filter(|line| line.starts_with(begin)).collect();
        assert!(!chosen.is_empty(), "no example begins with {begin}");
        for line in chosen {
            let words = shlex::split(line).expect("it parses");
            let words: Vec<&str> = words[1..].iter().map(String::as_str).collect();
            let output = lutra(folder.path(), &words);
            assert!(output.status.success(), "{line}\n{}", stderr(&output));
        }
    }
}

/// Runs that need no data, quick ones: words, and what the last line on standard error says.
fn quick(folder: &Path) -> Vec<(Vec<&'static str>, bool)> {
    std::fs::create_dir_all(folder).expect("made");
    vec![
        (vec!["demo", "--histories", "2e4", "--engine", "cpu", "--out", "demo"], true),
        (vec!["demo", "--practice", "--out", "practice"], true),
        (vec!["inspect", "demo/ct.nii.gz"], false),
        (vec!["inspect", "practice"], false),
        (vec!["init", "course", "practice"], true),
        (vec!["init", "dose", "demo", "--out", "demo.toml"], true),
        (vec!["devices"], false),
        (vec!["kernel", "--voxel-mm", "4", "--half", "2", "--histories", "2000", "--out", "k.csv"], true),
        (vec!["dpk", "--histories", "2000", "--out", "d.csv"], true),
        (
            vec![
                "svalue",
                "--ct",
                "demo/ct.nii.gz",
                "--labels",
                "demo/labels.nii.gz",
                "--source-label",
                "21",
                "--histories",
                "2e4",
                "--engine",
                "cpu",
                "--out",
                "s.csv",
            ],
            true,
        ),
        (vec!["kinetics", "list"], false),
        (vec!["kinetics", "plan", "--organ", "kidney", "--patients", "5"], false),
        (vec!["parity", "--histories", "2000", "--devices", "cpu:1"], true),
        (
            vec!["bench", "--engine", "cpu", "--histories", "2e4", "--warm-up", "2e4", "--repeat", "1", "--out", "b"],
            true,
        ),
        (vec!["course", "--simulate", "--patients", "200", "--out", "cohort"], true),
        (
            vec![
                "dose",
                "--ct",
                "demo/ct.nii.gz",
                "--activity",
                "demo/decays.nii.gz",
                "--activity-unit",
                "decays",
                "--engine",
                "cpu",
                "--histories",
                "2e4",
                "--shard",
                "1/1",
                "--out",
                "shard",
            ],
            true,
        ),
        (vec!["merge", "shard", "--out", "whole"], true),
        (vec!["man", "--out", "man"], true),
    ]
}

#[test]
fn cli_json_is_one_document_and_quiet_is_quiet() {
    let plain = tempfile::tempdir().expect("temporary folder");
    let quiet = tempfile::tempdir().expect("temporary folder");
    for (words, writes) in quick(plain.path()) {
        let output = lutra(plain.path(), &words);
        let told = stderr(&output);
        assert!(output.status.success(), "{words:?}\n{told}");
        assert!(!stdout(&output).is_empty(), "{words:?}: no data on standard output");
        assert!(!told.contains('\x1b') && !stdout(&output).contains('\x1b'), "{words:?}: colours without a terminal");
        if writes {
            let last = told.lines().last().unwrap_or_default();
            assert!(last.contains("results in "), "{words:?}: the last line is {last:?}");
            let place = last.split("results in ").nth(1).unwrap_or_default();
            assert!(plain.path().join(place).exists(), "{words:?}: {place} is not there");
        }
        let mut machine = words.clone();
        machine.extend(["--json", "--quiet"]);
        let output = lutra(quiet.path(), &machine);
        assert!(output.status.success(), "{machine:?}\n{}", stderr(&output));
        let text = stdout(&output);
        let value: serde_json::Value =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{machine:?}: {error}\n{text}"));
        assert!(value.is_object(), "{machine:?}: {value}");
        let told = stderr(&output);
        assert!(told.lines().all(|line| line.starts_with("warning:")), "{machine:?} says {told}");
    }
}

#[test]
fn cli_quiet_keeps_errors_and_colour_needs_a_terminal_or_force() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let words = ["-q", "inspect", "nowhere.nii.gz"];
    let output = lutra(folder.path(), &words);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).starts_with("error: nowhere.nii.gz: cannot read"), "{}", stderr(&output));
    let forced = lutra_with(folder.path(), &words, &[("CLICOLOR_FORCE", "1")]);
    assert!(stderr(&forced).contains('\x1b'), "{}", stderr(&forced));
    let plain = lutra_with(folder.path(), &words, &[("NO_COLOR", "1")]);
    assert_eq!(stderr(&plain), stderr(&output));
}

#[test]
fn cli_progress_without_a_terminal_is_a_line_now_and_then() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let run = |name: &str, more: &[&str], every: &str| {
        let mut words = vec!["demo", "--histories", "2e5", "--engine", "cpu", "--out", name];
        words.extend(more);
        stderr(&lutra_with(folder.path(), &words, &[("LUTRA_PROGRESS_SECONDS", every)]))
    };
    let progress = |text: &str| text.lines().filter(|line| line.contains(" %")).count();
    let told = run("often", &[], "0");
    assert!(progress(&told) > 3 && told.contains("uncertainty"), "{told}");
    assert_eq!(progress(&run("seldom", &[], "3600")), 0);
    assert_eq!(progress(&run("quiet", &["--quiet"], "0")), 0);
}

#[test]
fn cli_completions_know_the_options_in_every_shell() {
    let folder = tempfile::tempdir().expect("temporary folder");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let text = stdout(&lutra(folder.path(), &["completions", shell]));
        for word in ["target-sigma", "course", "practice"] {
            assert!(text.contains(word), "{shell}: {word}");
        }
    }
    let output = lutra(folder.path(), &["completions", "tcsh"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("elvish"), "the allowed shells are named: {}", stderr(&output));
}

#[test]
fn cli_manual_pages_are_complete_and_replace_nothing_unasked() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let output = lutra(folder.path(), &["man", "--out", "man"]);
    assert!(output.status.success(), "{}", stderr(&output));
    for page in ["lutra.1", "lutra-dose.1", "lutra-init-course.1", "lutra-course.1"] {
        let text = std::fs::read_to_string(folder.path().join("man").join(page)).expect(page);
        assert!(text.starts_with(".ie") && text.contains(".SH EXAMPLES") && !text.contains('\x1b'), "{page}: {text}");
    }
    let again = lutra(folder.path(), &["man", "--out", "man"]);
    assert_eq!(again.status.code(), Some(2));
    assert!(stderr(&again).contains("--force"), "{}", stderr(&again));
}

#[test]
fn cli_a_misspelt_word_is_met_with_the_right_one() {
    let folder = tempfile::tempdir().expect("temporary folder");
    std::fs::write(folder.path().join("kidneys.nii.gz"), b"x").expect("written");
    for (words, parts) in [
        (&["inspect", "kidney.nii.gz"][..], &["kidney.nii.gz: cannot read", "Did you mean ./kidneys.nii.gz?"][..]),
        (&["inspect", "nowhere/at/all.nii"], &["There is no folder nowhere/at either"]),
        (&["doze"], &["unrecognized subcommand 'doze'", "dose"]),
        (&["demo", "--histores", "5"], &["unexpected argument '--histores'", "--histories"]),
        (&["init", "dose", "nowhere"], &["nowhere: FOLDER: found nothing of this name", "allowed: a folder of images"]),
        (&["init", "dose", "kidneys.nii.gz"], &["found a file"]),
        (&["init", "course", ".", "--protocol", "ilumenet"], &["ilumenet", "iluminet"]),
        (&["init", "course", "."], &["found no activity image and no dose map"]),
        (&["course", "--simulate", "--protocol", "ilumenet"], &["--protocol: found \"ilumenet\"; allowed: iluminet"]),
        (&["dpk", "--nuclide", "lu178", "--out", "d.csv"], &["nuclide: found \"lu178\"", "allowed: lu177"]),
        (&["kernel", "--voxel-mm", "4", "--out", "k.xyz"], &["file ending: found k.xyz; allowed: .nii"]),
        (&["demo", "--practice", "--force"], &["--practice and --force"]),
    ] {
        let output = lutra(folder.path(), words);
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {told}");
        for part in parts {
            assert!(told.contains(part), "{words:?}: {part:?} is not in {told}");
        }
    }
}

/// What an audit does not use is refused and not in its help.
#[test]
fn alarm_an_audit_refuses_what_it_does_not_use() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let help = |command: &str| stdout(&lutra(folder.path(), &[command, "--help"]));
    for (option, value) in [("--budget", "full"), ("--dvh-bands", "total")] {
        let inputs = ["--ct", "c", "--activity", "a.nii", "--activity-unit", "decays", "--labels", "l", "--out", "o"];
        let output = lutra(folder.path(), &[&["audit"], &inputs[..], &[option, value]].concat());
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(option) && said.contains("`lutra dose`"), "{said}");
        assert!(!help("audit").contains(option) && help("dose").contains(option), "{option}");
    }
    assert!(help("audit").contains("--tolerance"));
}
