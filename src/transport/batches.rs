//! The batches of a run: those done, the current one, and the next.

use crate::elementary::square;
use crate::tally::{BatchTally, ENTRY_KEV, EmptyBins, Ledger, Moments, Regions};
use crate::transport::allocation::Expectation;
use crate::transport::batch_store::{BatchStore, Looks, PartialBatch, PassStore};
use crate::transport::emission::Pass;
use crate::transport::error::{RunError, checked};
use crate::transport::identity::Identity;
use crate::transport::plan::{RunPlan, Stop, batch_count};
use crate::transport::prepare::{Prepared, job};
use crate::transport::stopping;
use crate::transport::{Job, SceneData};
use std::sync::Arc;

/// A batch of a pass: which, and its number.
pub(crate) type Place = (Pass, u32);

/// Everything needed to make a job, also on another thread.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    data: Arc<SceneData>,
    expectation: Arc<Expectation>,
    place: Place,
    seed: u64,
}

impl Recipe {
    /// The job and where it belongs.
    pub(crate) fn make(&self) -> (Place, Job) {
        (self.place, job(&self.data, self.place.0, &self.expectation, self.place.1, self.seed))
    }
}

/// The batches of a run.
#[derive(Debug)]
pub(crate) struct Batches {
    /// Those done and the current one.
    pub(crate) store: BatchStore,
    data: Arc<SceneData>,
    /// Electrons, photons; none once the last batch is done.
    expectations: Vec<Arc<Expectation>>,
    /// Place of each label in the store's list.
    place: Vec<u32>,
    /// Numbers of the batches to be run, unless an uncertainty decides.
    numbers: Vec<u32>,
    active: [bool; 2],
    /// Whether an uncertainty decides when to stop.
    open: bool,
    seed: u64,
    /// Jobs made: the current one, and the next two as far as they were made while others ran.
    made: Vec<(Place, Job)>,
    /// Histories of the current batch.
    under_way: u32,
}

impl Batches {
    /// Batches of a new run, with this many electron histories each.
    pub(crate) fn fresh(prepared: Prepared, plan: &RunPlan, per_batch: f64) -> Self {
        let Prepared { data, identity, mut source, all_decays, .. } = prepared;
        let expectations =
            [Pass::Electron, Pass::Photon].map(|pass| source.expect(pass, per_pass(plan, pass, per_batch)));
        let local_kev = std::mem::take(&mut source.local_kev);
        let mut store = empty_store(identity, &data, plan, &expectations, (per_batch, all_decays), local_kev);
        store.looks.next = stopping::first_look(batch_count(plan));
        Self::with(store, data, plan, expectations)
    }

    /// Batches of a run resumed from a state.
    pub(crate) fn resumed(prepared: Prepared, plan: &RunPlan, store: BatchStore) -> Self {
        let of = |pass| prepared.source.expect(pass, per_pass(plan, pass, store.per_batch));
        let expectations = [of(Pass::Electron), of(Pass::Photon)];
        Self::with(store, prepared.data, plan, expectations)
    }

    fn with(store: BatchStore, data: Arc<SceneData>, plan: &RunPlan, expectations: [Expectation; 2]) -> Self {
        let mut place = vec![0u32; store.labels.last().map_or(0, |&l| usize::from(l) + 1)];
        for (n, &label) in store.labels.iter().enumerate() {
            place[usize::from(label)] = n as u32;
        }
        let batches = batch_count(plan);
        Self {
            store,
            active: [Pass::Electron, Pass::Photon].map(|pass| data.passes().contains(&pass)),
            data,
            expectations: expectations.map(Arc::new).to_vec(),
            place,
            numbers: (0..batches).filter(|&b| plan.shard.is_none_or(|shard| shard.holds(b))).collect(),
            open: matches!(plan.stop, Stop::TargetSigma(_)),
            seed: plan.seed,
            made: Vec::new(),
            under_way: 0,
        }
    }

    /// Batches that all passes with emissions have done.
    pub(crate) fn done(&self) -> usize {
        let lengths = self.store.passes.iter().zip(self.active).filter(|(_, a)| *a).map(|(p, _)| p.rows.len());
        lengths.min().unwrap_or(0)
    }

    /// Number of the batch after `done` others; `None`: no more batches.
    fn number(&self, done: usize) -> Option<u32> {
        if self.open { Some(done as u32) } else { self.numbers.get(done).copied() }
    }

    /// Whether nothing is left to do.
    pub(crate) fn over(&self) -> bool {
        let enough = if self.open {
            self.store.looks.met >= stopping::LOOKS_IN_A_ROW
        } else {
            self.done() >= self.numbers.len()
        };
        enough || self.active == [false; 2]
    }

    /// What comes next.
    pub(crate) fn next(&self) -> Option<Place> {
        if self.over() {
            return None;
        }
        let at = self.done();
        let number = self.number(at)?;
        let waits = |pass: &Pass| self.active[*pass as usize] && self.store.passes[*pass as usize].rows.len() <= at;
        [Pass::Electron, Pass::Photon].into_iter().find(waits).map(|pass| (pass, number))
    }

    /// What comes after `place`, as far as it is known.
    fn after(&self, (pass, number): Place) -> Option<Place> {
        let following = || self.number(self.done() + 1);
        match pass {
            Pass::Electron if self.active[1] => Some((Pass::Photon, number)),
            Pass::Photon if self.active[0] => following().map(|number| (Pass::Electron, number)),
            Pass::Electron | Pass::Photon => following().map(|number| (pass, number)),
        }
    }

    fn recipe(&self, place: Place) -> Recipe {
        let expectation = Arc::clone(&self.expectations[place.0 as usize]);
        Recipe { data: Arc::clone(&self.data), expectation, place, seed: self.seed }
    }

    /// The job of `place`, and the recipe of the first of the two after it that has not been made.
    pub(crate) fn job(&mut self, place: Place) -> (Job, Option<Recipe>) {
        let found = self.made.iter().position(|(of, _)| *of == place);
        let (_, job) = match found {
            Some(n) => self.made.swap_remove(n),
            None => self.recipe(place).make(),
        };
        self.under_way = job.params.histories;
        let after = self.after(place);
        let second = after.and_then(|of| self.after(of)).filter(|&of| Some(of) != after && of != place);
        let follow = [after, second];
        self.made.retain(|(of, _)| follow.contains(&Some(*of)));
        let is_made = |of: &Place| self.made.iter().any(|(made, _)| made == of);
        let wanted = follow.into_iter().flatten().find(|of| !is_made(of));
        (job, wanted.map(|place| self.recipe(place)))
    }

    /// The job after `place`, if it is made.
    pub(crate) fn take_next(&mut self, place: Place) -> Option<(Place, Job)> {
        let after = self.after(place)?;
        let n = self.made.iter().position(|(of, _)| *of == after)?;
        Some(self.made.swap_remove(n))
    }

    /// Keeps a job for later.
    pub(crate) fn keep(&mut self, made: (Place, Job)) {
        self.made.push(made);
    }

    /// First history of `place`, a batch of `total` histories, that has not been run.
    pub(crate) fn begun(&self, (pass, number): Place, total: u32) -> u32 {
        let mine = |p: &&PartialBatch| p.pass == pass && p.number == number && p.next <= total;
        self.store.partial.as_ref().filter(mine).map_or(0, |partial| partial.next)
    }

    /// Adds the tally of a part of a batch of `total` histories, up to the job's end. Returns whether the batch is
    /// complete.
    pub(crate) fn take_part(
        &mut self,
        place: Place,
        job: &Job,
        total: u32,
        part: BatchTally,
    ) -> Result<bool, RunError> {
        checked(&part, job.histories(), place, self.seed)?;
        let mut partial = match self.store.partial.take() {
            Some(partial) if job.params.first > 0 => partial,
            _ => PartialBatch { pass: place.0, number: place.1, next: 0, tally: BatchTally::default() },
        };
        partial.tally.add(part).map_err(|bin| RunError::Overflow { bin })?;
        partial.next = job.params.histories;
        let whole = partial.next >= total;
        self.store.partial = Some(partial);
        Ok(whole)
    }

    /// Adds the current batch, `place`, to the sums and returns its bins, emptied.
    pub(crate) fn end_batch(&mut self, (pass, number): Place, plan: &RunPlan) -> Result<EmptyBins, RunError> {
        // a batch without histories has no tally
        let mut tally = self.store.partial.take().map(|partial| partial.tally).unwrap_or_default();
        tally.energy.resize(self.data.bins, 0);
        let regions = Regions {
            labels: plan.labels.as_deref().unwrap_or_default(),
            place: &self.place,
            count: self.store.labels.len(),
        };
        self.store.passes[pass as usize].add(number, tally, regions).map_err(|bin| RunError::Overflow { bin })
    }

    /// Fraction of the run done; `within` is that of the current batch, `sigma` the uncertainty reached, if known.
    pub(crate) fn share(&self, plan: &RunPlan, within: f64, sigma: Option<f64>) -> f64 {
        let (all, ready) = (self.numbers.len() as f64, self.done() as f64 + within);
        match (plan.stop, sigma) {
            (Stop::TargetSigma(goal), Some(sigma)) => square(goal / sigma).min(0.99).min(ready / all),
            _ => ready / all,
        }
    }

    /// Fraction of the current batch done: electrons take most of the time.
    pub(crate) fn within(&self) -> f64 {
        let passes = [(0.0, 0.8), (0.8, 0.2)];
        match &self.store.partial {
            Some(partial) => {
                let (from, width) = passes[partial.pass as usize];
                from + width * f64::from(partial.next) / f64::from(self.under_way.max(partial.next).max(1))
            }
            None if self.active[0] && self.next().is_some_and(|(pass, _)| pass == Pass::Photon) => passes[1].0,
            None => 0.0,
        }
    }

    /// Ends the run and frees sources and jobs.
    pub(crate) fn end(&mut self) {
        self.expectations.clear();
        self.made.clear();
        self.store.partial = None;
    }
}

/// Histories of a pass in a batch of this many electron histories.
fn per_pass(plan: &RunPlan, pass: Pass, per_batch: f64) -> f64 {
    match pass {
        Pass::Electron => per_batch,
        Pass::Photon => per_batch * plan.photon_share,
    }
}

/// The regions of a run.
#[derive(Default)]
struct Labels {
    /// Ascending.
    labels: Vec<u16>,
    /// Their energy that needs no sampling, keV.
    local_kev: Vec<f64>,
}

impl Labels {
    fn of(plan: &RunPlan, local_kev: &[f64]) -> Self {
        let by_bin = plan.labels.as_deref().unwrap_or_default();
        let mut sums = vec![0.0; 1 << 16];
        let mut present = vec![false; 1 << 16];
        by_bin.iter().for_each(|&label| present[usize::from(label)] = true);
        for (&label, local) in by_bin.iter().zip(local_kev) {
            sums[usize::from(label)] += local;
        }
        let labels: Vec<u16> = (0..=u16::MAX).filter(|&label| present[usize::from(label)]).collect();
        Self { local_kev: labels.iter().map(|&label| sums[usize::from(label)]).collect(), labels }
    }
}

/// The state of a new run; the pair: electron histories of a batch, decays of the source.
fn empty_store(
    identity: Identity,
    data: &SceneData,
    plan: &RunPlan,
    expectations: &[Expectation; 2],
    (per_batch, decays): (f64, f64),
    local_kev: Vec<f64>,
) -> BatchStore {
    let regions = Labels::of(plan, &local_kev);
    let pass = |pass: Pass, expectation: &Expectation| {
        let emission = data.emission(pass);
        PassStore {
            pass,
            moments: Moments::new(data.bins),
            ledger: Ledger::default(),
            rows: Vec::new(),
            decays_per_history: expectation.decays_per_history,
            kev_per_entry: ENTRY_KEV * expectation.decays_per_history * emission.yield_per_decay,
            seconds: 0.0,
        }
    };
    let open = matches!(plan.stop, Stop::TargetSigma(_));
    BatchStore {
        identity,
        shard: plan.shard,
        planned: if open { 0 } else { batch_count(plan) },
        per_batch,
        decays,
        local_kev,
        region_local_kev: regions.local_kev,
        labels: regions.labels,
        passes: [pass(Pass::Electron, &expectations[0]), pass(Pass::Photon, &expectations[1])],
        partial: None,
        looks: Looks::default(),
        wall_seconds: 0.0,
    }
}
