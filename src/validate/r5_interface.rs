//! R5: a tumour of soft tissue across the surface of the lung, 0.5 mm voxels.

use super::assets;
use super::bench::{ValidationError, Workbench, lung, soft_tissue};
use super::r4_slabs::{add_share, by_kind};
use super::verdict::{Comparison, Judged, Plot, PlotPoint, Row, Value};
use crate::grid::VoxelGrid;
use crate::transport::Scene;
use crate::transport::run::PassResult;
use crate::units::GY_PER_KEV_G;

/// Voxels across.
const ACROSS: usize = 40;
/// Label of the tumour.
const TUMOUR: u16 = 1;
/// Label of lung voxels with a face in common with the tumour.
const TOUCHING: u16 = 2;

/// Labels by voxel: tumour, lung beside it, the rest.
fn labels(grid: &VoxelGrid) -> Vec<u16> {
    let middle = (ACROSS as f64 - 1.0) / 2.0;
    let tumour = |voxel: [usize; 3]| {
        let square: f64 = voxel.iter().map(|&n| (0.5 * (n as f64 - middle)).powi(2)).sum();
        square <= 25.0
    };
    (0..grid.len())
        .map(|n| {
            let voxel = grid.voxel(n);
            if tumour(voxel) {
                return TUMOUR;
            }
            let beside = (0..3).any(|axis| {
                let mut up = voxel;
                up[axis] += 1;
                let mut down = voxel;
                down[axis] = down[axis].saturating_sub(1);
                tumour(up) || tumour(down)
            });
            if beside && voxel[2] < ACROSS / 2 { TOUCHING } else { 0 }
        })
        .collect()
}

/// The tumour. Single voxels are judged where `voxels` is true: they need many histories.
pub fn run(bench: &mut Workbench, histories: u64, voxels: bool) -> Result<Comparison, ValidationError> {
    let grid = VoxelGrid::axis_aligned([ACROSS; 3], [0.5; 3], [0.0; 3]);
    let labels = labels(&grid);
    let is_lung = |n: usize| labels[n] != TUMOUR && grid.voxel(n)[2] < ACROSS / 2;
    let density: Vec<f32> = (0..grid.len()).map(|n| if is_lung(n) { 0.26 } else { 1.04 }).collect();
    let tissue: Vec<u8> = (0..grid.len()).map(|n| u8::from(is_lung(n))).collect();
    let count = labels.iter().filter(|&&l| l == TUMOUR).count() as f64;
    let decays: Vec<f64> = labels.iter().map(|&l| if l == TUMOUR { 1.0 / count } else { 0.0 }).collect();
    let scene = Scene::new(grid, density, tissue, vec![soft_tissue()?, lung()?])?;
    let nuclide = bench.lutetium()?;
    let simulation = bench.voxels(&scene, &decays, labels.clone(), &nuclide, histories, 0.5)?;

    let problem = "R5";
    let mut comparison = Comparison::default();
    for (label, name, allowed) in [(TUMOUR, "tumour", 0.005), (TOUCHING, "lung-touching", 0.005)] {
        let gram: f64 = (0..labels.len())
            .filter(|&n| labels[n] == label)
            .map(|n| f64::from(scene.density_g_cm3[n]) * scene.grid.voxel_cm3())
            .sum();
        let of = |pass: &PassResult| {
            let found = pass.region_energy().into_iter().find(|r| r.label == label);
            found.map_or((0.0, 0.0), |r| (r.energy_kev, r.variance_kev2))
        };
        let (electron, photon) = (of(&simulation.electron), of(&simulation.photon));
        let scale = GY_PER_KEV_G / gram;
        let lutra = Value::new((electron.0 + photon.0) * scale, f64::sqrt(electron.1 + photon.1) * scale);
        for record in assets::r5_regions()?.records() {
            if record.text("region")? == name && record.text("class")? == "all" {
                let quantity = if label == TUMOUR { "mean of the tumour" } else { "mean of lung voxels touching it" };
                let reference = record.value("gy", "rel")?;
                comparison.rows.push(Row::judge(problem, quantity, "Gy", lutra, reference, Judged::Relative, allowed));
            }
        }
    }
    let reference = assets::r5_voxels()?;
    let mass = |n: usize| f64::from(scene.density_g_cm3[n]) * scene.grid.voxel_cm3();
    let kinds = by_kind(&simulation, &scene.grid, &reference, mass);
    if voxels {
        let mut touching = vec![false; reference.len()];
        for (n, &label) in labels.iter().enumerate() {
            touching[reference.kind(scene.grid.voxel(n))] = label == TOUCHING;
        }
        let everywhere = vec![true; reference.len()];
        add_share(&mut comparison, problem, &kinds, &reference, &everywhere, 0.05, 0.02, "above 5 % of the maximum");
        add_share(&mut comparison, problem, &kinds, &reference, &touching, 0.0, 0.02, "of lung touching the tumour");
    }
    let points = (0..ACROSS)
        .map(|k| {
            let kind = reference.kind([ACROSS / 2, ACROSS / 2, k]);
            let row = Row::judge(problem, "axis", "Gy", kinds[kind], reference.value(kind), Judged::Relative, 0.02);
            PlotPoint::of(0.5 * k as f64 + 0.25, &row)
        })
        .collect();
    comparison.plots.push(Plot {
        name: "r5-axis".to_owned(),
        title: "Tumour across the surface of the lung (at 10 mm): dose along the axis".to_owned(),
        x_label: "depth, mm",
        y_label: "Gy per decay",
        log_y: true,
        points,
    });
    Ok(comparison)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn law_the_tumour_has_its_voxels() {
        let grid = VoxelGrid::axis_aligned([ACROSS; 3], [0.5; 3], [0.0; 3]);
        let labels = labels(&grid);
        assert_eq!(labels.iter().filter(|&&l| l == TUMOUR).count(), 4224);
        assert!(labels.iter().filter(|&&l| l == TOUCHING).count() > 300);
    }
}
