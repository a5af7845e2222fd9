//! Places that are hard to read or to write: names that are not Unicode, pipes, devices.

#![cfg(unix)]

use crate::small;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// A name with a byte that is no UTF-8.
fn odd(name: &str) -> OsString {
    OsStr::from_bytes(&[b"n\xff-", name.as_bytes()].concat()).to_owned()
}

/// Runs words of which those that begin with `@` are odd names.
fn lutra(folder: &Path, line: &str) -> Output {
    let words = line.split_whitespace().map(|word| word.strip_prefix('@').map_or_else(|| word.into(), odd));
    Command::new(env!("CARGO_BIN_EXE_lutra")).current_dir(folder).args(words).output().expect("the program starts")
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn cli_names_that_are_not_unicode_are_names() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let place = folder.path().join(odd("p"));
    std::fs::create_dir(&place).expect("made");
    for place in [folder.path(), &place] {
        small::write_files(place, "ct.nii", ("decays.nii", [1e8, 2e10]), "labels.nii");
        for name in ["ct.nii", "decays.nii", "labels.nii"] {
            std::fs::rename(place.join(name), place.join(odd(name))).expect("moved");
        }
        std::fs::write(place.join(odd("names.csv")), "1,liver\n2,spleen\n").expect("written");
    }
    let patient =
        "--ct @ct.nii --labels @labels.nii --label-names @names.csv --activity @decays.nii --activity-unit decays";
    let run = "--engine cpu --threads 1 --histories 500";
    for line in [
        "inspect @ct.nii".to_owned(),
        "inspect @p".to_owned(),
        "inspect .".to_owned(),
        format!("dose {patient} {run} --out @dose"),
        format!("dose {patient} {run} --out @dose --force"),
        format!("dose {patient} {run} --out @shard --shard 1/1"),
        "merge @shard --out @merged".to_owned(),
        "compare @dose/dose_gy.nii.gz @merged/dose_gy.nii.gz --out @compared"
            .replace("@dose/dose_gy.nii.gz", "@ct.nii")
            .replace("@merged/dose_gy.nii.gz", "@ct.nii"),
        "kernel --voxel-mm 4 --half 1 --histories 500 --threads 1 --out @k.nii.gz".to_owned(),
        "dpk --histories 500 --threads 1 --out @d.csv".to_owned(),
        "svalue --ct @ct.nii --labels @labels.nii --source-label 1 --engine cpu --histories 500 --out @s.csv"
            .to_owned(),
        "parity --histories 100 --devices cpu:1 --scene @ct.nii @decays.nii --out @parity.json".to_owned(),
        "course --simulate --patients 50 --out @course".to_owned(),
        "init dose @p".to_owned(),
        "man --out @man".to_owned(),
        "demo --practice --out @practice".to_owned(),
        "inspect @practice".to_owned(),
    ] {
        for json in ["", " --json"] {
            let line = format!("{line}{json}");
            let line =
                if json.is_empty() || line.contains("inspect") { line } else { line.replace("--out @", "--out @j") };
            let output = lutra(folder.path(), &line);
            let told = told(&output);
            // the two files of a scene are words
            let words = told.contains("invalid UTF-8 was detected");
            let refused = output.status.code() == Some(2) && (told.contains("hint: ") || words);
            assert!(output.status.success() || refused, "{line}: {told}");
            assert!(!told.contains("panicked"), "{line}: {told}");
            // merge of a name of its own, init of what is there: refused, and nothing else
            let may_be_refused =
                ["merge", "init", "compare", "dose", "parity"].iter().any(|name| line.starts_with(name));
            assert!(output.status.success() || may_be_refused, "{line}: {told}");
            if output.status.success() && !json.is_empty() {
                serde_json::from_slice::<serde_json::Value>(&output.stdout).expect("JSON");
            }
        }
    }
    let place = folder.path();
    assert!(place.join(odd("dose")).join("run.json").is_file() && place.join(odd("merged")).join("run.json").is_file());
}

/// A reader of text or images that would wait for ever, or read without end, refuses what is no regular file.
#[test]
fn cli_pipes_and_devices_are_refused_by_name() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let at = |name: &str| folder.path().join(name);
    small::write_files(folder.path(), "ct.nii", ("decays.nii", [1e8, 2e10]), "labels.nii");
    for name in ["pipe", "pipe.csv", "pipe.toml", "pipe.nii", "pipe.txt"] {
        assert!(Command::new("mkfifo").arg(at(name)).status().expect("mkfifo").success());
    }
    let patient = "--ct ct.nii --labels labels.nii --activity decays.nii --activity-unit decays --out o";
    let lines = |odd: &str| {
        vec![
            format!("dose {patient} --label-names {odd}"),
            format!("dose {patient} --nuclide {odd}"),
            format!("dose {patient} --config {odd}"),
            format!("dose {} --label-names ct.nii", patient.replace("ct.nii", odd)),
            format!("dose {}", patient.replace("decays.nii", odd)),
            format!("dose {}", patient.replace("labels.nii", odd)),
            format!("dose --density {odd} --tissue labels.nii --tissue-table ct.nii {}", &patient[12..]),
            format!("dose --density ct.nii --tissue {odd} --tissue-table ct.nii {}", &patient[12..]),
            format!("dose --density ct.nii --tissue labels.nii --tissue-table {odd} {}", &patient[12..]),
            format!("audit {patient} --kernel {odd}"),
            format!("audit {patient} --s-table {odd}"),
            format!("course {odd} --out o"),
            format!("course --simulate --patients 50 --protocol {odd}"),
            format!("tia {odd} --out o"),
            format!("inspect {odd}"),
            format!("compare {odd} ct.nii --out o"),
            format!("kernel --voxel-mm 4 --tissue {odd} --out k.nii.gz"),
            format!("dpk --nuclide {odd} --out d.csv"),
        ]
    };
    let mut tried = 0;
    for odd in ["pipe", "pipe.csv", "pipe.toml", "pipe.nii", "/dev/zero"] {
        for line in lines(odd) {
            let began = Instant::now();
            let output = lutra(folder.path(), &format!("{line} --quiet"));
            assert!(began.elapsed() < Duration::from_secs(60), "{line}");
            let told = told(&output);
            assert_eq!(output.status.code(), Some(2), "{line}: {told}");
            assert!(told.contains(odd) || odd == "pipe.nii" && told.contains("pipe"), "{line}: {told}");
            tried += 1;
        }
    }
    assert_eq!(tried, 90);
    // a folder with pipes in it is looked through
    for line in ["inspect .", "init dose .", "tia .", "course ."] {
        assert!(lutra(folder.path(), &format!("{line} --out other")).status.code().is_some(), "{line}");
    }
    // what a shell takes from a file is a file
    std::fs::write(at("names.csv"), "1,liver\n2,spleen\n").expect("written");
    let script =
        format!("exec \"$0\" dose {patient} --label-names /dev/stdin --engine cpu --histories 500 < names.csv");
    let output = Command::new("sh")
        .current_dir(folder.path())
        .args(["-c", &script, env!("CARGO_BIN_EXE_lutra")])
        .output()
        .expect("runs");
    assert!(output.status.success(), "{}", told(&output));
    let organs = std::fs::read_to_string(at("o/organs.csv")).expect("written");
    assert!(organs.contains("spleen"), "{organs}");
}
