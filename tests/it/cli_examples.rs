//! The examples of batch systems, run as their first lines say by the systems themselves on this machine: the merged
//! shards have the hash of the single run. A system that is not there prints SKIPPED and why; `REQUIRE_WORKFLOWS=1` makes
//! that a failure for the two that package registries have.

use crate::outside;
use crate::slurm::Cluster;
use crate::small;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Enough for a few batches each, over at once.
const SHORT: &str = "6000";
/// Long enough to be killed in the middle.
const LONG: &str = "3e6";

/// A folder with a small patient, as a user of the examples has it.
struct Case {
    folder: tempfile::TempDir,
}

impl Case {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("temporary folder");
        // a name with a blank, as patients' folders have
        small::write_files(folder.path(), "the ct.nii.gz", ("activity.nii", [1e4, 2e6]), "organs.nii.gz");
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A program in this folder with `lutra` on its path.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.folder.path()).env("PATH", path_with_lutra()).stdin(Stdio::null());
        command
    }

    fn lutra(&self, arguments: &[&str]) -> Output {
        self.command("lutra").args(arguments).output().expect("the program starts")
    }

    /// Hash of the single run.
    fn single(&self, histories: &str) -> String {
        let files = ["--ct", "the ct.nii.gz", "--activity", "activity.nii", "--activity-unit", "bq_ml_h"];
        let rest = ["--labels", "organs.nii.gz", "--engine", "cpu", "--histories", histories, "--out", "single"];
        succeeded(&self.lutra(&[&["dose"][..], &files, &rest].concat()));
        self.hash("single")
    }

    fn hash(&self, out: &str) -> String {
        let path = self.path(out).join("run.json");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let record: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        record["tally_sha256"].as_str().expect("a hash").to_owned()
    }

    /// A shard as another seed has it, in place of the one that is there.
    fn foreign_shard(&self, out: &str, shard: &str) {
        std::fs::remove_dir_all(self.path(out)).expect("a shard is there");
        let files = ["--ct", "the ct.nii.gz", "--activity", "activity.nii", "--activity-unit", "bq_ml_h"];
        let rest = ["--labels", "organs.nii.gz", "--engine", "cpu", "--histories", SHORT];
        succeeded(
            &self.lutra(&[&["dose"][..], &files, &rest, &["--seed", "9", "--shard", shard, "--out", out]].concat()),
        );
    }

    /// Waits until an interrupted run could go on from there.
    fn wait_for_checkpoint(&self, out: &str) {
        let folder = self.path(&format!("{out}.checkpoint"));
        wait("a checkpoint", Duration::from_secs(60), || {
            let files = std::fs::read_dir(&folder).ok()?.filter_map(Result::ok);
            files.filter(|e| e.path().extension().is_some_and(|x| x == "lutra")).count().checked_sub(1)
        });
    }
}

/// Asks again and again until there is an answer.
pub fn wait<T>(what: &str, at_most: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = ask() {
            return found;
        }
        assert!(begun.elapsed() < at_most, "no {what} within {at_most:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The search path with the folder of the tested program first.
pub fn path_with_lutra() -> OsString {
    let own = Path::new(env!("CARGO_BIN_EXE_lutra")).parent().expect("a folder").to_owned();
    let others = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(std::iter::once(own).chain(std::env::split_paths(&others))).expect("a search path")
}

fn example(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name).display().to_string()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

fn succeeded(output: &Output) {
    assert!(output.status.success(), "exit {:?}\n{}", output.status.code(), said(output));
}

fn failed(output: &Output, parts: &[&str]) {
    let text = said(output);
    assert!(!output.status.success(), "{text}");
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}

/// Snakemake on the example, in the case's folder.
fn snakemake(case: &Case, program: &str, settings: &[&str], flags: &[&str]) -> Command {
    let mut command = case.command(program);
    let file = example("snakemake/Snakefile");
    command
        .args(["--snakefile", &file, "--cores", "2", "--nocolor"])
        .args(flags)
        .args(["--config", "ct=the ct.nii.gz", "activity=activity.nii", "engine=cpu", "threads=1"])
        .args(settings)
        // what it remembers of sources goes with the case
        .env("XDG_CACHE_HOME", case.path("cache"));
    command
}

const LABELS: &str = "options=--labels organs.nii.gz";

#[test]
fn cli_snakemake_shards_are_the_single_run() {
    let Some(program) = outside::snakemake() else { return };
    let case = Case::new();
    let single = case.single(SHORT);
    let histories = format!("histories={SHORT}");
    for shards in [3, 16] {
        let (count, results) = (format!("shards={shards}"), format!("results=in {shards}").replace(' ', "-"));
        let settings = [&histories, &count, &results, LABELS];
        succeeded(&snakemake(&case, program, &settings, &[]).output().expect("it starts"));
        assert_eq!(case.hash(&format!("in-{shards}/whole")), single, "{shards} shards");
    }
}

#[test]
fn alarm_snakemake_stops_at_a_foreign_shard() {
    let Some(program) = outside::snakemake() else { return };
    let case = Case::new();
    let histories = format!("histories={SHORT}");
    let run = || snakemake(&case, program, &[&histories, "shards=3", LABELS], &[]).output().expect("it starts");
    succeeded(&run());
    case.foreign_shard("results/shard-2", "2/3");
    failed(&run(), &["results/shard-2: seed: found 9", "merge"]);
    assert!(!case.path("results/whole").exists(), "nothing of a refused sum stays");
    // a shard that is gone is computed again
    std::fs::remove_dir_all(case.path("results/shard-2")).expect("removed");
    succeeded(&run());
    assert_eq!(case.hash("results/whole"), case.single(SHORT));
}

/// Everything is killed in the middle of a shard, as by a power cut: Snakemake and what it started.
#[cfg(unix)]
#[test]
fn cli_snakemake_goes_on_where_it_was_killed() {
    use std::os::unix::process::CommandExt;
    let Some(program) = outside::snakemake() else { return };
    let case = Case::new();
    let single = case.single(LONG);
    let histories = format!("histories={LONG}");
    let settings = [&histories, "shards=3", "options=--labels organs.nii.gz --checkpoint 0.02"];
    let log = std::fs::File::create(case.path("log")).expect("a log");
    let mut child = snakemake(&case, program, &settings, &[])
        .process_group(0)
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("it starts");
    case.wait_for_checkpoint("results/shard-2");
    let group = format!("-{}", child.id());
    succeeded(&case.command("kill").args(["-9", "--", &group]).output().expect("kill"));
    child.wait().expect("a child");
    assert!(!case.path("results/shard-2").exists(), "the shard was over before it was killed");
    succeeded(&snakemake(&case, program, &settings, &["--unlock"]).output().expect("it starts"));
    let again = snakemake(&case, program, &settings, &["--rerun-incomplete"]).output().expect("it starts");
    succeeded(&again);
    assert!(said(&again).contains("going on from"), "{}", said(&again));
    assert_eq!(case.hash("results/whole"), single);
    assert!(!case.path("results/shard-2.checkpoint").exists());
}

/// Submits one of the Slurm example's scripts as its first lines say; the job's number.
fn sbatch(cluster: &Cluster, case: &Case, flags: &[&str], script: &str, arguments: &[&str], histories: &str) -> String {
    let submitted = case
        .command("sbatch")
        .env("SLURM_CONF", cluster.config())
        .envs([("LUTRA_HISTORIES", histories), ("LUTRA_ENGINE", "cpu")])
        .envs(flags.contains(&"--array=3").then_some(("LUTRA_SHARDS", "3")))
        .arg("--parsable")
        .args(flags)
        .arg(example(&format!("slurm/{script}")))
        .args(arguments)
        .output()
        .expect("sbatch");
    succeeded(&submitted);
    String::from_utf8_lossy(&submitted.stdout).trim().to_owned()
}

/// Waits for the end of a job: what Slurm says of it.
fn ended(cluster: &Cluster, job: &str) -> String {
    wait("end of a job", Duration::from_secs(120), || {
        let output = cluster.command("scontrol").args(["show", "job", "--oneliner", job]).output().expect("scontrol");
        let text = said(&output);
        std::thread::sleep(Duration::from_millis(50));
        let over = |line: &str| {
            ["=PENDING ", "=RUNNING ", "=COMPLETING "].iter().all(|s| !line.contains(&format!("JobState{s}")))
        };
        text.lines().filter(|line| line.contains("JobId=")).all(over).then_some(text)
    })
}

/// What a job wrote, by its number, and `_` and the task's where it is an array.
fn job_says(case: &Case, job: &str) -> String {
    std::fs::read_to_string(case.path(&format!("slurm-{job}.out"))).unwrap_or_default()
}

const FILES: [&str; 5] = ["the ct.nii.gz", "activity.nii", "results", "--labels", "organs.nii.gz"];

#[test]
fn cli_slurm_array_and_merge_are_the_single_run() {
    let case = Case::new();
    let Some(cluster) = Cluster::start() else { return };
    let array = sbatch(&cluster, &case, &["--array=1-16", "--requeue"], "array.sh", &FILES, SHORT);
    let after = format!("--dependency=afterok:{array}");
    let merge = sbatch(&cluster, &case, &[&after, "--kill-on-invalid-dep=yes"], "merge.sh", &["results"], SHORT);
    let end = ended(&cluster, &merge);
    assert!(end.contains("JobState=COMPLETED"), "{end}\n{}", job_says(&case, &format!("{array}_1")));
    assert_eq!(case.hash("results/whole"), case.single(SHORT));
}

#[test]
fn alarm_slurm_merges_no_sum_with_a_shard_killed_or_foreign() {
    let case = Case::new();
    let Some(cluster) = Cluster::start() else { return };
    let arguments = [&FILES[..], &["--checkpoint", "0.02"]].concat();
    let array = || sbatch(&cluster, &case, &["--array=1-3"], "array.sh", &arguments, LONG);
    let merge = |after: &str| {
        let flags = [after, "--kill-on-invalid-dep=yes"];
        let job = sbatch(&cluster, &case, &flags, "merge.sh", &["results"], LONG);
        let end = ended(&cluster, &job);
        (end, job_says(&case, &job))
    };
    let whole = case.path("results/whole");
    // one task is killed in the middle
    let first = array();
    case.wait_for_checkpoint("results/shard-2");
    let task = format!("{first}_2");
    succeeded(&cluster.command("scancel").args(["--signal=KILL", "--full", &task]).output().expect("scancel"));
    let (end, _) = merge(&format!("--dependency=afterok:{first}"));
    assert!(end.contains("Reason=DependencyNeverSatisfied") && !whole.exists(), "{end}");
    assert!(!case.path("results/shard-2").exists(), "the shard was over before it was killed");
    ended(&cluster, &first);
    let (end, says) = merge("--dependency=singleton");
    assert!(end.contains("JobState=FAILED") && says.contains("shard 2/3") && !whole.exists(), "{end}\n{says}");
    // the same commands again
    let second = array();
    let (end, _) = merge(&format!("--dependency=afterok:{second}"));
    let says = [1, 2, 3].map(|k| job_says(&case, &format!("{second}_{k}")));
    assert!(end.contains("JobState=COMPLETED"), "{end}\n{says:?}");
    assert!(says[0].contains("nothing to do") && says[1].contains("going on from"), "{says:?}");
    assert_eq!(case.hash("results/whole"), case.single(LONG));
    // one task of three again, with another seed
    std::fs::remove_dir_all(&whole).expect("removed");
    std::fs::remove_dir_all(case.path("results/shard-3")).expect("removed");
    let arguments = [&FILES[..], &["--seed", "9"]].concat();
    let third = sbatch(&cluster, &case, &["--array=3"], "array.sh", &arguments, LONG);
    let (end, says) = merge(&format!("--dependency=afterok:{third}"));
    assert!(end.contains("JobState=FAILED") && !whole.exists(), "{end}");
    assert!(says.contains("shard-3: seed: found 9"), "{says}");
}

/// The array's script by itself, with the variables that Slurm sets.
#[cfg(unix)]
#[test]
fn alarm_array_script_refuses_an_array_that_is_not_1_to_n() {
    let case = Case::new();
    let task = |[id, count, min, max]: [&str; 4], shards: Option<&str>| {
        let mut command = case.command("sh");
        command
            .arg(example("slurm/array.sh"))
            .args(FILES)
            .envs([("SLURM_ARRAY_TASK_ID", id), ("SLURM_ARRAY_TASK_COUNT", count)])
            .envs([("SLURM_ARRAY_TASK_MIN", min), ("SLURM_ARRAY_TASK_MAX", max)])
            .envs([("LUTRA_HISTORIES", SHORT), ("LUTRA_ENGINE", "cpu")]);
        if let Some(shards) = shards {
            command.env("LUTRA_SHARDS", shards);
        }
        command.output().expect("sh")
    };
    failed(&task(["0", "3", "0", "2"], None), &["the array is 0 to 2 in 3 tasks: use --array=1-N"]);
    failed(&task(["3", "2", "3", "7"], None), &["the array is 3 to 7 in 2 tasks", "LUTRA_SHARDS=N"]);
    failed(&case.command("sh").arg(example("slurm/array.sh")).args(FILES).output().expect("sh"), &["--array=1-N"]);
    failed(&case.command("sh").arg(example("slurm/array.sh")).arg("ct").output().expect("sh"), &["usage: "]);
    assert!(!case.path("results").exists());
    succeeded(&task(["3", "2", "3", "7"], Some("16")));
    let record = std::fs::read_to_string(case.path("results/shard-3/run.json")).expect("run.json");
    assert!(record.contains("3/16"), "{record}");
}

/// The scripts of the Nextflow example, name and text, with what Nextflow puts in the place of `${...}`: `values` first,
/// then the file's own `params`.
fn nextflow_scripts(text: &str, values: &[(&str, &str)]) -> Vec<(String, String)> {
    let own: Vec<(String, String)> = text
        .lines()
        .filter(|line| line.starts_with("params."))
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, value)| (name.to_owned(), value.trim_matches('\'').to_owned()))
        .collect();
    let value = |name: &str| {
        let given = values.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        given.or_else(|| own.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone()))
    };
    let mut scripts = Vec::new();
    for process in text.split("\nprocess ").skip(1) {
        let name = process.split_whitespace().next().expect("a name").to_owned();
        let mut left = process.split("\"\"\"").nth(1).expect("a script");
        let mut script = String::new();
        while let Some((before, after)) = left.split_once("${") {
            let (name, after) = after.split_once('}').expect("a closing brace");
            script += before;
            script += &value(name).unwrap_or_else(|| panic!("{name} has no value"));
            left = after;
        }
        script += left;
        scripts.push((name, script.replace("\\\\", "\\")));
    }
    scripts
}

/// The commands of the Nextflow example as it would give them, each in a folder of its own with links to its files. What
/// remains untested without Nextflow is the file's own language.
#[cfg(unix)]
#[test]
fn cli_nextflow_commands_are_the_single_run() {
    use std::os::unix::fs::symlink;
    let case = Case::new();
    std::fs::rename(case.path("the ct.nii.gz"), case.path("ct.nii.gz")).expect("renamed");
    let text = std::fs::read_to_string(example("nextflow/main.nf")).expect("the example");
    let labels = format!("--labels {}", case.path("organs.nii.gz").display());
    let run = |folder: &str, links: &[&str], script: &str| {
        let place = case.path(folder);
        std::fs::create_dir_all(&place).expect("a folder");
        for link in links {
            let target = case.path(link);
            symlink(&target, place.join(target.file_name().expect("a name"))).expect("a link");
        }
        case.command("bash").current_dir(place).args(["-uec", script]).output().expect("bash")
    };
    let mut shards = Vec::new();
    for k in ["1", "2", "3"] {
        // it reads 6e3 as a number and writes it in its own way
        let given = [("k", k), ("ct", "ct.nii.gz"), ("activity", "activity.nii"), ("params.engine", "cpu")];
        let numbers = [("params.histories", "6.0E3"), ("params.shards", "3"), ("task.cpus", "1")];
        let values = [&given[..], &numbers, &[("params.options", labels.as_str()), ("shards", "")]].concat();
        let scripts = nextflow_scripts(&text, &values);
        assert_eq!(scripts[0].0, "SHARD");
        succeeded(&run(&format!("work{k}"), &["ct.nii.gz", "activity.nii"], &scripts[0].1));
        shards.push(format!("work{k}/shard-{k}"));
    }
    let given = [("k", ""), ("ct", ""), ("activity", ""), ("task.cpus", "1"), ("shards", "shard-3 shard-1 shard-2")];
    let scripts = nextflow_scripts(&text, &given);
    assert_eq!(scripts[1].0, "MERGE");
    let links: Vec<&str> = shards.iter().map(String::as_str).collect();
    succeeded(&run("merged", &links, &scripts[1].1));
    std::fs::rename(case.path("ct.nii.gz"), case.path("the ct.nii.gz")).expect("renamed");
    assert_eq!(case.hash("merged/whole"), case.single(SHORT));
    // the alarm: a shard of another seed
    case.foreign_shard("work2/shard-2", "2/3");
    failed(&run("refused", &links, &scripts[1].1), &["seed: found 9"]);
    assert!(!case.path("refused/whole").exists());
}

/// The whole example by Nextflow itself, `LUTRA_NEXTFLOW` or `nextflow` on the path: for a machine that has it.
#[test]
#[ignore = "no registry of packages has Nextflow whole; its commands are tested above"]
fn cli_nextflow_shards_are_the_single_run() {
    let program = std::env::var("LUTRA_NEXTFLOW").unwrap_or_else(|_| "nextflow".to_owned());
    let case = Case::new();
    let labels = format!("--options=--labels {}", case.path("organs.nii.gz").display());
    let run = |flags: &[&str]| {
        let mut command = case.command(&program);
        command
            .args(["run", &example("nextflow/main.nf"), "-ansi-log", "false"])
            .args(flags)
            .args(["--ct", "the ct.nii.gz", "--activity", "activity.nii", "--engine", "cpu", "--threads", "1"])
            .args(["--histories", SHORT, "--shards", "3", &labels]);
        command.output().expect("it starts")
    };
    succeeded(&run(&[]));
    assert_eq!(case.hash("results/whole"), case.single(SHORT));
    failed(&run(&["--unit", "furlongs"]), &["furlongs"]);
}
