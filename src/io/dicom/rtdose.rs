//! RT Dose objects in the CT's frame of reference: writing and reading.
//!
//! The volume is written as roughly axial frames in the order that viewers expect: rows towards the
//! patient's left, columns towards the back, frames towards the head. Values are integers of 32 or 16
//! bits times `DoseGridScaling`; the scaling is rounded to its 16 characters before the values are divided by it, so
//! value times scaling is the dose to within half a step.
//!
//! The standard lets a dose refer to a radiotherapy plan, and validators require it. Radiopharmaceutical therapy has no
//! such object. The reference therefore names a plan that does not exist, with a UID derived from the study's, the same
//! for all doses of a study.

use crate::io::target::Target;

use dicom_core::value::{DataSetSequence, PrimitiveValue};
use dicom_core::{DataElement, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use dicom_object::meta::FileMetaTableBuilder;
use jiff::civil::DateTime;
use sha2::{Digest, Sha256};

use super::kind::{Kind, RT_DOSE};
use super::object::{DataSet, Object, text};
use super::stack::{Lone, Plane, stack};
use super::study::{Origin, Study};
use super::{Opened, legible, reserve};
use crate::grid::{Volume, VoxelGrid};
use crate::io::{IoError, atomic};
use crate::note::Note;
use crate::place::Place;

/// Root of the implementation's UID: from a name-based UUID, as PS3.5 B.2 allows.
const IMPLEMENTATION_UID: &str = "2.25.199473236019873562084723905120745319";
const EXPLICIT_LITTLE_ENDIAN: &str = "1.2.840.10008.1.2.1";
const RT_PLAN: &str = "1.2.840.10008.5.1.4.1.1.481.5";

/// What a dose means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DoseType {
    /// Absorbed dose.
    Physical,
    /// Biologically effective dose.
    Effective,
}

/// Bits of a stored dose value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DoseDepth {
    /// Steps of the highest dose / 65 535, for systems that read only 16 bits.
    Bits16,
    /// Steps of the highest dose / 4 294 967 295.
    #[default]
    Bits32,
}

impl DoseDepth {
    fn bits(self) -> u16 {
        match self {
            Self::Bits16 => 16,
            Self::Bits32 => 32,
        }
    }

    /// Largest stored value.
    fn most(self) -> f64 {
        match self {
            Self::Bits16 => f64::from(u16::MAX),
            Self::Bits32 => f64::from(u32::MAX),
        }
    }
}

/// How a dose object is written.
#[derive(Clone, Debug)]
pub struct DoseOptions {
    /// Absorbed or biologically effective dose.
    pub dose_type: DoseType,
    /// Size of a stored value.
    pub depth: DoseDepth,
    /// Series description, at most 64 characters.
    pub description: String,
    /// Dose comment, at most 64 characters: nuclide, model, alpha/beta.
    pub comment: String,
    /// Strips everything that identifies the patient; sex, weight and size stay.
    pub deidentify: bool,
    /// Local date and time of creation; omitted if `None`, so that equal doses give equal files.
    pub created: Option<DateTime>,
}

/// Writes a dose, Gy, as an RT Dose object that belongs to the image `origin` came from.
///
/// Without an origin the object has a patient without a name and a study of its own. Equal doses,
/// origins and options give equal files, UIDs included. Errors: a value that is negative, NaN or infinite;
/// a grid of more than 65 535 rows or columns; a place that cannot be written.
pub fn write_rtdose(
    path: impl Into<Target>,
    dose_gy: &Volume<f64>,
    origin: Option<&Origin>,
    options: &DoseOptions,
) -> Result<(), IoError> {
    let target = path.into();
    let path = target.path();
    let (dose, _) = dose_gy.clone().to_canonical();
    if let Some(index) = dose.data.iter().position(|v| !v.is_finite() || *v < 0.0) {
        let [i, j, k] = dose.grid.voxel(index);
        return Err(IoError::invalid(
            path,
            "dose",
            format!("{} Gy in voxel ({i}, {j}, {k})", dose.data[index]),
            "0 or more, finite",
            "Write voxels without a dose as 0.",
        ));
    }
    if dose.grid.dims[..2].iter().any(|n| *n > 65535) {
        return Err(IoError::invalid(
            path,
            "grid",
            format!("{:?} voxels", dose.grid.dims),
            "at most 65535 rows and columns",
            "Choose a coarser grid.",
        ));
    }
    let highest = dose.data.iter().copied().fold(0.0, f64::max);
    let (scaling_text, scaling) = scaling(highest, options.depth.most());
    let [nx, ny, nz] = dose.grid.dims;
    let bytes = usize::from(options.depth.bits() / 8);
    let mut pixels = reserve::<u8>(path, dose.data.len() * bytes)?;
    for k in 0..nz {
        for j in (0..ny).rev() {
            for i in (0..nx).rev() {
                let stored = (dose.at(i, j, k) / scaling).round().min(options.depth.most()) as u32;
                pixels.extend_from_slice(&stored.to_le_bytes()[..bytes]);
            }
        }
    }
    let mut set = InMemDicomObject::new_empty();
    let identity = Identity::of(origin, options.deidentify);
    let digest = content_digest(&pixels, &scaling_text, &identity, options);
    identity.put(&mut set);
    put_geometry(&mut set, &dose);
    let plan = [(RT_PLAN.to_owned(), uid(&["plan", &identity.study]))];
    put_references(&mut set, tags::REFERENCED_RT_PLAN_SEQUENCE, &plan);
    if let Some(origin) = origin.filter(|_| !options.deidentify) {
        put_references(&mut set, tags::REFERENCED_IMAGE_SEQUENCE, &origin.instances);
    }
    let mut put = |tag: Tag, vr: VR, value: PrimitiveValue| {
        set.put(DataElement::new(tag, vr, value));
    };
    let kind = match options.dose_type {
        DoseType::Physical => "PHYSICAL",
        DoseType::Effective => "EFFECTIVE",
    };
    for (tag, vr, value) in [
        (tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192"),
        (tags::SOP_CLASS_UID, VR::UI, RT_DOSE),
        (tags::SOP_INSTANCE_UID, VR::UI, uid(&["instance", &digest]).as_str()),
        (tags::SERIES_INSTANCE_UID, VR::UI, uid(&["series", &digest]).as_str()),
        (tags::MODALITY, VR::CS, "RTDOSE"),
        (tags::MANUFACTURER, VR::LO, "Lutra"),
        (tags::MANUFACTURER_MODEL_NAME, VR::LO, "Lutra"),
        (tags::SOFTWARE_VERSIONS, VR::LO, env!("CARGO_PKG_VERSION")),
        (tags::SERIES_DESCRIPTION, VR::LO, &cut(&options.description, 64)),
        (tags::OPERATORS_NAME, VR::PN, ""),
        (tags::SERIES_NUMBER, VR::IS, if options.dose_type == DoseType::Physical { "1001" } else { "1002" }),
        (tags::INSTANCE_NUMBER, VR::IS, "1"),
        (tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2"),
        (tags::DOSE_UNITS, VR::CS, "GY"),
        (tags::DOSE_TYPE, VR::CS, kind),
        (tags::DOSE_SUMMATION_TYPE, VR::CS, "PLAN"),
        (tags::DOSE_GRID_SCALING, VR::DS, &scaling_text),
        (tags::DOSE_COMMENT, VR::LO, &cut(&options.comment, 64)),
        (tags::TISSUE_HETEROGENEITY_CORRECTION, VR::CS, "IMAGE"),
    ] {
        put(tag, vr, PrimitiveValue::from(value));
    }
    for (tag, value) in [
        (tags::SAMPLES_PER_PIXEL, 1),
        (tags::BITS_ALLOCATED, options.depth.bits()),
        (tags::BITS_STORED, options.depth.bits()),
        (tags::HIGH_BIT, options.depth.bits() - 1),
        (tags::PIXEL_REPRESENTATION, 0),
    ] {
        put(tag, VR::US, PrimitiveValue::from(value));
    }
    if let Some(created) = options.created {
        let (date, time) = (created.strftime("%Y%m%d").to_string(), created.strftime("%H%M%S").to_string());
        for (tag, vr, value) in [
            (tags::INSTANCE_CREATION_DATE, VR::DA, &date),
            (tags::INSTANCE_CREATION_TIME, VR::TM, &time),
            (tags::CONTENT_DATE, VR::DA, &date),
            (tags::CONTENT_TIME, VR::TM, &time),
        ] {
            put(tag, vr, PrimitiveValue::from(value.as_str()));
        }
    }
    put(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(words(&pixels).into()));
    write_object(&target, set)
}

/// Pixels as the 16-bit words that PS3.5 wants for more than 8 bits.
fn words(bytes: &[u8]) -> Vec<u16> {
    bytes.as_chunks::<2>().0.iter().map(|raw| u16::from_le_bytes(*raw)).collect()
}

/// Writes a data set as a file, whole or not at all.
pub(super) fn write_object(path: &Target, set: DataSet) -> Result<(), IoError> {
    let broken = |e: String| IoError::write(path, std::io::Error::other(e));
    let meta = FileMetaTableBuilder::new()
        .transfer_syntax(EXPLICIT_LITTLE_ENDIAN)
        .implementation_class_uid(IMPLEMENTATION_UID)
        .implementation_version_name("LUTRA");
    let object = set.with_meta(meta).map_err(|e| broken(e.to_string()))?;
    atomic::write_file(path, |out| object.write_all(out).map_err(|e| std::io::Error::other(e.to_string())))
}

/// Dose of one stored unit: its text and the number that the text represents.
fn scaling(highest_gy: f64, most: f64) -> (String, f64) {
    if highest_gy <= 0.0 {
        return ("1e-06".to_owned(), 1e-6);
    }
    // A hair above the quotient, so that rounding of the text cannot push the highest dose out of range.
    let text = decimal(highest_gy / most * (1.0 + 1e-9));
    let value = text.parse().unwrap_or(highest_gy / most);
    (text, value)
}

/// A number in at most 16 characters (PS3.5: DS), as precise as they allow.
fn decimal(value: f64) -> String {
    let plain = format!("{value}");
    if plain.len() <= 16 {
        return plain;
    }
    (0..15)
        .rev()
        .flat_map(|digits| [format!("{value:.digits$}"), format!("{value:.digits$e}")])
        .filter(|text| text.len() <= 16)
        .min_by(|a, b| {
            let off = |text: &String| text.parse::<f64>().map_or(f64::INFINITY, |v| (v - value).abs());
            off(a).total_cmp(&off(b))
        })
        .unwrap_or_else(|| format!("{value:.0e}"))
}

/// Cuts text to a number of characters, as DICOM counts.
pub(super) fn cut(text: &str, most: usize) -> String {
    text.chars().filter(|c| !c.is_control() && *c != '\\').take(most).collect()
}

/// A UID from a digest of the parts: 2.25 and a UUID (PS3.5 B.2) of version 8.
pub(super) fn uid(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    hasher.update(b"lutra");
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    let digest = hasher.finalize();
    let mut bytes: [u8; 16] = std::array::from_fn(|n| digest[n]);
    bytes[6] = bytes[6] & 0x0F | 0x80;
    bytes[8] = bytes[8] & 0x3F | 0x80;
    format!("2.25.{}", u128::from_be_bytes(bytes))
}

fn content_digest(pixels: &[u8], scaling: &str, identity: &Identity, options: &DoseOptions) -> String {
    let mut hasher = Sha256::new();
    hasher.update(pixels);
    for part in [scaling, &identity.study, &identity.frame, &options.description, &options.comment] {
        hasher.update(part.as_bytes());
    }
    hasher.update([options.dose_type as u8, u8::from(options.deidentify)]);
    crate::digest::finished(hasher)
}

/// Where the frames of an object to write lie, LPS mm: rows towards the patient's left, columns towards the back,
/// frames towards the head, for a grid in canonical order.
pub(super) struct Geometry {
    /// Edge lengths along rows, columns and frames.
    pub(super) spacing_mm: [f64; 3],
    /// Direction along a row, then down a column.
    pub(super) directions: Vec<f64>,
    first_mm: [f64; 3],
    step_mm: [f64; 3],
}

impl Geometry {
    pub(super) fn of(grid: &VoxelGrid) -> Self {
        let [nx, ny, _] = grid.dims;
        // RAS to LPS: x and y change sign, once and here.
        let lps = |v: [f64; 3]| [-v[0], -v[1], v[2]];
        let axis = |n: usize| lps([0, 1, 2].map(|row| grid.affine[row][n] / grid.spacing_mm[n]));
        let [along_row, down_column] = [axis(0).map(|v| -v), axis(1).map(|v| -v)];
        Self {
            spacing_mm: grid.spacing_mm,
            directions: [along_row, down_column].concat(),
            first_mm: lps(grid.world_mm([nx as f64 - 1.0, ny as f64 - 1.0, 0.0])),
            step_mm: axis(2).map(|v| v * grid.spacing_mm[2]),
        }
    }

    /// Centre of the first pixel of frame `k`.
    pub(super) fn position(&self, k: usize) -> [f64; 3] {
        [0, 1, 2].map(|axis| self.first_mm[axis] + k as f64 * self.step_mm[axis])
    }
}

/// Numbers as text.
pub(super) fn list(values: &[f64]) -> PrimitiveValue {
    let texts: Vec<String> = values.iter().map(|v| decimal(if *v == 0.0 { 0.0 } else { *v })).collect();
    PrimitiveValue::Strs(texts.into())
}

/// Position, directions, spacing and frames.
fn put_geometry(set: &mut DataSet, dose: &Volume<f64>) {
    let [nx, ny, nz] = dose.grid.dims;
    let geometry = Geometry::of(&dose.grid);
    let [dx, dy, dz] = geometry.spacing_mm;
    let offsets: Vec<f64> = (0..nz).map(|k| k as f64 * dz).collect();
    for (tag, values) in [
        (tags::IMAGE_POSITION_PATIENT, geometry.position(0).to_vec()),
        (tags::IMAGE_ORIENTATION_PATIENT, geometry.directions),
        (tags::PIXEL_SPACING, vec![dy, dx]),
        (tags::SLICE_THICKNESS, vec![dz]),
        (tags::GRID_FRAME_OFFSET_VECTOR, offsets),
    ] {
        set.put(DataElement::new(tag, VR::DS, list(&values)));
    }
    set.put(DataElement::new(tags::ROWS, VR::US, PrimitiveValue::from(ny as u16)));
    set.put(DataElement::new(tags::COLUMNS, VR::US, PrimitiveValue::from(nx as u16)));
    set.put(DataElement::new(tags::NUMBER_OF_FRAMES, VR::IS, PrimitiveValue::from(nz.to_string())));
    set.put(DataElement::new(
        tags::FRAME_INCREMENT_POINTER,
        VR::AT,
        PrimitiveValue::Tags([tags::GRID_FRAME_OFFSET_VECTOR].as_slice().into()),
    ));
}

/// References to objects: SOP class and instance UID.
pub(super) fn put_references(set: &mut DataSet, tag: Tag, instances: &[(String, String)]) {
    let items: Vec<DataSet> = instances
        .iter()
        .filter(|(class, instance)| !class.is_empty() && !instance.is_empty() && class != RT_DOSE)
        .map(|(class, instance)| {
            InMemDicomObject::from_element_iter([
                DataElement::new(tags::REFERENCED_SOP_CLASS_UID, VR::UI, PrimitiveValue::from(class.as_str())),
                DataElement::new(tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, PrimitiveValue::from(instance.as_str())),
            ])
        })
        .collect();
    if !items.is_empty() {
        set.put(DataElement::new(tag, VR::SQ, DataSetSequence::from(items)));
    }
}

/// Patient, study and frame of reference of an object to write.
pub(super) struct Identity {
    pub(super) study: String,
    pub(super) frame: String,
    texts: Vec<(Tag, VR, String)>,
}

impl Identity {
    /// The image's own patient, or an unnamed one.
    pub(super) fn of(origin: Option<&Origin>, deidentify: bool) -> Self {
        let field = |tag: Tag| origin.and_then(|origin| text(&origin.header, tag));
        let whose = |tag: Tag, role: &str| match (field(tag), deidentify) {
            (Some(own), false) => own,
            // A digest of the true UID: objects of one study still belong together.
            (Some(own), true) => uid(&["deidentified", role, &own]),
            (None, _) => uid(&["without origin", role]),
        };
        let mut texts = Vec::new();
        // Kept in any case: they carry no identity and dosimetry needs them.
        for (tag, vr) in [(tags::PATIENT_SEX, VR::CS), (tags::PATIENT_SIZE, VR::DS), (tags::PATIENT_WEIGHT, VR::DS)] {
            let own = field(tag).filter(|own| vr != VR::DS || own.parse::<f64>().is_ok());
            if tag == tags::PATIENT_SEX || own.is_some() {
                texts.push((tag, vr, own.unwrap_or_default()));
            }
        }
        for (tag, vr) in [
            (tags::PATIENT_NAME, VR::PN),
            (tags::PATIENT_ID, VR::LO),
            (tags::PATIENT_BIRTH_DATE, VR::DA),
            (tags::STUDY_DATE, VR::DA),
            (tags::STUDY_TIME, VR::TM),
            (tags::REFERRING_PHYSICIAN_NAME, VR::PN),
            (tags::STUDY_ID, VR::SH),
            (tags::ACCESSION_NUMBER, VR::SH),
            (tags::STUDY_DESCRIPTION, VR::LO),
            (tags::POSITION_REFERENCE_INDICATOR, VR::LO),
        ] {
            let own = if deidentify { None } else { field(tag) };
            if own.is_some() || tag != tags::STUDY_DESCRIPTION {
                texts.push((tag, vr, own.unwrap_or_default()));
            }
        }
        if deidentify {
            texts.retain(|(tag, _, _)| *tag != tags::PATIENT_NAME && *tag != tags::PATIENT_ID);
            texts.push((tags::PATIENT_NAME, VR::PN, "ANONYMOUS^".to_owned()));
            texts.push((tags::PATIENT_ID, VR::LO, "ANONYMOUS^".to_owned()));
            texts.push((tags::PATIENT_IDENTITY_REMOVED, VR::CS, "YES".to_owned()));
            let method = "Lutra: new object; sex, size and weight kept".to_owned();
            texts.push((tags::DEIDENTIFICATION_METHOD, VR::LO, method));
        }
        Self {
            study: whose(tags::STUDY_INSTANCE_UID, "study"),
            frame: whose(tags::FRAME_OF_REFERENCE_UID, "frame"),
            texts,
        }
    }

    pub(super) fn put(&self, set: &mut DataSet) {
        for (tag, vr, value) in &self.texts {
            set.put(DataElement::new(*tag, *vr, PrimitiveValue::from(value.as_str())));
        }
        set.put(DataElement::new(tags::STUDY_INSTANCE_UID, VR::UI, PrimitiveValue::from(self.study.as_str())));
        set.put(DataElement::new(tags::FRAME_OF_REFERENCE_UID, VR::UI, PrimitiveValue::from(self.frame.as_str())));
    }
}

/// Reads a dose object, Gy, in the object's own axis order.
///
/// Errors: none or several in the folder, units other than Gy, uneven frames, broken pixels.
pub fn read_rtdose(path: impl Into<Place>) -> Result<Volume<f64>, IoError> {
    Ok(open_rtdose(&path.into())?.volume)
}

/// As [`read_rtdose`], with notes and origin.
pub(crate) fn open_rtdose(path: &Place) -> Result<Opened<f64>, IoError> {
    let study = Study::open(path)?;
    let series = study.only(path, Kind::Dose)?;
    let [object] = series.objects.as_slice() else {
        return Err(IoError::invalid(
            path,
            "doses",
            series.objects.len().to_string(),
            "one",
            "Give the file of the dose that is meant.",
        ));
    };
    let mut notes = Vec::new();
    legible::numbers(object, &[], &mut notes)?;
    let unit = object.text(tags::DOSE_UNITS).unwrap_or_default();
    if unit != "GY" {
        return Err(object.refused("DoseUnits (3004,0002)", unit, "GY", "Give an absolute dose."));
    }
    match object.text(tags::DOSE_TYPE).as_deref() {
        Some("PHYSICAL") => {}
        Some("EFFECTIVE") => notes.push(Note::warning(
            "effective-dose",
            "the object holds an effective dose (such as BED), not absorbed dose",
        )),
        other => {
            let found = other.unwrap_or("none").to_owned();
            return Err(object.refused(
                "DoseType (3004,0004)",
                found,
                "PHYSICAL or EFFECTIVE",
                "Give a dose, not a difference of doses or an error.",
            ));
        }
    }
    let scaling = object.number(tags::DOSE_GRID_SCALING).filter(|s| s.is_finite() && *s > 0.0);
    let Some(scaling) = scaling else {
        return Err(object.refused("DoseGridScaling (3004,000E)", "none", "above 0, Gy", "Export the dose again."));
    };
    let (object, source) = Object::read_with_pixels(&object.path)?;
    source.frame(&object.path, 0)?;
    let base = Plane::of_image(&object)?;
    let offsets = frame_offsets_mm(&object, &base, source.format.frames)?;
    let normal = base.normal();
    let planes: Vec<Plane> = offsets
        .iter()
        .enumerate()
        .map(|(n, offset)| Plane {
            position_mm: [0, 1, 2].map(|axis| base.position_mm[axis] + offset * normal[axis]),
            name: format!("{} frame {}", base.name, n + 1),
            ..base.clone()
        })
        .collect();
    let stack = stack(path, &planes, Lone::of(&object))?;
    let mut data = reserve(path, stack.grid.len())?;
    for &n in &stack.order {
        let signed = source.format.signed;
        let values = source.frame(&object.path, n)?;
        data.extend(values.into_iter().map(|v| {
            let stored = if signed { f64::from(v) } else { f64::from(v as u32) };
            stored * scaling
        }));
    }
    notes.extend(stack.notes);
    let volume = Volume::new(stack.grid, data).map_err(|source| IoError::Grid { path: path.to_path_buf(), source })?;
    let files = vec![object.path.clone()];
    let origin = Some(Origin::new(path, &[object]));
    Ok(Opened { volume, notes, form_code: 1, files, origin, description: String::new() })
}

/// Positions in a dose's header closer than this are equal, mm.
const SAME_PLACE_MM: f64 = 1e-3;
/// Direction components closer than this are equal.
const SAME_DIRECTION: f64 = 1e-4;

/// Positions of the frames along the normal of the first, mm from it (PS3.3 C.8.8.3.2).
///
/// `GridFrameOffsetVector` holds either offsets from the first frame, starting with 0, or the z coordinates of the
/// frames, starting with that of `ImagePositionPatient`. The second form is valid only for rows towards the patient's
/// left and columns towards the back, `1\0\0\0\1\0`; for other orientations its direction is undefined. A single frame
/// needs no vector.
///
/// Errors: a number of values that differs from the frames, values out of order, the second form in an invalid
/// orientation, or neither form.
fn frame_offsets_mm(object: &Object, first: &Plane, frames: usize) -> Result<Vec<f64>, IoError> {
    let field = "GridFrameOffsetVector (3004,000C)";
    let refused = |found: String, allowed: String| Err(object.refused(field, found, allowed, "Export the dose again."));
    let stated = object.numbers(tags::GRID_FRAME_OFFSET_VECTOR);
    if stated.is_empty() && frames == 1 {
        return Ok(vec![0.0]);
    }
    if stated.len() != frames || stated.iter().any(|v| !v.is_finite()) {
        return refused(format!("{} values", stated.len()), format!("{frames}, one a frame"));
    }
    let steps = stated.windows(2).map(|pair| pair[1] - pair[0]);
    if !(steps.clone().all(|step| step > 0.0) || steps.clone().all(|step| step < 0.0)) {
        return refused("values that rise and fall, or repeat".to_owned(), "values that rise or fall".to_owned());
    }
    let (begin_mm, height_mm) = (stated[0], first.position_mm[2]);
    let relative = begin_mm.abs() <= SAME_PLACE_MM;
    let absolute = (begin_mm - height_mm).abs() <= SAME_PLACE_MM;
    let directions = object.numbers(tags::IMAGE_ORIENTATION_PATIENT);
    let upright = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0];
    let axial = directions.iter().zip(upright).all(|(own, upright)| (own - upright).abs() <= SAME_DIRECTION);
    match (relative, absolute) {
        (true, _) => Ok(stated),
        (false, true) if axial => Ok(stated.iter().map(|height| height - begin_mm).collect()),
        (false, true) => {
            let found: Vec<String> = directions.iter().map(f64::to_string).collect();
            refused(
                format!("heights z from {begin_mm} mm on beside ImageOrientationPatient {}", found.join("\\")),
                "offsets from the first frame, which begin with 0; heights for 1\\0\\0\\0\\1\\0 only".to_owned(),
            )
        }
        (false, false) => refused(
            format!("values from {begin_mm} mm on beside a first frame at z = {height_mm} mm"),
            format!("offsets from the first frame, which begin with 0, or heights z, which begin with {height_mm}"),
        ),
    }
}
