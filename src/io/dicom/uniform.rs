//! A header in one uniform encoding, whatever that of the file: explicit value representations, little endian,
//! sequences of undefined length.
//!
//! The walk over a file's bytes (`layout`) writes it as it goes, so the parser sees only what was checked. It contains
//! only elements that Lutra can ask for by name: no private or unknown elements, no bulk data besides the pixels and the
//! vectors of a deformable registration, no sequences known to be useless here. The functional groups of the frames of a multi-frame object are kept apart and
//! parsed one at a time, since a parsed frame takes up to forty times its memory in the file.

use std::ops::Range;

use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, tags};

/// Bytes that a parsed header may always take, whatever the file's size.
const FREE_PARSED_BYTES: usize = 128 << 20;
/// Beyond that, most bytes per byte of the file.
const MAX_PARSED: usize = 4;
/// Bytes of one node of a parsed data set: room for eleven elements, of which a full node passes on about half.
const NODE_BYTES: usize = 1500;
/// Elements of a node after it was split.
const NODE_ELEMENTS: usize = 6;
/// Bytes of an item without an element.
const ITEM_BYTES: usize = 48;
/// Bytes of one of several values of a text: its place, and the block that holds its characters.
const TEXT_BYTES: usize = 56;

const ITEM: Tag = Tag(0xFFFE, 0xE000);
const ITEM_END: Tag = Tag(0xFFFE, 0xE00D);
const SEQUENCE_END: Tag = Tag(0xFFFE, 0xE0DD);
const UNDEFINED: u32 = u32::MAX;

/// Sequences that are not read here and may be numerous.
pub(super) const USELESS: [Tag; 3] =
    [tags::CONTOUR_IMAGE_SEQUENCE, tags::DERIVATION_IMAGE_SEQUENCE, tags::SOURCE_IMAGE_SEQUENCE];

/// The dictionary's value representation of a tag; `None` for an unknown tag.
pub(super) fn dictionary_vr(tag: Tag) -> Option<VR> {
    if tag.0 % 2 == 1 {
        return None;
    }
    if tag.1 == 0 {
        return Some(VR::UL);
    }
    StandardDataDictionary.by_tag(tag).map(|entry| entry.vr().relaxed())
}

/// Whether elements of this value representation have a four-byte length.
pub(super) fn is_long(vr: VR) -> bool {
    matches!(
        vr,
        VR::OB
            | VR::OD
            | VR::OF
            | VR::OL
            | VR::OV
            | VR::OW
            | VR::SQ
            | VR::SV
            | VR::UC
            | VR::UN
            | VR::UR
            | VR::UT
            | VR::UV
    )
}

fn is_bulk(vr: VR) -> bool {
    matches!(vr, VR::OB | VR::OD | VR::OF | VR::OL | VR::OV | VR::OW | VR::UN)
}

fn is_number(vr: VR) -> bool {
    matches!(vr, VR::US | VR::SS | VR::UL | VR::SL | VR::FL | VR::FD | VR::AT | VR::UV | VR::SV)
}

/// Whether Lutra can ask for such an element.
fn is_kept(tag: Tag, vr: VR) -> bool {
    let bulk = is_bulk(vr) && tag != tags::VECTOR_GRID_DATA;
    tag.0 != 0x7FE0 && tag.1 != 0 && !bulk && !USELESS.contains(&tag) && dictionary_vr(tag).is_some()
}

/// Bytes to swap between big and little endian.
fn swapped_bytes(vr: VR) -> usize {
    match vr {
        VR::US | VR::SS | VR::AT => 2,
        VR::UL | VR::SL | VR::FL | VR::OF => 4,
        VR::FD | VR::UV | VR::SV => 8,
        _ => 1,
    }
}

/// The functional groups of a multi-frame object's frames, each as a separate data set.
#[derive(Clone, Debug, Default)]
pub(super) struct Frames {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Frames {
    /// Number of frames that have groups.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The bytes of a frame's groups.
    pub(super) fn get(&self, frame: usize) -> &[u8] {
        let start = frame.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..self.ends[frame]]
    }
}

/// A header in uniform encoding, as written by the walk.
#[derive(Debug, Default)]
pub(super) struct Uniform {
    /// Elements before the pixels.
    pub(super) header: Vec<u8>,
    /// Groups of the frames.
    pub(super) frames: Frames,
    /// Number of enclosing containers that are omitted.
    left_out: usize,
    /// Whether the next elements belong to a frame.
    in_frames: bool,
    /// Elements of each open data set.
    open: Vec<usize>,
    /// Bytes that the header takes once it is parsed.
    parsed_bytes: usize,
    /// Those of the largest frame.
    frame_bytes: usize,
    /// Those of the header before the frame that is open.
    before_frame: usize,
}

impl Uniform {
    pub(super) fn new() -> Self {
        Self { open: vec![0], ..Self::default() }
    }

    /// Omits everything until [`Self::restore`].
    pub(super) fn leave_out(&mut self) {
        self.left_out += 1;
    }

    /// Number of enclosing containers that are omitted, to be restored after a trial.
    pub(super) fn state(&self) -> usize {
        self.left_out
    }

    pub(super) fn restore(&mut self, state: usize) {
        self.left_out = state;
    }

    fn out(&mut self) -> &mut Vec<u8> {
        if self.in_frames { &mut self.frames.bytes } else { &mut self.header }
    }

    fn put_head(&mut self, tag: Tag, vr: Option<VR>, length: u32) {
        let out = self.out();
        out.extend(tag.0.to_le_bytes());
        out.extend(tag.1.to_le_bytes());
        match vr {
            None => out.extend(length.to_le_bytes()),
            Some(vr) => {
                out.extend(vr.to_bytes());
                if is_long(vr) {
                    out.extend([0, 0]);
                    out.extend(length.to_le_bytes());
                } else {
                    out.extend((length as u16).to_le_bytes());
                }
            }
        }
    }

    fn count_element(&mut self) {
        if let Some(elements) = self.open.last_mut() {
            *elements += 1;
        }
    }

    /// Writes a value.
    pub(super) fn value(&mut self, tag: Tag, vr: VR, raw: &[u8], big_endian: bool) {
        if self.left_out > 0 || !is_kept(tag, vr) {
            return;
        }
        let too_long = raw.len() > usize::from(u16::MAX) && !is_long(vr);
        if too_long && is_number(vr) {
            return;
        }
        // displacements are floats, also where a maker writes them as bytes
        let vr = if tag == tags::VECTOR_GRID_DATA { VR::OF } else { vr };
        if vr == VR::OF && !raw.len().is_multiple_of(4) {
            return;
        }
        // Many numbers are kept as one text to save memory; `floats` reads them.
        let vr = if too_long || tag == tags::CONTOUR_DATA && vr == VR::DS { VR::UT } else { vr };
        self.count_element();
        let values = if matches!(vr, VR::UT | VR::ST | VR::LT | VR::UR) || is_number(vr) {
            0
        } else {
            raw.iter().filter(|&&byte| byte == b'\\').count()
        };
        self.parsed_bytes += raw.len() + TEXT_BYTES * values;
        self.put_head(tag, Some(vr), raw.len() as u32);
        let unit = if big_endian { swapped_bytes(vr) } else { 1 };
        let out = self.out();
        let start = out.len();
        out.extend_from_slice(raw);
        if unit > 1 {
            out[start..].chunks_exact_mut(unit).for_each(<[u8]>::reverse);
        }
    }

    /// Begins a sequence; `outermost` where it lies in no other.
    pub(super) fn open_sequence(&mut self, tag: Tag, outermost: bool) {
        if self.left_out > 0 || !is_kept(tag, VR::SQ) {
            self.left_out += 1;
        } else if outermost && tag == tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE {
            self.in_frames = true;
        } else {
            self.count_element();
            self.put_head(tag, Some(VR::SQ), UNDEFINED);
        }
    }

    /// Ends a sequence.
    pub(super) fn close_sequence(&mut self, outermost: bool) {
        if self.left_out > 0 {
            self.left_out -= 1;
        } else if self.in_frames && outermost {
            self.in_frames = false;
        } else {
            self.put_head(SEQUENCE_END, None, 0);
        }
    }

    /// Whether an item begins or ends a frame; `depth` is that of its elements.
    fn is_frame(&self, depth: usize) -> bool {
        self.in_frames && depth == 1
    }

    /// Begins an item whose elements are nested this deep.
    pub(super) fn open_item(&mut self, depth: usize) {
        if self.left_out > 0 {
            return;
        }
        if self.is_frame(depth) {
            self.before_frame = self.parsed_bytes;
        } else {
            self.put_head(ITEM, None, UNDEFINED);
        }
        self.open.push(0);
    }

    /// Ends an item.
    pub(super) fn close_item(&mut self, depth: usize) {
        if self.left_out > 0 {
            return;
        }
        self.close_set();
        if self.is_frame(depth) {
            self.frame_bytes = self.frame_bytes.max(self.parsed_bytes - self.before_frame);
            self.parsed_bytes = self.before_frame;
            self.frames.ends.push(self.frames.bytes.len());
        } else {
            self.put_head(ITEM_END, None, 0);
        }
    }

    fn close_set(&mut self) {
        let elements = self.open.pop().unwrap_or(0);
        self.parsed_bytes += ITEM_BYTES + elements.div_ceil(NODE_ELEMENTS) * NODE_BYTES;
    }

    /// Ends the header. `Err` holds the bytes that it would take once it is parsed, and those that it may take, where
    /// that is too much for a file of this size.
    pub(super) fn close(&mut self, file_bytes: usize) -> Result<(), Range<usize>> {
        self.close_set();
        self.header.shrink_to_fit();
        self.frames.bytes.shrink_to_fit();
        self.frames.ends.shrink_to_fit();
        let (found, most) = (self.parsed_bytes + self.frame_bytes, FREE_PARSED_BYTES.max(MAX_PARSED * file_bytes));
        if found <= most { Ok(()) } else { Err(most..found) }
    }
}

/// Numbers of an element, as values or as one text; `None` if one of them is not a number.
pub(super) fn floats(element: &dicom_object::mem::InMemElement) -> Option<Vec<f64>> {
    use dicom_core::PrimitiveValue;
    match element.value().primitive() {
        Some(PrimitiveValue::Str(text)) => {
            text.trim_matches(['\0', ' ']).split('\\').map(|part| part.trim().parse().ok()).collect()
        }
        _ => element.to_multi_float64().ok(),
    }
}
