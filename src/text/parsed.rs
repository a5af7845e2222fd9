//! What parsers say, in words for a person: types of a programming language and sentences of a library become what stands
//! there and what belongs there.

/// Types of the language in a parser's sentence, and what a person calls them; the longer before what begins them.
const TYPES: [(&str, &str); 34] = [
    ("floating point number", "a number"),
    ("floating point", "the number"),
    ("single precision float", "a number"),
    ("byte array", "text"),
    ("a borrowed string", "text"),
    ("a string", "text"),
    ("string", "the text"),
    ("a boolean", "true or false"),
    ("boolean", "the value"),
    ("bool", "true or false"),
    ("an array", "a list"),
    ("a sequence", "a list"),
    ("sequence", "a list"),
    ("a map", "a table"),
    ("map", "a table"),
    ("unit value", "nothing"),
    ("null", "nothing"),
    ("integer", "the number"),
    ("usize", "a whole number, not negative"),
    ("isize", "a whole number"),
    ("u128", "a whole number, not negative"),
    ("i128", "a whole number"),
    ("u64", "a whole number, not negative"),
    ("u32", "a whole number, not negative"),
    ("u16", "a whole number, not negative"),
    ("u8", "a whole number, not negative"),
    ("i64", "a whole number"),
    ("i32", "a whole number"),
    ("i16", "a whole number"),
    ("i8", "a whole number"),
    ("f64", "a number"),
    ("f32", "a number"),
    ("datetime", "a date"),
    ("newtype variant", "one of the choices"),
];

/// A type, or a type and a value, as a person says it; what else stands there is left as it is.
fn named(text: &str) -> String {
    let text = text.trim();
    if text.starts_with("struct ") || text.starts_with("enum ") {
        return "a table of fields".to_owned();
    }
    for (library, person) in TYPES {
        if let Some(rest) = text.strip_prefix(library)
            && !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_')
        {
            return format!("{person}{}", rest.replace('`', ""));
        }
    }
    text.to_owned()
}

/// The message of a TOML, JSON or CSV parser in words for a person, on one line.
///
/// ```
/// use lutra::text::parsed::plain_words;
///
/// assert_eq!(plain_words("invalid type: string \"x\", expected f64"), "the text \"x\" where a number belongs");
/// assert_eq!(plain_words("missing field `date`"), "no field date");
/// ```
pub fn plain_words(message: &str) -> String {
    let message = message.trim().replace('\n', " ");
    let pair = |rest: &str| {
        let (found, expected) = rest.rsplit_once(", expected ")?;
        Some(format!("{} where {} belongs", named(found), named(expected)))
    };
    for lead in ["invalid type: ", "invalid value: "] {
        if let Some(words) = message.strip_prefix(lead).and_then(pair) {
            return words;
        }
    }
    if let Some(rest) = message.strip_prefix("invalid length ") {
        return match rest.split_once(", expected ") {
            Some((found, expected)) => {
                format!("{found} entries where {} belong", expected.trim_start_matches("an array of length "))
            }
            None => message,
        };
    }
    for (lead, what) in [("unknown field ", "an unknown field"), ("unknown variant ", "an unknown choice")] {
        if let Some(rest) = message.strip_prefix(lead) {
            let (name, known) = rest.split_once(", expected ").unwrap_or((rest, ""));
            let known = known.trim_start_matches("one of ").replace('`', "");
            let known = if known.is_empty() || known.starts_with("there are no") {
                String::new()
            } else {
                format!("; known: {known}")
            };
            return format!("{what}, {}{known}", name.replace('`', ""));
        }
    }
    for (lead, what) in
        [("missing field ", "no field "), ("duplicate field ", "twice the field "), ("duplicate key", "a field twice")]
    {
        if let Some(rest) = message.strip_prefix(lead) {
            return format!("{what}{}", rest.replace('`', "").trim_end());
        }
    }
    if message.starts_with("wanted ") {
        return "a value of another kind where one of the choices belongs".to_owned();
    }
    if message.contains("untagged enum") {
        return "a value of a kind that does not belong here".to_owned();
    }
    if message.contains("invalid digit found")
        || message.contains("invalid float literal")
        || message.contains("cannot parse")
    {
        return "text where a number belongs".to_owned();
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    #[allow(dead_code)]
    enum Choice {
        One,
        Two,
    }

    #[derive(Debug, Deserialize)]
    #[serde(untagged)]
    #[allow(dead_code)]
    enum Either {
        Flag(bool),
        Number(f64),
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[allow(dead_code)]
        one: f64,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct All {
        number: Option<f64>,
        count: Option<u16>,
        text: Option<String>,
        flag: Option<bool>,
        list: Option<[f64; 3]>,
        choice: Option<Choice>,
        either: Option<Either>,
        inner: Option<Inner>,
    }

    /// No word of a library in what a parser says of any fault of this kind.
    #[test]
    fn law_no_library_word_reaches_a_person() {
        let faults = [
            "number = \"x\"",
            "number = true",
            "number = [1]",
            "number = 2024-01-01",
            "count = -1",
            "count = 70000",
            "count = 1.5",
            "count = \"3\"",
            "text = 3",
            "text = [\"a\"]",
            "flag = 1",
            "flag = \"yes\"",
            "list = [1, 2]",
            "list = 3",
            "choice = \"three\"",
            "choice = 3",
            "either = \"x\"",
            "either = []",
            "inner = 3",
            "inner = {}",
            "inner = { one = 1, two = 2 }",
            "nmber = 1",
            "number = 1\nnumber = 2",
        ];
        for text in faults {
            let said = plain_words(toml::from_str::<All>(text).expect_err(text).message());
            for word in [
                "enum",
                "variant",
                "string",
                "boolean",
                "sequence",
                "a map",
                "f64",
                "u16",
                "i64",
                "struct",
                "literal",
                "digit",
                "expected",
                "untagged",
                "tuple",
                "unit value",
                "`",
            ] {
                assert!(!said.contains(word), "{text}: {word}: {said}");
            }
        }
        assert_eq!(plain_words("unknown field `gfr`, expected `a` or `b`"), "an unknown field, gfr; known: a or b");
    }
}
