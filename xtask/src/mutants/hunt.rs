//! Runs of tests on the faulty build: once to see which fault each test passes by, then once a fault.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::tree::Mutant;

/// Tests side by side.
const WORKERS: usize = 2;
/// Tests of a group take this long together, s: the quick ones first, since most faults fall at once.
const GROUPS_S: [f64; 3] = [1.0, 10.0, f64::INFINITY];
/// A group that takes longer than so many times its time on the sources as they are, and a start, hangs.
const HANGS: f64 = 6.0;
const START_S: f64 = 5.0;

/// A test, with how long it takes and the faults that it passes by.
#[derive(Clone, Debug)]
pub struct Test {
    /// Name of its program, as given.
    pub program: usize,
    /// Its own name.
    pub name: String,
    /// Time on the sources as they are, s.
    pub seconds: f64,
    /// Faults that it passes by.
    pub passes: BTreeSet<u32>,
}

/// What became of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// A test failed.
    Killed,
    /// The tests took too long.
    Hung,
    /// All tests that pass it by passed, as far as they were run.
    Survived,
    /// No test passes it by.
    Unreached,
}

/// Calls `work` on each number below `count` on all workers; results in order.
fn on_all<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let done: Mutex<BTreeMap<usize, T>> = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= count {
                        return;
                    }
                    let result = work(n);
                    done.lock().expect("no worker panics").insert(n, result);
                }
            });
        }
    });
    done.into_inner().expect("no worker panics").into_values().collect()
}

/// Address space of a test, KiB: a fault that asks for all memory is one that is seen.
const MOST_KIB: &str = "12000000";

fn command(program: &Path, folder: &Path, names: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -v $0; exec \"$@\"", MOST_KIB])
        .arg(program)
        .arg("--exact")
        .args(names)
        .args(["--test-threads", "1"])
        .current_dir(folder)
        .env("CARGO_MANIFEST_DIR", folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// Whether a child ends in time and well; `None` if it was ended here.
fn ended(mut child: Child, limit: Duration) -> Option<bool> {
    let begun = Instant::now();
    let mut pause = Duration::from_millis(2);
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status.success());
        }
        if begun.elapsed() > limit {
            let _gone = child.kill();
            let _gone = child.wait();
            return None;
        }
        std::thread::sleep(pause);
        pause = (2 * pause).min(Duration::from_millis(50));
    }
}

/// Tests of the programs with what they pass by, and the names of those that fail on the sources as they are.
pub fn record(programs: &[(String, PathBuf)], folder: &Path, limit_s: f64) -> Result<(Vec<Test>, Vec<String>)> {
    let mut names = Vec::new();
    for (n, (_, program)) in programs.iter().enumerate() {
        let said = Command::new(program).args(["--list", "--format", "terse"]).current_dir(folder).output()?;
        let listed = String::from_utf8(said.stdout)?;
        names.extend(listed.lines().filter_map(|line| Some((n, line.strip_suffix(": test")?.to_owned()))));
    }
    let kept = tempdir(folder)?;
    let tests = on_all(names.len(), |n| {
        let (program, name) = &names[n];
        let hits = kept.join(n.to_string());
        let mut command = command(&programs[*program].1, folder, &[name]);
        command.env("LUTRA_MUTANT", "record").env("LUTRA_MUTANT_HITS", &hits);
        let begun = Instant::now();
        let passed = command.spawn().ok().and_then(|child| ended(child, Duration::from_secs_f64(limit_s)));
        let seconds = begun.elapsed().as_secs_f64();
        let bytes = std::fs::read(&hits).unwrap_or_default();
        let passes = bytes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        if n % 50 == 0 {
            eprintln!("{n} of {} tests recorded", names.len());
        }
        (passed == Some(true), Test { program: *program, name: name.clone(), seconds, passes })
    });
    let (good, bad): (Vec<_>, Vec<_>) = tests.into_iter().partition(|(passed, _)| *passed);
    let bad = bad.into_iter().map(|(_, test)| test.name).collect();
    Ok((good.into_iter().map(|(_, test)| test).collect(), bad))
}

fn tempdir(folder: &Path) -> Result<PathBuf> {
    let place = folder.with_file_name("hits");
    if place.exists() {
        std::fs::remove_dir_all(&place)?;
    }
    std::fs::create_dir_all(&place).context("a folder for what tests pass by")?;
    Ok(place)
}

/// Tests in groups by their time together, quick ones first; those beyond `most_s` are left out.
fn groups(mut tests: Vec<&Test>, most_s: f64) -> Vec<Vec<&Test>> {
    tests.sort_by(|a, b| a.seconds.total_cmp(&b.seconds).then(a.name.cmp(&b.name)));
    let mut groups: Vec<Vec<&Test>> = vec![Vec::new(); GROUPS_S.len()];
    let (mut all, mut at) = (0.0, 0);
    for test in tests {
        all += test.seconds;
        if all > most_s && groups.iter().any(|group| !group.is_empty()) {
            break;
        }
        while all > GROUPS_S[at] {
            at += 1;
        }
        groups[at].push(test);
    }
    groups.into_iter().filter(|group| !group.is_empty()).collect()
}

/// What becomes of each fault.
pub fn hunt(
    mutants: &[Mutant],
    tests: &[Test],
    programs: &[(String, PathBuf)],
    folder: &Path,
    most_s: f64,
) -> Vec<End> {
    let begun = Instant::now();
    let done = AtomicUsize::new(0);
    on_all(mutants.len(), |n| {
        let end = one(&mutants[n], tests, programs, folder, most_s);
        let so_far = done.fetch_add(1, Ordering::Relaxed) + 1;
        if so_far.is_multiple_of(50) {
            let left = begun.elapsed().as_secs_f64() / so_far as f64 * (mutants.len() - so_far) as f64;
            eprintln!("{so_far} of {} faults, {:.0} min left", mutants.len(), left / 60.0);
        }
        end
    })
}

fn one(mutant: &Mutant, tests: &[Test], programs: &[(String, PathBuf)], folder: &Path, most_s: f64) -> End {
    let passing: Vec<&Test> = tests.iter().filter(|test| test.passes.contains(&mutant.id)).collect();
    if passing.is_empty() {
        return End::Unreached;
    }
    for group in groups(passing, most_s) {
        for (n, (_, program)) in programs.iter().enumerate() {
            let of_it: Vec<&&Test> = group.iter().filter(|test| test.program == n).collect();
            if of_it.is_empty() {
                continue;
            }
            let names: Vec<&str> = of_it.iter().map(|test| &*test.name).collect();
            let limit = START_S + HANGS * of_it.iter().map(|test| test.seconds).sum::<f64>();
            let mut command = command(program, folder, &names);
            command.env("LUTRA_MUTANT", mutant.id.to_string());
            match command.spawn().ok().and_then(|child| ended(child, Duration::from_secs_f64(limit))) {
                Some(true) => {}
                Some(false) => return End::Killed,
                None => return End::Hung,
            }
        }
    }
    End::Survived
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quick_tests_come_first_and_what_is_beyond_the_limit_is_left_out() {
        let test = |name: &str, seconds: f64| Test { program: 0, name: name.into(), seconds, passes: BTreeSet::new() };
        let tests = [test("slow", 20.0), test("quick", 0.1), test("middle", 3.0), test("endless", 300.0)];
        let names = |most_s: f64| -> Vec<Vec<String>> {
            let groups = groups(tests.iter().collect(), most_s);
            groups.iter().map(|group| group.iter().map(|test| test.name.clone()).collect()).collect()
        };
        assert_eq!(names(60.0), [vec!["quick"], vec!["middle"], vec!["slow"]]);
        assert_eq!(names(0.01), [vec!["quick"]]);
    }

    #[test]
    fn what_hangs_is_ended() {
        let child = Command::new("sleep").arg("60").spawn().expect("sleep");
        assert_eq!(ended(child, Duration::from_millis(50)), None);
        let child = Command::new("false").spawn().expect("false");
        assert_eq!(ended(child, Duration::from_secs(20)), Some(false));
    }
}
