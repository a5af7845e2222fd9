//! `lutra course`: from the cycles of a treatment to a verdict.

use super::failure::{OrUserError, UserError, user_error};
use super::options::option;
use super::printer;
use super::progress::{Terminal, invocation};
use crate::bed::{LimitQuantity, RADIOBIOLOGY_SETS};
use crate::clinic::course::cache::Cache;
use crate::clinic::course::cohort::cohort;
use crate::clinic::course::patient;
use crate::clinic::course::save::{FILE_NAMES, names};
use crate::clinic::failure::Failure;
use crate::clinic::files::write_json;
use crate::clinic::guard;
use crate::clinic::request::{CourseRequest, DicomOut, RunOptions, StudyChoice};
use crate::course::cohort::{Cohort, CohortOutcome};
use crate::course::file::Course;
use crate::course::protocol::{BUILT_IN, Protocol};
use crate::course::words::verdict_words_with;
use crate::io::atomic::AtomicOutputDir;
use crate::io::inputs::Inputs;
use crate::place::Place;
use crate::report::run_record;
use crate::source::OutlineSharing;
use crate::units::rounded;

/// Runs `lutra course`.
pub(super) fn run(request: &CourseRequest) -> Result<(), Failure> {
    match request {
        CourseRequest::Patient { course, out, cache, study, dicom, outline_sharing, force, run } => {
            let inputs = guard::of_course(request);
            let folder = guard::folder(out, *force, &inputs, &FILE_NAMES)?;
            let cache = Cache { folder: cache.clone(), program_sha256: program_sha256()?, inputs };
            one_patient(course, study.as_deref(), &cache, folder, (*dicom, *outline_sharing), run)
        }
        CourseRequest::Cohort { protocol, patients, seed, out, force } => {
            let folder =
                out.as_deref().map(|out| guard::folder(out, *force, &Inputs::none(), &["cohort.json"])).transpose()?;
            virtual_cohort(protocol, *patients, *seed, folder)
        }
    }
}

/// Lists the built-in protocols and sets of radiobiology.
pub(super) fn protocols() -> Result<(), Failure> {
    let mut text = String::new();
    let mut all = Vec::new();
    for (name, _) in BUILT_IN {
        let protocol = Protocol::built_in(name).or_user_error()?;
        text.push_str(&format!("{name:<14} {}\n{:<14} {}\n", protocol.title, "", protocol.source));
        for step in &protocol.steps {
            let end = match (&step.window, step.last_cycle) {
                (Some(window), _) => {
                    let quantity = match window.quantity {
                        LimitQuantity::Bed => "BED",
                        LimitQuantity::AbsorbedDose => "absorbed dose",
                    };
                    let from = window.lower_gy.map_or(String::new(), |lower| format!("{lower} to "));
                    format!("{quantity} {from}{} Gy of the {}", window.upper_gy, protocol.organ.name)
                }
                (None, Some(last)) => format!("{last} cycles"),
                (None, None) => String::new(),
            };
            text.push_str(&format!("{:<14} {}: {end}\n", "", step.name));
        }
        all.push(protocol);
    }
    text.push_str("\nradiobiology for [[radiobiology]] set = NAME\n");
    for set in RADIOBIOLOGY_SETS {
        text.push_str(&format!(
            "{:<15} alpha/beta {} Gy, repair half-life {} h ({})\n",
            set.name, set.alpha_beta_gy, set.repair_half_life_h, set.source
        ));
    }
    printer::record(&serde_json::json!({"protocols": all}))?;
    printer::data(&text);
    Ok(())
}

/// Hash of the program file.
fn program_sha256() -> Result<String, UserError> {
    super::program_sha256().ok_or_else(|| {
        user_error(
            "the program's own file: cannot read: it was moved or replaced while running",
            "Start the command again.",
        )
    })
}

fn one_patient(
    course: &Place,
    study: Option<&StudyChoice>,
    cache: &Cache,
    folder: AtomicOutputDir,
    (dicom, sharing): (Option<DicomOut>, Option<OutlineSharing>),
    run: &RunOptions,
) -> Result<(), Failure> {
    let invocation = invocation();
    let hear = &mut Terminal::default();
    let check = |course: &Course| Ok(folder.expect(&names(course.cycles.len(), dicom)).or_user_error()?);
    let result = patient(course, study, (cache, sharing), run, &check, hear)?;
    result.save(&folder, &invocation, dicom, hear)?;
    let place = folder.commit().or_user_error()?;
    printer::record_file(&place.join("verdict.json"))?;
    printer::data(&verdict_words_with(&result.verdict, option));
    printer::results("", &place);
    Ok(())
}

/// The cohort's outcomes as text.
fn cohort_words(cohort: &Cohort, outcomes: &[CohortOutcome], seed: u64) -> String {
    let patients = cohort.patients;
    let mut text = format!(
        "{patients} virtual patients, seed {seed}: {} +- {} Gy per cycle, {} % scatter within a patient (assumed)\n\
         {:<20} {:>9} {:>9} {:>9} {:>14} {:>15}\n",
        cohort.mean_dose_gy,
        cohort.sigma_dose_gy,
        100.0 * cohort.within_patient_cv,
        "policy",
        "below (%)",
        "in (%)",
        "above (%)",
        "median cycles",
        "mean BED (Gy)"
    );
    for outcome in outcomes {
        text.push_str(&format!(
            "{:<20} {:>9.1} {:>9.1} {:>9.1} {:>14} {:>15}\n",
            outcome.policy.name(),
            100.0 * outcome.below,
            100.0 * outcome.inside,
            100.0 * outcome.above,
            outcome.median_cycles,
            rounded(outcome.mean_bed_gy, 4)
        ));
    }
    text
}

fn virtual_cohort(protocol: &str, patients: u32, seed: u64, folder: Option<AtomicOutputDir>) -> Result<(), Failure> {
    let (made, outcomes) = cohort(protocol, patients, seed)?;
    let record =
        serde_json::json!({"schema": 1, "program": run_record::program(), "cohort": made, "outcomes": outcomes});
    let place = match folder {
        None => None,
        Some(folder) => {
            write_json(&folder.file("cohort.json"), &record)?;
            Some(folder.commit().or_user_error()?)
        }
    };
    printer::record(&record)?;
    printer::data(&cohort_words(&made, &outcomes, seed));
    if let Some(place) = place {
        printer::results("", &place);
    }
    Ok(())
}
