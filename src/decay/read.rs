//! Nuclide files: text to checked `Nuclide`. The format is in the head of `super`.

use crate::fault::{Explained, Fault, FaultKind, explained};
use serde_json::{Map, Value};

use super::condense::condense;
use super::{Line, MAX_EMISSION_KEV, Nuclide, SpectrumBin};
use crate::text::parsed::{of_json, plain_words};

/// What can be wrong with a nuclide.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NuclideError {
    /// Neither built in nor a file.
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// The file cannot be read.
    Unreadable {
        /// The path.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no text.
    NotText {
        /// The path.
        file: String,
        /// Where.
        source: crate::text::TextError,
    },
    /// The file is longer than any nuclide.
    TooLong {
        /// The path.
        file: String,
        /// Its size.
        bytes: u64,
        /// The largest size.
        limit: u64,
    },
    /// The file holds more than a nuclide's file may, for its parser's sake.
    TooDense {
        /// The path.
        file: String,
        /// How much it holds.
        source: crate::text::TextError,
    },
    /// Not TOML or JSON.
    Syntax {
        /// The path.
        file: String,
        /// TOML or JSON.
        form: &'static str,
        /// The parser's message.
        detail: String,
    },
    /// A field holds what it must not.
    Field {
        /// The path.
        file: String,
        /// Which field, with its place in a list.
        field: String,
        /// What stands there.
        found: String,
        /// What may stand there.
        allowed: String,
    },
}

explained!(NuclideError);

impl Explained for NuclideError {
    fn fault(&self) -> Fault {
        const FOUND: &str = "nuclide file {place}: {field}: found {found}; allowed: {allowed}";
        match self {
            Self::Unknown { name, known } => Fault::invalid(
                "",
                "nuclide",
                format!("{name:?}, which is neither built in nor a file"),
                format!("{known}, or the path of a nuclide file"),
                "Check the name or the path.",
            )
            .kind(FaultKind::Unknown),
            Self::Unreadable { file, source } => Fault::of(FaultKind::Unreadable)
                .place(file)
                .found(source.to_string())
                .then("check the path and its permissions")
                .form("nuclide file {place}: cannot be read: {found}"),
            Self::NotText { file, source } => source.fault().place(file).form(FOUND),
            Self::TooLong { file, bytes, limit } => {
                let (found, allowed) = (format!("{bytes} bytes"), format!("at most {limit}"));
                Fault::invalid(file, "file size", found, allowed, "give a nuclide's file")
                    .kind(FaultKind::TooLarge)
                    .form(FOUND)
            }
            Self::TooDense { file, source } => source.fault().place(file).then("give a nuclide's file").form(FOUND),
            Self::Syntax { file, form, detail } => Fault::of(FaultKind::Syntax)
                .place(file)
                .found(format!("{form}: {detail}"))
                .then("files ending in .json are read as JSON, all others as TOML")
                .form("nuclide file {place}: not valid {found}"),
            Self::Field { file, field, found, allowed } => {
                Fault::invalid(file, field, found, allowed, "correct the file")
                    .form("nuclide file {place}: {field} is {found}; allowed: {allowed}")
            }
        }
    }
}

/// The two notations of a nuclide file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Form {
    Toml,
    Json,
}

/// The nuclide in `text`; `file` is its name in messages.
pub(super) fn from_text(text: &str, file: &str, form: Form) -> Result<Nuclide, NuclideError> {
    let syntax = |form, detail: String| NuclideError::Syntax { file: file.to_owned(), form, detail };
    crate::text::sparse(text).map_err(|source| NuclideError::TooDense { file: file.to_owned(), source })?;
    let value: Value = match form {
        // The parser's own text quotes the line, which may be the whole file.
        Form::Toml => toml::from_str(text).map_err(|e| {
            let before = e.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            syntax("TOML", format!("line {}: {}", before.matches('\n').count() + 1, plain_words(e.message())))
        })?,
        Form::Json => crate::text::json::read(text).map_err(|e| syntax("JSON", of_json(&e)))?,
    };
    let reader = Reader { file };
    let Value::Object(fields) = &value else {
        return Err(reader.wrong("the file", &value, "a table with name, half_life_h and emissions"));
    };
    reader.nuclide(fields)
}

/// Knows the file's name for its messages.
struct Reader<'a> {
    file: &'a str,
}

impl Reader<'_> {
    fn error(&self, field: &str, found: String, allowed: &str) -> NuclideError {
        NuclideError::Field { file: self.file.to_owned(), field: field.to_owned(), found, allowed: allowed.to_owned() }
    }

    fn wrong(&self, field: &str, found: &Value, allowed: &str) -> NuclideError {
        let found = match found {
            Value::Null => "missing or not a finite number".to_owned(),
            Value::Object(_) => "a table".to_owned(),
            Value::Array(list) => format!("a list of {} values", list.len()),
            other => other.to_string(),
        };
        self.error(field, found, allowed)
    }

    fn nuclide(&self, fields: &Map<String, Value>) -> Result<Nuclide, NuclideError> {
        const KNOWN: [&str; 6] = ["name", "half_life_h", "source", "electrons", "photons", "beta"];
        self.known_keys(fields, &KNOWN, "")?;
        let nuclide = Nuclide {
            name: self.text(fields, "name")?,
            half_life_h: self.number_in(
                fields.get("half_life_h"),
                "half_life_h",
                0.0,
                1e12,
                "a number of hours above 0",
            )?,
            beta: self.beta(fields.get("beta"))?,
            electrons: condense(self.lines(fields.get("electrons"), "electrons")?),
            photons: condense(self.lines(fields.get("photons"), "photons")?),
            source: if fields.contains_key("source") { self.text(fields, "source")? } else { self.file.to_owned() },
        };
        let emits = nuclide.beta.iter().any(|b| b.probability_per_decay > 0.0);
        if !emits && nuclide.electrons.is_empty() && nuclide.photons.is_empty() {
            return Err(self.error("the emissions", "empty".to_owned(), "at least one of beta, electrons, photons"));
        }
        Ok(nuclide)
    }

    fn known_keys(&self, fields: &Map<String, Value>, known: &[&str], within: &str) -> Result<(), NuclideError> {
        match fields.keys().find(|k| !known.contains(&k.as_str())) {
            Some(key) => Err(self.error(&format!("field {within}{key}"), "not known".to_owned(), &known.join(", "))),
            None => Ok(()),
        }
    }

    fn text(&self, fields: &Map<String, Value>, key: &str) -> Result<String, NuclideError> {
        match fields.get(key) {
            Some(Value::String(text)) if !text.trim().is_empty() => Ok(text.clone()),
            found => Err(self.wrong(key, found.unwrap_or(&Value::Null), "a text that is not empty")),
        }
    }

    /// A finite number with `above` < value <= `most`.
    fn number_in(
        &self,
        found: Option<&Value>,
        field: &str,
        above: f64,
        most: f64,
        allowed: &str,
    ) -> Result<f64, NuclideError> {
        let found = found.unwrap_or(&Value::Null);
        match found.as_f64() {
            Some(value) if value > above && value <= most => Ok(value),
            _ => Err(self.wrong(field, found, allowed)),
        }
    }

    fn list<'v>(&self, found: Option<&'v Value>, field: &str) -> Result<&'v [Value], NuclideError> {
        match found {
            Some(Value::Array(list)) => Ok(list),
            other => Err(self.wrong(field, other.unwrap_or(&Value::Null), "a list")),
        }
    }

    fn lines(&self, found: Option<&Value>, field: &str) -> Result<Vec<Line>, NuclideError> {
        let Some(found) = found else {
            return Ok(Vec::new());
        };
        let list = self.list(Some(found), field)?;
        list.iter().enumerate().map(|(i, v)| self.line(v, &format!("{field}[{i}]"))).collect()
    }

    /// `[energy_kev, yield_per_decay]`, with or without a label, or a table of these three fields.
    fn line(&self, value: &Value, field: &str) -> Result<Line, NuclideError> {
        const KEYS: [&str; 3] = ["energy_kev", "yield_per_decay", "label"];
        let parts: [Option<&Value>; 3] = match value {
            Value::Array(list) if (2..=3).contains(&list.len()) => [list.first(), list.get(1), list.get(2)],
            Value::Object(table) => {
                self.known_keys(table, &KEYS, &format!("{field}."))?;
                KEYS.map(|key| table.get(key))
            }
            other => return Err(self.wrong(field, other, "[energy_kev, yield_per_decay, label]")),
        };
        let energy_kev = self.number_in(
            parts[0],
            &format!("{field} energy_kev"),
            0.0,
            MAX_EMISSION_KEV,
            "an energy above 0 and at most 3000 keV",
        )?;
        let yield_per_decay =
            self.number_in(parts[1], &format!("{field} yield_per_decay"), 0.0, 1e3, "a number above 0 per decay")?;
        let label = match parts[2] {
            None => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => return Err(self.wrong(&format!("{field} label"), other, "a text")),
        };
        Ok(Line { energy_kev, yield_per_decay, label })
    }

    fn beta(&self, found: Option<&Value>) -> Result<Vec<SpectrumBin>, NuclideError> {
        let Some(found) = found else {
            return Ok(Vec::new());
        };
        let Value::Object(table) = found else {
            return Err(self.wrong("beta", found, "a table with edges_kev and probability_per_decay"));
        };
        self.known_keys(table, &["edges_kev", "probability_per_decay"], "beta.")?;
        let edges = self.list(table.get("edges_kev"), "beta.edges_kev")?;
        let probabilities = self.list(table.get("probability_per_decay"), "beta.probability_per_decay")?;
        if probabilities.is_empty() || edges.len() != probabilities.len() + 1 {
            let found = format!("{} values beside {} probabilities", edges.len(), probabilities.len());
            return Err(self.error("beta.edges_kev", found, "one edge more than probabilities, at least two edges"));
        }
        let mut bins = Vec::with_capacity(probabilities.len());
        let mut below = -f64::MIN_POSITIVE;
        let mut edges_kev = Vec::with_capacity(edges.len());
        for (i, edge) in edges.iter().enumerate() {
            let allowed = "energies from 0 to 3000 keV, each above the one before";
            below = self.number_in(Some(edge), &format!("beta.edges_kev[{i}]"), below, MAX_EMISSION_KEV, allowed)?;
            edges_kev.push(below);
        }
        for (i, probability) in probabilities.iter().enumerate() {
            let field = format!("beta.probability_per_decay[{i}]");
            let allowed = "a number from 0 to 10 per decay";
            let probability_per_decay = self.number_in(Some(probability), &field, -f64::MIN_POSITIVE, 10.0, allowed)?;
            bins.push(SpectrumBin { e_lo_kev: edges_kev[i], e_hi_kev: edges_kev[i + 1], probability_per_decay });
        }
        Ok(bins)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
name = "X-1"
half_life_h = 2
electrons = [[10.0, 0.5, "a"], { energy_kev = 5, yield_per_decay = 0.25 }]
photons = [[100, 1]]
[beta]
edges_kev = [0, 10.0, 30]
probability_per_decay = [0.75, 0.25]
"#;

    fn message(text: &str) -> String {
        from_text(text, "mine.toml", Form::Toml).unwrap_err().to_string()
    }

    #[test]
    fn io_a_users_nuclide_is_read() {
        let n = from_text(GOOD, "mine.toml", Form::Toml).unwrap();
        assert_eq!(n.name, "X-1");
        assert_eq!(n.electrons.iter().map(|l| l.energy_kev).collect::<Vec<_>>(), [5.0, 10.0]);
        assert_eq!(n.beta[1], SpectrumBin { e_lo_kev: 10.0, e_hi_kev: 30.0, probability_per_decay: 0.25 });
        let json = r#"{"name":"g","half_life_h":1.0,"photons":[[208.4,1.0]]}"#;
        assert_eq!(from_text(json, "g.json", Form::Json).unwrap().photons[0].energy_kev, 208.4);
    }

    #[test]
    fn io_a_nuclide_file_is_found_by_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.toml");
        std::fs::write(&path, GOOD).unwrap();
        assert_eq!(Nuclide::load(path.to_str().unwrap()).unwrap().half_life_h, 2.0);
        let missing = Nuclide::load("no-such-nuclide").unwrap_err().to_string();
        assert!(missing.contains("allowed: lu177"), "{missing}");
    }

    #[test]
    fn io_faults_are_named() {
        for (from, to, expected) in [
            ("[100, 1]", "[100, -1]", "photons[0] yield_per_decay is -1; allowed: a number above 0"),
            ("[100, 1]", "[4000, 1]", "photons[0] energy_kev is 4000; allowed: an energy above 0 and at most 3000 keV"),
            ("[100, 1]", "[nan, 1]", "photons[0] energy_kev is missing or not a finite number"),
            ("[100, 1]", "[100]", "photons[0] is a list of 1 values"),
            (
                "10.0, 30",
                "30, 10.0",
                "beta.edges_kev[2] is 10.0; allowed: energies from 0 to 3000 keV, each above the one before",
            ),
            ("0.75,", "-0.75,", "beta.probability_per_decay[0] is -0.75"),
            ("0.75, ", "", "3 values beside 1 probabilities"),
            ("half_life_h = 2", "half_life_h = 0", "half_life_h is 0; allowed: a number of hours above 0"),
            ("half_life_h = 2", "half_life = 2", "field half_life is not known"),
            ("name = \"X-1\"", "name = \"\"", "name is \"\"; allowed: a text"),
            ("name = \"X-1\"", "name = ", "not valid TOML"),
            ("\"a\"", "7", "electrons[0] label is 7"),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let text = message(&GOOD.replace(from, to));
            assert!(text.contains("mine.toml") && text.contains(expected), "{text}");
        }
        assert!(message("name = \"e\"\nhalf_life_h = 1").contains("at least one of beta, electrons, photons"));
    }
}
