//! No run touches what it reads, with any option; `--force` replaces what Lutra wrote and nothing else.

use crate::small;
use clap::CommandFactory;
use lutra::cli::args::RawArgs;
use lutra::io::outputs::RECORD;
use lutra::io::sha256_hex;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Every file below a folder with its content; links as what they lead to.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).expect("folder") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            found.insert(path.clone(), std::fs::read(&path).expect("read"));
        }
    }
    found
}

/// A patient in a folder `p`, and files of every other kind under the names that outputs have.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().expect("temporary folder") };
        for name in
            ["p", "n", "s", "shard1", "shard2", "d", "h", "x.checkpoint", "y.checkpoint", "shared/refs/ct-liver-g48"]
        {
            std::fs::create_dir_all(place.at(name)).expect("made");
        }
        small::write_files(&place.at("p"), "ct.nii.gz", ("decays.nii.gz", [1e8, 2e10]), "labels.nii.gz");
        for name in [
            "n/label_names.csv",
            "n/organs.csv",
            "n/run.json",
            "n/audit.csv",
            "n/kernel.txt",
            "n/dose_gy.nii.gz",
            "n/k_sigma_rel.nii.gz",
            "n/tissues.csv",
            "n/density.nii.gz",
            "n/tissue.nii.gz",
            "n/dose.toml",
            "s/t24.nii",
            "s/tia.json",
            "shard1/tally.lutra",
            "shard1/case.lutra",
            "shard2/tally.lutra",
            "shard2/case.lutra",
            "shared/refs/ct-liver-g48/density.nii.gz",
            "x.checkpoint/checkpoint-a.lutra",
        ] {
            place.write(name, name);
        }
        place.write("n/dose.toml", "ct = \"../p/ct.nii.gz\"\nlabels = \"../p/labels.nii.gz\"\n");
        place.write("s/SERIES.toml", "labels = \"../p/labels.nii.gz\"\n[[images]]\nfile = \"t24.nii\"\n");
        place.write("h/COURSE.toml", "ct = \"../p/ct.nii.gz\"\n[[cycles]]\nseries = \"../s/SERIES.toml\"\n");
        let dicom = [&[0_u8; 128][..], b"DICM", b"an image"].concat();
        std::fs::write(place.at("d/report.html"), dicom).expect("written");
        std::fs::hard_link(place.at("p/ct.nii.gz"), place.at("y.checkpoint/checkpoint-b.partial")).expect("linked");
        place.recorded();
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.at(name), text).expect("written");
    }

    /// The worst case: Lutra itself wrote every file of these folders, so that each counts as an old result.
    fn recorded(&self) {
        for folder in ["p", "n", "s", "d", "h", "shard1", "shared/refs/ct-liver-g48"] {
            let lines: String = contents(&self.at(folder))
                .keys()
                .map(|path| {
                    let name = path.file_name().expect("a name").to_string_lossy().into_owned();
                    format!("{}  {name}\n", sha256_hex(path).expect("read"))
                })
                .collect();
            self.write(&format!("{folder}/{RECORD}"), &lines);
        }
    }

    fn lutra(&self, words: &str) -> Output {
        Command::new(env!("CARGO_BIN_EXE_lutra"))
            .current_dir(self.folder.path())
            .env("LUTRA_SHARED", "shared")
            .args(words.split_whitespace())
            .output()
            .expect("the program starts")
    }

    /// Runs the words; they are refused with these parts, and no file is touched.
    fn refuses(&self, words: &str, parts: &[&str]) {
        let before = contents(self.folder.path());
        let output = self.lutra(words);
        let told = told(&output);
        assert_eq!(output.status.code(), Some(2), "{words}: {told}");
        assert!(told.contains("\n\nhint: "), "{words}: {told}");
        for part in parts {
            assert!(told.contains(part), "{words}: {part:?} is not in {told}");
        }
        assert!(before == contents(self.folder.path()), "{words}: touches a file");
    }
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const PATIENT: &str = "--ct p/ct.nii.gz --labels p/labels.nii.gz --activity p/decays.nii.gz --activity-unit decays";
const RUN: &str = "--engine cpu --threads 1 --histories 2000";

/// Each subcommand that writes, with its outputs on an input of it: words, and the input.
fn on_inputs() -> Vec<(String, &'static str)> {
    let of = |words: &str, input: &'static str| (words.to_owned(), input);
    vec![
        (format!("dose {PATIENT} --out p --force"), "p/ct.nii.gz"),
        (format!("dose {PATIENT} --out p"), "p/ct.nii.gz"),
        (format!("dose {PATIENT} --out ./n/../p --force"), "p/ct.nii.gz"),
        (format!("dose {PATIENT} --shard 1/2 --histories 2000 --out p --force"), "p/ct.nii.gz"),
        (format!("dose {PATIENT} --label-names n/organs.csv --out n --force"), "n/organs.csv"),
        (format!("dose {PATIENT} --nuclide n/run.json --out n --force"), "n/run.json"),
        (format!("dose --config n/dose.toml {PATIENT} --out n --force"), "n/dose.toml"),
        of(
            "dose --density n/density.nii.gz --tissue s/t24.nii --tissue-table p/ct.nii.gz --activity p/decays.nii.gz \
             --activity-unit decays --out s --force",
            "s/t24.nii",
        ),
        of(
            "dose --density n/density.nii.gz --tissue n/tissue.nii.gz --tissue-table s/t24.nii --activity \
             p/decays.nii.gz --activity-unit decays --out s --force",
            "s/t24.nii",
        ),
        // one of the files of a DICOM folder bears an output's name
        of("dose --ct d --activity p/decays.nii.gz --activity-unit decays --out d --force", "d/report.html"),
        of("dose --ct d#1 --activity p/decays.nii.gz --activity-unit decays --out d --force", "d/report.html"),
        of("dose --ct p/ct.nii.gz --activity d --out d --force", "d/report.html"),
        // a checkpoint on a further name of the CT
        (format!("dose {PATIENT} --out y"), "p/ct.nii.gz"),
        of("demo --resume x --out x.checkpoint --force", "x.checkpoint/checkpoint-a.lutra"),
        (format!("audit {PATIENT} --kernel n/kernel.txt --out n --force"), "n/kernel.txt"),
        (format!("audit {PATIENT} --s-table n/audit.csv --out n --force"), "n/audit.csv"),
        of("compare n/dose_gy.nii.gz p/ct.nii.gz --out n --force", "n/dose_gy.nii.gz"),
        of("compare p/ct.nii.gz n/dose_gy.nii.gz --out n --force", "n/dose_gy.nii.gz"),
        of(
            "compare p/ct.nii.gz d/report.html --labels s/t24.nii --label-names n/organs.csv --out n --force",
            "n/organs.csv",
        ),
        of("register n/dose_gy.nii.gz p/ct.nii.gz --out n --force", "n/dose_gy.nii.gz"),
        of(
            "register p/ct.nii.gz p/ct.nii.gz --mask s/t24.nii --label-names n/organs.csv --out n --force",
            "n/organs.csv",
        ),
        of("merge shard1 shard2 --out shard1 --force", "shard1/"),
        of("merge shard1 shard2 --out shard2 --force", "shard2/"),
        of("tia s/SERIES.toml --out s --force", "s/"),
        of("tia s/SERIES.toml --out p --force", "p/labels.nii.gz"),
        of("tia d --out d --force", "d/report.html"),
        of("calibrate s/SERIES.toml --out s/SERIES.toml --force", "s/SERIES.toml"),
        of("calibrate --recovery s/SERIES.toml --out s/t24.nii --force", "s/t24.nii"),
        of("kinetics learn s --out s/tia.json --force", "s/tia.json"),
        of("marrow s/SERIES.toml --dose n --out n --force", "n/run.json"),
        of("course h/COURSE.toml --out h --force", "h/COURSE.toml"),
        of("course h/COURSE.toml --out s --force", "s/"),
        of("course h/COURSE.toml --out p --force", "p/"),
        of("course d --out d --force", "d/report.html"),
        (format!("bench {PATIENT} --out p --force"), "p/ct.nii.gz"),
        of("parity --scene p/ct.nii.gz p/decays.nii.gz --out p/decays.nii.gz --force", "p/decays.nii.gz"),
        of("kernel --voxel-mm 4 --nuclide n/k_sigma_rel.nii.gz --out n/k.nii.gz --force", "n/k_sigma_rel.nii.gz"),
        of("kernel --voxel-mm 4 --tissue n/tissues.csv --out n/tissues.csv --force", "n/tissues.csv"),
        of("dpk --tissue n/tissues.csv --out ./n/tissues.csv --force", "n/tissues.csv"),
        of("dpk --nuclide n/run.json --out n/run.json --force", "n/run.json"),
        of(
            "svalue --ct p/ct.nii.gz --labels p/labels.nii.gz --source-label 1 --out p/labels.nii.gz --force",
            "p/labels.nii.gz",
        ),
        of("init dose p --out p/ct.nii.gz --force", "p/ct.nii.gz"),
        of("validate --quick --out shared/refs/ct-liver-g48 --force", "density.nii.gz"),
        of("verify --against n/run.json --out n --force", "n/run.json"),
    ]
}

#[test]
fn cli_no_command_touches_its_inputs() {
    let place = Place::new();
    for (words, input) in on_inputs() {
        place.refuses(&words, &[input, "an input of this run", "another --out"]);
    }
    // COURSE.toml as a further name of an image
    std::fs::hard_link(place.at("p/ct.nii.gz"), place.at("p/COURSE.toml")).expect("linked");
    place.refuses("init course p --out p --force", &["p/ct.nii.gz", "an input of this run"]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::symlink;
        symlink("p", place.at("link")).expect("linked");
        symlink("p/ct.nii.gz", place.at("ct.nii.gz")).expect("linked");
        symlink("../p/labels.nii.gz", place.at("h/organs.csv")).expect("linked");
        place.refuses(&format!("dose {PATIENT} --out link --force"), &["p/ct.nii.gz", "an input of this run"]);
        let by_link = PATIENT.replace("p/ct.nii.gz", "ct.nii.gz");
        place.refuses(&format!("dose {by_link} --out . --force"), &["ct.nii.gz", "an input of this run"]);
        place.refuses(&format!("dose {PATIENT} --out h --force"), &["p/labels.nii.gz", "an input of this run"]);
    }
}

/// Every subcommand with `--out` stands in the list above; `man` reads nothing, and `init course` writes names of its own, which are
/// held against links there.
#[test]
fn cli_every_command_that_writes_guards_its_inputs() {
    fn writers(command: &clap::Command, path: &str, found: &mut Vec<String>) {
        if command.get_arguments().any(|arg| arg.get_id() == "out") {
            found.push(path.to_owned());
        }
        for below in command.get_subcommands() {
            writers(below, format!("{path} {}", below.get_name()).trim(), found);
        }
    }
    let mut found = Vec::new();
    writers(&RawArgs::command(), "", &mut found);
    assert!(found.len() >= 14, "the walk finds the subcommands: {found:?}");
    let listed = on_inputs();
    for path in found.iter().filter(|path| !["man", "init course"].contains(&path.as_str())) {
        assert!(listed.iter().any(|(words, _)| words.starts_with(&format!("{path} "))), "{path} is not tested");
    }
    // no command writes to a user's place but through the guarded doors
    let folders = ["dose", "demo", "tia", "course", "audit", "compare", "register", "merge", "marrow"]
        .map(|name| format!("cli/{name}"));
    for name in
        folders.into_iter().chain(["clinic/validation", "clinic/verify/mod", "clinic/bench/mod"].map(str::to_owned))
    {
        let source = std::fs::read_to_string(format!("{}/src/{name}.rs", env!("CARGO_MANIFEST_DIR"))).expect("read");
        assert!(source.contains("guard::folder"), "{name} opens its folder another way");
    }
    for name in [
        "cli/kernel",
        "cli/dpk",
        "cli/svalue",
        "clinic/parity",
        "clinic/init",
        "clinic/calibrate",
        "clinic/calibrate_recovery",
    ] {
        let source = std::fs::read_to_string(format!("{}/src/{name}.rs", env!("CARGO_MANIFEST_DIR"))).expect("read");
        assert!(source.contains("OutputFiles::claim") && !source.contains("write_file"), "{name}");
    }
}

/// The same folders as above, but read by nobody: then they are old results and go. So the tests above would ring.
#[test]
fn alarm_without_the_guard_inputs_would_go() {
    let place = Place::new();
    small::write_files(place.folder.path(), "ct.nii", ("decays.nii", [1e8, 2e10]), "labels.nii");
    let before = contents(&place.at("p"));
    let words = format!("dose --ct ct.nii --labels labels.nii --activity decays.nii --activity-unit decays {RUN}");
    let output = place.lutra(&format!("{words} --out p --force"));
    assert!(output.status.success(), "{}", told(&output));
    let after = contents(&place.at("p"));
    assert!(before != after && !place.at("p/ct.nii.gz").exists() && place.at("p/dose_gy.nii.gz").exists());
}

#[test]
fn cli_force_replaces_what_lutra_wrote_and_nothing_else() {
    let place = Place::new();
    let dose = format!("dose {PATIENT} {RUN} --out out");
    let succeeds = |words: &str| {
        let output = place.lutra(words);
        assert!(output.status.success(), "{words}: {}", told(&output));
    };
    succeeds(&format!("{dose} --shard 1/2"));
    place.write("out/mine.txt", "mine");
    place.refuses(&dose, &["out", "--force"]);
    succeeds(&format!("{dose} --force"));
    for (name, there) in [("tally.lutra", false), ("case.lutra", false), ("organs.csv", true), ("mine.txt", true)] {
        assert_eq!(place.at("out").join(name).exists(), there, "{name}");
    }
    succeeds(&format!("{dose} --force"));
    // a result that a person has worked on; the CT is not even read
    place.write("out/organs.csv", "my corrections");
    let unread = dose.replace("p/ct.nii.gz", "missing.nii");
    place.refuses(
        &format!("{unread} --force"),
        &["out/organs.csv", "Lutra did not write, or that was changed since", RECORD],
    );
    // it stays where a run does not write that name
    succeeds(&format!("{dose} --force --shard 1/2"));
    assert_eq!(std::fs::read(place.at("out/organs.csv")).expect("there"), b"my corrections");
    assert!(!place.at("out/dose_gy.nii.gz").exists() && place.at("out/mine.txt").exists());
    // somebody else's results of the same names
    std::fs::create_dir(place.at("other")).expect("made");
    for (command, name) in [
        (dose.replace("--out out", "--out other"), "run.json"),
        ("tia s/SERIES.toml --out other".to_owned(), "regions.csv"),
        ("course h/COURSE.toml --out other".to_owned(), "verdict.txt"),
        ("course --simulate --patients 50 --out other".to_owned(), "cohort.json"),
        ("merge shard1 shard2 --out other".to_owned(), "organs.csv"),
        ("compare p/ct.nii.gz p/decays.nii.gz --out other".to_owned(), "compare.json"),
        ("bench --out other".to_owned(), "bench.json"),
        ("validate --quick --out other".to_owned(), "validation-r1.svg"),
        ("verify --out other".to_owned(), "verify.json"),
        ("demo --out other".to_owned(), "labels.nii.gz"),
        (format!("audit {PATIENT} --out other"), "difference_x.png"),
        ("man --out other".to_owned(), "lutra.1"),
    ] {
        place.write(&format!("other/{name}"), "theirs");
        place.refuses(&format!("{command} --force"), &[&format!("other/{name}"), "Lutra did not write"]);
        std::fs::remove_file(place.at("other").join(name)).expect("there");
    }
    // the record is what sha256sum reads
    let record = std::fs::read_to_string(place.at("out").join(RECORD)).expect("a record");
    assert_eq!(record.lines().count(), 3, "{record}");
    for line in record.lines() {
        let (hash, name) = line.split_once("  ").expect("two columns");
        assert_eq!(sha256_hex(place.at("out").join(name)).expect("read"), hash);
    }
}

#[test]
fn cli_single_files_are_replaced_by_force_alone() {
    let place = Place::new();
    let kernel = "kernel --voxel-mm 4 --half 1 --histories 500 --threads 1 --out k.nii.gz";
    let dpk = "dpk --histories 500 --threads 1 --out d.csv";
    let parity = "parity --histories 200 --devices cpu:1";
    let svalue =
        "svalue --ct p/ct.nii.gz --labels p/labels.nii.gz --source-label 1 --engine cpu --histories 500 --out s.csv";
    for (words, file) in [(kernel, "k_sigma_rel.nii.gz"), (dpk, "d.csv"), (parity, "parity.json"), (svalue, "s.csv")] {
        place.write(file, "mine");
        place.refuses(words, &[file, "--force"]);
        let output = place.lutra(&format!("{words} --force"));
        assert!(output.status.success(), "{words}: {}", told(&output));
        assert_ne!(std::fs::read(place.at(file)).expect("there"), b"mine", "{file}");
        place.refuses(words, &["output file: found one", "--force"]);
    }
    place.write("dose.toml", "mine");
    place.refuses("init dose p", &["dose.toml", "--force"]);
    // a followed history is printed and writes nothing
    place.write("parity.json", "mine");
    assert!(place.lutra(&format!("{parity} --trace electron:1")).status.success());
    assert_eq!(std::fs::read(place.at("parity.json")).expect("there"), b"mine");
}
