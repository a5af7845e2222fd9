//! A word from outside that ends a job in its middle: of a person who waits for no batch.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Asks an engine to end its job at once. Clones ask for the same; a job that was halted counts for nothing.
#[derive(Clone, Debug, Default)]
pub struct Halt(Arc<AtomicBool>);

impl Halt {
    /// Asks for the end, from any thread.
    pub fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the end was asked for.
    pub fn asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::checkpoint::{self, Keeper};
    use crate::transport::cpu::CpuEngine;
    use crate::transport::run::{Progress, RunError, RunPlan, Simulation, Stop, Surroundings, run_batches};
    use crate::transport::{Engine, EngineError, Scene};
    use crate::{Nuclide, Tissue, VoxelGrid};
    use std::ops::ControlFlow;
    use std::time::Duration;

    /// Asks for the end when the run is this far, from inside: the next job is halted at its first histories.
    struct Impatient {
        halt: Halt,
        from: f64,
    }

    impl Progress for Impatient {
        fn update(&mut self, fraction_done: f64, _: Option<f64>, _: &str) -> ControlFlow<()> {
            if fraction_done >= self.from {
                self.halt.ask();
            }
            ControlFlow::Continue(())
        }

        fn halt(&self) -> Option<Halt> {
            Some(self.halt.clone())
        }
    }

    fn run(
        from: f64,
        keeper: Option<&mut Keeper>,
        resume: Option<crate::transport::batch_store::BatchStore>,
    ) -> Result<Simulation, RunError> {
        let grid = VoxelGrid::axis_aligned([5, 5, 5], [4.0; 3], [0.0; 3]);
        let scene = Scene::uniform(grid, Tissue::built_in("soft-tissue").expect("built in"), 1.04).expect("a scene");
        let plan = RunPlan { stop: Stop::Histories(40_000), ..RunPlan::default() };
        let nuclide = Nuclide::load("lu177").expect("built in");
        let mut progress = Impatient { halt: Halt::default(), from };
        let around = Surroundings { progress: &mut progress, fallback: None, keeper, resume };
        let mut engine = CpuEngine::new(2);
        Ok(run_batches(&scene, &[1e6; 125], &nuclide, &plan, &mut engine, around)?.into_simulation())
    }

    /// A run that was halted in a batch goes on from its checkpoint to the same integers.
    #[test]
    fn law_a_halted_run_resumes_to_the_same_hash() {
        let folder = tempfile::tempdir().expect("a folder");
        let whole = run(2.0, None, None).expect("a run").tally_hash;
        let mut keeper = Keeper::new(folder.path(), Duration::from_secs(3600)).expect("a keeper");
        match run(0.4, Some(&mut keeper), None) {
            Err(RunError::Cancelled { batches, checkpoint: Some(_) }) => assert!((1..20).contains(&batches)),
            other => panic!("{:?}", other.map(|run| run.tally_hash)),
        }
        drop(keeper);
        let found = checkpoint::resume(folder.path()).expect("a checkpoint");
        assert!(found.store.is_some());
        assert_eq!(run(2.0, None, found.store).expect("a run").tally_hash, whole);
    }

    /// Part of a job is never taken for the whole.
    #[test]
    fn alarm_a_halted_job_gives_no_tally() {
        let grid = VoxelGrid::axis_aligned([3, 3, 3], [4.0; 3], [0.0; 3]);
        let scene = Scene::uniform(grid, Tissue::built_in("soft-tissue").expect("built in"), 1.04).expect("a scene");
        let plan = RunPlan { stop: Stop::Histories(100_000), ..RunPlan::default() };
        let inputs = crate::transport::run::Inputs::owned(scene, vec![1e6; 27], plan);
        let nuclide = Nuclide::load("lu177").expect("built in");
        let mut session = crate::transport::run::Session::new(inputs, &nuclide, None).expect("a session");
        let mut engine = CpuEngine::new(1);
        let halt = Halt::default();
        engine.heed(halt.clone());
        session.load(&mut engine).expect("a scene");
        assert!(session.step(&mut engine).expect("a job"));
        halt.ask();
        assert!(matches!(session.step(&mut engine), Err(RunError::Engine(EngineError::Halted))));
    }
}
