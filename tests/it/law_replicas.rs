//! The stated uncertainty is true: independent seeds scatter as each of them says.
//!
//! For every voxel above 1 % of the maximum and every seed, z = (energy - mean over the seeds) / stated standard error.
//! The mean of n seeds takes part of the deviation: z is divided by sqrt(1 - 1/n). The standard error comes from
//! b batches, so that z follows Student's law with b - 1 degrees of freedom, whose variance is (b - 1)/(b - 3): z is
//! divided by its root too, and should have mean 0 and standard deviation 1.

use crate::small;
use lutra::transport::cpu::CpuEngine;
use lutra::transport::run::{RunPlan, Silent, Simulation, Stop, simulate};

/// Energy and its stated variance of every place, for one seed.
type Replica = Vec<(f64, f64)>;

struct Scores {
    voxels: [f64; 2],
    regions: [f64; 2],
    counts: [usize; 2],
}

/// Mean and standard deviation of z over all places above 1 % of the largest, the stated standard errors multiplied by
/// `factor`; and the number of places.
fn scores(replicas: &[Replica], batches: f64, factor: f64) -> ([f64; 2], usize) {
    let n = replicas.len() as f64;
    let means: Vec<f64> = (0..replicas[0].len()).map(|v| replicas.iter().map(|r| r[v].0).sum::<f64>() / n).collect();
    let top = means.iter().copied().fold(0.0, f64::max);
    let scale = ((1.0 - 1.0 / n) * (batches - 1.0) / (batches - 3.0)).sqrt() * factor;
    let (mut sum, mut squares, mut count) = (0.0, 0.0, 0.0);
    for (v, &mean) in means.iter().enumerate().filter(|(_, m)| **m > 0.01 * top) {
        for replica in replicas {
            let z = (replica[v].0 - mean) / (replica[v].1.sqrt() * scale);
            assert!(z.is_finite(), "place {v}: {:?}", replica[v]);
            sum += z;
            squares += z * z;
            count += 1.0;
        }
    }
    let mean: f64 = sum / count;
    ([mean, (squares / count - mean * mean).sqrt()], (count / n) as usize)
}

fn replicas(seeds: u64, histories: u64, batches: u32) -> (Vec<Replica>, Vec<Replica>) {
    let scene = small::scene();
    let decays = small::decays(&scene);
    let nuclide = small::nuclide();
    let mut engine = CpuEngine::new(2);
    let mut one = |seed: u64| -> Simulation {
        let plan = RunPlan { stop: Stop::Histories(histories), batches, ..small::plan(&scene, 0, seed) };
        simulate(&scene, &decays, &nuclide, &plan, &mut engine, &mut Silent).expect("the run ends")
    };
    let (mut voxels, mut regions) = (Vec::new(), Vec::new());
    for seed in 0..seeds {
        let run = one(1000 + seed);
        let both = |e: (f64, f64), p: (f64, f64)| (e.0 + p.0, e.1 + p.1);
        let voxel = |v: usize| {
            let of = |pass: &lutra::transport::run::PassResult| (pass.energy_kev(v), pass.variance_kev2(v));
            both(of(&run.electron), of(&run.photon))
        };
        voxels.push((0..decays.len()).map(voxel).collect());
        let (electron, photon) = (run.electron.region_energy(), run.photon.region_energy());
        let region = |n: usize| {
            both(
                (electron[n].energy_kev, electron[n].variance_kev2),
                (photon[n].energy_kev, photon[n].variance_kev2),
            )
        };
        regions.push((0..electron.len()).map(region).collect());
    }
    (voxels, regions)
}

/// Whether the scores are those of true standard errors.
fn true_errors(s: &Scores) -> Result<(), String> {
    let [mean, sd] = s.voxels;
    let [region_mean, region_sd] = s.regions;
    let words = format!(
        "voxels ({}): mean {mean:+.4}, sd {sd:.4}; regions ({}): mean {region_mean:+.4}, sd {region_sd:.4}",
        s.counts[0], s.counts[1]
    );
    println!("{words}");
    let sound = mean.abs() <= 0.02 && (sd - 1.0).abs() <= 0.03 && region_mean.abs() <= 0.03;
    if sound && (region_sd - 1.0).abs() <= 0.05 { Ok(()) } else { Err(words) }
}

/// 50 seeds of low statistics; with LUTRA_REPLICAS=N, N seeds.
#[test]
fn law_replicas_scatter_as_stated_and_alarm_a_tenth_off_rings() {
    let seeds = std::env::var("LUTRA_REPLICAS").ok().and_then(|n| n.parse().ok()).unwrap_or(50);
    let (voxels, regions) = replicas(seeds, 60_000, 20);
    let with = |factor: f64| {
        let ((v, voxel_count), (r, region_count)) = (scores(&voxels, 20.0, factor), scores(&regions, 20.0, factor));
        true_errors(&Scores { voxels: v, regions: r, counts: [voxel_count, region_count] })
    };
    with(1.0).expect("true standard errors");
    assert!(with(1.1).is_err(), "a standard error that scares by 10 % goes unnoticed");
    assert!(with(0.9).is_err(), "a standard error that flatters by 10 % goes unnoticed");
}
