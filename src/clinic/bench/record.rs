//! The record of `lutra bench` and the formulas behind its figures.

use crate::clinic::case::{Computed, ComputedPass};
use crate::note::{Note, in_record};
use crate::report::run_record::InputFile;
use crate::transport::spent::{KernelClock, Spent};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Version of the record's layout; raised when a field changes meaning or goes.
pub const SCHEMA: u32 = 1;

/// `bench.json`.
#[derive(Clone, Debug, Serialize)]
pub struct Bench {
    /// Version of the record's layout: [`SCHEMA`].
    pub schema: u32,
    /// Name and version of the program.
    pub program: String,
    /// Operating system and processor architecture.
    pub platform: String,
    /// The command line, word by word.
    pub command: Vec<String>,
    /// When it began, UTC, ISO 8601.
    pub started_utc: String,
    /// `case` or `scaling`.
    pub mode: &'static str,
    /// What was transported in; on a series of grids the first.
    pub scene: SceneFigures,
    /// Files read; none for a made scene.
    pub inputs: Vec<InputFile>,
    /// Settings of the case and of the transport by name, defaults spelled out.
    pub settings: BTreeMap<String, Value>,
    /// Seed of every run.
    pub seed: u64,
    /// What ran the histories.
    pub device: DeviceFigures,
    /// What is evaluated; `None` with `--scaling`.
    pub target: Option<Target>,
    /// Wall time of the run before the measured ones, s; 0 without one.
    pub warm_up_seconds: f64,
    /// The measured runs, in order.
    pub runs: Vec<Run>,
    /// Place in `runs`, counted from 0.
    pub median_run: Option<usize>,
    /// The same histories on growing grids.
    pub grids: Vec<GridFigures>,
    /// Growing numbers of histories on one grid.
    pub histories: Vec<HistoryFigures>,
    /// What the reader should know.
    #[serde(flatten, serialize_with = "in_record")]
    pub warnings: Vec<Note>,
}

/// The scene.
#[derive(Clone, Debug, Serialize)]
pub struct SceneFigures {
    /// Name of the scene.
    pub name: String,
    /// Voxels along each axis.
    pub dims: [usize; 3],
    /// Voxel edges, mm.
    pub spacing_mm: [f64; 3],
    /// Number of voxels.
    pub voxels: usize,
    /// Number of voxels with decays.
    pub source_voxels: usize,
    /// Decays in the scene.
    pub decays: f64,
}

/// What ran the histories.
#[derive(Clone, Debug, Serialize)]
pub struct DeviceFigures {
    /// Engine: `cpu` or `gpu`.
    pub engine: String,
    /// Name of the processor or adapter.
    pub name: String,
    /// Interface to it.
    pub backend: String,
    /// Its driver; empty where there is none.
    pub driver: String,
    /// Threads of the CPU.
    pub threads: Option<usize>,
    /// Histories that a CPU thread runs at once.
    pub lanes: Option<usize>,
    /// Clock that timed the kernel.
    pub kernel_clock: KernelClock,
}

/// Threads and lanes of the CPU.
#[derive(Clone, Copy, Debug)]
pub struct Cores {
    /// Threads.
    pub threads: usize,
    /// Histories that a thread runs at once.
    pub lanes: usize,
}

/// The evaluated voxels.
#[derive(Clone, Debug, Serialize)]
pub struct Target {
    /// The voxels, in words.
    pub what: String,
    /// Labels of the regions evaluated; empty for all voxels.
    pub labels: Vec<u16>,
    /// Share of the highest dose above which voxels are evaluated; 0 for all.
    pub above_share: f64,
    /// Number of voxels.
    pub voxels: usize,
}

/// Precision of a set of voxels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Precision {
    /// Mean of the squared relative standard errors; `None` if a voxel was never reached.
    pub mean_sigma_rel_squared: Option<f64>,
    /// Median of the relative standard errors; `None` if half of the voxels were never reached.
    pub median_sigma_rel: Option<f64>,
    /// Their 95th percentile; `None` if it was never reached.
    pub p95_sigma_rel: Option<f64>,
    /// Relative standard error of the least certain voxel; `None` if one was never reached.
    pub max_sigma_rel: Option<f64>,
    /// Voxels that no history ever reached.
    pub unscored: usize,
}

impl Precision {
    /// From relative standard errors (infinite where nothing was scored); `None` without voxels.
    pub fn of(sigma_rel: impl Iterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = sigma_rel.collect();
        let finite = |value: f64| value.is_finite().then_some(value);
        let count = values.len() as f64;
        let mean = values.iter().map(|s| s * s).sum::<f64>() / count;
        let unscored = values.iter().filter(|s| s.is_infinite()).count();
        values.sort_unstable_by(f64::total_cmp);
        let quantile = |q: f64| finite(values[(q * (count - 1.0)).round() as usize]);
        (!values.is_empty()).then(|| Self {
            mean_sigma_rel_squared: finite(mean),
            median_sigma_rel: quantile(0.5),
            p95_sigma_rel: quantile(0.95),
            max_sigma_rel: quantile(1.0),
            unscored,
        })
    }
}

/// 1 / (mean squared relative standard error x seconds), 1/s: efficiency, independent of the number of histories.
/// `None` if a voxel was never reached.
pub fn efficiency_per_s(precision: &Precision, seconds: f64) -> Option<f64> {
    let product = precision.mean_sigma_rel_squared? * seconds;
    (product > 0.0).then(|| 1.0 / product)
}

/// Time to a median relative standard error `goal`, s: the time in the kernel goes with the inverse square of the
/// error, the rest does not depend on the number of histories.
pub fn seconds_to(goal: f64, precision: &Precision, seconds: f64, kernel_seconds: f64) -> Option<f64> {
    let ratio = precision.median_sigma_rel? / goal;
    Some(seconds - kernel_seconds + kernel_seconds * ratio * ratio)
}

/// One measured run.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// Wall time from the first file to the last, s.
    pub seconds: f64,
    /// CPU time of all threads, s.
    pub cpu_seconds: Option<f64>,
    /// Wall time before the first history, s.
    pub first_history_seconds: f64,
    /// Where the wall time went.
    pub parts: Parts,
    /// Electrons, photons.
    pub passes: [PassFigures; 2],
    /// Decays with all their emissions, transported without variance reduction at these rates, 1/s.
    pub decays_per_s: Option<f64>,
    /// Of the energy of both passes; `None` without voxels.
    pub precision: Option<Precision>,
    /// Per wall time of the whole run.
    pub efficiency_per_s: Option<f64>,
    /// Per CPU time of the whole run; `None` on a GPU.
    pub efficiency_per_core_s: Option<f64>,
    /// Per time in the kernel alone.
    pub efficiency_transport_per_s: Option<f64>,
    /// Time to a median relative standard error of 1 %, s: see [`seconds_to`].
    pub seconds_to_1_percent_median: Option<f64>,
    /// What it needed.
    pub memory: Memory,
    /// SHA-256 over the integer tallies.
    pub tally_sha256: String,
}

/// Where the wall time went, s. The parts follow each other; with `rest_seconds` they add up to the run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Parts {
    /// Files to matter, decays and regions.
    pub reading_seconds: f64,
    /// The transport: set-up, histories, sums.
    #[serde(flatten)]
    pub spent: Spent,
    /// Maps, tables, pictures, report.
    pub files_seconds: f64,
    /// All else: making the engine, the tally hash, energies by voxel and region.
    pub rest_seconds: f64,
}

impl Parts {
    /// From the time to read, to compute and to write, and the whole, s.
    pub fn new(reading: f64, computing: f64, computed: &Computed, files: f64, whole: f64) -> Self {
        let spent = computed.spent;
        let rest = computing - spent.total_seconds() + (whole - reading - computing - files);
        Self { reading_seconds: reading, spent, files_seconds: files, rest_seconds: rest }
    }

    /// What comes before the first history, s.
    pub fn set_up_seconds(&self) -> f64 {
        self.reading_seconds + self.spent.before_first_history_seconds()
    }

    /// Time in the passes in which no history was in the kernel, s: what the device waits for the host.
    pub fn device_idle_seconds(&self) -> f64 {
        let Spent { allocation_seconds, dispatch_seconds, read_back_seconds, sums_seconds, looks_seconds, .. } =
            &self.spent;
        let both = [allocation_seconds, dispatch_seconds, read_back_seconds, sums_seconds];
        both.into_iter().flatten().sum::<f64>() + looks_seconds
    }

    /// Both passes in the kernel, s.
    pub fn kernel_seconds(&self) -> f64 {
        self.spent.kernel_seconds.iter().sum()
    }
}

/// One pass of a run.
#[derive(Clone, Debug, Serialize)]
pub struct PassFigures {
    /// Name of the pass.
    pub pass: String,
    /// Number of histories.
    pub histories: u64,
    /// Number of batches.
    pub batches: u32,
    /// Wall time of the pass: kernel, sums and all between, s.
    pub seconds: f64,
    /// By the time in the kernel, 1/s.
    pub histories_per_s: Option<f64>,
    /// The same by threads, 1/s; `None` on a GPU.
    pub histories_per_core_s: Option<f64>,
    /// Particles of this pass per decay of the source.
    pub particles_per_decay: f64,
    /// Decays whose particles of this pass are transported per second, 1/s.
    pub decays_per_s: Option<f64>,
    /// Of the energy of this pass alone.
    pub precision: Option<Precision>,
    /// Of the energy of this pass alone, by its wall time, 1/s.
    pub efficiency_per_s: Option<f64>,
    /// The same by threads.
    pub efficiency_per_core_s: Option<f64>,
}

impl PassFigures {
    /// Of a pass that took `seconds`, of them `kernel_seconds` in the kernel; `cores` where the CPU ran it.
    pub fn new(
        pass: &ComputedPass,
        precision: Option<Precision>,
        seconds: f64,
        kernel_seconds: f64,
        cores: Option<Cores>,
    ) -> Self {
        let rate = (pass.histories > 0 && kernel_seconds > 0.0).then(|| pass.histories as f64 / kernel_seconds);
        let per_core = |value: Option<f64>| value.zip(cores).map(|(value, cores)| value / cores.threads as f64);
        let efficiency = precision.and_then(|p| efficiency_per_s(&p, seconds));
        Self {
            pass: pass.balance.pass.clone(),
            histories: pass.histories,
            batches: pass.batches,
            seconds,
            histories_per_s: rate,
            histories_per_core_s: per_core(rate),
            particles_per_decay: pass.particles_per_decay,
            decays_per_s: rate.filter(|_| pass.particles_per_decay > 0.0).map(|r| r / pass.particles_per_decay),
            precision,
            efficiency_per_s: efficiency,
            efficiency_per_core_s: per_core(efficiency),
        }
    }
}

/// Memory.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Memory {
    /// Most resident memory of the program during the run, bytes; `None` if the system does not tell.
    pub host_peak_bytes: Option<u64>,
    /// The same by voxels of the scene, bytes.
    pub host_peak_bytes_per_voxel: Option<f64>,
    /// Input and output volumes, bytes: density, tissue, labels, decays, the CT if there is one; four maps.
    pub volumes_bytes: u64,
    /// `host_peak_bytes` over `volumes_bytes`.
    pub host_peak_over_volumes: Option<f64>,
    /// Scene, tables, source, tally and threads on the device, bytes.
    pub device_bytes: u64,
    /// The same by voxels of the scene, bytes.
    pub device_bytes_per_voxel: f64,
}

impl Memory {
    /// Of a scene of `voxels`, with its CT or without; bytes on the device, and the host's peak where it is known.
    pub fn of(voxels: usize, with_ct: bool, device_bytes: u64, host_peak_bytes: Option<u64>) -> Self {
        let a_voxel: u64 = 4 + 1 + 2 + 8 + 4 * 4 + if with_ct { 4 } else { 0 };
        let volumes_bytes = a_voxel * voxels as u64;
        Self {
            host_peak_bytes,
            host_peak_bytes_per_voxel: host_peak_bytes.map(|bytes| bytes as f64 / voxels as f64),
            volumes_bytes,
            host_peak_over_volumes: host_peak_bytes.map(|bytes| bytes as f64 / volumes_bytes as f64),
            device_bytes,
            device_bytes_per_voxel: device_bytes as f64 / voxels as f64,
        }
    }
}

/// The run on one grid.
#[derive(Clone, Debug, Serialize)]
pub struct GridFigures {
    /// The grid and what is on it.
    pub scene: SceneFigures,
    /// Its run.
    pub run: Run,
}

/// The run with this multiple of the histories.
#[derive(Clone, Debug, Serialize)]
pub struct HistoryFigures {
    /// Histories over those of the first run, 1 or more.
    pub factor: u64,
    /// Its run.
    pub run: Run,
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGMAS: [f64; 4] = [0.01, 0.02, 0.02, 0.01];

    /// The record lists the times of the transport among the parts, and nothing that is no time.
    #[test]
    fn io_parts_are_one_list_of_times() {
        let spent = Spent { device_bytes: 7, ..Spent::default() };
        let parts = Parts { reading_seconds: 1.0, spent, files_seconds: 2.0, rest_seconds: 3.0 };
        let text = serde_json::to_string(&parts).expect("plain numbers");
        let keys: Vec<&str> = text.split('"').skip(1).step_by(2).collect();
        let wanted = "reading tables identity load compile source pilot allocation kernel dispatch read_back sums looks files rest";
        let wanted: Vec<String> = wanted.split(' ').map(|part| format!("{part}_seconds")).collect();
        assert_eq!(keys, wanted, "{text}");
    }

    /// By hand: the mean square is (1 + 4 + 4 + 1)/4 x 1e-4 = 2.5e-4; over 8 s that is 500 /s.
    #[test]
    fn law_efficiency_of_a_case_by_hand() {
        let precision = Precision::of(SIGMAS.into_iter()).expect("voxels");
        assert!((precision.mean_sigma_rel_squared.expect("finite") - 2.5e-4).abs() < 1e-18);
        assert!((efficiency_per_s(&precision, 8.0).expect("finite") - 500.0).abs() < 1e-9);
        assert_eq!((precision.median_sigma_rel, precision.p95_sigma_rel), (Some(0.02), Some(0.02)));
        assert_eq!(precision.max_sigma_rel, Some(0.02));
        // 2 s of 8 s in the kernel: four times as long for half the error, 6 s as before
        assert!((seconds_to(0.01, &precision, 8.0, 2.0).expect("finite") - 14.0).abs() < 1e-12);
        assert_eq!(Precision::of(std::iter::empty()), None);
    }

    /// An error twice as large is a quarter of the efficiency; a figure proportional to the error itself would fail the
    /// test.
    #[test]
    fn alarm_sigma_doubled_is_a_quarter_of_the_efficiency() {
        let of = |factor: f64| {
            let precision = Precision::of(SIGMAS.into_iter().map(|s| factor * s)).expect("voxels");
            efficiency_per_s(&precision, 8.0).expect("finite")
        };
        assert!((of(1.0) / of(2.0) - 4.0).abs() < 1e-12);
    }

    /// A voxel that no history reached must not make a run look better.
    #[test]
    fn alarm_an_unscored_voxel_leaves_no_efficiency() {
        let precision = Precision::of([0.01, f64::INFINITY].into_iter()).expect("voxels");
        assert_eq!(precision.unscored, 1);
        assert_eq!(efficiency_per_s(&precision, 1.0), None);
        assert_eq!(precision.mean_sigma_rel_squared, None);
    }

    #[test]
    fn law_memory_is_counted_by_voxel() {
        let memory = Memory::of(1000, true, 24_000, Some(105_000));
        assert_eq!(memory.volumes_bytes, 35_000);
        assert_eq!(memory.host_peak_over_volumes, Some(3.0));
        assert!((memory.device_bytes_per_voxel - 24.0).abs() < 1e-12);
        assert_eq!(Memory::of(1000, false, 0, None).host_peak_bytes_per_voxel, None);
    }
}
