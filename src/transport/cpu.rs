//! CpuEngine: the kernel on threads, one history at a time (the reference for every other engine) or several at once in
//! SIMD lanes, with the same integers.

use crate::clock::Moment;
use crate::cores;
use crate::kernel::lanes::{self, Entry, Feed, Set};
use crate::kernel::single::context::{Context, FLAG_TALLY_OVERFLOW};
use crate::kernel::single::electron::{electron_birth, electron_step};
use crate::kernel::single::photon::{photon_birth, photon_step};
use crate::kernel::single::rng::rng_for;
use crate::kernel::single::waiting::Stack;
use crate::kernel::{NO_HOME, Sink};
use crate::tally::{BatchTally, EmptyBins, Ledger};
use crate::text::counted;
use crate::transport::emission::Pass;
use crate::transport::halt::Halt;
use crate::transport::spent::EngineSpent;
use crate::transport::{DeviceInfo, Engine, EngineError, Job, SceneData};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

/// Histories a thread takes at a time.
const BLOCK: u32 = 1024;

/// How a thread carries its histories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// One at a time: the reference.
    Scalar,
    /// Several at once in the lanes of this instruction set.
    Lanes(Set),
}

impl Carrier {
    /// All that this machine supports, fastest first.
    pub fn available() -> Vec<Carrier> {
        let (plain, wide): (Vec<Set>, Vec<Set>) = Set::available().into_iter().partition(|s| *s == Set::Portable);
        let lanes = wide.into_iter().map(Carrier::Lanes);
        // plain arrays are slower than one history at a time where they were measured (SSE2)
        lanes.chain([Carrier::Scalar]).chain(plain.into_iter().map(Carrier::Lanes)).collect()
    }

    /// The fastest that this machine supports.
    pub fn fastest() -> Carrier {
        Self::available()[0]
    }

    /// The way of this name ([`Carrier::word`]) on this machine.
    ///
    /// Errors: a name of none; what it has.
    pub fn named(word: &str) -> Result<Carrier, Vec<&'static str>> {
        let all = Self::available();
        all.iter().copied().find(|way| way.word() == word).ok_or_else(|| all.iter().map(|way| way.word()).collect())
    }

    /// Histories that a thread carries at once.
    pub fn lanes(self) -> usize {
        match self {
            Carrier::Scalar => 1,
            Carrier::Lanes(set) => set.lanes(),
        }
    }

    /// Its name in device lists: `cpu:scalar`, `cpu:avx2`.
    pub fn word(self) -> &'static str {
        match self {
            Carrier::Scalar => "scalar",
            Carrier::Lanes(Set::Portable) => "plain",
            Carrier::Lanes(Set::Avx2) => "avx2",
            Carrier::Lanes(Set::Avx512) => "avx512",
            Carrier::Lanes(Set::Simd128) => "simd128",
        }
    }
}

impl std::fmt::Display for Carrier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Carrier::Scalar => write!(f, "one history at a time"),
            Carrier::Lanes(set) => write!(f, "{} histories at once ({})", set.lanes(), set.name()),
        }
    }
}

/// The CPU engine.
#[derive(Debug)]
pub struct CpuEngine {
    threads: usize,
    carrier: Carrier,
    scene: Option<Arc<SceneData>>,
    /// Bins for the next job.
    spare: EmptyBins,
    spent: EngineSpent,
    halt: Halt,
}

impl CpuEngine {
    /// An engine on `threads` threads, 0 for as many as the machine offers, that carries histories in the fastest way.
    pub fn new(threads: usize) -> Self {
        Self::with(threads, Carrier::fastest())
    }

    /// An engine that runs histories in a given way. [`Engine::run`] panics if the machine does not support it.
    pub fn with(threads: usize, carrier: Carrier) -> Self {
        let threads = match threads {
            0 => cores::cores(),
            n => n,
        };
        let (spare, spent, halt) = (EmptyBins::default(), EngineSpent::default(), Halt::default());
        Self { threads, carrier, scene: None, spare, spent, halt }
    }
}

struct SharedSink<'a> {
    tally: &'a [AtomicI64],
    /// No other thread writes, so sums need no lock.
    alone: bool,
    ledger: Ledger,
    flags: u32,
}

fn worth(units: u32, weight: u32) -> u64 {
    u64::from(units) * u64::from(weight)
}

impl SharedSink<'_> {
    fn tally(&mut self, index: u32, value: i64) {
        let bin = &self.tally[index as usize];
        let before = if self.alone {
            let before = bin.load(Ordering::Relaxed);
            bin.store(before.wrapping_add(value), Ordering::Relaxed);
            before
        } else {
            bin.fetch_add(value, Ordering::Relaxed)
        };
        if before.checked_add(value).is_none() {
            self.flags |= FLAG_TALLY_OVERFLOW;
        }
    }
}

impl Sink for SharedSink<'_> {
    fn emitted(&mut self, units: u32, weight: u32) {
        self.ledger.emitted += u128::from(worth(units, weight));
    }
    fn deposit(&mut self, index: u32, home: u32, units: u32, weight: u32) {
        if units != 0 {
            let value = worth(units, weight);
            self.ledger.deposited += u128::from(value);
            if index != home {
                self.tally(index, value.cast_signed());
                if home != NO_HOME {
                    self.tally(home, -value.cast_signed());
                }
            }
        }
    }
    fn estimate(&mut self, index: u32, units: u32, weight: u32) {
        if units != 0 {
            let value = worth(units, weight);
            self.tally(index, value.cast_signed());
            self.ledger.estimated += u128::from(value);
        }
    }
    fn absorbed(&mut self, units: u32, weight: u32) {
        self.ledger.deposited += u128::from(worth(units, weight));
    }
    fn escaped(&mut self, home: u32, units: u32, weight: u32) {
        let value = worth(units, weight);
        self.ledger.escaped += u128::from(value);
        if home != NO_HOME && units != 0 {
            self.tally(home, -value.cast_signed());
        }
    }
    fn radiated(&mut self, units: u32, weight: u32) {
        self.ledger.radiated += u128::from(worth(units, weight));
    }
    fn flag(&mut self, bits: u32) {
        self.flags |= bits;
    }
}

/// Histories for the lanes of a thread, and their entries into the tally.
struct Shared<'a, T> {
    take: &'a T,
    sink: SharedSink<'a>,
}

impl<T: Fn() -> Option<(u32, u32)>> Feed for Shared<'_, T> {
    fn take(&mut self) -> Option<(u32, u32)> {
        (self.take)()
    }
    fn pour(&mut self, entries: &[Entry]) {
        for part in entries.chunks(64) {
            // an atomic add stalls on its cache line: plain reads first fetch all lines at once
            if !self.sink.alone {
                let sum = part.iter().fold(0, |x, e| x ^ self.sink.tally[e.bin as usize].load(Ordering::Relaxed));
                std::hint::black_box(sum);
            }
            for entry in part {
                self.sink.tally(entry.bin, entry.entries);
            }
        }
    }
}

/// Follows history `h` of the electron pass to its end.
///
/// `stack` is empty before and after.
pub fn electron_history<S: Sink>(cx: &Context, h: u32, stack: &mut Stack, out: &mut S) {
    let mut particle = electron_birth(cx, h, out);
    let mut rng = rng_for(h, cx.params.batch, cx.params.seed_low, cx.params.seed_high);
    while particle.alive == 1 {
        electron_step(cx, &mut rng, &mut particle, stack, out);
    }
}

/// Follows history `h` of the photon pass to its end.
pub fn photon_history<S: Sink>(cx: &Context, h: u32, out: &mut S) {
    let mut particle = photon_birth(cx, h, out);
    let mut rng = rng_for(h, cx.params.batch, cx.params.seed_low, cx.params.seed_high);
    while particle.alive == 1 {
        photon_step(cx, &mut rng, &mut particle, out);
    }
}

impl Engine for CpuEngine {
    fn device(&self) -> DeviceInfo {
        DeviceInfo {
            engine: "cpu".into(),
            name: format!("{}, {}", counted(self.threads, "thread"), self.carrier),
            backend: "cpu".into(),
            driver: format!("lutra {} ({})", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH),
        }
    }

    fn load(&mut self, scene: Arc<SceneData>) -> Result<(), EngineError> {
        self.spare = EmptyBins::default();
        self.spent.device_bytes = scene.bytes() + 8 * scene.bins as u64;
        self.scene = Some(scene);
        Ok(())
    }

    fn heed(&mut self, halt: Halt) {
        self.halt = halt;
    }

    fn reuse(&mut self, bins: EmptyBins) {
        self.spare = bins;
    }

    fn spent(&self) -> EngineSpent {
        self.spent
    }

    fn run(&mut self, job: &Job) -> Result<BatchTally, EngineError> {
        let scene = Arc::clone(self.scene.as_ref().expect("a scene is loaded before a job is run"));
        let clock = Moment::now();
        let mut bins = std::mem::take(&mut self.spare);
        if bins.len() != scene.bins {
            bins = EmptyBins::new(scene.bins);
        }
        // the same memory is shared with the threads, moved into the batch, and returned by `reuse`
        let tally: Vec<AtomicI64> = bins.into_bins().into_iter().map(AtomicI64::new).collect();
        let cleared = clock.seconds();
        let parts = self.carry(job, &scene, &tally)?;
        let finished: u64 = parts.iter().map(|part| part.2).sum();
        if self.halt.asked() && finished < u64::from(job.histories()) {
            return Err(EngineError::Halted);
        }
        let carried = clock.seconds();
        let mut batch =
            BatchTally { energy: tally.into_iter().map(AtomicI64::into_inner).collect(), ..BatchTally::default() };
        for (ledger, flags, finished) in parts {
            batch.ledger.add(&ledger);
            batch.flags |= flags;
            batch.histories += finished;
        }
        let slot = job.pass as usize;
        let bytes = scene.bytes() + 8 * scene.bins as u64 + 4 * job.source_table.len() as u64;
        self.spent.device_bytes = self.spent.device_bytes.max(bytes);
        self.spent.kernel_seconds[slot] += carried - cleared;
        self.spent.read_back_seconds[slot] += cleared + clock.seconds() - carried;
        Ok(batch)
    }
}

/// Results of a thread's histories: ledger, flags, number.
type Part = (Ledger, u32, u64);

impl CpuEngine {
    /// Runs a job's histories into `tally`, on all threads of the engine.
    fn carry(&self, job: &Job, scene: &SceneData, tally: &[AtomicI64]) -> Result<Vec<Part>, EngineError> {
        if self.threads > cores::MOST_THREADS {
            return Err(EngineError::threads(
                self.threads,
                cores::MOST_THREADS,
                "the most that are allowed".to_owned(),
            ));
        }
        let cx = job.context(scene);
        let next = AtomicU32::new(cx.params.first);
        let alone = self.threads == 1;
        let take = || {
            if self.halt.asked() {
                return None;
            }
            let first = next.fetch_add(BLOCK, Ordering::Relaxed);
            (first < cx.params.histories).then(|| (first, first.saturating_add(BLOCK).min(cx.params.histories)))
        };
        cores::on_threads(self.threads, || {
            let sink = SharedSink { tally, alone, ledger: Ledger::default(), flags: 0 };
            match self.carrier {
                Carrier::Scalar => one_by_one(job.pass, &cx, &take, sink),
                Carrier::Lanes(set) => in_lanes(set, job.pass, &cx, &take, sink),
            }
        })
        .map_err(|refused| {
            let why = format!("the system starts no more now: {}", refused.source);
            EngineError::threads(self.threads, refused.started, why)
        })
    }
}

/// Follows the histories that `take` gives, one at a time.
fn one_by_one(pass: Pass, cx: &Context, take: &impl Fn() -> Option<(u32, u32)>, mut sink: SharedSink<'_>) -> Part {
    let mut stack = Stack::default();
    let mut finished = 0u64;
    while let Some((first, end)) = take() {
        for h in first..end {
            match pass {
                Pass::Electron => electron_history(cx, h, &mut stack, &mut sink),
                Pass::Photon => photon_history(cx, h, &mut sink),
            }
        }
        finished += u64::from(end - first);
    }
    (sink.ledger, sink.flags, finished)
}

/// Follows the histories that `take` gives, several at once.
fn in_lanes(set: Set, pass: Pass, cx: &Context, take: &impl Fn() -> Option<(u32, u32)>, sink: SharedSink<'_>) -> Part {
    let mut feed = Shared { take, sink };
    let account = lanes::carry(set, pass == Pass::Photon, cx, &mut feed);
    let ledger = Ledger {
        emitted: account.emitted,
        deposited: account.deposited,
        escaped: account.escaped,
        radiated: account.radiated,
        estimated: account.estimated,
    };
    (ledger, account.flags | feed.sink.flags, account.histories)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decay::Nuclide;
    use crate::grid::VoxelGrid;
    use crate::kernel::lanes::tests::spoil;
    use crate::materials::tissues::Tissue;
    use crate::transport::Scene;
    use crate::transport::allocation::Expectation;
    use crate::transport::plan::RunPlan;
    use crate::transport::prepare::{job, prepare};

    /// Keeps what lanes leave, on this thread.
    struct Kept<'a> {
        sink: SharedSink<'a>,
        next: Option<(u32, u32)>,
    }

    impl Feed for Kept<'_> {
        fn take(&mut self) -> Option<(u32, u32)> {
            self.next.take()
        }
        fn pour(&mut self, entries: &[Entry]) {
            entries.iter().for_each(|e| self.sink.tally(e.bin, e.entries));
        }
    }

    /// One wrong bit in one lane's random stream changes the tally.
    #[test]
    fn alarm_a_spoiled_lane_changes_the_tally() {
        let grid = VoxelGrid::axis_aligned([5, 5, 5], [2.0; 3], [0.0; 3]);
        let scene = Scene::uniform(grid, Tissue::built_in("water").unwrap(), 1.0).unwrap();
        let plan = RunPlan::default();
        let data = prepare(&scene, &Nuclide::load("lu177").unwrap(), &plan).unwrap();
        for pass in [Pass::Electron, Pass::Photon] {
            let job = job(&data, pass, &Expectation::new(&[1.0; 125], 2000.0), 0, 1);
            let cx = job.context(&data);
            for set in Set::available() {
                let run = |fault: Option<usize>| {
                    let tally: Vec<AtomicI64> = (0..125).map(|_| AtomicI64::new(0)).collect();
                    spoil(fault);
                    let sink = SharedSink { tally: &tally, alone: true, ledger: Ledger::default(), flags: 0 };
                    let mut feed = Kept { sink, next: Some((0, cx.params.histories)) };
                    let account = lanes::carry(set, pass == Pass::Photon, &cx, &mut feed);
                    spoil(None);
                    (account, tally.iter().map(|x| x.load(Ordering::Relaxed)).collect::<Vec<_>>())
                };
                let sound = run(None);
                assert!(run(None) == sound, "{set:?}, {pass:?}: repeats itself");
                for lane in [0, set.lanes() - 1] {
                    assert!(run(Some(lane)) != sound, "{set:?}, {pass:?}: lane {lane} was spoiled and nobody noticed");
                }
            }
        }
    }
}
