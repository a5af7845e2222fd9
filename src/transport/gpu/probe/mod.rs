//! Whether a device computes as the kernel needs it, found out before it is trusted: one short pass of which every answer is
//! known (`shaders/probe.wgsl`).
//!
//! The kernel's bits stand on single sums, differences and products of normal numbers, rounded to nearest, ties to even
//! (IEEE 754-2019, 4.3.1), on the barrier `nc` that keeps a compiler from joining or reordering them, on exact conversions,
//! on 64-bit sums by atomics of 32 bits, and on loops that run to their end. Numbers below the smallest normal one occur in no
//! history; what becomes of them is reported and not judged.

mod cases;
#[cfg(feature = "gpu")]
mod run;

pub use cases::{ANSWER_WORDS, BINS, CASE_WORDS, CASES, inputs};

use std::fmt;

/// The modules of the kernel that the pass stands on, and its entry point.
pub fn text() -> String {
    let own = include_str!("../../../../shaders/probe.wgsl");
    super::shader::compose_of(&["context", "prelude", "math", "rng"], own)
}

/// Something that the kernel needs of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Demand {
    /// Sums rounded to nearest even.
    Sums,
    /// Differences rounded to nearest even.
    Differences,
    /// Products rounded to nearest even.
    Products,
    /// A product and a sum stay two operations.
    Contraction,
    /// Sums stay in their order.
    Reassociation,
    /// A comparison is made of the rounded sum.
    Comparison,
    /// The barrier changes no bit.
    Barrier,
    /// The smallest normal numbers are kept.
    SmallestNormals,
    /// Whole numbers to floats.
    ToFloats,
    /// Floats to whole numbers, cut off.
    ToWholes,
    /// Elementary functions of the kernel.
    Functions,
    /// Random words.
    RandomWords,
    /// Loops run to their end.
    Loops,
    /// 64-bit entries, 96-bit accounts, flags and counts that many invocations write.
    Atomics,
}

impl Demand {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Sums,
        Self::Differences,
        Self::Products,
        Self::Contraction,
        Self::Reassociation,
        Self::Comparison,
        Self::Barrier,
        Self::SmallestNormals,
        Self::ToFloats,
        Self::ToWholes,
        Self::Functions,
        Self::RandomWords,
        Self::Loops,
        Self::Atomics,
    ];

    /// What a device does that does not meet it.
    pub fn breach(self) -> &'static str {
        match self {
            Self::Sums => "sums are not rounded to nearest even",
            Self::Differences => "differences are not rounded to nearest even",
            Self::Products => "products are not rounded to nearest even",
            Self::Contraction => "a product and a sum are joined into one operation",
            Self::Reassociation => "sums are reordered",
            Self::Comparison => "a comparison is made before the sum is rounded",
            Self::Barrier => "the barrier between operations changes numbers",
            Self::SmallestNormals => "the smallest normal numbers are lost",
            Self::ToFloats => "whole numbers become other floats",
            Self::ToWholes => "floats become other whole numbers",
            Self::Functions => "elementary functions differ",
            Self::RandomWords => "random words differ",
            Self::Loops => "loops do not run to their end",
            Self::Atomics => "sums that many invocations write are not whole",
        }
    }

    /// The words of a case's answers that tell, the first and the one behind the last; none for what all cases make together.
    fn words(self) -> Option<(usize, usize)> {
        Some(match self {
            Self::Sums => (0, 1),
            Self::Differences => (1, 2),
            Self::Products => (2, 3),
            Self::Contraction => (3, 4),
            Self::Reassociation => (4, 5),
            Self::Comparison => (5, 6),
            Self::Barrier => (6, 7),
            Self::SmallestNormals => (7, 10),
            Self::ToFloats => (11, 14),
            Self::ToWholes => (14, 15),
            Self::Functions => (15, 21),
            Self::RandomWords => (21, 23),
            Self::Loops => (23, 25),
            Self::Atomics => return None,
        })
    }
}

/// The word of a case's answers that holds half of the smallest normal numbers.
const HALVED: usize = 10;

/// A demand that a device does not meet.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Breach {
    /// Which.
    pub demand: Demand,
    /// Answers that differ.
    pub differing: usize,
    /// Answers in all.
    pub answers: usize,
    /// The first word that differs, as it must be and as it was.
    pub first: [u32; 2],
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [expected, found] = self.first;
        let (words, differing, answers) = (self.demand.breach(), self.differing, self.answers);
        write!(f, "{words} ({differing} of {answers} answers, the first {found:#010x} for {expected:#010x})")
    }
}

/// What a device makes of numbers below the smallest normal one, 2^-126.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Subnormals {
    /// They are kept.
    Kept,
    /// They become 0.
    Flushed,
    /// Some are kept, or become something else.
    Mixed,
}

/// What was found of a device.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Conformance {
    /// Demands that it does not meet, in their order; empty for a device that can be trusted.
    pub breaches: Vec<Breach>,
    /// What it makes of subnormal numbers, which no history meets.
    pub subnormals: Subnormals,
}

impl Conformance {
    /// Holds a device's answers against those that are right: the words of all cases, and what they made together, the
    /// tally's entries and then the ledger. What is missing is wrong.
    pub fn of(answers: &[u32], together: &[u32]) -> Self {
        let right = cases::answers();
        let rows = |all: &[u32], words: (usize, usize)| -> Vec<u32> {
            all.chunks_exact(ANSWER_WORDS).flat_map(|row| row[words.0..words.1].to_vec()).collect()
        };
        let breaches = Demand::ALL.into_iter().filter_map(|demand| match demand.words() {
            Some(words) => breach(demand, &rows(&right, words), &rows(answers, words)),
            None => breach(demand, &cases::together(), together),
        });
        let halved = (HALVED, HALVED + 1);
        let subnormals = match rows(answers, halved) {
            found if found == rows(&right, halved) => Subnormals::Kept,
            found if found.iter().all(|word| word << 1 == 0) => Subnormals::Flushed,
            _ => Subnormals::Mixed,
        };
        Self { breaches: breaches.collect(), subnormals }
    }

    /// Whether the device can be trusted.
    pub fn is_sound(&self) -> bool {
        self.breaches.is_empty()
    }

    /// What it does that the kernel cannot bear, in one sentence without an end.
    pub fn words(&self) -> String {
        let words: Vec<String> = self.breaches.iter().map(Breach::to_string).collect();
        words.join(", ")
    }
}

fn breach(demand: Demand, right: &[u32], found: &[u32]) -> Option<Breach> {
    let found = found.iter().copied().map(Some).chain(std::iter::repeat(None));
    let mut differ = right.iter().zip(found).filter(|(right, found)| Some(**right) != *found);
    let (&expected, first) = differ.next()?;
    let first = [expected, first.unwrap_or_default()];
    Some(Breach { demand, differing: 1 + differ.count(), answers: right.len(), first })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn law_right_answers_are_no_breach_and_every_word_is_judged_once() {
        let (right, together) = (cases::answers(), cases::together());
        let sound = Conformance::of(&right, &together);
        assert!(sound.is_sound(), "{}", sound.words());
        assert_eq!(sound.subnormals, Subnormals::Kept);
        let mut judged: Vec<usize> = Demand::ALL.iter().filter_map(|d| d.words()).flat_map(|(a, b)| a..b).collect();
        judged.push(HALVED);
        judged.sort_unstable();
        assert_eq!(judged, (0..ANSWER_WORDS).collect::<Vec<_>>());
    }

    #[test]
    fn alarm_each_wrong_word_is_named() {
        let (right, together) = (cases::answers(), cases::together());
        for demand in Demand::ALL {
            let (mut answers, mut sums) = (right.clone(), together.clone());
            let last = CASES - 1;
            match demand.words() {
                Some((_, end)) => answers[ANSWER_WORDS * last + end - 1] ^= 1,
                None => sums[3] ^= 1,
            }
            let found = Conformance::of(&answers, &sums);
            let named: Vec<Demand> = found.breaches.iter().map(|breach| breach.demand).collect();
            assert_eq!(named, [demand], "{}", found.words());
            assert!(found.words().contains(demand.breach()) && found.words().contains("1 of "), "{}", found.words());
        }
    }

    #[test]
    fn law_subnormals_are_told_and_not_judged() {
        let (mut answers, together) = (cases::answers(), cases::together());
        let halved = |answers: &mut [u32], with: fn(u32) -> u32| {
            answers.chunks_mut(ANSWER_WORDS).for_each(|row| row[HALVED] = with(row[HALVED]));
        };
        halved(&mut answers, |word| word & 0x8000_0000);
        let found = Conformance::of(&answers, &together);
        assert!(found.is_sound() && found.subnormals == Subnormals::Flushed);
        answers[HALVED] = 1;
        assert_eq!(Conformance::of(&answers, &together).subnormals, Subnormals::Mixed);
    }

    /// A device that writes nothing at all meets no demand.
    #[test]
    fn alarm_a_silent_device_is_not_trusted() {
        let found = Conformance::of(&vec![0; ANSWER_WORDS * CASES], &vec![0; cases::together().len()]);
        let named: Vec<Demand> = found.breaches.iter().map(|breach| breach.demand).collect();
        assert_eq!(named, Demand::ALL);
        let nothing: Vec<Demand> = Conformance::of(&[], &[]).breaches.iter().map(|breach| breach.demand).collect();
        assert_eq!(nothing, Demand::ALL);
    }
}
