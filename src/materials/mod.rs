//! Hounsfield units to matter: density and tissue of every voxel.
//!
//! A tissue (elemental composition) is chosen by HU bin, the density by a curve; interaction
//! probabilities scale with the voxel's density. Equations and limits: docs/methods/materials.md.

/// Hounsfield units to density and tissue.
pub mod hu_curve;
/// Elemental composition of tissues.
pub mod tissues;

use crate::ct::{CtError, check_hounsfield};
use crate::fault::{Explained, Fault, FaultKind, explained};
use crate::grid::Volume;
use crate::note::Note;
use crate::text::parsed::of_system;

pub use hu_curve::HuCalibration;
pub use tissues::{Tissue, schneider_tissues};

/// Below this HU a voxel counts as air in the report.
pub const AIR_BELOW_HU: f32 = -900.0;
/// From this HU a voxel counts as dense bone or contrast agent in the report.
pub const DENSE_FROM_HU: f32 = 300.0;
/// From this HU a voxel counts as metal in the report: above any bone.
pub const METAL_FROM_HU: f32 = 2500.0;

/// What can be wrong with tissues, calibrations and their use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MaterialError {
    /// A field of a tissue.
    Tissue {
        /// Name of the tissue.
        tissue: String,
        /// Which field.
        field: String,
        /// What it holds.
        found: String,
        /// What it may hold.
        allowed: String,
    },
    /// No tissue of that name.
    UnknownTissue {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// A file that cannot be read.
    Unreadable {
        /// The path.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file that is not CSV or JSON of the shape expected.
    Syntax {
        /// The path.
        file: String,
        /// The parser's message.
        detail: String,
    },
    /// A fault at a place of a table.
    Table {
        /// The path.
        file: String,
        /// Line, tissue or column.
        place: String,
        /// What is wrong and what is allowed.
        fault: String,
    },
    /// The volume holds no Hounsfield units.
    Ct(#[from] CtError),
}

explained!(MaterialError);

impl Explained for MaterialError {
    fn fault(&self) -> Fault {
        match self {
            Self::Tissue { tissue, field, found, allowed } => {
                Fault::invalid(tissue, field, found, allowed, "correct the tissue")
                    .form("tissue \"{place}\": {field} is {found}; allowed: {allowed}")
            }
            Self::UnknownTissue { name, known } => Fault::of(FaultKind::Unknown)
                .found(format!("{name:?}"))
                .allowed(format!("{known}, or the path of a tissue table"))
                .then("Check the name or the path.")
                .form("no tissue {found}; allowed: {allowed}"),
            Self::Unreadable { file, source } => Fault::of(FaultKind::Unreadable)
                .place(file)
                .found(of_system(source))
                .then("check the path and its permissions")
                .form("{place}: cannot be read: {found}"),
            Self::Syntax { file, detail } => Fault::of(FaultKind::Syntax)
                .place(file)
                .found(detail)
                .then("tissue tables ending in .json are read as JSON, all others as CSV")
                .form("{place}: {found}"),
            Self::Table { file, place, fault } => Fault::of(FaultKind::Invalid)
                .place(place)
                .found(fault)
                .then("correct the file")
                .form("{place}: {found}")
                .inside(file),
            Self::Ct(error) => error.fault(),
        }
    }
}

impl MaterialError {
    /// This error with the name of the file it came from.
    fn in_file(self, file: &str) -> Self {
        match self {
            Self::Tissue { tissue, field, found, allowed } => Self::Table {
                file: file.to_owned(),
                place: format!("tissue {tissue:?}"),
                fault: format!("{field} is {found}; allowed: {allowed}"),
            },
            other => other,
        }
    }
}

/// Density and tissue of every voxel, x fastest.
#[derive(Clone, Debug, PartialEq)]
pub struct TissueMap {
    /// Mass density, g/cm3, one a voxel, positive.
    pub density_g_cm3: Vec<f32>,
    /// Index into `tissues`, one a voxel.
    pub tissue: Vec<u8>,
    /// The tissues.
    pub tissues: Vec<Tissue>,
    /// What the HU looked like.
    pub report: HuReport,
}

/// What a reader should know of the HU before he believes the densities.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HuReport {
    /// Name of the calibration.
    pub calibration: String,
    /// Lowest HU.
    pub min_hu: f32,
    /// Highest HU.
    pub max_hu: f32,
    /// Volume below [`AIR_BELOW_HU`], cm3.
    pub air_cm3: f64,
    /// Volume from [`DENSE_FROM_HU`] (dense bone, contrast agent), without metal, cm3.
    pub dense_cm3: f64,
    /// Volume from [`METAL_FROM_HU`], cm3; treated as the densest bone of the calibration.
    pub metal_cm3: f64,
    /// Volume whose HU lie above the calibration and take its highest density, cm3.
    pub above_curve_cm3: f64,
    /// Volume whose HU lie below the calibration and take its lowest density, cm3.
    pub below_curve_cm3: f64,
    /// Sentences for the reader; empty when nothing is worth a word.
    pub warnings: Vec<Note>,
}

/// Density and tissue of every voxel of `hu` (Hounsfield units) by `calibration`.
///
/// Refuses volumes that are not HU: not finite, all one value, stored with an offset of 1024, or
/// attenuation coefficients (see [`check_hounsfield`]). One pass, 5 bytes a voxel.
pub fn tissue_map(hu: &Volume<f32>, calibration: &HuCalibration) -> Result<TissueMap, MaterialError> {
    check_hounsfield(hu)?;
    let density_g_cm3 = hu.data.iter().map(|&h| calibration.density_g_cm3(f64::from(h)) as f32).collect();
    let tissue = hu.data.iter().map(|&h| calibration.tissue_index(f64::from(h))).collect();
    Ok(TissueMap { density_g_cm3, tissue, tissues: calibration.tissues().to_vec(), report: report(hu, calibration) })
}

fn report(hu: &Volume<f32>, calibration: &HuCalibration) -> HuReport {
    let voxel_cm3 = hu.grid.voxel_cm3();
    let volume_cm3 = |inside: &dyn Fn(f32) -> bool| hu.data.iter().filter(|h| inside(**h)).count() as f64 * voxel_cm3;
    let (low_hu, high_hu) = calibration.clip_hu();
    let mut report = HuReport {
        calibration: calibration.source.clone(),
        min_hu: hu.data.iter().copied().fold(f32::INFINITY, f32::min),
        max_hu: hu.data.iter().copied().fold(f32::NEG_INFINITY, f32::max),
        air_cm3: volume_cm3(&|h| h < AIR_BELOW_HU),
        dense_cm3: volume_cm3(&|h| (DENSE_FROM_HU..METAL_FROM_HU).contains(&h)),
        metal_cm3: volume_cm3(&|h| h >= METAL_FROM_HU),
        above_curve_cm3: volume_cm3(&|h| f64::from(h) > high_hu),
        below_curve_cm3: volume_cm3(&|h| f64::from(h) < low_hu),
        warnings: Vec::new(),
    };
    if report.metal_cm3 > 0.0 {
        let text = format!(
            "{:.2} cm3 lie at or above {METAL_FROM_HU} HU (metal or its streaks); they are treated as the densest bone of the calibration",
            report.metal_cm3
        );
        report.warnings.push(Note::warning("metal", text));
    }
    if report.above_curve_cm3 > report.metal_cm3 {
        report.warnings.push(Note::warning(
            "above-calibration",
            format!(
                "{:.2} cm3 lie above the calibration's {high_hu} HU and take its highest density",
                report.above_curve_cm3
            ),
        ));
    }
    if report.air_cm3 == 0.0 {
        report
            .warnings
            .push(Note::warning("no-air", "no voxel is air: the CT is cropped inside the body or its HU are shifted"));
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::VoxelGrid;

    fn volume(data: Vec<f32>) -> Volume<f32> {
        Volume { grid: VoxelGrid::axis_aligned([data.len(), 1, 1], [10.0; 3], [0.0; 3]), data }
    }

    #[test]
    fn law_a_row_of_hu_becomes_matter() {
        let map = tissue_map(
            &volume(vec![-1000.0, -700.0, -100.0, 40.0, 100.0, 101.0, 800.0, 1700.0, 3000.0]),
            &HuCalibration::schneider2000(),
        )
        .unwrap();
        assert_eq!(map.tissue, [0, 1, 2, 7, 8, 8, 16, 23, 23]);
        assert_eq!(map.density_g_cm3[3], 1.049_76);
        assert_eq!(map.density_g_cm3[8], map.density_g_cm3[7]);
        assert!(map.density_g_cm3[5] < map.density_g_cm3[4], "the jump at 101 HU is kept");
        let report = &map.report;
        assert_eq!((report.min_hu, report.max_hu), (-1000.0, 3000.0));
        assert_eq!((report.air_cm3, report.dense_cm3, report.metal_cm3, report.above_curve_cm3), (1.0, 2.0, 1.0, 2.0));
        assert_eq!(report.warnings.len(), 2, "{:?}", report.warnings);
    }

    #[test]
    fn io_stored_values_are_refused() {
        let raw: Vec<f32> = (0..100u8).map(|i| if i < 40 { f32::from(i) } else { 1000.0 + f32::from(i) }).collect();
        let message = tissue_map(&volume(raw), &HuCalibration::schneider2000()).unwrap_err().to_string();
        assert!(message.contains("1024"), "{message}");
    }

    /// Values of a little-endian NIfTI-1 file, x fastest; enough of the format for the reference case.
    fn nifti_values(path: &std::path::Path) -> Vec<f64> {
        use std::io::Read;
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
        let float = |at: usize| f32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let short = |at: usize| i16::from_le_bytes(bytes[at..at + 2].try_into().unwrap());
        let (slope, intercept) = if float(112) > 0.0 { (float(112), float(116)) } else { (1.0, 0.0) };
        let data = &bytes[float(108) as usize..];
        let raw: Vec<f64> = match short(70) {
            2 => data.iter().map(|&v| f64::from(v)).collect(),
            4 => data.chunks_exact(2).map(|v| f64::from(i16::from_le_bytes([v[0], v[1]]))).collect(),
            16 => data.chunks_exact(4).map(|v| f64::from(f32::from_le_bytes([v[0], v[1], v[2], v[3]]))).collect(),
            other => panic!("data type {other}"),
        };
        raw.iter().map(|v| v * f64::from(slope) + f64::from(intercept)).collect()
    }

    /// A CT with the density and tissue that independent code gave each voxel, and its labels.
    struct Case {
        hu: Volume<f32>,
        density_g_cm3: Vec<f64>,
        tissue: Vec<f64>,
        label: Vec<f64>,
        tissues: Vec<Tissue>,
    }

    /// The liver CT of the shared reference data; `None` if that folder is absent.
    fn liver_ct() -> Option<Case> {
        let reference = crate::needs::shared("refs/ct-liver-g48")?;
        let ct = crate::needs::shared("cases/liver-ct/g48/ct.nii.gz")?;
        let data: Vec<f32> = nifti_values(&ct).iter().map(|&v| v as f32).collect();
        Some(Case {
            hu: Volume { grid: VoxelGrid::axis_aligned([77, 64, 70], [4.8; 3], [0.0; 3]), data },
            density_g_cm3: nifti_values(&reference.join("density.nii.gz")),
            tissue: nifti_values(&reference.join("tissue.nii.gz")),
            label: nifti_values(&reference.join("labels.nii.gz")),
            tissues: tissues::read_tissues(reference.join("scene.json")).unwrap(),
        })
    }

    /// Voxels inside the body (label above 0) whose density or tissue differs from the reference.
    fn differing(case: &Case, calibration: &HuCalibration) -> (usize, usize) {
        let map = tissue_map(&case.hu, calibration).unwrap();
        let inside = (0..case.label.len()).filter(|&i| case.label[i] > 0.0);
        inside.fold((0, 0), |(density, tissue), i| {
            let far = (f64::from(map.density_g_cm3[i]) - case.density_g_cm3[i]).abs() > 2e-7;
            let other = f64::from(map.tissue[i]) != case.tissue[i];
            (density + usize::from(far), tissue + usize::from(other))
        })
    }

    #[test]
    fn reference_liver_ct_voxel_by_voxel() {
        let Some(case) = liver_ct() else { return };
        assert_eq!(case.label.iter().filter(|l| **l > 0.0).count(), 216_068);
        assert_eq!(differing(&case, &HuCalibration::schneider2000()), (0, 0));
        for (ours, theirs) in schneider_tissues().iter().zip(&case.tissues) {
            assert_eq!(ours.mean_excitation_ev, theirs.mean_excitation_ev, "{}", theirs.name);
            assert_eq!(ours.mass_fractions.len(), theirs.mass_fractions.len(), "{}", theirs.name);
            for (a, b) in ours.mass_fractions.iter().zip(&theirs.mass_fractions) {
                assert!(a.0 == b.0 && (a.1 - b.1).abs() < 1e-12, "{}", theirs.name);
            }
        }
    }

    #[test]
    fn alarm_hu_shifted_by_one_ring() {
        let Some(mut case) = liver_ct() else { return };
        case.hu.data.iter_mut().for_each(|h| *h += 1.0);
        let (density, tissue) = differing(&case, &HuCalibration::schneider2000());
        assert!(density > 100_000 && tissue > 1000, "{density} {tissue}");
    }
}
