//! Classifies the images of a folder by name, header and values; each guess with its reason.

use super::described::Described;
use super::failure::UserError;
use crate::fault::{Explained, Words, words};
use crate::grid::VoxelGrid;
use crate::io::dicom::{self, ActivityOptions, Kind, Scan};
use crate::io::inputs::Inputs;
use crate::io::labels::LabelNames;
use crate::io::{IoError, nifti};
use crate::note::Note;
use crate::place::Place;
use std::collections::BTreeSet;
use std::path::Path;

/// Depth of the search for NIfTI files if the folder itself has none.
const DEEPEST: usize = 3;
/// Most distinct values of a label map.
const MOST_LABELS: usize = 400;
/// A CT contains air: its lowest value is below this, HU.
const AIR_HU: f64 = -500.0;

/// Possible use of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// CT, HU.
    Ct,
    /// Activity integrated over time.
    Integrated,
    /// Activity at a moment.
    Moment,
    /// Activity, unknown which of the two.
    Activity,
    /// Regions.
    Labels,
    /// Absorbed dose.
    Dose,
}

impl Role {
    /// The role in words, with its article.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ct => "a CT",
            Self::Integrated => "time-integrated activity",
            Self::Moment => "activity at a moment",
            Self::Activity => "activity",
            Self::Labels => "labels",
            Self::Dose => "a dose",
        }
    }
}

/// An image and what it seems to be.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The file, or the folder of a DICOM series.
    pub path: Place,
    /// What it seems to be.
    pub role: Role,
    /// Why, and what it holds.
    pub why: String,
    /// What does not fit.
    pub doubts: Vec<Note>,
    /// Its grid; none for contours.
    pub grid: Option<VoxelGrid>,
    /// Hours that the name seems to state.
    pub hours_by_name: Option<f64>,
    /// What the description of a NIfTI header says.
    pub described: Described,
    /// What a DICOM file says about the scan.
    pub scan: Option<Scan>,
    /// Whether it is DICOM.
    pub is_dicom: bool,
    /// UID of its frame of reference, where a DICOM file states one; to be compared, not shown.
    pub frame: Option<String>,
}

/// Label names that were read.
#[derive(Clone, Debug)]
pub struct Names {
    /// The file.
    pub path: Place,
    /// What it says.
    pub names: LabelNames,
}

/// What a folder holds.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// Images by path.
    pub images: Vec<Candidate>,
    /// Files of label names.
    pub names: Vec<Names>,
    /// Unused files, each with the reason.
    pub left: Vec<Words>,
}

impl Survey {
    /// Images of some roles.
    pub fn of(&self, roles: &[Role]) -> Vec<&Candidate> {
        self.images.iter().filter(|image| roles.contains(&image.role)).collect()
    }

    /// Takes another survey in.
    pub fn add(&mut self, other: Survey) {
        self.images.extend(other.images);
        self.names.extend(other.names);
        self.left.extend(other.left);
    }
}

/// How far a folder is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Files in the folder itself.
    Here,
    /// NIfTI files in the folder, or below where it holds none; DICOM everywhere below.
    Below,
}

/// Every file that a survey of the folder and of the folders in it may look at.
pub fn inputs(folder: impl Into<Place>) -> Result<Inputs, UserError> {
    let folder = &folder.into();
    let mut files = files_of(folder)?;
    for inner in folders_of(folder)? {
        files.extend(files_of(&inner)?);
    }
    files.extend(below(folder, DEEPEST + 1)?);
    let mut inputs: Inputs = files.iter().filter(|path| is_nifti(path) || is_text(path)).collect();
    // DICOM
    inputs.add(folder);
    Ok(inputs)
}

/// Looks at every image of a folder.
///
/// Errors: a folder that cannot be read; DICOM files of two patients.
pub fn survey(folder: impl Into<Place>, reach: Reach) -> Result<Survey, UserError> {
    let folder = &folder.into();
    let mut found = Survey::default();
    let mut files = files_of(folder)?;
    if reach == Reach::Below && !files.iter().any(is_nifti) {
        files.extend(below(folder, DEEPEST)?);
    }
    files.sort_by_key(natural);
    for path in &files {
        if is_nifti(path) {
            match nifti_candidate(path) {
                Ok(Ok(image)) => found.images.push(image),
                Ok(Err(reason)) => found.left.push(words!(file_name(path), ": ", reason)),
                Err(error) => found.left.push(words!(file_name(path), ": ", error.fault().sentence())),
            }
        } else if is_text(path)
            && let Ok(names) = LabelNames::read(path)
        {
            found.names.push(Names { path: path.clone(), names });
        }
    }
    if reach == Reach::Below || files.iter().any(|path| !is_nifti(path) && !path.is_dir() && dicom::is_dicom(path)) {
        found.add(dicom_survey(folder, reach)?);
    }
    Ok(found)
}

/// Looks at every image of a folder and of the folders of its cycles, which a survey leaves out where the folder itself holds
/// NIfTI files.
///
/// Errors: as [`survey`].
pub fn survey_with_cycles(folder: impl Into<Place>) -> Result<Survey, UserError> {
    let folder = &folder.into();
    let mut found = survey(folder, Reach::Below)?;
    if files_of(folder)?.iter().any(is_nifti) {
        for path in below(folder, 1)?.iter().filter(|path| is_nifti(path)).filter_map(Place::parent) {
            let known = |image: &Candidate| image.path.parent().as_ref() == Some(&path);
            if !found.images.iter().any(known) {
                let mut inner = survey(&path, Reach::Here)?;
                inner.images.retain(|image| !image.is_dicom);
                found.add(inner);
            }
        }
    }
    Ok(found)
}

/// Folders directly in a folder, in the order of their names, hidden ones left out.
pub fn folders_of(folder: impl Into<Place>) -> Result<Vec<Place>, UserError> {
    let mut folders: Vec<Place> = entries(&folder.into())?.into_iter().filter(|path| path.is_dir()).collect();
    folders.sort_by_key(natural);
    Ok(folders)
}

fn files_of(folder: &Place) -> Result<Vec<Place>, UserError> {
    Ok(entries(folder)?.into_iter().filter(|path| path.is_file()).collect())
}

fn entries(folder: &Place) -> Result<Vec<Place>, UserError> {
    let failed = |error: std::io::Error| IoError::read(folder, error).fault();
    let mut paths = Vec::new();
    for entry in folder.list().map_err(failed)? {
        let path = entry.map_err(failed)?.place;
        if !file_name(&path).starts_with('.') {
            paths.push(path);
        }
    }
    Ok(paths)
}

/// NIfTI files and label names of the folders below.
fn below(folder: &Place, deeper: usize) -> Result<Vec<Place>, UserError> {
    let mut files = Vec::new();
    for inner in folders_of(folder)? {
        // results of this program are not inputs of its next run
        if ["run.json", "verdict.json", "tia.json"].iter().any(|name| inner.join(name).is_file()) {
            continue;
        }
        files.extend(files_of(&inner)?.into_iter().filter(|path| is_nifti(path) || is_text(path)));
        if deeper > 1 {
            files.extend(below(&inner, deeper - 1)?);
        }
    }
    Ok(files)
}

fn file_name(path: &Place) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn is_nifti(path: &Place) -> bool {
    let name = file_name(path).to_lowercase();
    name.ends_with(".nii") || name.ends_with(".nii.gz") || name.ends_with(".hdr")
}

fn is_text(path: &Place) -> bool {
    let name = file_name(path).to_lowercase();
    [".csv", ".tsv", ".json", ".txt", ".label"].iter().any(|end| name.ends_with(end))
}

/// Sort key that puts cycle10 after cycle2.
pub fn natural(path: &Place) -> Vec<(String, u64)> {
    let mut key = Vec::new();
    let text = path.path().to_string_lossy().to_lowercase();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let words = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (word, tail) = rest.split_at(words);
        let digits = tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len());
        let (number, tail) = tail.split_at(digits);
        key.push((word.to_owned(), number.parse().unwrap_or(0)));
        rest = tail;
    }
    key
}

/// Words of a file's name without its ending.
fn words(path: &Place) -> Vec<String> {
    let name = file_name(path).to_lowercase();
    let stem = name.trim_end_matches(".gz").trim_end_matches(".nii").trim_end_matches(".hdr");
    stem.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// What a name says, and the word that says it.
fn role_by_name(path: &Place) -> Option<(Role, String)> {
    const RULES: [(&[&str], Role); 5] = [
        (
            &["label", "labels", "seg", "segmentation", "mask", "masks", "organs", "rois", "structures", "totalseg"],
            Role::Labels,
        ),
        (&["dose", "doses"], Role::Dose),
        (&["tia", "tiac", "decays", "integrated", "cumulated"], Role::Integrated),
        (&["spect", "nm", "pet", "pt"], Role::Moment),
        (&["ct", "hu"], Role::Ct),
    ];
    let words = words(path);
    for (known, role) in RULES {
        let hit =
            words.iter().find(|word| known.iter().any(|k| word.trim_end_matches(|c: char| c.is_ascii_digit()) == *k));
        if let Some(word) = hit {
            return Some((role, word.clone()));
        }
    }
    words
        .iter()
        .find(|word| ["activity", "act", "bqml", "mbq"].contains(&word.as_str()))
        .map(|w| (Role::Activity, w.clone()))
}

/// What the description of a header says, and the description.
fn role_by_description(described: &Described) -> Option<(Role, String)> {
    let role = match (described.integrated, described.unit) {
        (Some(_), _) => Role::Integrated,
        (None, Some(_)) => Role::Moment,
        (None, None) => return None,
    };
    Some((role, described.words()))
}

/// Hours that a name seems to state: `024h`, `24hr`, `t072`, `d3`, `day3`.
fn hours_by_name(path: &Place) -> Option<f64> {
    let number = |text: &str| text.parse::<u32>().ok().map(f64::from).filter(|hours| *hours <= 1000.0);
    words(path).iter().find_map(|word| {
        let hours = word.strip_suffix("hours").or(word.strip_suffix("hr")).or(word.strip_suffix('h'));
        let hours = hours.or(word.strip_prefix('t')).and_then(number);
        let days = word.strip_prefix("day").or(word.strip_prefix('d')).and_then(number);
        hours.or(days.map(|days| 24.0 * days))
    })
}

/// Features of an image's values that show what it is.
struct Values {
    low: f64,
    high: f64,
    /// The distinct values, if all are whole numbers from 0 to 65535 and there are not too many.
    labels: Option<usize>,
}

fn nifti_candidate(path: &Place) -> Result<Result<Candidate, String>, IoError> {
    let image = nifti::read_image::<f64>(path)?;
    let mut values = Values { low: f64::INFINITY, high: f64::NEG_INFINITY, labels: None };
    let mut distinct = Some(BTreeSet::new());
    for &value in &image.volume.data {
        if value.is_finite() {
            values.low = values.low.min(value);
            values.high = values.high.max(value);
        }
        let whole = value.fract() == 0.0 && (0.0..=65535.0).contains(&value);
        distinct = distinct.filter(|seen: &BTreeSet<u16>| whole && seen.len() <= MOST_LABELS);
        if let Some(seen) = &mut distinct {
            seen.insert(value as u16);
        }
    }
    values.labels = distinct.map(|seen| seen.len());
    let described = Described::of(&image.header.description);
    let by_name = role_by_name(path).filter(|(role, _)| *role != Role::Activity);
    let by_name = by_name.or(role_by_description(&described)).or(role_by_name(path));
    let by_values = if values.low <= AIR_HU {
        Some((Role::Ct, format!("values down to {} as in air", values.low)))
    } else if let Some(count) = values.labels.filter(|count| *count > 1) {
        Some((Role::Labels, format!("{count} different whole numbers and nothing else")))
    } else if values.high > 0.0 && values.low > AIR_HU {
        Some((Role::Activity, "values from about 0 up, not whole numbers".to_owned()))
    } else {
        None
    };
    let mut doubts = Vec::new();
    let (role, reason) = match (&by_name, &by_values) {
        (Some((role, word)), told) => {
            let fits = match told {
                Some((by_values, _)) => same_family(*role, *by_values),
                None => false,
            };
            if !fits {
                let other =
                    told.as_ref().map_or("nothing known".to_owned(), |(r, why)| format!("{} ({why})", r.name()));
                doubts.push(Note::warning(
                    "name-against-values",
                    format!("its name says {}, its values say {other}", role.name()),
                ));
            }
            let place = if role_by_name(path).is_some_and(|(_, own)| own == *word) { "name" } else { "header" };
            (*role, format!("\"{word}\" in its {place}"))
        }
        (None, Some((role, why))) => (*role, why.clone()),
        (None, None) => return Ok(Err(format!("one value everywhere ({})", values.low))),
    };
    if image.nonfinite > 0 {
        doubts.push(Note::warning("not-finite", format!("{} values are NaN or infinite", image.nonfinite)));
    }
    doubts.extend(image.header.notes.iter().cloned());
    Ok(Ok(Candidate {
        why: format!(
            "{reason}; values {} to {}; {}{}",
            short(values.low),
            short(values.high),
            size(&image.header.grid),
            described.behind()
        ),
        role,
        doubts,
        hours_by_name: hours_by_name(path),
        described,
        grid: Some(image.header.grid),
        scan: None,
        is_dicom: false,
        frame: None,
        path: path.clone(),
    }))
}

/// Whether the values are compatible with the name.
fn same_family(by_name: Role, by_values: Role) -> bool {
    let plain = |role| match role {
        Role::Integrated | Role::Moment | Role::Activity | Role::Dose => Role::Activity,
        other => other,
    };
    // a map with few decays may contain whole numbers
    plain(by_name) == plain(by_values) || (plain(by_name) == Role::Activity && by_values == Role::Labels)
}

fn short(value: f64) -> String {
    if value == 0.0 || (1e-2..1e6).contains(&value.abs()) {
        format!("{}", (value * 100.0).round() / 100.0)
    } else {
        format!("{value:.3e}")
    }
}

/// Whether an error says that a folder holds no DICOM file at all.
pub fn no_dicom(error: &IoError) -> bool {
    matches!(error, IoError::NoDicom { .. })
}

/// Dimensions and spacing in words.
fn size(grid: &VoxelGrid) -> String {
    let [i, j, k] = grid.dims;
    let [x, y, z] = grid.spacing_mm.map(|mm| (mm * 1000.0).round() / 1000.0);
    format!("{i} x {j} x {k} voxels of {x} x {y} x {z} mm")
}

fn dicom_survey(folder: &Place, reach: Reach) -> Result<Survey, UserError> {
    let mut found = Survey::default();
    let inspected = match dicom::inspect(folder, &ActivityOptions::default()) {
        Ok(inspected) => inspected,
        Err(error) if no_dicom(&error) => return Ok(found),
        Err(error) => return Err(error.fault()),
    };
    for series in &inspected.series {
        let role = match series.kind {
            Kind::Ct => Role::Ct,
            Kind::Activity => Role::Moment,
            Kind::Segmentation | Kind::StructureSet => Role::Labels,
            Kind::Dose => Role::Dose,
            _ => continue,
        };
        let parents: BTreeSet<&Path> = series.files.iter().filter_map(|file| file.path().parent()).collect();
        if reach == Reach::Here && parents.iter().any(|parent| *parent != folder.path()) {
            continue;
        }
        if let Some(refusal) = &series.refusal {
            found.left.push(words!(&series.title, ": ", refusal));
            continue;
        }
        found.images.push(Candidate {
            why: format!("DICOM; {}", series.facts.join("; ")),
            doubts: series.doubts.clone(),
            role,
            grid: None,
            hours_by_name: None,
            described: Described::default(),
            scan: series.scan.clone(),
            is_dicom: true,
            frame: series.frame.clone(),
            path: series.path.clone(),
        });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cli_names_tell_roles_and_hours() {
        let role = |name: &str| role_by_name(&name.into()).map(|(role, _)| role);
        for (name, wanted) in [
            ("ct.nii.gz", Some(Role::Ct)),
            ("patient_CT_1mm.nii", Some(Role::Ct)),
            ("spect_024h.nii.gz", Some(Role::Moment)),
            ("tia.nii.gz", Some(Role::Integrated)),
            ("spect-labels.nii.gz", Some(Role::Labels)),
            ("dose_gy.nii.gz", Some(Role::Dose)),
            ("labels_totalseg117.nii.gz", Some(Role::Labels)),
            ("actual.nii.gz", None),
            ("image.nii.gz", None),
        ] {
            assert_eq!(role(name), wanted, "{name}");
        }
        let hours = |name: &str| hours_by_name(&name.into());
        assert_eq!(hours("spect_024h.nii.gz"), Some(24.0));
        assert_eq!(hours("t072.nii"), Some(72.0));
        assert_eq!(hours("SPECT-day7.nii.gz"), Some(168.0));
        assert_eq!(hours("total.nii"), None);
        assert_eq!(hours("ct.nii"), None);
    }

    #[test]
    fn cli_names_sort_by_their_numbers() {
        let mut paths = ["cycle10", "cycle2", "Cycle1"].map(Place::from);
        paths.sort_by_key(natural);
        assert_eq!(paths, ["Cycle1", "cycle2", "cycle10"].map(Place::from));
    }
}
