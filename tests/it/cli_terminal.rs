//! What a command prints arrives whole, or the command says that it did not; numbers and threads that an option can have.

use crate::small;
use clap::{ArgAction, Command as Options, CommandFactory, Parser};
use lutra::cli::args::RawArgs;
use lutra::grid::{Volume, VoxelGrid};
use lutra::io::nifti;
use std::path::Path;
use std::process::{Command, Stdio};

const PATIENT: &str = "--ct ct.nii --labels labels.nii --activity decays.nii --activity-unit decays";
const RUN: &str = "--engine cpu --threads 1 --histories 500";

fn patient() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("temporary folder");
    small::write_files(folder.path(), "ct.nii", ("decays.nii", [1e8, 2e10]), "labels.nii");
    std::fs::create_dir(folder.path().join("p")).expect("made");
    small::write_files(&folder.path().join("p"), "ct.nii", ("decays.nii", [1e8, 2e10]), "labels.nii");
    folder
}

/// Commands that print, quick ones of every subcommand that has one; in an order in which each finds what it reads.
fn printing() -> Vec<String> {
    let mut lines = vec![
        format!("dose {PATIENT} {RUN} --out dose"),
        format!("dose {PATIENT} {RUN} --shard 1/1 --out shard"),
        "merge shard --out merged".to_owned(),
        "compare dose/dose_gy.nii.gz merged/dose_gy.nii.gz --out compared".to_owned(),
        "kernel --voxel-mm 4 --half 1 --histories 500 --threads 1 --out k.nii.gz".to_owned(),
        "dpk --histories 500 --threads 1 --out d.csv".to_owned(),
        "svalue --ct ct.nii --labels labels.nii --source-label 1 --engine cpu --histories 500 --out s.csv".to_owned(),
        "parity --histories 100 --devices cpu:1 --scene ct.nii decays.nii".to_owned(),
        "course --simulate --patients 50".to_owned(),
        "kinetics list".to_owned(),
        "kinetics plan --organ kidney --times 24,96 --patients 5".to_owned(),
        "init dose p".to_owned(),
    ];
    lines.extend(
        ["inspect ct.nii", "inspect p", "devices", "man --out man", "demo --practice --out practice"]
            .map(str::to_owned),
    );
    lines
}

/// Runs the program with its standard output going to `to`: exit code and what it said on standard error.
fn into(folder: &Path, line: &str, to: Stdio) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lutra"));
    let output = command
        .current_dir(folder)
        .args(line.split_whitespace())
        .stdout(to)
        .stderr(Stdio::piped())
        .spawn()
        .and_then(std::process::Child::wait_with_output)
        .expect("the program runs");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn full() -> Stdio {
    std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a full device").into()
}

/// A pipe whose reader has gone.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

#[cfg(target_os = "linux")]
#[test]
fn cli_output_that_is_lost_is_said() {
    let folder = patient();
    let lost = |line: &str| {
        let (code, told) = into(folder.path(), line, full());
        assert_eq!(code, Some(1), "{line}: {told}");
        let faults = told.matches("error: standard output: cannot write: ").count();
        assert!(faults == 1 && !told.contains("panicked"), "{line}: {told}");
    };
    for line in printing() {
        lost(&line);
    }
    for line in ["completions bash", "help", "--help", "--version", "dose --help", "help dose"] {
        lost(line);
    }
    // the results are there: the same again is refused for that
    assert!(folder.path().join("dose/run.json").is_file() && !folder.path().join("dose.checkpoint").exists());
    for line in ["inspect ct.nii --json", "inspect p --json", "devices --json --quiet"] {
        lost(line);
    }
    lost("course --simulate --patients 50 --json --quiet");
    lost(&format!("dose {PATIENT} {RUN} --out dose --force --json --quiet"));
}

/// A reader that wants no more (`head`) is no fault; nor is output that arrives.
#[test]
fn cli_a_reader_that_has_gone_is_no_fault() {
    let folder = patient();
    for line in printing() {
        let (code, told) = into(folder.path(), &line, closed());
        assert!(code == Some(0) && !told.contains("standard output"), "{line}: {told}");
    }
    for line in ["completions bash", "--help", "--version"] {
        assert_eq!(into(folder.path(), line, closed()).0, Some(0), "{line}");
        assert_eq!(into(folder.path(), line, Stdio::null()).0, Some(0), "{line}");
    }
}

/// Every subcommand is in the list above, or runs long; nothing in the library prints but the printer.
#[test]
fn cli_one_door_leads_to_the_terminal() {
    let lines = printing();
    let long = [
        "tia",
        "course",
        "audit",
        "bench",
        "validate",
        "verify",
        "demo",
        "completions",
        "register",
        "calibrate",
        "serve",
        "marrow",
    ];
    for below in RawArgs::command().get_subcommands() {
        let name = below.get_name();
        assert!(long.contains(&name) || lines.iter().any(|line| line.starts_with(name)), "{name} is not tested");
    }
    let mut seen = 0;
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).expect("sources").map(|entry| entry.expect("entry").path()) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("source");
            let text = text.split("#[cfg(test)]").next().expect("what is no test");
            let (printer, cores) = (path.ends_with("cli/printer.rs"), path.ends_with("src/cores.rs"));
            if path.components().any(|part| part.as_os_str().to_string_lossy().starts_with("tests")) {
                continue;
            }
            seen += 1;
            for door in ["println!", "print!(", "::stdout()", "::stderr()"] {
                let talk = path.ends_with("cli/progress.rs") && door == "::stderr()";
                assert!(printer || talk || !text.contains(door), "{} has {door}", path.display());
            }
            for door in ["thread::scope", "thread::spawn", "available_parallelism", "thread::Builder", ".spawn("] {
                assert!(cores || !text.contains(door), "{} has {door}", path.display());
            }
            assert!(!printer || text.matches("::stdout()").count() == 2, "each use of standard output keeps its fault");
        }
    }
    assert!(seen > 200, "the walk finds the sources: {seen}");
}

/// Options of every subcommand that take a number, with a text that is none: what is allowed is said, in our words.
#[test]
fn cli_numbers_that_are_none_are_refused_with_what_is_allowed() {
    let mut tried = 0;
    let command = RawArgs::command();
    // those of groups too, by the words that lead to them
    let inner =
        command.get_subcommands().flat_map(|group| group.get_subcommands().map(move |below| (Some(group), below)));
    let all: Vec<_> = command.get_subcommands().map(|below| (None, below)).chain(inner).collect();
    for (group, below) in all {
        for arg in below.get_arguments().filter(|arg| matches!(arg.get_action(), ArgAction::Set)) {
            let Some(long) = arg.get_long() else { continue };
            for value in ["-1", "1.5x", "99999999999999999999", ""] {
                let mut words = vec!["lutra".to_owned()];
                words.extend(group.map(|group| group.get_name().to_owned()));
                words.extend([below.get_name().to_owned(), format!("--{long}={value}")]);
                let Err(error) = RawArgs::try_parse_from(words) else { continue };
                let told = error.to_string();
                for foreign in ["invalid digit", "too large to fit", "invalid float", "cannot parse", "not in "] {
                    assert!(!told.contains(foreign), "{} --{long}={value}: {told}", below.get_name());
                }
                tried += usize::from(told.contains("allowed: "));
            }
        }
    }
    assert!(tried > 60, "numbers are among the options: {tried}");
    let told = |line: &str| RawArgs::try_parse_from(line.split_whitespace()).expect_err(line).to_string();
    let text = told("lutra demo --seed=-1");
    assert!(text.contains("'-1'") && text.contains("allowed: a whole number from 0 to 18446744073709551615"), "{text}");
    // power notation, as of histories
    assert!(small_batches("1e6").contains("found 1000000; allowed: from 10 to 4096"), "{}", small_batches("1e6"));
    let _options: Options = RawArgs::command();
}

fn small_batches(value: &str) -> String {
    let folder = tempfile::tempdir().expect("temporary folder");
    into(folder.path(), &format!("dose {PATIENT} --batches {value} --out o"), Stdio::null()).1
}

#[test]
fn cli_threads_have_a_bound_and_a_system_that_refuses_them_is_named() {
    let folder = patient();
    for threads in ["0", "65535", "100000000000", "18446744073709551615", "1e300", "-3", "x"] {
        for line in [
            format!("dose {PATIENT} --engine cpu --threads={threads} --out o"),
            format!("kernel --voxel-mm 4 --half 1 --threads={threads} --out k.nii.gz"),
            format!("dpk --threads={threads} --out d.csv"),
            format!("validate --quick --threads={threads} --out v"),
            format!("parity --devices cpu:{threads} --out p.json"),
        ] {
            let (code, told) = into(folder.path(), &line, Stdio::null());
            let words = if line.starts_with("parity") { "allowed" } else { "1 to 4096" };
            assert!(code == Some(2) && told.contains(words), "{line}: {code:?} {told}");
        }
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("folder").count(), 4, "nothing is left");
}

/// A system that starts no further threads: refused with the number that can be had; nothing is left behind.
#[cfg(target_os = "linux")]
#[test]
fn cli_threads_that_the_system_refuses_are_an_error_with_words() {
    let folder = patient();
    // stacks of 2 MiB do not fit: a limit that holds for root too
    let line = format!("dose {PATIENT} --engine cpu --threads 2000 --histories 500 --out o");
    let limited = |kib: u32, line: &str| {
        let script = format!("ulimit -v {kib}; exec \"$0\" \"$@\"");
        let output = Command::new("sh")
            .current_dir(folder.path())
            .args(["-c", &script, env!("CARGO_BIN_EXE_lutra")])
            .args(line.split_whitespace())
            .output()
            .expect("the program starts");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, told) = limited(1_500_000, &line);
    assert!(code == Some(2) && told.contains("--threads: found 2000; allowed: 1 to "), "{code:?} {told}");
    assert!(told.contains("hint: give --threads "), "{told}");
    let mut names: Vec<_> =
        std::fs::read_dir(folder.path()).expect("folder").map(|e| e.expect("e").file_name()).collect();
    names.sort();
    assert_eq!(names, ["ct.nii", "decays.nii", "labels.nii", "p"], "nothing is left");
    // alarm: with two threads the same limit is wide enough
    let (code, told) = limited(1_500_000, &line.replace("2000", "2"));
    assert_eq!(code, Some(0), "{told}");
}

/// An uncertainty that no history can reach is refused at once; so is a run that this process has no memory for.
#[cfg(target_os = "linux")]
#[test]
fn cli_runs_without_an_end_or_without_memory_are_refused_at_once() {
    let folder = patient();
    // label 7 lies in the air beside the patient, label 8 in tissue
    let grid = VoxelGrid::axis_aligned([12, 10, 9], [4.0, 3.0, 5.0], [-20.0, 10.0, 30.0]);
    let label = |n: usize| if grid.voxel(n)[0] == 0 { 7.0 } else { 8.0 };
    let data = (0..grid.len()).map(label).collect::<Vec<f32>>();
    nifti::write(folder.path().join("air.nii"), &Volume { grid, data }, "test").expect("written");
    let line = format!("dose {PATIENT} --engine cpu --threads 1 --out o").replace("labels.nii", "air.nii");
    let aim = |labels: &str| {
        into(folder.path(), &format!("{line} --target-sigma 0.3 --target-labels {labels}"), Stdio::null())
    };
    for labels in ["7", "7,8"] {
        let (code, told) = aim(labels);
        assert!(code == Some(2) && told.contains("--target-labels: found 7, all of whose voxels are air"), "{told}");
    }
    let (code, told) = aim("9");
    assert!(code == Some(2) && told.contains("found 9, which no voxel has"), "{told}");
    // alarm: a label of tissue comes to an end
    assert_eq!(aim("8").0, Some(0));
    let script = "ulimit -v 3000000; exec \"$0\" \"$@\"";
    let output = Command::new("sh")
        .current_dir(folder.path())
        .args(["-c", script, env!("CARGO_BIN_EXE_lutra")])
        .args(format!("dose {PATIENT} {RUN} --grid 0.1 --out fine").split_whitespace())
        .output()
        .expect("the program starts");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("ct.nii: 64800000 voxels: memory") && told.contains("at least 4.67 GB"), "{told}");
    assert!(told.contains("--grid with larger voxels") && !folder.path().join("fine").exists(), "{told}");
}
