//! DICOM objects against the NIfTI images that they must decode to.

use std::path::PathBuf;

use lutra::grid::{Volume, VoxelGrid};
use lutra::io::dicom::{ActivityOptions, Opened, Regions, read_activity, read_ct, read_rtstruct, read_seg};
use lutra::io::nifti;

use crate::needs;

/// The case's folder, where there is one.
fn case(path: &str) -> Option<PathBuf> {
    needs::shared(&format!("cases/liver-ct-dicom/{path}"))
}

fn twin(path: &str) -> Option<Volume<f64>> {
    Some(nifti::read_as::<f64>(case(path)?).unwrap().to_canonical().0)
}

fn labels_twin(path: &str) -> Option<Volume<u16>> {
    Some(nifti::read_labels(case(path)?).unwrap().to_canonical().0)
}

/// Largest difference of two affines, mm.
fn affine_distance_mm(a: &VoxelGrid, b: &VoxelGrid) -> f64 {
    assert_eq!(a.dims, b.dims);
    let pairs = a.affine.iter().flatten().zip(b.affine.iter().flatten());
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// Number of voxels that differ by more than `tolerance`, and the largest difference.
fn differing(a: &[f64], b: &[f64], tolerance: f64) -> (usize, f64) {
    assert_eq!(a.len(), b.len());
    let distances = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    distances.fold((0, 0.0f64), |(n, most), d| (n + usize::from(d > tolerance), most.max(d)))
}

/// Positions in the files have 16 characters or fewer: this much may be lost, mm.
const ROUNDING_MM: f64 = 2e-4;

fn canonical<T: Copy + Into<f64>>(opened: Opened<T>) -> Volume<f64> {
    opened.volume.map(Into::into).to_canonical().0
}

#[test]
fn io_dicom_ct_equals_its_twin() {
    let (Some(folder), Some(twin)) = (case("ct"), twin("nifti/ct.nii.gz")) else { return };
    let ct = canonical(read_ct(&folder).unwrap());
    let off_mm = affine_distance_mm(&ct.grid, &twin.grid);
    let (count, most) = differing(&ct.data, &twin.data, 0.0);
    println!("CT: affine within {off_mm:.1e} mm, {count} voxels differ (most {most} HU)");
    assert!(off_mm < ROUNDING_MM && count == 0);
    let one = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    assert_eq!(canonical(read_ct(one).unwrap()), ct, "one slice stands for its series");
}

#[test]
fn io_dicom_ct_variants_equal_their_twin() {
    let Some(twin) = twin("ct_variants/nifti_sub.nii.gz") else { return };
    for name in ["implicit_le", "deflated", "rle", "jpegls", "j2k_lossless", "jpeg_lossless_sv1", "prone", "coronal"] {
        let Some(folder) = case(&format!("ct_variants/{name}")) else { return };
        let ct = canonical(read_ct(&folder).unwrap_or_else(|e| panic!("{name}: {e}")));
        let off_mm = affine_distance_mm(&ct.grid, &twin.grid);
        let (count, most) = differing(&ct.data, &twin.data, 0.0);
        println!("{name}: affine within {off_mm:.1e} mm, {count} voxels differ (most {most} HU)");
        assert!(off_mm < ROUNDING_MM && count == 0, "{name}");
    }
}

#[test]
fn io_dicom_ct_of_non_square_pixels() {
    let (Some(folder), Some(twin)) = (case("ct_variants/nonsquare_6x3"), twin("ct_variants/nifti_sub.nii.gz")) else {
        return;
    };
    let ct = read_ct(&folder).unwrap().volume.map(f64::from);
    let mut compared = 0;
    for index in 0..ct.data.len() {
        let world_mm = ct.grid.world_mm(ct.grid.voxel(index).map(|v| v as f64));
        assert_eq!(twin.at_world_mm(world_mm), Some(ct.data[index]));
        compared += 1;
    }
    assert_eq!(compared, 61 * 101 * 16);
    let [a, b, c] = ct.grid.spacing_mm;
    assert!((a - 6.0).abs() < 1e-9 && (b - 3.0).abs() < 1e-9 && (c - 3.0).abs() < 1e-5);
}

#[test]
fn io_dicom_missing_and_duplicate_slices_are_named() {
    let (Some(missing), Some(duplicate)) = (case("ct_variants/missing_slices"), case("ct_variants/duplicate_slice"))
    else {
        return;
    };
    let error = read_ct(missing).unwrap_err().to_string();
    assert!(error.contains("missing slices in a series of 3.000 mm steps: 2 between"), "{error}");
    let error = read_ct(duplicate).unwrap_err().to_string();
    assert!(error.contains("duplicate slices (1)") && error.contains(".dcm and "), "{error}");
}

#[test]
fn io_dicom_pt_equals_its_twin_within_the_stored_step() {
    let options = ActivityOptions { half_life_h: Some(159.4632), ..Default::default() };
    for (name, hours) in [
        ("pt_t004", 4.1),
        ("pt_t024", 24.3),
        ("pt_t072", 71.6),
        ("pt_t168", 167.8),
        ("pt_t024_START", 24.3),
        ("pt_t024_ADMIN", 24.3),
    ] {
        // The corrected images must come back to the activity at the scan, which pt_t024 has.
        let truth = if name.starts_with("pt_t024") { "pt_t024" } else { name };
        let (Some(folder), Some(twin)) = (case(name), twin(&format!("nifti/{truth}.nii.gz"))) else { return };
        let activity = read_activity(&folder, &options).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!((activity.scan.timing.hours_after_injection.unwrap() - hours).abs() < 1e-9, "{name}");
        assert_eq!(activity.scan.administered_mbq, Some(7400.0));
        let factors = activity.scan.decay_factors;
        let volume = canonical(activity.image);
        let off_mm = affine_distance_mm(&volume.grid, &twin.grid);
        let most = differing(&volume.data, &twin.data, 0.0).1;
        let highest = twin.data.iter().copied().fold(0.0, f64::max);
        // Each image is rounded to 16 bits of its own slice's maximum: at most one step between two of them.
        let step = highest / 32767.0;
        println!("{name}: affine within {off_mm:.1e} mm, most {most:.3} Bq/mL (step {step:.3}), factors {factors:?}");
        assert!(off_mm < ROUNDING_MM && most <= 1.05 * step, "{name}: {most} against {step}");
        let plain: f64 = volume.data.iter().sum();
        let wanted: f64 = twin.data.iter().sum();
        assert!((plain / wanted - 1.0).abs() < 2e-5, "{name}: total off by {}", plain / wanted - 1.0);
    }
}

#[test]
fn alarm_io_dicom_a_forgotten_decay_correction_shows() {
    let (Some(folder), Some(twin)) = (case("pt_t024_ADMIN"), twin("nifti/pt_t024.nii.gz")) else { return };
    let activity = read_activity(&folder, &ActivityOptions::default()).unwrap();
    let undone = activity.scan.decay_factors[0];
    assert!((undone - (-24.3f64 / 159.4632).exp2()).abs() < 1e-6);
    let kept: f64 = canonical(activity.image).data.iter().sum::<f64>() / undone;
    let wanted: f64 = twin.data.iter().sum();
    assert!((kept / wanted - 1.0).abs() > 0.1, "without the step back the total would be 11 % too high");
}

#[test]
fn io_dicom_a_placeholder_for_the_decay_factor_changes_nothing() {
    let Some(folder) = case("pt_t024_ADMIN") else { return };
    let changed = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let entry = entry.unwrap();
        let mut object = dicom_object::open_file(entry.path()).unwrap();
        object.put(dicom_core::DataElement::new(
            dicom_dictionary_std::tags::DECAY_FACTOR,
            dicom_core::VR::DS,
            dicom_core::value::PrimitiveValue::from("1"),
        ));
        object.write_to_file(changed.path().join(entry.file_name())).unwrap();
    }
    let [twin, found] =
        [&folder, &changed.path().to_path_buf()].map(|path| read_activity(path, &ActivityOptions::default()).unwrap());
    assert!(found.image.notes.iter().any(|note| note.contains("a placeholder")), "{:?}", found.image.notes);
    assert_eq!(found.image.volume.data, twin.image.volume.data);
    let volume = &found.image.volume;
    let total_mbq = volume.data.iter().sum::<f64>() * volume.grid.voxel_cm3() * 1e-6;
    println!("{total_mbq:.3} MBq at the middle of the scan");
    assert!((total_mbq - 1531.315).abs() < 0.001, "{total_mbq}");
}

#[test]
fn io_dicom_nm_equals_its_twin_in_both_directions() {
    let Some(twin) = twin("nifti/nm_t024_ascending.nii.gz") else { return };
    let mut both = Vec::new();
    for name in ["nm/nm_t024_ascending.dcm", "nm/nm_t024_descending.dcm"] {
        let Some(file) = case(name) else { return };
        let activity = read_activity(&file, &ActivityOptions::default()).unwrap();
        assert_eq!(activity.scan.calibration, "real world value mapping");
        let volume = canonical(activity.image);
        let off_mm = affine_distance_mm(&volume.grid, &twin.grid);
        let most = differing(&volume.data, &twin.data, 0.0).1;
        println!("{name}: affine within {off_mm:.1e} mm, most {most:.4} Bq/mL");
        assert!(off_mm < ROUNDING_MM && most < 0.2, "{name}");
        both.push(volume);
    }
    assert_eq!(both[0].data, both[1].data);
}

/// Labels of a twin by the names of a structure set.
fn values_by_name() -> Vec<(&'static str, u16)> {
    vec![
        ("body_remainder", 1),
        ("BODY", 1),
        ("kidney_right", 2),
        ("kidney_left", 3),
        ("liver", 4),
        ("spleen", 5),
        ("spine", 6),
        ("bone_other", 7),
        ("lung", 8),
        ("bladder", 9),
        ("pancreas", 10),
        ("gi_tract", 11),
        ("tumour_1_liver_45mm", 21),
        ("tumour_2_liver_ellipsoid_36x30x24mm", 22),
        ("tumour_3_liver_18mm", 23),
        ("tumour_4_bone_L3_22mm", 24),
        ("tumour_5_retroperitoneal_26mm", 25),
    ]
}

fn renumbered(regions: &Regions) -> Vec<u16> {
    let names = values_by_name();
    let value = |label: u16| {
        let name = regions.names.name(label);
        names.iter().find(|(n, _)| *n == name).unwrap_or_else(|| panic!("unknown region {name}")).1
    };
    regions.labels.data.iter().map(|&label| if label == 0 { 0 } else { value(label) }).collect()
}

#[test]
fn io_dicom_seg_equals_its_twin() {
    let Some(twin) = labels_twin("nifti/labels.nii.gz") else { return };
    for name in ["seg_binary.dcm", "seg_labelmap.dcm"] {
        let Some(file) = case(name) else { return };
        let regions = read_seg(&file, &twin.grid, None).unwrap_or_else(|e| panic!("{name}: {e}"));
        let count = renumbered(&regions).iter().zip(&twin.data).filter(|(a, b)| a != b).count();
        println!("{name}: {count} of {} voxels differ", twin.data.len());
        assert_eq!(count, 0, "{name}");
        assert!(regions.reports.iter().all(|r| (r.own_cm3 - r.grid_cm3).abs() < 1e-9 && r.outside_cm3 == 0.0));
    }
}

#[test]
fn io_dicom_rtstruct_between_voxels_equals_its_twin() {
    let (Some(file), Some(twin)) = (case("rtstruct_midedge.dcm"), labels_twin("nifti/labels.nii.gz")) else { return };
    let regions = read_rtstruct(&file, &twin.grid, None).unwrap();
    let count = renumbered(&regions).iter().zip(&twin.data).filter(|(a, b)| a != b).count();
    println!("rtstruct_midedge: {count} of {} voxels differ", twin.data.len());
    for report in &regions.reports {
        let (own, grid, change) = (report.own_cm3, report.grid_cm3, 100.0 * report.change_rel());
        println!("  {}: contours {own:.2} mL, voxels {grid:.2} mL ({change:+.2} %)", report.name);
        // Corners are cut by the contours: the area of one is a little less than that of its voxels.
        assert!((-1.0..20.0).contains(&change), "{}", report.name);
    }
    assert_eq!(count, 0);
}

#[test]
fn io_dicom_rtstruct_through_voxels_is_within_the_boundary() {
    let (Some(file), Some(twin)) = (case("rtstruct_rtutils.dcm"), labels_twin("nifti/labels_rtutils_readback.nii.gz"))
    else {
        return;
    };
    let regions = read_rtstruct(&file, &twin.grid, None).unwrap();
    let ours = renumbered(&regions);
    let [nx, ny, nz] = twin.grid.dims;
    let (mut differ, mut deep) = (0, 0);
    for k in 0..nz {
        for j in 0..ny {
            for i in 0..nx {
                let n = twin.grid.index(i, j, k);
                if ours[n] == twin.data[n] {
                    continue;
                }
                differ += 1;
                let near = (-1..=1).flat_map(|dj: isize| (-1..=1).map(move |di: isize| (di, dj)));
                let edge = near.filter_map(|(di, dj)| Some((i.checked_add_signed(di)?, j.checked_add_signed(dj)?)));
                let edge = edge.filter(|&(i, j)| i < nx && j < ny);
                let borders = edge.map(|(i, j)| twin.at(i, j, k)).any(|v| v != twin.data[n]);
                deep += usize::from(!borders);
            }
        }
    }
    let labelled = twin.data.iter().filter(|v| **v > 0).count();
    println!("rtstruct_rtutils: {differ} of {labelled} labelled voxels differ, {deep} of them not on a boundary");
    for report in &regions.reports {
        println!("  {}: contours {:.2} mL, voxels {:.2} mL", report.name, report.own_cm3, report.grid_cm3);
    }
    assert!(differ > 0 && deep == 0);
}
