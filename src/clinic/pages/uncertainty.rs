//! How sure doses are, as tables and sentences: by source, in all, and what to improve next.

use crate::budget::{DoseBudget, Gain, NEEDED, Part, ScanGain, Source, at_least, best_scan, in_words};
use crate::report::page::number::{percent, significant};
use crate::report::page::{Block, Cell, Table};
use std::collections::BTreeMap;

/// Gains of a region that are worth a sentence, at most.
const GAINS: usize = 3;
/// Sources that are small beside one that weighs and is not assessed: to know them better would mend nothing.
const SMALL: [Source; 2] = [Source::Mass, Source::Decay];

/// A region in the table of uncertainties.
pub struct Row {
    /// Its cell.
    pub region: Cell,
    /// Its name in sentences.
    pub name: String,
    /// Relative standard uncertainty by source.
    pub by_source: BTreeMap<Source, f64>,
    /// Of all that is known.
    pub rel_sigma: f64,
    /// 95 % interval by the same, Gy.
    pub interval95_gy: [f64; 2],
    /// Sources of which nothing is known.
    pub not_assessed: Vec<Source>,
    /// Parts, for kind and origin of the sources.
    pub parts: Vec<Part>,
    /// What halving each source would leave, the best first.
    pub improve: Vec<Gain>,
    /// What a further scan would leave.
    pub scans: Vec<ScanGain>,
}

impl Row {
    /// Of a dose; none where nothing is known but the transport.
    pub fn of(region: Cell, name: String, budget: DoseBudget) -> Option<Self> {
        Some(Self {
            region,
            name,
            by_source: budget.by_source.iter().map(|share| (share.source, share.rel_sigma)).collect(),
            rel_sigma: budget.rel_sigma?,
            interval95_gy: budget.interval95_gy?,
            not_assessed: budget.not_assessed,
            parts: budget.parts,
            improve: budget.improve,
            scans: budget.improve_by_scan,
        })
    }
}

/// A total, %: with "≥" where a source that weighs is not assessed.
pub fn total_words(rel_sigma: f64, least: bool) -> String {
    format!("{}{}", if least { "≥ " } else { "" }, percent(rel_sigma, 1))
}

/// Ends of an interval, Gy; with "≤" and "≥" where a source that weighs is not assessed, so that it is at least so wide.
pub fn interval_words([low, high]: [f64; 2], least: bool) -> String {
    let [low, high] = [low, high].map(|gy| significant(gy, 3));
    if least { format!("≤ {low} to ≥ {high}") } else { format!("{low} to {high}") }
}

/// What the signs of [`total_words`] and [`interval_words`] mean, for a caption.
pub const LEAST: &str = "≥ and ≤: of known sources only, a source that weighs is not assessed; the uncertainty is at least \
                         this, the interval at least so wide";

/// The tables and what to improve next; `of` says whose uncertainty it is.
pub fn blocks(rows: &[Row], of: &str) -> Vec<Block> {
    if rows.is_empty() {
        return Vec::new();
    }
    vec![
        Block::Table(sizes(rows, of)),
        Block::Table(sources(rows)),
        Block::Heading("What to improve next".into()),
        Block::List(improvements(rows)),
    ]
}

/// Sizes by region and source.
fn sizes(rows: &[Row], of: &str) -> Table {
    let present = |source: &Source| rows.iter().any(|row| row.by_source.contains_key(source));
    let columns: Vec<Source> = Source::ALL.into_iter().filter(present).collect();
    let mut heads = vec!["Region".to_owned(), "All, k = 1|%".to_owned(), "95 %|Gy".to_owned()];
    heads.extend(columns.iter().map(|source| format!("{}|%", capital(source.words()))));
    heads.push("Not assessed".to_owned());
    let cells = |row: &Row| {
        let least = at_least(&row.not_assessed);
        let mut cells = vec![
            row.region.clone(),
            Cell::Number(total_words(row.rel_sigma, least)),
            Cell::Number(interval_words(row.interval95_gy, least)),
        ];
        cells.extend(columns.iter().map(|source| {
            let size = |rel_sigma: &f64| percent(*rel_sigma, if *rel_sigma < 0.001 { 2 } else { 1 });
            row.by_source.get(source).map_or(Cell::Text("–".into()), |u| Cell::Number(size(u)))
        }));
        cells.push(Cell::Text(if row.not_assessed.is_empty() {
            "nothing".into()
        } else {
            in_words(&row.not_assessed)
        }));
        cells
    };
    Table::new(
        &format!("Relative standard uncertainty (k = 1) of {of} by source, in all, and its 95 % interval. {LEAST}"),
        &heads.iter().map(String::as_str).collect::<Vec<_>>(),
        rows.iter().map(cells).collect(),
    )
}

/// What each source's error is common to, and who states its size.
fn sources(rows: &[Row]) -> Table {
    let mut all: Vec<(&Part, f64, f64)> = Vec::new();
    for part in rows.iter().flat_map(|row| &row.parts) {
        let size = ((part.on_activity + part.on_response) * part.rel_sigma).abs();
        let same = |(one, ..): &&mut (&Part, f64, f64)| {
            (one.source, one.kind, one.origin, one.all_regions)
                == (part.source, part.kind, part.origin, part.all_regions)
        };
        match all.iter_mut().find(same) {
            Some((_, least, most)) => (*least, *most) = (least.min(size), most.max(size)),
            None => all.push((part, size, size)),
        }
    }
    all.sort_by_key(|(part, ..)| (part.source, part.kind, part.origin));
    let row = |(part, least, most): &(&Part, f64, f64)| {
        let words = |u: f64| percent(u, if u < 0.001 { 2 } else { 1 });
        let (least, most) = (words(*least), words(*most));
        let regions = if part.all_regions { "the same in all regions" } else { "each region its own" };
        vec![
            Cell::Text(capital(part.source.words())),
            Cell::Number(if least == most { least } else { format!("{least} to {most}") }),
            Cell::Text(format!("{}, {regions}", part.kind.words())),
            Cell::Text(part.origin.words().into()),
        ]
    };
    Table::new(
        "The sources: size in a dose, what an error is common to, and who states it",
        &["Source", "Size|%", "Error", "Stated by"],
        all.iter().map(row).collect(),
    )
}

/// What is to be assessed first: the sources that weigh and of which nothing is known, with the regions they are missing of.
fn assess_first(rows: &[Row]) -> Vec<String> {
    let mut all: Vec<(Vec<Source>, Vec<&str>)> = Vec::new();
    for row in rows {
        let holes: Vec<Source> = NEEDED.into_iter().filter(|source| row.not_assessed.contains(source)).collect();
        match all.iter_mut().find(|(known, _)| *known == holes) {
            Some((_, names)) => names.push(&row.name),
            None => all.push((holes, vec![&row.name])),
        }
    }
    let line = |(holes, names): &(Vec<Source>, Vec<&str>)| {
        format!(
            "First assess {} ({}): nobody has yet, and it usually weighs more than all that is known.",
            in_words(holes),
            names.join(", ")
        )
    };
    all.iter().filter(|(holes, _)| !holes.is_empty()).map(line).collect()
}

/// What to assess, what halving the sources that weigh would leave, by region, and what would change nothing.
fn improvements(rows: &[Row]) -> Vec<String> {
    let of = |row: &Row| {
        let least = at_least(&row.not_assessed);
        let worth = |gain: &&Gain| gain.matters() && !(least && SMALL.contains(&gain.source));
        let mut gains = row.improve.iter().filter(worth).take(GAINS);
        let first = gains.next()?.sentence(&row.name);
        let others = gains.map(|gain| format!("; {}: to {}", gain.wish(), gain.left()));
        let known = if least { ", by the known sources alone" } else { "" };
        Some(format!("{}{}{known}.", capital(&first), others.collect::<String>()))
    };
    let mut lines = assess_first(rows);
    lines.extend(rows.iter().filter_map(of));
    let scan = |row: &Row| Some(format!("{}.", capital(&best_scan(&row.scans)?.sentence(&row.name))));
    lines.extend(rows.iter().filter_map(scan));
    let matters = |source: Source| rows.iter().flat_map(|r| &r.improve).any(|g| g.source == source && g.matters());
    let mut idle: Vec<&Gain> = Vec::new();
    for gain in rows.iter().flat_map(|row| &row.improve).filter(|gain| !matters(gain.source)) {
        if idle.iter().all(|known| known.source != gain.source) {
            idle.push(gain);
        }
    }
    if !idle.is_empty() {
        let wishes: Vec<&str> = idle.iter().map(|gain| gain.wish()).collect();
        lines.push(format!(
            "{} would change no region by more than a fiftieth of its uncertainty.",
            capital(&wishes.join(", "))
        ));
    }
    lines
}

/// With a capital first letter.
fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::{Kind, Origin};

    fn rows() -> Vec<Row> {
        let part = |source, kind, rel_sigma| Part::of_activity(source, kind, Origin::Stated, rel_sigma);
        let one = |name: &str, fit: f64| {
            let parts = [part(Source::Calibration, Kind::Clinic, 0.05), part(Source::Fit, Kind::Cycle, fit)];
            Row::of(Cell::Text(name.into()), name.into(), DoseBudget::of(5.0, 0.002, &parts)).expect("known")
        };
        vec![one("kidney left", 0.14), one("tumour", 0.3)]
    }

    /// Every source has its column and its line, a total with a hole that weighs is a least one, and sentences say figures.
    #[test]
    fn law_tables_say_who_states_what_and_what_to_improve() {
        let made = blocks(&rows(), "the mean doses");
        let [Block::Table(sizes), Block::Table(sources), Block::Heading(_), Block::List(lines)] = &made[..] else {
            panic!("{made:?}")
        };
        let heads: Vec<&str> = sizes.heads.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(heads, ["Region", "All, k = 1", "95 %", "Calibration", "Curve fit", "Transport", "Not assessed"]);
        assert_eq!(sizes.rows[0][1], Cell::Number("≥ 14.9".into()));
        assert_eq!(sources.rows.len(), 3);
        assert_eq!(sources.rows[1][1], Cell::Number("14.0 to 30.0".into()));
        assert_eq!(sizes.rows[0][2], Cell::Number("≤ 3.74 to ≥ 6.69".into()));
        assert_eq!(
            lines[0],
            "First assess partial volume, outline (kidney left, tumour): nobody has yet, and it usually weighs more than all that \
             is known."
        );
        assert_eq!(
            lines[1],
            "A curve twice as sure (more scans, or surer ones) would bring kidney left from 15 to 9 %; a calibration twice as \
             sure: to 14.2 %, by the known sources alone."
        );
        assert!(
            lines.last().is_some_and(|last| last.starts_with("Four times the histories would change no region")),
            "{lines:?}"
        );
    }

    /// Where all that weighs is assessed there is nothing to assess first, and no sign of a least one; a density is worth a word
    /// there, and none where a source that weighs is missing.
    #[test]
    fn alarm_a_density_is_no_advice_where_nobody_assessed_what_weighs() {
        let row = |holes: bool| {
            let part = |source, u| Part::of_activity(source, Kind::Clinic, Origin::Stated, u);
            let mut parts = vec![part(Source::Mass, 0.05)];
            if !holes {
                parts.extend(NEEDED.map(|source| part(source, 0.01)));
            }
            Row::of(Cell::Text("liver".into()), "liver".into(), DoseBudget::of(5.0, 0.002, &parts)).expect("known")
        };
        let lines = |holes: bool| improvements(&[row(holes)]).join(" ");
        assert!(
            lines(false).contains("A density known twice as well") && !lines(false).contains("First"),
            "{}",
            lines(false)
        );
        assert!(lines(true).starts_with("First assess calibration, partial volume, outline, curve fit (liver)"));
        assert!(!lines(true).contains("density"), "{}", lines(true));
        assert_eq!(interval_words([4.0, 5.0], false), "4.00 to 5.00");
        assert_eq!(interval_words([4.0, 5.0], true), "≤ 4.00 to ≥ 5.00");
    }
}
