//! Kernels in files. Read and written are
//! - NIfTI: a cube of S values; voxel size from the header, nuclide, medium and unit from its description;
//! - CSV: offsets and values under a head `i,j,k,S_mGy_per_MBq_s`, facts in `# key: value` lines; columns `set`, `medium`
//!   and `voxel_mm` may tell several kernels apart;
//! - text tables as of the database of Lanconelli et al., Phys. Med. Biol. 57 (2012) 517: two head lines, then
//!   `i j k S` by tabs or blanks, offsets from 0;
//! - raw cubes of little-endian f32 or f64 (x fastest), whose file name says the rest
//!   (`Lu177-4.80-mm-mGyperMBqs-SoftICRP.img`).
//!
//! Nothing is guessed in silence: a kernel whose nuclide, voxel size or unit is not stated or does not fit, or which is not
//! symmetric, is refused by name; `force` turns these faults into warnings.

use super::voxel_kernel::VoxelKernel;
use super::{MGY_PER_MBQ_S_PER_KEV_G, SvalueError};
use crate::grid::{Volume, VoxelGrid};
use crate::io::atomic::write_file;
use crate::io::{IoError, nifti};
use std::collections::BTreeMap;
use std::path::Path;

/// Largest relative difference of two voxel edges that counts as none.
const EDGE_TOLERANCE: f64 = 0.005;
/// Asymmetry (energy-weighted, source voxel left out) from which a kernel is refused.
const ASYMMETRY_LIMIT: f64 = 0.05;

/// A kernel as a file gives it.
#[derive(Clone, Debug, PartialEq)]
pub struct RawKernel {
    /// File, and set inside it.
    pub name: String,
    /// Nuclide, as `Lu-177`, where stated.
    pub nuclide: Option<String>,
    /// Voxel edges, mm, where stated.
    pub spacing_mm: Option<[f64; 3]>,
    /// mGy/(MBq s) per value of the file, where the unit is stated.
    pub mgy_per_mbq_s: Option<f64>,
    /// Medium, where stated.
    pub medium: Option<String>,
    /// Its density, g/cm3, where stated.
    pub density_g_cm3: Option<f64>,
    /// Signed offsets and values, in the file's unit.
    pub values: Vec<([i32; 3], f64)>,
}

/// What the user says about a kernel: it goes before what the file says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Declared {
    /// Nuclide.
    pub nuclide: Option<String>,
    /// Voxel edges, mm.
    pub spacing_mm: Option<[f64; 3]>,
    /// Unit of the values.
    pub unit: Option<String>,
    /// Density of the medium, g/cm3.
    pub density_g_cm3: Option<f64>,
    /// Take the kernel in spite of its faults.
    pub force: bool,
}

/// mGy/(MBq s) per value, from a text that names the unit; none where it names none.
pub fn unit_in(text: &str) -> Option<f64> {
    let plain: String =
        text.to_lowercase().replace("per", "/").chars().filter(|c| c.is_ascii_alphanumeric() || *c == '/').collect();
    let plain = plain.replace("mbq/s", "mbqs").replace("bq/s", "bqs");
    [("mgy/mbqs", 1.0), ("mgy/bqs", 1e6), ("gy/mbqs", 1e3), ("gy/bqs", 1e9), ("gy/decay", 1e9)]
        .into_iter()
        .find(|(unit, _)| plain.contains(unit))
        .map(|(_, factor)| factor)
}

/// A nuclide named in a text, as `Lu-177`.
pub fn nuclide_in(text: &str) -> Option<String> {
    const ELEMENTS: [&str; 24] = [
        "F", "P", "Sc", "Cu", "Ga", "Sr", "Y", "Zr", "Tc", "In", "I", "Sm", "Tb", "Ho", "Er", "Lu", "Re", "At", "Pb",
        "Bi", "Ra", "Ac", "Th", "Ir",
    ];
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    words
        .flat_map(|word| {
            // "Lu177-4" from "Lu177-4.80-mm" has a tail that is no part of the name
            let parts: Vec<&str> = word.split('-').collect();
            let mut tries: Vec<String> = parts.iter().map(|p| (*p).to_owned()).collect();
            tries.extend(parts.windows(2).map(|pair| pair.concat()));
            tries
        })
        .find_map(|word| {
            let digits: String = word.chars().filter(char::is_ascii_digit).collect();
            let letters: String = word.chars().filter(char::is_ascii_alphabetic).collect();
            let whole = [format!("{digits}{letters}"), format!("{letters}{digits}")].contains(&word);
            let element = ELEMENTS.iter().find(|e| e.eq_ignore_ascii_case(&letters))?;
            ((2..=3).contains(&digits.len()) && whole).then(|| format!("{element}-{digits}"))
        })
}

/// A voxel edge named in a text: a number before `mm`.
pub fn edge_mm_in(text: &str) -> Option<f64> {
    let lower = text.to_lowercase();
    lower.match_indices("mm").find_map(|(place, _)| {
        let head = lower[..place].trim_end_matches([' ', '-', '_']);
        let start = head.rfind(|c: char| !(c.is_ascii_digit() || c == '.')).map_or(0, |n| n + 1);
        head[start..].trim_matches('.').parse::<f64>().ok().filter(|edge| *edge > 0.0)
    })
}

/// A medium named in a text, with the tissue of Lutra and the density that stand for it.
pub fn medium_in(text: &str) -> Option<(&'static str, f64)> {
    let plain: String = text.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
    [
        ("soft", "soft-tissue", 1.04),
        ("bone", "bone", 1.92),
        ("lung", "lung", 0.26),
        ("adipose", "adipose", 0.95),
        ("water", "water", 1.0),
    ]
    .into_iter()
    .find(|(word, ..)| plain.contains(word))
    .map(|(_, tissue, density)| (tissue, density))
}

impl RawKernel {
    fn of(name: String, text: &str, values: Vec<([i32; 3], f64)>) -> Self {
        Self {
            nuclide: nuclide_in(text),
            spacing_mm: edge_mm_in(text).map(|edge| [edge; 3]),
            mgy_per_mbq_s: unit_in(text),
            medium: medium_in(text).map(|(tissue, _)| tissue.to_owned()),
            density_g_cm3: None,
            name,
            values,
        }
    }

    /// Values by magnitude of the offset (means over mirror images; in cubes also over exchanged axes where a
    /// value is not given itself), the largest offsets, and how far images differ: share of the values' sum.
    fn octant(&self, cube: bool) -> Result<(Vec<f64>, [usize; 3], f64), SvalueError> {
        let mut half = [0usize; 3];
        let mut cells: BTreeMap<[usize; 3], (f64, f64)> = BTreeMap::new();
        for (offset, value) in &self.values {
            let at = offset.map(|o| o.unsigned_abs() as usize);
            half = [0, 1, 2].map(|a| half[a].max(at[a]));
            let cell = cells.entry(at).or_default();
            cell.0 += value;
            cell.1 += 1.0;
        }
        if cube {
            half = [half.iter().copied().max().unwrap_or(0); 3];
        }
        let mean = |at: [usize; 3]| cells.get(&at).map(|(sum, n)| sum / n);
        let exchanged = |[i, j, k]: [usize; 3]| -> Vec<f64> {
            let orders = [[i, j, k], [i, k, j], [j, i, k], [j, k, i], [k, i, j], [k, j, i]];
            orders[..if cube { 6 } else { 1 }].iter().filter_map(|&at| mean(at)).collect()
        };
        let average = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let mut octant = Vec::new();
        for k in 0..=half[2] {
            for j in 0..=half[1] {
                for i in 0..=half[0] {
                    let images = exchanged([i, j, k]);
                    if images.is_empty() {
                        let found = format!("no value at offset ({i}, {j}, {k})");
                        return Err(self.fault("values", found, "one value for every offset", "Complete the file."));
                    }
                    octant.push(average(&images));
                }
            }
        }
        let at = |[i, j, k]: [usize; 3]| octant[i + (half[0] + 1) * (j + (half[1] + 1) * k)];
        let (mut apart, mut total) = (0.0, 0.0);
        for (offset, value) in &self.values {
            let magnitude = offset.map(|o| o.unsigned_abs() as usize);
            if magnitude != [0; 3] {
                apart += (value - at(magnitude)).abs();
                total += value.abs();
            }
        }
        Ok((octant, half, if total > 0.0 { apart / total } else { 0.0 }))
    }

    fn fault(
        &self,
        field: &'static str,
        found: impl Into<String>,
        allowed: impl Into<String>,
        next: &str,
    ) -> SvalueError {
        SvalueError::Kernel {
            kernel: self.name.clone(),
            field,
            found: found.into(),
            allowed: allowed.into(),
            next: next.to_owned(),
        }
    }

    /// The kernel, checked for a map of `nuclide` in voxels of `spacing_mm` (none: any size will do), and what is
    /// doubtful about it. Errors: nuclide, voxel size or unit not stated or another; not symmetric; a value that is
    /// negative or not finite; with `force` only values that are missing or not finite.
    pub fn interpret(
        &self,
        nuclide: &str,
        spacing_mm: Option<[f64; 3]>,
        declared: &Declared,
    ) -> Result<(VoxelKernel, Vec<String>), SvalueError> {
        let mut doubts = Vec::new();
        let mut refuse = |fault: SvalueError| {
            if declared.force {
                doubts.push(format!("{fault} Taken all the same (--force-kernel)."));
                Ok(())
            } else {
                Err(fault)
            }
        };
        let plain = |name: &str| name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
        match declared.nuclide.as_ref().or(self.nuclide.as_ref()) {
            None => refuse(self.fault(
                "nuclide",
                "not stated",
                nuclide,
                "Say which it is with --kernel-nuclide, if you know.",
            ))?,
            Some(found) if plain(found) != plain(nuclide.trim_end_matches("-reference")) => {
                refuse(self.fault("nuclide", found, nuclide, "Give a kernel of this nuclide."))?;
            }
            Some(_) => {}
        }
        let stated = declared.spacing_mm.or(self.spacing_mm);
        let text = |edges: [f64; 3]| format!("{} x {} x {} mm", edges[0], edges[1], edges[2]);
        match (stated, spacing_mm) {
            (None, wanted) => refuse(self.fault(
                "voxel size",
                "not stated",
                wanted.map_or_else(|| "a stated voxel size".to_owned(), text),
                "Say it with --kernel-voxel-mm, if you know.",
            ))?,
            (Some(found), Some(wanted)) if (0..3).any(|a| (found[a] / wanted[a] - 1.0).abs() > EDGE_TOLERANCE) => {
                refuse(self.fault(
                    "voxel size",
                    text(found),
                    format!("{} (that of the map)", text(wanted)),
                    "Make a kernel of this size with `lutra kernel`, or use --grid with the kernel's voxels.",
                ))?;
            }
            _ => {}
        }
        let unit = declared.unit.as_deref().map_or(self.mgy_per_mbq_s, unit_in);
        if unit.is_none() {
            refuse(self.fault(
                "unit",
                declared.unit.clone().unwrap_or_else(|| "not stated".to_owned()),
                "mGy/(MBq s), Gy/(Bq s) or Gy/decay",
                "Say it with --kernel-unit, as in --kernel-unit \"mGy/(MBq s)\".",
            ))?;
        }
        let spacing = stated.or(spacing_mm).unwrap_or([1.0; 3]);
        if let Some((offset, value)) = self.values.iter().find(|(_, v)| !v.is_finite() || *v < 0.0) {
            let found = format!("{value} at offset {offset:?}");
            return Err(self.fault("values", found, "finite numbers, not negative", "Correct the file."));
        }
        let cube = spacing[0] == spacing[1] && spacing[1] == spacing[2];
        let (octant, half, asymmetry) = self.octant(cube)?;
        let top = octant.iter().copied().fold(0.0, f64::max);
        if octant[0] < top || top == 0.0 {
            refuse(self.fault(
                "symmetry",
                "its largest value is not at the source voxel",
                "the source voxel in the middle",
                "Centre the kernel on its source voxel.",
            ))?;
        } else if asymmetry > ASYMMETRY_LIMIT {
            refuse(self.fault(
                "symmetry",
                format!(
                    "mirror images that differ by {:.1} % of the values around the source voxel",
                    100.0 * asymmetry
                ),
                format!("{:.0} % at most", 100.0 * ASYMMETRY_LIMIT),
                "Average it over its mirror images, or give a kernel of an endless uniform medium.",
            ))?;
        }
        let medium = self.medium.clone().unwrap_or_else(|| "medium not stated".to_owned());
        let density = declared.density_g_cm3.or(self.density_g_cm3).unwrap_or_else(|| {
            let (tissue, density) = medium_in(&medium).unwrap_or(("water", 1.0));
            doubts.push(format!("{}: density not stated: {density} g/cm3 ({tissue}) is taken", self.name));
            density
        });
        let voxel_g = density * spacing.iter().product::<f64>() * 1e-3;
        let to_kev = unit.unwrap_or(1.0) * voxel_g / MGY_PER_MBQ_S_PER_KEV_G;
        let kernel = VoxelKernel {
            name: self.name.clone(),
            nuclide: declared.nuclide.clone().or_else(|| self.nuclide.clone()).unwrap_or_else(|| nuclide.to_owned()),
            medium,
            density_g_cm3: density,
            spacing_mm: spacing,
            half,
            photon_kev: vec![0.0; octant.len()],
            error_kev: vec![0.0; octant.len()],
            electron_kev: octant.into_iter().map(|s| s * to_kev).collect(),
            has_parts: false,
            beyond_kev: None,
            radiated_kev: 0.0,
            provenance: self.name.clone(),
        };
        Ok((kernel, doubts))
    }
}

/// The kernels of a file, by its ending: `.nii`, `.nii.gz`; `.img`, `.raw`, `.bin`; all else is text.
pub fn read(path: &Path) -> Result<Vec<RawKernel>, SvalueError> {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let lower = name.to_lowercase();
    let kernels = if lower.ends_with(".nii") || lower.ends_with(".nii.gz") {
        vec![read_nifti(path, &name)?]
    } else if [".img", ".raw", ".bin"].iter().any(|end| lower.ends_with(end)) {
        let bytes = std::fs::read(path).map_err(|e| IoError::read(path, e))?;
        vec![raw_cube(&bytes, &name)?]
    } else {
        let text = std::fs::read_to_string(path).map_err(|e| IoError::read(path, e))?;
        parse_text(&text, &name)?
    };
    Ok(kernels)
}

fn fault(name: &str, field: &'static str, found: String, allowed: &str, next: &str) -> SvalueError {
    SvalueError::Kernel { kernel: name.to_owned(), field, found, allowed: allowed.to_owned(), next: next.to_owned() }
}

fn centred(dims: [usize; 3], values: impl IntoIterator<Item = f64>) -> Vec<([i32; 3], f64)> {
    let offset = |n: usize| {
        let at = [n % dims[0], n / dims[0] % dims[1], n / (dims[0] * dims[1])];
        [0, 1, 2].map(|a| at[a] as i32 - (dims[a] / 2) as i32)
    };
    values.into_iter().enumerate().map(|(n, value)| (offset(n), value)).collect()
}

fn read_nifti(path: &Path, name: &str) -> Result<RawKernel, SvalueError> {
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
fn raw_cube(bytes: &[u8], name: &str) -> Result<RawKernel, SvalueError> {
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

/// One line that says what a kernel is: unit, nuclide, medium, density.
fn description(kernel: &VoxelKernel) -> String {
    format!("S mGy/(MBq s); {}; {}; {} g/cm3", kernel.nuclide, kernel.medium, kernel.density_g_cm3)
}

/// All offsets of the cube, signed, x fastest.
fn cube(kernel: &VoxelKernel) -> impl Iterator<Item = [usize; 3]> + '_ {
    let magnitude = |half: usize| (0..=2 * half).map(move |n| n.abs_diff(half));
    let [hx, hy, hz] = kernel.half;
    magnitude(hz).flat_map(move |k| magnitude(hy).flat_map(move |j| magnitude(hx).map(move |i| [i, j, k])))
}

/// Writes a kernel in the layout of the file's ending: `.nii`, `.nii.gz` (with a second file `.._sigma_rel`), `.csv`,
/// `.txt` (the table of Lanconelli et al.), `.img` or `.raw` (f32 cube). Returns the files written. Errors: another
/// ending; a place that cannot be written.
pub fn write(kernel: &VoxelKernel, path: &Path) -> Result<Vec<std::path::PathBuf>, SvalueError> {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let lower = name.to_lowercase();
    let mut files = vec![path.to_path_buf()];
    if lower.ends_with(".nii") || lower.ends_with(".nii.gz") {
        let dims = kernel.half.map(|h| 2 * h + 1);
        let origin = [0, 1, 2].map(|a| -(kernel.half[a] as f64) * kernel.spacing_mm[a]);
        let grid = VoxelGrid::axis_aligned(dims, kernel.spacing_mm, origin);
        let s: Vec<f32> = cube(kernel).map(|o| kernel.s_mgy_per_mbq_s(o) as f32).collect();
        let sigma: Vec<f32> = cube(kernel).map(|o| sigma_rel(kernel, o) as f32).collect();
        let options = |description: String| nifti::WriteOptions { description, form_code: 1 };
        let volume = |data| Volume { grid: grid.clone(), data };
        nifti::write_with(path, &volume(s), &options(description(kernel)))?;
        let end = if lower.ends_with(".gz") { ".nii.gz" } else { ".nii" };
        let second = path.with_file_name(format!("{}_sigma_rel{end}", &name[..name.len() - end.len()]));
        nifti::write_with(&second, &volume(sigma), &options("relative standard error of S".to_owned()))?;
        files.push(second);
    } else if lower.ends_with(".csv") {
        write_file(path, |to| to.write_all(csv_text(kernel).as_bytes()))?;
    } else if lower.ends_with(".txt") {
        write_file(path, |to| to.write_all(table_text(kernel).as_bytes()))?;
    } else if [".img", ".raw"].iter().any(|end| lower.ends_with(end)) {
        let bytes: Vec<u8> = cube(kernel).flat_map(|o| (kernel.s_mgy_per_mbq_s(o) as f32).to_le_bytes()).collect();
        write_file(path, |to| to.write_all(&bytes))?;
    } else {
        check_ending(path)?;
    }
    Ok(files)
}

/// Errors: a name whose ending is that of no layout [`write`] knows.
pub fn check_ending(path: &Path) -> Result<(), SvalueError> {
    const ENDINGS: [&str; 6] = [".nii", ".nii.gz", ".csv", ".txt", ".img", ".raw"];
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    if ENDINGS.iter().any(|end| name.to_lowercase().ends_with(end)) {
        return Ok(());
    }
    let allowed = ENDINGS.join(", ");
    Err(fault(&name, "file ending", name.clone(), &allowed, "Choose the layout by the ending of --out."))
}

fn sigma_rel(kernel: &VoxelKernel, offset: [usize; 3]) -> f64 {
    let energy = kernel.energy_kev(offset);
    if energy > 0.0 { kernel.error_kev[kernel.place(offset)] / energy } else { 0.0 }
}

/// The CSV layout: offsets from 0, S, its relative standard error, and both parts' energy.
fn csv_text(kernel: &VoxelKernel) -> String {
    let [sx, sy, sz] = kernel.spacing_mm;
    let [electron, photon] = kernel.energy_within_kev(kernel.half);
    let mut text = format!(
        "# lutra voxel S values, offsets by magnitude\n# nuclide: {}\n# medium: {}\n# density_g_cm3: {}\n# voxel_mm: {sx} {sy} {sz}\n# unit: mGy/(MBq s)\n\
         # electron_kev_per_decay_inside: {electron:.4}\n# photon_kev_per_decay_inside: {photon:.4}\n",
        kernel.nuclide, kernel.medium, kernel.density_g_cm3
    );
    if let Some(beyond) = kernel.beyond_kev {
        text.push_str(&format!("# kev_per_decay_beyond: {beyond:.4}\n"));
    }
    text.push_str(&format!(
        "# kev_per_decay_radiated: {:.4}\n# provenance: {}\n",
        kernel.radiated_kev, kernel.provenance
    ));
    text.push_str("i,j,k,S_mGy_per_MBq_s,sigma_rel,electron_keV_per_decay,photon_keV_per_decay\n");
    for place in 0..kernel.len() {
        let [i, j, k] = kernel.offset(place);
        text.push_str(&format!(
            "{i},{j},{k},{:.6e},{:.2e},{:.6e},{:.6e}\n",
            kernel.s_mgy_per_mbq_s([i, j, k]),
            sigma_rel(kernel, [i, j, k]),
            kernel.electron_kev[place],
            kernel.photon_kev[place]
        ));
    }
    text
}

/// The text table: two head lines, then offsets by tabs, the last running fastest.
fn table_text(kernel: &VoxelKernel) -> String {
    let [sx, sy, sz] = kernel.spacing_mm;
    let edges = if sx == sy && sy == sz { format!("{sx}mm") } else { format!("{sx}x{sy}x{sz}mm") };
    let mut text =
        format!("{} - {edges} - {}\t\t\t\ni\tj\tk\tS [mGy/(MBq·s)]\n", kernel.nuclide.replace('-', ""), kernel.medium);
    for i in 0..=kernel.half[0] {
        for j in 0..=kernel.half[1] {
            for k in 0..=kernel.half[2] {
                text.push_str(&format!("{i}\t{j}\t{k}\t{:.5E}\n", kernel.s_mgy_per_mbq_s([i, j, k])));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::point_kernel::tests::soft;
    use super::*;

    fn kernel() -> VoxelKernel {
        VoxelKernel::fold(soft(), [3.0; 3], 1.04, [2; 3]).unwrap()
    }

    fn only(kernels: Vec<RawKernel>) -> RawKernel {
        assert_eq!(kernels.len(), 1);
        kernels.into_iter().next().unwrap()
    }

    #[test]
    fn io_kernels_come_back_from_every_layout() {
        let folder = tempfile::tempdir().unwrap();
        let kernel = kernel();
        for name in ["k.nii.gz", "k.nii", "k.csv", "k.txt", "Lu177-3.00-mm-mGyperMBqs-Soft.img"] {
            let path = folder.path().join(name);
            let files = write(&kernel, &path).unwrap();
            assert!(files.iter().all(|f| f.is_file()));
            let raw = only(read(&path).unwrap());
            let declared = Declared { density_g_cm3: Some(1.04), ..Declared::default() };
            let (back, _) = raw.interpret("Lu-177", Some([3.0; 3]), &declared).unwrap();
            assert_eq!(back.half, [2; 3], "{name}");
            for place in 0..kernel.len() {
                let o = kernel.offset(place);
                assert!((back.energy_kev(o) / kernel.energy_kev(o) - 1.0).abs() < 1e-4, "{name} {o:?}");
            }
        }
        let raw = only(read(&folder.path().join("k.csv")).unwrap());
        assert_eq!((raw.density_g_cm3, raw.medium.as_deref()), (Some(1.04), Some(kernel.medium.as_str())));
    }

    #[test]
    fn io_an_anisotropic_kernel_keeps_its_axes() {
        let folder = tempfile::tempdir().unwrap();
        let kernel = VoxelKernel::fold(soft(), [2.0, 3.0, 5.0], 1.04, [3, 2, 1]).unwrap();
        for name in ["k.nii.gz", "k.csv"] {
            let path = folder.path().join(name);
            write(&kernel, &path).unwrap();
            let raw = only(read(&path).unwrap());
            let (back, _) = raw.interpret("Lu-177", Some([2.0, 3.0, 5.0]), &Declared::default()).unwrap();
            assert_eq!(back.half, [3, 2, 1]);
            assert!((back.energy_kev([3, 1, 0]) / kernel.energy_kev([3, 1, 0]) - 1.0).abs() < 1e-4);
        }
    }

    #[test]
    fn io_facts_are_found_in_names_and_head_lines() {
        for text in
            ["Lu177 - 2.21mm - Soft tissue", "Lu177-4.80-mm-mGyperMBqs-SoftICRP.img", "177Lu voxel", "x Lu-177 y"]
        {
            assert_eq!(nuclide_in(text).as_deref(), Some("Lu-177"), "{text}");
        }
        assert_eq!(nuclide_in("kernel 51 voxels 3mm soft"), None);
        assert_eq!(nuclide_in("I-131 5 mm").as_deref(), Some("I-131"));
        assert_eq!(edge_mm_in("Lu177-4.80-mm-mGyperMBqs"), Some(4.8));
        assert_eq!(edge_mm_in("set A: 2.21 mm (table)"), Some(2.21));
        assert_eq!(edge_mm_in("no size, comma"), None);
        assert_eq!(unit_in("S [mGy/(MBq·s)]"), Some(1.0));
        assert_eq!(unit_in("Lu177-mGyperMBqs-Soft"), Some(1.0));
        assert_eq!(unit_in("Gy per decay"), Some(1e9));
        assert_eq!(unit_in("S_Gy_per_Bq_s"), Some(1e9));
        assert_eq!(unit_in("S"), None);
    }

    fn table(head: &str) -> String {
        let mut text = format!("{head}\ni\tj\tk\tS [mGy/(MBq s)]\n");
        for (i, j, k, s) in [(0, 0, 0, 1.0), (0, 0, 1, 0.1), (0, 1, 1, 0.01), (1, 1, 1, 0.001)] {
            text.push_str(&format!("{i}\t{j}\t{k}\t{s}\n"));
        }
        text
    }

    fn refused(raw: &RawKernel) -> String {
        let forced = Declared { force: true, ..Declared::default() };
        let (_, doubts) = raw.interpret("Lu-177", Some([3.0; 3]), &forced).expect("forced");
        assert!(doubts.iter().any(|d| d.contains("--force-kernel")), "{doubts:?}");
        raw.interpret("Lu-177", Some([3.0; 3]), &Declared::default()).unwrap_err().to_string()
    }

    #[test]
    fn io_unfit_kernels_are_named_and_refused_unless_forced() {
        let read = |text: &str| only(parse_text(text, "k.txt").unwrap());
        let good = read(&table("Lu177 - 3mm - Soft tissue"));
        good.interpret("Lu-177", Some([3.0; 3]), &Declared::default()).expect("sound");
        let other_size = refused(&read(&table("Lu177 - 2.21mm - Soft tissue")));
        assert!(other_size.contains("voxel size") && other_size.contains("2.21"), "{other_size}");
        let other_nuclide = refused(&read(&table("Y90 - 3mm - Soft tissue")));
        assert!(other_nuclide.contains("nuclide: found Y-90"), "{other_nuclide}");
        assert!(refused(&read(&table("3mm soft"))).contains("nuclide: found not stated"));
        let no_unit = read(&table("Lu177 3mm soft").replace(" [mGy/(MBq s)]", ""));
        assert!(refused(&no_unit).contains("unit: found not stated"));
        let mut lopsided = good.clone();
        lopsided.values.push(([-1, 0, 0], 0.5));
        assert!(refused(&lopsided).contains("symmetry"), "{}", refused(&lopsided));
        let mut shifted = good.clone();
        shifted.values[0].1 = 0.05;
        assert!(refused(&shifted).contains("not at the source voxel"));
    }

    #[test]
    fn io_broken_tables_are_refused() {
        for (text, said) in [("0 0 0 1.0\n", "head line"), ("i j k S\n0 0 x 1\n", "line 2"), ("nothing here\n", "none")]
        {
            let message = parse_text(text, "k.txt").unwrap_err().to_string();
            assert!(message.contains(said), "{message}");
        }
        assert!(raw_cube(&[0; 64], "k.img").unwrap_err().to_string().contains("64 bytes"));
        let gap = only(parse_text("Lu177 3mm mGy/(MBq s) soft\ni j k S\n0 0 0 1\n0 0 2 1\n", "k.txt").unwrap());
        let message = gap.interpret("Lu-177", None, &Declared::default()).unwrap_err().to_string();
        assert!(message.contains("no value at offset"), "{message}");
    }
}
