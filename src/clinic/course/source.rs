//! Source of a course: a COURSE.toml or a DICOM folder.

use super::{blanks, motion};
use crate::bounds;
use crate::clinic::failure::{OrUserError, UserError};
use crate::clinic::files::{beside, in_file, named_nuclide, read_text};
use crate::clinic::images::read;
use crate::clinic::notes::Listener;
use crate::clinic::request::{ImageChoice, StudyChoice};
use crate::clinic::series::OpenSeries;
use crate::clinic::shelf::Shelf;
use crate::clinic::study;
use crate::course::decision::{check_choices, check_facts};
use crate::course::file::{Course, CourseCycle, CycleContent, ProtocolChoice};
use crate::course::protocol::Protocol;
use crate::course::rules::Facts;
use crate::decay::Nuclide;
use crate::fault::{Explained, Setting, words};
use crate::io::dicom::ActivityOptions;
use crate::note::Note;
use crate::place::Place;
use crate::report::run_record::InputFile;
use crate::units::rounded;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A course, and where its files are.
pub struct CourseSource {
    /// Name in messages: the COURSE.toml, the DICOM folder, or `course in memory`.
    pub name: PathBuf,
    /// Its entry in the record.
    pub input: InputFile,
    /// Inputs that are already open.
    pub shelf: Shelf,
    /// The course.
    pub course: Course,
    /// Its protocol.
    pub protocol: Protocol,
    /// The file to which other paths are relative; empty for the working folder.
    pub base: Place,
    /// The opened images of each cycle; `None` for a course from a file.
    pub series: Vec<Option<OpenSeries>>,
    /// How the CT of each cycle lies to the course's, of cycles whose registration is stated.
    pub motions: Vec<Option<motion::Settled>>,
    /// Days of the cycles as text; for a DICOM folder relative to the first, since dates identify the patient.
    pub days: Vec<String>,
    /// How DICOM images are read.
    pub images: ImageChoice,
    /// What in the file is unusual and allowed.
    pub doubts: Vec<Note>,
}

impl CourseSource {
    /// A course from its file.
    pub fn of_file(path: impl Into<Place>) -> Result<Self, UserError> {
        let path = &path.into();
        let file = path.display().to_string();
        let text = read_text(path)?;
        blanks::filled_in(path, &text)?;
        let mut course = Course::parse(&text, &file).or_user_error()?;
        let protocol = read_protocol(path, &course.protocol)?;
        check_choices(&protocol, course.step, &course.overrides).or_user_error().map_err(|e| in_file(path, &e))?;
        check_facts(&protocol, &course.facts).or_user_error().map_err(|e| in_file(path, &e))?;
        let nuclide = named_nuclide(path, &course.nuclide);
        let loaded = Nuclide::load(&nuclide).or_user_error()?;
        let mut doubts =
            course.check_nuclide(loaded.half_life_h, loaded.emitted_kev_per_decay(), &file).or_user_error()?;
        let mut shelf = Shelf::default();
        let motions = motion::settle(path, &mut course, &mut shelf, &mut doubts)?;
        let options = ActivityOptions::default();
        Ok(Self {
            name: path.to_path_buf(),
            input: read("course", path)?,
            shelf,
            protocol,
            base: path.clone(),
            series: course.cycles.iter().map(|_| None).collect(),
            motions,
            days: course
                .cycles
                .iter()
                .map(|cycle| cycle.date.map_or_else(String::new, |day| day.to_string()))
                .collect(),
            images: ImageChoice {
                nuclide,
                nuclide_stated: course.nuclide_stated,
                options,
                effective_half_life_h: None,
                half_lives_h: BTreeMap::new(),
                model: None,
                administered_mbq: None,
            },
            doubts,
            course,
        })
    }

    /// A course from a DICOM folder: each injection is a cycle.
    pub fn of_study(path: impl Into<Place>, choice: &StudyChoice, hear: &mut dyn Listener) -> Result<Self, UserError> {
        let path = &path.into();
        one_set(path, choice)?;
        let nuclide = Nuclide::load(&choice.images.nuclide).or_user_error()?;
        let own = [path.clone()];
        let paths = if choice.activity.is_empty() { &own[..] } else { &choice.activity };
        let shots = study::cycles(paths, &choice.images.reader(&nuclide), hear)?;
        let first = shots[0].shots[0].scan.timing.injection;
        let mut cycles: Vec<CourseCycle> = Vec::new();
        let mut series = Vec::new();
        let mut days: Vec<i64> = Vec::new();
        for (index, cycle) in shots.into_iter().enumerate() {
            let number = index + 1;
            let belongings = study::belongings(path, &cycle, choice.ct.as_ref(), choice.labels.as_ref(), hear)?;
            let day = first.zip(cycle.shots[0].scan.timing.injection).map_or(0, |(a, b)| a.days_to(b));
            let opened = OpenSeries::of_shots(cycle, &choice.images)?;
            let administered_mbq = opened.administered_mbq().ok_or_else(|| {
                UserError::invalid(
                    format!("cycle {number}"),
                    "RadionuclideTotalDose",
                    "none",
                    "the activity given",
                    words!("State it with ", Setting::AdministeredMbq, "."),
                )
            })?;
            bounds::cycle_mbq(&format!("cycle {number}: administered activity"), administered_mbq).or_user_error()?;
            let times: Vec<String> = opened.times_h().iter().map(|&h| rounded(h, 4)).collect();
            hear.info(
                "cycle-found",
                format!(
                    "cycle {number}, day {day}: {administered_mbq} MBq, images at {} h, CT {}, regions {}",
                    times.join(", "),
                    belongings.ct.display(),
                    belongings.labels.display()
                ),
            );
            cycles.push(CourseCycle {
                ct: Some(belongings.ct.display().to_string()),
                labels: Some(belongings.labels.display().to_string()),
                ..imaged_cycle(days.last().map(|before| day - before), administered_mbq)
            });
            days.push(day);
            series.push(Some(opened));
        }
        // A single anatomy for all cycles is the course's own: their doses are summed by voxel.
        let shared = |of: fn(&CourseCycle) -> &Option<String>| {
            let one = of(&cycles[0]).clone();
            cycles.iter().all(|cycle| *of(cycle) == one).then_some(one).flatten()
        };
        let (ct, labels) = (shared(|cycle| &cycle.ct), shared(|cycle| &cycle.labels));
        for cycle in &mut cycles {
            cycle.ct = cycle.ct.take().filter(|_| ct.is_none());
            cycle.labels = cycle.labels.take().filter(|_| labels.is_none());
        }
        let protocol = ProtocolChoice::BuiltIn(choice.protocol.clone());
        let course = Course {
            nuclide_stated: choice.images.nuclide_stated,
            ct,
            labels,
            label_names: choice.label_names.as_ref().map(|path| path.display().to_string()),
            facts: choice.facts.clone(),
            ..imaged_course(protocol.clone(), choice.images.nuclide.display().to_string(), cycles)
        };
        let protocol = read_protocol(path, &protocol)?;
        check_facts(&protocol, &course.facts).or_user_error()?;
        Ok(Self {
            name: path.to_path_buf(),
            input: read("course", path)?,
            shelf: Shelf::default(),
            protocol,
            course,
            base: path.at(""),
            motions: series.iter().map(|_| None).collect(),
            series,
            days: days.iter().map(|day| format!("day {day}")).collect(),
            images: choice.images.clone(),
            doubts: Vec::new(),
        })
    }
}

/// A cycle of which nothing is known but its images, the days since the cycle before and the activity given, MBq.
pub(super) fn imaged_cycle(interval_d: Option<i64>, administered_mbq: f64) -> CourseCycle {
    CourseCycle {
        date: None,
        interval_d,
        administered_mbq,
        prescribed_mbq: None,
        content: CycleContent::Series(String::new()),
        ct: None,
        labels: None,
        transform: None,
        registration: None,
        effective_half_life_h: BTreeMap::new(),
        random_rel_sigma: None,
        systematic_rel_sigma: None,
    }
}

/// A course of which nothing is known but its protocol (at the first step), its nuclide and its cycles.
pub(super) fn imaged_course(protocol: ProtocolChoice, nuclide: String, cycles: Vec<CourseCycle>) -> Course {
    Course {
        protocol,
        step: 1,
        nuclide,
        nuclide_stated: true,
        ct: None,
        labels: None,
        label_names: None,
        grid: None,
        outline_sharing: None,
        partial_volume: None,
        calibration: None,
        fit: None,
        reduction_factor: 1.0,
        patient_id: None,
        stop_flags: Vec::new(),
        facts: Facts::default(),
        overrides: Vec::new(),
        ledger: Vec::new(),
        radiobiology: Vec::new(),
        cycles,
    }
}

/// Refuses a choice that is looked up elsewhere than the study: the course keeps its inputs as paths.
fn one_set(path: &Place, choice: &StudyChoice) -> Result<(), UserError> {
    let StudyChoice { ct, activity, labels, label_names, protocol: _, facts: _, images } = choice;
    let files = [ct, labels, label_names].into_iter().flatten().chain(activity);
    // a built-in nuclide has no place
    let nuclide = Some(&images.nuclide).filter(|nuclide| nuclide.is_file());
    match files.chain(nuclide).find(|file| !file.same_set(path)) {
        None => Ok(()),
        Some(other) => {
            let place = |place: &Place| if place.in_memory() { "in memory" } else { "on the disk" };
            let found = format!("one {}, with a study {}", place(other), place(path));
            let next = "Hand over all inputs of the course together.";
            Err(UserError::invalid(other, "file", found, "one among the files of the study", next))
        }
    }
}

/// Reads a protocol: built in, or a file beside `path`.
pub fn read_protocol(path: &Place, choice: &ProtocolChoice) -> Result<Protocol, UserError> {
    match choice {
        ProtocolChoice::BuiltIn(name) => Protocol::built_in(name).map_err(|error| error.fault().inside(path)),
        ProtocolChoice::File(name) => {
            let file = beside(path, name);
            Protocol::parse(&read_text(&file)?, &file.display().to_string()).or_user_error()
        }
    }
}
