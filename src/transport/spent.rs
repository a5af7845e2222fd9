//! Where the time of a run goes, and how much memory its engine holds.
//!
//! No result depends on these times.

use crate::clock::Moment;
use crate::transport::emission::Pass;
use serde::{Deserialize, Serialize};

/// Clock that timed the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KernelClock {
    /// The host's clock around the kernel.
    #[default]
    Wall,
    /// Timestamps that the device writes before and after each dispatch.
    DeviceTimestamps,
}

/// What an engine spent since it was made, s by pass (electrons, photons), and what it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EngineSpent {
    /// Making the kernel ready for the device.
    pub compile_seconds: [f64; 2],
    /// Histories in the kernel.
    pub kernel_seconds: [f64; 2],
    /// Clearing the tally and copying it to the host.
    pub read_back_seconds: [f64; 2],
    /// What `kernel_seconds` was read from.
    pub kernel_clock: KernelClock,
    /// Memory held for scene, tables, source, tally and threads, bytes.
    pub device_bytes: u64,
}

impl EngineSpent {
    /// What was spent since `before`, an earlier state of the same engine.
    pub fn since(&self, before: &EngineSpent) -> EngineSpent {
        let less = |now: [f64; 2], then: [f64; 2]| [now[0] - then[0], now[1] - then[1]];
        EngineSpent {
            compile_seconds: less(self.compile_seconds, before.compile_seconds),
            kernel_seconds: less(self.kernel_seconds, before.kernel_seconds),
            read_back_seconds: less(self.read_back_seconds, before.read_back_seconds),
            ..*self
        }
    }

    /// What this engine and the one that took over from it spent; clock and memory are those of `later`.
    pub fn and(&self, later: &EngineSpent) -> EngineSpent {
        let more = |a: [f64; 2], b: [f64; 2]| [a[0] + b[0], a[1] + b[1]];
        EngineSpent {
            compile_seconds: more(self.compile_seconds, later.compile_seconds),
            kernel_seconds: more(self.kernel_seconds, later.kernel_seconds),
            read_back_seconds: more(self.read_back_seconds, later.read_back_seconds),
            ..*later
        }
    }
}

/// Where the wall time of a run went, s. The parts follow each other and do not overlap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spent {
    /// Physics tables, emissions, voxel words; beside them the hashes of activity and regions, and where histories are
    /// wanted.
    pub tables_seconds: f64,
    /// Hashes of scene and tables; beside them the energy that needs no sampling.
    pub identity_seconds: f64,
    /// Bringing the scene to the engine.
    pub load_seconds: f64,
    /// Making the kernel ready for the device.
    pub compile_seconds: f64,
    /// Histories expected by voxel, regions, the state that batches are added to.
    pub source_seconds: f64,
    /// Histories thrown away to find the size of a batch.
    pub pilot_seconds: f64,
    /// Histories by voxel, where they were not drawn while the batch before ran; electrons, photons, as in all that
    /// follows.
    pub allocation_seconds: [f64; 2],
    /// Histories in the kernel.
    pub kernel_seconds: [f64; 2],
    /// What the engine spent besides: bringing jobs to the device, waiting for it and for the next job. Negative where the
    /// kernel ran on while the host did other things: all parts add up to the wall time.
    pub dispatch_seconds: [f64; 2],
    /// Clearing the tally and copying it to the host.
    pub read_back_seconds: [f64; 2],
    /// Batches to their sums and sums of squares, by voxel and by region.
    pub sums_seconds: [f64; 2],
    /// Checks of the uncertainty reached.
    pub looks_seconds: f64,
    /// What the times of the kernel were read from; not a time, so not among them where they are written.
    #[serde(skip)]
    pub kernel_clock: KernelClock,
    /// Memory that the engine holds, bytes; likewise.
    #[serde(skip)]
    pub device_bytes: u64,
}

impl Spent {
    /// Time before the first history, s.
    pub fn before_first_history_seconds(&self) -> f64 {
        self.tables_seconds + self.identity_seconds + self.load_seconds + self.compile_seconds + self.source_seconds
    }

    /// Time in the passes, s.
    pub fn pass_seconds(&self, pass: Pass) -> f64 {
        let slot = pass as usize;
        self.allocation_seconds[slot]
            + self.kernel_seconds[slot]
            + self.dispatch_seconds[slot]
            + self.read_back_seconds[slot]
            + self.sums_seconds[slot]
    }

    /// All parts, s.
    pub fn total_seconds(&self) -> f64 {
        self.before_first_history_seconds()
            + self.pilot_seconds
            + self.pass_seconds(Pass::Electron)
            + self.pass_seconds(Pass::Photon)
            + self.looks_seconds
    }
}

/// The timers of a run.
#[derive(Debug)]
pub(crate) struct Watches {
    /// When it began.
    pub(crate) began: Moment,
    /// What was spent on what, as far as it is known.
    pub(crate) spent: Spent,
    /// Time before the first history, s.
    pub(crate) setup_seconds: f64,
    /// Time on allocation, in the engine, on sums, s by pass.
    pub(crate) passes: [[f64; 2]; 3],
    /// When the pilot began.
    pilot: Moment,
    /// What the engine had spent before the run, before its first batch, and by now.
    engine: [EngineSpent; 3],
}

impl Watches {
    /// Timers that start now.
    pub(crate) fn start() -> Self {
        let now = Moment::now();
        let (spent, engine) = (Spent::default(), [EngineSpent::default(); 3]);
        Self { began: now, spent, setup_seconds: 0.0, passes: [[0.0; 2]; 3], pilot: now, engine }
    }

    /// Records that the engine has the scene, having spent `before`.
    pub(crate) fn loaded(&mut self, before: EngineSpent, load_seconds: f64) {
        self.engine = [before; 3];
        self.spent.load_seconds = load_seconds;
        self.setup_seconds = self.began.seconds();
        self.pilot = Moment::now();
    }

    /// Records what the engine has spent so far.
    pub(crate) fn engine_spent(&mut self, now: EngineSpent) {
        self.engine[2] = now;
    }

    /// The pilot, if there was one, is over.
    pub(crate) fn pilot_ends(&mut self) {
        self.engine[1] = self.engine[2];
        self.spent.compile_seconds = self.engine[1].since(&self.engine[0]).compile_seconds.iter().sum();
        self.spent.pilot_seconds = self.pilot.seconds() - self.spent.compile_seconds;
    }

    /// Where the time went.
    pub(crate) fn account(&self) -> Spent {
        let engine = self.engine[2].since(&self.engine[1]);
        let named = |n: usize| engine.compile_seconds[n] + engine.kernel_seconds[n] + engine.read_back_seconds[n];
        let [allocation_seconds, in_engine, sums_seconds] = self.passes;
        Spent {
            allocation_seconds,
            sums_seconds,
            compile_seconds: self.spent.compile_seconds + engine.compile_seconds.iter().sum::<f64>(),
            kernel_seconds: engine.kernel_seconds,
            read_back_seconds: engine.read_back_seconds,
            dispatch_seconds: [0, 1].map(|n| in_engine[n] - named(n)),
            kernel_clock: engine.kernel_clock,
            device_bytes: engine.device_bytes,
            ..self.spent
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn law_parts_of_two_engines_add_and_differ() {
        let one = EngineSpent {
            compile_seconds: [1.0, 0.5],
            kernel_seconds: [2.0, 3.0],
            read_back_seconds: [0.5, 0.25],
            kernel_clock: KernelClock::Wall,
            device_bytes: 10,
        };
        let two = EngineSpent { kernel_clock: KernelClock::DeviceTimestamps, device_bytes: 20, ..one };
        let both = one.and(&two);
        assert_eq!(both.kernel_seconds, [4.0, 6.0]);
        assert_eq!((both.kernel_clock, both.device_bytes), (KernelClock::DeviceTimestamps, 20));
        assert_eq!(both.since(&one).read_back_seconds, one.read_back_seconds);
        assert_eq!(both.since(&one).compile_seconds, one.compile_seconds);
    }
}
