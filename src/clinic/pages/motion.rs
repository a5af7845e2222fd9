//! The part of a page on motion: what was moved by how much, how far each registration can be trusted, and what was lost.

use super::blocks::INTENDED_USE;
use crate::clinic::motion::{LOST_SHARE, MotionRecord, RegionRecord};
use crate::note::{Note, Severity};
use crate::register::agreement::length;
use crate::register::error::{MOST_APART_MM, MOST_ROTATION_DEG, MOST_SHIFT_MM};
use crate::register::metric::LEAST_OVERLAP;
use crate::report::page::number::{name, percent, tick};
use crate::report::page::{Banner, Block, Cell, Fact, Page, Section, Table, Tone, number_or_unknown, statement};
use crate::report::run_record::{InputFile, platform, program};

/// The motions of one cycle.
pub struct Moved<'a> {
    /// Its number, counted from 1; none for a series by itself.
    pub cycle: Option<usize>,
    /// How its CT lies to the course's, where that is registered.
    pub own: Option<&'a MotionRecord>,
    /// How its images lie to their first, those whose registration is stated.
    pub images: &'a [MotionRecord],
    /// How far the cycle's own motion takes the regions of the course's frame: name and displacement, mm.
    pub regions: Vec<(String, [f64; 3])>,
}

impl Moved<'_> {
    /// Every motion with the name of what it moved.
    fn all(&self) -> impl Iterator<Item = (String, &MotionRecord)> {
        let own = self.own.map(|record| (self.named("CT"), record));
        let images = self.images.iter().map(|record| {
            let time =
                record.time_h.map_or_else(|| "image".to_owned(), |h| format!("{} h", tick((10.0 * h).round() / 10.0)));
            (self.named(&time), record)
        });
        own.into_iter().chain(images)
    }

    fn named(&self, what: &str) -> String {
        self.cycle.map_or_else(|| what.to_owned(), |cycle| format!("cycle {cycle}, {what}"))
    }
}

/// The section; none where nothing states a registration. It names no file, whose name could be a person's.
pub fn section(cycles: &[Moved<'_>]) -> Option<Section> {
    let rows: Vec<Vec<Cell>> = cycles.iter().flat_map(Moved::all).map(|(what, record)| row(what, record)).collect();
    if rows.is_empty() {
        return None;
    }
    let mut blocks = vec![Block::Table(Table::new(
        "Motion of each image against the first of its cycle, and of each cycle’s CT against that of the course. Shift: of the \
         middle of what was looked at; agreement: the metric before and after, higher is better; halves, there and back: \
         distance between the results of two halves of the data, and of the two ways; residual: what remains uncertain of a \
         displacement (k = 1, root mean square length); lost: share of the activity that falls out of the first image’s field \
         of view",
        &[
            "Image",
            "Registration",
            "Shift|mm",
            "Rotation|°",
            "Before",
            "After",
            "Overlap|%",
            "Halves|mm",
            "There and back|mm",
            "Residual|mm",
            "Lost|%",
        ],
        rows,
    ))];
    let regions: Vec<Vec<Cell>> = cycles.iter().flat_map(region_rows).collect();
    if !regions.is_empty() {
        blocks.push(Block::Table(Table::new(
            "Displacement of the middle of each region; by itself: the region was registered alone and carried so, beside the \
             motion of the rest",
            &[
                "Region",
                "Image",
                "Right|mm",
                "Front|mm",
                "Head|mm",
                "Length|mm",
                "Carried",
                "Beside the rest|mm",
                "Halves|mm",
                "Residual|mm",
            ],
            regions,
        )));
    }
    blocks.push(Block::Text(format!(
        "No page is written of a registration that agrees worse than the images as they lie, shifts by more than {MOST_SHIFT_MM} \
         mm, turns by more than {MOST_ROTATION_DEG}°, has halves more than {MOST_APART_MM} mm apart, or less than {} % overlap. \
         Halves of the data tell of noise, not of breathing or of a region that changed its shape. The residual enters each \
         region’s budget as the change of its activity when its outline moves by it.",
        percent(LEAST_OVERLAP, 0)
    )));
    let in_course = cycles.iter().any(|moved| moved.cycle.is_some());
    let pictures = if in_course { pictures(cycles) } else { Vec::new() };
    if !pictures.is_empty() {
        blocks.push(Block::Folded {
            summary: "Each moved image over the first of its cycle, before and after".into(),
            blocks: vec![Block::Text(READING.into()), Block::Pictures(2, pictures)],
        });
    }
    Some(Section::new("motion", "Motion between images and cycles", "Motion", blocks))
}

/// Planes of the pictures of an image: shifts to the right, to the front and to the head are seen in them.
const PLANES: [&str; 2] = ["coronal", "sagittal"];

/// Each moved image over the first, before and after.
fn pictures(cycles: &[Moved<'_>]) -> Vec<(Vec<u8>, String)> {
    let mut all = Vec::new();
    for (what, record) in cycles.iter().flat_map(Moved::all) {
        for plane in PLANES {
            for (stem, when) in [("before", "as it lies"), ("after", "moved")] {
                let wanted = format!("{stem}_{plane}");
                let drawn = record.pictures.iter().find(|one| one.name == wanted);
                // a picture without a pixel is none
                all.extend(
                    drawn.and_then(|one| Some((one.png().ok()?, format!("{what} over the first, {plane}, {when}")))),
                );
            }
        }
    }
    all
}

/// How the pictures are to be read.
const READING: &str = "The squares of a checkerboard show the first image and the other by turns: what runs through from square to \
                       square agrees.";

/// The page of a series whose images were registered, with what was said of it; none where nothing states a registration.
pub fn page(images: &[MotionRecord], notes: &[&Note], inputs: &[InputFile]) -> Option<Page> {
    let moved = [Moved { cycle: None, own: None, images, regions: Vec::new() }];
    let mut sections = vec![section(&moved)?];
    let pictures = pictures(&moved);
    if !pictures.is_empty() {
        let blocks = vec![Block::Text(READING.into()), Block::Pictures(2, pictures)];
        sections.push(Section::new("pictures", "Before and after", "Pictures", blocks));
    }
    let clean = |note: &&Note| statement::without_paths(&note.to_string(), inputs);
    let most = |of: &dyn Fn(&MotionRecord) -> Option<f64>| images.iter().filter_map(of).reduce(f64::max);
    let fact = |name: &str, value: Option<f64>, unit: &str, note: &str| {
        let value = value.map_or_else(|| "not known".to_owned(), |v| format!("{v:.1} {unit}"));
        Fact { name: name.to_owned(), value, note: note.to_owned() }
    };
    let lost = most(&|record| Some(100.0 * record.lost_share));
    let too_much = images.iter().any(|record| record.lost_share > LOST_SHARE);
    let banner = Banner {
        tone: if too_much { Tone::Attention } else { Tone::Plain },
        heading: "How the images were brought into one frame".into(),
        lines: too_much.then(|| "A registered image loses activity: see the table.".to_owned()).into_iter().collect(),
    };
    Some(Page {
        title: "Motion of a series".into(),
        lead: program(),
        banner,
        facts: vec![
            fact("Largest shift", most(&|record| record.shift_mm), "mm", "of the middle of what was looked at"),
            fact("Largest residual", most(&|record| record.residual_mm), "mm", "what remains uncertain (k = 1)"),
            fact("Largest loss", lost, "%", "activity outside the first image’s field of view"),
        ],
        warnings: notes.iter().filter(|note| note.severity == Severity::Warning).map(clean).collect(),
        sections,
        unknown: vec![
            "Motion within an image (breathing), and regions that changed their shape.".into(),
            "How far an image lies off that is stated to lie in place, or whose transform is given.".into(),
        ],
        run_facts: vec![("Ran on".into(), platform())],
        intended_use: INTENDED_USE.into(),
        patient: None,
    })
}

/// One motion.
fn row(what: String, record: &MotionRecord) -> Vec<Cell> {
    let number = |value: Option<f64>, decimals: usize| number_or_unknown(value.map(|v| format!("{v:.decimals$}")));
    let words = match (record.method, record.jacobians) {
        ("rigid", _) => "rigid, computed",
        ("given", Some(_)) => "displacement field, given",
        ("given", None) => "matrix, given",
        _ => "none: stated to lie in the frame",
    };
    let lost = percent(record.lost_share, 2);
    vec![
        Cell::Text(what),
        Cell::Text(words.into()),
        number(record.shift_mm, 1),
        number(record.rotation_deg, 1),
        number(record.likeness_before, 4),
        number(record.likeness_after, 4),
        number(record.overlap.map(|share| 100.0 * share), 0),
        number(record.halves_apart_mm, 2),
        number(record.inverse_apart_mm, 2),
        number(record.residual_mm, 2),
        if record.lost_share > LOST_SHARE { Cell::Mark(Tone::Attention, lost) } else { Cell::Number(lost) },
    ]
}

/// The regions of a cycle: those that moved by themselves, then those that followed.
fn region_rows(moved: &Moved<'_>) -> Vec<Vec<Cell>> {
    let mut rows = Vec::new();
    for (what, record) in moved.all() {
        rows.extend(record.regions.iter().map(|own| region_row(&own.region, &what, own.displacement_mm, Some(own))));
        let followed = record.followed.iter();
        rows.extend(followed.map(|one| region_row(&one.region, &what, one.displacement_mm, None)));
    }
    let what = moved.named("CT");
    rows.extend(moved.regions.iter().map(|(region, by)| region_row(region, &what, *by, None)));
    rows
}

fn region_row(region: &str, what: &str, by_mm: [f64; 3], own: Option<&RegionRecord>) -> Vec<Cell> {
    let number = |value: Option<f64>, decimals: usize| number_or_unknown(value.map(|v| format!("{v:.decimals$}")));
    let mut cells = vec![Cell::Text(name(region)), Cell::Text(what.to_owned())];
    cells.extend(by_mm.map(|mm| Cell::Number(format!("{mm:+.1}"))));
    cells.push(Cell::Number(format!("{:.1}", length(by_mm))));
    cells.push(Cell::Text(if own.is_some() { "by itself" } else { "with the rest" }.into()));
    cells.push(number(own.map(|own| own.from_common_mm), 1));
    cells.push(number(own.map(|own| own.halves_apart_mm), 2));
    cells.push(number(own.map(|own| own.residual_mm), 2));
    cells
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clinic::motion::FollowedRecord;
    use crate::report::png::Drawn;

    fn record() -> MotionRecord {
        MotionRecord {
            image: "/somewhere/Doe/t072.nii".into(),
            time_h: Some(71.6),
            method: "rigid",
            shift_mm: Some(15.83),
            rotation_deg: Some(0.42),
            likeness_before: Some(0.7),
            likeness_after: Some(0.9),
            overlap: Some(0.97),
            halves_apart_mm: Some(0.31),
            inverse_apart_mm: Some(0.2),
            residual_mm: Some(0.21),
            lost_share: 0.034,
            regions: vec![RegionRecord {
                region: "kidney_left".into(),
                moving_from_fixed_ras_mm: [[0.0; 4]; 4],
                displacement_mm: [0.3, -0.4, 12.0],
                from_common_mm: 9.4,
                halves_apart_mm: 0.5,
                residual_mm: 0.25,
            }],
            followed: vec![FollowedRecord { region: "liver".into(), displacement_mm: [0.0, 3.0, 4.0] }],
            ..MotionRecord::default()
        }
    }

    /// The cells of a section's tables as text.
    fn cells(section: &Section) -> Vec<Vec<Vec<String>>> {
        let text = |cell: &Cell| match cell {
            Cell::Text(text) | Cell::Number(text) => text.clone(),
            Cell::Mark(tone, text) => format!("{tone:?} {text}"),
            _ => "not known".to_owned(),
        };
        let tables = section.blocks.iter().filter_map(|block| match block {
            Block::Table(table) => Some(table.rows.iter().map(|row| row.iter().map(text).collect()).collect()),
            _ => None,
        });
        tables.collect()
    }

    /// Every image and region with its figures, the loss marked, and no file named.
    #[test]
    fn cli_the_motion_page_says_what_moved_and_what_was_lost() {
        let images = [record()];
        let given = MotionRecord { method: "given", shift_mm: Some(4.0), ..MotionRecord::default() };
        let regions = vec![("liver".to_owned(), [1.0, 2.0, 2.0])];
        let moved = [
            Moved { cycle: Some(1), own: None, images: &images, regions: Vec::new() },
            Moved { cycle: Some(2), own: Some(&given), images: &[], regions },
        ];
        let section = section(&moved).expect("a section");
        let tables = cells(&section);
        assert_eq!(
            tables[0][0],
            [
                "cycle 1, 71.6 h",
                "rigid, computed",
                "15.8",
                "0.4",
                "0.7000",
                "0.9000",
                "97",
                "0.31",
                "0.20",
                "0.21",
                "Attention 3.40"
            ]
        );
        assert_eq!(tables[0][1][..3], ["cycle 2, CT", "matrix, given", "4.0"]);
        assert_eq!(tables[0][1][9..], ["not known", "0.00"]);
        assert_eq!(
            tables[1][0],
            ["kidney left", "cycle 1, 71.6 h", "+0.3", "-0.4", "+12.0", "12.0", "by itself", "9.4", "0.50", "0.25"]
        );
        assert_eq!(tables[1][1][..7], ["liver", "cycle 1, 71.6 h", "+0.0", "+3.0", "+4.0", "5.0", "with the rest"]);
        assert_eq!(tables[1][2][..6], ["liver", "cycle 2, CT", "+1.0", "+2.0", "+2.0", "3.0"]);
        assert!(!format!("{section:?}").contains("Doe"));
    }

    /// The page of a series shows each moved image before and after, says what was said, without the file's name, and where it ran.
    #[test]
    fn cli_the_motion_page_shows_and_tells() {
        let drawn = |name: &str| Drawn { name: name.into(), size: [2, 2], rgb: vec![0; 12] };
        let names =
            ["before_axial", "before_coronal", "before_sagittal", "after_axial", "after_coronal", "after_sagittal"];
        let images = [MotionRecord { pictures: names.map(drawn).to_vec(), ..record() }];
        let file = InputFile { role: "image".into(), path: "/Doe/t072.nii".into(), bytes: 1, sha256: "0".into() };
        let note = Note::warning("activity-lost", "3.4 % of the activity lies outside").at("/Doe/t072.nii");
        let page = page(&images, &[&note], &[file]).expect("a page");
        let text = crate::report::page::render(&page);
        assert_eq!(text.matches("<img src=\"data:image/png;base64,").count(), 4, "two planes, before and after");
        for wanted in
            ["71.6 h over the first, coronal, moved", "the image file: 3.4 % of", "Ran on", "Before and after"]
        {
            assert!(text.contains(wanted), "{wanted}");
        }
        // alarm: no file is named, and an image that was not moved has no pictures
        assert!(!text.contains("Doe"));
        let still = super::page(&[record()], &[], &[]).expect("a page");
        assert!(!crate::report::page::render(&still).contains("<img"));
    }

    /// A loss just above the limit of the warning is marked, one just below is not; without registrations there is no section.
    #[test]
    fn alarm_a_loss_of_activity_is_marked() {
        for (lost_share, marked) in [(1.01 * LOST_SHARE, true), (0.99 * LOST_SHARE, false)] {
            let images = [MotionRecord { lost_share, ..record() }];
            let section =
                section(&[Moved { cycle: Some(1), own: None, images: &images, regions: Vec::new() }]).expect("one");
            assert_eq!(cells(&section)[0][0][10].starts_with("Attention"), marked, "{lost_share}");
        }
        assert!(section(&[Moved { cycle: Some(1), own: None, images: &[], regions: Vec::new() }]).is_none());
        assert!(page(&[], &[], &[]).is_none());
        assert_eq!(page(&[record()], &[], &[]).map(|page| page.banner.tone), Some(Tone::Attention));
    }
}
