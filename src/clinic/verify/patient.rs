//! A patient of a thousand voxels, made on the spot, whose files a verification writes, reads and spoils.

use crate::clinic::failure::{AtPath, Failure, OrUserError, UserError};
use crate::clinic::request::{ActivityChoice, DoseRequest};
use crate::grid::{Volume, VoxelGrid};
use crate::io::IoError;
use crate::io::dicom::{self, DoseDepth, DoseOptions, DoseType, SegOptions};
use crate::io::nifti;
use crate::place::Place;
use crate::report::run_record;
use crate::source::ActivityUnit;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Voxels along the axes: none like another, so that swapped axes show.
const DIMS: [usize; 3] = [13, 11, 9];
/// Voxel edges, mm.
const SPACING_MM: [f64; 3] = [4.0, 3.0, 5.0];
/// Centre of the first voxel, mm: off every symmetry, so that a flip shows.
const ORIGIN_MM: [f64; 3] = [-20.0, 10.0, 35.0];
/// HU of air, of soft tissue and of bone.
const HU: [f32; 3] = [-1000.0, 40.0, 700.0];
/// Activity integrated over time, Bq h/mL, of background and of the hot block.
const BQ_H_ML: [f32; 2] = [1e4, 2e6];
/// Highest dose of the map that is written, Gy.
const HIGHEST_GY: f64 = 23.0;

/// The course that is sound; each fault of a course changes one line of it.
pub(super) const COURSE: &str = r#"schema = 1
protocol = "iluminet"
nuclide = "lu177"
[effective_half_life_h]
kidney_left = 50.0
[[cycles]]
date = 2024-01-10
administered_mbq = 7400
missing = "before dosimetry was introduced"
[[cycles]]
date = 2024-04-03
administered_mbq = 7300
missing = "scanner down"
"#;

/// The series that is sound; each fault of a series changes one line of it.
pub(super) const SERIES: &str = r#"schema = 1
unit = "bq_ml"
decay_correction = "none"
labels = "labels.nii"
[[images]]
file = "a.nii"
time_h = 4.1
[[images]]
file = "b.nii"
time_h = 24.3
"#;

/// The patient's files in a folder of their own.
pub(super) struct Patient {
    folder: PathBuf,
    /// Its grid.
    pub(super) grid: VoxelGrid,
}

impl Patient {
    /// Writes the sound files into a folder.
    ///
    /// Errors: a place that cannot be written.
    pub(super) fn write(folder: &Path) -> Result<Self, Failure> {
        let grid = VoxelGrid::axis_aligned(DIMS, SPACING_MM, ORIGIN_MM);
        let patient = Self { folder: folder.to_path_buf(), grid };
        patient.image("ct.nii", &|voxel, _| hu(voxel))?;
        patient.image("activity.nii", &|voxel, _| if hot(voxel) { BQ_H_ML[1] } else { BQ_H_ML[0] })?;
        patient.image("labels.nii", &|voxel, _| f32::from(label(voxel)))?;
        patient.text("COURSE.toml", COURSE)?;
        dicom::write_rtdose(patient.path("dose.dcm"), &patient.dose(), None, &dose_options(DoseDepth::Bits16))?;
        dicom::write_seg(patient.path("seg.dcm"), &patient.labels(), &names(), None, &seg_options())?;
        Ok(patient)
    }

    /// Path of one of its files.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// One of its files, to be read.
    pub(super) fn place(&self, name: &str) -> Place {
        self.path(name).into()
    }

    /// A message without the place of the files, which differs from run to run.
    pub(super) fn without_folder(&self, message: &str) -> String {
        let folder = format!("{}{}", self.folder.display(), std::path::MAIN_SEPARATOR);
        message.replace(&folder, "")
    }

    /// Writes an image of values by voxel and its number.
    pub(super) fn image(&self, name: &str, value: &dyn Fn([usize; 3], usize) -> f32) -> Result<(), IoError> {
        self.image_on(name, &self.grid, value)
    }

    /// As [`Patient::image`], on another grid.
    pub(super) fn image_on(
        &self,
        name: &str,
        grid: &VoxelGrid,
        value: &dyn Fn([usize; 3], usize) -> f32,
    ) -> Result<(), IoError> {
        let data = (0..grid.len()).map(|n| value(grid.voxel(n), n)).collect();
        nifti::write(self.path(name), &Volume { grid: grid.clone(), data }, &run_record::program())
    }

    /// Writes a text.
    pub(super) fn text(&self, name: &str, text: &str) -> Result<(), Failure> {
        self.bytes(name, text.as_bytes())
    }

    /// Writes bytes.
    pub(super) fn bytes(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        std::fs::write(self.path(name), bytes).at(&self.path(name))
    }

    /// Writes a copy of one of its files, changed in its bytes.
    pub(super) fn changed(&self, from: &str, to: &str, change: &dyn Fn(&mut Vec<u8>)) -> Result<(), Failure> {
        let mut bytes = std::fs::read(self.path(from)).at(&self.path(from))?;
        change(&mut bytes);
        std::fs::write(self.path(to), bytes).at(&self.path(to))
    }

    /// The dose of these files, as `lutra dose` would be asked for it.
    pub(super) fn request(&self) -> DoseRequest {
        let mut request = DoseRequest::of_decays(self.place("ct.nii"), self.place("activity.nii"));
        request.activity = ActivityChoice::Map { file: self.place("activity.nii"), unit: ActivityUnit::BqMlH };
        request.labels = Some(self.place("labels.nii"));
        request
    }

    /// A dose, Gy, that differs in every voxel.
    pub(super) fn dose(&self) -> Volume<f64> {
        let most = self.grid.len() as f64;
        let data = (0..self.grid.len()).map(|n| HIGHEST_GY * (n as f64 + 1.0) / most).collect();
        Volume { grid: self.grid.clone(), data }
    }

    /// Its regions.
    pub(super) fn labels(&self) -> Volume<u16> {
        let data = (0..self.grid.len()).map(|n| label(self.grid.voxel(n))).collect();
        Volume { grid: self.grid.clone(), data }
    }
}

/// Names of its regions.
pub(super) fn names() -> BTreeMap<u16, String> {
    BTreeMap::from([(1, "kidney_left".to_owned()), (2, "liver".to_owned())])
}

/// How its dose is written.
pub(super) fn dose_options(depth: DoseDepth) -> DoseOptions {
    DoseOptions {
        dose_type: DoseType::Physical,
        depth,
        description: "verification".to_owned(),
        comment: "made on the spot, nobody's".to_owned(),
        deidentify: false,
        created: None,
    }
}

/// How its regions are written.
pub(super) fn seg_options() -> SegOptions {
    SegOptions { description: "verification".to_owned(), deidentify: false }
}

/// A series that is read without its images.
///
/// Errors: what is wrong with it.
pub(super) fn series(text: &str) -> Result<(), UserError> {
    crate::course::series::Series::parse(text, "SERIES.toml").or_user_error().map(|_| ())
}

/// HU of a voxel: air on one side, a slab of bone, soft tissue.
pub(super) fn hu([i, j, _]: [usize; 3]) -> f32 {
    match (i, j) {
        (0, _) => HU[0],
        (_, 8) => HU[2],
        _ => HU[1],
    }
}

fn hot([i, j, k]: [usize; 3]) -> bool {
    (3..7).contains(&i) && j < 7 && k > 2
}

fn label(voxel: [usize; 3]) -> u16 {
    match voxel {
        [0, ..] => 0,
        voxel if hot(voxel) => 1,
        [9..=11, 1..=6, 2..=5] => 2,
        _ => 0,
    }
}
