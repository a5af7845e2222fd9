//! Dose-volume histograms of voxels of equal volume.
//!
//! Dv is the dose that at least v percent of the volume receives: with n voxels sorted from hot to cold it is the
//! dose of voxel number ceil(v n / 100). D2 is near the maximum, D98 near the minimum (ICRU 83, section 3.2).

/// Doses of a region's voxels, sorted from hot to cold.
#[derive(Clone, Debug, PartialEq)]
pub struct Dvh {
    descending_gy: Vec<f32>,
}

impl Dvh {
    /// Sorts the doses, Gy; a NaN sorts as the hottest.
    pub fn new(mut doses_gy: Vec<f32>) -> Self {
        doses_gy.sort_unstable_by(|a, b| b.total_cmp(a));
        Self { descending_gy: doses_gy }
    }

    /// Number of voxels.
    pub fn voxels(&self) -> usize {
        self.descending_gy.len()
    }

    /// Dose that at least `percent` of the volume receives, Gy. `percent` from 0 (hottest voxel) to 100 (coldest);
    /// none in an empty region.
    pub fn dose_at_volume_gy(&self, percent: f64) -> Option<f32> {
        let count = self.descending_gy.len();
        let rank = (percent / 100.0 * count as f64).ceil().max(1.0) as usize;
        self.descending_gy.get(rank.min(count).checked_sub(1)?).copied()
    }

    /// Share of the volume that receives `dose_gy` or more, 0 to 1; 0 in an empty region.
    pub fn volume_at_dose(&self, dose_gy: f32) -> f64 {
        if self.descending_gy.is_empty() {
            return 0.0;
        }
        self.descending_gy.partition_point(|&dose| dose >= dose_gy) as f64 / self.descending_gy.len() as f64
    }

    /// Highest dose, Gy.
    pub fn max_gy(&self) -> Option<f32> {
        self.descending_gy.first().copied()
    }

    /// Lowest dose, Gy.
    pub fn min_gy(&self) -> Option<f32> {
        self.descending_gy.last().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn law_quantiles_of_a_ladder() {
        let dvh = Dvh::new((1..=100).map(|gy| gy as f32).collect());
        assert_eq!(dvh.dose_at_volume_gy(2.0), Some(99.0));
        assert_eq!(dvh.dose_at_volume_gy(50.0), Some(51.0));
        assert_eq!(dvh.dose_at_volume_gy(98.0), Some(3.0));
        assert_eq!(dvh.dose_at_volume_gy(0.0), dvh.max_gy());
        assert_eq!(dvh.dose_at_volume_gy(100.0), dvh.min_gy());
    }

    #[test]
    fn law_dose_and_volume_invert_each_other() {
        let dvh = Dvh::new(vec![3.0, 1.0, 4.0, 1.5, 9.0, 2.6]);
        for percent in [1.0, 2.0, 33.0, 50.0, 98.0, 100.0] {
            let dose = dvh.dose_at_volume_gy(percent).expect("six voxels");
            assert!(dvh.volume_at_dose(dose) * 100.0 >= percent, "D{percent}");
        }
        assert_eq!(dvh.volume_at_dose(0.0), 1.0);
        assert_eq!(dvh.volume_at_dose(9.1), 0.0);
    }

    #[test]
    fn law_empty_region_has_no_dose() {
        let dvh = Dvh::new(Vec::new());
        assert_eq!(dvh.dose_at_volume_gy(50.0), None);
        assert_eq!(dvh.volume_at_dose(1.0), 0.0);
        assert_eq!(dvh.max_gy(), None);
    }
}
