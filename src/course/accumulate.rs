//! Doses of all cycles -> cumulative dose, BED, EQD2, histograms, per region and per voxel.
//!
//! The caller decides where a cycle's dose comes from (transport, an existing map, a stated number) and passes
//! `CycleDose`. Region sums need no registration; voxel sums need every map on the course's grid.

use std::collections::BTreeMap;

use serde::Serialize;
use thiserror::Error;

use super::total_budget::{OneCycle, TotalBudget, total};
use crate::bed::{
    BedAccumulator, BedError, BedMapAccumulator, DoseVolumeHistogram, DvhError, Radiobiology, eqd2_gy, eubed_gy,
    eud_gy, generalised_eud_gy, is_factor,
};
use crate::bounds::{self, BoundsError};
use crate::budget::{DoseBudget, Part, in_words};
use crate::dose::regions::{NegativeVoxels, negative_doses};
use crate::fault::{Explained, Fault, explained};
use crate::note::Note;
use crate::units::DECAYS_PER_MBQ_H;

/// Why doses cannot be accumulated.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AccumulateError {
    /// A region with BED has no half-life in a cycle.
    HalfLife {
        /// The cycle, from 1.
        cycle: usize,
        /// The region.
        region: String,
    },
    /// An impossible repair factor.
    Factor {
        /// The cycle, from 1.
        cycle: usize,
        /// The region.
        region: String,
        /// The factor found.
        g: f64,
    },
    /// A number outside its range.
    Value(#[from] BedError),
    /// A histogram.
    Histogram(#[from] DvhError),
    /// A dose impossible in a patient, or a sum too large for a map.
    Impossible(#[from] BoundsError),
}

explained!(AccumulateError);

impl Explained for AccumulateError {
    fn fault(&self) -> Fault {
        match self {
            Self::HalfLife { cycle, region } => Fault::invalid(
                format!("cycle {cycle}"),
                format!("effective_half_life_h.{region}"),
                "none",
                "a half-life, h",
                "The dose rate's repair factor needs it: state it, or give the cycle as a series.",
            ),
            Self::Factor { cycle, region, g } => Fault::invalid(
                format!("cycle {cycle}"),
                format!("region {region}: repair factor G"),
                g.to_string(),
                "above 0 and at most 1",
                "Check the time-activity curve.",
            ),
            Self::Value(error) => error.fault(),
            Self::Histogram(error) => error.fault(),
            Self::Impossible(error) => error.fault(),
        }
    }
}

/// One region in one cycle.
#[derive(Clone, Debug, PartialEq)]
pub struct RegionCycle {
    /// Label, where it comes from a map.
    pub label: Option<u16>,
    /// Mean absorbed dose, Gy.
    pub dose_gy: f64,
    /// Standard error, Gy: transport only, its statistics.
    pub dose_se_gy: f64,
    /// Photon part of the dose, Gy, where known.
    pub dose_photon_gy: Option<f64>,
    /// Mass, g, where known.
    pub mass_g: Option<f64>,
    /// Decays in the region on the grid of the dose, where known.
    pub decays: Option<f64>,
    /// Effective half-life, h, where known.
    pub effective_half_life_h: Option<f64>,
    /// Fitted curve, if any: gives the Lea-Catcheside factor for a repair half-life.
    pub kinetics: Option<super::time_activity::Kinetics>,
    /// How the decays were found.
    pub method: String,
    /// Random relative uncertainty of the curve, where known.
    pub curve_rel_sigma: Option<f64>,
    /// Systematic relative uncertainty that the series states; none for other sources.
    pub systematic_rel_sigma: Option<f64>,
    /// Random relative uncertainty of the half-life, where known.
    pub half_life_rel_sigma: Option<f64>,
    /// Images of the curve, where there is one.
    pub images: Option<usize>,
    /// What is known of the uncertainty, by source; empty for what is not from images.
    pub parts: Vec<Part>,
}

impl RegionCycle {
    /// A mean dose with nothing else known.
    pub fn of_dose(dose_gy: f64, method: &str) -> Self {
        Self {
            label: None,
            dose_gy,
            dose_se_gy: 0.0,
            dose_photon_gy: None,
            mass_g: None,
            decays: None,
            effective_half_life_h: None,
            kinetics: None,
            method: method.to_owned(),
            curve_rel_sigma: None,
            systematic_rel_sigma: None,
            half_life_rel_sigma: None,
            images: None,
            parts: Vec::new(),
        }
    }

    /// How sure its dose is.
    pub fn budget(&self) -> DoseBudget {
        DoseBudget::of(self.dose_gy, self.dose_se_gy, &self.parts)
    }

    /// Lea-Catcheside factor of the fitted curve, else of a single exponential; `None` without kinetics.
    pub fn g(&self, radiobiology: &Radiobiology) -> Option<f64> {
        let repair_h = radiobiology.repair_half_life_h();
        match (&self.kinetics, self.effective_half_life_h) {
            (Some(kinetics), _) => Some(kinetics.lea_catcheside_g(repair_h)),
            (None, Some(half_life_h)) => Some(crate::bed::g_mono(repair_h, half_life_h)),
            (None, None) => None,
        }
    }
}

/// One cycle as computed.
#[derive(Clone, Debug)]
pub struct CycleDose {
    /// Day of injection, ISO 8601.
    pub date: String,
    /// Administered activity, GBq.
    pub administered_gbq: f64,
    /// Regions by name; empty where dosimetry is missing.
    pub regions: BTreeMap<String, RegionCycle>,
    /// Dose map on the course's grid, Gy; `None` if there is none or it is not registered.
    pub dose_gy: Option<Vec<f32>>,
}

/// Radiobiology of a region.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RegionParameters {
    /// alpha/beta and repair half-life.
    pub radiobiology: Radiobiology,
    /// alpha, 1/Gy, for the EUBED.
    pub alpha_per_gy: Option<f64>,
    /// Exponent of the generalised EUD.
    pub geud_a: Option<f64>,
}

/// The anatomy of the course's frame, for voxel sums.
#[derive(Clone, Copy, Debug)]
pub struct CourseFrame<'a> {
    /// Label of each voxel.
    pub labels: &'a [u16],
    /// Names of the labels.
    pub names: &'a BTreeMap<u16, String>,
    /// Mass density, g/cm3, for mass weights; none for volume weights.
    pub density_g_cm3: Option<&'a [f32]>,
}

/// A region in one cycle, for the table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CycleRow {
    /// Cycle, from 1.
    pub cycle: usize,
    /// Day of injection.
    pub date: String,
    /// Region.
    pub region: String,
    /// Mass, g.
    pub mass_g: Option<f64>,
    /// Mean absorbed dose, Gy.
    pub dose_gy: f64,
    /// Standard error, Gy: transport only, its statistics.
    pub dose_se_gy: f64,
    /// Relative standard uncertainty of the dose (k = 1) by everything known; none where only the transport's is.
    pub dose_total_rel_sigma: Option<f64>,
    /// Lower end of the 95 % interval by the same, Gy.
    pub dose_low95_gy: Option<f64>,
    /// Upper end, Gy.
    pub dose_high95_gy: Option<f64>,
    /// Photon part of the dose, Gy.
    pub dose_photon_gy: Option<f64>,
    /// Dose per administered activity, Gy/GBq.
    pub gy_per_gbq: f64,
    /// Time-integrated activity in the region on the grid of the dose, MBq h, where known.
    pub tia_mbq_h: Option<f64>,
    /// Effective half-life, h.
    pub effective_half_life_h: Option<f64>,
    /// Lea-Catcheside factor.
    pub g: Option<f64>,
    /// alpha/beta, Gy.
    pub alpha_beta_gy: Option<f64>,
    /// Repair half-life, h.
    pub repair_half_life_h: Option<f64>,
    /// BED of the mean dose, Gy.
    pub bed_gy: Option<f64>,
    /// EQD2 of that BED, Gy.
    pub eqd2_gy: Option<f64>,
    /// How the decays were found.
    pub method: String,
    /// Random relative uncertainty of the decays, where known.
    pub curve_rel_sigma: Option<f64>,
    /// Sources of uncertainty of which nothing is known, in words.
    pub not_assessed: String,
    /// Whether one of these weighs, so that the total is the least it can be.
    #[serde(skip)]
    pub not_assessed_weighs: bool,
}

/// A region over the course, for the table. Sums include only cycles with dosimetry: see `cycles_missing`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TotalRow {
    /// Region.
    pub region: String,
    /// Cycles with a dose.
    pub cycles: usize,
    /// Cycles without a dose: the sums do not include them.
    pub cycles_missing: usize,
    /// Sum of mean doses, Gy.
    pub dose_gy: f64,
    /// The same per administered activity of these cycles, Gy/GBq.
    pub gy_per_gbq: f64,
    /// Sum of G D^2, Gy^2.
    pub sum_g_dose2_gy2: Option<f64>,
    /// BED of the mean doses, Gy.
    pub bed_gy: Option<f64>,
    /// EQD2 of that BED, Gy.
    pub eqd2_gy: Option<f64>,
    /// Mean of the voxel BEDs, Gy; protocol limits use a different quantity.
    pub voxel_mean_bed_gy: Option<f64>,
    /// Equivalent uniform BED over the voxels, Gy.
    pub eubed_gy: Option<f64>,
    /// Equivalent uniform dose, Gy: the uniform dose of this course whose BED is the EUBED.
    pub eud_gy: Option<f64>,
    /// Generalised EUD of the cumulative dose, Gy.
    pub geud_gy: Option<f64>,
    /// Cumulative dose that 98 % of the region's mass receives, Gy.
    pub dose_d98_gy: Option<f64>,
    /// Cumulative dose that half of it receives, Gy.
    pub dose_d50_gy: Option<f64>,
    /// Cumulative dose that 2 % of it receives, Gy.
    pub dose_d2_gy: Option<f64>,
    /// BED that 98 % receives, Gy.
    pub bed_d98_gy: Option<f64>,
    /// BED that half receives, Gy.
    pub bed_d50_gy: Option<f64>,
    /// BED that 2 % receives, Gy.
    pub bed_d2_gy: Option<f64>,
    /// Relative change of the region's mass between its lightest and heaviest cycle; it can mimic a dose trend.
    pub mass_change_rel: Option<f64>,
    /// Relative standard uncertainty of the dose (k = 1) by everything known; none where a cycle's is not known.
    pub dose_total_rel_sigma: Option<f64>,
    /// Lower end of its 95 % interval, Gy.
    pub dose_low95_gy: Option<f64>,
    /// Upper end, Gy.
    pub dose_high95_gy: Option<f64>,
    /// Relative standard uncertainty of the BED, as `dose_total_rel_sigma`.
    pub bed_total_rel_sigma: Option<f64>,
    /// Lower end of its 95 % interval, Gy.
    pub bed_low95_gy: Option<f64>,
    /// Upper end, Gy.
    pub bed_high95_gy: Option<f64>,
    /// Sources of uncertainty of which a cycle knows nothing, in words; empty where there is no total.
    pub not_assessed: String,
    /// Where all this is from.
    #[serde(skip)]
    pub budget: Option<TotalBudget>,
}

/// Voxel sums on the course's grid.
#[derive(Clone, Debug)]
pub struct VoxelSums {
    /// Sum D and Sum G D^2.
    pub sums: BedMapAccumulator,
    /// BED, Gy; 0 where a voxel's region has no radiobiology.
    pub bed_gy: Vec<f32>,
    /// EQD2, Gy; 0 where a voxel's region has no radiobiology.
    pub eqd2_gy: Vec<f32>,
}

/// A course, accumulated.
#[derive(Clone, Debug)]
pub struct Accumulated {
    /// Per cycle and region.
    pub cycles: Vec<CycleRow>,
    /// Per region.
    pub totals: Vec<TotalRow>,
    /// Per voxel, where every cycle with dosimetry has a registered map.
    pub voxels: Option<VoxelSums>,
    /// What the reader should know.
    pub warnings: Vec<Note>,
}

/// Accumulates the cycles. `parameters` gives a region's radiobiology, or `None` for no BED.
pub fn accumulate(
    cycles: &[CycleDose],
    frame: Option<CourseFrame<'_>>,
    parameters: &dyn Fn(&str) -> Option<RegionParameters>,
) -> Result<Accumulated, AccumulateError> {
    let mut rows = Vec::new();
    let mut warnings = Vec::new();
    let mut names: Vec<String> = cycles.iter().flat_map(|c| c.regions.keys().cloned()).collect();
    names.sort();
    names.dedup();
    for (index, cycle) in cycles.iter().enumerate() {
        for (name, region) in &cycle.regions {
            let what = format!("cycle {}: region {name}: dose", index + 1);
            bounds::region_dose(&what, region.dose_gy, Some(1e3 * cycle.administered_gbq))?;
            rows.push(cycle_row(index + 1, cycle, name, region, parameters(name))?);
        }
    }
    let voxels = match frame {
        Some(frame) => voxel_sums(cycles, &frame, parameters, &mut warnings)?,
        None => None,
    };
    let mut totals = Vec::new();
    let mut negative = Vec::new();
    for name in &names {
        let mut row = total_row(cycles, name, parameters(name))?;
        if let (Some(frame), Some(voxels)) = (&frame, &voxels) {
            add_voxel_points(&mut row, name, frame, voxels, parameters(name), &mut negative)?;
        }
        if let Some(change) = row.mass_change_rel
            && change > 0.02
        {
            warnings.push(
                Note::warning(
                    "mass-changes",
                    format!(
                        "its mass changes by {:.1} % between cycles; a new segmentation mimics a trend of dose",
                        100.0 * change
                    ),
                )
                .at(format!("region {name}")),
            );
        }
        totals.push(row);
    }
    warnings.extend(negative_doses(&negative));
    Ok(Accumulated { cycles: rows, totals, voxels, warnings })
}

fn cycle_row(
    number: usize,
    cycle: &CycleDose,
    name: &str,
    region: &RegionCycle,
    parameters: Option<RegionParameters>,
) -> Result<CycleRow, AccumulateError> {
    let tissue = parameters.map(|p| p.radiobiology);
    let g = match &tissue {
        None => None,
        Some(tissue) => {
            let g =
                region.g(tissue).ok_or_else(|| AccumulateError::HalfLife { cycle: number, region: name.to_owned() })?;
            if !is_factor(g) {
                return Err(AccumulateError::Factor { cycle: number, region: name.to_owned(), g });
            }
            Some(g)
        }
    };
    let bed = tissue.zip(g).map(|(tissue, g)| tissue.bed_gy(region.dose_gy, g));
    let budget = region.budget();
    let ends = budget.interval95_gy.map(|[low, high]| (low, high));
    Ok(CycleRow {
        cycle: number,
        date: cycle.date.clone(),
        region: name.to_owned(),
        mass_g: region.mass_g,
        dose_gy: region.dose_gy,
        dose_se_gy: region.dose_se_gy,
        dose_total_rel_sigma: budget.rel_sigma,
        dose_low95_gy: ends.map(|(low, _)| low),
        dose_high95_gy: ends.map(|(_, high)| high),
        dose_photon_gy: region.dose_photon_gy,
        gy_per_gbq: region.dose_gy / cycle.administered_gbq,
        tia_mbq_h: region.decays.map(|decays| decays / DECAYS_PER_MBQ_H),
        effective_half_life_h: region.effective_half_life_h,
        g,
        alpha_beta_gy: tissue.map(|t| t.alpha_beta_gy()),
        repair_half_life_h: tissue.map(|t| t.repair_half_life_h()),
        bed_gy: bed,
        eqd2_gy: bed.zip(tissue).map(|(bed, t)| eqd2_gy(bed, t.alpha_beta_gy())),
        method: region.method.clone(),
        curve_rel_sigma: region.curve_rel_sigma,
        not_assessed: budget.holes_in_words(),
        not_assessed_weighs: budget.at_least(),
    })
}

fn total_row(
    cycles: &[CycleDose],
    name: &str,
    parameters: Option<RegionParameters>,
) -> Result<TotalRow, AccumulateError> {
    let mut sum = BedAccumulator::default();
    let mut given = 0;
    let mut given_gbq = 0.0;
    let mut masses: Vec<f64> = Vec::new();
    let mut own = Vec::new();
    for (index, cycle) in cycles.iter().enumerate() {
        let Some(region) = cycle.regions.get(name) else { continue };
        given += 1;
        given_gbq += cycle.administered_gbq;
        masses.extend(region.mass_g);
        let g = match &parameters {
            None => 0.0,
            Some(p) => region
                .g(&p.radiobiology)
                .ok_or_else(|| AccumulateError::HalfLife { cycle: index + 1, region: name.to_owned() })?,
        };
        sum.add_cycle(region.dose_gy, g);
        own.push(OneCycle { dose_gy: region.dose_gy, se_gy: region.dose_se_gy, g, parts: &region.parts });
    }
    let budget = total(&own, parameters.map(|p| p.radiobiology.alpha_beta_gy()));
    let of_bed = budget.as_ref().and_then(|budget| budget.bed);
    let bed = parameters.map(|p| sum.bed_gy(p.radiobiology.alpha_beta_gy()));
    for (what, value) in [("cumulative dose", Some(sum.sum_dose_gy)), ("cumulative BED", bed)] {
        bounds::single(&format!("region {name}: {what}"), value.unwrap_or(0.0))?;
    }
    let heaviest = masses.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let lightest = masses.iter().copied().fold(f64::INFINITY, f64::min);
    Ok(TotalRow {
        region: name.to_owned(),
        cycles: given,
        cycles_missing: cycles.len() - given,
        dose_gy: sum.sum_dose_gy,
        gy_per_gbq: sum.sum_dose_gy / given_gbq,
        sum_g_dose2_gy2: parameters.map(|_| sum.sum_g_dose2_gy2),
        bed_gy: bed,
        eqd2_gy: bed.zip(parameters).map(|(bed, p)| eqd2_gy(bed, p.radiobiology.alpha_beta_gy())),
        voxel_mean_bed_gy: None,
        eubed_gy: None,
        eud_gy: None,
        geud_gy: None,
        dose_d98_gy: None,
        dose_d50_gy: None,
        dose_d2_gy: None,
        bed_d98_gy: None,
        bed_d50_gy: None,
        bed_d2_gy: None,
        mass_change_rel: (masses.len() > 1 && lightest > 0.0).then(|| heaviest / lightest - 1.0),
        dose_total_rel_sigma: budget.as_ref().map(|budget| budget.dose.rel_sigma),
        dose_low95_gy: budget.as_ref().map(|budget| budget.dose.interval95_gy[0]),
        dose_high95_gy: budget.as_ref().map(|budget| budget.dose.interval95_gy[1]),
        bed_total_rel_sigma: of_bed.map(|bed| bed.rel_sigma),
        bed_low95_gy: of_bed.map(|bed| bed.interval95_gy[0]),
        bed_high95_gy: of_bed.map(|bed| bed.interval95_gy[1]),
        not_assessed: budget.as_ref().map(|budget| in_words(&budget.not_assessed)).unwrap_or_default(),
        budget,
    })
}

fn voxel_sums(
    cycles: &[CycleDose],
    frame: &CourseFrame<'_>,
    parameters: &dyn Fn(&str) -> Option<RegionParameters>,
    warnings: &mut Vec<Note>,
) -> Result<Option<VoxelSums>, AccumulateError> {
    let mut sums = BedMapAccumulator::new(frame.labels.len());
    let mut added = 0;
    for (index, cycle) in cycles.iter().enumerate() {
        if cycle.regions.is_empty() {
            warnings.push(Note::warning(
                "cycle-without-dosimetry",
                format!("cycle {} has no dosimetry: the voxel maps do not hold it", index + 1),
            ));
            continue;
        }
        let Some(dose) = &cycle.dose_gy else {
            let text = format!(
                "cycle {} has no dose map in the course's frame: no voxel maps are written (regions are summed all the same)",
                index + 1
            );
            warnings.push(Note::warning("no-voxel-maps", text));
            return Ok(None);
        };
        let by_label: BTreeMap<u16, f32> = frame
            .names
            .iter()
            .filter_map(|(&label, name)| {
                let g = cycle.regions.get(name)?.g(&parameters(name)?.radiobiology)?;
                Some((label, g as f32))
            })
            .collect();
        let g: Vec<f32> = frame.labels.iter().map(|label| by_label.get(label).copied().unwrap_or(0.0)).collect();
        sums.add_cycle(dose, &g)?;
        added += 1;
    }
    if added == 0 {
        return Ok(None);
    }
    let alpha_beta: BTreeMap<u16, f64> = frame
        .names
        .iter()
        .filter_map(|(&label, name)| Some((label, parameters(name)?.radiobiology.alpha_beta_gy())))
        .collect();
    let of_voxel = |(voxel, label): (usize, &u16)| {
        alpha_beta.get(label).map_or((0.0, 0.0), |&alpha_beta| {
            let bed = sums.sum_dose_gy[voxel] + sums.sum_g_dose2_gy2[voxel] / alpha_beta;
            (bed, eqd2_gy(bed, alpha_beta))
        })
    };
    let held = |(bed, eqd2): (f64, f64)| -> Result<(f32, f32), BoundsError> {
        Ok((bounds::single("BED of a voxel", bed)?, bounds::single("EQD2 of a voxel", eqd2)?))
    };
    let both: Vec<(f32, f32)> =
        frame.labels.iter().enumerate().map(|voxel| held(of_voxel(voxel))).collect::<Result<_, _>>()?;
    let (bed_gy, eqd2_gy) = both.into_iter().unzip();
    Ok(Some(VoxelSums { sums, bed_gy, eqd2_gy }))
}

/// Histogram points, EUBED, EUD and gEUD of a region from the voxel sums.
fn add_voxel_points(
    row: &mut TotalRow,
    name: &str,
    frame: &CourseFrame<'_>,
    voxels: &VoxelSums,
    parameters: Option<RegionParameters>,
    negative: &mut Vec<NegativeVoxels>,
) -> Result<(), AccumulateError> {
    let Some((&label, _)) = frame.names.iter().find(|(_, known)| *known == name) else { return Ok(()) };
    let members: Vec<usize> = (0..frame.labels.len()).filter(|&v| frame.labels[v] == label).collect();
    let weights: Vec<f64> =
        members.iter().map(|&v| frame.density_g_cm3.map_or(1.0, |density| f64::from(density[v]))).collect();
    if members.is_empty() || weights.iter().sum::<f64>() <= 0.0 {
        return Ok(());
    }
    let dose: Vec<f64> = members.iter().map(|&v| voxels.sums.sum_dose_gy[v]).collect();
    let dose_points = DoseVolumeHistogram::new(dose.iter().copied().zip(weights.iter().copied()))?;
    row.dose_d98_gy = Some(dose_points.value_at_percent(98.0));
    row.dose_d50_gy = Some(dose_points.value_at_percent(50.0));
    row.dose_d2_gy = Some(dose_points.value_at_percent(2.0));
    let below = dose.iter().filter(|d| **d < 0.0).count();
    let wants_geud = parameters.is_some_and(|p| p.geud_a.is_some());
    // of a region without stated radiobiology nothing but its mean is judged
    let counts = parameters.is_some();
    if counts && (row.dose_d98_gy.is_some_and(|d98| d98 < 0.0) || (below > 0 && wants_geud)) {
        negative.push(NegativeVoxels { region: name.to_owned(), below, of: members.len() });
    }
    if let Some(parameters) = parameters {
        let bed: Vec<f64> = members.iter().map(|&v| f64::from(voxels.bed_gy[v])).collect();
        let points = DoseVolumeHistogram::new(bed.iter().copied().zip(weights.iter().copied()))?;
        row.voxel_mean_bed_gy = Some(points.mean());
        row.bed_d98_gy = Some(points.value_at_percent(98.0));
        row.bed_d50_gy = Some(points.value_at_percent(50.0));
        row.bed_d2_gy = Some(points.value_at_percent(2.0));
        row.eubed_gy = parameters.alpha_per_gy.map(|alpha| eubed_gy(&bed, &weights, alpha)).transpose()?;
        // one factor for the course: Sum G D^2 of the mean doses over the square of their sum
        let g = row.sum_g_dose2_gy2.map(|sum| sum / (row.dose_gy * row.dose_gy));
        row.eud_gy = row
            .eubed_gy
            .filter(|eubed| *eubed >= 0.0)
            .zip(g)
            .map(|(eubed, g)| eud_gy(eubed, g, &parameters.radiobiology));
        let geud = parameters.geud_a.filter(|_| below == 0);
        row.geud_gy = geud.map(|a| generalised_eud_gy(&dose, &weights, a)).transpose()?;
    }
    Ok(())
}
