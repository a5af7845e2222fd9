//! Benchmark: the cost of a run, and accuracy per time.
//!
//! A measured run is an ordinary dose from files: the same functions read, transport, sum and write, into a folder that
//! is removed afterwards. A first run of a few histories warms up caches, files and drivers and is not counted.

/// The record and the formulas behind its figures.
pub mod record;

/// The tables, in words.
pub mod words;

use super::case::{Case, Computed, ComputedPass, data_sets};
use super::failure::{AtPath, Failure, OrUserError, RunFault, UserError};
use super::invocation::Invocation;
use super::notes::{Listener, Unheard};
use super::output::{self, Written, nothing_further};
use super::request::{BenchRequest, BenchScene, EngineChoice, RunOptions, Stop};
use super::{demo, from_files, guard, room, transport};
use crate::clock::Moment;
use crate::cores::cores as machine_cores;
use crate::decay::Nuclide;
use crate::dose::AIR_LIMIT_G_CM3;
use crate::fault::Setting;
use crate::grid::{Volume, VoxelGrid};
use crate::io::atomic::AtomicOutputDir;
use crate::io::inputs::Inputs;
use crate::materials::tissues::Tissue;
use crate::note::Note;
use crate::report::run_record::{cpu_seconds, peak_memory_bytes, platform, program, reset_peak_memory, utc};
use crate::transport::cpu::Carrier;
use crate::transport::emission::{Emissions, Pass};
use record::{
    Bench, Cores, DeviceFigures, GridFigures, HistoryFigures, Memory, Parts, PassFigures, Precision, Run, SCHEMA,
    SceneFigures, Target, efficiency_per_s, seconds_to,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Name of the record.
pub const FILE: &str = "bench.json";
/// Words in region names that select the evaluated regions if the user names none.
const JUDGED_NAMES: [&str; 4] = ["kidney", "tumour", "tumor", "lesion"];
/// Share of the highest dose above which voxels are evaluated if there is no such region.
const JUDGED_SHARE: f64 = 0.01;
/// Voxel edge of the phantom of `--scaling`, mm.
const PHANTOM_EDGE_MM: f64 = 3.0;
/// Radius of its source, mm.
const SOURCE_RADIUS_MM: f64 = 30.0;
/// Decays in the source.
const SOURCE_DECAYS: f64 = 1e14;
/// Host memory of a run of the phantom, bytes per voxel: measured, rounded up.
const HOST_BYTES_A_VOXEL: u64 = 80;

/// The result of a measurement, and the folder of its record.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The figures.
    pub bench: Bench,
    /// Folder of `bench.json`.
    pub place: PathBuf,
}

/// Measures what `request` asks for and writes the record.
///
/// Errors: those of a dose; two runs whose integers differ.
pub fn run(request: &BenchRequest, invocation: &Invocation, hear: &mut dyn Listener) -> Result<Measured, Failure> {
    let folder = guard::folder(&request.out, request.force, &guard::of_bench(request), &[FILE])?;
    let mut bench = match &request.what {
        BenchScene::Scaling(grids) => scaling(request, grids, folder.path(), hear)?,
        BenchScene::Demo => {
            let mut make = |_: &mut dyn Listener| {
                let case = demo::phantom(request.run.settings())?;
                check_labels(Setting::TargetLabels, target_labels(&request.run), &case)?;
                Ok(case)
            };
            measured("demo", &mut make, request, Emissions::All, folder.path(), hear)?
        }
        BenchScene::Files(files) => {
            let mut make = |hear: &mut dyn Listener| Ok(from_files::case(files, hear)?);
            measured("files", &mut make, request, files.emissions, folder.path(), hear)?
        }
    };
    bench.started_utc = utc(invocation.moment);
    bench.command = invocation.command.clone();
    let text = serde_json::to_string_pretty(&bench)? + "\n";
    let path = folder.file(FILE);
    path.write(text).at(&path)?;
    Ok(Measured { bench, place: folder.commit().or_user_error()? })
}

fn target_labels(run: &RunOptions) -> &[u16] {
    match &run.stop {
        Stop::TargetSigma { labels, .. } => labels,
        _ => &[],
    }
}

fn check_labels(setting: Setting, wanted: &[u16], case: &Case) -> Result<(), UserError> {
    let present: BTreeSet<u16> = case.labels.iter().copied().filter(|&label| label > 0).collect();
    match wanted.iter().find(|label| !present.contains(label)) {
        None => Ok(()),
        Some(missing) => {
            let known: Vec<String> = present.iter().map(u16::to_string).collect();
            Err(UserError::invalid(
                setting,
                "",
                format!("{missing}, which no voxel has"),
                known.join(", "),
                "Name labels of the label map.",
            ))
        }
    }
}

/// Labels whose voxels are evaluated: those named, else the target labels, else kidneys and tumours by name.
fn judged(case: &Case, request: &BenchRequest) -> Result<Vec<u16>, UserError> {
    if !request.judge_labels.is_empty() {
        check_labels(Setting::JudgeLabels, &request.judge_labels, case)?;
        return Ok(request.judge_labels.clone());
    }
    let aimed_at = target_labels(&request.run);
    if !aimed_at.is_empty() {
        return Ok(aimed_at.to_vec());
    }
    let present: BTreeSet<u16> = case.labels.iter().copied().collect();
    let named = |name: &str| JUDGED_NAMES.iter().any(|word| name.to_lowercase().contains(word));
    Ok(case.names.iter().filter(|(l, name)| present.contains(l) && named(name)).map(|(l, _)| *l).collect())
}

/// Evaluated voxels, ascending, and their description: those of `labels` (all if empty) that are not air and above the
/// share `above` of the highest dose.
fn target(case: &Case, dose_gy: &[f32], labels: &[u16], above: Option<f64>) -> (Vec<usize>, Target) {
    let share = above.unwrap_or(if labels.is_empty() { JUDGED_SHARE } else { 0.0 });
    let least_gy = share * f64::from(dose_gy.iter().copied().fold(0.0, f32::max));
    let chosen = |n: usize| {
        (labels.is_empty() || labels.contains(&case.labels[n]))
            && f64::from(case.density_g_cm3[n]) >= AIR_LIMIT_G_CM3
            && (share == 0.0 || f64::from(dose_gy[n]) > least_gy)
    };
    let voxels: Vec<usize> = (0..dose_gy.len()).filter(|&n| chosen(n)).collect();
    let names: Vec<String> =
        labels.iter().map(|l| case.names.get(l).cloned().unwrap_or_else(|| l.to_string())).collect();
    let mut what = "voxels".to_owned();
    if !names.is_empty() {
        what.push_str(&format!(" of {}", names.join(", ")));
    }
    if share > 0.0 {
        what.push_str(&format!(" above {} % of the highest dose", 100.0 * share));
    }
    let target = Target { what, labels: labels.to_vec(), above_share: share, voxels: voxels.len() };
    (voxels, target)
}

/// A run as by `lutra dose`, with its timing.
struct Taken {
    case: Case,
    computed: Computed,
    written: Written,
    seconds: f64,
    cpu_seconds: Option<f64>,
    parts: Parts,
}

/// Makes a case.
type Make<'a> = dyn FnMut(&mut dyn Listener) -> Result<Case, Failure> + 'a;

/// Makes the case, transports it, writes its files into a folder below `place` and removes them.
fn take(
    make: &mut Make<'_>,
    run: &RunOptions,
    emissions: Emissions,
    place: &Path,
    hear: &mut dyn Listener,
) -> Result<Taken, Failure> {
    let (began, cpu_before) = (Moment::now(), cpu_seconds());
    let invocation = Invocation::now(Vec::new());
    let out = place.join("run");
    let folder = AtomicOutputDir::create(&out, false, &Inputs::none()).or_user_error()?;
    let mut case = make(hear)?;
    let read = began.seconds();
    let computed = transport::compute(&mut case, run, emissions, hear)?;
    let carried = began.seconds();
    let written = output::write(&case, &computed, folder, &invocation, run.seed, &[], &mut nothing_further, hear)?;
    let seconds = began.seconds();
    let cpu_seconds = cpu_before.and_then(|before| Some(cpu_seconds()? - before));
    std::fs::remove_dir_all(&out).at(&out)?;
    let parts = Parts::new(read, carried - read, &computed, seconds - carried, seconds);
    Ok(Taken { case, computed, written, seconds, cpu_seconds, parts })
}

/// CPU threads and lanes, if the CPU ran the histories.
fn cores(run: &RunOptions, computed: &Computed) -> Option<Cores> {
    (computed.device.engine == "cpu").then(|| Cores {
        threads: run.threads.unwrap_or_else(machine_cores),
        lanes: match run.engine {
            EngineChoice::Cpu(Some(carrier)) => carrier.lanes(),
            _ => Carrier::fastest().lanes(),
        },
    })
}

/// Relative standard error; infinite without energy, or if no history ever contributed: zero variance is then not
/// certainty.
fn relative(energy: f64, variance: f64) -> f64 {
    if energy > 0.0 && variance > 0.0 { variance.sqrt() / energy } else { f64::INFINITY }
}

fn pass_figures(
    pass: &ComputedPass,
    which: Pass,
    taken: &Taken,
    voxels: &[usize],
    cores: Option<Cores>,
) -> PassFigures {
    let spent = &taken.computed.spent;
    let kernel_seconds = spent.kernel_seconds[which as usize];
    let seconds = spent.pass_seconds(which);
    let sigmas = voxels.iter().map(|&n| relative(pass.energy_kev[n], pass.variance_kev2[n]));
    let precision = Precision::of(sigmas).filter(|_| pass.histories > 0);
    PassFigures::new(pass, precision, seconds, kernel_seconds, cores)
}

/// The figures of a run.
fn figures(taken: &Taken, voxels: &[usize], cores: Option<Cores>, peak: Option<u64>) -> Run {
    let computed = &taken.computed;
    let sigma = |n: &usize| {
        let (electron, photon) = (&computed.electron, &computed.photon);
        relative(electron.energy_kev[*n] + photon.energy_kev[*n], electron.variance_kev2[*n] + photon.variance_kev2[*n])
    };
    let precision = Precision::of(voxels.iter().map(sigma));
    let kernel_seconds: f64 = computed.spent.kernel_seconds.iter().sum();
    let cpu_seconds = taken.cpu_seconds.filter(|_| cores.is_some());
    let passes = [(&computed.electron, Pass::Electron), (&computed.photon, Pass::Photon)]
        .map(|(pass, which)| pass_figures(pass, which, taken, voxels, cores));
    let rates = passes.each_ref().map(|pass| pass.decays_per_s);
    Run {
        seconds: taken.seconds,
        cpu_seconds: taken.cpu_seconds,
        first_history_seconds: taken.parts.set_up_seconds(),
        parts: taken.parts,
        decays_per_s: match rates {
            [Some(electron), Some(photon)] => Some(1.0 / (1.0 / electron + 1.0 / photon)),
            [one, other] => one.or(other),
        },
        efficiency_per_s: precision.and_then(|p| efficiency_per_s(&p, taken.seconds)),
        efficiency_per_core_s: precision.zip(cpu_seconds).and_then(|(p, s)| efficiency_per_s(&p, s)),
        efficiency_transport_per_s: precision.and_then(|p| efficiency_per_s(&p, kernel_seconds)),
        seconds_to_1_percent_median: precision.and_then(|p| seconds_to(0.01, &p, taken.seconds, kernel_seconds)),
        precision,
        passes,
        memory: Memory::of(taken.case.decays.grid.len(), taken.case.hu.is_some(), computed.spent.device_bytes, peak),
        tally_sha256: computed.tally_sha256.clone(),
    }
}

/// Seconds of the parts on the host's clock, in words.
fn told(run: &Run) -> String {
    format!("{:.2} s, of which {:.2} s in the kernel", run.seconds, run.parts.kernel_seconds())
}

/// The options of the warm-up: the same run with few histories.
fn short(run: &RunOptions, histories: u64) -> RunOptions {
    RunOptions { stop: Stop::Histories(histories), ..run.clone() }
}

fn scene_figures(name: &str, case: &Case) -> SceneFigures {
    let grid = &case.decays.grid;
    SceneFigures {
        name: name.to_owned(),
        dims: grid.dims,
        spacing_mm: grid.spacing_mm,
        voxels: grid.len(),
        source_voxels: case.decays.data.iter().filter(|d| **d > 0.0).count(),
        decays: crate::source::sum(case.decays.data.iter().copied()),
    }
}

fn device_figures(taken: &Taken, cores: Option<Cores>) -> DeviceFigures {
    let device = &taken.computed.device;
    DeviceFigures {
        engine: device.engine.clone(),
        name: device.name.clone(),
        backend: device.backend.clone(),
        driver: device.driver.clone(),
        threads: cores.map(|c| c.threads),
        lanes: cores.map(|c| c.lanes),
        kernel_clock: taken.computed.spent.kernel_clock,
    }
}

/// A record without any figure.
fn empty(
    mode: &'static str,
    request: &BenchRequest,
    taken: &Taken,
    scene: SceneFigures,
    cores: Option<Cores>,
) -> Bench {
    Bench {
        schema: SCHEMA,
        program: program(),
        platform: platform(),
        command: Vec::new(),
        started_utc: String::new(),
        mode,
        scene,
        settings: taken
            .case
            .settings
            .iter()
            .chain(&taken.computed.settings)
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect(),
        inputs: taken.case.inputs.clone(),
        seed: request.run.seed,
        device: device_figures(taken, cores),
        target: None,
        warm_up_seconds: 0.0,
        runs: Vec::new(),
        median_run: None,
        grids: Vec::new(),
        histories: Vec::new(),
        warnings: Vec::new(),
    }
}

/// Warm-up, then the runs.
fn measured(
    name: &str,
    make: &mut Make<'_>,
    request: &BenchRequest,
    emissions: Emissions,
    place: &Path,
    hear: &mut dyn Listener,
) -> Result<Bench, Failure> {
    let warm = short(&request.run, request.warm_up);
    let began = Moment::now();
    let first = take(make, &warm, emissions, place, hear)?;
    let warm_up_seconds = began.seconds();
    hear.info("warm-up", format!("warm-up: {warm_up_seconds:.2} s"));
    let labels = judged(&first.case, request)?;
    drop(first);
    let mut bench: Option<Bench> = None;
    for n in 0..request.repeat {
        let fresh_peak = reset_peak_memory();
        let taken = take(make, &request.run, emissions, place, &mut Unheard)?;
        let peak = peak_memory_bytes().filter(|_| fresh_peak);
        let cores = cores(&request.run, &taken.computed);
        let (voxels, target) = target(&taken.case, &taken.written.dose.dose_gy, &labels, request.judge_above);
        let run = figures(&taken, &voxels, cores, peak);
        hear.info("bench-run", format!("run {} of {}: {}", n + 1, request.repeat, told(&run)));
        let bench =
            bench.get_or_insert_with(|| empty("case", request, &taken, scene_figures(name, &taken.case), cores));
        if let Some(other) = bench.runs.first().filter(|other| other.tally_sha256 != run.tally_sha256) {
            return Err(Failure::run(format!(
                "run {} has the tally hash {}, the first run {}: the same run must give the same integers; please \
                 report device and driver ({}, {})",
                n + 1,
                run.tally_sha256,
                other.tally_sha256,
                bench.device.name,
                bench.device.driver
            )));
        }
        if voxels.is_empty() {
            bench.warnings.push(Note::warning("nothing-judged", "no voxel is judged: there is no efficiency"));
        }
        bench.warnings.extend(taken.case.warnings.iter().chain(&taken.computed.warnings).cloned());
        bench.target = Some(target);
        bench.runs.push(run);
    }
    let mut bench = bench.ok_or_else(|| Failure::run("no run was asked for"))?;
    bench.warm_up_seconds = warm_up_seconds;
    bench.median_run = median(&bench.runs.iter().map(|run| run.seconds).collect::<Vec<_>>());
    once(&mut bench.warnings);
    Ok(bench)
}

/// Leaves the first of equal lines.
fn once(lines: &mut Vec<Note>) {
    let mut seen = BTreeSet::new();
    lines.retain(|line| seen.insert(line.to_string()));
}

/// Index of the median; the faster of the middle two for an even number.
fn median(values: &[f64]) -> Option<usize> {
    let mut places: Vec<usize> = (0..values.len()).collect();
    places.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    places.get(values.len().checked_sub(1)? / 2).copied()
}

/// Soft tissue throughout, and the same ball of activity in the middle of a grid of any size.
fn phantom(dims: [usize; 3], settings: BTreeMap<String, serde_json::Value>) -> Result<Case, Failure> {
    let grid = VoxelGrid::axis_aligned(dims, [PHANTOM_EDGE_MM; 3], [0.0; 3]);
    let tissue = Tissue::built_in("soft-tissue").map_err(|error| Failure::Run(RunFault::of(&error)))?;
    let nuclide = Nuclide::load("lu177").map_err(|error| Failure::Run(RunFault::of(&error)))?;
    let radius = SOURCE_RADIUS_MM / PHANTOM_EDGE_MM;
    let inside = |[i, j, k]: [usize; 3]| {
        // centred on a voxel corner: the ball holds the same voxels on every grid
        let from = |n: usize, size: usize| n as f64 + 0.5 - (size / 2) as f64;
        from(i, dims[0]).powi(2) + from(j, dims[1]).powi(2) + from(k, dims[2]).powi(2) <= radius * radius
    };
    let labels: Vec<u16> = (0..grid.len()).map(|n| u16::from(inside(grid.voxel(n)))).collect();
    let source = labels.iter().filter(|&&label| label == 1).count() as f64;
    let decays = labels.iter().map(|&label| f64::from(label) * SOURCE_DECAYS / source).collect();
    Ok(Case {
        density_g_cm3: vec![1.04; grid.len()],
        tissue: vec![0; grid.len()],
        tissues: vec![tissue],
        hu: None,
        labels,
        names: BTreeMap::from([(1, "source".to_owned())]),
        groups: Vec::new(),
        administered_mbq: None,
        image_times_h: Vec::new(),
        activity: crate::clinic::known::ActivityKnown::default(),
        decays_in_file: SOURCE_DECAYS,
        data_sets: data_sets(&nuclide, None),
        nuclide,
        orientation: grid.orientation(),
        form_code: 1,
        origin: None,
        dicom: None,
        inputs: Vec::new(),
        settings,
        warnings: Vec::new(),
        decays: Volume { grid, data: decays },
    })
}

/// The phantom on every grid with the same histories, then on the smallest with once, twice and four times as many.
fn scaling(
    request: &BenchRequest,
    grids: &[[usize; 3]],
    place: &Path,
    hear: &mut dyn Listener,
) -> Result<Bench, Failure> {
    let histories = match request.run.stop {
        Stop::Histories(histories) => histories,
        _ => transport::DEFAULT_HISTORIES,
    };
    let smallest = grids.iter().copied().min_by_key(|dims| dims.iter().product::<usize>()).unwrap_or([64; 3]);
    let one = |dims: [usize; 3], histories: u64| -> Result<(Taken, Option<u64>), Failure> {
        let run = short(&request.run, histories);
        let mut make = |_: &mut dyn Listener| phantom(dims, run.settings());
        let fresh_peak = reset_peak_memory();
        let taken = take(&mut make, &run, Emissions::All, place, &mut Unheard)?;
        Ok((taken, peak_memory_bytes().filter(|_| fresh_peak)))
    };
    let began = Moment::now();
    let (first, _) = one(smallest, request.warm_up)?;
    let warm_up_seconds = began.seconds();
    hear.info("warm-up", format!("warm-up: {warm_up_seconds:.2} s"));
    let device = cores(&request.run, &first.computed);
    let mut bench = empty("scaling", request, &first, scene_figures("phantom", &first.case), device);
    bench.warm_up_seconds = warm_up_seconds;
    drop(first);
    let mut taken = |dims: [usize; 3], histories: u64| -> Result<(SceneFigures, Run), Failure> {
        let (taken, peak) = one(dims, histories)?;
        let (voxels, _) = target(&taken.case, &taken.written.dose.dose_gy, &[1], None);
        let run = figures(&taken, &voxels, device, peak);
        let shape = dims.map(|n| n.to_string()).join(" x ");
        hear.info("bench-run", format!("{shape} voxels, {histories} electron histories: {}", told(&run)));
        Ok((scene_figures("phantom", &taken.case), run))
    };
    for &dims in grids {
        let needed = HOST_BYTES_A_VOXEL * dims.iter().product::<usize>() as u64;
        if let Some(free) = room::memory_bytes("MemAvailable:").filter(|&free| free < needed) {
            let text = format!(
                "left out, a run needs about {:.1} GB of memory and {:.1} GB are free",
                needed as f64 * 1e-9,
                free as f64 * 1e-9
            );
            let place = format!("{} x {} x {} voxels", dims[0], dims[1], dims[2]);
            bench.warnings.push(Note::warning("grid-too-large", text).at(place));
            continue;
        }
        let (scene, run) = taken(dims, histories)?;
        bench.grids.push(GridFigures { scene, run });
    }
    for factor in [1, 2, 4] {
        let (_, run) = taken(smallest, factor * histories)?;
        bench.histories.push(HistoryFigures { factor, run });
    }
    Ok(bench)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn law_median_run_is_the_middle_one() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2));
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), Some(3));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn law_the_phantom_has_one_source_on_every_grid() {
        let of = |dims| {
            let case = phantom(dims, BTreeMap::new()).expect("made");
            let scene = scene_figures("phantom", &case);
            (scene.source_voxels, scene.decays)
        };
        let (voxels, decays) = of([24, 24, 24]);
        assert!((4100..4300).contains(&voxels), "4/3 pi 10^3 voxels: {voxels}");
        assert!((decays / SOURCE_DECAYS - 1.0).abs() < 1e-12);
        assert_eq!(of([40, 30, 26]).0, voxels);
    }
}
