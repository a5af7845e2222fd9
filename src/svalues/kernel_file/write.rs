//! Kernels into files.

use super::fault;
use crate::fault::{Setting, words};
use crate::grid::{Volume, VoxelGrid};
use crate::io::atomic::write_file;
use crate::io::nifti;
use crate::svalues::SvalueError;
use crate::svalues::voxel_kernel::VoxelKernel;
use crate::text::rows;
use std::path::{Path, PathBuf};

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

/// Endings of the layouts that are written.
const ENDINGS: [&str; 6] = [".nii", ".nii.gz", ".csv", ".txt", ".img", ".raw"];

/// Refuses a file whose ending names no layout.
pub fn check_ending(path: &Path) -> Result<(), SvalueError> {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    if ENDINGS.iter().any(|end| name.to_lowercase().ends_with(end)) {
        return Ok(());
    }
    let next = words!("Choose the layout by the ending of ", Setting::Output, ".");
    Err(fault(&name, "file ending", name.clone(), &ENDINGS.join(", "), next))
}

/// The files that [`write()`] writes for this one: `.nii` and `.nii.gz` have a second one.
pub fn files(path: &Path) -> Vec<PathBuf> {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let lower = name.to_lowercase();
    let second = [".nii.gz", ".nii"].into_iter().find(|end| lower.ends_with(end));
    let second = second.map(|end| path.with_file_name(format!("{}_sigma_rel{end}", &name[..name.len() - end.len()])));
    [path.to_path_buf()].into_iter().chain(second).collect()
}

/// Writes a kernel in the layout of the file's ending: `.nii`, `.nii.gz` (with a second file `.._sigma_rel`), `.csv`,
/// `.txt` (the table of Lanconelli et al.), `.img` or `.raw` (f32 cube). Errors: another ending; a place that cannot be
/// written.
pub fn write(kernel: &VoxelKernel, path: &Path) -> Result<(), SvalueError> {
    check_ending(path)?;
    let lower = path.to_string_lossy().to_lowercase();
    if let [_, second] = &files(path)[..] {
        let dims = kernel.half.map(|h| 2 * h + 1);
        let origin = [0, 1, 2].map(|a| -(kernel.half[a] as f64) * kernel.spacing_mm[a]);
        let grid = VoxelGrid::axis_aligned(dims, kernel.spacing_mm, origin);
        let s: Vec<f32> = cube(kernel).map(|o| kernel.s_mgy_per_mbq_s(o) as f32).collect();
        let sigma: Vec<f32> = cube(kernel).map(|o| sigma_rel(kernel, o) as f32).collect();
        let options = |description: String| nifti::WriteOptions { description, form_code: 1 };
        let volume = |data| Volume { grid: grid.clone(), data };
        nifti::write_with(path, &volume(s), &options(description(kernel)))?;
        nifti::write_with(second, &volume(sigma), &options("relative standard error of S".to_owned()))?;
    } else if lower.ends_with(".csv") {
        write_file(path, |to| to.write_all(csv_text(kernel).as_bytes()))?;
    } else if lower.ends_with(".txt") {
        write_file(path, |to| to.write_all(table_text(kernel).as_bytes()))?;
    } else {
        let bytes: Vec<u8> = cube(kernel).flat_map(|o| (kernel.s_mgy_per_mbq_s(o) as f32).to_le_bytes()).collect();
        write_file(path, |to| to.write_all(&bytes))?;
    }
    Ok(())
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
    const HEADS: [&str; 7] =
        ["i", "j", "k", "S_mGy_per_MBq_s", "sigma_rel", "electron_keV_per_decay", "photon_keV_per_decay"];
    let row = |place: usize| {
        let [i, j, k] = kernel.offset(place);
        [
            i.to_string(),
            j.to_string(),
            k.to_string(),
            format!("{:.6e}", kernel.s_mgy_per_mbq_s([i, j, k])),
            format!("{:.2e}", sigma_rel(kernel, [i, j, k])),
            format!("{:.6e}", kernel.electron_kev[place]),
            format!("{:.6e}", kernel.photon_kev[place]),
        ]
    };
    text + &rows::text(HEADS, (0..kernel.len()).map(row))
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
