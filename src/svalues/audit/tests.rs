//! The audit on cases whose causes are known.

use super::super::kernel_file::{Declared, RawKernel, read};
use super::super::point_kernel::tests::soft;
use super::region::lay;
use super::*;
use crate::dose::AIR_LIMIT_G_CM3;
use crate::dose::PassEnergy;
use crate::materials::tissues::Tissue;
use crate::needs::shared;
use crate::svalues::cause::kernel_report;
use crate::transport::Scene;
use crate::transport::cpu::CpuEngine;
use crate::transport::run::{RunPlan, Silent, Simulation, Stop, simulate};
use crate::units::GY_PER_KEV_G;

const SMALL: KernelPlan = KernelPlan { electron_histories: 12_000, photon_histories: 60_000, batches: 20, seed: 177 };

/// A transported case.
struct Transported {
    scene: Scene,
    decays: Vec<f64>,
    labels: Vec<u16>,
    dose: DoseMap,
    energy: BTreeMap<u16, (f64, f64)>,
    nuclide: Nuclide,
}

fn transported(scene: Scene, decays: Vec<f64>, labels: Vec<u16>, histories: u64) -> Transported {
    let nuclide = Nuclide::load("lu177").unwrap();
    let plan = RunPlan {
        stop: Stop::Histories(histories),
        photon_share: 1.0,
        labels: Some(labels.clone()),
        ..RunPlan::default()
    };
    let run: Simulation = simulate(&scene, &decays, &nuclide, &plan, &mut CpuEngine::new(0), &mut Silent).unwrap();
    let n = scene.grid.len();
    let electron: Vec<f64> = (0..n).map(|v| run.electron.energy_kev(v)).collect();
    let photon: Vec<f64> = (0..n).map(|v| run.photon.energy_kev(v)).collect();
    let variance = |p: &crate::transport::run::PassResult| (0..n).map(|v| p.variance_kev2(v)).collect::<Vec<f64>>();
    let (ve, vp) = (variance(&run.electron), variance(&run.photon));
    let dose = DoseMap::from_energy(
        &scene.grid,
        &scene.density_g_cm3,
        PassEnergy { energy_kev: &electron, variance_kev2: &ve },
        PassEnergy { energy_kev: &photon, variance_kev2: &vp },
        AIR_LIMIT_G_CM3,
    )
    .unwrap();
    let mut energy: BTreeMap<u16, (f64, f64)> = BTreeMap::new();
    for (e, p) in run.electron.region_energy().iter().zip(run.photon.region_energy()) {
        energy.insert(e.label, (e.energy_kev + p.energy_kev, e.variance_kev2 + p.variance_kev2));
    }
    Transported { scene, decays, labels, dose, energy, nuclide }
}

/// A ball of activity in a cube of soft tissue: label 1 the ball, 2 the rest of the inner cube.
fn uniform(edge: usize, spacing_mm: f64, density: f32, radius: f64, histories: u64) -> Transported {
    let grid = VoxelGrid::axis_aligned([edge; 3], [spacing_mm; 3], [0.0; 3]);
    let scene = Scene::uniform(grid.clone(), Tissue::built_in("soft-tissue").unwrap(), density).unwrap();
    let middle = (edge / 2) as f64;
    let distance = |n: usize| grid.voxel(n).map(|v| v as f64 - middle);
    let inside = |n: usize| distance(n).iter().map(|d| d * d).sum::<f64>().sqrt() <= radius;
    let near = |n: usize| distance(n).iter().all(|d| d.abs() <= radius + 3.0);
    let decays = (0..grid.len()).map(|n| if inside(n) { 1e6 } else { 0.0 }).collect();
    let labels = (0..grid.len()).map(|n| if inside(n) { 1 } else { 2 * u16::from(near(n)) }).collect();
    transported(scene, decays, labels, histories)
}

fn audited(case: &Transported, plan: &AuditPlan, names: &BTreeMap<u16, String>) -> Audit {
    let input = AuditInput {
        grid: &case.scene.grid,
        density_g_cm3: &case.scene.density_g_cm3,
        labels: &case.labels,
        names,
        decays: &case.decays,
        nuclide: &case.nuclide,
        transport: &case.dose,
        region_energy: &case.energy,
    };
    let audit = run(&input, plan, &mut CpuEngine::new(0), &mut |_| {}).unwrap();
    for (row, terms) in audit.rows.iter().zip(&audit.terms) {
        println!(
            "{} {} {:.4} +- {:.4} {}: {}",
            row.region,
            row.method,
            row.ratio,
            row.ratio_se,
            row.verdict.name(),
            row.cause
        );
        let sum: f64 = terms.iter().map(|t| t.effect_rel).sum();
        assert!((sum - (row.ratio - 1.0)).abs() < 1e-6, "terms add up: {sum} {}", row.ratio - 1.0);
    }
    audit
}

fn plan(user_kernels: Vec<VoxelKernel>) -> AuditPlan {
    AuditPlan {
        tolerance_rel: 0.05,
        kernels: SMALL,
        user_kernels,
        organ_tables: vec![OrganTable::adult("AM")],
        threads: 2,
    }
}

/// Voxels (with dose from decays in themselves or beside them) further from transport than 0.5 % + 2 sigma, as a share.
fn share_apart(case: &Transported, kernel: &VoxelKernel) -> f64 {
    let laid = lay(kernel, &case.decays, case.scene.grid.dims);
    let voxel_g = kernel.voxel_g();
    let (mut apart, mut all) = (0, 0);
    for n in (0..case.labels.len()).filter(|&n| case.labels[n] > 0) {
        let gy = (laid.electron[n] + laid.photon[n]) * GY_PER_KEV_G / voxel_g;
        let (theirs, sigma) = (f64::from(case.dose.dose_gy[n]), f64::from(case.dose.sigma_rel[n]));
        all += 1;
        apart += usize::from((gy / theirs - 1.0).abs() > 0.005 + 2.0 * sigma);
    }
    apart as f64 / all as f64
}

/// In uniform soft tissue the convolution with Lutra's own kernel is the transport: regions within 0.5 % + 2 sigma,
/// and of the voxels no more apart than 20 batches' standard errors leave outside two sigma (6 %, and the kernel's own).
#[test]
fn law_convolution_equals_transport_in_uniform_tissue() {
    let case = uniform(75, 4.8, 1.04, 4.0, 400_000);
    let kernel = VoxelKernel::fold(soft(), [4.8; 3], 1.04, [16; 3]).unwrap();
    let laid = lay(&kernel, &case.decays, case.scene.grid.dims);
    for label in [1, 2] {
        let ours: f64 = (0..case.labels.len())
            .filter(|&n| case.labels[n] == label)
            .map(|n| laid.electron[n] + laid.photon[n])
            .sum();
        let (theirs, variance) = case.energy[&label];
        let (deviation, sigma) = (ours / theirs - 1.0, variance.sqrt() / theirs);
        println!("region {label}: {:+.3} % +- {:.3} %", 100.0 * deviation, 100.0 * sigma);
        assert!(deviation.abs() < 0.005 + 2.0 * sigma, "{label}: {deviation} {sigma}");
    }
    let share = share_apart(&case, &kernel);
    println!("{:.2} % of the voxels beyond 0.5 % + 2 sigma", 100.0 * share);
    assert!(share < 0.08, "{share}");
    // alarm: a kernel of another density
    let wrong = VoxelKernel::fold(soft(), [4.8; 3], 0.95, [16; 3]).unwrap();
    assert!(share_apart(&case, &wrong) > 0.1, "{}", share_apart(&case, &wrong));
}

fn published() -> Option<Vec<RawKernel>> {
    Some(read(&shared("data/ref/vsv_177Lu.csv")?).unwrap())
}

/// The published tables against Lutra's kernel of their voxel: the energy and the face-neighbour error that an
/// independent analysis found (electrons 138 to 140 keV of 148 in A and C, source voxel 3 % high in B, whose
/// medium needs density 1.00 and holds 151 keV; neighbours +1.7 %, -13 %, +2.3 %). That analysis scaled kernels of
/// single energies; its own neighbours lie 2.6 % below EGSnrc's, which Lutra's meet within 1 %.
#[test]
fn reference_published_kernels_are_found_out() {
    let Some(published) = published() else { return };
    let find = |part: &str| published.iter().find(|k| k.name.contains(part)).unwrap();
    let report = |part: &str, voxel_mm: f64, density: f64| {
        let declared =
            Declared { spacing_mm: Some([voxel_mm; 3]), density_g_cm3: Some(density), ..Declared::default() };
        let (user, _) = find(part).interpret("Lu-177", Some([voxel_mm; 3]), &declared).unwrap();
        let own = VoxelKernel::fold(soft(), [voxel_mm; 3], density, [30; 3]).unwrap();
        let report = kernel_report(&user, &own, 14.23);
        println!(
            "{part}: {:.1} of {:.1} keV electrons; {}",
            report.electrons_kev,
            report.expected_electrons_kev,
            report.findings.join("; ")
        );
        report
    };
    let a = report(": A", 2.21, 1.04);
    assert!((137.5..140.5).contains(&a.electrons_kev), "{}", a.electrons_kev);
    assert!(a.findings[0].contains("missing") && a.findings[0].contains("conversion and Auger"), "{:?}", a.findings);
    assert!((a.source_ratio - 0.917).abs() < 0.01 && (a.neighbour_ratio[0] - 1.017).abs() < 0.035, "{a:?}");
    let b = report(": B ICRP soft tissue", 4.7952, 1.00);
    assert!((b.electrons_kev - 151.0).abs() < 2.0, "{}", b.electrons_kev);
    assert!(b.findings[0].contains("surplus"), "{:?}", b.findings);
    assert!((b.source_ratio - 1.031).abs() < 0.006 && (b.neighbour_ratio[0] - 0.867).abs() < 0.035, "{b:?}");
    let c = report(": C", 4.42, 1.04);
    assert!((137.0..140.5).contains(&c.electrons_kev), "{}", c.electrons_kev);
    assert!(c.findings[0].contains("conversion and Auger"), "{:?}", c.findings);
    assert!((c.neighbour_ratio[0] - 1.023).abs() < 0.035, "{c:?}");
    // C does not say its voxel size: refused unless the user does
    let refused = find(": C").interpret("Lu-177", Some([4.42; 3]), &Declared::default()).unwrap_err().to_string();
    assert!(refused.contains("voxel size: found not stated"), "{refused}");
}

/// The same tables in a uniform phantom: the audit gives each the dose that its energy means, and says why. What the
/// independent analysis found: electrons of A and C about 138 to 140 of 148 keV per decay, B 151 keV and 3 % high in the
/// source voxel; face neighbours +1.7 %, +2.3 %, -13 % with kernels whose own lie 2.6 % below EGSnrc's.
#[test]
fn reference_published_kernels_in_a_uniform_phantom() {
    let Some(published) = published() else { return };
    for (part, edge_mm, density, electrons_kev, source, neighbour, energy_word) in [
        (": A", 2.21, 1.04, 139.0, 0.917, 1.017, "missing"),
        (": B ICRP soft tissue", 4.7952, 1.00, 151.0, 1.031, 0.867, "surplus"),
        (": C", 4.42, 1.04, 139.0, f64::NAN, 1.023, "missing"),
    ] {
        let raw = published.iter().find(|k| k.name.contains(part)).unwrap();
        let declared = Declared { spacing_mm: Some([edge_mm; 3]), density_g_cm3: Some(density), ..Declared::default() };
        let (user, _) = raw.interpret("Lu-177", Some([edge_mm; 3]), &declared).unwrap();
        let case = uniform(31, edge_mm, density as f32, 5.0, 100_000);
        let audit = audited(&case, &plan(vec![user]), &BTreeMap::new());
        let report = &audit.kernels[0];
        println!("{part}: {}", report.findings.join("; "));
        assert!((report.electrons_kev - electrons_kev).abs() < 2.5, "{part}: {} keV", report.electrons_kev);
        assert!((report.neighbour_ratio[0] - neighbour).abs() < 0.035, "{part}: {:?}", report.neighbour_ratio);
        assert!(source.is_nan() || (report.source_ratio - source).abs() < 0.01, "{part}: {}", report.source_ratio);
        assert!(report.findings[0].contains(energy_word), "{part}: {}", report.findings[0]);
        // the dose of a ball follows the kernel's electrons over what Lutra's hold
        let row = audit.rows.iter().find(|r| r.label == 1 && r.method.starts_with("kernel")).unwrap();
        let expected = report.holds_kev / report.expected_kev;
        assert!((row.ratio - expected).abs() < 0.02 + 2.0 * row.ratio_se, "{part}: {} {expected}", row.ratio);
        assert!(row.cause.contains("kernel: source voxel"), "{part}: {}", row.cause);
        assert_eq!(row.verdict == Agreement::Outside, (row.ratio - 1.0).abs() > 0.05, "{part}: {}", row.ratio);
        // alarm: Lutra's own kernel beside it is not blamed
        let own = audit.rows.iter().find(|r| r.label == 1 && r.method == "vsv_density_scaled").unwrap();
        assert!(own.verdict == Agreement::Within && !own.cause.contains("kernel:"), "{}", own.cause);
    }
}

/// A lung nodule phantom: soft tissue (1), a lung layer (2) with activity, far soft tissue with none (3).
#[test]
fn law_interfaces_density_and_cross_dose_are_named() {
    let grid = VoxelGrid::axis_aligned([16, 16, 24], [3.0; 3], [0.0; 3]);
    let n = grid.len();
    let lung = |v: usize| grid.voxel(v)[2] >= 12;
    let active = |v: usize| (10..12).contains(&grid.voxel(v)[2]);
    let tissues = vec![Tissue::built_in("soft-tissue").unwrap(), Tissue::built_in("lung").unwrap()];
    let density = (0..n).map(|v| if lung(v) { 0.26 } else { 1.04 }).collect();
    let scene = Scene::new(grid.clone(), density, (0..n).map(|v| u8::from(lung(v))).collect(), tissues).unwrap();
    let decays = (0..n).map(|v| if active(v) { 1e6 } else { 0.0 }).collect();
    // 1 the active layer, 2 the lung voxels at it, 3 soft tissue further off
    let label = |v: usize| match grid.voxel(v)[2] {
        10 | 11 => 1,
        12 => 2,
        0..=5 => 3,
        _ => 0,
    };
    let case = transported(scene, decays, (0..n).map(label).collect(), 200_000);
    let audit = audited(&case, &plan(Vec::new()), &BTreeMap::new());
    let row = |label: u16, method: &str| audit.rows.iter().find(|r| r.label == label && r.method == method).unwrap();
    // electrons of the layer reach the lung: local deposition gives it nothing
    let local = row(2, "local_electrons");
    assert!(local.ratio < 0.05 && local.cause.contains("electrons from beyond its border"), "{}", local.cause);
    // the water kernel crosses the interface as if it were water
    let water = row(2, "vsv_water");
    assert!(water.verdict == Agreement::Outside && water.cause.contains("density: 0.26"), "{}", water.cause);
    let split = row(2, "vsv_split");
    assert!(split.cause.contains("interfaces") || split.cause.contains("tissue"), "{}", split.cause);
    let far = row(3, "local_electrons");
    assert!(far.ratio == 0.0 && far.cause.starts_with("cross-dose by photons"), "{}", far.cause);
}

/// The real abdomen: kidneys' shortcuts within a few percent; lung base and cross-dose visibly not, and why.
#[test]
fn reference_audit_of_an_abdomen() {
    use crate::io::nifti;
    let Some(folder) = shared("cases/liver-ct/g48") else { return };
    let ct = nifti::read(folder.join("ct.nii.gz")).unwrap();
    let decays = nifti::read_as::<f64>(folder.join("tia_true.nii.gz")).unwrap();
    let labels = nifti::read_labels(folder.join("labels.nii.gz")).unwrap();
    let matter = crate::materials::tissue_map(&ct, &crate::materials::HuCalibration::schneider2000()).unwrap();
    let scene = Scene::new(ct.grid, matter.density_g_cm3, matter.tissue, matter.tissues).unwrap();
    let case = transported(scene, decays.data, labels.data, 400_000);
    let names = BTreeMap::from([(2, "kidney_right".to_owned()), (3, "kidney_left".to_owned())]);
    let audit = audited(&case, &plan(Vec::new()), &names);
    let row = |label: u16, method: &str| audit.rows.iter().find(|r| r.label == label && r.method == method).unwrap();
    for kidney in [2, 3] {
        for method in ["local_electrons", "vsv_density_scaled", "organ_split OpenDose AM", "sphere"] {
            let row = row(kidney, method);
            assert!((row.ratio - 1.0).abs() < 0.05 + 2.0 * row.ratio_se, "{kidney} {method} {}", row.ratio);
        }
    }
    let lung = row(8, "vsv_density_scaled");
    assert!(
        lung.verdict == Agreement::Outside && lung.cause.contains("scaled by density too"),
        "{} {}",
        lung.ratio,
        lung.cause
    );
    let spine = row(6, "local_electrons");
    assert!(spine.verdict == Agreement::Outside && spine.cause.starts_with("cross-dose"), "{}", spine.cause);
    let bone = row(24, "vsv_water");
    assert!(bone.ratio > 1.05 && bone.cause.starts_with("density"), "{} {}", bone.ratio, bone.cause);
}
