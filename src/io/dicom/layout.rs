//! The bytes of a DICOM file, checked before anything is built from them.
//!
//! A walk over the element structure proves that every length lies inside its container, that sequences are nested no
//! deeper than `MAX_DEPTH` and that there are at most `MAX_ELEMENTS` elements. The walk also rewrites the header in one
//! uniform encoding (`uniform`): an element of value representation UN gets that of the dictionary (PS3.5 6.2.2), and
//! the content of a UN sequence is read as implicit little endian. Only then is the header parsed. Pixels are located
//! by position, so reading the headers of a folder needs no pixel memory.

use std::io::Read;
use std::ops::{Deref, Range};

use dicom_core::{Tag, VR};
use flate2::read::DeflateDecoder;

use super::uniform::{Frames, Uniform, dictionary_vr, is_long};
use crate::fault::Words;
use crate::io::IoError;
use crate::place::{Bytes, Place};

/// Deepest nesting of sequences; real objects stay below 10.
pub(crate) const MAX_DEPTH: usize = 24;
/// Most elements of one file; a structure set of a thousand regions has about 10^6.
pub(crate) const MAX_ELEMENTS: usize = 4_000_000;
/// Largest file, bytes.
const MAX_FILE_BYTES: u64 = 4 << 30;
/// An inflated data set may always be this large, whatever its compressed size, bytes.
const FREE_INFLATED_BYTES: u64 = 32 << 20;
/// Beyond that, the largest inflated size per compressed byte.
const MAX_INFLATION: u64 = 64;

const UNDEFINED: u32 = u32::MAX;
const ITEM: Tag = Tag(0xFFFE, 0xE000);
const ITEM_END: Tag = Tag(0xFFFE, 0xE00D);
const SEQUENCE_END: Tag = Tag(0xFFFE, 0xE0DD);
const PIXEL_DATA: Tag = Tag(0x7FE0, 0x0010);

/// How elements are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Encoding {
    /// Whether each element states its value representation.
    pub(crate) explicit: bool,
    /// Whether numbers are big-endian.
    pub(crate) big_endian: bool,
}

/// Where the pixels lie in the data set.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum PixelBytes {
    /// One block, frame after frame.
    Native(Range<usize>),
    /// Compressed: the basic offset table (may be empty) and the fragments.
    Encapsulated {
        /// Start of each frame, counted from the first fragment's item tag.
        offsets: Vec<u32>,
        /// Content of each fragment.
        fragments: Vec<Range<usize>>,
    },
}

/// A data set: the bytes of a file or a buffer behind its meta information.
#[derive(Debug)]
pub(crate) struct Body {
    bytes: Bytes,
    /// First byte of the data set; not behind the end.
    start: usize,
}

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }
}

/// A file whose structure is sound.
pub(crate) struct Layout {
    /// Transfer syntax UID.
    pub(crate) syntax: String,
    /// SOP class UID of the file meta information, where it states one.
    pub(crate) media_class: Option<String>,
    /// Whether numbers of the data set are big-endian.
    pub(crate) big_endian: bool,
    /// The data set, inflated where it was deflated.
    pub(crate) data: Body,
    /// The elements before the pixels: explicit value representations, little endian. Empty where only the pixels are
    /// asked for.
    pub(crate) header: Vec<u8>,
    /// The functional groups of the frames, each a data set in that encoding. Empty when the header is.
    pub(super) frames: Frames,
    /// The pixels, where there are any.
    pub(crate) pixels: Option<PixelBytes>,
}

/// Whether a file starts like DICOM: a preamble and the letters DICM.
pub(crate) fn looks_like_dicom(path: &Place) -> bool {
    let mut head = [0u8; 132];
    path.open().and_then(|mut file| file.read_exact(&mut head)).is_ok() && &head[128..] == b"DICM"
}

fn refused(path: &Place, field: &str, found: impl Into<Words>, allowed: &str) -> IoError {
    IoError::invalid(path, field, found, allowed, "The file is damaged or not DICOM: export it again.")
}

impl Layout {
    /// Reads and checks a file.
    ///
    /// Errors: not DICOM, a length beyond its container, nesting or number of elements beyond the limits, a deflated
    /// data set that expands excessively, no transfer syntax.
    pub(crate) fn read(path: &Place) -> Result<Self, IoError> {
        Self::parse(path, Self::bytes(path)?, Uniform::new())
    }

    /// The same without the header, for pixels only.
    pub(crate) fn read_pixels(path: &Place) -> Result<Self, IoError> {
        let mut none = Uniform::new();
        none.leave_out();
        Self::parse(path, Self::bytes(path)?, none)
    }

    fn bytes(path: &Place) -> Result<Bytes, IoError> {
        let size = path.regular().map_err(|e| IoError::read(path, e))?;
        if size > MAX_FILE_BYTES {
            return Err(refused(path, "file size", format!("{size} bytes"), "at most 4 GiB"));
        }
        if !looks_like_dicom(path) {
            return Err(refused(path, "file head", "no DICM at byte 128", "a DICOM file (PS3.10)"));
        }
        let bytes = path.bytes().map_err(|e| IoError::read(path, e))?;
        crate::reads::note_bytes(path, &bytes);
        Ok(bytes)
    }

    /// Checks a file's bytes; `path` names it in errors.
    fn parse(path: &Place, bytes: Bytes, uniform: Uniform) -> Result<Self, IoError> {
        if bytes.get(128..132) != Some(b"DICM") {
            return Err(refused(path, "file head", "no DICM at byte 128", "a DICOM file (PS3.10)"));
        }
        let Meta { syntax, class: media_class, start } = meta(path, &bytes)?;
        let encoding =
            Encoding { explicit: syntax != "1.2.840.10008.1.2", big_endian: syntax == "1.2.840.10008.1.2.2" };
        let data = if syntax == "1.2.840.10008.1.2.1.99" {
            Body { bytes: inflate(path, bytes.get(start..).unwrap_or_default())?.into(), start: 0 }
        } else {
            Body { start: start.min(bytes.len()), bytes }
        };
        let mut walk = Walk { path, data: &data, elements: 0, pixels: None, uniform };
        walk.elements(0, data.len(), encoding, 0, false)?;
        let Walk { mut uniform, pixels, .. } = walk;
        uniform.close(data.len()).map_err(|bytes| {
            let mib = |bytes: usize| format!("{:.0} MiB", bytes as f64 / f64::from(1 << 20));
            refused(
                path,
                "memory of the header",
                format!("{} for a file of {}", mib(bytes.end), mib(data.len())),
                &format!("at most {}, or four times the file", mib(bytes.start)),
            )
        })?;
        let Uniform { header, frames, .. } = uniform;
        Ok(Self { syntax, media_class, big_endian: encoding.big_endian, data, header, frames, pixels })
    }
}

/// File meta information.
struct Meta {
    /// Transfer syntax UID.
    syntax: String,
    /// Media storage SOP class UID.
    class: Option<String>,
    /// First byte of the data set.
    start: usize,
}

/// An element of the file meta information: its number, the first byte of its value, the value's length.
fn meta_element(bytes: &[u8], at: usize) -> Option<(u16, usize, usize)> {
    let head = bytes.get(at..at + 8).filter(|head| head[..2] == [2, 0])?;
    let element = u16::from_le_bytes([head[2], head[3]]);
    if states_long([head[4], head[5]]) {
        let raw = bytes.get(at + 8..at + 12)?;
        return Some((element, at + 12, u32::from_le_bytes([raw[0], raw[1], raw[2], raw[3]]) as usize));
    }
    Some((element, at + 8, usize::from(u16::from_le_bytes([head[6], head[7]]))))
}

/// A UID without its padding; `None` if it is empty.
fn uid(value: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(value);
    let text = text.trim_matches(['\0', ' ']);
    (!text.is_empty()).then(|| text.to_owned())
}

/// Most bytes of a file that [`media_class`] looks at.
const META_BYTES: u64 = 4096;

/// The SOP class that a file's meta information states, without looking at the data set.
pub(crate) fn media_class(path: &Place) -> Option<String> {
    let mut bytes = Vec::new();
    path.open().ok()?.take(META_BYTES).read_to_end(&mut bytes).ok()?;
    let mut at = 132;
    bytes.get(128..at).filter(|head| *head == b"DICM")?;
    while let Some((element, value, length)) = meta_element(&bytes, at) {
        let end = value.checked_add(length)?;
        if element == 0x0002 {
            return uid(bytes.get(value..end)?);
        }
        at = end;
    }
    None
}

fn meta(path: &Place, bytes: &[u8]) -> Result<Meta, IoError> {
    let (mut syntax, mut class) = (None, None);
    let mut at = 132;
    while let Some((element, start, length)) = meta_element(bytes, at) {
        let Some(value) = bytes.get(start..).and_then(|rest| rest.get(..length)) else {
            return Err(IoError::Truncated {
                path: path.to_path_buf(),
                field: "file meta information",
                found: bytes.len() as u64,
                expected: start as u64 + length as u64,
            });
        };
        match element {
            0x0002 => class = uid(value),
            0x0010 => syntax = uid(value),
            _ => {}
        }
        at = start + length;
    }
    match syntax {
        Some(syntax) => Ok(Meta { syntax, class, start: at }),
        None => Err(refused(path, "TransferSyntaxUID (0002,0010)", "none", "a DICOM transfer syntax")),
    }
}

/// The inflated data set; refused if it expands excessively.
fn inflate(path: &Place, deflated: &[u8]) -> Result<Vec<u8>, IoError> {
    let limit = FREE_INFLATED_BYTES.max(MAX_INFLATION * deflated.len() as u64);
    let mut data = Vec::new();
    DeflateDecoder::new(deflated)
        .take(limit + 1)
        .read_to_end(&mut data)
        .map_err(|_| refused(path, "deflated data set", "a broken deflate stream", "an intact deflate stream"))?;
    if data.len() as u64 > limit {
        let found = format!("more than {limit} bytes from {} compressed bytes", deflated.len());
        return Err(refused(path, "deflated data set", found, "at most 64 bytes from one compressed byte"));
    }
    Ok(data)
}

/// Whether elements of this value representation have a four-byte length.
fn states_long(vr: [u8; 2]) -> bool {
    VR::from_binary(vr).is_none_or(is_long)
}

/// Bytes of one value if the value representation fixes them.
fn unit_bytes(vr: VR) -> usize {
    match vr {
        VR::US | VR::SS | VR::OW => 2,
        VR::UL | VR::SL | VR::FL | VR::AT | VR::OF | VR::OL => 4,
        VR::FD | VR::UV | VR::SV | VR::OD | VR::OV => 8,
        _ => 1,
    }
}

struct Walk<'a> {
    path: &'a Place,
    data: &'a [u8],
    elements: usize,
    pixels: Option<PixelBytes>,
    uniform: Uniform,
}

impl Walk<'_> {
    fn cut(&self, at: usize, wanted: u64) -> IoError {
        IoError::Truncated {
            path: self.path.to_path_buf(),
            field: "DICOM elements",
            found: self.data.len() as u64,
            expected: at as u64 + wanted,
        }
    }

    fn u16(&self, at: usize, encoding: Encoding) -> Result<u16, IoError> {
        let raw = self.data.get(at..).and_then(|rest| rest.first_chunk::<2>()).ok_or_else(|| self.cut(at, 2))?;
        Ok(if encoding.big_endian { u16::from_be_bytes(*raw) } else { u16::from_le_bytes(*raw) })
    }

    fn u32(&self, at: usize, encoding: Encoding) -> Result<u32, IoError> {
        let raw = self.data.get(at..).and_then(|rest| rest.first_chunk::<4>()).ok_or_else(|| self.cut(at, 4))?;
        Ok(if encoding.big_endian { u32::from_be_bytes(*raw) } else { u32::from_le_bytes(*raw) })
    }

    fn tag(&self, at: usize, encoding: Encoding) -> Result<Tag, IoError> {
        Ok(Tag(self.u16(at, encoding)?, self.u16(at + 2, encoding)?))
    }

    /// Walks elements from `at` to `end`, or to the item's end mark where `open`; returns the byte after.
    fn elements(
        &mut self,
        mut at: usize,
        end: usize,
        encoding: Encoding,
        depth: usize,
        open: bool,
    ) -> Result<usize, IoError> {
        if depth > MAX_DEPTH {
            return Err(refused(self.path, "nesting of sequences", format!("more than {MAX_DEPTH}"), "at most 24"));
        }
        let mut last = None;
        while at < end {
            self.count()?;
            let tag = self.tag(at, encoding)?;
            if tag == ITEM_END && open {
                return Ok(at + 8);
            }
            if depth == 0 && last.is_some_and(|last| tag <= last) {
                let found = format!("{tag} after {}", last.unwrap_or(tag));
                return Err(refused(self.path, "order of elements", found, "ascending tags, each once"));
            }
            last = Some(tag);
            at = self.element(at, end, tag, encoding, depth)?;
        }
        if open {
            return Err(self.cut(at, 8));
        }
        Ok(at)
    }

    /// Walks one element; returns the byte after.
    fn element(&mut self, at: usize, end: usize, tag: Tag, encoding: Encoding, depth: usize) -> Result<usize, IoError> {
        let (stated, head, length) = self.head(at, tag, encoding)?;
        let at = at + head;
        if tag == PIXEL_DATA && (depth == 0 || length == UNDEFINED) {
            let (pixels, next) = self.pixel_data(at, length, end, encoding)?;
            if depth == 0 {
                self.pixels = Some(pixels);
                // Elements after the pixels are not part of the header.
                self.uniform.leave_out();
            }
            return Ok(next);
        }
        // PS3.5 6.2.2: an UN element is little endian, and a UN sequence is implicit.
        let unknown = stated == VR::UN && encoding.explicit;
        let vr = if unknown { dictionary_vr(tag).unwrap_or(VR::UN) } else { stated };
        let open = length == UNDEFINED;
        let stop = if open { end } else { self.stop(at, length, end)? };
        let plain = Encoding { explicit: false, big_endian: false };
        let encodings = [plain, encoding, Encoding { explicit: false, ..encoding }];
        match vr {
            VR::SQ if unknown => self.sequence(tag, at, stop, &encodings, depth, open),
            VR::UN if unknown && open => self.sequence(tag, at, stop, &encodings, depth, open),
            VR::SQ => self.sequence(tag, at, stop, &[encoding], depth, open),
            _ if open => Err(refused(self.path, &format!("length of {tag}"), "undefined", "a length")),
            vr => {
                if !(length as usize).is_multiple_of(unit_bytes(vr)) {
                    // A parser that reads whole values would stop short of the end and misread the rest as the next
                    // element.
                    let (found, allowed) = (format!("{length} bytes"), format!("a multiple of {}", unit_bytes(vr)));
                    return Err(refused(self.path, &format!("length of {tag}"), found, &allowed));
                }
                self.uniform.value(tag, vr, &self.data[at..stop], encoding.big_endian && !unknown);
                Ok(stop)
            }
        }
    }

    fn count(&mut self) -> Result<(), IoError> {
        self.elements += 1;
        if self.elements > MAX_ELEMENTS {
            return Err(refused(self.path, "number of elements", format!("more than {MAX_ELEMENTS}"), "at most 4e6"));
        }
        Ok(())
    }

    /// Value representation, bytes of the element's head, length of its value.
    fn head(&self, at: usize, tag: Tag, encoding: Encoding) -> Result<(VR, usize, u32), IoError> {
        if tag.0 == 0xFFFE {
            return Err(refused(self.path, "elements", format!("a stray mark {tag}"), "marks inside sequences only"));
        }
        if encoding.explicit {
            let raw = self.data.get(at + 4..at + 6).ok_or_else(|| self.cut(at, 8))?;
            let vr = [raw[0], raw[1]];
            let known = VR::from_binary(vr).unwrap_or(VR::UN);
            if states_long(vr) {
                return Ok((known, 12, self.u32(at + 8, encoding)?));
            }
            return Ok((known, 8, u32::from(self.u16(at + 6, encoding)?)));
        }
        let length = self.u32(at + 4, encoding)?;
        let vr = dictionary_vr(tag).unwrap_or(VR::UN);
        Ok((if length == UNDEFINED { VR::SQ } else { vr }, 8, length))
    }

    fn stop(&self, at: usize, length: u32, end: usize) -> Result<usize, IoError> {
        match at.checked_add(length as usize) {
            Some(stop) if stop <= end => Ok(stop),
            _ => Err(self.cut(at, u64::from(length))),
        }
    }

    /// Walks a sequence in the first of the encodings that its bytes fit; returns the byte after.
    fn sequence(
        &mut self,
        tag: Tag,
        at: usize,
        end: usize,
        encodings: &[Encoding],
        depth: usize,
        open: bool,
    ) -> Result<usize, IoError> {
        let fitting = match encodings {
            [only] => *only,
            several => self.fitting(at, end, several, depth, open)?,
        };
        self.uniform.open_sequence(tag, depth == 0);
        let next = self.items(at, end, fitting, depth, open)?;
        self.uniform.close_sequence(depth == 0);
        Ok(if open { next } else { end })
    }

    /// The first of the encodings that the bytes of a sequence fit. Errors: that of the first, where none does.
    ///
    /// Trials count towards the number of elements, so nested trials terminate.
    fn fitting(
        &mut self,
        at: usize,
        end: usize,
        encodings: &[Encoding],
        depth: usize,
        open: bool,
    ) -> Result<Encoding, IoError> {
        let state = self.uniform.state();
        let mut first = None;
        for encoding in encodings {
            self.uniform.leave_out();
            let fits = self.items(at, end, *encoding, depth, open);
            self.uniform.restore(state);
            match fits {
                Ok(_) => return Ok(*encoding),
                Err(error) => first = first.or(Some(error)),
            }
        }
        Err(first.unwrap_or_else(|| self.cut(at, 8)))
    }

    /// Walks the items of a sequence; returns the byte after.
    fn items(
        &mut self,
        mut at: usize,
        end: usize,
        encoding: Encoding,
        depth: usize,
        open: bool,
    ) -> Result<usize, IoError> {
        while at < end {
            self.count()?;
            let tag = self.tag(at, encoding)?;
            let length = self.u32(at + 4, encoding)?;
            at += 8;
            match tag {
                SEQUENCE_END if open => return Ok(at),
                ITEM => {
                    let open_item = length == UNDEFINED;
                    let stop = if open_item { end } else { self.stop(at, length, end)? };
                    self.uniform.open_item(depth + 1);
                    let next = self.elements(at, stop, encoding, depth + 1, open_item)?;
                    at = if open_item { next } else { stop };
                    self.uniform.close_item(depth + 1);
                }
                _ => return Err(refused(self.path, "sequence", format!("{tag} for an item"), "items")),
            }
        }
        if open {
            return Err(self.cut(at, 8));
        }
        Ok(at)
    }

    /// Where pixels lie, and the byte after.
    fn pixel_data(
        &mut self,
        mut at: usize,
        length: u32,
        end: usize,
        encoding: Encoding,
    ) -> Result<(PixelBytes, usize), IoError> {
        if length != UNDEFINED {
            let stop = self.stop(at, length, end)?;
            return Ok((PixelBytes::Native(at..stop), stop));
        }
        let mut parts = Vec::new();
        loop {
            self.count()?;
            let tag = self.tag(at, encoding)?;
            let length = self.u32(at + 4, encoding)?;
            at += 8;
            match tag {
                SEQUENCE_END => break,
                ITEM if length != UNDEFINED => {
                    let stop = self.stop(at, length, end)?;
                    parts.push(at..stop);
                    at = stop;
                }
                _ => return Err(refused(self.path, "pixel fragments", format!("{tag}"), "items of stated length")),
            }
        }
        if parts.is_empty() {
            return Err(refused(self.path, "pixel fragments", "none", "an offset table and fragments"));
        }
        let table = &self.data[parts[0].clone()];
        let offsets = table.chunks_exact(4).map(|raw| u32::from_le_bytes([raw[0], raw[1], raw[2], raw[3]])).collect();
        Ok((PixelBytes::Encapsulated { offsets, fragments: parts.split_off(1) }, at))
    }
}
