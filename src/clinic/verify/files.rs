//! What is written is read again: RT Dose, Segmentation, NIfTI, text.

use super::patient::{Patient, dose_options, names, seg_options};
use super::record::{Check, Group};
use crate::clinic::failure::Failure;
use crate::digest;
use crate::grid::Volume;
use crate::io::dicom::{self, DoseDepth};
use crate::io::nifti;
use crate::report::run_record;
use std::collections::BTreeMap;

/// Most by which a dose may differ when it is read again, in stored steps: half a step by rounding, and the rounding of the
/// step itself, which has 16 letters (PS3.5, DS).
const MOST_STEPS: f64 = 0.5001;

/// Writes and reads every kind of result.
///
/// Errors: a place that cannot be written.
pub(super) fn checks(patient: &Patient) -> Result<Vec<Check>, Failure> {
    Ok(vec![
        rtdose(patient, DoseDepth::Bits16, "RT Dose of 16 bits")?,
        rtdose(patient, DoseDepth::Bits32, "RT Dose of 32 bits")?,
        segmentation(patient)?,
        map(patient)?,
        text(patient)?,
    ])
}

/// A dose as RT Dose and back.
fn rtdose(patient: &Patient, depth: DoseDepth, name: &str) -> Result<Check, Failure> {
    let path = patient.path("round.dcm");
    let dose = patient.dose();
    dicom::write_rtdose(&path, &dose, None, &dose_options(depth))?;
    let steps = match depth {
        DoseDepth::Bits16 => f64::from(u16::MAX),
        DoseDepth::Bits32 => f64::from(u32::MAX),
    };
    let back = dicom::read_rtdose(path.as_path()).map(|back| back.to_canonical().0);
    Ok(doses(name, &dose, back.map_err(|error| error.to_string()), steps))
}

/// A dose against the same dose read again, in steps of the highest dose over `steps`.
pub(super) fn doses(name: &str, dose: &Volume<f64>, back: Result<Volume<f64>, String>, steps: f64) -> Check {
    let expected = format!("the same grid, every voxel within {MOST_STEPS} stored steps");
    let back = match back {
        Ok(back) => back,
        Err(error) => return Check::new(Group::Files, name, false, format!("not read: {error}"), expected),
    };
    let highest = dose.data.iter().copied().fold(0.0, f64::max);
    let off = dose.data.iter().zip(&back.data).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) * steps / highest;
    let grid = back.grid.same_as(&dose.grid) && back.data.len() == dose.data.len();
    let found = if grid { format!("the same grid, at most {off:.3} steps apart") } else { "another grid".to_owned() };
    Check::new(Group::Files, name, grid && off <= MOST_STEPS, found, expected)
}

/// Regions as a Segmentation and back.
fn segmentation(patient: &Patient) -> Result<Check, Failure> {
    let path = patient.path("round-seg.dcm");
    let (labels, names) = (patient.labels(), names());
    dicom::write_seg(&path, &labels, &names, None, &seg_options())?;
    let back = dicom::read_seg(path.as_path(), &patient.grid, None);
    let back = back.map(|back| {
        let found: BTreeMap<u16, String> = back.names.iter().map(|(label, name)| (label, name.to_owned())).collect();
        (back.labels.data, found)
    });
    Ok(regions("Segmentation", (&labels.data, &names), back.map_err(|error| error.to_string())))
}

/// Regions against the same regions read again.
pub(super) fn regions(
    name: &str,
    (labels, names): (&[u16], &BTreeMap<u16, String>),
    back: Result<(Vec<u16>, BTreeMap<u16, String>), String>,
) -> Check {
    let expected = "every voxel and every name as written";
    let (found_labels, found_names) = match back {
        Ok(back) => back,
        Err(error) => return Check::new(Group::Files, name, false, format!("not read: {error}"), expected),
    };
    let off =
        labels.iter().zip(&found_labels).filter(|(a, b)| a != b).count() + labels.len().abs_diff(found_labels.len());
    let named = found_names == *names;
    let found = format!("{off} voxels differ, names {}", if named { "as written" } else { "differ" });
    Check::new(Group::Files, name, off == 0 && named, found, expected)
}

/// A map as compressed NIfTI and back, bit for bit.
fn map(patient: &Patient) -> Result<Check, Failure> {
    let path = patient.path("round.nii.gz");
    let map = patient.dose().map(|gy| gy as f32);
    nifti::write(&path, &map, &run_record::program())?;
    let back = nifti::read(path.as_path());
    let same = back.as_ref().is_ok_and(|back| {
        back.grid.same_as(&map.grid) && back.data.iter().map(|x| x.to_bits()).eq(map.data.iter().map(|x| x.to_bits()))
    });
    let found = match back {
        Err(error) => format!("not read: {}", patient.without_folder(&error.to_string())),
        Ok(_) if same => "the same bits".to_owned(),
        Ok(_) => "another grid or other values".to_owned(),
    };
    Ok(Check::new(Group::Files, "NIfTI map, compressed", same, found, "the same grid and the same bits"))
}

/// A file of every byte value, which a disk gives back.
fn text(patient: &Patient) -> Result<Check, Failure> {
    let bytes: Vec<u8> = (0..1 << 20).map(|n: u32| (n ^ n >> 8) as u8).collect();
    let wanted = digest::of_bytes(&bytes);
    patient.bytes("round.bin", &bytes)?;
    let found = patient.place("round.bin").bytes().map(|bytes| digest::of_bytes(&bytes)).unwrap_or_default();
    let name = "a mebibyte on the disk of the output";
    Ok(Check::new(Group::Files, name, found == wanted, found.clone(), wanted.clone()).with_sha256(&found))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patient() -> (tempfile::TempDir, Patient) {
        let folder = tempfile::tempdir().expect("temporary folder");
        let patient = Patient::write(folder.path()).expect("written");
        (folder, patient)
    }

    #[test]
    fn io_what_is_written_is_read_again() {
        let (_folder, patient) = patient();
        let checks = checks(&patient).expect("written");
        assert_eq!(checks.len(), 5);
        for check in &checks {
            assert!(!check.fails(), "{check:?}");
        }
    }

    #[test]
    fn alarm_a_map_that_comes_back_flipped_moved_or_scaled_rings() {
        let (_folder, patient) = patient();
        let dose = patient.dose();
        let steps = f64::from(u16::MAX);
        let rings = |back: Volume<f64>| doses("x", &dose, Ok(back), steps).fails();
        assert!(!rings(dose.clone()));
        let flipped = dose.data.iter().rev().copied().collect();
        assert!(rings(Volume { grid: dose.grid.clone(), data: flipped }));
        let mut moved = dose.clone();
        moved.data.rotate_right(1);
        assert!(rings(moved));
        assert!(rings(dose.clone().map(|gy| gy * 1.001)));
        let mut elsewhere = dose.clone();
        elsewhere.grid.affine[0][3] += 2.0;
        assert!(rings(elsewhere));
        assert!(doses("x", &dose, Err("gone".to_owned()), steps).fails());
    }

    #[test]
    fn alarm_regions_that_come_back_swapped_or_renamed_ring() {
        let (_folder, patient) = patient();
        let (labels, names) = (patient.labels().data, names());
        let rings =
            |back: Vec<u16>, told: BTreeMap<u16, String>| regions("x", (&labels, &names), Ok((back, told))).fails();
        assert!(!rings(labels.clone(), names.clone()));
        let swapped = labels.iter().map(|label| if *label == 0 { 0 } else { 3 - label }).collect();
        assert!(rings(swapped, names.clone()));
        let other = BTreeMap::from([(1, "kidney_right".to_owned()), (2, "liver".to_owned())]);
        assert!(rings(labels.clone(), other));
        assert!(rings(labels[1..].to_vec(), names.clone()));
    }
}
