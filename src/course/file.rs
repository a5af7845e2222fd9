//! `COURSE.toml`: the cycles of a course, the protocol and the facts. Fields: docs/methods/course.md.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::Deserialize;

use crate::bed::{RADIOBIOLOGY_SETS, Radiobiology};
use crate::bounds::{self, Given};
use crate::note::Note;
use crate::quantify::calibration::Scan;
use crate::quantify::settings::Section;
use crate::source::OutlineSharing;

use super::frame::Transform;
use super::input::{InputError, TextOrDate, check_transform, day, days_between, from_toml, positive, relative};
use super::ledger::PriorTreatment;
use super::registration::{RawRegistration, StatedRegistration};
use super::rules::{Fact, Facts, Override};
use super::series::RawFit;

const NEXT: &str = "See the example in docs/methods/course.md.";

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRadiobiology {
    #[serde(default)]
    region: Option<String>,
    #[serde(default)]
    set: Option<String>,
    #[serde(default)]
    alpha_beta_gy: Option<f64>,
    #[serde(default)]
    repair_half_life_h: Option<f64>,
    #[serde(default)]
    alpha_per_gy: Option<f64>,
    #[serde(default)]
    geud_a: Option<f64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPatient {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    stop_flags: Vec<String>,
    #[serde(default)]
    facts: Facts,
}

/// A dose stated as a number.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatedDose {
    /// Mean absorbed dose, Gy.
    pub dose_gy: f64,
    /// Mass, g, where known.
    #[serde(default)]
    pub mass_g: Option<f64>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCycle {
    date: TextOrDate,
    administered_mbq: f64,
    #[serde(default)]
    prescribed_mbq: Option<f64>,
    #[serde(default)]
    series: Option<String>,
    #[serde(default)]
    tia: Option<String>,
    #[serde(default)]
    tia_unit: Option<String>,
    #[serde(default)]
    dose: Option<String>,
    #[serde(default)]
    doses_gy: Option<BTreeMap<String, StatedDose>>,
    #[serde(default)]
    missing: Option<String>,
    #[serde(default)]
    ct: Option<String>,
    #[serde(default)]
    labels: Option<String>,
    #[serde(default)]
    transform: Option<Transform>,
    #[serde(default)]
    registration: Option<RawRegistration>,
    #[serde(default)]
    effective_half_life_h: BTreeMap<String, f64>,
    #[serde(default)]
    random_error: Option<f64>,
    #[serde(default)]
    systematic_error: Option<f64>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCourse {
    schema: u32,
    #[serde(default)]
    protocol: Option<String>,
    #[serde(default)]
    protocol_file: Option<String>,
    #[serde(default)]
    step: Option<usize>,
    #[serde(default)]
    nuclide: Option<String>,
    #[serde(default)]
    ct: Option<String>,
    #[serde(default)]
    labels: Option<String>,
    #[serde(default)]
    label_names: Option<String>,
    #[serde(default)]
    grid: Option<String>,
    #[serde(default)]
    outline_sharing: Option<OutlineSharing>,
    #[serde(default)]
    partial_volume: Option<Section>,
    #[serde(default)]
    calibration: Option<Scan>,
    #[serde(default)]
    fit: Option<RawFit>,
    #[serde(default)]
    reduction_factor: Option<f64>,
    #[serde(default)]
    effective_half_life_h: BTreeMap<String, f64>,
    #[serde(default)]
    patient: RawPatient,
    #[serde(default)]
    overrides: Vec<Override>,
    #[serde(default)]
    ledger: Vec<PriorTreatment>,
    #[serde(default)]
    radiobiology: Vec<RawRadiobiology>,
    cycles: Vec<RawCycle>,
}

/// Source of the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProtocolChoice {
    /// Built in, by name.
    BuiltIn(String),
    /// A file.
    File(String),
}

/// Radiobiology of a region, or of all regions without an entry if `region` is `None`.
#[derive(Clone, Debug, PartialEq)]
pub struct RegionRadiobiology {
    /// The region.
    pub region: Option<String>,
    /// alpha/beta and repair half-life.
    pub radiobiology: Radiobiology,
    /// alpha, 1/Gy, for the EUBED.
    pub alpha_per_gy: Option<f64>,
    /// Exponent of the generalised EUD.
    pub geud_a: Option<f64>,
}

/// Dosimetry of a cycle.
#[derive(Clone, Debug, PartialEq)]
pub enum CycleContent {
    /// A series of images, to integrate and transport.
    Series(String),
    /// A map of time-integrated activity, to transport, and its unit.
    Tia {
        /// The file.
        file: String,
        /// The unit's name.
        unit: String,
    },
    /// A dose map, Gy.
    Dose(String),
    /// Mean doses of regions.
    Stated(BTreeMap<String, StatedDose>),
    /// No dosimetry, and why.
    Missing(String),
}

/// A cycle.
#[derive(Clone, Debug, PartialEq)]
pub struct CourseCycle {
    /// Day of injection; `None` if only days from the first are known, since dates identify.
    pub date: Option<Date>,
    /// Days since the cycle before.
    pub interval_d: Option<i64>,
    /// Administered activity, MBq.
    pub administered_mbq: f64,
    /// Prescribed activity, MBq.
    pub prescribed_mbq: Option<f64>,
    /// Dosimetry.
    pub content: CycleContent,
    /// The cycle's own CT.
    pub ct: Option<String>,
    /// The cycle's own labels.
    pub labels: Option<String>,
    /// From the cycle's world to the course's.
    pub transform: Option<Transform>,
    /// How that transform is to be found; `None` if it is not stated.
    pub registration: Option<StatedRegistration>,
    /// Effective half-lives by region, the course's filled in.
    pub effective_half_life_h: BTreeMap<String, f64>,
    /// Random relative uncertainty of a dose.
    pub random_rel_sigma: Option<f64>,
    /// Systematic relative uncertainty of a dose.
    pub systematic_rel_sigma: Option<f64>,
}

/// A checked course.
#[derive(Clone, Debug, PartialEq)]
pub struct Course {
    /// The protocol.
    pub protocol: ProtocolChoice,
    /// The step the patient is in, from 1.
    pub step: usize,
    /// Nuclide name or file.
    pub nuclide: String,
    /// Whether the course names it.
    pub nuclide_stated: bool,
    /// CT of the course's frame.
    pub ct: Option<String>,
    /// Labels of the course's frame.
    pub labels: Option<String>,
    /// Names of the labels.
    pub label_names: Option<String>,
    /// Grid of the dose: as for `lutra dose --grid`.
    pub grid: Option<String>,
    /// Whether decays stay with the outlines that share an image voxel, where it is stated.
    pub outline_sharing: Option<OutlineSharing>,
    /// How images are corrected for partial volume, in series that do not state it themselves.
    pub partial_volume: Option<Section>,
    /// How images in counts were acquired, and their calibration, in series that do not state it themselves.
    pub calibration: Option<Scan>,
    /// How curves are laid, in series that do not state it themselves.
    pub fit: Option<RawFit>,
    /// Reduction of a solved activity.
    pub reduction_factor: f64,
    /// Pseudonym.
    pub patient_id: Option<String>,
    /// Reasons to stop.
    pub stop_flags: Vec<String>,
    /// Facts.
    pub facts: Facts,
    /// Overrides.
    pub overrides: Vec<Override>,
    /// Prior treatments.
    pub ledger: Vec<PriorTreatment>,
    /// Radiobiology of regions other than the dose-limiting organ.
    pub radiobiology: Vec<RegionRadiobiology>,
    /// The cycles, in order; at least one.
    pub cycles: Vec<CourseCycle>,
}

impl CourseCycle {
    /// Effective half-life that the course states for a region, h: under its own name, or under another that the table of
    /// names takes for the same.
    pub fn half_life_h(&self, region: &str) -> Option<f64> {
        let wanted = super::names::standard(region);
        let same = |name: &str| wanted.is_some() && super::names::standard(name) == wanted;
        let stated = &self.effective_half_life_h;
        stated.get(region).or_else(|| stated.iter().find(|(name, _)| same(name)).map(|(_, h)| h)).copied()
    }
}

impl Course {
    /// A course from TOML text; `file` names it in errors.
    pub fn parse(text: &str, file: &str) -> Result<Self, InputError> {
        let raw: RawCourse = from_toml(text, file, NEXT)?;
        if raw.schema != 1 {
            return Err(InputError::new(file, "schema", raw.schema, "1", NEXT));
        }
        let protocol = match (&raw.protocol, &raw.protocol_file) {
            (Some(name), None) => ProtocolChoice::BuiltIn(name.clone()),
            (None, Some(path)) => ProtocolChoice::File(path.clone()),
            (None, None) => {
                return Err(InputError::new(file, "protocol", "none", "protocol or protocol_file", NEXT));
            }
            (Some(_), Some(_)) => {
                return Err(InputError::new(file, "protocol", "protocol and protocol_file", "one of them", NEXT));
            }
        };
        if raw.cycles.is_empty() {
            return Err(InputError::new(file, "cycles", "none", "at least one [[cycles]] entry", NEXT));
        }
        if let Some(section) = &raw.partial_volume {
            section.check(None).map_err(|fault| InputError::of_fault(file, &fault))?;
        }
        if let Some(fit) = &raw.fit {
            fit.method(file, "fit")?;
        }
        for (region, value) in &raw.effective_half_life_h {
            positive(file, &format!("effective_half_life_h.{region}"), *value, "h")?;
        }
        let mut cycles: Vec<CourseCycle> = Vec::new();
        for (index, cycle) in raw.cycles.iter().enumerate() {
            let before = cycles.last().and_then(|c| c.date);
            cycles.push(checked_cycle(cycle, index + 1, before, &raw.effective_half_life_h, file)?);
        }
        let reduction_factor = raw.reduction_factor.unwrap_or(1.0);
        if !(reduction_factor > 0.0 && reduction_factor <= 1.0) {
            return Err(InputError::new(file, "reduction_factor", reduction_factor, "above 0 and at most 1", NEXT));
        }
        for (name, fact) in &raw.patient.facts {
            if let Fact::Number(value) = fact {
                bounds::fact(&format!("patient.facts.{name}"), name, *value)
                    .map_err(|error| InputError::of_bounds(file, error))?;
            }
        }
        for entry in &raw.ledger {
            entry.validate().map_err(|error| {
                InputError::new(file, "ledger", error, "finite numbers in their ranges", "Correct the entry.")
            })?;
        }
        Ok(Self {
            protocol,
            step: raw.step.unwrap_or(1),
            nuclide_stated: raw.nuclide.is_some(),
            nuclide: raw.nuclide.unwrap_or_else(|| "lu177".to_owned()),
            ct: raw.ct,
            labels: raw.labels,
            label_names: raw.label_names,
            grid: raw.grid,
            outline_sharing: raw.outline_sharing,
            partial_volume: raw.partial_volume,
            calibration: raw.calibration,
            fit: raw.fit,
            reduction_factor,
            patient_id: raw.patient.id,
            stop_flags: raw.patient.stop_flags,
            facts: raw.patient.facts,
            overrides: raw.overrides,
            ledger: raw.ledger,
            radiobiology: raw.radiobiology.iter().map(|r| radiobiology(r, file)).collect::<Result<_, _>>()?,
            cycles,
        })
    }

    /// Refuses what the nuclide forbids: a stated half-life longer than physical decay, `physical_half_life_h`, allows,
    /// and a stated dose of more energy than the administered activity emits at `kev_per_decay`. Returns doubts:
    /// half-lives that look like days.
    pub fn check_nuclide(
        &self,
        physical_half_life_h: f64,
        kev_per_decay: f64,
        file: &str,
    ) -> Result<Vec<Note>, InputError> {
        let refused = |error| InputError::of_bounds(file, error);
        let mut doubts = Vec::new();
        for (number, cycle) in (1..).zip(&self.cycles) {
            for (region, &half_life_h) in &cycle.effective_half_life_h {
                let what = format!("effective_half_life_h.{region} (cycle {number})");
                bounds::effective_half_life_h(&what, half_life_h, physical_half_life_h).map_err(refused)?;
                doubts.extend(bounds::half_life_in_days(&what, half_life_h, physical_half_life_h));
            }
            let CycleContent::Stated(doses) = &cycle.content else { continue };
            let given = Given::new(Some(cycle.administered_mbq), physical_half_life_h);
            for (region, stated) in doses {
                let what = format!("cycles[{number}].doses_gy.{region}");
                given.check_dose(&what, stated.dose_gy, stated.mass_g, kev_per_decay).map_err(refused)?;
            }
        }
        Ok(doubts)
    }

    /// Radiobiology of a region: its own entry, else the one for all others; `None` if neither exists.
    pub fn radiobiology_of(&self, region: &str) -> Option<&RegionRadiobiology> {
        let own = self.radiobiology.iter().find(|r| r.region.as_deref() == Some(region));
        own.or_else(|| self.radiobiology.iter().find(|r| r.region.is_none()))
    }
}

fn checked_cycle(
    cycle: &RawCycle,
    number: usize,
    before: Option<Date>,
    common_half_lives: &BTreeMap<String, f64>,
    file: &str,
) -> Result<CourseCycle, InputError> {
    let place = |field: &str| format!("cycles[{number}].{field}");
    let date = day(file, &place("date"), &cycle.date.text())?;
    if let Some(before) = before
        && date <= before
    {
        return Err(InputError::new(
            file,
            place("date"),
            format!("{date} after {before}"),
            "cycles in order of time",
            if date == before {
                "Is one cycle listed twice? Otherwise correct the date."
            } else {
                "Sort the [[cycles]] entries by date; check the year."
            },
        ));
    }
    let administered_mbq = positive(file, &place("administered_mbq"), cycle.administered_mbq, "MBq")?;
    bounds::cycle_mbq(&place("administered_mbq"), administered_mbq)
        .map_err(|error| InputError::of_bounds(file, error))?;
    let kinds: Vec<&str> = [
        ("series", cycle.series.is_some()),
        ("tia", cycle.tia.is_some()),
        ("dose", cycle.dose.is_some()),
        ("doses_gy", cycle.doses_gy.is_some()),
        ("missing", cycle.missing.is_some()),
    ]
    .iter()
    .filter(|(_, given)| *given)
    .map(|(name, _)| *name)
    .collect();
    let [_] = kinds.as_slice() else {
        return Err(InputError::new(
            file,
            place("dosimetry"),
            if kinds.is_empty() { "none".to_owned() } else { kinds.join(" and ") },
            "one of series, tia, dose, doses_gy, or missing = \"the reason\"",
            "A cycle without dosimetry must say so: it is never counted as zero.",
        ));
    };
    let content = if let Some(series) = &cycle.series {
        CycleContent::Series(series.clone())
    } else if let Some(tia) = &cycle.tia {
        let unit = cycle.tia_unit.clone().ok_or_else(|| {
            InputError::new(
                file,
                place("tia_unit"),
                "none",
                crate::source::ActivityUnit::CHOICES,
                "State the unit of the map.",
            )
        })?;
        CycleContent::Tia { file: tia.clone(), unit }
    } else if let Some(dose) = &cycle.dose {
        CycleContent::Dose(dose.clone())
    } else if let Some(doses) = &cycle.doses_gy {
        for (region, stated) in doses {
            let field = place(&format!("doses_gy.{region}.dose_gy"));
            positive(file, &field, stated.dose_gy, "Gy")?;
            bounds::region_dose(&field, stated.dose_gy, Some(administered_mbq))
                .map_err(|error| InputError::of_bounds(file, error))?;
            if let Some(mass_g) = stated.mass_g {
                positive(file, &place(&format!("doses_gy.{region}.mass_g")), mass_g, "g")?;
            }
        }
        CycleContent::Stated(doses.clone())
    } else {
        CycleContent::Missing(cycle.missing.clone().unwrap_or_default())
    };
    if let Some(transform) = &cycle.transform {
        check_transform(file, &place("transform"), transform)?;
    }
    let registration = cycle.registration.as_ref().map(|r| r.check(file, &place("registration"))).transpose()?;
    cycle.registration.as_ref().map_or(Ok(()), |r| r.whole(file, &place("registration")))?;
    if registration.is_some() && cycle.transform.is_some() {
        return Err(InputError::new(file, place("transform"), "a transform and a registration", "one of them", NEXT));
    }
    let mut effective_half_life_h = common_half_lives.clone();
    for (region, value) in &cycle.effective_half_life_h {
        positive(file, &place(&format!("effective_half_life_h.{region}")), *value, "h")?;
        effective_half_life_h.insert(region.clone(), *value);
    }
    let share = |field: &str, value: Option<f64>| value.map(|value| relative(file, &place(field), value)).transpose();
    Ok(CourseCycle {
        date: Some(date),
        interval_d: before.map(|before| days_between(before, date)),
        administered_mbq,
        prescribed_mbq: cycle
            .prescribed_mbq
            .map(|mbq| positive(file, &place("prescribed_mbq"), mbq, "MBq"))
            .transpose()?,
        content,
        ct: cycle.ct.clone(),
        labels: cycle.labels.clone(),
        transform: cycle.transform,
        registration,
        effective_half_life_h,
        random_rel_sigma: share("random_error", cycle.random_error)?,
        systematic_rel_sigma: share("systematic_error", cycle.systematic_error)?,
    })
}

fn radiobiology(raw: &RawRadiobiology, file: &str) -> Result<RegionRadiobiology, InputError> {
    let place = format!("radiobiology ({})", raw.region.as_deref().unwrap_or("all other regions"));
    let (alpha_beta_gy, repair_half_life_h) = match (&raw.set, raw.alpha_beta_gy, raw.repair_half_life_h) {
        (Some(name), None, None) => RADIOBIOLOGY_SETS
            .iter()
            .find(|set| set.name == name)
            .map(|set| (set.alpha_beta_gy, set.repair_half_life_h))
            .ok_or_else(|| {
                let known: Vec<&str> = RADIOBIOLOGY_SETS.iter().map(|set| set.name).collect();
                InputError::new(file, format!("{place}.set"), format!("\"{name}\""), known.join(", "), NEXT)
            })?,
        (None, Some(alpha_beta), Some(repair)) => (alpha_beta, repair),
        _ => {
            return Err(InputError::new(
                file,
                place,
                "another combination",
                "set, or alpha_beta_gy and repair_half_life_h together",
                NEXT,
            ));
        }
    };
    let radiobiology = Radiobiology::new(alpha_beta_gy, repair_half_life_h)
        .map_err(|error| InputError::new(file, place.clone(), error, "positive numbers", NEXT))?;
    if let Some(alpha) = raw.alpha_per_gy {
        positive(file, &format!("{place}.alpha_per_gy"), alpha, "1/Gy")?;
    }
    Ok(RegionRadiobiology {
        region: raw.region.clone(),
        radiobiology,
        alpha_per_gy: raw.alpha_per_gy,
        geud_a: raw.geud_a,
    })
}
