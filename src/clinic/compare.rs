//! Comparison of two dose maps.
//!
//! B is resampled to A's grid by its header. Before values are compared, the maps are tested for typical header and
//! export faults: a shift, a mirror image, swapped axes, another unit. Voxels covered by only one map are excluded from
//! all numbers, and reported.

use super::compare_noise::{self, Noise};
use super::failure::{AtPath, Failure, OrUserError, UserError};
use super::files::{write_json, write_rows};
use super::images::{self, read_names};
use super::invocation::Invocation;
use super::pages::blocks::{
    INTENDED_USE, dvh_words, histogram_table, series, shown, volume_points_gy, write_histograms,
};
use super::request::{CompareRequest, DvhBands};
use crate::course::frame::{IDENTITY, resample};
use crate::dose::dvh::Dvh;
use crate::dose::dvh::band::curve;
use crate::dose::dvh::own_grid::{is_finer, own_grid_dvh};
use crate::dose::dvh::pieces::{Field, Member, region_dvh};
use crate::dose::regions::RegionHistogram;
use crate::fault::FaultKind;
use crate::grid::{Orientation, Volume, VoxelGrid};
use crate::io::atomic::AtomicOutputDir;
use crate::io::nifti::{self, WriteOptions};
use crate::io::{dicom, open};
use crate::note::{Note, sentences};
use crate::place::Place;
use crate::report::page::chart;
use crate::report::page::number::{name, percent, significant};
use crate::report::page::viewer::{Layer, Scale, Scene, Viewer};
use crate::report::page::{
    Banner, Block, Cell, Fact, Page, Section, ShownRegion, Table, Tone, number_or_unknown, render, statement,
};
use crate::report::png::{Background, Picture, hottest_voxel, scale_top_gy};
use crate::report::run_record::{InputFile, platform, program, utc};
use crate::report::table::significant as plain;
use crate::source::regrid::average_to;
use crate::svalues::gamma::{Criterion, Doses, MOST_GAMMA, NARROW, WIDE, gamma_map, pass_rate};
use crate::svalues::maps::{Finding, Relation, relate};
use crate::text::plain_lines;
use crate::units::rounded;
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;

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
/// Share of the highest dose below which no percentage difference is given.
const LEAST_SHARE: f64 = 0.01;
/// End of the scale of difference slices, %.
const TOP_PERCENT: f64 = 10.0;
/// Edge of B's voxels against A's from which on B is averaged over A's voxels and not interpolated.
const FINER: f64 = 0.6;
/// Tolerance for rounding in the covered share of a region or map.
const ROUNDING: f64 = 1e-6;

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
    a_gy: Option<f64>,
    b_gy: Option<f64>,
    ratio: Option<f64>,
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
    a_reaches: f64,
    b_reaches: f64,
    judged_ml: f64,
}

impl Row {
    /// What of the region is left out, in words; none where both maps hold all of it.
    fn left_out(&self) -> Option<Note> {
        let held = |which: &str, share: f64| {
            (share < 1.0 - ROUNDING).then(|| match share {
                0.0 => format!("{which} does not reach it"),
                _ => format!("{which} reaches {:.2} % of it", 100.0 * share),
            })
        };
        let parts: Vec<String> = [held("A", self.a_reaches), held("B", self.b_reaches)].into_iter().flatten().collect();
        (!parts.is_empty()).then(|| {
            let numbers = if self.judged_ml > 0.0 { "its numbers are of what both reach" } else { "it has no numbers" };
            let text = format!("{}; {numbers}", parts.join(", "));
            Note::warning("map-does-not-reach", text).at(format!("region {}", self.region))
        })
    }
}

/// All findings.
struct Found {
    grids: Vec<String>,
    left_out: Vec<Note>,
    header: Option<String>,
    relation: Relation,
    rows: Vec<Row>,
    a: Vec<RegionHistogram>,
    b: Vec<RegionHistogram>,
    gamma: Vec<f32>,
    passing: [Option<f64>; 2],
    difference_percent: Vec<f32>,
    /// The differences against the errors of both maps, where both are known.
    noise: Option<Noise>,
    /// Voxels with dose in A where B is 0, and the other way round.
    zeros: [usize; 2],
}

/// A comparison and all findings.
pub struct Comparison {
    a: Map,
    b: Map,
    laid: Laid,
    regions: Regions,
    found: Found,
}

/// B on A's grid.
struct Laid {
    dose_gy: Vec<f32>,
    /// Whether B covers a voxel of A; otherwise its dose is ignored.
    reached: Vec<bool>,
    /// The same as weights, 1 or 0: no density is known.
    weights: Vec<f32>,
}

/// Compares two dose maps.
///
/// Errors: maps that cannot be read or do not overlap; invalid regions.
pub fn compare(request: &CompareRequest) -> Result<Comparison, Failure> {
    compare_lent(request, Lent::default())
}

/// Maps and regions that lie in memory, in place of the request's files, which then are their names alone.
#[derive(Clone, Debug, Default)]
pub struct Lent {
    /// The reference, Gy, in any axis order.
    pub a: Option<Volume<f32>>,
    /// The other.
    pub b: Option<Volume<f32>>,
    /// Label map.
    pub labels: Option<Volume<u16>>,
    /// Names of the labels; they go before those of files.
    pub names: BTreeMap<u16, String>,
}

/// As [`compare`], with what lies in memory.
///
/// Errors: as [`compare`].
pub fn compare_lent(request: &CompareRequest, lent: Lent) -> Result<Comparison, Failure> {
    let (a, b) = (read("A", &request.a, lent.a)?, read("B", &request.b, lent.b)?);
    let (grids, left_out, laid) = lay(&a, &b, request)?;
    let header = header(&a, &b, &laid, request.tolerance_rel);
    let grid = &a.dose_gy.grid;
    let relation = relate(grid, &a.dose_gy.data, &laid.dose_gy, &laid.reached, request.tolerance_rel);
    let regions = regions(request, lent.labels, lent.names, grid)?;
    let both: Vec<u32> = (0..grid.len() as u32).filter(|&n| laid.reached[n as usize]).collect();
    let judged_gy: Vec<f32> = both.iter().map(|&n| a.dose_gy.data[n as usize]).collect();
    let rate = |criterion: Criterion| pass_rate(a.doses(), b.doses(), &both, criterion);
    let mut found = Found {
        grids,
        left_out,
        header,
        relation,
        rows: Vec::new(),
        a: Vec::new(),
        b: Vec::new(),
        gamma: laid.or_zero(gamma_map(a.doses(), b.doses(), hot_gy(&judged_gy), WIDE)),
        passing: [rate(NARROW), rate(WIDE)],
        difference_percent: difference_percent(&a.dose_gy.data, &laid),
        noise: compare_noise::noise([&request.a, &request.b], &a.dose_gy, &b.dose_gy)?,
        zeros: zeros(&a.dose_gy.data, &laid),
    };
    for region in &regions {
        compare_region(&a, &b, &laid, region, &mut found);
    }
    let left_out = found.rows.iter().filter_map(Row::left_out);
    found.left_out.extend(left_out);
    Ok(Comparison { a, b, laid, regions, found })
}

impl Map {
    fn doses(&self) -> Doses<'_> {
        Doses { grid: &self.dose_gy.grid, gy: &self.dose_gy.data }
    }
}

impl Laid {
    fn new(dose_gy: Vec<f32>, reached: Vec<bool>) -> Self {
        let weights = reached.iter().map(|&reached| f32::from(u8::from(reached))).collect();
        Self { dose_gy, reached, weights }
    }

    /// Values of A's voxels, 0 where B does not cover them.
    fn or_zero(&self, mut values: Vec<f32>) -> Vec<f32> {
        values.iter_mut().zip(&self.reached).filter(|(_, reached)| !**reached).for_each(|(value, _)| *value = 0.0);
        values
    }
}

/// Voxels with dose in one map where the other holds exactly 0, as after a cut.
fn zeros(a_gy: &[f32], laid: &Laid) -> [usize; 2] {
    let both =
        || a_gy.iter().zip(&laid.dose_gy).zip(&laid.reached).filter(|(_, reached)| **reached).map(|(pair, _)| pair);
    [both().filter(|(a, b)| **a > 0.0 && **b == 0.0).count(), both().filter(|(a, b)| **a == 0.0 && **b > 0.0).count()]
}

/// Share of voxels that must pass 3 mm / 3 % before a page is green where no noise explains the rest.
const GOOD_GAMMA: f64 = 0.95;

/// What speaks against agreement though no shift, flip or scale is found.
fn disagreement(found: &Found) -> Option<String> {
    let passing = found.passing[1]?;
    match &found.noise {
        Some(noise) if noise.explains() => None,
        Some(noise) => Some(format!("Noise does not explain the differences: {}", noise.words())),
        None if passing < GOOD_GAMMA => Some(format!(
            "{} % of the voxels pass gamma 3 mm / 3 %, and the noise of the maps is not known: sigma_rel.nii.gz beside both would \
             tell noise from difference",
            percent(passing, 1)
        )),
        None => None,
    }
}

/// B / A - 1, %; 0 where A has little dose or B does not cover it.
fn difference_percent(a_gy: &[f32], laid: &Laid) -> Vec<f32> {
    let least = (LEAST_SHARE * f64::from(a_gy.iter().copied().fold(0.0_f32, f32::max))) as f32;
    let of = |(&a, &b): (&f32, &f32)| if a > least { 100.0 * (b / a - 1.0) } else { 0.0 };
    laid.or_zero(a_gy.iter().zip(&laid.dose_gy).map(of).collect())
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

    /// What `compare.json` holds.
    pub fn record(&self, request: &CompareRequest) -> serde_json::Value {
        record(request, &self.a, &self.b, &self.found)
    }

    /// Gamma 3 mm/3 % of A's voxels, at most 2, in the axis order of A; 0 where it was not searched.
    ///
    /// Errors: none for a comparison that was made.
    pub fn gamma(&self) -> Result<Volume<f32>, Failure> {
        let volume = Volume { grid: self.a.dose_gy.grid.clone(), data: self.found.gamma.clone() };
        Ok(self.a.orientation.restore(volume)?)
    }

    /// The findings, for the terminal.
    pub fn words(&self) -> String {
        words(&self.found)
    }
}

/// Reads a dose map of either format.
fn read(which: &str, path: &Place, lent: Option<Volume<f32>>) -> Result<Map, UserError> {
    let refused = |found: String, allowed: &str, next: &str| {
        UserError::invalid(format!("{which}, {}", path.display()), "voxel values", found, allowed, next)
    };
    let mut file = None;
    let (volume, form_code) = if let Some(volume) = lent {
        if let Some(n) = volume.data.iter().position(|gy| !gy.is_finite()) {
            let [i, j, k] = volume.grid.voxel(n);
            let found = format!("a NaN or infinite value in ({i}, {j}, {k})");
            return Err(refused(found, "finite Gy", "Set it to a true value."));
        }
        file = Some(images::recorded_values(which, &path.display().to_string(), &volume.data, f32::to_le_bytes));
        (volume, 1)
    } else if dicom::is_dicom(path) {
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
    let file = file.map_or_else(|| images::read(which, path), Ok)?;
    Ok(Map { dose_gy, orientation, form_code, file, letters })
}

/// What the headers say of the two grids, what only one map reaches, and B on A's grid.
fn lay(a: &Map, b: &Map, request: &CompareRequest) -> Result<(Vec<String>, Vec<Note>, Laid), UserError> {
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
        let laid = Laid::new(b.dose_gy.data.clone(), vec![true; ga.len()]);
        common_dose(a, &laid, request)?;
        return Ok((words, Vec::new(), laid));
    }
    words.push(format!("A: {}.", ga.describe()));
    words.push(format!("B: {}.", gb.describe()));
    let (how, laid) = laid(ga, &b.dose_gy, request)?;
    let shares = [reached_share(&a.dose_gy, &|n| laid.reached[n]), reached_share(&b.dose_gy, &reach(gb, ga))];
    if shares[0] == 0.0 {
        return Err(UserError::invalid(
            &request.b,
            "grid",
            gb.describe(),
            format!("one that overlaps A's, {}", ga.describe()),
            "Check that both maps are of one patient in one frame of reference.",
        )
        .kind(FaultKind::Mismatch));
    }
    common_dose(a, &laid, request)?;
    words.push(format!("B was {how} A’s grid; gamma is searched on B’s own."));
    let mut left_out = Vec::new();
    for ((which, of), share) in [("B", "A"), ("A", "B")].into_iter().zip(shares) {
        words.push(format!("{which} reaches {:.2} % of {of}’s voxels with dose.", 100.0 * share));
        if share < 1.0 - ROUNDING {
            let text = format!(
                "{which} reaches {:.2} % of {of}’s voxels with dose: what only {of} reaches is left out of every number",
                100.0 * share
            );
            left_out.push(Note::warning("map-does-not-reach", text));
        }
    }
    Ok((words, left_out, laid))
}

/// B on A's grid, and how it was resampled.
fn laid(ga: &VoxelGrid, b: &Volume<f32>, request: &CompareRequest) -> Result<(&'static str, Laid), UserError> {
    let gb = &b.grid;
    let finer = (0..3).all(|axis| gb.spacing_mm[axis] <= FINER * ga.spacing_mm[axis]);
    if finer && let Ok(averaged) = average_to(b, ga, 0.0) {
        // a mean over part of a voxel is not the voxel's mean
        let whole = |n: usize| {
            let voxel = ga.voxel(n).map(|i| i as f64);
            (0..8).all(|corner| {
                let at = std::array::from_fn(|axis| voxel[axis] + if corner >> axis & 1 == 1 { 0.5 } else { -0.5 });
                gb.holds(gb.voxel_at_mm(ga.world_mm(at)))
            })
        };
        return Ok(("averaged over", Laid::new(averaged.volume.data, (0..ga.len()).map(whole).collect())));
    }
    let (moved, _) = resample(b, ga, &IDENTITY).ok_or_else(|| {
        UserError::invalid(&request.b, "grid", "one that cannot be inverted", "", "Write the file again.")
    })?;
    Ok(("interpolated linearly onto", Laid::new(moved.data, (0..ga.len()).map(reach(ga, gb)).collect())))
}

/// Whether a grid covers a voxel centre of another.
fn reach<'a>(from: &'a VoxelGrid, to: &'a VoxelGrid) -> impl Fn(usize) -> bool + 'a {
    move |n| to.holds(to.voxel_at_mm(from.world_mm(from.voxel(n).map(|i| i as f64))))
}

/// Share of a map's voxels with dose that are covered.
fn reached_share(map: &Volume<f32>, reached: &dyn Fn(usize) -> bool) -> f64 {
    let dosed = (0..map.data.len()).filter(|&n| map.data[n] > 0.0);
    let (all, held) = dosed.fold((0_usize, 0_usize), |(all, held), n| (all + 1, held + usize::from(reached(n))));
    held as f64 / all.max(1) as f64
}

/// Refuses maps without a voxel in which both have dose.
fn common_dose(a: &Map, laid: &Laid, request: &CompareRequest) -> Result<(), UserError> {
    let both = |n: usize| laid.reached[n] && a.dose_gy.data[n] > 0.0 && laid.dose_gy[n] > 0.0;
    if (0..laid.reached.len()).any(both) {
        return Ok(());
    }
    Err(UserError::invalid(
        &request.b,
        "voxel values",
        "no dose where A has some",
        "maps with dose in common",
        "Check that both maps are of one patient in one frame of reference.",
    ))
}

/// Whether the maps differ by their headers rather than their values.
fn header(a: &Map, b: &Map, laid: &Laid, tolerance_rel: f64) -> Option<String> {
    let (ga, gb) = (&a.dose_gy.grid, &b.dose_gy.grid);
    let distance_mm = ga.corner_distance_mm(gb)?;
    if ga.same_as(gb) {
        return None;
    }
    let by_header = relate(ga, &a.dose_gy.data, &laid.dose_gy, &laid.reached, tolerance_rel);
    let by_index = relate(ga, &a.dose_gy.data, &b.dose_gy.data, &vec![true; ga.len()], tolerance_rel);
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

/// A region on A's grid.
struct Region {
    label: u16,
    name: String,
    /// Volume as drawn, mL.
    volume_ml: f64,
    /// Its voxels with the fraction it covers.
    members: Vec<Member>,
    /// The grid it was drawn on and its voxels there, where that is finer than A's.
    drawn: Option<(VoxelGrid, Vec<Member>)>,
    /// The centres of its voxels as drawn, mm.
    centres_mm: Vec<[f64; 3]>,
}

/// The regions by label; empty without a label map.
type Regions = Vec<Region>;

fn regions(
    request: &CompareRequest,
    lent: Option<Volume<u16>>,
    lent_names: BTreeMap<u16, String>,
    grid: &VoxelGrid,
) -> Result<Regions, UserError> {
    let Some(path) = &request.labels else { return Ok(Vec::new()) };
    let (labels, mut names) = match lent {
        Some(labels) => (labels, BTreeMap::new()),
        None => {
            let opened = open::open_labels(path, grid, None).or_user_error()?;
            (opened.labels, opened.names.iter().map(|(n, name)| (n, name.to_owned())).collect())
        }
    };
    names.extend(read_names(request.label_names.as_ref())?);
    names.extend(lent_names);
    let (labels, _) = labels.to_canonical();
    let mut drawn: BTreeMap<u16, Vec<usize>> = BTreeMap::new();
    for (n, &label) in labels.data.iter().enumerate().filter(|(_, label)| **label > 0) {
        drawn.entry(label).or_default().push(n);
    }
    if drawn.is_empty() {
        return Err(super::images::no_region(path));
    }
    let mut regions = Vec::new();
    let finer = is_finer(&labels.grid, grid);
    for (label, voxels) in drawn {
        let centre = |&n: &usize| labels.grid.world_mm(labels.grid.voxel(n).map(|i| i as f64));
        regions.push(Region {
            label,
            name: names.get(&label).cloned().unwrap_or_else(|| format!("label_{label}")),
            volume_ml: voxels.len() as f64 * labels.grid.voxel_cm3(),
            drawn: finer.then(|| (labels.grid.clone(), voxels.iter().map(|&n| (n, 1.0)).collect())),
            centres_mm: voxels.iter().map(centre).collect(),
            members: members(&labels, label, voxels, grid),
        });
    }
    Ok(regions)
}

/// A region's voxels on another grid; empty if it does not cover the region.
fn members(labels: &Volume<u16>, label: u16, voxels: Vec<usize>, grid: &VoxelGrid) -> Vec<Member> {
    if labels.grid.same_as(grid) {
        return voxels.into_iter().map(|n| (n, 1.0)).collect();
    }
    let inside = labels.map(|known| f32::from(u8::from(known == label)));
    // an error means labels that do not overlap the grid at all
    let data = average_to(&inside, grid, 0.0).map(|share| share.volume.data).unwrap_or_default();
    (0..data.len()).filter(|&n| data[n] > 1e-4).map(|n| (n, data[n].min(1.0))).collect()
}

/// The dose exceeded by 2 % of the voxels that have at least a tenth of the highest dose.
fn hot_gy(dose_gy: &[f32]) -> f64 {
    let top = dose_gy.iter().copied().fold(0.0_f32, f32::max);
    let warm: Vec<f32> = dose_gy.iter().copied().filter(|&gy| gy > 0.1 * top).collect();
    Dvh::new(warm).dose_at_volume_gy(2.0).map_or(f64::from(top), f64::from)
}

fn compare_region(a: &Map, b: &Map, laid: &Laid, region: &Region, found: &mut Found) {
    let grid = &a.dose_gy.grid;
    let weights = &laid.weights;
    let members: Vec<Member> = region.members.iter().copied().filter(|member| laid.reached[member.0]).collect();
    // the whole region, so that a map's border is not mistaken for the region's boundary
    let covered: BTreeMap<usize, f32> = region.members.iter().copied().collect();
    let dvh = |dose_gy: &[f32]| {
        let field = Field { grid, dose_gy, density_g_cm3: Some(weights), least_density_g_cm3: 0.5 };
        match &region.drawn {
            Some((own, drawn)) => own_grid_dvh(&field, own, drawn, true).dvh,
            None => region_dvh(&field, &members, &|n| covered.get(&n).copied().unwrap_or(0.0)),
        }
    };
    let (da, db) = (dvh(&a.dose_gy.data), dvh(&laid.dose_gy));
    let volume: f64 = members.iter().map(|member| f64::from(member.1)).sum();
    let mean = |dose: &[f32]| {
        let sum = members.iter().map(|&(n, share)| f64::from(dose[n]) * f64::from(share)).sum::<f64>();
        (volume > 0.0).then(|| sum / volume)
    };
    let (a_gy, b_gy) = (mean(&a.dose_gy.data), mean(&laid.dose_gy));
    let mut differences: Vec<f64> = members
        .iter()
        .filter(|&&(n, share)| share >= 0.5 && a.dose_gy.data[n] > 0.0)
        .map(|&(n, _)| 100.0 * (f64::from(laid.dose_gy[n]) / f64::from(a.dose_gy.data[n]) - 1.0))
        .collect();
    let median_percent = quantile(&mut differences, 0.5);
    let mut magnitudes: Vec<f64> = differences.iter().map(|d| d.abs()).collect();
    let voxels: Vec<u32> = members.iter().filter(|member| member.1 >= 0.5).map(|member| member.0 as u32).collect();
    let gamma = |criterion| pass_rate(a.doses(), b.doses(), &voxels, criterion);
    let point = |dvh: &Dvh, percent: f64| dvh.dose_at_volume_gy(percent);
    found.rows.push(Row {
        label: region.label,
        region: region.name.clone(),
        volume_ml: region.volume_ml,
        a_gy,
        b_gy,
        ratio: a_gy.zip(b_gy).filter(|(a_gy, _)| *a_gy != 0.0).map(|(a_gy, b_gy)| b_gy / a_gy),
        a_d98_gy: point(&da, 98.0),
        b_d98_gy: point(&db, 98.0),
        a_d50_gy: point(&da, 50.0),
        b_d50_gy: point(&db, 50.0),
        a_d2_gy: point(&da, 2.0),
        b_d2_gy: point(&db, 2.0),
        median_percent,
        p95_percent: quantile(&mut magnitudes, 0.95),
        gamma_2mm_1percent: gamma(NARROW),
        gamma_3mm_3percent: gamma(WIDE),
        a_reaches: region.reached_by(&a.dose_gy.grid),
        b_reaches: region.reached_by(&b.dose_gy.grid),
        judged_ml: volume * grid.voxel_cm3(),
    });
    // a region without a voxel in both maps has no curve
    for (dvh, list) in [(da, &mut found.a), (db, &mut found.b)].into_iter().filter(|(dvh, _)| !dvh.is_empty()) {
        list.push(RegionHistogram {
            label: region.label,
            name: region.name.clone(),
            curve: curve(&dvh),
            dvh,
            total: None,
        });
    }
}

impl Region {
    /// Share of its voxels, as drawn, whose centres a grid covers.
    fn reached_by(&self, grid: &VoxelGrid) -> f64 {
        let reached = self.centres_mm.iter().filter(|&&centre| grid.holds(grid.voxel_at_mm(centre))).count();
        reached as f64 / self.centres_mm.len() as f64
    }
}

/// The `q`-quantile of the values, which are sorted in place; `None` if empty.
fn quantile(values: &mut [f64], q: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    values.get((last as f64 * q).round() as usize).copied()
}

/// Every finding in words.
fn findings(found: &Found) -> Vec<String> {
    found.header.iter().cloned().chain(found.relation.findings.iter().map(Finding::words)).collect()
}

/// The result as text for the terminal.
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
    text.push_str(&format!("\nB over A, sums over the voxels with dose: {}\n", rounded(found.relation.factor, 5)));
    if let Some(noise) = &found.noise {
        text.push_str(&format!("noise of both maps: {}\n", noise.words()));
    }
    if let Some(doubt) = disagreement(found) {
        text.push_str(&format!("\nDIFFER: {doubt}\n"));
    }
    for (which, other, count) in [("A", "B", found.zeros[0]), ("B", "A", found.zeros[1])] {
        if count > 0 {
            text.push_str(&format!("{count} voxels with dose in {which} are exactly 0 in {other}\n"));
        }
    }
    if !found.rows.is_empty() {
        text.push_str(&table(&found.rows));
    }
    for line in &found.left_out {
        text.push_str(&format!("\nLEFT OUT: {line}\n"));
    }
    text
}

/// The regions as aligned lines.
fn table(rows: &[Row]) -> String {
    let width = rows.iter().map(|row| row.region.chars().count()).max().unwrap_or(6).max(6);
    let mut text = format!(
        "\n{:<width$}  {:>10} {:>10} {:>8} {:>8} {:>6} {:>6} {:>6}\n",
        "region", "A Gy", "B Gy", "B/A", "median %", "p95 %", "g 2/1", "g 3/3"
    );
    let show = |value: Option<f64>, decimals: usize| value.map_or_else(|| "-".into(), |v| format!("{v:.decimals$}"));
    let dose = |value: Option<f64>| value.map_or_else(|| "-".into(), |gy| plain(gy, 6));
    for row in rows {
        text.push_str(&format!(
            "{:<width$}  {:>10} {:>10} {:>8} {:>8} {:>6} {:>6} {:>6}\n",
            row.region,
            dose(row.a_gy),
            dose(row.b_gy),
            show(row.ratio, 4),
            show(row.median_percent, 2),
            show(row.p95_percent, 1),
            show(row.gamma_2mm_1percent.map(|s| 100.0 * s), 1),
            show(row.gamma_3mm_3percent.map(|s| 100.0 * s), 1)
        ));
    }
    text
}

#[allow(clippy::too_many_arguments, reason = "everything that was found, once")]
fn write(
    request: &CompareRequest,
    a: &Map,
    b: &Map,
    laid: &Laid,
    regions: &[Region],
    found: &Found,
    folder: &AtomicOutputDir,
    invocation: &Invocation,
) -> Result<(), Failure> {
    write_rows(&folder.file("compare.csv"), &found.rows)?;
    let difference = laid.or_zero(a.dose_gy.data.iter().zip(&laid.dose_gy).map(|(&a, &b)| b - a).collect());
    for (name, description, data) in [
        ("difference_gy.nii.gz", "B - A, Gy; 0 where B does not reach", difference),
        ("difference_percent.nii.gz", "B/A - 1, %; 0 below 1 % of A's top, beyond B", found.difference_percent.clone()),
        ("gamma_3mm_3percent.nii.gz", "gamma 3 mm/3 %, at most 2; 0 below A's tenth, beyond B", found.gamma.clone()),
    ] {
        let volume = a.orientation.restore(Volume { grid: a.dose_gy.grid.clone(), data })?;
        let description = format!("{description}; {}", program());
        nifti::write_with(folder.file(name), &volume, &WriteOptions { description, form_code: a.form_code })?;
    }
    if !found.a.is_empty() {
        write_histograms(&[("A", &found.a), ("B", &found.b)], "volume", DvhBands::Transport, folder)?;
    }
    write_json(&folder.file("compare.json"), &record(request, a, b, found))?;
    let path = folder.file("report.html");
    let page = page(request, a, b, laid, regions, found, invocation)?;
    path.write(plain_lines(&render(&page)).as_bytes()).at(&path)
}

/// What `compare.json` holds.
fn record(request: &CompareRequest, a: &Map, b: &Map, found: &Found) -> serde_json::Value {
    json!({
        "schema": 1,
        "program": program(),
        "inputs": [&a.file, &b.file],
        "tolerance_rel": request.tolerance_rel,
        "grids": found.grids,
        "header": found.header,
        "relation": found.relation,
        "findings": findings(found),
        "noise": found.noise.map(|noise| json!({
            "spread": noise.spread, "within_two": noise.within_two, "median_rel": noise.median_rel, "voxels": noise.voxels,
        })),
        "zero_in_b_alone": found.zeros[0],
        "zero_in_a_alone": found.zeros[1],
        "left_out": sentences(&found.left_out),
        "notes": found.left_out,
        "gamma_2mm_1percent": found.passing[0],
        "gamma_3mm_3percent": found.passing[1],
        "regions": found.rows,
    })
}

fn page(
    request: &CompareRequest,
    a: &Map,
    b: &Map,
    laid: &Laid,
    regions: &[Region],
    found: &Found,
    invocation: &Invocation,
) -> Result<Page, Failure> {
    let shown = shown(&found.rows.iter().map(|row| (row.region.clone(), row.a_gy.unwrap_or(0.0))).collect::<Vec<_>>());
    let with_curve = with_curve(found, &shown);
    let mut files = vec![a.file.clone(), b.file.clone()];
    for (role, path) in [("labels", &request.labels), ("label_names", &request.label_names)] {
        if let Some(path) = path.as_ref().filter(|path| path.is_file()) {
            files.push(images::read(role, path)?);
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
                ("Left unexplained by a common factor, without any shift or flip".into(), format!("{} % of A’s dose (root mean square)", percent(found.relation.unexplained, 2))),
                ("The same after flips, swaps and moves found".into(), format!("{} %", percent(found.relation.unexplained_after, 2))),
                ("B over A, sums over the voxels with dose".into(), format!("{:.5}", found.relation.factor)),
                ("Voxels with dose in A that are exactly 0 in B".into(), found.zeros[0].to_string()),
                ("Voxels with dose in B that are exactly 0 in A".into(), found.zeros[1].to_string()),
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
        let mut curves = series(&found.a, &with_curve);
        curves.extend(series(&found.b, &with_curve).into_iter().map(|mut one| {
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
                    drawing: chart::dvh(&curves, "Absorbed dose", "volume", &format!("A: {}. B: {}", dvh_words(&found.a, &with_curve), dvh_words(&found.b, &with_curve))),
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
                "Gamma: Low et al., Med. Phys. 25 (1998) 656, B interpolated linearly on its own grid and its least value in closed \
                 form (Ju et al., Med. Phys. 35 (2008) 879); the dose criterion is a share of A’s hot \
                 end (what 2 % of the region, or of the warm voxels, exceed), voxels below a tenth of it take no part. \
                 What only one of the maps reaches is left out of every number. \
                 Histograms: by volume; a voxel that a region covers in part counts in part."
                    .into(),
            ),
            Block::Table(statement::inputs(&files, "compare.json")),
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
    let ratios = found.rows.iter().filter_map(|row| Some((row, row.ratio? - 1.0)));
    if let Some((worst, off)) = ratios.max_by(|a, b| a.1.abs().total_cmp(&b.1.abs())) {
        facts.push(Fact {
            name: format!("Largest difference: {}", name(&worst.region)),
            value: format!("{} %", significant(100.0 * off, 3)),
            note: "of the region’s mean dose".into(),
        });
    }
    if let Some(noise) = &found.noise {
        facts.push(Fact {
            name: "Difference over noise".into(),
            value: significant(noise.spread, 3),
            note: "root mean square, both standard errors; 1 for noise alone".into(),
        });
    }
    let list = findings(found);
    let doubt = disagreement(found);
    Ok(Page {
        title: "Comparison of two dose maps".into(),
        lead: format!("A is the reference · {}", program()),
        banner: Banner {
            tone: match (list.is_empty(), &doubt) {
                (true, None) => Tone::Good,
                (true, Some(_)) => Tone::Attention,
                (false, _) => Tone::Stop,
            },
            heading: match list.len() {
                0 if doubt.is_some() => "No shift, flip or scale found, but the maps differ".into(),
                0 => "No shift, flip or scale found".into(),
                1 => list[0].clone(),
                n => format!("{n} findings"),
            },
            lines: match list.len() {
                0 => {
                    let mut lines: Vec<String> = doubt.iter().cloned().collect();
                    if let (None, Some(noise)) = (&doubt, &found.noise) {
                        lines.push(format!("Noise explains what is left: {}.", noise.words()));
                    }
                    lines.push(format!(
                        "A common factor within {} % of 1 is not named.",
                        percent(request.tolerance_rel, 2)
                    ));
                    lines
                }
                1 => vec!["Clear this before the numbers below are used.".into()],
                _ => list.clone(),
            },
        },
        facts,
        warnings: sentences(&found.left_out),
        sections,
        unknown: vec![
            match &found.noise {
                Some(_) => "The uncertainty of either map beyond the statistics of its transport.".into(),
                None => "The uncertainty of either map: a difference below their noise is no difference.".to_owned(),
            },
            "How A and B were made.".into(),
        ],
        run_facts: vec![("Started (UTC)".into(), utc(invocation.moment)), ("Ran on".into(), platform())],
        intended_use: INTENDED_USE.into(),
        patient: invocation.patient_label.clone(),
    })
}

/// The regions with a curve: those with a voxel covered by both maps.
fn with_curve(found: &Found, shown: &[ShownRegion]) -> Vec<ShownRegion> {
    let has = |row: &Row| found.a.iter().any(|one| one.label == row.label);
    found.rows.iter().zip(shown).filter(|(row, _)| has(row)).map(|(_, region)| region.clone()).collect()
}

fn regions_section(found: &Found, shown: &[ShownRegion]) -> Section {
    let share = |value: Option<f64>| number_or_unknown(value.map(|v| percent(v, 1)));
    let rows = found
        .rows
        .iter()
        .zip(shown)
        .map(|(row, region)| {
            vec![
                Cell::Region(region.colour, name(&row.region)),
                Cell::Number(significant(row.volume_ml, 4)),
                number_or_unknown(row.a_gy.map(|gy| significant(gy, 4))),
                number_or_unknown(row.b_gy.map(|gy| significant(gy, 4))),
                number_or_unknown(row.ratio.map(|ratio| format!("{ratio:.4}"))),
                number_or_unknown(row.median_percent.map(|v| format!("{v:.2}").replace('-', "−"))),
                number_or_unknown(row.p95_percent.map(|v| format!("{v:.1}"))),
                share(row.gamma_2mm_1percent),
                share(row.gamma_3mm_3percent),
            ]
        })
        .collect();
    let points = volume_points_gy(found.rows.iter().filter_map(|row| row.a_d2_gy.map(f64::from)));
    let with_curve = with_curve(found, shown);
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
            Block::Table(histogram_table("Histogram points of A, by volume", &found.a, &with_curve, &points)),
            Block::Table(histogram_table("Histogram points of B, by volume", &found.b, &with_curve, &points)),
        ],
    )
}

fn slices(a: &Map, laid: &Laid, regions: &[Region], found: &Found, shown: &[ShownRegion]) -> Section {
    let grid = &a.dose_gy.grid;
    let mut labels = vec![0_u16; grid.len()];
    for region in regions {
        for &(n, _) in region.members.iter().filter(|member| member.1 >= 0.5) {
            labels[n] = region.label;
        }
    }
    let region_labels: Vec<u16> = found.rows.iter().map(|row| row.label).collect();
    // no anatomy known: the background stays dark
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
    let layer = |name: &str, unit: &str, values, scale| Layer {
        name: name.into(),
        unit: unit.into(),
        values,
        scale,
        zero: None,
    };
    let viewer = Viewer::new(&Scene {
        grid,
        background,
        labels: (!regions.is_empty()).then_some(&labels),
        region_labels: &region_labels,
        regions: shown,
        layers: vec![
            layer("Difference B / A − 1", "%", &found.difference_percent, Scale::Signed { top: TOP_PERCENT }),
            layer("A", "Gy", &a.dose_gy.data, Scale::Root { top }),
            layer("B on A’s grid", "Gy", &laid.dose_gy, Scale::Root { top }),
            layer(
                "Gamma 3 mm / 3 %",
                "",
                &found.gamma,
                Scale::Classes { edges: vec![0.25, 0.5, 0.75, 1.0, 1.5, f64::from(MOST_GAMMA)] },
            ),
        ],
        start: hottest_voxel(&picture),
        unseen: Some("dose maps hold none"),
    });
    let mut blocks = Vec::new();
    if !shown.is_empty() {
        blocks.push(Block::RegionChoice(shown.to_vec()));
    }
    blocks.push(Block::Viewer(Box::new(viewer)));
    Section::new("slices", "Slices", "Slices", blocks)
}
