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
        || message.contains("cannot be parsed from")
    {
        return "text where a number belongs".to_owned();
    }
    syntax(&message)
}

/// Faults of the text itself: what a parser says, and what a person reads.
const SYNTAX: [(&str, &str); 35] = [
    // TOML
    ("string values must be quoted", "text without quotation marks"),
    ("key with no value", "a name without = and a value"),
    ("missing value", "a name without a value"),
    ("extra `=`", "one = too many"),
    ("extra assignment", "one = too many"),
    ("extra comma", "one comma too many"),
    ("missing comma", "no comma between two entries"),
    ("missing assignment", "no = between a name and its value"),
    ("unclosed array table", "the name of a table that is not closed with ]]"),
    ("unclosed array", "a list that is not closed with ]"),
    ("unclosed inline table", "a table that is not closed with }"),
    ("unclosed table", "the name of a table that is not closed with ]"),
    ("unexpected leading zero", "a number that begins with 0"),
    ("invalid unquoted key", "a name that needs quotation marks"),
    ("invalid comment character", "a character that no comment may hold"),
    ("cannot recurse further", "too many brackets inside each other"),
    ("value is missing", "a name without a value"),
    ("unexpected key or value", "more text after a value"),
    ("invalid basic string", "a text that is not closed"),
    ("`_` may only go", "a number with _ in a wrong place"),
    // JSON
    ("EOF while parsing a string", "a text that is not closed"),
    ("EOF while parsing a list", "a list that is not closed with ]"),
    ("EOF while parsing an object", "a table that is not closed with }"),
    ("EOF while parsing a value", "the end of the text where a value belongs"),
    ("expected value", "what is no value"),
    ("expected ident", "what is no value"),
    ("expected `:`", "no : between a name and its value"),
    ("expected `,` or `]`", "no comma between two entries of a list"),
    ("expected `,` or `}`", "no comma between two entries of a table"),
    ("trailing comma", "one comma too many"),
    ("trailing characters", "more text after the end"),
    ("key must be a string", "a name without quotation marks"),
    ("number out of range", "a number too large to be read"),
    ("recursion limit exceeded", "too many brackets inside each other"),
    ("control character", "a control character in a text"),
];

/// A fault of the text itself; of an unknown sentence the part that is about the text.
fn syntax(message: &str) -> String {
    if let Some((_, words)) = SYNTAX.iter().find(|(library, _)| message.starts_with(library)) {
        return (*words).to_owned();
    }
    let about = message.split(", expected ").next().unwrap_or(message);
    let plain = about.replace('`', "").replace("unexpected ", "a misplaced ");
    plain.replace("array", "list").replace("inline table", "table").replace("string", "text")
}

/// A fault of a JSON text: its line and what stands there, in words for a person.
///
/// ```
/// use lutra::text::parsed::of_json;
///
/// let error = serde_json::from_str::<Vec<f64>>("[1,\n true]").unwrap_err();
/// assert_eq!(of_json(&error), "line 2: the value true where a number belongs");
/// ```
pub fn of_json(error: &serde_json::Error) -> String {
    let message = error.to_string();
    // the parser's own place stands at the end
    let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message);
    match error.line() {
        0 => plain_words(message),
        line => format!("line {line}: {}", plain_words(message)),
    }
}

/// A fault of a CSV text: its line, where it is known, and what stands there.
pub fn of_csv(error: &csv::Error) -> String {
    let line = error.position().map_or(String::new(), |position| format!("line {}: ", position.line()));
    let what = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} cells where {expected_len} belong, as in the first line")
        }
        csv::ErrorKind::Utf8 { .. } => "bytes that are no UTF-8 text".to_owned(),
        csv::ErrorKind::Io(error) => of_system(error),
        csv::ErrorKind::Deserialize { err, .. } => plain_words(&err.kind().to_string()),
        _ => "what is no table of cells".to_owned(),
    };
    format!("{line}{what}")
}

/// What the system says of a file, in words for a person and without its number.
pub fn of_system(error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    if error.kind() == ErrorKind::UnexpectedEof {
        return "it ends early".to_owned();
    }
    if error.raw_os_error().is_none() {
        return error.to_string();
    }
    match error.kind() {
        ErrorKind::NotFound => "no such file or folder".to_owned(),
        ErrorKind::PermissionDenied => "no permission".to_owned(),
        ErrorKind::IsADirectory => "a folder, not a file".to_owned(),
        ErrorKind::NotADirectory => "a file, not a folder".to_owned(),
        ErrorKind::StorageFull => "no room left on the disk".to_owned(),
        _ => {
            let said = error.to_string();
            said.split(" (os error").next().unwrap_or(&said).to_owned()
        }
    }
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

    /// Words of parsers that no person may read.
    const LIBRARY: [&str; 18] = [
        "enum", "variant", "string", "boolean", "sequence", "a map", "f64", "u16", "i64", "struct", "literal", "digit",
        "expected", "untagged", "EOF", "parsing", "column", "`",
    ];

    fn plain(text: &str, said: &str) {
        let word = LIBRARY.iter().find(|word| said.contains(**word));
        assert!(word.is_none() && !said.is_empty(), "{text}: {word:?}: {said}");
    }

    #[test]
    fn law_faults_of_json_and_of_the_text_are_in_plain_words() {
        let faults = [
            "",
            "{",
            "[",
            "{\"number\": }",
            "{\"number\" 1}",
            "{number: 1}",
            "{\"number\": 1,}",
            "{\"number\": 1} x",
            "[1",
            "{\"text\": \"a",
            "{\"text\": \"a\u{1}\"}",
            "{\"text\": \"\\q\"}",
            "nul",
            "{\"number\": 1e999}",
            "{\"number\": 01}",
            "{\"number\": 1 \"text\": 2}",
            "{\"number\": \"x\"}",
            "{\"count\": 70000}",
            "{\"flag\": 1}",
            "{\"list\": [1, 2]}",
            "{\"choice\": \"three\"}",
            "{\"either\": \"x\"}",
            "{\"inner\": {}}",
            "{\"nmber\": 1}",
            "{\"number\": 1, \"number\": 1}",
            "{\"text\": \"\\ud800\"}",
        ];
        for text in faults {
            plain(text, &of_json(&crate::text::json::read::<All>(text).expect_err(text)));
        }
        let faults = [
            "number",
            "number =",
            "number = x",
            "number = [1",
            "number = 1 2",
            "= 1",
            "[a",
            "[[a",
            "a.b = 1\na = 2",
            "text = \"x",
            "number = 01",
            "number = = 1",
            "inner = { one = 1",
            "list = [1,, 2]",
            "nu mber = 1",
            "number = 1__0",
        ];
        for text in faults {
            plain(text, &plain_words(toml::from_str::<All>(text).expect_err(text).message()));
        }
    }

    #[test]
    fn law_faults_of_tables_and_files_are_in_plain_words() {
        let rows = |bytes: &[u8]| csv::Reader::from_reader(bytes).records().find_map(Result::err).expect("refused");
        assert_eq!(of_csv(&rows(b"a,b\n1,2\n1,2,3\n")), "line 3: 3 cells where 2 belong, as in the first line");
        plain("bytes", &of_csv(&rows(b"a,b\n1,\xff\n")));
        let refused = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
        assert_eq!(of_system(&refused), "it ends early");
        // Linux numbers, as the system gives them
        #[cfg(target_os = "linux")]
        for (number, words) in [(2, "no such file or folder"), (13, "no permission"), (28, "no room left on the disk")]
        {
            assert_eq!(of_system(&std::io::Error::from_raw_os_error(number)), words);
        }
        let own = std::io::Error::new(std::io::ErrorKind::NotFound, "not among the buffers");
        assert_eq!(of_system(&own), "not among the buffers");
    }

    #[test]
    fn alarm_the_parsers_own_words_are_found() {
        let json = serde_json::from_str::<All>("{\"either\": \"x\"}").expect_err("refused").to_string();
        assert!(LIBRARY.iter().any(|word| json.contains(word)), "{json}");
        let toml = toml::from_str::<All>("number = x").expect_err("refused").message().to_owned();
        assert!(LIBRARY.iter().any(|word| toml.contains(word)), "{toml}");
    }
}
