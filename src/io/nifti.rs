//! NIfTI-1 and NIfTI-2 images: `.nii`, `.nii.gz` and `.hdr`/`.img` pairs, both byte orders.
//!
//! Every claim of the header is checked against the file's size before memory is taken for it. Values
//! come out as `value * scl_slope + scl_inter`, computed in f64. The grid follows the standard: the
//! sform where its code is above 0, else the qform, else voxel sizes alone; where both are given they
//! must agree. Lengths come out in mm whatever unit `xyzt_units` states.
//!
//! Source: NIfTI-1 data format definition (nifti1.h, 2012) and NIfTI-2 (nifti2.h, 2011).

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::{IoError, atomic};
use crate::grid::{Volume, VoxelGrid};

/// Bytes of a NIfTI-1 header.
const HEADER_1_BYTES: usize = 348;
/// Bytes of a NIfTI-2 header.
const HEADER_2_BYTES: usize = 540;
/// The most that one byte of a deflate stream can stand for (zlib's technical notes: 1032:1).
const DEFLATE_MAX_RATIO: u64 = 1032;
/// How far sform and qform may put a corner voxel apart, mm; never more than a tenth of an edge.
const FORMS_AGREE_MM: f64 = 0.1;
/// Largest relative difference between a voxel size and the length of the affine's column.
const PIXDIM_AGREES_REL: f64 = 1e-3;
/// How many bytes behind the voxel values are read so that the compressed file's checksum is met.
const TRAILING_BYTES: u64 = 1 << 20;

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
        Self::ALL
            .iter()
            .find(|(scalar, ..)| *scalar == self)
            .map_or("", |(_, _, name)| name)
    }

    /// NIfTI's code of the type.
    pub fn code(self) -> i16 {
        Self::ALL
            .iter()
            .find(|(scalar, ..)| *scalar == self)
            .map_or(0, |(_, code, _)| *code)
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
    pub notes: Vec<String>,
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
}

mod private {
    pub trait Sealed {}
}

macro_rules! stored {
    ($($type:ty => $scalar:ident),*) => {$(
        impl private::Sealed for $type {}
        impl Stored for $type {
            const SCALAR: ScalarType = ScalarType::$scalar;
            fn put(self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
        }
    )*};
}
stored!(u8 => U8, i16 => I16, u16 => U16, f32 => F32, f64 => F64);

/// Reads an image as f32. See [`read_as`].
pub fn read(path: impl AsRef<Path>) -> Result<Volume<f32>, IoError> {
    read_as(path)
}

/// Reads an image with its scale factors applied, in the axis order of the file.
///
/// Errors: see [`read_image`]; and a value that is NaN or infinite, with their number and the first
/// voxel.
pub fn read_as<T: Sample>(path: impl AsRef<Path>) -> Result<Volume<T>, IoError> {
    let path = path.as_ref();
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
    Ok(image.volume)
}

/// Reads an image and its header; values that are NaN or infinite are counted, not refused.
///
/// Errors: a file that is missing, cut short or not NIfTI; complex, colour and 128-bit values;
/// anything but three dimensions; voxel sizes that are not positive; an affine that is singular,
/// sheared or not finite; sform and qform that disagree.
pub fn read_image<T: Sample>(path: impl AsRef<Path>) -> Result<Image<T>, IoError> {
    let path = path.as_ref();
    let mut source = Source::open(path)?;
    let header = source.header()?;
    let mut data: Vec<T> = reserve(path, header.grid.len())?;
    let (slope, intercept) = (header.slope, header.intercept);
    let scaled = (slope, intercept) != (1.0, 0.0);
    let mut nonfinite = 0;
    let mut first = None;
    source.values(&header, |value| {
        let value = value.as_f64();
        let value = if scaled {
            value * slope + intercept
        } else {
            value
        };
        if !value.is_finite() {
            nonfinite += 1;
            first.get_or_insert(data.len());
        }
        data.push(T::from_f64(value));
    })?;
    let first_nonfinite = first.map(|index| header.grid.voxel(index));
    let volume = Volume {
        grid: header.grid.clone(),
        data,
    };
    Ok(Image {
        volume,
        header,
        nonfinite,
        first_nonfinite,
    })
}

/// Reads what the header says, and checks that the file is long enough for it.
///
/// Errors: as [`read_image`], but for values that are damaged.
pub fn read_header(path: impl AsRef<Path>) -> Result<Header, IoError> {
    Source::open(path.as_ref())?.header()
}

/// Reads a label map: whole numbers from 0 to 65535, after the scale factors, of any stored type.
///
/// Errors: as [`read_image`]; and a value that is not such a number, with the first voxel.
pub fn read_labels(path: impl AsRef<Path>) -> Result<Volume<u16>, IoError> {
    let path = path.as_ref();
    let mut source = Source::open(path)?;
    let header = source.header()?;
    let mut data: Vec<u16> = reserve(path, header.grid.len())?;
    let scaled = (header.slope, header.intercept) != (1.0, 0.0);
    let mut refused = 0usize;
    let mut first = None;
    source.values(&header, |value| {
        let label = match value {
            Value::Integer(v) if !scaled => u16::try_from(v).ok(),
            _ => {
                let v = value.as_f64() * header.slope + header.intercept;
                (v.fract() == 0.0 && (0.0..=65535.0).contains(&v)).then_some(v as u16)
            }
        };
        if label.is_none() {
            refused += 1;
            first.get_or_insert((data.len(), value.as_f64() * header.slope + header.intercept));
        }
        data.push(label.unwrap_or(0));
    })?;
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
    Ok(Volume {
        grid: header.grid,
        data,
    })
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
        Self {
            description: description.into(),
            form_code: 1,
        }
    }

    /// The same kind of coordinates as an image that was read.
    pub fn like(header: &Header, description: impl Into<String>) -> Self {
        let code = if header.sform_code > 0 {
            header.sform_code
        } else {
            header.qform_code
        };
        let form_code = i16::try_from(code)
            .ok()
            .filter(|&code| code > 0)
            .unwrap_or(1);
        Self {
            description: description.into(),
            form_code,
        }
    }
}

/// Writes a volume in scanner coordinates. See [`write_with`].
pub fn write<T: Stored>(
    path: impl AsRef<Path>,
    volume: &Volume<T>,
    description: &str,
) -> Result<(), IoError> {
    write_with(path, volume, &WriteOptions::new(description))
}

/// Writes a volume to `.nii` or `.nii.gz`, whole or not at all, in its own axis order.
///
/// NIfTI-1, little-endian, mm; NIfTI-2 where an axis has more than 32767 voxels. Equal volumes give
/// equal bytes (the compressed file carries no time). The qform repeats the sform; it is left out
/// where 32-bit quaternions cannot hold the rotation.
///
/// Errors: another file name, a value count that does not fill the grid, a place that cannot be
/// written.
pub fn write_with<T: Stored>(
    path: impl AsRef<Path>,
    volume: &Volume<T>,
    options: &WriteOptions,
) -> Result<(), IoError> {
    let path = path.as_ref();
    let name = path
        .file_name()
        .map(|n| n.to_string_lossy().to_lowercase())
        .unwrap_or_default();
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
    let grid_error = |source| IoError::Grid {
        path: path.to_path_buf(),
        source,
    };
    if volume.data.len() != volume.grid.len() {
        return Err(grid_error(crate::grid::GridError::Length {
            found: volume.data.len(),
            expected: volume.grid.len(),
        }));
    }
    VoxelGrid::from_affine(volume.grid.dims, volume.grid.affine).map_err(grid_error)?;
    let header = encode_header(&volume.grid, T::SCALAR, options);
    atomic::write_file(path, |out| {
        if compressed {
            let mut gz = GzEncoder::new(out, Compression::new(4));
            write_body(&mut gz, &header, &volume.data)?;
            gz.finish()?;
            Ok(())
        } else {
            write_body(out, &header, &volume.data)
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

/// An empty vector with room for `len` values, or the error that says how much that would be.
fn reserve<T>(path: &Path, len: usize) -> Result<Vec<T>, IoError> {
    let mut data = Vec::new();
    data.try_reserve_exact(len).map_err(|_| IoError::TooLarge {
        path: path.to_path_buf(),
        found: len as u64 * size_of::<T>() as u64,
    })?;
    Ok(data)
}

/// One stored value before its scale factors.
#[derive(Clone, Copy)]
enum Value {
    Integer(i128),
    Float(f64),
}

impl Value {
    fn as_f64(self) -> f64 {
        match self {
            Self::Integer(v) => v as f64,
            Self::Float(v) => v,
        }
    }
}

/// An open file, decompressed on the way where it is compressed, and how much it can hold.
struct Stream {
    path: PathBuf,
    reader: Box<dyn Read>,
    /// Bytes that can come out: exact for a plain file, an upper bound for a compressed one.
    capacity: u64,
    /// Bytes read so far.
    position: u64,
}

impl Stream {
    fn open(path: &Path) -> Result<Self, IoError> {
        let failed = |e| IoError::read(path, e);
        let mut file = File::open(path).map_err(failed)?;
        let meta = file.metadata().map_err(failed)?;
        if meta.is_dir() {
            return Err(IoError::invalid(
                path,
                "file",
                "a folder",
                "a NIfTI file (.nii, .nii.gz or .hdr)",
                "Name the file itself.",
            ));
        }
        let mut magic = Vec::with_capacity(2);
        (&mut file)
            .take(2)
            .read_to_end(&mut magic)
            .map_err(failed)?;
        let compressed = magic == [0x1f, 0x8b];
        let start = io::Cursor::new(magic).chain(file);
        let buffered = io::BufReader::with_capacity(1 << 18, start);
        let reader: Box<dyn Read> = if compressed {
            Box::new(MultiGzDecoder::new(buffered))
        } else {
            Box::new(buffered)
        };
        let capacity = if compressed {
            meta.len().saturating_mul(DEFLATE_MAX_RATIO)
        } else {
            meta.len()
        };
        Ok(Self {
            path: path.to_path_buf(),
            reader,
            capacity,
            position: 0,
        })
    }

    /// Fills the buffer; an early end or a broken stream is an error about `field`.
    fn fill(&mut self, buffer: &mut [u8], field: &'static str) -> Result<(), IoError> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.reader.read(&mut buffer[filled..]) {
                Ok(0) => return Err(self.truncated(field, filled as u64, buffer.len() as u64)),
                Ok(n) => filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.broken(e, field, filled as u64, buffer.len() as u64)),
            }
        }
        self.position += filled as u64;
        Ok(())
    }

    fn truncated(&self, field: &'static str, found: u64, expected: u64) -> IoError {
        IoError::Truncated {
            path: self.path.clone(),
            field,
            found,
            expected,
        }
    }

    /// A read error, told apart: a compressed stream cut short or damaged, or the system's.
    fn broken(&self, e: io::Error, field: &'static str, found: u64, expected: u64) -> IoError {
        match e.kind() {
            io::ErrorKind::UnexpectedEof => self.truncated(field, found, expected),
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => IoError::invalid(
                &self.path,
                "compressed data",
                format!("a damaged gzip stream ({e})"),
                "a whole gzip stream",
                "Copy or export the file again.",
            ),
            _ => IoError::read(&self.path, e),
        }
    }

    /// Skips to a byte further on.
    fn skip_to(&mut self, offset: u64) -> Result<(), IoError> {
        let distance = offset.saturating_sub(self.position);
        let skipped = io::copy(&mut (&mut self.reader).take(distance), &mut io::sink())
            .map_err(|e| self.broken(e, "header extensions", 0, distance))?;
        if skipped < distance {
            return Err(self.truncated("header extensions", skipped, distance));
        }
        self.position = offset.max(self.position);
        Ok(())
    }

    /// Reads on a little so that a compressed stream's checksum is met.
    fn finish(&mut self) -> Result<(), IoError> {
        io::copy(
            &mut (&mut self.reader).take(TRAILING_BYTES),
            &mut io::sink(),
        )
        .map_err(|e| self.broken(e, "the end of the file", 0, 8))?;
        Ok(())
    }
}

/// The header's stream, and how to find the values.
struct Source {
    /// The path that the user gave.
    path: PathBuf,
    stream: Stream,
}

impl Source {
    /// Opens the header: for an `.img`, the `.hdr` beside it.
    fn open(path: &Path) -> Result<Self, IoError> {
        let header = match split_extension(path) {
            Some((stem, "img", _)) => ["hdr", "hdr.gz"]
                .map(|e| PathBuf::from(format!("{stem}.{e}")))
                .into_iter()
                .find(|p| p.exists())
                .ok_or_else(|| {
                    IoError::invalid(
                        path,
                        "header file",
                        format!("no {stem}.hdr"),
                        "an .img file with its .hdr beside it",
                        "Put the header beside it, or save as .nii.gz.",
                    )
                })?,
            _ => path.to_path_buf(),
        };
        Ok(Self {
            path: path.to_path_buf(),
            stream: Stream::open(&header)?,
        })
    }

    /// Reads and checks the header, and that the file can hold what it promises.
    fn header(&mut self) -> Result<Header, IoError> {
        let path = self.stream.path.clone();
        let not_nifti = |found: String| {
            IoError::invalid(
                &path,
                "file type",
                found,
                "NIfTI-1 or NIfTI-2 (.nii, .nii.gz, or .hdr with .img)",
                "Convert the image to NIfTI first.",
            )
        };
        let mut bytes = vec![0u8; HEADER_2_BYTES];
        if self.stream.capacity < HEADER_1_BYTES as u64 {
            return Err(not_nifti(format!(
                "a file of {} bytes",
                self.stream.capacity
            )));
        }
        match self.stream.fill(&mut bytes[..4], "header") {
            Err(IoError::Truncated { .. }) => return Err(not_nifti("an empty file".into())),
            other => other?,
        }
        let size = [bytes[0], bytes[1], bytes[2], bytes[3]];
        let one = (HEADER_1_BYTES as i32, NiftiVersion::One);
        let two = (HEADER_2_BYTES as i32, NiftiVersion::Two);
        let layout = [one, two].into_iter().find_map(|(n, version)| {
            if i32::from_le_bytes(size) == n {
                Some((version, false))
            } else {
                (i32::from_be_bytes(size) == n).then_some((version, true))
            }
        });
        let Some((version, big_endian)) = layout else {
            return Err(not_nifti(format!(
                "a file that starts with {}",
                printable(&bytes[..4])
            )));
        };
        if version == NiftiVersion::One {
            bytes.truncate(HEADER_1_BYTES);
        }
        self.stream.fill(&mut bytes[4..], "header")?;
        let raw = RawHeader::decode(&bytes, version, big_endian);
        let pair = match (version, &raw.magic[..4]) {
            (NiftiVersion::One, b"n+1\0") => false,
            (NiftiVersion::One, b"ni1\0") => true,
            (NiftiVersion::Two, b"n+2\0") => false,
            (NiftiVersion::Two, b"ni2\0") => true,
            (NiftiVersion::One, [0, ..] | [b' ', ..]) => {
                return Err(not_nifti(
                    "an ANALYZE 7.5 header, which states no orientation".into(),
                ));
            }
            _ => return Err(not_nifti(format!("magic {}", printable(&raw.magic)))),
        };
        let header = raw.check(&path, version, big_endian, pair)?;
        if !pair {
            self.check_size(&self.stream, &header)?;
        }
        Ok(header)
    }

    /// Whether a stream can hold the values that the header promises.
    fn check_size(&self, stream: &Stream, header: &Header) -> Result<(), IoError> {
        let values = header.grid.len() as u64 * header.scalar.bytes() as u64;
        let expected = values.saturating_add(header.data_offset);
        if stream.capacity < expected {
            return Err(stream.truncated("header and voxel values", stream.capacity, expected));
        }
        Ok(())
    }

    /// Hands every stored value, in file order, to `take`.
    fn values(&mut self, header: &Header, take: impl FnMut(Value)) -> Result<(), IoError> {
        if !header.pair {
            return self.stream_values(None, header, take);
        }
        let own = matches!(split_extension(&self.path), Some((_, "img", _)));
        let image = if own {
            self.path.clone()
        } else {
            let stem = match split_extension(&self.path) {
                Some((stem, _, _)) => stem,
                None => self.path.to_string_lossy().into_owned(),
            };
            ["img", "img.gz"]
                .map(|e| PathBuf::from(format!("{stem}.{e}")))
                .into_iter()
                .find(|p| p.exists())
                .ok_or_else(|| {
                    IoError::invalid(
                        &self.path,
                        "image file",
                        format!("no {stem}.img"),
                        "a .hdr file with its .img beside it",
                        "Put the image beside it, or save as .nii.gz.",
                    )
                })?
        };
        let stream = Stream::open(&image)?;
        self.check_size(&stream, header)?;
        self.stream_values(Some(stream), header, take)
    }

    fn stream_values(
        &mut self,
        other: Option<Stream>,
        header: &Header,
        mut take: impl FnMut(Value),
    ) -> Result<(), IoError> {
        let mut other = other;
        let stream = other.as_mut().unwrap_or(&mut self.stream);
        stream.skip_to(header.data_offset)?;
        let width = header.scalar.bytes();
        let total = header.grid.len();
        let mut buffer = vec![0u8; (1 << 16) * width];
        let mut done = 0;
        while done < total {
            let count = (total - done).min(1 << 16);
            let block = &mut buffer[..count * width];
            stream.fill(block, "voxel values").map_err(|e| match e {
                // Say how much of the whole is there, not of the block.
                IoError::Truncated {
                    path, field, found, ..
                } => IoError::Truncated {
                    path,
                    field,
                    found: (done * width) as u64 + found,
                    expected: (total * width) as u64,
                },
                other => other,
            })?;
            decode_block(block, header.scalar, header.big_endian, &mut take);
            done += count;
        }
        stream.finish()
    }
}

/// Path without its NIfTI extension, the extension in lower case, and whether `.gz` follows it.
fn split_extension(path: &Path) -> Option<(String, &'static str, bool)> {
    let text = path.to_string_lossy().into_owned();
    let lower = text.to_lowercase();
    for extension in ["hdr", "img"] {
        for gz in [false, true] {
            let suffix = format!(".{extension}{}", if gz { ".gz" } else { "" });
            if lower.ends_with(&suffix) && text.is_char_boundary(text.len() - suffix.len()) {
                return Some((text[..text.len() - suffix.len()].to_string(), extension, gz));
            }
        }
    }
    None
}

/// Bytes as a user can read them.
fn printable(bytes: &[u8]) -> String {
    let text: String = bytes
        .iter()
        .flat_map(|b| std::ascii::escape_default(*b))
        .map(char::from)
        .collect();
    format!("\"{text}\"")
}

/// Hands the values of a block to `take`.
fn decode_block(bytes: &[u8], scalar: ScalarType, big_endian: bool, take: &mut impl FnMut(Value)) {
    macro_rules! each {
        ($type:ty, $make:expr) => {
            for chunk in bytes.as_chunks::<{ size_of::<$type>() }>().0 {
                let value = if big_endian {
                    <$type>::from_be_bytes(*chunk)
                } else {
                    <$type>::from_le_bytes(*chunk)
                };
                take($make(value));
            }
        };
    }
    match scalar {
        ScalarType::U8 => each!(u8, |v: u8| Value::Integer(v.into())),
        ScalarType::I8 => each!(i8, |v: i8| Value::Integer(v.into())),
        ScalarType::I16 => each!(i16, |v: i16| Value::Integer(v.into())),
        ScalarType::U16 => each!(u16, |v: u16| Value::Integer(v.into())),
        ScalarType::I32 => each!(i32, |v: i32| Value::Integer(v.into())),
        ScalarType::U32 => each!(u32, |v: u32| Value::Integer(v.into())),
        ScalarType::I64 => each!(i64, |v: i64| Value::Integer(v.into())),
        ScalarType::U64 => each!(u64, |v: u64| Value::Integer(v.into())),
        ScalarType::F32 => each!(f32, |v: f32| Value::Float(v.into())),
        ScalarType::F64 => each!(f64, Value::Float),
    }
}

/// The fields of either header in one layout, not yet checked.
struct RawHeader {
    magic: Vec<u8>,
    dim: [i64; 8],
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
    srow: [[f64; 4]; 3],
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
            if self.big_endian {
                <$type>::from_be_bytes(raw)
            } else {
                <$type>::from_le_bytes(raw)
            }
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
    fn decode(bytes: &[u8], version: NiftiVersion, big_endian: bool) -> Self {
        let f = Fields { bytes, big_endian };
        use std::array::from_fn;
        match version {
            NiftiVersion::One => Self {
                magic: bytes[344..348].to_vec(),
                dim: from_fn(|n| f.i16(40 + 2 * n).into()),
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

    /// The header with every field checked, lengths in mm.
    fn check(
        self,
        path: &Path,
        version: NiftiVersion,
        big_endian: bool,
        pair: bool,
    ) -> Result<Header, IoError> {
        let mut notes = Vec::new();
        let dims = self.dims(path)?;
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
            data_offset,
            pair,
        })
    }

    /// Voxels along the three axes.
    fn dims(&self, path: &Path) -> Result<[usize; 3], IoError> {
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
        let listed = sizes
            .iter()
            .map(i64::to_string)
            .collect::<Vec<_>>()
            .join(" x ");
        if let Some(axis) = sizes.iter().position(|&n| n < 1) {
            return Err(IoError::invalid(
                path,
                format!("dim[{}]", axis + 1),
                sizes[axis].to_string(),
                "at least 1",
                "The header is damaged: export the image again.",
            ));
        }
        if rank < 3 || sizes[3..].iter().any(|&n| n != 1) {
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
            Some(n) if n <= i64::MAX / 16 && usize::try_from(n).is_ok() => {
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
        let known = ScalarType::ALL
            .iter()
            .find(|(_, code, _)| *code == self.datatype);
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
        let offset = if self.vox_offset == 0.0 {
            first
        } else {
            self.vox_offset
        };
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
    fn unit_mm(&self, path: &Path, notes: &mut Vec<String>) -> Result<f64, IoError> {
        match self.xyzt_units & 7 {
            0 => {
                notes.push("xyzt_units states no unit of length: mm assumed".to_string());
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
    fn grid(
        &self,
        path: &Path,
        dims: [usize; 3],
        unit_mm: f64,
        notes: &mut Vec<String>,
    ) -> Result<VoxelGrid, IoError> {
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
            VoxelGrid::from_affine(dims, in_mm(affine)).map_err(|source| IoError::Grid {
                path: path.to_path_buf(),
                source,
            })
        };
        let sform = (self.sform_code > 0)
            .then(|| build(self.srow))
            .transpose()?;
        let qform = (self.qform_code > 0)
            .then(|| self.qform(path).and_then(build))
            .transpose()?;
        if let (Some(s), Some(q)) = (&sform, &qform) {
            check_forms_agree(path, s, q)?;
        }
        if let Some(s) = &sform {
            self.check_pixdim(path, s, unit_mm)?;
        }
        match sform.or(qform) {
            Some(grid) => Ok(grid),
            None => {
                notes.push(
                    "sform_code and qform_code are 0: the image states no place in space; \
                     axes taken as right, anterior, superior from the first voxel"
                        .to_string(),
                );
                let mut affine = [[0.0; 4]; 3];
                for axis in 0..3 {
                    affine[axis][axis] = self.pixdim[axis + 1];
                }
                build(affine)
            }
        }
    }

    /// The affine of the quaternion, in the header's unit. Source: nifti1.h, "METHOD 2".
    fn qform(&self, path: &Path) -> Result<[[f64; 4]; 3], IoError> {
        let [mut b, mut c, mut d] = self.quatern;
        let square = b * b + c * c + d * d;
        if !square.is_finite() || square > 1.0 + 1e-4 || self.qoffset.iter().any(|v| !v.is_finite())
        {
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
            [
                a * a + b * b - c * c - d * d,
                2.0 * (b * c - a * d),
                2.0 * (b * d + a * c),
            ],
            [
                2.0 * (b * c + a * d),
                a * a + c * c - b * b - d * d,
                2.0 * (c * d - a * b),
            ],
            [
                2.0 * (b * d - a * c),
                2.0 * (c * d + a * b),
                a * a + d * d - b * b - c * c,
            ],
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
fn forms_agree_mm(grid: &VoxelGrid) -> f64 {
    grid.spacing_mm
        .iter()
        .fold(FORMS_AGREE_MM, |least, edge| least.min(0.1 * edge))
}

/// The header's bytes and the four bytes behind it that say that no extension follows.
fn encode_header(grid: &VoxelGrid, scalar: ScalarType, options: &WriteOptions) -> Vec<u8> {
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
        for (n, &size) in [handedness, sx, sy, sz, 1.0, 1.0, 1.0, 1.0]
            .iter()
            .enumerate()
        {
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
                put(
                    280 + 16 * row + 4 * n,
                    &(grid.affine[row][n] as f32).to_le_bytes(),
                );
            }
        }
        for n in 0..3 {
            put(256 + 4 * n, &(quatern[n] as f32).to_le_bytes());
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
        for (n, &size) in [handedness, sx, sy, sz, 1.0, 1.0, 1.0, 1.0]
            .iter()
            .enumerate()
        {
            put(104 + 8 * n, &size.to_le_bytes());
        }
        put(168, &((HEADER_2_BYTES + 4) as i64).to_le_bytes());
        put(176, &1f64.to_le_bytes());
        put(240, description.as_bytes());
        put(348, &i32::from(options.form_code).to_le_bytes());
        for n in 0..3 {
            put(352 + 8 * n, &quatern[n].to_le_bytes());
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
    let grids = (
        VoxelGrid::from_affine(dims, raw.srow),
        VoxelGrid::from_affine(dims, affine),
    );
    let (Ok(sform), Ok(qform)) = grids else {
        return false;
    };
    sform
        .corner_distance_mm(&qform)
        .is_some_and(|d| d <= 0.1 * forms_agree_mm(&sform))
}

/// Handedness (`pixdim[0]`, 1 or -1) and quaternion (b, c, d; real part not negative) of a grid's
/// rotation. Source: nifti1_io.c, nifti_mat44_to_quatern.
fn quaternion(grid: &VoxelGrid) -> (f64, [f64; 3]) {
    let mut r: [[f64; 3]; 3] = std::array::from_fn(|row| {
        std::array::from_fn(|n| grid.affine[row][n] / grid.spacing_mm[n])
    });
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
    let largest = (0..4).fold(
        0,
        |best, n| if squares[n] > squares[best] { n } else { best },
    );
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
