//! NIfTI images: what is written comes back, what other programs write is read, and damaged or
//! hostile headers are refused before they cost anything.

#![allow(clippy::needless_range_loop)]

use std::path::{Path, PathBuf};

use lutra::grid::{Volume, VoxelGrid};
use lutra::io::nifti::{self as images, NiftiVersion, ScalarType};
use lutra::io::sha256_hex;

/// A header written byte by byte, apart from the library's own writer.
#[derive(Clone)]
pub struct Made {
    pub two: bool,
    pub big: bool,
    pub dim: Vec<i64>,
    pub code: i16,
    pub bitpix: i16,
    pub pixdim: [f64; 4],
    pub offset: f64,
    pub scale: (f64, f64),
    pub units: i32,
    pub qform_code: i32,
    pub sform_code: i32,
    pub quatern: [f64; 3],
    pub qoffset: [f64; 3],
    pub srow: [[f64; 4]; 3],
    pub pair: bool,
}

impl Made {
    pub fn new(dims: [usize; 3], code: i16, bitpix: i16) -> Self {
        Self {
            two: false,
            big: false,
            dim: [&[3], &dims.map(|n| n as i64)[..]].concat(),
            code,
            bitpix,
            pixdim: [1.0, 2.0, 3.0, 4.5],
            offset: 352.0,
            scale: (0.0, 0.0),
            units: 2,
            qform_code: 1,
            sform_code: 1,
            quatern: [0.0; 3],
            qoffset: [-10.0, 20.0, 30.5],
            srow: [[2.0, 0.0, 0.0, -10.0], [0.0, 3.0, 0.0, 20.0], [0.0, 0.0, 4.5, 30.5]],
            pair: false,
        }
    }

    pub fn two(mut self) -> Self {
        self.two = true;
        self.offset = 544.0;
        self
    }

    pub fn header(&self) -> Vec<u8> {
        let big = self.big;
        macro_rules! le_be {
            ($v:expr) => {
                if big { $v.to_be_bytes().to_vec() } else { $v.to_le_bytes().to_vec() }
            };
        }
        let mut out = vec![0u8; (self.offset as usize).clamp(348, 4096)];
        if self.two && out.len() < 544 {
            out.resize(544, 0);
        }
        let mut put = |at: usize, b: Vec<u8>| out[at..at + b.len()].copy_from_slice(&b);
        let form = |v: i32| {
            if self.two { le_be!(v) } else { le_be!((v as i16)) }
        };
        let real = |v: f64| {
            if self.two { le_be!(v) } else { le_be!((v as f32)) }
        };
        let (width, dim, pixdim, scale, quatern, qoffset, srow, q, s) = if self.two {
            (8, 16, 104, 176, 352, 376, 400, 344, 348)
        } else {
            (4, 40, 76, 112, 256, 268, 280, 252, 254)
        };
        put(0, le_be!((if self.two { 540i32 } else { 348 })));
        for (n, &size) in self.dim.iter().enumerate() {
            if self.two {
                put(dim + 8 * n, le_be!(size));
            } else {
                put(dim + 2 * n, le_be!((size as i16)));
            }
        }
        let (code, bits) = if self.two { (12, 14) } else { (70, 72) };
        put(code, le_be!(self.code));
        put(bits, le_be!(self.bitpix));
        for n in 0..4 {
            put(pixdim + width * n, real(self.pixdim[n]));
        }
        if self.two {
            put(168, le_be!((self.offset as i64)));
            put(500, le_be!(self.units));
            put(4, if self.pair { b"ni2\0\r\n\x1a\n".to_vec() } else { b"n+2\0\r\n\x1a\n".to_vec() });
        } else {
            put(108, le_be!((self.offset as f32)));
            put(123, vec![self.units as u8]);
            put(344, if self.pair { b"ni1\0".to_vec() } else { b"n+1\0".to_vec() });
        }
        put(scale, real(self.scale.0));
        put(scale + width, real(self.scale.1));
        put(q, form(self.qform_code));
        put(s, form(self.sform_code));
        for n in 0..3 {
            put(quatern + width * n, real(self.quatern[n]));
            put(qoffset + width * n, real(self.qoffset[n]));
            for m in 0..4 {
                put(srow + 4 * width * n + width * m, real(self.srow[n][m]));
            }
        }
        out
    }

    pub fn file(&self, folder: &Path, name: &str, data: &[u8]) -> PathBuf {
        let path = folder.join(name);
        let bytes = [self.header(), data.to_vec()].concat();
        let bytes = if name.ends_with(".gz") { gz(&bytes) } else { bytes };
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

pub fn gz(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(bytes).unwrap();
    gz.finish().unwrap()
}

pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// The error of a read, in words.
fn refusal(path: &Path) -> String {
    images::read(path).expect_err("must be refused").to_string()
}

#[test]
fn io_every_scalar_type_both_byte_orders_both_versions_with_scale_factors() {
    let dims = [2, 3, 4];
    let home = folder();
    let mut read = 0;
    macro_rules! each {
        ($($type:ty, $code:expr, $scalar:ident, $low:expr;)*) => {$(
            for (two, big, zip, scale) in (0..16).map(|n| (n & 1 == 1, n & 2 == 2, n & 4 == 4, n & 8 == 8)) {
                let values: Vec<$type> = (0..24).map(|n| ($low + n as f64 * 5.0) as $type).collect();
                let mut made = Made::new(dims, $code, 8 * size_of::<$type>() as i16);
                if two { made = made.two(); }
                made.big = big;
                if scale { made.scale = (0.5, -8.0); }
                let bytes: Vec<u8> = values.iter()
                    .flat_map(|v| if big { v.to_be_bytes().to_vec() } else { v.to_le_bytes().to_vec() })
                    .collect();
                let path = made.file(home.path(), if zip { "a.nii.gz" } else { "a.nii" }, &bytes);
                let image = images::read_image::<f64>(&path).unwrap();
                let want: Vec<f64> = values.iter()
                    .map(|&v| if scale { v as f64 * 0.5 - 8.0 } else { v as f64 }).collect();
                assert_eq!(image.volume.data, want, "{two} {big} {zip} {scale} {}", $code);
                assert_eq!(image.header.scalar, ScalarType::$scalar);
                assert_eq!(image.header.version, if two { NiftiVersion::Two } else { NiftiVersion::One });
                assert_eq!(image.header.big_endian, big);
                assert_eq!(image.volume.grid.dims, dims);
                assert_eq!(image.volume.grid.spacing_mm, [2.0, 3.0, 4.5]);
                assert_eq!(image.volume.grid.world_mm([1.0, 1.0, 1.0]), [-8.0, 23.0, 35.0]);
                read += 1;
            }
        )*};
    }
    each! {
        u8, 2, U8, 3.0;
        i16, 4, I16, -40.0;
        i32, 8, I32, -70000.0;
        f32, 16, F32, -1.5;
        f64, 64, F64, -1e200;
        i8, 256, I8, -60.0;
        u16, 512, U16, 60000.0;
        u32, 768, U32, 4e9;
        i64, 1024, I64, -9e15;
        u64, 1280, U64, 9e15;
    }
    assert_eq!(read, 160);
}

#[test]
fn io_written_images_come_back_and_another_reader_agrees() {
    use ::nifti::{NiftiObject, RandomAccessNiftiVolume};
    let home = folder();
    let turned = [[0.0, 3.9, 0.8, -10.25], [-2.4, 0.0, 0.0, 7.5], [0.0, 0.78, -3.9 * 1.025641025641, 40.125]];
    let grid = VoxelGrid::from_affine([5, 4, 3], turned).unwrap();
    let data: Vec<f32> = (0..60).map(|n| n as f32 * 0.37 - 4.0).collect();
    let volume = Volume::new(grid.clone(), data.clone()).unwrap();
    for name in ["w.nii", "w.nii.gz"] {
        let path = home.path().join(name);
        images::write(&path, &volume, "absorbed dose, Gy").unwrap();
        let image = images::read_image::<f32>(&path).unwrap();
        assert_eq!(image.volume.data, data);
        assert!(image.volume.grid.corner_distance_mm(&grid).unwrap() < 1e-5);
        assert_eq!(image.header.description, "absorbed dose, Gy");
        assert_eq!((image.header.sform_code, image.header.qform_code), (1, 1));

        let other = ::nifti::ReaderOptions::new().read_file(&path).unwrap();
        let header = other.header().clone();
        assert_eq!(header.dim, [3, 5, 4, 3, 1, 1, 1, 1]);
        assert_eq!(header.srow_y, [-2.4, 0.0, 0.0, 7.5]);
        let values = other.into_volume();
        assert_eq!(values.get_f32(&[4, 1, 2]).unwrap(), volume.at(4, 1, 2));
        assert_eq!(values.get_f32(&[1, 3, 0]).unwrap(), volume.at(1, 3, 0));
    }
    let bytes = std::fs::read(home.path().join("w.nii.gz")).unwrap();
    assert_eq!(bytes[4..8], [0; 4], "no time in the compressed file");
    let sum = sha256_hex(home.path().join("w.nii.gz")).unwrap();
    images::write(home.path().join("w.nii.gz"), &volume, "absorbed dose, Gy").unwrap();
    assert_eq!(sum, sha256_hex(home.path().join("w.nii.gz")).unwrap());
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 2, "no temporary file is left");
}

#[test]
fn io_labels_are_whole_numbers_written_as_u8_or_u16() {
    let home = folder();
    let path = home.path().join("l.nii.gz");
    let grid = VoxelGrid::axis_aligned([3, 2, 1], [1.0; 3], [0.0; 3]);
    let labels = Volume::new(grid.clone(), vec![0u16, 1, 2, 300, 65535, 7]).unwrap();
    images::write(&path, &labels, "").unwrap();
    assert_eq!(images::read_labels(&path).unwrap(), labels);
    let small = Volume::new(grid.clone(), vec![0u8, 1, 2, 3, 255, 7]).unwrap();
    images::write(&path, &small, "").unwrap();
    assert_eq!(images::read_labels(&path).unwrap(), small.map(u16::from));
    let float = Volume::new(grid.clone(), vec![0f32, 1.0, 2.0, 3.0, 255.0, 7.0]).unwrap();
    images::write(&path, &float, "").unwrap();
    assert_eq!(images::read_labels(&path).unwrap(), small.map(u16::from));
    for (value, shown) in [(1.5, "1.5 in voxel (1, 1, 0), 2 such"), (-1.0, "-1"), (65536.0, "65536")] {
        let mut wrong = float.clone();
        wrong.data[4] = value;
        wrong.data[5] = value;
        images::write(&path, &wrong, "").unwrap();
        let error = images::read_labels(&path).unwrap_err().to_string();
        assert!(error.contains(shown) && error.contains("l.nii.gz"), "{error}");
    }
    let mut wrong = float;
    wrong.data[0] = f32::NAN;
    images::write(&path, &wrong, "").unwrap();
    assert!(images::read_labels(&path).unwrap_err().to_string().contains("NaN"));
}

#[test]
fn io_large_axes_go_to_nifti_2() {
    let home = folder();
    let path = home.path().join("long.nii.gz");
    let grid = VoxelGrid::axis_aligned([40_000, 1, 2], [0.123_456_789, 2.0, 3.0], [1.0 / 3.0, 0.0, 0.0]);
    let volume = Volume::filled(grid.clone(), 3u8);
    images::write(&path, &volume, "long").unwrap();
    let image = images::read_image::<f32>(&path).unwrap();
    assert_eq!(image.header.version, NiftiVersion::Two);
    assert_eq!(image.volume.grid, grid);
    assert_eq!((image.header.sform_code, image.header.qform_code), (1, 1));
}

#[test]
fn io_pairs_units_and_missing_orientation() {
    let home = folder();
    let data: Vec<u8> = (0..24).collect();
    let mut made = Made::new([2, 3, 4], 2, 8);
    made.pair = true;
    made.offset = 0.0;
    made.file(home.path(), "p.hdr", &[]);
    std::fs::write(home.path().join("p.img"), &data).unwrap();
    for name in ["p.hdr", "p.img"] {
        assert_eq!(images::read(home.path().join(name)).unwrap().data[23], 23.0);
    }
    std::fs::write(home.path().join("p.img"), &data[..20]).unwrap();
    assert!(refusal(&home.path().join("p.hdr")).contains("20 bytes"));
    std::fs::remove_file(home.path().join("p.img")).unwrap();
    assert!(refusal(&home.path().join("p.hdr")).contains("no "));

    for (units, factor) in [(1, 1000.0), (2, 1.0), (3, 1e-3), (0, 1.0), (2 + 8, 1.0)] {
        let mut made = Made::new([2, 3, 4], 2, 8).two();
        made.units = units;
        let path = made.file(home.path(), "u.nii", &data);
        let image = images::read_image::<f32>(&path).unwrap();
        let want = [2.0, 3.0, 4.5].map(|s| s * factor);
        for axis in 0..3 {
            assert!((image.volume.grid.spacing_mm[axis] / want[axis] - 1.0).abs() < 1e-12);
        }
        assert_eq!(image.header.notes.len(), usize::from(units == 0));
    }
    let mut made = Made::new([2, 3, 4], 2, 8);
    (made.sform_code, made.qform_code) = (0, 0);
    let image = images::read_image::<f32>(made.file(home.path(), "n.nii", &data)).unwrap();
    assert_eq!(image.volume.grid, VoxelGrid::axis_aligned([2, 3, 4], [2.0, 3.0, 4.5], [0.0; 3]));
    assert!(image.header.notes[0].contains("no place in space"));
    // A fourth dimension of size 1 is a volume still.
    let mut made = Made::new([2, 3, 4], 2, 8);
    made.dim = vec![4, 2, 3, 4, 1];
    assert!(images::read(made.file(home.path(), "f.nii", &data)).is_ok());
}

#[test]
fn io_qform_rotations_match_the_sform() {
    // Quarter and half turns and a mirror, with quaternions worked out by hand.
    let r = std::f64::consts::FRAC_1_SQRT_2;
    let cases = [
        ([0.0, 0.0, r], 1.0, [[0.0, -3.0, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, 4.5]]),
        ([1.0, 0.0, 0.0], 1.0, [[2.0, 0.0, 0.0], [0.0, -3.0, 0.0], [0.0, 0.0, -4.5]]),
        ([0.0, 0.0, 1.0], 1.0, [[-2.0, 0.0, 0.0], [0.0, -3.0, 0.0], [0.0, 0.0, 4.5]]),
        ([0.0, 0.0, 0.0], -1.0, [[2.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, -4.5]]),
        ([0.5, 0.5, 0.5], 1.0, [[0.0, 0.0, 4.5], [2.0, 0.0, 0.0], [0.0, 3.0, 0.0]]),
    ];
    let home = folder();
    for (quatern, qfac, rotation) in cases {
        let mut made = Made::new([20, 30, 40], 2, 8);
        made.quatern = quatern;
        made.pixdim[0] = qfac;
        for row in 0..3 {
            made.srow[row][..3].copy_from_slice(&rotation[row]);
        }
        // Both forms: they agree.
        let path = made.file(home.path(), "q.nii", &vec![0; 24_000]);
        let sform = images::read(&path).unwrap().grid;
        // The qform alone gives the same grid.
        made.sform_code = 0;
        made.srow = [[0.0; 4]; 3];
        let qform = images::read(made.file(home.path(), "q.nii", &vec![0; 24_000])).unwrap().grid;
        assert!(sform.corner_distance_mm(&qform).unwrap() < 1e-4, "{quatern:?}");
    }
}

#[test]
fn io_written_qform_holds_any_rotation_or_is_left_out() {
    let home = folder();
    let path = home.path().join("r.nii");
    let mut kept = 0;
    for n in 0..60 {
        // Rotations around all kinds of axes, near half turns among them.
        let t = [1e-4, 0.02, 0.3, 1.2, 2.9, std::f64::consts::PI - 1e-4][n % 6];
        let axis = [[1.0, 0.1, 0.0], [0.3, 0.8, 0.5], [0.0, 0.1, 1.0], [0.577, 0.577, 0.577], [0.0, 1.0, 0.0]][n % 5];
        let mirror = if n % 4 == 0 { -1.0 } else { 1.0 };
        let affine = rotation(axis, t);
        let mut full = [[0.0; 4]; 3];
        for row in 0..3 {
            for a in 0..3 {
                full[row][a] = affine[row][a] * [1.5, 2.5, 3.0 * mirror][a];
            }
            full[row][3] = -100.0 + 17.3 * row as f64;
        }
        let grid = VoxelGrid::from_affine([300, 200, 2], full).unwrap();
        images::write(&path, &Volume::filled(grid.clone(), 1u8), "").unwrap();
        let image = images::read_image::<f32>(&path).unwrap();
        assert!(image.volume.grid.corner_distance_mm(&grid).unwrap() < 1e-3);
        assert_eq!(image.header.sform_code, 1);
        kept += image.header.qform_code;
    }
    assert!(kept >= 50, "qform kept in {kept} of 60");
}

pub fn rotation(axis: [f64; 3], angle_rad: f64) -> [[f64; 3]; 3] {
    let length = axis.iter().map(|v| v * v).sum::<f64>().sqrt();
    let [x, y, z] = axis.map(|v| v / length);
    let (s, c) = angle_rad.sin_cos();
    let d = 1.0 - c;
    [
        [c + x * x * d, x * y * d - z * s, x * z * d + y * s],
        [y * x * d + z * s, c + y * y * d, y * z * d - x * s],
        [z * x * d - y * s, z * y * d + x * s, c + z * z * d],
    ]
}

#[test]
fn io_damaged_and_hostile_files_are_refused_with_a_clear_message() {
    let home = folder();
    let at = home.path();
    let good = Made::new([2, 3, 4], 16, 32);
    let data = vec![0u8; 96];
    type Change = fn(&mut Made);
    let cases: &[(&str, Change, &str)] = &[
        ("dims of 32767 cubed", |m| m.dim = vec![3, 32767, 32767, 32767], "140724603847004"),
        (
            "dim product beyond 64 bits",
            |m| {
                *m = m.clone().two();
                m.dim = vec![3, i64::MAX / 2, i64::MAX / 2, 9];
            },
            "memory can address",
        ),
        (
            "many dims",
            |m| {
                *m = m.clone().two();
                m.dim = vec![3, 1 << 20, 1 << 20, 1 << 12];
            },
            "header and voxel values",
        ),
        ("negative dim", |m| m.dim[2] = -3, "dim[2]: found -3"),
        ("zero dim", |m| m.dim[1] = 0, "dim[1]: found 0"),
        ("rank 0", |m| m.dim[0] = 0, "dim[0]: found 0"),
        ("rank 9", |m| m.dim[0] = 9, "dim[0]: found 9"),
        ("slice", |m| m.dim[0] = 2, "2 dimensions, 2 x 3"),
        ("series", |m| m.dim = vec![4, 2, 3, 2, 2], "Split the series"),
        ("zero pixdim", |m| m.pixdim[2] = 0.0, "pixdim[2] (voxel size): found 0"),
        ("negative pixdim", |m| m.pixdim[1] = -2.0, "found -2"),
        ("NaN pixdim", |m| m.pixdim[3] = f64::NAN, "found NaN"),
        ("infinite pixdim", |m| m.pixdim[3] = f64::INFINITY, "found inf"),
        ("NaN affine", |m| m.srow[1][1] = f64::NAN, "affine: found NaN in row 1, column 1"),
        (
            "singular affine",
            |m| m.srow = [[2.0, 2.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 4.5, 0.0]],
            "sheared or singular",
        ),
        ("zero column", |m| m.srow[0][0] = 0.0, "voxel size: found 0"),
        ("sheared affine", |m| m.srow[0][1] = 0.2, "right angles"),
        ("shifted sform", |m| m.srow[0][3] += 2.0, "sform and qform: found two places in space, up to 2.000 mm apart"),
        ("mirrored sform", |m| m.srow[0][0] = -2.0, "sform and qform"),
        ("bad quaternion", |m| m.quatern = [1.0, 1.0, 0.0], "quatern_b"),
        ("NaN qoffset", |m| m.qoffset[0] = f64::NAN, "qoffset"),
        (
            "other voxel size",
            |m| {
                m.qform_code = 0;
                m.pixdim[1] = 2.1;
            },
            "pixdim[1] and sform",
        ),
        ("complex", |m| (m.code, m.bitpix) = (32, 64), "complex64"),
        ("RGB", |m| (m.code, m.bitpix) = (128, 24), "RGB colour"),
        ("RGBA", |m| (m.code, m.bitpix) = (2304, 32), "RGBA colour"),
        ("float128", |m| (m.code, m.bitpix) = (1536, 128), "float128"),
        ("no type", |m| m.code = 77, "no NIfTI type"),
        ("bitpix", |m| m.bitpix = 16, "bitpix: found 16; allowed: 32"),
        ("offset inside the header", |m| m.offset = 100.0, "vox_offset: found 100"),
        ("NaN offset", |m| m.offset = f64::NAN, "vox_offset: found NaN"),
        ("huge offset", |m| m.offset = 1e30, "vox_offset"),
        ("offset behind the end", |m| m.offset = 9e8, "header"),
        ("infinite slope", |m| m.scale = (f64::INFINITY, 0.0), "scl_slope, scl_inter: found inf"),
        ("NaN intercept", |m| m.scale = (2.0, f64::NAN), "found 2, NaN"),
        ("unit", |m| m.units = 5, "xyzt_units: found 5"),
    ];
    images::read(good.file(at, "bad.nii", &data)).unwrap();
    for (what, change, expected) in cases {
        let mut made = good.clone();
        change(&mut made);
        for name in ["bad.nii", "bad.nii.gz"] {
            let error = refusal(&made.file(at, name, &data));
            assert!(error.contains(expected), "{what}: {error}");
            assert!(error.contains(name) && error.contains("allowed"), "{what}: {error}");
        }
    }
}

#[test]
fn io_missing_short_and_foreign_files_are_refused() {
    let home = folder();
    let at = home.path();
    assert!(refusal(&at.join("none.nii.gz")).contains("cannot read"));
    assert!(refusal(at).contains("a folder"));
    for (name, bytes, expected) in [
        ("empty.nii", Vec::new(), "file of 0 bytes"),
        ("text.nii", b"hello world, this is a text file ".repeat(40), "starts with \"hell\""),
        ("text.nii.gz", gz(&b"hello world ".repeat(40)), "starts with \"hell\""),
        ("dicom.nii", vec![0u8; 600], "file type"),
        (
            "analyze.nii",
            {
                let mut header = Made::new([2, 3, 4], 2, 8).header();
                header[344..348].fill(0);
                header
            },
            "ANALYZE",
        ),
        (
            "png.nii",
            {
                let mut b = b"\x89PNG\r\n".to_vec();
                b.resize(500, 1);
                b
            },
            "file type",
        ),
    ] {
        std::fs::write(at.join(name), bytes).unwrap();
        let error = refusal(&at.join(name));
        assert!(error.contains(expected), "{name}: {error}");
    }
    // Cut at every kind of place: an error each time, never a panic, never a short volume.
    let made = Made::new([7, 8, 9], 16, 32);
    let data: Vec<u8> = (0..7 * 8 * 9u32).flat_map(|n| (n as f32).to_le_bytes()).collect();
    for name in ["cut.nii", "cut.nii.gz"] {
        let whole = std::fs::read(made.file(at, name, &data)).unwrap();
        for end in (0..whole.len()).step_by(13).chain([whole.len() - 1]) {
            std::fs::write(at.join(name), &whole[..end]).unwrap();
            refusal(&at.join(name));
        }
    }
    // One flipped bit in the compressed values is found by the checksum.
    let mut whole = std::fs::read(made.file(at, "flip.nii.gz", &data)).unwrap();
    let middle = whole.len() - 6;
    whole[middle] ^= 4;
    std::fs::write(at.join("flip.nii.gz"), whole).unwrap();
    assert!(refusal(&at.join("flip.nii.gz")).contains("damaged"));
}

/// A header that holds fewer voxels than the file drops the rest in silence: it is refused, whatever axis is short.
#[test]
fn alarm_values_behind_the_header_s_voxels_are_refused() {
    let home = folder();
    let at = home.path();
    let data: Vec<u8> = (0..7 * 8 * 9u32).flat_map(|n| (1.0 + n as f32).to_le_bytes()).collect();
    for (axis, short) in [(0, 6), (1, 7), (2, 8), (2, 1)] {
        let mut dims = [7, 8, 9];
        dims[axis] = short;
        let made = Made::new(dims, 16, 32);
        for name in ["more.nii", "more.nii.gz"] {
            let error = refusal(&made.file(at, name, &data));
            let left = data.len() - 4 * dims.iter().product::<usize>();
            assert!(error.contains(name) && error.contains(&format!("dim: found {} x", dims[0])), "{error}");
            assert!(error.contains(&format!("and {left} bytes behind them")) && error.contains("allowed"), "{error}");
        }
    }
    // zeros that fill up a block of 512 bytes are no values; a slice of them may be one
    let made = Made::new([7, 8, 9], 16, 32);
    for name in ["padded.nii", "padded.nii.gz"] {
        images::read(made.file(at, name, &[data.clone(), vec![0; 160]].concat())).expect("padding");
        let error = refusal(&made.file(at, name, &[data.clone(), vec![0; 224]].concat()));
        assert!(error.contains("224 bytes behind them"), "{error}");
        let error = refusal(&made.file(at, name, &[data.clone(), vec![0, 0, 1]].concat()));
        assert!(error.contains("3 bytes behind them"), "{error}");
    }
}

#[test]
fn io_random_headers_never_panic() {
    let home = folder();
    let path = home.path().join("fuzz.nii");
    let base = Made::new([2, 3, 4], 16, 32);
    let mut state = 12345u64;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize
    };
    let (mut taken, mut refused) = (0, 0);
    for round in 0..3000 {
        let made = if round % 2 == 0 { base.clone() } else { base.clone().two() };
        let mut bytes = [made.header(), vec![1u8; 96]].concat();
        for _ in 0..1 + next() % 6 {
            let at = next() % bytes.len();
            bytes[at] = next() as u8;
        }
        std::fs::write(&path, bytes).unwrap();
        match images::read_image::<f32>(&path) {
            Ok(image) => {
                taken += 1;
                assert_eq!(image.volume.data.len(), image.volume.grid.len(), "round {round}");
            }
            Err(error) => {
                refused += 1;
                assert!(error.to_string().contains("fuzz.nii"), "round {round}: {error}");
            }
        }
        let _ = images::read_labels(&path);
    }
    // both ends are reached: changes in the data are taken, in the header mostly refused
    assert!(taken > 300 && refused > 300, "{taken} taken, {refused} refused");
}

#[test]
fn io_nonfinite_values_are_counted() {
    let home = folder();
    let mut values = [1f32; 24];
    values[7] = f32::NAN;
    values[9] = f32::NEG_INFINITY;
    let data: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let path = Made::new([2, 3, 4], 16, 32).file(home.path(), "nan.nii", &data);
    let error = refusal(&path);
    assert!(error.contains("2 NaN or infinite values of 24, the first in voxel (1, 0, 1)"), "{error}");
    let image = images::read_image::<f64>(&path).unwrap();
    assert_eq!((image.nonfinite, image.first_nonfinite), (2, Some([1, 0, 1])));
}

/// All 48 orders and directions of three axes, with unlike dimensions and voxel edges.
pub fn orientations() -> Vec<VoxelGrid> {
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    let mut grids = Vec::new();
    for order in orders {
        for signs in 0..8 {
            let mut affine = [[0.0; 4]; 3];
            let mut dims = [0; 3];
            for axis in 0..3 {
                let world: usize = order[axis];
                let sign = if signs >> axis & 1 == 1 { -1.0 } else { 1.0 };
                affine[world][axis] = sign * [2.0, 3.0, 4.5][world];
                dims[axis] = [4, 5, 6][world];
                affine[world][3] = [-7.0, 11.0, 30.0][world]
                    + if sign < 0.0 { [2.0, 3.0, 4.5][world] * (dims[axis] as f64 - 1.0) } else { 0.0 };
            }
            grids.push(VoxelGrid::from_affine(dims, affine).unwrap());
        }
    }
    grids
}

#[test]
fn io_all_48_orientations_round_trip_and_keep_every_place() {
    let home = folder();
    let path = home.path().join("o.nii.gz");
    let mut letters = Vec::new();
    let reference = VoxelGrid::axis_aligned([4, 5, 6], [2.0, 3.0, 4.5], [-7.0, 11.0, 30.0]);
    for grid in orientations() {
        let data: Vec<f32> = (0..grid.len()).map(|n| n as f32).collect();
        let volume = Volume::new(grid.clone(), data).unwrap();
        images::write(&path, &volume, "").unwrap();
        let read = images::read(&path).unwrap();
        assert_eq!(read, volume);
        let (canonical, orientation) = read.to_canonical();
        assert_eq!(canonical.grid, reference);
        for index in 0..grid.len() {
            let [i, j, k] = grid.voxel(index);
            let place = grid.world_mm([i as f64, j as f64, k as f64]);
            assert_eq!(canonical.at_world_mm(place), Some(volume.data[index]));
        }
        assert_eq!(orientation.restore(canonical).unwrap(), volume);
        letters.push(orientation.letters());
    }
    assert_eq!(letters[0], "RAS");
    letters.sort();
    letters.dedup();
    assert_eq!(letters.len(), 48);
    assert!(letters.contains(&"LPS".to_string()) && letters.contains(&"IAR".to_string()));
    // An oblique grid in a foreign order: no voxel moves.
    let turn = rotation([0.2, 1.0, 0.1], 0.3);
    let affine = std::array::from_fn(|row| [-2.0 * turn[row][2], 3.0 * turn[row][0], 4.5 * turn[row][1], 5.0]);
    let grid = VoxelGrid::from_affine([4, 5, 6], affine).unwrap();
    let volume = Volume::new(grid.clone(), (0..120).collect::<Vec<i32>>()).unwrap();
    let (canonical, orientation) = volume.clone().to_canonical();
    assert_eq!(canonical.grid.dims, [5, 6, 4]);
    for index in 0..grid.len() {
        let place = grid.world_mm(grid.voxel(index).map(|v| v as f64));
        assert_eq!(canonical.at_world_mm(place), Some(volume.data[index]));
    }
    assert_eq!(orientation.restore(canonical).unwrap(), volume);
}

/// Voxels of `a` whose value `b` does not hold at the same place in the world.
pub fn differing_places(a: &Volume<f32>, b: &Volume<f32>) -> usize {
    (0..a.grid.len())
        .filter(|&n| {
            let place = a.grid.world_mm(a.grid.voxel(n).map(|v| v as f64));
            b.at_world_mm(place) != Some(a.data[n])
        })
        .count()
}

#[test]
fn alarm_swapped_axes_and_a_shifted_voxel_are_seen() {
    let grid = VoxelGrid::axis_aligned([4, 4, 4], [2.0; 3], [-7.0, 11.0, 30.0]);
    let volume = Volume::new(grid.clone(), (0..64).map(|n| n as f32).collect()).unwrap();
    for other in orientations() {
        let (canonical, orientation) = Volume::filled(other, 1.0f32).to_canonical();
        assert_eq!(differing_places(&orientation.restore(canonical.clone()).unwrap(), &canonical), 0);
    }
    assert_eq!(differing_places(&volume, &volume), 0);
    let mut swapped = volume.clone();
    for row in &mut swapped.grid.affine {
        row.swap(0, 1);
    }
    assert_eq!(differing_places(&volume, &swapped), 48, "all but the diagonal");
    let mut shifted = volume.clone();
    shifted.grid.affine[0][3] += 2.0;
    assert_eq!(differing_places(&volume, &shifted), 64);
    let mut flipped = volume.clone();
    flipped.data.reverse();
    assert_eq!(differing_places(&volume, &flipped), 64);
    // The library's own comparison of grids sees all of it too.
    assert!(!grid.same_as(&swapped.grid) && !grid.same_as(&shifted.grid) && grid.same_as(&grid));
}

#[test]
fn io_grids_refuse_what_is_no_grid() {
    let columns = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]];
    assert!(VoxelGrid::from_affine([2, 0, 2], columns).is_err());
    assert!(VoxelGrid::from_affine([usize::MAX, 2, 2], columns).is_err());
    let grid = VoxelGrid::from_affine([2, 3, 4], columns).unwrap();
    assert!(Volume::new(grid.clone(), vec![0u8; 23]).is_err());
    assert!(grid.isotropic_cover(0.0).is_err() && grid.isotropic_cover(f64::NAN).is_err());
    let wrong = Volume::filled(VoxelGrid::axis_aligned([2, 2, 4], [1.0; 3], [0.0; 3]), 1u8);
    assert!(grid.orientation().restore(wrong).is_err());
    assert_eq!(grid.voxel(grid.index(1, 2, 3)), [1, 2, 3]);
}
