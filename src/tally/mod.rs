//! Integer energy tallies: exact, order-independent, addable.
//!
//! One entry is worth `ENTRY_KEV` keV of one unit-weight history: the unit of energy is 2^-5 eV, the unit of weight
//! 2^-16. Batches are statistically independent; their sum and the sum of their squares are integers too, so that
//! adding runs in any order gives the same bits.

use crate::cores;
use crate::units::TALLY_UNITS_PER_KEV;

/// Energy of one tally entry, keV: 2^-5 eV times 2^-16.
pub const ENTRY_KEV: f64 = 1.0 / (TALLY_UNITS_PER_KEV * 65_536.0);

/// The energy account of analogue collisions, in tally entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Ledger {
    /// Energy of all particles born.
    pub emitted: u128,
    /// Energy left in matter.
    pub deposited: u128,
    /// Energy that left the grid.
    pub escaped: u128,
    /// Energy given to bremsstrahlung, whose photons are part of the photon pass.
    pub radiated: u128,
    /// Expected energy tallied along photon tracks (0 for electrons): equals `deposited` within statistics.
    pub estimated: u128,
}

impl Ledger {
    /// Whether emitted = deposited + escaped + radiated, exactly.
    pub fn balances(&self) -> bool {
        self.emitted == self.deposited + self.escaped + self.radiated
    }

    /// Adds another account.
    pub fn add(&mut self, other: &Ledger) {
        self.emitted += other.emitted;
        self.deposited += other.deposited;
        self.escaped += other.escaped;
        self.radiated += other.radiated;
        self.estimated += other.estimated;
    }
}

/// Result of one batch of one pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchTally {
    /// Energy by bin relative to all energy staying at home, tally entries; negative where more left than arrived.
    pub energy: Vec<i64>,
    /// The account.
    pub ledger: Ledger,
    /// Histories finished.
    pub histories: u64,
    /// Run flags (`FLAG_` bits of the kernel); 0 when all is well.
    pub flags: u32,
}

impl BatchTally {
    /// Adds another part of the same batch; an empty batch takes over its bins. Errors with the first bin that
    /// would pass 2^63.
    pub fn add(&mut self, part: BatchTally) -> Result<(), usize> {
        if self.energy.is_empty() {
            self.energy = part.energy;
        } else {
            assert_eq!(self.energy.len(), part.energy.len(), "parts of a batch have the bins of their run");
            for (bin, (sum, x)) in self.energy.iter_mut().zip(part.energy).enumerate() {
                *sum = sum.checked_add(x).ok_or(bin)?;
            }
        }
        self.ledger.add(&part.ledger);
        self.histories += part.histories;
        self.flags |= part.flags;
        Ok(())
    }
}

/// Bins that are all zero: a batch's memory after it has been added to the sums, so that the next batch needs no
/// clearing.
#[derive(Debug, Default)]
pub struct EmptyBins(Vec<i64>);

impl EmptyBins {
    /// This many zero bins.
    pub fn new(bins: usize) -> Self {
        Self(vec![0; bins])
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bins, to be filled.
    pub fn into_bins(self) -> Vec<i64> {
        self.0
    }
}

/// Regions whose energy is summed beside that of the bins.
#[derive(Clone, Copy, Debug, Default)]
pub struct Regions<'a> {
    /// Label by bin; bins beyond its end have none.
    pub labels: &'a [u16],
    /// Place of each label in the list of sums.
    pub place: &'a [u32],
    /// Length of that list.
    pub count: usize,
}

impl Regions<'_> {
    fn range(&self, from: usize, to: usize) -> Self {
        let end = self.labels.len();
        Self { labels: &self.labels[from.min(end)..to.min(end)], ..*self }
    }
}

/// Sum and sum of squares over batches, by bin: exact integers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moments {
    /// Number of batches.
    pub batches: u64,
    /// Sum by bin, tally entries.
    pub sum: Vec<i64>,
    /// Sum of squares by bin, tally entries squared.
    pub squares: Vec<u128>,
}

impl Moments {
    /// Moments of no batch over `bins` bins.
    pub fn new(bins: usize) -> Self {
        Self { batches: 0, sum: vec![0; bins], squares: vec![0; bins] }
    }

    /// Adds a batch. Errors with the first bin whose sum would pass 2^63.
    pub fn add_batch(&mut self, energy: &[i64]) -> Result<(), usize> {
        assert_eq!(energy.len(), self.sum.len(), "a batch has the bins of its run");
        self.batches += 1;
        for (bin, ((sum, squares), &x)) in self.sum.iter_mut().zip(&mut self.squares).zip(energy).enumerate() {
            if x == 0 {
                continue;
            }
            *sum = sum.checked_add(x).ok_or(bin)?;
            let size = u128::from(x.unsigned_abs());
            *squares = squares.checked_add(size * size).ok_or(bin)?;
        }
        Ok(())
    }

    /// As [`Moments::add_batch`], on all cores, and sums the batch by region in the same loop. Returns the bins,
    /// emptied.
    pub fn absorb(&mut self, mut energy: Vec<i64>, regions: Regions<'_>) -> Result<(EmptyBins, Vec<i128>), usize> {
        assert_eq!(energy.len(), self.sum.len(), "a batch has the bins of its run");
        self.batches += 1;
        let step = cores::piece(energy.len());
        let pieces = self.sum.chunks_mut(step).zip(self.squares.chunks_mut(step)).zip(energy.chunks_mut(step));
        let parts = cores::of_each(pieces.enumerate(), |(n, ((sum, squares), energy))| {
            let from = n * step;
            absorb_range(sum, squares, energy, &regions.range(from, from + energy.len())).map_err(|bin| from + bin)
        });
        let mut sums = vec![0i128; regions.count];
        for part in parts {
            // integers: the order of the parts does not matter
            sums.iter_mut().zip(part?).for_each(|(sum, part)| *sum += part);
        }
        Ok((EmptyBins(energy), sums))
    }

    /// Adds the moments of other batches of the same run. Errors with the first bin whose sum would pass 2^63.
    pub fn add(&mut self, other: &Moments) -> Result<(), usize> {
        assert_eq!(other.sum.len(), self.sum.len(), "moments have the bins of their run");
        self.batches += other.batches;
        for (bin, (sum, &x)) in self.sum.iter_mut().zip(&other.sum).enumerate() {
            *sum = sum.checked_add(x).ok_or(bin)?;
        }
        for (squares, x) in self.squares.iter_mut().zip(&other.squares) {
            *squares = squares.saturating_add(*x);
        }
        Ok(())
    }

    /// Mean of the batches, tally entries.
    pub fn mean(&self, bin: usize) -> f64 {
        self.sum[bin] as f64 / self.batches as f64
    }

    /// Variance of that mean, tally entries squared: the batches' spread over their number. 0 below two batches.
    pub fn variance_of_mean(&self, bin: usize) -> f64 {
        variance_of_mean(self.batches, i128::from(self.sum[bin]), self.squares[bin])
    }
}

/// Adds a range of bins of a batch, empties it, and sums it by region. Errors with the first bin that would overflow.
fn absorb_range(
    sum: &mut [i64],
    squares: &mut [u128],
    energy: &mut [i64],
    regions: &Regions<'_>,
) -> Result<Vec<i128>, usize> {
    /// Bins checked together: most voxels of a batch are zero.
    const BLOCK: usize = 64;
    let mut sums = vec![0i128; regions.count];
    // neighbours mostly lie in one region
    let (mut label, mut of_label) = (None, 0i128);
    let mut settle = |label: Option<u16>, energy: i128| {
        if let Some(label) = label {
            sums[regions.place[usize::from(label)] as usize] += energy;
        }
    };
    for (block, energy) in energy.chunks_mut(BLOCK).enumerate() {
        if energy.iter().fold(0, |any, &x| any | x) == 0 {
            continue;
        }
        let from = block * BLOCK;
        for (bin, x) in (from..).zip(energy) {
            let value = std::mem::take(x);
            if value == 0 {
                continue;
            }
            sum[bin] = sum[bin].checked_add(value).ok_or(bin)?;
            let size = u128::from(value.unsigned_abs());
            squares[bin] = squares[bin].checked_add(size * size).ok_or(bin)?;
            if let Some(&here) = regions.labels.get(bin) {
                if label != Some(here) {
                    settle(label, of_label);
                    (label, of_label) = (Some(here), 0);
                }
                of_label += i128::from(value);
            }
        }
    }
    settle(label, of_label);
    Ok(sums)
}

/// Variance of the mean of `n` numbers from their exact sum and sum of squares.
pub fn variance_of_mean(n: u64, sum: i128, squares: u128) -> f64 {
    if n < 2 {
        return 0.0;
    }
    let nf = n as f64;
    // sum of squared deviations = squares - sum^2/n; exact while n * squares fits, else in f64
    let sum_squared = sum.unsigned_abs().checked_mul(sum.unsigned_abs());
    let spread = match (squares.checked_mul(u128::from(n)), sum_squared) {
        (Some(a), Some(b)) => a.saturating_sub(b) as f64 / nf,
        _ => (squares as f64 - (sum as f64) * (sum as f64) / nf).max(0.0),
    };
    spread / (nf * (nf - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn law_moments_of_known_numbers() {
        let mut m = Moments::new(1);
        for x in [10, 12, 14, 16] {
            m.add_batch(&[x]).unwrap();
        }
        assert!((m.mean(0) - 13.0).abs() < 1e-12);
        // sample variance 20/3, of the mean 5/3
        assert!((m.variance_of_mean(0) - 5.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn law_large_numbers_do_not_cancel() {
        let big = 1i64 << 58;
        let mut m = Moments::new(1);
        for x in [big, big + 2] {
            m.add_batch(&[x]).unwrap();
        }
        assert!((m.variance_of_mean(0) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn law_adding_is_exact_in_any_order() {
        let batches: Vec<Vec<i64>> = (0..6i64).map(|b| (0..5i64).map(|v| b * 7919 - v * 104_729).collect()).collect();
        let fold = |order: &[usize]| {
            let mut m = Moments::new(5);
            for &b in order {
                m.add_batch(&batches[b]).unwrap();
            }
            m
        };
        let whole = fold(&[0, 1, 2, 3, 4, 5]);
        let mut parts = fold(&[5, 2]);
        parts.add(&fold(&[4, 0, 1, 3])).unwrap();
        assert_eq!(whole, parts);
    }

    #[test]
    fn alarm_overflow_is_an_error() {
        let mut m = Moments::new(2);
        m.add_batch(&[1, i64::MAX]).unwrap();
        assert_eq!(m.add_batch(&[1, 1]), Err(1));
    }

    /// On all cores, with regions on the way: the same integers as one after another, and bins that are empty.
    #[test]
    fn law_a_batch_absorbed_is_a_batch_added() {
        let bins = 100_003;
        let batch = |b: i64| -> Vec<i64> {
            (0..bins as i64).map(|v| if (v / 50 + b) % 3 == 0 { (v * 7919 - b * 104_729) << 20 } else { 0 }).collect()
        };
        let labels: Vec<u16> = (0..bins - 5).map(|v| [3, 9, 4][v / 1000 % 3]).collect();
        let place = [0, 0, 0, 0, 1, 0, 0, 0, 0, 2];
        let (mut one_by_one, mut absorbed) = (Moments::new(bins), Moments::new(bins));
        for b in 0..3 {
            let energy = batch(b);
            let mut expected = vec![0i128; 3];
            labels.iter().zip(&energy).for_each(|(&l, &x)| expected[place[usize::from(l)] as usize] += i128::from(x));
            one_by_one.add_batch(&energy).unwrap();
            let (empty, sums) = absorbed.absorb(energy, Regions { labels: &labels, place: &place, count: 3 }).unwrap();
            assert_eq!(sums, expected);
            assert!(empty.into_bins().iter().all(|&x| x == 0));
        }
        assert_eq!(one_by_one, absorbed);
    }

    /// The first bin that overflows is named, whichever core comes to it first.
    #[test]
    fn alarm_overflow_of_an_absorbed_batch_is_an_error() {
        let bins = 1_000_000;
        let mut m = Moments::new(bins);
        let mut full = vec![0; bins];
        (full[400_000], full[999_999]) = (i64::MAX, i64::MAX);
        m.absorb(full.clone(), Regions::default()).unwrap();
        assert_eq!(m.absorb(full, Regions::default()).err(), Some(400_000));
    }

    #[test]
    fn alarm_an_unbalanced_ledger_is_seen() {
        let mut ledger = Ledger { emitted: 10, deposited: 7, escaped: 2, radiated: 1, estimated: 0 };
        assert!(ledger.balances());
        ledger.escaped = 1;
        assert!(!ledger.balances());
    }
}
