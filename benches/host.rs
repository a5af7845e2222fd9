//! What the host does around the kernel: tables of tissues, allocation, sums of batches, convolution.
//!
//! `cargo bench --bench host`, `cargo bench --bench host -- convolution`

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use lutra::budget::draws::draw;
use lutra::budget::{Cycle, Kind, Origin, Part, Patient, Region, Response, Source};
use lutra::decay::Nuclide;
use lutra::grid::VoxelGrid;
use lutra::materials::tissues::{Tissue, schneider_tissues};
use lutra::physics::tables::{PhysicsTables, TransportSettings};
use lutra::svalues::convolution::Convolver;
use lutra::tally::{BatchTally, EmptyBins, Ledger, Moments};
use lutra::transport::allocation::Expectation;
use lutra::transport::run::{RunPlan, Silent, Stop, simulate};
use lutra::transport::spent::EngineSpent;
use lutra::transport::{DeviceInfo, Engine, EngineError, Job, Scene, SceneData};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

/// Voxels of a clinical grid.
const VOXELS: usize = 1 << 20;

fn tables(c: &mut Criterion) {
    let all = schneider_tissues();
    let settings = TransportSettings::default();
    let mut group = c.benchmark_group("tables of tissues");
    for count in [1, 4, 24] {
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::from_parameter(count), |b| {
            b.iter(|| PhysicsTables::build(black_box(&all[..count]), &settings).expect("tables"));
        });
    }
    group.finish();
}

fn batches(c: &mut Criterion) {
    let decays: Vec<f64> = (0..VOXELS).map(|n| 1.0 + (n % 101) as f64).collect();
    let expectation = Expectation::new(&decays, 400_000.0);
    let energy: Vec<i64> = (0..VOXELS).map(|n| ((n * 7919) % 1_000_003) as i64 - 300_000).collect();
    let mut group = c.benchmark_group("2^20 voxels");
    group.throughput(Throughput::Elements(VOXELS as u64));
    group.bench_function("histories by voxel", |b| b.iter(|| expectation.batch(black_box(3), 1).histories));
    group.bench_function("a batch to the sums", |b| {
        let mut moments = Moments::new(VOXELS);
        b.iter(|| moments.add_batch(black_box(&energy)).expect("no overflow"));
    });
    group.finish();
}

/// An engine that returns at once: what is left of a run is the host's work.
struct Null {
    scene: Option<Arc<SceneData>>,
    spare: EmptyBins,
}

impl Engine for Null {
    fn device(&self) -> DeviceInfo {
        let none = String::new;
        DeviceInfo { engine: "null".into(), name: none(), backend: none(), driver: none() }
    }
    fn load(&mut self, scene: Arc<SceneData>) -> Result<(), EngineError> {
        self.scene = Some(scene);
        Ok(())
    }
    fn run(&mut self, job: &Job) -> Result<BatchTally, EngineError> {
        let mut energy = std::mem::take(&mut self.spare).into_bins();
        energy.resize(self.scene.as_ref().expect("a scene is loaded").bins, 0);
        // something in every voxel
        energy.iter_mut().enumerate().for_each(|(n, bin)| *bin = n as i64);
        Ok(BatchTally { energy, ledger: Ledger::default(), histories: u64::from(job.histories()), flags: 0 })
    }
    fn reuse(&mut self, bins: EmptyBins) {
        self.spare = bins;
    }
    fn spent(&self) -> EngineSpent {
        EngineSpent::default()
    }
}

/// A run of 40 batches of both passes on 1.4e6 voxels, a tenth of them with activity; without tables and files.
fn run_of_a_null_engine(c: &mut Criterion) {
    let grid = VoxelGrid::axis_aligned([112, 112, 112], [3.0; 3], [0.0; 3]);
    let voxels = grid.len();
    let decays: Vec<f64> = (0..voxels).map(|n| if n % 10 == 0 { 1e9 + (n % 101) as f64 } else { 0.0 }).collect();
    let water = vec![Tissue::built_in("water").expect("built in")];
    let scene = Scene::new(grid, vec![1.0; voxels], vec![0; voxels], water).expect("a sound scene");
    let plan = RunPlan { stop: Stop::Histories(40_000_000), batches: 40, ..RunPlan::default() };
    let nuclide = Nuclide::load("lu177").expect("built in");
    c.bench_function("a run of 40 batches with a null engine, 1.4e6 voxels", |b| {
        b.iter_custom(|times| {
            let mut seconds = 0.0;
            for _ in 0..times {
                let mut engine = Null { scene: None, spare: EmptyBins::default() };
                let done = simulate(&scene, &decays, &nuclide, &plan, &mut engine, &mut Silent).expect("runs");
                let spent = done.spent;
                seconds += spent.total_seconds() - spent.tables_seconds - spent.identity_seconds;
            }
            Duration::from_secs_f64(seconds)
        });
    });
}

/// A kernel as large as the map.
fn convolution(c: &mut Criterion) {
    let edge = 128_usize;
    let (dims, half) = ([edge; 3], [edge - 1; 3]);
    let values: Vec<f64> = (0..edge * edge * edge)
        .map(|n| {
            let [i, j, k] = [n % edge, n / edge % edge, n / (edge * edge)];
            let r2 = (i * i + j * j + k * k) as f64;
            if r2 == 0.0 { 140.0 } else { 0.1 / r2 }
        })
        .collect();
    let map: Vec<f64> = (0..values.len()).map(|n| ((n * 7919 + 13) % 101) as f64 * 1e9).collect();
    let mut group = c.benchmark_group("convolution of 128^3 voxels");
    group.throughput(Throughput::Elements(map.len() as u64));
    group.bench_function("kernel made ready", |b| b.iter(|| Convolver::new(black_box(&values), half, dims)));
    let convolver = Convolver::new(&values, half, dims);
    group.bench_function("laid over the map", |b| {
        b.iter(|| {
            let result = convolver.apply(black_box(&map));
            assert!(result[0].is_finite(), "a convolution of finite numbers is finite");
            result
        });
    });
    group.finish();
}

/// 10 000 draws of a patient with 20 regions, four cycles: everything that a budget knows, through the S matrix of each cycle.
fn draws(c: &mut Criterion) {
    let part = |source, kind, rel_sigma| Part::of_activity(source, kind, Origin::Stated, rel_sigma);
    let region = |n: usize| Region {
        name: format!("region {n}"),
        tia_mbq_h: 100.0 + n as f64,
        scans: 0,
        reintegrate: None,
        parts: vec![
            part(Source::Calibration, Kind::Clinic, 0.05),
            part(Source::PartialVolume, Kind::Patient, 0.04),
            Part::of_response(Source::Outline, Kind::Patient, Origin::Image, 0.05),
            part(Source::Fit, Kind::Cycle, 0.06),
            part(Source::Extrapolation, Kind::Cycle, 0.03),
            part(Source::Registration, Kind::Cycle, 0.02),
            Part::of_response(Source::Mass, Kind::Patient, Origin::Default, 0.01),
        ],
        g: 0.05,
    };
    let regions = 20;
    let row = |target: usize| (0..regions).map(|source| if source == target { 1e-3 } else { 1e-6 }).collect();
    let response =
        Response { gy_per_mbq_h: (0..regions).map(row).collect(), rel_sigma: vec![vec![0.01; regions]; regions] };
    for cycles in [1, 4] {
        let cycle = |_| Cycle { regions: (0..regions).map(region).collect(), response: response.clone() };
        let patient = Patient { cycles: (0..cycles).map(cycle).collect(), alpha_beta_gy: vec![2.6; regions] };
        c.bench_function(&format!("10000 draws of 20 regions, cycles: {cycles}"), |b| {
            b.iter(|| draw(black_box(&patient), 10_000, 1).expect("draws"));
        });
    }
}

criterion_group! {
    name = host;
    config = Criterion::default().measurement_time(Duration::from_secs(3)).warm_up_time(Duration::from_millis(500)).sample_size(10);
    targets = tables, batches, run_of_a_null_engine, convolution, draws
}
criterion_main!(host);
