//! From two images to a transform: coarse to fine, from several starts.

use super::agreement::{Maps, RegionMotion, length, motions, residual_mm, rms_apart_mm};
use super::error::RegisterError;
use super::mask::Mask;
use super::metric::{LEAST_OVERLAP, Likeness, along, overlap};
use super::own::Pair;
use super::sample::Part;
use super::stage::{MARGIN_MM, Settings, Side, Stage, draw, sides};
use super::transform::{About, Affine, Kind, TransformError};
use crate::grid::Volume;

/// How far the starts lie apart, mm: within the reach of a coarse descent.
const START_MM: f64 = 25.0;
/// Starts that go on to the second level.
const KEPT_STARTS: usize = 3;
/// Points of the check, and how many candidates further on they are drawn.
const CHECK_POINTS: usize = 100_000;
const CHECK_SKIP: usize = 1 << 26;

/// One look at the metric on the way that led to the result.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Step {
    /// Level, 1 the coarsest.
    pub level: usize,
    /// Voxel edge of the level, mm.
    pub edge_mm: f64,
    /// The metric, higher is better.
    pub likeness: f64,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Registration {
    /// From a point of the fixed frame to the point of the moving frame where the same tissue lies, RAS mm.
    pub moving_from_fixed: Affine,
    /// Rigid or affine.
    pub kind: Kind,
    /// The metric.
    pub likeness: Likeness,
    /// The metric of the images as they lie, on points that the descent has not seen; higher is better.
    pub likeness_before: f64,
    /// The metric of the result, on the same points.
    pub likeness_after: f64,
    /// Middle of what was looked at in the fixed frame, RAS mm.
    pub centre_mm: [f64; 3],
    /// Shift of that middle, mm.
    pub shift_mm: f64,
    /// Rotation, degrees.
    pub rotation_deg: f64,
    /// Root mean square displacement of what was looked at, mm.
    pub moved_mm: f64,
    /// Share of the points that fall into the moving image.
    pub overlap: f64,
    /// Root mean square distance between the transforms of two halves of the data, mm.
    pub halves_apart_mm: f64,
    /// Root mean square distance between points and where the way there and back leads, mm; the way back is a descent of
    /// its own with the images exchanged, and the result lies midway between the two.
    pub inverse_apart_mm: f64,
    /// What remains uncertain of a displacement, mm, see [`super::agreement::residual_mm`].
    pub residual_mm: f64,
    /// The metric on the way.
    pub curve: Vec<Step>,
    /// What each region moves; empty without regions.
    pub regions: Vec<RegionMotion>,
}

/// Registers `moving` to `fixed`; with `regions`, labels in the fixed frame, only their surroundings are looked at.
///
/// Errors: too little overlap, images without contrast, regions without voxels. What was found is not judged here: see
/// [`super::verdict::check`].
pub fn register(
    fixed: &Volume<f32>,
    moving: &Volume<f32>,
    regions: Option<&Volume<u16>>,
    settings: &Settings,
) -> Result<Registration, RegisterError> {
    let (levels, [mut fixed, moving]) = sides(fixed, moving, settings)?;
    if let Some(labels) = regions {
        let edge_mm = levels[1].0;
        fixed.mask = Mask::regions(labels, |_| true, edge_mm, MARGIN_MM).ok_or(RegisterError::NoRegion)?;
    }
    let (map, curve) = coarse_to_fine(&fixed, &moving, &levels, settings)?;
    finish(&fixed, &moving, &levels, settings, regions, map, curve)
}

/// How two images agree under a map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Agreement {
    /// The metric, higher is better; minus infinity where too few points fall into the moving image.
    pub likeness: f64,
    /// Share of the fixed image's points that fall into the moving image.
    pub overlap: f64,
}

/// A map from the fixed to the moving frame, mm; `None` where it is not known.
pub type Way<'a> = &'a (dyn Fn([f64; 3]) -> Option<[f64; 3]> + Sync);

/// How two images agree along each of these maps from the fixed to the moving frame, at the middle level.
///
/// Errors: images without contrast.
pub fn compare<const N: usize>(
    fixed: &Volume<f32>,
    moving: &Volume<f32>,
    ways: [Way<'_>; N],
    settings: &Settings,
) -> Result<[Agreement; N], RegisterError> {
    let (levels, sides) = sides(fixed, moving, settings)?;
    let samples = draw(&sides[0].levels[1], &sides[0].mask, levels[1].1, 0, Part::All)?;
    let field = &sides[1].levels[1];
    let stage = Stage::new(&samples, field, levels[1].0, settings)?;
    Ok(ways.map(|way| {
        let (likeness, overlap) = along(&stage.metric, &samples, field, way, settings.threads);
        Agreement { likeness, overlap }
    }))
}

/// The descent from level to level, and the metric on the way.
fn coarse_to_fine(
    fixed: &Side,
    moving: &Side,
    levels: &[(f64, usize)],
    settings: &Settings,
) -> Result<(Affine, Vec<Step>), RegisterError> {
    let mut maps = starts(fixed, moving);
    let mut ways: Vec<Vec<Step>> = vec![Vec::new(); maps.len()];
    for (n, &(edge_mm, points)) in levels.iter().enumerate() {
        let samples = draw(&fixed.levels[n], &fixed.mask, points, 0, Part::All)?;
        let stage = Stage::new(&samples, &moving.levels[n], edge_mm, settings)?;
        let mut found: Vec<(f64, Affine, Vec<Step>)> = Vec::new();
        for (map, way) in maps.iter().zip(&ways) {
            let Some(descent) = stage.descend(map) else { continue };
            let mut way = way.clone();
            way.extend(descent.curve.iter().map(|cost| Step { level: n + 1, edge_mm, likeness: -cost }));
            found.push((descent.cost, descent.map, way));
        }
        if found.is_empty() {
            let share = overlap(&samples, &moving.levels[n], &About::of(&Affine::IDENTITY, samples.centre_mm));
            return Err(RegisterError::NoOverlap { share });
        }
        // stable: of equals the first start
        found.sort_by(|a, b| a.0.total_cmp(&b.0));
        found.truncate(if n == 0 { KEPT_STARTS } else { 1 });
        (maps, ways) = found.into_iter().map(|(_, map, way)| (map, way)).unzip();
    }
    Ok((maps.remove(0), ways.remove(0)))
}

/// As the images lie; the middles of what is looked at on each other; and shifts along each axis.
fn starts(fixed: &Side, moving: &Side) -> Vec<Affine> {
    let mut all = vec![Affine::IDENTITY];
    if let (Some(a), Some(b)) = (fixed.mask.centre_mm(), moving.mask.centre_mm()) {
        all.push(Affine::shift(std::array::from_fn(|n| b[n] - a[n])));
    }
    for axis in 0..3 {
        for sign in [-1.0, 1.0] {
            let mut by = [0.0; 3];
            by[axis] = sign * START_MM;
            all.push(Affine::shift(by));
        }
    }
    all
}

/// The figures by which a result is judged.
fn finish(
    fixed: &Side,
    moving: &Side,
    levels: &[(f64, usize)],
    settings: &Settings,
    regions: Option<&Volume<u16>>,
    map: Affine,
    curve: Vec<Step>,
) -> Result<Registration, RegisterError> {
    let last = levels.len() - 1;
    let (fine, there) = (&fixed.levels[last], &moving.levels[last]);
    let check = draw(fine, &fixed.mask, CHECK_POINTS, CHECK_SKIP, Part::All)?;
    let stage = Stage::new(&check, there, levels[last].0, settings)?;
    let likeness = |map: &Affine| {
        let score = stage.metric.score(&About::of(map, check.centre_mm), settings.threads);
        score.map_or(f64::NEG_INFINITY, |score| -score.cost)
    };
    let share = overlap(&check, there, &About::of(&map, check.centre_mm));
    if share < LEAST_OVERLAP {
        return Err(RegisterError::NoOverlap { share });
    }
    let half = |odd: bool| -> Result<Affine, RegisterError> {
        let samples = draw(fine, &fixed.mask, levels[last].1 / 2, 0, Part::Half(odd))?;
        let found = Stage::new(&samples, there, levels[last].0, settings)?.descend(&map);
        found.map(|descent| descent.map).ok_or(RegisterError::NoOverlap { share })
    };
    let halves = [half(false)?, half(true)?];
    let back = way_back(moving, fixed, levels, settings, &map)?;
    let round = back.after(&map);
    // neither image is preferred: the result lies midway between the two ways
    let map = stage.midway(&map, &back.inverse().ok_or(TransformError::Singular)?);
    let points = || check.points.iter().map(|p| std::array::from_fn(|n| p[n] + check.centre_mm[n]));
    let maps = Maps { found: &map, halves: &halves, round: &round };
    let mut told = regions.map_or_else(Vec::new, |labels| motions(labels, &maps));
    for (motion, labels) in told.iter_mut().zip(std::iter::repeat(regions).map_while(|labels| labels)) {
        let pair = Pair { fixed, moving, levels, settings, common: &map, rest: &map };
        motion.own = pair.own_motion(labels, motion.label, motion.centre_mm).ok();
    }
    let halves_apart_mm = rms_apart_mm(&halves[0], &halves[1], points());
    let inverse_apart_mm = rms_apart_mm(&round, &Affine::IDENTITY, points());
    Ok(Registration {
        moving_from_fixed: map,
        kind: settings.kind,
        likeness: settings.likeness,
        likeness_before: likeness(&Affine::IDENTITY),
        likeness_after: likeness(&map),
        centre_mm: check.centre_mm,
        shift_mm: length(map.displacement_mm(check.centre_mm)),
        rotation_deg: map.rotation_deg(),
        moved_mm: rms_apart_mm(&map, &Affine::IDENTITY, points()),
        overlap: share,
        halves_apart_mm,
        inverse_apart_mm,
        residual_mm: residual_mm(halves_apart_mm, inverse_apart_mm),
        curve,
        regions: told,
    })
}

/// The descent with the images exchanged, at the finest level, in the surroundings of what was looked at.
fn way_back(
    from: &Side,
    to: &Side,
    levels: &[(f64, usize)],
    settings: &Settings,
    map: &Affine,
) -> Result<Affine, RegisterError> {
    let last = levels.len() - 1;
    let inverse = map.inverse().ok_or(TransformError::Singular)?;
    let mask = to.mask.moved(map);
    let samples = draw(&from.levels[last], &mask, levels[last].1, 0, Part::All)?;
    let exchanged = Settings { ct: [settings.ct[1], settings.ct[0]], ..*settings };
    let found = Stage::new(&samples, &to.levels[last], levels[last].0, &exchanged)?.descend(&inverse);
    found.map(|descent| descent.map).ok_or(RegisterError::NoOverlap { share: 0.0 })
}
