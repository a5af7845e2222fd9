//! A region taken apart from what does not move with it, and its motion from that alone.
//!
//! The fixed image is a sum of layers (`layers`). The moving image is the same layers, each with a factor of its own (organs
//! wash out at their own pace), the region's layer K carried by its own motion T and those of its neighbours L_j by the common
//! motion C; where the region comes to lie (its occupancy o, 0 to 1), they give way:
//!
//!   M(y) = f_K K(T^-1 y) + (1 - o(T^-1 y)) Sum_j f_j L_j(C^-1 y)
//!
//! The factors are non-negative least squares at the motion known so far; what the neighbours give is then taken from the moving
//! image, and the descent looks for the motion under which the rest correlates with K. A point counts by the region's share
//! of the fixed image times its share of the moving one. This is repeated until the motion stays.

use super::agreement::apart_mm;
use super::error::RegisterError;
use super::factors::factors;
use super::field::Field;
use super::layers::{Layers, cut_out, weights};
use super::mask::Mask;
use super::metric::Likeness;
use super::sample::Part;
use super::stage::{Settings, Stage, draw};
use super::transform::{Affine, Kind, TransformError};
use crate::cores;
use crate::grid::Volume;

/// Rounds at most, and the step of the middle, mm, at which the motion stays: far below what the data settle.
const MOST_ROUNDS: usize = 8;
const STAYS_MM: f64 = 0.05;
/// What of the moving image around the region is looked at, mm, so that the descent does not step out of it.
const AROUND_MM: f64 = 25.0;

/// A region and its neighbours in the fixed image, and the moving image.
pub(super) struct Scene<'a> {
    pub(super) layers: &'a Layers,
    pub(super) moving: &'a Field,
    /// Where points are looked at, in the fixed frame.
    pub(super) mask: &'a Mask,
    /// The motion of the neighbours.
    pub(super) common: &'a Affine,
    /// The region's middle in the fixed frame, mm.
    pub(super) middle_mm: [f64; 3],
    /// Voxel edge of both images, mm.
    pub(super) edge_mm: f64,
    pub(super) settings: &'a Settings,
    pub(super) points: usize,
}

/// The moving image without the neighbours, and how much of each layer it holds, the region's first.
struct Alone {
    image: Field,
    factors: Vec<f64>,
}

impl Scene<'_> {
    /// The region's motion, from one near by.
    pub(super) fn motion(&self, from: &Affine, part: Part) -> Result<Affine, RegisterError> {
        let settings = Settings { kind: Kind::Rigid, likeness: Likeness::Correlation, ..*self.settings };
        let mut samples = draw(&self.layers.own, self.mask, self.points, 0, part)?;
        let mut map = *from;
        for _ in 0..MOST_ROUNDS {
            let alone = self.alone(&map)?;
            let centre = samples.centre_mm;
            let world = |p: &[f64; 3]| std::array::from_fn(|axis| p[axis] + centre[axis]);
            let carried = self.home()?.after(&map);
            samples.weights = samples.points.iter().map(|p| self.weight(world(p), &carried, &alone.factors)).collect();
            let stage = Stage::new(&samples, &alone.image, self.edge_mm, &settings)?;
            let next = stage.descend(&map).ok_or(RegisterError::NoOverlap { share: 0.0 })?.map;
            let step_mm = apart_mm(&map, &next, self.middle_mm);
            map = next;
            if step_mm < STAYS_MM {
                break;
            }
        }
        Ok(map)
    }

    /// From the moving to the fixed frame, as the neighbours move.
    fn home(&self) -> Result<Affine, RegisterError> {
        Ok(self.common.inverse().ok_or(TransformError::Singular)?)
    }

    /// What the layers are in a place of the moving image under a motion, the region's first.
    fn in_moving(&self, at_own: [f64; 3], at_common: [f64; 3]) -> Vec<f64> {
        let value = |field: &Field, at| field.value(at).unwrap_or(0.0);
        let left = 1.0 - value(&self.layers.occupied, at_own);
        let others = self.layers.others.iter().map(|other| left * value(other, at_common));
        std::iter::once(value(&self.layers.own, at_own)).chain(others).collect()
    }

    /// The moving image less what the neighbours give.
    fn alone(&self, map: &Affine) -> Result<Alone, RegisterError> {
        let (back, home) = (map.inverse().ok_or(TransformError::Singular)?, self.home()?);
        let extent_mm = self.mask.moved(map).extent_mm().ok_or(RegisterError::NoRegion)?;
        let near = cut_out(self.moving, extent_mm, AROUND_MM).ok_or(RegisterError::NoOverlap { share: 0.0 })?;
        let [nx, ny, nz] = near.grid.dims;
        let planes = cores::of_each(0..nz, |k| {
            let place = |n: usize| near.grid.world_mm(near.grid.voxel(n).map(|v| v as f64));
            let of = |n: usize| self.in_moving(back.apply(place(n)), home.apply(place(n)));
            (nx * ny * k..nx * ny * (k + 1)).map(of).collect::<Vec<_>>()
        });
        let layers: Vec<Vec<f64>> = planes.into_iter().flatten().collect();
        let parts: Vec<Vec<f64>> =
            (0..=self.layers.others.len()).map(|part| layers.iter().map(|all| all[part]).collect()).collect();
        let values: Vec<f64> = near.data.iter().map(|&v| f64::from(v)).collect();
        let (factors, _) = factors(&parts, &values, &weights(&values));
        if factors[0] <= 0.0 {
            return Err(RegisterError::NoContrast { image: "moving" });
        }
        let others = |all: &[f64]| all.iter().zip(&factors).skip(1).map(|(a, f)| a * f).sum::<f64>();
        let data = values.iter().zip(&layers).map(|(value, all)| (value - others(all)) as f32).collect();
        Ok(Alone { image: Field::new(Volume { grid: near.grid, data }), factors })
    }

    /// The region's share of the fixed image in a point times its share of the moving image where the point goes; `carried` is where
    /// in the fixed frame the neighbours there come from.
    fn weight(&self, point_mm: [f64; 3], carried: &Affine, factors: &[f64]) -> f64 {
        let parts = self.in_moving(point_mm, carried.apply(point_mm));
        let all: f64 = parts.iter().zip(factors).map(|(part, factor)| part * factor).sum();
        let there = if all > 0.0 { parts[0] * factors[0] / all } else { 0.0 };
        self.layers.share.value(point_mm).unwrap_or(0.0) * there
    }
}
