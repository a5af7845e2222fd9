//! Deformable Spatial Registration objects: a grid of displacements between two matrices.
//!
//! An object leads from its own frame of reference, the registered one, to the frame of each source: a point x goes to
//! M_post (M_pre x + d(x)), with d read in x on a grid in the registered frame (PS3.3 C.20.3.1.1), LPS mm. Triples that are
//! not numbers say that the map is not known there (C.20.3.1.3). The other direction would need the inverse of a field that
//! has been sampled; it is refused by name.

use dicom_dictionary_std::tags;

use super::matrix::{Matrix4, UNIT, matrix_in, turned};
use super::object::{DataSet, Object, items, numbers, text, vector};
use crate::grid::VoxelGrid;
use crate::io::IoError;
use crate::place::Place;

const SEQUENCE: &str = "DeformableRegistrationSequence (0064,0002)";
const GRID: &str = "DeformableRegistrationGridSequence (0064,0005)";
const AGAIN: &str = "Export the registration again.";

/// A deformable registration as read: x goes from the fixed to the moving frame by A (B x + d(x)), RAS mm.
#[derive(Clone, Debug)]
pub struct ReadDeformation {
    /// Where the displacements lie; `None` where the object has matrices alone.
    pub grid: Option<VoxelGrid>,
    /// One displacement a voxel, x fastest, mm; NaN where the map is not known.
    pub vectors: Vec<[f32; 3]>,
    /// B.
    pub before: Matrix4,
    /// A.
    pub after: Matrix4,
    /// The file.
    pub file: Place,
}

/// The deformation from the first to the second frame of a pair; `None` where the object does not name both.
pub(super) fn of_pair(object: &Object, pair: &[String; 2]) -> Result<Option<ReadDeformation>, IoError> {
    let own = object.text(tags::FRAME_OF_REFERENCE_UID).unwrap_or_default();
    let entries = object.items(tags::DEFORMABLE_REGISTRATION_SEQUENCE);
    let of = |frame: &String| -> Vec<&DataSet> {
        let source = |entry: &&DataSet| text(entry, tags::SOURCE_FRAME_OF_REFERENCE_UID).as_ref() == Some(frame);
        entries.iter().filter(source).collect()
    };
    let [fixed, moving] = pair.each_ref().map(of);
    if own == pair[1] && !fixed.is_empty() {
        return Err(object.refused(
            SEQUENCE,
            "a deformation of the first image into the frame of the second",
            "one of the second image (the source) into the frame of the first (the object's own)",
            "Export it with the first image as the one that stays, or exchange the images.",
        ));
    }
    if own != pair[0] || moving.is_empty() {
        return Ok(None);
    }
    // the registered frame itself may be listed, as it lies
    for entry in fixed {
        let found = of_entry(object, entry)?;
        if found.grid.is_some() || found.before != UNIT || found.after != UNIT {
            return Err(object.refused(SEQUENCE, "a deformation of the registered frame itself", "none", AGAIN));
        }
    }
    match moving.as_slice() {
        [one] => of_entry(object, one).map(Some),
        several => Err(object.refused(SEQUENCE, format!("{} items for one frame", several.len()), "one", AGAIN)),
    }
}

fn of_entry(object: &Object, entry: &DataSet) -> Result<ReadDeformation, IoError> {
    let matrix = |tag, name: &str| match items(entry, tag) {
        [] => Ok(UNIT),
        [one] => matrix_in(object, one).map(|(matrix, _)| turned(&matrix)),
        several => Err(object.refused(name, format!("{} matrices", several.len()), "at most one", AGAIN)),
    };
    let before =
        matrix(tags::PRE_DEFORMATION_MATRIX_REGISTRATION_SEQUENCE, "PreDeformationMatrixRegistrationSequence")?;
    let after =
        matrix(tags::POST_DEFORMATION_MATRIX_REGISTRATION_SEQUENCE, "PostDeformationMatrixRegistrationSequence")?;
    let (grid, vectors) = match items(entry, tags::DEFORMABLE_REGISTRATION_GRID_SEQUENCE) {
        [] => (None, Vec::new()),
        [one] => {
            let (grid, vectors) = field(object, one)?;
            (Some(grid), vectors)
        }
        several => return Err(object.refused(GRID, format!("{} grids", several.len()), "at most one", AGAIN)),
    };
    Ok(ReadDeformation { grid, vectors, before, after, file: object.path.clone() })
}

/// The grid and its vectors, LPS turned to RAS.
fn field(object: &Object, one: &DataSet) -> Result<(VoxelGrid, Vec<[f32; 3]>), IoError> {
    let three = |tag, name: &str| -> Result<[f64; 3], IoError> {
        vector::<3>(one, tag).ok_or_else(|| object.refused(name, "none", "three finite numbers", AGAIN))
    };
    let dims = three(tags::GRID_DIMENSIONS, "GridDimensions (0064,0007)")?;
    if dims.iter().any(|&n| !(n.fract() == 0.0 && (1.0..=1e5).contains(&n))) {
        return Err(object.refused("GridDimensions (0064,0007)", format!("{dims:?}"), "whole numbers from 1", AGAIN));
    }
    let edges = three(tags::GRID_RESOLUTION, "GridResolution (0064,0008)")?;
    let first = three(tags::IMAGE_POSITION_PATIENT, "ImagePositionPatient (0020,0032)")?;
    let axes = vector::<6>(one, tags::IMAGE_ORIENTATION_PATIENT)
        .ok_or_else(|| object.refused("ImageOrientationPatient (0020,0037)", "none", "six finite numbers", AGAIN))?;
    let [a, b, c, d, e, f] = axes;
    let axes = [[a, b, c], [d, e, f], [b * f - c * e, c * d - a * f, a * e - b * d]];
    let sign = [-1.0, -1.0, 1.0];
    // a negative zero is a zero
    let row = |r: usize| -> [f64; 4] {
        let column = |n: usize| sign[r] * axes[n][r] * edges[n] + 0.0;
        [column(0), column(1), column(2), sign[r] * first[r] + 0.0]
    };
    let grid = VoxelGrid::from_affine(dims.map(|n| n as usize), [row(0), row(1), row(2)])
        .map_err(|source| IoError::Grid { path: object.path.to_path_buf(), source })?;
    let numbers = numbers(one, tags::VECTOR_GRID_DATA);
    if numbers.len() != 3 * grid.len() {
        return Err(object.refused(
            "VectorGridData (0064,0009)",
            format!("{} numbers", numbers.len()),
            format!("{}, three a voxel", 3 * grid.len()),
            AGAIN,
        ));
    }
    let vectors = numbers.chunks_exact(3).map(|v| [-v[0] as f32, -v[1] as f32, v[2] as f32]).collect();
    Ok((grid, vectors))
}

#[cfg(test)]
mod tests {
    use super::super::registration::{ReadMap, read_registration};
    use super::super::rtdose::write_object;
    use super::super::study::Origin;
    use super::*;
    use crate::io::target::Target;
    use dicom_core::value::{DataSetSequence, PrimitiveValue};
    use dicom_core::{DataElement, Tag, VR};
    use dicom_object::InMemDicomObject;
    use std::path::Path;

    fn set(elements: &[(Tag, VR, &str)]) -> DataSet {
        let element = |&(tag, vr, value): &(Tag, VR, &str)| DataElement::new(tag, vr, PrimitiveValue::from(value));
        InMemDicomObject::from_element_iter(elements.iter().map(element))
    }

    fn origin(frame: &str) -> Origin {
        let header = set(&[
            (tags::FRAME_OF_REFERENCE_UID, VR::UI, frame),
            (tags::STUDY_INSTANCE_UID, VR::UI, "1.2.30"),
            (tags::PATIENT_ID, VR::LO, "P1"),
            (tags::PATIENT_NAME, VR::PN, "A^B"),
        ]);
        Origin::made(Path::new("made"), header, vec![(super::super::kind::CT.to_owned(), format!("{frame}.8"))])
    }

    fn put(to: &mut DataSet, tag: Tag, items: Vec<DataSet>) {
        to.put(DataElement::new(tag, VR::SQ, DataSetSequence::from(items)));
    }

    /// An object of frame 1.2.3 that names 1.2.4 as source, with a grid of 2 x 3 x 2 voxels and a shift before.
    fn write(path: &Path, own: &str, source: &str, vectors: &[f32]) {
        let mut grid = set(&[
            (tags::IMAGE_ORIENTATION_PATIENT, VR::DS, "1\\0\\0\\0\\1\\0"),
            (tags::IMAGE_POSITION_PATIENT, VR::DS, "10\\20\\30"),
        ]);
        grid.put(DataElement::new(tags::GRID_DIMENSIONS, VR::UL, PrimitiveValue::U32([2, 3, 2].as_slice().into())));
        grid.put(DataElement::new(
            tags::GRID_RESOLUTION,
            VR::FD,
            PrimitiveValue::F64([4.0, 5.0, 6.0].as_slice().into()),
        ));
        grid.put(DataElement::new(tags::VECTOR_GRID_DATA, VR::OF, PrimitiveValue::F32(vectors.into())));
        let matrix = set(&[
            (tags::FRAME_OF_REFERENCE_TRANSFORMATION_MATRIX, VR::DS, "1\\0\\0\\7\\0\\1\\0\\8\\0\\0\\1\\9\\0\\0\\0\\1"),
            (tags::FRAME_OF_REFERENCE_TRANSFORMATION_MATRIX_TYPE, VR::CS, "RIGID"),
        ]);
        let mut entry = set(&[(tags::SOURCE_FRAME_OF_REFERENCE_UID, VR::UI, source)]);
        put(&mut entry, tags::PRE_DEFORMATION_MATRIX_REGISTRATION_SEQUENCE, vec![matrix]);
        put(&mut entry, tags::DEFORMABLE_REGISTRATION_GRID_SEQUENCE, vec![grid]);
        let mut object = set(&[
            (tags::SOP_CLASS_UID, VR::UI, super::super::kind::DEFORMABLE_REGISTRATION),
            (tags::SOP_INSTANCE_UID, VR::UI, "1.2.77"),
            (tags::STUDY_INSTANCE_UID, VR::UI, "1.2.30"),
            (tags::SERIES_INSTANCE_UID, VR::UI, "1.2.31"),
            (tags::MODALITY, VR::CS, "REG"),
            (tags::PATIENT_ID, VR::LO, "P1"),
            (tags::PATIENT_NAME, VR::PN, "A^B"),
            (tags::FRAME_OF_REFERENCE_UID, VR::UI, own),
        ]);
        let still = set(&[(tags::SOURCE_FRAME_OF_REFERENCE_UID, VR::UI, own)]);
        put(&mut object, tags::DEFORMABLE_REGISTRATION_SEQUENCE, vec![still, entry]);
        write_object(&Target::from(path), object).expect("written");
    }

    fn vectors() -> Vec<f32> {
        (0..36).map(|n| n as f32).collect()
    }

    /// Grid, vectors and matrix come back in RAS, against the object as it was built.
    #[test]
    fn io_dicom_deformations_are_read() {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("deformable.dcm");
        write(&file, "1.2.3", "1.2.4", &vectors());
        let ReadMap::Field(read) = read_registration(&file, &origin("1.2.3"), &origin("1.2.4")).expect("read") else {
            panic!("a field was written")
        };
        let grid = read.grid.expect("a grid");
        assert_eq!(grid.dims, [2, 3, 2]);
        assert_eq!(grid.affine, [[-4.0, 0.0, 0.0, -10.0], [0.0, -5.0, 0.0, -20.0], [0.0, 0.0, 6.0, 30.0]]);
        assert_eq!(read.vectors[1], [-3.0, -4.0, 5.0]);
        assert_eq!(read.before.map(|row| row[3]), [-7.0, -8.0, 9.0, 1.0]);
        assert_eq!(read.after, UNIT);
    }

    #[test]
    fn io_dicom_deformations_are_refused_by_name() {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("deformable.dcm");
        let read = |fixed: &str, moving: &str| {
            read_registration(&file, &origin(fixed), &origin(moving)).expect_err("refused").to_string()
        };
        write(&file, "1.2.3", "1.2.4", &vectors());
        let error = read("1.2.4", "1.2.3");
        assert!(error.contains("a deformation of the first image into the frame of the second"), "{error}");
        let error = read("1.2.3", "1.2.5");
        assert!(error.contains("no registration object that names those of both images"), "{error}");
        write(&file, "1.2.3", "1.2.4", &vectors()[..33]);
        let error = read("1.2.3", "1.2.4");
        assert!(error.contains("VectorGridData (0064,0009): found 33 numbers"), "{error}");
        std::fs::remove_file(&file).expect("removed");
        for n in 0..2 {
            write(&folder.path().join(format!("{n}.dcm")), "1.2.3", "1.2.4", &vectors());
        }
        let error = read_registration(folder.path(), &origin("1.2.3"), &origin("1.2.4")).expect_err("two").to_string();
        assert!(error.contains("2 objects for these two images"), "{error}");
    }
}
