//! Cumulative histograms of a course, by dose and by BED, with the band of the transport's statistics.

use super::frame::Frame;
use super::parts::Computed;
use crate::course::accumulate::{Accumulated, CycleDose, RegionParameters, TotalRow};
use crate::course::file::Course;
use crate::course::frame::{IDENTITY, resample};
use crate::dose::AIR_LIMIT_G_CM3;
use crate::dose::dvh::Dvh;
use crate::dose::dvh::band::{Noise, banded, curve};
use crate::dose::dvh::pieces::{Field, Member, region_dvhs};
use crate::dose::regions::RegionHistogram;
use std::collections::BTreeMap;

/// Radiobiology by region.
pub type Parameters<'a> = dyn Fn(&str) -> Option<RegionParameters> + 'a;

/// Cumulative histograms of the course's frame.
#[derive(Default)]
pub struct Histograms {
    /// Of the absorbed dose.
    pub dose: Vec<RegionHistogram>,
    /// Of the regions with radiobiology, in the order of `dose`.
    pub bed: Vec<RegionHistogram>,
    /// Relative standard error of the cumulative dose by voxel, where every cycle states it.
    pub sigma_rel: Option<Vec<f32>>,
}

impl Histograms {
    /// Histograms of dose and BED; empty without voxel sums.
    pub fn of(
        course: &Course,
        cycles: &[CycleDose],
        computed: &[Computed],
        frame: Option<&Frame>,
        accumulated: &Accumulated,
        parameters: &Parameters<'_>,
    ) -> Self {
        let (Some(frame), Some(voxels)) = (frame, &accumulated.voxels) else {
            return Self::default();
        };
        let sum: Vec<f32> = voxels.sums.sum_dose_gy.iter().map(|&gy| gy as f32).collect();
        let se_gy = standard_errors(course, cycles, computed, frame);
        let mut members: BTreeMap<u16, Vec<Member>> = BTreeMap::new();
        for (n, &label) in frame.labels.iter().enumerate() {
            let air = frame.density_g_cm3.as_ref().is_some_and(|d| f64::from(d[n]) < AIR_LIMIT_G_CM3);
            if label > 0 && !air {
                members.entry(label).or_default().push((n, 1.0));
            }
        }
        let mut found = Self::default();
        for (&label, region) in &frame.names {
            let Some(list) = members.get(&label) else { continue };
            let share = |n: usize| f32::from(u8::from(frame.labels[n] == label));
            let squares = cycles.iter().filter_map(|c| c.regions.get(region)).map(|r| r.dose_se_gy * r.dose_se_gy);
            let mean_se_gy = squares.sum::<f64>().sqrt();
            let field = Field {
                grid: &frame.grid,
                dose_gy: &sum,
                density_g_cm3: frame.density_g_cm3.as_deref(),
                least_density_g_cm3: AIR_LIMIT_G_CM3,
            };
            let tissue = parameters(region);
            let alpha_beta = tissue.as_ref().map(|tissue| tissue.radiobiology.alpha_beta_gy());
            // inside a voxel the cycles' shares of the dose are the voxel's own, so that Sum G D^2 goes with its square
            let grown = |n: usize, piece_gy: f32| {
                let (dose_gy, piece_gy) = (voxels.sums.sum_dose_gy[n], f64::from(piece_gy));
                let part = if dose_gy > 0.0 { piece_gy / dose_gy } else { 1.0 };
                (piece_gy + alpha_beta.map_or(0.0, |ab| voxels.sums.sum_g_dose2_gy2[n] / ab) * part * part) as f32
            };
            let [dose_dvh, bed_dvh] = region_dvhs(&field, list, &share, &grown);
            // `slope`: derivative of the quantity with respect to dose in a voxel
            let one = |dvh: Dvh, values: &[f32], slope: &dyn Fn(usize) -> f64| {
                let curve = match &se_gy {
                    None => curve(&dvh),
                    Some(se_gy) => {
                        let mean_slope = list.iter().map(|&(n, _)| slope(n)).sum::<f64>() / list.len() as f64;
                        banded(
                            &dvh,
                            &Noise {
                                dose_gy: list.iter().map(|&(n, _)| values[n]).collect(),
                                se_gy: list.iter().map(|&(n, _)| (f64::from(se_gy[n]) * slope(n)) as f32).collect(),
                                mass: list
                                    .iter()
                                    .map(|&(n, _)| frame.density_g_cm3.as_ref().map_or(1.0, |d| d[n]))
                                    .collect(),
                                mean_se_gy: mean_se_gy * mean_slope,
                            },
                        )
                    }
                };
                RegionHistogram { label, name: region.clone(), dvh, curve, total: None }
            };
            found.dose.push(one(dose_dvh, &sum, &|_| 1.0));
            if let Some(alpha_beta) = alpha_beta {
                let slope = |n: usize| {
                    let dose = voxels.sums.sum_dose_gy[n];
                    if dose > 0.0 { 1.0 + 2.0 * voxels.sums.sum_g_dose2_gy2[n] / dose / alpha_beta } else { 1.0 }
                };
                found.bed.push(one(bed_dvh, &voxels.bed_gy, &slope));
            }
        }
        found.sigma_rel =
            se_gy.map(|se| se.iter().zip(&sum).map(|(&se, &dose)| if dose > 0.0 { se / dose } else { 0.0 }).collect());
        found
    }

    /// Copies the points of these histograms into the table, so that all files of the run agree.
    pub fn refine(&self, totals: &mut [TotalRow]) {
        for row in totals {
            let point = |list: &[RegionHistogram], percent: f64| {
                let one = list.iter().find(|one| one.name == row.region)?;
                one.dvh.dose_at_volume_gy(percent).map(f64::from)
            };
            if row.dose_d50_gy.is_some() {
                row.dose_d98_gy = point(&self.dose, 98.0).or(row.dose_d98_gy);
                row.dose_d50_gy = point(&self.dose, 50.0).or(row.dose_d50_gy);
                row.dose_d2_gy = point(&self.dose, 2.0).or(row.dose_d2_gy);
            }
            if row.bed_d50_gy.is_some() {
                row.bed_d98_gy = point(&self.bed, 98.0).or(row.bed_d98_gy);
                row.bed_d50_gy = point(&self.bed, 50.0).or(row.bed_d50_gy);
                row.bed_d2_gy = point(&self.bed, 2.0).or(row.bed_d2_gy);
            }
        }
    }
}

/// Standard error of the cumulative dose by voxel, Gy; `None` if a cycle with a dose map does not state its own.
fn standard_errors(course: &Course, cycles: &[CycleDose], computed: &[Computed], frame: &Frame) -> Option<Vec<f32>> {
    let mut variance = vec![0.0_f64; frame.labels.len()];
    for ((cycle, given), one) in cycles.iter().zip(&course.cycles).zip(computed) {
        let Some(dose) = &cycle.dose_gy else { continue };
        let sigma = one.map.as_ref()?.sigma_rel.as_ref()?;
        let (moved, _) = resample(sigma, &frame.grid, &given.transform.unwrap_or(IDENTITY))?;
        for ((sum, &gy), &rel) in variance.iter_mut().zip(dose).zip(&moved.data) {
            *sum += f64::from(gy * rel).powi(2);
        }
    }
    Some(variance.into_iter().map(|v| v.sqrt() as f32).collect())
}
