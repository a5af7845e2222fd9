//! DICOM objects made here: geometry that cannot flip, units and times, doses out and back.

use std::path::{Path, PathBuf};

use dicom_core::value::{DataSetSequence, PrimitiveValue};
use dicom_core::{DataElement, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use dicom_object::meta::FileMetaTableBuilder;
use lutra::grid::{Volume, VoxelGrid};
use lutra::io::dicom::{
    ActivityOptions, DoseDepth, DoseOptions, DoseType, SegOptions, read_activity, read_ct, read_rtdose, read_rtstruct,
    read_seg, write_rtdose, write_seg,
};
use lutra::io::{open_ct, open_labels};

use crate::outside::{must_be_valid, python, run};

pub type Set = InMemDicomObject;

/// Puts a text element.
pub fn put(set: &mut Set, tag: Tag, vr: VR, text: &str) {
    set.put(DataElement::new(tag, vr, PrimitiveValue::from(text)));
}

/// Puts an unsigned 16-bit element.
pub fn put_u16(set: &mut Set, tag: Tag, value: u16) {
    set.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
}

/// Puts a sequence.
pub fn put_items(set: &mut Set, tag: Tag, items: Vec<Set>) {
    set.put(DataElement::new(tag, VR::SQ, DataSetSequence::from(items)));
}

/// Puts decimal numbers.
pub fn put_ds(set: &mut Set, tag: Tag, values: &[f64]) {
    let texts: Vec<String> = values.iter().map(|v| format!("{v:.6}")).collect();
    put(set, tag, VR::DS, &texts.join("\\"));
}

/// Writes a data set as a file.
pub fn write(path: &Path, set: &Set) {
    let meta = FileMetaTableBuilder::new().transfer_syntax("1.2.840.10008.1.2.1");
    set.clone().with_meta(meta).unwrap().write_to_file(path).unwrap();
}

/// An image object of 16-bit pixels with patient and series; no place in space yet.
pub fn image(class: &str, modality: &str, [columns, rows]: [usize; 2], pixels: &[u16]) -> Set {
    let mut set = InMemDicomObject::new_empty();
    for (tag, vr, text) in [
        (tags::SOP_CLASS_UID, VR::UI, class),
        (tags::SOP_INSTANCE_UID, VR::UI, "1.2.3.1"),
        (tags::MODALITY, VR::CS, modality),
        (tags::PATIENT_NAME, VR::PN, "SECRET^NAME"),
        (tags::PATIENT_ID, VR::LO, "SECRETID"),
        (tags::PATIENT_BIRTH_DATE, VR::DA, "19500101"),
        (tags::PATIENT_WEIGHT, VR::DS, "75.5"),
        (tags::STUDY_INSTANCE_UID, VR::UI, "1.2.3"),
        (tags::STUDY_DATE, VR::DA, "20260302"),
        (tags::SERIES_INSTANCE_UID, VR::UI, "1.2.3.4"),
        (tags::FRAME_OF_REFERENCE_UID, VR::UI, "1.2.3.5"),
        (tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2"),
        (tags::RESCALE_INTERCEPT, VR::DS, "-1024"),
        (tags::RESCALE_SLOPE, VR::DS, "1"),
    ] {
        put(&mut set, tag, vr, text);
    }
    for (tag, value) in [
        (tags::SAMPLES_PER_PIXEL, 1),
        (tags::ROWS, rows as u16),
        (tags::COLUMNS, columns as u16),
        (tags::BITS_ALLOCATED, 16),
        (tags::BITS_STORED, 16),
        (tags::HIGH_BIT, 15),
        (tags::PIXEL_REPRESENTATION, 0),
    ] {
        put_u16(&mut set, tag, value);
    }
    set.put(DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(pixels.to_vec().into())));
    set
}

pub const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
pub const PT: &str = "1.2.840.10008.5.1.4.1.1.128";
pub const NM: &str = "1.2.840.10008.5.1.4.1.1.20";

/// A phantom without symmetry: every voxel's HU tells its place, RAS mm, in a lattice of 2, 3 and 4 mm.
fn phantom_hu(world_mm: [f64; 3]) -> f64 {
    let [x, y, z] = [(world_mm[0] + 10.0) / 2.0, (world_mm[1] - 20.0) / 3.0, (world_mm[2] - 5.0) / 4.0];
    -900.0 + x.round() + 10.0 * y.round() + 100.0 * z.round()
}

const PHANTOM_DIMS: [usize; 3] = [5, 4, 3];
const PHANTOM_MM: [f64; 3] = [2.0, 3.0, 4.0];

/// Writes the phantom as slices along world axes in the order and direction asked for: rows of pixels
/// along `order[0]`, columns down `order[1]`, slices along `order[2]`, each flipped or not.
fn write_phantom(folder: &Path, order: [usize; 3], flipped: [bool; 3]) {
    let unit = |n: usize| {
        let mut v = [0.0; 3];
        v[order[n]] = if flipped[n] { -1.0 } else { 1.0 };
        v
    };
    let first = [0, 1, 2].map(|axis| {
        let n = order.iter().position(|o| *o == axis).unwrap();
        let length = (PHANTOM_DIMS[axis] - 1) as f64 * PHANTOM_MM[axis];
        [-10.0, 20.0, 5.0][axis] + if flipped[n] { length } else { 0.0 }
    });
    let [columns, rows, slices] = order.map(|axis| PHANTOM_DIMS[axis]);
    let world = |i: usize, j: usize, k: usize| {
        let steps = [i, j, k];
        [0, 1, 2].map(|axis| {
            first[axis] + (0..3).map(|n| unit(n)[axis] * PHANTOM_MM[order[n]] * steps[n] as f64).sum::<f64>()
        })
    };
    let lps = |v: [f64; 3]| [-v[0], -v[1], v[2]];
    for k in 0..slices {
        let pixels: Vec<u16> =
            (0..rows * columns).map(|n| (phantom_hu(world(n % columns, n / columns, k)) + 1024.0) as u16).collect();
        let mut set = image(CT, "CT", [columns, rows], &pixels);
        put(&mut set, tags::SOP_INSTANCE_UID, VR::UI, &format!("1.2.3.1.{k}"));
        put_ds(&mut set, tags::IMAGE_POSITION_PATIENT, &lps(world(0, 0, k)));
        put_ds(&mut set, tags::IMAGE_ORIENTATION_PATIENT, &[lps(unit(0)), lps(unit(1))].concat());
        put_ds(&mut set, tags::PIXEL_SPACING, &[PHANTOM_MM[order[1]], PHANTOM_MM[order[0]]]);
        put_ds(&mut set, tags::SLICE_THICKNESS, &[PHANTOM_MM[order[2]]]);
        // File names against the order of the slices.
        write(&folder.join(format!("{}.dcm", (k * 2 + 1) % 5)), &set);
    }
}

const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

/// Voxels of the volume whose value is not that of their place in the world.
fn misplaced(volume: &Volume<f32>) -> usize {
    assert_eq!(volume.data.len(), PHANTOM_DIMS.iter().product::<usize>());
    let wrong = |&n: &usize| {
        let world_mm = volume.grid.world_mm(volume.grid.voxel(n).map(|v| v as f64));
        f64::from(volume.data[n]) != phantom_hu(world_mm)
    };
    (0..volume.data.len()).filter(wrong).count()
}

#[test]
fn io_dicom_phantom_lies_right_in_48_orders_and_directions() {
    for order in ORDERS {
        for bits in 0..8 {
            let flipped = [0, 1, 2].map(|n| bits >> n & 1 == 1);
            let folder = tempfile::tempdir().unwrap();
            write_phantom(folder.path(), order, flipped);
            let ct = read_ct(folder.path()).unwrap();
            assert_eq!(misplaced(&ct.volume), 0, "{order:?} {flipped:?}");
            let (canonical, orientation) = ct.volume.to_canonical();
            assert_eq!(canonical.grid.dims, PHANTOM_DIMS);
            assert_eq!(misplaced(&canonical), 0);
            // The dose on this grid comes back to the same place through an RT Dose object.
            let dose = canonical.map(|hu| f64::from(hu) + 1000.0);
            let file = folder.path().join("dose.dcm");
            write_rtdose(&file, &orientation.restore(dose.clone()).unwrap(), ct.origin.as_ref(), &options()).unwrap();
            let back = read_rtdose(&file).unwrap().to_canonical().0;
            assert!(back.grid.corner_distance_mm(&dose.grid).unwrap() < 1e-6);
            let most = back.data.iter().zip(&dose.data).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(most < 1e-6, "{most} Gy");
        }
    }
}

/// Rotation by these angles about x, then z, degrees: columns are the images of the axes.
fn turned(about_x: f64, about_z: f64) -> [[f64; 3]; 3] {
    let ([sx, cx], [sz, cz]) = ([about_x.to_radians().sin(), about_x.to_radians().cos()], {
        let angle = about_z.to_radians();
        [angle.sin(), angle.cos()]
    });
    [[cz, -sz * cx, sz * sx], [sz, cz * cx, -cz * sx], [0.0, sx, cx]]
}

#[test]
fn io_dicom_oblique_directions_keep_every_voxel_in_its_place() {
    let [nx, ny, nz] = PHANTOM_DIMS;
    for (about_x, about_z) in [(0.0, 20.0), (12.0, -35.0), (-40.0, 44.0), (60.0, 10.0)] {
        let turn = turned(about_x, about_z);
        let lps = |v: [f64; 3]| [-v[0], -v[1], v[2]];
        let axis = |n: usize| [0, 1, 2].map(|row| turn[row][n]);
        let world = |steps: [usize; 3]| {
            [0, 1, 2].map(|row| {
                [-10.0, 20.0, 5.0][row] + (0..3).map(|n| turn[row][n] * PHANTOM_MM[n] * steps[n] as f64).sum::<f64>()
            })
        };
        let value = |[i, j, k]: [usize; 3]| (i + 10 * j + 100 * k) as u16;
        let folder = tempfile::tempdir().unwrap();
        for k in 0..nz {
            let pixels: Vec<u16> = (0..nx * ny).map(|n| value([n % nx, n / nx, k])).collect();
            let mut set = image(CT, "CT", [nx, ny], &pixels);
            put(&mut set, tags::SOP_INSTANCE_UID, VR::UI, &format!("1.2.3.1.{k}"));
            put_ds(&mut set, tags::IMAGE_POSITION_PATIENT, &lps(world([0, 0, k])));
            let directions =
                [lps(axis(0)), lps(axis(1))].concat().iter().map(|v| format!("{v:.13}")).collect::<Vec<_>>();
            put(&mut set, tags::IMAGE_ORIENTATION_PATIENT, VR::DS, &directions.join("\\"));
            put_ds(&mut set, tags::PIXEL_SPACING, &[PHANTOM_MM[1], PHANTOM_MM[0]]);
            write(&folder.path().join(format!("{k}.dcm")), &set);
        }
        let ct = open_ct(folder.path()).unwrap();
        let grid = &ct.volume.grid;
        let mut off_mm = 0.0f64;
        for n in 0..grid.len() {
            let stored = (ct.volume.data[n] + 1024.0) as usize;
            let wanted = world([stored % 10, stored / 10 % 10, stored / 100]);
            let found = grid.world_mm(grid.voxel(n).map(|v| v as f64));
            off_mm = off_mm.max((0..3).map(|axis| (wanted[axis] - found[axis]).abs()).fold(0.0, f64::max));
        }
        println!("turned by {about_x} and {about_z} degrees: every voxel within {off_mm:.1e} mm");
        assert!(off_mm < 1e-4, "{off_mm} mm");
        // A dose and regions on this grid come back to the same places.
        let dose = ct.volume.map(|hu| f64::from(hu) + 1024.0);
        let file = folder.path().join("dose.dcm");
        write_rtdose(&file, &dose, ct.origin.as_ref(), &options()).unwrap();
        let back = read_rtdose(&file).unwrap().to_canonical().0;
        let dose = dose.to_canonical().0;
        assert!(back.grid.corner_distance_mm(&dose.grid).unwrap() < 1e-4);
        assert!(back.data.iter().zip(&dose.data).all(|(a, b)| (a - b).abs() < 1e-6));
        let labels = dose.map(|gy| u16::from(gy > 50.0) + 2 * u16::from(gy > 150.0));
        let names = [(1, "one".to_owned()), (3, "three".to_owned())].into();
        let file = folder.path().join("labels.dcm");
        let plain = SegOptions { description: String::new(), deidentify: false };
        write_seg(&file, &labels, &names, ct.origin.as_ref(), &plain).unwrap();
        let regions = read_seg(&file, &labels.grid, Some("1.2.3.5")).unwrap();
        let wanted: Vec<u16> = labels.data.iter().map(|label| [0, 1, 0, 2][usize::from(*label)]).collect();
        assert_eq!(regions.labels.data, wanted);
    }
}

#[test]
fn alarm_io_dicom_a_flipped_slice_order_shows() {
    let folder = tempfile::tempdir().unwrap();
    write_phantom(folder.path(), [0, 1, 2], [false; 3]);
    let mut volume = read_ct(folder.path()).unwrap().volume;
    volume.grid.affine[0][0] *= -1.0;
    assert!(misplaced(&volume) > 0);
}

fn options() -> DoseOptions {
    DoseOptions {
        dose_type: DoseType::Physical,
        depth: DoseDepth::Bits32,
        description: "Absorbed dose".to_owned(),
        comment: "177Lu".to_owned(),
        deidentify: false,
        created: None,
    }
}

/// A slice of a PT series.
pub fn pt(z_mm: f64, start: (&str, &str), correction: &str, unit: &str) -> Set {
    let mut set = image(PT, "PT", [2, 2], &[100, 200, 300, 400]);
    put(&mut set, tags::SOP_INSTANCE_UID, VR::UI, &format!("1.2.3.9.{z_mm}"));
    put_ds(&mut set, tags::IMAGE_POSITION_PATIENT, &[0.0, 0.0, z_mm]);
    put_ds(&mut set, tags::IMAGE_ORIENTATION_PATIENT, &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    put_ds(&mut set, tags::PIXEL_SPACING, &[4.0, 4.0]);
    put(&mut set, tags::RESCALE_SLOPE, VR::DS, "10");
    put(&mut set, tags::RESCALE_INTERCEPT, VR::DS, "0");
    put(&mut set, tags::UNITS, VR::CS, unit);
    put(&mut set, tags::DECAY_CORRECTION, VR::CS, correction);
    put(&mut set, tags::ACQUISITION_DATE, VR::DA, start.0);
    put(&mut set, tags::ACQUISITION_TIME, VR::TM, start.1);
    put(&mut set, tags::ACTUAL_FRAME_DURATION, VR::IS, "3600000");
    let mut drug = Set::new_empty();
    put(&mut drug, tags::RADIOPHARMACEUTICAL_START_DATE_TIME, VR::DT, "20260302233000");
    put(&mut drug, tags::RADIONUCLIDE_HALF_LIFE, VR::DS, "7200");
    put(&mut drug, tags::RADIONUCLIDE_TOTAL_DOSE, VR::DS, "7.4e9");
    put_items(&mut set, tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE, vec![drug]);
    set
}

/// These slices as files of a folder.
pub fn pt_folder(slices: &[Set]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (n, slice) in slices.iter().enumerate() {
        write(&folder.path().join(format!("{n}.dcm")), slice);
    }
    folder
}

/// Two slices of a PT series.
pub fn pt_pair(start: (&str, &str), correction: &str, unit: &str) -> tempfile::TempDir {
    pt_folder(&[pt(0.0, start, correction, unit), pt(5.0, start, correction, unit)])
}

#[test]
fn io_dicom_decay_correction_across_midnight() {
    // Injection 23:30, scan from 00:30 the next day for an hour; half-life 2 h.
    let start = ("20260303", "003000");
    for (correction, halvings) in [("NONE", 0.0), ("START", 0.25), ("ADMIN", 0.75)] {
        let folder = pt_pair(start, correction, "BQML");
        let activity = read_activity(folder.path(), &ActivityOptions::default()).unwrap();
        let wanted = 1000.0 * (-halvings * 1.0f64).exp2();
        assert!((activity.image.volume.data[0] / wanted - 1.0).abs() < 1e-12, "{correction}");
        assert_eq!(activity.scan.timing.hours_after_injection, Some(1.5));
        assert_eq!(activity.scan.timing.duration_s, 3600.0);
    }
    let scale = pt_pair(start, "NONE", "BQML");
    assert_eq!(read_activity(scale.path(), &ActivityOptions::default()).unwrap().image.volume.data[3], 4000.0);
}

#[test]
fn io_dicom_slices_of_different_times_come_to_one() {
    // Two bed positions, an hour apart, each its own mean: both are brought to the middle of the whole.
    let slices = [pt(0.0, ("20260303", "003000"), "NONE", "BQML"), pt(5.0, ("20260303", "013000"), "NONE", "BQML")];
    let folder = pt_folder(&slices);
    let activity = read_activity(folder.path(), &ActivityOptions::default()).unwrap();
    let data = &activity.image.volume.data;
    assert!((data[0] / (1000.0 * (-0.25f64).exp2()) - 1.0).abs() < 1e-12);
    assert!((data[4] / (1000.0 * 0.25f64.exp2()) - 1.0).abs() < 1e-12);
}

#[test]
fn io_dicom_activity_doubts_are_refused_by_name() {
    let start = ("20260303", "003000");
    let refusal = |folder: &tempfile::TempDir, options: &ActivityOptions| {
        read_activity(folder.path(), options).unwrap_err().to_string()
    };
    let plain = ActivityOptions::default();
    for (unit, word) in [("CNTS", "counts"), ("GML", "SUV"), ("NONE", "NONE")] {
        let error = refusal(&pt_pair(start, "NONE", unit), &plain);
        assert!(error.contains("Units (0054,1001)") && error.contains(word), "{error}");
    }
    let error = refusal(&pt_pair(start, "MAYBE", "BQML"), &plain);
    assert!(error.contains("DecayCorrection (0054,1102): found MAYBE"), "{error}");
    let error = refusal(&pt_pair(("20260301", "003000"), "NONE", "BQML"), &plain);
    assert!(error.contains("time from injection to scan: found -46.5"), "{error}");
    // A time of day without a date cannot undo a correction to the injection.
    let mut slices = [pt(0.0, start, "ADMIN", "BQML"), pt(5.0, start, "ADMIN", "BQML")];
    for slice in &mut slices {
        let mut drug = Set::new_empty();
        put(&mut drug, tags::RADIOPHARMACEUTICAL_START_TIME, VR::TM, "233000");
        put(&mut drug, tags::RADIONUCLIDE_HALF_LIFE, VR::DS, "7200");
        put_items(slice, tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE, vec![drug]);
    }
    let error = refusal(&pt_folder(&slices), &plain);
    assert!(error.contains("ADMIN without the moment"), "{error}");
    // A decay factor that belongs to another correction.
    let mut slices = [pt(0.0, start, "START", "BQML"), pt(5.0, start, "START", "BQML")];
    for slice in &mut slices {
        put(slice, tags::DECAY_FACTOR, VR::DS, &format!("{:.6}", 0.75f64.exp2()));
    }
    let error = refusal(&pt_folder(&slices), &plain);
    assert!(error.contains("DecayFactor (0054,1321)"), "{error}");
    let mut slices = [pt(0.0, start, "NONE", "BQML"), pt(5.0, start, "NONE", "BQML")];
    put(&mut slices[1], tags::UNITS, VR::CS, "CNTS");
    let error = refusal(&pt_folder(&slices), &plain);
    assert!(error.contains("Units (0054,1001)") && error.contains("one value in a series"), "{error}");
    let slices = [0.0, 5.0, 10.0].map(|z| {
        let mut slice = pt(z, start, "NONE", "BQML");
        put_u16(&mut slice, tags::NUMBER_OF_SLICES, 4);
        slice
    });
    let error = refusal(&pt_folder(&slices), &plain);
    assert!(error.contains("4 stated and 3 files"), "{error}");
}

/// An NM reconstruction of 2 x 2 x 3 voxels.
pub fn nm() -> Set {
    let pixels: Vec<u16> = (1..=12).collect();
    let mut set = image(NM, "NM", [2, 2], &pixels);
    put(&mut set, tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\RECON TOMO\\EMISSION");
    put(&mut set, tags::NUMBER_OF_FRAMES, VR::IS, "3");
    put_ds(&mut set, tags::PIXEL_SPACING, &[4.0, 4.0]);
    put_ds(&mut set, tags::SPACING_BETWEEN_SLICES, &[-4.0]);
    let mut detector = Set::new_empty();
    put_ds(&mut detector, tags::IMAGE_POSITION_PATIENT, &[0.0, 0.0, 100.0]);
    put_ds(&mut detector, tags::IMAGE_ORIENTATION_PATIENT, &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    put_items(&mut set, tags::DETECTOR_INFORMATION_SEQUENCE, vec![detector]);
    set.remove_element(tags::RESCALE_SLOPE);
    set.remove_element(tags::RESCALE_INTERCEPT);
    put_items(&mut set, tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE, vec![mapping("kBq/ml", 0.5)]);
    set
}

/// A real world value mapping.
pub fn mapping(unit: &str, slope: f64) -> Set {
    let mut code = Set::new_empty();
    put(&mut code, tags::CODE_VALUE, VR::SH, unit);
    let mut map = Set::new_empty();
    put_items(&mut map, tags::MEASUREMENT_UNITS_CODE_SEQUENCE, vec![code]);
    map.put(DataElement::new(tags::REAL_WORLD_VALUE_SLOPE, VR::FD, PrimitiveValue::from(slope)));
    map.put(DataElement::new(tags::REAL_WORLD_VALUE_INTERCEPT, VR::FD, PrimitiveValue::from(0.0)));
    map
}

fn nm_result(set: &Set) -> Result<Volume<f64>, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("nm.dcm");
    write(&file, set);
    let read = read_activity(&file, &ActivityOptions::default());
    read.map(|activity| activity.image.volume.to_canonical().0).map_err(|error| error.to_string())
}

#[test]
fn io_dicom_nm_slices_follow_their_sign_and_vector() {
    let volume = nm_result(&nm()).unwrap();
    // The first frame is the top one: z = 100 mm; the file's first pixel is at the patient's right and front.
    assert_eq!(volume.at_world_mm([0.0, 0.0, 100.0]), Some(500.0));
    assert_eq!(volume.at_world_mm([0.0, 0.0, 92.0]), Some(4500.0));
    assert_eq!(volume.at_world_mm([-4.0, -4.0, 92.0]), Some(6000.0));
    let mut turned = nm();
    let order: Vec<u16> = vec![3, 2, 1];
    turned.put(DataElement::new(tags::SLICE_VECTOR, VR::US, PrimitiveValue::U16(order.into())));
    assert_eq!(nm_result(&turned).unwrap().at_world_mm([0.0, 0.0, 100.0]), Some(4500.0));
}

#[test]
fn io_dicom_nm_doubts_are_refused_by_name() {
    let changed = |change: &dyn Fn(&mut Set)| {
        let mut set = nm();
        change(&mut set);
        nm_result(&set).unwrap_err()
    };
    let error = changed(&|set| put(set, tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\TOMO\\EMISSION"));
    assert!(error.contains("ImageType") && error.contains("RECON TOMO"), "{error}");
    let error = changed(&|set| put(set, tags::CORRECTED_IMAGE, VR::CS, "ATTN\\DECY"));
    assert!(error.contains("DecayCorrection") && error.contains("though the image is decay corrected"), "{error}");
    let error = changed(&|set| {
        set.remove_element(tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE);
    });
    assert!(error.contains("Units (0054,1001): found none"), "{error}");
    let maps = vec![mapping("Bq/ml", 0.5), mapping("Bq/ml", 0.6)];
    let error = changed(&|set| put_items(set, tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE, maps.clone()));
    assert!(error.contains("2 different scales"), "{error}");
    let error = changed(&|set| put_items(set, tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE, vec![mapping("{counts}", 1.0)]));
    assert!(error.contains("units {counts}"), "{error}");
    let error = changed(&|set| put_u16(set, tags::NUMBER_OF_SLICES, 6));
    assert!(error.contains("NumberOfSlices"), "{error}");
    let error = changed(&|set| {
        set.remove_element(tags::DETECTOR_INFORMATION_SEQUENCE);
    });
    assert!(error.contains("ImagePositionPatient (0020,0032): found none"), "{error}");
}

/// A region: name, type, contours (LPS mm).
pub type Region<'a> = (&'a str, &'a str, Vec<Vec<[f64; 3]>>);

/// A structure set of the given regions.
pub fn structure_set(regions: &[Region]) -> Set {
    let mut set = Set::new_empty();
    put(&mut set, tags::SOP_CLASS_UID, VR::UI, "1.2.840.10008.5.1.4.1.1.481.3");
    put(&mut set, tags::SOP_INSTANCE_UID, VR::UI, "1.2.3.7");
    put(&mut set, tags::SERIES_INSTANCE_UID, VR::UI, "1.2.3.8");
    put(&mut set, tags::PATIENT_ID, VR::LO, "SECRETID");
    let (mut names, mut contours, mut kinds) = (Vec::new(), Vec::new(), Vec::new());
    for (n, (name, kind, polygons)) in regions.iter().enumerate() {
        let number = (n + 1).to_string();
        let mut roi = Set::new_empty();
        put(&mut roi, tags::ROI_NUMBER, VR::IS, &number);
        put(&mut roi, tags::REFERENCED_FRAME_OF_REFERENCE_UID, VR::UI, "1.2.3.5");
        put(&mut roi, tags::ROI_NAME, VR::LO, name);
        names.push(roi);
        let mut observation = Set::new_empty();
        put(&mut observation, tags::REFERENCED_ROI_NUMBER, VR::IS, &number);
        put(&mut observation, tags::RTROI_INTERPRETED_TYPE, VR::CS, kind);
        kinds.push(observation);
        let list = polygons.iter().map(|polygon| {
            let mut contour = Set::new_empty();
            put(&mut contour, tags::CONTOUR_GEOMETRIC_TYPE, VR::CS, "CLOSED_PLANAR");
            put(&mut contour, tags::NUMBER_OF_CONTOUR_POINTS, VR::IS, &polygon.len().to_string());
            put_ds(&mut contour, tags::CONTOUR_DATA, &polygon.concat());
            contour
        });
        let mut drawn = Set::new_empty();
        put_items(&mut drawn, tags::CONTOUR_SEQUENCE, list.collect());
        put(&mut drawn, tags::REFERENCED_ROI_NUMBER, VR::IS, &number);
        contours.push(drawn);
    }
    put_items(&mut set, tags::STRUCTURE_SET_ROI_SEQUENCE, names);
    put_items(&mut set, tags::ROI_CONTOUR_SEQUENCE, contours);
    put_items(&mut set, tags::RTROI_OBSERVATIONS_SEQUENCE, kinds);
    set
}

/// A square of half-width `half` around (x, y) at z, LPS mm.
pub fn square(x: f64, y: f64, z: f64, half: f64) -> Vec<[f64; 3]> {
    [[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]].map(|[a, b]| [x + a * half, y + b * half, z]).to_vec()
}

#[test]
fn io_dicom_contours_with_holes_islands_and_sparse_planes() {
    // Voxels of 1 mm, centres at whole mm from -10 to 10.
    let grid = VoxelGrid::axis_aligned([21; 3], [1.0; 3], [-10.0; 3]);
    let planes = |step: usize| (0..=6).step_by(step).map(|z| z as f64).collect::<Vec<_>>();
    let body: Vec<_> = (-10..=10).map(|z| square(0.0, 0.0, f64::from(z), 9.5)).collect();
    // A ring with an island, as three contours on each plane.
    let ring: Vec<_> = planes(1).iter().flat_map(|&z| [6.5, 4.5, 1.5].map(|half| square(0.0, 0.0, z, half))).collect();
    // One contour in three slices, at 1.5 mm: between voxels.
    let sparse: Vec<_> = planes(3).iter().map(|&z| square(-8.0, 0.0, z, 1.2)).collect();
    // A keyhole: outline and hole as one contour.
    let mut keyhole = square(8.0, 8.0, 9.0, 1.4);
    keyhole.push(keyhole[0]);
    let mut hole = square(8.0, 8.0, 9.0, 0.6);
    hole.push(hole[0]);
    hole.reverse();
    keyhole.extend(hole);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rs.dcm");
    let regions = [
        ("body", "EXTERNAL", body),
        ("ring", "ORGAN", ring),
        ("sparse", "ORGAN", sparse),
        ("keyhole", "ORGAN", vec![keyhole]),
    ];
    write(&file, &structure_set(&regions));
    let found = read_rtstruct(&file, &grid, Some("1.2.3.5")).unwrap();
    let count = |name: &str| {
        let label = found.names.value(name).unwrap();
        found.labels.data.iter().filter(|v| **v == label).count()
    };
    assert_eq!(count("ring"), 7 * (13 * 13 - 9 * 9 + 3 * 3));
    // Planes at 0, 3, 6: slices from -1.5 to 7.5, that is -1 to 7.
    assert_eq!(count("sparse"), 9 * 9);
    assert_eq!(count("keyhole"), 8);
    let body = &found.reports[0];
    assert!((body.own_cm3 - 19.0 * 19.0 * 21.0 * 1e-3).abs() < 1e-9);
    assert!((body.grid_cm3 - body.own_cm3).abs() < 1e-9);
    assert_eq!(count("body"), 19 * 19 * 21 - count("ring") - count("sparse") - count("keyhole"));
    let ring = &found.reports[1];
    assert!((ring.own_cm3 - 7.0 * (13.0 * 13.0 - 81.0 + 9.0) * 1e-3).abs() < 1e-9, "{}", ring.own_cm3);
    // The same regions on an oblique grid: voxel by voxel the volume stays near.
    let (sin, cos) = 0.3f64.sin_cos();
    let affine = [[cos, 0.0, sin, -12.0], [0.0, 1.0, 0.0, -10.0], [-sin, 0.0, cos, -7.0]];
    let oblique = VoxelGrid::from_affine([31, 21, 31], affine).unwrap();
    let turned = read_rtstruct(&file, &oblique, None).unwrap();
    assert!(turned.reports[1].change_rel().abs() < 0.05, "{:?}", turned.reports[1]);
    let error = read_rtstruct(&file, &grid, Some("9.9")).unwrap_err().to_string();
    assert!(error.contains("another frame of reference"), "{error}");
}

#[test]
fn io_dicom_gap_between_contour_planes_stays_empty() {
    let grid = VoxelGrid::axis_aligned([21; 3], [1.0; 3], [-10.0; 3]);
    let drawn: Vec<_> = [-8, -7, -6, 5, 6, 7].map(|z| square(0.0, 0.0, f64::from(z), 2.4)).to_vec();
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("rs.dcm"), &structure_set(&[("two parts", "ORGAN", drawn)]));
    let found = read_rtstruct(folder.path(), &grid, None).unwrap();
    assert_eq!(found.labels.data.iter().filter(|v| **v > 0).count(), 6 * 25);
    assert!(found.notes.iter().any(|note| note.contains("1 gap between planes")), "{:?}", found.notes);
}

/// A segmentation of 4 x 4 pixels: frames of (segment, z, bits or bytes).
pub fn seg(kind: &str, frames: &[(u16, f64, [u8; 16])]) -> Set {
    let flat: Vec<u8> = frames.iter().flat_map(|f| f.2).collect();
    let binary = kind == "BINARY";
    let bytes: Vec<u8> = if binary {
        flat.chunks(8).map(|bits| bits.iter().enumerate().map(|(n, b)| b << n).sum()).collect()
    } else {
        flat
    };
    let mut set = image("1.2.840.10008.5.1.4.1.1.66.4", "SEG", [4, 4], &[]);
    put(&mut set, tags::SEGMENTATION_TYPE, VR::CS, kind);
    put(&mut set, tags::NUMBER_OF_FRAMES, VR::IS, &frames.len().to_string());
    let depth = if binary { 1 } else { 8 };
    put_u16(&mut set, tags::BITS_ALLOCATED, depth);
    put_u16(&mut set, tags::BITS_STORED, depth);
    put_u16(&mut set, tags::HIGH_BIT, depth - 1);
    put_u16(&mut set, tags::MAXIMUM_FRACTIONAL_VALUE, 200);
    let segments = [1, 2].map(|n| {
        let mut segment = Set::new_empty();
        put_u16(&mut segment, tags::SEGMENT_NUMBER, n);
        put(&mut segment, tags::SEGMENT_LABEL, VR::LO, ["liver", "tumour"][usize::from(n) - 1]);
        segment
    });
    put_items(&mut set, tags::SEGMENT_SEQUENCE, segments.to_vec());
    let item = |tag: Tag, inner: Set| {
        let mut outer = Set::new_empty();
        put_items(&mut outer, tag, vec![inner]);
        outer
    };
    let mut orientation = Set::new_empty();
    put_ds(&mut orientation, tags::IMAGE_ORIENTATION_PATIENT, &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    let mut measures = Set::new_empty();
    put_ds(&mut measures, tags::PIXEL_SPACING, &[2.0, 2.0]);
    put_ds(&mut measures, tags::SPACING_BETWEEN_SLICES, &[2.0]);
    let mut shared = item(tags::PLANE_ORIENTATION_SEQUENCE, orientation);
    put_items(&mut shared, tags::PIXEL_MEASURES_SEQUENCE, vec![measures]);
    put_items(&mut set, tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, vec![shared]);
    let per_frame = frames.iter().map(|(segment, z, _)| {
        let mut position = Set::new_empty();
        put_ds(&mut position, tags::IMAGE_POSITION_PATIENT, &[0.0, 0.0, *z]);
        let mut identity = Set::new_empty();
        put_u16(&mut identity, tags::REFERENCED_SEGMENT_NUMBER, *segment);
        let mut groups = item(tags::PLANE_POSITION_SEQUENCE, position);
        put_items(&mut groups, tags::SEGMENT_IDENTIFICATION_SEQUENCE, vec![identity]);
        groups
    });
    put_items(&mut set, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, per_frame.collect());
    set.put(DataElement::new(tags::PIXEL_DATA, VR::OB, PrimitiveValue::U8(bytes.into())));
    set
}

#[test]
fn io_dicom_seg_fractional_binary_and_sparse() {
    let mut liver = [0u8; 16];
    liver[..8].fill(1);
    let mut tumour = [0u8; 16];
    tumour[0] = 1;
    // Planes at 0 and 6 mm of a 2 mm lattice: those between were empty and left out.
    let frames = [(1, 0.0, liver), (1, 6.0, liver), (2, 6.0, tumour)];
    // LPS (0, 0) is the first pixel; in RAS the columns run towards -x.
    let grid = VoxelGrid::axis_aligned([4, 4, 4], [2.0; 3], [-6.0, -6.0, 0.0]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("seg.dcm");
    for kind in ["BINARY", "FRACTIONAL"] {
        let scale = if kind == "BINARY" { 1 } else { 100 };
        let mut stored = frames;
        stored.iter_mut().for_each(|f| f.2.iter_mut().for_each(|v| *v *= scale));
        if kind == "FRACTIONAL" {
            // Just below one half.
            stored[0].2[15] = 99;
        }
        write(&file, &seg(kind, &stored));
        let found = read_seg(&file, &grid, None).unwrap();
        let mut wanted = Volume::filled(grid.clone(), 0u16);
        for (i, j) in (0..4).flat_map(|i| [(i, 3), (i, 2)]) {
            for k in [0, 3] {
                wanted.data[grid.index(i, j, k)] = 1;
            }
        }
        wanted.data[grid.index(3, 3, 3)] = 2;
        assert_eq!(found.labels, wanted, "{kind}");
        assert!((found.reports[0].lost_cm3 - 8e-3).abs() < 1e-12);
        assert_eq!(found.names.value("tumour"), Some(2));
    }
    // A reference that reaches half of it: what is outside is reported.
    let part = VoxelGrid::axis_aligned([4, 4, 1], [2.0; 3], [-6.0, -6.0, 0.0]);
    let found = open_labels(&file, &part, None).unwrap();
    assert!((found.reports[0].outside_cm3 - 8.0 * 8e-3).abs() < 1e-12);
    let twice = [(1, 0.0, liver), (1, 0.0, liver)];
    write(&file, &seg("BINARY", &twice));
    let error = read_seg(&file, &grid, None).unwrap_err().to_string();
    assert!(error.contains("frames 1 and 2 at one place"), "{error}");
}

/// A dose without symmetry on the grid of a CT made here, and the file it was written to.
fn made_dose(folder: &Path, options: &DoseOptions) -> (Volume<f64>, PathBuf) {
    let ct_folder = folder.join("ct");
    std::fs::create_dir_all(&ct_folder).unwrap();
    write_phantom(&ct_folder, [0, 1, 2], [false, true, false]);
    let ct = read_ct(&ct_folder).unwrap();
    let dose = ct.volume.map(|hu| (f64::from(hu) + 901.0) * 0.037);
    let file = folder.join("dose.dcm");
    write_rtdose(&file, &dose, ct.origin.as_ref(), options).unwrap();
    (dose.to_canonical().0, file)
}

#[test]
fn io_dicom_dose_is_written_the_same_twice_and_carries_no_more_than_it_may() {
    let folder = tempfile::tempdir().unwrap();
    let (_, file) = made_dose(folder.path(), &options());
    let bytes = std::fs::read(&file).unwrap();
    let (_, again) = made_dose(folder.path(), &options());
    assert_eq!(std::fs::read(again).unwrap(), bytes);
    let holds = |bytes: &[u8], word: &[u8]| bytes.windows(word.len()).any(|w| w == word);
    for word in [&b"SECRET^NAME"[..], b"SECRETID", b"1.2.3.5", b"19500101", b"75.5"] {
        assert!(holds(&bytes, word));
    }
    let (dose, stripped) =
        made_dose(folder.path(), &DoseOptions { deidentify: true, dose_type: DoseType::Effective, ..options() });
    let bytes = std::fs::read(&stripped).unwrap();
    for word in [&b"SECRET"[..], b"1.2.3.", b"1950", b"20260302"] {
        assert!(!holds(&bytes, word), "{}", String::from_utf8_lossy(word));
    }
    assert!(holds(&bytes, b"75.5") && holds(&bytes, b"EFFECTIVE"));
    let back = read_rtdose(&stripped).unwrap().to_canonical().0;
    let most = back.data.iter().zip(&dose.data).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    let highest = dose.data.iter().copied().fold(0.0, f64::max);
    assert!(most <= 0.51 * highest / 4294967295.0, "{most} of {highest} Gy");
}

#[test]
fn io_dicom_no_message_names_the_patient() {
    let folder = tempfile::tempdir().unwrap();
    write_phantom(folder.path(), [0, 1, 2], [false; 3]);
    let ct = read_ct(folder.path()).unwrap();
    assert!(!format!("{ct:?}").contains("SECRET"));
    let mut other = image(CT, "CT", [2, 2], &[0; 4]);
    put(&mut other, tags::PATIENT_ID, VR::LO, "OTHERSECRET");
    write(&folder.path().join("other.dcm"), &other);
    let error = read_ct(folder.path()).unwrap_err().to_string();
    assert!(error.contains("two patients") && !error.contains("SECRET"), "{error}");
}

#[test]
fn reference_dicom_dose_passes_the_validator() {
    let folder = tempfile::tempdir().unwrap();
    for dose_type in [DoseType::Physical, DoseType::Effective] {
        for deidentify in [false, true] {
            // dciodvfy 20220618 stops at an assertion of its own on 32-bit pixels; the header is the same.
            let depth = DoseDepth::Bits16;
            let (_, file) = made_dose(folder.path(), &DoseOptions { dose_type, depth, deidentify, ..options() });
            must_be_valid(&file, "RTDose");
        }
    }
}

#[test]
fn reference_dicom_dose_reads_the_same_elsewhere() {
    let Some(python) = python() else { return };
    for depth in [DoseDepth::Bits16, DoseDepth::Bits32] {
        reads_the_same(python, &DoseOptions { depth, ..options() });
    }
}

fn reads_the_same(python: &str, options: &DoseOptions) {
    let most = if options.depth == DoseDepth::Bits16 { 65535.0 } else { 4294967295.0 };
    let folder = tempfile::tempdir().unwrap();
    let (dose, file) = made_dose(folder.path(), options);
    let script = r#"
import sys, json, numpy, pydicom, SimpleITK
d = pydicom.dcmread(sys.argv[1])
a = d.pixel_array.astype("f8") * float(d.DoseGridScaling)
i = SimpleITK.ReadImage(sys.argv[1])
s = SimpleITK.GetArrayFromImage(SimpleITK.Cast(i, SimpleITK.sitkFloat64))
s = s if "float" in i.GetPixelIDTypeAsString() else s * float(d.DoseGridScaling)
print(json.dumps(dict(pydicom=a.ravel().tolist(), sitk=s.ravel().tolist(),
  ipp=list(map(float, d.ImagePositionPatient)), iop=list(map(float, d.ImageOrientationPatient)),
  spacing=list(map(float, d.PixelSpacing)), offsets=list(map(float, d.GridFrameOffsetVector)),
  size=i.GetSize(), origin=i.GetOrigin(), step=i.GetSpacing(), direction=i.GetDirection())))
"#;
    let (success, text) = run(python, &["-c", script, file.to_str().unwrap()]).unwrap();
    assert!(success, "{text}");
    let line = text.lines().find(|line| line.starts_with('{')).unwrap();
    let found: serde_json::Value = serde_json::from_str(line).unwrap();
    let numbers =
        |key: &str| -> Vec<f64> { found[key].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect() };
    let [nx, ny, nz] = dose.grid.dims;
    let (ipp, iop, spacing) = (numbers("ipp"), numbers("iop"), numbers("spacing"));
    let (offsets, origin, step) = (numbers("offsets"), numbers("origin"), numbers("step"));
    let (pydicom, sitk) = (numbers("pydicom"), numbers("sitk"));
    assert_eq!(numbers("size"), [nx as f64, ny as f64, nz as f64]);
    let highest = dose.data.iter().copied().fold(0.0, f64::max);
    for (n, value) in pydicom.iter().enumerate() {
        let (i, j, k) = (n % nx, n / nx % ny, n / (nx * ny));
        let lps = [0, 1, 2].map(|axis| {
            let normal = [0.0, 0.0, 1.0][axis];
            ipp[axis] + iop[axis] * spacing[1] * i as f64 + iop[3 + axis] * spacing[0] * j as f64 + normal * offsets[k]
        });
        let wanted = dose.at_world_mm([-lps[0], -lps[1], lps[2]]).unwrap();
        assert!((value - wanted).abs() <= 0.51 * highest / most, "pydicom: {value} for {wanted} Gy");
        let lps = [0, 1, 2].map(|axis| origin[axis] + step[axis] * [i, j, k][axis] as f64);
        let wanted = dose.at_world_mm([-lps[0], -lps[1], lps[2]]).unwrap();
        // SimpleITK hands out 32-bit values of some dose objects as f32.
        assert!(
            (sitk[n] - wanted).abs() <= (1e-6f64).max(0.51 / most) * highest,
            "SimpleITK: {} for {wanted} Gy",
            sitk[n]
        );
    }
}
