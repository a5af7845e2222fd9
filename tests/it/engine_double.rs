//! f32 is enough: the same kernel compiled in f64, on the same random words, gives the same region means.

use crate::small;
use lutra::kernel::{NO_HOME, Sink};
use lutra::tally::ENTRY_KEV;
use lutra::transport::allocation::Expectation;
use lutra::transport::emission::Pass;
use lutra::transport::run::{job, local_energy, prepare};
use lutra::transport::{Job, SceneData, Scoring};
use std::collections::BTreeMap;

/// Energy by bin, and the account.
#[derive(Default)]
struct Sum {
    energy: Vec<i64>,
    emitted: u128,
    gone: u128,
    flags: u32,
}

impl Sum {
    fn leaves(&mut self, home: u32, units: u32, weight: u32) {
        if home != NO_HOME {
            self.energy[home as usize] -= worth(units, weight).cast_signed();
        }
    }

    fn new(bins: usize) -> Self {
        Self { energy: vec![0; bins], ..Self::default() }
    }
}

fn worth(units: u32, weight: u32) -> u64 {
    u64::from(units) * u64::from(weight)
}

impl Sink for Sum {
    fn emitted(&mut self, units: u32, weight: u32) {
        self.emitted += u128::from(worth(units, weight));
    }
    fn deposit(&mut self, index: u32, home: u32, units: u32, weight: u32) {
        self.energy[index as usize] += worth(units, weight).cast_signed();
        self.leaves(home, units, weight);
        self.gone += u128::from(worth(units, weight));
    }
    fn estimate(&mut self, index: u32, units: u32, weight: u32) {
        self.energy[index as usize] += worth(units, weight).cast_signed();
    }
    fn absorbed(&mut self, units: u32, weight: u32) {
        self.gone += u128::from(worth(units, weight));
    }
    fn escaped(&mut self, home: u32, units: u32, weight: u32) {
        self.leaves(home, units, weight);
        self.gone += u128::from(worth(units, weight));
    }
    fn radiated(&mut self, units: u32, weight: u32) {
        self.gone += u128::from(worth(units, weight));
    }
    fn flag(&mut self, bits: u32) {
        self.flags |= bits;
    }
}

/// The loop of transport/cpu.rs on one thread over histories `first..end`, for one build of the kernel.
macro_rules! driver {
    ($name:ident, $kernel:ident) => {
        fn $name(scene: &SceneData, job: &Job, first: u32, end: u32) -> Sum {
            use lutra::kernel::$kernel::context::Context;
            use lutra::kernel::$kernel::electron::{electron_birth, electron_step};
            use lutra::kernel::$kernel::photon::{photon_birth, photon_step};
            use lutra::kernel::$kernel::rng::rng_for;
            use lutra::kernel::$kernel::waiting::Stack;
            let emission = match job.pass {
                Pass::Electron => &scene.electron_emission,
                Pass::Photon => &scene.photon_emission,
            };
            let cx = Context {
                params: bytemuck::cast(job.params),
                voxels: &scene.voxels,
                electron_table: &scene.electron_table,
                photon_table: &scene.photon_table,
                scatter_table: &scene.scatter_table,
                emission_table: &emission.words,
                source_table: &job.source_table,
            };
            let mut sum = Sum::new(scene.bins);
            let mut stack = Stack::default();
            for h in first..end {
                let mut particle = match job.pass {
                    Pass::Electron => electron_birth(&cx, h, &mut sum),
                    Pass::Photon => photon_birth(&cx, h, &mut sum),
                };
                let mut rng = rng_for(h, cx.params.batch, cx.params.seed_low, cx.params.seed_high);
                while particle.alive == 1 {
                    match job.pass {
                        Pass::Electron => electron_step(&cx, &mut rng, &mut particle, &mut stack, &mut sum),
                        Pass::Photon => photon_step(&cx, &mut rng, &mut particle, &mut sum),
                    }
                }
            }
            assert_eq!(sum.emitted, sum.gone, "the account balances");
            assert_eq!(sum.flags, 0);
            sum
        }
    };
}

driver!(in_single, single);
driver!(in_double, double);

/// Histories that both builds follow at a time: the unit of the statistics.
const CHUNKS: u32 = 32;
/// Regions: hot block, bone, the rest.
const REGIONS: [&str; 3] = ["hot block", "bone", "rest"];

/// Relative difference of the regions' means and its standard error over chunks, for one pass.
fn differences(pass: Pass, histories: f64, spoil: f64) -> BTreeMap<&'static str, (f64, f64)> {
    let scene = small::scene();
    let data = prepare(&scene, &small::nuclide(), &small::plan(&scene, 1, 21)).expect("a sound scene");
    let expectation = Expectation::new(&small::decays(&scene), histories);
    let job = job(&data, pass, &expectation, 0, 21);
    let region = |v: usize| match scene.grid.voxel(v) {
        [_, 6, _] => 1,
        [3..=6, 2..=5, 2..=5] => 0,
        _ => 2,
    };
    // what needs no sampling, in tally entries, is part of the mean
    let mut unsampled = [0.0; 3];
    if pass == Pass::Electron {
        let kev_per_entry = ENTRY_KEV * expectation.decays_per_history * data.electron_emission.yield_per_decay;
        let local = local_energy(&data, &small::decays(&scene), Scoring::Voxels);
        local.iter().enumerate().for_each(|(v, x)| unsampled[region(v)] += x / kev_per_entry);
    }
    let means = |sum: &Sum| {
        let mut means = unsampled.map(|x| x / f64::from(CHUNKS));
        sum.energy.iter().enumerate().for_each(|(v, &x)| means[region(v)] += x as f64);
        means
    };
    let n = job.params.histories;
    let edge = |c: u32| (u64::from(n) * u64::from(c) / u64::from(CHUNKS)) as u32;
    let pair = |c: u32| {
        let (a, b) = (in_single(&data, &job, edge(c), edge(c + 1)), in_double(&data, &job, edge(c), edge(c + 1)));
        (means(&a), means(&b).map(|x| x * (1.0 + spoil)))
    };
    let half = CHUNKS / 2;
    let chunks: Vec<([f64; 3], [f64; 3])> = std::thread::scope(|s| {
        let first = s.spawn(|| (0..half).map(pair).collect::<Vec<_>>());
        let mut rest: Vec<_> = (half..CHUNKS).map(pair).collect();
        rest.extend(first.join().expect("no panic"));
        rest
    });
    REGIONS
        .iter()
        .enumerate()
        .map(|(r, &name)| {
            let total: f64 = chunks.iter().map(|(a, _)| a[r]).sum();
            let each: Vec<f64> = chunks.iter().map(|(a, b)| (a[r] - b[r]) / total * f64::from(CHUNKS)).collect();
            let mean = each.iter().sum::<f64>() / f64::from(CHUNKS);
            let spread: f64 = each.iter().map(|x| (x - mean).powi(2)).sum();
            (name, (mean, (spread / f64::from(CHUNKS * (CHUNKS - 1))).sqrt()))
        })
        .collect()
}

/// Within 0.02 %, or within four standard errors of the difference where these are larger; these must be small enough
/// that 0.1 % would show.
fn agree(found: &BTreeMap<&'static str, (f64, f64)>) -> Result<(), String> {
    println!("{found:?}");
    for (name, (mean, error)) in found {
        if mean.abs() > (4.0 * error).max(2e-4) || *error > 2.5e-4 {
            return Err(format!("{name}: {mean:e} +- {error:e}"));
        }
    }
    Ok(())
}

#[test]
fn engine_double_precision_changes_nothing() {
    agree(&differences(Pass::Electron, 400_000.0, 0.0)).expect("electrons");
    agree(&differences(Pass::Photon, 400_000.0, 0.0)).expect("photons");
}

/// A tenth of a per cent shows, with the histories of the comparison, and not for lack of them.
#[test]
fn alarm_a_thousandth_off_is_seen() {
    let found = differences(Pass::Electron, 400_000.0, 1e-3);
    assert!(found.values().all(|(_, error)| *error <= 2.5e-4), "{found:?}");
    assert!(agree(&found).is_err());
}
