//! Totals for each structure of the dose-limiting organ: measured cycles, imputed ones, treatments before.

use super::{DecisionError, DecisionInput, OrganDose, StructureHistory, StructureSum};
use crate::bed::{BedAccumulator, LimitQuantity, Radiobiology};
use crate::course::ledger::{PriorSum, prior_sum};
use crate::course::predict::{DosePerActivity, predictions};
use crate::course::protocol::Drive;
use crate::course::uncertainty::{CycleUncertainty, cumulative_sigma};
use crate::units::rounded;

/// One structure's sums, missing cycles imputed by the shrunken last value known at that time.
pub(super) fn sum_structure(
    input: &DecisionInput<'_>,
    history: &StructureHistory,
    prior: PriorSum,
    radiobiology: &Radiobiology,
    quantity: LimitQuantity,
) -> StructureSum {
    let plan = &input.protocol.uncertainty;
    let mut sum = BedAccumulator::default();
    let (mut dose_gy, mut bed_gy, mut imputed_cycles, mut budget) = (vec![], vec![], vec![], vec![]);
    for (index, (cycle, given)) in history.cycles.iter().zip(input.cycles).enumerate() {
        let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
        let (dose, g, random, systematic) = match cycle {
            Some(c) => (
                c.dose_gy,
                c.g,
                c.random_rel_sigma.unwrap_or(plan.random_rel),
                c.systematic_rel_sigma.unwrap_or(plan.systematic_rel),
            ),
            None => {
                imputed_cycles.push(number);
                let known = known_doses(input, history);
                let prediction = predictions(&known, &input.protocol.prior, number)[0];
                let g = typical_g(history, radiobiology);
                let random = prediction.rel_sigma.hypot(plan.random_rel);
                (prediction.gy_per_gbq * given.administered_gbq, g, random, plan.systematic_rel)
            }
        };
        sum.add_cycle(dose, g);
        let bed = radiobiology.bed_gy(dose, g);
        dose_gy.push(dose);
        bed_gy.push(bed);
        let (value_gy, sensitivity) = match quantity {
            LimitQuantity::Bed => (bed, radiobiology.bed_sensitivity(dose, g)),
            LimitQuantity::AbsorbedDose => (dose, 1.0),
        };
        budget.push(CycleUncertainty {
            value_gy,
            sensitivity,
            random_rel_sigma: random,
            systematic_rel_sigma: systematic,
        });
    }
    let course_bed_gy = sum.bed_gy(radiobiology.alpha_beta_gy());
    StructureSum {
        structure: history.structure.clone(),
        dose_gy,
        bed_gy,
        imputed_cycles,
        course_dose_gy: sum.sum_dose_gy,
        sum_g_dose2_gy2: sum.sum_g_dose2_gy2,
        course_bed_gy,
        prior_bed_gy: prior.bed_gy,
        prior_dose_gy: prior.dose_gy,
        total_bed_gy: course_bed_gy + prior.bed_gy,
        total_dose_gy: prior.dose_gy.map(|dose| dose + sum.sum_dose_gy),
        sigma: cumulative_sigma(&budget),
        parts: budget,
    }
}

/// What prior treatments gave to a structure. An entry for the organ by name counts for each of its structures; the
/// whole organ (`whole`) gets such entries and the mass-weighted mean of those of its structures.
pub(super) fn prior(
    input: &DecisionInput<'_>,
    history: &StructureHistory,
    whole: bool,
    radiobiology: &Radiobiology,
) -> Result<PriorSum, DecisionError> {
    let of = |name: &str| prior_sum(input.ledger, name, radiobiology.alpha_beta_gy());
    let organ = &input.protocol.organ.name;
    let add = |a: PriorSum, b: PriorSum, share: f64| PriorSum {
        bed_gy: a.bed_gy + share * b.bed_gy,
        dose_gy: a.dose_gy.zip(b.dose_gy).map(|(a, b)| a + share * b),
    };
    let mut sum = of(organ)?;
    if whole {
        let masses = |cycle: usize| -> Option<Vec<f64>> {
            input.structures.iter().map(|s| s.cycles[cycle].and_then(|c| c.mass_g)).collect()
        };
        let masses = (0..input.cycles.len()).find_map(masses).unwrap_or_else(|| vec![1.0; input.structures.len()]);
        let total: f64 = masses.iter().sum();
        for (structure, mass) in input.structures.iter().zip(&masses) {
            sum = add(sum, of(&structure.structure)?, mass / total);
        }
    } else if history.structure != *organ {
        sum = add(sum, of(&history.structure)?, 1.0);
    }
    Ok(sum)
}

/// Gy per GBq of the cycles that have a dose.
pub(super) fn known_doses(input: &DecisionInput<'_>, history: &StructureHistory) -> Vec<DosePerActivity> {
    history
        .cycles
        .iter()
        .zip(input.cycles)
        .enumerate()
        .filter_map(|(index, (cycle, given))| {
            cycle.as_ref().map(|c| DosePerActivity {
                cycle: u32::try_from(index + 1).unwrap_or(u32::MAX),
                gy_per_gbq: c.dose_gy / given.administered_gbq,
                random_rel_sigma: c.random_rel_sigma.unwrap_or(input.protocol.uncertainty.random_rel),
            })
        })
        .collect()
}

/// The last known G, or that of a 50 h half-life (Hanscheid et al. 2017) where there is none.
pub(super) fn typical_g(history: &StructureHistory, radiobiology: &Radiobiology) -> f64 {
    history
        .cycles
        .iter()
        .rev()
        .flatten()
        .next()
        .map_or_else(|| crate::bed::g_mono(radiobiology.repair_half_life_h(), 50.0), |c| c.g)
}

/// The whole organ: mass-weighted mean dose and G per cycle, if every structure has both.
pub(super) fn combined(input: &DecisionInput<'_>) -> Option<StructureHistory> {
    if input.structures.len() < 2 {
        return None;
    }
    let cycles = (0..input.cycles.len())
        .map(|index| {
            let parts: Option<Vec<OrganDose>> = input.structures.iter().map(|s| s.cycles[index]).collect();
            let parts = parts?;
            let masses: Option<Vec<f64>> = parts.iter().map(|p| p.mass_g).collect();
            let masses = masses?;
            let total: f64 = masses.iter().sum();
            let mean =
                |f: &dyn Fn(&OrganDose) -> f64| parts.iter().zip(&masses).map(|(p, m)| f(p) * m).sum::<f64>() / total;
            let dose_gy = mean(&|p| p.dose_gy);
            let sigma = |f: &dyn Fn(&OrganDose) -> Option<f64>| {
                parts.iter().map(f).collect::<Option<Vec<f64>>>().map(|all| all.into_iter().fold(0.0, f64::max))
            };
            Some(OrganDose {
                dose_gy,
                g: mean(&|p| p.g * p.dose_gy) / dose_gy,
                mass_g: Some(total),
                random_rel_sigma: sigma(&|p| p.random_rel_sigma),
                systematic_rel_sigma: sigma(&|p| p.systematic_rel_sigma),
            })
        })
        .collect::<Vec<_>>();
    cycles
        .iter()
        .any(Option::is_some)
        .then(|| StructureHistory { structure: input.protocol.organ.name.clone(), cycles })
}

/// Index of the structure that drives, and why.
pub(super) fn pick_driver(
    input: &DecisionInput<'_>,
    structures: &[StructureSum],
    has_combined: bool,
    quantity: LimitQuantity,
) -> (usize, String) {
    let singles = if has_combined { structures.len() - 1 } else { structures.len() };
    if input.protocol.organ.drive == Drive::Combined && has_combined {
        return (singles, "the protocol steers by the mass-weighted mean of all structures".to_owned());
    }
    let value = |s: &StructureSum| match quantity {
        LimitQuantity::Bed => s.total_bed_gy,
        LimitQuantity::AbsorbedDose => s.total_dose_gy.unwrap_or(s.course_dose_gy),
    };
    let highest = (0..singles)
        .max_by(|&a, &b| value(&structures[a]).total_cmp(&value(&structures[b])).then(b.cmp(&a)))
        .unwrap_or(0);
    let reason = if singles == 1 {
        "the only structure of the organ".to_owned()
    } else {
        let others: Vec<String> = (0..singles)
            .filter(|&s| s != highest)
            .map(|s| format!("{} {} Gy", structures[s].structure, rounded(value(&structures[s]), 4)))
            .collect();
        format!("the higher one, {} Gy (others: {})", rounded(value(&structures[highest]), 4), others.join(", "))
    };
    (highest, reason)
}
