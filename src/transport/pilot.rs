//! The pilot: small, discarded batches that find the size of a batch if the plan sets an uncertainty or a time.
//!
//! A pilot runs in rounds: each pass with emissions runs some batches and the round is evaluated; rounds grow until one
//! is conclusive. The pilot names its jobs and takes their tallies; the caller runs them.

use crate::neighbourhood::AIR_LIMIT_G_CM3;
use crate::tally::{BatchTally, ENTRY_KEV, Moments, Regions};
use crate::transport::allocation::Expectation;
use crate::transport::emission::Pass;
use crate::transport::error::{RunError, checked};
use crate::transport::plan::{MOST_HISTORIES_A_BATCH, RunPlan, Stop};
use crate::transport::prepare::{Inputs, SourceVoxels, job};
use crate::transport::stopping::HOT_SHARE;
use crate::transport::{Job, Scene, SceneData, Scoring};

/// Batch numbers from here on belong to the pilot; no run reaches them.
const PILOT_BATCH: u32 = u32::MAX >> 2;
/// Batches of a pass in a round that looks for an uncertainty.
const SIGMA_BATCHES: u32 = 8;
/// Electron histories of its batch at first.
const SIGMA_HISTORIES: f64 = 1000.0;
/// Most doublings of such a pilot.
const SIGMA_DOUBLINGS: u32 = 9;
/// Electron histories of a batch that is timed, at first.
const TIMED_HISTORIES: f64 = 10_000.0;
/// Fewest electron histories of a batch.
const LEAST_HISTORIES: f64 = 100.0;

/// Goal of a pilot.
#[derive(Debug)]
enum Aim {
    /// Batches that reach the uncertainty `goal`.
    Sigma {
        /// Relative standard error.
        goal: f64,
        /// Rounds before this one.
        doublings: u32,
        /// Energy by bin, for all decays in tally entries of weight 1 a particle.
        sum: Vec<f64>,
        /// Variance of that.
        variance: Vec<f64>,
        /// The current pass.
        moments: Moments,
    },
    /// Batches that take `seconds` together.
    Seconds {
        /// Total time, the pilot included, s.
        seconds: f64,
        /// Time of this round, s.
        round: f64,
        /// Time of all rounds, s.
        all: f64,
    },
}

/// A running pilot.
#[derive(Debug)]
pub(crate) struct Pilot {
    aim: Aim,
    /// Passes with emissions.
    passes: Vec<Pass>,
    /// Batches of a pass in a round.
    per_pass: u32,
    /// Electron histories of a batch of this round.
    histories: f64,
    /// Number of the round's first batch.
    first: u32,
    /// Index of the current pass and of its batch.
    at: (usize, u32),
    /// Where histories of the current pass start.
    expectation: Expectation,
}

impl Pilot {
    /// The pilot that a plan needs, if any.
    pub(crate) fn of(plan: &RunPlan, data: &SceneData, source: &SourceVoxels) -> Option<Self> {
        let (aim, per_pass, histories) = match plan.stop {
            Stop::Histories(_) => return None,
            Stop::TargetSigma(goal) => {
                let (sum, variance) = (at_home(source), vec![0.0; data.bins]);
                let moments = Moments::new(data.bins);
                (Aim::Sigma { goal, doublings: 0, sum, variance, moments }, SIGMA_BATCHES, SIGMA_HISTORIES)
            }
            Stop::Seconds(seconds) => (Aim::Seconds { seconds, round: 0.0, all: 0.0 }, 1, TIMED_HISTORIES),
        };
        let passes = data.passes();
        let pass = *passes.first()?;
        let expectation = source.expect(pass, histories * share(plan, pass));
        Some(Self { aim, passes, per_pass, histories, first: PILOT_BATCH, at: (0, 0), expectation })
    }

    /// What it is doing, for the user.
    pub(crate) fn message(&self) -> &'static str {
        match self.aim {
            Aim::Sigma { .. } => "choosing the batches",
            Aim::Seconds { .. } => "measuring the speed",
        }
    }

    fn batch(&self) -> u32 {
        self.first + self.at.1
    }

    /// The batch to run.
    pub(crate) fn place(&self) -> (Pass, u32) {
        (self.passes[self.at.0], self.batch())
    }

    /// Its job.
    pub(crate) fn job(&self, data: &SceneData, plan: &RunPlan) -> Job {
        let (pass, batch) = self.place();
        job(data, pass, &self.expectation, batch, plan.seed)
    }

    /// Takes a batch's tally and time, s. Returns the electron histories per batch, once known.
    pub(crate) fn take(
        &mut self,
        tally: BatchTally,
        took_seconds: f64,
        histories: u32,
        (inputs, data, source): (&Inputs<'_>, &SceneData, &SourceVoxels),
    ) -> Result<Option<f64>, RunError> {
        let (plan, pass) = (&*inputs.plan, self.passes[self.at.0]);
        checked(&tally, histories, (pass, self.batch()), plan.seed)?;
        match &mut self.aim {
            Aim::Seconds { round, all, .. } => {
                *round += took_seconds;
                *all += took_seconds;
            }
            Aim::Sigma { moments, .. } => {
                moments.absorb(tally.energy, Regions::default()).map_err(|bin| RunError::Overflow { bin })?;
            }
        }
        self.at.1 += 1;
        if self.at.1 < self.per_pass {
            return Ok(None);
        }
        self.end_pass(data, pass);
        self.at = (self.at.0 + 1, 0);
        if self.at.0 == self.passes.len() {
            if let Some(per_batch) = self.judge(&inputs.scene, plan) {
                return Ok(Some(per_batch));
            }
            self.next_round(source);
        }
        let pass = self.passes[self.at.0];
        self.expectation = source.expect(pass, self.histories * share(plan, pass));
        Ok(None)
    }

    /// Puts the moments of a pass into the sums over passes.
    fn end_pass(&mut self, data: &SceneData, pass: Pass) {
        let Aim::Sigma { sum, variance, moments, .. } = &mut self.aim else { return };
        let particles = data.emission(pass).yield_per_decay;
        let n = f64::from(SIGMA_BATCHES);
        let worth = self.expectation.decays_per_history * particles / n;
        let moments = std::mem::replace(moments, Moments::new(data.bins));
        for bin in 0..data.bins {
            sum[bin] += moments.sum[bin] as f64 * worth;
            variance[bin] += moments.variance_of_mean(bin) * n * n * worth * worth;
        }
    }

    /// The electron histories per batch, if the round is conclusive.
    fn judge(&self, scene: &Scene, plan: &RunPlan) -> Option<f64> {
        let most = MOST_HISTORIES_A_BATCH / plan.photon_share.max(1.0);
        let batches = f64::from(plan.batches);
        match &self.aim {
            // until the target as a whole has less than 100 % error; its energy-weighted variance then gives the
            // histories needed. Voxels fainter than the bulk need more batches of that size; a batch that is too large
            // cannot be undone
            Aim::Sigma { goal, doublings, sum, variance, .. } => {
                let counts = counts(sum, scene, plan);
                let noise: f64 = counts.iter().map(|&v| variance[v]).sum();
                let signal = counts.iter().map(|&v| sum[v] * sum[v] - variance[v]).sum::<f64>();
                (signal > noise || *doublings >= SIGMA_DOUBLINGS).then(|| {
                    let relative = noise / signal.max(noise).max(f64::MIN_POSITIVE);
                    let needed = self.histories * f64::from(SIGMA_BATCHES) * relative / (goal * goal);
                    (needed / batches).clamp(LEAST_HISTORIES, most).round()
                })
            }
            // long enough to mean something, short enough to cost little
            Aim::Seconds { seconds, round, all } => {
                let took = round.max(1e-4);
                (took >= (0.02 * seconds).min(0.5) || self.histories >= 1e7).then(|| {
                    let left = (seconds - all).max(0.1 * seconds);
                    (self.histories * left / batches / took).clamp(LEAST_HISTORIES, most)
                })
            }
        }
    }

    fn next_round(&mut self, source: &SourceVoxels) {
        match &mut self.aim {
            Aim::Sigma { doublings, sum, variance, .. } => {
                *doublings += 1;
                *sum = at_home(source);
                variance.fill(0.0);
                self.histories *= 2.0;
            }
            Aim::Seconds { round, .. } => {
                *round = 0.0;
                self.histories *= 4.0;
            }
        }
        self.first += self.per_pass;
        self.at = (0, 0);
    }
}

/// Energy by bin that needs no sampling, tally entries.
fn at_home(source: &SourceVoxels) -> Vec<f64> {
    source.local_kev.iter().map(|local| local / ENTRY_KEV).collect()
}

/// Histories of a pass for an electron history.
fn share(plan: &RunPlan, pass: Pass) -> f64 {
    if pass == Pass::Electron { 1.0 } else { plan.photon_share }
}

/// The bins that matter: the plan's target, else those above 10 % of the largest energy density.
fn counts(sum: &[f64], scene: &Scene, plan: &RunPlan) -> Vec<usize> {
    match (&plan.target, plan.scoring) {
        (Some(target), Scoring::Voxels) => (0..sum.len()).filter(|&v| target[v]).collect(),
        _ => {
            let density = |v: usize| f64::from(scene.density_g_cm3.get(v).copied().unwrap_or(1.0));
            let dose = |v: usize| if density(v) >= AIR_LIMIT_G_CM3 { sum[v] / density(v) } else { 0.0 };
            let top = (0..sum.len()).map(dose).fold(0.0, f64::max);
            (0..sum.len()).filter(|&v| dose(v) > HOT_SHARE * top).collect()
        }
    }
}
