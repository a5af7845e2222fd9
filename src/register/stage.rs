//! What a registration is asked of: two images at all levels, points on them, and how a transform is numbered.

use super::error::RegisterError;
use super::field::Field;
use super::mask::Mask;
use super::metric::{Likeness, Metric};
use super::optimise::{Descent, descend};
use super::pyramid;
use super::sample::{Part, Samples};
use super::transform::{Affine, Kind, Numbers};
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
/// Contrast of a smoothed image, of its highest value, that is no more than rounding of single precision.
const FLAT_REL: f64 = 1e-5;
/// Distance around what is looked at, mm.
pub(super) const MARGIN_MM: f64 = 15.0;
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

/// One image at all levels.
pub(super) struct Side {
    pub(super) levels: Vec<Field>,
    pub(super) mask: Mask,
}

/// One level: points, moving image, and how a transform is numbered.
pub(super) struct Stage<'a> {
    pub(super) metric: Metric<'a>,
    numbers: Numbers,
    edge_mm: f64,
    threads: usize,
}

impl<'a> Stage<'a> {
    pub(super) fn new(
        samples: &'a Samples,
        moving: &'a Field,
        edge_mm: f64,
        settings: &Settings,
    ) -> Result<Self, RegisterError> {
        let metric = Metric::new(settings.likeness, samples, moving);
        let metric = metric.ok_or(RegisterError::NoContrast { image: "moving" })?;
        let numbers = Numbers { kind: settings.kind, centre_mm: samples.centre_mm, arm_mm: samples.arm_mm() };
        Ok(Self { metric, numbers, edge_mm, threads: settings.threads })
    }

    /// The map midway between two that lie close together.
    pub(super) fn midway(&self, one: &Affine, other: &Affine) -> Affine {
        let (a, b) = (self.numbers.of(one), self.numbers.of(other));
        let mean: Vec<f64> = a.iter().zip(b).map(|(a, b)| 0.5 * (a + b)).collect();
        self.numbers.map(&mean).affine()
    }

    pub(super) fn descend(&self, from: &Affine) -> Option<Descent> {
        descend(&self.metric, self.numbers, from, self.edge_mm, self.threads)
    }
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

pub(super) fn draw(
    field: &Field,
    mask: &Mask,
    wanted: usize,
    skip: usize,
    part: Part,
) -> Result<Samples, RegisterError> {
    Samples::draw(field, mask, wanted, skip, part).ok_or(RegisterError::NoContrast { image: "fixed" })
}

/// Voxel edge, mm, and number of points of each level.
pub(super) type Levels = [(f64, usize); 3];

/// The levels of two images, and both images on them.
pub(super) fn sides(
    fixed: &Volume<f32>,
    moving: &Volume<f32>,
    settings: &Settings,
) -> Result<(Levels, [Side; 2]), RegisterError> {
    let levels = if settings.ct == [true; 2] { CT_LEVELS } else { ACTIVITY_LEVELS };
    Ok((levels, [side(fixed, 0, settings, &levels)?, side(moving, 1, settings, &levels)?]))
}
