//! Guards against misspelt names in a course, and the verdict on the sums.

use super::parts::Computed;
use crate::budget::{NEEDED, Source, missing, random_and_common};
use crate::clinic::failure::{OrUserError, UserError};
use crate::course::accumulate::{CycleDose, RegionCycle, RegionParameters};
use crate::course::decision::{DecisionInput, Gate, GivenCycle, OrganDose, StructureHistory, Verdict, decide};
use crate::course::file::{Course, CourseCycle};
use crate::course::names::standard;
use crate::course::protocol::Protocol;
use crate::course::uncertainty::DRAWS;
use crate::note::Note;
use serde::Serialize;
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
        // a course shows no histogram of a single cycle: that of the sum has its own note; its protocol judges the doses
        let own = ["negative-dose-voxels", "dose-implausible"];
        for warning in one.warnings.iter().filter(|warning| !own.contains(&warning.code.as_ref())) {
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

/// The needed sources of which a region's budget knows nothing.
pub fn holes(region: &RegionCycle) -> Vec<Source> {
    let missing = missing(&region.parts);
    NEEDED.into_iter().filter(|source| missing.contains(source)).collect()
}

/// Who states an uncertainty that a verdict uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StatedBy {
    /// The course file, for this cycle.
    Course,
    /// The region's budget.
    Budget,
    /// The fit of the curve alone.
    Curve,
    /// The series, which is larger than the protocol's guess.
    Series,
    /// The protocol's guess.
    Protocol,
}

impl StatedBy {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Course => "stated in the course file",
            Self::Budget => "budget",
            Self::Curve => "curve fit",
            Self::Series => "stated by the series",
            Self::Protocol => "the protocol’s guess",
        }
    }
}

/// The relative uncertainty of a region's dose in a cycle as a verdict uses it, k = 1.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Used {
    /// What is drawn anew for each cycle, the transport's statistics included.
    pub random_rel_sigma: f64,
    /// Who states it.
    pub random_from: StatedBy,
    /// What cycles have in common.
    pub common_rel_sigma: f64,
    /// Who states it.
    pub common_from: StatedBy,
}

/// What stands for the uncertainty of a region's dose: what the course file states for the cycle, else the budget, and the
/// protocol's guess only where the budget has a hole and knows no more than it.
pub fn used(region: &RegionCycle, cycle: &CourseCycle, protocol: &Protocol) -> Used {
    let statistics = if region.dose_gy > 0.0 { region.dose_se_gy / region.dose_gy } else { 0.0 };
    let (known_random, known_common) = random_and_common(&region.parts);
    let holes = holes(region);
    let (random_rel_sigma, random_from) = match (cycle.random_rel_sigma, region.curve_rel_sigma) {
        (Some(stated), _) => (stated, StatedBy::Course),
        _ if !region.parts.is_empty() && !holes.contains(&Source::Fit) => {
            (known_random.hypot(statistics), StatedBy::Budget)
        }
        (None, Some(curve)) => (curve.max(known_random).hypot(statistics), StatedBy::Curve),
        (None, None) => (known_random.max(protocol.uncertainty.random_rel).hypot(statistics), StatedBy::Protocol),
    };
    let (common_rel_sigma, common_from) = match cycle.systematic_rel_sigma {
        Some(stated) => (stated, StatedBy::Course),
        None if holes.is_empty() => (known_common, StatedBy::Budget),
        None => {
            // what is known in spite of the hole must not be reduced by the guess, nor the guess by an uncertainty that is
            // stated for the images alone
            let all = [
                (protocol.systematic_rel(region.images), StatedBy::Protocol),
                (region.systematic_rel_sigma.unwrap_or(0.0), StatedBy::Series),
                (known_common, StatedBy::Budget),
            ];
            all.into_iter().fold((0.0, StatedBy::Protocol), |most, one| if one.0 > most.0 { one } else { most })
        }
    };
    Used { random_rel_sigma, random_from, common_rel_sigma, common_from }
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
                let used = used(region, file, protocol);
                Some(OrganDose {
                    dose_gy: region.dose_gy,
                    g: region.g(&tissue)?,
                    mass_g: region.mass_g,
                    random_rel_sigma: Some(used.random_rel_sigma),
                    systematic_rel_sigma: Some(used.common_rel_sigma),
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

    fn cycle(stated: Option<f64>) -> CourseCycle {
        let one = crate::clinic::course::source::imaged_cycle(None, 7400.0);
        CourseCycle { random_rel_sigma: stated, systematic_rel_sigma: stated, ..one }
    }

    /// A whole budget stands for the protocol's guess; one with a hole does not, whichever it is, and is not reduced by the
    /// guess; what the course states for a cycle goes before both.
    #[test]
    fn law_a_budget_stands_for_the_guess_only_without_a_hole() {
        let protocol = Protocol::built_in("iluminet").expect("built in");
        let guess = protocol.systematic_rel(None);
        let whole = used(&region(&[]), &cycle(None), &protocol);
        assert!((whole.random_rel_sigma - 0.02_f64.hypot(0.01)).abs() < 1e-12);
        assert!((whole.common_rel_sigma - 0.05_f64.hypot(0.04).hypot(0.03)).abs() < 1e-12);
        assert_eq!((whole.random_from, whole.common_from), (StatedBy::Budget, StatedBy::Budget));
        for source in NEEDED {
            assert_eq!(holes(&region(&[source])), [source]);
            let used = used(&region(&[source]), &cycle(None), &protocol);
            assert_eq!((used.common_rel_sigma, used.common_from), (guess, StatedBy::Protocol), "{source:?}");
            let from = if source == Source::Fit { StatedBy::Protocol } else { StatedBy::Budget };
            assert_eq!(used.random_from, from, "{source:?}");
        }
        let mut large = region(&[Source::Outline]);
        large.parts[1].rel_sigma = 2.0 * guess;
        let kept = used(&large, &cycle(None), &protocol);
        assert!(kept.common_rel_sigma > 2.0 * guess && kept.common_from == StatedBy::Budget, "{kept:?}");
        let stated = used(&region(&[]), &cycle(Some(0.2)), &protocol);
        assert_eq!((stated.common_rel_sigma, stated.common_from), (0.2, StatedBy::Course));
        assert!(holes(&region(&[Source::Counts])).is_empty());
        assert_eq!(holes(&RegionCycle::of_dose(4.0, "stated")), NEEDED);
    }
}
