//! How sure the doses of a run are: what is known of the activity, of matter and nuclide, and the transport's statistics.
//!
//! What is known of the activity comes from its integration over time: in hand where a run integrates images itself, else from
//! the `tia.json` beside a map of decays, which states the hash of the map that it is of. A record of another map is not
//! taken, and told.

use super::budgets::of_region;
use super::case::Case;
use super::failure::{OrUserError, UserError};
use super::files::{beside, read_text};
use super::images::read;
use super::known::{ActivityKnown, OwnBudget};
use super::partial_volume::Record;
use crate::budget::{DoseBudget, Part, of_decay_data, of_density};
use crate::course::further::FurtherScan;
use crate::course::tia::RegionIntegral;
use crate::dose::regions::RegionDose;
use crate::note::Note;
use crate::place::Place;
use crate::report::run_record::InputFile;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The record that a series' integration leaves beside its map.
pub const RECORD: &str = "tia.json";

#[derive(Deserialize)]
struct KeptBudget {
    parts: Vec<Part>,
    #[serde(default)]
    further_scans: Vec<FurtherScan>,
}

/// What is read of the record.
#[derive(Deserialize)]
struct Kept {
    #[serde(default)]
    outputs: BTreeMap<String, String>,
    #[serde(default)]
    budget: BTreeMap<String, KeptBudget>,
    #[serde(default)]
    partial_volume: Option<KeptCorrection>,
}

#[derive(Deserialize)]
struct KeptCorrection {
    outline_sigma_mm: f64,
}

/// What the regions of an integrated series tell.
pub fn of_integrated(regions: &[RegionIntegral], correction: Option<&Record>) -> ActivityKnown {
    let known = |region: &RegionIntegral| (region.name.clone(), of_region(region, correction));
    let parts = regions.iter().map(known).filter(|(_, parts)| !parts.is_empty()).collect();
    let further = regions.iter().map(|region| (region.name.clone(), region.further.clone()));
    let further = further.filter(|(_, scans)| !scans.is_empty()).collect();
    ActivityKnown { parts, outline_sigma_mm: correction.map(|correction| correction.outline_sigma_mm), further }
}

/// What the record beside a map of decays tells, where there is one and it is of this map; it is put among the `inputs`.
///
/// Errors: an uncertainty in it that none is.
pub fn beside_map(
    file: &Place,
    map: &InputFile,
    inputs: &mut Vec<InputFile>,
    warnings: &mut Vec<Note>,
) -> Result<ActivityKnown, UserError> {
    let place = beside(file, RECORD);
    if !place.is_file() {
        return Ok(ActivityKnown::default());
    }
    let kept = read_text(&place).ok().and_then(|text| serde_json::from_str::<Kept>(&text).ok());
    let Some(kept) = kept.filter(|kept| kept.outputs.values().any(|sha256| *sha256 == map.sha256)) else {
        let text = "it lies beside the map of decays and is not the record of this map: the uncertainty of the activity is not \
                    assessed";
        warnings.push(Note::warning("tia-of-another-map", text).at(place.display().to_string()));
        return Ok(ActivityKnown::default());
    };
    inputs.push(read("tia", &place)?);
    for (region, budget) in &kept.budget {
        let named = format!("{}: region {region}", place.display());
        // of a tumour whose correction was held back more than all may be uncertain
        let mut parts = budget.parts.iter().filter(|part| part.rel_sigma.is_nan() || part.rel_sigma <= 1.0);
        parts.try_for_each(|part| part.check(&named)).or_user_error()?;
    }
    let scans = |(region, budget): (&String, &KeptBudget)| (region.clone(), budget.further_scans.clone());
    let further = kept.budget.iter().map(scans).filter(|(_, scans)| !scans.is_empty()).collect();
    let parts = kept.budget.into_iter().map(|(region, budget)| (region, budget.parts));
    let parts = parts.filter(|(_, parts)| !parts.is_empty()).collect();
    let outline_sigma_mm = kept.partial_volume.map(|correction| correction.outline_sigma_mm);
    Ok(ActivityKnown { parts, outline_sigma_mm, further })
}

/// The parts of a region's dose but for the transport's: those of its activity, of its density from CT, g/cm3, where that is
/// its origin, and of the nuclide. None where nothing is known of its activity. What is uncertain by more than all of itself (a
/// correction that was held back) is not known: a hole.
pub fn of_dose(activity: &[Part], density_g_cm3: Option<f64>) -> Vec<Part> {
    let activity: Vec<Part> = activity.iter().filter(|part| part.rel_sigma <= 1.0).copied().collect();
    if activity.is_empty() {
        return Vec::new();
    }
    let more = density_g_cm3.map(of_density).into_iter().chain([of_decay_data()]);
    activity.into_iter().chain(more).collect()
}

/// The budget of each row's dose, in the rows' order.
pub fn of_rows(case: &Case, own: Option<&OwnBudget>, rows: &[RegionDose]) -> Vec<DoseBudget> {
    let budget = |row: &RegionDose| {
        let density = (case.hu.is_some() && row.volume_ml > 0.0).then(|| row.mass_g / row.volume_ml);
        let plain = DoseBudget::of(row.dose_gy, row.dose_se_gy, &of_dose(case.activity.of(&row.name), density));
        match own.and_then(|own| own.of(row.label, row.dose_gy)) {
            Some(whole) if plain.rel_sigma.is_some() => whole,
            _ => plain,
        }
    };
    let scans = |row: &RegionDose| {
        let further = case.activity.further.get(&row.name).map_or(&[][..], Vec::as_slice);
        further.iter().map(|scan| (scan.time_h, scan.left)).collect::<Vec<_>>()
    };
    let budget = |row: &RegionDose| budget(row).with_scans(scans(row));
    rows.iter().map(budget).collect()
}

/// Puts totals and holes into the rows.
pub fn fill(case: &Case, own: Option<&OwnBudget>, rows: &mut [RegionDose]) {
    let budgets = of_rows(case, own, rows);
    for (row, budget) in rows.iter_mut().zip(budgets) {
        row.total_rel_sigma = budget.rel_sigma;
        (row.low95_gy, row.high95_gy) = budget.interval95_gy.map(|[low, high]| (low, high)).unzip();
        row.not_assessed = budget.holes_in_words();
        row.not_assessed_weighs = budget.at_least();
    }
}

/// The budgets of a record, by region.
pub fn in_record(case: &Case, own: Option<&OwnBudget>, rows: &[RegionDose]) -> BTreeMap<String, serde_json::Value> {
    let as_value = |budget: DoseBudget| serde_json::to_value(budget).expect("a budget is plain data");
    rows.iter().map(|row| row.name.clone()).zip(of_rows(case, own, rows).into_iter().map(as_value)).collect()
}
