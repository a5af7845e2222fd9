//! The page of a verification, `verify.html`.

use super::record::{Change, Check, CheckVerdict, Group, Record};
use crate::clinic::pages::blocks::INTENDED_USE;
use crate::report::page::{Banner, Block, Cell, Fact, Page, Section, Table, Tone, render};

/// The page as HTML.
pub(super) fn html(record: &Record) -> String {
    let faults = record.faults();
    let mut sections: Vec<Section> = record.changes.iter().map(|changes| changed(changes)).collect();
    sections.extend(Group::ALL.map(|group| section(group, &record.checks)));
    sections.push(machine(record));
    render(&Page {
        title: "Installation test".into(),
        lead: format!("{} · {}", record.program, record.machine.platform),
        banner: banner(record, &faults),
        facts: facts(record),
        warnings: faults,
        sections,
        unknown: vec![
            "Whether this machine is used as intended: cameras, calibration and outlines are not tested here.".into(),
            "What lutra validate tests beyond its quick problems.".into(),
        ],
        run_facts: vec![
            ("Started (UTC)".into(), record.started_utc.clone()),
            ("Took".into(), format!("{:.0} s", record.wall_seconds)),
        ],
        intended_use: INTENDED_USE.into(),
        patient: None,
    })
}

fn banner(record: &Record, faults: &[String]) -> Banner {
    let count = |verdict: CheckVerdict| record.checks.iter().filter(|check| check.verdict == verdict).count();
    let (passed, open) = (count(CheckVerdict::Pass), count(CheckVerdict::Open));
    let lines = vec![format!("{passed} checks pass, {} fail, {open} open", count(CheckVerdict::Fail))];
    if record.passes {
        Banner { tone: Tone::Good, heading: "This installation works as released".into(), lines }
    } else {
        let heading = format!("Do not use this installation: {} faults", faults.len());
        Banner { tone: Tone::Stop, heading, lines }
    }
}

fn facts(record: &Record) -> Vec<Fact> {
    let fact = |name: &str, value: &str, note: &str| Fact { name: name.into(), value: value.into(), note: note.into() };
    let short = |hash: &str| hash.get(..16).unwrap_or(hash).to_owned();
    let mut facts = vec![fact(
        "Fingerprint",
        &short(&record.fingerprint_sha256),
        "of all that is the same on every machine: one program, one fingerprint",
    )];
    if let Some(sha256) = &record.program_sha256 {
        facts.push(fact("Program file", &short(sha256), "SHA-256, its beginning"));
    }
    facts
}

/// The checks of a group.
fn section(group: Group, checks: &[Check]) -> Section {
    let (id, title, about) = match group {
        Group::Physics => (
            "physics",
            "Physics",
            "The quick problems of lutra validate: Lutra against EGSnrc, NIST and published data. EGSnrc’s are R1, point sources in \
             water; R2, spheres; R3, voxel S values; R4, slabs of tissues; R5, a tumour across the surface of the lung. A row \
             passes within the allowed difference and two combined standard errors. Open: known to miss that; it fails beyond the \
             difference that is known (docs/validation.md has them all).",
        ),
        Group::Devices => (
            "devices",
            "Devices",
            "The same histories on every device of this machine, compared integer by integer, and the hash that they have \
             on every machine.",
        ),
        Group::Files => ("files", "Files", "Results are written, read again and compared."),
        Group::Faults => (
            "faults",
            "Fault inputs",
            "Inputs with a fault of the field, made on the spot. Each must be refused, and the refusal must name what is \
             wrong; sound inputs must be accepted.",
        ),
        Group::Room => ("room", "Memory and disk", "Whether a patient of the usual size has room."),
    };
    let rows = checks.iter().filter(|check| check.group == group).map(row).collect();
    let table = Table::new(title, &["Check", "Verdict", "Found", "Expected"], rows);
    Section::new(id, title, title, vec![Block::Text(about.into()), Block::Table(table)])
}

fn row(check: &Check) -> Vec<Cell> {
    let tone = match check.verdict {
        CheckVerdict::Pass => Tone::Good,
        CheckVerdict::Open => Tone::Attention,
        CheckVerdict::Fail => Tone::Stop,
    };
    vec![
        Cell::Text(check.name.clone()),
        Cell::Mark(tone, check.verdict.word().into()),
        Cell::Text(check.found.clone()),
        Cell::Text(check.expected.clone()),
    ]
}

/// What changed against an earlier record.
fn changed(changes: &[Change]) -> Section {
    let (id, title) = ("changes", "Changes");
    if changes.is_empty() {
        let text = "Nothing changed: program, machine, figures, hashes and verdicts are those of the earlier record.";
        return Section::new(id, title, title, vec![Block::Text(text.into())]);
    }
    let row = |change: &Change| {
        let verdict = match &change.fault {
            Some(why) => Cell::Mark(Tone::Stop, format!("must not change: {why}")),
            None => Cell::Mark(Tone::Attention, "to be judged by a person".into()),
        };
        vec![
            Cell::Text(change.what.clone()),
            Cell::Text(change.before.clone()),
            Cell::Text(change.now.clone()),
            verdict,
        ]
    };
    let table = Table::new(title, &["What", "Before", "Now", "Judgement"], changes.iter().map(row).collect());
    Section::new(id, title, title, vec![Block::Table(table)])
}

fn machine(record: &Record) -> Section {
    let machine = &record.machine;
    let memory = machine.memory_bytes.map_or("not known".to_owned(), |bytes| format!("{:.1} GB", bytes as f64 / 1e9));
    let mut terms = vec![
        ("Platform".to_owned(), machine.platform.clone()),
        ("Threads".to_owned(), machine.threads.to_string()),
        ("Memory".to_owned(), memory),
    ];
    for device in &machine.devices {
        let driver = if device.driver.is_empty() { String::new() } else { format!(", driver {}", device.driver) };
        let usable = if device.usable { "" } else { "; cannot run the kernel" };
        terms.push((device.engine.clone(), format!("{}{driver}{usable}", device.name)));
    }
    Section::new("machine", "This machine", "Machine", vec![Block::Terms(terms)])
}
