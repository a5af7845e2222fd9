//! External text files: size and token count are limited before parsing.
//!
//! A parser builds a list of tokens, and short tokens are expensive: up to 150 bytes per byte of a text that is nothing
//! but brackets. The scan here allocates nothing and bounds that list, so refusing a text takes at most four times its
//! size plus 10 MiB.
//!
//! External text, such as names in an image's header, is sanitised before it is shown: a control character can forge a
//! terminal line or break a table.

use crate::fault::{Explained, Fault, FaultKind, explained};
use crate::place::Place;
use crate::reads;
use std::borrow::Cow;
use std::io::{self, Read, Write};

/// JSON whose keys do not repeat.
pub mod json;
/// Every field that a TOML text lacks.
pub mod missing;
/// What parsers say, in words for a person.
pub mod parsed;
/// Tables as CSV.
pub mod rows;
/// Slips of the pen in a line of a TOML file.
pub mod slips;

/// Most bytes of a text file: the longest nuclide has a tenth of that.
pub const MAX_BYTES: u64 = 1 << 20;
/// Most tokens of a text. The densest file of the kind, a nuclide with some two thousand spectrum bins and lines, has a
/// third of that; a table of ten thousand label names has half.
pub const MAX_TOKENS: usize = 40_000;

/// Tokens that a table in braces counts for: parsers give each one room for eleven fields at once.
const TABLE_TOKENS: usize = 12;

/// Why a text is not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// The file cannot be opened or read.
    Unreadable(#[from] std::io::Error),
    /// Too many bytes.
    TooLong {
        /// Size of the file.
        bytes: u64,
        /// Most allowed.
        limit: u64,
    },
    /// Not UTF-8.
    NotUtf8 {
        /// Line of the first such byte, from 1.
        line: usize,
    },
    /// Too many tokens.
    TooDense {
        /// Tokens counted.
        tokens: usize,
        /// Most allowed.
        limit: usize,
    },
}

explained!(TextError);

impl Explained for TextError {
    fn fault(&self) -> Fault {
        let refused = |kind: FaultKind, field: &str, found: String, allowed: String| {
            Fault::invalid("", field, found, allowed, "").kind(kind)
        };
        match self {
            Self::Unreadable(source) => Fault::of(FaultKind::Unreadable)
                .found(parsed::of_system(source))
                .then("check the path and its permissions")
                .form("cannot be read: {found}"),
            Self::TooLong { bytes, limit } => {
                refused(FaultKind::TooLarge, "file size", format!("{bytes} bytes"), format!("at most {limit}"))
            }
            Self::NotUtf8 { line } => {
                let field = format!("line {line}");
                refused(FaultKind::Syntax, &field, "bytes that are not UTF-8".into(), "UTF-8 text".into())
                    .then("Save the file as UTF-8")
            }
            Self::TooDense { tokens, limit } => {
                let found = format!("{tokens} tokens (brackets, commas, signs, words, lines)");
                refused(FaultKind::TooLarge, "text", found, format!("at most {limit}"))
            }
        }
    }
}

/// The bytes of a regular file of at most `limit` bytes, even if it grows while it is read.
///
/// Errors: [`TextError::Unreadable`], [`TextError::TooLong`].
pub(crate) fn bytes(place: &Place, limit: u64) -> Result<Vec<u8>, TextError> {
    let stated = place.regular()?;
    if stated > limit {
        return Err(TextError::TooLong { bytes: stated, limit });
    }
    let mut bytes = Vec::new();
    place.open()?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(TextError::TooLong { bytes: bytes.len() as u64, limit });
    }
    reads::note_bytes(place, &bytes);
    Ok(bytes)
}

/// The text of a file of at most [`MAX_BYTES`] and [`MAX_TOKENS`].
///
/// Errors: those of [`TextError`].
pub fn read(place: impl Into<Place>) -> Result<String, TextError> {
    let text = utf8(bytes(&place.into(), MAX_BYTES)?)?;
    sparse(&text)?;
    Ok(text)
}

/// Bytes as text.
///
/// Errors: [`TextError::NotUtf8`], with the line.
pub fn utf8(bytes: Vec<u8>) -> Result<String, TextError> {
    String::from_utf8(bytes).map_err(|error| not_utf8(error.as_bytes(), error.utf8_error()))
}

/// Bytes that stay where they are, as text.
///
/// Errors: as [`utf8`].
pub fn utf8_in(bytes: &[u8]) -> Result<&str, TextError> {
    std::str::from_utf8(bytes).map_err(|error| not_utf8(bytes, error))
}

fn not_utf8(bytes: &[u8], error: std::str::Utf8Error) -> TextError {
    let before = &bytes[..error.valid_up_to()];
    TextError::NotUtf8 { line: 1 + before.iter().filter(|byte| **byte == b'\n').count() }
}

/// Refuses a text of more than [`MAX_TOKENS`].
///
/// Errors: [`TextError::TooDense`].
pub fn sparse(text: &str) -> Result<(), TextError> {
    let tokens = tokens(text);
    if tokens > MAX_TOKENS { Err(TextError::TooDense { tokens, limit: MAX_TOKENS }) } else { Ok(()) }
}

/// What stood before a byte.
#[derive(PartialEq)]
enum Before {
    /// A sign, or space after one.
    Sign,
    /// A word or a number.
    Word,
    /// Space after a word.
    Gap,
}

/// Number of tokens: brackets, quotes, commas and other signs, line ends, and gaps between words. What stands between
/// two of them is one word or number; the point of a number is part of it. A table in braces counts for twelve. Strings and comments count as what they
/// hold, so the count is never too low.
pub fn tokens(text: &str) -> usize {
    let bytes = text.as_bytes();
    let digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
    let (mut count, mut before, mut pointed) = (0, Before::Sign, false);
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'.' if !pointed && digit(at.checked_sub(1)) && digit(Some(at + 1)) => pointed = true,
            b'.' | b',' | b':' | b';' | b'=' | b'[' | b']' | b'{' | b'}' | b'\'' | b'"' | b'#' | b'\n' => {
                count += if *byte == b'{' { TABLE_TOKENS } else { 1 };
                before = Before::Sign;
                pointed = false;
            }
            b' ' | b'\t' | b'\r' => {
                if before == Before::Word {
                    before = Before::Gap;
                }
                pointed = false;
            }
            _ => {
                count += usize::from(before == Before::Gap);
                before = Before::Word;
            }
        }
    }
    count
}

/// Replacement for a character that must not be shown.
const VEILED: char = '\u{FFFD}';

/// What a character of a line is shown as: ends of lines and tabs as a space; other control characters, and those that turn
/// the direction of the text around them, as the sign for what cannot be shown.
fn shown(c: char) -> char {
    match c {
        '\t'..='\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => ' ',
        '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => VEILED,
        c if c.is_control() => VEILED,
        c => c,
    }
}

/// A number and what it counts, as in `1 thread`, `2 threads`.
pub fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// A text as one line without control characters.
pub fn plain(text: &str) -> Cow<'_, str> {
    if text.chars().all(|c| shown(c) == c) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.chars().map(shown).collect())
    }
}

/// Lines of a text without control characters; ends of lines and tabs stay.
pub fn plain_lines(text: &str) -> Cow<'_, str> {
    let line = |c: char| if matches!(c, '\n' | '\r' | '\t') { c } else { shown(c) };
    if text.chars().all(|c| line(c) == c) { Cow::Borrowed(text) } else { Cow::Owned(text.chars().map(line).collect()) }
}

/// A writer of lines of UTF-8 that lets no control character through but ends of lines and tabs: `?` stands for it.
pub struct PlainLines<W> {
    to: W,
    /// Whether the first byte of a character of two is held back: U+0080 to U+009F are control characters.
    held: bool,
}

/// First byte of the characters U+0080 to U+00BF in UTF-8.
const BEFORE_LATIN: u8 = 0xC2;

impl<W: Write> PlainLines<W> {
    /// A writer before another.
    pub fn new(to: W) -> Self {
        Self { to, held: false }
    }
}

impl<W: Write> Write for PlainLines<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut out = Vec::with_capacity(bytes.len() + 1);
        for &byte in bytes {
            let held = std::mem::replace(&mut self.held, byte == BEFORE_LATIN);
            match byte {
                0x80..=0x9F if held => out.push(b'?'),
                _ => {
                    out.extend(held.then_some(BEFORE_LATIN));
                    match byte {
                        BEFORE_LATIN => {}
                        0x7F => out.push(b'?'),
                        byte if byte.is_ascii_control() && !matches!(byte, b'\n' | b'\r' | b'\t') => out.push(b'?'),
                        byte => out.push(byte),
                    }
                }
            }
        }
        self.to.write_all(&out)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text that must not be shown as it is, and its sanitised form on one line.
    const WORDS: [(&str, &str); 6] = [
        ("kidney_right", "kidney_right"),
        ("\u{1b}[31mred", "\u{FFFD}[31mred"),
        ("one\nwarning: two\r\tthree", "one warning: two  three"),
        ("\u{9b}2J \u{7f}\0\u{85}", "\u{FFFD}2J \u{FFFD}\u{FFFD} "),
        ("a\u{202E}b\u{2066}c\u{2028}d", "a\u{FFFD}b\u{FFFD}c d"),
        ("肝臓 Ä é", "肝臓 Ä é"),
    ];

    #[test]
    fn law_words_of_others_are_one_plain_line() {
        for (text, expected) in WORDS {
            assert_eq!(plain(text), expected);
            assert_eq!(plain(&plain(text)), expected, "once is enough");
        }
        assert_eq!(plain_lines("a\tb\r\nc\u{1b}d"), "a\tb\r\nc\u{FFFD}d");
    }

    #[test]
    fn alarm_no_control_byte_passes_a_writer_of_lines() {
        for (text, _) in WORDS {
            // in one piece and byte by byte
            for step in [text.len().max(1), 1] {
                let mut out = PlainLines::new(Vec::new());
                text.as_bytes().chunks(step).for_each(|part| out.write_all(part).unwrap());
                let written = String::from_utf8(out.to).unwrap();
                assert_eq!(written.chars().count(), text.chars().count(), "{written}");
                assert!(!written.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')), "{written:?}");
            }
        }
        assert!(WORDS.iter().any(|(text, _)| text.chars().any(char::is_control)), "the words hold none");
    }

    #[test]
    fn law_tokens_are_signs_and_gaps() {
        for (text, expected) in [
            ("", 0),
            ("word", 0),
            ("a b  c", 2),
            ("a = 1.5\n", 2),
            ("[[x]]\n", 5),
            ("{ \"a\": -1.25e-3 }", 16),
            ("1.2.3", 1),
            ("a.b", 1),
            ("1 , 2", 1),
            ("x\r\ny", 1),
        ] {
            assert_eq!(tokens(text), expected, "{text:?}");
        }
    }

    #[test]
    fn alarm_bytes_that_are_not_utf8_are_named_with_their_line() {
        assert_eq!(utf8("name = \"Prä\"\n".into()).expect("text"), "name = \"Prä\"\n");
        let latin = b"half_life_h = 1\nname = \"Pr\xe4\"\n".to_vec();
        let error = utf8(latin).expect_err("Latin-1").to_string();
        assert!(error.starts_with("line 2: found bytes that are not UTF-8"), "{error}");
    }

    #[test]
    fn alarm_one_token_too_many_is_refused_with_its_count() {
        assert!(sparse(&"[".repeat(MAX_TOKENS)).is_ok());
        let error = sparse(&"[".repeat(MAX_TOKENS + 1)).expect_err("too dense").to_string();
        assert!(error.contains("found 40001 tokens") && error.contains("at most 40000"), "{error}");
    }

    #[test]
    fn law_files_that_come_with_lutra_have_room_left() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("assets");
        for folder in ["nuclides", "protocols", "materials", "svalues"] {
            for entry in std::fs::read_dir(root.join(folder)).unwrap() {
                let path = entry.unwrap().path();
                let count = tokens(&read(&path).unwrap());
                println!("{}: {count} tokens", path.display());
                assert!(5 * count <= 2 * MAX_TOKENS, "{}: {count} tokens", path.display());
            }
        }
    }
}
