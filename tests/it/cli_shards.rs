//! Shards, merging, killing, resuming and comparing devices as a user does it.

use crate::small;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant, SystemTime};

struct Case {
    folder: tempfile::TempDir,
}

impl Case {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("temporary folder");
        small::write_files(folder.path(), "ct.nii.gz", ("decays.nii", [1e8, 2e10]), "labels.nii.gz");
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, out: &str, extra: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lutra"));
        command.current_dir(self.folder.path()).args(
            format!(
                "dose --ct ct.nii.gz --activity decays.nii --activity-unit decays --labels labels.nii.gz \
                 --engine cpu --out {out} {extra}"
            )
            .split_whitespace(),
        );
        command
    }

    fn dose(&self, out: &str, extra: &str) -> Output {
        self.command(out, extra).output().expect("the program starts")
    }

    fn lutra(&self, words: &str) -> Output {
        Command::new(env!("CARGO_BIN_EXE_lutra"))
            .current_dir(self.folder.path())
            .args(words.split_whitespace())
            .output()
            .expect("the program starts")
    }

    fn record(&self, out: &str) -> serde_json::Value {
        let text = std::fs::read_to_string(self.path(out).join("run.json")).expect("run.json");
        serde_json::from_str(&text).expect("JSON")
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn succeeded(output: &Output) {
    assert!(output.status.success(), "exit {:?}\n{}", output.status.code(), text(output));
}

fn refused(output: &Output, parts: &[&str]) {
    let text = text(output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("\n\nhint: "), "{text}");
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}

/// Hashes of the files written but for the page, which names the machine and the time as `run.json` does.
fn numbers(record: &serde_json::Value) -> serde_json::Map<String, serde_json::Value> {
    let mut files = record["outputs"].as_object().expect("hashes by file").clone();
    assert!(files.remove("report.html").is_some(), "a run writes its page");
    files
}

#[test]
fn cli_merged_shards_are_the_single_run() {
    let case = Case::new();
    succeeded(&case.dose("whole", "--histories 6000 --administered-mbq 7400"));
    for k in 1..=3 {
        // threads differ as machines do
        let extra = format!("--histories 6000 --administered-mbq 7400 --shard {k}/3 --threads {k}");
        succeeded(&case.dose(&format!("part{k}"), &extra));
    }
    succeeded(&case.lutra("merge part3 part1 part2 --out merged"));
    let (whole, merged) = (case.record("whole"), case.record("merged"));
    assert_eq!(numbers(&whole), numbers(&merged), "outputs");
    for field in ["tally_sha256", "regions", "energy_balance", "passes", "seed", "scene"] {
        assert_eq!(whole[field], merged[field], "{field}");
    }
    assert!(whole["outputs"].as_object().is_some_and(|files| files.len() >= 8));
    let names = |out: &str| {
        let mut names: Vec<_> =
            std::fs::read_dir(case.path(out)).expect("folder").map(|e| e.expect("entry").file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names("whole"), names("merged"));

    refused(&case.lutra("merge part1 part3 --out a"), &["13 of 20 batches", "shard 2/3", "--allow-missing"]);
    succeeded(&case.lutra("merge part1 part3 --out a --allow-missing"));
    assert!(case.record("a")["warnings"].to_string().contains("13 of 20"));
    refused(&case.lutra("merge part1 part2 part1 --out b"), &["part1", "batch 0", "second time"]);
    succeeded(&case.dose("seed", "--histories 6000 --administered-mbq 7400 --shard 2/3 --seed 9"));
    refused(&case.lutra("merge part1 seed part3 --out b"), &["seed: seed: found 9", "177"]);
    succeeded(&case.dose("activity", "--histories 6000 --administered-mbq 7000 --shard 2/3"));
    refused(&case.lutra("merge part1 activity part3 --out b"), &["activity: case", "administered activity"]);
    refused(&case.lutra("merge whole part1 --out b"), &["whole/tally.lutra", "--shard"]);
    let path = case.path("part2/tally.lutra");
    let mut bytes = std::fs::read(&path).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).expect("written");
    refused(&case.lutra("merge part1 part2 part3 --out b"), &["part2/tally.lutra", "cannot read"]);
    assert!(!case.path("b").exists());
}

/// When the newest checkpoint was written.
fn newest(folder: &Path) -> Option<SystemTime> {
    let entries = std::fs::read_dir(folder).ok()?.filter_map(Result::ok);
    let whole = entries.filter(|e| e.path().extension().is_some_and(|x| x == "lutra"));
    whole.filter_map(|e| e.metadata().ok()?.modified().ok()).max()
}

/// Kills a run (SIGKILL on Unix: nothing can be tidied up) after a while, or that while after its next checkpoint.
/// Returns whether it was still running.
fn killed(mut child: Child, folder: &Path, at_checkpoint: bool, after: Duration) -> bool {
    let before = newest(folder);
    let mut since = (!at_checkpoint).then(Instant::now);
    loop {
        if child.try_wait().expect("a child").is_some() {
            return false;
        }
        if since.is_none() && newest(folder) != before {
            since = Some(Instant::now());
        }
        if since.is_some_and(|since| since.elapsed() >= after) {
            child.kill().expect("killed");
            return child.wait().expect("a child").code().is_none();
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Kills at moments that a fixed rule scatters, each followed by a resumption; the end is the single run's. Six kills;
/// LUTRA_KILLS=N for N.
#[test]
fn cli_killed_and_resumed_run_is_the_single_run() {
    let wanted = std::env::var("LUTRA_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(6);
    let case = Case::new();
    let histories = 250_000 * wanted;
    let options = format!("--histories {histories} --threads 1 --checkpoint 0.02");
    succeeded(&case.dose("whole", &format!("--histories {histories}")));
    let folder = case.path("cut.checkpoint");
    let (mut kills, mut with_checkpoint) = (0, 0);
    let mut word = 12_345u32;
    while kills < wanted {
        word = word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let at_checkpoint = kills % 3 != 1;
        let after = Duration::from_millis(u64::from(word >> 24) / if at_checkpoint { 4 } else { 1 });
        let resume = if folder.is_dir() { "--resume cut" } else { "" };
        let mut command = case.command("cut", &format!("{options} {resume}"));
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts");
        if !killed(child, &folder, at_checkpoint, after) {
            break;
        }
        kills += 1;
        with_checkpoint += usize::from(newest(&folder).is_some());
    }
    println!("{kills} kills, {with_checkpoint} of them behind a checkpoint");
    assert!(kills >= 3, "{kills} kills: the run is too short for this test");
    assert!(with_checkpoint > 1, "no kill met a checkpoint");
    if !case.path("cut").exists() {
        let end = case.dose("cut", &format!("{options} --resume cut"));
        succeeded(&end);
        assert!(text(&end).contains("going on from"), "{}", text(&end));
    }
    let (whole, cut) = (case.record("whole"), case.record("cut"));
    assert_eq!(whole["tally_sha256"], cut["tally_sha256"], "after {kills} kills");
    assert_eq!(numbers(&whole), numbers(&cut));
    assert!(!folder.exists(), "checkpoints are taken away at the end");
    refused(&case.dose("other", "--resume nowhere"), &["nowhere", "no checkpoint"]);
}

/// Starts a run that goes on for long, and waits for its first checkpoint.
fn at_work(case: &Case, out: &str, extra: &str) -> Child {
    let extra = format!("--histories 1e9 --threads 1 --checkpoint 0.02 {extra}");
    let mut command = case.command(out, &extra);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts");
    let folder = case.path(&format!("{out}.checkpoint"));
    let began = Instant::now();
    while newest(&folder).is_none() {
        assert!(began.elapsed() < Duration::from_secs(120), "no checkpoint");
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

fn bytes_below(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).expect("folder").map(|e| e.expect("entry").path());
    let mut files: Vec<_> = entries.map(|path| (path.clone(), std::fs::read(path).expect("read"))).collect();
    files.sort();
    files
}

/// A place that a living run writes to is refused by its name; what a killed one left is given up by a word alone.
#[test]
fn cli_checkpoints_and_results_have_one_owner() {
    let case = Case::new();
    let mut first = at_work(&case, "cut", "");
    let by = format!("process {} on ", first.id());
    let short = "--histories 2000 --threads 1";
    refused(&case.dose("cut", short), &["cut.checkpoint: checkpoints", &by, "one run at a time", "another --out"]);
    refused(&case.dose("cut", &format!("{short} --force")), &[&by]);
    refused(&case.dose("cut", &format!("{short} --checkpoint 0")), &["cut: output folder", &by, "another --out"]);
    refused(&case.dose("other", &format!("{short} --resume cut")), &["cut.checkpoint", &by]);
    assert!(first.try_wait().expect("a child").is_none(), "the first run is not disturbed");
    // another place beside it is free, and its unfinished output is not swept
    succeeded(&case.dose("beside", short));
    let staged = |case: &Case| {
        let entries = std::fs::read_dir(case.folder.path()).expect("folder").map(|e| e.expect("entry").file_name());
        entries.filter(|name| name.to_string_lossy().starts_with(".lutra-partial-")).count()
    };
    assert_eq!(staged(&case), 1);
    first.kill().expect("killed");
    first.wait().expect("a child");
    let folder = case.path("cut.checkpoint");
    let left = bytes_below(&folder);
    assert!(left.len() >= 2, "checkpoints and their owner");
    refused(&case.dose("cut", short), &["cut.checkpoint: checkpoints", "an interrupted run", "--resume", "--force"]);
    assert!(left == bytes_below(&folder) && !case.path("cut").exists(), "nothing is overwritten");
    // a run that keeps none does not touch them
    succeeded(&case.dose("cut", &format!("{short} --checkpoint 0")));
    assert!(left == bytes_below(&folder));
    succeeded(&case.dose("cut", &format!("{short} --force")));
    assert!(!folder.exists(), "given up by a word");
    assert_eq!(staged(&case), 0, "what the killed run left is gone");
}

/// A run on another machine: its locks are not seen here, its signs of life are.
#[test]
fn cli_runs_on_other_machines_are_left_alone() {
    let case = Case::new();
    let owner = |what: &str| {
        format!(
            "{{\"host\":\"node7\",\"machine\":\"x\",\"process\":7,\"started\":\"2026-01-01T00:00:00Z\",\"what\":\"{what}\"}}"
        )
    };
    let write = |name: &str, what: &str, silent_s: u64| {
        let path = case.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(&path, owner(what)).expect("written");
        let file = std::fs::File::options().write(true).open(&path).expect("opened");
        file.set_modified(SystemTime::now() - Duration::from_secs(silent_s)).expect("dated");
    };
    let short = "--histories 2000 --threads 1";
    write(".lutra-partial-living/.lutra-lock", "shard2", 1);
    write(".lutra-partial-dead/.lutra-lock", "shard3", 3600);
    write("kept.checkpoint/owner.json", "", 3600);
    succeeded(&case.dose("shard1", short));
    assert!(case.path(".lutra-partial-living/.lutra-lock").is_file(), "a shard begun beside it is spared");
    assert!(!case.path(".lutra-partial-dead").exists());
    // a dead one's place is taken over
    succeeded(&case.dose("shard3", short));
    succeeded(&case.dose("kept", short));
    assert!(!case.path("kept.checkpoint").exists());
    let ended = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(std::sync::atomic::Ordering::Relaxed) {
                write(".lutra-partial-living/.lutra-lock", "shard2", 0);
                write("used.checkpoint/owner.json", "", 0);
                std::thread::sleep(Duration::from_millis(200));
            }
        });
        let results = [case.dose("shard2", short), case.dose("used", short)];
        ended.store(true, std::sync::atomic::Ordering::Relaxed);
        refused(&results[0], &["shard2: output folder", "process 7 on node7"]);
        refused(&results[1], &["used.checkpoint: checkpoints", "process 7 on node7", "begun 2026-01-01"]);
    });
}

#[test]
fn cli_parity_compares_and_traces() {
    let case = Case::new();
    let output =
        case.lutra("parity --scene ct.nii.gz decays.nii --histories 4000 --devices cpu,cpu:1,cpu:3 --out p.json");
    succeeded(&output);
    let json: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(case.path("p.json")).expect("p.json")).expect("JSON");
    assert_eq!(json["agree"], true);
    let devices = json["devices"].as_array().expect("a list");
    assert_eq!(devices.len(), 4, "the scalar engine and the three named");
    assert!(devices.iter().all(|d| d["tally_sha256"] == devices[0]["tally_sha256"]));
    let missing = case.lutra("parity --scene ct.nii.gz decays.nii --histories 100 --devices gpu:99 --out q.json");
    assert_eq!(missing.status.code(), Some(1), "a device that is not there is no agreement");
    let trace = case.lutra("parity --scene ct.nii.gz decays.nii --histories 4000 --devices cpu --trace electron:1:7");
    succeeded(&trace);
    assert!(String::from_utf8_lossy(&trace.stdout).contains("emitted"));
    refused(
        &case.lutra("parity --scene ct.nii.gz decays.nii --histories 100 --trace 5000"),
        &["--trace: found history 5000"],
    );
    refused(&case.lutra("parity --scene one.nii"), &["--scene", "one.nii"]);
}
