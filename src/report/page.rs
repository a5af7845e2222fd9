//! The report: one HTML file that a browser opens without a network.
//!
//! A page is data: sections of blocks (text, lists, tables, figures, the slice viewer). `render` lays it out; everything a
//! browser needs is inside the file, and a content security policy forbids it to load anything. The same page gives the
//! same bytes; what differs from run to run stands in `Page::run_facts` and is laid out inside
//! `<section id="run-facts">` alone.

/// Charts as inline SVG.
pub mod chart;

/// Numbers as a reader wants them.
pub mod number;

/// The record that a report of a Monte Carlo dose must hold.
pub mod statement;

/// Slices of volumes in three planes.
pub mod viewer;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};
use viewer::Viewer;

const STYLE: &str = include_str!("../../assets/report/report.css");
const SCRIPT: &str = include_str!("../../assets/report/report.js");

/// How a banner reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Nothing to decide.
    Plain,
    /// Within the limits.
    Good,
    /// Needs a person.
    Attention,
    /// Not to be gone on with.
    Stop,
}

impl Tone {
    fn class(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Good => "good",
            Self::Attention => "attention",
            Self::Stop => "stop",
        }
    }

    /// A sign that does not need colour.
    fn sign(self) -> &'static str {
        match self {
            Self::Plain => "i",
            Self::Good => "✓",
            Self::Attention => "!",
            Self::Stop => "×",
        }
    }
}

/// What stands on top.
#[derive(Clone, Debug)]
pub struct Banner {
    /// How it reads.
    pub tone: Tone,
    /// A few words.
    pub heading: String,
    /// Sentences under it.
    pub lines: Vec<String>,
}

/// A number on top.
#[derive(Clone, Debug)]
pub struct Fact {
    /// What it is.
    pub name: String,
    /// The number with its unit.
    pub value: String,
    /// What to know about it.
    pub note: String,
}

/// A cell of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Words.
    Text(String),
    /// A number, to the right.
    Number(String),
    /// A region's name with the colour of its curve and outline.
    Region(usize, String),
    /// A number and its range under it.
    Range(String, String),
    /// Not known, and why (read by assistive technology and shown on hover).
    Unknown,
    /// A mark with words: good or not.
    Mark(Tone, String),
}

/// Number of a cell, or not known.
pub fn number_or_unknown(value: Option<String>) -> Cell {
    value.map_or(Cell::Unknown, Cell::Number)
}

/// A table; the first cell of each row is its head.
#[derive(Clone, Debug)]
pub struct Table {
    /// Caption.
    pub caption: String,
    /// Heads of the columns: name and unit.
    pub heads: Vec<(String, String)>,
    /// Rows; each as long as `heads`.
    pub rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table from heads written `name|unit`.
    pub fn new(caption: &str, heads: &[&str], rows: Vec<Vec<Cell>>) -> Self {
        let split = |head: &&str| {
            let (name, unit) = head.split_once('|').unwrap_or((head, ""));
            (name.to_owned(), unit.to_owned())
        };
        Self { caption: caption.to_owned(), heads: heads.iter().map(split).collect(), rows }
    }
}

/// A region that charts and slices can show.
#[derive(Clone, Debug, PartialEq)]
pub struct ShownRegion {
    /// Name.
    pub name: String,
    /// Number of its colour; from [`chart::COLOURS`] on the colours start again, dashed.
    pub colour: usize,
    /// Whether it is shown at first.
    pub on: bool,
}

/// A part of a section.
#[derive(Debug)]
pub enum Block {
    /// A paragraph.
    Text(String),
    /// A list.
    List(Vec<String>),
    /// Names and what they are.
    Terms(Vec<(String, String)>),
    /// A table.
    Table(Table),
    /// A figure: its drawing and a caption.
    Figure {
        /// The drawing.
        drawing: Markup,
        /// What it shows and how to read it.
        caption: String,
    },
    /// Small figures side by side.
    Figures(Vec<(Markup, String)>),
    /// Large figures, two side by side where there is room.
    Pair(Vec<(Markup, String)>),
    /// Pictures side by side, as many in a row as stated: the bytes of a PNG file, and what it shows.
    Pictures(usize, Vec<(Vec<u8>, String)>),
    /// Check boxes that choose the regions shown.
    RegionChoice(Vec<ShownRegion>),
    /// Slices.
    Viewer(Box<Viewer>),
    /// A heading within the section.
    Heading(String),
    /// Something that is folded away until asked for (and printed in full).
    Folded {
        /// What is in it.
        summary: String,
        /// The blocks.
        blocks: Vec<Block>,
    },
}

/// A section.
#[derive(Debug)]
pub struct Section {
    /// Anchor.
    pub id: &'static str,
    /// Heading.
    pub title: String,
    /// Word in the contents.
    pub short: &'static str,
    /// Content.
    pub blocks: Vec<Block>,
}

impl Section {
    /// A section with its blocks.
    pub fn new(id: &'static str, title: &str, short: &'static str, blocks: Vec<Block>) -> Self {
        Self { id, title: title.to_owned(), short, blocks }
    }
}

/// The page.
#[derive(Debug)]
pub struct Page {
    /// Heading.
    pub title: String,
    /// A sentence under it.
    pub lead: String,
    /// The verdict.
    pub banner: Banner,
    /// Numbers on top.
    pub facts: Vec<Fact>,
    /// What the reader needs to know before trusting the numbers, in plain words; none says so.
    pub warnings: Vec<String>,
    /// The sections.
    pub sections: Vec<Section>,
    /// What this run does not know, and why.
    pub unknown: Vec<String>,
    /// What differs between two runs of the same inputs.
    pub run_facts: Vec<(String, String)>,
    /// What it is for.
    pub intended_use: String,
    /// Whom it is about, in the user's own words; left out unless the user states it.
    pub patient: Option<String>,
}

/// The page as a whole HTML file.
pub fn render(page: &Page) -> String {
    let policy = format!(
        "default-src 'none'; style-src '{}'; script-src '{}'; img-src data:; base-uri 'none'; form-action 'none'",
        digest(STYLE),
        digest(SCRIPT)
    );
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content=(super::run_record::program());
                title { (page.title) " · Lutra" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a .skip href="#summary" { "Skip to the summary" }
                header .top {
                    h1 { (page.title) }
                    @if let Some(patient) = &page.patient { p .patient { (patient) } }
                    p .lead { (typeset(&page.lead)) }
                }
                (contents(page))
                main {
                    (summary(page))
                    (signature(page))
                    (warnings(page))
                    @for section in &page.sections { (section_of(section)) }
                    (unknown(page))
                    @if !page.run_facts.is_empty() { (run_facts(page)) }
                }
                footer { p { (page.intended_use) } }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    let mut text = markup.into_string();
    text.push('\n');
    text
}

/// Text of the page: a hyphen that stands before a number is its sign, and is written as one.
fn typeset(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut before = ' ';
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let number = letters.peek().is_some_and(char::is_ascii_digit);
        let sign =
            letter == '-' && number && !before.is_alphanumeric() && !['-', '_', '.', '/', '\\'].contains(&before);
        shown.push(if sign { '−' } else { letter });
        before = letter;
    }
    shown
}

/// A source expression of a content security policy for an inline text.
fn digest(text: &str) -> String {
    format!("sha256-{}", base64(&Sha256::digest(text.as_bytes())))
}

/// Bytes in base 64 (RFC 4648).
pub(super) fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().enumerate().fold(0_u32, |word, (n, &byte)| word | u32::from(byte) << (16 - 8 * n));
        for place in 0..4 {
            let letter = LETTERS[(word >> (18 - 6 * place) & 63) as usize];
            text.push(if place > chunk.len() { '=' } else { char::from(letter) });
        }
    }
    text
}

fn contents(page: &Page) -> Markup {
    html! {
        nav .contents aria-label="Contents" {
            ul {
                li { a href="#summary" { "Summary" } }
                li { a href="#signature" { "Signature" } }
                li { a href="#warnings" { "Warnings" } }
                @for section in &page.sections {
                    li { a href=(format!("#{}", section.id)) { (section.short) } }
                }
                li { a href="#unknown" { "Not known" } }
                @if !page.run_facts.is_empty() { li { a href="#run-facts" { "This run" } } }
            }
        }
    }
}

fn summary(page: &Page) -> Markup {
    let banner = &page.banner;
    html! {
        section #summary aria-labelledby="summary-head" {
            h2 #summary-head .visually-hidden { "Summary" }
            div class=(format!("banner {}", banner.tone.class())) {
                span .sign aria-hidden="true" { (banner.tone.sign()) }
                div {
                    p .verdict { (typeset(&banner.heading)) }
                    @for line in &banner.lines { p { (typeset(line)) } }
                }
            }
            @if !page.facts.is_empty() {
                dl .facts {
                    @for fact in &page.facts {
                        div {
                            dt { (fact.name) }
                            dd { span .value { (typeset(&fact.value)) } @if !fact.note.is_empty() { span .note { (typeset(&fact.note)) } } }
                        }
                    }
                }
            }
        }
    }
}

fn warnings(page: &Page) -> Markup {
    html! {
        section #warnings aria-labelledby="warnings-head" {
            h2 #warnings-head { "Warnings" }
            @if page.warnings.is_empty() {
                p { "None." }
            } @else {
                ul .warnings { @for warning in &page.warnings { li { (typeset(warning)) } } }
            }
        }
    }
}

fn section_of(section: &Section) -> Markup {
    let head = format!("{}-head", section.id);
    html! {
        section id=(section.id) aria-labelledby=(head) {
            h2 id=(head) { (section.title) }
            @for block in &section.blocks { (block_of(block)) }
        }
    }
}

fn block_of(block: &Block) -> Markup {
    match block {
        Block::Text(text) => html! { p { (typeset(text)) } },
        Block::List(items) => html! { ul { @for item in items { li { (typeset(item)) } } } },
        Block::Terms(terms) => html! {
            dl .terms { @for (name, value) in terms { div { dt { (name) } dd { (typeset(value)) } } } }
        },
        Block::Table(table) => table_of(table),
        Block::Figure { drawing, caption } => html! { figure { (drawing) figcaption { (typeset(caption)) } } },
        Block::Figures(figures) => side_by_side("figures", figures),
        Block::Pair(figures) => side_by_side("figures pair", figures),
        Block::Pictures(columns, pictures) => html! {
            div class=(format!("pictures row{columns}")) { @for (png, caption) in pictures { (picture(png, caption)) } }
        },
        Block::RegionChoice(regions) => choice(regions),
        Block::Viewer(viewer) => viewer.markup(),
        Block::Heading(text) => html! { h3 { (text) } },
        Block::Folded { summary, blocks } => html! {
            details { summary { (summary) } @for block in blocks { (block_of(block)) } }
        },
    }
}

fn side_by_side(class: &str, figures: &[(Markup, String)]) -> Markup {
    html! {
        div class=(class) { @for (drawing, caption) in figures { figure { (drawing) figcaption { (typeset(caption)) } } } }
    }
}

/// A picture whose bytes stand in the page.
fn picture(png: &[u8], caption: &str) -> Markup {
    html! {
        figure {
            img src=(format!("data:image/png;base64,{}", base64(png))) alt=(typeset(caption));
            figcaption { (typeset(caption)) }
        }
    }
}

fn choice(regions: &[ShownRegion]) -> Markup {
    html! {
        fieldset .choice hidden {
            legend { "Regions shown" }
            @for (number, region) in regions.iter().enumerate() {
                label {
                    input type="checkbox" data-region=(number) checked[region.on];
                    (swatch(region.colour))
                    (region.name)
                }
            }
        }
    }
}

/// The colour of a region; hollow where the colours have started again.
fn swatch(colour: usize) -> Markup {
    let again = if colour < chart::COLOURS { "" } else { " again" };
    html! { span class=(format!("swatch c{}{again}", colour % chart::COLOURS)) aria-hidden="true" {} }
}

fn table_of(table: &Table) -> Markup {
    html! {
        div .scroll tabindex="0" role="group" aria-label=(format!("Table: {}", table.caption)) {
            table {
                caption { (typeset(&table.caption)) }
                thead {
                    tr {
                        @for (n, (name, unit)) in table.heads.iter().enumerate() {
                            th scope="col" .num[n > 0 && numbers(table, n)] {
                                (name) @if !unit.is_empty() { " " span .unit { (unit) } }
                            }
                        }
                    }
                }
                tbody {
                    @for row in &table.rows {
                        tr {
                            @for (n, cell) in row.iter().enumerate() {
                                @if n == 0 { th scope="row" { (content(cell)) } }
                                @else { td .num[matches!(cell, Cell::Number(_) | Cell::Range(..) | Cell::Unknown)] { (content(cell)) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Whether a column holds numbers.
fn numbers(table: &Table, column: usize) -> bool {
    table.rows.iter().any(|row| matches!(row.get(column), Some(Cell::Number(_) | Cell::Range(..) | Cell::Unknown)))
}

/// Letters of a word that no column must be as wide as.
const LONG_WORD: usize = 40;

fn content(cell: &Cell) -> Markup {
    match cell {
        // a fingerprint may break anywhere, other words may not
        Cell::Text(text) if text.split(' ').any(|word| word.len() >= LONG_WORD) => html! { span .long { (text) } },
        Cell::Text(text) | Cell::Number(text) => html! { (typeset(text)) },
        Cell::Region(number, name) => html! {
            (swatch(*number)) (name)
        },
        Cell::Range(number, range) => html! { (typeset(number)) span .range { (typeset(range)) } },
        Cell::Unknown => html! { span .unknown { "not known" } },
        Cell::Mark(tone, words) => html! { span class=(format!("mark {}", tone.class())) { (typeset(words)) } },
    }
}

fn unknown(page: &Page) -> Markup {
    html! {
        section #unknown aria-labelledby="unknown-head" {
            h2 #unknown-head { "What this report does not know" }
            @if page.unknown.is_empty() { p { "Nothing that it should hold is missing." } }
            @else { ul { @for line in &page.unknown { li { (typeset(line)) } } } }
        }
    }
}

fn run_facts(page: &Page) -> Markup {
    html! {
        section #run-facts aria-labelledby="run-facts-head" {
            h2 #run-facts-head { "This run" }
            p { "These facts differ between two runs of the same inputs; all the rest of the page does not." }
            dl .terms { @for (name, value) in &page.run_facts { div { dt { (name) } dd { (typeset(value)) } } } }
        }
    }
}

fn signature(page: &Page) -> Markup {
    let patient = page.patient.as_deref().map_or_else(|| "Patient and study".to_owned(), |p| format!("Patient: {p}"));
    let lines = [patient.as_str(), "Checked by (medical physicist), date", "Seen by (physician), date"];
    html! {
        section #signature aria-labelledby="signature-head" {
            h2 #signature-head { "Signature" }
            @if page.patient.is_none() {
                p { "This page holds no patient identifiers. Write them on the print, not into the file." }
            }
            div .sign-lines {
                @for line in lines {
                    div { span { (line) } }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn law_base64_is_that_of_the_rfc() {
        for (plain, coded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    fn page() -> Page {
        Page {
            title: "Absorbed dose".into(),
            lead: "One <lead>".into(),
            banner: Banner { tone: Tone::Plain, heading: "No limits".into(), lines: vec![] },
            facts: vec![],
            warnings: vec!["a & b".into()],
            sections: vec![Section::new(
                "regions",
                "Regions",
                "Regions",
                vec![Block::Table(Table::new(
                    "Doses",
                    &["Region", "Dose|Gy"],
                    vec![vec![Cell::Region(0, "kidney".into()), Cell::Unknown]],
                ))],
            )],
            unknown: vec![],
            run_facts: vec![("Started".into(), "now".into())],
            intended_use: "Decision support.".into(),
            patient: None,
        }
    }

    #[test]
    fn law_page_is_whole_and_says_what_it_does_not_know() {
        let text = render(&page());
        assert!(text.starts_with("<!DOCTYPE html>"));
        for wanted in ["lang=\"en\"", "One &lt;lead&gt;", "a &amp; b", "not known", "scope=\"row\"", "<main>"] {
            assert!(text.contains(wanted), "{wanted}");
        }
        assert_eq!(text, render(&page()), "same page, same bytes");
    }

    /// A number below zero has one sign wherever it stands; what is no sign stays: dates, names, ranges, options.
    #[test]
    fn law_a_minus_is_one_sign_on_the_whole_page() {
        assert_eq!(typeset("-5 % to +3, (-0.2), x = -12 mm"), "−5 % to +3, (−0.2), x = −12 mm");
        for same in
            ["2025-01-14", "Lu-177", "kidney-left", "--threads 2", "label_-3", "Cf. a - b", "1e-5", "reduced-activity"]
        {
            assert_eq!(typeset(same), same, "alarm: no sign of a number");
        }
        let mut page = page();
        page.lead = "lead -1".into();
        page.banner = Banner { tone: Tone::Plain, heading: "h -1".into(), lines: vec!["l -1".into()] };
        page.facts = vec![Fact { name: "f".into(), value: "-1 Gy".into(), note: "n -1".into() }];
        page.warnings = vec!["w -1".into()];
        page.unknown = vec!["u -1".into()];
        let cells =
            vec![Cell::Text("t -1".into()), Cell::Number("-1".into()), Cell::Range("-1".into(), "-2 to -1".into())];
        let table = Table::new("c", &["a", "b", "c"], vec![cells]);
        page.sections[0].blocks = vec![
            Block::Text("b -1".into()),
            Block::List(vec!["i -1".into()]),
            Block::Terms(vec![("t".into(), "v -1".into())]),
            Block::Table(table),
        ];
        let text = render(&page);
        let body = &text[text.find("<body>").expect("a body")..text.find("<script>").expect("a script")];
        assert!(!body.contains("-1") && body.matches("−1").count() == 14, "{body}");
    }

    #[test]
    fn law_page_names_no_other_place() {
        let text = render(&page()).replace("http://www.w3.org/", "");
        for place in ["http://", "https://", "src=\"", "url(", "@import"] {
            assert!(!text.contains(place), "{place}");
        }
    }
}
