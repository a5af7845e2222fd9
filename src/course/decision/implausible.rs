//! Doses per activity that no population has: a wrong unit, nuclide, time or region is the likelier cause.

use super::{DecisionInput, GivenCycle, OrganDose, StructureHistory};
use crate::note::Note;
use crate::units::rounded;

/// Ratio of dose per activity to the population mean, or its inverse, above which a wrong unit is suspected: a
/// convention of this program.
const IMPLAUSIBLE_FACTOR: f64 = 4.0;

/// Warning for a dose per activity that is far from a population's, above or below.
pub fn implausible_dose(structure: &str, gy_per_gbq: f64, population_gy_per_gbq: f64) -> Option<Note> {
    let share = gy_per_gbq / population_gy_per_gbq;
    (!(1.0 / IMPLAUSIBLE_FACTOR..=IMPLAUSIBLE_FACTOR).contains(&share)).then(|| {
        let text = format!(
            "{structure} has {} Gy/GBq, {} times the population's {population_gy_per_gbq} Gy/GBq: check units, nuclide, times, \
             activity and region",
            rounded(gy_per_gbq, 3),
            rounded(share, 3)
        );
        Note::warning("dose-implausible", text)
    })
}

/// Doses per activity of the organ's structures that are far from the population's, cycle by cycle.
pub(super) fn implausible(input: &DecisionInput<'_>) -> Vec<Note> {
    let population = input.protocol.prior.gy_per_gbq;
    let of_structure = |history: &StructureHistory| -> Vec<Note> {
        let cycles = history.cycles.iter().zip(input.cycles).enumerate();
        let doubt = |(index, (dose, given)): (usize, (&Option<OrganDose>, &GivenCycle))| {
            let per_gbq = dose.as_ref()?.dose_gy / given.administered_gbq;
            Some(implausible_dose(&history.structure, per_gbq, population)?.at(format!("cycle {}", index + 1)))
        };
        cycles.filter_map(doubt).collect()
    };
    input.structures.iter().flat_map(of_structure).collect()
}
