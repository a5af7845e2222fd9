//! From the files of a request to a case: matter, decays and regions on one grid.

use super::case::Case;
use super::failure::{OrUserError, UserError};
use super::images::{self, Anatomy, RegionMap};
use super::matter::{Frame, Labels, Matter, Parts, all_but_air, check_target_labels, matter_of_ct, regions_on};
use super::notes::Listener;
use super::request::{ActivityChoice, DoseRequest, SceneInput};
use super::series::OpenSeries;
use crate::bounds::Given;
use crate::decay::Nuclide;
use crate::grid::{Volume, VoxelGrid};
use crate::io::nifti;
use crate::materials::tissues::read_tissues;
use crate::reads;
use crate::report::run_record::InputFile;
use crate::source::{ActivityMap, ActivityUnit, DecayMap};
use std::collections::BTreeMap;
use std::path::Path;

/// The activity as read: decays, or images still to be integrated over the regions.
enum Activity {
    Map(Box<DecayMap>),
    Images(Box<OpenSeries>),
}

/// Everything a run starts from, out of the request's files.
pub fn case(request: &DoseRequest, hear: &mut dyn Listener) -> Result<Case, UserError> {
    read_case(request, hear).inspect_err(|_| reads::forget())
}

fn read_case(request: &DoseRequest, hear: &mut dyn Listener) -> Result<Case, UserError> {
    let mut warnings = Vec::new();
    let nuclide = Nuclide::load(&request.nuclide).or_user_error()?;
    let (activity, frame, activity_inputs) = read_activity(request, &nuclide, hear, &mut warnings)?;
    let matter = read_matter(request, Some(&frame), &mut warnings)?;
    if let Activity::Images(series) = &activity {
        images::must_agree(matter.origin.as_ref(), series.origin.as_ref())?;
    }
    let Labels { labels, names, own } = regions(request, &matter, Some(&frame), hear, &mut warnings)?;
    check_target_labels(&request.run.stop, &labels, &matter.density_g_cm3)?;
    let (activity, stated_mbq, image_times_h) = integrated(activity, own.as_ref(), hear, &mut warnings)?;
    let mut inputs = matter.inputs.clone();
    inputs.extend(activity_inputs);
    inputs.extend(own.into_iter().flat_map(|own| own.inputs));
    inputs.extend(other_files(request)?);
    let parts = Parts {
        nuclide,
        matter,
        labels,
        names,
        administered_mbq: request.administered_mbq.or(stated_mbq),
        image_times_h,
        dicom: request.dicom,
        inputs,
        settings: request.settings(),
        warnings,
    };
    parts.with_decays(&activity, hear)
}

/// The case of a labelled scene without any decay yet.
pub fn anatomy(request: &DoseRequest, hear: &mut dyn Listener) -> Result<Case, UserError> {
    let mut warnings = Vec::new();
    let nuclide = Nuclide::load(&request.nuclide).or_user_error()?;
    let matter = read_matter(request, None, &mut warnings)?;
    let Labels { labels, names, own } = regions(request, &matter, None, hear, &mut warnings)?;
    let decays = Volume::filled(matter.grid.clone(), 0.0);
    let mut inputs = matter.inputs.clone();
    inputs.extend(own.into_iter().flat_map(|own| own.inputs));
    inputs.extend(other_files(request)?);
    let parts = Parts {
        nuclide,
        matter,
        labels,
        names,
        administered_mbq: None,
        image_times_h: Vec::new(),
        dicom: request.dicom,
        inputs,
        settings: request.settings(),
        warnings,
    };
    Ok(parts.case(decays, 0.0))
}

/// The activity as read, its frame and its files.
fn read_activity(
    request: &DoseRequest,
    nuclide: &Nuclide,
    hear: &mut dyn Listener,
    warnings: &mut Vec<String>,
) -> Result<(Activity, Frame, Vec<InputFile>), UserError> {
    match &request.activity {
        ActivityChoice::Map { file, unit } => {
            let given = Given::new(request.administered_mbq, nuclide.half_life_h);
            let (map, frame, input) = activity_map(file, *unit, &given, warnings)?;
            Ok((Activity::Map(Box::new(map.to_decays())), frame, vec![input]))
        }
        ActivityChoice::Images { paths, choice } => {
            let mut series = OpenSeries::of_images(paths, choice, hear)?;
            warnings.append(&mut series.warnings);
            let inputs: Vec<InputFile> = std::mem::take(&mut series.inputs)
                .into_iter()
                .map(|input| InputFile { role: "activity".to_owned(), ..input })
                .collect();
            let frame = Frame {
                grid: series.grid().clone(),
                orientation: series.orientation.clone(),
                form_code: series.form_code,
            };
            Ok((Activity::Images(Box::new(series)), frame, inputs))
        }
        ActivityChoice::None => Err(UserError::new(
            "--activity: found none; allowed: a map of decays, or DICOM images",
            "Say where the decays are.",
        )),
    }
}

/// A map of time-integrated activity, held to what was given.
fn activity_map(
    file: &Path,
    unit: ActivityUnit,
    given: &Given,
    warnings: &mut Vec<String>,
) -> Result<(ActivityMap, Frame, InputFile), UserError> {
    let image = images::nifti_image::<f64>("activity", file, warnings)?;
    let frame = Frame { grid: image.volume.grid.clone(), orientation: image.orientation, form_code: image.form_code };
    let name = file.display().to_string();
    let map = ActivityMap::new(image.volume, unit, &name).or_user_error()?;
    map.check(&name, given).or_user_error()?;
    Ok((map, frame, image.input))
}

/// Holds a map of activity to what was given, for a dose that was kept from when something else was given.
pub fn check_activity(request: &DoseRequest) -> Result<(), UserError> {
    let ActivityChoice::Map { file, unit } = &request.activity else { return Ok(()) };
    let half_life_h = Nuclide::load(&request.nuclide).or_user_error()?.half_life_h;
    activity_map(file, *unit, &Given::new(request.administered_mbq, half_life_h), &mut Vec::new()).map(|_| ())
}

/// Decays, the administered activity that the images state, MBq, and their times, h.
fn integrated(
    activity: Activity,
    regions: Option<&RegionMap>,
    hear: &mut dyn Listener,
    warnings: &mut Vec<String>,
) -> Result<(DecayMap, Option<f64>, Vec<f64>), UserError> {
    let mut series = match activity {
        Activity::Map(map) => return Ok((*map, None, Vec::new())),
        Activity::Images(series) => series,
    };
    let times: Vec<String> = series.times_h().iter().map(|h| format!("{h:.4}")).collect();
    let map = series.integrate(regions, &BTreeMap::new(), hear)?;
    hear.info(format!("activity images at {} h after injection", times.join(", ")));
    for region in map.regions.iter().filter_map(|region| region.row()) {
        hear.info(format!(
            "region {}: {:.3} MBq h, effective half-life {:.2} h ({})",
            region.name, region.tia_mbq_h, region.effective_half_life_h, region.method
        ));
    }
    warnings.append(&mut series.warnings);
    warnings.extend(map.warnings);
    let decays = ActivityMap::new(map.decays, ActivityUnit::Decays, "activity images").or_user_error()?;
    Ok((decays.to_decays(), series.administered_mbq(), series.times_h()))
}

fn read_matter(
    request: &DoseRequest,
    activity: Option<&Frame>,
    warnings: &mut Vec<String>,
) -> Result<Matter, UserError> {
    match &request.scene {
        SceneInput::Ct(path) => {
            let ct = images::ct(path, warnings)?;
            matter_of_ct(ct, &path.display().to_string(), request.grid, activity, warnings)
        }
        SceneInput::Explicit { density, tissue, tissue_table } => explicit(density, tissue, tissue_table, warnings),
    }
}

fn explicit(
    density_path: &Path,
    tissue_path: &Path,
    table_path: &Path,
    warnings: &mut Vec<String>,
) -> Result<Matter, UserError> {
    let density = images::nifti_image::<f32>("density", density_path, warnings)?;
    let (index, _) = nifti::read_labels(tissue_path).or_user_error()?.to_canonical();
    same_grid(tissue_path, &index.grid, &density.volume.grid, "the density map's grid")?;
    let tissues = read_tissues(table_path).or_user_error()?;
    let refused = |n: usize, field: &str, found: String, allowed: String, hint: &str| {
        let [i, j, k] = density.volume.grid.voxel(n);
        UserError::new(format!("{field}: found {found} in voxel ({i}, {j}, {k}); allowed: {allowed}"), hint)
    };
    if let Some(n) = density.volume.data.iter().position(|density| !(0.0..=30.0).contains(density)) {
        let found = density.volume.data[n].to_string();
        let field = format!("{}: density", density_path.display());
        return Err(refused(n, &field, found, "0 to 30 g/cm3".into(), "Give mass density in g/cm3, not kg/m3 or HU."));
    }
    if let Some(n) = index.data.iter().position(|&tissue| usize::from(tissue) >= tissues.len()) {
        let field = format!("{}: tissue index", tissue_path.display());
        let allowed = format!("0 to {} (the table has {} tissues)", tissues.len() - 1, tissues.len());
        return Err(refused(
            n,
            &field,
            index.data[n].to_string(),
            allowed,
            "Give the table that belongs to the volume.",
        ));
    }
    Ok(Matter {
        grid: density.volume.grid.clone(),
        own_grid: density.volume.grid,
        density_g_cm3: density.volume.data,
        tissue: index.data.iter().map(|&tissue| tissue as u8).collect(),
        tissues,
        hu: None,
        calibration: None,
        orientation: density.orientation,
        form_code: density.form_code,
        origin: None,
        inputs: vec![density.input, images::read("tissue", tissue_path)?, images::read("tissue_table", table_path)?],
    })
}

fn same_grid(path: &Path, found: &VoxelGrid, wanted: &VoxelGrid, what: &str) -> Result<(), UserError> {
    if found.same_as(wanted) {
        return Ok(());
    }
    Err(UserError::new(
        format!("{}: grid: found {}; allowed: {what}, {}", path.display(), found.describe(), wanted.describe()),
        "Resample it (labels and indices to the nearest voxel).",
    ))
}

/// Regions on the result's grid. Without a label map there is one: all that is not air.
fn regions(
    request: &DoseRequest,
    matter: &Matter,
    activity: Option<&Frame>,
    hear: &mut dyn Listener,
    warnings: &mut Vec<String>,
) -> Result<Labels, UserError> {
    let Some(path) = &request.labels else { return Ok(all_but_air(matter)) };
    let anatomy = Anatomy { grid: &matter.own_grid, origin: matter.origin.as_ref() };
    let own = images::regions(path, request.label_names.as_deref(), &anatomy, false, hear, warnings)?;
    regions_on(own, &path.display().to_string(), matter, activity, hear, warnings)
}

/// The configuration and the nuclide's file, if there are such.
fn other_files(request: &DoseRequest) -> Result<Vec<InputFile>, UserError> {
    let mut files: Vec<(&str, &Path)> = request.config.as_deref().map(|path| ("config", path)).into_iter().collect();
    let path = Path::new(&request.nuclide);
    if !Nuclide::built_in_names().contains(&request.nuclide.as_str()) && path.is_file() {
        files.push(("nuclide", path));
    }
    files.into_iter().map(|(role, path)| images::read(role, path)).collect()
}
