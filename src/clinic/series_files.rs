//! The files of an integrated series.

use super::budgets::{Budget, of_region};
use super::failure::{AtPath, Failure};
use super::files::{write_json, write_rows};
use super::output::written;
use super::pages;
use super::series::Integrated;
use crate::course::tia::{RegionIntegral, RegionRow};
use crate::io::atomic::AtomicOutputDir;
use crate::io::nifti::{self, WriteOptions};
use crate::note::{Note, sentences};
use crate::report::page::render;
use crate::report::run_record;
use crate::text::plain_lines;
use std::collections::BTreeMap;

/// What the uncertainty in a table of integrated regions is, and what it is not.
pub const U_FIT: &str = "u fit: standard uncertainty (k = 1) by the scatter about the curve alone; calibration, partial volume and \
                         outline are not in it\n";

/// Names of the files written.
pub const FILE_NAMES: [&str; 5] =
    ["decays.nii.gz", "decays_sigma_rel.nii.gz", "regions.csv", "tia.json", "motion.html"];

/// Writes the maps, the table and the record.
pub fn write(done: &Integrated, folder: &AtomicOutputDir) -> Result<(), Failure> {
    let options = |text: &str| WriteOptions {
        description: format!("{text}; {}", run_record::program()),
        form_code: done.form_code,
    };
    let decays = done.orientation.restore(done.map.decays.clone())?;
    nifti::write_with(folder.file("decays.nii.gz"), &decays, &options("decays per voxel"))?;
    let sigma = done.orientation.restore(done.map.rel_sigma.clone())?;
    nifti::write_with(folder.file("decays_sigma_rel.nii.gz"), &sigma, &options("relative sigma of the decays"))?;
    let rows: Vec<RegionRow> = done.map.regions.iter().filter_map(|region| region.row()).collect();
    write_rows(&folder.file("regions.csv"), &rows)?;
    let points: BTreeMap<&str, _> = done.map.regions.iter().map(|r| (r.name.as_str(), &r.points)).collect();
    let parameters: BTreeMap<&str, _> =
        done.map.regions.iter().filter_map(|r| Some((r.name.as_str(), &r.integral.as_ref()?.parameters))).collect();
    let flags: BTreeMap<&str, _> =
        done.map.regions.iter().filter_map(|r| Some((r.name.as_str(), &r.integral.as_ref()?.flags))).collect();
    let correction = done.partial_volume.as_ref();
    let of = |r: &RegionIntegral| Budget::of(of_region(r, correction), &r.further);
    let budgets: BTreeMap<&str, _> = done.map.regions.iter().map(|r| (r.name.as_str(), of(r))).collect();
    let notes: Vec<&Note> = done.warnings.iter().chain(&done.map.warnings).collect();
    let map = written(folder, "output", "decays.nii.gz")?;
    let record = serde_json::json!({
        "schema": 1,
        "program": run_record::program(),
        "inputs": done.inputs,
        "nuclide": done.nuclide.display().to_string(),
        "outline_sharing": done.sharing.name(),
        "regions": rows,
        "points": points,
        "parameters": parameters,
        "flags": flags,
        "budget": budgets,
        "partial_volume": done.partial_volume,
        "registrations": done.motions,
        "volumes": done.volumes,
        "outputs": {"decays.nii.gz": map.sha256},
        "warnings": sentences(notes.iter().copied()),
        "notes": notes,
    });
    write_json(&folder.file("tia.json"), &record)?;
    if let Some(page) = pages::motion::page(&done.motions, &notes, &done.inputs) {
        let path = folder.file("motion.html");
        path.write(plain_lines(&render(&page)).as_bytes()).at(&path)?;
    }
    Ok(())
}
