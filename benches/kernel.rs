//! What the pieces of a history cost on one thread: random words, elementary functions, look-ups, single laws, whole
//! histories, and lanes against one history at a time; and how many steps and tally entries a history makes.
//!
//! `cargo bench --bench kernel`, `cargo bench --bench kernel -- compton`

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use lutra::kernel::single::compton::compton;
use lutra::kernel::single::context::Context;
use lutra::kernel::single::elastic::scatter;
use lutra::kernel::single::electron::{electron_birth, electron_step};
use lutra::kernel::single::math::{exp_of, ln, one_minus_exp, recip, root, sin_cos_turn};
use lutra::kernel::single::moller::knock_on_energy;
use lutra::kernel::single::navigate::Particle;
use lutra::kernel::single::photon::{photon_birth, photon_step};
use lutra::kernel::single::rayleigh::rayleigh;
use lutra::kernel::single::rng::{Rng, random, rng_for, rng_next};
use lutra::kernel::single::rows::electron_value;
use lutra::kernel::single::source::{birth, emission_of, source_row};
use lutra::kernel::single::straggling::soft_loss;
use lutra::kernel::single::tables::{
    COLUMN_KNOCK_ON, COLUMN_RANGE, COLUMN_STEP, COLUMN_STOPPING, COLUMN_TOTAL, COLUMN_VARIANCE, energy_bin,
    momentum_bin, photon_value, scatter_value,
};
use lutra::kernel::single::waiting::Stack;
use lutra::kernel::{NO_HOME, Sink};
use lutra::transport::allocation::Expectation;
use lutra::transport::cpu::{Carrier, electron_history, photon_history};
use lutra::transport::emission::Pass;
use lutra::transport::run::{RunPlan, job, prepare};
use lutra::transport::{Job, SceneData};
use lutra::{CpuEngine, Nuclide, Scene, Tissue, VoxelGrid};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

/// Numbers a measurement goes over: they stay in the first cache.
const MANY: usize = 1024;
/// Histories of a batch.
const HISTORIES: f64 = 40_000.0;

/// Forgets everything: the cost of the kernel without its tally.
struct Nowhere(u64);

impl Sink for Nowhere {
    fn emitted(&mut self, units: u32, _: u32) {
        self.0 += u64::from(units);
    }
    fn deposit(&mut self, index: u32, _: u32, units: u32, _: u32) {
        self.0 ^= u64::from(index) + u64::from(units);
    }
    fn estimate(&mut self, index: u32, units: u32, _: u32) {
        self.0 ^= u64::from(index) + u64::from(units);
    }
    fn absorbed(&mut self, units: u32, _: u32) {
        self.0 += u64::from(units);
    }
    fn escaped(&mut self, _: u32, units: u32, _: u32) {
        self.0 += u64::from(units);
    }
    fn radiated(&mut self, units: u32, _: u32) {
        self.0 += u64::from(units);
    }
    fn flag(&mut self, bits: u32) {
        assert_eq!(bits, 0, "the kernel raised a flag");
    }
}

/// Counts what a tally would have to do.
#[derive(Default)]
struct Counted {
    moved: u64,
    entries: u64,
    steps: u64,
}

impl Sink for Counted {
    fn emitted(&mut self, _: u32, _: u32) {}
    fn deposit(&mut self, index: u32, home: u32, units: u32, _: u32) {
        if units != 0 && index != home {
            self.entries += if home == NO_HOME { 1 } else { 2 };
        }
    }
    fn estimate(&mut self, _: u32, units: u32, _: u32) {
        self.entries += u64::from(units != 0);
    }
    fn absorbed(&mut self, _: u32, _: u32) {}
    fn escaped(&mut self, home: u32, _: u32, _: u32) {
        self.entries += u64::from(home != NO_HOME);
    }
    fn radiated(&mut self, _: u32, _: u32) {}
    fn flag(&mut self, bits: u32) {
        assert_eq!(bits, 0, "the kernel raised a flag");
    }
}

/// Prints steps and tally entries of a history: the same numbers on every machine.
#[allow(clippy::print_stdout, reason = "a count is no measurement: criterion has no place for it")]
fn counts(_: &mut Criterion) {
    let (data, jobs) = world();
    for job in &jobs {
        let cx = job.context(&data);
        let (mut out, mut stack) = (Counted::default(), Stack::default());
        for h in 0..job.histories() {
            let photons = job.pass == Pass::Photon;
            let mut p = if photons { photon_birth(&cx, h, &mut out) } else { electron_birth(&cx, h, &mut out) };
            let mut rng = rng_for(h, cx.params.batch, cx.params.seed_low, cx.params.seed_high);
            let mut made = 0;
            while p.alive == 1 {
                if photons {
                    photon_step(&cx, &mut rng, &mut p, &mut out);
                } else {
                    electron_step(&cx, &mut rng, &mut p, &mut stack, &mut out);
                }
                made += 1;
            }
            out.steps += made;
            out.moved += u64::from(made > 1);
        }
        let of = |n: u64| n as f64 / f64::from(job.histories());
        println!(
            "{:?}: {:.2} steps and {:.2} tally entries a history; {:.1} % make more than one step",
            job.pass,
            of(out.steps),
            of(out.entries),
            100.0 * of(out.moved)
        );
    }
}

/// 64^3 voxels of 3 mm in four tissues, all of them sources.
fn world() -> (Arc<SceneData>, [Job; 2]) {
    let grid = VoxelGrid::axis_aligned([64; 3], [3.0; 3], [0.0; 3]);
    let names = ["soft-tissue", "bone-cortical-icrp", "lung-icrp", "adipose-tissue-icrp"];
    let tissues = names.map(|name| Tissue::built_in(name).expect("built in")).to_vec();
    // blocks of 8 voxels, as regions of a patient are
    let tissue: Vec<u8> = (0..grid.len())
        .map(|n| {
            let [i, j, k] = grid.voxel(n);
            ((i / 8 + 3 * (j / 8) + 5 * (k / 8)) % 4) as u8
        })
        .collect();
    let density = tissue.iter().map(|&t| [1.04, 1.85, 0.26, 0.95][usize::from(t)]).collect();
    let decays: Vec<f64> = (0..grid.len()).map(|n| 1.0 + (n % 11) as f64).collect();
    let scene = Scene::new(grid, density, tissue, tissues).expect("a sound scene");
    let nuclide = Nuclide::load("lu177").expect("built in");
    let data = prepare(&scene, &nuclide, &RunPlan::default()).expect("tables");
    let expectation = Expectation::new(&decays, HISTORIES);
    let jobs = [Pass::Electron, Pass::Photon].map(|pass| job(&data, pass, &expectation, 0, 1));
    (Arc::new(data), jobs)
}

fn stream(n: u32) -> Rng {
    rng_for(n, 0, 1, 0)
}

/// Uniform numbers of one stream between two bounds.
fn numbers(low: f32, high: f32) -> Vec<f32> {
    let mut rng = stream(7);
    (0..MANY).map(|_| low + (high - low) * random(&mut rng)).collect()
}

fn random_words(c: &mut Criterion) {
    let mut group = c.benchmark_group("random");
    group.throughput(Throughput::Elements(MANY as u64));
    group.bench_function("stream of a history", |b| {
        b.iter(|| (0..MANY as u32).fold(0, |x, h| x ^ rng_for(black_box(h), 3, 1, 0).a));
    });
    group.bench_function("word", |b| {
        let mut rng = stream(1);
        b.iter(|| (0..MANY).fold(0, |x, _| x ^ rng_next(&mut rng)));
    });
    group.bench_function("uniform number", |b| {
        let mut rng = stream(1);
        b.iter(|| (0..MANY).fold(0.0, |x, _| x + random(&mut rng)));
    });
    group.finish();
}

fn functions(c: &mut Criterion) {
    let mut group = c.benchmark_group("function");
    group.throughput(Throughput::Elements(MANY as u64));
    let positive = numbers(1e-3, 20.0);
    let negative = numbers(-10.0, 0.0);
    let mut pair = |name: &str, values: &[f32], own: fn(f32) -> f32, std: fn(f32) -> f32| {
        for (whose, function) in [("lutra", own), ("std", std)] {
            group.bench_function(BenchmarkId::new(name, whose), |b| {
                b.iter(|| values.iter().fold(0.0, |x, &v| x + function(black_box(v))));
            });
        }
    };
    pair("ln", &positive, ln, f32::ln);
    pair("exp", &negative, exp_of, f32::exp);
    pair("1 - exp", &positive, one_minus_exp, |x| -(-x).exp_m1());
    pair("1/x", &positive, recip, |x| 1.0 / x);
    pair("root", &positive, root, f32::sqrt);
    pair(
        "sin and cos",
        &positive,
        |x| {
            let both = sin_cos_turn((x * 2e8) as u32);
            both.sin + both.cos
        },
        |x| {
            let (sin, cos) = x.sin_cos();
            sin + cos
        },
    );
    group.finish();
}

fn look_ups(c: &mut Criterion) {
    let (data, jobs) = world();
    let cx = jobs[0].context(&data);
    let photons = jobs[1].context(&data);
    let energies = numbers(2.0, 480.0);
    let momenta = numbers(0.01, 20.0);
    let mut group = c.benchmark_group("look-up");
    group.throughput(Throughput::Elements(MANY as u64));
    group.bench_function("stopping power", |b| {
        b.iter(|| {
            energies.iter().fold(0.0, |x, &e| x + electron_value(&cx, 0, energy_bin(black_box(e)), COLUMN_STOPPING))
        });
    });
    group.bench_function("five columns of a row", |b| {
        let columns = [COLUMN_RANGE, COLUMN_STEP, COLUMN_KNOCK_ON, COLUMN_STOPPING, COLUMN_VARIANCE];
        b.iter(|| {
            energies.iter().fold(0.0, |x, &e| {
                let bin = energy_bin(black_box(e));
                x + columns.iter().map(|&column| electron_value(&cx, 0, bin, column)).sum::<f32>()
            })
        });
    });
    group.bench_function("attenuation", |b| {
        b.iter(|| {
            energies.iter().fold(0.0, |x, &e| x + photon_value(&photons, 0, energy_bin(black_box(e)), COLUMN_TOTAL))
        });
    });
    group.bench_function("scattering function", |b| {
        b.iter(|| momenta.iter().fold(0.0, |x, &q| x + scatter_value(&photons, 0, momentum_bin(black_box(q)), 0)));
    });
    group.bench_function("source row", |b| {
        b.iter(|| (0..MANY as u32).fold(0, |x, n| x ^ source_row(&cx, black_box(n * 37))));
    });
    group.bench_function("emission", |b| {
        b.iter(|| (0..MANY as u32).fold(0, |x, h| x ^ emission_of(&cx, black_box(h)).energy));
    });
    group.finish();
}

/// An electron of 150 keV born in the middle of things.
fn particle(cx: &Context<'_>) -> Particle {
    let mut p = birth(cx, 77, emission_of(cx, 77));
    p.energy = 150 * 32_000;
    p
}

fn laws(c: &mut Criterion) {
    let (data, jobs) = world();
    let cx = jobs[0].context(&data);
    let photons = jobs[1].context(&data);
    let mut out = Nowhere(0);
    let mut group = c.benchmark_group("law");
    group.bench_function("soft loss", |b| {
        let mut rng = stream(2);
        b.iter(|| soft_loss(&mut rng, black_box(8.0), black_box(3.0)));
    });
    group.bench_function("knock-on energy", |b| {
        let mut rng = stream(3);
        b.iter(|| knock_on_energy(&cx, &mut rng, black_box(200.0), &mut out));
    });
    group.bench_function("deflection of a step", |b| {
        let mut rng = stream(4);
        let mut p = particle(&cx);
        let bin = energy_bin(150.0);
        let step = electron_value(&cx, 0, bin, COLUMN_STEP);
        b.iter(|| scatter(&cx, &mut rng, &mut p, 0, bin, black_box(step), &mut out));
    });
    group.bench_function("compton", |b| {
        let mut rng = stream(5);
        b.iter(|| compton(&photons, &mut rng, 0, black_box(208.0), &mut out));
    });
    group.bench_function("rayleigh", |b| {
        let mut rng = stream(6);
        b.iter(|| rayleigh(&photons, &mut rng, 0, black_box(113.0), &mut out));
    });
    group.finish();
}

fn histories(c: &mut Criterion) {
    let (data, jobs) = world();
    let mut group = c.benchmark_group("history without a tally");
    group.throughput(Throughput::Elements(MANY as u64));
    group.bench_function("electron", |b| {
        let cx = jobs[0].context(&data);
        let mut stack = Stack::default();
        let mut out = Nowhere(0);
        b.iter(|| (0..MANY as u32).for_each(|h| electron_history(&cx, 31 * h, &mut stack, &mut out)));
    });
    group.bench_function("photon", |b| {
        let cx = jobs[1].context(&data);
        let mut out = Nowhere(0);
        b.iter(|| (0..MANY as u32).for_each(|h| photon_history(&cx, 31 * h, &mut out)));
    });
    group.finish();
}

fn lanes(c: &mut Criterion) {
    use lutra::transport::Engine;
    let (data, jobs) = world();
    for (job, name) in jobs.iter().zip(["electrons", "photons"]) {
        let mut group = c.benchmark_group(format!("batch of {name} on one thread"));
        group.throughput(Throughput::Elements(u64::from(job.histories())));
        for carrier in Carrier::available() {
            let mut engine = CpuEngine::with(1, carrier);
            engine.load(Arc::clone(&data)).expect("the scene fits");
            group.bench_function(carrier.word(), |b| b.iter(|| engine.run(job).expect("a batch").histories));
        }
        group.finish();
    }
}

criterion_group! {
    name = kernel;
    config = Criterion::default().measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_millis(500)).sample_size(20);
    targets = counts, random_words, functions, look_ups, laws, histories, lanes
}
criterion_main!(kernel);
