//! A site's installation test: the quick reference problems, parity of this machine's devices, what is written read again,
//! inputs that must be refused, memory and disk. One page for people, one record that two sites can lay side by side;
//! against an earlier record, change control.

mod change;
mod devices;
mod faults;
mod files;
mod page;
mod patient;
mod physics;
mod record;
mod room;

pub use record::{Change, Check, CheckVerdict, DeviceHere, Figure, Group, Machine, Record, SCHEMA};

use super::failure::{AtPath, Failure, OrUserError};
use super::guard;
use super::invocation::Invocation;
use super::notes::Listener;
use super::request::VerifyRequest;
use super::validation;
use crate::io::atomic::AtomicOutputDir;
use crate::report::run_record::{self, utc};
use crate::validate::Extent;
use std::path::PathBuf;

/// What an open row is.
pub const OPEN: &str =
    "open: known to miss what rows of its kind are asked, by no more than docs/validation.md states; no fault\n";
/// The record's name.
pub const RECORD_FILE: &str = "verify.json";
/// The page's name.
pub const PAGE_FILE: &str = "verify.html";
/// Where the made inputs lie meanwhile.
const WORK: &str = "inputs";

/// A verification.
#[derive(Clone, Debug)]
pub struct Verified {
    /// The record.
    pub record: Record,
    /// Folder of record and page.
    pub place: PathBuf,
    /// The faults found; `None` if there are none.
    pub fault: Option<String>,
}

/// Runs all checks and writes record and page. `program_sha256` is the hash of the program's file, if that can be read.
///
/// Errors: files that cannot be read or written; a run that fails. A check that fails is not an error here but reported in
/// [`Verified::fault`].
pub fn run(
    request: &VerifyRequest,
    program_sha256: Option<String>,
    invocation: &Invocation,
    hear: &mut dyn Listener,
) -> Result<Verified, Failure> {
    let inputs = guard::of_verify(request);
    let names = [RECORD_FILE, PAGE_FILE, devices::FILE];
    let folder = guard::folder(&request.out, request.force, &inputs, &names)?;
    let old = request.against.as_ref().map(change::read).transpose()?;
    let step = |what: &str, hear: &mut dyn Listener| {
        hear.info("verify-step", format!("{:6.0} s  {what}", invocation.seconds()));
    };
    step("memory and disk", hear);
    let room = room::checks(&folder);
    step("files and fault inputs", hear);
    let made = on_made_inputs(&folder)?;
    step("devices", hear);
    let devices = devices::checks(&folder, devices::SHA256, hear)?;
    step("physics", hear);
    let (comparisons, _) = validation::comparisons(&request.run, Extent::Quick, None, hear)?;
    let checks = [physics::checks(&comparisons), devices, made, room].concat();
    let record = recorded(checks, old.as_ref(), program_sha256, invocation);
    let fault = fault(&record);
    write(&record, &folder)?;
    let place = folder.commit().or_user_error()?;
    Ok(Verified { record, place, fault })
}

/// The record of some checks; `old` is the record that it is held against.
fn recorded(
    checks: Vec<Check>,
    old: Option<&Record>,
    program_sha256: Option<String>,
    invocation: &Invocation,
) -> Record {
    let mut record = Record {
        schema: SCHEMA,
        program: run_record::program(),
        program_sha256,
        passes: false,
        fingerprint_sha256: record::fingerprint(&checks),
        checks,
        changes: None,
        machine: devices::machine(),
        started_utc: utc(invocation.moment),
        wall_seconds: invocation.seconds(),
    };
    record.changes = old.map(|old| change::changes(old, &record));
    record.passes = record.faults().is_empty();
    record
}

/// What a record with faults ends the request with.
fn fault(record: &Record) -> Option<String> {
    let faults = record.faults();
    let first = faults.first()?;
    let more =
        if faults.len() > 1 { format!(" and {} more, all in {RECORD_FILE}", faults.len() - 1) } else { String::new() };
    Some(format!("this installation does not pass: {first}{more}"))
}

/// Checks on files that are made for them and removed again.
fn on_made_inputs(folder: &AtomicOutputDir) -> Result<Vec<Check>, Failure> {
    let work = folder.file(WORK).path().to_owned();
    std::fs::create_dir(&work).at(&work)?;
    let patient = patient::Patient::write(&work)?;
    let mut checks = files::checks(&patient)?;
    checks.extend(faults::checks(&patient, faults::ALL));
    std::fs::remove_dir_all(&work).at(&work)?;
    Ok(checks)
}

fn write(record: &Record, folder: &AtomicOutputDir) -> Result<(), Failure> {
    super::files::write_json(&folder.file(RECORD_FILE), record)?;
    let target = folder.file(PAGE_FILE);
    target.write(page::html(record)).at(&target)
}

#[cfg(test)]
mod tests {
    use super::faults::Wrong;
    use super::*;

    fn made(all: &[Wrong]) -> Vec<Check> {
        let folder = tempfile::tempdir().expect("temporary folder");
        let patient = patient::Patient::write(folder.path()).expect("written");
        faults::checks(&patient, all)
    }

    fn whole(checks: Vec<Check>) -> Record {
        recorded(checks, None, None, &Invocation::now(Vec::new()))
    }

    #[test]
    fn io_every_fault_input_is_refused_by_name_and_sound_ones_are_accepted() {
        let checks = made(faults::ALL);
        let failed: Vec<String> = checks
            .iter()
            .filter(|check| check.fails())
            .map(|check| format!("{}: {}", check.name, check.found))
            .collect();
        assert!(failed.is_empty(), "{}", failed.join("\n"));
        assert_eq!(checks.len(), 5 + faults::ALL.len());
        // what is found is the same at every site: no place of a temporary folder
        let made_in = std::env::temp_dir().display().to_string();
        assert!(checks.iter().all(|check| !check.found.contains(&made_in)), "{checks:#?}");
    }

    /// A program that takes a spoilt input, refuses it for another reason, or fails on it.
    #[test]
    fn alarm_a_fault_input_that_is_accepted_rings() {
        let ok = |ask| Wrong { name: "planted", says: "stored values", ask };
        let accepted = made(&[ok(|_| Ok(()))]);
        let other =
            made(&[ok(|patient| patient::series("?").map_err(Failure::User).inspect(|()| drop(patient.path(""))))]);
        let broken = made(&[ok(|_| Err(Failure::run("stored values")))]);
        for (checks, found) in [(accepted, "accepted"), (other, "refused: "), (broken, "failed: ")] {
            let last = checks.last().expect("a check");
            assert!(last.fails() && last.found.starts_with(found), "{last:?}");
            let record = whole(checks);
            assert!(!record.passes);
            assert_eq!(fault(&record).as_deref(), Some("this installation does not pass: fault inputs: planted"));
        }
    }

    #[test]
    fn io_a_sound_record_has_no_fault_and_one_fingerprint() {
        let checks = made(&[]);
        let record = whole(checks.clone());
        assert!(record.passes && fault(&record).is_none());
        let mut here = checks.clone();
        here.push(Check::new(Group::Room, "memory", true, "3 GB", "2 GB").of_this_machine());
        assert_eq!(record::fingerprint(&here), record.fingerprint_sha256, "what is of this machine does not count");
        let mut other = checks;
        other[0].verdict = CheckVerdict::Fail;
        assert_ne!(record::fingerprint(&other), record.fingerprint_sha256);
        let page = page::html(&record);
        assert!(
            page.contains("This installation works as released") && page.contains(&record.fingerprint_sha256[..16])
        );
    }

    #[test]
    fn alarm_a_page_of_a_record_with_faults_says_stop() {
        let failed = Check::new(Group::Devices, "tally", false, "ac", "ab").with_sha256("ac");
        let page = page::html(&whole(vec![failed]));
        assert!(page.contains("Do not use this installation") && page.contains("devices: tally"), "{page}");
    }
}
