//! Change control: what a verification differs in from an earlier one.
//!
//! Two programs may differ in their figures: a person judges that, and the changelog says why. One program (the same file,
//! by its hash) gives the same figures, hashes and verdicts on every machine and every day; where it does not, something is
//! wrong with the machine or with the record.

use super::record::{Change, Check, Record, SCHEMA};
use crate::clinic::failure::UserError;
use crate::clinic::files::read_text;
use crate::fault::{Explained, FaultKind};
use crate::place::Place;
use crate::text;

/// Reads an earlier record.
///
/// Errors: not readable, not a record of a verification, of another layout.
pub(super) fn read(path: &Place) -> Result<Record, UserError> {
    let next = "Give the verify.json of an earlier verification.";
    let text = read_text(path)?;
    text::sparse(&text).map_err(|error| error.fault().inside(path).or_then(next))?;
    let value: serde_json::Value = text::json::read(&text).map_err(|error| {
        UserError::invalid(path, "JSON", error.to_string(), "a verify.json", next).kind(FaultKind::Syntax)
    })?;
    let schema = &value["schema"];
    if schema.as_u64() != Some(u64::from(SCHEMA)) {
        let found = if schema.is_null() { "none".to_owned() } else { schema.to_string() };
        return Err(UserError::invalid(path, "schema", found, SCHEMA.to_string(), next));
    }
    serde_json::from_value(value)
        .map_err(|error| UserError::invalid(path, "", error.to_string(), "a verify.json of schema 1", next))
}

/// All that differs between two records, in their order.
pub(super) fn changes(old: &Record, new: &Record) -> Vec<Change> {
    let same_program = old.program_sha256.is_some() && old.program_sha256 == new.program_sha256;
    let fault = same_program.then(|| "one program gives one result, whatever the machine and the day".to_owned());
    let mut changes = of_program(old, new);
    changes.extend(of_machine(old, new));
    for check in &new.checks {
        match find(&old.checks, check) {
            Some(before) => changes.extend(of_check(before, check, fault.as_deref())),
            None => changes.push(added(check, fault.as_deref())),
        }
    }
    for check in old.checks.iter().filter(|check| find(&new.checks, check).is_none()) {
        let missing = fault.clone().filter(|_| !check.here);
        changes.push(Change { what: what(check), before: told(check), now: String::new(), fault: missing });
    }
    changes
}

fn find<'a>(checks: &'a [Check], wanted: &Check) -> Option<&'a Check> {
    checks.iter().find(|check| check.group == wanted.group && check.name == wanted.name)
}

fn what(check: &Check) -> String {
    format!("{}: {}", check.group.name(), check.name)
}

/// What counts of a check, in words. What a check of this machine finds (free memory) changes by the minute, and does not
/// count.
fn told(check: &Check) -> String {
    let value = match (&check.figure, &check.sha256) {
        (Some(figure), _) => format!(", {:.6e} {}", figure.value, figure.unit),
        (_, Some(sha256)) => format!(", {sha256}"),
        _ => String::new(),
    };
    format!("{}{value}", check.verdict.word())
}

fn added(check: &Check, fault: Option<&str>) -> Change {
    let fault = fault.filter(|_| !check.here).map(str::to_owned);
    Change { what: what(check), before: String::new(), now: told(check), fault }
}

/// What changed of a check; nothing where it is the same.
fn of_check(before: &Check, now: &Check, fault: Option<&str>) -> Option<Change> {
    let (before_told, now_told) = (told(before), told(now));
    (before_told != now_told).then(|| Change {
        what: what(now),
        before: before_told,
        now: now_told,
        fault: fault.filter(|_| !now.here).map(str::to_owned),
    })
}

fn changed(what: &str, before: &str, now: &str) -> Option<Change> {
    let said = |text: &str| if text.is_empty() { "not known".to_owned() } else { text.to_owned() };
    (before != now).then(|| Change { what: what.to_owned(), before: said(before), now: said(now), fault: None })
}

/// Version and file of the program.
fn of_program(old: &Record, new: &Record) -> Vec<Change> {
    let hash = |record: &Record| record.program_sha256.clone().unwrap_or_default();
    let both = [
        changed("program", &old.program, &new.program),
        changed("file of the program, SHA-256", &hash(old), &hash(new)),
    ];
    both.into_iter().flatten().collect()
}

/// Platform, threads, memory, devices.
fn of_machine(old: &Record, new: &Record) -> Vec<Change> {
    let (a, b) = (&old.machine, &new.machine);
    let gib =
        |bytes: Option<u64>| bytes.map_or(String::new(), |bytes| format!("{:.1} GiB", bytes as f64 / (1 << 30) as f64));
    let device = |record: &Record, n: usize| {
        record.machine.devices.get(n).map_or("none".to_owned(), |device| {
            let driver = if device.driver.is_empty() { String::new() } else { format!(", driver {}", device.driver) };
            format!("{}{driver}{}", device.name, if device.usable { "" } else { ", not usable" })
        })
    };
    let parts = [
        changed("platform", &a.platform, &b.platform),
        changed("threads", &a.threads.to_string(), &b.threads.to_string()),
        changed("memory", &gib(a.memory_bytes), &gib(b.memory_bytes)),
    ];
    let devices = (0..a.devices.len().max(b.devices.len())).map(|n| {
        let engine = a.devices.get(n).or(b.devices.get(n)).map_or(String::new(), |device| device.engine.clone());
        changed(&format!("device {engine}"), &device(old, n), &device(new, n))
    });
    parts.into_iter().chain(devices).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::super::record::{CheckVerdict, DeviceHere, Figure, Group, Machine, fingerprint};
    use super::*;

    fn record() -> Record {
        let figure = Figure {
            value: 0.20112,
            sigma: 1e-4,
            reference: 0.20092,
            difference: 1e-3,
            allowed: 5e-3,
            unit: "mm".to_owned(),
        };
        let checks = vec![
            Check { figure: Some(figure), ..Check::new(Group::Physics, "R50", true, "+0.10 %", "within 0.5 %") },
            Check::new(Group::Devices, "tally", true, "ab", "ab").with_sha256("ab"),
            Check::new(Group::Devices, "gpu:0", true, "the same integers", "").of_this_machine(),
            Check::new(Group::Room, "memory", true, "3.1 GB free", "at least 1 GB").of_this_machine(),
        ];
        Record {
            schema: SCHEMA,
            program: "lutra 0.1.0".to_owned(),
            program_sha256: Some("11".to_owned()),
            passes: true,
            fingerprint_sha256: fingerprint(&checks),
            checks,
            changes: None,
            machine: Machine {
                platform: "linux-x86_64".to_owned(),
                threads: 2,
                memory_bytes: Some(1 << 34),
                devices: vec![DeviceHere {
                    engine: "cpu".to_owned(),
                    name: "2 threads".to_owned(),
                    driver: String::new(),
                    usable: true,
                }],
            },
            started_utc: "2026-11-30T15:00:00Z".to_owned(),
            wall_seconds: 40.0,
        }
    }

    /// The changes of a record that is changed, as names; those that must not be with an exclamation mark.
    fn named(change: impl Fn(&mut Record)) -> Vec<String> {
        let old = record();
        let mut new = record();
        change(&mut new);
        let mark = |change: &Change| format!("{}{}", change.what, if change.fault.is_some() { "!" } else { "" });
        changes(&old, &new).iter().map(mark).collect()
    }

    #[test]
    fn io_nothing_changes_between_two_runs_of_one_program() {
        let none: [&str; 0] = [];
        assert_eq!(named(|_| {}), none);
        assert_eq!(
            named(|new| new.checks[3].found = "1.2 GB free".to_owned()),
            none,
            "free memory changes by the minute"
        );
        assert_eq!(named(|new| new.wall_seconds = 1.0), none);
    }

    #[test]
    fn alarm_one_program_with_another_result_rings() {
        let of = |new: &mut Record, value: f64| new.checks[0].figure.as_mut().expect("a figure").value = value;
        assert_eq!(named(|new| of(new, 0.20113)), ["physics: R50!"]);
        assert_eq!(named(|new| new.checks[1].sha256 = Some("ac".to_owned())), ["devices: tally!"]);
        assert_eq!(named(|new| new.checks[0].verdict = CheckVerdict::Open), ["physics: R50!"]);
        assert_eq!(named(|new| drop(new.checks.remove(0))), ["physics: R50!"]);
    }

    #[test]
    fn io_another_program_or_machine_is_told_and_judged_by_a_person() {
        let other = |new: &mut Record| {
            new.program = "lutra 0.2.0".to_owned();
            new.program_sha256 = Some("22".to_owned());
            new.checks[1].sha256 = Some("ac".to_owned());
        };
        assert_eq!(named(other), ["program", "file of the program, SHA-256", "devices: tally"]);
        assert_eq!(named(|new| new.machine.threads = 4), ["threads"]);
        assert_eq!(named(|new| new.machine.devices[0].name = "4 threads".to_owned()), ["device cpu"]);
        assert_eq!(named(|new| drop(new.checks.remove(2))), ["devices: gpu:0"], "a device that is gone");
        // a program whose file is not known is no proof
        let unknown = |new: &mut Record| {
            new.program_sha256 = None;
            new.checks[1].sha256 = Some("ac".to_owned());
        };
        assert_eq!(named(unknown), ["file of the program, SHA-256", "devices: tally"]);
    }

    #[test]
    fn io_a_record_is_read_as_it_was_written_or_refused_by_name() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("verify.json");
        let read = |text: &str| {
            std::fs::write(&path, text).expect("written");
            super::read(&path.as_path().into())
        };
        let text = serde_json::to_string_pretty(&record()).expect("JSON");
        assert_eq!(read(&text), Ok(record()));
        for (text, says) in [
            ("no JSON", "JSON: found expected"),
            ("{\"schema\": 1, \"schema\": 1}", "stands twice"),
            ("{}", "schema: found none; allowed: 1"),
            ("{\"schema\": 7}", "schema: found 7"),
            ("{\"schema\": 1}", "missing field"),
        ] {
            let error = read(text).expect_err(text).to_string();
            assert!(error.contains("verify.json") && error.contains(says), "{text}: {error}");
        }
    }
}
