//! Opens images: a NIfTI file, a DICOM file or a DICOM folder gives the same kind of volume.
//!
//! DICOM images are turned to RAS+ and rounded to single precision, as in a NIfTI export. Grids of both formats are
//! rounded: positions to a micrometre, steps between voxels to a nanometre, finer than either format stores (at most 16
//! characters, float32) or any scanner knows. An image and its export then give the same result to the last bit instead
//! of two with different statistical noise.

use sha2::{Digest, Sha256};

use super::dicom::{self, ActivityOptions, Kind, Opened, RegionReport, Scan};
use super::labels::LabelNames;
use super::{IoError, nifti, sha256_hex};
use crate::grid::{Volume, VoxelGrid};
use crate::note::Note;
use crate::place::Place;
use crate::reads;

/// An activity image of either format.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ActivityInput {
    /// From DICOM: Bq/mL at the middle of the scan. From NIfTI: the file's values, in a unit that only
    /// the user knows.
    pub image: Opened<f64>,
    /// What a DICOM file says about the scan; none for NIfTI.
    pub scan: Option<Scan>,
}

/// A label map of either format.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LabelInput {
    /// One label a voxel. From NIfTI on its own grid and in its own axis order, from DICOM on the reference grid.
    pub labels: Volume<u16>,
    /// Names that the object states; empty for NIfTI.
    pub names: LabelNames,
    /// Volumes of DICOM regions by their own contours or pixels, and on the grid; empty for NIfTI.
    pub reports: Vec<RegionReport>,
    /// What a careful user should know.
    pub notes: Vec<Note>,
    /// Files that were read.
    pub files: Vec<Place>,
}

/// Opens a CT, HU.
///
/// Errors: those of [`nifti::read_image`] or [`dicom::read_ct`]; values that are NaN or infinite.
pub fn open_ct(path: impl Into<Place>) -> Result<Opened<f32>, IoError> {
    let path = &path.into();
    if dicom::is_dicom(path) { like_nifti(path, dicom::read_ct(path)?, |hu| hu) } else { from_nifti(path) }
}

/// Opens an activity image. `options` serve DICOM only.
///
/// Errors: those of [`nifti::read_image`] or [`dicom::read_activity`]; values that are NaN or infinite.
pub fn open_activity(path: impl Into<Place>, options: &ActivityOptions) -> Result<ActivityInput, IoError> {
    let path = &path.into();
    if dicom::is_dicom(path) {
        let activity = dicom::read_activity(path, options)?;
        let image = like_nifti(path, activity.image, |value| f64::from(value as f32))?;
        return Ok(ActivityInput { image, scan: Some(activity.scan) });
    }
    Ok(ActivityInput { image: from_nifti(path)?, scan: None })
}

/// Opens a label map, a structure set or a segmentation. DICOM regions are put onto `reference`, and
/// must be in the frame of reference of `origin` where that is known.
///
/// Errors: those of [`nifti::read_labels`], [`dicom::read_rtstruct`] or [`dicom::read_seg`]; regions of
/// another patient; a folder that holds both a structure set and a segmentation.
pub fn open_labels(
    path: impl Into<Place>,
    reference: &VoxelGrid,
    origin: Option<&dicom::Origin>,
) -> Result<LabelInput, IoError> {
    let path = &path.into();
    if !dicom::is_dicom(path) {
        let labels = nifti::read_labels(path)?;
        let files = nifti::files(path);
        return Ok(LabelInput { labels, names: LabelNames::default(), reports: Vec::new(), notes: Vec::new(), files });
    }
    let (kind, own) = dicom::regions_in(path)?;
    if let Some(origin) = origin {
        origin.must_agree_on_patient(&own)?;
    }
    let frame = origin.and_then(dicom::Origin::frame_of_reference);
    let regions = match kind {
        Kind::Segmentation => dicom::read_seg(path, reference, frame.as_deref())?,
        _ => dicom::read_rtstruct(path, reference, frame.as_deref())?,
    };
    Ok(LabelInput {
        labels: regions.labels,
        names: regions.names,
        reports: regions.reports,
        notes: regions.notes,
        files: own.files().to_vec(),
    })
}

/// Opens a dose, Gy: a NIfTI file or an RT Dose object (a file, or a folder that holds one).
///
/// Errors: those of [`nifti::read_image`] or [`dicom::read_rtdose`]; values that are NaN or infinite.
pub fn open_dose(path: impl Into<Place>) -> Result<Opened<f64>, IoError> {
    let path = &path.into();
    if dicom::is_dicom(path) { like_nifti(path, dicom::open_rtdose(path)?, |gy| gy) } else { from_nifti(path) }
}

/// A DICOM image in RAS+ order on a rounded grid, its values converted by `rounded`.
fn like_nifti<T: Copy>(path: &Place, opened: Opened<T>, rounded: impl Fn(T) -> T) -> Result<Opened<T>, IoError> {
    let (volume, _) = opened.volume.to_canonical();
    let grid = settled(path, volume.grid)?;
    let data = volume.data.into_iter().map(rounded).collect();
    Ok(Opened { volume: Volume { grid, data }, ..opened })
}

/// Rounding steps of the affine's origin, 1/mm.
const PLACES_PER_MM: f64 = 1e3;
/// Steps of its columns, 1/mm.
const STEPS_PER_MM: f64 = 1e6;

/// The grid, in any axis order, with its origin rounded to a micrometre and its steps to a nanometre.
///
/// Errors: a grid that becomes singular (voxels of nanometres).
pub fn settled(path: impl Into<Place>, grid: VoxelGrid) -> Result<VoxelGrid, IoError> {
    let round = |value: f64, per_mm: f64| (value * per_mm).round() / per_mm;
    let affine = grid.affine.map(|[a, b, c, origin]| {
        [round(a, STEPS_PER_MM), round(b, STEPS_PER_MM), round(c, STEPS_PER_MM), round(origin, PLACES_PER_MM)]
    });
    VoxelGrid::from_affine(grid.dims, affine)
        .map_err(|source| IoError::Grid { path: path.into().to_path_buf(), source })
}

/// Origin of the only CT of a folder, or of the only dose of a folder without a CT, without voxels; `None` for NIfTI.
///
/// Also `None` if a folder holds several. Errors: a header that cannot be read.
pub fn origin_of(path: impl Into<Place>) -> Result<Option<dicom::Origin>, IoError> {
    let path = &path.into();
    if !dicom::is_dicom(path) {
        return Ok(None);
    }
    let (mut cts, mut doses) = (Vec::new(), Vec::new());
    for entry in dicom::contents(path)? {
        match entry.kind {
            Kind::Ct => cts.push(entry.origin),
            Kind::Dose => doses.push(entry.origin),
            _ => {}
        }
    }
    let mut found = if cts.is_empty() { doses } else { cts };
    Ok(found.pop().filter(|_| found.is_empty()))
}

/// The files of an input: the file itself, every DICOM file of a folder, or those of one series.
///
/// Errors: a folder without DICOM; a file that cannot be read.
pub fn files_of(path: impl Into<Place>) -> Result<Vec<Place>, IoError> {
    let path = &path.into();
    if (path.is_file() && dicom::indexed_folder(path).is_none()) || !dicom::is_dicom(path) {
        return Ok(nifti::files(path));
    }
    Ok(dicom::contents(path)?.iter().flat_map(|entry| entry.origin.files().to_vec()).collect())
}

/// Size and SHA-256 of an input as it is on disk now. One file: of its bytes. Several: of their sorted digests, so that
/// names and order do not matter.
///
/// Errors: a file cannot be read.
pub fn digest_of(files: &[Place]) -> Result<(u64, String), IoError> {
    together(files, |file| {
        let bytes = file.regular().map_err(|e| IoError::read(file, e))?;
        Ok((bytes, sha256_hex(file)?))
    })
}

/// As [`digest_of`], for an input that this thread has just read: of the decoded bytes, whatever is on disk now.
///
/// Errors: a file that was not read and cannot be; a file that changed between reads.
pub fn digest_read(files: &[Place]) -> Result<(u64, String), IoError> {
    together(files, |file| match reads::take(file) {
        Some(seen) if seen.changed => Err(IoError::invalid(
            file,
            "file",
            "one that was changed while it was read",
            "the same bytes from first to last",
            "Start again when nothing writes to it any more.",
        )),
        Some(seen) => Ok((seen.bytes, seen.sha256)),
        None => digest_of(std::slice::from_ref(file)),
    })
}

/// Combines the digests of files.
fn together(
    files: &[Place],
    mut digest: impl FnMut(&Place) -> Result<(u64, String), IoError>,
) -> Result<(u64, String), IoError> {
    let mut bytes = 0;
    let mut digests = Vec::with_capacity(files.len());
    for file in files {
        let (size, sha256) = digest(file)?;
        bytes += size;
        digests.push(sha256);
    }
    if let [one] = digests.as_slice() {
        return Ok((bytes, one.clone()));
    }
    digests.sort();
    let all = Sha256::digest(digests.concat().as_bytes());
    Ok((bytes, crate::digest::hex(&all)))
}

fn from_nifti<T: nifti::Sample>(path: &Place) -> Result<Opened<T>, IoError> {
    let image = nifti::read_finite::<T>(path)?;
    Ok(Opened {
        form_code: nifti::WriteOptions::like(&image.header, "").form_code,
        notes: image.header.notes,
        description: image.header.description,
        volume: image.volume,
        files: nifti::files(path),
        origin: None,
    })
}
