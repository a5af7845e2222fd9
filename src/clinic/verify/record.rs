//! The record of a verification: `verify.json`, which two sites, or one site before and after a change, lay side by side.

use crate::digest;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Version of this record's layout; raised when a field changes meaning or goes.
pub const SCHEMA: u32 = 1;

/// What a check is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// Reference problems: Lutra against another code.
    Physics,
    /// The same histories on every device, and their known hash.
    Devices,
    /// What is written is read again.
    Files,
    /// Inputs that must be refused.
    Faults,
    /// Memory and disk.
    Room,
}

impl Group {
    /// All, in the order of the page.
    pub const ALL: [Self; 5] = [Self::Physics, Self::Devices, Self::Files, Self::Faults, Self::Room];

    /// Name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Physics => "physics",
            Self::Devices => "devices",
            Self::Files => "files",
            Self::Faults => "fault inputs",
            Self::Room => "memory and disk",
        }
    }
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckVerdict {
    /// As it must be.
    Pass,
    /// Not as it must be.
    Fail,
    /// Misses what rows of its kind are asked, by no more than is known and stated in the validation.
    Open,
}

impl CheckVerdict {
    /// Word in tables.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "FAIL",
            Self::Open => "open",
        }
    }
}

/// A figure and its reference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// The value found, in `unit`.
    pub value: f64,
    /// Its standard error, in `unit`.
    pub sigma: f64,
    /// The reference, in `unit`.
    pub reference: f64,
    /// Difference from the reference, as a share.
    pub difference: f64,
    /// Difference that is allowed, as a share, besides two combined standard errors.
    pub allowed: f64,
    /// Unit; `1` for a pure number.
    pub unit: String,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// What it is about.
    pub group: Group,
    /// What is checked; once a group.
    pub name: String,
    /// How it ended.
    pub verdict: CheckVerdict,
    /// What was found.
    pub found: String,
    /// What must be found.
    pub expected: String,
    /// The figure, where it is one.
    pub figure: Option<Figure>,
    /// A hash, where the check is one: equal on every machine.
    pub sha256: Option<String>,
    /// Whether it speaks of this machine alone (its devices, memory, disk), so that another site has another.
    pub here: bool,
}

impl Check {
    /// A check without figure and hash, equal on every machine.
    pub fn new(
        group: Group,
        name: impl Into<String>,
        good: bool,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        let verdict = if good { CheckVerdict::Pass } else { CheckVerdict::Fail };
        let (name, found, expected) = (name.into(), found.into(), expected.into());
        Self { group, name, verdict, found, expected, figure: None, sha256: None, here: false }
    }

    /// The same with a hash.
    pub fn with_sha256(mut self, sha256: &str) -> Self {
        self.sha256 = Some(sha256.to_owned());
        self
    }

    /// The same, of this machine alone.
    pub fn of_this_machine(mut self) -> Self {
        self.here = true;
        self
    }

    /// Whether it failed.
    pub fn fails(&self) -> bool {
        self.verdict == CheckVerdict::Fail
    }

    /// What is the same on every machine, as one line: verdict, figure to seven digits, hash.
    pub(super) fn line(&self) -> String {
        let figure = self.figure.as_ref().map_or(String::new(), |f| format!("{:.6e} {}", f.value, f.unit));
        format!(
            "{} | {} | {} | {figure} | {}",
            self.group.name(),
            self.name,
            self.verdict.word(),
            self.sha256.as_deref().unwrap_or("")
        )
    }
}

/// A device of the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceHere {
    /// `cpu`, or `gpu:N`.
    pub engine: String,
    /// Name.
    pub name: String,
    /// Driver and its version; empty for the CPU.
    pub driver: String,
    /// Whether it can run the kernel.
    pub usable: bool,
}

/// The machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Operating system and architecture.
    pub platform: String,
    /// Threads that the system offers.
    pub threads: usize,
    /// Memory, bytes; `None` if the system does not tell.
    pub memory_bytes: Option<u64>,
    /// Devices.
    pub devices: Vec<DeviceHere>,
}

/// What one verification differs in from an earlier one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What changed.
    pub what: String,
    /// What it was; empty if it was not there.
    pub before: String,
    /// What it is; empty if it is gone.
    pub now: String,
    /// Why it must not change; `None` where it may, and a person judges it.
    pub fault: Option<String>,
}

/// The record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Layout version, [`SCHEMA`].
    pub schema: u32,
    /// Program and its version.
    pub program: String,
    /// SHA-256 of the program's file; `None` if it cannot be read.
    pub program_sha256: Option<String>,
    /// Whether no check fails and nothing changed that must not.
    pub passes: bool,
    /// SHA-256 of all that is the same on every machine: one program shows one fingerprint at every site.
    pub fingerprint_sha256: String,
    /// The checks, by group.
    pub checks: Vec<Check>,
    /// What changed against the earlier record; `None` if none was given.
    pub changes: Option<Vec<Change>>,
    /// The machine.
    pub machine: Machine,
    /// When it began, UTC, ISO 8601.
    pub started_utc: String,
    /// Wall time, s.
    pub wall_seconds: f64,
}

impl Record {
    /// Names of what failed: checks, and changes that must not be.
    pub fn faults(&self) -> Vec<String> {
        let checks = self.checks.iter().filter(|check| check.fails());
        let changes = self.changes.iter().flatten().filter(|change| change.fault.is_some());
        checks
            .map(|check| format!("{}: {}", check.group.name(), check.name))
            .chain(changes.map(|change| format!("changed: {}", change.what)))
            .collect()
    }
}

/// Hash of the lines of all checks that are the same on every machine.
pub(super) fn fingerprint(checks: &[Check]) -> String {
    let mut hasher = Sha256::new();
    for check in checks.iter().filter(|check| !check.here) {
        hasher.update(check.line().as_bytes());
        hasher.update(b"\n");
    }
    digest::finished(hasher)
}
