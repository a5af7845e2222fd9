//! What both metrics are made of: blocks of points, places, slopes.

use crate::cores;
use crate::register::transform::Slopes;

/// Points a block: one thread's piece, and the order of the sums.
const BLOCK: usize = 2048;
/// Smallest share of the points that must fall into the moving image.
pub const LEAST_OVERLAP: f64 = 0.25;

/// The value of a metric and its derivatives by the transform's matrix and shift.
#[derive(Clone, Debug)]
pub(in crate::register) struct Score {
    pub(in crate::register) cost: f64,
    pub(in crate::register) slopes: Slopes,
}

/// Where a point falls, in voxels of the moving image.
#[inline]
pub(super) fn at(places: &Slopes, [x, y, z]: &[f64; 3]) -> [f64; 3] {
    places.map(|[a, b, c, d]| a * x + b * y + c * z + d)
}

/// What `work` makes of each block of `count` points, in their order.
pub(super) fn blocks<R: Send>(
    count: usize,
    threads: usize,
    work: impl Fn(std::ops::Range<usize>) -> R + Sync,
) -> Vec<R> {
    let starts = (0..count).step_by(BLOCK);
    cores::of_each_on(threads, starts, |from| work(from..(from + BLOCK).min(count)))
}

/// Adds a derivative by place to the slopes of a point: by the matrix with the point, by the shift with 1.
#[inline]
pub(super) fn add_slopes(to: &mut Slopes, factor: f64, by_place: [f64; 3], [x, y, z]: &[f64; 3]) {
    for (row, slope) in to.iter_mut().zip(by_place) {
        let s = factor * slope;
        row[0] += s * x;
        row[1] += s * y;
        row[2] += s * z;
        row[3] += s;
    }
}

pub(super) fn add(to: &mut Slopes, other: &Slopes) {
    to.iter_mut().flatten().zip(other.iter().flatten()).for_each(|(a, b)| *a += b);
}
