//! `lutra tia`: from a series of activity images to decays per voxel.

use super::args::TiaRequest;
use super::failure::{Failure, OrUserError, UserError};
use super::printer;
use crate::course::hybrid::PlanarPoint;
use crate::course::series::Series;
use crate::course::tia::{ActivityImage, EarlierHalfLife, RegionRow, TiaInput, TiaMap, integrate_series};
use crate::decay::Nuclide;
use crate::grid::Orientation;
use crate::io::IoError;
use crate::io::atomic::AtomicOutputDir;
use crate::io::labels::LabelNames;
use crate::io::nifti::{self, WriteOptions};
use crate::report::run_record::{self, InputFile};
use anyhow::Context;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Names of the files written.
const FILE_NAMES: [&str; 4] = ["decays.nii.gz", "decays_sigma_rel.nii.gz", "regions.csv", "tia.json"];

/// A series as integrated.
pub(super) struct Integrated {
    /// The map and its regions.
    pub(super) map: TiaMap,
    /// Order of the axes in the user's files.
    pub(super) orientation: Orientation,
    /// Kind of coordinates.
    pub(super) form_code: i16,
    /// Files read.
    pub(super) inputs: Vec<InputFile>,
    /// Label map.
    pub(super) labels: PathBuf,
    /// Names of the labels.
    pub(super) label_names: Option<PathBuf>,
    /// Nuclide name or file.
    pub(super) nuclide: String,
    /// Notes of the readers.
    pub(super) warnings: Vec<String>,
}

/// Runs `lutra tia`.
pub(super) fn run(request: &TiaRequest) -> Result<(), Failure> {
    let folder = AtomicOutputDir::create(&request.out, request.force).or_user_error()?.replaces(&FILE_NAMES);
    let done = integrate(&request.series, &BTreeMap::new())?;
    write(&done, &folder)?;
    let place = folder.commit().or_user_error()?;
    printer::record_file(&place.join("tia.json"))?;
    printer::data(&table(&done.map));
    for warning in done.warnings.iter().chain(&done.map.warnings) {
        printer::warning(warning);
    }
    let total: f64 = done.map.decays.data.iter().sum();
    printer::results(&format!("{total:.6e} decays in the map"), &place);
    Ok(())
}

/// An error with the file that it is about before it.
pub(super) fn in_file(path: &Path, error: &UserError) -> UserError {
    UserError::new(format!("{}: {}", path.display(), error.message()), error.hint().unwrap_or("Correct the file."))
}

/// Path of a file that another file names, relative to that file's folder.
pub(super) fn beside(file: &Path, name: &str) -> PathBuf {
    file.parent().map_or_else(|| PathBuf::from(name), |folder| folder.join(name))
}

/// Reads a text file.
pub(super) fn read_text(path: &Path) -> Result<String, UserError> {
    let bytes = std::fs::read(path).map_err(|error| UserError::from_library(&IoError::read(path, error)))?;
    String::from_utf8(bytes).map_err(|_| {
        UserError::new(
            format!("{}: text: found bytes that are not UTF-8; allowed: UTF-8 text", path.display()),
            "Save the file as UTF-8; an image is named inside it.",
        )
    })
}

/// Hashes a file that was read.
pub(super) fn hashed(role: &str, path: &Path) -> Result<InputFile, UserError> {
    InputFile::read(role, path).map_err(|error| UserError::from_library(&IoError::read(path, error)))
}

/// Reads and integrates a series; `earlier` are half-lives of earlier cycles.
pub(super) fn integrate(path: &Path, earlier: &BTreeMap<String, EarlierHalfLife>) -> Result<Integrated, UserError> {
    let series = Series::parse(&read_text(path)?, &path.display().to_string()).or_user_error()?;
    let nuclide_name = named_nuclide(path, &series.nuclide);
    let nuclide = Nuclide::load(&nuclide_name).or_user_error()?;
    let mut inputs = vec![hashed("series", path)?];
    let mut warnings = Vec::new();
    let mut images = Vec::new();
    let mut frame = None;
    for image in &series.images {
        let file = beside(path, &image.file);
        let read = nifti::read_image::<f64>(&file).or_user_error()?;
        warnings.extend(read.header.notes.iter().map(|note| format!("{}: {note}", file.display())));
        let form_code = WriteOptions::like(&read.header, "").form_code;
        let (volume, orientation) = read.volume.to_canonical();
        let decay = (-(image.time_h - image.reference_time_h) / nuclide.half_life_h).exp2();
        let scale = series.unit.mbq_per_value(volume.grid.voxel_cm3()) * decay;
        images.push(ActivityImage {
            name: file.display().to_string(),
            time_h: image.time_h,
            activity_mbq: volume.map(|value| value * scale),
            rel_sigma: image.rel_sigma,
        });
        frame.get_or_insert((orientation, form_code));
        inputs.push(hashed("image", &file)?);
    }
    let labels_path = beside(path, &series.labels);
    let (labels, _) = nifti::read_labels(&labels_path).or_user_error()?.to_canonical();
    if !labels.grid.same_as(&images[0].activity_mbq.grid) {
        return Err(UserError::new(
            format!(
                "{}: grid: found {}; allowed: that of the images, {}",
                labels_path.display(),
                labels.grid.describe(),
                images[0].activity_mbq.grid.describe()
            ),
            "Resample the labels to the images with nearest-neighbour interpolation.",
        ));
    }
    inputs.push(hashed("labels", &labels_path)?);
    let names_path = series.label_names.as_ref().map(|name| beside(path, name));
    let names = read_names(names_path.as_deref())?;
    if let Some(path) = &names_path {
        inputs.push(hashed("label_names", path)?);
    }
    let mut planar: BTreeMap<String, Vec<PlanarPoint>> = BTreeMap::new();
    for image in &series.planar {
        for (region, &counts) in &image.counts {
            let point = PlanarPoint { time_h: image.time_h, counts, rel_sigma: image.rel_sigma };
            planar.entry(region.clone()).or_default().push(point);
        }
    }
    let map = integrate_series(&TiaInput {
        images: &images,
        labels: &labels.data,
        names: &names,
        physical_half_life_h: nuclide.half_life_h,
        default_method: &series.default_method,
        region_methods: &series.regions,
        planar: &planar,
        earlier,
        error_model: series.error_model,
        systematic_rel_sigma: series.systematic_rel_sigma,
        voxelwise: series.voxelwise,
        administered_mbq: series.administered_mbq,
    })
    .or_user_error()
    .map_err(|e| in_file(path, &e))?;
    let (orientation, form_code) = frame.ok_or_else(|| UserError::new("images: found none", "Give at least one."))?;
    Ok(Integrated {
        map,
        orientation,
        form_code,
        inputs,
        labels: labels_path,
        label_names: names_path,
        nuclide: nuclide_name,
        warnings,
    })
}

/// A built-in nuclide's name, or the path of a file beside the file that names it.
pub(super) fn named_nuclide(file: &Path, name: &str) -> String {
    let path = beside(file, name);
    if path.is_file() { path.display().to_string() } else { name.to_owned() }
}

/// Names of labels; empty without a file.
pub(super) fn read_names(path: Option<&Path>) -> Result<BTreeMap<u16, String>, UserError> {
    let Some(path) = path else { return Ok(BTreeMap::new()) };
    let names = LabelNames::read(path).or_user_error()?;
    Ok(names.iter().map(|(label, name)| (label, name.to_owned())).collect())
}

/// Writes the maps, the table and the record.
fn write(done: &Integrated, folder: &AtomicOutputDir) -> anyhow::Result<()> {
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
    let record = serde_json::json!({
        "schema": 1,
        "program": run_record::program(),
        "inputs": done.inputs,
        "nuclide": done.nuclide,
        "regions": rows,
        "points": points,
        "parameters": parameters,
        "flags": flags,
        "warnings": done.warnings.iter().chain(&done.map.warnings).collect::<Vec<_>>(),
    });
    write_json(&folder.file("tia.json"), &record)
}

/// Writes rows as CSV.
pub(super) fn write_rows<T: serde::Serialize>(path: &Path, rows: &[T]) -> anyhow::Result<()> {
    let file = File::create(path).with_context(|| format!("{}", path.display()))?;
    let mut writer = csv::Writer::from_writer(file);
    for row in rows {
        writer.serialize(row).with_context(|| format!("{}", path.display()))?;
    }
    writer.flush().with_context(|| format!("{}", path.display()))
}

/// Writes a value as indented JSON.
pub(super) fn write_json<T: serde::Serialize>(path: &Path, value: &T) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(value)? + "\n";
    std::fs::write(path, text).with_context(|| format!("{}", path.display()))
}

/// The regions as text.
fn table(map: &TiaMap) -> String {
    let mut text = format!(
        "{:<34} {:>12} {:>9} {:>9} {:>8}  {}\n",
        "region", "TIA (MBq h)", "sigma (%)", "T_eff (h)", "extra (%)", "method; flags"
    );
    for row in map.regions.iter().filter_map(|region| region.row()) {
        let sigma = row.rel_sigma.map_or_else(|| "-".to_owned(), |s| format!("{:.2}", 100.0 * s));
        let flags = if row.flags.is_empty() { String::new() } else { format!("; {}", row.flags) };
        text.push_str(&format!(
            "{:<34} {:>12.2} {:>9} {:>9.2} {:>8.1}  {}{}\n",
            row.name,
            row.tia_mbq_h,
            sigma,
            row.effective_half_life_h,
            100.0 * row.extrapolated_fraction,
            row.method,
            flags
        ));
    }
    text
}
