//! Bytes to stored values: plain and compressed files, single files and pairs.

use std::io::{self, Read};

use flate2::read::MultiGzDecoder;

use super::header::{HEADER_1_BYTES, HEADER_2_BYTES, RawHeader};
use crate::place::Place;
use crate::reads::{Hashed, Rest};

use super::{Header, IoError, NiftiVersion, ScalarType};

/// Largest expansion of one byte of a deflate stream (zlib's technical notes: 1032:1).
const DEFLATE_MAX_RATIO: u64 = 1032;
/// Bytes read after the voxel values so that the compressed file's checksum is verified.
const TRAILING_BYTES: u64 = 1 << 20;

/// One stored value before its scale factors.
#[derive(Clone, Copy)]
pub(super) enum Value {
    Integer(i128),
    Float(f64),
}

impl Value {
    pub(super) fn as_f64(self) -> f64 {
        match self {
            Self::Integer(v) => v as f64,
            Self::Float(v) => v,
        }
    }
}

/// Takes stored values in file order.
pub(super) trait Take {
    /// Reserves memory for `count` more of `total` values; for all remaining ones if the file is known to hold them. A
    /// compressed file shows that only as it is decompressed.
    ///
    /// Errors: no memory.
    fn room(&mut self, count: usize, total: usize, proved: bool) -> Result<(), IoError>;

    /// Takes the next value.
    fn take(&mut self, value: Value);
}

/// Reserves `count` more values in a vector that will have `total`: all at once, or doubling.
pub(super) fn make_room<T>(
    path: &Place,
    data: &mut Vec<T>,
    count: usize,
    total: usize,
    proved: bool,
) -> Result<(), IoError> {
    if data.capacity() - data.len() >= count {
        return Ok(());
    }
    let left = total - data.len();
    let more = if proved { left } else { count.max(data.len()).min(left) };
    data.try_reserve_exact(more)
        .map_err(|_| IoError::TooLarge { path: path.to_path_buf(), found: total as u64 * size_of::<T>() as u64 })
}

/// An open file, decompressed on the fly if compressed, and how much it can hold.
struct Stream {
    path: Place,
    reader: Box<dyn Read>,
    /// Bytes that can come out: exact for a plain file, an upper bound for a compressed one.
    capacity: u64,
    compressed: bool,
    /// Bytes read so far.
    position: u64,
    /// Ends the hash of the file.
    rest: Rest,
}

impl Stream {
    fn open(path: &Place) -> Result<Self, IoError> {
        let failed = |e| IoError::read(path, e);
        if path.is_dir() {
            return Err(IoError::invalid(
                path,
                "file",
                "a folder",
                "a NIfTI file (.nii, .nii.gz or .hdr)",
                "Name the file itself.",
            ));
        }
        let bytes = path.regular().map_err(failed)?;
        let (mut file, rest) = Hashed::new(path, path.open().map_err(failed)?);
        let mut magic = Vec::with_capacity(2);
        (&mut file).take(2).read_to_end(&mut magic).map_err(failed)?;
        let compressed = magic == [0x1f, 0x8b];
        let start = io::Cursor::new(magic).chain(file);
        let buffered = io::BufReader::with_capacity(1 << 18, start);
        let reader: Box<dyn Read> =
            if compressed { Box::new(MultiGzDecoder::new(buffered)) } else { Box::new(buffered) };
        let capacity = if compressed { bytes.saturating_mul(DEFLATE_MAX_RATIO) } else { bytes };
        Ok(Self { path: path.clone(), reader, capacity, compressed, position: 0, rest })
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
        IoError::Truncated { path: self.path.to_path_buf(), field, found, expected }
    }

    /// Classifies a read error: a compressed stream truncated or damaged, or a system error.
    fn broken(&self, e: io::Error, field: &'static str, found: u64, expected: u64) -> IoError {
        match e.kind() {
            io::ErrorKind::UnexpectedEof => self.truncated(field, found, expected),
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => IoError::invalid(
                &self.path,
                "compressed data",
                "a damaged gzip stream",
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

    /// Reads a little further to verify a compressed stream's checksum and to see what follows the values; then to the
    /// end for the hash of the file.
    ///
    /// Errors: more values than the header states. Zero padding shorter than a slice is allowed.
    fn finish(&mut self, header: &Header) -> Result<(), IoError> {
        let mut rest = Vec::new();
        (&mut self.reader)
            .take(TRAILING_BYTES)
            .read_to_end(&mut rest)
            .map_err(|e| self.broken(e, "the end of the file", 0, 8))?;
        self.rest.note().map_err(|e| IoError::read(&self.path, e))?;
        let [nx, ny, nz] = header.grid.dims;
        let slice = (nx * ny * header.scalar.bytes()) as u64;
        let found = rest.len() as u64;
        if found < slice.min(TRAILING_BYTES) && rest.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        let behind = if self.compressed { found } else { self.capacity - self.position };
        let more = if self.compressed && found == TRAILING_BYTES { " or more" } else { "" };
        Err(IoError::invalid(
            &self.path,
            "dim",
            format!("{nx} x {ny} x {nz} voxels, and {behind} bytes{more} behind them (a slice has {slice})"),
            "a header whose dim holds all values of the file",
            "Correct the header's dim, or export the image again: what lies behind would be dropped.",
        ))
    }
}

/// The header's stream, and how to find the values.
pub(super) struct ByteSource {
    /// The path that the user gave.
    path: Place,
    stream: Stream,
}

impl ByteSource {
    /// Opens the header: for an `.img`, the `.hdr` beside it.
    pub(super) fn open(path: &Place) -> Result<Self, IoError> {
        let header = match split_extension(path) {
            Some((stem, "img", _)) => {
                ["hdr", "hdr.gz"].map(|e| path.at(format!("{stem}.{e}"))).into_iter().find(Place::exists).ok_or_else(
                    || {
                        IoError::invalid(
                            path,
                            "header file",
                            format!("no {stem}.hdr"),
                            "an .img file with its .hdr beside it",
                            "Put the header beside it, or save as .nii.gz.",
                        )
                    },
                )?
            }
            _ => path.clone(),
        };
        Ok(Self { path: path.clone(), stream: Stream::open(&header)? })
    }

    /// Reads and checks the header, and that the file can hold the stated values.
    pub(super) fn header(&mut self) -> Result<Header, IoError> {
        self.header_with(1)
    }

    /// The same of an image with this many values a voxel.
    pub(super) fn header_with(&mut self, components: usize) -> Result<Header, IoError> {
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
            return Err(not_nifti(format!("a file of {} bytes", self.stream.capacity)));
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
            return Err(not_nifti(format!("a file that starts with {}", printable(&bytes[..4]))));
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
                return Err(not_nifti("an ANALYZE 7.5 header, which states no orientation".into()));
            }
            _ => return Err(not_nifti(format!("magic {}", printable(&raw.magic)))),
        };
        let header = raw.check(path.path(), version, big_endian, pair, components)?;
        if !pair {
            self.check_size(&self.stream, &header)?;
        }
        Ok(header)
    }

    /// Whether a stream can hold the values stated in the header.
    fn check_size(&self, stream: &Stream, header: &Header) -> Result<(), IoError> {
        let values = (header.grid.len() * header.components) as u64 * header.scalar.bytes() as u64;
        let expected = values.saturating_add(header.data_offset);
        if stream.capacity < expected {
            return Err(stream.truncated("header and voxel values", stream.capacity, expected));
        }
        Ok(())
    }

    /// Hands every stored value, in file order, to `take`.
    pub(super) fn values(&mut self, header: &Header, take: &mut impl Take) -> Result<(), IoError> {
        if !header.pair {
            return self.stream_values(None, header, take);
        }
        let own = matches!(split_extension(&self.path), Some((_, "img", _)));
        let image = if own {
            self.path.clone()
        } else {
            let stem = match split_extension(&self.path) {
                Some((stem, _, _)) => stem,
                None => self.path.path().to_string_lossy().into_owned(),
            };
            ["img", "img.gz"].map(|e| self.path.at(format!("{stem}.{e}"))).into_iter().find(Place::exists).ok_or_else(
                || {
                    IoError::invalid(
                        &self.path,
                        "image file",
                        format!("no {stem}.img"),
                        "a .hdr file with its .img beside it",
                        "Put the image beside it, or save as .nii.gz.",
                    )
                },
            )?
        };
        let stream = Stream::open(&image)?;
        self.check_size(&stream, header)?;
        self.stream_values(Some(stream), header, take)
    }

    fn stream_values(&mut self, other: Option<Stream>, header: &Header, take: &mut impl Take) -> Result<(), IoError> {
        let mut other = other;
        let stream = other.as_mut().unwrap_or(&mut self.stream);
        stream.skip_to(header.data_offset)?;
        let width = header.scalar.bytes();
        let total = header.grid.len() * header.components;
        let mut buffer = vec![0u8; total.min(1 << 16) * width];
        let mut done = 0;
        while done < total {
            let count = (total - done).min(1 << 16);
            let block = &mut buffer[..count * width];
            stream.fill(block, "voxel values").map_err(|e| match e {
                // Say how much of the whole is there, not of the block.
                IoError::Truncated { path, field, found, .. } => IoError::Truncated {
                    path,
                    field,
                    found: (done * width) as u64 + found,
                    expected: (total * width) as u64,
                },
                other => other,
            })?;
            take.room(count, total, !stream.compressed)?;
            decode_block(block, header.scalar, header.big_endian, take);
            done += count;
        }
        stream.finish(header)?;
        // the header of a pair
        if other.is_some() { self.stream.rest.note().map_err(|e| IoError::read(&self.stream.path, e)) } else { Ok(()) }
    }
}

/// The files of an image: itself, or both of a pair.
pub(crate) fn files(path: &Place) -> Vec<Place> {
    let Some((stem, _, _)) = split_extension(path) else { return vec![path.clone()] };
    let one = |extension: &str| {
        let of = |end: &str| path.at(format!("{stem}.{extension}{end}"));
        if path.path().to_string_lossy().to_lowercase().contains(&format!(".{extension}")) && path.is_file() {
            return Some(path.clone());
        }
        [of(""), of(".gz")].into_iter().find(Place::is_file)
    };
    let found: Vec<Place> = ["hdr", "img"].into_iter().filter_map(one).collect();
    if found.is_empty() { vec![path.clone()] } else { found }
}

/// Path without its NIfTI extension, the extension in lower case, and whether `.gz` follows it.
fn split_extension(path: &Place) -> Option<(String, &'static str, bool)> {
    let text = path.path().to_string_lossy().into_owned();
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

/// Bytes as readable text.
fn printable(bytes: &[u8]) -> String {
    let text: String = bytes.iter().flat_map(|b| std::ascii::escape_default(*b)).map(char::from).collect();
    format!("\"{text}\"")
}

/// Hands the values of a block to `take`.
fn decode_block(bytes: &[u8], scalar: ScalarType, big_endian: bool, take: &mut impl Take) {
    macro_rules! each {
        ($type:ty, $make:expr) => {
            for chunk in bytes.as_chunks::<{ size_of::<$type>() }>().0 {
                let value = if big_endian { <$type>::from_be_bytes(*chunk) } else { <$type>::from_le_bytes(*chunk) };
                take.take($make(value));
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
