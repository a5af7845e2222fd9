//! Character sets: the text of a header as Unicode, without control characters.
//!
//! `SpecificCharacterSet` names the sets (PS3.3 C.12.1.1.2). Its first value is in force until an ISO 2022 escape
//! sequence selects another, and again after each end of line, value or person-name component (PS3.5 6.1.2.5). UTF-8,
//! GB18030 and GBK have no escape sequences. The DICOM parser used here supports neither escape sequences nor all sets,
//! so it is made to keep the bytes, which are decoded here.
//!
//! Every text passes [`plain`], so that it cannot control a terminal or break a table.

use std::io::{Seek, Write};

use dicom_core::header::{DataElementHeader, Header, SequenceItemHeader};
use dicom_core::value::{PrimitiveValue, Value};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::{InMemDicomObject, ReadError};
use dicom_parser::StatefulDecode;
use dicom_parser::stateful::decode::Result as Decoded;
use encoding_rs::{self as sets, Encoding};

use crate::text::plain;

type DataSet = InMemDicomObject;

/// Replacement for bytes that are invalid in their set.
const UNKNOWN: char = '\u{FFFD}';
const ESC: u8 = 0x1B;

/// What a byte above 127 means.
#[derive(Clone, Copy)]
enum Upper {
    /// ISO 8859-1.
    Latin1,
    /// A set with one byte per character.
    Single(&'static Encoding),
    /// JIS X 0201; what is no kana is read as Shift JIS.
    Kana,
    /// KS X 1001, two bytes.
    Korean,
    /// GB 2312, two bytes.
    Chinese,
    /// A set that is not known.
    Unknown,
}

/// What a byte below 128 means.
#[derive(Clone, Copy, PartialEq)]
enum Lower {
    /// ISO 646.
    Ascii,
    /// JIS X 0201.
    Kana,
    /// JIS X 0208, two bytes.
    Kanji,
    /// JIS X 0212, two bytes.
    MoreKanji,
}

/// The character sets of a data set.
#[derive(Clone, Copy)]
enum Sets {
    /// One encoding without escape sequences.
    Whole(&'static Encoding),
    /// ISO 2022: the set in force until another is selected.
    Iso(Upper),
}

/// Reads a data set from a parser, with its text as Unicode without control characters.
///
/// Errors: those of the parser.
pub(super) fn read(parser: impl StatefulDecode) -> Result<DataSet, ReadError> {
    let mut set = InMemDicomObject::read_dataset(Keeping(parser))?;
    if touched(&set) {
        decode(&mut set, Sets::Iso(Upper::Latin1));
    }
    Ok(set)
}

/// Whether a value is text other than plain ASCII.
fn is_foreign(value: &PrimitiveValue) -> bool {
    let foreign = |text: &str| {
        let text = text.trim_end_matches('\0');
        !text.is_ascii() || text.bytes().any(|byte| byte.is_ascii_control())
    };
    match value {
        PrimitiveValue::Strs(parts) => parts.iter().any(|part| foreign(part)),
        PrimitiveValue::Str(text) => foreign(text),
        _ => false,
    }
}

/// Whether a data set or an item of its sequences holds such a value.
fn touched(set: &DataSet) -> bool {
    set.iter().any(|element| match element.value() {
        Value::Primitive(value) => is_foreign(value),
        Value::Sequence(items) => items.items().iter().any(touched),
        Value::PixelSequence(_) => false,
    })
}

/// Reads the texts of a data set and of its items; an item has the character sets of its data set or its own.
fn decode(set: &mut DataSet, outer: Sets) {
    let named = set.get(tags::SPECIFIC_CHARACTER_SET).and_then(|element| element.to_str().ok());
    let own =
        named.filter(|names| !names.trim_matches(['\0', ' ']).is_empty()).map_or(outer, |names| Sets::named(&names));
    let tags: Vec<(Tag, VR)> = set
        .iter()
        .filter(|element| match element.value() {
            Value::Primitive(value) => is_foreign(value),
            Value::Sequence(_) => true,
            Value::PixelSequence(_) => false,
        })
        .map(|element| (element.tag(), element.vr()))
        .collect();
    for (tag, vr) in tags {
        set.update_value(tag, |value| match value {
            Value::Primitive(text) => *text = own.of_value(text, vr),
            Value::Sequence(items) => items.items_mut().iter_mut().for_each(|item| decode(item, own)),
            Value::PixelSequence(_) => {}
        });
    }
}

impl Sets {
    /// The sets that an element names.
    fn named(names: &str) -> Self {
        let first = names.split('\\').next().unwrap_or_default().trim_matches(['\0', ' ']).to_uppercase();
        let number = first.rsplit(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        Self::Iso(match (first.as_str(), number) {
            ("GB18030", _) => return Self::Whole(sets::GB18030),
            ("GBK" | "GB2312", _) => return Self::Whole(sets::GBK),
            ("UTF-8" | "UTF8", _) | (_, "192") => return Self::Whole(sets::UTF_8),
            ("", _) | (_, "6" | "87" | "159" | "100") => Upper::Latin1,
            (_, "13") => Upper::Kana,
            (_, "149") => Upper::Korean,
            (_, "58") => Upper::Chinese,
            (_, "101") => Upper::Single(sets::ISO_8859_2),
            (_, "109") => Upper::Single(sets::ISO_8859_3),
            (_, "110") => Upper::Single(sets::ISO_8859_4),
            (_, "144") => Upper::Single(sets::ISO_8859_5),
            (_, "127") => Upper::Single(sets::ISO_8859_6),
            (_, "126") => Upper::Single(sets::ISO_8859_7),
            (_, "138") => Upper::Single(sets::ISO_8859_8),
            // ISO 8859-9, but for the control characters
            (_, "148") => Upper::Single(sets::WINDOWS_1254),
            (_, "203") => Upper::Single(sets::ISO_8859_15),
            (_, "166") => Upper::Single(sets::WINDOWS_874),
            _ => Upper::Unknown,
        })
    }

    /// A value's text.
    fn of_value(self, value: &PrimitiveValue, vr: VR) -> PrimitiveValue {
        // AE, CS, UI and their like have ASCII alone
        let own = match vr {
            VR::SH | VR::LO | VR::PN | VR::ST | VR::LT | VR::UT | VR::UC | VR::UN => self,
            _ => Self::Iso(Upper::Unknown),
        };
        match value {
            PrimitiveValue::Strs(parts) => {
                let bytes = parts.iter().map(|part| bytes_of(part)).collect::<Vec<_>>().join(&b'\\');
                let resets: &[u8] = if vr == VR::PN { b"\\^=\t\n\x0C\r" } else { b"\\\t\n\x0C\r" };
                let text = own.of_bytes(&bytes, resets);
                // a part may end in the byte that pads the value
                let parts = text.split('\\').map(|part| plain(part.trim_end_matches('\0')).into_owned());
                PrimitiveValue::Strs(parts.collect())
            }
            PrimitiveValue::Str(text) => {
                let text = own.of_bytes(&bytes_of(text), b"\t\n\x0C\r");
                PrimitiveValue::Str(plain(text.trim_end_matches('\0')).into_owned())
            }
            other => other.clone(),
        }
    }

    /// The text of bytes; after one of `resets` the first set holds again.
    fn of_bytes(self, bytes: &[u8], resets: &[u8]) -> String {
        match self {
            Self::Whole(encoding) => encoding.decode_without_bom_handling(bytes).0.into_owned(),
            Self::Iso(first) => iso_2022(bytes, first, resets),
        }
    }
}

/// The bytes that a parser kept.
fn bytes_of(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect()
}

/// Text with escape sequences.
fn iso_2022(bytes: &[u8], first: Upper, resets: &[u8]) -> String {
    let (mut lower, mut upper) = (Lower::Ascii, first);
    let mut out = String::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let rest = &bytes[at..];
        if byte == ESC {
            at += match called(rest) {
                Some((length, set)) => {
                    match set {
                        Called::Lower(set) => lower = set,
                        Called::Upper(set) => upper = set,
                    }
                    length
                }
                None => {
                    out.push(UNKNOWN);
                    1
                }
            };
            continue;
        }
        let double = matches!(lower, Lower::Kanji | Lower::MoreKanji) && (0x21..0x7F).contains(&byte);
        if !double && resets.contains(&byte) {
            (lower, upper) = (Lower::Ascii, first);
        }
        at += if double { lower.double(rest, &mut out) } else { single(rest, lower, upper, &mut out) };
    }
    out
}

/// A set that an escape sequence calls, for bytes below or above 128.
enum Called {
    Lower(Lower),
    Upper(Upper),
}

/// The length of an escape sequence and the set that it calls.
fn called(bytes: &[u8]) -> Option<(usize, Called)> {
    use Called::{Lower as L, Upper as U};
    let found: [(&[u8], Called); 21] = [
        (b"(B", L(Lower::Ascii)),
        (b"(J", L(Lower::Ascii)),
        (b"(I", L(Lower::Kana)),
        (b")I", U(Upper::Kana)),
        (b"$B", L(Lower::Kanji)),
        (b"$@", L(Lower::Kanji)),
        (b"$(B", L(Lower::Kanji)),
        (b"$(D", L(Lower::MoreKanji)),
        (b"$)C", U(Upper::Korean)),
        (b"$)A", U(Upper::Chinese)),
        (b"-A", U(Upper::Latin1)),
        (b"-B", U(Upper::Single(sets::ISO_8859_2))),
        (b"-C", U(Upper::Single(sets::ISO_8859_3))),
        (b"-D", U(Upper::Single(sets::ISO_8859_4))),
        (b"-L", U(Upper::Single(sets::ISO_8859_5))),
        (b"-G", U(Upper::Single(sets::ISO_8859_6))),
        (b"-F", U(Upper::Single(sets::ISO_8859_7))),
        (b"-H", U(Upper::Single(sets::ISO_8859_8))),
        (b"-M", U(Upper::Single(sets::WINDOWS_1254))),
        (b"-b", U(Upper::Single(sets::ISO_8859_15))),
        (b"-T", U(Upper::Single(sets::WINDOWS_874))),
    ];
    let rest = &bytes[1..];
    found.into_iter().find(|(sequence, _)| rest.starts_with(sequence)).map(|(sequence, set)| (1 + sequence.len(), set))
}

impl Lower {
    /// One character of two bytes below 128; how many bytes it took. JIS X 0208 and 0212 are the planes of EUC-JP.
    fn double(self, bytes: &[u8], out: &mut String) -> usize {
        let Some(second) = bytes.get(1).filter(|byte| (0x21..0x7F).contains(*byte)) else {
            out.push(UNKNOWN);
            return 1;
        };
        let pair = [0x8F, bytes[0] | 0x80, second | 0x80];
        let pair = if self == Self::MoreKanji { &pair[..] } else { &pair[1..] };
        out.push_str(&sets::EUC_JP.decode_without_bom_handling(pair).0);
        2
    }
}

/// One character that is not of two bytes below 128; how many bytes it took.
fn single(bytes: &[u8], lower: Lower, upper: Upper, out: &mut String) -> usize {
    let byte = bytes[0];
    let of = |encoding: &'static Encoding, length: usize| {
        let length = length.min(bytes.len());
        (encoding.decode_without_bom_handling(&bytes[..length]).0.into_owned(), length)
    };
    let (text, length) = match (byte, upper) {
        (0x21..=0x5F, _) if lower == Lower::Kana => (kana(byte | 0x80), 1),
        (..0x80, _) => (char::from(byte).to_string(), 1),
        (_, Upper::Latin1) => (char::from(byte).to_string(), 1),
        (_, Upper::Single(encoding)) => of(encoding, 1),
        (0xA1..=0xDF, Upper::Kana) => (kana(byte), 1),
        (_, Upper::Kana) => of(sets::SHIFT_JIS, 2),
        (_, Upper::Korean) => of(sets::EUC_KR, 2),
        (_, Upper::Chinese) => of(sets::GBK, 2),
        (_, Upper::Unknown) => (UNKNOWN.to_string(), 1),
    };
    out.push_str(&text);
    length
}

/// The half-width kana of JIS X 0201 at a byte from 0xA1 to 0xDF.
fn kana(byte: u8) -> String {
    char::from_u32(0xFF61 + u32::from(byte) - 0xA1).unwrap_or(UNKNOWN).to_string()
}

/// A parser that keeps the bytes of a text, each as the character of its number, whatever character set is named.
struct Keeping<D>(D);

impl<D> Keeping<D> {
    /// The element as one whose text calls no character set.
    fn plain(header: &DataElementHeader) -> DataElementHeader {
        let vr = if header.tag == tags::SPECIFIC_CHARACTER_SET { VR::LO } else { header.vr };
        DataElementHeader { vr, ..*header }
    }
}

impl<D: StatefulDecode> StatefulDecode for Keeping<D> {
    type Reader = D::Reader;

    fn decode_header(&mut self) -> Decoded<DataElementHeader> {
        self.0.decode_header()
    }

    fn decode_item_header(&mut self) -> Decoded<SequenceItemHeader> {
        self.0.decode_item_header()
    }

    fn read_value(&mut self, header: &DataElementHeader) -> Decoded<PrimitiveValue> {
        self.0.read_value(&Self::plain(header))
    }

    fn read_value_preserved(&mut self, header: &DataElementHeader) -> Decoded<PrimitiveValue> {
        self.0.read_value_preserved(&Self::plain(header))
    }

    fn read_value_bytes(&mut self, header: &DataElementHeader) -> Decoded<PrimitiveValue> {
        self.0.read_value_bytes(header)
    }

    fn read_to_vec(&mut self, length: u32, vec: &mut Vec<u8>) -> Decoded<()> {
        self.0.read_to_vec(length, vec)
    }

    fn read_u32_to_vec(&mut self, length: u32, vec: &mut Vec<u32>) -> Decoded<()> {
        self.0.read_u32_to_vec(length, vec)
    }

    fn read_to<W: Write>(&mut self, length: u32, out: W) -> Decoded<()> {
        self.0.read_to(length, out)
    }

    fn skip_bytes(&mut self, length: u32) -> Decoded<()> {
        self.0.skip_bytes(length)
    }

    fn seek(&mut self, position: u64) -> Decoded<()>
    where
        Self::Reader: Seek,
    {
        self.0.seek(position)
    }

    fn position(&self) -> u64 {
        self.0.position()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Character sets, the bytes of a person's name or of a region, and what they say (PS3.5 annexes H to K, and of the
    /// sets of one byte the letters that tell them apart).
    const NAMES: [(&str, &[u8], &str); 19] = [
        ("\\ISO 2022 IR 87", b"\x1b$B4NB!\x1b(B", "肝臓"),
        (
            "\\ISO 2022 IR 87",
            b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B",
            "Yamada^Tarou=山田^太郎=やまだ",
        ),
        ("ISO 2022 IR 13\\ISO 2022 IR 87", b"\xd4\xcf\xc0\xde=\x1b$B;3ED\x1b(J^x", "ﾔﾏﾀﾞ=山田^x"),
        // a backslash inside a character of two bytes is no end of a value
        ("\\ISO 2022 IR 87", b"\x1b$B%\\\x1b(B", "ボ"),
        ("\\ISO 2022 IR 87\\ISO 2022 IR 159", b"\x1b$(D0!\x1b(B a", "丂 a"),
        ("\\ISO 2022 IR 149", b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7", "Hong^Gildong=洪^吉洞"),
        ("ISO 2022 IR 149", b"\xb0\xa3", "간"),
        ("\\ISO 2022 IR 58", b"Zhang=\x1b$)A\xd5\xc5\x1b(B", "Zhang=张"),
        ("GB18030", b"Wang=\xcd\xf5", "Wang=王"),
        ("GBK", b"\x8a\x5c", "奬"),
        ("ISO_IR 192", "Äneas^肝".as_bytes(), "Äneas^肝"),
        ("ISO_IR 100", b"Buc^J\xe9r\xf4me", "Buc^Jérôme"),
        ("ISO_IR 101", b"Wa\xb3\xeasa", "Wałęsa"),
        ("ISO_IR 126", b"\xc4\xe9", "Δι"),
        ("ISO_IR 144", b"\xbb\xee", "Лю"),
        ("ISO_IR 148", b"\xc7avu\xfeo\xf0lu \xdd", "Çavuşoğlu İ"),
        ("ISO_IR 203", b"\xa4", "€"),
        ("ISO_IR 13", b"\xd4\xcf\xc0\xde", "ﾔﾏﾀﾞ"),
        ("ISO 2022 IR 100\\ISO 2022 IR 144", b"\xe9^\x1b-L\xbb^\xe9", "é^Л^é"),
    ];

    fn text_of(names: &str, bytes: &[u8], vr: VR) -> PrimitiveValue {
        let kept = bytes.iter().map(|byte| char::from(*byte)).collect::<String>();
        let parts = kept.split('\\').map(str::to_owned).collect();
        Sets::named(names).of_value(&PrimitiveValue::Strs(parts), vr)
    }

    #[test]
    fn io_dicom_names_in_every_character_set() {
        for (names, bytes, expected) in NAMES {
            let found = text_of(names, bytes, VR::PN);
            assert_eq!(found.to_str(), expected, "{names}");
            // and among other values
            let several = text_of(names, &[b"a\\", bytes, b"\\b\0"].concat(), VR::PN);
            assert_eq!(several.to_multi_str().to_vec(), ["a", expected, "b"], "{names}");
        }
    }

    #[test]
    fn alarm_io_dicom_another_character_set_shows() {
        for (names, bytes, expected) in NAMES {
            let other = if names.contains("192") { "ISO_IR 100" } else { "ISO_IR 192" };
            assert_ne!(text_of(other, bytes, VR::PN).to_str(), expected, "{names} read as {other}");
        }
        // invalid bytes are replaced and never shown as they are
        for (names, bytes) in [("ISO_IR 999", &b"\xe9"[..]), ("ISO_IR 192", b"\xe9"), ("ISO_IR 6", b"\x1b%G")] {
            assert!(text_of(names, bytes, VR::LO).to_str().contains(UNKNOWN), "{names}");
        }
        assert_eq!(text_of("ISO_IR 192", b"a\x1b[31m\nb", VR::LO).to_str(), "a\u{FFFD}[31m b");
    }
}
