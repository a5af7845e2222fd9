//! Spatial Registration objects (REG): which matrix leads from one frame of reference to another.
//!
//! An object names its own frame of reference and, for each other frame, a matrix that takes its points to the object's
//! frame (PS3.3 C.20.2: "registers the Referenced Image RCS to the Registered RCS"), in mm along the patient's left, back
//! and head (LPS). Lutra's matrices are RAS; [`turned`] goes between the two.

use crate::io::target::Target;
use crate::place::Place;

use dicom_core::value::{DataSetSequence, PrimitiveValue};
use dicom_core::{DataElement, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use sha2::{Digest, Sha256};

use super::deformable::{self, ReadDeformation};
use super::kind::{DEFORMABLE_REGISTRATION, REGISTRATION};
use super::matrix::{Matrix4, UNIT, inverse, matrix_in, product, singular, turned};
use super::object::{DataSet, Object, items, text};
use super::rtdose::{Identity, cut, list, put_references, uid, write_object};
use super::seg_out::moment;
use super::study::{Origin, Study};
use crate::io::IoError;

/// How a registration is written.
#[derive(Clone, Debug)]
pub struct RegistrationOptions {
    /// Series description, at most 64 characters.
    pub description: String,
    /// Whether the matrix is a rotation and a shift.
    pub rigid: bool,
    /// Strips everything that identifies the patient; sex, weight and size stay.
    pub deidentify: bool,
}

/// A registration as read.
#[derive(Clone, Debug)]
pub struct ReadRegistration {
    /// From the moving to the fixed frame, RAS mm.
    pub fixed_from_moving: Matrix4,
    /// Whether the object calls it rigid.
    pub rigid: bool,
    /// The file.
    pub file: Place,
}

/// What an object says of two frames.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "one is read at a time, and taken apart at once")]
pub enum ReadMap {
    /// A matrix.
    Matrix(ReadRegistration),
    /// A displacement field between two matrices.
    Field(ReadDeformation),
}

/// Writes a registration of the image `moving` to the image `fixed`; the matrix leads from the moving to the fixed frame,
/// RAS mm. The object belongs to the study of `fixed`.
///
/// Equal matrices, origins and options give equal files, UIDs included. Errors: an image without a frame of reference; two
/// images in one frame; a place that cannot be written.
pub fn write_registration(
    path: impl Into<Target>,
    fixed: &Origin,
    moving: &Origin,
    fixed_from_moving: &Matrix4,
    options: &RegistrationOptions,
) -> Result<(), IoError> {
    frames(fixed, moving)?;
    let (own, other) = (Identity::of(Some(fixed), options.deidentify), Identity::of(Some(moving), options.deidentify));
    let matrix = list(turned(fixed_from_moving).as_flattened());
    let digest = digest(&own, &other, &matrix, options);
    let mut set = InMemDicomObject::new_empty();
    own.put(&mut set);
    let [day, clock] = moment(Some(fixed).filter(|_| !options.deidentify));
    for (tag, vr, value) in [
        (tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192"),
        (tags::SOP_CLASS_UID, VR::UI, REGISTRATION),
        (tags::SOP_INSTANCE_UID, VR::UI, uid(&["instance", &digest]).as_str()),
        (tags::SERIES_INSTANCE_UID, VR::UI, uid(&["series", &digest]).as_str()),
        (tags::MODALITY, VR::CS, "REG"),
        (tags::LATERALITY, VR::CS, ""),
        (tags::MANUFACTURER, VR::LO, "Lutra"),
        (tags::MANUFACTURER_MODEL_NAME, VR::LO, "Lutra"),
        (tags::DEVICE_SERIAL_NUMBER, VR::LO, "0"),
        (tags::SOFTWARE_VERSIONS, VR::LO, env!("CARGO_PKG_VERSION")),
        (tags::SERIES_DESCRIPTION, VR::LO, &cut(&options.description, 64)),
        (tags::SERIES_NUMBER, VR::IS, "1005"),
        (tags::INSTANCE_NUMBER, VR::IS, "1"),
        (tags::CONTENT_LABEL, VR::CS, "REGISTRATION"),
        (tags::CONTENT_DESCRIPTION, VR::LO, "moving to fixed image"),
        (tags::CONTENT_CREATOR_NAME, VR::PN, ""),
        (tags::CONTENT_DATE, VR::DA, &day),
        (tags::CONTENT_TIME, VR::TM, &clock),
    ] {
        set.put(DataElement::new(tag, vr, PrimitiveValue::from(value)));
    }
    let kind = if options.rigid { "RIGID" } else { "AFFINE" };
    let pair =
        vec![registered(&own, fixed, "RIGID", list(UNIT.as_flattened())), registered(&other, moving, kind, matrix)];
    put_items(&mut set, tags::REGISTRATION_SEQUENCE, pair);
    put_common_references(&mut set, [(&own, fixed), (&other, moving)]);
    write_object(&path.into(), set)
}

/// The frames of reference of the two images.
fn frames(fixed: &Origin, moving: &Origin) -> Result<[String; 2], IoError> {
    let frame = |origin: &Origin| {
        origin.frame_of_reference().ok_or_else(|| {
            origin.refused("FrameOfReferenceUID (0020,0052)", "none", "a UID", "Give an image that states its frame.")
        })
    };
    let pair = [frame(fixed)?, frame(moving)?];
    fixed.must_agree_on_patient(moving)?;
    if pair[0] == pair[1] {
        return Err(moving.refused(
            "FrameOfReferenceUID (0020,0052)",
            "the same as that of the fixed image",
            "another frame of reference",
            "A registration object cannot say that an image lies elsewhere in its own frame: use the ITK file.",
        ));
    }
    Ok(pair)
}

fn digest(own: &Identity, other: &Identity, matrix: &PrimitiveValue, options: &RegistrationOptions) -> String {
    let mut hasher = Sha256::new();
    for part in [&own.study, &own.frame, &other.study, &other.frame, &options.description] {
        hasher.update(part.as_bytes());
        hasher.update([0]);
    }
    hasher.update([u8::from(options.rigid), u8::from(options.deidentify)]);
    hasher.update(matrix.to_str().as_bytes());
    crate::digest::finished(hasher)
}

fn put_items(set: &mut DataSet, tag: Tag, items: Vec<DataSet>) {
    set.put(DataElement::new(tag, VR::SQ, DataSetSequence::from(items)));
}

fn item(elements: &[(Tag, VR, &str)]) -> DataSet {
    let element = |&(tag, vr, value): &(Tag, VR, &str)| DataElement::new(tag, vr, PrimitiveValue::from(value));
    InMemDicomObject::from_element_iter(elements.iter().map(element))
}

/// One frame of reference and the matrix that leads from it.
fn registered(identity: &Identity, origin: &Origin, kind: &str, matrix: PrimitiveValue) -> DataSet {
    let mut set = item(&[(tags::FRAME_OF_REFERENCE_UID, VR::UI, &identity.frame)]);
    put_references(&mut set, tags::REFERENCED_IMAGE_SEQUENCE, &origin.instances);
    let mut one = item(&[(tags::FRAME_OF_REFERENCE_TRANSFORMATION_MATRIX_TYPE, VR::CS, kind)]);
    one.put(DataElement::new(tags::FRAME_OF_REFERENCE_TRANSFORMATION_MATRIX, VR::DS, matrix));
    let mut registration = InMemDicomObject::new_empty();
    put_items(&mut registration, tags::REGISTRATION_TYPE_CODE_SEQUENCE, Vec::new());
    put_items(&mut registration, tags::MATRIX_SEQUENCE, vec![one]);
    put_items(&mut set, tags::MATRIX_REGISTRATION_SEQUENCE, vec![registration]);
    set
}

/// The series of both images: of the object's own study, and of another one.
fn put_common_references(set: &mut DataSet, images: [(&Identity, &Origin); 2]) {
    let own_study = &images[0].0.study;
    let (mut here, mut there) = (Vec::new(), Vec::new());
    for (identity, origin) in images {
        let Some(series) = text(&origin.header, tags::SERIES_INSTANCE_UID) else { continue };
        let mut one = item(&[(tags::SERIES_INSTANCE_UID, VR::UI, &series)]);
        put_references(&mut one, tags::REFERENCED_INSTANCE_SEQUENCE, &origin.instances);
        if identity.study == *own_study {
            here.push(one);
        } else {
            let mut study = item(&[(tags::STUDY_INSTANCE_UID, VR::UI, &identity.study)]);
            put_items(&mut study, tags::REFERENCED_SERIES_SEQUENCE, vec![one]);
            there.push(study);
        }
    }
    for (tag, list) in [
        (tags::REFERENCED_SERIES_SEQUENCE, here),
        (tags::STUDIES_CONTAINING_OTHER_REFERENCED_INSTANCES_SEQUENCE, there),
    ] {
        if !list.is_empty() {
            put_items(set, tag, list);
        }
    }
}

/// The registration objects of a file or folder.
fn candidates(path: &Place) -> Result<Vec<Object>, IoError> {
    let study = Study::open(path)?;
    let objects = study.series.into_iter().flat_map(|series| series.objects);
    Ok(objects.filter(|o| [REGISTRATION, DEFORMABLE_REGISTRATION].contains(&o.class().as_str())).collect())
}

/// Reads the registration of the image `moving` to the image `fixed` from a file or a folder.
///
/// Errors: no object for these two frames of reference, or several; a deformable one that leads the other way; a matrix
/// that is missing, is not 16 numbers or has another last row than 0 0 0 1; images of two patients.
pub fn read_registration(path: impl Into<Place>, fixed: &Origin, moving: &Origin) -> Result<ReadMap, IoError> {
    let path = &path.into();
    let pair = frames(fixed, moving)?;
    let (mut found, mut about) = (Vec::new(), 0);
    for object in candidates(path)? {
        let one = if object.class() == DEFORMABLE_REGISTRATION {
            deformable::of_pair(&object, &pair)?.map(ReadMap::Field)
        } else {
            of_pair(&object, &pair)?.map(ReadMap::Matrix)
        };
        let Some(one) = one else { continue };
        about += 1;
        fixed.must_agree_on_patient(&Origin::new(&object.path, std::slice::from_ref(&object)))?;
        found.push(one);
    }
    match (found.pop(), about) {
        (Some(one), 1) => Ok(one),
        (_, 0) => Err(IoError::invalid(
            path,
            "frames of reference",
            "no registration object that names those of both images",
            "one that names both",
            "Export the registration of these two images; lutra inspect says which frames images share.",
        )),
        (_, several) => Err(IoError::invalid(
            path,
            "registrations",
            format!("{several} objects for these two images"),
            "one",
            "Give the file of the registration that is meant.",
        )),
    }
}

/// The matrix from the second to the first frame of a pair; `None` where the object does not name both.
fn of_pair(object: &Object, pair: &[String; 2]) -> Result<Option<ReadRegistration>, IoError> {
    let own = object.text(tags::FRAME_OF_REFERENCE_UID).unwrap_or_default();
    let mut maps: [Option<(Matrix4, bool)>; 2] = [None, None];
    for entry in object.items(tags::REGISTRATION_SEQUENCE) {
        let frame = text(entry, tags::FRAME_OF_REFERENCE_UID).unwrap_or_default();
        let Some(which) = pair.iter().position(|f| *f == frame) else { continue };
        if maps[which].is_some() {
            return Err(object.refused(
                "RegistrationSequence (0070,0308)",
                "two matrices for one frame of reference",
                "one",
                "Export the registration again.",
            ));
        }
        maps[which] = Some(matrix_of(object, entry)?);
    }
    for (map, frame) in maps.iter_mut().zip(pair) {
        if map.is_none() && *frame == own {
            *map = Some((UNIT, true));
        }
    }
    let [Some((fixed, fixed_rigid)), Some((moving, moving_rigid))] = maps else { return Ok(None) };
    let inverse = inverse(&fixed).ok_or_else(|| singular(object))?;
    Ok(Some(ReadRegistration {
        fixed_from_moving: turned(&product(&inverse, &moving)),
        rigid: fixed_rigid && moving_rigid,
        file: object.path.clone(),
    }))
}

/// The matrix of one frame and whether it is called rigid.
fn matrix_of(object: &Object, entry: &DataSet) -> Result<(Matrix4, bool), IoError> {
    let mut all = items(entry, tags::MATRIX_REGISTRATION_SEQUENCE)
        .iter()
        .flat_map(|one| items(one, tags::MATRIX_SEQUENCE))
        .map(|one| matrix_in(object, one))
        .collect::<Result<Vec<(Matrix4, bool)>, IoError>>()?;
    // in which order several matrices act, makers disagree: several that do something are ambiguous
    let rigid = all.iter().all(|(_, rigid)| *rigid);
    let found = all.len();
    all.retain(|(matrix, _)| *matrix != UNIT);
    match all.len() {
        0 if found > 0 => Ok((UNIT, rigid)),
        1 => Ok((all[0].0, rigid)),
        0 => Err(object.refused("MatrixSequence (0070,030A)", "none", "one matrix", "Export the registration again.")),
        several => Err(object.refused(
            "MatrixSequence (0070,030A)",
            format!("{several} matrices for one frame of reference"),
            "one",
            "Export the registration as one matrix: which of several acts first is not told the same way by all makers.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn origin(frame: &str, study: &str) -> Origin {
        let folder = Path::new("made");
        let header = item(&[
            (tags::FRAME_OF_REFERENCE_UID, VR::UI, frame),
            (tags::STUDY_INSTANCE_UID, VR::UI, study),
            (tags::SERIES_INSTANCE_UID, VR::UI, &format!("{frame}.7")),
            (tags::PATIENT_ID, VR::LO, "P1"),
            (tags::PATIENT_NAME, VR::PN, "A^B"),
        ]);
        let class = super::super::kind::CT.to_owned();
        Origin::made(folder, header, vec![(class, format!("{frame}.8"))])
    }

    fn options() -> RegistrationOptions {
        RegistrationOptions { description: "test".into(), rigid: true, deidentify: false }
    }

    fn matrix() -> Matrix4 {
        let (s, c) = 0.1f64.sin_cos();
        [[c, -s, 0.0, 12.25], [s, c, 0.0, -3.5], [0.0, 0.0, 1.0, 7.125], [0.0, 0.0, 0.0, 1.0]]
    }

    fn close(a: &Matrix4, b: &Matrix4) -> bool {
        a.as_flattened().iter().zip(b.as_flattened()).all(|(a, b)| (a - b).abs() < 1e-11)
    }

    #[test]
    fn io_dicom_registrations_come_back() {
        let folder = tempfile::tempdir().expect("folder");
        let (fixed, moving) = (origin("1.2.3", "1.2.30"), origin("1.2.4", "1.2.40"));
        let file = folder.path().join("reg.dcm");
        write_registration(&file, &fixed, &moving, &matrix(), &options()).expect("written");
        let matrix_of = |a: &Origin, b: &Origin| match read_registration(&file, a, b).expect("read") {
            ReadMap::Matrix(read) => read,
            ReadMap::Field(_) => panic!("a matrix was written"),
        };
        let read = matrix_of(&fixed, &moving);
        assert!(close(&read.fixed_from_moving, &matrix()) && read.rigid);
        // asked the other way round, it is the inverse
        let back = matrix_of(&moving, &fixed);
        assert!(close(&product(&back.fixed_from_moving, &matrix()), &UNIT));
        let again = folder.path().join("again.dcm");
        write_registration(&again, &fixed, &moving, &matrix(), &options()).expect("written");
        assert_eq!(std::fs::read(&file).expect("bytes"), std::fs::read(&again).expect("bytes"));
        // two objects for one pair
        let error = read_registration(folder.path(), &fixed, &moving).expect_err("two").to_string();
        assert!(error.contains("2 objects for these two images"), "{error}");
        let other = origin("1.2.5", "1.2.30");
        let error = read_registration(&file, &fixed, &other).expect_err("frame").to_string();
        assert!(error.contains("frames of reference"), "{error}");
        let error = write_registration(&file, &fixed, &fixed, &UNIT, &options()).expect_err("one frame").to_string();
        assert!(error.contains("the same as that of the fixed image"), "{error}");
    }

    /// One entry of a registration object: a frame and its matrices, one after the other.
    fn entry(frame: &str, matrices: &[Matrix4]) -> DataSet {
        let mut one = item(&[(tags::FRAME_OF_REFERENCE_UID, VR::UI, frame)]);
        let of = |matrix: &Matrix4| {
            let mut set = item(&[(tags::FRAME_OF_REFERENCE_TRANSFORMATION_MATRIX_TYPE, VR::CS, "RIGID")]);
            let numbers = list(turned(matrix).as_flattened());
            set.put(DataElement::new(tags::FRAME_OF_REFERENCE_TRANSFORMATION_MATRIX, VR::DS, numbers));
            set
        };
        let mut registration = InMemDicomObject::new_empty();
        put_items(&mut registration, tags::MATRIX_SEQUENCE, matrices.iter().map(of).collect());
        put_items(&mut one, tags::MATRIX_REGISTRATION_SEQUENCE, vec![registration]);
        one
    }

    fn object(path: &Path, own: &str, entries: Vec<DataSet>) {
        let mut set = item(&[
            (tags::SOP_CLASS_UID, VR::UI, REGISTRATION),
            (tags::SOP_INSTANCE_UID, VR::UI, "1.2.78"),
            (tags::STUDY_INSTANCE_UID, VR::UI, "1.2.30"),
            (tags::SERIES_INSTANCE_UID, VR::UI, "1.2.31"),
            (tags::MODALITY, VR::CS, "REG"),
            (tags::PATIENT_ID, VR::LO, "P1"),
            (tags::PATIENT_NAME, VR::PN, "A^B"),
            (tags::FRAME_OF_REFERENCE_UID, VR::UI, own),
        ]);
        put_items(&mut set, tags::REGISTRATION_SEQUENCE, entries);
        write_object(&Target::from(path), set).expect("written");
    }

    /// The forms that makers write, all of one motion: the moving frame alone; both frames, one as it lies; the object in the
    /// moving image's frame; both frames by way of a third; an idle matrix beside the true one.
    #[test]
    fn io_dicom_registrations_of_every_form_are_read() {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("reg.dcm");
        let (fixed, moving) = (origin("1.2.3", "1.2.30"), origin("1.2.4", "1.2.30"));
        let (s, c) = 0.3f64.sin_cos();
        let third = [[1.0, 0.0, 0.0, -4.0], [0.0, c, -s, 8.0], [0.0, s, c, 2.5], [0.0, 0.0, 0.0, 1.0]];
        let back = inverse(&matrix()).expect("rigid");
        let forms: [(&str, Vec<DataSet>); 5] = [
            ("1.2.3", vec![entry("1.2.4", &[matrix()])]),
            ("1.2.3", vec![entry("1.2.3", &[UNIT]), entry("1.2.4", &[matrix()])]),
            ("1.2.4", vec![entry("1.2.3", &[back])]),
            ("1.2.9", vec![entry("1.2.3", &[third]), entry("1.2.4", &[product(&third, &matrix())])]),
            ("1.2.3", vec![entry("1.2.4", &[UNIT, matrix()])]),
        ];
        for (n, (own, entries)) in forms.into_iter().enumerate() {
            object(&file, own, entries);
            let ReadMap::Matrix(read) = read_registration(&file, &fixed, &moving).expect("read") else {
                panic!("a matrix was written")
            };
            let (found, truth) = (read.fixed_from_moving, matrix());
            let near = found.as_flattened().iter().zip(truth.as_flattened()).all(|(a, b)| (a - b).abs() < 1e-9);
            assert!(near && read.rigid, "form {n}: {found:?}");
        }
        for (entries, part) in [
            (vec![entry("1.2.4", &[matrix(), third])], "2 matrices for one frame of reference"),
            (vec![entry("1.2.4", &[matrix()]), entry("1.2.4", &[third])], "two matrices for one frame of reference"),
            (vec![entry("1.2.5", &[matrix()])], "no registration object that names those of both images"),
        ] {
            object(&file, "1.2.3", entries);
            let error = read_registration(&file, &fixed, &moving).expect_err(part).to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn alarm_matrices_that_are_none_ring() {
        let folder = tempfile::tempdir().expect("folder");
        let (fixed, moving) = (origin("1.2.3", "1.2.30"), origin("1.2.4", "1.2.30"));
        let file = folder.path().join("reg.dcm");
        let mut wrong = matrix();
        wrong[3][0] = 0.5;
        write_registration(&file, &fixed, &moving, &wrong, &options()).expect("written");
        let error = read_registration(&file, &fixed, &moving).expect_err("last row").to_string();
        assert!(error.contains("the last four"), "{error}");
    }
}
