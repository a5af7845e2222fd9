//! A run that is stepped from outside: it hands out the next job and takes its tally back. The caller runs the job,
//! blocking or async, natively or in a browser. The session touches no files.
//!
//! Between two steps the state is complete and can be saved; a run resumed from it ends in the same integers. A job
//! that is never returned counts for nothing and is handed out again.

use crate::clock::Moment;
use crate::cores;
use crate::decay::Nuclide;
use crate::neighbourhood::{AIR_LIMIT_G_CM3, Likeness};
use crate::tally::{BatchTally, EmptyBins};
use crate::transport::batch_store::BatchStore;
use crate::transport::batches::{Batches, Place, Recipe};
use crate::transport::emission::Pass;
use crate::transport::error::RunError;
use crate::transport::pilot::Pilot;
use crate::transport::plan::{RunPlan, Stop, batch_count};
use crate::transport::prepare::{Inputs, Prepared};
use crate::transport::result::Outcome;
use crate::transport::spent::{EngineSpent, Watches};
use crate::transport::{DeviceInfo, Job, SceneData, Scoring, stopping};
use std::cell::OnceCell;
use std::sync::Arc;
use std::time::Duration;

/// Shortest and longest intended time for a part of a batch, s.
const PART_SECONDS: [f64; 2] = [0.01, 10.0];

/// A job to run: a batch of a pass, or a part of one.
#[derive(Debug)]
pub struct Task {
    job: Job,
    place: Place,
    /// Histories of the whole batch; `None`: the pilot's.
    total: Option<u32>,
    asked: Moment,
    /// When the job was ready.
    ready: Moment,
    recipe: Option<Recipe>,
    /// The job that follows, whole, if it is made already and expected.
    next: Option<(Place, Job)>,
    ahead: Option<(Place, Job)>,
}

impl Task {
    fn of(job: Job, place: Place, total: Option<u32>, asked: Moment) -> Self {
        Self { job, place, total, asked, ready: Moment::now(), recipe: None, next: None, ahead: None }
    }

    /// The job.
    pub fn job(&self) -> &Job {
        &self.job
    }

    /// Number of its batch.
    pub fn batch(&self) -> u32 {
        self.place.1
    }

    /// Runs the job and makes the next one in parallel, if the target has threads.
    pub fn run<R>(&mut self, run: impl FnOnce(&Job) -> R) -> R {
        self.run_before(|job, _| run(job))
    }

    /// As [`Task::run`]; `run` also hears which job is expected next, if it is made already.
    pub fn run_before<R>(&mut self, run: impl FnOnce(&Job, Option<&Job>) -> R) -> R {
        let (job, next) = (&self.job, self.next.as_ref().map(|(_, next)| next));
        let Some(recipe) = self.recipe.take() else { return run(job, next) };
        let (made, ahead) = cores::beside(|| run(job, next), || recipe.make());
        self.ahead = Some(ahead);
        made
    }
}

/// Progress of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    /// Share done, 0 to 1.
    pub fraction_done: f64,
    /// 95th percentile of the relative standard error over the target voxels, once known.
    pub sigma_rel: Option<f64>,
    /// What is being done.
    pub message: &'static str,
}

/// Histories per part: as many as take about the requested time, if one was requested.
#[derive(Debug, Default)]
struct Pace {
    aim_seconds: Option<f64>,
    per_second: [Option<f64>; 2],
}

impl Pace {
    fn histories(&self, pass: Pass) -> u32 {
        match (self.aim_seconds, self.per_second[pass as usize]) {
            (None, _) => u32::MAX,
            (Some(aim), None) => (20_000.0 * aim).clamp(1_000.0, 50_000.0) as u32,
            (Some(aim), Some(speed)) => (aim * speed).clamp(1_000.0, 1e9) as u32,
        }
    }

    fn learn(&mut self, pass: Pass, histories: u32, seconds: f64) {
        self.per_second[pass as usize] = Some(f64::from(histories) / seconds.max(1e-6));
    }
}

/// Stage of a run.
enum Stage {
    /// Not started; the state to resume from, if any.
    Prepared(Box<Prepared>, Option<Box<BatchStore>>),
    /// The pilot is finding the size of batches.
    Pilot(Box<Prepared>, Box<Pilot>),
    /// Batches are running.
    Batches(Box<Batches>),
    /// An error ended it.
    Failed,
}

/// A run, step by step.
pub struct Session<'a> {
    inputs: Inputs<'a>,
    data: Arc<SceneData>,
    stage: Stage,
    pace: Pace,
    watches: Watches,
    /// Time spent before the run was resumed, s.
    spent_before: f64,
    sigma_95: Option<f64>,
    likeness: OnceCell<Likeness>,
}

impl<'a> Session<'a> {
    /// A run of `nuclide`, with its tables; `resume`: a state to resume from. Refuses invalid inputs and the state of
    /// another run.
    pub fn new(inputs: Inputs<'a>, nuclide: &Nuclide, resume: Option<BatchStore>) -> Result<Self, RunError> {
        let mut watches = Watches::start();
        let prepared = Prepared::of(&inputs, nuclide, resume.is_none())?;
        if let Some(store) = &resume {
            prepared.accepts(store, &inputs.plan)?;
        }
        watches.spent.tables_seconds = prepared.tables_seconds;
        watches.spent.identity_seconds = prepared.identity_seconds;
        Ok(Self {
            data: Arc::clone(&prepared.data),
            spent_before: resume.as_ref().map_or(0.0, |store| store.wall_seconds),
            stage: Stage::Prepared(Box::new(prepared), resume.map(Box::new)),
            inputs,
            pace: Pace::default(),
            watches,
            sigma_95: None,
            likeness: OnceCell::new(),
        })
    }

    /// The scene that an engine must have before the first job.
    pub fn scene(&self) -> Arc<SceneData> {
        Arc::clone(&self.data)
    }

    /// Splits batches into parts of about this duration, so that a run can be saved or ended between them. No integer
    /// changes.
    pub fn cut_into(&mut self, parts: Duration) {
        self.pace.aim_seconds = Some(parts.as_secs_f64().clamp(PART_SECONDS[0], PART_SECONDS[1]));
    }

    /// Records that the engine has the scene, what it had spent `before`, and the loading time. For timing alone.
    pub fn loaded(&mut self, before: EngineSpent, load_seconds: f64) {
        self.watches.loaded(before, load_seconds);
        self.start();
    }

    /// Its progress.
    pub fn standing(&self) -> Standing {
        let at = |fraction_done, message| Standing { fraction_done, sigma_rel: self.sigma_95, message };
        match &self.stage {
            Stage::Pilot(_, pilot) => at(0.0, pilot.message()),
            Stage::Batches(batches) => {
                let share = |within| batches.share(&self.inputs.plan, within, self.sigma_95);
                at(share(0.0) + (share(1.0) - share(0.0)) * batches.within(), "transport")
            }
            Stage::Prepared(..) | Stage::Failed => at(0.0, "transport"),
        }
    }

    /// The state, to be saved; `None` before the size of batches is known.
    pub fn state(&mut self) -> Option<&BatchStore> {
        let wall_seconds = self.spent_before + self.watches.began.seconds();
        let Stage::Batches(batches) = &mut self.stage else { return None };
        batches.store.wall_seconds = wall_seconds;
        Some(&batches.store)
    }

    /// Batches that all passes have done.
    pub fn batches_done(&self) -> usize {
        if let Stage::Batches(batches) = &self.stage { batches.done() } else { 0 }
    }

    /// The next job; `None`: the run is over.
    pub fn task(&mut self) -> Result<Option<Task>, RunError> {
        self.start();
        loop {
            let asked = Moment::now();
            let batches = match &mut self.stage {
                Stage::Pilot(_, pilot) => {
                    let job = pilot.job(&self.data, &self.inputs.plan);
                    return Ok(Some(Task::of(job, pilot.place(), None, asked)));
                }
                Stage::Batches(batches) => batches,
                Stage::Prepared(..) | Stage::Failed => {
                    return Err(RunError::Cancelled { batches: 0, checkpoint: None });
                }
            };
            let Some(place) = batches.next() else { return Ok(None) };
            let (mut job, recipe) = batches.job(place);
            let total = job.params.histories;
            job.params.first = batches.begun(place, total);
            job.params.histories = job.params.first.saturating_add(self.pace.histories(place.0)).min(total);
            self.watches.passes[0][place.0 as usize] += asked.seconds();
            if job.params.first < total {
                // where batches are cut into parts, what follows the last part is the next batch
                let whole = |pass: Pass, job: &Job| self.pace.histories(pass) >= job.params.histories;
                let next = if job.params.histories < total { None } else { batches.take_next(place) };
                let (next, kept) = match next {
                    Some(((pass, number), next)) if whole(pass, &next) => (Some(((pass, number), next)), None),
                    other => (None, other),
                };
                if let Some(kept) = kept {
                    batches.keep(kept);
                }
                return Ok(Some(Task { recipe, next, ..Task::of(job, place, Some(total), asked) }));
            }
            // no batch is left
            self.end_batch(place)?;
        }
    }

    /// Takes the tally of a task, and what the engine has spent so far. Returns emptied bins for the engine. A second
    /// answer to a task is ignored.
    pub fn take(&mut self, task: Task, tally: BatchTally, spent: EngineSpent) -> Result<Option<EmptyBins>, RunError> {
        self.watches.engine_spent(spent);
        if !self.awaits(&task) {
            return Ok(None);
        }
        let taken = match task.total {
            None => self.take_pilot(&task, tally).map(|()| None),
            Some(total) => self.take_part(task, total, tally),
        };
        if taken.is_err() {
            self.stage = Stage::Failed;
        }
        taken
    }

    /// The results, once the run is over; before that it counts as cancelled. `device`: who ran it.
    pub fn finish(mut self, device: DeviceInfo) -> Result<Outcome, RunError> {
        let Stage::Batches(mut batches) = std::mem::replace(&mut self.stage, Stage::Failed) else {
            return Err(RunError::Cancelled { batches: 0, checkpoint: None });
        };
        if !batches.over() {
            return Err(RunError::Cancelled { batches: batches.done(), checkpoint: None });
        }
        batches.end();
        let mut store = batches.store;
        let clock = Moment::now();
        let mut sigmas = Vec::new();
        if self.inputs.plan.scoring == Scoring::Voxels {
            sigmas = self.target_sigmas(&store, true);
        }
        self.watches.spent.looks_seconds += clock.seconds();
        store.wall_seconds = self.spent_before + self.watches.began.seconds();
        Ok(Outcome {
            device,
            sigma_rel_95: stopping::quantile(&mut sigmas, 0.95),
            sigma_rel_50: stopping::quantile(&mut sigmas, 0.5),
            setup_seconds: self.watches.setup_seconds,
            spent: self.watches.account(),
            warnings: Vec::new(),
            store,
        })
    }

    /// Whether the answer to a task is the next one.
    fn awaits(&self, task: &Task) -> bool {
        let first = task.job.params.first;
        match (&self.stage, task.total) {
            (Stage::Pilot(_, pilot), None) => pilot.place() == task.place,
            (Stage::Batches(b), Some(total)) => b.next() == Some(task.place) && b.begun(task.place, total) == first,
            _ => false,
        }
    }

    /// Chooses between pilot and batches, once.
    fn start(&mut self) {
        let Stage::Prepared(..) = self.stage else { return };
        let Stage::Prepared(prepared, resume) = std::mem::replace(&mut self.stage, Stage::Failed) else { return };
        let plan = &*self.inputs.plan;
        let pilot = if resume.is_none() { Pilot::of(plan, &self.data, &prepared.source) } else { None };
        match (pilot, resume) {
            (Some(pilot), _) => self.stage = Stage::Pilot(prepared, Box::new(pilot)),
            (None, Some(store)) => self.begin(|plan| Batches::resumed(*prepared, plan, *store)),
            (None, None) => {
                let histories = if let Stop::Histories(n) = plan.stop { n as f64 } else { 1.0 };
                let per_batch = (histories / f64::from(batch_count(plan))).max(1.0);
                self.begin(|plan| Batches::fresh(*prepared, plan, per_batch));
            }
        }
    }

    /// The first batch comes next.
    fn begin(&mut self, make: impl FnOnce(&RunPlan) -> Batches) {
        self.watches.pilot_ends();
        let clock = Moment::now();
        self.stage = Stage::Batches(Box::new(make(&self.inputs.plan)));
        self.watches.spent.source_seconds += clock.seconds();
    }

    fn take_pilot(&mut self, task: &Task, tally: BatchTally) -> Result<(), RunError> {
        let Stage::Pilot(prepared, pilot) = &mut self.stage else { return Ok(()) };
        let around = (&self.inputs, &*self.data, &prepared.source);
        let Some(per_batch) = pilot.take(tally, task.asked.seconds(), task.job.histories(), around)? else {
            return Ok(());
        };
        if let Stage::Pilot(prepared, _) = std::mem::replace(&mut self.stage, Stage::Failed) {
            self.begin(|plan| Batches::fresh(*prepared, plan, per_batch));
        }
        Ok(())
    }

    fn take_part(&mut self, mut task: Task, total: u32, part: BatchTally) -> Result<Option<EmptyBins>, RunError> {
        let Stage::Batches(batches) = &mut self.stage else { return Ok(None) };
        let (place, took, slot) = (task.place, task.ready.seconds(), task.place.0 as usize);
        self.watches.passes[1][slot] += took;
        self.pace.learn(place.0, task.job.histories(), took);
        for made in [task.next.take(), task.ahead.take()].into_iter().flatten() {
            batches.keep(made);
        }
        let whole = batches.take_part(place, &task.job, total, part)?;
        let bins = if whole {
            Some(self.end_batch(place)?)
        } else {
            (task.job.params.first, task.job.params.histories) = (0, total);
            batches.keep((place, task.job));
            None
        };
        if let Stage::Batches(batches) = &mut self.stage {
            batches.store.passes[slot].seconds += task.asked.seconds();
        }
        Ok(bins)
    }

    /// Adds a batch to the sums; after its last pass, checks the uncertainty.
    fn end_batch(&mut self, place: Place) -> Result<EmptyBins, RunError> {
        let Stage::Batches(batches) = &mut self.stage else { unreachable!("only batches end") };
        let (clock, before) = (Moment::now(), batches.done());
        let bins = batches.end_batch(place, &self.inputs.plan)?;
        self.watches.passes[2][place.0 as usize] += clock.seconds();
        if batches.done() > before {
            self.look();
        }
        Ok(bins)
    }

    /// Checks the uncertainty if a check is due.
    fn look(&mut self) {
        let clock = Moment::now();
        let Stage::Batches(batches) = &self.stage else { return };
        let (plan, at) = (&*self.inputs.plan, batches.done() as u32);
        let sigma = |pooled| stopping::quantile(&mut self.target_sigmas(&batches.store, pooled), 0.95);
        match plan.stop {
            Stop::TargetSigma(goal) => {
                if at >= batches.store.looks.next {
                    let sigma = sigma(true);
                    let looks = stopping::look(batches.store.looks, at, sigma, goal);
                    self.sigma_95 = sigma;
                    if let Stage::Batches(batches) = &mut self.stage {
                        batches.store.looks = looks;
                    }
                }
            }
            // looked at rarely, and each voxel by itself: it walks over the target voxels
            Stop::Histories(_) | Stop::Seconds(_) => {
                if at >= 4 && at.is_multiple_of(4) && plan.scoring == Scoring::Voxels {
                    self.sigma_95 = sigma(false);
                }
            }
        }
        self.watches.spent.looks_seconds += clock.seconds();
    }

    /// Relative standard errors of the target voxels, `pooled` over similar ones or each by itself.
    fn target_sigmas(&self, store: &BatchStore, pooled: bool) -> Vec<f64> {
        let (scene, decays, plan) = (&*self.inputs.scene, &*self.inputs.decays, &*self.inputs.plan);
        let density = &scene.density_g_cm3;
        let alike = (pooled && plan.scoring == Scoring::Voxels).then(|| {
            self.likeness
                .get_or_init(|| Likeness::new(&scene.grid, density, decays, AIR_LIMIT_G_CM3))
                .of(density, decays)
        });
        stopping::target_sigmas(store, plan, scene, alike.as_ref())
    }
}
