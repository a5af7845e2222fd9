//! The motion of one region by itself: organs do not move together.
//!
//! The search looks at the region and its surroundings alone. It starts from the common transform and from shifts of it along
//! each axis, since a kidney may move farther from its surroundings than the reach of a fine descent; the best start of the
//! middle level goes on to the finest. In activity images the surroundings hold what neighbours give, which do not move with the
//! region: what is found there is near, and the motion is that of the region taken apart from them (`apart`).

use super::agreement::{OwnMotion, apart_mm, length, middles, residual_mm};
use super::apart::Scene;
use super::error::{MOST_APART_MM, MOST_ROTATION_DEG, MOST_SHIFT_MM, RegisterError};
use super::field::Field;
use super::layers::{Layers, Outlines};
use super::mask::Mask;
use super::metric::Likeness;
use super::optimise::Descent;
use super::sample::Part;
use super::stage::{MARGIN_MM, Settings, Side, Stage, draw, sides};
use super::transform::{Affine, Kind, Numbers, TransformError};
use crate::grid::Volume;
use std::collections::BTreeMap;

/// Points of one region on the finest level; a third of them on the middle one.
const POINTS: usize = 30_000;
/// How far the starts lie from the common transform, mm: breathing and posture move kidneys by 5 to 20 mm.
const START_MM: f64 = 15.0;
/// Distance at which an angle counts as much as a shift where two motions are averaged, mm: half a kidney's length.
const ARM_MM: f64 = 50.0;

/// Two images, and the transform of all that is looked at.
pub(super) struct Pair<'a> {
    pub(super) fixed: &'a Side,
    pub(super) moving: &'a Side,
    pub(super) levels: &'a [(f64, usize)],
    pub(super) settings: &'a Settings,
    /// The common transform.
    pub(super) common: &'a Affine,
    /// The motion of what does not move by itself.
    pub(super) rest: &'a Affine,
}

/// One of the regions.
struct Region<'a> {
    labels: &'a Volume<u16>,
    label: u16,
    middle_mm: [f64; 3],
    /// The region and its surroundings.
    mask: &'a Mask,
}

impl Region<'_> {
    /// The layers of the image `name` near the region.
    fn layers(
        &self,
        name: &'static str,
        image: &Field,
        outlines: Outlines<'_>,
        mask: &Mask,
    ) -> Result<Layers, RegisterError> {
        let extent_mm = mask.extent_mm().ok_or(RegisterError::NoRegion)?;
        Layers::of(image, outlines, self.label, extent_mm).ok_or(RegisterError::NoContrast { image: name })
    }
}

/// A motion, the distance of those of two halves of the data at the middle, mm, and what remains uncertain.
struct Settled {
    map: Affine,
    halves_apart_mm: f64,
    residual_mm: f64,
}

/// Labels by place.
struct Place<'a> {
    labels: &'a Volume<u16>,
    grid: Field,
}

impl<'a> Place<'a> {
    fn of(labels: &'a Volume<u16>) -> Self {
        Self { labels, grid: Field::new(Volume { grid: labels.grid.clone(), data: Vec::new() }) }
    }

    /// The label of the voxel nearest to a place, mm; 0, no outline, outside.
    fn label(&self, at_mm: [f64; 3]) -> u16 {
        let place = self.grid.place(at_mm).map(f64::round);
        let dims = self.labels.grid.dims;
        if (0..3).any(|axis| !(place[axis] >= 0.0 && place[axis] < dims[axis] as f64)) {
            return 0;
        }
        self.labels.data[self.labels.grid.index(place[0] as usize, place[1] as usize, place[2] as usize)]
    }
}

impl Pair<'_> {
    /// A descent on the level of this number, near a region.
    fn found(
        &self,
        level: usize,
        points: usize,
        mask: &Mask,
        from: &Affine,
        part: Part,
    ) -> Result<Descent, RegisterError> {
        let rigid = Settings { kind: Kind::Rigid, ..*self.settings };
        let samples = draw(&self.fixed.levels[level], mask, points, 0, part)?;
        let stage = Stage::new(&samples, &self.moving.levels[level], self.levels[level].0, &rigid)?;
        stage.descend(from).ok_or(RegisterError::NoOverlap { share: 0.0 })
    }

    /// The motion of a region and its surroundings: where the region is near.
    pub(super) fn near(&self, mask: &Mask, middle_mm: [f64; 3]) -> Result<Affine, RegisterError> {
        let last = self.levels.len() - 1;
        let mut coarse = Vec::new();
        for start in self.starts(middle_mm) {
            if let Ok(descent) = self.found(last - 1, POINTS / 3, mask, &start, Part::All) {
                coarse.push(descent);
            }
        }
        // the first of equals
        let best = coarse.into_iter().min_by(|a, b| a.cost.total_cmp(&b.cost));
        let start = best.ok_or(RegisterError::NoOverlap { share: 0.0 })?.map;
        Ok(self.found(last, POINTS, mask, &start, Part::All)?.map)
    }

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
        let near = self.near(&mask, middle_mm)?;
        let Settled { map: whole, halves_apart_mm, residual_mm } = if self.settings.ct == [false; 2] {
            self.by_layers(&Region { labels, label, middle_mm, mask: &mask }, &near)?
        } else {
            let half = |odd: bool| self.found(last, POINTS, &mask, &near, Part::Half(odd)).map(|descent| descent.map);
            let halves_apart_mm = apart_mm(&half(false)?, &half(true)?, middle_mm);
            Settled { map: near, halves_apart_mm, residual_mm: residual_mm(halves_apart_mm, 0.0) }
        };
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
            from_common_mm: apart_mm(&whole, self.rest, middle_mm),
            halves_apart_mm,
            residual_mm,
        })
    }

    /// The motion of a region without its neighbours, from one near by: midway between the way there and the way back.
    fn by_layers(&self, region: &Region<'_>, near: &Affine) -> Result<Settled, RegisterError> {
        let last = self.levels.len() - 1;
        let [fixed, moving] = [self.fixed, self.moving].map(|side| self.counts(&side.levels[last]));
        let outlines = Place::of(region.labels);
        let here = |at: [f64; 3]| outlines.label(at);
        let layers = region.layers("fixed", &fixed, &here, region.mask)?;
        let there = Scene {
            layers: &layers,
            moving: &moving,
            mask: region.mask,
            common: self.rest,
            middle_mm: region.middle_mm,
            edge_mm: self.levels[last].0,
            settings: self.settings,
            points: POINTS,
        };
        let way = there.motion(near, Part::All)?;
        let back = way_back(region, &there, &fixed, &outlines, &way)?;
        let inverse_apart_mm = apart_mm(&back.after(&way), &Affine::IDENTITY, region.middle_mm);
        let numbers = Numbers { kind: Kind::Rigid, centre_mm: region.middle_mm, arm_mm: ARM_MM };
        let (a, b) = (numbers.of(&way), numbers.of(&back.inverse().ok_or(TransformError::Singular)?));
        let mean: Vec<f64> = a.iter().zip(b).map(|(a, b)| 0.5 * (a + b)).collect();
        let [halves_apart_mm, all_apart_mm] = halves_apart_mm(&there, &way)?;
        let residual_mm = residual_mm(all_apart_mm, inverse_apart_mm);
        Ok(Settled { map: numbers.map(&mean).affine(), halves_apart_mm, residual_mm })
    }

    /// A level's values themselves, of their mean, where its field is of logarithms.
    fn counts(&self, level: &Field) -> Field {
        let value = |v: f32| if self.settings.likeness == Likeness::LogCorrelation { v.exp_m1() } else { v };
        Field::new(Volume { grid: level.grid.clone(), data: level.data.iter().map(|&v| value(v)).collect() })
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

/// Motions of regions that move by themselves.
#[derive(Clone, Debug)]
pub struct OwnMotions {
    /// The motion of what does not, from the fixed to the moving frame: a common motion is drawn along by such regions.
    pub rest: Affine,
    /// Each region's motion, or why there is none.
    pub regions: BTreeMap<u16, Result<OwnMotion, RegisterError>>,
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
) -> Result<OwnMotions, RegisterError> {
    let (levels, [fixed, moving]) = sides(fixed, moving, settings)?;
    let rest = rest(&fixed, &moving, &levels, labels, wanted, common, settings)?;
    let pair = Pair { fixed: &fixed, moving: &moving, levels: &levels, settings, common, rest: &rest };
    let middles = middles(labels);
    let of = |label: &u16| -> Result<(u16, Result<OwnMotion, RegisterError>), RegisterError> {
        let middle_mm = *middles.get(label).ok_or(RegisterError::NoRegion)?;
        Ok((*label, pair.own_motion(labels, *label, middle_mm)))
    };
    let regions = wanted.iter().map(of).collect::<Result<_, _>>()?;
    Ok(OwnMotions { rest, regions })
}

/// The motion back, with the images exchanged: the moving image is taken apart along outlines as they lie in it.
fn way_back(
    region: &Region<'_>,
    there: &Scene<'_>,
    fixed: &Field,
    outlines: &Place<'_>,
    way: &Affine,
) -> Result<Affine, RegisterError> {
    let back = way.inverse().ok_or(TransformError::Singular)?;
    let home = there.common.inverse().ok_or(TransformError::Singular)?;
    let carried = |at: [f64; 3]| match (outlines.label(back.apply(at)), outlines.label(home.apply(at))) {
        (label, _) if label == region.label => label,
        // where the region has gone from
        (_, label) if label == region.label => there.layers.bed,
        (_, label) => label,
    };
    let mask = region.mask.moved(way);
    let layers = region.layers("moving", there.moving, &carried, &mask)?;
    let middle_mm = way.apply(region.middle_mm);
    let scene = Scene { layers: &layers, moving: fixed, mask: &mask, common: &home, middle_mm, ..*there };
    scene.motion(&back, Part::All)
}

/// Distance at the middle between the motions of two halves of the data, mm: of blocks, and the root mean square of that and of halves
/// on either side of planes through the middle. Blocks tell of noise; what draws a region to one side draws the half on that side.
fn halves_apart_mm(scene: &Scene<'_>, way: &Affine) -> Result<[f64; 2], RegisterError> {
    let apart = |parts: [Part; 2]| -> Result<f64, RegisterError> {
        let [one, other] = parts.map(|part| scene.motion(way, part));
        Ok(apart_mm(&one?, &other?, scene.middle_mm))
    };
    let blocks = apart([false, true].map(Part::Half))?;
    let mut squares = blocks.powi(2);
    for (axis, at_mm) in scene.middle_mm.into_iter().enumerate() {
        squares += apart([false, true].map(|above| Part::Side { axis, at_mm, above }))?.powi(2);
    }
    Ok([blocks, (squares / 4.0).sqrt()])
}

/// The motion of the rest: from the common one, at points that are not near a region that moves by itself. A common motion is drawn
/// along by such regions.
fn rest(
    fixed: &Side,
    moving: &Side,
    levels: &[(f64, usize)],
    labels: &Volume<u16>,
    wanted: &[u16],
    common: &Affine,
    settings: &Settings,
) -> Result<Affine, RegisterError> {
    let last = levels.len() - 1;
    let (edge_mm, points) = levels[last];
    let apart = Mask::regions(labels, |label| wanted.contains(&label), levels[1].0, MARGIN_MM);
    let mask = fixed.mask.less(&apart.ok_or(RegisterError::NoRegion)?);
    // nothing but these regions in the image: nothing moves otherwise
    let Ok(samples) = draw(&fixed.levels[last], &mask, points, 0, Part::All) else { return Ok(*common) };
    let rigid = Settings { kind: Kind::Rigid, ..*settings };
    let found = Stage::new(&samples, &moving.levels[last], edge_mm, &rigid)?.descend(common);
    Ok(found.map_or(*common, |descent| descent.map))
}
