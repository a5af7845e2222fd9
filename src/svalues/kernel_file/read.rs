//! Kernels out of files.

use super::{RawKernel, fault, unit_in};
use crate::io::{IoError, nifti};
use crate::place::Place;
use crate::svalues::SvalueError;
use std::collections::BTreeMap;

/// The kernels of a file, by its ending: `.nii`, `.nii.gz`; `.img`, `.raw`, `.bin`; all else is text.
pub fn read(path: impl Into<Place>) -> Result<Vec<RawKernel>, SvalueError> {
    let path = &path.into();
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let lower = name.to_lowercase();
    let kernels = if lower.ends_with(".nii") || lower.ends_with(".nii.gz") {
        vec![read_nifti(path, &name)?]
    } else if [".img", ".raw", ".bin"].iter().any(|end| lower.ends_with(end)) {
        let bytes = path.bytes().map_err(|e| IoError::read(path, e))?;
        vec![raw_cube(&bytes, &name)?]
    } else {
        let bytes = path.bytes().map_err(|e| IoError::read(path, e))?;
        let text = crate::text::utf8_in(&bytes).map_err(|error| {
            fault(&name, "text", error.to_string(), "a table as UTF-8 text", "Save the file as UTF-8.")
        })?;
        parse_text(text, &name)?
    };
    Ok(kernels)
}

fn centred(dims: [usize; 3], values: impl IntoIterator<Item = f64>) -> Vec<([i32; 3], f64)> {
    let offset = |n: usize| {
        let at = [n % dims[0], n / dims[0] % dims[1], n / (dims[0] * dims[1])];
        [0, 1, 2].map(|a| at[a] as i32 - (dims[a] / 2) as i32)
    };
    values.into_iter().enumerate().map(|(n, value)| (offset(n), value)).collect()
}

fn read_nifti(path: &Place, name: &str) -> Result<RawKernel, SvalueError> {
    let image = nifti::read_image::<f64>(path)?;
    let description = image.header.description.clone();
    let (volume, _) = image.volume.to_canonical();
    if volume.grid.dims.iter().any(|n| n % 2 == 0) {
        let found = format!("{:?} voxels", volume.grid.dims);
        return Err(fault(name, "size", found, "an odd number along each axis", "Centre it on its source voxel."));
    }
    let spacing_mm = Some(volume.grid.spacing_mm);
    let density_g_cm3 = number_after(&description, "g/cm3");
    let values = centred(volume.grid.dims, volume.data);
    let kernel = RawKernel::of(name.to_owned(), &format!("{description} {name}"), values);
    let medium = description.split(';').nth(2).map(|m| m.trim().to_owned()).filter(|m| !m.is_empty());
    Ok(RawKernel { spacing_mm, density_g_cm3, medium: medium.or(kernel.medium.clone()), ..kernel })
}

/// The number that stands before a unit in a text.
fn number_after(text: &str, unit: &str) -> Option<f64> {
    let head = text[..text.find(unit)?].trim_end();
    let start = head.rfind(|c: char| !(c.is_ascii_digit() || c == '.')).map_or(0, |n| n + 1);
    head[start..].parse().ok()
}

/// A raw cube with an odd number of voxels along its edge.
pub(super) fn raw_cube(bytes: &[u8], name: &str) -> Result<RawKernel, SvalueError> {
    let edge = |size: usize| {
        let n = (bytes.len() as f64 / size as f64).cbrt().round() as usize;
        (n % 2 == 1 && n * n * n * size == bytes.len()).then_some(n)
    };
    let (n, values): (usize, Vec<f64>) = match (edge(4), edge(8)) {
        (Some(n), _) => {
            let words = bytes.chunks_exact(4).map(|b| f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]])));
            (n, words.collect())
        }
        (None, Some(n)) => {
            let word = |b: &[u8]| f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]);
            (n, bytes.chunks_exact(8).map(word).collect())
        }
        (None, None) => {
            return Err(fault(
                name,
                "size",
                format!("{} bytes", bytes.len()),
                "a cube of f32 or f64 with an odd number of voxels along its edge",
                "Give the kernel as CSV or NIfTI.",
            ));
        }
    };
    Ok(RawKernel::of(name.to_owned(), name, centred([n; 3], values)))
}

/// Longest line of a text table.
const MAX_LINE_BYTES: usize = 4096;
/// Lines within which a text table names its columns.
const MAX_HEAD_LINES: usize = 1000;

/// Columns of a text table.
struct Columns {
    offset: [usize; 3],
    value: usize,
    set: Option<usize>,
    medium: Option<usize>,
    voxel: Option<usize>,
}

impl Columns {
    fn find(fields: &[&str]) -> Option<Self> {
        let column = |names: &[&str]| fields.iter().position(|f| names.iter().any(|n| f.eq_ignore_ascii_case(n)));
        let value = fields.iter().position(|f| {
            let lower = f.to_lowercase();
            lower == "s"
                || lower.starts_with("s_")
                || lower.starts_with("s ")
                || lower.starts_with("s[")
                || lower.starts_with("s-value")
        });
        Some(Self {
            offset: [column(&["i", "x"])?, column(&["j", "y"])?, column(&["k", "z"])?],
            value: value?,
            set: column(&["set"]),
            medium: column(&["medium"]),
            voxel: column(&["voxel_mm"]),
        })
    }
}

/// The kernels in a text table; `name` is the file's.
pub fn parse_text(text: &str, name: &str) -> Result<Vec<RawKernel>, SvalueError> {
    let mut facts = String::new();
    let mut stated: BTreeMap<String, String> = BTreeMap::new();
    let mut columns: Option<Columns> = None;
    let mut sets: Vec<(String, RawKernel)> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        let long = line.len() > MAX_LINE_BYTES;
        if long || columns.is_none() && number >= MAX_HEAD_LINES {
            let found = if long { format!("{} bytes", line.len()) } else { "no names of columns".to_owned() };
            let allowed =
                format!("lines of at most {MAX_LINE_BYTES} bytes, the columns named in the first {MAX_HEAD_LINES}");
            return Err(fault(
                name,
                "line",
                format!("{found} in line {}", number + 1),
                &allowed,
                "Give a kernel's table.",
            ));
        }
        if let Some(comment) = line.strip_prefix('#') {
            match comment.split_once(':') {
                Some((key, value)) if !key.trim().contains(' ') => {
                    stated.insert(key.trim().to_lowercase(), value.trim().to_owned());
                }
                _ => facts = format!("{facts} {comment}"),
            }
            continue;
        }
        let fields: Vec<&str> = match line {
            "" => continue,
            l if l.contains(',') => l.split(',').map(str::trim).collect(),
            l if l.contains('\t') => l.split('\t').map(str::trim).collect(),
            l => l.split_whitespace().collect(),
        };
        // three offsets and a value need no head; what the value means is asked for where it is used
        if columns.is_none() && fields.len() == 4 && fields.iter().all(|f| f.parse::<f64>().is_ok()) {
            columns = Some(Columns { offset: [0, 1, 2], value: 3, set: None, medium: None, voxel: None });
        }
        let Some(columns) = &columns else {
            columns = Columns::find(&fields);
            let numbers = fields.len() >= 4 && fields[..4].iter().all(|f| f.parse::<f64>().is_ok());
            if columns.is_none() && numbers {
                let next = "Put a line `i j k S [mGy/(MBq s)]` before the numbers.";
                return Err(fault(name, "head line", format!("\"{line}\""), "a line that names the columns", next));
            }
            facts = format!("{facts} {line}");
            continue;
        };
        let bad = |what: &str| {
            let found = format!("\"{line}\" in line {}", number + 1);
            fault(name, "values", found, &format!("{what} as in the head line"), "Correct the line.")
        };
        let mut offset = [0; 3];
        for (axis, place) in offset.iter_mut().enumerate() {
            let field = fields.get(columns.offset[axis]).ok_or_else(|| bad("three offsets"))?;
            *place = field.parse::<i32>().map_err(|_| bad("whole offsets"))?;
        }
        let value = fields.get(columns.value).and_then(|f| f.parse::<f64>().ok()).ok_or_else(|| bad("a number"))?;
        let field = |column: Option<usize>| column.and_then(|c| fields.get(c).copied()).unwrap_or("");
        let (set, medium, voxel) = (field(columns.set), field(columns.medium), field(columns.voxel));
        let key = [set, medium, voxel].join(" ").trim().to_owned();
        let place = sets.iter().position(|(k, _)| *k == key).unwrap_or_else(|| {
            let full = if key.is_empty() { name.to_owned() } else { format!("{name}: {key}") };
            let mut kernel = RawKernel::of(full, &facts, Vec::new());
            if columns.voxel.is_some() {
                kernel.spacing_mm = voxel.parse::<f64>().ok().map(|edge| [edge; 3]);
            }
            if columns.medium.is_some() {
                kernel.medium = Some(medium.to_owned()).filter(|m| !m.is_empty());
            }
            state(&mut kernel, &stated);
            sets.push((key, kernel));
            sets.len() - 1
        });
        sets[place].1.values.push((offset, value));
    }
    if sets.is_empty() {
        let next = "Write `i,j,k,S_mGy_per_MBq_s`, then one offset a line.";
        return Err(fault(name, "values", "none".to_owned(), "offsets and S values", next));
    }
    Ok(sets.into_iter().map(|(_, kernel)| kernel).collect())
}

/// What `# key: value` lines say.
fn state(kernel: &mut RawKernel, stated: &BTreeMap<String, String>) {
    if let Some(nuclide) = stated.get("nuclide") {
        kernel.nuclide = Some(nuclide.clone());
    }
    if let Some(medium) = stated.get("medium") {
        kernel.medium = Some(medium.clone());
    }
    if let Some(unit) = stated.get("unit") {
        kernel.mgy_per_mbq_s = unit_in(unit);
    }
    if let Some(density) = stated.get("density_g_cm3").and_then(|d| d.parse().ok()) {
        kernel.density_g_cm3 = Some(density);
    }
    if let Some(edges) = stated.get("voxel_mm") {
        let edges: Vec<f64> = edges.split_whitespace().filter_map(|e| e.parse().ok()).collect();
        match edges[..] {
            [edge] => kernel.spacing_mm = Some([edge; 3]),
            [x, y, z] => kernel.spacing_mm = Some([x, y, z]),
            _ => {}
        }
    }
}
