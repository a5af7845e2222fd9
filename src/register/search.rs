//! From two images to a transform: coarse to fine, from several starts.

use super::agreement::{Maps, OwnMotion, RegionMotion, apart_mm, length, motions, rms_apart_mm};
use super::error::{MOST_APART_MM, MOST_ROTATION_DEG, MOST_SHIFT_MM, RegisterError};
use super::field::Field;
use super::mask::Mask;
use super::metric::{LEAST_OVERLAP, Likeness, Metric, overlap};
use super::optimise::{Descent, descend};
use super::pyramid;
use super::sample::{Part, Samples};
use super::transform::{About, Affine, Kind, Numbers};
use crate::cores;
use crate::grid::Volume;

/// CT numbers outside are taken as these, HU: from lung and fat to bone. Beyond them lie metal, padding and air.
const WINDOW_HU: [f32; 2] = [-500.0, 700.0];
/// Share of the mean above which activity is looked at, before the margin.
const ACTIVE_SHARE: f64 = 0.25;
/// What a level looks at: voxel edge, mm, and number of points. From large structures to the size of a kidney's surface.
const CT_LEVELS: [(f64, usize); 3] = [(10.0, 10_000), (5.0, 30_000), (2.5, 100_000)];
/// The same for activity, whose images resolve some 10 mm.
const ACTIVITY_LEVELS: [(f64, usize); 3] = [(14.0, 10_000), (8.0, 30_000), (4.8, 80_000)];
/// Standard deviation of a level's smoothing, voxel edges.
const SIGMA_EDGES: f64 = 0.5;
/// How far the starts lie apart, mm: within the reach of a coarse descent.
const START_MM: f64 = 25.0;
/// Starts that go on to the second level.
const KEPT_STARTS: usize = 3;
/// Contrast of a smoothed image, of its highest value, that is no more than rounding of single precision.
const FLAT_REL: f64 = 1e-5;
/// Distance around what is looked at, mm.
const MARGIN_MM: f64 = 15.0;
/// Points of one region.
const REGION_POINTS: usize = 30_000;
/// Points of the check, and how many candidates further on they are drawn.
const CHECK_POINTS: usize = 100_000;
const CHECK_SKIP: usize = 1 << 26;

/// What is registered, and how.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Rigid or affine.
    pub kind: Kind,
    /// The metric.
    pub likeness: Likeness,
    /// Whether the fixed and the moving image hold CT numbers, HU; otherwise activity in any unit.
    pub ct: [bool; 2],
    /// Most threads. The result does not depend on them.
    pub threads: usize,
}

impl Settings {
    /// On all cores.
    pub fn new(kind: Kind, likeness: Likeness, ct: [bool; 2]) -> Self {
        Self { kind, likeness, ct, threads: cores::cores() }
    }
}

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
    /// Share of the points that fall into the moving image.
    pub overlap: f64,
    /// Root mean square distance between the transforms of two halves of the data, mm.
    pub halves_apart_mm: f64,
    /// Root mean square distance between points and where the way there and back leads, mm; the way back is a descent of
    /// its own with the images exchanged.
    pub inverse_apart_mm: f64,
    /// The metric on the way.
    pub curve: Vec<Step>,
    /// What each region moves; empty without regions.
    pub regions: Vec<RegionMotion>,
}

/// One image at all levels.
struct Side {
    levels: Vec<Field>,
    mask: Mask,
}

/// One level: points, moving image, and how a transform is numbered.
struct Stage<'a> {
    metric: Metric<'a>,
    numbers: Numbers,
    edge_mm: f64,
    threads: usize,
}

impl<'a> Stage<'a> {
    fn new(samples: &'a Samples, moving: &'a Field, edge_mm: f64, settings: &Settings) -> Result<Self, RegisterError> {
        let metric = Metric::new(settings.likeness, samples, moving);
        let metric = metric.ok_or(RegisterError::NoContrast { image: "moving" })?;
        let numbers = Numbers { kind: settings.kind, centre_mm: samples.centre_mm, arm_mm: samples.arm_mm() };
        Ok(Self { metric, numbers, edge_mm, threads: settings.threads })
    }

    fn descend(&self, from: &Affine) -> Option<Descent> {
        descend(&self.metric, self.numbers, from, self.edge_mm, self.threads)
    }
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
    let levels = if settings.ct == [true; 2] { CT_LEVELS } else { ACTIVITY_LEVELS };
    let sides = [side(fixed, 0, settings, &levels)?, side(moving, 1, settings, &levels)?];
    let [mut fixed, moving] = sides;
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

/// How two images agree under each of these maps from the fixed to the moving frame, at the middle level.
///
/// Errors: images without contrast.
pub fn compare<const N: usize>(
    fixed: &Volume<f32>,
    moving: &Volume<f32>,
    maps: [&Affine; N],
    settings: &Settings,
) -> Result<[Agreement; N], RegisterError> {
    let levels = if settings.ct == [true; 2] { CT_LEVELS } else { ACTIVITY_LEVELS };
    let sides = [side(fixed, 0, settings, &levels)?, side(moving, 1, settings, &levels)?];
    let samples = draw(&sides[0].levels[1], &sides[0].mask, levels[1].1, 0, Part::All)?;
    let field = &sides[1].levels[1];
    let stage = Stage::new(&samples, field, levels[1].0, settings)?;
    Ok(maps.map(|map| {
        let about = About::of(map, samples.centre_mm);
        let score = stage.metric.score(&about, settings.threads);
        let likeness = score.map_or(f64::NEG_INFINITY, |score| -score.cost);
        Agreement { likeness, overlap: overlap(&samples, field, &about) }
    }))
}

/// One image, prepared and smoothed at all levels.
fn side(
    volume: &Volume<f32>,
    which: usize,
    settings: &Settings,
    levels: &[(f64, usize)],
) -> Result<Side, RegisterError> {
    let image = ["fixed", "moving"][which];
    let count = volume.data.iter().filter(|v| !v.is_finite()).count();
    if count > 0 {
        return Err(RegisterError::NotFinite { image, count });
    }
    let ct = settings.ct[which];
    let prepare = |v: f32| if ct { v.clamp(WINDOW_HU[0], WINDOW_HU[1]) } else { v };
    let mut fields = Vec::new();
    for &(edge_mm, _) in levels {
        fields.push(Field::new(pyramid::level(volume, edge_mm, SIGMA_EDGES * edge_mm, prepare)?));
    }
    let mask = if ct { Mask::body(&fields[1], MARGIN_MM) } else { Mask::active(&fields[1], ACTIVE_SHARE, MARGIN_MM) };
    if settings.likeness == Likeness::LogCorrelation {
        fields.iter_mut().for_each(logarithms);
    }
    let [low, high] = fields[0].range();
    // smoothing leaves rounding in a flat image
    if high - low <= FLAT_REL * high.abs().max(low.abs()) || mask.extent_mm().is_none() {
        return Err(RegisterError::NoContrast { image });
    }
    Ok(Side { levels: fields, mask })
}

/// log(1 + value / mean): organs of very different uptake count alike, voxels of hardly any counts not at all.
fn logarithms(field: &mut Field) {
    let mean = field.data.iter().map(|&v| f64::from(v.max(0.0))).sum::<f64>() / field.data.len() as f64;
    if mean > 0.0 {
        field.data.iter_mut().for_each(|v| *v = (f64::from(v.max(0.0)) / mean).ln_1p() as f32);
    }
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

fn draw(field: &Field, mask: &Mask, wanted: usize, skip: usize, part: Part) -> Result<Samples, RegisterError> {
    Samples::draw(field, mask, wanted, skip, part).ok_or(RegisterError::NoContrast { image: "fixed" })
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
    let points = || check.points.iter().map(|p| std::array::from_fn(|n| p[n] + check.centre_mm[n]));
    let maps = Maps { found: &map, halves: &halves, round: &round };
    let mut told = regions.map_or_else(Vec::new, |labels| motions(labels, &maps));
    for (motion, labels) in told.iter_mut().zip(std::iter::repeat(regions).map_while(|labels| labels)) {
        motion.own = own_motion(fixed, moving, levels, settings, labels, motion, &map);
    }
    Ok(Registration {
        moving_from_fixed: map,
        kind: settings.kind,
        likeness: settings.likeness,
        likeness_before: likeness(&Affine::IDENTITY),
        likeness_after: likeness(&map),
        centre_mm: check.centre_mm,
        shift_mm: length(map.displacement_mm(check.centre_mm)),
        rotation_deg: map.rotation_deg(),
        overlap: share,
        halves_apart_mm: rms_apart_mm(&halves[0], &halves[1], points()),
        inverse_apart_mm: rms_apart_mm(&round, &Affine::IDENTITY, points()),
        curve,
        regions: told,
    })
}

/// The rigid motion of one region: a descent at the finest level from the common transform, on its surroundings alone.
/// `None` where it is beyond what a registration may be: too far, turned too much, two halves too far apart.
fn own_motion(
    fixed: &Side,
    moving: &Side,
    levels: &[(f64, usize)],
    settings: &Settings,
    labels: &Volume<u16>,
    motion: &RegionMotion,
    map: &Affine,
) -> Option<OwnMotion> {
    let last = levels.len() - 1;
    let mask = Mask::regions(labels, |label| label == motion.label, levels[1].0, MARGIN_MM)?;
    let rigid = Settings { kind: Kind::Rigid, ..*settings };
    let start = if map.require_rigid().is_ok() { *map } else { Affine::shift(motion.displacement_mm) };
    let found = |from: &Affine, part: Part| {
        let samples = draw(&fixed.levels[last], &mask, REGION_POINTS, 0, part).ok()?;
        Stage::new(&samples, &moving.levels[last], levels[last].0, &rigid).ok()?.descend(from)
    };
    let whole = found(&start, Part::All)?;
    let halves = [found(&whole.map, Part::Half(false))?.map, found(&whole.map, Part::Half(true))?.map];
    let halves_apart_mm = apart_mm(&halves[0], &halves[1], motion.centre_mm);
    let displacement_mm = whole.map.displacement_mm(motion.centre_mm);
    let near = length(displacement_mm) <= MOST_SHIFT_MM && whole.map.rotation_deg() <= MOST_ROTATION_DEG;
    (near && halves_apart_mm <= MOST_APART_MM).then(|| OwnMotion {
        moving_from_fixed: whole.map,
        displacement_mm,
        from_common_mm: apart_mm(&whole.map, map, motion.centre_mm),
        halves_apart_mm,
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
    let inverse = map.inverse().ok_or(super::transform::TransformError::Singular)?;
    let mask = to.mask.moved(map);
    let samples = draw(&from.levels[last], &mask, levels[last].1, 0, Part::All)?;
    let exchanged = Settings { ct: [settings.ct[1], settings.ct[0]], ..*settings };
    let found = Stage::new(&samples, &to.levels[last], levels[last].0, &exchanged)?.descend(&inverse);
    found.map(|descent| descent.map).ok_or(RegisterError::NoOverlap { share: 0.0 })
}
