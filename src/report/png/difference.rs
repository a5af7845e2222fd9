//! Slices of a difference between two dose maps: blue where it is negative, red where it is positive, nothing where the
//! maps agree or where there is too little dose to speak of.

use super::super::canvas::{Canvas, GREY, Text, WHITE};
use super::{
    Area, Background, Drawn, HEADER_PX, LEAST_HEIGHT_PX, LONG_SIDE_PX, MARGIN_PX, PANEL_PX, Picture, Plane, Slice,
    clipped, paint_header, paint_letters, paint_outlines, paint_ruler, short,
};

/// The three slices through voxel `through`, named `stem` and the plane. `difference_percent` has one value a voxel of the picture's grid (0 where nothing is to be shown)
/// and is drawn on a scale from -`top_percent` to +`top_percent`.
pub fn differences(
    picture: &Picture<'_>,
    difference_percent: &[f32],
    top_percent: f64,
    stem: &str,
    through: [usize; 3],
) -> Vec<Drawn> {
    let drawn = |plane: Plane| {
        let image = draw(picture, difference_percent, top_percent, plane, through);
        Drawn::of(format!("{stem}_{}", plane.name()), image)
    };
    Plane::ALL.map(drawn).to_vec()
}

fn draw(
    picture: &Picture<'_>,
    difference_percent: &[f32],
    top_percent: f64,
    plane: Plane,
    through: [usize; 3],
) -> image::RgbImage {
    let slice = Slice::cut(picture.grid, plane, through);
    let (width_mm, height_mm) = (slice.columns as f64 * slice.column_mm, slice.rows as f64 * slice.row_mm);
    let px_per_mm = LONG_SIDE_PX / width_mm.max(height_mm);
    let pixels = |mm: f64| ((mm * px_per_mm).round() as usize).max(1);
    let (width, height) = (pixels(width_mm), pixels(height_mm));
    let body_px = (height + 2 * MARGIN_PX).max(LEAST_HEIGHT_PX);
    let mut canvas = Canvas::new(width + 2 * MARGIN_PX + PANEL_PX, HEADER_PX + body_px);
    let area: Area = (MARGIN_PX, HEADER_PX + (body_px - height) / 2, width, height);
    paint(&mut canvas, picture, &slice, area, difference_percent, top_percent);
    let outlined = paint_outlines(&mut canvas, picture, &slice, area);
    paint_letters(&mut canvas, plane, area);
    paint_ruler(&mut canvas, area, px_per_mm);
    paint_header(&mut canvas, picture, &slice, plane, through);
    let left = width + 2 * MARGIN_PX;
    let (top, bar_px) = (HEADER_PX + 56, 240);
    canvas.text(left, HEADER_PX, "Difference to transport, %", Text::Medium, WHITE);
    for y in 0..bar_px {
        let level = 1.0 - 2.0 * y as f32 / (bar_px - 1) as f32;
        canvas.fill(left, top + y, 26, 1, colour(level));
    }
    for step in [1.0, 0.5, 0.0, -0.5, -1.0] {
        let y = top + ((1.0 - step) * 0.5 * (bar_px - 1) as f64).round() as usize;
        canvas.fill(left + 26, y, 7, 1, WHITE);
        let sign = if step > 0.0 {
            "+"
        } else if step < 0.0 {
            "-"
        } else {
            ""
        };
        canvas.text(
            left + 38,
            y.saturating_sub(8),
            &format!("{sign}{}", short(step.abs() * top_percent)),
            Text::Small,
            WHITE,
        );
    }
    for (number, (outline, colour)) in outlined.iter().enumerate() {
        let y = top + bar_px + 22 * (number + 1);
        canvas.fill(left, y + 7, 18, 3, *colour);
        canvas.text(left + 26, y, &clipped(&outline.name, 32), Text::Small, GREY);
    }
    canvas.into_image()
}

fn paint(canvas: &mut Canvas, picture: &Picture<'_>, slice: &Slice, area: Area, percent: &[f32], top_percent: f64) {
    let (left, top, width, height) = area;
    let grey = |hu: f32| ((hu + 160.0) / 400.0).clamp(0.0, 1.0);
    let anatomy = match picture.background {
        Background::Hu(hu) => slice.values(|n| grey(hu[n])),
        Background::Density(density) => slice.values(|n| grey(1000.0 * (density[n] - 1.0))),
    };
    let anatomy = slice.scaled(&anatomy, width, height);
    let share = slice.values(|n| (percent[n] / top_percent as f32).clamp(-1.0, 1.0));
    let share = slice.scaled(&share, width, height);
    for y in 0..height {
        for x in 0..width {
            let level = (anatomy[y * width + x] * 255.0).round();
            let share = share[y * width + x];
            canvas.set(left + x, top + y, [level; 3]);
            canvas.blend(left + x, top + y, colour(share), (2.0 * share.abs()).min(0.75));
        }
    }
}

/// Blue over white to red for -1 to 1.
fn colour(share: f32) -> [f32; 3] {
    let colour = colorous::RED_BLUE.eval_continuous(f64::from(0.5 - 0.5 * share.clamp(-1.0, 1.0)));
    [colour.r, colour.g, colour.b].map(f32::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::VoxelGrid;

    #[test]
    fn law_red_is_too_high_and_blue_too_low() {
        let (high, low) = (colour(1.0), colour(-1.0));
        assert!(high[0] > high[2] && low[2] > low[0], "{high:?} {low:?}");
        let grid = VoxelGrid::axis_aligned([4, 4, 4], [5.0; 3], [0.0; 3]);
        let (hu, dose) = (vec![0.0; 64], vec![1.0; 64]);
        let picture = Picture {
            grid: &grid,
            background: Background::Hu(&hu),
            dose_gy: &dose,
            labels: None,
            outlines: &[],
            title: "t",
        };
        let middle = |value: f32| {
            let image = draw(&picture, &vec![value; 64], 10.0, Plane::Axial, [1, 1, 1]);
            *image.get_pixel(MARGIN_PX as u32 + 300, HEADER_PX as u32 + 300)
        };
        let (red, plain, blue) = (middle(20.0), middle(0.0), middle(-20.0));
        assert!(red[0] > red[2] && blue[2] > blue[0] && plain[0] == plain[2]);
    }
}
