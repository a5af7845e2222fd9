//! One DICOM object: its header as typed values, its pixels by frame.

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use dicom_parser::DynStatefulDecoder;
use dicom_transfer_syntax_registry::entries;

use super::characters;
use super::layout::{Body, Layout, PixelBytes};
use super::pixels::{self, PixelFormat};
use super::uniform::Frames;
use crate::fault::Words;
use crate::io::IoError;
use crate::place::Place;

/// A data set: the header of an object, or an item of a sequence.
pub(crate) type DataSet = InMemDicomObject;

/// An object without its pixels, and where they are.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    /// The file.
    pub(crate) path: Place,
    /// Transfer syntax UID.
    pub(crate) syntax: String,
    /// SOP class UID of the file meta information, where it states one.
    media_class: Option<String>,
    /// The header, without the groups of the frames.
    pub(crate) header: DataSet,
    /// The groups of the frames of a multi-frame object.
    frames: Frames,
    /// Whether there are pixels.
    has_pixels: bool,
}

/// Pixels of one object, frame by frame.
pub(crate) struct PixelSource {
    data: Body,
    bytes: PixelBytes,
    syntax: String,
    big_endian: bool,
    /// How a pixel is stored.
    pub(crate) format: PixelFormat,
}

impl Object {
    /// Reads a file's header.
    ///
    /// Errors: see [`Layout::read`]; a header that cannot be parsed.
    pub(crate) fn read(path: &Place) -> Result<Self, IoError> {
        let Layout { syntax, media_class, header, frames, pixels, data, .. } = Layout::read(path)?;
        drop(data);
        let header = parsed(path, &header)?;
        Ok(Self { path: path.clone(), syntax, media_class, header, frames, has_pixels: pixels.is_some() })
    }

    /// Reads a file's header and keeps its pixels.
    pub(crate) fn read_with_pixels(path: &Place) -> Result<(Self, PixelSource), IoError> {
        let Layout { syntax, media_class, big_endian, header, frames, pixels, data } = Layout::read(path)?;
        let header = parsed(path, &header)?;
        let (path, has_pixels) = (path.clone(), pixels.is_some());
        let object = Self { path, syntax: syntax.clone(), media_class, header, frames, has_pixels };
        let Some(bytes) = pixels else { return Err(object.no_pixels()) };
        let format = object.pixel_format()?;
        Ok((object, PixelSource { data, bytes, syntax, big_endian, format }))
    }

    fn no_pixels(&self) -> IoError {
        self.refused("PixelData (7FE0,0010)", "none", "an image", "Give the image, not a report.")
    }

    /// The pixels of its file. Errors: no pixels, an unsupported format, a file that has changed.
    pub(crate) fn pixels(&self) -> Result<PixelSource, IoError> {
        let Some(Layout { syntax, big_endian, data, pixels: Some(bytes), .. }) =
            self.has_pixels.then(|| Layout::read_pixels(&self.path)).transpose()?
        else {
            return Err(self.no_pixels());
        };
        Ok(PixelSource { data, bytes, syntax, big_endian, format: self.pixel_format()? })
    }

    /// Number of frames that have groups of their own.
    pub(crate) fn frame_count(&self) -> usize {
        self.frames.len()
    }

    /// The groups of each frame, parsed one at a time.
    pub(crate) fn frame_groups(&self) -> impl Iterator<Item = Result<DataSet, IoError>> {
        (0..self.frames.len()).map(|frame| parsed(&self.path, self.frames.get(frame)))
    }

    /// An error about a field of this object.
    pub(crate) fn refused(
        &self,
        field: impl Into<Words>,
        found: impl Into<Words>,
        allowed: impl Into<Words>,
        next: impl Into<Words>,
    ) -> IoError {
        IoError::invalid(&self.path, field, found, allowed, next)
    }

    /// Text of an element; `None` if it is absent or empty.
    pub(crate) fn text(&self, tag: Tag) -> Option<String> {
        text(&self.header, tag)
    }

    /// A number.
    pub(crate) fn number(&self, tag: Tag) -> Option<f64> {
        number(&self.header, tag)
    }

    /// Numbers.
    pub(crate) fn numbers(&self, tag: Tag) -> Vec<f64> {
        numbers(&self.header, tag)
    }

    /// Items of a sequence.
    pub(crate) fn items(&self, tag: Tag) -> &[DataSet] {
        items(&self.header, tag)
    }

    /// The first radiopharmaceutical.
    pub(crate) fn radiopharmaceutical(&self) -> Option<&DataSet> {
        self.items(tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE).first()
    }

    /// SOP class UID; that of the file meta information if the header has none, as in a DICOMDIR.
    pub(crate) fn class(&self) -> String {
        self.text(tags::SOP_CLASS_UID).or_else(|| self.media_class.clone()).unwrap_or_default()
    }

    /// Whether its pixels are colours.
    pub(crate) fn is_colour(&self) -> bool {
        self.number(tags::SAMPLES_PER_PIXEL).is_some_and(|samples| samples > 1.0)
    }

    /// Whether it is a scout image.
    pub(crate) fn is_localizer(&self) -> bool {
        self.text(tags::IMAGE_TYPE).is_some_and(|kind| kind.to_uppercase().split('\\').any(|part| part == "LOCALIZER"))
    }

    /// Number of frames, 1 where none is stated.
    pub(crate) fn frames(&self) -> usize {
        self.number(tags::NUMBER_OF_FRAMES).map_or(1, |n| n as usize)
    }

    /// How the pixels are stored. Errors: a field that is missing or out of range.
    pub(crate) fn pixel_format(&self) -> Result<PixelFormat, IoError> {
        let field = |tag: Tag, name: &str, low: f64, high: f64| {
            let found = self.number(tag);
            match found {
                Some(value) if value.fract() == 0.0 && (low..=high).contains(&value) => Ok(value as usize),
                _ => Err(self.refused(
                    name,
                    found.map_or("none".to_owned(), |value| value.to_string()),
                    format!("a whole number from {low} to {high}"),
                    "Export the image again.",
                )),
            }
        };
        let samples = self.number(tags::SAMPLES_PER_PIXEL).unwrap_or(1.0);
        if samples != 1.0 {
            return Err(self.refused(
                "SamplesPerPixel (0028,0002)",
                samples.to_string(),
                "1",
                "Give the quantitative image, not a colour picture of it.",
            ));
        }
        let bits_allocated = field(tags::BITS_ALLOCATED, "BitsAllocated (0028,0100)", 1.0, 32.0)?;
        let bits_stored = match self.number(tags::BITS_STORED) {
            None => bits_allocated,
            Some(_) => field(tags::BITS_STORED, "BitsStored (0028,0101)", 1.0, bits_allocated as f64)?,
        };
        let high_bit = self.number(tags::HIGH_BIT).unwrap_or(bits_stored as f64 - 1.0);
        if ![1, 8, 16, 32].contains(&bits_allocated) || high_bit != bits_stored as f64 - 1.0 {
            return Err(self.refused(
                "BitsAllocated, BitsStored, HighBit",
                format!("{bits_allocated}, {bits_stored}, {high_bit}"),
                "1, 8, 16 or 32 bits with the value in the lowest ones",
                "Export the image again.",
            ));
        }
        let frames = match self.number(tags::NUMBER_OF_FRAMES) {
            None => 1,
            Some(_) => field(tags::NUMBER_OF_FRAMES, "NumberOfFrames (0028,0008)", 1.0, 2147483647.0)?,
        };
        Ok(PixelFormat {
            rows: field(tags::ROWS, "Rows (0028,0010)", 1.0, 65535.0)?,
            columns: field(tags::COLUMNS, "Columns (0028,0011)", 1.0, 65535.0)?,
            frames,
            bits_allocated,
            bits_stored,
            signed: self.number(tags::PIXEL_REPRESENTATION).unwrap_or(0.0) == 1.0,
        })
    }
}

/// A data set from bytes in the uniform encoding written by `uniform`.
fn parsed(path: &Place, bytes: &[u8]) -> Result<DataSet, IoError> {
    let syntax = entries::EXPLICIT_VR_LITTLE_ENDIAN.erased();
    let parser = DynStatefulDecoder::new_with_ts(bytes, &syntax, 0).map_err(|error| error.to_string());
    let header = parser.and_then(|parser| characters::read(parser).map_err(|error| error.to_string()));
    header.map_err(|error| {
        IoError::invalid(path, "header", error, "DICOM elements", "The file is damaged or not DICOM: export it again.")
    })
}

impl PixelSource {
    /// Stored values of one frame, row by row.
    ///
    /// Errors: fewer bytes than the format requires; a broken or unknown compression.
    pub(crate) fn frame(&self, path: &Place, frame: usize) -> Result<Vec<i32>, IoError> {
        match &self.bytes {
            PixelBytes::Native(range) => {
                pixels::native(path, &self.data[range.clone()], &self.format, self.big_endian, frame)
            }
            PixelBytes::Encapsulated { offsets, fragments } => {
                let compressed = pixels::Compressed { data: &self.data, offsets, fragments, syntax: &self.syntax };
                pixels::decompress(path, &compressed, &self.format, frame)
            }
        }
    }
}

/// Text of an element; `None` if it is absent or empty.
pub(crate) fn text(set: &DataSet, tag: Tag) -> Option<String> {
    let text = set.get(tag)?.to_str().ok()?;
    let text = text.trim_matches(['\0', ' ', '\t', '\r', '\n']).to_owned();
    (!text.is_empty()).then_some(text)
}

/// First number of an element.
pub(crate) fn number(set: &DataSet, tag: Tag) -> Option<f64> {
    numbers(set, tag).first().copied()
}

/// Numbers of an element; empty where it is absent or not numbers.
pub(crate) fn numbers(set: &DataSet, tag: Tag) -> Vec<f64> {
    set.get(tag).and_then(|element| element.to_multi_float64().ok()).unwrap_or_default()
}

/// Three finite numbers.
pub(crate) fn vector<const N: usize>(set: &DataSet, tag: Tag) -> Option<[f64; N]> {
    let values: [f64; N] = numbers(set, tag).try_into().ok()?;
    values.iter().all(|v| v.is_finite()).then_some(values)
}

/// Items of a sequence; empty where it is absent.
pub(crate) fn items(set: &DataSet, tag: Tag) -> &[DataSet] {
    set.get(tag).and_then(|element| element.items()).unwrap_or_default()
}

/// Name and number of a tag for a message, as `PixelSpacing (0028,0030)`.
pub(crate) fn tag_name(tag: Tag) -> String {
    use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
    let name = dicom_dictionary_std::StandardDataDictionary.by_tag(tag).map_or("element", |entry| entry.alias());
    format!("{name} ({:04X},{:04X})", tag.group(), tag.element())
}
