//! Two images in the squares of a checkerboard: where they agree, edges run through from square to square.

use super::super::canvas::{Canvas, GREY, Text, WHITE};
use super::{
    AXIS_NAMES, Area, Drawn, HEADER_PX, LEAST_HEIGHT_PX, LONG_SIDE_PX, MARGIN_PX, PANEL_PX, PictureFrame, Plane, Slice,
    clipped, paint_letters, paint_ruler,
};
use crate::grid::VoxelGrid;

/// Edge of a square, mm.
const SQUARE_MM: f64 = 30.0;

/// Two images on one grid, each voxel's grey from 0 (black) to 1 (white).
pub struct Checkerboard<'a> {
    /// Where the voxels lie.
    pub grid: &'a VoxelGrid,
    /// Grey of the first image in a voxel, by its position in the data.
    pub first: &'a (dyn Fn(usize) -> f32 + Sync),
    /// Grey of the second image in the same place.
    pub second: &'a (dyn Fn(usize) -> f32 + Sync),
    /// First line over the picture.
    pub title: &'a str,
    /// Lines beside it.
    pub lines: &'a [String],
}

/// The three slices through voxel `through`, named `stem` and the plane.
pub fn checkerboards(board: &Checkerboard<'_>, stem: &str, through: [usize; 3]) -> Vec<Drawn> {
    Plane::ALL.map(|plane| Drawn::of(format!("{stem}_{}", plane.name()), draw(board, plane, through))).to_vec()
}

fn draw(board: &Checkerboard<'_>, plane: Plane, through: [usize; 3]) -> image::RgbImage {
    let slice = Slice::cut(board.grid, plane, through);
    let (width_mm, height_mm) = (slice.columns as f64 * slice.column_mm, slice.rows as f64 * slice.row_mm);
    let px_per_mm = LONG_SIDE_PX / width_mm.max(height_mm);
    let pixels = |mm: f64| ((mm * px_per_mm).round() as usize).max(1);
    let (width, height) = (pixels(width_mm), pixels(height_mm));
    let body_px = (height + 2 * MARGIN_PX).max(LEAST_HEIGHT_PX);
    let mut canvas = Canvas::new(width + 2 * MARGIN_PX + PANEL_PX, HEADER_PX + body_px);
    let area: Area = (MARGIN_PX, HEADER_PX + (body_px - height) / 2, width, height);
    let both = [board.first, board.second].map(|of| slice.scaled(&slice.values(of), width, height));
    for y in 0..height {
        for x in 0..width {
            let square = |pixel: usize| (pixel as f64 / (SQUARE_MM * px_per_mm)) as usize;
            let level = (both[(square(x) + square(y)) % 2][y * width + x].clamp(0.0, 1.0) * 255.0).round();
            canvas.set(area.0 + x, area.1 + y, [level; 3]);
        }
    }
    paint_letters(&mut canvas, plane, area);
    paint_ruler(&mut canvas, area, px_per_mm);
    head(&mut canvas, board, plane, through);
    for (number, line) in board.lines.iter().enumerate() {
        canvas.text(width + 2 * MARGIN_PX, HEADER_PX + 22 * number, &clipped(line, 38), Text::Small, GREY);
    }
    canvas.into_image()
}

fn head(canvas: &mut Canvas, board: &Checkerboard<'_>, plane: Plane, through: [usize; 3]) {
    let normal = plane.axes()[2];
    let place_mm = board.grid.world_mm(through.map(|n| n as f64))[normal];
    let index_axis = PictureFrame::of(board.grid).axis[normal];
    let mut name = plane.name().to_owned();
    name[..1].make_ascii_uppercase();
    let second = format!(
        "{name}, {} = {place_mm:.1} mm (slice {} of {}), squares of {SQUARE_MM:.0} mm",
        AXIS_NAMES[normal],
        through[index_axis] + 1,
        board.grid.dims[index_axis],
    );
    canvas.text(MARGIN_PX, 12, board.title, Text::Bold, WHITE);
    canvas.text(MARGIN_PX, 38, &second, Text::Small, GREY);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn law_squares_alternate() {
        let grid = VoxelGrid::axis_aligned([30, 30, 30], [4.0; 3], [0.0; 3]);
        let (white, black) = (|_: usize| 1.0f32, |_: usize| 0.0f32);
        let board = Checkerboard { grid: &grid, first: &white, second: &black, title: "t", lines: &[] };
        let image = draw(&board, Plane::Axial, [15; 3]);
        let at = |x: u32| image.get_pixel(MARGIN_PX as u32 + x, HEADER_PX as u32 + MARGIN_PX as u32 + 60)[0];
        // 780 pixels for 120 mm: a square is 195 pixels
        assert_eq!([at(100), at(300), at(500)], [255, 0, 255]);
    }
}
