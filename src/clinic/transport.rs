//! From a case to its tallies: chooses the engine, runs it, turns tallies into energies.

use super::case::{Case, Computed, ComputedPass};
use super::failure::{Failure, OrUserError, RunFault, UserError};
use super::notes::{Heard, Listener};
use super::request::{Checkpoint, DvhBands, EngineChoice, RunOptions, Stop};
use crate::dose::AIR_LIMIT_G_CM3;
use crate::dose::regions::RegionEnergy;
use crate::fault::{Explained, Setting, Words, words};
use crate::note::Note;
use crate::report::EnergyBalance;
use crate::report::run_record::{Device, cpu_seconds};
use crate::transport::batch_store::BatchStore;
use crate::transport::checkpoint::{self, Keeper};
use crate::transport::emission::{Emissions, Pass};
use crate::transport::gpu::automatic;
use crate::transport::identity::Identity;
use crate::transport::run::{self, Outcome, PassResult, RunError, RunPlan, Simulation, Surroundings, run_batches};
use crate::transport::{Engine, EngineError, Scene};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Default number of electron histories.
pub const DEFAULT_HISTORIES: u64 = 8_000_000;

/// Runs the transport of a case. Its volumes are lent to the scene and the plan while it runs; after an error the case
/// must not be used.
pub fn compute(
    case: &mut Case,
    options: &RunOptions,
    emissions: Emissions,
    hear: &mut dyn Listener,
) -> Result<Computed, Failure> {
    let solid = |density: &f32| f64::from(*density) >= AIR_LIMIT_G_CM3;
    if matches!(options.stop, Stop::TargetSigma { .. }) && !case.density_g_cm3.iter().any(solid) {
        return Err(UserError::invalid(
            Setting::TargetSigma,
            "",
            format!("a scene of air alone (below {AIR_LIMIT_G_CM3} g/cm3), where no dose is stated"),
            "one with tissue",
            words!("Check the CT, or give ", Setting::Histories, "."),
        )
        .into());
    }
    let plan = plan(case, options, emissions);
    let scene = lent(case)?;
    let cpu_before = cpu_seconds().unwrap_or(0.0);
    let mut engine = engine(options, hear)?;
    let Kept { mut keeper, resume, mut warnings } = kept(options, hear)?;
    let of = (&scene, &*case, &plan);
    let mut result = run_on(engine.as_mut(), of, options, (keeper.as_mut(), resume), hear);
    if options.engine == EngineChoice::Auto
        && let Err(RunError::Engine(error @ EngineError::Unfit { .. })) = &result
    {
        // nothing that it counted is kept
        engine = cpu(options);
        warnings.push(begun_again(error, engine.as_ref()));
        result = run_on(engine.as_mut(), of, options, (keeper.as_mut(), None), hear);
    }
    hear.progress_ended();
    if result.is_err()
        && let Some(keeper) = keeper.take()
    {
        // a run that ended before its first checkpoint leaves no checkpoint
        keeper.end();
    }
    let outcome = result.map_err(failure)?;
    // scene and tally of the engine
    drop(engine);
    let cpu_seconds = cpu_seconds().unwrap_or(0.0) - cpu_before;
    let settings = settings(&plan);
    (case.density_g_cm3, case.tissue) = (scene.density_g_cm3, scene.tissue);
    case.labels = plan.labels.unwrap_or_default();
    let mut computed = match plan.shard {
        None => computed(case, outcome.into_simulation(), settings, cpu_seconds),
        Some(_) => {
            // the merged run has the voxels and the batches that count
            let (simulation, store) = outcome.into_account();
            let computed = computed(case, simulation, settings, cpu_seconds);
            Computed { store: Some(store), warnings: Vec::new(), ..computed }
        }
    };
    computed.warnings.splice(0..0, warnings);
    Ok(Computed { keeper, ..computed })
}

/// Runs a plan on an engine; `auto` goes on with the processor where the device fails.
fn run_on(
    engine: &mut dyn Engine,
    (scene, case, plan): (&Scene, &Case, &RunPlan),
    options: &RunOptions,
    (keeper, resume): (Option<&mut Keeper>, Option<BatchStore>),
    hear: &mut dyn Listener,
) -> Result<Outcome, RunError> {
    let mut other = || cpu(options);
    let mut heard = Heard(hear);
    let around = Surroundings {
        progress: &mut heard,
        fallback: (options.engine == EngineChoice::Auto).then_some(&mut other),
        keeper,
        resume,
    };
    run_batches(scene, &case.decays.data, &case.nuclide, plan, engine, around)
}

/// A device was found to count otherwise in the middle of a run.
fn begun_again(error: &EngineError, other: &dyn Engine) -> Note {
    let name = other.device().name;
    let words =
        words!(error.fault().message(), ": the run was done on ", name, " from its beginning; report the driver");
    Note::warning("engine-changed", words)
}

/// Removes the checkpoints: the results are in place.
pub fn end(computed: Computed) {
    if let Some(keeper) = computed.keeper {
        keeper.discard();
    }
}

/// The scene of a case, out of the case's own volumes.
fn lent(case: &mut Case) -> Result<Scene, UserError> {
    let (density_g_cm3, tissue) = (std::mem::take(&mut case.density_g_cm3), std::mem::take(&mut case.tissue));
    Scene::new(case.decays.grid.clone(), density_g_cm3, tissue, case.tissues.clone()).or_user_error()
}

/// The scene of a case.
pub fn scene(case: &Case) -> Result<Scene, UserError> {
    Scene::new(case.decays.grid.clone(), case.density_g_cm3.clone(), case.tissue.clone(), case.tissues.clone())
        .or_user_error()
}

/// Checkpoints of an interrupted run, and the keeper of this run's.
#[derive(Default)]
struct Kept {
    keeper: Option<Keeper>,
    resume: Option<BatchStore>,
    warnings: Vec<Note>,
}

fn kept(options: &RunOptions, hear: &mut dyn Listener) -> Result<Kept, UserError> {
    let Some(Checkpoint { folder, every_s, resume }) = &options.checkpoint else { return Ok(Kept::default()) };
    let mut kept = Kept::default();
    let mut serial = 0;
    if *resume {
        let found = checkpoint::resume(folder).or_user_error()?;
        hear.info(
            "run-resumed",
            match &found.store {
                Some(store) => format!(
                    "going on from {} after {} batches and {:.0} s",
                    folder.display(),
                    store.batches().len(),
                    store.wall_seconds
                ),
                None => format!("{} holds no checkpoint yet: starting from the beginning", folder.display()),
            },
        );
        serial = found.serial;
        kept.resume = found.store;
        kept.warnings = found.warnings;
    } else if folder.is_dir() {
        hear.info(
            "run-started-anew",
            words!(
                "starting anew; ",
                folder.as_path(),
                " was of an interrupted run, which ",
                Setting::Resume,
                " would have continued"
            ),
        );
    }
    if *every_s > 0.0 {
        let keeper = Keeper::new(folder, Duration::from_secs_f64(*every_s)).or_user_error()?;
        kept.keeper = Some(keeper.after(serial));
    }
    Ok(kept)
}

/// What the transport of a case stands on: hashes of matter, decays, emissions and tables among them. Equal tallies need equal
/// ones.
///
/// Errors: as [`compute`].
pub fn identity(case: &Case) -> Result<Identity, Failure> {
    let plan = RunPlan::default();
    let data = run::prepare(&scene(case)?, &case.nuclide, &plan).map_err(failure)?;
    Ok(run::identity(&data, &case.decays.data, &plan))
}

/// Input errors are the user's to correct; faults of tally or device are failures of the run.
pub fn failure(error: RunError) -> Failure {
    match &error {
        RunError::Resume { .. }
        | RunError::Length { .. }
        | RunError::Empty
        | RunError::Decays { .. }
        | RunError::Emission { .. }
        | RunError::Table(_)
        | RunError::Engine(
            EngineError::NoDevice { .. }
            | EngineError::TooLarge { .. }
            | EngineError::Threads { .. }
            | EngineError::Unfit { .. },
        ) => Failure::User(error.fault()),
        _ => Failure::Run(RunFault::of(&error)),
    }
}

/// The plan, with the case's own labels.
fn plan(case: &mut Case, options: &RunOptions, emissions: Emissions) -> RunPlan {
    let (stop, target) = match &options.stop {
        Stop::Default => (run::Stop::Histories(DEFAULT_HISTORIES), None),
        Stop::Histories(count) => (run::Stop::Histories(*count), None),
        Stop::Seconds(seconds) => (run::Stop::Seconds(*seconds), None),
        Stop::TargetSigma { sigma_rel, labels } => {
            let aimed =
                |n: usize| labels.contains(&case.labels[n]) && f64::from(case.density_g_cm3[n]) >= AIR_LIMIT_G_CM3;
            let target = (!labels.is_empty()).then(|| (0..case.labels.len()).map(aimed).collect());
            (run::Stop::TargetSigma(*sigma_rel), target)
        }
    };
    let plain = RunPlan::default();
    RunPlan {
        emissions,
        stop,
        batches: options.batches.unwrap_or(plain.batches),
        shard: options.shard,
        seed: options.seed,
        target,
        labels: Some(std::mem::take(&mut case.labels)),
        ..plain
    }
}

fn cpu(options: &RunOptions) -> Box<dyn Engine> {
    let way = match options.engine {
        EngineChoice::Cpu(way) => way,
        EngineChoice::Auto | EngineChoice::Gpu(_) => None,
    };
    options.devices.machine().cpu(options.threads.unwrap_or(0), way)
}

/// The requested engine. `auto` takes a real GPU, or says in one line why it took the CPU instead.
pub fn engine(options: &RunOptions, hear: &mut dyn Listener) -> Result<Box<dyn Engine>, Failure> {
    let machine = options.devices.machine();
    match options.engine {
        EngineChoice::Cpu(_) => Ok(cpu(options)),
        EngineChoice::Gpu(number) => machine.gpu(number).map_err(|error| failure(error.into())),
        EngineChoice::Auto => {
            let adapters = machine.adapters();
            let reason: Words = match automatic(&adapters) {
                None if adapters.is_empty() => machine.lacking(),
                None => {
                    let names: Vec<&str> = adapters.iter().map(|adapter| adapter.info.name.as_str()).collect();
                    format!("no GPU found but {}, which auto does not take", names.join(", ")).into()
                }
                Some(number) => match machine.gpu(Some(number)) {
                    Ok(engine) => return Ok(engine),
                    Err(error) => error.fault().sentence(),
                },
            };
            let engine = cpu(options);
            hear.info("cpu-for-gpu", words!(reason, ": running on the CPU with ", engine.device().name));
            Ok(engine)
        }
    }
}

/// The plan by name, for the run record.
fn settings(plan: &RunPlan) -> BTreeMap<String, Value> {
    BTreeMap::from([
        ("stop".to_owned(), json!(plan.stop)),
        ("least_batches".to_owned(), json!(run::batch_count(plan))),
        ("photon_histories_per_electron_history".to_owned(), json!(plan.photon_share)),
        ("photon_estimator".to_owned(), json!(if plan.analogue_photons { "collision" } else { "track length" })),
        ("transport".to_owned(), json!(plan.settings)),
    ])
}

/// The result of a simulation in the terms of the files to write.
pub fn computed(case: &Case, simulation: Simulation, settings: BTreeMap<String, Value>, cpu_seconds: f64) -> Computed {
    let device = simulation.device;
    let mut warnings = simulation.warnings;
    if simulation.electron.moments.batches < 20 && simulation.photon.moments.batches < 20 {
        warnings.push(Note::warning("few-batches", "fewer than 20 batches: the standard errors are rough"));
    }
    Computed {
        // one after the other: the first pass's sums are freed before the second's energies are made
        electron: pass(case, simulation.electron),
        photon: pass(case, simulation.photon),
        device: Device { engine: device.engine, name: device.name, backend: device.backend, driver: device.driver },
        tally_sha256: simulation.tally_hash,
        cpu_seconds,
        settings,
        wall_seconds: simulation.wall_seconds,
        spent: simulation.spent,
        warnings,
        store: None,
        keeper: None,
        own: None,
        dvh_bands: DvhBands::default(),
    }
}

/// Energies of a pass.
fn pass(case: &Case, result: PassResult) -> ComputedPass {
    let region = |members: &[u16]| {
        let chosen: Vec<usize> =
            (0..result.regions.len()).filter(|&n| members.contains(&result.regions[n].0)).collect();
        let batches = chosen.first().map_or(0, |&n| result.regions[n].1.len());
        let totals: Vec<f64> =
            (0..batches).map(|batch| chosen.iter().map(|&n| result.regions[n].1[batch]).sum::<i128>() as f64).collect();
        let local_kev: f64 = chosen.iter().map(|&n| result.region_local_kev[n]).sum();
        let (mean, variance) = mean_and_variance(&totals);
        RegionEnergy {
            energy_kev: mean * result.kev_per_entry + local_kev,
            variance_kev2: variance * result.kev_per_entry * result.kev_per_entry,
        }
    };
    let by_label = result.regions.iter().map(|(label, _)| (*label, region(&[*label]))).collect();
    let by_group = case.groups.iter().map(|(label, _, members)| (*label, region(members))).collect();
    let ledger = result.ledger;
    let (histories, batches, which) = (result.histories, result.moments.batches, result.pass);
    let particles_per_decay = result.particles_per_decay();
    let (energy_kev, variance_kev2) = result.into_energy_and_variance();
    ComputedPass {
        histories,
        batches: u32::try_from(batches).unwrap_or(u32::MAX),
        particles_per_decay,
        energy_kev,
        variance_kev2,
        by_label,
        by_group,
        balance: EnergyBalance {
            pass: match which {
                Pass::Electron => "electron".to_owned(),
                Pass::Photon => "photon".to_owned(),
            },
            emitted: ledger.emitted,
            deposited: ledger.deposited,
            escaped: ledger.escaped,
            radiated: ledger.radiated,
            estimated: ledger.estimated,
        },
    }
}

/// Mean of some batch sums and the variance of that mean; 0 below two batches.
fn mean_and_variance(sums: &[f64]) -> (f64, f64) {
    let count = sums.len() as f64;
    if sums.is_empty() {
        return (0.0, 0.0);
    }
    let mean = sums.iter().sum::<f64>() / count;
    let spread: f64 = sums.iter().map(|sum| (sum - mean).powi(2)).sum();
    (mean, if sums.len() < 2 { 0.0 } else { spread / (count * (count - 1.0)) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clinic::notes::Listener;
    use crate::transport::DeviceInfo;
    use crate::transport::cpu::{Carrier, CpuEngine};
    use crate::transport::gpu::AdapterSummary;
    use crate::transport::machine::{Devices, Machine};
    use std::ops::ControlFlow;
    use std::sync::Arc;

    /// A page's devices: so many cards, none of which passes the probe, and a processor of three threads.
    #[derive(Debug)]
    struct Page {
        cards: usize,
    }

    impl Machine for Page {
        fn adapters(&self) -> Vec<AdapterSummary> {
            let text = |word: &str| word.to_owned();
            let info = DeviceInfo { engine: text("gpu"), name: text("card"), backend: text("b"), driver: text("d") };
            let of = |number| AdapterSummary {
                number,
                info: info.clone(),
                kind: "integrated",
                max_binding_bytes: 1 << 27,
                max_buffer_bytes: 1 << 28,
                max_workgroup: 256,
                max_storage_buffers: 8,
            };
            (0..self.cards).map(of).collect()
        }

        fn lacking(&self) -> Words {
            "no WebGPU".into()
        }

        fn gpu(&self, _number: Option<usize>) -> Result<Box<dyn Engine>, EngineError> {
            Err(EngineError::Unfit { device: "card".into(), found: "sums are reordered".into() })
        }

        fn cpu(&self, _threads: usize, way: Option<Carrier>) -> Box<dyn Engine> {
            Box::new(CpuEngine::with(3, way.unwrap_or(Carrier::Scalar)))
        }
    }

    /// Keeps what is said.
    #[derive(Default)]
    struct Said(String);

    impl Listener for Said {
        fn note(&mut self, note: Note) {
            self.0.push_str(&note.to_string());
        }
        fn progress(&mut self, _done: f64, _sigma_rel: Option<f64>, _what: &str) -> ControlFlow<()> {
            ControlFlow::Continue(())
        }
        fn progress_ended(&mut self) {}
    }

    fn opened(cards: usize, choice: EngineChoice) -> (Result<String, Failure>, String) {
        let devices = Devices::Lent(Arc::new(Page { cards }));
        let mut said = Said::default();
        let options = RunOptions { engine: choice, devices, ..RunOptions::default() };
        (engine(&options, &mut said).map(|engine| engine.device().name), said.0)
    }

    /// A run uses the devices that it is lent, and says why it takes the processor.
    #[test]
    fn engine_lent_devices_are_used() {
        let three = "3 threads, one history at a time";
        let (name, said) = opened(0, EngineChoice::Auto);
        assert_eq!(name.expect("a processor"), three);
        assert!(said.starts_with("no WebGPU: running on the CPU with 3 threads"), "{said}");
        let (name, said) = opened(0, EngineChoice::Cpu(None));
        assert_eq!((name.expect("a processor").as_str(), said.as_str()), (three, ""));
    }

    /// A lent card that does not pass the probe is never used: asked for by name it is refused, else the processor is taken.
    #[test]
    fn alarm_a_lent_card_that_fails_the_probe_is_not_used() {
        let (name, said) = opened(1, EngineChoice::Auto);
        assert_eq!(name.expect("a processor"), "3 threads, one history at a time");
        assert!(said.contains("does not compute as the kernel needs it: sums are reordered"), "{said}");
        let (refused, _) = opened(1, EngineChoice::Gpu(None));
        assert!(matches!(refused, Err(Failure::User(_))));
    }

    #[test]
    fn law_region_variance_is_that_of_the_batches() {
        let (mean, variance) = mean_and_variance(&[10.0, 12.0, 14.0, 16.0]);
        assert!((mean - 13.0).abs() < 1e-12);
        assert!((variance - 5.0 / 3.0).abs() < 1e-12);
        assert_eq!(mean_and_variance(&[3.0]), (3.0, 0.0));
        assert_eq!(mean_and_variance(&[]), (0.0, 0.0));
    }
}
