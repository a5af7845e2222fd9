//! Names of the values in a label map.
//!
//! Four kinds of file are read, recognised by their content: CSV or TSV with `value,name` a line;
//! JSON `{"2": "kidney_right"}` or `{"kidney_right": 2}`, either bare or as the field `labels` of a
//! larger object; and the label description text of ITK-SNAP.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::IoError;
use crate::fault::{Setting, Words, words};
use crate::place::Place;
use crate::text::parsed::{of_csv, of_json};
use crate::text::{self, TextError};

/// Names of label values, in the order of the values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelNames {
    names: BTreeMap<u16, String>,
}

impl LabelNames {
    /// Reads a file of label names: CSV, TSV, JSON or ITK-SNAP text.
    ///
    /// Errors: the file cannot be read; a line (in JSON: a key) does not give one value from 0 to 65535 and one name; a
    /// duplicate value or name.
    pub fn read(path: impl Into<Place>) -> Result<Self, IoError> {
        let path = &path.into();
        const NEXT: &str = "Give a CSV, JSON or ITK-SNAP label file.";
        let text = text::read(path).map_err(|error| match error {
            TextError::Unreadable(source) => IoError::read(path, source),
            TextError::TooLong { bytes, limit } => {
                let allowed = format!("at most {limit} for a list of label names");
                IoError::invalid(path, "file size", format!("{bytes} bytes"), allowed, NEXT)
            }
            TextError::TooDense { tokens, limit } => {
                let found = format!("{tokens} tokens (brackets, commas, signs, words, lines)");
                IoError::invalid(path, "text", found, format!("at most {limit} for a list of label names"), NEXT)
            }
            TextError::NotUtf8 { line } => IoError::invalid(
                path,
                format!("line {line}"),
                "bytes that are not UTF-8",
                "UTF-8 text (CSV, TSV, JSON or ITK-SNAP label descriptions)",
                words!("Save the file as UTF-8; an image belongs to ", Setting::Labels, "."),
            ),
        })?;
        Self::parse(path.path(), text.trim_start_matches('\u{feff}'))
    }

    /// Reads label names from text; `path` names the file in errors.
    fn parse(path: &Path, text: &str) -> Result<Self, IoError> {
        let mut lines = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
        let first = lines.next().unwrap_or_default();
        let names = if first.starts_with('{') || first.starts_with('[') {
            from_json(path, text)?
        } else if itk_snap_line(first).is_some() {
            from_itk_snap(path, text)?
        } else {
            from_csv(path, text)?
        };
        if names.is_empty() {
            return Err(refused(path, "label names", "no label", "Give one value and name a line."));
        }
        Ok(Self { names })
    }

    /// The name of a value, if the file gives one.
    pub fn get(&self, value: u16) -> Option<&str> {
        self.names.get(&value).map(String::as_str)
    }

    /// The name of a value; `label_7` where none is given.
    pub fn name(&self, value: u16) -> String {
        self.get(value).map_or_else(|| format!("label_{value}"), str::to_string)
    }

    /// The value that has this name.
    pub fn value(&self, name: &str) -> Option<u16> {
        self.names.iter().find(|(_, n)| **n == *name).map(|(&value, _)| value)
    }

    /// Values and names, in the order of the values.
    pub fn iter(&self) -> impl Iterator<Item = (u16, &str)> {
        self.names.iter().map(|(&value, name)| (value, name.as_str()))
    }

    /// Number of names.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is no name.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

impl FromIterator<(u16, String)> for LabelNames {
    fn from_iter<I: IntoIterator<Item = (u16, String)>>(pairs: I) -> Self {
        Self { names: pairs.into_iter().collect() }
    }
}

fn refused(path: &Path, field: &str, found: impl Into<Words>, next: &str) -> IoError {
    IoError::invalid(path, field, found, "a value from 0 to 65535 and its own name", next)
}

/// Adds one label; `place` says where in the file it stands.
fn insert(path: &Path, names: &mut BTreeMap<u16, String>, place: &str, value: &str, name: &str) -> Result<(), IoError> {
    let name = text::plain(name.trim());
    let label = value.trim().parse::<u16>().map_err(|_| {
        refused(path, place, format!("value \"{}\"", value.trim()), "Write the value as a whole number.")
    })?;
    if name.is_empty() {
        return Err(refused(path, place, format!("no name for value {label}"), "Give it a name."));
    }
    if let Some(other) = names.get(&label) {
        let found = format!("value {label} again (\"{other}\" and \"{name}\")");
        return Err(refused(path, place, found, "Keep one of the two."));
    }
    if let Some((other, _)) = names.iter().find(|(_, n)| **n == *name) {
        let found = format!("name \"{name}\" again (values {other} and {label})");
        return Err(refused(path, place, found, "Give each value its own name."));
    }
    names.insert(label, name.to_string());
    Ok(())
}

/// `value,name` a line, comma or tab; one line of titles may come first.
fn from_csv(path: &Path, text: &str) -> Result<BTreeMap<u16, String>, IoError> {
    const TITLES: [&str; 6] = ["value", "label", "index", "id", "number", "key"];
    let next = "Write one value,name a line.";
    let mut names = BTreeMap::new();
    let mut first = true;
    for (number, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let place = format!("line {}", number + 1);
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .delimiter(if line.contains('\t') { b'\t' } else { b',' })
            .trim(csv::Trim::All)
            .from_reader(line.as_bytes());
        let record = match reader.records().next() {
            Some(Ok(record)) => record,
            Some(Err(e)) => return Err(refused(path, &place, of_csv(&e), next)),
            None => continue,
        };
        let value = record.get(0).unwrap_or("");
        let titles = std::mem::take(&mut first) && TITLES.contains(&value.to_lowercase().as_str());
        if titles {
            continue;
        }
        let Some(name) = record.get(1) else {
            return Err(refused(path, &place, format!("\"{line}\""), next));
        };
        insert(path, &mut names, &place, value, name)?;
    }
    Ok(names)
}

/// `{"2": "name"}` or `{"name": 2}`, bare or as the field `labels`.
fn from_json(path: &Path, json: &str) -> Result<BTreeMap<u16, String>, IoError> {
    let root: Value = text::json::read(json)
        .map_err(|e| refused(path, "JSON", of_json(&e), "Correct the text: JSON has names and values in braces."))?;
    let next = "Write {\"2\": \"kidney_right\"}, bare or as the field \"labels\".";
    let labels = match root.get("labels") {
        Some(labels) => labels,
        None => &root,
    };
    let Value::Object(entries) = labels else {
        return Err(refused(path, "labels", "no JSON object", next));
    };
    let mut names = BTreeMap::new();
    for (key, value) in entries {
        let place = format!("key \"{key}\"");
        match value {
            Value::String(name) => insert(path, &mut names, &place, key, name)?,
            Value::Number(number) => insert(path, &mut names, &place, &number.to_string(), key)?,
            other => return Err(refused(path, &place, other.to_string(), next)),
        }
    }
    Ok(names)
}

/// Value and name of a line `IDX R G B A VIS MESH "NAME"`.
fn itk_snap_line(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    let open = line.find('"')?;
    let name = line[open + 1..].strip_suffix('"')?;
    let mut columns = line[..open].split_whitespace();
    let value = columns.next()?;
    let rest: Vec<&str> = columns.collect();
    (rest.len() == 6 && rest.iter().all(|c| c.parse::<f64>().is_ok())).then_some((value, name))
}

/// ITK-SNAP label descriptions; lines that start with `#` are comments.
fn from_itk_snap(path: &Path, text: &str) -> Result<BTreeMap<u16, String>, IoError> {
    let mut names = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let place = format!("line {}", number + 1);
        let (value, name) = itk_snap_line(line).ok_or_else(|| {
            let next = "Write IDX R G B A VIS MESH \"NAME\", as ITK-SNAP exports it.";
            refused(path, &place, format!("\"{line}\""), next)
        })?;
        insert(path, &mut names, &place, value, name)?;
    }
    Ok(names)
}
