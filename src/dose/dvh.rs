//! Dose-volume histograms.
//!
//! A histogram is built from pieces, each with a dose and a mass. Dv is the dose that v percent of the mass receives.
//! It is interpolated linearly between the midpoints of neighbouring pieces of the sorted list, so Dv and the share
//! above a dose are inverse functions. D2 is near the maximum, D98 near the minimum (ICRU 83, section 3.2).
//!
//! `pieces` cuts the voxels of a region into parts: inside a voxel the dose follows its neighbours linearly about the
//! voxel's own mean, and of a partly covered voxel only the part on the region's side counts (`edge`). A small structure then
//! has a smooth curve instead of a staircase. `own_grid` cuts a region on a finer grid of its own. `band` gives the uncertainty of the curve from the transport's noise.

/// How far noise may have moved a curve.
pub mod band;

/// Which part of a partly covered voxel is the region's.
mod edge;

/// The dose within voxels.
mod field;

/// Regions on finer grids of their own.
pub mod own_grid;

/// Voxels of a region to pieces.
pub mod pieces;

/// The band of everything known of a dose.
pub mod total;

/// Doses of a region with their masses, sorted from hot to cold.
#[derive(Clone, Debug, PartialEq)]
pub struct Dvh {
    descending_gy: Vec<f32>,
    /// Share of the mass that is hotter than the middle of each piece, ascending.
    above: Vec<f64>,
    mean_gy: f64,
}

impl Dvh {
    /// Pieces of equal mass, Gy; a NaN sorts as the hottest.
    pub fn new(doses_gy: Vec<f32>) -> Self {
        Self::weighted(doses_gy.into_iter().map(|dose| (dose, 1.0)).collect())
    }

    /// Pieces (dose in Gy, mass in any unit, not negative); those without mass are left out.
    pub fn weighted(mut pieces: Vec<(f32, f32)>) -> Self {
        pieces.retain(|piece| piece.1 > 0.0);
        pieces.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(b.1.total_cmp(&a.1)));
        let total: f64 = pieces.iter().map(|piece| f64::from(piece.1)).sum();
        let mean_gy =
            pieces.iter().map(|piece| f64::from(piece.0) * f64::from(piece.1)).sum::<f64>() / total.max(1e-300);
        let mut sum = 0.0;
        let above = pieces
            .iter()
            .map(|piece| {
                let mass = f64::from(piece.1);
                sum += mass;
                (sum - 0.5 * mass) / total
            })
            .collect();
        Self { descending_gy: pieces.into_iter().map(|piece| piece.0).collect(), above, mean_gy }
    }

    /// The histogram of another quantity of the same pieces (value, mass), read at the ranks of this one. A quantity that is
    /// nowhere below the dose then has no point below the dose's: its share above any value is at least the dose's, hence
    /// its quantiles are, and both histograms are interpolated between the same ranks.
    pub fn of_same_pieces(&self, mut pieces: Vec<(f32, f32)>) -> Self {
        pieces.retain(|piece| piece.1 > 0.0);
        pieces.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(b.1.total_cmp(&a.1)));
        let total: f64 = pieces.iter().map(|piece| f64::from(piece.1)).sum();
        let mean_gy =
            pieces.iter().map(|piece| f64::from(piece.0) * f64::from(piece.1)).sum::<f64>() / total.max(1e-300);
        let (mut place, mut sum) = (0, pieces.first().map_or(0.0, |piece| f64::from(piece.1)));
        let at_rank = |&above: &f64| {
            while sum < above * total && place + 1 < pieces.len() {
                place += 1;
                sum += f64::from(pieces[place].1);
            }
            pieces[place].0
        };
        let descending_gy = if pieces.is_empty() { Vec::new() } else { self.above.iter().map(at_rank).collect() };
        Self { descending_gy, above: self.above.clone(), mean_gy }
    }

    /// Whether nothing carries mass.
    pub fn is_empty(&self) -> bool {
        self.descending_gy.is_empty()
    }

    /// Number of pieces.
    pub fn pieces(&self) -> usize {
        self.descending_gy.len()
    }

    /// Dose that at least `percent` of the mass receives, Gy. `percent` from 0 (hottest piece) to 100 (coldest); none in
    /// an empty region.
    pub fn dose_at_volume_gy(&self, percent: f64) -> Option<f32> {
        let share = percent / 100.0;
        let next = self.above.partition_point(|&above| above < share);
        let last = self.descending_gy.len().checked_sub(1)?;
        if next == 0 {
            return self.descending_gy.first().copied();
        }
        if next > last {
            return self.descending_gy.last().copied();
        }
        let (from, to) = (self.above[next - 1], self.above[next]);
        let part = ((share - from) / (to - from)) as f32;
        Some(self.descending_gy[next - 1] + part * (self.descending_gy[next] - self.descending_gy[next - 1]))
    }

    /// Share of the mass that receives `dose_gy` or more, 0 to 1; 0 in an empty region.
    pub fn volume_at_dose(&self, dose_gy: f32) -> f64 {
        let next = self.descending_gy.partition_point(|&dose| dose >= dose_gy);
        match (next.checked_sub(1), self.descending_gy.get(next)) {
            (None, _) => 0.0,
            (Some(_), None) => 1.0,
            (Some(before), Some(&colder)) => {
                let (hotter, from) = (self.descending_gy[before], self.above[before]);
                let part = if hotter > colder { f64::from((hotter - dose_gy) / (hotter - colder)) } else { 1.0 };
                from + part * (self.above[next] - from)
            }
        }
    }

    /// Mean dose by mass, Gy; 0 in an empty region.
    pub fn mean_gy(&self) -> f64 {
        self.mean_gy
    }

    /// Highest dose, Gy.
    pub fn max_gy(&self) -> Option<f32> {
        self.descending_gy.first().copied()
    }

    /// Lowest dose, Gy.
    pub fn min_gy(&self) -> Option<f32> {
        self.descending_gy.last().copied()
    }

    /// The histogram of a quantity that grows with the dose of each piece (BED, say).
    pub fn mapped(&self, grows: impl Fn(f64) -> f64) -> Self {
        let mut mass_before = 0.0;
        let mut mean_gy = 0.0;
        let mapped: Vec<f32> = self.descending_gy.iter().map(|&dose| grows(f64::from(dose)) as f32).collect();
        for (&value, &middle) in mapped.iter().zip(&self.above) {
            let mass = 2.0 * (middle - mass_before);
            mass_before += mass;
            mean_gy += mass * f64::from(value);
        }
        Self { descending_gy: mapped, above: self.above.clone(), mean_gy }
    }

    /// Generalised equivalent uniform dose, Gy: (mean of D^a)^(1/a), `a` not 0; none in an empty region.
    pub fn generalised_eud_gy(&self, a: f64) -> Option<f64> {
        if self.is_empty() {
            return None;
        }
        let mean = self.mapped(|dose| dose.max(0.0).powf(a)).mean_gy;
        Some(mean.powf(1.0 / a))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn law_quantiles_of_a_ladder() {
        let dvh = Dvh::new((1..=100).map(|gy| gy as f32).collect());
        // the middles of the pieces lie at 0.5 %, 1.5 %, ...
        assert_eq!(dvh.dose_at_volume_gy(1.5), Some(99.0));
        assert_eq!(dvh.dose_at_volume_gy(2.0), Some(98.5));
        assert_eq!(dvh.dose_at_volume_gy(50.0), Some(50.5));
        assert_eq!(dvh.dose_at_volume_gy(98.0), Some(2.5));
        assert_eq!(dvh.dose_at_volume_gy(0.0), dvh.max_gy());
        assert_eq!(dvh.dose_at_volume_gy(100.0), dvh.min_gy());
        assert!((dvh.mean_gy() - 50.5).abs() < 1e-12);
    }

    #[test]
    fn law_dose_and_volume_invert_each_other() {
        let dvh = Dvh::weighted(vec![(3.0, 1.0), (1.0, 2.0), (4.0, 0.5), (1.5, 1.0), (9.0, 0.1), (2.6, 3.0)]);
        for percent in [1.0, 2.0, 33.0, 50.0, 80.0] {
            let dose = dvh.dose_at_volume_gy(percent).expect("six pieces");
            assert!((dvh.volume_at_dose(dose) * 100.0 - percent).abs() < 1e-3, "D{percent}");
        }
        assert_eq!(dvh.volume_at_dose(0.0), 1.0);
        assert_eq!(dvh.volume_at_dose(9.1), 0.0);
    }

    #[test]
    fn law_heavy_pieces_count_for_more() {
        // 1 g at 1 Gy and 3 g at 2 Gy
        let dvh = Dvh::weighted(vec![(1.0, 1.0), (2.0, 3.0)]);
        assert_eq!(dvh.mean_gy(), 1.75);
        assert_eq!(dvh.dose_at_volume_gy(37.5), Some(2.0), "the middle of the 3 g");
        assert_eq!(dvh.dose_at_volume_gy(87.5), Some(1.0), "the middle of the 1 g");
        let bed = dvh.mapped(|d| d + 0.1 * d * d);
        assert!((bed.mean_gy() - (0.25 * 1.1 + 0.75 * 2.4)).abs() < 1e-6);
        assert!((dvh.generalised_eud_gy(2.0).unwrap() - (0.25_f64 + 0.75 * 4.0).sqrt()).abs() < 1e-6);
    }

    #[test]
    fn law_empty_region_has_no_dose() {
        let dvh = Dvh::new(Vec::new());
        assert_eq!(dvh.dose_at_volume_gy(50.0), None);
        assert_eq!(dvh.volume_at_dose(1.0), 0.0);
        assert_eq!(dvh.max_gy(), None);
        assert_eq!(dvh.generalised_eud_gy(1.0), None);
    }
}
