//! Points that are looked at: always the same ones, spread evenly, none on the raster of the voxels.
//!
//! The points are those of the additive recurrence R3 (multiples of the powers of 1 / 1.2207..., the real root of
//! x^4 = x + 1, modulo 1), which fills a box evenly without a raster; points on the voxels' own raster would favour
//! transforms that keep the raster (interpolation artefacts: Pluim, Maintz, Viergever, Comput. Vis. Image Underst. 77
//! (2000) 211).

use super::field::Field;
use super::mask::Mask;

/// The root of x^4 = x + 1.
const ROOT: f64 = 1.220_744_084_605_759_5;
/// Candidates a wanted point before it is given up.
const TRIES: usize = 200;
/// Edge of the blocks in which two halves of the data alternate, mm: smaller than a kidney, larger than the width of a
/// point source in SPECT, beyond which noise is independent.
const HALF_BLOCK_MM: f64 = 20.0;

/// Points of the fixed image and its values there.
#[derive(Clone)]
pub(super) struct Samples {
    /// What the points are counted from, mm.
    pub(super) centre_mm: [f64; 3],
    /// Positions less the centre, mm.
    pub(super) points: Vec<[f64; 3]>,
    /// Values of the fixed image.
    pub(super) values: Vec<f64>,
    /// How much each point counts in a correlation; mutual information counts all alike.
    pub(super) weights: Vec<f64>,
}

/// Which points are taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Part {
    /// All.
    All,
    /// Those in every second block, beginning with the even or the odd one.
    Half(bool),
    /// Those on one side of a plane across an axis: below it, or above.
    Side { axis: usize, at_mm: f64, above: bool },
}

impl Part {
    fn takes(self, at_mm: [f64; 3]) -> bool {
        match self {
            Self::All => true,
            Self::Half(odd) => {
                let blocks: i64 = at_mm.iter().map(|v| (v / HALF_BLOCK_MM).floor() as i64).sum();
                (blocks.rem_euclid(2) == 1) == odd
            }
            Self::Side { axis, at_mm: plane_mm, above } => (at_mm[axis] >= plane_mm) == above,
        }
    }
}

impl Samples {
    /// Up to `wanted` points inside the mask; `skip` candidates are left out first, so that other points are drawn.
    pub(super) fn draw(field: &Field, mask: &Mask, wanted: usize, skip: usize, part: Part) -> Option<Self> {
        let centre_mm = mask.centre_mm()?;
        let [low, high] = mask.extent_mm()?;
        let steps = [1, 2, 3].map(|power| ROOT.powi(-power));
        let (mut points, mut values) = (Vec::with_capacity(wanted), Vec::with_capacity(wanted));
        for n in skip..skip + TRIES * wanted {
            if points.len() == wanted {
                break;
            }
            let at: [f64; 3] = std::array::from_fn(|axis| {
                low[axis] + (0.5 + n as f64 * steps[axis]).fract() * (high[axis] - low[axis])
            });
            if !part.takes(at) || !mask.holds(at) {
                continue;
            }
            if let Some(value) = field.value(at) {
                points.push(std::array::from_fn(|axis| at[axis] - centre_mm[axis]));
                values.push(value);
            }
        }
        let weights = vec![1.0; points.len()];
        (!points.is_empty()).then_some(Self { centre_mm, points, values, weights })
    }

    /// Root mean square distance of the points from their centre, mm.
    pub(super) fn arm_mm(&self) -> f64 {
        let sum: f64 = self.points.iter().map(|p| p.iter().map(|v| v * v).sum::<f64>()).sum();
        (sum / self.points.len() as f64).sqrt().max(1.0)
    }
}
