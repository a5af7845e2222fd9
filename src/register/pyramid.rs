//! Smoothed, coarser copies of a volume: a Gaussian along each axis, taken at the coarser grid's voxel centres.
//!
//! Detail finer than a level's voxels would pull the descent into a near local optimum; the Gaussian's standard deviation
//! of half a wanted voxel leaves 0.7 % of what aliases at the voxel frequency (exp(-2 pi^2 / 4)).

use crate::cores;
use crate::grid::{GridError, Volume, VoxelGrid};

/// Standard deviations at which the Gaussian ends.
const REACH: f64 = 3.0;

/// Weights of one voxel of the coarser axis: first source voxel, then its weights, which sum to 1.
struct Window {
    first: usize,
    weights: Vec<f32>,
}

/// The windows of an axis: `count` coarser voxels of `edge` source voxels around the axis' middle.
fn windows(length: usize, count: usize, edge: f64, sigma: f64) -> Vec<Window> {
    let middle = 0.5 * (length as f64 - 1.0);
    (0..count)
        .map(|n| {
            let centre = middle + (n as f64 - 0.5 * (count as f64 - 1.0)) * edge;
            let reach = (REACH * sigma).max(0.5);
            let first = (centre - reach).ceil().clamp(0.0, length as f64 - 1.0) as usize;
            let last = (centre + reach).floor().clamp(first as f64, length as f64 - 1.0) as usize;
            let bell = |at: usize| (-0.5 * ((at as f64 - centre) / sigma).powi(2)).exp();
            let raw: Vec<f64> = (first..=last).map(|at| if sigma > 0.0 { bell(at) } else { 1.0 }).collect();
            let whole: f64 = raw.iter().sum();
            // a window whose voxels all lie beyond the bell's reach is the nearest voxel
            let weights = if whole > 0.0 { raw.iter().map(|w| (w / whole) as f32).collect() } else { vec![1.0] };
            Window { first, weights }
        })
        .collect()
}

/// A copy with voxels of at least `edge_mm`, smoothed by a Gaussian of `sigma_mm`; `prepare` is applied to each value first.
///
/// An axis whose voxels are already that large keeps them.
pub(super) fn level(
    volume: &Volume<f32>,
    edge_mm: f64,
    sigma_mm: f64,
    prepare: impl Fn(f32) -> f32 + Sync,
) -> Result<Volume<f32>, GridError> {
    let from = &volume.grid;
    let mut affine = from.affine;
    let (mut dims, mut axes) = ([0; 3], Vec::new());
    for axis in 0..3 {
        let edge = (edge_mm / from.spacing_mm[axis]).max(1.0);
        let count = if edge > 1.0 { ((from.dims[axis] as f64 / edge).ceil() as usize).max(1) } else { from.dims[axis] };
        dims[axis] = count;
        axes.push(windows(from.dims[axis], count, edge, sigma_mm / from.spacing_mm[axis]));
        let first = 0.5 * (from.dims[axis] as f64 - 1.0) - 0.5 * (count as f64 - 1.0) * edge;
        for (row, mine) in affine.iter_mut().enumerate() {
            mine[3] += from.affine[row][axis] * first;
            mine[axis] *= edge;
        }
    }
    let [nx, ny, _] = from.dims;
    // plane by plane along x and y, so that no copy of the whole volume is needed
    let planes = cores::of_each(volume.data.chunks(nx * ny), |plane| flat(plane, nx, &axes[0], &axes[1], &prepare));
    let data = cores::of_each(&axes[2], |window| {
        let mut sum = vec![0.0f32; dims[0] * dims[1]];
        for (n, &weight) in window.weights.iter().enumerate() {
            sum.iter_mut().zip(&planes[window.first + n]).for_each(|(s, &v)| *s += weight * v);
        }
        sum
    })
    .concat();
    Ok(Volume { grid: VoxelGrid::from_affine(dims, affine)?, data })
}

/// One plane along x and y.
fn flat(plane: &[f32], nx: usize, x: &[Window], y: &[Window], prepare: &impl Fn(f32) -> f32) -> Vec<f32> {
    let mut row = vec![0.0f32; nx];
    let mut rows = Vec::with_capacity(plane.len() / nx * x.len());
    for values in plane.chunks(nx) {
        row.iter_mut().zip(values).for_each(|(to, &v)| *to = prepare(v));
        rows.extend(x.iter().map(|w| w.weights.iter().zip(&row[w.first..]).map(|(w, v)| w * v).sum::<f32>()));
    }
    let mut out = Vec::with_capacity(x.len() * y.len());
    for window in y {
        let start = out.len();
        out.resize(start + x.len(), 0.0f32);
        for (n, &weight) in window.weights.iter().enumerate() {
            let source = &rows[(window.first + n) * x.len()..][..x.len()];
            out[start..].iter_mut().zip(source).for_each(|(s, &v)| *s += weight * v);
        }
    }
    out
}
