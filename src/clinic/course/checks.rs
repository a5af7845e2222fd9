//! Guards against misspelt names in a course, and the verdict on the sums.

use super::parts::Computed;
use crate::budget::{Source, missing, random_and_common};
use crate::clinic::failure::{OrUserError, UserError};
use crate::course::accumulate::{CycleDose, RegionCycle, RegionParameters};
use crate::course::decision::{DecisionInput, Gate, GivenCycle, OrganDose, StructureHistory, Verdict, decide};
use crate::course::file::Course;
use crate::course::names::standard;
use crate::course::protocol::Protocol;
use crate::course::uncertainty::DRAWS;
use crate::note::Note;
use std::collections::BTreeSet;
use std::path::Path;

/// Refuses a ledger entry with an unknown name: a prior treatment must not be lost to a typing error.
pub fn check_ledger(path: &Path, course: &Course, protocol: &Protocol, computed: &[Computed]) -> Result<(), UserError> {
    let mut known: Vec<&str> = computed.iter().flat_map(|one| one.regions.keys()).map(String::as_str).collect();
    known.extend(protocol.organ.structures.iter().map(String::as_str));
    known.push(&protocol.organ.name);
    known.sort_unstable();
    known.dedup();
    if let Some(entry) = course.ledger.iter().find(|entry| !known.contains(&entry.structure.as_str())) {
        return Err(UserError::invalid(
            format!("ledger ({})", entry.what),
            "structure",
            format!("\"{}\"", entry.structure),
            known.join(", "),
            "Correct the name: a treatment under another name would not be counted.",
        )
        .inside(path));
    }
    Ok(())
}

/// Warnings of the cycles, one that several share said once.
pub fn by_cycle(computed: &[Computed]) -> Vec<Note> {
    let mut shared: Vec<(&Note, Vec<String>)> = Vec::new();
    for (index, one) in computed.iter().enumerate() {
        // a course shows no histogram of a single cycle: that of the sum has its own note
        for warning in one.warnings.iter().filter(|warning| warning.code != "negative-dose-voxels") {
            let number = (index + 1).to_string();
            match shared.iter_mut().find(|(known, _)| *known == warning) {
                Some((_, cycles)) if cycles.last() == Some(&number) => {}
                Some((_, cycles)) => cycles.push(number),
                None => shared.push((warning, vec![number])),
            }
        }
    }
    let place = |cycles: &[String]| format!("cycle{} {}", if cycles.len() == 1 { "" } else { "s" }, cycles.join(", "));
    shared.into_iter().map(|(warning, cycles)| warning.clone().at(place(&cycles))).collect()
}

/// Names of the protocol and of the course that no cycle has: a misspelt kidney must not drop out of the verdict
/// unseen.
pub fn names_without_region(course: &Course, protocol: &Protocol, cycles: &[CycleDose]) -> Vec<Note> {
    let regions: BTreeSet<&str> = cycles.iter().flat_map(|cycle| cycle.regions.keys().map(String::as_str)).collect();
    if regions.is_empty() {
        return Vec::new();
    }
    let steering = protocol.organ.structures.iter().map(|name| (name.as_str(), "the protocol steers by it"));
    let half_lives = course.cycles.iter().flat_map(|cycle| cycle.effective_half_life_h.keys());
    let half_lives = half_lives.map(|name| (name.as_str(), "effective_half_life_h names it"));
    let tissues = course.radiobiology.iter().filter_map(|r| Some((r.region.as_deref()?, "radiobiology names it")));
    let same = |a: &str, b: &str| standard(a).is_some() && standard(a) == standard(b);
    let mut seen = BTreeSet::new();
    steering
        .chain(half_lives)
        .chain(tissues)
        .filter(|(name, _)| {
            !regions.contains(name) && !regions.iter().any(|region| same(region, name)) && seen.insert(*name)
        })
        .map(|(name, why)| {
            let near = regions.iter().map(|region| (strsim::osa_distance(region, name), region)).min();
            let near = near.filter(|(distance, _)| *distance <= 1 + name.len() / 4);
            let near = near.map_or(String::new(), |(_, region)| format!("; is {region} meant?"));
            let text = format!("no cycle has a region called {name}, although {why}{near}");
            Note::warning("name-without-region", text)
        })
        .collect()
}

/// Radiobiology of a region: the protocol's for the dose-limiting organ, the course's for all others.
pub fn parameters(course: &Course, protocol: &Protocol, region: &str) -> Option<RegionParameters> {
    let own = course.radiobiology_of(region);
    let steering = protocol.organ.structures.iter().any(|name| name == region);
    let radiobiology = if steering { protocol.radiobiology().ok()? } else { own?.radiobiology };
    Some(RegionParameters {
        radiobiology,
        alpha_per_gy: own.and_then(|r| r.alpha_per_gy),
        geud_a: own.and_then(|r| r.geud_a),
    })
}

/// Sources without which a budget does not stand for the protocol's guess.
pub const NEEDED: [Source; 4] = [Source::Calibration, Source::PartialVolume, Source::Outline, Source::Fit];

/// The needed sources of which a region's budget knows nothing.
pub fn holes(region: &RegionCycle) -> Vec<Source> {
    let missing = missing(&region.parts);
    NEEDED.into_iter().filter(|source| missing.contains(source)).collect()
}

/// Random and common relative uncertainty of a dose by a budget without a hole.
fn whole_budget(region: &RegionCycle) -> Option<(f64, f64)> {
    holes(region).is_empty().then(|| random_and_common(&region.parts))
}

/// The verdict on the accumulated cycles.
pub fn verdict(
    course: &Course,
    protocol: &Protocol,
    cycles: &[CycleDose],
    gates: &[Gate],
) -> Result<Verdict, UserError> {
    let given: Vec<GivenCycle> = course
        .cycles
        .iter()
        .map(|cycle| GivenCycle {
            administered_gbq: cycle.administered_mbq / 1000.0,
            prescribed_gbq: cycle.prescribed_mbq.map(|mbq| mbq / 1000.0),
            interval_d: cycle.interval_d,
        })
        .collect();
    let tissue = protocol.radiobiology().or_user_error()?;
    let mut structures = Vec::new();
    for name in &protocol.organ.structures {
        let doses: Vec<Option<OrganDose>> = cycles
            .iter()
            .zip(&course.cycles)
            .map(|(cycle, file)| {
                let region = cycle.regions.get(name)?;
                let statistics = region.dose_se_gy / region.dose_gy;
                let plan = &protocol.uncertainty;
                Some(OrganDose {
                    dose_gy: region.dose_gy,
                    g: region.g(&tissue)?,
                    mass_g: region.mass_g,
                    random_rel_sigma: file
                        .random_rel_sigma
                        .or_else(|| whole_budget(region).map(|(random, _)| random.hypot(statistics)))
                        .or_else(|| Some(region.curve_rel_sigma.unwrap_or(plan.random_rel).hypot(statistics))),
                    // an uncertainty stated for the images must not reduce the protocol's for the dose, unless every
                    // source of it is known
                    systematic_rel_sigma: file.systematic_rel_sigma.or_else(|| {
                        if let Some((_, common)) = whole_budget(region) {
                            return Some(common);
                        }
                        let of_protocol = protocol.systematic_rel(region.images);
                        let stated = region.systematic_rel_sigma.map_or(of_protocol, |stated| stated.max(of_protocol));
                        (region.images.is_some() || region.systematic_rel_sigma.is_some()).then_some(stated)
                    }),
                })
            })
            .collect();
        if doses.iter().any(Option::is_some) || cycles.iter().all(|cycle| cycle.regions.is_empty()) {
            structures.push(StructureHistory { structure: name.clone(), cycles: doses });
        }
    }
    decide(&DecisionInput {
        protocol,
        step: course.step,
        cycles: &given,
        structures: &structures,
        ledger: &course.ledger,
        facts: &course.facts,
        gates,
        overrides: &course.overrides,
        stop_flags: &course.stop_flags,
        reduction_factor: course.reduction_factor,
        draws: DRAWS,
    })
    .or_user_error()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::{Kind, Origin, Part};

    /// A region of which everything needed is known but for some sources.
    fn region(without: &[Source]) -> RegionCycle {
        let part = |source, kind, rel_sigma| Part::of_activity(source, kind, Origin::Stated, rel_sigma);
        let parts = [
            part(Source::Calibration, Kind::Clinic, 0.05),
            part(Source::PartialVolume, Kind::Patient, 0.04),
            Part::of_response(Source::Outline, Kind::Patient, Origin::Image, 0.03),
            part(Source::Fit, Kind::Cycle, 0.02),
            part(Source::Counts, Kind::Cycle, 0.01),
        ];
        let parts = parts.into_iter().filter(|part| !without.contains(&part.source)).collect();
        RegionCycle { parts, ..RegionCycle::of_dose(4.0, "images") }
    }

    /// A whole budget stands for the protocol's guess; one with a hole does not, whichever it is.
    #[test]
    fn law_a_budget_stands_for_the_guess_only_without_a_hole() {
        let (random, common) = whole_budget(&region(&[])).expect("whole");
        assert!((random - 0.02_f64.hypot(0.01)).abs() < 1e-12);
        assert!((common - 0.05_f64.hypot(0.04).hypot(0.03)).abs() < 1e-12);
        for source in NEEDED {
            assert_eq!(holes(&region(&[source])), [source]);
            assert_eq!(whole_budget(&region(&[source])), None);
        }
        assert!(holes(&region(&[Source::Counts])).is_empty());
        assert_eq!(holes(&RegionCycle::of_dose(4.0, "stated")), NEEDED);
    }
}
