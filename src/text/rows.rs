//! Tables as CSV: the one way in which Lutra writes them. Control characters do not pass but ends of lines and tabs.
//!
//! Cells are quoted as RFC 4180 has it, so that commas, quotes and line ends in names come back as they were. A spreadsheet
//! takes a cell that begins with = + - @, a tab or a carriage return for a formula and runs it. Such a cell that is no number
//! gets an apostrophe before it, and so does one that begins with apostrophes before one of these: a reader who takes one
//! apostrophe from there has the text as it was.                                                        [docs/formats.md]

use super::PlainLines;
use serde::Serialize;
use std::borrow::Cow;
use std::io::Write;

/// What a formula begins with.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// A cell that no spreadsheet takes for a formula.
pub fn harmless(cell: &str) -> Cow<'_, str> {
    let formula = cell.trim_start_matches('\'').starts_with(FORMULA);
    if formula && cell.parse::<f64>().is_err() { Cow::Owned(format!("'{cell}")) } else { Cow::Borrowed(cell) }
}

/// Writes rows with their fields' names as heads.
pub fn write<T: Serialize, W: Write>(rows: &[T], to: W) -> Result<(), csv::Error> {
    let mut plain = csv::Writer::from_writer(Vec::new());
    for row in rows {
        plain.serialize(row)?;
    }
    let plain = plain.into_inner().map_err(|error| error.into_error())?;
    let mut table = Table::new(to);
    for record in csv::ReaderBuilder::new().has_headers(false).from_reader(&plain[..]).records() {
        table.row(record?.iter())?;
    }
    table.finish()
}

/// Heads and rows as text.
pub fn text<const N: usize>(heads: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut bytes = Vec::new();
    let mut table = Table::new(&mut bytes);
    let written = table.row(heads).and_then(|()| {
        rows.into_iter().try_for_each(|row| table.row(row.iter().map(String::as_str)))?;
        table.finish()
    });
    written.expect("memory takes rows of one length");
    drop(table);
    String::from_utf8(bytes).expect("cells are text")
}

/// A table that is written row by row.
pub struct Table<W: Write>(csv::Writer<PlainLines<W>>);

impl<W: Write> Table<W> {
    /// A table that goes `to` a file or to memory.
    pub fn new(to: W) -> Self {
        Self(csv::Writer::from_writer(PlainLines::new(to)))
    }

    /// Writes a row. Errors: the file cannot be written; not as many cells as the rows before.
    pub fn row<'a>(&mut self, cells: impl IntoIterator<Item = &'a str>) -> Result<(), csv::Error> {
        self.0.write_record(cells.into_iter().map(|cell| harmless(cell).into_owned()))
    }

    /// Writes what is still in memory.
    pub fn finish(&mut self) -> Result<(), csv::Error> {
        Ok(self.0.flush()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Row<'a> {
        label: u16,
        region: &'a str,
        dose_gy: f64,
        spare: Option<f64>,
    }

    const NAMES: [&str; 14] = [
        "kidney",
        "kidney, \"left\"",
        "two\nlines",
        "=HYPERLINK(\"x\")",
        "+1+2",
        "-left",
        "@SUM(1)",
        "\tx",
        "'=quoted",
        "'plain",
        "-",
        "-5",
        "a=b",
        "肝臓",
    ];

    /// The text of a cell, by the stated rule.
    fn read_back(cell: &str) -> &str {
        match cell.strip_prefix('\'') {
            Some(rest) if rest.trim_start_matches('\'').starts_with(FORMULA) => rest,
            _ => cell,
        }
    }

    #[test]
    fn law_names_come_back_from_a_table_and_none_is_a_formula() {
        let rows = NAMES.map(|region| Row { label: 3, region, dose_gy: -1.5e-9, spare: None });
        let mut bytes = Vec::new();
        write(&rows, &mut bytes).unwrap();
        let heads = ["label", "region", "dose_gy", "spare"];
        let by_cells = text(heads, NAMES.map(|name| ["3", name, "-1.5e-9", ""].map(str::to_owned)));
        for table in [String::from_utf8(bytes).unwrap(), by_cells] {
            let mut reader = csv::Reader::from_reader(table.as_bytes());
            assert_eq!(reader.headers().unwrap(), &heads[..]);
            let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
            assert_eq!(records.len(), NAMES.len());
            for (record, name) in records.iter().zip(NAMES) {
                assert_eq!((&record[0], record[2].parse(), &record[3]), ("3", Ok(-1.5e-9), ""), "numbers stay numbers");
                assert_eq!(read_back(&record[1]), name);
                let formula = record[1].starts_with(FORMULA) && record[1].parse::<f64>().is_err();
                assert!(!formula, "{}", &record[1]);
            }
        }
    }

    #[test]
    fn alarm_a_table_without_the_rule_has_formulas() {
        let mut plain = csv::Writer::from_writer(Vec::new());
        plain.write_record(NAMES).unwrap();
        let bytes = plain.into_inner().unwrap();
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(&bytes[..]);
        let record = reader.records().next().unwrap().unwrap();
        let formulas = record.iter().filter(|cell| harmless(cell) != *cell).count();
        assert_eq!(formulas, 7, "= + - @, a tab, a lone minus and a quoted one");
    }
}
