//! Maps of points that bend: displacements on a grid, between two matrices.
//!
//! x goes to A (B x + d(x)): a matrix B before, the displacement d, read in x itself by trilinear interpolation between the
//! centres of the grid's voxels, and a matrix A after (PS3.3 C.20.3.1.1, whose deformable registrations are of this form; the
//! displacement fields of ITK have unit matrices). Within half a voxel of the outermost centres the nearest vector holds;
//! beyond, and next to a vector that is not a number, the map is not known.

use super::transform::Affine;
use crate::cores;
use crate::fault::{Explained, Fault, explained};
use crate::grid::VoxelGrid;
use thiserror::Error;

/// Steps of the way back at most; it ends far earlier where it ends.
const MOST_STEPS: usize = 60;
/// Distance at which the way back has arrived, mm.
const ARRIVED_MM: f64 = 1e-3;

/// Why a displacement field is not a map of a patient.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum DisplacementError {
    /// Vectors for another number of voxels than the grid has.
    Count {
        /// Vectors found.
        found: usize,
        /// Voxels of the grid.
        expected: usize,
    },
    /// A grid of one voxel along an axis.
    Flat {
        /// Voxels along the axes.
        dims: [usize; 3],
    },
    /// A field that folds: the Jacobian is 0 or less somewhere.
    Folds {
        /// How many voxels.
        count: usize,
        /// The first of them.
        voxel: [usize; 3],
        /// The lowest Jacobian.
        least: f64,
    },
    /// No voxel around which the map is known.
    Empty,
}

explained!(DisplacementError);

impl Explained for DisplacementError {
    fn fault(&self) -> Fault {
        let refused =
            |field: &str, found: String, allowed: &str, next: &str| Fault::invalid("", field, found, allowed, next);
        match self {
            Self::Count { found, expected } => refused(
                "displacement vectors",
                format!("{found} vectors for {expected} voxels"),
                "one vector a voxel",
                "The file is cut short or damaged: export it again.",
            ),
            Self::Flat { dims: [x, y, z] } => refused(
                "displacement grid",
                format!("{x} x {y} x {z} voxels"),
                "2 or more along each axis",
                "Export the whole field.",
            ),
            Self::Folds { count, voxel: [i, j, k], least } => refused(
                "displacement (Jacobian)",
                format!(
                    "{count} voxels in which the field folds, the first ({i}, {j}, {k}); lowest Jacobian {least:.3}"
                ),
                "above 0 everywhere",
                "Register again with more regularisation or a coarser grid; check that the vectors are in mm.",
            ),
            Self::Empty => refused(
                "displacement vectors",
                "none that are numbers side by side".into(),
                "vectors of finite numbers",
                "Export the field again.",
            ),
        }
    }
}

/// How a field stretches and squeezes: determinants of its derivative, 1 where volumes are kept.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Jacobians {
    /// Lowest.
    pub least: f64,
    /// One in a hundred is lower.
    pub p01: f64,
    /// Median.
    pub median: f64,
    /// One in a hundred is higher.
    pub p99: f64,
    /// Highest.
    pub most: f64,
}

/// A map of points that bends.
#[derive(Clone, Debug, PartialEq)]
pub struct Displacement {
    grid: VoxelGrid,
    /// One vector a voxel, x fastest, mm.
    vectors: Vec<[f32; 3]>,
    before: Affine,
    after: Affine,
}

impl Displacement {
    /// A field of vectors, mm, in the frame of its grid, from the fixed to the moving frame.
    ///
    /// Errors: another number of vectors than voxels; a grid of one voxel along an axis.
    pub fn new(grid: VoxelGrid, vectors: Vec<[f32; 3]>) -> Result<Self, DisplacementError> {
        if vectors.len() != grid.len() {
            return Err(DisplacementError::Count { found: vectors.len(), expected: grid.len() });
        }
        if grid.dims.iter().any(|&n| n < 2) {
            return Err(DisplacementError::Flat { dims: grid.dims });
        }
        Ok(Self { grid, vectors, before: Affine::IDENTITY, after: Affine::IDENTITY })
    }

    /// The same between a matrix that is applied before and one that is applied after.
    pub fn between(self, before: Affine, after: Affine) -> Self {
        Self { before, after, ..self }
    }

    /// Where a point goes, mm; `None` where the field does not say.
    pub fn apply(&self, point_mm: [f64; 3]) -> Option<[f64; 3]> {
        let by = self.look(point_mm)?;
        let before = self.before.apply(point_mm);
        Some(self.after.apply(std::array::from_fn(|axis| before[axis] + by[axis])))
    }

    /// How far a point moves, mm.
    pub fn displacement_mm(&self, point_mm: [f64; 3]) -> Option<[f64; 3]> {
        let to = self.apply(point_mm)?;
        Some(std::array::from_fn(|axis| to[axis] - point_mm[axis]))
    }

    /// The displacement in a point, between the voxels' centres.
    fn look(&self, point_mm: [f64; 3]) -> Option<[f64; 3]> {
        let place = self.grid.voxel_at_mm(point_mm);
        let (mut low, mut share) = ([0_usize; 3], [0.0; 3]);
        for axis in 0..3 {
            let most = self.grid.dims[axis] as f64 - 1.0;
            // half a voxel around the outermost centres belongs to the grid; a hair more for rounding
            if !(place[axis] >= -0.5 - 1e-6 && place[axis] <= most + 0.5 + 1e-6) {
                return None;
            }
            let at = place[axis].clamp(0.0, most);
            low[axis] = (at as usize).min(self.grid.dims[axis] - 2);
            share[axis] = at - low[axis] as f64;
        }
        let mut sum = [0.0; 3];
        for corner in 0..8 {
            let bit = |axis: usize| corner >> axis & 1;
            let weight: f64 = (0..3).map(|axis| if bit(axis) == 1 { share[axis] } else { 1.0 - share[axis] }).product();
            if weight == 0.0 {
                continue;
            }
            let vector = self.vectors[self.grid.index(low[0] + bit(0), low[1] + bit(1), low[2] + bit(2))];
            (0..3).for_each(|axis| sum[axis] += weight * f64::from(vector[axis]));
        }
        sum.iter().all(|v| v.is_finite()).then_some(sum)
    }

    /// The point that goes to `point_mm`, by steps of what is still lacking; `None` where the steps do not arrive.
    pub fn back(&self, point_mm: [f64; 3]) -> Option<[f64; 3]> {
        let linear = self.after.after(&self.before).inverse()?;
        let mut at = linear.apply(point_mm);
        for _ in 0..MOST_STEPS {
            let there = self.apply(at)?;
            let lacking: [f64; 3] = std::array::from_fn(|axis| point_mm[axis] - there[axis]);
            if lacking.iter().map(|v| v * v).sum::<f64>() < ARRIVED_MM * ARRIVED_MM {
                return Some(at);
            }
            let rows = linear.rows.map(|[a, b, c, _]| a * lacking[0] + b * lacking[1] + c * lacking[2]);
            at = std::array::from_fn(|axis| at[axis] + rows[axis]);
        }
        None
    }

    /// How the field stretches and squeezes, from the eight corners of every voxel's neighbourhood: the derivative of
    /// trilinear interpolation is extreme there.
    ///
    /// Errors: a field that folds somewhere; no voxel around which it is known.
    pub fn jacobians(&self) -> Result<Jacobians, DisplacementError> {
        let [nx, ny, nz] = self.grid.dims;
        let planes = cores::of_each(0..nz, |k| {
            let (mut all, mut folds) = (Vec::with_capacity(nx * ny), Vec::new());
            for index in nx * ny * k..nx * ny * (k + 1) {
                if let Some(lowest) = self.lowest_jacobian(index) {
                    all.push(lowest as f32);
                    if lowest <= 0.0 {
                        folds.push(index);
                    }
                }
            }
            (all, folds)
        });
        let folds: Vec<usize> = planes.iter().flat_map(|plane| plane.1.iter().copied()).collect();
        let mut all: Vec<f32> = planes.into_iter().flat_map(|plane| plane.0).collect();
        if all.is_empty() {
            return Err(DisplacementError::Empty);
        }
        all.sort_unstable_by(f32::total_cmp);
        let at = |share: f64| f64::from(all[((all.len() - 1) as f64 * share).round() as usize]);
        match folds.first() {
            Some(&first) => {
                Err(DisplacementError::Folds { count: folds.len(), voxel: self.grid.voxel(first), least: at(0.0) })
            }
            None => Ok(Jacobians { least: at(0.0), p01: at(0.01), median: at(0.5), p99: at(0.99), most: at(1.0) }),
        }
    }

    /// The lowest determinant around a voxel, of the differences towards its neighbours; `None` where none is known.
    fn lowest_jacobian(&self, index: usize) -> Option<f64> {
        let at = self.grid.voxel(index);
        let here = self.vectors[index].map(f64::from);
        let outer = self.after.determinant();
        // the derivative of the displacement along an axis of the grid, towards either side
        let step = |axis: usize, up: bool| -> Option<[f64; 3]> {
            let mut next = at;
            next[axis] = if up { at[axis] + 1 } else { at[axis].checked_sub(1)? };
            if next[axis] >= self.grid.dims[axis] {
                return None;
            }
            let there = self.vectors[self.grid.index(next[0], next[1], next[2])].map(f64::from);
            let sign = if up { 1.0 } else { -1.0 };
            Some(std::array::from_fn(|n| sign * (there[n] - here[n])))
        };
        let edges = &self.grid.affine;
        let edge_volume = determinant(&std::array::from_fn(|axis| [0, 1, 2].map(|row| edges[row][axis])));
        let mut lowest: Option<f64> = None;
        for corner in 0..8 {
            let columns: [Option<[f64; 3]>; 3] = std::array::from_fn(|axis| {
                let by = step(axis, corner >> axis & 1 == 1)?;
                // B applied to the edge, and what the displacement adds
                let edge = [0, 1, 2].map(|row| edges[row][axis]);
                let turned = self.before.rows.map(|[a, b, c, _]| a * edge[0] + b * edge[1] + c * edge[2]);
                Some(std::array::from_fn(|n| turned[n] + by[n]))
            });
            let [Some(x), Some(y), Some(z)] = columns else { continue };
            let found = outer * determinant(&[x, y, z]) / edge_volume;
            if found.is_finite() {
                lowest = Some(lowest.map_or(found, |l| l.min(found)));
            }
        }
        lowest
    }
}

fn determinant([a, b, c]: &[[f64; 3]; 3]) -> f64 {
    a[0] * (b[1] * c[2] - b[2] * c[1]) + a[1] * (b[2] * c[0] - b[0] * c[2]) + a[2] * (b[0] * c[1] - b[1] * c[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> VoxelGrid {
        VoxelGrid::axis_aligned([15, 14, 13], [5.0, 6.0, 7.0], [-35.0, -39.0, -42.0])
    }

    fn field(by: impl Fn([f64; 3]) -> [f64; 3]) -> Displacement {
        let grid = grid();
        let vectors =
            (0..grid.len()).map(|n| by(grid.world_mm(grid.voxel(n).map(|v| v as f64))).map(|v| v as f32)).collect();
        Displacement::new(grid, vectors).expect("a field")
    }

    fn near(a: [f64; 3], b: [f64; 3], mm: f64) -> bool {
        a.iter().zip(b).all(|(a, b)| (a - b).abs() < mm)
    }

    /// A field of a linear map is that map, with the determinant of its matrix; matrices before and after compose.
    #[test]
    fn law_a_linear_field_is_its_matrix() {
        let linear = field(|[x, y, z]| [0.02 * x + 0.01 * y + 1.0, 0.03 * y - 2.0, -0.04 * z + 0.02 * x]);
        let p = [11.0, -7.0, 20.0];
        let to = linear.apply(p).expect("inside");
        assert!(near(to, [11.0 + 0.22 - 0.07 + 1.0, -7.0 - 0.21 - 2.0, 20.0 - 0.8 + 0.22], 1e-4), "{to:?}");
        let spread = linear.jacobians().expect("no fold");
        let expected = 1.02 * 1.03 * 0.96;
        assert!((spread.least - expected).abs() < 1e-4 && (spread.most - expected).abs() < 1e-4, "{spread:?}");
        assert!(near(linear.back(to).expect("a way back"), p, 2e-3));
        let before = Affine::rigid([0.0, 0.0, 0.1], [1.0, 2.0, 3.0], [0.0; 3]);
        let after = Affine::rigid([0.1, 0.0, 0.0], [-4.0, 0.0, 1.0], [0.0; 3]);
        let whole = field(|_| [2.0, -1.0, 0.5]).between(before, after);
        let by_hand = before.apply(p);
        let by_hand = after.apply([by_hand[0] + 2.0, by_hand[1] - 1.0, by_hand[2] + 0.5]);
        assert!(near(whole.apply(p).expect("inside"), by_hand, 1e-6));
        assert!(near(whole.back(by_hand).expect("a way back"), p, 2e-3));
        let spread = whole.jacobians().expect("no fold");
        assert!((spread.median - 1.0).abs() < 1e-6, "{spread:?}");
    }

    /// Half a voxel around the outermost centres belongs to the field, no more; what is not a number is not known.
    #[test]
    fn law_a_field_ends_where_its_voxels_end() {
        let mut still = field(|_| [1.0, 0.0, 0.0]);
        assert!(still.apply([-37.4, 0.0, 0.0]).is_some() && still.apply([-37.6, 0.0, 0.0]).is_none());
        let middle = still.grid.index(7, 7, 6);
        still.vectors[middle] = [f32::NAN; 3];
        assert!(still.apply(still.grid.world_mm([7.2, 7.0, 6.0])).is_none());
        assert!(still.apply(still.grid.world_mm([8.0, 7.0, 6.0])).is_some());
        assert!(still.jacobians().is_ok());
    }

    #[test]
    fn alarm_fields_that_are_no_maps_ring() {
        let folding = field(|[x, _, _]| [-12.0 * (x / 8.0).sin(), 0.0, 0.0]);
        let error = folding.jacobians().expect_err("a fold");
        assert!(matches!(error, DisplacementError::Folds { count: 1.., least: ..0.0, .. }), "{error}");
        // a mirror folds everywhere
        let error = field(|[x, _, _]| [-2.0 * x, 0.0, 0.0]).jacobians().expect_err("a mirror");
        assert!(matches!(error, DisplacementError::Folds { count, .. } if count == grid().len()), "{error}");
        assert!(matches!(Displacement::new(grid(), vec![[0.0; 3]; 5]), Err(DisplacementError::Count { .. })));
        let flat = VoxelGrid::axis_aligned([5, 5, 1], [1.0; 3], [0.0; 3]);
        assert!(matches!(Displacement::new(flat, vec![[0.0; 3]; 25]), Err(DisplacementError::Flat { .. })));
        let unknown = field(|_| [f64::NAN; 3]).jacobians();
        assert_eq!(unknown, Err(DisplacementError::Empty));
    }
}
