//! Where points are looked at: the body without the couch, where activity is, or regions and their surroundings.

use super::field::Field;
use super::transform::Affine;
use crate::grid::{Volume, VoxelGrid};

/// CT number above which a smoothed voxel belongs to a body, HU: between air and fat.
const BODY_HU: f32 = -300.0;

/// Voxels of a grid that count.
pub(super) struct Mask {
    grid: VoxelGrid,
    inside: Vec<bool>,
    to_voxel: Field,
}

impl Mask {
    fn new(grid: VoxelGrid, inside: Vec<bool>) -> Self {
        let to_voxel = Field::new(Volume { grid: grid.clone(), data: Vec::new() });
        Self { grid, inside, to_voxel }
    }

    /// The body on a smoothed CT: the largest piece above -300 HU after one layer is taken off, which parts it from the
    /// couch, and a margin around it for the skin.
    pub(super) fn body(field: &Field, margin_mm: f64) -> Self {
        let grid = field.grid.clone();
        let mut inside: Vec<bool> = field.data.iter().map(|&v| v > BODY_HU).collect();
        spread(&grid, &mut inside, false);
        let mut inside = largest(&grid, &inside);
        // the layer that was taken off, and the margin
        for _ in 0..=steps(&grid, margin_mm) {
            spread(&grid, &mut inside, true);
        }
        Self::new(grid, inside)
    }

    /// Where a smoothed activity is above a share of its mean, with a margin.
    pub(super) fn active(field: &Field, share: f64, margin_mm: f64) -> Self {
        let grid = field.grid.clone();
        let mean = field.data.iter().map(|&v| f64::from(v)).sum::<f64>() / field.data.len() as f64;
        let inside: Vec<bool> = field.data.iter().map(|&v| f64::from(v) > share * mean).collect();
        Self::grown(grid, inside, margin_mm)
    }

    /// The voxels of regions, with a margin, on a grid of about `edge_mm`.
    pub(super) fn regions(
        labels: &Volume<u16>,
        wanted: impl Fn(u16) -> bool,
        edge_mm: f64,
        margin_mm: f64,
    ) -> Option<Self> {
        let from = &labels.grid;
        let mut low = [f64::INFINITY; 3];
        let mut high = [f64::NEG_INFINITY; 3];
        let places = || labels.data.iter().enumerate().filter(|(_, l)| **l > 0 && wanted(**l));
        for (index, _) in places() {
            let at = from.world_mm(from.voxel(index).map(|n| n as f64));
            for axis in 0..3 {
                low[axis] = low[axis].min(at[axis] - margin_mm - 2.0 * edge_mm);
                high[axis] = high[axis].max(at[axis] + margin_mm + 2.0 * edge_mm);
            }
        }
        if !low[0].is_finite() {
            return None;
        }
        let dims = [0, 1, 2].map(|axis| ((high[axis] - low[axis]) / edge_mm).ceil() as usize + 1);
        let grid = VoxelGrid::axis_aligned(dims, [edge_mm; 3], low);
        let mut inside = vec![false; grid.len()];
        for (index, _) in places() {
            let at = grid.voxel_at_mm(from.world_mm(from.voxel(index).map(|n| n as f64))).map(|v| v.round() as usize);
            inside[grid.index(at[0], at[1], at[2])] = true;
        }
        Some(Self::grown(grid, inside, margin_mm))
    }

    fn grown(grid: VoxelGrid, mut inside: Vec<bool>, margin_mm: f64) -> Self {
        for _ in 0..steps(&grid, margin_mm) {
            spread(&grid, &mut inside, true);
        }
        Self::new(grid, inside)
    }

    /// What counts here and not there.
    pub(super) fn less(&self, other: &Self) -> Self {
        let place = |n: usize| self.grid.world_mm(self.grid.voxel(n).map(|v| v as f64));
        let inside = (0..self.inside.len()).map(|n| self.inside[n] && !other.holds(place(n))).collect();
        Self::new(self.grid.clone(), inside)
    }

    /// The same voxels in the other frame of a map.
    pub(super) fn moved(&self, map: &Affine) -> Self {
        let affine = map.after(&Affine { rows: self.grid.affine }).rows;
        Self::new(VoxelGrid { affine, ..self.grid.clone() }, self.inside.clone())
    }

    /// Whether the voxel nearest to a world position counts.
    pub(super) fn holds(&self, world_mm: [f64; 3]) -> bool {
        let place = self.to_voxel.place(world_mm).map(|v| v.round());
        let dims = self.grid.dims;
        let within = (0..3).all(|axis| place[axis] >= 0.0 && place[axis] < dims[axis] as f64);
        within && self.inside[self.grid.index(place[0] as usize, place[1] as usize, place[2] as usize)]
    }

    /// Lowest and highest world coordinate of what counts, mm; `None` where nothing does.
    pub(super) fn extent_mm(&self) -> Option<[[f64; 3]; 2]> {
        let mut extent = [[f64::INFINITY; 3], [f64::NEG_INFINITY; 3]];
        let half = self.grid.spacing_mm.iter().copied().fold(0.0, f64::max) * 0.5;
        for index in (0..self.inside.len()).filter(|&n| self.inside[n]) {
            let at = self.grid.world_mm(self.grid.voxel(index).map(|n| n as f64));
            for axis in 0..3 {
                extent[0][axis] = extent[0][axis].min(at[axis] - half);
                extent[1][axis] = extent[1][axis].max(at[axis] + half);
            }
        }
        extent[0][0].is_finite().then_some(extent)
    }

    /// Mean position of what counts, mm.
    pub(super) fn centre_mm(&self) -> Option<[f64; 3]> {
        let (mut sum, mut count) = ([0.0; 3], 0.0);
        for index in (0..self.inside.len()).filter(|&n| self.inside[n]) {
            let at = self.grid.voxel(index);
            (0..3).for_each(|axis| sum[axis] += at[axis] as f64);
            count += 1.0;
        }
        (count > 0.0).then(|| self.grid.world_mm(sum.map(|s| s / count)))
    }
}

fn steps(grid: &VoxelGrid, margin_mm: f64) -> usize {
    let edge = grid.spacing_mm.iter().sum::<f64>() / 3.0;
    (margin_mm / edge).round() as usize
}

/// Grows (or shrinks) by the six neighbours of each voxel. Beyond the grid lies what lies at its edge.
fn spread(grid: &VoxelGrid, inside: &mut [bool], grow: bool) {
    let [nx, ny, nz] = grid.dims;
    let before = inside.to_vec();
    let pitch = [1, nx, nx * ny];
    for k in 0..nz {
        for j in 0..ny {
            for i in 0..nx {
                let index = grid.index(i, j, k);
                let at = [i, j, k];
                let near = (0..3).any(|axis| {
                    let below = at[axis] > 0 && before[index - pitch[axis]] == grow;
                    let above = at[axis] + 1 < grid.dims[axis] && before[index + pitch[axis]] == grow;
                    below || above
                });
                if near {
                    inside[index] = grow;
                }
            }
        }
    }
}

/// The largest connected piece; of two equally large ones the first.
fn largest(grid: &VoxelGrid, inside: &[bool]) -> Vec<bool> {
    let pitch = [1, grid.dims[0], grid.dims[0] * grid.dims[1]];
    let mut piece = vec![0_u32; inside.len()];
    let (mut sizes, mut stack) = (vec![0_usize], Vec::new());
    for start in 0..inside.len() {
        if !inside[start] || piece[start] > 0 {
            continue;
        }
        let number = sizes.len() as u32;
        piece[start] = number;
        stack.push(start);
        let mut size = 0;
        while let Some(index) = stack.pop() {
            size += 1;
            let at = grid.voxel(index);
            for axis in 0..3 {
                let below = (at[axis] > 0).then(|| index - pitch[axis]);
                let above = (at[axis] + 1 < grid.dims[axis]).then(|| index + pitch[axis]);
                for next in below.into_iter().chain(above) {
                    if inside[next] && piece[next] == 0 {
                        piece[next] = number;
                        stack.push(next);
                    }
                }
            }
        }
        sizes.push(size);
    }
    let most = sizes.iter().copied().max().unwrap_or(0);
    let best = sizes.iter().position(|&s| s == most).unwrap_or(0) as u32;
    piece.iter().map(|&p| p > 0 && p == best).collect()
}
