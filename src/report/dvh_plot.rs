//! Dose-volume histograms of one region by several methods, laid over each other.

use super::canvas::{Canvas, GREY, Text, WHITE};
use crate::dose::dvh::Dvh;
use image::RgbImage;

const PLOT_PX: [usize; 2] = [700, 460];
const LEFT_PX: usize = 70;
const TOP_PX: usize = 60;
const LEGEND_PX: usize = 330;

/// One curve.
#[derive(Clone, Debug)]
pub struct PlottedCurve {
    /// Name in the legend.
    pub name: String,
    /// Doses of the region's voxels.
    pub dvh: Dvh,
}

/// Draws the curves, the first in white and broad (the reference), the others in colours.
pub fn draw(title: &str, curves: &[PlottedCurve]) -> RgbImage {
    let [width, height] = PLOT_PX;
    let mut canvas = Canvas::new(LEFT_PX + width + 30 + LEGEND_PX, TOP_PX + height + 60);
    canvas.text(LEFT_PX, 16, title, Text::Bold, WHITE);
    // the axis ends a little above what 1 % of the hottest curve's volume exceeds
    let hot = curves.iter().filter_map(|c| c.dvh.dose_at_volume_gy(1.0)).fold(0.0_f32, f32::max);
    let top_gy = super::png::scale_top_gy(&[hot * 1.02]);
    for step in 0..=5 {
        let share = step as f64 / 5.0;
        let x = LEFT_PX + (share * width as f64) as usize;
        let y = TOP_PX + ((1.0 - share) * height as f64) as usize;
        canvas.fill(x, TOP_PX, 1, height, [45.0; 3]);
        canvas.fill(LEFT_PX, y, width, 1, [45.0; 3]);
        let dose = format!("{:.3}", share * top_gy);
        let dose = dose.trim_end_matches('0').trim_end_matches('.');
        canvas.text(x.saturating_sub(Text::Small.width(dose) / 2), TOP_PX + height + 8, dose, Text::Small, GREY);
        let percent = format!("{:.0}", 100.0 * share);
        canvas.text(LEFT_PX - 10 - Text::Small.width(&percent), y.saturating_sub(8), &percent, Text::Small, GREY);
    }
    canvas.text(LEFT_PX + width / 2 - 60, TOP_PX + height + 32, "absorbed dose, Gy", Text::Small, WHITE);
    canvas.text(6, TOP_PX - 26, "volume, %", Text::Small, WHITE);
    for (number, curve) in curves.iter().enumerate().rev() {
        let (colour, half_width) = if number == 0 { (WHITE, 2) } else { (method_colour(number - 1), 1) };
        let mut before: Option<usize> = None;
        for x in 0..width {
            let gy = (x as f64 + 0.5) / width as f64 * top_gy;
            let y = TOP_PX + ((1.0 - curve.dvh.volume_at_dose(gy as f32)) * (height - 1) as f64).round() as usize;
            let from = before.unwrap_or(y);
            let (low, high) = (from.min(y), from.max(y));
            canvas.fill(LEFT_PX + x, low, 1, high - low + half_width, colour);
            before = Some(y);
        }
        let y = TOP_PX + 22 * number;
        let left = LEFT_PX + width + 30;
        canvas.fill(left, y + 7, 22, half_width + 1, colour);
        let name: String = curve.name.chars().take(34).collect();
        canvas.text(left + 30, y, &name, Text::Small, WHITE);
    }
    canvas.into_image()
}

fn method_colour(number: usize) -> [f32; 3] {
    let colours = &colorous::SET1;
    let colour = colours[number % colours.len()];
    [colour.r, colour.g, colour.b].map(f32::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn law_curves_run_from_all_to_nothing() {
        let curve =
            |name: &str, gy: f32| PlottedCurve { name: name.into(), dvh: Dvh::new(vec![gy, gy * 0.9, gy * 1.1]) };
        let image = draw("kidney", &[curve("transport", 2.0), curve("local", 1.8)]);
        // at no dose the curves run along the top of the plot
        assert_eq!(image.get_pixel(LEFT_PX as u32 + 3, TOP_PX as u32).0, [240; 3]);
        assert!(image.width() > 1000 && image.height() > 500);
    }
}
