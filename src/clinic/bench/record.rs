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
    pub schema: u32,
    pub program: String,
    pub platform: String,
    pub command: Vec<String>,
    pub started_utc: String,
    /// `case` or `scaling`.
    pub mode: &'static str,
    pub scene: SceneFigures,
    pub inputs: Vec<InputFile>,
    pub settings: BTreeMap<String, Value>,
    pub seed: u64,
    pub device: DeviceFigures,
    /// What is evaluated; `None` with `--scaling`.
    pub target: Option<Target>,
    pub warm_up_seconds: f64,
    pub runs: Vec<Run>,
    /// Place in `runs`, counted from 0.
    pub median_run: Option<usize>,
    /// The same histories on growing grids.
    pub grids: Vec<GridFigures>,
    /// Growing numbers of histories on one grid.
    pub histories: Vec<HistoryFigures>,
    #[serde(flatten, serialize_with = "in_record")]
    pub warnings: Vec<Note>,
}

/// The scene.
#[derive(Clone, Debug, Serialize)]
pub struct SceneFigures {
    pub name: String,
    pub dims: [usize; 3],
    pub spacing_mm: [f64; 3],
    pub voxels: usize,
    pub source_voxels: usize,
    pub decays: f64,
}

/// What ran the histories.
#[derive(Clone, Debug, Serialize)]
pub struct DeviceFigures {
    pub engine: String,
    pub name: String,
    pub backend: String,
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
    pub threads: usize,
    pub lanes: usize,
}

/// The evaluated voxels.
#[derive(Clone, Debug, Serialize)]
pub struct Target {
    pub what: String,
    pub labels: Vec<u16>,
    /// Share of the highest dose above which voxels are evaluated; 0 for all.
    pub above_share: f64,
    pub voxels: usize,
}

/// Precision of a set of voxels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Precision {
    /// Mean of the squared relative standard errors; `None` if a voxel was never reached.
    pub mean_sigma_rel_squared: Option<f64>,
    pub median_sigma_rel: Option<f64>,
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
    pub parts: Parts,
    pub passes: [PassFigures; 2],
    /// Decays with all their emissions, transported without variance reduction at these rates, 1/s.
    pub decays_per_s: Option<f64>,
    pub precision: Option<Precision>,
    /// Per wall time of the whole run.
    pub efficiency_per_s: Option<f64>,
    /// Per CPU time of the whole run; `None` on a GPU.
    pub efficiency_per_core_s: Option<f64>,
    /// Per time in the kernel alone.
    pub efficiency_transport_per_s: Option<f64>,
    pub seconds_to_1_percent_median: Option<f64>,
    pub memory: Memory,
    pub tally_sha256: String,
}

/// Where the wall time went, s. The parts follow each other; with `rest_seconds` they add up to the run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Parts {
    /// Files to matter, decays and regions.
    pub reading_seconds: f64,
    /// Physics tables; beside them the hashes of activity and regions, and where histories are wanted.
    pub tables_seconds: f64,
    /// Hashes of scene and tables; beside them the energy that needs no sampling.
    pub identity_seconds: f64,
    /// Loading the scene into the engine.
    pub load_seconds: f64,
    /// Compiling the kernel.
    pub compile_seconds: f64,
    /// Histories expected by voxel, regions, the state that batches are added to.
    pub source_seconds: f64,
    /// Histories thrown away to find the size of a batch.
    pub pilot_seconds: f64,
    /// Histories by voxel, where they were not drawn while the batch before ran; electrons, photons.
    pub allocation_seconds: [f64; 2],
    /// The kernel; electrons, photons.
    pub kernel_seconds: [f64; 2],
    /// Bringing jobs to the device, waiting for it and for the next job; electrons, photons. Negative where the kernel ran
    /// on while the host did other things.
    pub dispatch_seconds: [f64; 2],
    /// The tally to the host; electrons, photons.
    pub read_back_seconds: [f64; 2],
    /// Sums and sums of squares; electrons, photons.
    pub sums_seconds: [f64; 2],
    /// Looks at the uncertainty reached.
    pub looks_seconds: f64,
    /// Maps, tables, pictures, report.
    pub files_seconds: f64,
    /// All else: making the engine, the tally hash, energies by voxel and region.
    pub rest_seconds: f64,
}

impl Parts {
    /// From the time to read, to compute and to write, and the whole, s.
    pub fn new(reading: f64, computing: f64, computed: &Computed, files: f64, whole: f64) -> Self {
        let spent: &Spent = &computed.spent;
        let rest = computing - spent.total_seconds() + (whole - reading - computing - files);
        Self {
            reading_seconds: reading,
            tables_seconds: spent.tables_seconds,
            identity_seconds: spent.identity_seconds,
            load_seconds: spent.load_seconds,
            compile_seconds: spent.compile_seconds,
            source_seconds: spent.source_seconds,
            pilot_seconds: spent.pilot_seconds,
            allocation_seconds: spent.allocation_seconds,
            kernel_seconds: spent.kernel_seconds,
            dispatch_seconds: spent.dispatch_seconds,
            read_back_seconds: spent.read_back_seconds,
            sums_seconds: spent.sums_seconds,
            looks_seconds: spent.looks_seconds,
            files_seconds: files,
            rest_seconds: rest,
        }
    }

    /// What comes before the first history, s.
    pub fn set_up_seconds(&self) -> f64 {
        self.reading_seconds
            + self.tables_seconds
            + self.identity_seconds
            + self.load_seconds
            + self.compile_seconds
            + self.source_seconds
    }

    /// Time in the passes in which no history was in the kernel, s: what the device waits for the host.
    pub fn device_idle_seconds(&self) -> f64 {
        let both = [&self.allocation_seconds, &self.dispatch_seconds, &self.read_back_seconds, &self.sums_seconds];
        both.into_iter().flatten().sum::<f64>() + self.looks_seconds
    }

    /// Both passes in the kernel, s.
    pub fn kernel_seconds(&self) -> f64 {
        self.kernel_seconds.iter().sum()
    }
}

/// One pass of a run.
#[derive(Clone, Debug, Serialize)]
pub struct PassFigures {
    pub pass: String,
    pub histories: u64,
    pub batches: u32,
    /// Wall time of the pass: kernel, sums and all between, s.
    pub seconds: f64,
    /// By the time in the kernel, 1/s.
    pub histories_per_s: Option<f64>,
    pub histories_per_core_s: Option<f64>,
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
    pub host_peak_bytes_per_voxel: Option<f64>,
    /// Input and output volumes, bytes: density, tissue, labels, decays, the CT if there is one; four maps.
    pub volumes_bytes: u64,
    pub host_peak_over_volumes: Option<f64>,
    /// Scene, tables, source, tally and threads on the device, bytes.
    pub device_bytes: u64,
    pub device_bytes_per_voxel: f64,
}

impl Memory {
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
    pub scene: SceneFigures,
    pub run: Run,
}

/// The run with this multiple of the histories.
#[derive(Clone, Debug, Serialize)]
pub struct HistoryFigures {
    pub factor: u64,
    pub run: Run,
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGMAS: [f64; 4] = [0.01, 0.02, 0.02, 0.01];

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
