//! What is said of red marrow: a dose a method, with self-dose and cross-dose apart, and how sure it is.

use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;

use super::cross::{Cross, CrossFrom, cross};
use super::file::{ActivityIn, BloodSection, ImageSection};
use super::run_folder::{Row, RunFolder};
use super::self_terms::{self, SelfTerm};
use crate::clinic::failure::{Failure, UserError};
use crate::clinic::files::{write_json, write_rows};
use crate::clinic::invocation::Invocation;
use crate::course::tia::flag_words;
use crate::course::time_activity::FitFlag;
use crate::io::atomic::AtomicOutputDir;
use crate::marrow::{BLOOD_GY_PER_GBQ, IMAGE_GY_PER_GBQ, MarrowBudget, Stated, implausible};
use crate::note::Note;
use crate::report::run_record::{InputFile, program};

/// Version of the layout of `marrow.json`.
const SCHEMA: u32 = 1;

/// The curve of blood, as a record.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BloodRecord {
    /// Time integral of the concentration, MBq h/mL.
    pub mbq_h_per_ml: f64,
    /// Its relative standard uncertainty by the fit.
    pub rel_sigma: Option<f64>,
    /// Effective half-life of the last phase, h.
    pub effective_half_life_h: f64,
    /// Share of the integral after the last sample.
    pub after_last_fraction: f64,
    /// What the reader must know of the fit.
    pub flags: Vec<FitFlag>,
}

/// The dose of red marrow by one method.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MarrowDose {
    /// `image` or `blood`.
    pub method: &'static str,
    /// Regions of spongiosa: of the activity, or of the cross-dose alone.
    pub regions: Vec<String>,
    /// Where their activity is taken to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activity_in: Option<ActivityIn>,
    /// Volume of the spongiosa, mL.
    pub spongiosa_ml: f64,
    /// Mass of red marrow in it, g, where its shares are stated.
    pub red_marrow_g: Option<f64>,
    /// Time-integrated activity of the regions, MBq h.
    pub tia_mbq_h: Option<f64>,
    /// The curve of blood.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blood: Option<BloodRecord>,
    /// Dose by the marrow's own electrons, Gy.
    pub self_dose_gy: f64,
    /// Dose by photons, Gy; none without a region.
    pub cross_dose_gy: Option<f64>,
    /// By source region, where the run made its S matrix.
    pub cross_dose_from: Vec<CrossFrom>,
    /// Mean absorbed dose, Gy.
    pub dose_gy: f64,
    /// The same per administered activity, Gy/GBq.
    pub gy_per_gbq: Option<f64>,
    /// How sure it is.
    #[serde(flatten)]
    pub budget: MarrowBudget,
    /// What was stated, by field.
    pub stated: BTreeMap<&'static str, Stated>,
}

/// A row of `marrow.csv`.
#[derive(Serialize)]
struct CsvRow {
    region: &'static str,
    method: &'static str,
    spongiosa: String,
    red_marrow_g: Option<f64>,
    tia_mbq_h: Option<f64>,
    blood_mbq_h_per_ml: Option<f64>,
    self_dose_gy: f64,
    cross_dose_gy: Option<f64>,
    dose_gy: f64,
    gy_per_gbq: Option<f64>,
    total_rel_sigma: Option<f64>,
    low95_gy: Option<f64>,
    high95_gy: Option<f64>,
    not_assessed: String,
}

/// All doses of a request.
#[derive(Clone, Debug)]
pub struct MarrowResult {
    /// Nuclide.
    pub nuclide: String,
    /// Administered activity, MBq.
    pub administered_mbq: Option<f64>,
    /// By method.
    pub doses: Vec<MarrowDose>,
    /// What the reader should know.
    pub notes: Vec<Note>,
    /// Files read.
    pub inputs: Vec<InputFile>,
}

/// By the image; `place` is the file.
pub(super) fn of_image(
    section: &ImageSection,
    run: &RunFolder,
    place: &str,
    administered_mbq: Option<f64>,
) -> Result<MarrowDose, UserError> {
    let rows = run.rows(&section.regions, &format!("{place}: [image]"), "regions")?;
    let mut own = self_terms::of_regions(section, run, &rows);
    let in_marrow = section.activity_in == ActivityIn::RedMarrow;
    for row in &rows {
        if run.parts(&row.name).is_empty() {
            own.holes.push(format!("activity of {}", row.name));
        } else if !run.holes(&row.name, in_marrow).is_empty() {
            own.holes.push(format!("{}: {}", row.name, run.holes(&row.name, in_marrow)));
        }
    }
    let known = rows.iter().all(|row| !run.parts(&row.name).is_empty());
    let stated = [
        ("trabecular_bone_fraction", &section.trabecular_bone_fraction),
        ("cellularity", &section.cellularity),
        ("absorbed_fraction", &section.absorbed_fraction),
    ];
    let stated = stated.into_iter().filter_map(|(name, stated)| Some((name, stated.clone()?))).collect();
    let dose = summed("image", own, Some(cross(run, &rows)), &rows, administered_mbq, known);
    let tia_mbq_h = Some(rows.iter().map(|row| row.tia_mbq_h()).sum());
    Ok(MarrowDose { activity_in: Some(section.activity_in), tia_mbq_h, stated, ..dose })
}

/// By blood; `place` is the file.
pub(super) fn of_blood(
    section: &BloodSection,
    run: &RunFolder,
    place: &str,
    administered_mbq: Option<f64>,
) -> Result<MarrowDose, UserError> {
    let place = format!("{place}: [blood]");
    let rows = run.rows(&section.cross_dose_of, &place, "cross_dose_of")?;
    let mut own = self_terms::of_blood(section, run, &place)?;
    let cross = if rows.is_empty() {
        own.holes.push("cross-dose".to_owned());
        None
    } else {
        Some(cross(run, &rows))
    };
    let stated = BTreeMap::from([
        ("marrow_to_blood_ratio", section.marrow_to_blood_ratio.clone()),
        ("absorbed_fraction", section.absorbed_fraction.clone()),
    ]);
    Ok(MarrowDose { stated, ..summed("blood", own, cross, &rows, administered_mbq, true) })
}

/// Self-dose and cross-dose added, with what moves both.
fn summed(
    method: &'static str,
    own: SelfTerm,
    cross: Option<Cross>,
    rows: &[&Row],
    administered_mbq: Option<f64>,
    known: bool,
) -> MarrowDose {
    let SelfTerm { dose_gy: self_dose_gy, mut moved, red_marrow_g, blood, mut holes } = own;
    let (cross_dose_gy, cross_dose_from) = match cross {
        Some(cross) => {
            moved.extend(cross.moved);
            holes.extend(cross.holes);
            (Some(cross.dose_gy), cross.from)
        }
        None => (None, Vec::new()),
    };
    let dose_gy = self_dose_gy + cross_dose_gy.unwrap_or(0.0);
    let blood = blood.map(|curve| BloodRecord {
        mbq_h_per_ml: curve.mbq_h_per_ml,
        rel_sigma: curve.rel_sigma,
        effective_half_life_h: curve.effective_half_life_h,
        after_last_fraction: curve.after_last_fraction,
        flags: curve.flags,
    });
    MarrowDose {
        method,
        regions: rows.iter().map(|row| row.name.clone()).collect(),
        activity_in: None,
        spongiosa_ml: rows.iter().map(|row| row.volume_ml).sum(),
        red_marrow_g,
        tia_mbq_h: None,
        blood,
        self_dose_gy,
        cross_dose_gy,
        cross_dose_from,
        dose_gy,
        gy_per_gbq: administered_mbq.map(|mbq| 1e3 * dose_gy / mbq),
        budget: MarrowBudget::of(dose_gy, &moved, holes, known),
        stated: BTreeMap::new(),
    }
}

impl MarrowDose {
    /// Whether the total is a least one: something that weighs is not known.
    pub fn at_least(&self) -> bool {
        !self.budget.not_assessed.is_empty()
    }

    /// What the reader should know; published doses are of Lu-177 alone.
    pub(super) fn notes(&self, nuclide: &str) -> Vec<Note> {
        let at = format!("red marrow by {}", self.method);
        let range = if self.method == "image" { IMAGE_GY_PER_GBQ } else { BLOOD_GY_PER_GBQ };
        let told = self.gy_per_gbq.filter(|_| nuclide == "Lu-177").and_then(|dose| implausible(dose, range));
        let mut notes: Vec<Note> =
            told.into_iter().map(|text| Note::warning("marrow-dose-unusual", text).at(at.clone())).collect();
        let flags = self.blood.iter().flat_map(|blood| &blood.flags);
        notes.extend(flags.map(|flag| Note::warning("blood-curve", flag_words(flag)).at(at.clone())));
        notes
    }
}

impl MarrowResult {
    /// Writes `marrow.json` and `marrow.csv`.
    ///
    /// Errors: a place that cannot be written.
    pub fn save(&self, folder: &AtomicOutputDir, invocation: &Invocation) -> Result<(), Failure> {
        let rows: Vec<CsvRow> = self.doses.iter().map(CsvRow::of).collect();
        write_rows(&folder.file("marrow.csv"), &rows)?;
        let sentences: Vec<String> = self.notes.iter().map(|note| note.sentence().to_string()).collect();
        let record = json!({
            "schema": SCHEMA,
            "program": program(),
            "command": invocation.command,
            "nuclide": self.nuclide,
            "administered_mbq": self.administered_mbq,
            "red_marrow": self.doses,
            "inputs": self.inputs,
            "warnings": sentences,
            "notes": self.notes,
        });
        write_json(&folder.file("marrow.json"), &record)
    }
}

impl CsvRow {
    fn of(dose: &MarrowDose) -> Self {
        let (low95_gy, high95_gy) = dose.budget.interval95_gy.map(|[low, high]| (low, high)).unzip();
        Self {
            region: "red_marrow",
            method: dose.method,
            spongiosa: dose.regions.join("; "),
            red_marrow_g: dose.red_marrow_g,
            tia_mbq_h: dose.tia_mbq_h,
            blood_mbq_h_per_ml: dose.blood.as_ref().map(|blood| blood.mbq_h_per_ml),
            self_dose_gy: dose.self_dose_gy,
            cross_dose_gy: dose.cross_dose_gy,
            dose_gy: dose.dose_gy,
            gy_per_gbq: dose.gy_per_gbq,
            total_rel_sigma: dose.budget.rel_sigma,
            low95_gy,
            high95_gy,
            not_assessed: dose.budget.not_assessed.join("; "),
        }
    }
}
