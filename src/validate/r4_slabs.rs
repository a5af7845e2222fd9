//! R4: slabs of soft tissue, lung and bone, 2 mm voxels, the source in one of the layers.

use super::assets::{self, Octant};
use super::bench::{ValidationError, Workbench, bone, lung, soft_tissue};
use super::verdict::{Comparison, Judged, Plot, PlotPoint, Row, Value};
use crate::grid::VoxelGrid;
use crate::transport::Scene;
use crate::transport::run::Simulation;
use crate::units::GY_PER_KEV_G;

/// Layer of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlabSource {
    /// The middle layer of soft tissue.
    Soft,
    /// Lung.
    Lung,
    /// Cortical bone.
    Bone,
}

impl SlabSource {
    /// The three of them.
    pub const ALL: [Self; 3] = [Self::Soft, Self::Lung, Self::Bone];

    fn name(self) -> &'static str {
        match self {
            Self::Soft => "soft",
            Self::Lung => "lung",
            Self::Bone => "bone",
        }
    }

    fn layer(self) -> usize {
        match self {
            Self::Soft => 2,
            Self::Lung => 1,
            Self::Bone => 3,
        }
    }
}

/// Layers: name, first slice, slice after the last, tissue (0 soft, 1 lung, 2 bone).
const LAYERS: [(&str, usize, usize, u8); 5] =
    [("soft-1", 0, 10, 0), ("lung", 10, 25, 1), ("soft-2", 25, 35, 0), ("bone", 35, 40, 2), ("soft-3", 40, 60, 0)];
/// Density of soft tissue, lung, bone, g/cm3.
const DENSITY_G_CM3: [f32; 3] = [1.04, 0.26, 1.85];
/// Voxels of a slice.
const SLICE: usize = 40 * 40;

/// The slabs, and the decays of one decay spread over the layer of `source`.
fn scene(source: SlabSource) -> Result<(Scene, Vec<f64>), ValidationError> {
    let grid = VoxelGrid::axis_aligned([40, 40, 60], [2.0; 3], [0.0; 3]);
    let mut density = vec![0.0; grid.len()];
    let mut tissue = vec![0; grid.len()];
    let mut decays = vec![0.0; grid.len()];
    for (number, &(_, from, to, kind)) in LAYERS.iter().enumerate() {
        let voxels = from * SLICE..to * SLICE;
        density[voxels.clone()].fill(DENSITY_G_CM3[usize::from(kind)]);
        tissue[voxels.clone()].fill(kind);
        if number == source.layer() {
            decays[voxels].fill(1.0 / ((to - from) * SLICE) as f64);
        }
    }
    let tissues = vec![soft_tissue()?, lung()?, bone()?];
    Ok((Scene::new(grid, density, tissue, tissues)?, decays))
}

/// One source layer. Single voxels are judged where `voxels` is true: they need many histories.
pub fn run(
    bench: &mut Workbench,
    source: SlabSource,
    histories: u64,
    voxels: bool,
) -> Result<Comparison, ValidationError> {
    let (scene, decays) = scene(source)?;
    // a label a slice: layers and the profile come from them
    let labels: Vec<u16> = (0..scene.grid.len()).map(|n| (n / SLICE) as u16).collect();
    let nuclide = bench.lutetium()?;
    let simulation = bench.voxels(&scene, &decays, labels, &nuclide, histories, 1.0)?;
    let problem = format!("R4 {}", source.name());
    let mut comparison = Comparison::default();

    for &(name, from, to, kind) in &LAYERS {
        let gram = f64::from(DENSITY_G_CM3[usize::from(kind)]) * scene.grid.voxel_cm3() * ((to - from) * SLICE) as f64;
        let lutra = slices(&simulation, from, to);
        for record in assets::r4_layers()?.records() {
            let this = record.text("source")? == source.name() && record.text("region")? == name;
            if this && record.text("class")? == "all" {
                let scale = GY_PER_KEV_G / gram;
                comparison.rows.push(Row::judge(
                    &problem,
                    format!("mean of {name}"),
                    "Gy",
                    Value::new(lutra.value * scale, lutra.sigma * scale),
                    record.value("gy", "rel")?,
                    Judged::Relative,
                    0.005,
                ));
            }
        }
    }
    let reference = assets::r4_voxels(source.name())?;
    let mass = |n: usize| f64::from(scene.density_g_cm3[n]) * scene.grid.voxel_cm3();
    let kinds = by_kind(&simulation, &scene.grid, &reference, mass);
    comparison.plots.push(profile(source, &kinds, &reference)?);
    if voxels {
        let everywhere = vec![true; reference.len()];
        add_share(&mut comparison, &problem, &kinds, &reference, &everywhere, 0.01, 0.015, "above 1 % of the maximum");
    }
    Ok(comparison)
}

/// Energy of slices in keV per decay.
fn slices(simulation: &Simulation, from: usize, to: usize) -> Value {
    let mut value = 0.0;
    let mut variance = 0.0;
    for pass in [&simulation.electron, &simulation.photon] {
        let mut batches = vec![0.0; pass.moments.batches as usize];
        for ((label, sums), local_kev) in pass.regions.iter().zip(&pass.region_local_kev) {
            if (from..to).contains(&usize::from(*label)) {
                value += local_kev;
                for (batch, &sum) in batches.iter_mut().zip(sums) {
                    *batch += sum as f64 * pass.kev_per_entry;
                }
            }
        }
        let n = batches.len() as f64;
        let mean = batches.iter().sum::<f64>() / n;
        value += mean;
        variance += batches.iter().map(|b| (b - mean).powi(2)).sum::<f64>() / (n * (n - 1.0));
    }
    Value::new(value, variance.sqrt())
}

/// Dose of each kind of voxel, Gy per decay: symmetric voxels averaged. `mass_g` by voxel.
pub(super) fn by_kind(
    simulation: &Simulation,
    grid: &VoxelGrid,
    octant: &Octant,
    mass_g: impl Fn(usize) -> f64,
) -> Vec<Value> {
    let mut sums = vec![(0.0, 0.0, 0.0); octant.len()];
    for n in 0..grid.len() {
        let entry = &mut sums[octant.kind(grid.voxel(n))];
        let scale = GY_PER_KEV_G / mass_g(n);
        entry.0 += (simulation.electron.energy_kev(n) + simulation.photon.energy_kev(n)) * scale;
        entry.1 += (simulation.electron.variance_kev2(n) + simulation.photon.variance_kev2(n)) * scale * scale;
        entry.2 += 1.0;
    }
    sums.into_iter().map(|(dose, variance, count)| Value::new(dose / count, f64::sqrt(variance) / count)).collect()
}

/// Adds the share of the kinds of voxel in `where_to` above `least` of the maximum that agree within `allowed` and
/// two combined standard errors; 95 % must. The mean difference stands beside it in the details.
#[allow(clippy::too_many_arguments)]
pub(super) fn add_share(
    comparison: &mut Comparison,
    problem: &str,
    kinds: &[Value],
    reference: &Octant,
    where_to: &[bool],
    least: f64,
    allowed: f64,
    which: &str,
) {
    let top = (0..reference.len()).map(|n| reference.value(n).value).fold(0.0, f64::max);
    let (mut judged, mut within, mut sum) = (0.0, 0.0, 0.0);
    for n in 0..reference.len() {
        let value = reference.value(n);
        if !where_to[n] || value.value < least * top {
            continue;
        }
        judged += 1.0;
        let difference = kinds[n].value / value.value - 1.0;
        sum += difference;
        if difference.abs() <= allowed + 2.0 * kinds[n].sigma.hypot(value.sigma) / value.value {
            within += 1.0;
        }
    }
    comparison.rows.push(Row::judge(
        problem,
        format!("share of voxels {which} within {} %", 100.0 * allowed),
        "1",
        Value::new(within / judged, 0.0),
        Value::new(0.95, 0.0),
        Judged::AtLeast,
        0.0,
    ));
    comparison.details.push(Row::judge(
        problem,
        format!("mean ratio of voxels {which}"),
        "1",
        Value::new(1.0 + sum / judged, 0.0),
        Value::new(1.0, 0.0),
        Judged::Relative,
        allowed,
    ));
}

/// Depth profile over the 20 x 20 central columns.
fn profile(source: SlabSource, kinds: &[Value], octant: &Octant) -> Result<Plot, ValidationError> {
    let mut points = Vec::new();
    for record in assets::r4_profile()?.records() {
        if record.text("source")? != source.name() {
            continue;
        }
        let slice = record.number("slice")? as usize;
        let (mut sum, mut variance, mut count) = (0.0, 0.0, 0.0);
        for j in 10..30 {
            for i in 10..30 {
                let value = kinds[octant.kind([i, j, slice])];
                sum += value.value;
                // a kind stands for about eight voxels and is counted as often
                variance += 8.0 * value.sigma * value.sigma;
                count += 1.0;
            }
        }
        let row = Row::judge(
            "R4",
            "profile",
            "Gy",
            Value::new(sum / count, f64::sqrt(variance) / count),
            record.value("gy", "rel")?,
            Judged::Relative,
            0.015,
        );
        points.push(PlotPoint::of(2.0 * slice as f64 + 1.0, &row));
    }
    Ok(Plot {
        name: format!("r4-{}", source.name()),
        title: format!("Slabs, source in {}: dose along the depth, central columns", LAYERS[source.layer()].0),
        x_label: "depth, mm",
        y_label: "Gy per decay",
        log_y: true,
        points,
    })
}
