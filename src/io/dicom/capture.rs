//! Pictures as Secondary Capture objects, so that a PACS shows what the report shows.
//!
//! One 8-bit RGB object per picture, all in one series of the image's study. A picture has no frame of reference, so
//! nothing can be measured on it; annotations are burned in (region names and doses, no patient data).

use crate::io::target::Target;

use dicom_core::value::PrimitiveValue;
use dicom_core::{DataElement, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use sha2::{Digest, Sha256};

use super::kind::SECONDARY_CAPTURE;
use super::rtdose::{Identity, cut, uid, write_object};
use super::study::Origin;
use crate::io::IoError;

/// A picture to write.
#[derive(Clone, Debug)]
pub struct Capture {
    /// The file.
    pub path: Target,
    /// What it shows, at most 64 characters.
    pub title: String,
    /// Columns and rows, 1 to 65 535 each.
    pub size: [usize; 2],
    /// Red, green and blue of each pixel, row by row from the top left.
    pub rgb: Vec<u8>,
}

/// How pictures are written.
#[derive(Clone, Debug)]
pub struct CaptureOptions {
    /// Series description, at most 64 characters.
    pub description: String,
    /// Strips everything that identifies the patient; sex, weight and size stay.
    pub deidentify: bool,
}

/// Writes pictures as the Secondary Capture objects of one series that belongs to the study of `origin`.
///
/// Equal pictures, origins and options give equal files, UIDs included. Errors: a size that does not match the values
/// or exceeds 16 bits; a path that cannot be written.
pub fn write_captures(pictures: &[Capture], origin: Option<&Origin>, options: &CaptureOptions) -> Result<(), IoError> {
    let identity = Identity::of(origin, options.deidentify);
    let mut hasher = Sha256::new();
    for part in [&identity.study, &options.description] {
        hasher.update(part.as_bytes());
    }
    hasher.update([u8::from(options.deidentify)]);
    for picture in pictures {
        let [columns, rows] = picture.size;
        let fits = [columns, rows].iter().all(|n| (1..=65535).contains(n));
        if !fits || picture.rgb.len() != 3 * columns * rows {
            return Err(IoError::invalid(
                picture.path.path(),
                "picture",
                format!("{columns} x {rows} pixels with {} values", picture.rgb.len()),
                "1 to 65535 columns and rows, three values a pixel",
                "This is a fault of the program: report it.",
            ));
        }
        hasher.update(format!("{columns} {rows} {}", picture.title));
        hasher.update(&picture.rgb);
    }
    let digest = crate::digest::finished(hasher);
    let series = uid(&["series", &digest]);
    for (n, picture) in pictures.iter().enumerate() {
        let number = (n + 1).to_string();
        let instance = uid(&["instance", &digest, &number]);
        let mut set = InMemDicomObject::new_empty();
        identity.put(&mut set);
        for tag in [tags::FRAME_OF_REFERENCE_UID, tags::POSITION_REFERENCE_INDICATOR] {
            set.remove_element(tag);
        }
        for (tag, vr, value) in [
            (tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192"),
            (tags::IMAGE_TYPE, VR::CS, "DERIVED\\SECONDARY"),
            (tags::SOP_CLASS_UID, VR::UI, SECONDARY_CAPTURE),
            (tags::SOP_INSTANCE_UID, VR::UI, instance.as_str()),
            (tags::SERIES_INSTANCE_UID, VR::UI, series.as_str()),
            (tags::MODALITY, VR::CS, "OT"),
            (tags::CONVERSION_TYPE, VR::CS, "WSD"),
            (tags::MANUFACTURER, VR::LO, "Lutra"),
            (tags::MANUFACTURER_MODEL_NAME, VR::LO, "Lutra"),
            (tags::SOFTWARE_VERSIONS, VR::LO, env!("CARGO_PKG_VERSION")),
            (tags::SERIES_DESCRIPTION, VR::LO, &cut(&options.description, 64)),
            (tags::SERIES_NUMBER, VR::IS, "1004"),
            (tags::INSTANCE_NUMBER, VR::IS, &number),
            (tags::IMAGE_COMMENTS, VR::LT, &cut(&picture.title, 64)),
            (tags::PATIENT_ORIENTATION, VR::CS, ""),
            (tags::LATERALITY, VR::CS, ""),
            (tags::BURNED_IN_ANNOTATION, VR::CS, "NO"),
            (tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "00"),
            (tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "RGB"),
        ] {
            set.put(DataElement::new(tag, vr, PrimitiveValue::from(value)));
        }
        let [columns, rows] = picture.size;
        for (tag, value) in [
            (tags::SAMPLES_PER_PIXEL, 3),
            (tags::PLANAR_CONFIGURATION, 0),
            (tags::ROWS, rows as u16),
            (tags::COLUMNS, columns as u16),
            (tags::BITS_ALLOCATED, 8),
            (tags::BITS_STORED, 8),
            (tags::HIGH_BIT, 7),
            (tags::PIXEL_REPRESENTATION, 0),
        ] {
            set.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
        }
        let mut pixels = picture.rgb.clone();
        // PS3.5 8.1.1: an even number of bytes
        pixels.resize(pixels.len().next_multiple_of(2), 0);
        set.put(DataElement::new(tags::PIXEL_DATA, VR::OB, PrimitiveValue::U8(pixels.into())));
        write_object(&picture.path, set)?;
    }
    Ok(())
}
