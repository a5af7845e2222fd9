//! What a clinic learns of its own kinetics from finished courses, and which times of scans serve best.

use super::failure::{OrUserError, UserError};
use super::files::read_text;
use super::priors;
use super::survey::folders_of;
use crate::course::time_activity::ActivityPoint;
use crate::kinetics::learn::{Learnt, learn};
use crate::kinetics::plan::{Planned, plan};
use crate::kinetics::{OrganPrior, Prior, Scan};
use crate::place::Place;
use crate::report::run_record::InputFile;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The record of a course.
const VERDICT: &str = "verdict.json";

/// What is to be learnt.
pub struct LearnRequest {
    /// Results of `lutra course` (verdict.json), or folders with a result of `lutra tia` (tia.json) a cycle; one a patient.
    pub folders: Vec<Place>,
    /// Prior to begin with: its organs and shapes are learnt.
    pub start: String,
    /// Name of what is learnt.
    pub name: String,
    /// Where the file goes.
    pub out: PathBuf,
    /// Whether a file there may be replaced.
    pub force: bool,
}

/// When to scan.
pub struct PlanRequest {
    /// Prior, by name or file.
    pub prior: String,
    /// Organ or region.
    pub organ: String,
    /// Times that a scan may have, h.
    pub times_h: Vec<f64>,
    /// Number of scans.
    pub scans: usize,
    /// Patients drawn.
    pub patients: usize,
    /// Seed.
    pub seed: u64,
}

/// What was learnt of one organ, or why nothing was.
pub struct OrganLearnt {
    /// Organ.
    pub organ: String,
    /// Regions it was learnt from, each as a patient of its own.
    pub regions: usize,
    /// What was learnt; the reason where nothing was.
    pub learnt: Result<Learnt, String>,
}

/// What was learnt of all organs.
pub struct LearnResult {
    /// The prior, to be written; organs of which nothing was learnt are left out.
    pub prior: Prior,
    /// Organ by organ.
    pub organs: Vec<OrganLearnt>,
    /// Files read.
    pub inputs: Vec<InputFile>,
}

/// The points of a cycle by region, in a record of `lutra tia` or of `lutra course`.
#[derive(Deserialize)]
struct Points {
    #[serde(default)]
    points: BTreeMap<String, Vec<ActivityPoint>>,
}

#[derive(Deserialize)]
struct CourseRecord {
    cycles: Vec<Points>,
}

/// Cycles of one patient by region.
type Courses = BTreeMap<String, Vec<Vec<Scan>>>;

/// The kinetics of the clinic's own patients.
///
/// Errors: a folder without a record; a record without points; fewer patients than a spread can be told of in every organ.
pub fn learn_from(request: &LearnRequest) -> Result<LearnResult, UserError> {
    let mut inputs = Vec::new();
    let start = priors::open(&here(), &request.start, &mut inputs)?;
    let courses: Vec<Courses> =
        request.folders.iter().map(|folder| course(folder, &mut inputs)).collect::<Result<_, _>>()?;
    let mut organs = Vec::new();
    let mut learnt_organs = Vec::new();
    for organ in &start.organs {
        let regions: Vec<Vec<Vec<Scan>>> = courses.iter().flat_map(|course| of_organ(&start, organ, course)).collect();
        let learnt = learn(organ, &regions).map_err(|fault| fault.sentence().to_string());
        learnt_organs.extend(learnt.as_ref().ok().map(|learnt| learnt.prior.clone()));
        organs.push(OrganLearnt { organ: organ.organ.clone(), regions: regions.len(), learnt });
    }
    if learnt_organs.is_empty() {
        let reasons: Vec<&str> = organs.iter().filter_map(|o| o.learnt.as_ref().err()).map(String::as_str).collect();
        let next = "Give the results of more finished courses.";
        let found = format!("{} folders: {}", request.folders.len(), reasons.join(" "));
        return Err(UserError::invalid("lutra kinetics learn", "courses", found, "enough regions of one organ", next));
    }
    let prior = Prior {
        name: request.name.clone(),
        source: format!("learnt from {} courses, from {} on", request.folders.len(), start.name),
        patients: u32::try_from(request.folders.len()).ok(),
        organs: learnt_organs,
        ..start
    };
    Ok(LearnResult { prior, organs, inputs })
}

/// Plans of scans, best first, with the organ that they are for.
///
/// Errors: a prior that is not there or has no such organ; no scan, or more than there are times.
pub fn plan_of(request: &PlanRequest) -> Result<(OrganPrior, Vec<Planned>), UserError> {
    let prior = priors::open(&here(), &request.prior, &mut Vec::new())?;
    let Some(organ) = prior.organ_of(&request.organ) else {
        let known: Vec<&str> = prior.organs.iter().map(|organ| &organ.organ[..]).collect();
        let (found, known) = (format!("\"{}\"", request.organ), known.join(", "));
        return Err(UserError::invalid(&request.prior[..], "organ", found, known, "Name an organ of the prior."));
    };
    let plans = plan(organ, &request.times_h, request.scans, request.patients, request.seed).or_user_error()?;
    Ok((organ.clone(), plans))
}

/// Files that a person names on a command line lie where it is run.
fn here() -> Place {
    Place::from("lutra")
}

/// The regions of a course that are of this organ and of no other.
fn of_organ(start: &Prior, organ: &OrganPrior, course: &Courses) -> Vec<Vec<Vec<Scan>>> {
    let is = |region: &str| start.organ_of(region).is_some_and(|of| of.organ == organ.organ);
    course.iter().filter(|(region, _)| is(region)).map(|(_, cycles)| cycles.clone()).collect()
}

/// The cycles of one patient.
fn course(folder: &Place, inputs: &mut Vec<InputFile>) -> Result<Courses, UserError> {
    let files = records(folder)?;
    let cycles: Vec<Points> = match &files[..] {
        [verdict] if verdict.file_name().is_some_and(|name| name == VERDICT) => {
            record::<CourseRecord>(verdict, inputs)?.cycles
        }
        files => files.iter().map(|file| record(file, inputs)).collect::<Result<_, _>>()?,
    };
    let mut by_region = Courses::new();
    for (region, points) in cycles.into_iter().flat_map(|cycle| cycle.points) {
        let scans: Vec<Scan> = points.iter().filter(|p| p.activity_mbq > 0.0).map(|p| p.scan(None)).collect();
        if !scans.is_empty() {
            by_region.entry(region).or_default().push(scans);
        }
    }
    if by_region.is_empty() {
        let next = "Give the results of lutra course or of lutra tia.";
        let allowed = "verdict.json of a course from images, or tia.json of its cycles";
        return Err(UserError::invalid(folder, "time-activity points", "none", allowed, next));
    }
    Ok(by_region)
}

/// The records of a folder that are read: a course's verdict, or the results of its cycles.
///
/// Errors: a folder that cannot be listed.
pub(super) fn records(folder: &Place) -> Result<Vec<Place>, UserError> {
    let verdict = folder.join(VERDICT);
    if verdict.is_file() {
        return Ok(vec![verdict]);
    }
    let mut files = vec![folder.join("tia.json")];
    files.extend(folders_of(folder.clone())?.into_iter().map(|inner| inner.join("tia.json")));
    Ok(files.into_iter().filter(Place::is_file).collect())
}

/// A record of Lutra.
fn record<T: for<'de> Deserialize<'de>>(file: &Place, inputs: &mut Vec<InputFile>) -> Result<T, UserError> {
    inputs.push(super::images::read("record", file)?);
    serde_json::from_str(&read_text(file)?).map_err(|error| {
        let found = crate::text::parsed::plain_words(&error.to_string());
        UserError::invalid(file, "JSON", found, "a record that Lutra wrote", "Give the folder of a result.")
    })
}
