//! Richardson-Lucy: for images without outlines. f <- f (g/(f * H)) * H, from the image itself on.
//!
//! Every step keeps the sum, since H does. It sharpens noise as well as edges, so it ends after a stated number of steps.
//! Negative values have no place in it: the image is taken from 0 up, and the share that is cut is told.
//!
//! Source: W. H. Richardson, J. Opt. Soc. Am. 62 (1972) 55; L. B. Lucy, Astron. J. 79 (1974) 745.

use super::psf::Psf;
use crate::grid::VoxelGrid;

/// The image after so many steps.
pub fn sharpened(psf: &Psf, grid: &VoxelGrid, image: &[f64], steps: usize) -> Vec<f64> {
    let counted = |g: f64| g.max(0.0);
    let mut out: Vec<f64> = image.iter().map(|&g| counted(g)).collect();
    for _ in 0..steps {
        let mut ratio = psf.blur(grid, &out);
        ratio.iter_mut().zip(image).for_each(|(b, &g)| *b = if *b > 0.0 { counted(g) / *b } else { 0.0 });
        let back = psf.blur(grid, &ratio);
        out.iter_mut().zip(back).for_each(|(f, back)| *f *= back);
    }
    out
}
