//! Slices of the dose over the anatomy, as PNG.
//!
//! Radiological display: the patient's right is on the left of axial and coronal slices, the front on the left of
//! sagittal ones. Grey is the CT in a soft-tissue window (-160 to 240 HU); colour is the dose on the inferno map,
//! on a square-root scale, so that organs show beside tumours of ten times their dose; low dose is see-through.
//! Anatomy and dose are interpolated linearly between voxel centres for display alone. Index axes are matched to
//! the nearest world axes; an oblique grid is drawn along its own axes, with the letters of the nearest ones.

/// Two images in alternate squares.
pub mod checkerboard;
/// Slices of a difference between two dose maps.
pub mod difference;

use super::canvas::{Canvas, GREY, Text, WHITE};
use crate::grid::VoxelGrid;
use std::collections::BTreeMap;
use thiserror::Error;

/// A picture that could not be written.
#[derive(Debug, Error)]
#[error("cannot write picture {name}: {source}")]
pub struct PngError {
    /// The file's name.
    pub name: String,
    /// Why.
    pub source: image::ImageError,
}

/// Anatomy to draw the dose over.
#[derive(Clone, Copy, Debug)]
pub enum Background<'a> {
    /// CT numbers, HU.
    Hu(&'a [f32]),
    /// Mass density, g/cm3, drawn as HU = 1000 (density - 1).
    Density(&'a [f32]),
}

/// A region to outline.
#[derive(Clone, Debug, PartialEq)]
pub struct Outline {
    /// Its label.
    pub label: u16,
    /// Its name in the legend.
    pub name: String,
    /// Its mean dose in the legend, Gy.
    pub dose_gy: Option<f64>,
}

/// Everything the slices are cut from; volumes have one value a voxel of the grid.
#[derive(Clone, Copy, Debug)]
pub struct Picture<'a> {
    /// Where the values lie.
    pub grid: &'a VoxelGrid,
    /// Anatomy.
    pub background: Background<'a>,
    /// Absorbed dose, Gy.
    pub dose_gy: &'a [f32],
    /// Region labels, if any.
    pub labels: Option<&'a [u16]>,
    /// Regions to outline.
    pub outlines: &'a [Outline],
    /// First line over the picture.
    pub title: &'a str,
}

/// Direction of a cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plane {
    /// Across the body's length.
    Axial,
    /// Front of the body against its back.
    Coronal,
    /// Left of the body against its right.
    Sagittal,
}

impl Plane {
    /// The three planes.
    pub const ALL: [Self; 3] = [Self::Axial, Self::Coronal, Self::Sagittal];

    /// Name as used in file names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Axial => "axial",
            Self::Coronal => "coronal",
            Self::Sagittal => "sagittal",
        }
    }

    /// World axes (0 x, 1 y, 2 z) along the picture's columns and rows and across it. The first two run downwards
    /// in world coordinates: from right to left, from front to back, from head to feet.
    fn axes(self) -> [usize; 3] {
        match self {
            Self::Axial => [0, 1, 2],
            Self::Coronal => [0, 2, 1],
            Self::Sagittal => [1, 2, 0],
        }
    }
}

/// Letters at the low and the high end of the world axes.
const LETTERS: [[&str; 2]; 3] = [["L", "R"], ["P", "A"], ["I", "S"]];
const AXIS_NAMES: [&str; 3] = ["x", "y", "z"];
/// Length of the longer side of the drawn slice, pixels.
const LONG_SIDE_PX: f64 = 780.0;
const HEADER_PX: usize = 64;
const MARGIN_PX: usize = 30;
const PANEL_PX: usize = 330;
const LEAST_HEIGHT_PX: usize = 560;
/// Opacity of the dose colour where it is full.
const OPACITY: f32 = 0.72;

/// The index axes of a grid matched to the world axes.
pub(super) struct PictureFrame {
    /// Index axis of each world axis.
    pub(super) axis: [usize; 3],
    /// Whether the index runs against the world axis.
    pub(super) reversed: [bool; 3],
}

impl PictureFrame {
    /// Matches each world axis, the clearest match first, to the free index axis that runs most along it.
    pub(super) fn of(grid: &VoxelGrid) -> Self {
        let along = |world: usize, index: usize| grid.affine[world][index] / grid.spacing_mm[index];
        let mut pairs: Vec<(usize, usize)> = (0..9).map(|n| (n / 3, n % 3)).collect();
        pairs.sort_by(|&(w, i), &(v, j)| along(v, j).abs().total_cmp(&along(w, i).abs()));
        let (mut axis, mut used_world, mut used_index) = ([0; 3], [false; 3], [false; 3]);
        for (world, index) in pairs {
            if !used_world[world] && !used_index[index] {
                axis[world] = index;
                used_world[world] = true;
                used_index[index] = true;
            }
        }
        let reversed = std::array::from_fn(|world| along(world, axis[world]) < 0.0);
        Self { axis, reversed }
    }

    /// Position along world axis `world`, counted upwards in world coordinates, as an index; or back.
    pub(super) fn turned(&self, grid: &VoxelGrid, world: usize, position: usize) -> usize {
        if self.reversed[world] { grid.dims[self.axis[world]] - 1 - position } else { position }
    }
}

/// One slice in display order: column 0 at the left, row 0 at the top.
struct Slice {
    columns: usize,
    rows: usize,
    column_mm: f64,
    row_mm: f64,
    /// Position in the data of the volumes.
    voxel: Vec<usize>,
}

impl Slice {
    fn cut(grid: &VoxelGrid, plane: Plane, through: [usize; 3]) -> Self {
        let frame = PictureFrame::of(grid);
        let [across, down, normal] = plane.axes();
        let (columns, rows) = (grid.dims[frame.axis[across]], grid.dims[frame.axis[down]]);
        let mut voxel = Vec::with_capacity(columns * rows);
        for row in 0..rows {
            for column in 0..columns {
                let mut at = [0; 3];
                at[frame.axis[across]] = frame.turned(grid, across, columns - 1 - column);
                at[frame.axis[down]] = frame.turned(grid, down, rows - 1 - row);
                at[frame.axis[normal]] = through[frame.axis[normal]];
                voxel.push(grid.index(at[0], at[1], at[2]));
            }
        }
        Self {
            columns,
            rows,
            column_mm: grid.spacing_mm[frame.axis[across]],
            row_mm: grid.spacing_mm[frame.axis[down]],
            voxel,
        }
    }

    /// Values of the slice, each made from its voxel's position.
    fn values(&self, of: impl Fn(usize) -> f32) -> Vec<f32> {
        self.voxel.iter().map(|&n| of(n)).collect()
    }

    /// Values interpolated linearly on `width` x `height` pixels.
    fn scaled(&self, values: &[f32], width: usize, height: usize) -> Vec<f32> {
        let places = |pixels: usize, cells: usize| -> Vec<(usize, usize, f32)> {
            (0..pixels)
                .map(|pixel| {
                    let place =
                        ((pixel as f64 + 0.5) / pixels as f64 * cells as f64 - 0.5).clamp(0.0, cells as f64 - 1.0);
                    let low = place.floor() as usize;
                    (low, (low + 1).min(cells - 1), (place - low as f64) as f32)
                })
                .collect()
        };
        let (xs, ys) = (places(width, self.columns), places(height, self.rows));
        let mut scaled = Vec::with_capacity(width * height);
        for &(top, bottom, fy) in &ys {
            let (upper, lower) = (&values[top * self.columns..], &values[bottom * self.columns..]);
            for &(left, right, fx) in &xs {
                let above = upper[left] + fx * (upper[right] - upper[left]);
                let below = lower[left] + fx * (lower[right] - lower[left]);
                scaled.push(above + fy * (below - above));
            }
        }
        scaled
    }
}

/// Voxel index (i, j, k) at the centroid of the region of the given labels; none when it has no voxel. For a hollow
/// region the voxel may lie outside it.
pub fn region_centre(grid: &VoxelGrid, labels: &[u16], members: &[u16]) -> Option<[usize; 3]> {
    let (mut sum, mut count) = ([0.0; 3], 0_usize);
    let [nx, ny, _] = grid.dims;
    for (n, label) in labels.iter().enumerate() {
        if members.contains(label) {
            count += 1;
            for (axis, place) in [n % nx, n / nx % ny, n / (nx * ny)].into_iter().enumerate() {
                sum[axis] += place as f64;
            }
        }
    }
    (count > 0).then(|| sum.map(|total| (total / count as f64).round() as usize))
}

/// Voxel index (i, j, k) that the slices should pass through: the centre of the region of highest mean dose (of 8
/// voxels or more), or, without labels, the middle of the 3 x 3 x 3 block of highest mean dose.
pub fn hottest_voxel(picture: &Picture<'_>) -> [usize; 3] {
    picture.labels.and_then(|labels| hottest_region(picture, labels)).unwrap_or_else(|| hottest_block(picture))
}

fn hottest_region(picture: &Picture<'_>, labels: &[u16]) -> Option<[usize; 3]> {
    let mut sums: BTreeMap<u16, (f64, usize)> = BTreeMap::new();
    for (label, dose) in labels.iter().zip(picture.dose_gy).filter(|(label, _)| **label > 0) {
        let sum = sums.entry(*label).or_default();
        sum.0 += f64::from(*dose);
        sum.1 += 1;
    }
    let mean = |&(total, count): &(f64, usize)| total / count as f64;
    let hottest = sums.iter().filter(|(_, sum)| sum.1 >= 8).max_by(|a, b| mean(a.1).total_cmp(&mean(b.1)))?;
    region_centre(picture.grid, labels, &[*hottest.0])
}

fn hottest_block(picture: &Picture<'_>) -> [usize; 3] {
    let dims = picture.grid.dims;
    let mut best = (f64::NEG_INFINITY, dims.map(|n| n / 2));
    let near = |n: usize, axis: usize| n.saturating_sub(1)..=(n + 1).min(dims[axis] - 1);
    for k in 0..dims[2] {
        for j in 0..dims[1] {
            for i in 0..dims[0] {
                let mut sum = 0.0;
                for kk in near(k, 2) {
                    for jj in near(j, 1) {
                        for ii in near(i, 0) {
                            sum += f64::from(picture.dose_gy[picture.grid.index(ii, jj, kk)]);
                        }
                    }
                }
                if sum > best.0 {
                    best = (sum, [i, j, k]);
                }
            }
        }
    }
    best.1
}

/// Upper end of the colour scale, Gy: the dose that 1 voxel in 10 000 of those with dose exceeds, rounded up to a
/// round number; 1 where there is no dose.
pub fn scale_top_gy(dose_gy: &[f32]) -> f64 {
    let mut doses: Vec<f32> = dose_gy.iter().copied().filter(|dose| *dose > 0.0).collect();
    let Some(rank) = doses.len().checked_sub(1 + doses.len() / 10_000) else {
        return 1.0;
    };
    let (_, top, _) = doses.select_nth_unstable_by(rank, f32::total_cmp);
    rounded_up(f64::from(*top))
}

fn rounded_up(value: f64) -> f64 {
    let decade = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    steps.iter().map(|step| step * decade).find(|round| *round >= value * 0.999_999).unwrap_or(10.0 * decade)
}

/// A drawn slice.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// Its name without an ending: `dose_axial`.
    pub name: String,
    /// Columns and rows.
    pub size: [usize; 2],
    /// Red, green and blue of each pixel, row by row from the top left.
    pub rgb: Vec<u8>,
}

impl Drawn {
    /// A picture under a name.
    pub fn of(name: String, image: image::RgbImage) -> Self {
        let size = [image.width() as usize, image.height() as usize];
        Self { name, size, rgb: image.into_raw() }
    }

    /// The picture as the bytes of a PNG file.
    ///
    /// Errors: a picture without a pixel.
    pub fn png(&self) -> Result<Vec<u8>, PngError> {
        let mut bytes = std::io::Cursor::new(Vec::new());
        let [columns, rows] = self.size.map(|n| n as u32);
        let (kind, format) = (image::ColorType::Rgb8, image::ImageFormat::Png);
        image::write_buffer_with_format(&mut bytes, &self.rgb, columns, rows, kind, format)
            .map_err(|source| PngError { name: format!("{}.png", self.name), source })?;
        Ok(bytes.into_inner())
    }
}

/// The three slices through voxel `through` (i, j, k), named `stem` and the plane, on one colour scale.
pub fn slices(picture: &Picture<'_>, stem: &str, through: [usize; 3]) -> Vec<Drawn> {
    let top_gy = scale_top_gy(picture.dose_gy);
    let drawn = |plane: Plane| Drawn::of(format!("{stem}_{}", plane.name()), draw(picture, plane, through, top_gy));
    Plane::ALL.map(drawn).to_vec()
}

/// Draws one slice through voxel `through` (i, j, k) with the colour scale from 0 to `top_gy`.
pub fn draw(picture: &Picture<'_>, plane: Plane, through: [usize; 3], top_gy: f64) -> image::RgbImage {
    let slice = Slice::cut(picture.grid, plane, through);
    let (width_mm, height_mm) = (slice.columns as f64 * slice.column_mm, slice.rows as f64 * slice.row_mm);
    let px_per_mm = LONG_SIDE_PX / width_mm.max(height_mm);
    let pixels = |mm: f64| ((mm * px_per_mm).round() as usize).max(1);
    let (width, height) = (pixels(width_mm), pixels(height_mm));
    let body_px = (height + 2 * MARGIN_PX).max(LEAST_HEIGHT_PX);
    let mut canvas = Canvas::new(width + 2 * MARGIN_PX + PANEL_PX, HEADER_PX + body_px);
    let (left, top) = (MARGIN_PX, HEADER_PX + (body_px - height) / 2);

    paint_dose(&mut canvas, picture, &slice, (left, top, width, height), top_gy);
    let outlined = paint_outlines(&mut canvas, picture, &slice, (left, top, width, height));
    paint_letters(&mut canvas, plane, (left, top, width, height));
    paint_ruler(&mut canvas, (left, top, width, height), px_per_mm);
    paint_header(&mut canvas, picture, &slice, plane, through);
    paint_panel(&mut canvas, width + 2 * MARGIN_PX, top_gy, &outlined);
    canvas.into_image()
}

/// Left, top, width and height of the drawn slice, pixels.
type Area = (usize, usize, usize, usize);

fn paint_dose(canvas: &mut Canvas, picture: &Picture<'_>, slice: &Slice, area: Area, top_gy: f64) {
    let (left, top, width, height) = area;
    let grey = |hu: f32| ((hu + 160.0) / 400.0).clamp(0.0, 1.0);
    let anatomy = match picture.background {
        Background::Hu(hu) => slice.values(|n| grey(hu[n])),
        Background::Density(density) => slice.values(|n| grey(1000.0 * (density[n] - 1.0))),
    };
    let anatomy = slice.scaled(&anatomy, width, height);
    let dose = slice.scaled(&slice.values(|n| picture.dose_gy[n]), width, height);
    for y in 0..height {
        for x in 0..width {
            let level = (anatomy[y * width + x] * 255.0).round();
            let share = (dose[y * width + x] / top_gy as f32).clamp(0.0, 1.0);
            canvas.set(left + x, top + y, [level, level, level]);
            canvas.blend(left + x, top + y, dose_colour(share), opacity(share));
        }
    }
}

/// Colour of a share of the scale's top: inferno on a square-root scale.
fn dose_colour(share: f32) -> [f32; 3] {
    let colour = colorous::INFERNO.eval_continuous(f64::from(share.sqrt()));
    [colour.r, colour.g, colour.b].map(f32::from)
}

/// Opacity of the dose colour: none below 0.8 % of the top, where single voxels are mostly noise, rising smoothly to
/// its full value at 4 %.
fn opacity(share: f32) -> f32 {
    let rise = ((share - 0.008) / 0.032).clamp(0.0, 1.0);
    OPACITY * rise * rise * (3.0 - 2.0 * rise)
}

/// Draws the outlines of the regions in the slice; returns those found with their colours.
fn paint_outlines(canvas: &mut Canvas, picture: &Picture<'_>, slice: &Slice, area: Area) -> Vec<(Outline, [f32; 3])> {
    let Some(labels) = picture.labels else {
        return Vec::new();
    };
    let (left, top, width, height) = area;
    let mut found = Vec::new();
    for (number, outline) in picture.outlines.iter().enumerate() {
        let inside = slice.values(|n| if labels[n] == outline.label { 1.0 } else { 0.0 });
        if !inside.contains(&1.0) {
            continue;
        }
        let colour = outline_colour(number);
        let level = slice.scaled(&inside, width, height);
        let at = |x: usize, y: usize| level[y.min(height - 1) * width + x.min(width - 1)];
        for y in 0..height {
            for x in 0..width {
                // Distance to the half-way line, pixels, from the level and its slope.
                let slope_x = 0.5 * (at(x + 1, y) - at(x.saturating_sub(1), y));
                let slope_y = 0.5 * (at(x, y + 1) - at(x, y.saturating_sub(1)));
                let slope = (slope_x * slope_x + slope_y * slope_y).sqrt();
                if slope > 1e-4 {
                    let distance = (at(x, y) - 0.5).abs() / slope;
                    canvas.blend(left + x, top + y, colour, (1.35 - distance).clamp(0.0, 1.0) * 0.9);
                }
            }
        }
        found.push((outline.clone(), colour));
    }
    found
}

/// Colour of the n-th outline: twelve pale ones, then eight strong ones, then again from the start.
fn outline_colour(number: usize) -> [f32; 3] {
    let (pale, strong) = (&colorous::SET3, &colorous::SET1);
    let number = number % (pale.len() + strong.len());
    let colour = pale.get(number).unwrap_or_else(|| &strong[number - pale.len()]);
    [colour.r, colour.g, colour.b].map(f32::from)
}

fn paint_letters(canvas: &mut Canvas, plane: Plane, (left, top, width, height): Area) {
    let [across, down, _] = plane.axes();
    let (middle_x, middle_y) = (left + width / 2, top + height / 2);
    let put = |canvas: &mut Canvas, x: usize, y: usize, letter: &str| {
        canvas.text(x - Text::Bold.width(letter) / 2, y - Text::Bold.height() / 2, letter, Text::Bold, WHITE);
    };
    put(canvas, left - 15, middle_y, LETTERS[across][1]);
    put(canvas, left + width + 15, middle_y, LETTERS[across][0]);
    put(canvas, middle_x, top - 15, LETTERS[down][1]);
    put(canvas, middle_x, top + height + 15, LETTERS[down][0]);
}

/// A bar of 50 mm (or the round length that suits a small or large grid) in the lower left corner.
fn paint_ruler(canvas: &mut Canvas, (left, top, width, height): Area, px_per_mm: f64) {
    let quarter_mm = width as f64 / px_per_mm / 4.0;
    let lengths_mm = [200.0, 100.0, 50.0, 20.0, 10.0, 5.0, 2.0, 1.0, 0.5, 0.2, 0.1];
    let Some(length_mm) = lengths_mm.into_iter().find(|length| *length <= quarter_mm) else {
        return;
    };
    let (x, y) = (left + 12, top + height.saturating_sub(14));
    let length_px = (length_mm * px_per_mm).round() as usize;
    canvas.fill(x, y, length_px, 2, WHITE);
    canvas.fill(x, y.saturating_sub(4), 2, 10, WHITE);
    canvas.fill(x + length_px - 2, y.saturating_sub(4), 2, 10, WHITE);
    canvas.text(x + 6, y.saturating_sub(20), &format!("{length_mm} mm"), Text::Small, WHITE);
}

fn paint_header(canvas: &mut Canvas, picture: &Picture<'_>, slice: &Slice, plane: Plane, through: [usize; 3]) {
    let normal = plane.axes()[2];
    let index_axis = PictureFrame::of(picture.grid).axis[normal];
    let row = picture.grid.affine[normal];
    let place_mm = row[3] + (0..3).map(|axis| row[axis] * through[axis] as f64).sum::<f64>();
    let hottest = slice.values(|n| picture.dose_gy[n]).into_iter().fold(0.0_f32, f32::max);
    let mut name = plane.name().to_owned();
    name[..1].make_ascii_uppercase();
    let second = format!(
        "{name}, {} = {place_mm:.1} mm (slice {} of {}), highest voxel {} Gy",
        AXIS_NAMES[normal],
        through[index_axis] + 1,
        picture.grid.dims[index_axis],
        short(f64::from(hottest)),
    );
    canvas.text(MARGIN_PX, 12, picture.title, Text::Bold, WHITE);
    canvas.text(MARGIN_PX, 38, &second, Text::Small, GREY);
}

/// Colour bar with its ticks, and under it the outlined regions.
fn paint_panel(canvas: &mut Canvas, left: usize, top_gy: f64, outlined: &[(Outline, [f32; 3])]) {
    let row_px = 22;
    let top = HEADER_PX + 56;
    let room = canvas.height() - top - 20;
    let legend_px = if outlined.is_empty() { 0 } else { (outlined.len() + 2) * row_px };
    let bar_px = room.saturating_sub(legend_px).clamp(200, 420);
    canvas.text(left, HEADER_PX, "Absorbed dose, Gy", Text::Medium, WHITE);
    canvas.text(left, HEADER_PX + 24, "square-root scale", Text::Small, GREY);
    for y in 0..bar_px {
        let level = 1.0 - y as f32 / (bar_px - 1) as f32;
        let share = level * level;
        for x in 0..26 {
            canvas.set(left + x, top + y, [90.0; 3]);
            canvas.blend(left + x, top + y, dose_colour(share), opacity(share).max(OPACITY) / OPACITY);
        }
    }
    for tick_gy in ticks_gy(top_gy, bar_px) {
        let y = top + ((1.0 - (tick_gy / top_gy).sqrt()) * (bar_px - 1) as f64).round() as usize;
        canvas.fill(left + 26, y, 7, 1, WHITE);
        canvas.text(left + 38, y.saturating_sub(8), &short(tick_gy), Text::Small, WHITE);
    }
    if outlined.is_empty() {
        return;
    }
    let with_dose = outlined.iter().any(|(outline, _)| outline.dose_gy.is_some());
    let legend_top = top + bar_px + row_px;
    let rows = (canvas.height().saturating_sub(legend_top + 8) / row_px).max(1);
    let shown = if outlined.len() > rows { rows - 1 } else { outlined.len() };
    for (number, (outline, colour)) in outlined[..shown].iter().enumerate() {
        let y = legend_top + number * row_px;
        canvas.fill(left, y + 7, 18, 3, *colour);
        canvas.text(left + 26, y, &clipped(&outline.name, if with_dose { 21 } else { 32 }), Text::Small, WHITE);
        if let Some(dose_gy) = outline.dose_gy {
            let text = format!("{} Gy", short(dose_gy));
            canvas.text(left + PANEL_PX - 24 - Text::Small.width(&text), y, &text, Text::Small, GREY);
        }
    }
    if shown < outlined.len() {
        let text = format!("and {} more", outlined.len() - shown);
        canvas.text(left + 26, legend_top + shown * row_px, &text, Text::Small, GREY);
    }
}

/// Round doses for the colour bar, from the top down, far enough apart to be read.
fn ticks_gy(top_gy: f64, bar_px: usize) -> Vec<f64> {
    let decade = 10_f64.powf(top_gy.log10().floor());
    let round = [5.0, 2.0, 1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01].map(|step| step * decade);
    let place = |gy: f64| (gy / top_gy).sqrt() * bar_px as f64;
    let mut ticks = vec![top_gy];
    for gy in round.into_iter().filter(|gy| *gy < top_gy) {
        if place(ticks[ticks.len() - 1]) - place(gy) > 22.0 && place(gy) > 20.0 {
            ticks.push(gy);
        }
    }
    ticks.push(0.0);
    ticks
}

/// A dose with three significant digits at most and no trailing zeros.
fn short(gy: f64) -> String {
    if gy == 0.0 {
        return "0".to_owned();
    }
    let decimals = (2 - gy.abs().log10().floor() as i32).clamp(0, 9) as usize;
    let text = format!("{gy:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn clipped(name: &str, most: usize) -> String {
    if name.chars().count() <= most {
        name.to_owned()
    } else {
        let mut short: String = name.chars().take(most - 2).collect();
        short.push_str("..");
        short
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A grid whose index axes run S, R, A with the second reversed, and a value that names each world place.
    fn turned() -> (VoxelGrid, Vec<f32>) {
        let mut grid = VoxelGrid::axis_aligned([4, 3, 5], [2.0, 3.0, 4.0], [0.0; 3]);
        // x = -3 j + 6, y = 4 k, z = 2 i.
        grid.affine = [[0.0, -3.0, 0.0, 6.0], [0.0, 0.0, 4.0, 0.0], [2.0, 0.0, 0.0, 0.0]];
        let mut values = vec![0.0; grid.len()];
        for k in 0..5 {
            for j in 0..3 {
                for i in 0..4 {
                    let (x, y, z) = (2 - j, k, i);
                    values[grid.index(i, j, k)] = (100 * x + 10 * y + z) as f32;
                }
            }
        }
        (grid, values)
    }

    #[test]
    fn law_slices_show_world_directions_whatever_the_axis_order() {
        let (grid, values) = turned();
        let axial = Slice::cut(&grid, Plane::Axial, [3, 0, 0]);
        assert_eq!((axial.columns, axial.rows), (3, 5));
        assert_eq!((axial.column_mm, axial.row_mm), (3.0, 4.0));
        let shown = axial.values(|n| values[n]);
        assert_eq!(shown[0], 243.0, "top left: right, anterior");
        assert_eq!(shown[14], 3.0, "bottom right: left, posterior");
        let sagittal = Slice::cut(&grid, Plane::Sagittal, [0, 0, 0]).values(|n| values[n]);
        assert_eq!((sagittal[0], sagittal[19]), (243.0, 200.0), "anterior superior to posterior inferior, x = 2");
        let coronal = Slice::cut(&grid, Plane::Coronal, [0, 0, 1]).values(|n| values[n]);
        assert_eq!((coronal[0], coronal[11]), (213.0, 10.0), "right superior to left inferior, y = 1");
    }

    #[test]
    fn law_hot_spot_is_found() {
        let grid = VoxelGrid::axis_aligned([9, 8, 7], [1.0; 3], [0.0; 3]);
        let mut dose = vec![0.1_f32; grid.len()];
        dose[grid.index(0, 0, 0)] = 5.0;
        for k in 3..6 {
            for j in 4..7 {
                for i in 5..8 {
                    dose[grid.index(i, j, k)] = 1.0;
                }
            }
        }
        let labels: Vec<u16> = dose.iter().map(|&gy| if gy == 1.0 { 3 } else { 1 }).collect();
        let mut picture = Picture {
            grid: &grid,
            background: Background::Density(&dose),
            dose_gy: &dose,
            labels: None,
            outlines: &[],
            title: "",
        };
        assert_eq!(hottest_voxel(&picture), [6, 5, 4], "a lone hot voxel does not win");
        picture.labels = Some(&labels);
        assert_eq!(hottest_voxel(&picture), [6, 5, 4]);
    }

    #[test]
    fn law_scale_and_ticks_are_round() {
        assert_eq!(scale_top_gy(&[0.0, 0.0]), 1.0);
        assert_eq!(scale_top_gy(&[0.0, 33.0, 1.0]), 40.0);
        assert_eq!(scale_top_gy(&[0.000_24]), 0.000_25);
        let ticks = ticks_gy(40.0, 300);
        assert_eq!((ticks[0], ticks[1]), (40.0, 20.0));
        assert_eq!(ticks.last(), Some(&0.0));
        assert_eq!(
            (short(0.5), short(20.0), short(1.234_5), short(1234.0)),
            ("0.5".into(), "20".into(), "1.23".into(), "1234".into())
        );
    }

    #[test]
    fn io_slices_are_written() {
        let grid = VoxelGrid::axis_aligned([20, 10, 15], [2.0, 3.0, 4.0], [0.0; 3]);
        let dose: Vec<f32> = (0..grid.len()).map(|n| n as f32 * 1e-3).collect();
        let hu = vec![40.0_f32; grid.len()];
        let labels: Vec<u16> = (0..grid.len()).map(|n| (n / 1000) as u16).collect();
        let outlines: Vec<Outline> = (1..40)
            .map(|label| Outline { label, name: format!("a_region_with_a_long_name_{label}"), dose_gy: Some(1.5) })
            .collect();
        let picture = Picture {
            grid: &grid,
            background: Background::Hu(&hu),
            dose_gy: &dose,
            labels: Some(&labels),
            outlines: &outlines,
            title: "Test",
        };
        let drawn = slices(&picture, "dose", [10, 5, 7]);
        assert_eq!(drawn.len(), 3);
        for one in drawn {
            let bytes = one.png().expect("written");
            let image = image::load_from_memory(&bytes).expect("a PNG").into_rgb8();
            assert!(image.width() > 600, "{}", one.name);
            let colours: std::collections::BTreeSet<[u8; 3]> = image.pixels().map(|pixel| pixel.0).collect();
            assert!(colours.len() > 100, "{} is not blank", one.name);
            assert_eq!((image.into_raw(), one.size[0] > 600), (one.rgb, true), "the file holds what was drawn");
        }
    }
}
