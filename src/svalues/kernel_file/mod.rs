//! Kernels in files. Read and written are
//! - NIfTI: a cube of S values; voxel size from the header, nuclide, medium and unit from its description;
//! - CSV: offsets and values under a head `i,j,k,S_mGy_per_MBq_s`, facts in `# key: value` lines; columns `set`, `medium`
//!   and `voxel_mm` may distinguish several kernels;
//! - text tables as of the database of Lanconelli et al., Phys. Med. Biol. 57 (2012) 517: two head lines, then
//!   `i j k S` by tabs or blanks, offsets from 0;
//! - raw cubes of little-endian f32 or f64 (x fastest), whose file name says the rest
//!   (`Lu177-4.80-mm-mGyperMBqs-SoftICRP.img`).
//!
//! Nothing is guessed in silence: a kernel whose nuclide, voxel size or unit is not stated or does not fit, or which is not
//! symmetric, is refused by name; `force` turns these faults into warnings.

use super::voxel_kernel::VoxelKernel;
use super::{MGY_PER_MBQ_S_PER_KEV_G, SvalueError};
use crate::fault::{Explained, Setting, Words, words};
use crate::note::Note;
use facts::edge_mm_in;
use std::collections::BTreeMap;

mod facts;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use facts::{medium_in, nuclide_in, unit_in};
pub use read::read;
pub use write::{check_ending, files, write};

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

impl RawKernel {
    pub(super) fn of(name: String, text: &str, values: Vec<([i32; 3], f64)>) -> Self {
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
        next: impl Into<Words>,
    ) -> SvalueError {
        SvalueError::Kernel {
            kernel: self.name.clone(),
            field,
            found: found.into(),
            allowed: allowed.into(),
            next: next.into(),
        }
    }

    /// Refuses a kernel that lacks two or three of nuclide, voxel size and unit, all of them by name; one that lacks a single
    /// one is refused by that one.
    fn all_stated(&self, nuclide: &str, declared: &Declared) -> Result<(), SvalueError> {
        let unit = declared.unit.as_deref().map_or(self.mgy_per_mbq_s, unit_in);
        let lacking: Vec<(&str, Setting)> = [
            ("nuclide", Setting::KernelNuclide, declared.nuclide.is_none() && self.nuclide.is_none()),
            ("voxel size", Setting::KernelVoxel, declared.spacing_mm.is_none() && self.spacing_mm.is_none()),
            ("unit", Setting::KernelUnit, unit.is_none() && declared.unit.is_none()),
        ]
        .into_iter()
        .filter_map(|(name, setting, lacks)| lacks.then_some((name, setting)))
        .collect();
        if declared.force || lacking.len() < 2 {
            return Ok(());
        }
        let field = match lacking.iter().map(|(name, _)| *name).collect::<Vec<_>>()[..] {
            ["nuclide", "voxel size"] => "nuclide, voxel size",
            ["nuclide", "unit"] => "nuclide, unit",
            ["voxel size", "unit"] => "voxel size, unit",
            _ => "nuclide, voxel size, unit",
        };
        let mut next = words!("State them, if you know: ");
        for (n, (_, setting)) in lacking.iter().enumerate() {
            next = words!(next, if n == 0 { "" } else { ", " }, *setting);
        }
        let allowed =
            format!("all three: nuclide ({nuclide}), edges of a voxel in mm, and mGy/(MBq s), Gy/(Bq s) or Gy/decay");
        Err(self.fault(field, "not stated", allowed, words!(next, ".")))
    }

    /// The kernel, checked for a map of `nuclide` in voxels of `spacing_mm` (none: any size will do), and what is
    /// doubtful about it. Errors: nuclide, voxel size or unit not stated or another; not symmetric; a value that is
    /// negative or not finite; with `force` only values that are missing or not finite.
    pub fn interpret(
        &self,
        nuclide: &str,
        spacing_mm: Option<[f64; 3]>,
        declared: &Declared,
    ) -> Result<(VoxelKernel, Vec<Note>), SvalueError> {
        let mut doubts: Vec<Note> = Vec::new();
        let mut refuse = |fault: SvalueError| {
            if declared.force {
                doubts.push(taken_all_the_same(&fault));
                Ok(())
            } else {
                Err(fault)
            }
        };
        self.all_stated(nuclide, declared)?;
        let plain = |name: &str| name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
        match declared.nuclide.as_ref().or(self.nuclide.as_ref()) {
            None => refuse(self.fault(
                "nuclide",
                "not stated",
                nuclide,
                words!("Say which it is with ", Setting::KernelNuclide, ", if you know."),
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
                words!("Say it with ", Setting::KernelVoxel, ", if you know."),
            ))?,
            (Some(found), Some(wanted)) if (0..3).any(|a| (found[a] / wanted[a] - 1.0).abs() > EDGE_TOLERANCE) => {
                refuse(self.fault(
                    "voxel size",
                    text(found),
                    format!("{} (that of the map)", text(wanted)),
                    words!(
                        "Make a kernel of this size with `lutra kernel`, or use ",
                        Setting::Grid,
                        " with the kernel's voxels."
                    ),
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
                words!("Say it with ", Setting::KernelUnit, ", as in ", Setting::KernelUnit, " \"mGy/(MBq s)\"."),
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
            doubts.push(
                Note::warning(
                    "kernel-density-assumed",
                    format!("density not stated: {density} g/cm3 ({tissue}) is taken"),
                )
                .at(&self.name),
            );
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

/// A fault of a file.
fn fault(name: &str, field: &'static str, found: String, allowed: &str, next: impl Into<Words>) -> SvalueError {
    SvalueError::Kernel { kernel: name.to_owned(), field, found, allowed: allowed.to_owned(), next: next.into() }
}

/// The warning that a kernel is taken in spite of a fault.
pub fn taken_all_the_same(fault: &impl Explained) -> Note {
    Note::warning(
        "kernel-forced",
        words!(fault.fault().sentence(), " Used in spite of it (", Setting::ForceKernel, ")."),
    )
}
