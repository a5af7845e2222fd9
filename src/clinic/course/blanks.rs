//! Fields that a person has yet to fill in, in a COURSE.toml and in every SERIES.toml that it names: all at once.

use crate::clinic::failure::UserError;
use crate::clinic::files::{beside, read_text};
use crate::course::input::{BLANK, blanks};
use crate::io::dicom;
use crate::place::Place;
use crate::text::sparse;

/// The series that a COURSE.toml names, each once. A text that is not TOML names none; its reader says what is wrong.
fn series_of(path: &Place, text: &str) -> Vec<Place> {
    let Ok(table) = text.parse::<toml::Table>() else { return Vec::new() };
    let cycles = table.get("cycles").and_then(toml::Value::as_array).into_iter().flatten();
    let mut series: Vec<Place> = Vec::new();
    for name in cycles.filter_map(|cycle| cycle.get("series")?.as_str()).filter(|name| *name != BLANK) {
        let place = beside(path, name);
        if place.is_file() && !dicom::is_dicom(&place) && !series.contains(&place) {
            series.push(place);
        }
    }
    series
}

/// Refuses a course with fields that are still to be filled in, there or in its series.
///
/// Errors: the first such field by file and line; the next step names all others.
pub fn filled_in(path: &Place, text: &str) -> Result<(), UserError> {
    // a text of too many tokens is refused by its own reader, before it is parsed
    if sparse(text).is_err() {
        return Ok(());
    }
    let mut left = vec![(path.clone(), blanks(text))];
    for series in series_of(path, text) {
        // a file that cannot be read is refused by its own reader
        if let Some(text) = read_text(&series).ok().filter(|text| sparse(text).is_ok()) {
            let found = blanks(&text);
            left.push((series, found));
        }
    }
    left.retain(|(_, found)| !found.is_empty());
    let Some((file, found)) = left.first() else { return Ok(()) };
    let (line, field) = &found[0];
    let named = |found: &[(usize, String)]| {
        found.iter().map(|(line, field)| format!("{field} (line {line})")).collect::<Vec<_>>().join(", ")
    };
    let mut others: Vec<String> = Vec::new();
    if found.len() > 1 {
        others.push(named(&found[1..]));
    }
    others.extend(left[1..].iter().map(|(file, found)| format!("in {}: {}", file.display(), named(found))));
    let others = if others.is_empty() { String::new() } else { format!(" Besides: {}.", others.join("; ")) };
    Err(UserError::invalid(
        file,
        format!("line {line}: {field}"),
        "\"?\", which is still to be filled in",
        "a value that a person vouches for",
        format!("The comment above the line says what belongs there.{others}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::Buffers;

    #[test]
    fn cli_blanks_of_a_course_and_of_its_series_are_named_at_once() {
        let course =
            "schema = 1\nprotocol = \"?\"\n[[cycles]]\nseries = \"a/S.toml\"\n[[cycles]]\nseries = \"b/S.toml\"\n";
        let files = [("C.toml", course), ("a/S.toml", "unit = \"?\"\n"), ("b/S.toml", "schema = 1\nunit = \"?\"\n")];
        let buffers = Buffers::new(files.map(|(name, text)| (name, text.as_bytes().to_vec()))).expect("buffers");
        let told = |text: &str| filled_in(&buffers.place("C.toml"), text).map_err(|error| error.sentence().to_string());
        let error = told(course).expect_err("blanks");
        assert!(error.starts_with("C.toml: line 2: protocol: found \"?\""), "{error}");
        assert!(
            error.contains("in a/S.toml: unit (line 1)") && error.contains("in b/S.toml: unit (line 2)"),
            "{error}"
        );
        let error = told(&course.replace("\"?\"", "\"iluminet\"")).expect_err("blanks of the series");
        assert!(error.starts_with("a/S.toml: line 1: unit") && error.contains("in b/S.toml: unit (line 2)"), "{error}");
        // alarm: filled in, nothing is refused
        assert_eq!(told("schema = 1\nprotocol = \"iluminet\"\n"), Ok(()));
    }
}
