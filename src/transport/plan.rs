//! What to run: emissions, end, batches, part, seed.

use crate::physics::tables::TransportSettings;
use crate::transport::Scoring;
use crate::transport::emission::{Emissions, Pass};
use serde::{Deserialize, Serialize};

/// Most histories of a batch of one pass: the kernel numbers them with 32 bits.
pub const MOST_HISTORIES_A_BATCH: f64 = 1e9;

/// When a run stops.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub enum Stop {
    /// After this many electron histories (and photon histories in the plan's proportion).
    Histories(u64),
    /// When 95 % of the target voxels have at most this relative standard error in two checks in a row, and there are
    /// enough batches. A pilot sets the histories per batch, the same on every machine.
    TargetSigma(f64),
    /// After about this many seconds of transport.
    Seconds(f64),
}

/// A part of a run: batches whose number modulo `count` is `index`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// From 0 to `count` - 1.
    pub index: u32,
    /// Number of shards, at least 1.
    pub count: u32,
}

impl Shard {
    /// Whether a batch belongs to it.
    pub fn holds(&self, batch: u32) -> bool {
        batch % self.count == self.index
    }
}

/// What to run.
#[derive(Clone, Debug)]
pub struct RunPlan {
    /// Emissions that take part.
    pub emissions: Emissions,
    /// The only pass to run; `None`: both.
    pub only: Option<Pass>,
    /// When to stop.
    pub stop: Stop,
    /// Minimum number of batches; 20 to 64, or the number of shards.
    pub batches: u32,
    /// Which part of the batches to run; `None`: all. Only for a number of histories.
    pub shard: Option<Shard>,
    /// Photon histories per electron history.
    pub photon_share: f64,
    /// Seed.
    pub seed: u64,
    /// Physics settings.
    pub settings: TransportSettings,
    /// Where energy is tallied.
    pub scoring: Scoring,
    /// Whether photons deposit at collisions instead of along their tracks.
    pub analogue_photons: bool,
    /// Voxels whose uncertainty counts for progress and stopping; `None`: all above 10 % of the largest energy
    /// density of the first batches.
    pub target: Option<Vec<bool>>,
    /// Label by voxel for region means; labels without voxels are allowed.
    pub labels: Option<Vec<u16>>,
}

impl Default for RunPlan {
    fn default() -> Self {
        Self {
            emissions: Emissions::All,
            only: None,
            stop: Stop::Histories(10_000_000),
            batches: 20,
            shard: None,
            photon_share: 0.05,
            seed: 1,
            settings: TransportSettings::default(),
            scoring: Scoring::Voxels,
            analogue_photons: false,
            target: None,
            labels: None,
        }
    }
}

/// Batches of the whole run: what the plan asks for, at least one per shard, each with few enough histories for the
/// kernel's 32-bit numbers.
pub fn batch_count(plan: &RunPlan) -> u32 {
    let least = match plan.stop {
        Stop::Histories(n) => (n as f64 * plan.photon_share.max(1.0) / MOST_HISTORIES_A_BATCH).ceil() as u32,
        Stop::TargetSigma(_) | Stop::Seconds(_) => 1,
    };
    plan.batches.max(least).max(plan.shard.map_or(1, |s| s.count))
}
