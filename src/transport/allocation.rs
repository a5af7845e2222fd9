//! Decays -> histories: the number of histories of each voxel in a batch, and their weight.
//!
//! The number is fixed, never Poisson. A voxel that expects at least one history gets the expected number rounded up or
//! down, and the weight corrects for the rounding exactly. Voxels that expect less than one are sampled systematically,
//! without bias. Each batch draws its own rounding, so batches are independent.

use crate::kernel::single::rng::hash_key;
use std::sync::Arc;

/// Histories of one batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allocation {
    /// Three words per row: first history, voxel, weight (2^-16). A final row closes the list.
    pub words: Vec<u32>,
    /// Rows, the closing one not counted.
    pub rows: u32,
    /// Histories.
    pub histories: u32,
}

/// Fraction of the histories distributed by decays alone: no weight exceeds 1 / `PLAIN`, or twice that after rounding.
const PLAIN: f64 = 0.02;
/// Most histories per batch that the base gives for a wish of 1.
const BASE_HISTORIES: f64 = 4.0;

/// Wanted histories per voxel with decays, ascending; relative, not negative.
#[derive(Clone, Debug, PartialEq)]
pub struct Wishes {
    /// What serves the aim when all voxels have many histories.
    pub aim: Vec<f32>,
    /// What every voxel needs for a trustworthy standard error; 1 where the dose matters.
    pub base: Vec<f32>,
    /// Part of the histories that the base may take, 0 to 0.9.
    pub base_part: f64,
}

/// The voxels with decays and their wishes.
#[derive(Clone, Debug)]
pub struct Sources {
    /// Voxels with decays, ascending.
    voxel: Vec<u32>,
    /// Their decays.
    decays: Vec<f64>,
    /// Their wishes; `None`: by decays.
    wishes: Option<Wishes>,
    /// Sums of decays, of aim and of base.
    total: [f64; 3],
}

impl Sources {
    /// Sources of `decays` by voxel, with a wish for each voxel with decays; `None`: histories by decays. `decays` must hold
    /// some decay.
    pub fn new(decays: &[f64], wishes: Option<Wishes>) -> Self {
        let voxel: Vec<u32> = (0u32..).zip(decays).filter(|(_, d)| **d > 0.0).map(|(v, _)| v).collect();
        let decays: Vec<f64> = voxel.iter().map(|&v| decays[v as usize]).collect();
        let sum = |list: &[f32]| list.iter().copied().map(f64::from).sum::<f64>();
        let [aim, base] = wishes.as_ref().map_or([0.0; 2], |w| [sum(&w.aim), sum(&w.base)]);
        Self { total: [decays.iter().sum(), aim, base], voxel, decays, wishes }
    }
}

/// For each source voxel the histories it expects in a batch.
#[derive(Clone, Debug)]
pub struct Expectation {
    sources: Arc<Sources>,
    /// Histories for a decay, for a unit of aim and of base.
    factors: [f64; 3],
    /// Decays of one history of weight 1.
    pub decays_per_history: f64,
}

impl Expectation {
    /// About `histories` in all, in proportion to decays. `decays` must hold some decay.
    pub fn new(decays: &[f64], histories: f64) -> Self {
        Self::by_decays(&Arc::new(Sources::new(decays, None)), histories)
    }

    /// About `histories` in all, in proportion to decays; wishes are ignored.
    pub fn by_decays(sources: &Arc<Sources>, histories: f64) -> Self {
        let decays = sources.total[0];
        Self {
            sources: Arc::clone(sources),
            factors: [histories / decays, 0.0, 0.0],
            decays_per_history: decays / histories,
        }
    }

    /// About `histories` in all, by the sources' wishes: the fraction `PLAIN` by decays, then the base, which takes
    /// `BASE_HISTORIES` for each wish of 1 within its share, and the rest by the aim.
    pub fn of(sources: &Arc<Sources>, histories: f64) -> Self {
        let mut expectation = Self::by_decays(sources, histories);
        if let Some(wishes) = &sources.wishes {
            let [_, aim, base] = sources.total;
            let based = (BASE_HISTORIES * base).min(wishes.base_part * histories);
            let per = |histories: f64, wished: f64| if wished > 0.0 { histories / wished } else { 0.0 };
            let aimed = (1.0 - PLAIN) * histories - based;
            expectation.factors = [expectation.factors[0] * PLAIN, per(aimed, aim), per(based, base)];
        }
        expectation
    }

    /// Number of source voxels.
    pub fn sources(&self) -> usize {
        self.sources.voxel.len()
    }

    /// The histories of one batch. `stream` distinguishes passes and batches.
    pub fn batch(&self, stream: u32, seed: u64) -> Allocation {
        let key = hash_key(stream, 0x416C_6C6F, seed as u32, (seed >> 32) as u32);
        let unit = |w: u32| (f64::from(w) + 0.5) / 4_294_967_296.0;
        // cumulative expectation with a random start: floor(C_v + u) - floor(C_(v-1) + u)
        let mut cumulative = unit(key.a);
        // never negative: the whole part is the floor
        let mut before = cumulative as u64;
        let sources = &*self.sources;
        let mut words = Vec::with_capacity(3 * sources.voxel.len().min(1 << 24) + 3);
        let mut histories: u32 = 0;
        for (n, (&voxel, &decays)) in sources.voxel.iter().zip(&sources.decays).enumerate() {
            let mut expected = self.factors[0] * decays;
            if let Some(wishes) = &sources.wishes {
                expected += self.factors[1] * f64::from(wishes.aim[n]) + self.factors[2] * f64::from(wishes.base[n]);
            }
            cumulative += expected;
            let now = cumulative as u64;
            let n = (now - before) as u32;
            before = now;
            if n == 0 {
                continue;
            }
            let per_history = decays / self.decays_per_history;
            let weight = if expected >= 1.0 { per_history / f64::from(n) } else { per_history / expected };
            // weights are whole multiples of 2^-16: rounded up or down at random, so that the mean is exact
            let dither = hash_key(voxel, stream, seed as u32, (seed >> 32) as u32 ^ 0x5765_6967);
            let weight = (weight * 65_536.0 + unit(dither.a)).floor();
            assert!(weight <= f64::from(u32::MAX), "PLAIN keeps weights far below the 2^16 that fit");
            let weight = weight as u32;
            if weight == 0 {
                continue;
            }
            words.extend([histories, voxel, weight]);
            histories = histories.checked_add(n).expect("a batch has fewer than 2^32 histories");
        }
        let rows = (words.len() / 3) as u32;
        words.extend([histories, 0, 0]);
        Allocation { words, rows, histories }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Batches of a comparison.
    const BATCHES: u32 = 4000;

    /// Decays that the histories stand for, by voxel, mean over the batches; `fault` has each batch's rows first.
    fn mean_decays(decays: &[f64], histories: f64, fault: impl Fn(&mut Allocation)) -> Vec<f64> {
        let e = Expectation::new(decays, histories);
        let mut sum = vec![0.0; decays.len()];
        for b in 0..BATCHES {
            let mut a = e.batch(b, 7);
            fault(&mut a);
            for row in a.words.chunks(3).collect::<Vec<_>>().windows(2) {
                let n = row[1][0] - row[0][0];
                sum[row[0][1] as usize] +=
                    f64::from(n) * f64::from(row[0][2]) / 65_536.0 * e.decays_per_history / f64::from(BATCHES);
            }
        }
        sum
    }

    /// What is wrong with an allocation of uneven sources: a third expects several histories, the others less than one.
    fn bias(fault: impl Fn(&mut Allocation)) -> Option<String> {
        let decays: Vec<f64> =
            (0..200).map(|i| if i % 3 == 0 { 5000.0 + f64::from(i) } else { f64::from(i) }).collect();
        let histories = 500.0;
        let got = mean_decays(&decays, histories, fault);
        let total: f64 = decays.iter().sum();
        // the number of histories of a batch is rounded down or up: half a history at most, five sigma
        let rounding = 5.0 * 0.5 / histories / f64::from(BATCHES).sqrt();
        let off = got.iter().sum::<f64>() / total - 1.0;
        if off.abs() > rounding {
            return Some(format!("all: {off:e} of {rounding:e}"));
        }
        (0..decays.len()).find_map(|i| {
            let (d, g) = (decays[i], got[i]);
            let expected = d * histories / total;
            // a sure history is off by the rounding of its weight alone, one of 2^16; others are born or not: five sigma
            let born = 5.0 * ((1.0 - expected).max(0.0) / (expected * f64::from(BATCHES))).sqrt();
            let weight = 5.0 / 65_536.0 / f64::from(BATCHES).sqrt();
            let off = g / d - 1.0;
            (d > 0.0 && off.abs() > born + weight).then(|| format!("voxel {i}: {g} for {d}, {off:e}"))
        })
    }

    /// Decays represented equal decays given: exactly for large voxels, on average for faint ones.
    #[test]
    fn law_allocation_is_unbiased() {
        assert_eq!(bias(|_| {}), None);
    }

    /// The heaviest history of some batches, in weights of an analogue one, where one of 100 sources has the given wish,
    /// the others 1, with or without the part by decays.
    fn heaviest(wish: f32, plain: bool) -> f64 {
        let decays = [1.0; 100];
        let mut aim = vec![1.0; 100];
        aim[50] = wish;
        let sources = Arc::new(Sources::new(&decays, Some(Wishes { base: aim.clone(), aim, base_part: 0.25 })));
        let mut expectation = Expectation::of(&sources, 1000.0);
        if !plain {
            expectation.factors[0] = 0.0;
        }
        let heaviest = |b| expectation.batch(b, 7).words.chunks(3).map(|row| row[2]).max();
        f64::from((0..2000).filter_map(heaviest).max().expect("rows")) / 65_536.0
    }

    /// A source without wishes gets histories by decays, with a weight up to 1 / PLAIN (twice that after rounding).
    #[test]
    fn law_no_weight_passes_the_plain_part() {
        for wish in [0.0, 1e-3] {
            let heaviest = heaviest(wish, true);
            assert!((10.0..=2.0 / PLAIN).contains(&heaviest), "{heaviest}");
        }
    }

    /// Without that part the bound is passed.
    #[test]
    fn alarm_wishes_alone_make_heavy_histories() {
        let heaviest = heaviest(1e-3, false);
        assert!(heaviest > 2.0 / PLAIN, "{heaviest}");
    }

    /// The comparison sees one voxel whose histories are lost, weights rounded down and one history too few a batch.
    #[test]
    fn alarm_a_lost_voxel_or_a_biased_weight_is_seen() {
        // weights of the rows of one voxel of each kind
        for voxel in [100, 198] {
            let lost = |a: &mut Allocation| {
                for row in a.words.chunks_mut(3).filter(|row| row[1] == voxel) {
                    row[2] = 0;
                }
            };
            assert!(bias(lost).is_some_and(|why| why.starts_with("all") || why.contains(&format!("{voxel}:"))));
        }
        let cut = |a: &mut Allocation| a.words.chunks_mut(3).for_each(|row| row[2] &= !0x1F);
        assert!(bias(cut).is_some(), "weights cut to 2^-11");
        let heavy = |a: &mut Allocation| a.words.chunks_mut(3).for_each(|row| row[2] += row[2] / 500);
        assert!(bias(heavy).is_some(), "weights 0.2 % too high");
        let short = |a: &mut Allocation| {
            let last = a.words.len() - 3;
            a.words[last] -= 1;
        };
        assert!(bias(short).is_some(), "the last history of each batch");
    }
}
