//! simulate: runs batches of both passes until the histories are done or the uncertainty is reached.

use crate::fault::Explained;
use crate::note::Note;
pub use crate::transport::error::{FLAG_UNBALANCED, FLAG_UNFINISHED, RunError, audit, flag_names};
pub use crate::transport::identity::identity;
pub use crate::transport::plan::{MOST_HISTORIES_A_BATCH, RunPlan, Stop, batch_count};
pub use crate::transport::prepare::{Inputs, job, local_energy, prepare};
pub use crate::transport::progress::{Progress, Silent};
pub use crate::transport::result::{Outcome, PassResult, RegionEnergy, Simulation};
pub use crate::transport::session::{Session, Standing, Task};

use crate::decay::Nuclide;
use crate::transport::batch_store::BatchStore;
use crate::transport::checkpoint::Keeper;
use crate::transport::hand::{Fallback, Hand};
use crate::transport::{Engine, EngineError, Scene};

/// The environment of a run.
pub struct Surroundings<'a> {
    /// Hears how it goes, and may end it.
    pub progress: &'a mut dyn Progress,
    /// Makes the engine that takes over when the first one fails or is too small; `None`: a failure ends the run.
    pub fallback: Option<&'a mut Fallback<'a>>,
    /// Writes checkpoints; returned so that they can be discarded once the results are saved.
    pub keeper: Option<&'a mut Keeper>,
    /// State to resume from.
    pub resume: Option<BatchStore>,
}

/// Runs `plan` for `decays` (by voxel of the scene; in shell scoring by voxel 0) of `nuclide` on `engine`.
pub fn simulate(
    scene: &Scene,
    decays: &[f64],
    nuclide: &Nuclide,
    plan: &RunPlan,
    engine: &mut dyn Engine,
    progress: &mut dyn Progress,
) -> Result<Simulation, RunError> {
    let around = Surroundings { progress, fallback: None, keeper: None, resume: None };
    Ok(run_batches(scene, decays, nuclide, plan, engine, around)?.into_simulation())
}

/// As [`simulate`], with a fallback engine, checkpoints and a state to resume from.
///
/// Interrupting a run, splitting it into shards or moving it to another engine does not change its integers.
pub fn run_batches<'a>(
    scene: &Scene,
    decays: &[f64],
    nuclide: &Nuclide,
    plan: &RunPlan,
    engine: &'a mut dyn Engine,
    around: Surroundings<'a>,
) -> Result<Outcome, RunError> {
    let Surroundings { progress, fallback, keeper, resume } = around;
    let mut session = Session::new(Inputs::lent(scene, decays, plan), nuclide, resume)?;
    let mut hand = Hand::new(engine, fallback);
    if let Some(halt) = progress.halt() {
        hand.heed(halt);
    }
    let mut watch = Watch { progress, keeper, notes: Vec::new() };
    if let Some(keeper) = &watch.keeper {
        session.cut_into(keeper.every() / 2);
    }
    session.load(&mut hand)?;
    loop {
        watch.keep(&mut session);
        watch.tell(&mut session)?;
        let stepped = session.step(&mut hand);
        if let Err(RunError::Engine(EngineError::Halted)) = stepped {
            return Err(watch.end(&mut session));
        }
        if !stepped? {
            break;
        }
    }
    let outcome = session.finish(hand.device())?;
    let warnings = [hand.warnings, watch.notes].concat();
    Ok(Outcome { warnings, ..outcome })
}

/// Supervises a run between its steps.
struct Watch<'a> {
    progress: &'a mut dyn Progress,
    keeper: Option<&'a mut Keeper>,
    /// What was said of checkpoints.
    notes: Vec<Note>,
}

impl Watch<'_> {
    /// Writes a checkpoint when it is due and reports a failure at once.
    fn keep(&mut self, session: &mut Session<'_>) {
        let (Some(keeper), Some(state)) = (&mut self.keeper, session.state()) else { return };
        if let Some(note) = keeper.tend(state) {
            self.progress.note(&note);
            self.notes.push(note);
        }
    }

    /// Reports progress, and ends the run, with a checkpoint, on request.
    fn tell(&mut self, session: &mut Session<'_>) -> Result<(), RunError> {
        let now = session.standing();
        if self.progress.update(now.fraction_done, now.sigma_rel, now.message).is_continue() {
            return Ok(());
        }
        Err(self.end(session))
    }

    /// The end before the end, with a checkpoint if checkpoints are kept.
    fn end(&mut self, session: &mut Session<'_>) -> RunError {
        let batches = session.batches_done();
        if let (Some(keeper), Some(state)) = (&mut self.keeper, session.state())
            && let Err(error) = keeper.save(state)
        {
            self.progress.note(&Note::warning("checkpoint-failed", error.fault().sentence()));
        }
        let checkpoint = self.keeper.as_ref().and_then(|keeper| keeper.holds()).map(ToOwned::to_owned);
        RunError::Cancelled { batches, checkpoint }
    }
}
