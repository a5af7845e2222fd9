//! NIfTI-1 and NIfTI-2 images: `.nii`, `.nii.gz` and `.hdr`/`.img` pairs, both byte orders.
//!
//! The header is checked against the file's size before memory is allocated. Values are `value * scl_slope +
//! scl_inter`, computed in f64. The grid follows the standard: the sform if its code is above 0, else the qform, else
//! voxel sizes alone; if both are given they must agree. Lengths are converted to mm from the unit in `xyzt_units`.
//!
//! Source: NIfTI-1 data format definition (nifti1.h, 2012) and NIfTI-2 (nifti2.h, 2011).

mod encode;
mod header;
mod stream;

use super::target::Target;
use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;

use encode::encode_header;
pub(crate) use stream::files;
use stream::{ByteSource, Take, Value, make_room};

use super::{IoError, atomic};
use crate::grid::{Volume, VoxelGrid};
use crate::note::Note;
use crate::place::Place;

/// Which layout of header a file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NiftiVersion {
    /// 348 bytes, f32 geometry, dimensions up to 32767.
    One,
    /// 540 bytes, f64 geometry, 64-bit dimensions.
    Two,
}

/// How a voxel value is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScalarType {
    /// Unsigned 8-bit integer, code 2.
    U8,
    /// Signed 16-bit integer, code 4.
    I16,
    /// Signed 32-bit integer, code 8.
    I32,
    /// 32-bit float, code 16.
    F32,
    /// 64-bit float, code 64.
    F64,
    /// Signed 8-bit integer, code 256.
    I8,
    /// Unsigned 16-bit integer, code 512.
    U16,
    /// Unsigned 32-bit integer, code 768.
    U32,
    /// Signed 64-bit integer, code 1024.
    I64,
    /// Unsigned 64-bit integer, code 1280.
    U64,
}

impl ScalarType {
    /// Every type with its NIfTI code and its name.
    const ALL: [(ScalarType, i16, &'static str); 10] = [
        (Self::U8, 2, "uint8"),
        (Self::I16, 4, "int16"),
        (Self::I32, 8, "int32"),
        (Self::F32, 16, "float32"),
        (Self::F64, 64, "float64"),
        (Self::I8, 256, "int8"),
        (Self::U16, 512, "uint16"),
        (Self::U32, 768, "uint32"),
        (Self::I64, 1024, "int64"),
        (Self::U64, 1280, "uint64"),
    ];

    /// NIfTI's name of the type, for example `float32`.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(scalar, ..)| *scalar == self).map_or("", |(_, _, name)| name)
    }

    /// NIfTI's code of the type.
    pub fn code(self) -> i16 {
        Self::ALL.iter().find(|(scalar, ..)| *scalar == self).map_or(0, |(_, code, _)| *code)
    }

    /// Bytes of one value.
    pub fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::I16 | Self::U16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::F64 | Self::I64 | Self::U64 => 8,
        }
    }
}

/// What a header says, checked and in one unit.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Header {
    /// Layout of the header.
    pub version: NiftiVersion,
    /// Whether multi-byte values are big-endian.
    pub big_endian: bool,
    /// How a value is stored.
    pub scalar: ScalarType,
    /// Factor of the stored value; 1 where the file states none.
    pub slope: f64,
    /// Offset added after the factor; 0 where the file states none.
    pub intercept: f64,
    /// `sform_code` as stored.
    pub sform_code: i32,
    /// `qform_code` as stored.
    pub qform_code: i32,
    /// Description, at most 80 bytes.
    pub description: String,
    /// The grid, mm.
    pub grid: VoxelGrid,
    /// What a careful user should know: assumptions made where the file is silent.
    pub notes: Vec<Note>,
    /// What the values are meant to be, as stored (`intent_code`).
    pub intent: i32,
    /// Values a voxel, plane after plane: 1 but for fields of vectors.
    components: usize,
    /// Byte at which the values start in the file that holds them.
    data_offset: u64,
    /// Whether the values lie in a second file.
    pair: bool,
}

/// An image with what its file says about it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Image<T> {
    /// Values on their grid, as stored in the file (any axis order and direction).
    pub volume: Volume<T>,
    /// What the header says.
    pub header: Header,
    /// Number of values that are NaN or infinite.
    pub nonfinite: usize,
    /// Voxel of the first value that is NaN or infinite.
    pub first_nonfinite: Option<[usize; 3]>,
}

/// A type that voxel values can be read into.
pub trait Sample: Copy + private::Sealed {
    /// The nearest value of this type.
    fn from_f64(value: f64) -> Self;
}

impl Sample for f32 {
    fn from_f64(value: f64) -> Self {
        value as f32
    }
}

impl Sample for f64 {
    fn from_f64(value: f64) -> Self {
        value
    }
}

/// A type that voxel values can be written as.
pub trait Stored: Copy + private::Sealed {
    /// How it is stored.
    const SCALAR: ScalarType;
    /// Appends the value's little-endian bytes.
    fn put(self, out: &mut Vec<u8>);
    /// Whether it has overflowed. NaN has not: it means unknown.
    fn overflowed(self) -> bool;
}

mod private {
    pub trait Sealed {}
}

macro_rules! stored {
    ($($type:ty => $scalar:ident, $overflowed:expr);*) => {$(
        impl private::Sealed for $type {}
        impl Stored for $type {
            const SCALAR: ScalarType = ScalarType::$scalar;
            fn put(self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
            fn overflowed(self) -> bool {
                let overflowed: fn($type) -> bool = $overflowed;
                overflowed(self)
            }
        }
    )*};
}
stored!(
    u8 => U8, |_| false;
    i16 => I16, |_| false;
    u16 => U16, |_| false;
    f32 => F32, f32::is_infinite;
    f64 => F64, f64::is_infinite
);

/// Reads an image as f32. See [`read_as`].
pub fn read(path: impl Into<Place>) -> Result<Volume<f32>, IoError> {
    read_as(path)
}

/// Reads an image with its scale factors applied, in the axis order of the file.
///
/// Errors: see [`read_image`]; and a value that is NaN or infinite, with their number and the first
/// voxel.
pub fn read_as<T: Sample>(path: impl Into<Place>) -> Result<Volume<T>, IoError> {
    Ok(read_finite(path)?.volume)
}

/// Reads an image of finite values and its header.
///
/// Errors: those of [`read_image`]; values that are NaN or infinite.
pub fn read_finite<T: Sample>(path: impl Into<Place>) -> Result<Image<T>, IoError> {
    let path = &path.into();
    let image = read_image(path)?;
    if let Some([i, j, k]) = image.first_nonfinite {
        return Err(IoError::invalid(
            path,
            "voxel values",
            format!(
                "{} NaN or infinite values of {}, the first in voxel ({i}, {j}, {k})",
                image.nonfinite,
                image.volume.data.len()
            ),
            "finite numbers",
            "Set these voxels to a true value before the run.",
        ));
    }
    Ok(image)
}

/// Reads an image and its header; values that are NaN or infinite are counted, not refused.
///
/// Errors: a file that is missing, cut short or not NIfTI; complex, colour and 128-bit values;
/// anything but three dimensions; voxel sizes that are not positive; an affine that is singular,
/// sheared or not finite; sform and qform that disagree.
pub fn read_image<T: Sample>(path: impl Into<Place>) -> Result<Image<T>, IoError> {
    let path = &path.into();
    let mut source = ByteSource::open(path)?;
    let header = source.header()?;
    let Numbers { data, nonfinite, first, .. } = numbers(path, &mut source, &header)?;
    let first_nonfinite = first.map(|index| header.grid.voxel(index));
    let volume = Volume { grid: header.grid.clone(), data };
    Ok(Image { volume, header, nonfinite, first_nonfinite })
}

/// All values of an image, scaled.
fn numbers<'a, T: Sample>(
    path: &'a Place,
    source: &mut ByteSource,
    header: &Header,
) -> Result<Numbers<'a, T>, IoError> {
    let mut taken = Numbers {
        path,
        scale: (header.slope, header.intercept),
        scaled: (header.slope, header.intercept) != (1.0, 0.0),
        data: Vec::new(),
        nonfinite: 0,
        first: None,
    };
    source.values(header, &mut taken)?;
    Ok(taken)
}

/// Reads a field of vectors of three numbers, as they stand in the file; what is not finite stays.
///
/// Errors: as [`read_image`]; another number of dimensions than five, or of values than three a voxel.
pub(crate) fn read_vectors(path: &Place) -> Result<(Header, Vec<[f32; 3]>), IoError> {
    let mut source = ByteSource::open(path)?;
    let header = source.header_with(3)?;
    let planes = numbers::<f32>(path, &mut source, &header)?.data;
    let count = header.grid.len();
    let vectors = (0..count).map(|n| [planes[n], planes[n + count], planes[n + 2 * count]]).collect();
    Ok((header, vectors))
}

/// Values as numbers, scaled.
struct Numbers<'a, T> {
    path: &'a Place,
    scale: (f64, f64),
    scaled: bool,
    data: Vec<T>,
    nonfinite: usize,
    first: Option<usize>,
}

impl<T: Sample> Take for Numbers<'_, T> {
    fn room(&mut self, count: usize, total: usize, proved: bool) -> Result<(), IoError> {
        make_room(self.path, &mut self.data, count, total, proved)
    }

    fn take(&mut self, value: Value) {
        let value = value.as_f64();
        let value = if self.scaled { value * self.scale.0 + self.scale.1 } else { value };
        if !value.is_finite() {
            self.nonfinite += 1;
            self.first.get_or_insert(self.data.len());
        }
        self.data.push(T::from_f64(value));
    }
}

/// Values as labels.
struct LabelValues<'a> {
    path: &'a Place,
    scale: (f64, f64),
    scaled: bool,
    data: Vec<u16>,
    refused: usize,
    first: Option<(usize, f64)>,
}

impl Take for LabelValues<'_> {
    fn room(&mut self, count: usize, total: usize, proved: bool) -> Result<(), IoError> {
        make_room(self.path, &mut self.data, count, total, proved)
    }

    fn take(&mut self, value: Value) {
        let scaled = value.as_f64() * self.scale.0 + self.scale.1;
        let label = match value {
            Value::Integer(v) if !self.scaled => u16::try_from(v).ok(),
            _ => (scaled.fract() == 0.0 && (0.0..=65535.0).contains(&scaled)).then_some(scaled as u16),
        };
        if label.is_none() {
            self.refused += 1;
            self.first.get_or_insert((self.data.len(), scaled));
        }
        self.data.push(label.unwrap_or(0));
    }
}

/// Reads what the header says, and checks that the file is long enough for it.
///
/// Errors: as [`read_image`], but for values that are damaged.
pub fn read_header(path: impl Into<Place>) -> Result<Header, IoError> {
    ByteSource::open(&path.into())?.header()
}

/// Reads a label map: whole numbers from 0 to 65535, after the scale factors, of any stored type.
///
/// Errors: as [`read_image`]; and a value that is not such a number, with the first voxel.
pub fn read_labels(path: impl Into<Place>) -> Result<Volume<u16>, IoError> {
    let path = &path.into();
    let mut source = ByteSource::open(path)?;
    let header = source.header()?;
    let mut taken = LabelValues {
        path,
        scale: (header.slope, header.intercept),
        scaled: (header.slope, header.intercept) != (1.0, 0.0),
        data: Vec::new(),
        refused: 0,
        first: None,
    };
    source.values(&header, &mut taken)?;
    let LabelValues { data, refused, first, .. } = taken;
    if let Some((index, value)) = first {
        let [i, j, k] = header.grid.voxel(index);
        return Err(IoError::invalid(
            path,
            "label values",
            format!("{value} in voxel ({i}, {j}, {k}), {refused} such values in all"),
            "whole numbers from 0 to 65535",
            "Give a label map: one whole number a voxel, not an interpolated or probability image.",
        ));
    }
    Ok(Volume { grid: header.grid, data })
}

/// How an image is written.
#[derive(Clone, Debug, PartialEq)]
pub struct WriteOptions {
    /// Description, cut to 79 bytes.
    pub description: String,
    /// `sform_code` and `qform_code`: 1 scanner, 2 aligned, 3 Talairach, 4 MNI.
    pub form_code: i16,
}

impl WriteOptions {
    /// Scanner coordinates with this description.
    pub fn new(description: impl Into<String>) -> Self {
        Self { description: description.into(), form_code: 1 }
    }

    /// The same kind of coordinates as an image that was read.
    pub fn like(header: &Header, description: impl Into<String>) -> Self {
        let code = if header.sform_code > 0 { header.sform_code } else { header.qform_code };
        let form_code = i16::try_from(code).ok().filter(|&code| code > 0).unwrap_or(1);
        Self { description: description.into(), form_code }
    }
}

/// Writes a volume in scanner coordinates. See [`write_with`].
pub fn write<T: Stored>(path: impl Into<Target>, volume: &Volume<T>, description: &str) -> Result<(), IoError> {
    write_with(path, volume, &WriteOptions::new(description))
}

/// Writes a volume. See [`write_values`].
pub fn write_with<T: Stored>(
    path: impl Into<Target>,
    volume: &Volume<T>,
    options: &WriteOptions,
) -> Result<(), IoError> {
    write_values(path, &volume.grid, &volume.data, options)
}

/// Writes values on a grid to `.nii` or `.nii.gz`, whole or not at all, in the grid's axis order.
///
/// NIfTI-1, little-endian, mm; NIfTI-2 where an axis has more than 32767 voxels. Equal volumes give
/// equal bytes (the compressed file carries no time). The qform repeats the sform; it is left out
/// where 32-bit quaternions cannot hold the rotation.
///
/// Errors: another file extension; a value count that does not match the grid; an infinite value; a path that cannot be
/// written.
pub fn write_values<T: Stored>(
    path: impl Into<Target>,
    grid: &VoxelGrid,
    values: &[T],
    options: &WriteOptions,
) -> Result<(), IoError> {
    let target = path.into();
    let path = target.path();
    let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
    let compressed = name.ends_with(".nii.gz");
    if !compressed && !name.ends_with(".nii") {
        return Err(IoError::invalid(
            path,
            "file name",
            format!("\"{name}\""),
            "a name that ends in .nii or .nii.gz",
            "Rename the output.",
        ));
    }
    let grid_error = |source| IoError::Grid { path: path.to_path_buf(), source };
    if values.len() != grid.len() {
        return Err(grid_error(crate::grid::GridError::Length { found: values.len(), expected: grid.len() }));
    }
    VoxelGrid::from_affine(grid.dims, grid.affine).map_err(grid_error)?;
    if let Some(n) = values.iter().position(|value| value.overflowed()) {
        return Err(IoError::invalid(
            path,
            "voxel values",
            format!("an infinite value in voxel {:?}", grid.voxel(n)),
            "finite numbers",
            "Check the unit of what it was computed from: nothing was written.",
        ));
    }
    let header = encode_header(grid, T::SCALAR, options);
    atomic::write_file(&target, |out| {
        if compressed {
            let mut gz = GzEncoder::new(out, Compression::new(4));
            write_body(&mut gz, &header, values)?;
            gz.finish()?;
            Ok(())
        } else {
            write_body(out, &header, values)
        }
    })
}

/// Header, then values in blocks.
fn write_body<T: Stored>(out: &mut dyn Write, header: &[u8], data: &[T]) -> io::Result<()> {
    out.write_all(header)?;
    let mut block = Vec::with_capacity(1 << 16);
    for values in data.chunks(1 << 13) {
        block.clear();
        values.iter().for_each(|v| v.put(&mut block));
        out.write_all(&block)?;
    }
    Ok(())
}
