//! Fano's theorem: where every gram of one composition emits alike, the dose is the same everywhere, whatever the density.
//!
//! It needs no reference, and nothing but the transport can break it: what leaves a voxel and what enters it must balance at
//! every face between 0.05 and 2 g/cm3. Sources: Fano, Radiat. Res. 1 (1954) 237; as a test of condensed histories:
//! Kawrakow, Med. Phys. 27 (2000) 485; Sempau & Andreo, Phys. Med. Biol. 51 (2006) 3533.

use super::bench::{Fault, ValidationError, Workbench, soft_tissue};
use super::verdict::{Comparison, Judged, Row, Value};
use crate::decay::{EmissionClass, Nuclide};
use crate::grid::VoxelGrid;
use crate::kernel::single::navigate::voxel_density;
use crate::transport::Scene;
use crate::transport::emission::Pass;
use crate::units::GY_PER_KEV_G;

/// Densities of the voxels, g/cm3.
const DENSITIES_G_CM3: [f32; 6] = [0.05, 0.1, 0.26, 0.5, 1.0, 2.0];
/// Which of them a voxel has, each of these being equally likely: light ones more often, since few decays are theirs.
const DRAWN: [usize; 20] = [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 4, 4, 5, 5];
/// Which of them the border has.
const BORDER_CLASS: usize = 4;
/// Label of the border, whose dose falls off towards the vacuum.
const BORDER: u16 = 99;
/// Dose may differ by this much, beyond two standard errors.
const ALLOWED: f64 = 0.001;

/// A cube of voxels of random density inside a border of one voxel.
#[derive(Clone, Copy, Debug)]
struct Cube {
    /// Voxels along an inner edge.
    inner: usize,
    /// Edge of a voxel, mm.
    edge_mm: f64,
    /// Whether each density has a tissue of its own, all of one composition: steps then end at every change of density.
    own_tissues: bool,
}

/// Place in `DENSITIES_G_CM3` of voxel `n`, at random.
fn class_of(n: usize) -> usize {
    let mixed = (n as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    DRAWN[((mixed >> 33) % DRAWN.len() as u64) as usize]
}

/// What the cube is made of: matter, gram and label by voxel.
struct Matter {
    scene: Scene,
    gram: Vec<f64>,
    labels: Vec<u16>,
}

fn matter(cube: Cube, fault: Option<Fault>) -> Result<Matter, ValidationError> {
    let across = cube.inner + 2;
    let grid = VoxelGrid::axis_aligned([across; 3], [cube.edge_mm; 3], [0.0; 3]);
    let inside = |n: usize| grid.voxel(n).iter().all(|&i| (1..across - 1).contains(&i));
    let classes: Vec<usize> = (0..grid.len()).map(|n| if inside(n) { class_of(n) } else { BORDER_CLASS }).collect();
    let labels = (0..grid.len()).map(|n| if inside(n) { classes[n] as u16 } else { BORDER }).collect();
    let density: Vec<f32> = classes.iter().map(|&class| DENSITIES_G_CM3[class]).collect();
    let tissue = classes.iter().map(|&class| if cube.own_tissues { class as u8 } else { 0 }).collect();
    let tissues = vec![soft_tissue()?; if cube.own_tissues { DENSITIES_G_CM3.len() } else { 1 }];
    let voxel_cm3 = grid.voxel_cm3();
    let mut scene = Scene::new(grid, density, tissue, tissues)?;
    // a voxel's word cuts the last bits of its density
    let gram = scene.voxel_words().iter().map(|&word| f64::from(voxel_density(word)) * voxel_cm3).collect();
    if let Some(Fault::ThinVoxels(scale)) = fault {
        let thin = DENSITIES_G_CM3[0];
        scene.density_g_cm3.iter_mut().filter(|density| **density == thin).for_each(|d| *d *= scale as f32);
    }
    Ok(Matter { scene, gram, labels })
}

/// The dose by density in a cube that emits one decay per gram, over what a gram emits and does not radiate.
fn rows(
    bench: &mut Workbench,
    name: &str,
    cube: Cube,
    nuclide: &Nuclide,
    pass: Pass,
    histories: u64,
) -> Result<Vec<Row>, ValidationError> {
    let Matter { scene, gram, labels } = matter(cube, bench.fault())?;
    let (kept_kev, result) = bench.one_pass(&scene, &gram, labels.clone(), nuclide, pass, histories)?;
    let expected = Value::new(kept_kev * GY_PER_KEV_G, 0.0);
    let of_density = |class: usize| {
        let label = class as u16;
        let mass: f64 = gram.iter().zip(&labels).filter(|(_, l)| **l == label).map(|(g, _)| g).sum();
        let found = result.region_energy().into_iter().find(|region| region.label == label);
        let (energy_kev, variance_kev2) = found.map_or((0.0, 0.0), |r| (r.energy_kev, r.variance_kev2));
        let scale = GY_PER_KEV_G / mass;
        let quantity = format!("{name}, {} g/cm3", DENSITIES_G_CM3[class]);
        let lutra = Value::new(energy_kev * scale, variance_kev2.sqrt() * scale);
        Row::judge("Fano", quantity, "Gy", lutra, expected, Judged::Relative, ALLOWED)
    };
    Ok((0..DENSITIES_G_CM3.len()).map(of_density).collect())
}

/// Betas and conversion electrons of 177Lu in 3 mm voxels, with the usual steps, halved and doubled, and with steps that end
/// at every change of density; photons of 15 keV in 80 mm voxels. The border holds what the outermost voxels would lack: the range of
/// the betas, 13 mean free paths of the photons.
pub fn run(bench: &mut Workbench, histories: u64, photons: u64) -> Result<Comparison, ValidationError> {
    let mut comparison = Comparison::default();
    let usual = bench.settings;
    let lutetium = bench.lutetium()?;
    let cube = Cube { inner: 16, edge_mm: 3.0, own_tissues: false };
    for (name, factor, own_tissues) in [
        ("electrons", 1.0, false),
        ("electrons, steps halved", 0.5, false),
        ("electrons, steps doubled", 2.0, false),
        ("electrons, steps end at every change of density", 1.0, true),
    ] {
        bench.settings.step_scattering = factor * usual.step_scattering;
        bench.settings.step_loss = factor * usual.step_loss;
        let found = rows(bench, name, Cube { own_tissues, ..cube }, &lutetium, Pass::Electron, histories);
        bench.settings = usual;
        comparison.add_worst("worst density", found?);
    }
    let photon = Nuclide::monoenergetic(EmissionClass::Photon, 15.0);
    let cube = Cube { inner: 16, edge_mm: 80.0, own_tissues: false };
    comparison.add_worst("worst density", rows(bench, "photons of 15 keV", cube, &photon, Pass::Photon, photons)?);
    Ok(comparison)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every density occurs as often as it is meant to, and next to every other.
    #[test]
    fn law_densities_are_mixed() {
        let cube = Cube { inner: 16, edge_mm: 3.0, own_tissues: true };
        let Matter { scene, labels, .. } = matter(cube, None).unwrap();
        for class in 0..DENSITIES_G_CM3.len() as u16 {
            let found = labels.iter().filter(|&&label| label == class).count() as f64;
            let drawn = DRAWN.iter().filter(|&&drawn| drawn == usize::from(class)).count() as f64;
            let expected = 4096.0 * drawn / DRAWN.len() as f64;
            assert!((found - expected).abs() < 4.0 * expected.sqrt(), "{class}: {found} of {expected}");
            let beside: std::collections::BTreeSet<u16> =
                (0..labels.len() - 1).filter(|&n| labels[n] == class).map(|n| labels[n + 1]).collect();
            assert_eq!(beside.len(), DENSITIES_G_CM3.len() + 1, "{class}");
        }
        assert_eq!(labels.iter().filter(|&&label| label == BORDER).count(), 18 * 18 * 18 - 4096);
        assert_eq!(scene.tissues.len(), DENSITIES_G_CM3.len());
    }
}
