//! Two dose maps held against each other.
//!
//! B is laid on A's grid by its header. Before any number is compared, the maps are tested for the faults that a header
//! or an export makes: another place, a mirror image, swapped axes, another unit.

use super::failure::{AtPath, Failure, OrUserError, UserError};
use super::files::{write_json, write_rows};
use super::images::{hashed, read_names};
use super::invocation::Invocation;
use super::pages::blocks::{
    INTENDED_USE, dvh_words, histogram_table, series, shown, volume_points_gy, write_histograms,
};
use super::request::CompareRequest;
use crate::course::frame::{IDENTITY, resample};
use crate::dose::dvh::Dvh;
use crate::dose::dvh::band::curve;
use crate::dose::dvh::pieces::{Field, Member, region_dvh};
use crate::dose::regions::RegionHistogram;
use crate::fault::FaultKind;
use crate::grid::{Orientation, Volume, VoxelGrid};
use crate::io::atomic::AtomicOutputDir;
use crate::io::nifti::{self, WriteOptions};
use crate::io::{dicom, open};
use crate::report::page::chart;
use crate::report::page::number::{name, percent, significant};
use crate::report::page::viewer::{Layer, Scale, Scene, Viewer};
use crate::report::page::{
    Banner, Block, Cell, Fact, Page, Section, Table, Tone, number_or_unknown, render, statement,
};
use crate::report::png::{Background, Picture, hottest_voxel, scale_top_gy};
use crate::report::run_record::{InputFile, platform, program, utc};
use crate::source::regrid::average_to;
use crate::svalues::gamma::{Criterion, MOST_GAMMA, NARROW, WIDE, gamma_map, pass_rate};
use crate::svalues::maps::{Finding, Relation, relate};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;

/// Names of the files written.
pub const FILE_NAMES: [&str; 8] = [
    "report.html",
    "compare.csv",
    "compare.json",
    "dvh.csv",
    "dvh.json",
    "difference_gy.nii.gz",
    "difference_percent.nii.gz",
    "gamma_3mm_3percent.nii.gz",
];
/// Share of the hottest dose below which no difference in percent is stated.
const LEAST_SHARE: f64 = 0.01;
/// End of the scale of difference slices, %.
const TOP_PERCENT: f64 = 10.0;
/// Edge of B's voxels against A's from which on B is averaged over A's voxels and not interpolated.
const FINER: f64 = 0.6;
/// Share of A's voxels with dose that B must reach.
const LEAST_COVERED: f64 = 0.999;

/// A dose map as read, in canonical order.
struct Map {
    dose_gy: Volume<f32>,
    orientation: Orientation,
    form_code: i16,
    file: InputFile,
    letters: String,
}

/// One row of `compare.csv`.
#[derive(Clone, Debug, Serialize)]
struct Row {
    label: u16,
    region: String,
    volume_ml: f64,
    a_gy: f64,
    b_gy: f64,
    ratio: f64,
    a_d98_gy: Option<f32>,
    b_d98_gy: Option<f32>,
    a_d50_gy: Option<f32>,
    b_d50_gy: Option<f32>,
    a_d2_gy: Option<f32>,
    b_d2_gy: Option<f32>,
    median_percent: Option<f64>,
    p95_percent: Option<f64>,
    gamma_2mm_1percent: Option<f64>,
    gamma_3mm_3percent: Option<f64>,
}

/// Everything that was found.
struct Found {
    grids: Vec<String>,
    header: Option<String>,
    relation: Relation,
    rows: Vec<Row>,
    a: Vec<RegionHistogram>,
    b: Vec<RegionHistogram>,
    gamma: Vec<f32>,
    passing: [Option<f64>; 2],
    difference_percent: Vec<f32>,
}

/// A comparison and all that was found.
pub struct Comparison {
    a: Map,
    b: Map,
    laid: Vec<f32>,
    regions: Regions,
    found: Found,
}

/// Holds two dose maps against each other.
///
/// Errors: maps that cannot be read or do not overlap; regions that are none.
pub fn compare(request: &CompareRequest) -> Result<Comparison, Failure> {
    let (a, b) = (read("A", &request.a)?, read("B", &request.b)?);
    let (grids, laid) = lay(&a, &b, request)?;
    let header = header(&a, &b, &laid, request.tolerance_rel);
    let grid = &a.dose_gy.grid;
    let relation = relate(grid, &a.dose_gy.data, &laid, request.tolerance_rel);
    let (regions, names) = regions(request, grid)?;
    let hot = hot_gy(&a.dose_gy.data);
    let everywhere: Vec<u32> = (0..grid.len() as u32).collect();
    let rate = |criterion: Criterion| pass_rate(grid, &a.dose_gy.data, &laid, &everywhere, criterion);
    let least = (LEAST_SHARE * f64::from(a.dose_gy.data.iter().copied().fold(0.0_f32, f32::max))) as f32;
    let difference_percent: Vec<f32> =
        a.dose_gy.data.iter().zip(&laid).map(|(&a, &b)| if a > least { 100.0 * (b / a - 1.0) } else { 0.0 }).collect();
    let mut found = Found {
        grids,
        header,
        relation,
        rows: Vec::new(),
        a: Vec::new(),
        b: Vec::new(),
        gamma: gamma_map(grid, &a.dose_gy.data, &laid, hot, WIDE),
        passing: [rate(NARROW), rate(WIDE)],
        difference_percent,
    };
    for (&label, members) in &regions {
        let region = names.get(&label).cloned().unwrap_or_else(|| format!("label_{label}"));
        compare_region(&a, &laid, label, &region, members, &mut found);
    }
    Ok(Comparison { a, b, laid, regions, found })
}

impl Comparison {
    /// Writes tables, maps and the page.
    pub fn save(
        &self,
        request: &CompareRequest,
        folder: &AtomicOutputDir,
        invocation: &Invocation,
    ) -> Result<(), Failure> {
        write(request, &self.a, &self.b, &self.laid, &self.regions, &self.found, folder, invocation)
    }

    /// What was found, for a terminal.
    pub fn words(&self) -> String {
        words(&self.found)
    }
}

/// Reads a dose map of either format.
fn read(which: &str, path: &Path) -> Result<Map, UserError> {
    let refused = |found: String, allowed: &str, next: &str| {
        UserError::invalid(format!("{which}, {}", path.display()), "voxel values", found, allowed, next)
    };
    let (volume, form_code) = if dicom::is_dicom(path) {
        let dose = dicom::read_rtdose(path).or_user_error()?;
        (Volume { grid: dose.grid, data: dose.data.into_iter().map(|gy| gy as f32).collect() }, 1)
    } else {
        let image = nifti::read_image::<f32>(path).or_user_error()?;
        if let Some([i, j, k]) = image.first_nonfinite {
            return Err(refused(
                format!("a NaN or infinite value in ({i}, {j}, {k})"),
                "finite Gy",
                "Set it to a true value.",
            ));
        }
        (image.volume, WriteOptions::like(&image.header, "").form_code)
    };
    if !volume.data.iter().any(|&gy| gy > 0.0) {
        return Err(refused("no dose above 0".into(), "a dose map, Gy", "Check the file."));
    }
    let letters = volume.grid.orientation().letters();
    let (dose_gy, orientation) = volume.to_canonical();
    let file = hashed(which, path)?;
    Ok(Map { dose_gy, orientation, form_code, file, letters })
}

/// What the headers say of the two grids, and B on A's grid.
fn lay(a: &Map, b: &Map, request: &CompareRequest) -> Result<(Vec<String>, Vec<f32>), UserError> {
    let (ga, gb) = (&a.dose_gy.grid, &b.dose_gy.grid);
    let mut words = Vec::new();
    if a.letters == b.letters {
        words.push(format!("Both files run {}.", a.letters));
    } else {
        words.push(format!(
            "A runs {}, B runs {}: both were turned to right, front, head; nothing was interpolated.",
            a.letters, b.letters
        ));
    }
    if ga.same_as(gb) {
        words.push(format!("One grid: {}.", ga.describe()));
        return Ok((words, b.dose_gy.data.clone()));
    }
    words.push(format!("A: {}.", ga.describe()));
    words.push(format!("B: {}.", gb.describe()));
    let finer = (0..3).all(|axis| gb.spacing_mm[axis] <= FINER * ga.spacing_mm[axis]);
    let averaged = if finer { average_to(&b.dose_gy, ga, 0.0).ok() } else { None };
    let how = if averaged.is_some() { "averaged over" } else { "interpolated linearly onto" };
    let moved = match averaged {
        Some(averaged) => averaged.volume,
        None => {
            let moved = resample(&b.dose_gy, ga, &IDENTITY).ok_or_else(|| {
                UserError::invalid(&request.b, "grid", "one that cannot be inverted", "", "Write the file again.")
            })?;
            moved.0
        }
    };
    let inside = |n: usize| {
        let place = gb.voxel_at_mm(ga.world_mm(ga.voxel(n).map(|i| i as f64)));
        (0..3).all(|axis| (-0.5..=gb.dims[axis] as f64 - 0.5).contains(&place[axis]))
    };
    let dosed: Vec<usize> = (0..ga.len()).filter(|&n| a.dose_gy.data[n] > 0.0).collect();
    let covered = dosed.iter().filter(|&&n| inside(n)).count() as f64 / dosed.len().max(1) as f64;
    if covered == 0.0 {
        return Err(UserError::invalid(
            &request.b,
            "grid",
            gb.describe(),
            format!("one that overlaps A's, {}", ga.describe()),
            "Check that both maps are of one patient in one frame of reference.",
        )
        .kind(FaultKind::Mismatch));
    }
    words.push(format!("B was {how} A’s grid; it reaches {:.2} % of A’s voxels with dose.", 100.0 * covered));
    if covered < LEAST_COVERED {
        words.push("Where B does not reach, its dose counts as 0.".into());
    }
    Ok((words, moved.data))
}

/// Whether the headers, and not the values, set the maps apart.
fn header(a: &Map, b: &Map, laid: &[f32], tolerance_rel: f64) -> Option<String> {
    let (ga, gb) = (&a.dose_gy.grid, &b.dose_gy.grid);
    let distance_mm = ga.corner_distance_mm(gb)?;
    if ga.same_as(gb) {
        return None;
    }
    let by_header = relate(ga, &a.dose_gy.data, laid, tolerance_rel);
    let by_index = relate(ga, &a.dose_gy.data, &b.dose_gy.data, tolerance_rel);
    (by_index.unexplained < 0.5 * by_header.unexplained && by_index.findings.len() <= by_header.findings.len()).then(|| {
        let offset: Vec<String> = (0..3)
            .map(|axis| format!("{:+.2}", gb.affine[axis][3] - ga.affine[axis][3]))
            .collect();
        format!(
            "The values agree voxel by voxel, but the headers place them up to {distance_mm:.2} mm apart (first voxel of B \
             {} mm from A’s towards right, front, head): one of the headers is wrong",
            offset.join(", ")
        )
    })
}

/// Regions on A's grid: voxels with the share that the region covers. Without labels there is one: where A has a tenth of
/// its hottest dose.
type Regions = BTreeMap<u16, Vec<Member>>;

fn regions(request: &CompareRequest, grid: &VoxelGrid) -> Result<(Regions, BTreeMap<u16, String>), UserError> {
    let Some(path) = &request.labels else { return Ok((BTreeMap::new(), BTreeMap::new())) };
    let opened = open::open_labels(path, grid, None).or_user_error()?;
    let mut names: BTreeMap<u16, String> = opened.names.iter().map(|(n, name)| (n, name.to_owned())).collect();
    names.extend(read_names(request.label_names.as_deref())?);
    let (labels, _) = opened.labels.to_canonical();
    let mut present: Vec<u16> = labels.data.iter().copied().filter(|&label| label > 0).collect();
    present.sort_unstable();
    present.dedup();
    if present.is_empty() {
        return Err(super::images::no_region(path));
    }
    let mut regions = BTreeMap::new();
    for label in present {
        let members: Vec<Member> = if labels.grid.same_as(grid) {
            (0..labels.data.len()).filter(|&n| labels.data[n] == label).map(|n| (n, 1.0)).collect()
        } else {
            let inside = labels.map(|known| f32::from(u8::from(known == label)));
            let share = average_to(&inside, grid, 0.0).or_user_error()?;
            let data = share.volume.data;
            (0..data.len()).filter(|&n| data[n] > 1e-4).map(|n| (n, data[n].min(1.0))).collect()
        };
        if !members.is_empty() {
            regions.insert(label, members);
        }
    }
    Ok((regions, names))
}

/// The dose that 2 % of the voxels with a tenth of the highest dose exceed.
fn hot_gy(dose_gy: &[f32]) -> f64 {
    let top = dose_gy.iter().copied().fold(0.0_f32, f32::max);
    let warm: Vec<f32> = dose_gy.iter().copied().filter(|&gy| gy > 0.1 * top).collect();
    Dvh::new(warm).dose_at_volume_gy(2.0).map_or(f64::from(top), f64::from)
}

fn compare_region(a: &Map, laid: &[f32], label: u16, region: &str, members: &[Member], found: &mut Found) {
    let grid = &a.dose_gy.grid;
    let covered: BTreeMap<usize, f32> = members.iter().copied().collect();
    let dvh = |dose_gy: &[f32]| {
        let field = Field { grid, dose_gy, density_g_cm3: None, least_density_g_cm3: 0.0 };
        region_dvh(&field, members, &|n| covered.get(&n).copied().unwrap_or(0.0))
    };
    let (da, db) = (dvh(&a.dose_gy.data), dvh(laid));
    let volume: f64 = members.iter().map(|member| f64::from(member.1)).sum();
    let mean =
        |dose: &[f32]| members.iter().map(|&(n, share)| f64::from(dose[n]) * f64::from(share)).sum::<f64>() / volume;
    let (a_gy, b_gy) = (mean(&a.dose_gy.data), mean(laid));
    let mut differences: Vec<f64> = members
        .iter()
        .filter(|&&(n, share)| share >= 0.5 && a.dose_gy.data[n] > 0.0)
        .map(|&(n, _)| 100.0 * (f64::from(laid[n]) / f64::from(a.dose_gy.data[n]) - 1.0))
        .collect();
    let quantile = |values: &mut Vec<f64>, q: f64| {
        values.sort_by(f64::total_cmp);
        let last = values.len().checked_sub(1)?;
        values.get((last as f64 * q).round() as usize).copied()
    };
    let median_percent = quantile(&mut differences, 0.5);
    let mut magnitudes: Vec<f64> = differences.iter().map(|d| d.abs()).collect();
    let p95_percent = quantile(&mut magnitudes, 0.95);
    let voxels: Vec<u32> = members.iter().filter(|member| member.1 >= 0.5).map(|member| member.0 as u32).collect();
    let gamma = |criterion| pass_rate(grid, &a.dose_gy.data, laid, &voxels, criterion);
    let point = |dvh: &Dvh, percent: f64| dvh.dose_at_volume_gy(percent);
    found.rows.push(Row {
        label,
        region: region.to_owned(),
        volume_ml: volume * grid.voxel_cm3(),
        a_gy,
        b_gy,
        ratio: b_gy / a_gy,
        a_d98_gy: point(&da, 98.0),
        b_d98_gy: point(&db, 98.0),
        a_d50_gy: point(&da, 50.0),
        b_d50_gy: point(&db, 50.0),
        a_d2_gy: point(&da, 2.0),
        b_d2_gy: point(&db, 2.0),
        median_percent,
        p95_percent,
        gamma_2mm_1percent: gamma(NARROW),
        gamma_3mm_3percent: gamma(WIDE),
    });
    for (dvh, list) in [(da, &mut found.a), (db, &mut found.b)] {
        list.push(RegionHistogram { label, name: region.to_owned(), curve: curve(&dvh), dvh });
    }
}

/// Every finding in words.
fn findings(found: &Found) -> Vec<String> {
    found.header.iter().cloned().chain(found.relation.findings.iter().map(Finding::words)).collect()
}

/// The result for the terminal.
fn words(found: &Found) -> String {
    let mut text = String::new();
    for line in &found.grids {
        text.push_str(&format!("{line}\n"));
    }
    let findings = findings(found);
    if findings.is_empty() {
        text.push_str("\nno shift, flip or scale found\n");
    }
    for finding in &findings {
        text.push_str(&format!("\nFOUND: {finding}\n"));
    }
    text.push_str(&format!("\nB over A, sums over the voxels with dose: {:.5}\n", found.relation.factor));
    if !found.rows.is_empty() {
        let width = found.rows.iter().map(|row| row.region.chars().count()).max().unwrap_or(6).max(6);
        text.push_str(&format!(
            "\n{:<width$}  {:>10} {:>10} {:>8} {:>8} {:>6} {:>6} {:>6}\n",
            "region", "A Gy", "B Gy", "B/A", "median %", "p95 %", "g 2/1", "g 3/3"
        ));
        let show =
            |value: Option<f64>, decimals: usize| value.map_or_else(|| "-".into(), |v| format!("{v:.decimals$}"));
        for row in &found.rows {
            text.push_str(&format!(
                "{:<width$}  {:>10.5} {:>10.5} {:>8.4} {:>8} {:>6} {:>6} {:>6}\n",
                row.region,
                row.a_gy,
                row.b_gy,
                row.ratio,
                show(row.median_percent, 2),
                show(row.p95_percent, 1),
                show(row.gamma_2mm_1percent.map(|s| 100.0 * s), 1),
                show(row.gamma_3mm_3percent.map(|s| 100.0 * s), 1)
            ));
        }
    }
    text
}

#[allow(clippy::too_many_arguments, reason = "everything that was found, once")]
fn write(
    request: &CompareRequest,
    a: &Map,
    b: &Map,
    laid: &[f32],
    regions: &Regions,
    found: &Found,
    folder: &AtomicOutputDir,
    invocation: &Invocation,
) -> Result<(), Failure> {
    write_rows(&folder.file("compare.csv"), &found.rows)?;
    let difference: Vec<f32> = a.dose_gy.data.iter().zip(laid).map(|(&a, &b)| b - a).collect();
    for (name, description, data) in [
        ("difference_gy.nii.gz", "B - A, Gy", difference),
        (
            "difference_percent.nii.gz",
            "B / A - 1, %; 0 below 1 % of A's hottest dose",
            found.difference_percent.clone(),
        ),
        (
            "gamma_3mm_3percent.nii.gz",
            "gamma 3 mm / 3 %, at most 2; 0 where A is below 10 % of its hot end",
            found.gamma.clone(),
        ),
    ] {
        let volume = a.orientation.restore(Volume { grid: a.dose_gy.grid.clone(), data })?;
        let description = format!("{description}; {}", program());
        nifti::write_with(folder.file(name), &volume, &WriteOptions { description, form_code: a.form_code })?;
    }
    if !found.a.is_empty() {
        write_histograms(&[("A", &found.a), ("B", &found.b)], "volume", folder)?;
    }
    let record = json!({
        "schema": 1,
        "program": program(),
        "inputs": [&a.file, &b.file],
        "tolerance_rel": request.tolerance_rel,
        "grids": found.grids,
        "header": found.header,
        "relation": found.relation,
        "findings": findings(found),
        "gamma_2mm_1percent": found.passing[0],
        "gamma_3mm_3percent": found.passing[1],
        "regions": found.rows,
    });
    write_json(&folder.file("compare.json"), &record)?;
    let path = folder.file("report.html");
    let page = page(request, a, b, laid, regions, found, invocation)?;
    std::fs::write(&path, render(&page)).at(&path)
}

fn page(
    request: &CompareRequest,
    a: &Map,
    b: &Map,
    laid: &[f32],
    regions: &Regions,
    found: &Found,
    invocation: &Invocation,
) -> Result<Page, Failure> {
    let shown = shown(&found.rows.iter().map(|row| (row.region.clone(), row.a_gy)).collect::<Vec<_>>());
    let mut files = vec![a.file.clone(), b.file.clone()];
    for (role, path) in [("labels", &request.labels), ("label_names", &request.label_names)] {
        if let Some(path) = path.as_ref().filter(|path| path.is_file()) {
            files.push(hashed(role, path)?);
        }
    }
    let mut sections = vec![Section::new(
        "grids",
        "Orientation and grids",
        "Grids",
        vec![
            Block::List(found.grids.clone()),
            Block::Text(
                "B was then tried against A mirrored along every axis, with axes swapped where the grid allows it, moved by \
                 whole voxels and by parts of one, and with a common factor. A finding is named where it explains clearly \
                 more than the maps as they are."
                    .into(),
            ),
            Block::Terms(vec![
                ("Not explained by any factor, as they are".into(), format!("{} % of A’s dose (root mean square)", percent(found.relation.unexplained, 2))),
                ("The same after flips, swaps and moves found".into(), format!("{} %", percent(found.relation.unexplained_after, 2))),
                ("B over A, sums over the voxels with dose".into(), format!("{:.5}", found.relation.factor)),
            ]),
        ],
    )];
    if found.rows.is_empty() {
        sections.push(Section::new(
            "regions",
            "Regions",
            "Regions",
            vec![Block::Text("Not known: no label map was given.".into())],
        ));
    } else {
        sections.push(regions_section(found, &shown));
        let mut curves = series(&found.a, &shown);
        curves.extend(series(&found.b, &shown).into_iter().map(|mut one| {
            one.second = true;
            one
        }));
        sections.push(Section::new(
            "histograms",
            "Dose-volume histograms",
            "Histograms",
            vec![
                Block::RegionChoice(shown.clone()),
                Block::Figure {
                    drawing: chart::dvh(&curves, "Absorbed dose", &format!("A: {}. B: {}", dvh_words(&found.a, &shown), dvh_words(&found.b, &shown))),
                    caption: "Full lines: A; dotted: B. By volume: no density is known here. All points are in dvh.csv and dvh.json.".into(),
                },
            ],
        ));
    }
    sections.push(slices(a, laid, regions, found, &shown));
    sections.push(Section::new(
        "provenance",
        "Provenance",
        "Provenance",
        vec![
            Block::Text(
                "Gamma: Low et al., Med. Phys. 25 (1998) 656, B interpolated linearly; the dose criterion is a share of A’s hot \
                 end (what 2 % of the region, or of the warm voxels, exceed), voxels below a tenth of it take no part. \
                 Histograms: by volume; a voxel that a region covers in part counts in part."
                    .into(),
            ),
            Block::Table(statement::inputs(&files)),
        ],
    ));
    let mut facts = vec![Fact {
        name: "B over A".into(),
        value: format!("{:.4}", found.relation.factor),
        note: "sums over the voxels with dose".into(),
    }];
    for (criterion, value) in ["2 mm / 1 %", "3 mm / 3 %"].iter().zip(found.passing) {
        facts.push(Fact {
            name: format!("Gamma {criterion}"),
            value: value.map_or_else(|| "not known".into(), |share| format!("{} %", percent(share, 1))),
            note: "of the voxels with dose pass".into(),
        });
    }
    if let Some(worst) = found.rows.iter().max_by(|a, b| (a.ratio - 1.0).abs().total_cmp(&(b.ratio - 1.0).abs())) {
        facts.push(Fact {
            name: format!("Largest difference: {}", name(&worst.region)),
            value: format!("{} %", significant(100.0 * (worst.ratio - 1.0), 3)),
            note: "of the region’s mean dose".into(),
        });
    }
    let list = findings(found);
    Ok(Page {
        title: "Comparison of two dose maps".into(),
        lead: format!("A is the reference · {}", program()),
        banner: Banner {
            tone: if list.is_empty() { Tone::Good } else { Tone::Stop },
            heading: match list.len() {
                0 => "No shift, flip or scale found".into(),
                1 => list[0].clone(),
                n => format!("{n} findings"),
            },
            lines: match list.len() {
                0 => vec![format!("A common factor within {} % of 1 is not named.", percent(request.tolerance_rel, 2))],
                1 => vec!["Clear this before the numbers below are used.".into()],
                _ => list.clone(),
            },
        },
        facts,
        warnings: Vec::new(),
        sections,
        unknown: vec![
            "The uncertainty of either map: a difference below their noise is no difference.".into(),
            "How A and B were made.".into(),
        ],
        run_facts: vec![("Started (UTC)".into(), utc(invocation.moment)), ("Ran on".into(), platform())],
        intended_use: INTENDED_USE.into(),
    })
}

fn regions_section(found: &Found, shown: &[crate::report::page::ShownRegion]) -> Section {
    let share = |value: Option<f64>| number_or_unknown(value.map(|v| percent(v, 1)));
    let rows = found
        .rows
        .iter()
        .zip(shown)
        .map(|(row, region)| {
            vec![
                Cell::Region(region.colour, name(&row.region)),
                Cell::Number(significant(row.volume_ml, 4)),
                Cell::Number(significant(row.a_gy, 4)),
                Cell::Number(significant(row.b_gy, 4)),
                Cell::Number(format!("{:.4}", row.ratio)),
                number_or_unknown(row.median_percent.map(|v| format!("{v:.2}").replace('-', "−"))),
                number_or_unknown(row.p95_percent.map(|v| format!("{v:.1}"))),
                share(row.gamma_2mm_1percent),
                share(row.gamma_3mm_3percent),
            ]
        })
        .collect();
    let points = volume_points_gy(found.rows.iter().filter_map(|row| row.a_d2_gy.map(f64::from)));
    Section::new(
        "regions",
        "Regions",
        "Regions",
        vec![
            Block::Table(Table::new(
                "Mean doses; differences of voxels: median, and what 95 % stay below; share of voxels that pass gamma",
                &[
                    "Region",
                    "Volume|mL",
                    "A|Gy",
                    "B|Gy",
                    "B / A",
                    "Median|%",
                    "95 % within|%",
                    "Gamma 2 mm/1 %|%",
                    "Gamma 3 mm/3 %|%",
                ],
                rows,
            )),
            Block::Table(histogram_table("Histogram points of A, by volume", &found.a, shown, &points)),
            Block::Table(histogram_table("Histogram points of B, by volume", &found.b, shown, &points)),
        ],
    )
}

fn slices(
    a: &Map,
    laid: &[f32],
    regions: &Regions,
    found: &Found,
    shown: &[crate::report::page::ShownRegion],
) -> Section {
    let grid = &a.dose_gy.grid;
    let mut labels = vec![0_u16; grid.len()];
    for (&label, members) in regions {
        for &(n, share) in members {
            if share >= 0.5 {
                labels[n] = label;
            }
        }
    }
    let region_labels: Vec<u16> = found.rows.iter().map(|row| row.label).collect();
    // no anatomy is known: it stays dark
    let dark = vec![0.84_f32; grid.len()];
    let background = Background::Density(&dark);
    let picture = Picture {
        grid,
        background,
        dose_gy: &a.dose_gy.data,
        labels: (!regions.is_empty()).then_some(&labels),
        outlines: &[],
        title: "",
    };
    let top = scale_top_gy(&a.dose_gy.data);
    let layer = |name: &str, unit: &str, values, scale| Layer { name: name.into(), unit: unit.into(), values, scale };
    let viewer = Viewer::new(&Scene {
        grid,
        background,
        labels: (!regions.is_empty()).then_some(&labels),
        region_labels: &region_labels,
        regions: shown,
        layers: vec![
            layer("Difference B / A − 1", "%", &found.difference_percent, Scale::Signed { top: TOP_PERCENT }),
            layer("A", "Gy", &a.dose_gy.data, Scale::Root { top }),
            layer("B on A’s grid", "Gy", laid, Scale::Root { top }),
            layer(
                "Gamma 3 mm / 3 %",
                "",
                &found.gamma,
                Scale::Classes { edges: vec![0.25, 0.5, 0.75, 1.0, 1.5, f64::from(MOST_GAMMA)] },
            ),
        ],
        start: hottest_voxel(&picture),
    });
    let mut blocks = Vec::new();
    if !shown.is_empty() {
        blocks.push(Block::RegionChoice(shown.to_vec()));
    }
    blocks.push(Block::Viewer(Box::new(viewer)));
    Section::new("slices", "Slices", "Slices", blocks)
}
