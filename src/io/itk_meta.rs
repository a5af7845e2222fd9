//! MetaImage (`.mha`): a text header and the values in one file, as ITK and elastix write displacement fields.
//!
//! Source: the MetaIO documentation (ITK, Modules/ThirdParty/MetaIO); positions and directions LPS, mm. The matrix lists the
//! direction of each axis in turn.

use super::IoError;
use crate::grid::VoxelGrid;
use crate::place::Place;
use flate2::read::ZlibDecoder;
use std::io::Read;

/// Longest header, bytes.
const MOST_HEADER: usize = 1 << 16;

/// A field of vectors of three numbers.
pub(super) struct MetaField {
    /// RAS mm.
    pub(super) grid: VoxelGrid,
    /// As they stand in the file: LPS.
    pub(super) vectors: Vec<[f32; 3]>,
}

/// The fields of a header, in their order.
struct Fields<'a> {
    path: &'a Place,
    all: Vec<(String, String)>,
}

impl Fields<'_> {
    fn refused(&self, field: &str, found: impl Into<String>, allowed: &str) -> IoError {
        let next = "Write it with SimpleITK: sitk.WriteImage(field, \"field.mha\").";
        IoError::invalid(self.path, field.to_owned(), found.into(), allowed.to_owned(), next)
    }

    fn text(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.all.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str()))
    }

    fn numbers<const N: usize>(&self, names: &[&str]) -> Result<[f64; N], IoError> {
        let text = self.text(names).ok_or_else(|| self.refused(names[0], "none", "numbers"))?;
        let all: Option<Vec<f64>> = text.split_whitespace().map(|word| word.parse().ok()).collect();
        let all = all.filter(|all| all.iter().all(|v: &f64| v.is_finite()));
        all.and_then(|all| all.try_into().ok())
            .ok_or_else(|| self.refused(names[0], text, &format!("{N} finite numbers")))
    }

    fn is(&self, name: &str, otherwise: bool) -> bool {
        self.text(&[name]).map_or(otherwise, |value| value.eq_ignore_ascii_case("true"))
    }
}

/// Reads a field.
///
/// Errors: values in another file; not three dimensions or not three floating-point numbers a voxel; values of another
/// length than the header states.
pub(super) fn read(path: &Place) -> Result<MetaField, IoError> {
    let bytes = path.bytes().map_err(|error| IoError::read(path, error))?;
    crate::reads::note_bytes(path, &bytes);
    let (fields, start) = header(path, &bytes)?;
    let grid = grid(&fields)?;
    let double = match fields.text(&["ElementType"]) {
        Some("MET_FLOAT") => false,
        Some("MET_DOUBLE") => true,
        other => return Err(fields.refused("ElementType", other.unwrap_or("none"), "MET_FLOAT or MET_DOUBLE")),
    };
    let width = if double { 8 } else { 4 };
    let wanted = grid.len().checked_mul(3 * width).ok_or_else(|| fields.refused("DimSize", "too many", "a field"))?;
    let values = values(&fields, &bytes[start..], wanted)?;
    let big_endian = fields.is("BinaryDataByteOrderMSB", fields.is("ElementByteOrderMSB", false));
    let float = |n: usize| -> f32 {
        let at = &values[n * width..(n + 1) * width];
        match (double, big_endian) {
            (false, false) => f32::from_le_bytes(at.try_into().unwrap_or_default()),
            (false, true) => f32::from_be_bytes(at.try_into().unwrap_or_default()),
            (true, false) => f64::from_le_bytes(at.try_into().unwrap_or_default()) as f32,
            (true, true) => f64::from_be_bytes(at.try_into().unwrap_or_default()) as f32,
        }
    };
    let vectors = (0..grid.len()).map(|n| [float(3 * n), float(3 * n + 1), float(3 * n + 2)]).collect();
    Ok(MetaField { grid, vectors })
}

/// The header's fields, and the byte at which the values start.
fn header<'a>(path: &'a Place, bytes: &[u8]) -> Result<(Fields<'a>, usize), IoError> {
    let mut fields = Fields { path, all: Vec::new() };
    let mut at = 0;
    while at < bytes.len().min(MOST_HEADER) {
        let end = bytes[at..].iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |n| at + n);
        let line = std::str::from_utf8(&bytes[at..end]).unwrap_or_default();
        let Some((name, value)) = line.split_once('=') else { break };
        at = (end + 1).min(bytes.len());
        let (name, value) = (name.trim().to_owned(), value.trim().to_owned());
        if name == "ElementDataFile" {
            if value != "LOCAL" {
                return Err(fields.refused("ElementDataFile", value, "LOCAL: header and values in one file (.mha)"));
            }
            return Ok((fields, at));
        }
        fields.all.push((name, value));
    }
    Err(fields.refused("header", "no line ElementDataFile", "a MetaImage (.mha)"))
}

/// The grid, LPS turned to RAS.
fn grid(fields: &Fields<'_>) -> Result<VoxelGrid, IoError> {
    if fields.numbers::<1>(&["NDims"])? != [3.0] {
        return Err(fields.refused("NDims", fields.text(&["NDims"]).unwrap_or_default(), "3"));
    }
    let channels = fields.text(&["ElementNumberOfChannels"]).unwrap_or("1");
    if channels != "3" {
        return Err(fields.refused("ElementNumberOfChannels", channels, "3: a vector a voxel"));
    }
    let dims: [f64; 3] = fields.numbers(&["DimSize"])?;
    if dims.iter().any(|&n| !(n.fract() == 0.0 && (1.0..=1e5).contains(&n))) {
        return Err(fields.refused("DimSize", format!("{dims:?}"), "whole numbers from 1 to 100000"));
    }
    let edges: [f64; 3] = fields.numbers(&["ElementSpacing", "ElementSize"])?;
    let first: [f64; 3] = fields.numbers(&["Offset", "Position", "Origin"])?;
    let axes: [f64; 9] = fields.numbers(&["TransformMatrix", "Orientation", "Rotation"])?;
    let sign = [-1.0, -1.0, 1.0];
    // a negative zero is a zero
    let row = |r: usize| -> [f64; 4] {
        let column = |c: usize| sign[r] * axes[3 * c + r] * edges[c] + 0.0;
        [column(0), column(1), column(2), sign[r] * first[r] + 0.0]
    };
    VoxelGrid::from_affine(dims.map(|n| n as usize), [row(0), row(1), row(2)])
        .map_err(|source| IoError::Grid { path: fields.path.to_path_buf(), source })
}

/// The bytes of the values, expanded where they are compressed.
fn values<'a>(fields: &Fields<'_>, raw: &'a [u8], wanted: usize) -> Result<std::borrow::Cow<'a, [u8]>, IoError> {
    if !fields.is("BinaryData", false) {
        return Err(fields.refused("BinaryData", "False", "True"));
    }
    let length = |found: usize| fields.refused("values", format!("{found} bytes"), &format!("{wanted} bytes"));
    if !fields.is("CompressedData", false) {
        return if raw.len() == wanted { Ok(raw.into()) } else { Err(length(raw.len())) };
    }
    let mut out = Vec::new();
    let read = ZlibDecoder::new(raw).take(wanted as u64 + 1).read_to_end(&mut out);
    if let Err(error) = read {
        return Err(fields.refused("values", format!("a damaged stream ({error})"), "a whole zlib stream"));
    }
    if out.len() == wanted { Ok(out.into()) } else { Err(length(out.len())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(changes: &[(&str, &str)], values: &[u8]) -> (tempfile::TempDir, Place) {
        let mut lines = vec![
            ("ObjectType", "Image"),
            ("NDims", "3"),
            ("BinaryData", "True"),
            ("BinaryDataByteOrderMSB", "False"),
            ("CompressedData", "False"),
            ("TransformMatrix", "0 1 0 1 0 0 0 0 1"),
            ("Offset", "10 20 30"),
            ("ElementSpacing", "2 3 4"),
            ("DimSize", "2 2 2"),
            ("ElementNumberOfChannels", "3"),
            ("ElementType", "MET_FLOAT"),
            ("ElementDataFile", "LOCAL"),
        ];
        for (name, value) in changes {
            lines.iter_mut().filter(|line| line.0 == *name).for_each(|line| line.1 = value);
        }
        let head: String = lines.iter().map(|(name, value)| format!("{name} = {value}\n")).collect();
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("field.mha");
        std::fs::write(&path, [head.as_bytes(), values].concat()).expect("written");
        (folder, path.into())
    }

    fn numbers() -> Vec<u8> {
        (0..24).flat_map(|n| (n as f32).to_le_bytes()).collect()
    }

    #[test]
    fn io_a_meta_image_is_read() {
        let (_folder, path) = file(&[], &numbers());
        let read = read(&path).expect("a field");
        // the first axis runs along LPS y, 2 mm a step
        assert_eq!(read.grid.affine, [[0.0, -3.0, 0.0, -10.0], [-2.0, 0.0, 0.0, -20.0], [0.0, 0.0, 4.0, 30.0]]);
        assert_eq!(read.vectors[1], [3.0, 4.0, 5.0]);
    }

    #[test]
    fn io_meta_images_are_refused_by_name() {
        let short = numbers()[..20].to_vec();
        for (change, values, part) in [
            (("ElementNumberOfChannels", "1"), numbers(), "ElementNumberOfChannels: found 1"),
            (("ElementDataFile", "field.raw"), numbers(), "ElementDataFile: found field.raw"),
            (("ElementType", "MET_SHORT"), numbers(), "ElementType: found MET_SHORT"),
            (("NDims", "2"), numbers(), "NDims: found 2"),
            (("DimSize", "2 2 1e9"), numbers(), "DimSize"),
            (("TransformMatrix", "1 0 0 1 0 0 0 0 1"), numbers(), "field.mha"),
            (("NDims", "3"), short, "20 bytes"),
            (("CompressedData", "True"), numbers(), "zlib"),
        ] {
            let (_folder, path) = file(&[change], &values);
            let error = read(&path).err().expect("refused").to_string();
            assert!(error.contains(part), "{change:?}: {error}");
        }
    }
}
