//! A treatment: from its cycles to an accumulated dose, the limits of a protocol and a verdict.
//!
//! Each cycle's dose is computed once and cached ([`cache`](crate::clinic::course::cache)): after adding a cycle only
//! that cycle is computed.

/// Doses of cycles, kept between requests.
pub mod cache;

/// Fields that a person has yet to fill in.
pub mod blanks;

/// Checks of names, and the verdict.
pub mod checks;

/// A virtual cohort.
pub mod cohort;

/// The doses of one cycle.
pub mod cycle;

/// The frame of the voxel sums.
pub mod frame;

/// The injections that the images date.
pub mod injections;

/// A course from volumes in memory.
pub mod from_memory;

/// Reasons to hold that the cycles give.
pub mod gates;

/// Cumulative histograms.
pub mod histograms;

/// Cycles brought into the course's frame.
pub mod motion;
/// Regions under other names.
pub mod naming;

/// Whether a course is of one nuclide.
pub mod nuclides;

/// A cycle as computed.
pub mod parts;

/// The files of a course.
pub mod save;

/// The source of a course.
pub mod source;

/// Images and maps that two cycles share.
pub mod twice;

use super::failure::{Failure, OrUserError, UserError};
use super::files::in_file;
use super::invocation::Invocation;
use super::notes::Listener;
use super::pages;
use super::request::{DicomOut, RunOptions, StudyChoice};
use crate::course::accumulate::{Accumulated, CourseFrame, CycleDose, accumulate};
use crate::course::decision::Verdict;
use crate::course::file::{Course, CycleContent};
use crate::course::protocol::Protocol;
use crate::course::tia::EarlierHalfLife;
use crate::io::atomic::AtomicOutputDir;
use crate::note::Note;
use crate::place::Place;
use crate::report::run_record::InputFile;
use crate::source::OutlineSharing;
use cache::Cache;
use cycle::{CycleFrom, compute_cycle};
use frame::{Frame, cycle_doses};
use histograms::Histograms;
use parts::Computed;
use source::CourseSource;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A course and all results.
pub struct CourseResult {
    /// The COURSE.toml or the DICOM folder; `course in memory` for volumes.
    pub path: PathBuf,
    /// Its entry in the record.
    pub input: InputFile,
    /// The course.
    pub course: Course,
    /// Its protocol.
    pub protocol: Protocol,
    /// Days of the cycles as text.
    pub days: Vec<String>,
    /// Doses by cycle.
    pub cycles: Vec<CycleDose>,
    /// Cycles as computed.
    pub computed: Vec<Computed>,
    /// The course's frame, where there is one.
    pub frame: Option<Frame>,
    /// Sums.
    pub accumulated: Accumulated,
    /// Cumulative histograms.
    pub histograms: Histograms,
    /// The verdict, with every warning.
    pub verdict: Verdict,
}

/// The course at `path`: a COURSE.toml, or with `choice` a DICOM folder. `sharing`, where it is given, decides in place of
/// the course whether decays stay with the outlines that share an image voxel; `check` is called before anything is computed.
///
/// Errors: those of the files; unknown names; transport.
pub fn patient(
    path: impl Into<Place>,
    choice: Option<&StudyChoice>,
    (cache, sharing): (&Cache, Option<OutlineSharing>),
    run: &RunOptions,
    check: &dyn Fn(&Course) -> Result<(), Failure>,
    hear: &mut dyn Listener,
) -> Result<CourseResult, Failure> {
    let mut source = match choice {
        Some(choice) => CourseSource::of_study(path, choice, hear)?,
        None => CourseSource::of_file(path)?,
    };
    source.course.outline_sharing = sharing.or(source.course.outline_sharing);
    check(&source.course)?;
    treated(source, Some(cache), run, hear)
}

/// A course from any source, computed in memory from images to verdict; `cache` stores the doses of its cycles.
///
/// Errors: as [`patient`].
pub fn treated(
    source: CourseSource,
    cache: Option<&Cache>,
    run: &RunOptions,
    hear: &mut dyn Listener,
) -> Result<CourseResult, Failure> {
    let CourseSource {
        name: path,
        input,
        mut shelf,
        course,
        protocol,
        base,
        mut series,
        mut motions,
        days,
        images,
        doubts,
    } = source;
    let path = path.as_path();
    // every series is opened before a cycle is computed: what is wrong with one of them is told at once
    let mut faults: Vec<UserError> = Vec::new();
    for (cycle, opened) in course.cycles.iter().zip(&mut series) {
        if let (CycleContent::Series(file), None) = (&cycle.content, &opened) {
            match cycle::open(&base, &course, cycle, (file, &images), hear) {
                Ok(found) => *opened = Some(found),
                Err(fault) if faults.contains(&fault) => {}
                Err(fault) => faults.push(fault),
            }
        }
    }
    if let Some((first, others)) = faults.split_first() {
        return Err(first.clone().besides(others).into());
    }
    let dated: Vec<_> = series.iter().map(|opened| opened.as_ref().and_then(|opened| opened.injection)).collect();
    injections::check(path, &course, &dated)?;
    twice::check(path, &base, &course, &series)?;
    let of_nuclide = nuclides::gates(&base, &course, &protocol, &series)?;
    let mut computed = Vec::new();
    let mut earlier: BTreeMap<String, EarlierHalfLife> = BTreeMap::new();
    for (index, cycle) in course.cycles.iter().enumerate() {
        let number = index + 1;
        hear.info("cycle-begins", format!("cycle {number} of {}, {}", course.cycles.len(), days[index]));
        let from = CycleFrom { path: &base, course: &course, cycle, number, cache, run, images: &images };
        let mut one = compute_cycle(&from, series[index].take(), &earlier, &mut shelf, hear)?;
        if let Some(motion::Settled { record, inputs }) = motions.get_mut(index).and_then(Option::take) {
            one.motion = Some(record);
            one.inputs.extend(inputs);
        }
        if let Some(cache) = cache.filter(|_| one.reused) {
            hear.note(
                Note::info("cycle-from-cache", format!("unchanged, taken from {}", cache.folder.display()))
                    .at(format!("cycle {number}")),
            );
        }
        for (name, region) in &one.regions {
            if let Some(half_life_h) = region.effective_half_life_h {
                let cycle = u32::try_from(number).unwrap_or(u32::MAX);
                let rel_sigma = region.half_life_rel_sigma;
                let stated = EarlierHalfLife { half_life_h, rel_sigma, cycle, scans: Vec::new() };
                let known = stated.after(earlier.remove(name));
                earlier.insert(name.clone(), known);
            }
        }
        for (name, measured) in &one.half_lives {
            let known = measured.clone().after(earlier.remove(name));
            earlier.insert(name.clone(), known);
        }
        computed.push(one);
    }
    let recognised = naming::recognise(&protocol, &mut computed);
    let mut gates = naming::missing(&protocol, &computed);
    gates.extend(of_nuclide);
    gates.extend(gates::gates(&protocol, &doubts, &computed));
    let mut warnings = doubts;
    warnings.extend(recognised);
    warnings.extend(checks::by_cycle(&computed));
    checks::check_ledger(path, &course, &protocol, &computed)?;
    let frame = Frame::of(&base, &course, &computed, &mut shelf, &mut warnings)?;
    let cycles = cycle_doses(&course, &days, &computed, frame.as_ref(), &mut warnings);
    let anatomy = frame.as_ref().map(|frame| CourseFrame {
        labels: &frame.labels,
        names: &frame.names,
        density_g_cm3: frame.density_g_cm3.as_deref(),
    });
    let mut accumulated = accumulate(&cycles, anatomy, &|region| checks::parameters(&course, &protocol, region))
        .or_user_error()
        .map_err(|e| in_file(path, &e))?;
    let unused_names = checks::names_without_region(&course, &protocol, &cycles);
    let mut verdict = checks::verdict(&course, &protocol, &cycles, &gates).map_err(|e| in_file(path, &e))?;
    verdict.warnings.extend(warnings);
    verdict.warnings.extend(accumulated.warnings.iter().cloned());
    verdict.warnings.extend(unused_names);
    let parameters = |region: &str| checks::parameters(&course, &protocol, region);
    let histograms = Histograms::of(&course, &cycles, &computed, frame.as_ref(), &accumulated, &parameters);
    histograms.refine(&mut accumulated.totals);
    Ok(CourseResult {
        path: path.to_path_buf(),
        input,
        course,
        protocol,
        days,
        cycles,
        computed,
        frame,
        accumulated,
        histograms,
        verdict,
    })
}

impl CourseResult {
    /// Writes every file of the course into `folder`.
    ///
    /// Errors: a disk that cannot be written; DICOM requested without a dose map.
    pub fn save(
        &self,
        folder: &AtomicOutputDir,
        invocation: &Invocation,
        dicom: Option<DicomOut>,
        hear: &mut dyn Listener,
    ) -> Result<(), Failure> {
        let written = save::Written {
            input: &self.input,
            patient_label: invocation.patient_label.as_deref(),
            course: &self.course,
            protocol: &self.protocol,
            days: &self.days,
            cycles: &self.cycles,
            accumulated: &self.accumulated,
            verdict: &self.verdict,
            computed: &self.computed,
            frame: self.frame.as_ref(),
            dicom,
        };
        save::write(folder, &written, hear)?;
        pages::course::write(
            folder,
            &pages::course::Found {
                course: &self.course,
                protocol: &self.protocol,
                cycles: &self.cycles,
                computed: &self.computed,
                frame: self.frame.as_ref(),
                accumulated: &self.accumulated,
                verdict: &self.verdict,
                histograms: &self.histograms,
                invocation,
                course_file: self.input.clone(),
            },
        )
    }
}
