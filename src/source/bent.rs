//! Values carried along a map that bends, their sum kept.
//!
//! Each voxel of the target is a cell of five tetrahedra. The map takes their corners into the source image, and the cell
//! takes from each source voxel the share of its volume that lies in the carried tetrahedra. Neighbouring cells cut their
//! common face along the same diagonal, so the carried cells fill space without a gap and without counting twice as long as
//! no tetrahedron turns over: the sum inside the field of view is kept to rounding, and what falls outside is counted. A
//! tetrahedron that turns over is a fold: tissue would be in two places. It is refused.

use super::moved::Moved;
use super::overlap::{Scratch, each_piece};
use super::sum;
use crate::cores;
use crate::fault::{Explained, Fault, explained};
use crate::grid::{Volume, VoxelGrid};

/// Cells of one thread's piece.
const BLOCK: usize = 4096;
/// Share of the sum that counts as rounding.
const ROUNDING: f64 = 1e-9;

/// A map that folds the target over.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub struct Folded {
    /// The first voxel of the target whose cell turns over.
    pub voxel: [usize; 3],
    /// How many do.
    pub count: usize,
}

explained!(Folded);

impl Explained for Folded {
    fn fault(&self) -> Fault {
        let [i, j, k] = self.voxel;
        Fault::invalid(
            "",
            "displacement",
            format!("a field that folds in {} voxels, the first ({i}, {j}, {k})", self.count),
            "a field without folds (Jacobian above 0 everywhere)",
            "Register again with more regularisation, or with a coarser grid of control points.",
        )
    }
}

/// Corners of the five tetrahedra of a cell, as bits x, y, z; those of every second cell are mirrored, so that neighbours
/// cut their common face along the same diagonal.
const TETRAHEDRA: [[[usize; 4]; 5]; 2] = [
    [
        [0b001, 0b000, 0b101, 0b011],
        [0b010, 0b000, 0b011, 0b110],
        [0b100, 0b000, 0b110, 0b101],
        [0b111, 0b011, 0b101, 0b110],
        [0b000, 0b011, 0b110, 0b101],
    ],
    [
        [0b000, 0b001, 0b010, 0b100],
        [0b011, 0b001, 0b111, 0b010],
        [0b101, 0b001, 0b100, 0b111],
        [0b110, 0b010, 0b111, 0b100],
        [0b111, 0b001, 0b100, 0b010],
    ],
];

/// What one piece of the target takes, cell by cell, and which cells turn over.
struct Part {
    values: Vec<f64>,
    folded: Vec<usize>,
}

/// Deals values out along a map from a point of the target's frame to the point of the source image where the same tissue
/// lies, mm; `None` where it is not known: such a cell takes nothing. `source` = `kept` + `lost`.
///
/// Errors: a map that folds.
pub fn deal_out_along(
    values: &Volume<f64>,
    target: &VoxelGrid,
    map: impl Fn([f64; 3]) -> Option<[f64; 3]> + Sync,
) -> Result<Moved, Folded> {
    let planes = corners(target, &values.grid, &map);
    let starts = (0..target.len()).step_by(BLOCK);
    let parts = cores::of_each(starts, |start| taken(values, target, &planes, start..target.len().min(start + BLOCK)));
    let folded: Vec<usize> = parts.iter().flat_map(|part| part.folded.iter().copied()).collect();
    if let Some(&first) = folded.first() {
        return Err(Folded { voxel: target.voxel(first), count: folded.len() });
    }
    let data: Vec<f64> = parts.into_iter().flat_map(|part| part.values).collect();
    let (source, kept) = (sum(values.data.iter().copied()), sum(data.iter().copied()));
    let (size, lost) = (sum(values.data.iter().map(|v| v.abs())), source - kept);
    // cells that turn nowhere over and yet lie on each other
    if values.data.iter().all(|v| *v >= 0.0) && lost < -ROUNDING * size {
        return Err(Folded { voxel: [0; 3], count: 0 });
    }
    let lost = if lost.abs() <= ROUNDING * size { 0.0 } else { lost };
    Ok(Moved { volume: Volume { grid: target.clone(), data }, source, kept, lost })
}

/// Where the corners of all cells fall, in voxels of the source, plane by plane.
fn corners(
    target: &VoxelGrid,
    source: &VoxelGrid,
    map: &(impl Fn([f64; 3]) -> Option<[f64; 3]> + Sync),
) -> Vec<Vec<Option<[f64; 3]>>> {
    let [nx, ny, nz] = target.dims;
    cores::of_each(0..=nz, |k| {
        (0..=ny)
            .flat_map(|j| (0..=nx).map(move |i| [i, j, k].map(|n| n as f64 - 0.5)))
            .map(|corner| map(target.world_mm(corner)).map(|there| source.voxel_at_mm(there)))
            .collect()
    })
}

/// What the cells of a range take.
fn taken(
    values: &Volume<f64>,
    target: &VoxelGrid,
    planes: &[Vec<Option<[f64; 3]>>],
    range: std::ops::Range<usize>,
) -> Part {
    let upright = handedness(&values.grid) * handedness(target);
    let row = target.dims[0] + 1;
    let mut part = Part { values: Vec::with_capacity(range.len()), folded: Vec::new() };
    let mut scratch = Scratch::default();
    for index in range {
        let [i, j, k] = target.voxel(index);
        let corner = |bits: usize| planes[k + (bits >> 2)][(j + (bits >> 1 & 1)) * row + i + (bits & 1)];
        let all: [Option<[f64; 3]>; 8] = std::array::from_fn(corner);
        let mut sum = 0.0;
        if let [Some(a), Some(b), Some(c), Some(d), Some(e), Some(f), Some(g), Some(h)] = all {
            let cell = [a, b, c, d, e, f, g, h];
            let ends = &TETRAHEDRA[(i + j + k) % 2];
            if ends.iter().any(|ends| six_volumes(&ends.map(|n| cell[n])) * upright <= 0.0) {
                part.folded.push(index);
            } else if touches(values, &cell) {
                for ends in ends {
                    each_piece(&ends.map(|n| cell[n]), values.grid.dims, &mut scratch, &mut |[x, y, z], volume| {
                        sum += values.at(x, y, z) * volume;
                    });
                }
            }
        }
        part.values.push(sum);
    }
    part
}

/// Whether a carried cell can meet a value: its box does.
fn touches(values: &Volume<f64>, cell: &[[f64; 3]; 8]) -> bool {
    let dims = values.grid.dims;
    let mut ranges = [[0_usize; 2]; 3];
    for axis in 0..3 {
        let (low, high) =
            cell.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), p| (l.min(p[axis]), h.max(p[axis])));
        let (low, high) = ((low + 0.5).floor().max(0.0), (high + 0.5).floor().min(dims[axis] as f64 - 1.0));
        if low > high {
            return false;
        }
        ranges[axis] = [low as usize, high as usize];
    }
    let [x, y, z] = ranges;
    (z[0]..=z[1]).any(|k| (y[0]..=y[1]).any(|j| (x[0]..=x[1]).any(|i| values.at(i, j, k) != 0.0)))
}

/// Six times the signed volume of a tetrahedron.
fn six_volumes(corners: &[[f64; 3]; 4]) -> f64 {
    let by = |n: usize| -> [f64; 3] { std::array::from_fn(|axis| corners[n][axis] - corners[0][axis]) };
    let (a, b, c) = (by(1), by(2), by(3));
    a[0] * (b[1] * c[2] - b[2] * c[1]) + a[1] * (b[2] * c[0] - b[0] * c[2]) + a[2] * (b[0] * c[1] - b[1] * c[0])
}

/// 1 where a grid's axes are right-handed in the world, -1 where they are left-handed.
fn handedness(grid: &VoxelGrid) -> f64 {
    let axis = |n: usize| -> [f64; 3] { std::array::from_fn(|row| grid.affine[row][n]) };
    six_volumes(&[[0.0; 3], axis(0), axis(1), axis(2)]).signum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::moved::deal_out;

    fn source() -> Volume<f64> {
        let grid = VoxelGrid::axis_aligned([16, 15, 14], [4.8; 3], [-36.0; 3]);
        let data = (0..grid.len()).map(|n| f64::from((n % 17) as u32) + 0.5).collect();
        Volume { grid, data }
    }

    fn target() -> VoxelGrid {
        VoxelGrid::axis_aligned([28, 27, 26], [4.0; 3], [-54.0, -52.0, -50.0])
    }

    /// All tetrahedra of a cell look the same way, and together they are the cell.
    #[test]
    fn law_five_tetrahedra_fill_a_cell() {
        let cell = |n: usize| [n & 1, n >> 1 & 1, n >> 2].map(|v| v as f64);
        for ends in TETRAHEDRA {
            let volumes = ends.map(|ends| six_volumes(&ends.map(cell)));
            assert!(volumes.iter().all(|v| *v > 0.0), "{volumes:?}");
            assert!((volumes.iter().sum::<f64>() - 6.0).abs() < 1e-12, "{volumes:?}");
        }
    }

    /// Along a rotation and a shift it deals out what the overlap of solids deals out.
    #[test]
    fn law_a_straight_map_is_the_overlap_of_solids() {
        let (s, c) = 0.13f64.sin_cos();
        // from the target's frame to the source's
        let map = |[x, y, z]: [f64; 3]| Some([c * x - s * y + 3.0, s * x + c * y - 2.0, z + 1.5]);
        let source = source();
        let bent = deal_out_along(&source, &target(), map).expect("no fold");
        let a = source.grid.affine;
        let back = |x: f64, y: f64, z: f64| [c * x + s * y, -s * x + c * y, z];
        let column = |n: usize| back(a[0][n], a[1][n], a[2][n]);
        let (columns, origin) = ([column(0), column(1), column(2)], back(a[0][3] - 3.0, a[1][3] + 2.0, a[2][3] - 1.5));
        let affine = std::array::from_fn(|r| [columns[0][r], columns[1][r], columns[2][r], origin[r]]);
        let grid = VoxelGrid::from_affine(source.grid.dims, affine).expect("a grid");
        let solid = deal_out(&Volume { grid, data: source.data.clone() }, &target());
        for (a, b) in bent.volume.data.iter().zip(&solid.volume.data) {
            assert!((a - b).abs() < 1e-9, "{a} {b}");
        }
        assert!((bent.kept / solid.kept - 1.0).abs() < 1e-12 && bent.lost == 0.0);
    }

    /// A map that bends keeps the sum, also where the source's axes are mirrored in memory.
    #[test]
    fn law_a_bent_map_keeps_the_sum() {
        let map = |[x, y, z]: [f64; 3]| {
            Some([x + 3.0 * (y / 15.0).sin(), y + 4.0 * (z / 17.0).cos(), z + 5.0 * (x / 21.0).sin()])
        };
        let source = source();
        let all = deal_out_along(&source, &target(), map).expect("no fold");
        assert!((all.kept / all.source - 1.0).abs() < 1e-9 && all.lost == 0.0, "{} {}", all.kept, all.source);
        let mut mirrored = source.clone();
        mirrored.grid.affine[0][0] = -4.8;
        mirrored.grid.affine[0][3] = 36.0;
        let all = deal_out_along(&mirrored, &target(), map).expect("no fold");
        assert!((all.kept / all.source - 1.0).abs() < 1e-9, "{} {}", all.kept, all.source);
        // a part that is not known takes nothing and is counted
        let half = deal_out_along(&source, &target(), |p| map(p).filter(|_| p[0] < 0.0)).expect("no fold");
        assert!(half.lost > 0.0 && ((half.kept + half.lost) / half.source - 1.0).abs() < 1e-12);
    }

    #[test]
    fn alarm_folds_ring() {
        let fold = |[x, y, z]: [f64; 3]| Some([x - 30.0 * (x / 10.0).sin(), y, z]);
        let found = deal_out_along(&source(), &target(), fold).expect_err("a fold");
        assert!(found.count > 0 && found.to_string().contains("folds"), "{found}");
        let mirror = |[x, y, z]: [f64; 3]| Some([-x, y, z]);
        assert!(deal_out_along(&source(), &target(), mirror).is_err());
    }
}
