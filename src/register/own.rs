//! The motion of one region by itself: organs do not move together.
//!
//! The search looks at the region and its surroundings alone. It starts from the common transform and from shifts of it along
//! each axis, since a kidney may move farther from its surroundings than the reach of a fine descent; the best start of the
//! middle level goes on to the finest.

use super::agreement::{OwnMotion, apart_mm, length, middles, residual_mm};
use super::error::{MOST_APART_MM, MOST_ROTATION_DEG, MOST_SHIFT_MM, RegisterError};
use super::mask::Mask;
use super::sample::Part;
use super::stage::{MARGIN_MM, Settings, Side, Stage, draw, sides};
use super::transform::{Affine, Kind};
use crate::grid::Volume;
use std::collections::BTreeMap;

/// Points of one region on the finest level; a third of them on the middle one.
const POINTS: usize = 30_000;
/// How far the starts lie from the common transform, mm: breathing and posture move kidneys by 5 to 20 mm.
const START_MM: f64 = 15.0;

/// Two images, and the transform of all that is looked at.
pub(super) struct Pair<'a> {
    pub(super) fixed: &'a Side,
    pub(super) moving: &'a Side,
    pub(super) levels: &'a [(f64, usize)],
    pub(super) settings: &'a Settings,
    /// The common transform.
    pub(super) common: &'a Affine,
}

impl Pair<'_> {
    /// The rigid motion of one region with this middle.
    ///
    /// Errors: a motion beyond what a registration may be: too far, turned too much, two halves too far apart.
    pub(super) fn own_motion(
        &self,
        labels: &Volume<u16>,
        label: u16,
        middle_mm: [f64; 3],
    ) -> Result<OwnMotion, RegisterError> {
        let last = self.levels.len() - 1;
        let mask = Mask::regions(labels, |l| l == label, self.levels[1].0, MARGIN_MM).ok_or(RegisterError::NoRegion)?;
        let found = |level: usize, points: usize, from: &Affine, part: Part| {
            let rigid = Settings { kind: Kind::Rigid, ..*self.settings };
            let samples = draw(&self.fixed.levels[level], &mask, points, 0, part)?;
            let stage = Stage::new(&samples, &self.moving.levels[level], self.levels[level].0, &rigid)?;
            stage.descend(from).ok_or(RegisterError::NoOverlap { share: 0.0 })
        };
        let mut coarse = Vec::new();
        for start in self.starts(middle_mm) {
            if let Ok(descent) = found(last - 1, POINTS / 3, &start, Part::All) {
                coarse.push(descent);
            }
        }
        // the first of equals
        let best = coarse.into_iter().min_by(|a, b| a.cost.total_cmp(&b.cost));
        let start = best.ok_or(RegisterError::NoOverlap { share: 0.0 })?.map;
        let whole = found(last, POINTS, &start, Part::All)?.map;
        let half = |odd: bool| found(last, POINTS, &whole, Part::Half(odd)).map(|descent| descent.map);
        let halves_apart_mm = apart_mm(&half(false)?, &half(true)?, middle_mm);
        let displacement_mm = whole.displacement_mm(middle_mm);
        let (shift_mm, rotation_deg) = (length(displacement_mm), whole.rotation_deg());
        if shift_mm > MOST_SHIFT_MM {
            return Err(RegisterError::TooFar { shift_mm });
        }
        if rotation_deg > MOST_ROTATION_DEG {
            return Err(RegisterError::TooTurned { rotation_deg });
        }
        if halves_apart_mm.is_nan() || halves_apart_mm > MOST_APART_MM {
            return Err(RegisterError::HalvesApart { apart_mm: halves_apart_mm });
        }
        Ok(OwnMotion {
            moving_from_fixed: whole,
            displacement_mm,
            from_common_mm: apart_mm(&whole, self.common, middle_mm),
            halves_apart_mm,
            residual_mm: residual_mm(halves_apart_mm, 0.0),
        })
    }

    /// The common transform (where it is rigid, else its shift), and shifts along each axis after it.
    fn starts(&self, middle_mm: [f64; 3]) -> Vec<Affine> {
        let common = match self.common.require_rigid() {
            Ok(()) => *self.common,
            Err(_) => Affine::shift(self.common.displacement_mm(middle_mm)),
        };
        let mut all = vec![common];
        for axis in 0..3 {
            for sign in [-1.0, 1.0] {
                let mut by = [0.0; 3];
                by[axis] = sign * START_MM;
                all.push(Affine::shift(by).after(&common));
            }
        }
        all
    }
}

/// The own motion of each of these regions, labels in the fixed frame, from the common transform.
///
/// Errors: images that cannot be looked at; a region without voxels. A motion that is refused stands in the result.
pub fn by_region(
    fixed: &Volume<f32>,
    moving: &Volume<f32>,
    labels: &Volume<u16>,
    wanted: &[u16],
    common: &Affine,
    settings: &Settings,
) -> Result<BTreeMap<u16, Result<OwnMotion, RegisterError>>, RegisterError> {
    let (levels, [fixed, moving]) = sides(fixed, moving, settings)?;
    let pair = Pair { fixed: &fixed, moving: &moving, levels: &levels, settings, common };
    let middles = middles(labels);
    let of = |label: &u16| -> Result<(u16, Result<OwnMotion, RegisterError>), RegisterError> {
        let middle_mm = *middles.get(label).ok_or(RegisterError::NoRegion)?;
        Ok((*label, pair.own_motion(labels, *label, middle_mm)))
    };
    wanted.iter().map(of).collect()
}
