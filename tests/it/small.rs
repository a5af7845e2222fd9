//! A small patient that costs little: soft tissue with a bone slab and an air corner, a hot block off the centre.

use lutra::decay::Nuclide;
use lutra::dose::{AIR_LIMIT_G_CM3, DoseMap, PassEnergy};
use lutra::grid::{Volume, VoxelGrid};
use lutra::io::nifti;
use lutra::materials::tissues::Tissue;
use lutra::tally::BatchTally;
use lutra::transport::batch_store::{BatchStore, Shard};
use lutra::transport::cpu::CpuEngine;
use lutra::transport::run::{Outcome, RunError, RunPlan, Silent, Simulation, Stop, Surroundings, run_batches};
use lutra::transport::{DeviceInfo, Engine, EngineError, Job, Scene, SceneData};
use std::path::Path;
use std::sync::Arc;

/// Voxels along the axes.
pub const DIMS: [usize; 3] = [11, 9, 8];

/// The scene.
pub fn scene() -> Scene {
    let grid = VoxelGrid::axis_aligned(DIMS, [3.0, 4.0, 3.5], [0.0; 3]);
    let tissues =
        ["tissue-soft-icrp", "bone-cortical-icrp", "air"].map(|name| Tissue::built_in(name).expect("built in"));
    let place = |n: usize| match grid.voxel(n) {
        [_, 6, _] => (1.7, 1),
        [0..=1, 0..=1, _] => (0.0012, 2),
        [i, ..] => (1.0 + 0.01 * i as f32, 0),
    };
    let (density, tissue): (Vec<f32>, Vec<u8>) = (0..grid.len()).map(place).unzip();
    Scene::new(grid, density, tissue, tissues.to_vec()).expect("a sound scene")
}

/// Decays by voxel.
pub fn decays(scene: &Scene) -> Vec<f64> {
    (0..scene.grid.len())
        .map(|n| match scene.grid.voxel(n) {
            [3..=6, 2..=5, 2..=5] => 5e9,
            [0..=1, 0..=1, _] => 0.0,
            [i, j, _] => 1e8 * (1 + (i + j) % 3) as f64,
        })
        .collect()
}

/// Regions: blocks of 2 x 2 x 2 voxels.
pub fn labels(scene: &Scene) -> Vec<u16> {
    let block = |n: usize| {
        let [i, j, k] = scene.grid.voxel(n);
        (1 + i / 2 + 6 * (j / 2 + 5 * (k / 2))) as u16
    };
    (0..scene.grid.len()).map(block).collect()
}

/// Writes a patient of 12 x 10 x 9 voxels for the program into a folder: a CT (air, soft tissue, bone), an activity of
/// `hot` in a block and `cold` elsewhere, and labels, under these names.
pub fn write_files(folder: &Path, ct: &str, (activity, [cold, hot]): (&str, [f32; 2]), labels: &str) {
    let grid = VoxelGrid::axis_aligned([12, 10, 9], [4.0, 3.0, 5.0], [-20.0, 10.0, 30.0]);
    let write = |name: &str, value: &dyn Fn([usize; 3]) -> f32| {
        let data = (0..grid.len()).map(|n| value(grid.voxel(n))).collect();
        nifti::write(folder.join(name), &Volume { grid: grid.clone(), data }, "test").expect("written");
    };
    write(ct, &|[i, j, _]| {
        if i == 0 {
            -1000.0
        } else if j == 8 {
            700.0
        } else {
            40.0
        }
    });
    write(activity, &|[i, j, k]| if (3..7).contains(&i) && j < 7 && k > 2 { hot } else { cold });
    write(labels, &|[i, _, k]| if i == 0 { 0.0 } else { (1 + i % 3 + 3 * (k / 5)) as f32 });
}

/// A plan of so many electron histories.
pub fn plan(scene: &Scene, histories: u64, seed: u64) -> RunPlan {
    RunPlan { stop: Stop::Histories(histories), seed, labels: Some(labels(scene)), ..RunPlan::default() }
}

/// Part of a plan.
pub fn shard(plan: &RunPlan, index: u32, count: u32) -> RunPlan {
    RunPlan { shard: Some(Shard { index, count }), ..plan.clone() }
}

/// Runs a plan on an engine.
pub fn run_on(scene: &Scene, plan: &RunPlan, engine: &mut dyn Engine) -> Result<Outcome, RunError> {
    let around = Surroundings { progress: &mut Silent, fallback: None, keeper: None, resume: None };
    run_batches(scene, &decays(scene), &nuclide(), plan, engine, around)
}

/// The batches of a plan, on two threads.
pub fn run(scene: &Scene, plan: &RunPlan) -> BatchStore {
    run_on(scene, plan, &mut CpuEngine::new(2)).expect("the run ends").store
}

/// The dose map of a run as the program writes it; with standard errors of each voxel's own where not `pooled`.
pub fn map(scene: &Scene, decays: &[f64], run: &Simulation, pooled: bool) -> DoseMap {
    let by = |value: &dyn Fn(usize) -> f64| -> Vec<f64> { (0..decays.len()).map(value).collect() };
    let [electron, photon] = [&run.electron, &run.photon].map(|pass| by(&|v| pass.energy_kev(v)));
    let [electron_variance, photon_variance] = [&run.electron, &run.photon].map(|pass| by(&|v| pass.variance_kev2(v)));
    let mut map = DoseMap::from_energy(
        &scene.grid,
        &scene.density_g_cm3,
        PassEnergy { energy_kev: &electron, variance_kev2: &electron_variance },
        PassEnergy { energy_kev: &photon, variance_kev2: &photon_variance },
        AIR_LIMIT_G_CM3,
    )
    .expect("fits");
    if pooled {
        map.pool_errors(&scene.density_g_cm3, decays, AIR_LIMIT_G_CM3);
    }
    map
}

/// 177Lu.
pub fn nuclide() -> Nuclide {
    Nuclide::load("lu177").expect("built in")
}

/// What a faulty engine does from its n-th job on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// It is lost, as a device is.
    Lost,
    /// It gives one unit too much in one bin of that one job.
    OneUnit,
    /// It loses a history of that one job.
    LostHistory,
    /// It forgets an energy of that one job.
    LostEnergy,
}

/// The CPU engine with a fault.
pub struct Faulty {
    inner: CpuEngine,
    fault: Fault,
    sound: usize,
}

impl Faulty {
    /// `sound` jobs without fault.
    pub fn after(sound: usize, fault: Fault) -> Self {
        Self { inner: CpuEngine::new(1), fault, sound }
    }
}

impl Engine for Faulty {
    fn device(&self) -> DeviceInfo {
        DeviceInfo { engine: "gpu".into(), name: "faulty".into(), backend: "none".into(), driver: "none".into() }
    }

    fn load(&mut self, scene: Arc<SceneData>) -> Result<(), EngineError> {
        self.inner.load(scene)
    }
    fn spent(&self) -> lutra::transport::spent::EngineSpent {
        self.inner.spent()
    }

    fn run(&mut self, job: &Job) -> Result<BatchTally, EngineError> {
        let mut tally = self.inner.run(job)?;
        if self.sound > 0 {
            self.sound -= 1;
            return Ok(tally);
        }
        match self.fault {
            Fault::Lost => {
                return Err(EngineError::Device { device: "faulty".into(), message: "device lost".into() });
            }
            Fault::OneUnit => *tally.energy.iter_mut().find(|x| **x > 0).expect("some energy") += 1,
            Fault::LostHistory => tally.histories -= 1,
            Fault::LostEnergy => tally.ledger.deposited -= 1,
        }
        self.sound = usize::MAX;
        Ok(tally)
    }
}
