//! From the files of a request to a case: matter, decays and regions on one grid.

use super::case::{Case, data_sets};
use super::failure::{OrUserError, UserError};
use super::images::{self, Anatomy, RegionMap, hashed};
use super::notes::Listener;
use super::request::{ActivityChoice, DoseRequest, GridChoice, SceneInput, Stop};
use super::series::OpenSeries;
use crate::bounds::Given;
use crate::ct::check_hounsfield;
use crate::decay::Nuclide;
use crate::dose::AIR_LIMIT_G_CM3;
use crate::grid::{Orientation, Volume, VoxelGrid};
use crate::io::dicom::Origin;
use crate::io::nifti;
use crate::materials::hu_curve::HuCalibration;
use crate::materials::tissue_map;
use crate::materials::tissues::{Tissue, read_tissues};
use crate::report::run_record::InputFile;
use crate::source::regrid::{average_to, redistribute};
use crate::source::{ActivityMap, ActivityUnit, DecayMap};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Share of the decays outside the grid or in air from which on the record warns.
const WARN_SHARE: f64 = 1e-3;
/// HU where the CT does not reach: vacuum would stop nothing, air is what is there.
const OUTSIDE_HU: f32 = -1000.0;

/// Matter on the grid of the result.
struct Matter {
    grid: VoxelGrid,
    density_g_cm3: Vec<f32>,
    tissue: Vec<u8>,
    tissues: Vec<Tissue>,
    hu: Option<Vec<f32>>,
    calibration: Option<String>,
    /// Grid of the CT or the explicit scene, which labels may lie on.
    own_grid: VoxelGrid,
    orientation: Orientation,
    form_code: i16,
    origin: Option<Origin>,
    inputs: Vec<InputFile>,
}

/// Grid of the activity, its order in the user's file, and its kind of coordinates.
struct Frame {
    grid: VoxelGrid,
    orientation: Orientation,
    form_code: i16,
}

/// The activity as read: decays, or images still to be integrated over the regions.
enum Activity {
    Map(Box<DecayMap>),
    Images(Box<OpenSeries>),
}

/// Regions on the result's grid.
struct Labels {
    labels: Vec<u16>,
    names: BTreeMap<u16, String>,
    /// As they were read; none without a label map.
    own: Option<RegionMap>,
}

/// Everything a run starts from, out of the request's files.
pub fn case(request: &DoseRequest, hear: &mut dyn Listener) -> Result<Case, UserError> {
    let mut warnings = Vec::new();
    let nuclide = Nuclide::load(&request.nuclide).or_user_error()?;
    let (activity, frame, activity_inputs) = read_activity(request, &nuclide, hear, &mut warnings)?;
    let matter = read_matter(request, Some(&frame), &mut warnings)?;
    if let Activity::Images(series) = &activity {
        images::must_agree(matter.origin.as_ref(), series.origin.as_ref())?;
    }
    let Labels { labels, names, own } = regions(request, &matter, Some(&frame), hear, &mut warnings)?;
    check_target_labels(request, &labels)?;
    let (activity, stated_mbq, image_times_h) = integrated(activity, own.as_ref(), hear, &mut warnings)?;
    let decays_in_file = activity.total_decays();
    let regridded = redistribute(&activity, &matter.grid).or_user_error()?;
    hear.info(format!(
        "decays: {:.9e} in the file, {:.9e} on the grid, {:.9e} outside ({:.3e} of all)",
        regridded.source,
        regridded.kept,
        regridded.lost,
        regridded.lost_share()
    ));
    if regridded.lost_share() > WARN_SHARE {
        warnings.push(format!("{:.2} % of the decays lie outside the grid", 100.0 * regridded.lost_share()));
    }
    let decays = regridded.volume.into_volume();
    let in_air: f64 = (0..decays.data.len())
        .filter(|&n| f64::from(matter.density_g_cm3[n]) < AIR_LIMIT_G_CM3)
        .map(|n| decays.data[n])
        .sum();
    if in_air > WARN_SHARE * decays_in_file {
        warnings.push(format!(
            "{:.2} % of the decays lie in air (below {AIR_LIMIT_G_CM3} g/cm3), where no dose is stated",
            100.0 * in_air / decays_in_file
        ));
    }
    let mut inputs = matter.inputs.clone();
    inputs.extend(activity_inputs);
    inputs.extend(own.into_iter().flat_map(|own| own.inputs));
    inputs.extend(other_files(request)?);
    let stated = request.administered_mbq.or(stated_mbq);
    let case = case_of(request, nuclide, matter, labels, names, decays, warnings);
    Ok(Case { image_times_h, ..case.with(inputs, decays_in_file, stated) })
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
    Ok(case_of(request, nuclide, matter, labels, names, decays, warnings).with(inputs, 0.0, None))
}

fn case_of(
    request: &DoseRequest,
    nuclide: Nuclide,
    matter: Matter,
    labels: Vec<u16>,
    names: BTreeMap<u16, String>,
    decays: Volume<f64>,
    warnings: Vec<String>,
) -> Case {
    Case {
        decays,
        density_g_cm3: matter.density_g_cm3,
        tissue: matter.tissue,
        tissues: matter.tissues,
        hu: matter.hu,
        labels,
        names,
        groups: Vec::new(),
        administered_mbq: None,
        image_times_h: Vec::new(),
        decays_in_file: 0.0,
        data_sets: data_sets(&nuclide, matter.calibration.as_deref()),
        nuclide,
        orientation: matter.orientation,
        form_code: matter.form_code,
        origin: matter.origin,
        dicom: request.dicom,
        inputs: Vec::new(),
        settings: request.settings(),
        warnings,
    }
}

impl Case {
    fn with(self, inputs: Vec<InputFile>, decays_in_file: f64, administered_mbq: Option<f64>) -> Self {
        Self { inputs, decays_in_file, administered_mbq, ..self }
    }
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
        SceneInput::Ct(path) => from_ct(path, request.grid, activity, warnings),
        SceneInput::Explicit { density, tissue, tissue_table } => explicit(density, tissue, tissue_table, warnings),
    }
}

fn from_ct(
    path: &Path,
    grid: GridChoice,
    activity: Option<&Frame>,
    warnings: &mut Vec<String>,
) -> Result<Matter, UserError> {
    let ct = images::ct(path, warnings)?;
    let named = |error: &dyn std::error::Error| {
        UserError::new(
            format!("{}: CT numbers: {error}", path.display()),
            "Give a CT in Hounsfield units: air near -1000, water near 0.",
        )
    };
    check_hounsfield(&ct.volume).map_err(|error| named(&error))?;
    let own_grid = ct.volume.grid.clone();
    let (target, orientation, form_code) = match (grid, activity) {
        (GridChoice::Activity, Some(frame)) => (frame.grid.clone(), frame.orientation.clone(), frame.form_code),
        (GridChoice::Millimetre(edge_mm), _) => {
            let cover = own_grid.isotropic_cover(edge_mm).or_user_error()?;
            let orientation = cover.orientation();
            (cover, orientation, ct.form_code)
        }
        _ => (own_grid.clone(), ct.orientation, ct.form_code),
    };
    let averaged = average_to(&ct.volume, &target, OUTSIDE_HU).or_user_error()?;
    if averaged.uncovered > 0 {
        warnings.push(format!(
            "the CT does not reach {} of {} voxels of the grid; they are taken as air",
            averaged.uncovered,
            target.len()
        ));
    }
    let calibration = HuCalibration::schneider2000();
    let matter = tissue_map(&averaged.volume, &calibration).map_err(|error| named(&error))?;
    warnings.extend(matter.report.warnings.iter().map(|warning| format!("{}: {warning}", path.display())));
    Ok(Matter {
        grid: target,
        density_g_cm3: matter.density_g_cm3,
        tissue: matter.tissue,
        tissues: matter.tissues,
        hu: Some(averaged.volume.data),
        calibration: Some(calibration.source),
        own_grid,
        orientation,
        form_code,
        origin: ct.origin,
        inputs: vec![ct.input],
    })
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
        inputs: vec![density.input, hashed("tissue", tissue_path)?, hashed("tissue_table", table_path)?],
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
    let Some(path) = &request.labels else {
        let solid = |&density: &f32| u16::from(f64::from(density) >= AIR_LIMIT_G_CM3);
        let labels = matter.density_g_cm3.iter().map(solid).collect();
        return Ok(Labels { labels, names: BTreeMap::from([(1, "all_but_air".to_owned())]), own: None });
    };
    let anatomy = Anatomy { grid: &matter.own_grid, origin: matter.origin.as_ref() };
    let own = images::regions(path, request.label_names.as_deref(), &anatomy, false, hear, warnings)?;
    if let Some(frame) = activity
        && !own.labels.grid.same_as(&matter.own_grid)
        && !own.labels.grid.same_as(&frame.grid)
    {
        return Err(UserError::new(
            format!(
                "{}: grid: found {}; allowed: the grid of the CT or scene ({}) or of the activity map ({})",
                path.display(),
                own.labels.grid.describe(),
                matter.own_grid.describe(),
                frame.grid.describe()
            ),
            "Resample the labels to the CT with nearest-neighbour interpolation.",
        ));
    }
    let labels = images::labels_on(&own, &matter.grid, "the result's", hear, warnings)?;
    if labels.iter().all(|&label| label == 0) {
        return Err(UserError::new(
            format!("{}: labels: found 0 in every voxel; allowed: at least one region", path.display()),
            "Check that this is the label map, or leave --labels out.",
        ));
    }
    Ok(Labels { labels, names: own.names.clone(), own: Some(own) })
}

fn check_target_labels(request: &DoseRequest, labels: &[u16]) -> Result<(), UserError> {
    let Stop::TargetSigma { labels: targets, .. } = &request.run.stop else { return Ok(()) };
    let present: BTreeSet<u16> = labels.iter().copied().filter(|&label| label > 0).collect();
    match targets.iter().find(|target| !present.contains(target)) {
        None => Ok(()),
        Some(missing) => {
            let known: Vec<String> = present.iter().map(u16::to_string).collect();
            Err(UserError::new(
                format!("--target-labels: found {missing}, which no voxel has; allowed: {}", known.join(", ")),
                "Name labels of the label map.",
            ))
        }
    }
}

/// The configuration and the nuclide's file, if there are such.
fn other_files(request: &DoseRequest) -> Result<Vec<InputFile>, UserError> {
    let mut files: Vec<(&str, &Path)> = request.config.as_deref().map(|path| ("config", path)).into_iter().collect();
    let path = Path::new(&request.nuclide);
    if !Nuclide::built_in_names().contains(&request.nuclide.as_str()) && path.is_file() {
        files.push(("nuclide", path));
    }
    files.into_iter().map(|(role, path)| hashed(role, path)).collect()
}
