//! The stated uncertainty is true: independent seeds scatter as each of them says.
//!
//! For every voxel above 1 % of the maximum and every seed, z = (energy - mean over the seeds) / stated standard error.
//! The mean of n seeds takes part of the deviation: z is divided by sqrt(1 - 1/n). The standard error comes from
//! b batches of each pass, so that z follows Student's law with nu degrees of freedom, whose variance is nu/(nu - 2): z
//! is divided by its root too, and should have mean 0 and standard deviation 1. nu = b - 1 where one pass has all the
//! variance, up to twice that where both share it (Welch 1947, Biometrika 34:28).
//!
//! With few histories in a voxel the energy is skewed (a low sum goes with a low standard error), which shifts z by
//! minus half the skewness whatever the standard error; there the stated variance, averaged over the seeds, is compared
//! with the seeds' own, which skewness does not touch.

use crate::small;
use lutra::grid::VoxelGrid;
use lutra::materials::hu_curve::HuCalibration;
use lutra::materials::tissue_map;
use lutra::materials::tissues::Tissue;
use lutra::transport::Scene;
use lutra::transport::cpu::CpuEngine;
use lutra::transport::emission::Emissions;
use lutra::transport::run::{PassResult, RegionEnergy, RunPlan, Silent, Stop, simulate};

/// Energy and its stated variances, of electrons and of photons, of every place for one seed.
type Replica = Vec<(f64, [f64; 2])>;

/// How a standard error is taken for a score.
#[derive(Clone, Copy, PartialEq)]
enum By {
    /// Each seed's own.
    Own,
    /// The root of the mean variance over the seeds.
    Pooled,
}

/// Mean and standard deviation of z over all places above 1 % of the largest, the stated standard errors multiplied by
/// `factor`; and the number of places.
fn scores(replicas: &[Replica], by: By, factor: f64) -> (f64, f64, usize) {
    let n = replicas.len() as f64;
    let average = |pick: &dyn Fn(&Replica) -> f64| replicas.iter().map(pick).sum::<f64>() / n;
    let means: Vec<f64> = (0..replicas[0].len()).map(|v| average(&|r| r[v].0)).collect();
    let top = means.iter().copied().fold(0.0, f64::max);
    let batches = f64::from(BATCHES);
    let (mut sum, mut squares, mut count) = (0.0, 0.0, 0.0);
    for (v, &mean) in means.iter().enumerate().filter(|(_, m)| **m > 0.01 * top) {
        let [electron, photon] = [0, 1].map(|pass| average(&|r| r[v].1[pass]));
        let pooled = electron + photon;
        let nu = (batches - 1.0) * pooled * pooled / (electron * electron + photon * photon);
        let student = if by == By::Own { nu / (nu - 2.0) } else { 1.0 };
        let scale = ((1.0 - 1.0 / n) * student).sqrt() * factor;
        for replica in replicas {
            let variance = if by == By::Own { replica[v].1.iter().sum() } else { pooled };
            let z = (replica[v].0 - mean) / (variance.sqrt() * scale);
            assert!(z.is_finite(), "place {v}: {:?}", replica[v]);
            sum += z;
            squares += z * z;
            count += 1.0;
        }
    }
    let mean: f64 = sum / count;
    (mean, (squares / count - mean * mean).sqrt(), (count / n) as usize)
}

/// Batches of a run.
const BATCHES: u32 = 20;

/// Voxels and regions of every seed.
fn replicas(scene: &Scene, decays: &[f64], seeds: u64, plan: &RunPlan) -> [Vec<Replica>; 2] {
    let nuclide = small::nuclide();
    let mut engine = CpuEngine::new(2);
    let (mut voxels, mut regions) = (Vec::new(), Vec::new());
    for seed in 0..seeds {
        let plan = RunPlan { seed: plan.seed + seed, ..plan.clone() };
        let run = simulate(scene, decays, &nuclide, &plan, &mut engine, &mut Silent).expect("the run ends");
        let both = |e: (f64, f64), p: (f64, f64)| (e.0 + p.0, [e.1, p.1]);
        let voxel = |v: usize| {
            let of = |pass: &PassResult| (pass.energy_kev(v), pass.variance_kev2(v));
            both(of(&run.electron), of(&run.photon))
        };
        voxels.push((0..decays.len()).map(voxel).collect());
        let (electron, photon) = (run.electron.region_energy(), run.photon.region_energy());
        let of = |r: &RegionEnergy| (r.energy_kev, r.variance_kev2);
        regions.push(electron.iter().zip(&photon).map(|(e, p)| both(of(e), of(p))).collect());
    }
    [voxels, regions]
}

/// Whether mean and standard deviation of the scores are 0 and 1 within the tolerances.
fn judge(what: &str, scores: (f64, f64, usize), tolerances: [f64; 2]) -> Result<(), String> {
    let (mean, sd, places) = scores;
    let words = format!("{what}: {places} places, z {mean:+.4} +- {sd:.4}");
    println!("{words}");
    if mean.abs() <= tolerances[0] && (sd - 1.0).abs() <= tolerances[1] { Ok(()) } else { Err(words) }
}

fn seeds() -> u64 {
    std::env::var("LUTRA_REPLICAS").ok().and_then(|n| n.parse().ok()).unwrap_or(50)
}

/// Low statistics: a few tens of histories a voxel outside the hot block. LUTRA_REPLICAS=N runs N seeds.
#[test]
fn law_replicas_of_low_statistics_scatter_as_stated() {
    let scene = small::scene();
    let plan = RunPlan { photon_share: 0.25, ..small::plan(&scene, 60_000, 1000) };
    let [voxels, regions] = replicas(&scene, &small::decays(&scene), seeds(), &plan);
    let tolerances = [0.02, 0.03];
    judge("voxels", scores(&voxels, By::Pooled, 1.0), tolerances).expect("true standard errors");
    judge("regions", scores(&regions, By::Pooled, 1.0), tolerances).expect("true standard errors");
    for factor in [0.9, 1.1] {
        let off = judge("alarm, voxels", scores(&voxels, By::Pooled, factor), tolerances);
        assert!(off.is_err(), "standard errors times {factor} go unnoticed");
        let off = judge("alarm, regions", scores(&regions, By::Pooled, factor), tolerances);
        assert!(off.is_err(), "standard errors of regions times {factor} go unnoticed");
    }
}

/// Every seed's own standard error, betas alone, some hundred histories a voxel. The additive sequence gives all
/// voxels of a batch the same pattern, more so with more histories: with 15 000 a batch the 120 voxels scatter like 10
/// independent ones. Many seeds count here, not many voxels.
#[test]
fn law_replicas_scatter_as_each_states() {
    let grid = VoxelGrid::axis_aligned([6, 5, 4], [3.0, 3.0, 3.0], [0.0; 3]);
    let tissue = Tissue::built_in("tissue-soft-icrp").expect("built in");
    let scene = Scene::uniform(grid, tissue, 1.05).expect("a sound scene");
    let decays: Vec<f64> = (0..scene.grid.len()).map(|n| 1e9 * (3 + n % 3) as f64).collect();
    let plan = RunPlan { emissions: Emissions::Beta, ..small::plan(&scene, 30_000, 1000) };
    let [voxels, regions] = replicas(&scene, &decays, 5 * seeds(), &plan);
    judge("voxels", scores(&voxels, By::Own, 1.0), [0.02, 0.03]).expect("true standard errors");
    judge("regions", scores(&regions, By::Own, 1.0), [0.02, 0.05]).expect("true standard errors");
    for factor in [0.9, 1.1] {
        let off = judge("alarm, voxels", scores(&voxels, By::Own, factor), [0.02, 0.03]);
        assert!(off.is_err(), "standard errors times {factor} go unnoticed");
        let off = judge("alarm, regions", scores(&regions, By::Own, factor), [0.02, 0.05]);
        assert!(off.is_err(), "standard errors of regions times {factor} go unnoticed");
    }
}

/// Dose and standard error, Gy, of the voxels of a run, as the files of `lutra dose` give them.
type DoseReplica = Vec<(f32, f32)>;

/// The demo's scene and what one seed of it says: doses by voxel, with standard errors pooled over like voxels if `pooled`,
/// and energies by region.
struct Demo {
    scene: Scene,
    decays: Vec<f64>,
    labels: Vec<u16>,
}

impl Demo {
    fn new() -> Self {
        let made = lutra::demo::make(lutra::demo::DEFAULT_SEED);
        let matter = tissue_map(&made.ct, &HuCalibration::schneider2000()).expect("a sound CT");
        let scene = Scene::new(made.ct.grid.clone(), matter.density_g_cm3, matter.tissue, matter.tissues);
        Self { scene: scene.expect("a sound scene"), decays: made.decays.data, labels: made.labels.data }
    }

    fn run(&self, seed: u64, histories: u64, pooled: bool) -> (DoseReplica, Replica) {
        let plan = RunPlan {
            stop: Stop::Histories(histories),
            photon_share: 0.05,
            seed,
            labels: Some(self.labels.clone()),
            ..RunPlan::default()
        };
        let run = simulate(&self.scene, &self.decays, &small::nuclide(), &plan, &mut CpuEngine::new(2), &mut Silent)
            .expect("the run ends");
        let map = small::map(&self.scene, &self.decays, &run, pooled);
        let voxels = map.dose_gy.iter().zip(&map.sigma_rel).map(|(&dose, sigma)| (dose, sigma * dose.abs())).collect();
        let (electron, photon) = (run.electron.region_energy(), run.photon.region_energy());
        let both =
            |(e, p): (&RegionEnergy, &RegionEnergy)| (e.energy_kev + p.energy_kev, [e.variance_kev2, p.variance_kev2]);
        (voxels, electron.iter().zip(&photon).map(both).collect())
    }
}

/// Mean and standard deviation of z = (dose - dose of the long run) / root of both stated variances over all replicas and
/// all voxels that `which` picks, and the number of voxels. The long run's part: `shift` in standard errors is planted.
fn by_dose(
    long: &DoseReplica,
    replicas: &[DoseReplica],
    which: &dyn Fn(usize) -> bool,
    factor: f64,
    shift: f64,
) -> (f64, f64, usize) {
    let (mut sum, mut squares, mut count) = (0.0, 0.0, 0.0);
    for (v, &(dose, se)) in long.iter().enumerate().filter(|(v, _)| which(*v)) {
        for replica in replicas {
            let scale = f64::from(replica[v].1).hypot(f64::from(se)) * factor;
            let z = (f64::from(replica[v].0) - f64::from(dose)) / scale + shift;
            assert!(z.is_finite(), "voxel {v}: {:?} against {dose} +- {se}", replica[v]);
            sum += z;
            squares += z * z;
            count += 1.0;
        }
    }
    let mean: f64 = sum / count;
    (mean, (squares / count - mean * mean).sqrt(), (count / replicas.len() as f64) as usize)
}

/// Voxels by name, what picks them, and the tolerances of their scores' mean and standard deviation.
type Class<'a> = (&'a str, &'a dyn Fn(usize) -> bool, [f64; 2]);

/// Histories of the long run, in those of a replica.
const LONG: u64 = 10;

/// The demo's abdomen at low statistics, 20 seeds (LUTRA_REPLICAS=125 for 50) against a long run of another seed: every voxel above 1 % of the largest
/// dose, as each seed's own files state it, and every region. There are 13 regions: the mean of their scores is uncertain
/// by 0.06 (the long run's error is common to all seeds), the standard deviation by 3 %.
#[test]
fn law_replicas_of_the_demo_scatter_as_stated() {
    let demo = Demo::new();
    let histories = demo_histories();
    let (long, long_regions) = demo.run(1, LONG * histories, true);
    let (mut voxels, mut own, mut regions) = (Vec::new(), Vec::new(), Vec::new());
    for seed in 1000..1000 + seeds() * 2 / 5 {
        let (voxel, region) = demo.run(seed, histories, true);
        voxels.push(voxel);
        regions.push(region);
        if seed < 1003 {
            own.push(demo.run(seed, histories, false).0);
        }
    }
    // the mean of all histories picks the voxels: picked by the long run, or by the replicas, those near the limit would be
    // the ones that chance took up there
    let mean = |v: usize| {
        let all: f64 = voxels.iter().map(|replica| f64::from(replica[v].0)).sum();
        (all + LONG as f64 * f64::from(long[v].0)) / (voxels.len() as f64 + LONG as f64)
    };
    let mean: Vec<f64> = (0..long.len()).map(mean).collect();
    let top = mean.iter().copied().fold(0.0, f64::max);
    let density = &demo.scene.density_g_cm3;
    let dosed = |v: usize| mean[v] > 0.01 * top;
    let classes: [Class<'_>; 4] = [
        ("voxels of the demo", &dosed, [0.02, 0.03]),
        ("gas", &|v| dosed(v) && density[v] < 0.1, [0.4, 0.4]),
        ("lung and fat's rim", &|v| dosed(v) && (0.1..0.8).contains(&density[v]), [0.1, 0.15]),
        ("kidneys", &|v| dosed(v) && (2..4).contains(&demo.labels[v]), [0.02, 0.03]),
    ];
    for (what, which, tolerances) in classes {
        judge(what, by_dose(&long, &voxels, which, 1.0, 0.0), tolerances).expect("true standard errors");
        let wrong = if tolerances[1] < 0.05 { 1.07 } else { 3.0 };
        for (factor, shift) in [(1.0 / wrong, 0.0), (wrong, 0.0), (1.0, 2.0 * tolerances[0] + 0.01)] {
            let off = judge(&format!("alarm, {what}"), by_dose(&long, &voxels, which, factor, shift), tolerances);
            assert!(off.is_err(), "{what}: standard errors times {factor}, doses off by {shift} of them go unnoticed");
        }
    }
    // what the test is there for: each voxel's own standard error does not know what it missed
    let off = judge("alarm, not pooled", by_dose(&long, &own, &dosed, 1.0, 0.0), [0.02, 0.03]);
    assert!(off.is_err(), "standard errors that are not pooled go unnoticed");
    let tolerances = [0.2, 0.1];
    judge("regions", against(&long_regions, &regions, 1.0, 0.0), tolerances).expect("true standard errors");
    for (factor, shift) in [(1.0 / 1.25, 0.0), (1.25, 0.0), (1.0, 0.4)] {
        let off = judge("alarm, regions", against(&long_regions, &regions, factor, shift), tolerances);
        assert!(off.is_err(), "regions: standard errors times {factor}, energies off by {shift} of them go unnoticed");
    }
}

/// Mean and standard deviation of the deviations of replicas from a long run, in standard errors times `factor`, with
/// `shift` standard errors added; and the number of places. The variance of a place is the mean over the replicas.
fn against(long: &Replica, replicas: &[Replica], factor: f64, shift: f64) -> (f64, f64, usize) {
    let top = long.iter().map(|place| place.0).fold(0.0, f64::max);
    let (mut sum, mut squares, mut count) = (0.0, 0.0, 0.0);
    for (v, (energy, variances)) in long.iter().enumerate().filter(|(_, place)| place.0 > 0.01 * top) {
        let own: f64 = replicas.iter().map(|r| r[v].1.iter().sum::<f64>()).sum::<f64>() / replicas.len() as f64;
        let scale = (own + variances.iter().sum::<f64>()).sqrt() * factor;
        for replica in replicas {
            let z = (replica[v].0 - energy) / scale + shift;
            sum += z;
            squares += z * z;
            count += 1.0;
        }
    }
    let mean: f64 = sum / count;
    (mean, (squares / count - mean * mean).sqrt(), (count / replicas.len() as f64) as usize)
}

/// Electron histories of a seed of the demo; LUTRA_REPLICA_HISTORIES=N for N.
fn demo_histories() -> u64 {
    std::env::var("LUTRA_REPLICA_HISTORIES").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000_000)
}

/// The judgement itself: a standard error off by a tenth rings, a shift too.
#[test]
fn alarm_a_standard_error_off_by_a_tenth_rings() {
    assert!(judge("sound", (0.0, 1.0, 1), [0.02, 0.03]).is_ok());
    assert!(judge("flatters", (0.0, 1.1, 1), [0.02, 0.03]).is_err());
    assert!(judge("scares", (0.0, 0.9, 1), [0.02, 0.03]).is_err());
    assert!(judge("shifted", (0.05, 1.0, 1), [0.02, 0.03]).is_err());
}
