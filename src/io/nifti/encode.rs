//! A grid to header bytes.

use std::path::Path;

use super::header::{HEADER_1_BYTES, HEADER_2_BYTES, RawHeader, forms_agree_mm};
use super::{NiftiVersion, ScalarType, WriteOptions};
use crate::grid::VoxelGrid;

/// The header's bytes and the four bytes behind it that say that no extension follows.
pub(super) fn encode_header(grid: &VoxelGrid, scalar: ScalarType, options: &WriteOptions) -> Vec<u8> {
    let description: String = {
        let mut text = options.description.clone();
        while text.len() > 79 {
            text.pop();
        }
        text
    };
    let bits = scalar.bytes() as i16 * 8;
    let (handedness, quatern) = quaternion(grid);
    let mut fields: Vec<(usize, Vec<u8>)> = Vec::new();
    if grid.dims.iter().all(|&n| n <= i16::MAX as usize) {
        let mut put = |offset: usize, bytes: &[u8]| fields.push((offset, bytes.to_vec()));
        put(0, &(HEADER_1_BYTES as i32).to_le_bytes());
        put(38, b"r");
        let dims = [3, grid.dims[0], grid.dims[1], grid.dims[2], 1, 1, 1, 1];
        for (n, &size) in dims.iter().enumerate() {
            put(40 + 2 * n, &(size as i16).to_le_bytes());
        }
        put(70, &scalar.code().to_le_bytes());
        put(72, &bits.to_le_bytes());
        let [sx, sy, sz] = grid.spacing_mm;
        for (n, &size) in [handedness, sx, sy, sz, 1.0, 1.0, 1.0, 1.0].iter().enumerate() {
            put(76 + 4 * n, &(size as f32).to_le_bytes());
        }
        put(108, &((HEADER_1_BYTES + 4) as f32).to_le_bytes());
        put(112, &1f32.to_le_bytes());
        put(123, &[2]);
        put(148, description.as_bytes());
        put(254, &options.form_code.to_le_bytes());
        for row in 0..3 {
            put(268 + 4 * row, &(grid.affine[row][3] as f32).to_le_bytes());
            for n in 0..4 {
                put(280 + 16 * row + 4 * n, &(grid.affine[row][n] as f32).to_le_bytes());
            }
        }
        for (n, part) in quatern.iter().enumerate() {
            put(256 + 4 * n, &(*part as f32).to_le_bytes());
        }
        put(344, b"n+1\0");
        let mut bytes = assemble(&fields, HEADER_1_BYTES + 4);
        if qform_holds(&bytes, NiftiVersion::One) {
            bytes[252..254].copy_from_slice(&options.form_code.to_le_bytes());
        }
        bytes
    } else {
        let mut put = |offset: usize, bytes: &[u8]| fields.push((offset, bytes.to_vec()));
        put(0, &(HEADER_2_BYTES as i32).to_le_bytes());
        put(4, b"n+2\0\r\n\x1a\n");
        put(12, &scalar.code().to_le_bytes());
        put(14, &bits.to_le_bytes());
        let dims = [3, grid.dims[0], grid.dims[1], grid.dims[2], 1, 1, 1, 1];
        for (n, &size) in dims.iter().enumerate() {
            put(16 + 8 * n, &(size as i64).to_le_bytes());
        }
        let [sx, sy, sz] = grid.spacing_mm;
        for (n, &size) in [handedness, sx, sy, sz, 1.0, 1.0, 1.0, 1.0].iter().enumerate() {
            put(104 + 8 * n, &size.to_le_bytes());
        }
        put(168, &((HEADER_2_BYTES + 4) as i64).to_le_bytes());
        put(176, &1f64.to_le_bytes());
        put(240, description.as_bytes());
        put(348, &i32::from(options.form_code).to_le_bytes());
        for (n, part) in quatern.iter().enumerate() {
            put(352 + 8 * n, &part.to_le_bytes());
        }
        for row in 0..3 {
            put(376 + 8 * row, &grid.affine[row][3].to_le_bytes());
            for n in 0..4 {
                put(400 + 32 * row + 8 * n, &grid.affine[row][n].to_le_bytes());
            }
        }
        put(500, &2i32.to_le_bytes());
        let mut bytes = assemble(&fields, HEADER_2_BYTES + 4);
        if qform_holds(&bytes, NiftiVersion::Two) {
            bytes[344..348].copy_from_slice(&i32::from(options.form_code).to_le_bytes());
        }
        bytes
    }
}

/// Zeros with each field's bytes at its offset.
fn assemble(fields: &[(usize, Vec<u8>)], len: usize) -> Vec<u8> {
    let mut bytes = vec![0u8; len];
    for (offset, field) in fields {
        bytes[*offset..offset + field.len()].copy_from_slice(field);
    }
    bytes
}

/// Whether a header's quaternion, as rounded for the file, gives its sform within a tenth of what a
/// reader allows.
fn qform_holds(bytes: &[u8], version: NiftiVersion) -> bool {
    let raw = RawHeader::decode(bytes, version, false);
    let dims = [1, 2, 3].map(|n| raw.dim[n] as usize);
    let here = Path::new("");
    let Ok(affine) = raw.qform(here) else {
        return false;
    };
    let grids = (VoxelGrid::from_affine(dims, raw.srow), VoxelGrid::from_affine(dims, affine));
    let (Ok(sform), Ok(qform)) = grids else {
        return false;
    };
    sform.corner_distance_mm(&qform).is_some_and(|d| d <= 0.1 * forms_agree_mm(&sform))
}

/// Handedness (`pixdim[0]`, 1 or -1) and quaternion (b, c, d; real part not negative) of a grid's
/// rotation. Source: nifti1_io.c, nifti_mat44_to_quatern.
fn quaternion(grid: &VoxelGrid) -> (f64, [f64; 3]) {
    let mut r: [[f64; 3]; 3] =
        std::array::from_fn(|row| std::array::from_fn(|n| grid.affine[row][n] / grid.spacing_mm[n]));
    let determinant = r[0][0] * (r[1][1] * r[2][2] - r[1][2] * r[2][1])
        - r[0][1] * (r[1][0] * r[2][2] - r[1][2] * r[2][0])
        + r[0][2] * (r[1][0] * r[2][1] - r[1][1] * r[2][0]);
    let handedness = if determinant < 0.0 { -1.0 } else { 1.0 };
    r.iter_mut().for_each(|row| row[2] *= handedness);
    // Four times the square of each part of the quaternion; divide by the largest, never by 0.
    let squares = [
        1.0 + r[0][0] + r[1][1] + r[2][2],
        1.0 + r[0][0] - r[1][1] - r[2][2],
        1.0 - r[0][0] + r[1][1] - r[2][2],
        1.0 - r[0][0] - r[1][1] + r[2][2],
    ];
    let largest = (0..4).fold(0, |best, n| if squares[n] > squares[best] { n } else { best });
    let root = 2.0 * squares[largest].max(0.0).sqrt();
    let (xy, xz, yz) = (r[0][1] + r[1][0], r[0][2] + r[2][0], r[1][2] + r[2][1]);
    let (x, y, z) = (r[2][1] - r[1][2], r[0][2] - r[2][0], r[1][0] - r[0][1]);
    let parts = match largest {
        0 => [root / 4.0, x / root, y / root, z / root],
        1 => [x / root, root / 4.0, xy / root, xz / root],
        2 => [y / root, xy / root, root / 4.0, yz / root],
        _ => [z / root, xz / root, yz / root, root / 4.0],
    };
    let length = parts.iter().map(|v| v * v).sum::<f64>().sqrt();
    let sign = if parts[0] < 0.0 { -1.0 } else { 1.0 };
    (handedness, [1, 2, 3].map(|n| sign * parts[n] / length))
}
