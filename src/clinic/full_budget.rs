//! The whole chain: the transport of a case and, where it is asked for, draws of everything known through the patient's own S
//! matrix.

use super::case::{Case, Computed};
use super::dose_budgets::of_dose;
use super::failure::{Failure, OrUserError, UserError};
use super::known::{OwnBudget, OwnResponse};
use super::notes::Listener;
use super::request::{BudgetDepth, RunOptions, Stop};
use super::response::response_of;
use super::transport;
use crate::budget::draws::{Drawn, Summary, draw};
use crate::budget::{Cycle, Kind, Origin, Part, Patient, Region, Source, first_order};
use crate::course::uncertainty::DRAWS;
use crate::fault::Setting;
use crate::transport::emission::Emissions;

/// Histories of each pass for each column of the matrix, at most: its statistics are a part of the budget.
const COLUMN_HISTORIES: u64 = 200_000;
/// Seed of the draws.
const SEED: u64 = 1;
/// Standard uncertainty of an outline that lies anywhere within half a voxel, as a share of its edge: 1/sqrt 12.
const UNIFORM: f64 = 0.288_675_134_594_812_9;

/// A case to its tallies, and to its own S matrix with draws where the options ask for the full budget.
///
/// Errors: as [`transport::compute`]; a full budget of a case of whose activity no uncertainty is known.
pub fn compute(
    case: &mut Case,
    run: &RunOptions,
    emissions: Emissions,
    hear: &mut dyn Listener,
) -> Result<Computed, Failure> {
    if run.budget == BudgetDepth::Full && case.activity.parts.is_empty() {
        let next = "Give DICOM images, or the map of decays in the folder where lutra tia wrote it with tia.json.";
        let found = "none of its activity is known";
        return Err(
            UserError::invalid(Setting::Budget, "uncertainty", found, "what tia.json or images tell", next).into()
        );
    }
    let mut computed = transport::compute(case, run, emissions, hear)?;
    computed.dvh_bands = run.dvh_bands;
    if run.budget == BudgetDepth::Full {
        computed.own = Some(own(case, run, hear)?);
    }
    Ok(computed)
}

/// Matrix and draws.
fn own(case: &mut Case, run: &RunOptions, hear: &mut dyn Listener) -> Result<OwnBudget, Failure> {
    let histories = match run.stop {
        Stop::Histories(histories) => histories.min(COLUMN_HISTORIES),
        _ => COLUMN_HISTORIES,
    };
    let columns = RunOptions {
        stop: Stop::Histories(histories),
        budget: BudgetDepth::Sources,
        shard: None,
        checkpoint: None,
        ..run.clone()
    };
    hear.info(
        "s-matrix",
        format!("the patient's own S matrix: {histories} histories a pass for each region and its shells"),
    );
    let known = |(_, name): &(&u16, &String)| !case.activity.of(name).is_empty();
    let outlined: Vec<u16> = case.names.iter().filter(known).map(|(label, _)| *label).collect();
    let matrix = response_of(case, &columns, &outlined, hear)?;
    let parts: Vec<Vec<Part>> = (0..matrix.labels.len()).map(|n| parts(case, &matrix, n)).collect();
    let regions = matrix.names.iter().zip(&matrix.tia_mbq_h).zip(&parts);
    let regions = regions.map(|((name, &tia_mbq_h), parts)| Region {
        name: name.clone(),
        tia_mbq_h,
        scans: 0,
        reintegrate: None,
        parts: parts.clone(),
        g: 0.0,
    });
    let patient = Patient {
        cycles: vec![Cycle { regions: regions.collect(), response: matrix.response.clone() }],
        // without a repair factor the quotient does not matter
        alpha_beta_gy: vec![1.0; matrix.labels.len()],
    };
    let (of_cycles, _) = first_order(&patient).or_user_error()?;
    let Drawn { dose_gy, .. } = draw(&patient, DRAWS, SEED).or_user_error()?;
    let over = |(n, drawn): (usize, &Vec<f64>)| {
        let dose = patient.cycles[0].dose_gy(n);
        Summary::of(&drawn.iter().map(|gy| gy / dose).collect::<Vec<_>>())
    };
    let summaries = dose_gy[0].iter().enumerate().map(over).collect();
    let shares = of_cycles.into_iter().next().unwrap_or_default();
    Ok(OwnBudget { parts, shares, summaries, draws: DRAWS, matrix })
}

/// What is known of a region, its outline by what the matrix says of it.
fn parts(case: &Case, matrix: &OwnResponse, n: usize) -> Vec<Part> {
    let label = matrix.labels[n];
    let volume_ml = case.labels.iter().filter(|own| **own == label).count() as f64 * case.decays.grid.voxel_cm3();
    let density = case.hu.is_some().then(|| matrix.mass_g[n] / volume_ml);
    let mut parts = of_dose(case.activity.of(&matrix.names[n]), density);
    let per_mm = matrix.outline_per_mm[n];
    if parts.is_empty() || per_mm == 0.0 {
        return parts;
    }
    let (sigma_mm, origin) = match case.activity.outline_sigma_mm {
        Some(sigma_mm) => (sigma_mm, Origin::Image),
        None => (UNIFORM * 10.0 * case.decays.grid.voxel_cm3().cbrt(), Origin::Default),
    };
    parts.retain(|part| part.source != Source::Outline);
    let outline = Part::of_response(Source::Outline, Kind::Patient, origin, (sigma_mm * per_mm).abs());
    parts.push(Part { on_response: per_mm.signum(), ..outline });
    parts
}
