//! R6: a patient's CT of 4.8 mm voxels in 24 tissues, two maps of decays.
//!
//! The volumes are too large to be built in: the problem runs where their folder is at hand. Organ doses of the
//! reference are built in.

use super::assets;
use super::bench::{ValidationError, Workbench};
use super::verdict::{Comparison, Judged, Plot, PlotPoint, Row, Value};
use crate::io::nifti;
use crate::materials::tissues::read_tissues;
use crate::transport::Scene;
use crate::transport::run::PassResult;
use crate::units::GY_PER_KEV_G;
use std::path::Path;

/// Kidneys and tumours: their voxels are judged one by one.
const BY_VOXEL: [u16; 7] = [2, 3, 21, 22, 23, 24, 25];
/// Labels whose mean is judged: everything but air and the rest of the body.
const ORGANS: std::ops::RangeInclusive<u16> = 2..=25;

/// Both maps of decays. Without the folder the problem is skipped.
pub fn run(bench: &mut Workbench, folder: Option<&Path>, histories: u64) -> Result<Comparison, ValidationError> {
    let mut comparison = Comparison::default();
    let Some(folder) = folder else {
        let why = "skipped: the CT's volumes are not at hand (set LUTRA_SHARED to the folder that holds refs/)";
        comparison.rows.push(Row::skipped("R6", why));
        return Ok(comparison);
    };
    let density = nifti::read(folder.join("density.nii.gz"))?;
    let tissue = nifti::read_labels(folder.join("tissue.nii.gz"))?;
    let labels = nifti::read_labels(folder.join("labels.nii.gz"))?;
    let tissues = read_tissues(folder.join("scene.json"))?;
    let indices = tissue.data.iter().map(|&t| t.min(255) as u8).collect();
    let scene = Scene::new(density.grid.clone(), density.data, indices, tissues)?;
    let nuclide = bench.lutetium()?;
    for (map, share) in [("tia_blur6_noisy", 1.0), ("tia_true", 0.5)] {
        let decays: Vec<f64> =
            nifti::read(folder.join(format!("{map}.nii.gz")))?.data.iter().map(|&d| f64::from(d)).collect();
        let dose = nifti::read(folder.join(format!("{map}_dose_all.nii.gz")))?;
        let rel = nifti::read(folder.join(format!("{map}_relunc_all.nii.gz")))?;
        let electrons = (histories as f64 * share) as u64;
        let simulation = bench.voxels(&scene, &decays, labels.data.clone(), &nuclide, electrons, 1.5)?;
        let problem = format!("R6 {map}");
        let mut points = Vec::new();
        for record in assets::r6_organs()?.records() {
            let label = record.number("label")? as u16;
            if record.text("map")? != map || !ORGANS.contains(&label) {
                continue;
            }
            let of = |pass: &PassResult| {
                let found = pass.region_energy().into_iter().find(|r| r.label == label);
                found.map_or((0.0, 0.0), |r| (r.energy_kev, r.variance_kev2))
            };
            let (electron, photon) = (of(&simulation.electron), of(&simulation.photon));
            let scale = GY_PER_KEV_G / record.number("mass_g")?;
            let lutra = Value::new((electron.0 + photon.0) * scale, f64::sqrt(electron.1 + photon.1) * scale);
            let quantity = format!("mean of {}", record.text("name")?.replace('_', " "));
            let reference = record.value("gy", "rel")?;
            let row = Row::judge(&problem, quantity, "Gy", lutra, reference, Judged::Relative, 0.003);
            points.push(PlotPoint::of(f64::from(label), &row));
            // an organ whose statistics are coarser than what is allowed tells nothing: pancreas and lung hold next
            // to no activity
            if row.sigma < row.allowed { &mut comparison.rows } else { &mut comparison.details }.push(row);
        }
        let (mut judged, mut within) = (0.0, 0.0);
        for n in (0..decays.len()).filter(|&n| BY_VOXEL.contains(&labels.data[n])) {
            let scale = GY_PER_KEV_G / (f64::from(scene.density_g_cm3[n]) * scene.grid.voxel_cm3());
            let energy = simulation.electron.energy_kev(n) + simulation.photon.energy_kev(n);
            let variance = simulation.electron.variance_kev2(n) + simulation.photon.variance_kev2(n);
            let reference = f64::from(dose.data[n]);
            let sigma = (variance.sqrt() * scale).hypot(reference * f64::from(rel.data[n]));
            judged += 1.0;
            if (energy * scale - reference).abs() <= 0.015 * reference + 2.0 * sigma {
                within += 1.0;
            }
        }
        comparison.rows.push(Row::judge(
            &problem,
            "share of kidney and tumour voxels within 1.5 %",
            "1",
            Value::new(within / judged, 0.0),
            Value::new(0.95, 0.0),
            Judged::AtLeast,
            0.0,
        ));
        comparison.plots.push(Plot {
            name: format!("r6-{}", map.replace('_', "-")),
            title: format!("Patient's CT, {map}: mean dose by label"),
            x_label: "label",
            y_label: "Gy",
            log_y: true,
            points,
        });
    }
    Ok(comparison)
}
