//! Text files from outside, held to a size and a density before any parser meets them.
//!
//! A parser builds a list of what stands in the text, and of short things it builds much: up to 150 bytes for each byte
//! of a text that holds nothing but brackets. The scan here allocates nothing and bounds that list, so that a refused
//! text has cost no more than four times its size and 10 MiB.

use crate::fault::{Explained, Fault, FaultKind, explained};
use std::path::Path;

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
    NotUtf8,
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
                .found(source.to_string())
                .then("check the path and its permissions")
                .form("cannot be read: {found}"),
            Self::TooLong { bytes, limit } => {
                refused(FaultKind::TooLarge, "file size", format!("{bytes} bytes"), format!("at most {limit}"))
            }
            Self::NotUtf8 => refused(FaultKind::Syntax, "text", "bytes that are not UTF-8".into(), "UTF-8 text".into()),
            Self::TooDense { tokens, limit } => {
                let found = format!("{tokens} tokens (brackets, commas, signs, words, lines)");
                refused(FaultKind::TooLarge, "text", found, format!("at most {limit}"))
            }
        }
    }
}

/// The text of a file of at most [`MAX_BYTES`] and [`MAX_TOKENS`].
///
/// Errors: those of [`TextError`].
pub fn read(path: &Path) -> Result<String, TextError> {
    let bytes = std::fs::metadata(path)?.len();
    if bytes > MAX_BYTES {
        return Err(TextError::TooLong { bytes, limit: MAX_BYTES });
    }
    let text = String::from_utf8(std::fs::read(path)?).map_err(|_| TextError::NotUtf8)?;
    sparse(&text)?;
    Ok(text)
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

#[cfg(test)]
mod tests {
    use super::*;

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
    fn alarm_one_token_too_many_is_refused_with_its_count() {
        assert!(sparse(&"[".repeat(MAX_TOKENS)).is_ok());
        let error = sparse(&"[".repeat(MAX_TOKENS + 1)).expect_err("too dense").to_string();
        assert!(error.contains("found 40001 tokens") && error.contains("at most 40000"), "{error}");
    }

    #[test]
    fn law_files_that_come_with_lutra_have_room_left() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets");
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
