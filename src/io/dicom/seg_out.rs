//! Writes regions as a binary Segmentation object on the grid of a dose.
//!
//! One segment per label, one frame per segment and non-empty plane. Labels need not be consecutive but segment numbers
//! must be, so the description of a segment states its label.

use crate::io::target::Target;
use std::collections::BTreeMap;
use std::path::Path;

use dicom_core::value::{DataSetSequence, PrimitiveValue};
use dicom_core::{DataElement, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use sha2::{Digest, Sha256};

use super::kind::SEG;
use super::object::{DataSet, text};
use super::reserve;
use super::rtdose::{Geometry, Identity, cut, list, put_references, uid, write_object};
use super::study::Origin;
use super::time::{date, time};
use crate::grid::Volume;
use crate::io::IoError;

/// Most segments: their number has 16 bits.
const MAX_SEGMENTS: usize = 65535;
/// Date and time of an object whose image has none or must not show it: the module requires one, and the system clock
/// is not used.
const NO_DAY: [&str; 2] = ["19000101", "000000"];

/// How a segmentation is written.
#[derive(Clone, Debug)]
pub struct SegOptions {
    /// Series description, at most 64 characters.
    pub description: String,
    /// Strips everything that identifies the patient; sex, weight and size stay.
    pub deidentify: bool,
}

/// Writes labels (0 for none) as a binary Segmentation that belongs to the image `origin` came from.
///
/// Equal labels, names, origins and options give equal files, UIDs included. Errors: no voxel carries a label;
/// a grid of more than 65 535 rows or columns; a place that cannot be written.
pub fn write_seg(
    path: impl Into<Target>,
    labels: &Volume<u16>,
    names: &BTreeMap<u16, String>,
    origin: Option<&Origin>,
    options: &SegOptions,
) -> Result<(), IoError> {
    let target = path.into();
    let path = target.path();
    let (labels, _) = labels.clone().to_canonical();
    let [nx, ny, _] = labels.grid.dims;
    if [nx, ny].iter().any(|n| *n > 65535) {
        return Err(IoError::invalid(
            path,
            "grid",
            format!("{:?} voxels", labels.grid.dims),
            "at most 65535 rows and columns",
            "Choose a coarser grid.",
        ));
    }
    let mut planes: BTreeMap<u16, Vec<usize>> = BTreeMap::new();
    for (voxel, &label) in labels.data.iter().enumerate().filter(|(_, label)| **label > 0) {
        let k = voxel / (nx * ny);
        let own = planes.entry(label).or_default();
        if own.last() != Some(&k) {
            own.push(k);
        }
    }
    if planes.is_empty() || planes.len() > MAX_SEGMENTS {
        return Err(IoError::invalid(
            path,
            "regions",
            format!("{} labels", planes.len()),
            format!("1 to {MAX_SEGMENTS}"),
            "Give the label map of the regions.",
        ));
    }
    let frames: Vec<(usize, u16, usize)> = planes
        .iter()
        .enumerate()
        .flat_map(|(segment, (&label, own))| own.iter().map(move |&k| (segment + 1, label, k)))
        .collect();
    let pixels = packed(path, &labels, &frames)?;
    let identity = Identity::of(origin, options.deidentify);
    let digest = digest(&pixels, &frames, names, &identity, options);
    let geometry = Geometry::of(&labels.grid);
    let mut set = InMemDicomObject::new_empty();
    identity.put(&mut set);
    put_image(&mut set, [nx, ny], frames.len());
    let [day, clock] = moment(origin.filter(|_| !options.deidentify));
    for (tag, vr, value) in [
        (tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192"),
        (tags::SOP_CLASS_UID, VR::UI, SEG),
        (tags::SOP_INSTANCE_UID, VR::UI, uid(&["instance", &digest]).as_str()),
        (tags::SERIES_INSTANCE_UID, VR::UI, uid(&["series", &digest]).as_str()),
        (tags::MODALITY, VR::CS, "SEG"),
        (tags::MANUFACTURER, VR::LO, "Lutra"),
        (tags::MANUFACTURER_MODEL_NAME, VR::LO, "Lutra"),
        (tags::DEVICE_SERIAL_NUMBER, VR::LO, "0"),
        (tags::SOFTWARE_VERSIONS, VR::LO, env!("CARGO_PKG_VERSION")),
        (tags::SERIES_DESCRIPTION, VR::LO, &cut(&options.description, 64)),
        (tags::SERIES_NUMBER, VR::IS, "1003"),
        (tags::INSTANCE_NUMBER, VR::IS, "1"),
        (tags::IMAGE_TYPE, VR::CS, "DERIVED\\PRIMARY"),
        (tags::CONTENT_LABEL, VR::CS, "REGIONS"),
        (tags::CONTENT_DESCRIPTION, VR::LO, "regions on the grid of the dose"),
        (tags::CONTENT_CREATOR_NAME, VR::PN, ""),
        (tags::CONTENT_DATE, VR::DA, &day),
        (tags::CONTENT_TIME, VR::TM, &clock),
        (tags::SEGMENTATION_TYPE, VR::CS, "BINARY"),
        (tags::SEGMENTS_OVERLAP, VR::CS, "NO"),
        (tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "00"),
        (tags::PATIENT_ORIENTATION, VR::CS, ""),
    ] {
        set.put(DataElement::new(tag, vr, PrimitiveValue::from(value)));
    }
    let segment = |(n, &label): (usize, &u16)| {
        let name = names.get(&label).cloned().unwrap_or_else(|| format!("label_{label}"));
        segment(n + 1, label, &name)
    };
    put_items(&mut set, tags::SEGMENT_SEQUENCE, planes.keys().enumerate().map(segment).collect());
    put_dimensions(&mut set, &uid(&["dimensions", &digest]));
    put_groups(&mut set, &geometry, &frames);
    if let Some(origin) = origin.filter(|_| !options.deidentify) {
        put_common_references(&mut set, origin);
    }
    set.put(DataElement::new(tags::PIXEL_DATA, VR::OB, PrimitiveValue::U8(pixels.into())));
    write_object(&target, set)
}

/// One bit per pixel, the first in the lowest bit; frames follow without a gap. Rows and columns are oriented as in a
/// dose: towards the patient's left and back.
fn packed(path: &Path, labels: &Volume<u16>, frames: &[(usize, u16, usize)]) -> Result<Vec<u8>, IoError> {
    let [nx, ny, _] = labels.grid.dims;
    let bits = frames.len() * nx * ny;
    let bytes = bits.div_ceil(8);
    let mut pixels = reserve::<u8>(path, bytes + bytes % 2)?;
    pixels.resize(bytes + bytes % 2, 0);
    let mut at = 0;
    for &(_, label, k) in frames {
        for j in (0..ny).rev() {
            for i in (0..nx).rev() {
                if labels.at(i, j, k) == label {
                    pixels[at / 8] |= 1 << (at % 8);
                }
                at += 1;
            }
        }
    }
    Ok(pixels)
}

fn digest(
    pixels: &[u8],
    frames: &[(usize, u16, usize)],
    names: &BTreeMap<u16, String>,
    identity: &Identity,
    options: &SegOptions,
) -> String {
    let mut hasher = Sha256::new();
    hasher.update(pixels);
    hasher.update(format!("{frames:?}{names:?}"));
    for part in [&identity.study, &identity.frame, &options.description] {
        hasher.update(part.as_bytes());
    }
    hasher.update([u8::from(options.deidentify)]);
    crate::digest::finished(hasher)
}

/// Day and time of the image's study.
pub(super) fn moment(origin: Option<&Origin>) -> [String; 2] {
    let field = |tag: Tag| origin.and_then(|origin| text(&origin.header, tag));
    let day = field(tags::STUDY_DATE).filter(|text| date(text).is_some());
    let clock = field(tags::STUDY_TIME).filter(|text| time(text).is_some());
    match (day, clock) {
        (Some(day), clock) => [day, clock.unwrap_or_else(|| NO_DAY[1].to_owned())],
        _ => NO_DAY.map(str::to_owned),
    }
}

fn put_image(set: &mut DataSet, [columns, rows]: [usize; 2], frames: usize) {
    for (tag, value) in [
        (tags::ROWS, rows),
        (tags::COLUMNS, columns),
        (tags::SAMPLES_PER_PIXEL, 1),
        (tags::BITS_ALLOCATED, 1),
        (tags::BITS_STORED, 1),
        (tags::HIGH_BIT, 0),
        (tags::PIXEL_REPRESENTATION, 0),
    ] {
        set.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value as u16)));
    }
    set.put(DataElement::new(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, PrimitiveValue::from("MONOCHROME2")));
    set.put(DataElement::new(tags::NUMBER_OF_FRAMES, VR::IS, PrimitiveValue::from(frames.to_string())));
}

fn put_items(set: &mut DataSet, tag: Tag, items: Vec<DataSet>) {
    set.put(DataElement::new(tag, VR::SQ, DataSetSequence::from(items)));
}

/// A data set of texts.
fn texts(elements: &[(Tag, VR, &str)]) -> DataSet {
    InMemDicomObject::from_element_iter(
        elements.iter().map(|(tag, vr, value)| DataElement::new(*tag, *vr, PrimitiveValue::from(*value))),
    )
}

fn segment(number: usize, label: u16, name: &str) -> DataSet {
    let mut item = texts(&[
        (tags::SEGMENT_LABEL, VR::LO, &cut(name, 64)),
        (tags::SEGMENT_DESCRIPTION, VR::ST, &format!("label {label}")),
        (tags::SEGMENT_ALGORITHM_TYPE, VR::CS, "SEMIAUTOMATIC"),
        (tags::SEGMENT_ALGORITHM_NAME, VR::LO, "as given, put on the grid of the dose"),
    ]);
    item.put(DataElement::new(tags::SEGMENT_NUMBER, VR::US, PrimitiveValue::from(number as u16)));
    for tag in [tags::SEGMENTED_PROPERTY_CATEGORY_CODE_SEQUENCE, tags::SEGMENTED_PROPERTY_TYPE_CODE_SEQUENCE] {
        let code = texts(&[
            (tags::CODE_VALUE, VR::SH, "85756007"),
            (tags::CODING_SCHEME_DESIGNATOR, VR::SH, "SCT"),
            (tags::CODE_MEANING, VR::LO, "Tissue"),
        ]);
        put_items(&mut item, tag, vec![code]);
    }
    item
}

/// Frames are sorted by segment, then by place.
fn put_dimensions(set: &mut DataSet, organization: &str) {
    let own = texts(&[(tags::DIMENSION_ORGANIZATION_UID, VR::UI, organization)]);
    put_items(set, tags::DIMENSION_ORGANIZATION_SEQUENCE, vec![own]);
    let index = |pointer: Tag, group: Tag, label: &str| {
        let mut item = texts(&[
            (tags::DIMENSION_ORGANIZATION_UID, VR::UI, organization),
            (tags::DIMENSION_DESCRIPTION_LABEL, VR::LO, label),
        ]);
        for (tag, value) in [(tags::DIMENSION_INDEX_POINTER, pointer), (tags::FUNCTIONAL_GROUP_POINTER, group)] {
            item.put(DataElement::new(tag, VR::AT, PrimitiveValue::Tags([value].as_slice().into())));
        }
        item
    };
    let items = vec![
        index(tags::REFERENCED_SEGMENT_NUMBER, tags::SEGMENT_IDENTIFICATION_SEQUENCE, "segment"),
        index(tags::IMAGE_POSITION_PATIENT, tags::PLANE_POSITION_SEQUENCE, "place"),
    ];
    put_items(set, tags::DIMENSION_INDEX_SEQUENCE, items);
}

fn put_groups(set: &mut DataSet, geometry: &Geometry, frames: &[(usize, u16, usize)]) {
    let numbers = |elements: &[(Tag, &[f64])]| {
        InMemDicomObject::from_element_iter(
            elements.iter().map(|(tag, values)| DataElement::new(*tag, VR::DS, list(values))),
        )
    };
    let [dx, dy, dz] = geometry.spacing_mm;
    let mut shared = InMemDicomObject::new_empty();
    let measures = numbers(&[
        (tags::PIXEL_SPACING, &[dy, dx]),
        (tags::SLICE_THICKNESS, &[dz]),
        (tags::SPACING_BETWEEN_SLICES, &[dz]),
    ]);
    put_items(&mut shared, tags::PIXEL_MEASURES_SEQUENCE, vec![measures]);
    let directions = numbers(&[(tags::IMAGE_ORIENTATION_PATIENT, &geometry.directions)]);
    put_items(&mut shared, tags::PLANE_ORIENTATION_SEQUENCE, vec![directions]);
    put_items(set, tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, vec![shared]);
    let places: Vec<usize> = {
        let mut all: Vec<usize> = frames.iter().map(|(_, _, k)| *k).collect();
        all.sort_unstable();
        all.dedup();
        all
    };
    let item = |&(segment, _, k): &(usize, u16, usize)| {
        let mut item = InMemDicomObject::new_empty();
        let place = places.binary_search(&k).unwrap_or(0) + 1;
        let mut content = InMemDicomObject::new_empty();
        let values = [segment as u32, place as u32];
        content.put(DataElement::new(
            tags::DIMENSION_INDEX_VALUES,
            VR::UL,
            PrimitiveValue::U32(values.as_slice().into()),
        ));
        put_items(&mut item, tags::FRAME_CONTENT_SEQUENCE, vec![content]);
        let position = numbers(&[(tags::IMAGE_POSITION_PATIENT, &geometry.position(k))]);
        put_items(&mut item, tags::PLANE_POSITION_SEQUENCE, vec![position]);
        let mut own = InMemDicomObject::new_empty();
        own.put(DataElement::new(tags::REFERENCED_SEGMENT_NUMBER, VR::US, PrimitiveValue::from(segment as u16)));
        put_items(&mut item, tags::SEGMENT_IDENTIFICATION_SEQUENCE, vec![own]);
        item
    };
    put_items(set, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, frames.iter().map(item).collect());
}

/// The series that the regions lie on.
fn put_common_references(set: &mut DataSet, origin: &Origin) {
    let Some(series) = text(&origin.header, tags::SERIES_INSTANCE_UID) else { return };
    let mut item = texts(&[(tags::SERIES_INSTANCE_UID, VR::UI, &series)]);
    put_references(&mut item, tags::REFERENCED_INSTANCE_SEQUENCE, &origin.instances);
    put_references(set, tags::REFERENCED_IMAGE_SEQUENCE, &origin.instances);
    put_items(set, tags::REFERENCED_SERIES_SEQUENCE, vec![item]);
}
