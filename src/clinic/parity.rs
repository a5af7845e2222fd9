//! Parity: the same histories on the scalar CPU engine and on every other device, compared bit for bit.

use super::case::Case;
use super::failure::{Failure, OrUserError, RunFault, UserError};
use super::notes::Listener;
use super::request::{DeviceChoice, DoseRequest, ParityRequest, ParityScene, TraceChoice};
use super::{demo, from_files, guard, transport};
use crate::clock::Moment;
use crate::fault::{Explained, Fault, FaultKind, Setting, Words, explained, words};
use crate::io::atomic::OutputFiles;
use crate::report::run_record::{platform, program};
use crate::tally::{BatchTally, Ledger, Moments};
use crate::transport::allocation::Expectation;
use crate::transport::cpu::{Carrier, CpuEngine};
use crate::transport::emission::Pass;
use crate::transport::gpu::{GpuEngine, GpuOptions, list_adapters, open_blocking};
use crate::transport::parity::{Difference, Event, Step, first_difference, follow};
use crate::transport::run::{self, RunPlan, Stop, audit, flag_names};
use crate::transport::{DeviceInfo, Engine, EngineError, Job, SceneData};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Batches of each pass.
const BATCHES: u32 = 2;
/// Most steps of a traced history.
const MOST_STEPS: usize = 20_000;

/// The reference for all others.
const REFERENCE: DeviceChoice = DeviceChoice::Cpu(0, Some(Carrier::Scalar));

/// One device's results.
struct Row {
    choice: DeviceChoice,
    info: Option<DeviceInfo>,
    sha256: String,
    histories: [u64; 2],
    seconds: [f64; 2],
    difference: Option<(Pass, u32, Difference)>,
    error: Option<Words>,
}

impl Row {
    fn agrees(&self) -> bool {
        self.difference.is_none() && self.error.is_none()
    }
}

/// Result of a comparison or a traced history.
#[derive(Clone, Debug)]
pub struct Found {
    /// Machine-readable.
    pub record: Value,
    /// Table for people.
    pub text: Words,
    /// The fault found; `None` if all devices agree.
    pub fault: Option<String>,
}

/// Compares devices on the same histories and writes the record, or traces one history on all of them.
///
/// Errors: files that cannot be read or written; the reference itself fails. A device that differs is not an error here
/// but reported in [`Found::fault`].
pub fn run(request: &ParityRequest, hear: &mut dyn Listener) -> Result<Found, Failure> {
    // a traced history is shown, not written
    let claimed = match request.trace {
        None => Some(OutputFiles::claim(&[&request.json], request.force, &guard::of_parity(request)).or_user_error()?),
        Some(_) => None,
    };
    let case = case(&request.scene, hear)?;
    let scene = transport::scene(&case)?;
    let plan = RunPlan {
        stop: Stop::Histories(request.histories),
        batches: BATCHES,
        photon_share: 1.0,
        seed: request.seed,
        ..RunPlan::default()
    };
    let data =
        Arc::new(run::prepare(&scene, &case.nuclide, &plan).map_err(|error| Failure::Run(RunFault::of(&error)))?);
    let expectation = Expectation::new(&case.decays.data, request.histories as f64 / f64::from(BATCHES));
    let devices = request.devices.clone().unwrap_or_else(|| all(hear));
    if let Some(choice) = request.trace {
        let job = run::job(&data, choice.pass, &expectation, choice.batch, request.seed);
        return trace(&data, &job, choice, &devices);
    }
    let jobs: Vec<(u32, Job)> = (0..BATCHES)
        .flat_map(|b| {
            [Pass::Electron, Pass::Photon].map(|pass| (b, run::job(&data, pass, &expectation, b, request.seed)))
        })
        .collect();
    let rows = rows(&data, &jobs, &devices, hear)?;
    let identity = run::identity(&data, &case.decays.data, &plan);
    let record = record(&rows, &case, request, &identity.fields);
    if let Some(claimed) = claimed {
        let text = serde_json::to_string_pretty(&record)? + "\n";
        claimed.write(&request.json, |file| file.write_all(text.as_bytes())).or_user_error()?;
    }
    let off = rows.iter().filter(|row| !row.agrees()).count();
    let fault = (off > 0).then(|| format!("{off} of {} devices differ from the CPU or failed", rows.len() - 1));
    Ok(Found { record, text: table(&rows, &case), fault })
}

/// The reference's row, then one for every other device.
fn rows(
    data: &Arc<SceneData>,
    jobs: &[(u32, Job)],
    devices: &[DeviceChoice],
    hear: &mut dyn Listener,
) -> Result<Vec<Row>, Failure> {
    let mut reference = CpuEngine::with(0, Carrier::Scalar);
    let others: Vec<DeviceChoice> = devices.iter().copied().filter(|c| *c != REFERENCE).collect();
    let share = |done: usize| done as f64 / (1 + others.len()) as f64;
    let go_on = |flow: ControlFlow<()>| match flow {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Failure::run("the comparison was ended before all devices were through")),
    };
    go_on(hear.progress(0.0, None, "parity: cpu"))?;
    let (first, tallies) = measure(&mut reference, REFERENCE, data, jobs, None)?;
    let mut rows = vec![first];
    for (n, &choice) in others.iter().enumerate() {
        go_on(hear.progress(share(1 + n), None, &format!("parity: {}", label(choice))))?;
        rows.push(compare(choice, data, jobs, &mut reference, &tallies));
    }
    hear.progress_ended();
    Ok(rows)
}

fn case(scene: &ParityScene, hear: &mut dyn Listener) -> Result<Case, Failure> {
    match scene {
        ParityScene::Demo => demo::phantom(Default::default()),
        ParityScene::Files(ct, decays) => {
            let request = DoseRequest::of_decays(ct, decays);
            Ok(from_files::case(&request, hear)?)
        }
    }
}

/// Every CPU variant, one of them on one thread, and every adapter that can run the kernel.
fn all(hear: &mut dyn Listener) -> Vec<DeviceChoice> {
    let adapters = list_adapters();
    if adapters.is_empty() {
        hear.info("no-adapter", "no adapter found: comparing the ways of the CPU with one another");
    }
    let gpus = adapters.iter().filter(|a| a.usable()).map(|a| DeviceChoice::Gpu(a.number, GpuOptions::default()));
    let ways = Carrier::available().into_iter().map(|way| DeviceChoice::Cpu(0, Some(way)));
    ways.chain([DeviceChoice::Cpu(1, None)]).chain(gpus).collect()
}

fn label(choice: DeviceChoice) -> String {
    match choice {
        DeviceChoice::Cpu(threads, way) => {
            let mut name = "cpu".to_owned();
            if threads > 0 {
                let _infallible = write!(name, ":{threads}");
            }
            if let Some(way) = way {
                let _infallible = write!(name, ":{}", way.word());
            }
            name
        }
        DeviceChoice::Gpu(number, options) => {
            let usual = GpuOptions::default();
            let mut text = format!("gpu:{number}");
            for (name, value, usual) in [
                ("workgroup", options.workgroup, usual.workgroup),
                ("threads", options.threads, usual.threads),
                ("steps", options.steps, usual.steps),
            ] {
                if value != usual {
                    text.push_str(&format!(":{name}={value}"));
                }
            }
            text
        }
    }
}

fn engine(choice: DeviceChoice) -> Result<Box<dyn Engine>, EngineError> {
    match choice {
        DeviceChoice::Cpu(threads, None) => Ok(Box::new(CpuEngine::new(threads))),
        DeviceChoice::Cpu(threads, Some(way)) => Ok(Box::new(CpuEngine::with(threads, way))),
        DeviceChoice::Gpu(number, options) => open_blocking(Some(number), options),
    }
}

/// Runs all jobs; given the reference, stops at the first job that differs and locates the difference.
fn measure(
    engine: &mut dyn Engine,
    choice: DeviceChoice,
    data: &Arc<SceneData>,
    jobs: &[(u32, Job)],
    mut reference: Option<(&mut dyn Engine, &[BatchTally])>,
) -> Result<(Row, Vec<BatchTally>), EngineErrorFailure> {
    engine.load(Arc::clone(data))?;
    let mut row = Row {
        choice,
        info: Some(engine.device()),
        sha256: String::new(),
        histories: [0; 2],
        seconds: [0.0; 2],
        difference: None,
        error: None,
    };
    let mut tallies = Vec::new();
    for (n, (batch, job)) in jobs.iter().enumerate() {
        if *batch == 0 {
            // compiles what must be compiled
            engine.run(&job.part(0, job.params.histories.min(64)))?;
        }
        let clock = Moment::now();
        let tally = engine.run(job)?;
        row.seconds[job.pass as usize] += clock.seconds();
        row.histories[job.pass as usize] += tally.histories;
        let flags = audit(&tally, u64::from(job.histories()));
        match &mut reference {
            Some((other, known)) => {
                let difference = match row.difference {
                    None => first_difference(*other, engine, job, [&known[n], &tally])?,
                    Some(_) => None,
                };
                row.difference = row.difference.take().or(difference.map(|d| (job.pass, *batch, d)));
            }
            None if flags != 0 => return Err(EngineErrorFailure::Flags(flag_names(flags))),
            None => {}
        }
        tallies.push(tally);
    }
    row.sha256 = hash(jobs, &tallies, data.bins);
    Ok((row, tallies))
}

/// Why a device has no result.
#[derive(Debug, thiserror::Error)]
enum EngineErrorFailure {
    Engine(#[from] EngineError),
    Flags(String),
}

explained!(EngineErrorFailure);

impl Explained for EngineErrorFailure {
    fn fault(&self) -> Fault {
        match self {
            Self::Engine(error) => error.fault(),
            Self::Flags(flags) => Fault::of(FaultKind::Program)
                .found(flags)
                .form("the CPU raised {found}: the result is not to be trusted"),
        }
    }
}

impl From<EngineErrorFailure> for Failure {
    fn from(error: EngineErrorFailure) -> Self {
        Self::Run(RunFault::of(&error))
    }
}

/// The hash that `run.json` would hold for these batches.
fn hash(jobs: &[(u32, Job)], tallies: &[BatchTally], bins: usize) -> String {
    let mut hasher = Sha256::new();
    for pass in [Pass::Electron, Pass::Photon] {
        let mut moments = Moments::new(bins);
        for (_, tally) in jobs.iter().zip(tallies).filter(|((_, job), _)| job.pass == pass) {
            // a sum past 2^64 would be flagged by the audit of any real run
            let _ = moments.add_batch(&tally.energy);
        }
        hasher.update(moments.batches.to_le_bytes());
        moments.sum.iter().for_each(|x| hasher.update(x.to_le_bytes()));
        moments.squares.iter().for_each(|x| hasher.update(x.to_le_bytes()));
    }
    crate::digest::finished(hasher)
}

/// A device against the reference; a failed device gets a row too.
fn compare(
    choice: DeviceChoice,
    data: &Arc<SceneData>,
    jobs: &[(u32, Job)],
    reference: &mut dyn Engine,
    tallies: &[BatchTally],
) -> Row {
    let mut info = None;
    let attempt = engine(choice).map_err(EngineErrorFailure::from).and_then(|mut engine| {
        info = Some(engine.device());
        measure(engine.as_mut(), choice, data, jobs, Some((reference, tallies)))
    });
    match attempt {
        Ok((row, _)) => row,
        Err(error) => Row {
            choice,
            info,
            sha256: String::new(),
            histories: [0; 2],
            seconds: [0.0; 2],
            difference: None,
            error: Some(error.fault().sentence()),
        },
    }
}

fn pass_name(pass: Pass) -> &'static str {
    match pass {
        Pass::Electron => "electron",
        Pass::Photon => "photon",
    }
}

fn rate(row: &Row, pass: Pass) -> f64 {
    row.histories[pass as usize] as f64 / row.seconds[pass as usize].max(1e-9)
}

fn table(rows: &[Row], case: &Case) -> Words {
    let mut text = Words::default();
    let wide = rows.iter().map(|row| label(row.choice).len()).max().unwrap_or(0).max(7);
    let mut line = |row: Words| text = words!(std::mem::take(&mut text), row, "\n");
    line(words!(format!(
        "{:<wide$} {:<16} {:>11} {:>11} {:>12} {:>12}  difference",
        "device", "tally hash", "electrons", "photons", "electrons/s", "photons/s"
    )));
    for (n, row) in rows.iter().enumerate() {
        let verdict = match (&row.error, &row.difference) {
            (Some(error), _) => words!("FAILED: ", error),
            (_, Some((pass, batch, d))) => difference_words(*pass, *batch, d, case).into(),
            _ if n == 0 => "the reference".into(),
            _ => "none".into(),
        };
        let figures = format!(
            "{:<wide$} {:<16} {:>11} {:>11} {:>12.0} {:>12.0}  ",
            label(row.choice),
            row.sha256.get(..16).unwrap_or("-"),
            row.histories[0],
            row.histories[1],
            rate(row, Pass::Electron),
            rate(row, Pass::Photon),
        );
        line(words!(figures, verdict));
    }
    line(Words::default());
    for row in rows {
        let words = row.info.as_ref().map_or("not there".to_owned(), |i| {
            format!("{}, {}, driver {}", i.name, i.backend, if i.driver.is_empty() { "unknown" } else { &i.driver })
        });
        line(words!(format!("{:<wide$} {words}", label(row.choice))));
    }
    text
}

fn difference_words(pass: Pass, batch: u32, d: &Difference, case: &Case) -> String {
    let place = match d.bin {
        Some(bin) => {
            let [i, j, k] = case.decays.grid.voxel(bin);
            format!("voxel ({i}, {j}, {k}) has {} for {}", d.second, d.first)
        }
        None => "account, flags or number of histories".to_owned(),
    };
    match d.history {
        Some(history) => format!("DIFFERS from {}:{batch}:{history}: {place}", pass_name(pass)),
        None => format!("DOES NOT REPEAT ITSELF in batch {batch} of the {} pass: {place}", pass_name(pass)),
    }
}

fn record(rows: &[Row], case: &Case, request: &ParityRequest, identity: &[(String, String)]) -> Value {
    let devices: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "device": label(row.choice),
                "info": row.info,
                "tally_sha256": row.sha256,
                "electron_histories": row.histories[0],
                "photon_histories": row.histories[1],
                "electron_histories_per_s": rate(row, Pass::Electron),
                "photon_histories_per_s": rate(row, Pass::Photon),
                "agrees": row.agrees(),
                "error": row.error,
                "difference": row.difference.as_ref().map(|(pass, batch, d)| json!({
                    "pass": pass,
                    "batch": batch,
                    "history": d.history,
                    "trace": d.history.map(|h| format!("{}:{batch}:{h}", pass_name(*pass))),
                    "voxel": d.bin.map(|bin| case.decays.grid.voxel(bin)),
                    "expected_entries": d.first,
                    "found_entries": d.second,
                    "account_differs": d.account,
                })),
            })
        })
        .collect();
    let scene = match &request.scene {
        ParityScene::Demo => json!("demo"),
        ParityScene::Files(ct, decays) => json!([ct.path(), decays.path()]),
    };
    json!({
        "schema": 1,
        "program": program(),
        "platform": platform(),
        "scene": scene,
        "dims": case.decays.grid.dims,
        "run": identity.iter().map(|(n, v)| (n.clone(), json!(v))).collect::<serde_json::Map<_, _>>(),
        "agree": rows.iter().all(Row::agrees),
        "devices": devices,
    })
}

/// One history of every device beside the CPU's.
fn trace(data: &Arc<SceneData>, job: &Job, choice: TraceChoice, devices: &[DeviceChoice]) -> Result<Found, Failure> {
    if choice.history >= job.params.histories {
        return Err(Failure::User(UserError::invalid(
            Setting::Trace,
            "",
            format!("history {}", choice.history),
            format!("below {}", job.params.histories),
            words!(
                "Give the same ",
                Setting::Scene,
                ", ",
                Setting::Histories,
                " and ",
                Setting::Seed,
                " as in the comparison."
            ),
        )));
    }
    let cpu = follow(data, job, choice.history, MOST_STEPS);
    let (steps, events): (Vec<Step>, Vec<Vec<Event>>) = cpu.into_iter().unzip();
    let mut text = format!("{}:{}:{} on the CPU\n", pass_name(choice.pass), choice.batch, choice.history);
    for (n, (step, events)) in steps.iter().zip(&events).enumerate() {
        let words: Vec<String> = events.iter().map(Event::to_string).collect();
        let _infallible = writeln!(text, "{:>5}  {}  {}", n + 1, state(step), words.join(", "));
    }
    let mut off = 0;
    let mut told = Vec::new();
    for device in devices {
        let DeviceChoice::Gpu(number, options) = device else { continue };
        let (name, found) = followed(data, job, choice.history, (*number, *options))?;
        let (lines, differences) = beside(&steps, &found);
        let _infallible = write!(text, "\n{} {name}\n{lines}", label(*device));
        told.push(json!({
            "device": label(*device), "name": name, "steps": found.iter().map(state).collect::<Vec<_>>(),
            "differing_steps": differences,
        }));
        off += usize::from(differences > 0);
    }
    let record = json!({
        "history": format!("{}:{}:{}", pass_name(choice.pass), choice.batch, choice.history),
        "cpu_steps": steps.iter().map(state).collect::<Vec<_>>(),
        "devices": told,
    });
    Ok(Found { record, text: text.into(), fault: (off > 0).then(|| format!("{off} devices part from the CPU")) })
}

/// Name of an adapter and one history on it, step by step.
fn followed(
    data: &Arc<SceneData>,
    job: &Job,
    history: u32,
    (number, options): (usize, GpuOptions),
) -> Result<(String, Vec<Step>), Failure> {
    let mut gpu = GpuEngine::new(Some(number), options)?;
    gpu.load(Arc::clone(data))?;
    let found = gpu.follow(job, history, MOST_STEPS)?;
    Ok((Engine::device(&gpu).name, found))
}

fn state(step: &Step) -> String {
    let [i, j, k] = step.voxel();
    let left: i64 = step.bins.iter().map(|(_, x)| x).sum();
    let alive = if step.alive() { "" } else { " end" };
    format!("({i}, {j}, {k}) {:.5} keV, {left:+} tallied{alive}", step.energy_kev())
}

/// A device's steps, each with its differences from the reference, and how many differ.
fn beside(reference: &[Step], found: &[Step]) -> (String, usize) {
    let mut text = String::new();
    let mut differences = 0;
    let nothing = Step { ledger: Ledger::default(), ..Step::default() };
    for n in 0..reference.len().max(found.len()) {
        let (a, b) = (reference.get(n).unwrap_or(&nothing), found.get(n).unwrap_or(&nothing));
        let names = a.differences(b);
        let verdict = if names.is_empty() { "=".to_owned() } else { format!("DIFFERS in {}", names.join(", ")) };
        differences += usize::from(!names.is_empty());
        let _infallible = writeln!(text, "{:>5}  {}  {verdict}", n + 1, state(b));
    }
    (text, differences)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alarm_a_step_that_parts_is_named() {
        let step = Step { particle: [1; 15], bins: vec![(3, 7)], ..Step::default() };
        let one = std::slice::from_ref(&step);
        assert_eq!(beside(one, one).1, 0);
        let mut other = step.clone();
        other.particle[4] ^= 1;
        other.bins[0].1 += 1;
        let (text, differences) = beside(one, &[other]);
        assert_eq!(differences, 1);
        assert!(text.contains("DIFFERS in x, tally"), "{text}");
        assert_eq!(beside(&[step.clone(), step.clone()], one).1, 1, "a step that is missing");
    }
}
