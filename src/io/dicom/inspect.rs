//! Contents of a folder, what Lutra would use of it, and every doubt.

use std::fmt;

use dicom_dictionary_std::tags;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::aside::Aside;
use super::injections::{SAME_SCAN_H, by_injection};
use super::kind::Kind;
use super::nuclear::{ActivityImage, Scan};
use super::object::{items, number, text};
use super::pixels::describe_syntax;
use super::regions::Regions;
use super::stated::ActivityOptions;
use super::study::{Origin, Series, Study, folder_of};
use super::{Opened, ct, frames, nuclear, rtdose, rtstruct, seg};
use crate::fault::{Explained, Setting, Words, words};
use crate::grid::VoxelGrid;
use crate::io::IoError;
use crate::note::{Note, sentences};
use crate::place::Place;
use crate::text::plain;
use crate::units::rounded;

/// A folder or file as Lutra sees it. The text contains no patient and no date.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Inspection<T = Words> {
    /// Series in the order of their files.
    pub series: Vec<SeriesReport<T>>,
    /// Files that belong to no series: an index, or unreadable files that are not images.
    pub aside: Vec<Aside>,
    /// Files that are not DICOM.
    pub other_files: usize,
    /// Which series share a frame of reference, and between which frames registration objects lead; empty where none
    /// states a frame.
    pub frames: Vec<String>,
    /// What Lutra would use, or why it cannot choose.
    pub verdict: Vec<T>,
}

/// One series.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct SeriesReport<T = Words> {
    /// What it can be used for.
    pub kind: Kind,
    /// Its files.
    #[serde(serialize_with = "shown_all")]
    pub files: Vec<Place>,
    /// Kind, number, files and place.
    pub title: String,
    /// A path that names only this series: a file, a folder, or `FOLDER#N`.
    #[serde(serialize_with = "shown")]
    pub path: Place,
    /// What it says.
    pub facts: Vec<String>,
    /// What a careful user should know; in a record its sentences, and as `notes` the data.
    #[serde(flatten, serialize_with = "doubts")]
    pub doubts: Vec<Note>,
    /// Why it cannot be used, where it cannot.
    pub refusal: Option<T>,
    /// What the files of a readable activity image say about the scan.
    #[serde(skip)]
    pub scan: Option<Scan>,
    /// UID of the frame of reference that it lies in, where it states one; not shown, since it could name a patient.
    #[serde(skip)]
    pub frame: Option<String>,
}

/// A path as text; invalid Unicode becomes replacement characters.
fn shown<S: Serializer>(path: &Place, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&path.display())
}

fn shown_all<S: Serializer>(paths: &[Place], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(paths.iter().map(|path| path.display().to_string()))
}

/// The one CT that regions are put on.
struct Anatomy {
    grid: VoxelGrid,
    origin: Option<Origin>,
}

/// Looks at a DICOM folder or file. `options` as for [`read_activity`](super::read_activity).
///
/// Errors: nothing readable as DICOM; two patients. Faults of one series are in its report.
pub fn inspect(path: impl Into<Place>, options: &ActivityOptions) -> Result<Inspection, IoError> {
    let path = &folder_of(&path.into());
    let study = Study::open(path)?;
    let mut reports: Vec<Option<SeriesReport>> = study.series.iter().map(|_| None).collect();
    let mut scans = vec![None; study.series.len()];
    let mut anatomies = Vec::new();
    for (n, series) in study.series.iter().enumerate().filter(|(_, series)| series.kind == Kind::Ct) {
        let opened = study.whole(path, series).and_then(|notes| ct::volume(path, series, notes));
        if let Ok(opened) = &opened {
            anatomies.push(Anatomy { grid: opened.volume.grid.clone(), origin: opened.origin.clone() });
        }
        reports[n] =
            Some(report(series, study.handle(path, n), opened.map(|opened| (ct_facts(series, &opened), opened.notes))));
    }
    let anatomy = if let [one] = anatomies.as_slice() { Some(one) } else { None };
    for (n, series) in study.series.iter().enumerate().filter(|(_, series)| series.kind != Kind::Ct) {
        let result = match series.kind {
            Kind::Activity => study.whole(path, series).and_then(|mut notes| {
                let activity = nuclear::activity(path, series, options)?;
                notes.extend(activity.image.notes.clone());
                notes.extend(disagreement(anatomy, activity.image.origin.as_ref()));
                scans[n] = Some(activity.scan.clone());
                Ok((activity_facts(&activity), notes))
            }),
            Kind::StructureSet | Kind::Segmentation => regions(series, anatomy),
            Kind::Dose => rtdose::read_rtdose(&series.objects[0].path).map(|dose| {
                let highest = dose.data.iter().copied().fold(0.0, f64::max);
                (vec![dose.grid.describe(), format!("highest dose {} Gy", rounded(highest, 4))], Vec::new())
            }),
            _ => Ok((vec![format!("SOP class {}", series.objects[0].class())], Vec::new())),
        };
        reports[n] = Some(report(series, study.handle(path, n), result));
    }
    for ((report, scan), series) in reports.iter_mut().zip(scans).zip(&study.series) {
        if let Some(report) = report {
            (report.scan, report.frame) = (scan, frames::of_series(series));
        }
    }
    let frames = frames::lines(&study.series);
    let series: Vec<SeriesReport> = reports.into_iter().flatten().collect();
    let verdict = verdict(&series);
    let mut aside = study.aside;
    aside.extend(study.broken.into_iter().map(|file| Aside { path: file.path.to_path_buf(), what: file.what }));
    Ok(Inspection { series, aside, other_files: study.others, frames, verdict })
}

fn doubts<S: Serializer>(doubts: &[Note], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(2))?;
    map.serialize_entry("doubts", &sentences(doubts))?;
    map.serialize_entry("notes", doubts)?;
    map.end()
}

type Told = Result<(Vec<String>, Vec<Note>), IoError>;

fn report(series: &Series, path: Place, told: Told) -> SeriesReport {
    let title = series.describe();
    let object = &series.objects[0];
    let mut facts = Vec::new();
    facts.extend(object.text(tags::SERIES_DESCRIPTION).map(|text| format!("description: {text}")));
    let (storage, readable, lossy) = describe_syntax(&object.syntax);
    facts.push(format!("stored: {storage}"));
    let mut doubts = Vec::new();
    if lossy && readable {
        doubts.push(Note::warning("lossy-compression", "compression that may have lost information"));
    }
    let refusal = match told {
        Ok((more, notes)) => {
            facts.extend(more);
            doubts.extend(notes.into_iter().filter(|note| !doubts.contains(note)).collect::<Vec<_>>());
            None
        }
        Err(error) => Some(error.fault().sentence()),
    };
    let files = series.objects.iter().map(|object| object.path.clone()).collect();
    SeriesReport { kind: series.kind, files, title, path, facts, doubts, refusal, scan: None, frame: None }
}

fn ct_facts(series: &Series, opened: &Opened<f32>) -> Vec<String> {
    let (low, high) =
        opened.volume.data.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(a, b), &v| (a.min(v), b.max(v)));
    let object = &series.objects[0];
    let mut facts = vec![opened.volume.grid.describe(), format!("{low} to {high} HU")];
    facts.extend(object.number(tags::KVP).map(|kv| format!("tube voltage {kv} kV")));
    facts.extend(object.text(tags::CONVOLUTION_KERNEL).map(|kernel| format!("kernel {kernel}")));
    facts.extend(object.text(tags::PATIENT_POSITION).map(|position| format!("patient position {position}")));
    facts
}

fn activity_facts(activity: &ActivityImage) -> Vec<String> {
    let volume = &activity.image.volume;
    let scan = &activity.scan;
    let mut facts = vec![volume.grid.describe()];
    facts.push(match scan.timing.hours_after_injection {
        Some(hours) => format!("{} h after injection (middle of the scan)", rounded(hours, 4)),
        None => "time after injection not known".to_owned(),
    });
    facts.push(format!("scan of {} s", scan.timing.duration_s));
    facts.push(format!("unit Bq/mL by {}", scan.calibration));
    let [low, high] = scan.decay_factors;
    facts.push(format!(
        "decay correction {}; factor to the middle of the scan {}{}",
        scan.decay_correction.name(),
        rounded(low, 6),
        if low == high { String::new() } else { format!(" to {}", rounded(high, 6)) }
    ));
    facts.extend(scan.nuclide.as_ref().map(|nuclide| format!("nuclide {nuclide}")));
    facts.extend(scan.half_life_h.map(|h| format!("half-life {} h", rounded(h, 6))));
    let total_mbq = volume.data.iter().sum::<f64>() * volume.grid.voxel_cm3() * 1e-6;
    facts.push(format!("{} MBq in the image", rounded(total_mbq, 4)));
    if let Some(administered) = scan.administered_mbq {
        facts.push(format!("{} MBq administered", rounded(administered, 4)));
        if let (Some(hours), Some(half_life_h)) = (scan.timing.hours_after_injection, scan.half_life_h) {
            let left = administered * (-hours / half_life_h).exp2();
            facts.push(format!("{} MBq of it not yet decayed at the scan", rounded(left, 4)));
        }
    }
    facts
}

/// Whether an image disagrees with the CT about patient or frame of reference.
fn disagreement(anatomy: Option<&Anatomy>, origin: Option<&Origin>) -> Option<Note> {
    let ct = anatomy?.origin.as_ref()?;
    ct.must_agree(origin?).err().map(|error| Note::warning("other-patient-or-frame", error.to_string()))
}

fn regions(series: &Series, anatomy: Option<&Anatomy>) -> Told {
    let object = &series.objects[0];
    let Some(anatomy) = anatomy else {
        let sequence = match series.kind {
            Kind::StructureSet => (tags::STRUCTURE_SET_ROI_SEQUENCE, tags::ROI_NUMBER, tags::ROI_NAME),
            _ => (tags::SEGMENT_SEQUENCE, tags::SEGMENT_NUMBER, tags::SEGMENT_LABEL),
        };
        let name = |set| {
            let number = number(set, sequence.1).unwrap_or(0.0);
            format!("region {number} {}", text(set, sequence.2).unwrap_or_default())
        };
        let facts = items(&object.header, sequence.0).iter().map(name).collect();
        return Ok((facts, vec![Note::warning("no-single-ct", "no single CT to measure the regions on")]));
    };
    let frame = anatomy.origin.as_ref().and_then(Origin::frame_of_reference);
    let read = if series.kind == Kind::StructureSet { rtstruct::regions } else { seg::regions };
    let Regions { reports, notes, .. } = read(object, &anatomy.grid, frame.as_deref())?;
    let line = |r: &super::RegionReport| {
        format!(
            "region {} {}: {} mL drawn, {} mL on the CT ({:+.2} %)",
            r.label,
            r.name,
            rounded(r.own_cm3, 4),
            rounded(r.grid_cm3, 4),
            100.0 * r.change_rel()
        )
    };
    Ok((reports.iter().map(line).collect(), notes))
}

/// Small numbers as words.
fn counted(number: usize, what: &str) -> String {
    const WORDS: [&str; 13] =
        ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"];
    let plural = if number == 1 { "" } else { "s" };
    WORDS.get(number).map_or_else(|| format!("{number} {what}{plural}"), |word| format!("{word} {what}{plural}"))
}

/// Activity images by injection, as a course takes them; none where an injection is not dated or several are too close.
fn cycles(images: &[&SeriesReport]) -> Option<Vec<Words>> {
    let scans: Option<Vec<&Scan>> = images.iter().map(|one| one.scan.as_ref()).collect();
    let scans = scans?;
    let injections: Option<Vec<_>> = scans.iter().map(|scan| scan.timing.injection).collect();
    let injections = injections?;
    let groups = by_injection(&injections).ok()?;
    let mut lines = vec![words!(
        Setting::Activity,
        format!(
            ": {}; a course takes the folder, each injection as a cycle",
            match groups.as_slice() {
                [one] => format!("one cycle, {}", scans_of(&scans, one)),
                several => counted(several.len(), "cycle"),
            }
        )
    )];
    for (number, group) in (1..).zip(&groups) {
        let day = injections[groups[0][0]].days_to(injections[group[0]]);
        lines.push(format!("    cycle {number}, day {day}: {}", scans_of(&scans, group)).into());
        lines.extend(group.iter().map(|&n| words!("        ", Setting::Activity, " ", &images[n].path)));
    }
    Some(lines)
}

/// How many scans these images show, and when they were taken.
fn scans_of(scans: &[&Scan], group: &[usize]) -> String {
    let mut hours: Vec<f64> = group.iter().filter_map(|&n| scans[n].timing.hours_after_injection).collect();
    hours.sort_by(f64::total_cmp);
    hours.dedup_by(|a, b| (*a - *b).abs() <= SAME_SCAN_H);
    let shown: Vec<String> = hours.iter().map(|&hours| rounded(hours, 4)).collect();
    let images =
        if group.len() > hours.len() { format!(" in {}", counted(group.len(), "image")) } else { String::new() };
    format!("{}{images} ({} h after injection)", counted(hours.len(), "scan"), shown.join(", "))
}

fn verdict(series: &[SeriesReport]) -> Vec<Words> {
    let usable = |kind: Kind| series.iter().filter(|s| s.kind == kind && s.refusal.is_none()).collect::<Vec<_>>();
    let mut lines = Vec::new();
    for (kind, role) in [
        (Kind::Ct, Setting::Ct),
        (Kind::Activity, Setting::Activity),
        (Kind::StructureSet, Setting::Labels),
        (Kind::Segmentation, Setting::Labels),
    ] {
        match usable(kind).as_slice() {
            [] => {}
            [one] => lines.push(words!(role, ": ", &one.title)),
            scans if kind == Kind::Activity && cycles(scans).is_some() => {
                lines.extend(cycles(scans).into_iter().flatten())
            }
            several => {
                lines.push(words!(role, format!(": {} candidates; give the one that is meant", several.len())));
                lines.extend(several.iter().map(|one| words!("    ", role, " ", &one.path)));
            }
        }
    }
    if lines.is_empty() {
        lines.push("nothing here that Lutra can use".into());
    }
    lines
}

impl Inspection {
    /// The same with a name for each setting, as a front end has it.
    pub fn shown(self, name: impl Fn(Setting) -> &'static str) -> Inspection<String> {
        let series = self.series.into_iter().map(|series| {
            let SeriesReport { kind, files, title, path, facts, doubts, refusal, scan, frame } = series;
            let refusal = refusal.map(|refusal| refusal.shown(&name));
            SeriesReport { kind, files, title, path, facts, doubts, refusal, scan, frame }
        });
        Inspection {
            series: series.collect(),
            aside: self.aside,
            other_files: self.other_files,
            frames: self.frames,
            verdict: self.verdict.iter().map(|line| line.shown(&name)).collect(),
        }
    }
}

impl<T: fmt::Display> fmt::Display for Inspection<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, series) in self.series.iter().enumerate() {
            writeln!(f, "#{} {}", n + 1, plain(&series.title))?;
            for fact in &series.facts {
                writeln!(f, "    {}", plain(fact))?;
            }
            for doubt in &series.doubts {
                writeln!(f, "    doubt: {}", plain(&doubt.to_string()))?;
            }
            if let Some(refusal) = &series.refusal {
                writeln!(f, "    refused: {}", plain(&refusal.to_string()))?;
            }
        }
        for aside in &self.aside {
            writeln!(f, "{}: {}", plain(&aside.path.display().to_string()), aside.what)?;
        }
        if self.other_files > 0 {
            writeln!(f, "{} files that are not DICOM", self.other_files)?;
        }
        if !self.frames.is_empty() {
            writeln!(f, "Frames of reference")?;
            for line in &self.frames {
                writeln!(f, "    {}", plain(line))?;
            }
        }
        writeln!(f, "Lutra would use")?;
        for line in &self.verdict {
            writeln!(f, "    {}", plain(&line.to_string()))?;
        }
        Ok(())
    }
}
