//! What is read of a finished run: regions and budgets of `run.json`, and the S matrix where there is one.

use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

use crate::budget::{Part, Source, holes_of_dose, in_words};
use crate::clinic::failure::{OrUserError, UserError};
use crate::clinic::images::read;
use crate::clinic::output::S_MATRIX_FILE;
use crate::decay::Nuclide;
use crate::fault::FaultKind;
use crate::place::Place;
use crate::report::run_record::InputFile;
use crate::text::parsed::{of_csv, of_json};
use crate::units::DECAYS_PER_MBQ_H;

/// The record of a run.
const RECORD: &str = "run.json";
const NEXT: &str = "Give the folder of a finished lutra dose.";
/// Relative difference of two statements of one administered activity that rounding explains.
const ROUNDING: f64 = 1e-3;

/// A region of the run.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) volume_ml: f64,
    pub(super) mass_g: f64,
    decays: f64,
    pub(super) dose_gy: f64,
    pub(super) dose_se_gy: f64,
    pub(super) dose_electron_gy: f64,
    pub(super) dose_photon_gy: f64,
    gy_per_gbq: Option<f64>,
}

impl Row {
    /// Time-integrated activity, MBq h.
    pub(super) fn tia_mbq_h(&self) -> f64 {
        self.decays / DECAYS_PER_MBQ_H
    }
}

#[derive(Deserialize)]
struct KeptBudget {
    parts: Vec<Part>,
    rel_sigma: Option<f64>,
}

#[derive(Deserialize)]
struct Record {
    settings: BTreeMap<String, Value>,
    regions: Vec<Row>,
    #[serde(default)]
    budget: BTreeMap<String, KeptBudget>,
    #[serde(default)]
    outputs: BTreeMap<String, String>,
}

/// An element of the S matrix.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) struct Element {
    pub(super) target: String,
    pub(super) source: String,
    pub(super) gy_per_mbq_h: f64,
}

/// The finished run.
pub(super) struct RunFolder {
    place: Place,
    pub(super) nuclide: Nuclide,
    regions: Vec<Row>,
    budget: BTreeMap<String, KeptBudget>,
    /// Elements of the patient's own S matrix; none where the run did not make it.
    pub(super) matrix: Option<Vec<Element>>,
}

/// The files that are read of a run's folder.
pub fn inputs_of(folder: &Place) -> Vec<Place> {
    [RECORD, S_MATRIX_FILE].map(|name| folder.join(name)).into_iter().filter(Place::is_file).collect()
}

impl RunFolder {
    /// Reads the folder; its files are put among the `inputs`.
    ///
    /// Errors: no record, or one that is none; a matrix of another run; a nuclide that is not found; a run of some emissions.
    pub(super) fn open(folder: &Place, inputs: &mut Vec<InputFile>) -> Result<Self, UserError> {
        let path = folder.join(RECORD);
        if !path.is_file() {
            return Err(UserError::invalid(folder, RECORD, "none", "the record of a run", NEXT));
        }
        inputs.push(read("run", &path)?);
        let spoilt = |found: String| UserError::invalid(&path, "JSON", found, "a record of lutra dose", NEXT);
        let text = crate::text::bytes(&path, MOST_BYTES).or_user_error().map_err(|error| error.inside(&path))?;
        let record: Record = serde_json::from_slice(&text).map_err(|error| spoilt(of_json(&error)))?;
        let setting = |name: &str| record.settings.get(name).and_then(Value::as_str).unwrap_or("").to_owned();
        if setting("emissions") != "all" {
            let found = format!("\"{}\"", setting("emissions"));
            let next = "Run lutra dose with all emissions: the cross-dose is that of photons.";
            return Err(UserError::invalid(&path, "emissions", found, "\"all\"", next));
        }
        let nuclide =
            Nuclide::load(setting("nuclide").as_str()).or_user_error().map_err(|error| error.inside(&path))?;
        let matrix = matrix(folder, record.outputs.get(S_MATRIX_FILE), inputs)?;
        Ok(Self { place: path, nuclide, regions: record.regions, budget: record.budget, matrix })
    }

    /// Regions by name, in the order given; `place` and `field` name the list.
    ///
    /// Errors: a name twice; one that no region or several have; a region without volume, mass or decays.
    pub(super) fn rows(&self, names: &[String], place: &str, field: &str) -> Result<Vec<&Row>, UserError> {
        let mut seen = BTreeSet::new();
        let mut rows = Vec::new();
        for name in names {
            let found: Vec<&Row> = self.regions.iter().filter(|row| row.name == *name).collect();
            let known: Vec<&str> = self.regions.iter().map(|row| &row.name[..]).collect();
            let shown = format!("\"{name}\"");
            let wrong =
                |found: String, allowed: String, next: &str| UserError::invalid(place, field, found, allowed, next);
            match found[..] {
                [] => return Err(wrong(shown, known.join(", "), "Name regions of the run.").kind(FaultKind::Unknown)),
                [row] if row.volume_ml > 0.0 && row.mass_g > 0.0 && row.tia_mbq_h() > 0.0 => rows.push(row),
                [row] => {
                    let found = format!("{shown}: {} mL, {} g, {} decays", row.volume_ml, row.mass_g, row.decays);
                    return Err(wrong(found, "above 0".to_owned(), "Look at its outline in the run's report."));
                }
                _ => return Err(wrong(format!("{shown}, several regions"), "one".to_owned(), "Rename the regions.")),
            }
            if !seen.insert(name) {
                return Err(wrong(format!("{shown} twice"), "each region once".to_owned(), "Leave it out once."));
            }
        }
        Ok(rows)
    }

    /// A region by name.
    pub(super) fn row(&self, name: &str) -> Option<&Row> {
        self.regions.iter().find(|row| row.name == name)
    }

    /// Parts of a region's dose; none where nothing is known of its activity.
    pub(super) fn parts(&self, name: &str) -> &[Part] {
        let known = self.budget.get(name).filter(|budget| budget.rel_sigma.is_some());
        known.map_or(&[][..], |budget| &budget.parts)
    }

    /// Sources of a region's dose of which nothing is known, in words; of its mass aside, where `without_mass`.
    pub(super) fn holes(&self, name: &str, without_mass: bool) -> String {
        let mut holes = holes_of_dose(self.parts(name));
        holes.retain(|source| !(without_mass && *source == Source::Mass));
        in_words(&holes)
    }

    /// The administered activity, MBq: of the run, or as `file` states it.
    ///
    /// Errors: two statements that differ.
    pub(super) fn administered_mbq(&self, file: &Place, stated: Option<f64>) -> Result<Option<f64>, UserError> {
        let of = |row: &Row| row.gy_per_gbq.filter(|d| *d > 0.0).map(|d| 1e3 * row.dose_gy / d);
        let own = self.regions.iter().find_map(of);
        match (own, stated) {
            (Some(own), Some(stated)) if (stated / own - 1.0).abs() > ROUNDING => {
                let allowed = format!("{own:.1} MBq, as {}", self.place.display());
                let next = "Leave it out, or give the run of that injection.";
                let found = format!("{stated} MBq");
                Err(UserError::invalid(file, "administered_mbq", found, allowed, next).kind(FaultKind::Mismatch))
            }
            (own, stated) => Ok(stated.or(own)),
        }
    }
}

/// Largest record that is read, bytes: one of hundreds of regions has a hundredth of that.
const MOST_BYTES: u64 = 64 << 20;

/// The S matrix beside the record, which states its hash.
fn matrix(
    folder: &Place,
    sha256: Option<&String>,
    inputs: &mut Vec<InputFile>,
) -> Result<Option<Vec<Element>>, UserError> {
    let path = folder.join(S_MATRIX_FILE);
    let Some(sha256) = sha256 else { return Ok(None) };
    let file = read("s_matrix", &path)?;
    if file.sha256 != *sha256 {
        let allowed = "the file whose hash run.json states";
        return Err(UserError::invalid(&path, "SHA-256", file.sha256, allowed, NEXT).kind(FaultKind::Mismatch));
    }
    inputs.push(file);
    let bytes = crate::text::bytes(&path, MOST_BYTES).or_user_error().map_err(|error| error.inside(&path))?;
    let mut reader = csv::Reader::from_reader(&bytes[..]);
    let rows: Result<Vec<Element>, csv::Error> = reader.deserialize().collect();
    let spoilt = |error: csv::Error| UserError::invalid(&path, "CSV", of_csv(&error), "a matrix of lutra dose", NEXT);
    Ok(Some(rows.map_err(spoilt)?))
}
