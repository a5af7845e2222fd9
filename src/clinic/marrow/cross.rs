//! The cross-dose: the photon dose of the spongiosa, by the run's own transport, and what moves it.
//!
//!   D_cross = Sum_r (V_r/V) D_photon,r                         [methods/marrow.md eq. 4]
//!
//! Photons of the region's own decays are in it: they leave the marrow's cavities and give their dose to the spongiosa as those
//! from elsewhere do. With the patient's own S matrix each source region's activity acts by its share.

use serde::Serialize;
use std::collections::BTreeSet;

use super::run_folder::{Row, RunFolder};
use crate::budget::{Part, Source, of_decay_data};
use crate::marrow::{Cause, Moved};

/// What a source region gives.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CrossFrom {
    /// Region that the decays are in.
    pub source: String,
    /// Dose by them, Gy: transport only.
    pub dose_gy: f64,
}

/// The cross-dose.
pub(super) struct Cross {
    /// Gy.
    pub(super) dose_gy: f64,
    /// By source region, where the run made its S matrix; the rest is of the regions themselves and of unlabelled tissue.
    pub(super) from: Vec<CrossFrom>,
    /// What moves it.
    pub(super) moved: Vec<Moved>,
    /// What of it is not assessed, in words.
    pub(super) holes: Vec<String>,
}

/// Of these regions of spongiosa.
pub(super) fn cross(run: &RunFolder, rows: &[&Row]) -> Cross {
    let volume_ml: f64 = rows.iter().map(|row| row.volume_ml).sum();
    let shares: Vec<f64> = rows.iter().map(|row| row.volume_ml / volume_ml).collect();
    let dose_gy: f64 = rows.iter().zip(&shares).map(|(row, share)| share * row.dose_photon_gy).sum();
    let mut cross = Cross { dose_gy, from: Vec::new(), moved: of_targets(run, rows, &shares), holes: Vec::new() };
    cross.moved.push(Moved::by_part(&of_decay_data(), "", 1.0, dose_gy));
    match &run.matrix {
        None => without_matrix(run, rows, &mut cross),
        Some(_) => by_source(run, rows, &shares, &mut cross),
    }
    cross
}

/// Mass and transport of the regions that the photons reach.
fn of_targets(run: &RunFolder, rows: &[&Row], shares: &[f64]) -> Vec<Moved> {
    let mut moved = Vec::new();
    for (row, share) in rows.iter().zip(shares) {
        let masses = run.parts(&row.name).iter().filter(|part| part.source == Source::Mass);
        moved.extend(masses.map(|part| Moved::by_part(part, &row.name, part.on_response, share * row.dose_photon_gy)));
        // of electrons and photons together: the photons' own is not more
        let (cause, of) = (Cause::Chain(Source::Transport), row.name.clone());
        moved.push(Moved { cause, of, gy: share * row.dose_se_gy });
    }
    moved
}

/// Without the S matrix nobody knows where the photons come from: what all regions have in common is all that is known.
fn without_matrix(run: &RunFolder, rows: &[&Row], cross: &mut Cross) {
    let common = rows.iter().find_map(|row| run.parts(&row.name).iter().find(|part| of_all_activity(part)));
    cross.moved.extend(common.map(|part| Moved::by_part(part, "", part.on_activity, cross.dose_gy)));
    cross.holes.push("activity that the cross-dose comes from (a dose with the full budget tells it)".to_owned());
}

fn of_all_activity(part: &Part) -> bool {
    part.all_regions && part.source == Source::Calibration
}

/// Each source region with its share; what is left is of the regions' own photons.
fn by_source(run: &RunFolder, rows: &[&Row], shares: &[f64], cross: &mut Cross) {
    let own: BTreeSet<&str> = rows.iter().map(|row| &row.name[..]).collect();
    let elements = run.matrix.as_deref().unwrap_or_default();
    let sources: BTreeSet<&str> = elements.iter().map(|element| &element.source[..]).collect();
    let (mut told, mut unknown, mut outside) = (0.0, Vec::new(), false);
    for source in sources.difference(&own) {
        let Some(tia_mbq_h) = run.row(source).map(Row::tia_mbq_h) else {
            outside = true;
            continue;
        };
        let of = |row: &Row| {
            let one = elements.iter().find(|element| element.target == row.name && element.source == *source);
            one.map_or(0.0, |element| element.gy_per_mbq_h * tia_mbq_h)
        };
        let dose_gy: f64 = rows.iter().zip(shares).map(|(row, share)| share * of(row)).sum();
        let parts = run.parts(source);
        if parts.is_empty() && dose_gy > 0.0 {
            unknown.push((*source, dose_gy));
        }
        let moving = parts.iter().filter(|part| part.on_activity != 0.0);
        cross.moved.extend(moving.map(|part| Moved::by_part(part, source, part.on_activity, dose_gy)));
        cross.from.push(CrossFrom { source: (*source).to_owned(), dose_gy });
        told += dose_gy;
    }
    cross.from.sort_by(|a, b| b.dose_gy.total_cmp(&a.dose_gy));
    for (row, share) in rows.iter().zip(shares) {
        let moving = run.parts(&row.name).iter().filter(|part| part.on_activity != 0.0);
        let rest = share * (cross.dose_gy - told);
        cross.moved.extend(moving.map(|part| Moved::by_part(part, &row.name, part.on_activity, rest)));
    }
    if !unknown.is_empty() {
        let share = 100.0 * unknown.iter().map(|(_, gy)| gy).sum::<f64>() / cross.dose_gy;
        let names: Vec<&str> = unknown.iter().map(|(name, _)| *name).collect();
        cross.holes.push(format!("activity of {} ({share:.0} % of the cross-dose)", names.join(", ")));
    }
    if outside {
        cross.holes.push("activity outside all regions".to_owned());
    }
}
