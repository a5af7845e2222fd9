//! Contents of a folder: objects by series, one patient, and the origin of each image.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use dicom_dictionary_std::tags;
use sha2::{Digest, Sha256};

use super::aside::{self, Aside, Found, class_name, indexed_folder};
use super::broken::{self, Broken};
use super::kind::{Kind, NM};
use super::object::{DataSet, Object};
use super::walk::{collect, selected};
use crate::io::IoError;
use crate::note::Note;
use crate::place::Place;

/// One series of a folder: its objects, by file name.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) kind: Kind,
    /// What it is, if Lutra cannot use it.
    what: Option<String>,
    pub(crate) objects: Vec<Object>,
}

/// All DICOM objects of a folder, or one file.
#[derive(Clone, Debug)]
pub(crate) struct Study {
    /// Series in the order of their smallest file name.
    pub(crate) series: Vec<Series>,
    /// Number of files that are not DICOM.
    pub(crate) others: usize,
    /// Files that belong to no series.
    pub(crate) aside: Vec<Aside>,
    /// Files that should be readable but are not.
    pub(crate) broken: Vec<Broken>,
}

impl Study {
    /// Reads the headers of a file, or of all DICOM files of a folder and the folders in it.
    ///
    /// Errors: no DICOM file, a damaged one, objects of two patients, more than 200 000 files.
    /// `FOLDER#3` keeps the third series of the folder alone, as `lutra inspect FOLDER` counts them. A DICOMDIR stands
    /// for its folder.
    pub(crate) fn open(path: &Place) -> Result<Self, IoError> {
        if let Some(folder) = indexed_folder(path) {
            return Self::open(&folder);
        }
        if let Some((folder, number)) = selected(path) {
            let mut study = Self::open(&folder)?;
            let count = study.series.len();
            if !(1..=count).contains(&number) {
                return Err(IoError::invalid(
                    path,
                    "series",
                    format!("number {number}"),
                    format!("1 to {count}"),
                    "lutra inspect FOLDER lists the series and their numbers.",
                ));
            }
            study.series = vec![study.series.swap_remove(number - 1)];
            return Ok(study);
        }
        let mut files = Vec::new();
        let mut others = Vec::new();
        if path.is_dir() {
            collect(path, 0, &mut files, &mut others)?;
        } else {
            files.push(path.clone());
        }
        let mut objects = Vec::with_capacity(files.len());
        let mut aside = Vec::new();
        let mut broken = broken::among(&others, &files);
        let others = others.len() - broken.len();
        let mut first_error = None;
        for file in &files {
            // A file requested by name is not set aside.
            let found = if path.is_dir() { aside::read(file) } else { Found::Object(Box::new(Object::read(file)?)) };
            match found {
                Found::Object(object) => objects.push(*object),
                Found::Aside(one) => aside.push(one),
                Found::Broken(one, error) => {
                    broken.push(one);
                    first_error = first_error.or(Some(error));
                }
            }
        }
        if objects.is_empty() {
            if let Some(error) = first_error {
                return Err(error);
            }
            let indices = if aside.is_empty() { String::new() } else { format!(" but {}", aside[0].what) };
            let found = format!("no DICOM file{indices} ({others} others)").into();
            return Err(IoError::NoDicom { path: path.to_path_buf(), found });
        }
        one_patient(path, &objects)?;
        let mut series: BTreeMap<String, usize> = BTreeMap::new();
        let mut list: Vec<Series> = Vec::new();
        for object in objects {
            let kind = Kind::of(&object.class());
            let what = (kind == Kind::Other).then(|| class_name(&object.class()));
            let uid = object.text(tags::SERIES_INSTANCE_UID).unwrap_or_default();
            let at = *series.entry(format!("{kind:?} {what:?} {uid}")).or_insert_with(|| {
                list.push(Series { kind, what, objects: Vec::new() });
                list.len() - 1
            });
            list[at].objects.push(object);
        }
        set_pictures_aside(&mut list);
        Ok(Self { series: list, others, aside, broken })
    }

    /// What there is to say of files beside a series that cannot be read. Errors: one of them may be a slice of it.
    pub(crate) fn whole(&self, path: &Place, series: &Series) -> Result<Vec<Note>, IoError> {
        let folders: BTreeSet<_> = series.objects.iter().map(|object| object.path.path().parent()).collect();
        let near: Vec<&Broken> =
            self.broken.iter().filter(|file| folders.contains(&file.path.path().parent())).collect();
        broken::must_be_whole(path, series.kind, &series.objects, &near)?;
        Ok(near.iter().map(|file| file.note()).collect())
    }

    /// Series of one kind.
    pub(crate) fn of_kind(&self, kind: Kind) -> Vec<&Series> {
        self.series.iter().filter(|series| series.kind == kind).collect()
    }

    /// The shortest path that names only the n-th series of the study at `path`: its one file, its folder, or
    /// `FOLDER#N`.
    pub(crate) fn handle(&self, path: &Place, n: usize) -> Place {
        let objects = &self.series[n].objects;
        if let [one] = objects.as_slice() {
            return one.path.clone();
        }
        let folder = &objects[0].path.parent().unwrap_or_else(|| path.clone());
        let mut others = self.series.iter().enumerate().filter(|(other, _)| *other != n).flat_map(|(_, s)| &s.objects);
        let alone = objects.iter().all(|object| object.path.starts_with(folder))
            && !others.any(|object| object.path.starts_with(folder));
        if alone {
            return folder.clone();
        }
        let mut name = path.path().as_os_str().to_owned();
        name.push(format!("#{}", n + 1));
        path.at(name)
    }

    /// The one series of a kind. Errors: none, or several, each named.
    pub(crate) fn only(&self, path: &Place, kind: Kind) -> Result<&Series, IoError> {
        let found = self.of_kind(kind);
        match found.as_slice() {
            [one] => Ok(one),
            [] => {
                let mut kinds: Vec<String> = self.series.iter().map(Series::describe).collect();
                kinds.extend(self.broken.iter().filter(|file| file.may_be(kind)).map(Broken::line));
                Err(IoError::invalid(
                    path,
                    "series",
                    format!("no {} but {}", kind.name(), kinds.join("; ")),
                    format!("one {}", kind.name()),
                    "Give the folder or file of that series.",
                ))
            }
            several => {
                let names: Vec<String> = several.iter().map(|series| series.describe()).collect();
                Err(IoError::invalid(
                    path,
                    "series",
                    format!("{} series of {}: {}", several.len(), kind.name(), names.join("; ")),
                    "one",
                    "Give the folder or file of the series that is meant, or FOLDER#N as lutra inspect counts.",
                ))
            }
        }
    }
}

/// The path itself, or the folder that a DICOMDIR stands for.
pub(crate) fn folder_of(path: &Place) -> Place {
    indexed_folder(path).unwrap_or_else(|| path.clone())
}

/// One series of a folder, not yet read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Entry {
    /// What it can be used as.
    pub kind: Kind,
    /// A path that names only this series: a file, a folder, or `FOLDER#N`.
    pub path: Place,
    /// Kind, number, files and place.
    pub title: String,
    /// Whether it is a nuclear image that is not reconstructed: projections, planar images.
    pub projections: bool,
    /// Where it came from.
    pub origin: Origin,
}

/// The series of a DICOM folder or file, in the order in which `lutra inspect` counts them.
///
/// Errors: nothing readable as DICOM; two patients.
pub fn contents(path: impl Into<Place>) -> Result<Vec<Entry>, IoError> {
    let path = &folder_of(&path.into());
    let study = Study::open(path)?;
    let entry = |(n, series): (usize, &Series)| {
        let first = &series.objects[0];
        let recon = first.numbers_text(tags::IMAGE_TYPE).get(2).is_some_and(|part| part == "RECON TOMO");
        Entry {
            kind: series.kind,
            path: if path.is_dir() { study.handle(path, n) } else { path.clone() },
            title: series.describe(),
            projections: first.class() == NM && !recon,
            origin: Origin::new(path, &series.objects),
        }
    };
    Ok(study.series.iter().enumerate().map(entry).collect())
}

/// Sets aside scouts and colour pictures, whatever their class, if there is a series of values beside them.
fn set_pictures_aside(list: &mut [Series]) {
    let what = |series: &Series| match series.kind {
        Kind::Ct | Kind::Activity if series.objects.iter().all(Object::is_colour) => Some("colour picture"),
        Kind::Ct if series.objects.iter().all(Object::is_localizer) => Some("localizer"),
        _ => None,
    };
    let found: Vec<Option<&str>> = list.iter().map(what).collect();
    for (n, what) in found.iter().enumerate() {
        let Some(what) = what else { continue };
        let kind = list[n].kind;
        if (0..list.len()).any(|other| found[other].is_none() && list[other].kind == kind) {
            list[n].what = Some(format!("{what} of class {}", list[n].objects[0].class()));
            list[n].kind = Kind::Other;
        }
    }
}

impl Series {
    /// A series of objects of one kind.
    pub(crate) fn of(kind: Kind, objects: Vec<Object>) -> Self {
        Self { kind, what: None, objects }
    }

    /// One line: kind, description, number of files, where.
    pub(crate) fn describe(&self) -> String {
        let object = &self.objects[0];
        let folder = object.path.parent().map(|p| p.display().to_string()).unwrap_or_default();
        let place = if self.objects.len() == 1 { object.path.display().to_string() } else { folder };
        let number = object.text(tags::SERIES_NUMBER).map_or(String::new(), |n| format!(" series {n}"));
        let count = self.objects.len();
        let files = if count == 1 { "1 file".to_owned() } else { format!("{count} files") };
        format!("{}{number}, {files} in {place}", self.what.as_deref().unwrap_or(self.kind.name()))
    }
}

/// Refuses objects of different patients. Names the files, never the patients.
///
/// An object without a patient agrees with any, except for the images and regions that a dose is made of: all of them
/// must state a patient, or none.
fn one_patient(path: &Place, objects: &[Object]) -> Result<(), IoError> {
    let refused = |found: String| {
        Err(IoError::invalid(
            path,
            "patient",
            found,
            "files of one patient",
            "Give a folder that holds one patient only.",
        ))
    };
    let Some(first) = objects.iter().find(|object| PatientKey::stated(&object.header).is_some()) else { return Ok(()) };
    let own = PatientKey::stated(&first.header);
    for other in objects {
        let key = PatientKey::stated(&other.header);
        let [a, b] = [first, other].map(|object| object.path.display().to_string());
        if key.is_some() && key != own {
            return refused(format!("two patients ({a} and {b})"));
        }
        if PatientKey::are_two(&first.header, &other.header) {
            return refused(format!("one PatientID with two names and two birth dates ({a} and {b})"));
        }
        let must_tell =
            matches!(Kind::of(&other.class()), Kind::Ct | Kind::Activity | Kind::Segmentation | Kind::StructureSet);
        if key.is_none() && must_tell {
            return refused(format!("a patient in {a} and none in {b}"));
        }
    }
    Ok(())
}

/// A patient's identity as a digest that reveals nothing and serves only for comparison.
#[derive(Clone, PartialEq, Eq)]
pub struct PatientKey([u8; 32]);

impl PatientKey {
    /// The patient of an object: by identifier or, without one, by name.
    pub(crate) fn of(header: &DataSet) -> Self {
        Self::stated(header).unwrap_or_else(|| Self(Sha256::digest(b"").into()))
    }

    /// Whether two objects state different names and different birth dates, whatever the identifier. Identifiers of
    /// different hospitals can collide; a name alone changes by marriage, a date alone by a typing error.
    fn are_two(one: &DataSet, other: &DataSet) -> bool {
        let born = |set| super::object::text(set, tags::PATIENT_BIRTH_DATE);
        // a different spelling, order, case or script does not make a different name
        let name = |set: &DataSet| {
            let name = super::object::text(set, tags::PATIENT_NAME)?.to_lowercase();
            let mut parts: Vec<String> = name
                .split('=')
                .next()?
                .split(|c: char| !c.is_alphanumeric())
                .filter(|part| !part.is_empty())
                .map(str::to_owned)
                .collect();
            parts.sort();
            (!parts.is_empty()).then_some(parts)
        };
        let differ =
            |pair: Option<(&[String], &[String])>| pair.is_some_and(|(a, b)| !a.iter().any(|part| b.contains(part)));
        let names = [name(one), name(other)];
        let other_name = differ(names[0].as_deref().zip(names[1].as_deref()));
        other_name && born(one).zip(born(other)).is_some_and(|(a, b)| a != b)
    }

    /// The same; `None` if the object states neither.
    fn stated(header: &DataSet) -> Option<Self> {
        let field = |tag| super::object::text(header, tag);
        let identity = field(tags::PATIENT_ID).or_else(|| field(tags::PATIENT_NAME))?;
        Some(Self(Sha256::digest(identity.as_bytes()).into()))
    }
}

impl fmt::Debug for PatientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PatientKey")
    }
}

/// Where a DICOM image came from: enough to compare it with another and to write a dose that belongs to it.
#[derive(Clone)]
pub struct Origin {
    /// The file or folder as given.
    path: Place,
    /// Header of the first object.
    pub(crate) header: DataSet,
    /// SOP class and instance UID of every object.
    pub(crate) instances: Vec<(String, String)>,
    /// Files of the objects.
    files: Vec<Place>,
}

impl fmt::Debug for Origin {
    /// Shows the path only: a header names the patient.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Origin").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Origin {
    /// The origin of a series.
    pub(crate) fn new(path: &Place, objects: &[Object]) -> Self {
        let uid = |object: &Object| (object.class(), object.text(tags::SOP_INSTANCE_UID).unwrap_or_default());
        Self {
            path: path.clone(),
            header: objects[0].header.clone(),
            instances: objects.iter().map(uid).collect(),
            files: objects.iter().map(|object| object.path.clone()).collect(),
        }
    }

    /// An origin without files.
    #[cfg(test)]
    pub(crate) fn made(path: &std::path::Path, header: DataSet, instances: Vec<(String, String)>) -> Self {
        Self { path: path.into(), header, instances, files: Vec::new() }
    }

    /// An error about a field of this image.
    pub(crate) fn refused(&self, field: &str, found: &str, allowed: &str, next: &str) -> IoError {
        IoError::invalid(&self.path, field, found, allowed, next)
    }

    /// UID of the frame of reference, if the image states one; of a structure set the one that it refers to.
    pub fn frame_of_reference(&self) -> Option<String> {
        let own = super::object::text(&self.header, tags::FRAME_OF_REFERENCE_UID);
        own.or_else(|| {
            let frames = super::object::items(&self.header, tags::REFERENCED_FRAME_OF_REFERENCE_SEQUENCE);
            let [one] = frames else { return None };
            super::object::text(one, tags::FRAME_OF_REFERENCE_UID)
        })
    }

    /// Weight of the patient, kg, if stated.
    pub fn weight_kg(&self) -> Option<f64> {
        super::object::number(&self.header, tags::PATIENT_WEIGHT).filter(|kg| *kg > 0.0)
    }

    /// Files of the image.
    pub fn files(&self) -> &[Place] {
        &self.files
    }

    /// Errors: the other image is of another patient.
    pub fn must_agree_on_patient(&self, other: &Origin) -> Result<(), IoError> {
        let two = PatientKey::are_two(&self.header, &other.header);
        if two || PatientKey::of(&self.header) != PatientKey::of(&other.header) {
            return Err(IoError::invalid(
                &other.path,
                "patient",
                format!("another patient than in {}", self.path.display()),
                "images of one patient",
                "Check which study each image belongs to.",
            ));
        }
        Ok(())
    }

    /// Whether two images are of one patient and in one frame of reference.
    ///
    /// Errors: another patient; another frame of reference (positions in one are unknown in the other).
    pub fn must_agree(&self, other: &Origin) -> Result<(), IoError> {
        self.must_agree_on_patient(other)?;
        match (self.frame_of_reference(), other.frame_of_reference()) {
            (Some(a), Some(b)) if a != b => Err(IoError::invalid(
                &other.path,
                "FrameOfReferenceUID (0020,0052)",
                format!("another frame of reference than in {}", self.path.display()),
                "one frame of reference",
                "Register the image to the CT in the viewer and export the result, or give both as NIfTI in one frame.",
            )),
            _ => Ok(()),
        }
    }
}
