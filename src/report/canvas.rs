//! A small drawing surface: blended pixels, boxes and text.
//!
//! Text is Noto Sans Mono in pre-drawn sizes (crate `noto-sans-mono-bitmap`), so pictures need no font of the
//! system and are the same everywhere. Whatever falls outside the surface is left out.

use image::RgbImage;
use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};

/// Colour of main text.
pub(super) const WHITE: [f32; 3] = [240.0, 240.0, 240.0];
/// Colour of lesser text.
pub(super) const GREY: [f32; 3] = [165.0, 170.0, 178.0];
const GROUND: [f32; 3] = [13.0, 15.0, 19.0];

/// Sizes of text.
#[derive(Clone, Copy)]
pub(super) enum Text {
    Small,
    Medium,
    Bold,
}

impl Text {
    fn style(self) -> (FontWeight, RasterHeight) {
        match self {
            Self::Small => (FontWeight::Regular, RasterHeight::Size16),
            Self::Medium => (FontWeight::Regular, RasterHeight::Size20),
            Self::Bold => (FontWeight::Bold, RasterHeight::Size20),
        }
    }

    pub(super) fn width(self, text: &str) -> usize {
        let (weight, height) = self.style();
        text.chars().count() * get_raster_width(weight, height)
    }

    pub(super) fn height(self) -> usize {
        self.style().1.val()
    }
}

/// The surface; colours are red, green, blue from 0 to 255.
pub(super) struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<[f32; 3]>,
}

impl Canvas {
    pub(super) fn new(width: usize, height: usize) -> Self {
        Self { width, height, pixels: vec![GROUND; width * height] }
    }

    pub(super) fn height(&self) -> usize {
        self.height
    }

    pub(super) fn set(&mut self, x: usize, y: usize, colour: [f32; 3]) {
        self.blend(x, y, colour, 1.0);
    }

    /// Lays a colour over a pixel with an opacity from 0 to 1.
    pub(super) fn blend(&mut self, x: usize, y: usize, colour: [f32; 3], opacity: f32) {
        if x < self.width && y < self.height {
            let pixel = &mut self.pixels[y * self.width + x];
            *pixel = std::array::from_fn(|channel| pixel[channel] + opacity * (colour[channel] - pixel[channel]));
        }
    }

    pub(super) fn fill(&mut self, left: usize, top: usize, width: usize, height: usize, colour: [f32; 3]) {
        for y in top..top + height {
            for x in left..left + width {
                self.set(x, y, colour);
            }
        }
    }

    /// Writes text with its upper left corner at (x, y); a character the font lacks becomes `?`.
    pub(super) fn text(&mut self, x: usize, y: usize, text: &str, size: Text, colour: [f32; 3]) {
        let (weight, height) = size.style();
        let advance = get_raster_width(weight, height);
        for (number, letter) in text.chars().enumerate() {
            let Some(raster) = get_raster(letter, weight, height).or_else(|| get_raster('?', weight, height)) else {
                continue;
            };
            for (row, line) in raster.rows().enumerate() {
                for (column, &strength) in line.iter().enumerate() {
                    self.blend(x + number * advance + column, y + row, colour, f32::from(strength) / 255.0);
                }
            }
        }
    }

    pub(super) fn into_image(self) -> RgbImage {
        let width = self.width;
        RgbImage::from_fn(width as u32, self.height as u32, |x, y| {
            image::Rgb(self.pixels[y as usize * width + x as usize].map(|level| level.round() as u8))
        })
    }
}
