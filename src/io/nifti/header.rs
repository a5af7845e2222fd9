//! Header bytes to a checked header, in mm.
//!
//! Source: NIfTI-1 data format definition (nifti1.h, 2012) and NIfTI-2 (nifti2.h, 2011), for the
//! offsets, the codes and the affine of the quaternion.

use std::path::Path;

use super::{Header, IoError, NiftiVersion, ScalarType};
use crate::grid::VoxelGrid;
use crate::note::Note;

/// Bytes of a NIfTI-1 header.
pub(super) const HEADER_1_BYTES: usize = 348;
/// Bytes of a NIfTI-2 header.
pub(super) const HEADER_2_BYTES: usize = 540;
/// How far sform and qform may put a corner voxel apart, mm; never more than a tenth of an edge.
const FORMS_AGREE_MM: f64 = 0.1;
/// Largest relative difference between a voxel size and the length of the affine's column.
const PIXDIM_AGREES_REL: f64 = 1e-3;

/// The fields of either header in one layout, not yet checked.
pub(super) struct RawHeader {
    pub(super) magic: Vec<u8>,
    pub(super) dim: [i64; 8],
    intent: i32,
    datatype: i16,
    bitpix: i16,
    pixdim: [f64; 8],
    vox_offset: f64,
    slope: f64,
    intercept: f64,
    xyzt_units: i32,
    description: String,
    qform_code: i32,
    sform_code: i32,
    /// Quaternion b, c, d.
    quatern: [f64; 3],
    qoffset: [f64; 3],
    pub(super) srow: [[f64; 4]; 3],
}

/// Numbers at byte offsets of a header. The offsets are constants below the header's length.
struct Fields<'a> {
    bytes: &'a [u8],
    big_endian: bool,
}

macro_rules! field {
    ($name:ident, $type:ty) => {
        fn $name(&self, offset: usize) -> $type {
            let mut raw = [0u8; size_of::<$type>()];
            raw.copy_from_slice(&self.bytes[offset..offset + size_of::<$type>()]);
            if self.big_endian { <$type>::from_be_bytes(raw) } else { <$type>::from_le_bytes(raw) }
        }
    };
}

impl Fields<'_> {
    field!(i16, i16);
    field!(i32, i32);
    field!(i64, i64);
    field!(f32, f32);
    field!(f64, f64);

    /// A 32-bit float as the shortest decimal that gives it: 4.8 and not 4.800000190734863.
    fn decimal(&self, offset: usize) -> f64 {
        let value = self.f32(offset);
        value.to_string().parse().unwrap_or(f64::from(value))
    }

    fn text(&self, offset: usize, len: usize) -> String {
        let bytes = &self.bytes[offset..offset + len];
        let end = bytes.iter().position(|&b| b == 0).unwrap_or(len);
        String::from_utf8_lossy(&bytes[..end]).trim().to_string()
    }
}

impl RawHeader {
    pub(super) fn decode(bytes: &[u8], version: NiftiVersion, big_endian: bool) -> Self {
        let f = Fields { bytes, big_endian };
        use std::array::from_fn;
        match version {
            NiftiVersion::One => Self {
                magic: bytes[344..348].to_vec(),
                dim: from_fn(|n| f.i16(40 + 2 * n).into()),
                intent: f.i16(68).into(),
                datatype: f.i16(70),
                bitpix: f.i16(72),
                pixdim: from_fn(|n| f.decimal(76 + 4 * n)),
                vox_offset: f.f32(108).into(),
                slope: f.f32(112).into(),
                intercept: f.f32(116).into(),
                xyzt_units: bytes[123].into(),
                description: f.text(148, 80),
                qform_code: f.i16(252).into(),
                sform_code: f.i16(254).into(),
                quatern: from_fn(|n| f.f32(256 + 4 * n).into()),
                qoffset: from_fn(|n| f.decimal(268 + 4 * n)),
                srow: from_fn(|row| from_fn(|n| f.decimal(280 + 16 * row + 4 * n))),
            },
            NiftiVersion::Two => Self {
                magic: bytes[4..12].to_vec(),
                dim: from_fn(|n| f.i64(16 + 8 * n)),
                intent: f.i32(504),
                datatype: f.i16(12),
                bitpix: f.i16(14),
                pixdim: from_fn(|n| f.f64(104 + 8 * n)),
                vox_offset: f.i64(168) as f64,
                slope: f.f64(176),
                intercept: f.f64(184),
                xyzt_units: f.i32(500),
                description: f.text(240, 80),
                qform_code: f.i32(344),
                sform_code: f.i32(348),
                quatern: from_fn(|n| f.f64(352 + 8 * n)),
                qoffset: from_fn(|n| f.f64(376 + 8 * n)),
                srow: from_fn(|row| from_fn(|n| f.f64(400 + 32 * row + 8 * n))),
            },
        }
    }

    /// The header with every field checked, lengths in mm; of an image with this many values a voxel.
    pub(super) fn check(
        self,
        path: &Path,
        version: NiftiVersion,
        big_endian: bool,
        pair: bool,
        components: usize,
    ) -> Result<Header, IoError> {
        let mut notes = Vec::new();
        let dims = self.dims(path, components)?;
        let scalar = self.scalar(path)?;
        let data_offset = self.data_offset(path, version, pair)?;
        let (slope, intercept) = self.scale(path)?;
        let unit_mm = self.unit_mm(path, &mut notes)?;
        let grid = self.grid(path, dims, unit_mm, &mut notes)?;
        Ok(Header {
            version,
            big_endian,
            scalar,
            slope,
            intercept,
            sform_code: self.sform_code,
            qform_code: self.qform_code,
            description: self.description,
            grid,
            notes,
            intent: self.intent,
            components,
            data_offset,
            pair,
        })
    }

    /// Voxels along the three axes of an image with this many values a voxel, which stand in the fifth dimension.
    fn dims(&self, path: &Path, components: usize) -> Result<[usize; 3], IoError> {
        let rank = self.dim[0];
        if !(1..=7).contains(&rank) {
            return Err(IoError::invalid(
                path,
                "dim[0]",
                rank.to_string(),
                "1 to 7 (3 for a volume)",
                "The header is damaged: export the image again.",
            ));
        }
        let sizes = &self.dim[1..=rank as usize];
        let listed = sizes.iter().map(i64::to_string).collect::<Vec<_>>().join(" x ");
        if let Some(axis) = sizes.iter().position(|&n| n < 1) {
            return Err(IoError::invalid(
                path,
                format!("dim[{}]", axis + 1),
                sizes[axis].to_string(),
                "at least 1",
                "The header is damaged: export the image again.",
            ));
        }
        if components > 1 {
            let fits = rank >= 5 && sizes[3] == 1 && sizes[4] == components as i64;
            if !fits || sizes[5..].iter().any(|&n| n != 1) {
                return Err(IoError::invalid(
                    path,
                    "dimensions",
                    format!("{rank} dimensions, {listed}"),
                    format!(
                        "x x y x z x 1 x {components}: a displacement field has its vectors in the fifth dimension"
                    ),
                    "Export the displacement field as ITK or ANTs write it; four dimensions are a time series or a field \
                     of FSL, whose vectors depend on both images' headers.",
                ));
            }
        } else if rank < 3 || sizes[3..].iter().any(|&n| n != 1) {
            return Err(IoError::invalid(
                path,
                "dimensions",
                format!("{rank} dimensions, {listed}"),
                "3 dimensions (further ones of size 1)",
                if rank < 3 {
                    "Give a volume, not a slice or a line."
                } else {
                    "Split the series and give one volume."
                },
            ));
        }
        let product = sizes[..3].iter().try_fold(1i64, |p, &n| p.checked_mul(n));
        match product {
            Some(n) if n <= i64::MAX / 64 && usize::try_from(n).is_ok() => {
                Ok([0, 1, 2].map(|axis| sizes[axis] as usize))
            }
            _ => Err(IoError::invalid(
                path,
                "dimensions",
                format!("{listed} voxels"),
                "a number of voxels that memory can address",
                "The header is damaged: export the image again.",
            )),
        }
    }

    /// How a value is stored.
    fn scalar(&self, path: &Path) -> Result<ScalarType, IoError> {
        let allowed = || ScalarType::ALL.map(|(_, _, name)| name).join(", ");
        let known = ScalarType::ALL.iter().find(|(_, code, _)| *code == self.datatype);
        let Some(&(scalar, _, name)) = known else {
            let name = match self.datatype {
                0 => "unknown",
                1 => "one bit a voxel",
                32 => "complex64",
                128 => "RGB colour",
                1536 => "float128",
                1792 => "complex128",
                2048 => "complex256",
                2304 => "RGBA colour",
                _ => "no NIfTI type",
            };
            return Err(IoError::invalid(
                path,
                "datatype",
                format!("{} ({name})", self.datatype),
                allowed(),
                "Convert the image to one of these types.",
            ));
        };
        let bits = scalar.bytes() as i16 * 8;
        if self.bitpix != bits {
            return Err(IoError::invalid(
                path,
                "bitpix",
                self.bitpix.to_string(),
                format!("{bits}, for datatype {name}"),
                "The header contradicts itself: export the image again.",
            ));
        }
        Ok(scalar)
    }

    /// Byte at which the values start.
    fn data_offset(&self, path: &Path, version: NiftiVersion, pair: bool) -> Result<u64, IoError> {
        let first = match (version, pair) {
            (_, true) => 0.0,
            (NiftiVersion::One, false) => (HEADER_1_BYTES + 4) as f64,
            (NiftiVersion::Two, false) => (HEADER_2_BYTES + 4) as f64,
        };
        let offset = if self.vox_offset == 0.0 { first } else { self.vox_offset };
        if !(offset >= first && offset <= 1e12 && offset.fract() == 0.0) {
            return Err(IoError::invalid(
                path,
                "vox_offset",
                self.vox_offset.to_string(),
                format!("a whole number of bytes, at least {first}"),
                "The header is damaged: export the image again.",
            ));
        }
        Ok(offset as u64)
    }

    /// Factor and offset of the stored values: 1 and 0 where the slope is 0 or NaN.
    fn scale(&self, path: &Path) -> Result<(f64, f64), IoError> {
        if self.slope == 0.0 || self.slope.is_nan() {
            return Ok((1.0, 0.0));
        }
        if !(self.slope.is_finite() && self.intercept.is_finite()) {
            return Err(IoError::invalid(
                path,
                "scl_slope, scl_inter",
                format!("{}, {}", self.slope, self.intercept),
                "finite numbers (slope 0: no scaling)",
                "Export the image again with its scale factors.",
            ));
        }
        Ok((self.slope, self.intercept))
    }

    /// Length of the header's spatial unit, mm.
    fn unit_mm(&self, path: &Path, notes: &mut Vec<Note>) -> Result<f64, IoError> {
        match self.xyzt_units & 7 {
            0 => {
                notes.push(Note::warning("no-unit-of-length", "xyzt_units states no unit of length: mm assumed"));
                Ok(1.0)
            }
            1 => Ok(1000.0),
            2 => Ok(1.0),
            3 => Ok(1e-3),
            other => Err(IoError::invalid(
                path,
                "xyzt_units",
                format!("{other} as unit of length"),
                "1 (m), 2 (mm), 3 (micrometre) or 0 (taken as mm)",
                "The header is damaged: export the image again.",
            )),
        }
    }

    /// The grid by the standard's precedence; sform and qform must agree where both are given.
    fn grid(&self, path: &Path, dims: [usize; 3], unit_mm: f64, notes: &mut Vec<Note>) -> Result<VoxelGrid, IoError> {
        for axis in 1..=3 {
            let edge = self.pixdim[axis];
            if !(edge.is_finite() && edge > 0.0) {
                return Err(IoError::invalid(
                    path,
                    format!("pixdim[{axis}] (voxel size)"),
                    edge.to_string(),
                    "a finite length above 0",
                    "Write the image again with its true voxel size.",
                ));
            }
        }
        let in_mm = |affine: [[f64; 4]; 3]| affine.map(|row| row.map(|v| v * unit_mm));
        let build = |affine| {
            VoxelGrid::from_affine(dims, in_mm(affine))
                .map_err(|source| IoError::Grid { path: path.to_path_buf(), source })
        };
        let sform = (self.sform_code > 0).then(|| build(self.srow)).transpose()?;
        let qform = (self.qform_code > 0).then(|| self.qform(path).and_then(build)).transpose()?;
        if let (Some(s), Some(q)) = (&sform, &qform) {
            check_forms_agree(path, s, q)?;
        }
        if let Some(s) = &sform {
            self.check_pixdim(path, s, unit_mm)?;
        }
        match sform.or(qform) {
            Some(grid) => Ok(grid),
            None => {
                notes.push(Note::warning(
                    "no-place-in-space",
                    "sform_code and qform_code are 0: the image states no place in space; \
                     axes taken as right, anterior, superior from the first voxel",
                ));
                let mut affine = [[0.0; 4]; 3];
                for (axis, row) in affine.iter_mut().enumerate() {
                    row[axis] = self.pixdim[axis + 1];
                }
                build(affine)
            }
        }
    }

    /// The affine of the quaternion, in the header's unit. Source: nifti1.h, "METHOD 2".
    pub(super) fn qform(&self, path: &Path) -> Result<[[f64; 4]; 3], IoError> {
        let [mut b, mut c, mut d] = self.quatern;
        let square = b * b + c * c + d * d;
        if !square.is_finite() || square > 1.0 + 1e-4 || self.qoffset.iter().any(|v| !v.is_finite()) {
            return Err(IoError::invalid(
                path,
                "quatern_b, quatern_c, quatern_d, qoffset",
                format!("({b}, {c}, {d}), {:?}", self.qoffset),
                "finite numbers, the first three with squares that add to at most 1",
                "The qform is damaged: export the image again, or set qform_code to 0 to use the sform.",
            ));
        }
        let mut a = (1.0 - square).max(0.0).sqrt();
        if 1.0 - square < 1e-7 {
            // A half turn: the real part is lost in rounding, as the standard's own code has it.
            a = 0.0;
            [b, c, d] = [b, c, d].map(|v| v / square.sqrt());
        }
        let rotation = [
            [a * a + b * b - c * c - d * d, 2.0 * (b * c - a * d), 2.0 * (b * d + a * c)],
            [2.0 * (b * c + a * d), a * a + c * c - b * b - d * d, 2.0 * (c * d - a * b)],
            [2.0 * (b * d - a * c), 2.0 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ];
        let handedness = if self.pixdim[0] < 0.0 { -1.0 } else { 1.0 };
        let edges = [self.pixdim[1], self.pixdim[2], self.pixdim[3] * handedness];
        Ok(std::array::from_fn(|row| {
            let [x, y, z] = std::array::from_fn(|axis| rotation[row][axis] * edges[axis]);
            [x, y, z, self.qoffset[row]]
        }))
    }

    /// Whether voxel sizes and the sform's columns state the same edges.
    fn check_pixdim(&self, path: &Path, sform: &VoxelGrid, unit_mm: f64) -> Result<(), IoError> {
        for axis in 0..3 {
            let (stated, drawn) = (self.pixdim[axis + 1] * unit_mm, sform.spacing_mm[axis]);
            if (stated - drawn).abs() > PIXDIM_AGREES_REL * drawn {
                return Err(IoError::invalid(
                    path,
                    format!("pixdim[{}] and sform", axis + 1),
                    format!("a voxel edge of {stated} mm and of {drawn} mm"),
                    "the same length, within 0.1 %",
                    "The header contradicts itself on the voxel size: export the image again.",
                ));
            }
        }
        Ok(())
    }
}

/// An error where sform and qform put a corner voxel apart by more than 0.1 mm, or by more than a
/// tenth of the shortest edge where that is less.
fn check_forms_agree(path: &Path, sform: &VoxelGrid, qform: &VoxelGrid) -> Result<(), IoError> {
    let apart_mm = sform.corner_distance_mm(qform).unwrap_or(f64::INFINITY);
    let allowed_mm = forms_agree_mm(sform);
    if apart_mm <= allowed_mm {
        return Ok(());
    }
    Err(IoError::invalid(
        path,
        "sform and qform",
        format!(
            "two places in space, up to {apart_mm:.3} mm apart (sform: {}; qform: {})",
            sform.describe(),
            qform.describe()
        ),
        format!("the same place within {allowed_mm:.3} mm"),
        "Decide which is right and write the image again with that one, or set the other's code to 0.",
    ))
}

/// How far apart sform and qform may put a corner voxel, mm.
pub(super) fn forms_agree_mm(grid: &VoxelGrid) -> f64 {
    grid.spacing_mm.iter().fold(FORMS_AGREE_MM, |least, edge| least.min(0.1 * edge))
}
