//! One job on two engines: whether they agree, and where they first differ.
//!
//! Histories are independent and tallies are integers, so the tallies of two halves add up to that of the batch.
//! Bisection finds the first history that differs; that history alone gives the first voxel, and following it on both
//! engines the first step (`Step`).

use crate::kernel::single::electron::{electron_birth, electron_step};
use crate::kernel::single::navigate::Particle;
use crate::kernel::single::photon::{photon_birth, photon_step};
use crate::kernel::single::rng::{Rng, rng_for};
use crate::kernel::single::waiting::Stack;
use crate::kernel::{NO_HOME, Sink};
use crate::tally::{BatchTally, Ledger};
use crate::transport::emission::Pass;
use crate::transport::{Engine, EngineError, Job, SceneData};
use std::collections::BTreeMap;

/// Where two engines differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// First history that differs; `None` if no single one does, which means that an engine is not reproducible.
    pub history: Option<u32>,
    /// First tally bin that differs there.
    pub bin: Option<usize>,
    /// Tally entries of the first engine in that bin.
    pub first: i64,
    /// Tally entries of the second engine in that bin.
    pub second: i64,
    /// Whether account, flags or number of histories differ too.
    pub account: bool,
}

fn first_bin(a: &BatchTally, b: &BatchTally) -> Option<usize> {
    a.energy.iter().zip(&b.energy).position(|(x, y)| x != y)
}

fn describe(history: Option<u32>, a: &BatchTally, b: &BatchTally) -> Difference {
    let bin = first_bin(a, b);
    Difference {
        history,
        bin,
        first: bin.map_or(0, |n| a.energy[n]),
        second: bin.map_or(0, |n| b.energy[n]),
        account: (a.ledger, a.histories, a.flags) != (b.ledger, b.histories, b.flags),
    }
}

/// The first difference of two engines over a job with these `tallies`; `None` if they agree bit for bit.
pub fn first_difference(
    first: &mut dyn Engine,
    second: &mut dyn Engine,
    job: &Job,
    tallies: [&BatchTally; 2],
) -> Result<Option<Difference>, EngineError> {
    if tallies[0] == tallies[1] {
        return Ok(None);
    }
    let (mut low, mut high) = (job.params.first, job.params.histories);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        let part = job.part(low, middle);
        if first.run(&part)? == second.run(&part)? {
            low = middle;
        } else {
            high = middle;
        }
    }
    let alone = job.part(low, high);
    let (a, b) = (first.run(&alone)?, second.run(&alone)?);
    if a == b {
        return Ok(Some(describe(None, tallies[0], tallies[1])));
    }
    Ok(Some(describe(Some(low), &a, &b)))
}

/// An event in a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Born with this energy (units of 2^-5 eV) and weight (2^-16).
    Emitted(u32, u32),
    /// Energy left in a bin by a particle of that home; at home the tally does not change.
    Deposit(u32, u32, u32),
    /// Expected energy along the track in a bin.
    Estimate(u32, u32, u32),
    /// Energy left by an analogue collision.
    Absorbed(u32, u32),
    /// Energy that left the grid.
    Escaped(u32, u32),
    /// Energy radiated.
    Radiated(u32, u32),
    /// A flag raised.
    Flag(u32),
}

impl std::fmt::Display for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Emitted(units, weight) => write!(f, "emitted {units} weight {weight}"),
            Self::Deposit(bin, home, units) if bin == home => write!(f, "left {units} at home"),
            Self::Deposit(bin, _, units) => write!(f, "deposit {units} in {bin}"),
            Self::Estimate(bin, units, _) => write!(f, "estimate {units} in {bin}"),
            Self::Absorbed(units, _) => write!(f, "absorbed {units}"),
            Self::Escaped(units, _) => write!(f, "escaped {units}"),
            Self::Radiated(units, weight) => write!(f, "radiated {units} weight {weight}"),
            Self::Flag(bits) => write!(f, "flag {bits:#x}"),
        }
    }
}

/// State after one step of a history, and what the step changed. The first step includes the birth.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    /// Random stream after the step.
    pub rng: [u32; 4],
    /// The particle after the step, word for word.
    pub particle: [u32; 15],
    /// What the step changed in the tally, ascending in bin, tally entries.
    pub bins: Vec<(usize, i64)>,
    /// Account of the step.
    pub ledger: Ledger,
    /// Flags that it raised.
    pub flags: u32,
}

impl Step {
    /// Whether the history goes on.
    pub fn alive(&self) -> bool {
        self.particle[3] == 1
    }

    /// Energy of the particle, keV.
    pub fn energy_kev(&self) -> f64 {
        f64::from(self.particle[7]) / crate::units::TALLY_UNITS_PER_KEV
    }

    /// Voxel of the particle.
    pub fn voxel(&self) -> [u32; 3] {
        [self.particle[0], self.particle[1], self.particle[2]]
    }

    /// Names of what differs from another step.
    pub fn differences(&self, other: &Step) -> Vec<&'static str> {
        const NAMES: [&str; 15] =
            ["ix", "iy", "iz", "alive", "x", "y", "z", "energy", "ux", "uy", "uz", "weight", "flight", "steps", "home"];
        let mut names: Vec<&str> =
            (0..15).filter(|&n| self.particle[n] != other.particle[n]).map(|n| NAMES[n]).collect();
        if self.rng != other.rng {
            names.push("random stream");
        }
        if self.bins != other.bins {
            names.push("tally");
        }
        if self.ledger != other.ledger {
            names.push("account");
        }
        if self.flags != other.flags {
            names.push("flags");
        }
        names
    }
}

pub(crate) fn particle_words(p: &Particle) -> [u32; 15] {
    let f = f32::to_bits;
    [
        p.ix,
        p.iy,
        p.iz,
        p.alive,
        f(p.x),
        f(p.y),
        f(p.z),
        p.energy,
        f(p.ux),
        f(p.uy),
        f(p.uz),
        p.weight,
        f(p.flight),
        p.steps,
        p.home,
    ]
}

/// Records events.
#[derive(Default)]
struct Recorder {
    events: Vec<Event>,
    bins: BTreeMap<usize, i64>,
    ledger: Ledger,
    flags: u32,
}

fn worth(units: u32, weight: u32) -> u64 {
    u64::from(units) * u64::from(weight)
}

impl Recorder {
    /// Energy that does not stay at home.
    fn leaves(&mut self, home: u32, units: u32, weight: u32) {
        if home != NO_HOME {
            *self.bins.entry(home as usize).or_default() -= worth(units, weight).cast_signed();
        }
    }
}

impl Sink for Recorder {
    fn emitted(&mut self, units: u32, weight: u32) {
        self.events.push(Event::Emitted(units, weight));
        self.ledger.emitted += u128::from(worth(units, weight));
    }
    fn deposit(&mut self, index: u32, home: u32, units: u32, weight: u32) {
        if units != 0 {
            self.events.push(Event::Deposit(index, home, units));
            if index != home {
                *self.bins.entry(index as usize).or_default() += worth(units, weight).cast_signed();
                self.leaves(home, units, weight);
            }
            self.ledger.deposited += u128::from(worth(units, weight));
        }
    }
    fn estimate(&mut self, index: u32, units: u32, weight: u32) {
        if units != 0 {
            self.events.push(Event::Estimate(index, units, weight));
            *self.bins.entry(index as usize).or_default() += worth(units, weight).cast_signed();
            self.ledger.estimated += u128::from(worth(units, weight));
        }
    }
    fn absorbed(&mut self, units: u32, weight: u32) {
        self.events.push(Event::Absorbed(units, weight));
        self.ledger.deposited += u128::from(worth(units, weight));
    }
    fn escaped(&mut self, home: u32, units: u32, weight: u32) {
        self.leaves(home, units, weight);
        self.events.push(Event::Escaped(units, weight));
        self.ledger.escaped += u128::from(worth(units, weight));
    }
    fn radiated(&mut self, units: u32, weight: u32) {
        if worth(units, weight) != 0 {
            self.events.push(Event::Radiated(units, weight));
        }
        self.ledger.radiated += u128::from(worth(units, weight));
    }
    fn flag(&mut self, bits: u32) {
        self.events.push(Event::Flag(bits));
        self.flags |= bits;
    }
}

/// Follows one history of a job on the CPU, step by step, `most` steps at most; with the events of each step.
pub fn follow(scene: &SceneData, job: &Job, history: u32, most: usize) -> Vec<(Step, Vec<Event>)> {
    let cx = job.context(scene);
    let mut rng: Rng = rng_for(history, cx.params.batch, cx.params.seed_low, cx.params.seed_high);
    let mut stack = Stack::default();
    let mut recorder = Recorder::default();
    let mut particle = match job.pass {
        Pass::Electron => electron_birth(&cx, history, &mut recorder),
        Pass::Photon => photon_birth(&cx, history, &mut recorder),
    };
    let mut steps = Vec::new();
    while particle.alive == 1 && steps.len() < most {
        match job.pass {
            Pass::Electron => electron_step(&cx, &mut rng, &mut particle, &mut stack, &mut recorder),
            Pass::Photon => photon_step(&cx, &mut rng, &mut particle, &mut recorder),
        }
        let seen = std::mem::take(&mut recorder);
        let step = Step {
            rng: [rng.a, rng.b, rng.c, rng.d],
            particle: particle_words(&particle),
            bins: seen.bins.into_iter().filter(|(_, x)| *x != 0).collect(),
            ledger: seen.ledger,
            flags: seen.flags,
        };
        steps.push((step, seen.events));
    }
    steps
}
