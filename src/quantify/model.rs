//! The image that regions of uniform concentration would give: s * H, with s = Sum m_i p_i, p_i the regions' shares.

use super::psf::Psf;
use super::regions::{Region, Regions};
use crate::cores;

/// A region's blurred indicator in the box that it reaches.
#[derive(Clone, Debug)]
struct Blurred {
    from: [usize; 3],
    dims: [usize; 3],
    values: Vec<f32>,
}

/// Regions and their blurred indicators p_i * H.
#[derive(Clone, Debug)]
pub struct Model<'a> {
    regions: &'a Regions,
    blurred: Vec<Blurred>,
}

/// Over what a ratio of image and model is averaged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Over {
    /// The outline, p_i.
    Outline,
    /// The blurred outline, p_i * H.
    Blurred,
}

impl Blurred {
    fn of(region: &Region, regions: &Regions, psf: &Psf) -> Self {
        let (from, dims, values) = boxed(region, regions, psf.reach(&regions.grid));
        // beyond the box is nothing within reach: mirroring its ends is the same as zeros
        let values = psf.blur_box(regions.grid.spacing_mm, dims, &values).into_iter().map(|v| v as f32).collect();
        Self { from, dims, values }
    }

    fn none(region: &Region, regions: &Regions) -> Self {
        let (from, dims, values) = boxed(region, regions, [0; 3]);
        Self { from, dims, values: values.into_iter().map(|v| v as f32).collect() }
    }

    /// The values in plane k of the image: calls `take` with the place in the plane and the value.
    fn in_plane(&self, k: usize, nx: usize, mut take: impl FnMut(usize, f64)) {
        if k < self.from[2] || k >= self.from[2] + self.dims[2] {
            return;
        }
        let plane = self.dims[0] * self.dims[1];
        let values = &self.values[(k - self.from[2]) * plane..(k - self.from[2] + 1) * plane];
        for (j, row) in values.chunks(self.dims[0]).enumerate() {
            let first = self.from[0] + nx * (self.from[1] + j);
            row.iter().enumerate().for_each(|(i, v)| take(first + i, f64::from(*v)));
        }
    }

    /// The value in an image voxel.
    fn at(&self, at: [usize; 3]) -> f64 {
        if (0..3).any(|axis| at[axis] < self.from[axis] || at[axis] >= self.from[axis] + self.dims[axis]) {
            return 0.0;
        }
        let [i, j, k] = std::array::from_fn(|axis| at[axis] - self.from[axis]);
        f64::from(self.values[i + self.dims[0] * (j + self.dims[1] * k)])
    }
}

/// A region's shares in the box around it and so many voxels more: its corner, its size, the shares.
fn boxed(region: &Region, regions: &Regions, reach: [usize; 3]) -> ([usize; 3], [usize; 3], Vec<f64>) {
    let grid = &regions.grid;
    let (mut low, mut high) = (grid.dims, [0; 3]);
    for &voxel in &region.voxels {
        let at = grid.voxel(voxel as usize);
        low = std::array::from_fn(|axis| low[axis].min(at[axis]));
        high = std::array::from_fn(|axis| high[axis].max(at[axis]));
    }
    let from: [usize; 3] = std::array::from_fn(|axis| low[axis].saturating_sub(reach[axis]));
    let dims: [usize; 3] = std::array::from_fn(|axis| (high[axis] + reach[axis] + 1).min(grid.dims[axis]) - from[axis]);
    let mut values = vec![0.0; dims.iter().product()];
    for (voxel, share) in region.each() {
        let [i, j, k] = grid.voxel(voxel);
        values[i - from[0] + dims[0] * (j - from[1] + dims[1] * (k - from[2]))] = share;
    }
    (from, dims, values)
}

impl<'a> Model<'a> {
    /// Blurs the regions.
    pub fn new(regions: &'a Regions, psf: &Psf) -> Self {
        let blurred = regions.list.iter().map(|region| Blurred::of(region, regions, psf)).collect();
        Self { regions, blurred }
    }

    /// The regions as they are, for an image that nothing has blurred but its voxels.
    pub fn sharp(regions: &'a Regions) -> Self {
        let blurred = regions.list.iter().map(|region| Blurred::none(region, regions)).collect();
        Self { regions, blurred }
    }

    /// The regions.
    pub fn regions(&self) -> &'a Regions {
        self.regions
    }

    fn plane_len(&self) -> usize {
        self.regions.grid.dims[0] * self.regions.grid.dims[1]
    }

    /// The model's plane k for these concentrations.
    fn plane(&self, means: &[f64], k: usize) -> Vec<f64> {
        let mut plane = vec![0.0; self.plane_len()];
        for (blurred, &mean) in self.blurred.iter().zip(means) {
            blurred.in_plane(k, self.regions.grid.dims[0], |at, value| plane[at] += mean * value);
        }
        plane
    }

    /// The model's image for these concentrations, one a region.
    pub fn image(&self, means: &[f64]) -> Vec<f64> {
        cores::of_each(0..self.regions.grid.dims[2], |k| self.plane(means, k)).concat()
    }

    /// The regions' mean of an image over their outlines.
    pub fn measured(&self, image: &[f64]) -> Vec<f64> {
        self.regions.list.iter().map(|region| region.mean(image)).collect()
    }

    /// Mean of each region's blurred indicator over its own outline: its recovery without spill-in.
    pub fn own_recovery(&self, region: usize) -> f64 {
        let of = &self.regions.list[region];
        let at = |voxel| self.blurred[region].at(self.regions.grid.voxel(voxel));
        of.each().map(|(voxel, share)| share * at(voxel)).sum::<f64>() / of.volume()
    }

    /// Calls `take` with every voxel that a region's blurred indicator may reach, and its value there.
    pub(super) fn each_blurred(&self, region: usize, mut take: impl FnMut(usize, f64)) {
        let plane = self.plane_len();
        for k in 0..self.regions.grid.dims[2] {
            self.blurred[region].in_plane(k, self.regions.grid.dims[0], |at, value| take(k * plane + at, value));
        }
    }

    /// Sums over planes of what `of_plane` makes of each, added in the order of the planes.
    fn summed(&self, length: usize, of_plane: impl Fn(usize) -> Vec<f64> + Sync) -> Vec<f64> {
        let planes = cores::of_each(0..self.regions.grid.dims[2], of_plane);
        let mut sums = vec![0.0; length];
        planes.iter().for_each(|plane| sums.iter_mut().zip(plane).for_each(|(sum, value)| *sum += value));
        sums
    }

    /// For each region the weighted mean of image over model, 1 where the model explains the image. A voxel in which
    /// the model has nothing says nothing.
    pub(super) fn ratios(&self, image: &[f64], means: &[f64], over: Over) -> Vec<f64> {
        let (n, plane) = (self.regions.list.len(), self.plane_len());
        let sums = self.summed(2 * n, |k| {
            let model = self.plane(means, k);
            let first = k * plane;
            let ratio: Vec<f64> = model
                .iter()
                .zip(&image[first..first + plane])
                .map(|(b, g)| if *b > 0.0 { g / b } else { 0.0 })
                .collect();
            let mut sums = vec![0.0; 2 * n];
            for (r, blurred) in self.blurred.iter().enumerate() {
                let mut add = |at: usize, weight: f64| {
                    sums[r] += weight * ratio[at];
                    sums[n + r] += weight;
                };
                match over {
                    Over::Blurred => blurred.in_plane(k, self.regions.grid.dims[0], add),
                    Over::Outline => {
                        let inside = self.regions.list[r].between(first, first + plane);
                        inside.for_each(|(voxel, share)| add(voxel - first, share));
                    }
                }
            }
            sums
        });
        (0..n).map(|r| sums[r] / sums[n + r]).collect()
    }

    /// W_ij: the mean of region j's blurred indicator over region i's outline, row by row. Rows sum to 1.
    pub(super) fn transfer(&self) -> Vec<f64> {
        let (n, plane) = (self.regions.list.len(), self.plane_len());
        let mut sums = self.summed(n * n, |k| {
            let mut sums = vec![0.0; n * n];
            for (i, region) in self.regions.list.iter().enumerate() {
                for (voxel, share) in region.between(k * plane, (k + 1) * plane) {
                    let at = self.regions.grid.voxel(voxel);
                    for (j, blurred) in self.blurred.iter().enumerate() {
                        sums[i * n + j] += share * blurred.at(at);
                    }
                }
            }
            sums
        });
        for (i, region) in self.regions.list.iter().enumerate() {
            sums[i * n..(i + 1) * n].iter_mut().for_each(|w| *w /= region.volume());
        }
        sums
    }

    /// Sum of (image - model)^2 over the voxels where `judged` is true.
    pub(super) fn misfit(&self, image: &[f64], means: &[f64], judged: &[bool]) -> f64 {
        let plane = self.plane_len();
        let of_plane = |k: usize| {
            let model = self.plane(means, k);
            let first = k * plane;
            let square = |(n, b): (usize, &f64)| if judged[first + n] { (image[first + n] - b).powi(2) } else { 0.0 };
            vec![model.iter().enumerate().map(square).sum()]
        };
        self.summed(1, of_plane)[0]
    }

    /// Whether a voxel lies at the border of an outlined region: where its blurred indicator is between `low` and 1 - `low`.
    pub(super) fn borders(&self, low: f64) -> Vec<bool> {
        let mut border = vec![false; self.regions.grid.len()];
        let plane = self.plane_len();
        for (r, _) in self.regions.outlined() {
            for k in 0..self.regions.grid.dims[2] {
                let at_border = |v: f64| v > low && v < 1.0 - low;
                self.blurred[r].in_plane(k, self.regions.grid.dims[0], |at, v| border[k * plane + at] |= at_border(v));
            }
        }
        border
    }
}
