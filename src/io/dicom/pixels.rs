//! Stored pixel values of one frame, native or compressed.
//!
//! Read: native little and big endian (1, 8, 16, 32 bits), RLE, JPEG lossless (processes 14 and 14
//! SV1) and JPEG baseline/extended as far as the decoder goes, JPEG-LS, JPEG 2000. The size in the compressed stream
//! must match the header before anything is decoded.
//!
//! Why not `dicom-pixeldata` (0.10.1, with `dicom-transfer-syntax-registry`): its decoders for JPEG and JPEG 2000 are the
//! ones used here, called without these guards. It limits its own buffer by the header's size, but lets the decoder
//! allocate what the compressed stream states, and never compares the two; a JPEG stream with fewer pixels or frames than
//! the header states leaves zeros in the image without an error, one with more ends in a panic. JPEG-LS needs the C++
//! library CharLS, which does not build for every target of Lutra.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::fault::Words;
use crate::io::IoError;
use crate::place::Place;

/// How pixels are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PixelFormat {
    /// Pixels down a column.
    pub(crate) rows: usize,
    /// Pixels along a row.
    pub(crate) columns: usize,
    /// Frames.
    pub(crate) frames: usize,
    /// Bits allocated per pixel: 1, 8, 16 or 32.
    pub(crate) bits_allocated: usize,
    /// Significant bits.
    pub(crate) bits_stored: usize,
    /// Whether the value is two's complement.
    pub(crate) signed: bool,
}

impl PixelFormat {
    /// Pixels of one frame.
    pub(crate) fn frame_len(&self) -> usize {
        self.rows * self.columns
    }
}

/// Bytes after the pixels that count as padding whatever they hold.
const MAX_PADDING: usize = 8;
/// Pixels that a compressed frame may always have: 2048 x 2048.
const FREE_PIXELS: usize = 1 << 22;
/// Beyond that, most pixels per compressed byte.
const MAX_PIXELS_PER_BYTE: usize = 64;

/// Compressed pixels of an object.
pub(super) struct Compressed<'a> {
    /// The data set that holds them.
    pub(super) data: &'a [u8],
    /// Basic offset table; may be empty.
    pub(super) offsets: &'a [u32],
    /// The fragments.
    pub(super) fragments: &'a [Range<usize>],
    /// Transfer syntax UID.
    pub(super) syntax: &'a str,
}

/// Supported kinds of compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    /// Run-length encoding of byte planes.
    Rle,
    /// JPEG (ITU-T T.81).
    Jpeg,
    /// JPEG-LS (ITU-T T.87).
    JpegLs,
    /// JPEG 2000 (ITU-T T.800).
    Jpeg2000,
}

/// The name of a transfer syntax, whether pixels in it can be read, and whether it may have lost information.
pub(crate) fn describe_syntax(uid: &str) -> (&'static str, bool, bool) {
    match uid {
        "1.2.840.10008.1.2" => ("implicit VR little endian", true, false),
        "1.2.840.10008.1.2.1" => ("explicit VR little endian", true, false),
        "1.2.840.10008.1.2.2" => ("explicit VR big endian", true, false),
        "1.2.840.10008.1.2.1.99" => ("deflated", true, false),
        "1.2.840.10008.1.2.5" => ("RLE", true, false),
        "1.2.840.10008.1.2.4.50" => ("JPEG baseline", true, true),
        "1.2.840.10008.1.2.4.51" => ("JPEG extended", true, true),
        "1.2.840.10008.1.2.4.57" => ("JPEG lossless", true, false),
        "1.2.840.10008.1.2.4.70" => ("JPEG lossless SV1", true, false),
        "1.2.840.10008.1.2.4.80" => ("JPEG-LS lossless", true, false),
        "1.2.840.10008.1.2.4.81" => ("JPEG-LS near-lossless", true, true),
        "1.2.840.10008.1.2.4.90" => ("JPEG 2000 lossless", true, false),
        "1.2.840.10008.1.2.4.91" => ("JPEG 2000", true, true),
        "1.2.840.10008.1.2.4.100" => ("MPEG-2 video", false, true),
        _ => ("another transfer syntax", false, true),
    }
}

fn codec(uid: &str) -> Option<Codec> {
    match uid {
        "1.2.840.10008.1.2.5" => Some(Codec::Rle),
        "1.2.840.10008.1.2.4.50" | "1.2.840.10008.1.2.4.51" | "1.2.840.10008.1.2.4.57" | "1.2.840.10008.1.2.4.70" => {
            Some(Codec::Jpeg)
        }
        "1.2.840.10008.1.2.4.80" | "1.2.840.10008.1.2.4.81" => Some(Codec::JpegLs),
        "1.2.840.10008.1.2.4.90" | "1.2.840.10008.1.2.4.91" => Some(Codec::Jpeg2000),
        _ => None,
    }
}

fn refused(path: &Place, found: impl Into<Words>, allowed: &str) -> IoError {
    IoError::invalid(path, "pixel data", found, allowed, "The file is damaged: export it again, uncompressed.")
}

/// Keeps the significant bits and applies the sign.
fn value(raw: u32, format: &PixelFormat) -> i32 {
    let unused = 32 - format.bits_stored as u32;
    let moved = raw << unused;
    if format.signed { (moved as i32) >> unused } else { (moved >> unused) as i32 }
}

/// Stored values of a native frame. Unsigned values above 2^31 - 1 become negative numbers with the same bits.
pub(super) fn native(
    path: &Place,
    bytes: &[u8],
    format: &PixelFormat,
    big_endian: bool,
    frame: usize,
) -> Result<Vec<i32>, IoError> {
    let len = format.frame_len();
    let bits = len as u64 * format.bits_allocated as u64;
    let needed = (bits * format.frames as u64).div_ceil(8);
    if (bytes.len() as u64) < needed {
        return Err(IoError::Truncated {
            path: path.to_path_buf(),
            field: "pixel data",
            found: bytes.len() as u64,
            expected: needed,
        });
    }
    no_more(path, &bytes[needed as usize..], format)?;
    if format.bits_allocated == 1 {
        // PS3.5 8.1.1: frames of single bits follow each other without padding, lowest bit first.
        let first = frame * len;
        return Ok((first..first + len).map(|bit| i32::from(bytes[bit / 8] >> (bit % 8) & 1)).collect());
    }
    let width = format.bits_allocated / 8;
    let block = &bytes[frame * len * width..][..len * width];
    Ok(match width {
        1 => block.iter().map(|&byte| value(u32::from(byte), format)).collect(),
        2 => block
            .as_chunks::<2>()
            .0
            .iter()
            .map(|raw| if big_endian { u16::from_be_bytes(*raw) } else { u16::from_le_bytes(*raw) })
            .map(|raw| value(u32::from(raw), format))
            .collect(),
        _ => block
            .as_chunks::<4>()
            .0
            .iter()
            .map(|raw| if big_endian { u32::from_be_bytes(*raw) } else { u32::from_le_bytes(*raw) })
            .map(|raw| value(raw, format))
            .collect(),
    })
}

/// Refuses more pixels than the header states: another frame, another row. Padding may follow.
fn no_more(path: &Place, rest: &[u8], format: &PixelFormat) -> Result<(), IoError> {
    let row = (format.columns * format.bits_allocated).div_ceil(8);
    if rest.len() <= MAX_PADDING || (rest.len() < row && rest.iter().all(|byte| *byte == 0)) {
        return Ok(());
    }
    let PixelFormat { frames, rows, columns, .. } = format;
    Err(refused(
        path,
        format!("{} bytes more than {frames} frames of {rows} rows and {columns} columns take", rest.len()),
        "as many as NumberOfFrames, Rows and Columns say",
    ))
}

/// Stored values of a compressed frame.
pub(super) fn decompress(
    path: &Place,
    compressed: &Compressed<'_>,
    format: &PixelFormat,
    frame: usize,
) -> Result<Vec<i32>, IoError> {
    let Some(codec) = codec(compressed.syntax) else {
        return Err(IoError::invalid(
            path,
            "TransferSyntaxUID (0002,0010)",
            format!("{} ({})", compressed.syntax, describe_syntax(compressed.syntax).0),
            "uncompressed, deflated, RLE, JPEG lossless, JPEG-LS or JPEG 2000",
            "Export the image uncompressed (explicit VR little endian).",
        ));
    };
    if ![8, 16].contains(&format.bits_allocated) {
        let found = format!("{} bits a pixel in a compressed image", format.bits_allocated);
        return Err(refused(path, found, "8 or 16 bits"));
    }
    let stream = frame_bytes(path, compressed, format.frames, frame)?;
    let len = format.frame_len();
    if len > FREE_PIXELS.max(MAX_PIXELS_PER_BYTE * stream.len()) {
        let found = format!("{len} pixels in {} compressed bytes", stream.len());
        return Err(refused(path, found, "at most 64 pixels a byte"));
    }
    // A third-party decoder may panic on malicious input; that must not end the program.
    let raw = catch_unwind(AssertUnwindSafe(|| match codec {
        Codec::Rle => rle(&stream, format),
        Codec::Jpeg => jpeg(&stream, format),
        Codec::JpegLs => jpeg_ls(&stream, format),
        Codec::Jpeg2000 => jpeg_2000(&stream, format),
    }))
    .unwrap_or_else(|_| Err("a stream that the decoder cannot digest".to_owned()))
    .map_err(|found| refused(path, format!("frame {}: {found}", frame + 1), "an intact compressed image"))?;
    if raw.len() != len {
        let found = format!("frame {}: {} pixels", frame + 1, raw.len());
        return Err(refused(path, found, &format!("{len}")));
    }
    Ok(raw.into_iter().map(|raw| value(raw, format)).collect())
}

/// The compressed bytes of one frame, joined from its fragments.
fn frame_bytes(path: &Place, source: &Compressed<'_>, frames: usize, frame: usize) -> Result<Vec<u8>, IoError> {
    let fragments = source.fragments;
    let join = |parts: &[Range<usize>]| parts.iter().flat_map(|r| &source.data[r.clone()]).copied().collect();
    if frames == 1 {
        one_image(path, source)?;
        return Ok(join(fragments));
    }
    if fragments.len() == frames {
        return Ok(source.data[fragments[frame].clone()].to_vec());
    }
    // More fragments than frames: the offset table says where each frame starts.
    let Some(&first) = source.offsets.get(frame).filter(|_| source.offsets.len() == frames) else {
        let found = format!("{} fragments for {frames} frames and no offset table", fragments.len());
        return Err(refused(path, found, "one fragment a frame, or an offset table"));
    };
    let next = source.offsets.get(frame + 1).copied().unwrap_or(u32::MAX);
    let base = fragments.first().map_or(0, |r| r.start);
    let inside = |r: &&Range<usize>| (first as usize..next as usize).contains(&(r.start - base));
    Ok(join(&fragments.iter().filter(inside).cloned().collect::<Vec<_>>()))
}

/// Refuses several compressed frames if the header states one.
fn one_image(path: &Place, source: &Compressed<'_>) -> Result<(), IoError> {
    let begins = |part: &&Range<usize>| {
        let head = source.data.get(part.start..part.end).unwrap_or_default();
        head.starts_with(&[0xFF, 0xD8, 0xFF]) || head.starts_with(&[0xFF, 0x4F, 0xFF, 0x51])
    };
    let found = match codec(source.syntax) {
        // A frame of RLE is one fragment (PS3.5 A.4.2).
        Some(Codec::Rle) => source.fragments.len(),
        _ => source.fragments.iter().filter(begins).count(),
    };
    match found.max(source.offsets.len()) {
        0 | 1 => Ok(()),
        found => Err(refused(path, format!("{found} compressed frames"), "one, as NumberOfFrames says")),
    }
}

/// PS3.5 annex G: byte planes, the highest first, each in PackBits.
fn rle(stream: &[u8], format: &PixelFormat) -> Result<Vec<u32>, String> {
    let word =
        |at: usize| stream.get(at..).and_then(|rest| rest.first_chunk::<4>()).map(|raw| u32::from_le_bytes(*raw));
    let planes = format.bits_allocated / 8;
    let segments = word(0).ok_or("no RLE header")? as usize;
    if segments != planes {
        return Err(format!("{segments} RLE segments where {planes} are needed"));
    }
    let len = format.frame_len();
    let mut values = vec![0u32; len];
    let mut plane = Vec::with_capacity(len);
    for segment in 0..segments {
        let start = word(4 + 4 * segment).ok_or("no RLE header")? as usize;
        let end =
            if segment + 1 < segments { word(8 + 4 * segment).ok_or("no RLE header")? as usize } else { stream.len() };
        let packed = stream.get(start..end).ok_or("an RLE segment outside the frame")?;
        plane.clear();
        unpack_bits(packed, len, &mut plane)?;
        for (value, &byte) in values.iter_mut().zip(&plane) {
            *value = *value << 8 | u32::from(byte);
        }
    }
    Ok(values)
}

fn unpack_bits(packed: &[u8], len: usize, out: &mut Vec<u8>) -> Result<(), String> {
    let mut at = 0;
    while out.len() < len {
        let Some(&control) = packed.get(at) else {
            return Err(format!("{} of {len} bytes in an RLE segment", out.len()));
        };
        at += 1;
        let count = match control {
            128 => continue,
            0..128 => {
                let count = usize::from(control) + 1;
                out.extend_from_slice(packed.get(at..at + count).ok_or("an RLE run cut short")?);
                count
            }
            _ => {
                let byte = *packed.get(at).ok_or("an RLE run cut short")?;
                out.resize(out.len() + 257 - usize::from(control), byte);
                1
            }
        };
        at += count;
    }
    out.truncate(len);
    Ok(())
}

/// Width, height and precision from the frame header of a JPEG or JPEG-LS stream.
fn jpeg_size(stream: &[u8]) -> Option<(usize, usize)> {
    let mut at = 2;
    if stream.get(..2)? != [0xFF, 0xD8] {
        return None;
    }
    loop {
        let marker = stream.get(at..at + 4)?;
        if marker[0] != 0xFF {
            return None;
        }
        let length = usize::from(u16::from_be_bytes([marker[2], marker[3]]));
        let frame = matches!(marker[1], 0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF | 0xF7);
        if frame {
            let size = stream.get(at + 5..at + 9)?;
            let height = usize::from(u16::from_be_bytes([size[0], size[1]]));
            let width = usize::from(u16::from_be_bytes([size[2], size[3]]));
            return Some((width, height));
        }
        if length < 2 {
            return None;
        }
        at += 2 + length;
    }
}

fn check_size(found: Option<(usize, usize)>, format: &PixelFormat) -> Result<(), String> {
    match found {
        Some(size) if size == (format.columns, format.rows) => Ok(()),
        Some((width, height)) => Err(format!(
            "a stream of {width} x {height} pixels where the header says {} x {}",
            format.columns, format.rows
        )),
        None => Err("no frame header in the stream".to_owned()),
    }
}

fn jpeg(stream: &[u8], format: &PixelFormat) -> Result<Vec<u32>, String> {
    check_size(jpeg_size(stream), format)?;
    let mut decoder = jpeg_decoder::Decoder::new(stream);
    decoder.set_max_decoding_buffer_size(format.frame_len() * 2);
    let bytes = decoder.decode().map_err(|e| e.to_string())?;
    let pixel = decoder.info().map(|info| info.pixel_format);
    match pixel {
        Some(jpeg_decoder::PixelFormat::L8) => Ok(bytes.into_iter().map(u32::from).collect()),
        Some(jpeg_decoder::PixelFormat::L16) => {
            Ok(bytes.as_chunks::<2>().0.iter().map(|raw| u32::from(u16::from_ne_bytes(*raw))).collect())
        }
        _ => Err("a colour picture".to_owned()),
    }
}

fn jpeg_ls(stream: &[u8], format: &PixelFormat) -> Result<Vec<u32>, String> {
    check_size(jpeg_size(stream), format)?;
    let (values, _, _) =
        jpegls::decode(stream, format.columns as u32, format.rows as u32).map_err(|e| e.to_string())?;
    Ok(values.into_iter().map(u32::from).collect())
}

/// Width, height, components and tiles from the image and tile size segment (SIZ) of a codestream.
fn j2k_size(stream: &[u8]) -> Option<(usize, usize, u64)> {
    let at = stream.windows(4).take(4096).position(|w| w == [0xFF, 0x4F, 0xFF, 0x51])?;
    let field = |n: usize| {
        let raw = stream.get(at + 8 + 4 * n..)?.first_chunk::<4>()?;
        Some(u64::from(u32::from_be_bytes(*raw)))
    };
    let (x1, y1, x0, y0) = (field(0)?, field(1)?, field(2)?, field(3)?);
    let (tile_x, tile_y) = (field(4)?.max(1), field(5)?.max(1));
    let (width, height) = (x1.checked_sub(x0)?, y1.checked_sub(y0)?);
    let tiles = x1.div_ceil(tile_x).checked_mul(y1.div_ceil(tile_y))?;
    Some((width as usize, height as usize, tiles))
}

fn jpeg_2000(stream: &[u8], format: &PixelFormat) -> Result<Vec<u32>, String> {
    let size = j2k_size(stream);
    check_size(size.map(|(width, height, _)| (width, height)), format)?;
    if size.is_some_and(|(_, _, tiles)| tiles > 4096) {
        return Err("more than 4096 tiles".to_owned());
    }
    let image = jpeg2k::Image::from_bytes(stream).map_err(|e| e.to_string())?;
    match image.components() {
        [only] if (only.width() as usize, only.height() as usize) == (format.columns, format.rows) => {
            Ok(only.data().iter().map(|&v| v as u32).collect())
        }
        parts => Err(format!("{} components", parts.len())),
    }
}
