//! The point spread function of an image: a Gaussian, its full width at half maximum (FWHM) stated by axis.
//!
//! Voxels are blurred axis by axis with the sampled Gaussian, cut at 5 standard deviations (6e-7 of it lies beyond) and
//! normalised. At the border of the field the image is mirrored: a uniform image stays uniform, and the sum of any image
//! is kept. The blur is then a symmetric matrix, its own transpose.

use crate::cores;
use crate::fault::Fault;
use crate::grid::VoxelGrid;

/// FWHM of a Gaussian over its standard deviation: 2 sqrt(2 ln 2).
pub const FWHM_PER_SIGMA: f64 = 2.354_820_045_030_949_3;
/// Largest FWHM accepted, mm: no reconstruction of a patient is as coarse (convention of this program).
pub const LARGEST_FWHM_MM: f64 = 50.0;
/// Standard deviations at which the kernel is cut.
const REACH_SIGMA: f64 = 5.0;

/// A Gaussian point spread function.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Psf {
    fwhm_mm: [f64; 3],
}

impl Psf {
    /// A Gaussian of this FWHM, mm, along the three index axes of the image; `place` names the field in the error.
    ///
    /// Errors: a FWHM that is 0, negative, no number or above 50 mm.
    pub fn new(place: &str, fwhm_mm: [f64; 3]) -> Result<Self, Fault> {
        match fwhm_mm.iter().find(|mm| !(**mm > 0.0 && **mm <= LARGEST_FWHM_MM)) {
            None => Ok(Self { fwhm_mm }),
            Some(mm) => Err(Fault::invalid(
                place,
                "fwhm_mm",
                format!("{mm} mm"),
                format!("above 0 and at most {LARGEST_FWHM_MM} mm"),
                "Give the full width at half maximum of a point in the reconstructed image, in mm.",
            )),
        }
    }

    /// The same FWHM along every axis.
    ///
    /// Errors: as [`Psf::new`].
    pub fn isotropic(place: &str, fwhm_mm: f64) -> Result<Self, Fault> {
        Self::new(place, [fwhm_mm; 3])
    }

    /// FWHM by axis, mm.
    pub fn fwhm_mm(&self) -> [f64; 3] {
        self.fwhm_mm
    }

    /// The same with every width times a factor.
    pub(super) fn scaled(&self, factor: f64) -> Self {
        Self { fwhm_mm: self.fwhm_mm.map(|mm| mm * factor) }
    }

    /// Geometric mean of the FWHM, mm.
    pub fn mean_mm(&self) -> f64 {
        self.fwhm_mm.iter().product::<f64>().cbrt()
    }

    /// Weights along each axis of a grid, from the middle outwards; the middle and twice the others are 1 together.
    fn weights(&self, spacing_mm: [f64; 3]) -> [Vec<f64>; 3] {
        std::array::from_fn(|axis| {
            let sigma = self.fwhm_mm[axis] / FWHM_PER_SIGMA / spacing_mm[axis];
            let reach = (REACH_SIGMA * sigma).ceil() as usize;
            let raw: Vec<f64> = (0..=reach).map(|n| (-0.5 * (n as f64 / sigma).powi(2)).exp()).collect();
            let sum = raw[0] + 2.0 * raw[1..].iter().sum::<f64>();
            raw.iter().map(|w| w / sum).collect()
        })
    }

    /// How many voxels the kernel reaches along each axis.
    pub(super) fn reach(&self, grid: &VoxelGrid) -> [usize; 3] {
        self.weights(grid.spacing_mm).map(|w| w.len() - 1)
    }

    /// Values on a grid (x fastest), blurred. On all cores; the result does not depend on their number.
    pub fn blur(&self, grid: &VoxelGrid, values: &[f64]) -> Vec<f64> {
        self.blur_box(grid.spacing_mm, grid.dims, values)
    }

    /// As [`Psf::blur`], of a box of `dims` voxels.
    pub(super) fn blur_box(&self, spacing_mm: [f64; 3], dims: [usize; 3], values: &[f64]) -> Vec<f64> {
        let weights = self.weights(spacing_mm);
        let plane = dims[0] * dims[1];
        let mut out = vec![0.0; values.len()];
        let planes_a_piece = cores::piece(values.len()).div_ceil(plane.max(1)).max(1);
        let pieces = out.chunks_mut(planes_a_piece * plane).enumerate();
        cores::of_each(pieces, |(piece, out)| {
            let mut scratch = [vec![0.0; plane], vec![0.0; plane]];
            for (n, out) in out.chunks_mut(plane).enumerate() {
                blur_plane(&weights, dims, values, piece * planes_a_piece + n, &mut scratch, out);
            }
        });
        out
    }
}

/// The place of voxel `at` of an axis of `len` voxels that is mirrored at its ends.
fn mirrored(at: isize, len: usize) -> usize {
    let period = 2 * len as isize;
    let folded = at.rem_euclid(period);
    (if folded < len as isize { folded } else { period - 1 - folded }) as usize
}

/// One plane of the result: along z from the planes around it, then along y, then along x.
fn blur_plane(
    [wx, wy, wz]: &[Vec<f64>; 3],
    [nx, ny, nz]: [usize; 3],
    values: &[f64],
    k: usize,
    [along_z, along_y]: &mut [Vec<f64>; 2],
    out: &mut [f64],
) {
    let plane = nx * ny;
    let at = |k: usize| &values[k * plane..(k + 1) * plane];
    gather(wz, k, nz, along_z, at);
    for (j, row) in along_y.chunks_mut(nx).enumerate() {
        gather(wy, j, ny, row, |j| &along_z[j * nx..(j + 1) * nx]);
    }
    let reach = wx.len() - 1;
    let mut padded = vec![0.0; nx + 2 * reach];
    for (row, out) in along_y.chunks(nx).zip(out.chunks_mut(nx)) {
        for (n, value) in padded.iter_mut().enumerate() {
            *value = row[mirrored(n as isize - reach as isize, nx)];
        }
        for (i, out) in out.iter_mut().enumerate() {
            let middle = i + reach;
            let sides: f64 = (1..=reach).map(|n| wx[n] * (padded[middle - n] + padded[middle + n])).sum();
            *out = wx[0] * padded[middle] + sides;
        }
    }
}

/// Weighted sum of the lines (rows or planes) around line `at` of `len`.
fn gather<'a>(weights: &[f64], at: usize, len: usize, out: &mut [f64], line: impl Fn(usize) -> &'a [f64]) {
    let middle = line(at);
    out.iter_mut().zip(middle).for_each(|(o, v)| *o = weights[0] * v);
    for (n, w) in weights.iter().enumerate().skip(1) {
        let (below, above) = (at as isize - n as isize, at as isize + n as isize);
        let (below, above) = (line(mirrored(below, len)), line(mirrored(above, len)));
        out.iter_mut().zip(below.iter().zip(above)).for_each(|(o, (a, b))| *o += w * (a + b));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> VoxelGrid {
        VoxelGrid::axis_aligned([17, 19, 23], [3.0, 4.0, 2.5], [0.0; 3])
    }

    #[test]
    fn law_a_point_becomes_a_gaussian_and_the_sum_is_kept() {
        let grid = grid();
        let psf = Psf::new("psf", [9.0, 10.0, 8.0]).expect("widths");
        let mut point = vec![0.0; grid.len()];
        point[grid.index(8, 9, 11)] = 1.0;
        let out = psf.blur(&grid, &point);
        assert!((out.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        let top = out[grid.index(8, 9, 11)];
        for (voxel, mm, fwhm) in [((10, 9, 11), 6.0_f64, 9.0), ((8, 11, 11), 8.0, 10.0), ((8, 9, 14), 7.5, 8.0)] {
            let (i, j, k) = voxel;
            let expected = (-4.0 * std::f64::consts::LN_2 * (mm / fwhm).powi(2)).exp();
            assert!((out[grid.index(i, j, k)] / top - expected).abs() < 1e-12);
        }
        // in a corner too, and uniform stays uniform
        let mut corner = vec![0.0; grid.len()];
        corner[0] = 1.0;
        assert!((psf.blur(&grid, &corner).iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert!(psf.blur(&grid, &vec![3.0; grid.len()]).iter().all(|v| (v - 3.0).abs() < 1e-12));
    }

    #[test]
    fn law_the_blur_is_its_own_transpose() {
        let grid = grid();
        let psf = Psf::isotropic("psf", 12.0).expect("width");
        let noise = |seed: u64| -> Vec<f64> {
            (0..grid.len() as u64).map(|n| ((n * 2654435761 + seed) % 1009) as f64).collect()
        };
        let (a, b) = (noise(1), noise(77));
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let (one, other) = (dot(&psf.blur(&grid, &a), &b), dot(&a, &psf.blur(&grid, &b)));
        assert!((one / other - 1.0).abs() < 1e-12);
    }

    #[test]
    fn alarm_widths_that_no_image_has_are_refused() {
        for mm in [0.0, -3.0, f64::NAN, 50.1] {
            let error = Psf::new("[partial_volume]", [9.0, mm, 9.0]).expect_err("refused").to_string();
            assert!(error.contains("fwhm_mm") && error.contains("at most 50 mm"), "{error}");
        }
    }
}
