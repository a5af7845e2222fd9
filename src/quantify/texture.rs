//! How much of an image's texture inside a region is kept.
//!
//! What an image shows inside an organ at scales near its resolution is noise, and where the reconstruction models the
//! camera's resolution an edge that is too low and a middle that is too high: it widens every histogram. A region's part
//! a_v = share_v x activity of a corrected image is averaged inside the region alone,
//!
//! ```text
//! a'_v = share_v (K * a)_v / (K * share)_v   x   sum a / sum of these,                                       (1)
//! ```
//!
//! K a Gaussian of a stated full width: normalised convolution (H. Knutsson, C.-F. Westin, Proc. IEEE CVPR 1993, 515). The
//! region's activity stays, nothing crosses its outline, and a uniform region stays uniform. A width without end leaves the
//! region's mean.

use super::psf::Psf;
use crate::grid::VoxelGrid;
use crate::source::sum;

/// What is kept of the texture inside regions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Texture {
    /// All of it: that of the image.
    Image,
    /// What is left by a Gaussian inside the region.
    Smooth(Psf),
    /// None: the region's mean.
    Uniform,
}

impl Texture {
    /// In words, as the settings have it.
    pub fn name(&self) -> String {
        match self {
            Self::Image => "image".to_owned(),
            Self::Uniform => "uniform".to_owned(),
            Self::Smooth(kernel) => format!("{} mm", kernel.mean_mm()),
        }
    }

    /// A region's part of each voxel, MBq, after (1); `shares` are the region's shares of all voxels. Its sum is kept.
    pub fn of(&self, grid: &VoxelGrid, shares: &[f64], part: Vec<f64>) -> Vec<f64> {
        let (all, volume) = (sum(part.iter().copied()), sum(shares.iter().copied()));
        match self {
            Self::Image => part,
            Self::Uniform => shares.iter().map(|share| share * all / volume).collect(),
            Self::Smooth(kernel) => {
                let (blurred, within) = (kernel.blur(grid, &part), kernel.blur(grid, shares));
                let mean = |(v, share): (usize, &f64)| if *share > 0.0 { share * blurred[v] / within[v] } else { 0.0 };
                let smooth: Vec<f64> = shares.iter().enumerate().map(mean).collect();
                let found = sum(smooth.iter().copied());
                // what sums to 0 has no scale
                let scale = if found == 0.0 { 1.0 } else { all / found };
                smooth.into_iter().map(|value| value * scale).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ball() -> (VoxelGrid, Vec<f64>) {
        let grid = VoxelGrid::axis_aligned([20, 20, 20], [5.0; 3], [2.5; 3]);
        let share = |n: usize| {
            let d = grid.world_mm(grid.voxel(n).map(|v| v as f64)).map(|x| x - 50.0);
            ((24.0 - d.iter().map(|x| x * x).sum::<f64>().sqrt()) / 5.0 + 0.5).clamp(0.0, 1.0)
        };
        let shares = (0..grid.len()).map(share).collect();
        (grid, shares)
    }

    fn textures() -> [Texture; 3] {
        [Texture::Image, Texture::Smooth(Psf::isotropic("", 20.0).expect("a width")), Texture::Uniform]
    }

    /// The sum stays, nothing leaves the outline, a uniform region stays uniform.
    #[test]
    fn law_activity_stays_within_its_outline() {
        let (grid, shares) = ball();
        let uneven: Vec<f64> = shares.iter().enumerate().map(|(n, s)| s * (1.0 + 0.7 * (n as f64).sin())).collect();
        for texture in textures() {
            let done = texture.of(&grid, &shares, uneven.clone());
            assert!((sum(done.iter().copied()) / sum(uneven.iter().copied()) - 1.0).abs() < 1e-12, "{texture:?}");
            assert!(done.iter().zip(&shares).all(|(value, share)| *share > 0.0 || *value == 0.0), "{texture:?}");
            let flat: Vec<f64> = shares.iter().map(|share| 3.0 * share).collect();
            let same = texture.of(&grid, &shares, flat.clone());
            assert!(same.iter().zip(&flat).all(|(a, b)| (a - b).abs() < 1e-12), "{texture:?}");
        }
    }

    /// A wave of 50 mm keeps e^(-2 pi^2 s^2/50^2) of its height under a Gaussian of 10 mm, s = FWHM/2.3548.
    #[test]
    fn law_a_wave_is_lowered_as_a_gaussian_lowers_it() {
        let grid = VoxelGrid::axis_aligned([60, 6, 6], [5.0; 3], [2.5; 3]);
        let wave = |n: usize| (std::f64::consts::TAU * grid.voxel(n)[0] as f64 * 5.0 / 50.0).cos();
        let part: Vec<f64> = (0..grid.len()).map(|n| 1.0 + 0.5 * wave(n)).collect();
        let kernel = Psf::isotropic("", 10.0).expect("a width");
        let done = Texture::Smooth(kernel).of(&grid, &vec![1.0; grid.len()], part);
        let sigma = 10.0 / (8.0 * std::f64::consts::LN_2).sqrt();
        let kept = (-2.0 * (std::f64::consts::PI * sigma / 50.0).powi(2)).exp();
        let n = grid.index(30, 3, 3);
        assert!((done[n] - (1.0 + 0.5 * kept * wave(n))).abs() < 0.01, "{} {kept}", done[n]);
    }

    /// With what is outside in its part, a region that is smoothed would rise: (1) sees its own part alone.
    #[test]
    fn alarm_what_crosses_the_outline_rings() {
        let (grid, shares) = ball();
        let own: Vec<f64> = shares.iter().map(|share| 3.0 * share).collect();
        let with_outside: Vec<f64> = shares.iter().map(|share| 3.0 * share + 10.0 * (1.0 - share)).collect();
        let smooth = textures()[1];
        let off = |part: Vec<f64>| {
            let done = smooth.of(&grid, &shares, part);
            done.iter().zip(&own).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
        };
        assert!(off(own.clone()) < 1e-9 && off(with_outside) > 0.1);
    }
}
