//! The page of a registration: how far the patient moved, how far that can be trusted, and both images before and after.

use super::blocks::INTENDED_USE;
use crate::clinic::invocation::Invocation;
use crate::note::Note;
use crate::register::agreement::length;
use crate::register::{Registration, verdict};
use crate::report::page::number::{name, percent, significant};
use crate::report::page::{Banner, Block, Cell, Fact, Page, Section, Table, Tone, number_or_unknown, statement};
use crate::report::png::Drawn;
use crate::report::run_record::{InputFile, platform, program, utc};

/// How far a region is taken.
pub struct Place {
    /// Its name.
    pub region: String,
    /// Displacement of its middle from the fixed to the moving frame, RAS mm.
    pub by_mm: [f64; 3],
    /// Distance between the results of two halves of the data there, mm.
    pub halves_apart_mm: f64,
    /// What remains uncertain of it, mm (k = 1, root mean square length).
    pub residual_mm: f64,
    /// The same displacement with the region registered alone, where it is.
    pub own_mm: Option<[f64; 3]>,
    /// What remains uncertain of that, mm.
    pub own_residual_mm: Option<f64>,
}

/// Content of the page.
pub struct Found<'a> {
    /// The registration.
    pub found: &'a Registration,
    /// What it does to the middle of the whole, and to each region.
    pub places: &'a [Place],
    /// Notes of the readers and of the result.
    pub warnings: &'a [Note],
    /// Files read.
    pub inputs: &'a [InputFile],
    /// Three slices before, three after.
    pub pictures: &'a [Drawn],
    /// When it began.
    pub invocation: &'a Invocation,
}

/// The page. It names no file, whose name could be a person's.
pub fn page(f: &Found<'_>) -> Page {
    let unmoved = verdict::unmoved(f.found);
    let clean = |note: &Note| statement::without_paths(&note.to_string(), f.inputs);
    Page {
        title: "Registration of two images".into(),
        lead: format!("{} registration by {} · {}", f.found.kind.name(), f.found.likeness.name(), program()),
        banner: Banner {
            tone: Tone::Plain,
            heading: if unmoved {
                "The images agree as well as they lie"
            } else {
                "The images agree better as registered"
            }
            .into(),
            lines: vec!["Look at the pictures: edges must run through from square to square.".into()],
        },
        facts: facts(f.found),
        warnings: f.warnings.iter().map(clean).collect(),
        sections: vec![pictures(f.pictures), places(f.places), provenance(f.inputs)],
        unknown: vec!["Motion within an image (breathing), and regions that changed their shape.".into()],
        run_facts: vec![
            ("Started (UTC)".into(), utc(f.invocation.moment)),
            ("Ran on".into(), platform()),
            ("Time".into(), format!("{} s", significant(f.invocation.seconds(), 3))),
        ],
        intended_use: INTENDED_USE.into(),
        patient: f.invocation.patient_label.clone(),
    }
}

fn facts(found: &Registration) -> Vec<Fact> {
    let fact = |name: &str, value: String, note: &str| Fact { name: name.into(), value, note: note.into() };
    vec![
        fact("Shift", format!("{:.1} mm", found.shift_mm), "of the middle of what was looked at"),
        fact("Rotation", format!("{:.1}°", found.rotation_deg), ""),
        fact(
            "Agreement before, after",
            format!("{:.4}, {:.4}", found.likeness_before, found.likeness_after),
            "the metric, higher is better",
        ),
        fact("Remains uncertain", format!("{:.1} mm", found.residual_mm), "k = 1, root mean square length"),
        fact(
            "Halves, there and back",
            format!("{:.1} mm, {:.1} mm", found.halves_apart_mm, found.inverse_apart_mm),
            "between the results of two halves of the data, and of the two ways",
        ),
        fact("Overlap", format!("{} %", percent(found.overlap, 0)), "of what is looked at is in both images"),
    ]
}

/// Three columns of planes, before over after.
fn pictures(drawn: &[Drawn]) -> Section {
    let words = |one: &Drawn| match one.name.split_once('_') {
        Some(("before", plane)) => format!("Before, {plane}: as the images lie"),
        Some((_, plane)) => format!("After, {plane}: registered"),
        None => one.name.clone(),
    };
    // a picture without a pixel is none
    let all = drawn.iter().filter_map(|one| Some((one.png().ok()?, words(one)))).collect();
    let about = "The squares of a checkerboard show the fixed and the moving image by turns: what runs \
                 through from square to square agrees.";
    Section::new("pictures", "Before and after", "Pictures", vec![Block::Pictures(3, all), Block::Text(about.into())])
}

fn places(all: &[Place]) -> Section {
    let mm = |value: f64| Cell::Number(format!("{value:+.1}"));
    let row = |place: &Place| {
        let mut cells = vec![Cell::Text(name(&place.region))];
        cells.extend(place.by_mm.map(mm));
        cells.push(Cell::Number(format!("{:.1}", length(place.by_mm))));
        cells.push(Cell::Number(format!("{:.2}", place.halves_apart_mm)));
        cells.push(Cell::Number(format!("{:.2}", place.residual_mm)));
        cells.push(number_or_unknown(place.own_mm.map(|own| format!("{:.1}", length(own)))));
        cells.push(number_or_unknown(place.own_residual_mm.map(|own| format!("{own:.2}"))));
        cells
    };
    let table = Table::new(
        "Displacement from the fixed to the moving image; halves: distance between the results of two halves of the data; residual: \
         what remains uncertain (k = 1); by itself: the region registered alone, known where the label map holds it and it shows enough",
        &[
            "Region",
            "Right|mm",
            "Front|mm",
            "Head|mm",
            "Length|mm",
            "Halves|mm",
            "Residual|mm",
            "Length, by itself|mm",
            "Residual, by itself|mm",
        ],
        all.iter().map(row).collect(),
    );
    Section::new("displacements", "Displacements", "Displacements", vec![Block::Table(table)])
}

fn provenance(inputs: &[InputFile]) -> Section {
    let table = statement::inputs(inputs, "run.json");
    Section::new("provenance", "Provenance", "Provenance", vec![Block::Table(table)])
}
