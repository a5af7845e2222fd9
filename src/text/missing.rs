//! Every field that a TOML text lacks. A parser stops at the first; here each gets a stand-in until the parser asks for no more.

use super::parsed::plain_words;
use serde::de::DeserializeOwned;
use std::ops::Range;
use toml::de::Error;

/// A value of each kind that a field may have; one of them, or a choice that the parser names, is taken by any field.
const STAND_INS: [&str; 8] = ["1", "0.5", "\"x\"", "true", "[]", "{}", "2024-01-01", "[0.5]"];
/// Most fields that are named.
const MOST: usize = 20;

/// A field that is missing.
struct Lack {
    field: String,
    /// Line of its table in the text as it was given, from 1.
    line: usize,
    /// Where its table begins in the text at hand; none for a table without a place.
    at: Option<usize>,
    /// Whether its table is itself a stand-in.
    made: bool,
}

/// The text with stand-ins.
#[derive(Clone)]
struct Draft {
    text: String,
    /// Places of the stand-ins, bytes.
    made: Vec<Range<usize>>,
}

impl Draft {
    /// The missing field that an error is about; none for other errors.
    fn lack(&self, error: &Error) -> Option<Lack> {
        let field = error.message().strip_prefix("missing field `")?.split('`').next()?.to_owned();
        let at = error.span().map(|span| span.start);
        let start = at.unwrap_or(0);
        let before = self.text.get(..start).unwrap_or_default();
        let added = self.made.iter().filter(|made| made.end <= start);
        let added: usize = added.map(|made| self.text[made.clone()].matches('\n').count()).sum();
        let line = 1 + before.matches('\n').count() - added;
        // a stand-in that is a table begins with a brace; the table of the whole text may begin where a stand-in does
        let table = self.text.get(start..).is_some_and(|text| text.starts_with('{'));
        Some(Lack { field, line, at, made: table && self.made.iter().any(|made| made.contains(&start)) })
    }

    /// Places where a field of the table may be written, and whether on a line of its own.
    fn places(&self, at: Option<usize>) -> Vec<(usize, bool)> {
        let mut places = Vec::new();
        if let Some(at) = at.filter(|&at| self.text.is_char_boundary(at)) {
            let line_at = self.text[..at].rfind('\n').map_or(0, |end| end + 1);
            if self.text[at..].starts_with('{') {
                places.push((at + 1, false));
            } else if self.text[line_at..].trim_start().starts_with('[') {
                let end = self.text[at..].find('\n').map_or(self.text.len(), |end| at + end + 1);
                places.push((end, true));
            }
        }
        places.push((0, true));
        places
    }

    /// This text with a field more.
    fn with(&self, (place, line): (usize, bool), field: &str, value: &str) -> Self {
        let first = self.text[place..].trim_start().starts_with('}');
        let piece = match line {
            true if place > 0 && !self.text[..place].ends_with('\n') => format!("\n{field} = {value}\n"),
            true => format!("{field} = {value}\n"),
            false if first => format!(" {field} = {value} "),
            false => format!(" {field} = {value}, "),
        };
        let mut text = self.text.clone();
        text.insert_str(place, &piece);
        let moved = |made: &Range<usize>| match made {
            made if place <= made.start => made.start + piece.len()..made.end + piece.len(),
            made if place < made.end => made.start..made.end + piece.len(),
            made => made.clone(),
        };
        let mut made: Vec<Range<usize>> = self.made.iter().map(moved).collect();
        // what is put into a stand-in belongs to it
        if !made.iter().any(|made| made.contains(&place)) {
            made.push(place..place + piece.len());
        }
        Self { text, made }
    }

    /// This text with the field that lacks, and what then lacks; `None` where no stand-in serves.
    fn filled<T: DeserializeOwned>(&self, lack: &Lack) -> Option<(Self, Option<Lack>)> {
        for place in self.places(lack.at) {
            let mut values: Vec<String> = STAND_INS.map(str::to_owned).to_vec();
            let mut n = 0;
            while let Some(value) = values.get(n) {
                n += 1;
                let draft = self.with(place, &lack.field, value);
                let Err(error) = toml::from_str::<T>(&draft.text) else { return Some((draft, None)) };
                match draft.lack(&error) {
                    Some(next) if next.made || (&next.field, next.line) != (&lack.field, lack.line) => {
                        return Some((draft, Some(next)));
                    }
                    _ => {}
                }
                // "unknown variant `x`, expected one of `a`, `b`"
                let choice =
                    error.message().strip_prefix("unknown variant `x`").and_then(|rest| rest.split('`').nth(1));
                values.extend(choice.map(|choice| format!("\"{choice}\"")).filter(|choice| !values.contains(choice)));
            }
        }
        None
    }
}

/// What the parser of a `T` says of a TOML text, in words for a person; of a missing field it names all that are missing, each with
/// the line of its table where there are several.
pub fn words<T: DeserializeOwned>(text: &str, error: &Error) -> String {
    let mut draft = Draft { text: text.to_owned(), made: Vec::new() };
    let mut found: Vec<String> = Vec::new();
    let mut next = draft.lack(error);
    // stand-ins inside of stand-ins are not named, and end as well
    for _ in 0..3 * MOST {
        let Some(lack) = next.take().filter(|_| found.len() < MOST) else { break };
        if !lack.made {
            found.push(format!("{} (line {})", lack.field, lack.line));
        }
        let Some((filled, then)) = draft.filled::<T>(&lack) else { break };
        (draft, next) = (filled, then);
    }
    match found.as_slice() {
        [] | [_] => plain_words(error.message()),
        several => format!("no fields {}", several.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Choice {
        Mono,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Part {
        date: toml::value::Datetime,
        mbq: f64,
        choice: Choice,
        note: Option<String>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct All {
        schema: u32,
        unit: String,
        organ: Part,
        parts: Vec<Part>,
        flag: Option<bool>,
    }

    fn told(text: &str) -> String {
        words::<All>(text, &toml::from_str::<All>(text).expect_err(text))
    }

    #[test]
    fn law_every_missing_field_is_named_with_the_line_of_its_table() {
        assert_eq!(told(""), "no fields schema (line 1), unit (line 1), organ (line 1), parts (line 1)");
        let part = "date = 2024-01-01\nmbq = 7400.0\nchoice = \"mono\"\n";
        let text = format!("schema = 1\n[organ]\n{part}\n[[parts]]\nmbq = 1.0\n\n[[parts]]\nnote = \"x\"\n");
        assert_eq!(
            told(&text),
            "no fields date (line 7), choice (line 7), date (line 10), mbq (line 10), choice (line 10), unit (line 1)"
        );
        let text = format!("schema = 1\nunit = \"x\"\norgan = {{ mbq = 1.0 }}\n[[parts]]\n{part}");
        assert_eq!(told(&text), "no fields date (line 3), choice (line 3)");
        let text = format!("schema = 1\nunit = \"x\"\norgan = {{}}\n[[parts]]\n{part}");
        assert_eq!(told(&text), "no fields date (line 3), mbq (line 3), choice (line 3)");
    }

    #[test]
    fn alarm_the_parser_itself_names_one() {
        assert_eq!(plain_words(toml::from_str::<All>("").expect_err("refused").message()), "no field schema");
        // one missing field, and faults of another kind, are told as ever
        let part = "date = 2024-01-01\nmbq = 7400.0\nchoice = \"mono\"\n";
        assert_eq!(told(&format!("schema = 1\n[organ]\n{part}[[parts]]\n{part}")), "no field unit");
        assert_eq!(told("schema = \"x\""), "the text \"x\" where a whole number, not negative belongs");
    }
}
